"""Try an evaluator before it rewards anything: does it rank a true answer above what is none?

A reward from an evaluator that cannot tell them apart is noise, or worse: what it likes instead is learned.
"""

import random
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audio_judge.rubrics.rubric import get_rubric
from audio_judge.text_models.criteria import WEIGHTS, weighted
from audio_judge.text_models.evaluator import Case, Evaluator, form_of, judged_answer
from audio_judge.training.reward_rows import RewardRow
from audio_judge.training.rewards import request_of

# Clips that differ by less, as a share of the scale or of the words, do not contradict each other
LEAST_CONTRADICTION = 0.25
# Rows among which the most different pairs are looked for
_CONSIDERED = 200


class PoorEvaluatorError(RuntimeError):
    """The evaluator does not rank true answers above others often enough to train on its grades."""


@dataclass(frozen=True)
class Ranks:
    """How often true answers were graded above others.

    Args:
        right: Above.
        tie: The same.
        wrong: Below.
        failed: One of both got no grade.
    """

    right: int = 0
    tie: int = 0
    wrong: int = 0
    failed: int = 0

    @property
    def share(self) -> float:
        """Share of ``right``, 0 to 1; a tie teaches nothing, and is none."""
        return self.right / max(self.right + self.tie + self.wrong + self.failed, 1)


@dataclass(frozen=True)
class Trial:
    """What came of a trial.

    Args:
        form: How the evaluator was asked.
        contradicting: True answers against answers to the clips that differ most from theirs.
        gibberish: True answers against as many letters that mean nothing.
        seconds: Per graded answer.
    """

    form: str
    contradicting: Ranks
    gibberish: Ranks
    seconds: float

    @property
    def share(self) -> float:
        """The smaller one of the shares that were ranked right, 0 to 1."""
        return min(self.contradicting.share, self.gibberish.share)

    def __str__(self) -> str:
        r"""Write it as a table.

        Example:
            >>> print(Trial("chat", Ranks(7, 1), Ranks(8), 0.5))
            evaluator (chat), a true answer against  right  tie  wrong  failed  share
            contradicting                                7    1      0       0  88%
            gibberish                                    8    0      0       0  100%
            0.5 s per answer
        """
        head = f"evaluator ({self.form}), a true answer against"
        rows = [
            f"{name:{len(head)}}  {one.right:5}  {one.tie:3}  {one.wrong:5}  {one.failed:6}  {one.share:.0%}"
            for name, one in (("contradicting", self.contradicting), ("gibberish", self.gibberish))
        ]
        return "\n".join([f"{head}  right  tie  wrong  failed  share", *rows, f"{self.seconds:.1f} s per answer"])


def try_evaluator(
    evaluator: Evaluator,
    rows: Sequence[RewardRow],
    count: int = 8,
    *,
    weights: Mapping[str, float] = WEIGHTS,
    seed: int = 0,
) -> Trial:
    """Have the reference answers of some rows graded against answers that contradict them, and against gibberish.

    The rows are those whose clips differ most from another one, whose reference answer contradicts theirs: an
    evaluator that fails there fails everywhere.

    Args:
        evaluator: How it is asked is settled by the trial.
        rows: What ``make_rows`` gives.
        count: Rows that are tried; each takes three grades.
        weights: Of the criteria.
        seed: Of the rows among which pairs are looked for, and of the gibberish.

    Raises:
        ValueError: If no two rows differ enough.
        EvaluatorDownError: If too many grades fail.
    """
    rng = random.Random(seed)
    graded = [row for row in rows if form_of(row["task"]) and judged_answer(row["reference"])]
    pairs = _contradictions(rng.sample(graded, min(len(graded), _CONSIDERED)))[:count]
    if not pairs:
        raise ValueError(
            f"no two of {len(graded)} rows differ enough to try the evaluator on; give more of them, or leave the trial out "
            "(--evaluator_trial 0)"
        )
    cases = [
        Case(form_of(row["task"]) or "assessment", request_of(row["prompt"]), answer, row["truth"])
        for row, other in pairs
        for answer in (row["reference"], other["reference"], gibberish(judged_answer(row["reference"]), rng))
    ]
    began = time.monotonic()
    grades = [None if one is None else weighted(one, weights) for one in evaluator.grade(cases)]
    seconds = (time.monotonic() - began) / len(cases)
    true = grades[::3]
    return Trial(evaluator.asking, rank(true, grades[1::3]), rank(true, grades[2::3]), seconds)


def rank(true: Sequence[float | None], others: Sequence[float | None]) -> Ranks:
    """Count how often true answers were graded above others; None is a grade that failed.

    Example:
        >>> rank([0.8, 0.5, None], [0.2, 0.5, 0.1])
        Ranks(right=1, tie=1, wrong=0, failed=1)
    """
    both = [(one, other) for one, other in zip(true, others, strict=True) if one is not None and other is not None]
    right, tie = sum(one > other for one, other in both), sum(one == other for one, other in both)
    return Ranks(right, tie, len(both) - right - tie, len(true) - len(both))


def gibberish(text: str, rng: random.Random) -> str:
    """Put letters that mean nothing in place of every letter and digit of a text.

    Example:
        >>> gibberish("Very noisy: 2.1", random.Random(0))
        'mynb iqpmz: j.p'
    """
    return re.sub(r"\w", lambda _: rng.choice("abcdefghijklmnopqrstuvwxyz"), text)


def _contradictions(rows: Sequence[RewardRow]) -> list[tuple[RewardRow, RewardRow]]:
    """Each row with that of its task that differs most, those that differ most first; all in the order of the rows."""
    found = []
    for row in rows:
        others = [other for other in rows if other is not row and other["task"] == row["task"]]
        far = max(others, key=lambda other: contradiction(row, other), default=None)
        if far is not None and contradiction(row, far) >= LEAST_CONTRADICTION:
            found.append((row, far))
    return sorted(found, key=lambda pair: -contradiction(*pair))


def contradiction(row: RewardRow, other: RewardRow) -> float:
    """Say how far what is true of two rows differs, 0 to 1: in scores, else in verdicts, else in the words of the answers.

    Example:
        >>> contradiction({"scores": {"mos": 1.0}}, {"scores": {"mos": 3.0}})
        0.5
    """
    if shared := row["scores"].keys() & other["scores"].keys():
        rubrics = [get_rubric(name) for name in shared]
        gaps = [abs(row["scores"][one.name] - other["scores"][one.name]) / (one.high - one.low) for one in rubrics]
        return sum(gaps) / len(gaps)
    if named := row["verdicts"].keys() & other["verdicts"].keys():
        return sum({row["verdicts"][name], other["verdicts"][name]} == {"A", "B"} for name in named) / len(named)
    words, others = (set(judged_answer(one["reference"]).casefold().split()) for one in (row, other))
    return 1 - len(words & others) / max(len(words | others), 1)
