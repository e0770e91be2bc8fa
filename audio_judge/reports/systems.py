"""Systems against each other, from the rows of ``audio-judge compare``: contrasts, ranking, and one page to hear the differences.

Rows are of two kinds: those of systems, whose clips were scored one by one, and those of pairs, in which a judge has heard two
clips and said which is better. The page needs the extra ``report``, all else nothing.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from audio_judge.batch.items import PairColumns
from audio_judge.errors import UsageError
from audio_judge.reports import scores as of_scores
from audio_judge.reports.scores import NO_SYSTEM, Clip, PlacedRow, Scores
from audio_judge.reports.statistics import Contrast, holm, middle, paired, unpaired
from audio_judge.reports.timelines import badness, widest_gap
from audio_judge.tasks.compare import verdict
from audio_judge.version import __version__

if TYPE_CHECKING:
    from audio_judge.reports.parts import Players, Plots, Table

TASK = "compare-systems"
# Of a scale, 0.1 of 1-5: nine of ten scores of the mini move by no more than 0.11 if a clip begins 30 ms later, which nobody
# hears (82 clips, benchmarks/tie.py)
TIE_SHARE = 0.025
MOST_ASPECTS = 3
Unit = Literal["points", "probability"]

# n pairs that all agree have p = 2 ** (1 - n) at the least
_PAIRS_FOR_A_TEST = 6


@dataclass(frozen=True)
class Pair:
    """The same clip, as made by two systems.

    Args:
        take: What both are called.
        first: Of the first system.
        second: Of the second.
        leads: Rubric to how far the first is ahead.
        words: What decides between them.
    """

    take: str
    first: Clip
    second: Clip
    leads: dict[str, float]
    words: str


@dataclass(frozen=True)
class Comparison:
    """Two or more systems, compared on one or more rubrics.

    Args:
        systems: Their names, in their order.
        rubrics: What was judged; the first ranks.
        contrasts: By first system, second system and rubric.
        pairs: All pairs of clips that were judged.
        clips: All clips, or pairs by their first clip, also those that could not be judged.
        margins: Rubric to the lead from which on a clip wins; empty if the judge itself says what is a tie.
        model: The judge.
        revision: Of the judge.
        scores: Those that rank the systems, of the clips that all have if there are any; None where pairs were judged.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.
    """

    systems: tuple[str, ...]
    rubrics: tuple[str, ...]
    contrasts: dict[tuple[str, str, str], Contrast]
    pairs: tuple[Pair, ...]
    clips: tuple[Clip, ...]
    margins: dict[str, float]
    model: str
    revision: str
    scores: Scores | None = None
    resamples: int = 1000
    seed: int = 0

    @property
    def unit(self) -> Unit:
        """What leads are in: points of the scale, or the probability to be better less that to be worse."""
        return "probability" if self.scores is None else "points"


# Contrasts


def is_of_systems(rows: Iterable[PlacedRow]) -> bool | None:
    """Say whether rows are of systems or of pairs; None if they are not of ``compare``."""
    tasks = {str(one.row.get("task") or "") for one in rows}
    if tasks == {TASK}:
        return True
    return False if tasks and all(task.startswith("compare") and task != TASK for task in tasks) else None


def compare_scores(
    scores: Scores, *, by: str | None = None, tie: float | None = None, resamples: int = 1000, seed: int = 0
) -> Comparison:
    """Compare systems by the scores of their clips: those that pair up if there are any, else all of both.

    Args:
        scores: Of all clips.
        by: Rubric that ranks; None for the first.
        tie: Leads smaller than that are ties, in points; None for 2.5 % of the scale.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.

    Raises:
        UsageError: If the rubric is not there.
    """
    rubrics = _first(by, scores.rubrics)
    scores = replace(scores, rubrics=rubrics)
    margins = {name: TIE_SHARE * (high - low) if tie is None else tie for name, (low, high) in scores.ends.items()}
    clips: dict[str, dict[str, Clip]] = {clip.system: {} for clip in scores.clips if clip.system != NO_SYSTEM}
    for number, clip in enumerate(scores.clips):
        if clip.error is None and clip.system in clips:
            clips[clip.system][clip.take or f"#{number}"] = clip
    contrasts: dict[tuple[str, str, str], Contrast] = {}
    pairs: list[Pair] = []
    for first, second in combinations(clips, 2):
        ours, theirs = clips[first], clips[second]
        common = [take for take in ours if take in theirs]
        # One pair says little, but it is all there is of a single clip
        is_paired = len(common) > 1 or (len(common) == 1 and min(len(ours), len(theirs)) == 1)
        own = [_scored_pair(take, ours[take], theirs[take], scores, margins) for take in common if is_paired]
        pairs += own
        for rubric in rubrics:
            if is_paired:
                found = paired(
                    [pair.leads[rubric] for pair in own], margin=margins[rubric], resamples=resamples, seed=seed
                )
            else:
                a, b = ([_goodness(one, rubric, scores) for one in side.values()] for side in (ours, theirs))
                found = unpaired(a, b, resamples=resamples, seed=seed)
            contrasts[first, second, rubric] = found
    shared = set.intersection(*(set(own) for own in clips.values())) if clips else set()
    ranked = [clip for own in clips.values() for take, clip in own.items() if len(shared) < 2 or take in shared]
    failed = [clip for clip in scores.clips if clip.error is not None]  # counted beside the ranked
    return Comparison(
        tuple(clips),
        rubrics,
        _adjusted(contrasts, rubrics),
        tuple(pairs),
        scores.clips,
        margins,
        scores.model,
        scores.revision,
        replace(scores, clips=(*ranked, *failed)),
        resamples,
        seed,
    )


def _first(by: str | None, rubrics: tuple[str, ...]) -> tuple[str, ...]:
    if by is not None and by not in rubrics:
        raise UsageError(f"--by {by}: not among the rubrics of the rows, {', '.join(rubrics)}")
    return rubrics if by is None else (by, *(name for name in rubrics if name != by))


def _goodness(clip: Clip, rubric: str, scores: Scores) -> float:
    return -badness(rubric, clip.scores[rubric], *scores.ends[rubric])


def _scored_pair(take: str, first: Clip, second: Clip, scores: Scores, margins: Mapping[str, float]) -> Pair:
    leads = {name: _goodness(first, name, scores) - _goodness(second, name, scores) for name in scores.rubrics}
    return Pair(take, first, second, leads, _deciding(first, second, leads, margins, scores))


def _deciding(
    first: Clip, second: Clip, leads: Mapping[str, float], margins: Mapping[str, float], scores: Scores
) -> str:
    """The rubrics on which a pair differs most for its scale, in words."""
    wide = {name: abs(lead) / (scores.ends[name][1] - scores.ends[name][0]) for name, lead in leads.items()}
    told = [name for name in sorted(leads, key=lambda name: -wide[name]) if abs(leads[name]) >= margins[name] > 0]
    if not told:
        return "Nothing that counts tells them apart."
    digits = of_scores.digits_of(scores)

    def told_of(name: str) -> str:
        better, worse = (first, second) if leads[name] > 0 else (second, first)
        levels, values = zip(
            *((one.levels[name], f"{one.scores[name]:.{digits}f}") for one in (better, worse)), strict=True
        )
        ours, theirs = values if levels[0] == levels[1] else (f"{w} ({v})" for w, v in zip(levels, values, strict=True))
        both = f"{levels[0]} both, " if levels[0] == levels[1] else ""
        return f"{better.system} is better in {name.replace('_', ' ')}: {both}{ours} against {theirs}."

    return "\n".join(map(told_of, told[:MOST_ASPECTS]))


def compare_verdicts(
    rows: Sequence[PlacedRow],
    columns: PairColumns | None = None,
    *,
    root: Path | None = None,
    by: str | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Compare two systems by verdicts on pairs of their clips; a lead is P(better) less P(worse).

    The systems are called as the folders of their clips, if each has one, else as the columns.

    Args:
        rows: One or more, made by the same judge in the same way.
        columns: Which columns hold the paths; None for ``a`` and ``b``.
        root: As of ``read_scores``.
        by: Rubric that ranks; None for the first.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.

    Raises:
        UsageError: If a row is none of pairs, or was made in another way.
    """
    names = columns or PairColumns()
    settings: dict[str, Any] = {}
    for place, _, row in rows:
        of_scores.check_settings(place, row, settings)
        missing = [name for name in (names.first, names.second) if name not in row]
        if missing:
            raise UsageError(
                f"{place}: no column {missing[0]!r} of paths; name it with --first-column or --second-column"
            )
    rubrics = _first(by, settings["rubrics"])
    systems = _sides(rows, names)
    pairs, failed, counts = [], [], {rubric: [0, 0, 0] for rubric in rubrics}
    is_told = dict.fromkeys(rubrics, True)
    for place, folder, row in rows:
        said = [str(row.get(name) or "") for name in (names.first, names.second)]
        first, second = (
            Clip(name, of_scores.find_clip(name, folder, root), system=system)
            for name, system in zip(said, systems, strict=True)
        )
        if row.get("error"):
            failed.append(replace(first, name=" / ".join(filter(None, said)), error=str(row["error"])))
            continue
        leads = {}
        for rubric in rubrics:
            leads[rubric], better = _lead(place, row, rubric, rubric == settings["rubrics"][0])
            is_told[rubric] &= better is not None
            counts[rubric][("A", "tie", "B").index(better or "tie")] += 1
        pairs.append(Pair(_take(said), first, second, leads, str(row.get("reasons") or "")))
    contrasts = {}
    for rubric in rubrics:
        won = (counts[rubric][0], counts[rubric][1], counts[rubric][2])
        found = paired([pair.leads[rubric] for pair in pairs], wins=won, resamples=resamples, seed=seed)
        contrasts[(*systems, rubric)] = found if is_told[rubric] else replace(found, wins=None, ties=None, losses=None)
    clips = (*(pair.first for pair in pairs), *failed)
    who = str(settings["model"]), str(settings["revision"])
    return Comparison(
        systems, rubrics, _adjusted(contrasts, rubrics), tuple(pairs), clips, {}, *who, None, resamples, seed
    )


