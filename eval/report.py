"""The page of runs: ``python -m eval report runs/* --html report.html``.

Judges of all runs stand side by side per benchmark: figures with intervals and coverage, tests between judges, scatter and
residual plots per rubric, means per condition, reliability diagrams, controls with their pass marks, the clips on which a judge
is furthest off with players, speed, memory and configuration. Figures are those of ``metrics.json``; only plots and worst clips
come from ``predictions.jsonl``. Folders of absolute paths are left out, as reports are published. Needs the extra ``report``.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from audio_judge.errors import UsageError
from audio_judge.reports.parts import (
    Cell,
    Players,
    Plot,
    Plots,
    Table,
    interval,
    number,
    render,
    shorten,
    without_folders,
)
from audio_judge.reports.statistics import middle, resampled_means
from audio_judge.version import __version__

from . import metrics, summary
from .benchmarks import Benchmark
from .finished import FinishedRun, read_folder
from .predictions import Row
from .tables import COST_COLUMNS, cost_figures

DIGITS = 3
MOST_GROUPS = 40
# What stands for a benchmark in the overview, the first that is there
HEADLINES = ("PCC", "ACC", "EER", "F1_micro", "SBERT", "BLEU", "MAE")


@dataclass(frozen=True)
class Result:
    """What one judge reached on one benchmark.

    Args:
        judge: Its name, with that of the run if several runs have it.
        found: Its part of ``metrics.json``.
    """

    judge: str
    found: dict[str, Any]
    rows: tuple[Row, ...] = field(repr=False)


def write_report(
    runs: Sequence[Path],
    html: Path,
    *,
    title: str = "Evaluation of judges",
    plots: Path | None = None,
    worst: int = 6,
    clip_seconds: float = 12.0,
    megabytes: float = 24.0,
    seed: int = 0,
) -> None:
    """Write the page of runs.

    Args:
        plots: Folder to write the plots to as PNG files, too.
        worst: How many of the worst clips to show per judge and benchmark.
        clip_seconds: Longest sound of a player, in seconds.
        megabytes: Room for all sounds, in MB; others are linked.
        seed: Of the bootstrap behind the plots per condition.

    Raises:
        UsageError: If a folder has no figures, or runs disagree on what a benchmark is.
    """
    read = [read_folder(folder) for folder in runs]
    drawing, players = Plots(plots), Players(html, clip_seconds, megabytes)
    defined = _benchmarks(read)
    results = {name: _results(read, name) for name in defined}
    sections = [_section(defined[name], results[name], read, drawing, players, worst, seed) for name in defined]
    text = render(
        "evaluation.html",
        title=title,
        version=__version__,
        lead=_lead(results),
        overview=_overview(defined, results),
        sections=sections,
        costs=_costs(read),
        configurations=[_configuration(run) for run in read],
        notes=list(dict.fromkeys(run.found["rule"] for run in read)),
    )
    html.parent.mkdir(parents=True, exist_ok=True)
    html.write_text(text, encoding="utf-8", errors="backslashreplace")


def _benchmarks(runs: Sequence[FinishedRun]) -> dict[str, Benchmark]:
    """Benchmarks that some judge was run on, in the order of the runs."""
    found: dict[str, Benchmark] = {}
    for run in runs:
        for name in run.measured:
            one = run.benchmark(name)
            if found.setdefault(name, one) != one:
                raise UsageError(f"{run.name}: has another {name} than the runs before it; make a report of each")
    return found


def _label(runs: Sequence[FinishedRun], run: FinishedRun, judge: str) -> str:
    """What a judge is called: with the run's name, if another run has it, too."""
    is_shared = sum(judge in one.found["judges"] for one in runs) > 1
    return without_folders(f"{judge} ({run.name})" if is_shared else judge)


def _results(runs: Sequence[FinishedRun], name: str) -> list[Result]:
    found = []
    for run in runs:
        for judge, by_name in run.found["judges"].items():
            if name in by_name:
                rows = tuple(row for row in run.rows if (row.judge, row.benchmark) == (judge, name))
                found.append(Result(_label(runs, run, judge), by_name[name], rows))
    return found


