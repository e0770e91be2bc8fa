"""What a judge is trained on, noted from the examples themselves."""

import json
from types import SimpleNamespace

import pytest

from audio_judge.judge.learned import Learned, Lesson
from audio_judge.judge.shipped import SHIPPED_JUDGES
from audio_judge.languages import wordings
from audio_judge.training.notes import learned_from, note, requests_of


def question(kind="score", **more):
    return {"type": kind, "instructions": "How is it?", "criteria": ["bad", "good"]} | more


def text(task, **facts):
    return {"task": task, "prompt": [], "completion": []} | facts


class TestLearnedFrom:
    def test_questions_are_decisions_and_the_others_text(self):
        found = learned_from(
            [{"task": "decide", "questions": {"mos": question()}}, text("score", rubrics=["loudness"])]
        )
        assert found.tasks == {"decide": Lesson("decision", ("mos",)), "score": Lesson("text", ("loudness",))}

    def test_what_is_rated_and_not_asked_for_is_not_learned(self):
        (lesson,) = learned_from([text("score", rubrics=["mos"], scores={"mos": 3, "noisiness": 2})]).tasks.values()
        assert lesson.rubrics == ("mos",)

    def test_a_rubric_turned_round_is_not_learned_but_one_on_another_scale_is(self):
        asked = {"mos": question(), "noisiness_inverted": question(), "warmth": question()}
        made = {"mos": ["scale"], "noisiness_inverted": ["invert"]}
        found = learned_from([{"task": "decide", "questions": asked, "provenance": made}])
        assert found.rubrics == ("mos", "warmth")

    def test_listeners_are_noted(self):
        asked = {"task": "decide", "questions": {"mos": question()}}
        found = learned_from([asked | {"listener": "strict"}, asked, text("score", rubrics=["mos"], listener="nisqa")])
        assert found.listeners == ("nisqa", "strict")
        assert Learned.from_note(found.note()) == found

    @pytest.mark.parametrize(("name", "expected"), [("clicks", True), ("fake", False)])
    def test_known_faults_are_noted(self, name, expected):
        assert learned_from([{"task": "decide", "questions": {name: question("noul")}}]).has_faults is expected

    def test_comparisons_say_how_they_are_laid_out_and_in_what(self):
        rows = [
            text("compare", rubrics=[], verdicts={"mos": "A"}, form="dimensions", language="fr"),
            text("compare", rubrics=[], verdicts={"noisiness": "A"}, reference="A wins.\n[SpeechA]"),  # to be rewarded
        ]
        expected = Lesson("text", ("mos", "noisiness"), ("en", "fr"), ("dimensions", "preference"))
        assert learned_from(rows).tasks == {"compare": expected}

    def test_answers_without_a_thought_are_noted_and_a_later_lesson_counts(self):
        example = {"task": "suggest", "rubrics": [], "completion": [{"content": "Speak up."}]}
        alone, thinking = learned_from([example | {"thinks": False}]), learned_from([example])
        assert [one.tasks["suggest"].thinks for one in (alone, thinking)] == [False, True]
        assert not thinking.merged(alone).tasks["suggest"].thinks
        assert Learned.from_note(alone.note()) == alone

    def test_examples_of_an_earlier_version_are_read(self):
        old = {"task": "profile", "prompt": [], "completion": [{"role": "assistant", "content": "Loudness: 3.0"}]}
        assert learned_from([old | {"scores": {"loudness": 3.0, "mos": 2.0}}]).rubrics == ("loudness",)

    def test_a_task_in_two_forms_is_an_error(self):
        with pytest.raises(ValueError, match="task odd: some examples are typed"):
            learned_from([text("odd"), {"task": "odd", "questions": {}}])


class TestNote:
    LESSON = Learned({"detect": Lesson("text")})

    def test_goes_on_from_what_the_judge_knew(self):
        known = Learned({"decide": Lesson("decision", ("mos",))}, has_faults=True)
        model = SimpleNamespace(config=SimpleNamespace(learned=known.note()))
        note(model, None, self.LESSON)
        assert Learned.of(model.config) == Learned(known.tasks | self.LESSON.tasks, has_faults=True)

    @pytest.mark.parametrize(("is_supervised", "left"), [(True, []), (False, ["decide"])])
    def test_examples_in_text_alone_leave_no_decisions_and_rewards_do(self, is_supervised, left):
        """Asked for decisions that it no longer practised, a judge was off by twice as much as in the text it had learned."""
        before = Learned({"decide": Lesson("decision", ("mos",))}, has_faults=True, questions=("Is it loud?",))
        model = SimpleNamespace(config=SimpleNamespace(learned=before.note()))
        note(model, None, Learned({"score": Lesson("text", ("mos",))}), is_supervised=is_supervised)
        found = Learned.of(model.config)
        assert [task for task in found.tasks if task != "score"] == left
        assert found.way_to_score("mos") == ("score" if is_supervised else "decide")
        assert found.has_faults is not is_supervised

    def test_decisions_among_the_examples_keep_those_of_before(self):
        before = Learned({"decide": Lesson("decision", ("mos", "loudness"))}, has_faults=True)
        model = SimpleNamespace(config=SimpleNamespace(learned=before.note()))
        lessons = {"score": Lesson("text", ("mos",)), "decide": Lesson("decision", ("mos",))}
        note(model, None, Learned(lessons), is_supervised=True)
        assert Learned.of(model.config).tasks["decide"].rubrics == ("mos", "loudness")

    def test_a_processor_of_an_earlier_version_hands_its_notes_over(self):
        old = {"trained_rubrics": ["mos"], "trained_languages": None, "trained_faults": True, "answer_form": "decimal"}
        model, processor = SimpleNamespace(config=SimpleNamespace()), SimpleNamespace(**old)
        note(model, processor, self.LESSON)
        assert Learned.of(model.config) == Learned({"score": Lesson("text", ("mos",))} | self.LESSON.tasks, True)
        assert (processor.trained_rubrics, processor.answer_form) == (None, "decision")


class TestRequestsOf:
    def test_a_judge_of_other_words_takes_any(self):
        assert requests_of(Learned({"suggest": Lesson("text")})) is None
        assert requests_of(None) is None

    def test_typed_questions_are_no_requests_in_words(self):
        tasks = {"decide": Lesson("decision", ("mos",)), "detect": Lesson("text", languages=("en", "fr"))}
        found = requests_of(Learned(tasks, words="ours"))
        assert list(found) == ["detect"]
        assert {wordings("detect", code)[0][0] for code in ("en", "fr")} < set(found["detect"])

    @pytest.mark.parametrize("name", [name for name, one in SHIPPED_JUDGES.items() if one.is_there])
    def test_shipped_judges_say_what_they_learned(self, name):
        folder = SHIPPED_JUDGES[name].folder
        learned = Learned.from_note(json.loads((folder / "config.json").read_text())["learned"])
        assert json.loads((folder / "requests.json").read_text()) == requests_of(learned)

    def test_are_noted_while_all_words_are_ours(self):
        model = SimpleNamespace(
            config=SimpleNamespace(learned=Learned({"suggest": Lesson("text")}, words="ours").note())
        )
        processor = SimpleNamespace(requests=None)
        note(model, processor, Learned({"decide": Lesson("decision", ("mos",))}), is_supervised=True)
        assert list(processor.requests) == ["suggest"]
        note(model, processor, Learned({"describe": Lesson("text")}), is_supervised=True)
        assert processor.requests is None
