"""Makes the clips in ``examples/clips``: two synthetic voices, what commonly goes wrong with speech, and no speech at all.

    python examples/make_clips.py examples/clips

Needs flite and the ``degrade`` extra. The clips are in the repository, so that scoring them needs neither; no recording
of a person is in them. The same flite gives the same sound again.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from audio_judge.audio import resample
from audio_judge.clips import Cause
from audio_judge.degrade import degrade

RATE = 48_000
PEAK = 0.5

VOICES = {
    "anna": ("slt", "The garden was quiet, and the light came softly over the hill."),
    "tom": ("rms", "We walked along the river until the lamps were lit."),
}

# Name of the clip, voice, what happens to it
FAULTS: tuple[tuple[str, str, tuple[Cause, ...]], ...] = (
    ("clean_anna", "anna", ()),
    ("clean_tom", "tom", ()),
    ("noisy", "anna", (Cause("noise", {"snr_db": 8.0, "colour": "pink"}),)),
    ("lossy", "tom", (Cause("packet_loss", {"loss_rate": 0.2, "concealment": "zero", "mean_burst": 2.0}),)),
    ("narrow_codec", "anna", (Cause("band_limit", {"low_hz": 300.0, "high_hz": 3400.0}), Cause("codec", {"codec": "opus", "bit_rate": 6000}))),
    ("clipped", "tom", (Cause("clipping", {"fraction": 0.25}),)),
    ("quiet", "anna", (Cause("level", {"gain_db": -32.0}),)),
)  # fmt: skip


def speak(voice: str, text: str) -> np.ndarray:
    """Synthesise a sentence with a voice of flite, such as ``slt``: float32 (samples,) at 48 kHz with a peak of 0.5."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(["flite", "-voice", voice, "-t", text, "-o", file.name], check=True)
        samples, rate = soundfile.read(file.name, dtype="float32")
    speech = resample(samples, rate, RATE)
    return speech * (PEAK / np.abs(speech).max())


def no_speech() -> dict[str, np.ndarray]:
    """Clips without speech, which deserve no good score: a broken chord, white noise, digital silence; as ``speak`` gives them."""
    time = np.arange(3 * RATE) / RATE
    chord = np.zeros_like(time)
    for index, frequency in enumerate((220.0, 277.2, 329.6, 440.0)):
        since = time - index * 0.4  # the chord is broken: a tone comes in every 0.4 s
        harmonics = sum(np.sin(2 * np.pi * frequency * h * since) / h**2 for h in range(1, 5))
        chord += np.where(since > 0, np.exp(-1.2 * since.clip(0)) * (1 - np.exp(-80 * since.clip(0))) * harmonics, 0)
    noise = np.random.default_rng(0).normal(scale=0.1, size=len(time))
    clips = {"music": chord * (PEAK / np.abs(chord).max()), "noise_only": noise, "silence": np.zeros_like(time)}
    return {name: samples.astype(np.float32) for name, samples in clips.items()}


def main(folder: Path) -> None:
    """Write all clips to a folder, which is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    voices = {name: speak(*said) for name, said in VOICES.items()}
    clips = {
        name: degrade(voices[who], RATE, plan, seed=index).samples for index, (name, who, plan) in enumerate(FAULTS)
    }
    for name, samples in (clips | no_speech()).items():
        # Good Vorbis, about 100 kbit/s; as flac the clips would be megabytes
        soundfile.write(folder / f"{name}.ogg", samples, RATE, format="OGG", subtype="VORBIS", compression_level=0.6)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/make_clips.py FOLDER")
    main(Path(sys.argv[1]))
