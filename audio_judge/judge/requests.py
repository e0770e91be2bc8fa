"""What a judge is asked: about which clips, pairs or parts of them (``Request``, ``Pair``), and what (``Questionnaire``).

A ``Reading`` follows a request through its windows, from the first to the last answer.
"""

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from audio_judge.audio import MIX, Audio, AudioError, AudioSource, Channel, audio_info
from audio_judge.judge.signal_facts import SignalFacts
from audio_judge.judge.spoken import TextQuestion
from audio_judge.judge.wordings import fault_of, rubric_of
from audio_judge.rubrics.rubric import Rubric, in_language
from audio_judge.tasks import listeners, zero_shot
from audio_judge.tasks.listeners import Listener

# What is a clip by itself, so that a tuple of them is several
_CLIPS = (str, os.PathLike, bytes, Mapping, tuple, Audio)
# Long enough for a thought of eight lines and a paragraph, in tokens
LONGEST_TEXT = 512


class AnswerError(ValueError):
    """What a judge said in its own words cannot be read."""


@dataclass(frozen=True)
class Request:
    """One clip to judge.

    Args:
        clip: Anything ``read_audio`` takes.
        reference: The undegraded original, for a double-ended judgement.
        start_time: Where to start, in the clip and in its reference, in seconds; None for the beginning.
        end_time: Where to end, in seconds; None for the end.
        channel: Which channel is heard, of the reference, too: ``mix`` (the mean of all), ``loudest``, ``left``, ``right``, or
            its number from 1.
    """

    clip: AudioSource
    reference: AudioSource | None = None
    start_time: float | None = None
    end_time: float | None = None
    channel: Channel = MIX


@dataclass(frozen=True)
class Pair:
    """Two clips to compare, A and B."""

    first: Request
    second: Request


@dataclass(frozen=True)
class Questionnaire:
    """What is asked about every window.

    Args:
        rubrics: What is scored.
        more: Typed questions beside those about the rubrics, by name.
        labels: Name of a rubric or of another question to what is asked in words instead of a typed question, and answered by
            the probability of each allowed text.
        texts: What is asked in words and answered in whole texts; they score the rubrics that are neither typed nor labels.
        max_new_tokens: Longest of these texts.
        listener: On whose behalf the rubrics are asked about; None for nobody in particular.
        language: In which is asked.
        answer_language: Of level names and words.
        is_written: Whether the judge writes free words itself; else they are made of what it decides.
        is_measured: Whether what is measured in a window outranks what the judge guesses of its faults, as words need it.
        is_zero_shot: Whether typed questions about rubrics say what these mean, as a judge needs it that never learned them.
    """

    rubrics: Sequence[Rubric] = ()
    more: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    labels: Mapping[str, TextQuestion] = field(default_factory=dict)
    texts: Sequence[TextQuestion] = ()
    max_new_tokens: int = LONGEST_TEXT
    listener: Listener | None = None
    language: str = "en"
    answer_language: str = "en"
    is_written: bool = True
    is_measured: bool = False
    is_zero_shot: bool = False

    @cached_property
    def asked(self) -> list[Rubric]:
        """The rubrics in the language in which is asked."""
        return [in_language(rubric, self.language) for rubric in self.rubrics]

    @cached_property
    def answered(self) -> list[Rubric]:
        """The rubrics in the language in which is answered."""
        return [in_language(rubric, self.answer_language) for rubric in self.rubrics]

    @cached_property
    def questions(self) -> dict[str, dict[str, Any]]:
        """Typed ones: about the rubrics, on behalf of the listener, and those of ``more``, whoever listens."""
        in_words = {*self.labels, *(rubric.name for question in self.texts for rubric in question.rubrics)}
        asked = [rubric for rubric in self.asked if rubric.name not in in_words]
        write = zero_shot.question if self.is_zero_shot else Rubric.question
        typed = {rubric.name: write(rubric, language=self.language) for rubric in asked}
        return heard_by(self.listener, typed) | dict(self.more)

    @cached_property
    def scored(self) -> dict[str, Rubric]:
        """Name of a question, of whatever form, to the rubric that it scores."""
        typed = {name: rubric for name, question in self.more.items() if (rubric := rubric_of(question)) is not None}
        labels = {name: question.rubrics[0] for name, question in self.labels.items() if question.rubrics}
        return typed | labels | {rubric.name: rubric for rubric in self.rubrics}

    @cached_property
    def about_faults(self) -> list[str]:
        """Names of the questions whether a known fault is there."""
        return [name for name, question in self.more.items() if fault_of(question) is not None]

    @cached_property
    def about_when(self) -> list[str]:
        """Names of the questions when something is heard."""
        return [name for name, question in self.more.items() if question.get("type") == "span"]


