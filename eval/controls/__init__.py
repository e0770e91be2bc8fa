"""Controls of a judge: sanity, robustness, bias and rubrics in words, each a figure with a pass mark.

    from eval.controls import run_controls
    for check in run_controls(judge, clips, "sanity"):
        print(check)

A control that a judge cannot serve is "not applicable", never passed. Left out: any judgement of what a failure costs.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from audio_judge.clips import RatedClip
from audio_judge.rubrics.rubric import Rubric

from .bench import Bench
from .bias import run_bias
from .check import LIMITS, Check
from .robustness import run_robustness
from .sanity import run_sanity
from .words import run_words

__all__ = ["LIMITS", "SUITES", "Check", "run_controls"]

SUITES: dict[str, Callable[[Bench], list[Check]]] = {
    "sanity": run_sanity,
    "robustness": run_robustness,
    "bias": run_bias,
    "words": run_words,
}


def run_controls(
    judge: Any,
    clips: Sequence[RatedClip],
    suite: str,
    *,
    seed: int = 0,
    count: int = 24,
    rubrics: Sequence[Rubric] = (),
) -> list[Check]:
    """Run one suite of controls.

    Args:
        judge: An ``AudioJudge``, or anything whose ``score(paths)`` gives one judgement per path.
        clips: Rated clips; what is no speech (``extra["content"]``) is left out, but for music.
        suite: Key of ``SUITES``.
        seed: Of the choice of clips and of all noise; the same seed gives the same figures.
        rubrics: What is scored, too, such as rubrics of your own, by a judge that can.

    Returns:
        One check per figure, in a fixed order, whatever the judge can serve.

    Raises:
        ValueError: If there is no suite of that name, or no speech among the clips.
    """
    if suite not in SUITES:
        raise ValueError(f"no suite {suite!r}; known: {', '.join(SUITES)}")
    if suite == "words":  # a fault is in few of the clips
        count = len(clips)
    with tempfile.TemporaryDirectory() as folder:
        return SUITES[suite](Bench(judge, clips, Path(folder), seed=seed, count=count, rubrics=rubrics))
