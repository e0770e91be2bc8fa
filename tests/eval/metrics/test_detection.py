"""Detection and calibration: against brute force over thresholds, sklearn and torchmetrics."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_curve
from torchmetrics.functional.classification import binary_eer, multiclass_calibration_error

from eval.metrics import (
    detection_metrics,
    equal_error_rate,
    error_rates,
    minimum_detection_cost,
    reliability,
    vote_share_agreement,
)


def rates_by_counting(scores, is_real):
    """Every threshold that can matter, highest first: above all scores, then each score; counted clip by clip."""
    rows = []
    for threshold in [math.inf, *sorted(set(scores), reverse=True)]:
        missed = sum(real and score < threshold for score, real in zip(scores, is_real, strict=True))
        accepted = sum(not real and score >= threshold for score, real in zip(scores, is_real, strict=True))
        rows.append((missed / sum(is_real), accepted / (len(is_real) - sum(is_real))))
    return rows


def make_scores(seed, ties):
    rng = np.random.default_rng(seed)
    is_real = rng.permutation([True] * 32 + [False] * 64)
    scores = rng.normal(0, 1, 96) + is_real * rng.uniform(0, 3)
    return (np.round(scores, 1) if ties else scores).tolist(), is_real.tolist()


CASES = [(seed, ties) for seed in range(8) for ties in (False, True)]


class TestErrorRates:
    @pytest.mark.parametrize(("seed", "ties"), CASES)
    def test_as_counted(self, seed, ties):
        scores, is_real = make_scores(seed, ties)
        assert np.stack(error_rates(scores, is_real), 1) == pytest.approx(np.array(rates_by_counting(scores, is_real)))


class TestEqualErrorRate:
    @pytest.mark.parametrize(("seed", "ties"), CASES)
    def test_as_counted(self, seed, ties):
        scores, is_real = make_scores(seed, ties)
        best = min(rates_by_counting(scores, is_real), key=lambda rates: round(abs(rates[0] - rates[1]), 12))
        assert equal_error_rate(scores, is_real) == pytest.approx(sum(best) / 2)

    @pytest.mark.parametrize("seed", range(8))
    def test_near_where_the_curve_of_sklearn_crosses(self, seed):
        scores, is_real = make_scores(seed, ties=False)
        false_alarms, hits, _ = roc_curve(is_real, scores)
        places = np.linspace(0, 1, 10001)
        crossing = places[np.argmin(np.abs(1 - np.interp(places, false_alarms, hits) - places))]
        # A step of the curve is 1/64 by 1/32 here, and the two differ by what they do inside one step
        assert equal_error_rate(scores, is_real) == pytest.approx(crossing, abs=1 / 32)

    @pytest.mark.parametrize("seed", range(8))
    def test_that_of_torchmetrics(self, seed):
        scores, is_real = make_scores(seed, ties=False)
        theirs = binary_eer(torch.tensor(scores).sigmoid().double(), torch.tensor(is_real).int())
        assert equal_error_rate(scores, is_real) == pytest.approx(theirs.item(), abs=1e-6)

    def test_perfect_useless_and_reversed(self):
        is_real = [True, True, False, False]
        assert equal_error_rate([0.9, 0.8, 0.2, 0.1], is_real) == 0
        assert equal_error_rate([0.5] * 4, is_real) == 0.5
        assert equal_error_rate([0.1, 0.2, 0.8, 0.9], is_real) == 1

    def test_one_kind_only(self):
        with pytest.raises(ValueError, match="all 2 clips are fake; both kinds are needed"):
            equal_error_rate([0.1, 0.2], [False, False])


class TestMinimumDetectionCost:
    @pytest.mark.parametrize(("seed", "ties"), CASES)
    @pytest.mark.parametrize("costs", [(0.05, 1, 10), (0.5, 1, 1), (0.01, 10, 1)])
    def test_as_counted(self, seed, ties, costs):
        scores, is_real = make_scores(seed, ties)
        prior, miss, false_alarm = costs
        least = min(
            miss * (1 - prior) * missed + false_alarm * prior * accepted
            for missed, accepted in rates_by_counting(scores, is_real)
        )
        found = minimum_detection_cost(scores, is_real, spoof_prior=prior, miss_cost=miss, false_alarm_cost=false_alarm)
        assert found == pytest.approx(least / min(miss * (1 - prior), false_alarm * prior))

    def test_never_worse_than_a_constant_answer(self):
        assert minimum_detection_cost([0.1, 0.9], [True, False]) == 1

    @pytest.mark.parametrize(
        "wrong", [{"spoof_prior": 0}, {"spoof_prior": 1}, {"miss_cost": 0}, {"false_alarm_cost": -1}]
    )
    def test_costs_out_of_range(self, wrong):
        with pytest.raises(ValueError, match="a prior between 0 and 1 and costs above 0"):
            minimum_detection_cost([0.1, 0.9], [True, False], **wrong)


class TestDetectionMetrics:
    def test_missing_scores_are_wrong_at_every_threshold(self):
        scores, is_real = make_scores(0, ties=False)
        is_real[:2], partly = [True, False], [None, None, *scores[2:]]
        missed, accepted = error_rates(partly, is_real)
        below_all, above_all = min(scores) - 9, max(scores) + 9
        worst = error_rates([below_all, above_all, *scores[2:]], is_real)
        assert missed.tolist() == worst[0].tolist()
        assert accepted.tolist() == worst[1].tolist()

    def test_a_missing_answer_never_copies_the_one_before(self):
        found = detection_metrics([0.9, None, 0.1, None], [True, True, False, False])
        assert found["ACC"] == 0.5
        assert found["ACC_answered"] == 1
        assert found["EER"] == 0.5
        assert found["EER_answered"] == 0
        assert found["coverage"] == 0.5

    def test_answers_of_one_kind_only(self):
        found = detection_metrics([0.9, None], [True, False])
        assert math.isnan(found["EER_answered"])
        assert found["EER"] == 1

    def test_threshold_is_included(self):
        assert detection_metrics([0.5, 0.4], [True, False])["ACC"] == 1
        assert detection_metrics([0.5, 0.4], [True, False], threshold=0.6)["balanced_ACC"] == 0.5


@pytest.fixture
def shares():
    """Predicted and true shares of 80 clips on 5 levels."""
    rng = np.random.default_rng(1)
    return rng.dirichlet(np.ones(5), (2, 80))


class TestVoteShareAgreement:
    def test_perfect(self, shares):
        found = vote_share_agreement(shares[0], shares[0], floor=0)
        assert (found["KL"], found["Brier"], found["ECE"]) == pytest.approx((0, 0, 0))

    def test_kl_is_that_of_torch(self, shares):
        found = vote_share_agreement(*shares, floor=1e-12)
        theirs = torch.nn.functional.kl_div(*map(torch.tensor, (np.log(shares[0]), shares[1])), reduction="batchmean")
        assert found["KL"] == pytest.approx(theirs.item())

    def test_missing_is_the_worst_answer(self, shares):
        truth = shares[1][:1]
        silent = vote_share_agreement([None], truth)
        for level in np.eye(5):
            given = vote_share_agreement([level], truth)
            assert given["KL"] <= silent["KL"] + 1e-12
            assert given["Brier"] <= silent["Brier"] + 1e-12

    def test_floor_keeps_an_unexpected_vote_finite(self):
        assert vote_share_agreement([[1, 0]], [[0, 1]])["KL"] == pytest.approx(math.log(1001))

    def test_with_decisions_its_calibration_error_is_that_of_torchmetrics(self, shares):
        labels = shares[1].argmax(1)
        theirs = multiclass_calibration_error(torch.tensor(shares[0]), torch.tensor(labels), num_classes=5, n_bins=10)
        assert vote_share_agreement(shares[0], np.eye(5)[labels])["ECE"] == pytest.approx(theirs.item(), abs=1e-6)

    def test_calibration_error_of_the_overconfident(self):
        assert vote_share_agreement([[1, 0]] * 4, [[0.6, 0.4]] * 4)["ECE"] == pytest.approx(0.4)

    def test_answered_figures(self, shares):
        found = vote_share_agreement([None, *shares[0][1:]], shares[1])
        assert found["Brier_answered"] == pytest.approx(vote_share_agreement(shares[0][1:], shares[1][1:])["Brier"])
        assert found["n_answered"] == 79

    @pytest.mark.parametrize(
        ("predictions", "message"),
        [
            ([[0.5, 0.4]], "prediction 0: shares"),  # sum 0.9
            ([[1.5, -0.5]], "prediction 0: shares"),  # negative
            ([[0.2, 0.3, 0.5]], "3 predicted levels, 2 in references"),
        ],
    )
    def test_what_are_no_shares(self, predictions, message):
        with pytest.raises(ValueError, match=message):
            vote_share_agreement(predictions, [[0.5, 0.5]])


class TestReliability:
    def test_bins_are_closed_above_and_hold_every_clip(self, shares):
        rows = reliability(*shares)
        assert sum(row["n"] for row in rows) == 80
        assert all(row["low"] < row["confidence"] <= row["high"] for row in rows)

    def test_an_edge_belongs_below(self):
        assert reliability([[0.7, 0.3]], [[0.5, 0.5]])[0]["high"] == 0.7
