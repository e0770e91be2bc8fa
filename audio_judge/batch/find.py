"""Finds the clips that a command is to judge: files, globs, directories, JSON lines, CSV tables, data sets, standard input.

Every clip becomes an :class:`Item` that keeps the row it came with. What is wrong with one row (no path, a time that is no
number) is noted in its item, so that it is reported in its place; what is wrong with the request as a whole (no such list,
no such column) is a :class:`UsageError`. No sound file is opened here.
"""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from audio_judge.batch import lines
from audio_judge.batch.data_sets import data_set_items, data_set_place
from audio_judge.batch.items import AUDIO_SUFFIXES, PATH_COLUMNS, Columns, Item, times_of
from audio_judge.errors import UsageError


def find_items(
    arguments: Sequence[str], columns: Columns | None = None, *, reference: str | None = None, stdin: Iterable[str] = ()
) -> list[Item]:
    """Find the clips that the arguments of a command name, in their order.

    Args:
        arguments: Files, glob patterns, directories (searched for sound files, sorted), ``.jsonl`` and ``.csv`` lists, whose
            relative paths start at the list, data sets (``hf://datasets/OWNER/NAME:SPLIT``, or their folder), and ``-`` for
            the lines of ``stdin``: paths, or JSON rows.
        columns: Which columns say what; None for the usual ones.
        reference: Undegraded original of every clip whose row names none.
        stdin: Lines to read for ``-``.

    Raises:
        UsageError: If a list cannot be read or has no column of paths.

    Example:
        >>> [item.path for item in find_items(["b.wav", "a.wav"])]
        ['b.wav', 'a.wav']
    """
    names = columns or Columns()
    items = [item for argument in arguments for item in _expand(argument, names, stdin)]
    if reference is None:
        return items
    return [
        replace(item, reference=reference, row=item.row | {names.reference: reference})
        if item.error is None and item.reference is None and item.read_reference is None
        else item
        for item in items
    ]


def _expand(argument: str, columns: Columns, stdin: Iterable[str]) -> Iterator[Item]:
    path = Path(argument)
    place = data_set_place(argument)
    # A file may be called take[1].wav; what cannot be a name on this disk is said when it is read
    is_pattern = glob.has_magic(argument) and not os.path.exists(path)
    if argument == "-":
        yield from _stdin_items(stdin, columns)
    elif place is not None:
        yield from data_set_items(*place, columns)
    elif os.path.isdir(path):
        yield from _directory_items(path)
    elif path.suffix.lower() in (".jsonl", ".csv") and not is_pattern:
        yield from _list_items(path, columns)
    elif is_pattern:
        yield from _glob_items(argument, columns)
    else:
        yield Item({"path": argument}, argument)


def _directory_items(folder: Path) -> Iterator[Item]:
    # Hidden is what begins with a dot inside the folder, such as macOS's ._clip.wav; the folder itself may
    inside = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
    found = [folder / path for path in inside if not any(part.startswith(".") for part in path.parts)]
    if not found:
        suffixes = ", ".join(suffix[1:] for suffix in AUDIO_SUFFIXES)
        yield Item({"path": str(folder)}, error=f"{folder}: no sound file in it; {suffixes} are looked for")
    yield from (Item({"path": str(path)}, str(path)) for path in found)


def _glob_items(pattern: str, columns: Columns) -> Iterator[Item]:
    found = sorted(glob.glob(pattern, recursive=True))
    if not found:
        yield Item({"path": pattern}, error=f"{pattern}: no file matches; check the pattern")
    for path in found:
        yield from _expand(path, columns, ())


def _stdin_items(given: Iterable[str], columns: Columns) -> Iterator[Item]:
    for number, line in enumerate(given, 1):
        text = line.strip()
        if text.startswith("{"):
            yield _line_item(*lines.parse(text), f"stdin:{number}", Path(), columns)
        elif text == "-":  # stands for these very lines, and would give nothing
            yield Item({"path": text}, error=f"stdin:{number}: '-' is no path")
        elif text:
            yield from _expand(text, columns, ())


def _list_items(path: Path, columns: Columns) -> Iterator[Item]:
    if lines.kind_of(path) == "csv":
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
        raise UsageError(f"{path}: no column {columns.path!r}; it has {shown}")
    if columns.path is None and not set(PATH_COLUMNS) & set(header):
        raise UsageError(f"{path}: no column {' or '.join(PATH_COLUMNS)}; name it with --path-column; it has {shown}")


def _row_item(row: dict[str, Any], place: str, folder: Path, columns: Columns) -> Item:
    path, reference = columns.path_of(row), row.get(columns.reference) or None
    if not isinstance(path, str):
        return Item(row, error=f"{place}: no path ({path!r}); every row needs the path of a clip")
    if not isinstance(reference, str | None):
        return Item(row, error=f"{place}: {columns.reference} is {reference!r}; the path of a clip is needed")
    try:
        start, end = times_of(row)
    except ValueError as error:
        return Item(row, error=f"{place}: {error}")
    return Item(row, str(folder / path), start, end, None if reference is None else str(folder / reference))
