"""How well descriptions and comparisons in words agree with the ratings of their clips, without any evaluator.

Only what ``tasks.claims`` reads of a text, and its stated score or preference, is counted; whether it reads well is left
out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from tqdm import tqdm

from audio_judge.batch import lines
from audio_judge.rubrics.rubric import RUBRICS
from audio_judge.tasks import ParseError, compare, describe
from audio_judge.tasks.claims import read_claims
from audio_judge.text_models.replies import GREEDY
from audio_judge.training.alld.requests import AlldRequest
from audio_judge.training.alld.samples import Collator, write_answers


def named_aspects(text: str) -> list[tuple[str, bool]]:
    """Find the aspects that a description calls good or bad, as ``read_claims`` reads it; what is in the middle is neither.

    Returns:
        Rubric and whether it is called good, in the order of the rubrics.

    Example:
        >>> named_aspects("The speech is very noisy. The loudness is just right.")
        [('noisiness', False), ('loudness', True)]
    """
    told = [claim for claim in read_claims(text) if claim.aspect in describe.META_KEYS and claim.aspect != "mos"]
    found = [(claim.aspect, claim.low >= 0.5) for claim in told if claim.low >= 0.5 or claim.high <= 0.5]
    return sorted(found, key=lambda pair: list(RUBRICS).index(pair[0]))


@dataclass(frozen=True)
class Answer:
    """What one text got right.

    Args:
        task: ``describe`` or ``compare``.
        is_readable: Whether the text states a score, or a preference.
        error: Stated minus rated overall score; None for a comparison or an unreadable text.
        is_preferred: Whether the preference agrees with the ratings; None for a description or an unreadable text.
        aspects: Of each aspect that is called good, bad or better, whether the ratings say so.
    """

    task: str
    is_readable: bool
    error: float | None = None
    is_preferred: bool | None = None
    aspects: tuple[bool, ...] = ()


def check_answer(request: Mapping[str, Any], text: str) -> Answer:
    """Hold a description or a comparison against the ratings of its clips, as ``make_requests`` notes them.

    Example:
        >>> request = {"task": "describe", "ratings": [{"mos": 2.0, "noisiness": 1.5}]}
        >>> check_answer(request, "The speech is very noisy. The overall MOS is 2.5.")
        Answer(task='describe', is_readable=True, error=0.5, is_preferred=None, aspects=(True,))
    """
    task, ratings = request["task"], request["ratings"]
    try:
        if task == "describe":
            said = describe.parse(text)
            named = [(ratings[0][name], good) for name, good in named_aspects(said.text) if name in ratings[0]]
            is_right = tuple(value > 3 if good else value < 3 for value, good in named)
            return Answer(task, True, said.mos - ratings[0]["mos"], None, is_right)
        verdicts = compare.parse(text).verdicts
    except ParseError:
        return Answer(task, False)
    # Any difference, of every aspect: a text may name what our own writers leave out
    truth = compare.from_scores(*ratings, gap=0.0, most=len(RUBRICS)).verdicts
    is_right = tuple(truth.get(name) == winner for name, winner in verdicts.items() if name != "mos")
    return Answer(task, True, None, verdicts["mos"] == truth["mos"], is_right)


def answer_metrics(requests: Sequence[Mapping[str, Any]], texts: Sequence[str]) -> dict[str, float | None]:
    """Measure how well texts, one per request, agree with the ratings, without any evaluator.

    Returns:
        For descriptions ``mos_mse`` (squared error of the stated overall score; ``mos_variance`` is what the mean
        rating would get), ``mos_coverage`` (share of texts that state one), ``aspect_precision`` (share of aspects
        called good or bad that are rated on that side of the middle), ``aspects_per_text``; for comparisons
        ``preference_accuracy``, ``preference_coverage``, ``verdict_precision`` and ``verdicts_per_text``. Errors and
        accuracies count readable texts only, so read them beside the coverage. None where there is nothing to count.
    """
    answers = [check_answer(request, text) for request, text in zip(requests, texts, strict=True)]
    metrics: dict[str, float | None] = {}
    for task, aspect, state in (("describe", "aspect", "mos"), ("compare", "verdict", "preference")):
        own = [answer for answer in answers if answer.task == task]
        metrics[f"{state}_coverage"] = _mean(answer.is_readable for answer in own)
        metrics[f"{aspect}_precision"] = _mean(right for answer in own for right in answer.aspects)
        metrics[f"{aspect}s_per_text"] = _mean(len(answer.aspects) for answer in own)
    metrics["mos_mse"] = _mean(answer.error**2 for answer in answers if answer.error is not None)
    metrics["preference_accuracy"] = _mean(a.is_preferred for a in answers if a.is_preferred is not None)
    rated = [request["ratings"][0]["mos"] for request in requests if request["task"] == "describe"]
    metrics["mos_variance"] = _mean((value - fmean(rated)) ** 2 for value in rated)
    return metrics


def _mean(values: Iterable[float]) -> float | None:
    numbers = list(values)
    return round(fmean(numbers), 6) if numbers else None


def evaluate_answers(
    model: Any,
    collator: Collator,
    requests: Sequence[AlldRequest],
    *,
    max_tokens: int = 192,
    batch_size: int = 8,
    out: Path | None = None,
) -> dict[str, float | None]:
    """Have a judge answer requests about validation clips greedily, and measure the answers as ``answer_metrics`` does.

    ``out`` gets the texts as JSON lines.
    """
    texts: list[str] = []
    for start in tqdm(range(0, len(requests), batch_size), desc="evaluating", disable=None):
        batch = requests[start : start + batch_size]
        texts += [text for text, _ in write_answers(model, collator, batch, replace(GREEDY, max_tokens=max_tokens))]
    if out is not None:
        rows = [{"task": r["task"], "ratings": r["ratings"], "text": t} for r, t in zip(requests, texts, strict=True)]
        lines.write(out, rows)
    return answer_metrics(requests, texts)
