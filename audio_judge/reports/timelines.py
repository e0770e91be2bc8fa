"""Recordings window by window: which is the worst one, a plot over time, and the page of ``audio-judge timeline``.

The page needs the extra ``report``, all else nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio_judge.errors import UsageError
from audio_judge.rubrics.rubric import ALL_RUBRICS
from audio_judge.tasks.parts import clock
from audio_judge.version import __version__

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from audio_judge.reports.parts import Players, Plot, Plots

Ends = Mapping[str, tuple[float, float]]
# More recordings get no plot and no player: their rows have all
MOST_RECORDINGS = 50


@dataclass(frozen=True)
class Window:
    """Scores by rubric of a part of a recording, ``start`` to ``end`` in seconds of its file."""

    start: float
    end: float
    scores: Mapping[str, float]


@dataclass(frozen=True)
class Recording:
    """A recording, window by window.

    Args:
        name: As its row names it.
        path: Where its file should be.
        windows: In their order.
        start: Of the judged part, in seconds of the file; None for the beginning.
        end: Where it ends; None for the end.
        error: Why there are no windows.
    """

    name: str
    path: Path
    windows: tuple[Window, ...] = ()
    start: float | None = None
    end: float | None = None
    error: str | None = None


def windows_of(row: Mapping[str, Any], start: float | None = None) -> tuple[Window, ...]:
    """Read the windows of a row; those of a part that starts at ``start`` count from there.

    Example:
        >>> windows_of({"timeline": [{"start": 0, "end": 9.5, "scores": {"mos": 3.0}}]}, 60.0)
        (Window(start=60.0, end=69.5, scores={'mos': 3.0}),)
    """
    rows, first = row.get("timeline") or (), start or 0.0
    return tuple(Window(first + one["start"], first + one["end"], one["scores"]) for one in rows)


def badness(rubric: str, value: float, low: float, high: float) -> float:
    """How far a score is from the good end of its rubric on a scale from low to high: 0, best, and up.

    A rubric that is not known is taken to be good at the high end.

    Example:
        >>> badness("mos", 1.5, 1, 5)
        3.5
    """
    known = ALL_RUBRICS.get(rubric)
    if known is not None and known.middle_is_best:
        return abs(value - (low + high) / 2)
    return value - low if known is not None and not known.higher_is_better else high - value


def worst_window(windows: Sequence[Window], rubric: str, ends: Ends) -> Window | None:
    """The window that is worst on a rubric, the first of several; None of less than two windows."""
    known = [one for one in windows if rubric in one.scores]
    return max(known, key=lambda one: badness(rubric, one.scores[rubric], *ends[rubric])) if len(known) > 1 else None


def widest_gap(first: Sequence[Window], second: Sequence[Window], rubric: str) -> tuple[Window, Window] | None:
    """The windows, at the same time of two recordings, whose scores on a rubric differ most; None where none are."""
    same = [
        (one, other)
        for one, other in zip(first, second, strict=False)
        if abs(one.start - other.start) < 1 and rubric in one.scores and rubric in other.scores
    ]
    return max(same, key=lambda both: abs(both[0].scores[rubric] - both[1].scores[rubric]), default=None)


def timeline_plot(
    title: str,
    windows: Sequence[Window],
    rubrics: Sequence[str],
    ends: Ends,
    drawing: "Plots",
    size: tuple[float, float] = (7.0, 2.6),
) -> "Plot":
    """Draw scores over time, the first rubric thick, with its worst window shaded; all are on the scale of the first."""
    worst = worst_window(windows, rubrics[0], ends)

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        for place, rubric in enumerate(rubrics):
            known = [one for one in windows if rubric in one.scores]
            times = [(one.start + one.end) / 2 for one in known]
            look: dict[str, Any] = {"linewidth": 2.0 if place == 0 else 0.9, "alpha": 1.0 if place == 0 else 0.7}
            axes.plot(
                times, [one.scores[rubric] for one in known], marker="." * (len(known) < 60), label=rubric, **look
            )
        if worst is not None:
            axes.axvspan(worst.start, worst.end, alpha=0.25, color="C1", linewidth=0)
        axes.set(title=title, xlim=(windows[0].start, windows[-1].end), ylim=ends[rubrics[0]])
        _in_minutes(axes)
        if len(rubrics) > 1:
            axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)

    return drawing.draw(title, size, draw)


def _in_minutes(axes: "Axes") -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 1.5, 3, 6, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: clock(value)))


def timeline_page(
    recordings: Sequence[Recording],
    page: Path,
    *,
    title: str,
    facts: Mapping[str, str],
    by: str | None = None,
    clip_seconds: float = 12.0,
    megabytes: float = 16.0,
    plots: Path | None = None,
) -> str:
    """Write the page of recordings, as HTML: a plot of each, and a player that begins at its worst window.

    Args:
        recordings: What to show.
        page: Where it will stand, for links.
        title: Its title.
        facts: Of the run, name to value.
        by: Rubric that says which window is worst; None for the first.
        clip_seconds: Longest sound of a recording that is not part of the page as a whole.
        megabytes: Room for all sounds, in MB.
        plots: Folder to write the plots to, too.

    Raises:
        UsageError: If the rubric is not there, or what draws the page is not installed.
    """
    names = list(dict.fromkeys(name for one in recordings for window in one.windows for name in window.scores))
    if by is not None and by not in names:
        raise UsageError(f"--by {by}: not among the rubrics, {', '.join(names)}")
    rubrics = sorted(names, key=lambda name: name != by)
    try:
        from audio_judge.reports import parts as parts
    except ModuleNotFoundError as error:
        raise UsageError(f"{error}; pip install 'audio-judge[report]'") from error
    drawing, players = parts.Plots(plots), parts.Players(page, clip_seconds, megabytes)
    ends = {name: _ends(name, recordings) for name in rubrics}
    shown = [one for one in recordings if one.windows][:MOST_RECORDINGS]
    failed = [(parts.without_folders(one.name), parts.without_folders(one.error)) for one in recordings if one.error]
    return parts.render(
        "timelines.html",
        title=title,
        version=__version__,
        facts=dict(facts),
        recordings=[_shown(one, rubrics, ends, drawing, players) for one in shown],
        more=sum(bool(one.windows) for one in recordings) - len(shown),
        errors=parts.Table(("recording", "what is wrong"), tuple(failed)) if failed else None,
    )


def _ends(rubric: str, recordings: Sequence[Recording]) -> tuple[float, float]:
    values = [one.scores[rubric] for each in recordings for one in each.windows if rubric in one.scores]
    known = ALL_RUBRICS.get(rubric)
    ends = [] if known is None else [known.low, known.high]
    low, high = min([*ends, *values]), max([*ends, *values])
    return low, high if high > low else low + 1


def _shown(one: Recording, rubrics: Sequence[str], ends: Ends, drawing: "Plots", players: "Players") -> dict[str, Any]:
    from audio_judge.reports.parts import Cell, Table, number

    name, worst = one.name.rpartition("/")[2], worst_window(one.windows, rubrics[0], ends)
    rows: tuple[tuple[str | Cell, ...], ...] = tuple(
        (f"{clock(each.start)} to {clock(each.end)}", *(Cell(number(each.scores.get(r))) for r in rubrics))
        for each in one.windows
    )
    said = "" if worst is None else (
        f"Worst {rubrics[0]}: {number(worst.scores[rubrics[0]])}, from {clock(worst.start)} to {clock(worst.end)}."
    )  # fmt: skip
    span = None if worst is None else (worst.start, worst.end)
    return {
        "name": name,
        "worst": said,
        "plot": timeline_plot(name, one.windows, rubrics, ends, drawing),
        "player": players.player(one.path, name=one.path.name, start=one.start, end=one.end, worst=span),
        "table": Table(("from", *rubrics), rows),
    }
