# /// script
# dependencies = ["audio-judge[train]"]
# ///
"""Train a judge on rated clips, by a recipe.

Mini judge on a CPU, on two CPU processes, on from the last checkpoint; SpeechQualityLLM on a GPU, and on several:

    python train_sft.py --config recipes/sft/mini.yaml --data CORPUS --output_dir runs/mini
    torchrun --nproc_per_node 2 train_sft.py --config recipes/sft/mini.yaml --data CORPUS --output_dir runs/mini
    python train_sft.py --config recipes/sft/mini.yaml --data ... --output_dir ... --resume_from_checkpoint last
    python train_sft.py --config recipes/sft/sqllm_single_ast_tuned.yaml --data NISQA_Corpus --output_dir runs/sqllm
    accelerate launch --config_file recipes/accelerate/ddp.yaml train_sft.py --config recipes/sft/... --data ...

Keys of a recipe are fields of `JudgeArguments` and of TRL's `SFTConfig`; the command line wins over the recipe. The
output folder is a whole judge (weights, processor, decision template); `--push_to_hub` uploads it.
"""

import random
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import EarlyStoppingCallback, set_seed
from trl import SFTConfig, TrlParser

from audio_judge import AudioJudgeForCausalLM, AudioJudgeProcessor
from audio_judge.clips import RatedClip
from audio_judge.collate import JudgeCollator
from audio_judge.corpora.nisqa import read_nisqa
from audio_judge.corpora.simulated import read_simulated
from audio_judge.examples import DECIDE, make_examples, to_dataset
from audio_judge.trainers import AudioSFTTrainer, add_lora, merge_lora, nf4_config, score_metrics, select_trainable


def option(default: Any, text: str) -> Any:
    """A field with a help text."""
    return field(default=default, metadata={"help": text})


@dataclass
class JudgeArguments:
    """What is trained, on what, and how an answer is given."""

    model: str | None = option(None, "judge to train on: folder or Hub id; or give both backbones")
    audio_backbone: str | None = option(None, "audio encoder of a new judge: folder or Hub id")
    text_backbone: str | None = option(None, "language model of a new judge: folder or Hub id")
    adapter: Literal["pooled_linear", "bottleneck"] = option("pooled_linear", "adapter of a new judge")
    adapter_tokens: int = option(128, "audio tokens per clip of pooled_linear")
    dtype: Literal["float32", "bfloat16"] = option("float32", "of the loaded weights")
    load_in_4bit: bool = option(False, "language model in nf4 with double quantization")
    trainable: list[str] | None = option(None, "regexes of what is trained in full; all, or none with LoRA")  # noqa: RUF009
    lora_target: str | None = option(None, "regex of the whole names of the layers that get LoRA")
    lora_r: int = option(16, "rank of the LoRA")
    lora_alpha: int = option(32, "scaling of the LoRA")
    lora_dropout: float = option(0.05, "dropout of the LoRA")
    corpus: Literal["nisqa", "simulated"] = option("nisqa", "reader of the corpus")
    data: str | None = option(None, "folder of the corpus")
    max_train_clips: int | None = option(None, "random choice of so many training clips")
    max_eval_clips: int | None = option(None, "random choice of so many validation clips")
    answer_form: Literal["decision", "decimal"] = option("decision", "scores as shares over levels, or in digits")
    tasks: list[str] | None = option(None, "tasks and weights, such as decide=9 explain=1")  # noqa: RUF009
    with_reference: Literal["never", "sometimes", "always"] = option("never", "whether a clean reference is heard")
    variants: int = option(1, "examples per clip and epoch, with other phrasings, rubrics and crops")
    max_seconds: float | None = option(None, "longer clips are cropped; the encoder's own limit holds too")
    skip_bad: bool = option(False, "replace unreadable clips instead of stopping at the first")
    decision_weight: float = option(1.0, "how many answer tokens a question is worth in the loss")
    encoder_learning_rate: float | None = option(None, "learning rate of the audio encoder, if it has its own")
    early_stopping_patience: int | None = option(None, "stop after so many evaluations without a better eval_pcc")

    def __post_init__(self) -> None:
        """Check what no single field can tell."""
        if (self.model is None) == (self.audio_backbone is None or self.text_backbone is None):
            raise ValueError("give either `model` or both `audio_backbone` and `text_backbone`")
        if self.data is None:
            raise ValueError(f"`data` is missing: the folder of the {self.corpus} corpus")
        adapts = any(re.search(pattern, "model.adapter.linear.weight") for pattern in self.trainable or [])
        if self.lora_target and self.model is None and not adapts:
            raise ValueError("the adapter of a new judge is untrained: with LoRA, put `adapter` among `trainable`")
        if self.asking not in self.task_weights:
            raise ValueError(f"answer_form {self.answer_form} needs {self.asking!r} among the tasks, got {self.tasks}")

    @property
    def asking(self) -> str:
        """The task that scores are asked with."""
        return DECIDE if self.answer_form == "decision" else "score"

    @property
    def task_weights(self) -> dict[str, float]:
        """Weight per task."""
        parts = [task.partition("=") for task in self.tasks or [self.asking]]
        return {name: float(weight or 1) for name, _, weight in parts}


