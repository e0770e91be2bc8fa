"""The judge: load once, then score, decide and explain clips of any form, one by one or by the thousand.

    from audio_judge import AudioJudge
    judge = AudioJudge.from_pretrained()
    print(judge.score("clip.wav"))

Long clips are cut into windows, which are judged in batches across clips and averaged by length; memory does not grow with
the number or the length of the clips. Every closed question is decided (a probability per allowed answer, nothing
generated); only ``explain`` writes, after numbers that were decided before.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm
from transformers import AutoModelForCausalLM, AutoProcessor
from transformers.decision import parse_questions

from audio_judge.audio import Audio, AudioError, AudioSource, align, audio_info, iter_windows, read_audio, resample
from audio_judge.examples import clip_state, text_messages
from audio_judge.judgement import Judgement, Score, Window
from audio_judge.rubrics import RUBRICS, Rubric, Scale, convert, get_rubric, shares_to_score
from audio_judge.tasks import ParseError, explain
from audio_judge.tasks import score as score_task

SHIPPED_JUDGE = Path(__file__).parent / "mini"
LONGEST_SECONDS = 2 * 3600.0


@dataclass(frozen=True)
class Request:
    """One clip to judge.

    Args:
        clip: Anything ``read_audio`` takes.
        reference: The undegraded original, for a double-ended judgement.
        start_time: Where to start, in the clip and in its reference, in seconds; None for the beginning.
        end_time: Where to end, in seconds; None for the end.
    """

    clip: AudioSource
    reference: AudioSource | None = None
    start_time: float | None = None
    end_time: float | None = None


@dataclass
class _Reading:
    """A request on its way through the windows: what has been decided so far, or what went wrong."""

    request: Request
    spans: list[tuple[float, float]] = field(default_factory=list)
    probabilities: list[dict[str, np.ndarray]] = field(default_factory=list)
    error: str | None = None
    is_read: bool = False

    @property
    def is_done(self) -> bool:
        return self.is_read and (self.error is not None or len(self.probabilities) == len(self.spans))

    def mean(self, name: str) -> np.ndarray:
        """Length-weighted mean over the windows of a question's probabilities (options,)."""
        lengths = [end - start for start, end in self.spans]
        return np.average([window[name] for window in self.probabilities], axis=0, weights=lengths)


