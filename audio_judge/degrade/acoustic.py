"""Faults of the room and the microphone: noise, reverberation, echo, clicks."""

from typing import Any

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.signal import fftconvolve

from audio_judge.clips import Cause
from audio_judge.degrade.measures import (
    active_level,
    fit_length,
    prevent_overload,
    require_between,
    require_one_of,
    spans_of,
)

NOISE_COLOURS = ("white", "pink", "brown", "hum", "babble", "speech_modulated", "recorded")
NOISE_PATTERNS = ("stationary", "fluctuating", "bursts")
SPECTRAL_EXPONENT = {"white": 0.0, "pink": 0.5, "brown": 1.0}  # of the amplitude spectrum, 1/f^exponent
Span = tuple[float, float]


def _coloured(length: int, sampling_rate: int, exponent: float, rng: np.random.Generator) -> np.ndarray:
    white = rng.standard_normal(next_fast_len(length, real=True), dtype=np.float32)
    if exponent == 0:
        return white[:length]
    spectrum = rfft(white)
    frequencies = np.linspace(0, sampling_rate / 2, len(spectrum), dtype=np.float32)
    # Flat below 20 Hz, where 1/f would put most of the power, and nothing below 10 Hz, where nobody hears it
    spectrum *= np.maximum(frequencies, 20.0) ** -exponent * (frequencies > 10)
    return irfft(spectrum, len(white))[:length]


def _hum(length: int, sampling_rate: int, hum_hz: float, rng: np.random.Generator) -> np.ndarray:
    time = np.arange(length, dtype=np.float32) / sampling_rate
    harmonics = [h for h in range(1, 16) if h * hum_hz < sampling_rate / 2]
    phases, strengths = rng.uniform(0, 2 * np.pi, len(harmonics)), rng.uniform(0.2, 1, len(harmonics))
    hum = np.zeros(length, dtype=np.float32)
    for harmonic, phase, strength in zip(harmonics, phases, strengths, strict=True):
        hum += strength / harmonic * np.sin(np.float32(2 * np.pi * hum_hz * harmonic) * time + np.float32(phase))
    return hum


def _excerpt(recording: np.ndarray, length: int, rng: np.random.Generator) -> np.ndarray:
    start = rng.integers(0, max(1, len(recording) - length + 1))
    return np.resize(recording[start : start + length], length)  # a short recording is looped


def _babble(voice: np.ndarray, length: int, rng: np.random.Generator) -> np.ndarray:
    mixture = np.zeros(length)
    for talker in range(8):
        speed = rng.uniform(0.8, 1.25)  # another voice out of the same recording
        positions = (np.arange(length) * speed + rng.integers(0, len(voice))) % (len(voice) - 1)
        heard = np.interp(positions, np.arange(len(voice)), voice)
        mixture += heard[::-1] if talker % 2 else heard  # half of them backwards: no word is repeated
    return mixture


def _draw_noise(
    samples: np.ndarray,
    sampling_rate: int,
    colour: str,
    hum_hz: float,
    noise: np.ndarray | None,
    rng: np.random.Generator,
) -> np.ndarray:
    length = len(samples)
    if colour == "recorded":
        if noise is None or len(noise) == 0:
            raise ValueError("colour is 'recorded' but no noise was given; pass noise= (or noises= to degrade)")
        return _excerpt(noise, length, rng)
    if colour == "babble":
        return _babble(samples if noise is None else noise, length, rng)
    if colour == "hum":
        return _hum(length, sampling_rate, hum_hz, rng)
    if colour == "speech_modulated":
        return samples * rng.standard_normal(length, dtype=np.float32)
    return _coloured(length, sampling_rate, SPECTRAL_EXPONENT[colour], rng)


def _noise_envelope(
    length: int, sampling_rate: int, pattern: str, rng: np.random.Generator
) -> tuple[np.ndarray | None, tuple[Span, ...]]:
    if pattern == "stationary":
        return None, ()
    seconds = length / sampling_rate
    if pattern == "fluctuating":
        knots = rng.uniform(-10, 5, max(2, int(seconds * 3)))  # dB, three knots per second
        gain_db = np.interp(np.linspace(0, len(knots) - 1, length), np.arange(len(knots)), knots)
        envelope = 10 ** (gain_db / 20)  # (samples,), brought to a mean power of 1 so that the ratio holds
        return envelope / np.sqrt(np.mean(envelope**2)), ()
    envelope = np.zeros(length)
    spans = []
    for start in np.sort(rng.uniform(0, max(seconds - 0.1, 0.01), 1 + rng.poisson(seconds / 2))):
        end = min(seconds, start + rng.uniform(0.1, 0.8))
        envelope[int(start * sampling_rate) : int(end * sampling_rate)] = 1
        spans.append((round(float(start), 3), round(float(end), 3)))
    return envelope, tuple(spans)


