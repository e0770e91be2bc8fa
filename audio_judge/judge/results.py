"""Decided windows to results: answers, scores, preferences, judgements."""

from dataclasses import replace
from typing import Any, cast

import numpy as np

from audio_judge.judge.judgement import Judgement, Score, Window
from audio_judge.judge.requests import Reading, Request
from audio_judge.processing_audio_judge import SpanQuestion
from audio_judge.rubrics.calibration import CalibratedRubric
from audio_judge.rubrics.rubric import Rubric, Scale, convert
from audio_judge.rubrics.shares import shares_to_score


def answer_of(question: Any, reading: Reading, window: int | None = None) -> dict[str, Any]:
    """The answer to a question by all windows of a clip, or by one of them; when is always about all."""
    if not isinstance(question, SpanQuestion):
        shares = reading.mean(question.name) if window is None else reading.probabilities[window][question.name]
        return question.answer(shares.tolist())
    seconds = reading.spans[-1][1] - reading.spans[0][0]
    answer = replace(question, seconds=seconds).answer(reading.joined(question.name).tolist())
    start = cast(Request, reading.request).start_time or 0.0
    moved = [span | {"start": span["start"] + start, "end": span["end"] + start} for span in answer["spans"]]
    return answer | {"spans": moved}


def values_of(judgement: Judgement) -> dict[str, float]:
    """The values of a judgement's scores by rubric."""
    return {name: score.value for name, score in judgement.scores.items()}


def worst_window(judgement: Judgement) -> Window:
    """The window of a long clip with the lowest overall score."""
    return min(judgement.timeline, key=lambda window: window.scores["mos"])


def score_of(shares: np.ndarray, rubric: Rubric, scale: Scale | None) -> Score:
    """A rubric's probabilities (levels,) as a score, calibrated if the rubric is, on another scale if asked."""
    value, std = shares_to_score(shares, rubric)
    level = rubric.levels[int(shares.argmax())]
    low, high = rubric.low, rubric.high
    if isinstance(rubric, CalibratedRubric):
        value, std = rubric.calibrated(value), std * rubric.slope(value)
        level = rubric.level_of(value)
    if scale is not None:
        value = convert(value, rubric.scale, scale)
        std *= (scale.high - scale.low) / (high - low)
        low, high = scale.low, scale.high
    by_level = dict(zip(rubric.levels, shares.tolist(), strict=True))
    return Score(rubric.name, value, std, level, by_level, low, high)
