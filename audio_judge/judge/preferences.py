"""Comparison of two clips that cannot depend on their order: both orders are asked, and their answers averaged."""

from collections.abc import Iterator
from typing import Any, TypeVar, cast

import numpy as np

from audio_judge.judge.requests import Reading
from audio_judge.judge.spoken import VERDICTS
from audio_judge.tasks.compare import Verdict, verdict

Piece = TypeVar("Piece")
MOST_ASPECTS = 3


def aligned(
    first: Iterator[Piece], second: Iterator[Piece], first_count: int, second_count: int
) -> Iterator[tuple[Piece, Piece]]:
    """Pair the windows of two clips by their place; those of the clip with fewer windows come several times.

    Yields:
        Pairs, as many as the clip with more windows has.

    Example:
        >>> list(aligned(iter("abcd"), iter("xy"), 4, 2))
        [('a', 'x'), ('b', 'x'), ('c', 'y'), ('d', 'y')]
    """
    most = max(first_count, second_count)
    places = [-1, -1]
    current: list[Any] = [None, None]
    for index in range(most):
        for side, (pieces, count) in enumerate(((first, first_count), (second, second_count))):
            while places[side] < index * count // most:
                # The length of a file may promise a window more than it holds; then the last one stays
                current[side] = next(pieces, current[side])
                places[side] += 1
        yield current[0], current[1]


def both_orders(reading: Reading, name: str) -> np.ndarray:
    """Average the two orders of each window of a pair, decided in turn as A, B and as B, A.

    Returns:
        Probabilities of A, B and tie, of shape (windows, 3); NaN of a window that has no verdict in one of the orders.
    """
    unread = np.full(len(VERDICTS), np.nan)
    shares = np.array(
        [window.get(name, unread) for window in reading.probabilities], dtype=np.float64
    )  # (2 windows, 3)
    # What the other order calls its A is our B
    return (shares[0::2] + shares[1::2][:, [1, 0, 2]]) / 2


def clearest_window(reading: Reading, name: str, better: Verdict) -> int:
    """Find the number of the window pair that is surest of the verdict on the whole."""
    return int(np.nanargmax(both_orders(reading, name)[:, VERDICTS.index(better)]))


def preference(reading: Reading, name: str) -> dict[str, float] | None:
    """Length-weighted mean over the windows of ``both_orders``, as ``A``, ``B`` and ``tie`` to their probabilities.

    Returns:
        None if no window has a verdict in both orders, which judges that compare in words may lack.
    """
    orders, lengths = both_orders(reading, name), np.array([end - start for start, end in reading.spans[0::2]])
    is_read = ~np.isnan(orders[:, 0])
    if not is_read.any():
        return None
    shares = np.average(orders[is_read], axis=0, weights=lengths[is_read])  # (3,)
    return dict(zip(VERDICTS, (shares / shares.sum()).tolist(), strict=True))


def clearest(shares: dict[str, dict[str, float]]) -> dict[str, Verdict]:
    """Choose the aspects worth naming: those with a winner, the clearest first; the others are ties.

    Example:
        >>> clearest({"noisiness": {"A": 0.8, "B": 0.1, "tie": 0.1}, "loudness": {"A": 0.2, "B": 0.2, "tie": 0.6}})
        {'noisiness': 'A', 'loudness': 'tie'}
    """
    ranked = sorted(shares, key=lambda name: -abs(shares[name]["A"] - shares[name]["B"]))
    verdicts = {name: verdict(shares[name]) for name in ranked}
    won = [name for name in ranked if verdicts[name] != "tie"][:MOST_ASPECTS]
    return {name: verdicts[name] for name in won} | {
        name: cast(Verdict, "tie") for name in ranked if verdicts[name] == "tie"
    }
