"""What of a model is trained (patterns, LoRA, 4 bit), and the checkpoint that a run goes on from."""

import difflib
import hashlib
import json
import logging
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import BitsAndBytesConfig
from transformers.modeling_outputs import BaseModelOutput
from transformers.trainer_utils import get_last_checkpoint

from audio_judge.configuration_audio_judge import audio_frame_steps, count_frames
from audio_judge.modeling_audio_judge import AudioJudgeModel
from audio_judge.training.checks import in_float32

logger = logging.getLogger(__name__)

# Share of an update that is left after rounding with which a merged model is kept in its precision
ENOUGH = 0.95


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


def checkpoint_of(trainer: Any) -> str | bool | None:
    """Find where a trainer goes on: what it was given, and for ``last`` the newest whole checkpoint.

    Raises:
        ValueError: If there is none.
    """
    given: str | bool | None = trainer.args.resume_from_checkpoint
    if given != "last":
        return given
    # The first process takes away what is not whole, then the others find the same checkpoint
    with trainer.accelerator.main_process_first():
        return last_checkpoint(trainer.args.output_dir)


def _is_whole(checkpoint: Path) -> bool:
    """The state of the trainer is what is written last."""
    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    # Written before it; a disk that was full may have left them out. The last three are DeepSpeed's and FSDP's
    optimizers = ("optimizer.pt", "latest", "optimizer.bin", "optimizer_0")
    return any((checkpoint / name).exists() for name in optimizers) and (checkpoint / "scheduler.pt").exists()


@contextmanager
def whole_weights() -> Iterator[None]:
    """Have each process make models whole: ZeRO-3 would share them out as they are made, before they are put together."""
    from transformers.integrations import deepspeed

    reference = deepspeed._hf_deepspeed_config_weak_ref
    config = None if reference is None else reference()
    deepspeed.unset_hf_deepspeed_config()
    try:
        yield
    finally:
        if config is not None:
            deepspeed.set_hf_deepspeed_config(config)


def hear_once(tower: nn.Module) -> None:
    """Have a frozen encoder of our own remember the frames of every clip, in half precision, so that each is heard once.

    Raises:
        ValueError: If any of its weights is trained, or it is none of ours.
    """
    config: Any = tower.config
    if not config.model_type.startswith("audio_judge"):
        raise ValueError(f"`hear_once` remembers encoders of our own, and this is {config.model_type!r}: leave it out")
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


def hear_copies_once(model: nn.Module) -> None:
    """Have a judge of ours encode clips of a batch that are the same once: each answer to a prompt brings its own copy.

    A native audio language model stays as it is.
    """
    judge: Any = next((part for part in model.modules() if isinstance(part, AudioJudgeModel)), None)
    if judge is None:
        return
    encode = judge.encode_audio

    def encode_once(
        input_features: torch.Tensor, input_features_mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        parts = [input_features] if input_features_mask is None else [input_features, input_features_mask]
        keys = [b"".join(map(_digest, clip)) for clip in zip(*parts, strict=True)]
        rows = {key: row for row, key in reversed(list(enumerate(keys)))}  # the first one of each
        place = {key: number for number, key in enumerate(rows)}
        kept = list(rows.values())
        mask = None if input_features_mask is None else input_features_mask[kept]
        frames, lengths = encode(
            input_features[kept], mask
        )  # (different clips, frames, frame size), (different clips,)
        owner = [place[key] for key in keys]
        return frames[owner], lengths[owner]

    judge.encode_audio = encode_once


def _digest(tensor: torch.Tensor) -> bytes:
    return hashlib.sha1(tensor.float().cpu().numpy().tobytes()).digest()


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
    in_float32(model)
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
        tokens: Ids of tokens whose input embeddings are trained, such as the judge's own that the language model never saw.
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
        trainable_token_indices=list(tokens) or None, task_type="CAUSAL_LM",
    )  # fmt: skip
    wrapped = get_peft_model(model, config)
    train_rows_alone(wrapped)
    in_float32(wrapped)
    return wrapped


def train_rows_alone(model: nn.Module) -> None:
    """Have what trains some rows of an embedding, and of a head tied to it, compute with these rows beside the frozen rest.

    PEFT copies the whole weight in every pass and makes a gradient of all of it: of 262 k rows, most of a small model's step.

    Args:
        model: Wrapped by PEFT; its names and what is saved stay as they are.
    """
    from peft.tuners.trainable_tokens import TrainableTokensLayer

    for layer in model.modules():
        if isinstance(layer, TrainableTokensLayer):
            layer.forward_adapters = partial(_forward_rows, layer, layer.forward_adapters)  # type: ignore[method-assign]


