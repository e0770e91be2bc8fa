"""Vocoder artefacts: speech rebuilt from a damaged spectrogram."""

import numpy as np
import soxr
from scipy.fft import irfft, next_fast_len, rfft
from scipy.linalg import solve_toeplitz
from scipy.ndimage import uniform_filter1d
from scipy.signal import istft, lfilter, stft

from audio_judge.clips import Cause
from audio_judge.degrade.measures import active_level, fit_length, prevent_overload, require_between, require_one_of

VOCODER_MODES = ("phase", "robot", "mel", "pitch", "formant", "griffin_lim", "lpc")
LPC_RATE = 16_000  # Hz
LPC_FRAME, LPC_HOP = 480, 160  # 30 ms every 10 ms
LOWEST_PITCH, HIGHEST_PITCH = 70, 350  # Hz


def short_time_spectrum(samples: np.ndarray, sampling_rate: int) -> tuple[np.ndarray, int]:
    """Short-time Fourier transform of a clip (samples,) with half-overlapping Hann windows.

    Returns:
        Complex spectrum, shape ``(frequencies, frames)``, and the window's number of samples.

    Examples:
        >>> short_time_spectrum(np.ones(8000), 8000)[0].shape
        (129, 64)
    """
    window = 2 * next_fast_len(round(32.0 * sampling_rate / 2000), real=True)  # 32 ms or a little more
    window = min(window, len(samples) // 2 * 2)
    return stft(samples.astype(np.float32), nperseg=window, noverlap=window // 2)[2], window  # (frequencies, frames)


def resynthesise(spectrum: np.ndarray, window: int) -> np.ndarray:
    """Invert ``short_time_spectrum``; the audio, shape ``(samples,)``, is up to a window longer than the original.

    Examples:
        >>> resynthesise(*short_time_spectrum(np.ones(8000), 8000))[:8000].round(3).min().item()
        1.0
    """
    return istft(spectrum, nperseg=window, noverlap=window // 2)[1]


def _mel_smooth(magnitude: np.ndarray, sampling_rate: int, bands: int) -> np.ndarray:
    mel = 2595 * np.log10(1 + np.linspace(0, sampling_rate / 2, len(magnitude)) / 700)
    distance = np.abs(mel[None] / mel[-1] * (bands - 1) - np.arange(bands)[:, None])
    triangles = np.maximum(0, 1 - distance)  # (bands, bins)
    means = triangles @ magnitude / np.maximum(triangles.sum(axis=1, keepdims=True), 1e-9)
    return triangles.T @ means


def _shift_formants(spectrogram: np.ndarray, factor: float) -> np.ndarray:
    magnitude = np.abs(spectrogram) + 1e-9
    width = max(3, len(magnitude) // 40)
    envelope = np.exp(uniform_filter1d(np.log(magnitude), width, axis=0))  # formants, without the harmonics under them
    source = np.arange(len(magnitude)) / factor  # (frequencies,), where each bin's formant came from
    low = np.minimum(source.astype(int), len(magnitude) - 1)
    return spectrogram * (envelope[low] / envelope)


def _stretch(spectrogram: np.ndarray, factor: float, window: int) -> np.ndarray:
    """Phase vocoder: the same sound, ``factor`` times as long."""
    positions = np.arange(0, spectrogram.shape[1] - 1, 1 / factor)
    low = positions.astype(int)
    share = (positions - low)[None]
    magnitude = (1 - share) * np.abs(spectrogram[:, low]) + share * np.abs(spectrogram[:, low + 1])
    advance = np.angle(spectrogram[:, low + 1]) - np.angle(spectrogram[:, low])
    # Phase is known up to whole turns: of all advances, the one nearest to that of the bin's centre over half a window
    expected = (np.arange(len(spectrogram)) * np.pi)[:, None]  # (frequencies, 1)
    advance = expected + (advance - expected + np.pi) % (2 * np.pi) - np.pi
    return magnitude * np.exp(1j * (np.cumsum(advance, axis=1) - advance[:, :1] + np.angle(spectrogram[:, :1])))


def _guess_phases(
    spectrogram: np.ndarray, window: int, sampling_rate: int, amount: float, rng: np.random.Generator
) -> np.ndarray:
    """Griffin and Lim's method from a mel spectrogram; the first guess is the better, the smaller the amount."""
    magnitude = _mel_smooth(np.abs(spectrogram), sampling_rate, round(100 * (1 - amount) + 12))
    guess = np.angle(spectrogram) + amount * rng.uniform(-np.pi, np.pi, spectrogram.shape)
    for _ in range(round(7 * (1 - amount))):
        heard = resynthesise(magnitude * np.exp(1j * guess), window)
        guess = np.angle(stft(heard, nperseg=window, noverlap=window // 2)[2][:, : guess.shape[1]])
    return magnitude * np.exp(1j * guess)


def _autocorrelation(frames: np.ndarray, lags: int) -> np.ndarray:
    """Of each frame (frames, samples), at lags 0 to ``lags`` - 1: (frames, lags)."""
    spectrum = rfft(frames, next_fast_len(2 * frames.shape[1], real=True))
    return irfft(np.abs(spectrum) ** 2)[:, :lags]


def _excitation(frames: np.ndarray, length: int, rng: np.random.Generator) -> np.ndarray:
    """Pulses at the pitch of voiced frames (frames, samples), and noise elsewhere: (length,), of power 1."""
    shortest, longest = LPC_RATE // HIGHEST_PITCH, LPC_RATE // LOWEST_PITCH
    correlation = _autocorrelation(frames, longest)
    period = shortest + np.argmax(correlation[:, shortest:], axis=1)  # (frames,)
    strength = correlation[np.arange(len(frames)), period] / np.maximum(correlation[:, 0], 1e-12)
    nearest = np.minimum(np.arange(length) // LPC_HOP, len(frames) - 1)
    turns = np.floor(np.cumsum(1 / period[nearest]))
    pulses = np.diff(turns, prepend=0.0) * np.sqrt(period[nearest])
    return np.where((strength > 0.35)[nearest], pulses, rng.standard_normal(length))


def _predict(samples: np.ndarray, sampling_rate: int, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Linear prediction: what excites the filter turns from the speech's own residual into pulses and noise."""
    low = soxr.resample(samples.astype(np.float32), sampling_rate, LPC_RATE)
    padded = np.pad(low, (LPC_FRAME, LPC_FRAME + -len(low) % LPC_HOP))
    shape = np.hanning(LPC_FRAME + 1)[:-1]  # three over each sample, together 1.5
    frames = np.lib.stride_tricks.sliding_window_view(padded, LPC_FRAME)[::LPC_HOP] * shape  # (frames, samples)
    order = round(18 - 8 * amount)
    correlation = _autocorrelation(frames, order + 1)
    correlation[:, 0] = correlation[:, 0] * 1.0001 + 1e-9
    made = _excitation(frames, len(padded), rng)
    output = np.zeros(len(padded))
    for index, (frame, lags) in enumerate(zip(frames, correlation, strict=True)):
        coefficients = np.concatenate([[1.0], -solve_toeplitz(lags[:-1], lags[1:])])
        residual = lfilter(coefficients, 1, frame)
        place = slice(index * LPC_HOP, index * LPC_HOP + LPC_FRAME)
        pulses = made[place] * shape
        pulses *= np.linalg.norm(residual) / max(float(np.linalg.norm(pulses)), 1e-9)
        output[place] += lfilter([1.0], coefficients, (1 - amount) * residual + amount * pulses) / 1.5
    voice = output[LPC_FRAME : LPC_FRAME + len(low)].astype(np.float32)
    above = samples - fit_length(soxr.resample(low, LPC_RATE, sampling_rate), len(samples))
    return fit_length(soxr.resample(voice, LPC_RATE, sampling_rate), len(samples)) + (1 - amount) * above


def vocode(
    samples: np.ndarray,
    sampling_rate: int,
    *,
    mode: str,
    amount: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, Cause]:
    """Resynthesise the speech from its spectrogram with the artefacts of a poor vocoder.

    Args:
        mode: ``phase`` (random phases: hoarse, smeared), ``robot`` (zero phases: buzz), ``mel`` (magnitudes rebuilt
            from few mel bands), ``pitch`` (voice shifted up or down), ``formant`` (vocal tract shortened or
            lengthened), ``griffin_lim`` (few mel bands, and phases guessed anew in few rounds) or ``lpc`` (below 8 kHz
            pulses and noise sent through a filter of few coefficients, as in codecs of a few hundred bytes a second).
        amount: 0.01 (barely) to 1 (thoroughly).

    Returns:
        Audio at the speech level of the input, and the cause.

    Examples:
        >>> tone = np.sin(np.arange(16000)).astype(np.float32) / 4
        >>> vocode(tone, 16000, mode="phase", amount=0.5, rng=np.random.default_rng(0))[1].parameters
        {'mode': 'phase', 'amount': 0.5}
    """
    require_one_of("mode", mode, VOCODER_MODES)
    require_between("amount", amount, 0.01, 1)
    spectrogram, window = short_time_spectrum(samples, sampling_rate)
    shift = 2 ** (rng.choice([-1, 1]) * amount * 6 / 12)  # at most half an octave
    if mode == "phase":
        spectrogram = spectrogram * np.exp(1j * amount * rng.uniform(-np.pi, np.pi, spectrogram.shape))
    elif mode == "robot":
        spectrogram = (1 - amount) * spectrogram + amount * np.abs(spectrogram)
    elif mode == "mel":
        magnitude = np.abs(spectrogram)
        rebuilt = _mel_smooth(magnitude, sampling_rate, round(80 * (1 - amount) + 8))
        spectrogram = spectrogram * (rebuilt / np.maximum(magnitude, 1e-9))
    elif mode == "griffin_lim":
        spectrogram = _guess_phases(spectrogram, window, sampling_rate, amount, rng)
    elif mode == "formant":
        spectrogram = _shift_formants(spectrogram, shift)
    elif mode == "pitch":
        spectrogram = _stretch(spectrogram, shift, window)
    heard = _predict(samples, sampling_rate, amount, rng) if mode == "lpc" else resynthesise(spectrogram, window)
    # Stretched by the shift and played that much faster: the old length at another pitch
    heard = soxr.resample(heard, shift, 1.0) if mode == "pitch" else heard
    heard = fit_length(heard, len(samples))
    heard *= active_level(samples, sampling_rate) / active_level(heard, sampling_rate)
    return prevent_overload(heard), Cause("vocoder", {"mode": mode, "amount": amount})
