"""Cause faithfulness: do the causes that are named match those that are known?"""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from sklearn.metrics import precision_recall_fscore_support
from sklearn.preprocessing import MultiLabelBinarizer

from .answers import check_lengths, coverage
from .registry import metric


@metric(
    "causes",
    precision_micro=True,
    recall_micro=True,
    F1_micro=True,
    precision_macro=True,
    recall_macro=True,
    F1_macro=True,
    F1_random=None,
    exact=True,
    top_causes_share=False,
)
def cause_faithfulness(
    named: Sequence[Iterable[str] | None], known: Sequence[Iterable[str]]
) -> dict[str, float | dict[str, dict[str, float]]]:
    """Compare the kinds of causes named for each clip with those known; who does not answer names none.

    Args:
        named: Kinds named per clip, None where the judge gave no explanation.
        known: Kinds known per clip; empty for a clean one.

    Returns:
        ``precision_…``, ``recall_…`` and ``F1_…`` as ``micro`` (over all mentions) and ``macro`` (mean over kinds that are
        named or known); ``F1_random``, the micro F1 to expect if explanations were dealt to clips at random: one that is the
        same for all has just that; ``exact`` (share of clips with just the known set, an answer given); ``top_causes_share``,
        the share of answers that name the most common set; ``kinds``: kind to ``precision, recall, F1, known, named``;
        ``coverage``, ``n``, ``n_answered``. Figures without a mention are 0.

    Raises:
        ValueError: If no cause is named or known.

    Example:
        By hand: noise is named twice, once rightly; echo is missed.

        >>> found = cause_faithfulness([["noise"], ["noise"]], [["noise"], ["echo"]])
        >>> found["F1_micro"], found["F1_random"], round(found["F1_macro"], 3), found["top_causes_share"]
        (0.5, 0.5, 0.333, 1.0)
    """
    check_lengths(named=named, known=known)
    answers = [None if kinds is None else frozenset(kinds) for kinds in named]
    truths = [frozenset(kinds) for kinds in known]
    binarizer = MultiLabelBinarizer()
    # Fitted on both sides, as a kind that is only named needs its column, too
    true = binarizer.fit_transform([*truths, *(kinds or () for kinds in answers)])[: len(truths)]
    if not len(binarizer.classes_):
        raise ValueError(f"no cause is named or known in {len(truths)} clips; leave the measure out")
    given = binarizer.transform([kinds or () for kinds in answers])  # as true, (clips, kinds)
    kinds = dict(zip(binarizer.classes_.tolist(), map(_figures, true.T, given.T), strict=True))
    micro = _figures(true.ravel(), given.ravel())
    result: dict[str, float | dict[str, dict[str, float]]] = {}
    for name in ("precision", "recall", "F1"):
        result |= {f"{name}_micro": micro[name], f"{name}_macro": float(np.mean([k[name] for k in kinds.values()]))}
    spoken = [kinds for kinds in answers if kinds is not None]
    counts = given.sum(axis=0), true.sum(axis=0)  # (kinds,)
    # Dealt at random, a kind is named and known together in named x known / n clips; F1 is 2 hits / (named + known)
    result |= {
        "F1_random": float(2 * (counts[0] @ counts[1]) / len(truths) / (counts[0].sum() + counts[1].sum())),
        "exact": float(np.mean([answer == truth for answer, truth in zip(answers, truths, strict=True)])),
        "top_causes_share": Counter(spoken).most_common(1)[0][1] / len(spoken) if spoken else np.nan,
        "kinds": kinds,
    }
    return result | coverage([kinds is not None for kinds in answers])


def _figures(true: np.ndarray, given: np.ndarray) -> dict[str, float]:
    # Column by column, because sklearn takes a matrix of one column for two classes
    precision, recall, f1, _ = precision_recall_fscore_support(true, given, average="binary", zero_division=0)
    figures = {"precision": float(precision), "recall": float(recall), "F1": float(f1)}
    return figures | {"known": int(true.sum()), "named": int(given.sum())}
