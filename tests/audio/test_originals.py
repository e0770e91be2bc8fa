"""What is measured between a clip and its original."""

import numpy as np
import pytest

from audio_judge.audio import Audio
from audio_judge.audio.originals import IDENTICAL_DB, LEAST_LIKENESS, MEASURES, likeness, measure, rest_db, sounds_alike

RATE = 16_000


def speech(seed, seconds=3.0):
    """Noise that comes and goes as syllables do, other in each third of the spectrum."""
    rng, size = np.random.default_rng(seed), round(seconds * RATE)
    total = np.zeros(size)
    bins = np.fft.rfftfreq(size, 1 / RATE)
    for low, high in ((100, 800), (800, 2500), (2500, 7000)):
        band = np.fft.rfft(rng.normal(size=size)) * ((bins >= low) & (bins < high))
        beats = np.interp(
            np.arange(size), np.linspace(0, size, round(8 * seconds)), rng.uniform(0, 1, round(8 * seconds))
        )
        total += np.fft.irfft(band, size) * beats**2
    return Audio((0.1 * total / total.std()).astype(np.float32), RATE, "speech")


def changed(audio, samples):
    return Audio(samples.astype(np.float32), audio.sampling_rate, "changed")


ORIGINAL = speech(0)
NOISE = np.random.default_rng(9).normal(scale=0.03, size=len(ORIGINAL.samples))


def test_measures_have_their_names_and_a_gain_is_no_fault():
    found = measure(changed(ORIGINAL, ORIGINAL.samples / 2), ORIGINAL)
    assert set(found) == set(MEASURES)
    assert found["gain"] == pytest.approx(-6.02, abs=0.01)
    assert found["likeness"] == pytest.approx(1)
    assert [found[name] for name in ("lost", "added", "gaps", "colour_low")] == pytest.approx([0] * 4, abs=1e-6)
    assert found["waveform_snr"] == IDENTICAL_DB


def test_noise_is_added_and_gaps_are_lost():
    noisy = measure(changed(ORIGINAL, ORIGINAL.samples + NOISE), ORIGINAL)
    assert noisy["waveform_snr"] == pytest.approx(10.5, abs=0.5)
    assert noisy["added"] > 3 * noisy["lost"]
    broken = ORIGINAL.samples.copy()
    broken[16_000:24_000] = 0
    gone = measure(changed(ORIGINAL, broken), ORIGINAL)
    assert gone["gaps"] == pytest.approx(0.5 / 3, abs=0.05)
    assert gone["lost"] > gone["added"]


def test_only_the_same_speech_is_alike():
    same, other = likeness(changed(ORIGINAL, ORIGINAL.samples + NOISE), ORIGINAL), likeness(speech(1), ORIGINAL)
    assert other < LEAST_LIKENESS / 2 < LEAST_LIKENESS < same


def test_a_clip_of_minutes_is_as_alike_as_its_parts():
    long = Audio(np.tile(ORIGINAL.samples, 15), RATE, "long")
    assert likeness(long, long) == pytest.approx(1)


def test_too_little_speech_is_not_measured():
    short = Audio(ORIGINAL.samples[:1600], RATE, "short")
    assert measure(short, short) is None
    assert likeness(short, short) is None


def test_what_is_left_is_told_in_decibels_whatever_the_gain():
    samples = ORIGINAL.samples.astype(np.float64)
    assert rest_db(-0.5 * samples, samples) == pytest.approx(120, abs=0.1)
    rounded = np.round(samples * 32768) / 32768
    assert rest_db(rounded, samples) > IDENTICAL_DB
    assert rest_db(np.zeros(100), np.zeros(100)) < IDENTICAL_DB


@pytest.mark.parametrize(
    ("change", "alike"),
    [
        (lambda x: x, True),
        (lambda x: 10 ** (0.1 / 20) * x, True),
        (lambda x: 10 ** (0.8 / 20) * x, False),
        (lambda x: -x, True),
        (lambda x: x + 0.05, True),  # an offset
        (lambda x: x[300:], True),  # 19 ms
        (lambda x: np.pad(x, 250), True),
        (lambda x: x[1600:], False),  # 100 ms, in which something may be
        (lambda x: np.round(x * 32768) / 32768, True),
        (lambda x: x + 0.01 * x.std() * np.random.default_rng(9).standard_normal(len(x)), False),  # at -40 dB
        (lambda x: np.where(np.arange(len(x)) // 480 == 50, 0, x), False),  # 30 ms are gone
        (lambda x: np.roll(x, 100) * 0, False),
    ],
)
def test_what_nobody_hears_is_no_difference(change, alike):
    samples = speech(3).samples
    other = change(samples).astype(np.float32)
    assert sounds_alike(samples, other, RATE) is sounds_alike(other, samples, RATE) is alike
