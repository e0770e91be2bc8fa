"""The score task: one rubric, one number with one decimal on the rubric's own scale."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from audio_judge.clips import RatedClip
from audio_judge.languages import check_language, readable_numbers, rubric_labels, simplified, wordings
from audio_judge.rubrics.rubric import ALL_RUBRICS, Rubric, get_rubric, pick
from audio_judge.tasks.common import Facts, ParseError, Traits, with_reference_note

_NUMBER = r"[0-9]+(?:[.,][0-9]+)?"
# A number stands alone: no part of a word (MP3, 16kHz), of a version (1.2.3) or of a fraction of another kind.
_VALUE = re.compile(rf"(?<![\w.,])-?{_NUMBER}(?![\w]|[.,][0-9])")
# What may follow it: "/5", "out of 5 points". It must name the end of the scale, else the number is of another scale.
_OUT_OF = re.compile(rf"(?:\s*/\s*|\s+out\s+of\s+|\s+of\s+)(-?{_NUMBER})(?![\w]|[.,][0-9])(?:\s*(?:points?|stars?))?")


@dataclass(frozen=True)
class ScoreTarget:
    """A score of one rubric, within its range; a ValueError if it is not."""

    rubric: Rubric
    value: float

    def __post_init__(self) -> None:
        self.rubric.check(self.value)


TRAITS = Traits("one", ("scores",))


def facts(target: ScoreTarget) -> Facts:
    """What a score states: the rubric's name to the value."""
    return Facts({target.rubric.name: target.value})


def target_of(clip: RatedClip, rubrics: Sequence[str], *_: Any) -> ScoreTarget:
    """The rating of a clip on the one rubric that is asked for."""
    return ScoreTarget(get_rubric(rubrics[0]), clip.ratings[rubrics[0]].value)


def ask(
    rubric: str | Rubric,
    *,
    phrasing: int | str = 0,
    held_out: bool = False,
    with_reference: bool = False,
    language: str = "en",
) -> str:
    """Write the user's request for a score; the caller places the audio.

    Args:
        phrasing: Number of a phrasing, or an own text with the fields of ``Rubric.fill``.

    Example:
        >>> ask("noisiness")
        'Rate the noisiness of this clip from 1 to 5.'
    """
    phrasings = wordings("score", language)
    text = get_rubric(rubric).fill(pick(*phrasings, phrasing, held_out), language)
    return with_reference_note(text, phrasing, held_out, language) if with_reference else text


def write(target: ScoreTarget, language: str = "en") -> str:
    """Write a score with one decimal; a number that stands alone is the same in each language.

    Example:
        >>> write(ScoreTarget(get_rubric("mos"), 3.42))
        '3.4'
    """
    check_language(language)
    return f"{round(target.value, 1) + 0.0:.1f}"  # + 0.0 turns -0.0 into 0.0


def grammar(rubric: str | Rubric) -> list[str]:
    """List all answers the task can write, lowest first.

    Example:
        >>> answers = grammar("mos")
        >>> answers[0], answers[-1], len(answers)
        ('1.0', '5.0', 41)
    """
    import numpy as np  # only here: `ls tasks` and `data --help` go without

    chosen = get_rubric(rubric)
    count = round((chosen.high - chosen.low) * 10) + 1
    return [write(ScoreTarget(chosen, round(value, 1))) for value in np.linspace(chosen.low, chosen.high, count)]


def parse(text: str, rubric: str | Rubric, *, strict: bool = False, language: str = "en") -> ScoreTarget:
    """Read a score from an answer.

    Args:
        strict: Otherwise a name, markup, a decimal comma, "out of 5" and a sentence around the number, in any of our
            languages, are understood.

    Raises:
        ParseError: If there is no score, one out of range, several different ones, or one of another rubric.

    Example:
        >>> parse("I would rate it **3,4**/5.", "mos").value
        3.4
    """
    chosen = get_rubric(rubric)
    check_language(language)
    if not strict:
        _refuse_other_rubric(text, chosen)
        return ScoreTarget(chosen, read_number(text, chosen))
    if not re.fullmatch(r"-?[0-9]+\.[0-9]", text):
        raise ParseError(f"{chosen.name}: {text!r} is not a number with one decimal, such as {chosen.low:.1f}")
    target = ScoreTarget(chosen, _in_range(float(text), text, chosen))
    if write(target) != text:
        raise ParseError(f"{chosen.name}: {text!r} should be written {write(target)!r}")
    return target


def read_number(text: str, rubric: Rubric) -> float:
    """Read the one number a text gives on a rubric's scale; "8/10" on a 1-5 scale is an error, never 8 or 4.

    Raises:
        ParseError: If there is none, one out of range, or several different ones.

    Example:
        >>> read_number("3.4 out of 5", get_rubric("mos"))
        3.4
    """
    plain = _without_scale(readable_numbers(re.sub(r"[*_`~]", "", text).replace("−", "-")), rubric)
    if "%" in plain and rubric.high != 100:
        raise ParseError(f"{rubric.name}: {text!r} is in percent; {rubric.low:g} to {rubric.high:g} expected")
    # A set, since a score that is repeated ("3.4. Yes, 3.4/5") is still one
    values, position = set(), 0
    while match := _VALUE.search(plain, position):
        values.add(_float(match[0]))
        position = match.end()
        if out_of := _OUT_OF.match(plain, position):
            if _float(out_of[1]) != rubric.high:
                raise ParseError(f"{rubric.name}: {text!r} is out of {out_of[1]}; the scale ends at {rubric.high:g}")
            position = out_of.end()
    if len(values) != 1:
        found = "no number" if not values else f"{len(values)} different numbers"
        raise ParseError(f"{rubric.name}: {found} in {text!r}; one from {rubric.low:g} to {rubric.high:g} expected")
    return _in_range(values.pop(), text, rubric)


def _without_scale(text: str, rubric: Rubric) -> str:
    """Take out mentions of the scale itself, such as "on a scale of 1 to 5" or "(1-5)"."""
    low, high = (rf"{re.escape(f'{end:g}')}(?:[.,]0)?" for end in (rubric.low, rubric.high))
    return re.sub(rf"(?<![\w.,-]){low}\s*(?:-|–|to|and)\s*{high}(?![\w]|[.,][0-9])", " ", text)


def _refuse_other_rubric(text: str, rubric: Rubric) -> None:
    # "Loudness: 4" is no answer to a question about noisiness, although it holds a number on the scale
    name = re.match(r"\W*([\w ]+?)\W*[:=]", simplified(text))
    own = {rubric.name, rubric.label, *rubric_labels(rubric.name)}
    others = {
        word
        for other in ALL_RUBRICS.values()
        if other.name != rubric.name
        for word in (other.name, other.label, *rubric_labels(other.name))
    }
    if name and name[1].casefold() in others - own:
        raise ParseError(f"{rubric.name}: {text!r} answers {name[1]!r}")


def _float(text: str) -> float:
    return float(text.replace(",", "."))


def _in_range(value: float, text: str, rubric: Rubric) -> float:
    if not rubric.low <= value <= rubric.high:
        raise ParseError(f"{rubric.name}: {value:g} in {text!r} is outside {rubric.low:g} to {rubric.high:g}")
    return value
