"""Detection of fake speech: equal error rate, minimum detection cost and accuracy.

A score is higher the more real the speech is, such as P(real). A clip is accepted as real if its score is at least the
threshold; a miss is a real clip rejected, a false alarm a fake one accepted. A missing score is on the wrong side of every
threshold: a real clip is rejected first, a fake one accepted first.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import balanced_accuracy_score, roc_curve

from .answers import as_numbers, check_lengths, coverage
from .registry import metric


def detection_metrics(
    scores: Sequence[float | None] | np.ndarray,
    is_real: Sequence[bool] | np.ndarray,
    *,
    threshold: float = 0.5,
    spoof_prior: float = 0.05,
    miss_cost: float = 1.0,
    false_alarm_cost: float = 10.0,
) -> dict[str, float]:
    """Measure how well scores tell real speech from fake.

    Args:
        scores: P(real) or another score that is higher for real speech; None or NaN where missing.
        threshold: Where the decision is made for the accuracies.
        spoof_prior, miss_cost, false_alarm_cost: Of ``minimum_detection_cost``.

    Returns:
        ``EER``, ``minDCF``, ``ACC``, ``balanced_ACC``, 0 to 1, each also with ``_answered`` (NaN if answers are all of one
        kind); ``coverage``, ``n``, ``n_answered``.

    Raises:
        ValueError: If one kind is missing, or a prior or cost is out of range.

    Example:
        By hand: between 0.4 and 0.6 one of two real clips is missed and one of two fakes accepted.

        >>> found = detection_metrics([0.9, 0.4, 0.6, 0.1], [True, True, False, False])
        >>> found["EER"], found["ACC"]
        (0.5, 0.5)
    """
    check_lengths(scores=scores, is_real=is_real)
    given, truth = as_numbers(scores), np.asarray(is_real, dtype=bool)
    costs = (spoof_prior, miss_cost, false_alarm_cost)
    answered = ~np.isnan(given)
    filled = _fill(given, truth)
    # A filled-in score is on the wrong side of the other scores, but not always of this threshold
    decided = np.where(answered, filled >= threshold, ~truth)
    result = _figures(filled, truth, decided, costs)
    partial = result
    if not answered.all():
        partial = dict.fromkeys(result, np.nan)  # error rates need clips of both kinds
        if len(set(truth[answered])) == 2:
            partial = _figures(given[answered], truth[answered], decided[answered], costs)
    return result | {f"{name}_answered": value for name, value in partial.items()} | coverage(answered)


@metric("is_real", EER=False, minDCF=False, ACC=True, balanced_ACC=True)
def detection_where_defined(scores: Sequence[float | None], is_real: Sequence[bool]) -> dict[str, float]:
    """Give ``detection_metrics``, or NaN for clips of one kind, as a resample may be, for which no error rate is defined."""
    if len(set(np.asarray(is_real, dtype=bool).tolist())) < 2:
        return dict.fromkeys(("EER", "minDCF", "ACC", "balanced_ACC"), np.nan)
    return detection_metrics(scores, is_real)


def equal_error_rate(scores: Sequence[float | None] | np.ndarray, is_real: Sequence[bool] | np.ndarray) -> float:
    """Find the mean of both error rates at the threshold where they differ least; the highest of equal ones.

    Returns:
        0 (perfect) to 1.

    Example:
        By hand: from 0.31 to 0.4 one of three real clips is missed and one of three fakes accepted.

        >>> round(equal_error_rate([0.9, 0.8, 0.3, 0.4, 0.2, 0.1], [True, True, True, False, False, False]), 4)
        0.3333
    """
    misses, false_alarms = error_rates(scores, is_real)
    # Rounded, so that equal distances do not hang on the last bit
    place = int(np.argmin(np.round(np.abs(misses - false_alarms), 12)))
    return float((misses[place] + false_alarms[place]) / 2)


def minimum_detection_cost(
    scores: Sequence[float | None] | np.ndarray,
    is_real: Sequence[bool] | np.ndarray,
    *,
    spoof_prior: float = 0.05,
    miss_cost: float = 1.0,
    false_alarm_cost: float = 10.0,
) -> float:
    """Find the least cost over all thresholds, as a share of that of the better constant answer (ASVspoof 5, track 1).

    The cost is ``miss_cost * (1 - spoof_prior) * P(miss) + false_alarm_cost * spoof_prior * P(false alarm)``.

    Args:
        spoof_prior: Assumed share of fakes (Pspoof), between 0 and 1.
        miss_cost: Cost of rejecting a real clip (Cmiss), above 0.
        false_alarm_cost: Cost of accepting a fake one (Cfa), above 0.

    Returns:
        0 (perfect) to 1 (no better than accepting or rejecting everything).

    Raises:
        ValueError: If one kind is missing, or a prior or cost is out of range.

    Example:
        By hand: 0.95 * P(miss) + 0.5 * P(false alarm), over 0.5; best is no miss, one false alarm of three.

        >>> round(minimum_detection_cost([0.9, 0.8, 0.3, 0.4, 0.2, 0.1], [True, True, True, False, False, False]), 4)
        0.3333
    """
    if not 0 < spoof_prior < 1 or miss_cost <= 0 or false_alarm_cost <= 0:
        shown = f"spoof_prior {spoof_prior}, miss_cost {miss_cost}, false_alarm_cost {false_alarm_cost}"
        raise ValueError(f"{shown}; a prior between 0 and 1 and costs above 0 are needed")
    misses, false_alarms = error_rates(scores, is_real)
    of_miss, of_false_alarm = miss_cost * (1 - spoof_prior), false_alarm_cost * spoof_prior
    return float(np.min(of_miss * misses + of_false_alarm * false_alarms) / min(of_miss, of_false_alarm))


def error_rates(
    scores: Sequence[float | None] | np.ndarray, is_real: Sequence[bool] | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """List both error rates at every threshold, from rejecting everything to accepting everything.

    Returns:
        Shares of real clips rejected and of fakes accepted, each of shape (thresholds,), highest threshold first.

    Raises:
        ValueError: If one kind is missing.
    """
    check_lengths(scores=scores, is_real=is_real)
    truth = np.asarray(is_real, dtype=bool)
    if truth.all() or not truth.any():
        raise ValueError(f"all {len(truth)} clips are {'real' if truth.all() else 'fake'}; both kinds are needed")
    # Every threshold: those on a straight line of the ROC, which sklearn leaves out, may be where the rates meet
    accepted_fakes, accepted_reals, _ = roc_curve(truth, _fill(as_numbers(scores), truth), drop_intermediate=False)
    return 1 - accepted_reals, accepted_fakes


def _fill(scores: np.ndarray, is_real: np.ndarray) -> np.ndarray:
    missing = np.isnan(scores)
    if not missing.any():
        return scores
    known = scores[~missing] if not missing.all() else np.zeros(1)
    # Beyond all others, at the end where it is wrong
    return np.where(missing, np.where(is_real, known.min() - 1, known.max() + 1), scores)


def _figures(
    scores: np.ndarray, is_real: np.ndarray, decided: np.ndarray, costs: tuple[float, float, float]
) -> dict[str, float]:
    prior, miss, false_alarm = costs
    return {
        "EER": equal_error_rate(scores, is_real),
        "minDCF": minimum_detection_cost(
            scores, is_real, spoof_prior=prior, miss_cost=miss, false_alarm_cost=false_alarm
        ),
        "ACC": float(np.mean(decided == is_real)),
        "balanced_ACC": float(balanced_accuracy_score(is_real, decided)),
    }
