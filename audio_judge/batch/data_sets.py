"""Clips of data sets: on the Hub, saved by ``datasets``, or tables with sound inside. Needs the package ``datasets``.

    audio-judge score hf://datasets/OWNER/NAME:test --output scores.jsonl

Sounds stay in the data set's file until they are judged, so that the number of clips does not matter.
"""

import math
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from audio_judge.batch.items import HUB, Columns, Item, times_of
from audio_judge.errors import UsageError


def data_set_items(place: str, split: str | None, columns: Columns) -> Iterator[Item]:
    """Find the clips of a data set.

    Args:
        place: ``hf://datasets/OWNER/NAME``, with ``/CONFIG`` behind it if there are several, or a folder.
        split: Name of the split; None if there is only one.
        columns: Which columns hold the clip and its original; None for the only column of sounds.

    Yields:
        One item per row; ``path`` of its row is the place of the row in the data set.

    Raises:
        UsageError: If there is no such data set, split or column, or ``datasets`` is not installed.
    """
    data, split = _loaded(place, split)
    sounds = _sound_columns(data)
    column = _clip_column(place, sounds, columns)
    reference = columns.reference if columns.reference in sounds else None
    address = f"{place}:{split}" if split else place
    facts = data.remove_columns(sounds)
    for index in range(len(data)):
        row = {"path": f"{address}#{index}"}
        row |= {f"input_{name}" if name == "path" else name: _plain(v) for name, v in facts[index].items()}
        try:
            start, end = times_of(row)
        except ValueError as error:
            yield Item(row, error=f"{row['path']}: {error}")
            continue
        original = (
            None if reference is None else partial(_sound, data, index, reference, f"{row['path']} ({reference})")
        )
        read = partial(_sound, data, index, column, row["path"])
        yield Item(row, row["path"], start, end, read=read, read_reference=original)


def _loaded(place: str, split: str | None) -> tuple[Any, str | None]:
    """A split, with its sounds as they are in the files, and its name."""
    try:
        import datasets
    except ModuleNotFoundError as error:
        raise UsageError(f"{place} needs {error.name}: pip install 'audio-judge[train]'") from error
    try:
        found: Any = _from_hub(place) if place.startswith(HUB) else _from_folder(Path(place))
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise UsageError(f"{place}: cannot be loaded as a data set ({reason})") from error
    if isinstance(found, datasets.DatasetDict):
        names = ", ".join(found)
        if split is None and len(found) > 1:
            raise UsageError(f"{place} has the splits {names}; name one: {place}:{next(iter(found))}")
        split = split or next(iter(found))
        if split not in found:
            raise UsageError(f"{place}: no split {split!r}; it has {names}")
        found = found[split]
    elif split is not None:
        raise UsageError(f"{place} has no splits; leave out :{split}")
    for name in _sound_columns(found):
        found = found.cast_column(name, datasets.Audio(decode=False))
    return found, split


def _from_hub(place: str) -> Any:
    import datasets

    parts = place.removeprefix(HUB).split("/")
    if len(parts) not in (2, 3) or not all(parts):
        raise ValueError(f"{HUB}OWNER/NAME:SPLIT is needed")
    return datasets.load_dataset("/".join(parts[:2]), *parts[2:])


def _from_folder(folder: Path) -> Any:
    import datasets

    is_saved = any((folder / name).is_file() for name in ("dataset_dict.json", "state.json"))
    return datasets.load_from_disk(str(folder)) if is_saved else datasets.load_dataset(str(folder))


def _sound_columns(data: Any) -> list[str]:
    import datasets

    return [name for name, feature in data.features.items() if isinstance(feature, datasets.Audio)]


def _clip_column(place: str, sounds: list[str], columns: Columns) -> str:
    wanted = [name for name in sounds if name != columns.reference] if columns.path is None else [columns.path]
    if len(wanted) == 1 and wanted[0] in sounds:
        return wanted[0]
    if columns.path is not None:
        raise UsageError(f"{place}: no column of sounds {columns.path!r}; it has {', '.join(sounds) or 'none'}")
    if not wanted:
        raise UsageError(f"{place}: no column of sounds; one of type Audio is needed")
    raise UsageError(f"{place}: several columns of sounds ({', '.join(wanted)}); name one with --path-column")


def _sound(data: Any, index: int, column: str, name: str) -> dict[str, Any]:
    """A sound's bytes under the name of its row, or the path of its file."""
    sound = dict(data[index][column] or {"bytes": b""})
    return sound if sound["bytes"] is None else sound | {"path": name}


def _plain(value: Any) -> Any:
    """A value as JSON has it: other things become text, and numbers that are none become None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, str | int | bool) else str(value)
