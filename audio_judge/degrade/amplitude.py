"""Faults of level and sample values: clipping, level, automatic gain, quantisation, speed and its wavering."""

from typing import Any

import numpy as np
import soxr
from scipy.ndimage import map_coordinates, uniform_filter1d
from scipy.signal import lfilter

from audio_judge.clips import Cause
from audio_judge.degrade.measures import active_level, fit_length, prevent_overload, require_between, require_one_of


def clip_amplitude(
    samples: np.ndarray,
    sampling_rate: int,
    *,
    fraction: float,
    shape: str = "hard",
    rng: np.random.Generator | None = None,  # not used
) -> tuple[np.ndarray, Cause]:
    """Cut off the loudest samples, as an overdriven microphone or converter does; the speech level stays.

    Args:
        fraction: Share of the samples above the ceiling, 0.0001 to 0.8.
        shape: ``hard`` or ``soft`` (hyperbolic tangent).

    Examples:
        >>> ramp = np.linspace(0, 1, 101, dtype=np.float32)
        >>> clipped, _ = clip_amplitude(ramp, 100, fraction=0.5)
        >>> len(np.unique(clipped))
        51
    """
    require_between("fraction", fraction, 0.0001, 0.8)
    require_one_of("shape", shape, ("hard", "soft"))
    ceiling = max(1e-6, float(np.quantile(np.abs(samples), 1 - fraction)))
    clipped = np.clip(samples, -ceiling, ceiling) if shape == "hard" else ceiling * np.tanh(samples / ceiling)
    clipped = clipped * (active_level(samples, sampling_rate) / active_level(clipped, sampling_rate))
    return prevent_overload(clipped), Cause("clipping", {"fraction": fraction, "shape": shape})


def change_level(
    samples: np.ndarray,
    sampling_rate: int,
    *,
    gain_db: float,
    change_db: float = 0.0,
    changes: int = 0,
    rng: np.random.Generator,
) -> tuple[np.ndarray, Cause]:
    """Make the clip quieter or louder, throughout or in places; what exceeds full scale clips.

    Args:
        gain_db: Applied throughout, -80 to 40 dB.
        change_db: Further gain in the changed places, -60 to 40 dB.
        changes: Number of changed places, 0 to 20, each 0.3 to 1 s long.

    Returns:
        Audio, and the cause, whose spans are the changed places.

    Examples:
        >>> change_level(np.full(4, 0.5), 8000, gain_db=-20, rng=np.random.default_rng(0))[0].round(3).tolist()[0]
        0.05000000074505806
    """
    require_between("gain_db", gain_db, -80, 40)
    require_between("change_db", change_db, -60, 40)
    require_between("changes", changes, 0, 20)
    gains_db = np.full(len(samples), gain_db, dtype=np.float32)
    seconds = len(samples) / sampling_rate
    spans = []
    for start in np.sort(rng.uniform(0, max(0.0, seconds - 0.3), changes)):
        end = min(seconds, start + rng.uniform(0.3, 1.0))
        gains_db[int(start * sampling_rate) : int(end * sampling_rate)] = gain_db + change_db
        spans.append((round(float(start), 3), round(float(end), 3)))
    ramp = max(1, round(0.01 * sampling_rate))  # 10 ms, so that the change itself does not click
    smooth = uniform_filter1d(gains_db, ramp, mode="nearest") if changes else gains_db
    parameters: dict[str, Any] = {"gain_db": gain_db} | (
        {"change_db": change_db, "changes": changes} if changes else {}
    )
    louder = np.clip(samples * 10 ** (smooth / 20), -1, 1).astype(np.float32)
    return louder, Cause("level", parameters, tuple(spans))


