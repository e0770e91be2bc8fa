"""What the training scripts share: fields of a recipe, a random choice of items, what is trained and how it is saved."""

import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from transformers.utils import is_torch_bf16_gpu_available, is_torch_xla_available
from trl import TrlParser

from audio_judge.clips import Item
from audio_judge.corpora.corpus import Corpus, read_options
from audio_judge.data.weights import named_weights
from audio_judge.judge.learned import Learned
from audio_judge.tasks.assess import TITLES
from audio_judge.training.checks import TrainedWeights
from audio_judge.training.notes import write_note
from audio_judge.training.tuning import add_lora, merge_lora, nf4_config, select_trainable

Thing = TypeVar("Thing")
# What says how examples of `data` are made
OF_DATA = ("corpus", "corpus_options", "on_error", "tasks", "with_reference", "variants", "held_out_phrasings")


def option(default: Any, text: str) -> Any:
    """A field of a dataclass of options with its help text."""
    return field(default=default, metadata={"help": text})


def refuse_idle(args: Any, names: Sequence[str], reason: str) -> None:
    """Refuse options that were given and cannot act, as what they ask for would not be done.

    Args:
        args: A dataclass of options.
        names: Of those that cannot act as the others stand.
        reason: Why, such as "`lora_target` is not given".

    Raises:
        ValueError: If any of them is not what it is without being given; how to take back what a recipe says is named.
    """
    idle = [f for f in fields(args) if f.name in names and getattr(args, f.name) != f.default]
    if not idle:
        return
    back = " ".join(f"--{f.name} {chr(39) * 2 if f.default is None else str(f.default).lower()}" for f in idle)
    shown = ", ".join(f"`{f.name}`" for f in idle)
    raise ValueError(f"{shown}: cannot act, since {reason}; to take back what a recipe says, give {back}")


def device_defaults() -> dict[str, bool]:
    """Say which of a trainer's settings this machine wants otherwise than TRL, which is made for GPUs with bfloat16."""
    if torch.accelerator.is_available() or is_torch_xla_available():
        return {} if is_torch_bf16_gpu_available() or is_torch_xla_available() else {"bf16": False}
    known = torch.cpu.get_capabilities()
    fast = {} if known.get("avx512_bf16") or known.get("amx_bf16") else {"bf16": False}
    # Memory is what a CPU has enough of
    return {"use_cpu": True, "gradient_checkpointing": False} | fast