def make_noise(
    samples: np.ndarray,
    sampling_rate: int,
    *,
    snr_db: float,
    colour: str,
    pattern: str = "stationary",
    hum_hz: float = 50.0,
    noise: np.ndarray | None = None,
    rng: np.random.Generator,
) -> tuple[np.ndarray, tuple[Span, ...]]:
    """Make the noise that ``add_noise`` adds; the parameters are its own.

    Returns:
        The noise alone, shape ``(samples,)``, and (start, end) in seconds of each burst.

    Raises:
        ValueError: If a parameter is out of range, or ``recorded`` comes without a recording.

    Examples:
        >>> tone = np.sin(np.arange(8000)) / 4
        >>> noise, _ = make_noise(tone, 8000, snr_db=20, colour="white", rng=np.random.default_rng(0))
        >>> float((noise.std() / tone.std()).round(3))
        0.1
    """
    require_between("snr_db", snr_db, -30, 100)
    require_between("hum_hz", hum_hz, 40, 450)
    require_one_of("colour", colour, NOISE_COLOURS)
    require_one_of("pattern", pattern, NOISE_PATTERNS)
    added = _draw_noise(samples, sampling_rate, colour, hum_hz, noise, rng)
    # Noise that follows the speech pauses with it, so its level, too, is that without the pauses
    reference = active_level(added, sampling_rate) if colour == "speech_modulated" else float(np.std(added))
    envelope, spans = _noise_envelope(len(samples), sampling_rate, pattern, rng)
    gain = active_level(samples, sampling_rate) * 10 ** (-snr_db / 20) / max(reference, 1e-9)
    return added * gain if envelope is None else added * envelope * gain, spans


def add_noise(
    samples: np.ndarray,
    sampling_rate: int,
    *,
    snr_db: float,
    colour: str = "white",
    pattern: str = "stationary",
    hum_hz: float = 50.0,
    noise: np.ndarray | None = None,
    recording: int | str | None = None,
    rng: np.random.Generator,
) -> tuple[np.ndarray, Cause]:
    """Add background noise at a signal-to-noise ratio that ignores the pauses of the speech.

    Args:
        snr_db: Active speech level over noise level, -30 to 100 dB; for bursts, while the noise is on.
        colour: ``white``, ``pink``, ``brown``, ``hum``, ``babble`` (made of ``noise``, else of the clip itself),
            ``speech_modulated`` (the noise follows the speech sample by sample, ITU-T P.810) or ``recorded``.
        pattern: ``stationary``, ``fluctuating`` or ``bursts``.
        hum_hz: Mains frequency, 40 to 450 Hz; used by ``hum``.
        noise: Recording at the same rate, shape ``(noise samples,)``; a random excerpt is used.
        recording: Name or index of that recording, only noted down.

    Returns:
        Noisy audio, turned down if it would clip; and the cause.

    Raises:
        ValueError: If ``recorded`` comes without a recording.

    Examples:
        >>> tone = np.sin(np.arange(8000)).astype(np.float32) / 4
        >>> noisy, cause = add_noise(tone, 8000, snr_db=20, rng=np.random.default_rng(0))
        >>> round(float(20 * np.log10(tone.std() / (noisy - tone).std())))
        20
    """
    added, spans = make_noise(
        samples, sampling_rate, snr_db=snr_db, colour=colour, pattern=pattern, hum_hz=hum_hz, noise=noise, rng=rng
    )
    parameters: dict[str, Any] = {"snr_db": snr_db, "colour": colour, "pattern": pattern}
    parameters |= {"hum_hz": hum_hz} if colour == "hum" else {}
    parameters |= {"recording": recording} if recording is not None else {}
    return prevent_overload(samples + added), Cause("noise", parameters, spans)


def _synthetic_response(rt60_s: float, drr_db: float, sampling_rate: int, rng: np.random.Generator) -> np.ndarray:
    length = max(2, int(rt60_s * sampling_rate))
    time = np.arange(length, dtype=np.float32) / sampling_rate
    # High frequencies die out faster in real rooms: a white tail of half the time, and a low-passed one of all of it.
    bright = rng.standard_normal(length, dtype=np.float32) * np.exp(-6.9 / (0.5 * rt60_s) * time)
    dark = _coloured(length, sampling_rate, 0.5, rng) * np.exp(np.float32(-6.9 / rt60_s) * time)
    tail = bright / np.linalg.norm(bright) + 2 * dark / np.linalg.norm(dark)
    gap = min(length - 1, int(rng.uniform(0.002, 0.02) * sampling_rate))  # before the first reflection
    tail = np.concatenate([np.zeros(gap, dtype=np.float32), tail])[:length]
    tail *= 10 ** (-drr_db / 20) / np.linalg.norm(tail)
    tail[0] += 1.0
    return tail


