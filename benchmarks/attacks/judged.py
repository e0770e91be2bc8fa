"""A tiny judge that is loaded once, and the command line that asks it."""

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any
from unittest import mock

from encoded import encoded
from tiny import make_judge
from transformers.utils import logging

from attacks.rounds import Found
from audio_judge.batch import lines
from audio_judge.cli.main import main
from audio_judge.judge.judge import AudioJudge

logging.disable_progress_bar()
_LOADED: dict[str, Any] = {}


def judge_folder(shared: Path) -> Path:
    """The folder of the tiny judge; made, and the judge loaded, if it is not yet."""
    if "folder" not in _LOADED:
        folder = shared.parent / "judge"
        model, processor = make_judge(folder / "backbones")
        for part in (model, processor):
            part.save_pretrained(folder / "tiny")
        _LOADED["folder"], _LOADED["judge"] = folder / "tiny", AudioJudge.from_pretrained(folder / "tiny", device="cpu")
    return _LOADED["folder"]


def loaded() -> AudioJudge:
    """The tiny judge."""
    return _LOADED["judge"]


def judge_by_command(*words: object) -> int:
    """Run a command with the tiny judge, which is not loaded again; gives its exit code."""
    given = [str(word) for word in words] + ["--judge", str(_LOADED["folder"]), "--device", "cpu", "--no-progress"]
    with mock.patch.object(AudioJudge, "from_pretrained", return_value=loaded()):
        try:
            return main(given)
        except SystemExit as error:
            return int(error.code or 0)


def score_rows(path: Path, names: list[str], found: Found) -> dict[str, dict[str, Any]]:
    """Read the rows of ``score``; counts names without a row or with several, and rows without an answer that can be one.

    Returns:
        Name to row, of those that have one.
    """
    rows: dict[str, dict[str, Any]] = {}
    counts: Counter[str] = Counter()
    for line in lines.scan(path, "json", is_growing=True) if path.exists() else ():
        counts[line.row["id"]] += 1
        rows[line.row["id"]] = line.row
    for name in {*names, *counts}:
        if counts[name] != names.count(name):
            found.note(
                "rows", f"{name}: {counts[name]} rows for {names.count(name)}", abs(counts[name] - names.count(name))
            )
    for name, row in rows.items():
        if problem := problem_of(row):
            found.note("wrong", f"{name}: {problem}: {json.dumps(row, default=str)[:300]}")
    return rows


def problem_of(row: dict[str, Any]) -> str | None:
    """What is wrong with a row of ``score``: neither scores on their scale nor an error in a sentence; None if nothing is."""
    error, scores = row.get("error"), row.get("scores")
    if error is not None:
        words = error.replace(str(row.get("path")), "") if isinstance(error, str) else ""
        return None if 0 < len(words) < 2000 and "\n" not in words else "no sentence"
    if not isinstance(scores, dict) or not scores:
        return "neither scores nor an error"
    is_right = all(isinstance(score, float) and math.isfinite(score) and 1 <= score <= 5 for score in scores.values())
    return None if is_right else "a score that is none"


def clip(seconds: float = 1.0) -> bytes:
    """A good clip."""
    return encoded("WAV PCM_16", seconds)
