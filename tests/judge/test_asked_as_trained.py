"""What a judge reads when it is asked is, token by token, what it read when it was trained, whatever it learned."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import soundfile
from tiny import make_judge, tone

from audio_judge import AnswerError, AudioJudge
from audio_judge.clips import RatedClip, Rating
from audio_judge.data.instructions import Manner, make_instructions
from audio_judge.judge.identity import Identity
from audio_judge.training.collate import JudgeCollator
from audio_judge.training.notes import learned_from

RATE = 48_000
NISQA = ("mos", "noisiness", "coloration", "discontinuity", "loudness")
SPEECHEVAL = ("mos", "intelligibility", "distortion", "speech_rate", "emotional_impact", "subjective_experience")
# How each task in text is asked for, and what its clip is rated in
TEXTS: dict[str, tuple[Callable[..., Any], Sequence[str]]] = {
    "score": (AudioJudge.score, ["mos"]),
    "rate": (AudioJudge.score, ["mos"]),
    "categorize": (AudioJudge.score, ["mos"]),
    "profile": (AudioJudge.score, NISQA),
    "explain": (AudioJudge.explain, NISQA),
    "assess": (AudioJudge.assess, SPEECHEVAL),
    "describe": (AudioJudge.describe, NISQA),
    "suggest": (AudioJudge.suggest, SPEECHEVAL),
    "detect": (AudioJudge.detect, ()),
}
WITH_REFERENCE = ("score", "categorize", "profile", "explain", "assess", "describe")
Taught = list[dict[str, Any]]
Tokens = tuple[int, ...]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make_judge(tmp_path_factory.mktemp("asked"))


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Two clips that serve every task, with a reference each."""
    folder, made = tmp_path_factory.mktemp("clips"), []
    facts = {"distortion_types": ["artifacts"], "distortion_spans": [[0, 0.2]], "emotion": "neutral", "label": "fake"}
    facts |= {"speaker_gender": "male", "speaker_age": "young", "speech_rate_word": "slow"}
    for number in range(2):
        paths = [str(folder / f"{number}{kind}.wav") for kind in ("", "_clean")]
        clean = tone(0.4, 300 + 100 * number)
        for path, samples in zip(paths, (0.9 * clean + 0.1 * tone(0.4, 2000), clean), strict=True):
            soundfile.write(path, samples, RATE)
        ratings = {name: Rating(2.0 + number, 0.5, 8) for name in {**dict.fromkeys(NISQA), **dict.fromkeys(SPEECHEVAL)}}
        made.append(RatedClip(paths[0], ratings, "train", "SpeechEval", paths[1], extra=facts))
    return made


def rated(clip: RatedClip, names: Sequence[str], **more: Any) -> RatedClip:
    return replace(clip, ratings={name: clip.ratings[name] for name in names}, **more)


def taught(clips: list[RatedClip], task: str, variants: int = 100, **manner: Any) -> Taught:
    """Examples of a task, as many as draw all its wordings."""
    how = Manner(**{"rubric_questions": "all", "fault_questions": "all", **manner})
    return list(make_instructions(clips, [task], seed=0, manner=how, variants=variants))


class Read:
    """What a tiny judge reads, token by token, with one placeholder per clip."""

    def __init__(self, tiny: Any) -> None:
        self.model, self.processor = tiny
        self.collator = JudgeCollator(self.processor)

    def asked(self, examples: Taught, question: Callable[[AudioJudge], Any]) -> list[Tokens]:
        """What it reads when it learned the examples and is asked; what it writes is of no matter, for it learned nothing."""
        rows: list[Tokens] = []

        def keep(_: Any, inputs: tuple[Any]) -> None:
            # Where a prompt is kept, the answers whose probabilities are asked for are read without it: (batch, length) ids
            rows.extend(self._with_clips_as_one(row.tolist()) for row in inputs[0] if self._audio in row)

        self.model.config.learned = learned_from(examples).note()
        hook = self.model.get_input_embeddings().register_forward_pre_hook(keep)
        with contextlib.suppress(AnswerError):
            question(AudioJudge(self.model, self.processor, name="tiny"))
        hook.remove()
        assert rows
        return rows

    def taught(self, examples: Taught) -> set[Tokens]:
        """What it reads before the answers of examples in text."""
        found = set()
        for example in {str(one["prompt"]): one for one in examples}.values():
            answer = self.collator.answer_tokens(example["prompt"], example["completion"][0]["content"])
            ids = tuple(self.collator.token_ids(example))
            first = max(place for place in range(len(ids)) if list(ids[place : place + len(answer)]) == answer)
            found.add(ids[:first])
        return found

    def pieces(self, ids: Sequence[int]) -> list[Tokens]:
        """What comes before typed questions, and each of them."""
        places = [place for place, token in enumerate(ids) if token == self.processor.question_token_id]
        return [tuple(ids[a:b]) for a, b in zip([0, *places], [*places, len(ids)], strict=True)]

    def questions_taught(self, examples: Taught) -> set[Tokens]:
        distinct = {str(one["questions"]): one for one in examples}.values()
        return {piece for example in distinct for piece in self.pieces(self.collator.token_ids(example))}

    @property
    def _audio(self) -> int:
        return int(self.processor.audio_token_id)

    def _with_clips_as_one(self, ids: list[int]) -> Tokens:
        padding = self.processor.tokenizer.pad_token_id
        kept = [token for token in ids if token != padding]
        return tuple(token for place, token in enumerate(kept) if token != self._audio or kept[place - 1] != token)


