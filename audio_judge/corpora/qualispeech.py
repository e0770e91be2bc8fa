"""Read QualiSpeech: seven scores per clip, and what listeners wrote about noise, distortion, pauses and the voice.

Published as ``train.csv``, ``val.csv`` and ``test.csv``; the clips are in ``wav/{split}/`` after its merging with BVCC.
The dataset card shows another shape (``audio_path``, ``scores``, ``descriptions``); a data set may have either. Scores
are 1 to 5, higher is better, but for speed, whose middle, 3, is best (1 is slow). "Feeling of voice" is listed among
the scores by some and is text in the card: a number becomes the rating ``feeling_of_voice``, any other text a fact.

``extra``, each where published: ``noise_description``, ``noise_spans``, ``distortion_description``,
``distortion_spans``, ``pause_description``, ``pause_spans`` (spans: [start, end] in seconds, as far as the text names
them), ``feeling_of_voice``, ``description`` (natural language), and any other column.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from audio_judge.batch.data_sets import data_set_place
from audio_judge.clips import Cause, RatedClip, Rating
from audio_judge.corpora import CorpusError
from audio_judge.corpora.rows import OnError, Row, Split, read_items, read_rows, time_spans

CORPUS = "QualiSpeech"
LOW, HIGH = 1.0, 5.0
# Column to rubric: the seven scores
RUBRIC_OF = {
    "Speed": "speed",
    "Naturalness": "naturalness",
    "Background noise": "background_noise",
    "Distortion": "distortion_level",
    "Listening effort": "listening_effort",
    "Continuity": "continuity",
    "Overall quality": "mos",
}
# Column to key of ``extra``
TEXTS = {
    "Noise Description": "noise_description",
    "Distortion description": "distortion_description",
    "Unnatural pause": "pause_description",
    "Natural language description": "description",
}
FEELING = "Feeling of voice"
HEADER = ["id", *RUBRIC_OF, FEELING, *TEXTS]

_FILES: dict[Split, str] = {"train": "train", "validation": "val", "test": "test"}
_SPANS = {"noise_description": "noise_spans", "distortion_description": "distortion_spans"}
_SPANS |= {"pause_description": "pause_spans"}
# The card's nested shape abbreviates the names of the columns.
_CARD_SCORES = {
    "speed": "Speed",
    "naturalness": "Naturalness",
    "noise": "Background noise",
    "background_noise": "Background noise",
    "distortion": "Distortion",
    "effort": "Listening effort",
    "listening_effort": "Listening effort",
    "continuity": "Continuity",
    "overall": "Overall quality",
    "overall_quality": "Overall quality",
}
_CARD_TEXTS = {
    "noise": "Noise Description",
    "noise_description": "Noise Description",
    "distortion": "Distortion description",
    "distortion_description": "Distortion description",
    "unnatural_pause": "Unnatural pause",
    "feeling_of_voice": FEELING,
    "natural_language": "Natural language description",
    "natural_language_description": "Natural language description",
}
_NOTHING = {"no", "none", "nothing", "n/a", "no noise", "no distortion", "no unnatural pause", "no background noise"}


def read_qualispeech(
    path: str | Path, split: Split | None = None, *, root: str | Path | None = None, on_error: OnError = "stop"
) -> Iterator[RatedClip]:
    """Read the clips of QualiSpeech.

    Args:
        path: Folder with the csv files, or a data set with the rows of one split.
        split: None means all three of a folder.
        root: Folder that holds ``wav/``; that of the csv files if None.
        on_error: What becomes of a row that is wrong; see ``read_items``.

    Returns:
        Clips with ratings from 1 to 5 under the names of ``RUBRIC_OF``; a described noise is also a cause.

    Raises:
        ValueError: On the call, if ``split`` is unknown, or a data set comes without.
        CorpusError: On the call, if a file is missing; while reading, on a row that is wrong.
    """
    if split is not None and split not in _FILES:
        raise ValueError(f"split is {split!r}; one of {', '.join(_FILES)} or None expected")
    if data_set_place(str(path)) is not None:
        if split is None:
            raise ValueError(f"{path}: which split? Give train, validation or test")
        return _clips(read_rows(path), split, root, on_error)
    splits = list(_FILES) if split is None else [split]
    for name in splits:
        if not (Path(path) / f"{_FILES[name]}.csv").is_file():
            problem = f"{_FILES[name]}.csv is missing; get tsinghua-ee/QualiSpeech from the Hub and give its folder"
            raise CorpusError(path, None, problem)
    return _files(Path(path), splits, path if root is None else root, on_error)


def _files(folder: Path, splits: list[Split], root: str | Path, on_error: OnError) -> Iterator[RatedClip]:
    for split in splits:
        required = ["id", *RUBRIC_OF]
        yield from _clips(read_rows(folder / f"{_FILES[split]}.csv", required), split, root, on_error)


def _flat(row: Row) -> Row:
    """Bring the card's nested shape to that of the csv."""
    scores, texts = row.values.get("scores"), row.values.get("descriptions")
    if not isinstance(scores, Mapping):
        return row
    values: dict[str, Any] = {name: row.values[name] for name in row.values if name not in {"scores", "descriptions"}}
    for part, names in ((scores, _CARD_SCORES), (texts or {}, _CARD_TEXTS)):
        for name, value in dict(part).items():
            values[names.get(str(name).lower().replace(" ", "_"), str(name))] = value
    return Row(row.path, row.line, values)


