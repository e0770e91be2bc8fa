"""Agreement of scores with listeners' ratings: per clip, or per condition or system after averaging over its clips.

Two conventions, both of others: groups are averaged first, then compared (the VoiceMOS challenges), and a third-order
monotonic mapping may take out what a test panel did to the scale before the error is measured (ITU-T P.1401).
A judge that always says the same has correlation 0, not an undefined one: it agrees with nobody.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.polynomial import Polynomial
from scipy import optimize, stats

from .answers import as_numbers, as_truth, check_lengths, coverage, fill_scores
from .registry import metric

# A polynomial of third order has four coefficients, which the error's degrees of freedom lose.
MAPPING_DEGREES_OF_FREEDOM = 4
# Any two points lie on a line: the correlation of two systems is 1 or -1, whatever the judge.
FEWEST = 3


@metric("scores", over_groups=True, MAE=False, MSE=False, RMSE=False, PCC=True, SRCC=True, KTAU=True)
def rating_agreement(
    predictions: Sequence[float | None] | np.ndarray,
    references: Sequence[float] | np.ndarray,
    *,
    low: float | None = None,
    high: float | None = None,
    groups: Sequence[Any] | None = None,
    third_order: bool = False,
) -> dict[str, float]:
    """Measure how scores agree with listeners' ratings; a missing score counts as the end of the scale farther away.

    Args:
        predictions: Scores, None or NaN where the judge gave none.
        references: Listeners' mean ratings, on the same scale.
        low, high: Ends of the scale; needed if a score is missing.
        groups: Condition or system of each clip: means per group are compared; None is a clip that is in none and left out.
        third_order: Whether to add ``RMSE_mapped`` and ``PCC_mapped``, after the mapping of ``third_order_mapping``.

    Returns:
        ``MAE``, ``MSE``, ``RMSE`` (all divide by n), ``PCC``, ``SRCC``, ``KTAU`` (tau-b), each also with ``_answered``;
        ``coverage``, ``n``, ``n_answered`` of clips; with groups ``n_groups``. ``RMSE_mapped`` divides by n - 4.

    Raises:
        ValueError: If a reference is missing, or a score is and the scale is not given.

    Example:
        By hand: errors 0, 1, 1; for ranks 1, 2.5, 2.5 and 1, 2, 3 all are 0.866 or, tau-b, 2 / sqrt(2 * 3).

        >>> found = rating_agreement([1, 3, 3], [1, 2, 4])
        >>> round(found["MAE"], 3), round(found["SRCC"], 3), round(found["KTAU"], 3)
        (0.667, 0.866, 0.816)
        >>> rating_agreement([1, None], [1, 4], low=1, high=5)["MAE"]  # the missing one counts as 1
        1.5
    """
    check_lengths(predictions=predictions, references=references)
    given, truth = as_numbers(predictions), as_truth(references)  # (clips,)
    if groups is not None:
        check_lengths(predictions=predictions, groups=groups)
        kept = np.array([group is not None for group in groups])
        given, truth = given[kept], truth[kept]
        groups = [group for group in groups if group is not None]
        if not groups:
            raise ValueError("no clip is in a group; give each its condition or system")
    # Before groups are averaged, so that a missing answer costs its group something
    filled, answered = fill_scores(given, truth, low, high), ~np.isnan(given)
    result = _compare(*_means(filled, truth, groups), third_order)
    if answered.all():
        partial = result
    else:
        inner = None if groups is None else [group for group, here in zip(groups, answered, strict=True) if here]
        partial = _compare(*_means(given[answered], truth[answered], inner), third_order)
    result = result | {f"{name}_answered": value for name, value in partial.items()} | coverage(answered)
    return result if groups is None else result | {"n_groups": len(set(groups))}


@metric("scores", has_interval=False, RMSE_mapped=False, PCC_mapped=True)
def mapped_agreement(
    predictions: Sequence[float | None] | np.ndarray,
    references: Sequence[float] | np.ndarray,
    *,
    low: float | None = None,
    high: float | None = None,
) -> dict[str, float]:
    """Give what ``rating_agreement`` adds with ``third_order``, alone."""
    found = rating_agreement(predictions, references, low=low, high=high, third_order=True)
    return {name: found[name] for name in ("RMSE_mapped", "PCC_mapped", "n", "coverage")}


def group_means(
    predictions: Sequence[float | None] | np.ndarray,
    references: Sequence[float] | np.ndarray,
    groups: Sequence[Any],
    *,
    low: float | None = None,
    high: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Average scores and ratings per group, for plots and for drawing groups; missing scores are filled in first.

    Args:
        groups: Condition or system of each clip; None is left out.
        low, high: Ends of the scale; needed if a score is missing.

    Returns:
        Means of scores and of ratings, each of shape (groups,), groups in the order in which they first come.

    Example:
        >>> [means.tolist() for means in group_means([1, 3, 2], [2, 2, 5], ["a", "a", "b"])]
        [[2.0, 2.0], [2.0, 5.0]]
    """
    check_lengths(predictions=predictions, references=references, groups=groups)
    kept = np.array([group is not None for group in groups])
    if not kept.any():
        raise ValueError("no clip is in a group; give each its condition or system")
    truth = as_truth(references)[kept]
    filled = fill_scores(as_numbers(predictions)[kept], truth, low, high)
    return _means(filled, truth, [group for group in groups if group is not None])


