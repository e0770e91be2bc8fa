"""LScore's grades: the answers of a run, graded by the evaluator that also rewards training."""

from collections.abc import Mapping, Sequence
from typing import Any

from audio_judge.rubrics.rubric import get_rubric
from audio_judge.tasks.wording import truth_in_words
from audio_judge.text_models.criteria import Asking
from audio_judge.text_models.evaluator import Case, Evaluator, make_evaluator

from .benchmarks import Question
from .predictions import Row
from .prompts import short_request
from .summary import Grader


def grader(place: str, model: str | None = None, form: Asking = "auto") -> Grader:
    """Make a grader from an address or a model.

    Args:
        place: Address of a server, or folder or Hub id of a model.
        model: Name of the model, if the server has several.
        form: How it is asked; see ``make_evaluator``.
    """
    evaluator = make_evaluator(place, model=model, form=form)
    return lambda rows, form: grade(evaluator, rows, form)


def grade(evaluator: Evaluator, rows: Sequence[Row], form: Any) -> list[Mapping[str, float] | None]:
    """Grade answers; one that is missing is not sent.

    Args:
        form: ``assessment``, ``comparison`` or ``suggestion``.

    Returns:
        Criterion to grade, 0 to 1, per row; None where there is no answer or the evaluator failed.
    """
    given = [number for number, row in enumerate(rows) if (row.prediction or {}).get("answer")]
    cases = [_case(rows[number], form) for number in given]
    found: list[Mapping[str, float] | None] = [None] * len(rows)
    for number, grades in zip(given, evaluator.grade(cases) if cases else [], strict=True):
        found[number] = grades
    return found


def _case(row: Row, form: Any) -> Case:
    rubrics = tuple(get_rubric(name) for name in row.rubrics)
    request = short_request(Question(row.id, row.task, row.clips, rubrics))
    return Case(form, request, str((row.prediction or {})["answer"]), truth_in_words(row.truth))
