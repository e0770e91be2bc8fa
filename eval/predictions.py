"""The rows of ``predictions.jsonl``: what a judge was asked, what it answered in its own words, and what the truth is.

A row is written as soon as it is known and flushed, so that a killed run loses at most a half-written last line, which
reading passes over and the next run overwrites. Processes that share a run write a file each (``predictions.0.jsonl`` …);
``merge`` makes one file of them.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from audio_judge.errors import UsageError

FILE = "predictions.jsonl"
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Row:
    """One answer of one judge to one item of one benchmark.

    Args:
        id: Item of the benchmark; unique within it.
        benchmark: Name of the benchmark.
        judge: The judge as it was named.
        task: Kind of request, such as ``profile`` or ``compare``.
        clips: Paths of the clips that were heard: one, or A and B.
        truth: What listeners (or teachers, or the simulation) say; its keys depend on the task, see ``eval.benchmarks``.
        rubrics: Names of the rubrics that were asked for.
        prediction: What was read from the answer, with the keys of ``truth``; None if nothing could be read.
        text: Every raw answer in words, in the order it was asked for; empty if the judge does not write.
        error: Why something is missing from the prediction; None if nothing is.
        groups: ``condition``, ``system`` and ``speaker``, as far as they are known.
        seconds: Length of the clips together, in seconds; None if they could not be read.
        took: Time the judge took, in seconds; within a batch everybody has the same share.
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

    @property
    def key(self) -> Key:
        """What makes two rows the same one: judge, benchmark, item."""
        return self.judge, self.benchmark, self.id

    def to_json(self) -> str:
        """Write the row as one line of JSON, without the line break.

        Raises:
            ValueError: If a number is not finite, which JSON cannot hold.

        Example:
            >>> Row("a.wav", "my", "mini", "score").to_json()[:49]
            '{"id": "a.wav", "benchmark": "my", "judge": "mini'
        """
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return json.dumps(values, ensure_ascii=False, allow_nan=False)


def row_from(values: Mapping[str, Any]) -> Row:
    """Make a row of the object of a line.

    Args:
        values: What ``Row.to_json`` wrote; unknown keys are refused.

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
    place = Path(path)
    if not place.exists():
        return
    with place.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                yield row_from(json.loads(line))
            except (ValueError, TypeError) as error:
                if not line.endswith("\n"):
                    return
                raise UsageError(f"{place}:{number}: {error}") from error


def read_run(folder: str | Path) -> dict[Key, Row]:
    """Read all rows of a run, also of one that is going on or was killed; the first row of a key counts.

    Args:
        folder: The run's folder.
    """
    found: dict[Key, Row] = {}
    for path in [Path(folder) / FILE, *parts(folder)]:
        for row in read_rows(path):
            found.setdefault(row.key, row)
    return found


def parts(folder: str | Path) -> list[Path]:
    """List the files that processes of a shared run write, in the order of the processes.

    Args:
        folder: The run's folder.
    """
    found = Path(folder).glob("predictions.*.jsonl")
    return sorted((path for path in found if path.name.split(".")[1].isdecimal()), key=_process_of)


def _process_of(path: Path) -> int:
    return int(path.name.split(".")[1])


def part_path(folder: str | Path, process: int, processes: int) -> Path:
    """Name the file that a process writes: the run's own if it is alone.

    Args:
        folder: The run's folder.
        process: Number of the process, from 0.
        processes: Number of processes.

    Example:
        >>> part_path("run", 1, 4).name, part_path("run", 0, 1).name
        ('predictions.1.jsonl', 'predictions.jsonl')
    """
    return Path(folder) / (FILE if processes == 1 else f"predictions.{process}.jsonl")


class RowWriter:
    """Appends rows to a file, each at once; what is left of a torn last line is cut off first.

    Args:
        path: File to append to; it is made with the first row.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if self.path.exists():
            _cut_torn_line(self.path)
        self._file: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, row: Row) -> None:
        """Append one row.

        Args:
            row: The row.
        """
        if self._file is None:
            self._file = self.path.open("a", encoding="utf-8")
        self._file.write(f"{row.to_json()}\n")
        self._file.flush()


def _cut_torn_line(path: Path) -> None:
    with path.open("rb+") as file:
        content = file.read()
        if content and not content.endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)


def merge(folder: str | Path, order: Iterable[Key]) -> list[Row]:
    """Put the rows of all processes into one file, each once, and remove the parts.

    Args:
        folder: The run's folder.
        order: Keys in the order that the file shall have; rows that are not named follow.

    Returns:
        All rows, in the order of the file.
    """
    found = read_run(folder)
    keys = dict.fromkeys([*(key for key in order if key in found), *found])
    target, draft = Path(folder) / FILE, Path(folder) / f"{FILE}.draft"
    with draft.open("w", encoding="utf-8") as file:
        file.writelines(f"{found[key].to_json()}\n" for key in keys)
        file.flush()
        os.fsync(file.fileno())
    done = parts(folder)
    draft.replace(target)
    for path in done:
        path.unlink()
    return [found[key] for key in keys]
