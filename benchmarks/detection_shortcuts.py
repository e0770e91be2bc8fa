"""Whether real and generated voices of a corpus can be told apart by what is no voice.

python benchmarks/detection_shortcuts.py GENERATORS

Logistic regressions are fitted on ``train`` of a corpus of ``audio_judge.corpora.generators``, and their equal error rates
measured on ``test``, by generator: one on the recording alone (level, length, silence at either end, noise floor), which
should be wrong about every other clip, and one that has the band edge and the peaks, too, in which voices differ as well.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import soundfile
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from audio_judge.degrade.measures import FRAME_SECONDS, active_frames, active_level
from audio_judge.eval.metrics.detection import equal_error_rate
from audio_judge.eval.tables import grid

RECORDING = 5  # the first features


def features(samples: np.ndarray, rate: int) -> list[float]:
    """Five of the recording, two of what it holds; of a clip (samples,)."""
    active = active_frames(samples, rate)
    frames = samples[: len(samples) // len(active) * len(active)].reshape(len(active), -1)
    floor = float(np.percentile(10 * np.log10(np.square(frames).mean(axis=1) + 1e-12), 5))
    heard = np.flatnonzero(active)
    level = 20 * float(np.log10(active_level(samples, rate)))
    energy = np.cumsum(np.square(np.abs(np.fft.rfft(samples * np.hanning(len(samples))))))
    edge = int(np.searchsorted(energy, 0.999 * energy[-1])) / len(energy) * rate / 2
    silences = [heard[0] * FRAME_SECONDS, (len(active) - 1 - heard[-1]) * FRAME_SECONDS]
    peak = 20 * float(np.log10(np.abs(samples).max() + 1e-9))
    return [level, len(samples) / rate, *silences, floor - level, edge, peak - level]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description="Errors of telling real voices from generated ones by what is no voice."
    )
    parser.add_argument("corpus", type=Path, help="folder of audio_judge.corpora.generators")
    folder = parser.parse_args().corpus
    rows = list(csv.DictReader((folder / "manifest.csv").open(encoding="utf-8", newline="")))
    found = np.array([features(*soundfile.read(folder / row["path"], dtype="float32")) for row in rows])
    is_real = np.array([row["label"] == "real" for row in rows])
    split, generator = (np.array([row[name] for row in rows]) for name in ("split", "generator"))
    scores = []
    for chosen in (found[:, :RECORDING], found):
        model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
        model.fit(chosen[split == "train"], is_real[split == "train"])
        scores.append(model.decision_function(chosen))
    table = []
    for name in ["all", *sorted(set(generator[split == "test"]) - {""})]:
        asked = (split == "test") & (is_real | (generator == name) | (name == "all"))
        errors = [f"{equal_error_rate(one[asked], is_real[asked]):.2f}" for one in scores]
        table.append([name, *errors, str(int((~is_real[asked]).sum()))])
    print(grid(["generator", "EER by the recording", "and by band edge and peaks", "fakes"], table))


if __name__ == "__main__":
    main()