def heard_by(listener: Listener | None, questions: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Ask typed questions on behalf of a listener; as they are for nobody in particular."""
    if listener is None:
        return questions
    return {
        name: question | {"instructions": listeners.ask(question["instructions"], listener)}
        for name, question in questions.items()
    }


@dataclass(frozen=True)
class Heard:
    """What is known of one window.

    Args:
        probabilities: Question name to probabilities (options,).
        values: Rubric name to the score that a text gives.
        text: The text, as it was written; None if none was asked for.
        problem: Why the text could not be read.
        coverage: How much of what was said could be read: whether the text could, or the probability of all allowed texts
            together; None if nothing was asked in words.
        facts: What was measured in it; None where nothing was.
    """

    probabilities: Mapping[str, np.ndarray] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)
    text: str | None = None
    problem: str | None = None
    coverage: float | None = None
    facts: SignalFacts | None = None


@dataclass
class Reading:
    """A request or a pair on its way through the windows: what has been decided so far, or what went wrong.

    Args:
        request: A ``Request`` or a ``Pair``.
        seconds: Length of the clip or of the part that is judged; of a call, how much of it has been heard.
        spans: (start, end) of the windows read so far, in seconds. Digital silence before, after and a window long is in none.
        windows: What is known of each window that has been judged.
        weights: What each window counts for in the mean; None for its length.
        warnings: What to know about the clip before the answers are believed, in sentences.
        error: What went wrong; None so far.
        is_read: Whether no window is missing.
    """

    request: Any
    seconds: float = 0.0
    spans: list[tuple[float, float]] = field(default_factory=list)
    windows: list[Heard] = field(default_factory=list)
    weights: list[float] | None = None
    warnings: list[str] = field(default_factory=list)
    error: str | None = None
    is_read: bool = False

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to be decided."""
        return self.is_read and (self.error is not None or len(self.windows) == len(self.spans))

    @property
    def probabilities(self) -> list[Mapping[str, np.ndarray]]:
        """Per window, question name to probabilities (options,)."""
        return [window.probabilities for window in self.windows]

    @property
    def lengths(self) -> list[float]:
        """What each window counts for in a mean."""
        return self.weights or [end - start for start, end in self.spans]  # the last window may be a short one

    @property
    def heard_seconds(self) -> float:
        """How much of the clip was judged, in seconds; what lies in no window was not."""
        return sum(end - start for start, end in self.spans)

    @property
    def problem(self) -> str | None:
        """Why nothing that was said could be read; None if something could, or nothing was said."""
        problems = [window.problem for window in self.windows if window.problem is not None]
        return problems[0] if problems and len(problems) == len(self.windows) else None

    @property
    def coverage(self) -> float | None:
        """Weighted mean over the windows of how much could be read; None if nothing was asked in words."""
        found = [window.coverage for window in self.windows]
        if not found or any(one is None for one in found):
            return None
        return float(np.average(np.array(found, dtype=float), weights=self.lengths))

    def mean(self, name: str) -> np.ndarray:
        """Weighted mean over the windows of a question's probabilities (options,)."""
        # Here, because torch takes seconds to import, and a request needs none
        from audio_judge.processing_audio_judge import over_windows

        return over_windows([window.probabilities[name] for window in self.windows], self.lengths).numpy()

    def mean_said(self, name: str) -> float | None:
        """Weighted mean of the scores that texts give, over the windows that could be read; None if there is none."""
        said = [(window.values.get(name), length) for window, length in zip(self.windows, self.lengths, strict=True)]
        read = [(value, length) for value, length in said if value is not None]
        if not any(length for _, length in read):
            return None
        values, lengths = zip(*read, strict=True)
        return float(np.average(values, weights=lengths))

    def joined(self, name: str) -> np.ndarray:
        """The probabilities of all frames of the clip (frames,) of a question about when; 0 where digital silence was left out."""
        from audio_judge.processing_audio_judge import frames_over_windows

        answers = [window[name] for window in self.probabilities]
        return frames_over_windows(answers, self.spans, self.seconds).numpy()


def as_requests(clips: Any, reference: Any = None) -> tuple[list[Request], bool]:
    """Bring one clip or ``Request``, or several, into one form; a row of a data set may hold its clip as ``audio``.

    Several are a list, a tuple of paths, a column of a data set or of pandas, or whatever else gives one after the other.

    Returns:
        The requests, and whether it was a single one.

    Raises:
        ValueError: If ``reference`` is a list and has not one per clip.

    Example:
        >>> as_requests({"id": 7, "audio": {"path": "a.wav", "bytes": None}})[0][0].clip["path"]
        'a.wav'
    """
    given = _several(clips)
    is_single, several = given is None, [clips] if given is None else given
    originals = _several(reference)
    references = [reference] * len(several) if originals is None else originals
    if len(references) != len(several):
        raise ValueError(f"{len(several)} clips but {len(references)} references: give one reference per clip")
    requests = [
        clip if isinstance(clip, Request) else Request(_audio_of(clip), _audio_of(original))
        for clip, original in zip(several, references, strict=True)
    ]
    return requests, is_single


def as_pairs(first: Any, second: Any) -> tuple[list[Pair], bool]:
    """Bring two clips, or two lists of clips, into one form, and say whether it was a single pair.

    Raises:
        ValueError: If one is a list and the other is not, their lengths differ, or a clip has a reference.
    """
    (firsts, is_single), (seconds, is_single_too) = as_requests(first), as_requests(second)
    if any(request.reference is not None for request in firsts + seconds):
        raise ValueError("clips are compared with each other, so they take no reference")
    if is_single != is_single_too or len(firsts) != len(seconds):
        raise ValueError(f"{len(firsts)} first and {len(seconds)} second clips: give two clips, or two equal lists")
    return [Pair(*pair) for pair in zip(firsts, seconds, strict=True)], is_single


def _several(clips: Any) -> list[Any] | None:
    """The clips of a list or of what can be one; None for a single clip."""
    if isinstance(clips, tuple):  # of samples and their rate, but for one of clips
        return list(clips) if clips and all(isinstance(one, _CLIPS) for one in clips) else None
    if hasattr(clips, "iloc") and hasattr(clips, "columns"):
        raise ValueError("a table is no list of clips; give one of its columns, such as table['path']")
    is_array = hasattr(clips, "dtype") and hasattr(clips, "ndim") and not hasattr(clips, "iloc")
    if is_array and getattr(clips.dtype, "kind", "f") not in "OU":
        return None
    if isinstance(clips, str | bytes | bytearray | memoryview | Mapping | os.PathLike) or hasattr(clips, "read"):
        return None
    several = list(clips) if hasattr(clips, "__iter__") else None
    if several and all(isinstance(one, int | float) for one in several):
        raise ValueError(f"a list of {len(several)} numbers; give samples with their rate: (samples, sampling_rate)")
    return several


def _audio_of(clip: Any) -> Any:
    if isinstance(clip, io.TextIOBase):
        return clip  # which is no sound: who reads it says so
    if hasattr(clip, "read"):  # an open file, which is read once, from its beginning: what wrote it is at its end
        if hasattr(clip, "seekable") and clip.seekable():
            clip.seek(0)
        clip = {"bytes": clip.read(), "path": str(getattr(clip, "name", "bytes"))}
    # A row of a data set has its clip in a column; the clip itself, decoded or not, is a mapping, too
    is_row = isinstance(clip, Mapping) and "audio" in clip and clip.get("array") is None and clip.get("bytes") is None
    return clip["audio"] if is_row else clip


def request_name(request: Request | Pair) -> str:
    """Say what to call the clip, or the two clips, that a request is about."""
    if isinstance(request, Request):
        return clip_name(request.clip)
    return f"{clip_name(request.first.clip)} / {clip_name(request.second.clip)}"


def clip_name(clip: AudioSource) -> str:
    """Say what to call a clip in its judgement.

    Example:
        >>> clip_name("a.wav"), clip_name((np.zeros(9), 8000))
        ('a.wav', 'array')
    """
    if isinstance(clip, Audio):
        return clip.name
    if isinstance(clip, Mapping):
        return str(clip.get("path") or "array")
    return str(clip) if isinstance(clip, str | Path) else "array"


def seconds_of(request: Request, longest_seconds: float) -> float:
    """Length of a clip, or of the part of it that is judged, before any of it is read into memory.

    Raises:
        AudioError: If it is longer than that, or cannot be opened.
    """
    first, last = request.start_time or 0.0, request.end_time
    seconds = (audio_info(request.clip).seconds if last is None else last) - first
    if seconds > longest_seconds:
        raise AudioError(
            f"{clip_name(request.clip)}: {seconds / 3600:.2f} h; at most {longest_seconds / 3600:g} h are judged: "
            "cut it, give start_time and end_time, or raise the limit"
        )
    return seconds


def part(audio: Audio, start: float, end: float) -> Audio:
    """The sound from one time to another, in seconds."""
    first, last = round(start * audio.sampling_rate), round(end * audio.sampling_rate)
    return replace(audio, samples=audio.samples[first:last])
