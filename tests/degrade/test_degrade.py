"""Degradations: what they promise is measured on tones and on a synthetic voice."""

import json
import subprocess
import sys

import numpy as np
import pytest
from scipy.signal import correlate, hilbert, welch

from audio_judge.clips import Cause
from audio_judge.degrade import (
    CODECS,
    FUNCTIONS,
    HELD_OUT,
    KINDS,
    add_clicks,
    add_echo,
    add_jitter,
    add_noise,
    add_wow,
    change_level,
    change_speed,
    clip_amplitude,
    clip_time,
    cut_notches,
    degrade,
    describe,
    draw_cause,
    equalise,
    limit_band,
    lose_packets,
    pump_gain,
    quantise,
    reverberate,
    sample_plan,
    transcode,
    vocode,
)
from audio_judge.degrade.suppression import SUPPRESSION_METHODS
from audio_judge.degrade.transmission import draw_losses

RATE = 48_000
CODEC_SETTINGS = [
    (name, bit_rate)
    for name, codec in CODECS.items()
    for bit_rate in dict.fromkeys((*codec.bit_rates[:1], *codec.bit_rates[-1:]) or (None,))
]


def make_rng():
    return np.random.default_rng(0)


def make_voice(seconds=1.0, rate=RATE):
    """Two gliding vowels with a pause before, between and after."""
    length = round(seconds * rate)
    phase = np.cumsum(np.linspace(100, 190, length)) / rate
    harmonics = [np.cos(2 * np.pi * phase * h + h * h) * np.exp(-(((h * 140 - 700) / 900) ** 2)) for h in range(1, 20)]
    place = np.linspace(0, 1, length)
    loudness = np.where((place > 0.1) & (place < 0.45), 1, 0) + np.where((place > 0.55) & (place < 0.9), 0.7, 0)
    return (0.05 * sum(harmonics) * loudness).astype(np.float32)


