"""Finds the clips that a command is to judge: files, globs, directories, lists of several kinds, data sets, standard input.

Every clip becomes an :class:`Item` that keeps the row it came with. What is wrong with one row (no path, a time that is no
number) is noted in its item, so that it is reported in its place; what is wrong with the request as a whole (no such list,
no such column) is a :class:`UsageError`. No sound file is opened here.
"""

import glob
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from audio_judge.batch import lines
from audio_judge.batch.data_sets import data_set_items, data_set_place
from audio_judge.batch.items import AUDIO_SUFFIXES, CHANNEL_COLUMN, LIST_SUFFIXES, PATH_COLUMNS, Columns, Item, times_of
from audio_judge.errors import UsageError


class NoColumnError(UsageError):
    """A list without the column that was named."""


def find_items(
    arguments: Sequence[str],
    columns: Columns | None = None,
    *,
    reference: str | None = None,
    stdin: Iterable[str] = (),
    tell: Callable[[str], None] | None = None,
) -> list[Item]:
    """Find the clips that the arguments of a command name, in their order.

    Args:
        arguments: Files, glob patterns, directories (searched for sound files, sorted; a ``metadata.csv`` in them describes
            them), lists, whose relative paths start at the list (``.jsonl``, ``.csv`` and ``.tsv`` tables, ``.txt`` with a
            path per line, Kaldi's ``.scp``), data sets (``hf://datasets/OWNER/NAME:SPLIT``, their folder, or a ``.parquet``
            file), and ``-`` for ``stdin``: lines with paths or JSON rows, or one sound file.
        columns: Which columns say what; None for the usual ones.
        reference: Undegraded original of every clip whose row names none.
        stdin: Lines to read for ``-``; a text file over bytes may hold a sound instead.
        tell: Told of files in directories that are no sound, in a sentence; None to tell nobody.

    Raises:
        UsageError: If a list cannot be read or has no column of paths.

    Example:
        >>> [item.path for item in find_items(["b.wav", "a.wav"])]
        ['b.wav', 'a.wav']
    """
    names = columns or Columns()
    items = [item for argument in arguments for item in _expand(argument, names, stdin, tell)]
    if reference is None:
        return items
    return [
        replace(item, reference=reference, row=item.row | {names.reference: reference})
        if item.error is None and item.reference is None and item.read_reference is None
        else item
        for item in items
    ]


def _expand(
    argument: str, columns: Columns, stdin: Iterable[str] = (), tell: Callable[[str], None] | None = None
) -> Iterator[Item]:
    path = Path(argument)
    place = data_set_place(argument)
    # A file may be called take[1].wav; what cannot be a name on this disk is said when it is read
    is_pattern = glob.has_magic(argument) and not os.path.exists(path)
    if argument == "-":
        yield from _stdin_items(stdin, columns)
    elif place is not None:
        yield from data_set_items(*place, columns)
    elif os.path.isdir(path):
        yield from _directory_items(path, columns, tell)
    elif path.suffix.lower() in (".txt", ".scp") and not is_pattern:
        yield from _plain_list_items(path, columns)
    elif path.suffix.lower() in LIST_SUFFIXES and not is_pattern:
        yield from _list_items(path, columns)
    elif is_pattern:
        yield from _glob_items(argument, columns, tell)
    else:
        yield Item({"path": argument}, argument)


def _directory_items(folder: Path, columns: Columns, tell: Callable[[str], None] | None) -> Iterator[Item]:
    # Hidden is what begins with a dot inside the folder, such as macOS's ._clip.wav; the folder itself may
    inside = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    shown = [path for path in inside if not any(part.startswith(".") for part in path.parts)]
    found = [path for path in shown if path.suffix.lower() in AUDIO_SUFFIXES]
    tables = [path for path in shown if path.name in ("metadata.csv", "metadata.jsonl")]
    others = [path for path in shown if path not in {*found, *tables} and (folder / path).is_file()]
    if not found:
        yield Item({"path": str(folder)}, error=f"{folder}: no sound file in it{_named(others)}")
        return
    if others and tell is not None:
        tell(f"{folder}: {len(others)} of its files skipped, which are no sound by their names{_named(others)}")
    facts: dict[Path, Item] = {}
    for table in tables:
        facts |= {Path(item.path): item for item in _described(folder / table, columns)}
    for path in (folder / one for one in found):
        yield facts.pop(path, Item({"path": str(path)}, str(path)))
    yield from facts.values()  # named, and not there, which their rows will say


def _named(paths: Sequence[Path]) -> str:
    shown = ", ".join(map(str, paths[:5]))
    return f" ({shown}{' …' if len(paths) > 5 else ''})" if paths else ""


def _described(table: Path, columns: Columns) -> Iterator[Item]:
    """The rows of the table with which ``datasets`` describes a folder of sounds."""
    if "file_name" not in lines.columns_of(table):
        return
    for line in lines.scan(table):
        row = {f"input_{name}" if name == "path" else name: value for name, value in line.row.items()}
        item = _line_item(row, line.problem, f"{table}:{line.number}", table.parent, replace(columns, path="file_name"))
        yield replace(item, row={"path": item.path} | row)


