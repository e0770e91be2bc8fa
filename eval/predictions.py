"""The rows of ``predictions.jsonl``: what a judge was asked, what it answered in its own words, and what the truth is.

A row is written as soon as it is known, so that a killed run loses at most a half-written last line, which reading passes
over and the next run overwrites. Processes that share a run write a part each, see ``audio_judge.batch.shards``; ``merge``
makes one file of them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from audio_judge.batch import lines, shards
from audio_judge.batch.shards import Span, files
from audio_judge.errors import UsageError

FILE = "predictions.jsonl"
# Before the reason, in the error of a row whose judge cannot do the task at all: it makes no figures and is no failure
UNABLE = "unable: "
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Row:
    """One answer of one judge to one item of one benchmark.

    Args:
        id: Item of the benchmark; unique within it.
        judge: The judge as it was named.
        clips: Paths of the clips that were heard: one, or A and B.
        truth: What listeners (or teachers, or the simulation) say; its keys depend on the task, see ``eval.benchmarks``.
        prediction: What was read from the answer, with the keys of ``truth``; None if nothing could be read.
        text: Every raw answer in words, in the order it was asked for; empty if the judge does not write.
        error: Why something is missing from the prediction; None if nothing is.
        groups: ``condition``, ``system`` and ``speaker``, as far as they are known.
        seconds: Length of the clips together, in seconds; None if they could not be read.
        took: Time the judge took, in seconds; within a batch everybody has the same share.
        extracted: What a text model read from an answer that could not be read directly, such as ``scores.mos``, to the words of
            the answer that say so.
    """

    id: str
    benchmark: str
    judge: str
    task: str
    clips: tuple[str, ...] = ()
    truth: dict[str, Any] = field(default_factory=dict)
    rubrics: tuple[str, ...] = ()
    prediction: dict[str, Any] | None = None
    text: tuple[str, ...] = ()
    error: str | None = None
    groups: dict[str, str] = field(default_factory=dict)
    seconds: float | None = None
    took: float | None = None
    extracted: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """What makes two rows the same one: judge, benchmark, item."""
        return self.judge, self.benchmark, self.id

    @property
    def unable(self) -> str | None:
        """Why its judge cannot do the task at all; None if it can, whether or not it answered."""
        return self.error.removeprefix(UNABLE) if self.error and self.error.startswith(UNABLE) else None


def row_from(values: Mapping[str, Any]) -> Row:
    """Make a row of the object of a line.

    Args:
        values: What ``vars`` gives of a row, through JSON; unknown keys are refused.

    Raises:
        ValueError: If a key is unknown or one that every row has is missing.

    Example:
        >>> row_from({"id": "a.wav", "benchmark": "my", "judge": "mini"})
        Traceback (most recent call last):
        ValueError: no row of predictions: task is missing; id, benchmark, judge, task are needed
    """
    known = {f.name for f in fields(Row)}
    missing = [name for name in ("id", "benchmark", "judge", "task") if name not in values]
    unknown = [name for name in values if name not in known]
    if missing or unknown:
        problem = f"{missing[0]} is missing" if missing else f"unknown key {unknown[0]!r}"
        raise ValueError(f"no row of predictions: {problem}; id, benchmark, judge, task are needed")
    lists = {name: tuple(values[name]) for name in ("clips", "rubrics", "text") if name in values}
    return Row(**{**values, **lists})


def read_rows(path: str | Path) -> Iterator[Row]:
    """Read the rows of a file; a half-written last line is passed over.

    Args:
        path: A ``predictions.jsonl``; one that is not there has no rows.

    Raises:
        UsageError: On a line that is no row and not the last, torn one.
    """
    for row, _ in _placed(Path(path)):
        yield row


def _placed(path: Path) -> Iterator[tuple[Row, Span]]:
    for line in lines.scan(path, "json", is_growing=True) if path.exists() else ():
        try:
            if line.problem is not None:
                raise ValueError(line.problem)
            yield row_from(line.row), line.span
        except (ValueError, TypeError) as error:
            raise UsageError(f"{path}:{line.number}: {error}") from error


def read_run(folder: str | Path) -> dict[Key, Row]:
    """Read all rows of a run, also of one that is going on or was killed; the first row of a key counts."""
    found: dict[Key, Row] = {}
    for path in files(Path(folder) / FILE):
        for row in read_rows(path):
            found.setdefault(row.key, row)
    return found


def merge(folder: str | Path, order: Iterable[Key]) -> list[Row] | None:
    """Put the rows of all processes into one file, each once, and remove the parts.

    Args:
        order: Keys in the order that the file shall have; rows that are not named follow.

    Returns:
        All rows, in the order of the file; None if one that is named is missing, and nothing is done.
    """
    path = Path(folder) / FILE
    is_whole = shards.merge(
        path, order, lambda file: ((row.key, span) for row, span in _placed(file)), keeps_others=True
    )
    return list(read_rows(path)) if is_whole else None
