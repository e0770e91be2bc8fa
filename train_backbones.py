# /// script
# requires-python = ">=3.11"
# dependencies = ["audio-judge[train]"]
# ///
"""Makes the backbones of the shipped judges: encoders that know quality, and a small untrained language model.

    python -m audio_judge.corpora.simulate --data DATA --out CORPUS --split train --clips 12000     # and the other splits
    python train_backbones.py nisqa --output runs/nisqa                              # NISQA's network, from its own weights
    python train_backbones.py distill_mos --output runs/distill_mos                  # Distill-MOS's likewise
    python train_backbones.py encoder --corpus CORPUS --start runs/nisqa --output runs/nisqa_tuned
    python train_backbones.py encoder --corpus CORPUS --output runs/mel              # one of our own, from nothing
    python train_backbones.py join runs/nisqa_tuned runs/mel --output runs/encoder   # side by side
    python train_backbones.py language_model --output runs/language_model
    python train_sft.py --config recipes/sft/mini.yaml                               # joins and trains them

An encoder learns the ratings of a corpus and its teachers' inner states every 40 ms: they say when something happens,
which a rating does not. The heads that read the states are thrown away, those that pool scores stay.
Left out: several seeds, learning-rate search.
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import numpy as np
import soundfile
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    AutoFeatureExtractor,
    AutoModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from audio_judge import (
    AudioJudgeEncoder,
    AudioJudgeEncoderConfig,
    AudioJudgeFeatureExtractor,
    AudioJudgeJoinedConfig,
    AudioJudgeJoinedEncoder,
    AudioJudgeLevelsConfig,
    AudioJudgeLevelsEncoder,
)
from audio_judge.clips import RatedClip, Rating
from audio_judge.corpora.simulated import read_simulated
from audio_judge.data.instructions import ALL_TASKS, Manner, make_instructions
from audio_judge.degrade import sample_plan
from audio_judge.rubrics.rubric import RUBRICS
from audio_judge.training import peers
from audio_judge.training.votes import train_votes

# What the scores of an encoder are, in this order; NISQA's own five come first
AXES = ("mos", "noisiness", "discontinuity", "coloration", "loudness")


@dataclass(frozen=True)
class Teacher:
    """A teacher's states: where a clip has them, their width, and its score of the whole clip.

    Args:
        offsets: How many frames later an encoder of each view hears the same moment.
    """

    states: str
    size: int
    score: str
    offsets: Mapping[str, int]


# NISQA's window i is centred 70 + 40 i ms into the clip, our frame j at 40 j ms, and that of its own network at 30 + 40 j
TEACHERS = {
    "nisqa": Teacher("states", 64, "nisqa_mos", {"nisqa": 1, "mel": 2, "distill_mos": 2}),
    "distill_mos": Teacher("distill_states", 200, "distill_mos", {"nisqa": 0, "mel": 0, "distill_mos": 0}),
}
OPTIONAL = "run the last encoder only for questions that hold a word that begins like one of these"
# An encoder of our own from nothing: small, since it is to stand beside one that knows more
OWN = {"hidden_size": 128, "intermediate_size": 384, "conv_time_strides": (2, 2, 1, 1, 1)}
# Texts of so many made-up clips are enough for the tokenizer's vocabulary
PAPER_CLIPS = 20_000


class StateHeads(nn.Module):
    """Reads each teacher's states from the frames of an encoder; thrown away in the end."""

    def __init__(self, size: int, teachers: Sequence[str]) -> None:
        super().__init__()
        self.states = nn.ModuleDict({name: nn.Linear(size, TEACHERS[name].size) for name in teachers})

    def forward(self, frames: Tensor) -> dict[str, Tensor]:
        """(clips, frames, size) to the standardised states of each teacher (clips, frames, states)."""
        return {name: head(frames) for name, head in self.states.items()}


@dataclass
class Batch:
    """Some clips, padded at their ends.

    Args:
        features: (clips, feature frames, width of the view).
        mask: (clips, feature frames), 1 where a frame is real.
        states: Of each teacher (clips, frames, states), and True where they are real (clips, frames).
        ratings: (clips, scores), NaN where unknown.
    """

    features: Tensor
    mask: Tensor
    states: dict[str, tuple[Tensor, Tensor]]
    ratings: Tensor