class AudioJudge:
    """A loaded judge.

    Args:
        model: An ``AudioJudgeForCausalLM``.
        processor: The ``AudioJudgeProcessor`` that belongs to it.
        name: What its judgements call it.
        revision: Which version of it.

    Attributes:
        longest_seconds: Clips, or parts of clips, longer than this are refused; set it to judge longer ones.
    """

    def __init__(self, model: Any, processor: Any, name: str = "", revision: str = "") -> None:
        self.model = model.eval()
        self.processor = processor
        self.name, self.revision = name, revision
        self.longest_seconds = LONGEST_SECONDS

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path | None = None,
        *,
        device: str = "auto",
        dtype: torch.dtype | str = "auto",
        revision: str | None = None,
        trust_remote_code: bool = False,
    ) -> "AudioJudge":
        """Load a judge.

        Args:
            name: Hub id or folder; None for the mini judge that ships with the package.
            device: ``auto`` (an accelerator if there is one), ``cpu``, ``cuda:1`` ….
            dtype: Of the weights; ``auto`` keeps the checkpoint's.
            revision: Branch, tag or commit of a Hub repo.
            trust_remote_code: Needed only for backbones that bring own code; the judge's own code is in this package.

        Raises:
            OSError: If there is no judge of that name.
        """
        from audio_judge import __version__

        place = str(name or SHIPPED_JUDGE)
        hub: dict[str, Any] = {"trust_remote_code": trust_remote_code}
        if revision is not None:
            hub["revision"] = revision
        model: Any = AutoModelForCausalLM.from_pretrained(place, dtype=dtype, **hub)
        if device == "auto":
            device = (
                str(torch.accelerator.current_accelerator() or "cpu") if torch.accelerator.is_available() else "cpu"
            )
        commit = vars(model.config).get("_commit_hash") or revision
        shown = "mini" if name is None else str(name)
        return cls(
            model.to(torch.device(device)),
            AutoProcessor.from_pretrained(place, **hub),
            shown,
            commit or (__version__ if name is None else "local"),
        )

    def score(
        self,
        clips: AudioSource | Request | Sequence[AudioSource | Request],
        reference: AudioSource | Sequence[AudioSource] | None = None,
        *,
        rubric: str | Rubric | Sequence[str | Rubric] | None = None,
        scale: Scale | None = None,
        batch_size: int = 8,
        progress: bool = False,
    ) -> Any:
        """Score clips on rubrics.

        Args:
            clips: One clip (path, bytes, (array, rate), {"array", "sampling_rate"}, data set row …), or a list of them.
            reference: The undegraded original of the clip, or a list with one per clip.
            rubric: Name, ``Rubric``, or several; None for NISQA's five.
            scale: Scale of the values; None for the rubric's own.
            batch_size: Windows per forward pass.
            progress: Whether to show a progress bar on stderr.

        Returns:
            A ``Judgement``, or a list of them in the order of the clips.

        Raises:
            AudioError: If a single clip cannot be judged; in a list it becomes a judgement with an ``error``.
        """
        rubrics = _rubrics(rubric)
        requests, is_single = _requests(clips, reference)
        results = self.iter_scores(requests, rubrics, scale=scale, batch_size=batch_size)
        judgements = list(tqdm(results, total=len(requests), disable=not progress, unit="clip"))
        return _unwrapped(judgements) if is_single else judgements

    def iter_scores(
        self,
        requests: Iterable[Request],
        rubrics: Sequence[Rubric] | None = None,
        *,
        scale: Scale | None = None,
        batch_size: int = 8,
    ) -> Iterator[Judgement]:
        """As ``score``, one judgement after the other in the order of the requests, in constant memory."""
        asked = list(rubrics or RUBRICS.values())
        for reading in self._read(requests, {rubric.name: rubric.question() for rubric in asked}, batch_size, asked):
            yield self._judgement(reading, asked, scale)

    def decide(
        self,
        clips: AudioSource | Request | Sequence[AudioSource | Request],
        questions: dict[str, dict[str, Any]],
        reference: AudioSource | Sequence[AudioSource] | None = None,
        *,
        batch_size: int = 8,
    ) -> Any:
        """Answer typed questions with a probability per allowed answer; no question can change another's answer.

        Args:
            clips: One clip or a list of them.
            questions: Name to question: ``{"type": "score" | "choice" | "noul", "instructions": …, "criteria": …}``.
            reference: The undegraded original of the clip, or a list with one per clip.
            batch_size: Windows per forward pass.

        Returns:
            Name to answer, in the System One format, the same that ``pipeline("decision")`` gives; a list of those for a
            list of clips, with ``{"error": …}`` for a clip that cannot be judged.

        Raises:
            AudioError: If a single clip cannot be judged.
            ValueError: If a question is not well formed.
        """
        requests, is_single = _requests(clips, reference)
        parsed = {question.name: question for question in parse_questions(questions, self.processor.decision_config)}
        answers: list[dict[str, Any]] = []
        for reading in self._read(requests, questions, batch_size):
            if reading.error is not None and is_single:
                raise AudioError(reading.error)
            if reading.error is not None:
                answers.append({"error": reading.error})
            else:
                answers.append(
                    {name: question.answer(reading.mean(name).tolist()) for name, question in parsed.items()}
                )
        return answers[0] if is_single else answers

    def explain(
        self,
        clips: AudioSource | Request | Sequence[AudioSource | Request],
        reference: AudioSource | Sequence[AudioSource] | None = None,
        *,
        batch_size: int = 8,
        max_new_tokens: int = 160,
    ) -> Any:
        """Score clips and say why, in words.

        The numbers are decided first and stand at the head of the text; the model only writes the reasons that follow, so
        words and numbers agree and every answer parses. Of a clip longer than one window, the worst window is explained.

        Args:
            clips: One clip or a list of them.
            reference: The undegraded original of the clip, or a list with one per clip.
            batch_size: Clips per batch.
            max_new_tokens: Longest explanation.

        Returns:
            A ``Judgement`` with ``text``, ``reasons`` and ``causes``, or a list of them.

        Raises:
            AudioError: If a single clip cannot be judged.
        """
        requests, is_single = _requests(clips, reference)
        judgements = list(self.iter_scores(requests, batch_size=batch_size))
        heard = [index for index, judgement in enumerate(judgements) if judgement.error is None]
        for start in range(0, len(heard), batch_size):
            batch = heard[start : start + batch_size]
            texts = self._write([requests[i] for i in batch], [judgements[i] for i in batch], max_new_tokens)
            for index, text in zip(batch, texts, strict=True):
                judgements[index] = _with_words(judgements[index], text)
        return _unwrapped(judgements) if is_single else judgements

    def _read(
        self,
        requests: Iterable[Request],
        questions: dict[str, dict[str, Any]],
        batch_size: int,
        rubrics: Sequence[Rubric] = (),
    ) -> Iterator[_Reading]:
        """Decides the questions for every window of every request; what cannot be read carries its error."""
        readings: deque[_Reading] = deque()
        waiting: list[tuple[_Reading, list[dict[str, Any]]]] = []
        for request in requests:
            reading = _Reading(request)
            readings.append(reading)
            try:
                for start, end, state in self._windows(request):
                    reading.spans.append((start, end))
                    waiting.append((reading, state))
                    if len(waiting) == batch_size:
                        self._decide(waiting, questions, rubrics)
            except (AudioError, OSError) as error:
                reading.error = str(error)
            reading.is_read = True
            while readings and readings[0].is_done:
                yield readings.popleft()
        self._decide(waiting, questions, rubrics)
        yield from readings

    def _windows(self, request: Request) -> Iterator[tuple[float, float, list[dict[str, Any]]]]:
        """Start and end in seconds and the state of each window, at the judge's rate."""
        self._check_length(request)
        part: dict[str, Any] = {"start_time": request.start_time, "end_time": request.end_time}
        is_part = part != {"start_time": None, "end_time": None}
        source: AudioSource = read_audio(request.clip, **part) if is_part else request.clip
        reference = None
        if request.reference is not None:
            source, reference, _ = align(read_audio(source), read_audio(request.reference, **part))
        for start, end, window in iter_windows(source, self.processor.window_seconds):
            same = None if reference is None else _part(reference, start, end)
            yield start, end, clip_state(self._block(window), same and self._block(same))

    def _check_length(self, request: Request) -> None:
        """Refuses what is too long before any of it is read into memory."""
        first, last = request.start_time or 0.0, request.end_time
        seconds = (audio_info(request.clip).seconds if last is None else last) - first
        if seconds > self.longest_seconds:
            raise AudioError(
                f"{_name(request.clip)}: {seconds / 3600:.2f} h; at most {self.longest_seconds / 3600:g} h are judged: "
                "cut it, give start_time and end_time, or raise the limit"
            )

    def _block(self, audio: Audio) -> np.ndarray:
        """The samples of a window at the judge's rate."""
        return resample(audio.samples, audio.sampling_rate, self.processor.sampling_rate)

    def _decide(
        self,
        waiting: list[tuple[_Reading, list[dict[str, Any]]]],
        questions: dict[str, dict[str, Any]],
        rubrics: Sequence[Rubric],
    ) -> None:
        """One forward pass over the waiting windows; empties the list."""
        if not waiting:
            return
        states = [state for _, state in waiting]
        if rubrics and self.processor.answer_form == "decimal":
            decided = self._read_decimals(states, rubrics)
        else:
            decided = self._decide_states(states, questions)
        for (reading, _), probabilities in zip(waiting, decided, strict=True):
            reading.probabilities.append(probabilities)
        waiting.clear()

    def _decide_states(
        self, states: list[list[dict[str, Any]]], questions: dict[str, dict[str, Any]]
    ) -> list[dict[str, np.ndarray]]:
        inputs, asked = self.processor.decision_inputs([{"state": s, "questions": questions} for s in states])
        answers = iter(self.model.decide(**self._on_device(inputs)))
        return [{question.name: next(answers).cpu().numpy() for question in one} for one in asked]

    def _read_decimals(
        self, states: list[list[dict[str, Any]]], rubrics: Sequence[Rubric]
    ) -> list[dict[str, np.ndarray]]:
        """The papers' form: the probability of each number the grammar allows, gathered into the rubric's levels."""
        results: list[dict[str, np.ndarray]] = [{} for _ in states]
        end = self.processor.end_of_turn
        for rubric in rubrics:
            grammar = score_task.grammar(rubric)
            answers = self.processor.tokenizer([text + end for text in grammar], add_special_tokens=False).input_ids
            inputs = self._chat([text_messages(state, score_task.ask(rubric)) for state in states])
            log_probabilities = self.model.candidate_log_probabilities(candidates=answers, **inputs)
            values = np.array([float(text) for text in grammar])
            for result, row in zip(results, log_probabilities.softmax(-1).cpu().numpy(), strict=True):
                result[rubric.name] = _shared_out(values, row, rubric.level_values)
        return results

    def _chat(self, conversations: list[list[dict[str, Any]]], heads: Sequence[str] = ()) -> dict[str, Any]:
        """Model inputs of conversations that the judge shall answer, padded on the left; ``heads`` begin the answers."""
        texts = [
            self.processor.apply_chat_template(conversation, add_generation_prompt=True)
            for conversation in conversations
        ]
        blocks = [block for conversation in conversations for block in conversation[0]["content"]]
        clips = [block["audio"] for block in blocks if block["type"] == "audio"]
        inputs = self.processor(
            text=[text + head for text, head in zip(texts, heads or [""] * len(texts), strict=True)],
            audio=clips,
            text_kwargs={"padding": True, "padding_side": "left", "return_tensors": "pt", "add_special_tokens": False},
            audio_kwargs={"sampling_rate": self.processor.sampling_rate},
        )
        return self._on_device(dict(inputs))

    def _on_device(self, inputs: dict[str, Any]) -> dict[str, Any]:
        return {name: v.to(self.model.device) if torch.is_tensor(v) else v for name, v in inputs.items()}

    def _write(self, requests: list[Request], judgements: list[Judgement], max_new_tokens: int) -> list[str]:
        """The explanations of some clips: the decided numbers, then what the model writes."""
        states = [self._worst_window(*pair) for pair in zip(requests, judgements, strict=True)]
        heads = [explain.head({name: s.value for name, s in judgement.scores.items()}) for judgement in judgements]
        asks = [explain.ask(RUBRICS, with_reference=request.reference is not None) for request in requests]
        conversations = [text_messages(state, ask) for state, ask in zip(states, asks, strict=True)]
        # Without its last line breaks: a tokenizer may join them with each other, which it never did in training
        inputs = self._chat(conversations, [head.rstrip() for head in heads])
        with torch.no_grad():
            tokens = self.model.generate(
                **inputs,
                max_new_tokens=max_new_tokens,
                do_sample=False,
                eos_token_id=self.processor.tokenizer.convert_tokens_to_ids(self.processor.end_of_turn),
                pad_token_id=self.processor.tokenizer.pad_token_id,
            )
        written = tokens[:, inputs["input_ids"].shape[1] :]
        endings = self.processor.tokenizer.batch_decode(written, skip_special_tokens=True)
        return [head + ending.strip() for head, ending in zip(heads, endings, strict=True)]

    def _worst_window(self, request: Request, judgement: Judgement) -> list[dict[str, Any]]:
        worst = min(judgement.timeline, key=lambda window: window.scores["mos"], default=None)
        for start, _, state in self._windows(request):
            if worst is None or start == worst.start:
                return state
        raise AudioError(f"{judgement.clip}: changed while it was being judged")

    def _judgement(self, reading: _Reading, rubrics: Sequence[Rubric], scale: Scale | None) -> Judgement:
        """A finished reading as a judgement."""
        said = Judgement(_name(reading.request.clip), model=self.name, revision=self.revision)
        if reading.error is not None:
            return replace(said, error=reading.error)
        scores = {rubric.name: _score(reading.mean(rubric.name), rubric, scale) for rubric in rubrics}
        timeline = [
            Window(start, end, {r.name: _score(window[r.name], r, scale).value for r in rubrics})
            for (start, end), window in zip(reading.spans, reading.probabilities, strict=True)
        ]
        seconds = reading.spans[-1][1] - reading.spans[0][0]
        return replace(said, seconds=seconds, scores=scores, timeline=tuple(timeline) if len(timeline) > 1 else ())


