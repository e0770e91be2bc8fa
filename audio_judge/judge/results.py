"""Decided windows to results: answers, scores, judgements, preferences, verdicts on authenticity.

What made them, ``model`` and ``revision``, is added by the judge that knows it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeVar, cast

import numpy as np

from audio_judge.audio import AudioError
from audio_judge.judge import preferences
from audio_judge.judge.judgement import Authenticity, Judgement, Preference, Score, Window
from audio_judge.judge.requests import AnswerError, Pair, Reading, Request, clip_name
from audio_judge.processing_audio_judge import SpanQuestion
from audio_judge.rubrics.calibration import CalibratedRubric
from audio_judge.rubrics.rubric import Rubric, Scale, convert
from audio_judge.rubrics.shares import shares_to_score
from audio_judge.tasks import detect, faults
from audio_judge.tasks.compare import verdict

Result = TypeVar("Result", Judgement, Preference, Authenticity)


def judgement_of(reading: Reading, rubrics: Sequence[Rubric], scale: Scale | None = None) -> Judgement:
    """A finished reading as a judgement."""
    said = Judgement(clip_name(reading.request.clip))
    if reading.error is not None:
        return replace(said, error=reading.error)
    said = replace(
        said,
        seconds=reading.seconds,
        heard_seconds=reading.heard_seconds,
        warnings=tuple(reading.warnings),
        coverage=reading.coverage,
    )
    if reading.problem is not None:
        return replace(said, error=reading.problem, text=reading.windows[0].text)
    scores = {rubric.name: one for rubric in rubrics if (one := _score_in(reading, rubric, scale)) is not None}
    if rubrics and not scores:
        names = ", ".join(rubric.name for rubric in rubrics)
        return replace(said, error=f"what the judge said gives no score of {names}", text=reading.windows[0].text)
    timeline = tuple(windows_of(reading, rubrics, scale)) if len(reading.windows) > 1 else ()
    return replace(said, scores=scores, timeline=timeline)


def _score_in(reading: Reading, rubric: Rubric, scale: Scale | None) -> Score | None:
    if rubric.name in reading.windows[0].probabilities:
        return score_of(reading.mean(rubric.name), rubric, scale)
    value = reading.mean_said(rubric.name)
    return None if value is None else said_score(value, rubric, scale)


def windows_of(reading: Reading, rubrics: Sequence[Rubric], scale: Scale | None = None) -> Iterator[Window]:
    """The scores of each window that was decided."""
    for (start, end), heard in zip(reading.spans, reading.windows, strict=True):
        alone = Reading(reading.request, end - start, [(0.0, 1.0)], [heard])
        scores = {rubric.name: one.value for rubric in rubrics if (one := _score_in(alone, rubric, scale)) is not None}
        yield Window(start, end, scores)


def with_faults(
    said: Judgement, reading: Reading, questions: Sequence[Any], thresholds: Mapping[str, float] = MappingProxyType({})
) -> Judgement:
    """A judgement with the known faults that are heard: which in its worst window, as the words are about that, when in all.

    What was measured in that window is noted beside them, and names further ones. The most severe is first.

    Args:
        thresholds: Kind of fault to the probability from which it is named.
    """
    if said.error is not None or not reading.windows:
        return said
    worst = said.timeline.index(worst_window(said)) if said.timeline else 0
    facts = reading.windows[worst].facts
    first = reading.request.start_time or 0.0
    start, end = (time + first for time in reading.spans[worst])
    of_words = (start, end) if facts is not None and said.timeline else None
    said = replace(said, facts=facts, worst=of_words)
    if not questions:
        return said
    answers = {question.name: answer_of(question, reading, worst) for question in questions}
    found = faults.heard_faults(answers, thresholds)
    if facts is not None:
        found = (*(facts.noted(fault, start) for fault in found), *facts.beside)
    found = faults.by_severity(found)
    if of_words is not None:  # a fault without times of its own is heard all through its window
        found = tuple(fault if fault.spans else replace(fault, spans=(of_words,)) for fault in found)
    return replace(said, faults=found)


def preference_of(reading: Reading, rubrics: Sequence[Rubric]) -> Preference:
    """A finished reading of a pair as a preference, decided by the first rubric."""
    pair: Pair = reading.request
    said = Preference(clip_name(pair.first.clip), clip_name(pair.second.clip))
    if reading.error is not None:
        return replace(said, error=reading.error)
    said = replace(said, coverage=reading.coverage, warnings=tuple(reading.warnings))
    found = {rubric.name: preferences.preference(reading, rubric.name) for rubric in rubrics}
    shares = {name: one for name, one in found.items() if one is not None}
    if rubrics[0].name not in shares:
        silent = f"what the judge said gives no verdict on {rubrics[0].name} in both orders"
        problem = next((window.problem for window in reading.windows if window.problem is not None), silent)
        return replace(said, error=problem, text=reading.windows[0].text)
    overall = shares[rubrics[0].name]
    return replace(said, better=verdict(overall), probabilities=overall, rubrics=shares)


def authenticity_of(reading: Reading, real: int, language: str) -> Authenticity:
    """A finished reading of the question ``fake`` as a verdict; ``real`` is the place of that answer."""
    said = Authenticity(clip_name(reading.request.clip), coverage=reading.coverage)
    if reading.error is not None:
        return replace(said, error=reading.error)
    share = float(reading.mean("fake")[real])
    parts = zip(reading.spans, reading.probabilities, strict=True)
    timeline = tuple(Window(start, end, {"real": float(one["fake"][real])}) for (start, end), one in parts)
    text = detect.write(detect.Detection(is_fake=share < 0.5), language)
    timeline = timeline if len(timeline) > 1 else ()
    return replace(
        said, real=share, seconds=reading.seconds, text=text, timeline=timeline, warnings=tuple(reading.warnings)
    )


def answer_of(question: Any, reading: Reading, window: int | None = None) -> dict[str, Any]:
    """The answer to a question by all windows of a clip, or by one of them; when is always about all."""
    if not isinstance(question, SpanQuestion):
        shares = reading.mean(question.name) if window is None else reading.probabilities[window][question.name]
        return question.answer(shares.tolist())
    answer = replace(question, seconds=reading.seconds).answer(reading.joined(question.name).tolist())
    start = cast(Request, reading.request).start_time or 0.0
    moved = [span | {"start": span["start"] + start, "end": span["end"] + start} for span in answer["spans"]]
    return answer | {"spans": moved}


def score_of(shares: np.ndarray, rubric: Rubric, scale: Scale | None) -> Score:
    """A rubric's probabilities (levels,) as a score, calibrated if the rubric is, on another scale if asked."""
    if isinstance(rubric, CalibratedRubric):
        shares = rubric.calibrated_shares(shares)
    value, std = shares_to_score(shares, rubric)
    level = rubric.levels[int(shares.argmax())]
    low, high = rubric.low, rubric.high
    if scale is not None:
        value = convert(value, rubric.scale, scale)
        std *= (scale.high - scale.low) / (high - low)
        low, high = scale.low, scale.high
    by_level = dict(zip(rubric.levels, shares.tolist(), strict=True))
    return Score(rubric.name, value, std, level, by_level, low, high)


