"""Read the NISQA Corpus: speech at 48 kHz, five ratings per clip, and what the simulation did to it.

Only the tables are read; audio stays as published (48 kHz) and is not opened. Per-set tables
(``NISQA_TRAIN_SIM_file.csv`` …) come first because only they hold the simulation columns; ``NISQA_corpus_file.csv``
fills in the sets that have no table of their own.

Left out: the per-condition table ``NISQA_corpus_con.csv``, which is the mean of these rows over ``condition``.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from audio_judge.clips import Cause, RatedClip, Rating
from audio_judge.corpora import CorpusError
from audio_judge.corpora.rows import OnError, Row, read_items, read_rows

CORPUS = "NISQA"
CORPUS_FILE = "NISQA_corpus_file.csv"
# Column to rubric; on all five, 1 is worst and 5 is best
RUBRIC_OF = {"mos": "mos", "noi": "noisiness", "col": "coloration", "dis": "discontinuity", "loud": "loudness"}

_SPLITS = {"TRAIN": "train", "VAL": "validation", "TEST": "test"}
_OFF = {"0", "0.0", "false", "no", "off", "skip", "noloss"}
_ON = {"x", "1", "1.0", "true", "yes"}
_CONSUMED = {"db", "votes", "filepath_deg", "filepath_ref", *RUBRIC_OF, *(f"{column}_std" for column in RUBRIC_OF)}
_WHERE_TO_GET_IT = (
    "get the NISQA Corpus (depositonce of TU Berlin; described in the wiki of gabrielmittag/NISQA), unpack it, "
    f"and give the folder that holds {CORPUS_FILE} or NISQA_TRAIN_SIM/NISQA_TRAIN_SIM_file.csv"
)


def read_nisqa(
    root: str | Path,
    split: Literal["train", "validation", "test"] | None = None,
    *,
    with_reference: bool = False,
    subsets: Collection[str] | None = None,
    on_error: OnError = "stop",
) -> Iterator[RatedClip]:
    """Read the clips of the NISQA Corpus with their ratings and causes.

    Simulated faults come from the simulation columns; a row without any takes what ``con_description`` names. Causes
    are listed as: input level, distortions, codecs with their losses, output level. The corpus drew the order of the
    distortions at random per clip and did not publish it; some were applied after the codec.

    Args:
        root: Folder of the unpacked corpus.
        split: Read from TRAIN, VAL or TEST in the ``db`` column; None means all three.
        with_reference: Leave out clips without a reference (the live sets' talks), and log how many.
        subsets: Only these values of ``db``, e.g. ``{"NISQA_TEST_FOR", "NISQA_TEST_P501"}``; None means all.
        on_error: What becomes of a row that is wrong; see ``read_items``.

    Returns:
        Clips in the order of the tables. Ratings, 1 to 5: ``mos``, ``noisiness``, ``coloration``, ``discontinuity``,
        ``loudness``; ``condition`` is ``db/con``; ``extra`` keeps the other columns that have a value, as published
        text.

    Raises:
        ValueError: On the call, if ``split`` is unknown or ``subsets`` is a single string.
        CorpusError: On the call, if the corpus is not there; while reading, on a row or a table that is malformed, or
            if nothing is selected.
    """
    if split is not None and split not in _SPLITS.values():
        raise ValueError(f"split is {split!r}; one of {sorted(_SPLITS.values())} or None expected")
    if isinstance(subsets, str):
        raise ValueError(f"subsets is the string {subsets!r}; a collection such as {{{subsets!r}}} expected")
    chosen = None if subsets is None else set(subsets)
    return _select(Path(root), _tables(Path(root)), split, with_reference, chosen, on_error)


def _select(
    root: Path,
    tables: list[Path],
    split: str | None,
    with_reference: bool,
    subsets: set[str] | None,
    on_error: OnError,
) -> Iterator[RatedClip]:
    found: set[str] = set()
    counts: Counter[str] = Counter()
    selected = 0

    def clip(row: Row) -> RatedClip | None:
        nonlocal selected
        db, own = row.required("db"), _split_of(row)
        found.add(db)
        if (split is not None and own != split) or (subsets is not None and db not in subsets):
            return None
        selected += 1
        made = _clip(root, row, db, own)
        if with_reference and made.reference is None:
            counts["left out, no reference"] += 1
            return None
        return made

    yield from read_items(_rows(tables, with_reference), clip, CORPUS, counts, on_error)
    missing = sorted((subsets or set()) - found)
    if missing or not selected:
        raise CorpusError(
            root, None, f"no clips for split={split}, subsets={missing or subsets}; found {sorted(found)}"
        )


def _tables(root: Path) -> list[Path]:
    per_set = sorted(table for table in root.glob("*/*_file.csv") if table.name == f"{table.parent.name}_file.csv")
    whole = [root / CORPUS_FILE] if (root / CORPUS_FILE).is_file() else []
    if not per_set and not whole:
        raise CorpusError(root, None, f"no NISQA Corpus here; {_WHERE_TO_GET_IT}")
    return per_set + whole


def _rows(tables: list[Path], with_reference: bool) -> Iterator[Row]:
    """Rows of all tables; the whole corpus's table, which is last, gives only the sets that have none of their own."""
    own_table = {table.parent.name for table in tables if table.name != CORPUS_FILE}
    required = ["db", "filepath_deg", *RUBRIC_OF] + ["filepath_ref"] * with_reference
    for table in tables:
        for row in read_rows(table, required):
            # The whole corpus's own rows that are malformed belong to no set
            if table.name != CORPUS_FILE or _set_of(row) not in own_table:
                yield row


def _set_of(row: Row) -> str | None:
    try:
        return row.text("db")
    except CorpusError:
        return None


def _switch(row: Row, column: str) -> str | None:
    """What a switch is set to; None if it is off."""
    value = row.text(column)
    return None if value is None or value.lower() in _OFF else value


def _split_of(row: Row) -> str:
    db = row.values["db"]
    splits = [split for token, split in _SPLITS.items() if token in db]
    if len(splits) != 1:
        raise row.error(f"db is {db!r}; a name with one of {', '.join(_SPLITS)} expected, such as NISQA_TRAIN_SIM")
    return splits[0]


def _clip(root: Path, row: Row, db: str, split: str) -> RatedClip:
    path = _resolve(root, row, "filepath_deg")
    if path is None:
        raise row.error("filepath_deg is empty; the path of the rated clip expected")
    con = row.text("con")
    return RatedClip(
        path=path,
        ratings=_ratings(row),
        split=split,
        corpus=CORPUS,
        reference=_resolve(root, row, "filepath_ref"),
        causes=_simulated_causes(row) or _described_causes(row.text("con_description") or ""),
        # A table that went through pandas says 3.0 where another says 3; the number is unique within its set only.
        condition=None if con is None else f"{db}/{con.removesuffix('.0')}",
        extra={"db": db} | {name: row.values[name] for name in row.values if name not in _CONSUMED and row.text(name)},
    )


def _resolve(root: Path, row: Row, column: str) -> str | None:
    text = row.text(column)
    if text is None:
        return None
    path = PurePosixPath(text.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", text):
        raise row.error(f"{column} is {text!r}; a path inside the corpus folder expected")
    return str(root / path)


def _ratings(row: Row) -> dict[str, Rating]:
    votes = row.number("votes", low=1)
    if votes is not None and not votes.is_integer():
        raise row.error(f"votes is {votes:g}; a whole number expected")
    if row.text("mos") is None:
        raise row.error(f"mos is {row.values['mos']!r}; a number from 1 to 5 expected")
    ratings = {}
    for column, rubric in RUBRIC_OF.items():
        value = row.number(column, low=1, high=5)
        if value is not None:
            std = row.number(f"{column}_std", low=0)
            ratings[rubric] = Rating(value, std=std, votes=None if votes is None else int(votes))
    return ratings


# The corpus's own simulation: a switch column ("x", or a name) turns a fault on, other columns hold its strength.


def _simulated_causes(row: Row) -> tuple[Cause, ...]:
    causes = [
        _level(row, "asl_in", "input"),
        _filter(row),
        _switched(row, "arb_filter", "filter", {"name": "arbitrary"}),
        _time_clipping(row),
        _switched(row, "wbgn", "noise", {"colour": "white", "snr_db": row.number("wbgn_snr")}),
        _switched(row, "p50mnru", "noise", {"colour": "speech_modulated", "snr_db": row.number("p50_q")}),
        _switched(row, "bgn", "noise", {"colour": "recorded", "snr_db": row.number("bgn_snr")}),
        _switched(row, "clipping", "clipping", {"threshold_full_scale": row.number("cl_th", low=0, high=1)}),
        *(cause for stage in (1, 2, 3) for cause in _codec(row, stage)),
        _level(row, "asl_out", "output"),
    ]
    return tuple(cause for cause in causes if cause is not None)


def _cause(kind: str, parameters: dict[str, Any]) -> Cause:
    return Cause(kind, {name: value for name, value in parameters.items() if value is not None})


def _switched(row: Row, column: str, kind: str, parameters: dict[str, Any]) -> Cause | None:
    value = _switch(row, column)
    if value is None:
        return None
    # Some switches hold a name in place of "x" (bgn: random_bgn, car, pub …): worth keeping.
    return _cause(kind, parameters if value.lower() in _ON else parameters | {"name": value})


def _level(row: Row, column: str, stage: str) -> Cause | None:
    return _switched(row, column, "level", {"level_dbov": row.number(f"{column}_level"), "stage": stage})


def _filter(row: Row) -> Cause | None:
    name = _switch(row, "filter")
    low, high = row.number("bp_low", low=0), row.number("bp_high", low=0)
    # The corpus drew the filters one after another, so a low-pass may carry the edge of a high-pass it replaced.
    edges = {
        "highpass": {"low_hz": low},
        "lowpass": {"high_hz": high},
        "bandpass": {"low_hz": low, "high_hz": high},
    }
    if name is None:
        return None
    return _cause("band_limit", edges[name.lower()]) if name.lower() in edges else _cause("filter", {"name": name})


def _time_clipping(row: Row) -> Cause | None:
    percent = row.number("tc_fer", low=0, high=100)  # percent here, but FER1 to FER3 are rates
    rate = None if percent is None else percent / 100
    burst = row.number("tc_nburst", low=0)
    parameters = {
        "loss_rate": rate,
        "longest_burst_frames": None if burst is None else int(burst),
        "concealment": "zero",
    }
    return _switched(row, "timeclipping", "time_clipping", parameters)


def _codec(row: Row, stage: int) -> Iterator[Cause]:
    name = _switch(row, f"codec{stage}")
    if name is None:
        return
    yield _cause("codec", {"name": name.lower()} | _codec_setting(name.lower(), row.number(f"bMode{stage}")))
    pattern = _switch(row, f"plcMode{stage}")
    if pattern is not None:
        yield _cause("packet_loss", {"loss_rate": row.number(f"FER{stage}", low=0, high=1), "pattern": pattern.lower()})


def _codec_setting(name: str, value: float | None) -> dict[str, float]:
    if value is None:
        return {}
    # Opus has no modes: its column is the bitrate. The others count their modes, 12 at most, so all else is a bitrate.
    is_bitrate = name == "opus" or value > 12 or not value.is_integer()
    return {"bitrate_kbps": value} if is_bitrate else {"mode": int(value)}


# Test and live sets tell the condition in words: "EVS@13.2 PL 10% bursty + BGN 20dB", "WhatsApp call in a car".

_NUMBER = r"(-?\d+(?:\.\d+)?)"


def _match_codec(match: re.Match[str]) -> Cause:
    name = re.sub(r"[-.]", "", match[1]).lower()
    return _cause("codec", {"name": name} | _codec_setting(name, float(match[2]) if match[2] else None))


def _match_loss(match: re.Match[str]) -> Cause:
    pattern = match[2].lower() if match[2] else None
    return _cause("packet_loss", {"loss_rate": float(match[1]) / 100 if match[1] else None, "pattern": pattern})


def _match_band(match: re.Match[str]) -> Cause:
    return Cause("band_limit", {"low_hz": float(match[1]), "high_hz": float(match[2])})


def _match_edge(match: re.Match[str]) -> Cause:
    edge = "high_hz" if match[1].lower().startswith("l") else "low_hz"
    return Cause("band_limit", {edge: float(match[2])})


def _measured(kind: str, parameter: str, scale: float = 1.0, **fixed: str) -> Callable[[re.Match[str]], Cause]:
    """A cause with one number, which may be absent from the words."""
    return lambda match: _cause(kind, fixed | {parameter: float(match[1]) * scale if match[1] else None})


_DESCRIPTIONS: list[tuple[str, Callable[[re.Match[str]], Cause]]] = [
    (rf"\b(AMR-?NB|AMR-?WB|EVS|Opus|G\.?711|G\.?722)(?![\w.])(?:\s*@\s*{_NUMBER})?", _match_codec),
    (rf"(?:\bPL|(?<=\d)PL|\bpacket[ -]loss)\b(?:\s+{_NUMBER}\s*%)?(?:\s+(random|bursty))?", _match_loss),
    (rf"\b(?:BP|bandpass)\s+{_NUMBER}\s*-\s*{_NUMBER}\s*(?:Hz)?", _match_band),
    (rf"\b(LPF?|HPF?|lowpass|highpass)\s+{_NUMBER}\s*(?:Hz)?", _match_edge),
    (rf"\btime[ -]clipping\b(?:\s+{_NUMBER}\s*%)?", _measured("time_clipping", "loss_rate", 0.01, concealment="zero")),
    (rf"\bamp(?:litude)?[ -]clipping\b(?:\s+{_NUMBER})?", _measured("clipping", "threshold_full_scale")),
    (rf"\bwhite noise\b(?:\s+{_NUMBER}\s*dB)?", _measured("noise", "snr_db", colour="white")),
    (rf"\bP\.?50[ -]?MNRU\b(?:\s+{_NUMBER}\s*(?:dB)?)?", _measured("noise", "snr_db", colour="speech_modulated")),
    (rf"\b(?:BGN|background noise)\b(?:\s+{_NUMBER}\s*dB)?", _measured("noise", "snr_db", colour="recorded")),
    (rf"\blevel\s+{_NUMBER}\s*dB", _measured("level", "level_db", stage="output")),
    (r"\barbitrary filter\b", lambda match: Cause("filter", {"name": "arbitrary"})),
    (
        r"\b(WhatsApp|Skype|Zoom|Discord|VoLTE|mobile(?: phone)?|landline|VoIP)\b",
        lambda match: Cause("channel", {"name": match[1].lower()}),
    ),
]


def _described_causes(description: str) -> tuple[Cause, ...]:
    """Causes that a condition's description names, in the order in which it names them; none for ``simulated``."""
    found = [
        (match.start(), make(match))
        for pattern, make in _DESCRIPTIONS
        for match in re.finditer(pattern, description, flags=re.IGNORECASE)
    ]
    return tuple(cause for _, cause in sorted(found, key=lambda item: item[0]))
