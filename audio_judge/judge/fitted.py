"""How what is measured between a clip and its original shifts the scores of a judge that heard the clip alone.

The weights are fitted to rated clips by ``benchmarks/references.py`` and stand in the note of what the judge learned, under
``reference``; ``audio_judge.judge.evidence`` applies them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from audio_judge.rubrics.rubric import Rubric

# What a shift of a score is made of, beside measures
SCORE, SQUARED = "score", "^2"
FARTHEST = 3.0  # standard deviations of a measure beyond which it says no more


@dataclass(frozen=True)
class Fitted:
    """How measures shift a judge's scores.

    Args:
        measures: Name of a measure to its mean and standard deviation.
        rubrics: Rubric to the weights of terms, in points of its scale: a measure in standard deviations from its mean, ``score``
            (the judge's, from the middle of the scale), either with ``^2``, and ``""`` for what is added in any case.
    """

    measures: Mapping[str, tuple[float, float]]
    rubrics: Mapping[str, Mapping[str, float]]

    @classmethod
    def from_note(cls, note: Mapping[str, Any]) -> "Fitted":
        """Read what ``note`` has written."""
        measures = {name: (float(mean), float(std)) for name, (mean, std) in note["measures"].items()}
        return cls(measures, {name: {k: float(v) for k, v in terms.items()} for name, terms in note["rubrics"].items()})

    def note(self) -> dict[str, Any]:
        """A JSON-able form."""
        measures = {name: list(pair) for name, pair in self.measures.items()}
        return {"measures": measures, "rubrics": {name: dict(terms) for name, terms in self.rubrics.items()}}

    def shift(self, rubric: Rubric, score: float, measured: Mapping[str, float]) -> float:
        """By how many points of the scale a score moves."""
        values = self.terms(measured, score - (rubric.low + rubric.high) / 2)
        return sum(weight * values[term] for term, weight in self.rubrics.get(rubric.name, {}).items())

    def terms(self, measured: Mapping[str, float], score: float) -> dict[str, float]:
        """The value of each term that weights may have."""
        plain = {
            name: float(np.clip((measured[name] - mean) / std, -FARTHEST, FARTHEST))
            for name, (mean, std) in self.measures.items()
        } | {SCORE: score}
        return plain | {name + SQUARED: value * value for name, value in plain.items()} | {"": 1.0}