def _requests(clips: Any, reference: Any) -> tuple[list[Request], bool]:
    """The clips as requests, and whether it was a single one."""
    is_single = not isinstance(clips, list)
    several = [clips] if is_single else clips
    references = reference if isinstance(reference, list) else [reference] * len(several)
    if len(references) != len(several):
        raise ValueError(f"{len(several)} clips but {len(references)} references: give one reference per clip")
    requests = [
        clip if isinstance(clip, Request) else Request(clip, original)
        for clip, original in zip(several, references, strict=True)
    ]
    return requests, is_single


def _rubrics(rubric: str | Rubric | Sequence[str | Rubric] | None) -> list[Rubric]:
    if rubric is None:
        return list(RUBRICS.values())
    return [get_rubric(one) for one in ([rubric] if isinstance(rubric, str | Rubric) else rubric)]


def _unwrapped(judgements: list[Judgement]) -> Judgement:
    """The only judgement of a single clip; an error is raised."""
    if judgements[0].error is not None:
        raise AudioError(judgements[0].error)
    return judgements[0]


def _part(audio: Audio, start: float, end: float) -> Audio:
    first, last = round(start * audio.sampling_rate), round(end * audio.sampling_rate)
    return replace(audio, samples=audio.samples[first:last])


def _name(clip: AudioSource) -> str:
    """What to call a clip in its judgement."""
    if isinstance(clip, Audio):
        return clip.name
    if isinstance(clip, dict):
        return str(clip.get("path") or "array")
    return str(clip) if isinstance(clip, str | Path) else "array"


