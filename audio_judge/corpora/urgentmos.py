"""Read the lists of UrgentMOS and the URGENT 2026 challenge: many corpora of rated speech in one form, with measures beside.

JSON lines with ``audio_path, sample_id, system_id, duration`` and ``metrics``, where ``mos`` is what people said, from 1 to 5,
and the others (``nisqa_mos``, ``utmos``, ``dnsmos_ovrl`` …) are what measures computed: these are no ratings, unless
``ratings`` names them. No clip has all. A data set of theirs has the metrics as columns of their own, and ``audio``.

Paths are those of the machine that prepared the lists: clips that are not there are looked for below ``root``, by the end of
their path or by name. ``extra``: ``sample_id``, ``metrics`` (those that became no rating), and any other column.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from audio_judge.clips import RatedClip, Rating
from audio_judge.corpora.rows import Found, OnError, Row, Split, home_of, name_of, read_items, read_rows
from audio_judge.rubrics.rubric import get_rubric

RATINGS = {"mos": "mos"}
_PATHS = ("audio_path", "wav_path", "audio")
_USED = {*_PATHS, "metrics", "system_id"}


def read_urgentmos(
    path: str | Path,
    split: Split = "train",
    *,
    root: str | Path | None = None,
    ratings: Mapping[str, str] = RATINGS,
    corpus: str = "",
    on_error: OnError = "stop",
) -> Iterator[RatedClip]:
    """Read the clips of one list.

    Args:
        path: The list, or a data set with its columns.
        split: Which split it is; the lists do not say.
        root: Folder that paths start from and clips are looked for below; that of the list if None.
        ratings: Metric to our rubric, on whose scale it is.
        corpus: Name of the corpus; that of the list if empty.
        on_error: What becomes of a row that is wrong; see ``read_items``.

    Returns:
        Clips with the ratings that they have; one without any is left out, counted and reported.

    Raises:
        ValueError: On the call, if a rubric is unknown.
        CorpusError: While reading, on a row that is wrong.
    """
    scales = {metric: get_rubric(rubric) for metric, rubric in ratings.items()}
    folder, name = home_of(path) if root is None else root, corpus or name_of(path)
    below, counts = Found(folder), Counter[str]()

    def clip(row: Row) -> RatedClip | None:
        metrics = _metrics(row)
        measured = Row(row.path, row.line, metrics)
        found = {rubric.name: measured.number(metric, rubric.low, rubric.high) for metric, rubric in scales.items()}
        rated = {rubric: Rating(value) for rubric, value in found.items() if value is not None}
        if not rated:
            counts[f"left out, no {' nor '.join(ratings)}"] += 1
            return None
        column = next((column for column in _PATHS if column in row.values), _PATHS[0])
        place = row.audio(column, folder)
        others = {name: row.values[name] for name in row.values if name not in {*_USED, *ratings} and row.has(name)}
        unused = {metric: value for metric, value in metrics.items() if metric not in ratings}
        return RatedClip(
            below.find(row, column, place) or place,
            rated,
            split,
            name,
            system=row.text("system_id"),
            extra=others | ({"metrics": unused} if unused and "metrics" in row.values else {}),
        )

    return read_items(read_rows(path), clip, name, counts, on_error)


def _metrics(row: Row) -> Mapping[str, Any]:
    metrics = row.values.get("metrics", row.values)
    if not isinstance(metrics, Mapping):
        raise row.error(f"metrics is {metrics!r}; an object of names and numbers expected")
    return metrics
