import numpy as np
import pytest
from controls_stub import StubJudge, StubPeer, good_share, make_clips

from audio_judge.data.paraphrases import ROBUSTNESS
from audio_judge.eval.controls import robustness, run_controls
from audio_judge.languages import get_language
from audio_judge.rubrics.rubric import RUBRICS, TEN


@pytest.fixture
def clips(tmp_path):
    return make_clips(tmp_path)


def statuses(judge, clips):
    return {one.name.removeprefix("robustness/"): one.status for one in run_controls(judge, clips, "robustness")}


class Reading(StubJudge):
    """Judges worse, clip by clip, what is asked in words it does not know."""

    def __init__(self, knows):
        super().__init__()
        self.knows = knows

    def _judge(self, clip, points, rubrics):
        rng = np.random.default_rng(int(1e6 * points))
        lost = [rubric for rubric in rubrics if not self.knows(rubric)]
        said = super()._judge(clip, points, rubrics)
        guessed = super()._judge(clip, rng.uniform(1, 5), lost)
        return type(said)(clip, 1.0, said.scores | guessed.scores)


class TestRunRobustness:
    def test_judge_that_minds_words_and_scales_passes_all(self, clips):
        assert set(statuses(StubJudge(), clips).values()) == {"passed"}

    def test_peer_is_not_applicable(self, clips):
        assert set(statuses(StubPeer(), clips).values()) == {"not applicable"}

    def test_constant_judge_has_no_correlation(self, clips):
        found = statuses(StubJudge(lambda path: 3.0), clips)
        assert found["wording_short"] == found["scale_1-10_numbers"] == found["unseen_hiss"] == "failed"
        assert found["wording_short/shift"] == "passed"

    def test_two_clips_make_no_correlation(self, tmp_path):
        assert set(statuses(StubJudge(), make_clips(tmp_path, 2)).values()) == {"not applicable"}

    def test_judge_without_wordings_is_asked_on_scales_only(self, clips):
        class Asked:
            score = StubJudge.score
            _judge, _score = StubJudge._judge, StubJudge._score
            hear, read = staticmethod(good_share), staticmethod(lambda rubric: 0.0)

        found = statuses(Asked(), clips)
        assert (found["wording_short"], found["scale_1-10_numbers"]) == ("not applicable", "passed")


class TestParaphrases:
    def test_judge_that_knows_its_own_words_only_fails(self, clips):
        own = {rubric.questions for rubric in RUBRICS.values()}
        found = statuses(Reading(lambda rubric: rubric.questions in own), clips)
        assert {found[f"wording_{group}"] for group in robustness.WORDING_SETS} == {"failed"}
        assert {found[f"wording_{group}/agreement"] for group in robustness.WORDING_SETS} == {"failed"}

    def test_wording_that_moves_all_scores_fails_the_shift_only(self, clips):
        short = {text for texts in ROBUSTNESS["short"].values() for text in texts}
        judge = StubJudge(read=lambda rubric: 0.5 * (rubric.questions[:1] != () and rubric.questions[0] in short))
        found = statuses(judge, clips)
        assert (found["wording_short"], found["wording_short/shift"]) == ("passed", "failed")
        assert found["wording_long/shift"] == "passed"

    def test_judge_that_does_not_turn_the_scale_fails(self, clips):
        class Stubborn(StubJudge):
            def _score(self, points, rubric):
                score = super()._score(points, rubric)
                if rubric.higher_is_better:
                    return score
                return type(score)(
                    score.rubric, rubric.low + rubric.high - score.value, 0.0, "", {}, rubric.low, rubric.high
                )

        found = statuses(Stubborn(), clips)
        assert found["wording_inverted"] == found["scale_inverted"] == found["scale_inverted/agreement"] == "failed"
        assert found["wording_short"] == "passed"


class TestScales:
    def test_judge_that_cannot_count_fails_numbers_only(self, clips):
        found = statuses(Reading(lambda rubric: not rubric.levels[-1].isdigit()), clips)
        assert (found["scale_1-10_named"], found["scale_1-10_numbers"]) == ("passed", "failed")

    def test_numbers_are_levels_and_in_the_question(self):
        asked = robustness.on_scale(RUBRICS["noisiness"], TEN, 10)
        assert asked.question()["criteria"] == [str(number) for number in range(1, 11)]
        assert asked.question()["instructions"] == "How noisy is the speech, from 1 to 10, where 10 is best?"


class TestUnseen:
    def test_judge_that_knows_no_new_names_fails(self, clips):
        found = statuses(Reading(lambda rubric: rubric.name.removesuffix("_inverted") in RUBRICS), clips)
        assert {found[f"unseen_{rubric.name}"] for rubric in robustness.UNSEEN.values()} == {"failed"}


class TestWordings:
    def test_held_out_set_is_the_held_out_instructions(self):
        assert [one.questions[0] for one in robustness.wordings("mos", "held_out")] == list(
            get_language("en").held_out["decide"]
        )

    def test_inverted_set_asks_the_turned_rubric(self):
        assert {one.name for one in robustness.wordings("loudness", "inverted")} == {"loudness_inverted"}

    @pytest.mark.parametrize("group", robustness.WORDING_SETS)
    def test_all_rubrics_have_as_many_wordings(self, group):
        assert len({len(robustness.wordings(name, group)) for name in RUBRICS}) == 1


class TestCorrelation:
    def test_unscored_clips_are_left_out(self):
        first, second = np.array([1.0, 2.0, np.nan, 3.0]), np.array([3.0, 2.0, 5.0, 1.0])
        assert robustness.correlation(first, second) == pytest.approx(-1.0)

    def test_one_pair_has_none(self):
        assert robustness.correlation(np.ones(1), np.ones(1)) == 0.0
