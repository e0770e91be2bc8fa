import contextlib
import random
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_judge.clips import Cause
from audio_judge.languages import wordings
from audio_judge.rubrics.rubric import HUNDRED, RUBRICS, TEN, Rubric
from audio_judge.tasks import (
    RUBRIC_TASKS,
    TASKS,
    CategoryTarget,
    Explanation,
    ParseError,
    ScoreTarget,
    categorize,
    explain,
    profile,
    score,
)

MOS, NOISE = RUBRICS["mos"], RUBRICS["noisiness"]
ONE_DECIMAL = st.integers(10, 50).map(lambda tenths: tenths / 10)
RATED = st.dictionaries(st.sampled_from(list(RUBRICS)), ONE_DECIMAL, min_size=1)


class TestTasks:
    @pytest.mark.parametrize("name", TASKS)
    def test_phrasings_are_many_and_disjoint(self, name):
        training, held_out = wordings(name)
        assert len(set(training)) == len(training) >= 20
        assert len(set(held_out)) == len(held_out) >= 6
        assert not set(training) & set(held_out)

    @pytest.mark.parametrize("name", RUBRIC_TASKS)
    @pytest.mark.parametrize("held_out", [False, True])
    @pytest.mark.parametrize("with_reference", [False, True])
    def test_every_phrasing_is_filled_and_roles_are_named(self, name, held_out, with_reference):
        task = TASKS[name]
        asked = "mos" if name in ("score", "categorize") else ("mos", "loudness")
        for number in range(len(wordings(name)[held_out])):
            text = task.ask(asked, phrasing=number, held_out=held_out, with_reference=with_reference)
            assert "overall quality" in text.lower()
            assert not re.search(r"[{}]", text)
            assert ("reference" in text and "degraded" in text.lower()) == with_reference

    @pytest.mark.parametrize("name", RUBRIC_TASKS)
    @pytest.mark.parametrize("text", ["", " ", "I cannot say.", "\n\n", "None", "nan", "{}"])
    def test_parse_raises_on_nothing(self, name, text):
        asked = "mos" if name in ("score", "categorize") else ("mos", "loudness")
        for strict in (False, True):
            with pytest.raises(ParseError):
                TASKS[name].parse(text, asked, strict=strict)

    @pytest.mark.parametrize("name", RUBRIC_TASKS)
    @given(text=st.text(max_size=60))
    def test_parse_gives_a_target_or_a_parse_error(self, name, text):
        asked = "mos" if name in ("score", "categorize") else ("mos", "loudness")
        with contextlib.suppress(ParseError):
            assert TASKS[name].parse(text, asked) is not None


