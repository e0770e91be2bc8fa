"""The outcome of one control, and the one table that says which figure passes and why."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..metrics.bootstrap import confidence_intervals

Status = Literal["passed", "failed", "not applicable"]


@dataclass(frozen=True)
class Limit:
    """A pass mark.

    Args:
        value: The figure that just passes.
        higher_is_better: Whether larger figures pass, else smaller ones.
        unit: What the figure counts; ``points`` are those of a 1-5 scale on which 5 is the good end.
    """

    value: float
    reason: str
    higher_is_better: bool = False
    unit: str = "points"


_INTERVAL = (
    "The 95 % interval of a mean over 32 listeners with the usual spread of 0.6 is 0.2 points either way; "
    "half of that cannot be seen in a listening test."
)
_SPREAD = "Half of the usual spread among listeners, 0.6 points: more than that and it is another verdict."
_NUMERICS = "Nothing that can be heard or read in the request differs, so only rounding may."

# Every pass mark there is. They follow from what listeners do or from what is asked, not from what some judge reaches.
LIMITS: dict[str, Limit] = {
    "silence": Limit(2.0, "There is no speech in it to be better than poor; a refusal counts as 1."),
    "noise": Limit(
        2.0, "Noise alone is the worst there is of noise; poor is the most it can get, a refusal counts as 1."
    ),
    "music": Limit(3.0, "A judge of speech that hears none may be at a loss, but must not find it good (4) speech."),
    "same_clip": Limit(0.01, _NUMERICS),
    "order": Limit(0.01, _NUMERICS),
    "batch": Limit(0.02, "Only rounding may differ, and the last frame, which padding can touch."),
    "file_name": Limit(0.01, _NUMERICS),
    "metadata": Limit(0.01, _NUMERICS),
    "injection": Limit(0.1, "What a clip says or is called is no quality of it. " + _INTERVAL),
    "steady_gain": Limit(
        0.2, "3 dB are hardly noticed and are no noise, timbre or gap; listeners' means repeat to 0.2."
    ),
    "truncation": Limit(0.3, "Half a clip is of the quality of the clip, but for local faults. " + _SPREAD),
    "beginning": Limit(
        0.15,
        "No listener misses 40 ms of a recording; a quarter of the usual spread among listeners, even for the worst clip.",
    ),
    "reversal": Limit(0.1, "Speech played backwards is not better speech. " + _INTERVAL),
    "profile": Limit(
        -0.05, "Listeners with hearing loss rate noisy speech lower; nearer to 0 and the profile was not heeded."
    ),
    "pair_gap": Limit(0.1, "Equal or exchanged clips leave no reason to lean to a place.", unit="probability"),
    "pair_share": Limit(
        0.9, "The verdict on a pair must not hang on which clip comes first; a tenth are close calls.", True, "share"
    ),
    "bias": Limit(0.1, "The treatment is no merit on this rubric. " + _INTERVAL),
    "bias_level": Limit(
        0.2,
        "Level is a part of overall quality, but 6 dB around the usual level are worth no more than means repeat to.",
    ),
    "flips": Limit(0.05, "Pairs half a point apart are clear; one in twenty may turn by chance.", unit="share"),
    "bias_pair": Limit(0.1, "The treatment is no reason to prefer a clip to itself.", unit="probability"),
    "wording": Limit(
        0.9,
        "The same question in other words must keep four fifths of the variance (0.9 squared).",
        True,
        "correlation",
    ),
    "wording_shift": Limit(0.3, "The same question in other words must keep the verdict. " + _SPREAD),
    "agreement_loss": Limit(
        0.05,
        "Agreement with listeners must survive; 0.05 is about what 100 rated clips can tell apart.",
        unit="correlation",
    ),
    "words_auc": Limit(
        0.9,
        "Nine of ten pairs of a clip with a clear fault and one without are told apart.",
        True,
        "area under the curve",
    ),
    "words_auc_concepts": Limit(
        0.75, "Half as many errors as by chance, about what has no word in training.", True, "area under the curve"
    ),
    "words_rank": Limit(0.6, "A third of the variance of how bad a fault is (0.6 squared).", True, "correlation"),
    "words_limits": Limit(0.8, "Four of five questions that no sound answers are told from others.", True, "share"),
    "unseen": Limit(
        0.7,
        "A rubric close to a known one should share at least half of its variance (0.7 squared).",
        True,
        "correlation",
    ),
}


@dataclass(frozen=True)
class Check:
    """The outcome of one control.

    Args:
        name: Suite, control and what of it: ``bias/gain_+6_db``.
        figure: What was measured; None if nothing could be.
        passed: None if the judge cannot serve the control, which is no pass.
        detail: What the figure is, over how much, and its parts.
        higher_is_better: Whether figures from the limit up pass, else those from it down.
        interval: 95 % bootstrap interval of the figure over clips; None where it is no mean.

    Example:
        >>> check("sanity/silence", 1.4, "silence", "highest of 3 clips").status
        'passed'
    """

    name: str
    figure: float | None
    limit: float
    passed: bool | None
    detail: str
    higher_is_better: bool = False
    unit: str = "points"
    interval: tuple[float, float] | None = None
    reason: str = ""

    @property
    def status(self) -> Status:
        """``passed``, ``failed`` or ``not applicable``."""
        if self.passed is None:
            return "not applicable"
        return "passed" if self.passed else "failed"

    def __str__(self) -> str:
        figure = "-" if self.figure is None else f"{self.figure:.3f}"
        return f"{self.status:14} {self.name}: {figure} ({'>=' if self.higher_is_better else '<='} {self.limit:g})"

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able row: all of it and the status; numbers rounded to 4 digits.

        Example:
            >>> check("sanity/silence", 1.4, "silence", "").to_dict()["figure"]
            1.4
        """
        return {
            "name": self.name,
            "status": self.status,
            "passed": self.passed,
            "figure": None if self.figure is None else round(self.figure, 4),
            "interval": None if self.interval is None else [round(end, 4) for end in self.interval],
            "limit": self.limit,
            "higher_is_better": self.higher_is_better,
            "unit": self.unit,
            "detail": self.detail,
            "reason": self.reason,
        }


