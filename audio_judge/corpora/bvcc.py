"""Read BVCC and lists in its style: synthesised and converted voices with an overall rating from 1 to 5.

Three layouts are known by their content: a csv with ``wav_path, system_id, sample_id, avg_score``; the same with
``score`` and ``listener_id``, one line per vote; and the challenge's own lists without a header
(``train_mos_list.txt``: ``sys…-utt….wav,3.5``, and ``TRAINSET`` / ``DEVSET``: ``system,wav,score,_,listener``). There
is one file per split.

``extra``: ``sample_id``, ``raters`` (listener to score, where votes are published), and any other column.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from audio_judge.batch.data_sets import data_set_place
from audio_judge.clips import RatedClip, Rating
from audio_judge.corpora import CorpusError
from audio_judge.corpora.rows import OnError, Row, Split, home_of, read_items, read_rows
from audio_judge.corpora.vcc2020 import VoteColumns, read_votes

CORPUS = "BVCC"
LOW, HIGH = 1.0, 5.0
_VOTES_HEADER = ["system_id", "wav_path", "score", "", "listener_id"]  # the fourth column has no use here


def read_bvcc(
    path: str | Path,
    split: Split,
    *,
    root: str | Path | None = None,
    corpus: str = CORPUS,
    on_error: OnError = "stop",
) -> Iterator[RatedClip]:
    """Read the clips of one list.

    Args:
        path: The list of one split, or a data set with the columns of one.
        split: Which split it is; the lists do not say.
        root: Folder that the clips' paths start from; that of the list if None. The challenge's own lists need its
            ``wav`` folder.
        on_error: What becomes of a line that is wrong; see ``read_items``.

    Returns:
        Clips with ``mos``, with standard deviation and votes where single votes are published.

    Raises:
        CorpusError: On the call, if the file is missing or in another layout; while reading, on a line that is wrong.
    """
    columns = _first_line(path)
    folder = home_of(path) if root is None else root
    if "avg_score" in columns:
        return _clips(read_rows(path, ["wav_path", "avg_score"]), split, folder, corpus, on_error)
    if {"wav_path", "score"} <= set(columns):
        listener = "listener_id" if "listener_id" in columns else None
        system = "system_id" if "system_id" in columns else None
        votes = VoteColumns(clip="wav_path", listener=listener, system=system)
        return read_votes(path, votes, split=split, root=folder, corpus=corpus, on_error=on_error)
    if len(columns) == 2 and columns[0].endswith(".wav"):
        return _clips(read_rows(path, header=["wav_path", "avg_score"]), split, folder, corpus, on_error)
    if len(columns) == 5 and columns[1].endswith(".wav"):
        votes = VoteColumns(clip="wav_path", listener="listener_id", system="system_id")
        header = _VOTES_HEADER
        return read_votes(path, votes, split=split, root=folder, corpus=corpus, header=header, on_error=on_error)
    raise CorpusError(path, 1, f"columns are {', '.join(columns)}; wav_path, system_id, sample_id, avg_score expected")


def _first_line(path: str | Path) -> list[str]:
    if data_set_place(str(path)) is not None:
        return list(next(read_rows(path)).values)
    if not Path(path).is_file():
        raise CorpusError(path, None, "no such file; BVCC is the main track of the VoiceMOS Challenge 2022")
    with Path(path).open(encoding="utf-8-sig") as file:
        return [name.strip() for name in file.readline().split(",")]


def _clips(
    rows: Iterable[Row], split: Split, root: str | Path | None, corpus: str, on_error: OnError
) -> Iterator[RatedClip]:
    counts: Counter[str] = Counter()

    def clip(row: Row) -> RatedClip | None:
        score = row.number("avg_score", LOW, HIGH)
        if score is None:
            counts["left out, no score"] += 1
            return None
        used = {"wav_path", "system_id", "avg_score"}
        path = row.audio("wav_path", root)
        return RatedClip(
            path=path,
            ratings={"mos": Rating(score)},
            split=split,
            corpus=corpus,
            system=row.text("system_id") or system_of(path),
            extra={name: row.values[name] for name in row.values if name not in used and row.has(name)},
        )

    return read_items(rows, clip, corpus, counts, on_error)


def system_of(path: str) -> str | None:
    """BVCC's clips are named ``SYSTEM-UTTERANCE.wav``, with exactly one hyphen."""
    system, hyphen, utterance = Path(path).stem.partition("-")
    return system if hyphen and "-" not in utterance else None
