import dataclasses

import pytest

from audio_judge.clips import Cause
from audio_judge.rubrics.rubric import get_rubric
from audio_judge.tasks import (
    TASKS,
    Assessment,
    CategoryTarget,
    ClipDetails,
    Comparison,
    Description,
    Detection,
    Distortion,
    Explanation,
    Facts,
    ParseError,
    ScoreTarget,
    Suggestions,
    read_facts,
    states,
)
from audio_judge.tasks.facts import is_of_numbers

MOS = get_rubric("mos")
HEARD = (Distortion("jitter", ((0.0, 1.5),)), Distortion("artifacts"))
TARGETS = {
    "score": (ScoreTarget(MOS, 2.4), ["mos"]),
    "rate": (ScoreTarget(MOS, 2.4), ["mos"]),
    "categorize": (CategoryTarget(MOS, "fair"), ["mos"]),
    "profile": ({"mos": 2.4, "loudness": 4.1}, ["mos", "loudness"]),
    "explain": (Explanation({"mos": 2.4}, (Cause("noise"),)), ["mos"]),
    "describe": (Description("The speech is noisy.", 2.4), []),
    "assess": (Assessment({"mos": 2, "distortion": 1}, "slow", HEARD, answer="Poor."), []),
    "compare": (Comparison({"mos": "A", "noisiness": "A"}), []),
    "suggest": (Suggestions(("speech rate",), ("Speak slower.",)), []),
    "detect": (Detection(True), []),
}


class TestTable:
    @pytest.mark.parametrize("task", TASKS)
    def test_what_is_written_states_what_its_target_states(self, task):
        target, rubrics = TARGETS[task]
        text = TASKS[task].write(target)
        assert read_facts(task, text, rubrics, strict=True) == TASKS[task].facts(target)

    @pytest.mark.parametrize("task", TASKS)
    def test_states_nothing_that_is_not_declared(self, task):
        facts, nothing = TASKS[task].facts(TARGETS[task][0]), Facts()
        said = {one.name for one in dataclasses.fields(Facts) if getattr(facts, one.name) != getattr(nothing, one.name)}
        assert said <= set(TASKS[task].TRAITS.states) <= {one.name for one in dataclasses.fields(Facts)}

    def test_tasks_by_what_they_state(self):
        assert [task for task in TASKS if states(task, "causes")] == ["explain"]
        assert [task for task in TASKS if states(task, "distortions")] == ["compare", "assess"]
        assert {task for task in TASKS if is_of_numbers(task)} == {"score", "categorize", "profile", "rate"}
        assert not states("decide", "scores")


class TestReadFacts:
    def test_any_language(self):
        assert read_facts("detect", "Falsch? It is FAKE.").label == "fake"
        assert read_facts("detect", "音声は本物です", language="ja").label == "real"

    def test_rubrics_of_ones_own(self):
        own = dataclasses.replace(MOS, name="charm", label="charm")
        assert read_facts("categorize", "good", [own]).levels == {"charm": "good"}

    def test_two_clips_are_told_apart(self):
        noted = Comparison({"mos": "A"}, (ClipDetails(HEARD[:1]), ClipDetails(HEARD[1:])))
        text = TASKS["compare"].write(noted, form="dimensions")
        assert read_facts("compare", text).distortions == {"A jitter": ((0.0, 1.5),), "B artifacts": ()}

    def test_unknown_task_is_an_error(self):
        with pytest.raises(ValueError, match="no answer of task 'sing' can be read"):
            read_facts("sing", "la")

    def test_unreadable_text_is_a_parse_error(self):
        with pytest.raises(ParseError):
            read_facts("score", "no idea", ["mos"])


class TestFacts:
    def test_a_level_counts_as_the_score_it_stands_for(self):
        assert Facts({"mos": 2.4}, {"mos": "bad", "speech_rate": "slow"}).values == {"mos": 2.4, "speech_rate": 1.0}

    def test_times_of_what_has_some(self):
        assert Facts(distortions={"jitter": ((0.04, 1.57),), "artifacts": ()}).spans == {"jitter": [(0.04, 1.57)]}
