"""What can be judged with, behind one small interface: ``rubrics_for`` says what a judge can answer, ``answer`` answers.

* ``mini``, ``open``, a folder or Hub id: a judge, ours or a native audio language model, asked and read in the form that it
  learned, as ``AudioJudge`` does: from probabilities where it learned decisions, from its own texts where it learned those;
* ``http(s)://HOST/v1#MODEL``: any model behind an OpenAI-compatible server that takes audio, asked in words;
* ``predictions:FILE``: answers that were given before, in the form of ``predictions.jsonl``;
* ``peer:NAME``: a measure of others, see ``eval.peers``.

A clip that a judge cannot answer has an ``Answer`` with the reason; nothing is filled in.
"""

import asyncio
import base64
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

import soundfile

from audio_judge.audio import AudioError, read_audio, resample
from audio_judge.batch.shards import this_shard
from audio_judge.errors import UsageError
from audio_judge.judge.identity import UntrainedTaskError
from audio_judge.judge.judge import AudioJudge
from audio_judge.judge.judgement import Judgement, Preference
from audio_judge.judge.requests import Request
from audio_judge.rubrics.rubric import Rubric, convert, get_rubric
from audio_judge.tasks import Facts, Suggestions, assess, states, suggest
from audio_judge.tasks.compare import verdict
from audio_judge.tasks.facts import is_of_numbers
from audio_judge.text_models.backends import Endpoint, TokenEndpoint, label_shares, served_model
from audio_judge.text_models.client import Client, in_order
from audio_judge.text_models.replies import Failure, Message, Reply, Sampling

from .benchmarks import Question, stated
from .peers import PREFIX, LoadedPeer, load_peer
from .predictions import Row, read_rows
from .prompts import Blocks, comparison_form, conversations, read

API_KEY_VARIABLE = "AUDIO_JUDGE_API_KEY"
# Long enough for a thought of eight lines and a paragraph
MAX_TOKENS = 512
# Audio that a server is sent: what audio language models hear at
SERVER_RATE = 16_000


@dataclass(frozen=True)
class Answer:
    """What a judge answered.

    Args:
        prediction: With the keys of the truth, and ``shares``, ``std``, ``probabilities``, ``real``, ``swapped`` or ``own_words`` (False if
            words were made of scores) if the judge gives them; None if nothing could be read.
        text: Every raw answer in words.
        extracted: What a text model read of them, such as ``scores.mos``, to the words that say so; see ``eval.extraction``.
    """

    prediction: dict[str, Any] | None = None
    text: tuple[str, ...] = ()
    error: str | None = None
    extracted: Mapping[str, str] = field(default_factory=dict)


