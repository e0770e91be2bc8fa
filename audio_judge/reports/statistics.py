"""How sure figures over clips are: bootstrapped means, and one system against another, clip by clip or as two groups.

Plain functions of numbers; which rows they come from is the business of ``reports.scores`` and ``reports.systems``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

# Leads that only rounding makes are none, and must not spoil the ties of a rank test
_DECIMALS = 6


@dataclass(frozen=True)
class Contrast:
    """One system against another.

    Args:
        counts: Clips of the first and of the second that count; the number of pairs, twice, if they are paired.
        is_paired: Whether the same clips of both are compared.
        wins: Pairs in which the first is better; None if there are no pairs, or it is not known.
        ties: Pairs in which neither is.
        losses: Pairs in which the second is better.
        difference: Mean lead of the first; above 0 it is better. None of no clips.
        low: Lower end of its 95 % percentile bootstrap interval; None for fewer than two pairs, or clips of a system.
        high: Upper end.
        p: Two-sided, of the Wilcoxon signed-rank test of the pairs, else of the Mann-Whitney U test; None where there is no
            interval.
    """

    counts: tuple[int, int]
    is_paired: bool
    wins: int | None = None
    ties: int | None = None
    losses: int | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None


def paired(
    leads: Sequence[float], *, margin: float = 0.0, wins: tuple[int, int, int] | None = None, seed: int = 0, **how: int
) -> Contrast:
    """Compare two systems by pairs of clips.

    Args:
        leads: How far the first system is ahead in each pair.
        margin: Leads smaller than that are ties.
        wins: Wins, ties and losses, if they are no matter of leads.
        seed: Of the bootstrap.
        **how: ``resamples`` of the bootstrap.

    Example:
        >>> found = paired([0.5, 0.25, -0.5, 0.05, 0.7], margin=0.1)
        >>> found.wins, found.ties, found.losses, found.difference, found.p
        (3, 1, 1, 0.2, 0.375)
    """
    values = np.round(np.asarray(leads, dtype=np.float64), _DECIMALS)
    count = len(values)
    if count == 0:
        return Contrast((0, 0), is_paired=True)
    bound = max(round(margin, _DECIMALS), 10.0**-_DECIMALS)
    above, below = int((values >= bound).sum()), int((values <= -bound).sum())
    won, tied, lost = (above, count - above - below, below) if wins is None else wins
    low, high = middle(resampled_means(values, seed=seed, **how)) or (None, None)
    p = None if count < 2 else float(stats.wilcoxon(values).pvalue) if values.any() else 1.0
    return Contrast((count, count), True, won, tied, lost, float(np.round(values.mean(), _DECIMALS)), low, high, p)


def unpaired(first: Sequence[float], second: Sequence[float], *, seed: int = 0, **how: int) -> Contrast:
    """Compare two systems by clips that have nothing to do with each other.

    Args:
        first: How good the clips of the first system are.
        second: How good those of the second are, on the same scale.
        seed: Of the bootstrap.
        **how: ``resamples`` of the bootstrap.

    Example:
        >>> found = unpaired([3.0, 4.0, 5.0], [1.0, 2.0])
        >>> found.counts, found.wins, found.difference, found.p
        ((3, 2), None, 2.5, 0.2)
    """
    ours, theirs = (np.round(np.asarray(values, dtype=np.float64), _DECIMALS) for values in (first, second))
    counts = len(ours), len(theirs)
    if 0 in counts:
        return Contrast(counts, is_paired=False)
    difference = float(np.round(ours.mean() - theirs.mean(), _DECIMALS))
    # Drawn apart from each other, as the clips were
    drawn = [resampled_means(ours, seed=seed, **how), resampled_means(theirs, seed=seed + 1, **how)]
    if drawn[0] is None or drawn[1] is None:
        return Contrast(counts, is_paired=False, difference=difference)
    low, high = middle(drawn[0] - drawn[1]) or (None, None)
    p = float(stats.mannwhitneyu(ours, theirs).pvalue)
    return Contrast(counts, is_paired=False, difference=difference, low=low, high=high, p=p)


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Adjust p-values of several tests, so that at most one in twenty such families finds below .05 what is not there (Holm 1979).

    Example:
        >>> holm([0.01, 0.04, None, 0.03])
        [0.03, 0.06, None, 0.06]
    """
    known = sorted((value, place) for place, value in enumerate(values) if value is not None)
    adjusted: list[float | None] = [None] * len(values)
    highest = 0.0
    for rank, (value, place) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * value))
        adjusted[place] = highest
    return adjusted


def resampled_means(values: np.ndarray, *, resamples: int = 1000, seed: int = 0) -> np.ndarray | None:
    """Draw means of bootstrap samples.

    Args:
        values: Finite numbers (values,).
        resamples: How many samples.
        seed: Of the drawing.

    Returns:
        Means (resamples,); None for fewer than two values, which say nothing about their spread.

    Example:
        >>> resampled_means(np.array([3.0, 3.0]), resamples=2)
        array([3., 3.])
    """
    if len(values) < 2:
        return None
    # As many at a time as keep the drawn values below 80 MB
    batch = max(1, min(resamples, 10_000_000 // len(values)))
    drawn = stats.bootstrap(
        (np.asarray(values, dtype=np.float64),),
        np.mean,
        n_resamples=resamples,
        batch=batch,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return drawn.bootstrap_distribution


def middle(means: np.ndarray | None) -> tuple[float, float] | None:
    """The interval (low, high) that holds the middle 95 % of the drawn values (resamples,); None of none.

    Example:
        >>> middle(np.arange(101.0))
        (2.5, 97.5)
    """
    if means is None:
        return None
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
