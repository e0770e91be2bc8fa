import random

from audio_judge.clips import Cause, RatedClip, Rating
from audio_judge.degrade import KINDS
from audio_judge.languages import get_language
from audio_judge.tasks import Distortion
from audio_judge.tasks.assess import DISTORTION_TYPES
from audio_judge.tasks.faults import (
    ADVISED_TYPE_OF_FAULT,
    CONTENT_QUESTION,
    FAULT_QUESTIONS,
    TYPE_OF_FAULT,
    all_questions,
    distortions_by_cause,
    draw_questions,
    heard_faults,
)


def a_clip(content="speech", causes=()):
    return RatedClip("a.wav", {"mos": Rating(3.0)}, "train", "simulated", causes=causes, extra={"content": content})


def drawn(clip, seeds=range(60)):
    return [draw_questions(clip, random.Random(seed)) for seed in seeds]


class TestFaultQuestions:
    def test_kinds_are_those_of_the_degradations(self):
        assert set(FAULT_QUESTIONS) <= set(KINDS)

    def test_no_wording_stands_for_two_faults(self):
        wordings = [wording for texts in FAULT_QUESTIONS.values() for wording in texts]
        assert len(wordings) == len(set(wordings))


class TestDrawQuestions:
    def test_present_fault_is_likely_and_absent_one_is_not(self):
        clip = a_clip(causes=(Cause("noise", {"snr_db": 0.0}),))
        for questions in drawn(clip):
            for kind in questions.keys() & FAULT_QUESTIONS.keys():
                shares = questions[kind][1]
                assert abs(sum(shares) - 1) < 1e-6
                assert (shares[0] > 0.5) == (kind == "noise")

    def test_present_faults_are_asked_about_as_often_as_absent_ones(self):
        asked = [kind for questions in drawn(a_clip(causes=(Cause("clicks"),)), range(400)) for kind in questions]
        asked = [kind for kind in asked if kind in FAULT_QUESTIONS]
        assert 0.4 < asked.count("clicks") / len(asked) < 0.6

    def test_slight_fault_leaves_listeners_divided(self):
        clip = a_clip(causes=(Cause("noise", {"snr_db": 45.0}),))
        shares = [questions["noise"][1][0] for questions in drawn(clip) if "noise" in questions]
        assert set(shares) == {0.6}

    def test_clip_without_speech_is_asked_what_it_is(self):
        for questions in drawn(a_clip("music")):
            assert list(questions) == ["content"]
            assert questions["content"][1][list(CONTENT_QUESTION["criteria"]).index("music")] == 1.0

    def test_unknown_faults_are_not_asked_about(self):
        assert drawn(a_clip("wild"), range(5)) == [{}] * 5

    def test_same_seed_same_questions(self):
        assert drawn(a_clip()) == drawn(a_clip())

    def test_all_are_asked_on_demand(self):
        clip = a_clip(causes=(Cause("clicks", {}, ((0.5, 0.6),)), Cause("noise", {"snr_db": 0.0})))
        clip.extra["label"] = "fake"
        questions = draw_questions(clip, random.Random(0), ask_all=True)
        likely = {name for name, (asked, shares) in questions.items() if asked["type"] == "noul" and shares[0] > 0.5}
        assert set(FAULT_QUESTIONS) <= set(questions)
        assert likely == {"clicks", "noise", "fake"}

    def test_all_spans_that_are_there_and_one_that_is_not(self):
        clip = a_clip(causes=(Cause("clicks", {}, ((0.5, 0.6),)), Cause("packet_loss", {}, ((0.1, 0.2),))))
        for seed in range(10):
            asked = draw_questions(clip, random.Random(seed), ask_all=True)
            spans = {name: found for name, (_, found) in asked.items() if name.startswith("when_")}
            assert spans.pop("when_clicks") == [[0.5, 0.6]]
            assert spans.pop("when_dropouts") == [[0.1, 0.2]]
            assert list(spans.values()) == [[]]


def answered(spans=(), **likely):
    answers = {kind: {"type": "noul", "noul": p} for kind, p in likely.items()}
    return answers | {"when_dropouts": {"type": "span", "spans": [{"start": a, "end": b} for a, b in spans]}}


class TestQuestions:
    def test_are_named_as_in_training(self):
        clips = [a_clip(causes=(Cause(kind, {}, ((0.5, 0.8),)),)) for kind in FAULT_QUESTIONS]
        names = {name for clip in clips for one in drawn(clip) for name in one}
        assert names - {"content"} == set(all_questions(with_spans=True))

    def test_times_are_asked_for_on_demand(self):
        assert set(all_questions(with_spans=False)) == set(FAULT_QUESTIONS)


class TestHeardFaults:
    def test_surest_comes_first_and_unlikely_ones_are_left_out(self):
        found = heard_faults(answered(noise=0.6, codec=0.49, packet_loss=0.9))
        assert [cause.kind for cause in found] == ["packet_loss", "noise"]

    def test_times_belong_to_the_fault_that_comes_and_goes(self):
        found = heard_faults(answered([(0.2, 0.4)], noise=0.6, packet_loss=0.9))
        assert [cause.spans for cause in found] == [((0.2, 0.4),), ()]

    def test_become_types_with_passages(self):
        heard = heard_faults(answered([(0.2, 0.4), (0.5, 0.7)], time_clipping=0.5, packet_loss=0.9, level=0.8))
        assert distortions_by_cause(heard) == (Distortion("drop / missing", ((0.2, 0.7),)),)
        assert [one.kind for one in distortions_by_cause(heard, ADVISED_TYPE_OF_FAULT)] == ["drop / missing", "level"]


class TestTypes:
    def test_are_those_of_the_task_and_there_is_advice_for_each(self):
        assert set(TYPE_OF_FAULT.values()) == set(DISTORTION_TYPES)
        assert set(ADVISED_TYPE_OF_FAULT.values()) == set(get_language("en").distortion_advice)