class TestScore:
    @pytest.mark.parametrize("rubric", [MOS, MOS.on(TEN), NOISE.on(HUNDRED), Rubric("x", "X.", low=-3, high=3)])
    def test_every_answer_of_the_grammar_reads_back(self, rubric):
        for answer in score.grammar(rubric):
            for strict in (False, True):
                assert score.write(score.parse(answer, rubric, strict=strict)) == answer

    def test_grammar_has_each_answer_once(self):
        assert score.grammar("mos")[:3] == ["1.0", "1.1", "1.2"]
        assert len(set(score.grammar(MOS.on(HUNDRED)))) == 1001
        assert "-0.0" not in score.grammar(Rubric("x", "X.", low=-1, high=1))

    @given(ONE_DECIMAL)
    def test_write_then_parse(self, value):
        target = ScoreTarget(MOS, value)
        assert score.parse(score.write(target), MOS, strict=True) == target

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("MOS: 3.4", 3.4),
            ("3,4", 3.4),
            ("**3.4**/5", 3.4),
            ("I would rate it 3.4 out of 5.", 3.4),
            ("On a scale of 1 to 5, I give 2.", 2.0),
            ("(1-5): 4", 4.0),
            ("3.4. Yes, 3.4", 3.4),
            ("4 of 5 stars", 4.0),
            ("An MP3 at 3.1", 3.1),  # the digit of a word is no score
            ("Overall quality: 2.0", 2.0),
        ],
    )
    def test_tolerant(self, text, value):
        assert score.parse(text, MOS).value == value

    @pytest.mark.parametrize(("text", "value"), [("8/10", 8), ("8 / 10", 8), ("8 out of 10", 8), ("10/10", 10)])
    def test_a_denominator_is_no_digit_of_the_score(self, text, value):
        assert score.parse(text, MOS.on(TEN)).value == value

    def test_a_denominator_is_no_digit_on_a_long_scale(self):
        with pytest.raises(ParseError, match="out of 10"):
            score.parse("8/10", MOS.on(HUNDRED))

    @pytest.mark.parametrize(
        "text",
        [
            "5.1",
            "0",
            "-3",
            "8/10",
            "3.4 or 4",
            "3-4",
            "1-5",
            "1.2.3",
            "3.4dB",
            "60%",
            "Noisiness: 3.4",
            "Intelligibility: 3.4",
            "reverberation = 2",
            "1e1",
            "٣",
        ],
    )
    def test_refuses(self, text):
        with pytest.raises(ParseError):
            score.parse(text, MOS)

    @pytest.mark.parametrize("text", ["3", "3.40", " 3.4", "3.4\n", "3,4", "MOS: 3.4", "03.4", "+3.4", "5.1"])
    def test_strict_refuses_what_write_does_not_write(self, text):
        with pytest.raises(ParseError):
            score.parse(text, MOS, strict=True)

    def test_target_out_of_range_is_refused(self):
        with pytest.raises(ValueError, match="outside 1 to 5"):
            ScoreTarget(MOS, 5.3)


class TestCategorize:
    @pytest.mark.parametrize("rubric", RUBRICS.values(), ids=RUBRICS)
    @pytest.mark.parametrize("form", ["{}", "I call it {}.", "**{}**"])
    def test_every_level_reads_back(self, rubric, form):
        for level in rubric.levels:
            text = form.format(categorize.write(CategoryTarget(rubric, level)))
            assert categorize.parse(text, rubric, strict=form == "{}").level == level
            assert categorize.parse(text.upper(), rubric).level == level

    def test_longest_name_wins(self):
        assert categorize.parse("It is very noisy", NOISE).level == "very noisy"

    def test_a_denial_in_another_clause_does_not_matter(self):
        assert categorize.parse("No doubt: good", MOS).level == "good"

    @pytest.mark.parametrize("text", ["not bad", "good or fair", "goodness", "I do not think it is good"])
    def test_refuses(self, text):
        with pytest.raises(ParseError):
            categorize.parse(text, MOS)

    @pytest.mark.parametrize("text", ["Good", "good.", " good"])
    def test_strict_refuses_other_spellings(self, text):
        with pytest.raises(ParseError):
            categorize.parse(text, MOS, strict=True)

    def test_target_with_an_unknown_level_is_refused(self):
        with pytest.raises(ValueError, match="no level 'great'"):
            CategoryTarget(MOS, "great")


