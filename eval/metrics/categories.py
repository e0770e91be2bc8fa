"""Accuracy of answers in words on ordered levels, such as the five words for the rate of speech."""

from collections.abc import Sequence

import numpy as np

from audio_judge.tasks.assess import RATES, read_rate

from .answers import check_lengths, coverage
from .registry import metric


@metric("levels", ACC=True, ACC_within_one=True, balanced_ACC=True)
def category_accuracy(
    predictions: Sequence[str | None], references: Sequence[str], categories: Sequence[str]
) -> dict[str, float]:
    """Measure how often a judge names the right level; a missing or unknown word is wrong.

    Args:
        predictions: Levels, None where missing; a word that is no level is a missing answer.
        categories: All levels, lowest first.

    Returns:
        ``ACC``; ``ACC_within_one`` level; ``balanced_ACC``, the mean over true levels, which a judge that always says the
        most common one does not win; ``ACC_answered``; ``coverage``, ``n``, ``n_answered``.

    Raises:
        ValueError: If a reference is no level.

    Example:
        By hand: low is right in 1 of 2, high in 0 of 1, one step off.

        >>> found = category_accuracy(["low", "high", "medium"], ["low", "low", "high"], ["low", "medium", "high"])
        >>> [round(found[name], 3) for name in ("ACC", "ACC_within_one", "balanced_ACC")]
        [0.333, 0.667, 0.25]
    """
    check_lengths(predictions=predictions, references=references)
    places = {category: place for place, category in enumerate(categories)}
    for number, reference in enumerate(references):
        if reference not in places:
            raise ValueError(f"reference {number} is {reference!r}; one of {', '.join(categories)} is needed")
    # A missing answer lies further off than one level from any, and so is never within one
    given = np.array([places.get(word, -len(places)) if word is not None else -len(places) for word in predictions])
    truth = np.array([places[word] for word in references])
    answered, right = given >= 0, given == truth
    known = sorted(set(truth.tolist()))  # levels that nobody gave have no accuracy
    return {
        "ACC": float(right.mean()),
        "ACC_within_one": float((np.abs(given - truth) <= 1).mean()),
        "balanced_ACC": float(np.mean([right[truth == level].mean() for level in known])),
        "ACC_answered": float(right[answered].mean()) if answered.any() else np.nan,
    } | coverage(answered)


@metric("speech_rate", ACC=True, ACC_within_one=True, balanced_ACC=True)
def speech_rate_accuracy(predictions: Sequence[str | None], references: Sequence[str]) -> dict[str, float]:
    """Measure how often a judge names the right one of five rates of speech; figures as of ``category_accuracy``.

    Args:
        predictions: Such as ``slightly fast`` or ``4/5``, read as the assess task reads them; None where missing, as is what
            cannot be read.

    Raises:
        ValueError: If a reference cannot be read.

    Example:
        >>> speech_rate_accuracy(["Suitable", "fast", "??"], ["appropriate", "slightly fast", "slow"])["ACC_within_one"]
        0.6666666666666666
    """
    for number, reference in enumerate(references):
        if not read_rate(reference):
            raise ValueError(f"reference {number} is {reference!r}; one of {', '.join(RATES)} is needed")
    read = [read_rate(word) or None if word is not None else None for word in predictions]
    return category_accuracy(read, [read_rate(word) for word in references], RATES)
