"""What a judge says about a clip or a pair: scores with the share of listeners per level, preferences, reasons in words."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from audio_judge.clips import Cause
from audio_judge.judge.signal_facts import SignalFacts
from audio_judge.tasks.assess import Assessment
from audio_judge.tasks.compare import Verdict

# A warning: of a clip without any sound
SILENT = "nothing sounds in it: there is no speech to judge, and its scores are those of silence"
# And of one with a reference that is not its original
UNALIKE = "the reference does not sound like the clip, which was judged without it: is it the right one?"


@dataclass(frozen=True)
class Score:
    """One rubric's score.

    Args:
        rubric: Its name.
        value: Expected score on the scale that was asked, ``low`` to ``high``.
        std: Expected standard deviation over listeners, on the same scale; None of a score that was read from a text.
        level: Name of the most likely level, or of the one nearest to a score that was read from a text.
        shares: Level name to the estimated share of listeners who would choose it, lowest level first; they sum to 1. Empty of
            a score that was read from a text.
        low: Lowest score of the scale.
        high: Highest score of the scale.
    """

    rubric: str
    value: float
    std: float | None
    level: str
    shares: dict[str, float] = field(repr=False)
    low: float = 1.0
    high: float = 5.0

    def __str__(self) -> str:
        spread = "" if self.std is None else f" ± {self.std:.2f}"
        return f"{self.rubric} {self.value:.2f}{spread} ({self.level})"

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able row: value, std, level, shares, low, high; numbers rounded to 4 digits."""
        shares = {level: round(share, 4) for level, share in self.shares.items()}
        numbers = {"value": round(self.value, 4), "std": None if self.std is None else round(self.std, 4)}
        return numbers | {"level": self.level, "shares": shares, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Window:
    """Expected scores by rubric of the part of a long clip from ``start`` to ``end``, in seconds."""

    start: float
    end: float
    scores: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able row; times rounded to milliseconds, scores to 4 digits."""
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
        faults: Known faults that were decided to be there, the surest first, each with its ``probability``, what was measured of
            it, and the times at which it is heard; None if the judge was not asked, or did not learn about them.
        facts: What was measured in the window that the words are about; None if there are no words.
        worst: From when to when, in seconds of the clip, the words and faults are about: its worst window; None of a clip of one window.
        areas: What needs to be improved, if suggestions were asked for.
        suggestions: What to do about it, one sentence or so each.
        assessment: Facts of the text, if an assessment was asked for.
        description: Running text that ends in the overall score, if it was asked for.
        has_own_words: Whether the judge itself wrote all free words of the text; False if some were made of what it
            decided, because it wrote none that could stand there or left out what it hears.
        coverage: Of a judge that was asked in words, how much of what it said could be read, 0 to 1: the share of windows
            whose text could, or the probability of all allowed answers together. None if everything was decided.
        heard_seconds: How much of the clip was judged: silence is left out, and so is what is damaged.
        warnings: What to know about the clip before its scores are believed, in sentences.
        error: Why there is no judgement; None if there is one. What the judge said, if that is why, is in ``text``.
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
    faults: tuple[Cause, ...] | None = field(default=None, repr=False)
    facts: SignalFacts | None = field(default=None, repr=False)
    worst: tuple[float, float] | None = None
    areas: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()
    assessment: Assessment | None = field(default=None, repr=False)
    description: str | None = field(default=None, repr=False)
    has_own_words: bool = True
    coverage: float | None = None
    heard_seconds: float | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None
    model: str = field(default="", repr=False)
    revision: str = field(default="", repr=False)

    @property
    def is_silent(self) -> bool:
        """Whether nothing sounds in the clip, so that there is no speech to judge."""
        return SILENT in self.warnings

    def __getitem__(self, rubric: str) -> Score:
        return self.scores[rubric]

    def __str__(self) -> str:
        if self.error is not None:  # of a file that cannot be read, the error names it first
            return self.error if self.error.startswith(self.clip) else f"{self.clip}: {self.error}"
        lines = [f"{self.clip} ({self.seconds:.1f} s)", *(f"  {score}" for score in self.scores.values())]
        words = [f"- {line}" for line in self.suggestions] or [self.reasons or self.description or ""]
        return "\n".join([*lines, *(f"  {line}" for line in [*words, *_warned(self.warnings)] if line)])

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able row; what was not asked for is left out.

        Example:
            >>> Judgement("clip.wav", error="clip.wav: no such file").to_dict()["error"]
            'clip.wav: no such file'
        """
        row: dict[str, Any] = {"clip": self.clip, "model": self.model, "revision": self.revision}
        if self.error is not None:
            return row | _unread(self.text) | {"error": self.error}
        row |= {"seconds": self.seconds and round(self.seconds, 3)}
        if self.heard_seconds is not None:
            row["heard_seconds"] = round(self.heard_seconds, 3)
        if self.warnings:
            row["warnings"] = list(self.warnings)
        row |= {"scores": {name: score.to_dict() for name, score in self.scores.items()}}
        if self.timeline:
            row["timeline"] = [window.to_dict() for window in self.timeline]
        if self.text is not None:
            row |= {"text": self.text, "reasons": self.reasons, "causes": list(self.causes)}
        row |= self._worst()
        if self.faults is not None:
            row["faults"] = [_fault_row(fault) for fault in self.faults]
        if self.suggestions:
            row |= {"areas": list(self.areas), "suggestions": list(self.suggestions)}
        if self.assessment is not None:
            row["assessment"] = asdict(self.assessment)
        if self.description is not None:
            row["description"] = self.description
        row |= _covered(self.coverage)
        return row if self.has_own_words else row | {"has_own_words": False}

    def _worst(self) -> dict[str, float]:
        return (
            {} if self.worst is None else {"worst_start": round(self.worst[0], 3), "worst_end": round(self.worst[1], 3)}
        )

    def to_row(self) -> dict[str, Any]:
        """A flat row for a table: a column per rubric and for its spread and level; lists are joined by ``; ``.

        Example:
            >>> Judgement("clip.wav", 2.0, {"mos": Score("mos", 3.5, 0.5, "good", {})}).to_row()["mos_level"]
            'good'
        """
        row: dict[str, Any] = {"clip": self.clip, "seconds": self.seconds, "heard_seconds": self.heard_seconds}
        for name, score in self.scores.items():
            row |= {name: score.value, f"{name}_std": score.std, f"{name}_level": score.level}
        if self.text is not None:
            row |= {"reasons": self.reasons, "causes": "; ".join(self.causes)} | self._worst()
        if self.faults is not None:
            row["faults"] = "; ".join(map(_fault_text, self.faults))
        if self.suggestions:
            row |= {"areas": "; ".join(self.areas), "suggestions": "; ".join(self.suggestions)}
        return row | {
            "warnings": "; ".join(self.warnings),
            "model": self.model,
            "revision": self.revision,
            "error": self.error,
        }


@dataclass(frozen=True)
class Preference:
    """Which of two clips is better.

    Args:
        first: Name of clip A.
        second: Name of clip B.
        better: ``A``, ``B`` or ``tie`` on the first rubric that was asked for; None if there is an error.
        probabilities: Of ``A``, ``B`` and ``tie`` on that rubric, summing to 1.
        rubrics: Rubric name to such probabilities: those asked for, then the aspects that were looked at for the reasons.
        reasons: Why, in words; None if not asked for.
        text: The whole answer in words, raw.
        has_own_words: As in ``Judgement``.
        coverage: As in ``Judgement``.
        warnings: As in ``Judgement``, each after the name of its clip.
        error: Why there is no preference; None if there is one.
        model: As in ``Judgement``, like ``revision``.
    """

    first: str
    second: str
    better: Verdict | None = None
    probabilities: dict[str, float] = field(default_factory=dict)
    rubrics: dict[str, dict[str, float]] = field(default_factory=dict, repr=False)
    reasons: str | None = None
    text: str | None = field(default=None, repr=False)
    has_own_words: bool = True
    coverage: float | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None
    model: str = field(default="", repr=False)
    revision: str = field(default="", repr=False)

    def __str__(self) -> str:
        if self.error is not None:
            return f"{self.first} / {self.second}: {self.error}"
        names = {"A": f"A ({self.first}) is better", "B": f"B ({self.second}) is better", "tie": "a tie"}
        shares = ", ".join(f"{name} {share:.0%}" for name, share in self.probabilities.items())
        lines = [
            f"{names[self.better or 'tie']}: {shares}",
            *([self.reasons] if self.reasons else []),
            *_warned(self.warnings),
        ]
        return "\n  ".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able row; numbers rounded to 4 digits."""
        row: dict[str, Any] = {"first": self.first, "second": self.second}
        row |= {"model": self.model, "revision": self.revision}
        if self.error is not None:
            return row | _unread(self.text) | {"error": self.error}
        rubrics = {name: _rounded(shares) for name, shares in self.rubrics.items()}
        row |= {"better": self.better, "probabilities": _rounded(self.probabilities), "rubrics": rubrics}
        if self.text is not None:
            row |= {"reasons": self.reasons, "text": self.text}
        if self.warnings:
            row["warnings"] = list(self.warnings)
        row |= _covered(self.coverage)
        return row if self.has_own_words else row | {"has_own_words": False}

    def to_row(self) -> dict[str, Any]:
        """A flat row for a table: ``better``, a column per answer, and per rubric how far A is ahead (-1 to 1)."""
        row: dict[str, Any] = {"first": self.first, "second": self.second, "better": self.better}
        row |= {f"p_{name.lower()}": share for name, share in self.probabilities.items()}
        row |= {f"{name}_lead": shares["A"] - shares["B"] for name, shares in self.rubrics.items()}
        row |= {"reasons": self.reasons, "warnings": "; ".join(self.warnings)}
        return row | {"model": self.model, "revision": self.revision, "error": self.error}


def _fault_row(fault: Cause) -> dict[str, Any]:
    spans = [[round(start, 3), round(end, 3)] for start, end in fault.spans]
    measured = {name: round(one, 4) if isinstance(one, float) else one for name, one in fault.parameters.items()}
    return {"kind": fault.kind, **measured, "spans": spans}


def _fault_text(fault: Cause) -> str:
    times = ", ".join(f"{start:.1f}-{end:.1f} s" for start, end in fault.spans)
    return f"{fault.kind} {times}".strip()


def _warned(warnings: tuple[str, ...]) -> list[str]:
    return [f"warning: {warning}" for warning in warnings]


def _unread(text: str | None) -> dict[str, str]:
    return {} if text is None else {"text": text}


def _covered(coverage: float | None) -> dict[str, float]:
    return {} if coverage is None else {"coverage": round(coverage, 4)}


def _rounded(shares: dict[str, float]) -> dict[str, float]:
    return {name: round(share, 4) for name, share in shares.items()}


@dataclass(frozen=True)
class Authenticity:
    """Whether the speech of a clip is real or made by a machine.

    Args:
        clip: Name of the clip.
        real: Probability that it is real, 0 to 1; None if there is an error.
        seconds: Its length.
        text: The verdict in the form of the detect task.
        timeline: Windows of a clip longer than one, with the probability under ``real``.
        coverage: As in ``Judgement``.
        warnings: As in ``Judgement``.
        error: Why there is no verdict; None if there is one.
        model: As in ``Judgement``, like ``revision``.
    """

    clip: str
    real: float | None = None
    seconds: float | None = None
    text: str | None = field(default=None, repr=False)
    timeline: tuple[Window, ...] = field(default=(), repr=False)
    coverage: float | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None
    model: str = field(default="", repr=False)
    revision: str = field(default="", repr=False)

    @property
    def label(self) -> Literal["real", "fake"] | None:
        """The more likely of the two; real if they are equally likely."""
        if self.real is None:
            return None
        return "real" if self.real >= 0.5 else "fake"

    def __str__(self) -> str:
        said = f"{self.clip}: {self.error or f'{self.label} (P(real) = {self.real:.2f})'}"
        return "\n  ".join([said, *_warned(self.warnings)])

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able row; numbers rounded to 4 digits."""
        row: dict[str, Any] = {"clip": self.clip, "model": self.model, "revision": self.revision}
        if self.real is None:
            return row | {"error": self.error}
        row |= {"label": self.label, "real": round(self.real, 4), "seconds": self.seconds and round(self.seconds, 3)}
        row |= {"timeline": [window.to_dict() for window in self.timeline]} if self.timeline else {}
        row |= {"warnings": list(self.warnings)} if self.warnings else {}
        return row | _covered(self.coverage)

    def to_row(self) -> dict[str, Any]:
        """A flat row for a table: the label, and under ``real`` its probability."""
        row: dict[str, Any] = {"clip": self.clip, "seconds": self.seconds, "label": self.label, "real": self.real}
        return row | {
            "warnings": "; ".join(self.warnings),
            "model": self.model,
            "revision": self.revision,
            "error": self.error,
        }
