"""Reads, resamples, cuts and aligns clips: the only code of the package that opens sound files.

Whatever form a clip comes in (path, bytes, array with its rate, row of a data set), :func:`read_audio` makes it one
mono :class:`Audio` or says in one sentence why it cannot be judged. Which files are read, and that all of a file is heard, is
the business of ``audio_judge.audio.files``. :func:`iter_windows` reads hours of sound ten seconds at a time.
"""

import io
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeGuard, TypeVar, Union, runtime_checkable

import numpy as np
import soxr
from scipy.ndimage import uniform_filter1d

from audio_judge.audio.channels import ChannelLevels
from audio_judge.audio.files import (
    MIN_SECONDS,
    AudioError,
    Encoded,
    SoundStream,
    checked_rate,
    opened,
)

# torch takes seconds to import, and files need none
if TYPE_CHECKING:
    import torch

MAX_CHANNELS = 64
# Lists round the end of a clip to so much
_ROUNDING_SECONDS = 0.05

# Floats beyond 1 are clipped, as when they are played, but 24 dB above full scale means that integers were cast, not scaled.
MAX_PEAK = 16.0

# How the channels of a clip become one; others are "left", "right", and their numbers from 1
MIX, LOUDEST = "mix", "loudest"
Channel = str | int

# A correlation below these may be chance: 40 pairs of unrelated 4 s clips of synthetic speech reached 0.25 (waveform)
# and 0.70 (envelope); a clip in noise 10 dB louder than itself still has 0.3.
_MIN_SIGNAL_CORRELATION, _MIN_ENVELOPE_CORRELATION = 0.3, 0.75

Samples = TypeVar("Samples", np.ndarray, "torch.Tensor")


@runtime_checkable
class AudioDecoder(Protocol):
    """What is used of torchcodec's ``AudioDecoder``, the form in which ``datasets`` gives audio columns."""

    def get_all_samples(self) -> Any:
        """Returns an object with ``data``, a (channels, samples) tensor, and ``sample_rate`` in Hz."""


@dataclass(frozen=True, eq=False)
class Audio:
    """A mono clip in memory.

    Args:
        samples: Float32 array (samples,), nominally in [-1, 1].
        sampling_rate: In Hz.
        name: What messages call the clip: its path, or "array", "bytes" for a clip without one.
    """

    samples: np.ndarray = field(repr=False)
    sampling_rate: int
    name: str

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sampling_rate


class AudioInfo(NamedTuple):
    """What a clip is before any of it is judged.

    Args:
        seconds: How much of it can be heard.
        sampling_rate: In Hz.
        channels: How many there are before they are made one.
        notes: What was found about its file, in sentences: a header that is wrong, a part that is damaged.
        lost_seconds: How much of its file cannot be decoded.
    """

    seconds: float
    sampling_rate: int
    channels: int
    notes: tuple[str, ...] = ()
    lost_seconds: float = 0.0


AudioSource = (
    str
    | os.PathLike[str]
    | bytes
    | tuple[Union[np.ndarray, "torch.Tensor", Sequence[float]], int]
    | Mapping[str, Any]
    | AudioDecoder
    | Audio
)


@dataclass(frozen=True, eq=False)
class _Decoded:
    """An array as it came: any dtype that numpy and torch have, one or two axes, not yet checked."""

    samples: Any
    sampling_rate: Any
    name: str


