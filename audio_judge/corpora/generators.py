"""Makes a corpus of people and generated voices, generator by generator, for telling one from the other.

    python -m audio_judge.corpora.generators --data DATA --out DIR --piper FOLDER --kokoro FOLDER

People are the ``speech`` of the data's ``manifest.csv``, generators the engines of ``voices``, well set, and the vocoders
among the data's ``synthetic``. Those of ``voices.HELD_OUT`` are in ``test`` only. ``DIR/manifest.csv`` says of each clip
its split, ``label`` (real or fake), generator (none of people), speaker, and whether the voice is one of ``train``, which
an engine with few voices has no other than.

Every clip, whoever speaks, takes the same way: 16 kHz, the silence around the speech taken off, a length, a band and a
tilt that are drawn, a pause before and after, hiss, for half of them Opus, and a level. What is left to tell them by is
the voice. A clip depends on the seed, its generator, split and number only, and those that are there are kept.
"""

import argparse
import csv
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from scipy.signal import firwin, oaconvolve
from tqdm import tqdm

from audio_judge.batch import lines
from audio_judge.corpora.voices import HELD_OUT, LICENCES, Engine, hibari_voices, make_text, open_engines
from audio_judge.degrade.codecs import transcode
from audio_judge.degrade.measures import active_frames, active_level
from audio_judge.errors import UsageError, exit_code

COLUMNS = ("path", "split", "label", "generator", "speaker", "voice_heard", "language", "seconds", "licence")
RATE = 16_000
CLIPS = {"train": 30, "validation": 12, "test": 30}  # of each generator
PEOPLE = 3  # times as many clips of people
SECONDS = (2.2, 3.0)  # of speech; most recordings of people have that much
WORDS = 9  # which take about three seconds
# The vocoders of the data, by what made them
VOCODERS = {"vocoder-usfgan": "usfgan", "vocoder-usfgan2": "usfgan", "vocoder-world": "world"}
REAL = "real"


