"""Markdown tables of ``metrics.json``: one per benchmark, with what others published in italics."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .benchmarks import Benchmark

COST_COLUMNS = ("judge", "× real time", "seconds of a clip", "peak memory, MiB", "on the device, MiB", "loading, s")


def markdown(found: Mapping[str, Any], benchmarks: Sequence[Benchmark], costs: Mapping[str, Any] | None = None) -> str:
    """Write everything that a run found.

    Args:
        benchmarks: Its benchmarks, in the order to show them.
        costs: Content of ``cost.json``; None to leave speed and memory out.

    Returns:
        Markdown; a missing figure is a dash.
    """
    parts = [table(found, benchmark) for benchmark in benchmarks]
    parts += [] if costs is None else [cost_table(costs)]
    rule = f"{found['rule']} In brackets: 95 % bootstrap interval; where coverage is below 100 %, it and the figure of the answered only."
    return "\n\n".join([*(part for part in parts if part), rule]) + "\n"


def table(found: Mapping[str, Any], benchmark: Benchmark) -> str:
    """Write a heading and the table of one benchmark; nothing if no judge was run on it."""
    own = {judge: by_name[benchmark.name] for judge, by_name in found["judges"].items() if benchmark.name in by_name}
    if not own:
        return ""
    if benchmark.suite:
        return "\n\n".join([f"## {benchmark.title}", _checks(own)])
    shown = _figure_table(own, benchmark)
    notes = [f"- {judge}: {one['unable']}" for judge, one in own.items() if "unable" in one]
    notes += [
        f"- {judge}: {100 * one['coverage']:.1f} % of the answers were read directly, {100 * one['extracted']:.1f} % by a text model"
        for judge, one in own.items()
        if one.get("extracted")
    ]
    notes += [f"- *{one.judge}*: {one.source}{': ' * bool(one.note)}{one.note}" for one in benchmark.references]
    notes += [f"- {benchmark.note}"] if benchmark.note else []
    notes += [f"- {judge}: no {name} is known" for judge, name in _unknown(own, benchmark)]
    parts = [_part_table(own, benchmark, name) for name in benchmark.split_by]
    shown_notes = ["\n".join(dict.fromkeys(notes))] if notes else []
    return "\n\n".join([f"## {benchmark.title}", shown, *filter(None, parts), *shown_notes])


def _unknown(own: Mapping[str, Any], benchmark: Benchmark) -> Iterator[tuple[str, str]]:
    for judge, one in own.items():
        yield from ((judge, name) for name in benchmark.split_by if "parts" in one and not one["parts"].get(name))


def _part_table(own: Mapping[str, Any], benchmark: Benchmark, name: str) -> str:
    """Figures of each language, system or source alone."""
    parts = {
        f"{value}, {judge}": part
        for judge, one in own.items()
        for value, part in one.get("parts", {}).get(name, {}).items()
    }
    return _figure_table(dict(sorted(parts.items())), replace(benchmark, references=()), name) if parts else ""


def _figure_table(own: Mapping[str, Any], benchmark: Benchmark, who: str = "judge") -> str:
    """A row per judge and thing that is measured, a column per measure; what others published in italics."""
    figures = {judge: one.get("figures", {}) for judge, one in own.items()}
    names = list(dict.fromkeys(name for one in figures.values() for name in one))
    # mos/PCC@condition: the thing, and the kind of figure with what it is over
    things = list(dict.fromkeys(name.partition("/")[0] for name in names))
    kinds = list(dict.fromkeys(name.partition("/")[2] for name in names))
    rows = []
    for thing in things:
        for judge, one in figures.items():
            if any(name.startswith(f"{thing}/") for name in one):
                rows.append([thing, judge, *(cell(one.get(f"{thing}/{kind}")) for kind in kinds), str(own[judge]["n"])])
        for said in benchmark.references:
            cells = [_number(said.figures.get(f"{thing}/{kind}")) for kind in kinds]
            if set(cells) != {"–"}:
                rows.append([thing, f"*{said.judge}*", *cells, "–"])
    return grid(["of", who, *kinds, "n"], rows)


def cell(figure: Mapping[str, Any] | None) -> str:
    """Write a figure of ``metrics.json`` with its interval, and its coverage where that is below 100 %."""
    if figure is None or figure["value"] is None:
        return "–"
    extras = [] if figure["low"] is None else [f"{_number(figure['low'])} to {_number(figure['high'])}"]
    covered = figure["coverage"]  # None where a figure is not about answers
    if covered is not None and covered < 1:
        answered = figure.get("answered")
        only = "" if answered in (None, figure["value"]) else f", {_number(answered)} of those answered"
        extras += [f"{100 * covered:.1f} %{only}"]
    return _number(figure["value"]) + (f" ({'; '.join(extras)})" if extras else "")


def _checks(own: Mapping[str, Any]) -> str:
    """A row per check, a column per judge: the figure and whether it passes."""
    by_judge = {judge: {check["name"]: check for check in one.get("checks", ())} for judge, one in own.items()}
    names = list(dict.fromkeys(name for checks in by_judge.values() for name in checks))
    rows = []
    for name in names:
        known = next(checks[name] for checks in by_judge.values() if name in checks)
        limit = f"{'≥' if known['higher_is_better'] else '≤'} {known['limit']:g} {known['unit']}"
        rows.append([name, limit, *(_check(checks.get(name)) for checks in by_judge.values())])
    return grid(["check", "pass mark", *by_judge], rows)


def _check(check: Mapping[str, Any] | None) -> str:
    if check is None or check["passed"] is None:
        return "–"
    return f"{_number(check['figure'])} {'passed' if check['passed'] else '**failed**'}"


def cost_figures(costs: Mapping[str, Any]) -> Iterator[tuple[str, list[tuple[float | None, int]]]]:
    """Figures of each judge under ``COST_COLUMNS``, each with the decimals to show; None where nothing was measured."""
    for judge, one in costs.items():
        if judge == "machine":
            continue
        # Over all benchmarks at once: means of their speeds would count a small one as much as a large one
        audio, took, items = (
            sum(each[key] for each in one["benchmarks"].values()) for key in ("audio_seconds", "judge_seconds", "items")
        )
        memory = [(one.get(key), 0) for key in ("peak_memory_mib", "peak_device_memory_mib")]
        yield judge, [(audio / took if took else None, 1), (audio / items, 1), *memory, (one.get("loading_seconds"), 1)]


def cost_table(costs: Mapping[str, Any]) -> str:
    """Write speed and memory, of the content of ``cost.json``."""
    rows = [
        [judge, *("–" if value is None else f"{value:.{digits}f}" for value, digits in figures)]
        for judge, figures in cost_figures(costs)
    ]
    return "\n\n".join(["## Speed and memory", grid(COST_COLUMNS, rows)])


def grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    r"""Write a Markdown table; what a cell holds cannot break it.

    Example:
        >>> print(grid(["judge", "PCC"], [["a|b", "0.9"]]))
        | judge | PCC |
        |---|--:|
        | a\|b | 0.9 |
    """
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    shown = [[one.replace("|", "\\|").replace("\n", " ") for one in line] for line in lines]
    return "\n".join(
        f"|{'|'.join(line)}|" if number == 1 else f"| {' | '.join(line)} |" for number, line in enumerate(shown)
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
