"""The rate task: one number for the rubric that the request spells out, with the audio anywhere in its text.

This is Jastin's only task. The request holds a placeholder where the clip is heard; ``content`` puts the clip there. A
rubric of two levels on 0 to 1 asks for a detection, and its score is how sure one is.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

from audio_judge.languages import check_language, get_language, wordings
from audio_judge.rubrics.rubric import Rubric, fill_fields, get_rubric, in_language, pick
from audio_judge.tasks.common import Facts, ParseError, Traits
from audio_judge.tasks.score import ScoreTarget, read_number
from audio_judge.tasks.thoughts import without_thought

PLACEHOLDER = "<audio>"
Place = Literal["start", "middle", "end"]


def ends(rubric: str | Rubric, language: str = "en") -> str:
    """Say what the two ends of a rubric's scale mean, and where its good place is if that is the middle.

    Example:
        >>> ends("speech_rate")
        '1 means slow and 5 means fast, 3 being best'
    """
    chosen = in_language(get_rubric(rubric), language)
    fields = {"low": f"{chosen.low:g}", "high": f"{chosen.high:g}", "middle": f"{(chosen.low + chosen.high) / 2:g}"}
    fields |= {"lowest": chosen.levels[0], "highest": chosen.levels[-1]}
    key = "ends_middle" if chosen.best == "middle" else "ends"
    return fill_fields(get_language(language).texts[key][0], fields)


TRAITS = Traits("one", ("scores",), hears_reference=False)


def facts(target: ScoreTarget) -> Facts:
    """What a score states: the rubric's name to the value."""
    return Facts({target.rubric.name: target.value})


def ask(
    rubric: str | Rubric,
    *,
    phrasing: int | str = 0,
    held_out: bool = False,
    cue: int = 0,
    place: Place = "middle",
    language: str = "en",
) -> str:
    r"""Write the user's request, with a placeholder where the clip is heard.

    Args:
        rubric: Rubric or its name; on another scale by ``Rubric.on``.
        phrasing: Number of a phrasing, or an own text with the fields of ``Rubric.fill`` and ``{ends}``; a text
            that holds the placeholder itself is left without cue and place.
        cue: Number of the sentence that asks for the score at last; ``held_out`` goes for it, too.
        place: Where the clip is: before everything, before the cue, or after everything.

    Example:
        >>> ask("noisiness", phrasing=9, place="start").splitlines()[0]
        '<audio>'
    """
    chosen = get_rubric(rubric)
    template = pick(*wordings("rate", language), phrasing, held_out)
    text = chosen.fill(fill_fields(template, {"ends": ends(chosen, language)}), language)
    if PLACEHOLDER in text:
        return text
    last = pick(*wordings("rate_cues", language), cue, held_out)
    return {
        "start": f"{PLACEHOLDER}\n{text} {last}",
        "middle": f"{text}\n{PLACEHOLDER}\n{last}",
        "end": f"{text} {last}\n{PLACEHOLDER}",
    }[place]


def content(request: str, *clips: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Put clips where a request has its placeholders, as the content of a user's message.

    Args:
        clips: Blocks of type ``audio``, in the order they are heard; as many as there are placeholders.

    Raises:
        ValueError: If the placeholders are not as many as the clips.

    Example:
        >>> [block["type"] for block in content("Rate this: <audio> Score:", {"type": "audio", "path": "a.wav"})]
        ['text', 'audio', 'text']
    """
    texts = request.split(PLACEHOLDER)
    if len(texts) != len(clips) + 1:
        raise ValueError(f"{len(texts) - 1} placeholders {PLACEHOLDER} in {request!r} for {len(clips)} clips")
    blocks: list[dict[str, Any]] = [{"type": "text", "text": texts[0]}]
    for clip, text in zip(clips, texts[1:], strict=True):
        blocks += [dict(clip), {"type": "text", "text": text}]
    # A placeholder at either end leaves an empty text beside it
    return [block for block in blocks if block.get("text") != ""]


def write(target: ScoreTarget, language: str = "en") -> str:
    """Write a score with two decimals; the ``score`` task writes one.

    Example:
        >>> write(ScoreTarget(get_rubric("mos"), 3.4166))
        '3.42'
    """
    check_language(language)
    return f"{round(target.value, 2) + 0.0:.2f}"  # + 0.0 turns -0.0 into 0.0


def parse(text: str, rubric: str | Rubric, *, strict: bool = False, language: str = "en") -> ScoreTarget:
    """Read a score from an answer.

    Unless strict, words around the number are understood as in the score task.

    Raises:
        ParseError: If there is no score, one out of range, or several different ones.

    Example:
        >>> parse("Score: 3.42", "mos").value
        3.42
    """
    chosen = get_rubric(rubric)
    check_language(language)
    if strict and not re.fullmatch(r"-?[0-9]+\.[0-9]{2}", text):
        raise ParseError(f"{chosen.name}: {text!r} is not a number with two decimals, such as {chosen.low:.2f}")
    target = ScoreTarget(chosen, read_number(text if strict else without_thought(text), chosen))
    if strict and write(target) != text:
        raise ParseError(f"{chosen.name}: {text!r} should be written {write(target)!r}")
    return target
