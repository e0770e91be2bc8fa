"""Read Audiobox Aesthetics' ratings (AES) and AudioMOS Challenge 2025, track 2: speech, sound and music on four axes.

AES is jsonl with ten ratings per axis (``AES_natural_speech.jsonl`` …); AudioMOS is one csv of means per split
(``audiomos2025-track2-train_list.csv``, ``…-dev_list.csv``, and ``…-eval_list.csv`` with the ratings of its test). Both say
``/your_path/LibriTTS/…`` for the folder that all corpora were unpacked into, which ``root`` replaces. A list that names no
files but clips (``sample_id``, without ``.wav``) means those of that name below ``root``.

AudioMOS' training and development lists are AES' clips under the same paths, so that a judge that learns from the one is
not tested on the other: a mixture that tries is refused if both have the same ``root``.

The ratings are floats from 0 to 10 (``SCALE``), though raters were asked on 1 to 10, which is the scale of our rubrics.
So votes below 1 stay votes, and a mean below 1 is lifted to 1, counted and reported, with the published mean in
``extra``; ``lift=False`` leaves it. Higher is better on all axes but production complexity, where it only means more
complex.

A row may have ``start_time`` and ``end_time`` in seconds; only that part is heard. ``system`` is that of a column, or of
PAM's folders, one per model. ``extra``: ``set`` (name of the file), ``published`` (rubric to mean, of those that were
lifted), ``sample_id``, and any other column as published.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from audio_judge.batch.data_sets import data_set_place
from audio_judge.batch.items import AUDIO_SUFFIXES
from audio_judge.clips import RatedClip, Rating
from audio_judge.corpora import CorpusError
from audio_judge.corpora.rows import Found, OnError, Row, Split, home_of, name_of, read_items, read_rows, split_name
from audio_judge.rubrics.rubric import AES_DATA_SCALE, get_rubric

SCALE = AES_DATA_SCALE
# Column to rubric; the short names are how the published predictor writes its scores
RUBRIC_OF = {
    "Production_Quality": "production_quality",
    "Production_Complexity": "production_complexity",
    "Content_Enjoyment": "content_enjoyment",
    "Content_Usefulness": "content_usefulness",
    "PQ": "production_quality",
    "PC": "production_complexity",
    "CE": "content_enjoyment",
    "CU": "content_usefulness",
}

_PATHS = ("data_path", "path")
_SYSTEMS = ("system", "system_id")
_CONSUMED = {*RUBRIC_OF, *_PATHS, *_SYSTEMS, "start_time", "end_time"}
_WHERE_TO_GET_IT = "of facebookresearch/audiobox-aesthetics"


@dataclass(frozen=True)
class _Options:
    root: str | Path | None
    corpus: str
    lift: bool
    on_error: OnError


def read_aes(
    path: str | Path,
    split: Split = "test",
    *,
    root: str | Path | None = None,
    corpus: str = "AES",
    lift: bool = True,
    on_error: OnError = "stop",
) -> Iterator[RatedClip]:
    """Read the clips of one file, or of all ``AES_*.jsonl`` of a folder.

    Args:
        path: jsonl, csv or data set with ``data_path`` and the four axes, or the folder ``evaluation_data``.
        split: Split of all clips; AES is released for testing.
        root: Folder that ``data_path`` starts from, and that stands for ``/your_path/``; that of the file if None.
        lift: Lift means below 1 to 1, the lowest score of our rubrics.
        on_error: What becomes of a row that is wrong; see ``read_items``.

    Returns:
        Clips with the four ratings; lists give standard deviation and votes, means do not.

    Raises:
        CorpusError: On the call, if a folder has no such file; while reading, on a row that is wrong.
    """
    place = Path(path)
    is_folder = place.is_dir() and data_set_place(str(path)) is None
    files: list[str | Path] = [*sorted(place.glob("AES_*.jsonl"))] if is_folder else [path]
    if not files:
        raise CorpusError(place, None, f"no AES_*.jsonl here; get evaluation_data {_WHERE_TO_GET_IT}")
    return _files([(file, split) for file in files], _Options(root, corpus, lift, on_error))


def read_audiomos(
    path: str | Path,
    split: Split | None = None,
    *,
    root: str | Path | None = None,
    lift: bool = True,
    on_error: OnError = "stop",
) -> Iterator[RatedClip]:
    """Read the clips of AudioMOS' lists.

    Args:
        path: Folder with the lists, one per split, or one list or data set, whose split must then be given.
        split: None means all that are there.
        root: As for ``read_aes``.
        lift: As for ``read_aes``.
        on_error: As for ``read_aes``.

    Raises:
        ValueError: On the call, if a file comes without a split.
        CorpusError: On the call, if a list is not there; while reading, on a row that is wrong.
    """
    place, files = Path(path), list[tuple[str | Path, Split]]()
    if not place.is_dir() or data_set_place(str(path)) is not None:
        if split is None:
            raise ValueError(f"{path}: does not say which split it is; give split=")
        files = [(path, split)]
    else:
        # …-dev_list.csv; some say …-dev_list_filtered.csv for what they could still download
        named = [
            (file, file.stem.partition("_list")[0].rpartition("-")[2]) for file in sorted(place.glob("*_list*.csv"))
        ]
        lists = [(file, split_name(own)) for file, own in named if own in ("train", "dev", "eval")]
        files = [(file, own) for file, own in lists if split in (None, own)]
        if not files:
            found = ", ".join(file.name for file, _ in lists) or "none"
            wanted = {"train": "train", "validation": "dev", "test": "eval", None: "*"}[split]
            problem = f"no audiomos2025-track2-{wanted}_list.csv here (found {found}); get audiomos2025_track2"
            raise CorpusError(place, None, f"{problem} {_WHERE_TO_GET_IT}")
    return _files(files, _Options(root, "AudioMOS-2025", lift, on_error))


def _files(files: list[tuple[str | Path, Split]], options: _Options) -> Iterator[RatedClip]:
    for file, split in files:
        root = home_of(file) if options.root is None else options.root
        yield from _clips(read_rows(file), split, root, name_of(file), options)


def _clips(
    rows: Iterable[Row], split: Split, root: str | Path | None, name: str, options: _Options
) -> Iterator[RatedClip]:
    counts: Counter[str] = Counter()
    below = Found(root)

    def clip(row: Row) -> RatedClip:
        ratings, path = _ratings(row), _path(row, root, below)
        low = {
            axis: rating.value
            for axis, rating in ratings.items()
            if options.lift and rating.value < get_rubric(axis).low
        }
        made = RatedClip(
            path=path,
            ratings=ratings | {axis: replace(ratings[axis], value=get_rubric(axis).low) for axis in low},
            split=split,
            corpus=options.corpus,
            system=_system(row, path),
            extra=_extra(row, name) | ({"published": low} if low else {}),
            start_time=row.number("start_time", low=0),
            end_time=row.number("end_time", low=0),
        )
        counts["lack an axis"] += len(ratings) < 4
        counts["have a mean below 1, lifted to 1"] += bool(low)
        lists = [row.values[column] for column in RUBRIC_OF if isinstance(row.values.get(column), list)]
        counts["have a rater without a rating, who is no vote"] += any(None in votes for votes in lists)
        return made

    return read_items(rows, clip, f"{options.corpus} {name}".strip(), counts, options.on_error)


def _path(row: Row, root: str | Path | None, below: Found) -> str:
    column = next((column for column in _PATHS if column in row.values), None)
    if column is not None or "sample_id" not in row.values:
        return row.audio(column or "data_path", root)
    name = row.required("sample_id")
    path = row.resolve("sample_id", name if _has_suffix(name) else f"{name}.wav", root)
    return below.find(row, "sample_id", path) or path


def _has_suffix(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in AUDIO_SUFFIXES


def _system(row: Row, path: str) -> str | None:
    """The model that made a clip: what the list says, or PAM's ``PAM/human_eval/audio/MODEL/…``."""
    said = next((row.text(column) for column in _SYSTEMS if row.has(column)), None)
    found = re.search(r"(?:^|/)PAM/human_eval/\w+/([^/]+)/", path)
    return said or (found[1] if found else None)


def _ratings(row: Row) -> dict[str, Rating]:
    ratings: dict[str, Rating] = {}
    for column, rubric in RUBRIC_OF.items():
        rating = row.rating(column, SCALE.low, SCALE.high)
        if rating is not None:
            ratings[rubric] = rating
    if not ratings:
        raise row.error(f"none of {', '.join(RUBRIC_OF)} has a value; found {', '.join(row.values)}")
    return ratings


def _extra(row: Row, name: str) -> dict[str, Any]:
    extra = {"set": name} if name else {}
    others = {column: row.values[column] for column in row.values if column not in _CONSUMED and row.has(column)}
    return extra | others
