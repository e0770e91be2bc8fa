"""Suppression of noise and of another talker: what it leaves is measured on a synthetic voice."""

import sys

import numpy as np
import pytest
from scipy.signal import correlate

from audio_judge.degrade import add_noise, suppress_noise
from audio_judge.degrade.suppression import SUPPRESSORS

RATE = 48_000
LIBRARIES = {"webrtc": "webrtc_noise_gain", "rnnoise": "pyrnnoise"}
METHODS = [*SUPPRESSORS, "mask"]


def make_rng():
    return np.random.default_rng(0)


def make_voice(seconds=1.5):
    """A gliding vowel with pauses before, in the middle and after."""
    length = round(seconds * RATE)
    phase = np.cumsum(np.linspace(100, 190, length)) / RATE
    harmonics = [np.cos(2 * np.pi * phase * h + h * h) * np.exp(-(((h * 140 - 700) / 900) ** 2)) for h in range(1, 20)]
    place = np.linspace(0, 1, length)
    loudness = ((place > 0.25) & (place < 0.5)) + 0.7 * ((place > 0.6) & (place < 0.9))
    return (0.05 * sum(harmonics) * loudness).astype(np.float32)


def suppressed(method, seed=0, **parameters):
    if method in LIBRARIES:
        pytest.importorskip(LIBRARIES[method])
    given = {"snr_db": 10.0, "amount": 0.5} | parameters
    return suppress_noise(make_voice(), RATE, method=method, rng=np.random.default_rng(seed), **given)


class TestSubtraction:
    def test_less_noise_in_the_pause_than_before(self):
        voice = make_voice()
        noisy, _ = add_noise(voice, RATE, snr_db=10, colour="pink", rng=make_rng())
        heard, _ = suppress_noise(voice, RATE, snr_db=10, over_subtraction=3, rng=make_rng())
        assert heard[: RATE // 4].std() < 0.5 * noisy[: RATE // 4].std()

    def test_more_subtraction_eats_more_speech(self):
        voice = make_voice()
        errors = [
            np.std(suppress_noise(voice, RATE, snr_db=10, over_subtraction=factor, rng=make_rng())[0] - voice)
            for factor in (3.0, 8.0, 20.0)
        ]
        assert errors == sorted(errors)


class TestMethods:
    @pytest.mark.parametrize("method", METHODS)
    def test_depends_on_the_seed_only_and_keeps_the_length(self, method):
        (first, cause), (again, _), (other, _) = (suppressed(method, seed) for seed in (0, 0, 1))
        assert first.shape == make_voice().shape
        assert first.dtype == np.float32
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)
        assert (cause.kind, cause.parameters["method"]) == ("noise_suppression", method)

    @pytest.mark.parametrize("method", SUPPRESSORS)
    def test_leaves_less_noise_in_the_pause_the_harder_it_is_done(self, method):
        pauses = [suppressed(method, amount=amount)[0][RATE // 8 : RATE // 4].std() for amount in (0.05, 0.5, 1.0)]
        noisy, _ = add_noise(make_voice(), RATE, snr_db=10, colour="pink", rng=make_rng())
        assert noisy[RATE // 8 : RATE // 4].std() > pauses[0] > pauses[1] > pauses[2]

    @pytest.mark.parametrize("method", ["afftdn", "webrtc", "rnnoise"])
    def test_twice_leaves_less_than_once(self, method):
        once, twice = (suppressed(method, passes=passes)[0][RATE // 8 : RATE // 4].std() for passes in (1, 2))
        assert twice < once

    @pytest.mark.parametrize("method", SUPPRESSORS)
    def test_what_is_heard_is_not_late(self, method):
        voice, heard = make_voice(), suppressed(method, snr_db=30.0, amount=0.1)[0]
        correlation = correlate(heard, voice, mode="full", method="fft")
        assert abs(int(np.argmax(correlation)) - (len(voice) - 1)) < 0.001 * RATE


class TestMask:
    def test_the_wronger_the_more_it_differs(self):
        errors = [np.std(suppressed("mask", amount=amount)[0] - make_voice()) for amount in (0.05, 0.4, 1.0)]
        assert errors == sorted(errors)

    def test_a_louder_talker_leaves_more(self):
        errors = [np.std(suppressed("mask", snr_db=snr)[0] - make_voice()) for snr in (20.0, 5.0, -5.0)]
        assert errors == sorted(errors)


class TestAbsent:
    @pytest.mark.parametrize(("method", "package"), [("webrtc", "webrtc-noise-gain"), ("rnnoise", "pyrnnoise")])
    def test_what_to_install_is_said(self, monkeypatch, method, package):
        monkeypatch.setitem(sys.modules, LIBRARIES[method], None)
        from audio_judge.degrade import suppression

        with pytest.raises(ImportError, match=f"pip install {package}"):
            suppression.SUPPRESSORS[method](make_voice(), RATE, 0.5, 0.01)
