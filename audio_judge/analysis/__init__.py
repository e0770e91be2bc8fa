"""Facts measured from the signal, without any judge: level, peaks, clipping, noise, bandwidth, gaps, silence.

They are measurements, not opinions: loudness is that of ITU-R BS.1770 (pyloudnorm), spectra are scipy's, and what
cannot be measured in a clip is None instead of a guess. Only hard clipping is seen, and the signal-to-noise ratio is an
estimate that needs pauses to hear the noise in.
"""

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyloudnorm
from scipy import signal
from scipy.ndimage import uniform_filter1d

from audio_judge.audio import MIX, AudioError, AudioSource, Channel, audio_info, clip_name, read_audio

LONGEST_SECONDS = 3600.0
SILENCE_DBFS = -60.0
# Sounds this far below the strongest part of the spectrum are no longer part of it: further down is only rounding noise
BANDWIDTH_DB = -70.0
CLEANEST_DB = 100.0

_FRAME_SECONDS = 0.02
_SMALLEST_STEP = 2 / 32_768
_GAP_SECONDS = 0.01
# Noise in pauses changes by less from one frame to the next
_STEADY_DB = 3.0
# Speech that was gated lost more of its time than this, one that dropped out now and then less
_PAUSES_SHARE = 0.1
# Of 16-bit values near 0 most occur in a second of speech; of those of a gain in whole steps, a quarter
_OCCUPIED, _LEAST_REACH = 0.1, 40
_TINY = 1e-12


