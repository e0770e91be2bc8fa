"""Read any rated table of a user (csv, tsv, jsonl or data set), told which column means what.

Rows are read one by one, so a table may be larger than memory, and no audio is opened. A row that is wrong raises a
``CorpusError`` with its file and line; a row that nobody rated is left out, counted and reported.

Left out: JSON arrays (write one object per line) and spreadsheets (export a csv).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

from audio_judge.clips import RatedClip, RatedPair, Rating
from audio_judge.corpora.rows import (
    PREFERENCE_NAMES,
    OnError,
    Row,
    Split,
    home_of,
    layout_of,
    name_of,
    preference_name,
    read_items,
    read_rows,
)
from audio_judge.rubrics.rubric import ALL_RUBRICS, Scale, convert, get_rubric


@dataclass(frozen=True)
class Columns:
    """Which column of a user's table means what; None where there is none.

    Args:
        path: Column of the audio file.
        ratings: Rubric to its column; a jsonl may hold a list, one number per rater.
        std: Rubric to the column of its standard deviation.
        votes: Rubric to the column of its number of raters.
        scales: Rubric to the scale its column is on; others are on the scale of ``audio_judge.rubrics.rubric``.
        split: None if the whole file is one split.
        reference: Column of the path of the undegraded original.
        corpus: Column of the name of the corpus, or of who labelled, if a table has several.
    """

    path: str
    ratings: Mapping[str, str]
    std: Mapping[str, str] = field(default_factory=dict)
    votes: Mapping[str, str] = field(default_factory=dict)
    scales: Mapping[str, Scale] = field(default_factory=dict)
    split: str | None = None
    reference: str | None = None
    condition: str | None = None
    system: str | None = None
    speaker: str | None = None
    corpus: str | None = None

    def scale(self, rubric: str) -> Scale:
        """Scale of a rubric's column: the one named in ``scales``, else that of the rubric.

        Raises:
            ValueError: If neither knows.

        >>> Columns(path="file", ratings={"mos": "score"}).scale("mos").high
        5.0
        """
        return self.scales[rubric] if rubric in self.scales else get_rubric(rubric).scale

    def used(self) -> set[str]:
        """Columns that have a meaning; the others become ``extra``."""
        single = (self.path, self.split, self.reference, self.condition, self.system, self.speaker, self.corpus)
        several = (*self.ratings.values(), *self.std.values(), *self.votes.values())
        return {column for column in (*single, *several) if column is not None}


def read_table(
    path: str | Path,
    columns: Columns | Mapping[str, Any],
    *,
    root: str | Path | None = None,
    split: Split = "train",
    corpus: str = "",
    on_error: OnError = "stop",
) -> Iterator[RatedClip]:
    """Read rated clips from a table of a user.

    Args:
        path: csv, tsv, jsonl or data set.
        columns: What its columns mean, or its fields as plain values.
        root: Folder that paths in it start from; the folder of the table if None.
        split: Split of all rows, if there is no column for it.
        corpus: Name of the corpus; the file's name if empty.
        on_error: What becomes of a row that is wrong; see ``read_items``.

    Returns:
        Clips in the order of the table, with ratings on the scales of ``columns``; ``extra`` keeps the other columns
        that have a value.

    Raises:
        ValueError: On the call, if a scale is unknown or there is no rating column.
        CorpusError: While reading, on a missing column or a row that is wrong.
    """
    columns = layout_of(Columns, columns)
    if not columns.ratings:
        raise ValueError("columns.ratings is empty; name at least one rubric and its column")
    _check_split(split)
    scales = {rubric: columns.scale(rubric) for rubric in columns.ratings}
    rows = read_rows(path, columns.used())
    return _rated(rows, columns, scales, root or home_of(path), split, corpus or name_of(path), on_error)


def read_on_our_scales(
    path: str | Path,
    columns: Columns | Mapping[str, Any],
    *,
    root: str | Path | None = None,
    split: Split = "train",
    corpus: str = "",
    on_error: OnError = "stop",
) -> Iterator[RatedClip]:
    """Read a table as ``read_table`` does, its ratings brought to our rubrics' scales; other rubrics stay as they are."""
    layout = layout_of(Columns, columns)
    clips = read_table(path, layout, root=root, split=split, corpus=corpus, on_error=on_error)
    return (_on_our_scales(clip, layout) for clip in clips)


def _on_our_scales(clip: RatedClip, columns: Columns) -> RatedClip:
    ratings = {}
    for name, rating in clip.ratings.items():
        source = columns.scale(name)
        if name in ALL_RUBRICS and (source.low, source.high) != (get_rubric(name).low, get_rubric(name).high):
            target = get_rubric(name).scale
            factor = (target.high - target.low) / (source.high - source.low)
            std = None if rating.std is None else rating.std * factor  # a spread has a length, but no place
            single = tuple(convert(vote, source, target) for vote in rating.single)
            rating = Rating(convert(rating.value, source, target), std, rating.votes, single)
        ratings[name] = rating
    return replace(clip, ratings=ratings)