def read_audio(
    source: AudioSource,
    *,
    start_time: float | None = None,
    end_time: float | None = None,
    name: str | None = None,
    channel: Channel = MIX,
) -> Audio:
    """Read a clip, or a part of it, as mono float32.

    Integer arrays are scaled by their full scale; floats beyond [-1, 1] are clipped, as when they are played. In a two-axis
    array the shorter axis is the channels, so (2, samples) and (samples, 2) are the same clip.

    Args:
        source: Path; bytes of a file; an open file; (array, rate) with a numpy array, torch tensor or list; row of a data set
            with ``array`` and ``sampling_rate``, ``bytes``, or ``path``; torchcodec ``AudioDecoder``; or ``Audio``.
        start_time: Where to start, in seconds; None for the beginning.
        end_time: Where to end, in seconds; None for the end.
        name: What messages call the clip; None for its path, or for the form it came in.
        channel: Which channel is heard: ``mix`` (the mean of all), ``loudest``, ``left``, ``right``, or its number from 1.

    Returns:
        The clip at its own sampling rate.

    Raises:
        AudioError: If the clip is missing, empty, damaged, truncated, shorter than 0.1 s, not finite, not scaled to
            [-1, 1], without a rate in 4000..384000 Hz, or if the times or the channel lie outside it.

    Example:
        >>> read_audio((np.full((2, 8000), 16384, dtype=np.int16), 16000), start_time=0.1).samples[0]
        np.float32(0.5)
    """
    index = _channel_index(source, channel, start_time, end_time, name)
    with _stream(source, name) as file:
        first, last = _frame_span(file.frames, file.rate, start_time, end_time, file.name)
        file.skip(first)
        return _checked(_read_mono(file, last - first, index), file.rate, file.name)


def iter_windows(
    source: AudioSource,
    window_seconds: float = 10.0,
    *,
    minimum: float = 1.0,
    start_time: float | None = None,
    end_time: float | None = None,
    spans: Sequence[tuple[float, float]] | None = None,
    name: str | None = None,
    channel: Channel = MIX,
) -> Iterator[tuple[float, float, Audio]]:
    """Read a clip window by window; of a file no more than one window is in memory.

    Args:
        source: Anything that :func:`read_audio` takes.
        minimum: Shortest window, in seconds; see ``windows`` of the processor, which cuts.
        start_time: Where the first window starts, in seconds; None for the beginning.
        end_time: Where the last one ends, in seconds; None for the end.
        spans: Parts to cut into windows instead, (start, end) in seconds and in order.
        channel: As of :func:`read_audio`.

    Yields:
        Start and end in seconds of the clip, and the sound between them.

    Raises:
        AudioError: As :func:`read_audio`; for a damaged file when the damage is reached.

    Example:
        >>> [(start, end) for start, end, _ in iter_windows((np.zeros(16000), 8000), 1.0)]
        [(0.0, 1.0), (1.0, 2.0)]
    """
    index = _channel_index(source, channel, start_time, end_time, name)
    from audio_judge.processing_audio_judge import window_frames  # here, as all that needs torch

    with _stream(source, name) as file:
        parts: Sequence[tuple[float | None, float | None]] = spans or [(start_time, end_time)]
        frames = [_frame_span(file.frames, file.rate, *part, file.name) for part in parts]
        times = [(first / file.rate, last / file.rate) for first, last in frames]
        place = 0
        for start, end, first, last in window_frames(times, file.rate, window_seconds, minimum):
            file.skip(first - place)
            yield start, end, _checked(_read_mono(file, last - first, index), file.rate, file.name)
            place = last


class Hearing(NamedTuple):
    """What is found when a clip is listened through before it is judged.

    Args:
        spans: Where it sounds, (start, end) in seconds of what was listened to; pauses of up to two seconds are part of it.
        channel: Which channel is heard, for :func:`read_audio`.
        notes: What to know about it, in sentences.
    """

    spans: tuple[tuple[float, float], ...]
    channel: Channel
    notes: tuple[str, ...]


