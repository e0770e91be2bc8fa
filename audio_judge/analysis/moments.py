"""What is measured in each hundredth of a second, and in the whole, for the detector of faults (``detector``).

Levels of bands beside that of the loud moments; the quietest instant; how much stands still; how far the residual of a linear
predictor, and the bends of the waveform, stick out of their surroundings; how much it is what it was a packet ago. Of the whole:
the mean spectrum, how values and peaks are used, and the holes that codecs leave.
"""

import itertools

import numpy as np
from scipy import signal
from scipy.fft import rfft
from scipy.linalg import solve_toeplitz
from scipy.ndimage import uniform_filter1d

HOP_SECONDS = 0.01
_EDGES_HZ = (
    0,
    80,
    150,
    300,
    500,
    800,
    1200,
    1800,
    2500,
    3300,
    4000,
    4800,
    6000,
    7500,
    9000,
    11_000,
    14_000,
    18_000,
    24_000,
)
_MEAN_EDGES_HZ = (
    40, 80, 120, 180, 260, 380, 550, 800, 1150, 1650, 2400, 2900, 3200, 3500, 3900, 4300, 5000, 5800, 6600, 7200, 7700, 8300, 9500,
    11_000, 13_000, 15_000, 17_000, 19_500,
)  # fmt: skip
_HOLED_HZ = ((300, 3400), (3400, 7000), (7000, 15_000))
_PACKETS_SECONDS = (0.01, 0.02, 0.04, 0.06)
_ORDER = 20
# Below the rounding of 16 bits
_FLOOR = 1e-11
# Frames are looked at in pairs of 20 ms: levels as they are in the mean, what sticks out as it is at most
_LEVELS, _QUIET = 20, slice(18, 20)


