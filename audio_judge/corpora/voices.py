"""Synthetic voices: what they say, who they are, and a maker of clips that ``simulate`` takes as a folder of data.

    python -m audio_judge.corpora.voices --out DIR --piper FOLDER --kokoro FOLDER --clips 500

``DIR/manifest.csv`` has the columns of the recordings' own (kind ``synthetic``). Neural voices (Piper's VITS, Kokoro)
are well set in half of the clips and anywhere up to unusable in the other; classical ones (festival, flite, espeak-ng)
have few settings. No voice is in two splits. A clip depends on the seed and its index only, and those that are
there already are kept. The engines of ``HELD_OUT`` are not among them: ``generators`` tests with these, and nothing may
ever train on one. Left out: languages other than English.
"""

import argparse
import csv
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
from tqdm import tqdm

COLUMNS = ("path", "kind", "split", "source", "speaker", "language", "seconds", "sampling_rate", "licence")
WORDS_PER_CLIP, LONGEST_SECONDS = 12, 6.0  # what is said at an ordinary speed takes four seconds or more
SPLITS = {"train": 0.7, "validation": 0.15, "test": 0.15}
# Shares of the engines; those that are not there are left out
ENGINES = {"piper": 0.4, "kokoro": 0.15, "festival": 0.15, "flite": 0.15, "espeak-ng": 0.15}
# Engines that no judge of ours has heard, so that there is something to tell of a generator that is new
HELD_OUT = ("hibari",)
# What the data's speakers and the classical voices may be used for; simulate lets the same ones speak as it goes
CLASSICAL = {
    "espeak-ng": {
        "train": ["en-us+m1", "en-gb+f1", "en-us+m4", "en-us+f2", "en-gb+m7"],
        "validation": ["en-us+m3"],
        "test": ["en-gb+f4"],
    },
    "flite": {"train": ["slt", "kal", "rms"], "validation": ["awb"], "test": ["kal16"]},
    "festival": {"train": ["kal_diphone", "cmu_us_slt_arctic_hts"], "validation": ["ked_diphone"]},
}
LICENCES = {
    "espeak-ng": "voice of eSpeak NG (GPL-3.0), own text",
    "flite": "voice of Flite (BSD-like), own text",
    "festival": "voice of Festival (free, see its package), own text",
    "piper": "voice as its MODEL_CARD says, own text",
    "kokoro": "Apache-2.0, own text",
    "hibari": "Apache-2.0, own text",
}
WORDS = {
    "who": "the young doctor|my neighbour|a retired pilot|our teacher|the woman at the counter|his cousin Peter|the night porter|"
    "every second passenger|the new mayor|an old friend of mine|the children|Doctor Hughes|two engineers|a girl named Ruth",
    "thing": "the yellow umbrella|a cup of strong tea|nine wooden boxes|the last ticket|a broken watch|three fresh loaves|"
    "the blue envelope|an unsigned cheque|the garden gate|a bag of oranges|my favourite jacket|the heavy suitcase|a small fish",
    "did": "quietly carried|never quite forgot|slowly unpacked|asked me about|had always wanted|sold|was looking for|borrowed|"
    "gave away|carefully measured|dropped|threw out|could not find|paid twenty pounds for",
    "place": "behind the church|at the station|in the kitchen|on the third floor|near the harbour|under the bridge|across the street|"
    "by the window|in the village hall|outside the museum|at the edge of the forest|on platform four",
    "time": "this morning|before the storm began|on a Thursday in June|just after midnight|twice a week|in nineteen eighty-three|"
    "long ago|at a quarter past five|during the holidays|the day before yesterday|as soon as it was dark|every winter",
    "how": "without saying a word|with great patience|as though nothing had happened|for no reason at all|much too fast|"
    "in a cheerful voice|to everyone's surprise|with both hands",
    "state": "warm|almost empty|surprisingly loud|closed for repairs|full of water|quite cheap|far too small|brighter than usual|"
    "hard to reach|delicious|covered in snow|out of order",
    "number": "seven|twelve|forty-one|two hundred|sixteen|ninety-nine|five thousand|zero|eight|thirty-three",
    "digits": "four two seven|zero nine one|six six eight|three oh five|one seven two|five nine four",
    "verb": "remember|see|believe|expect|understand|choose|explain|mention|check|notice",
    "good": "Thank you for calling|Good evening, everyone|I am sorry to hear that|Well, that is strange|Excuse me|"
    "Wait a moment, please|Congratulations|Oh dear|Fair enough|Of course",
}  # fmt: skip
PATTERNS = (
    "{who} {did} {thing} {place} {time}.",
    "{time}, {who} {did} {thing} {how}.",
    "did {who} really {verb} that {thing} was {state}?",
    "{good}. the shop {place} is {state} {time}.",
    "please {verb} that the number is {digits}, {digits}.",
    "when {who} {did} {thing}, the house {place} was {state}.",
    "{good}! {who} {did} {thing} {time}.",
    "there were {number} people {place} {time}, and {number} of them left {how}.",
    "I would not {verb} it, but {who} {did} {thing} {how}.",
    "why would anybody {verb} {thing} {place}?",
    "the answer is {number}, not {number}; {who} told me so {time}.",
    "if the road {place} is {state}, {who} will {verb} it {time}.",
    "your order of {number} items is {state}. to {verb} the details, press {number}.",
    "{who} said {how} that the water {place} was {state}.",
)