class Judge(Protocol):
    """What a run needs of a judge.

    Attributes:
        facts: What is known about it, for ``config.json``.
    """

    facts: dict[str, Any]

    def rubrics_for(self, task: str, rubrics: Sequence[Rubric]) -> tuple[Rubric, ...] | str:
        """Say which rubrics it can answer, or why it cannot do the task."""

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer questions of one task and the same rubrics, one answer each."""

    def controlled(self) -> Any:
        """Return what ``eval.controls`` can bench: ``score(paths)``, and ``compare(first, second)`` if it compares."""


def load_judge(spec: str, *, device: str = "auto", batch_size: int = 8, revision: str | None = None) -> Judge:
    """Load a judge.

    Args:
        spec: See the module.
        device: ``auto``, ``cpu``, ``cuda:1`` …; of a shared run each process takes its own accelerator.
        batch_size: Windows or clips per forward pass; for a server, requests at a time.

    Raises:
        UsageError: If it cannot be loaded.
    """
    if spec.startswith(PREFIX):
        return PeerJudge(load_peer(spec.removeprefix(PREFIX)))
    kind, _, rest = spec.partition(":")
    if kind == "predictions":
        return RecordedJudge(rest)
    try:
        if kind in ("http", "https"):  # the colon of the address is none of ours
            return ServedJudge(spec, concurrency=batch_size)
        place = this_shard().device(device)
        return OwnJudge(AudioJudge.from_pretrained(spec, device=place, revision=revision), batch_size)
    except (OSError, ValueError) as error:
        raise UsageError(f"judge {spec}: {error}") from error


class OwnJudge:
    """Our judge, so many windows per forward pass."""

    def __init__(self, judge: AudioJudge, batch_size: int = 8) -> None:
        self.judge, self.batch_size = judge, batch_size
        self.facts = {"kind": "own", "model": judge.name, "revision": judge.revision, "device": str(judge.model.device)}

    def rubrics_for(self, task: str, rubrics: Sequence[Rubric]) -> tuple[Rubric, ...] | str:
        """Say which rubrics it can answer: all of them, or of a judge that says what it learned in words those that it did."""
        try:
            return self._known(task, rubrics)
        except UntrainedTaskError as error:
            return str(error)

    def _known(self, task: str, rubrics: Sequence[Rubric]) -> tuple[Rubric, ...]:
        identity = self.judge.identity
        if task == "detect":
            identity.way_to_detect()
        elif task == "compare":
            identity.way_to_compare()
        elif is_of_numbers(task):
            ways = {rubric.name: self._way(rubric.name) for rubric in rubrics}
            known = tuple(rubric for rubric in rubrics if ways[rubric.name])
            if rubrics and not known:
                identity.way_to_score(rubrics[0].name)  # which raises
            return known
        else:
            identity.says(task)
        return tuple(rubrics)

    def _way(self, rubric: str) -> str | None:
        try:
            return self.judge.identity.way_to_score(rubric)
        except UntrainedTaskError:
            return None

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer questions of one task."""
        task = questions[0].task
        if is_of_numbers(task):
            return [_scored(judgement) for judgement in self._scores(questions)]
        if task == "compare":
            return self._compared(questions)
        listed: dict[str, Any] = {
            "detect": self.judge.detect,
            "explain": self.judge.explain,
            "describe": self.judge.describe,
            "assess": self.judge.assess,
            "suggest": self.judge.suggest,
        }
        judged = self._listed(listed[task], questions)
        return [_detected(one) if task == "detect" else _said(task, one) for one in judged]

    def _scores(self, questions: Sequence[Question]) -> list[Judgement]:
        requests = [Request(question.clips[0], question.heard_reference) for question in questions]
        return list(self.judge.iter_scores(requests, questions[0].rubrics, batch_size=self.batch_size))

    def _listed(self, method: Any, questions: Sequence[Question]) -> list[Any]:
        """Call a method that takes clips, or requests with a reference, and gives a list."""
        requests = [Request(question.clips[0], question.heard_reference) for question in questions]
        return cast(list[Any], method(requests, batch_size=self.batch_size))

    def _compared(self, questions: Sequence[Question]) -> list[Answer]:
        """Verdicts in both orders, although ours are averaged over both: a run should show it, not take it for granted."""
        rubrics = questions[0].rubrics or (get_rubric("mos"),)
        # All first clips, then all second ones
        sides = [[question.clips[side] for question in questions] for side in (0, 1)]
        form = comparison_form(questions[0])
        # Words are asked for where a corpus has some: with the verdicts on dimensions.
        options: dict[str, Any] = {"rubric": list(rubrics), "batch_size": self.batch_size}
        said = self.judge.compare(*sides, explain=form == "dimensions", form=form, **options)
        # Words are asked for once: reasons in the other order would be about the same clips
        turned = self.judge.compare(*reversed(sides), explain=False, **options)
        names = [rubric.name for rubric in rubrics]
        return [_preferred(one, other, names) for one, other in zip(said, turned, strict=True)]

    def controlled(self) -> AudioJudge:
        """Return the judge itself."""
        return self.judge


def _scored(judgement: Judgement) -> Answer:
    if judgement.error is not None:
        return _unanswered(judgement)
    rows = {name: score.to_dict() for name, score in judgement.scores.items()}
    levels = {name: row["level"] for name, row in rows.items()}
    # What was read from a text has neither spread nor shares
    spread = {key: {name: row[key] for name, row in rows.items() if row["shares"]} for key in ("std", "shares")}
    spread = {key: found for key, found in spread.items() if found}
    return Answer({"scores": {name: row["value"] for name, row in rows.items()}, "levels": levels} | spread)


