"""Tasks: each owns both directions of one kind of request, so that ``parse(write(target))`` gives the target back.

Every task module declares in ``TRAITS`` what it asks and states, and has

* ``ask``, the request in text; the caller places the audio. ``phrasing`` is the number of a wording, an IndexError if
  there is none, or an own text; ``held_out`` numbers the wordings kept out of training; ``with_reference`` says in the
  request that a clean reference is given beside the degraded clip.
* ``write``, the answer from a target. ``seed`` chooses among wordings.
* ``parse``, the target from an answer, or a ``ParseError``; never None. Strict, only what ``write`` writes counts.
  Otherwise ``language`` is only what the answer is taken for if its words do not show another.
* ``facts``, what a target states, whatever the task; ``audio_judge.tasks.facts`` is the table of the tasks.

The words of all of them stand in ``audio_judge.languages``, by the name of the task.
"""

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
from audio_judge.tasks.common import Facts, ParseError, Traits, with_reference_note
from audio_judge.tasks.compare import ClipDetails, Comparison
from audio_judge.tasks.describe import Description
from audio_judge.tasks.detect import Detection
from audio_judge.tasks.explain import Explanation
from audio_judge.tasks.facts import RUBRIC_TASKS, TASKS, read_facts, states
from audio_judge.tasks.score import ScoreTarget
from audio_judge.tasks.suggest import Suggestions

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
    "Facts",
    "ParseError",
    "ScoreTarget",
    "Suggestions",
    "Traits",
    "assess",
    "categorize",
    "compare",
    "describe",
    "detect",
    "explain",
    "profile",
    "rate",
    "read_facts",
    "score",
    "states",
    "suggest",
    "with_reference_note",
]
