"""Makes the simulated corpus (sources, degradations, teachers' labels), which ``simulated.read_simulated`` reads.

    python -m audio_judge.corpora.simulate --data DATA VOICES --out DIR --split train --clips 16000 --seed 0 --workers 2
    python -m audio_judge.corpora.simulate --data DATA VOICES --out DIR --split train_concepts --clips 6000

``manifest.csv`` in each folder of data lists its audio (``path, kind, split, source, speaker``); ``voices`` makes one of
synthetic speech. A clip depends on the data, the seed, the split and its own index only, so a stopped run goes on where
it stopped.
"""

import argparse
import shutil
import sys
import zlib
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
import torch
from tqdm import tqdm

from audio_judge.batch import lines
from audio_judge.batch.workers import in_processes
from audio_judge.clips import Cause
from audio_judge.corpora.severity import concept_severity
from audio_judge.corpora.simulated import CONCEPT_SPLITS, HUMAN, KNOWN_RATINGS, NISQA_AXES, SPLITS, STATES, read_rows
from audio_judge.corpora.teachers import check_installed, distill_mos, nisqa
from audio_judge.corpora.voices import CLASSICAL, make_sentence, speak_classical
from audio_judge.degrade import degrade, sample_plan
from audio_judge.degrade.codecs import load_av
from audio_judge.degrade.measures import active_level
from audio_judge.degrade.plans import RECORDINGS, sample_concepts
from audio_judge.errors import UsageError, exit_code

RATE = 48_000
PROMPTS = Path("/usr/share/asterisk/sounds")  # Debian's asterisk-core-sounds-*-g722, one human voice per folder
VALIDATION_PROMPTS = "ru_"
G722_BYTES_PER_SECOND = 8_000
# Shares of the kinds of content; those a split has no files for are left out.
CONTENT = {"speech": 0.52, "prompt": 0.24, "synthetic": 0.12, "voice": 0.085}
CONTENT |= {"noise": 0.015, "music": 0.01, "silence": 0.01}
Row = dict[str, Any]
# What a clip that cannot be made raises; one such clip must not end a run of hours
IMPOSSIBLE = (ValueError, RuntimeError)
# What degrading a clip, and measuring that, imports
FAULTS = ("av", "pyrnnoise", "webrtc_noise_gain", "pystoi")
# What a recording of noise is, by its file's name; what is none of these is noise of another kind
BABBLE = ("cafe", "bar", "restaurant", "crowd", "supermarket")
TRAFFIC = ("transport-", "urban-busy", "urban-highway", "urban-road", "urban-traffic", "subway", "car-")
# Splits of real processed speech, and what the manifest calls them
WILD = {"wild_validation": "train", "wild_test": "test"}
VOICES = {
    split: [(engine, voice) for engine in ("espeak-ng", "flite") for voice in CLASSICAL[engine][split]]
    for split in ("train", "validation", "test")
}


@dataclass(frozen=True)
class Source:
    """One file that clips are made from.

    Args:
        kind: ``speech``, ``prompt``, ``synthetic``, ``wild``, ``noise``, ``music`` or ``rir``.
        split: ``train``, ``validation`` or ``test``.
        name: The data set it belongs to.
        speaker: Empty if unknown.
    """

    path: str
    kind: str
    split: str
    name: str
    speaker: str = ""


@dataclass(frozen=True)
class Original:
    """A clip before degradation: (samples,) at 48 kHz, of a kind in ``CONTENT``; ``source`` is its data set or voice.

    ``rate`` is that of the file or voice in Hz.
    """

    samples: np.ndarray
    kind: str
    source: str
    speaker: str = ""
    rate: int = RATE


@dataclass(frozen=True)
class Heard:
    """A clip as its file holds it and as the teachers hear it.

    Args:
        row: As ``make_clip`` says it, without labels; ``reference`` and ``estoi`` are None.
        integers: int16 (samples,) at 48 kHz.
        original: The clip before degradation, float32 (samples,).
    """

    row: dict[str, Any]
    integers: np.ndarray
    original: np.ndarray

    @property
    def samples(self) -> np.ndarray:
        """Float32 (samples,), -1 to 1."""
        return self.integers.astype(np.float32) / 32_768


