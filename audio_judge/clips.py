"""The nouns of rated audio: a clip, what listeners said about it, and what is known to be wrong with it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from audio_judge.rubrics.rubric import Rubric


@dataclass(frozen=True)
class Rating:
    """What raters said about one rubric of one clip.

    Args:
        value: Mean rating, on the rubric's own scale (1 to 5 for NISQA's five).
        std: Standard deviation over raters, on the same scale; None if unknown.
        votes: Number of raters; None if unknown.
        single: What each rater gave, on the same scale; empty if only their mean is known.
    """

    value: float
    std: float | None = None
    votes: int | None = None
    single: tuple[float, ...] = ()

    def shares(self, rubric: "Rubric") -> "np.ndarray":
        """Shares of listeners per level, lowest first, of shape (levels,): counted, or made likely by mean and spread.

        Args:
            rubric: What was rated, on the scale of the rating.

        Raises:
            ValueError: If the mean is off that scale.

        Example:
            >>> from audio_judge.rubrics import get_rubric
            >>> Rating(3.5, single=(2, 5)).shares(get_rubric("mos")).tolist()
            [0.0, 0.5, 0.0, 0.0, 0.5]
        """
        from audio_judge.rubrics.shares import level_shares, vote_shares

        ends = (rubric.low, rubric.high, len(rubric.levels))
        return vote_shares(self.single, *ends) if self.single else level_shares(self.value, self.std, *ends)


@dataclass(frozen=True)
class Cause:
    """One known reason why a clip sounds as it does, with the parameters of the fault.

    Args:
        kind: One of ``audio_judge.degrade.KINDS`` (``noise``, ``packet_loss``, ``band_limit``, ``codec`` …).
        parameters: JSON-able facts, units in the name: ``{"snr_db": 12.0}``, ``{"loss_rate": 0.1, "concealment":
            "zero"}``.
        spans: When it happens, as (start, end) in seconds; empty means throughout.
    """

    kind: str
    parameters: dict[str, Any] = field(default_factory=dict)
    spans: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class RatedClip:
    """A clip with ratings (human or a teacher's) and the causes that are known; None is unknown.

    Args:
        path: Audio file; it stays a path until the collator reads it.
        ratings: Rubric name to rating; a rubric nobody rated is absent.
        split: ``train``, ``validation`` or ``test``.
        reference: Path of the undegraded original.
        causes: Known faults, in the order they were applied.
        condition: Name of the degradation condition, shared by clips of one condition.
        system: Name of the system that made the clip.
        extra: Other columns of the corpus, kept as they were.
        start_time: Where the rated part begins, in seconds; None for the beginning.
        end_time: Where it ends, in seconds; None for the end.
        listener: Whose ratings these are, a name of ``audio_judge.tasks.listeners``: every request about the clip says so.
            None for all who rated it.
        shared: What its corpus lets splits share on purpose: fields of ``audio_judge.corpora.splits.check_disjoint``.
    """

    path: str
    ratings: dict[str, Rating]
    split: str
    corpus: str
    reference: str | None = None
    causes: tuple[Cause, ...] = ()
    condition: str | None = None
    system: str | None = None
    speaker: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    start_time: float | None = None
    end_time: float | None = None
    listener: str | None = None
    shared: tuple[str, ...] = ()


@dataclass(frozen=True)
class RatedPair:
    """Two clips, A and B, that raters compared.

    Args:
        preferences: Rubric name to ``A``, ``B`` or ``tie``; ``mos`` is the preference overall.
        extra: Other columns of the corpus, kept as they were.
    """

    first: RatedClip
    second: RatedClip
    preferences: dict[str, str]
    extra: dict[str, Any] = field(default_factory=dict)


def shared_time(first: Sequence[Sequence[float]], second: Sequence[Sequence[float]]) -> float | None:
    """Compare two sets of time spans, (start, end) in seconds: the time in both over the time in either.

    Spans of one set may overlap.

    Returns:
        0 to 1; None if neither holds any time.

    Example:
        >>> shared_time([(0.0, 2.0)], [(1.0, 3.0), (2.0, 4.0)])
        0.25
    """
    edges = sorted({edge for span in (*first, *second) for edge in span})
    both = either = 0.0
    for start, end in pairwise(edges):  # between two neighbouring edges a set is either heard or not
        inside = [any(low <= start and end <= high for low, high in spans) for spans in (first, second)]
        both += (end - start) * all(inside)
        either += (end - start) * any(inside)
    return both / either if either else None


Item = RatedClip | RatedPair
