"""The categorize task: one rubric, one of its level names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from audio_judge.clips import RatedClip
from audio_judge.languages import is_denied, name_pattern, simplified, wordings
from audio_judge.rubrics.rubric import Rubric, get_rubric, in_language, pick
from audio_judge.tasks.common import Facts, ParseError, Traits, read_in, with_reference_note
from audio_judge.tasks.thoughts import without_thought


@dataclass(frozen=True)
class CategoryTarget:
    """One of a rubric's own level names; a ValueError if it has no such level."""

    rubric: Rubric
    level: str

    def __post_init__(self) -> None:
        if self.level not in self.rubric.levels:
            raise ValueError(f"{self.rubric.name}: no level {self.level!r}; levels: {', '.join(self.rubric.levels)}")


TRAITS = Traits("one", ("levels",))


def facts(target: CategoryTarget) -> Facts:
    """What a level states: the rubric's name to the English level."""
    return Facts(levels={target.rubric.name: target.level})


def target_of(clip: RatedClip, rubrics: Sequence[str], *_: Any) -> CategoryTarget:
    """The level of a clip's rating on the one rubric that is asked for."""
    rubric = get_rubric(rubrics[0])
    return CategoryTarget(rubric, rubric.level_of(clip.ratings[rubric.name].value))


def ask(
    rubric: str | Rubric,
    *,
    phrasing: int | str = 0,
    held_out: bool = False,
    with_reference: bool = False,
    language: str = "en",
) -> str:
    """Write the user's request for a level; the caller places the audio.

    Args:
        phrasing: Number of a phrasing, or an own text with the fields of ``Rubric.fill``.

    Example:
        >>> ask("mos")
        'Which level of overall quality fits this clip: bad, poor, fair, good, excellent?'
    """
    phrasings = wordings("categorize", language)
    text = get_rubric(rubric).fill(pick(*phrasings, phrasing, held_out), language)
    return with_reference_note(text, phrasing, held_out, language) if with_reference else text


def write(target: CategoryTarget, language: str = "en") -> str:
    """Write a level name.

    Example:
        >>> write(CategoryTarget(get_rubric("mos"), "fair"))
        'fair'
    """
    return in_language(target.rubric, language).levels[target.rubric.levels.index(target.level)]


def grammar(rubric: str | Rubric, language: str = "en") -> list[str]:
    """List all answers the task can write, lowest level first.

    Example:
        >>> grammar("mos")
        ['bad', 'poor', 'fair', 'good', 'excellent']
    """
    return list(in_language(get_rubric(rubric), language).levels)


def parse(text: str, rubric: str | Rubric, *, strict: bool = False, language: str = "en") -> CategoryTarget:
    """Read a level from an answer.

    Args:
        strict: Otherwise case and a sentence around the name do not matter; the longest wins ("very noisy" is not
            "noisy").

    Raises:
        ParseError: If there is no level, several, or one that is denied ("not bad"), only a bound ("better than poor") or made
            stronger than its name ("very good").

    Example:
        >>> parse("I find it very noisy.", "noisiness").level
        'very noisy'
    """
    chosen = get_rubric(rubric)
    text = text if strict else without_thought(text)

    def read(spoken: str) -> CategoryTarget:
        words = in_language(chosen, spoken)
        level = _read_strict(text, words) if strict else _read(text, words, spoken)
        return CategoryTarget(chosen, chosen.levels[words.levels.index(level)])

    return read_in(text, language, strict, read)


def _read_strict(text: str, rubric: Rubric) -> str:
    if text not in rubric.levels:
        raise ParseError(f"{rubric.name}: {text!r} is none of {', '.join(rubric.levels)}")
    return text


def _read(text: str, chosen: Rubric, language: str) -> str:
    by_name = {simplified(level.casefold()): level for level in chosen.levels}
    plain = simplified(" ".join(re.sub(r"[*_`~]", "", text).casefold().split()))
    matches = list(re.finditer(name_pattern(list(by_name)), plain))
    found = {by_name[match[0]] for match in matches}
    if len(found) != 1:
        raise ParseError(f"{chosen.name}: {len(found)} levels in {text!r}; one of {', '.join(chosen.levels)} expected")
    if any(is_denied(plain, *match.span(), language, "level") for match in matches):
        raise ParseError(f"{chosen.name}: {text!r} denies a level; one of {', '.join(chosen.levels)} expected")
    return found.pop()