def pearson_correlation(predictions: np.ndarray, references: np.ndarray) -> float:
    """Pearson's linear correlation (PCC) of two arrays (items,): 0 if all predictions are equal, NaN if all references are, or of two items.

    Example:
        >>> round(pearson_correlation(np.array([1.0, 3, 3]), np.array([1.0, 2, 4])), 4)  # 1.5 / sqrt(3) by hand
        0.7559
    """
    return _correlation(_linear, predictions, references)


def spearman_correlation(predictions: np.ndarray, references: np.ndarray) -> float:
    """Spearman's rank correlation (SRCC) of two arrays (items,), ties share their mean rank: 0 if all predictions are equal.

    Example:
        >>> round(spearman_correlation(np.array([1.0, 3, 2]), np.array([1.0, 2, 4])), 4)  # 1 - 6 * 2 / 24 by hand
        0.5
    """
    return _correlation(_linear_of_ranks, predictions, references)


def kendall_correlation(predictions: np.ndarray, references: np.ndarray) -> float:
    """Kendall's tau-b (KTAU) of two arrays (items,), which takes ties into account: 0 if all predictions are equal.

    Example:
        >>> round(kendall_correlation(np.array([1.0, 3, 2]), np.array([1.0, 2, 4])), 4)  # (2 - 1) / 3 pairs by hand
        0.3333
    """
    return _correlation(_tau, predictions, references)


def third_order_mapping(predictions: np.ndarray, references: np.ndarray) -> Polynomial:
    """Fit the third-order polynomial from scores to ratings that never falls between the lowest and the highest score.

    Least squares, as in ITU-T P.1401; where the free fit falls, the slope is held at 0 or above on 201 points.

    Args:
        predictions: Shape (items,), at least four different ones, none missing.

    Returns:
        A polynomial to be called with scores within the range it was fitted on.

    Raises:
        ValueError: If there are fewer than four different scores.

    Example:
        >>> scores = np.array([1.0, 2, 3, 4, 5])
        >>> third_order_mapping(scores, scores**3)(np.array([1.5])).round(6).tolist()  # a cubic is found exactly: 1.5 ** 3
        [3.375]
    """
    if len(np.unique(predictions)) < MAPPING_DEGREES_OF_FREEDOM:
        raise ValueError(f"{len(np.unique(predictions))} different scores; four are needed for a third-order mapping")
    # Fitted on scores brought to 0 to 1, where powers of all orders are of one size
    domain = [float(predictions.min()), float(predictions.max())]
    free = Polynomial.fit(predictions, references, 3, domain=domain, window=[0, 1])
    places = np.linspace(0, 1, 201)
    slopes = np.stack([0 * places, 1 + 0 * places, 2 * places, 3 * places**2], axis=1)  # (places, coefficients)
    if (slopes @ np.asarray(free.coef, dtype=np.float64) >= 0).all():
        return free
    powers = np.vander((predictions - domain[0]) / (domain[1] - domain[0]), 4, increasing=True)  # (items, coefficients)
    fitted = optimize.minimize(
        lambda coefficients: np.mean((powers @ coefficients - references) ** 2),
        x0=[references.mean(), 0, 0, 0],  # flat, which falls nowhere
        jac=lambda coefficients: 2 * powers.T @ (powers @ coefficients - references) / len(references),
        constraints={"type": "ineq", "fun": lambda coefficients: slopes @ coefficients, "jac": lambda _: slopes},
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 500},
    )
    if not fitted.success:
        raise ValueError(f"the mapping of {len(predictions)} scores could not be fitted: {fitted.message}")
    return Polynomial(fitted.x, domain=domain, window=[0, 1])


