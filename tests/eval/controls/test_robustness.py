import re
from dataclasses import replace

import numpy as np
import pytest
from controls_stub import StubJudge, StubPeer, good_share, make_clips
from tiny import make_judge

from audio_judge import AudioJudge
from audio_judge.clips import Rating
from audio_judge.data.paraphrases import ROBUSTNESS
from audio_judge.eval.controls import SUITES, robustness, run_controls
from audio_judge.eval.controls.bench import Bench
from audio_judge.eval.judges import ServedJudge
from audio_judge.judge.learned import Learned, Lesson
from audio_judge.languages import get_language
from audio_judge.rubrics.rubric import RUBRICS, TEN, Rubric, get_rubric
from audio_judge.tasks import Assessment, assess
from audio_judge.text_models.replies import Completion

WARMTH = Rubric(
    "warmth", "How warm the voice is: the highest score means warm, the lowest cold.", levels=("cold", "cool", "warm")
)
TITLES = ("Overall quality", "Noisiness", "Coloration", "Discontinuity", "Loudness")


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
    @pytest.fixture
    def bench(self, clips, tmp_path):
        return Bench(StubJudge(), clips, tmp_path / "bench")

    def test_held_out_set_is_the_held_out_instructions(self, bench):
        found = robustness.wordings(bench, RUBRICS["mos"], "held_out")
        assert [one.questions[0] for one in found] == list(get_language("en").held_out["decide"])

    def test_inverted_set_asks_the_turned_rubric(self, bench):
        found = robustness.wordings(bench, RUBRICS["loudness"], "inverted")
        assert {one.name for one in found} == {"loudness_inverted"}

    @pytest.mark.parametrize("group", robustness.WORDING_SETS)
    def test_all_rubrics_have_as_many_wordings(self, bench, group):
        asked = [*RUBRICS.values(), get_rubric("naturalness"), WARMTH]
        assert len({len(robustness.wordings(bench, rubric, group)) for rubric in asked}) == 1

    def test_a_definition_that_cannot_be_turned_is_not_asked_turned(self, bench):
        assert robustness.wordings(bench, Rubric("glow", "How it glows."), "inverted") == []


class TestOwnRubrics:
    def test_are_asked_too(self, clips):
        found = run_controls(StubJudge(), clips, "robustness", rubrics=[WARMTH])
        assert {one.status for one in found} == {"passed"}
        assert all("warmth" in one.detail for one in found if one.name == "robustness/wording_long")

    def test_agreement_is_in_points(self, clips):
        """Ratings of a rubric whose lowest score is best are turned like the scores."""
        rated = [replace(clip, ratings={"hiss": Rating(6 - clip.ratings["mos"].value)}) for clip in clips]
        hiss = robustness.UNSEEN["noisiness"]
        (found,) = (
            one for one in run_controls(StubJudge(), rated, "robustness", rubrics=[hiss])
            if one.name == "robustness/wording_short/agreement"
        )  # fmt: skip
        assert found.detail.startswith("correlation with the ratings 1.000")


