"""The run of a training script that is given no arguments, and validation before and after a run, in words.

``accelerate launch train_sft.py`` and ``accelerate launch train_grpo.py`` train the mini judge on ``examples/rated`` by the
recipe ``example.yaml``, in a minute on a CPU.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# Of the figures of an evaluation, those that say nothing about the judge
_ASIDE = ("runtime", "samples_per_second", "steps_per_second", "num_tokens", "num_input_tokens_seen")
_REAL_WORK = """
That was an example: {recipe}, on synthetic clips rated by rule. Its judge is in {output}, and knows nothing new about listeners.
For real work, say what to learn from and how:
  accelerate launch {script} --config {recipe} --corpus READER --data FOLDER --output_dir runs/own
  READER is one of `audio-judge ls corpora`, FOLDER what it reads, with a training and a validation split
  recipes/{kind}/*.yaml are those of published systems; docs/training/index.md says what each needs"""


def command_line(script: str | Path) -> list[str]:
    """Say what a training script was given; given nothing, it runs the example beside it.

    Args:
        script: Its file.
    """
    return sys.argv[1:] or example_arguments(script)


def example_arguments(script: str | Path) -> list[str]:
    """Say what a script's example run would be given, from wherever it is started."""
    root = Path(os.path.relpath(Path(script).resolve().parent))
    places = {"config": root / "recipes" / _kind(script) / "example.yaml"}
    places |= {"model": root / "checkpoints" / "mini", "data": root / "examples" / "rated"}
    return [part for name, place in places.items() for part in (f"--{name}", str(place))]


def _kind(script: str | Path) -> str:
    return Path(script).stem.removeprefix("train_")


def what_next(script: str | Path, output_dir: str | Path) -> str:
    """Say what to pass for real work, after an example run; nothing after any other."""
    if sys.argv[1:]:
        return ""
    kind = _kind(script)
    names = {"recipe": f"recipes/{kind}/example.yaml", "script": Path(script).name, "kind": kind}
    return _REAL_WORK.format(output=output_dir, **names)


def validation_table(before: Mapping[str, float], after: Mapping[str, float]) -> str:
    """Set the figures of two evaluations side by side.

    Args:
        before: Name to figure, as trainers log them, such as ``eval_pcc``.

    Example:
        >>> print(validation_table({"eval_pcc": 0.5, "eval_runtime": 3.0}, {"eval_pcc": 0.75, "eval_runtime": 2.0}))
        validation  before  after
        pcc           0.50   0.75
    """
    known = {name.removeprefix("eval_"): name for name in before if name.startswith("eval_") and name in after}
    # What has a slash is there without it, too, but for the reward of an evaluator and its criteria
    names = [
        name
        for name in known
        if name not in _ASIDE and ("/" not in name or name.startswith(("rewards/evaluator", "evaluator/")))
    ]
    width = max(map(len, ["validation", *names]))
    rows = [f"{name:{width}}  {before[known[name]]:6.2f}  {after[known[name]]:5.2f}" for name in names]
    return "\n".join([f"{'validation':{width}}  before  after", *rows])


def logged_validation(log_history: Sequence[Mapping[str, float]], best_step: int | None) -> str:
    """Set what a trainer logged before its first step beside what it logged last, or at its best step.

    Args:
        log_history: Of the trainer's state.
        best_step: Step whose weights were loaded in the end; None if the last ones stay.

    Returns:
        A table; nothing if there was no evaluation before the first step, or none after it.
    """
    rows = [row for row in log_history if any(name.startswith("eval_") for name in row)]
    later = [row for row in rows if row["step"] and best_step in (None, row["step"])]
    return validation_table(rows[0], later[-1]) if later and not rows[0]["step"] else ""


def tell(trainer: Any, text: str) -> None:
    """Print a text, if it is not empty, by one process of those that run a trainer."""
    if text and trainer.is_world_process_zero():
        print(text, flush=True)
