"""Accuracy of answers in words: on ordered levels, such as the five words for the rate of speech, and of names without an order."""

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
    return {"ACC_within_one": float((np.abs(given - truth) <= 1).mean())} | _accuracy(given == truth, truth, given >= 0)


@metric("names", ACC=True, balanced_ACC=True)
def name_accuracy(predictions: Sequence[str | None], references: Sequence[str]) -> dict[str, float]:
    """Measure how often a judge gives the right name, such as that of an emotion or a gender; a missing one is wrong.

    Args:
        predictions: Names, in any case; None where missing.

    Returns:
        ``ACC, balanced_ACC, ACC_answered, coverage, n, n_answered``, as of ``category_accuracy``.

    Example:
        >>> name_accuracy(["Happy", None, "neutral"], ["happy", "sad", "neutral"])["ACC"]
        0.6666666666666666
    """
    check_lengths(predictions=predictions, references=references)
    truth = np.array([_plain(name) for name in references])
    given = [None if name is None else _plain(name) for name in predictions]
    answered = np.array([bool(name) for name in given])
    return _accuracy(np.array([name == known for name, known in zip(given, truth, strict=True)]), truth, answered)


def _plain(name: str) -> str:
    return " ".join(name.casefold().split())


def _accuracy(right: np.ndarray, truth: np.ndarray, answered: np.ndarray) -> dict[str, float]:
    known = np.unique(truth)  # what is true of nothing has no accuracy
    return {
        "ACC": float(right.mean()),
        "balanced_ACC": float(np.mean([right[truth == name].mean() for name in known])),
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
