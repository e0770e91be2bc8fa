"""The trainer of judges: TRL's ``SFTTrainer`` with only what carries audio and soft labels overridden.

Left out: TRL's fused head, since a judge's decisions are read at marks and not at labels; the logits are computed for
the rows that are learned only. Packing and padding-free batches do not go together with audio.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from transformers import EvalPrediction
from trl import SFTTrainer

from audio_judge.rubrics.rubric import get_rubric
from audio_judge.tasks import score
from audio_judge.training.checks import CheckedTrainer
from audio_judge.training.collate import IGNORED, rubric_level

MODEL_INPUTS = ("input_ids", "attention_mask", "input_features", "input_features_mask")
# Of which module paths what is called an encoder and an adapter here is
PARTS = {"encoder": ".audio_tower.", "adapter": ".adapter."}


class SupervisedLosses(NamedTuple):
    """What one forward pass says about the supervised items of a batch.

    Args:
        token: Cross-entropy of each learned token times its weight (tokens,).
        token_weights: Weight of each learned token (tokens,).
        decision: Cross-entropy of each question against the shares of listeners (questions,).
        levels: Expected level of each question, from 0 up (questions,).
        distance: Squared error of the expected level of each question about a rubric, 0 for other questions (questions,).
        span: Mean over the frames of the cross-entropy of each question about when (spans,).
    """

    token: torch.Tensor
    token_weights: torch.Tensor
    decision: torch.Tensor
    levels: torch.Tensor
    distance: torch.Tensor
    span: torch.Tensor


def predicting(labels: torch.Tensor) -> torch.Tensor:
    """Say which positions (batch, length) predict a learned token: those before it."""
    predicts = torch.zeros_like(labels, dtype=torch.bool)
    predicts[:, :-1] = labels[:, 1:] != IGNORED
    return predicts


def supervised_losses(model: nn.Module, batch: dict[str, torch.Tensor]) -> SupervisedLosses:
    """Run a judge, wrapped or not, once and compare it with all targets of a batch of ``JudgeCollator`` on its device."""
    labels, marks, option_ids = batch["labels"], batch["marks"], batch["option_ids"]
    predicts = predicting(labels)
    inputs = {name: batch[name] for name in MODEL_INPUTS}
    if len(marks):
        inputs |= {"option_marks": marks, "option_ids": option_ids.clamp(min=0)}
    if len(batch["span_marks"]):
        inputs["span_marks"] = batch["span_marks"]
    outputs = model(**inputs, logits_to_keep=predicts, use_cache=False)
    logits = outputs.logits.float()  # (tokens, vocabulary)
    learned = labels[:, 1:][predicts[:, :-1]]  # (tokens,)
    weights = batch["loss_weights"][:, 1:][predicts[:, :-1]]  # (tokens,)
    token = nn.functional.cross_entropy(logits, learned, reduction="none") * weights
    # (questions, options) both; questions with fewer options are padded with -1, which has no share
    at_marks = outputs.option_logits.float() if len(marks) else logits.new_zeros(option_ids.shape)
    log_shares = at_marks.masked_fill(option_ids < 0, -torch.inf).log_softmax(1)
    # Padding is filled again: 0 times minus infinity would be NaN
    decision = -(batch["shares"].float() * log_shares.masked_fill(option_ids < 0, 0.0)).sum(1)
    steps = torch.arange(option_ids.shape[1], device=labels.device)  # (options,)
    levels = (log_shares.exp() * steps).sum(1)
    distance = (levels - (batch["shares"].float() * steps).sum(1)).square() * (batch["columns"] >= 0)
    span = decision.new_zeros(0)
    if len(batch["span_marks"]):
        span = span_loss(outputs.span_logits, batch["span_targets"])
    return SupervisedLosses(token, weights, decision, levels.detach(), distance, span)


def span_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean over the real frames of the cross-entropy of each question about when.

    Args:
        logits: (spans, frames), minus infinity past the end of a clip.
        targets: (spans, frames or fewer), 1 in the frames where it is heard, 0 elsewhere.

    Returns:
        (spans,).

    Example:
        >>> span_loss(torch.tensor([[0.0, -torch.inf]]), torch.tensor([[1.0]])).round(decimals=3)
        tensor([0.6930])
    """
    real = logits.isfinite()  # (spans, frames)
    wanted = nn.functional.pad(targets, (0, logits.shape[1] - targets.shape[1])).float()
    losses = nn.functional.binary_cross_entropy_with_logits(logits.masked_fill(~real, 0.0), wanted, reduction="none")
    return (losses * real).sum(1) / real.sum(1)


