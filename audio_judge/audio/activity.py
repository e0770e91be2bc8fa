"""Where a clip sounds, and what its channels hold: found block by block, so that hours need no memory."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from audio_judge.audio.files import MIN_SECONDS

# The last bit of 16, -90.3 dBFS: what never gets louder is digital silence, dithered or not.
SILENCE_PEAK = 2.0**-15
# Below the level of the clip: room noise of a clean recording is silence, the noise of a noisy one is not
QUIET_DB = -40.0
QUIET_DBFS = -80.0
LONGEST_PAUSE_SECONDS = 2.0  # a longer one is no part of speech
LOST_DB = 3.0
# Levels are of 10 ms, one for each millisecond: where sound begins must not hang on where the file begins
_HOP_SECONDS = 0.001
_HOPS = 10


def is_loud(samples: np.ndarray) -> np.ndarray:
    """Which samples are more than digital silence."""
    return ~(np.abs(samples) <= SILENCE_PEAK)  # NaN is no silence: who reads it will say so


def longer(first: int, last: int, frames: int, rate: int) -> tuple[float, float]:
    """Frames as seconds, after both ends were moved outwards if there are fewer than can be judged."""
    missing = max(0, round(MIN_SECONDS * rate) - (last - first))
    last = min(frames, last + missing)
    first = max(0, min(first, last - round(MIN_SECONDS * rate)))
    return first / rate, last / rate


def joined_spans(
    first: Sequence[tuple[float, float]], second: Sequence[tuple[float, float]]
) -> tuple[tuple[float, float], ...]:
    """Time spans, (start, end) in order, that lie in either of two sets.

    Example:
        >>> joined_spans([(0, 2)], [(1, 3), (5, 6)])
        ((0, 3), (5, 6))
    """
    joined: list[tuple[float, float]] = []
    for start, end in sorted([*first, *second]):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


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


class Activity:
    """Collects the level of a signal, to find where it sounds: of 10 ms, from each millisecond on.

    A mean that does not move (an offset) is no sound.
    """

    def __init__(self, rate: int) -> None:
        self.rate, self.size = rate, max(1, round(_HOP_SECONDS * rate))
        self.rest = np.empty(0, np.float32)
        # Of each hop whose 10 ms are not yet over: how many samples, their sum, and the sum of their squares
        self.unfinished = np.empty((3, 0))
        self.powers: list[np.ndarray] = []
        self.power_sum = self.square_sum = 0.0  # of all powers, and of their squares
        # First and last sample of each hop that is more than digital silence; -1 if there is none
        self.edges: list[np.ndarray] = []

    def add(self, samples: np.ndarray) -> None:
        """The next samples (samples,)."""
        samples = np.concatenate([self.rest, samples]) if len(self.rest) else samples
        whole = len(samples) // self.size * self.size
        self._measure(samples[:whole].reshape(-1, self.size))
        self.rest = samples[whole:]

    def _measure(self, hops: np.ndarray) -> None:
        loud = is_loud(hops)  # (hops, samples)
        first, last = loud.argmax(1), hops.shape[1] - 1 - loud[:, ::-1].argmax(1)
        self.edges.append(np.where(loud.any(1), np.stack([first, last]), -1).astype(np.int16))
        squares = np.einsum("ij,ij->i", hops, hops, dtype=np.float64)
        total = np.where(np.isfinite(squares), hops.sum(axis=1, dtype=np.float64), 0)
        count = np.full(len(hops), float(hops.shape[1]))
        self._add_powers(np.stack([count, total, np.where(np.isfinite(squares), squares, np.inf)]))

    def _add_powers(self, sums: np.ndarray) -> None:
        sums = np.concatenate([self.unfinished, sums], axis=1)
        self.unfinished = sums[:, max(0, sums.shape[1] - _HOPS + 1) :]
        if sums.shape[1] >= _HOPS:
            count, total, squares = sliding_window_view(sums, _HOPS, axis=1).sum(axis=-1)
            power = (squares - total**2 / count).clip(0) / count
            finite = power[np.isfinite(power)]
            self.power_sum, self.square_sum = self.power_sum + finite.sum(), self.square_sum + finite @ finite
            self.powers.append(power.astype(np.float32))

    def spans(self) -> Iterator[tuple[int, int]]:
        """First sample and the one after the last of each part that sounds; nothing must be added any more."""
        if len(self.rest):
            self._measure(self.rest[np.newaxis])
            self.rest = self.rest[:0]
        self._add_powers(np.zeros((3, _HOPS - 1)))  # nothing, so that the last hops have their power too
        power, (first, last) = _joined(self.powers), _joined(self.edges)
        sounding = first >= 0
        # Weighted by itself, so that pauses say nothing about the level of what is between them
        level = self.square_sum / self.power_sum if self.power_sum else 0.0
        active = power >= min(level, max(level * 10 ** (QUIET_DB / 10), 10 ** (QUIET_DBFS / 10)))
        active &= sliding_window_view(np.append(sounding, np.zeros(_HOPS - 1, bool)), _HOPS).any(axis=-1)
        changes = np.flatnonzero(np.diff(active, prepend=False, append=False))
        # From the first hop of a part to the last of its last 10 ms
        begins, ends = changes[::2], np.minimum(changes[1::2] + _HOPS - 1, len(active))
        if not len(begins):
            return
        new = begins[1:] - ends[:-1] > round(LONGEST_PAUSE_SECONDS / _HOP_SECONDS)
        sounds = np.flatnonzero(sounding)
        for begin, end in zip(begins[np.append(True, new)], ends[np.append(new, True)], strict=True):
            # Nothing of the quiet around it: how much of it there is would count as how the speech sounds
            start, stop = sounds[np.searchsorted(sounds, begin)], sounds[np.searchsorted(sounds, end) - 1]
            yield int(start * self.size + first[start]), int(stop * self.size + last[stop] + 1)


def _joined(blocks: list[np.ndarray]) -> np.ndarray:
    """Blocks one after another along their last axis; the list is empty afterwards, so that hours are not kept twice."""
    joined = np.concatenate(blocks, axis=-1)
    blocks.clear()
    return joined


class ChannelLevels:
    """Collects the power of each channel and of their mean, and what lies beyond full scale."""

    def __init__(self, channels: int) -> None:
        self.power, self.mixed, self.count = np.zeros(channels), 0.0, 0
        self.beyond, self.peak = np.zeros(channels, int), np.zeros(channels)

    def add(self, block: np.ndarray) -> None:
        """The next samples (samples, channels)."""
        size = np.abs(block)
        if not size.size:
            return
        peak = size.max(axis=0)
        if (peak > 1).any():
            self.beyond += (size > 1).sum(axis=0)
            block = block.clip(-1, 1)
        self.peak = np.maximum(self.peak, peak)
        self.count += len(block)
        self.power += np.einsum("ij,ij->j", block, block, dtype=np.float64)
        if block.shape[1] > 1:
            self.mixed += float(np.square(block.mean(axis=1), dtype=np.float64).sum())

    @property
    def loudest(self) -> int:
        """The channel with most power, from 0."""
        return int(np.nan_to_num(self.power).argmax())

    def notes(self, index: int | None) -> Iterator[str]:
        """What is lost when one channel is heard, or the mean of all (None), in sentences."""
        heard = slice(None) if index is None else slice(index, index + 1)
        beyond, peak = int(self.beyond[heard].sum()), float(self.peak[heard].max())
        # A filter or a codec may overshoot by a little
        if peak > 1.001 and math.isfinite(peak):
            share = beyond / max(1, self.count * len(self.power[heard]))
            some = f"{share:.2%}" if share >= 5e-5 else f"{beyond}"
            yield f"{some} of its samples lie beyond full scale (up to {peak:.3g}) and were clipped, as when played"
        power = float(self.power[self.loudest])
        if index is None and len(self.power) > 1 and power > 10 ** (LOST_DB / 10) * self.mixed:
            loss = f"{10 * math.log10(power / self.mixed):.1f} dB quieter than" if self.mixed else "silent beside"
            yield (
                f"the mix of its {len(self.power)} channels is {loss} channel {self.loudest + 1}; hear one of them instead "
                "(--channel loudest, left, right or a number)"
            )