class DeviceParser(TrlParser):
    """``TrlParser`` of a script's options and its trainer's, where what nobody gave is as this machine wants it, which is said.

    A recipe's ``use_cpu``, ``bf16``, ``fp16`` and ``gradient_checkpointing``, and the command line's, are taken as they are.
    """

    def __init__(self, types: Any) -> None:
        super().__init__(types)
        self.chosen = device_defaults()
        self.set_defaults(**self.chosen)

    def parse_args_and_config(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """As the base class; says what the run computes in."""
        parsed = super().parse_args_and_config(*args, **kwargs)
        settings: Any = parsed[1]
        if self.chosen and settings.process_index == 0:
            where = "the CPU, as there is no accelerator" if settings.use_cpu else "an accelerator without bfloat16"
            half = "bfloat16 by autocast" if settings.bf16 else "float16 by autocast" if settings.fp16 else "float32"
            kept = "with" if settings.gradient_checkpointing else "without"
            print(f"Computes on {where}, in {half}, {kept} gradient checkpointing", flush=True)
        return parsed


@dataclass
class CorpusArguments:
    """The corpus that a script reads by itself; an empty text takes back what a recipe says."""

    corpus: str | None = option(None, "reader of `data`; see `audio-judge ls corpora`")
    data: str | None = option(None, "folder of a corpus with its splits, or data set: hf://datasets/OWNER/NAME")
    corpus_options: list[str] | None = option(None, "of `data`: arguments of its reader, NAME=VALUE")  # noqa: RUF009
    on_error: Literal["stop", "skip"] = option(
        "stop", "of `data`: skip leaves out rows that are wrong, counted by reason"
    )
    tasks: list[str] | None = option(None, "of `data`: tasks and weights, such as decide=9 explain=1")  # noqa: RUF009
    max_seconds: float | None = option(None, "longer clips are cut; the encoder's own limit holds too")

    def __post_init__(self) -> None:
        """Take back what an empty text takes back, and ask for the reader."""
        for one in fields(self):
            if getattr(self, one.name) in ("", [""]) and one.default is None:
                setattr(self, one.name, None)
        if self.data is not None and self.corpus is None:
            raise ValueError(f"`corpus` is missing, the reader of {self.data}; see `audio-judge ls corpora`")

    def read(self, split: str) -> Iterator[Item]:
        """Read the clips and pairs of a split, ``train`` or ``validation``, of `data`.

        Raises:
            ValueError: If the corpus does not tell its splits apart.
        """
        options = read_options(self.corpus_options or [])
        corpus = Corpus(str(self.corpus), str(self.data), split, on_error=self.on_error, options=options)
        if not corpus.tells_splits:
            raise ValueError(
                f"{self.corpus} {self.data}: does not tell its splits apart, so what is trained on would be validated on, "
                "too; write files with `audio-judge data`"
            )
        return corpus.read()


@dataclass
class TuningArguments(CorpusArguments):
    """How much of a model is trained, and what it hears."""

    dtype: Literal["float32", "bfloat16"] = option(
        "float32", "of weights that are not trained, with `bf16`; else float32"
    )
    load_in_4bit: bool = option(False, "language model in nf4 with double quantization")
    trainable: list[str] | None = option(None, "regexes of what is trained in full; all, or none with LoRA")  # noqa: RUF009
    lora_target: str | None = option(None, "regex of the whole names of the layers that get LoRA")
    lora_r: int = option(16, "rank of the LoRA")
    lora_alpha: int = option(32, "scaling of the LoRA")
    lora_dropout: float = option(0.05, "dropout of the LoRA")
    with_reference: Literal["never", "sometimes", "always"] = option("never", "of `data`: is a clean reference heard?")

    def __post_init__(self) -> None:
        """Refuse what cannot act."""
        super().__post_init__()
        if self.data is None:
            refuse_idle(
                self, OF_DATA, "examples are made of `data` alone, and those of files and mixtures are made already"
            )
        if self.lora_target is None:
            refuse_idle(self, ("lora_r", "lora_alpha", "lora_dropout"), "`lora_target` is not given")


def read_dimension_weights(given: Mapping[str, float] | Sequence[str]) -> dict[str, float]:
    """Read the weights of SpeechEval's dimensions in the loss: a mapping in a recipe, ``overall=2`` at the shell.

    Returns:
        Name of a dimension to its weight, 0 or more.

    Raises:
        UsageError: If a dimension is unknown or comes twice, or a weight is no number.

    Example:
        >>> read_dimension_weights({"overall": 2, "distortion": 1.5})
        {'mos': 2.0, 'distortion': 1.5}
    """
    texts = [f"{name}={weight}" for name, weight in given.items()] if isinstance(given, Mapping) else given
    names = {"overall": "mos"} | {name: name for name in TITLES if name != "mos"}
    weights = named_weights(texts, default=None, known=names, option="dimension_weights")
    return {names[name]: weight for name, weight in weights.items()}


def sharding(training_args: Any) -> Literal["none", "optimizer", "weights"]:
    """What processes share out among them: DeepSpeed's stages 1 and 2 the optimizer, its stage 3 and FSDP the weights, too."""
    if training_args.fsdp or os.environ.get("ACCELERATE_USE_FSDP") == "true":
        return "weights"
    plugin = training_args.deepspeed_plugin
    if plugin is None or not plugin.zero_stage:
        return "none"
    return "weights" if plugin.zero_stage == 3 else "optimizer"


def check_sharding(args: Any, training_args: Any, *, needs_whole: str = "") -> None:
    """Refuse what does not go with weights that processes share out among them.

    Args:
        args: Of the recipe.
        training_args: Of the trainer.
        needs_whole: What of this run needs whole weights in every process, if anything does.

    Raises:
        ValueError: If the two do not go together; says which configuration does.
    """
    shared = sharding(training_args)
    if shared != "none" and vars(args).get("load_in_4bit"):
        raise ValueError("weights in 4 bits are not shared out: launch with recipes/accelerate/ddp.yaml")
    if shared == "weights" and needs_whole:
        raise ValueError(
            f"{needs_whole} needs whole weights in every process: launch with recipes/accelerate/zero2.yaml or ddp.yaml"
        )


def settle_precision(args: Any, training_args: Any) -> None:
    """Have ``dtype`` be what the run leaves possible, and say so if that is another one than wanted."""
    if args.dtype == "float32":
        return
    reason = ""
    if sharding(training_args) == "weights" and training_args.deepspeed_plugin is None:
        reason = "FSDP shards weights of one precision only"
    elif not (training_args.bf16 or training_args.fp16):
        reason = "bf16 and fp16 are off"  # without autocast, weights in bfloat16 do not meet trained ones
    if reason:
        print(f"{reason}: all weights are loaded in float32", flush=True)
        args.dtype = "float32"


def quantization(args: TuningArguments, training_args: Any, *, whole_judge: bool) -> Any:
    """The 4 bits of a recipe, computing as the rest does; None if it wants none."""
    if not args.load_in_4bit:
        return None
    half = torch.bfloat16 if training_args.bf16 else torch.float16
    return nf4_config(whole_judge, half if training_args.bf16 or training_args.fp16 else torch.float32)


def watch_weights(args: Any) -> TrainedWeights:
    """The callback that stops a run where nothing reaches what shall be trained, and tells how much a step changes."""
    return TrainedWeights(chosen=bool(args.trainable or vars(args).get("lora_target")))


def at_most(items: list[Thing], limit: int | None, seed: int) -> list[Thing]:
    """All items in their order, or a random choice of ``limit`` of them; None for no limit."""
    return items if limit is None or limit >= len(items) else random.Random(seed).sample(items, limit)


def choose_trained(args: TuningArguments, model: Any, tokens: Sequence[int] = ()) -> Any:
    """Say what of a model is trained.

    Args:
        args: Its patterns, or its LoRA.
        model: A judge or a native audio language model.
        tokens: Ids of tokens whose embeddings are trained beside a LoRA.

    Returns:
        The model, wrapped by PEFT if what is trained is a LoRA.
    """
    if args.lora_target is None:
        select_trainable(model, args.trainable or ["."])
        return model
    shape: dict[str, Any] = {"rank": args.lora_r, "alpha": args.lora_alpha, "dropout": args.lora_dropout}
    return add_lora(model, args.lora_target, args.trainable or [], tokens=tokens, **shape)


def save_whole(trainer: Any, output_dir: Path, reload: Callable[[], Any] | None) -> None:
    """Write a whole model to the output folder, and push it if that is wanted.

    Args:
        trainer: Of transformers, with a ``processing_class``.
        output_dir: Where to.
        reload: Loads the untrained model without quantization, if what was trained is a LoRA: that goes to a folder ``lora``
            of its own and is merged into those weights. None if the model itself was trained.
    """
    if reload is None:
        trainer.save_model()  # pushes, too, if that is wanted
        return
    trainer.save_model(str(output_dir / "lora"), _internal_call=True)
    learned = Learned.of(trainer.model.config)
    if trainer.is_world_process_zero():  # a second whole model: once is enough, and may be all that memory allows
        merged = merge_lora(reload(), str(output_dir / "lora"))
        if learned is not None:
            merged.config.learned = learned.note()
            write_note(output_dir / "lora", learned)
        if seconds := getattr(trainer.model.config, "window_seconds", None):
            merged.config.window_seconds = seconds
        for part in (merged, trainer.processing_class):
            part.save_pretrained(output_dir)
            if trainer.args.push_to_hub:
                part.push_to_hub(trainer.args.hub_model_id or output_dir.name)
