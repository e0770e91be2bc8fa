"""Opus over a lossy channel: encoded by FFmpeg, decoded by libopus (the system's or PyAV's), which conceals losses."""

import ctypes
import ctypes.util
import functools
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from audio_judge.degrade.codecs import CODECS, check_codec, encode_packets, load_av, opus_options
from audio_judge.degrade.measures import fit_length

SAMPLING_RATE = 48_000


def _libopus_of_pyav() -> str | None:
    """The library that a wheel of PyAV brings along, whose FFmpeg encodes with it, so that no system needs its own."""
    package = Path(load_av().__file__).parent
    places = (package.with_name("av.libs"), package / ".dylibs")  # of Linux and Windows, of macOS
    return next((str(path) for place in places for path in sorted(place.glob("libopus*"))), None)


@functools.cache
def _libopus() -> Any:
    path = ctypes.util.find_library("opus") or _libopus_of_pyav()
    if path is None:
        raise ImportError("libopus not found, which concealment='opus' needs; install it (apt install libopus0)")
    library = ctypes.CDLL(path)
    library.opus_decoder_create.restype = ctypes.c_void_p
    library.opus_decoder_destroy.argtypes = [ctypes.c_void_p]
    floats, integer = ctypes.POINTER(ctypes.c_float), ctypes.c_int
    library.opus_decode_float.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32, floats, integer, integer]
    return library


def decode_opus_with_loss(packets: list[bytes], lost: np.ndarray, frame: int) -> np.ndarray:
    """Decode Opus packets at 48 kHz, letting libopus conceal the missing ones as a real call does.

    Args:
        packets: One per frame.
        lost: Booleans, shape ``(packets,)``.
        frame: Samples per packet at 48 kHz.

    Returns:
        Audio, float32, shape ``(packets * frame,)``.

    Raises:
        ImportError: If libopus is not installed.
        RuntimeError: If libopus cannot decode a packet.
    """
    library = _libopus()
    error = ctypes.c_int()
    decoder = library.opus_decoder_create(SAMPLING_RATE, 1, ctypes.byref(error))
    output = np.zeros((len(packets), frame), dtype=np.float32)
    try:
        for packet, is_lost, row in zip(packets, lost, output, strict=True):
            target = row.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
            data, size = (None, 0) if is_lost else (packet, len(packet))
            decoded = library.opus_decode_float(decoder, data, size, target, frame, 0)
            if decoded < 0:
                raise RuntimeError(f"libopus failed with code {decoded} on a packet of {size} bytes")
    finally:
        library.opus_decoder_destroy(decoder)
    return output.reshape(-1)


def encode_opus(samples: np.ndarray, bit_rate: int, bandwidth: str | None, frame_ms: int) -> tuple[list[bytes], int]:
    """Encode audio at 48 kHz (samples,) with Opus, one packet per ``frame_ms``; bit rates as in ``CODECS``.

    Returns:
        The packets, and the delay of the decoded audio in samples.
    """
    check_codec("opus", bit_rate, bandwidth)
    options = opus_options(bit_rate, bandwidth) | {"frame_duration": str(frame_ms)}
    packets, header = encode_packets(samples, CODECS["opus"], SAMPLING_RATE, bit_rate, options)
    pre_skip = int.from_bytes(header[10:12], "little")  # RFC 7845, section 5.1
    return [bytes(packet) for packet in packets], pre_skip


def lose_opus_packets(
    samples: np.ndarray, sampling_rate: int, frame_ms: int, lost: np.ndarray, bit_rate: int, bandwidth: str | None
) -> np.ndarray:
    """Send the clip through Opus with some packets missing; the result is aligned with the input and of its length.

    Args:
        samples: Audio, shape ``(samples,)``, ±1.
        sampling_rate: In Hz.
        frame_ms: 10, 20, 40 or 60 ms per packet.
        lost: Booleans, one per packet of the clip; packets after the last are received.
        bit_rate: In bit/s, one of Opus' in ``CODECS``.
        bandwidth: As in ``transcode``.

    Raises:
        ValueError: If the bit rate or bandwidth is unknown.
        ImportError: If libopus is not installed.
    """
    frame = SAMPLING_RATE // 1000 * frame_ms
    speech = soxr.resample(samples.astype(np.float32), sampling_rate, SAMPLING_RATE)
    # A frame more, because what the decoder's delay cuts off at the start is missing at the end
    packets, delay = encode_opus(np.pad(speech, (0, frame)), bit_rate, bandwidth, frame_ms)
    missing = np.zeros(len(packets), dtype=bool)
    missing[: len(lost)] = lost[: len(packets)]
    decoded = decode_opus_with_loss(packets, missing, frame)[delay:]
    return fit_length(soxr.resample(decoded, SAMPLING_RATE, sampling_rate), len(samples))