def _preferred(said: Preference, turned: Preference, names: Sequence[str]) -> Answer:
    if said.error is not None or turned.error is not None:
        return _unanswered(said if said.error is not None else turned)
    shares = {name: dict(said.rubrics[name]) for name in names if name in said.rubrics}
    found: dict[str, Any] = {
        "preferences": {name: verdict(one) for name, one in shares.items()},
        "probabilities": shares,
    }
    found["swapped"] = {name: verdict(turned.rubrics[name]) for name in names if name in turned.rubrics}
    if said.text is None:
        return Answer(found)
    return Answer(found | {"answer": said.reasons or said.text, "own_words": said.has_own_words}, (said.text,))


def _said(task: str, judgement: Judgement) -> Answer:
    """The words say what is not a score; the scores are the decided ones."""
    if judgement.error is not None:
        return _unanswered(judgement)
    decided = (_scored(judgement).prediction or {}) if states(task, "scores") else {}
    if judgement.text is None:
        return Answer(decided) if decided else Answer(error="no answer")
    said = stated(task, _facts(task, judgement), judgement.text)
    own = {"own_words": judgement.has_own_words}
    return Answer(decided | {key: value for key, value in said.items() if key not in decided} | own, (judgement.text,))


def _unanswered(said: Judgement | Preference) -> Answer:
    return Answer(None, () if said.text is None else (said.text,), said.error)


def _facts(task: str, judgement: Judgement) -> Facts:
    if judgement.assessment is not None:
        return assess.facts(judgement.assessment)
    if states(task, "areas"):
        return suggest.facts(Suggestions(judgement.areas, judgement.suggestions))
    heard = {fault.kind: fault.spans for fault in judgement.faults or ()}
    return Facts(causes={kind: heard.get(kind, ()) for kind in judgement.causes}, words=judgement.reasons)


def _detected(detection: Any) -> Answer:
    if detection.error is not None:
        return Answer(error=detection.error)
    return Answer({"is_real": detection.label == "real", "real": float(detection.real)})


