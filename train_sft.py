# /// script
# requires-python = ">=3.11"
# dependencies = ["audio-judge[train]"]
# ///
r"""Train a judge, or a native audio language model, on rated clips, by a recipe.

A first look, in a minute on a CPU: the mini judge on `examples/rated`, by `recipes/sft/example.yaml`:

    accelerate launch train_sft.py

Mini judge on a CPU, on two CPU processes, on from the last checkpoint; SpeechQualityLLM on a GPU, and on several; SQ-LLM, a
native audio language model:

    python train_sft.py --config recipes/sft/mini.yaml --output_dir runs/mini
    torchrun --nproc_per_node 2 train_sft.py --config recipes/sft/mini.yaml --output_dir runs/mini
    python train_sft.py --config recipes/sft/mini.yaml --output_dir runs/mini --resume_from_checkpoint last
    python train_sft.py --config recipes/sft/speechqualityllm_single_ast_tuned.yaml --data NISQA_Corpus \
        --output_dir runs/speechqualityllm
    accelerate launch --config_file recipes/accelerate/ddp.yaml train_sft.py --config recipes/sft/... --data ...
    python train_sft.py --config recipes/sft/sq_llm.yaml --output_dir runs/sq_llm

In place of `--data`, any task on any corpus, from examples that were written before or from a mixture of corpora:

    python train_sft.py --config recipes/sft/... --train_file train.parquet --eval_file validation.parquet --output_dir ...
    python train_sft.py --config recipes/sft/... --mixture recipes/data/speechqualityllm.yaml --output_dir ...

Keys of a recipe are fields of `JudgeArguments` and of TRL's `SFTConfig`; the command line wins over the recipe. The
output folder is a whole judge (weights, processor, decision template); `--push_to_hub` uploads it. A native audio
language model (`native`) learns the tasks that are answered in text.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import audio_judge  # noqa: F401  # isort: skip  (before peft, which it keeps quiet)

import torch
from transformers import EarlyStoppingCallback, set_seed
from trl import SFTConfig, SFTTrainer

from audio_judge import AudioJudgeForCausalLM, AudioJudgeProcessor
from audio_judge.clips import Item, RatedClip
from audio_judge.data.examples import DECIDE
from audio_judge.data.files import load_examples, read_example, to_dataset, write_examples
from audio_judge.data.instructions import COMPARE_QUESTION, DETECT_QUESTION, Manner, make_instructions
from audio_judge.data.mixtures import iterate, read_mixture
from audio_judge.data.statistics import Statistics
from audio_judge.data.weights import named_weights
from audio_judge.judge.learned import Learned
from audio_judge.judge.native import load_audio_model
from audio_judge.processing_audio_judge import is_span
from audio_judge.rubrics.rubric import ALL_RUBRICS
from audio_judge.tasks.assess import dimension_spans
from audio_judge.training.arguments import (
    DeviceParser,
    TuningArguments,
    at_most,
    check_sharding,
    choose_trained,
    option,
    quantization,
    read_dimension_weights,
    refuse_idle,
    save_whole,
    settle_precision,
    watch_weights,
)
from audio_judge.training.collate import JudgeCollator, NativeCollator, text_examples
from audio_judge.training.example import command_line, logged_validation, tell, what_next
from audio_judge.training.notes import learned_from, note
from audio_judge.training.sft import AudioSFTTrainer, NativeSFTTrainer, score_metrics
from audio_judge.training.tuning import checkpoint_of, hear_once, whole_weights

# What shapes a new judge
SHAPE = (
    "gguf_file",
    "adapter",
    "adapter_tokens",
    "pooled_spread",
    "scale_tokens",
    "layer_weights",
    "cut_window",
    "span_size",
    "brief_questions",
)
# Of a judge of our own; a native audio language model has no such parts
JUDGE_ONLY = (
    *SHAPE, "skip_bad", "decision_weight", "level_weight", "encoder_learning_rate", "adapter_learning_rate", "hear_once",
)  # fmt: skip


@dataclass
class JudgeArguments(TuningArguments):
    """What is trained, on what, and how an answer is given."""

    model: str | None = option(None, "judge to train on: folder or Hub id; or both backbones, or `native`")
    native: str | None = option(None, "audio language model of transformers to train on: folder or Hub id")
    audio_backbone: str | None = option(None, "audio encoder of a new judge: folder or Hub id")
    text_backbone: str | None = option(None, "language model of a new judge: folder or Hub id")
    gguf_file: str | None = option(None, "GGUF file in `text_backbone`, unpacked as it is loaded")
    adapter: Literal["pooled_linear", "bottleneck"] = option("pooled_linear", "adapter of a new judge")
    adapter_tokens: int = option(128, "audio tokens per clip of pooled_linear")
    pooled_spread: bool = option(False, "the tokens of pooled_linear read the deviation over time beside the mean")
    scale_tokens: bool = option(False, "a new judge's audio tokens have the deviation of the language model's tokens")
    layer_weights: bool = option(False, "a new judge hears a mean over all layers of its encoder, with learned weights")
    cut_window: bool = option(False, "a new judge's Whisper hears the clip alone, without silence up to 30 seconds")
    span_size: int = option(0, "width of a new judge's head for questions about when; 0 for none")
    brief_questions: bool = option(False, "a new judge's questions show of a scale its ends alone, in fewer tokens")
    train_file: list[str] | None = option(None, "files that `audio-judge data` wrote")  # noqa: RUF009
    eval_file: list[str] | None = option(None, "the same to evaluate on, best with --all-rubrics")  # noqa: RUF009
    mixture: str | None = option(None, "YAML as in recipes/data; evaluates on the validation splits it is `tested_on`")
    streaming: bool = option(False, "read `train_file` as it comes, with no copy on disk; needs max_steps")
    max_train_clips: int | None = option(None, "random choice of so many clips, or examples of a file, to train on")
    max_eval_clips: int | None = option(None, "random choice of so many clips, or examples of a file, to evaluate on")
    answer_form: Literal["decision", "decimal"] = option("decision", "scores as shares over levels, or in digits")
    variants: int = option(1, "of `data`: examples per clip and epoch, with other phrasings, rubrics and crops")
    skip_bad: bool = option(False, "replace unreadable clips instead of stopping at the first")
    decision_weight: float = option(1.0, "how many answer tokens a question is worth in the loss")
    level_weight: float = option(0.0, "of the squared error of a rubric's level beside the loss of its question")
    dimension_weights: list[str] | None = option(  # noqa: RUF009
        None,
        "weights in the loss of what a thought says about SpeechEval's dimensions, such as overall=2 distortion=1.5",
    )
    encoder_learning_rate: float | None = option(None, "learning rate of the audio encoder, if it has its own")
    adapter_learning_rate: float | None = option(None, "learning rate of the adapter, if it has its own")
    hear_once: bool = option(
        False, "frozen encoder of our own: keep every clip's frames in memory, do not hear it again"
    )
    early_stopping_patience: int = option(0, "stop after so many evaluations without a better one; 0 for never")

    def __post_init__(self) -> None:
        """Check what no single field can tell."""
        given = {"data": self.data, "train_file": self.train_file, "mixture": self.mixture}
        sources = [name for name, value in given.items() if value]
        if len(sources) != 1:
            found = ", ".join(sources) or "none"
            raise ValueError(
                f"train on exactly one of `data`, `train_file` and `mixture`; given: {found}; an empty one, such as "
                "--mixture '', takes back that of a recipe"
            )
        super().__post_init__()
        self._check_model()
        _ = self.weights_of_dimensions  # names what is wrong with them
        if self.data and self.eval_file:
            raise ValueError("`data` has a validation split of its own; leave `eval_file` out")
        if self.streaming and not self.train_file:
            raise ValueError("`streaming` is for `train_file`; write one with `audio-judge data`")
        if self.data and self.asking not in self.task_weights:
            raise ValueError(f"answer_form {self.answer_form} needs {self.asking!r} among the tasks, got {self.tasks}")

    def _check_model(self) -> None:
        backbones = [self.audio_backbone, self.text_backbone]
        whole = [name for name in ("model", "native") if vars(self)[name]]
        if len(whole) + any(backbones) != 1 or any(backbones) != all(backbones):
            raise ValueError("give exactly one of `model`, `native`, and both `audio_backbone` and `text_backbone`")
        new = {"adapter": "model.adapter.linear.weight"} | (
            {"span_head": "span_head.key.weight"} if self.span_size else {}
        )
        for part, weight in new.items():
            if self.lora_target and all(backbones) and not any(re.search(one, weight) for one in self.trainable or []):
                raise ValueError(f"the {part} of a new judge is untrained: with LoRA, put `{part}` among `trainable`")
        if self.native and self.answer_form != "decimal":
            raise ValueError("a native audio language model answers in text: give `answer_form: decimal`")
        given = [f.name for f in fields(self) if f.name in JUDGE_ONLY and vars(self)[f.name] != f.default]
        if self.native and given:
            raise ValueError(f"{', '.join(given)}: only judges of our own have that; leave it out with `native`")
        if self.model:
            refuse_idle(self, SHAPE, "they shape a new judge, and `model` has its own")
        if self.adapter == "bottleneck":
            refuse_idle(self, ("adapter_tokens", "pooled_spread"), "`bottleneck` makes a token of every frame")

    @property
    def weights_of_dimensions(self) -> dict[str, float]:
        """Name of a dimension to its weight; none if the recipe gives none."""
        return read_dimension_weights(self.dimension_weights or [])

    @property
    def asking(self) -> str:
        """The task that scores are asked with."""
        return DECIDE if self.answer_form == "decision" else "score"

    @property
    def task_weights(self) -> dict[str, float]:
        """Weight per task."""
        return named_weights(self.tasks or [self.asking])


@whole_weights()
def load_judge(args: JudgeArguments, quantized: Any = None) -> tuple[Any, Any]:
    """The judge and its processor, from a judge or from two backbones, or a native audio language model and its own."""
    options: dict[str, Any] = {"dtype": getattr(torch, args.dtype)}
    options |= {} if quantized is None else {"quantization_config": quantized}
    if args.native:
        return load_native(args, options)
    if args.model:
        model = AudioJudgeForCausalLM.from_pretrained(args.model, **options)
        return model, AudioJudgeProcessor.from_pretrained(args.model)
    parts: dict[str, Any] = {"audio": args.audio_backbone, "text": args.text_backbone}
    parts |= {name: getattr(args, name) for name in SHAPE}
    model = AudioJudgeForCausalLM.from_backbones(**parts, **options)
    if quantized is not None:  # on the accelerator already, and nobody moves a quantized model
        for part in (model.model.audio_tower, model.model.adapter):
            part.to(model.lm_head.weight.device)
    return model, AudioJudgeProcessor.from_backbones(**parts)


def load_native(args: JudgeArguments, options: dict[str, Any]) -> tuple[Any, Any]:
    """A native audio language model and its processor."""
    model, processor = load_audio_model(str(args.native), **options)
    if isinstance(processor, AudioJudgeProcessor):
        raise ValueError(f"{args.native}: a judge of our own; give it as `model`")
    return model, processor


def load_datasets(args: JudgeArguments, training_args: SFTConfig) -> tuple[Any, Any]:
    """Training examples, and validation examples if any are wanted; both stay on disk but for those of `data`."""
    seed = training_args.seed
    # One process makes what is not on disk yet, then the others find it there
    with training_args.main_process_first(local=training_args.save_on_each_node):
        if args.data:
            clips = {split: read_clips(args, split, seed) for split in ("train", "validation")}
            manner = Manner(args.with_reference)
            train = make_dataset(clips["train"], args.task_weights, seed, manner, variants=args.variants)
            return train, make_dataset(clips["validation"], [args.asking], seed, replace(manner, all_rubrics=True))
        evaluates = training_args.eval_strategy != "no" or training_args.eval_on_start
        if not evaluates:
            refuse_idle(args, ("eval_file", "early_stopping_patience"), "`eval_strategy` is no")
        if args.mixture:
            files = [mix(args.mixture, training_args)]
        else:
            files = [Path(file) for file in args.train_file or []]
        train = load_examples(files, streaming=args.streaming)
        evaluation = load_evaluation(args, training_args) if evaluates else None
    if args.streaming:
        # Accelerate would have one process make all batches, and cut them in parts by their first dimension
        settings: Any = training_args.accelerator_config
        settings.dispatch_batches = False
        train = train.shuffle(seed, buffer_size=10_000)
        return train.take(args.max_train_clips) if args.max_train_clips else train, evaluation
    return choose(train, args.max_train_clips, seed), evaluation


def make_dataset(
    clips: Iterable[Item], tasks: Mapping[str, float] | Sequence[str], seed: int, manner: Manner, variants: int = 1
) -> Any:
    """Examples of clips; tells how many of them lack what a task needs."""
    lacking = Counter[tuple[str, str]]()
    made = to_dataset(make_instructions(clips, tasks, seed=seed, variants=variants, manner=manner, lacking=lacking))
    for (task, reason), number in lacking.items():
        print(f"{number} clips cannot serve {task}: {reason}", flush=True)
    return made


def read_clips(args: JudgeArguments, split: str, seed: int) -> list[RatedClip]:
    """The clips of a split of `data`, or a random choice of them."""
    return sample(args.read(split), args.max_train_clips if split == "train" else args.max_eval_clips, seed)


def sample(clips: Iterable[Any], limit: int | None, seed: int) -> list[RatedClip]:
    """All clips, or a random choice of them; pairs are left out."""
    return at_most([clip for clip in clips if isinstance(clip, RatedClip)], limit, seed)


def choose(dataset: Any, limit: int | None, seed: int) -> Any:
    """All examples, or a random choice of them."""
    return dataset if limit is None or limit >= len(dataset) else dataset.shuffle(seed).select(range(limit))


def mix(path: str, training_args: SFTConfig) -> Path:
    """Write the examples of a mixture to the output folder, and tell what they are."""
    out = Path(str(training_args.output_dir)) / "examples.parquet"
    if training_args.should_save:
        out.parent.mkdir(parents=True, exist_ok=True)
        statistics = Statistics()
        if not write_examples(iterate(read_mixture(path), statistics), out):
            raise ValueError(f"{path}: no clip could serve any of the tasks\n{statistics}")
        print(statistics, flush=True)
    return out


def load_evaluation(args: JudgeArguments, training_args: SFTConfig) -> Any:
    """Examples of `eval_file`, or a question for every rating of the validation splits that a mixture is tested on."""
    limit, seed = args.max_eval_clips, training_args.seed
    if args.eval_file:
        return choose(load_examples([Path(file) for file in args.eval_file]), limit, seed)
    mixture = read_mixture(args.mixture) if args.mixture else None
    corpora = [corpus for corpus in mixture.tested_on if corpus.split == "validation"] if mixture else []
    clips = sample((clip for corpus in corpora for clip in corpus.read()), limit, seed)
    use = mixture.manner.with_reference if mixture else "never"
    examples = make_dataset(clips, [args.asking], seed, Manner(use, all_rubrics=True))
    if not len(examples):
        raise ValueError(
            f"eval_strategy is {training_args.eval_strategy} and there is nothing to evaluate on: give `eval_file`, a "
            "mixture that is `tested_on` a rated validation split, or `eval_strategy: no`"
        )
    return examples


def asks_decisions(args: JudgeArguments, dataset: Any) -> bool:
    """Whether any example is a typed question."""
    if args.data:
        return bool({DECIDE, DETECT_QUESTION, COMPARE_QUESTION} & set(args.task_weights))
    return any("questions" in read_example(row) for row in dataset)


def check_dimensions(dataset: Any, weights: Mapping[str, float]) -> None:
    """Refuses weights of dimensions that no thought of the examples speaks of."""
    missing = set(weights)
    for row in dataset:
        for message in read_example(row).get("completion", ()):
            missing -= dimension_spans(message["content"]).keys()
        if not missing:
            return
    raise ValueError(
        f"dimension_weights: no thought of the {len(dataset)} training examples speaks of {', '.join(sorted(missing))}; "
        "those of assess and compare do, on SpeechEval"
    )


def check_spans(model: Any, dataset: Any) -> None:
    """Refuses questions about when, for a judge without a head for them: the first batch would stop."""
    if model.config.span_size:
        return
    if any(is_span(question) for row in dataset for question in read_example(row).get("questions", {}).values()):
        raise ValueError(
            "training examples ask when something is heard, and this judge has no head for such questions: give a new judge one "
            "with --span_size 64, or take examples without"
        )


def lessons(args: JudgeArguments, dataset: Any, training_args: SFTConfig) -> Learned:
    """What the examples teach; of a stream, those that training comes to."""
    seen = training_args.max_steps * training_args.train_batch_size * training_args.gradient_accumulation_steps
    return learned_from(islice(dataset, seen * training_args.world_size) if args.streaming else dataset)


def judge_trainer(args: JudgeArguments, model: Any, processor: Any, common: dict[str, Any]) -> SFTTrainer:
    """The trainer of a judge."""
    train_dataset = common["train_dataset"]
    processor.window_seconds = args.max_seconds or processor.window_seconds
    # Of a stream without LoRA nobody has to know, and all of it may be read to find none
    asks = (args.streaming and args.lora_target is None) or asks_decisions(args, train_dataset)
    if not asks:
        refuse_idle(args, ("decision_weight", "level_weight"), "no example is a typed question")
    reading: dict[str, Any] = {"max_seconds": args.max_seconds, "random_crop": True, "skip_bad": args.skip_bad}
    reading |= {"dimension_weights": args.weights_of_dimensions}
    collator = JudgeCollator(processor, **reading, rubrics=tuple(ALL_RUBRICS))
    if asks and not args.streaming:
        check_spans(model, train_dataset)
    # The token that opens a question is new to the language model, and a LoRA leaves embeddings as they are
    trained = choose_trained(args, model, [processor.question_token_id] if asks else [])
    if args.hear_once:
        hear_once(model.model.audio_tower)
    return AudioSFTTrainer(
        model=trained,
        data_collator=collator,
        processing_class=processor,
        compute_metrics=score_metrics(collator.rubrics),
        decision_weight=args.decision_weight,
        level_weight=args.level_weight,
        encoder_learning_rate=args.encoder_learning_rate,
        adapter_learning_rate=args.adapter_learning_rate,
        **common,
    )


def native_trainer(args: JudgeArguments, model: Any, processor: Any, common: dict[str, Any]) -> SFTTrainer:
    """The trainer of a native audio language model: TRL's own, on what is answered in text."""
    datasets = {name: common[name] for name in ("train_dataset", "eval_dataset") if common[name] is not None}
    common = common | {name: text_examples(dataset) for name, dataset in datasets.items()}
    collator = NativeCollator(processor, args.max_seconds, args.weights_of_dimensions)
    trained = choose_trained(args, model)
    return NativeSFTTrainer(model=trained, data_collator=collator, processing_class=processor, **common)


