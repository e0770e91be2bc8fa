"""Agreement, preferences and categories: against hand calculation and other libraries, and what a missing answer costs."""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, mean_absolute_error, mean_squared_error

from eval.metrics import (
    category_accuracy,
    group_means,
    order_consistency,
    preference_accuracy,
    rating_agreement,
    score_order_accuracy,
    speech_rate_accuracy,
    third_order_mapping,
)


@pytest.fixture
def ratings():
    """Scores of a fair judge and ratings, 1 to 5, of 60 clips of 6 systems."""
    rng = np.random.default_rng(3)
    truth = rng.uniform(1, 5, 60)
    return np.clip(truth + rng.normal(0, 0.6, 60), 1, 5), truth, np.repeat(list("abcdef"), 10)


class TestRatingAgreement:
    def test_two_systems_have_no_correlation_and_three_do(self):
        systems = ["a", "a", "b", "c"]
        two = rating_agreement([2, 3, 4], [1, 2, 5], groups=systems[:3])
        assert all(math.isnan(two[name]) for name in ("PCC", "SRCC", "KTAU"))
        assert two["MAE"] == 1
        assert rating_agreement([2, 3, 4, 1], [1, 2, 5, 1], groups=systems)["SRCC"] == 1

    def test_errors_are_those_of_sklearn(self, ratings):
        scores, truth, _ = ratings
        found = rating_agreement(scores, truth)
        assert found["MAE"] == pytest.approx(mean_absolute_error(truth, scores))
        assert found["MSE"] == pytest.approx(mean_squared_error(truth, scores))
        assert found["RMSE"] == pytest.approx(math.sqrt(mean_squared_error(truth, scores)))

    def test_correlations_are_those_of_scipy_and_of_counting_pairs(self, ratings):
        scores, truth, _ = ratings
        scores = np.round(scores)  # ties
        found = rating_agreement(scores, truth)
        assert found["PCC"] == pytest.approx(stats.pearsonr(scores, truth).statistic)
        assert found["SRCC"] == pytest.approx(stats.spearmanr(scores, truth).statistic)
        signs = [np.sign(values[:, None] - values) for values in (scores, truth)]
        tau = (signs[0] * signs[1]).sum() / math.sqrt((signs[0] ** 2).sum() * (signs[1] ** 2).sum())
        assert found["KTAU"] == pytest.approx(tau)

    def test_missing_score_costs_the_farther_end(self):
        found = rating_agreement([None, None], [1.5, 4.0], low=1, high=5)
        assert found["MAE"] == pytest.approx((3.5 + 3.0) / 2)
        assert math.isnan(found["MAE_answered"])
        assert found["coverage"] == 0.0

    def test_silence_never_pays(self, ratings):
        scores, truth, _ = ratings
        for place in range(60):
            partly = [None if other == place else score for other, score in enumerate(scores)]
            assert (
                rating_agreement(partly, truth, low=1, high=5)["RMSE"]
                >= rating_agreement(scores, truth, low=1, high=5)["RMSE"]
            )

    def test_answered_figures_are_those_without_missing_ones(self, ratings):
        scores, truth, _ = ratings
        partly = [None, math.nan, *scores[2:]]
        found, without = rating_agreement(partly, truth, low=1, high=5), rating_agreement(scores[2:], truth[2:])
        assert found["PCC_answered"] == pytest.approx(without["PCC"])
        assert found["PCC"] < found["PCC_answered"]
        assert found["n"] == 60
        assert found["n_answered"] == 58

    def test_scale_is_needed_only_with_missing_scores(self):
        assert rating_agreement([2.0], [2.0])["MAE"] == 0
        with pytest.raises(ValueError, match="1 answers are missing; give low and high"):
            rating_agreement([2.0, None], [2.0, 3.0])

    def test_constant_judge_has_correlation_zero(self):
        found = rating_agreement([3.0] * 4, [1.0, 2, 3, 4])
        assert (found["PCC"], found["SRCC"], found["KTAU"]) == (0.0, 0.0, 0.0)

    def test_constant_ratings_leave_correlation_undefined(self):
        assert math.isnan(rating_agreement([1.0, 2, 3], [3.0] * 3)["PCC"])

    def test_groups_are_averaged_first(self, ratings):
        scores, truth, systems = ratings
        means = [values.reshape(6, 10).mean(1) for values in (scores, truth)]
        found = rating_agreement(scores, truth, groups=systems)
        assert found["SRCC"] == pytest.approx(rating_agreement(*means)["SRCC"])
        assert found["RMSE"] == pytest.approx(math.sqrt(mean_squared_error(*means)))
        assert found["n_groups"] == 6

    def test_clips_of_no_group_are_left_out(self):
        found = rating_agreement([1.0, 2, 5], [1.0, 2, 1], groups=["a", "b", None])
        assert found["MAE"] == 0
        assert found["n"] == 2

    def test_group_of_missing_answers_only(self):
        found = rating_agreement([None, 2.0, 3.0], [1.0, 2, 3], groups=["a", "b", "c"], low=1, high=5)
        assert found["MAE"] == pytest.approx(4 / 3)
        assert found["MAE_answered"] == 0
        assert found["n_groups"] == 3

    @pytest.mark.parametrize(
        ("predictions", "references", "message"),
        [
            ([1.0], [1.0, 2.0], "1 predictions, 2 references"),  # lengths differ
            ([], [], "0 predictions, 0 references"),  # nothing
            ([1.0, 2.0], [1.0, math.nan], "reference 1 is missing"),
            ([1.0, math.inf], [1.0, 2.0], "item 1 is infinite"),
        ],
    )
    def test_what_cannot_be_compared_is_refused(self, predictions, references, message):
        with pytest.raises(ValueError, match=message):
            rating_agreement(predictions, references)


