"""What of a model is trained (patterns, LoRA, 4 bit), and the checkpoint that a run goes on from."""

import difflib
import hashlib
import json
import logging
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import BitsAndBytesConfig
from transformers.modeling_outputs import BaseModelOutput
from transformers.trainer_utils import get_last_checkpoint

from audio_judge.configuration_audio_judge import audio_frame_steps, count_frames

logger = logging.getLogger(__name__)


class CheckpointError(RuntimeError):
    """A checkpoint could not be written; the one before is whole."""


def last_checkpoint(folder: str | Path) -> str:
    """Find the newest whole checkpoint of a run's output folder and take away what a killed run left half written after it.

    Raises:
        ValueError: If there is none.
    """
    while (found := get_last_checkpoint(str(folder))) is not None:
        if _is_whole(Path(found)):
            return found
        logger.warning("%s is not whole and is taken away", found)
        shutil.rmtree(found)
    raise ValueError(f"{folder}: no whole checkpoint to go on from; start without --resume_from_checkpoint")


def _is_whole(checkpoint: Path) -> bool:
    """The state of the trainer is what is written last."""
    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    # Written before it; a disk that was full may have left them out
    return (checkpoint / "optimizer.pt").exists() and (checkpoint / "scheduler.pt").exists()


def hear_once(tower: nn.Module) -> None:
    """Have a frozen encoder of our own remember the frames of every clip, in half precision, so that each is heard once.

    Raises:
        ValueError: If any of its weights is trained.
    """
    if any(parameter.requires_grad for parameter in tower.parameters()):
        raise ValueError("`hear_once` needs an encoder that is not trained: leave it out of `trainable`")
    hear, known = tower.forward, dict[bytes, torch.Tensor]()

    @torch.no_grad()
    def remember(input_features: torch.Tensor, attention_mask: torch.Tensor, **kwargs: Any) -> BaseModelOutput:
        lengths = attention_mask.sum(1).tolist()
        clips = [clip[: int(n)] for clip, n in zip(input_features, lengths, strict=True)]  # (frames, widths) each
        keys = [hashlib.sha1(clip.cpu().numpy().tobytes()).digest() for clip in clips]
        new = [row for row, key in enumerate(keys) if key not in known]
        if new:
            with torch.autocast(input_features.device.type, torch.bfloat16):  # what is kept is no more precise
                heard = hear(input_features[new], attention_mask[new], **kwargs).last_hidden_state
            steps = audio_frame_steps(tower.config)
            for row, frames in zip(new, heard, strict=True):
                known[keys[row]] = frames[: count_frames(int(lengths[row]), steps)].half()
        frames = [known[key].to(input_features) for key in keys]  # (frames, frame size) each
        return BaseModelOutput(last_hidden_state=nn.utils.rnn.pad_sequence(frames, batch_first=True))

    tower.forward = remember  # the instance's own, so that names of weights and what is saved stay as they are


@contextmanager
def same_dtypes(model: nn.Module) -> Iterator[None]:
    """Load a checkpoint into a model and leave every parameter in its precision.

    PEFT brings a LoRA that it loads to float32; with 4-bit weights it was trained in bfloat16 before.
    """
    dtypes = {name: parameter.dtype for name, parameter in model.named_parameters()}
    yield
    for name, parameter in model.named_parameters():
        if parameter.dtype != dtypes[name]:
            parameter.data = parameter.data.to(dtypes[name])


