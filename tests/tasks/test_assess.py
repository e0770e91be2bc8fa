import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_judge.languages import LANGUAGES, wordings
from audio_judge.rubrics.rubric import SPEECHEVAL_RUBRICS
from audio_judge.tasks import ParseError, assess, compare
from audio_judge.tasks.assess import DISTORTION_TYPES, GENDERS, RATES, Assessment, Distortion
from audio_judge.tasks.thoughts import join_thought, split_thought, without_thought

ONE_DECIMAL = st.integers(10, 50).map(lambda tenths: tenths / 10)
SPANS = st.lists(st.tuples(st.integers(0, 90), st.integers(91, 200)), max_size=3).map(
    lambda spans: tuple((start / 10, end / 10) for start, end in spans)
)
DISTORTIONS = st.lists(st.builds(Distortion, st.sampled_from(DISTORTION_TYPES), SPANS), max_size=3).map(tuple)
ANSWERS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="<>"), max_size=60).map(str.strip)


@st.composite
def assessments(draw):
    names = [name for name in SPEECHEVAL_RUBRICS if name != "speech_rate"]
    scores = draw(st.dictionaries(st.sampled_from(names), ONE_DECIMAL, min_size=1))
    return Assessment(
        scores,
        draw(st.sampled_from(["", *RATES])),
        draw(DISTORTIONS) if "distortion" in scores else (),
        draw(st.sampled_from(["", "Neutral", "calm and warm"])) if "emotional_impact" in scores else "",
        draw(st.sampled_from(["", *GENDERS])) if "subjective_experience" in scores else "",
        draw(st.sampled_from(["", "middle-aged", "young adult"])) if "subjective_experience" in scores else "",
        draw(ANSWERS.filter(bool)),
    )


# What the released model wrote, in shape: no times, no space after the semicolon, another word for the rate.
RELEASED = (
    "<think>\nScore each dimension.\nOverall Quality: 1/5\nIntelligibility: 2/5\n"
    "Distortion: 1/5 (timbre and quality;artifacts)\nSpeech Rate: suitable\nDynamic Range: 2/5\n"
    "Emotional Impact: 1/5 (Neutral)\nArtistic Expression: 1/5\nSubjective Experience: 2/5 (male, middle-aged)\n"
    "</think>\n\n<answer>\nA very poor clip.\n</answer>"
)


class TestDimensionSpans:
    def test_released_model(self):
        spans = assess.dimension_spans(RELEASED)
        assert list(spans) == list(assess.TITLES)
        assert {name: RELEASED[start:end] for name, (start, end) in spans.items()} == {
            "mos": " 1/5", "intelligibility": " 2/5", "distortion": " 1/5 (timbre and quality;artifacts)",
            "speech_rate": " suitable", "dynamic_range": " 2/5", "emotional_impact": " 1/5 (Neutral)",
            "artistic_expression": " 1/5", "subjective_experience": " 2/5 (male, middle-aged)",
        }  # fmt: skip

    @pytest.mark.parametrize("language", LANGUAGES)
    def test_all_eight_in_every_language(self, language):
        scores = {name: 2.0 for name in SPEECHEVAL_RUBRICS if name != "speech_rate"}
        text = assess.write(Assessment(scores, "fast"), language=language)
        spans = assess.dimension_spans(text)
        assert list(spans) == list(assess.TITLES)
        assert all(text[start:end].strip() == "2/5" for name, (start, end) in spans.items() if name != "speech_rate")

    def test_verdicts(self):
        text = compare.write(compare.Comparison({"mos": "A", "distortion": "tie"}), form="dimensions")
        spans = assess.dimension_spans(text.replace("Distortion:", "Distortion (A vs B):"))
        assert set(spans) == {"mos", "distortion"}

    @pytest.mark.parametrize("text", ["Distortion: 2/5", "<think>\nDistortion: 2/5", "<think>\nBad.\n</think> Bad."])
    def test_only_a_whole_thought_has_them(self, text):
        assert assess.dimension_spans(text) == {}


class TestAsk:
    @pytest.mark.parametrize("held_out", [False, True])
    def test_names_all_eight(self, held_out):
        for number in range(len(wordings("assess")[held_out])):
            text = assess.ask(phrasing=number, held_out=held_out)
            assert "speech rate" in text
            assert "subjective experience" in text
            assert "{" not in text

    def test_with_reference(self):
        assert "reference" in assess.ask(with_reference=True)