@pytest.fixture
def read(tiny):
    return Read(tiny)


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("task", TEXTS)
def test_texts(read, clips, task, language):
    ask, rubrics = TEXTS[task]
    # The clip stands before, amid or behind the words of a rating
    count = 400 if task == "rate" else 100
    examples = taught([rated(clips[0], rubrics)], task, count, languages={language: 1.0})
    asked = read.asked(examples, lambda judge: ask(judge, clips[0].path, language=language))
    assert set(asked) <= read.taught(examples)


@pytest.mark.parametrize("task", WITH_REFERENCE)
def test_texts_beside_a_reference(read, clips, task):
    ask, rubrics = TEXTS[task]
    examples = taught([rated(clips[0], rubrics)], task, with_reference="always")
    asked = read.asked(examples, lambda judge: ask(judge, clips[0].path, reference=clips[0].reference))
    assert set(asked) <= read.taught(examples)


@pytest.mark.parametrize(("form", "rubrics"), [("preference", ["mos", "noisiness"]), ("dimensions", SPEECHEVAL)])
def test_comparisons_in_text(read, clips, form, rubrics):
    examples = taught([rated(clip, rubrics) for clip in clips], "compare", comparison_form=form)
    asked = read.asked(examples, lambda judge: judge.compare(clips[0].path, clips[1].path))
    assert set(asked) <= read.taught(examples)


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize(
    ("task", "question"),
    [
        ("decide", lambda judge, first, second, **how: judge.score(first, **how)),
        ("detect_question", lambda judge, first, second, **how: judge.detect(first, **how)),
        ("compare_question", lambda judge, first, second, **how: judge.compare(first, second, explain=False, **how)),
    ],
)
def test_typed_questions(read, clips, task, question, language):
    examples = taught([rated(clip, NISQA) for clip in clips], task, languages={language: 1.0})
    rows = read.asked(examples, lambda judge: question(judge, *(clip.path for clip in clips), language=language))
    pieces = [piece for row in rows for piece in read.pieces(row)]
    assert len(pieces) > len(rows)
    assert set(pieces) <= read.questions_taught(examples)


def test_on_behalf_of_a_listener(read, clips):
    examples = taught([rated(clips[0], ["mos"], listener="strict")], "decide", 3000, fault_questions="none")
    rows = read.asked(examples, lambda judge: judge.score(clips[0].path, listener="strict"))
    assert {piece for row in rows for piece in read.pieces(row)} <= read.questions_taught(examples)


def test_words_behind_drafted_numbers_begin_as_they_were_learned(read, clips, monkeypatch):
    monkeypatch.setattr(Identity, "writes", lambda *_: True)  # although it learned our own words alone
    clip = rated(clips[0], NISQA)
    examples = taught([clip], "explain")
    known = read.taught(examples)
    rows = read.asked(examples + taught([clip], "decide", 30), lambda judge: judge.explain(clip.path))
    (begun,) = [row[len(prompt) :] for row in rows for prompt in known if row[: len(prompt)] == prompt]
    head = read.processor.tokenizer.decode(begun)
    assert head.startswith("Overall quality: ")
    assert tuple(read.collator.answer_tokens(examples[0]["prompt"], f"{head}Noise is heard.")[: len(begun)]) == begun
