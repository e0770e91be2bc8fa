"""Simulated corpus: clean speech, known degradations, teachers' labels, as ``audio_judge.corpora.simulate`` writes it.

``DIR/SPLIT`` holds 16-bit 48 kHz ``clips/``, some undegraded originals in ``ref/``, NISQA's states in ``states/`` and
Distill-MOS's in ``distill_states/``, and one line per clip in ``rows.jsonl``. Splits: ``train, validation, test``;
``test_held_out`` (degradations never trained on); ``wild_validation`` and ``wild_test`` (real degraded speech, which trains
nothing). Left out: human ratings; a clip is what its teachers say, except where ``targets`` knows better.
"""

import json
import logging
import runpy
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from audio_judge.batch import lines
from audio_judge.clips import Cause, RatedClip, Rating

SPLITS = ("train", "validation", "test", "test_held_out", "wild_validation", "wild_test")
# Faults that people have a word for, each as often as any other, and no teachers: for questions in words
CONCEPT_SPLITS = ("train_concepts", "validation_concepts", "test_concepts")
# Teacher to the field of a row with the path of its states, and to the folder that they lie in
STATES = {"nisqa": "states", "distill_mos": "distill_states"}
# A row has each as ``nisqa_AXIS``. The network's own output order; papers list coloration before discontinuity.
NISQA_AXES = ("mos", "noisiness", "discontinuity", "coloration", "loudness")
# Mean and standard deviation of each teacher's overall score over 929 training clips of human speech.
NISQA_SCALE = (2.78, 1.18)
DISTILL_MOS_SCALE = (2.98, 0.93)
# Extended STOI that stands for intelligibility 1 and 5, and the rubrics whose worst stands for distortion
ESTOI_RANGE = (0.4, 0.95)
DISTORTING = ("noisiness", "discontinuity", "coloration")
# Contents that a machine speaks, and that a person does
MADE_UP = ("voice", "synthetic")
HUMAN = ("speech", "prompt")
# What is known about a clip without speech, whatever the teachers say; a rubric that is absent does not apply.
KNOWN_RATINGS = {
    "silence": {"mos": 1.0, "loudness": 1.0},
    "noise": {"mos": 1.0, "noisiness": 1.0},
    "music": {"mos": 1.5},
}


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """Rows of ``DIR/SPLIT``, also while ``write_simulated`` adds to them: an incomplete last line is left out."""
    path = folder / "rows.jsonl"
    return [row for _, row in lines.read(path, is_growing=True)] if path.exists() else []


def targets(row: dict[str, Any]) -> dict[str, Rating]:
    """Decide what a clip shall be rated, from its teachers and from what is known about it.

    ``mos`` is the mean of NISQA and Distill-MOS, each brought to the mean of their two means and of their two standard
    deviations over the corpus, since Distill-MOS uses less of the scale. There is no ``std``: teachers do not say how
    far listeners would differ. A made-up voice's ``mos`` is Distill-MOS alone. The other rubrics are NISQA's, within 1
    to 5. Without speech, ``KNOWN_RATINGS`` stand in place of all, and other rubrics are absent. Two rubrics of
    SpeechEval have stand-ins: ``distortion`` is the worst of noisiness, discontinuity and coloration;
    ``intelligibility`` is the extended STOI, 0.4 or less being 1 and 0.95 or more 5, and 5 for undegraded human speech.

    Args:
        row: With ``content, causes, distill_mos``, ``nisqa_`` plus each of ``NISQA_AXES``, and ``estoi``, which may be
            None.

    Returns:
        Rubric to rating, 1 to 5.
    """
    if row["content"] in KNOWN_RATINGS:
        return complete(row, {})
    scales = (NISQA_SCALE, DISTILL_MOS_SCALE)
    mean, std = (sum(scale[i] for scale in scales) / 2 for i in (0, 1))  # of the common scale
    nisqa_mos, distilled = (
        mean + std * (row[key] - scale[0]) / scale[1]
        for key, scale in zip(("nisqa_mos", "distill_mos"), scales, strict=True)
    )
    # NISQA takes espeak-ng's voice for the worst fault and flite's for none
    overall = distilled if row["content"] == "voice" else (nisqa_mos + distilled) / 2
    return complete(row, {"mos": overall} | {axis: row[f"nisqa_{axis}"] for axis in NISQA_AXES if axis != "mos"})


def complete(row: Mapping[str, Any], found: Mapping[str, float]) -> dict[str, Rating]:
    """Keep ratings within 1 to 5 and add what follows from them and from what is known about the clip.

    Args:
        row: With ``content, causes`` and ``estoi``, which may be None.
        found: ``NISQA_AXES`` to ratings; not looked at where nobody speaks.
    """
    if row["content"] in KNOWN_RATINGS:  # without speech the teachers guess
        return {rubric: Rating(value) for rubric, value in KNOWN_RATINGS[row["content"]].items()}
    ratings = {rubric: Rating(_within(value)) for rubric, value in found.items()}
    ratings["distortion"] = min((ratings[axis] for axis in DISTORTING), key=lambda rating: rating.value)
    if row["content"] in MADE_UP or any(cause["kind"] == "vocoder" for cause in row["causes"]):
        ratings["naturalness"] = ratings["mos"]  # which of such voices is Distill-MOS's, and what the vocoder did
    elif row["content"] in HUMAN and not row["causes"]:
        ratings["naturalness"] = Rating(5.0)
    if row["estoi"] is not None:
        low, high = ESTOI_RANGE
        ratings["intelligibility"] = Rating(_within(1 + 4 * (row["estoi"] - low) / (high - low)))
    elif row["content"] in HUMAN and not row["causes"]:
        ratings["intelligibility"] = Rating(5.0)
    return ratings