class TestWriteAndParse:
    @given(assessments(), st.booleans())
    def test_round_trip(self, target, strict):
        assert assess.parse(assess.write(target), strict=strict) == target

    @given(assessments(), st.integers(0, 99))
    def test_round_trip_with_a_summary_of_our_own(self, target, seed):
        target = replace(target, answer="")
        parsed = assess.parse(assess.write(target, seed), strict=True)
        assert replace(parsed, answer="") == target
        assert parsed.answer

    def test_eight_lines_in_order(self):
        scores = {name: 3 for name in reversed(SPEECHEVAL_RUBRICS) if name != "speech_rate"}
        lines = assess.write(Assessment(scores, "fast")).split("</think>")[0].splitlines()[2:]
        assert [line.partition(":")[0] for line in lines] == list(assess.TITLES.values())

    def test_reads_the_released_form(self):
        target = assess.parse(RELEASED)
        assert target.scores["mos"] == 1
        assert target.speech_rate == "appropriate"
        assert [distortion.kind for distortion in target.distortions] == ["timbre & quality", "artifacts"]
        assert (target.emotion, target.gender, target.age) == ("Neutral", "male", "middle-aged")
        assert target.answer == "A very poor clip."

    def test_strict_refuses_the_released_form(self):
        with pytest.raises(ParseError, match="should be written"):
            assess.parse(RELEASED, strict=True)

    def test_reads_without_tags(self):
        assert assess.parse("**Overall Quality**: 2/5\nDistortion: 3,5/5").scores == {"mos": 2.0, "distortion": 3.5}

    def test_a_score_on_another_scale_is_missing(self):
        assert assess.parse("Overall Quality: 8/10\nDistortion: 2/5").scores == {"distortion": 2.0}

    @pytest.mark.parametrize(
        ("text", "what"),
        [
            ("", "scores of nothing"),
            ("It is bad.", "scores of nothing"),
            ("<think>\nOverall Quality: 2/5", "without an end"),
            ("Overall Quality: 2/5\nOverall Quality: 3/5", "twice"),
            ("<think></think><think></think>Overall Quality: 2/5", "more than one"),
            ("Speech Rate: fast", "scores of nothing"),
        ],
    )
    def test_refuses(self, text, what):
        with pytest.raises(ParseError, match=what):
            assess.parse(text)

    @given(st.text(max_size=80))
    def test_gives_a_target_or_a_parse_error(self, text):
        for strict in (False, True):
            with contextlib.suppress(ParseError):
                assert isinstance(assess.parse(text, strict=strict), Assessment)

    @given(st.text(max_size=30))
    def test_any_value_gives_a_target_or_a_parse_error(self, text):
        with contextlib.suppress(ParseError):
            assert assess.parse(f"Overall Quality: 2/5\nDistortion: 1/5 ({text})\nSubjective Experience: 2/5 ({text})")


class TestReadRate:
    @pytest.mark.parametrize(
        ("text", "rate"),
        [
            ("suitable", "appropriate"),
            ("Appropriate", "appropriate"),
            ("slightly fast", "slightly fast"),
            ("1/5", "slow"),
            ("5", "fast"),
            ("2.0", "slightly slow"),
            ("not suitable", ""),
            ("fast and slow", ""),
        ],
    )
    def test_words_and_numbers(self, text, rate):
        assert assess.read_rate(text) == rate


class TestReadDistortions:
    @pytest.mark.parametrize(
        ("text", "kind", "spans"),
        [
            ("jitter", "jitter", ()),
            ("artifacts 0.0-3.5 s, 4-5 s", "artifacts", ((0.0, 3.5), (4.0, 5.0))),
            ("jitter from 1 s to 2.5 s", "jitter", ((1.0, 2.5),)),
            ("drop/missing appeared between 0 s - 3.5 s", "drop / missing", ((0.0, 3.5),)),
            ("Timbre and Quality", "timbre & quality", ()),
        ],
    )
    def test_spellings(self, text, kind, spans):
        assert assess.read_distortions(text) == (Distortion(kind, spans),)

    def test_none_is_nothing(self):
        assert assess.read_distortions("none; ") == ()


class TestAssessment:
    @pytest.mark.parametrize(
        ("arguments", "what"),
        [
            ({"scores": {}}, "nothing"),
            ({"scores": {"charm": 3}}, "charm"),
            ({"scores": {"mos": 6}}, "outside"),
            ({"scores": {"mos": 3}, "speech_rate": "swift"}, "swift"),
            ({"scores": {"mos": 3}, "gender": "male"}, "beside"),
            ({"scores": {"mos": 3}, "distortions": (Distortion("jitter"),)}, "beside"),
            ({"scores": {"mos": 3}, "answer": "a</answer>"}, "without <think>"),
            ({"scores": {"subjective_experience": 3}, "age": "40, or so"}, "note"),
        ],
    )
    def test_refuses(self, arguments, what):
        with pytest.raises(ValueError, match=what):
            Assessment(**arguments)

    def test_distortion_refuses_a_span_backwards(self):
        with pytest.raises(ValueError, match="start < end"):
            Distortion("jitter", ((2.0, 1.0),))


class TestThoughts:
    @given(ANSWERS, ANSWERS.filter(bool))
    def test_round_trip(self, think, answer):
        assert split_thought(join_thought(think, answer), strict=True) == (think, answer)

    def test_an_answer_without_an_end_counts(self):
        assert split_thought("<think>x</think><answer>good") == ("x", "good")

    def test_a_thought_may_end_where_the_answer_begins(self):
        assert split_thought("<think>x<answer>good</answer>") == ("x", "good")

    def test_strict_wants_the_exact_frame(self):
        with pytest.raises(ParseError):
            split_thought("<think>x</think>\n\n<answer>\ngood\n</answer>", strict=True)


class TestAnswerAlone:
    @pytest.mark.parametrize("language", ["en", "fr", "ja", "zh"])
    @pytest.mark.parametrize("seed", range(3))
    def test_levels_are_read_from_the_sentences(self, language, seed):
        target = Assessment({"mos": 2.0, "intelligibility": 4.0, "distortion": 1.0}, "fast", (Distortion("jitter"),))
        alone = without_thought(assess.write(target, seed, language))
        read = assess.parse(alone)
        assert (read.scores, read.speech_rate) == (target.scores, "fast")
        assert [one.kind for one in read.distortions] == ["jitter"]

    def test_times_of_a_distortion(self):
        said = Assessment({"mos": 2.0, "distortion": 1.0}, "", (Distortion("artifacts", ((0.5, 1.5), (2.0, 3.0))),))
        assert assess.parse(assess.summarise(said)).distortions == said.distortions

    def test_sentences_of_others_say_no_score(self):
        with pytest.raises(ParseError, match="scores of nothing"):
            assess.parse("A fine recording with a nice voice.")

    def test_strictly_a_thought_is_needed(self):
        with pytest.raises(ParseError, match="is not '<think>'"):
            assess.parse("The overall quality is poor.", strict=True)