class Spoken(NamedTuple):
    """What a voice said: float32 (samples,), its rate in Hz, and the voice's name."""

    samples: np.ndarray
    rate: int
    speaker: str


Speak = Callable[[str, str, np.random.Generator], Spoken]  # (split, sentence, rng) -> speech
Engine = tuple[dict[str, list[str]], Speak]  # the voices of each split, and how one speaks


def make_sentence(rng: np.random.Generator) -> str:
    """Make up an English sentence of about ten words, or two short ones.

    Examples:
        >>> make_sentence(np.random.default_rng(5))
        'Why would anybody check the yellow umbrella outside the museum?'
    """
    pattern = PATTERNS[rng.integers(len(PATTERNS))]
    while "{" in pattern:  # one word at a time, so that a pattern may have two of a kind
        head, _, rest = pattern.partition("{")
        name, _, rest = rest.partition("}")
        choices = WORDS[name].split("|")
        pattern = head + choices[rng.integers(len(choices))] + rest
    parts = [part[0].upper() + part[1:] for part in pattern.split(". ")]
    return "! ".join(part[0].upper() + part[1:] for part in ". ".join(parts).split("! "))


def make_text(rng: np.random.Generator, words: int = WORDS_PER_CLIP) -> str:
    """Make up as many sentences as have that many words, or more."""
    text = make_sentence(rng)
    while len(text.split()) < words:
        text += " " + make_sentence(rng)
    return text


def speak_classical(engine: str, voice: str, sentence: str, rng: np.random.Generator) -> Spoken:
    """Let espeak-ng, flite or festival say a sentence.

    Args:
        engine: Key of ``CLASSICAL``, whose program must be installed.
        voice: As the program calls it.

    Raises:
        FileNotFoundError: If the program is not installed.
        RuntimeError: If it cannot say the sentence.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/speech.wav"
        commands = {
            "espeak-ng": ["espeak-ng", "-v", voice, "-s", str(rng.integers(130, 190)), "-w", file, sentence],
            "flite": ["flite", "-voice", voice, "-t", sentence, "-o", file],
            "festival": ["text2wave", "-eval", f"(voice_{voice})", "-o", file],
        }
        given = sentence if engine == "festival" else None
        result = subprocess.run(commands[engine], input=given, capture_output=True, text=True, check=False)
        if result.returncode or not Path(file).exists():
            raise RuntimeError(f"{engine} {voice} said nothing: {result.stderr.strip()[-200:]}")
        samples, rate = soundfile.read(file, dtype="float32")
    return Spoken(samples, rate, f"{engine} {voice}")


def _classical(engine: str) -> Speak:
    def speak(split: str, sentence: str, rng: np.random.Generator) -> Spoken:
        voices = CLASSICAL[engine].get(split) or CLASSICAL[engine]["train"]
        return speak_classical(engine, voices[rng.integers(len(voices))], sentence, rng)

    return speak


def share_out(voices: Sequence[str]) -> dict[str, list[str]]:
    """Share voices out among the splits: the last is for test, the one before for validation, if four or more.

    Examples:
        >>> share_out(["ann", "bob", "cat", "dan"])
        {'train': ['ann', 'bob'], 'validation': ['cat'], 'test': ['dan']}
        >>> share_out(["joe"])
        {'train': ['joe']}
    """
    if len(voices) < 4:
        return {"train": list(voices)}
    return {"train": list(voices[:-2]), "validation": [voices[-2]], "test": [voices[-1]]}


def _piper_settings(rng: np.random.Generator, badly_set: float) -> dict[str, float]:
    """Noise of the sound, speed and noise of the durations: as recommended, or drawn from quiet drone to breakdown."""
    if rng.random() < 1 - badly_set:
        return {"noise_scale": 0.667, "length_scale": round(float(rng.uniform(0.9, 1.15)), 2), "noise_w_scale": 0.8}
    ranges = {"noise_scale": (0.0, 1.6), "length_scale": (0.6, 1.8), "noise_w_scale": (0.0, 1.8)}
    return {name: round(float(rng.uniform(*ends)), 2) for name, ends in ranges.items()}


def piper_voices(folder: Path, badly_set: float = 0.5) -> Engine:
    """Open Piper's voices: every ``.onnx`` with its ``.onnx.json`` below a folder.

    Args:
        badly_set: Share of the clips with settings that may be wrong.

    Returns:
        The voices of each split (one per model and speaker of it), and the function that lets one speak.

    Raises:
        ImportError: If ``piper-tts`` is not installed.
        FileNotFoundError: If there is no voice.
    """
    try:
        from piper import PiperVoice
        from piper.config import SynthesisConfig
    except ImportError as error:
        raise ImportError("Piper's voices need piper-tts: pip install piper-tts", name="piper") from error
    models = {path.stem: path for path in sorted(folder.rglob("*.onnx")) if path.with_suffix(".onnx.json").exists()}
    if not models:
        raise FileNotFoundError(f"{folder}: no voice of Piper; a voice is NAME.onnx beside NAME.onnx.json")
    load = cache(lambda name: PiperVoice.load(str(models[name])))
    named = [f"{name} {speaker}" for name in models for speaker in range(load(name).config.num_speakers)]
    splits = share_out(named)

    def speak(split: str, sentence: str, rng: np.random.Generator) -> Spoken:
        voice = splits[split][rng.integers(len(splits[split]))]
        name, speaker = voice.split()
        model = load(name)
        settings: Any = _piper_settings(rng, badly_set)
        settings = SynthesisConfig(int(speaker) if model.config.num_speakers > 1 else None, **settings)
        parts = [chunk.audio_float_array for chunk in model.synthesize(sentence, settings)]
        return Spoken(np.concatenate(parts).astype(np.float32), model.config.sample_rate, f"piper {voice}")

    return splits, speak


@contextmanager
def _whole_model(folder: Path) -> Iterator[Path]:
    """Kokoro's model: an ``.onnx`` file, or ``part.bin`` files of folders, as packages bring it, joined by their names."""
    whole, parts = sorted(folder.rglob("*.onnx")), sorted(folder.rglob("part.bin"))
    if whole:
        yield whole[0]
    elif parts:
        with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
            file.write(b"".join(part.read_bytes() for part in parts))
            file.flush()
            yield Path(file.name)
    else:
        raise FileNotFoundError(f"{folder}: no model of Kokoro; give a folder with an .onnx file or part.bin files")


