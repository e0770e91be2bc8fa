"""Calibration: a handful of rated clips tell how a judge's readings of a rubric become ratings on the rubric's scale.

A judge that was never trained on a rubric may still order clips well while its numbers sit in the wrong place. The map
from reading to rating never falls, so the order of the clips stays; it is kept with the rubric, in shares of the scale.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from scipy.optimize import isotonic_regression

from audio_judge.rubrics.rubric import Rubric

FEWEST_CLIPS = 3
# Below this number of clips a straight line is all that they can tell
FEWEST_FOR_A_CURVE = 20


@dataclass(frozen=True)
class CalibratedRubric(Rubric):
    """A rubric with the map from a judge's readings to ratings; it goes wherever a rubric does.

    Args:
        mapping: (reading, rating) of the corners of the map, both from 0 (lowest score) to 1 (highest), rising.
        judge: Name and revision of the judge whose readings they are.
        clips: Number of rated clips behind the map.

    Raises:
        ValueError: If there are fewer than two corners or they do not rise.

    Example:
        >>> warmth = CalibratedRubric("warmth", "How warm the voice is.", mapping=((0.5, 0.0), (0.75, 1.0)))
        >>> warmth.calibrated(3.5)
        3.0
    """

    mapping: tuple[tuple[float, float], ...] = ()
    judge: str = ""
    clips: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "mapping", tuple((float(x), float(y)) for x, y in self.mapping))
        readings, ratings = np.array(self.mapping).reshape(-1, 2).T  # (corners,) each; none of an empty map, too
        if len(readings) < 2 or (np.diff(readings) <= 0).any() or (np.diff(ratings) < 0).any():
            raise ValueError(f"rubric {self.name!r}: mapping {self.mapping}; two or more rising pairs are needed")

    def calibrated(self, value: float) -> float:
        """Turn a reading into a rating, both on the rubric's scale; beyond the corners the nearest one counts."""
        share = (value - self.low) / (self.high - self.low)
        readings, ratings = np.array(self.mapping).T
        return self.low + float(np.interp(share, readings, ratings)) * (self.high - self.low)

    def slope(self, value: float) -> float:
        """Slope of the map at a reading on the rubric's scale: what a spread of readings is multiplied by."""
        share = (value - self.low) / (self.high - self.low)
        corners = np.array(self.mapping)
        # The piece of the map that the reading falls on; beyond its ends the first or the last
        at = int(np.clip(np.searchsorted(corners[:, 0], share), 1, len(corners) - 1))
        (x0, y0), (x1, y1) = corners[at - 1 : at + 1]
        return float((y1 - y0) / (x1 - x0))

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form of the rubric and its map; ``from_dict`` reads it."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        lists = {name: list(values[name]) for name in ("levels", "questions")}
        return values | lists | {"mapping": [list(corner) for corner in self.mapping]}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "CalibratedRubric":
        """Read a rubric that ``to_dict`` has written; an unknown key is a ValueError."""
        unknown = set(values) - {one.name for one in fields(cls)}
        if unknown:
            raise ValueError(f"a calibrated rubric has no {', '.join(sorted(unknown))}")
        tuples: dict[str, Any] = {name: tuple(values[name]) for name in ("levels", "questions") if name in values}
        return cls(**values | tuples)


def calibrate(rubric: Rubric, readings: Sequence[float], ratings: Sequence[float], judge: str = "") -> CalibratedRubric:
    """Fit the map from readings to ratings: a straight line for a few clips, a rising curve from twenty on.

    Args:
        readings: What the judge reads of each clip, on the rubric's scale.
        ratings: What listeners said, on the rubric's scale.

    Raises:
        ValueError: If there are fewer than three clips, a rating is off the scale, or the readings do not rise with the
            ratings.

    Example:
        >>> rubric = calibrate(Rubric("warmth", "How warm the voice is."), [2.0, 2.5, 3.0], [1.0, 3.0, 5.0])
        >>> rubric.calibrated(2.25)
        2.0
    """
    if len(readings) != len(ratings) or len(ratings) < FEWEST_CLIPS:
        raise ValueError(f"{rubric.name}: {len(ratings)} rated clips; at least {FEWEST_CLIPS} are needed")
    for rating in ratings:
        rubric.check(rating)
    shares = (np.array([readings, ratings], dtype=float) - rubric.low) / (rubric.high - rubric.low)  # (2, clips)
    x, y = shares[:, np.argsort(shares[0], kind="stable")]
    # A line that falls would turn the order of the clips round, a flat one lose it; "not ... >" refuses NaN, too
    if not np.cov(x, y)[0, 1] > 1e-9:
        raise ValueError(
            f"{rubric.name}: what the judge reads does not rise with the ratings of these {len(x)} clips, so no scale "
            "can mend it; rate more and more different clips, or train the judge on the rubric"
        )
    corners = _line(x, y) if len(x) < FEWEST_FOR_A_CURVE else _curve(x, y)
    return CalibratedRubric(**_fields_of(rubric), mapping=corners, judge=judge, clips=len(x))


def uncalibrated(rubric: Rubric) -> Rubric:
    """Take the map off a rubric; a plain one passes through."""
    return Rubric(**_fields_of(rubric)) if isinstance(rubric, CalibratedRubric) else rubric


def _fields_of(rubric: Rubric) -> dict[str, Any]:
    return {one.name: getattr(rubric, one.name) for one in fields(Rubric)}


def _line(x: np.ndarray, y: np.ndarray) -> tuple[tuple[float, float], ...]:
    # Least squares; ends where it leaves the scale
    slope = float(np.cov(x, y)[0, 1] / np.var(x, ddof=1))
    start = float(y.mean() - slope * x.mean())
    # Where the line meets the ends of the scale of ratings, or else the ends of the scale of readings: its two corners
    readings = [max(0.0, -start / slope), min(1.0, (1 - start) / slope)]
    return tuple((share, float(np.clip(start + slope * share, 0, 1))) for share in readings)


def _curve(x: np.ndarray, y: np.ndarray) -> tuple[tuple[float, float], ...]:
    """Isotonic regression, with straight lines between the centres of its steps."""
    # Clips with equal readings must get equal ratings, so each reading counts once, with its number of clips as weight
    places, which = np.unique(x, return_inverse=True)  # (readings,), (clips,)
    counts = np.bincount(which)
    means = np.bincount(which, weights=y) / counts
    result = isotonic_regression(means, weights=counts)
    steps = zip(result.blocks[:-1], result.blocks[1:], strict=True)
    # One corner a step, at the mean reading of its clips; between them np.interp draws the lines
    corners = [(float(np.average(places[a:b], weights=counts[a:b])), float(result.x[a])) for a, b in steps]
    return tuple(corners) if len(corners) > 1 else _line(x, y)
