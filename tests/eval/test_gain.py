"""What was taught is kept only where it is shown to help."""

import numpy as np
import pytest

from audio_judge.clips import RatedClip, Rating
from audio_judge.eval.gain import measure_gain
from audio_judge.eval.metrics import listener_ceiling


def rated(count, **more):
    means = 1 + 4 * np.random.default_rng(0).random(count)
    return [RatedClip(f"{k}.wav", {"mos": Rating(float(mean), **more)}, "test", "own") for k, mean in enumerate(means)]


def said(clips, noise, shift=0.0, seed=1):
    rng = np.random.default_rng(seed)
    return [{"mos": float(clip.ratings["mos"].value + shift + noise * rng.standard_normal())} for clip in clips]


class TestMeasureGain:
    def test_a_clear_gain_is_kept(self):
        clips = rated(40)
        gain = measure_gain(clips, said(clips, 1.0), said(clips, 0.2), resamples=200)
        assert gain.is_better
        value, low, high = gain.rubrics["mos"]["PCC"]["difference"]
        assert 0 < low < value < high

    def test_a_scale_that_is_right_now_is_a_gain(self):
        clips = rated(40)
        gain = measure_gain(clips, said(clips, 0.2, shift=1.0), said(clips, 0.2), resamples=200)
        assert gain.is_better
        assert gain.rubrics["mos"]["PCC"]["difference"][0] == pytest.approx(0, abs=1e-6)

    def test_a_better_mean_does_not_make_up_for_a_lost_order(self):
        clips = rated(40)
        assert not measure_gain(clips, said(clips, 0.3, shift=2.0), said(clips, 0.6, seed=2), resamples=200).is_better

    def test_what_could_be_chance_is_not_kept(self):
        clips = rated(40)
        assert not measure_gain(clips, said(clips, 0.5), said(clips, 0.5, seed=2), resamples=200).is_better

    def test_eight_clips_show_nothing(self):
        clips = rated(8)
        gain = measure_gain(clips, said(clips, 1.0), said(clips, 0.0), resamples=200)
        assert not gain.is_better
        assert gain.rubrics["mos"]["PCC"]["after"] == [1.0, None, None]
        assert "[" not in gain.table()

    def test_a_rubric_of_two_clips_has_no_correlation(self):
        clips = rated(2)
        assert measure_gain(clips, said(clips, 0.1), said(clips, 0.1)).rubrics["mos"]["PCC"]["before"][0] is None

    def test_a_missing_score_costs(self):
        clips = rated(20)
        before = said(clips, 0.1)
        gain = measure_gain(clips, before, [{}, *before[1:]], resamples=50)
        assert gain.rubrics["mos"]["MAE"]["difference"][0] > 0

    def test_ceiling_needs_spread_and_number(self):
        plain, voted = rated(20), rated(20, std=1.0, votes=4)
        assert measure_gain(plain, said(plain, 0), said(plain, 0), resamples=50).rubrics["mos"]["ceiling"] is None
        assert 0.8 < measure_gain(voted, said(voted, 0), said(voted, 0), resamples=50).rubrics["mos"]["ceiling"] < 1


class TestListenerCeiling:
    def test_votes_that_are_all_noise_leave_nothing(self):
        assert listener_ceiling([2.9, 3.0, 3.1], [1.0, 1.0, 1.0], [2, 2, 2]) == 0

    def test_is_about_what_more_listeners_would_say(self):
        rng = np.random.default_rng(0)
        true = rng.normal(3, 0.6, 2000)
        votes = true[:, None] + rng.normal(0, 1.0, (2000, 5))
        found = listener_ceiling(votes.mean(1), votes.std(1, ddof=1), [5] * 2000)
        assert found == pytest.approx(np.corrcoef(votes.mean(1), true)[0, 1], abs=0.01)
