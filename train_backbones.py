# /// script
# requires-python = ">=3.11"
# dependencies = ["audio-judge[train]"]
# ///
"""Makes the two backbones of the mini judge: an encoder distilled from teachers, and a small untrained language model.

    python -m audio_judge.corpora.simulate --data DATA --out CORPUS --split train --clips 12432     # and the other splits
    python train_backbones.py encoder --corpus CORPUS --output runs/encoder
    python train_backbones.py language_model --output runs/language_model
    python train_sft.py --config recipes/sft/mini.yaml                                                # joins and trains them

The encoder learns NISQA's 64 states every 40 ms beside the five ratings: they say when something happens, which a rating
does not, and cost nothing once the teacher has run. The heads that read them are thrown away.
Left out: several seeds, learning-rate search.
"""

import argparse
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from string import ascii_uppercase

import numpy as np
import soundfile
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from audio_judge import AudioJudgeEncoder, AudioJudgeEncoderConfig, AudioJudgeFeatureExtractor
from audio_judge.clips import RatedClip, Rating
from audio_judge.corpora.simulated import read_simulated
from audio_judge.data.instructions import ALL_TASKS, Manner, make_instructions
from audio_judge.degrade import sample_plan
from audio_judge.rubrics.rubric import RUBRICS

STATE_SIZE = 64
# NISQA's window i is centred 70 + 40 i ms into the clip, our frame j at 40 j ms
STATE_OFFSET = 2
TEACHERS = ("nisqa_mos", "distill_mos")
# Texts of so many made-up clips are enough for the tokenizer's vocabulary
PAPER_CLIPS = 20_000


class DistillationHeads(nn.Module):
    """Reads NISQA's states from every frame, and the ratings through one attention pooling each."""

    def __init__(self, size: int) -> None:
        super().__init__()
        ratings = len(RUBRICS) + len(TEACHERS)
        self.states = nn.Linear(size, STATE_SIZE)
        self.attention = nn.Linear(size, ratings)
        self.values = nn.Linear(size, ratings)

    def forward(self, frames: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(clips, frames, size) and (clips, frames) to states (clips, frames, 64) and ratings (clips, ratings)."""
        weights = self.attention(frames).masked_fill(~mask[..., None], -1e4).softmax(1)  # (clips, frames, ratings)
        # The values are offsets from the middle of the scale
        return self.states(frames), 3 + (weights * self.values(frames)).sum(1)


class DistillationSet:
    """Features, states and ratings of a split of a simulated corpus, in memory; clips can be added while the corpus grows."""

    def __init__(self, corpus: Path, split: str) -> None:
        self.corpus, self.split = corpus, split
        self.extractor = AudioJudgeFeatureExtractor()
        # (feature frames, mel bins) in half precision, (states, 64), (ratings,)
        self.items: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
        self.refresh()

    def refresh(self) -> None:
        """Read the clips that were written since."""
        for clip in list(read_simulated(self.corpus, self.split))[len(self.items) :]:
            samples, _ = soundfile.read(clip.path, dtype="float32")
            features = self.extractor(samples).input_features[0].half()
            states = torch.from_numpy(np.load(clip.extra["states"]))
            self.items.append((features, states, ratings_of(clip)))

    def batches(self, size: int, seed: int) -> Iterator[tuple[torch.Tensor, ...]]:
        """Shuffled batches of similar length: features, feature mask, states, state mask, ratings (NaN where unknown)."""
        order = np.random.default_rng(seed).permutation(len(self.items))
        # Sorted in chunks only: little padding, and yet other neighbours in every epoch
        chunks = [order[start : start + 16 * size] for start in range(0, len(order), 16 * size)]
        batches = []
        for chunk in chunks:
            by_length = sorted(chunk, key=lambda index: len(self.items[index][0]))
            batches += [by_length[start : start + size] for start in range(0, len(by_length), size)]
        for position in np.random.default_rng(seed + 1).permutation(len(batches)):
            yield self.batch(batches[position])

    def batch(self, indexes: list[int]) -> tuple[torch.Tensor, ...]:
        """Some clips, padded at their ends; parts as in ``batches``, features (clips, feature frames, mel bins)."""
        features, states, ratings = zip(*(self.items[index] for index in indexes), strict=True)
        pad = nn.utils.rnn.pad_sequence
        masks = [pad([torch.ones(len(clip)) for clip in part], batch_first=True) for part in (features, states)]
        padded = [pad(list(part), batch_first=True).float() for part in (features, states)]
        return padded[0], masks[0], padded[1], masks[1].bool(), torch.stack(ratings)


def ratings_of(clip: RatedClip) -> torch.Tensor:
    """The clip's ratings and the two teachers' own overall scores (ratings,), NaN where there is none."""
    values = [clip.ratings[name].value if name in clip.ratings else math.nan for name in RUBRICS]
    # The teachers were trained on speech; of anything else their scores say nothing
    speech = clip.extra["content"] not in ("silence", "noise", "music")
    return torch.tensor(values + [clip.extra[name] if speech else math.nan for name in TEACHERS])


def real_frames(mask: torch.Tensor, frames: int) -> torch.Tensor:
    """(clips, frames), True before the end of a clip, whose feature frames are 1 in ``mask`` (clips, feature frames)."""
    lengths = (mask.sum(1).long() + 3) // 4  # a frame is made of four feature frames
    return torch.arange(frames) < lengths[:, None]


def distillation_loss(
    heads: DistillationHeads, frames: torch.Tensor, batch: tuple[torch.Tensor, ...], scale: torch.Tensor
) -> torch.Tensor:
    """Squared error of the standardised states plus that of the ratings."""
    _, mask, states, state_mask, ratings = batch
    predicted_states, predicted = heads(frames, real_frames(mask, frames.shape[1]))
    length = min(states.shape[1], frames.shape[1] - STATE_OFFSET)  # what both cover
    error = (predicted_states[:, STATE_OFFSET : STATE_OFFSET + length] - states[:, :length] / scale).square()
    known = ratings.isfinite()
    return error[state_mask[:, :length]].mean() + functional.mse_loss(predicted[known], ratings[known])


@torch.no_grad()
def correlations(encoder: AudioJudgeEncoder, heads: DistillationHeads, data: DistillationSet) -> dict[str, float]:
    """Pearson correlation with the labels per rating, on one split."""
    encoder.eval()
    predicted, wanted = [], []
    for batch in data.batches(32, seed=0):
        frames = encoder(batch[0], batch[1]).last_hidden_state
        predicted.append(heads(frames, real_frames(batch[1], frames.shape[1]))[1])
        wanted.append(batch[4])
    x, y = torch.cat(predicted), torch.cat(wanted)  # (clips, ratings) both
    encoder.train()
    result = {}
    for column, name in enumerate([*RUBRICS, *TEACHERS]):
        known = y[:, column].isfinite()
        result[name] = round(float(torch.corrcoef(torch.stack([x[known, column], y[known, column]]))[0, 1]), 3)
    return result


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Linear warm-up over 300 steps, then a cosine to zero."""
    return peak * min(1.0, step / 300) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))


