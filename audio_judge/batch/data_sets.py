"""Data sets: on the Hub, saved by ``datasets``, or tables with sound inside. Needs the package ``datasets``.

    audio-judge score hf://datasets/OWNER/NAME:test --output scores.jsonl
    audio-judge data speechjudge hf://datasets/OWNER/NAME --tasks compare --out train.parquet

What is judged stays in the data set's file until its turn comes, so that the number of clips does not matter. What is
trained on is heard many times, from examples that name files: each sound becomes one, named by its content.
"""

import hashlib
import math
import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from audio_judge.batch.items import AUDIO_SUFFIXES, Columns, Item, times_of
from audio_judge.errors import UsageError

HUB = "hf://datasets/"


def data_set_place(argument: str) -> tuple[str, str | None] | None:
    """Say which data set an argument names: its address, folder or parquet file, and its split, None for the only one; None if none.

    Example:
        >>> data_set_place("hf://datasets/me/clips:test"), data_set_place("clip.wav")
        (('hf://datasets/me/clips', 'test'), None)
    """
    if argument.startswith(HUB):
        name, _, split = argument.removeprefix(HUB).partition(":")
        return HUB + name, split or None
    if Path(argument).suffix.lower() == ".parquet" and os.path.isfile(argument):
        return argument, None
    if os.path.isdir(argument):
        return (argument, None) if _is_data_set(Path(argument)) else None
    folder, colon, split = argument.rpartition(":")
    is_there = bool(colon) and os.path.isdir(folder) and not os.path.exists(argument)
    return (folder, split) if is_there and _is_data_set(Path(folder)) else None


def _is_data_set(folder: Path) -> bool:
    """Whether ``datasets`` has saved the folder, or it holds tables with sound inside instead of sound files."""
    if _is_saved(folder):
        return True
    has_tables = False
    for path in folder.rglob("*"):
        if path.suffix.lower() in AUDIO_SUFFIXES:
            return False  # at the first sound file: corpora may have a million
        has_tables = has_tables or path.suffix.lower() == ".parquet"
    return has_tables


def _is_saved(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("dataset_dict.json", "state.json"))


def data_set_items(place: str, split: str | None, columns: Columns) -> Iterator[Item]:
    """Find the clips of a data set, one item per row; a row's ``path`` is its place in the data set, ``PLACE:SPLIT#3``.

    Args:
        place: ``hf://datasets/OWNER/NAME``, with ``/CONFIG`` behind it if there are several, a folder, or a parquet file.
        split: None if there is only one.
        columns: Which columns hold the clip and its original; None for the only column of sounds.

    Raises:
        UsageError: If there is no such data set, split or column, or ``datasets`` is not installed.
    """
    data, split = _opened(place, split)
    sounds = _sound_columns(data)
    column = _clip_column(place, sounds, columns)
    reference = columns.reference if columns.reference in sounds else None
    address = f"{place}:{split}" if split else place
    # Without any column left a data set has no rows either
    facts = data.remove_columns(sounds) if len(sounds) < len(data.features) else None
    for index in range(len(data)):
        row = {"path": f"{address}#{index}"}
        if facts is not None:
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


def data_set_rows(argument: str) -> Iterator[dict[str, Any]]:
    """Read a split row by row, each sound as the path of a file.

    A sound inside the data set is written, as it is, to the cache of ``datasets``, under the hash of its bytes: the same
    sound in two rows is one file, so that a clip in two splits is found out. The argument is as ``data_set_place`` takes it.

    Raises:
        UsageError: If there is no such data set or split, or ``datasets`` is not installed.
    """
    place, split = data_set_place(argument) or (argument, None)
    data, _ = _opened(place, split)
    sounds = _sound_columns(data)
    for row in data:
        yield {name: _file(value) if name in sounds else _plain(value) for name, value in row.items()}


def sounds_folder() -> Path:
    """Folder of the files that sounds inside data sets become."""
    import datasets

    return Path(datasets.config.HF_DATASETS_CACHE) / "audio_judge"


def column_names(argument: str) -> list[str]:
    """Name the columns of a split; the argument and errors are those of ``data_set_rows``."""
    place, split = data_set_place(argument) or (argument, None)
    return list(_opened(place, split or next(iter(split_names(place)), None))[0].features)


def split_names(place: str) -> list[str]:
    """Name the splits of a data set; none if it is saved without.

    Raises:
        UsageError: As for ``data_set_rows``.
    """
    found = _loaded(place)
    return list(found) if isinstance(found, dict) else []


def _opened(place: str, split: str | None) -> tuple[Any, str | None]:
    """A split, with its sounds as they are in the files, and its name."""
    found = _loaded(place)
    import datasets

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
    # Sounds stay as they are in the files: they are decoded where those of all other clips are
    for name in _sound_columns(found):
        found = found.cast_column(name, datasets.Audio(decode=False))
    return found, split


def _loaded(place: str) -> Any:
    try:
        import datasets  # noqa: F401
    except ModuleNotFoundError as error:
        raise UsageError(f"{place} needs {error.name}: pip install 'audio-judge[train]'") from error
    try:
        return _from_hub(place) if place.startswith(HUB) else _from_folder(Path(place))
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise UsageError(f"{place}: cannot be loaded as a data set ({reason})") from error


def _from_hub(place: str) -> Any:
    import datasets

    parts = place.removeprefix(HUB).split("/")
    if len(parts) not in (2, 3) or not all(parts):
        raise ValueError(f"{HUB}OWNER/NAME:SPLIT is needed")
    return datasets.load_dataset("/".join(parts[:2]), *parts[2:])


def _from_folder(folder: Path) -> Any:
    import datasets

    if folder.is_file():
        return datasets.load_dataset("parquet", data_files=str(folder))
    return (datasets.load_from_disk if _is_saved(folder) else datasets.load_dataset)(str(folder))


def _sound_columns(data: Any) -> list[str]:
    import datasets

    def is_sound(feature: Any) -> bool:
        return isinstance(feature, datasets.Audio) or (isinstance(feature, dict) and set(feature) == {"bytes", "path"})

    return [name for name, feature in data.features.items() if is_sound(feature)]


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


def _file(sound: Mapping[str, Any] | None) -> str | None:
    """The file of a sound; one that is inside the data set gets its own."""
    if sound is None or not sound["bytes"]:
        return None if sound is None else sound["path"]
    digest = hashlib.blake2b(sound["bytes"], digest_size=16).hexdigest()
    folder = sounds_folder() / digest[:2]
    path = folder / f"{digest}{Path(sound['path'] or '').suffix or '.wav'}"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}")  # another process may be writing the same sound
        part.write_bytes(sound["bytes"])
        part.replace(path)
    return str(path)


def _plain(value: Any) -> Any:
    """A value as JSON has it: other things become text, and numbers that are none become None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, str | int | bool) else str(value)
