"""A small detector of faults on what is measured (``moments``): how likely each is, and when those that come and go are heard.

It learned from simulated speech alone, whose faults are known for certain (``benchmarks/detector.py``), and from no score of
anybody's. It is a second opinion beside a judge, which says more of what a listener hears; it sees what a judge is deaf to.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from torch import nn

from audio_judge.analysis.moments import features

WEIGHTS = Path(__file__).with_name("detector.safetensors")
FRAME_SECONDS = 0.02
# Channels, of the whole clip's measures, of the head for frames, of that for the clip
_WIDTH, _WHOLE, _FRAME_HEAD, _CLIP_HEAD = 40, 24, 24, 48
_DILATIONS = (1, 3, 9)
_SHORTEST_SECONDS = 0.3


@dataclass(frozen=True)
class Detected:
    """What the detector holds likely.

    Args:
        kinds: Kind of fault to its probability.
        curves: Name of a fault that comes and goes to its probability in each ``FRAME_SECONDS`` (frames,).
    """

    kinds: dict[str, float]
    curves: dict[str, np.ndarray]


class Detector(nn.Module):
    """Convolutions over frames, pooled, with the measures of the whole clip.

    Args:
        kinds: Faults of the clip, in the order of its answers.
        names: Those that come and go, likewise.
        sizes: Numbers of measures of a frame and of the whole.
    """

    frame_mean: torch.Tensor
    frame_std: torch.Tensor
    whole_mean: torch.Tensor
    whole_std: torch.Tensor

    def __init__(self, kinds: tuple[str, ...], names: tuple[str, ...], sizes: tuple[int, int] = (26, 43)) -> None:
        super().__init__()
        self.kinds, self.names = kinds, names
        for name, size in zip(("frame", "whole"), sizes, strict=True):
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_std", torch.ones(size))
        self.first = nn.Conv1d(sizes[0], _WIDTH, 5, padding=2)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(_WIDTH, _WIDTH, 5, padding=2 * far, dilation=far) for far in _DILATIONS
        )
        self.whole = nn.Linear(sizes[1], _WHOLE)
        pooled = 3 * _WIDTH + _WHOLE
        self.back = nn.Linear(pooled, _WIDTH)
        self.frames = nn.Conv1d(_WIDTH, _FRAME_HEAD, 5, padding=2)
        self.curves = nn.Conv1d(_FRAME_HEAD, len(names), 1)
        into = nn.Linear(pooled + 2 * len(names), _CLIP_HEAD)
        out = nn.Linear(_CLIP_HEAD, len(kinds))
        self.clip = nn.Sequential(nn.Dropout(0.3), into, nn.GELU(), nn.Dropout(0.3), out)

    def forward(
        self, frames: torch.Tensor, mask: torch.Tensor, whole: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of the kinds (clips, kinds) and of the curves (clips, names, frames).

        Args:
            frames: Measures (clips, measures, frames), as ``normalised`` gives them.
            mask: 1 where there is a frame, 0 where there is none (clips, frames).
            whole: Measures of the whole (clips, measures).
        """
        hidden = nn.functional.gelu(self.first(frames))
        for convolution in self.convolutions:
            hidden = hidden + nn.functional.gelu(convolution(hidden))
        there = mask[:, None]
        count = there.sum(2)
        mean = (hidden * there).sum(2) / count
        most = hidden.masked_fill(there == 0, -1e4).amax(2)
        spread = ((hidden - mean[:, :, None]).square() * there).sum(2) / count
        pooled = torch.cat([mean, most, (spread + 1e-5).sqrt(), nn.functional.gelu(self.whole(whole))], 1)
        curves = self.curves(nn.functional.gelu(self.frames(hidden + self.back(pooled)[:, :, None])))
        shares = torch.sigmoid(curves.masked_fill(there == 0, -30.0))
        return self.clip(torch.cat([pooled, shares.amax(2), (shares * there).sum(2) / count], 1)), curves

    def normalised(self, frames: torch.Tensor, whole: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Measures (…, frames, measures) and (…, measures) at the scale of training, the first turned over for ``forward``."""
        return ((frames - self.frame_mean) / self.frame_std).transpose(-1, -2), (
            whole - self.whole_mean
        ) / self.whole_std


@lru_cache(maxsize=1)
def load_detector(path: Path = WEIGHTS) -> Detector:
    """The detector that ships with the package, in evaluation mode."""
    with safe_open(path, framework="pt") as file:
        noted = file.metadata()
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    detector = Detector(tuple(json.loads(noted["kinds"])), tuple(json.loads(noted["names"])))
    detector.load_state_dict(weights)
    return detector.eval()


def detect(samples: np.ndarray, rate: int) -> Detected | None:
    """What is likely wrong with samples (samples,), and when; None of what is too short, or silent.

    Example:
        >>> found = detect(np.random.default_rng(0).normal(size=16000) * 0.1, 16000)
        >>> found.curves["clicks"].shape, detect(np.zeros(16000), 16000)
        ((50,), None)
    """
    if len(samples) < _SHORTEST_SECONDS * rate or not np.any(samples):
        return None
    detector = load_detector()
    with torch.inference_mode():
        frames, whole = detector.normalised(*(torch.from_numpy(part) for part in features(samples, rate)))
        kinds, curves = detector(frames[None], torch.ones(1, frames.shape[1]), whole[None])
        likely, when = torch.sigmoid(kinds[0]).tolist(), torch.sigmoid(curves[0]).numpy()
    return Detected(dict(zip(detector.kinds, likely, strict=True)), dict(zip(detector.names, when, strict=True)))