def select_trainable(model: nn.Module, patterns: Sequence[str]) -> list[str]:
    r"""Train the parameters whose names match and freeze all others.

    Args:
        model: Any module.
        patterns: Regular expressions, found anywhere in a name: ``.`` is everything, ``audio_tower.*\.q_proj`` the
            attention queries of the encoder, ``adapter`` the adapter.

    Returns:
        Names of the parameters that are trained now.

    Raises:
        ValueError: If a pattern matches nothing (the closest names are given), or matches quantized parameters.

    Example:
        >>> select_trainable(nn.ModuleDict({"adapter": nn.Linear(2, 2), "head": nn.Linear(2, 2)}), ["adapter"])
        ['adapter.weight', 'adapter.bias']
    """
    parameters = dict(model.named_parameters())
    selected = set[str]()
    for pattern in patterns:
        selected |= set(_matching(pattern, list(parameters)))
    quantized = [name for name in selected if not parameters[name].is_floating_point()]  # 4-bit weights are bytes
    if quantized:
        raise ValueError(f"{quantized[0]} is quantized and cannot be trained; leave it out and use `lora_target`")
    for name, parameter in parameters.items():
        parameter.requires_grad_(name in selected)
    return [name for name in parameters if name in selected]


def _matching(pattern: str, names: list[str]) -> list[str]:
    matching = [name for name in names if re.search(pattern, name)]
    if not matching:
        close = difflib.get_close_matches(pattern, names, n=3, cutoff=0.0)
        raise ValueError(f"pattern {pattern!r} matches no parameter; the closest are {', '.join(close)}")
    return matching


def add_lora(
    model: Any,
    target: str,
    trainable: Sequence[str] = (),
    *,
    tokens: Sequence[int] = (),
    rank: int = 16,
    alpha: int = 32,
    dropout: float = 0.05,
) -> Any:
    r"""Add LoRA to some Linear layers, and train some modules in full beside it.

    Args:
        model: A judge or a native audio language model.
        target: Regular expression that the whole name of a layer must match, such as
            ``.*language_model\.layers\.\d+\.self_attn\.(q_proj|k_proj)``; the encoder may have layers of the same names.
        trainable: Patterns as in ``select_trainable``; the modules that own these parameters are saved with the LoRA.
        tokens: Ids of tokens whose embeddings are trained, such as the judge's own that the language model never saw.
        rank: Of the update.
        alpha: Scaling of the update, divided by the rank.
        dropout: Before the update, 0 to 1.

    Returns:
        The model wrapped by PEFT.

    Raises:
        ValueError: If a pattern matches nothing.
    """
    from peft import LoraConfig, get_peft_model

    layers = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    if not any(re.fullmatch(target, name) for name in layers):
        close = difflib.get_close_matches(target, layers, n=3, cutoff=0.0)
        raise ValueError(f"lora_target {target!r} matches no layer in full; the closest are {', '.join(close)}")
    selected = select_trainable(model, trainable) if trainable else []
    # PEFT freezes everything else and takes modules, not parameters
    modules = list(dict.fromkeys(name.rpartition(".")[0] for name in selected))
    config = LoraConfig(
        r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=target, modules_to_save=modules or None,
        trainable_token_indices={"embed_tokens": list(tokens)} if tokens else None, task_type="CAUSAL_LM",
    )  # fmt: skip
    return get_peft_model(model, config)


def merge_lora(base: Any, folder: str) -> Any:
    """Fold the LoRA of a folder, and the modules saved with it, into the unquantized model that it was trained on."""
    from peft import PeftModel

    return PeftModel.from_pretrained(base, folder).merge_and_unload()


def nf4_config(whole_judge: bool) -> BitsAndBytesConfig:
    """Describe a language model in 4 bits: nf4 with double quantization, computing in bfloat16.

    In a whole judge, ours or a native audio language model, encoders, adapter and head stay as they are.
    """
    parts = ["audio_tower", "visual", "adapter", "multi_modal_projector"]
    parts += ["embed_tokens_extend"]  # Phi-4
    parts += ["encoder", "projector"]  # Granite Speech
    parts += ["vision_tower", "embed_audio", "embed_vision"]  # Gemma
    skipped = [*(rf"(.*\.)?{part}" for part in parts), "lm_head"]  # matched from the root of the model
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
        llm_int8_skip_modules=skipped if whole_judge else None,
    )
