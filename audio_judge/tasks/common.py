"""What every task shares: the error of an answer that cannot be read, and the note that a reference is given."""


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


def with_reference_note(request: str, phrasing: int | str, held_out: bool) -> str:
    """Say before a request which roles the two clips have; the note varies with the phrasing.

    Args:
        request: What is asked.
        phrasing: Number of the phrasing, or an own text (which gets the first note).
        held_out: Whether to take the notes kept out of training.

    Example:
        >>> with_reference_note("Rate the noise.", 3, False)
        'Use the clean reference to judge what is wrong with the degraded clip. Rate the noise.'
    """
    notes = HELD_OUT_REFERENCE_NOTES if held_out else REFERENCE_NOTES
    return f"{notes[0 if isinstance(phrasing, str) else phrasing % len(notes)]} {request}"