def _lead(results: Mapping[str, Sequence[Result]]) -> str:
    judges = {one.judge for of_one in results.values() for one in of_one}
    answers = sum(len(one.rows) for of_one in results.values() for one in of_one)
    counts = (("judge", len(judges)), ("benchmark", len(results)), ("answer", answers))
    return ", ".join(f"{count} {noun}{'s' * (count != 1)}" for noun, count in counts) + "."


# Figures


def _overview(defined: Mapping[str, Benchmark], results: Mapping[str, Sequence[Result]]) -> Table:
    """A row per benchmark, a column per judge, one figure each."""
    judges = list(dict.fromkeys(one.judge for of_one in results.values() for one in of_one))
    rows: list[tuple[str | Cell, ...]] = []
    for name, benchmark in defined.items():
        by_judge = {one.judge: one.found for one in results[name]}
        headline = _headline(by_judge.values())
        what = (
            f"checks passed, {benchmark.title}" if benchmark.suite else f"{headline or 'no figure'}, {benchmark.title}"
        )
        cells = [_overview_cell(by_judge.get(judge), headline) for judge in judges]
        rows.append((what, *_marked(cells, headline, [_value(by_judge.get(judge), headline) for judge in judges])))
    return Table(("benchmark", *judges), tuple(rows), "One figure per benchmark; all of them are below.")


def _headline(found: Iterable[Mapping[str, Any]]) -> str:
    """The figure that stands for a benchmark: of its first rubric, by the order of ``HEADLINES``."""
    names = list(dict.fromkeys(name for one in found for name in one.get("figures", {})))
    for kind in HEADLINES:
        name = next((name for name in names if name.endswith(f"/{kind}")), None)
        if name is not None:
            return name
    return names[0] if names else ""


def _value(found: Mapping[str, Any] | None, figure: str) -> float | None:
    return ((found or {}).get("figures", {}).get(figure) or {}).get("value")


def _overview_cell(found: Mapping[str, Any] | None, headline: str) -> Cell:
    if found is None or "unable" in found:
        return Cell("–", "" if found is None else "cannot do it")
    if "checks" in found:
        known = [check for check in found["checks"] if check["passed"] is not None]
        return Cell(f"{sum(check['passed'] for check in known)} of {len(known)}", _skipped(found["checks"]))
    return _figure_cell(found["figures"].get(headline))


def _skipped(checks: Sequence[Mapping[str, Any]]) -> str:
    count = sum(check["passed"] is None for check in checks)
    return f"{count} not applicable" if count else ""


def _figure_cell(figure: Mapping[str, Any] | None) -> Cell:
    if figure is None or figure["value"] is None:
        return Cell("–")
    extras = [interval(figure["low"], figure["high"], DIGITS)]
    coverage = figure["coverage"]
    extras += [f"{100 * coverage:.1f} % answered"] if coverage is not None and coverage < 1 else []
    return Cell(number(figure["value"], DIGITS), ", ".join(filter(None, extras)))


def _marked(cells: Sequence[Cell], figure: str, values: Sequence[float | None]) -> list[Cell]:
    """The cells, with the best one marked if there are several and one end is the good one."""
    given = [value for value in values if value is not None]
    higher_is_better = metrics.is_higher_better(figure)
    if len(given) < 2 or higher_is_better is None:
        return list(cells)
    best = max(given) if higher_is_better else min(given)
    return [
        Cell(cell.text, cell.extra, "best") if value == best else cell
        for cell, value in zip(cells, values, strict=True)
    ]


def _figures(benchmark: Benchmark, results: Sequence[Result]) -> list[Table]:
    """A table per thing that is measured: a row per judge, a column per measure; published figures with their source."""
    able = [one for one in results if one.found.get("figures")]
    names = list(dict.fromkeys(name for one in able for name in one.found["figures"]))
    tables = []
    for thing in dict.fromkeys(name.partition("/")[0] for name in names):
        kinds = [name for name in names if name.startswith(f"{thing}/")]
        known = [one for one in able if any(name in one.found["figures"] for name in kinds)]
        columns = [_column(known, name) for name in kinds]
        rows: list[tuple[str | Cell, ...]] = [
            (one.judge, *(column[k] for column in columns), Cell(str(one.found["n"]))) for k, one in enumerate(known)
        ]
        for said in benchmark.references:
            if any(name in said.figures for name in kinds):
                cells = [Cell(number(said.figures.get(name), DIGITS)) for name in kinds]
                rows.append((f"{said.judge} (published)", *cells, Cell("–")))
        head = (thing.replace("_", " "), *(name.partition("/")[2] for name in kinds), "n")
        tables.append(Table(head, tuple(rows)))
    return tables


