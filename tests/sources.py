"""Audio that simulated corpora are made from in tests: tones instead of speech, and one file of all the rest."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio_judge.corpora import simulate
from audio_judge.training import encoder_data

COLUMNS = ("path", "kind", "split", "source", "speaker")
SPEAKERS = (("anna", "train"), ("bert", "train"), ("carl", "validation"), ("dora", "test"))


def syllables(seconds: float, rate: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate)) / rate
    carrier = np.sin(2 * np.pi * rng.uniform(100, 300) * time) + 0.3 * np.sin(2 * np.pi * rng.uniform(900, 2000) * time)
    return (0.2 * carrier * np.abs(np.sin(2 * np.pi * 2 * time))).astype(np.float32)


def write_sources(folder: Path) -> Path:
    """A manifest of tones: two speakers for train, one each for validation and test, and one file of all the rest."""
    rows = [(f"{name}-{i}.wav", "speech", split, "tones", name) for name, split in SPEAKERS for i in range(3)]
    rows += [
        (f"{kind}-{split}.wav", kind, split, kind, "") for kind in ("noise", "wild") for split in ("train", "test")
    ]
    rows += [(f"rir-{i}.wav", "rir", "train", "rooms", "") for i in range(4)]
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    for seed, (path, kind, *_) in enumerate(rows):
        samples = syllables(2.0, 16_000, seed)
        if kind == "noise":
            samples = 0.1 * np.random.default_rng(seed).standard_normal(32_000)
        if kind == "rir":
            samples = np.eye(1, 800)[0] + 0.01 * np.random.default_rng(seed).standard_normal(800)
        soundfile.write(folder / path, samples, 16_000)
    return folder


def nisqa(clips: np.ndarray) -> tuple[list[dict[str, float]], np.ndarray]:
    """Stands in for NISQA: scores and states that depend on the samples, a frame for each 40 ms."""
    axes = ("mos", "noisiness", "discontinuity", "coloration", "loudness")
    scores = [{axis: 3 + float(np.abs(clip[place::7]).mean()) for place, axis in enumerate(axes)} for clip in clips]
    frames = clips[:, : clips.shape[1] // 1920 * 1920].reshape(len(clips), -1, 1920)
    return scores, frames[..., ::30]


def distill_mos(clips: list[np.ndarray], *_: object, **__: object) -> tuple[list[float], list[np.ndarray]]:
    """Stands in for Distill-MOS likewise."""
    heard = [np.repeat(nisqa(clip[None])[1][0], 4, axis=1)[:, :200] for clip in clips]
    return [2 + float(np.abs(clip).max()) for clip in clips], heard


def label_cheaply(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Have clips of ``write_sources`` made in this process and rated by those two."""
    listed = simulate.list_sources([folder], folder / "none")
    monkeypatch.setattr(simulate, "CONTENT", {"speech": 1.0})
    monkeypatch.setattr(simulate, "nisqa", nisqa)
    monkeypatch.setattr(simulate, "distill_mos", distill_mos)
    monkeypatch.setattr(simulate, "in_processes", lambda work, jobs, _: (work(*job) for job in jobs))
    monkeypatch.setattr(simulate, "_sources", lambda _: listed)
    monkeypatch.setattr(encoder_data, "list_sources", lambda _: listed)


def write_corpus(data: Path, folder: Path) -> Path:
    """Six training and three validation clips of seed 0, made of what ``write_sources`` wrote."""
    with pytest.MonkeyPatch.context() as patch:
        label_cheaply(patch, data)
        simulate.write_simulated([data], folder, "train", clips=6)
        simulate.write_simulated([data], folder, "validation", clips=3)
    return folder