def make_tone(frequency=1000.0, seconds=1.0, rate=RATE, amplitude=0.25):
    return (amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def decibels(ratio):
    return 20 * np.log10(ratio)


def lag_ms(sent, received, rate=RATE):
    correlation = correlate(received, sent, mode="full", method="fft")
    middle, reach = len(sent) - 1, round(0.03 * rate)
    return 1000 / rate * (int(np.argmax(correlation[middle - reach : middle + reach + 1])) - reach)


def gain_at(function, frequency, **parameters):
    tone = make_tone(frequency)
    return decibels(function(tone, RATE, **parameters)[0][RATE // 2 :].std() / tone.std())


class TestAddNoise:
    @pytest.mark.parametrize("colour", ["white", "pink", "brown", "hum", "babble", "speech_modulated"])
    def test_reaches_the_ratio(self, colour):
        tone = make_tone()
        noisy, _ = add_noise(tone, RATE, snr_db=12, colour=colour, rng=make_rng())
        assert decibels(tone.std() / (noisy - tone).std()) == pytest.approx(12, abs=0.3)

    def test_pauses_do_not_change_the_ratio(self):
        tone = make_tone()
        tone[: RATE // 2] = 0
        noisy, _ = add_noise(tone, RATE, snr_db=20, rng=make_rng())
        assert decibels(tone[RATE // 2 :].std() / (noisy - tone).std()) == pytest.approx(20, abs=0.2)

    def test_fluctuating_noise_reaches_the_ratio_on_average(self):
        tone = make_tone(seconds=3)
        noisy, _ = add_noise(tone, RATE, snr_db=15, pattern="fluctuating", rng=make_rng())
        assert decibels(tone.std() / (noisy - tone).std()) == pytest.approx(15, abs=0.5)

    def test_bursts_are_where_the_spans_say(self):
        tone = make_tone(seconds=3)
        noisy, cause = add_noise(tone, RATE, snr_db=0, pattern="bursts", rng=make_rng())
        marked = np.zeros(len(tone), dtype=bool)
        for start, end in cause.spans:
            marked[round(start * RATE) - 60 : round(end * RATE) + 60] = True  # spans are rounded to a millisecond
        assert np.abs(noisy - tone)[~marked].max() < 1e-6 < np.abs(noisy - tone)[marked].mean()

    def test_pink_falls_by_three_decibels_per_octave(self):
        silence = np.full(4 * RATE, 1e-6, dtype=np.float32)
        noise, _ = add_noise(silence, RATE, snr_db=0, colour="pink", rng=make_rng())
        frequencies, power = welch(noise, RATE, nperseg=4096)
        ratio = power[np.argmin(abs(frequencies - 1000))] / power[np.argmin(abs(frequencies - 8000))]
        assert 10 * np.log10(ratio) == pytest.approx(9, abs=2.5)

    def test_recording_is_looped(self):
        recording = np.array([1.0, -1.0], dtype=np.float32)
        noisy, cause = add_noise(
            make_tone(), RATE, snr_db=20, colour="recorded", noise=recording, recording="fan", rng=make_rng()
        )
        assert cause.parameters["recording"] == "fan"
        assert np.abs(noisy - make_tone()).min() > 0.01

    def test_speech_modulated_noise_is_silent_in_pauses(self):
        voice = make_voice()
        noisy, _ = add_noise(voice, RATE, snr_db=5, colour="speech_modulated", rng=make_rng())
        assert np.all(noisy[voice == 0] == 0)

    def test_loud_noise_turns_the_clip_down_instead_of_clipping(self):
        noisy, _ = add_noise(make_tone(amplitude=0.9), RATE, snr_db=-5, rng=make_rng())
        assert np.sum(np.abs(noisy) > 0.98) <= 1

    def test_recorded_without_recording_is_refused(self):
        with pytest.raises(ValueError, match="pass noise="):
            add_noise(make_tone(), RATE, snr_db=10, colour="recorded", rng=make_rng())


class TestReverberate:
    def test_decay_time(self):
        click = np.zeros(2 * RATE, dtype=np.float32)
        click[100] = 0.5
        wet, _ = reverberate(click, RATE, rt60_s=1.0, drr_db=-10, rng=make_rng())
        early, late = wet[RATE // 4 : RATE // 4 + 4800], wet[RATE // 4 + RATE // 2 : RATE // 4 + RATE // 2 + 4800]
        assert decibels(early.std() / late.std()) == pytest.approx(30, abs=5)  # half a second of 60 dB per second

    def test_measured_room_keeps_the_direct_sound_in_place(self):
        response = np.concatenate([np.zeros(500), [1.0], 0.3 * np.exp(-np.arange(4000) / 800)]).astype(np.float32)
        wet, cause = reverberate(make_voice(), RATE, impulse_response=response, recording=3, rng=make_rng())
        assert abs(lag_ms(make_voice(), wet)) < 1
        assert cause.parameters == {"recording": 3}

    def test_room_is_needed(self):
        with pytest.raises(ValueError, match="rt60_s is None"):
            reverberate(make_tone(), RATE, rng=make_rng())


class TestAddEcho:
    def test_copy_comes_late_and_quiet(self):
        click = np.zeros(RATE, dtype=np.float32)
        click[0] = 1
        wet, _ = add_echo(click, RATE, delay_ms=100, attenuation_db=20, repeats=2)
        assert wet[[4800, 9600]].tolist() == pytest.approx([0.1, 0.01])


class TestAddClicks:
    def test_number_and_place(self):
        quiet = make_tone(amplitude=0.01)
        wet, cause = add_clicks(quiet, RATE, clicks_per_second=8, level_db=20, length_ms=1, rng=make_rng())
        changed = np.abs(wet - quiet) > 1e-5
        assert len(cause.spans) == 8
        assert all(changed[round(start * RATE) : round(end * RATE)].any() for start, end in cause.spans)
        assert changed.sum() <= 8 * 0.001 * RATE + 8


class TestClipAmplitude:
    @pytest.mark.parametrize("fraction", [0.01, 0.1, 0.4])
    def test_share_of_samples_at_the_ceiling(self, fraction):
        clipped, _ = clip_amplitude(make_tone(frequency=997), RATE, fraction=fraction)
        assert np.mean(np.abs(clipped) > np.abs(clipped).max() - 1e-6) == pytest.approx(fraction, abs=0.01)

    def test_soft_is_smoother_than_hard(self):
        hard, soft = (clip_amplitude(make_tone(), RATE, fraction=0.4, shape=shape)[0] for shape in ("hard", "soft"))
        assert np.abs(np.diff(soft, 2)).max() < np.abs(np.diff(hard, 2)).max()


class TestChangeLevel:
    def test_gain(self):
        heard, _ = change_level(make_tone(), RATE, gain_db=-20, rng=make_rng())
        assert decibels(heard.std() / make_tone().std()) == pytest.approx(-20)

    def test_too_loud_clips(self):
        heard, _ = change_level(make_tone(amplitude=0.5), RATE, gain_db=15, rng=make_rng())
        assert np.mean(np.abs(heard) == 1) > 0.5

    def test_changes_are_in_the_spans(self):
        tone = make_tone(seconds=3)
        heard, cause = change_level(tone, RATE, gain_db=0, change_db=-30, changes=2, rng=make_rng())
        assert len(cause.spans) == 2
        for start, end in cause.spans:
            middle = round((start + end) / 2 * RATE)
            assert heard[middle - 480 : middle + 480].std() < 0.05 * tone.std()


class TestPumpGain:
    def test_quiet_part_comes_up(self):
        steps = make_tone() * np.repeat([1.0, 0.05], RATE // 2)
        pumped, _ = pump_gain(steps, RATE, strength=1, release_ms=50)
        ratio = pumped[RATE // 4 : RATE // 2].std() / pumped[-RATE // 8 :].std()
        assert decibels(ratio) < 3  # 26 dB before


class TestQuantise:
    def test_number_of_levels(self):
        assert len(np.unique(quantise(make_tone(frequency=997), RATE, bits=4)[0])) == 15


class TestChangeSpeed:
    def test_pitch_moves(self):
        heard, _ = change_speed(make_tone(1000), RATE, factor=1.25)
        frequencies, power = welch(heard, RATE, nperseg=8192)
        assert frequencies[np.argmax(power)] == pytest.approx(1250, abs=10)


class TestAddWow:
    def test_pitch_swings_by_the_depth_at_the_rate(self):
        tone = np.sin(2 * np.pi * 1000 / 8000 * np.arange(16_000)).astype(np.float32)
        heard, cause = add_wow(tone, 8000, rate_hz=2.0, depth=0.02, rng=make_rng())
        pitch = np.diff(np.unwrap(np.angle(hilbert(heard))))[800:-800] * 8000 / (2 * np.pi)
        assert (pitch.max(), pitch.min()) == (pytest.approx(1020, abs=1), pytest.approx(980, abs=1))
        frequencies, power = welch(pitch - pitch.mean(), 8000, nperseg=len(pitch))
        assert frequencies[np.argmax(power)] == pytest.approx(2, abs=0.3)
        assert cause == Cause("wow", {"rate_hz": 2.0, "depth": 0.02})

    def test_highest_frequencies_are_kept(self):
        noise = make_rng().normal(0, 0.1, RATE).astype(np.float32)
        heard, _ = add_wow(noise, RATE, rate_hz=1.0, depth=0.01, rng=make_rng())
        spectra = [welch(one, RATE, nperseg=1024)[1] for one in (noise, heard)]
        high = slice(int(18_000 / RATE * 1024), int(19_000 / RATE * 1024))
        assert decibels(np.sqrt(spectra[1][high].mean() / spectra[0][high].mean())) == pytest.approx(0, abs=1)


class TestLimitBand:
    @pytest.mark.parametrize(("edge", "parameters"), [(3400, {"high_hz": 3400.0}), (300, {"low_hz": 300.0})])
    def test_half_power_at_the_edge(self, edge, parameters):
        assert gain_at(limit_band, edge, **parameters) == pytest.approx(-3, abs=0.2)

    def test_octave_above_falls_with_the_order(self):
        assert gain_at(limit_band, 4000, high_hz=2000.0, order=4) == pytest.approx(-24, abs=1)

    def test_pass_band_is_kept(self):
        assert gain_at(limit_band, 1000, low_hz=300.0, high_hz=3400.0) == pytest.approx(0, abs=0.1)

    def test_edge_is_needed(self):
        with pytest.raises(ValueError, match="both None"):
            limit_band(make_tone(), RATE)


class TestEqualise:
    def test_curve_between_two_tones(self):
        tones = make_tone(500) + make_tone(4000)
        heard, _ = equalise(tones, RATE, frequencies_hz=[500.0, 4000.0], gains_db=[0.0, -12.0])
        spectrum = np.abs(np.fft.rfft(heard))
        assert decibels(spectrum[4000] / spectrum[500]) == pytest.approx(-12, abs=0.3)

    def test_falling_corners_are_refused(self):
        with pytest.raises(ValueError, match=r"\[4000.0, 500.0\]"):
            equalise(make_tone(), RATE, frequencies_hz=[4000.0, 500.0], gains_db=[0.0, 1.0])


class TestCutNotches:
    @pytest.mark.parametrize(("frequency", "gain_db"), [(500, -30), (1000, 0), (2500, -30)])
    def test_comb(self, frequency, gain_db):
        assert gain_at(cut_notches, frequency, spacing_hz=1000.0, depth_db=30) == pytest.approx(gain_db, abs=0.5)

    def test_few_notches_leave_the_rest(self):
        assert gain_at(cut_notches, 4500, spacing_hz=1000.0, depth_db=30, count=2) == pytest.approx(0, abs=0.1)


class TestVocode:
    @pytest.mark.parametrize("mode", ["phase", "robot", "mel", "formant", "pitch", "griffin_lim", "lpc"])
    def test_more_changes_more_and_keeps_the_level(self, mode):
        voice = make_voice()
        slight, thorough = (vocode(voice, RATE, mode=mode, amount=amount, rng=make_rng())[0] for amount in (0.05, 1.0))
        assert np.std(slight - voice) < np.std(thorough - voice)
        assert decibels(thorough.std() / voice.std()) == pytest.approx(0, abs=3)

    @pytest.mark.parametrize("mode", ["griffin_lim", "lpc"])
    def test_rebuilt_speech_depends_on_the_seed_only(self, mode):
        first, again, other = (
            vocode(make_voice(), RATE, mode=mode, amount=0.8, rng=np.random.default_rng(seed))[0] for seed in (0, 0, 1)
        )
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)

    def test_prediction_takes_the_band_above_8_khz_with_its_amount(self):
        noise = 0.1 * make_rng().standard_normal(RATE).astype(np.float32)
        above = [
            welch(vocode(noise, RATE, mode="lpc", amount=amount, rng=make_rng())[0], RATE)[1][60:].mean()
            for amount in (0.1, 0.5, 1.0)
        ]
        assert above == sorted(above, reverse=True)


class TestDrawLosses:
    @pytest.mark.parametrize("mean_burst", [1.0, 3.0, 10.0])
    def test_rate_is_exact(self, mean_burst):
        assert draw_losses(500, 0.2, mean_burst, make_rng()).sum() == 100

    def test_bursts_have_the_mean_length(self):
        lost = draw_losses(20_000, 0.1, 4.0, make_rng())
        assert lost.sum() / np.sum(np.diff(lost.astype(int)) == 1) == pytest.approx(4, rel=0.15)


class TestLosePackets:
    @pytest.mark.parametrize("frame_ms", [10, 20, 40])
    def test_rate_and_spans(self, frame_ms):
        tone = make_tone(seconds=4) + 0.5
        heard, cause = lose_packets(tone, RATE, loss_rate=0.1, frame_ms=frame_ms, mean_burst=2, rng=make_rng())
        marked = np.zeros(len(tone), dtype=bool)
        for start, end in cause.spans:
            marked[round(start * RATE) : round(end * RATE)] = True
        assert np.array_equal(heard == 0, marked)
        assert marked.mean() == pytest.approx(0.1, abs=0.005)

    def test_losses_may_fall_into_one_stretch(self):
        _, cause = lose_packets(make_tone(seconds=4), RATE, loss_rate=0.1, within=0.25, rng=make_rng())
        assert cause.spans[-1][1] - cause.spans[0][0] <= 1.0
        assert sum(end - start for start, end in cause.spans) == pytest.approx(0.4, abs=0.02)
        assert cause.parameters["within"] == 0.25

    def test_a_stretch_is_long_enough_for_its_losses(self):
        _, cause = lose_packets(make_tone(seconds=2), RATE, loss_rate=0.8, within=0.1, rng=make_rng())
        assert sum(end - start for start, end in cause.spans) == pytest.approx(1.6, abs=0.02)

    def test_waveform_conceals_a_voice_better_than_silence(self):
        tone = make_tone(180, seconds=2)
        errors = [
            np.std(lose_packets(tone, RATE, loss_rate=0.1, concealment=concealment, rng=make_rng())[0] - tone)
            for concealment in ("waveform", "zero")
        ]
        assert errors[0] < 0.7 * errors[1]

    @pytest.mark.parametrize("concealment", ["repeat", "noise"])
    def test_gap_is_filled(self, concealment):
        tone = make_tone(seconds=2)
        heard, cause = lose_packets(tone, RATE, loss_rate=0.1, concealment=concealment, rng=make_rng())
        start, end = cause.spans[1]
        filled = heard[round(start * RATE) : round(end * RATE)]
        assert 0.1 * tone.std() < filled.std() < 1.1 * tone.std()

    def test_nothing_lost_changes_nothing(self):
        heard, cause = lose_packets(make_voice(), RATE, loss_rate=0, concealment="repeat", rng=make_rng())
        assert np.array_equal(heard, make_voice())
        assert cause.spans == ()

    def test_opus_conceals_and_stays_aligned(self):
        voice = make_voice()
        heard, cause = lose_packets(voice, RATE, loss_rate=0.1, concealment="opus", bit_rate=64_000, rng=make_rng())
        whole, _ = lose_packets(voice, RATE, loss_rate=0, concealment="opus", bit_rate=64_000, rng=make_rng())
        assert abs(lag_ms(voice, whole)) < 0.3
        assert np.corrcoef(voice, whole)[0, 1] > 0.95
        assert np.std(heard - whole) > 0.01 * np.std(whole)
        assert cause.parameters["bit_rate"] == 64_000


class TestAddJitter:
    @pytest.mark.parametrize(("event", "shift"), [("insert", -480), ("drop", 480)])
    def test_playout_shifts_by_whole_pieces(self, event, shift):
        ramp = np.linspace(0, 0.5, RATE)
        heard, cause = add_jitter(ramp, RATE, events_per_second=1, frame_ms=10, event=event, rng=make_rng())
        after = round(cause.spans[0][1] * RATE) + 1000
        assert heard[after] == pytest.approx(ramp[after + shift], abs=1e-6)

    def test_warp_happens_in_the_spans(self):
        voice = make_voice()
        heard, cause = add_jitter(voice, RATE, events_per_second=1, event="warp", rng=make_rng())
        start = round(cause.spans[0][0] * RATE)
        assert np.allclose(heard[: start - 1], voice[: start - 1], atol=1e-6)
        assert not np.allclose(heard[start:], voice[start:], atol=1e-3)


class TestClipTime:
    def test_onsets_are_cut(self):
        voice = make_voice()
        heard, cause = clip_time(voice, RATE, fraction=1, clip_ms=60, rng=make_rng())
        assert [start for start, _ in cause.spans] == pytest.approx([0.1, 0.54], abs=0.02)
        assert np.all(heard[round(0.11 * RATE) : round(0.15 * RATE)] == 0)
        assert np.array_equal(
            heard[round(0.2 * RATE) : round(0.5 * RATE)], voice[round(0.2 * RATE) : round(0.5 * RATE)]
        )

    def test_muted_share_of_the_speech(self):
        tone = make_tone(seconds=10) + 0.3
        heard, _ = clip_time(tone, RATE, fraction=0.1, clip_ms=40, place="anywhere", rng=make_rng())
        assert np.mean(heard == 0) == pytest.approx(0.1, abs=0.02)

    def test_silence_has_nothing_to_cut(self):
        assert (
            clip_time(np.zeros(RATE, np.float32), RATE, fraction=0.5, place="anywhere", rng=make_rng())[1].spans == ()
        )


class TestTranscode:
    @pytest.mark.parametrize(("codec", "bit_rate"), CODEC_SETTINGS)
    def test_changes_but_keeps_the_speech_in_place(self, codec, bit_rate):
        voice = make_voice()
        heard, _ = transcode(voice, RATE, codec=codec, bit_rate=bit_rate)
        assert heard.shape == voice.shape
        assert not np.array_equal(heard, voice)
        assert abs(lag_ms(voice, heard)) < 0.5
        assert decibels(heard.std() / voice.std()) == pytest.approx(0, abs=4)
        # AMR and the low Opus modes change the phases, so only the rough shape of the waveform is left.
        assert np.corrcoef(voice, heard)[0, 1] > 0.35

    def test_more_bits_are_better(self):
        errors = [
            np.std(transcode(make_voice(), RATE, codec="mp3", bit_rate=rate)[0] - make_voice())
            for rate in (8000, 192_000)
        ]
        assert errors[1] < 0.3 * errors[0]

    def test_opus_bandwidth(self):
        noise = 0.1 * make_rng().standard_normal(RATE).astype(np.float32)
        heard, _ = transcode(noise, RATE, codec="opus", bit_rate=64_000, bandwidth="narrow")
        frequencies, power = welch(heard, RATE, nperseg=2048)
        assert power[frequencies > 5000].max() < 1e-3 * power[(frequencies > 500) & (frequencies < 3000)].mean()

    def test_works_at_another_rate(self):
        voice = make_voice(rate=16_000)
        assert abs(lag_ms(voice, transcode(voice, 16_000, codec="aac", bit_rate=48_000)[0], 16_000)) < 0.2


class TestDegrade:
    @pytest.mark.parametrize("kind", [*FUNCTIONS, *HELD_OUT])
    def test_length_range_and_determinism(self, kind):
        voice, recordings = make_voice(), [make_rng().standard_normal(RATE).astype(np.float32)]
        plan = [draw_cause(make_rng(), kind, 0.7)]
        first, second = (
            degrade(voice, RATE, plan, seed=1, noises=recordings, impulse_responses=recordings) for _ in range(2)
        )
        assert first.samples.shape == voice.shape
        assert first.samples.dtype == np.float32
        assert np.abs(first.samples).max() <= 1
        assert not np.array_equal(first.samples, voice)
        assert np.array_equal(first.samples, second.samples)

    @pytest.mark.parametrize("kind", FUNCTIONS)
    def test_causes_can_be_applied_again(self, kind):
        voice, recordings = make_voice(), [make_rng().standard_normal(RATE).astype(np.float32) for _ in range(3)]
        given = {"seed": 2, "noises": recordings, "impulse_responses": recordings}
        first = degrade(voice, RATE, [draw_cause(make_rng(), kind, 0.5)], **given)
        restored = [Cause(c.kind, json.loads(json.dumps(c.parameters))) for c in first.causes]
        again = degrade(voice, RATE, restored, **given)
        assert np.array_equal(first.samples, again.samples)
        assert again.causes == first.causes

    @pytest.mark.parametrize("kind", [kind for kind in FUNCTIONS if kind != "codec"])
    def test_digital_silence_survives(self, kind):
        result = degrade(
            np.zeros(4800, np.float32), RATE, [draw_cause(make_rng(), kind, 0.5, recordings=False)], seed=0
        )
        assert np.isfinite(result.samples).all()
        assert np.abs(result.samples).max() < 1e-3

    def test_seed_matters(self):
        plan = [Cause("noise", {"snr_db": 10.0})]
        assert not np.array_equal(*(degrade(make_voice(), RATE, plan, seed=seed).samples for seed in (0, 1)))

    def test_order_is_kept(self):
        plan = [Cause("level", {"gain_db": -6.0}), Cause("noise", {"snr_db": 10.0}), Cause("quantisation", {"bits": 8})]
        assert [cause.kind for cause in degrade(make_voice(), RATE, plan, seed=0).causes] == [c.kind for c in plan]

    def test_empty_plan_changes_nothing(self):
        assert np.array_equal(degrade(make_voice(), RATE, [], seed=0).samples, make_voice())

    @pytest.mark.parametrize(
        ("kind", "parameters", "message"),
        [
            ("noise", {"snr_db": 300.0}, "snr_db is 300.0"),
            ("noise", {"snr_db": float("nan")}, "snr_db is nan"),
            ("noise", {"snr_db": 10.0, "colour": "mauve"}, "colour is 'mauve'"),
            ("noise", {"snr_db": 10.0, "colour": "recorded"}, "noises="),
            ("packet_loss", {"loss_rate": 1.5}, "loss_rate is 1.5"),
            ("packet_loss", {"loss_rate": 0.1, "frame_ms": 25}, "frame_ms is 25"),
            ("packet_loss", {"loss_rate": 0.1, "within": 0.0}, "within is 0.0"),
            ("packet_loss", {"loss_rate": 0.1, "concealment": "hope"}, "concealment is 'hope'"),
            ("jitter", {"events_per_second": -1.0}, "events_per_second is -1.0"),
            ("band_limit", {"high_hz": 20.0}, "high_hz is 20.0"),
            ("band_limit", {"low_hz": 4000.0, "high_hz": 3000.0}, "low_hz is 4000.0"),
            ("filter", {"frequencies_hz": [100.0], "gains_db": [99.0]}, "gains_db is 99.0"),
            ("codec", {"codec": "speex"}, "codec is 'speex'"),
            ("codec", {"codec": "opus", "bit_rate": 7}, "bit_rate of opus is 7"),
            ("codec", {"codec": "opus"}, "bit_rate of opus is None"),
            ("codec", {"codec": "gsm", "bit_rate": 13_000}, "bit_rate of gsm is 13000"),
            ("codec", {"codec": "gsm", "bandwidth": "wide"}, "bandwidth of gsm is 'wide'"),
            ("clipping", {"fraction": 2.0}, "fraction is 2.0"),
            ("level", {"gain_db": 99.0}, "gain_db is 99.0"),
            ("pumping", {"strength": 2.0}, "strength is 2.0"),
            ("reverberation", {"rt60_s": 60.0}, "rt60_s is 60.0"),
            ("reverberation", {}, "impulse_responses="),
            ("time_clipping", {"fraction": 0.0}, "fraction is 0.0"),
            ("quantisation", {"bits": 1}, "bits is 1"),
            ("echo", {"delay_ms": 1.0}, "delay_ms is 1.0"),
            ("noise_suppression", {"snr_db": 10.0, "floor_db": 3.0}, "floor_db is 3.0"),
            ("noise_suppression", {"snr_db": 10.0, "method": "prayer"}, "method is 'prayer'"),
            ("noise_suppression", {"snr_db": 10.0, "amount": 0.0}, "amount is 0.0"),
            ("noise_suppression", {"snr_db": 10.0, "passes": 9}, "passes is 9"),
            ("notch", {"spacing_hz": 1.0}, "spacing_hz is 1.0"),
            ("vocoder", {"mode": "talkbox", "amount": 0.5}, "mode is 'talkbox'"),
            ("clicks", {"clicks_per_second": 0.0}, "clicks_per_second is 0.0"),
            ("speed", {"factor": 9.0}, "factor is 9.0"),
            ("wow", {"rate_hz": 20.0, "depth": 0.01}, "rate_hz is 20.0"),
            ("wow", {"rate_hz": 1.0, "depth": 0.3}, "depth is 0.3"),
            ("moonlight", {}, "cause.kind is 'moonlight'"),
        ],
    )
    def test_invalid_parameters_are_named(self, kind, parameters, message):
        with pytest.raises(ValueError, match=message.replace(".", r"\.")):
            degrade(make_voice(), RATE, [Cause(kind, parameters)], seed=0)

    @pytest.mark.parametrize("samples", [np.zeros((2, RATE)), np.zeros(10), np.full(RATE, np.nan)])
    def test_invalid_audio_is_refused(self, samples):
        with pytest.raises(ValueError, match="samples have shape"):
            degrade(samples, RATE, [], seed=0)

    def test_recording_out_of_range(self):
        plan = [Cause("noise", {"snr_db": 10.0, "colour": "recorded", "recording": 4})]
        with pytest.raises(ValueError, match="recording of noise is 4; 1 noises"):
            degrade(make_voice(), RATE, plan, seed=0, noises=[make_voice()])


class TestSamplePlan:
    def test_same_generator_same_plan(self):
        assert sample_plan(np.random.default_rng(7)) == sample_plan(np.random.default_rng(7))

    def test_plans_vary_and_avoid_what_is_held_out(self):
        plans = [sample_plan(np.random.default_rng(seed)) for seed in range(1500)]
        causes = [cause for plan in plans for cause in plan]
        assert {cause.kind for cause in causes} == set(KINDS) - {"echo", "pumping", "notch", "wow"}
        assert not {cause.parameters.get("codec") for cause in causes} & {"g726", "vorbis"}
        repeated = [cause for cause in causes if cause.parameters.get("concealment") == "repeat"]
        assert max(cause.parameters["mean_burst"] for cause in repeated) <= 2
        assert {len(plan) for plan in plans} >= {0, 1, 2, 3}

    def test_held_out_draws_one_of_them(self):
        for seed in range(60):
            faults = [c for c in sample_plan(np.random.default_rng(seed), held_out=True) if c.kind != "level"]
            assert len(faults) == 1
            names = {faults[0].kind, faults[0].parameters.get("codec"), faults[0].parameters.get("concealment")}
            assert names & {"g726", "vorbis", "echo", "pumping", "notch", "repeat"}

    def test_some_plans_are_calls_through_two_codecs_with_loss_between(self):
        plans = [[cause.kind for cause in sample_plan(np.random.default_rng(seed))] for seed in range(1500)]
        calls = [plan for plan in plans if "packet_loss" in plan and "codec" in plan[plan.index("packet_loss") :]]
        assert len(calls) > 30

    def test_methods_of_suppression_are_all_drawn(self):
        causes = [draw_cause(np.random.default_rng(seed), "noise_suppression", 0.5) for seed in range(200)]
        assert {cause.parameters["method"] for cause in causes} == set(SUPPRESSION_METHODS)

    def test_held_out_loss_is_long(self):
        assert draw_cause(make_rng(), "repeat_loss", 0.5).parameters["mean_burst"] >= 4

    def test_severity_orders_the_ratio(self):
        ratios = [
            sample_plan(make_rng(), kinds=["noise"], severity=severity)[0].parameters["snr_db"]
            for severity in (0.1, 0.5, 0.9)
        ]
        assert ratios == sorted(ratios, reverse=True)

    def test_extremes_are_drawn_more_often(self):
        plans = (sample_plan(np.random.default_rng(seed), kinds=["noise"]) for seed in range(1000))
        ratios = np.array([plan[0].parameters["snr_db"] for plan in plans if plan])
        counts, _ = np.histogram(ratios, bins=[-5, 13, 32, 50])
        assert min(counts[0], counts[2]) > counts[1]

    def test_without_recordings_none_is_needed(self):
        for seed in range(200):
            for cause in sample_plan(np.random.default_rng(seed), recordings=False):
                assert cause.parameters.get("colour") != "recorded"
                assert cause.kind != "reverberation" or "rt60_s" in cause.parameters

    def test_room_comes_before_network(self):
        for seed in range(100):
            kinds = [cause.kind for cause in sample_plan(np.random.default_rng(seed), kinds=["packet_loss", "noise"])]
            assert kinds in ([], ["noise"], ["packet_loss"], ["noise", "packet_loss"])

    def test_unknown_kind_is_named(self):
        with pytest.raises(ValueError, match="moonlight"):
            sample_plan(make_rng(), kinds=["moonlight"])

    def test_severity_out_of_range_is_named(self):
        with pytest.raises(ValueError, match=r"severity is 1\.5"):
            draw_cause(make_rng(), "noise", 1.5)


class TestDescribe:
    @pytest.mark.parametrize(
        ("cause", "words"),
        [
            (Cause("noise", {"snr_db": 12.0, "colour": "recorded"}), "background noise at 12 dB SNR"),
            (
                Cause("packet_loss", {"loss_rate": 0.1, "concealment": "zero"}),
                "10 % packet loss concealed with silence",
            ),
            (Cause("band_limit", {"high_hz": 3400.0, "order": 8}), "band-limited to 3.4 kHz"),
            (Cause("band_limit", {"low_hz": 300.0, "high_hz": 3400.0}), "band-limited to 300 Hz–3.4 kHz"),
            (Cause("codec", {"codec": "opus", "bit_rate": 6000}), "Opus at 6 kb/s"),
            (Cause("codec", {"codec": "amr_nb", "bit_rate": 4750}), "AMR-NB at 4.75 kb/s"),
            (Cause("level", {"gain_db": -20.0}), "level 20 dB too low"),
            (Cause("reverberation", {"recording": 2}), "reverberation of a real room"),
            (
                Cause("noise_suppression", {"snr_db": 5.0, "method": "mask"}),
                "over-eager removal of another voice at 5 dB SNR",
            ),
        ],
    )
    def test_phrases(self, cause, words):
        assert describe(cause) == words

    @pytest.mark.parametrize("kind", KINDS)
    def test_every_kind_has_a_short_phrase(self, kind):
        for seed in range(20):
            phrase = describe(draw_cause(np.random.default_rng(seed), kind, 0.6))
            assert 5 < len(phrase) < 100
            assert not phrase.endswith(".")

    def test_unknown_kind_is_named(self):
        with pytest.raises(ValueError, match="moonlight"):
            describe(Cause("moonlight"))


class TestKinds:
    def test_every_kind_has_a_function(self):
        assert set(KINDS) == set(FUNCTIONS)


class TestWithoutPyAV:
    def test_other_faults_do_without_it(self):
        code = (
            "import sys, numpy; sys.modules['av'] = None; from audio_judge.degrade import add_noise, transcode; "
            "transcode(numpy.ones(8000), 8000, codec='gsm')"
        )
        subprocess.run([sys.executable, "-c", code], check=True)

    def test_codec_says_what_to_install(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "av", None)
        with pytest.raises(ImportError, match="pip install av"):
            transcode(np.ones(8000, dtype=np.float32), 8000, codec="g722", bit_rate=64_000)
