"""Read ALLD's captions: descriptions of NISQA's clips that end in the MOS, and A/B tests, written by Llama 3.1 70B.

Published as ``PeacefulData/speech-quality-descriptive-caption``. What its fields are called could not be established; its
authors trained on these files with ms-swift 2, so what that reads is read here, in a file of JSON lines or a JSON list, or
in a data set: ``query``, ``response`` and ``audios`` (a list, or the path in ``<audio>…</audio>`` within the query), or
``messages`` with ``audios``. A row of one clip is a description, of two an A/B test; other names are given as ``columns``.

Decided: ratings in columns ``mos, noi, col, dis, loud`` are taken where they are; else the overall rating is the one that
the description ends in. The winner of an A/B test is the one token, ``[SpeechA]`` or ``[SpeechB]``, of its text, or that of
a column ``answer``, which then becomes the last line of the text. A text without either is left out, counted and reported,
as is a description without a score: nothing is guessed. Paths were written on another machine: from the first folder that
NISQA's corpus has (``NISQA_TRAIN_SIM`` …) they start from ``root``. The texts are model-written; NISQA's licence holds.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from audio_judge.clips import Item, RatedClip, RatedPair, Rating
from audio_judge.corpora import CorpusError
from audio_judge.corpora.rows import OnError, Row, Split, is_blank, read_items, read_rows
from audio_judge.tasks import ParseError, compare, describe

CORPUS = "ALLD"
COLUMNS = {
    "query": "query",
    "text": "response",
    "audio": "audios",
    "messages": "messages",
    "answer": "answer",
    "rejected": "rejected_response",
}
_INLINE = re.compile(r"<audio>(.+?)</audio>")


def read_alld(
    path: str | Path,
    split: Split = "train",
    *,
    root: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    on_error: OnError = "stop",
) -> Iterator[Item]:
    """Read published captions, to be learned with ``describe`` and ``compare``.

    Args:
        path: A file, or a data set: ``hf://datasets/PeacefulData/speech-quality-descriptive-caption:train``.
        split: What the clips are used for; the files do not say.
        root: Folder of the NISQA Corpus; None leaves paths as they are.
        columns: Other names of the fields in ``COLUMNS``, such as ``{"text": "caption", "audio": "file"}``.
        on_error: What becomes of a row that is wrong; see ``read_items``.

    Yields:
        Clips with their overall rating and pairs with their preference, one per text, which is ``extra["caption"]``;
        ``extra["rejected"]`` is the text that was not preferred, where there is one.

    Raises:
        ValueError: If a column is unknown.
        CorpusError: If a row has no text, or another number of clips than one or two.
    """
    if unknown := set(columns or {}) - set(COLUMNS):
        raise ValueError(f"columns {', '.join(sorted(unknown))}; the fields are {', '.join(COLUMNS)}")
    return _captions(path, split, root, COLUMNS | dict(columns or {}), on_error)


def _captions(
    path: str | Path, split: Split, root: str | Path | None, columns: Mapping[str, str], on_error: OnError
) -> Iterator[Item]:
    counts: Counter[str] = Counter()

    def item(row: Row) -> Item | None:
        text, audio = _text(row, columns), _audio(row, columns, root)
        extra = {"caption": text}
        if rejected := row.text(columns["rejected"]):
            extra["rejected"] = rejected
        try:
            if len(audio) == 1:
                return RatedClip(audio[0], _ratings(row, text), split, CORPUS, extra=extra)
            caption = _with_answer(row, text, columns)
            winner = compare.parse(caption).preferred
        except ParseError:
            what = "an A/B test without a winner" if len(audio) == 2 else "a description without a score"
            counts[f"left out, {what}"] += 1
            return None
        first, second = (RatedClip(one, {}, split, CORPUS) for one in audio)
        return RatedPair(first, second, {"mos": winner}, extra | {"caption": caption})

    return read_items(_rows(path), item, f"{CORPUS} {split}", counts, on_error)


def _rows(path: str | Path) -> Iterator[Row]:
    """The rows of a table or a data set, or of a JSON list, as ms-swift reads it too."""
    file = Path(path)
    if (
        not file.is_file()
        or file.suffix.lower() != ".json"
        or not file.read_text(encoding="utf-8").lstrip().startswith("[")
    ):
        yield from read_rows(path)
        return
    try:
        listed = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CorpusError(file, None, f"no JSON ({error}); fetch the file again") from error
    for number, values in enumerate(listed, start=1):
        if not isinstance(values, dict):
            raise CorpusError(
                file, None, f"entry {number} is no object; captions are objects with a text and its clips"
            )
        yield Row(file, number, values)


def _text(row: Row, columns: Mapping[str, str]) -> str:
    if row.has(columns["messages"]) and not row.has(columns["text"]):
        turns = [turn for turn in row.values[columns["messages"]] if turn.get("role") == "assistant"]
        if turns and not is_blank(turns[-1].get("content")):
            return str(turns[-1]["content"]).strip()
    return row.required(columns["text"])


def _audio(row: Row, columns: Mapping[str, str], root: str | Path | None) -> list[str]:
    listed = row.values.get(columns["audio"])
    paths = listed if isinstance(listed, list) else [] if is_blank(listed) else [listed]
    asked = str(row.values.get(columns["query"]) or "")
    asked += " ".join(str(turn.get("content")) for turn in row.values.get(columns["messages"]) or ())
    named = [one.strip() for one in paths or _INLINE.findall(asked) if isinstance(one, str)]
    if len(named) not in (1, 2) or len(named) < len(paths):
        raise row.error(f"{columns['audio']} is {paths!r}; the paths of one or two clips expected")
    return [_below(one, root) for one in named]


def _below(path: str, root: str | Path | None) -> str:
    if root is None:
        return path
    parts = path.replace("\\", "/").split("/")
    corpus = next((at for at, part in enumerate(parts) if re.match(r"NISQA_(?!Corpus)", part)), 0)
    return Path(root, "/".join(parts[corpus:])).as_posix()  # an absolute path without such a folder stays


def _ratings(row: Row, text: str) -> dict[str, Rating]:
    found = {name: row.rating(key, 1, 5) for name, key in describe.META_KEYS.items()}
    known = {name: rating for name, rating in found.items() if rating is not None}
    # Read in any case: a description that ends in no score is none
    return {"mos": Rating(describe.parse(text).mos)} | known


def _with_answer(row: Row, text: str, columns: Mapping[str, str]) -> str:
    """An A/B test that ends in its token, which may stand in a column of its own."""
    answer = row.text(columns["answer"])
    if answer is None or any(token in text for token in compare.TOKENS.values()):
        return text
    return f"{text}\n{compare.TOKENS[compare.parse(answer).preferred]}"
