"""Sound files of any kind, opened so that all of them is heard.

A header's length is a hint. libsndfile believes it; where sound goes on behind what a header announces (WAV whose length was
never filled in), libsndfile is told the true length, and where FFmpeg counts another number of frames (MP3 with a wrong or no
Xing header, joined MP3s, chained Ogg, FLAC written to a pipe), FFmpeg reads the file to the end of its data. FFmpeg also reads
what libsndfile does not know: m4a, webm, Ogg with FLAC, amr, the sound of videos. The links of a chained Ogg stream, and WAV or
MP4 files that were joined, are read one by one, since FFmpeg stops where rate or channels change. A file that ends in the middle
of a frame is refused as truncated; what else was found is said in notes.
"""

import io
import os
import re
import struct
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

import numpy as np
import soundfile

from audio_judge.audio.headers import STREAMED_BYTES, find_sound, ogg_pages, starts_of, true_length

if TYPE_CHECKING:
    import av
    from av.audio.layout import AudioLayout
    from av.container import InputContainer

    # Rate in Hz, and the layout of the channels
    _Shape = tuple[int, AudioLayout]

MIN_SECONDS = 0.1
MIN_RATE, MAX_RATE = 4_000, 384_000
BLOCK_FRAMES = 2**17

_UNKNOWN_FRAMES = 2**63 - 1  # libsndfile's answer when a header (FLAC written to a pipe) does not give the length
_INEXACT_SEEK = ("VORBIS", "MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III")
# Bytes announced and bytes there, as libsndfile logs them for wav, aiff, au and svx
_SHORT_DATA = re.compile(r"(?:data|SSND|BODY|Data Size)\s*:\s*(\d+) \(should be (\d+)\)")
# Of rf64 and w64 it logs only what is announced; no header of theirs is shorter than that
_LONG_DATA, _LONG_HEADER = re.compile(r"(?m)^\s*(?:Data size|data)\s*: (\d+)$"), 64
_SPHERE_COUNT = re.compile(rb"sample_count -i (\d+)")
# Of voc and of Octave's files it says no more than that
_SEEMS_CUT = re.compile(r"[Ss]eems to be (?:a )?truncated")
# Programs that write wav to a pipe announce a round number, if not more; a real cut file that large is rare
_ROUND_BYTES, _LONG_BYTES = 1_000_000, 100_000_000
# What is no path; a path has lost the second slash
_ADDRESS = re.compile(r"(?:https?|ftp|s3|gs|hf):/")
_SAMPLE_BYTES = {"PCM_U8": 1, "PCM_S8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}
# Of FFmpeg's readers those of sound and film: no playlists, which name other files, no text and no pictures
_CONTAINERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,gsm,loas,matroska,mov,mp3,mpc,mpc8,mpeg,mpegts,"
    "nistsphere,ogg,oma,qcp,rm,shn,tak,tta,voc,w64,wav,wv"
)
_KNOWS_ITS_LENGTH = ("mov", "matroska", "caf")
# kbit/s by bit-rate index, of MPEG 1 layers 1 to 3, then of MPEG 2 layer 1, and layers 2 and 3; from ISO 11172-3 and 13818-3
_MPEG_RATES = (
    (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)


class AudioError(ValueError):
    """A clip that cannot be judged; the message names the file, the value and the fix."""


@dataclass(frozen=True)
class Encoded:
    """A sound file, on disk or in memory, and what messages call it.

    Args:
        patch: Where its header is wrong, and the bytes that belong there.
    """

    file: Path | bytes
    name: str
    patch: tuple[int, bytes] | None = None

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.file) if isinstance(self.file, bytes) else self.file.stat().st_size

    def open(self) -> BinaryIO:
        """The bytes of the file, with its header mended."""
        raw = io.BytesIO(self.file) if isinstance(self.file, bytes) else self.file.open("rb")
        return raw if self.patch is None else cast(BinaryIO, _Patched(raw, *self.patch))


class _Patched(io.RawIOBase):
    """An open file some bytes of which are others."""

    def __init__(self, raw: BinaryIO, place: int, patch: bytes) -> None:
        self.raw, self.place, self.patch = raw, place, patch

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, place: int, whence: int = 0) -> int:
        return self.raw.seek(place, whence)

    def tell(self) -> int:
        return self.raw.tell()

    def readinto(self, buffer: Any) -> int:
        start = self.raw.tell()
        data = bytearray(self.raw.read(len(buffer)))
        for place, byte in enumerate(self.patch, self.place - start):
            if 0 <= place < len(data):
                data[place] = byte
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self.raw.close()
        super().close()


