"""What is measured in a clip outranks what a judge guesses, and no word contradicts it, in any task or language."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from scipy import signal

from audio_judge.audio import Audio
from audio_judge.judge import drafts
from audio_judge.judge.evidence import Alone
from audio_judge.judge.judgement import Judgement, Score
from audio_judge.judge.requests import Heard, Questionnaire, Reading, Request
from audio_judge.judge.results import with_faults
from audio_judge.judge.signal_facts import ABSENT, SignalFacts
from audio_judge.languages import LANGUAGES, get_language
from audio_judge.rubrics.rubric import RUBRICS, SPEECHEVAL_RUBRICS
from audio_judge.tasks import explain
from audio_judge.tasks.faults import FAULT_QUESTIONS, all_questions

RATE = 24_000
QUESTIONS = all_questions(with_spans=False)


def speech(seconds=3.0, level=-20.0):
    """Noise in bursts with the rhythm of syllables, up to 12 kHz, so loud in LUFS."""
    rng = np.random.default_rng(3)
    time = np.arange(round(seconds * RATE)) / RATE
    samples = signal.lfilter([1], [1, -0.7], rng.normal(size=len(time)).clip(-3, 3))
    samples *= 0.1 + 0.9 * np.abs(np.sin(2 * np.pi * 1.5 * time))
    return at_level(samples, level)


def at_level(samples, level):
    return samples * 10 ** ((level - Alone(Audio(samples, RATE, "clip")).facts.loudness_lufs) / 20)


def gapped(samples):
    found = samples.copy()
    for start in (9000, 21_000, 40_000):
        found[start : start + 1500] = 0
    return found


def narrow(samples):
    return at_level(signal.sosfilt(signal.cheby2(12, 90, 3800, fs=RATE, output="sos"), samples), -20)


CLIPS = {
    "clean": speech(),
    "quiet": speech(level=-50),
    "loud": np.clip(speech(level=-8), -1, 1),
    "clipped": at_level(np.clip(speech(), -0.1, 0.1), -20),
    "gapped": gapped(speech()),
    "narrow": narrow(speech()),
}
THERE = {
    "clean": set(),
    "quiet": {"level"},
    "loud": {"level", "clipping"},
    "clipped": {"clipping"},
    "gapped": {"time_clipping"},
    "narrow": {"band_limit"},
}
MEASURED = {"level", "clipping", "time_clipping", "band_limit"}


@cache
def heard(name, guess):
    """A judgement of a clip by a judge that guesses that each fault that is measured is there with this probability."""
    probabilities = {kind: np.array([guess if kind in MEASURED else 0.05] * 2) for kind in FAULT_QUESTIONS}
    probabilities = {kind: np.array([shares[0], 1 - shares[0]]) for kind, shares in probabilities.items()}
    asked = Questionnaire(more=QUESTIONS, is_measured=True)
    found = Alone(Audio(CLIPS[name].astype(np.float32), RATE, "clip")).revised(Heard(probabilities), asked)
    reading = Reading(Request("clip.wav"), 3.0, [(0.0, 3.0)], [found])
    return reading


@dataclass
class Asked:
    name: str

    def answer(self, shares):
        return {"type": "noul", "noul": shares[0]}


def judged(name, guess=0.05, score=3.0, rubrics=RUBRICS):
    scores = {rubric: Score(rubric, score, 0.5, "fair", {}) for rubric in rubrics}
    return with_faults(Judgement("clip.wav", 3.0, scores), heard(name, guess), [Asked(kind) for kind in QUESTIONS])


class TestFacts:
    @pytest.mark.parametrize("name", CLIPS)
    def test_faults_are_found_that_no_judge_guesses(self, name):
        assert {fault.kind for fault in judged(name).faults} == THERE[name]

    def test_a_level_that_is_right_is_no_fault_whatever_is_guessed(self):
        assert {fault.kind for fault in judged("clean", 0.9).faults} == MEASURED - {"level"}

    def test_between_right_and_wrong_the_guess_stands(self):
        facts = SignalFacts(3.0, -37.0, 0.0, (), 0.0, 8000.0)
        assert "level" not in facts.probabilities({"level": 0.7})
        assert facts.side == -1

    @pytest.mark.parametrize(("name", "sign"), [("quiet", -1), ("loud", 1)])
    def test_level_has_its_direction(self, name, sign):
        (level,) = (fault for fault in judged(name).faults if fault.kind == "level")
        assert np.sign(level.parameters["gain_db"]) == explain.side_of(level) == sign

    def test_clipping_has_its_degree(self):
        (fault,) = judged("clipped").faults
        assert fault.parameters["fraction"] > 0.08
        assert explain.severity(fault) == explain.STRONG

    def test_gaps_have_their_times(self):
        (fault,) = judged("gapped").faults
        expected = np.array([9000, 10_500, 21_000, 22_500, 40_000, 41_500]) / RATE
        assert np.ravel(fault.spans) == pytest.approx(expected, abs=0.002)

    def test_sound_above_a_telephones_band_is_not_band_limited(self):
        facts = SignalFacts(3.0, -20.0, 0.0, (), 90.0, 18_000.0)
        assert facts.probabilities({"band_limit": 0.6})["band_limit"] == ABSENT
        assert "band_limit" not in facts.probabilities({"band_limit": 0.9})

    def test_edge_of_a_codec_that_is_heard_is_its_own(self):
        facts = SignalFacts(3.0, -20.0, 0.0, (), 90.0, 3900.0)
        assert "band_limit" not in facts.probabilities({"band_limit": 0.1, "codec": 0.8})

    def test_gap_as_long_as_a_pause_is_none(self):
        facts = SignalFacts(3.0, -20.0, 0.0, ((1.0, 1.4),), 90.0, 8000.0)
        assert "time_clipping" not in facts.probabilities({"time_clipping": 0.1})

    def test_scores_alone_measure_nothing(self):
        evidence = Alone(Audio(CLIPS["loud"], RATE, "clip"))
        found = Heard({"clipping": np.array([0.1, 0.9])})
        assert evidence.revised(found, Questionnaire(more=QUESTIONS)) is found
        assert "facts" not in vars(evidence)


# What a judge might write that is wrong of most clips
CONTRADICTIONS = {
    "en": "The voice is far too quiet. The voice is much too loud. The loudness is right. The loudness is very wrong. "
    "I hear a few overloaded peaks. I hear many overloaded peaks. The speech is unbroken. The voice sounds natural.",
    "fr": "Le volume est beaucoup trop faible. Le volume est beaucoup trop fort. Le niveau sonore est juste. On entend un léger écrêtage. "
    "On entend un fort écrêtage. Rien n'interrompt la parole. Le timbre est naturel.",
    "zh": "音量过于偏小。音量过于偏大。响度合适。能听到轻微的削波。能听到严重的削波。语音始终连贯。音色没有改变。",
    "ja": "音量がひどく小さすぎます。音量がひどく大きすぎます。音の大きさは適切です。わずかなクリッピングが聞こえます。"
    "激しいクリッピングが聞こえます。音声は途切れずに流れます。声は自然に聞こえます。",
}
TASKS = {
    "explain": (drafts.EXPLANATION, RUBRICS),
    "describe": (drafts.DESCRIPTION, RUBRICS),
    "assess": (drafts.ASSESSMENT, SPEECHEVAL_RUBRICS),
    "suggest": (drafts.SUGGESTIONS, SPEECHEVAL_RUBRICS),
}


def worded(name, task, language, words, score):
    """The free words of a task about a clip, by a judge that writes these, or by rule."""
    how, rubrics = TASKS[task]
    judgement = judged(name, score=score, rubrics=rubrics)
    draft = how.draft(judgement, False, language)
    return draft.finish("" if words is None else words), judgement


class TestWords:
    """Words, decided faults, scores' words and measured facts agree."""

    @pytest.mark.parametrize("score", [1.2, 4.9])
    @pytest.mark.parametrize("contradicts", [False, True])
    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("task", TASKS)
    @pytest.mark.parametrize("name", CLIPS)
    def test_agree(self, name, task, language, contradicts, score):
        written, judgement = worded(name, task, language, CONTRADICTIONS[language] if contradicts else None, score)
        said, facts = drafts.sentences(written.words), judgement.facts
        assert said
        for sentence in said:
            assert explain.level_side(sentence, language) in (0, facts.side), sentence
        kinds = {fault.kind for fault in judgement.faults}
        named = [kind for sentence in said for kind in explain.named_causes(sentence, language)]
        if task == "explain":
            assert set(named) == kinds
            assert len(named) == len(kinds)
        elif task == "assess":
            assert set(named) <= kinds
        spoken = get_language(language)
        for rubric, groups in (*spoken.dimensions.items(), *spoken.descriptions.items()):
            wrong = [one for fifth, group in enumerate(groups) if facts.opposes(rubric, fifth) for one in group]
            assert not set(wrong) & set(said)

    def test_degree_is_the_measured_one(self):
        written, judgement = worded("clipped", "explain", "en", "I hear a few overloaded peaks.", 3.0)
        (fault,) = judgement.faults
        assert f"{100 * fault.parameters['fraction']:.0f} %" in written.words
        assert "a few" not in written.words
        assert not written.is_own

    def test_own_words_of_another_are_kept(self):
        own = "The clipping gives the vowels a rasp."
        assert own in worded("clipped", "explain", "en", own, 3.0)[0].words
