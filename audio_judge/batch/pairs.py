"""Finds the pairs of clips that ``audio-judge compare`` is to judge: files, folders, lists, or rows of data sets."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from audio_judge.batch.data_sets import data_set_items, data_set_place
from audio_judge.batch.find import NoColumnError, find_items
from audio_judge.batch.items import LIST_SUFFIXES, Columns, Item, PairColumns, PairItem
from audio_judge.errors import UsageError


def find_pairs(
    arguments: Sequence[str], columns: PairColumns | None = None, *, stdin: Iterable[str] = ()
) -> list[PairItem]:
    """Find the pairs that the arguments of a command name; a clip of a folder without its fellow is one with an error.

    Args:
        arguments: Two files; two folders, whose clips are paired by their names; or ``.jsonl`` and ``.csv`` lists, whose
            relative paths start at the list, data sets with two columns of sounds, and ``-`` for JSON rows of ``stdin``.
        columns: Which columns hold the paths or sounds; None for ``a`` and ``b``.
        stdin: Lines to read for ``-``.

    Raises:
        UsageError: If the arguments are no pairs, or a list cannot be read.

    Example:
        >>> find_pairs(["old.wav", "new.wav"])[0].row
        {'a': 'old.wav', 'b': 'new.wav'}
    """
    names = columns or PairColumns()
    if all(map(_is_list, arguments)):
        return [pair for argument in arguments for pair in _listed(argument, names, stdin)]
    if len(arguments) != 2:
        shown = ", ".join(arguments)
        raise UsageError(
            f"{shown}: no pairs; give two files, two folders, or a list with {names.first} and {names.second}"
        )
    first, second = map(Path, arguments)
    are_folders = [os.path.isdir(place) for place in (first, second)]
    if are_folders[0] != are_folders[1]:
        file = second if are_folders[0] else first
        if not file.exists():
            raise UsageError(f"{file}: no such folder; check the path")
        raise UsageError(f"{file} is no folder, but the other one is; give two files or two folders")
    if are_folders[0]:
        return list(_by_name(first, second, names))
    return [PairItem({names.first: arguments[0], names.second: arguments[1]}, arguments[0], arguments[1])]


def _is_list(argument: str) -> bool:
    is_table = argument == "-" or Path(argument).suffix.lower() in LIST_SUFFIXES
    return is_table or data_set_place(argument) is not None


def _listed(argument: str, columns: PairColumns, stdin: Iterable[str]) -> Iterator[PairItem]:
    place = data_set_place(argument)
    if place is not None:
        yield from _of_data_set(*place, columns)
        return
    rows = list(stdin) if argument == "-" else []
    bare = [line.strip() for line in rows if line.strip() and not line.strip().startswith("{")]
    if bare:
        example = json.dumps({columns.first: "old.wav", columns.second: "new.wav"})
        raise UsageError(f"stdin: {bare[0]!r} is no pair; {example} is needed")
    # The rows are read once for each of their clips; no column is a reference
    try:
        sides = [find_items([argument], Columns(name, ""), stdin=rows) for name in (columns.first, columns.second)]
    except NoColumnError as error:
        raise UsageError(
            f"{error}; name the clips of a pair with --first-column and --second-column, or what made each clip with --system-column"
        ) from error
    for first, second in zip(*sides, strict=True):
        yield _pair(first, second, columns)


def _of_data_set(place: str, split: str | None, columns: PairColumns) -> Iterator[PairItem]:
    """The rows of a data set; in them, each sound is named by its place in the set."""
    sides = [data_set_items(place, split, Columns(name, "")) for name in (columns.first, columns.second)]
    for first, second in zip(*sides, strict=True):
        a, b = (f"{first.row['path']} ({name})" for name in (columns.first, columns.second))
        facts = {name: value for name, value in first.row.items() if name != "path"}
        row = {columns.first: a, columns.second: b, **facts}
        yield PairItem(row, a, b, first.error, first.read, second.read)


def _pair(first: Item, second: Item, columns: PairColumns) -> PairItem:
    missing = [name for name in (columns.first, columns.second) if not first.row.get(name)]
    error = first.error or second.error
    if error is None and missing:
        error = f"no {missing[0]!r} in {json.dumps(first.row, ensure_ascii=False)[:80]}; every row needs both paths"
    return PairItem(first.row, error=error) if error else PairItem(first.row, first.path, second.path)


def _by_name(first: Path, second: Path, columns: PairColumns) -> Iterator[PairItem]:
    """Clips with the same name, without its ending, at the same place in both folders."""
    sides = [clips_by_name(folder) for folder in (first, second)]
    for name in sorted(sides[0].keys() | sides[1].keys()):
        paths = [side[name].path if name in side else None for side in sides]
        row = {columns.first: paths[0], columns.second: paths[1]}
        lonely = [folder for folder, path in zip((first, second), paths, strict=True) if path is None]
        if lonely:
            yield PairItem(row, error=f"{paths[0] or paths[1]}: no clip {name!r} in {lonely[0]} to compare it with")
        else:
            yield PairItem(row, str(paths[0]), str(paths[1]))


def clips_by_name(folder: Path, columns: Columns | None = None) -> dict[str, Item]:
    """Find the clips of a folder, by their names in it without the endings.

    Raises:
        UsageError: If there is none, or two have the same name.
    """
    found: dict[str, Item] = {}
    for item in find_items([str(folder)], columns):
        if item.error is not None:
            raise UsageError(item.error)
        name = str(Path(item.path).relative_to(folder).with_suffix(""))
        if name in found:
            raise UsageError(
                f"{item.path} and {found[name].path} have the same name; a list can tell them apart (pairs of a and b, or systems)"
            )
        found[name] = item
    return found
