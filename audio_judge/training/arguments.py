"""What the training scripts share: fields of a recipe, weights on the command line, and how a trained model is saved."""

from collections.abc import Callable, Iterable
from dataclasses import field
from pathlib import Path
from typing import Any

from audio_judge.training.tuning import merge_lora


def option(default: Any, text: str) -> Any:
    """Make a field of a dataclass of options.

    Args:
        default: Its default.
        text: Its help text.
    """
    return field(default=default, metadata={"help": text})


def named_weights(texts: Iterable[str]) -> dict[str, float]:
    """Read names with weights, such as tasks of a recipe.

    Args:
        texts: ``name`` or ``name=weight``.

    Returns:
        Name to weight, 1 where none is given.

    Raises:
        ValueError: If a weight is no number.

    Example:
        >>> named_weights(["decide=9", "explain"])
        {'decide': 9.0, 'explain': 1.0}
    """
    return {name: float(weight or 1) for name, _, weight in (text.partition("=") for text in texts)}


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
    if trainer.is_world_process_zero():
        merged = merge_lora(reload(), str(output_dir / "lora"))
        for part in (merged, trainer.processing_class):
            part.save_pretrained(output_dir)
            if trainer.args.push_to_hub:
                part.push_to_hub(trainer.args.hub_model_id or output_dir.name)
