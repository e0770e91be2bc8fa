"""What a judge that writes is asked, and what its answers say: our own requests and parsers, for any audio language model.

Left out: everything that reads probabilities; ``eval.judges`` does that where a model gives them.
"""

from collections.abc import Callable, Sequence
from typing import Any

from audio_judge.messages import clip_state, pair_state, text_messages
from audio_judge.tasks import (
    ParseError,
    assess,
    categorize,
    compare,
    describe,
    detect,
    explain,
    profile,
    rate,
    score,
    suggest,
)
from audio_judge.tasks.compare import Form

from .benchmarks import Question

Blocks = list[dict[str, Any]]
Reading = tuple[dict[str, Any] | None, str | None]


def conversations(question: Question) -> list[Blocks]:
    """Write the messages that a question takes.

    Args:
        question: The question.

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
        pair = list(question.clips)
        return [_pair(pair[0], pair[1], question), _pair(pair[1], pair[0], question)]
    if question.task == "rate":
        (block,) = clip_state(question.clips[0])
        return [rate.content(rate.ask(rubric), block) for rubric in question.rubrics]
    reference = None if question.task in ("suggest", "detect") else question.heard_reference
    state = clip_state(question.clips[0], reference)
    return [text_messages(state, request)[0]["content"] for request in _requests(question, reference is not None)]


def _requests(question: Question, with_reference: bool) -> list[str]:
    """The words of the requests about one clip."""
    one_each: dict[str, Callable[..., str]] = {"score": score.ask, "categorize": categorize.ask}
    all_at_once: dict[str, Callable[..., str]] = {"profile": profile.ask, "explain": explain.ask}
    whole_clip: dict[str, Callable[..., str]] = {"assess": assess.ask, "describe": describe.ask}
    if question.task in one_each:
        return [one_each[question.task](rubric, with_reference=with_reference) for rubric in question.rubrics]
    if question.task in all_at_once:
        return [all_at_once[question.task](question.rubrics, with_reference=with_reference)]
    if question.task in whole_clip:
        return [whole_clip[question.task](with_reference=with_reference)]
    return [{"suggest": suggest.ask, "detect": detect.ask}[question.task]()]


def comparison_form(question: Question) -> Form:
    """Choose what a comparison asks for: SpeechEval's dimensions a line each, or a preference with reasons.

    Args:
        question: Of the task ``compare``.
    """
    names = {rubric.name for rubric in question.rubrics}
    return "dimensions" if len(names) > 1 and names <= set(assess.TITLES) else "preference"


def _pair(first: str, second: str, question: Question) -> Blocks:
    request = compare.ask(question.rubrics or ("mos",), form=comparison_form(question))
    return text_messages(pair_state(first, second), request)[0]["content"]


def read(question: Question, texts: Sequence[str | None]) -> Reading:
    """Read the answers to the messages of a question.

    Args:
        question: What was asked.
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
    if question.task in ("score", "rate", "categorize"):
        return _read_each(question, texts)
    text = texts[0] if texts else None
    if text is None:
        return None, "no answer"
    try:
        return _READERS[question.task](text, question), None
    except ParseError as error:
        return None, str(error)


def _read_each(question: Question, texts: Sequence[str | None]) -> Reading:
    found: dict[str, Any] = {}
    problems: list[str] = []
    for rubric, text in zip(question.rubrics, texts, strict=True):
        try:
            if text is None:
                raise ParseError("no answer")
            if question.task == "categorize":
                found[rubric.name] = categorize.parse(text, rubric).level
            else:
                found[rubric.name] = (rate if question.task == "rate" else score).parse(text, rubric).value
        except ParseError as error:
            problems.append(f"{rubric.name}: {error}")
    key = "levels" if question.task == "categorize" else "scores"
    return ({key: found} if found else None), ("; ".join(problems) or None)


def _read_pair(question: Question, texts: Sequence[str | None]) -> Reading:
    """Verdicts in both orders; ``swapped`` is as it was said, so that A is the clip heard first, which is B."""
    found: dict[str, Any] = {}
    problems: list[str] = []
    for key, text in zip(("preferences", "swapped"), texts, strict=False):
        try:
            if text is None:
                raise ParseError("no answer")
            target = compare.parse(text, question.rubrics or ("mos",))
        except ParseError as error:
            problems.append(f"{key}: {error}")
            continue
        names = [rubric.name for rubric in question.rubrics]
        # A single rubric is what the clips are compared by: the verdict is on it.
        found[key] = {names[0]: target.preferred} if len(names) == 1 else dict(target.verdicts)
        if key == "preferences":
            found["answer"] = target.answer or text
    return (found or None), ("; ".join(problems) or None)


def _read_profile(text: str, question: Question) -> dict[str, Any]:
    return {"scores": profile.parse(text, question.rubrics)}


def _read_explanation(text: str, question: Question) -> dict[str, Any]:
    target = explain.parse(text, question.rubrics)
    causes = [{"kind": cause.kind, "spans": [list(span) for span in cause.spans]} for cause in target.causes]
    return {"scores": dict(target.scores), "causes": causes, "answer": text.strip()}


def _read_assessment(text: str, question: Question) -> dict[str, Any]:
    target = assess.parse(text)
    distortions = [{"kind": one.kind, "spans": [list(span) for span in one.spans]} for one in target.distortions]
    found = {"scores": dict(target.scores), "speech_rate": target.speech_rate, "distortions": distortions}
    return found | {"answer": target.answer}


def _read_suggestions(text: str, question: Question) -> dict[str, Any]:
    target = suggest.parse(text)
    return {"areas": list(target.areas), "answer": "\n".join(target.suggestions)}


def _read_detection(text: str, question: Question) -> dict[str, Any]:
    return {"is_real": not detect.parse(text).is_fake}


def _read_description(text: str, question: Question) -> dict[str, Any]:
    target = describe.parse(text)
    return {"scores": {"mos": target.mos}, "answer": text.strip()}


_READERS: dict[str, Callable[[str, Question], dict[str, Any]]] = {
    "profile": _read_profile,
    "explain": _read_explanation,
    "assess": _read_assessment,
    "suggest": _read_suggestions,
    "detect": _read_detection,
    "describe": _read_description,
}
