import random

import pytest

from audio_judge.text_models.criteria import CRITERIA
from audio_judge.training.trial import Ranks, Trial, contradiction, gibberish, try_evaluator


def row(number, mos, **changes):
    reference = f"Overall quality: {mos}\n\nClip {number} sounds so and so."
    return {
        "prompt": [{"role": "user", "content": [{"type": "text", "text": "Rate it."}]}], "task": "explain",
        "scores": {"mos": mos}, "verdicts": {}, "reference": reference, "truth": f"mos {mos}",
    } | changes  # fmt: skip


ROWS = [row(number, mos) for number, mos in enumerate((1.0, 1.5, 3.0, 4.5, 5.0))]


class Grader:
    """Grades by a function of a case."""

    asking = "chat"

    def __init__(self, grade):
        self.of, self.cases = grade, []

    def grade(self, cases):
        self.cases += cases
        grades = [self.of(case) for case in cases]
        return [None if one is None else dict.fromkeys(CRITERIA, one) for one in grades]


def is_true(case):
    return case.truth.removeprefix("mos ") in case.output


class TestTryEvaluator:
    def test_a_perfect_one_is_always_right(self):
        trial = try_evaluator(Grader(lambda case: float(is_true(case))), ROWS, 3)
        assert (trial.contradicting, trial.gibberish, trial.share) == (Ranks(right=3), Ranks(right=3), 1.0)

    def test_one_that_says_the_same_to_everything_is_never_right(self):
        trial = try_evaluator(Grader(lambda _: 0.8), ROWS, 3)
        assert (trial.contradicting, trial.gibberish, trial.share) == (Ranks(tie=3), Ranks(tie=3), 0.0)

    def test_one_that_only_knows_language_is_found_out(self):
        trial = try_evaluator(Grader(lambda case: float("sounds" in case.output)), ROWS, 3)
        assert trial.gibberish.share == 1.0
        assert trial.contradicting.share == trial.share == 0.0

    def test_a_grade_that_failed_is_not_right(self):
        trial = try_evaluator(Grader(lambda case: 1.0 if is_true(case) else None), ROWS, 2)
        assert trial.contradicting == trial.gibberish == Ranks(failed=2)

    def test_takes_the_rows_that_differ_most(self):
        grader = Grader(lambda _: 0.5)
        try_evaluator(grader, ROWS, 2)
        assert {case.truth for case in grader.cases} == {"mos 1.0", "mos 5.0"}
        true, contradicting, noise = grader.cases[:3]
        assert (true.request, true.form) == ("Rate it.", "assessment")
        assert {true.output, contradicting.output} == {ROWS[0]["reference"], ROWS[4]["reference"]}
        assert len(noise.output) == len(true.output)

    def test_answers_of_other_tasks_contradict_nothing(self):
        rows = [ROWS[0], row(1, 5.0, task="describe"), row(2, 5.0, task="detect")]
        with pytest.raises(ValueError, match="no two of 2 rows differ enough"):
            try_evaluator(Grader(lambda _: 0.5), rows)

    def test_clips_that_are_alike_are_no_trial(self):
        with pytest.raises(ValueError, match="no two of 2 rows differ enough"):
            try_evaluator(Grader(lambda _: 0.5), [row(0, 3.0), row(1, 3.2)])


class TestContradiction:
    def test_verdicts_and_words(self):
        verdicts = [{"scores": {}, "verdicts": {"mos": one}} for one in "AB"]
        assert contradiction(*verdicts) == 1.0
        words = [{"scores": {}, "verdicts": {}, "reference": text} for text in ("Use a filter.", "Use a codec.")]
        assert contradiction(*words) == 0.5


def test_gibberish_keeps_the_shape_and_no_word():
    text = "The clip has noise, 2.1.\nIt is bad."
    found = gibberish(text, random.Random(1))
    assert [len(word) for word in found.split()] == [len(word) for word in text.split()]
    assert not set(found.split()) & set(text.split())


def test_table_names_what_was_right():
    assert str(Trial("expected", Ranks(6, 1, 1), Ranks(8), 2.0)).splitlines()[1].split() == [
        "contradicting", "6", "1", "1", "0", "75%",
    ]  # fmt: skip