def reverberate(
    samples: np.ndarray,
    sampling_rate: int,
    *,
    rt60_s: float | None = None,
    drr_db: float = 0.0,
    impulse_response: np.ndarray | None = None,
    recording: int | str | None = None,
    rng: np.random.Generator,
) -> tuple[np.ndarray, Cause]:
    """Put the speech into a room: a measured one, or exponentially decaying noise; the direct sound stays in place.

    Args:
        rt60_s: Time to decay by 60 dB, 0.05 to 5 s; not with a measured response.
        drr_db: Direct over reverberant energy, -25 to 40 dB: low is far from the microphone. Synthetic rooms only.
        impulse_response: Measured response at the same rate, shape ``(response samples,)``.
        recording: Name or index of the measured response, only noted down.

    Returns:
        Reverberant audio at the level of the input, and the cause.

    Raises:
        ValueError: If neither a room nor a response is given.

    Examples:
        >>> click = np.eye(1, 8000, dtype=np.float32)[0]
        >>> wet, cause = reverberate(click, 8000, rt60_s=0.5, rng=np.random.default_rng(0))
        >>> bool(np.abs(wet[4800:]).max() < 0.01 < np.abs(wet[100:1000]).max())
        True
    """
    require_between("drr_db", drr_db, -25, 40)
    parameters: dict[str, Any]
    if impulse_response is not None:
        # From the direct sound on, so that the speech stays where it is
        response = impulse_response[int(np.argmax(np.abs(impulse_response))) :]
        parameters = {} if recording is None else {"recording": recording}
    elif rt60_s is not None:
        response = _synthetic_response(require_between("rt60_s", rt60_s, 0.05, 5), drr_db, sampling_rate, rng)
        parameters = {"rt60_s": rt60_s, "drr_db": drr_db}
    else:
        raise ValueError("rt60_s is None and there is no impulse_response; give one (or impulse_responses= to degrade)")
    wet = fftconvolve(samples, response.astype(np.float32))[: len(samples)]
    wet *= active_level(samples, sampling_rate) / active_level(wet, sampling_rate)
    return prevent_overload(wet), Cause("reverberation", parameters)


def add_echo(
    samples: np.ndarray,
    sampling_rate: int,
    *,
    delay_ms: float,
    attenuation_db: float = 12.0,
    repeats: int = 1,
    rng: np.random.Generator | None = None,  # not used
) -> tuple[np.ndarray, Cause]:
    """Let the talker hear themselves: delayed, quieter copies of the speech.

    Args:
        delay_ms: 20 to 1000 ms.
        attenuation_db: Each copy's loss against the one before, 0 to 60 dB.
        repeats: Number of copies, 1 to 10.

    Examples:
        >>> click = np.eye(1, 1000, dtype=np.float32)[0]
        >>> add_echo(click, 1000, delay_ms=200, attenuation_db=20)[0][[0, 200]].round(2).tolist()
        [1.0, 0.10000000149011612]
    """
    delay = round(require_between("delay_ms", delay_ms, 20, 1000) * sampling_rate / 1000)
    require_between("attenuation_db", attenuation_db, 0, 60)
    require_between("repeats", repeats, 1, 10)
    wet = samples.astype(np.float32).copy()
    for copy in range(1, repeats + 1):
        gain = 10 ** (-attenuation_db * copy / 20)
        wet[copy * delay :] += gain * samples[: max(0, len(samples) - copy * delay)]
    parameters = {"delay_ms": delay_ms, "attenuation_db": attenuation_db, "repeats": repeats}
    return prevent_overload(wet), Cause("echo", parameters)


def add_clicks(
    samples: np.ndarray,
    sampling_rate: int,
    *,
    clicks_per_second: float,
    level_db: float = 0.0,
    length_ms: float = 1.0,
    rng: np.random.Generator,
) -> tuple[np.ndarray, Cause]:
    """Add clicks (few, loud) or crackle (many, soft).

    Args:
        clicks_per_second: On average, 0.1 to 500.
        level_db: Peak of the clicks over the active speech level, -30 to 40 dB.
        length_ms: Time in which a click dies out, 0.05 to 50 ms.

    Returns:
        Audio with clicks; and the cause, with spans if there are at most 50 clicks.

    Examples:
        >>> quiet = np.zeros(8000, dtype=np.float32)
        >>> add_clicks(quiet, 8000, clicks_per_second=3, rng=np.random.default_rng(0))[1].parameters["level_db"]
        0.0
    """
    require_between("clicks_per_second", clicks_per_second, 0.1, 500)
    require_between("level_db", level_db, -30, 40)
    length = max(1, round(require_between("length_ms", length_ms, 0.05, 50) * sampling_rate / 1000))
    starts = np.sort(rng.integers(0, len(samples), max(1, round(clicks_per_second * len(samples) / sampling_rate))))
    impulses = np.zeros(len(samples), dtype=np.float32)
    impulses[starts] = rng.choice([-1, 1], len(starts)) * rng.uniform(0.4, 1, len(starts))
    shape = np.exp(-5 * np.arange(length) / length) * rng.choice([-1.0, 1.0], length)
    peak = active_level(samples, sampling_rate) * 10 ** (level_db / 20)
    wet = samples + fit_length(fftconvolve(impulses, shape * peak), len(samples))
    ends = np.minimum(starts + length, len(samples))
    spans = spans_of(starts, ends, sampling_rate)
    parameters = {"clicks_per_second": clicks_per_second, "level_db": level_db, "length_ms": length_ms}
    return np.clip(wet, -1, 1), Cause("clicks", parameters, spans if len(spans) <= 50 else ())
