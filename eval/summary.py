"""From rows to figures: ``metrics.json``, with an interval and the coverage beside every figure.

Figures are named ``WHAT/MEASURE``, such as ``mos/PCC``, ``mos/PCC@condition`` (means per condition), ``causes/F1_micro``,
``detect/EER``, ``text/BLEU``. What a missing answer costs is said in ``eval.metrics.RULE``, the ``rule`` of the file.

Intervals are bootstrapped over clips, or over whole conditions, systems or speakers where the benchmark names them and there
are enough. Measures that fit something (third-order mapping) or compare texts with all others have none.
"""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from audio_judge.clips import Rating
from audio_judge.rubrics.rubric import Rubric
from audio_judge.tasks.faults import addressed_types

from . import metrics
from .benchmarks import Benchmark
from .predictions import Row

DEFAULTS: dict[str, tuple[str, ...]] = {
    "score": ("MAE", "RMSE", "PCC", "SRCC", "KTAU", "KL", "Brier", "ECE"),
    "categorize": ("ACC", "ACC_within_one", "balanced_ACC"),
    "explain": (
        *("MAE", "PCC", "precision_micro", "recall_micro", "F1_micro", "F1_random", "distinct_2", "self_BLEU"),
        *("top_sentence_share", "word_match", "IoU"),
    ),
    "assess": ("PCC", "SRCC", "ACC", "IoU", "BLEU", "SBERT", "FENSE", "LScore"),
    "compare": ("ACC", "ACC_decided", "order_consistency", "first_bias", "SBERT", "FENSE", "LScore", "BLEU"),
    "suggest": ("BLEU", "SBERT", "FENSE", "LScore", "F1_micro"),
    "detect": ("EER", "minDCF", "ACC", "balanced_ACC"),
    "describe": ("MSE", "MAE", "PCC", "BLEU", "SBERT", "FENSE"),
}
DEFAULTS |= {"profile": DEFAULTS["score"], "rate": DEFAULTS["score"]}
# Fewer groups than these say too little about others to be drawn instead of clips.
LEAST_GROUPS = 10
AVERAGED = ("PCC", "SRCC")
COMPARED = ("PCC", "SRCC", "MAE", "ACC", "EER")

Encoder = Any
Grader = Callable[[Sequence[Row], str], list[Mapping[str, float] | None]]


@dataclass(frozen=True)
class Tools:
    """Models that some measures of words need; without them, these measures are left out and it is said so.

    Args:
        encoder: Sentence encoder of SBERT and FENSE.
        detector: Detector of broken sentences of FENSE.
        grader: Takes rows and a form of ``audio_judge.text_models.evaluator`` and gives grades from 0 to 1, for LScore.
    """

    encoder: Encoder | None = None
    detector: Callable[[list[str]], np.ndarray] | None = None
    grader: Grader | None = None


@dataclass(frozen=True)
class Columns:
    """What metrics of one kind take, laid out from rows.

    Args:
        kind: ``scores``, ``levels``, ``shares`` and ``preferences`` (of a rubric), ``swapped`` (verdicts in both orders), ``is_real``
            (P(real)), ``speech_rate``, ``causes`` (kinds), ``spans`` (seconds), ``texts`` and ``grades``: predictions, then truth;
            ``timed_scores``: the same as ``scores``, then the seconds of each clip;
            ``answers`` and ``own_words``: predictions only; ``answers_and_scores``: both of the judge.
        what: First part of the names of figures.
        values: The columns, one item per row.
        ids: Item of each row, or name of each group.
        where: Behind the names, for figures over groups: ``@condition``.
        groups: Group of each row for the bootstrap; empty draws rows.
        beside: Figures of the columns before they were averaged over groups, such as ``coverage`` and ``PCC_answered``.
        settings: What metrics may take by name: ``rubric``, ``low``, ``high``, ``categories``, ``encoder``, ``detector``; None is
            what is not there.
    """

    kind: str
    what: str
    values: tuple[Sequence[Any] | np.ndarray, ...]
    ids: tuple[str, ...]
    where: str = ""
    groups: tuple[str, ...] = ()
    beside: Mapping[str, float] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """A measure and the columns it takes; it gives figures by name."""

    columns: Columns
    measure: Callable[..., Mapping[str, Any]]
    has_interval: bool = True

    def __call__(self) -> Mapping[str, Any]:
        """Measure: some figures are tables, such as ``kinds``."""
        return self.measure(*self.columns.values)


