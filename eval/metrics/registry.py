"""Metrics by name: which columns each takes, which figures it gives, and whether more of them is better.

A metric is a pure function in a file of this folder, under ``metric``; nothing else has to know it. ``eval.summary`` lays out
the columns, and a benchmark asks for figures by name.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Mapping[str, Any]])
ANSWERED = "_answered"


@dataclass(frozen=True)
class Metric:
    """A measure with what has to be known to use it; for the fields see ``metric``."""

    measure: Callable[..., Mapping[str, Any]]
    columns: str
    higher_is_better: Mapping[str, bool | None]
    has_interval: bool = True
    over_groups: bool = False
    needs: str = ""

    def gives(self, wanted: Sequence[str]) -> bool:
        """Whether it gives a figure that is wanted."""
        return any(name.removesuffix(ANSWERED) in self.higher_is_better for name in wanted)

    def settings(self, known: Mapping[str, Any]) -> dict[str, Any] | None:
        """What it takes by name of what is known, such as the ends of the scale; None if it needs one that is not there."""
        # By name, so that a new metric takes what it needs without a word to eval.summary
        taken = {name: known[name] for name in signature(self.measure).parameters if name in known}
        return None if any(value is None for value in taken.values()) else taken


METRICS: list[Metric] = []


def metric(
    columns: str,
    *,
    has_interval: bool = True,
    over_groups: bool = False,
    needs: str = "",
    **higher_is_better: bool | None,
) -> Callable[[Function], Function]:
    """Make a function a metric; it stays the function it is.

    Args:
        columns: Kind of the columns it takes, such as ``scores`` (predictions and truth); see ``eval.summary``. What it takes by
            name beyond them, such as ``low`` and ``high``, comes with the columns.
        has_interval: Whether a bootstrap makes sense: not where something is fitted, or items are compared with all others.
        over_groups: Whether it can be taken of the means of groups, too.
        needs: What has to be there, for people, where a figure is missing.
        **higher_is_better: Each figure it gives to whether more is better, as in torchmetrics; None where neither is.

    Raises:
        ValueError: If another metric says the opposite of a figure of the same name.
    """
    for name, direction in higher_is_better.items():
        if any(known.higher_is_better.get(name, direction) != direction for known in METRICS):
            raise ValueError(f"figure {name}: another metric says the opposite of higher_is_better={direction}")

    def register(function: Function) -> Function:
        METRICS.append(Metric(function, columns, higher_is_better, has_interval, over_groups, needs))
        return function

    return register


def is_higher_better(figure: str) -> bool | None:
    """Say whether more of a figure is better; None if neither is, or if no metric gives it.

    Example:
        >>> from audio_judge.eval import metrics  # all of them
        >>> is_higher_better("mos/RMSE@condition"), is_higher_better("PCC"), is_higher_better("first_bias")
        (False, True, None)
    """
    name = figure.rpartition("/")[2].partition("@")[0].removesuffix(ANSWERED)
    return next((one.higher_is_better[name] for one in METRICS if name in one.higher_is_better), None)