def _sides(rows: Sequence[PlacedRow], names: PairColumns) -> tuple[str, str]:
    found = [
        {Path(str(one.row[side])).parent.name for one in rows if one.row[side]} for side in (names.first, names.second)
    ]
    if all(len(one) == 1 and "" not in one for one in found) and found[0] != found[1]:
        return found[0].pop(), found[1].pop()
    return names.first, names.second


def _take(paths: Sequence[str]) -> str:
    first, second = (os.path.splitext(os.path.basename(path))[0] for path in paths)
    return first if first == second else f"{first} / {second}"


def _lead(place: str, row: Mapping[str, Any], rubric: str, is_first: bool) -> tuple[float, str | None]:
    """How far A is ahead, and which is better; a table says the latter of the first rubric only."""
    try:
        if isinstance(row.get("by_rubric"), dict):
            shares = {name: float(row["by_rubric"][rubric][name]) for name in ("A", "B", "tie")}
            return shares["A"] - shares["B"], verdict(shares)
        return float(row[f"{rubric}_lead"]), str(row["better"]) if is_first else None
    except (KeyError, TypeError, ValueError) as error:
        problem = f"{type(error).__name__} {error}"
        raise UsageError(f"{place}: no verdict ({problem}); give what `audio-judge compare` has written") from error