def through_channel(samples: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray | None:
    """Send a recording, (samples,) at any rate, through a channel that is drawn for it.

    Returns:
        Float32 (samples,) at ``RATE``; None if there is less speech than a clip needs.
    """
    heard = soxr.resample(samples.astype(np.float32), rate, RATE)
    speech = _without_edges(heard)
    if len(speech) < SECONDS[0] * RATE:
        return None
    speech = speech[: int(rng.uniform(SECONDS[0], min(SECONDS[1], len(speech) / RATE)) * RATE)]
    speech = speech * _fades(len(speech))
    level = active_level(speech, RATE)
    pauses = [np.zeros(int(rng.uniform(0.1, 0.4) * RATE), np.float32) for _ in range(2)]
    clip = np.concatenate([pauses[0], speech / level, pauses[1]])
    clip = oaconvolve(clip, _band(rng), mode="same")
    clip += 10 ** (-rng.uniform(22, 38) / 20) * _hiss(len(clip), rng)
    clip *= 10 ** (rng.normal(-26, 2) / 20) / active_level(clip, RATE)
    clip *= min(1.0, 0.98 / max(float(np.abs(clip).max()), 1e-9))
    if rng.random() < 0.5:
        clip, _ = transcode(clip.astype(np.float32), RATE, codec="opus", bit_rate=32_000, bandwidth="wide")
    return clip.astype(np.float32)


def _without_edges(samples: np.ndarray) -> np.ndarray:
    active = np.flatnonzero(active_frames(samples, RATE))
    hop = len(samples) // max(1, len(active_frames(samples, RATE)))
    return samples[active[0] * hop : (active[-1] + 1) * hop] if len(active) else samples[:0]


def _fades(length: int) -> np.ndarray:
    """10 ms in and out, since speech may be cut anywhere."""
    edge = np.linspace(0, 1, RATE // 100, dtype=np.float32)
    return np.concatenate([edge, np.ones(length - 2 * len(edge), np.float32), edge[::-1]])


def _band(rng: np.random.Generator) -> np.ndarray:
    """Impulse response of a band of 120 Hz to 5.5 to 7 kHz with a tilt of up to 4 dB either way."""
    band = firwin(511, [120, rng.uniform(5500, 7000)], pass_zero=False, fs=RATE)
    tilt = 10 ** (rng.uniform(-4, 4) / 20 * np.linspace(-0.5, 0.5, 129))
    response = np.fft.fftshift(np.fft.irfft(tilt, 256)) * np.hanning(256)
    return oaconvolve(band, response)


def _hiss(length: int, rng: np.random.Generator) -> np.ndarray:
    """Noise of power 1 whose spectrum falls by 0 to 6 dB an octave."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    spectrum *= np.maximum(np.fft.rfftfreq(length, 1 / RATE), 50) ** -rng.uniform(0, 1)
    noise = np.fft.irfft(spectrum, length)
    return noise / noise.std()


# One clip of a kind: (split, number, rng) -> samples, rate, speaker, language, licence, whether the voice is one of train;
# None where there are no more
Made = tuple[np.ndarray, int, str, str, str, bool]
Make = Callable[[str, int, np.random.Generator], Made | None]


def _spoken_by(name: str, engine: Engine) -> Make:
    splits, speak = engine

    def make(split: str, number: int, rng: np.random.Generator) -> Made | None:
        own = split if splits.get(split) else "train"  # an engine with one voice has no other to test with
        if not splits.get(own):
            return None
        spoken = speak(own, make_text(rng, WORDS), rng)
        speaker = spoken.speaker.partition(" ")[2]
        return spoken.samples, spoken.rate, speaker, "en", LICENCES[name], own == "train"

    return make


def _recorded(rows: Sequence[dict[str, Any]], folder: Path) -> Make:
    """Recordings of a manifest: those of a split in an order that is drawn, the data sets by turns."""

    def make(split: str, number: int, rng: np.random.Generator) -> Made | None:
        own = [row for row in rows if row["split"] == split]
        order = np.random.default_rng(0).permutation(len(own))
        turns = Counter[str]()
        queue = []
        for place in order:
            queue.append((turns[own[place]["source"]], own[place]))
            turns[own[place]["source"]] += 1
        queue.sort(key=lambda one: (one[0], one[1]["source"]))
        if number >= len(queue):
            return None
        row = queue[number][1]
        samples, rate = soundfile.read(folder / row["path"], dtype="float32", always_2d=True)
        return samples[:, 0], rate, row["speaker"], row["language"], row["licence"], split == "train"

    return make


def makers(data: Path, piper: Path | None, kokoro: Path | None) -> tuple[dict[str, Make], list[str]]:
    """Open everything that makes clips.

    Returns:
        ``real`` and every generator to its maker, and what is missing, in words.

    Raises:
        FileNotFoundError: If the data have no manifest, or there is no engine at all.
    """
    manifest = data / "manifest.csv"
    if not manifest.exists():
        raise FileNotFoundError(f"{manifest}: no manifest; --data takes a folder with manifest.csv")
    rows = [row for _, row in lines.read(manifest)]
    found = {REAL: _recorded([row for row in rows if row["kind"] == "speech"], data)}
    for generator in dict.fromkeys(VOCODERS.values()):
        own = [row for row in rows if row["kind"] == "synthetic" and VOCODERS.get(row["source"]) == generator]
        if own:
            found[generator] = _recorded(own, data)
    missing = [f"{name}: no --{name}" for name, folder in (("piper", piper), ("kokoro", kokoro)) if folder is None]
    engines = dict[str, Engine]()
    try:
        engines["hibari"] = hibari_voices()
    except ImportError as error:
        missing.append(str(error))
    engines |= open_engines(piper, kokoro, badly_set=0.0)
    return found | {name: _spoken_by(name, engine) for name, engine in engines.items()}, missing


def write_generators(
    data: Path, out: Path, piper: Path | None = None, kokoro: Path | None = None, seed: int = 0, **clips: int
) -> dict[str, int]:
    """Write the clips that are not there yet, and the manifest of all.

    Args:
        data: Folder of recordings with ``manifest.csv``.
        out: Folder of the corpus, which gets ``manifest.csv`` and ``SPLIT/GENERATOR_NUMBER.flac``.
        piper: Folder with Piper's voices; None for none.
        kokoro: Folder with Kokoro's model and voices; None for none.
        clips: Split to clips of each generator; of ``CLIPS`` where it is not named.

    Returns:
        Generator to the number of its clips, in all splits.

    Raises:
        ImportError: If the library of a folder's voices is not installed.
        FileNotFoundError: If the data have no manifest, a folder has no voices, or there is no engine at all.
    """
    found, missing = makers(data, piper, kokoro)
    for one in missing:
        print(f"left out: {one}", file=sys.stderr)
    out.mkdir(parents=True, exist_ok=True)
    manifest = out / "manifest.csv"
    rows = [row for _, row in lines.read(manifest)] if manifest.exists() else []
    there = {row["path"] for row in rows}
    with manifest.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if not rows:
            writer.writeheader()
        for generator, make in tqdm(found.items(), unit="generator"):
            for row in _missing(make, generator, out, CLIPS | clips, seed, there):
                writer.writerow(row)
                file.flush()  # a stopped run goes on after the last clip that is listed
                rows.append(row)
    return dict(Counter(row["generator"] or REAL for row in rows))


def _missing(
    make: Make, generator: str, out: Path, clips: dict[str, int], seed: int, there: set[str]
) -> Iterator[dict[str, Any]]:
    """Write the clips of a generator that are not there, each with its row."""
    for split, count in clips.items():
        if generator in HELD_OUT and split != "test":
            continue
        (out / split).mkdir(exist_ok=True)
        wanted, written, number = count * (PEOPLE if generator == REAL else 1), 0, 0
        while written < wanted:
            path = f"{split}/{generator}_{number:04d}.flac"
            rng = np.random.default_rng([seed, zlib.crc32(f"{generator} {split}".encode()), number])
            number += 1
            if path in there:
                written += 1
                continue
            made = make(split, number - 1, rng)
            if made is None:
                break
            samples, rate, speaker, language, licence, heard = made
            clip = through_channel(samples, rate, rng)
            if clip is None:  # too short
                continue
            soundfile.write(out / path, clip, RATE)
            written += 1
            label, name = (REAL, "") if generator == REAL else ("fake", generator)
            seconds = round(len(clip) / RATE, 2)
            values = (path, split, label, name, speaker, "yes" if heard else "no", language, seconds, licence)
            yield dict(zip(COLUMNS, values, strict=True))


def main() -> None:
    """Make the corpus from the command line."""
    parser = argparse.ArgumentParser(description="Make clips of people and of generated voices, by generator.")
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings with manifest.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder for the clips and manifest.csv")
    parser.add_argument("--piper", type=Path, help="folder with Piper's voices")
    parser.add_argument("--kokoro", type=Path, help="folder with Kokoro's model and voices")
    for split, count in CLIPS.items():
        parser.add_argument(f"--{split}", type=int, default=count, help=f"clips of each generator in {split}")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    def work() -> int:
        try:
            made = write_generators(**vars(options))
        except (ImportError, FileNotFoundError, RuntimeError) as error:  # RuntimeError: a voice that is not installed
            raise UsageError(str(error)) from error
        print(f"{options.out}: " + ", ".join(f"{count} {generator}" for generator, count in made.items()))
        return 0

    sys.exit(exit_code(parser.prog, work))


if __name__ == "__main__":
    main()
