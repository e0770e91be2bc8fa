"""What an original beside a clip says, as evidence on what a judge heard."""

import numpy as np
import pytest
from tiny import make_judge

from audio_judge.audio import Audio
from audio_judge.judge.evidence import Evidence
from audio_judge.judge.fitted import Fitted
from audio_judge.judge.judge import AudioJudge
from audio_judge.judge.judgement import UNALIKE
from audio_judge.judge.learned import Learned, Lesson
from audio_judge.judge.requests import Heard, Questionnaire
from audio_judge.rubrics.rubric import RUBRICS, get_rubric
from audio_judge.rubrics.shares import shares_to_score, tilted_to
from audio_judge.tasks.faults import fault_question, span_question

RATE = 16_000
rng = np.random.default_rng(0)
SAMPLES = np.repeat(rng.uniform(0.02, 0.3, 40), 1600).astype(np.float32) * rng.normal(size=64_000).astype(
    np.float32
).clip(-3, 3)
NOISE = rng.normal(scale=0.05, size=64_000).astype(np.float32)
MOS = get_rubric("mos")
SHARES = np.array([0.1, 0.2, 0.4, 0.2, 0.1])
# Half a point for every standard deviation of the waveform's ratio, a tenth in any case
FITTED = Fitted({"waveform_snr": (20.0, 10.0)}, {"mos": {"waveform_snr": 0.5, "": 0.1}})


def audio(samples):
    return Audio(samples, RATE, "clip")


def revised(clip, original, name="mos", fitted=None, questions=None):
    heard = Heard({name: SHARES, **{key: np.array([0.9, 0.1]) for key in questions or ()}})
    asked = Questionnaire([get_rubric(name)], questions or {})
    return Evidence(audio(clip), audio(original)).revised(heard, asked, fitted).probabilities


class TestRule:
    @pytest.mark.parametrize("name", [*RUBRICS, "distortion"])
    def test_an_identical_clip_is_near_the_top(self, name):
        value, _ = shares_to_score(revised(SAMPLES, SAMPLES, name)[name], get_rubric(name))
        assert value == pytest.approx(4.8)

    def test_where_high_is_bad_the_top_is_below(self):
        value, _ = shares_to_score(
            revised(SAMPLES, SAMPLES, "reverberation")["reverberation"], get_rubric("reverberation")
        )
        assert value == pytest.approx(1.2)

    def test_what_the_speech_was_before_stays(self):
        assert revised(SAMPLES, SAMPLES, "naturalness")["naturalness"] is SHARES

    def test_a_wrong_level_is_still_a_fault_of_loudness_only(self):
        assert revised(SAMPLES / 4, SAMPLES, "loudness")["loudness"] is SHARES
        assert (
            shares_to_score(revised(SAMPLES / 4, SAMPLES, "noisiness")["noisiness"], get_rubric("noisiness"))[0] > 4.7
        )

    def test_no_fault_is_there(self):
        questions = {
            "a": fault_question("noise"),
            "b": {"type": "noul", "instructions": "Is it warm?"},
            "c": span_question("clicks"),
        }
        found = revised(SAMPLES, SAMPLES, questions=questions)
        assert found["a"].tolist() == pytest.approx([0.02, 0.98])
        assert found["b"].tolist() == [0.9, 0.1]
        assert found["c"].max() <= 0.02

    def test_noise_ends_it(self):
        assert revised(SAMPLES + NOISE, SAMPLES)["mos"] is SHARES


class TestFitted:
    def test_measures_shift_the_shares_as_much_as_was_fitted(self):
        found = revised(SAMPLES + NOISE, SAMPLES, fitted=FITTED)["mos"]
        snr = 10 * np.log10(np.square(SAMPLES).mean() / np.square(NOISE).mean())
        assert shares_to_score(found, MOS)[0] == pytest.approx(3 + 0.1 + 0.5 * (snr - 20) / 10, abs=0.02)

    def test_shares_keep_their_shape_at_the_ends(self):
        assert tilted_to(SHARES, MOS, 9.0).tolist() == [0, 0, 0, 0, 1]
        assert tilted_to(SHARES, MOS, 3.0) == pytest.approx(SHARES)

    def test_texts_are_shifted_too(self):
        heard = Heard(values={"mos": 3.0}, text="3.0")
        found = Evidence(audio(SAMPLES), audio(SAMPLES)).revised(heard, Questionnaire([MOS]))
        assert found.values == {"mos": pytest.approx(4.8)}

    def test_the_note_is_read_back_and_another_training_ends_it(self):
        learned = Learned({"decide": Lesson("decision", ("mos",))}, reference=FITTED)
        assert Learned.from_note(learned.note()) == learned
        assert learned.merged(Learned({"detect": Lesson("text")})).reference is None


class TestJudge:
    @pytest.fixture(params=[None, FITTED], ids=["plain", "fitted"])
    def judge(self, request, tmp_path):
        model, processor = make_judge(tmp_path)
        model.config.learned = Learned({"decide": Lesson("decision", tuple(RUBRICS))}, reference=request.param).note()
        return AudioJudge(model, processor)

    def test_a_wrong_reference_moves_nothing_and_is_warned_about(self, judge):
        clip, other = (SAMPLES + NOISE, RATE), (np.roll(SAMPLES[::-1], 9000).copy(), RATE)
        alone, beside = judge.score(clip), judge.score(clip, other)
        assert UNALIKE in beside.warnings
        assert beside.scores == alone.scores

    def test_the_clip_itself_is_near_the_top(self, judge):
        said = judge.score((SAMPLES, RATE), (SAMPLES, RATE))
        assert [score.value for score in said.scores.values()] == pytest.approx([4.8] * 5)

    def test_decisions_are_revised_as_scores_are(self, judge):
        clip, original = (SAMPLES + NOISE, RATE), (SAMPLES, RATE)
        decided = judge.decide(clip, {"any": MOS.question()}, original)["any"]["score"]
        assert decided + 1 == pytest.approx(judge.score(clip, original, rubric="mos")["mos"].value, abs=1e-4)

    def test_a_true_one_is_measured_by_a_judge_to_which_that_was_fitted(self, judge):
        clip = (SAMPLES + NOISE, RATE)
        alone, beside = (
            judge.score(clip, rubric="mos")["mos"].value,
            judge.score(clip, (SAMPLES, RATE), rubric="mos")["mos"].value,
        )
        if judge.reader.fitted is None:
            assert beside != alone
        else:
            snr = Evidence(audio(SAMPLES + NOISE), audio(SAMPLES)).measured["waveform_snr"]
            assert beside - alone == pytest.approx(0.1 + 0.5 * (snr - 20) / 10, abs=0.02)
