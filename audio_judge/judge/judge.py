"""The judge: load once, then score, compare and explain clips of any form, one by one or by the thousand.

    from audio_judge import AudioJudge
    judge = AudioJudge.from_pretrained()
    print(judge.score("clip.wav"))

Long clips are cut into windows, which are judged in batches across clips and averaged by length; memory does not grow with
the number or the length of the clips. Every closed question is decided (a probability per allowed answer, nothing
generated); words are written after what was decided before, see ``audio_judge.judge.drafts``. The same call gives the same
answer. How clips are read is in ``audio_judge.judge.reader``, how decisions become results in ``audio_judge.judge.results``.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, Unpack, cast, overload

import numpy as np
import torch
from tqdm import tqdm

from audio_judge.audio import AudioError, AudioSource
from audio_judge.judge import asking, drafts, preferences, results, streaming
from audio_judge.judge.drafts import Draft, Words, Written
from audio_judge.judge.identity import Identity
from audio_judge.judge.judgement import Authenticity, Judgement, Preference, Window
from audio_judge.judge.keywords import (
    Batching,
    Clip,
    Clips,
    Comparing,
    Listening,
    Many,
    Profiling,
    Questions,
    References,
    Rubrics,
    Scoring,
    Writing,
    profile_means_listener,
)
from audio_judge.judge.native import load_audio_model
from audio_judge.judge.origin import check_untrusted, folder_of, revision_of
from audio_judge.judge.reader import Reader, State, why
from audio_judge.judge.requests import Pair, Questionnaire, Request, as_pairs, as_requests, request_name
from audio_judge.judge.results import unwrapped
from audio_judge.judge.shipped import DEFAULT_JUDGE, place_of, shipped_judge
from audio_judge.processing_audio_judge import SpanQuestion
from audio_judge.rubrics import calibration
from audio_judge.rubrics.calibration import CalibratedRubric
from audio_judge.rubrics.rubric import RUBRICS, Rubric, Scale, get_rubric
from audio_judge.tasks import zero_shot
from audio_judge.tasks.compare import Form, Verdict
from audio_judge.tasks.listeners import Listener

Said = TypeVar("Said", Judgement, Preference)

# Smaller judges are not faster in half precision, only less exact
SMALLEST_FOR_HALF = 100_000_000


@profile_means_listener
class AudioJudge:
    """A loaded judge.

    Most methods take one clip, or a list of them and then return a list in its order. A single clip that cannot be judged
    raises an ``AudioError``; in a list its result says so as its ``error``. ``clips``, ``reference``, ``listener`` and
    ``language`` mean everywhere what they mean in ``score``, and ``batch_size`` counts windows per forward pass.

    Args:
        model: An ``AudioJudgeForCausalLM``, or a native audio language model of transformers.
        processor: What belongs to it.
        name: What its judgements call it.
        revision: Commit of a Hub repo, hash of a folder's content, or version of the package, that its judgements note.

    Attributes:
        reader: The part that reads clips, asks the model and has it write.
        identity: Its name and version, and what it was trained on.
    """

    def __init__(self, model: Any, processor: Any, name: str = "", revision: str = "") -> None:
        self.reader = Reader(model, processor)
        self.identity = Identity(self.reader, name, revision)

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
            name: A judge that ships with the package, ``mini`` (None means it) or ``open``; a folder; or a Hub id, also of a
                native audio language model such as Qwen2-Audio, trained as a judge or unchanged. A folder whose name is that
                of a shipped judge is given as ``./open``, or as a ``Path``.
            device: ``auto`` (an accelerator if there is one), ``cpu``, ``cuda:1`` ….
            dtype: Of the weights; ``auto`` keeps the checkpoint's, but takes bfloat16 for a judge of 100 million weights
                or more in float32 on a CUDA device that supports it, to save time and memory.
            revision: Branch, tag or commit of a Hub repo.
            trust_remote_code: Needed only for backbones that bring own code, also by ``_attn_implementation``, and for templates
                that could grow without bound; the judge's own code is in this package.

        Raises:
            OSError: If there is no judge of that name.
            ValueError: If a model of that name does not hear, cannot be asked in words, or needs trust that it does not have.
        """
        from audio_judge.version import __version__

        place, shipped = place_of(name), shipped_judge(name)
        hub: dict[str, Any] = {"trust_remote_code": trust_remote_code}
        if revision is not None:
            hub["revision"] = revision
        origin = None if shipped is not None else folder_of(place, revision)
        if origin is not None and not trust_remote_code:
            check_untrusted(origin)
        # Loaded before it is moved: `device_map` would need accelerate, which only training installs
        model, processor = load_audio_model(place, dtype=dtype, **hub)
        if device == "auto":
            device = (
                str(torch.accelerator.current_accelerator() or "cpu") if torch.accelerator.is_available() else "cpu"
            )
        if dtype == "auto" and _gains_from_half(model, torch.device(device)):
            model = model.to(torch.bfloat16)
        made = (
            __version__ if shipped is not None else (revision or "unknown") if origin is None else revision_of(origin)
        )
        return cls(
            model.to(torch.device(device)),
            processor,
            str(name or DEFAULT_JUDGE),
            made,
        )

    # Scores

    @overload
    def score(self, clips: Clip, reference: References = None, **options: Unpack[Scoring]) -> Judgement: ...
    @overload
    def score(self, clips: Many, reference: References = None, **options: Unpack[Scoring]) -> list[Judgement]: ...
    def score(
        self,
        clips: Clips,
        reference: References = None,
        *,
        rubric: Rubrics | None = None,
        scale: Scale | None = None,
        batch_size: int = 8,
        progress: bool = False,
        listener: str | Listener | None = None,
        language: str = "en",
    ) -> Judgement | list[Judgement]:
        """Score clips on rubrics.

        Args:
            clips: One clip (path, bytes, (array, rate), {"array", "sampling_rate"}, data set row …), or a list of them.
            reference: The undegraded original of the clip, or a list with one per clip.
            rubric: Name, ``Rubric``, or several; None for NISQA's five, of a judge that says what it learned for those among
                them that it did, or all that it did if it learned others. Your own rubrics can be fitted to your ratings with
                ``calibrate``.
            scale: Scale of the values; None for the rubric's own.
            batch_size: Windows per forward pass.
            progress: Whether to show a bar on stderr.
            listener: On whose behalf the clips are heard: key of ``tasks.listeners.LISTENERS`` ("elderly"), a ``Listener``,
                or free words ("opera singer"); None for nobody in particular.
            language: Of the requests, of the level names and of the words: ``en``, ``zh``, ``ja`` or ``fr``; a judge that was
                not trained in it is asked in one that it knows.

        Raises:
            AudioError: If a single clip cannot be judged.
            AnswerError: If a single clip was judged in words that cannot be read.
            UntrainedTaskError: If the judge learned to score in words, and not on this rubric.
            ValueError: If ``reference`` is a list and has not one per clip.
        """
        rubrics = None if rubric is None else _rubrics(rubric)
        requests, is_single = as_requests(clips, reference)
        found = self.iter_scores(
            requests, rubrics, scale=scale, batch_size=batch_size, listener=listener, language=language
        )
        judgements = list(tqdm(found, total=len(requests), disable=not progress, unit="clip"))
        return unwrapped(judgements) if is_single else judgements

    def iter_scores(
        self,
        requests: Iterable[Request],
        rubrics: Sequence[Rubric] | None = None,
        *,
        scale: Scale | None = None,
        batch_size: int = 8,
        listener: str | Listener | None = None,
        language: str = "en",
    ) -> Iterator[Judgement]:
        """As ``score``, one judgement after the other in the order of the requests, in constant memory."""
        asked = self._scores(rubrics or asking.usual_rubrics(self.identity), listener, language)
        yield from self._judgements(requests, asked, batch_size, scale)

    @overload
    def profile(self, clips: Clip, reference: References = None, **options: Unpack[Profiling]) -> Judgement: ...
    @overload
    def profile(self, clips: Many, reference: References = None, **options: Unpack[Profiling]) -> list[Judgement]: ...
    def profile(
        self,
        clips: Clips,
        reference: References = None,
        *,
        rubrics: Rubrics | None = None,
        scale: Scale | None = None,
        batch_size: int = 8,
        progress: bool = False,
        listener: str | Listener | None = None,
        language: str = "en",
    ) -> Judgement | list[Judgement]:
        """As ``score``, on every rubric the judge was trained on (NISQA's five if it does not say), all in one pass."""
        return self.score(
            cast(Any, clips),
            reference,
            rubric=rubrics or self.rubrics or None,
            scale=scale,
            batch_size=batch_size,
            progress=progress,
            listener=listener,
            language=language,
        )

    def reward(
        self,
        audio: Sequence[Any] | torch.Tensor | np.ndarray,
        sampling_rate: int,
        *,
        rubric: Rubrics = "mos",
        batch_size: int = 8,
        listener: str | Listener | None = None,
    ) -> list[float]:
        """Score generated audio as a reward: 1 is best whatever the direction of the rubric, and nothing is ever NaN.

        Audio that cannot be judged (empty, shorter than 0.1 s, with NaN, far beyond full scale) gets 0.0, the least, so that
        a generator cannot win by breaking its output.

        Args:
            audio: Arrays or tensors, (samples,) or (channels, samples) each; or one array (clips, samples).
            sampling_rate: Of all of them, in Hz.
            rubric: What to reward; of several the mean counts.

        Returns:
            One reward per clip, 0 to 1.

        Raises:
            ValueError: If ``audio`` is a single clip (samples,), which is no batch.
        """
        if isinstance(audio, np.ndarray | torch.Tensor) and audio.ndim < 2:
            raise ValueError(f"audio of shape {tuple(audio.shape)}; give a list of clips or an array (clips, samples)")
        rubrics, requests = _rubrics(rubric), [Request((clip, sampling_rate)) for clip in audio]
        judged = self.iter_scores(requests, rubrics, batch_size=batch_size, listener=listener)
        return [results.reward_of(judgement, rubrics) for judgement in judged]

    def timeline(
        self,
        clip: Clip,
        *,
        rubrics: Rubrics | None = None,
        window_seconds: float | None = None,
        hop_seconds: float | None = None,
        batch_size: int = 8,
        listener: str | Listener | None = None,
    ) -> Iterator[Window]:
        """Score a recording window by window while it is read; memory does not grow with its length.

        Args:
            clip: One clip; of a file no more than the windows of a batch are in memory.
            rubrics: As in ``score``.
            window_seconds: None for what the judge was trained on.
            hop_seconds: From one window to the next; None for windows side by side.

        Yields:
            Windows in order, each with its expected scores.

        Raises:
            AudioError: If the clip cannot be read.
            ValueError: If the hop is shorter than 0.1 s or longer than the window.
        """
        asked = self._scores(asking.usual_rubrics(self.identity) if rubrics is None else _rubrics(rubrics), listener)
        (request,), _ = as_requests(clip)
        for reading in self.reader.follow(request, asked, batch_size, window_seconds, hop_seconds):
            yield from results.windows_of(reading, asked.rubrics)

    def stream(
        self,
        chunks: Iterable[Any],
        sampling_rate: int,
        *,
        rubrics: Rubrics | None = None,
        every_seconds: float = 2.0,
        window_seconds: float | None = None,
        listener: str | Listener | None = None,
    ) -> Iterator[Judgement]:
        """Judge a live call: chunks go in, a running verdict comes out.

        Args:
            chunks: Arrays or tensors of any length, integers or floats in [-1, 1]; they are taken as they come. Floats beyond that are
                clipped, as when they are played.
            sampling_rate: Of the chunks, in Hz.
            rubrics: Name, ``Rubric``, or several; None for NISQA's five.
            every_seconds: Time between verdicts, 0.2 s or more; one also comes at the end of the call.
            window_seconds: How much is heard at a time; None for what the judge was trained on.

        Yields:
            Judgements: ``scores`` of the whole call so far, and in ``timeline`` the one window that is heard now.

        Raises:
            AudioError: If a chunk is not finite or reaches 16 times full scale, or the call is shorter than 0.1 s.
        """
        asked = self._scores(asking.usual_rubrics(self.identity) if rubrics is None else _rubrics(rubrics), listener)
        size = window_seconds or self.processor.window_seconds
        pieces = streaming.pieces(chunks, sampling_rate, every_seconds, size)
        for reading in self.reader.listen(pieces, asked):
            said = self.identity.signed(results.judgement_of(reading, asked.rubrics))
            yield replace(said, timeline=tuple(results.windows_of(reading, asked.rubrics))[-1:])

    def calibrate(
        self,
        rubric: str | Rubric,
        rated_clips: Sequence[tuple[AudioSource | Request, float]],
        *,
        batch_size: int = 8,
        listener: str | Listener | None = None,
    ) -> CalibratedRubric:
        """Fit a rubric's scale to a handful of rated clips: what this judge reads becomes what your listeners said.

        Args:
            rubric: Name or ``Rubric``, your own too.
            rated_clips: (clip, rating) of three clips or more, the ratings on the rubric's scale.
            listener: Score with the same one later.

        Returns:
            The rubric with its map, to be used like any other; ``to_dict`` keeps it.

        Raises:
            AudioError: If a clip cannot be judged.
            ValueError: If there are too few clips, a rating is off the scale, or the readings do not rise with the ratings.
        """
        plain = calibration.uncalibrated(get_rubric(rubric))
        requests, _ = as_requests([clip for clip, _ in rated_clips])
        finished = self.reader.read(requests, self._scores([plain], listener), batch_size)
        judged = (unwrapped([results.judgement_of(reading, [plain])]) for reading in finished)
        readings = [judgement[plain.name].value for judgement in judged]
        return calibration.calibrate(plain, readings, [rating for _, rating in rated_clips], self.identity.signature)

    # Other decisions

    @overload
    def decide(
        self, clips: Clip, questions: Questions, reference: References = None, **options: Unpack[Batching]
    ) -> dict[str, Any]: ...
    @overload
    def decide(
        self, clips: Many, questions: Questions, reference: References = None, **options: Unpack[Batching]
    ) -> list[dict[str, Any]]: ...
    def decide(
        self, clips: Clips, questions: Questions, reference: References = None, *, batch_size: int = 8
    ) -> dict[str, Any] | list[dict[str, Any]]:
        """Answer typed questions with a probability per allowed answer; no question can change another's answer.

        Args:
            clips: One or a list.
            questions: Name to question: ``{"type": "score" | "choice" | "noul", "instructions": …, "criteria": …}``, or
                ``{"type": "span", "instructions": "clicks"}``: when are they heard?
            reference: As in ``score``.
            batch_size: Windows per forward pass.

        Returns:
            Name to answer, in the System One format, the same that ``pipeline("decision")`` gives; a ``span`` has ``spans``
            (each with ``start`` and ``end`` in seconds of the clip and a ``probability``) and the ``probabilities`` of all
            frames, ``frame_seconds`` apart. A question in other words than the judge learned is asked in words that mean the same,
            which the answer says as ``asked_as``; if there are none, it has a ``warning``. In a list, ``{"error": …}`` for a clip
            that cannot be judged.

        Raises:
            ValueError: If a question is not well formed, or about spans and the judge has no head for them.
        """
        requests, is_single = as_requests(clips, reference)
        self.parse_questions(questions)
        understood = self.identity.understood(questions)
        parsed, asked = self.parse_questions(understood.asked), asking.decisions(self.identity, understood.asked)
        answers: list[dict[str, Any]] = []
        for reading in self.reader.read(requests, asked, batch_size):
            if reading.error is not None and is_single:
                raise AudioError(reading.error)
            if reading.error is not None:
                answers.append({"error": reading.error})
            else:
                found = {question.name: results.answer_of(question, reading) for question in parsed}
                answers.append(understood.answers(found))
        return answers[0] if is_single else answers

    def parse_questions(self, questions: Questions) -> list[Any]:
        """Check typed questions, such as ``decide`` takes, before any clip is read.

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

    @overload
    def detect(self, clips: Clip, **options: Unpack[Listening]) -> Authenticity: ...
    @overload
    def detect(self, clips: Many, **options: Unpack[Listening]) -> list[Authenticity]: ...
    def detect(
        self,
        clips: Clips,
        *,
        batch_size: int = 8,
        listener: str | Listener | None = None,
        language: str = "en",
    ) -> Authenticity | list[Authenticity]:
        """Say how likely speech is real, not made or altered by a machine: ``real``, 0 to 1, and a ``label``."""
        requests, is_single = as_requests(clips)
        asked, real = asking.detection(self.identity, self.identity.on_behalf_of(listener), language), 1
        if asked.more:  # the question is whether it is fake; the order of its answers is the processor's
            (parsed,) = self.processor.parse_questions(asked.questions)
            real = parsed.options.index("false")
        readings = self.reader.read(requests, asked, batch_size)
        said = [self.identity.signed(results.authenticity_of(reading, real, language)) for reading in readings]
        return unwrapped(said) if is_single else said

    @overload
    def compare(self, first: Clip, second: Clip, **options: Unpack[Comparing]) -> Preference: ...
    @overload
    def compare(self, first: Many, second: Many, **options: Unpack[Comparing]) -> list[Preference]: ...
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
        listener: str | Listener | None = None,
        language: str = "en",
    ) -> Preference | list[Preference]:
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
            max_new_tokens: Longest free text of the reasons.

        Raises:
            ValueError: If there are not as many first as second clips.
        """
        pairs, is_single = as_pairs(first, second)
        rubrics = _rubrics(rubric)
        if self.identity.way_to_compare() == "compare":
            asked = asking.spoken_comparison(
                self.identity, rubrics, form, self.identity.on_behalf_of(listener), language, max_new_tokens
            )
            said = []
            for reading in self.reader.read(pairs, asked, batch_size):
                preference = self.identity.signed(results.preference_of(reading, rubrics))
                if preference.better is not None and explain:
                    written = drafts.said_of_pair(reading, asked.texts[0], preference.better, rubrics[0].name)
                    preference = drafts.compared(preference, written)
                said.append(preference)
            return unwrapped(said) if is_single else said
        aspects = self._aspects(rubrics, form) if explain else []
        every = list({one.name: one for one in [*rubrics, *aspects]}.values())  # each is asked once
        asked_in = self.identity.asked_in(language)
        asked = asking.comparison(
            self.identity, every, self.identity.on_behalf_of(listener), asked_in, language, explain=explain
        )
        readings = list(self.reader.read(pairs, asked, batch_size))
        said = [self.identity.signed(results.preference_of(reading, every)) for reading in readings]
        names = [one.name for one in aspects]
        has_numbers = explain and form == "preference" and rubrics[0].name == "mos" and not asked.is_written
        each = (
            self._of_each(pairs, listener, language, batch_size)
            if has_numbers and self.identity.scores_all(RUBRICS)
            else []
        )

        def state(index: int) -> State:
            shown = preferences.clearest_window(readings[index], every[0].name, cast(Verdict, said[index].better))
            return self.reader.pair_window(pairs[index], shown)

        def draft(index: int) -> Draft:
            begun = drafts.draft_comparison(said[index], names, form, language, each[index] if each else None)
            return self._spelled_out(begun, "compare", aspects, language, form=form)

        if explain:
            said = self._worded(pairs, said, state, draft, drafts.compared, asked, batch_size, max_new_tokens)
        return unwrapped(said) if is_single else said

    # Words

    @overload
    def explain(self, clips: Clip, reference: References = None, **options: Unpack[Writing]) -> Judgement: ...
    @overload
    def explain(self, clips: Many, reference: References = None, **options: Unpack[Writing]) -> list[Judgement]: ...
    def explain(
        self,
        clips: Clips,
        reference: References = None,
        *,
        batch_size: int = 8,
        max_new_tokens: int = 160,
        listener: str | Listener | None = None,
        language: str = "en",
    ) -> Judgement | list[Judgement]:
        """Score clips on NISQA's rubrics and say why, in words: ``text``, ``reasons``, ``causes`` and ``faults``.

        The numbers are decided first and stand at the head of the text; the judge only writes the reasons that follow, of
        ``max_new_tokens`` at most, so words and numbers agree and every answer parses. A judge that was trained on known faults
        decides these too: sentences about faults that it does not hear are left out, and what it hears but does not write about
        is added. Of a clip longer than one window, the worst window is explained; the scores and the verdict are those of the
        whole.
        """
        requests, is_single = as_requests(clips, reference)
        if self.identity.says("explain"):
            said = self._said("explain", requests, drafts.EXPLANATION, listener, language, batch_size, max_new_tokens)
        else:
            asked = self._scores(RUBRICS.values(), listener, language, "explain", self.identity.fault_questions)
            said = self._in_words(requests, asked, drafts.EXPLANATION, batch_size, max_new_tokens)
        return unwrapped(said) if is_single else said

    @overload
    def assess(self, clips: Clip, reference: References = None, **options: Unpack[Writing]) -> Judgement: ...
    @overload
    def assess(self, clips: Many, reference: References = None, **options: Unpack[Writing]) -> list[Judgement]: ...
    def assess(
        self,
        clips: Clips,
        reference: References = None,
        *,
        batch_size: int = 8,
        max_new_tokens: int = 200,
        listener: str | Listener | None = None,
        language: str = "en",
    ) -> Judgement | list[Judgement]:
        """Assess clips on SpeechEval's dimensions: a thought with a line for each, all decided, then a summary in words.

        A judge that was trained on known faults decides these too; they are noted beside the distortion, with the passages
        where they are heard if it has learned to tell.

        Returns:
            A ``Judgement`` with ``text`` (``<think>…</think> <answer>…</answer>``), its summary as ``reasons`` and the
            facts as ``assessment`` and ``faults``, or a list of them.
        """
        requests, is_single = as_requests(clips, reference)
        if self.identity.says("assess"):
            said = self._said("assess", requests, drafts.ASSESSMENT, listener, language, batch_size, max_new_tokens)
        else:
            asked = self._scores(self.dimensions.values(), listener, language, "assess", self.identity.fault_questions)
            said = self._in_words(requests, asked, drafts.ASSESSMENT, batch_size, max_new_tokens)
        return unwrapped(said) if is_single else said

    @overload
    def suggest(self, clips: Clip, **options: Unpack[Writing]) -> Judgement: ...
    @overload
    def suggest(self, clips: Many, **options: Unpack[Writing]) -> list[Judgement]: ...
    def suggest(
        self,
        clips: Clips,
        *,
        batch_size: int = 8,
        max_new_tokens: int = 160,
        listener: str | Listener | None = None,
        language: str = "en",
    ) -> Judgement | list[Judgement]:
        """Say what to improve: the areas follow from decided scores on SpeechEval's and NISQA's dimensions, the advice is written.

        Of a judge that was trained on known faults, advice against a fault that it does not hear is left out, and there is
        advice against each that it hears.

        Returns:
            A ``Judgement`` with ``suggestions``, ``areas`` and ``faults``, or a list of them.
        """
        requests, is_single = as_requests(clips)
        if self.identity.says("suggest"):
            said = self._said("suggest", requests, drafts.SUGGESTIONS, listener, language, batch_size, max_new_tokens)
        else:
            asked = self._scores(self.identity.advised, listener, language, "suggest", self.identity.fault_questions)
            said = self._in_words(requests, asked, drafts.SUGGESTIONS, batch_size, max_new_tokens)
        return unwrapped(said) if is_single else said

    @overload
    def describe(self, clips: Clip, reference: References = None, **options: Unpack[Writing]) -> Judgement: ...
    @overload
    def describe(self, clips: Many, reference: References = None, **options: Unpack[Writing]) -> list[Judgement]: ...
    def describe(
        self,
        clips: Clips,
        reference: References = None,
        *,
        batch_size: int = 8,
        max_new_tokens: int = 160,
        listener: str | Listener | None = None,
        language: str = "en",
    ) -> Judgement | list[Judgement]:
        """Describe clips in running text, ``description``, that ends in the decided overall score."""
        requests, is_single = as_requests(clips, reference)
        if self.identity.says("describe"):
            said = self._said("describe", requests, drafts.DESCRIPTION, listener, language, batch_size, max_new_tokens)
        else:
            asked = self._scores(RUBRICS.values(), listener, language, "describe")
            said = self._in_words(requests, asked, drafts.DESCRIPTION, batch_size, max_new_tokens)
        return unwrapped(said) if is_single else said

    # What the judge is

    @property
    def model(self) -> Any:
        """The ``AudioJudgeForCausalLM``, or a native model with its methods, in evaluation mode."""
        return self.reader.model

    @model.setter
    def model(self, model: Any) -> None:
        self.reader.model = model

    @property
    def processor(self) -> Any:
        """The ``AudioJudgeProcessor`` that belongs to the model, or that of a native model with its methods."""
        return self.reader.processor

    @property
    def longest_seconds(self) -> float:
        """Clips, or parts of clips, longer than this are refused; set it to judge longer ones."""
        return self.reader.longest_seconds

    @longest_seconds.setter
    def longest_seconds(self, seconds: float) -> None:
        self.reader.longest_seconds = seconds

    @property
    def name(self) -> str:
        """What its judgements call it."""
        return self.identity.name

    @property
    def revision(self) -> str:
        """Branch, tag, commit or package version that its judgements note; ``local`` for a folder."""
        return self.identity.revision

    @property
    def rubrics(self) -> tuple[str, ...]:
        """Names of the rubrics the judge was trained on; none if its processor does not say."""
        return self.identity.rubrics

    @property
    def usual_rubrics(self) -> tuple[str, ...]:
        """Names of what is scored if nothing is named: NISQA's five, or what the judge learned of them, or in their place."""
        return tuple(rubric.name for rubric in asking.usual_rubrics(self.identity))

    def rubrics_of(self, task: str) -> tuple[str, ...]:
        """Names of what stands beside the words of ``explain``, ``assess``, ``suggest`` or ``describe``.

        Raises:
            UntrainedTaskError: If the judge learned neither the task nor to score whatever it is asked.
        """
        if self.identity.says(task):
            return tuple(rubric.name for rubric in asking.text_rubrics(self.identity, task))
        if task == "suggest":
            return tuple(rubric.name for rubric in self.identity.advised)
        return tuple(self.dimensions if task == "assess" else RUBRICS)

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages the judge was trained in; none if its processor does not say."""
        return self.identity.languages

    @property
    def dimensions(self) -> dict[str, Rubric]:
        """SpeechEval's dimensions that ``assess`` speaks of; if some are known to be trained, only those."""
        return self.identity.dimensions

    # How it answers

    def _scores(
        self,
        rubrics: Iterable[Rubric],
        listener: str | Listener | None,
        language: str = "en",
        task: str | None = None,
        about_faults: Questions | None = None,
    ) -> Questionnaire:
        """What is asked for scores, alone or for the words of a task."""
        behalf, beside = self.identity.on_behalf_of(listener), {"task": task, "about_faults": about_faults}
        return asking.scores(self.identity, rubrics, behalf, language, **cast(Any, beside))

    def _of_each(
        self, pairs: Sequence[Pair], listener: str | Listener | None, language: str, batch_size: int
    ) -> list[tuple[Judgement, Judgement]]:
        """What is decided of the clips of pairs by themselves, as for an explanation: scores, faults, and what is measured."""
        asked = self._scores(RUBRICS.values(), listener, language, "explain", self.identity.fault_questions)
        both = [request for pair in pairs for request in (pair.first, pair.second)]
        said = list(self._judgements(both, asked, batch_size))
        return list(zip(said[0::2], said[1::2], strict=True))

    def _aspects(self, rubrics: list[Rubric], form: Form) -> list[Rubric]:
        """What the reasons of a comparison may name."""
        if form == "preference" and rubrics[0].name != "mos":
            return rubrics
        return list((self.dimensions if form == "dimensions" else RUBRICS).values())

    def _judgements(
        self, requests: Iterable[Request], asked: Questionnaire, batch_size: int, scale: Scale | None = None
    ) -> Iterator[Judgement]:
        """Judgements on rubrics (``mos`` among them) and on known faults."""
        if scale is not None and not isinstance(scale, Scale):
            raise TypeError(
                f"scale={scale!r}: a Scale is needed, such as read_scale('0-100') of audio_judge.rubrics.rubric"
            )
        about_faults = self.processor.parse_questions(asked.more) if asked.more else []
        for reading in self.reader.read(requests, asked, batch_size):
            said = self.identity.signed(results.judgement_of(reading, asked.answered, scale))
            yield results.with_faults(said, reading, about_faults, self.identity.thresholds)

    def _said(
        self,
        task: str,
        requests: list[Request],
        words: Words,
        listener: str | Listener | None,
        language: str,
        batch_size: int,
        max_new_tokens: int,
    ) -> list[Judgement]:
        """Judgements read from the judge's own texts; of a long clip, words are those about its worst window."""
        asked = asking.text(self.identity, task, self.identity.on_behalf_of(listener), language, max_new_tokens)
        said = []
        for reading in self.reader.read(requests, asked, batch_size):
            judgement = self.identity.signed(results.judgement_of(reading, asked.answered))
            if judgement.is_silent:
                judgement = words.of_silence(judgement, asked.language)
            elif judgement.error is None:
                judgement = words.attach(judgement, drafts.said(reading, asked.texts[0]), asked.language)
            said.append(judgement)
        return said

    def _in_words(
        self, requests: list[Request], asked: Questionnaire, words: Words, batch_size: int, max_new_tokens: int
    ) -> list[Judgement]:
        """Judgements with words about the clip, or of a long one about its worst window."""
        said, language = list(self._judgements(requests, asked, batch_size)), asked.answer_language

        def state(index: int) -> State:
            worst = results.worst_window(said[index]).start if said[index].timeline else None
            return self.reader.window(requests[index], worst)

        def draft(index: int) -> Draft:
            beside = self.reader.shows_reference(requests[index], said[index].warnings)
            begun = words.draft(said[index], beside, language)
            return self._spelled_out(begun, begun.task, asked.rubrics, language, with_reference=beside)

        def attach(judgement: Judgement, written: Written) -> Judgement:
            return words.attach(judgement, written, language)

        worded = self._worded(requests, said, state, draft, attach, asked, batch_size, max_new_tokens)
        return [words.of_silence(one, language) if one.is_silent else one for one in worded]

    def _spelled_out(self, begun: Draft, task: str, rubrics: Sequence[Rubric], language: str, **how: Any) -> Draft:
        """A draft whose request says all that is asked, if the judge never learned its task."""
        if not self.identity.is_untaught or language != "en":
            return begun
        return replace(begun, request=zero_shot.ask(task, rubrics, **how))

    def _worded(
        self,
        requests: Sequence[Request | Pair],
        said: list[Said],
        state: Callable[[int], State],
        draft: Callable[[int], Draft],
        attach: Callable[[Said, Written], Said],
        asked: Questionnaire,
        batch_size: int,
        max_new_tokens: int,
    ) -> list[Said]:
        """Results with the free words of their drafts; those with an error stay as they are."""
        heard = [index for index, one in enumerate(said) if one.error is None]
        # The states as they are asked for: each holds the sound of a window
        states, begun = [partial(state, index) for index in heard], [draft(index) for index in heard]
        worded = list(said)
        written = self.reader.write(states, begun, asked, batch_size, max_new_tokens)
        for index, words in zip(heard, written, strict=True):
            if isinstance(words, Exception):
                worded[index] = replace(said[index], error=why(words, request_name(requests[index])))
            else:
                worded[index] = attach(said[index], words)
        return worded


def _gains_from_half(model: Any, device: torch.device) -> bool:
    """Whether bfloat16 saves time or memory worth its loss of digits."""
    is_large = model.dtype == torch.float32 and model.num_parameters() >= SMALLEST_FOR_HALF
    return is_large and device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def _rubrics(rubric: Rubrics | None) -> list[Rubric]:
    if rubric is None:
        return list(RUBRICS.values())
    return [
        get_rubric(one)
        for one in (rubric if isinstance(rubric, Iterable) and not isinstance(rubric, str) else [rubric])
    ]
