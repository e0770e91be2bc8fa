"""Mains hum and hiss: noise that is there all the time, measured where the voice leaves it bare."""

from dataclasses import dataclass

import numpy as np
from scipy import signal
from scipy.ndimage import median_filter

MAINS_HZ = (50, 60, 100, 120)
# Lines of mains stand out by so much, the strongest four of them, over what stands out half-way between (clean speech: 8 dB at most)
LEAST_PROMINENCE_DB = 9.0
_SECONDS = 0.5  # a window in which mains is a line and the pitch of a voice is none
_HIGHEST_HZ = 1500
_TINY = 1e-14


@dataclass(frozen=True)
class Hum:
    """Mains hum.

    Args:
        hum_hz: Its lowest tone, of ``MAINS_HZ``.
        snr_db: The level of the loud moments over its own.
    """

    hum_hz: float
    snr_db: float


def mains_hum(samples: np.ndarray, rate: int) -> Hum | None:
    """Hum of the mains in samples (samples,): lines at multiples of 50 or 60 Hz that never pause; None if there is none.

    Example:
        >>> time = np.arange(32000) / 16000
        >>> voice = np.random.default_rng(0).normal(size=32000) * (np.sin(8 * time) > 0) * 0.1
        >>> hum = sum(np.sin(2 * np.pi * 50 * h * time) / h for h in range(1, 6)) * 0.02
        >>> mains_hum(voice, 16000), mains_hum(voice + hum, 16000).hum_hz
        (None, 50)
    """
    step = max(1, rate // (2 * _HIGHEST_HZ + 1000))
    low = signal.decimate(samples, step, ftype="fir") if step > 1 else samples
    size = int(_SECONDS * rate / step)
    if len(low) < 1.5 * size:
        return None
    transform = signal.ShortTimeFFT(
        signal.windows.blackmanharris(size, sym=False), size // 4, rate / step, mfft=4 * size, scale_to="psd"
    )
    power = transform.spectrogram(low - low.mean(), p0=2, p1=max(3, (len(low) - size // 2) // (size // 4)))
    steady = 10 * np.log10(np.percentile(power, 25, axis=1) + _TINY)  # (frequencies,)
    spacing = float(transform.f[1])
    prominence = steady - median_filter(steady, int(40 / spacing) | 1, mode="nearest")
    found = {mains: _prominence(prominence, spacing, mains) for mains in MAINS_HZ}
    mains = max(found, key=lambda one: found[one])
    if found[mains] < LEAST_PROMINENCE_DB:
        return None
    return Hum(mains, _ratio(power, steady, spacing, mains))


def _prominence(prominence: np.ndarray, spacing: float, mains: float) -> float:
    multiples = np.arange(1, min(10, int(_HIGHEST_HZ // mains)) + 1)
    lines, between = (np.array([_peak(prominence, spacing, (k + off) * mains) for k in multiples]) for off in (0, 0.5))
    return float(np.sort(lines)[-4:].mean() - max(0.0, np.sort(between)[-4:].mean()))


def _peak(values: np.ndarray, spacing: float, frequency: float) -> float:
    return float(np.clip(values[int((frequency - 1.5) / spacing) : int((frequency + 1.5) / spacing) + 2].max(), 0, 40))


def _ratio(power: np.ndarray, steady: np.ndarray, spacing: float, mains: float) -> float:
    """Power of the loud moments below 1.5 kHz over that of the lines, in dB."""
    top = int(_HIGHEST_HZ / spacing)
    loud = float(np.percentile(power[:top].sum(0), 90))
    centres = [round(k * mains / spacing) for k in range(1, int(_HIGHEST_HZ // mains) + 1)]
    width = max(1, round(4 / spacing))  # of a line in the window
    hum = sum((10 ** (steady[max(0, at - width) : at + width + 1] / 10)).sum() for at in centres if at < top)
    return float(np.clip(10 * np.log10((loud + _TINY) / (hum + _TINY)), 0.0, 90.0))
