"""Rows of a table on disk or of a data set, cell by cell, with file and line in every complaint."""

import logging
import math
import re
import statistics
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal, TypeVar

from audio_judge.batch import lines
from audio_judge.batch.data_sets import data_set_place, data_set_rows
from audio_judge.batch.items import AUDIO_SUFFIXES
from audio_judge.clips import Rating
from audio_judge.corpora import CorpusError
from audio_judge.rubrics.rubric import Scale

logger = logging.getLogger(__name__)

Split = Literal["train", "validation", "test"]
# What becomes of a row that is wrong: the reading of its corpus stops, or goes on without it
OnError = Literal["stop", "skip"]
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

PREFERENCE_NAMES = {"a": "A", "b": "B", "tie": "tie"}

# Where published lists say that a folder of the reader's own is meant
_PLACEHOLDERS = ("/your_path/", "/your/path/", "/path/to/")
# Reasons for which rows were left out that are named one by one
_NAMED_REASONS = 10

_BLANK = {"", "-", "nan", "na", "n/a", "none", "null", "<undefined>"}


def split_name(name: str) -> Split:
    """Bring a corpus's name of a split, in any case, to ours.

    Raises:
        ValueError: If it is none of ``SPLIT_NAMES``.

    >>> split_name("Dev")
    'validation'
    """
    if name.strip().lower() not in SPLIT_NAMES:
        raise ValueError(f"split is {name!r}; one of {', '.join(SPLIT_NAMES)} expected")
    return SPLIT_NAMES[name.strip().lower()]


def rating_from_votes(votes: Iterable[float]) -> Rating:
    """Sum up what single raters said, one vote each, on one scale.

    Returns:
        Mean, standard deviation (of the population of raters, so with ``n - 1``; None for a single rater), number of
        votes, and the votes.

    Raises:
        ValueError: If there are no votes.

    >>> rating_from_votes([3, 4, 5])
    Rating(value=4.0, std=1.0, votes=3, single=(3, 4, 5))
    """
    values = tuple(votes)
    if not values:
        raise ValueError("no votes; at least one expected")
    spread = float(statistics.stdev(values)) if len(values) > 1 else None
    return Rating(float(statistics.fmean(values)), spread, len(values), values)


def time_spans(text: str) -> tuple[tuple[float, float], ...]:
    """Find the stretches of time that a description names, such as ``0 s - 3.5 s`` or ``1.2–2.0s``.

    Numbers without the unit second, or that run backwards, are no stretch.

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

    >>> is_blank("N/A"), is_blank(0)
    (True, False)
    """
    if isinstance(value, str):
        return value.strip().lower() in _BLANK
    return value is None or value == [] or (isinstance(value, float) and math.isnan(value))


