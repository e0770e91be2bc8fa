"""Trains the detector of faults that ships with the package (``audio_judge.analysis.detector``).

    python benchmarks/detector.py CORPUS --split train --clips 1500 --out detector.safetensors

CORPUS is a simulated corpus, of whose clips the faults, and when they are heard, are known for certain; no score is looked at. Clips
with faults that come and go are taken first, as these are what it is for, then others. Kinds that are held out of training
(``audio_judge.degrade.HELD_OUT``) are left out here, too. The shipped weights are of 1,434 clips and 20 of 24 epochs.
"""

import argparse
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from audio_judge.analysis.detector import FRAME_SECONDS, Detector
from audio_judge.analysis.moments import features
from audio_judge.audio import read_audio
from audio_judge.clips import RatedClip
from audio_judge.corpora.simulated import read_simulated
from audio_judge.degrade import HELD_OUT
from audio_judge.tasks.faults import FAULT_QUESTIONS, SPAN_QUESTIONS, known_spans

BATCH, LEARNING_RATE, WEIGHT_DECAY = 24, 3e-3, 1e-2
# A moment of a fault is rare: its weight beside those without, clicks being the shortest
WEIGHTS = torch.tensor([{"clicks": 4.0}.get(name, 2.0) for name in SPAN_QUESTIONS])
# Noise on the measures, in standard deviations
JITTER_FRAMES, JITTER_WHOLE = 0.15, 0.1
MARGIN = 0.02  # seconds on both sides of a fault


@dataclass(frozen=True)
class Example:
    """Measures of a clip, its kinds of faults, and which frames have which; -1 where that is not known."""

    frames: torch.Tensor  # (frames, measures)
    whole: torch.Tensor  # (measures,)
    kinds: torch.Tensor  # (kinds,)
    spans: torch.Tensor  # (frames, names)


def chosen(corpus: Path, split: str, count: int) -> list[RatedClip]:
    """Two thirds of clips with faults that come and go, the rest others."""
    clips = [one for one in read_simulated(corpus, split, "teachers") if not {c.kind for c in one.causes} & {*HELD_OUT}]
    random.Random(3).shuffle(clips)
    timed = [one for one in clips if any(cause.spans for cause in one.causes)][: 2 * count // 3]
    return timed + [one for one in clips if not any(cause.spans for cause in one.causes)][: count - len(timed)]


def example(clip: RatedClip) -> Example:
    """Measure a clip."""
    audio = read_audio(clip.path)
    frames, whole = (torch.from_numpy(part) for part in features(audio.samples.astype(np.float64), audio.sampling_rate))
    kinds = torch.tensor([float(any(cause.kind == kind for cause in clip.causes)) for kind in FAULT_QUESTIONS])
    spans = torch.full((len(frames), len(SPAN_QUESTIONS)), -1.0)
    for place, name in enumerate(SPAN_QUESTIONS):
        known = known_spans(name, clip.causes)
        if known is None or any(cause.kind == "wow" for cause in clip.causes[1:]):
            continue
        spans[:, place] = 0
        for start, end in known:
            first, last = round((start - MARGIN) / FRAME_SECONDS), round((end + MARGIN) / FRAME_SECONDS)
            spans[max(0, first) : last, place] = 1
    return Example(frames, whole, kinds, spans)


def batches(examples: list[Example], rng: random.Random) -> Iterator[tuple[torch.Tensor, ...]]:
    """Frames, mask, whole, kinds and spans of clips of about one length."""
    order = sorted(examples, key=lambda one: len(one.frames) + 40 * rng.random())
    groups = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
    rng.shuffle(groups)
    for group in groups:
        frames = torch.nn.utils.rnn.pad_sequence([one.frames for one in group], batch_first=True)
        spans = torch.nn.utils.rnn.pad_sequence([one.spans for one in group], batch_first=True, padding_value=-1.0)
        ones = [torch.ones(len(one.frames)) for one in group]
        mask = torch.nn.utils.rnn.pad_sequence(ones, batch_first=True)
        yield frames, mask, *(torch.stack([getattr(one, name) for one in group]) for name in ("whole", "kinds")), spans


def loss_of(detector: Detector, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Of the kinds, and of the frames of which it is known."""
    frames, mask, whole, kinds, spans = batch
    laid, beside = detector.normalised(frames, whole)
    laid = (laid + JITTER_FRAMES * torch.randn(*laid.shape[:2], 1)) * mask[:, None]
    likely, curves = detector(laid, mask, beside + JITTER_WHOLE * torch.randn_like(beside))
    is_known = (spans >= 0).float()
    of_frames = cross_entropy(curves.transpose(1, 2), spans.clamp(min=0), reduction="none", pos_weight=WEIGHTS)
    return cross_entropy(likely, kinds) + (of_frames * is_known).sum() / is_known.sum()


def train(examples: list[Example], epochs: int) -> Detector:
    """Train a detector."""
    torch.manual_seed(0)
    detector, rng = Detector(tuple(FAULT_QUESTIONS), tuple(SPAN_QUESTIONS)), random.Random(0)
    for name, rows in (
        ("frame", torch.cat([one.frames for one in examples])),
        ("whole", torch.stack([one.whole for one in examples])),
    ):
        detector.get_buffer(f"{name}_mean").copy_(rows.mean(0))
        detector.get_buffer(f"{name}_std").copy_(rows.std(0) + 0.05)
    optimizer = torch.optim.AdamW(detector.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    steps = epochs * -(-len(examples) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    for epoch in range(epochs):
        detector.train()
        total = 0.0
        for batch in batches(examples, rng):
            loss = loss_of(detector, batch)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(detector.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}: loss {total * BATCH / len(examples):.3f}", flush=True)
    return detector.eval()


def main() -> None:
    """Parse the command line, measure, train, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--split", default="train")
    parser.add_argument("--clips", type=int, default=1500)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    detector = train([example(clip) for clip in chosen(options.corpus, options.split, options.clips)], options.epochs)
    weights = {name: value.contiguous() for name, value in detector.state_dict().items()}
    noted = {"format": "pt", "kinds": json.dumps(detector.kinds), "names": json.dumps(detector.names)}
    save_file(weights, options.out, metadata=noted)


if __name__ == "__main__":
    main()