def load_judge(args: JudgeArguments, *, quantize: bool) -> tuple[Any, Any]:
    """The judge and its processor, from a judge or from two backbones."""
    quantization = nf4_config(whole_judge=args.model is not None) if quantize else None
    options: dict[str, Any] = {"dtype": getattr(torch, args.dtype), "quantization_config": quantization}
    if args.model is not None:
        model = AudioJudgeForCausalLM.from_pretrained(args.model, **options)
        return model, AudioJudgeProcessor.from_pretrained(args.model)
    parts: dict[str, Any] = {"audio": args.audio_backbone, "text": args.text_backbone}
    parts |= {"adapter": args.adapter, "adapter_tokens": args.adapter_tokens}
    model = AudioJudgeForCausalLM.from_backbones(**parts, **options)
    if quantize:  # the quantizer has put the language model on the accelerator, and nobody moves a quantized model
        for part in (model.model.audio_tower, model.model.adapter):
            part.to(model.lm_head.weight.device)
    return model, AudioJudgeProcessor.from_backbones(**parts)


def load_datasets(args: JudgeArguments, seed: int) -> tuple[Any, Any]:
    """Training examples by the mixture of tasks, and validation examples that ask for every score."""
    same: dict[str, Any] = {"seed": seed, "with_reference": args.with_reference}
    train = make_examples(read_clips(args, "train", seed), args.task_weights, variants=args.variants, **same)
    evaluation = make_examples(read_clips(args, "validation", seed), [args.asking], all_rubrics=True, **same)
    return to_dataset(train), to_dataset(evaluation)


def read_clips(args: JudgeArguments, split: Literal["train", "validation"], seed: int) -> list[RatedClip]:
    """The clips of a split, or a random choice of them."""
    read: Any = {"nisqa": read_nisqa, "simulated": read_simulated}[args.corpus]
    chosen = list(read(str(args.data), split))
    limit = args.max_train_clips if split == "train" else args.max_eval_clips
    return chosen if limit is None or limit >= len(chosen) else random.Random(seed).sample(chosen, limit)


def save_judge(trainer: AudioSFTTrainer, args: JudgeArguments, output_dir: Path) -> None:
    """Writes a whole judge; a LoRA goes to a folder of its own and is merged into unquantized weights."""
    if args.lora_target is None:
        trainer.save_model()  # pushes, too, if that is wanted
        return
    trainer.save_model(str(output_dir / "lora"), _internal_call=True)
    if trainer.is_world_process_zero():
        merged = merge_lora(load_judge(args, quantize=False)[0], str(output_dir / "lora"))
        for part in (merged, trainer.processing_class):
            part.save_pretrained(output_dir)
            if trainer.args.push_to_hub:
                part.push_to_hub(trainer.args.hub_model_id or output_dir.name)


def main(args: JudgeArguments, training_args: SFTConfig) -> AudioSFTTrainer:
    """Train, evaluate and save."""
    # Our collator does the work of TRL's preparation
    training_args.remove_unused_columns, training_args.max_length = False, None
    training_args.dataset_kwargs = {"skip_prepare_dataset": True}
    set_seed(training_args.seed)
    model, processor = load_judge(args, quantize=args.load_in_4bit)
    processor.answer_form = args.answer_form
    processor.window_seconds = args.max_seconds or processor.window_seconds
    if args.lora_target is None:
        select_trainable(model, args.trainable or ["."])
    else:
        training_args.hub_strategy = "end"  # checkpoints hold the LoRA only
        shape: dict[str, Any] = {"rank": args.lora_r, "alpha": args.lora_alpha, "dropout": args.lora_dropout}
        tokens = [processor.question_token_id] if DECIDE in args.task_weights else []
        model = add_lora(model, args.lora_target, args.trainable or [], tokens=tokens, **shape)
    train_dataset, eval_dataset = load_datasets(args, training_args.seed)
    collator = JudgeCollator(processor, max_seconds=args.max_seconds, random_crop=True, skip_bad=args.skip_bad)
    trainer = AudioSFTTrainer(
        model=model,
        args=training_args,
        data_collator=collator,
        train_dataset=train_dataset,
        eval_dataset=eval_dataset,
        processing_class=processor,
        compute_metrics=score_metrics(collator.rubrics),
        callbacks=[EarlyStoppingCallback(args.early_stopping_patience)] if args.early_stopping_patience else [],
        decision_weight=args.decision_weight,
        encoder_learning_rate=args.encoder_learning_rate,
    )
    resume: Any = training_args.resume_from_checkpoint
    trainer.train(resume_from_checkpoint=resume == "last" or resume)
    save_judge(trainer, args, Path(str(training_args.output_dir)))
    return trainer


if __name__ == "__main__":
    main(*TrlParser([JudgeArguments, SFTConfig]).parse_args_and_config())  # type: ignore[list-item]