def listen(
    source: AudioSource,
    *,
    start_time: float | None = None,
    end_time: float | None = None,
    name: str | None = None,
    channel: Channel = MIX,
) -> Hearing:
    """Listen through a clip, or a part of it, without keeping it: where it sounds, and what is lost by how it is heard.

    What sounds is told by ``Activity`` of the processor, for whoever asks a judge. The arguments are those of :func:`read_audio`.

    Raises:
        AudioError: As :func:`read_audio`.

    Example:
        >>> listen((np.concatenate([np.zeros(8000), np.ones(4000), np.zeros(8000)]), 8000)).spans
        ((1.0, 1.5),)
    """
    from audio_judge.processing_audio_judge import Activity

    index = _channel_index(source, channel, start_time, end_time, name)
    with _stream(source, name) as file:
        first, last = _frame_span(file.frames, file.rate, start_time, end_time, file.name)
        file.skip(first)
        activity, levels = Activity(file.rate), ChannelLevels(file.channels)
        for block in file.blocks(last - first):
            levels.add(block)
            activity.add(_mono(block, index, file.name))
        return Hearing(tuple(activity.spans()), MIX if index is None else index + 1, tuple(levels.notes(index)))


def _channel_index(
    source: AudioSource, channel: Channel, start: float | None, end: float | None, name: str | None
) -> int | None:
    """Which channel is heard, from 0; None for the mean of all."""
    if channel == MIX:
        return None
    with _stream(source, name) as file:
        if channel == LOUDEST:
            first, last = _frame_span(file.frames, file.rate, start, end, file.name)
            file.skip(first)
            levels = ChannelLevels(file.channels)
            for block in file.blocks(last - first):
                levels.add(block)
            return levels.loudest
        number = {"left": 1, "right": 2}.get(str(channel), channel)
        if file.channels == 1 and channel in ("left", "right"):
            return 0  # both sides of a mono clip play it
        if isinstance(number, str) and number.isdecimal():
            number = int(number)
        if not isinstance(number, int) or not 1 <= number <= file.channels:
            count = f"{file.channels} channel{'s' * (file.channels != 1)}"
            raise AudioError(
                f"{file.name}: channel {channel!r} of {count}; mix, loudest, left, right or a number from 1"
            )
        return number - 1


def audio_info(source: AudioSource, *, name: str | None = None) -> AudioInfo:
    """Length, sampling rate and number of channels of anything that :func:`read_audio` takes.

    A file is decoded, without being kept in memory, only if its header does not give its length, or a wrong one.

    Raises:
        AudioError: If the file cannot be opened, or the clip is empty or has an unusable rate.

    Example:
        >>> audio_info((np.zeros((2, 8000)), 16000))[:3]
        (0.5, 16000, 2)
    """
    with _stream(source, name) as file:
        return AudioInfo(file.frames / file.rate, file.rate, file.channels, file.notes, file.lost_seconds)


@cache
def torchaudio_is_usable() -> bool:
    """Whether torchaudio can be imported; builds for another torch or CUDA fail with more than ImportError."""
    try:
        import torchaudio.functional  # noqa: F401
    except (ImportError, OSError, RuntimeError):
        return False
    return True


def resample(samples: Samples, from_rate: int, to_rate: int) -> Samples:
    """Change the sampling rate of a mono signal (samples,), without delay.

    soxr at high quality does it; a tensor on an accelerator stays there if torchaudio is usable.

    Returns:
        Float32 signal (samples · to_rate / from_rate, within one sample), an array or a tensor as it came.

    Raises:
        ValueError: If the signal has more than one axis.

    Example:
        >>> resample(np.zeros(48000), 48000, 16000).shape
        (16000,)
    """
    if samples.ndim != 1:
        raise ValueError(f"resample takes one mono signal (samples,); got shape {tuple(samples.shape)}")
    if isinstance(samples, np.ndarray):
        samples = samples.astype(np.float32, copy=False)
        return samples if from_rate == to_rate else soxr.resample(samples, from_rate, to_rate, quality="HQ")
    if from_rate == to_rate:
        return samples.float()
    if samples.device.type != "cpu" and torchaudio_is_usable():
        import torchaudio.functional

        return torchaudio.functional.resample(samples.float(), from_rate, to_rate)
    import torch

    return torch.from_numpy(resample(samples.detach().cpu().float().numpy(), from_rate, to_rate)).to(samples.device)


