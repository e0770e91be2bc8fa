"""The collator: training examples to one right-padded batch, audio files read on the way.

Text examples learn their answer and its end of turn, decisions learn the shares of listeners at the token where the
answer is read; both may be in one batch. Every text goes through the chat template and the tokenizer once, with one
placeholder per clip, which then becomes as many as the clip has audio tokens.
"""

import json
import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from transformers.decision import label_token_ids, prepare_inputs

from audio_judge.audio import Audio, AudioError, align, read_audio, resample
from audio_judge.examples import audio_blocks, read_example
from audio_judge.rubrics import RUBRICS, get_rubric

logger = logging.getLogger(__name__)

IGNORED = -100


@dataclass(frozen=True)
class _Prompt:
    """One row of a batch before padding.

    Args:
        ids: Token ids (length,).
        weights: Weight of each token as a label (length,); 0 is not learned.
        marks: Column of each question's mark.
        option_ids: Token ids of each question's answers, lowest level first.
    """

    ids: torch.Tensor
    weights: torch.Tensor
    marks: tuple[int, ...] = ()
    option_ids: tuple[list[int], ...] = ()


class JudgeCollator:
    """Makes batches for ``audio_judge.trainers.AudioSFTTrainer``.

    Args:
        processor: The judge's ``AudioJudgeProcessor``.
        max_seconds: Longest clip in seconds; the encoder's own limit holds too. None for no other limit.
        random_crop: Whether a longer clip is cut at a place drawn from the example's seed; else its beginning is kept.
        skip_bad: Whether an unreadable clip is counted in ``skipped`` and its example replaced by another one of the
            batch; else it is an error.
        rubrics: Names of the columns of ``targets``; other rubrics are trained but not evaluated.
    """

    def __init__(
        self,
        processor: Any,
        *,
        max_seconds: float | None = None,
        random_crop: bool = False,
        skip_bad: bool = False,
        rubrics: Sequence[str] = tuple(RUBRICS),
    ) -> None:
        self.processor, self.random_crop, self.skip_bad = processor, random_crop, skip_bad
        limits = [limit for limit in (max_seconds, processor.max_seconds) if limit is not None]
        self.max_samples = int(min(limits) * processor.sampling_rate) if limits else None
        self.rubrics = tuple(rubrics)
        self.skipped = 0
        self._questions: dict[str, tuple[torch.Tensor, torch.Tensor, list[int]]] = {}
        self._checked_template = False

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """Make one batch.

        Args:
            rows: Examples of ``audio_judge.examples``, or rows of its ``to_dataset``.

        Returns:
            ``input_ids, attention_mask`` (batch, length); ``input_features, input_features_mask`` of all clips in order;
            ``labels`` (batch, length), -100 where nothing is learned, and ``loss_weights`` (batch, length);
            ``marks`` (questions, 2), row and column of each question's mark; ``option_ids`` (questions, options), padded
            with -1; ``shares`` (questions, options), padded with 0; ``columns`` (questions,), place of each question's
            rubric in ``rubrics`` or -1; ``targets`` (batch, rubrics), expected level from 0 up, NaN if not asked for;
            ``clips`` (batch,), number of clips per row.

        Raises:
            AudioError: If a clip cannot be read; with ``skip_bad`` only if none of the batch can.
            ValueError: If an example has another number of placeholders than of clips, or nothing to learn.
        """
        examples, clips = self._read_all([read_example(row) for row in rows])
        audio, tokens_per_clip = self._features([clip for row in clips for clip in row])
        prompts, remaining = [], iter(tokens_per_clip)
        for example, row in zip(examples, clips, strict=True):
            prompts.append(self._expand(self._prompt(example), [next(remaining) for _ in row], example))
        ids = pad_sequence([p.ids for p in prompts], True, self.processor.tokenizer.pad_token_id)
        weights = pad_sequence([p.weights for p in prompts], True, 0.0)
        return {
            "input_ids": ids,
            "attention_mask": pad_sequence([torch.ones_like(p.ids) for p in prompts], True, 0),
            **audio,
            "labels": ids.masked_fill(weights == 0, IGNORED),
            "loss_weights": weights,
            **self._decisions(examples, prompts),
            "targets": torch.tensor([self._targets(example) for example in examples]),
            "clips": torch.tensor([len(row) for row in clips]),
        }

    # Audio

    def _read_all(self, examples: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[list[np.ndarray]]]:
        """The examples and their clips (samples,); unreadable ones replaced if that is allowed."""
        readable: list[tuple[dict[str, Any], list[np.ndarray]]] = []
        errors = []
        for example in examples:
            try:
                readable.append((example, self.read_clips(example)))
            except AudioError as error:
                if not self.skip_bad:
                    raise
                errors.append(error)
                logger.warning("example skipped: %s", error)
        if not readable:
            raise errors[0]
        self.skipped += len(errors)
        readable += [readable[index % len(readable)] for index in range(len(errors))]
        return [example for example, _ in readable], [clips for _, clips in readable]

    def read_clips(self, example: Mapping[str, Any]) -> list[np.ndarray]:
        """Read the clips of an example at the judge's rate, a reference aligned to its degraded clip.

        Args:
            example: An example of either form.

        Returns:
            Mono float32 arrays (samples,), all cut at the same place if they are too long.

        Raises:
            AudioError: If a file cannot be read, or is not a path.
        """
        blocks = audio_blocks(example)
        clips = [_read(block) for block in blocks]
        roles = [block.get("role") for block in blocks]
        if "degraded" in roles and "reference" in roles:
            degraded, reference = roles.index("degraded"), roles.index("reference")
            clips[degraded], clips[reference], _ = align(clips[degraded], clips[reference])
        rate = self.processor.sampling_rate
        return self._crop([resample(clip.samples, clip.sampling_rate, rate) for clip in clips], example.get("seed", 0))

    def _crop(self, clips: list[np.ndarray], seed: int) -> list[np.ndarray]:
        """Drawn from the example's own seed, so that neither workers nor a resumed run change what is heard."""
        if self.max_samples is None:
            return clips
        spare = max(len(clip) for clip in clips) - self.max_samples
        start = random.Random(seed).randint(0, spare) if self.random_crop and spare > 0 else 0
        starts = [min(start, max(0, len(clip) - self.max_samples)) for clip in clips]
        return [clip[first : first + self.max_samples] for first, clip in zip(starts, clips, strict=True)]

    def _features(self, clips: list[np.ndarray]) -> tuple[dict[str, torch.Tensor], list[int]]:
        """The model's audio inputs and the number of audio tokens of each clip."""
        if not clips:
            raise ValueError("no example of the batch has a clip; a judge is trained with audio")
        audio, _ = self.processor._process_audio(clips)
        return audio, audio.pop("num_audio_tokens")

    # Text

    def _prompt(self, example: Mapping[str, Any]) -> _Prompt:
        return self._decision_prompt(example) if "questions" in example else self._text_prompt(example)

    def _text_prompt(self, example: Mapping[str, Any]) -> _Prompt:
        """A conversation whose last turns, the completion, are learned."""
        encoded = self.processor.tokenizer.apply_chat_template(
            [*example["prompt"], *example["completion"]],
            chat_template=self.processor.chat_template,
            return_dict=True,
            return_assistant_tokens_mask=True,
            tokenizer_kwargs={"return_offsets_mapping": True},
        )
        answer = torch.tensor(encoded["assistant_masks"]).bool()
        run = (answer & ~torch.roll(answer, 1)).cumsum(0)  # which answer a token is of; earlier ones are not learned
        answer &= run > run[-1] - len(example["completion"])
        weights = answer.float()
        offsets = torch.tensor(encoded["offset_mapping"])
        if example.get("completion_weights"):
            start = int(offsets[answer][0, 0])
            for first, last, weight in example["completion_weights"]:
                weights[answer & (offsets[:, 1] > start + first) & (offsets[:, 0] < start + last)] = weight
        return _Prompt(torch.tensor(encoded["input_ids"]), weights)

    def _decision_prompt(self, example: Mapping[str, Any]) -> _Prompt:
        """The shared beginning, then each question; a question's tokens do not depend on the others, so they are kept."""
        shown = [{"type": "audio"} if block["type"] == "audio" else block for block in example["state"]]
        parts = [self._question(shown, name, question) for name, question in example["questions"].items()]
        pieces = [parts[0][0], *(tail for _, tail, _ in parts)]
        ids = torch.cat(pieces)
        if not self._checked_template and len(parts) > 1:
            self._check_template(shown, example["questions"], ids)
        ends = np.cumsum([len(piece) for piece in pieces])[1:] - 1
        return _Prompt(ids, torch.zeros(len(ids)), tuple(ends.tolist()), tuple(labels for _, _, labels in parts))

    def _question(
        self, shown: list[dict[str, Any]], name: str, question: dict[str, Any]
    ) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
        """Ids before the question, ids from its opening token to its mark, and the ids of its labels; remembered."""
        key = json.dumps([shown, question], ensure_ascii=False)
        if key not in self._questions:
            ids, asked = self._joint_prompt(shown, {name: question})
            opening = int((ids == self.processor.question_token_id).nonzero()[0, 0])
            labels = label_token_ids(self.processor.tokenizer, tuple(asked[0].labels))
            self._questions[key] = ids[:opening], ids[opening:], labels
        return self._questions[key]

    def _joint_prompt(self, shown: list[dict[str, Any]], questions: dict[str, Any]) -> tuple[torch.Tensor, list[Any]]:
        request = {"state": shown, "questions": questions}
        inputs, asked = prepare_inputs(self.processor.decision_config, request, self.processor.tokenizer)[0]
        return inputs["input_ids"][0], asked

    def _check_template(self, shown: list[dict[str, Any]], questions: dict[str, Any], ids: torch.Tensor) -> None:
        """An own decision template may write things between or after the questions; then they cannot be kept one by one."""
        if not torch.equal(self._joint_prompt(shown, questions)[0], ids):
            raise ValueError("the decision template of this judge does not keep the questions of a prompt apart")
        self._checked_template = True

    def _expand(self, prompt: _Prompt, tokens_per_clip: list[int], example: Mapping[str, Any]) -> _Prompt:
        """Give each placeholder as many tokens as its clip has."""
        is_audio = prompt.ids == self.processor.audio_token_id
        if int(is_audio.sum()) != len(tokens_per_clip) or not (prompt.marks or prompt.weights.any()):
            raise ValueError(
                f"{int(is_audio.sum())} placeholders for {len(tokens_per_clip)} clips and "
                f"{len(prompt.marks) + int(prompt.weights.count_nonzero())} things to learn in {json.dumps(example)[:300]}"
            )
        times = torch.ones_like(prompt.ids)
        times[is_audio] = torch.tensor(tokens_per_clip)
        ends = times.cumsum(0) - 1
        return replace(
            prompt,
            ids=prompt.ids.repeat_interleave(times),
            weights=prompt.weights.repeat_interleave(times),
            marks=tuple(int(ends[mark]) for mark in prompt.marks),
        )

    # Targets

    def _decisions(self, examples: list[dict[str, Any]], prompts: list[_Prompt]) -> dict[str, torch.Tensor]:
        """Where each question is read, what its answers are, and what share of listeners gives each."""
        marks = [[row, mark] for row, prompt in enumerate(prompts) for mark in prompt.marks]
        labels = [torch.tensor(ids) for prompt in prompts for ids in prompt.option_ids]
        asked = [(name, example) for example in examples for name in example.get("questions", {})]
        columns = [self.rubrics.index(name) if name in self.rubrics else -1 for name, _ in asked]
        shares = [torch.tensor(example["targets"][name]) for name, example in asked]
        for (name, _), ids, target in zip(asked, labels, shares, strict=True):
            if len(ids) != len(target):
                raise ValueError(f"question {name!r}: {len(target)} shares for {len(ids)} levels")
        return {
            "marks": torch.tensor(marks, dtype=torch.long).view(-1, 2),
            "option_ids": pad_sequence(labels, True, -1) if labels else torch.zeros(0, 1, dtype=torch.long),
            "shares": pad_sequence(shares, True, 0.0) if shares else torch.zeros(0, 1),
            "columns": torch.tensor(columns, dtype=torch.long),
        }

    def _targets(self, example: Mapping[str, Any]) -> list[float]:
        """Expected level per column, from 0 for the lowest; NaN where the example does not ask for a single score."""
        levels = {
            name: sum(k * share for k, share in enumerate(row)) for name, row in example.get("targets", {}).items()
        }
        if "target" in example:
            rubric = get_rubric(example["target"]["rubric"])
            levels[rubric.name] = rubric_level(rubric, example["target"]["value"])
        return [levels.get(name, float("nan")) for name in self.rubrics]


def rubric_level(rubric: Any, value: float) -> float:
    """Place a score between the levels of its rubric, counted from 0.

    Args:
        rubric: A ``Rubric``.
        value: Score on the rubric's scale.

    Example:
        >>> rubric_level(get_rubric("mos"), 3.5)
        2.5
    """
    return (value - rubric.low) / (rubric.high - rubric.low) * (len(rubric.levels) - 1)


def _read(block: Mapping[str, Any]) -> Audio:
    """Only paths: data columns of other kinds would have to be decoded by someone else's code."""
    if not isinstance(block.get("path"), str):
        raise AudioError(f"audio block {sorted(block)}: a training example gives its clip as a `path`")
    return read_audio(block["path"])