def pump_gain(
    samples: np.ndarray,
    sampling_rate: int,
    *,
    strength: float,
    release_ms: float = 300.0,
    rng: np.random.Generator | None = None,  # not used
) -> tuple[np.ndarray, Cause]:
    """Pump the level as an ill-tuned automatic gain control does: pauses swell up, onsets are pushed down.

    Args:
        strength: 0 (nothing) to 1 (every moment brought to one level).
        release_ms: Time constant of the gain, 10 to 3000 ms.

    Returns:
        Audio at the speech level of the input, and the cause.

    Examples:
        >>> steps = np.repeat([0.4, 0.04], 8000).astype(np.float32)
        >>> pumped, _ = pump_gain(steps, 8000, strength=1.0, release_ms=100)
        >>> bool(pumped[15000] / pumped[7000] > 0.5)
        True
    """
    require_between("strength", strength, 0, 1)
    decay = np.exp(-1 / (require_between("release_ms", release_ms, 10, 3000) * sampling_rate / 1000))
    level = active_level(samples, sampling_rate)
    # Starting at the speech level: silence ahead of the first word would begin with a burst of gain otherwise.
    power, _ = lfilter([1 - decay], [1, -decay], np.square(samples, dtype=np.float64), zi=[level**2 * decay])
    gain = (level / np.sqrt(power + (0.01 * level) ** 2)) ** strength  # at most 40 dB up
    pumped = samples * gain
    pumped = pumped * (level / active_level(pumped, sampling_rate))
    return prevent_overload(pumped), Cause("pumping", {"strength": strength, "release_ms": release_ms})


def quantise(
    samples: np.ndarray,
    sampling_rate: int,
    *,
    bits: int,
    rng: np.random.Generator | None = None,  # not used
) -> tuple[np.ndarray, Cause]:
    """Round the samples to few levels between minus and plus the clip's peak.

    Args:
        bits: 2 to 16.

    Examples:
        >>> quantise(np.linspace(-1, 1, 9), 8000, bits=2)[0].tolist()
        [-1.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0]
    """
    # Levels above 0; as many below, so that silence stays silent
    levels = 2 ** (int(require_between("bits", bits, 2, 16)) - 1) - 1
    peak = max(1e-6, float(np.max(np.abs(samples), initial=0.0)))
    rounded = np.round(samples / peak * levels) * (peak / levels)
    return rounded.astype(np.float32) + 0, Cause("quantisation", {"bits": bits})


def change_speed(
    samples: np.ndarray,
    sampling_rate: int,
    *,
    factor: float,
    rng: np.random.Generator | None = None,  # not used
) -> tuple[np.ndarray, Cause]:
    """Play the clip too fast or too slow, pitch included; it is cut or padded to its old length.

    Args:
        factor: Speed, 0.5 to 2; above 1 is faster.

    Examples:
        >>> change_speed(np.ones(800, dtype=np.float32), 8000, factor=2.0)[0][700].item()
        0.0
    """
    require_between("factor", factor, 0.5, 2)
    resampled = soxr.resample(samples.astype(np.float32), sampling_rate * factor, sampling_rate)
    return prevent_overload(fit_length(resampled, len(samples))), Cause("speed", {"factor": factor})


def add_wow(
    samples: np.ndarray,
    sampling_rate: int,
    *,
    rate_hz: float,
    depth: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, Cause]:
    """Let the speed waver, as a warped record or a stretched tape does: the pitch swings slowly up and down.

    Args:
        rate_hz: Swings a second, 0.3 to 6.
        depth: How far the speed goes from 1 at most, 0.002 to 0.05.

    Returns:
        Audio whose moments lie within ``depth / (pi * rate_hz)`` seconds of where they lay, and the cause.

    Examples:
        >>> tone = np.sin(2 * np.pi * 100 / 8000 * np.arange(8000)).astype(np.float32)
        >>> wavering, _ = add_wow(tone, 8000, rate_hz=2.0, depth=0.05, rng=np.random.default_rng(0))
        >>> bool(np.abs(wavering - tone).max() > 1)
        True
    """
    require_between("rate_hz", rate_hz, 0.3, 6)
    require_between("depth", depth, 0.002, 0.05)
    start = rng.uniform(0, 2 * np.pi)
    swing = 2 * np.pi * rate_hz
    times = np.arange(len(samples)) / sampling_rate
    moved = times + depth / swing * (np.cos(start) - np.cos(start + swing * times))  # the speed's integral
    # Splines between samples of twice the rate, as they lose the highest frequencies
    finer = soxr.resample(samples.astype(np.float32), sampling_rate, 2 * sampling_rate)
    wavering = map_coordinates(finer, [moved * 2 * sampling_rate], order=3, mode="constant").astype(np.float32)
    return prevent_overload(wavering), Cause("wow", {"rate_hz": rate_hz, "depth": depth})
