"""Which typed questions a judge knows in their words, and what others are asked as.

A judge answers whatever it is asked, with confidence, and of questions that it never learned its answer says nothing. So a
question in other words is asked in words that it learned if it means the same, by the tables of ``audio_judge.languages``, and
its answer says so (``asked_as``). Any other is asked as it is: of a judge with a head for questions in words, which tells whether it
asks about anything that can be heard; of others, and of what cannot be heard, with a ``warning`` in its answer.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from audio_judge.judge.learned import DECIDE, DETECT_QUESTION, LABELLED, Learned
from audio_judge.languages import LANGUAGES, get_language, simplified, wordings
from audio_judge.rubrics.rubric import ALL_RUBRICS, Rubric, get_rubric, instructions
from audio_judge.tasks import detect
from audio_judge.tasks.faults import (
    CONTENT_QUESTION,
    FAULT_QUESTIONS,
    SAME_QUESTIONS,
    SPAN_QUESTIONS,
    fault_question,
    span_question,
)

Question = Mapping[str, Any]
Questions = Mapping[str, dict[str, Any]]
FAKE = "fake"
# Other words for the question what is heard
CONTENT_WORDS = (
    "what is heard", "what do you hear", "what is this", "what is it", "what can be heard", "what kind of sound is this",
    "听到了什么", "听到什么", "这是什么声音", "何が聞こえますか", "何の音ですか", "qu'entend-on", "qu'entendez-vous", "que entend-on",
)  # fmt: skip


@dataclass(frozen=True)
class Understood:
    """Typed questions as they are asked of a judge.

    Args:
        asked: Name to question; several may stand for one that somebody asked.
        parts: Name of each question that somebody asked, to the names of those that are asked for it.
        notes: Name of each to what its answer says beside itself: ``asked_as``, or a ``warning``.
    """

    asked: dict[str, dict[str, Any]]
    parts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    notes: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def unknown(self) -> list[str]:
        """Names of the questions that the judge never learned."""
        return [name for name, note in self.notes.items() if "warning" in note]

    def answers(self, found: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """The answers to what somebody asked, from those to what was asked: of several questions the surest yes."""
        chosen = {name: max((found[part] for part in parts), key=_yes) for name, parts in self.parts.items()}
        return {name: answer | self.notes.get(name, {}) for name, answer in chosen.items()}


def understand(
    questions: Questions,
    learned: Learned | None,
    *,
    name: str = "",
    has_spans: bool = True,
    hears: Callable[[Question], bool] = lambda _: False,
) -> Understood:
    """Bring typed questions into words that a judge learned.

    Args:
        questions: Well-formed ones, by name.
        learned: What the judge learned; of one that does not say, every question is asked as it is.
        name: Of the judge.
        has_spans: Whether it can say when something is heard.
        hears: Whether it can answer a question in words that it never learned.

    Example:
        >>> learned = Learned(has_faults=True)
        >>> understand({"n": {"type": "noul", "instructions": "Is it noisy?"}}, learned).asked["n"]["instructions"]
        'Is there background noise?'
    """
    if learned is None:
        return Understood(dict(questions), {key: (key,) for key in questions})
    found = Understood({})
    for key, question in questions.items():
        # What is no question is told by who parses it
        known = _known_as(question, learned, has_spans) if isinstance(question, Mapping) else [question]
        if known == [question]:
            found.parts[key] = (key,)
            found.asked[key] = question
            continue
        if known is None and hears(question):
            known = [dict(question)]
        elif known is None:
            known = [dict(question)]
            found.notes[key] = {"warning": _unknown(question, name, learned)}
        else:
            found.notes[key] = {"asked_as": " / ".join(str(one["instructions"]) for one in known)}
        names = [key, *(_free(f"{key} ({number})", questions) for number in range(2, len(known) + 1))]
        found.parts[key] = tuple(names)
        found.asked.update(zip(names, known, strict=True))
    return found


def understood_by(model: Any, processor: Any, questions: Questions, name: str = "") -> Understood:
    """Bring typed questions into words that a model learned, by its configuration and its parts; ``name`` is that of the judge."""
    has_spans = getattr(model, "span_head", None) is not None  # native models have no such head
    learned = Learned.of(model.config)
    return understand(
        questions, learned, name=name, has_spans=has_spans, hears=partial(hears_in_words, model, processor)
    )


def hears_in_words(model: Any, processor: Any, question: Question) -> bool:
    """Whether a model has a head that reads a question in any words, and finds in it something that can be heard."""
    words = getattr(processor, "words", None)  # native models have no such head
    if words is None or (found := words.texts(question)) is None:
        return False
    return bool(model.hears(words.tokens([found[1]]))[0] >= 0.5)


def rubric_of(question: Question) -> Rubric | None:
    """The rubric of ours that a question scores, in our words and on its levels; None of any other."""
    meant = _score_meaning(question) if question.get("type") == "score" else None
    return None if meant is None else get_rubric(meant[0])


def fault_of(question: Question) -> str | None:
    """The kind of fault whose presence a question asks for in our words; None of any other."""
    if question.get("type") != "noul":
        return None
    return next((kind for kind, texts in FAULT_QUESTIONS.items() if question.get("instructions") in texts), None)


def span_of(question: Question) -> str | None:
    """The name of the fault that comes and goes whose times a question asks for in our words; None of any other."""
    if question.get("type") != "span":
        return None
    return next((name for name, (texts, _) in SPAN_QUESTIONS.items() if question.get("instructions") in texts), None)


def is_ours(question: Question) -> bool:
    """Whether it is a question of ours, in the words in which judges learn it.

    Example:
        >>> is_ours({"type": "noul", "instructions": "Are there clicks?"}), is_ours({"type": "noul", "instructions": "Clicks?"})
        (True, False)
    """
    text = question.get("instructions")
    if question.get("type") == "score":
        meant = _score_meaning(question)
        return meant is not None and meant[2]
    if text == CONTENT_QUESTION["instructions"]:
        return True
    if question.get("type") == "span":
        return any(text in texts for texts, _ in SPAN_QUESTIONS.values())
    return fault_of(question) is not None or any(one.fullmatch(str(text)) for one in _choice_patterns())


def _yes(answer: Mapping[str, Any]) -> float:
    return float(answer.get("noul", 0.0))


def _free(name: str, taken: Questions) -> str:
    return name if name not in taken else _free(f"{name}'", taken)


def _unknown(question: Question, name: str, learned: Learned) -> str:
    known = "; ".join(some for some in (_examples(learned), *learned.questions[:3]) if some)
    asked = question.get("instructions") or f"with {question.get('criteria')} and no `instructions`"
    return (
        f"{name or 'this judge'} never learned the question {asked!r} in these words, with these answers, so "
        f"its answer may say nothing; it learned {known or 'no typed question'}. See `audio-judge ls questions`"
    )


def _examples(learned: Learned) -> str:
    faults = [FAULT_QUESTIONS["noise"][0], FAULT_QUESTIONS["time_clipping"][1]] if learned.has_faults else []
    rubrics = [instructions(get_rubric(name)) for name in learned.scored if name in ALL_RUBRICS][:2]
    return ", ".join(repr(text) for text in [*faults, *rubrics])


def _known_as(question: Question, learned: Learned, has_spans: bool) -> list[dict[str, Any]] | None:
    """The questions that mean the same in words that a judge learned, the question itself if it did; None if it learned none."""
    if question.get("instructions") in learned.questions:
        return [dict(question)]
    match question.get("type"):
        case "noul":
            return None if question.get("criteria") else _known_yes_or_no(question, learned)
        case "span":
            return _known_span(question) if learned.has_faults and has_spans else None
        case "choice":
            return _known_choice(question) if learned.has_faults else None
        case _:
            return _known_score(question, learned)


def _known_yes_or_no(question: Question, learned: Learned) -> list[dict[str, Any]] | None:
    text = question.get("instructions")
    detects = [
        code for task in (DETECT_QUESTION, "detect") if task in learned.tasks for code in learned.tasks[task].languages
    ]
    if any(text in wordings("detect_question", code)[0] for code in detects):
        return [dict(question)]
    if learned.has_faults and fault_of(question) is not None:
        return [dict(question)]
    meant = _yes_or_no_meanings().get(_plain(text))
    if meant == FAKE and detects:
        return [detect.question(language="en" if "en" in detects else detects[0])]
    if meant in SAME_QUESTIONS and learned.has_faults:
        return [fault_question(*one) for one in SAME_QUESTIONS[meant]]
    return None


def _known_span(question: Question) -> list[dict[str, Any]] | None:
    text = question.get("instructions")
    if any(text in texts for texts, _ in SPAN_QUESTIONS.values()):
        return [dict(question)]
    meant = _span_meanings().get(_plain(text))
    return None if meant is None else [span_question(meant)]


def _known_choice(question: Question) -> list[dict[str, Any]] | None:
    criteria = question.get("criteria")
    if not isinstance(criteria, Mapping) or dict(criteria) != CONTENT_QUESTION["criteria"]:
        return None
    if _plain(question.get("instructions")) not in {_plain(text) for text in CONTENT_WORDS}:
        return None
    is_same = question.get("instructions") == CONTENT_QUESTION["instructions"]
    return [dict(question if is_same else CONTENT_QUESTION)]


def _known_score(question: Question, learned: Learned) -> list[dict[str, Any]] | None:
    meant = _score_meaning(question)
    way = None if meant is None else learned.way_to_score(meant[0], (DECIDE, *LABELLED))
    if meant is None or way is None:
        return None
    name, code, is_exact = meant
    languages = learned.tasks[way].languages
    if is_exact and code in languages:
        return [dict(question)]
    return [get_rubric(name).question(language=next((one for one in (code, "en") if one in languages), languages[0]))]


def _score_meaning(question: Question) -> tuple[str, str, bool] | None:
    """Rubric, language, and whether it is asked about in words of training; None of none of ours, or not on its levels."""
    levels = question.get("criteria")
    if not isinstance(levels, list | tuple):
        return None
    found = _score_meanings().get((_plain(question.get("instructions")), tuple(map(str, levels))))
    return None if found is None else (*found, str(question.get("instructions")) in _learned_wordings(*found))


def _plain(text: Any) -> str:
    """A question without what changes no meaning: capitals, marks, spaces, and what the clip is called."""
    plain = " ".join(re.sub(r"[?.!,。、]+", " ", simplified(str(text)).casefold()).split())
    for code in LANGUAGES:
        asked = get_language(code).asked
        plain = re.sub(asked.subjects, asked.it, re.sub(asked.beside, "", plain))
    return " ".join(plain.split())


@cache
def _yes_or_no_meanings() -> dict[str, str]:
    found = {_plain(text): kind for kind, texts in FAULT_QUESTIONS.items() for text in texts}
    for code in LANGUAGES:
        asked = get_language(code).asked
        found |= {_plain(text): FAKE for texts in wordings("detect_question", code) for text in texts}
        found |= {_plain(text): meant for meant, texts in asked.whole.items() for text in texts}
        for meant, things in asked.things.items():
            found |= {_plain(frame.format(thing)): meant for frame in asked.frames for thing in things}
    return found


@cache
def _choice_patterns() -> list[re.Pattern[str]]:
    """Of our questions that compare or detect, whatever is compared."""
    kinds = ("compare_question", "detect_question")
    ours = [template for kind in kinds for code in LANGUAGES for template in wordings(kind, code)[0]]
    return [re.compile(re.escape(one).replace(re.escape("{label}"), ".+"), re.IGNORECASE) for one in ours]


@cache
def _span_meanings() -> dict[str, str]:
    found = {_plain(text): name for name, (texts, _) in SPAN_QUESTIONS.items() for text in texts}
    things = [(get_language(code).asked.things.get(name, ()), name) for code in LANGUAGES for name in SPAN_QUESTIONS]
    return {_plain(text): name for texts, name in things for text in texts} | found


@cache
def _score_meanings() -> dict[tuple[str, tuple[str, ...]], tuple[str, str]]:
    found: dict[tuple[str, tuple[str, ...]], tuple[str, str]] = {}
    for code in LANGUAGES:
        for name, rubric in ALL_RUBRICS.items():
            words = get_language(code).rubrics[name]
            for text in (*_other_wordings(rubric, code), *_learned_wordings(name, code)):
                found.setdefault((_plain(text), tuple(words.levels)), (name, code))
    return found


def _other_wordings(rubric: Rubric, code: str) -> Iterator[str]:
    yield from (rubric.name, rubric.name.replace("_", " "), get_language(code).rubrics[rubric.name].label)
    yield from (rubric.fill(text, code) for text in wordings("decide", code)[1])


@cache
def _learned_wordings(name: str, code: str) -> frozenset[str]:
    count = len(get_language(code).rubrics[name].questions) + len(wordings("decide", code)[0])
    return frozenset(instructions(get_rubric(name), number, language=code) for number in range(count))
