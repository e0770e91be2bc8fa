"""Writes judgements as JSON lines, as CSV, or as a table for people, and finds out what an interrupted run has written.

A row is the input row with the judgement added; a key of the input that the judgement needs itself is kept as
``input_<key>``. Rows are flushed one by one, so that an interruption costs at most a half-written last line.
"""

import csv
import io
import json
import os
import sys
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from audio_judge.inputs import UsageError
from audio_judge.judgement import Judgement
from audio_judge.rubrics import get_rubric

SETTINGS = ("model", "revision", "rubrics", "scale")
JSON_KEYS = ("scores", "std", "level", "shares", "seconds", "timeline", "reasons", "causes", *SETTINGS, "error")


def result_row(judgement: Judgement, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Write a judgement as the part of a row that is added to the input row.

    Args:
        judgement: What was said about the clip.
        settings: ``model``, ``revision``, ``rubrics`` (names) and ``scale`` of the run; rubrics not named are left out.

    Returns:
        JSON-able row: ``scores, std, level, shares`` by rubric, ``seconds``, the windows of a long clip in ``timeline``,
        ``reasons`` and ``causes`` if there are words, the settings; or the settings and ``error``.

    Example:
        >>> result_row(Judgement("a.wav", error="a.wav: no such file"), {"model": "mini"})
        {'model': 'mini', 'error': 'a.wav: no such file'}
    """
    if judgement.error is not None:
        return {**settings, "error": judgement.error}
    names = settings["rubrics"]
    details = {name: judgement.scores[name].to_dict() for name in names}
    row: dict[str, Any] = {
        "scores": {name: details[name]["value"] for name in names},
        **{key: {name: details[name][key] for name in names} for key in ("std", "level", "shares")},
        "seconds": None if judgement.seconds is None else round(judgement.seconds, 3),
    }
    if judgement.timeline:
        windows = [window.to_dict() for window in judgement.timeline]
        row["timeline"] = [w | {"scores": {name: w["scores"][name] for name in names}} for w in windows]
    if judgement.text is not None:
        row |= {"reasons": judgement.reasons, "causes": list(judgement.causes)}
    return {**row, **settings}


def keep(row: Mapping[str, Any], reserved: Container[str]) -> dict[str, Any]:
    """Rename the keys of an input row that the judgement needs.

    Args:
        row: Input row.
        reserved: Keys that the judgement needs.

    Example:
        >>> keep({"path": "a.wav", "model": "tts-2"}, JSON_KEYS)
        {'path': 'a.wav', 'input_model': 'tts-2'}
    """
    kept: dict[str, Any] = {}
    for key, value in row.items():
        name = key
        while name in reserved or (name != key and name in row):
            name = f"input_{name}"
        kept[name] = value
    return kept


def csv_columns(rubrics: Sequence[str], with_reasons: bool = False) -> tuple[str, ...]:
    """Columns that a judgement adds to a CSV table: no shares and no timeline, which do not fit into one.

    Args:
        rubrics: Names of the rubrics.
        with_reasons: Whether the judge writes words.

    Example:
        >>> csv_columns(["mos"])
        ('mos', 'mos_std', 'mos_level', 'seconds', 'model', 'revision', 'rubrics', 'scale', 'error')
    """
    scores = [column for name in rubrics for column in (name, f"{name}_std", f"{name}_level")]
    words = ("reasons", "causes") if with_reasons else ()
    return (*scores, "seconds", *words, *SETTINGS, "error")


def flatten(result: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a result row into the cells of a CSV table.

    Args:
        result: What ``result_row`` gives.

    Example:
        >>> flatten({"scores": {"mos": 4.1}, "std": {"mos": 0.5}, "level": {"mos": "good"}, "rubrics": ["mos"]})
        {'mos': 4.1, 'mos_std': 0.5, 'mos_level': 'good', 'rubrics': 'mos'}
    """
    flat: dict[str, Any] = {}
    for name in result.get("scores", ()):
        flat |= {
            name: result["scores"][name],
            f"{name}_std": result["std"][name],
            f"{name}_level": result["level"][name],
        }
    for key, value in result.items():
        if key not in ("scores", "std", "level", "shares", "timeline"):
            flat[key] = " ".join(value) if isinstance(value, list) else value
    return flat


class RowWriter:
    """Writes rows to a file or to standard output, each at once.

    Args:
        path: ``.jsonl`` or ``.csv`` file; None for JSON lines on standard output.
        input_columns: Columns of the input rows, for a CSV table.
        result_columns: Columns of the judgements, for a CSV table.
        start: Bytes of an existing file to go on after; 0 writes it anew.

    Raises:
        UsageError: If the file cannot be opened.
    """

    def __init__(
        self, path: Path | None, input_columns: Sequence[str] = (), result_columns: Sequence[str] = (), start: int = 0
    ) -> None:
        self.is_csv = path is not None and path.suffix.lower() == ".csv"
        self.reserved: tuple[str, ...] = tuple(result_columns) if self.is_csv else JSON_KEYS
        self.columns = header(input_columns, result_columns)
        self.file: TextIO = sys.stdout if path is None else _open_after(path, start)
        self.is_own_file = path is not None
        if self.is_csv and start == 0:
            self._write_csv(self.columns)

    def __enter__(self) -> "RowWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.is_own_file:
            self.file.close()

    def write(self, row: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        """Write one row and flush it.

        Args:
            row: Input row.
            result: What ``result_row`` gives.
        """
        kept = keep(row, self.reserved)
        if not self.is_csv:
            self.file.write(json.dumps({**kept, **result}, ensure_ascii=False, allow_nan=False) + "\n")
            self.file.flush()
            return
        cells = {**kept, **flatten(result)}
        self._write_csv([_cell(cells.get(column)) for column in self.columns])

    def _write_csv(self, cells: Sequence[str]) -> None:
        csv.writer(self.file, lineterminator="\n").writerow(cells)
        self.file.flush()


def header(input_columns: Sequence[str], result_columns: Sequence[str]) -> list[str]:
    """Columns of a CSV table.

    Args:
        input_columns: Columns of the input rows; those that the judgement needs are renamed.
        result_columns: Columns of the judgements.

    Example:
        >>> header(["path", "mos"], ["mos", "error"])
        ['path', 'input_mos', 'mos', 'error']
    """
    return [*keep(dict.fromkeys(input_columns), result_columns), *result_columns]


def _open_after(path: Path, start: int) -> TextIO:
    """Open a file for writing after its first bytes; what follows them is cut off."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if start:
            os.truncate(path, start)
        # A file name that is no UTF-8 becomes an escape, in JSON the one that reads back as the same name
        return path.open("a" if start else "w", encoding="utf-8", errors="backslashreplace", newline="")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}); choose another --output") from error


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def complete_size(path: Path) -> int:
    """Number of bytes up to the end of the last row that was written whole.

    Args:
        path: ``.jsonl`` or ``.csv`` file; cells of a CSV table may contain line breaks.

    Raises:
        UsageError: If the file cannot be read.
    """
    size = position = quotes = 0
    is_csv = path.suffix.lower() == ".csv"
    try:
        with path.open("rb") as file:
            for line in file:
                position += len(line)
                quotes += line.count(b'"') if is_csv else 0
                if line.endswith(b"\n") and quotes % 2 == 0:
                    size = position
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); choose another --output") from error
    return size


def earlier_rows(path: Path, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Read the whole rows of an earlier run.

    Args:
        path: ``.jsonl`` or ``.csv`` file that ``RowWriter`` has written.
        columns: Columns that a CSV table must have.

    Yields:
        The rows; in CSV all values are text.

    Raises:
        UsageError: If it is not such a file, or has other columns.
    """
    size = complete_size(path)
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        if path.suffix.lower() == ".csv":
            yield from _earlier_csv(path, file, size, columns)
            return
        position = 0
        for number, line in enumerate(file, 1):
            position += len(line.encode("utf-8", "surrogateescape"))
            if position > size:
                return
            yield _earlier_json(path, number, line)


def _earlier_json(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict) or not set(SETTINGS) <= set(row):
        raise UsageError(f"{path}:{number}: not written by `audio-judge score`; choose another --output")
    return row


def _earlier_csv(path: Path, file: TextIO, size: int, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    whole = file.read().encode("utf-8", "surrogateescape")[:size].decode("utf-8", "surrogateescape")
    reader = csv.DictReader(io.StringIO(whole, newline=""))
    if size and list(reader.fieldnames or ()) != list(columns):
        shown = ", ".join(reader.fieldnames or ())
        raise UsageError(f"{path}: was made with other rubrics or input columns ({shown}); choose another --output")
    yield from reader


def check_same_settings(path: Path, row: Mapping[str, Any], settings: Mapping[str, Any], with_reasons: bool) -> None:
    """Refuse to mix judgements that were not made in the same way.

    Args:
        path: Where the row was found.
        row: Row of an earlier run.
        settings: ``model``, ``revision``, ``rubrics`` and ``scale`` of this run.
        with_reasons: Whether this run writes words.

    Raises:
        UsageError: If the row was made with another judge, other rubrics, another scale, or with or without words.
    """
    for name, value in flatten(settings).items():
        earlier = flatten({name: row[name]})[name]
        if earlier != value:
            raise UsageError(f"{path}: was made with {name} {earlier!r}, not {value!r}; choose another --output")
    if "scores" in row and ("reasons" in row) != with_reasons:
        made = "without" if with_reasons else "with"
        raise UsageError(f"{path}: was made {made} --explain; choose another --output")


class Table:
    """Lines of an aligned table for people, one clip at a time.

    Args:
        names: What the clips will be called, for the width of the first column.
        rubrics: Names of the rubrics.
        low: Lowest score of the scale.
        high: Highest score of the scale.
    """

    def __init__(self, names: Sequence[str], rubrics: Sequence[str], low: float, high: float) -> None:
        self.rubrics, self.low, self.high = rubrics, low, high
        self.width = max(map(len, ("clip", *names)))
        self.digits = 2 if high - low < 20 else 1

    def header(self) -> str:
        """The line above the rows."""
        return "  ".join(
            [f"{'clip':<{self.width}}", f"{'seconds':>7}", *(f"{name:>5}" for name in self.rubrics), "in words"]
        )

    def line(self, name: str, judgement: Judgement) -> str:
        """The row of one clip: scores, then the level of the first rubric and what else is less than best.

        Args:
            name: What the clip is called.
            judgement: What was said about it.
        """
        if judgement.error is not None:
            return f"{name:<{self.width}}  error: {judgement.error}"
        scores = [judgement.scores[rubric] for rubric in self.rubrics]
        cells = [f"{score.value:>{max(5, len(score.rubric))}.{self.digits}f}" for score in scores]
        first, *others = [score.level for score in scores]
        flaws = [s.level for s, level in zip(scores[1:], others, strict=True) if level != _best(s.rubric)[0]]
        words = f"{first}: {', '.join(flaws)}" if flaws else first
        return "  ".join([f"{name:<{self.width}}", f"{judgement.seconds:>7.1f}", *cells, words])

    def legend(self) -> str:
        """What the numbers mean: a line for below the rows."""
        ends = [(name, *_best(name)) for name in self.rubrics]
        best = ", ".join(f"{name} {self.high if is_high else self.low:g} = {level}" for name, level, is_high in ends)
        which = f"{self.high:g} is best on every rubric" if all(is_high for *_, is_high in ends) else "best are"
        return f"Scores go from {self.low:g} to {self.high:g}; {which}:\n{best}."


def _best(name: str) -> tuple[str, bool]:
    """Level at the good end of a rubric, and whether that is the high end."""
    rubric = get_rubric(name)
    return rubric.levels[-1 if rubric.higher_is_better else 0], rubric.higher_is_better