class Convolved(nn.Module):
    """An encoder whose convolutions stay as they are and are run once for each clip; what follows them learns."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder

    @property
    def config(self) -> Any:
        """The encoder's."""
        return self.encoder.config

    @torch.no_grad()
    def prepare(self, features: Tensor) -> Tensor:
        """Features (feature frames, width) of a clip to what the convolutions make of them (frames of 20 ms, hidden size)."""
        with torch.autocast("cpu", torch.bfloat16):  # half the time
            return self.encoder.convolve(features[None])[0][0]

    def forward(self, prepared: Tensor, mask: Tensor) -> Any:
        """(clips, frames of 20 ms, hidden size) and (clips, frames) to the encoder's output."""
        return self.encoder.contextualize(prepared, mask.sum(1))


class DistillationSet:
    """Features, states and ratings of a split of simulated corpora, in memory; clips can be added while a corpus grows."""

    def __init__(
        self, corpora: Sequence[Path], split: str, extractor: AudioJudgeFeatureExtractor, teachers: Sequence[str],
        targets: str | None = None, prepare: Callable[[Tensor], Tensor] | None = None,
    ) -> None:  # fmt: skip
        self.corpora = [corpus for corpus in corpora if (corpus / split).exists()]
        self.split, self.extractor, self.teachers = split, extractor, list(teachers)
        self.targets, self.prepare = targets, prepare
        self.known: set[str] = set()
        # (feature frames, width) in half precision, states of each teacher in half precision, (scores,)
        self.items: list[tuple[Tensor, dict[str, Tensor], Tensor]] = []
        self.refresh()

    def refresh(self) -> None:
        """Read the clips that were written since."""
        for corpus in self.corpora:
            for clip in read_simulated(corpus, self.split, targets=self.targets):
                if clip.path in self.known:
                    continue
                self.known.add(clip.path)
                samples, _ = soundfile.read(clip.path, dtype="float32")
                features = self.extractor(samples).input_features[0]
                features = (self.prepare(features) if self.prepare else features).half()
                states = {name: torch.from_numpy(np.load(clip.extra[TEACHERS[name].states])) for name in self.teachers}
                self.items.append((features, states, ratings_of(clip, self.teachers)))

    def batches(self, size: int, seed: int) -> Iterator[Batch]:
        """Shuffled batches of similar length."""
        order = np.random.default_rng(seed).permutation(len(self.items))
        # Sorted in chunks only: little padding, and yet other neighbours in every epoch
        chunks = [order[start : start + 16 * size] for start in range(0, len(order), 16 * size)]
        batches = []
        for chunk in chunks:
            by_length = sorted(chunk, key=lambda index: len(self.items[index][0]))
            batches += [by_length[start : start + size] for start in range(0, len(by_length), size)]
        for position in np.random.default_rng(seed + 1).permutation(len(batches)):
            yield self.batch(batches[position])

    def batch(self, indexes: list[int]) -> Batch:
        """Some clips by their numbers."""
        features, states, ratings = zip(*(self.items[index] for index in indexes), strict=True)
        padded, mask = pad(features)
        joined = {name: pad([own[name] for own in states]) for name in self.teachers}
        return Batch(
            padded, mask.long(), {name: (values, real) for name, (values, real) in joined.items()}, torch.stack(ratings)
        )