class Hearing:
    """Answers of a judge in text by what it hears, on the scale and in the direction that it is asked for."""

    def __init__(self, knows=lambda request: True):
        self.knows, self.asked = knows, []

    def points(self, conversation):
        blocks = conversation[0]["content"]
        samples = next(block["audio"] for block in blocks if block["type"] == "audio")
        power = np.abs(np.fft.rfft(samples[: len(samples) // 2])) ** 2
        half = len(power) // 16  # 400 Hz are below, 3000 Hz above, at 48 kHz
        share = power[half:].sum() / power.sum()
        request = " ".join(block["text"] for block in blocks if block["type"] == "text")
        self.asked.append(request)
        return (1 - share if self.knows(request) else (share * 1e4) % 1), request

    def log_probabilities(self, conversations, answers, *, whole=False):
        rows = []
        for conversation in conversations:
            share, request = self.points(conversation)
            is_turned = re.search(
                r"amount of|impairment|problem|reversed|the hiss|the muffledness|\b[01] is best", request
            )
            place = round((1 - share if is_turned else share) * (len(answers) - 1))
            rows.append([0.0 if index == place else -50.0 for index in range(len(answers))])
        return np.array(rows)

    def say(self, conversations, max_new_tokens):
        texts = []
        for conversation in conversations:
            share, request = self.points(conversation)
            numbers = [float(one) for one in re.findall(r"\b\d+\b", request)]  # the ends of the scale, and its middle
            low, high = min(numbers), max(numbers)
            texts.append(Completion(f"{low + share * (high - low):.2f}"))
        return texts


def in_text(tiny, monkeypatch, task, rubrics=tuple(RUBRICS), hearing=None):
    """A tiny judge that learned one task in text, and hears what is played."""
    model, processor = tiny
    monkeypatch.setattr(model.config, "learned", Learned({task: Lesson("text", rubrics)}).note())
    judge, hearing = AudioJudge(model, processor, name="tiny"), hearing or Hearing()
    monkeypatch.setattr(judge.reader, "log_probabilities", hearing.log_probabilities)
    monkeypatch.setattr(judge.reader, "say", hearing.say)
    return judge


@pytest.mark.filterwarnings("ignore::UserWarning")
class TestJudgesInText:
    """Judges that answer in decimals, levels or text are asked in other words and on other scales, too."""

    @pytest.fixture(scope="class")
    def tiny(self, tmp_path_factory):
        return make_judge(tmp_path_factory.mktemp("in_text"))

    @pytest.fixture
    def five(self, tmp_path):
        return make_clips(tmp_path, 5)

    def test_decimals(self, tiny, five, monkeypatch):
        hearing = Hearing()
        found = statuses(in_text(tiny, monkeypatch, "score", hearing=hearing), five)
        asked = {f"wording_{group}" for group in robustness.WORDING_SETS}
        asked |= {
            "scale_inverted",
            "scale_1-10_numbers",
            "scale_0-100_numbers",
            *(f"unseen_{one.name}" for one in robustness.UNSEEN.values()),
        }
        assert {found[name] for name in asked} == {"passed"}
        assert (
            found["scale_1-10_named"] == found["scale_1-5_numbers"] == "not applicable"
        )  # it has no names, and is always asked so
        assert any("Any noise? Answer with one number from 1 to 5; 5 is best." in request for request in hearing.asked)
        assert any("from 0 to 100" in request for request in hearing.asked)

    def test_decimals_in_words_that_it_does_not_know(self, tiny, five, monkeypatch):
        hearing = Hearing(lambda request: "Answer with one number" not in request)
        found = statuses(in_text(tiny, monkeypatch, "score", hearing=hearing), five)
        assert (found["wording_short"], found["wording_held_out"]) == ("failed", "passed")

    def test_ratings_of_what_is_spelled_out(self, tiny, five, monkeypatch):
        hearing = Hearing()
        found = statuses(in_text(tiny, monkeypatch, "rate", hearing=hearing), five)
        assert {found[name] for name in ("wording_short", "wording_held_out", "scale_1-10_named")} == {"passed"}
        assert found["scale_1-10_numbers"] == "not applicable"  # its ends have names
        assert any("Any noise? The scale goes from 1 to 5: 1 means very noisy" in request for request in hearing.asked)

    def test_levels(self, tiny, five, monkeypatch):
        found = statuses(in_text(tiny, monkeypatch, "categorize"), five)
        asked = [name for name in found if not name.endswith("/agreement")]
        assert "not applicable" not in {found[name] for name in asked}
        assert found["wording_short"] == "passed"

    def test_a_text_about_all_rubrics_has_other_words_of_its_task(self, tiny, five, monkeypatch):
        hearing = Hearing()
        judge = in_text(tiny, monkeypatch, "profile", hearing=hearing)
        monkeypatch.setattr(judge.reader, "say", lambda some, _: [
            Completion("\n".join(f"{one}: {1 + 4 * hearing.points(conversation)[0]:.1f}" for one in TITLES)) for conversation in some
        ])  # fmt: skip
        found = statuses(judge, five)
        assert found["wording_held_out"] == "passed"
        assert {found["wording_short"], found["scale_inverted"], found["unseen_hiss"]} == {"not applicable"}
        kept_out = get_language("en").held_out["profile"][4]
        assert any(kept_out.partition("{")[0] in request for request in hearing.asked)

    def test_rubrics_that_it_learned_in_place_of_ours(self, tiny, five, monkeypatch):
        judge = in_text(tiny, monkeypatch, "score", ("naturalness", "prosody"))
        (found,) = (one for one in run_controls(judge, five, "robustness") if one.name == "robustness/wording_short")
        assert found.status == "passed"
        assert "naturalness" in found.detail

    def test_an_assessment_alone_goes_through_all_suites(self, tiny, five, monkeypatch):
        judge = in_text(tiny, monkeypatch, "assess", ("mos", "distortion"))
        text = assess.write(Assessment({"mos": 3.0, "distortion": 2.0}, answer="It is fair."))
        monkeypatch.setattr(judge.reader, "say", lambda some, _: [Completion(text)] * len(some))
        found = {
            one.name: one.status for suite in SUITES for one in run_controls(judge, five[:3], suite, count=3)
        }  # fmt: skip
        assert found["robustness/wording_held_out/shift"] == found["bias/repetition"] == "passed"
        assert found["sanity/swapped_pair"] == found["bias/repetition/pairs"] == "not applicable"  # it compares nothing


class TestServed:
    def test_is_asked_in_other_words_and_on_other_scales(self, clips, monkeypatch):
        judge, requests = ServedJudge("http://nowhere/v1#m"), []

        def write(messages):
            requests.extend(blocks[-1]["text"] for blocks in messages)
            return ["I would say 3."] * len(messages)

        monkeypatch.setattr(judge, "write", write)
        found = run_controls(judge.controlled(), clips[:3], "robustness")
        ours = [one for one in found if not one.name.endswith("/agreement")]
        assert "not applicable" not in {one.status for one in ours}
        assert any("\nAny noise?\n" in request for request in requests)
        assert any("one number from 0 to 100" in request for request in requests)
        assert any("How much hiss and hum lies behind the words" in request for request in requests)


class TestCorrelation:
    def test_unscored_clips_are_left_out(self):
        first, second = np.array([1.0, 2.0, np.nan, 3.0]), np.array([3.0, 2.0, 5.0, 1.0])
        assert robustness.correlation(first, second) == pytest.approx(-1.0)

    def test_one_pair_has_none(self):
        assert robustness.correlation(np.ones(1), np.ones(1)) == 0.0
