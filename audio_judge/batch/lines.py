"""Rows on disk, JSON lines and CSV: read with the line they stand in, written one at a time, healed after a kill.

The one module of the package that reads or writes them. A file that is being written may end in a row that a kill, or a
writer that is not done, has cut: readers of such files leave it out, and an ``Appender`` cuts it off before it goes on.
"""

import csv
import io
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self, TextIO

from audio_judge.errors import UsageError

Kind = Literal["json", "csv", "tsv"]
KINDS: dict[str, Kind] = {".jsonl": "json", ".json": "json", ".tsv": "tsv"}
# Lists and objects within each other: readers and writers of Python and of other languages fail at some depth
DEEPEST = 64
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class LineError(UsageError):
    """A file of rows that cannot be read, or a line of it (from 1; None if the whole file is meant).

    Example:
        >>> str(LineError("rows.csv", 3, "3 fields for 2 columns"))
        'rows.csv:3: 3 fields for 2 columns'
    """

    def __init__(self, path: str | Path, line: int | None, problem: str) -> None:
        # All three go to ``args``, so that the error survives the pickling between worker processes.
        super().__init__(path, line, problem)
        self.path, self.line, self.problem = path, line, problem

    def __str__(self) -> str:
        return f"{self.path}{'' if self.line is None else f':{self.line}'}: {self.problem}"


class Line(NamedTuple):
    """One row of a file, or what is wrong with it.

    Args:
        number: Line in which it ends, from 1.
        row: Column to value; text in a table. Empty for a line that is no JSON object.
        problem: What is wrong with it, the value and the fix; None if nothing is.
        span: Where it begins in the file and how long it is, in bytes, with its line end.
    """

    number: int
    row: dict[str, Any]
    problem: str | None = None
    span: tuple[int, int] = (0, 0)


def kind_of(path: str | Path) -> Kind:
    """Say how rows are written in a file, by its name; what is not known is CSV.

    Example:
        >>> kind_of("a.jsonl"), kind_of("a.TSV"), kind_of("a.txt")
        ('json', 'tsv', 'csv')
    """
    return KINDS.get(Path(path).suffix.lower(), "csv")


def parse(text: str) -> tuple[dict[str, Any], str | None]:
    """Read one JSON object, and say what is wrong with it; None if nothing is. NaN becomes None, infinite numbers stay text.

    Example:
        >>> parse('{"mos": NaN, "seconds": 1e999}'), parse("[1]")[1]
        (({'mos': None, 'seconds': '1e999'}, None), "no JSON object ('[1]'); one per line is needed")
    """
    try:
        row = _JSON.decode(text)
    except RecursionError:
        return {}, f"nested deeper than {DEEPEST} levels; make it flatter"
    except ValueError as error:
        return {}, f"no JSON ({error}); one object per line is needed"
    if not isinstance(row, dict):
        return {}, f"no JSON object ({text.strip()[:40]!r}); one per line is needed"
    if is_deeper(row, DEEPEST):
        return {}, f"nested deeper than {DEEPEST} levels; make it flatter"
    return row, None


def is_deeper(value: Any, levels: int) -> bool:
    """Say whether lists and objects lie within each other deeper than that.

    Example:
        >>> is_deeper([{"a": []}], 2), is_deeper([{"a": []}], 3)
        (True, False)
    """
    level = [value]
    for _ in range(levels + 1):
        level = [part for part in level if isinstance(part, dict | list)]
        if not level:
            return False
        level = [part for one in level for part in (one.values() if isinstance(one, dict) else one)]
    return True


def as_number(value: Any) -> float | None:
    """Read a number, or its text, out of a cell; None if it is neither. It may be infinite or not a number (``nan``).

    Example:
        >>> as_number(" 3.5"), as_number(True), as_number("good")
        (3.5, None, None)
    """
    try:
        return None if isinstance(value, bool) else float(value)  # to Python, True is 1.0
    except (TypeError, ValueError, OverflowError):
        return None


def _finite(text: str) -> float | str:
    return value if math.isfinite(value := float(text)) else text


_JSON = json.JSONDecoder(parse_constant=lambda name: None if name == "NaN" else name, parse_float=_finite)


