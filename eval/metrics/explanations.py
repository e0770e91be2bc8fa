"""Explanations: do they name the true causes, in more than one sentence, in keeping with the number, at the right time?

A fluent explanation that is the same for every clip looks good one at a time. ``cause_faithfulness`` compares it with what
it would score if dealt to a random other clip, and ``diversity`` shows how often it was said.
"""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from audio_judge.clips import shared_time
from audio_judge.rubrics.rubric import Rubric, get_rubric
from audio_judge.tasks import categorize
from audio_judge.tasks.common import ParseError

from .answers import as_numbers, check_lengths, coverage
from .registry import metric

Span = tuple[float, float]


@metric(
    "answers",
    has_interval=False,
    distinct_1=True,
    distinct_2=True,
    distinct_3=True,
    self_BLEU=False,
    top_text_share=False,
    top_sentence_share=False,
)
def diversity(texts: Sequence[str | None], *, most: int = 100, seed: int = 0) -> dict[str, float | str]:
    """Measure how much texts differ from each other; give reasons only, as numbers before them always differ.

    Args:
        texts: Reasons, None where missing; missing ones are left out, see ``coverage``.
        most: Self-BLEU compares each of at most so many texts, drawn at random, with the others.

    Returns:
        ``distinct_1`` to ``distinct_3``: different runs of words over all runs; ``self_BLEU``, the mean BLEU of a text
        against the others (100: all the same); ``top_text_share`` and ``top_sentence_share``, the share of texts that are,
        or contain, the most common one; ``top_sentence`` itself; ``coverage``, ``n``, ``n_answered``. NaN without texts.

    Example:
        By hand: 3 different words of 6; one of three texts differs.

        >>> found = diversity(["It hums.", "It hums.", "It buzzes."])
        >>> found["distinct_1"], round(found["top_sentence_share"], 3), found["top_sentence"]
        (0.5, 0.667, 'it hums')
    """
    check_lengths(texts=texts)
    given = [text for text in texts if text is not None]
    words = [re.findall(r"\w+(?:['’-]\w+)*", text.casefold()) for text in given]
    result: dict[str, float | str] = {f"distinct_{length}": _distinct(words, length) for length in range(1, 4)}
    whole = Counter(" ".join(text.casefold().split()) for text in given)
    sentences = Counter(sentence for text in given for sentence in set(_sentences(text)))
    top, count = sentences.most_common(1)[0] if sentences else ("", np.nan)
    result |= {
        "self_BLEU": _self_bleu(given, most, seed),
        "top_text_share": whole.most_common(1)[0][1] / len(given) if given else np.nan,
        "top_sentence_share": count / len(given) if given else np.nan,
        "top_sentence": top,
    }
    return result | coverage([text is not None for text in texts])


@metric("answers_and_scores", word_match=True, word_match_within_one=True, sign_match=True)
def words_match_number(
    texts: Sequence[str | None], scores: Sequence[float | None], rubric: str | Rubric
) -> dict[str, float]:
    """Measure whether the level named in words is that of the number beside it; a text without a level does not match.

    The level is that of the last sentence that names just one and does not deny it, as the verdict comes last.

    Args:
        scores: Numbers given with them, on the rubric's scale; None where missing.

    Returns:
        ``word_match`` (same level), ``word_match_within_one`` level, ``sign_match`` (both on the same side of the middle, or
        one of them in it), each also with ``_answered``; ``coverage`` of clips with a word and a number, ``n``, ``n_answered``.

    Raises:
        ValueError: If a number is off the scale.

    Example:
        By hand: 1.8 is poor, 4.2 is good and above the middle, where poor is not.

        >>> found = words_match_number(["The quality is poor.", "So the quality is poor."], [1.8, 4.2], "mos")
        >>> found["word_match"], found["sign_match"]
        (0.5, 0.5)
    """
    check_lengths(texts=texts, scores=scores)
    chosen = get_rubric(rubric)
    places = {level: place for place, level in enumerate(chosen.levels)}
    middle = (len(places) - 1) / 2
    rows, answered = [], []
    for text, score in zip(texts, as_numbers(scores).tolist(), strict=True):
        level = None if text is None or np.isnan(score) else named_level(text, chosen)
        answered.append(level is not None)
        if level is None:
            rows.append((False, False, False))
            continue
        word, number = places[level], places[chosen.level_of(score)]
        # In the middle, the product is 0: neither side contradicts it
        rows.append((word == number, abs(word - number) <= 1, (word - middle) * (number - middle) >= 0))
    matches, kept = np.array(rows, dtype=float), np.array(answered)  # (clips, 3), (clips,)
    means = matches[kept].mean(axis=0) if kept.any() else np.full(3, np.nan)
    names = ("word_match", "word_match_within_one", "sign_match")
    result = {name: float(value) for name, value in zip(names, matches.mean(axis=0), strict=True)}
    return result | {f"{n}_answered": float(value) for n, value in zip(names, means, strict=True)} | coverage(answered)