@dataclass(frozen=True)
class Analysis:
    """What was measured in a clip.

    Args:
        channels: How many there are; all that follows is measured in their mean, unless one of them was asked for.
        loudness_lufs: Integrated loudness; None for silence and for clips shorter than 0.4 s.
        peak_dbfs: Highest sample, in decibels of full scale; None if every sample is 0.
        clipping_share: Share of the samples that are cut off flat at the top or the bottom, 0 to 1.
        snr_db: Estimated ratio of sound to noise, at most 100; None if there are no pauses, but
            for gaps and digital silence, to hear the noise in.
        bandwidth_hz: Highest frequency that sounds; 0 for silence.
        dropouts: (start, end) in seconds of gaps that cut into sound all of a sudden.
        silence_share: Share of the time below -60 dBFS, 0 to 1.
        dc_offset: Mean of the samples, -1 to 1.
    """

    clip: str
    seconds: float
    sampling_rate: int
    channels: int
    loudness_lufs: float | None
    peak_dbfs: float | None
    clipping_share: float
    snr_db: float | None
    bandwidth_hz: float
    dropouts: tuple[tuple[float, float], ...]
    silence_share: float
    dc_offset: float

    def __str__(self) -> str:
        spans = ", ".join(f"{start:.2f}-{end:.2f} s" for start, end in self.dropouts)
        lines = [
            f"{self.clip} ({self.seconds:.1f} s, {self.sampling_rate} Hz, {self.channels} channel(s))",
            f"  loudness {_shown(self.loudness_lufs, 'LUFS')}, peak {_shown(self.peak_dbfs, 'dBFS')}",
            f"  clipped {self.clipping_share:.1%}, silent {self.silence_share:.1%}, DC offset {self.dc_offset:+.4f}",
            f"  signal-to-noise ratio {_shown(self.snr_db, 'dB')}, bandwidth {self.bandwidth_hz:.0f} Hz",
            f"  dropouts {spans or 'none'}",
        ]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able row; numbers rounded to 4 digits."""
        row = {one.name: getattr(self, one.name) for one in fields(self)}
        row = {name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}
        return row | {"dropouts": [[round(start, 4), round(end, 4)] for start, end in self.dropouts]}

    def to_row(self) -> dict[str, Any]:
        """A flat row for a table: as ``to_dict``, with the number of dropouts and their length in seconds."""
        seconds = round(sum(end - start for start, end in self.dropouts), 4)
        return self.to_dict() | {"dropouts": len(self.dropouts), "dropout_seconds": seconds}


def _shown(value: float | None, unit: str) -> str:
    return "not measurable" if value is None else f"{value:.1f} {unit}"


def analyze(
    clip: AudioSource, *, start_time: float | None = None, end_time: float | None = None, channel: Channel = MIX
) -> Analysis:
    """Measure a clip, or the part of it from ``start_time`` to ``end_time`` in seconds; at most an hour at a time.

    ``channel`` is that of ``audio_judge.audio.read_audio``: the mean of all, or one of them.

    Raises:
        AudioError: If the clip cannot be read or the part is longer than an hour.

    Example:
        >>> facts = analyze((np.zeros(16000), 16000))
        >>> facts.silence_share, facts.loudness_lufs, facts.bandwidth_hz
        (1.0, None, 0.0)
    """
    info = audio_info(clip)
    seconds = (info.seconds if end_time is None else end_time) - (start_time or 0.0)
    times: dict[str, Any] = {"start_time": start_time, "end_time": end_time}
    audio = None if seconds > LONGEST_SECONDS else read_audio(clip, channel=channel, **times)
    if audio is None:
        problem = f"{seconds / 3600:.2f} h; at most 1 h is measured at a time: give start_time and end_time"
        raise AudioError(f"{clip_name(clip)}: {problem}")
    samples = audio.samples.astype(np.float64)
    peak = float(np.abs(samples).max())
    frames = _frame_levels(samples, audio.sampling_rate)
    gaps = dropouts(samples, audio.sampling_rate)
    return Analysis(
        clip=audio.name,
        seconds=audio.seconds,
        sampling_rate=audio.sampling_rate,
        channels=info.channels,
        loudness_lufs=loudness(samples, audio.sampling_rate),
        peak_dbfs=20 * math.log10(peak) if peak else None,
        clipping_share=clipping_share(samples),
        snr_db=signal_to_noise(samples, audio.sampling_rate, gaps),
        bandwidth_hz=bandwidth(samples, audio.sampling_rate),
        dropouts=gaps,
        silence_share=float((frames < SILENCE_DBFS).mean()),
        dc_offset=float(samples.mean()),
    )


def loudness(samples: np.ndarray, rate: int) -> float | None:
    """Integrated loudness of samples (samples,) in LUFS; None for silence and for less than 0.4 s.

    Example:
        >>> tone = 0.1 * np.sin(np.arange(16000) * 2 * np.pi * 1000 / 16000)
        >>> round(loudness(tone, 16000)), loudness(tone[:4000], 16000)
        (-23, None)
    """
    meter = pyloudnorm.Meter(rate)
    if len(samples) < meter.block_size * rate:
        return None
    measured = float(meter.integrated_loudness(samples))
    return measured if math.isfinite(measured) else None


def _frame_levels(samples: np.ndarray, rate: int) -> np.ndarray:
    """Level of each 20 ms in decibels of full scale (frames,), without the mean of the clip."""
    size = max(1, round(_FRAME_SECONDS * rate))
    count = max(1, len(samples) // size)
    power = np.square(samples[: count * size] - samples.mean()).reshape(count, -1).mean(1)
    return 10 * np.log10(power + _TINY)


def clipping_share(samples: np.ndarray) -> float:
    """Share of the samples (samples,) that are cut off flat, at whatever level, 0 to 1.

    A recording that was not clipped has few samples at its very top, where it turns round; clipping piles them up
    there. Soft clipping, and clipping that was filtered or coded afterwards, is not seen.

    Example:
        >>> tone = np.sin(np.arange(48000) * 0.05)
        >>> clipping_share(tone), round(clipping_share(np.clip(tone, -0.5, 0.5)), 2)
        (0.0, 0.67)
    """
    if np.ptp(samples) < _SMALLEST_STEP:
        return 0.0
    return sum(_cut_off(side) for side in (samples, -samples)) / len(samples)


def _cut_off(samples: np.ndarray) -> int:
    """Number of samples that are cut off at the top."""
    top = samples.max()
    if top <= 0:
        return 0
    # A flat top may ripple by a thousandth of itself, or by the rounding of 16 bits
    step = max(1e-3 * top, _SMALLEST_STEP)
    is_top = samples >= top - step
    below = int(((samples < top - step) & (samples >= top - 2 * step)).sum())
    starts, ends = _runs(is_top)
    flat = int((ends - starts)[ends - starts >= 3].sum())  # two equal samples may be the turn of a wave
    return flat if flat >= 10 and flat > 5 * below else 0


def _runs(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First index and the one after the last of each run of true values."""
    edges = np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)