def main(args: JudgeArguments, training_args: SFTConfig) -> SFTTrainer:
    """Train, evaluate and save."""
    # Our collators do the work of TRL's preparation
    training_args.remove_unused_columns, training_args.max_length = False, None
    training_args.dataset_kwargs = {"skip_prepare_dataset": True}
    if args.lora_target is not None:
        training_args.hub_strategy = "end"  # checkpoints hold the LoRA only
    set_seed(training_args.seed)
    train_dataset, eval_dataset = load_datasets(args, training_args)
    if args.weights_of_dimensions and not args.streaming:
        check_dimensions(train_dataset, args.weights_of_dimensions)
    reads_digits = not args.native and args.answer_form == "decimal" and training_args.eval_strategy != "no"
    check_sharding(args, training_args, needs_whole="evaluating scores in digits" if reads_digits else "")
    settle_precision(args, training_args)
    quantized = quantization(args, training_args, whole_judge=not args.audio_backbone)
    model, processor = load_judge(args, quantized)
    make_trainer = native_trainer if args.native else judge_trainer
    callbacks: list[Any] = [watch_weights(args)]
    if args.early_stopping_patience:
        callbacks.append(EarlyStoppingCallback(args.early_stopping_patience))
    common = {"train_dataset": train_dataset, "eval_dataset": eval_dataset, "callbacks": callbacks}
    trainer = make_trainer(args, model, processor, common | {"args": training_args})
    taught = lessons(args, trainer.train_dataset, training_args)
    note(trainer.model, processor, taught, args.max_seconds, is_supervised=True)
    trainer.train(resume_from_checkpoint=checkpoint_of(trainer))
    # A LoRA is merged into weights of full precision, whatever it was trained on
    reload = None if args.lora_target is None else lambda: load_judge(args)[0]
    save_whole(trainer, Path(str(training_args.output_dir)), reload)
    best = trainer.state.best_global_step if training_args.load_best_model_at_end else None
    tell(trainer, logged_validation(trainer.state.log_history, best))
    return trainer


if __name__ == "__main__":
    parser = DeviceParser([JudgeArguments, SFTConfig])
    done = main(*parser.parse_args_and_config(command_line(__file__)))
    tell(done, what_next(__file__, str(done.args.output_dir)))
