"""Read any rated table of a user (csv, tsv or jsonl), told which column means what; the other readers build on its rows.

Rows are read one by one, so a table may be larger than memory, and no audio is opened. A row that is wrong raises a ``CorpusError`` with
its file and line; a row that nobody rated is left out, counted and reported.

Left out: JSON arrays (write one object per line) and spreadsheets (export a csv).
"""

import csv
import json
import logging
import math
import re
import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TextIO, get_args

from audio_judge.clips import RatedClip, RatedPair, Rating
from audio_judge.corpora import CorpusError
from audio_judge.rubrics import Scale, get_rubric

logger = logging.getLogger(__name__)

Split = Literal["train", "validation", "test"]
SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "eval": "test",
}
"""How corpora spell our three splits, in lower case."""

PREFERENCE_NAMES = {"a": "A", "b": "B", "tie": "tie"}
"""How tables spell who is preferred, in lower case."""

_BLANK = {"", "-", "nan", "na", "n/a", "none", "null", "<undefined>"}


def split_name(name: str) -> Split:
    """Bring a corpus's name of a split to ours.

    Args:
        name: Such as ``val``, ``dev`` or ``Test``.

    Returns:
        ``train``, ``validation`` or ``test``.

    Raises:
        ValueError: If the name is none of ``SPLIT_NAMES``.

    >>> split_name("dev")
    'validation'
    """
    if name.strip().lower() not in SPLIT_NAMES:
        raise ValueError(f"split is {name!r}; one of {', '.join(SPLIT_NAMES)} expected")
    return SPLIT_NAMES[name.strip().lower()]


def rating_from_votes(votes: Iterable[float]) -> Rating:
    """Sum up what single raters said.

    Args:
        votes: One rating per rater, on one scale; at least one.

    Returns:
        Mean, standard deviation (of the population of raters, so with ``n - 1``; None for a single rater) and number of votes.

    Raises:
        ValueError: If there are no votes.

    >>> rating_from_votes([3, 4, 5])
    Rating(value=4.0, std=1.0, votes=3)
    """
    values = list(votes)
    if not values:
        raise ValueError("no votes; at least one expected")
    return Rating(
        float(statistics.fmean(values)), float(statistics.stdev(values)) if len(values) > 1 else None, len(values)
    )


def time_spans(text: str) -> tuple[tuple[float, float], ...]:
    """Find the stretches of time that a description names, such as ``0 s - 3.5 s`` or ``1.2–2.0s``.

    Args:
        text: A description; numbers without the unit second, or that run backwards, are no stretch.

    Returns:
        (start, end) in seconds, in the order of the text.

    >>> time_spans("appeared between 0 s - 3.5 s (first half)")
    ((0.0, 3.5),)
    """
    number, unit = r"(\d+(?:\.\d+)?)", r"s(?:ec(?:onds?)?)?\b"
    pattern = rf"{number}\s*(?:{unit})?\s*(?:-|–|—|~|to|and)\s*{number}\s*{unit}"
    found = ((float(start), float(end)) for start, end in re.findall(pattern, text, re.IGNORECASE))
    return tuple((start, end) for start, end in found if start <= end)


def is_blank(value: Any) -> bool:
    """Whether a cell says nothing: None, NaN, an empty list, or one of the usual words for it.

    Args:
        value: A cell of a csv, of a jsonl or of a ``datasets.Dataset``.

    >>> is_blank("N/A"), is_blank(0)
    (True, False)
    """
    if isinstance(value, str):
        return value.strip().lower() in _BLANK
    return value is None or value == [] or (isinstance(value, float) and math.isnan(value))


