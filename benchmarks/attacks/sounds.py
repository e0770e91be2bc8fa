"""Mutated sound files: bits flipped, cut, headers that lie, bombs, what is no sound, and what is no file."""

import io
import os
import random
import socket
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile
from encoded import contained, encoded, with_data_size, with_total, without_xing

from attacks import judged
from attacks.rounds import Found
from audio_judge.batch import lines

SECONDS = 1.0
# Formats that libsndfile writes, and what FFmpeg does
PLAIN = {
    "wav": ("WAV PCM_16", "WAV PCM_24", "WAV FLOAT", "WAV ULAW", "WAV MS_ADPCM", "WAVEX PCM_16"),
    "flac": ("FLAC", "FLAC PCM_24"), "mp3": ("MP3",), "ogg": ("OGG VORBIS",), "opus": ("OGG OPUS",), "aiff": ("AIFF PCM_16",),
    "au": ("AU PCM_16",), "caf": ("CAF PCM_16",), "w64": ("W64 PCM_16", "W64 FLOAT"), "rf64": ("RF64 PCM_16",),
    "sph": ("NIST PCM_16",), "voc": ("VOC PCM_16",),
}  # fmt: skip
FILMS = {"m4a": ("mp4", "aac"), "webm": ("webm", "libopus"), "mka": ("matroska", "pcm_s16le"), "aac": ("adts", "aac")}
EXTREMES = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7FFE0000, 1_000_000_000, 44, 0xFFFFFFF0)
Mutation = Callable[[bytes, random.Random], bytes]


def _part(data: bytes, rng: random.Random) -> tuple[int, int]:
    first = rng.randrange(len(data))
    return first, min(len(data), first + rng.choice([1, 16, 512, 8192]))


def flip(data: bytes, rng: random.Random) -> bytes:
    """Bits flipped anywhere."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 8, 64, 512])):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def head(data: bytes, rng: random.Random) -> bytes:
    """Bytes of the header replaced."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 2, 4, 16])):
        changed[rng.randrange(min(len(changed), 128))] = rng.randrange(256)
    return bytes(changed)


