"""Speech and audio codecs in process: PyAV (FFmpeg's) for most, libsndfile for GSM, ADPCM and Vorbis.

Every codec runs at a sampling rate of its own and its delay is taken out, so the output lines up with the input.
"""

import functools
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import soundfile
import soxr

from audio_judge.clips import Cause
from audio_judge.degrade.measures import fit_length, prevent_overload, require_one_of


@dataclass(frozen=True)
class Codec:
    """How one codec is run.

    Args:
        name: What people call it.
        bit_rates: Usable bit rates in bit/s, lowest first; empty if there is only one.
        encoder: FFmpeg's encoder; empty if libsndfile does it.
        decoder: FFmpeg's decoder.
        sample_format: What the encoder takes, ``flt``, ``fltp`` or ``s16``.
        rates: (highest bit rate, sampling rate in Hz) pairs: the first whose bit rate is enough decides.
        options: Options of the encoder.
        container: libsndfile's format and subtype, if libsndfile does it.
    """

    name: str
    bit_rates: tuple[int, ...] = ()
    encoder: str = ""
    decoder: str = ""
    sample_format: str = "s16"
    rates: tuple[tuple[int, int], ...] = ((10**9, 8000),)
    options: dict[str, str] = field(default_factory=dict)
    container: tuple[str, str] | None = None


MP3_RATES = ((24_000, 16_000), (40_000, 24_000), (64_000, 32_000), (10**9, 48_000))
AAC_RATES = ((12_000, 12_000), (20_000, 16_000), (32_000, 24_000), (10**9, 48_000))
AMR_MODES = (4750, 5150, 5900, 6700, 7400, 7950, 10_200, 12_200)
CODECS = {
    "opus": Codec(
        "Opus",
        (6000, 8000, 10_000, 12_000, 16_000, 20_000, 24_000, 32_000, 48_000, 64_000, 96_000, 128_000),
        "libopus",
        "libopus",
        "flt",
        ((10**9, 48_000),),
    ),
    "mp3": Codec(
        "MP3",
        (8000, 16_000, 24_000, 32_000, 40_000, 48_000, 64_000, 96_000, 128_000, 192_000),
        "libmp3lame",
        "mp3float",
        "fltp",
        MP3_RATES,
    ),
    "aac": Codec(
        "AAC",
        (8000, 12_000, 16_000, 20_000, 24_000, 32_000, 48_000, 64_000, 96_000, 128_000),
        "aac",
        "aac",
        "fltp",
        AAC_RATES,
    ),
    "amr_nb": Codec("AMR-NB", AMR_MODES, "libopencore_amrnb", "amrnb"),
    "mp2": Codec("MP2", (32_000, 48_000, 64_000, 96_000, 128_000), "mp2", "mp2float", "s16", ((10**9, 48_000),)),
    "real_144": Codec("RealAudio 14.4", (), "real_144", "real_144"),
    "g722": Codec("G.722", (64_000,), "g722", "g722", rates=((10**9, 16_000),)),
    "g723_1": Codec("G.723.1", (6300,), "g723_1", "g723_1"),
    "g726": Codec("G.726", (16_000, 24_000, 32_000, 40_000), "g726", "g726"),
    "msbc": Codec("mSBC", (), "sbc", "sbc", rates=((10**9, 16_000),), options={"msbc": "1"}),
    "sbc": Codec(
        "SBC",
        (48_000, 64_000, 96_000, 128_000, 192_000),
        "sbc",
        "sbc",
        rates=((64_000, 16_000), (96_000, 32_000), (10**9, 48_000)),
    ),
    "mu_law": Codec("G.711 µ-law", (), "pcm_mulaw", "pcm_mulaw"),
    "a_law": Codec("G.711 A-law", (), "pcm_alaw", "pcm_alaw"),
    "gsm": Codec("GSM full rate", container=("WAV", "GSM610")),
    "adpcm_ima": Codec("IMA ADPCM", container=("WAV", "IMA_ADPCM"), rates=((10**9, 8000),)),
    "adpcm_ms": Codec("Microsoft ADPCM", container=("WAV", "MS_ADPCM"), rates=((10**9, 16_000),)),
    "vorbis": Codec(
        "Vorbis",
        (20_000, 28_000, 40_000, 60_000, 100_000, 150_000),
        container=("OGG", "VORBIS"),
        rates=((20_000, 8000), (28_000, 16_000), (40_000, 24_000), (10**9, 48_000)),
    ),
}
TRANSPARENT_OPUS = 48_000  # bit/s, from which it is used for music and studio links
OPUS_BANDWIDTHS = {"narrow": 4000, "wide": 8000, "super_wide": 12_000, "full": 20_000}  # Hz, libopus' own steps
# Bit rate that speech takes to libsndfile's compression level, 0 is best; the sampling rate has its part in it
VORBIS_LEVELS = {20_000: 1.0, 28_000: 1.0, 40_000: 0.8, 60_000: 0.9, 100_000: 0.4, 150_000: 0.2}
LONGEST_DELAY_SECONDS = 0.15


