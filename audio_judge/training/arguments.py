"""What the training scripts share: fields of a recipe, a random choice of items, what is trained and how it is saved."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from audio_judge.clips import Item
from audio_judge.corpora.corpus import Corpus, read_options
from audio_judge.data.weights import named_weights
from audio_judge.judge.learned import Learned
from audio_judge.tasks.assess import TITLES
from audio_judge.training.notes import write_note
from audio_judge.training.tuning import add_lora, merge_lora, select_trainable

Thing = TypeVar("Thing")
# What says how examples of `data` are made
OF_DATA = ("corpus", "corpus_options", "tasks", "with_reference", "variants", "held_out_phrasings")


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


@dataclass
class CorpusArguments:
    """The corpus that a script reads by itself; an empty text takes back what a recipe says."""

    corpus: str | None = option(None, "reader of `data`; see `audio-judge ls corpora`")
    data: str | None = option(None, "folder of a corpus with its splits, or data set: hf://datasets/OWNER/NAME")
    corpus_options: list[str] | None = option(None, "of `data`: arguments of its reader, NAME=VALUE")  # noqa: RUF009
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
        corpus = Corpus(str(self.corpus), str(self.data), split, options=read_options(self.corpus_options or []))
        if not corpus.tells_splits:
            raise ValueError(
                f"{self.corpus} {self.data}: does not tell its splits apart, so what is trained on would be validated on, "
                "too; write files with `audio-judge data`"
            )
        return corpus.read()


@dataclass
class TuningArguments(CorpusArguments):
    """How much of a model is trained, and what it hears."""

    dtype: Literal["float32", "bfloat16"] = option("float32", "of the loaded weights")
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
