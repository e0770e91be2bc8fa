"""Whether a judge agrees better with listeners than it did before, on clips that it was not taught: the figures, and the verdict."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from audio_judge.clips import RatedClip
from audio_judge.rubrics.rubric import get_rubric

from .metrics import confidence_intervals, listener_ceiling, rating_agreement
from .summary import LEAST_GROUPS, finite
from .tables import grid

# Fewer clips have no correlation worth the name
LEAST_CLIPS = 3
MEASURES = ("PCC", "SRCC", "MAE")
# Differences in PCC, and in MAE as a share of the scale, that are none
ALIKE = 0.01
Scores = Sequence[Mapping[str, float]]


@dataclass(frozen=True)
class Gain:
    """What was measured, before and after.

    Args:
        rubrics: Rubric to ``n``, ``ceiling`` (None if votes are not known) and, of each of ``MEASURES``, ``before``, ``after`` and
            ``difference``, each (value, low, high); None where it is not defined.
        whole: Mean over the rubrics of the differences in PCC, and in MAE as a share of each scale, likewise.
    """

    rubrics: Mapping[str, Mapping[str, Any]]
    whole: Mapping[str, Sequence[float | None]]

    @property
    def is_better(self) -> bool:
        """Whether PCC or MAE is better by more than chance (95 %), and the other one is not worse by ``ALIKE`` or more."""
        (pcc, low, _), (mae, _, high) = self.whole["PCC"], self.whole["MAE"]
        if pcc is None or mae is None or low is None or high is None:
            return False
        return (low > 0 or high < 0) and pcc > -ALIKE and mae < ALIKE

    def table(self) -> str:
        """A table in Markdown: before, after and the difference with their intervals, and the listeners' ceiling."""
        head = ("rubric", "clips", "measure", "before", "after", "difference", "listeners' ceiling")
        rows = []
        for name, found in self.rubrics.items():
            for measure in MEASURES:
                cells = [_cell(found[measure][when]) for when in ("before", "after", "difference")]
                ceiling = "" if measure != "PCC" or found["ceiling"] is None else f"{found['ceiling']:.2f}"
                rows.append((name, str(found["n"]), measure, *cells, ceiling))
        return grid(head, rows)


def _cell(figure: Sequence[float | None]) -> str:
    value, low, high = figure
    if value is None:
        return "–"
    return f"{value:.2f}" if low is None or high is None else f"{value:.2f} [{low:.2f}, {high:.2f}]"


def measure_gain(
    clips: Sequence[RatedClip],
    before: Scores,
    after: Scores,
    groups: Sequence[str] | None = None,
    resamples: int = 1000,
) -> Gain:
    """Measure a judge before and after on the same clips.

    Args:
        before: Rubric to score, of each clip; a rubric that is missing has no score.
        after: Likewise.
        groups: Speaker or other group of each clip, drawn whole for the intervals if there are ten of them or more; else clips are
            drawn, and of fewer than ten clips there are no intervals.

    Raises:
        ValueError: If there are no clips.
    """
    names = list(dict.fromkeys(name for clip in clips for name in clip.ratings))
    drawn = groups if groups is not None and len(set(groups)) >= LEAST_GROUPS else None
    columns = [_array(one, names) for one in (before, after, [_means(clip) for clip in clips])]  # (clips, rubrics) each
    ends = [(get_rubric(name).low, get_rubric(name).high) for name in names]

    def figures(*parts: np.ndarray) -> dict[str, float]:
        return _figures(*parts, names=names, ends=ends)

    found = figures(*columns)
    intervals = {}
    if drawn is not None or len(clips) >= LEAST_GROUPS:
        intervals = confidence_intervals(figures, *columns, groups=drawn, resamples=resamples)

    def triple(key: str) -> list[float | None]:
        return [finite(one) for one in (found[key], *intervals.get(key, (math.nan, math.nan)))]

    rubrics = {
        name: {"n": int((~np.isnan(columns[2][:, place])).sum()), "ceiling": _ceiling(clips, name)}
        | {
            one: {when: triple(f"{name}/{one}/{when}") for when in ("before", "after", "difference")}
            for one in MEASURES
        }
        for place, name in enumerate(names)
    }
    return Gain(rubrics, {one: triple(one) for one in ("PCC", "MAE")})


def _means(clip: RatedClip) -> dict[str, float]:
    return {name: rating.value for name, rating in clip.ratings.items()}


def _array(scores: Scores, names: Sequence[str]) -> np.ndarray:
    return np.array([[one.get(name, np.nan) for name in names] for one in scores], dtype=float)


def _figures(
    before: np.ndarray,
    after: np.ndarray,
    truth: np.ndarray,
    *,
    names: Sequence[str],
    ends: Sequence[tuple[float, float]],
) -> dict[str, float]:
    """Figures of each rubric, ``RUBRIC/MEASURE/WHEN``, and the mean differences; all (clips, rubrics)."""
    found: dict[str, float] = {}
    gains: dict[str, list[float]] = {"PCC": [], "MAE": []}
    for place, (name, (low, high)) in enumerate(zip(names, ends, strict=True)):
        rated = ~np.isnan(truth[:, place])
        both = {}
        for when, said in (("before", before), ("after", after)):
            enough = rated.sum() >= LEAST_CLIPS
            own = rating_agreement(said[rated, place], truth[rated, place], low=low, high=high) if enough else {}
            both[when] = {one: own.get(one, math.nan) for one in MEASURES}
        both["difference"] = {one: both["after"][one] - both["before"][one] for one in MEASURES}
        found |= {f"{name}/{one}/{when}": value for when, own in both.items() for one, value in own.items()}
        gains["PCC"].append(both["difference"]["PCC"])
        gains["MAE"].append(both["difference"]["MAE"] / (high - low))
    return found | {one: float(np.mean(values)) for one, values in gains.items()}


def _ceiling(clips: Sequence[RatedClip], name: str) -> float | None:
    """That of the clips whose single votes, or their spread and number, are known."""
    rated = [clip.ratings[name] for clip in clips if name in clip.ratings]
    known = [(one.value, one.std, one.votes) for one in rated if one.std is not None and one.votes]
    if len(known) < LEAST_CLIPS:
        return None
    means, stds, votes = zip(*known, strict=True)
    return finite(listener_ceiling(means, stds, votes))