@dataclass(frozen=True)
class Row:
    """One row of a table, read cell by cell so that every complaint can name file, line and column.

    Args:
        path: The file, or a name for the ``datasets.Dataset``.
        line: Line in the file, or number of the row, counted from 1.
        values: Column to cell; text from a csv, any JSON value otherwise.
    """

    path: str | Path
    line: int
    values: Mapping[str, Any]

    def error(self, problem: str) -> CorpusError:
        """Make the error that names this row.

        Args:
            problem: What is wrong, the value and the fix.
        """
        return CorpusError(self.path, self.line, problem)

    def has(self, column: str) -> bool:
        """Whether the cell is there and says something.

        Args:
            column: Name of the column.
        """
        return not is_blank(self.values.get(column))

    def text(self, column: str) -> str | None:
        """Read a cell as text.

        Args:
            column: Name of the column.

        Returns:
            The text without spaces around it; None if the cell is blank.

        Raises:
            CorpusError: If it holds a list or an object.
        """
        value = self.values.get(column)
        if is_blank(value):
            return None
        if isinstance(value, (list, dict)):
            raise self.error(f"{column} is {_short(value)}; text expected")
        return str(value).strip()

    def required(self, column: str) -> str:
        """Read a cell as text that must be there.

        Args:
            column: Name of the column.

        Raises:
            CorpusError: If the cell is missing, blank, or no text.
        """
        text = self.text(column)
        if text is None:
            raise self.error(f"{column} is {'empty' if column in self.values else 'missing'}; text expected")
        return text

    def number(self, column: str, low: float = -math.inf, high: float = math.inf) -> float | None:
        """Read a cell as a number, also one written as text.

        Args:
            column: Name of the column.
            low: Smallest number allowed.
            high: Largest number allowed.

        Returns:
            The number; None if the cell is blank.

        Raises:
            CorpusError: If it is no number or out of range.
        """
        value = self.values.get(column)
        return None if is_blank(value) else self.as_number(column, value, low, high)

    def as_number(self, name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float:
        """Check a number that is part of a cell.

        Args:
            name: How to call it in the complaint.
            value: A number, or its text.
            low: Smallest number allowed.
            high: Largest number allowed.

        Raises:
            CorpusError: If it is no number or out of range.
        """
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            raise self.error(f"{name} is {_short(value)}; a number expected") from None
        if not (math.isfinite(number) and low <= number <= high):
            raise self.error(f"{name} is {_short(value)}; a number from {low:g} to {high:g} expected")
        return number

    def whole(self, column: str, low: int = 0) -> int | None:
        """Read a cell as a whole number; ``24.0`` is one.

        Args:
            column: Name of the column.
            low: Smallest number allowed.

        Raises:
            CorpusError: If it is not one.
        """
        number = self.number(column, low=low)
        if number is not None and not number.is_integer():
            raise self.error(f"{column} is {number:g}; a whole number expected")
        return None if number is None else int(number)

    def rating(self, column: str, low: float, high: float) -> Rating | None:
        """Read a mean rating, or the list of what single raters said.

        Args:
            column: Name of the column; a list becomes mean, standard deviation and votes.
            low: Lowest score of the scale.
            high: Highest score of the scale.

        Returns:
            The rating; None if the cell is blank. A blank inside a list is a rater who gave none, and no vote.

        Raises:
            CorpusError: If a score is no number or off the scale.
        """
        value = self.values.get(column)
        if not isinstance(value, list):
            number = self.number(column, low, high)
            return None if number is None else Rating(number)
        votes = [self.as_number(column, vote, low, high) for vote in value if not is_blank(vote)]
        return rating_from_votes(votes) if votes else None

    def split(self, column: str) -> Split:
        """Read a cell as the name of a split.

        Args:
            column: Name of the column.

        Raises:
            CorpusError: If there is no such split.
        """
        try:
            return split_name(self.required(column))
        except CorpusError:
            raise
        except ValueError as error:
            raise self.error(f"{column}: {error}") from None

    def audio(self, column: str, root: str | Path | None, save_as: Path | None = None) -> str:
        """Read a cell as the path of an audio file, which is not opened.

        Args:
            column: Name of the column: a path, or an undecoded audio cell of ``datasets`` (``{"path", "bytes"}``).
            root: Folder that a relative path starts from; None leaves it as it is.
            save_as: Where to put audio that is embedded in the row, without an ending.

        Returns:
            The path.

        Raises:
            CorpusError: If there is no path, it leads out of ``root``, or the audio is decoded or embedded with nowhere to put it.
        """
        value = self.values.get(column)
        if isinstance(value, Mapping) and set(value) <= {"path", "bytes"}:
            if value.get("bytes"):
                return self._save(column, value["bytes"], str(value.get("path") or ""), save_as)
            value = value.get("path")
        if is_blank(value):
            raise self.error(f"{column} is {'empty' if column in self.values else 'missing'}; a path expected")
        if not isinstance(value, str):
            problem = f"{column} is decoded audio; call dataset.cast_column({column!r}, datasets.Audio(decode=False))"
            raise self.error(f"{problem} before")
        return self.resolve(column, value, root)

    def resolve(self, name: str, path: str, root: str | Path | None) -> str:
        """Join a path to the folder it starts from.

        Args:
            name: How to call it in the complaint.
            path: A path as published, also with backslashes; an absolute one stays.
            root: Folder of the corpus; None leaves the path as it is.

        Raises:
            CorpusError: If a relative path leads out of ``root``.
        """
        clean = path.strip().replace("\\", "/")
        if ".." in clean.split("/"):
            raise self.error(f"{name} is {path!r}; a path inside the folder of the corpus expected")
        return clean if root is None else (Path(root) / clean).as_posix()

    def _save(self, column: str, content: bytes, name: str, save_as: Path | None) -> str:
        if save_as is None:
            raise self.error(f"{column} is embedded in the row; give audio_dir, a folder to put the files into")
        target = save_as.with_name(save_as.name + (Path(name).suffix or ".wav"))
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        return target.as_posix()


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def read_rows(path: str | Path, required: Iterable[str] = (), header: Iterable[str] | None = None) -> Iterator[Row]:
    """Read the rows of a table one by one.

    Args:
        path: A ``.jsonl`` or ``.json`` with one object per line; a ``.tsv``; any other ending is a csv.
        required: Columns that must be there.
        header: Names of the columns of a csv that has no header line.

    Returns:
        Rows with their lines, counted from 1; empty lines are none.

    Raises:
        CorpusError: While reading, if the file is missing or empty, a column is missing, or a line is malformed.
    """
    table = Path(path)
    if not table.is_file():
        raise CorpusError(table, None, "no such file")
    required = list(required)
    with table.open(encoding="utf-8-sig", newline="") as file:
        if table.suffix.lower() in {".jsonl", ".json"}:
            rows = _json_rows(table, file, required)
        else:
            rows = _csv_rows(table, file, required, None if header is None else list(header))
        empty = True
        for row in rows:
            empty = False
            yield row
    if empty:
        raise CorpusError(table, None, "no rows; fetch the file again")


def _json_rows(table: Path, file: TextIO, required: list[str]) -> Iterator[Row]:
    line = 0
    try:
        for line, text in enumerate(file, start=1):
            if not text.strip():
                continue
            values = json.loads(text)
            if not isinstance(values, dict):
                raise CorpusError(table, line, f"a {type(values).__name__} where an object expected, one per line")
            missing = [column for column in required if column not in values]
            if missing:
                raise CorpusError(table, line, f"{', '.join(missing)} is missing; found {', '.join(values)}")
            yield Row(table, line, values)
    except json.JSONDecodeError as error:
        raise CorpusError(table, line, f"not JSON ({error.msg}); one object per line expected") from error
    except UnicodeDecodeError as error:
        raise CorpusError(table, line + 1, f"not UTF-8 ({error}); fetch the file again") from error


def _csv_rows(table: Path, file: TextIO, required: list[str], header: list[str] | None) -> Iterator[Row]:
    delimiter = "\t" if table.suffix.lower() == ".tsv" else ","
    reader = csv.DictReader(file, header, delimiter=delimiter, skipinitialspace=True)
    try:
        if reader.fieldnames is not None:
            reader.fieldnames = [name.strip() for name in reader.fieldnames]
        columns = reader.fieldnames or []
        missing = [column for column in required if column not in columns]
        if missing:
            raise CorpusError(table, 1, f"column {', '.join(missing)} is missing; found {', '.join(columns) or 'none'}")
        for values in reader:
            # DictReader files surplus cells under the key None and fills absent ones with the value None.
            if None in values or None in values.values():
                raise CorpusError(table, reader.line_num, f"the row has not the {len(columns)} cells of the header")
            yield Row(table, reader.line_num, values)
    except (csv.Error, UnicodeDecodeError) as error:
        problem = f"not a csv in UTF-8 ({error}); fetch the file again"
        raise CorpusError(table, reader.line_num + 1, problem) from error


def dataset_rows(dataset: Iterable[Mapping[str, Any]], name: str) -> Iterator[Row]:
    """Number the rows of a ``datasets.Dataset``, or of anything that gives dicts.

    Args:
        dataset: Rows; audio must not be decoded (``dataset.cast_column("audio", datasets.Audio(decode=False))``).
        name: How complaints call it.

    Returns:
        Rows numbered from 1.
    """
    for line, values in enumerate(dataset, start=1):
        yield Row(name, line, values)


@dataclass(frozen=True)
class Columns:
    """Which column of a user's table means what.

    Args:
        path: Column of the audio file.
        ratings: Rubric to its column; a jsonl may hold a list, one number per rater.
        std: Rubric to the column of its standard deviation.
        votes: Rubric to the column of its number of raters.
        scales: Rubric to the scale its column is on; rubrics not named here are on the scale of ``audio_judge.rubrics``.
        split: Column of the split; None if the whole file is one split.
        reference: Column of the undegraded original.
        condition: Column of the condition.
        system: Column of the system.
        speaker: Column of the speaker.
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

    def scale(self, rubric: str) -> Scale:
        """Say which scale a rubric's column is on.

        Args:
            rubric: Name of the rubric.

        Raises:
            ValueError: If neither ``scales`` nor ``audio_judge.rubrics`` knows.
        """
        return self.scales[rubric] if rubric in self.scales else get_rubric(rubric).scale

    def used(self) -> set[str]:
        """Columns that have a meaning; the others become ``extra``."""
        single = (self.path, self.split, self.reference, self.condition, self.system, self.speaker)
        several = (*self.ratings.values(), *self.std.values(), *self.votes.values())
        return {column for column in (*single, *several) if column is not None}


def read_table(
    path: str | Path, columns: Columns, *, root: str | Path | None = None, split: Split = "train", corpus: str = ""
) -> Iterator[RatedClip]:
    """Read rated clips from a table of a user.

    Args:
        path: csv, tsv or jsonl.
        columns: What its columns mean.
        root: Folder that paths in it start from; the folder of the table if None.
        split: Split of all rows, if there is no column for it.
        corpus: Name of the corpus; the file's name if empty.

    Returns:
        Clips in the order of the table, with ratings on the scales of ``columns``; ``extra`` keeps the other columns that have a value.

    Raises:
        ValueError: On the call, if a scale is unknown or there is no rating column.
        CorpusError: While reading, on a missing column or a row that is wrong.

    >>> columns = Columns(path="file", ratings={"mos": "score"})
    >>> columns.scale("mos").high
    5.0
    """
    if not columns.ratings:
        raise ValueError("columns.ratings is empty; name at least one rubric and its column")
    _check_split(split)
    return _table_clips(
        read_rows(path, columns.used()), columns, root or Path(path).parent, split, corpus or Path(path).stem
    )


def from_dataset(
    dataset: Iterable[Mapping[str, Any]],
    columns: Columns,
    *,
    root: str | Path | None = None,
    split: Split = "train",
    corpus: str = "dataset",
) -> Iterator[RatedClip]:
    """Read rated clips from a loaded ``datasets.Dataset``, or any rows.

    Args:
        dataset: Rows; audio as paths or undecoded.
        columns: What its columns mean.
        root: Folder that relative paths start from; None leaves them.
        split: Split of all rows, if there is no column for it.
        corpus: Name of the corpus.

    Returns:
        As from ``read_table``.

    Raises:
        ValueError: On the call, as from ``read_table``.
        CorpusError: While reading, on a row that is wrong.
    """
    _check_split(split)
    return _table_clips(dataset_rows(dataset, corpus), columns, root, split, corpus)


def _check_split(split: str) -> None:
    if split not in get_args(Split):
        raise ValueError(f"split is {split!r}; one of {', '.join(get_args(Split))} expected")


def _table_clips(
    rows: Iterable[Row], columns: Columns, root: str | Path | None, split: Split, corpus: str
) -> Iterator[RatedClip]:
    scales = {rubric: columns.scale(rubric) for rubric in columns.ratings}
    return _rated(rows, columns, scales, root, split, corpus)


def _rated(
    rows: Iterable[Row],
    columns: Columns,
    scales: dict[str, Scale],
    root: str | Path | None,
    split: Split,
    corpus: str,
) -> Iterator[RatedClip]:
    used, unrated, total = columns.used(), 0, 0
    for row in rows:
        total += 1
        ratings = _ratings(row, columns, scales)
        if not ratings:
            unrated += 1
            continue
        yield RatedClip(
            path=row.audio(columns.path, root),
            ratings=ratings,
            split=row.split(columns.split) if columns.split else split,
            corpus=corpus,
            reference=row.audio(columns.reference, root) if columns.reference and row.has(columns.reference) else None,
            condition=row.text(columns.condition) if columns.condition else None,
            system=row.text(columns.system) if columns.system else None,
            speaker=row.text(columns.speaker) if columns.speaker else None,
            extra={name: row.values[name] for name in row.values if name not in used and row.has(name)},
        )
    report(corpus, total, {"left out, nobody rated them": unrated})


def _ratings(row: Row, columns: Columns, scales: dict[str, Scale]) -> dict[str, Rating]:
    ratings = {}
    for rubric, column in columns.ratings.items():
        rating = row.rating(column, scales[rubric].low, scales[rubric].high)
        if rating is None:
            continue
        std = row.number(columns.std[rubric], low=0) if rubric in columns.std else rating.std
        votes = row.whole(columns.votes[rubric], low=1) if rubric in columns.votes else rating.votes
        ratings[rubric] = Rating(rating.value, std, votes)
    return ratings


def report(corpus: str, total: int, counts: Mapping[str, int]) -> None:
    """Log how many rows had something to them.

    Args:
        corpus: Name of the corpus.
        total: Number of rows read.
        counts: What happened to rows, and to how many; zeros are not mentioned.
    """
    for problem, count in counts.items():
        if count:
            logger.warning("%s: %d of %d rows %s", corpus, count, total, problem)


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
    path: str | Path, columns: PairColumns, *, root: str | Path | None = None, split: Split = "train", corpus: str = ""
) -> Iterator[RatedPair]:
    """Read comparisons from a table of a user.

    Args:
        path: csv, tsv or jsonl.
        columns: What its columns mean.
        root: Folder that paths in it start from; the folder of the table if None.
        split: Split of all rows, if there is no column for it.
        corpus: Name of the corpus; the file's name if empty.

    Returns:
        Pairs in the order of the table; their clips have no ratings of their own.

    Raises:
        ValueError: On the call, if there is no preference column.
        CorpusError: While reading, on a missing column, a row that is wrong, or a preference that ``columns.names`` does not know.
    """
    if not columns.preferences:
        raise ValueError("columns.preferences is empty; name at least one rubric and its column")
    _check_split(split)
    return _pairs(read_rows(path, columns.used()), columns, root or Path(path).parent, split, corpus or Path(path).stem)


def _pairs(
    rows: Iterable[Row], columns: PairColumns, root: str | Path, split: Split, corpus: str
) -> Iterator[RatedPair]:
    used, uncompared, total = columns.used(), 0, 0
    for row in rows:
        total += 1
        preferences = {
            rubric: preference_name(row, column, columns.names)
            for rubric, column in columns.preferences.items()
            if row.has(column)
        }
        if not preferences:
            uncompared += 1
            continue
        own = row.split(columns.split) if columns.split else split
        first, second = (RatedClip(row.audio(c, root), {}, own, corpus) for c in (columns.first, columns.second))
        extra = {name: row.values[name] for name in row.values if name not in used and row.has(name)}
        yield RatedPair(first, second, preferences, extra)
    report(corpus, total, {"left out, nobody compared them": uncompared})


def preference_name(row: Row, column: str, names: Mapping[str, str] = PREFERENCE_NAMES) -> str:
    """Read who is preferred.

    Args:
        row: The row.
        column: Its column.
        names: Spelling in lower case to ``A``, ``B`` or ``tie``.

    Returns:
        ``A``, ``B`` or ``tie``.

    Raises:
        CorpusError: If the spelling is unknown.
    """
    text = row.required(column)
    if text.lower() not in names:
        raise row.error(f"{column} is {text!r}; one of {', '.join(names)} expected")
    return names[text.lower()]