def _column(able: Sequence[Result], name: str) -> list[Cell]:
    figures = [one.found["figures"].get(name) for one in able]
    cells, values = [_figure_cell(one) for one in figures], [_value(one.found, name) for one in able]
    # Of groups that are too few for an interval, nothing says which judge is best
    has_few = "@" in name and any(one is not None and one["low"] is None for one in figures)
    return cells if has_few else _marked(cells, name, values)


def _pairs(name: str, runs: Sequence[FinishedRun]) -> Table | None:
    rows = []
    for run in runs:
        for pair in run.found.get("pairs", {}).get(name, ()):
            first, second = (_label(runs, run, judge) for judge in pair["judges"])
            difference = Cell(number(pair["difference"], DIGITS), interval(pair["low"], pair["high"], DIGITS))
            cells = (difference, Cell(number(pair["p_value"], DIGITS)), Cell(str(pair["n"])))
            rows.append((pair["figure"], f"{first} less {second}", *cells))
    head = ("figure", "judges", "difference", "p", "n")
    return Table(head, tuple(rows), "Paired bootstrap intervals and permutation tests.") if rows else None


def _remarks(benchmark: Benchmark, results: Sequence[Result]) -> list[str]:
    """What is to know beside the figures: who cannot do it, what failed, what was left out, and where references stand."""
    found = [f"{one.judge}: {one.found['unable']}" for one in results if "unable" in one.found]
    for one in results:
        found += [f"{one.judge}, {count} times: {reason}" for reason, count in one.found.get("errors", {}).items()]
    left_out = {what: needs for one in results for what, needs in one.found.get("left_out", {}).items()}
    found += [f"{what} is left out: it needs {needs}" for what, needs in left_out.items()]
    found += [f"{one.judge}: {one.source}{': ' * bool(one.note)}{one.note}" for one in benchmark.references]
    return [without_folders(one) for one in dict.fromkeys([*found, *([benchmark.note] if benchmark.note else [])])]


def _checks(results: Sequence[Result]) -> tuple[Table, Table]:
    """Controls: a column per judge; and what each of them is."""
    by_judge = {one.judge: {check["name"]: check for check in one.found.get("checks", ())} for one in results}
    known = {name: check for checks in by_judge.values() for name, check in checks.items()}
    rows = [
        (name, _limit(check), *(_check_cell(checks.get(name)) for checks in by_judge.values()))
        for name, check in known.items()
    ]
    about = tuple((name, without_folders(check["detail"]), check["reason"]) for name, check in known.items())
    return Table(("check", "pass mark", *by_judge), tuple(rows)), Table(("check", "figure", "why this mark"), about)


def _limit(check: Mapping[str, Any]) -> Cell:
    return Cell(f"{'≥' if check['higher_is_better'] else '≤'} {number(check['limit'])} {check['unit']}")


def _check_cell(check: Mapping[str, Any] | None) -> Cell:
    if check is None or check["passed"] is None:
        return Cell("–", "" if check is None else "not applicable")
    low, high = check["interval"] or (None, None)
    sign = "✓" if check["passed"] else "✗"
    shown = f"{sign} {number(check['figure'], DIGITS)}"
    return Cell(shown, interval(low, high, DIGITS), "passed" if check["passed"] else "failed")


# Plots


def _section(
    benchmark: Benchmark,
    results: Sequence[Result],
    runs: Sequence[FinishedRun],
    drawing: Plots,
    players: Players,
    worst: int,
    seed: int,
) -> dict[str, Any]:
    shared = {"title": benchmark.title, "name": benchmark.name, "remarks": _remarks(benchmark, results)}
    if benchmark.suite:
        checks, about = _checks(results)
        nothing: dict[str, Any] = {key: [] for key in ("figures", "plots", "groups", "reliability", "worst")}
        return shared | nothing | {"checks": checks, "about": about, "pairs": None}
    return shared | {
        "checks": None,
        "about": None,
        "figures": _figures(benchmark, results),
        "pairs": _pairs(benchmark.name, runs),
        "plots": list(_scatters(benchmark, results, drawing)),
        "groups": list(_group_plots(benchmark, results, drawing, seed)),
        "reliability": list(_reliabilities(benchmark, results, drawing)),
        "worst": [(one.judge, _worst(benchmark, one, players, worst)) for one in results if one.rows],
    }


