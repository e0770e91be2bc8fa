"""Writes judgements as JSON lines, as CSV, or as a table for people, and finds out what an interrupted run has written.

A row is the input row with the judgement added; a key of the input that the judgement needs itself is kept as
``input_<key>``. Rows are flushed one by one, so that an interruption costs at most a half-written last line.
"""

import os
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from audio_judge.batch import lines
from audio_judge.errors import UsageError

WORDS = (
    *("text", "reasons", "causes", "worst_start", "worst_end", "faults", "areas", "suggestions", "assessment"),
    *("description", "has_own_words"),
)
# What further judges say, by judge and rubric
PEER_SCORES = "peer_scores"
SCORE_KEYS = (
    "scores",
    "std",
    "level",
    "shares",
    "seconds",
    "heard_seconds",
    "warnings",
    "timeline",
    "coverage",
    PEER_SCORES,
)
SETTINGS = ("model", "revision", "rubrics", "scale")
# Of all commands; what is not said in a row does not apply to it
ALL_SETTINGS = (
    "task",
    *SETTINGS,
    "listener",
    "questions",
    "own_rubrics",
    "answer_language",
    "peer_judges",
    "audio_judge",
)
# What pairs a clip of a system with those of other systems, in the rows of `compare`
SYSTEM, TAKE = "system", "clip"
# What earlier versions called them: their rows are gone on with, so that no key of an input may be called so
OLD_NAMES = {"profile": "listener"}
# Their items are single words, those of other lists are sentences
LISTS_OF_WORDS = ("rubrics", "causes", "areas", "peer_judges")


@dataclass(frozen=True)
class Answer:
    """What is said about one clip or pair.

    Args:
        row: The part of a JSON row that is added to the input row; without the settings of the run.
        said: The judge's own result, for people; None if there is none.
        error: Why there is no answer; None if there is one.
        cells: Rows of a CSV table; None for a single one, made of ``row``.
    """

    row: Mapping[str, Any] = field(default_factory=dict)
    said: Any = None
    error: str | None = None
    cells: tuple[Mapping[str, Any], ...] | None = None


def keep(row: Mapping[str, Any], reserved: Container[str]) -> dict[str, Any]:
    """Rename the reserved keys of an input row, which the judgement needs itself.

    Example:
        >>> keep({"path": "a.wav", "model": "tts-2"}, ["scores", "model"])
        {'path': 'a.wav', 'input_model': 'tts-2'}
    """
    kept: dict[str, Any] = {}
    for key, value in row.items():
        name = key
        while name in reserved or (name != key and name in row):
            name = f"input_{name}"
        kept[name] = value
    return kept


def json_row(
    row: Mapping[str, Any], answer: Answer, settings: Mapping[str, Any], reserved: Container[str]
) -> dict[str, Any]:
    """Put together what is written about an input row: the row itself, what is said, and the settings of the run.

    Example:
        >>> json_row({"path": "a.wav"}, Answer(error="a.wav: empty"), {"task": "score"}, ["scores"])
        {'path': 'a.wav', 'task': 'score', 'error': 'a.wav: empty'}
    """
    said = {**answer.row, **settings}
    if answer.error is not None:  # what a judge wrote that cannot be read stays to be looked at
        unread = {key: answer.row[key] for key in ("text", "coverage") if key in answer.row}
        said = {**unread, **settings, "error": answer.error}
    return {**keep(row, reserved), **said}


