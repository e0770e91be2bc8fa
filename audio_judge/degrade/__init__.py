"""Seeded degradations of speech that note down what they did.

Each fault is a plain function ``(samples, sampling_rate, *, parameters, rng) -> (samples, Cause)``. Samples are mono,
shape ``(samples,)``, ±1, and come back as float32 of the same length; rates are in Hz; ``rng`` is the only source of
randomness (functions that draw nothing take one too, so that all are called alike); the cause holds the parameters and,
where the fault comes and goes, its spans. A parameter outside the range that the function's docstring gives is a
``ValueError`` that names it.

``degrade`` runs a plan of faults, ``sample_plan`` draws one, ``describe`` puts a cause into words. All keep length and
alignment (``jitter`` and ``speed`` cannot keep alignment, and ``wow`` only to some hundredths of a second). Music, several channels and degradations learned from data
are left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from audio_judge.clips import Cause
from audio_judge.degrade.acoustic import add_clicks, add_echo, add_noise, reverberate
from audio_judge.degrade.amplitude import add_wow, change_level, change_speed, clip_amplitude, pump_gain, quantise
from audio_judge.degrade.codecs import CODECS, transcode
from audio_judge.degrade.plans import HELD_OUT, draw_cause, sample_plan
from audio_judge.degrade.spectral import cut_notches, equalise, limit_band
from audio_judge.degrade.suppression import suppress_noise
from audio_judge.degrade.transmission import add_jitter, clip_time, lose_packets
from audio_judge.degrade.vocoder import vocode
from audio_judge.degrade.words import describe

__all__ = [
    "CODECS", "HELD_OUT", "KINDS", "Degraded", "add_clicks", "add_echo", "add_jitter", "add_noise", "add_wow", "change_level", "change_speed",
    "clip_amplitude", "clip_time", "cut_notches", "degrade", "describe", "draw_cause", "equalise", "limit_band", "lose_packets",
    "pump_gain", "quantise", "reverberate", "sample_plan", "suppress_noise", "transcode", "vocode",
]  # fmt: skip

KINDS = {
    "noise": "Background noise is added: coloured, hum, babble, speech-modulated or recorded.",
    "packet_loss": "Packets are lost and concealed with silence, repetition, noise or by the Opus decoder.",
    "jitter": "Pieces are played twice, skipped, or stretched and squeezed.",
    "band_limit": "Low or high frequencies are missing.",
    "filter": "The frequency response is tilted or uneven.",
    "codec": "The speech went through a lossy encoder and decoder.",
    "clipping": "The loudest samples are cut off.",
    "level": "The level is too low or too high, throughout or in places.",
    "pumping": "The level is pumped up and down by an automatic gain control.",
    "reverberation": "The speech comes with the sound of a room.",
    "time_clipping": "Starts of words or stretches of speech are silenced.",
    "quantisation": "The samples have too few bits.",
    "echo": "Delayed copies of the speech are heard.",
    "noise_suppression": "Noise was suppressed too eagerly, which leaves musical noise and eaten speech.",
    "notch": "Narrow gaps are cut into the spectrum.",
    "vocoder": "The speech was resynthesised from a spectrogram with artefacts.",
    "clicks": "Clicks or crackle are added.",
    "speed": "The speech is played too fast or too slow.",
    "wow": "The pitch swings slowly up and down.",
}
FUNCTIONS: dict[str, Callable[..., tuple[np.ndarray, Cause]]] = {
    "noise": add_noise,
    "packet_loss": lose_packets,
    "jitter": add_jitter,
    "band_limit": limit_band,
    "filter": equalise,
    "codec": transcode,
    "clipping": clip_amplitude,
    "level": change_level,
    "pumping": pump_gain,
    "reverberation": reverberate,
    "time_clipping": clip_time,
    "quantisation": quantise,
    "echo": add_echo,
    "noise_suppression": suppress_noise,
    "notch": cut_notches,
    "vocoder": vocode,
    "clicks": add_clicks,
    "speed": change_speed,
    "wow": add_wow,
}


@dataclass(frozen=True)
class Degraded:
    """A degraded clip and why it sounds as it does.

    Args:
        samples: Audio, float32, shape ``(samples,)``, ±1.
        causes: What was done, in order, with the spans where it happened.
    """

    samples: np.ndarray
    causes: tuple[Cause, ...]


def _with_recording(
    cause: Cause,
    noises: Sequence[np.ndarray] | None,
    impulse_responses: Sequence[np.ndarray] | None,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Arguments of a cause's function, with the recording it needs picked by number or at random."""
    parameters = dict(cause.parameters)
    if parameters.get("colour") == "recorded":
        name, recordings = "noise", noises
    elif cause.kind == "reverberation" and "rt60_s" not in parameters:
        name, recordings = "impulse_response", impulse_responses
    else:
        return parameters
    if not recordings:
        raise ValueError(f"{cause.kind} needs a recording; give {name}s=, or draw the plan with recordings=False")
    # Drawn even if one is named, so that a noted cause gives the same samples again
    drawn = int(rng.integers(len(recordings)))
    index = int(parameters.get("recording", drawn))
    if not 0 <= index < len(recordings):
        raise ValueError(f"recording of {cause.kind} is {index}; {len(recordings)} {name}s were given")
    return parameters | {name: recordings[index], "recording": index}


def degrade(
    samples: np.ndarray,
    sampling_rate: int,
    plan: Sequence[Cause],
    *,
    seed: int,
    noises: Sequence[np.ndarray] | None = None,
    impulse_responses: Sequence[np.ndarray] | None = None,
) -> Degraded:
    """Apply causes in order; the same plan, seed and recordings give the same samples.

    Args:
        samples: Mono audio, shape ``(samples,)``, ±1, at least 0.1 s.
        sampling_rate: In Hz, 8000 or more; 48000 lets every fault keep its bandwidth.
        plan: What to do; spans are ignored and found anew, so the causes of a result can be used again.
        seed: Seed of everything random, 0 or more.
        noises: Noise recordings at the same rate, each of shape ``(noise samples,)``, for ``recorded`` noise.
        impulse_responses: Measured rooms at the same rate, for reverberation without ``rt60_s``.

    Returns:
        Degraded audio of the input's length, and the causes with their spans.

    Raises:
        ValueError: If the audio, a kind or a parameter is wrong, or a recording is needed and not given.

    Examples:
        >>> tone = np.sin(np.arange(8000) / 4).astype(np.float32) / 4
        >>> result = degrade(tone, 8000, [Cause("level", {"gain_db": -20.0})], seed=0)
        >>> round(float(result.samples.max() / tone.max()), 3), result.causes[0].kind
        (0.1, 'level')
    """
    samples = np.asarray(samples, dtype=np.float32)
    if samples.ndim != 1 or len(samples) < 0.1 * sampling_rate or not np.isfinite(samples).all():
        raise ValueError(
            f"samples have shape {samples.shape} at {sampling_rate} Hz; give finite mono audio of 0.1 s or more"
        )
    causes = []
    for index, cause in enumerate(plan):
        if cause.kind not in FUNCTIONS:
            raise ValueError(f"cause.kind is {cause.kind!r}; choose one of {', '.join(KINDS)}")
        rng = np.random.default_rng([seed, index])  # its own, so that a fault does not depend on those before it
        arguments = _with_recording(cause, noises, impulse_responses, rng)
        samples, noted = FUNCTIONS[cause.kind](samples, sampling_rate, rng=rng, **arguments)
        causes.append(noted)
    return Degraded(np.clip(samples, -1, 1).astype(np.float32), tuple(causes))
