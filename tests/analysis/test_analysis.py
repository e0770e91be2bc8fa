import json

import numpy as np
import pytest
import soundfile
from scipy import signal

import audio_judge
from audio_judge.audio import AudioError

RATE = 48_000
COUNT = 2 * RATE
TIME = np.arange(COUNT) / RATE


def noise(rms=0.1, seed=0, count=COUNT):
    return rms * np.random.default_rng(seed).standard_normal(count)


def tone(amplitude=0.5, frequency=440.0):
    return amplitude * np.sin(2 * np.pi * frequency * TIME)


def talk(high=3400.0):
    """Bursts of band-limited noise with pauses between them, much like syllables."""
    envelope = np.clip(np.sin(2 * np.pi * 1.5 * TIME), 0, None)
    return signal.sosfiltfilt(signal.butter(12, high, fs=RATE, output="sos"), noise(0.2, seed=1)) * envelope


def analyze(samples, rate=RATE):
    return audio_judge.analyze((samples, rate))


class TestAnalyze:
    def test_silence_is_silence(self):
        facts = analyze(np.zeros(len(TIME)))
        assert (facts.loudness_lufs, facts.peak_dbfs, facts.snr_db) == (None, None, None)
        assert (facts.silence_share, facts.bandwidth_hz, facts.clipping_share, facts.dropouts) == (1.0, 0.0, 0.0, ())

    def test_white_noise_has_no_sound_above_it(self):
        facts = analyze(noise())
        assert facts.snr_db < 0
        assert facts.bandwidth_hz == RATE / 2
        assert facts.clipping_share == 0

    @pytest.mark.parametrize("limit", [0.1, 0.3, 0.45])
    def test_hard_clipped_tone_is_clipped(self, limit):
        facts = analyze(np.clip(tone(), -limit, limit))
        expected = 1 - 2 * np.arcsin(limit / 0.5) / np.pi
        assert facts.clipping_share == pytest.approx(expected, abs=0.02)

    @pytest.mark.parametrize("frequency", [50.0, 440.0, 7000.0])
    @pytest.mark.parametrize("amplitude", [0.01, 0.3, 1.0])
    def test_whole_tone_is_not_clipped(self, amplitude, frequency):
        assert analyze(np.round(tone(amplitude, frequency) * 32_767) / 32_768).clipping_share == 0

    def test_clipping_on_one_side_counts(self):
        assert analyze(np.minimum(tone(), 0.3)).clipping_share == pytest.approx(0.295, abs=0.01)

    def test_loudness_of_the_standards_test_signal(self):
        # ITU-R BS.1770: a 997 Hz sine at 0 dBFS in one channel reads -3.01 LUFS
        assert analyze(tone(1.0, 997.0)).loudness_lufs == pytest.approx(-3.01, abs=0.05)

    def test_clip_shorter_than_a_block_has_no_loudness(self):
        assert analyze(tone()[: RATE // 5]).loudness_lufs is None

    def test_peak_and_offset(self):
        facts = analyze(tone(0.5) + 0.1)
        assert facts.peak_dbfs == pytest.approx(20 * np.log10(0.6), abs=0.01)
        assert facts.dc_offset == pytest.approx(0.1, abs=1e-3)

    @pytest.mark.parametrize("snr", [5.0, 15.0, 30.0])
    def test_signal_to_noise_ratio(self, snr):
        clean = talk()
        loud = np.square(clean[np.abs(clean) > 0.02]).mean()
        estimate = analyze(clean + noise(np.sqrt(loud / 10 ** (snr / 10)), seed=2)).snr_db
        assert estimate == pytest.approx(snr, abs=3)

    @pytest.mark.parametrize("where", [(0.6, 0.9), (0.0, 0.5)])
    def test_gap_and_digital_silence_are_no_pauses_to_hear_noise_in(self, where):
        clean = talk()
        loud = np.square(clean[np.abs(clean) > 0.02]).mean()
        samples = clean + noise(np.sqrt(loud / 10**2.5), seed=2)
        before = analyze(samples).snr_db
        samples[int(where[0] * RATE) : int(where[1] * RATE)] = 0
        assert analyze(samples).snr_db == pytest.approx(before, abs=1.5)

    def test_nothing_is_said_of_noise_that_was_gated_away(self):
        samples = talk() + noise(0.005, seed=2)
        samples[np.clip(np.sin(2 * np.pi * 1.5 * TIME), 0, None) < 0.3] = 0
        assert analyze(samples).snr_db is None

    def test_nothing_is_said_of_noise_under_a_steady_tone(self):
        assert analyze(tone() + noise(0.001)).snr_db is None

    @pytest.mark.parametrize("high", [2000.0, 3400.0, 8000.0])
    def test_bandwidth(self, high):
        sos = signal.ellip(10, 0.1, 100, high, fs=RATE, output="sos")
        assert analyze(signal.sosfiltfilt(sos, noise())).bandwidth_hz == pytest.approx(high, abs=400, rel=0.1)

    def test_upsampled_speech_keeps_its_bandwidth(self):
        narrow = noise(0.1, count=16_000)
        assert analyze(signal.resample(narrow, 96_000)).bandwidth_hz == pytest.approx(4000, rel=0.05)

    def test_dropout_is_found_where_it_is(self):
        samples = talk() + noise(0.001, seed=3)
        samples[int(0.15 * RATE) : int(0.19 * RATE)] = 0
        (gap,) = analyze(samples).dropouts
        assert gap == pytest.approx((0.15, 0.19), abs=0.002)

    def test_pauses_and_silent_ends_are_no_dropouts(self):
        samples = np.concatenate([np.zeros(9600), talk(), np.zeros(9600)])
        assert analyze(samples).dropouts == ()

    def test_silence_share(self):
        samples = np.concatenate([noise(), np.zeros(len(TIME))])
        assert analyze(samples).silence_share == pytest.approx(0.5, abs=0.01)

    def test_file_with_two_channels_and_part_of_it(self, tmp_path):
        soundfile.write(tmp_path / "clip.wav", np.stack([tone(), tone()], 1), RATE)
        facts = audio_judge.analyze(tmp_path / "clip.wav", start_time=0.5, end_time=1.5)
        assert (facts.clip, facts.channels, facts.sampling_rate) == (str(tmp_path / "clip.wav"), 2, RATE)
        assert facts.seconds == pytest.approx(1.0)

    def test_missing_file_is_named(self, tmp_path):
        with pytest.raises(AudioError, match=r"missing\.wav: no such file"):
            audio_judge.analyze(tmp_path / "missing.wav")

    def test_too_long_clip_is_refused_before_it_is_read(self):
        clip = (np.zeros(4000 * 3700, np.int8), 4000)
        with pytest.raises(AudioError, match=r"array: 1\.03 h; at most 1 h"):
            audio_judge.analyze(clip)

    def test_dict_is_json_and_row_is_flat(self):
        facts = analyze(np.zeros(RATE))
        assert json.loads(json.dumps(facts.to_dict()))["loudness_lufs"] is None
        assert facts.to_row()["dropout_seconds"] == 0

    def test_str_says_what_could_not_be_measured(self):
        assert "loudness not measurable" in str(analyze(np.zeros(RATE)))
