"""What every task shares: the error of an answer that cannot be read, its language, and the note on a reference."""

from collections.abc import Callable
from typing import TypeVar

from audio_judge.languages import candidates, check_language, wordings

Target = TypeVar("Target")


class ParseError(ValueError):
    """An answer could not be read; the message says what was found and what was expected."""


REFERENCE_NOTES = (
    "You hear the degraded clip and its clean reference; judge the degraded clip.",
    "A clean reference is given next to the degraded clip. Compare with the reference, but judge the degraded clip.",
    "One clip is the degraded speech, the other the clean reference: the answer is about the degraded one.",
    "Use the clean reference to judge what is wrong with the degraded clip.",
)
HELD_OUT_REFERENCE_NOTES = (
    "The reference shows how the degraded clip should sound; only the degraded clip is to be judged.",
    "Two versions of one recording are given, reference and degraded. Rate the degraded version.",
)


def read_in(text: str, language: str, strict: bool, read: Callable[[str], Target]) -> Target:
    """Read an answer in its language, which is told by its words unless the reading is strict.

    Args:
        text: The answer.
        language: Of the answer if strict, else what it is taken for if its words do not say.
        strict: Whether no other language counts.
        read: Reads the answer in the language it is given.

    Raises:
        ParseError: If it cannot be read; the message is that of the likeliest language.
        ValueError: If there is no such language.
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
    """Say before a request which roles the two clips have; the note varies with the phrasing.

    Args:
        request: What is asked.
        phrasing: Number of the phrasing, or an own text (which gets the first note).
        held_out: Whether to take the notes kept out of training.
        language: Of the request.

    Example:
        >>> with_reference_note("Rate the noise.", 3, False)
        'Use the clean reference to judge what is wrong with the degraded clip. Rate the noise.'
    """
    training, held_out_notes = wordings("reference_notes", language, (REFERENCE_NOTES, HELD_OUT_REFERENCE_NOTES))
    notes = held_out_notes if held_out else training
    return f"{notes[0 if isinstance(phrasing, str) else phrasing % len(notes)]} {request}"