def _glob_items(pattern: str, columns: Columns, tell: Callable[[str], None] | None) -> Iterator[Item]:
    found = sorted(glob.glob(pattern, recursive=True))
    if not found:
        yield Item({"path": pattern}, error=f"{pattern}: no file matches; check the pattern")
    for path in found:
        yield from _expand(path, columns, (), tell)


def _stdin_items(given: Iterable[str], columns: Columns) -> Iterator[Item]:
    sound = _sound_of(given)
    if sound is not None:
        yield Item({"path": "stdin"}, "stdin", read=lambda: {"bytes": sound, "path": "stdin"})
        return
    for number, line in enumerate(given, 1):
        text = line.strip()
        if text.startswith("{"):
            yield _line_item(*lines.parse(text), f"stdin:{number}", Path(), columns)
        elif text == "-":  # stands for these very lines, and would give nothing
            yield Item({"path": text}, error=f"stdin:{number}: '-' is no path")
        elif text:
            yield from _expand(text, columns)


def _sound_of(given: Iterable[str]) -> bytes | None:
    """The sound file that comes in place of lines; None if lines do. No path holds a zero, and every sound file does."""
    if not isinstance(given, io.TextIOWrapper) or not isinstance(given.buffer, io.BufferedReader):
        return None
    return given.buffer.read() if b"\0" in given.buffer.peek(4096)[:4096] else None


def _plain_list_items(path: Path, columns: Columns) -> Iterator[Item]:
    """A path per line; before it, in Kaldi's form, its name, and behind it, after | or a tab, what is said."""
    for number, text in lines.texts(path):
        name, _, rest = text.partition(" ") if path.suffix.lower() == ".scp" else ("", "", text)
        given = rest.strip() if name else re.split(r"[|\t]", rest)[0].strip()
        row = ({"id": name} if name else {}) | {"path": given}
        if name and given.endswith("|"):
            yield Item(row, error=f"{path}:{number}: a command, which is not run; give the path of a sound file")
            continue
        # Such lists are often written for the folder in which a recipe runs
        is_here = os.path.isfile(given) and not os.path.isfile(path.parent / given)
        yield _row_item(row, f"{path}:{number}", Path() if is_here else path.parent, Columns())


def _list_items(path: Path, columns: Columns) -> Iterator[Item]:
    if lines.kind_of(path) != "json":
        _check_header(lines.columns_of(path), path, columns)
    for line in lines.scan(path):
        yield _line_item(line.row, line.problem, f"{path}:{line.number}", path.parent, columns)


def _line_item(row: dict[str, Any], problem: str | None, place: str, folder: Path, columns: Columns) -> Item:
    if problem is not None:
        return Item(row, error=f"{place}: {problem}")
    return _row_item(row, place, folder, columns)


def _check_header(header: Sequence[str], path: Path, columns: Columns) -> None:
    shown = ", ".join(header)
    repeated = {name for name in header if list(header).count(name) > 1}
    if repeated:
        raise UsageError(f"{path}: column {min(repeated)!r} is there twice; rename one")
    if columns.path is not None and columns.path not in header:
        raise NoColumnError(f"{path}: no column {columns.path!r}; it has {shown}")
    if columns.path is None and not set(PATH_COLUMNS) & set(header):
        raise UsageError(f"{path}: no column {' or '.join(PATH_COLUMNS)}; name it with --path-column; it has {shown}")


def _row_item(row: dict[str, Any], place: str, folder: Path, columns: Columns) -> Item:
    path, reference = columns.path_of(row), row.get(columns.reference) or None
    if not isinstance(path, str):
        has = ", ".join(map(str, row))
        is_unnamed = bool(row) and not {columns.path, *PATH_COLUMNS} & set(row)
        advice = f"; name its column with --path-column: the row has {has:.200}" if is_unnamed else ""
        return Item(row, error=f"{place}: no path ({path!r}); every row needs the path of a clip{advice}")
    if not isinstance(reference, str | None):
        return Item(row, error=f"{place}: {columns.reference} is {reference!r}; the path of a clip is needed")
    try:
        start, end = times_of(row)
    except ValueError as error:
        return Item(row, error=f"{place}: {error}")
    original = None if reference is None else str(folder / reference)
    return Item(row, str(folder / path), start, end, original, channel=row.get(CHANNEL_COLUMN) or "mix")


def on_channel(items: Iterable[Item], channel: str, count: Callable[[Item], int]) -> Iterator[Item]:
    """Have one channel of every clip heard, unless its row names one, and say so in its row.

    Args:
        channel: ``loudest``, ``left``, ``right``, a number from 1, or ``each`` for one item per channel.
        count: How many channels a clip has.

    Example:
        >>> [item.row for item in on_channel([Item({"path": "a.wav"}, "a.wav")], "each", lambda item: 2)]
        [{'path': 'a.wav', 'heard_channel': 1}, {'path': 'a.wav', 'heard_channel': 2}]
    """
    for item in items:
        if item.error is not None or CHANNEL_COLUMN in item.row:
            yield item
            continue
        chosen: Iterable[str | int] = [int(channel) if channel.isdecimal() else channel]
        if channel == "each":
            chosen = range(1, count(item) + 1)
        for one in chosen:
            yield replace(item, row=item.row | {CHANNEL_COLUMN: one}, channel=one)
