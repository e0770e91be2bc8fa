"""How sure a judge and the detector are together that a known fault is there, and from where on it is named: numbers fitted to a judge.

``benchmarks/faults.py --fit`` finds them on clips of known faults and writes them into the note of what the judge learned, under
``decided``. The detector (``audio_judge.analysis.detector``) hears what is torn, clicks and jumps, of which judges hear little.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

_LEAST, _MOST = 1e-4, 1 - 1e-4


class Decision(NamedTuple):
    """One kind of fault.

    Args:
        heard: Weight of the judge's logit.
        detected: Weight of the detector's.
        bias: What is added to both.
        least: Probability from which it is named.
    """

    heard: float
    detected: float
    bias: float
    least: float


@dataclass(frozen=True)
class Decided:
    """What is decided of a judge's and the detector's probabilities.

    Args:
        faults: Kind of fault to how it is decided.
        spans: Name of a fault that comes and goes to the detector's probability from which a moment has it.
    """

    faults: Mapping[str, Decision]
    spans: Mapping[str, float]

    @classmethod
    def from_note(cls, note: Mapping[str, Any]) -> "Decided":
        """Read what ``note`` has written.

        Raises:
            ValueError: If a threshold is no probability.
        """
        faults = {str(kind): Decision(*map(float, numbers)) for kind, numbers in note["faults"].items()}
        spans = {str(name): float(least) for name, least in note.get("spans", {}).items()}
        for least in (*spans.values(), *(one.least for one in faults.values())):
            if not 0 < least < 1:
                raise ValueError(f"a threshold of {least} among those of faults; a number between 0 and 1 is needed")
        return cls(faults, spans)

    def note(self) -> dict[str, Any]:
        """A JSON-able form: of each fault the weights of judge and detector, what is added, and the threshold."""
        return {"faults": {kind: list(one) for kind, one in self.faults.items()}, "spans": dict(self.spans)}

    @property
    def thresholds(self) -> dict[str, float]:
        """Kind of fault to the probability from which it is named."""
        return {kind: one.least for kind, one in self.faults.items()}

    def together(self, heard: Mapping[str, float], detected: Mapping[str, float]) -> dict[str, float]:
        """Kind of fault to its probability by judge and detector; by the judge alone where nothing was fitted or detected.

        Example:
            >>> decided = Decided({"clicks": Decision(1.0, 1.0, 0.0, 0.5)}, {})
            >>> decided.together({"clicks": 0.5, "noise": 0.3}, {"clicks": 0.9, "noise": 0.9})
            {'clicks': 0.9, 'noise': 0.3}
        """
        found = dict(heard)
        for kind, one in self.faults.items():
            if kind in heard and kind in detected:
                logit = one.heard * _logit(heard[kind]) + one.detected * _logit(detected[kind]) + one.bias
                found[kind] = round(1 / (1 + math.exp(-logit)), 6)
        return found

    def curve(self, name: str, detected: np.ndarray) -> np.ndarray:
        """A detector's curve (frames,) with its threshold at one half, from where spans are."""
        least = self.spans[name]
        logits = np.log(detected.clip(_LEAST, _MOST) / (1 - detected.clip(_LEAST, _MOST))) - _logit(least)
        return np.asarray(1 / (1 + np.exp(-logits)))


def _logit(probability: float) -> float:
    within = min(max(probability, _LEAST), _MOST)
    return math.log(within / (1 - within))
