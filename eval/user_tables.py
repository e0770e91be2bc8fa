"""A user's own tables: rated clips as a benchmark, and predictions of anything as rows.

A mapping of columns says which column means what, ``mos=score,path=file``. For rated clips: ``path``, rubrics,
``RUBRIC.std``, ``RUBRIC.votes``, ``RUBRIC.scale`` (``0-100``), ``reference``, ``condition``, ``system``, ``speaker``. For
predictions: ``id`` (item or file name), rubrics, ``preference``, ``real`` (probability), ``text`` (the raw answer), and the truth
as ``truth.RUBRIC``, ``truth.preference``, ``truth.label`` (real or fake) and ``truth.text`` unless a benchmark's data have it.
A column of predictions that is called like what it means needs no mapping; ``truth.text`` is also the key ``text`` of an
object ``truth``. Rubrics are known in any case (``MOS``); a meaning that is none of all these is a rubric of one's own.
"""

import difflib
import itertools
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from audio_judge.batch import lines
from audio_judge.batch.data_sets import column_names, data_set_place
from audio_judge.batch.items import PATH_COLUMNS
from audio_judge.corpora.rows import PREFERENCE_NAMES, name_of
from audio_judge.errors import UsageError
from audio_judge.rubrics.rubric import ALL_RUBRICS, Rubric, Scale, get_rubric

from .benchmarks import Benchmark, Item, Question
from .predictions import Row, read_rows
from .prompts import read

logger = logging.getLogger(__name__)

NISQA_COLUMNS = {"noi": "noisiness", "col": "coloration", "dis": "discontinuity", "loud": "loudness"}
GROUPS = ("condition", "system", "speaker")
MEANINGS = ("id", "path", "reference", "preference", "real", "label", "text", *GROUPS)
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
        found[_spelled(meaning.strip())] = column.strip()
    return found


def _spelled(meaning: str) -> str:
    """A meaning with its rubric as we spell it: ``truth.MOS`` is ``truth.mos``, and NISQA's ``noi`` is ``noisiness``."""
    parts = meaning.split(".")
    return ".".join(_rubric_name(part) or part for part in parts)


def _rubric_name(text: str) -> str | None:
    name = NISQA_COLUMNS.get(text.casefold(), text.casefold())
    return name if name in ALL_RUBRICS else None


def _own_names(columns: Mapping[str, str]) -> list[str]:
    """The rubrics among meanings, our own and others."""
    names = (name.removeprefix("truth.") for name in columns)
    return list(dict.fromkeys(name for name in names if "." not in name and name not in MEANINGS))


def _rubric(name: str, own: Mapping[str, Rubric], scale: str | None = None) -> Rubric:
    """A rubric by its name: one that was defined, one of ours, or else one made of the name, on 1-5 or the given scale."""
    if name in own:
        return own[name]
    if name in ALL_RUBRICS:
        return get_rubric(name)
    if meant := difflib.get_close_matches(name, [*ALL_RUBRICS, *MEANINGS], n=1, cutoff=0.8):
        raise UsageError(
            f"--columns {name}: {meant[0]} is meant, or else a rubric of your own that --rubric FILE defines"
        )
    low, high = (1.0, 5.0) if scale is None else _ends(scale)
    label = name.replace("_", " ")
    made = Rubric(name, f"The {label} of the clip: the highest score is best.", low, high)
    logger.warning(
        "%s: no rubric of ours, so judges are told %r, on %g to %g; --rubric FILE defines it",
        name,
        made.definition,
        low,
        high,
    )
    return made


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


