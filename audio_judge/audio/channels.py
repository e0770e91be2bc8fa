"""What the channels of a clip hold, found block by block, so that hours need no memory."""

import math
from collections.abc import Iterator

import numpy as np

LOST_DB = 3.0
# Of a channel this far below the loudest nothing is heard beside it
EMPTY_DB = 40.0
# An offset of 2 % of full scale: usual converters have a tenth of it
MOST_OFFSET = 0.02


class ChannelLevels:
    """Collects the power of each channel and of their mean, and what lies beyond full scale."""

    def __init__(self, channels: int) -> None:
        self.power, self.mixed, self.count = np.zeros(channels), 0.0, 0
        self.beyond, self.peak, self.sum = np.zeros(channels, int), np.zeros(channels), np.zeros(channels)

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
        self.sum += block.sum(axis=0, dtype=np.float64)
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
        offset = float(self.sum[heard].mean()) / max(1, self.count)
        if MOST_OFFSET <= abs(offset) < math.inf:
            yield (
                f"its samples lie {offset:+.3f} of full scale off the middle, which nobody hears and is left out; it takes headroom and "
                "clicks where sound is cut: a high-pass takes it away"
            )
        power = float(self.power[self.loudest])
        if index is None and len(self.power) > 1 and power > 10 ** (LOST_DB / 10) * self.mixed:
            loss = f"{10 * math.log10(power / self.mixed):.1f} dB quieter than" if self.mixed else "silent beside"
            is_one_sided = len(self.power) == 2 and self.power.min() <= power * 10 ** (-EMPTY_DB / 10)
            yield (
                f"{'all sound is on one side: ' if is_one_sided else ''}"
                f"the mix of its {len(self.power)} channels is {loss} channel {self.loudest + 1}; hear one of them instead "
                "(--channel loudest, left, right or a number)"
            )