def pad(parts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Tensors (length, width) to float (parts, longest, width), and True where they are real (parts, longest)."""
    lengths = torch.tensor([len(part) for part in parts])
    padded = nn.utils.rnn.pad_sequence(list(parts), batch_first=True).float()
    return padded, torch.arange(padded.shape[1]) < lengths[:, None]


def ratings_of(clip: RatedClip, teachers: Sequence[str]) -> Tensor:
    """The clip's ratings and the teachers' own overall scores (scores,), NaN where there is none."""
    values = [clip.ratings[name].value if name in clip.ratings else math.nan for name in AXES]
    # The teachers were trained on speech; of anything else their scores say nothing
    speech = clip.extra["content"] not in ("silence", "noise", "music")
    return torch.tensor(values + [clip.extra[TEACHERS[name].score] if speech else math.nan for name in teachers])


def shifted(batch: Batch, frames: int) -> Batch:
    """Without the first feature frames: what is heard must not depend on where a clip was cut."""
    return replace(batch, features=batch.features[:, frames:], mask=batch.mask[:, frames:])


def distillation_loss(
    encoder: nn.Module,
    heads: StateHeads,
    batch: Batch,
    scales: dict[str, tuple[Tensor, Tensor]],
    view: str,
    weight: float,
) -> Tensor:
    """Squared error of the standardised states, times ``weight``, plus that of the ratings."""
    output = encoder(batch.features, batch.mask)
    frames = output.last_hidden_state[..., : encoder.config.state_size]
    known = batch.ratings[:, : output.scores.shape[1]].isfinite()
    loss = functional.mse_loss(output.scores[known], batch.ratings[:, : output.scores.shape[1]][known])
    if weight:
        for name, predicted in heads(frames).items():
            states, real = batch.states[name]
            mean, std = scales[name]
            offset = TEACHERS[name].offsets[view]
            length = min(states.shape[1], frames.shape[1] - offset)  # what both cover
            error = (predicted[:, offset : offset + length] - (states[:, :length] - mean) / std).square()
            loss = loss + weight * error[real[:, :length]].mean()
    return loss


@torch.no_grad()
def correlations(encoder: nn.Module, data: DistillationSet) -> dict[str, float]:
    """Pearson correlation with the labels per score, on one split."""
    encoder.eval()
    predicted, wanted = [], []
    for batch in data.batches(32, seed=0):
        scores = encoder(batch.features, batch.mask).scores
        predicted.append(scores)
        wanted.append(batch.ratings[:, : scores.shape[1]])
    x, y = torch.cat(predicted), torch.cat(wanted)  # (clips, scores) both
    encoder.train()
    result = {}
    for column, name in enumerate([*AXES, *data.teachers][: x.shape[1]]):
        known = y[:, column].isfinite()
        result[name] = round(float(torch.corrcoef(torch.stack([x[known, column], y[known, column]]))[0, 1]), 3)
    return result


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Linear warm-up over a twentieth of the steps, then a cosine to zero."""
    warmup = max(1, steps // 20)
    return peak * min(1.0, (step + 1) / warmup) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))


def train_encoder(options: argparse.Namespace) -> None:
    """Tune a converted peer, or an encoder of our own from nothing; the mean of the last weights is what is saved."""
    torch.manual_seed(options.seed)
    if options.start:
        given = {"branch_size": options.branch_size} if options.branch_size else {}
        encoder = AutoModel.from_pretrained(options.start, **given)
        extractor = AutoFeatureExtractor.from_pretrained(options.start)
    else:
        scores = len(AXES) + len(options.teachers)
        encoder = AudioJudgeEncoder(AudioJudgeEncoderConfig(**OWN, num_scores=scores))
        extractor = AudioJudgeFeatureExtractor()
    encoder = encoder.to(memory_format=torch.channels_last).train()
    view = extractor.views[0]
    heads = StateHeads(encoder.config.state_size, options.teachers)
    learner = Convolved(encoder) if options.freeze_convolutions else encoder
    make = partial(
        DistillationSet, options.corpus, extractor=extractor, teachers=options.teachers, targets=options.targets,
        prepare=learner.prepare if options.freeze_convolutions else None,
    )  # fmt: skip
    data, validation = make("train"), make("validation")
    scales = {name: scale_of([states[name] for _, states, _ in data.items[:1000]]) for name in options.teachers}
    if view in options.teachers:  # its own network says its states as they are
        start_as_identity(heads.states[view], *scales[view])
    average = torch.optim.swa_utils.AveragedModel(
        learner, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(options.decay)
    )
    parameters = [*learner.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=options.learning_rate, weight_decay=options.weight_decay)
    step, epoch, start, rng = 0, 0, time.monotonic(), np.random.default_rng(options.seed)
    while step < options.steps:
        for batch in data.batches(options.batch_size, options.seed + 2 * epoch):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, options.steps, options.learning_rate)
            moved = shifted(batch, int(rng.integers(2 if options.freeze_convolutions else 4)))
            loss = distillation_loss(learner, heads, moved, scales, view, options.state_weight)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            average.update_parameters(learner)
            step += 1
            if step % options.report_steps == 0 or step == options.steps:
                report = {"step": step, "clips": len(data.items), "minutes": round((time.monotonic() - start) / 60, 1)}
                report |= {"loss": round(loss.item(), 3)} | correlations(average.module, validation)
                print(json.dumps(report), flush=True)
                mean = average.module.encoder if options.freeze_convolutions else average.module
                save_encoder(mean, extractor, options.output, report)
            if step == options.steps:
                break
        epoch += 1
        data.refresh()  # the corpus may still be written while the first epochs run