class TestProfile:
    @given(RATED, st.booleans())
    def test_write_then_parse(self, scores, strict):
        assert profile.parse(profile.write(scores), strict=strict) == scores

    @given(RATED, st.randoms(use_true_random=False))
    def test_order_is_free(self, scores, rng):
        lines = profile.write(scores).split("\n")
        rng.shuffle(lines)
        assert profile.parse("\n".join(lines), strict=True) == scores

    def test_a_missing_score_is_absent_and_shifts_nothing(self):
        scores = profile.parse("Overall quality: 3.0\nColoration: 2.0\nLoudness: 4.0")
        assert scores == {"mos": 3.0, "coloration": 2.0, "loudness": 4.0}

    @pytest.mark.parametrize(
        ("text", "scores"),
        [
            ("- **Noisiness**: 2,1/5\n- MOS = 3", {"noisiness": 2.1, "mos": 3.0}),
            ("noisiness: 2.1, coloration: 3", {"noisiness": 2.1, "coloration": 3.0}),
            ("Overall quality (MOS): 3.4", {"mos": 3.4}),
            ('{"mos": 3.0, "loudness": 4.5}', {"mos": 3.0, "loudness": 4.5}),
            ("Charm: 4\nLoudness: 2", {"loudness": 2.0}),  # nobody asked for charm
            ("MOS: good\nLoudness: 2", {"loudness": 2.0}),  # unreadable is missing
            ("MOS: Noisiness: 3\nLoudness: 2", {"loudness": 2.0}),  # the 3 must not become the MOS
            ("MOS: 7\nLoudness: 2", {"loudness": 2.0}),
        ],
    )
    def test_tolerant(self, text, scores):
        assert profile.parse(text) == scores

    @pytest.mark.parametrize("strict", [False, True])
    def test_duplicates_are_refused(self, strict):
        with pytest.raises(ParseError, match="mos is scored twice"):
            profile.parse("Overall quality: 3.0\nOverall quality: 3.0", strict=strict)

    @pytest.mark.parametrize("text", ["Charm: 4.0", "MOS: 3.0", "Noisiness: 3", "Noisiness: 3.0\n", "Noisiness:3.0"])
    def test_strict_refuses_what_write_does_not_write(self, text):
        with pytest.raises(ParseError):
            profile.parse(text, strict=True)

    def test_ask_refuses_mixed_scales(self):
        with pytest.raises(ValueError, match="one scale"):
            profile.ask([MOS, NOISE.on(TEN)])

    def test_ask_says_where_lower_is_better(self):
        text = profile.ask([MOS, Rubric("hum", "Hum.", higher_is_better=False)], phrasing="{direction}")
        assert text == "Higher is better except for hum"

    def test_rubrics_of_one_label_are_refused(self):
        with pytest.raises(ValueError, match="two rubrics are called 'noisiness'"):
            profile.ask([NOISE, Rubric("other", "Other.", label="Noisiness")])

    def test_write_refuses_unknown_names(self):
        with pytest.raises(ValueError, match="charm"):
            profile.write({"charm": 3.0})


# Parameters that make each kind slight, clear and strong; kinds whose parameters say nothing are always clear.
GRADED: dict[str, list[dict[str, Any]]] = {
    "noise": [{"snr_db": 30}, {"snr_db": 18}, {"snr_db": 5}],
    "packet_loss": [{"loss_rate": 0.01}, {"loss_rate": 0.05}, {"loss_rate": 0.3}],
    "level": [{"gain_db": 3}, {"gain_db": -12}, {"gain_db": 24}],
    "speed": [{"factor": 1.03}, {"factor": 0.9}, {"factor": 1.4}],
    "filter": [{"gains_db": [-2, 2]}, {"gains_db": [-10, 10]}, {"gains_db": [20, -20]}],
}
ALL_CAUSES = [Cause(kind, p) for kind in explain.KINDS for p in ({}, *GRADED.get(kind, ()))]
CAUSES = st.lists(st.sampled_from(ALL_CAUSES), max_size=5).map(tuple)


