"""What of a clip is judged, and what a judgement says about that: channels, pauses, references that do not fit."""

import numpy as np
import pytest
import soundfile
from tiny import make_judge, tone

from audio_judge.judge.judge import AudioJudge
from audio_judge.judge.requests import Request

RATE = 48_000


def noise(seconds, seed=0, level=0.1):
    return np.random.default_rng(seed).normal(scale=level, size=round(seconds * RATE)).astype(np.float32)


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    model, processor = make_judge(tmp_path_factory.mktemp("heard"), span_size=16)
    processor.window_seconds = 2.0
    return AudioJudge(model, processor)


def scores(judgement):
    return {name: score.value for name, score in judgement.scores.items()}


class TestReference:
    def test_shorter_one_does_not_cut_the_clip(self, judge):
        clip = np.concatenate([noise(2.0), noise(3.0, seed=1, level=0.2)])
        said = judge.score((clip, RATE), (noise(2.0), RATE))
        assert [(window.start, window.end) for window in said.timeline] == [(0, 2), (2, 4), (4, 5)]
        assert (said.seconds, said.heard_seconds) == (5.0, 5.0)
        assert said.warnings == ("the reference reaches from 0.0 to 2.0 s of the clip: 3.0 s were judged without one",)

    def test_what_has_one_is_heard_with_it_and_the_rest_without(self, judge):
        clip, rest = noise(2.0), noise(2.0, seed=1)
        said = judge.score((np.concatenate([clip, rest]), RATE), (clip, RATE))
        with_one, without = judge.score((clip, RATE), (clip, RATE)), judge.score((rest, RATE))
        for window, alone in zip(said.timeline, (with_one, without), strict=True):
            assert window.scores == pytest.approx(scores(alone), abs=1e-4)

    def test_end_of_less_than_a_second_is_no_window_of_its_own(self, judge):
        said = judge.score((noise(1.9), RATE), (noise(1.5), RATE))
        assert (said.timeline, said.heard_seconds, said.warnings) == ((), 1.9, ())

    def test_unrelated_one_is_warned_about(self, judge):
        (warning,) = judge.score((noise(2.0), RATE), (noise(2.0, seed=1), RATE)).warnings
        assert "does not sound like the clip" in warning
        assert not judge.score((noise(2.0) + noise(2.0, seed=1), RATE), (noise(2.0), RATE)).warnings


class TestSilence:
    @pytest.mark.parametrize("pause", [6.0, 30.0])
    @pytest.mark.parametrize("level", [0.0, 1e-4])
    def test_pauses_move_nothing_and_are_said(self, judge, pause, level):
        voice = tone(2.0, 300)
        clip = np.concatenate([voice, noise(pause, level=level), voice])
        said = judge.score((clip, RATE))
        assert said.heard_seconds == pytest.approx(4.0, abs=0.02)
        assert said.seconds == pause + 4
        (warning,) = said.warnings
        assert warning == f"{pause:.1f} s of {pause + 4:.1f} s are silence, which was left out"

    @pytest.mark.parametrize(
        ("task", "words"),
        [
            ("explain", lambda said: said.reasons),
            ("assess", lambda said: said.reasons),
            ("suggest", lambda said: said.suggestions[0]),
            ("describe", lambda said: said.description),
        ],
    )
    def test_nothing_but_silence_gets_no_made_up_reason(self, judge, task, words):
        said = getattr(judge, task)((np.zeros(2 * RATE), RATE), language="fr")
        assert words(said) == said.text == "On n'entend rien dans l'extrait : il n'y a pas de parole à juger."
        assert not said.faults
        assert said.warnings[0].startswith("nothing sounds in it")


class TestChannels:
    def test_the_one_that_is_asked_for(self, judge):
        voice = tone(2.0, 300)
        clip = (np.stack([voice, -voice]), RATE)
        assert "silent beside channel 1" in judge.score(clip).warnings[0]
        said = judge.score(Request(clip, channel="left"))
        assert (scores(said), said.warnings) == (pytest.approx(scores(judge.score((voice, RATE)))), ())

    def test_in_comparisons(self, judge):
        voice = tone(2.0, 300)
        clip = (np.stack([voice, np.zeros_like(voice)]), RATE)
        found = judge.compare(Request(clip, channel=1), (voice, RATE), explain=False)
        assert found.probabilities == judge.compare((voice, RATE), (voice, RATE), explain=False).probabilities


class TestRows:
    def test_warnings_stand_in_every_form(self, judge):
        said = judge.score((tone(1.0, 300) * 10, RATE))
        (warning,) = said.warnings
        assert "lie beyond full scale" in warning
        assert (said.to_dict()["warnings"], said.to_row()["warnings"]) == ([warning], warning)
        assert f"warning: {warning}" in str(said)
        assert said.to_dict()["heard_seconds"] == pytest.approx(1.0, abs=1e-3)

    def test_of_a_verdict_too(self, judge):
        said = judge.detect((tone(1.0, 300) * 10, RATE))
        (warning,) = said.warnings
        assert "lie beyond full scale" in warning
        assert (said.to_dict()["warnings"], said.to_row()["warnings"]) == ([warning], warning)
        assert f"warning: {warning}" in str(said)

    def test_of_a_preference_with_the_name_of_the_clip(self, judge, tmp_path):
        soundfile.write(tmp_path / "quiet.wav", np.zeros(RATE), RATE)
        said = judge.compare(tmp_path / "quiet.wav", (tone(1.0, 300), RATE), explain=False)
        assert said.warnings == (f"{tmp_path / 'quiet.wav'}: nothing sounds in it",)
        assert (said.to_dict()["warnings"], said.to_row()["warnings"]) == ([*said.warnings], said.warnings[0])
        assert f"warning: {said.warnings[0]}" in str(said)
