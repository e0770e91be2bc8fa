"""Reader of what ``audio-judge caption`` wrote: descriptions and comparisons of rated clips."""

from collections.abc import Iterator
from pathlib import Path

from audio_judge.clips import Item, RatedClip, RatedPair, Rating
from audio_judge.corpora import CorpusError
from audio_judge.corpora.rows import Split, read_rows


def read_captions(path: str | Path, split: Split = "train", *, corpus: str = "captions") -> Iterator[Item]:
    """Read captions, to be learned with ``describe`` and ``compare``.

    Yields:
        Clips with their overall rating and pairs with their preferences, one per caption, which is
        ``extra["caption"]``.

    Raises:
        CorpusError: If a row is no caption.
    """
    for row in read_rows(path, ["task", "audio", "text", "truth"]):
        audio, truth = row.values["audio"], row.values["truth"]
        extra = {"caption": row.required("text")}
        if row.values["task"] == "describe" and isinstance(truth, int | float) and len(audio) == 1:
            yield RatedClip(audio[0], {"mos": Rating(float(truth))}, split, corpus, extra=extra)
        elif row.values["task"] == "compare" and isinstance(truth, dict) and len(audio) == 2:
            first, second = (RatedClip(one, {}, split, corpus) for one in audio)
            yield RatedPair(first, second, truth, extra)
        else:
            raise CorpusError(row.path, row.line, "no caption of one clip with its score or of two with their verdicts")