@dataclass(frozen=True)
class Row:
    """One row of a table, read cell by cell so that every complaint can name file, line and column.

    A cell that is not what a method reads, or that lies out of its range, is a ``CorpusError``.

    Args:
        path: The file, or the place of the data set.
        line: Line in the file, or number of the row, counted from 1.
        values: Column to cell; text from a csv, any JSON value otherwise.
    """

    path: str | Path
    line: int
    values: Mapping[str, Any]

    def error(self, problem: str) -> CorpusError:
        """The error that names this row; ``problem`` is what is wrong, the value and the fix."""
        return CorpusError(self.path, self.line, problem)

    def has(self, column: str) -> bool:
        """Whether the cell is there and says something."""
        return not is_blank(self.values.get(column))

    def text(self, column: str) -> str | None:
        """Read a cell as text without spaces around it, no list and no object; None if it is blank."""
        value = self.values.get(column)
        if is_blank(value):
            return None
        if isinstance(value, (list, dict)):
            raise self.error(f"{column} is {_short(value)}; text expected")
        return str(value).strip()

    def required(self, column: str) -> str:
        """Read a cell as text that must be there and not be blank."""
        text = self.text(column)
        if text is None:
            raise self.error(f"{column} is {'empty' if column in self.values else 'missing'}; text expected")
        return text

    def number(self, column: str, low: float = -math.inf, high: float = math.inf) -> float | None:
        """Read a cell as a number, also one written as text; None if it is blank."""
        value = self.values.get(column)
        return None if is_blank(value) else self.as_number(column, value, low, high)

    def as_number(self, name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float:
        """Check a number, or its text, that is part of a cell; ``name`` is what the complaint calls it."""
        number = lines.as_number(value)
        if number is None:
            raise self.error(f"{name} is {_short(value)}; a number expected")
        if not (math.isfinite(number) and low <= number <= high):
            raise self.error(f"{name} is {_short(value)}; a number from {low:g} to {high:g} expected")
        return number

    def whole(self, column: str, low: int = 0) -> int | None:
        """Read a cell as a whole number; ``24.0`` is one, a blank cell is None."""
        number = self.number(column, low=low)
        if number is not None and not number.is_integer():
            raise self.error(f"{column} is {number:g}; a whole number expected")
        return None if number is None else int(number)

    def rating(self, column: str, low: float, high: float) -> Rating | None:
        """Read a mean rating, or the list of what single raters said, on a scale from ``low`` to ``high``.

        Returns:
            The rating, of a list with standard deviation and votes; None if the cell is blank. A blank inside a list is
            a rater who gave none, and no vote.
        """
        value = self.values.get(column)
        if not isinstance(value, list):
            number = self.number(column, low, high)
            return None if number is None else Rating(number)
        votes = [self.as_number(column, vote, low, high) for vote in value if not is_blank(vote)]
        return rating_from_votes(votes) if votes else None

    def split(self, column: str) -> Split:
        """Read a cell as the name of a split, one of ``SPLIT_NAMES`` in any case."""
        try:
            return split_name(self.required(column))
        except CorpusError:  # a ValueError, too, but it names the cell already
            raise
        except ValueError as error:
            raise self.error(f"{column}: {error}") from None

    def audio(self, column: str, root: str | Path | None) -> str:
        """Read a cell as the path of an audio file, which is not opened; joined to ``root`` as by ``resolve``."""
        value = self.values.get(column)
        if is_blank(value):
            raise self.error(f"{column} is {'empty' if column in self.values else 'missing'}; a path expected")
        if not isinstance(value, str):
            raise self.error(f"{column} is {_short(value)}; a path expected")
        return self.resolve(column, value, root)

    def resolve(self, name: str, path: str, root: str | Path | None) -> str:
        """Join a path as published, also with backslashes, to the corpus's folder, out of which it may not lead.

        An absolute path stays, unless it begins with a placeholder of published lists (``/your_path/``), which the folder
        replaces; any path stays if ``root`` is None. ``name`` is what the complaint calls it.
        """
        clean = path.strip().replace("\\", "/")
        if root is not None and (mark := next(filter(clean.startswith, _PLACEHOLDERS), None)):
            clean = clean.removeprefix(mark)
        if ".." in clean.split("/"):
            raise self.error(f"{name} is {path!r}; a path inside the folder of the corpus expected")
        return clean if root is None else (Path(root) / clean).as_posix()


class _Wrong(Mapping[str, Any]):
    """The cells of a malformed line, which say so as soon as one of them is asked for."""

    def __init__(self, error: CorpusError) -> None:
        self.error = error

    def __getitem__(self, column: str) -> Any:
        raise self.error

    def __iter__(self) -> Iterator[str]:
        raise self.error

    def __len__(self) -> int:
        raise self.error


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def read_rows(path: str | Path, required: Iterable[str] = (), header: Iterable[str] | None = None) -> Iterator[Row]:
    """Read the rows of a table one by one.

    Args:
        path: A ``.jsonl`` or ``.json`` with one object per line; a ``.tsv``; a data set
            (``hf://datasets/OWNER/NAME:SPLIT``, or its folder), whose rows are counted and whose sounds become files;
            any other ending is a csv.
        header: Names of the columns of a csv that has no header line.

    Returns:
        Rows with their lines, counted from 1; empty lines are none. A line that is malformed is a row that raises what is
        wrong with it as soon as a cell is read, so that ``read_items`` can go on without it.

    Raises:
        CorpusError: While reading, if the file is missing, empty or no UTF-8, or a column of a table is missing.
    """
    required = list(required)
    if data_set_place(str(path)) is not None:
        yield from _data_set_rows(str(path), required)
        return
    table = Path(path)
    if not table.is_file():
        raise CorpusError(table, None, "no such file; check the path")
    empty = True
    names = None if header is None else list(header)
    is_json = lines.kind_of(table) == "json"
    try:
        if not is_json:
            _check_columns(table, "column ", required, names or lines.columns_of(table, trims=True))
        for line in lines.scan(table, header=names, fill=None, trims=True):
            empty = False
            problem = line.problem or (_lacking("", required, line.row) if is_json else None)
            wrong = None if problem is None else _Wrong(CorpusError(table, line.number, problem))
            yield Row(table, line.number, line.row if wrong is None else wrong)
    except lines.LineError as error:
        raise CorpusError(table, error.line, error.problem) from error
    if empty:
        raise CorpusError(table, None, "no rows; fetch the file again")


def _data_set_rows(place: str, required: list[str]) -> Iterator[Row]:
    for number, values in enumerate(data_set_rows(place), start=1):
        _check_columns(place, "column ", required, values)
        yield Row(place, number, values)


def _check_columns(table: str | Path, what: str, required: list[str], names: Collection[str]) -> None:
    if problem := _lacking(what, required, names):
        raise CorpusError(table, None if data_set_place(str(table)) else 1, problem)


def _lacking(what: str, required: list[str], names: Collection[str]) -> str | None:
    missing = [column for column in required if column not in names]
    return f"{what}{', '.join(missing)} is missing; found {', '.join(names) or 'none'}" if missing else None


Made = TypeVar("Made")


def read_items(
    rows: Iterable[Row],
    make: Callable[[Row], Made | None],
    corpus: str,
    counts: Counter[str] | None = None,
    on_error: OnError = "stop",
) -> Iterator[Made]:
    """Make a clip or a pair of each row, and report at the end what happened to rows.

    Args:
        rows: As ``read_rows`` gives them.
        make: What a row becomes; None if it is left out, which it counts.
        corpus: What the report calls them.
        counts: What ``make`` counts: what happened to a row, to how many.
        on_error: ``skip`` leaves out rows that are wrong, and counts them by what is wrong with them.

    Raises:
        CorpusError: Of the first row that is wrong; with ``skip``, if all of them are.
    """
    if on_error not in ("stop", "skip"):
        raise ValueError(f"on_error is {on_error!r}; stop or skip expected")
    found: Counter[str] = Counter() if counts is None else counts
    wrong: dict[str, list[int]] = {}
    total, is_whole, first = 0, False, None
    try:
        for row in rows:
            total += 1
            try:
                item = make(row)
            except CorpusError as error:
                if on_error == "stop":
                    raise
                first = first or error
                wrong.setdefault(_reason(error.problem), []).append(row.line)
                continue
            if item is not None:
                yield item
        is_whole = True
    finally:
        # Also of rows that were read before whoever asks for clips had enough of them
        if is_whole or wrong:
            report(corpus, total, found | _left_out(wrong))
    if first is not None and sum(map(len, wrong.values())) == total:
        raise CorpusError(
            first.path, None, f"all {total} rows are wrong; the first, line {first.line}: {first.problem}"
        )


def _reason(problem: str) -> str:
    """What is wrong without the value that is, so that rows with the same are counted together."""
    plain = re.sub(r" \(.*\);", ";", problem, count=1, flags=re.DOTALL)
    return re.sub(r" (?:is|has) (?!missing|empty).*?; ", ": ", plain, count=1, flags=re.DOTALL)


def _left_out(wrong: Mapping[str, list[int]]) -> dict[str, int]:
    ranked = sorted(wrong.items(), key=lambda one: -len(one[1]))
    counts = {f"left out, {reason} (first in line {at[0]})": len(at) for reason, at in ranked[:_NAMED_REASONS]}
    others = sum(len(at) for _, at in ranked[_NAMED_REASONS:])
    return counts | ({f"left out, for {len(ranked) - _NAMED_REASONS} other reasons": others} if others else {})


class Found:
    """Sounds below a folder by their paths on another machine: under the same end of the path, or anywhere by name.

    The folder is searched once, for the first sound that is not where its path says.

    Args:
        root: The folder; None finds nothing.
    """

    def __init__(self, root: str | Path | None) -> None:
        self.root = None if root is None else Path(root)
        self._by_name: dict[str, list[str]] | None = None

    def find(self, row: Row, column: str, path: str) -> str | None:
        """Find the sound of a row; None if it is nowhere below the folder.

        Args:
            column: What a complaint calls the path.
            path: As published, or joined to the folder.

        Raises:
            CorpusError: If several have its name and none the end of its path.
        """
        clean = PurePosixPath(path.replace("\\", "/"))
        if self.root is None or Path(clean).exists():
            return clean.as_posix()
        if ".." in clean.parts:
            raise row.error(f"{column} is {path!r}; a path inside the folder of the corpus expected")
        parts = [part for part in clean.parts if part != "/"]
        for at in range(len(parts)):
            below = self.root.joinpath(*parts[at:])
            if below.exists():
                return below.as_posix()
        if self._by_name is None:
            self._by_name = {}
            for file in self.root.rglob("*"):
                if file.suffix.lower() in AUDIO_SUFFIXES:
                    self._by_name.setdefault(file.name, []).append(file.as_posix())
        named = self._by_name.get(clean.name, [])
        if len(named) > 1:
            raise row.error(
                f"{column} is {path!r}; below {self.root} are {' and '.join(sorted(named)[:2])}: remove one"
            )
        return named[0] if named else None


def home_of(path: str | Path) -> Path | None:
    """Folder that the paths in a table start from: its own; None for a data set, whose sounds have whole paths."""
    return None if data_set_place(str(path)) else Path(path).parent


def name_of(path: str | Path) -> str:
    """What to call the corpus that a table is: its name without ending, or that of the data set.

    >>> name_of("/data/mine.csv"), name_of("hf://datasets/me/clips:test")
    ('mine', 'clips')
    """
    place = data_set_place(str(path))
    return Path(path).stem if place is None else place[0].rstrip("/").rpartition("/")[2]


Layout = TypeVar("Layout")


def layout_of(kind: type[Layout], given: Layout | Mapping[str, Any]) -> Layout:
    """Read a dataclass of columns from fields as YAML and the command line give them, a scale as ``[low, high]``.

    Raises:
        ValueError: If a field is unknown or missing.
    """
    if not isinstance(given, Mapping):
        return given
    fields = dict(given)
    if "scales" in fields:
        # The only field that plain values cannot say
        fields["scales"] = {rubric: scale_of(scale) for rubric, scale in fields["scales"].items()}
    try:
        return kind(**fields)
    except TypeError as error:
        raise ValueError(f"columns: {error}") from error


def scale_of(ends: Scale | Iterable[float]) -> Scale:
    """Read a scale from ``[low, high]``; a scale stays.

    >>> scale_of([0, 10]).name
    '0-10'
    """
    if isinstance(ends, Scale):
        return ends
    low, high = ends
    return Scale(float(low), float(high), f"{low:g}-{high:g}")


def report(corpus: str, total: int, counts: Mapping[str, int]) -> None:
    """Log, for each thing that happened to rows, to how many of all it did; zeros are not mentioned."""
    for problem, count in counts.items():
        if count:
            logger.warning("%s: %d of %d rows %s", corpus, count, total, problem)


def preference_name(row: Row, column: str, names: Mapping[str, str] = PREFERENCE_NAMES) -> str:
    """Read who is preferred: ``A``, ``B`` or ``tie``; ``names`` maps the spellings allowed, in lower case, to these."""
    text = row.required(column)
    if text.lower() not in names:
        raise row.error(f"{column} is {text!r}; one of {', '.join(names)} expected")
    return names[text.lower()]
