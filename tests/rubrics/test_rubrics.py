import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_judge.clips import Rating
from audio_judge.languages import wordings
from audio_judge.rubrics.rubric import (
    ALL_RUBRICS,
    BINARY,
    FIVE,
    HUNDRED,
    RUBRICS,
    TEN,
    Rubric,
    Scale,
    convert,
    get_rubric,
    instructions,
)
from audio_judge.rubrics.shares import level_shares, shares_to_score, vote_shares


class TestScale:
    @pytest.mark.parametrize(
        ("value", "source", "target", "expected"),
        [
            (1.0, FIVE, HUNDRED, 0.0),  # ends go to ends
            (5.0, FIVE, TEN, 10.0),
            (3.0, FIVE, BINARY, 0.5),
            (50.0, HUNDRED, FIVE, 3.0),
        ],
    )
    def test_convert_is_affine(self, value, source, target, expected):
        assert convert(value, source, target) == pytest.approx(expected)

    @given(st.floats(1, 5))
    def test_convert_there_and_back(self, value):
        assert convert(convert(value, FIVE, HUNDRED), HUNDRED, FIVE) == pytest.approx(value)

    @pytest.mark.parametrize(("low", "high"), [(5, 1), (1, 1), (float("nan"), 5), (0.0, float("inf")), (0.25, 1)])
    def test_refuses_unusable_ends(self, low, high):
        with pytest.raises(ValueError, match="low"):
            Scale(low, high)


class TestRubric:
    def test_the_five_of_nisqa_are_one_to_five_and_higher_is_better(self):
        assert list(RUBRICS) == ["mos", "noisiness", "coloration", "discontinuity", "loudness"]
        assert all((r.low, r.high, r.higher_is_better, len(r.levels)) == (1, 5, True, 5) for r in RUBRICS.values())

    @pytest.mark.parametrize("rubric", RUBRICS.values(), ids=RUBRICS)
    def test_definition_says_what_both_ends_mean(self, rubric):
        assert "highest score means" in rubric.definition
        assert rubric.levels[0] in rubric.definition
        assert rubric.levels[-1] in rubric.definition

    def test_highest_noisiness_is_not_noisy(self):
        assert RUBRICS["noisiness"].level_of(5.0) == "not noisy"

    @pytest.mark.parametrize(
        ("value", "level"), [(1.0, "bad"), (1.49, "bad"), (1.5, "poor"), (2.5, "fair"), (4.5, "excellent")]
    )
    def test_level_of_rounds_half_up(self, value, level):
        assert RUBRICS["mos"].level_of(value) == level

    def test_level_of_refuses_what_is_out_of_range(self):
        with pytest.raises(ValueError, match=r"mos: 5\.2 is outside 1 to 5"):
            RUBRICS["mos"].level_of(5.2)

    def test_level_values_follow_the_scale(self):
        assert RUBRICS["mos"].on(HUNDRED).level_values.tolist() == [0, 25, 50, 75, 100]

    @pytest.mark.parametrize(
        "fault",
        [
            {"low": 5.0, "high": 1.0},
            {"levels": ("one",)},
            {"levels": ("good", "Good")},
            {"levels": ("good", "")},
            {"levels": ("good ", "bad")},
            {"name": "a: b"},
            {"label": "warm,cold"},
            {"name": ""},
        ],
    )
    def test_refuses_unusable(self, fault):
        with pytest.raises(ValueError, match="rubric"):
            Rubric(**{"name": "warmth", "definition": "How warm.", **fault})

    def test_fill_leaves_other_braces_alone(self):
        assert RUBRICS["mos"].fill("{low} {json: {x}}") == "1 {json: {x}}"

    def test_good_end_is_low_where_lower_is_better(self):
        assert Rubric("hum", "How strong the hum is.", higher_is_better=False).fill("{good_end}") == "1"


class TestQuestion:
    def test_shape(self):
        question = RUBRICS["noisiness"].question()
        assert question["type"] == "score"
        assert question["instructions"] == "How noisy is the speech?"
        assert question["criteria"] == ["very noisy", "noisy", "somewhat noisy", "slightly noisy", "not noisy"]

    def test_own_text(self):
        assert RUBRICS["mos"].question("My {label}?")["instructions"] == "My overall quality?"

    def test_training_and_held_out_are_disjoint_and_many(self):
        training, held_out = wordings("decide")
        assert len(set(training)) >= 20
        assert len(set(held_out)) >= 6
        assert not set(training) & set(held_out)

    @pytest.mark.parametrize("rubric", RUBRICS.values(), ids=RUBRICS)
    def test_are_short_and_filled(self, rubric):
        texts = [instructions(rubric, i) for i in range(len(rubric.questions) + len(wordings("decide")[0]))]
        texts += [instructions(rubric, i, held_out=True) for i in range(len(wordings("decide")[1]))]
        assert max(len(text.split()) for text in texts) <= 14
        assert not any("{" in text for text in texts)

    @pytest.mark.parametrize("phrasing", [-1, 999])
    def test_refuses_a_number_that_does_not_exist(self, phrasing):
        with pytest.raises(IndexError, match="does not exist"):
            instructions(RUBRICS["mos"], phrasing)


