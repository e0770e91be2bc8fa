"""What encoders learn from: features, teachers' states and ratings of simulated clips, from disk or made on the fly.

``DistillationSet`` holds a corpus that ``audio_judge.corpora.simulate`` wrote. ``LiveSet`` makes each clip, has the
teachers rate it and never repeats one; of the same seed, both know the same clips by the same numbers.
"""

import itertools
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from audio_judge.clips import Cause, Rating
from audio_judge.corpora.blends import Blend
from audio_judge.corpora.severity import severity_of_each
from audio_judge.corpora.simulate import IMPOSSIBLE, RATE, hear_clip, label_clip, list_sources
from audio_judge.corpora.simulated import NISQA_AXES, STATES, causes_of, label_of, read_simulated, targets
from audio_judge.corpora.teachers import NISQA_FRAME_SECONDS
from audio_judge.processing_audio_judge import AudioJudgeFeatureExtractor

# What the scores of an encoder are, in this order; NISQA's own five come first
AXES = NISQA_AXES


@dataclass(frozen=True)
class Teacher:
    """A teacher: the width of its states, and the names of its scores of the whole clip.

    Args:
        offsets: How many frames later an encoder of each view hears the same moment.
    """

    size: int
    scores: tuple[str, ...]
    offsets: Mapping[str, int]


# Kinds of causes that training clips have; kinds of ``test_held_out`` are none of them
CAUSES = (
    "noise", "noise_suppression", "packet_loss", "time_clipping", "jitter", "clicks", "codec", "band_limit", "filter",
    "reverberation", "clipping", "quantisation", "level", "vocoder",
)  # fmt: skip
FAKE = "fake"
# NISQA's window i is centred 70 + 40 i ms into the clip, our frame j at 40 j ms, and that of its own network at 30 + 40 j.
# What was done to a clip is a teacher, too: its states say when, its scores how bad each cause is.
TEACHERS = {
    "nisqa": Teacher(64, ("nisqa_mos",), {"nisqa": 1, "mel": 2, "distill_mos": 2}),
    "distill_mos": Teacher(200, ("distill_mos",), {"nisqa": 0, "mel": 0, "distill_mos": 0}),
    "causes": Teacher(len(CAUSES), (*CAUSES, FAKE), {"nisqa": 0, "mel": 0, "distill_mos": 0}),
}
# A clip that cannot be made is replaced by the next number of its own stream: no other clip has it
STREAM = 2**40
ATTEMPTS = 10
Rate = Callable[[dict[str, Any], Mapping[str, np.ndarray], np.ndarray], dict[str, Rating]]


@dataclass
class Item:
    """A clip to learn from.

    Args:
        features: (feature frames, width of the view), in half precision.
        states: Of each teacher (frames, states), in half precision.
        ratings: (scores,), NaN where unknown.
        replaced: How many clips before it in its stream could not be made.
    """

    features: Tensor
    states: dict[str, Tensor]
    ratings: Tensor
    replaced: int = 0


@dataclass
class Batch:
    """Some clips, padded at their ends.

    Args:
        features: (clips, feature frames, width of the view).
        mask: (clips, feature frames), 1 where a frame is real.
        states: Of each teacher (clips, frames, states), and True where they are real (clips, frames).
        ratings: (clips, scores), NaN where unknown.
        replaced: How many clips could not be made and were replaced.
    """

    features: Tensor
    mask: Tensor
    states: dict[str, tuple[Tensor, Tensor]]
    ratings: Tensor
    replaced: int = 0


