"""Digital silence around a clip, and windows of nothing else: not heard, and no time moves by it."""

import numpy as np
import pytest
import soundfile
from tiny import make_judge, tone

from audio_judge.judge.judge import AudioJudge
from audio_judge.judge.requests import Request
from audio_judge.tasks.parts import read_part

RATE = 48_000
CLICKS = {"when": {"type": "span", "instructions": "clicks"}}


def silence(seconds):
    return np.zeros(round(seconds * RATE), np.float32)


def clip(*parts):
    return np.concatenate([silence(one) if isinstance(one, float) else one for one in parts]), RATE


SOUND = tone(1.0, 300)
OTHER = tone(2.0, 1500)


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    model, processor = make_judge(tmp_path_factory.mktemp("silence"), span_size=16)
    processor.window_seconds = 2.0
    return AudioJudge(model, processor)


def scores(judgement):
    return {name: score.value for name, score in judgement.scores.items()}


class TestAround:
    PADDED = (clip(0.5, SOUND), clip(SOUND, 1.0), clip(1.0, SOUND, 0.5), clip(0.3, SOUND, 9.0))

    @pytest.mark.parametrize("padded", PADDED)
    def test_scores_are_those_of_the_sound(self, judge, padded):
        said = judge.score(padded)
        assert scores(said) == pytest.approx(scores(judge.score(clip(SOUND))), abs=1e-5)
        assert said.seconds == len(padded[0]) / RATE
        assert said.timeline == ()

    def test_in_a_file(self, judge, tmp_path):
        soundfile.write(tmp_path / "a.wav", *clip(7.0, SOUND, 3.0), subtype="FLOAT")
        assert scores(judge.score(tmp_path / "a.wav")) == pytest.approx(scores(judge.score(clip(SOUND))), abs=1e-5)

    def test_windows_are_told_in_times_of_the_clip(self, judge):
        said, bare = judge.score(clip(1.5, OTHER, SOUND, 4.0)), judge.score(clip(OTHER, SOUND))
        assert [(window.start, window.end) for window in said.timeline] == [(1.5, 3.5), (3.5, 4.5)]
        assert scores(said) == pytest.approx(scores(bare), abs=1e-5)
        for one, other in zip(judge.timeline(clip(1.5, OTHER, SOUND)), said.timeline, strict=True):
            assert one.scores == pytest.approx(other.scores, abs=1e-5)

    def test_overlapping_windows(self, judge):
        found = list(judge.timeline(clip(1.5, OTHER, SOUND, 4.0), rubrics="mos", window_seconds=2.0, hop_seconds=1.0))
        assert [(window.start, window.end) for window in found] == [(1.5, 3.5), (2.5, 4.5)]

    def test_times_of_what_is_heard(self, judge):
        bare, padded = (judge.decide(one, CLICKS)["when"] for one in (clip(SOUND), clip(1.2, SOUND, 2.0)))
        frames, step = len(bare["probabilities"]), padded["frame_seconds"]
        first = round(1.2 / step)
        assert padded["probabilities"][first : first + frames] == pytest.approx(bare["probabilities"], abs=1e-5)
        assert sum(padded["probabilities"]) == pytest.approx(sum(bare["probabilities"]), abs=1e-5)
        assert len(padded["probabilities"]) * step == pytest.approx(4.2)
        for moved, span in zip(padded["spans"], bare["spans"], strict=True):
            assert (moved["start"] - 1.2, moved["end"] - 1.2) == pytest.approx((span["start"], span["end"]), abs=step)

    def test_comparison(self, judge):
        bare, padded = (judge.compare(one, clip(OTHER), explain=False) for one in (clip(SOUND), clip(0.5, SOUND, 3.0)))
        assert padded.probabilities == pytest.approx(bare.probabilities, abs=1e-5)

    def test_words_about_a_long_clip(self, judge):
        padded, bare = judge.explain(clip(1.5, OTHER, SOUND, 4.0)), judge.explain(clip(OTHER, SOUND))
        assert read_part(padded.reasons)[1] == read_part(bare.reasons)[1]
        assert np.subtract(padded.worst, bare.worst) == pytest.approx([1.5, 1.5])

    def test_part_of_a_clip(self, judge):
        said = judge.score(Request(clip(1.0, SOUND, 1.0, OTHER), start_time=0.5, end_time=2.5))
        assert (said.seconds, scores(said)) == (2.0, pytest.approx(scores(judge.score(clip(SOUND))), abs=1e-5))

    def test_silence_is_judged_as_silence(self, judge):
        assert len(judge.score(clip(4.0)).timeline) == 2


class TestReference:
    def test_silence_of_both_is_left_out(self, judge):
        padded = judge.score(clip(0.5, SOUND, 0.5), clip(0.5, SOUND, 0.5))
        assert scores(padded) == pytest.approx(scores(judge.score(clip(SOUND), clip(SOUND))), abs=1e-5)

    @pytest.mark.parametrize("before", [0.2, 0.9])
    def test_silence_of_the_clip_alone_is_aligned_away(self, judge, before):
        said = judge.score(clip(before, SOUND, 0.5), clip(SOUND))
        assert scores(said) == pytest.approx(scores(judge.score(clip(SOUND), clip(SOUND))), abs=1e-5)
        assert said.seconds == pytest.approx(before + 1.5)

    def test_times_are_those_of_the_clip(self, judge):
        found = judge.timeline(Request(clip(0.5, OTHER, SOUND), clip(OTHER, SOUND)), rubrics="mos")
        assert [(window.start, window.end) for window in found] == [(0.5, 2.5), (2.5, 3.5)]

    def test_what_the_clip_lost_is_heard(self, judge):
        lost = OTHER.copy()
        lost[: RATE // 2] = 0
        assert scores(judge.score((lost, RATE), clip(OTHER))) != pytest.approx(
            scores(judge.score((lost[RATE // 2 :], RATE), (OTHER[RATE // 2 :], RATE))), abs=1e-5
        )


class TestWithin:
    LONG = clip(OTHER, 6.0, OTHER)

    def test_windows_of_silence_do_not_count(self, judge):
        said = judge.score(self.LONG)
        assert [(window.start, window.end) for window in said.timeline] == [(0, 2), (8, 10)]
        assert scores(said) == pytest.approx(scores(judge.score(clip(OTHER))), abs=1e-5)
        assert said.seconds == 10.0

    def test_frames_keep_their_places(self, judge):
        answer = judge.decide(self.LONG, CLICKS)["when"]
        bare = judge.decide(clip(OTHER), CLICKS)["when"]["probabilities"]
        frames = len(bare)
        assert len(answer["probabilities"]) == 5 * frames
        for heard in (answer["probabilities"][:frames], answer["probabilities"][-frames:]):
            assert heard == pytest.approx(bare, abs=1e-5)
        assert not any(answer["probabilities"][frames:-frames])

    def test_silence_shorter_than_a_window_is_heard(self, judge):
        broken = judge.score(clip(SOUND, 0.5, SOUND[: RATE // 2]))
        assert scores(broken) != pytest.approx(scores(judge.score(clip(SOUND, SOUND[: RATE // 2]))), abs=1e-5)

    def test_comparison_where_both_are_silent(self, judge):
        long, short = (judge.compare(one, one, explain=False) for one in (self.LONG, clip(OTHER)))
        assert long.probabilities == pytest.approx(short.probabilities, abs=1e-5)
