"""Preferences between two clips: accuracy with ties, consistency when the clips are swapped, and order by scores."""

from collections.abc import Iterable, Sequence

import numpy as np

from .answers import as_numbers, as_truth, check_lengths, coverage
from .registry import metric

VERDICTS = ("A", "B", "tie")
_SWAPPED = {"A": "B", "B": "A", "tie": "tie", None: None}


@metric("preferences", ACC=True, ACC_decided=True, tie_share=None)
def preference_accuracy(predictions: Sequence[str | None], references: Sequence[str]) -> dict[str, float]:
    """Measure how often a judge prefers the clip that listeners prefer; no answer is a wrong answer.

    Ties, two rules side by side: ``ACC`` asks for the same of three verdicts, so a tie is right only where listeners tied.
    ``ACC_decided`` looks at the pairs that listeners decided, where a tie counts half, as a coin would.

    Args:
        predictions: ``A``, ``B``, ``tie``, or None where the judge gave no verdict.

    Returns:
        ``ACC``, ``ACC_decided`` (NaN if listeners tied everywhere), ``ACC_answered`` (as ``ACC``, answers only), ``n_decided``
        and ``tie_share`` among answers; ``coverage``, ``n``, ``n_answered``.

    Raises:
        ValueError: If a verdict is unknown.

    Example:
        By hand: 2 of 4 are the same; of the three decided pairs one is right, one a tie, one unanswered.

        >>> found = preference_accuracy(["A", "tie", None, "tie"], ["A", "B", "A", "tie"])
        >>> found["ACC"], found["ACC_decided"], found["coverage"]
        (0.5, 0.5, 0.75)
    """
    check_lengths(predictions=predictions, references=references)
    _check_verdicts(references, VERDICTS)
    _check_verdicts(predictions, (*VERDICTS, None))
    pairs = list(zip(predictions, references, strict=True))
    points = [1.0 if given == truth else 0.5 if given == "tie" else 0.0 for given, truth in pairs if truth != "tie"]
    answered = [(given, truth) for given, truth in pairs if given is not None]
    return {
        "ACC": _share(given == truth for given, truth in pairs),
        "ACC_decided": float(np.mean(points)) if points else np.nan,
        "ACC_answered": _share(given == truth for given, truth in answered),
        "tie_share": _share(given == "tie" for given, _ in answered),
        "n_decided": len(points),
    } | coverage([given is not None for given in predictions])


@metric("swapped", order_consistency=True, first_bias=None)
def order_consistency(original: Sequence[str | None], swapped: Sequence[str | None]) -> dict[str, float]:
    """Measure whether a judge keeps its verdict when the two clips change places; no answer is inconsistent.

    Args:
        original: Verdicts on (A, B): ``A``, ``B``, ``tie`` or None.
        swapped: Verdicts on (B, A), where ``A`` means the clip heard first, which is B.

    Returns:
        ``order_consistency``; ``first_bias``, the share of answered pairs where the clip heard first won both times, less
        that of the second (-1 to 1, 0 is fair); ``order_consistency_answered``; ``coverage`` (both answered).

    Example:
        By hand: kept, first heard both times, kept tie, unanswered.

        >>> found = order_consistency(["A", "A", "tie", "B"], ["B", "A", "tie", None])
        >>> found["order_consistency"], round(found["first_bias"], 3)
        (0.5, 0.333)
    """
    check_lengths(original=original, swapped=swapped)
    _check_verdicts((*original, *swapped), (*VERDICTS, None))
    answered = [None not in pair for pair in zip(original, swapped, strict=True)]
    both = [pair for pair, here in zip(zip(original, swapped, strict=True), answered, strict=True) if here]
    kept = sum(_SWAPPED[first] == second for first, second in both)
    return {
        "order_consistency": kept / len(original),
        "order_consistency_answered": kept / len(both) if both else np.nan,
        "first_bias": _share(pair == ("A", "A") for pair in both) - _share(pair == ("B", "B") for pair in both),
    } | coverage(answered)


@metric("scores", has_interval=False, pair_ACC=True)
def score_order_accuracy(
    predictions: Sequence[float | None] | np.ndarray, references: Sequence[float] | np.ndarray, *, gap: float = 0.0
) -> dict[str, float]:
    """Measure how often scores put two clips in the order that listeners do, over all pairs.

    Pairs whose ratings differ by no more than the gap are left out; equal scores count half; a pair with a missing score
    counts as wrong.

    Args:
        gap: Least difference of ratings that a judge should hear.

    Returns:
        ``pair_ACC`` (NaN if no pair is left), ``pair_ACC_answered``, ``n_pairs``; ``coverage``, ``n``, ``n_answered``.

    Example:
        By hand: of three pairs one is right, one wrong, one has equal scores.

        >>> score_order_accuracy([1, 1, 0], [1, 2, 1.5])["pair_ACC"]
        0.5
    """
    check_lengths(predictions=predictions, references=references)
    given, truth = as_numbers(predictions), as_truth(references)
    first, second = np.triu_indices(len(truth), 1)  # (pairs,), each pair once
    heard = np.abs(truth[first] - truth[second]) > gap
    first, second = first[heard], second[heard]
    lead, true_lead = given[first] - given[second], np.sign(truth[first] - truth[second])
    # Product of signs: 1 in the right order, 0 for equal scores, -1 in the wrong one
    credit = np.where(np.isnan(lead), 0.0, (np.sign(lead) * true_lead + 1) / 2)
    known = credit[~np.isnan(lead)]
    return {
        "pair_ACC": float(credit.mean()) if len(credit) else np.nan,
        "pair_ACC_answered": float(known.mean()) if len(known) else np.nan,
        "n_pairs": len(credit),
    } | coverage(~np.isnan(given))


def _share(values: Iterable[bool]) -> float:
    listed = list(values)
    return float(np.mean(listed)) if listed else np.nan


def _check_verdicts(verdicts: Sequence[str | None], known: Sequence[str | None]) -> None:
    for number, verdict in enumerate(verdicts):
        if verdict not in known:
            raise ValueError(f"verdict {number} is {verdict!r}; {', '.join(map(str, known))} are known")