def _forward_rows(layer: Any, usual: Any, inputs: torch.Tensor, active: Sequence[str], *args: Any) -> torch.Tensor:
    """What a ``TrainableTokensLayer`` makes of token ids (...) or final states (..., hidden size)."""
    if layer.disable_adapters or layer.merged or not active:
        return usual(inputs, active, *args)
    base = layer.base_layer
    outputs = base(inputs, *args)  # (..., hidden size) of an embedding, (..., vocabulary) of a head
    for name in active:
        ids = torch.tensor(layer.token_indices[name], device=inputs.device)  # (rows,)
        rows = layer.trainable_tokens_delta[name]  # (rows, hidden size)
        if isinstance(base, nn.Embedding):
            scale = layer._get_embed_scale()  # Gemma's embeddings multiply what they look up
            rows = rows if scale is None else rows * scale.to(rows)
            found = inputs[..., None] == ids  # (..., rows)
            known = rows[found.int().argmax(-1)].to(outputs)  # (..., hidden size)
            outputs = torch.where(found.any(-1)[..., None], known, outputs)
        else:
            logits = nn.functional.linear(inputs, rows.to(inputs), None if base.bias is None else base.bias[ids])
            outputs = outputs.index_copy(-1, ids, logits.to(outputs))
    return outputs


def merge_lora(base: Any, folder: str) -> Any:
    """Fold the LoRA of a folder, and the modules saved with it, into the unquantized model that it was trained on.

    Args:
        base: The model; its precision is kept if it can hold the update, else float32 is taken.
        folder: What PEFT has saved.

    Returns:
        The whole model, all of it in one precision.
    """
    from peft import PeftConfig, PeftModel

    config, dtype = PeftConfig.from_pretrained(folder), base.get_input_embeddings().weight.dtype
    # PEFT loads what was trained in full, or token by token, in the precision of what it takes the place of
    for name in config.modules_to_save or []:
        base.get_submodule(name).float()
    if config.trainable_token_indices:
        base.get_input_embeddings().float()
    wrapped = PeftModel.from_pretrained(base, folder)
    kept = update_kept(wrapped, dtype)
    if kept < ENOUGH:
        print(f"only {kept:.0%} of what was trained would be left in {dtype}: written in float32", flush=True)
        dtype = torch.float32
        wrapped.float()
    return wrapped.merge_and_unload().to(dtype)


@torch.no_grad()
def update_kept(model: nn.Module, dtype: torch.dtype) -> float:
    """Measure how much of what a LoRA, and modules trained beside it, change is left once weights are rounded.

    Rounding to bfloat16 takes away what is less than about 0.4 % of a weight; a short run, or one with small steps, may
    have changed no more than that.

    Args:
        model: Wrapped by PEFT.
        dtype: To which weights would be rounded.

    Returns:
        Projection of the rounded update on the update, mean over the tensors that were changed; 1 is all of it.
    """
    shares = [
        float((((weight + change).to(dtype).float() - weight) * change).sum() / change.square().sum())
        for weight, change in _changes(model)
        if change.any()
    ]
    return sum(shares) / len(shares) if shares else 1.0


def _changes(model: nn.Module) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Weights before and what is added to them, float32 both."""
    from peft.tuners.lora import LoraLayer
    from peft.utils.other import ModulesToSaveWrapper

    for module in model.modules():
        if isinstance(module, LoraLayer):
            layer: Any = module
            yield layer.get_base_layer().weight.float(), layer.get_delta_weight("default").float()
        elif isinstance(module, ModulesToSaveWrapper):
            own = module.modules_to_save["default"].parameters()
            for before, after in zip(module.original_module.parameters(), own, strict=True):
                yield before.float(), after.float() - before.float()


def nf4_config(whole_judge: bool, compute: torch.dtype = torch.bfloat16) -> BitsAndBytesConfig:
    """Describe a language model in 4 bits: nf4 with double quantization, computing in another precision.

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
        bnb_4bit_compute_dtype=compute,
        llm_int8_skip_modules=skipped if whole_judge else None,
    )
