"""What a judge says about a clip: scores with the share of listeners per level, and reasons in words."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Score:
    """One rubric's score.

    Args:
        rubric: Name of the rubric.
        value: Expected score on the scale that was asked, ``low`` to ``high``.
        std: Expected standard deviation over listeners, on the same scale.
        level: Name of the most likely level.
        shares: Level name to the estimated share of listeners who would choose it, lowest level first; they sum to 1.
        low: Lowest score of the scale.
        high: Highest score of the scale.
    """

    rubric: str
    value: float
    std: float
    level: str
    shares: dict[str, float] = field(repr=False)
    low: float = 1.0
    high: float = 5.0

    def __str__(self) -> str:
        return f"{self.rubric} {self.value:.2f} ± {self.std:.2f} ({self.level})"

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able row: value, std, level, shares, low, high; numbers rounded to 4 digits."""
        shares = {level: round(share, 4) for level, share in self.shares.items()}
        numbers = {"value": round(self.value, 4), "std": round(self.std, 4)}
        return numbers | {"level": self.level, "shares": shares, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Window:
    """The scores of one window of a long clip.

    Args:
        start: Where it begins, in seconds.
        end: Where it ends, in seconds.
        scores: Rubric name to expected score.
    """

    start: float
    end: float
    scores: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able row: start, end, scores; numbers rounded."""
        scores = {name: round(value, 4) for name, value in self.scores.items()}
        return {"start": round(self.start, 3), "end": round(self.end, 3), "scores": scores}


@dataclass(frozen=True)
class Judgement:
    """Everything a judge said about one clip, or why it could not say anything.

    Args:
        clip: Name of the clip.
        seconds: Its length; None if it could not be read.
        scores: Rubric name to score, the length-weighted mean over windows.
        timeline: The windows of a clip that was longer than one; empty for short clips.
        text: What the judge wrote, raw; None if it was not asked for words.
        reasons: The part of the text that gives reasons.
        causes: Kinds of faults that the text names.
        error: Why there is no judgement; None if there is one.
        model: Name or folder of the judge.
        revision: Its revision, or the version of the package for the shipped judge.
    """

    clip: str
    seconds: float | None = None
    scores: dict[str, Score] = field(default_factory=dict)
    timeline: tuple[Window, ...] = field(default=(), repr=False)
    text: str | None = field(default=None, repr=False)
    reasons: str | None = None
    causes: tuple[str, ...] = ()
    error: str | None = None
    model: str = field(default="", repr=False)
    revision: str = field(default="", repr=False)

    def __getitem__(self, rubric: str) -> Score:
        """The score of a rubric by name."""
        return self.scores[rubric]

    def __str__(self) -> str:
        if self.error is not None:
            return f"{self.clip}: {self.error}"
        lines = [f"{self.clip} ({self.seconds:.1f} s)", *(f"  {score}" for score in self.scores.values())]
        return "\n".join([*lines, f"  {self.reasons}"] if self.reasons else lines)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able row; what was not asked for is left out.

        Example:
            >>> Judgement("clip.wav", error="clip.wav: no such file").to_dict()["error"]
            'clip.wav: no such file'
        """
        row: dict[str, Any] = {"clip": self.clip, "model": self.model, "revision": self.revision}
        if self.error is not None:
            return row | {"error": self.error}
        row |= {"seconds": self.seconds and round(self.seconds, 3)}
        row |= {"scores": {name: score.to_dict() for name, score in self.scores.items()}}
        if self.timeline:
            row["timeline"] = [window.to_dict() for window in self.timeline]
        if self.text is not None:
            row |= {"text": self.text, "reasons": self.reasons, "causes": list(self.causes)}
        return row