class WeightedSFTTrainer(CheckedTrainer, SFTTrainer):
    """Counts the items of a step by their weights, over all its micro-batches and processes."""

    # `compute_loss` divides by the items of all micro-batches of a step; nobody shall divide by their number again
    loss_is_scaled_for_ga: bool | None = True  # type: ignore[assignment]

    def get_batch_samples(
        self, epoch_iterator: Any, num_batches: int, device: torch.device
    ) -> tuple[list[Any], torch.Tensor | None]:
        """As the base class, with the weight of all supervised items in place of the number of labels."""
        batches, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        if not batches:
            return batches, None
        total = torch.stack([self._weight_of(batch) for batch in batches]).sum().to(device)
        if self.args.average_tokens_across_devices and self.args.world_size > 1:
            total = self.accelerator.gather(total).sum()
        return batches, total

    def _weight_of(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return batch["loss_weights"][:, 1:].sum().cpu()  # the first column is never predicted


class NativeSFTTrainer(WeightedSFTTrainer):
    """Trains a native audio language model on batches of ``NativeCollator``: the loss is the weighted mean over tokens."""

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """As the base class, each token's loss times its weight; the outputs are the model's own."""
        inputs = dict(inputs)
        weights = inputs.pop("loss_weights")[:, 1:]  # (batch, length - 1)
        if num_items_in_batch is None:  # then the base class divides by the number of learned tokens
            learned = (inputs["labels"][:, 1:] != IGNORED).sum()
            weights = weights * learned / weights.sum()

        def weighing(**given: Any) -> Any:
            outputs = model(**given)
            if "fused_lm_head" in given:
                outputs.log_probs = outputs.log_probs * weights  # (batch, length - 1), of which the loss is made
            return outputs

        return super().compute_loss(weighing, inputs, return_outputs, num_items_in_batch)


class AudioSFTTrainer(WeightedSFTTrainer):
    """Trains a judge on batches of ``JudgeCollator``.

    The loss is the mean over supervised items: each answer token counts its own weight, each question counts
    ``decision_weight``. The mean is over all micro-batches and processes of a step.

    Args:
        args: Of ``SFTTrainer``, as are ``kwargs``.
        decision_weight: How many answer tokens a question is worth.
        level_weight: Of the squared error of a rubric's expected level beside the cross-entropy of its question: shares
            of neighbouring levels may be confused, far ones not.
        encoder_learning_rate: Of the audio encoder; None for that of everything else.
        adapter_learning_rate: Of the adapter, likewise.
    """

    data_collator: Any
    processing_class: Any
    model: Any

    def __init__(
        self,
        *args: Any,
        decision_weight: float = 1.0,
        level_weight: float = 0.0,
        encoder_learning_rate: float | None = None,
        adapter_learning_rate: float | None = None,
        **kwargs: Any,
    ) -> None:
        self.decision_weight, self.level_weight = decision_weight, level_weight
        given = {"encoder": encoder_learning_rate, "adapter": adapter_learning_rate}
        self.own_rates = {part: rate for part, rate in given.items() if rate is not None}
        super().__init__(*args, **kwargs)

    def _weight_of(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        questions = len(batch["marks"]) + len(batch["span_marks"])
        return super()._weight_of(batch) + self.decision_weight * questions

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """Mean loss over the supervised items of the step; the outputs are ``SupervisedLosses``."""
        losses = supervised_losses(model, inputs)
        questions_loss = losses.decision.sum() + self.level_weight * losses.distance.sum() + losses.span.sum()
        total = losses.token.sum() + self.decision_weight * questions_loss
        loss = total / (self._weight_of(inputs) if num_items_in_batch is None else num_items_in_batch)
        if num_items_in_batch is not None and self.args.average_tokens_across_devices:
            # DDP takes the mean over processes, `items` counts all of them
            loss = loss * self.accelerator.num_processes
        self._log_parts(losses)
        return (loss, losses) if return_outputs else loss

    def _log_parts(self, losses: SupervisedLosses) -> None:
        """Both kinds of loss, each by its own mean."""
        sums = [
            losses.token.sum(),
            losses.token_weights.sum(),
            losses.decision.sum(),
            losses.decision.new_tensor(len(losses.decision)),
            losses.span.sum(),
            losses.span.new_tensor(len(losses.span)),
        ]
        token, weight, decision, questions, span, spans = self.accelerator.reduce(torch.stack(sums).detach()).tolist()
        metrics = self._metrics["train" if self.model.training else "eval"]
        # A batch of one kind says nothing about the other
        if weight:
            metrics["token_loss"].append(token / weight)
        if questions:
            metrics["decision_loss"].append(decision / questions)
        if spans:
            metrics["span_loss"].append(span / spans)

    def prediction_step(
        self, model: nn.Module, inputs: dict[str, Any], prediction_loss_only: bool, ignore_keys: Any = None
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """Loss, and expected levels (batch, rubrics) with their targets, NaN where a rubric was not asked for."""
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            loss, losses = self.compute_loss(model, inputs, return_outputs=True)
            if prediction_loss_only:
                return loss, None, None
            levels = torch.full_like(inputs["targets"], torch.nan, dtype=torch.float32)
            known = inputs["columns"] >= 0  # (questions,), those about an evaluated rubric
            levels[inputs["marks"][known, 0], inputs["columns"][known]] = losses.levels[known].float()
            self._read_decimals(self.accelerator.unwrap_model(model), inputs, levels)
        return loss.detach(), levels, inputs["targets"].float()

    def _read_decimals(self, model: Any, inputs: dict[str, torch.Tensor], levels: torch.Tensor) -> None:
        """Fills in the scores that are answered in text: the expectation over all decimals the grammar allows."""
        in_text = torch.ones(len(levels), dtype=torch.bool, device=levels.device)
        in_text[inputs["marks"][:, 0]] = False  # a row with marks is a typed decision, whose levels are known already
        for column, name in enumerate(self.data_collator.rubrics):
            rows = (in_text & ~inputs["targets"][:, column].isnan()).nonzero()[:, 0]
            if len(rows):
                answers = score.grammar(name)
                ids = self.processing_class.tokenizer(
                    [answer + self.processing_class.end_of_turn for answer in answers], add_special_tokens=False
                )["input_ids"]
                prompts = _prompts_only(inputs, rows, self.processing_class.tokenizer.pad_token_id)
                with self.accelerator.autocast():  # which wraps `forward` of the whole only
                    log_probabilities = model.candidate_log_probabilities(candidates=ids, **prompts)
                # (rows, answers) and (answers,)
                values = torch.tensor([rubric_level(get_rubric(name), float(answer)) for answer in answers])
                levels[rows, column] = log_probabilities.softmax(1) @ values.to(levels.device)

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """As the base class, with the parts that have a learning rate of their own in groups of their own."""
        optimizer = super().create_optimizer(model)
        named = list((self.model if model is None else model).named_parameters())
        for part, rate in self.own_rates.items():
            inside = {id(p) for name, p in named if PARTS[part] in f".{name}" and p.requires_grad}
            if not inside:
                raise ValueError(f"`{part}_learning_rate`: cannot act, since nothing of the {part} is trained")
            groups = []
            for group in optimizer.param_groups:  # with and without weight decay, each cut in two
                for own, is_inside in ((group["lr"], False), (rate, True)):
                    parameters = [p for p in group["params"] if (id(p) in inside) == is_inside]
                    groups.append({**group, "params": parameters, "lr": own})
            optimizer.param_groups[:] = [group for group in groups if group["params"]]
        return optimizer


def _prompts_only(inputs: dict[str, torch.Tensor], rows: torch.Tensor, pad_token_id: int) -> dict[str, torch.Tensor]:
    """Some rows of a batch without their answers, padded on the left."""
    owner = torch.arange(len(inputs["clips"]), device=rows.device).repeat_interleave(inputs["clips"])  # (clips,)
    heard = torch.isin(owner, rows)  # (clips,)
    ends = (inputs["labels"][rows] != IGNORED).int().argmax(1).tolist()  # where each answer begins
    # Turned round, padded on the right, and turned back
    ids = [row[:end].flip(0) for row, end in zip(inputs["input_ids"][rows], ends, strict=True)]
    masks = [torch.ones_like(row) for row in ids]
    pad = nn.utils.rnn.pad_sequence
    return {
        "input_ids": pad(ids, True, pad_token_id).flip(1),
        "attention_mask": pad(masks, True).flip(1),
        "input_features": inputs["input_features"][heard],
        "input_features_mask": inputs["input_features_mask"][heard],
    }


def correlation(said: np.ndarray, true: np.ndarray) -> float:
    """Pearson correlation of answers with differing truths, -1 to 1."""
    # Who answers the same to everything has none; 0 lets a better one be found, NaN would not
    return 0.0 if said.std() < 1e-9 else float(np.corrcoef(said, true)[0, 1])


def score_metrics(rubrics: Sequence[str]) -> Callable[[EvalPrediction], dict[str, float]]:
    """Make the ``compute_metrics`` of an ``AudioSFTTrainer`` whose collator has these rubrics as columns.

    Returns:
        A function that gives ``pcc_<rubric>`` (Pearson correlation, -1 to 1) and ``mae_<rubric>`` (mean absolute error in
        levels) for each rubric with two or more differing targets, and their means ``pcc`` and ``mae``.

    Example:
        >>> metrics = score_metrics(["mos"])
        >>> metrics(EvalPrediction(np.array([[1.0], [2.0], [3.0]]), np.array([[0.0], [2.0], [4.0]])))["pcc"]
        1.0
    """

    def compute(prediction: EvalPrediction) -> dict[str, float]:
        result: dict[str, float] = {}
        for column, name in enumerate(rubrics):
            predicted = np.asarray(prediction.predictions)[:, column]  # (examples,)
            wanted = np.asarray(prediction.label_ids)[:, column]  # (examples,)
            known = np.isfinite(predicted) & np.isfinite(wanted)
            predicted, wanted = predicted[known].astype(float), wanted[known].astype(float)
            if known.sum() > 1 and wanted.std() > 0:
                result[f"pcc_{name}"] = round(correlation(predicted, wanted), 6)
                result[f"mae_{name}"] = round(float(np.abs(predicted - wanted).mean()), 6)
        for kind in ("pcc", "mae"):
            values = [value for key, value in result.items() if key.startswith(kind)]
            result[kind] = float(np.mean(values)) if values else float("nan")
        return result

    return compute