def _laid_out(benchmark: Benchmark, rows: Sequence[Row], measure: Any, wanted: Sequence[str]) -> list[summary.Columns]:
    """The columns of one kind of measure, over clips."""
    return [
        one.columns
        for one in summary.measures(rows, benchmark, wanted, summary.Tools())
        if not one.columns.where and isinstance(one.measure, partial) and one.measure.func is measure
    ]


def _scatters(benchmark: Benchmark, results: Sequence[Result], drawing: Plots) -> Iterable[Plot]:
    """Truth against prediction and residual, per rubric and judge."""
    for rubric in benchmark.rubrics:
        for one in results:
            for columns in _laid_out(benchmark, one.rows, metrics.rating_agreement, ("PCC",)):
                if columns.what == rubric.name:
                    given = np.array([np.nan if value is None else value for value in columns.values[0]], dtype=float)
                    truth = np.array(columns.values[1], dtype=float)
                    if np.isfinite(given).any():
                        title = f"{rubric.name}: {one.judge}"
                        file = f"{benchmark.name}: {title}"
                        yield _scatter(title, file, truth, given, (rubric.low, rubric.high), drawing)


def _scatter(
    title: str, file: str, truth: np.ndarray, given: np.ndarray, ends: tuple[float, float], drawing: Plots
) -> Plot:
    known = np.isfinite(given)
    x, y = truth[known], given[known]
    low, high = min(ends[0], *x, *y), max(ends[1], *x, *y)
    # Many points are drawn fainter, so that they do not cover each other
    look: dict[str, Any] = {"s": 14, "alpha": float(np.clip(60 / len(x), 0.15, 0.7)), "linewidths": 0}

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        left.plot((low, high), (low, high), color="C1", linewidth=1)
        left.scatter(x, y, **look)
        margin = 0.03 * (high - low)
        left.set(title=shorten(title), xlabel="truth", ylabel="predicted")
        left.set(xlim=(low - margin, high + margin), ylim=(low - margin, high + margin))
        right.axhline(0, color="C1", linewidth=1)
        right.scatter(x, y - x, **look)
        right.set(title=f"residual, mean {number(float((y - x).mean()))}", xlabel="truth", ylabel="predicted − truth")
        right.set(xlim=(low - margin, high + margin))

    return drawing.draw(file, (5.2, 2.6), draw)


def _group_plots(benchmark: Benchmark, results: Sequence[Result], drawing: Plots, seed: int) -> Iterable[Plot]:
    """Mean residual per condition, system or speaker."""
    levels = dict.fromkeys(level for one in results for row in one.rows for level in row.groups)
    for level in levels:
        for rubric in benchmark.rubrics:
            by_judge = {one.judge: _residuals(one.rows, rubric.name, level) for one in results}
            names = {name for groups in by_judge.values() for name in groups}
            if len(names) > 1:
                yield _group_plot(benchmark, rubric.name, level, by_judge, drawing, seed)


def _residuals(rows: Sequence[Row], rubric: str, level: str) -> dict[str, np.ndarray]:
    found: dict[str, list[float]] = {}
    for row in rows:
        given = (row.prediction or {}).get("scores", {}).get(rubric)
        truth = row.truth.get("scores", {}).get(rubric)
        if level in row.groups and given is not None and truth is not None:
            found.setdefault(row.groups[level], []).append(given - truth)
    return {name: np.array(values) for name, values in found.items()}