class DistillationSet:
    """A split of simulated corpora, in memory; clips can be added while a corpus grows."""

    def __init__(
        self, corpora: Sequence[Path], split: str, extractor: AudioJudgeFeatureExtractor, teachers: Sequence[str],
        targets: str | None = None, prepare: Callable[[Tensor], Tensor] | None = None, seed: int = 0,
    ) -> None:  # fmt: skip
        self.corpora = [corpus for corpus in corpora if (corpus / split).exists()]
        self.split, self.extractor, self.teachers = split, extractor, list(teachers)
        self.targets, self.prepare, self.seed = targets, prepare, seed
        self.known: set[str] = set()
        self.items: list[Item] = []
        self.refresh()

    @property
    def clips(self) -> int:
        """How many there are."""
        return len(self.items)

    def refresh(self) -> None:
        """Read the clips that were written since."""
        for corpus in self.corpora:
            for clip in read_simulated(corpus, self.split, targets=self.targets):
                if clip.path in self.known:
                    continue
                self.known.add(clip.path)
                samples, _ = soundfile.read(clip.path, dtype="float32")
                found = {name: np.load(clip.extra[STATES[name]]) for name in self.teachers if name in STATES}
                states = states_of(found, clip.causes, len(samples), self.teachers)
                facts = clip.extra | cause_scores(clip.causes, len(samples), clip.extra.get("label"))
                ratings = ratings_of(clip.ratings, facts, self.teachers)
                self.items.append(Item(features_of(samples, self.extractor, self.prepare), states, ratings))

    def batches(self, size: int, epoch: int = 0, first: int = 0) -> Iterator[Batch]:
        """Shuffled batches of similar length, without the ``first`` ones."""
        seed = self.seed + 2 * epoch
        order = np.random.default_rng(seed).permutation(len(self.items))
        # Sorted in chunks only: little padding, and yet other neighbours in every epoch
        chunks = [order[start : start + 16 * size] for start in range(0, len(order), 16 * size)]
        batches = []
        for chunk in chunks:
            by_length = sorted(chunk, key=lambda index: len(self.items[index].features))
            batches += [by_length[start : start + size] for start in range(0, len(by_length), size)]
        for position in np.random.default_rng(seed + 1).permutation(len(batches))[first:]:
            yield collate([self.items[index] for index in batches[position]])


class LiveSet(Dataset[Item]):
    """Clips of the split ``train`` that are made and labelled as they are asked for; number and seed decide what they are.

    Args:
        data: Folders with ``manifest.csv``.
        teachers: Whose states are wanted; others are loaded only if ratings need them.
        kind: Of targets: ``teachers``, or one that ``audio_judge.corpora.blends`` fitted.
        blend: Folder of the corpus that it was fitted on, with ``blend_KIND.json`` and ``.safetensors``.
        prepare: What becomes of features; it has to travel to the workers.
        workers: Processes that make clips; 0 for the one that trains.
    """

    def __init__(
        self, data: Sequence[Path], extractor: AudioJudgeFeatureExtractor, teachers: Sequence[str], kind: str,
        blend: Path, prepare: Callable[[Tensor], Tensor] | None = None, seed: int = 0, workers: int = 0,
    ) -> None:  # fmt: skip
        self.sources, self.extractor, self.teachers = list_sources(data), extractor, list(teachers)
        self.rate, needed = rating_function(kind, blend)
        self.labellers = {*teachers, *needed} & STATES.keys()
        self.prepare, self.seed, self.workers = prepare, seed, workers
        self.clips = 0  # that were asked for

    def refresh(self) -> None:
        """Nothing to do: every clip is new."""

    def __getitem__(self, number: int) -> Item:
        """Make a clip, or the first one of its stream that can be made.

        Raises:
            RuntimeError: If ``ATTEMPTS`` numbers of the stream, one after the other, give none.
        """
        problem: Exception | None = None
        for attempt in range(ATTEMPTS):
            try:
                item = self.make(number + attempt * STREAM)
            except IMPOSSIBLE as error:
                problem = error
            else:
                item.replaced = attempt
                return item
        raise RuntimeError(f"clip {number} and {ATTEMPTS - 1} in its place cannot be made: {problem}") from problem

    def make(self, number: int) -> Item:
        """Make a clip and label it, as ``simulate`` and ``blends`` do; its original is not compared to it (ESTOI)."""
        clip = hear_clip(self.sources, "train", self.seed, number)
        samples = clip.samples
        scores, states = label_clip(samples, self.labellers)
        row = clip.row | scores
        causes = causes_of(row)
        facts = row | cause_scores(causes, len(samples), label_of(row["content"], causes))
        ratings = ratings_of(self.rate(row, states, clip.integers), facts, self.teachers)
        features = features_of(samples, self.extractor, self.prepare)
        return Item(features, states_of(states, causes, len(samples), self.teachers), ratings)

    def batches(self, size: int, epoch: int = 0, first: int = 0) -> Iterator[Batch]:
        """Batches of the next numbers without end, from batch ``first``; there is one epoch only."""
        loader = DataLoader(
            self,
            batch_sampler=(list(range(start, start + size)) for start in itertools.count(first * size, size)),
            num_workers=self.workers,
            collate_fn=collate,
            multiprocessing_context="spawn" if self.workers else None,  # forked threads of torch hang
            generator=torch.Generator(),  # not the global one, which a resumed run has to find as it was
        )
        self.clips = first * size
        for batch in loader:
            self.clips += size
            yield batch


