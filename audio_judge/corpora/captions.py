"""Reader of what ``audio-judge caption`` wrote: descriptions and comparisons of rated clips."""

from collections.abc import Iterator
from pathlib import Path

from audio_judge.clips import Item, RatedClip, RatedPair, Rating
from audio_judge.corpora.rows import OnError, Row, Split, read_items, read_rows


def read_captions(
    path: str | Path, split: Split = "train", *, corpus: str = "captions", on_error: OnError = "stop"
) -> Iterator[Item]:
    """Read captions, to be learned with ``describe`` and ``compare``.

    Yields:
        Clips with their overall rating and pairs with their preferences, one per caption, which is
        ``extra["caption"]``.

    Raises:
        CorpusError: If a row is no caption.
    """

    def item(row: Row) -> Item:
        audio, truth = row.values["audio"], row.values["truth"]
        extra = {"caption": row.required("text")}
        if row.values["task"] == "describe" and isinstance(truth, int | float) and len(audio) == 1:
            return RatedClip(audio[0], {"mos": Rating(float(truth))}, split, corpus, extra=extra)
        if row.values["task"] == "compare" and isinstance(truth, dict) and len(audio) == 2:
            first, second = (RatedClip(one, {}, split, corpus) for one in audio)
            return RatedPair(first, second, truth, extra)
        raise row.error("no caption of one clip with its score or of two with their verdicts")

    return read_items(read_rows(path, ["task", "audio", "text", "truth"]), item, corpus, on_error=on_error)