def _adjusted(
    contrasts: Mapping[tuple[str, str, str], Contrast], rubrics: Sequence[str]
) -> dict[tuple[str, str, str], Contrast]:
    """By rubric, with p-values adjusted over the pairs of systems."""
    found: dict[tuple[str, str, str], Contrast] = {}
    for rubric in rubrics:
        own = {key: one for key, one in contrasts.items() if key[2] == rubric}
        values = holm([one.p for one in own.values()])
        found |= {key: replace(one, p=p) for (key, one), p in zip(own.items(), values, strict=True)}
    return found


# In words and numbers


def summary_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """Write the ranking, a row for each system, and the contrasts, a row for each pair of systems and rubric."""
    who = {"task": f"{TASK}-summary", "model": comparison.model, "revision": comparison.revision}
    rows = [
        who
        | {
            "system": name,
            "place": place,
            "clips": count,
            "means": {rubric: round(mean, 4) for rubric, mean, *_ in means},
        }
        for place, (name, count, means) in enumerate(_ranked(comparison), 1)
    ]
    for (first, second, rubric), one in comparison.contrasts.items():
        facts = {key: round(value, 6) if isinstance(value, float) else value for key, value in asdict(one).items()}
        test = "Wilcoxon signed-rank" if one.is_paired else "Mann-Whitney U"
        names = {"first": first, "second": second, "rubric": rubric}
        rows.append(who | names | facts | {"test": test, "tie": comparison.margins.get(rubric)})
    return rows