def summarise(
    rows: Sequence[Row], benchmark: Benchmark, *, tools: Tools | None = None, resamples: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """Compute the figures of one judge on one benchmark.

    Args:
        rows: All rows of the judge on the benchmark, at least one.
        resamples: Of the bootstrap; 0 for no intervals.

    Returns:
        JSON-able: ``task``, ``n``, ``coverage`` (share of rows with a prediction that was read directly), ``extracted`` (share of rows in
        which a text model read something, which count in the figures, too), ``errors`` (the most common reasons of what
        is missing), ``left_out`` (figures that need something that is not there), ``figures``: name to ``value``, ``low``,
        ``high``, ``n``, ``coverage``, ``answered`` (the figure without missing answers) and ``higher_is_better`` (null where
        neither is); ``parts``, for each of the benchmark's ``split_by``, value to ``n``, ``coverage`` and ``figures``.
    """
    # Whether words are a judge's own belongs beside every figure about words.
    wanted = (*(benchmark.metrics or DEFAULTS[benchmark.task]), "own_words")
    figures: dict[str, dict[str, Any]] = {}
    for measured in measures(rows, benchmark, wanted, tools or Tools()):
        figures |= _figures(measured, wanted, resamples, seed)
    figures |= _means_over_rubrics(figures, benchmark)
    parts = {name: _parts(rows, benchmark, name, resamples, seed) for name in benchmark.split_by}
    extracted = sum(bool(row.extracted) for row in rows)
    answered = sum(row.prediction is not None and not row.extracted for row in rows)
    reasons = Counter(row.error for row in rows if row.error is not None)
    return {
        "task": benchmark.task,
        "n": len(rows),
        "coverage": answered / len(rows),
        "extracted": extracted / len(rows),
        "errors": dict(reasons.most_common(5)),
        "left_out": _left_out(wanted, figures) | {name: "no row has it" for name, own in parts.items() if not own},
        "figures": figures,
        "parts": parts,
    }


def _parts(rows: Sequence[Row], benchmark: Benchmark, name: str, resamples: int, seed: int) -> dict[str, Any]:
    """The figures of the rows of each language, system or other group, alone, without intervals.

    Real clips that belong to no group stand beside the fakes of each, whose error rates, with intervals, are those of a generator.
    """
    alone = replace(benchmark, group_by=(), split_by=())
    people = [row for row in rows if name not in row.groups and row.truth.get("is_real")]
    members: dict[str, list[Row]] = {}
    for row in rows:
        if name in row.groups:
            members.setdefault(row.groups[name], []).append(row)
    found = {}
    for value in sorted(members):
        said = summarise([*members[value], *people], alone, resamples=resamples if people else 0, seed=seed)
        found[value] = {key: said[key] for key in ("n", "coverage", "extracted", "figures")}
    return found


def _means_over_rubrics(figures: Mapping[str, Mapping[str, Any]], benchmark: Benchmark) -> dict[str, dict[str, Any]]:
    """Correlations averaged over the rubrics, as SQ-LLM's table 13 has them (AVG)."""
    found = {}
    for measure in AVERAGED:
        own = [figures[name] for rubric in benchmark.rubrics if (name := f"{rubric.name}/{measure}") in figures]
        if len(own) > 1 and all(one["value"] is not None for one in own):
            mean = dict(own[0]) | {"low": None, "high": None}
            for key in ("value", "coverage", "answered"):
                mean[key] = None if None in [one[key] for one in own] else finite(np.mean([one[key] for one in own]))
            found[f"AVG/{measure}"] = mean
    return found


def _left_out(wanted: Sequence[str], figures: Mapping[str, Any]) -> dict[str, str]:
    found = {name.split("/")[1].split("@")[0] for name in figures}
    missing = [name for name in wanted if name not in found and name != "own_words"]
    return {name: _need(name) or "data that these rows do not have" for name in missing}


def _need(name: str) -> str:
    return next((one.needs for one in metrics.METRICS if one.gives([name])), "")


def _figures(measured: Measured, wanted: Sequence[str], resamples: int, seed: int) -> dict[str, dict[str, Any]]:
    columns = measured.columns
    found = {**measured(), **columns.beside}
    names = [name for name in found if name in wanted]
    intervals: dict[str, tuple[float, float]] = {}
    enough = len(set(columns.groups or columns.ids)) >= (LEAST_GROUPS if columns.where else 2)
    if resamples and names and measured.has_interval and enough:
        intervals = metrics.confidence_intervals(
            measured.measure, *columns.values, groups=columns.groups or None, resamples=resamples, seed=seed
        )
    figures = {}
    for name in names:
        low, high = intervals.get(name, (math.nan, math.nan))
        figures[f"{columns.what}/{name}{columns.where}"] = {
            "value": finite(found[name]),
            "low": finite(low),
            "high": finite(high),
            "n": int(found.get("n", len(columns.ids))),
            "coverage": finite(found.get("coverage", math.nan)),
            "answered": finite(found.get(f"{name}_answered", found[name])),
            "higher_is_better": metrics.is_higher_better(name),
        }
    return figures


def finite(value: float) -> float | None:
    """Write a number for JSON, which has no NaN.

    Example:
        >>> finite(0.12345678), finite(float("nan"))
        (0.123457, None)
    """
    return round(float(value), 6) if math.isfinite(value) else None


def measures(rows: Sequence[Row], benchmark: Benchmark, wanted: Sequence[str], tools: Tools) -> Iterable[Measured]:
    """Lay out everything that is to be measured of rows.

    Args:
        wanted: Names of measures; what is not wanted is not laid out.
    """
    chosen = [one for one in metrics.METRICS if one.gives(wanted)]
    for columns in _lay_out(rows, benchmark, {one.columns for one in chosen}, tools):
        for one, settings in _usable(chosen, columns, wanted):
            yield Measured(columns, partial(one.measure, **settings), one.has_interval)


def _usable(
    chosen: Sequence[metrics.Metric], columns: Columns, wanted: Sequence[str]
) -> list[tuple[metrics.Metric, dict[str, Any]]]:
    """Metrics of these columns that have what they need, without those whose figures a later one gives, too."""
    alike = [one for one in chosen if one.columns == columns.kind and (one.over_groups or not columns.where)]
    ready = [(one, settings) for one in alike if (settings := one.settings(columns.settings)) is not None]
    # FENSE, where its models are there, gives SBERT as well: embedding all texts once is enough
    own = [{name for name in wanted if one.gives([name])} for one, _ in ready]
    return [pair for place, pair in enumerate(ready) if not any(own[place] <= later for later in own[place + 1 :])]


def _lay_out(rows: Sequence[Row], benchmark: Benchmark, kinds: Set[str], tools: Tools) -> Iterable[Columns]:
    """The columns that rows have; those that are dear only if their kind is among those asked for."""
    for rubric in benchmark.rubrics:
        asked = [row for row in rows if not row.rubrics or rubric.name in row.rubrics]
        yield from _of_rubric(asked, rubric, benchmark, kinds)
    yield from _of_preferences(rows, benchmark)
    yield from _of_facts(rows)
    yield from _of_causes(rows)
    yield from _of_words(rows, benchmark)
    yield from _against_words(rows, benchmark, kinds, tools)


def _of_rubric(rows: Sequence[Row], rubric: Rubric, benchmark: Benchmark, kinds: Set[str]) -> Iterable[Columns]:
    rated = [row for row in rows if rubric.name in row.truth.get("scores", {})]
    if rated and benchmark.task != "categorize":
        yield from _of_scores(rated, rubric, benchmark)
        if "shares" in kinds:
            yield from _of_shares(rated, rubric, benchmark)
    named = [row for row in rows if rubric.name in row.truth.get("levels", {})]
    if named:
        values = _column(named, "levels", rubric.name), [row.truth["levels"][rubric.name] for row in named]
        settings = {"rubric": rubric, "categories": rubric.levels}
        groups = _groups(named, benchmark)
        yield Columns("levels", rubric.name, values, _ids(named), groups=groups, settings=settings)


def _of_scores(rows: Sequence[Row], rubric: Rubric, benchmark: Benchmark) -> Iterable[Columns]:
    given = _column(rows, "scores", rubric.name)
    truth = [row.truth["scores"][rubric.name] for row in rows]
    low, high = _ends(rubric, truth)
    settings = {"rubric": rubric, "low": low, "high": high}
    how: dict[str, Any] = {"groups": _groups(rows, benchmark), "settings": settings}
    yield Columns("scores", rubric.name, (given, truth), _ids(rows), **how)
    seconds = [row.seconds for row in rows]
    if None not in seconds:
        yield Columns("timed_scores", rubric.name, (given, truth, seconds), _ids(rows), **how)
    for level in benchmark.group_by:
        members = [row.groups.get(level) for row in rows]
        names = tuple(dict.fromkeys(group for group in members if group is not None))
        if len(names) > 1:
            means = metrics.group_means(given, truth, members, low=low, high=high)
            over = metrics.rating_agreement(given, truth, low=low, high=high, groups=members)
            # Means have no gaps any more: what is missing is counted, and left out, before it is averaged
            beside = {name: over[name] for name in over if name == "coverage" or name.endswith(metrics.ANSWERED)}
            where = f"@{level}"
            yield Columns("scores", rubric.name, means, names, where, beside=beside, settings=settings)


def _ends(rubric: Rubric, truth: Sequence[float]) -> tuple[float, float]:
    # Ratings beyond the scale, as some corpora have, must not make a missing answer cheaper than the worst one given
    return min(rubric.low, *truth), max(rubric.high, *truth)


def _of_shares(rows: Sequence[Row], rubric: Rubric, benchmark: Benchmark) -> Iterable[Columns]:
    """Predicted shares against those of the listeners: their votes, or what mean and spread make likely, where known."""
    known = [row for row in rows if any(rubric.name in row.truth.get(key, {}) for key in ("single", "std"))]
    if not any(_value(row, "shares", rubric.name) is not None for row in known):
        return
    values = [_shares(row, rubric) for row in known], [_true_shares(row, rubric).tolist() for row in known]
    yield Columns("shares", rubric.name, values, _ids(known), groups=_groups(known, benchmark))


def _true_shares(row: Row, rubric: Rubric) -> np.ndarray:
    mean = min(max(row.truth["scores"][rubric.name], rubric.low), rubric.high)
    single = tuple(row.truth.get("single", {}).get(rubric.name, ()))
    return Rating(mean, row.truth.get("std", {}).get(rubric.name), single=single).shares(rubric)


def _shares(row: Row, rubric: Rubric) -> list[float] | None:
    by_level = _value(row, "shares", rubric.name)
    if by_level is None:
        return None
    shares = np.array([by_level[level] for level in rubric.levels])
    return (shares / shares.sum()).tolist()  # they were rounded to 4 digits


def _of_preferences(rows: Sequence[Row], benchmark: Benchmark) -> Iterable[Columns]:
    names = dict.fromkeys(name for row in rows for name in row.truth.get("preferences", {}))
    for name in names:
        known = [row for row in rows if name in row.truth["preferences"] and (not row.rubrics or name in row.rubrics)]
        if not known:
            continue
        given, truth = _column(known, "preferences", name), [row.truth["preferences"][name] for row in known]
        yield Columns("preferences", name, (given, truth), _ids(known))
        if any(_value(row, "swapped", name) is not None for row in known):
            yield Columns("swapped", name, (given, _column(known, "swapped", name)), _ids(known))


def _of_facts(rows: Sequence[Row]) -> Iterable[Columns]:
    labelled = [row for row in rows if "is_real" in row.truth]
    # Of one kind alone, no error rate is defined
    if len({row.truth["is_real"] for row in labelled}) == 2:
        values = [_realness(row) for row in labelled], [row.truth["is_real"] for row in labelled]
        yield Columns("is_real", "detect", values, _ids(labelled))
    rated = [row for row in rows if row.truth.get("speech_rate")]
    if rated:
        words = [(row.prediction or {}).get("speech_rate") or None for row in rated]
        yield Columns("speech_rate", "speech_rate", (words, [row.truth["speech_rate"] for row in rated]), _ids(rated))
    for name in dict.fromkeys(name for row in rows for name in row.truth.get("speaker", {})):
        known = [row for row in rows if name in row.truth.get("speaker", {})]
        said = _column(known, "speaker", name), [row.truth["speaker"][name] for row in known]
        yield Columns("names", name, said, _ids(known))


def _realness(row: Row) -> float | None:
    """P(real); of a judge that only says which, 1 or 0."""
    said = row.prediction or {}
    if "real" in said:
        return float(said["real"])
    return float(said["is_real"]) if "is_real" in said else None


def _of_causes(rows: Sequence[Row]) -> Iterable[Columns]:
    """Kinds of faults, and when they are heard."""
    for key in ("causes", "distortions"):
        known = [row for row in rows if key in row.truth]
        truth = [[cause["kind"] for cause in row.truth[key]] for row in known]
        named = [_kinds(row, key) for row in known]
        if known and any([*truth, *(one or [] for one in named)]):
            yield Columns("causes", key, (named, truth), _ids(known))
        timed = [row for row in known if any(cause["spans"] for cause in row.truth[key])]
        if timed:
            spans = [_spans(row.truth[key]) for row in timed]
            said = [None if _kinds(row, key) is None else _spans((row.prediction or {})[key]) for row in timed]
            yield Columns("spans", key, (said, spans), _ids(timed))
    advised = [row for row in rows if row.truth.get("areas")]
    if advised:
        given = [(row.prediction or {}).get("areas") for row in advised]
        yield Columns("causes", "areas", (given, [row.truth["areas"] for row in advised]), _ids(advised))
    known = [row for row in rows if "addressed" in row.truth]
    if known:
        given = [_addressed((row.prediction or {}).get("answer")) for row in known]
        yield Columns("causes", "addressed", (given, [row.truth["addressed"] for row in known]), _ids(known))


def _addressed(advice: str | None) -> list[str] | None:
    """Types of distortion that suggestions, one per line, are against."""
    return None if advice is None else sorted({kind for line in advice.splitlines() for kind in addressed_types(line)})


def _kinds(row: Row, key: str) -> list[str] | None:
    causes = (row.prediction or {}).get(key)
    return None if causes is None else [cause["kind"] for cause in causes]


def _spans(causes: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
    return [(start, end) for cause in causes for start, end in cause["spans"] if 0 <= start < end]


def _of_words(rows: Sequence[Row], benchmark: Benchmark) -> Iterable[Columns]:
    texts = _texts(rows)
    if not any(texts):
        return
    own = [(row.prediction or {}).get("own_words") for row in rows]
    if any(one is not None for one in own):
        yield Columns("own_words", "words", (own,), _ids(rows))
    if benchmark.task in ("explain", "assess", "describe", "suggest"):
        yield Columns("answers", "words", (texts,), _ids(rows))
        mos = next((rubric for rubric in benchmark.rubrics if rubric.name == "mos"), None)
        if mos is not None:
            scores = [_within(_value(row, "scores", "mos"), mos) for row in rows]
            yield Columns("answers_and_scores", "words", (texts, scores), _ids(rows), settings={"rubric": mos})


def _texts(rows: Sequence[Row]) -> list[str | None]:
    return [(row.prediction or {}).get("answer") or None for row in rows]


def _within(value: float | None, rubric: Rubric) -> float | None:
    return None if value is None else min(max(value, rubric.low), rubric.high)


def _against_words(rows: Sequence[Row], benchmark: Benchmark, kinds: Set[str], tools: Tools) -> Iterable[Columns]:
    """Answers and the words they should have been, if there is any answer at all."""
    known = [row for row in rows if row.truth.get("answer")]
    if not known or not any(_texts(rows)):
        return
    texts, settings = _texts(known), {"encoder": tools.encoder, "detector": tools.detector}
    yield Columns("texts", "text", (texts, [row.truth["answer"] for row in known]), _ids(known), settings=settings)
    if tools.grader is not None and "grades" in kinds:
        from audio_judge.text_models.evaluator import form_of

        form = form_of(benchmark.task)
        grades = tools.grader(known, form) if form else [None] * len(known)
        # Published on 0 to 10
        points = [None if one is None else {name: 10 * grade for name, grade in one.items()} for one in grades]
        yield Columns("grades", "text", (points, texts), _ids(known))


def _value(row: Row, key: str, name: str) -> Any:
    return (row.prediction or {}).get(key, {}).get(name)


def _column(rows: Sequence[Row], key: str, name: str) -> list[Any]:
    return [_value(row, key, name) for row in rows]


def _ids(rows: Sequence[Row]) -> tuple[str, ...]:
    return tuple(row.id for row in rows)


def _groups(rows: Sequence[Row], benchmark: Benchmark) -> tuple[str, ...]:
    """The first kind of group that all rows belong to, if there are enough; clips of one group are not independent."""
    for level in benchmark.group_by:
        if all(level in row.groups for row in rows) and len({row.groups[level] for row in rows}) >= LEAST_GROUPS:
            return tuple(row.groups[level] for row in rows)
    return ()


def compare(
    rows: Mapping[str, Sequence[Row]], benchmark: Benchmark, *, resamples: int = 1000, seed: int = 0
) -> list[dict[str, Any]]:
    """Test every two judges against each other, on the items that both were asked.

    Args:
        rows: Judge to its rows on the benchmark.
        resamples: Of the bootstrap and of the permutations.

    Returns:
        One object per pair of judges and figure (of ``COMPARED``): ``figure``, ``judges``, ``n``, ``difference`` (first less
        second) with ``low`` and ``high``, ``p_value``.
    """
    wanted = [name for name in (benchmark.metrics or DEFAULTS[benchmark.task]) if name in COMPARED]
    laid_out = {judge: dict(_comparable(own, benchmark, wanted)) for judge, own in rows.items()}
    found = []
    for first, second in itertools.combinations(laid_out, 2):
        for key, one in laid_out[first].items():
            other = laid_out[second].get(key)
            ids = one.columns.ids
            # Answers to other items cannot be paired, and of two items no test says anything
            if other is not None and other.columns.ids == ids and len(ids) > 2:
                found.append(_compared((first, second), key[1], one, other, resamples, seed))
    return found


def _comparable(
    rows: Sequence[Row], benchmark: Benchmark, wanted: Sequence[str]
) -> Iterable[tuple[tuple[str, str], Measured]]:
    """What is measured and the figure to compare, with the measure cut down to it: a thousand resamples are cheap then."""
    ordered = sorted(rows, key=lambda row: row.id)
    for one in measures(ordered, benchmark, wanted, Tools()):
        cheap = one.has_interval and not one.columns.where
        for name in [name for name in one() if name in wanted] if cheap else []:
            yield (one.columns.what, name), Measured(one.columns, _lean(one.measure, name))


def _lean(measure: Callable[..., Mapping[str, Any]], name: str) -> Callable[..., Mapping[str, Any]]:
    """Only the figure that is wanted, where the whole measure is slow."""
    # Kendall's tau, of all agreements, takes most of the time
    if not isinstance(measure, partial) or measure.func is not metrics.rating_agreement:
        return measure
    return partial(_rating, name=name, **measure.keywords)


def _rating(given: Any, truth: Any, *, name: str, low: float, high: float) -> dict[str, float]:
    from .metrics.answers import as_numbers, fill_scores

    references = np.asarray(truth, dtype=float)
    filled = fill_scores(as_numbers(given), references, low, high)
    if name == "PCC":
        return {name: metrics.pearson_correlation(filled, references)}
    if name == "SRCC":
        return {name: metrics.spearman_correlation(filled, references)}
    return {name: float(np.abs(filled - references).mean())}


def _compared(
    judges: tuple[str, str], name: str, one: Measured, other: Measured, resamples: int, seed: int
) -> dict[str, Any]:
    given, *truth = one.columns.values  # all but the predictions is the same for both
    found = metrics.compare_judges(
        one.measure,
        name,
        given,
        other.columns.values[0],
        *truth,
        groups=one.columns.groups or None,
        resamples=resamples,
        seed=seed,
    )
    numbers = {key: finite(found[key]) for key in ("difference", "low", "high", "p_value")}
    figure = f"{one.columns.what}/{name}"
    return {"figure": figure, "judges": list(judges), "n": len(one.columns.ids)} | numbers
