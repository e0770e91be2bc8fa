"""The one rule for answers that are missing, used by every measure.

A judge that does not answer is not excused: its missing answer is replaced by the worst one possible, so silence never
pays. What was measured on the given answers only, as papers often do, is returned beside it under ``…_answered``, and the
share of clips with an answer under ``coverage``. Undefined figures are NaN; write them as null.

An answer is missing if it is None or NaN: unparsable, refused, or an error.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

RULE = (
    "An answer that is missing (None or NaN: unparsable, refused, or an error) is replaced by the worst one possible: the end "
    "of the scale farther from the truth, the wrong category, the wrong side of every threshold, all votes on the level "
    "that listeners chose least. Keys ending in _answered leave missing answers out; coverage is the share of answers given."
)


def as_numbers(values: Sequence[float | None] | np.ndarray) -> np.ndarray:
    """Bring numbers to an array, with NaN for a missing one.

    Returns:
        Array of shape (items,), 64-bit.

    Raises:
        ValueError: If it is no flat list, or a number is infinite.

    Example:
        >>> as_numbers([1, None, 2.5]).tolist()
        [1.0, nan, 2.5]
    """
    array = np.array(values, dtype=np.float64)  # None becomes NaN
    if array.ndim != 1:
        raise ValueError(f"numbers of shape {array.shape}; a flat list is needed")
    if np.isinf(array).any():
        raise ValueError(f"item {int(np.flatnonzero(np.isinf(array))[0])} is infinite; a number or None is needed")
    return array


def as_truth(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Bring what is known to an array (items,), 64-bit; unlike an answer, it cannot be missing.

    Raises:
        ValueError: If one is missing.
    """
    array = as_numbers(values)
    if np.isnan(array).any():
        raise ValueError(f"reference {int(np.flatnonzero(np.isnan(array))[0])} is missing; leave such items out")
    return array


def check_lengths(**columns: Sequence[Any] | np.ndarray) -> int:
    """Return the common length of columns.

    Raises:
        ValueError: If lengths differ or there is nothing.

    Example:
        >>> check_lengths(predictions=[1, 2], references=[3, 4])
        2
    """
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        shown = ", ".join(f"{length} {name}" for name, length in lengths.items())
        raise ValueError(f"{shown}; as many of each, at least one, are needed")
    return next(iter(lengths.values()))


def coverage(answered: Sequence[bool] | np.ndarray) -> dict[str, float]:
    """Count the answers.

    Example:
        >>> coverage([True, False, True, True])
        {'coverage': 0.75, 'n': 4, 'n_answered': 3}
    """
    count = int(np.sum(answered))
    return {"coverage": count / len(answered), "n": len(answered), "n_answered": count}


def fill_scores(predictions: np.ndarray, references: np.ndarray, low: float | None, high: float | None) -> np.ndarray:
    """Put the end of the scale farther from the truth where an answer is missing; the low end if both are as far.

    Args:
        predictions: Shape (items,), NaN where missing.
        low, high: Ends of the scale; needed if an answer is missing.

    Raises:
        ValueError: If an answer is missing and the ends of the scale are not given.

    Example:
        >>> fill_scores(as_numbers([None, None, 3]), as_numbers([2, 4.5, 3]), 1, 5).tolist()
        [5.0, 1.0, 3.0]
    """
    missing = np.isnan(predictions)
    if not missing.any():
        return predictions
    if low is None or high is None:
        raise ValueError(f"{int(missing.sum())} answers are missing; give low and high, the ends of the scale")
    worst = np.where(references - low >= high - references, low, high)
    return np.where(missing, worst, predictions)
