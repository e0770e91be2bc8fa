"""Teaches an encoder the ratings of clips and its teachers' inner states; ``train_backbones.py encoder`` is its command line.

The states, every 40 ms, say when something happens, which a rating does not. The heads that read them are thrown away,
those that pool scores stay. Beside the encoder lies the state of the run (``training_state.safetensors``), from which a
stopped run goes on to the weights that it would have had. Left out: several seeds, learning-rate search.
"""

import copy
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import AutoFeatureExtractor, AutoModel, PreTrainedModel

from audio_judge.configuration_audio_judge import AudioJudgeEncoderConfig
from audio_judge.corpora.simulated import default_targets
from audio_judge.modeling_audio_judge import AudioJudgeEncoder
from audio_judge.processing_audio_judge import AudioJudgeFeatureExtractor
from audio_judge.training.encoder_data import AXES, TEACHERS, Batch, DistillationSet, LiveSet, score_names

# An encoder of our own from nothing: small, since it is to stand beside one that knows more
OWN: dict[str, Any] = {"hidden_size": 128, "intermediate_size": 384, "conv_time_strides": (2, 2, 1, 1, 1)}
STATE = "training_state.safetensors"
# Arguments that a resumed run may have otherwise than it began
FREE = ("output", "resume", "workers", "report_steps")
# What a change of level changes, and the least that the view of NISQA shows
OF_THE_LEVEL = ("mos", "loudness", "nisqa_mos", "level")
QUIETEST_DB = -80.0
Scales = dict[str, tuple[Tensor, Tensor]]


@dataclass
class EncoderArguments:
    """What ``train_encoder`` shall do.

    Args:
        corpus: Folders of simulated corpora; with ``live``, of which only the validation split is read.
        output: Folder for the encoder and the state of the run.
        live: Folders with ``manifest.csv`` whose audio becomes clips that are made on the fly; none for those on disk.
        workers: Processes that make them.
        blend: Folder with ``blend_KIND.json``, by which they are rated; the first corpus if not given.
        resume: Go on from the state in ``output``, if there is one.
        start: Folder of a converted peer; an encoder of our own from nothing if not given.
        branch_size: Of ``nisqa``: the width of a second stack of layers; none if not given.
        freeze_convolutions: Of ``distill_mos``: run them once for each clip.
        teachers: Whose states are learned.
        targets: Kind of targets, as written by ``audio_judge.corpora.blends``; the corpus' own if not given.
        state_weight: Of the states' error beside that of the ratings.
        level_db: Of the ``nisqa`` view: change the level of every other clip by up to so many decibels.
        decay: Of the mean of the last weights.
        report_steps: So often it is validated and saved.
    """

    corpus: list[Path]
    output: Path
    live: list[Path] = field(default_factory=list)
    workers: int = 0
    blend: Path | None = None
    resume: bool = False
    start: str | None = None
    branch_size: int | None = None
    freeze_convolutions: bool = False
    teachers: list[str] = field(default_factory=lambda: ["nisqa", "distill_mos"])
    targets: str | None = None
    state_weight: float = 1.0
    level_db: float = 0.0
    steps: int = 5200
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    decay: float = 0.999
    report_steps: int = 500
    seed: int = 0


class StateHeads(nn.Module):
    """Reads each teacher's states from the frames of an encoder; thrown away in the end."""

    def __init__(self, size: int, teachers: Sequence[str]) -> None:
        super().__init__()
        self.states = nn.ModuleDict({name: nn.Linear(size, TEACHERS[name].size) for name in teachers})

    def forward(self, frames: Tensor) -> dict[str, Tensor]:
        """(clips, frames, size) to the standardised states of each teacher (clips, frames, states)."""
        return {name: head(frames) for name, head in self.states.items()}


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


def shifted(batch: Batch, frames: int) -> Batch:
    """Without the first feature frames: what is heard must not depend on where a clip was cut."""
    return replace(batch, features=batch.features[:, frames:], mask=batch.mask[:, frames:])


