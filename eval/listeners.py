"""Does a judge heed on whose behalf it listens? Its scores for strict and lenient raters beside those raters' own.

For each rubric, over the clips that raters of both groups rated: how far apart the two groups are, how far apart the judge is
when it is asked on behalf of either, and how far it is from each group's mean with and without the group's name.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from audio_judge.clips import RatedClip
from audio_judge.corpora.raters import GROUPS, group_raters, heard_by
from audio_judge.errors import UsageError


def listener_spread(judge: Any, clips: Sequence[RatedClip], batch_size: int = 8) -> dict[str, dict[str, float]]:
    """Measure the spread of a judge over listeners beside the raters' own.

    Args:
        judge: An ``AudioJudge``.
        clips: With votes that say who gave them; those without votes of both groups are left out.

    Returns:
        Rubric to ``clips``; ``raters_spread`` and ``judge_spread``, the mean of lenient less strict, in points of the scale;
        ``mae_named`` and ``mae_unnamed``, the mean absolute difference from the two groups' means if the judge is told who
        rates, and if it is not.

    Raises:
        UsageError: If no clip was rated by raters of both groups.
    """
    groups = group_raters(clips)
    sides = {group: [heard_by(clip, group, groups) for clip in clips] for group in GROUPS}
    rated = [i for i in range(len(clips)) if all(sides[group][i] is not None for group in GROUPS)]
    if not rated:
        raise UsageError("no clip was rated by strict and by lenient raters: votes have to say who gave them")
    rubrics = list(dict.fromkeys(name for i in rated for name in clips[i].ratings))
    paths = [clips[i].path for i in rated]
    said = {
        listener: judge.score(paths, rubric=rubrics, batch_size=batch_size, listener=listener)
        for listener in (*GROUPS, None)
    }
    found = {}
    for name in rubrics:
        rows = [
            [float(side.ratings[name].value) for group in GROUPS if (side := sides[group][i]) and name in side.ratings]
            + [
                said[listener][place].scores[name].value
                for listener in (*GROUPS, None)
                if said[listener][place].error is None
            ]
            for place, i in enumerate(rated)
        ]
        whole = np.array([row for row in rows if len(row) == 2 * len(GROUPS) + 1])
        if len(whole):
            found[name] = _figures(whole)
    return found


def _figures(rows: np.ndarray) -> dict[str, float]:
    """``rows`` (clips, 5): strict raters, lenient raters, judge for strict, for lenient, for nobody in particular."""
    strict, lenient, for_strict, for_lenient, plain = rows.T
    named = (np.abs(for_strict - strict) + np.abs(for_lenient - lenient)) / 2
    unnamed = (np.abs(plain - strict) + np.abs(plain - lenient)) / 2
    figures = {
        "raters_spread": (lenient - strict).mean(),
        "judge_spread": (for_lenient - for_strict).mean(),
        "mae_named": named.mean(),
        "mae_unnamed": unnamed.mean(),
    }
    return {"clips": len(rows)} | {name: round(float(value), 3) for name, value in figures.items()}