def _means(
    predictions: np.ndarray, references: np.ndarray, groups: Sequence[Any] | None
) -> tuple[np.ndarray, np.ndarray]:
    if groups is None or not len(groups):
        return predictions, references
    # Numbered as they come, so that means stand in the order of the data
    numbers: dict[Any, int] = {}
    places = np.array([numbers.setdefault(group, len(numbers)) for group in groups])
    counts = np.bincount(places)
    return np.bincount(places, predictions) / counts, np.bincount(places, references) / counts  # (groups,)


def _compare(predictions: np.ndarray, references: np.ndarray, third_order: bool) -> dict[str, float]:
    errors = predictions - references
    square = float(np.mean(errors**2)) if len(errors) else np.nan
    result = {
        "MAE": float(np.mean(np.abs(errors))) if len(errors) else np.nan,
        "MSE": square,
        "RMSE": float(np.sqrt(square)),
        "PCC": pearson_correlation(predictions, references),
        "SRCC": spearman_correlation(predictions, references),
        "KTAU": kendall_correlation(predictions, references),
    }
    return result | _compare_mapped(predictions, references) if third_order else result


def _compare_mapped(predictions: np.ndarray, references: np.ndarray) -> dict[str, float]:
    degrees = len(predictions) - MAPPING_DEGREES_OF_FREEDOM
    # With fewer points the cubic goes through all of them, and no error is left to speak of
    if degrees < 1 or len(np.unique(predictions)) < MAPPING_DEGREES_OF_FREEDOM:
        return {"RMSE_mapped": np.nan, "PCC_mapped": np.nan}
    mapped = third_order_mapping(predictions, references)(predictions)
    rmse = float(np.sqrt(np.sum((mapped - references) ** 2) / degrees))
    return {"RMSE_mapped": rmse, "PCC_mapped": pearson_correlation(mapped, references)}


# Not scipy's pearsonr and spearmanr: they also compute p-values, which a bootstrap of thousands of samples would wait for
def _linear(predictions: np.ndarray, references: np.ndarray) -> float:
    return float(np.corrcoef(predictions, references)[0, 1])


def _linear_of_ranks(predictions: np.ndarray, references: np.ndarray) -> float:
    return _linear(stats.rankdata(predictions), stats.rankdata(references))


def _tau(predictions: np.ndarray, references: np.ndarray) -> float:
    return float(stats.kendalltau(predictions, references).statistic)


def _correlation(
    measure: Callable[[np.ndarray, np.ndarray], float], predictions: np.ndarray, references: np.ndarray
) -> float:
    if len(references) < FEWEST or _is_constant(references):
        return float("nan")
    return 0.0 if _is_constant(predictions) else measure(predictions, references)


def _is_constant(values: np.ndarray) -> bool:
    # Means of equal numbers differ in the last bits
    return bool(np.ptp(values) <= 1e-9 * max(1.0, float(np.abs(values).max())))