def load_av() -> Any:
    """PyAV, imported where a codec is run, since all other faults do without it.

    Raises:
        ImportError: If it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise ImportError("this codec needs PyAV: pip install av", name="av") from error
    return av


def _to_format(samples: np.ndarray, sample_format: str) -> np.ndarray:
    if sample_format.startswith("flt"):
        return samples.astype(np.float32)
    return np.clip(np.round(samples * 32767), -32768, 32767).astype(np.int16)


def _from_format(samples: np.ndarray) -> np.ndarray:
    return samples.astype(np.float32) / 32768 if samples.dtype == np.int16 else samples.astype(np.float32)


def encode_packets(
    samples: np.ndarray, codec: Codec, sampling_rate: int, bit_rate: int | None, options: dict[str, str]
) -> tuple[list[Any], bytes]:
    """Encode with FFmpeg, packet by packet.

    Args:
        samples: Audio at the codec's rate, shape ``(samples,)``.
        bit_rate: In bit/s; None where there is only one.
        options: FFmpeg's, on top of the codec's own.

    Returns:
        The packets (``av.Packet``), and the header a decoder needs, empty if none.

    Raises:
        ValueError: If FFmpeg refuses the settings.
    """
    av = load_av()
    encoder: Any = av.CodecContext.create(codec.encoder, "w")
    encoder.sample_rate, encoder.layout, encoder.format = sampling_rate, "mono", codec.sample_format
    if bit_rate is not None:
        encoder.bit_rate = bit_rate
    encoder.options = codec.options | options
    encoder.open()
    size = encoder.frame_size or sampling_rate // 50
    whole = -(-len(samples) // size) * size
    raw = _to_format(fit_length(samples, whole), codec.sample_format)
    packets = []
    for start in range(0, whole, size):  # encoders with a fixed frame take no other length
        frame = av.AudioFrame.from_ndarray(raw[None, start : start + size], format=codec.sample_format, layout="mono")
        frame.sample_rate, frame.pts = sampling_rate, start
        packets += encoder.encode(frame)
    return packets + encoder.encode(None), encoder.extradata or b""


def _decode_packets(
    packets: list[Any], header: bytes, codec: Codec, sampling_rate: int, bit_rate: int | None
) -> np.ndarray:
    av = load_av()
    decoder: Any = av.CodecContext.create(codec.decoder, "r")
    decoder.sample_rate, decoder.layout = sampling_rate, "mono"
    if header:
        decoder.extradata = header
    if codec.encoder == "g726" and bit_rate is not None:
        decoder.options = {"bits_per_coded_sample": str(bit_rate // 8000)}
    frames = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    return _from_format(np.concatenate([frame.to_ndarray()[0] for frame in frames]))


def _through_soundfile(
    samples: np.ndarray, container: str, subtype: str, sampling_rate: int, bit_rate: int | None
) -> np.ndarray:
    level = None if bit_rate is None else VORBIS_LEVELS[bit_rate]
    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer, "w", sampling_rate, 1, format=container, subtype=subtype, compression_level=level
    ) as file:
        file.write(np.clip(samples, -1, 1))
    buffer.seek(0)
    return soundfile.read(buffer, dtype="float32")[0]


def opus_options(bit_rate: int | None, bandwidth: str | None) -> dict[str, str]:
    """FFmpeg's options for an Opus encoder: tuned for calls at low bit rates, true to the waveform at high ones.

    Examples:
        >>> opus_options(12_000, "wide")
        {'application': 'voip', 'cutoff': '8000'}
    """
    application = "voip" if bit_rate is not None and bit_rate < TRANSPARENT_OPUS else "audio"
    return {"application": application} | ({"cutoff": str(OPUS_BANDWIDTHS[bandwidth])} if bandwidth else {})


def _run(samples: np.ndarray, kind: str, sampling_rate: int, bit_rate: int | None, bandwidth: str | None) -> np.ndarray:
    codec = CODECS[kind]
    if codec.container is not None:
        return _through_soundfile(samples, *codec.container, sampling_rate, bit_rate)
    options = opus_options(bit_rate, bandwidth) if kind == "opus" else {}
    packets, header = encode_packets(samples, codec, sampling_rate, bit_rate, options)
    return _decode_packets(packets, header, codec, sampling_rate, bit_rate)


def _delay(sent: np.ndarray, received: np.ndarray, sampling_rate: int) -> int:
    from scipy.signal import correlate

    longest = round(LONGEST_DELAY_SECONDS * sampling_rate)
    received = fit_length(received, len(sent) + longest)
    correlation = correlate(received, sent, mode="full", method="fft")[len(sent) - 1 :]  # lags of 0 and more
    return int(np.argmax(correlation[: longest + 1]))


def measure_delay(run: Callable[[np.ndarray], np.ndarray], sampling_rate: int) -> int:
    """Measure how many samples a process delays its input, at most 0.15 s, on a voice-like probe of a second.

    Examples:
        >>> measure_delay(lambda probe: np.pad(probe, (40, 0)), 8000)
        40
    """
    rng = np.random.default_rng(0)
    # A glide over two octaves, so that no period of the voice is mistaken for the delay.
    phase = np.cumsum(np.geomspace(80, 320, sampling_rate)) / sampling_rate
    voice = sum(np.cos(2 * np.pi * phase * h + h * h) / h for h in range(1, 11))
    loudness = np.interp(np.arange(sampling_rate), np.linspace(0, sampling_rate, 15), rng.uniform(0.01, 0.15, 15))
    probe = (voice * loudness).astype(np.float32)
    return _delay(probe, run(probe), sampling_rate)


@functools.cache
def codec_delay(kind: str, sampling_rate: int, bit_rate: int | None, bandwidth: str | None) -> int:
    """Measure how many samples a codec delays its input, at its own rate, once per setting."""
    return measure_delay(lambda probe: _run(probe, kind, sampling_rate, bit_rate, bandwidth), sampling_rate)


def codec_rate(kind: str, bit_rate: int | None) -> int:
    """Sampling rate in Hz at which a codec of ``CODECS`` is run.

    Examples:
        >>> codec_rate("mp3", 16_000), codec_rate("gsm", None)
        (16000, 8000)
    """
    return next(rate for highest, rate in CODECS[kind].rates if (bit_rate or 0) <= highest)


def check_codec(codec: str, bit_rate: int | None, bandwidth: str | None) -> None:
    """Refuse settings that ``CODECS`` or ``OPUS_BANDWIDTHS`` do not have.

    Raises:
        ValueError: If one of them is unknown, or ``bandwidth`` is given for another codec than Opus.
    """
    require_one_of("codec", codec, tuple(CODECS))
    allowed = CODECS[codec].bit_rates
    if (bit_rate is None and allowed) or (bit_rate is not None and bit_rate not in allowed):
        choices = f"choose one of {', '.join(map(str, allowed))}" if allowed else "it has one only; leave it out"
        raise ValueError(f"bit_rate of {codec} is {bit_rate}; {choices}")
    if bandwidth is not None:
        require_one_of(f"bandwidth of {codec}", bandwidth, tuple(OPUS_BANDWIDTHS) if codec == "opus" else (None,))


def transcode(
    samples: np.ndarray,
    sampling_rate: int,
    *,
    codec: str,
    bit_rate: int | None = None,
    bandwidth: str | None = None,
    rng: np.random.Generator | None = None,  # not used
) -> tuple[np.ndarray, Cause]:
    """Send the clip through a real encoder and decoder; needs PyAV, except for GSM, ADPCM and Vorbis.

    Args:
        codec: Key of ``CODECS``.
        bit_rate: One of the codec's, in bit/s; left out where there is only one.
        bandwidth: Opus only: ``narrow``, ``wide``, ``super_wide`` or ``full`` at most; at low bit
            rates Opus goes narrower by itself.

    Returns:
        Decoded audio, aligned with the input, and the cause.

    Raises:
        ValueError: If the codec or the bit rate is unknown.

    Examples:
        >>> tone = np.sin(np.arange(8000) / 4).astype(np.float32) / 4
        >>> decoded, cause = transcode(tone, 8000, codec="gsm")
        >>> bool(np.corrcoef(tone, decoded)[0, 1] > 0.9)
        True
    """
    check_codec(codec, bit_rate, bandwidth)
    rate = codec_rate(codec, bit_rate)
    delay = codec_delay(codec, rate, bit_rate, bandwidth)
    # The padding pushes the last speech through the codec's look-ahead.
    padded = np.pad(soxr.resample(samples.astype(np.float32), sampling_rate, rate), (0, delay))
    decoded = _run(padded, codec, rate, bit_rate, bandwidth)[delay:]
    parameters: dict[str, Any] = {"codec": codec} | ({} if bit_rate is None else {"bit_rate": bit_rate})
    parameters |= {} if bandwidth is None else {"bandwidth": bandwidth}
    restored = fit_length(soxr.resample(decoded, rate, sampling_rate), len(samples))
    return prevent_overload(restored), Cause("codec", parameters)
