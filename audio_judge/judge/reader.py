"""How a judge reads: clips are cut into windows, windows decided in batches, and words written after decided heads.

``Reader`` is the part of ``AudioJudge`` that holds the model; what can be asked of a judge is in ``audio_judge.judge``.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from audio_judge.audio import (
    Audio,
    AudioError,
    AudioSource,
    align,
    audio_info,
    iter_windows,
    read_audio,
    resample,
    windows,
)
from audio_judge.judge import preferences, streaming
from audio_judge.judge.drafts import Draft, Written, trimmed
from audio_judge.judge.generation import generate, judge_inputs, stop_tokens
from audio_judge.judge.requests import Pair, Reading, Request, clip_name, part
from audio_judge.messages import clip_state, pair_state, text_messages
from audio_judge.rubrics.rubric import Rubric
from audio_judge.tasks import listeners
from audio_judge.tasks import score as score_task
from audio_judge.text_models.replies import Sampling

LONGEST_SECONDS = 2 * 3600.0


class Reader:
    """A loaded model that decides questions about clips and writes words.

    Args:
        model: An ``AudioJudgeForCausalLM``.
        processor: The ``AudioJudgeProcessor`` that belongs to it.

    Attributes:
        longest_seconds: Clips, or parts of clips, longer than this are refused; set it to judge longer ones.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        self.model = model.eval()
        self.processor = processor
        self.longest_seconds = LONGEST_SECONDS

    def _read(
        self,
        requests: Iterable[Request | Pair],
        questions: dict[str, dict[str, Any]],
        batch_size: int,
        rubrics: Sequence[Rubric] = (),
        listener: listeners.Listener | None = None,
        language: str = "en",
    ) -> Iterator[Reading]:
        """Decides the questions for every window of every request; what cannot be read carries its error."""
        readings: deque[Reading] = deque()
        waiting: list[tuple[Reading, list[dict[str, Any]]]] = []
        for request in requests:
            reading = Reading(request)
            readings.append(reading)
            try:
                cut = self._pair_windows(request) if isinstance(request, Pair) else self._windows(request)
                for start, end, state in cut:
                    reading.spans.append((start, end))
                    waiting.append((reading, state))
                    if len(waiting) == batch_size:
                        self._decide(waiting, questions, rubrics, listener, language)
            except (AudioError, OSError) as error:
                reading.error = str(error)
            reading.is_read = True
            while readings and readings[0].is_done:
                yield readings.popleft()
        self._decide(waiting, questions, rubrics, listener, language)
        yield from readings

    def _windows(self, request: Request) -> Iterator[tuple[float, float, list[dict[str, Any]]]]:
        """Start and end in seconds and the state of each window, at the judge's rate."""
        return self._cut(request, self.processor.window_seconds)

    def _cut(
        self, request: Request, window_seconds: float, hop_seconds: float | None = None
    ) -> Iterator[tuple[float, float, list[dict[str, Any]]]]:
        source, reference = self._source(request), None
        if request.reference is not None:
            times: dict[str, Any] = {"start_time": request.start_time, "end_time": request.end_time}
            source, reference, _ = align(read_audio(source), read_audio(request.reference, **times))
        for start, end, window in streaming.sliding_windows(source, window_seconds, hop_seconds):
            same = None if reference is None else part(reference, start, end)
            yield start, end, clip_state(self._block(window), same and self._block(same))

    def _source(self, request: Request) -> AudioSource:
        """The clip, or the part of it that is asked for."""
        self._check_length(request)
        if request.start_time is None and request.end_time is None:
            return request.clip
        return read_audio(request.clip, start_time=request.start_time, end_time=request.end_time)

    def _check_length(self, request: Request) -> None:
        """Refuses what is too long before any of it is read into memory."""
        first, last = request.start_time or 0.0, request.end_time
        seconds = (audio_info(request.clip).seconds if last is None else last) - first
        if seconds > self.longest_seconds:
            raise AudioError(
                f"{clip_name(request.clip)}: {seconds / 3600:.2f} h; at most {self.longest_seconds / 3600:g} h are judged: "
                "cut it, give start_time and end_time, or raise the limit"
            )

    def _block(self, audio: Audio) -> np.ndarray:
        """The samples of a window at the judge's rate."""
        return resample(audio.samples, audio.sampling_rate, self.processor.sampling_rate)

    def _pair_windows(self, pair: Pair) -> Iterator[tuple[float, float, list[dict[str, Any]]]]:
        """The states of two clips, window by window, each as A, B and as B, A."""
        size = self.processor.window_seconds
        sources = [self._source(one) for one in (pair.first, pair.second)]
        counts = [len(windows(audio_info(source).seconds, size)) for source in sources]
        firsts, seconds = ((self._block(one) for _, _, one in iter_windows(source, size)) for source in sources)
        for first, second in preferences.aligned(firsts, seconds, *counts):
            length = (len(first) + len(second)) / (2 * self.processor.sampling_rate)
            yield 0.0, length, pair_state(first, second)
            yield 0.0, length, pair_state(second, first)

    def _decide(
        self,
        waiting: list[tuple[Reading, list[dict[str, Any]]]],
        questions: dict[str, dict[str, Any]],
        rubrics: Sequence[Rubric],
        listener: listeners.Listener | None = None,
        language: str = "en",
    ) -> None:
        """One forward pass over the waiting windows; empties the list."""
        if not waiting:
            return
        decided = self._decided([state for _, state in waiting], questions, rubrics, listener, language)
        for (reading, _), probabilities in zip(waiting, decided, strict=True):
            reading.probabilities.append(probabilities)
        waiting.clear()

    def _decided(
        self,
        states: list[list[dict[str, Any]]],
        questions: dict[str, dict[str, Any]],
        rubrics: Sequence[Rubric],
        listener: listeners.Listener | None,
        language: str = "en",
    ) -> list[dict[str, np.ndarray]]:
        if not rubrics or self.processor.answer_form != "decimal":
            return self._decide_states(states, questions)
        numbers = self._read_decimals(states, rubrics, listener, language)
        others = {name: question for name, question in questions.items() if name not in numbers[0]}
        if not others:
            return numbers
        decided = self._decide_states(states, others)
        return [read | answered for read, answered in zip(numbers, decided, strict=True)]

    def _decide_states(
        self, states: list[list[dict[str, Any]]], questions: dict[str, dict[str, Any]]
    ) -> list[dict[str, np.ndarray]]:
        inputs, asked = self.processor.decision_inputs([{"state": s, "questions": questions} for s in states])
        answers = iter(self.model.decide(**self._on_device(inputs)))
        return [{question.name: next(answers).cpu().numpy() for question in one} for one in asked]

    def _read_decimals(
        self,
        states: list[list[dict[str, Any]]],
        rubrics: Sequence[Rubric],
        listener: listeners.Listener | None = None,
        language: str = "en",
    ) -> list[dict[str, np.ndarray]]:
        """The papers' form: the probability of each number the grammar allows, gathered into the rubric's levels."""
        results: list[dict[str, np.ndarray]] = [{} for _ in states]
        end = self.processor.end_of_turn
        for rubric in rubrics:
            grammar = score_task.grammar(rubric)
            answers = self.processor.tokenizer([text + end for text in grammar], add_special_tokens=False).input_ids
            request = score_task.ask(rubric, language=language)
            request = listeners.ask(request, listener) if listener else request
            inputs = self._chat([text_messages(state, request) for state in states])
            log_probabilities = self.model.candidate_log_probabilities(candidates=answers, **inputs)
            values = np.array([float(text) for text in grammar])
            for result, row in zip(results, log_probabilities.softmax(-1).cpu().numpy(), strict=True):
                result[rubric.name] = _shared_out(values, row, rubric.level_values)
        return results

    def _written(
        self,
        states: Iterable[list[dict[str, Any]]],
        drafts: list[Draft],
        listener: listeners.Listener | None,
        max_new_tokens: int,
        is_language_known: bool,
    ) -> list[Written]:
        """Has the free words of some answers of one task written, or, without a look at the clips, made of what was decided."""
        if not is_language_known:
            return [replace(one.finish(""), is_own=False) for one in drafts]
        first = drafts[0]
        requests = [listeners.ask(one.request, listener) if listener else one.request for one in drafts]
        conversations = [text_messages(state, request) for state, request in zip(states, requests, strict=True)]
        tags, line_breaks = self._stops
        words = generate(
            self.model,
            self.processor,
            self._chat(conversations, [one.head for one in drafts]),
            Sampling(max_tokens=max_new_tokens),
            stops=sorted({*tags, *line_breaks}) if first.is_one_line else tags,
            min_new_tokens=0 if first.is_optional else min(2, max_new_tokens - 1),
        )
        return [
            one.finish(trimmed(said.text, is_one_line=one.is_one_line, is_cut=said.cut_off))
            for one, said in zip(drafts, words, strict=True)
        ]

    @cached_property
    def _stops(self) -> tuple[list[int], list[int]]:
        return stop_tokens(self.processor)

    def _chat(self, conversations: list[list[dict[str, Any]]], heads: Sequence[str] = ()) -> dict[str, Any]:
        """Model inputs of conversations that the judge shall answer, padded on the left; ``heads`` begin the answers."""
        texts = [
            self.processor.apply_chat_template(conversation, add_generation_prompt=True)
            for conversation in conversations
        ]
        blocks = [block for conversation in conversations for block in conversation[0]["content"]]
        clips = [block["audio"] for block in blocks if block["type"] == "audio"]
        # Many tokenizers split line breaks by what follows them, and in training words did: a letter stands in for those
        is_open = any(head.endswith("\n") for head in heads)
        begun = [text + head + "A" * is_open for text, head in zip(texts, heads or [""] * len(texts), strict=True)]
        inputs = judge_inputs(self.processor, begun, clips)
        if is_open:
            inputs["input_ids"] = inputs["input_ids"][:, :-1]
            inputs["attention_mask"] = inputs["attention_mask"][:, :-1]
        return self._on_device(inputs)

    def _on_device(self, inputs: dict[str, Any]) -> dict[str, Any]:
        return {name: v.to(self.model.device) if torch.is_tensor(v) else v for name, v in inputs.items()}


def _shared_out(values: np.ndarray, probabilities: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Gives each value's probability to its two neighbouring levels, so that the mean over the levels is exact."""
    position = (values - levels[0]) / (levels[1] - levels[0])
    below = np.clip(np.floor(position).astype(int), 0, len(levels) - 2)
    shares = np.zeros(len(levels))
    np.add.at(shares, below, probabilities * (1 - (position - below)))
    np.add.at(shares, below + 1, probabilities * (position - below))
    return shares