class TestThirdOrderMapping:
    def test_free_fit_is_kept_where_it_rises(self, ratings):
        scores, _, _ = ratings
        truth = 0.1 * scores**3 + scores
        assert third_order_mapping(scores, truth)(scores) == pytest.approx(truth)

    def test_it_never_falls(self):
        scores = np.linspace(1, 5, 40)
        truth = 3 + np.sin(2 * scores)  # falls twice
        mapping = third_order_mapping(scores, truth)
        assert np.diff(mapping(np.linspace(1, 5, 1001))).min() > -1e-6
        assert np.diff(np.polynomial.Polynomial.fit(scores, truth, 3)(scores)).min() < 0  # the free fit does

    def test_it_is_the_best_that_does_not_fall(self):
        scores = np.linspace(0, 1, 30)
        truth = np.array([*np.linspace(0, 1, 15), *np.linspace(1, 0.5, 15)])
        best = np.mean((third_order_mapping(scores, truth)(scores) - truth) ** 2)
        rng = np.random.default_rng(0)
        powers = np.vander(scores, 4, increasing=True)
        # Rising cubics with positive slope polynomials (a + b t)^2 + c t (1 - t), c >= 0, with the best offset
        for a, b, c in np.abs(rng.normal(0, 1.5, (3000, 3))) * rng.choice([1, -1], (3000, 3)) * [1, 1, 1]:
            slope = np.array([a * a, 2 * a * b + abs(c), b * b - abs(c)])
            curve = powers @ [0, slope[0], slope[1] / 2, slope[2] / 3]
            assert np.mean((curve - curve.mean() + truth.mean() - truth) ** 2) >= best - 1e-9

    def test_error_loses_four_degrees_of_freedom(self, ratings):
        scores, truth, _ = ratings
        errors = third_order_mapping(scores, truth)(scores) - truth
        found = rating_agreement(scores, truth, third_order=True)
        assert found["RMSE_mapped"] == pytest.approx(math.sqrt((errors**2).sum() / 56))

    def test_a_bent_scale_does_not_hurt_after_the_mapping(self, ratings):
        _, truth, _ = ratings
        found = rating_agreement(np.cbrt(truth), truth, third_order=True)
        assert found["RMSE"] > 1
        assert found["RMSE_mapped"] < 1e-6

    def test_too_few_points_are_undefined(self):
        assert math.isnan(rating_agreement([1.0, 2, 3, 4], [1.0, 2, 3, 4], third_order=True)["RMSE_mapped"])
        with pytest.raises(ValueError, match="2 different scores"):
            third_order_mapping(np.array([1.0, 2, 2, 1, 2]), np.arange(5.0))


