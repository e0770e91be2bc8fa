"""What every task shares: what it declares, the facts of an answer, errors, languages, and the note on a reference."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from audio_judge.languages import candidates, check_language, wordings
from audio_judge.rubrics.rubric import get_rubric

Target = TypeVar("Target")
Spans = tuple[tuple[float, float], ...]


class ParseError(ValueError):
    """An answer could not be read; the message says what was found and what was expected."""


class LackingError(ValueError):
    """A clip or a pair lacks what a task needs; the message names no clip, so that equal ones can be counted."""


@dataclass(frozen=True)
class Traits:
    """What a task declares of itself, as ``TRAITS``.

    Args:
        asks: How many rubrics the caller names in ``ask`` and ``parse``; ``none`` if the request is the same for all.
        states: Which facts an answer holds: fields of ``Facts``.
        hears_reference: Whether the undegraded original may be heard beside the clip.
        is_varied: Whether ``write`` takes a seed that chooses the wordings.
    """

    asks: Literal["one", "several", "none"]
    states: tuple[str, ...]
    hears_reference: bool = True
    is_varied: bool = False


@dataclass(frozen=True)
class Facts:
    """What an answer states, or what is true; what a task does not state is empty.

    Args:
        scores: Rubric name to score on the rubric's scale.
        levels: Rubric name to level, in English, of what is said by a word.
        causes: Kind of cause to (start, end) in seconds, nothing if it is not said when; None where no cause is looked
            for.
        label: ``real`` or ``fake``.
        verdicts: Rubric name to ``A``, ``B`` or ``tie``.
        distortions: Type of distortion, with its clip before it where there are two, to (start, end) in seconds.
        areas: What needs to be improved.
        words: Free words beside the facts; None where nothing but the whole answer holds them.
        speaker: ``emotion``, ``gender`` and ``age``, those of them that are said, in words.
    """

    scores: dict[str, float] = field(default_factory=dict)
    levels: dict[str, str] = field(default_factory=dict)
    causes: dict[str, Spans] | None = None
    label: str = ""
    verdicts: dict[str, str] = field(default_factory=dict)
    distortions: dict[str, Spans] = field(default_factory=dict)
    areas: tuple[str, ...] = ()
    words: str | None = None
    speaker: dict[str, str] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, float]:
        """Rubric name to score; a level counts as the score it stands for."""
        said = {name: _level_value(name, level) for name, level in self.levels.items() if name not in self.scores}
        return self.scores | said

    @property
    def spans(self) -> dict[str, list[tuple[float, float]]]:
        """When distortions are heard, of those of which it is said."""
        return {kind: list(spans) for kind, spans in self.distortions.items() if spans}


def _level_value(name: str, level: str) -> float:
    rubric = get_rubric(name)
    return float(rubric.level_values[rubric.levels.index(level)])


def read_in(text: str, language: str, strict: bool, read: Callable[[str], Target]) -> Target:
    """Read an answer by ``read``, which is given its language; that is told by its words unless ``strict``.

    Raises:
        ParseError: If it cannot be read; the message is that of the likeliest language.
    """
    first, *others = (check_language(language),) if strict else candidates(text, language)
    try:
        return read(first)
    except ParseError:
        for other in others:
            try:
                return read(other)
            except ParseError:
                continue
        raise


def with_reference_note(request: str, phrasing: int | str, held_out: bool, language: str = "en") -> str:
    """Say before a request which roles the two clips have, in a note that varies with the number of the phrasing.

    Example:
        >>> with_reference_note("Rate the noise.", 3, False)
        'Use the clean reference to judge what is wrong with the degraded clip. Rate the noise.'
    """
    training, held_out_notes = wordings("reference_notes", language)
    notes = held_out_notes if held_out else training
    return f"{notes[0 if isinstance(phrasing, str) else phrasing % len(notes)]} {request}"
