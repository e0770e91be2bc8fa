"""Words about a clip of several windows say which one they are about, in text and in rows."""

import numpy as np
import pytest
from tiny import make_judge, tone

from audio_judge.clips import Cause
from audio_judge.judge.drafts import assessment, explanation, suggestions
from audio_judge.judge.judge import AudioJudge
from audio_judge.judge.requests import Request
from audio_judge.languages import LANGUAGES
from audio_judge.tasks import Assessment, assess, explain, suggest
from audio_judge.tasks.parts import read_part, write_part

LONG = (np.concatenate([tone(7, 300), tone(6, 1200)]), 48_000)
SCORES = {"mos": 2.44, "noisiness": 1.8, "coloration": 3.0, "discontinuity": 4.0, "loudness": 5.0}
TASKS = ("explain", "assess", "suggest")


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    model, processor = make_judge(tmp_path_factory.mktemp("when"), span_size=16)
    processor.trained_faults = True
    return AudioJudge(model, processor)


@pytest.fixture(scope="module")
def said(judge):
    return {task: getattr(judge, task)(LONG, max_new_tokens=4) for task in TASKS}


@pytest.mark.parametrize("language", LANGUAGES)
class TestText:
    @pytest.mark.parametrize("times", [(0.0, 6.0), (840.0, 900.0), (3599.0, 7260.0)])
    def test_times_are_read_back(self, language, times):
        assert read_part(write_part(*times, language) + "…") == (times, "…")

    def test_explanation_parses_as_without(self, language):
        causes = [Cause("jitter")]
        plain = explanation(SCORES, False, language, causes)
        timed = explanation(SCORES, False, language, causes, when=(840.0, 900.0))
        text = timed.finish("").text
        for strict in (True, False):
            found = explain.parse(text, strict=strict, language=language)
            assert found == explain.parse(plain.finish("").text, strict=strict, language=language)
        when, words = read_part(timed.finish("").words)
        assert (when, words) == ((840.0, 900.0), plain.finish("").words)

    def test_assessment_and_suggestions_parse(self, language):
        target = Assessment({"mos": 2.0, "distortion": 1.5})
        text = assessment(target, False, language, when=(6.0, 12.0)).finish("").text
        found = assess.parse(text, strict=True, language=language)
        assert found.scores == target.scores
        assert read_part(found.answer)[0] == (6.0, 12.0)
        text = suggestions(target, language, when=(6.0, 12.0)).finish("").text
        for strict in (True, False):
            first, *others = suggest.parse(text, strict=strict, language=language).suggestions
            assert read_part(first)[0] == (6.0, 12.0)
            assert all(read_part(one)[0] is None for one in others)


class TestRow:
    @pytest.mark.parametrize("task", TASKS)
    def test_has_the_worst_window_and_the_times_of_faults(self, said, task):
        worst = min(said[task].timeline, key=lambda window: window.scores["mos"])
        row = said[task].to_dict()
        assert (row["worst_start"], row["worst_end"]) == pytest.approx((worst.start, worst.end), abs=1e-3)
        assert all(fault["spans"] for fault in row["faults"])
        assert {"worst_start", "worst_end", "faults"} <= said[task].to_row().keys()

    @pytest.mark.parametrize("task", TASKS)
    def test_words_begin_with_it(self, said, task):
        words = said[task].suggestions[0] if task == "suggest" else said[task].reasons
        when, rest = read_part(words)
        assert when == (np.floor(said[task].worst[0]), np.ceil(said[task].worst[1]))
        assert rest

    def test_of_a_part_of_a_clip_times_are_those_of_the_clip(self, judge):
        (said,) = judge.explain([Request(LONG, start_time=0.5)], max_new_tokens=4)
        worst = min(said.timeline, key=lambda window: window.scores["mos"])
        assert said.worst[0] == pytest.approx(worst.start + 0.5)

    def test_of_one_window_there_is_none(self, judge):
        said = judge.explain((tone(2), 48_000), max_new_tokens=4)
        assert said.worst is None
        assert "worst_start" not in said.to_dict()
        assert read_part(said.reasons)[0] is None

    def test_of_scores_alone_there_is_none(self, judge):
        assert "worst_start" not in judge.score(LONG).to_dict()
