"""What the bytes of sound files say: where the sound is and how much of it, and where each of files that were joined begins.

Nothing is decoded here, and nothing believed but where bytes behind it bear it out: programs that cannot go back to the beginning
of what they write leave a wrong length there.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

# Programs that write wav to a pipe announce this many bytes or more
STREAMED_BYTES = 0x7FFE0000
# Formats of chunks, by their first bytes: how sizes are written, where chunks begin, and the chunk of the sound
_CHUNKED = {
    b"RIFF": ("<I", 12, b"data"),
    b"RF64": ("<I", 12, b"data"),
    b"RIFX": (">I", 12, b"data"),
    b"FORM": (">I", 12, b"SSND"),
    b"caff": (">q", 8, b"data"),
}
# What all names of chunks in w64 end in, but for the first
_W64_NAMES = bytes.fromhex("f3acd3118cd100c04f8edb8a")
# Chunks behind the sound that are none of it, whatever size they say
_BEHIND = (b"LIST", b"list", b"id3 ", b"ID3 ", b"bext", b"fact", b"PEAK", b"JUNK", b"junk", b"iXML")


# How much sound there is


@dataclass(frozen=True)
class SoundData:
    """Where the sound of a file is, by its header.

    Args:
        size_place: Where its size stands.
        form: How it is written, as of ``struct``.
        start: Where the sound begins.
        size: Its bytes; below 0 for the rest of the file.
        more: What the size counts beside the sound.
    """

    size_place: int
    form: str
    start: int
    size: int
    more: int = 0


def true_length(raw: BinaryIO, end: int, least: float, *, has_sound: bool) -> tuple[int, bytes] | None:
    """What belongs where a header says less sound than there is, or so much more that libsndfile finds none; None if it is right.

    Args:
        raw: The open file.
        end: Its length in bytes.
        least: Fewer bytes behind the announced ones are no sound.
        has_sound: Whether libsndfile finds any.

    Returns:
        Where its size stands, and the bytes that belong there.
    """
    data = find_sound(raw)
    if data is None or data.size < 0:
        return None
    present = end - data.start
    is_short = present - data.size > least and _is_sound(raw, data, end)
    is_placeholder = not has_sound and data.size >= STREAMED_BYTES
    if not is_short and not is_placeholder:
        return None
    size = present + data.more
    return (data.size_place, struct.pack(data.form, size)) if size < 256 ** struct.calcsize(data.form) else None


def find_sound(raw: BinaryIO) -> SoundData | None:
    """Find the sound in a format of chunks, or in au; None in any other."""
    head = _part(raw, 0, 40)
    if head[:4] == b".snd" and len(head) > 12:
        start, size = struct.unpack(">II", head[4:12])
        return SoundData(8, ">I", start, -1 if size == 0xFFFFFFFF else size)
    if head[:4] == b"riff" and head[4:8] == b"\x2e\x91\xcf\x11":
        return next((data for name, data in _w64_chunks(raw) if name == b"data"), None)
    if head[:4] not in _CHUNKED:
        return None
    form, place, wanted = _CHUNKED[head[:4]]
    long_size = None
    for name, data in _chunks(raw, form, place):
        if name == b"ds64" and head[:4] == b"RF64":
            long_place = data.start + 8
            long_size = _part(raw, long_place, long_place + 8)
        if name != wanted:
            continue
        if name == b"SSND":  # an offset and a block size come before the sound
            return replace(data, start=data.start + 8, size=max(data.size - 8, 0), more=8)
        if head[:4] == b"caff":  # an edit count
            return replace(
                data, start=data.start + 4, size=data.size if data.size < 0 else max(data.size - 4, 0), more=4
            )
        if data.size == 0xFFFFFFFF and long_size is not None and len(long_size) == 8:
            return SoundData(long_place, "<Q", data.start, *struct.unpack("<Q", long_size))
        return data
    return None


def _part(raw: BinaryIO, start: int, end: int) -> bytes:
    if start > raw.seek(0, os.SEEK_END):  # what a header makes up may be no place that can be sought
        return b""
    raw.seek(start)
    return raw.read(end - start)


def _chunks(raw: BinaryIO, form: str, place: int) -> Iterator[tuple[bytes, SoundData]]:
    width = struct.calcsize(form)
    while len(head := _part(raw, place, place + 4 + width)) == 4 + width:
        (size,) = struct.unpack(form, head[4:])
        start = place + 4 + width
        yield head[:4], SoundData(place + 4, form, start, size)
        if size < 0:
            return
        place = start + size + (size % 2 if width == 4 else 0)


def _w64_chunks(raw: BinaryIO, place: int = 40) -> Iterator[tuple[bytes, SoundData]]:
    while len(head := _part(raw, place, place + 24)) == 24 and head[4:16] == _W64_NAMES:
        (size,) = struct.unpack("<Q", head[16:])  # with the 24 bytes of the head
        yield head[:4], SoundData(place + 16, "<Q", place + 24, max(size - 24, 0), 24)
        place += max(size + 7 & ~7, 24)


def _is_sound(raw: BinaryIO, data: SoundData, end: int) -> bool:
    """Whether what stands behind the data of a header is sound: no chunk, and not only zeros."""
    place = data.start + data.size
    if data.more == 24:
        is_chunk = next(_w64_chunks(raw, place + 7 & ~7), None) is not None
    else:
        is_chunk = data.size_place != 8 and any(
            _is_chunk(*chunk, end)
            for at in {place, place + data.size % 2}
            if (chunk := next(_chunks(raw, data.form if data.form != "<Q" else "<I", at), None)) is not None
        )
    raw.seek(place)
    return not is_chunk and any(any(block) for block in iter(lambda: raw.read(2**16), b""))


def _is_chunk(name: bytes, chunk: SoundData, end: int) -> bool:
    return name in _BEHIND or (name[:3].isalnum() and name.isascii() and 0 <= chunk.size <= end - chunk.start)


# Files that were joined


def starts_of(raw: BinaryIO, end: int) -> list[int]:
    """Where each of the Ogg streams, WAV or MP4 files begins that one of ``end`` bytes was joined from; nothing of other formats."""
    head = _part(raw, 0, 12)
    if head[:4] == b"OggS":
        return _ogg_starts(raw, end)
    if head[:4] == b"RIFF":
        return _wav_starts(raw)
    return _mp4_starts(raw) if head[4:8] == b"ftyp" else []


def ogg_pages(raw: BinaryIO, end: int) -> Iterator[tuple[int, bool, bool]]:
    """The pages of an Ogg file of ``end`` bytes: where each begins, whether it is the first of a stream, and whether all of it is there."""
    place = raw.seek(0)
    while len(head := raw.read(27)) == 27 and head[:4] == b"OggS":
        lengths = raw.read(head[26])  # of the segments of the page
        stop = place + 27 + len(lengths) + sum(lengths)
        yield place, bool(head[5] & 2), len(lengths) == head[26] and stop <= end
        place = raw.seek(stop)
    if head[:4] == b"OggS":
        yield place, False, False


def _ogg_starts(raw: BinaryIO, end: int) -> list[int]:
    starts: list[int] = []
    was_first = False
    for place, is_first, _ in ogg_pages(raw, end):
        if is_first and not was_first:  # streams that run side by side begin one after the other
            starts.append(place)
        was_first = is_first
    return starts


def _wav_starts(raw: BinaryIO) -> list[int]:
    starts: list[int] = []
    place = 0
    while (head := _part(raw, place, place + 12))[:4] == b"RIFF" and head[8:] == b"WAVE":
        starts.append(place)
        (size,) = struct.unpack("<I", head[4:8])
        place += 8 + size + size % 2
    return starts


def _mp4_starts(raw: BinaryIO) -> list[int]:
    starts: list[int] = []
    place, has_index = 0, True
    while len(head := _part(raw, place, place + 16)) >= 8:
        (size,) = struct.unpack(">I", head[:4])
        if head[4:8] == b"ftyp" and has_index:
            starts.append(place)
            has_index = False
        has_index |= head[4:8] == b"moov"
        if size == 1 and len(head) == 16:
            (size,) = struct.unpack(">Q", head[8:])
        if size < 8:  # 0: to the end
            break
        place += size
    return starts
