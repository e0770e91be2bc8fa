"""The collator: training examples to one right-padded batch, audio files read on the way.

Text examples learn their answer and its end of turn, decisions learn the shares of listeners at the token where the
answer is read; both may be in one batch. Every text goes through the chat template and the tokenizer once, with one
placeholder per clip, which then becomes as many as the clip has audio tokens.
"""

import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from transformers.decision import label_token_ids

from audio_judge.audio import AudioError
from audio_judge.configuration_audio_judge import count_frames
from audio_judge.data.files import read_example
from audio_judge.judge.generation import judge_inputs, left_padded
from audio_judge.judge.native import Messages, answer_ids, encode_prompt, join_audio, written_answer
from audio_judge.messages import HeardClip, audio_blocks, read_clips
from audio_judge.processing_audio_judge import is_span, without_spans
from audio_judge.rubrics.rubric import RUBRICS, get_rubric
from audio_judge.tasks.assess import dimension_spans

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
    """Makes batches for ``audio_judge.training.sft.AudioSFTTrainer``.

    Args:
        processor: The judge's ``AudioJudgeProcessor``.
        max_seconds: Longest clip in seconds; the encoder's own limit holds too. None for no other limit.
        random_crop: Whether a longer clip is cut at a place drawn from the example's seed; else its beginning is kept.
        skip_bad: Whether an unreadable clip is counted in ``skipped`` and its example replaced by another one of the
            batch; else it is an error.
        rubrics: Names of the columns of ``targets``; other rubrics are trained but not evaluated.
        dimension_weights: As of ``answer_weights``.
    """

    def __init__(
        self,
        processor: Any,
        *,
        max_seconds: float | None = None,
        random_crop: bool = False,
        skip_bad: bool = False,
        rubrics: Sequence[str] = tuple(RUBRICS),
        dimension_weights: Mapping[str, float] | None = None,
    ) -> None:
        self.dimension_weights = dimension_weights or {}
        self.processor, self.random_crop, self.skip_bad = processor, random_crop, skip_bad
        limits = [limit for limit in (max_seconds, processor.max_seconds) if limit is not None]
        self.max_seconds = min(limits, default=None)
        self.rubrics = tuple(rubrics)
        self.skipped = 0
        self._questions: dict[str, tuple[torch.Tensor, torch.Tensor, list[int]]] = {}
        self._checked_template = False

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """Make one batch of examples of ``audio_judge.data.examples``, or of rows of ``audio_judge.data.files.to_dataset``.

        Returns:
            ``input_ids, attention_mask`` (batch, length); ``input_features, input_features_mask`` of all clips in order;
            ``labels`` (batch, length), -100 where nothing is learned, and ``loss_weights`` (batch, length);
            ``marks`` (questions, 2), row and column of each question's mark; ``option_ids`` (questions, options), padded
            with -1; ``shares`` (questions, options), padded with 0; ``columns`` (questions,), place of each question's
            rubric in ``rubrics`` or -1; ``targets`` (batch, rubrics), expected level from 0 up, NaN if not asked for;
            ``span_marks`` (spans, 3), row, column and clip of each question about when, and ``span_targets``
            (spans, frames), 1 where it is heard; ``clips`` (batch,), number of clips per row.

        Raises:
            AudioError: If a clip cannot be read; with ``skip_bad`` only if none of the batch can.
            ValueError: If an example has another number of placeholders than of clips, or nothing to learn.
        """
        examples, clips = self._read_all([read_example(row) for row in rows])
        views = [self._optional_views(example) for example, row in zip(examples, clips, strict=True) for _ in row]
        audio, tokens_per_clip = self._features([clip.samples for row in clips for clip in row], views)
        prompts, remaining = [], iter(tokens_per_clip)
        for example, row in zip(examples, clips, strict=True):
            prompts.append(self._expand(self._prompt(example), [next(remaining) for _ in row], example))
        asked = _asked(examples, prompts)
        about_when = [question for question in asked if is_span(question.asked)]
        ids = pad_sequence([p.ids for p in prompts], True, self.processor.tokenizer.pad_token_id)  # (batch, length)
        weights = pad_sequence([p.weights for p in prompts], True, 0.0)  # (batch, length)
        return {
            "input_ids": ids,
            "attention_mask": pad_sequence([torch.ones_like(p.ids) for p in prompts], True, 0),
            **audio,
            "labels": ids.masked_fill(weights == 0, IGNORED),
            "loss_weights": weights,
            **self._decisions([question for question in asked if not is_span(question.asked)]),
            **self._spans(about_when, clips, audio["input_features_mask"]),
            "targets": torch.tensor([self._targets(example) for example in examples]),
            "clips": torch.tensor([len(row) for row in clips]),
        }

    # Audio

    def _read_all(self, examples: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[list[HeardClip]]]:
        """Unreadable examples are replaced by others of the batch, if that is allowed, so that a batch keeps its size."""
        readable: list[tuple[dict[str, Any], list[HeardClip]]] = []
        errors = []
        for example in examples:
            try:
                readable.append((example, self._read_clips(example)))
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

        Returns:
            Mono float32 arrays (samples,), all cut at the same place if they are too long.

        Raises:
            AudioError: If a file cannot be read, or is not a path.
        """
        return [clip.samples for clip in self._read_clips(example)]

    def _read_clips(self, example: Mapping[str, Any]) -> list[HeardClip]:
        crop_seed = example.get("seed", 0) if self.random_crop else None
        return read_clips(audio_blocks(example), self.processor.sampling_rate, self.max_seconds, crop_seed)

    def prompts(self, examples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Make one batch, padded on the left, of the prompts of examples, which a judge is to answer."""
        clips = [clip for example in examples for clip in self.read_clips(example)]
        texts = [self.processor.apply_chat_template(one["prompt"], add_generation_prompt=True) for one in examples]
        return judge_inputs(self.processor, texts, clips)

    def answer_tokens(self, prompt: Messages, answer: str) -> list[int]:
        """Cut an answer and its end of turn into the tokens that are learned."""
        made = self._text_prompt({"prompt": prompt, "completion": [{"role": "assistant", "content": answer}]})
        return made.ids[made.weights > 0].tolist()

    def token_ids(self, example: Mapping[str, Any]) -> list[int]:
        """Tokenize a whole example, with its answer and one placeholder per clip."""
        return self._prompt(example).ids.tolist()

    def _optional_views(self, example: Mapping[str, Any]) -> set[str]:
        """The views beyond the usual ones that the request of an example asks about, as when the judge is used."""
        if "questions" in example:
            return self.processor.optional_views(example["questions"])
        # The last turn before the answer is the request
        content = example["prompt"][-1]["content"]
        texts = [content] if isinstance(content, str) else [b["text"] for b in content if b["type"] == "text"]
        return self.processor.optional_views(" ".join(texts))

    def _features(self, clips: list[np.ndarray], views: list[set[str]]) -> tuple[dict[str, torch.Tensor], list[int]]:
        """The model's audio inputs and the number of audio tokens of each clip."""
        if not clips:
            raise ValueError("no example of the batch has a clip; a judge is trained with audio")
        audio, _ = self.processor._process_audio(clips, views)
        return audio, audio.pop("num_audio_tokens")

    # Text

    def _prompt(self, example: Mapping[str, Any]) -> _Prompt:
        return self._decision_prompt(example) if "questions" in example else self._text_prompt(example)

    def _text_prompt(self, example: Mapping[str, Any]) -> _Prompt:
        """A conversation whose last turns, the completion, are learned."""
        # By the tokenizer: the processor's own would read the clips, too, and expand their placeholders
        encoded = self.processor.tokenizer.apply_chat_template(
            [*example["prompt"], *example["completion"]],
            chat_template=self.processor.chat_template,
            return_dict=True,
            return_assistant_tokens_mask=True,
            tokenizer_kwargs={"return_offsets_mapping": True},
        )
        answer = torch.tensor(encoded["assistant_masks"]).bool()  # (length,)
        run = (answer & ~torch.roll(answer, 1)).cumsum(0)  # which answer a token is of; earlier ones are not learned
        answer &= run > run[-1] - len(example["completion"])
        weights = answer.float()
        offsets = torch.tensor(encoded["offset_mapping"])[answer]  # (answer tokens, 2), characters of the whole text
        text = example["completion"][0]["content"]
        weights[answer] = answer_weights(text, offsets - offsets[:1, :1], self.dimension_weights)
        return _Prompt(torch.tensor(encoded["input_ids"]), weights)

    def _decision_prompt(self, example: Mapping[str, Any]) -> _Prompt:
        """The shared beginning, then each question; a question's tokens do not depend on the others, so they are kept."""
        shown = [{"type": "audio"} if block["type"] == "audio" else block for block in example["state"]]
        parts = [self._question(shown, name, question) for name, question in example["questions"].items()]
        pieces = [parts[0][0], *(tail for _, tail, _ in parts)]
        ids = torch.cat(pieces)  # (length,)
        if not self._checked_template and len(parts) > 1:
            self._check_template(shown, example["questions"], ids)
        ends = np.cumsum([len(piece) for piece in pieces])[1:] - 1  # last token of each question, before its mark
        return _Prompt(ids, torch.zeros(len(ids)), tuple(ends.tolist()), tuple(labels for _, _, labels in parts))

    def _question(
        self, shown: list[dict[str, Any]], name: str, question: dict[str, Any]
    ) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
        """Ids before the question, ids from its opening token to its mark, and the ids of its labels; remembered."""
        key = json.dumps([shown, question], ensure_ascii=False)  # placeholders, so the same for clips of any example
        if key not in self._questions:
            ids, asked = self._joint_prompt(shown, {name: question})
            opening = int((ids == self.processor.question_token_id).nonzero()[0, 0])
            labels = label_token_ids(self.processor.tokenizer, tuple(asked[0].labels))
            self._questions[key] = ids[:opening], ids[opening:], labels
        return self._questions[key]

    def _joint_prompt(self, shown: list[dict[str, Any]], questions: dict[str, Any]) -> tuple[torch.Tensor, list[Any]]:
        inputs, asked = self.processor.joint_prompt(shown, without_spans(questions))
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
        times = torch.ones_like(prompt.ids)  # (length,)
        times[is_audio] = torch.tensor(tokens_per_clip)
        ends = times.cumsum(0) - 1  # (length,), where each token has moved to
        return replace(
            prompt,
            ids=prompt.ids.repeat_interleave(times),
            weights=prompt.weights.repeat_interleave(times),
            marks=tuple(int(ends[mark]) for mark in prompt.marks),
        )

    # Targets

    def _decisions(self, asked: list["_Asked"]) -> dict[str, torch.Tensor]:
        """Where each question is read, what its answers are, and what share of listeners gives each."""
        labels = [torch.tensor(question.option_ids) for question in asked]  # (options,) each
        columns = [self.rubrics.index(q.name) if self._is_score(q.name, q.asked) else -1 for q in asked]
        shares = [torch.tensor(question.target) for question in asked]  # (options,) each
        for question, ids, target in zip(asked, labels, shares, strict=True):
            if len(ids) != len(target):
                raise ValueError(f"question {question.name!r}: {len(target)} shares for {len(ids)} levels")
        return {
            "marks": torch.tensor([[q.row, q.mark] for q in asked], dtype=torch.long).view(-1, 2),
            "option_ids": pad_sequence(labels, True, -1) if labels else torch.zeros(0, 1, dtype=torch.long),
            "shares": pad_sequence(shares, True, 0.0) if shares else torch.zeros(0, 1),
            "columns": torch.tensor(columns, dtype=torch.long),
        }

    def _spans(
        self, asked: list["_Asked"], clips: list[list[HeardClip]], mask: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Where each question about when is read, and in which frames of the first clip of its example it is heard."""
        before = np.cumsum([0, *(len(row) for row in clips)])  # clips in the rows above
        marks = [[q.row, q.mark, int(before[q.row])] for q in asked]
        counts = count_frames(mask.sum(1).long(), self.processor.frame_steps).tolist()  # (clips,)
        frames = [self._heard(clips[q.row][0], counts[before[q.row]], q.target) for q in asked]
        return {
            "span_marks": torch.tensor(marks, dtype=torch.long).view(-1, 3),
            "span_targets": pad_sequence(frames, True, 0.0) if frames else torch.zeros(0, 1),
        }

    def _heard(self, clip: HeardClip, frames: int, spans: Sequence[Sequence[float]]) -> torch.Tensor:
        """(frames,), 1 in each encoder frame of a clip that one of the spans, in seconds of the whole file, reaches into."""
        step = len(clip.samples) / self.processor.sampling_rate / frames
        heard = torch.zeros(frames)
        for start, end in spans:
            # In frames of what is heard, which is cropped: a span may lie before or after it
            first, last = (start - clip.start) / step, (end - clip.start) / step
            if last > 0 and first < frames:
                heard[max(0, math.floor(first)) : max(1, math.ceil(last))] = 1.0
        return heard

    def _is_score(self, name: str, question: Mapping[str, Any]) -> bool:
        """Whether a question is about the levels of an evaluated rubric; a comparison in that rubric is not."""
        return question["type"] == "score" and name in self.rubrics

    def _targets(self, example: Mapping[str, Any]) -> list[float]:
        """Expected level per column, from 0 for the lowest; NaN where the example does not ask for a single score."""
        levels = {
            name: sum(k * share for k, share in enumerate(example["targets"][name]))
            for name, question in example.get("questions", {}).items()
            if self._is_score(name, question)
        }
        if "target" in example:
            rubric = get_rubric(example["target"]["rubric"])
            levels[rubric.name] = rubric_level(rubric, example["target"]["value"])
        return [levels.get(name, float("nan")) for name in self.rubrics]


@dataclass(frozen=True)
class _Asked:
    """A question of a batch: where it is read, what was asked and what the answer is."""

    name: str
    row: int
    mark: int
    option_ids: list[int]
    asked: dict[str, Any]
    target: Any


def _asked(examples: list[dict[str, Any]], prompts: list[_Prompt]) -> list[_Asked]:
    found = []
    for row, (example, prompt) in enumerate(zip(examples, prompts, strict=True)):
        questions = example.get("questions", {}).items()
        for (name, question), mark, ids in zip(questions, prompt.marks, prompt.option_ids, strict=True):
            found.append(_Asked(name, row, mark, ids, question, example["targets"][name]))
    return found


def rubric_level(rubric: Any, value: float) -> float:
    """Place a score on a rubric's scale between the levels of the rubric, counted from 0.

    Example:
        >>> rubric_level(get_rubric("mos"), 3.5)
        2.5
    """
    return (value - rubric.low) / (rubric.high - rubric.low) * (len(rubric.levels) - 1)


def answer_weights(text: str, offsets: torch.Tensor, dimension_weights: Mapping[str, float]) -> torch.Tensor:
    r"""Weigh the tokens of an answer: what its thought says about a dimension counts the weight of that dimension.

    SQ-LLM's loss: that of each dimension has a weight beside that of the answer.

    Args:
        text: The answer; more may follow.
        offsets: (tokens, 2), characters of the text that each token stands for.
        dimension_weights: Name of a dimension of SpeechEval to its weight; what is not named counts 1, as all else does.

    Returns:
        (tokens,).

    Example:
        >>> text, offsets = "<think>\nDistortion: 2/5\n</think>", torch.tensor([[0, 19], [19, 21], [21, 32]])
        >>> answer_weights(text, offsets, {"distortion": 3.0})
        tensor([1., 3., 3.])
    """
    weights = torch.ones(len(offsets))
    for name, (first, last) in dimension_spans(text).items() if dimension_weights else ():
        if name in dimension_weights:
            weights[(offsets[:, 1] > first) & (offsets[:, 0] < last)] = dimension_weights[name]
    return weights


class NativeCollator:
    """Makes batches for ``audio_judge.training.sft.NativeSFTTrainer`` from examples that are answered in text.

    Args:
        processor: Of a native audio language model (or of a judge).
        max_seconds: Longer clips are cut off there; None for no limit.
        dimension_weights: As of ``answer_weights``.
    """

    def __init__(
        self,
        processor: Any,
        max_seconds: float | None = None,
        dimension_weights: Mapping[str, float] | None = None,
    ) -> None:
        self.processor, self.max_seconds = processor, max_seconds
        self.dimension_weights = dimension_weights or {}

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """Make one batch of examples with ``prompt`` and ``completion``, or of rows of ``audio_judge.data.files.to_dataset``.

        Returns:
            ``input_ids, attention_mask, labels, loss_weights`` (batch, length), padded on the right, labels -100 outside
            the answer and its end of turn; and the audio inputs of all clips in order.

        Raises:
            AudioError: If a clip cannot be read.
            ValueError: If an example is a typed decision.
        """
        examples = [read_example(row) for row in rows]
        if any("prompt" not in example for example in examples):
            raise ValueError("a native audio language model answers in text; leave decide out of the tasks")
        prompts = [encode_prompt(self.processor, example["prompt"], self.max_seconds) for example in examples]
        answers = [self._answer(one["prompt"], one["completion"]) for one in examples]
        pairs = list(zip(prompts, answers, strict=True))
        whole = [torch.tensor(prompt.ids + answer) for prompt, (answer, _) in pairs]  # (length,) each
        ids = pad_sequence(whole, True, self.processor.tokenizer.pad_token_id)  # (batch, length)
        before = [torch.zeros(len(prompt.ids)) for prompt in prompts]
        weights = [torch.cat([none, own]) for none, (_, own) in zip(before, answers, strict=True)]  # (length,) each
        loss_weights = pad_sequence(weights, True, 0.0)  # (batch, length)
        return {
            "input_ids": ids,
            "attention_mask": pad_sequence([torch.ones_like(row) for row in whole], True, 0),
            "labels": ids.masked_fill(loss_weights == 0, IGNORED),
            "loss_weights": loss_weights,
            **join_audio([prompt.audio for prompt in prompts]),
        }

    def prompts(self, examples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Make one batch, padded on the left, of the prompts of examples, which a model is to answer."""
        return left_padded(
            self.processor, [encode_prompt(self.processor, one["prompt"], self.max_seconds) for one in examples]
        )

    def answer_tokens(self, prompt: Messages, answer: str) -> list[int]:
        """Cut an answer and its end of turn into the tokens that are learned."""
        return answer_ids(self.processor, prompt, [{"role": "assistant", "content": answer}])

    def _answer(self, prompt: Messages, completion: Messages) -> tuple[list[int], torch.Tensor]:
        """Ids of an answer, and the weight of each in the loss."""
        if not self.dimension_weights:
            ids = answer_ids(self.processor, prompt, completion)
            return ids, torch.ones(len(ids))
        tokenizer = self.processor.tokenizer
        if self.processor.chat_template is None or not tokenizer.is_fast:
            raise ValueError(
                f"dimension_weights: {type(tokenizer).__name__} does not tell which characters a token stands for; leave "
                "them out with this model"
            )
        text = written_answer(self.processor, prompt, completion)
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        offsets = torch.tensor(encoded["offset_mapping"])  # (answer tokens, 2)
        return encoded["input_ids"], answer_weights(text, offsets, self.dimension_weights)


def text_examples(dataset: Any) -> Any:
    """Keep the examples that are answered in text, and tell how many typed decisions are left out (of a stream only that).

    Raises:
        ValueError: If nothing is left.
    """
    from datasets import IterableDataset

    kept = dataset.filter(_is_text)
    if isinstance(dataset, IterableDataset):
        logger.warning("typed questions are left out: a native audio language model answers in text")
        return kept
    if not len(kept):
        raise ValueError(
            f"all {len(dataset)} examples are typed questions; a native audio language model answers in text"
        )
    if len(kept) < len(dataset):
        dropped = len(dataset) - len(kept)
        logger.warning(
            "%d of %d examples are typed questions and left out: a native audio language model answers in text",
            dropped,
            len(dataset),
        )
    return kept


def _is_text(row: Mapping[str, Any]) -> bool:
    return "prompt" in read_example(row)
