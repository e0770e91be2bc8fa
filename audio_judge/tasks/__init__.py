"""Tasks: each owns both directions of one kind of request, so that ``parse(write(target))`` gives the target back.

Every task module has ``PHRASINGS``, ``HELD_OUT_PHRASINGS``, ``ask`` (the request), ``write`` (the answer from a target)
and ``parse`` (the target from an answer, or a ``ParseError``; never None).
"""

from types import ModuleType


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


# The modules import the names above from here, so they come last.
from audio_judge.tasks import (  # noqa: E402
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
from audio_judge.tasks.assess import Assessment, Distortion  # noqa: E402
from audio_judge.tasks.categorize import CategoryTarget  # noqa: E402
from audio_judge.tasks.compare import ClipDetails, Comparison  # noqa: E402
from audio_judge.tasks.describe import Description  # noqa: E402
from audio_judge.tasks.detect import Detection  # noqa: E402
from audio_judge.tasks.explain import Explanation  # noqa: E402
from audio_judge.tasks.score import ScoreTarget  # noqa: E402
from audio_judge.tasks.suggest import Suggestions  # noqa: E402

# Those about rubrics the caller names: ask(rubrics), parse(text, rubrics). The mini judge's tokenizer is made of them.
RUBRIC_TASKS: dict[str, ModuleType] = {
    "score": score,
    "categorize": categorize,
    "profile": profile,
    "explain": explain,
}
TASKS: dict[str, ModuleType] = RUBRIC_TASKS | {
    "describe": describe,
    "compare": compare,
    "assess": assess,
    "suggest": suggest,
    "detect": detect,
    "rate": rate,
}

__all__ = [
    "RUBRIC_TASKS",
    "TASKS",
    "Assessment",
    "CategoryTarget",
    "ClipDetails",
    "Comparison",
    "Description",
    "Detection",
    "Distortion",
    "Explanation",
    "ParseError",
    "ScoreTarget",
    "Suggestions",
    "assess",
    "categorize",
    "compare",
    "describe",
    "detect",
    "explain",
    "profile",
    "rate",
    "score",
    "suggest",
    "with_reference_note",
]
