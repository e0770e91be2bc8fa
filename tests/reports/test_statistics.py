import numpy as np
import pytest

from audio_judge.reports.statistics import holm, middle, paired, resampled_means, unpaired


class TestResampledMeans:
    def test_interval_holds_the_mean(self):
        values = np.random.default_rng(0).normal(3, 0.5, 400)
        low, high = middle(resampled_means(values))
        assert low < values.mean() < high
        # 1.96 standard errors to either side
        assert abs((high - low) / (2 * 1.96 * 0.5 / 20) - 1) < 0.15

    def test_one_value_says_nothing(self):
        assert middle(resampled_means(np.ones(1))) is None


class TestPaired:
    def test_counts_wins_ties_and_losses(self):
        found = paired([0.1, 0.09, -0.1, -0.09, 2.0], margin=0.1)
        assert (found.wins, found.ties, found.losses, found.counts) == (2, 2, 1, (5, 5))

    def test_rounding_is_no_win(self):
        assert paired([0.3 - 0.2 - 0.1]).ties == 1
        assert paired([3.1 - 3.0], margin=0.1).wins == 1

    def test_p_is_that_of_the_signed_ranks(self):
        # All six of one sign: two of the 2**6 ways in which signs can fall
        found = paired([0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
        assert found.p == pytest.approx(2 / 64)
        assert found.difference == pytest.approx(0.55)
        assert 0.3 < found.low < 0.55 < found.high < 0.8

    def test_alike_is_no_difference(self):
        found = paired([0.0, 0.0, 0.0])
        assert (found.difference, found.low, found.high, found.p) == (0, 0, 0, 1)

    def test_one_pair_has_no_test(self):
        found = paired([1.0])
        assert (found.wins, found.difference, found.low, found.p) == (1, 1.0, None, None)

    def test_none_has_nothing(self):
        found = paired([])
        assert (found.wins, found.difference, found.p) == (None, None, None)

    def test_the_other_way_round_is_the_opposite(self):
        leads = np.array([0.5, 0.25, -0.5, 0.05, 0.7])
        one, other = paired(leads, margin=0.1), paired(-leads, margin=0.1)
        assert (one.wins, one.difference, one.p) == (other.losses, -other.difference, other.p)


class TestUnpaired:
    def test_p_is_that_of_the_ranks(self):
        # All of one group above all of the other: two of the ways to choose 3 of 5
        found = unpaired([3.0, 4.0, 5.0], [1.0, 2.0])
        assert found.p == pytest.approx(2 / 10)
        assert (found.difference, found.wins, found.counts, found.is_paired) == (2.5, None, (3, 2), False)
        assert 4 - 2 < found.high <= 5 - 1

    def test_one_clip_has_no_test(self):
        found = unpaired([1.0, 2.0], [1.0])
        assert (found.difference, found.low, found.p) == (0.5, None, None)


class TestHolm:
    def test_smallest_is_multiplied_by_the_number_of_tests(self):
        # 3 * .01, 2 * .03, and never less than one before
        assert holm([0.01, 0.04, None, 0.03]) == pytest.approx([0.03, 0.06, None, 0.06])

    def test_no_more_than_one(self):
        assert holm([0.9, 0.8]) == [1.0, 1.0]
