"""How a judge reads: clips are cut into windows, windows decided in batches, and words written after decided heads.

``Reader`` is the part of ``AudioJudge`` that holds the model; what can be asked of a judge is in ``audio_judge.judge.judge``.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import torch

from audio_judge.audio import (
    MIX,
    Audio,
    AudioError,
    AudioSource,
    Channel,
    audio_info,
    iter_windows,
    lay_beside,
    listen,
    read_audio,
    resample,
)
from audio_judge.audio.originals import LEAST_LIKENESS, likeness, sounds_alike, split_spans
from audio_judge.judge import preferences, streaming
from audio_judge.judge.decided import Decided
from audio_judge.judge.drafts import Draft, Written, by_rule, trimmed
from audio_judge.judge.evidence import Alone, Evidence, SameClips
from audio_judge.judge.fitted import Fitted
from audio_judge.judge.generation import generate, judge_inputs, stop_tokens
from audio_judge.judge.judgement import SILENT, UNALIKE
from audio_judge.judge.learned import Learned
from audio_judge.judge.native_model import NativeProcessor, as_judge
from audio_judge.judge.requests import (
    Heard,
    Pair,
    Questionnaire,
    Reading,
    Request,
    clip_name,
    part,
    request_name,
    seconds_of,
)
from audio_judge.judge.spoken import TextQuestion, telling, variants
from audio_judge.messages import clip_state, pair_state, text_messages
from audio_judge.processing_audio_judge import LEAST_SECONDS, LONGEST_PAUSE_SECONDS, is_silent, joined_spans, windows
from audio_judge.tasks import ParseError, listeners
from audio_judge.text_models.replies import Completion, Sampling

LONGEST_SECONDS = 2 * 3600.0
NOT_FINITE = (
    "the judge's answer to {!r} is not finite: its weights are damaged, or overflow in their dtype (try float32)"
)

# The blocks of audio and text that a model is shown: one window of a clip, its reference, or a pair
State = list[dict[str, Any]]
# Start and end in seconds, the state, and what is known of it beside what the model hears
_Window = tuple[float, float, State, Alone | Evidence | SameClips | None]
_Waiting = tuple[Reading, State, Alone | Evidence | SameClips | None]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True, eq=False)
class _Sounding:
    """A clip and where it sounds.

    Args:
        source: The sound; of a part of a clip only that.
        channel: Which channel of it is heard.
        seconds: Its length.
        spans: (start, end) of what sounds, in seconds; empty if nothing does.
        notes: What to know about it.
        reference: The original beside it, moved to its time; None where there is none.
        reach: From where to where the original reaches, in seconds.
    """

    source: AudioSource
    channel: Channel
    seconds: float
    spans: tuple[tuple[float, float], ...]
    notes: tuple[str, ...] = ()
    reference: Audio | None = None
    reach: tuple[float, float] = (0.0, 0.0)

    @property
    def whole(self) -> tuple[float, float]:
        """From the first sound to the last; all of it if nothing sounds."""
        return (self.spans[0][0], self.spans[-1][1]) if self.spans else (0.0, self.seconds)

    def windows(self, size: float, hop: float | None) -> Iterator[tuple[float, float, Audio]]:
        """Windows of what sounds, or of all of it if nothing does."""
        spans = self.spans or (self.whole,)
        if hop is None or hop == size:
            least = min(LEAST_SECONDS, size)
            yield from iter_windows(self.source, size, minimum=least, spans=spans, channel=self.channel)
            return
        for start, end in spans:
            yield from streaming.sliding_windows(
                self.source, size, hop, start_time=start, end_time=end, channel=self.channel
            )


def _silence_notes(spans: Sequence[tuple[float, float]], seconds: float) -> list[str]:
    """What to say about the silence in a clip; pauses and ends of less than two seconds are not worth a word."""
    if not spans:
        return [SILENT]
    silent = seconds - sum(end - start for start, end in spans)
    if silent < LONGEST_PAUSE_SECONDS:
        return []
    return [f"{silent:.1f} s of {seconds:.1f} s are silence, which was left out"]


class Reader:
    """A loaded model, put into evaluation mode, that decides questions about clips and writes words.

    Attributes:
        longest_seconds: Clips, or parts of clips, longer than this are refused; set it to judge longer ones.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        self.model, self.processor = as_judge(model.eval(), processor)
        self.longest_seconds = LONGEST_SECONDS

    def read(self, requests: Iterable[Request | Pair], asked: Questionnaire, batch_size: int) -> Iterator[Reading]:
        """Decide what is asked for every window of every request; what cannot be read carries its error."""
        # Batches are filled across requests, so a reading may wait for windows of later ones; they leave in order
        readings: deque[Reading] = deque()
        waiting: list[_Waiting] = []
        for request in requests:
            reading = Reading(request)
            readings.append(reading)
            try:
                if isinstance(request, Request):
                    reading.seconds = self.seconds(request)
                    reading.warnings += audio_info(request.clip).notes
                    cut = self.windows(request, warnings=reading.warnings)
                else:
                    cut = self.pair_windows(request, warnings=reading.warnings)
                for start, end, state, evidence in cut:
                    reading.spans.append((start, end))
                    waiting.append((reading, state, evidence))
                    if len(waiting) == batch_size:
                        self._decide(waiting, asked)
            except (AudioError, OSError) as error:
                reading.error = str(error)
            reading.is_read = True
            while readings and readings[0].is_done:
                yield readings.popleft()
        self._decide(waiting, asked)
        yield from readings

    def follow(
        self,
        request: Request,
        asked: Questionnaire,
        batch_size: int,
        window_seconds: float | None = None,
        hop_seconds: float | None = None,
    ) -> Iterator[Reading]:
        """Decide what is asked of a recording while it is read: a reading per batch of windows, which is then forgotten.

        Raises:
            AudioError: If a window cannot be judged.
        """
        reading = Reading(request)
        waiting: list[_Waiting] = []
        for start, end, state, evidence in self.windows(request, window_seconds, hop_seconds):
            reading.spans.append((start, end))
            waiting.append((reading, state, evidence))
            if len(waiting) == batch_size:
                self._decide(waiting, asked)
                yield _unspoilt(reading)
                reading = Reading(request)
        self._decide(waiting, asked)
        yield _unspoilt(reading)

    def listen(self, pieces: Iterable[streaming.Piece], asked: Questionnaire) -> Iterator[Reading]:
        """Decide what is asked about a live call: a reading per piece that is due, of all windows before as one and of the present one."""
        untold: Reading | None = None
        # Until where windows have ended, how much of that sounded, and the mean of what did
        total, heard, before = 0.0, 0.0, Heard()
        for piece in pieces:
            (now,) = self.decide([clip_state(self._block(piece.audio))], asked)
            # All windows before are kept as one, of their length and mean: a call of hours takes no more memory
            earlier = [((0.0, total), before)] if total else []
            known = [*earlier, ((piece.start, piece.end), now)]
            # A pause says nothing about the sound of a call, unless all of it has been silent
            length = 0.0 if heard and is_silent(piece.audio.samples) else piece.end - piece.start
            reading = Reading(Request(piece.audio), piece.end, [span for span, _ in known], [one for _, one in known])
            reading.weights = [*([heard] if total else []), length]
            if piece.is_due:
                yield reading
            untold = None if piece.is_due else reading
            if piece.is_whole:
                total, before = piece.end, _as_one(reading)
                heard += 0.0 if is_silent(piece.audio.samples) else length
        if untold is not None:  # the call ended with a window
            yield untold

    # Windows

    def windows(
        self,
        request: Request,
        window_seconds: float | None = None,
        hop_seconds: float | None = None,
        warnings: list[str] | None = None,
    ) -> Iterator[_Window]:
        """Start and end in seconds of the clip, and the state of each window, at the judge's rate.

        Beside it comes what its original says of it; the judge hears the original, too, unless it is known what may be measured
        instead.

        What does not sound is left out, before, after and between, unless the reference sounds there or nothing sounds at all:
        how a clip was cut, and how long its speaker pauses, is no quality of it.

        Args:
            warnings: Is given what to know about the clip, before the first window.
        """
        notes = [] if warnings is None else warnings
        size = window_seconds or self.processor.window_seconds
        for heard in self._heard(request, notes) if request.reference is None else self._beside(request, notes):
            for start, end, window in heard.windows(size, hop_seconds):
                same = None if heard.reference is None else part(heard.reference, start, end)
                if SILENT not in notes and is_silent(window.samples) and (same is None or is_silent(same.samples)):
                    continue
                if same is None or heard.reference is None:
                    yield start, end, clip_state(self._block(window)), Alone(window)
                    continue
                first, last = heard.reach
                inside = (max(0.0, first - start), min(end, last) - start)
                evidence = Evidence(part(window, *inside), part(heard.reference, start + inside[0], start + inside[1]))
                shown = None if self.fitted else self._block(same)
                yield start, end, clip_state(self._block(window), shown), evidence

    def _heard(self, request: Request, notes: list[str]) -> Iterator["_Sounding"]:
        """The parts of a clip that sound, and what there is to know about it."""
        found = self._listen(request)
        notes += [*found.notes, *_silence_notes(found.spans, self.seconds(request))]
        yield found

    def _listen(self, request: Request) -> "_Sounding":
        seconds = self.seconds(request)
        times: dict[str, Any] = {"start_time": request.start_time, "end_time": request.end_time}
        hearing = listen(request.clip, channel=request.channel, **times)
        if request.start_time is None and request.end_time is None:
            return _Sounding(request.clip, hearing.channel, seconds, hearing.spans, hearing.notes)
        part_of_it = read_audio(request.clip, channel=hearing.channel, **times)
        return _Sounding(part_of_it, MIX, seconds, hearing.spans, hearing.notes)

    def _beside(self, request: Request, notes: list[str]) -> Iterator["_Sounding"]:
        """As ``_heard``, with the reference where it has the same sound, and without one where it does not reach."""
        assert request.reference is not None
        self._check_two(request.clip)
        found = self._listen(request)
        times: dict[str, Any] = {"start_time": request.start_time, "end_time": request.end_time}
        clip, original, (first, last), is_alike = lay_beside(
            read_audio(found.source, channel=found.channel),
            read_audio(request.reference, channel=request.channel, **times),
        )
        reach = part(clip, first, last), part(original, first, last)
        # Faults may leave too little of a waveform, and of its envelope, to find the shift, but not of the course of its bands
        is_alike = (
            is_alike or (likeness(*reach) or 0.0) > LEAST_LIKENESS or all(is_silent(one.samples) for one in reach)
        )
        notes += found.notes
        if not is_alike:
            notes += [UNALIKE, *_silence_notes(found.spans, clip.seconds)]
            yield replace(found, source=clip, channel=MIX)
            return
        spans = joined_spans(found.spans, listen(original).spans)
        covered, bare = split_spans(spans or ((0.0, clip.seconds),), (first, last), LEAST_SECONDS)
        if bare:
            alone = sum(end - start for start, end in bare)
            reaches = f"the reference reaches from {first:.1f} to {last:.1f} s of the clip"
            notes.append(f"{reaches}: {alone:.1f} s were judged without one")
        notes += _silence_notes(spans, clip.seconds)
        for span in sorted([*covered, *bare]):
            yield _Sounding(
                clip, MIX, clip.seconds, (span,), reference=original if span in covered else None, reach=(first, last)
            )

    def window(self, request: Request, start: float | None) -> State:
        """The state of the window that begins there; None for the first.

        Raises:
            AudioError: If there is none any more, because the file has changed.
        """
        for begin, _, state, _ in self.windows(request):
            if start is None or begin == start:
                return state
        raise AudioError(f"{clip_name(request.clip)}: changed while it was being judged")

    def pair_windows(self, pair: Pair, warnings: list[str] | None = None) -> Iterator[_Window]:
        """The states of two clips, window by window, each as A, B and as B, A, and whether they are the same.

        Args:
            warnings: As of ``windows``, each after the name of its clip.
        """
        self._check_two(pair.first.clip)
        size = self.processor.window_seconds
        heard = [self._listen(one) for one in (pair.first, pair.second)]
        for one, found in zip((pair.first, pair.second), heard, strict=True):
            # Silence is left out only where both clips are silent
            notes = [*audio_info(one.clip).notes, *found.notes, *([] if found.spans else ["nothing sounds in it"])]
            if warnings is not None:
                warnings += [f"{clip_name(one.clip)}: {note}" for note in notes]
        counts = [len(windows(end - start, size)) for start, end in (one.whole for one in heard)]
        firsts, seconds = (
            (
                self._block(audio)
                for _, _, audio in iter_windows(one.source, size, spans=[one.whole], channel=one.channel)
            )
            for one in heard
        )
        sounds = any(one.spans for one in heard)
        for first, second in preferences.aligned(firsts, seconds, *counts):
            if sounds and is_silent(first) and is_silent(second):
                continue
            # Two clips have no common time; only the length is used, as the weight of the window pair
            length = (len(first) + len(second)) / (2 * self.processor.sampling_rate)
            same = SameClips() if sounds_alike(first, second, self.processor.sampling_rate) else None
            yield 0.0, length, pair_state(first, second), same
            yield 0.0, length, pair_state(second, first), same

    def pair_window(self, pair: Pair, number: int) -> State:
        """The state of a window pair, as A, B.

        Raises:
            AudioError: If there is none any more, because a file has changed.
        """
        for _, _, state, _ in islice(self.pair_windows(pair), 2 * number, None):
            return state
        raise AudioError(f"{request_name(pair)}: changed while they were being judged")

    def _check_two(self, clip: AudioSource) -> None:
        if isinstance(self.processor, NativeProcessor) and not self.processor.hears_two:
            raise AudioError(
                f"{clip_name(clip)}: this judge takes one clip at a time, so it cannot compare, nor hear a reference"
            )

    def seconds(self, request: Request) -> float:
        """As ``seconds_of``, of a clip that is no longer than ``longest_seconds``."""
        return seconds_of(request, self.longest_seconds)

    def _block(self, audio: Audio) -> np.ndarray:
        return resample(audio.samples, audio.sampling_rate, self.processor.sampling_rate)

    # Decisions

    def _decide(self, waiting: list[_Waiting], asked: Questionnaire) -> None:
        """One forward pass over the waiting windows, whose answers go to their readings; empties the list."""
        answers = one_by_one(lambda some: self.decide([state for _, state, _ in some], asked), waiting)
        for (reading, _, evidence), heard in zip(waiting, answers, strict=True):
            if isinstance(heard, Exception):
                reading.error = reading.error or why(heard, request_name(reading.request))
                continue
            if evidence is not None:
                heard = evidence.revised(heard, asked, self.fitted, self.decided)
            reading.windows.append(heard)
        waiting.clear()

    def shows_reference(self, request: Request, warnings: Sequence[str]) -> bool:
        """Whether the model hears the reference beside the clip, which was read with these warnings."""
        return request.reference is not None and self.fitted is None and UNALIKE not in warnings

    @cached_property
    def fitted(self) -> Fitted | None:
        """How what is measured beside an original shifts the scores; None of a judge to which that was not fitted."""
        learned = Learned.of(self.model.config)
        return None if learned is None else learned.reference

    @cached_property
    def decided(self) -> Decided | None:
        """How known faults are decided; None of a judge to which that was not fitted."""
        learned = Learned.of(self.model.config)
        return None if learned is None else learned.decided

    def decide(self, states: list[State], asked: Questionnaire) -> list[Heard]:
        """What is asked about each window, in one batch: in typed questions, in labels, and in texts."""
        heard = [Heard() for _ in states]
        if asked.questions:
            heard = [Heard(decided) for decided in self._decide_states(states, asked.questions)]
        parts = [heard]
        parts += [self._label(states, name, question) for name, question in asked.labels.items()]
        parts += [self._say(states, question, asked.max_new_tokens) for question in asked.texts]
        return [_together(several) for several in zip(*parts, strict=True)]

    def _decide_states(
        self, states: list[State], questions: Mapping[str, dict[str, Any]]
    ) -> list[dict[str, np.ndarray]]:
        requests = [{"state": state, "questions": questions} for state in states]
        inputs, asked = self.processor.decision_inputs(requests, is_cut=True)
        answers = iter(self.model.decide(**self._on_device(inputs)))
        decided = [{question.name: next(answers).cpu().numpy() for question in one} for one in asked]
        for name in decided[0] if decided else ():
            if not all(np.isfinite(one[name]).all() for one in decided):
                raise ValueError(NOT_FINITE.format(name))
        return decided

    # Answers in the judge's own words

    def _label(self, states: list[State], name: str, question: TextQuestion) -> list[Heard]:
        """The probability of each text that a task allows; of numbers gathered into the rubric's levels."""
        texts = question.answers
        found = self.log_probabilities([question.messages(state) for state in states], texts, whole=is_number(question))
        heard = []
        for row in found:  # (answers,)
            if np.isnan(row).any():
                raise ValueError(NOT_FINITE.format(name))
            total = np.logaddexp.reduce(row)
            shares = np.exp(row - total)
            if is_number(question):
                values = np.array([float(text) for text in texts])
                shares = _shared_out(values, shares, question.rubrics[0].level_values)
            heard.append(Heard({name: shares}, coverage=min(float(np.exp(total)), 1.0)))
        return heard

    def _say(self, states: list[State], question: TextQuestion, max_new_tokens: int) -> list[Heard]:
        """Whole texts, and what they state; of comparisons the probability of each verdict at its place in the text."""
        conversations = [question.messages(state) for state in states]
        heard = []
        for conversation, said in zip(conversations, self.say(conversations, max_new_tokens), strict=True):
            text = said.text.strip()
            try:
                facts = question.read(text)
            except ParseError as error:
                why = f"; it was cut off at {max_new_tokens} tokens" if said.cut_off else ""
                heard.append(Heard(text=text, problem=f"{question.task}: {error}{why}", coverage=0.0))
                continue
            probabilities = {}
            for name, texts in variants(text, question).items():
                row = self.log_probabilities([conversation], texts)[0]  # (A, B and tie,)
                probabilities[name] = np.exp(row - np.logaddexp.reduce(row))
            heard.append(Heard(probabilities, facts.values, text, coverage=1.0))
        return heard

    def say(self, conversations: list[list[dict[str, Any]]], max_new_tokens: int) -> list[Completion]:
        """Answer conversations greedily, in whole texts."""
        return generate(self.model, self.processor, self.chat(conversations), Sampling(max_tokens=max_new_tokens))

    def log_probabilities(
        self, conversations: list[list[dict[str, Any]]], answers: Sequence[str], *, whole: bool = False
    ) -> np.ndarray:
        """Log-probability of each of several answers to each conversation, (conversations, answers).

        An answer counts up to the token that tells it from all others, or with ``whole`` up to the end of the turn.
        """
        end = self.processor.end_of_turn
        ids = self.processor.tokenizer([text + end for text in answers], add_special_tokens=False).input_ids
        inputs = self.chat(conversations)
        return self.model.candidate_log_probabilities(candidates=ids if whole else telling(ids), **inputs).cpu().numpy()

    # Words

    def write(
        self,
        states: Sequence[Callable[[], State]],
        drafts: Sequence[Draft],
        asked: Questionnaire,
        batch_size: int,
        max_new_tokens: int,
    ) -> Iterator[Written | Exception]:
        """Write the free words of answers of one task, a batch at a time; no more states are in memory.

        In place of words that could not be written stands what went wrong.

        In a language that the judge was not asked in, or by one that did not learn the task, words are made of what was decided,
        without a look at the clips.
        """
        if asked.answer_language != asked.language or not asked.is_written:
            yield from by_rule(drafts)
            return
        begun = list(zip(states, drafts, strict=True))
        for start in range(0, len(begun), batch_size):
            batch = begun[start : start + batch_size]
            yield from one_by_one(lambda some: self._write(some, asked.listener, max_new_tokens), batch)

    def _write(
        self,
        begun: Sequence[tuple[Callable[[], State], Draft]],
        listener: listeners.Listener | None,
        max_new_tokens: int,
    ) -> list[Written]:
        states, drafts = [state() for state, _ in begun], [draft for _, draft in begun]
        first = drafts[0]
        requests = [listeners.ask(one.request, listener) if listener else one.request for one in drafts]
        conversations = [text_messages(state, request) for state, request in zip(states, requests, strict=True)]
        tags, line_breaks = self._stops
        words = generate(
            self.model,
            self.processor,
            self.chat(conversations, [one.head for one in drafts]),
            Sampling(max_tokens=max_new_tokens),
            stops=sorted({*tags, *line_breaks}) if first.is_one_line else tags,
            # Where words are needed, none of the stops may come at once; the limit must leave room for one
            min_new_tokens=0 if first.is_optional else min(2, max_new_tokens - 1),
        )
        finished = []
        for one, said in zip(drafts, words, strict=True):
            free = trimmed(said.text, is_one_line=one.is_one_line, is_cut=said.cut_off)
            finished.append(one.finish(free))
        return finished

    @cached_property
    def _stops(self) -> tuple[list[int], list[int]]:
        return stop_tokens(self.processor)

    def chat(self, conversations: list[list[dict[str, Any]]], heads: Sequence[str] = ()) -> dict[str, Any]:
        """Model inputs of conversations that the judge shall answer, padded on the left; ``heads`` begin the answers."""
        if isinstance(self.processor, NativeProcessor):
            return self._on_device(self.processor.chat_inputs(conversations, heads))
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
        if is_open:  # padded on the left, so the letter is the last column of every row
            inputs["input_ids"] = inputs["input_ids"][:, :-1]
            inputs["attention_mask"] = inputs["attention_mask"][:, :-1]
        return self._on_device(inputs)

    def _on_device(self, inputs: dict[str, Any]) -> dict[str, Any]:
        return {name: v.to(self.model.device) if torch.is_tensor(v) else v for name, v in inputs.items()}


