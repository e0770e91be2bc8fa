"""Faults of the spectrum: missing bands, equalisation, notches."""

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.signal import butter, sosfilt

from audio_judge.clips import Cause
from audio_judge.degrade.measures import active_level, prevent_overload, require_between


def limit_band(
    samples: np.ndarray,
    sampling_rate: int,
    *,
    low_hz: float | None = None,
    high_hz: float | None = None,
    order: int = 8,
    rng: np.random.Generator | None = None,  # not used
) -> tuple[np.ndarray, Cause]:
    """Take away low or high frequencies, or both, with a Butterworth filter.

    Args:
        low_hz: Lower edge (-3 dB), 20 Hz or more; None keeps the low frequencies.
        high_hz: Upper edge (-3 dB); None, or an edge above 0.49 times the rate, keeps the high frequencies.
        order: Order of each edge, 1 to 20: 6 dB per octave each.

    Raises:
        ValueError: If no edge is given.

    Examples:
        >>> tone = np.sin(2 * np.pi * 1000 / 8000 * np.arange(8000))
        >>> float(limit_band(tone, 8000, high_hz=1000)[0][4000:].std().round(2))
        0.5
    """
    if low_hz is None and high_hz is None:
        raise ValueError("low_hz and high_hz are both None; give at least one edge")
    require_between("order", order, 1, 20)
    nyquist = sampling_rate / 2
    filtered = samples
    if low_hz is not None:
        require_between("low_hz", low_hz, 20, 0.9 * min(high_hz or nyquist, nyquist))
        filtered = sosfilt(butter(order, low_hz, "highpass", fs=sampling_rate, output="sos"), filtered)
    if high_hz is not None:
        require_between("high_hz", high_hz, 100, 48_000)
        if high_hz < 0.98 * nyquist:
            filtered = sosfilt(butter(order, high_hz, "lowpass", fs=sampling_rate, output="sos"), filtered)
    edges = {"low_hz": low_hz, "high_hz": high_hz}
    parameters = {name: edge for name, edge in edges.items() if edge is not None} | {"order": order}
    return prevent_overload(filtered), Cause("band_limit", parameters)


def _apply_curve(samples: np.ndarray, sampling_rate: int, frequencies: list[float], gains_db: np.ndarray) -> np.ndarray:
    length = next_fast_len(len(samples), real=True)
    spectrum = rfft(samples.astype(np.float32), length)
    # Straight lines over log frequency; 10 Hz stands for all below it, since 0 has no logarithm
    axis = np.log2(np.maximum(np.linspace(0, sampling_rate / 2, len(spectrum)), 10))
    spectrum *= (10 ** (np.interp(axis, np.log2(frequencies), gains_db) / 20)).astype(np.float32)
    return irfft(spectrum, length)[: len(samples)]


def equalise(
    samples: np.ndarray,
    sampling_rate: int,
    *,
    frequencies_hz: list[float],
    gains_db: list[float],
    rng: np.random.Generator | None = None,  # not used
) -> tuple[np.ndarray, Cause]:
    """Colour the sound with a gain curve over frequency (tilt, resonances, dips); the speech level stays.

    Args:
        frequencies_hz: Corners of the curve, rising, 10 to 48000 Hz; straight lines over log frequency between them.
        gains_db: Gain at each corner, -60 to 40 dB.

    Returns:
        Filtered audio without added delay, and the cause.

    Raises:
        ValueError: If the corners do not rise or not each has a gain.

    Examples:
        >>> tones = np.sin(np.arange(8000) * 0.1) + np.sin(np.arange(8000) * 2.0)
        >>> dull, _ = equalise(tones / 4, 8000, frequencies_hz=[500.0, 1000.0], gains_db=[0.0, -40.0])
        >>> float(np.corrcoef(dull, np.sin(np.arange(8000) * 0.1))[0, 1].round(2))
        1.0
    """
    if len(frequencies_hz) != len(gains_db) or not frequencies_hz or list(frequencies_hz) != sorted(frequencies_hz):
        raise ValueError(f"frequencies_hz is {frequencies_hz}, gains_db {gains_db}; give rising corners, one gain each")
    for frequency, gain in zip(frequencies_hz, gains_db, strict=True):
        require_between("frequencies_hz", frequency, 10, 48_000)
        require_between("gains_db", gain, -60, 40)
    coloured = _apply_curve(samples, sampling_rate, frequencies_hz, np.asarray(gains_db))
    coloured = coloured * (active_level(samples, sampling_rate) / active_level(coloured, sampling_rate))
    parameters = {"frequencies_hz": list(frequencies_hz), "gains_db": list(gains_db)}
    return prevent_overload(coloured), Cause("filter", parameters)


def cut_notches(
    samples: np.ndarray,
    sampling_rate: int,
    *,
    spacing_hz: float,
    depth_db: float = 30.0,
    first_hz: float | None = None,
    count: int = 0,
    rng: np.random.Generator | None = None,  # not used
) -> tuple[np.ndarray, Cause]:
    """Cut narrow gaps into the spectrum: a comb over the whole range, or a few notches.

    Args:
        spacing_hz: Distance between gaps, 50 to 10000 Hz; each gap is half as wide.
        depth_db: Depth in the middle of a gap, 1 to 80 dB.
        first_hz: Middle of the first gap, 20 to 20000 Hz; half the spacing if left out.
        count: Number of gaps; 0 for a comb.

    Examples:
        >>> tone = np.sin(2 * np.pi * 500 / 8000 * np.arange(8000)) / 2
        >>> bool(cut_notches(tone, 8000, spacing_hz=1000, depth_db=40)[0].std() < 0.01)
        True
    """
    require_between("spacing_hz", spacing_hz, 50, 10_000)
    require_between("depth_db", depth_db, 1, 80)
    first = require_between("first_hz", spacing_hz / 2 if first_hz is None else first_hz, 20, 20_000)
    require_between("count", count, 0, 100)
    length = next_fast_len(len(samples), real=True)
    spectrum = rfft(samples.astype(np.float32), length)
    gap = (np.linspace(0, sampling_rate / 2, len(spectrum)) - first) / spacing_hz  # whole numbers are gap centres
    nearest = np.maximum(np.round(gap), 0) if count == 0 else np.clip(np.round(gap), 0, count - 1)
    closeness = np.maximum(0, 1 - np.abs(gap - nearest) * 4)
    spectrum *= 10 ** (-depth_db / 20 * closeness)
    parameters = {"spacing_hz": spacing_hz, "depth_db": depth_db, "count": count}
    parameters |= {} if first_hz is None else {"first_hz": first_hz}
    return prevent_overload(irfft(spectrum, length)[: len(samples)]), Cause("notch", parameters)