def table_benchmark(path: str | Path, columns: Mapping[str, str], own: Mapping[str, Rubric] | None = None) -> Benchmark:
    """Make a benchmark of a user's table of rated clips.

    Args:
        path: csv, tsv, jsonl or data set; columns called like rubrics (also noi, col, dis, loud) are their ratings.
        own: Rubrics of people's own by name, as ``--rubric`` defines them.

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
    defined = own or {}
    ratings = {rubric: columns[rubric] for rubric in _own_names(columns) if rubric in columns}
    called = {n: n if n in defined else _rubric_name(n) for n in names}
    found = ratings or {said: name for name, said in called.items() if said is not None}
    if clip is None or not found:
        wanted = "paths" if clip is None else "ratings"
        raise UsageError(
            f"{path}: no column of {wanted}; it has {', '.join(names)}; name it with --columns path=…,mos=…"
        )
    groups = {group: columns.get(group, group) for group in GROUPS if columns.get(group, group) in names}
    meanings: dict[str, Any] = {"path": clip, "ratings": found} | groups
    for part in ("std", "votes"):
        named = {rubric: columns.get(f"{rubric}.{part}", f"{rubric}_{part}") for rubric in found}
        meanings[part] = {rubric: column for rubric, column in named.items() if column in names}
    rubrics = [_rubric(rubric, defined, columns.get(f"{rubric}.scale")) for rubric in found]
    own_scales = {one.name: [one.low, one.high] for one in rubrics if one.name not in ALL_RUBRICS}
    given_scales = {r: _ends(columns[f"{r}.scale"]) for r in found if f"{r}.scale" in columns}
    for name in own_scales.keys() & given_scales.keys():
        if own_scales[name] != given_scales[name]:
            raise UsageError(
                f"{name}.scale is {columns[f'{name}.scale']}; --rubric says {own_scales[name]}: give it once"
            )
    meanings["scales"] = own_scales | given_scales
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
        rubrics=tuple(rubrics),
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


def benchmark_of_columns(task: str, columns: Mapping[str, str], own: Mapping[str, Rubric] | None = None) -> Benchmark:
    """Make a benchmark of a plain task for predictions that bring their truth along.

    Args:
        columns: What columns mean; rubrics are those that are named.
    """
    named = _own_names(columns)
    chosen = tuple(_rubric(name, own or {}, columns.get(f"{name}.scale")) for name in named) or (get_rubric("mos"),)
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
    return _with_missing(_once_each(rows), benchmark, known)


def _once_each(rows: Sequence[Row]) -> list[Row]:
    """The rows; of one whose id was there before, only an error is left, which no figure counts."""
    seen: dict[tuple[str, str], int] = {}
    found = []
    for row in rows:
        key = row.judge, row.id
        seen[key] = seen.get(key, 0) + 1
        if seen[key] > 1:
            error = f"the id {row.id!r} was there before; the first row counts"
            row = replace(row, id=f"{row.id}#{seen[key]}", truth={}, prediction=None, text=(), error=error)
        found.append(row)
    return found


def prediction_columns(path: Path, columns: Mapping[str, str], *, with_truth: bool) -> dict[str, str]:
    """Add the columns of a file of predictions that are called like what they mean to those that are named.

    Args:
        columns: Those that are named. If any is, of the others only the truth counts.
        with_truth: Whether the file is to say what is true.
    """
    names = _all_columns(path)
    meanings = [name for name in names if name.startswith("truth.") and with_truth]
    meanings += [] if columns else [name for name in names if name in ("preference", "real", "text", *GROUPS)]
    return {_spelled(name): name for name in meanings} | dict(columns)


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
        truth, lacking = (item.truth, None) if item else _truth(said, benchmark)
    except ValueError as problem:
        raise UsageError(f"{path}:{number}: {problem}") from problem
    own_groups = {g: said.get(g, values.get(g)) for g in (*GROUPS, *benchmark.split_by)}
    prediction, error = (None, lacking) if lacking else (prediction, error)
    groups = item.groups if item else {g: str(value) for g, value in own_groups.items() if value not in (None, "")}
    texts = (str(text),) if text else ()
    rubrics = tuple(
        rubric.name for rubric in benchmark.rubrics if text or not columns or _is_given(rubric.name, columns)
    )
    return Row(
        name, benchmark.name, judge, benchmark.task, question.clips, truth, rubrics, prediction, texts, error, groups
    )


def _is_given(rubric: str, columns: Mapping[str, str]) -> bool:
    """Whether predictions of a rubric are in the file: one that nobody predicts is not held against the judge."""
    named = [name for name in _own_names(columns) if name in columns]
    return not named or rubric in named


def _read_values(
    said: Mapping[str, Any], values: Mapping[str, Any], benchmark: Benchmark, columns: Mapping[str, str]
) -> tuple[dict[str, Any] | None, str | None]:
    found: dict[str, Any] = {}
    scores: dict[str, float] = {}
    problems: list[str] = []
    for rubric in benchmark.rubrics:
        # Without a mapping, a column that is called like the rubric is its prediction.
        given = said.get(rubric.name) if rubric.name in columns else _called(rubric.name, values)
        number = _number(given, rubric.name, problems)
        scores |= {} if number is None else {rubric.name: number}
    found |= {"scores": scores} if scores else {}
    if said.get("preference"):
        found["preferences"] = {benchmark.rubrics[0].name: _verdict(str(said["preference"]))}
    probability = _number(said.get("real"), "real", problems)
    if probability is not None:
        found |= {"real": probability, "is_real": probability >= 0.5}
    problem = "; ".join(problems) or None
    return (found, problem) if found else (None, problem or "no prediction in the file")


def _truth(said: Mapping[str, Any], benchmark: Benchmark) -> tuple[dict[str, Any], str | None]:
    """What is true by the file, and why nothing is if a number in it is none."""
    problems: list[str] = []
    wanted = [f"truth.{rubric.name}" for rubric in benchmark.rubrics]
    scores = {name.removeprefix("truth."): _number(said.get(name), name, problems) for name in wanted}
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
    if not truth and problems:
        return {}, "; ".join(problems)
    if not truth:
        raise ValueError("no truth; name its column with --columns truth.mos=…, or give the data of the benchmark")
    return truth, None


def _number(value: Any, name: str, problems: list[str]) -> float | None:
    """A number of a cell; of nan and inf, which some programs write where they have none, only a problem is left."""
    if value is None or str(value).strip() == "":
        return None
    number = lines.as_number(value)
    if number is None:
        raise ValueError(f"{name} is {value!r}; a number, or an empty cell, is needed")
    if math.isfinite(number):
        return number
    problems.append(f"{name} is {number:g}; a number, or an empty cell, is needed")
    return None


def _called(rubric: str, values: Mapping[str, Any]) -> Any:
    """The value in the column that is called like a rubric, in any case."""
    return values.get(rubric, next((value for name, value in values.items() if _rubric_name(name) == rubric), None))


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