def features(samples: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Measures of samples (samples,), at least 0.1 s: of each 20 ms (frames, 26), and of the whole (43,).

    Example:
        >>> frames, whole = features(np.random.default_rng(0).normal(size=16000) * 0.1, 16000)
        >>> frames.shape, whole.shape
        ((50, 26), (43,))
    """
    levels = _levels(samples, rate)
    loud = float(np.percentile(levels[:, -2], 95))
    relative = ((levels - loud) / 20).clip(-4.5, 1.5)
    frames = np.concatenate([relative, _shapes(samples, rate, len(levels))], axis=1)
    pairs = frames[: len(frames) // 2 * 2].reshape(len(frames) // 2, 2, -1)
    both = [pairs[:, :, :_LEVELS].mean(1), pairs[:, :, _QUIET].min(1), pairs[:, :, _LEVELS:].max(1)]
    return np.concatenate(both, axis=1).astype(np.float32), _whole(samples, rate, loud)


def _levels(samples: np.ndarray, rate: int) -> np.ndarray:
    """Levels in dB of each 10 ms (frames, 20): of bands, of all, and of the quietest 2.5 ms."""
    count = max(4, int(len(samples) / rate / HOP_SECONDS))
    size = round(2 * HOP_SECONDS * rate)
    power = _spectra(samples, size, HOP_SECONDS * rate, count)[0] / (size * 0.375)
    frequencies = np.arange(power.shape[1]) * rate / size
    bands = [_mean(power, (frequencies >= low) & (frequencies < high)) for low, high in _pairs(_EDGES_HZ)]
    square = np.square(samples)
    short = uniform_filter1d(square, max(1, round(0.0025 * rate))).clip(0)
    all_of_it, quietest = _each(square, rate, count).mean(1), _each(short, rate, count).min(1)
    return 10 * np.log10(np.stack([*bands, all_of_it, quietest], axis=1) + _FLOOR)


def _shapes(samples: np.ndarray, rate: int, count: int) -> np.ndarray:
    """How the waveform goes in each 10 ms (frames, 4): its share of standstill, what sticks out of it twice, and repeats."""
    still = np.concatenate([[0.0], np.abs(np.diff(samples)) <= 0.6 / 32_768])
    around = max(3, round(0.03 * rate))
    residual = np.square(_residual(samples))
    sticking = np.log10(residual / (np.square(uniform_filter1d(np.sqrt(residual), around)) + 1e-12) + 1e-2)
    bends = np.abs(np.diff(samples, 2, prepend=samples[:1], append=samples[-1:]))
    bent = np.log10(bends / (uniform_filter1d(bends, around) + 1e-5) + 1e-2)
    likeness, low_rate = _likeness(samples, rate)
    repeated = -np.log10(1.0003 - likeness.clip(0, 1))
    columns = [_each(still, rate, count).mean(1), _each(sticking, rate, count).max(1) / 2]
    columns += [_each(bent, rate, count).max(1) / 2, _each(repeated, low_rate, count).max(1) / 2]
    return np.stack(columns, axis=1)


def _residual(samples: np.ndarray) -> np.ndarray:
    """What a linear predictor fitted to the whole clip does not foretell (samples,)."""
    products = np.array([samples[: len(samples) - lag] @ samples[lag:] for lag in range(_ORDER + 1)])
    if products[0] <= 0:
        return samples
    diagonal = products[:-1] + np.eye(1, _ORDER)[0] * (products[0] * 1e-6 + 1e-12)
    return np.asarray(signal.lfilter([1.0, *-solve_toeplitz(diagonal, products[1:])], [1.0], samples))


def _likeness(samples: np.ndarray, rate: int) -> tuple[np.ndarray, float]:
    """How like each moment is to what was a packet ago, 0 to 1, and the rate of these values."""
    step = max(1, rate // 16_000)
    low = signal.resample_poly(samples, 1, step) if step > 1 else samples
    rate_of_it = rate / step
    bright = np.diff(low, prepend=low[:1])
    width = round(0.008 * rate_of_it)
    energy = uniform_filter1d(np.square(bright), width).clip(0) + 1e-12
    best = np.zeros(len(bright))
    for lag in (round(rate_of_it * packet) for packet in _PACKETS_SECONDS):
        if lag < len(bright):
            product = uniform_filter1d(bright[lag:] * bright[:-lag], width)
            best[lag:] = np.maximum(best[lag:], product / np.sqrt(energy[lag:] * energy[:-lag]))
    best[energy < np.percentile(energy, 90) * 1e-4] = 0
    return best, rate_of_it


def _whole(samples: np.ndarray, rate: int, loud: float) -> np.ndarray:
    """Measures of the whole clip (43,)."""
    frequencies, power = signal.welch(samples, rate, nperseg=min(4096 if rate > 30_000 else 2048, len(samples)))
    level = 10 * np.log10(power + 1e-17)
    level -= level.max()
    found = [loud / 20]
    for low, high in _pairs(_MEAN_EDGES_HZ):
        inside = (frequencies >= low) & (frequencies < high)
        found.append(float(np.clip(level[inside].mean() if inside.any() else -110, -110, 0)) / 25)
    return np.array([*found, *_values(samples), *_holes(samples, rate)], dtype=np.float32)


def _values(samples: np.ndarray) -> list[float]:
    """How the values and the peaks are used."""
    steps = np.round(samples * 32_768).astype(int)
    reach = max(2, int(np.std(steps)))
    used = len(np.unique(steps[np.abs(steps) <= reach])) / (2 * reach + 1)
    top = float(np.abs(samples).max()) + 1e-9
    near_top = float((np.abs(samples) > 0.985 * top).mean())
    near_ends = float((samples > 0.99 * samples.max()).mean() + (samples < 0.99 * samples.min()).mean())
    peakiness = float(np.mean(np.abs(samples) ** 4) / (np.mean(np.square(samples)) ** 2 + 1e-16))
    shares = [float(np.log10(near_top + 1e-6)), float(np.log10(near_ends + 1e-6))]
    return [used, float(np.log2(reach)) / 4, *shares, top, float(np.log10(peakiness + 1e-3))]


def _holes(samples: np.ndarray, rate: int) -> list[float]:
    """Of the loud frames, in three bands: share of bins far under their strongest, changes of the level, roughness over frequency."""
    size = round(2 * HOP_SECONDS * rate)
    count = max(1, (len(samples) - size) // (size // 2) + 1)
    power, frequencies = _spectra(samples, size, size // 2, count, rate)
    loud = power.sum(1) > 3e-3 * power.sum(1).max()
    found: list[float] = []
    for low, high in _HOLED_HZ:
        inside = (frequencies > low) & (frequencies < high)
        if not inside.any() or not loud.any():
            found += [0.0, 0.0, 0.0]
            continue
        levels = 10 * np.log10(power[loud][:, inside] + 1e-12)
        deep = float((levels < levels.max(1, keepdims=True) - 45).mean())
        found += [deep, float(np.std(levels.mean(1))) / 10, float(np.abs(np.diff(levels, axis=1)).mean()) / 10]
    return found


def _spectra(
    samples: np.ndarray, size: int, hop: float, count: int, rate: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Power (frames, frequencies) of frames that lie around the middle of each hop, and the frequencies."""
    half = size // 2
    view = np.lib.stride_tricks.sliding_window_view(np.pad(samples, (half, half + size)), size)
    starts = (np.arange(count) * hop + hop / 2).round().astype(int)
    frames = (view[starts] * signal.windows.hann(size, sym=False)).astype(np.float32)
    return np.square(np.abs(rfft(frames, axis=1))), np.arange(half + 1) * rate / size


def _mean(power: np.ndarray, inside: np.ndarray) -> np.ndarray:
    return power[:, inside].mean(1) if inside.any() else np.zeros(len(power))


def _each(values: np.ndarray, rate: float, count: int) -> np.ndarray:
    """Values (values,) by hundredths of a second: (frames, values of a frame)."""
    hop = round(HOP_SECONDS * rate)
    kept = values[: count * hop]
    return np.pad(kept, (0, count * hop - len(kept)), mode="edge").reshape(count, hop)


def _pairs(edges: tuple[int, ...]) -> list[tuple[int, int]]:
    return list(itertools.pairwise(edges))