def _score(shares: np.ndarray, rubric: Rubric, scale: Scale | None) -> Score:
    """A rubric's probabilities (levels,) as a score, on another scale if asked."""
    value, std = shares_to_score(shares, rubric)
    low, high = rubric.low, rubric.high
    if scale is not None:
        value = convert(value, rubric.scale, scale)
        std *= (scale.high - scale.low) / (high - low)
        low, high = scale.low, scale.high
    by_level = dict(zip(rubric.levels, shares.tolist(), strict=True))
    return Score(rubric.name, value, std, rubric.levels[int(shares.argmax())], by_level, low, high)


def _shared_out(values: np.ndarray, probabilities: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Gives each value's probability to its two neighbouring levels, so that the mean over the levels is exact."""
    position = (values - levels[0]) / (levels[1] - levels[0])
    below = np.clip(np.floor(position).astype(int), 0, len(levels) - 2)
    shares = np.zeros(len(levels))
    np.add.at(shares, below, probabilities * (1 - (position - below)))
    np.add.at(shares, below + 1, probabilities * (position - below))
    return shares


def _with_words(judgement: Judgement, text: str) -> Judgement:
    """Adds an explanation to a judgement."""
    reasons = text.partition("\n\n")[2]
    try:
        causes = tuple(cause.kind for cause in explain.parse(text).causes)
    except ParseError as error:
        return replace(judgement, text=text, reasons=f"(not readable: {error})")
    return replace(judgement, text=text, reasons=reasons, causes=causes)