def checked_rate(rate: Any, name: str) -> int:
    """A sampling rate in Hz, as a whole number.

    Raises:
        AudioError: If it is none, or out of range.
    """
    try:
        value = float(rate)
    except (TypeError, ValueError, OverflowError) as error:
        raise AudioError(f"{name}: sampling rate is {rate!r:.40}; a number of Hz is needed") from error
    if not MIN_RATE <= value <= MAX_RATE or value != int(value):
        raise AudioError(f"{name}: sampling rate is {rate} Hz; a whole number in {MIN_RATE}..{MAX_RATE} is needed")
    return int(value)


# Reading


class _ForwardFile(soundfile.SoundFile):
    """A file that is read from front to back.

    soundfile seeks to where it already is after each read if the file is seekable. libsndfile's seek in MP3 is
    approximate, so that blocks read one after the other would not be the sound of the file.
    """

    def seekable(self) -> bool:
        return False


class SoundStream:
    """An open clip that is read from front to back.

    Args:
        name: What messages call it.
        rate: In Hz.
        channels: How many there are.
        frames: How many can be read.
        notes: What was found about it, in sentences; the name is not in them.
        lost_seconds: How much of the file cannot be decoded.
    """

    def __init__(
        self,
        name: str,
        rate: int,
        channels: int,
        frames: int,
        notes: tuple[str, ...] = (),
        lost_seconds: float = 0.0,
    ) -> None:
        self.name, self.rate, self.channels, self.frames = name, rate, channels, frames
        self.notes, self.lost_seconds = notes, lost_seconds

    def blocks(self, frames: int) -> Iterator[np.ndarray]:
        """The next ``frames`` frames, or what there is of them, in blocks (samples, channels) of float32.

        Raises:
            AudioError: If the file is damaged there.
        """
        while frames > 0:
            block = self._read(min(frames, BLOCK_FRAMES))  # (samples, channels)
            if len(block) == 0:
                if MIN_SECONDS * self.rate < frames <= self.frames:
                    raise AudioError(
                        f"{self.name}: damaged, {frames / self.rate:.3g} s of it cannot be decoded; get the whole file"
                    )
                return
            frames -= len(block)
            yield block

    def skip(self, frames: int) -> None:
        """Go forward, by decoding where a seek would not be exact."""
        for _ in self.blocks(frames):
            pass

    def _read(self, frames: int) -> np.ndarray:
        raise NotImplementedError


class _SndfileStream(SoundStream):
    def __init__(self, clip: Encoded, file: _ForwardFile, plan: "_Plan") -> None:
        super().__init__(clip.name, file.samplerate, file.channels, plan.frames, plan.notes)
        self.file = file

    def _read(self, frames: int) -> np.ndarray:
        with self._damage_named():
            return self.file.read(frames, dtype="float32", always_2d=True)

    def skip(self, frames: int) -> None:
        if self.file.subtype in _INEXACT_SEEK or not soundfile.SoundFile.seekable(self.file):
            super().skip(frames)
            return
        with self._damage_named():
            self.file.seek(frames, os.SEEK_CUR)

    @contextmanager
    def _damage_named(self) -> Iterator[None]:
        try:
            yield
        except soundfile.LibsndfileError as error:
            raise AudioError(f"{self.name}: damaged or truncated ({error.error_string}); get the whole file") from error


class _FFmpegStream(SoundStream):
    def __init__(self, clip: Encoded, decoded: "_Decoding", plan: "_Plan") -> None:
        super().__init__(clip.name, decoded.rate, decoded.channels, plan.frames, plan.notes, plan.lost_seconds)
        self.pieces = iter(decoded)
        self.rest = np.empty((0, decoded.channels), np.float32)

    def _read(self, frames: int) -> np.ndarray:
        parts, count = [self.rest], len(self.rest)
        while count < frames and (piece := next(self.pieces, None)) is not None:
            parts.append(piece)
            count += len(piece)
        samples = np.concatenate(parts)
        self.rest = samples[frames:]
        return samples[:frames]


