"""Where a clip sounds, and what its channels hold: found block by block, so that hours need no memory."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from audio_judge.audio.files import MIN_SECONDS

# The last bit of 16, -90.3 dBFS: what never gets louder is digital silence, dithered or not.
SILENCE_PEAK = 2.0**-15
# Below the level of the clip: room noise of a clean recording is silence, the noise of a noisy one is not
QUIET_DB = -40.0
QUIET_DBFS = -80.0
LONGEST_PAUSE_SECONDS = 2.0  # a longer one is no part of speech
MARGIN_SECONDS = 0.25  # of the quiet around sound, so that it does not begin or end all of a sudden
LOST_DB = 3.0
_FRAME_SECONDS = 0.01


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
    """Collects the level of each 10 ms of a signal, to find where it sounds.

    A mean that does not move (an offset) is no sound.
    """

    def __init__(self, rate: int) -> None:
        self.rate, self.size = rate, round(_FRAME_SECONDS * rate)
        self.rest = np.empty(0, np.float32)
        self.powers: list[np.ndarray] = []
        # First and last sample of each frame that is more than digital silence; -1 if there is none
        self.edges: list[np.ndarray] = []

    def add(self, samples: np.ndarray) -> None:
        """The next samples (samples,)."""
        samples = np.concatenate([self.rest, samples]) if len(self.rest) else samples
        whole = len(samples) // self.size * self.size
        self._measure(samples[:whole].reshape(-1, self.size))
        self.rest = samples[whole:]

    def _measure(self, frames: np.ndarray) -> None:
        loud = is_loud(frames)  # (frames, samples)
        first, last = loud.argmax(1), frames.shape[1] - 1 - loud[:, ::-1].argmax(1)
        self.edges.append(np.where(loud.any(1), np.stack([first, last]), -1))
        power = frames.var(axis=1)
        self.powers.append(np.where(np.isfinite(power), power, np.inf))

    def spans(self) -> Iterator[tuple[int, int]]:
        """First sample and the one after the last of each part that sounds; nothing must be added any more."""
        if len(self.rest):
            self._measure(self.rest[np.newaxis])
            self.rest = self.rest[:0]
        power, (first, last) = np.concatenate(self.powers), np.concatenate(self.edges, axis=1)
        sounds = first >= 0
        finite = power[np.isfinite(power) & sounds]
        # Weighted by itself, so that pauses say nothing about the level of what is between them
        level = float(np.square(finite).sum() / finite.sum()) if finite.any() else 0.0
        active = sounds & (power >= min(level, max(level * 10 ** (QUIET_DB / 10), 10 ** (QUIET_DBFS / 10))))
        places = np.flatnonzero(active)
        if not len(places):
            return
        gaps = np.flatnonzero(np.diff(places) > round(LONGEST_PAUSE_SECONDS / _FRAME_SECONDS))
        margin = round(MARGIN_SECONDS / _FRAME_SECONDS)
        for begin, end in zip(places[np.r_[0, gaps + 1]], places[np.r_[gaps, len(places) - 1]], strict=True):
            # Outwards, as far as there is more than digital silence
            before = sounds[max(0, begin - margin) : begin][::-1]
            after = sounds[end + 1 : end + 1 + margin]
            start = begin - (len(before) if before.all() else int(before.argmin()))
            stop = end + (len(after) if after.all() else int(after.argmin()))
            yield int(start * self.size + first[start]), int(stop * self.size + last[stop] + 1)


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
