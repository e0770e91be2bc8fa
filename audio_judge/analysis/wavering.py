"""Wow: the edge of the band sways like a sine, as the whole sound does.

The pitch of a voice sways by itself, more than wow lets it; but where a recording's band ends is fixed. So what is measured
is the sharpest edge of the spectrum, frame by frame. A clip without an edge, such as one of full band, says nothing.
"""

from dataclasses import dataclass

import numpy as np
from scipy import signal

RATES_HZ = np.geomspace(0.3, 6.3, 90)
# Share of what the edge does that one sine explains, and how far that swings
LEAST_SHARE, LEAST_DEPTH, LARGEST_DEPTH = 0.5, 0.004, 0.08
# An edge falls by so much in the mean, and in a frame in which it is looked for
LEAST_DROP_DB, LEAST_FRAME_DB = 15.0, 8.0
LEAST_FRAMES = 60
_EDGES_HZ = (2500.0, 18_000.0)
_REACH = 0.09  # how far from its mean place the edge is looked for, as a share of its frequency
_SECONDS, _HOP = 0.03, 0.01


@dataclass(frozen=True)
class Wow:
    """A swing of the speed.

    Args:
        rate_hz: Swings a second.
        depth: How far the speed goes from its mean, as a share of it.
    """

    rate_hz: float
    depth: float


def wow(samples: np.ndarray, rate: int) -> Wow | None:
    """The wow in samples (samples,); None if there is none, or no edge of the band to see it by.

    Example:
        >>> noise = np.random.default_rng(0).normal(size=48000) * 0.1
        >>> low = np.convolve(noise, signal.firwin(801, 4000, fs=24000), "same")
        >>> times = np.arange(48000) / 24000
        >>> swaying = np.interp(times + 0.02 / (4 * np.pi) * np.sin(4 * np.pi * times), times, low)
        >>> wow(low, 24000), round(wow(swaying, 24000).rate_hz), round(wow(swaying, 24000).depth, 2)
        (None, 2, 0.02)
    """
    share, best = best_sine(*edge_places(samples, rate))
    return best if share >= LEAST_SHARE and LEAST_DEPTH <= best.depth <= LARGEST_DEPTH else None


def best_sine(times: np.ndarray, places: np.ndarray) -> tuple[float, Wow]:
    """The sine that explains most of places (frames,), relative to their middle, at times in seconds, and the share that it explains."""
    best, share = Wow(0.0, 0.0), 0.0
    if len(times) < LEAST_FRAMES:
        return share, best
    rest = places - places.mean()
    total = float(rest @ rest) + 1e-12
    for swing in RATES_HZ[RATES_HZ * np.ptp(times) > 0.8]:
        angles = 2 * np.pi * swing * times
        waves = np.stack([np.sin(angles), np.cos(angles), np.ones(len(times))], 1)
        weights, *_ = np.linalg.lstsq(waves, rest, rcond=None)
        explained = 1 - float(np.square(rest - waves @ weights).sum()) / total
        if explained > share:
            best, share = Wow(float(swing), float(np.hypot(*weights[:2]))), explained
    return share, best


def edge_places(samples: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Times in seconds and where the sharpest edge of the spectrum lies at them, over its mean place less 1; both empty without one."""
    none = np.zeros(0), np.zeros(0)
    size, hop = int(_SECONDS * rate), int(_HOP * rate)
    if len(samples) < 3 * size:
        return none
    transform = signal.ShortTimeFFT(signal.windows.hann(size, sym=False), hop, rate, mfft=2 * size)
    levels = 10 * np.log10(transform.spectrogram(samples, p0=2, p1=(len(samples) - size) // hop) + 1e-13).T
    spacing = float(transform.f[1])
    sums = np.concatenate([np.zeros((len(levels), 1)), np.cumsum(levels, axis=1)], axis=1)  # (frames, frequencies + 1)

    def drops(places: np.ndarray, near: float, far: float) -> np.ndarray:
        """How far the level falls from below each frequency to above it, (frames, places)."""
        ends = [np.round(places * (1 + step) / spacing).astype(int) for step in (-far, -near, near, far)]
        ends = [end.clip(0, sums.shape[1] - 1) for end in ends]
        return (sums[:, ends[1]] - sums[:, ends[0]]) / np.maximum(ends[1] - ends[0], 1) - (
            sums[:, ends[3]] - sums[:, ends[2]]
        ) / np.maximum(ends[3] - ends[2], 1)

    candidates = np.geomspace(_EDGES_HZ[0], min(_EDGES_HZ[1], 0.43 * rate), 120)
    mean = drops(candidates, 0.06, 0.14).mean(0)
    if mean.max() < LEAST_DROP_DB:
        return none
    middle = float(candidates[mean.argmax()])
    places = np.linspace(1 - _REACH, 1 + _REACH, 91) * middle
    found = drops(places, 0.0, 0.035)
    is_seen = found.max(1) >= max(LEAST_FRAME_DB, 0.5 * float(np.percentile(found.max(1), 90)))
    if is_seen.sum() < LEAST_FRAMES:
        return none
    times = (np.arange(len(levels)) + 2) * hop / rate
    where = places[found.argmax(1)] / middle
    return times[is_seen], where[is_seen] - 1.0