def _check_split(split: str) -> None:
    if split not in get_args(Split):
        raise ValueError(f"split is {split!r}; one of {', '.join(get_args(Split))} expected")


def _rated(
    rows: Iterable[Row],
    columns: Columns,
    scales: dict[str, Scale],
    root: str | Path | None,
    split: Split,
    corpus: str,
    on_error: OnError,
) -> Iterator[RatedClip]:
    used, counts = columns.used(), Counter[str]()

    def clip(row: Row) -> RatedClip | None:
        ratings = _ratings(row, columns, scales)
        if not ratings:
            counts["left out, nobody rated them"] += 1
            return None
        return RatedClip(
            path=row.audio(columns.path, root),
            ratings=ratings,
            split=row.split(columns.split) if columns.split else split,
            corpus=(columns.corpus and row.text(columns.corpus)) or corpus,
            reference=row.audio(columns.reference, root) if columns.reference and row.has(columns.reference) else None,
            condition=row.text(columns.condition) if columns.condition else None,
            system=row.text(columns.system) if columns.system else None,
            speaker=row.text(columns.speaker) if columns.speaker else None,
            extra={name: row.values[name] for name in row.values if name not in used and row.has(name)},
        )

    return read_items(rows, clip, corpus, counts, on_error)


def _ratings(row: Row, columns: Columns, scales: dict[str, Scale]) -> dict[str, Rating]:
    ratings = {}
    for rubric, column in columns.ratings.items():
        rating = row.rating(column, scales[rubric].low, scales[rubric].high)
        if rating is None:
            continue
        std = row.number(columns.std[rubric], low=0) if rubric in columns.std else rating.std
        votes = row.whole(columns.votes[rubric], low=1) if rubric in columns.votes else rating.votes
        ratings[rubric] = replace(rating, std=std, votes=votes)
    return ratings


@dataclass(frozen=True)
class PairColumns:
    """Which column of a user's table of comparisons means what.

    Args:
        first: Column of the audio file of clip A.
        second: Column of the audio file of clip B.
        preferences: Rubric to the column of who is preferred; ``mos`` is the preference overall.
        names: Values of these columns, in lower case, to ``A``, ``B`` or ``tie``.
        split: Column of the split; None if the whole file is one split.
    """

    first: str
    second: str
    preferences: Mapping[str, str]
    names: Mapping[str, str] = field(default_factory=lambda: dict(PREFERENCE_NAMES))
    split: str | None = None

    def used(self) -> set[str]:
        """Columns that have a meaning; the others become ``extra``."""
        return {self.first, self.second, *self.preferences.values()} | ({self.split} if self.split else set())


def read_pairs(
    path: str | Path,
    columns: PairColumns | Mapping[str, Any],
    *,
    root: str | Path | None = None,
    split: Split = "train",
    corpus: str = "",
    on_error: OnError = "stop",
) -> Iterator[RatedPair]:
    """Read comparisons from a table of a user; the arguments are those of ``read_table``.

    Returns:
        Pairs in the order of the table; their clips have no ratings of their own.

    Raises:
        ValueError: On the call, if there is no preference column.
        CorpusError: While reading, on a missing column, a row that is wrong, or a preference that ``columns.names``
            does not know.
    """
    columns = layout_of(PairColumns, columns)
    if not columns.preferences:
        raise ValueError("columns.preferences is empty; name at least one rubric and its column")
    _check_split(split)
    rows = read_rows(path, columns.used())
    return _pairs(rows, columns, root or home_of(path), split, corpus or name_of(path), on_error)


def _pairs(
    rows: Iterable[Row],
    columns: PairColumns,
    root: str | Path | None,
    split: Split,
    corpus: str,
    on_error: OnError,
) -> Iterator[RatedPair]:
    used, counts = columns.used(), Counter[str]()

    def pair(row: Row) -> RatedPair | None:
        preferences = {
            rubric: preference_name(row, column, columns.names)
            for rubric, column in columns.preferences.items()
            if row.has(column)
        }
        if not preferences:
            counts["left out, nobody compared them"] += 1
            return None
        own = row.split(columns.split) if columns.split else split
        first, second = (RatedClip(row.audio(c, root), {}, own, corpus) for c in (columns.first, columns.second))
        extra = {name: row.values[name] for name in row.values if name not in used and row.has(name)}
        return RatedPair(first, second, preferences, extra)

    return read_items(rows, pair, corpus, counts, on_error)