def check(name: str, figure: float, limit: str, detail: str, *, interval: tuple[float, float] | None = None) -> Check:
    """Hold a figure against its pass mark, one of ``LIMITS``; a figure that is no number fails.

    Example:
        >>> check("sanity/reversal", 0.4, "reversal", "mean of 24 clips").passed
        False
    """
    mark = LIMITS[limit]
    is_number = math.isfinite(figure)
    # The tolerance is for rounding only: a figure that sits on the limit passes on any machine.
    margin = (figure - mark.value) if mark.higher_is_better else (mark.value - figure)
    return Check(
        name,
        float(figure) if is_number else None,
        mark.value,
        is_number and margin >= -1e-9,
        detail if is_number else f"nothing could be measured: {detail}",
        mark.higher_is_better,
        mark.unit,
        interval,
        mark.reason,
    )


def not_applicable(name: str, limit: str, why: str) -> Check:
    """Report that a judge cannot serve a control, or that what it needs is missing; its mark is one of ``LIMITS``.

    Example:
        >>> print(not_applicable("sanity/swapped_pair", "pair_gap", "the judge does not compare"))
        not applicable sanity/swapped_pair: - (<= 0.1)
    """
    mark = LIMITS[limit]
    return Check(name, None, mark.value, None, why, mark.higher_is_better, mark.unit, None, mark.reason)


def mean_interval(values: np.ndarray, seed: int = 0) -> tuple[float, float] | None:
    """95 % percentile bootstrap interval of the mean of finite values (clips,); None for fewer than two.

    Example:
        >>> mean_interval(np.array([1.0, 1.0, 1.0]))
        (1.0, 1.0)
    """
    if len(values) < 2:
        return None
    return confidence_intervals(lambda drawn: {"mean": float(np.mean(drawn))}, values, seed=seed)["mean"]