class TestExplain:
    @given(RATED, CAUSES, st.integers(0, 2**32), st.booleans())
    def test_write_then_parse(self, scores, causes, seed, strict):
        target = Explanation(scores, causes)
        text = explain.write(target, seed)
        back = explain.parse(text, strict=strict)
        assert back.scores == target.scores
        assert back.kinds == target.kinds

    @pytest.mark.parametrize("cause", ALL_CAUSES, ids=str)
    def test_every_wording_names_its_kind_only(self, cause):
        texts = {explain.reasons(Explanation({}, (cause,)), seed) for seed in range(300)}
        assert len(texts) > 10
        assert {explain.named_causes(text) for text in texts} == {(cause.kind,)}

    def test_dimensions_and_verdicts_name_no_cause(self):
        for tenths in range(10, 51, 2):
            for seed in range(10):
                text = explain.reasons(Explanation(dict.fromkeys(RUBRICS, tenths / 10)), seed)
                assert explain.named_causes(text) == ()

    @pytest.mark.parametrize("value", [1.2, 2.0, 3.4, 4.0, 4.9])
    def test_verdict_has_the_word_of_the_mos(self, value):
        last = explain.write(Explanation({"mos": value, "noisiness": 1.0}), 3).rsplit(". ", 1)[-1]
        assert [level for level in MOS.levels if level in last.split(" ")[-1]] == [MOS.level_of(value)]

    def test_starts_with_its_head(self):
        target = Explanation({"mos": 2.0, "loudness": 3.0}, (Cause("echo"),))
        assert explain.write(target, 5) == explain.head(target.scores) + explain.reasons(target, 5)

    def test_differs_with_the_seed_and_not_without(self):
        target = Explanation({"mos": 2.0, "noisiness": 1.5}, (Cause("noise"), Cause("codec")))
        assert explain.write(target, 1) == explain.write(target, random.Random(1))
        assert len({explain.write(target, seed) for seed in range(50)}) > 40

    @pytest.mark.parametrize(
        ("cause", "words"),
        [
            (Cause("level", {"gain_db": -20.0}), "too quiet"),
            (Cause("level", {"gain_db": 20.0}), "too loud"),
            (Cause("level", {"gain_db": 0.0, "change_db": -9.0}), "off the right level"),
            (Cause("speed", {"factor": 0.8}), "too slow"),
            (Cause("speed", {"factor": 1.2}), "too fast"),
        ],
    )
    def test_direction_is_said(self, cause, words):
        assert words in explain.reasons(Explanation({}, (cause,)))

    @pytest.mark.parametrize(("kind", "graded"), GRADED.items(), ids=GRADED)
    def test_severity_follows_the_parameters(self, kind, graded):
        assert [explain.severity(Cause(kind, p)) for p in graded] == [explain.SLIGHT, explain.CLEAR, explain.STRONG]

    def test_severity_takes_zero_as_a_value(self):
        assert explain.severity(Cause("noise", {"snr_db": 0.0})) == explain.STRONG
        assert explain.severity(Cause("level", {"gain_db": 0.0, "change_db": -25.0, "changes": 2})) == explain.STRONG

    def test_unknown_kinds_are_refused(self):
        with pytest.raises(ValueError, match="no words for cause 'gremlins'"):
            explain.write(Explanation({"mos": 2.0}, (Cause("gremlins"),)))

    def test_a_rubric_called_like_a_cause_is_not_read_as_one(self):
        own = Rubric("echo", "How free of echo.")
        text = explain.write(Explanation({"mos": 3.0, "echo": 1.0}), rubrics=[MOS, own])
        assert explain.parse(text, [MOS, own]).kinds == frozenset()

    @pytest.mark.parametrize(
        ("text", "kinds"),
        [
            ("There is no echo, only strong reverberation.", {"reverberation"}),
            ("It is free of background noise.", set()),
            ("Heavy time clipping.", {"time_clipping"}),
            ("Clipping, and time clipping too.", {"clipping", "time_clipping"}),
            ("Noise suppression took parts away.", {"noise_suppression"}),
        ],
    )
    def test_named_causes(self, text, kinds):
        assert set(explain.named_causes(text)) == kinds

    @pytest.mark.parametrize(
        "text", ["Noisiness: 2.1\n\n", "Noisiness: 2.1", "2.1\n\nIt is noisy.", "\n\nIt is noisy."]
    )
    @pytest.mark.parametrize("strict", [False, True])
    def test_needs_scores_and_reasons(self, text, strict):
        with pytest.raises(ParseError):
            explain.parse(text, strict=strict)