def _group_plot(
    benchmark: Benchmark,
    rubric: str,
    level: str,
    by_judge: Mapping[str, Mapping[str, np.ndarray]],
    drawing: Plots,
    seed: int,
) -> Plot:
    furthest: dict[str, float] = {}
    for groups in by_judge.values():
        for name, values in groups.items():
            furthest[name] = max(furthest.get(name, 0.0), abs(float(values.mean())))
    # The furthest off of any judge are shown, then ordered by the mean of all
    kept = sorted(furthest, key=lambda name: -furthest[name])[:MOST_GROUPS]
    names = sorted(kept, key=lambda name: -float(np.mean([g[name].mean() for g in by_judge.values() if name in g])))
    shown = "" if len(kept) == len(furthest) else f", the {len(kept)} of {len(furthest)} furthest off"

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axvline(0, color="C1", linewidth=1)
        able = {judge: groups for judge, groups in by_judge.items() if groups}
        for place, (judge, groups) in enumerate(able.items()):
            # Judges stand beside each other, within 0.6 of the row of a group
            shift = (place - (len(able) - 1) / 2) * 0.6 / len(able)
            # C1 is the line at 0, here and in the other plots
            _residual_bars(axes, [groups.get(name) for name in names], shift, judge, f"C{place + (place > 0)}", seed)
        axes.set_yticks(range(len(names)), [shorten(name) for name in names])
        axes.invert_yaxis()
        axes.set(title=f"{rubric}: mean residual per {level}{shown}", xlabel="predicted − truth, 95 % intervals")
        if len(able) > 1:
            figure.legend(loc="outside lower center", ncols=3, fontsize=8)

    height = 1.1 + len(names) * max(0.22, 0.13 * len(by_judge))
    return drawing.draw(f"{benchmark.name}: {rubric} per {level}", (6.6, height), draw)


def _residual_bars(
    axes: Any, groups: Sequence[np.ndarray | None], shift: float, judge: str, colour: str, seed: int
) -> None:
    places = [place for place, values in enumerate(groups) if values is not None]
    means = np.array([values.mean() for values in groups if values is not None])
    drawn = [middle(resampled_means(values, seed=seed)) for values in groups if values is not None]
    ends = np.array([both or (mean, mean) for both, mean in zip(drawn, means, strict=True)]).T
    look: dict[str, Any] = {"fmt": "o", "markersize": 4, "linewidth": 1.2, "color": colour, "label": shorten(judge)}
    axes.errorbar(means, np.array(places) + shift, xerr=np.abs(ends - means), **look)


def _reliabilities(benchmark: Benchmark, results: Sequence[Result], drawing: Plots) -> Iterable[Plot]:
    """Confidence against how many listeners agree, per rubric; and of P(real) against what is real."""
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    for one in results:
        for columns in _laid_out(benchmark, one.rows, metrics.vote_share_agreement, ("ECE",)):
            found.setdefault(columns.what, {})[one.judge] = metrics.reliability(*columns.values)
        given = [row for row in one.rows if "is_real" in row.truth and "real" in (row.prediction or {})]
        if given:
            # Two levels, fake and real; the truth has all votes on one
            shares = [[1 - row.prediction["real"], row.prediction["real"]] for row in given if row.prediction]
            truth = [[0.0, 1.0] if row.truth["is_real"] else [1.0, 0.0] for row in given]
            found.setdefault("real or fake", {})[one.judge] = metrics.reliability(shares, truth)
    for what, by_judge in found.items():
        yield _reliability(what, f"{benchmark.name}: reliability of {what}", by_judge, drawing)


def _reliability(what: str, file: str, by_judge: Mapping[str, list[dict[str, float]]], drawing: Plots) -> Plot:
    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot((0, 1), (0, 1), color="C1", linewidth=1)
        for place, (judge, bins) in enumerate(by_judge.items()):
            colour = f"C{place + (place > 0)}"
            x, y = [one["confidence"] for one in bins], [one["agreement"] for one in bins]
            most = max(one["n"] for one in bins)
            axes.plot(x, y, color=colour, linewidth=1, label=shorten(judge))
            axes.scatter(x, y, s=[12 + 60 * one["n"] / most for one in bins], color=colour)
        axes.set(title=f"reliability, {what}", xlabel="confidence of the judge", ylabel="share that agrees")
        axes.set(xlim=(0, 1), ylim=(0, 1))
        axes.legend(fontsize=8)

    return drawing.draw(file, (3.6, 3.3), draw)


# Worst clips


