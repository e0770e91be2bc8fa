"""Makes ``examples/rated``: a rated corpus of synthetic clips that is small enough to learn from in a minute.

    python examples/make_rated.py examples/rated

Voices of flite say made-up sentences, random faults are added, and the ratings follow from what was done
(``audio_judge.corpora.severity``): nobody listened, and the voice itself counts as clean. The layout is that of
``audio_judge.corpora.simulated``. Needs flite and the ``degrade`` extra; the same flite gives the same clips again.
"""

import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from audio_judge.audio import resample
from audio_judge.batch import lines
from audio_judge.clips import Cause
from audio_judge.corpora.severity import AXES, severity
from audio_judge.corpora.voices import make_sentence, speak_classical
from audio_judge.degrade import degrade, sample_plan
from audio_judge.degrade.measures import active_level

RATE = 48_000
SECONDS = (2.0, 3.0)
SPEECH_DBFS = -26.0
# Split to its voices, which no other split has, and its number of clips
SPLITS = {"train": (("slt", "rms"), 72), "validation": (("awb",), 24)}
KIND = "known"  # what ``targets.json`` calls ratings that follow from what was done


def rate(causes: tuple[Cause, ...], samples: np.ndarray) -> dict[str, float]:
    """Rate a clip by what was done to it.

    Args:
        causes: All of them.
        samples: What became of it, (samples,) at 48 kHz.

    Returns:
        Rubric to rating, 1 to 5, higher is better: five less four times the severity. Overall, the worst of them counts
        twice as much as their mean.
    """
    level = 20 * float(np.log10(max(active_level(samples, RATE), 1e-6)))
    graded = severity(causes, len(samples) / RATE, level)
    ratings = {axis: 5 - 4 * graded[axis] for axis in AXES}
    worst, mean = min(ratings.values()), sum(ratings.values()) / len(ratings)
    return {name: round(value, 2) for name, value in {"mos": (2 * worst + mean) / 3, **ratings}.items()}


def make_clip(voices: tuple[str, ...], rng: np.random.Generator) -> tuple[np.ndarray, str, tuple[Cause, ...]]:
    """Make a clip: float32 (samples,) at 48 kHz, its voice, and what was done to it."""
    voice = voices[rng.integers(len(voices))]
    spoken = speak_classical("flite", voice, make_sentence(rng), rng)
    speech = resample(spoken.samples, spoken.rate, RATE)[: int(rng.uniform(*SECONDS) * RATE)]
    speech = speech * min(10 ** (SPEECH_DBFS / 20) / active_level(speech, RATE), 0.98 / np.abs(speech).max())
    plan = sample_plan(rng, recordings=False)
    degraded = degrade(speech.astype(np.float32), RATE, plan, seed=int(rng.integers(2**31)))
    return degraded.samples, spoken.speaker, degraded.causes


def write_split(folder: Path, voices: tuple[str, ...], count: int) -> None:
    """Write clips, rows and ratings of a split."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "clips").mkdir(parents=True)
    told, rated = folder / "rows.jsonl", folder / f"targets_{KIND}.jsonl"
    with lines.Appender(told, is_new=True) as rows, lines.Appender(rated, is_new=True) as targets:
        for index in range(count):
            samples, speaker, causes = make_clip(voices, np.random.default_rng([len(voices), index]))
            path = f"{folder.name}/clips/{index:02d}.ogg"
            # As flac the clips would be megabytes
            written: dict[str, Any] = {"format": "OGG", "subtype": "VORBIS", "compression_level": 0.6}
            soundfile.write(folder.parent / path, np.clip(samples, -1, 1), RATE, **written)
            row = {"index": index, "path": path, "content": "voice", "source": "flite", "speaker": speaker}
            row |= {"seconds": round(len(samples) / RATE, 3), "reference": None}
            rows.write(row | {"causes": [asdict(cause) for cause in causes]})
            targets.write({"index": index, "ratings": rate(causes, samples)})


def main(folder: Path) -> None:
    """Write the corpus to a folder, in place of what was there."""
    for split, (voices, count) in SPLITS.items():
        write_split(folder / split, voices, count)
    (folder / "targets.json").write_text(f'{{"kind": "{KIND}"}}\n')


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/make_rated.py FOLDER")
    main(Path(sys.argv[1]))
