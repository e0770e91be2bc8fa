"""What ``audio-judge score`` has written, read, and as one page for people: ``audio-judge report``, and ``--output scores.html``.

The page shows how scores are distributed, how systems rank, which clips are worst and why, and what could not be judged. It
holds its plots and sounds itself and opens without a network. Needs the extra ``report``.
"""

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from audio_judge.batch import lines
from audio_judge.batch.items import Columns, times_of
from audio_judge.batch.write import SETTINGS, TAKE, is_csv
from audio_judge.errors import UsageError
from audio_judge.reports.timelines import Recording, Window, badness, timeline_plot, windows_of, worst_window
from audio_judge.rubrics.rubric import ALL_RUBRICS, Rubric, Scale, read_scale
from audio_judge.version import __version__

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from audio_judge.reports.parts import Cell, Players, Plot, Plots, Table


MOST_ERRORS = 200
MOST_SYSTEMS_DRAWN = 60
NO_SYSTEM = "(none)"
REQUIRED = ("model", "revision", "rubrics")


@dataclass(frozen=True)
class Clip:
    """One row of scores.

    Args:
        name: The clip as the row names it.
        path: Where its file should be.
        start: Of the judged part, in seconds; None for the beginning.
        end: In seconds; None for the end.
        system: What made it.
        take: What it is called among the clips of its system, which pairs it with those of others; empty if nothing says so.
        scores: Rubric to score; empty if there is an error.
        levels: Rubric to the name of the likeliest level.
        reasons: Why, in words.
        causes: Kinds of faults that the words name.
        seconds: Its length.
        windows: Of a clip of several.
        error: Why there are no scores.
    """

    name: str
    path: Path
    start: float | None = None
    end: float | None = None
    system: str = NO_SYSTEM
    take: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    levels: dict[str, str] = field(default_factory=dict)
    reasons: str = ""
    causes: tuple[str, ...] = ()
    seconds: float = 0.0
    windows: tuple[Window, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class Scores:
    """All rows of a report, made by one judge in one way.

    Args:
        clips: The rows, in their order.
        rubrics: What was judged.
        model: Name or folder of the judge.
        revision: Of the judge.
        scale: Its name, such as ``1-5``.
        ends: Rubric to its lowest and highest score.
    """

    clips: tuple[Clip, ...]
    rubrics: tuple[str, ...]
    model: str
    revision: str
    scale: str
    ends: dict[str, tuple[float, float]]

    def judged(self) -> list[Clip]:
        """The clips that have scores, not an error."""
        return [clip for clip in self.clips if clip.error is None]

    def values(self, rubric: str, clips: Sequence[Clip] | None = None) -> np.ndarray:
        """Scores on a rubric (clips,), of all clips that have scores or of those that are given."""
        return np.array([clip.scores[rubric] for clip in (self.judged() if clips is None else clips)])


# Reading


def read_scores(
    files: Sequence[Path],
    *,
    root: Path | None = None,
    path_column: str | None = None,
    system_column: str = "system",
    system_regex: str | None = None,
) -> Scores:
    """Read what ``audio-judge score`` has written. Without a column or an expression, the folder of a clip is its system.

    Args:
        files: ``.jsonl`` or ``.csv`` files, made by the same judge in the same way.
        root: Folder that relative paths start at; None for the working folder, or the folder of the scores if the clip is
            not there.
        path_column: Column of the paths; None for the usual ones.
        system_column: Column that says what made a clip.
        system_regex: Finds the system in a path instead: its group ``system``, its first group, or all of it.

    Raises:
        UsageError: If a file has other rows, or files differ in judge, rubrics or scale.
    """
    rows = [row for file in files for row in read_rows(file)]
    if not rows:
        raise UsageError(f"{files[0]}: no rows; give what `audio-judge score` has written")
    return scores_of(rows, root=root, path_column=path_column, system_column=system_column, system_regex=system_regex)


def scores_of(
    rows: Sequence["PlacedRow"],
    *,
    root: Path | None = None,
    path_column: str | None = None,
    system_column: str = "system",
    system_regex: str | None = None,
) -> Scores:
    """Read rows, one or more, as ``read_scores`` does."""
    pattern = _pattern(system_regex)
    settings: dict[str, Any] = {}
    clips: list[Clip] = []
    has_column = pattern is None and any(row.get(system_column) not in (None, "") for _, _, row in rows)
    for place, folder, row in rows:
        own = check_settings(place, row, settings)
        name, path, times = _path(place, row, folder, root, path_column)
        system = _system(row.get(system_column) if has_column else None, name, pattern, has_column)
        clips.append(_clip(place, row, own["rubrics"], name, path, times, system))
    ends = {rubric: _ends(settings["scale"], rubric, clips) for rubric in settings["rubrics"]}
    model, revision, scale = (str(settings[name]) for name in ("model", "revision", "scale"))
    return Scores(tuple(clips), settings["rubrics"], model, revision, scale, ends)


def _pattern(text: str | None) -> re.Pattern[str] | None:
    try:
        return None if text is None else re.compile(text)
    except re.error as error:
        raise UsageError(f"--system-regex {text!r}: {error}; a regular expression is needed") from error


class PlacedRow(NamedTuple):
    """A row, where it stands, for errors, and the folder in which its clips may lie."""

    place: str
    folder: Path
    row: dict[str, Any]


def read_rows(file: Path) -> list[PlacedRow]:
    """Read the rows of a file.

    Raises:
        UsageError: If it cannot be read.
    """
    try:
        found = lines.read(file, "csv" if is_csv(file) else "json")
        return [PlacedRow(f"{file}:{number}", file.parent, row) for number, row in found]
    except lines.LineError as error:
        raise UsageError(f"{error}; give what `audio-judge score` has written") from error


def recordings_of(
    rows: Sequence[PlacedRow], *, root: Path | None = None, path_column: str | None = None
) -> tuple[list[Recording], dict[str, str]]:
    """Read rows of ``audio-judge timeline``: the recordings, and who judged them."""
    found = []
    for place, folder, row in rows:
        name, path, times = _path(place, row, folder, root, path_column)
        error = str(row["error"]) if row.get("error") else None
        found.append(Recording(name, path, windows_of(row, times[0]), *times, error))
    facts = {"Recordings": str(len(rows))}
    return found, facts | {
        key.capitalize(): str(rows[0].row[key]) for key in ("model", "revision") if rows and key in rows[0].row
    }


def check_settings(place: str, row: Mapping[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Give the settings of a row, and refuse it if they are not those of the rows before it, which are in ``settings``.

    Raises:
        UsageError: If it was made otherwise, or has none.
    """
    missing = [name for name in REQUIRED if name not in row]
    if missing:
        raise UsageError(f"{place}: no {missing[0]}; give what `audio-judge score` has written")
    rubrics = row["rubrics"].split(" ") if isinstance(row["rubrics"], str) else row["rubrics"]
    own = {name: row.get(name) for name in SETTINGS} | {"rubrics": tuple(rubrics)}
    for name, value in own.items():
        if settings.setdefault(name, value) != value:
            raise UsageError(f"{place}: made with {name} {value!r}, not {settings[name]!r}; make one report of each")
    return own


def _path(
    place: str, row: Mapping[str, Any], folder: Path, root: Path | None, column: str | None
) -> tuple[str, Path, tuple[float | None, float | None]]:
    """What a clip is called, where it should be, and which part of it was judged."""
    said = Columns(path=column).path_of(row)
    name = place if said is None else str(said)
    start, end = _times(place, row)
    path = find_clip(name, folder, root)
    part = "" if start is None and end is None else f" [{start or 0:g}–{'' if end is None else f'{end:g}'} s]"
    return f"{name}{part}", path, (start, end)


def find_clip(name: str, folder: Path, root: Path | None = None) -> Path:
    """Say where the file of a clip should be: below the root, or else here or in the folder of its row."""
    folders = [root] if root is not None else [Path(), folder]
    return next((one / name for one in folders if os.path.isfile(one / name)), folders[0] / name)


def _times(place: str, row: Mapping[str, Any]) -> tuple[float | None, float | None]:
    try:
        return times_of(row)
    except ValueError as error:
        if row.get("error"):  # which says so: a row with an unusable time is kept as it came
            return None, None
        raise UsageError(f"{place}: {error}") from error


def _system(said: Any, name: str, pattern: re.Pattern[str] | None, has_column: bool) -> str:
    if has_column:
        return NO_SYSTEM if said in (None, "") else str(said)
    if pattern is None:
        return Path(name).parent.name or NO_SYSTEM
    match = pattern.search(name)
    if match is None:
        return NO_SYSTEM
    found = match["system"] if "system" in pattern.groupindex else match[min(1, pattern.groups)]
    return found or NO_SYSTEM


def _clip(
    place: str,
    row: Mapping[str, Any],
    rubrics: Sequence[str],
    name: str,
    path: Path,
    times: tuple[float | None, float | None],
    system: str,
) -> Clip:
    take = str(row.get(TAKE) or "")
    if row.get("error"):
        return Clip(name, path, *times, system, take, error=str(row["error"]))
    try:
        # JSON lines have an object, CSV has columns
        found = row["scores"] if isinstance(row.get("scores"), dict) else row
        scores = {rubric: float(found[rubric]) for rubric in rubrics}
        levels = row["level"] if found is not row else {rubric: row[f"{rubric}_level"] for rubric in rubrics}
        causes = row.get("causes") or ()
        words = tuple(causes.split()) if isinstance(causes, str) else tuple(map(str, causes))
        seconds, windows = float(row.get("seconds") or 0), windows_of(row, times[0])
    except (KeyError, TypeError, ValueError) as error:
        problem = f"{type(error).__name__} {error}"
        raise UsageError(f"{place}: no scores ({problem}); give what `audio-judge score` has written") from error
    return Clip(
        name, path, *times, system, take, scores, levels, str(row.get("reasons") or ""), words, seconds, windows
    )


def _ends(scale: Any, rubric: str, clips: Sequence[Clip]) -> tuple[float, float]:
    """The ends of a scale such as ``0-100``, else those of the rubric; or what was given beyond them."""
    values = [clip.scores[rubric] for clip in clips if clip.error is None]
    try:
        whole: Scale | Rubric | None = read_scale(str(scale))
    except ValueError:  # each rubric has its own
        whole = ALL_RUBRICS.get(rubric)
    ends = [] if whole is None else [whole.low, whole.high]
    # A rubric that is not known, with no score on it, still needs axes
    low, high = min([*ends, *values], default=0.0), max([*ends, *values], default=1.0)
    return low, high if high > low else low + 1


# The page


def score_page(
    scores: Scores,
    page: Path,
    *,
    title: str,
    by: str | None = None,
    worst: int = 9,
    clip_seconds: float = 12.0,
    megabytes: float = 16.0,
    plots: Path | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> str:
    """Write the page of scores, as HTML.

    Args:
        scores: What to show.
        page: Where it will stand, for links.
        title: Its title.
        by: Rubric that ranks systems and clips; None for the first.
        worst: How many of the worst clips to show.
        clip_seconds: Longest sound of a player.
        megabytes: Room for all sounds, in MB.
        plots: Folder to write the plots to, too.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.

    Raises:
        UsageError: If the rubric is not there, or what draws the page is not installed.
    """
    main = by or scores.rubrics[0]
    if main not in scores.rubrics:
        raise UsageError(f"--by {main}: not among the rubrics of the scores, {', '.join(scores.rubrics)}")
    try:
        from audio_judge.reports import parts as parts
    except ModuleNotFoundError as error:
        raise UsageError(f"{error}; pip install 'audio-judge[report]'") from error
    drawing, players = parts.Plots(plots), parts.Players(page, clip_seconds, megabytes)
    judged = scores.judged()
    systems = by_system(judged, scores, main)
    drawn = {name: drawn_means(scores, clips, resamples, seed + k) for k, (name, clips) in enumerate(systems.items())}
    lowest = _worst(judged, scores, main)[:worst]
    return parts.render(
        "scores.html",
        title=title,
        version=__version__,
        lead=_lead(scores),
        facts=_facts(scores),
        distributions=[_distribution(scores, rubric, drawing) for rubric in scores.rubrics] if judged else [],
        summary=_summary(scores) if judged else None,
        systems=system_table(scores, systems, drawn, main) if judged else None,
        ranking=ranking_plot(scores, main, systems, drawn, drawing) if len(systems) > 1 else None,
        same_system=""
        if len(systems) > 1
        else "All clips are of one system, so there is nothing to rank. "
        "Name systems with a column, with --system-regex, or by a folder each.",
        worst=[_card(clip, scores, main, players, drawing) for clip in lowest],
        worst_by=f"By {main}: {_which_end(main)}.",
        has_reasons=any(clip.reasons for clip in judged),
        errors=error_table(scores.clips),
        notes=_notes(resamples, seed, drawn),
    )


def _lead(scores: Scores) -> str:
    minutes = sum(clip.seconds for clip in scores.judged()) / 60
    failed = len(scores.clips) - len(scores.judged())
    length = f"{minutes:.1f} minutes" if minutes < 120 else f"{minutes / 60:.1f} hours"
    missing = f"; {failed} could not be judged" if failed else ""
    return f"{len(scores.clips)} clips, {length} of audio{missing}."


def _facts(scores: Scores) -> dict[str, str]:
    from audio_judge.reports.parts import without_folders

    return {
        "Clips": str(len(scores.clips)),
        "Errors": str(len(scores.clips) - len(scores.judged())),
        "Judge": without_folders(scores.model),
        "Revision": scores.revision,
        "Scale": re.sub(r"(?<=\d)-", " to ", scores.scale),
        "Systems": str(len({clip.system for clip in scores.clips})),
    }


def digits_of(scores: Scores) -> int:
    """How many digits behind the point tell scores apart."""
    return 2 if max(high - low for low, high in scores.ends.values()) < 20 else 1


def _which_end(rubric: str) -> str:
    known = ALL_RUBRICS.get(rubric)
    if known is not None and known.middle_is_best:
        return "furthest from the middle first, where scores are best"
    return "highest first" if known is not None and not known.higher_is_better else "lowest first"


def by_system(judged: Sequence[Clip], scores: Scores, main: str) -> dict[str, list[Clip]]:
    """Clips of each system, best system first."""
    found: dict[str, list[Clip]] = {}
    for clip in judged:
        found.setdefault(clip.system, []).append(clip)
    mean = {name: float(np.mean(scores.values(main, clips))) for name, clips in found.items()}
    return {name: found[name] for name in sorted(found, key=lambda n: badness(main, mean[n], *scores.ends[main]))}


def _worst(judged: Sequence[Clip], scores: Scores, main: str) -> list[Clip]:
    return sorted(judged, key=lambda clip: -badness(main, clip.scores[main], *scores.ends[main]))


def drawn_means(scores: Scores, clips: Sequence[Clip], resamples: int, seed: int) -> dict[str, np.ndarray | None]:
    """Bootstrapped means of clips (resamples,) by rubric; None of a single clip."""
    from audio_judge.reports.statistics import resampled_means

    return {r: resampled_means(scores.values(r, clips), resamples=resamples, seed=seed) for r in scores.rubrics}


def _distribution(scores: Scores, rubric: str, drawing: "Plots") -> "Plot":
    from matplotlib.ticker import MaxNLocator

    values = scores.values(rubric)

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        axes.hist(values, bins=np.linspace(*scores.ends[rubric], 25).tolist(), rwidth=0.9)
        axes.axvline(values.mean(), color="C1", linewidth=1.5)
        axes.set(
            title=f"{rubric}, mean {values.mean():.{digits_of(scores)}f}", xlim=scores.ends[rubric], ylabel="clips"
        )
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(visible=False, axis="x")

    return drawing.draw(f"Distribution of {rubric}", (3.35, 2.2), draw)


def _summary(scores: Scores) -> "Table":
    from audio_judge.reports.parts import Cell, Table, number

    digits = digits_of(scores)
    rows: list[tuple[str | Cell, ...]] = []
    for rubric in scores.rubrics:
        values = scores.values(rubric)
        level = Counter(clip.levels[rubric] for clip in scores.judged()).most_common(1)[0][0]
        low, median, high = np.percentile(values, [5, 50, 95])
        figures = (values.mean(), values.std(), values.min(), low, median, high, values.max())
        rows.append((rubric, *(Cell(number(float(figure), digits)) for figure in figures), level))
    head = ("rubric", "mean", "spread", "lowest", "5 %", "median", "95 %", "highest", "most frequent level")
    return Table(head, tuple(rows), "Spread is the standard deviation over clips.")


def system_table(
    scores: Scores, systems: Mapping[str, Sequence[Clip]], drawn: Mapping[str, Mapping[str, Any]], main: str
) -> "Table":
    """A row per system, best first, with its place and the places that other clips might have given it."""
    from audio_judge.reports.parts import Cell, Table

    places = _places(scores, systems, drawn, main)
    failed = Counter(clip.system for clip in scores.clips if clip.error is not None)
    rubrics = (main, *(rubric for rubric in scores.rubrics if rubric != main))
    best = {rubric: _best_system(scores, systems, rubric) for rubric in rubrics}
    rows: list[tuple[str | Cell, ...]] = []
    for place, (name, clips) in enumerate(systems.items(), 1):
        means = [_mean_cell(scores, clips, rubric, drawn[name][rubric], best[rubric] == name) for rubric in rubrics]
        counts = (Cell(str(len(clips))), Cell(str(failed[name])))
        rows.append((Cell(str(place), places[name]), name, *counts, *means))
    # One that failed altogether has no place
    none = [Cell("–")] * len(rubrics)
    rows += [(Cell("–"), name, Cell("0"), Cell(str(n)), *none) for name, n in failed.items() if name not in systems]
    caption = f"Best {main} first. Below means and places: 95 % bootstrap intervals over clips."
    return Table(("place", "system", "clips", "errors", *rubrics), tuple(rows), caption)


def _best_system(scores: Scores, systems: Mapping[str, Sequence[Clip]], rubric: str) -> str | None:
    if len(systems) < 2:
        return None
    means = {name: float(np.mean(scores.values(rubric, clips))) for name, clips in systems.items()}
    return min(means, key=lambda name: badness(rubric, means[name], *scores.ends[rubric]))


def _mean_cell(scores: Scores, clips: Sequence[Clip], rubric: str, drawn: np.ndarray | None, is_best: bool) -> "Cell":
    from audio_judge.reports.parts import Cell, interval, number
    from audio_judge.reports.statistics import middle

    low, high = middle(drawn) or (None, None)
    digits = digits_of(scores)
    mean = float(np.mean(scores.values(rubric, clips)))
    return Cell(number(mean, digits), interval(low, high, digits), "best" if is_best else "")


def _places(
    scores: Scores, systems: Mapping[str, Sequence[Clip]], drawn: Mapping[str, Mapping[str, Any]], main: str
) -> dict[str, str]:
    """The 95 % interval of each system's place; empty where a system has too few clips for one."""
    means = {name: drawn[name][main] for name in systems}
    if len(means) < 2 or any(values is None for values in means.values()):
        return dict.fromkeys(systems, "")
    drawn_means = np.stack([*means.values()])  # (systems, resamples)
    measured = np.vectorize(lambda value: badness(main, value, *scores.ends[main]))(drawn_means)
    # The k-th draws of all systems make one imagined report; sorting twice gives each system's rank in it
    places = 1 + measured.argsort(axis=0).argsort(axis=0)  # (systems, resamples)
    ends = np.percentile(places, [2.5, 97.5], axis=1).round().astype(int).T  # (systems, 2)
    return {name: f"{low} to {high}" if low < high else f"{low}" for name, (low, high) in zip(means, ends, strict=True)}


def ranking_plot(
    scores: Scores,
    main: str,
    systems: Mapping[str, Sequence[Clip]],
    drawn: Mapping[str, Mapping[str, Any]],
    drawing: "Plots",
) -> "Plot":
    """Mean and interval of each system, best first."""
    from audio_judge.reports.parts import shorten
    from audio_judge.reports.statistics import middle

    names = list(systems)[:MOST_SYSTEMS_DRAWN]
    means = np.array([np.mean(scores.values(main, systems[name])) for name in names])
    ends = [middle(drawn[name][main]) or (mean, mean) for name, mean in zip(names, means, strict=True)]
    reach = np.abs(np.array(ends).T - means)  # (2, systems): below and above the mean

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        axes.errorbar(means, range(len(names)), xerr=reach, fmt="o", capsize=3, markersize=5)
        axes.set_yticks(range(len(names)), [shorten(name) for name in names])
        axes.invert_yaxis()
        axes.set(title=f"{main} per system, 95 % intervals", xlim=scores.ends[main])

    return drawing.draw(f"{main} per system", (7.0, 0.9 + 0.27 * len(names)), draw)


def _card(clip: Clip, scores: Scores, main: str, players: "Players", drawing: "Plots") -> dict[str, Any]:
    from audio_judge.reports.parts import number

    digits = digits_of(scores)
    others = [f"{name} {number(clip.scores[name], digits)}" for name in scores.rubrics if name != main]
    system = [] if clip.system == NO_SYSTEM else [f"system {clip.system}"]
    worst = worst_window(clip.windows, main, scores.ends)
    span = None if worst is None else (worst.start, worst.end)
    over_time = f"{main} over time, {clip.name.rpartition('/')[2]}"
    return {
        "name": clip.name.rpartition("/")[2],
        "main": f"{main} {number(clip.scores[main], digits)} ({clip.levels[main]})",
        "others": [*others, *system],
        "player": players.player(clip.path, name=clip.path.name, start=clip.start, end=clip.end, worst=span),
        "plot": worst and timeline_plot(over_time, clip.windows, [main], scores.ends, drawing, (3.35, 1.7)),
        "reasons": clip.reasons,
        "causes": [cause.replace("_", " ") for cause in clip.causes],
    }


def error_table(clips: Sequence[Clip]) -> "Table | None":
    """Which clips could not be judged, and why; None if there are none."""
    from audio_judge.reports.parts import Table, without_folders

    failed = [clip for clip in clips if clip.error is not None]
    if not failed:
        return None
    rows = [(without_folders(clip.name), without_folders(str(clip.error))) for clip in failed[:MOST_ERRORS]]
    more = f"The first {MOST_ERRORS} of {len(failed)}." if len(failed) > MOST_ERRORS else ""
    return Table(("clip", "what is wrong"), tuple(rows), more)


def _notes(resamples: int, seed: int, drawn: Mapping[str, Mapping[str, Any]]) -> list[str]:
    few = [name for name, means in drawn.items() if any(values is None for values in means.values())]
    notes = [f"Intervals are percentile bootstrap intervals of means over clips ({resamples} resamples, seed {seed})."]
    notes += ["A system with a single clip has none."] if few else []
    return notes
