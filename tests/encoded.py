"""Sound files in memory, of all kinds that libsndfile and FFmpeg write."""

import io
import struct

import av
import numpy as np
import soundfile

RATE = 16_000


def sound(seconds=3.0, rate=RATE):
    return np.random.default_rng(0).normal(scale=0.1, size=round(seconds * rate)).astype(np.float32)


def encoded(kind, seconds=3.0, rate=RATE, **options):
    container, _, subtype = kind.partition(" ")
    out = io.BytesIO()
    soundfile.write(out, sound(seconds, rate), rate, format=container, subtype=subtype or None, **options)
    return out.getvalue()


def contained(container, codec, seconds=3.0, rate=48_000):
    """A file that only FFmpeg writes."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray((sound(seconds, rate) * 32767).astype(np.int16)[None], "s16", "mono")
        frame.sample_rate = rate
        kind = stream.codec_context.format
        resampler = av.AudioResampler(
            kind.name if kind else "fltp", "mono", rate, stream.codec_context.frame_size or 1024
        )
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(stream.encode(piece))
        file.mux(stream.encode(None))
    return out.getvalue()


def with_total(flac, frames):
    """A FLAC file whose header announces another length."""
    changed = bytearray(flac)
    changed[21] = changed[21] & 0xF0 | frames >> 32
    changed[22:26] = struct.pack(">I", frames & 0xFFFFFFFF)
    return bytes(changed)


def with_data_size(wav, size):
    changed = bytearray(wav)
    changed[40:44] = struct.pack("<I", size)
    return bytes(changed)


def without_xing(mp3):
    """An MP3 that begins with its first frame of sound."""
    with av.open(io.BytesIO(mp3)) as file:
        return b"".join(bytes(packet) for packet in file.demux(audio=0))
