"""Noise suppression and source separation that went too far: what is left sounds musical, thin or chopped."""

import ctypes
import functools
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import soxr
from scipy.ndimage import uniform_filter

from audio_judge.clips import Cause
from audio_judge.degrade.acoustic import make_noise
from audio_judge.degrade.codecs import load_av, measure_delay
from audio_judge.degrade.measures import active_level, fit_length, prevent_overload, require_between, require_one_of
from audio_judge.degrade.vocoder import resynthesise, short_time_spectrum

WEBRTC_RATE, RNNOISE_RATE = 16_000, 48_000
INTEGER = 32_768.0  # full scale of 16-bit samples


def _through_filter(samples: np.ndarray, sampling_rate: int, name: str, options: dict[str, float]) -> np.ndarray:
    """Run one of FFmpeg's audio filters; its delay stays in."""
    av = load_av()
    graph = av.filter.Graph()
    source = graph.add_abuffer(
        format="fltp", sample_rate=sampling_rate, layout="mono", time_base=Fraction(1, sampling_rate)
    )
    filtered = graph.add(name, ":".join(f"{key}={value:.6g}" for key, value in options.items()))
    sink = graph.add("abuffersink")
    source.link_to(filtered)
    filtered.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), format="fltp", layout="mono")
    frame.sample_rate, frame.pts = sampling_rate, 0
    graph.push(frame)
    graph.push(None)
    pieces = []
    while True:
        try:
            pieces.append(graph.pull().to_ndarray()[0])
        except (av.FFmpegError, EOFError):  # nothing is left
            return np.concatenate(pieces)


def _afftdn(samples: np.ndarray, sampling_rate: int, amount: float, noise_level: float) -> np.ndarray:
    # Told of more noise than there is, it takes quiet speech for noise, too
    floor = np.clip(20 * np.log10(noise_level + 1e-9) + 25 * amount - 5, -80, -20)
    return _through_filter(samples, sampling_rate, "afftdn", {"nr": 6 + 60 * amount, "nf": float(floor)})


def _anlmdn(samples: np.ndarray, sampling_rate: int, amount: float, noise_level: float) -> np.ndarray:
    # Patches count as alike up to a distance that grows with the root of the strength and the noise's power
    strength = float(np.clip(1e9 * noise_level**4 * 10 ** (4 * amount - 2), 1e-5, 1e4))
    options = {"s": strength, "p": 0.001, "r": 0.002}
    return _through_filter(samples, sampling_rate, "anlmdn", options)


def _afwtdn(samples: np.ndarray, sampling_rate: int, amount: float, noise_level: float) -> np.ndarray:
    sigma = float(np.clip(noise_level * (0.5 + 4 * amount), 1e-6, 1))
    return _through_filter(samples, sampling_rate, "afwtdn", {"sigma": sigma, "percent": 85 + 15 * amount})


def _webrtc(samples: np.ndarray, sampling_rate: int, amount: float, noise_level: float) -> np.ndarray:
    try:
        from webrtc_noise_gain import AudioProcessor
    except ImportError as error:
        raise ImportError(
            "method 'webrtc' needs it: pip install webrtc-noise-gain", name="webrtc_noise_gain"
        ) from error
    processor = AudioProcessor(0, 1 + min(3, int(amount * 4)))  # no gain control; suppression 1 to 4
    low = soxr.resample(samples.astype(np.float32), sampling_rate, WEBRTC_RATE)
    integers = np.clip(np.round(low * INTEGER), -INTEGER, INTEGER - 1).astype(np.int16)
    frames = np.pad(integers, (0, -len(integers) % 160)).reshape(-1, 160)  # of 10 ms
    heard = b"".join(processor.Process10ms(frame.tobytes()).audio for frame in frames)
    heard_low = np.frombuffer(heard, dtype=np.int16).astype(np.float32) / INTEGER
    # Above 8 kHz, as in WebRTC itself, one gain for all: that of the band below
    power = np.stack([np.mean(np.square(s.reshape(-1, 160)), axis=1) for s in (heard_low, frames / INTEGER)])
    gain = np.sqrt(np.minimum(1, power[0] / np.maximum(power[1], 1e-12)))  # (frames of 10 ms,)
    high = samples - fit_length(soxr.resample(low, WEBRTC_RATE, sampling_rate), len(samples))
    smooth = np.interp(np.arange(len(samples)) / sampling_rate * 100, np.arange(len(gain)) + 0.5, gain)
    return fit_length(soxr.resample(heard_low, WEBRTC_RATE, sampling_rate), len(samples)) + high * smooth