@contextmanager
def opened(clip: Encoded) -> Iterator[SoundStream]:
    """Open a sound file with what reads it to its end.

    Raises:
        AudioError: If there is no such file, it is no sound, holds none, or was cut in the middle of a frame.
    """
    if isinstance(clip.file, Path) and not os.path.isfile(clip.file):  # which no length of a name upsets
        problem = "not a file" if os.path.exists(clip.file) else "no such file"
        advice = "fetch it first" if _ADDRESS.match(clip.name) else "check the path"
        raise AudioError(f"{clip.name[:200]}{' …' * (len(clip.name) > 200)}: {problem}; {advice}")
    if clip.size == 0:
        raise AudioError(f"{clip.name}: empty file (0 bytes); a sound file is needed")
    plan = _planned(clip)
    clip = replace(clip, patch=plan.patch)
    if plan.problem is not None:
        raise AudioError(f"{clip.name}: {plan.problem}")
    if plan.is_ffmpeg:
        with closing(_Decoding(clip, plan.best)) as decoding:
            checked_rate(decoding.rate, clip.name)
            yield _FFmpegStream(clip, decoding, plan)
    else:
        with _sndfile(clip) as file:
            checked_rate(file.samplerate, clip.name)
            yield _SndfileStream(clip, file, plan)


def _sndfile(clip: Encoded) -> _ForwardFile:
    if clip.patch is not None:
        return _ForwardFile(clip.open())
    if isinstance(clip.file, Path) and clip.file.suffix.lower() == ".raw":
        # Whatever is in it, soundfile would take its name's word for it that it has no header: open files may have no name
        return _ForwardFile(os.fdopen(os.open(clip.file, os.O_RDONLY), "rb"))
    # As bytes, so that a name that is no valid UTF-8 can be opened too
    return _ForwardFile(io.BytesIO(clip.file) if isinstance(clip.file, bytes) else os.fsencode(clip.file))


# Which of the two reads a file, and how far


@dataclass(frozen=True)
class _Plan:
    """How a file is read: by whom, how many frames, and what there is to say about it.

    Args:
        best: The highest rate and the widest layout of what it was joined from; None for those of its beginning.
        patch: Where its header is wrong, and the bytes that belong there.
        is_cut: Whether its last frame is not whole.
        problem: Why it cannot be judged; None if it can.
    """

    frames: int = 0
    is_ffmpeg: bool = False
    best: "_Shape | None" = None
    patch: tuple[int, bytes] | None = None
    notes: tuple[str, ...] = ()
    lost_seconds: float = 0.0
    is_cut: bool = False
    problem: str | None = None


_PLANS: dict[tuple[str, int, int], _Plan] = {}
_MOST_PLANS = 4096


def _planned(clip: Encoded) -> _Plan:
    """The plan of a file; of one that has not changed, the one of before, since a clip is opened several times."""
    if isinstance(clip.file, bytes):
        key = ("bytes", len(clip.file), hash(clip.file))
    else:
        stat = clip.file.stat()
        key = (os.path.abspath(clip.file), stat.st_size, stat.st_mtime_ns)
    if key not in _PLANS:
        if len(_PLANS) >= _MOST_PLANS:
            _PLANS.clear()
        _PLANS[key] = _plan(clip)
    return _PLANS[key]