def scale_of(states: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (states,) of a teacher's states, the latter never 0."""
    joined = torch.cat(list(states)).float()
    return joined.mean(0), joined.std(0) + 1e-3


@torch.no_grad()
def start_as_identity(head: nn.Linear, mean: Tensor, std: Tensor) -> None:
    """Has a head standardise the first of its inputs."""
    head.weight.zero_()
    head.weight[:, : len(std)] = torch.diag(1 / std)
    head.bias.copy_(-mean / std)


def save_encoder(
    encoder: PreTrainedModel, extractor: AudioJudgeFeatureExtractor, output: Path, report: dict[str, Any]
) -> None:
    """Weights, configuration, feature extractor, and how it did on validation clips."""
    encoder.save_pretrained(output)
    extractor.save_pretrained(output)
    (output / "distillation.json").write_text(json.dumps(report, indent=2) + "\n")


def join_encoders(folders: Sequence[Path], output: Path, words: Sequence[str] = ()) -> None:
    """Write encoders side by side as one; with ``words``, the last is run only for questions that hold one of them."""
    encoders = [AutoModel.from_pretrained(folder) for folder in folders]
    views = [view for folder in folders for view in AutoFeatureExtractor.from_pretrained(folder).views]
    config = AudioJudgeJoinedConfig(encoders=[one.config for one in encoders])
    with torch.device("meta"):  # its parts are replaced by the loaded ones at once
        joined = AudioJudgeJoinedEncoder(config)
    joined.encoders = nn.ModuleList(encoders)
    joined.save_pretrained(output)
    optional = {views[-1]: list(words)} if words else None
    AudioJudgeFeatureExtractor(views=views, optional_words=optional).save_pretrained(output)


def tokenizer_texts(seed: int) -> Iterator[str]:
    """What the small language model will ever read or write: requests, questions and answers of all tasks, of made-up clips."""
    manner = Manner(augment={"scale": 0.2, "invert": 0.1, "binary": 0.1}, partners=8)
    for example in make_instructions(made_up_clips(seed, PAPER_CLIPS), ALL_TASKS, seed=seed, manner=manner):
        if "questions" in example:
            yield from (question["instructions"] for question in example["questions"].values())
            yield from ("\n".join(question.get("criteria") or ()) for question in example["questions"].values())
        else:
            yield from (block["text"] for block in example["prompt"][0]["content"] if block["type"] == "text")
            yield example["completion"][0]["content"]
        yield from ("user", "assistant", "Yes", "No", "Degraded clip: ", "Reference clip: ", "Clip A: ", "Clip B: ")
        yield from ascii_uppercase


def made_up_clips(seed: int, count: int) -> Iterator[RatedClip]:
    """Clips that exist on paper only, with drawn ratings and faults."""
    rng = np.random.default_rng(seed)
    for index in range(count):
        ratings = {
            name: Rating(round(float(rng.uniform(1, 5)), 1)) for name in (*RUBRICS, "distortion", "intelligibility")
        }
        facts = {"content": "speech", "label": ("real", "fake")[index % 2]}
        causes = tuple(sample_plan(rng))
        yield RatedClip(f"{index}.wav", ratings, "train", "simulated", f"{index}-clean.wav", causes, extra=facts)


def make_language_model(output: Path, vocabulary: int, size: int, layers: int, seed: int) -> None:
    """Write an untrained Llama and a byte-level BPE tokenizer trained on our own texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|pad|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(tokenizer_texts(seed), trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|pad|>", padding_side="left"
    )
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=size,
        intermediate_size=size * 8 // 3 // 32 * 32,
        num_hidden_layers=layers,
        num_attention_heads=size // 32,
        max_position_embeddings=4096,
        bos_token_id=None,
        eos_token_id=fast.eos_token_id,
        pad_token_id=fast.pad_token_id,
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config)
    model.save_pretrained(output)
    fast.save_pretrained(output)
    print(f"{output}: {model.num_parameters():,} parameters, {len(fast)} tokens")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in peers.PEERS:
        convert = commands.add_parser(name, help=f"write {name}'s network as an encoder, from its own weights")
        convert.add_argument("--weights", type=Path, help="file; where its own package keeps it if not given")
        convert.add_argument(
            "--form", choices=("frames", "segments"), default="frames", help="segments: the exact original"
        )
        convert.add_argument(
            "--scores", type=int, help="scores of a clip, the peer's own if not given; others start as its first"
        )
        convert.add_argument("--output", type=Path, required=True)
    encoder = commands.add_parser("encoder", help="teach an encoder what a corpus and its teachers say")
    encoder.add_argument("--corpus", type=Path, nargs="+", required=True, help="folders of simulated corpora")
    encoder.add_argument("--start", help="folder of a converted peer; an encoder of our own from nothing if not given")
    encoder.add_argument("--branch-size", type=int, help="of nisqa: give it a second stack of layers of this width")
    encoder.add_argument(
        "--freeze-convolutions", action="store_true", help="of distill_mos: run them once for each clip"
    )
    encoder.add_argument("--output", type=Path, required=True)
    encoder.add_argument("--teachers", nargs="*", choices=tuple(TEACHERS), default=["nisqa", "distill_mos"])
    encoder.add_argument("--targets", help="kind of targets, as written by audio_judge.corpora.blends")
    encoder.add_argument(
        "--state-weight", type=float, default=1.0, help="of the states' error beside that of the ratings"
    )
    encoder.add_argument("--steps", type=int, default=5200)
    encoder.add_argument("--batch-size", type=int, default=32)
    encoder.add_argument("--learning-rate", type=float, default=2e-3)
    encoder.add_argument("--weight-decay", type=float, default=0.02)
    encoder.add_argument("--decay", type=float, default=0.999, help="of the mean of the last weights")
    encoder.add_argument("--report-steps", type=int, default=500)
    encoder.add_argument("--seed", type=int, default=0)
    votes = commands.add_parser(
        "votes", help="scores of spoken language from Whisper's first layers and people's votes"
    )
    votes.add_argument(
        "--ratings", type=Path, required=True, help="table of single votes, see audio_judge.corpora.rated"
    )
    votes.add_argument("--whisper", required=True, help="folder or Hub id of Whisper base")
    votes.add_argument("--corpus", type=Path, help="simulated corpus, for naturalness")
    votes.add_argument("--output", type=Path, required=True)
    levels = commands.add_parser("levels", help="write an encoder of levels in wide bands, as they are measured")
    levels.add_argument("--output", type=Path, required=True)
    join = commands.add_parser("join", help="put encoders side by side")
    join.add_argument("--optional", nargs="+", default=[], metavar="WORD", help=OPTIONAL)
    join.add_argument("encoders", type=Path, nargs="+")
    join.add_argument("--output", type=Path, required=True)
    language = commands.add_parser("language_model", help="write the untrained language model and its tokenizer")
    language.add_argument("--output", type=Path, required=True)
    language.add_argument("--vocabulary", type=int, default=2048)
    language.add_argument("--size", type=int, default=192)
    language.add_argument("--layers", type=int, default=3)
    language.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.command in peers.PEERS:
        peers.convert(options.command, options.output, options.weights, options.form, options.scores)
    elif options.command == "encoder":
        train_encoder(options)
    elif options.command == "votes":
        train_votes(options.ratings, options.whisper, options.output, corpus=options.corpus)
    elif options.command == "levels":
        AudioJudgeLevelsEncoder(AudioJudgeLevelsConfig()).measure().save_pretrained(options.output)
        AudioJudgeFeatureExtractor().save_pretrained(options.output)
    elif options.command == "join":
        join_encoders(options.encoders, options.output, options.optional)
    else:
        make_language_model(options.output, options.vocabulary, options.size, options.layers, options.seed)


if __name__ == "__main__":
    main()