def said_score(value: float, rubric: Rubric, scale: Scale | None) -> Score:
    """A score that a judge gave in words, which says nothing of how listeners would differ."""
    level = rubric.level_of(value)
    if isinstance(rubric, CalibratedRubric):
        value = rubric.calibrated(value)
        level = rubric.level_of(value)
    if scale is None:
        return Score(rubric.name, value, None, level, {}, rubric.low, rubric.high)
    return Score(rubric.name, convert(value, rubric.scale, scale), None, level, {}, scale.low, scale.high)


def reward_of(judgement: Judgement, rubrics: Sequence[Rubric]) -> float:
    """The mean goodness, 0 to 1, of a judgement's scores; 0 if one is missing."""
    if not all(rubric.name in judgement.scores for rubric in rubrics):
        return 0.0
    values = [rubric.goodness(np.clip(judgement[rubric.name].value, rubric.low, rubric.high)) for rubric in rubrics]
    return float(np.mean(values))


def values_of(judgement: Judgement) -> dict[str, float]:
    """Rubric name to expected score, without spread and level."""
    return {name: score.value for name, score in judgement.scores.items()}


def worst_window(judgement: Judgement) -> Window:
    """The window of a long clip with the lowest overall score; the first one if none has such a score."""
    return min(judgement.timeline, key=lambda window: window.scores.get("mos", np.inf))


def unwrapped(results: Sequence[Result]) -> Result:
    """The only result of a single request.

    Raises:
        AudioError: If there is an error in its place; in a list it would stay with its clip.
        AnswerError: If that is what the judge said, which cannot be read.
    """
    (result,) = results
    if result.error is not None:
        raise (AudioError if result.text is None else AnswerError)(result.error)
    return result