def rating_function(kind: str, folder: Path) -> tuple[Rate, set[str]]:
    """What rates a clip by a kind of targets, and the teachers that it needs for that.

    Raises:
        FileNotFoundError: If the kind has not been fitted in the folder.
    """
    if kind == "teachers":
        return rate_by_teachers, set(STATES)
    stem = folder / f"blend_{kind}"
    if not stem.with_suffix(".json").exists():
        raise FileNotFoundError(
            f"{stem}.json: no such blend; fit it on a corpus with audio_judge.corpora.blends --kind {kind}"
        )
    blend = Blend.load(stem)
    return blend.rate_clip, blend.teachers


def rate_by_teachers(
    row: dict[str, Any], _states: Mapping[str, np.ndarray], _integers: np.ndarray
) -> dict[str, Rating]:
    """Targets that need the teachers' scores only."""
    return targets(row)


def features_of(
    samples: np.ndarray, extractor: AudioJudgeFeatureExtractor, prepare: Callable[[Tensor], Tensor] | None
) -> Tensor:
    """(samples,) at 48 kHz to (feature frames, width) in half precision."""
    features = extractor(samples).input_features[0]
    return (prepare(features) if prepare else features).half()


def ratings_of(ratings: Mapping[str, Rating], facts: Mapping[str, Any], teachers: Collection[str]) -> Tensor:
    """A clip's ratings and the teachers' own scores (scores,), NaN where there is none."""
    values = [ratings[name].value if name in ratings else math.nan for name in AXES]
    # The teachers were trained on speech; of anything else their scores say nothing
    speech = facts["content"] not in ("silence", "noise", "music")
    return torch.tensor(values + [facts[name] if speech else math.nan for name in score_names(teachers)])


def score_names(teachers: Collection[str]) -> list[str]:
    """Names of all that the teachers say about a whole clip."""
    return [name for teacher in teachers for name in TEACHERS[teacher].scores]


def cause_scores(causes: Sequence[Cause], samples: int, label: str | None) -> dict[str, float]:
    """How bad each of ``CAUSES`` is: 5 if it is not there, 3.5 at its least to 1 at its worst; so whether a clip is fake."""
    harm = severity_of_each(causes, samples / RATE)
    scores = {kind: 3.5 - 2.5 * harm[kind] if kind in harm else 5.0 for kind in CAUSES}
    return scores | {FAKE: {"fake": 1.0, "real": 5.0}.get(label or "", math.nan)}


def states_of(
    found: Mapping[str, np.ndarray], causes: Sequence[Cause], samples: int, teachers: Collection[str]
) -> dict[str, Tensor]:
    """Of each teacher (frames, states), in half precision; of the causes 1 where each is heard, else 0."""
    states = {name: torch.from_numpy(found[name]) for name in teachers if name in STATES}
    if "causes" in teachers:
        heard = torch.zeros(max(1, round(samples / RATE / NISQA_FRAME_SECONDS)), len(CAUSES), dtype=torch.half)
        for cause in causes:
            if cause.kind in CAUSES:
                for start, end in cause.spans or ((0.0, math.inf),):  # without spans it is everywhere
                    last = len(heard) if end == math.inf else math.ceil(end / NISQA_FRAME_SECONDS)
                    heard[int(start / NISQA_FRAME_SECONDS) : last, CAUSES.index(cause.kind)] = 1
        states["causes"] = heard
    return states


def collate(items: Sequence[Item]) -> Batch:
    """Some clips as a batch."""
    padded, mask = pad([item.features for item in items])
    states = {name: pad([item.states[name] for item in items]) for name in items[0].states}
    ratings = torch.stack([item.ratings for item in items])
    return Batch(padded, mask.long(), states, ratings, sum(item.replaced for item in items))


def pad(parts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Tensors (length, width) to float (parts, longest, width), and True where they are real (parts, longest)."""
    lengths = torch.tensor([len(part) for part in parts])
    padded = nn.utils.rnn.pad_sequence(list(parts), batch_first=True).float()
    return padded, torch.arange(padded.shape[1]) < lengths[:, None]