class ServedJudge:
    """A model behind an OpenAI-compatible server, which is asked in words and sent audio as wav.

    The key is in ``AUDIO_JUDGE_API_KEY``.

    Args:
        address: ``http://HOST/v1#MODEL``; without a model the one that the server lists.
        first_wait: Pause before the second attempt, in seconds.
    """

    def __init__(
        self, address: str, *, concurrency: int = 8, max_tokens: int = MAX_TOKENS, first_wait: float = 1.0
    ) -> None:
        self.url, _, model = address.partition("#")
        self.key = os.environ.get(API_KEY_VARIABLE)
        self.model = model or served_model(self.url, api_key=self.key)
        self.concurrency, self.sampling, self.first_wait = concurrency, Sampling(max_tokens=max_tokens), first_wait
        self.facts = {"kind": "endpoint", "model": self.model, "url": self.url}
        self._tells_tokens = True  # until it is asked and does not

    def rubrics_for(self, task: str, rubrics: Sequence[Rubric]) -> tuple[Rubric, ...] | str:
        """Say which rubrics it can answer: all of them."""
        return tuple(rubrics)

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer questions; whether speech is real by the probabilities of the labels, if the server tells these."""
        messages = [conversations(question) for question in questions]
        if questions[0].task == "detect" and self._tells_tokens:
            return self._detected(questions, [several[0] for several in messages])
        # All messages in one go, so that batches are full where a question takes several
        written = iter(self.write([message for several in messages for message in several]))
        answers = []
        for question, several in zip(questions, messages, strict=True):
            said = [next(written) for _ in several]
            texts = [one if isinstance(one, str) else None for one in said]
            prediction, error = read(question, texts)
            failed = next((str(one) for one in said if isinstance(one, Exception)), None)
            answers.append(Answer(prediction, tuple(text or "" for text in texts), failed or error))
        return answers

    def _detected(self, questions: Sequence[Question], messages: Sequence[Blocks]) -> list[Answer]:
        told = self.write(messages, tells_tokens=True)
        refused = [place for place, one in enumerate(told) if isinstance(one, Exception)]
        plain = dict(zip(refused, self.write([messages[place] for place in refused]), strict=True))
        # It answers, but not with its tokens: a clip that it refuses says nothing about others
        self._tells_tokens = not any(isinstance(one, str) for one in plain.values())
        answers = []
        for place, question in enumerate(questions):
            said, shares = plain.get(place, told[place]), None
            if place not in plain:
                reply = json.loads(cast(str, said))
                said, shares = reply["text"], label_shares(reply["tokens"], ("real", "fake"))
            if isinstance(said, Exception):
                answers.append(Answer(None, ("",), str(said)))
                continue
            prediction, error = read(question, [said])
            if prediction is not None and shares is not None:
                prediction = {"is_real": shares["real"] >= 0.5, "real": shares["real"]}
            answers.append(Answer(prediction, (said,), error))
        return answers

    def write(self, messages: Sequence[Blocks], *, tells_tokens: bool = False) -> list[str | Exception]:
        """Answer messages in words, several at a time.

        Args:
            messages: Content of one user message each, audio blocks with a path.
            tells_tokens: Whether to ask for the probabilities of tokens, too; texts are then as of ``TokenEndpoint``.

        Returns:
            One text each, or why there is none.
        """
        return asyncio.run(self._write(messages, TokenEndpoint if tells_tokens else Endpoint))

    async def _write(self, messages: Sequence[Blocks], kind: type[Endpoint]) -> list[str | Exception]:
        backend = kind(self.url, self.model, api_key=self.key)
        # Answers are kept in predictions.jsonl; a cache would keep the audio of every request, too.
        async with Client(backend, cache=None, concurrency=self.concurrency, first_wait=self.first_wait) as client:

            async def ask(blocks: Blocks) -> str | Exception:
                try:
                    content = [_sent(block) for block in blocks]
                except AudioError as error:
                    return error
                # The client's type knows text only; servers take a list of blocks in its place.
                message = cast(Message, {"role": "user", "content": content})
                outcome: Reply | Failure = await client.ask([message], self.sampling, allow_cut_off=True)
                return outcome.text if isinstance(outcome, Reply) else RuntimeError(outcome.message)

            return [one async for one in in_order(ask, messages, 2 * self.concurrency)]

    def controlled(self) -> "Scoring":
        """Return what ``eval.controls`` can bench."""
        return Scoring(self)


def _sent(block: dict[str, Any]) -> dict[str, Any]:
    if block["type"] == "text":
        return {"type": "text", "text": block["text"]}
    audio = read_audio(block["path"])
    file = io.BytesIO()
    soundfile.write(
        file, resample(audio.samples, audio.sampling_rate, SERVER_RATE), SERVER_RATE, "PCM_16", format="WAV"
    )
    return {"type": "input_audio", "input_audio": {"data": base64.b64encode(file.getvalue()).decode(), "format": "wav"}}


class RecordedJudge:
    """Answers that were given before.

    Raises:
        UsageError: If it is not there or has rows of several judges.
    """

    def __init__(self, path: str) -> None:
        if not Path(path).is_file():
            raise UsageError(f"predictions:{path}: no such file")
        rows = list(read_rows(path))
        judges = sorted({row.judge for row in rows})
        if len(judges) != 1:
            raise UsageError(f"predictions:{path}: rows of {len(judges)} judges ({', '.join(judges)}); one is needed")
        self._rows: dict[tuple[str, str], Row] = {(row.task, row.id): row for row in rows}
        self.facts = {"kind": "predictions", "model": judges[0], "file": path}

    def rubrics_for(self, task: str, rubrics: Sequence[Rubric]) -> tuple[Rubric, ...] | str:
        """Say which rubrics were asked."""
        known = {name for (own, _), row in self._rows.items() if own == task for name in row.rubrics}
        if not any(own == task for own, _ in self._rows):
            return f"no predictions for the task {task}"
        return tuple(rubric for rubric in rubrics if not known or rubric.name in known)

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Look the answers up by task and item."""
        rows = [self._rows.get((question.task, question.id)) for question in questions]
        missing = Answer(error="not among the predictions")
        return [missing if row is None else Answer(row.prediction, row.text, row.error, row.extracted) for row in rows]

    def controlled(self) -> Any:
        """Raise: controls need a judge that listens."""
        raise UsageError("predictions cannot be put to controls; a judge that listens is needed")


