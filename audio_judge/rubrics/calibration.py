"""Calibration: a handful of rated clips tell how a judge's readings of a rubric become ratings on the rubric's scale.

A judge that was never trained on a rubric may still order clips well while its numbers sit in the wrong place. The map
from reading to rating never falls, so the order of the clips stays; it is kept with the rubric, in shares of the scale.
Whether it helps is told by clips that it was not fitted to; where it does not, or chance alone could explain it, there is none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from scipy.special import stdtr

from audio_judge.rubrics.rubric import Rubric
from audio_judge.rubrics.shares import shares_to_score, tilted_to

FEWEST_CLIPS = 3
# Ratings dealt out at random pass for a relation this often
CHANCE = 0.05
FOLDS = 10
# Covariance, in shares of the scale, of what does not rise
_FLAT = 1e-9
# Below this number of clips a straight line is all that they can tell
FEWEST_FOR_A_CURVE = 20


@dataclass(frozen=True)
class CalibratedRubric(Rubric):
    """A rubric with the map from a judge's readings to ratings; it goes wherever a rubric does.

    Args:
        mapping: (reading, rating) of the corners of the map, both from 0 (lowest score) to 1 (highest), rising.
        judge: Name and revision of the judge whose readings they are.
        clips: Number of rated clips behind the map.
        errors: Root mean square error of the readings, and of the ratings made of them for clips that a map fitted to the others
            had not seen, both in shares of the scale; empty if not known.

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
    errors: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "mapping", tuple((float(x), float(y)) for x, y in self.mapping))
        object.__setattr__(self, "errors", tuple(map(float, self.errors)))
        readings, ratings = np.array(self.mapping).reshape(-1, 2).T  # (corners,) each; none of an empty map, too
        if len(readings) < 2 or (np.diff(readings) <= 0).any() or (np.diff(ratings) < 0).any():
            raise ValueError(f"rubric {self.name!r}: mapping {self.mapping}; two or more rising pairs are needed")

    def calibrated(self, value: float) -> float:
        """Turn a reading into a rating, both on the rubric's scale; beyond the corners the nearest one counts."""
        share = (value - self.low) / (self.high - self.low)
        readings, ratings = np.array(self.mapping).T
        return self.low + float(np.interp(share, readings, ratings)) * (self.high - self.low)

    def calibrated_shares(self, shares: np.ndarray) -> np.ndarray:
        """Move shares of listeners per level (levels,) so that their mean is the rating of the reading which theirs was."""
        value, _ = shares_to_score(shares, self)
        return tilted_to(shares, self, self.calibrated(value))

    @property
    def gain(self) -> str:
        """The errors without and with the map, in words; empty if they are not known.

        Example:
            >>> CalibratedRubric("hum", "How loud it hums.", mapping=((0, 0), (1, 1)), clips=9, errors=(0.2, 0.05)).gain
            'RMSE 0.80 as read, 0.20 calibrated, over 9 clips, each left out of its own fit'
        """
        if not self.errors:
            return ""
        before, after = (error * (self.high - self.low) for error in self.errors)
        return (
            f"RMSE {before:.2f} as read, {after:.2f} calibrated, over {self.clips} clips, each left out of its own fit"
        )

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form of the rubric and its map; ``from_dict`` reads it."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        lists = {name: list(values[name]) for name in ("levels", "questions")}
        return values | lists | {"mapping": [list(corner) for corner in self.mapping], "errors": list(self.errors)}

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
        ValueError: If there are fewer than three clips, a rating is off the scale, the readings do not rise with the
            ratings by more than chance, or the map brings clips that it was not fitted to no closer to their ratings.

    Example:
        >>> rubric = calibrate(Rubric("warmth", "How warm the voice is."), [2.0, 2.5, 3.0], [1.0, 3.0, 5.0])
        >>> rubric.calibrated(2.25), rubric.gain
        (2.0, 'RMSE 1.32 as read, 0.00 calibrated, over 3 clips, each left out of its own fit')
    """
    if len(readings) != len(ratings) or len(ratings) < FEWEST_CLIPS:
        raise ValueError(f"{rubric.name}: {len(ratings)} rated clips; at least {FEWEST_CLIPS} are needed")
    for rating in ratings:
        rubric.check(rating)
    shares = (np.array([readings, ratings], dtype=float) - rubric.low) / (rubric.high - rubric.low)  # (2, clips)
    x, y = shares[:, np.lexsort(shares[::-1])]  # by reading, then by rating
    _check_related(rubric.name, x, y)
    errors = float(np.sqrt(np.mean((x - y) ** 2))), _left_out_error(x, y)
    is_curve = len(x) >= FEWEST_FOR_A_CURVE
    extra: dict[str, Any] = {"judge": judge, "clips": len(x), "errors": errors}
    fitted = CalibratedRubric(**_fields_of(rubric), mapping=_corners(x, y, is_curve), **extra)
    if errors[1] >= errors[0]:
        raise ValueError(f"{rubric.name}: calibrating gains nothing ({fitted.gain}); use the scores as they are")
    return fitted


def _check_related(name: str, x: np.ndarray, y: np.ndarray) -> None:
    """Refuse readings that do not rise with the ratings, or not by more than shuffled ones would."""
    advice = "no scale can mend it; rate more and more different clips, or train the judge on the rubric"
    # A line that falls would turn the order of the clips round, a flat one lose it; "not ... >" refuses NaN, too
    if not np.cov(x, y)[0, 1] > _FLAT:
        raise ValueError(
            f"{name}: what the judge reads does not rise with the ratings of these {len(x)} clips, so {advice}"
        )
    correlation, free = float(np.corrcoef(x, y)[0, 1]), len(x) - 2
    # One-sided test of Pearson's correlation, as scipy.stats.pearsonr, whose import is slow
    chance = float(stdtr(free, -correlation * np.sqrt(free / max(1 - correlation**2, 1e-12))))
    if chance > CHANCE:
        raise ValueError(
            f"{name}: what the judge reads rises with the ratings of these {len(x)} clips no more than by chance "
            f"(PCC {correlation:.2f}, p = {chance:.2f}), so {advice}"
        )


def _left_out_error(x: np.ndarray, y: np.ndarray) -> float:
    """Root mean square error of maps, each of the clips that another fold of sorted clips (clips,) holds."""
    is_curve = len(x) >= FEWEST_FOR_A_CURVE
    fold = np.arange(len(x)) % (FOLDS if is_curve else len(x))
    found = np.empty(len(x))
    for one in np.unique(fold):
        seen, left = fold != one, fold == one
        # Without a rise there is no map, and the mean is all that is known
        rises = np.cov(x[seen], y[seen])[0, 1] > _FLAT
        corners = np.array(_corners(x[seen], y[seen], is_curve)) if rises else None
        found[left] = y[seen].mean() if corners is None else np.interp(x[left], *corners.T)
    return float(np.sqrt(np.mean((found - y) ** 2)))


def _corners(x: np.ndarray, y: np.ndarray, is_curve: bool) -> tuple[tuple[float, float], ...]:
    return _curve(x, y) if is_curve else _line(x, y)


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
    from scipy.optimize import isotonic_regression  # its import is slow, and most rubrics are not calibrated

    # Clips with equal readings must get equal ratings, so each reading counts once, with its number of clips as weight
    places, which = np.unique(x, return_inverse=True)  # (readings,), (clips,)
    counts = np.bincount(which)
    means = np.bincount(which, weights=y) / counts
    result = isotonic_regression(means, weights=counts)
    steps = zip(result.blocks[:-1], result.blocks[1:], strict=True)
    # One corner a step, at the mean reading of its clips; between them np.interp draws the lines
    corners = [(float(np.average(places[a:b], weights=counts[a:b])), float(result.x[a])) for a, b in steps]
    return tuple(corners) if len(corners) > 1 else _line(x, y)
