import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_judge.languages import wordings
from audio_judge.rubrics.rubric import ALL_RUBRICS, NISQA_RUBRICS, SPEECHEVAL_RUBRICS
from audio_judge.tasks import ClipDetails, Comparison, Distortion, ParseError, compare
from audio_judge.tasks.thoughts import without_thought

VERDICTS = st.sampled_from(["A", "B", "tie"])
ONE_DECIMAL = st.integers(10, 50).map(lambda tenths: tenths / 10)
SCORES = st.fixed_dictionaries(dict.fromkeys(NISQA_RUBRICS, ONE_DECIMAL))
DETAILS = st.builds(
    ClipDetails,
    st.sampled_from([(), (Distortion("jitter"), Distortion("artifacts", ((0.0, 3.5), (4.0, 5.0))))]),
    st.sampled_from(["", "male"]),
    st.sampled_from(["", "young adult"]),
)
ASPECTS = [name for name in SPEECHEVAL_RUBRICS if name != "mos"]
COMPARISONS = st.builds(
    lambda overall, verdicts, details, answer: Comparison({"mos": overall} | verdicts, details, answer),
    VERDICTS,
    st.dictionaries(st.sampled_from(ASPECTS), VERDICTS),
    st.tuples(DETAILS, DETAILS),
    st.sampled_from(["A is better: much cleaner.", "Both are fine.\nReally."]),
)


class TestAsk:
    @pytest.mark.parametrize("form", ["preference", "dimensions"])
    @pytest.mark.parametrize("held_out", [False, True])
    def test_every_phrasing_names_the_aspects(self, form, held_out):
        texts = wordings("compare" if form == "preference" else "compare_dimensions")[held_out]
        assert len(set(texts)) == len(texts) >= (6 if held_out else 20)
        for number in range(len(texts)):
            text = compare.ask(phrasing=number, held_out=held_out, form=form)
            assert ("coloration" if form == "preference" else "dynamic range") in text
            assert "{" not in text

    def test_overall_quality_is_no_aspect(self):
        assert "overall" not in compare.ask()


class TestFromScores:
    def test_names_the_three_largest_gaps(self):
        first = {"mos": 3.0, "noisiness": 1.0, "coloration": 4.0, "discontinuity": 3.0, "loudness": 2.0}
        second = {"mos": 2.0, "noisiness": 4.0, "coloration": 2.0, "discontinuity": 2.0, "loudness": 2.9}
        assert compare.from_scores(first, second).verdicts == {
            "mos": "A",
            "noisiness": "B",
            "coloration": "A",
            "discontinuity": "A",
        }

    @pytest.mark.parametrize(("other", "named"), [(2.5, False), (2.4, True)])
    def test_a_gap_must_exceed_half_a_point(self, other, named):
        target = compare.from_scores({"mos": 3.0, "loudness": 3.0}, {"mos": 2.0, "loudness": other})
        assert ("loudness" in target.verdicts) == named

    def test_a_gap_of_half_a_point_does_not_hang_on_the_last_bit(self):
        target = compare.from_scores({"mos": 3.0, "loudness": 4.6}, {"mos": 2.0, "loudness": 4.1})
        assert "loudness" not in target.verdicts

    def test_the_middle_is_best_for_a_rate(self):
        target = compare.from_scores({"mos": 3.0, "speech_rate": 3.0}, {"mos": 3.1, "speech_rate": 5.0})
        assert target.verdicts == {"mos": "B", "speech_rate": "A"}

    @pytest.mark.parametrize(("margin", "preferred"), [(0.0, "A"), (0.2, "tie")])
    def test_ties(self, margin, preferred):
        assert compare.from_scores({"mos": 3.2}, {"mos": 3.0}, tie_within=margin).preferred == preferred

    def test_equal_is_a_tie(self):
        assert compare.from_scores({"mos": 3.0}, {"mos": 3.0}).preferred == "tie"

    def test_needs_overall_scores(self):
        with pytest.raises(ValueError, match="mos"):
            compare.from_scores({"mos": 3.0}, {"loudness": 3.0})

    @given(SCORES, SCORES)
    def test_the_other_order_is_the_swapped_target(self, first, second):
        assert compare.from_scores(second, first) == compare.swapped(compare.from_scores(first, second))


