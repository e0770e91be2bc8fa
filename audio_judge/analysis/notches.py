"""Narrow gaps in the spectrum that lie at equal distances: a comb, or a few notches."""

from dataclasses import dataclass

import numpy as np
from scipy import signal

# Distances that are looked for, in Hz, and by how much the middle of the gaps lies below their edges (clean speech: 7 dB and less)
SPACINGS_HZ = (200.0, 3000.0)
LEAST_DEPTH_DB, LEAST_SCORE = 7.0, 13.0
COUNTS = (2, 4, 0)  # 0: as many as the band has room for
_AUDIBLE_DB = 75.0


@dataclass(frozen=True)
class Notches:
    """Gaps in the spectrum.

    Args:
        spacing_hz: From one to the next; the first lies at half of it.
        depth_db: How deep they are.
    """

    spacing_hz: float
    depth_db: float


def notches(samples: np.ndarray, rate: int) -> Notches | None:
    """Gaps in the mean spectrum of samples (samples,); None if there are none at equal distances.

    Example:
        >>> noise = np.random.default_rng(0).normal(size=16000)
        >>> spectrum = np.fft.rfft(noise)
        >>> gap = np.arange(len(spectrum)) % 1000
        >>> spectrum[(gap > 375) & (gap < 625)] *= 0.03
        >>> notches(noise, 16000), round(notches(np.fft.irfft(spectrum), 16000).spacing_hz, -2)
        (None, 1000.0)
    """
    levels, spacing = _mean_levels(samples, rate)
    audible = np.flatnonzero(levels > levels.max() - _AUDIBLE_DB)
    top = min(float(audible[-1]) * spacing, 20_000.0)
    sums = np.concatenate([[0.0], np.cumsum(levels)])
    best, score = Notches(0.0, 0.0), 0.0
    for distance in np.geomspace(*SPACINGS_HZ, 196):
        dips = _dips(sums, spacing, float(distance), top)
        for count in COUNTS:
            some = dips[:count] if count else dips
            if len(some) < 2:
                continue
            depth = float(some.min() if len(some) == 2 else min(np.median(some), some.mean()))
            if depth * np.sqrt(min(len(some), 8)) > score:
                best, score = Notches(float(distance), depth), depth * np.sqrt(min(len(some), 8))
    return best if score >= LEAST_SCORE and best.depth_db >= LEAST_DEPTH_DB else None


def _mean_levels(samples: np.ndarray, rate: int) -> tuple[np.ndarray, float]:
    """Mean level in dB at each frequency (frequencies,) over the frames that sound, and the distance of the frequencies in Hz."""
    size = min(len(samples), 2 ** round(np.log2(0.043 * rate)))
    transform = signal.ShortTimeFFT(signal.windows.hann(size, sym=False), size // 2, rate)
    last = max(2, (len(samples) - size // 2) // (size // 2))
    power = transform.spectrogram(samples, p0=1, p1=last)
    sounding = power.sum(0)
    kept = power[:, sounding > 1e-5 * sounding.max()] if sounding.max() > 0 else power
    return (10 * np.log10(np.maximum(kept, 1e-14))).mean(1), float(transform.f[1])


def _dips(sums: np.ndarray, spacing: float, distance: float, top: float) -> np.ndarray:
    """How far each gap (gaps,) lies below the lower one of its edges, in dB."""
    centres = np.arange(distance / 2, top - distance / 2, distance)

    def level(low: float, high: float) -> np.ndarray:
        first = np.clip(np.round((centres + low * distance) / spacing).astype(int), 0, len(sums) - 2)
        last = np.clip(np.round((centres + high * distance) / spacing).astype(int) + 1, first + 1, len(sums) - 1)
        return (sums[last] - sums[first]) / (last - first)

    return np.minimum(level(-0.42, -0.27), level(0.27, 0.42)) - level(-0.08, 0.08)
