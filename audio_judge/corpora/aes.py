"""Read Audiobox Aesthetics' ratings (AES) and AudioMOS Challenge 2025, track 2: speech, sound and music on four axes.

AES is jsonl with ten ratings per axis (``AES_natural_speech.jsonl`` …); AudioMOS is csv with means, or jsonl as AES.
The ratings are floats from 0 to 10 (``SCALE``), though raters were asked on 1 to 10, which is the scale of our rubrics.
So votes below 1 stay votes, and a mean below 1 is lifted to 1, counted and reported, with the published mean in
``extra``; ``lift=False`` leaves it. Higher is better on all axes but production complexity, where it only means more
complex.

A row may have ``start_time`` and ``end_time`` in seconds; only that part is heard. ``extra``: ``set`` (name of the
file), ``published`` (rubric to mean, of those that were lifted), ``sample_id``, and any other column as published.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from audio_judge.batch.data_sets import data_set_place
from audio_judge.clips import RatedClip, Rating
from audio_judge.corpora import CorpusError
from audio_judge.corpora.rows import Row, Split, home_of, name_of, read_rows, report
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

_CONSUMED = {*RUBRIC_OF, "data_path", "path", "start_time", "end_time"}


def read_aes(
    path: str | Path, split: Split = "test", *, root: str | Path | None = None, corpus: str = "AES", lift: bool = True
) -> Iterator[RatedClip]:
    """Read the clips of one file, or of all ``AES_*.jsonl`` of a folder.

    Args:
        path: jsonl, csv or data set with ``data_path`` and the four axes, or the folder ``evaluation_data``.
        split: Split of all clips; AES is released for testing, AudioMOS has one file per split.
        root: Folder that ``data_path`` starts from; that of the file if None.
        lift: Lift means below 1 to 1, the lowest score of our rubrics.

    Returns:
        Clips with the four ratings; lists give standard deviation and votes, means do not.

    Raises:
        CorpusError: On the call, if a folder has no such file; while reading, on a row that is wrong.
    """
    place = Path(path)
    is_folder = place.is_dir() and data_set_place(str(path)) is None
    files: list[str | Path] = [*sorted(place.glob("AES_*.jsonl"))] if is_folder else [path]
    if not files:
        raise CorpusError(
            place, None, "no AES_*.jsonl here; get evaluation_data of facebookresearch/audiobox-aesthetics"
        )
    return _files(files, split, root, corpus, lift)


def _files(
    files: list[str | Path], split: Split, root: str | Path | None, corpus: str, lift: bool
) -> Iterator[RatedClip]:
    for file in files:
        yield from _clips(read_rows(file), split, home_of(file) if root is None else root, corpus, name_of(file), lift)


def _clips(
    rows: Iterable[Row], split: Split, root: str | Path | None, corpus: str, name: str, lift: bool
) -> Iterator[RatedClip]:
    total = incomplete = blanks = lifted = 0
    for row in rows:
        total += 1
        ratings = _ratings(row)
        incomplete += len(ratings) < 4
        low = {name: rating.value for name, rating in ratings.items() if lift and rating.value < get_rubric(name).low}
        lifted += bool(low)
        blanks += any(None in row.values[column] for column in RUBRIC_OF if isinstance(row.values.get(column), list))
        yield RatedClip(
            path=row.audio("data_path" if "data_path" in row.values else "path", root),
            ratings=ratings | {name: replace(ratings[name], value=get_rubric(name).low) for name in low},
            split=split,
            corpus=corpus,
            extra=_extra(row, name) | ({"published": low} if low else {}),
            start_time=row.number("start_time", low=0),
            end_time=row.number("end_time", low=0),
        )
    counts = {"lack an axis": incomplete, "have a mean below 1, lifted to 1": lifted}
    counts |= {"have a rater without a rating, who is no vote": blanks}
    report(f"{corpus} {name}".strip(), total, counts)


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