def relevelled(batch: Batch, decibels: Tensor) -> Batch:
    """With the level of each clip changed by so many ``decibels`` (clips,), for encoders of the ``nisqa`` view.

    Noise, interruptions and timbre are what they were, and so is what Distill-MOS says, which sets the level itself. What
    a changed clip's loudness, its overall quality and NISQA's states are nobody knows: they are not learned.
    """
    changed = decibels != 0  # (clips,)
    features = (batch.features + decibels[:, None, None]).clamp(min=QUIETEST_DB)
    ratings = batch.ratings.clone()
    names = [*AXES, *score_names(batch.states)]
    unknown = [names.index(name) for name in OF_THE_LEVEL if name in names]
    ratings[changed.nonzero(), torch.tensor(unknown)] = math.nan
    states = dict(batch.states)
    if "nisqa" in states:
        values, real = states["nisqa"]
        states["nisqa"] = values, real & ~changed[:, None]
    return replace(batch, features=features, ratings=ratings, states=states)


def distillation_loss(
    encoder: Any,
    heads: StateHeads,
    batch: Batch,
    scales: dict[str, tuple[Tensor, Tensor]],
    view: str,
    weight: float,
) -> Tensor:
    """Squared error of the standardised states, times ``weight``, plus that of the ratings."""
    output = encoder(batch.features, batch.mask)
    frames = output.last_hidden_state[..., : encoder.config.state_size]
    wanted = batch.ratings[:, : output.scores.shape[1]]
    loss = output.scores.new_zeros(())
    # The ratings and what teachers say count the same, however many there are of each
    for part in (slice(len(AXES)), slice(len(AXES), None)):
        known = wanted[:, part].isfinite()
        if known.any():
            loss = loss + functional.mse_loss(output.scores[:, part][known], wanted[:, part][known])
    if weight:
        for name, predicted in heads(frames).items():
            states, real = batch.states[name]
            mean, std = scales[name]
            offset = TEACHERS[name].offsets[view]
            length = min(states.shape[1], frames.shape[1] - offset)  # what both cover
            error = (predicted[:, offset : offset + length] - (states[:, :length] - mean) / std).square()
            known = real[:, :length]
            loss = loss + weight * error[known].sum() / (known.sum().clamp(min=1) * error.shape[2])
    return loss