def _rnnoise(samples: np.ndarray, sampling_rate: int, amount: float, noise_level: float) -> np.ndarray:
    try:
        from pyrnnoise import rnnoise
    except ImportError as error:
        raise ImportError("method 'rnnoise' needs it: pip install pyrnnoise", name="pyrnnoise") from error
    at_48k = soxr.resample(samples.astype(np.float32), sampling_rate, RNNOISE_RATE) * INTEGER
    frames = np.pad(at_48k, (0, -len(at_48k) % rnnoise.FRAME_SIZE)).reshape(-1, rnnoise.FRAME_SIZE).copy()
    state = rnnoise.create()
    try:
        for frame in frames:  # in place
            pointer = frame.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
            rnnoise.lib.rnnoise_process_frame(state, pointer, pointer)
    finally:
        rnnoise.destroy(state)
    return fit_length(soxr.resample(frames.reshape(-1) / INTEGER, RNNOISE_RATE, sampling_rate), len(samples))


SUPPRESSORS: dict[str, Callable[[np.ndarray, int, float, float], np.ndarray]] = {
    "afftdn": _afftdn, "anlmdn": _anlmdn, "afwtdn": _afwtdn, "webrtc": _webrtc, "rnnoise": _rnnoise,
}  # fmt: skip
SUPPRESSION_METHODS = ("subtraction", *SUPPRESSORS, "mask")


@functools.cache
def _suppressor_delay(method: str, sampling_rate: int) -> int:
    return measure_delay(lambda probe: SUPPRESSORS[method](probe, sampling_rate, 0.1, 1e-3), sampling_rate)


def _suppress(samples: np.ndarray, sampling_rate: int, method: str, amount: float, noise_level: float) -> np.ndarray:
    delay = _suppressor_delay(method, sampling_rate)
    heard = SUPPRESSORS[method](np.pad(samples, (0, delay)), sampling_rate, amount, noise_level)
    return fit_length(heard[delay:], len(samples))


def _subtract(
    noisy: np.ndarray, noise: np.ndarray, sampling_rate: int, over_subtraction: float, floor_db: float
) -> np.ndarray:
    spectrogram, window = short_time_spectrum(noisy, sampling_rate)
    # The mean of the noise itself: its estimate is perfect on average and wrong at every moment, hence musical noise.
    expected = np.mean(np.abs(short_time_spectrum(noise, sampling_rate)[0]) ** 2, axis=1, keepdims=True)
    gain = 1 - over_subtraction * expected / np.maximum(np.abs(spectrogram) ** 2, 1e-20)
    gain = np.sqrt(np.maximum(gain, 10 ** (floor_db / 10)))
    return fit_length(resynthesise(spectrogram * gain, window), len(noisy))


