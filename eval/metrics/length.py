"""What a judge knows beyond the length of a clip, on which some ratings hang: who reads haltingly takes longer."""

from collections.abc import Sequence

import numpy as np

from .agreement import pearson_correlation
from .answers import as_numbers, as_truth, check_lengths, coverage, fill_scores
from .registry import metric


@metric("timed_scores", needs="the lengths of the clips", PCC_beyond_length=True)
def agreement_beyond_length(
    predictions: Sequence[float | None] | np.ndarray,
    references: Sequence[float] | np.ndarray,
    seconds: Sequence[float] | np.ndarray,
    *,
    low: float | None = None,
    high: float | None = None,
) -> dict[str, float]:
    """Measure the partial correlation of scores and ratings, the logarithm of the clips' lengths held constant.

    That is Pearson's correlation of what is left of both after a least-squares line through log seconds. A missing score
    counts as the end of the scale farther away.

    Args:
        predictions: Scores, None or NaN where the judge gave none.
        references: Listeners' mean ratings, on the same scale.
        seconds: Lengths of the clips, above 0.
        low, high: Ends of the scale; needed if a score is missing.

    Returns:
        ``PCC_beyond_length``, 0 if nothing but a line through log seconds was predicted, ``n`` and ``coverage``.

    Example:
        Scores that follow the length alone, and ratings that also follow something else:

        >>> agreement_beyond_length([3, 2, 1, 3, 2, 1], [3, 2, 1, 5, 4, 3], np.exp([1, 2, 3, 1, 2, 3]))["PCC_beyond_length"]
        0.0
    """
    check_lengths(predictions=predictions, references=references)
    check_lengths(predictions=predictions, seconds=seconds)
    given, truth = as_numbers(predictions), as_truth(references)  # (clips,)
    filled = fill_scores(given, truth, low, high)
    length = np.log(np.asarray(seconds, dtype=float))
    left = [values - np.polyval(np.polyfit(length, values, 1), length) for values in (filled, truth)]
    # Rounded, because the last bits of what a line explains altogether correlate with nothing and everything
    found = pearson_correlation(np.round(left[0], 9), left[1]) if len(truth) > 2 else np.nan
    return {"PCC_beyond_length": found} | coverage(~np.isnan(given))
