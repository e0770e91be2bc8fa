"""Shares of listeners per level: from a rating or from single votes, and back to a score."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from audio_judge.rubrics.rubric import Rubric

# Listeners on a five-level scale typically spread by about 0.6 around the mean; used where a corpus gives no spread.
DEFAULT_STD_SHARE = 0.6 / 4


def level_shares(
    mean: float, std: float | None = None, low: float = 1.0, high: float = 5.0, levels: int = 5
) -> np.ndarray:
    """Spread listeners over levels like a Gaussian whose mean is exactly the mean rating.

    Args:
        mean: Mean rating, low to high; at either end all listeners agree.
        std: Spread of the Gaussian over raters, 0 or more; None takes 0.6 on a 1-5 scale (15 % of any range).
            The shares' own spread differs from it near the ends and when it is small against the level spacing.
        low: Score of the lowest level, as ``high`` that of the highest.
        levels: Number of evenly spaced levels, 2 or more.

    Returns:
        Shares of listeners of shape (levels,), lowest level first, summing to 1.

    Raises:
        ValueError: If the mean is outside the range, or the spread or the number of levels is unusable.

    Example:
        >>> level_shares(3.4).round(3).tolist()
        [0.0, 0.043, 0.532, 0.405, 0.019]
    """
    spread = DEFAULT_STD_SHARE * (high - low) if std is None else std
    if not low <= mean <= high:
        raise ValueError(f"mean {mean} is outside {low:g} to {high:g}; clip or convert it")
    if not spread >= 0 or levels < 2:
        raise ValueError(f"std {std} with {levels} levels; a std of 0 or more and at least 2 levels are needed")
    if mean in (low, high):
        return np.eye(levels)[0 if mean == low else -1]
    # In units of levels, around the middle: the shift of the Gaussian becomes a tilt t of the log shares.
    positions = np.arange(levels) - (levels - 1) / 2  # (levels,)
    target = (mean - low) / (high - low) * (levels - 1) - (levels - 1) / 2
    # Below 0.05 levels only the two neighbours of the mean are left anyway, and the tilt would lose digits.
    width = max(spread / (high - low) * (levels - 1), 0.05)
    # This tilt leaves exp(-800) = 0 for all levels but the last, so the root lies between its two signs.
    limit = levels**2 / width**2 + 800
    logs = -(positions**2) / (2 * width**2)  # (levels,)
    tilt = _root(lambda t: _tilted(logs, positions, t) @ positions - target, limit)
    return _tilted(logs, positions, tilt)


def vote_shares(votes: Sequence[float], low: float = 1.0, high: float = 5.0, levels: int = 5) -> np.ndarray:
    """Count single listeners' votes; one between two levels counts for both, so that the mean stays.

    Args:
        votes: What each listener gave; one off the scale counts for its nearer end.
        low: Score of the lowest level, as ``high`` that of the highest.
        levels: Number of evenly spaced levels, 2 or more.

    Returns:
        Shares of shape (levels,), lowest level first, summing to 1.

    Raises:
        ValueError: If there are no votes.

    Example:
        >>> vote_shares([4, 5, 8], low=0, high=10).round(3).tolist()  # levels at 0, 2.5, 5, 7.5, 10
        [0.0, 0.133, 0.533, 0.267, 0.067]
    """
    if not len(votes):
        raise ValueError("no votes; at least one is needed")
    given = np.clip(np.asarray(votes, dtype=float), low, high)
    places = (given - low) / (high - low) * (levels - 1)  # in levels, from the lowest
    distances = np.abs(places[:, None] - np.arange(levels))  # (votes, levels)
    return np.asarray(np.maximum(0, 1 - distances).mean(axis=0))


def tilted_to(shares: np.ndarray, rubric: Rubric, mean: float) -> np.ndarray:
    """Move shares of listeners (levels,) to another mean, as little as possible: each level by the same factor a point.

    Args:
        mean: On the rubric's scale.

    Example:
        >>> from audio_judge.rubrics import get_rubric
        >>> tilted_to(np.array([0.0, 0.25, 0.5, 0.25, 0.0]), get_rubric("mos"), 3.5).round(2).tolist()
        [0.0, 0.06, 0.38, 0.56, 0.0]
    """
    values, levels = rubric.level_values, len(rubric.levels)
    if not rubric.low < mean < rubric.high:
        return np.eye(levels)[0 if mean <= rubric.low else -1]
    # A level that nobody chose could never be chosen
    logs = np.log(np.maximum(shares, 1e-9))
    step = (rubric.high - rubric.low) / (levels - 1)
    places = (values - values.mean()) / step  # (levels,), in levels around the middle
    return _tilted(logs, places, _root(lambda t: _tilted(logs, places, t) @ values - mean, 800.0))


def _root(function: Callable[[float], float], limit: float) -> float:
    """Where a function that rises from ``-limit`` to ``limit`` is 0."""
    from scipy.optimize import brentq  # its import is slow, and most scores need none

    return float(brentq(function, -limit, limit, xtol=1e-13, maxiter=500))


def _tilted(log_shares: np.ndarray, positions: np.ndarray, tilt: float) -> np.ndarray:
    # Shares times exp(tilt x), normalised, all (levels,); less the largest logit, so that no tilt overflows
    logits = log_shares + tilt * positions
    shares = np.exp(logits - logits.max())
    return shares / shares.sum()


def shares_to_score(probabilities: Sequence[float] | np.ndarray, rubric: Rubric) -> tuple[float, float]:
    """Read mean and standard deviation, on the rubric's scale, off the shares of listeners.

    Args:
        probabilities: Shares of shape (levels,), lowest level first, summing to 1.

    Raises:
        ValueError: If the number of shares is not the number of levels, or they are no shares.

    Example:
        >>> from audio_judge.rubrics import get_rubric
        >>> shares_to_score([0.0, 0.0, 0.5, 0.5, 0.0], get_rubric("mos"))
        (3.5, 0.5)
    """
    shares = np.asarray(probabilities, dtype=float)
    values = rubric.level_values
    if shares.shape != values.shape:
        raise ValueError(f"{rubric.name}: shares of shape {shares.shape} for {len(values)} levels")
    if not (shares >= 0).all() or abs(shares.sum() - 1) > 1e-3:
        raise ValueError(f"{rubric.name}: {shares.tolist()} are no shares; they are 0 or more and sum to 1")
    shares = shares / shares.sum()  # half precision sums are off by up to 1e-3
    mean = float(shares @ values)
    return mean, math.sqrt(float(shares @ (values - mean) ** 2))
