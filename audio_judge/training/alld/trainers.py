"""ALLD: a judge that hears a clip learns from a text-only expert that reads its ratings instead.

Preference optimisation whose reference policy is the expert: the text chosen for a clip is an expert's description (or
one of our own writers'), the text rejected is the judge's own sample. Both are also given to the expert behind the
ratings as text; these log-probabilities are computed once, kept on disk, and take the place of the reference model's in
TRL's ``DPOTrainer``. ``AudioDistillTrainer`` is the token-level variant.

Judge and expert must share their tokenizer for both losses: per token there is nothing else to compare, and per
sequence the sums would run over texts cut into pieces of different length. ``train_alld.py`` runs everything, and
``audio_judge.training.alld.metrics`` measures what comes of it.

Judges of our own and native audio language models alike (the paper's is Qwen2-Audio), in full or with LoRA.

Left out: sampling on several devices at once, and sharding of the expert (so no ZeRO-3 for the token-level variant).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from datasets import Dataset
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from trl import DPOTrainer

from audio_judge.training.alld.expert import expert_prompt_ids, turn
from audio_judge.training.alld.requests import AlldRequest
from audio_judge.training.checks import CheckedTrainer
from audio_judge.training.collate import IGNORED, JudgeCollator, NativeCollator
from audio_judge.training.sft import MODEL_INPUTS, predicting


def preference_dataset(
    requests: Sequence[AlldRequest], rejected: Sequence[str], references: Sequence[tuple[float, float]]
) -> Dataset:
    """Pack what ``AudioDPOTrainer`` learns from; pairs whose two texts are the same are left out.

    Args:
        requests: As ``make_requests`` makes them.
        rejected: The judge's own sample for each.
        references: The expert's log-probabilities of the chosen and the rejected text of each.

    Raises:
        ValueError: If no pair differs.
    """
    rows = [
        {"example": json.dumps(request | {"rejected": text}), "ref_chosen_logps": good, "ref_rejected_logps": bad}
        for request, text, (good, bad) in zip(requests, rejected, references, strict=True)
        if text != request["chosen"]
    ]
    if not rows:
        raise ValueError(f"all {len(requests)} samples equal their chosen texts; there is nothing to learn")
    return Dataset.from_list(rows)


class _BothSides:
    """The batches of ``AudioDPOTrainer``: all rows with the chosen text, then all with the rejected one."""

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """Make one batch of rows of ``preference_dataset``.

        Returns:
            The model's inputs and ``completion_mask``, (2 pairs, length); ``ref_chosen_logps, ref_rejected_logps``
            (pairs,).
        """
        examples = [json.loads(row["example"]) for row in rows]
        sides = [example | _completion(example[side]) for side in ("chosen", "rejected") for example in examples]
        made = super().__call__(sides)  # type: ignore[misc]  # that of a collator
        batch = inputs_of(made) | {"completion_mask": (made["labels"] != IGNORED).long()}
        return batch | {
            name: torch.tensor([row[name] for row in rows]) for name in ("ref_chosen_logps", "ref_rejected_logps")
        }


class PreferenceCollator(_BothSides, JudgeCollator):
    """Makes batches for ``AudioDPOTrainer`` of a judge; the clips that both texts of a pair are about are read once."""

    _already_read: dict[str, Any]

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """As for any model."""
        self._already_read = {}
        return super().__call__(rows)

    def _read_clips(self, example: Mapping[str, Any]) -> Any:
        key = json.dumps([example["prompt"], example["seed"]])
        if key not in self._already_read:
            self._already_read[key] = super()._read_clips(example)
        return self._already_read[key]


class NativePreferenceCollator(_BothSides, NativeCollator):
    """Makes batches for ``AudioDPOTrainer`` of a native audio language model."""


def inputs_of(batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Take what goes into a model out of a batch of a collator, or of ``DistillationCollator``."""
    if "marks" in batch:  # a judge's, which has more in it
        return {name: batch[name] for name in MODEL_INPUTS}
    own = {name: value for name, value in batch.items() if not name.startswith("expert_")}
    return {name: value for name, value in own.items() if name not in ("labels", "loss_weights")}


def _completion(text: str) -> dict[str, Any]:
    return {"completion": [turn("assistant", text)]}