class TestGroupMeans:
    def test_missing_scores_are_filled_before(self):
        scores, truth = group_means([None, 2.0, 3.0], [1.0, 2, 3], ["a", "a", None], low=1, high=5)
        assert scores.tolist() == [3.5]
        assert truth.tolist() == [1.5]


class TestPreferenceAccuracy:
    def test_random_ties_gain_nothing_on_decided_pairs(self):
        assert preference_accuracy(["tie"] * 4, ["A", "B", "A", "B"])["ACC_decided"] == 0.5

    def test_a_tie_is_right_only_where_listeners_tied(self):
        assert preference_accuracy(["tie", "tie"], ["tie", "A"])["ACC"] == 0.5

    def test_no_answer_is_worse_than_a_tie(self):
        given, silent = preference_accuracy(["tie"], ["A"]), preference_accuracy([None], ["A"])
        assert given["ACC_decided"] == 0.5
        assert silent["ACC_decided"] == 0

    def test_nothing_decided(self):
        assert math.isnan(preference_accuracy(["A"], ["tie"])["ACC_decided"])

    def test_unknown_verdict(self):
        with pytest.raises(ValueError, match="verdict 1 is 'C'"):
            preference_accuracy(["A", "C"], ["A", "A"])


class TestOrderConsistency:
    def test_a_judge_that_always_takes_the_first(self):
        found = order_consistency(["A"] * 5, ["A"] * 5)
        assert found["order_consistency"] == 0
        assert found["first_bias"] == 1

    def test_a_fair_judge(self):
        found = order_consistency(["A", "B", "tie"], ["B", "A", "tie"])
        assert found["order_consistency"] == 1
        assert found["first_bias"] == 0

    def test_one_answer_of_two_is_not_consistent(self):
        found = order_consistency(["A", None], ["B", None])
        assert found["order_consistency"] == 0.5
        assert found["order_consistency_answered"] == 1


class TestScoreOrderAccuracy:
    def test_without_ties_it_is_kendalls_tau_moved_to_zero_to_one(self, ratings):
        scores, truth, _ = ratings
        scores = scores + np.linspace(0, 1e-6, 60)
        tau = rating_agreement(scores, truth)["KTAU"]
        assert score_order_accuracy(scores, truth)["pair_ACC"] == pytest.approx((tau + 1) / 2)

    def test_gap_leaves_out_close_pairs(self):
        assert score_order_accuracy([2, 1, 3], [1, 1.1, 3], gap=0.5)["n_pairs"] == 2

    def test_pairs_with_a_missing_score_are_wrong(self):
        found = score_order_accuracy([1, 2, None], [1, 2, 3])
        assert found["pair_ACC"] == pytest.approx(1 / 3)
        assert found["pair_ACC_answered"] == 1


class TestCategoryAccuracy:
    def test_balanced_is_that_of_sklearn(self):
        rng = np.random.default_rng(0)
        truth, given = rng.choice(list("abc"), (2, 50))
        found = category_accuracy(given.tolist(), truth.tolist(), list("abc"))
        assert found["balanced_ACC"] == pytest.approx(balanced_accuracy_score(truth, given))

    def test_always_the_most_common_is_seen(self):
        found = category_accuracy(["b"] * 10, ["b"] * 8 + ["a", "c"], list("abc"))
        assert found["ACC"] == 0.8
        assert found["balanced_ACC"] == pytest.approx(1 / 3)

    def test_unknown_and_missing_words_are_not_even_near(self):
        found = category_accuracy([None, "x"], ["a", "a"], list("ab"))
        assert found["ACC_within_one"] == 0
        assert found["coverage"] == 0

    def test_unknown_reference(self):
        with pytest.raises(ValueError, match="reference 0 is 'x'; one of a, b"):
            category_accuracy(["a"], ["x"], list("ab"))


class TestSpeechRateAccuracy:
    def test_other_words_for_the_same_rate(self):
        found = speech_rate_accuracy(["suitable", "4/5", None], ["appropriate", "slightly fast", "slow"])
        assert found["ACC"] == pytest.approx(2 / 3)
        assert found["ACC_answered"] == 1