def list_sources(data: Sequence[Path], prompts: Path = PROMPTS) -> list[Source]:
    """List the audio of each folder's ``manifest.csv`` and the installed telephone prompts, sorted by path within each.

    Impulse responses, too few to be split by the manifest, are split here by file: of a folder, the last for test, the
    one before for validation. ``prompts`` has one folder of g722 files per voice; it may be absent.

    Raises:
        FileNotFoundError: If a folder has no manifest.
    """
    sources = [source for folder in data for source in _listed(folder)]
    return sources + [_prompt(path) for path in sorted(prompts.glob("*/**/*.g722")) if _is_spoken(path)]


def _listed(folder: Path) -> list[Source]:
    manifest = folder / "manifest.csv"
    if not manifest.exists():
        raise FileNotFoundError(f"{manifest}: no manifest; --data takes folders with manifest.csv")
    rows = sorted((row for _, row in lines.read(manifest)), key=lambda row: row["path"])
    responses = [row for row in rows if row["kind"] == "rir"]
    for row, split in zip(reversed(responses), ("test", "validation"), strict=False):
        row["split"] = split  # the row itself, which is in ``rows`` too
    return [Source(str(folder / r["path"]), r["kind"], r["split"], r["source"], r["speaker"]) for r in rows]


def _is_spoken(path: Path) -> bool:
    """Tell a prompt from a beep, a tone or a pause; what is under a second is none or of no use."""
    is_tone = "beep" in path.name or "tone" in path.stem.split("-")[-1] or "silence" in path.parts
    return path.stat().st_size >= G722_BYTES_PER_SECOND and not is_tone


def _prompt(path: Path) -> Source:
    voice = path.relative_to(path.parents[-1]).parts[path.parts.index("sounds")]
    split = "validation" if voice.startswith(VALIDATION_PROMPTS) else "train"
    return Source(str(path), "prompt", split, "asterisk", voice)


@lru_cache(maxsize=512)
def _read(path: str) -> tuple[np.ndarray, int]:
    """Read the first channel of a file at its own rate; g722 has no header and needs FFmpeg."""
    if not path.endswith(".g722"):
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        return samples[:, 0], rate
    with load_av().open(path, format="g722") as container:
        frames = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
    return np.concatenate(frames).astype(np.float32) / 32_768, 16_000


def _at_rate(samples: np.ndarray, rate: int) -> np.ndarray:
    return soxr.resample(samples, rate, RATE).astype(np.float32) if rate != RATE else samples