class TestGetRubric:
    def test_passes_a_rubric_through(self):
        own = Rubric("warmth", "How warm.")
        assert get_rubric(own) is own

    def test_suggests_the_closest_name(self):
        with pytest.raises(ValueError, match=r"did you mean 'coloration'.*Known: mos, noisiness"):
            get_rubric("Colouration")


class TestAllRubrics:
    def test_begins_with_nisqa(self):
        assert list(ALL_RUBRICS)[:5] == list(RUBRICS)

    @pytest.mark.parametrize("rubric", ALL_RUBRICS.values(), ids=ALL_RUBRICS)
    def test_definition_says_what_both_ends_mean(self, rubric):
        assert "highest score means" in rubric.definition
        assert rubric.levels[0] in rubric.definition
        assert rubric.levels[-1] in rubric.definition

    def test_no_two_share_a_label(self):
        assert len({rubric.label for rubric in ALL_RUBRICS.values()}) == len(ALL_RUBRICS)

    @pytest.mark.parametrize(
        ("name", "best", "good_end", "goodness"),
        [
            ("mos", "high", "5", [0.0, 0.5, 1.0]),
            ("reverberation", "low", "1", [1.0, 0.5, 0.0]),
            ("speech_rate", "middle", "3", [0.0, 1.0, 0.0]),
        ],
    )
    def test_direction(self, name, best, good_end, goodness):
        rubric = get_rubric(name)
        assert rubric.best == best
        assert rubric.fill("{good_end}") == good_end
        assert [rubric.goodness(value) for value in (1.0, 3.0, 5.0)] == goodness

    def test_direction_stays_on_another_scale(self):
        assert get_rubric("speed").on(HUNDRED).goodness(50.0) == 1.0


class TestLevelShares:
    @given(st.floats(1, 5), st.floats(0, 3), st.integers(2, 11))
    def test_mean_is_exact(self, mean, std, levels):
        shares = level_shares(mean, std, levels=levels)
        assert shares @ np.linspace(1, 5, levels) == pytest.approx(mean, abs=1e-8)
        assert shares.sum() == pytest.approx(1)
        assert (shares >= 0).all()

    def test_does_not_depend_on_the_scale(self):
        np.testing.assert_allclose(level_shares(3.4, 0.8), level_shares(60.0, 20.0, low=0, high=100), atol=1e-9)

    def test_is_symmetric(self):
        np.testing.assert_allclose(level_shares(3.0, 0.7), level_shares(3.0, 0.7)[::-1], atol=1e-9)

    def test_middle_is_the_discretised_gaussian(self):
        expected = np.exp(-(np.arange(-2, 3) ** 2) / (2 * 0.6**2))
        np.testing.assert_allclose(level_shares(3.0), expected / expected.sum(), atol=1e-9)

    @pytest.mark.parametrize(("mean", "index"), [(1.0, 0), (5.0, 4)])
    def test_ends_are_one_hot(self, mean, index):
        assert level_shares(mean).tolist() == np.eye(5)[index].tolist()

    def test_no_spread_splits_between_neighbours(self):
        np.testing.assert_allclose(level_shares(3.25, 0.0), [0, 0, 0.75, 0.25, 0], atol=1e-9)

    @pytest.mark.parametrize(
        "fault", [{"mean": 5.1}, {"mean": float("nan")}, {"mean": 3, "std": -1}, {"mean": 3, "levels": 1}]
    )
    def test_refuses_unusable(self, fault):
        with pytest.raises(ValueError, match=r"outside|needed"):
            level_shares(**fault)


class TestSharesToScore:
    @given(st.floats(1, 5), st.floats(0, 2))
    def test_reads_back_the_mean(self, mean, std):
        assert shares_to_score(level_shares(mean, std), RUBRICS["mos"])[0] == pytest.approx(mean, abs=1e-8)

    def test_spread_of_a_split_panel(self):
        assert shares_to_score([0.5, 0, 0, 0, 0.5], RUBRICS["mos"].on(HUNDRED)) == (50.0, 50.0)

    @pytest.mark.parametrize("shares", [[0.5, 0.5], [0.5, 0, 0, 0, 0], [1.5, -0.5, 0, 0, 0], [np.nan] * 5])
    def test_refuses_what_is_no_share(self, shares):
        with pytest.raises(ValueError, match="mos: "):
            shares_to_score(shares, RUBRICS["mos"])


class TestVoteShares:
    @pytest.mark.parametrize("votes", [(3,), (1, 1, 5), (2.5, 4.9, 1)])
    def test_keep_the_mean(self, votes):
        assert shares_to_score(vote_shares(votes), RUBRICS["mos"])[0] == pytest.approx(np.mean(votes))

    def test_are_counts_where_votes_are_levels(self):
        assert vote_shares([0, 1, 1, 1], 0, 1, 2).tolist() == [0.25, 0.75]

    def test_a_vote_off_the_scale_counts_for_its_end(self):
        assert vote_shares([0, 5], 1, 5, 5).tolist() == [0.5, 0, 0, 0, 0.5]

    def test_need_a_vote(self):
        with pytest.raises(ValueError, match="no votes"):
            vote_shares([])

    def test_single_votes_go_before_mean_and_spread(self):
        assert Rating(3.0, 0.1, 2, (1.0, 5.0)).shares(RUBRICS["mos"]).tolist() == [0.5, 0, 0, 0, 0.5]
        assert Rating(3.0, 0.1, 2).shares(RUBRICS["mos"]).argmax() == 2