def one_by_one(work: Callable[[Sequence[_Item]], list[_Result]], items: Sequence[_Item]) -> list[_Result | Exception]:
    """Work on a batch; if that fails, on one after the other, so that only what cannot be done alone is lost.

    Returns:
        The results, with what went wrong in place of those that there are not.

    Raises:
        OutOfMemoryError: If memory is too small, which a smaller batch may mend.
    """
    if not items:
        return []
    try:
        return [*work(items)]
    except torch.OutOfMemoryError:
        raise
    except (ValueError, RuntimeError, IndexError, OSError) as error:
        if len(items) == 1:
            return [error]
    return [result for item in items for result in one_by_one(work, [item])]


def _unspoilt(reading: Reading) -> Reading:
    if reading.error is not None:
        raise AudioError(reading.error)
    return reading


def why(error: Exception, name: str) -> str:
    """What went wrong with a clip of that name, in one sentence."""
    if isinstance(error, AudioError):
        return str(error)
    reason = str(error).strip().partition("\n")[0]
    return f"{name}: cannot be judged ({type(error).__name__}: {reason})"


def is_number(question: TextQuestion) -> bool:
    """Whether the allowed texts are numbers."""
    return question.task == "score"


def _together(parts: Sequence[Heard]) -> Heard:
    """What several ways of asking found in one window."""
    probabilities: dict[str, np.ndarray] = {}
    values: dict[str, float] = {}
    for one in parts:
        probabilities |= one.probabilities
        values |= one.values
    covered = [one.coverage for one in parts if one.coverage is not None]
    said = [one for one in parts if one.text is not None]
    return Heard(
        probabilities,
        values,
        said[0].text if said else None,
        next((one.problem for one in said if one.problem is not None), None),
        sum(covered) / len(covered) if covered else None,
    )


def _as_one(reading: Reading) -> Heard:
    """The windows of a reading as if they were one."""
    names = {name for window in reading.windows for name in window.values}
    said = {name: reading.mean_said(name) for name in names}
    probabilities = {name: reading.mean(name) for name in reading.windows[-1].probabilities}
    values = {name: value for name, value in said.items() if value is not None}
    return Heard(probabilities, values, coverage=reading.coverage)


def _shared_out(values: np.ndarray, probabilities: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Gives each value's probability to its two neighbouring levels, so that the mean over the levels is exact."""
    position = (values - levels[0]) / (levels[1] - levels[0])  # (values,), counted in levels
    below = np.clip(np.floor(position).astype(int), 0, len(levels) - 2)  # the highest value has a neighbour, too
    shares = np.zeros(len(levels))
    # Many values share a level, and `shares[below] += …` would count one of them only
    np.add.at(shares, below, probabilities * (1 - (position - below)))
    np.add.at(shares, below + 1, probabilities * (position - below))
    return shares