def train_encoder(corpus: Path, output: Path, steps: int, batch_size: int, peak: float, seed: int) -> None:
    """Distil the teachers into a fresh encoder; the mean of the last weights (decay 0.999) is what is saved."""
    torch.manual_seed(seed)
    encoder = AudioJudgeEncoder(AudioJudgeEncoderConfig()).to(memory_format=torch.channels_last).train()
    heads = DistillationHeads(encoder.config.hidden_size)
    model = nn.ModuleDict({"encoder": encoder, "heads": heads})
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.999))
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, weight_decay=0.02)
    data, validation = DistillationSet(corpus, "train"), DistillationSet(corpus, "validation")
    scale = torch.cat([states for _, states, _ in data.items[:2000]]).float().std(0) + 1e-3  # (64,), never 0
    step, epoch, start = 0, 0, time.monotonic()
    while step < steps:
        for batch in data.batches(batch_size, seed + 2 * epoch):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, steps, peak)
            frames = encoder(batch[0], batch[1]).last_hidden_state
            loss = distillation_loss(heads, frames, batch, scale)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            average.update_parameters(model)
            step += 1
            if step % 500 == 0 or step == steps:
                report = {"step": step, "clips": len(data.items), "minutes": round((time.monotonic() - start) / 60, 1)}
                report |= {"loss": round(loss.item(), 3)}
                report |= correlations(average.module["encoder"], average.module["heads"], validation)
                print(json.dumps(report), flush=True)
                save_encoder(average.module["encoder"], output, report)
            if step == steps:
                break
        epoch += 1
        data.refresh()  # the corpus may still be written while the first epochs run


def save_encoder(encoder: AudioJudgeEncoder, output: Path, report: dict[str, float]) -> None:
    """Weights, configuration, feature extractor, and how it did on validation clips."""
    encoder.save_pretrained(output)
    AudioJudgeFeatureExtractor().save_pretrained(output)
    (output / "distillation.json").write_text(json.dumps(report, indent=2) + "\n")


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
    """The command line: `encoder` or `language_model`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    encoder = commands.add_parser("encoder", help="distil the teachers into the small encoder")
    encoder.add_argument("--corpus", type=Path, required=True, help="folder of a simulated corpus")
    encoder.add_argument("--output", type=Path, required=True)
    encoder.add_argument("--steps", type=int, default=5200)
    encoder.add_argument("--batch-size", type=int, default=32)
    encoder.add_argument("--learning-rate", type=float, default=2e-3)
    encoder.add_argument("--seed", type=int, default=0)
    language = commands.add_parser("language_model", help="write the untrained language model and its tokenizer")
    language.add_argument("--output", type=Path, required=True)
    language.add_argument("--vocabulary", type=int, default=2048)
    language.add_argument("--size", type=int, default=192)
    language.add_argument("--layers", type=int, default=3)
    language.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.command == "encoder":
        train_encoder(
            options.corpus, options.output, options.steps, options.batch_size, options.learning_rate, options.seed
        )
    else:
        make_language_model(options.output, options.vocabulary, options.size, options.layers, options.seed)


if __name__ == "__main__":
    main()
