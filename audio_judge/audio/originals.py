"""What a clip has lost, and what has come to it, beside its original: measured, without any judge.

Both are at one rate, of one length and in time with each other, as ``audio_judge.audio.lay_beside`` makes them. Left out: what
is above 8 kHz, and changes of time, which leave nothing to compare.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from audio_judge.audio import Audio, align, resample

RATE = 16_000
_SIZE, _HOP = 512, 256  # 32 and 16 ms
# Critical bands of hearing (Zwicker 1961), in Hz
_EDGES = (0, 100, 200, 300, 400, 510, 630, 770, 920, 1080, 1270, 1480, 1720, 2000, 2320, 2700, 3150, 3700, 4400, 5300, 6400, 7700,
          8000)  # fmt: skip
_PIECE_SECONDS = 30.0  # of hours no more is in memory as a spectrum
_STRETCH = 24  # frames (0.4 s) whose course is compared, as in ESTOI (Jensen and Taal 2016)
_FLOOR = 10**-4.5  # below the mean of a band nothing is heard beside speech
# A difference so far below the original is none: rounding to 16 bits lies at -70 dB of usual speech, a good codec at -30
IDENTICAL_DB = 60.0
# Of noise a change of level by less is not heard (Miller 1947), of speech not by twice as much
LEAST_LEVEL_DB = 0.5
# Noise so far below speech is not heard beside it, nor, at usual levels, in its pauses
INAUDIBLE_DB = 50.0
LEAST_CUT_SECONDS = 0.04
# Of 85 pairs of other speech none has more than 0.1; of 85 clips beside their originals 3 have less than 0.2
LEAST_LIKENESS = 0.2

MEASURES = (
    "likeness", "likeness_worst", "coherence_low", "coherence_middle", "coherence_high", "waveform_snr", "pauses", "pauses_added",
    "gaps", "sway", "colour_low", "colour_middle", "colour_high", "lost", "added", "flutter", "level", "gain",
)  # fmt: skip


class _Spectra(NamedTuple):
    """Spectra (frames, bins) and powers (frames, bands) of a clip and its original, and where the original speaks (frames,)."""

    clip: np.ndarray
    original: np.ndarray
    clip_power: np.ndarray
    original_power: np.ndarray
    speaks: np.ndarray


def measure(clip: Audio, original: Audio) -> dict[str, float] | None:
    """Compare a clip with its original.

    Returns:
        ``MEASURES``: how alike the course of the bands is, on average and in the worst tenth (-1 to 1); coherence below 0.8,
        below 2.5 and above that, the waveform's ratio of what is the original's to what is not, the noise of pauses and its
        growth, the colour (mean gain of low, middle and high bands), what was lost and added (mean over bands and frames),
        flutter and sway (deviation over bands and frames, and over frames), level and gain, all in decibels; and the share of
        speech that is gone. None if there is too little speech in the original, less than 0.4 s.

    Example:
        >>> noise = np.random.default_rng(0).normal(scale=0.1, size=16000).astype(np.float32)
        >>> found = measure(Audio(noise / 2, 16000, "half"), Audio(noise, 16000, "original"))
        >>> round(found["likeness"], 3), round(found["gain"], 1)
        (1.0, -6.0)
    """
    x, y = _at_rate(clip), _at_rate(original)
    seen = _spectra(x, y)
    if seen.speaks.sum() < _STRETCH:
        return None
    found = _energies(seen) | _coherences(seen)
    stretches = np.array(list(_stretches(seen)))
    found |= {"likeness": float(stretches.mean()), "likeness_worst": float(np.percentile(stretches, 10))}
    return found | {"waveform_snr": float(np.clip(rest_db(x, y), -20, IDENTICAL_DB))}


def likeness(clip: Audio, original: Audio) -> float | None:
    """How alike the course of the bands is (-1 to 1), of clips of any length; None if there is too little to compare.

    Above ``LEAST_LIKENESS`` it is the same speech.
    """
    x, y = _at_rate(clip), _at_rate(original)
    size = round(_PIECE_SECONDS * RATE)
    pieces = (_spectra(x[start : start + size], y[start : start + size]) for start in range(0, len(x), size))
    found = [one for piece in pieces for one in _stretches(piece)]
    return float(np.mean(found)) if found else None


def sounds_alike(first: np.ndarray, second: np.ndarray, rate: int) -> bool:
    """Whether two clips (samples,) differ by nothing that a listener hears.

    That is: by no more than half a decibel in level, 40 ms in where they begin and end, and a rest 50 dB below them; or by their polarity.

    Example:
        >>> noise = np.random.default_rng(0).normal(scale=0.1, size=16000).astype(np.float32)
        >>> sounds_alike(noise, 1.01 * noise[100:], 16000), sounds_alike(noise, 1.1 * noise, 16000)
        (True, False)
    """
    if np.array_equal(first, second):
        return True
    most = round(LEAST_CUT_SECONDS * rate)
    powers = [float(np.square(one, dtype=np.float64).mean()) for one in (first, second)]
    # First what costs nothing: of two systems' clips it leaves next to none
    if (
        abs(len(first) - len(second)) > most
        or min(powers) == 0
        or abs(_decibels(powers[0] / powers[1])) > LEAST_LEVEL_DB + 0.5
    ):
        return False
    x, y, shift = align(Audio(first, rate, "first"), Audio(second, rate, "second"), LEAST_CUT_SECONDS)
    if abs(shift) > LEAST_CUT_SECONDS or max(len(first), len(second)) - len(x.samples) > most:
        return False
    a, b = (one.samples.astype(np.float64) - one.samples.mean() for one in (x, y))
    return bool(rest_db(a, b) >= INAUDIBLE_DB and abs(_decibels((a @ a) / (b @ b))) <= LEAST_LEVEL_DB)


def rest_db(clip: np.ndarray, original: np.ndarray) -> float:
    """Decibels of what a signal (samples,) has of its original above what it has not, whatever its gain; no more than 120."""
    power = float(original @ original)
    gain = float(clip @ original) / max(power, 1e-20)
    rest = clip - gain * original
    return float(
        10 * np.log10((gain * gain * power + 1e-20) / (float(rest @ rest) + 1e-12 * gain * gain * power + 1e-20))
    )


def _at_rate(audio: Audio) -> np.ndarray:
    samples = resample(audio.samples, audio.sampling_rate, RATE).astype(np.float64)
    return samples - samples.mean()


def _spectra(x: np.ndarray, y: np.ndarray) -> _Spectra:
    bins = np.fft.rfftfreq(_SIZE, 1 / RATE)
    bands = np.array([(bins >= low) & (bins < high) for low, high in pairwise(_EDGES)], float)
    clip, original = _transform(x), _transform(y)
    clip_power, original_power = (np.square(np.abs(one)) @ bands.T for one in (clip, original))  # (frames, bands)
    energy = original_power.sum(1)
    loud = np.sort(energy)[-max(1, len(energy) // 10) :].mean()
    return _Spectra(clip, original, clip_power, original_power, (energy >= 1e-3 * loud) & (energy > 1e-9))


def _transform(samples: np.ndarray) -> np.ndarray:
    padded = np.pad(samples, (0, max(0, _SIZE - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _SIZE)[::_HOP]
    return np.fft.rfft(frames * np.hanning(_SIZE), axis=1)


def _decibels(power: np.ndarray | float) -> np.ndarray:
    return 10 * np.log10(np.asarray(power))


def _energies(seen: _Spectra) -> dict[str, float]:
    speaks, pauses = seen.speaks, ~seen.speaks
    clip, original = seen.clip_power.sum(1), seen.original_power.sum(1)  # (frames,)
    course = _decibels((clip + 1e-12) / (original + 1e-12))
    gain = float(np.median(course[speaks]))
    at_gain, power = seen.clip_power / 10 ** (gain / 10), float(original[speaks].mean())
    floor = _FLOOR * power / len(_EDGES)
    change = _decibels((at_gain + floor) / (seen.original_power + floor))[speaks]  # (frames, bands)
    colour, fall = change.mean(0), (course - gain)[speaks]
    noise = [
        max(-70.0, float(_decibels((some[pauses].sum(1).mean() + 1e-9 * power) / power)))
        if pauses.sum() >= 3
        else -40.0
        for some in (at_gain, seen.original_power)
    ]
    return {
        "pauses": noise[0],
        "pauses_added": noise[0] - noise[1],
        "gaps": float((fall < -15).mean()),
        "sway": float(fall.std()),
        "colour_low": float(colour[:3].mean()),
        "colour_middle": float(colour[3:17].mean()),
        "colour_high": float(colour[17:].mean()),
        "lost": float(np.maximum(-change, 0).mean()),
        "added": float(np.maximum(change, 0).mean()),
        "flutter": float((change - colour).std()),
        # Of a Hann window, so that a full-scale square wave has 0 dB
        "level": float(_decibels(max(float(clip[speaks].mean()), 1e-12) / (0.375 * _SIZE * _SIZE / 2))),
        "gain": gain,
    }


def _coherences(seen: _Spectra) -> dict[str, float]:
    bins = np.fft.rfftfreq(_SIZE, 1 / RATE)
    found = {}
    for name, low, high in (("low", 100, 800), ("middle", 800, 2500), ("high", 2500, 7000)):
        inside = (bins >= low) & (bins < high)
        clip, original = seen.clip[:, inside], seen.original[:, inside]
        powers = [np.square(np.abs(one)).sum(0) for one in (clip, original)]  # (bins,) each
        shared = np.square(np.abs((clip * original.conj()).sum(0))) / (powers[0] * powers[1] + 1e-20)
        mean = np.clip(float((shared * powers[1]).sum() / max(float(powers[1].sum()), 1e-20)), 1e-3, 1 - 1e-4)
        found[f"coherence_{name}"] = float(_decibels(mean / (1 - mean)))
    return found


def _stretches(seen: _Spectra) -> Iterator[float]:
    """The likeness of each 0.4 s of speech, as of ESTOI: correlation of bands after both axes were normalised."""
    kept = np.convolve(seen.speaks, np.ones(3), "same") > 0
    clip, original = (
        np.sqrt(power[kept, 1:19]).T for power in (seen.clip_power, seen.original_power)
    )  # (bands, frames)
    for start in range(0, clip.shape[1] - _STRETCH + 1, _STRETCH // 4):
        parts = [_normalised(one[:, start : start + _STRETCH]) for one in (clip, original)]
        yield float((parts[0] * parts[1]).sum() / _STRETCH)


def _normalised(part: np.ndarray) -> np.ndarray:
    for axis in (1, 0):
        part = part - part.mean(axis, keepdims=True)
        part = part / (np.linalg.norm(part, axis=axis, keepdims=True) + 1e-12)
    return part


def split_spans(
    spans: Sequence[tuple[float, float]], inside: tuple[float, float], least: float
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Cut time spans at both ends of another one; what is shorter than ``least`` is not cut off.

    Returns:
        Those inside it, and those outside.

    Example:
        >>> split_spans([(0.0, 10.0)], (0.5, 4.0), 1.0)
        ([(0.0, 4.0)], [(4.0, 10.0)])
    """
    within, without = [], []
    for start, end in spans:
        first, last = max(start, min(end, inside[0])), min(end, max(start, inside[1]))
        if last - first < min(least, end - start):
            without.append((start, end))
            continue
        first = start if first - start < least else first
        last = end if end - last < least else last
        within.append((first, last))
        without += [span for span in ((start, first), (last, end)) if span[1] > span[0]]
    return within, without
