"""A native audio language model with what ``AudioJudge`` asks of a judge of our own: decisions, shares of numbers, words.

A closed question is a prompt of its own, in the words in which transformers asks any chat model; the logits of the labels of its
answers are read where the answer begins. Everything goes through the model's own ``generate``, which knows what the model needs
beside its inputs (positions, adapters for sound). Left out: questions about when, which need a head of our own judge.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jinja2.sandbox import ImmutableSandboxedEnvironment
from transformers import LogitsProcessor, LogitsProcessorList
from transformers.decision import DECISION_PROMPT, DecisionConfig

from audio_judge.judge.generation import left_padded
from audio_judge.judge.native import (
    EncodedPrompt,
    Messages,
    encode,
    end_of_turn,
    hearing_part,
    placeholder_id,
    window_seconds,
)
from audio_judge.messages import audio_blocks, text_messages
from audio_judge.processing_audio_judge import AudioJudgeProcessor

# More tokens than that are read with the prompt rather than dictated one by one
MOST_DICTATED = 32

_ASKED = ImmutableSandboxedEnvironment().from_string(DECISION_PROMPT)


def as_judge(model: Any, processor: Any) -> tuple[Any, Any]:
    """Give a native model and its processor the methods of a judge of our own; such a judge stays as it is."""
    if hasattr(processor, "decision_inputs"):
        return model, processor
    return NativeModel(model, processor), NativeProcessor(processor, getattr(model.config, "window_seconds", None))


class NativeProcessor:
    """The processor of a native audio language model as a judge's.

    Args:
        processor: What transformers has for the model.
        trained_seconds: Length that clips were cut to in training; None for an unchanged model.

    Attributes:
        window_seconds: Length that longer recordings are cut to: as in training, else what the model hears at once.
        decision_config: Labels and temperatures of typed questions.
    """

    def __init__(self, processor: Any, trained_seconds: float | None = None) -> None:
        self.processor, self.tokenizer = processor, processor.tokenizer
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        hearing = hearing_part(processor)
        self.sampling_rate = int(hearing.sampling_rate)
        self.window_seconds = window_seconds(getattr(hearing, "chunk_length", None), trained_seconds)
        self.answer_form, self.trained_faults = "decision", False  # notes of training are in the configuration
        self.decision_config = DecisionConfig()

    @cached_property
    def end_of_turn(self) -> str:
        """What ends an answer; empty if that is no text, as for Mistral's own tokenizer."""
        return "" if self.processor.chat_template is None else end_of_turn(self.processor)

    @cached_property
    def hears_two(self) -> bool:
        """Whether a prompt may hold two clips, as a comparison and a reference need; tried out once."""
        two = [{"role": "user", "content": [{"type": "audio"}, {"type": "audio"}]}]
        try:
            encode(self.processor, two, [np.zeros(self.sampling_rate, np.float32)] * 2)
        except (ValueError, IndexError, TypeError):
            return False
        return True

    def parse_questions(self, questions: Mapping[str, Any]) -> list[Any]:
        """Check typed questions: what is asked, and how, is the same for every judge."""
        # Of a processor it needs no more than the settings of decisions
        check: Any = AudioJudgeProcessor.parse_questions
        return list(check(self, questions))

    def decision_inputs(
        self, requests: list[dict[str, Any]], *, is_cut: bool = True
    ) -> tuple[dict[str, Any], list[list[Any]]]:
        """Make prompts of decision requests, as ``AudioJudgeProcessor.decision_inputs`` does of windows (``is_cut``).

        Returns:
            The arguments of ``NativeModel.decide`` and the questions of each request.
        """
        prompts: list[EncodedPrompt] = []
        asked: list[list[Any]] = []
        for request in requests:
            asked.append(self.parse_questions(request["questions"]))
            prompts += [self.encode(text_messages(request["state"], in_words(question))) for question in asked[-1]]
        questions = [question for one in asked for question in one]
        temperatures = [self.decision_config.temperature.get(question.type, 1.0) for question in questions]
        labels = [tuple(question.labels) for question in questions]
        inputs = {"prompts": prompts, "labels": labels, "temperatures": temperatures, "batch_size": len(requests)}
        return inputs, asked

    def chat_inputs(self, conversations: Sequence[Messages], heads: Sequence[str] = ()) -> dict[str, torch.Tensor]:
        """Make one batch, padded on the left, of conversations to be answered; ``heads`` begin the answers."""
        begun = [self._tokens(head) for head in heads] or [[]] * len(conversations)
        prompts = [self.encode(one, head) for one, head in zip(conversations, begun, strict=True)]
        return left_padded(self, prompts)

    def encode(self, conversation: Messages, head: Sequence[int] = ()) -> EncodedPrompt:
        """Make the inputs of one conversation with arrays in its blocks, followed by the tokens of ``head``."""
        clips = [block["audio"] for block in audio_blocks({"prompt": conversation})]
        prompt = encode(self.processor, conversation, clips)
        return prompt._replace(ids=[*prompt.ids, *head])

    def _tokens(self, head: str) -> list[int]:
        # Many tokenizers split line breaks by what follows them, and in training words did: a letter stands in for those
        is_open = head.endswith("\n")
        ids = self.tokenizer(head + "A" * is_open, add_special_tokens=False)["input_ids"]
        return ids[:-1] if is_open else ids


