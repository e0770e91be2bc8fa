"""Read the answers that SpeechQualityLLM committed, ``evaluation/*/predictions_*.csv`` of its repository.

A row is one dimension of one answer: ``task, question, generated`` (the answer), ``dim`` (``mos, noi, col, dis, loud``),
``y_true`` and ``y_pred`` (the number that its authors took from the answer; blank if they found none). Rows have no id.

The answers are read as those of any judge, and not ``y_pred``: by the name of the dimension, or the only number that there
is. Authors took the first number, or the one in a dimension's place, so that a missing one moves the others.
"""

import math
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from audio_judge.batch import lines
from audio_judge.corpora.nisqa import RUBRIC_OF
from audio_judge.corpora.rows import is_blank
from audio_judge.errors import UsageError
from audio_judge.rubrics.rubric import Rubric, get_rubric
from audio_judge.tasks import ParseError, categorize, explain, profile
from audio_judge.tasks import score as score_task

from .benchmarks import Benchmark, stated
from .predictions import Row

COLUMNS = ("question", "generated", "y_true", "y_pred")
# The five words of its questions for 1 to 5, on all dimensions
WORDS = ("very bad", "poor", "fair", "good", "excellent")


def is_published(names: Sequence[str]) -> bool:
    """Say whether a file of these columns holds such answers."""
    return set(COLUMNS) <= set(names)


def rubrics_of(path: Path) -> list[str]:
    """Name our rubrics that a file's rows are about, in the order of the rows."""
    return list(dict.fromkeys(_rubric(path, line, row) for line, row in lines.read(path, trims=True)))


def read_published(path: Path, benchmark: Benchmark, judge: str) -> list[Row]:
    """Read answers as rows, and say on stderr how many are read otherwise than by their authors.

    Args:
        benchmark: What is measured; rows about none of its rubrics are left out.
        judge: What to call who answered.

    Returns:
        A row for each of the file, called by its line; one whose answer says nothing has no prediction.

    Raises:
        UsageError: If a truth is no number, a dimension is unknown, or no row is about the benchmark's rubrics.
    """
    asked, rows, otherwise = [rubric.name for rubric in benchmark.rubrics], list[Row](), 0
    for line, row in lines.read(path, trims=True):
        name, truth = _rubric(path, line, row), _number(path, line, row, "y_true")
        if name not in asked:
            continue
        if truth is None:
            raise UsageError(f"{path}:{line}: y_true is empty; the rating of the clip expected")
        said, error = _read(str(row["generated"] or ""), get_rubric(name), benchmark.task)
        theirs = _number(path, line, row, "y_pred")
        otherwise += (said or {}).get("scores", {}).get(name) != theirs and "levels" not in (said or {})
        known: dict[str, Any] = {"scores": {name: truth}}
        if benchmark.task == "categorize":
            known["levels"] = {name: get_rubric(name).level_of(truth)}
        text = str(row["generated"] or "").strip()
        texts = (text,) if text else ()
        rows.append(
            Row(str(line), benchmark.name, judge, benchmark.task, (), known, (name,), said, texts, error, groups={})
        )
    if not rows:
        found = ", ".join(rubrics_of(path)) or "none"
        raise UsageError(f"{path}: no row about {', '.join(asked)}; it has {found}")
    if benchmark.task != "categorize":
        print(f"{path}: {otherwise} of {len(rows)} answers are read otherwise than in y_pred", file=sys.stderr)
    return rows


def _rubric(path: Path, line: int, row: dict[str, Any]) -> str:
    said = str(row.get("dim") or "mos").strip()
    if said not in RUBRIC_OF:
        raise UsageError(f"{path}:{line}: dim is {said!r}; one of {', '.join(RUBRIC_OF)} expected")
    return RUBRIC_OF[said]


def _number(path: Path, line: int, row: dict[str, Any], column: str) -> float | None:
    if is_blank(row[column]):
        return None
    number = lines.as_number(row[column])
    if number is None or not math.isfinite(number):
        raise UsageError(f"{path}:{line}: {column} is {row[column]!r}; a number expected")
    return number


def _read(text: str, rubric: Rubric, task: str) -> tuple[dict[str, Any] | None, str | None]:
    """What an answer says about a dimension, and what could not be read of it."""
    said: dict[str, Any] = {}
    try:
        if task == "categorize":
            return {"levels": {rubric.name: _level(text, rubric)}}, None
        said["scores"] = {rubric.name: _score(text, rubric)}
        if task == "explain":
            target = explain.parse(text, tuple(RUBRIC_OF.values()))
            return stated(task, explain.facts(target), text) | said, None
    except ParseError as error:
        return said or None, str(error)
    return said, None


def _score(text: str, rubric: Rubric) -> float:
    try:
        by_name = profile.parse(text, tuple(RUBRIC_OF.values()))
    except ParseError:
        # Scores without names; of other names, nothing is said about this one
        return score_task.parse(text, rubric).value
    if rubric.name not in by_name:
        raise ParseError(f"{rubric.name}: no score in {text!r}, but of {', '.join(by_name)}")
    return by_name[rubric.name]


def _level(text: str, rubric: Rubric) -> str:
    plain = re.sub(r"\(\s*[≈~]?\s*[0-9.]+.*?\)", " ", text)  # the number says how good it is within the level
    words = replace(rubric, levels=WORDS)
    return rubric.levels[WORDS.index(categorize.parse(plain, words).level)]
