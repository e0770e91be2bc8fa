"""Finds the clips of systems that ``audio-judge compare`` is to judge: folders, or lists with a column that says what made a clip."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

from audio_judge.batch import lines
from audio_judge.batch.data_sets import data_set_place
from audio_judge.batch.find import find_items
from audio_judge.batch.items import LIST_SUFFIXES, Columns, Item, PairColumns
from audio_judge.batch.pairs import clips_by_name
from audio_judge.batch.write import SYSTEM, TAKE, keep
from audio_judge.errors import UsageError


def names_systems(arguments: Sequence[str], pair_columns: PairColumns | None = None) -> bool:
    """Say whether arguments are systems: nothing but folders, or lists with a column ``system`` and without those of pairs.

    Raises:
        UsageError: If a list cannot be read.
    """
    sides = pair_columns or PairColumns()
    if any(argument == "-" or data_set_place(argument) is not None for argument in arguments):
        return False
    if all(map(os.path.isdir, arguments)):
        return True
    tables = [Path(one) for one in arguments if Path(one).suffix.lower() in set(LIST_SUFFIXES) - {".txt", ".scp"}]
    if len(tables) < len(arguments):
        return False
    columns = [_columns(table) for table in tables]
    return all(SYSTEM in found and not {sides.first, sides.second} <= found for found in columns)


def _columns(table: Path) -> set[str]:
    if lines.kind_of(table) == "json":  # a first line that cannot be read becomes a row that says so
        return set(next((line.row for line in lines.scan(table)), {}))
    return set(lines.columns_of(table))


def find_systems(
    arguments: Sequence[str],
    columns: Columns | None = None,
    *,
    system_column: str = SYSTEM,
    take_column: str = TAKE,
    limit: int | None = None,
    stdin: Iterable[str] = (),
) -> list[Item]:
    """Find the clips of two or more systems.

    Their rows have ``system``, and ``clip``, which is the same of clips that belong together: in folders their names without the
    endings; in lists what the column ``take_column`` says, else the end of the path, as much of it as tells the clips of each
    system apart, and the time of a part.

    Args:
        arguments: Folders, which are a system each, or what ``find_items`` takes.
        columns: Which columns say what; None for the usual ones.
        system_column: Column that says what made a clip; a row without one is an error.
        take_column: Column that pairs clips.
        limit: Only so many clips of each system.
        stdin: As of ``find_items``.

    Raises:
        UsageError: If there is one system, or two cannot be compared.
    """
    names = columns or Columns()
    if all(map(os.path.isdir, arguments)) and not any(map(data_set_place, arguments)):
        items = _of_folders([Path(one) for one in arguments], names)
    else:
        items = _listed(find_items(arguments, names, stdin=stdin), system_column, take_column)
    kept: list[Item] = []
    count: Counter[str] = Counter()
    for item in items:
        count[item.row[SYSTEM]] += 1
        if limit is None or count[item.row[SYSTEM]] <= limit:
            kept.append(item)
    _check(kept, ", ".join(arguments), take_column)
    return kept


def _of_folders(folders: Sequence[Path], columns: Columns) -> list[Item]:
    if len({os.path.realpath(one) for one in folders}) < len(folders):
        raise UsageError(f"{', '.join(map(str, folders))}: the same folder twice is one system; give another")
    items = []
    for name, folder in zip(ends(folders), folders, strict=True):
        items += [_named(item, name, take) for take, item in clips_by_name(folder, columns).items()]
    return items


def _listed(items: Sequence[Item], system_column: str, take_column: str) -> list[Item]:
    systems = [str(item.row.get(system_column) or "") for item in items]
    tails = ends([Path(os.path.splitext(item.path)[0]) for item in items], systems)
    found = []
    for item, system, tail in zip(items, systems, tails, strict=True):
        said = item.row.get(take_column)
        take = str(said) if said not in (None, "") else f"{tail}{_part(item)}"
        row = {name: value for name, value in item.row.items() if name not in (system_column, take_column)}
        one = replace(item, row=row)
        if not system and item.error is None:
            one = replace(one, error=f"{item.path}: no {system_column!r}; every row needs what made its clip")
        found.append(_named(one, system, take))
    return found


def _named(item: Item, system: str, take: str) -> Item:
    return replace(item, row={SYSTEM: system, TAKE: take, **keep(item.row, (SYSTEM, TAKE))})


def _part(item: Item) -> str:
    if item.start_time is None and item.end_time is None:
        return ""
    return f" [{item.start_time or 0:g}-{'' if item.end_time is None else format(item.end_time, 'g')} s]"


def ends(paths: Sequence[Path], groups: Sequence[str] = ()) -> list[str]:
    """Take of paths the shortest ends that tell those of each group apart, or all of them; all have as many parts.

    Example:
        >>> ends([Path("a/1/x"), Path("a/2/x"), Path("b/1/x")], ["a", "a", "b"])
        ['1/x', '2/x', '1/x']
    """
    found: list[str] = []
    whole = [path.absolute().parts for path in paths]
    keys = groups or [""] * len(paths)
    for depth in range(1, max(map(len, whole), default=0) + 1):
        found = ["/".join(parts[-depth:]) for parts in whole]
        if len(set(zip(keys, found, strict=True))) == len(set(zip(keys, whole, strict=True))):
            break
    return found


def _check(items: Sequence[Item], shown: str, take_column: str) -> None:
    """Refuse what cannot be compared before anything is judged."""
    takes: dict[str, dict[str, str]] = {}
    for item in items:
        if item.error is not None:
            continue
        own = takes.setdefault(item.row[SYSTEM], {})
        if item.row[TAKE] in own:
            raise UsageError(
                f"{item.path} and {own[item.row[TAKE]]} are both {item.row[TAKE]!r} of {item.row[SYSTEM]}; "
                f"a list with a column {take_column!r} can tell them apart"
            )
        own[item.row[TAKE]] = item.path
    if len(takes) < 2:
        only = f"one system, {next(iter(takes))!r}" if takes else "no clip that could be judged"
        raise UsageError(f"{shown}: {only}; two or more are needed: folders, or a list with a column of systems")
    for (first, ours), (second, theirs) in combinations(takes.items(), 2):
        if not ours.keys() & theirs.keys() and min(len(ours), len(theirs)) < 2:
            raise UsageError(
                f"{first} and {second}: no clips in common and fewer than two each; name clips of the same content alike, "
                "or give more of them"
            )
