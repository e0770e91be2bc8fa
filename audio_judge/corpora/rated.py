"""Read a table of clips with single votes, one row per clip and rubric.

Columns: ``path``, ``split``, ``rubric``, ``scale_low``, ``scale_high``, ``votes`` (numbers separated by spaces, one per rater);
where they are there, ``source`` is the corpus, ``speaker_or_system`` the speaker, ``raters`` who voted (names separated by
spaces, as many as votes), and what else there is becomes ``extra``. ``extra["raters"]`` is rubric to rater to vote, where it is known.
Higher is better. Votes are brought to the scales of our rubrics, and training learns their shares as they are.

Rubrics are called as ours are, or as ``NAMES`` says: ``prosodic`` is our ``prosody``, and ``intelligibility`` of single words,
for which a vote says whether the word was heard, is ``word_intelligibility`` (our ``intelligibility`` goes from 1 to 5). Rows
about anything else, such as taste in music, are left out, counted and reported.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from audio_judge.clips import RatedClip, Rating
from audio_judge.corpora import CorpusError
from audio_judge.corpora.rows import OnError, Row, Split, home_of, name_of, rating_from_votes, read_items, read_rows
from audio_judge.rubrics.rubric import ALL_RUBRICS, Scale, convert, get_rubric

NAMES = {"prosodic": "prosody", "intelligibility": "word_intelligibility"}
TABLE = "ratings.csv"
_REQUIRED = ("path", "split", "rubric", "scale_low", "scale_high", "votes")
# Of one rating, not of the clip
_OF_RATING = ("mean", "std", "n_votes")
_USED = {*_REQUIRED, *_OF_RATING, "source", "speaker_or_system", "raters"}


def read_rated(
    path: str | Path,
    split: Split | None = None,
    *,
    root: str | Path | None = None,
    names: Mapping[str, str] = NAMES,
    panels: Mapping[str, int] | None = None,
    on_error: OnError = "stop",
) -> Iterator[RatedClip]:
    """Read the clips of a table.

    Args:
        path: The table, or the folder that holds ``ratings.csv``.
        split: None for all.
        root: Folder that paths in it start from; if None, the nearest one above the table in which the first clip lies.
        names: Rubric of the table to ours; others keep their names.
        panels: Corpus to the number of its raters, where the same ones voted for every clip, always in the same order, such as
            ``{"speechocean762": 5}``; where one of them is missing, nobody knows who.
        on_error: What becomes of a row that is wrong; see ``read_items``.

    Returns:
        Clips in the order of the table, each with all its ratings: mean, standard deviation, and the single votes.

    Raises:
        CorpusError: While reading, on a missing column, a row that is wrong, or if no row has a rubric of ours.
    """
    table = Path(path) / TABLE if Path(path).is_dir() else path
    return _clips(read_rows(table, _REQUIRED), table, split, root, names, panels or {}, on_error)


def _clips(
    rows: Iterable[Row],
    table: str | Path,
    split: Split | None,
    root: str | Path | None,
    names: Mapping[str, str],
    panels: Mapping[str, int],
    on_error: OnError,
) -> Iterator[RatedClip]:
    found: dict[str, RatedClip] = {}
    counts: Counter[str] = Counter()
    total = 0

    def add(row: Row) -> None:
        nonlocal root, total
        total += 1
        told = row.required("rubric")
        rubric = names.get(told, told)
        if rubric not in ALL_RUBRICS:
            counts["left out, no rubric of ours"] += 1
            return
        root = _root(table, row) if root is None else root
        name, own, rating = row.required("path"), row.split("split"), _rating(row, rubric)
        clip = found[name] if name in found else RatedClip(
            path=row.audio("path", root),
            ratings={},
            split=own,
            corpus=row.text("source") or name_of(table),
            speaker=row.text("speaker_or_system"),
            extra={name: row.values[name] for name in row.values if name not in _USED and row.has(name)},
        )  # fmt: skip
        if clip.split != own:
            raise row.error(f"split is {own}, but {clip.split} in another row of the clip; a clip has one split")
        raters = _raters(row, rating.single, panels.get(clip.corpus))
        found[name] = clip
        clip.ratings[rubric] = rating
        if raters:
            clip.extra.setdefault("raters", {})[rubric] = dict(zip(raters, rating.single, strict=True))

    list(read_items(rows, add, name_of(table), counts, on_error))
    if not found:
        raise CorpusError(table, None, f"none of {total} rows has a rubric of ours; see `audio-judge ls rubrics`")
    yield from (clip for clip in found.values() if split in (None, clip.split))


def _rating(row: Row, rubric: str) -> Rating:
    low, high = row.number("scale_low"), row.number("scale_high")
    if low is None or high is None or low >= high:
        raise row.error(f"the scale goes from {low} to {high}; two numbers, the lower one first, expected")
    source, target = Scale(low, high), get_rubric(rubric).scale
    votes = [row.as_number("votes", vote, low, high) for vote in row.required("votes").split()]
    return rating_from_votes(round(convert(vote, source, target), 6) for vote in votes)


def _raters(row: Row, votes: Collection[float], panel: int | None) -> list[str]:
    """Who gave each vote, if that is known."""
    named = (row.text("raters") or "").split()
    if named and (len(named) != len(votes) or len(set(named)) != len(named)):
        raise row.error(
            f"{len(votes)} votes and raters {' '.join(named)}; as many raters as votes, each once, expected"
        )
    return named or ([f"rater {k + 1}" for k in range(panel)] if panel == len(votes) else [])


def _root(table: str | Path, row: Row) -> str | Path | None:
    """The nearest folder above a table in which the clip of a row lies; its own if there is none."""
    home = home_of(table)
    if home is None:
        return None
    above = (home, *home.resolve().parents)
    return next((folder for folder in above if (folder / row.required("path")).is_file()), home)
