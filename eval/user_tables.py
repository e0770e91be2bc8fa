"""A user's own tables: rated clips as a benchmark, and predictions of anything as rows.

A mapping of columns says which column means what, ``mos=score,path=file``. For rated clips: ``path``, rubrics,
``RUBRIC.std``, ``RUBRIC.votes``, ``RUBRIC.scale`` (``0-100``), ``reference``, ``condition``, ``system``, ``speaker``. For
predictions: ``id`` (item or file name), rubrics, ``preference``, ``real`` (probability), ``text`` (the raw answer), and the truth
as ``truth.RUBRIC``, ``truth.preference``, ``truth.label`` (real or fake) and ``truth.text`` unless a benchmark's data have it.
A column of predictions that is called like what it means needs no mapping; ``truth.text`` is also the key ``text`` of an
object ``truth``.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from audio_judge.batch import lines
from audio_judge.batch.data_sets import column_names, data_set_place
from audio_judge.batch.items import PATH_COLUMNS
from audio_judge.corpora.rows import PREFERENCE_NAMES, name_of
from audio_judge.errors import UsageError
from audio_judge.rubrics.rubric import ALL_RUBRICS, Scale, get_rubric

from .benchmarks import Benchmark, Item, Question
from .predictions import Row, read_rows
from .prompts import read

NISQA_COLUMNS = {"noi": "noisiness", "col": "coloration", "dis": "discontinuity", "loud": "loudness"}
GROUPS = ("condition", "system", "speaker")
ID_COLUMNS = ("id", *PATH_COLUMNS, "file", "filename")


def parse_columns(text: str | None) -> dict[str, str]:
    """Read a mapping of columns.

    Raises:
        UsageError: If a part has no ``=``.

    Example:
        >>> parse_columns("id=file,mos=score")
        {'id': 'file', 'mos': 'score'}
    """
    found = {}
    for part in filter(None, (text or "").split(",")):
        meaning, equals, column = part.partition("=")
        if not equals or not meaning or not column:
            raise UsageError(f"--columns {part!r}; MEANING=COLUMN is needed, such as mos=score")
        found[meaning.strip()] = column.strip()
    return found


def header(path: str | Path) -> list[str]:
    """Name the columns of a csv, tsv, jsonl or data set.

    Raises:
        UsageError: If it is not there or is empty.
    """
    is_set = data_set_place(str(path)) is not None
    names = column_names(str(path)) if is_set else lines.columns_of(path, trims=True)
    if not names:
        raise UsageError(f"{path}: no columns; a csv with a header or one JSON object per line is needed")
    return names


def table_benchmark(path: str | Path, columns: Mapping[str, str]) -> Benchmark:
    """Make a benchmark of a user's table of rated clips.

    Args:
        path: csv, tsv, jsonl or data set; columns called like rubrics (also noi, col, dis, loud) are their ratings.

    Returns:
        A benchmark of the task ``score``, named like the file; its place is that name, too.

    Raises:
        UsageError: If there is no column of paths or of ratings.
    """
    names = header(path)
    clip = columns.get("path") or next(
        (name for name in (*PATH_COLUMNS, "filepath_deg", "file", "audio") if name in names), None
    )
    # Named columns are all that is meant; else every column that is called like a rubric
    ratings = {rubric: column for rubric, column in columns.items() if rubric in ALL_RUBRICS}
    found = ratings or {NISQA_COLUMNS.get(n, n): n for n in names if NISQA_COLUMNS.get(n, n) in ALL_RUBRICS}
    if clip is None or not found:
        wanted = "paths" if clip is None else "ratings"
        raise UsageError(
            f"{path}: no column of {wanted}; it has {', '.join(names)}; name it with --columns path=…,mos=…"
        )
    groups = {group: columns.get(group, group) for group in GROUPS if columns.get(group, group) in names}
    meanings: dict[str, Any] = {"path": clip, "ratings": found} | groups
    for part in ("std", "votes"):
        own = {rubric: columns.get(f"{rubric}.{part}", f"{rubric}_{part}") for rubric in found}
        meanings[part] = {rubric: column for rubric, column in own.items() if column in names}
    meanings["scales"] = {r: _ends(columns[f"{r}.scale"]) for r in found if f"{r}.scale" in columns}
    if columns.get("reference", "reference") in names:
        meanings["reference"] = columns.get("reference", "reference")
    return Benchmark(
        name=name_of(path),
        title=f"{path if data_set_place(str(path)) else Path(path).name}, rated clips of the user's own",
        task="score",
        corpus="table",
        place=name_of(path),
        where=f"they are the user's own, {path}.",
        options={"columns": meanings},
        rubrics=tuple(get_rubric(rubric) for rubric in found),
        group_by=tuple(groups),
    )


def _ends(text: str) -> list[float]:
    low, _, high = text.partition("-")
    try:
        scale = Scale(float(low), float(high), text)
    except ValueError as error:
        raise UsageError(f"scale {text!r}: {error}; LOW-HIGH is needed, such as 0-100") from error
    return [scale.low, scale.high]


def is_ours(path: Path) -> bool:
    """Whether a file has rows of ``predictions.jsonl``."""
    return path.suffix.lower() == ".jsonl" and {"benchmark", "judge", "task"} <= set(header(path))


def benchmark_of_columns(task: str, columns: Mapping[str, str]) -> Benchmark:
    """Make a benchmark of a plain task for predictions that bring their truth along.

    Args:
        columns: What columns mean; rubrics are those that are named.
    """
    rubrics = [name.removeprefix("truth.") for name in columns if name.removeprefix("truth.") in ALL_RUBRICS]
    chosen = tuple(get_rubric(name) for name in dict.fromkeys(rubrics)) or (get_rubric("mos"),)
    groups = tuple(group for group in GROUPS if group in columns)
    return Benchmark(task, f"{task}, of a user's own predictions", task, rubrics=chosen, group_by=groups)


def read_predictions(
    path: Path, benchmark: Benchmark, columns: Mapping[str, str], known: Sequence[Item], judge: str
) -> list[Row]:
    """Read predictions as rows.

    Args:
        known: Items of the benchmark with their truth; empty if the file has the truth.
        judge: Name of the judge, for files that do not say.

    Returns:
        Rows; an item of the benchmark that is not in the file is one without a prediction.

    Raises:
        UsageError: If a column is missing, a value is unusable, or an id names no item, or several.
    """
    if is_ours(path):
        rows = [row for row in read_rows(path) if row.benchmark == benchmark.name or row.task == benchmark.name]
        if not rows:
            raise UsageError(f"{path}: no row of {benchmark.name}")
        return rows if not known else _with_missing([_with_truth(row, known) for row in rows], benchmark, known)
    names = _all_columns(path)
    missing = [column for column in columns.values() if column not in names]
    if missing:
        raise UsageError(f"{path}: no column {missing[0]!r}; it has {', '.join(names)}")
    lookup, found = _Lookup(path, known), lines.read(path, trims=True)
    rows = [_read_row(path, number, _flat(values), benchmark, columns, lookup, judge) for number, values in found]
    if not rows:
        raise UsageError(f"{path}: no predictions")
    return _with_missing(rows, benchmark, known)


def prediction_columns(path: Path, columns: Mapping[str, str], *, with_truth: bool) -> dict[str, str]:
    """Add the columns of a file of predictions that are called like what they mean to those that are named.

    Args:
        columns: Those that are named. If any is, of the others only the truth counts.
        with_truth: Whether the file is to say what is true.
    """
    names = _all_columns(path)
    meanings = [name for name in names if name.startswith("truth.") and with_truth]
    meanings += [] if columns else [name for name in names if name in ("preference", "real", "text", *GROUPS)]
    return {name: name for name in meanings} | dict(columns)


def _all_columns(path: Path) -> list[str]:
    """Columns of a file; of an object in its first row also the keys in it, behind a dot."""
    if lines.kind_of(path) != "json":
        return header(path)
    header(path)  # which complains about a file without any
    return list(_flat(next(values for _, values in lines.read(path))))


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    inner = {
        f"{name}.{key}": value for name, own in values.items() if isinstance(own, Mapping) for key, value in own.items()
    }
    return inner | dict(values)


class _Lookup:
    """Items by id, or by the name of their file where that is unique."""

    def __init__(self, path: Path, known: Sequence[Item]) -> None:
        self.path = path
        self.by_id = {item.question.id: item for item in known}
        self.by_name: dict[str, list[Item]] = {}
        for item in known:
            self.by_name.setdefault(_name(item.question.id), []).append(item)

    def find(self, said: str, line: int) -> Item | None:
        if not self.by_id:
            return None
        if said in self.by_id:
            return self.by_id[said]
        # People's tables say file.wav where the benchmark has folder/file.flac
        named = self.by_name.get(_name(said), [])
        if len(named) != 1:
            raise UsageError(
                f"{self.path}:{line}: {said!r} names {len(named)} items of the benchmark; the id of one is needed"
            )
        return named[0]


def _name(item: str) -> str:
    """The file names without their folders and endings, of one clip or of two."""
    return "|".join(Path(part).stem for part in item.split("|"))


def _read_row(
    path: Path,
    number: int,
    values: Mapping[str, Any],
    benchmark: Benchmark,
    columns: Mapping[str, str],
    lookup: _Lookup,
    judge: str,
) -> Row:
    own = columns.get("id") or next((name for name in ID_COLUMNS if name in values), None)
    if own is None or not values.get(own):
        raise UsageError(f"{path}:{number}: no id; name its column with --columns id=…")
    try:
        said = {meaning: values.get(column) for meaning, column in columns.items()}
        item = lookup.find(str(values[own]), number)
        name = item.question.id if item else str(values[own])
        question = item.question if item else Question(name, benchmark.task, (name,), benchmark.rubrics)
        text = said.get("text")
        # Words are parsed as those of any judge; a number in a column is taken as it is.
        prediction, error = read(question, [str(text)]) if text else _read_values(said, values, benchmark, columns)
        truth = item.truth if item else _truth(said, values, benchmark, columns)
    except ValueError as problem:
        raise UsageError(f"{path}:{number}: {problem}") from problem
    groups = item.groups if item else {g: str(said[g]) for g in GROUPS if said.get(g) not in (None, "")}
    texts = (str(text),) if text else ()
    rubrics = tuple(
        rubric.name for rubric in benchmark.rubrics if text or not columns or _is_given(rubric.name, columns)
    )
    return Row(
        name, benchmark.name, judge, benchmark.task, question.clips, truth, rubrics, prediction, texts, error, groups
    )


def _is_given(rubric: str, columns: Mapping[str, str]) -> bool:
    """Whether predictions of a rubric are in the file: one that nobody predicts is not held against the judge."""
    named = [name for name in columns if name in ALL_RUBRICS]
    return not named or rubric in named


def _read_values(
    said: Mapping[str, Any], values: Mapping[str, Any], benchmark: Benchmark, columns: Mapping[str, str]
) -> tuple[dict[str, Any] | None, str | None]:
    found: dict[str, Any] = {}
    scores: dict[str, float] = {}
    for rubric in benchmark.rubrics:
        # Without a mapping, a column that is called like the rubric is its prediction.
        given = said.get(rubric.name) if rubric.name in columns else values.get(rubric.name)
        number = _number(given)
        scores |= {} if number is None else {rubric.name: number}
    found |= {"scores": scores} if scores else {}
    if said.get("preference"):
        found["preferences"] = {benchmark.rubrics[0].name: _verdict(str(said["preference"]))}
    probability = _number(said.get("real"))
    if probability is not None:
        found |= {"real": probability, "is_real": probability >= 0.5}
    return (found, None) if found else (None, "no prediction in the file")


def _truth(
    said: Mapping[str, Any], values: Mapping[str, Any], benchmark: Benchmark, columns: Mapping[str, str]
) -> dict[str, Any]:
    scores = {rubric.name: _number(said.get(f"truth.{rubric.name}")) for rubric in benchmark.rubrics}
    truth: dict[str, Any] = {"scores": {name: value for name, value in scores.items() if value is not None}}
    truth = truth if truth["scores"] else {}
    if said.get("truth.preference"):
        truth["preferences"] = {benchmark.rubrics[0].name: _verdict(str(said["truth.preference"]))}
    if said.get("truth.label"):
        label = str(said["truth.label"]).strip().lower()
        if label not in ("real", "fake", "bonafide", "spoof"):
            raise ValueError(f"label {label!r}; real or fake is needed")
        truth["is_real"] = label in ("real", "bonafide")
    if said.get("truth.text"):
        truth["answer"] = str(said["truth.text"])
    if not truth:
        raise ValueError("no truth; name its column with --columns truth.mos=…, or give the data of the benchmark")
    return truth


def _number(value: Any) -> float | None:
    return None if value is None or str(value).strip() == "" else float(value)


def _verdict(text: str) -> str:
    if text.strip().lower() not in PREFERENCE_NAMES:
        raise ValueError(f"preference {text!r}; one of {', '.join(PREFERENCE_NAMES)} is needed")
    return PREFERENCE_NAMES[text.strip().lower()]


def _with_truth(row: Row, known: Sequence[Item]) -> Row:
    """A row of ours with the truth of the data at hand, which win over what it was written with."""
    by_id = {item.question.id: item for item in known}
    if row.id not in by_id:
        raise UsageError(f"{row.id!r} is no item of {row.benchmark}")
    return replace(row, truth=by_id[row.id].truth, groups=by_id[row.id].groups)


def _with_missing(rows: Sequence[Row], benchmark: Benchmark, known: Sequence[Item]) -> list[Row]:
    """The rows, and one without a prediction for each item that a judge has no row of."""
    found, have = list(rows), {(row.judge, row.id) for row in rows}
    for judge, item in itertools.product(dict.fromkeys(row.judge for row in rows), known):
        question = item.question
        if (judge, question.id) not in have:
            asked = next(row.rubrics for row in rows if row.judge == judge)
            named = question.id, benchmark.name, judge, benchmark.task, question.clips
            error = "not among the predictions"
            found.append(Row(*named, item.truth, asked, error=error, groups=item.groups))
    return found