Mean = tuple[str, float, float | None, float | None]


def _ranked(comparison: Comparison) -> list[tuple[str, int, list[Mean]]]:
    """Systems, best first, with the number of their clips, and mean and interval per rubric."""
    scores = comparison.scores
    if scores is None:
        return []
    found = []
    for name, clips, drawn in _drawn(comparison, scores):
        means = [
            (rubric, float(scores.values(rubric, clips).mean()), *(middle(drawn[rubric]) or (None, None)))
            for rubric in comparison.rubrics
        ]
        found.append((name, len(clips), means))
    return found


def _drawn(comparison: Comparison, scores: Scores) -> list[tuple[str, list[Clip], dict[str, Any]]]:
    """Systems, best first, with their clips and the bootstrapped means of those."""
    systems = of_scores.by_system(scores.judged(), scores, comparison.rubrics[0])
    return [
        (name, clips, of_scores.drawn_means(scores, clips, comparison.resamples, comparison.seed + number))
        for number, (name, clips) in enumerate(systems.items())
    ]


def in_text(comparison: Comparison) -> str:
    """Write ranking and contrasts as aligned tables, with what is to know about them below."""
    parts = []
    ranked = _ranked(comparison)
    if ranked:
        rows = [["place", "system", "clips", *comparison.rubrics]]
        rows += [
            [str(place), name, str(count), *(_number(mean, low, high) for _, mean, low, high in means)]
            for place, (name, count, means) in enumerate(ranked, 1)
        ]
        parts.append(_aligned(rows))
    rows = [["rubric", "first", "second", "pairs", "wins", "ties", "losses", "difference", "p"]]
    for (first, second, rubric), one in comparison.contrasts.items():
        counts = str(one.counts[0]) if one.is_paired else "{} + {} clips".format(*one.counts)
        won = ["-" if value is None else str(value) for value in (one.wins, one.ties, one.losses)]
        lead = "-" if one.difference is None else _number(one.difference, one.low, one.high, "+")
        rows.append([rubric, first, second, counts, *won, lead, _p(one.p)])
    parts.append(_aligned(rows))
    return "\n\n".join([*parts, "\n".join(notes(comparison))])


def _number(value: float, low: float | None, high: float | None, sign: str = "") -> str:
    text = f"{value:{sign}.2f}"
    return text if low is None or high is None else f"{text} ({low:{sign}.2f} to {high:{sign}.2f})"