@torch.no_grad()
def correlations(encoder: nn.Module, data: DistillationSet) -> dict[str, float]:
    """Pearson correlation with the labels per score, on one split."""
    encoder.eval()
    predicted, wanted = [], []
    for batch in data.batches(32):
        scores = encoder(batch.features, batch.mask).scores
        predicted.append(scores)
        wanted.append(batch.ratings[:, : scores.shape[1]])
    x, y = torch.cat(predicted), torch.cat(wanted)  # (clips, scores) both
    encoder.train()
    result = {}
    for column, name in enumerate([*AXES, *score_names(data.teachers)][: x.shape[1]]):
        known = y[:, column].isfinite()
        result[name] = round(float(torch.corrcoef(torch.stack([x[known, column], y[known, column]]))[0, 1]), 3)
    return result


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Linear warm-up over a twentieth of the steps, then a cosine to zero."""
    warmup = max(1, steps // 20)
    return peak * min(1.0, (step + 1) / warmup) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))


@dataclass
class Run:
    """Everything that changes while an encoder is trained, and so what a stopped run goes on from.

    Args:
        learner: The encoder, or the part of it that learns.
        average: The mean of its last weights.
        scales: Mean and deviation of each teacher's states.
        rng: Draws how clips are shifted.
        epoch: Times that the corpus was gone through; ``position`` batches of the next time are done.
        replaced: Clips that could not be made.
        seconds: So far.
    """

    learner: Any
    heads: StateHeads
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    scales: Scales
    rng: np.random.Generator
    step: int = 0
    epoch: int = 0
    position: int = 0
    replaced: int = 0
    seconds: float = 0.0

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Of all that learns."""
        return [*self.learner.parameters(), *self.heads.parameters()]

    @property
    def mean(self) -> Any:
        """The encoder of the mean weights."""
        learner: Any = self.average.module
        return learner.encoder if isinstance(learner, Convolved) else learner

    @property
    def modules(self) -> dict[str, nn.Module]:
        """What has weights, by name."""
        return {"learner": self.learner, "heads": self.heads, "average": self.average}

    def learn(self, batch: Batch, view: str, arguments: EncoderArguments) -> float:
        """Take a step; returns the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, arguments.steps, arguments.learning_rate)
        moved = shifted(batch, int(self.rng.integers(2 if arguments.freeze_convolutions else 4)))
        if arguments.level_db:
            changes = self.rng.uniform(-arguments.level_db, arguments.level_db, len(moved.features))
            changes *= self.rng.random(len(changes)) < 0.5  # every other clip stays as it is
            moved = relevelled(moved, torch.from_numpy(changes).float())
        loss = distillation_loss(self.learner, self.heads, moved, self.scales, view, arguments.state_weight)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.average.update_parameters(self.learner)
        self.step, self.position, self.replaced = self.step + 1, self.position + 1, self.replaced + batch.replaced
        return loss.item()

    def save(self, path: Path, arguments: EncoderArguments) -> None:
        """Write it as one file: tensors, and the rest as JSON in its metadata; a kill leaves the file of before."""
        tensors = {
            f"{part}.{name}": value
            for part, module in self.modules.items()
            for name, value in module.state_dict().items()
        }
        for index, found in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in found.items()}
        for teacher, scale in self.scales.items():
            tensors |= dict(zip((f"scales.{teacher}.mean", f"scales.{teacher}.std"), scale, strict=True))
        tensors["rng"] = torch.get_rng_state()
        facts = {name: getattr(self, name) for name in ("step", "epoch", "position", "replaced", "seconds")}
        facts |= {"rng": self.rng.bit_generator.state, "arguments": fixed_arguments(arguments)}
        part = path.with_suffix(".part")
        whole = {name: value.clone(memory_format=torch.contiguous_format) for name, value in tensors.items()}
        save_file(whole, part, metadata={"run": json.dumps(facts)})
        part.replace(path)

    def load(self, path: Path, arguments: EncoderArguments) -> None:
        """Go on from what ``save`` wrote.

        Raises:
            ValueError: If the run was another one.
        """
        with safe_open(path, "pt") as file:
            facts = json.loads(file.metadata()["run"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        for name, value in fixed_arguments(arguments).items():
            if facts["arguments"][name] != value:
                raise ValueError(
                    f"{path}: a run with {name} {facts['arguments'][name]!r}, not {value!r}; give what it had, or start "
                    "anew without --resume"
                )
        for part, module in self.modules.items():
            module.load_state_dict(named(tensors, part))
        self.scales = {
            teacher: (tensors[f"scales.{teacher}.mean"], tensors[f"scales.{teacher}.std"]) for teacher in self.scales
        }
        self.load_optimizer(tensors)
        torch.set_rng_state(tensors["rng"])
        self.rng.bit_generator.state = facts["rng"]
        for name in ("step", "epoch", "position", "replaced", "seconds"):
            setattr(self, name, facts[name])

    def load_optimizer(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over its moments, laid out in memory as the parameters are, so that sums come out the same."""
        states = {}
        for index, parameter in enumerate(self.parameters):
            found = named(tensors, f"optimizer.{index}")
            if found:  # frozen weights have none
                states[index] = {
                    name: torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value
                    for name, value in found.items()
                }
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": states, "param_groups": groups})


def fixed_arguments(arguments: EncoderArguments) -> dict[str, Any]:
    """Those that a run keeps when it is resumed, as JSON has them."""
    kept = {name: value for name, value in asdict(arguments).items() if name not in FREE}
    return json.loads(json.dumps(kept, default=str))


