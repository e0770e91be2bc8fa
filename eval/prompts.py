"""What a judge that writes and never learned our tasks is asked, and what its answers say, in its own words.

Left out: everything that reads probabilities; ``eval.judges`` does that where a model gives them.
"""

from collections.abc import Sequence
from typing import Any

from audio_judge.messages import clip_state, pair_state, text_messages
from audio_judge.tasks import TASKS, ParseError, assess, compare, rate, zero_shot
from audio_judge.tasks.compare import Form
from audio_judge.tasks.facts import ask_for
from audio_judge.tasks.free_words import read_free

from .benchmarks import Question, stated

Blocks = list[dict[str, Any]]
Reading = tuple[dict[str, Any] | None, str | None]


def conversations(question: Question) -> list[Blocks]:
    """Write the messages that a question takes, to a model that never learned our tasks (``audio_judge.tasks.zero_shot``).

    Returns:
        Content blocks of one user message each: one per rubric for score, categorize and rate; both orders of a pair for
        compare; else one. Audio blocks have ``path`` and ``role``.

    Example:
        >>> from audio_judge.rubrics.rubric import get_rubric
        >>> asked = conversations(Question("a", "score", ("a.wav",), (get_rubric("mos"), get_rubric("loudness"))))
        >>> [block["type"] for block in asked[1]]
        ['audio', 'text']
    """
    if question.task == "compare":
        request = zero_shot.ask("compare", question.rubrics, form=comparison_form(question))
        pair = question.clips
        return [text_messages(pair_state(*order), request)[0]["content"] for order in (pair, pair[::-1])]
    reference = question.heard_reference if TASKS[question.task].TRAITS.hears_reference else None
    one_by_one = TASKS[question.task].TRAITS.asks == "one"
    state = clip_state(question.clips[0], reference)
    return [
        text_messages(state, zero_shot.ask(question.task, rubrics, with_reference=reference is not None))[0]["content"]
        for rubrics in ([(rubric,) for rubric in question.rubrics] if one_by_one else [question.rubrics])
    ]


def short_request(question: Question) -> str:
    """Write a question as judges of ours learn it, in one sentence without its clips, for whoever grades an answer."""
    if question.task == "compare":
        return compare.ask(question.rubrics or ("mos",), form=comparison_form(question))
    hears_reference = TASKS[question.task].TRAITS.hears_reference
    how = {"with_reference": question.heard_reference is not None} if hears_reference else {}
    return " ".join(ask_for(question.task, question.rubrics, **how).replace(rate.PLACEHOLDER, "").split())


def comparison_form(question: Question) -> Form:
    """Choose what a comparison asks for: SpeechEval's dimensions a line each, or a preference with reasons."""
    names = {rubric.name for rubric in question.rubrics}
    return "dimensions" if len(names) > 1 and names <= set(assess.TITLES) else "preference"


def read(question: Question, texts: Sequence[str | None]) -> Reading:
    """Read the answers to the messages of a question.

    Args:
        texts: One answer per message of ``conversations``; None where there was none.

    Returns:
        The prediction, with what could be read of it, or None; and what could not be read and why, or None.

    Example:
        >>> from audio_judge.rubrics.rubric import get_rubric
        >>> read(Question("a", "score", ("a.wav",), (get_rubric("mos"),)), ["I would say 3.5."])
        ({'scores': {'mos': 3.5}}, None)
    """
    if question.task == "compare":
        return _read_pair(question, texts)
    if TASKS[question.task].TRAITS.asks == "one":
        return _read_each(question, texts)
    try:
        text = _given(texts[0] if texts else None)
        return stated(question.task, read_free(question.task, text, question.rubrics), text), None
    except ParseError as error:
        return None, str(error)


def _given(text: str | None) -> str:
    if text is None:
        raise ParseError("no answer")
    return text


def _read_each(question: Question, texts: Sequence[str | None]) -> Reading:
    found: dict[str, Any] = {}
    problems: list[str] = []
    for rubric, text in zip(question.rubrics, texts, strict=True):
        try:
            said = stated(question.task, read_free(question.task, _given(text), [rubric]))
        except ParseError as error:
            problems.append(f"{rubric.name}: {error}")
            continue
        for key, value in said.items():
            found[key] = found.get(key, {}) | value
    return (found or None), ("; ".join(problems) or None)


def _read_pair(question: Question, texts: Sequence[str | None]) -> Reading:
    """Verdicts in both orders; ``swapped`` is as it was said, so that A is the clip heard first, which is B."""
    found: dict[str, Any] = {}
    problems: list[str] = []
    names = [rubric.name for rubric in question.rubrics]
    for key, text in zip(("preferences", "swapped"), texts, strict=False):
        try:
            said = read_free("compare", _given(text), question.rubrics)
        except ParseError as error:
            problems.append(f"{key}: {error}")
            continue
        # A single rubric is what the clips are compared by: the verdict is on it.
        found[key] = {names[0]: said.verdicts["mos"]} if len(names) == 1 else said.verdicts
        if key == "preferences":
            found["answer"] = said.words or text
    return (found or None), ("; ".join(problems) or None)