def coarse_bits(samples: np.ndarray) -> int | None:
    """With how many bits samples (samples,) were rounded, if with so few that most values near 0 do not occur; else None.

    Example:
        >>> voice = np.random.default_rng(0).normal(size=16000) * 0.1
        >>> coarse_bits(voice), coarse_bits(np.round(voice * 100) / 100)
        (None, 6)
    """
    steps = np.round(samples * 32_768).astype(np.int64)
    reach = min(int(steps.std()), len(steps) // 8)
    if reach < _LEAST_REACH:
        return None
    near = np.unique(steps[np.abs(steps) <= reach])
    if len(near) >= _OCCUPIED * (2 * reach + 1):
        return None
    step = float(np.median(np.diff(np.unique(steps)))) if len(near) < 2 else float(np.median(np.diff(near)))
    return max(1, round(math.log2(2 * float(np.abs(steps).max()) / max(step, 1.0) + 1)))


def signal_to_noise(samples: np.ndarray, rate: int, dropouts: tuple[tuple[float, float], ...] = ()) -> float | None:
    """The power of the louder frames over that of the quietest tenth, the noise in the pauses, in dB; None if that is not heard.

    Args:
        samples: Of shape (samples,).
        rate: In Hz.
        dropouts: (start, end) in seconds of gaps, in which there is no noise.
    """
    frames = _frame_levels(samples, rate)
    # Nothing of the recording's noise is in a gap, nor where samples do not change at all
    lost = _lost_frames(samples, rate, dropouts)[: len(frames)]
    kept = frames[~lost]
    loud = kept[kept >= SILENCE_DBFS]
    if len(kept) < 10 or len(loud) == 0:
        return None
    floor, top = np.percentile(kept, [10, 90])
    # Where digital silence took the pauses, what is quietest is sound itself: near its top, or not steady as noise is
    took_pauses = lost.mean() > _PAUSES_SHARE and top - floor < 10
    if lost.any() and (took_pauses or _unsteadiness(frames, lost, floor) > _STEADY_DB):
        return None
    # Without pauses a steady sound may be noise, which has a flat spectrum, or a tone, of which nothing can be said
    if top - floor < 3 and _flatness(samples, rate) < 0.1:
        return None
    noise = 10 ** (floor / 10)
    power = np.mean(10 ** (kept[kept >= np.median(loud)] / 10))
    return float(min(CLEANEST_DB, 10 * math.log10(max(power - noise, 0.01 * noise) / max(noise, _TINY))))


def _unsteadiness(frames: np.ndarray, lost: np.ndarray, floor: float) -> float:
    """By how many dB a frame (frames,) next to one at the floor differs from it, in the median; 0 if there is none."""
    quiet = np.flatnonzero(~lost & (frames <= floor))
    beside = np.concatenate([quiet - 1, quiet + 1])  # (2 x quiet,)
    steps = np.abs(frames[np.clip(beside, 0, len(frames) - 1)] - np.tile(frames[quiet], 2))
    steps = steps[(beside >= 0) & (beside < len(frames)) & ~lost[np.clip(beside, 0, len(frames) - 1)]]
    return float(np.median(steps)) if len(steps) else 0.0


def _lost_frames(samples: np.ndarray, rate: int, dropouts: tuple[tuple[float, float], ...]) -> np.ndarray:
    """Whether each 20 ms (frames,) touch a gap or 10 ms of digital silence."""
    size = max(1, round(_FRAME_SECONDS * rate))
    lost = np.zeros(max(1, len(samples) // size), dtype=bool)
    starts, ends = _runs(np.diff(samples) == 0)
    is_long = ends - starts >= round(_GAP_SECONDS * rate)
    still = zip(starts[is_long], ends[is_long], strict=True)
    for start, end in (*still, *((round(start * rate), round(end * rate)) for start, end in dropouts)):
        lost[start // size : -(-(end + 1) // size)] = True
    return lost


def _flatness(samples: np.ndarray, rate: int) -> float:
    """Geometric over arithmetic mean of the spectrum: 1 for white noise, near 0 for a tone."""
    _, power = signal.welch(samples, rate, nperseg=min(1024, len(samples)))
    power = power[1:] + 1e-20  # without the mean, and with no zero for the logarithm
    return float(np.exp(np.log(power).mean()) / power.mean())


def bandwidth(samples: np.ndarray, rate: int) -> float:
    """Highest frequency in Hz within 70 dB of the strongest, in the loudest twentieth of the frames at each frequency.

    Args:
        samples: Of shape (samples,).
        rate: In Hz.

    Returns:
        0 for silence.
    """
    return band(samples, rate)[1]


def band(samples: np.ndarray, rate: int, low_db: float = BANDWIDTH_DB) -> tuple[float, float]:
    """Lowest and highest frequency that sounds, in Hz; both 0 for silence.

    ``low_db`` is how far, in dB, the low end lies below the strongest frequency: the hum and rumble of a room reach lower than a voice.
    """
    size = min(len(samples), 2 ** round(math.log2(0.04 * rate)))
    window = signal.get_window(("kaiser", 14.0), size)  # its side lobes are more than 100 dB down
    transform = signal.ShortTimeFFT(window, hop=size // 2, fs=rate)
    # (frequencies, frames), of the frames that lie in the clip with their whole width
    power = np.square(np.abs(transform.stft(samples - samples.mean(), p0=1, p1=max(2, len(samples) // (size // 2)))))
    levels = np.percentile(power, 95, axis=1)
    if levels.max() <= size * _TINY:
        return 0.0, 0.0
    low, high = (np.flatnonzero(levels >= levels.max() * 10 ** (below / 10)) for below in (low_db, BANDWIDTH_DB))
    return float(transform.f[low[0]]), float(min(transform.f[high[-1]], rate / 2))


def dropouts(samples: np.ndarray, rate: int) -> tuple[tuple[float, float], ...]:
    """(start, end) in seconds of gaps of 10 ms or more, 60 dB under the sound, that begin or end in the middle of it."""
    size = max(1, round(0.005 * rate))
    power = np.maximum(uniform_filter1d(np.square(samples), size), 0)
    active = float(np.percentile(power, 90))
    if active <= _SMALLEST_STEP**2:
        return ()
    starts, ends = _runs(np.abs(samples) <= max(1e-3 * math.sqrt(active), _SMALLEST_STEP / 2))
    is_long = ends - starts >= round(_GAP_SECONDS * rate)
    gaps = []
    for start, end in zip(starts[is_long], ends[is_long], strict=True):
        before, after = samples[max(0, start - size) : start], samples[end : end + size]
        edges = [float(np.square(edge).mean()) for edge in (before, after) if len(edge)]
        # Loud on one side is enough: a fault ends or begins all of a sudden, a pause of speech fades
        if len(edges) == 2 and max(edges) >= 0.01 * active:
            gaps.append((start / rate, end / rate))
    return tuple((float(start), float(end)) for start, end in gaps)