def kokoro_voices(folder: Path, badly_set: float = 0.5) -> Engine:
    """Open Kokoro: a model and its voices (``.npz`` or ``.bin``) below a folder.

    Most clips speak with a voice as it is; the share ``badly_set`` with two voices of the split mixed, or one pushed away
    from the other, which no longer sounds human, and at a speed that may be wrong.

    Returns:
        The voices of each split, and the function that lets one speak.

    Raises:
        ImportError: If ``kokoro-onnx`` is not installed.
        FileNotFoundError: If the model or its voices are not there.
    """
    try:
        import onnxruntime
        from kokoro_onnx import Kokoro
    except ImportError as error:
        raise ImportError("Kokoro needs kokoro-onnx: pip install kokoro-onnx", name="kokoro_onnx") from error
    tables = sorted([*folder.rglob("voices*.npz"), *folder.rglob("voices*.bin")])
    if not tables:
        raise FileNotFoundError(f"{folder}: no voices of Kokoro; give a folder with voices*.npz or voices*.bin")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # other work shares the machine
    with _whole_model(folder) as path:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        model: Any = Kokoro.from_session(session, str(tables[0]))
    splits = share_out(sorted(model.get_voices()))

    def speak(split: str, sentence: str, rng: np.random.Generator) -> Spoken:
        first = splits[split][rng.integers(len(splits[split]))]
        others = [voice for voice in splits[split] if voice != first]
        style, speaker, speed = model.get_voice_style(first), first, rng.uniform(0.9, 1.1)
        if others and rng.random() < badly_set:
            other, weight = others[rng.integers(len(others))], round(float(rng.uniform(-0.8, 0.5)), 1)
            style = (1 - weight) * style + weight * model.get_voice_style(other)
            speaker = f"{first}{weight:+g}*{other}"
            speed = 2 ** rng.uniform(-0.8, 0.8)
        samples, rate = model.create(sentence, voice=style.astype(np.float32), speed=float(speed), lang="en-us")
        return Spoken(samples.astype(np.float32), rate, f"kokoro {speaker}")

    return splits, speak


