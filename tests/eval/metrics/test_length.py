"""Agreement beyond the clip's length."""

import numpy as np
import pytest

from audio_judge.eval.metrics.length import agreement_beyond_length

RNG = np.random.default_rng(0)
SECONDS = RNG.uniform(1, 9, 200)
SKILL = RNG.normal(size=200)
RATINGS = SKILL - 3 * np.log(SECONDS)


class TestAgreementBeyondLength:
    def test_length_alone_is_worth_nothing(self):
        assert agreement_beyond_length(-np.log(SECONDS), RATINGS, SECONDS)["PCC_beyond_length"] == 0

    def test_what_is_known_beyond_it_counts(self):
        assert agreement_beyond_length(SKILL, RATINGS, SECONDS)["PCC_beyond_length"] == pytest.approx(1)

    def test_is_the_partial_correlation(self):
        given = SKILL + RNG.normal(size=200)
        table = np.corrcoef([given, RATINGS, np.log(SECONDS)])
        expected = (table[0, 1] - table[0, 2] * table[1, 2]) / np.sqrt((1 - table[0, 2] ** 2) * (1 - table[1, 2] ** 2))
        assert agreement_beyond_length(given, RATINGS, SECONDS)["PCC_beyond_length"] == pytest.approx(expected)

    def test_a_missing_score_is_the_worst_one(self):
        found = agreement_beyond_length([None, 1, 2, 3], [4, 1, 2, 3], [1, 2, 1, 2], low=1, high=4)
        assert (
            found["PCC_beyond_length"] < agreement_beyond_length([1, 2, 3], [1, 2, 3], [2, 1, 2])["PCC_beyond_length"]
        )
        assert found["coverage"] == 0.75
