"""Calibration: do the shares a judge predicts match how listeners voted?

Shares are of shape (clips, levels), lowest level first, each clip's summing to 1. A missing prediction counts as all votes on
the level that listeners chose least, the worst answer under both measures of distance here.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import rel_entr

from .answers import check_lengths, coverage
from .registry import metric

Shares = Sequence[Sequence[float] | None] | np.ndarray


@metric("shares", needs="predicted shares and the listeners' standard deviation", KL=False, Brier=False, ECE=False)
def vote_share_agreement(
    predictions: Shares, references: Shares, *, floor: float = 1e-3, bins: int = 10
) -> dict[str, float]:
    """Measure how predicted shares of votes match those of listeners.

    Args:
        floor: Least predicted share, so that one unexpected vote does not make the divergence infinite; shares are
            normalised again.
        bins: Number of bins of equal width for ``ECE``.

    Returns:
        ``KL`` of the prediction from the listeners in nats and ``Brier``, the sum over levels of squared differences (0 to
        2), both means over clips; ``ECE``, the distance of confidence (share of a clip's likeliest level) from the listeners'
        share of that level, over bins weighted by their clips, 0 to 1; each also with ``_answered``; ``coverage``, ``n``,
        ``n_answered``.

    Raises:
        ValueError: If numbers of levels differ, or shares do not sum to 1.

    Example:
        By hand: 0.5 ln(0.5 / 0.25) + 0.5 ln(0.5 / 0.75), and 2 * 0.25 ** 2.

        >>> found = vote_share_agreement([[0.25, 0.75]], [[0.5, 0.5]])
        >>> round(found["KL"], 4), found["Brier"]
        (0.1438, 0.125)
    """
    given, truth, answered = _read(predictions, references)
    result = _distances(given, truth, floor) | {"ECE": _calibration_error(reliability(given, truth, bins=bins))}
    partial = result
    if not answered.all():
        partial = dict.fromkeys(result, np.nan)
        if answered.any():
            rows = reliability(given[answered], truth[answered], bins=bins)
            partial = _distances(given[answered], truth[answered], floor) | {"ECE": _calibration_error(rows)}
    return result | {f"{name}_answered": value for name, value in partial.items()} | coverage(answered)


def reliability(predictions: Shares, references: Shares, *, bins: int = 10) -> list[dict[str, float]]:
    """Give the points of a reliability diagram: how many listeners agree where the judge is so confident.

    Args:
        bins: Number of bins of equal width from 0 to 1, closed above.

    Returns:
        One row per bin that holds clips: ``low``, ``high``, ``n``, and the means ``confidence`` and ``agreement``.

    Raises:
        ValueError: If there is no bin, numbers of levels differ, or shares do not sum to 1.

    Example:
        >>> reliability([[0.75, 0.25]], [[0.5, 0.5]], bins=2)
        [{'low': 0.5, 'high': 1.0, 'n': 1, 'confidence': 0.75, 'agreement': 0.5}]
    """
    if bins < 1:
        raise ValueError(f"{bins} bins; at least one is needed")
    given, truth, _ = _read(predictions, references)
    top = given.argmax(axis=1)  # (clips,)
    confidence, agreement = given.max(axis=1), truth[np.arange(len(truth)), top]
    # Rounded, because a confidence on an edge should not change its bin by the last bit
    places = np.clip(np.ceil(np.round(confidence * bins, 9)).astype(int) - 1, 0, bins - 1)
    return [
        {
            "low": place / bins,
            "high": (place + 1) / bins,
            "n": int((places == place).sum()),
            "confidence": float(confidence[places == place].mean()),
            "agreement": float(agreement[places == place].mean()),
        }
        for place in np.unique(places).tolist()
    ]


def _read(predictions: Shares, references: Shares) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Check shares, and fill in missing predictions: filled predictions, references, whether answered."""
    check_lengths(predictions=predictions, references=references)
    truth = _normalised("reference", references)
    answered = np.array([row is not None and not np.isnan(np.asarray(row, dtype=float)).any() for row in predictions])
    given = np.zeros_like(truth)  # (clips, levels)
    given[np.arange(len(truth)), truth.argmin(axis=1)] = 1.0
    if answered.any():  # the worst answer stays where there is none
        rows = _normalised("prediction", [row for row, here in zip(predictions, answered, strict=True) if here])
        if rows.shape[1] != truth.shape[1]:
            raise ValueError(f"{rows.shape[1]} predicted levels, {truth.shape[1]} in references; as many are needed")
        given[answered] = rows
    return given, truth, answered


def _normalised(what: str, rows: Shares) -> np.ndarray:
    array = np.array(list(rows), dtype=np.float64)  # an array of lists cannot be converted, a list of lists can
    if array.ndim != 2:
        raise ValueError(f"{what} shares of shape {array.shape}; (clips, levels) is needed")
    sums = array.sum(axis=1)
    wrong = ~(np.abs(sums - 1) < 0.01) | (array < 0).any(axis=1)  # files round shares to a few digits
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        raise ValueError(f"{what} {place}: shares {array[place].tolist()}; none below 0 and a sum of 1 are needed")
    return array / sums[:, None]


def _distances(given: np.ndarray, truth: np.ndarray, floor: float) -> dict[str, float]:
    # Only KL needs the floor: a share of 0 where somebody voted would cost infinitely much
    floored = np.maximum(given, floor)
    floored = floored / floored.sum(axis=1, keepdims=True)
    return {
        "KL": float(rel_entr(truth, floored).sum(axis=1).mean()),
        "Brier": float(((given - truth) ** 2).sum(axis=1).mean()),
    }


def _calibration_error(rows: list[dict[str, float]]) -> float:
    total = sum(row["n"] for row in rows)
    return float(sum(row["n"] * abs(row["confidence"] - row["agreement"]) for row in rows) / total)