def lay_beside(
    degraded: Audio, reference: Audio, max_shift_seconds: float = 1.0
) -> tuple[Audio, Audio, tuple[float, float], bool]:
    """Move an original to the time of a degraded recording of it, of which nothing is cut.

    The shift is found as by :func:`align`.

    Returns:
        The degraded clip; the reference, silent where it does not reach, both at one rate and of one length; from where to
        where in seconds it reaches; and whether the two are alike at all.

    Example:
        >>> noise = np.random.default_rng(0).normal(scale=0.1, size=8000).astype(np.float32)
        >>> lay_beside(Audio(noise, 8000, "degraded"), Audio(noise[2000:6000], 8000, "reference"))[2:]
        ((0.25, 0.75), True)
    """
    rate = max(degraded.sampling_rate, reference.sampling_rate)
    late, early = (_checked(resample(x.samples, x.sampling_rate, rate), rate, x.name) for x in (degraded, reference))
    shift = _shift(late.samples, early.samples, rate, round(max_shift_seconds * rate))
    # As far as a short clip may lie within a longer one
    at, first = max(0, shift or 0), max(0, -(shift or 0))
    last = min(len(late.samples), at + len(early.samples) - first)
    moved = np.zeros(len(late.samples), np.float32)
    moved[at:last] = early.samples[first : first + last - at]
    return late, replace(early, samples=moved), (at / rate, last / rate), shift is not None


def align(degraded: Audio, reference: Audio, max_shift_seconds: float = 1.0) -> tuple[Audio, Audio, float]:
    """Cut two recordings of the same sound, a degraded one and its original, so that they start and end together.

    Both are brought to the higher of their rates. The shift is where their cross-correlation is strongest, in either
    polarity; if the waveforms do not correlate (a generative codec), that of their envelopes counts; if neither does
    (silence, different sounds), the shift is 0. Shifts of up to ``max_shift_seconds`` either way are looked for; a clip that
    is shorter than the other one may lie anywhere in it.

    Returns:
        The degraded clip, the reference, both at one rate and of one length, and how many seconds later than in the
        reference the sound came in the degraded clip.

    Raises:
        ValueError: If ``max_shift_seconds`` is negative or not finite.
        AudioError: If a clip is shorter than 0.1 s.

    Example:
        >>> noise = np.random.default_rng(0).normal(scale=0.1, size=8000).astype(np.float32)
        >>> late = Audio(np.concatenate([np.zeros(800, np.float32), noise]), 8000, "late")
        >>> align(late, Audio(noise, 8000, "reference"))[2]
        0.1
    """
    if not 0 <= max_shift_seconds < math.inf:
        raise ValueError(f"max_shift_seconds must be 0 or more and finite; got {max_shift_seconds}")
    rate = max(degraded.sampling_rate, reference.sampling_rate)
    late, early = (_checked(resample(x.samples, x.sampling_rate, rate), rate, x.name) for x in (degraded, reference))
    shift = _shift(late.samples, early.samples, rate, round(max_shift_seconds * rate)) or 0
    late_samples, early_samples = late.samples[max(shift, 0) :], early.samples[max(-shift, 0) :]
    length = min(len(late_samples), len(early_samples))
    return (
        replace(late, samples=late_samples[:length]),
        replace(early, samples=early_samples[:length]),
        shift / rate,
    )


def _shift(degraded: np.ndarray, reference: np.ndarray, rate: int, max_shift: int) -> int | None:
    """Samples by which ``degraded`` is late; None if waveforms and envelopes both leave it unclear."""
    views = (
        (degraded, reference, _MIN_SIGNAL_CORRELATION),
        # Differences weigh the high frequencies up, for a clip that has lost the low ones.
        (np.diff(degraded), np.diff(reference), _MIN_SIGNAL_CORRELATION),
        (_envelope(degraded, rate), _envelope(reference, rate), _MIN_ENVELOPE_CORRELATION),
    )
    for x, y, minimum in views:
        shift, correlation = _correlation_peak(x, y, rate, max_shift)
        if correlation >= minimum:
            return shift
    return None


