"""Labels of a measure for clips that nobody rated, to train on: Jastin's pseudo-labels, on the scales of our rubrics."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from audio_judge.audio import AudioError
from audio_judge.batch import lines
from audio_judge.batch.find import find_items
from audio_judge.rubrics.rubric import convert, get_rubric

from .peers import LoadedPeer, load_peer


def label_clips(places: list[str], peer: str, out: Path) -> tuple[int, int]:
    """Write a peer's scores of clips as JSON lines that the reader ``table`` takes; those that are there are kept.

    Args:
        places: Files, folders, globs or lists of clips.
        peer: Name of a peer that needs no reference.
        out: File to write or to go on with.

    Returns:
        Number of clips scored now, and of those that could not be: their rows have an ``error``, and null for scores.

    Raises:
        UsageError: If the peer is not to be had, or a list cannot be read.
    """
    # Whole paths, as a table's own start from its folder
    paths = [str(Path(item.path).resolve()) for item in find_items(places) if item.path]
    known = {row["path"] for _, row in lines.read(out)} if out.exists() else set()
    loaded = load_peer(peer)
    counts = [0, 0]
    with lines.Appender(out) as file:
        for row in _rows((path for path in paths if path not in known), loaded):
            file.write(row)
            counts["error" in row] += 1
    return counts[0], counts[1]


def _rows(paths: Iterable[str], peer: LoadedPeer) -> Iterator[dict[str, Any]]:
    for path in paths:
        try:
            scores = peer.score(path)
        except AudioError as error:
            yield {"path": path} | dict.fromkeys(peer.peer.rubrics) | {"error": str(error)}
            continue
        scaled = {name: convert(value, peer.peer.scale, get_rubric(name).scale) for name, value in scores.items()}
        yield {"path": path} | {
            name: round(min(max(value, get_rubric(name).low), get_rubric(name).high), 4)
            for name, value in scaled.items()
        }
