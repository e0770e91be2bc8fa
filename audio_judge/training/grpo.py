"""Learning from rewards: TRL's ``GRPOTrainer`` with only what carries audio overridden.

A row, as ``audio_judge.training.reward_rows`` makes it, is an example whose answer became facts: what is asked (``prompt``,
``task``, ``rubrics``) and what is true (``scores, causes, label, verdicts, spans``), which the functions of
``audio_judge.training.rewards`` take as columns. Audio stays a path until the trainer reads it, once per prompt and step,
however many answers are generated for it.

Left out: vLLM and typed questions; the first sends no audio, the second generate nothing.
"""

import json
import logging
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from safetensors import SafetensorError
from torch.utils.data import Sampler
from trl import GRPOTrainer

from audio_judge.judge.generation import generate_answers
from audio_judge.judge.native import EncodedPrompt, Messages, encode_prompt, join_audio, placeholder_id
from audio_judge.tasks import Facts, ParseError, read_facts
from audio_judge.training.checks import CheckedTrainer
from audio_judge.training.reward_rows import RewardRow
from audio_judge.training.rewards import COMPARING, REWARDS, Reward, preference_reward
from audio_judge.training.sft import correlation
from audio_judge.training.tuning import CheckpointError, hear_copies_once

logger = logging.getLogger(__name__)