def _within(value: float) -> float:
    return min(5.0, max(1.0, value))


def read_simulated(
    directory: str | Path, split: str | None = "train", targets: str | None = None
) -> Iterator[RatedClip]:
    """Read a split of a simulated corpus, also while it is being written.

    Args:
        split: One of ``SPLITS`` or ``CONCEPT_SPLITS``; None for all of the former that have been written. Clips of ``test_held_out`` and the wild splits say
            ``test``, their corpus tells them apart.
        targets: Where ratings come from: a kind that ``audio_judge.corpora.blends`` has written, ``listeners`` or
            ``open``; ``teachers`` for the function ``targets``; None for the kind that ``DIR/targets.json`` names, or
            ``teachers`` if there is none. Clips that a kind does not cover yet are left out, and counted in a warning.

    Yields:
        Clips with ratings; ``extra`` has ``content, source``, for speech ``label`` (``fake`` if a machine speaks or a
        vocoder made it anew, ``real`` if a person is known to speak), and what the corpus has of its teachers: their own
        scores, ``states`` (path of NISQA's states, float16 of shape (frames, 64), one per 40 ms) and ``distill_states``
        (Distill-MOS's, (frames, 200)); of ``CONCEPT_SPLITS``, whose clips have no ratings, ``concepts``: how strong each fault is
        that people have a word for, see ``severity.concept_severity``.

    Raises:
        FileNotFoundError: If the split, or its targets, have not been written.
    """
    root = Path(directory)
    written = [name for name in SPLITS if (root / name / "rows.jsonl").exists()]
    kind = default_targets(root) if targets is None else targets
    for name in written if split is None and written else [str(split)]:
        if not (root / name / "rows.jsonl").exists():
            raise FileNotFoundError(
                f"{root / name / 'rows.jsonl'}: no such split; make it with audio_judge.corpora.simulate"
            )
        yield from (_clip(root, name, row, ratings) for row, ratings in _rated(root, name, kind))


def default_targets(root: Path) -> str:
    """The kind of targets that a corpus has its ratings from unless another is asked for."""
    path = root / "targets.json"
    return str(json.loads(path.read_text(encoding="utf-8"))["kind"]) if path.exists() else "teachers"


def _rated(root: Path, split: str, kind: str) -> Iterator[tuple[dict[str, Any], dict[str, Rating]]]:
    rows = read_rows(root / split)
    if split in CONCEPT_SPLITS:  # nobody rated them
        yield from ((row, {}) for row in rows)
        return
    if kind == "teachers":
        yield from ((row, targets(row)) for row in rows)
        return
    path = root / split / f"targets_{kind}.jsonl"
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such targets; write them with audio_judge.corpora.blends --kind {kind}")
    found = {row["index"]: row["ratings"] for _, row in lines.read(path)}
    lacking = sum(row["index"] not in found for row in rows)
    if lacking:
        logging.getLogger(__name__).warning("%s: %d of %d clips left out, not in there yet", path, lacking, len(rows))
    for row in rows:
        if row["index"] in found:
            yield row, {rubric: Rating(value) for rubric, value in found[row["index"]].items()}


def _clip(root: Path, split: str, row: dict[str, Any], ratings: dict[str, Rating]) -> RatedClip:
    scores = {key: value for key, value in row.items() if key.startswith("nisqa_") or key == "distill_mos"}
    facts = {"content": row["content"], "source": row["source"]}
    facts |= {name: str(root / row[name]) for name in STATES.values() if name in row}
    facts |= {"concepts": row["concepts"]} if "concepts" in row else {}
    causes = causes_of(row)
    if label := label_of(row["content"], causes):
        facts["label"] = label
    return RatedClip(
        path=str(root / row["path"]),
        ratings=ratings,
        split=split.split("_")[0] if split in ("train", "validation", *CONCEPT_SPLITS) else "test",
        corpus=f"simulated/{split}",
        reference=row["reference"] and str(root / row["reference"]),
        causes=tuple(causes),
        speaker=row["speaker"] or None,
        extra=facts | scores,
    )


def causes_of(row: Mapping[str, Any]) -> list[Cause]:
    """What was done to a clip."""
    return [Cause(c["kind"], c["parameters"], tuple(map(tuple, c["spans"]))) for c in row["causes"]]


def label_of(content: str, causes: Iterable[Cause]) -> str | None:
    """``fake`` if a machine speaks or a vocoder made the clip anew, ``real`` if a person is known to speak."""
    if content in MADE_UP or "vocoder" in {cause.kind for cause in causes}:
        return "fake"
    return "real" if content in HUMAN else None


if __name__ == "__main__":  # the maker was called by this name before it had a file of its own
    runpy.run_module("audio_judge.corpora.simulate", run_name="__main__")
