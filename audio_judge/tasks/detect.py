"""The detect task: is the speech real, or made or altered by a machine ("fake")?

In text the answer is SQ-LLM's: an empty thought and one of two words. ``question`` asks the same of a decision model,
whose probability gives an error rate at any threshold.
"""

import re
from dataclasses import dataclass
from typing import Any

from audio_judge.clips import RatedClip
from audio_judge.languages import get_language, is_denied, whole_words, wordings
from audio_judge.rubrics.rubric import pick
from audio_judge.tasks.common import Facts, LackingError, ParseError, Traits, read_in
from audio_judge.tasks.thoughts import join_thought, split_thought


@dataclass(frozen=True)
class Detection:
    """Where the speech comes from; fake is what a machine made or altered."""

    is_fake: bool


TRAITS = Traits("none", ("label",), hears_reference=False)


def facts(target: Detection) -> Facts:
    """What a verdict states: the label."""
    return Facts(label="fake" if target.is_fake else "real")


def target_of(clip: RatedClip, *_: Any) -> Detection:
    """Whether a clip is fake, by ``extra["label"]``.

    Raises:
        LackingError: If that is neither ``real`` nor ``fake``.
    """
    label = clip.extra.get("label")
    if label not in ("real", "fake"):
        raise LackingError("no label real or fake")
    return Detection(label == "fake")


def ask(*, phrasing: int | str = 0, held_out: bool = False, language: str = "en") -> str:
    """Write the user's request for a verdict; the caller places the audio.

    Example:
        >>> ask()
        'Is this speech real or fake?'
    """
    return pick(*wordings("detect", language), phrasing, held_out)


def question(phrasing: int | str = 0, *, held_out: bool = False, language: str = "en") -> dict[str, Any]:
    """Write the typed question of a decision model; its answer is the probability of fake.

    An own text must be a yes-or-no question about being fake.

    Example:
        >>> question()
        {'type': 'noul', 'instructions': 'Is this speech fake?'}
    """
    return {"type": "noul", "instructions": pick(*wordings("detect_question", language), phrasing, held_out)}


def write(target: Detection, language: str = "en") -> str:
    r"""Write a verdict after an empty thought.

    Example:
        >>> write(Detection(is_fake=True))
        '<think>\n</think>\n\n<answer>\nfake\n</answer>'
    """
    return join_thought("", get_language(language).texts["fake" if target.is_fake else "real"][0])


def grammar(language: str = "en") -> list[str]:
    """List all answers the task can write, real first."""
    return [write(Detection(is_fake), language) for is_fake in (False, True)]


def parse(text: str, *, strict: bool = False, language: str = "en") -> Detection:
    """Read a verdict; what stands in the thought does not count.

    Unless strict, case, tags, other usual words (spoofed, bona fide) and a sentence around the word do not matter.

    Raises:
        ParseError: If there is no verdict, both, or a denied one ("not real").

    Example:
        >>> parse("The speech is Fake.")
        Detection(is_fake=True)
    """
    if not strict:
        answer = split_thought(text)[1]
        return read_in(answer, language, False, lambda spoken: _read(answer, spoken))
    real, fake = grammar(language)
    if text not in (real, fake):
        raise ParseError(f"{text!r} is neither {real!r} nor {fake!r}")
    return Detection(text == fake)


def _read(answer: str, language: str) -> Detection:
    patterns = get_language(language).patterns
    words = whole_words(f"(?P<fake>{patterns['fake']})|(?P<real>{patterns['real']})")
    matches = list(re.finditer(words, answer, re.IGNORECASE))
    # One verdict repeated is one; "real, not fake" names two and is refused rather than guessed
    verdicts = {match.lastgroup for match in matches}
    if len(verdicts) != 1:
        raise ParseError(f"{len(verdicts)} verdicts in the answer {answer!r}; real or fake expected")
    if any(is_denied(answer, *match.span(), language, "verdict") for match in matches):
        raise ParseError(f"{answer!r} denies or doubts a verdict; real or fake expected")
    return Detection(verdicts == {"fake"})