class GroupSampler(Sampler[int]):
    """The order of TRL's ``RepeatSampler``, with both orders of a pair in one batch and the same order after a restart.

    Batches are made of pairs and of rows that stand alone, two by two. A batch of an odd size is filled up with a row
    that stands alone or, where there are no more, with one of its own rows again. A batch of one prompt has no room for
    a pair.

    Args:
        groups: Indices of rows that belong together, one or two.
        generations: Answers per prompt; each index is repeated so often.
        batch_size: Prompts per generation batch, of all processes together.
        repeat_count: How often a batch comes.
        seed: Of the order.
        epoch: Says which epoch begins; each has its own order.

    Raises:
        ValueError: If not a single batch can be filled.
    """

    def __init__(
        self,
        groups: Sequence[Sequence[int]],
        *,
        generations: int,
        batch_size: int,
        repeat_count: int,
        seed: int,
        epoch: Callable[[], int],
    ) -> None:
        if batch_size == 1:
            groups = [[index] for group in groups for index in group]
        self.pairs = [list(group) for group in groups if len(group) == 2]
        self.singles = [index for group in groups if len(group) == 1 for index in group]
        self.generations, self.batch_size = generations, batch_size
        self.repeat_count, self.seed, self.epoch = repeat_count, seed, epoch
        self.batches = self._count()
        if not self.batches:
            raise ValueError(
                f"{len(self.singles) + 2 * len(self.pairs)} prompts do not fill a batch of {batch_size}; give more of them, or "
                "a smaller per_device_train_batch_size"
            )

    def _count(self) -> int:
        """How many batches an epoch has, whatever its order."""
        twos, odd = divmod(self.batch_size, 2)
        if twos == 0:
            return len(self.singles)
        count = (len(self.pairs) + len(self.singles) // 2) // twos
        # What fills up odd batches makes no twos
        while count * twos > len(self.pairs) + max(0, len(self.singles) - odd * count) // 2:
            count -= 1
        return count

    def __iter__(self) -> Iterator[int]:
        """Yield indices; what does not fill a batch is left out of the epoch."""
        # Of seed and epoch alone, so that a resumed run needs no state to go on in the same order
        order = random.Random(f"{self.seed} {self.epoch()}")
        singles = order.sample(self.singles, len(self.singles))
        fillers = singles[: self.batches] if self.batch_size % 2 else []
        alone = singles[len(fillers) :]
        twos = [*self.pairs, *(alone[at : at + 2] for at in range(0, len(alone) - 1, 2))]
        order.shuffle(twos)
        size = self.batch_size // 2  # in twos
        for number in range(self.batches):
            batch = [index for two in twos[number * size : (number + 1) * size] for index in two]
            if self.batch_size % 2:
                batch.append(fillers[number] if number < len(fillers) else batch[0])
            yield from [i for _ in range(self.repeat_count) for i in batch for _ in range(self.generations)]

    def __len__(self) -> int:
        return self.batches * self.batch_size * self.repeat_count * self.generations


def group_rows(pairs: Sequence[str]) -> list[list[int]]:
    """Put the two orders of a pair together, by the column ``pair``, which is empty for what is no comparison.

    Returns:
        Groups of indices, in the order in which they begin.

    Example:
        >>> group_rows(["", "a | b", "", "a | b"])
        [[0], [1, 3], [2]]
    """
    groups: list[list[int]] = []
    open_groups: dict[str, list[int]] = {}
    for index, pair in enumerate(pairs):
        if pair and pair in open_groups:
            open_groups.pop(pair).append(index)
            continue
        groups.append([index])
        if pair:
            open_groups[pair] = groups[-1]
    return groups


class AcrossProcesses:
    """A reward that compares the answers of a batch, on those of all processes; it gives those of its own process.

    The order of a pair that is to agree with another one may be generated by another process, as may the answers to
    one prompt.
    """

    def __init__(self, reward: Reward) -> None:
        self.reward, self.__name__ = reward, reward.__name__

    def __call__(self, completions: Sequence[Any], **columns: Any) -> list[float | None]:
        """Reward the answers of this process; every process has to call it at the same time."""
        own = {
            name: column for name, column in columns.items() if isinstance(column, list) and name != "completion_ids"
        }
        everyone = gather_object([own | {"completions": completions}])
        before = sum(len(other["completions"]) for other in everyone[: PartialState().process_index])
        whole = {name: [row for other in everyone for row in other[name]] for name in everyone[0]}
        return self.reward(**whole)[before : before + len(completions)]


# The trainer


class AudioGRPOTrainer(CheckedTrainer, GRPOTrainer):
    """Trains a judge, or a native audio language model, on rows of ``make_rows``, packed by ``to_dataset``.

    The audio inputs of each answer are kept beside it, as a list, so that prompts with one and with two clips mix and
    the trainer's own shuffling and splitting carry them along. Clips are cut off at ``max_seconds``; None for no limit.

    Raises:
        ValueError: If checkpoints would fall between the uses of one batch of answers, or a batch has no room for both
            orders of a pair and a reward needs them.
    """

    args: Any
    model: Any
    processing_class: Any
    train_dataset: Any
    eval_dataset: Any
    reward_funcs: Any
    num_generations: Any
    max_completion_length: Any
    # The audio inputs of the sequences that are generated or scored now
    _audio: Sequence[Mapping[str, torch.Tensor]] = ()

    def __init__(self, *args: Any, max_seconds: float | None = None, **kwargs: Any) -> None:
        self.max_seconds = max_seconds
        model, config = kwargs["model"], kwargs["args"]
        placeholder = placeholder_id(model)
        if "image_token_id" not in model.config.to_dict() and "image_token_id" not in model.config.attribute_map:
            model.config.image_token_id = placeholder  # TRL reads it of every model that comes with a processor
        # A placeholder in an answer would ask for audio that is not there
        config.generation_kwargs = {"suppress_tokens": [placeholder]} | (config.generation_kwargs or {})
        given = kwargs["reward_funcs"]
        kwargs["reward_funcs"] = [AcrossProcesses(one) if one in COMPARING else one for one in given]
        super().__init__(*args, **kwargs)
        hear_copies_once(self.model)
        self._check_save_steps()
        if preference_reward in given and self.args.generation_batch_size == self.num_generations:
            raise ValueError(
                f"a batch of {self.args.generation_batch_size} answers has one prompt, and the preference reward needs both "
                f"orders of a pair: {2 * self.num_generations} answers or more (per_device_train_batch_size times processes "
                "times steps_per_generation)"
            )

    def _check_save_steps(self) -> None:
        """A resumed run generates anew, so a checkpoint must not lie inside a batch of answers that is used again."""
        uses = self.args.steps_per_generation * self.num_iterations
        steps = uses // np.gcd(uses, self.args.gradient_accumulation_steps)
        if self.args.save_strategy == "steps" and self.args.save_steps % steps:
            raise ValueError(
                f"save_steps {self.args.save_steps}: a multiple of {steps} is needed, as each batch of answers serves "
                f"{steps} steps (steps_per_generation {self.args.steps_per_generation}, num_iterations "
                f"{self.num_iterations}, gradient_accumulation_steps {self.args.gradient_accumulation_steps})"
            )

    def _get_train_sampler(self, dataset: Any = None) -> Sampler[int]:
        rows = self.train_dataset if dataset is None else dataset
        return GroupSampler(
            group_rows(rows[:]["pair"]),
            generations=self.num_generations,
            batch_size=self.args.generation_batch_size // self.num_generations,
            repeat_count=self.num_iterations * self.args.steps_per_generation,
            seed=self.args.seed,
            epoch=lambda: int((self.state.epoch or 0) + 1e-6),  # a whole epoch may be less by a rounding error
        )

    def _tokenize_prompts(self, prompts: list[Messages]) -> tuple[list[list[int]], None, dict[str, torch.Tensor]]:
        """Ids and audio inputs of prompts; equal ones are read once and share their tensors."""
        encoded: dict[str, EncodedPrompt] = {}
        keys = [json.dumps(prompt) for prompt in prompts]  # a prompt comes once per generation
        for key, prompt in zip(keys, prompts, strict=True):
            if key not in encoded:
                ids, audio = encode_prompt(self.processing_class, prompt, self.max_seconds)
                there = {name: tensor.to(self.accelerator.device) for name, tensor in audio.items()}
                encoded[key] = EncodedPrompt(ids, there)
        self._audio = [encoded[key].audio for key in keys]
        return [encoded[key].ids for key in keys], None, join_audio(self._audio)

    def _generate(self, prompts: list[Messages]) -> Any:
        with self.accelerator.autocast():  # which wraps `forward` of the whole only, not what a LoRA is in
            return super()._generate(prompts)

    def _generate_and_score_completions(self, inputs: list[RewardRow]) -> dict[str, Any]:
        # A list with an entry per answer, which TRL shuffles and splits as it does tensors
        return super()._generate_and_score_completions(inputs) | {"audio": self._audio}

    def _calculate_rewards(self, inputs: list[RewardRow], *args: Any) -> torch.Tensor:
        """Leave out an answer that lacks a reward which its task, or another answer to its prompt, has: a grade failed.

        TRL would sum up the others and compare it as if the missing one were zero.
        """
        rewards = super()._calculate_rewards(inputs, *args)  # (answers of all processes, functions)
        needed = self._needed(gather_object([row["task"] for row in inputs]))
        missing = rewards.view(-1, self.num_generations, rewards.shape[1]).isnan()  # (prompts, answers, functions)
        applies = ~missing.all(1, keepdim=True) | torch.tensor(needed, device=missing.device).view_as(missing)
        lacking = (missing & applies).any(2).flatten()  # (answers of all processes,)
        self._metrics["train"]["rewards/left_out"].append(lacking.float().mean().item())
        return rewards.masked_fill(lacking[:, None], torch.nan)

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        # In parts of our own: TRL cuts what it knows, such as images, by rows; of clips a row may have two
        size = batch_size or len(input_ids)
        score = super()._get_per_token_logps_and_entropies
        parts = []
        for start in range(0, len(input_ids), size):
            own = slice(start, start + size)
            hearing = partial(model, **join_audio(self._audio[own]))
            parts.append(score(hearing, input_ids[own], attention_mask[own], logits_to_keep, **kwargs))
        log_probabilities, entropies, auxiliary = zip(*parts, strict=True)
        return (
            torch.cat(log_probabilities),  # (rows, kept tokens)
            None if entropies[0] is None else torch.cat(entropies),
            None if auxiliary[0] is None else torch.stack(auxiliary).mean(),
        )

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        self._audio = inputs["audio"]
        return super()._compute_loss(model, inputs)

    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Answer validation prompts greedily, reward and measure the answers and log the numbers; processes share the work.

        Returns:
            What ``judge_metrics`` gives, ``reward`` (the weighted sum that is trained for) and ``rewards/<name>`` (its parts,
            where they apply), and what the reward functions log of themselves, all names with the prefix.
        """
        dataset = self.eval_dataset if eval_dataset is None else eval_dataset
        rows, share = [dataset[index] for index in range(len(dataset))], self.accelerator.num_processes
        model = self.accelerator.unwrap_model(self.model)
        mine = rows[self.accelerator.process_index :: share]
        with self.accelerator.autocast():
            own = generate_answers(
                model,
                self.processing_class,
                [row["prompt"] for row in mine],
                max_new_tokens=self.max_completion_length,
                eos_token_id=self.eos_token_ids,
                max_seconds=self.max_seconds,
                batch_size=self.args.per_device_eval_batch_size,
            )
        # Gathered with their numbers, since each process has every `share`-th row
        numbers = range(self.accelerator.process_index, len(rows), share)
        answers = dict(gather_object(list(zip(numbers, own, strict=True))))
        metrics = judge_metrics([answers[number] for number in range(len(rows))], rows)
        metrics |= self._rewards_of(own, {name: [row[name] for row in mine] for name in rows[0]})
        named = {f"{metric_key_prefix}_{name}": value for name, value in metrics.items()}
        super(GRPOTrainer, self).log(dict(named))  # TRL's own would add a table of completions
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, named)
        return named

    def _rewards_of(self, answers: list[str], columns: dict[str, list[Any]]) -> dict[str, float]:
        """Mean rewards of validation answers, of all processes; what lacks a grade or got no reward does not count."""
        told: list[tuple[str, float]] = []
        completions = [[{"role": "assistant", "content": answer}] for answer in answers]  # as in training
        columns = {name: column for name, column in columns.items() if name != "prompt"} | {
            "prompts": columns["prompt"]
        }
        values = [
            reward(completions=completions, log_metric=lambda name, value: told.append((name, value)), **columns)
            for reward in self.reward_funcs
        ]
        rows = gather_object(list(zip(*values, strict=True)))  # of all processes, an entry per reward each
        metrics = _means_by_name(gather_object(told))
        for name, column in zip(self.reward_func_names, zip(*rows, strict=True), strict=True):
            applies = [value for value in column if value is not None]
            metrics |= {f"rewards/{name}": sum(applies) / len(applies)} if applies else {}
        weights = self.reward_weights.tolist()
        sums = [
            sum(weight * value for weight, value in zip(weights, row, strict=True) if value is not None)
            for row, needed in zip(rows, self._needed(gather_object(columns["task"])), strict=True)
            if not any(must and value is None for must, value in zip(needed, row, strict=True))
            and any(value is not None for value in row)
        ]
        return metrics | ({"reward": sum(sums) / len(sums)} if sums else {})

    def _needed(self, tasks: Sequence[str]) -> list[list[bool]]:
        """Which rewards each answer must have by its task: (answers, functions)."""
        return [
            [hasattr(reward, "applies_to") and reward.applies_to(task) for reward in self.reward_funcs]
            for task in tasks
        ]

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """What could not be written whole is taken away."""
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        try:
            super()._save_checkpoint(model, trial)
        except (OSError, RuntimeError, SafetensorError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise CheckpointError(
                f"{folder} could not be written ({error}); the checkpoints before it are whole: make room and go on "
                "with --resume_from_checkpoint last"
            ) from error


def _means_by_name(told: Sequence[tuple[str, float]]) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for name, value in told:
        values.setdefault(name, []).append(value)
    return {name: sum(found) / len(found) for name, found in values.items()}


def judge_metrics(answers: Sequence[str], rows: Sequence[RewardRow]) -> dict[str, float]:
    """Measure answers against what is true, one per row.

    Returns:
        ``coverage``, the share that can be read; the mean of each reward that applies by its name (``agreement``,
        ``causes`` …), where what cannot be read counts 0; ``pcc``, the mean over the rubrics of the Pearson correlation
        of the scores that can be read, 0 for a rubric that is always scored the same.

    Example:
        >>> row = {"prompt": "", "task": "score", "rubrics": ["mos"], "scores": {"mos": 4.0}, "clip": "a"}
        >>> row |= {"reference": "4.0", "causes": None, "label": "", "verdicts": {}, "spans": {}}
        >>> row |= {"pair": "", "is_swapped": False}
        >>> judge_metrics(["3.0"], [row])
        {'coverage': 1.0, 'agreement': 0.75, 'format': 1.0}
    """
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    read = [_read(answer, row) for answer, row in zip(answers, rows, strict=True)]
    metrics = {"coverage": sum(one is not None for one in read) / len(rows)}
    for name, reward in REWARDS.items():
        values = [value for value in reward(answers, prompts=columns["prompt"], **columns) if value is not None]
        if values:
            metrics[name] = sum(values) / len(values)
    correlations = list(_correlations(read, rows))
    return metrics | ({"pcc": sum(correlations) / len(correlations)} if correlations else {})


def _read(answer: str, row: RewardRow) -> Facts | None:
    try:
        return read_facts(row["task"], answer, row["rubrics"], language=row.get("language", "en"))
    except ParseError:
        return None


def _correlations(read: Sequence[Facts | None], rows: Sequence[RewardRow]) -> Iterator[float]:
    """Per rubric with differing truths, how its scores go with them."""
    for name in dict.fromkeys(name for row in rows for name in row["scores"]):
        pairs = [
            (facts.values[name], row["scores"][name])
            for facts, row in zip(read, rows, strict=True)
            if facts is not None and name in facts.values and name in row["scores"]
        ]
        said, true = np.array(pairs, dtype=float).reshape(-1, 2).T  # (answers,) both, even if there are none
        if len(pairs) > 1 and true.std() > 0:
            yield correlation(said, true)
