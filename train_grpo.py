# /// script
# requires-python = ">=3.11"
# dependencies = ["audio-judge[train]"]
# ///
"""Train a judge, or a native audio language model, on rewards of what it writes (GRPO), by a recipe.

A first look, in a minute on a CPU: the mini judge on `examples/rated`, by `recipes/grpo/example.yaml`:

    accelerate launch train_grpo.py

The mini judge on a CPU, on two CPU processes, on from the last checkpoint; SQ-LLM on four GPUs with an evaluator:

    python train_grpo.py --config recipes/grpo/mini.yaml --data CORPUS --output_dir runs/mini-grpo
    torchrun --nproc_per_node 2 train_grpo.py --config recipes/grpo/mini.yaml --data CORPUS --output_dir runs/mini-grpo
    python train_grpo.py --config recipes/grpo/mini.yaml --data ... --output_dir ... --resume_from_checkpoint last
    accelerate launch --num_processes 4 --config_file recipes/accelerate/zero2.yaml train_grpo.py \
        --config recipes/grpo/sq_llm.yaml --train_file train.parquet --eval_file validation.parquet \
        --evaluator http://localhost:8000/v1

Keys of a recipe are fields of `GRPOArguments` and of TRL's `GRPOConfig`; the command line wins over the recipe. The
output folder gets the model, `results.json` (the trial of the evaluator, validation before and after) and, with
`log_completions`, tables of the answers and their rewards. An evaluator is tried before training, and refused if it cannot
tell true answers from others.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import audio_judge  # noqa: F401  # isort: skip  (before peft, which it keeps quiet)

import torch
from accelerate import PartialState
from transformers import set_seed
from trl import GRPOConfig

from audio_judge.data.files import read_examples
from audio_judge.data.instructions import Manner, make_instructions
from audio_judge.data.weights import named_weights
from audio_judge.judge.native import load_audio_model
from audio_judge.text_models.backends import key_in, read_fields
from audio_judge.text_models.evaluator import EvaluatorDownError, make_evaluator
from audio_judge.training.arguments import (
    DeviceParser,
    TuningArguments,
    at_most,
    check_sharding,
    choose_trained,
    option,
    quantization,
    refuse_idle,
    save_whole,
    settle_precision,
    watch_weights,
)
from audio_judge.training.example import command_line, tell, validation_table, what_next
from audio_judge.training.grpo import AudioGRPOTrainer
from audio_judge.training.notes import learned_from, note
from audio_judge.training.reward_rows import RewardRow, make_rows, to_dataset
from audio_judge.training.rewards import EVALUATOR, EvaluatorReward, make_rewards, read_weights
from audio_judge.training.trial import PoorEvaluatorError, try_evaluator
from audio_judge.training.tuning import CheckpointError, checkpoint_of, whole_weights


@dataclass
class GRPOArguments(TuningArguments):
    """What is trained, on what, and what is rewarded."""

    model: str = option("", "judge or native audio language model to train: folder or Hub id")
    lora_r: int = option(8, "rank of the LoRA")
    lora_dropout: float = option(0.0, "dropout of the LoRA")
    train_file: str | None = option(None, "examples that `audio-judge data` wrote, .jsonl or .parquet")
    eval_file: str | None = option(None, "the same for validation")
    held_out_phrasings: bool = option(False, "of `data`: validate in phrasings that no training uses")
    max_train_prompts: int | None = option(None, "random choice of so many training prompts")
    max_eval_prompts: int | None = option(None, "random choice of so many validation prompts")
    rewards: list[str] | None = option(None, "rewards and weights, such as agreement=1 format=0.5")  # noqa: RUF009
    evaluator: str | None = option(None, "address of a server, folder or Hub id of the model that grades")
    evaluator_model: str | None = option(None, "name of the model, of a server that has several")
    evaluator_form: Literal["auto", "decision", "expected", "chat"] = option(
        "auto", "how it is asked; auto takes the first of the others that it answers"
    )
    evaluator_weights: list[str] | None = option(None, "weights of its criteria, such as accuracy=2")  # noqa: RUF009
    evaluator_cache: str | None = option(None, "folder of the evaluator's replies")
    evaluator_thinking: bool | None = option(
        None, "does the evaluator think before it grades, in chat? its habit if unset"
    )
    evaluator_max_tokens: int | None = option(
        None, "its longest reply in chat, thought included: 64, or 2048 if it thinks"
    )
    evaluator_timeout: float = option(120.0, "longest wait for a reply of a server, in seconds")
    evaluator_concurrency: int = option(8, "requests at a time, of each process")
    evaluator_api_key_variable: str | None = option(None, "environment variable that holds the server's key")
    evaluator_extra: str | None = option(None, "more fields of a chat request, as a JSON object")
    evaluator_trial: int = option(8, "rows on which the evaluator is tried before training; 0 for no trial")
    evaluator_least_right: float = option(
        0.6, "share of true answers it must rank above contradictions and above gibberish; 0 to train in any case"
    )

    def __post_init__(self) -> None:
        """Check what no single field can tell."""
        if not self.model:
            raise ValueError("`model` is missing: a trained judge, as rewards only sharpen what a model can do")
        if bool(self.data) == bool(self.train_file):
            raise ValueError("give either `data`, the folder of a corpus, or `train_file`")
        super().__post_init__()
        if self.data is not None:
            refuse_idle(self, ("eval_file",), "`data` has a validation split of its own")
        weights = read_weights(self.rewards or [])
        if (EVALUATOR in weights) != (self.evaluator is not None):
            raise ValueError(f"rewards {', '.join(weights)}: `evaluator` and its reward are given together")
        if self.evaluator is None:
            names = [field.name for field in fields(self) if field.name.startswith("evaluator_")]
            refuse_idle(self, names, "`evaluator` is not given")
        if self.evaluator_trial < 0 or not 0 <= self.evaluator_least_right <= 1:
            raise ValueError(
                f"evaluator_trial {self.evaluator_trial}, evaluator_least_right {self.evaluator_least_right}; "
                "0 or more and 0 to 1 are needed"
            )


def load_rows(args: GRPOArguments, split: str, seed: int) -> list[RewardRow]:
    """The rows of a split, or a random choice of them; none if there is no file for it."""
    file, limit = (
        (args.train_file, args.max_train_prompts) if split == "train" else (args.eval_file, args.max_eval_prompts)
    )
    if args.data is None and file is None:
        return []
    rows = make_rows(corpus_examples(args, split, seed) if args.data is not None else read_examples(Path(str(file))))
    return at_most(rows, limit, seed)


def corpus_examples(args: GRPOArguments, split: str, seed: int) -> Any:
    """Examples of a corpus; validation asks for every rubric."""
    unseen = split != "train"
    manner = Manner(args.with_reference, all_rubrics=unseen, held_out=unseen and args.held_out_phrasings)
    weights = named_weights(args.tasks or ["explain"])
    return make_instructions(args.read(split), weights, seed=seed, manner=manner)


@whole_weights()
def load_model(args: GRPOArguments, quantized: Any = None) -> tuple[Any, Any]:
    """The model in its precision, and its processor."""
    options: dict[str, Any] = {"dtype": getattr(torch, args.dtype)}
    options |= {} if quantized is None else {"quantization_config": quantized}
    return load_audio_model(args.model, **options)


def choose_rewards(args: GRPOArguments) -> tuple[list[Any], list[float]]:
    """The functions and weights of a recipe, with its evaluator if it names one."""
    evaluator = None
    if args.evaluator is not None:
        evaluator = make_evaluator(
            args.evaluator,
            model=args.evaluator_model,
            form=args.evaluator_form,
            cache=args.evaluator_cache,
            thinking=args.evaluator_thinking,
            max_tokens=args.evaluator_max_tokens,
            timeout=args.evaluator_timeout,
            concurrency=args.evaluator_concurrency,
            api_key=key_in(args.evaluator_api_key_variable),
            extra=read_fields(args.evaluator_extra, "evaluator_extra"),
        )
    if args.evaluator_weights is None:
        return make_rewards(args.rewards or [], evaluator)
    return make_rewards(args.rewards or [], evaluator, named_weights(args.evaluator_weights))


def check_evaluator(
    args: GRPOArguments, functions: Sequence[Any], rows: Sequence[RewardRow], output: Path, seed: int
) -> None:
    """Try the evaluator, if there is one, once for all processes; refuse one from which nothing can be learned."""
    judged = [one for one in functions if isinstance(one, EvaluatorReward)]
    if not judged or not args.evaluator_trial or not PartialState().is_main_process:
        return
    trial = try_evaluator(judged[0].evaluator, rows, args.evaluator_trial, weights=judged[0].weights, seed=seed)
    print(trial, flush=True)
    add_results(output, {"evaluator": asdict(trial)})
    if trial.share < args.evaluator_least_right:
        raise PoorEvaluatorError(
            f"evaluator {args.evaluator}: ranks {trial.share:.0%} of true answers right, and `evaluator_least_right` is "
            f"{args.evaluator_least_right:.0%}: what it likes instead would be learned; take a better one, or another "
            "evaluator_form, or give --evaluator_least_right 0"
        )


def add_results(output: Path, found: Mapping[str, Any]) -> None:
    """Add to `results.json`."""
    path = output / "results.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(known | dict(found), indent=2) + "\n")


def note_results(trainer: AudioGRPOTrainer, name: str) -> dict[str, float]:
    """Evaluates, adds the numbers to `results.json` under `before` or `after`, and gives them; none without prompts."""
    if trainer.eval_dataset is None:
        return {}
    metrics = trainer.evaluate()
    if trainer.is_world_process_zero():
        add_results(Path(str(trainer.args.output_dir)), {name: metrics})
    return metrics


def make_trainer(args: GRPOArguments, training_args: GRPOConfig) -> AudioGRPOTrainer:
    """The trainer of a recipe with its data; a slip in rewards or data shows before the model is loaded."""
    functions, training_args.reward_weights = choose_rewards(args)
    rows, evaluation = (load_rows(args, split, training_args.seed) for split in ("train", "validation"))
    check_sharding(args, training_args, needs_whole="writing answers")
    if not training_args.resume_from_checkpoint:
        check_evaluator(args, functions, rows, Path(str(training_args.output_dir)), training_args.seed)
    settle_precision(args, training_args)
    model, processor = load_model(args, quantization(args, training_args, whole_judge=True))
    note(model, processor, learned_from(rows), args.max_seconds)
    return AudioGRPOTrainer(
        model=choose_trained(args, model),
        args=training_args,
        reward_funcs=functions,
        train_dataset=to_dataset(rows),
        eval_dataset=to_dataset(evaluation) if evaluation else None,
        processing_class=processor,
        max_seconds=args.max_seconds,
        callbacks=[watch_weights(args)],
    )


def main(args: GRPOArguments, training_args: GRPOConfig) -> AudioGRPOTrainer:
    """Evaluate, train, evaluate and save."""
    set_seed(training_args.seed)
    trainer = make_trainer(args, training_args)
    resume = checkpoint_of(trainer)
    before = {} if resume else note_results(trainer, "before")
    trainer.train(resume_from_checkpoint=resume)
    after = note_results(trainer, "after")
    reload = None if args.lora_target is None else lambda: load_model(args)[0]
    save_whole(trainer, Path(str(training_args.output_dir)), reload)
    tell(trainer, validation_table(before, after) if before else "")
    return trainer


if __name__ == "__main__":
    try:
        parser = DeviceParser([GRPOArguments, GRPOConfig])
        done = main(*parser.parse_args_and_config(command_line(__file__)))
        tell(done, what_next(__file__, str(done.args.output_dir)))
    except PoorEvaluatorError as error:
        sys.exit(f"stopped: {error}")
    except (EvaluatorDownError, CheckpointError) as error:
        sys.exit(f"stopped: {error}\nCheckpoints are whole; go on with --resume_from_checkpoint last")