def read(path: str | Path, kind: Kind | None = None, **options: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read the rows of a file one by one, each with its line; the options are those of ``scan``.

    Raises:
        LineError: If the file cannot be read, or a row is unusable.
    """
    for line in scan(path, kind, **options):
        if line.problem is not None:
            raise LineError(path, line.number, line.problem)
        yield line.number, line.row


def scan(
    path: str | Path,
    kind: Kind | None = None,
    *,
    header: Sequence[str] | None = None,
    fill: str | None = "",
    trims: bool = False,
    is_growing: bool = False,
    errors: str = "strict",
) -> Iterator[Line]:
    """Read the rows of a file one by one, also those that are unusable; empty lines are none.

    Args:
        path: The file, in UTF-8 with or without a byte order mark.
        kind: How rows are written in it; None for what its name says.
        header: Columns of a table that has no header line.
        fill: What the cells are that a row of a table lacks; None makes that a problem.
        trims: Whether spaces around the names of a table's columns and before its cells do not count.
        is_growing: Whether the file is being written, so that a last row that is not whole is none yet.
        errors: What becomes of bytes that are no UTF-8, as of ``bytes.decode``.

    Raises:
        LineError: If the file is not there, no UTF-8 or no CSV.
    """
    kind = kind or kind_of(path)
    at = _Pieces(path, errors, is_growing)
    try:
        with Path(path).open("rb") as file:
            if kind == "json":
                yield from _scan_json(at.of(file), at)
            else:
                yield from _scan_table(_cells(at.of(file), kind, trims, header), at, header, fill, trims)
    except OSError as error:
        raise _unreadable(path, error) from error


def texts(path: str | Path) -> Iterator[tuple[int, str]]:
    """Read the lines of a plain list, each with its number; empty ones and those that begin with # are none.

    Raises:
        LineError: If the file is not there or no UTF-8.
    """
    at = _Pieces(path, errors="surrogateescape")  # as names of files may be
    try:
        with Path(path).open("rb") as file:
            for text in at.of(file):
                if text.strip() and not text.startswith("#"):
                    yield at.number, text.strip()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str | Path, error: OSError) -> LineError:
    if isinstance(error, FileNotFoundError):
        return LineError(path, None, "no such file; check the path")
    return LineError(path, None, f"cannot be read ({error.strerror})")


class _Pieces:
    """Lines of a file as text; counts them, their bytes and their quotes."""

    def __init__(self, path: str | Path, errors: str = "strict", is_growing: bool = False) -> None:
        self.path, self.errors, self.is_growing = path, errors, is_growing
        self.number = self.size = self.quotes = 0
        self.is_ended = True

    @property
    def is_cut(self) -> bool:
        """Whether a row of a table that ends here is not whole: all others are read up to their line end and last quote."""
        return self.is_growing and (not self.is_ended or self.quotes % 2 == 1)

    def of(self, file: Iterable[bytes]) -> Iterator[str]:
        for raw in file:
            # Also at a single carriage return, as Python's text files are
            for piece in raw.splitlines(keepends=True) if b"\r" in raw else (raw,):
                self.number += 1
                self.size += len(piece)
                self.quotes += piece.count(b'"')
                self.is_ended = piece.endswith((b"\n", b"\r"))
                text = piece.removeprefix(_BYTE_ORDER_MARK) if self.number == 1 else piece
                try:
                    # A kill may have cut within a letter
                    yield text.decode("utf-8", "replace" if self.is_growing and not self.is_ended else self.errors)
                except UnicodeDecodeError as error:
                    problem = f"cannot be read as UTF-8 text ({error})"
                    raise LineError(self.path, self.number, problem) from error


def _scan_json(pieces: Iterator[str], at: _Pieces) -> Iterator[Line]:
    start = 0
    for text in pieces:
        span, start = (start, at.size - start), at.size
        if not text.strip():
            continue
        row, problem = parse(text.rstrip("\r\n"))
        if problem is not None and at.is_growing and not at.is_ended:
            return
        yield Line(at.number, row, problem, span)


def _scan_table(
    rows: Iterator[list[str]], at: _Pieces, header: Sequence[str] | None, fill: str | None, trims: bool
) -> Iterator[Line]:
    columns = None if header is None else list(header)
    start = 0
    try:
        for cells in rows:
            span, start = (start, at.size - start), at.size
            if at.is_cut:
                return
            if not cells:
                continue
            if columns is None:
                columns = [cell.strip() for cell in cells] if trims else cells
                continue
            row = dict(zip(columns, cells, strict=False))
            missing = columns[len(cells) :]
            if len(cells) > len(columns) or (missing and fill is None):
                problem = f"{len(cells)} fields for {len(columns)} columns; quote fields with commas"
                yield Line(at.number, row, problem, span)
            else:
                yield Line(at.number, row | dict.fromkeys(missing, fill) if missing else row, None, span)
    except csv.Error as error:
        raise LineError(at.path, at.number, f"no CSV ({error}); repair the line") from error


def _cells(pieces: Iterator[str], kind: Kind, trims: bool, header: Sequence[str] | None = None) -> Iterator[list[str]]:
    csv.field_size_limit(2**31 - 1)  # of this process; what was written is read again, however long a cell is
    first = next(pieces, "")
    delimiter = "\t" if kind == "tsv" else ","
    # Spreadsheets write semicolons where a comma is the decimal point
    if delimiter not in first and header is None:
        delimiter = next((sign for sign in ";\t" if sign in first), delimiter)
    return csv.reader(chain([first], pieces) if first else pieces, delimiter=delimiter, skipinitialspace=trims)


def columns_of(path: str | Path, *, trims: bool = False, is_growing: bool = False) -> list[str]:
    """Name the columns of a table, or the keys of the first JSON line; none of an empty file. Arguments are those of ``scan``.

    Raises:
        LineError: If the file cannot be read.
    """
    kind = kind_of(path)
    if kind == "json":
        return next((list(row) for _, row in read(path, kind, is_growing=is_growing)), [])
    at = _Pieces(path, is_growing=is_growing)
    try:
        with Path(path).open("rb") as file:
            names = next(filter(None, _cells(at.of(file), kind, trims)), [])
    except OSError as error:
        raise _unreadable(path, error) from error
    except csv.Error as error:
        raise LineError(path, at.number, f"no CSV ({error}); repair the line") from error
    if at.is_cut:
        return []
    return [name.strip() for name in names] if trims else names


def rows_by_id(path: Path) -> dict[str, dict[str, Any]]:
    """Read a growing file of JSON lines with an ``id``; none if there is no such file.

    Raises:
        ValueError: If a line has none; the message names file and line.
    """
    found = {}
    for line in scan(path, "json", is_growing=True) if path.exists() else ():
        if "id" not in line.row:
            raise ValueError(f"{path}, line {line.number}: no row with an id; write to another file")
        found[line.row["id"]] = line.row
    return found


class Appender:
    """Writes rows one at a time, each handed to the system at once, so that a kill loses at most the row that it cuts.

    Args:
        path: File; None for standard output.
        columns: Columns of a CSV table; None for JSON lines.
        is_new: Whether to write the file anew; else it goes on after its last whole row.

    Raises:
        OSError: If the file cannot be written.
    """

    def __init__(self, path: Path | None, columns: Sequence[str] | None = None, *, is_new: bool = False) -> None:
        self.path, self.columns = path, columns
        begins = True
        if path is None:
            self.file: TextIO = sys.stdout
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            begins = is_new or not path.exists() or _heal(path, columns is not None) == 0
            self.file = _open(path, "w" if is_new else "a")
        if columns is not None and begins:
            self._write(table_text([columns]))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; standard output stays open."""
        if self.path is not None:
            self.file.close()

    def write(self, *rows: Mapping[str, Any]) -> None:
        """Write rows at once, so that an interruption does not cut between them; a table leaves out what is not its column.

        Raises:
            ValueError: If a number is not finite, which JSON cannot hold.
        """
        if self.columns is None:
            self._write("".join(map(_json_text, rows)))
        else:
            self._write(table_text([[_cell(row.get(name)) for name in self.columns] for row in rows]))

    def _write(self, text: str) -> None:
        self.file.write(text)
        self.file.flush()


def write(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write a file of JSON lines anew, which is replaced when all is written; gives the number of rows.

    Raises:
        ValueError: If a number is not finite, which JSON cannot hold.
    """
    draft = path.with_name(f"{path.name}.part")
    count = 0
    try:
        with _open(draft, "w") as file:
            for row in rows:
                file.write(_json_text(row))
                count += 1
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return count


def _open(path: Path, mode: Literal["w", "a"]) -> TextIO:
    # A file name that is no UTF-8 becomes an escape, in JSON the one that reads back as the same name
    return path.open(mode, encoding="utf-8", errors="backslashreplace", newline="")


def _json_text(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"


def table_text(rows: Iterable[Sequence[str]]) -> str:
    r"""Write rows of a CSV table, given as cells.

    Example:
        >>> table_text([["path", "text"], ["a.wav", "one, two"]])
        'path,text\na.wav,"one, two"\n'
    """
    text = io.StringIO()
    writer, quoting = (
        csv.writer(text, lineterminator="\n"),
        csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL),
    )
    for row in rows:
        # A lone carriage return, which Python takes for a line break only when it reads
        (quoting if any("\r" in cell and not set('\n",') & set(cell) for cell in row) else writer).writerow(row)
    return text.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def _heal(path: Path, is_table: bool) -> int:
    """Cut off a last row that is not whole; give the number of bytes that are left."""
    size = record = quotes = 0
    with path.open("rb+") as file:
        for line in file:
            record += len(line)
            # Cells of a table may contain line breaks
            quotes += line.count(b'"') if is_table else 0
            if line.endswith(b"\n") and quotes % 2 == 0:
                size, record, quotes = size + record, 0, 0
        file.seek(size)
        tail = file.read()
        if tail and not is_table and parse(tail.decode("utf-8", "replace"))[1] is None:
            file.write(b"\n")  # the row is whole, and readers have counted it
            return size + len(tail) + 1
        file.truncate(size)
    return size
