"""The judge: load once, then score, compare and explain clips of any form, one by one or by the thousand.

    from audio_judge import AudioJudge
    judge = AudioJudge.from_pretrained()
    print(judge.score("clip.wav"))

Long clips are cut into windows, which are judged in batches across clips and averaged by length; memory does not grow with
the number or the length of the clips. Every closed question is decided (a probability per allowed answer, nothing
generated); words are written after what was decided before, see ``audio_judge.writing``. The same call gives the same answer.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from tqdm import tqdm
from transformers import AutoModelForCausalLM, AutoProcessor

from audio_judge.audio import AudioError, AudioSource
from audio_judge.judge import drafts, preferences, streaming
from audio_judge.judge.drafts import (
    Draft,
    Written,
    draft_assessment,
    draft_comparison,
    draft_description,
    draft_explanation,
    draft_suggestions,
)
from audio_judge.judge.judgement import Authenticity, Judgement, Preference, Window
from audio_judge.judge.reader import Reader
from audio_judge.judge.requests import Pair, Reading, Request, as_pairs, as_requests, clip_name
from audio_judge.judge.results import answer_of, score_of, worst_window
from audio_judge.languages import check_language
from audio_judge.messages import clip_state
from audio_judge.processing_audio_judge import SpanQuestion
from audio_judge.rubrics import calibration
from audio_judge.rubrics.calibration import CalibratedRubric
from audio_judge.rubrics.rubric import RUBRICS, SPEECHEVAL_RUBRICS, Rubric, Scale, get_rubric, in_language
from audio_judge.tasks import compare as compare_task
from audio_judge.tasks import detect as detect_task
from audio_judge.tasks import faults, listeners
from audio_judge.tasks.compare import Form
from audio_judge.tasks.listeners import as_listener

Clips = AudioSource | Request | Sequence[AudioSource | Request]
References = AudioSource | Sequence[AudioSource] | None
Rubrics = str | Rubric | Sequence[str | Rubric]
Profile = str | listeners.Listener | None

SHIPPED_JUDGE = Path(__file__).parents[1] / "mini"
# Smaller judges are not faster in half precision, only less exact
SMALLEST_FOR_HALF = 100_000_000


class UntrainedRubricWarning(UserWarning):
    """A judge is asked for a rubric it was not trained on."""


class UntrainedLanguageWarning(UserWarning):
    """A judge is wanted to answer in a language it was not trained in."""


class AudioJudge(Reader):
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
        super().__init__(model, processor)
        self.name, self.revision = name, revision
        self._warned: set[tuple[str, str]] = set()

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
            dtype: Of the weights; ``auto`` keeps the checkpoint's, but takes bfloat16 for a judge of 100 million weights
                or more in float32 on a CUDA device that supports it, to save time and memory.
            revision: Branch, tag or commit of a Hub repo.
            trust_remote_code: Needed only for backbones that bring own code; the judge's own code is in this package.

        Raises:
            OSError: If there is no judge of that name.
        """
        from audio_judge.version import __version__

        place = str(name or SHIPPED_JUDGE)
        hub: dict[str, Any] = {"trust_remote_code": trust_remote_code}
        if revision is not None:
            hub["revision"] = revision
        model: Any = AutoModelForCausalLM.from_pretrained(place, dtype=dtype, **hub)
        if device == "auto":
            device = (
                str(torch.accelerator.current_accelerator() or "cpu") if torch.accelerator.is_available() else "cpu"
            )
        if dtype == "auto" and _gains_from_half(model, torch.device(device)):
            model = model.to(torch.bfloat16)
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
        clips: Clips,
        reference: References = None,
        *,
        rubric: Rubrics | None = None,
        scale: Scale | None = None,
        batch_size: int = 8,
        progress: bool = False,
        profile: Profile = None,
        language: str = "en",
    ) -> Any:
        """Score clips on rubrics.

        Args:
            clips: One clip (path, bytes, (array, rate), {"array", "sampling_rate"}, data set row …), or a list of them.
            reference: The undegraded original of the clip, or a list with one per clip.
            rubric: Name, ``Rubric``, or several; None for NISQA's five. Your own rubrics can be fitted to your ratings
                with ``calibrate``.
            scale: Scale of the values; None for the rubric's own.
            batch_size: Windows per forward pass.
            progress: Whether to show a progress bar on stderr.
            profile: On whose behalf the clips are heard: key of ``tasks.listeners.LISTENERS`` ("elderly"), a ``Listener``,
                or free words ("opera singer"); None for nobody in particular.
            language: Of the requests, of the level names and of the words: ``en``, ``zh``, ``ja`` or ``fr``; a judge that was
                not trained in it is asked in one that it knows.

        Returns:
            A ``Judgement``, or a list of them in the order of the clips.

        Raises:
            AudioError: If a single clip cannot be judged; in a list it becomes a judgement with an ``error``.
        """
        rubrics = _rubrics(rubric)
        requests, is_single = as_requests(clips, reference)
        results = self.iter_scores(
            requests, rubrics, scale=scale, batch_size=batch_size, profile=profile, language=language
        )
        judgements = list(tqdm(results, total=len(requests), disable=not progress, unit="clip"))
        return _unwrapped(judgements) if is_single else judgements

    def iter_scores(
        self,
        requests: Iterable[Request],
        rubrics: Sequence[Rubric] | None = None,
        *,
        scale: Scale | None = None,
        batch_size: int = 8,
        profile: Profile = None,
        language: str = "en",
    ) -> Iterator[Judgement]:
        """As ``score``, one judgement after the other in the order of the requests, in constant memory."""
        asked = self._trained(rubrics or list(RUBRICS.values()))
        yield from self._judgements(requests, asked, {}, scale, batch_size, as_listener(profile), language)

    def _judgements(
        self,
        requests: Iterable[Request],
        rubrics: Sequence[Rubric],
        about_faults: dict[str, dict[str, Any]],
        scale: Scale | None,
        batch_size: int,
        listener: listeners.Listener | None,
        language: str,
    ) -> Iterator[Judgement]:
        """Judgements on rubrics (``mos`` among them) and, in the same pass, on known faults, asked about as in training."""
        asked_in = self._asked_in(language)
        asked, said_in = ([in_language(one, code) for one in rubrics] for code in (asked_in, language))
        questions = _questions(asked, listener, asked_in) | about_faults
        parsed = self.processor.parse_questions(about_faults) if about_faults else []
        for reading in self._read(requests, questions, batch_size, asked, listener, asked_in):
            said = self._judgement(reading, said_in, scale)
            if parsed and said.error is None:
                # Words are about the worst window, and so are the faults; the times are those of the whole clip
                worst = said.timeline.index(worst_window(said)) if said.timeline else 0
                answers = {question.name: answer_of(question, reading, worst) for question in parsed}
                said = replace(said, faults=faults.heard_faults(answers))
            yield said

    def profile(
        self,
        clips: Clips,
        reference: References = None,
        *,
        rubrics: Rubrics | None = None,
        scale: Scale | None = None,
        batch_size: int = 8,
        progress: bool = False,
        profile: Profile = None,
        language: str = "en",
    ) -> Any:
        """Score clips on every rubric the judge was trained on, all in one pass.

        Args:
            clips: One clip or a list of them.
            reference: The undegraded original of the clip, or a list with one per clip.
            rubrics: Other rubrics; None for those the judge was trained on (NISQA's five if it does not say).
            scale: Scale of the values; None for each rubric's own.
            batch_size: Windows per forward pass.
            progress: Whether to show a progress bar on stderr.
            profile: As in ``score``.
            language: As in ``score``.

        Returns:
            A ``Judgement``, or a list of them in the order of the clips.

        Raises:
            AudioError: If a single clip cannot be judged.
        """
        known = rubrics or self.rubrics or None
        options: dict[str, Any] = {"scale": scale, "batch_size": batch_size, "progress": progress, "profile": profile}
        options["language"] = language
        return self.score(clips, reference, rubric=known, **options)

    def decide(
        self,
        clips: Clips,
        questions: dict[str, dict[str, Any]],
        reference: References = None,
        *,
        batch_size: int = 8,
    ) -> Any:
        """Answer typed questions with a probability per allowed answer; no question can change another's answer.

        Args:
            clips: One clip or a list of them.
            questions: Name to question: ``{"type": "score" | "choice" | "noul", "instructions": …, "criteria": …}``, or
                ``{"type": "span", "instructions": "clicks"}``: when are they heard?
            reference: The undegraded original of the clip, or a list with one per clip.
            batch_size: Windows per forward pass.

        Returns:
            Name to answer, in the System One format, the same that ``pipeline("decision")`` gives; a ``span`` has ``spans``
            (each with ``start`` and ``end`` in seconds of the clip and a ``probability``) and the ``probabilities`` of all
            frames, ``frame_seconds`` apart. A list of those for a list of clips, with ``{"error": …}`` for a clip that
            cannot be judged.

        Raises:
            AudioError: If a single clip cannot be judged.
            ValueError: If a question is not well formed, or about spans and the judge has no head for them.
        """
        requests, is_single = as_requests(clips, reference)
        parsed = self.parse_questions(questions)
        answers: list[dict[str, Any]] = []
        for reading in self._read(requests, questions, batch_size):
            if reading.error is not None and is_single:
                raise AudioError(reading.error)
            if reading.error is not None:
                answers.append({"error": reading.error})
            else:
                answers.append({question.name: answer_of(question, reading) for question in parsed})
        return answers[0] if is_single else answers

    def parse_questions(self, questions: dict[str, dict[str, Any]]) -> list[Any]:
        """Check typed questions before any clip is read.

        Args:
            questions: As ``decide`` takes them.

        Returns:
            The questions as transformers knows them, or ``SpanQuestion``, with their names.

        Raises:
            ValueError: If a question is not well formed, or about spans and the judge has no head for them.
        """
        parsed = self.processor.parse_questions(questions)
        about_when = [question.name for question in parsed if isinstance(question, SpanQuestion)]
        if about_when and self.model.span_head is None:
            known_as = self.name or "this judge"
            raise ValueError(f"question {about_when[0]!r}: {known_as} has no head for `span` questions; leave it out")
        return parsed

    def explain(
        self,
        clips: Clips,
        reference: References = None,
        *,
        batch_size: int = 8,
        max_new_tokens: int = 160,
        profile: Profile = None,
        language: str = "en",
    ) -> Any:
        """Score clips on NISQA's rubrics and say why, in words.

        The numbers are decided first and stand at the head of the text; the judge only writes the reasons that follow, so
        words and numbers agree and every answer parses. A judge that was trained on known faults decides these too: sentences
        about faults that it does not hear are left out, and what it hears but does not write about is added. Of a clip longer
        than one window, the worst window is explained; the scores and the verdict are those of the whole.

        Args:
            clips: One clip or a list of them.
            reference: The undegraded original of the clip, or a list with one per clip.
            batch_size: Clips per batch.
            max_new_tokens: Longest explanation.
            profile: As in ``score``.
            language: As in ``score``.

        Returns:
            A ``Judgement`` with ``text``, ``reasons``, ``causes`` and ``faults``, or a list of them.

        Raises:
            AudioError: If a single clip cannot be judged.
        """
        limits = batch_size, max_new_tokens
        return self._in_words(
            clips, reference, RUBRICS, draft_explanation, drafts.explained, limits, profile, language, True
        )

    def assess(
        self,
        clips: Clips,
        reference: References = None,
        *,
        batch_size: int = 8,
        max_new_tokens: int = 200,
        profile: Profile = None,
        language: str = "en",
    ) -> Any:
        """Assess clips on SpeechEval's dimensions: a thought with a line for each, all decided, then a summary in words.

        A judge that was trained on known faults decides these too; they are noted beside the distortion, with the passages
        where they are heard if it has learned to tell.

        Args:
            clips: One clip or a list of them.
            reference: The undegraded original of the clip, or a list with one per clip.
            batch_size: Clips per batch.
            max_new_tokens: Longest summary.
            profile: As in ``score``.
            language: As in ``score``.

        Returns:
            A ``Judgement`` with ``text`` (``<think>…</think> <answer>…</answer>``), its summary as ``reasons`` and the
            facts as ``assessment`` and ``faults``, or a list of them.

        Raises:
            AudioError: If a single clip cannot be judged.
        """
        limits = batch_size, max_new_tokens
        return self._in_words(
            clips, reference, self.dimensions, draft_assessment, drafts.assessed, limits, profile, language, True
        )

    def suggest(
        self,
        clips: Clips,
        *,
        batch_size: int = 8,
        max_new_tokens: int = 160,
        profile: Profile = None,
        language: str = "en",
    ) -> Any:
        """Say what to improve: the areas follow from decided scores on SpeechEval's dimensions, the advice is written.

        Of a judge that was trained on known faults, advice against a fault that it does not hear is left out, and there is
        advice against each that it hears.

        Args:
            clips: One clip or a list of them.
            batch_size: Clips per batch.
            max_new_tokens: Longest advice, all lines together.
            profile: As in ``score``.
            language: As in ``score``.

        Returns:
            A ``Judgement`` with ``suggestions``, ``areas`` and ``faults``, or a list of them.

        Raises:
            AudioError: If a single clip cannot be judged.
        """
        limits = batch_size, max_new_tokens
        return self._in_words(
            clips, None, self.dimensions, draft_suggestions, drafts.suggested, limits, profile, language, True
        )

    def describe(
        self,
        clips: Clips,
        reference: References = None,
        *,
        batch_size: int = 8,
        max_new_tokens: int = 160,
        profile: Profile = None,
        language: str = "en",
    ) -> Any:
        """Describe clips in running text that ends in the decided overall score.

        Args:
            clips: One clip or a list of them.
            reference: The undegraded original of the clip, or a list with one per clip.
            batch_size: Clips per batch.
            max_new_tokens: Longest description.
            profile: As in ``score``.
            language: As in ``score``.

        Returns:
            A ``Judgement`` with ``description``, or a list of them.

        Raises:
            AudioError: If a single clip cannot be judged.
        """
        limits = batch_size, max_new_tokens
        return self._in_words(clips, reference, RUBRICS, draft_description, drafts.described, limits, profile, language)

    def detect(self, clips: Clips, *, batch_size: int = 8, profile: Profile = None, language: str = "en") -> Any:
        """Say how likely speech is real, not made or altered by a machine.

        Args:
            clips: One clip or a list of them.
            batch_size: Windows per forward pass.
            profile: As in ``score``.
            language: As in ``score``.

        Returns:
            An ``Authenticity`` with ``real`` (0 to 1) and ``label``, or a list of them.

        Raises:
            AudioError: If a single clip cannot be judged.
        """
        requests, is_single = as_requests(clips)
        asked = {"fake": detect_task.question(language=self._asked_in(language))}
        question = _heard_by(as_listener(profile), asked)
        (parsed,) = self.processor.parse_questions(question)
        readings = self._read(requests, question, batch_size)
        real = parsed.options.index("false")
        results = [self._authenticity(reading, real, language) for reading in readings]
        return _unwrapped(results) if is_single else results

    def compare(
        self,
        first: Clips,
        second: Clips,
        *,
        rubric: Rubrics = "mos",
        explain: bool = True,
        form: Form = "preference",
        batch_size: int = 8,
        max_new_tokens: int = 120,
        profile: Profile = None,
        language: str = "en",
    ) -> Any:
        """Say which of two clips is better; the order of the arguments cannot matter.

        Both orders are asked and averaged. Long clips are compared window by window, at the same places. The verdicts are
        decided before the reasons, which speak of the window pair that shows the preference most.

        Args:
            first: Clip A, or a list.
            second: Clip B, or a list of the same length.
            rubric: What to compare in, or several; the first one decides ``better``.
            explain: Whether to give reasons in words.
            form: ``preference`` (reasons that name up to three aspects, and a choice) or ``dimensions`` (a thought with a
                verdict on each of SpeechEval's dimensions, and a summary).
            batch_size: Windows per forward pass.
            max_new_tokens: Longest free text of the reasons.
            profile: As in ``score``.
            language: As in ``score``.

        Returns:
            A ``Preference``, or a list of them.

        Raises:
            AudioError: If a single pair cannot be judged.
            ValueError: If there are not as many first as second clips.
        """
        pairs, is_single = as_pairs(first, second)
        asked = _rubrics(rubric)
        aspects = [] if not explain else list((self.dimensions if form == "dimensions" else RUBRICS).values())
        aspects = asked if form == "preference" and asked[0].name != "mos" else aspects
        every = list({one.name: one for one in [*asked, *aspects]}.values())
        listener, asked_in = as_listener(profile), self._asked_in(language)
        questions = _heard_by(listener, {one.name: compare_task.question(one, language=asked_in) for one in every})
        readings = list(self._read(pairs, questions, batch_size))
        results = [self._preference(reading, every) for reading in readings]
        heard = [index for index, said in enumerate(results) if explain and said.error is None]
        for start in range(0, len(heard), batch_size):
            batch = heard[start : start + batch_size]
            states = (self._clearest_window(readings[index], results[index]) for index in batch)
            drafts = [
                draft_comparison(results[index], [one.name for one in aspects], form, language) for index in batch
            ]
            written = self._written(states, drafts, listener, max_new_tokens, asked_in == language)
            for index, one in zip(batch, written, strict=True):
                words: dict[str, Any] = {"text": one.text, "reasons": one.words, "has_own_words": one.is_own}
                results[index] = replace(results[index], **words)
        return _unwrapped(results) if is_single else results

    def reward(
        self,
        audio: Sequence[Any] | torch.Tensor | np.ndarray,
        sampling_rate: int,
        *,
        rubric: Rubrics = "mos",
        batch_size: int = 8,
        profile: Profile = None,
    ) -> list[float]:
        """Score generated audio as a reward: 1 is best whatever the direction of the rubric, and nothing is ever NaN.

        Audio that cannot be judged (empty, shorter than 0.1 s, with NaN, far beyond full scale) gets 0.0, the least, so that
        a generator cannot win by breaking its output.

        Args:
            audio: Arrays or tensors, (samples,) or (channels, samples) each; or one array (clips, samples).
            sampling_rate: Of all of them, in Hz.
            rubric: What to reward; of several the mean counts.
            batch_size: Windows per forward pass.
            profile: As in ``score``.

        Returns:
            One reward per clip, 0 to 1.

        Raises:
            ValueError: If ``audio`` is a single clip (samples,), which is no batch.
        """
        if isinstance(audio, np.ndarray | torch.Tensor) and audio.ndim < 2:
            raise ValueError(f"audio of shape {tuple(audio.shape)}; give a list of clips or an array (clips, samples)")
        rubrics = _rubrics(rubric)
        requests = [Request((clip, sampling_rate)) for clip in audio]
        rewards = []
        for judged in self.iter_scores(requests, rubrics, batch_size=batch_size, profile=profile):
            values = [
                one.goodness(np.clip(judged[one.name].value, one.low, one.high)) for one in rubrics if judged.scores
            ]
            rewards.append(float(np.mean(values)) if values else 0.0)
        return rewards

    def timeline(
        self,
        clip: AudioSource | Request,
        *,
        rubrics: Rubrics | None = None,
        window_seconds: float | None = None,
        hop_seconds: float | None = None,
        batch_size: int = 8,
        profile: Profile = None,
    ) -> Iterator[Window]:
        """Score a recording window by window while it is read; memory does not grow with its length.

        Args:
            clip: One clip; of a file no more than the windows of a batch are in memory.
            rubrics: Name, ``Rubric``, or several; None for NISQA's five.
            window_seconds: Length of a window; None for what the judge was trained on.
            hop_seconds: From one window to the next; None for windows side by side.
            batch_size: Windows per forward pass.
            profile: As in ``score``.

        Yields:
            Windows in order, each with its expected scores.

        Raises:
            AudioError: If the clip cannot be read.
            ValueError: If the hop is shorter than 0.1 s or longer than the window.
        """
        asked = self._trained(_rubrics(rubrics))
        (request,), _ = as_requests(clip)
        size = window_seconds or self.processor.window_seconds
        waiting: list[tuple[Reading, list[dict[str, Any]]]] = []
        reading = Reading(request)
        listener = as_listener(profile)
        for window in self._cut(request, size, hop_seconds):
            reading.spans.append(window[:2])
            waiting.append((reading, window[2]))
            if len(waiting) == batch_size:
                self._decide(waiting, _questions(asked, listener), asked, listener)
                yield from self._windows_of(reading, asked)
                reading.spans.clear()
                reading.probabilities.clear()
        self._decide(waiting, _questions(asked, listener), asked, listener)
        yield from self._windows_of(reading, asked)

    def stream(
        self,
        chunks: Iterable[Any],
        sampling_rate: int,
        *,
        rubrics: Rubrics | None = None,
        every_seconds: float = 2.0,
        window_seconds: float | None = None,
        profile: Profile = None,
    ) -> Iterator[Judgement]:
        """Judge a live call: chunks go in, a running verdict comes out.

        Args:
            chunks: Arrays or tensors of any length, integers or floats in [-1, 1]; they are taken as they come.
            sampling_rate: Of the chunks, in Hz.
            rubrics: Name, ``Rubric``, or several; None for NISQA's five.
            every_seconds: Time between verdicts, 0.2 s or more; one also comes at the end of each window and of the call.
            window_seconds: How much is heard at a time; None for what the judge was trained on.
            profile: As in ``score``.

        Yields:
            Judgements: ``scores`` of the whole call so far, and in ``timeline`` the one window that is heard now.

        Raises:
            AudioError: If a chunk is not finite or not in [-1, 1], or the call is shorter than 0.1 s.
        """
        asked, listener = self._trained(_rubrics(rubrics)), as_listener(profile)
        size = window_seconds or self.processor.window_seconds
        total, before = 0.0, {rubric.name: np.zeros(len(rubric.levels)) for rubric in asked}
        for piece in streaming.pieces(chunks, sampling_rate, every_seconds, size):
            state = clip_state(self._block(piece.audio))
            (now,) = self._decided([state], _questions(asked, listener), asked, listener)
            earlier = [((0.0, total), before)] if total else []
            known = [*earlier, ((piece.start, piece.end), now)]
            reading = Reading(Request(piece.audio), [span for span, _ in known], [shares for _, shares in known])
            said = self._judgement(reading, asked, None)
            yield replace(said, seconds=piece.end, timeline=tuple(self._windows_of(reading, asked))[-1:])
            if piece.is_whole:
                total, before = piece.end, {rubric.name: reading.mean(rubric.name) for rubric in asked}

    def calibrate(
        self,
        rubric: str | Rubric,
        rated_clips: Sequence[tuple[AudioSource | Request, float]],
        *,
        batch_size: int = 8,
        profile: Profile = None,
    ) -> CalibratedRubric:
        """Fit a rubric's scale to a handful of rated clips: what this judge reads becomes what your listeners said.

        Args:
            rubric: Name or ``Rubric``, your own too.
            rated_clips: (clip, rating) of three clips or more, the ratings on the rubric's scale.
            batch_size: Windows per forward pass.
            profile: As in ``score``; score with the same.

        Returns:
            The rubric with its map, to be used like any other; ``to_dict`` keeps it.

        Raises:
            AudioError: If a clip cannot be judged.
            ValueError: If there are too few clips, a rating is off the scale, or the judge's readings do not rise with the
                ratings.
        """
        plain = calibration.uncalibrated(get_rubric(rubric))
        requests, _ = as_requests([clip for clip, _ in rated_clips])
        listener = as_listener(profile)
        finished = self._read(requests, _questions([plain], listener), batch_size, [plain], listener)
        judged = (_unwrapped([self._judgement(reading, [plain], None)]) for reading in finished)
        readings = [judgement[plain.name].value for judgement in judged]
        return calibration.calibrate(plain, readings, [rating for _, rating in rated_clips], self._signature)

    @property
    def dimensions(self) -> dict[str, Rubric]:
        """SpeechEval's dimensions that ``assess`` speaks of; if some are known to be trained, only those."""
        known = {name: rubric for name, rubric in SPEECHEVAL_RUBRICS.items() if name in self.rubrics}
        return known if len(known) > 1 else dict(SPEECHEVAL_RUBRICS)

    @property
    def rubrics(self) -> tuple[str, ...]:
        """Names of the rubrics the judge was trained on; none if its processor does not say."""
        return tuple(self.processor.trained_rubrics or ())

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages the judge was trained in; none if its processor does not say."""
        return tuple(self.processor.trained_languages or ())

    def _asked_in(self, language: str) -> str:
        """The language to ask in: the wanted one, or after a warning, once, one the judge was trained in."""
        known = self.languages or (("en",) if self.rubrics else ())
        if check_language(language) in (known or (language,)):
            return language
        asked_in = "en" if "en" in known else known[0]
        if (language, "") not in self._warned:
            self._warned.add((language, ""))
            message = (
                f"{self.name or 'this judge'} was not trained in {language!r} but in {', '.join(known)}: it is asked in "
                f"{asked_in!r}, and its words are made of what it decides"
            )
            warnings.warn(message, UntrainedLanguageWarning, stacklevel=3)
        return asked_in

    @property
    def _signature(self) -> str:
        return f"{self.name} {self.revision}".strip()

    def _fault_questions(self) -> dict[str, dict[str, Any]]:
        """Questions about known faults; none for a judge that is not known to have learned them."""
        if not self.processor.trained_faults:
            return {}
        return faults.all_questions(with_spans=self.model.span_head is not None)

    def _trained(self, rubrics: Sequence[Rubric]) -> list[Rubric]:
        """The rubrics, after a warning for each that the judge was not trained on, once."""
        for rubric in rubrics:
            if isinstance(rubric, CalibratedRubric):
                message = f"{rubric.name!r} was calibrated with {rubric.judge!r}; calibrate it again for this judge"
                is_known = rubric.judge in ("", self._signature)
            else:
                message = (
                    f"{self.name or 'this judge'} was not trained on {rubric.name!r}, so its scores may say little about "
                    f"it; it was trained on {', '.join(self.rubrics)}. Check them, or fit them with judge.calibrate(...)"
                )
                is_known = not self.rubrics or rubric.name in self.rubrics
            if not is_known and (rubric.name, rubric.definition) not in self._warned:
                self._warned.add((rubric.name, rubric.definition))
                warnings.warn(message, UntrainedRubricWarning, stacklevel=3)
        return list(rubrics)

    def _in_words(
        self,
        clips: Any,
        reference: Any,
        rubrics: Mapping[str, Rubric],
        draft: Callable[[Judgement, bool, str], Draft],
        attach: Callable[[Judgement, Written, str], Judgement],
        limits: tuple[int, int],
        profile: Profile,
        language: str,
        with_faults: bool = False,
    ) -> Any:
        """Decide the facts, then have the free words of each draft written; limits are clips per batch and tokens."""
        requests, is_single = as_requests(clips, reference)
        batch_size, max_new_tokens = limits
        asked = self._trained(list(rubrics.values()))
        is_known = self._asked_in(language) == language
        about_faults = self._fault_questions() if with_faults else {}
        listener = as_listener(profile)
        judgements = list(self._judgements(requests, asked, about_faults, None, batch_size, listener, language))
        heard = [index for index, judgement in enumerate(judgements) if judgement.error is None]
        for start in range(0, len(heard), batch_size):
            batch = heard[start : start + batch_size]
            states = (self._worst_window(requests[i], judgements[i]) for i in batch)
            drafts = [draft(judgements[i], requests[i].reference is not None, language) for i in batch]
            written = self._written(states, drafts, listener, max_new_tokens, is_known)
            for index, answer in zip(batch, written, strict=True):
                judgements[index] = attach(judgements[index], answer, language)
        return _unwrapped(judgements) if is_single else judgements

    def _clearest_window(self, reading: Reading, said: Preference) -> list[dict[str, Any]]:
        """The state of the window pair that shows a preference most."""
        side = preferences.VERDICTS.index(cast(compare_task.Verdict, said.better))
        shown = int(preferences.both_orders(reading, next(iter(said.rubrics)))[:, side].argmax())
        for _, _, state in islice(self._pair_windows(reading.request), 2 * shown, None):
            return state
        raise AudioError(f"{said.first} / {said.second}: changed while they were being judged")

    def _preference(self, reading: Reading, rubrics: Sequence[Rubric]) -> Preference:
        pair: Pair = reading.request
        said = Preference(clip_name(pair.first.clip), clip_name(pair.second.clip))
        said = replace(said, model=self.name, revision=self.revision)
        if reading.error is not None:
            return replace(said, error=reading.error)
        shares = {rubric.name: preferences.preference(reading, rubric.name) for rubric in rubrics}
        overall = shares[rubrics[0].name]
        return replace(said, better=preferences.verdict(overall), probabilities=overall, rubrics=shares)

    def _authenticity(self, reading: Reading, real: int, language: str) -> Authenticity:
        """A finished reading as a verdict; ``real`` is the place of that answer."""
        said = Authenticity(clip_name(reading.request.clip), model=self.name, revision=self.revision)
        if reading.error is not None:
            return replace(said, error=reading.error)
        share = float(reading.mean("fake")[real])
        parts = zip(reading.spans, reading.probabilities, strict=True)
        timeline = tuple(Window(start, end, {"real": float(one["fake"][real])}) for (start, end), one in parts)
        text = detect_task.write(detect_task.Detection(is_fake=share < 0.5), language)
        seconds = reading.spans[-1][1] - reading.spans[0][0]
        return replace(said, real=share, seconds=seconds, text=text, timeline=timeline if len(timeline) > 1 else ())

    def _worst_window(self, request: Request, judgement: Judgement) -> list[dict[str, Any]]:
        worst = worst_window(judgement) if judgement.timeline else None
        for start, _, state in self._windows(request):
            if worst is None or start == worst.start:
                return state
        raise AudioError(f"{judgement.clip}: changed while it was being judged")

    def _judgement(self, reading: Reading, rubrics: Sequence[Rubric], scale: Scale | None) -> Judgement:
        """A finished reading as a judgement."""
        said = Judgement(clip_name(reading.request.clip), model=self.name, revision=self.revision)
        if reading.error is not None:
            return replace(said, error=reading.error)
        scores = {rubric.name: score_of(reading.mean(rubric.name), rubric, scale) for rubric in rubrics}
        timeline = tuple(self._windows_of(reading, rubrics, scale))
        seconds = reading.spans[-1][1] - reading.spans[0][0]
        return replace(said, seconds=seconds, scores=scores, timeline=timeline if len(timeline) > 1 else ())

    def _windows_of(self, reading: Reading, rubrics: Sequence[Rubric], scale: Scale | None = None) -> Iterator[Window]:
        for (start, end), decided in zip(reading.spans, reading.probabilities, strict=True):
            scores = {rubric.name: score_of(decided[rubric.name], rubric, scale).value for rubric in rubrics}
            yield Window(start, end, scores)


def _gains_from_half(model: Any, device: torch.device) -> bool:
    """Whether bfloat16 saves time or memory worth its loss of digits."""
    is_large = model.dtype == torch.float32 and model.num_parameters() >= SMALLEST_FOR_HALF
    return is_large and device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def _rubrics(rubric: Rubrics | None) -> list[Rubric]:
    if rubric is None:
        return list(RUBRICS.values())
    return [get_rubric(one) for one in ([rubric] if isinstance(rubric, str | Rubric) else rubric)]


def _questions(
    rubrics: Sequence[Rubric], listener: listeners.Listener | None, language: str = "en"
) -> dict[str, dict[str, Any]]:
    return _heard_by(listener, {rubric.name: rubric.question(language=language) for rubric in rubrics})


def _heard_by(listener: listeners.Listener | None, questions: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Questions on behalf of a listener."""
    if listener is None:
        return questions
    return {
        name: question | {"instructions": listeners.ask(question["instructions"], listener)}
        for name, question in questions.items()
    }


def _unwrapped(results: list[Any]) -> Any:
    """The only result of a single request; an error is raised."""
    if results[0].error is not None:
        raise AudioError(results[0].error)
    return results[0]