class NativeModel:
    """A native audio language model as a judge's; what is not here is the model's own.

    Args:
        model: Of transformers, in evaluation mode.
        processor: What transformers has for it.
    """

    span_head = None

    def __init__(self, model: Any, processor: Any) -> None:
        self.model, self.tokenizer = model, processor.tokenizer
        self.placeholder = placeholder_id(model)

    def __getattr__(self, name: str) -> Any:
        return getattr(vars(self)["model"], name)

    def eval(self) -> "NativeModel":
        """Put the model into evaluation mode."""
        self.model.eval()
        return self

    def generate(self, **inputs: Any) -> Any:
        """As the model's own; sound in its precision, and no audio tokens among the words."""
        for name, value in inputs.items():
            if torch.is_tensor(value) and value.is_floating_point():
                inputs[name] = value.to(self.model.dtype)
        return self.model.generate(**inputs, suppress_tokens=[self.placeholder])

    def decide(
        self,
        prompts: Sequence[EncodedPrompt],
        labels: Sequence[tuple[str, ...]],
        temperatures: Sequence[float],
        batch_size: int,
    ) -> list[torch.Tensor]:
        """Answer typed questions, so many prompts per forward pass.

        Args:
            prompts: One per question.
            labels: Of the allowed answers, per question.
            temperatures: Of the softmax, per question.

        Returns:
            Per question, the probabilities (options,) of its answers: the softmax over the first tokens in which their labels
            differ.
        """
        begun, option_ids = zip(*(self._options(one) for one in labels), strict=True)
        shares: list[torch.Tensor] = []
        for start in range(0, len(prompts), batch_size):
            rows = range(start, min(start + batch_size, len(prompts)))
            ready = [prompts[row]._replace(ids=[*prompts[row].ids, *begun[row]]) for row in rows]
            logits = self._logits(left_padded(self, ready))[:, -1]  # (rows, vocabulary)
            shares += [
                (logits[place, option_ids[row]] / temperatures[row]).softmax(-1) for place, row in enumerate(rows)
            ]
        return shares

    def candidate_log_probabilities(self, candidates: Sequence[Sequence[int]], **inputs: torch.Tensor) -> torch.Tensor:
        """Log-probability of writing each candidate after each prompt, as ``AudioJudgeForCausalLM`` has it.

        An end of turn that all candidates have in common counts only where one is the beginning of another, and a long
        beginning that all have in common is taken as written.

        Args:
            candidates: Token ids of each.
            inputs: As ``NativeProcessor.chat_inputs`` makes them, (batch, length).

        Returns:
            (batch, candidates).
        """
        answers = self._told_apart([tuple(ids) for ids in candidates])
        common = _common(answers)
        if common > MOST_DICTATED:
            ids, mask = inputs["input_ids"], inputs["attention_mask"]  # (batch, length) each
            written = ids.new_tensor([answers[0][:common]]).expand(len(ids), -1)  # (batch, common)
            inputs |= {
                "input_ids": torch.cat([ids, written], 1),
                "attention_mask": torch.cat([mask, written * 0 + 1], 1),
            }
            answers = [ids[common:] for ids in answers]
        found: dict[tuple[int, ...], torch.Tensor] = {}  # log-probabilities (batch, vocabulary) of what follows
        for begun in _longest({ids[:-1] for ids in answers}):
            following = self._logits(inputs, begun).log_softmax(-1)
            found |= {begun[:step]: following[:, step] for step in range(len(begun) + 1)}
        rows = [sum(found[ids[:step]][:, token] for step, token in enumerate(ids)) for ids in answers]
        return torch.stack([torch.as_tensor(row) for row in rows], dim=1)

    def _options(self, labels: tuple[str, ...]) -> tuple[list[int], list[int]]:
        """The tokens that all labels begin with, and the first one of each that is its own.

        Raises:
            ValueError: If two labels begin alike for longer than the others.
        """
        ids = [self.tokenizer(label, add_special_tokens=False)["input_ids"] for label in labels]
        common = _common(ids)
        if len({one[common] for one in ids}) < len(labels):
            raise ValueError(f"the labels {', '.join(labels)} do not differ in one token for this model's tokenizer")
        return ids[0][:common], [one[common] for one in ids]

    def _told_apart(self, candidates: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Candidates of which none is the beginning of another: without a common end, or with one more token to tell."""
        cut = [ids[:-1] for ids in candidates]
        if len({ids[-1] for ids in candidates}) == 1 and all(cut) and not _has_beginnings(cut):
            return cut
        if _has_beginnings(candidates):
            return [(*ids, self.tokenizer.eos_token_id) for ids in candidates]
        return candidates

    @torch.no_grad()
    def _logits(self, inputs: Mapping[str, torch.Tensor], begun: Sequence[int] = ()) -> torch.Tensor:
        """Logits (rows, tokens of ``begun`` and one, vocabulary) where each of them, and what follows, would be written."""
        written = self.generate(
            **{name: value.to(self.model.device) for name, value in inputs.items()},
            max_new_tokens=len(begun) + 1,
            do_sample=False,
            num_beams=1,
            temperature=None,
            top_p=None,
            top_k=None,
            pad_token_id=self.tokenizer.pad_token_id,
            logits_processor=LogitsProcessorList([_Dictated(begun, inputs["input_ids"].shape[1])]),
            return_dict_in_generate=True,
            output_logits=True,
        )
        return torch.stack(written.logits, dim=1).float()


class _Dictated(LogitsProcessor):
    """Has a model write given tokens first."""

    def __init__(self, tokens: Sequence[int], start: int) -> None:
        self.tokens, self.start = tokens, start

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """Scores (rows, vocabulary) of the given token alone, as long as there is one."""
        step = input_ids.shape[1] - self.start
        if step < len(self.tokens):
            only = torch.full_like(scores, -torch.inf)
            only[:, self.tokens[step]] = 0.0
            return only  # type: ignore[return-value]
        return scores


def in_words(question: Any) -> str:
    r"""Write a typed question with the labels of its answers, as transformers asks any chat model.

    Example:
        >>> from transformers.decision import Question
        >>> in_words(Question("hum", "noul", "Is there hum?", ["true", "false"], ["Yes", "No"], [None, None]))
        'Is there hum?\nAnswer Yes or No only.'
    """
    return _ASKED.render(state="", question=vars(question)).strip()


def _common(answers: Sequence[Sequence[int]]) -> int:
    """How many tokens all begin with, without the last one of the shortest."""
    differ = (step for step, some in enumerate(zip(*answers, strict=False)) if len(set(some)) > 1)
    return next(differ, min(map(len, answers)) - 1)


def _has_beginnings(candidates: Sequence[tuple[int, ...]]) -> bool:
    """Whether one is the beginning of another; sorted, that would be the next one."""
    return any(later[: len(earlier)] == earlier for earlier, later in pairwise(sorted(candidates)))


def _longest(beginnings: set[tuple[int, ...]]) -> Iterator[tuple[int, ...]]:
    """Those that are no beginning of another."""
    ordered = sorted(beginnings)
    for one, following in zip(ordered, [*ordered[1:], ()], strict=True):
        if following[: len(one)] != one or not following:
            yield one
