import random

from audio_judge.clips import Cause, RatedClip, Rating
from audio_judge.degrade import KINDS
from audio_judge.faults import CONTENT_QUESTION, FAULT_QUESTIONS, draw_questions


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