class PeerJudge:
    """A measure of others; it scores, and compares by its scores.

    Scores are brought to the scale of the rubric, ends to ends; as they were given, they are under ``raw``.
    """

    def __init__(self, peer: LoadedPeer) -> None:
        self.peer = peer
        scale = peer.peer.scale
        self.facts = {"kind": "peer", "model": peer.name, "scale": [scale.low, scale.high]}

    def rubrics_for(self, task: str, rubrics: Sequence[Rubric]) -> tuple[Rubric, ...] | str:
        """Say which rubrics it scores."""
        if not is_of_numbers(task) and task != "compare":
            return f"a measure gives numbers, it cannot {task}"
        if task == "compare" and self.peer.peer.needs_reference:
            return "the clips of a pair have no original"
        known = tuple(rubric for rubric in rubrics if rubric.name in self.peer.peer.rubrics)
        return known or f"it scores {', '.join(self.peer.peer.rubrics)} only"

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Score clips, or compare pairs."""
        return [self._compared(one) if one.task == "compare" else self._scored(one) for one in questions]

    def _scored(self, question: Question) -> Answer:
        try:
            found = self.peer.score(question.clips[0], question.reference)
        except (AudioError, OSError) as error:
            return Answer(error=str(error))
        # Correlations hear no difference, but errors need the scale that listeners used
        raw = {rubric.name: found[rubric.name] for rubric in question.rubrics}
        scores = {r.name: convert(raw[r.name], self.peer.peer.scale, r.scale) for r in question.rubrics}
        prediction: dict[str, Any] = {"scores": scores, "raw": raw}
        if question.task == "categorize":
            within = {r.name: min(max(scores[r.name], r.low), r.high) for r in question.rubrics}
            prediction["levels"] = {r.name: r.level_of(within[r.name]) for r in question.rubrics}
        return Answer(prediction)

    def _compared(self, question: Question) -> Answer:
        try:
            first, second = (self.peer.score(clip) for clip in question.clips)
        except (AudioError, OSError) as error:
            return Answer(error=str(error))
        preferences, swapped = {}, {}
        for rubric in question.rubrics:
            lead = _goodness(rubric, first[rubric.name]) - _goodness(rubric, second[rubric.name])
            preferences[rubric.name] = _leader(lead)
            swapped[rubric.name] = _leader(-lead)
        return Answer({"preferences": preferences, "swapped": swapped})

    def controlled(self) -> "MeasuredScoring":
        """Return what ``eval.controls`` can bench: scores only."""
        return MeasuredScoring(self.peer)


def _goodness(rubric: Rubric, value: float) -> float:
    """As ``Rubric.goodness``, in other units and for values off the scale, too, which measures give now and then."""
    if rubric.middle_is_best:
        return -abs(value - (rubric.low + rubric.high) / 2)
    return value if rubric.higher_is_better else -value


def _leader(lead: float) -> str:
    # A measure knows no difference too small to hear: only equal scores tie
    return "tie" if lead == 0 else "A" if lead > 0 else "B"


@dataclass(frozen=True)
class MeasuredScoring:
    """A peer as ``eval.controls`` wants it: it scores what it always scores."""

    peer: LoadedPeer

    def score(self, clips: Sequence[str]) -> list[dict[str, float]]:
        """Score clips; one that cannot be scored has no scores."""
        return [self._score(clip) for clip in clips]

    def _score(self, clip: str) -> dict[str, float]:
        try:
            return self.peer.score(clip)
        except (AudioError, OSError):
            return {}


@dataclass(frozen=True)
class Scoring:
    """A judge that writes as ``eval.controls`` wants it."""

    judge: ServedJudge
    takes_wordings: bool = True  # the request holds the rubric's own question

    def score(self, clips: Sequence[str], rubric: Iterable[Rubric | str] = ("mos",)) -> list[dict[str, float]]:
        """Score clips; a score that could not be read is missing."""
        asked = tuple(get_rubric(one) for one in rubric)
        answers = self.judge.answer([Question(clip, "score", (clip,), asked) for clip in clips])
        return [dict(answer.prediction["scores"]) if answer.prediction else {} for answer in answers]

    def compare(self, first: str, second: str) -> Preference:
        """Compare two clips in the given order."""
        question = Question("pair", "compare", (first, second), (get_rubric("mos"),))
        (answer,) = self.judge.answer([question])
        better = (answer.prediction or {}).get("preferences", {}).get("mos")
        # Without a verdict, or with a tie, neither clip is ahead.
        share = 0.5 if better in (None, "tie") else 1.0
        return Preference(
            first, second, better, {name: share if better in (None, "tie", name) else 0.0 for name in ("A", "B")}
        )