def _clips(rows: Iterable[Row], split: Split, root: str | Path | None, on_error: OnError) -> Iterator[RatedClip]:
    counts: Counter[str] = Counter()

    def clip(given: Row) -> RatedClip:
        row = _flat(given)
        ratings = _ratings(row)
        path = _path(row, split, root)
        made = RatedClip(
            path=path,
            ratings=ratings,
            split=split,
            corpus=CORPUS,
            causes=_causes(row),
            system=_system(path),
            extra=_extra(row),
        )
        counts["lack one of the seven scores"] += not set(RUBRIC_OF.values()) <= set(ratings)
        return made

    return read_items(rows, clip, f"{CORPUS} {split}", counts, on_error)


def _ratings(row: Row) -> dict[str, Rating]:
    columns = dict(RUBRIC_OF)
    if _is_number(row.text(FEELING)):
        columns[FEELING] = "feeling_of_voice"
    found = {rubric: row.rating(column, LOW, HIGH) for column, rubric in columns.items()}
    ratings = {rubric: rating for rubric, rating in found.items() if rating is not None}
    if "mos" not in ratings:
        raise row.error(f"Overall quality is {row.values.get('Overall quality')!r}; a number from 1 to 5 expected")
    return ratings


def _is_number(text: str | None) -> bool:
    return text is not None and text.replace(".", "", 1).isdigit()


def _path(row: Row, split: Split, root: str | Path | None) -> str:
    for column in ("audio_path", "audio"):
        if row.has(column):
            return row.audio(column, root)
    name = row.required("id")
    name = name if Path(name).suffix else f"{name}.wav"
    return row.resolve("id", f"wav/{_FILES[split]}/{name}", root)


def _system(path: str) -> str | None:
    """The clips that come from BVCC are named ``sysSYSTEM-UTTERANCE.wav``; others have no system in their name."""
    system, hyphen, _ = Path(path).stem.partition("-")
    return system if hyphen and system.startswith("sys") else None


def _described(row: Row, column: str) -> str | None:
    text = row.text(column)
    return None if text is None or text.lower().rstrip(".") in _NOTHING else text


def _causes(row: Row) -> tuple[Cause, ...]:
    noise = _described(row, "Noise Description")
    return () if noise is None else (Cause("noise", {"description": noise}, time_spans(noise)),)


def _extra(row: Row) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    for column, key in TEXTS.items():
        text = _described(row, column)
        if text is not None:
            extra[key] = text
            spans = time_spans(text)
            if spans and key in _SPANS:
                extra[_SPANS[key]] = [list(span) for span in spans]
    if row.has(FEELING) and not _is_number(row.text(FEELING)):
        extra["feeling_of_voice"] = row.required(FEELING)
    used = {*HEADER, "audio_path", "audio"} - {"id"}  # which stays in ``extra``
    return extra | {name: row.values[name] for name in row.values if name not in used and row.has(name)}