class AudioDPOTrainer(CheckedTrainer, DPOTrainer):
    """TRL's trainer on batches of ``PreferenceCollator``; the reference's log-probabilities come with them."""

    model: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "ref" in getattr(self.model, "peft_config", {}):
            self.model.delete_adapter("ref")  # TRL's copy of a LoRA as the reference, which is the expert here

    def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        return dataset  # the collator tokenizes, since it must read the clips anyway

    def _precompute_ref_logps(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        return dataset  # the expert's are there already


def distillation_dataset(requests: Sequence[AlldRequest]) -> Dataset:
    """Pack requests, as ``make_requests`` makes them, for ``AudioDistillTrainer``."""
    return Dataset.from_list([{"example": json.dumps(request)} for request in requests])


class _BesideExpert:
    """The batches of ``AudioDistillTrainer``; ``expert`` is the tokenizer of the expert, which shares the judge's."""

    def __init__(self, processor: Any, expert: Any, **kwargs: Any) -> None:
        super().__init__(processor, **kwargs)  # type: ignore[call-arg]  # that of a collator
        self.expert = expert

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """Make one batch of rows of ``distillation_dataset``.

        Returns:
            The judge's inputs and ``labels`` (batch, length); the same answers behind the ratings as
            ``expert_input_ids, expert_attention_mask, expert_labels`` (batch, expert's length).
        """
        requests = [json.loads(row["example"]) for row in rows]
        made = super().__call__([request | _completion(request["chosen"]) for request in requests])  # type: ignore[misc]
        prompts = [torch.tensor(expert_prompt_ids(self.expert, request)) for request in requests]
        answers = [row[row != IGNORED] for row in made["labels"]]  # (answer tokens,) each, end of turn included
        ids = [torch.cat(parts) for parts in zip(prompts, answers, strict=True)]
        labels = [
            torch.cat([torch.full_like(prompt, IGNORED), answer])
            for prompt, answer in zip(prompts, answers, strict=True)
        ]
        return inputs_of(made) | {
            "labels": made["labels"],
            "expert_input_ids": pad_sequence(ids, True, 0),
            "expert_attention_mask": pad_sequence([torch.ones_like(row) for row in ids], True, 0),
            "expert_labels": pad_sequence(labels, True, IGNORED),
        }


class DistillationCollator(_BesideExpert, JudgeCollator):
    """Makes batches for ``AudioDistillTrainer`` of a judge."""


class NativeDistillationCollator(_BesideExpert, NativeCollator):
    """Makes batches for ``AudioDistillTrainer`` of a native audio language model."""


def answer_divergence(judge: torch.Tensor, expert: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
    """Measure the forward Kullback-Leibler divergence KL(expert || judge) at each token.

    Args:
        judge: Logits (tokens, judge's vocabulary).
        expert: Logits (tokens, expert's vocabulary); ids that only one of them has (padding of the table, the judge's
            audio tokens) are no answer of the expert.
        temperature: Divides both logits; the result is times its square, so that gradients keep their size.

    Returns:
        Nats per token (tokens,), 0 or more.

    Example:
        >>> answer_divergence(torch.tensor([[0.0, 0.0]]), torch.tensor([[9.0, 9.0]])).item()
        0.0
    """
    shared = min(judge.shape[1], expert.shape[1])
    target = (expert[:, :shared].float() / temperature).log_softmax(1)  # (tokens, shared vocabulary)
    # Over the whole vocabulary: what the judge gives to tokens the expert lacks is lost to the others
    own = (judge.float() / temperature).log_softmax(1)[:, :shared]
    return nn.functional.kl_div(own, target, reduction="none", log_target=True).sum(1) * temperature**2


class AudioDistillTrainer(AudioDPOTrainer):
    """Draws the judge that hears a clip to the expert that reads its ratings, at every token of the chosen text.

    The loss is KL(expert || judge), mean over the answer tokens of a batch, plus ``sft_weight`` times their
    cross-entropy. The forward direction on given texts, because the expert cannot go wrong there: it reads the answer.
    Nothing is sampled and nothing is rejected; ``beta`` and the losses of ``DPOConfig`` do not apply.

    Args:
        args: Of ``DPOTrainer``, as are ``kwargs``; ``data_collator`` is a ``DistillationCollator``.
        expert: Language model that is never trained; it is held whole on each device.
        temperature: Of both distributions.
        sft_weight: Of the cross-entropy.
    """

    def __init__(
        self, *args: Any, expert: Any, temperature: float = 1.0, sft_weight: float = 0.0, **kwargs: Any
    ) -> None:
        if not temperature > 0:
            raise ValueError(f"temperature {temperature}; more than 0 is needed")
        super().__init__(*args, **kwargs)
        self.expert = expert.eval().requires_grad_(False).to(self.accelerator.device)
        self.temperature, self.sft_weight = temperature, sft_weight

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """Mean over the answer tokens of this batch; there are no outputs."""
        keep = predicting(inputs["labels"])  # (batch, length)
        own = inputs_of(inputs)
        if self.accelerator.unwrap_model(model).config.model_type == "audio_judge":  # which can leave out the rest
            logits = model(**own, logits_to_keep=keep, use_cache=False).logits.float()  # (answer tokens, vocabulary)
        else:
            logits = model(**own, use_cache=False).logits[keep].float()  # (answer tokens, vocabulary)
        with torch.no_grad():
            read = {name: inputs[f"expert_{name}"] for name in ("input_ids", "attention_mask")}
            # (answer tokens, expert's vocabulary): the same answers in the same order, behind other prompts
            target = self.expert(**read, use_cache=False).logits[predicting(inputs["expert_labels"])]
        divergence = answer_divergence(logits, target, self.temperature).mean()
        entropy = nn.functional.cross_entropy(logits, inputs["labels"][:, 1:][keep[:, :-1]])
        metrics = self._metrics["train" if self.model.training else "eval"]
        for name, value in (("divergence", divergence), ("token_loss", entropy)):
            metrics[name].append(self.accelerator.gather(value.detach()).mean().item())
        loss = divergence + self.sft_weight * entropy
        return (loss, None) if return_outputs else loss