def _other_talker(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another voice out of the same recording: at another speed, from another place, half the time backwards."""
    positions = (np.arange(len(samples)) * rng.uniform(0.75, 1.3) + rng.integers(len(samples))) % (len(samples) - 1)
    heard = np.interp(positions, np.arange(len(samples)), samples)
    return heard[::-1] if rng.random() < 0.5 else heard


def _separate(
    speech: np.ndarray, other: np.ndarray, sampling_rate: int, amount: float, floor_db: float, rng: np.random.Generator
) -> np.ndarray:
    """Take the other talker away by a mask that misjudges each time and frequency, more wrongly and harder by amount."""
    (wanted, window), (unwanted, _) = (short_time_spectrum(part, sampling_rate) for part in (speech, other))
    ratio_db = 20 * np.log10((np.abs(wanted) + 1e-9) / (np.abs(unwanted) + 1e-9))
    wrong = uniform_filter(rng.standard_normal(ratio_db.shape), 3) * 3  # the mean of nine: back to a deviation of one
    steepness = (1 + 5 * amount) / 20
    gain = 1 / (1 + 10 ** np.clip(-steepness * (ratio_db + 20 * amount * wrong), -6, 6))
    gain = np.maximum(gain, 10 ** (floor_db / 20))
    return fit_length(resynthesise((wanted + unwanted) * gain, window), len(speech))


def suppress_noise(
    samples: np.ndarray,
    sampling_rate: int,
    *,
    snr_db: float,
    method: str = "subtraction",
    amount: float = 0.5,
    passes: int = 1,
    over_subtraction: float = 2.0,
    floor_db: float = -25.0,
    colour: str = "pink",
    noise: np.ndarray | None = None,
    recording: int | str | None = None,
    rng: np.random.Generator,
) -> tuple[np.ndarray, Cause]:
    """Add noise, or another talker, and take it away again, which leaves residue and eaten speech.

    Args:
        snr_db: Before suppression, as in ``add_noise``.
        method: ``subtraction`` (of spectra, our own), FFmpeg's ``afftdn`` (spectral gain), ``anlmdn`` (non-local
            means) and ``afwtdn`` (wavelets), which need PyAV, ``webrtc`` (needs webrtc-noise-gain), ``rnnoise`` (needs
            pyrnnoise), or ``mask`` (another talker is added and removed by a wrong time-frequency mask, as source
            separation leaves it).
        amount: How hard it is done, 0.01 (gently) to 1 (ruthlessly); not with ``subtraction``. ``webrtc`` has four
            steps; of what ``rnnoise`` hears this share is kept, the rest is the noisy clip.
        passes: How many suppressors stand in a row, 1 to 4; not with ``subtraction`` and ``mask``.
        over_subtraction: How many times the noise's power is subtracted, 0.5 to 20; high eats the speech.
        floor_db: Least gain of a time-frequency bin, -80 to 0 dB; low makes the residue tonal. With ``subtraction`` and
            ``mask``.
        colour: As in ``add_noise``, like ``noise`` and ``recording``; not with ``mask``.

    Raises:
        ImportError: If a method's library is not installed.

    Examples:
        >>> tone = np.sin(np.arange(16000)).astype(np.float32) / 4 * (np.arange(16000) > 4000)
        >>> heard, _ = suppress_noise(tone, 16000, snr_db=10, over_subtraction=4.0, rng=np.random.default_rng(0))
        >>> bool(np.std(heard[:3000]) < tone.std() * 10 ** (-20 / 20))  # 10 dB less noise in the pause
        True
    """
    require_one_of("method", method, SUPPRESSION_METHODS)
    require_between("amount", amount, 0.01, 1)
    require_between("passes", passes, 1, 4)
    require_between("over_subtraction", over_subtraction, 0.5, 20)
    require_between("floor_db", floor_db, -80, 0)
    parameters: dict[str, Any] = {"snr_db": snr_db, "method": method}
    if method == "mask":
        other = _other_talker(samples, rng)
        other *= active_level(samples, sampling_rate) / active_level(other, sampling_rate) * 10 ** (-snr_db / 20)
        heard = _separate(samples, other, sampling_rate, amount, floor_db, rng)
        parameters |= {"amount": amount, "floor_db": floor_db}
        return prevent_overload(heard), Cause("noise_suppression", parameters)
    added, _ = make_noise(samples, sampling_rate, snr_db=snr_db, colour=colour, noise=noise, rng=rng)
    heard = (samples + added).astype(np.float32)
    if method == "subtraction":
        heard = _subtract(heard, added, sampling_rate, over_subtraction, floor_db)
        parameters |= {"over_subtraction": over_subtraction, "floor_db": floor_db}
    else:
        level = float(np.std(added))
        for _ in range(passes):
            suppressed = _suppress(heard, sampling_rate, method, amount, level)
            heard = amount * suppressed + (1 - amount) * heard if method == "rnnoise" else suppressed
        parameters |= {"amount": amount, "passes": passes}
    parameters |= {"colour": colour} | ({} if recording is None else {"recording": recording})
    return prevent_overload(heard), Cause("noise_suppression", parameters)
