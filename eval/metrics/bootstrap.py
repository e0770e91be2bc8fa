"""How sure are the figures: bootstrap confidence intervals, and a paired test between two judges.

Clips of one speaker, condition or system are not independent; give them as groups, and whole groups are drawn. For figures
per condition or system, average first (``agreement.group_means``) and draw from the means: drawn twice, a group must count
twice, which it would not if its clips were averaged afterwards.
"""

from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from scipy import stats

from .answers import check_lengths

Measure = Callable[..., Mapping[str, float]]


def confidence_intervals(
    measure: Measure,
    *columns: Sequence[Any] | np.ndarray,
    groups: Sequence[Any] | None = None,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Find the percentile bootstrap interval of every figure of a measure, all in one pass.

    Args:
        measure: Takes the columns, returns figures by name, such as a ``functools.partial`` of ``rating_agreement``.
        *columns: Predictions, references and whatever else has one item per clip.
        groups: Speaker, condition or other group of each clip; whole groups are drawn. None draws clips.
        level: Share of resamples inside the interval.

    Returns:
        Name of each figure to (low, high); NaN where a figure was undefined in a resample.

    Raises:
        ValueError: If there are fewer than two groups (or clips).

    Example:
        >>> low, high = confidence_intervals(lambda values: {"mean": np.mean(values)}, np.arange(100))["mean"]
        >>> low < 49.5 < high
        True
    """
    arrays = _arrays(columns)  # each (clips,)
    members = _members(len(arrays[0]), groups)
    names = tuple(name for name, value in measure(*arrays).items() if isinstance(value, Real))  # some are tables

    def figures(drawn: np.ndarray) -> np.ndarray:  # numbers of groups, (groups,), to (figures,)
        places = np.concatenate([members[group] for group in drawn.astype(int)])
        found = measure(*(column[places] for column in arrays))
        # What a measure cannot say of a resample, it may leave out
        return np.array([found.get(name, np.nan) for name in names], dtype=np.float64)

    # scipy draws the numbers of groups, so that one pass over the clips gives all figures
    drawn = stats.bootstrap(
        (np.arange(len(members)),),
        figures,
        vectorized=False,
        n_resamples=resamples,
        confidence_level=level,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    ends = zip(names, drawn.confidence_interval.low, drawn.confidence_interval.high, strict=True)
    return {name: (float(low), float(high)) for name, low, high in ends}


def compare_judges(
    measure: Measure,
    key: str,
    first: Sequence[Any] | np.ndarray,
    second: Sequence[Any] | np.ndarray,
    *columns: Sequence[Any] | np.ndarray,
    groups: Sequence[Any] | None = None,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, float]:
    """Test whether two judges differ in a figure on the same clips.

    The interval is a paired bootstrap of the difference; the p-value is that of a permutation test, in which the two judges
    swap their answers on random clips (or groups): twice the share of swaps with as large a difference to the smaller side,
    the observed one counted, so with 1000 resamples it cannot fall below 0.002.

    Args:
        measure: Takes predictions and the columns, returns figures by name.
        key: The figure to compare.
        *columns: References and whatever else the measure takes.
        resamples: Number of resamples and of permutations.

    Returns:
        ``first``, ``second``, ``difference`` (first less second), ``low``, ``high``, ``p_value``.

    Raises:
        ValueError: If there are fewer than two groups (or clips).
        KeyError: If the measure has no such figure.

    Example:
        >>> error = lambda predictions, references: {"MAE": np.mean(np.abs(predictions - references))}
        >>> truth = np.linspace(1, 5, 50)
        >>> found = compare_judges(error, "MAE", truth + 0.1, truth + 0.5, truth)
        >>> round(found["difference"], 3), found["p_value"] < 0.01
        (-0.4, True)
    """
    one, other, *rest = _arrays((first, second, *columns))
    members = _members(len(one), groups)

    def difference(one: np.ndarray, other: np.ndarray, *rest: np.ndarray) -> dict[str, float]:
        return {"difference": measure(one, *rest)[key] - measure(other, *rest)[key]}

    interval = confidence_intervals(
        difference, one, other, *rest, groups=groups, level=level, resamples=resamples, seed=seed
    )["difference"]
    group_of = np.empty(len(one), dtype=int)  # (clips,)
    for number, places in enumerate(members):
        group_of[places] = number

    # Each group comes as the pair (1, 0); where scipy has exchanged them, the judges exchange their answers
    def swapped(keeps: np.ndarray, _: np.ndarray) -> float:
        kept = keeps[group_of].astype(bool)
        return difference(np.where(kept, one, other), np.where(kept, other, one), *rest)["difference"]

    test = stats.permutation_test(
        (np.ones(len(members)), np.zeros(len(members))),
        swapped,
        permutation_type="samples",
        vectorized=False,
        n_resamples=resamples,
        alternative="two-sided",
        rng=np.random.default_rng(seed),
    )
    values = {"first": float(measure(one, *rest)[key]), "second": float(measure(other, *rest)[key])}
    values |= {"difference": values["first"] - values["second"], "low": interval[0], "high": interval[1]}
    return values | {"p_value": float(test.pvalue)}


def _arrays(columns: Sequence[Sequence[Any] | np.ndarray]) -> list[np.ndarray]:
    check_lengths(**{f"in column {number}": column for number, column in enumerate(columns)})
    return [_array(column) for column in columns]


def _array(column: Sequence[Any] | np.ndarray) -> np.ndarray:
    if isinstance(column, np.ndarray):
        return column
    if all(isinstance(item, int | float) for item in column):
        return np.array(column)
    array = np.empty(len(column), dtype=object)  # an item may be None, a text, a list of shares
    for place, item in enumerate(column):  # at once, lists of equal length would become a second axis
        array[place] = item
    return array


def _members(count: int, groups: Sequence[Any] | None) -> list[np.ndarray]:
    if groups is None:
        members = list(np.arange(count)[:, None])
    else:
        check_lengths(clips=range(count), groups=groups)
        by_group: dict[Any, list[int]] = {}
        for place, group in enumerate(groups):
            by_group.setdefault(group, []).append(place)
        members = [np.array(places) for places in by_group.values()]
    if len(members) < 2:
        raise ValueError(f"{len(members)} group of clips; at least two are needed to resample")
    return members
