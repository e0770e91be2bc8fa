"""What a label made on the fly costs per clip, beside the training step that it is for, in seconds of one CPU core.

    python benchmarks/labels.py DATA VOICES --start runs/nisqa

Medians and means over clips of seed 0, each part in turn for each clip; few clips are costly to degrade, and means say how
many workers keep up. Processor time is counted, that of programs which speak included: other work on the machine lengthens it
only through caches and clock. Left out: reading a corpus from disk, and passing batches from worker processes.
"""

import argparse
import itertools
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from transformers import AutoFeatureExtractor, AutoModel

from audio_judge.corpora.simulate import RATE, hear_clip, list_sources
from audio_judge.corpora.teachers import distill_mos, nisqa


def processor_seconds() -> float:
    """Of this process and the children that have ended."""
    times = os.times()  # too coarse for the process itself
    return time.process_time() + times.children_user + times.children_system


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds of a call, and what it returns."""
    begun = processor_seconds()
    result = function()
    return processor_seconds() - begun, result


def training_step(encoder: Any, optimizer: torch.optim.Optimizer, features: torch.Tensor) -> Callable[[], None]:
    """A step on as many clips of equal length, features (clips, frames, width), as training has in a batch."""

    def step() -> None:
        output = encoder(features, torch.ones(features.shape[:2], dtype=torch.long))
        loss = functional.mse_loss(output.scores, torch.full_like(output.scores, 3.0)) + output[0].square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def measure(data: list[Path], start: str, clips: int, batch_size: int, steps: int) -> dict[str, list[float]]:
    """Part to its seconds per clip."""
    sources, found = list_sources(data), defaultdict[str, list[float]](list)
    extractor, encoder = AutoFeatureExtractor.from_pretrained(start), AutoModel.from_pretrained(start).train()
    warm = np.zeros(3 * RATE, dtype=np.float32)  # what is loaded and compiled once is no cost of a clip
    for once in (lambda: nisqa(warm[None]), lambda: distill_mos([warm]), lambda: distill_mos([warm], bfloat16=True)):
        once()
    lengths = []
    for index in range(clips):
        seconds, clip = timed(lambda index=index: hear_clip(sources, "train", 0, index))
        found["speech made and degraded"].append(seconds)
        samples = clip.samples
        parts: dict[str, Callable[[], Any]] = {
            "NISQA": lambda heard=samples: nisqa(heard[None]),
            "Distill-MOS, float32": lambda heard=samples: distill_mos([heard]),
            "Distill-MOS, bfloat16": lambda heard=samples: distill_mos([heard], bfloat16=True),
            "features": lambda heard=samples: extractor(heard),
        }
        for name, part in parts.items():
            found[name].append(timed(part)[0])
        lengths.append(len(samples))
    samples = np.random.default_rng(0).uniform(-0.1, 0.1, int(statistics.median(lengths))).astype(np.float32)
    features = extractor(samples).input_features.expand(batch_size, -1, -1).contiguous()
    step = training_step(encoder, torch.optim.AdamW(encoder.parameters(), lr=1e-5), features)
    for _ in itertools.repeat(None, steps):
        found["training step"].append(timed(step)[0] / batch_size)
    return found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+", help="folders with manifest.csv")
    parser.add_argument("--start", required=True, help="folder of the encoder that is trained")
    parser.add_argument("--clips", type=int, default=50)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| seconds per clip | median | mean |\n|---|--:|--:|")
    for name, seconds in measure(**vars(options)).items():
        print(f"| {name} | {statistics.median(seconds):.3f} | {statistics.mean(seconds):.3f} |", flush=True)


if __name__ == "__main__":
    main()