def _envelope(samples: np.ndarray, rate: int) -> np.ndarray:
    """Root mean square of the 10 ms around each sample (samples,)."""
    power = uniform_filter1d(np.square(samples), rate // 100)
    return np.sqrt(np.maximum(power, 0))  # the filter's running sum can fall below 0 by rounding


def _correlation_peak(x: np.ndarray, y: np.ndarray, rate: int, max_shift: int) -> tuple[int, float]:
    """Lag of ``x`` behind ``y`` with the largest correlation, and that correlation (0 to 1; 0 for silence)."""
    from scipy import signal  # as dear to import as all else that reads a clip

    x, y = x - x.mean(), y - y.mean()
    if min(np.abs(x).max(), np.abs(y).max()) < 1e-6:  # -120 dB, under the last bit of any recording
        return 0, 0.0
    lags = signal.correlation_lags(len(x), len(y))
    # What is left after the cut must be long enough to be judged.
    overlap = np.minimum(len(x) - np.maximum(lags, 0), len(y) - np.maximum(-lags, 0))
    spare = len(x) - len(y)  # a shorter one may lie anywhere in a longer one
    allowed = (lags >= min(spare, 0) - max_shift) & (lags <= max(spare, 0) + max_shift)
    allowed &= overlap >= round(MIN_SECONDS * rate)
    # (lags,); without its sign, since a chain may turn the polarity round
    correlation = np.abs(signal.correlate(x, y, method="fft"))[allowed]
    if spare >= 0:
        correlation /= _norms_within(x, lags[allowed], len(y), max_shift) * np.linalg.norm(y)
    else:
        correlation /= _norms_within(y, -lags[allowed], len(x), max_shift) * np.linalg.norm(x)
    best = int(correlation.argmax())
    return int(lags[allowed][best]), float(correlation[best])


def _norms_within(long: np.ndarray, starts: np.ndarray, length: int, max_shift: int) -> np.ndarray:
    """Norm of each part (starts,) of so many samples, as what else a longer clip holds makes it no less alike.

    Of clips of about one length it is that of the whole, which gives chance less room where little of them overlaps.
    """
    whole = float(np.linalg.norm(long))
    if len(long) - length <= max_shift:
        return np.full(len(starts), whole)
    energy = np.concatenate([[0.0], np.cumsum(np.square(long, dtype=np.float64))])
    first, last = starts.clip(0, len(long)), (starts + length).clip(0, len(long))
    return np.maximum(np.sqrt(energy[last] - energy[first]), 1e-3 * whole)


def clip_name(source: AudioSource) -> str:
    """What messages call a clip: its path, or the form it came in."""
    return _resolve(source, None).name


def _resolve(source: Any, name: str | None) -> Encoded | _Decoded:
    """Sort the forms a clip comes in into files and arrays."""
    if isinstance(source, Audio):
        return _Decoded(source.samples, source.sampling_rate, name or source.name)
    if isinstance(source, bytes | bytearray | memoryview):
        return Encoded(bytes(source), name or "bytes")
    if isinstance(source, str | os.PathLike):
        path = Path(os.fsdecode(source))
        return Encoded(path, name or str(path))
    if isinstance(source, io.TextIOBase):
        raise AudioError(f"{name or 'clip'}: an open text; open the file as bytes (mode 'rb')")
    if isinstance(source, io.IOBase) and source.seekable():
        source.seek(0)  # a clip is read several times
        return _resolve(source.read(), name)
    if isinstance(source, Mapping):
        return _resolve_row(source, name)
    if isinstance(source, tuple) and len(source) == 2:
        return _resolve_pair(source, name or "array")
    if isinstance(source, AudioDecoder):
        decoded = source.get_all_samples()
        return _Decoded(decoded.data, decoded.sample_rate, name or "decoder")
    if isinstance(source, np.ndarray | list) or _is_tensor(source):
        raise AudioError(f"{name or 'array'}: arrays must come with a sampling rate; give (array, rate)")
    raise AudioError(
        f"{name or 'clip'}: cannot read audio from a {type(source).__name__}; give a path or (array, rate), and several clips as a list"
    )


def _resolve_row(row: Mapping[str, Any], name: str | None) -> Encoded | _Decoded:
    """A row of a data set: ``array`` is taken before ``bytes``, ``bytes`` before ``path``."""
    path = row.get("path")
    label = name or (None if path is None else str(path))
    if row.get("array") is not None:
        return _resolve_pair((row["array"], row.get("sampling_rate")), label or "array")
    if row.get("bytes") is not None:
        return _resolve(row["bytes"], label)
    if path is not None:
        return _resolve(path, name)
    raise AudioError(f"{name or 'row'}: has {sorted(row)}; 'array' and 'sampling_rate', 'bytes' or 'path' is needed")


def _resolve_pair(pair: tuple[Any, Any], name: str) -> _Decoded:
    samples, rate = pair
    if rate is None:
        raise AudioError(f"{name}: arrays must come with a sampling rate; give (array, rate)")
    if isinstance(samples, int | np.integer):
        raise AudioError(f"{name}: got (rate, array); give (array, rate)")
    if isinstance(samples, str | os.PathLike | bytes):
        raise AudioError(f"{name}: got (path, rate); give the path alone, since its file says its rate")
    return _Decoded(samples, rate, name)


def _is_tensor(samples: Any) -> "TypeGuard[torch.Tensor]":
    """Whether it is a tensor of torch, of which there is none before torch was imported."""
    return "torch" in sys.modules and isinstance(samples, sys.modules["torch"].Tensor)


def _to_numpy(samples: Any, name: str) -> np.ndarray:
    if _is_tensor(samples):
        samples = samples.detach().cpu()
        # numpy has no bfloat16
        return (samples.float() if samples.is_floating_point() else samples).numpy()
    try:
        return np.asarray(samples)
    except ValueError as error:
        raise AudioError(f"{name}: channels of different length; give one array (channels, samples)") from error


def _channels_first(array: np.ndarray, name: str) -> np.ndarray:
    """(channels, samples), with the shorter of two axes as the channels."""
    if array.size == 0:
        raise AudioError(f"{name}: no samples; at least {MIN_SECONDS} s needed")
    if array.ndim not in (1, 2):
        raise AudioError(f"{name}: array of shape {array.shape}; one clip (samples,) or (channels, samples) is needed")
    if array.ndim == 1:
        return array[np.newaxis]
    if min(array.shape) > MAX_CHANNELS:
        raise AudioError(
            f"{name}: array of shape {array.shape}; the shorter axis is the channels, {MAX_CHANNELS} at most"
        )
    return array if array.shape[0] <= array.shape[1] else array.T


def _scaled(array: np.ndarray, name: str) -> np.ndarray:
    """Float32 in [-1, 1], integers divided by their full scale as libsndfile does."""
    if np.issubdtype(array.dtype, np.floating):
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes inf, which is reported
            return array.astype(np.float32, copy=False)  # nobody writes into it
    # Here, because both take seconds to import, and files, which come as floats, do not need them
    import torch

    from audio_judge.processing_audio_judge import integers_as_floats

    peak = int(np.abs(array.astype(np.int64)).max()) if array.dtype == np.int32 else 0
    if 0 < peak <= 2**15:  # full scale of 16 bits is silence in 32
        raise AudioError(
            f"{name}: int32 samples reach {peak}, as if they were int16; give them as int16, or as floats in [-1, 1]"
        )
    try:
        return integers_as_floats(torch.from_numpy(np.array(array, order="C"))).numpy()
    except TypeError as error:  # kinds of numbers that torch does not have
        raise AudioError(
            f"{name}: {array.dtype} samples have no known full scale; give float in [-1, 1] or int16"
        ) from error
    except ValueError as error:
        raise AudioError(f"{name}: {error}") from error


class _ArrayStream(SoundStream):
    """An array that is read like a file."""

    def __init__(self, clip: _Decoded) -> None:
        rate = checked_rate(clip.sampling_rate, clip.name)
        channels = _channels_first(_to_numpy(clip.samples, clip.name), clip.name)
        super().__init__(clip.name, rate, *channels.shape)
        self.samples = _scaled(channels, clip.name).T  # (samples, channels)
        self.place = 0

    def _read(self, frames: int) -> np.ndarray:
        self.skip(frames)
        return self.samples[self.place - frames : self.place]

    def skip(self, frames: int) -> None:
        self.place += frames


@contextmanager
def _stream(source: AudioSource, name: str | None) -> Iterator[SoundStream]:
    """A clip in any form, to be read from front to back."""
    clip = _resolve(source, name)
    if isinstance(clip, _Decoded):
        yield _ArrayStream(clip)
    else:
        with opened(clip) as file:
            yield file


def _checked(samples: np.ndarray, rate: int, name: str) -> Audio:
    """What every clip must satisfy, whichever way it came."""
    if len(samples) < round(MIN_SECONDS * rate):
        raise AudioError(f"{name}: {len(samples) / rate:.3g} s; at least {MIN_SECONDS} s needed")
    finite = np.isfinite(samples)
    if not finite.all():
        first = int(finite.argmin())
        raise AudioError(f"{name}: sample {first} is {samples[first]}; replace or cut what is not a finite number")
    return Audio(samples, rate, name)


def _frame_span(frames: int, rate: int, start: float | None, end: float | None, name: str) -> tuple[int, int]:
    """First frame and the one after the last for times in seconds."""
    start_time, end_time = 0.0 if start is None else start, frames / rate if end is None else end
    if not (math.isfinite(start_time * rate) and math.isfinite(end_time * rate)):
        raise AudioError(f"{name}: start_time={start}, end_time={end}; finite seconds are needed")
    first, last = round(start_time * rate), round(end_time * rate)
    if frames < last <= frames + round(_ROUNDING_SECONDS * rate):
        last = frames
    if not 0 <= first < last <= frames:
        raise AudioError(
            f"{name}: start_time={start}, end_time={end} in a clip of {frames / rate:.6g} s; "
            "0 <= start_time < end_time <= length is needed"
        )
    if last - first < round(MIN_SECONDS * rate):
        raise AudioError(f"{name}: {(last - first) / rate:.3g} s; at least {MIN_SECONDS} s needed")
    return first, last


def _mono(block: np.ndarray, index: int | None, name: str) -> np.ndarray:
    """A block (samples, channels) as it is played, in mono (samples,): clipped at full scale, one channel or the mean of all."""
    heard = block if index is None else block[:, index : index + 1]
    peak = float(np.abs(heard).max()) if heard.size else 0.0
    if peak > 1 and math.isfinite(peak):  # what is not finite is named with its place later on
        if peak > MAX_PEAK:
            raise AudioError(
                f"{name}: float samples reach {peak:g}, as if integers had been cast to float; "
                "float samples must be in [-1, 1]: divide by 32768 if they were int16"
            )
        heard = heard.clip(-1, 1)
    return heard[:, 0] if heard.shape[1] == 1 else heard.mean(axis=1)


def _read_mono(file: SoundStream, frames: int, index: int | None) -> np.ndarray:
    """The next ``frames`` frames in mono (samples,); a file may end up to 0.1 s before its header says."""
    blocks = [_mono(block, index, file.name) for block in file.blocks(frames)]
    samples = np.concatenate(blocks) if blocks else np.empty(0, np.float32)
    if frames - len(samples) > MIN_SECONDS * file.rate:
        seconds = f"{len(samples) / file.rate:.3g} s of {frames / file.rate:.3g} s"
        raise AudioError(f"{file.name}: truncated, {seconds}; get the whole file")
    return samples