class TestPreference:
    @given(SCORES, SCORES, st.integers(0, 99), st.booleans())
    def test_round_trip(self, first, second, seed, strict):
        target = compare.from_scores(first, second)
        assert compare.parse(compare.write(target, seed), strict=strict).verdicts == target.verdicts

    @pytest.mark.parametrize("name", [name for name in ALL_RUBRICS if name != "mos"])
    def test_every_rubric_reads_back(self, name):
        target = Comparison({"mos": "A", name: "B"})
        for seed in range(8):
            assert compare.parse(compare.write(target, seed), ["mos", name]) == target

    @pytest.mark.parametrize(
        ("text", "verdicts"),
        [
            ("[SpeechA]", {"mos": "A"}),
            ("B", {"mos": "B"}),
            ("Speech A.", {"mos": "A"}),
            ("tie", {"mos": "tie"}),
            ("**[speech b]**", {"mos": "B"}),
            ("SpeechA is worse than SpeechB in loudness. [SpeechB]", {"mos": "B", "loudness": "B"}),
            ("SpeechA is not better in loudness. [SpeechB]", {"mos": "B"}),
            ("I compared loudness. [Tie]", {"mos": "tie"}),
        ],
    )
    def test_tolerant(self, text, verdicts):
        assert compare.parse(text).verdicts == verdicts

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "I cannot say.",
            "[SpeechC]",
            "[SpeechA] [SpeechB]",
            "SpeechA beats SpeechB in loudness. SpeechB beats SpeechA in loudness. [SpeechA]",
        ],
    )
    def test_refuses(self, text):
        with pytest.raises(ParseError):
            compare.parse(text)

    def test_an_aspect_within_the_name_of_another_is_not_named(self):
        target = Comparison({"mos": "A", "distortion_level": "A"})
        assert compare.parse(compare.write(target), ALL_RUBRICS) == target

    @pytest.mark.parametrize("text", ["A", "[SpeechA]", "A wins. [SpeechA]", "A wins.\n[speecha]", "\n[SpeechA]"])
    def test_strict_refuses(self, text):
        with pytest.raises(ParseError):
            compare.parse(text, strict=True)


RELEASED = (
    "<think>\nCompare.\nOverall Quality: A and B are similar in this aspect\nIntelligibility: A is better than B\n"
    "Speech Rate: A and B are similar\nEmotional Impact (A vs B): B is better than A\n</think>\n\n"
    "<answer>\nThey are close.\n</answer>"
)


class TestDimensions:
    @given(COMPARISONS, st.booleans(), st.booleans())
    def test_round_trip(self, target, strict, paper):
        text = compare.write(target, form="dimensions", paper_spelling=paper)
        assert compare.parse(text, strict=strict) == target
        assert ("in this aspect" in text) == ("tie" in target.verdicts.values() and not paper)

    @given(COMPARISONS, st.integers(0, 99))
    def test_round_trip_with_a_summary_of_our_own(self, target, seed):
        parsed = compare.parse(compare.write(replace(target, answer=""), seed, form="dimensions"))
        assert parsed.answer
        assert (parsed.verdicts, parsed.details) == (target.verdicts, target.details)

    def test_reads_both_spellings(self):
        target = compare.parse(RELEASED)
        assert target.verdicts == {"mos": "tie", "intelligibility": "A", "speech_rate": "tie", "emotional_impact": "B"}
        assert target.answer == "They are close."

    def test_swapping_twice_changes_nothing_but_the_summary(self):
        target = replace(compare.parse(RELEASED), details=(ClipDetails((Distortion("jitter"),)), ClipDetails()))
        assert compare.swapped(target).details[1].distortions == (Distortion("jitter"),)
        assert compare.swapped(compare.swapped(target)) == replace(target, answer="")

    @pytest.mark.parametrize(
        "text",
        [
            "<think>\n</think>\n<answer>A</answer>",
            "Intelligibility: A is better than B",
            "Overall Quality: A is better than B\nOverall Quality: B is better than A",
            "<think>Overall Quality: A is better than B",
            "Overall Quality: C is better",
        ],
    )
    def test_refuses(self, text):
        with pytest.raises(ParseError):
            compare.parse(text)

    def test_mixed_spellings_are_not_strict(self):
        with pytest.raises(ParseError):
            compare.parse(RELEASED, strict=True)

    def test_writes_speecheval_only(self):
        with pytest.raises(ValueError, match="loudness"):
            compare.write(Comparison({"mos": "A", "loudness": "A"}), form="dimensions")


class TestComparison:
    @pytest.mark.parametrize("verdicts", [{}, {"loudness": "A"}, {"mos": "C"}])
    def test_refuses(self, verdicts):
        with pytest.raises(ValueError, match="needed"):
            Comparison(verdicts)

    def test_details_refuse_an_unknown_gender(self):
        with pytest.raises(ValueError, match="gender"):
            ClipDetails(gender="robot")

    @given(st.text(max_size=60))
    def test_gives_a_target_or_a_parse_error(self, text):
        for strict in (False, True):
            with contextlib.suppress(ParseError):
                assert isinstance(compare.parse(text, strict=strict), Comparison)


class TestAnswerAlone:
    TARGET = Comparison({"mos": "B", "intelligibility": "tie", "distortion": "B", "dynamic_range": "A"})

    @pytest.mark.parametrize("language", ["en", "fr", "ja", "zh"])
    @pytest.mark.parametrize("seed", range(3))
    def test_verdicts_are_read_from_the_sentences(self, language, seed):
        alone = without_thought(compare.write(self.TARGET, seed, form="dimensions", language=language))
        assert compare.parse(alone).verdicts == self.TARGET.verdicts

    def test_strictly_a_thought_or_a_token_is_needed(self):
        with pytest.raises(ParseError):
            compare.parse("On the whole A is better.", strict=True)

    @pytest.mark.parametrize("seed", range(3))
    def test_another_verdict_is_written_in_the_same_words(self, seed):
        texts = {one: compare.summarise(Comparison({"mos": one}), seed) for one in ("A", "B", "tie")}
        assert {one: compare.with_verdict(texts["A"], one) for one in texts} == texts
