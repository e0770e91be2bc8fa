import json
import math

import numpy as np
import pytest
from controls_stub import StubJudge, StubPeer, good_share, make_clips

from audio_judge.eval.controls import LIMITS, SUITES, run_controls
from audio_judge.eval.controls.bench import Bench
from audio_judge.eval.controls.check import check, mean_interval, not_applicable
from audio_judge.judge.judgement import Judgement


class TestCheck:
    @pytest.mark.parametrize(
        ("figure", "limit", "passed"),
        [
            (0.1, "bias", True),  # on the limit
            (0.11, "bias", False),
            (-3.0, "bias", True),  # a worse verdict is no bias
            (0.9, "wording", True),
            (0.89, "wording", False),
            (0.0, "profile", False),  # a profile that is not heeded
        ],
    )
    def test_holds_the_figure_against_the_limit(self, figure, limit, passed):
        assert check("name", figure, limit, "detail").passed is passed

    def test_figure_that_is_no_number_fails(self):
        outcome = check("name", math.nan, "bias", "no clips")
        assert (outcome.status, outcome.figure) == ("failed", None)

    def test_row_is_json_with_status_limit_and_reason(self):
        row = json.loads(json.dumps(check("name", 0.05, "bias", "x", interval=(0.0, 0.1)).to_dict(), allow_nan=False))
        assert row["status"] == "passed"
        assert row["interval"] == [0.0, 0.1]
        assert row["reason"] == LIMITS["bias"].reason


class TestNotApplicable:
    def test_is_no_pass(self):
        outcome = not_applicable("name", "bias", "why")
        assert not outcome.passed
        assert (outcome.status, outcome.detail) == ("not applicable", "why")


class TestLimits:
    def test_every_limit_has_a_reason(self):
        assert all(len(limit.reason) > 30 for limit in LIMITS.values())


class TestMeanInterval:
    def test_holds_the_mean_and_is_the_same_each_time(self):
        values = np.arange(20.0)
        low, high = mean_interval(values, seed=3)
        assert low < 9.5 < high
        assert mean_interval(values, seed=3) == (low, high)

    def test_one_value_has_none(self):
        assert mean_interval(np.ones(1)) is None


class TestBench:
    def test_points_are_good_at_the_high_end_whatever_the_scale(self, tmp_path):
        clips = make_clips(tmp_path, 3)
        bench = Bench(StubJudge(), clips, tmp_path / "bench")
        expected = [good_share(clip.path) for clip in clips]
        for name, values in bench.points(bench.paths).items():
            np.testing.assert_allclose(values, expected, atol=1e-6, err_msg=name)

    def test_clip_that_was_not_judged_is_not_a_number(self, tmp_path):
        class Refusing(StubPeer):
            def score(self, clips):
                return [Judgement(clip, error="no") if index else {"mos": 3.0} for index, clip in enumerate(clips)]

        bench = Bench(Refusing(), make_clips(tmp_path, 2), tmp_path / "bench")
        assert np.isnan(bench.points(bench.paths)["mos"]).tolist() == [False, True]

    def test_only_speech_is_chosen(self, tmp_path):
        clips = [*make_clips(tmp_path, 2), *make_clips(tmp_path, 3, "music"), *make_clips(tmp_path, 1, "silence")]
        bench = Bench(StubPeer(), clips, tmp_path / "bench")
        assert [clip.extra["content"] for clip in bench.clips] == ["speech", "speech"]
        assert len(bench.music) == 3

    def test_choice_hangs_on_the_seed_only(self, tmp_path):
        clips = make_clips(tmp_path, 8)
        chosen = [
            [clip.path for clip in Bench(StubPeer(), clips, tmp_path / str(number), seed=seed, count=4).clips]
            for number, seed in enumerate((0, 0, 1))
        ]
        assert chosen[0] == chosen[1] != chosen[2]


class TestRunControls:
    def test_unknown_suite_names_the_known_ones(self, tmp_path):
        with pytest.raises(ValueError, match="sanity, robustness, bias"):
            run_controls(StubPeer(), make_clips(tmp_path, 1), "sane")

    def test_no_speech_is_an_error(self, tmp_path):
        with pytest.raises(ValueError, match="none of them speech"):
            run_controls(StubPeer(), make_clips(tmp_path, 1, "noise"), "bias")

    @pytest.mark.parametrize("suite", SUITES)
    def test_peer_gets_the_same_checks_as_a_judge(self, tmp_path, suite):
        clips = make_clips(tmp_path, 4)
        assert [one.name for one in run_controls(StubPeer(), clips, suite)] == [
            one.name for one in run_controls(StubJudge(), clips, suite)
        ]

    def test_same_seed_same_figures(self, tmp_path):
        clips = make_clips(tmp_path, 6)
        first, second = (run_controls(StubPeer(), clips, "bias", seed=5, count=4) for _ in range(2))
        assert first == second

    def test_unanswered_clips_pass_nothing(self, tmp_path):
        class Mute(StubPeer):
            def score(self, clips):
                return [Judgement(clip, error="no") for clip in clips]

        for suite in SUITES:
            assert not any(one.passed for one in run_controls(Mute(), make_clips(tmp_path, 3), suite))
