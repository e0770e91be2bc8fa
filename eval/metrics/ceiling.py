"""How well a judge can agree with listeners at most, whose means are not exact."""

import math
from collections.abc import Sequence

import numpy as np

from .answers import check_lengths


def listener_ceiling(means: Sequence[float], stds: Sequence[float], votes: Sequence[int]) -> float:
    """Estimate the correlation of listeners' means with what infinitely many listeners would say: nobody can do much better.

    Reliability is the share of the variance of the means that is not that of single votes, divided by their number (Winer,
    "Statistical Principles in Experimental Design", on one-way designs); the ceiling is its root.

    Args:
        means: Of each clip.
        stds: Standard deviation over its votes, n - 1.
        votes: Their number.

    Returns:
        0 to 1; NaN if all means are the same.

    Example:
        Means of variance 1, each of four votes of variance 1: 3/4 of the variance is of the clips.

        >>> round(listener_ceiling([2.0, 3.0, 4.0], [1.0, 1.0, 1.0], [4, 4, 4]), 3)
        0.866
    """
    check_lengths(means=means, stds=stds, votes=votes)
    spread = float(np.var(means, ddof=1))
    if spread <= 0:
        return math.nan
    noise = float(np.mean(np.square(stds) / np.asarray(votes)))
    return math.sqrt(max(0.0, 1 - noise / spread))