def _p(value: float | None) -> str:
    return "-" if value is None else "<.001" if value < 0.001 else f"{value:.3f}"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns of text left, those of numbers, which are all others, right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    is_text = [name in ("rubric", "first", "second", "system") for name in rows[0]]
    return "\n".join(
        "  ".join(
            f"{cell:<{width}}" if left else f"{cell:>{width}}"
            for cell, width, left in zip(row, widths, is_text, strict=True)
        ).rstrip()
        for row in rows
    )


def notes(comparison: Comparison) -> list[str]:
    """Say, in sentences, how the figures were made and what was left out."""
    told = []
    contrasts = comparison.contrasts.values()
    if comparison.unit == "points":
        told.append(
            "Difference: how much nearer to the good end of the scale the clips of the first are on average, in points; above 0 "
            "the first is better."
        )
    else:
        told.append(
            "Difference: P(first is better) less P(second is better), the mean over pairs; above 0 the first is better. Ties are "
            "those that the judge calls so."
        )
    told.append(f"Intervals: 95 %, percentile bootstrap over pairs or clips ({comparison.resamples} resamples).")
    several = len({(first, second) for first, second, _ in comparison.contrasts}) > 1
    holms = ", with Holm's correction over the pairs of systems" if several else ""
    if any(one.is_paired for one in contrasts):
        told.append(f"p: Wilcoxon signed-rank test of the pairs, two-sided{holms}.")
        if any(one.is_paired and one.p is not None and one.counts[0] < _PAIRS_FOR_A_TEST for one in contrasts):
            told.append(
                f"With fewer than {_PAIRS_FOR_A_TEST} pairs p is never below 0.05, however clear the difference: compare more clips."
            )
    if not all(one.is_paired for one in contrasts):
        told.append(
            "Systems without clips of the same names are compared unpaired, all clips of both: Mann-Whitney U test, two-sided"
            f"{holms}; no wins."
        )
    widths = sorted({round(value, 4) for value in comparison.margins.values()})
    if widths and any(one.wins is not None for one in contrasts):
        bound = " or ".join(f"{width:g}" for width in widths)
        told.append(f"Ties are pairs that differ by less than {bound} points (--tie).")
    failed = sum(clip.error is not None for clip in comparison.clips)
    if failed:
        told.append(
            f"{failed} could not be judged and {'is' if failed == 1 else 'are'} left out, and so are their partners."
        )
    alone = _alone(comparison) if comparison.unit == "points" else 0
    if alone:
        told.append(
            f"{alone} clip{'s have' if alone > 1 else ' has'} no partner in some other system, and no part in the test."
        )
    if comparison.scores is not None and 0 < len(comparison.scores.judged()) < len(comparison.clips) - failed:
        each = len(comparison.scores.judged()) // len(comparison.systems)
        told.append(f"Ranked over the {each} clips that all systems have.")
    return told


def _alone(comparison: Comparison) -> int:
    """Clips that have no partner in a system with which theirs is compared by pairs."""
    alone = set()
    for (first, second, _), one in comparison.contrasts.items():
        if not one.is_paired:
            continue
        takes = {pair.take for pair in comparison.pairs if (pair.first.system, pair.second.system) == (first, second)}
        for clip in comparison.clips:
            if clip.error is None and clip.system in (first, second) and clip.take not in takes:
                alone.add((clip.system, clip.take))
    return len(alone)


# The page


