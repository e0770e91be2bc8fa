from functools import cache

import numpy as np
import pytest
from controls_stub import RATE, StubComparer, StubJudge, StubPeer, good_share, make_clips, read_samples

from audio_judge.degrade.measures import active_level
from audio_judge.eval.controls import bias
from audio_judge.eval.controls.bench import Bench

# Of a file that stays as it is
by_ear = cache(good_share)


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """`audited(judge)`: status by name; clips are treated once for all judges."""
    folder = tmp_path_factory.mktemp("bias")
    clips = make_clips(folder)

    def audit(judge):
        checks = bias.run_bias(Bench(judge, clips, folder / "bench"))
        return {one.name.removeprefix("bias/"): one.status for one in checks}

    return audit


@pytest.fixture
def failed(audited):
    """`failed(judge)`: names of what a judge fails."""
    return lambda judge: {name for name, status in audited(judge).items() if status == "failed"}


class TestRunBias:
    def test_judge_by_ear_passes_all(self, audited):
        assert set(audited(StubComparer(by_ear)).values()) == {"passed"}

    def test_constant_judge_fails_nothing_and_has_no_clear_pairs(self, audited):
        found = audited(StubJudge(lambda path: 3.0))
        assert found["repetition"] == "passed"
        assert found["repetition/flips"] == "not applicable"
        assert "failed" not in found.values()

    def test_louder_is_better_is_found_out(self, failed):
        names = failed(StubJudge(lambda path: 6 + 2 * np.log10(active_level(read_samples(path), RATE))))
        assert {"gain_+3_db", "gain_+6_db", "gain_+6_db/mos"} <= names
        assert not {name for name in names if name.startswith("gain_-")}

    def test_softer_is_better_is_found_out(self, failed):
        names = failed(StubJudge(lambda path: 2 - 2 * np.log10(active_level(read_samples(path), RATE))))
        assert {"gain_-3_db", "gain_-6_db"} <= names

    def test_longer_is_better_is_found_out(self, failed):
        names = failed(StubJudge(lambda path: 1 + len(read_samples(path)) / RATE / 1.6))
        assert {"repetition", "silence_padding", "subdued_delivery"} <= names
        assert "half_length" not in names

    def test_shorter_is_better_is_found_out(self, failed):
        assert "half_length" in failed(StubJudge(lambda path: 5 - len(read_samples(path)) / RATE / 1.6))

    def test_what_silence_costs_is_found_out(self, failed):
        judge = StubJudge(lambda path: 5 - 3 * float(np.mean(np.abs(read_samples(path)) < 1e-3)))
        names = failed(judge)
        assert {"silence_padding_6_s", "silence_padding_12_s", "silence_padding_30_s", "pause_12_s"} <= names

    def test_faster_is_better_is_found_out(self, failed):
        def crossings(path):
            samples = read_samples(path)
            return np.mean(np.diff(np.signbit(samples)))

        names = failed(StubJudge(lambda path: 1 + 20 * crossings(path)))
        assert "excited_delivery" in names
        assert "subdued_delivery" not in names

    def test_livelier_is_better_is_found_out(self, failed):
        def spread(path):
            samples = read_samples(path)
            frames = samples[: len(samples) // 800 * 800].reshape(-1, 800)
            return np.std(10 * np.log10(np.mean(frames**2, axis=1) + 1e-4))

        assert "lively_energy" in failed(StubJudge(lambda path: 1 + spread(path) / 2))

    def test_treated_clip_that_wins_pairs_is_found_out(self, failed):
        judge = StubComparer(lambda path: 3.0 + ("repetition" in path))
        assert "repetition/pairs" in failed(judge)

    def test_flips_are_counted(self, failed):
        judge = StubPeer(lambda path: 5.0 if "repetition" in path else 1.0 + int(path[-5]) / 4)
        assert "repetition/flips" in failed(judge)

    def test_peer_that_scores_mos_only_is_audited_on_it(self, audited):
        found = audited(StubPeer(by_ear))
        assert found["gain_+6_db"] == "not applicable"
        assert found["gain_+6_db/mos"] == "passed"


class TestChangeEnergyContrast:
    def test_flatter_is_evener_and_as_loud(self):
        speech = np.repeat([0.4, 0.1], 16_000) * np.sin(np.arange(32_000))
        flat = bias.change_energy_contrast(speech, 16_000, 0.4)
        assert np.std(flat[:12_000]) / np.std(flat[-12_000:]) < 3
        assert active_level(flat, 16_000) == pytest.approx(active_level(speech, 16_000))

    def test_pauses_are_not_gated(self):
        rng = np.random.default_rng(0)
        speech = np.concatenate([np.sin(np.arange(8000)), np.zeros(8000), np.sin(np.arange(8000))])
        noisy = speech + 0.001 * rng.standard_normal(24_000)
        lively = bias.change_energy_contrast(noisy, 8000, 1.6)
        assert np.std(lively[10_000:14_000]) == pytest.approx(np.std(noisy[10_000:14_000]), rel=0.2)

    def test_silence_stays(self):
        assert not bias.change_energy_contrast(np.zeros(8000), 8000, 1.6).any()


class TestMovePitch:
    def test_pitch_rises_and_falls_by_the_share(self):
        tone = np.sin(2 * np.pi * 400 * np.arange(32_000) / 16_000)
        moved = bias.move_pitch(tone, 16_000, share=0.1, frequency=0.5)
        rises = [np.count_nonzero(np.diff(np.signbit(part))) / 2 / 0.1 for part in moved.reshape(20, 1600)]
        assert max(rises) == pytest.approx(440, rel=0.03)
        assert min(rises) == pytest.approx(360, rel=0.03)


class TestChangeVoice:
    def test_higher_and_faster_at_the_same_level(self):
        tone = 0.1 * np.sin(2 * np.pi * 400 * np.arange(17_600) / 16_000)
        raised = bias.change_voice(tone, 16_000, 1.1)
        assert len(raised) == 16_000
        assert np.argmax(np.abs(np.fft.rfft(raised))) == pytest.approx(440, abs=2)
        assert active_level(raised, 16_000) == pytest.approx(active_level(tone, 16_000), rel=0.01)