def _worst(benchmark: Benchmark, result: Result, players: Players, count: int) -> list[dict[str, Any]]:
    measured = [(_distance(row, benchmark), row) for row in result.rows]
    wrong = [(far, row) for far, row in measured if far is not None and far[0] > 0]
    wrong.sort(key=lambda pair: -pair[0][0])
    return [_card(row, far[1], benchmark, players) for far, row in wrong[:count]]


def _distance(row: Row, benchmark: Benchmark) -> tuple[float, str] | None:
    """How far an answer is off, as a share of the scale, and what of it; None without an answer or a truth to compare."""
    said = row.prediction or {}
    if "is_real" in row.truth and "real" in said:
        off = 1 - said["real"] if row.truth["is_real"] else said["real"]
        return float(off), "real" if row.truth["is_real"] else "fake"
    found = []
    for rubric in benchmark.rubrics:
        given, truth = (one.get("scores", {}).get(rubric.name) for one in (said, row.truth))
        if given is not None and truth is not None:
            found.append((abs(given - truth) / (rubric.high - rubric.low), rubric.name))
    for name, truth in row.truth.get("preferences", {}).items():
        given = said.get("preferences", {}).get(name)
        if given is not None:
            # The other clip is further off than a tie; among the same, the surer one
            sure = said.get("probabilities", {}).get(name, {}).get(given, 0.0)
            found.append(((given != truth) * (1 + ("tie" not in (given, truth)) + sure), name))
    return max(found, default=None)  # the rubric that is furthest off stands for the clip


def _card(row: Row, what: str, benchmark: Benchmark, players: Players) -> dict[str, Any]:
    letters = ["A", "B"] if len(row.clips) == 2 else [""]
    named = [f"{letter} {Path(path).name}".strip() for letter, path in zip(letters, row.clips, strict=False)]
    groups = [f"{level} {name}" for level, name in row.groups.items()]
    return {
        "name": ", ".join(named) or row.id,
        "main": _verdict(row, what),
        "others": [*_other_scores(row, what, benchmark), *groups],
        "players": [players.player(path, name=name) for path, name in zip(row.clips, named, strict=False)],
        "text": "\n".join(row.text),
    }


def _verdict(row: Row, what: str) -> str:
    said = row.prediction or {}
    if what in ("real", "fake") and "real" in said:
        return f"P(real) {number(said['real'])}, it is {what}"
    if what in row.truth.get("preferences", {}) and what in said.get("preferences", {}):
        return f"{what}: {said['preferences'][what]}, truth {row.truth['preferences'][what]}"
    given, truth = said["scores"][what], row.truth["scores"][what]
    return f"{what} {number(given)}, truth {number(truth)} ({'+' if given > truth else ''}{number(given - truth)})"


def _other_scores(row: Row, what: str, benchmark: Benchmark) -> list[str]:
    given, truth = ((one or {}).get("scores", {}) for one in (row.prediction, row.truth))
    names = [rubric.name for rubric in benchmark.rubrics if rubric.name != what]
    return [
        f"{name} {number(given[name])}, truth {number(truth[name])}"
        for name in names
        if {name} <= given.keys() & truth.keys()
    ]


# Costs and configuration


def _costs(runs: Sequence[FinishedRun]) -> Table | None:
    rows: list[tuple[str | Cell, ...]] = [
        (_label(runs, run, judge), *(Cell(number(value, digits)) for value, digits in figures))
        for run in runs
        for judge, figures in cost_figures(run.costs)
    ]
    machines = dict.fromkeys(
        f"{run.costs['machine']['processor']}, {run.costs['machine']['threads']} threads" for run in runs if run.costs
    )
    return Table(COST_COLUMNS, tuple(rows), f"On {'; '.join(machines)}.") if rows else None


def _configuration(run: FinishedRun) -> dict[str, Any]:
    """The configuration for people: a line per setting, and the rest as it is, but for the benchmarks' long definitions."""
    plain = {
        key: value for key, value in run.config.items() if key not in ("benchmarks", "versions", "judges", "command")
    }
    facts = {key.replace("_", " "): "–" if value is None else str(value) for key, value in plain.items()}
    rest = {key: run.config[key] for key in ("command", "judges", "versions") if key in run.config}
    shown = without_folders(json.dumps(rest, indent=2, ensure_ascii=False))
    return {"name": run.name, "facts": facts, "rest": shown if rest else ""}