def _plan(clip: Encoded) -> _Plan:
    try:
        file = _sndfile(clip)
    except (soundfile.SoundFileError, TypeError) as error:  # TypeError: ".raw", which has no header
        reason = error.error_string if isinstance(error, soundfile.LibsndfileError) else str(error)
        if "does not exist" in reason:  # which libsndfile says of a file whose header points beyond its end
            reason = "its header points beyond its end"
        return _foreign(clip, reason)
    with file:
        if file.format in ("WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "SVX", "NIST", "VOC", "MAT4"):
            return _plan_of_samples(clip, file)
        if file.format in ("OGG", "FLAC", "MPEG", "MP3"):
            return _plan_of_packets(clip, file)
        return _plan_of_sndfile(file)


def _plan_of_sndfile(file: _ForwardFile, notes: tuple[str, ...] = ()) -> _Plan:
    problem = None if file.frames else f"no samples, perhaps truncated; at least {MIN_SECONDS} s needed"
    return _Plan(file.frames, notes=notes, problem=problem)


def _plan_of_samples(clip: Encoded, file: _ForwardFile) -> _Plan:
    """Of a format that keeps samples as they are: libsndfile's log tells where header and file disagree."""
    if len(_starts(clip)) > 1:
        with suppress(AudioError):
            return _plan_of_ffmpeg(clip)
    if clip.patch is None and (patch := _true_length(clip, file)) is not None:
        mended = replace(clip, patch=patch)
        with suppress(soundfile.SoundFileError), _sndfile(mended) as longer:
            return replace(_plan_of_samples(mended, longer), patch=patch)
    seconds = file.frames / file.samplerate
    if file.format in ("VOC", "MAT4") and _SEEMS_CUT.search(file.extra_info):
        return _Plan(problem=f"truncated, it is cut after {seconds:.3g} s; get the whole file")
    if not file.frames or (sizes := _announced_and_present(clip, file)) is None:
        return _plan_of_sndfile(file)
    announced, present = sizes
    whole = seconds * announced / present
    # A header that is a few bytes wrong is common and harmless
    if whole - seconds <= MIN_SECONDS or announced >= STREAMED_BYTES or announced % _ROUND_BYTES == 0:
        return _plan_of_sndfile(file)
    is_cut = present % (_SAMPLE_BYTES.get(file.subtype, 1) * file.channels) > 0
    if is_cut or announced < _LONG_BYTES:
        return _Plan(problem=_truncated(seconds, whole))
    return _plan_of_sndfile(file, (_announced_note(seconds, whole),))


def _true_length(clip: Encoded, file: _ForwardFile) -> tuple[int, bytes] | None:
    with clip.open() as raw:
        return true_length(raw, clip.size, MIN_SECONDS * file.samplerate, has_sound=file.frames > 0)


def _announced_and_present(clip: Encoded, file: _ForwardFile) -> tuple[int, int] | None:
    """How much sound a header announces and how much there is, in bytes or samples; None if nothing is missing."""
    if sizes := _SHORT_DATA.search(file.extra_info):
        announced, present = int(sizes[1]), int(sizes[2])
    elif file.format in ("RF64", "W64") and (size := _LONG_DATA.search(file.extra_info)):
        announced, present = int(size[1]), clip.size - _LONG_HEADER
    elif file.format == "NIST":
        with clip.open() as raw:
            count = _SPHERE_COUNT.search(raw.read(1024))
        announced, present = 0 if count is None else int(count[1]), file.frames
    else:
        return None
    return (announced, present) if announced > present > 0 else None


def _plan_of_packets(clip: Encoded, file: _ForwardFile) -> _Plan:
    """Of a compressed format: the length in its header, which libsndfile believes, against that of its packets."""
    announced = None if file.frames == _UNKNOWN_FRAMES else file.frames / file.samplerate
    if file.format == "OGG" and _ends_within_a_page(clip):
        return _Plan(problem=f"truncated, its last page is cut after {announced or 0:.3g} s; get the whole file")
    packets: _Packets | None
    plan: _Plan | None
    try:
        packets = _counted(clip)
        is_same = announced is not None and abs(packets.seconds - announced) <= packets.tolerance
        if is_same and packets.is_all:
            return _plan_of_sndfile(file)
        plan = _plan_of_ffmpeg(clip)
    except AudioError:
        packets, plan = None, None
    if plan is None or packets is None:
        if announced is not None:
            return _plan_of_sndfile(file)
        return replace(
            _plan_of_sndfile(file), frames=sum(map(len, _SndfileStream(clip, file, _Plan()).blocks(_UNKNOWN_FRAMES)))
        )
    seconds = packets.seconds if plan.problem is not None else plan.frames / packets.rate
    if announced is None or seconds >= announced - packets.tolerance:
        return plan
    if packets.is_cut or plan.is_cut:
        return _Plan(problem=_truncated(seconds, announced))
    return replace(plan, notes=(*plan.notes, _announced_note(seconds, announced)))


def _foreign(clip: Encoded, reason: str) -> _Plan:
    """Of what libsndfile cannot open."""
    try:
        plan = _plan_of_ffmpeg(clip)
        if plan.is_cut and plan.problem is None:
            return replace(plan, notes=(*plan.notes, "its last frame is not whole; perhaps it was cut"))
        return plan
    except AudioError:
        return _Plan(
            problem=f"cannot be opened ({reason}); what libsndfile or FFmpeg know is read (wav, flac, mp3, ogg, opus, m4a, "
            "webm …), convert others to wav"
        )


def _caf_data(clip: Encoded) -> tuple[int, int] | None:
    """Bytes of sound that a caf file announces, and that there are, if some are missing; libsndfile opens no such file."""
    with clip.open() as raw:
        data = find_sound(raw) if raw.read(4) == b"caff" else None
    return None if data is None or not data.size > clip.size - data.start > 0 else (data.size, clip.size - data.start)


def _truncated(present: float, announced: float) -> str:
    return f"truncated, {present:.3g} s of {announced:.3g} s; get the whole file"


def _announced_note(present: float, announced: float) -> str:
    return f"its header announces {announced:.3g} s, but there are {present:.3g} s, which are heard"


def _ends_within_a_page(clip: Encoded) -> bool:
    """Whether an Ogg file was cut: one that ends with a whole page is a recorded stream, or several, one after the other."""
    with clip.open() as raw:
        return not all(is_whole for _, _, is_whole in ogg_pages(raw, clip.size))


def _links(clip: Encoded) -> list[Encoded]:
    """The links of a chained Ogg stream, or of WAV or MP4 files that were joined, each a file of its own; else the file."""
    starts, links = _starts(clip), []
    if len(starts) < 2:
        return [clip]
    with clip.open() as raw:
        for start, end in pairwise([*starts, clip.size]):
            raw.seek(start)
            links.append(Encoded(raw.read(end - start), clip.name))
    return links


def _starts(clip: Encoded) -> list[int]:
    with clip.open() as raw:
        return starts_of(raw, clip.size)


# FFmpeg


class _Packets(NamedTuple):
    """What the packets of a file are, without being decoded.

    Args:
        seconds: Their length.
        rate: In Hz.
        tolerance: How far their length may be from that of the sound, in seconds.
        is_cut: Whether the last one is.
        is_all: Whether the file could be followed to its end.
    """

    seconds: float
    rate: int
    tolerance: float
    is_cut: bool
    is_all: bool


@contextmanager
def _container(clip: Encoded) -> Iterator["InputContainer"]:
    """A file as FFmpeg opens it.

    Raises:
        AudioError: If it cannot, or finds no sound.
    """
    import av

    av.logging.set_level(None)
    with clip.open() as raw:
        try:
            container = av.open(_Named(raw, clip), options={"format_whitelist": _CONTAINERS})
        except (av.error.FFmpegError, ValueError) as error:
            raise AudioError(f"{clip.name}: FFmpeg cannot open it ({error})") from error
        with container:
            assert isinstance(container, av.container.InputContainer)
            if not container.streams.audio:
                raise AudioError(f"{clip.name}: has no sound")
            yield container


class _Named:
    """An open file under a plain name: FFmpeg looks at its ending, and at nothing else of it."""

    def __init__(self, raw: BinaryIO, clip: Encoded) -> None:
        self.raw, self.read, self.tell = raw, raw.read, raw.tell
        suffix = clip.file.suffix if isinstance(clip.file, Path) else ""
        self.name = f"clip{suffix if suffix.isascii() else ''}"

    def seek(self, place: int, whence: int = 0) -> int:
        """As of a file; -1 of a place that there is not, since PyAV would print a traceback of the error."""
        try:
            return self.raw.seek(place, whence)
        except (OSError, ValueError):
            return -1


def _counted(clip: Encoded) -> _Packets:
    links, counted = _links(clip), []
    for link in links:
        with suppress(AudioError):
            counted.append(_counted_link(link))
    if not counted:
        raise AudioError(f"{clip.name}: FFmpeg finds no sound in it")
    return _Packets(
        seconds=sum(one.seconds for one in counted),
        rate=max(one.rate for one in counted),
        tolerance=sum(one.tolerance for one in counted),
        is_cut=counted[-1].is_cut,
        is_all=len(counted) == len(links) and all(one.is_all for one in counted),
    )


def _counted_link(clip: Encoded) -> _Packets:
    import av

    duration = count = 0
    last: Any = None
    is_all = True
    with _container(clip) as container:
        stream = container.streams.audio[0]
        try:
            for packet in container.demux(stream):
                if packet.duration:
                    duration, count, last = duration + packet.duration, count + 1, packet
        except av.error.FFmpegError:
            is_all = False
        if last is None or stream.time_base is None:
            raise AudioError(f"{clip.name}: FFmpeg finds no sound in it")
        seconds = float(duration * stream.time_base)
        is_cut = bool(last.is_corrupt) or (
            stream.codec_context.name.startswith("mp") and last.size < _mpeg_frame_bytes(bytes(last)[:4])
        )
        # A packet of FLAC says exactly how long it is; of others, what an encoder adds at both ends is a packet or two
        tolerance = MIN_SECONDS if stream.codec_context.name == "flac" else max(MIN_SECONDS, 4 * seconds / count)
        return _Packets(seconds, stream.rate, tolerance, is_cut, is_all)


def _mpeg_frame_bytes(header: bytes) -> int:
    """Bytes of an MPEG audio frame, from its header; 0 if it is none or does not say."""
    if len(header) < 4:
        return 0
    (bits,) = struct.unpack(">I", header)
    version, layer, index, rate = bits >> 19 & 3, 4 - (bits >> 17 & 3), bits >> 12 & 15, bits >> 10 & 3
    if bits >> 21 != 0x7FF or version == 1 or layer == 4 or index in (0, 15) or rate == 3:
        return 0
    is_first = version == 3
    kilobits = _MPEG_RATES[layer - 1 if is_first else 3 if layer == 1 else 4][index - 1]
    hertz = (44_100, 48_000, 32_000)[rate] >> {3: 0, 2: 1, 0: 2}[version]
    padding = bits >> 9 & 1
    if layer == 1:
        return (12_000 * kilobits // hertz + padding) * 4
    return (144_000 if layer == 2 or is_first else 72_000) * kilobits // hertz + padding


def _plan_of_ffmpeg(clip: Encoded, best: "_Shape | None" = None) -> _Plan:
    """Decode a file once, without keeping it, to know what is in it; again if a part of it has more than its beginning.

    Raises:
        AudioError: If nothing can be decoded.
    """
    with closing(_Decoding(clip, best)) as decoding:
        frames = sum(map(len, decoding))
    if not frames:
        raise AudioError(f"{clip.name}: FFmpeg can decode none of it")
    rate, layout = decoding.best_seen
    if (rate, layout.nb_channels) != (decoding.rate, decoding.channels):
        return _plan_of_ffmpeg(clip, decoding.best_seen)
    announced = decoding.announced
    seconds = frames / decoding.rate
    if sizes := _caf_data(clip):
        announced = max(announced or 0.0, seconds * sizes[0] / sizes[1])
    notes = decoding.unread_notes(seconds)
    if decoding.parts_differ:
        notes.append(
            f"its parts differ in sampling rate or channels; heard at {decoding.rate} Hz with {decoding.channels} channel(s)"
        )
    if decoding.lost_seconds >= MIN_SECONDS:
        notes.append(f"{decoding.lost_seconds:.3g} s of it are damaged and were not heard")
    plan = _Plan(frames, True, best, None, tuple(notes), decoding.lost_seconds, is_cut=decoding.is_cut)
    if announced is not None and announced - seconds - decoding.lost_seconds > 2 * MIN_SECONDS:
        return replace(plan, problem=_truncated(seconds, announced))
    return plan


@dataclass
class _Decoding:
    """The sound of a file, as FFmpeg decodes it, and what went wrong meanwhile.

    Iterating gives pieces (samples, channels), float32, all at one rate and with as many channels: ``best``, or those of the
    first frame.

    Attributes:
        rate: In Hz.
        channels: How many each piece has.
        best_seen: The highest rate and the widest layout of the frames so far.
        parts_differ: Whether parts of it have other rates or channels than others.
        announced: Seconds that the file's header gives, where such headers are trusted.
        lost_seconds: Length of packets that cannot be decoded, but for the last one.
        is_cut: Whether the last packet cannot be.
        unread: By number of the link, why nothing further of it can be read.
    """

    clip: Encoded
    best: "_Shape | None" = None
    rate: int = 0
    channels: int = 0
    parts_differ: bool = False
    announced: float | None = None
    lost_seconds: float = 0.0
    is_cut: bool = False
    unread: dict[int, str] = field(default_factory=dict)
    links: list[Encoded] = field(init=False)
    layout: "AudioLayout" = field(init=False)
    best_seen: "_Shape" = field(init=False)
    decoded: Generator["av.AudioFrame"] = field(init=False)
    frames: Iterator["av.AudioFrame"] = field(init=False)

    def __post_init__(self) -> None:
        self.links = _links(self.clip)
        self.decoded = self._decoded()
        # Only a decoded frame tells the rate: of some codecs the header has half of it
        first = next(self.decoded, None)
        self.frames = iter(())
        if first is not None:
            self.best_seen = (first.sample_rate, first.layout)
            self.rate, self.layout = self.best or self.best_seen
            self.channels = self.layout.nb_channels
            self.frames = chain([first], self.decoded)

    def close(self) -> None:
        """Close the file."""
        self.decoded.close()

    def unread_notes(self, seconds: float) -> list[str]:
        """Say what of the file cannot be read, if ``seconds`` of it can."""
        if len(self.links) == 1:
            return [f"only its first {seconds:.3g} s can be read ({reason})" for reason in self.unread.values()]
        whole = len(self.links)
        return [
            f"part {number} of {whole} cannot be read, or not to its end ({why})" for number, why in self.unread.items()
        ]

    def __iter__(self) -> Iterator[np.ndarray]:
        for frame in self._alike(self.frames):
            piece = frame.to_ndarray().reshape(-1, frame.layout.nb_channels)  # (samples, channels)
            yield piece if piece.shape[1] == self.channels else np.repeat(piece, self.channels, axis=1)

    def _alike(self, frames: Iterator["av.AudioFrame"]) -> Iterator["av.AudioFrame"]:
        """Frames as packed floats, of one rate, and of one layout or mono."""
        import av  # whose planar frames end with the process beyond eight channels

        converter: av.AudioResampler | None = None
        kind = None
        for frame in frames:
            frame.pts = None  # after a gap in the times FFmpeg would make up for it
            now = (frame.sample_rate, frame.layout.name, frame.format.name)
            if now != kind:
                self._note_shape(frame)
                if converter is not None:
                    yield from converter.resample(None)
                # FFmpeg would put mono into both channels 3 dB lower
                layout = frame.layout if frame.layout.nb_channels == 1 else self.layout
                converter, kind = av.AudioResampler(format="flt", layout=layout, rate=self.rate), now
            if converter is not None:
                yield from converter.resample(frame)
        if converter is not None:
            yield from converter.resample(None)

    def _note_shape(self, frame: "av.AudioFrame") -> None:
        rate, layout = self.best_seen
        self.parts_differ |= (frame.sample_rate, frame.layout.nb_channels) != (rate, layout.nb_channels)
        wider = frame.layout.nb_channels > layout.nb_channels
        self.best_seen = (max(rate, frame.sample_rate), frame.layout if wider else layout)

    def _decoded(self) -> Generator["av.AudioFrame"]:
        for number, link in enumerate(self.links, 1):
            try:
                with _container(link) as container:
                    self.announced = _announced_by(container)
                    yield from self._decoded_link(container, number)
            except AudioError as error:
                if len(self.links) == 1:
                    raise
                self.unread[number] = str(error).removeprefix(f"{self.clip.name}: ")

    def _decoded_link(self, container: "InputContainer", number: int) -> Iterator["av.AudioFrame"]:
        import av

        stream = container.streams.audio[0]
        lost = 0.0
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                break
            except av.error.FFmpegError as error:
                self.unread[number] = str(error)
                break
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                lost += float((packet.duration or 0) * packet.time_base) if packet.time_base else 0.0
                self.is_cut = True
                continue
            if frames:
                self.lost_seconds, self.is_cut = self.lost_seconds + lost, False
                lost = 0.0
            yield from frames


def _announced_by(container: "InputContainer") -> float | None:
    """Seconds that a header gives, of the formats that know their length."""
    stream = container.streams.audio[0]
    if not container.format.name.startswith(_KNOWS_ITS_LENGTH):
        return None
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return None if container.duration is None else container.duration / 1e6
