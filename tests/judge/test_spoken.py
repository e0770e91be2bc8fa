"""A judge that learned to answer in its own words is asked and read so."""

import numpy as np
import pytest
import soundfile
from tiny import make_judge, tone

from audio_judge import AnswerError, AudioJudge, UntrainedRubricWarning, UntrainedTaskError, UntrainedTaskWarning
from audio_judge.eval.benchmarks import Question
from audio_judge.eval.judges import OwnJudge
from audio_judge.judge.learned import Learned, Lesson
from audio_judge.judge.requests import Request
from audio_judge.judge.spoken import TextQuestion, telling, variants
from audio_judge.messages import clip_state, pair_state
from audio_judge.rubrics.rubric import get_rubric
from audio_judge.tasks import Assessment, Comparison, Detection, Suggestions, assess, compare, detect, suggest
from audio_judge.text_models.replies import Completion

FIRST, SECOND = (tone(0.4, 300), 48_000), (tone(0.4, 900), 48_000)
NEAR_FIRST = (tone(0.4, 300) + 0.1 * tone(0.4, 900), 48_000)
LONG = (tone(25.0), 48_000)  # windows of 10, 10 and 5 s
FIVE = assess.write(Assessment({"mos": 5.0, "distortion": 4.0}, answer="Fine."))
ONE = assess.write(Assessment({"mos": 1.0, "distortion": 2.0}, answer="Bad."))
IN_TEXT = {
    "assess": Lesson("text", ("mos", "distortion")),
    "suggest": Lesson("text"),
    "detect": Lesson("text"),
    "compare": Lesson("text", ("mos", "distortion"), layouts=("dimensions",)),
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make_judge(tmp_path_factory.mktemp("spoken"))


@pytest.fixture
def judge_of(tiny, monkeypatch):
    """Makes a judge that learned some tasks and says given texts, in turn; what it is asked goes to its ``asked``."""

    def make(tasks, *texts, odds=None):
        model, processor = tiny
        monkeypatch.setattr(model.config, "learned", Learned(tasks).note())
        judge, remaining = AudioJudge(model, processor, name="tiny"), iter(texts * 9)
        judge.asked = []

        def say(conversations, max_new_tokens):
            judge.asked += [messages[0]["content"] for messages in conversations]
            return [Completion(next(remaining), False) for _ in conversations]

        def log_probabilities(conversations, answers, *, whole=False):
            judge.asked += [messages[0]["content"] for messages in conversations]
            return np.log([[odds(answer) for answer in answers] for _ in conversations])

        monkeypatch.setattr(judge.reader, "say", say)
        if odds is not None:
            monkeypatch.setattr(judge.reader, "log_probabilities", log_probabilities)
        return judge

    return make


def likely_b(text):
    """Probabilities of the texts of a judge that prefers clip B."""
    return 0.6 if compare.parse(text).verdicts == {"mos": "B", "distortion": "B"} else 0.2


class TestText:
    def test_numbers_and_words_are_those_of_the_text(self, judge_of):
        said = judge_of(IN_TEXT, FIVE).assess(FIRST)
        assert {name: score.value for name, score in said.scores.items()} == {"mos": 5.0, "distortion": 4.0}
        assert (said.text, said.reasons, said.assessment.scores["mos"], said.coverage) == (FIVE, "Fine.", 5.0, 1.0)

    def test_a_number_from_a_text_claims_no_spread(self, judge_of):
        score = judge_of(IN_TEXT, FIVE).assess(FIRST)["mos"]
        assert (score.std, score.shares, score.level) == (None, {}, "excellent")
        assert "±" not in str(score)

    def test_is_asked_as_in_training(self, judge_of):
        judge = judge_of(IN_TEXT, FIVE)
        judge.assess(FIRST, reference=NEAR_FIRST)
        texts = [block.get("text") for block in judge.asked[0] if block["type"] == "text"]
        assert texts == ["Degraded clip: ", "\nReference clip: ", "\n" + assess.ask(with_reference=True)]

    def test_an_answer_without_a_thought_is_read_as_it_was_learned(self, judge_of):
        alone = {"assess": Lesson("text", ("mos", "distortion"), thinks=False)}
        said = judge_of(alone, "The overall quality is poor. The speech is broken.").assess(FIRST)
        assert {name: score.value for name, score in said.scores.items()} == {"mos": 2.0}
        with pytest.raises(AnswerError, match="learned to answer without"):
            judge_of(alone, FIVE).assess(FIRST)

    def test_scores_come_from_the_text_that_was_learned(self, judge_of):
        judge = judge_of(IN_TEXT, FIVE)
        assert judge.score(FIRST)["mos"].value == 5.0
        assert list(judge.score(FIRST, rubric=["distortion", "mos"]).scores) == ["distortion", "mos"]
        assert len(judge.asked) == 2  # one text for both rubrics

    def test_long_clips_are_read_window_by_window(self, judge_of):
        said = judge_of(IN_TEXT, FIVE, ONE, FIVE).assess(LONG)
        assert said["mos"].value == pytest.approx((10 * 5 + 10 * 1 + 5 * 5) / 25)
        assert (said.text, said.reasons) == (ONE, "Bad.")
        assert [window.scores["mos"] for window in said.timeline] == [5.0, 1.0, 5.0]

    def test_what_cannot_be_read_counts_against_coverage(self, judge_of):
        said = judge_of(IN_TEXT, FIVE, "Very fine, 5 of 5.", FIVE).assess(LONG)
        assert (said["mos"].value, said.coverage) == (5.0, pytest.approx(15 / 25))
        assert said.to_dict()["coverage"] == 0.6

    def test_a_text_that_cannot_be_read_is_a_named_error(self, judge_of):
        judge = judge_of(IN_TEXT, "Very fine, 5 of 5.")
        (said,) = judge.assess([FIRST])
        assert said.error.startswith("assess: 'Very fine, 5 of 5.'")
        assert (said.scores, said.text, said.to_dict()["text"]) == ({}, "Very fine, 5 of 5.", "Very fine, 5 of 5.")
        with pytest.raises(AnswerError, match="assess: 'Very fine"):
            judge.assess(FIRST)
        assert judge.reward([FIRST[0]], 48_000) == [0.0]

    def test_rate_is_asked_rubric_by_rubric_with_the_clip_amid_the_words(self, judge_of):
        judge = judge_of({"rate": Lesson("text", ("mos", "loudness"))}, "3.42", "2.00")
        said = judge.score(FIRST)
        assert {name: score.value for name, score in said.scores.items()} == {"mos": 3.42, "loudness": 2.0}
        assert [block["type"] for block in judge.asked[0]] == ["text", "audio", "text"]

    def test_suggestions(self, judge_of):
        text = suggest.write(Suggestions(("distortion",), ("Use a better codec.",)))
        said = judge_of(IN_TEXT, text).suggest(FIRST)
        assert (said.areas, said.suggestions) == (("distortion",), ("Use a better codec.",))

    def test_a_call_is_followed_in_words(self, judge_of):
        judge = judge_of(IN_TEXT, FIVE, ONE)
        heard = list(judge.stream([tone(4.0)], 48_000, every_seconds=2.0))
        assert [said["mos"].value for said in heard] == [5.0, 1.0]


class TestLabels:
    def test_fake_by_the_probability_of_its_label(self, judge_of):
        fake = detect.write(Detection(is_fake=True))
        judge = judge_of(IN_TEXT, odds=lambda text: 0.3 if text == fake else 0.1)
        said = judge.detect(FIRST)
        assert (said.real, said.label, said.coverage) == (pytest.approx(0.25), "fake", pytest.approx(0.4))
        assert judge.asked[0][-1]["text"] == f"\n{detect.ask()}"

    def test_a_typed_question_that_was_learned_in_words(self, judge_of):
        fake = detect.write(Detection(is_fake=True))
        judge = judge_of(IN_TEXT, odds=lambda text: 0.3 if text == fake else 0.1)
        assert judge.decide(FIRST, {"a": detect.question()})["a"]["noul"] == pytest.approx(0.75)

    def test_levels_by_the_probability_of_their_names(self, judge_of):
        judge = judge_of({"categorize": Lesson("text", ("mos",))}, odds=lambda text: 0.5 if text == "good" else 0.125)
        score = judge.score(FIRST)["mos"]
        assert (score.level, score.shares["good"], score.shares["bad"]) == (
            "good",
            pytest.approx(0.5),
            pytest.approx(0.125),
        )
        question = {"mos": get_rubric("mos").question()}
        assert judge.decide(FIRST, question)["mos"]["score"] == pytest.approx(score.value - 1)

    def test_words_about_numbers_in_digits_are_drafted(self, judge_of):
        names = ("mos", "noisiness", "coloration", "discontinuity", "loudness")
        learned = {"score": Lesson("text", names), "explain": Lesson("text", names)}
        judge = judge_of(learned, odds=lambda text: 0.9 if text == "2.0" else 1e-6)
        assert judge.explain(FIRST, max_new_tokens=2).text.startswith("Overall quality: 2.0\nNoisiness: 2.0")


class TestCompare:
    A = compare.write(Comparison({"mos": "A", "distortion": "B"}), form="dimensions")

    def test_both_orders_are_read_and_averaged(self, judge_of):
        said = judge_of(IN_TEXT, self.A, odds=likely_b).compare(FIRST, SECOND)
        # It says that the second clip is better, whichever that is
        assert said.better == "tie"
        assert said.probabilities == pytest.approx({"A": 0.4, "B": 0.4, "tie": 0.2})
        assert list(said.rubrics) == ["mos"]
        assert (said.text, said.coverage) == (self.A, 1.0)

    def test_is_asked_in_the_layout_that_was_learned(self, judge_of):
        judge = judge_of(IN_TEXT, self.A, odds=likely_b)
        judge.compare(FIRST, SECOND)
        assert judge.asked[0][-1]["text"] == f"\n{compare.ask(form='dimensions')}"
        assert [block.get("role") for block in judge.asked[0]] == [
            block.get("role") for block in pair_state("a", "b")
        ] + [None]

    def test_a_verdict_without_a_thought_is_read_at_its_sentence(self, judge_of):
        alone = {"compare": Lesson("text", ("mos", "distortion"), layouts=("dimensions",), thinks=False)}
        text = "On the whole B is better. B leads in distortion."

        def odds(said):
            return {"A": 0.1, "B": 0.7, "t": 0.2}[compare.parse(said).preferred[0]]

        said = judge_of(alone, text, text.replace("B", "A"), odds=odds).compare(FIRST, SECOND)
        assert said.rubrics["mos"] == pytest.approx({"A": 0.4, "B": 0.4, "tie": 0.2})

    def test_other_dimensions_of_the_text(self, judge_of):
        said = judge_of(IN_TEXT, self.A, odds=likely_b).compare(FIRST, SECOND, rubric=["mos", "distortion"])
        assert list(said.rubrics) == ["mos", "distortion"]

    def test_one_order_that_cannot_be_read_is_an_error(self, judge_of):
        judge = judge_of(IN_TEXT, self.A, "Both are fine.", odds=likely_b)
        (said,) = judge.compare([FIRST], [SECOND])
        assert (said.better, said.coverage) == (None, 0.5)
        assert said.error.startswith("compare: ")

    def test_a_preference_is_read_at_its_last_line(self):
        question = TextQuestion("compare", (get_rubric("noisiness"),))
        (texts,) = variants("A is cleaner.\n[SpeechA]", question).values()
        assert texts == ["A is cleaner.\n[SpeechA]", "A is cleaner.\n[SpeechB]", "A is cleaner.\n[Tie]"]
        assert list(variants("A is cleaner.\n[SpeechA]", question)) == ["noisiness"]


class TestUnlearned:
    @pytest.mark.parametrize(
        ("ask", "what"),
        [
            (lambda judge: judge.score(FIRST, rubric="mos"), "to score 'mos'"),
            (lambda judge: judge.explain(FIRST), "to explain"),
            (lambda judge: judge.compare(FIRST, SECOND), "to compare"),
            (lambda judge: judge.decide(FIRST, {"hum": {"type": "noul", "instructions": "Hum?"}}), "such as 'hum'"),
        ],
    )
    @pytest.mark.filterwarnings("ignore::audio_judge.UntrainedRubricWarning")
    def test_words_alone_say_nothing_about_other_tasks(self, judge_of, ask, what):
        with pytest.raises(UntrainedTaskError, match=f"tiny never learned .*{what}.*; it learned detect in text"):
            ask(judge_of({"detect": Lesson("text")}))

    def test_other_typed_questions_are_asked_after_one_warning(self, judge_of):
        judge = judge_of({"decide": Lesson("decision", ("mos",))})
        with pytest.warns(UntrainedTaskWarning, match="tiny never learned to detect; it learned decide of mos"):
            judge.detect(FIRST)
        judge.detect(FIRST)  # a second warning would be an error here
        with pytest.warns(UntrainedRubricWarning, match="not trained on 'loudness'"):
            judge.score(FIRST, rubric="loudness")

    def test_words_that_were_not_learned_are_made_of_decisions(self, judge_of):
        judge = judge_of(
            {"decide": Lesson("decision", ("mos", "noisiness", "coloration", "discontinuity", "loudness"))}
        )
        with pytest.warns(UntrainedTaskWarning, match="never learned to explain.*made of what it decides"):
            said = judge.explain(FIRST)
        assert said.has_own_words is False
        assert said.text.startswith(f"Overall quality: {said['mos'].value:.1f}")

    def test_a_judge_of_one_rubric_scores_that_alone(self, judge_of):
        assert list(judge_of({"decide": Lesson("decision", ("loudness",))}).score(FIRST).scores) == ["loudness"]


class TestEvaluation:
    """Figures of a run are those of the Python API."""

    @pytest.fixture
    def clips(self, tmp_path):
        paths = []
        for index, (samples, rate) in enumerate((FIRST, SECOND)):
            paths.append(str(tmp_path / f"{index}.wav"))
            soundfile.write(paths[-1], samples, rate)
        return paths

    def question(self, task, clips, *rubrics):
        return Question("a", task, tuple(clips), tuple(map(get_rubric, rubrics)))

    def test_assess(self, judge_of, clips):
        judge = judge_of(IN_TEXT, FIVE)
        (answer,) = OwnJudge(judge).answer([self.question("assess", clips[:1], "mos")])
        assert answer.prediction["scores"] == {"mos": 5.0, "distortion": 4.0}
        assert answer.prediction["scores"]["mos"] == judge.assess(clips[0])["mos"].value
        assert "std" not in answer.prediction

    def test_what_cannot_be_read_is_no_answer(self, judge_of, clips):
        (answer,) = OwnJudge(judge_of(IN_TEXT, "Fine.")).answer([self.question("score", clips[:1], "mos")])
        assert (answer.prediction, answer.text) == (None, ("Fine.",))
        assert answer.error.startswith("assess: ")

    def test_compare_in_both_orders(self, judge_of, clips):
        judge = judge_of(IN_TEXT, TestCompare.A, odds=likely_b)
        (answer,) = OwnJudge(judge).answer([self.question("compare", clips, "mos")])
        assert (answer.prediction["preferences"], answer.prediction["swapped"]) == ({"mos": "tie"}, {"mos": "tie"})

    def test_tasks_and_rubrics_that_were_not_learned_are_left_out(self, judge_of):
        judge = OwnJudge(judge_of(IN_TEXT))
        asked = [get_rubric(name) for name in ("mos", "loudness")]
        assert judge.rubrics_for("score", asked) == (asked[0],)
        assert judge.rubrics_for("explain", asked).startswith("tiny never learned to explain; it learned assess")


def test_telling_tokens_end_where_an_answer_is_its_own():
    assert telling([[1, 2, 9], [1, 3, 9], [1, 3, 4, 9]]) == [[1, 2], [1, 3, 9], [1, 3, 4]]


def test_a_state_without_a_reference_is_asked_without_one():
    question = TextQuestion("detect")
    (message,) = question.messages(clip_state("a.wav", "b.wav"))
    assert [block["type"] for block in message["content"]] == ["audio", "text"]
    assert message["content"][0]["path"] == "a.wav"
    assert Request("a.wav").reference is None