def named_level(text: str, rubric: str | Rubric) -> str | None:
    """Find the level that the last sentence with just one, undenied, names.

    Example:
        >>> named_level("The voice is good. So the quality as a whole is poor.", "mos")
        'poor'
    """
    for sentence in reversed(_sentences(text)):
        try:
            return categorize.parse(sentence, rubric).level
        except ParseError:
            continue
    return None


@metric("spans", IoU=True, onset_error=False, span_recall=True)
def span_overlap(
    predictions: Sequence[Sequence[Span] | None], references: Sequence[Sequence[Span]]
) -> dict[str, float]:
    """Measure whether faults are placed at the right time; a clip without an answer has overlap 0.

    Args:
        predictions: (start, end) in seconds per clip, None where missing; an empty list says nothing happens.
        references: True spans per clip. A ``Cause`` without spans lasts throughout: give (0, length).

    Returns:
        ``IoU``, the mean over clips of seconds in both over seconds in either (1 if both are empty), and ``IoU_answered``;
        ``onset_error`` in seconds, the mean over spans paired to overlap most (pairs that do not overlap are none), NaN if
        no pair is; ``span_recall``, the share of true spans that were paired; ``coverage``, ``n``, ``n_answered``.

    Raises:
        ValueError: If a span does not run forward.

    Example:
        By hand: 1 s in both, 3 s in either, begun 1 s late.

        >>> found = span_overlap([[(1.0, 3.0)]], [[(0.0, 2.0)]])
        >>> round(found["IoU"], 3), found["onset_error"], found["span_recall"]
        (0.333, 1.0, 1.0)
    """
    check_lengths(predictions=predictions, references=references)
    for number, spans in enumerate([*predictions, *references]):
        for start, end in spans or ():
            if not 0 <= start < end:
                raise ValueError(
                    f"item {number % len(references)}: span {start} to {end} s; 0 <= start < end is needed"
                )
    answered = np.array([spans is not None for spans in predictions])
    pairs = list(zip(predictions, references, strict=True))
    shares = np.array([0.0 if given is None else _union_overlap(given, truth) for given, truth in pairs])
    onsets = [error for given, truth in pairs if given for error in _onset_errors(given, truth)]
    count = sum(len(spans) for spans in references)
    return {
        "IoU": float(shares.mean()),
        "IoU_answered": float(shares[answered].mean()) if answered.any() else np.nan,
        "onset_error": float(np.mean(onsets)) if onsets else np.nan,
        "span_recall": len(onsets) / count if count else np.nan,
    } | coverage(answered)


@metric("own_words", own_words=True)
def own_words_share(own: Sequence[bool | None]) -> dict[str, float]:
    """Measure the share of answers in the judge's own words; the others are sentences made of its scores."""
    # Resampling makes numpy's truth values of them, which are not `True`
    return {"own_words": float(np.mean([one is not None and bool(one) for one in own]))}


def _sentences(text: str) -> list[str]:
    # A dot inside a number ends no sentence
    return [sentence for part in re.split(r"[.!?](?!\d)|\n", text.casefold()) if (sentence := " ".join(part.split()))]


def _distinct(texts: list[list[str]], length: int) -> float:
    runs = [run for words in texts for run in zip(*(words[start:] for start in range(length)), strict=False)]
    return len(set(runs)) / len(runs) if runs else float("nan")


def _self_bleu(texts: list[str], most: int, seed: int) -> float:
    from sacrebleu import sentence_bleu

    if len(texts) < 2:
        return float("nan")
    # Each against all others takes the square of their number
    drawn = np.random.default_rng(seed).permutation(len(texts))[:most]
    chosen = [texts[place] for place in drawn]
    return float(np.mean([sentence_bleu(text, chosen[:n] + chosen[n + 1 :]).score for n, text in enumerate(chosen)]))


def _union_overlap(given: Sequence[Span], truth: Sequence[Span]) -> float:
    shared = shared_time(given, truth)  # None if nothing happens on either side, which is agreement
    return 1.0 if shared is None else shared


def _onset_errors(given: Sequence[Span], truth: Sequence[Span]) -> list[float]:
    """Pair spans so that their overlap is largest in sum; distances of the beginnings of pairs that overlap."""
    if not truth:
        return []
    overlap = np.array([[_union_overlap([one], [other]) for other in truth] for one in given])  # (given, truth)
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    pairs = zip(rows, columns, strict=True)
    return [abs(given[row][0] - truth[column][0]) for row, column in pairs if overlap[row, column] > 0]