def comparison_page(
    comparison: Comparison,
    page: Path,
    *,
    title: str,
    widest: int = 9,
    clip_seconds: float = 12.0,
    megabytes: float = 16.0,
    plots: Path | None = None,
) -> str:
    """Write the page of a comparison, as HTML: who wins, and the pairs that differ most, to listen to side by side.

    Args:
        comparison: What to show.
        page: Where it will stand, for links.
        title: Its title.
        widest: How many of the pairs that differ most to show.
        clip_seconds: Longest sound of a player.
        megabytes: Room for all sounds, in MB.
        plots: Folder to write the plots to, too.

    Raises:
        UsageError: If what draws the page is not installed.
    """
    try:
        from audio_judge.reports import parts as parts
    except ModuleNotFoundError as error:
        raise UsageError(f"{error}; pip install 'audio-judge[report]'") from error
    drawing, players = parts.Plots(plots), parts.Players(page, clip_seconds, megabytes)
    main = comparison.rubrics[0]
    shown = sorted(comparison.pairs, key=lambda pair: -abs(pair.leads[main]))[:widest]
    ranking, plot = _ranking(comparison, drawing)
    return parts.render(
        "comparison.html",
        title=title,
        version=__version__,
        facts={
            "Systems": str(len(comparison.systems)),
            "Pairs of clips": str(len(comparison.pairs)),
            "Judge": parts.without_folders(comparison.model),
            "Revision": comparison.revision,
        },
        contrasts=_contrast_table(comparison),
        ranking=ranking,
        plot=plot,
        pairs=[_card(pair, comparison, players) for pair in shown],
        pairs_by=f"By {main}: the widest differences first, {len(shown)} of {len(comparison.pairs)} pairs.",
        errors=of_scores.error_table(comparison.clips),
        notes=notes(comparison),
    )


def _ranking(comparison: Comparison, drawing: "Plots") -> tuple["Table | None", Any]:
    scores, main = comparison.scores, comparison.rubrics[0]
    if scores is None or not scores.judged():
        return None, None
    found = _drawn(comparison, scores)
    systems, drawn = {name: clips for name, clips, _ in found}, {name: means for name, _, means in found}
    plot = of_scores.ranking_plot(scores, main, systems, drawn, drawing) if len(systems) > 1 else None
    return of_scores.system_table(scores, systems, drawn, main), plot


def _contrast_table(comparison: Comparison) -> "Table":
    from audio_judge.reports.parts import Cell, Table, interval, number

    rows: list[tuple[str | Cell, ...]] = []
    for (first, second, rubric), one in comparison.contrasts.items():
        is_sure = one.p is not None and one.p < 0.05
        counts = str(one.counts[0]) if one.is_paired else "{} + {} clips".format(*one.counts)
        won = [Cell("–" if value is None else str(value)) for value in (one.wins, one.ties, one.losses)]
        lead = Cell(number(one.difference), interval(one.low, one.high), "best" if is_sure else "")
        p = _p(one.p).replace("-", "–")
        rows.append((rubric, first, second, Cell(counts), *won, lead, Cell(p, mark="best" if is_sure else "")))
    head = ("rubric", "first", "second", "pairs", "wins", "ties", "losses", "difference", "p")
    return Table(head, tuple(rows), "Bold: p below .05.")


def _card(pair: Pair, comparison: Comparison, players: "Players") -> dict[str, Any]:
    from audio_judge.reports.parts import number, without_folders

    digits = 2 if comparison.scores is None else of_scores.digits_of(comparison.scores)
    main = comparison.rubrics[0]
    lead = pair.leads[main]
    ahead = pair.first.system if lead > 0 else pair.second.system
    sides, gap_at = [], widest_gap(pair.first.windows, pair.second.windows, main)
    for clip, window in zip((pair.first, pair.second), gap_at or (None, None), strict=True):
        figures = [f"{name} {number(clip.scores[name], digits)}" for name in comparison.rubrics if name in clip.scores]
        place: dict[str, Any] = {"name": f"{clip.system}: {pair.take}", "start": clip.start, "end": clip.end}
        if window is not None:
            place |= {"worst": (window.start, window.end), "why": "where they differ most"}
        player = players.player(clip.path, **place)
        sides.append({"system": clip.system, "figures": " · ".join(figures), "player": player})
    gap = f"{ahead} is ahead by {number(abs(lead), digits)} in {main}" if lead else f"no difference in {main}"
    return {"name": without_folders(pair.take), "gap": gap, "sides": sides, "words": pair.words}