def hibari_voices() -> Engine:
    """Open hibari, a small neural voice that its package brings along (Apache-2.0); it is in ``HELD_OUT``.

    Raises:
        ImportError: If ``hibari-tts`` is not installed.
    """
    try:
        from hibari import Hibari
    except ImportError as error:
        raise ImportError("hibari needs hibari-tts: pip install hibari-tts", name="hibari") from error
    model, rate = Hibari(), 24_000

    def speak(split: str, sentence: str, rng: np.random.Generator) -> Spoken:
        speed, seed = float(rng.uniform(0.9, 1.1)), int(rng.integers(2**31))
        return Spoken(np.asarray(model(sentence, speed=speed, seed=seed), np.float32), rate, "hibari heart")

    return {"test": ["heart"]}, speak


def open_engines(piper: Path | None, kokoro: Path | None, badly_set: float = 0.5) -> dict[str, Engine]:
    """Open the engines that may train: the classical ones that are installed, and those whose folder is given.

    Args:
        piper: Folder with Piper's voices; None for none.
        kokoro: Folder with Kokoro's model and voices; None for none.
        badly_set: Share of the clips of these two with settings that may be wrong.

    Raises:
        ImportError: If the library of a folder's voices is not installed.
        FileNotFoundError: If a folder has no voices, or there is no voice at all.
    """
    engines = {}
    for engine, splits in CLASSICAL.items():
        if shutil.which("text2wave" if engine == "festival" else engine):
            engines[engine] = (splits, _classical(engine))
    if piper is not None:
        engines["piper"] = piper_voices(piper, badly_set)
    if kokoro is not None:
        engines["kokoro"] = kokoro_voices(kokoro, badly_set)
    if not engines:
        raise FileNotFoundError("no voice at all: install espeak-ng, flite or festival, or give --piper or --kokoro")
    return engines


def make_voice(engines: dict[str, Engine], seed: int, index: int) -> tuple[str, Spoken]:
    """Make one clip; the same engines, seed and index give the same sentence, voice and settings.

    Returns:
        Its split, and what was said.
    """
    rng = np.random.default_rng([seed, index])
    names = [name for name in ENGINES if name in engines]
    shares = np.array([ENGINES[name] for name in names])
    splits, speak = engines[names[rng.choice(len(names), p=shares / shares.sum())]]
    filled = [split for split in SPLITS if splits.get(split)]
    shares = np.array([SPLITS[split] for split in filled])
    split = filled[rng.choice(len(filled), p=shares / shares.sum())]
    spoken = speak(split, make_text(rng), rng)
    return split, spoken._replace(samples=spoken.samples[: int(LONGEST_SECONDS * spoken.rate)])


def write_voices(out: Path, clips: int, piper: Path | None = None, kokoro: Path | None = None, seed: int = 0) -> int:
    """Write clips of synthetic voices, and the manifest of all that are there.

    Args:
        out: Folder, which gets ``manifest.csv`` and one flac file per clip.
        clips: How many there shall be.
        piper: Folder with Piper's voices; None for none.
        kokoro: Folder with Kokoro's model and voices; None for none.

    Returns:
        Number of clips written now.

    Raises:
        ImportError: If the library of a folder's voices is not installed.
        FileNotFoundError: If a folder has no voices, or there is no voice at all.
    """
    engines = open_engines(piper, kokoro)
    out.mkdir(parents=True, exist_ok=True)
    manifest = out / "manifest.csv"
    rows = list(csv.reader(manifest.open(encoding="utf-8", newline="")))[1:] if manifest.exists() else []
    there = {row[0] for row in rows}
    missing = [index for index in range(clips) if f"{index:05d}.flac" not in there]
    with manifest.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([] if rows else [COLUMNS])
        for index in tqdm(missing, desc=out.name, unit="clip"):
            split, (samples, rate, speaker) = make_voice(engines, seed, index)
            peak = float(np.abs(samples).max(initial=1e-9))
            soundfile.write(out / f"{index:05d}.flac", samples * min(1.0, 0.98 / peak), rate)
            engine, voice = speaker.split(" ", 1)
            seconds = round(len(samples) / rate, 2)
            row = (f"{index:05d}.flac", "synthetic", split, engine, voice, "en", seconds, rate, LICENCES[engine])
            writer.writerow(row)
            file.flush()  # a stopped run goes on after the last clip that is listed
    return len(missing)


def main() -> None:
    """Make synthetic voices from the command line."""
    parser = argparse.ArgumentParser(description="Make clips of synthetic voices, with a manifest.")
    parser.add_argument("--out", type=Path, required=True, help="folder for the clips and manifest.csv")
    parser.add_argument("--piper", type=Path, help="folder with Piper's voices")
    parser.add_argument("--kokoro", type=Path, help="folder with Kokoro's model and voices")
    parser.add_argument("--clips", type=int, default=500, help="how many there shall be")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(f"{options.out}: {write_voices(**vars(options))} clips written")


if __name__ == "__main__":
    main()