def extreme(data: bytes, rng: random.Random) -> bytes:
    """Numbers of the header that are as small or as large as can be."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 3])):
        at = rng.randrange(0, min(len(changed), 120) - 4, 2)
        changed[at : at + 4] = struct.pack(rng.choice(["<I", ">I"]), rng.choice(EXTREMES))
    return bytes(changed)


def cut(data: bytes, rng: random.Random) -> bytes:
    """The beginning of a file."""
    return data[: rng.randrange(len(data))]


def drop(data: bytes, rng: random.Random) -> bytes:
    """A piece missing."""
    first, last = _part(data, rng)
    return data[:first] + data[last:]


def again(data: bytes, rng: random.Random) -> bytes:
    """A piece that comes twice."""
    first, last = _part(data, rng)
    return data[:last] + data[first:]


def blank(data: bytes, rng: random.Random) -> bytes:
    """A piece of zeros."""
    first, last = _part(data, rng)
    return data[:first] + bytes(last - first) + data[last:]


def noise(data: bytes, rng: random.Random) -> bytes:
    """A piece of anything."""
    first, last = _part(data, rng)
    return data[:first] + rng.randbytes(last - first) + data[last:]


def joined(data: bytes, rng: random.Random) -> bytes:
    """Twice the same file."""
    return data + data


def before(data: bytes, rng: random.Random) -> bytes:
    """Something before the file."""
    return rng.choice([b"\0" * 16, b"ID3\x04\0\0\0\0\x0f\x7f", b"\xef\xbb\xbf", b"HTTP/1.1 200 OK\r\n\r\n"]) + data


def whole(data: bytes, rng: random.Random) -> bytes:
    """Nothing changed."""
    return data


MUTATIONS: tuple[Mutation, ...] = (
    flip,
    flip,
    head,
    extreme,
    extreme,
    cut,
    cut,
    drop,
    again,
    blank,
    noise,
    joined,
    before,
    whole,
)


def floats(rng: random.Random) -> bytes:
    """Floats that are no samples."""
    samples = np.random.default_rng(rng.randrange(2**32)).normal(scale=0.1, size=16_000).astype(np.float32)
    value = rng.choice([np.nan, np.inf, -np.inf, 1e30, 3e4, 1e-42, 2.0])
    samples[rng.randrange(16_000) :: rng.choice([1, 7, 16_000])] = value
    out = io.BytesIO()
    soundfile.write(out, samples, 16_000, format=rng.choice(["WAV", "W64", "AIFF", "AU"]), subtype="FLOAT")
    return out.getvalue()


def hours(rng: random.Random) -> bytes:
    """A header that declares hours, or less than there is."""
    kind = rng.randrange(3)
    if kind == 0:
        return with_data_size(encoded("WAV PCM_16", SECONDS), rng.choice([*EXTREMES, rng.randrange(2**32)]))
    if kind == 1:
        return with_total(encoded("FLAC", SECONDS), rng.choice([0, 1, 8000, 16_001, 2**36 - 1, rng.randrange(2**36)]))
    return without_xing(encoded("MP3", SECONDS))


def silence(rng: random.Random) -> bytes:
    """Many minutes in a few kilobytes."""
    out = io.BytesIO()
    samples = np.zeros(rng.choice([60, 600, 3600]) * 8000, np.int16)
    if rng.random() < 0.3:
        samples[::4000] = 20_000
    soundfile.write(out, samples, 8000, format="FLAC")
    return out.getvalue()


def channels(rng: random.Random) -> bytes:
    """Many channels, or a rate that none has."""
    data = bytearray(encoded("WAV PCM_16", SECONDS))
    data[22:24] = struct.pack("<H", rng.choice([0, 2, 3, 8, 64, 65, 1024, 65_535]))
    data[24:28] = struct.pack("<I", rng.choice([16_000, 0, 1, 3999, 384_001, 2**31, 2**32 - 1]))
    return bytes(data)


def no_sound(rng: random.Random) -> bytes:
    """What is no sound under the name of one; none of it may make the reader open other files, or run anything."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.wav", bytes(10_000_000))
    return rng.choice([
        b"", b"\0", b"RIFF", b"RIFF\0\0\0\0WAVE", b"OggS" * 999, b"\xff\xfb" * 4096, b"fLaC" + bytes(60), packed.getvalue(),
        b"#EXTM3U\n#EXTINF:3,\nother.wav\n", b"ffconcat version 1.0\nfile other.wav\n", b"[playlist]\nFile1=other.wav\n",
        b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nm=audio 9 RTP/AVP 0\r\n", b"<html>404</html>", b"\x89PNG\r\n\x1a\n" + bytes(64),
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", b"\x80\x04cos\nsystem\n(S'true'\ntR.", rng.randbytes(4096),
    ])  # fmt: skip


SPECIAL: tuple[Callable[[random.Random], bytes], ...] = (floats, hours, hours, channels, no_sound, no_sound)


def no_file(path: Path, rng: random.Random) -> None:
    """Something that no bytes can be read from, or that has no end."""
    kind = rng.choice(["pipe", "socket", "folder", "loop", "zero", "null", "nowhere", "closed"])
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as one:
            os.chdir(path.parent)  # the path of a socket is short
            one.bind("socket")
            os.rename("socket", path.name)
            os.chdir(path.parents[1])
    elif kind == "folder":
        path.mkdir()
    elif kind == "closed":
        path.write_bytes(judged.clip())
        path.chmod(0)
    else:
        places = {"loop": path, "zero": "/dev/zero", "null": "/dev/null", "nowhere": "missing.wav"}
        path.symlink_to(places[kind])


class Sounds:
    """Mutated files, scored in batches by the command line."""

    name, size = "files", 100

    def prepare(self, folder: Path) -> None:
        """Write what is mutated."""
        judged.judge_folder(folder)
        self.clips = [(ending, kind, encoded(kind, SECONDS)) for ending, kinds in PLAIN.items() for kind in kinds]
        self.clips += [(ending, " ".join(how), contained(*how, SECONDS)) for ending, how in FILMS.items()]

    def attack(self, folder: Path, rng: random.Random, found: Found) -> None:
        """Score a hundred files."""
        (folder / "clips").mkdir()
        (folder / "clips" / "other.wav").write_bytes(judged.clip())
        rows = list(self._write(folder / "clips", rng))
        lines.write(folder / "clips.jsonl", rows)
        code = judged.judge_by_command(
            "score", "clips.jsonl", "--rubric", "mos", "--output", "scores.jsonl", "--batch-size", 4
        )
        if code not in (0, 1):
            found.note("rows", f"exit code {code}")
        answers = judged.score_rows(folder / "scores.jsonl", [row["id"] for row in rows], found)
        found.tried = len(rows)
        for row in rows:
            answer = answers.get(row["id"], {"error": "lost"})
            if row["how"] == "whole" and answer.get("error"):
                found.note("wrong", f"{row['id']} is a good clip: {answer['error']}")
            # Most of a sound is missing, and neither an error nor a warning says so
            if row["how"] == "cut" and not (answer.get("error") or answer.get("warnings")):
                heard = answer.get("heard_seconds", answer.get("seconds", 0.0))
                if heard < 0.75 * SECONDS:
                    found.note("wrong", f"{row['id']}: {row['kind']} cut to {heard} s is scored as if it were whole")

    def _write(self, folder: Path, rng: random.Random) -> Iterator[dict[str, str]]:
        for number in range(self.size):
            way = rng.random()
            if number == 0 and rng.random() < 0.3:
                ending, kind, how, data = "flac", "bomb", "silence", silence(rng)
            elif way < 0.82:
                ending, kind, clip = rng.choice(self.clips)
                mutate = rng.choice(MUTATIONS)
                how, data = mutate.__name__, mutate(clip, rng)
                if how != "whole" and rng.random() < 0.1:
                    ending = rng.choice(["wav", "mp3", "ogg", "flac", "m4a", "raw", "gsm", "amr"])
            elif way < 0.95:
                make = rng.choice(SPECIAL)
                kind, how, data = "special", make.__name__, make(rng)
                ending = rng.choice(["wav", "mp3", "ogg", "flac", "m4a"])
            else:
                kind, how, data, ending = "path", "no_file", b"", "wav"
            name = rng.choice(
                ["", "", "", " b", "ü", "'", '"', "\n", "[1]", "*", "=", "%s", "{}", "😀", "-", "x" * 200]
            )
            path = folder / f"{number}{name}.{ending}"
            if how == "no_file":
                no_file(path, rng)
            else:
                path.write_bytes(data)
            yield {"path": f"clips/{path.name}", "id": f"{number}-{how}-{kind}", "kind": kind, "how": how}