def named(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    """The tensors of a part, without its name before theirs."""
    return {name.removeprefix(f"{part}."): value for name, value in tensors.items() if name.startswith(f"{part}.")}


def train_encoder(arguments: EncoderArguments) -> None:
    """Tune a converted peer, or an encoder of our own from nothing; the mean of the last weights is what is saved."""
    torch.manual_seed(arguments.seed)
    encoder, extractor = first_encoder(arguments)
    learner = Convolved(encoder) if arguments.freeze_convolutions else encoder
    data, validation = make_data(arguments, extractor, learner)
    run = first_run(arguments, learner, extractor.views[0], validation if isinstance(data, LiveSet) else data)
    state = arguments.output / STATE
    if arguments.resume and state.exists():
        run.load(state, arguments)
    start = time.monotonic() - run.seconds
    while run.step < arguments.steps:
        for batch in data.batches(arguments.batch_size, run.epoch, run.position):
            loss = run.learn(batch, extractor.views[0], arguments)
            if run.step % arguments.report_steps == 0 or run.step == arguments.steps:
                run.seconds = time.monotonic() - start
                report = {"step": run.step, "clips": data.clips, "minutes": round(run.seconds / 60, 1)}
                report |= {"loss": round(loss, 3), "replaced": run.replaced}
                report |= correlations(run.average.module, validation)
                print(json.dumps(report), flush=True)
                save_encoder(run.mean, extractor, arguments.output, report)
                run.save(state, arguments)
            if run.step == arguments.steps:
                break
        run.epoch, run.position = run.epoch + 1, 0
        data.refresh()  # the corpus may still be written while the first epochs run


def first_encoder(arguments: EncoderArguments) -> tuple[Any, AudioJudgeFeatureExtractor]:
    """The encoder as training begins, and its feature extractor."""
    if arguments.start:
        given: dict[str, Any] = {}
        if arguments.branch_size:
            given = {"branch_size": arguments.branch_size, "branch_scores": len(score_names(arguments.teachers))}
        # A branch that had other teachers before begins with new scores
        encoder: Any = AutoModel.from_pretrained(arguments.start, ignore_mismatched_sizes=bool(given), **given)
        extractor = AutoFeatureExtractor.from_pretrained(arguments.start)
    else:
        scores = len(AXES) + len(score_names(arguments.teachers))
        encoder = AudioJudgeEncoder(AudioJudgeEncoderConfig(**OWN, num_scores=scores))
        extractor = AudioJudgeFeatureExtractor()
    return encoder.to(memory_format=torch.channels_last).train(), extractor


def make_data(
    arguments: EncoderArguments, extractor: AudioJudgeFeatureExtractor, learner: Any
) -> tuple[DistillationSet | LiveSet, DistillationSet]:
    """Clips to learn from, and those of the validation split."""
    # A copy, since what travels to worker processes moves into memory that they share
    prepare = copy.deepcopy(learner).prepare if arguments.freeze_convolutions else None
    make = partial(
        DistillationSet, arguments.corpus, extractor=extractor, teachers=arguments.teachers,
        targets=arguments.targets, prepare=prepare,
    )  # fmt: skip
    validation = make("validation")
    if not arguments.live:
        return make("train", seed=arguments.seed), validation
    folder = arguments.blend or arguments.corpus[0]
    kind = arguments.targets or default_targets(folder)
    live = LiveSet(
        arguments.live, extractor, arguments.teachers, kind, folder, prepare, arguments.seed, arguments.workers
    )
    return live, validation


def first_run(arguments: EncoderArguments, learner: Any, view: str, known: DistillationSet) -> Run:
    """A run before its first step; ``known`` clips say how the teachers' states are distributed."""
    heads = StateHeads(learner.config.state_size, arguments.teachers)
    scales = {name: scale_of([item.states[name] for item in known.items[:1000]]) for name in arguments.teachers}
    if view in arguments.teachers:  # its own network says its states as they are
        start_as_identity(heads.states[view], *scales[view])
    average = AveragedModel(learner, multi_avg_fn=get_ema_multi_avg_fn(arguments.decay))
    optimizer = torch.optim.AdamW(
        [*learner.parameters(), *heads.parameters()], lr=arguments.learning_rate, weight_decay=arguments.weight_decay
    )
    return Run(learner, heads, average, optimizer, scales, np.random.default_rng(arguments.seed))


def scale_of(states: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (states,) of a teacher's states, the latter never 0."""
    joined = torch.cat(list(states)).float()
    return joined.mean(0), joined.std(0) + 1e-3


@torch.no_grad()
def start_as_identity(head: Any, mean: Tensor, std: Tensor) -> None:
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
