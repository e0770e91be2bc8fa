"""Tasks: each owns both directions of one kind of request, so that ``parse(write(target))`` gives the target back.

Every task module has ``PHRASINGS``, ``HELD_OUT_PHRASINGS``, ``ask`` (the request), ``write`` (the answer from a target)
and ``parse`` (the target from an answer, or a ``ParseError``; never None).
"""

from types import ModuleType

from audio_judge.tasks import (
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
from audio_judge.tasks.assess import Assessment, Distortion
from audio_judge.tasks.categorize import CategoryTarget
from audio_judge.tasks.common import ParseError, with_reference_note
from audio_judge.tasks.compare import ClipDetails, Comparison
from audio_judge.tasks.describe import Description
from audio_judge.tasks.detect import Detection
from audio_judge.tasks.explain import Explanation
from audio_judge.tasks.score import ScoreTarget
from audio_judge.tasks.suggest import Suggestions

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
