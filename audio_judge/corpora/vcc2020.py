"""Read listening tests that publish one line per listener and clip, as the Voice Conversion Challenges do.

The votes of a clip may lie anywhere in the file, so all of them are held in memory; no audio is opened. A listener who
voted more than once for a clip counts once, with the mean of these votes, and is reported.

``extra``: ``raters`` (listener to score), and the columns that are the same in all lines of a clip.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audio_judge.clips import RatedClip
from audio_judge.corpora.rows import (
    OnError,
    Row,
    Split,
    home_of,
    layout_of,
    rating_from_votes,
    read_items,
    read_rows,
    report,
    scale_of,
)
from audio_judge.rubrics.rubric import FIVE, Scale


@dataclass(frozen=True)
class VoteColumns:
    """Which column of a table of votes means what; None where there is none.

    Args:
        clip: Column of the clip, a name or a path.
        listener: Column of who voted; if None, every line is a vote of its own.
        suffix: Put behind a clip's name to make it a path, unless it is there.
    """

    clip: str = "sample_id"
    score: str = "score"
    listener: str | None = "listener_name"
    system: str | None = None
    speaker: str | None = None
    suffix: str = ".wav"

    def used(self) -> list[str]:
        """Columns that must be there."""
        columns = (self.clip, self.score, self.listener, self.system, self.speaker)
        return [column for column in columns if column is not None]


@dataclass
class _Votes:
    row: Row
    common: dict[str, Any]
    scores: list[float] = field(default_factory=list)
    by_listener: dict[str, list[float]] = field(default_factory=dict)
    lines: int = 0


def read_votes(
    path: str | Path,
    columns: VoteColumns | Mapping[str, Any] | None = None,
    *,
    rubric: str = "mos",
    scale: Scale | Sequence[float] = FIVE,
    split: Split = "test",
    root: str | Path | None = None,
    corpus: str = "VCC2020",
    header: list[str] | None = None,
    on_error: OnError = "stop",
) -> Iterator[RatedClip]:
    """Read votes and sum them up per clip.

    Args:
        path: csv, tsv, jsonl or data set, one vote per line.
        columns: What its columns mean, or its fields as plain values; the usual names if None.
        rubric: What was judged, e.g. ``naturalness``.
        scale: Scale of the votes, or its ends; similarity tests of the challenges use 1 to 4.
        root: Folder that the clips' paths start from; that of the table if None.
        header: Names of the columns of a csv that has no header line.
        on_error: What becomes of a vote that is wrong; see ``read_items``.

    Returns:
        Clips in the order of their first vote, with mean, standard deviation over listeners, and votes.

    Raises:
        CorpusError: While reading, on a missing column or a line that is wrong.
    """
    layout = layout_of(VoteColumns, columns or VoteColumns())
    rows = read_rows(path, layout.used(), header)
    folder = home_of(path) if root is None else root
    return _clips(rows, layout, rubric, scale_of(scale), split, folder, corpus, on_error)


def _clips(
    rows: Iterable[Row],
    columns: VoteColumns,
    rubric: str,
    scale: Scale,
    split: Split,
    root: str | Path | None,
    corpus: str,
    on_error: OnError,
) -> Iterator[RatedClip]:
    by_clip = _collect(rows, columns, scale, corpus, on_error)
    total = sum(votes.lines for votes in by_clip.values())
    repeated = sum(len(scores) - 1 for votes in by_clip.values() for scores in votes.by_listener.values())
    for clip, votes in by_clip.items():
        name = clip if clip.endswith(columns.suffix) else clip + columns.suffix
        raters = {listener: sum(scores) / len(scores) for listener, scores in votes.by_listener.items()}
        yield RatedClip(
            path=votes.row.resolve(columns.clip, name, root),
            ratings={rubric: rating_from_votes(votes.scores + list(raters.values()))},
            split=split,
            corpus=corpus,
            system=votes.row.text(columns.system) if columns.system else None,
            speaker=votes.row.text(columns.speaker) if columns.speaker else None,
            extra=({"raters": raters} if raters else {}) | votes.common,
        )
    report(corpus, total, {"are further votes of a listener for the same clip, averaged to one": repeated})


def _collect(
    rows: Iterable[Row], columns: VoteColumns, scale: Scale, corpus: str, on_error: OnError
) -> dict[str, _Votes]:
    by_clip: dict[str, _Votes] = {}
    used = set(columns.used())
    counts: Counter[str] = Counter()

    def vote(row: Row) -> None:
        score = row.number(columns.score, scale.low, scale.high)
        if score is None:
            counts["left out, no score"] += 1
            return
        clip, listener = row.required(columns.clip), row.text(columns.listener) if columns.listener else None
        others = {name: row.values[name] for name in row.values if name not in used and row.has(name)}
        votes = by_clip[clip] if clip in by_clip else _Votes(row, others)
        _check_same(row, votes.row, columns)
        by_clip[clip] = votes
        # What differs between the lines of a clip belongs to its votes, not to the clip
        votes.common = {name: value for name, value in votes.common.items() if others.get(name) == value}
        votes.lines += 1
        if listener is None:
            votes.scores.append(score)
        else:
            votes.by_listener.setdefault(listener, []).append(score)

    list(read_items(rows, vote, corpus, counts, on_error))
    return by_clip


def _check_same(row: Row, first: Row, columns: VoteColumns) -> None:
    for column in (columns.system, columns.speaker):
        if column is not None and row.text(column) != first.text(column):
            problem = f"{column} is {row.text(column)!r}, but {first.text(column)!r} in line {first.line}"
            raise row.error(f"{problem} for the same clip {row.text(columns.clip)!r}")
