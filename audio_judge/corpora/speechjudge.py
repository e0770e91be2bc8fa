"""Read SpeechJudge-Data: pairs of synthesised speech that several raters compared for naturalness, with ties.

Published on the Hub as parquet with the audio in it. Its splits are ``train``, ``dev`` (our validation), ``test`` and
``other``, the rest that no split took, which we count as training.

Decided: the label is A, B or Tie in any case, and it wins over the raters' annotations where these say something else
(counted and reported); a pair without a label takes the raters' majority if there is one, else it is left out, counted
and reported; blank annotations are no votes. ``RatedPair.preferences`` has ``naturalness`` only: raters were not asked
for the quality overall.

``extra`` of a pair: ``index, subset, language, chosen`` (bool: the raters agreed well enough), ``prompt`` (path of the
voice to imitate), ``prompt_text``, ``target_text``, ``raters``, ``annotations`` (as published), ``margins`` (per vote,
-2 to 2: positive prefers A), ``margin`` (their mean), ``margin_std``, ``votes``, ``published_split``, and any other
column. ``extra`` of a clip: ``text_accuracy`` (one number per rater: share of the text, or 1 and 0 for right and wrong)
and ``text``.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from audio_judge.clips import RatedClip, RatedPair
from audio_judge.corpora.rows import (
    PREFERENCE_NAMES,
    OnError,
    Row,
    Split,
    home_of,
    is_blank,
    preference_name,
    rating_from_votes,
    read_items,
    read_rows,
)

CORPUS = "SpeechJudge"
RUBRIC = "naturalness"
# Published split to ours
SPLIT_OF: dict[str, Split] = {"train": "train", "dev": "validation", "test": "test", "other": "train"}

_CONSUMED = {"audioA", "audioB", "audioA_text_accuracy", "audioB_text_accuracy", "naturalness_label", "prompt"}
_CONSUMED |= {"naturalness_annotation", "rater", "language_setting"}
_WORDS = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0, "correct": 1.0, "incorrect": 0.0}
_NO_LABEL = "have no label; their raters' majority taken"


def read_speechjudge(
    path: str | Path,
    split: str,
    *,
    root: str | Path | None = None,
    only_chosen: bool = False,
    on_error: OnError = "stop",
) -> Iterator[RatedPair]:
    """Read pairs from a data set or a jsonl with the published fields.

    Args:
        path: The data set (``hf://datasets/OWNER/NAME:SPLIT``, or its folder), or the file of one split with audio as
            paths.
        split: Published split: ``train``, ``dev`` (or ``validation``), ``test`` or ``other``.
        root: Folder that paths start from; that of the file if None.
        only_chosen: Only the pairs with good agreement of the raters; how many are left out is reported.
        on_error: What becomes of a row that is wrong; see ``read_items``.

    Returns:
        Pairs with the preference in ``naturalness``.

    Raises:
        ValueError: On the call, if ``split`` is unknown.
        CorpusError: While reading, on a row that is wrong.
    """
    published = "dev" if split == "validation" else split
    if published not in SPLIT_OF:
        raise ValueError(f"split is {split!r}; one of {', '.join(SPLIT_OF)} expected")
    rows = read_rows(path, ["audioA", "audioB", "naturalness_label"])
    return _pairs(rows, published, home_of(path) if root is None else root, only_chosen, on_error)


def _pairs(
    rows: Iterable[Row], split: str, root: str | Path | None, only_chosen: bool, on_error: OnError
) -> Iterator[RatedPair]:
    counts: Counter[str] = Counter()

    def pair(row: Row) -> RatedPair | None:
        if only_chosen and not _is_chosen(row):
            counts["left out, raters did not agree"] += 1
            return None
        margins = _margins(row, counts)
        preference = _preference(row, margins, counts)
        if preference is None:
            counts["left out, no label and no majority of raters"] += 1
            return None
        first = _clip(row, "A", split, root, counts)
        second = _clip(row, "B", split, root, counts)
        return RatedPair(first, second, {RUBRIC: preference}, _extra(row, split, root, margins))

    return read_items(rows, pair, f"{CORPUS} {split}", counts, on_error)


def _is_chosen(row: Row) -> bool:
    text = row.required("chosen").lower()
    if text not in {"true", "false", "1", "0"}:
        raise row.error(f"chosen is {text!r}; true or false expected")
    return text in {"true", "1"}


def _margins(row: Row, counts: Counter[str]) -> list[int]:
    """Turn ``A+2 (…)``, ``B+1`` and ``Tie (…)`` into 2, -1 and 0."""
    annotations = _list(row, "naturalness_annotation")
    margins = []
    for annotation in annotations:
        if is_blank(annotation):
            continue
        match = re.match(r"\s*(?:([AB])\s*\+\s*(\d)|(tie))\b", str(annotation), re.IGNORECASE)
        if match is None or (match[2] is not None and not 1 <= int(match[2]) <= 2):
            raise row.error(f"naturalness_annotation has {annotation!r}; A+1, A+2, B+1, B+2 or Tie expected")
        margins.append(0 if match[3] else int(match[2]) * (1 if match[1].upper() == "A" else -1))
    if len(margins) < len(annotations):
        counts["have a rater without an annotation, who is no vote"] += 1
    return margins


def _list(row: Row, column: str) -> list[Any]:
    value = row.values.get(column)
    if value is None:
        return []
    if not isinstance(value, list):
        raise row.error(f"{column} is {value!r}; a list with one entry per rater expected")
    return value


def _preference(row: Row, margins: list[int], counts: Counter[str]) -> str | None:
    votes = Counter("A" if margin > 0 else "B" if margin < 0 else "tie" for margin in margins)
    ranked = votes.most_common(2)
    clear = bool(ranked) and (len(ranked) == 1 or ranked[0][1] > ranked[1][1])
    majority = ranked[0][0] if clear else None
    if not row.has("naturalness_label"):
        counts[_NO_LABEL] += majority is not None
        return majority
    label = preference_name(row, "naturalness_label", PREFERENCE_NAMES)
    if majority is not None and majority != label:
        counts["have a label that is not their raters' majority; the label is kept"] += 1
    return label


def _clip(row: Row, side: str, split: str, root: str | Path | None, counts: Counter[str]) -> RatedClip:
    extra: dict[str, Any] = {}
    accuracy = [_accuracy(row, side, value) for value in _list(row, f"audio{side}_text_accuracy")]
    given = [value for value in accuracy if value is not None]
    if len(given) < len(accuracy):
        counts[f"have a rater without a text accuracy of {side}"] += 1
    if given:
        extra["text_accuracy"] = given
    if row.has("target_text"):
        extra["text"] = row.required("target_text")
    return RatedClip(row.audio(f"audio{side}", root), {}, SPLIT_OF[split], CORPUS, extra=extra)


def _accuracy(row: Row, side: str, value: Any) -> float | None:
    """Read the accuracy of one rater, which is published as text, number or bool."""
    if is_blank(value):
        return None
    if isinstance(value, bool):
        return float(value)
    text = str(value).strip().lower()
    return _WORDS[text] if text in _WORDS else row.as_number(f"audio{side}_text_accuracy", value)


def _extra(row: Row, split: str, root: str | Path | None, margins: list[int]) -> dict[str, Any]:
    extra = {name: row.values[name] for name in row.values if name not in _CONSUMED and row.has(name)}
    extra["published_split"] = split
    if row.has("chosen"):
        extra["chosen"] = _is_chosen(row)
    if row.has("language_setting"):
        extra["language"] = row.required("language_setting")
    if row.has("prompt"):
        extra["prompt"] = row.audio("prompt", root)
    if row.has("rater"):
        extra["raters"] = _list(row, "rater")
    if margins:
        summary = rating_from_votes(margins)
        extra |= {"annotations": row.values["naturalness_annotation"], "margins": margins}
        extra |= {"margin": summary.value, "margin_std": summary.std, "votes": summary.votes}
    return extra
