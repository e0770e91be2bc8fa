"""Confidence intervals and the paired test: they hold what they promise, and respect groups."""

import math

import numpy as np
import pytest
from scipy import stats

from eval.metrics import (
    compare_judges,
    confidence_intervals,
    detection_metrics,
    group_means,
    preference_accuracy,
    rating_agreement,
    vote_share_agreement,
)


def mean(values):
    return {"mean": float(np.mean(values))}


def agreement(scores, truth):
    return rating_agreement(scores, truth, low=1, high=5)


@pytest.fixture
def ratings():
    """Ratings of 80 clips and the scores of a good judge and a bad one."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(1, 5, 80)
    good, bad = (np.clip(truth + rng.normal(0, spread, 80), 1, 5) for spread in (0.3, 1.2))
    return truth, good, bad


class TestConfidenceIntervals:
    def test_of_a_mean_as_the_normal_distribution_has_it(self):
        values = np.random.default_rng(0).normal(3, 1, 400)
        low, high = confidence_intervals(mean, values, resamples=2000)["mean"]
        expected = stats.t.interval(0.95, 399, values.mean(), stats.sem(values))
        assert (low, high) == pytest.approx(expected, abs=0.02)

    def test_level(self):
        values = np.random.default_rng(0).normal(3, 1, 100)
        wide, narrow = (confidence_intervals(mean, values, level=level, resamples=300)["mean"] for level in (0.99, 0.5))
        assert wide[0] < narrow[0] < narrow[1] < wide[1]

    def test_every_figure_at_once(self, ratings):
        truth, good, _ = ratings
        found, figures = confidence_intervals(agreement, good, truth, resamples=100), agreement(good, truth)
        assert set(found) == set(figures)
        assert all(found[name][0] <= figures[name] <= found[name][1] for name in ("MAE", "PCC", "SRCC", "coverage"))

    def test_seed(self):
        values = list(range(50))
        first, same, other = (confidence_intervals(mean, values, resamples=50, seed=seed) for seed in (1, 1, 2))
        assert first == same != other

    def test_clips_of_a_group_are_drawn_together(self):
        rng = np.random.default_rng(0)
        speakers = np.repeat(np.arange(20), 10)
        values = np.repeat(rng.normal(0, 1, 20), 10) + rng.normal(0, 0.01, 200)
        alone, grouped = (confidence_intervals(mean, values, groups=groups)["mean"] for groups in (None, speakers))
        # Ten near-copies of each value make the clips look sqrt(10) = 3.2 times surer than they are
        assert (grouped[1] - grouped[0]) / (alone[1] - alone[0]) == pytest.approx(math.sqrt(10), rel=0.15)

    def test_groups_of_different_size(self):
        found = confidence_intervals(mean, [1.0, 1.0, 1.0, 5.0], groups=["a", "a", "a", "b"], resamples=500)
        assert found["mean"] == (1.0, 5.0)

    def test_columns_with_missing_answers(self, ratings):
        truth, good, _ = ratings
        low, high = confidence_intervals(agreement, [None, *good[1:]], truth, resamples=50)["coverage"]
        assert low < 79 / 80 <= high

    def test_columns_of_words_and_of_lists(self):
        verdicts = ["A", None, "tie", "B"] * 5
        assert "ACC" in confidence_intervals(preference_accuracy, verdicts, ["A", "B"] * 10, resamples=20)
        shares = [[0.5, 0.5], None] * 5
        assert "KL" in confidence_intervals(vote_share_agreement, shares, [[0.4, 0.6]] * 10, resamples=20)

    def test_of_detection_with_every_resample_holding_both_kinds(self):
        scores = np.concatenate([np.linspace(0.3, 1, 30), np.linspace(0, 0.6, 30)])
        found = confidence_intervals(detection_metrics, scores, np.arange(60) < 30, resamples=50)
        assert 0 <= found["EER"][0] < found["EER"][1] <= 1

    def test_systems_are_drawn_from_their_means(self, ratings):
        truth, good, _ = ratings
        means = group_means(good, truth, np.repeat(np.arange(10), 8).tolist())
        low, high = confidence_intervals(agreement, *means, resamples=200)["PCC"]
        assert low <= agreement(*means)["PCC"] <= high

    @pytest.mark.parametrize("columns", [([1.0, 2.0], [1.0]), ([], [])])
    def test_lengths(self, columns):
        with pytest.raises(ValueError, match="as many of each"):
            confidence_intervals(agreement, *columns)

    def test_one_group(self):
        with pytest.raises(ValueError, match="1 group of clips; at least two"):
            confidence_intervals(mean, [1.0, 2.0], groups=["a", "a"])


class TestCompareJudges:
    def test_a_real_difference_is_found(self, ratings):
        truth, good, bad = ratings
        found = compare_judges(agreement, "MAE", good, bad, truth, resamples=200)
        assert found["first"] == agreement(good, truth)["MAE"]
        assert found["difference"] < found["high"] < 0
        assert found["p_value"] == pytest.approx(2 / 201)  # the least there is

    def test_a_judge_does_not_differ_from_itself(self, ratings):
        truth, good, _ = ratings
        found = compare_judges(agreement, "PCC", good, good, truth, resamples=50)
        assert (found["difference"], found["low"], found["high"], found["p_value"]) == (0, 0, 0, 1)

    def test_p_values_of_equal_judges_are_spread_evenly(self):
        rng = np.random.default_rng(0)
        truth = np.linspace(1, 5, 20)
        small = 0
        for seed in range(60):
            pair = truth + rng.normal(0, 0.5, (2, 20))
            error = lambda scores, truth: {"MAE": float(np.mean(np.abs(scores - truth)))}  # noqa: E731
            small += compare_judges(error, "MAE", *pair, truth, resamples=49, seed=seed)["p_value"] <= 0.2
        assert 3 <= small <= 21  # 12 expected; 3.1 is the standard deviation

    def test_swapping_judges_turns_the_sign(self, ratings):
        truth, good, bad = ratings
        one, other = (
            compare_judges(agreement, "PCC", *pair, truth, resamples=50) for pair in ((good, bad), (bad, good))
        )
        assert one["difference"] == -other["difference"] > 0
        assert one["low"] == pytest.approx(-other["high"])

    def test_one_lucky_speaker_is_no_proof(self):
        speakers = np.repeat(np.arange(4), 20)
        truth, first = np.zeros(80), np.full(80, 1.0)
        second = np.where(speakers == 0, 0.0, 1.0)
        error = lambda scores, truth: {"MAE": float(np.mean(np.abs(scores - truth)))}  # noqa: E731
        alone = compare_judges(error, "MAE", first, second, truth, resamples=200)
        grouped = compare_judges(error, "MAE", first, second, truth, groups=speakers, resamples=200)
        assert alone["p_value"] < 0.02
        assert grouped["p_value"] == 1

    def test_silence_counts(self, ratings):
        truth, good, _ = ratings
        silent = [None if place % 2 else score for place, score in enumerate(good)]
        found = compare_judges(agreement, "RMSE", good, silent, truth, resamples=60)
        assert found["high"] < 0

    def test_figure_that_is_not_there(self, ratings):
        truth, good, bad = ratings
        with pytest.raises(KeyError, match="LCC"):
            compare_judges(agreement, "LCC", good, bad, truth)
