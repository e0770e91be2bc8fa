"""What no training run does in silence: train weights that nothing reaches or that do not move, or load half a checkpoint."""

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn
from transformers import PreTrainedModel, TrainerCallback

from audio_judge.modeling_audio_judge import AudioJudgeSpokenEncoder, SpanHead

logger = logging.getLogger(__name__)

# Values of a tensor that are compared before and after a step; of larger ones, so many at even distances
SAMPLE = 2**20


def trained(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that are trained, by name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def in_float32(model: nn.Module) -> None:
    """Bring what is trained to float32: a step of 4e-5 is less than half the distance from 0.02 to its neighbour in bfloat16."""
    for parameter in trained(model).values():
        parameter.data = parameter.data.float()


@contextmanager
def float32_kept(model: nn.Module) -> Iterator[None]:
    """Let a library work on a model, and put what is trained back where that has narrowed it, as TRL does beside 4 bits."""
    before = {name: parameter.data for name, parameter in trained(model).items()}
    yield
    for name, parameter in trained(model).items():
        if parameter.dtype != torch.float32 and before[name].dtype == torch.float32:
            parameter.data = before[name].to(parameter.device)


def list_names(names: Iterable[str]) -> str:
    """Some of many names, without what PEFT puts around them."""
    short = [re.sub(r"^base_model\.model\.|\.(modules_to_save\.)?default(?=\.|$)", "", name) for name in names]
    return ", ".join(short[:10]) + (f" and {len(short) - 10} more" if len(short) > 10 else "")


class TrainedWeights(TrainerCallback):
    """Stops a run in its first step if nothing reaches what shall be trained, and prints once how much a step changes.

    The step that is measured is the second one after the warm-up, or the first one later that changes anything: before, steps
    may be too small to be seen, and the first matrix of a LoRA moves once the second has.

    Args:
        chosen: Whether someone chose what is trained; else what nothing reaches (a part for images, say) is named only.
    """

    def __init__(self, chosen: bool) -> None:
        self.chosen = chosen
        self._reached: set[str] | None = set()
        self._hooks: list[Any] = []
        self._before: dict[str, torch.Tensor] = {}
        self._measured_step = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Watch which parameters get a gradient."""
        self._measured_step = max(state.global_step + 1, args.get_warmup_steps(state.max_steps) + 2)
        self._measured_step = min(self._measured_step, state.max_steps)
        reached = self._reached = set()
        for name, parameter in trained(model).items():
            # DeepSpeed has taken the gradients away when a step ends
            self._hooks.append(parameter.register_hook(lambda _, name=name: reached.add(name)))

    def on_step_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Note the weights before the step that is measured."""
        if state.global_step + 1 == self._measured_step:
            self._before = {name: sample(parameter) for name, parameter in trained(model).items()}

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Check the gradients of the first step.

        Raises:
            ValueError: If something chosen got none; not if it is only used for some questions.
        """
        if self._reached is None:
            return
        while self._hooks:
            self._hooks.pop().remove()
        # What FSDP gives gradients to are shards, which no hook sees
        reached = self._reached | {name for name, one in trained(model).items() if one.grad is not None}
        self._reached = None
        at_times = tuple(name + "." for name, module in model.named_modules() if _is_used_at_times(module))
        names = [name for name in trained(model) if name not in reached and not name.startswith(at_times)]
        if names and self.chosen:
            raise ValueError(
                f"{len(names)} of {len(trained(model))} tensors that shall be trained get no gradient: {list_names(names)}; "
                "have `trainable` and `lora_target` match only what the loss depends on"
            )
        if names and state.is_world_process_zero:
            print(f"{len(names)} tensors get no gradient and stay as they are: {list_names(names)}", flush=True)

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Tell what the step has changed."""
        if state.global_step != self._measured_step or not self._before:
            return
        # Share of each tensor, and how many numbers it has
        shares = {
            name: float((sample(one) != self._before[name]).float().mean()) for name, one in trained(model).items()
        }
        sizes = {name: one.numel() for name, one in trained(model).items()}
        self._before = {}
        if not any(shares.values()) and state.global_step < state.max_steps:
            self._measured_step += 1  # a step without a gradient, as when all answers to a prompt earn the same
            return
        if state.is_world_process_zero:
            share = sum(shares[name] * sizes[name] for name in shares) / max(1, sum(sizes.values()))
            print(f"step {state.global_step} changed {share:.1%} of the trained weights", flush=True)
            unmoved = [name for name, share in shares.items() if share == 0 and sizes[name]]
            if unmoved:
                logger.warning(
                    "step %d left %d whole tensors as they were: %s",
                    state.global_step,
                    len(unmoved),
                    list_names(unmoved),
                )


def _is_used_at_times(module: nn.Module) -> bool:
    """Whether some batches have no use for a module: questions about when, about fluency, or any at all."""
    from peft.tuners.trainable_tokens import TrainableTokensLayer

    return isinstance(module, (SpanHead, AudioJudgeSpokenEncoder, TrainableTokensLayer))


def sample(parameter: nn.Parameter) -> torch.Tensor:
    """Copy values of a parameter, at most about ``SAMPLE`` of them, from where the optimizer keeps them in full precision.

    Returns:
        (values,) on the CPU; of a sharded parameter, values of this process's part.
    """
    values = in_full_precision(parameter)
    return values.flatten()[:: 1 + values.numel() // SAMPLE].to("cpu", copy=True)


def in_full_precision(parameter: nn.Parameter) -> Any:
    """The values that the optimizer steps; of a parameter that FSDP shards, this process's. With DeepSpeed all must ask."""
    values: Any = parameter.detach()
    if hasattr(parameter, "ds_id") or hasattr(parameter, "_hp_mapping"):
        from deepspeed.utils import safe_get_full_fp32_param

        return safe_get_full_fp32_param(parameter)
    return values.to_local() if hasattr(values, "to_local") else values


class CheckedTrainer:
    """Before a trainer of transformers or TRL among the bases of a class: trained weights stay in float32, checkpoints whole.

    Raises:
        ValueError: If a checkpoint that is gone on from does not fit the model, tensor by tensor.
    """

    model: Any
    args: Any
    state: Any
    _in_full: Mapping[str, torch.Tensor] = {}  # what DeepSpeed's optimizer has of the weights that are saved now

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        with float32_kept(kwargs["model"]):
            super().__init__(*args, **kwargs)

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """As the base class; the polynomial schedule asks an optimizer for what DeepSpeed's has inside only."""
        sharded = getattr(optimizer or self.optimizer, "optimizer", None)  # type: ignore[attr-defined]
        if self.is_deepspeed_enabled and not hasattr(sharded, "defaults"):  # type: ignore[attr-defined]
            sharded.defaults = sharded.optimizer.defaults  # type: ignore[union-attr]
        return super().create_scheduler(num_training_steps, optimizer)  # type: ignore[misc]

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if not self._load_whole(resume_from_checkpoint):
            super()._load_from_checkpoint(resume_from_checkpoint, model)  # type: ignore[misc]
            self._check_lora(resume_from_checkpoint)

    def _load_best_model(self) -> None:
        if not self._load_whole(self.state.best_model_checkpoint):
            super()._load_best_model()  # type: ignore[misc]
            self._check_lora(self.state.best_model_checkpoint)

    def _load_whole(self, folder: str) -> bool:
        """Load a checkpoint of a model that is neither sharded nor a LoRA; whether it is one.

        The base class takes the tensors by their names in the file, which are older ones of some models.
        """
        if self.is_deepspeed_enabled or self.is_fsdp_enabled or not isinstance(self.model, PreTrainedModel):  # type: ignore[attr-defined]
            return False
        logger.info("Loading model from %s", folder)
        # (model, names by what is wrong with them)
        read: Any = type(self.model).from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
        loaded, found = read
        kinds = ("missing_keys", "unexpected_keys", "mismatched_keys")
        check_fit(folder, {kind.removesuffix("_keys"): found[kind] for kind in kinds})
        self.model.load_state_dict(loaded.state_dict())
        return True

    def _check_lora(self, folder: str) -> None:
        """Compare the LoRA of a checkpoint with the one in memory."""
        file = Path(folder) / "adapter_model.safetensors"
        if self.is_deepspeed_enabled or self.is_fsdp_enabled or not file.exists():  # type: ignore[attr-defined]
            return
        from peft import get_peft_model_state_dict

        saved, own = load_file(file), get_peft_model_state_dict(self.model)
        wrong = [name for name in saved.keys() & own.keys() if not torch.equal(saved[name].to(own[name]), own[name])]
        check_fit(
            folder, {"missing": own.keys() - saved.keys(), "unexpected": saved.keys() - own.keys(), "mismatched": wrong}
        )

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """As the base class; under DeepSpeed, whose model is in bfloat16, what was trained is saved as its optimizer has it."""
        self._in_full = self._gathered() if self.is_deepspeed_enabled else {}  # type: ignore[attr-defined]
        super().save_model(output_dir, _internal_call)  # type: ignore[misc]
        self._in_full = {}

    def _gathered(self) -> dict[str, torch.Tensor]:
        """The trained weights in float32 by all their names; all processes must ask, the first gets them."""
        known: dict[int, torch.Tensor | None] = {}
        for parameter in trained(self.model).values():
            values = in_full_precision(parameter)
            known[id(parameter)] = values.cpu() if values is not None and self.args.should_save else None
        named = self.model.named_parameters(remove_duplicate=False)
        return {name: values for name, one in named if (values := known.get(id(one))) is not None}

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """As the base class; what was trained in float32 is loaded in it, even if most weights are frozen in less."""
        if self._in_full:
            state_dict = {**(self.model.state_dict() if state_dict is None else state_dict), **self._in_full}
        super()._save(output_dir, state_dict)  # type: ignore[misc]
        config = Path(output_dir or self.args.output_dir) / "config.json"
        if self.args.should_save and config.exists():
            content = json.loads(config.read_text(encoding="utf-8"))
            config.write_text(json.dumps(content | {"dtype": "float32"}, indent=2) + "\n", encoding="utf-8")


def check_fit(folder: str, wrong: Mapping[str, Iterable[Any]]) -> None:
    """Refuse a checkpoint that was not used to the last tensor.

    Raises:
        ValueError: If there are any names; those of each kind are given.
    """
    told = [f"{kind} {list_names(sorted(map(str, names)))}" for kind, names in wrong.items() if names]
    if told:
        raise ValueError(f"{folder}: the checkpoint does not fit the model: {'; '.join(told)}")