def flatten(result: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a result row, or settings, into the cells of a CSV table.

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
    for peer, scores in result.get(PEER_SCORES, {}).items():
        flat |= {peer_column(peer, name): value for name, value in scores.items()}
    for key, value in result.items():
        if key not in ("scores", "std", "level", "shares", "timeline", "faults", PEER_SCORES):
            flat[key] = (" " if key in LISTS_OF_WORDS else "; ").join(value) if isinstance(value, list) else value
    return flat


def peer_column(peer: str, rubric: str) -> str:
    """Name the column of a further judge's scores in a table.

    Example:
        >>> peer_column("peer:nisqa", "mos")
        'peer:nisqa_mos'
    """
    return f"{peer}_{rubric}"


class RowWriter:
    """Writes rows to a file or to standard output, each at once.

    Args:
        path: ``.jsonl`` or ``.csv`` file; None for JSON lines on standard output.
        input_columns: Columns of the input rows, for a CSV table.
        result_columns: Columns of the answers, for a CSV table.
        reserved: Keys of the answers in JSON.
        goes_on: Whether to go on after the last whole row of an existing file; else it is written anew.

    Raises:
        UsageError: If the file cannot be opened.
    """

    def __init__(
        self,
        path: Path | None,
        input_columns: Sequence[str] = (),
        result_columns: Sequence[str] = (),
        reserved: Container[str] = (),
        *,
        goes_on: bool = False,
    ) -> None:
        self.is_csv = path is not None and is_csv(path)
        self.reserved = tuple(result_columns) if self.is_csv else reserved
        columns = header(input_columns, result_columns) if self.is_csv else None
        try:
            self.rows = lines.Appender(path, columns, is_new=not goes_on)
        except OSError as error:
            raise UsageError(f"{path}: cannot be written ({error.strerror}); choose another --output") from error

    def __enter__(self) -> "RowWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.rows.close()

    def write(self, row: Mapping[str, Any], answer: Answer, settings: Mapping[str, Any]) -> None:
        """Write what is said about the clip of an input row, with the settings of the run, and flush it."""
        if not self.is_csv:
            self.rows.write(json_row(row, answer, settings, self.reserved))
            return
        kept = keep(row, self.reserved)
        # Of an answer, only its own columns count: another of its keys may be the name of an input's
        flat = {**flatten(settings), "error": answer.error}
        rows = [{}] if answer.error is not None else answer.cells or [flatten(answer.row)]
        self.rows.write(
            *({**kept, **{name: cells[name] for name in cells if name in self.reserved}, **flat} for cells in rows)
        )


def is_csv(path: Path) -> bool:
    """Whether a file is a CSV table, by its name; others are JSON lines."""
    return path.suffix.lower() == ".csv"


def is_same_file(one: str | Path, other: str | Path) -> bool:
    """Say whether two names are of one file, which may have several, or would be if it were there.

    Example:
        >>> is_same_file("./a.csv", "a.csv")
        True
    """
    if os.path.exists(one) and os.path.exists(other):
        return os.path.samefile(one, other)
    return os.path.realpath(one) == os.path.realpath(other)


def check_replaceable(path: Path, is_wanted: bool) -> None:
    """Refuse to write a file anew that others have written, or that holds rows which nobody has given up.

    Args:
        is_wanted: Whether rows of an earlier run may go.

    Raises:
        UsageError: If there is such a file.
    """
    if not os.path.isfile(path) or path.stat().st_size == 0:
        return
    if not _is_ours(path):
        raise UsageError(f"{path}: is there already, and not written by `audio-judge`; choose another --output")
    if not is_wanted:
        raise UsageError(f"{path}: is there already; --resume goes on with its rows, --overwrite begins anew")


def _is_ours(path: Path) -> bool:
    """Whether a file begins as those do that commands write."""
    with path.open("rb") as file:
        begin = file.read(1000)
    if path.suffix.lower() == ".html":
        return b'content="audio-judge"' in begin
    try:
        if is_csv(path):
            return {"task", "error"} <= set(lines.columns_of(path, is_growing=True))
        row = next(lines.scan(path, "json", is_growing=True, errors="replace"), None)
    except lines.LineError:
        return False
    # A kill may have left a piece of the first row alone
    return begin.startswith(b"{") if row is None else "task" in row.row


def header(input_columns: Sequence[str], result_columns: Sequence[str]) -> list[str]:
    """Columns of a CSV table: those of the input rows, renamed where the judgement needs them, then those of the judgements.

    Example:
        >>> header(["path", "mos"], ["mos", "error"])
        ['path', 'input_mos', 'mos', 'error']
    """
    return [*keep(dict.fromkeys(input_columns), result_columns), *result_columns]


def earlier_rows(
    path: Path, columns: Sequence[str], inputs: Container[str] = ()
) -> Iterator[tuple[dict[str, Any], tuple[int, int]]]:
    """Read the whole rows of an earlier run, or of one that is going on, and where they are in the file, in bytes.

    Settings have today's names; in CSV all values are text.

    Args:
        path: ``.jsonl`` or ``.csv`` file that ``RowWriter`` has written.
        columns: Columns that a CSV table must have.
        inputs: Columns of the input rows.

    Raises:
        UsageError: If it is not such a file, or has other columns.
    """
    is_renamed = True  # JSON lines may have any version's names, a table has those of its header
    if is_csv(path):
        found = lines.columns_of(path, is_growing=True)
        is_renamed = found != list(columns)
        if found and is_renamed and [OLD_NAMES.get(name, name) for name in found] != list(columns):
            raise UsageError(
                f"{path}: was made with other rubrics or input columns ({', '.join(found)}); choose another --output"
            )
    for line in lines.scan(path, "csv" if is_csv(path) else "json", is_growing=True, errors="surrogateescape"):
        if not is_csv(path) and "task" not in line.row:
            raise UsageError(f"{path}:{line.number}: not written by `audio-judge`; choose another --output")
        yield _by_todays_names(line.row, inputs) if is_renamed else line.row, line.span


def _by_todays_names(row: Mapping[str, Any], inputs: Container[str]) -> dict[str, Any]:
    """A setting of an earlier version by its name of today, which may have been that of an input column then."""
    taken = [new for new in OLD_NAMES.values() if new in inputs and f"input_{new}" not in row]
    names = OLD_NAMES | {name: f"input_{name}" for name in taken}
    return {names.get(name, name): value for name, value in row.items()}


def check_same_settings(path: Path, row: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Refuse to mix judgements of this run with a row that was not made in the same way.

    Raises:
        UsageError: If the row was made by another command, with another judge, other rubrics, another scale ….
    """
    flat = flatten(settings)
    # In a table, other columns are those of the input
    for name in flat if is_csv(path) else ALL_SETTINGS:
        earlier, value = flatten({name: row.get(name)})[name], flat.get(name)
        # The version of this package, which earlier ones did not note
        if earlier != value and not (name == "audio_judge" and earlier is None):
            raise UsageError(f"{path}: was made with {name} {earlier!r}, not {value!r}; choose another --output")
