"""What was heard before: echoes of the whole, and packets that are played again in place of lost ones."""

from dataclasses import dataclass

import numpy as np
from scipy import signal
from scipy.fft import next_fast_len, rfft
from scipy.ndimage import maximum_filter1d, uniform_filter1d

Spans = tuple[tuple[float, float], ...]
# Delays at which a repeat is heard as an echo, in seconds: nearer ones colour the sound, and a pitch repeats
DELAYS = (0.045, 0.45)
# An echo's line in the cepstrum stands out of it all by so much, of the next one, and out of each half of the clip
LEAST_HEIGHT, LEAST_LEAD, LEAST_IN_HALF = 13.0, 2.0, 7.0
LOUDEST_DB = 3.0
# Of a call that can be followed not so much is repeated; a tone is like itself all the time
MOST_REPEATED = 0.5
# Packets of these lengths are played again
_PACKETS_MS = (10, 20, 40, 60)
# Speech is never like itself a packet ago to this degree
_SAME = 0.995
_RATE = 16_000
_TINY = 1e-20


@dataclass(frozen=True)
class Echo:
    """A delayed copy of all that is heard.

    Args:
        delay_ms: After how long it comes.
        attenuation_db: By how much it is quieter.
    """

    delay_ms: float
    attenuation_db: float


def echo(samples: np.ndarray, rate: float, high_hz: float = 7000.0) -> Echo | None:
    """The echo in samples (samples,), a line in the cepstrum of the whole clip; None if there is none.

    Args:
        high_hz: Where the band ends: what lies above is noise that has no echo.

    Example:
        >>> voice = np.random.default_rng(0).normal(size=32000)
        >>> late = np.concatenate([np.zeros(3200), 0.25 * voice[:-3200]])
        >>> found = echo(voice + late, 16000)
        >>> echo(voice, 16000), round(found.delay_ms), round(found.attenuation_db)
        (None, 200, 13)
    """
    low, rate = _at_low_rate(samples, rate)
    if len(low) < 1.5 * rate:
        return None
    delays, lines = _cepstrum(low, rate, high_hz)
    if not len(lines):
        return None
    best = int(np.argmax(lines))
    delay = float(delays[best])
    # Its own repeats stand at multiples of its delay
    others = np.abs((delays / delay) - np.round(delays / delay)) * delay > 0.003
    if lines[best] < LEAST_HEIGHT * np.median(lines) or lines[best] < LEAST_LEAD * lines[others].max(initial=0.0):
        return None
    # All that is heard comes back: a sound that a machine made twice stands in one half only
    for half in (low[: len(low) // 2], low[len(low) // 2 :]):
        places, heights = _cepstrum(half, rate, high_hz)
        if heights[np.abs(places - delay) < 0.001].max(initial=0.0) < LEAST_IN_HALF * np.median(heights):
            return None
    gain = float(np.clip(lines[best] / 2, 1e-3, 10 ** (-LOUDEST_DB / 20)))
    return Echo(1000 * delay, float(-20 * np.log10(gain)))


def _cepstrum(low: np.ndarray, rate: float, high_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Delays in seconds, and twice the gain of a copy at each of them; both empty for too narrow a band."""
    length = next_fast_len(2 * len(low), real=True)
    power = np.square(np.abs(rfft(low, length)))
    spacing = rate / length
    first, last = int(150 / spacing), int(min(high_hz, 7000.0, 0.47 * rate) / spacing)
    if last - first < 1000 / spacing:
        return np.zeros(0), np.zeros(0)
    part = power[first:last]
    heights = np.log(part + part.mean() * 1e-9 + _TINY)
    heights -= uniform_filter1d(heights, int(60 / spacing))  # without what is smooth over frequency: the voice
    window = signal.windows.hann(len(heights), sym=False)
    size = 2 * next_fast_len(len(heights), real=True)
    lines = np.abs(rfft(heights * window, size)) * 2 / window.sum()
    delays = np.arange(len(lines)) / (size * spacing)
    kept = (delays >= DELAYS[0]) & (delays <= DELAYS[1])
    return delays[kept], lines[kept]


def repeats(samples: np.ndarray, rate: float) -> Spans:
    """(start, end) in seconds of where samples (samples,) are what they were one packet ago, but for their level; none of a tone.

    Example:
        >>> voice = np.random.default_rng(0).normal(size=16000)
        >>> voice[8320:8640] = 0.7 * voice[8000:8320]
        >>> [(round(start, 2), round(end, 2)) for start, end in repeats(voice, 16000)]
        [(0.52, 0.54)]
    """
    low, rate = _at_low_rate(samples, rate)
    bright = np.diff(low, prepend=low[:1])  # low tones are like themselves for long
    width = round(0.008 * rate)
    energy = uniform_filter1d(np.square(bright), width).clip(0) + _TINY
    is_active = energy > 1e-3 * np.percentile(energy, 90)
    same = np.zeros(len(bright), dtype=bool)
    for lag in (round(packet * rate / 1000) for packet in _PACKETS_MS):
        if lag < len(bright):
            product = uniform_filter1d(bright[lag:] * bright[:-lag], width)
            likeness = product / np.sqrt(energy[lag:] * energy[:-lag])
            same[lag:] |= (likeness > _SAME) & is_active[lag:] & is_active[:-lag]
    # The windows around both ends are not all repeat; what lies in half a window is one
    same = maximum_filter1d(same.astype(np.int8), width) > 0
    if same.sum() > MOST_REPEATED * is_active.sum():
        return ()
    edges = np.diff(np.concatenate([[0], same.astype(np.int8), [0]]))
    runs = zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True)
    return tuple((int(start) / rate, int(end) / rate) for start, end in runs)


def _at_low_rate(samples: np.ndarray, rate: float) -> tuple[np.ndarray, float]:
    step = max(1, int(rate // _RATE))
    return (signal.resample_poly(samples, 1, step) if step > 1 else samples), rate / step