def _crop(samples: np.ndarray, length: int, rng: np.random.Generator) -> np.ndarray:
    """Cut a random stretch with 5 ms fades, so that the cut itself is not heard as a fault."""
    if len(samples) <= length:
        return samples
    start = int(rng.integers(len(samples) - length))
    stretch = samples[start : start + length].copy()
    fade = np.linspace(0, 1, min(RATE // 200, length // 2), dtype=np.float32)
    stretch[: len(fade)] *= fade
    stretch[-len(fade) :] *= fade[::-1]
    return stretch


def _set_level(samples: np.ndarray, level: float) -> np.ndarray:
    """Bring active speech to a level in dBFS, less if a peak would clip."""
    gain = 10 ** (level / 20) / active_level(samples, RATE)
    peak = float(np.abs(samples).max())
    return (samples * min(gain, 0.98 / max(peak, 1e-9))).astype(np.float32)


def _pick(sources: list[Source], rng: np.random.Generator) -> Source:
    """Draw a file; a data set's chance grows with the root of its size, so that no large one drowns the others."""
    names = sorted({source.name for source in sources})
    weights = np.sqrt([sum(source.name == name for source in sources) for name in names])
    name = names[rng.choice(len(names), p=weights / weights.sum())]
    files = [source for source in sources if source.name == name]
    return files[rng.integers(len(files))]


def _spoken(first: Source, sources: list[Source], length: int, rng: np.random.Generator) -> np.ndarray:
    """Join utterances of one speaker, with short pauses, until there is enough to crop."""
    same = [source for source in sources if (source.name, source.speaker) == (first.name, first.speaker)]
    parts = [_at_rate(*_read(first.path))]
    while sum(map(len, parts)) < length and len(parts) < 12:
        parts.append(np.zeros(int(rng.uniform(0.1, 0.4) * RATE), dtype=np.float32))
        parts.append(_at_rate(*_read(same[rng.integers(len(same))].path)))
    return _crop(np.concatenate(parts), length, rng)


def _original(sources: list[Source], split: str, rng: np.random.Generator) -> Original:
    """Draw what a clip contains; ``sources`` are those of the split."""
    by_kind = {kind: [source for source in sources if source.kind == kind] for kind in CONTENT}
    kinds = [kind for kind in CONTENT if by_kind[kind] or kind in ("voice", "silence")]
    shares = np.array([CONTENT[kind] for kind in kinds])
    kind = kinds[rng.choice(len(kinds), p=shares / shares.sum())]
    length = int(rng.uniform(2.5, 6.0) * 10) * RATE // 10
    if kind == "silence":
        hiss = 10 ** (rng.uniform(-95, -75) / 20) * (rng.random() < 0.5)
        return Original((hiss * rng.standard_normal(length)).astype(np.float32), kind, "silence")
    if kind == "voice":
        engine, voice = VOICES[split][rng.integers(len(VOICES[split]))]
        spoken = speak_classical(engine, voice, make_sentence(rng), rng)
        samples = _crop(_at_rate(spoken.samples, spoken.rate), length, rng)
        return Original(_set_level(samples, rng.normal(-26, 2)), kind, engine, spoken.speaker, spoken.rate)
    source = _pick(by_kind[kind], rng)
    if kind in ("noise", "music"):
        samples = _crop(_at_rate(*_read(source.path)), length, rng)
        return Original(_set_level(samples, rng.uniform(-45, -18)), kind, source.name)
    samples = _spoken(source, by_kind[kind], length, rng)
    level = rng.normal(-26, 2) if rng.random() < 0.85 else rng.uniform(-40, -16)
    return Original(_set_level(samples, level), kind, source.name, source.speaker, _read(source.path)[1])


def _plan(original: Original, held_out: bool, rng: np.random.Generator, recordings: bool) -> list[Cause]:
    """Draw what happens to an original; held-out plans are never empty.

    ``sample_plan`` leaves 8 % as they are; with the 6 % here, about 12 % are undegraded, and 8 % differ in level only.
    """
    draw = rng.random()
    if original.kind in KNOWN_RATINGS:
        return []
    if held_out:
        return sample_plan(rng, held_out=True, recordings=recordings)
    if draw < 0.06:
        return []
    if draw < 0.14:
        return [Cause("level", {"gain_db": round(float(rng.uniform(-35, 15)), 1)})]
    return sample_plan(rng, recordings=recordings)


def _wild(sources: list[Source], split: str) -> list[Source]:
    """The real processed speech of a split: nobody stated its licence, so that it trains nothing and only tests."""
    return [source for source in sources if source.kind == "wild" and source.split == WILD[split]]


def _excerpts(sources: list[Source], count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Draw recordings for ``degrade``, at 48 kHz."""
    drawn = [sources[index] for index in rng.integers(len(sources), size=count)] if sources else []
    pieces = []
    for source in drawn:
        samples, rate = _read(source.path)
        start = int(rng.integers(max(1, len(samples) - 6 * rate)))
        pieces.append(_at_rate(samples[start : start + 6 * rate], rate))
    return pieces


def _of_each(sources: list[Source], rng: np.random.Generator) -> list[np.ndarray]:
    """An excerpt of each of ``RECORDINGS``, at 48 kHz; empty where there is no file of a kind."""
    files: dict[str, list[Source]] = {name: [] for name in RECORDINGS}
    for source in sources:
        if source.kind == "music":
            files["music"].append(source)
        elif source.kind == "noise":
            name = Path(source.path).name
            is_kind = {"babble": any(word in name for word in BABBLE), "traffic": any(word in name for word in TRAFFIC)}
            files[next((kind for kind, yes in is_kind.items() if yes), "other")].append(source)
    return [np.concatenate(_excerpts(own, 1, rng) or [np.zeros(0, np.float32)]) for own in files.values()]


def _make_concept_clip(own: list[Source], split: str, rng: np.random.Generator) -> tuple[Original, np.ndarray, Row]:
    """Draw an original and what is done to it, of faults that people have a word for; the row has their severities."""
    original = _original([source for source in own if source.kind not in KNOWN_RATINGS], split.split("_")[0], rng)
    while original.kind in KNOWN_RATINGS:  # silence needs no files
        original = _original([source for source in own if source.kind not in KNOWN_RATINGS], split.split("_")[0], rng)
    noises = _of_each(own, rng)
    plan = [cause for cause in sample_concepts(rng) if len(noises[cause.parameters.get("recording", 0)])]
    degraded = degrade(original.samples, RATE, plan, seed=int(rng.integers(2**31)), noises=noises)
    seconds = len(degraded.samples) / RATE
    known = concept_severity(
        degraded.causes,
        seconds,
        recordings=RECORDINGS,
        edge_hz=min(original.rate / 2, 20_000),
        active_dbfs=20 * float(np.log10(max(active_level(degraded.samples, RATE), 1e-9))),
        voice="" if original.kind in HUMAN else original.source,
    )
    return original, degraded.samples, {"causes": degraded.causes, "concepts": known}


def make_clip(
    sources: list[Source], split: str, seed: int, index: int
) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """Make one clip, unlabelled; the same arguments give the same clip.

    Args:
        index: Number of the clip; for the wild splits, of the file.

    Returns:
        The row so far (``index, split, content, source, speaker, seconds, causes``, of ``CONCEPT_SPLITS`` also
        ``concepts``, see ``severity.concept_severity``); the clip and its original, both
        float32 of shape (samples,) at 48 kHz.
    """
    # The order of all draws from here is part of the corpus: another one makes other clips of the same seed. No hash(),
    # which differs from process to process
    rng = np.random.default_rng([seed, zlib.crc32(split.encode()), index])
    held_out, base = split == "test_held_out", split.split("_")[0]
    more: Row = {}
    if split in CONCEPT_SPLITS:
        own = [source for source in sources if source.split == base]
        original, samples, more = _make_concept_clip(own, split, rng)
        causes = more.pop("causes")
    elif split in WILD:
        source = _wild(sources, split)[index]
        original = Original(_at_rate(*_read(source.path)), "wild", source.name, source.speaker)
        samples, causes = original.samples, tuple[Cause, ...]()
    else:
        own = [source for source in sources if source.split == base]
        original = _original(own, base, rng)
        recorded = {source.kind for source in own} >= {"noise", "rir"}
        plan = _plan(original, held_out, rng, recorded)
        noises = _excerpts([s for s in own if s.kind == "noise"], 2, rng)
        responses = [_at_rate(*_read(s.path)) for s in own if s.kind == "rir"]
        degraded = degrade(
            original.samples, RATE, plan, seed=int(rng.integers(2**31)), noises=noises, impulse_responses=responses
        )
        samples, causes = degraded.samples, degraded.causes
    row = {"index": index, "split": split, "content": original.kind, "source": original.source}
    row |= {"speaker": original.speaker, "seconds": round(len(samples) / RATE, 3)}
    row |= {"level_dbfs": round(20 * float(np.log10(active_level(original.samples, RATE))), 1)}
    return row | {"causes": [asdict(cause) for cause in causes]} | more, samples, original.samples


def hear_clip(sources: list[Source], split: str, seed: int, index: int) -> Heard:
    """Make one clip, rounded to 16 bits as in a file; arguments are those of ``make_clip``."""
    row, samples, original = make_clip(sources, split, seed, index)
    integers = np.round(np.clip(samples, -1, 32_767 / 32_768) * 32_768).astype(np.int16)  # +32768 would wrap round
    if not np.any(integers):
        row["content"] = "silence"  # whatever was planned, nothing is left
    return Heard(row | {"reference": None, "estoi": None}, integers, original)


def label_clip(
    samples: np.ndarray, teachers: Collection[str] = tuple(STATES)
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Have teachers rate a clip.

    Args:
        samples: Float32 (samples,) at 48 kHz.
        teachers: Of ``STATES``; the others are not loaded.

    Returns:
        ``nisqa_AXIS`` and ``distill_mos`` to scores; teacher to its states, float16 (frames, 64) or (frames, 200).
    """
    scores, states = dict[str, float](), dict[str, np.ndarray]()
    if "nisqa" in teachers:
        (rated,), (heard,) = nisqa(samples[None])
        scores |= {f"nisqa_{axis}": round(rated[axis], 4) for axis in NISQA_AXES}
        states["nisqa"] = heard.astype(np.float16)
    if "distill_mos" in teachers:
        (score,), (heard,) = distill_mos([samples], RATE, bfloat16=True)
        scores["distill_mos"] = round(score, 4)
        states["distill_mos"] = heard.astype(np.float16)
    return scores, states


def _write_clip(folder: Path, sources: list[Source], split: str, seed: int, index: int) -> dict[str, Any]:
    """Make a clip, write it (and for 30 % its original), label it."""
    clip = hear_clip(sources, split, seed, index)
    row, name = clip.row, f"{index:06d}"
    soundfile.write(folder / "clips" / f"{name}.wav", clip.integers, RATE, subtype="PCM_16")
    row["path"] = f"{split}/clips/{name}.wav"
    if row["causes"] and index % 10 < 3 and split not in CONCEPT_SPLITS:
        soundfile.write(folder / "ref" / f"{name}.wav", np.clip(clip.original, -1, 1), RATE, subtype="PCM_16")
        row["reference"] = f"{split}/ref/{name}.wav"
    row["estoi"] = _estoi(row, clip.samples, clip.original)
    scores, states = label_clip(clip.samples, () if split in CONCEPT_SPLITS else tuple(STATES))
    for teacher, heard in states.items():
        row[STATES[teacher]] = f"{split}/{STATES[teacher]}/{name}.npy"
        np.save(folder.parent / row[STATES[teacher]], heard)
    return row | scores


def _estoi(row: dict[str, Any], heard: np.ndarray, original: np.ndarray) -> float | None:
    """Extended STOI where the original is kept and still lines up with the clip: about -0.1 to 1; None elsewhere."""
    moved = {"speed", "jitter"} & {cause["kind"] for cause in row["causes"]}
    if row["reference"] is None or moved or row["content"] in KNOWN_RATINGS:
        return None
    from pystoi import stoi

    length = min(len(heard), len(original))
    return round(float(stoi(original[:length], heard[:length], RATE, extended=True)), 4)


def _write_batch(folder: Path, data: Sequence[Path], split: str, seed: int, indexes: list[int]) -> list[dict[str, Any]]:
    torch.set_num_threads(1)
    rows = []
    for index in indexes:
        try:
            rows.append(_write_clip(folder, _sources(tuple(data)), split, seed, index))
        except IMPOSSIBLE as error:
            print(f"{split} {index}: skipped, {error}", flush=True)
    return rows


@lru_cache
def _sources(data: tuple[Path, ...]) -> list[Source]:
    return list_sources(data)


def check_ready(split: str) -> None:
    """Make sure, before any work, that degradations, voices and teachers of a split are there.

    Raises:
        UsageError: If something is missing; says what, and how to get it.
    """
    if split in WILD:  # real degraded speech, which is rated only
        check_installed(STATES)
        return
    check_installed(() if split in CONCEPT_SPLITS else STATES, FAULTS)
    lacking = [program for program in dict(VOICES[split.split("_")[0]]) if not shutil.which(program)]
    if lacking:
        raise UsageError(
            f"{', '.join(lacking)} not installed, which speak some of the clips: apt-get install {' '.join(lacking)}"
        )


def write_simulated(data: Sequence[Path], out: Path, split: str, clips: int, seed: int = 0, workers: int = 1) -> int:
    """Write the clips of a split that are not there yet.

    Args:
        data: Folders with ``manifest.csv``.
        out: Folder of the corpus; the split gets a folder in it.
        clips: How many clips the split shall have; at most the number of files for the wild splits.
        workers: Processes, one thread each.

    Returns:
        Number of clips written now.

    Raises:
        ValueError: If ``split`` is unknown.
    """
    if split not in (*SPLITS, *CONCEPT_SPLITS):
        raise ValueError(f"split is {split!r}; choose one of {', '.join((*SPLITS, *CONCEPT_SPLITS))}")
    folder = out / split
    for name in ("clips", "ref", *STATES.values()):
        (folder / name).mkdir(parents=True, exist_ok=True)
    done = read_rows(folder)
    if split in WILD:
        clips = min(clips, len(_wild(list_sources(data), split)))
    # By number, not by count: a clip that was skipped leaves a gap, and batches end in any order
    missing = sorted(set(range(clips)) - {row["index"] for row in done})
    batches = [missing[start : start + 8] for start in range(0, len(missing), 8)]
    written = 0
    jobs = [(folder, data, split, seed, batch) for batch in batches]
    with lines.Appender(folder / "rows.jsonl") as file, closing(in_processes(_write_batch, jobs, workers)) as made:
        for rows in tqdm(made, total=len(jobs), desc=split, unit="batch"):
            file.write(*rows)
            written += len(rows)
    return written


def main() -> None:
    """Write one split from the command line."""
    parser = argparse.ArgumentParser(description="Make a simulated corpus with teachers' labels.")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders with manifest.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder of the corpus")
    parser.add_argument("--split", choices=(*SPLITS, *CONCEPT_SPLITS), default="train")
    parser.add_argument("--clips", type=int, default=16_000, help="clips the split shall have")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()

    def work() -> int:
        check_ready(options.split)
        print(f"{options.out / options.split}: {write_simulated(**vars(options))} clips written")
        return 0

    sys.exit(exit_code(parser.prog, work))


if __name__ == "__main__":
    main()
