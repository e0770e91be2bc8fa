"""How bad a clip is by what was done to it, 0 to 1 per rating, without listening to it.

Teachers saturate (NISQA hears no difference between 5 and 40 % lost packets) and are blind in places; what was done is
known exactly. Left out: what the recording itself sounded like before, of which nothing is known. Formulas for lost
packets, pauses, bands, bit rates, bits and clipping are those whose blend with NISQA agreed best with listeners of
telephone and conference recordings; the rest is set so that the middle of a fault's range is the middle of the scale.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata, spearmanr

from audio_judge.clips import Cause
from audio_judge.degrade.codecs import CODECS, OPUS_BANDWIDTHS
from audio_judge.degrade.plans import CODEC_QUALITY

# Share of the harm of silence that is left when a lost packet is concealed
CONCEALED = {"zero": 1.0, "noise": 0.95, "repeat": 0.9, "waveform": 0.8, "opus": 0.75}
# Noise that comes and goes, or that is a tone, disturbs less than as much of it all the time
NOISE_PATTERNS = {"bursts": 0.75, "fluctuating": 0.95}
NOISY_CODECS = {"mu_law": 0.15, "a_law": 0.15, "adpcm_ms": 0.2, "adpcm_ima": 0.35, "g726": 0.35}
SPEECH_DBFS = -26.0
AXES = ("noisiness", "discontinuity", "coloration", "loudness")
# Bit rates in bit/s below which libopus sends a narrower band by itself
_OPUS_NARROWS = ((9000, "narrow"), (14_000, "wide"), (18_000, "super_wide"))
THERE = 0.2  # a fault is there from this severity on
LEAST = 5  # clips with a fault, and without it, to say anything of their order
# Voices that nobody takes for a person's; of the neural ones nothing is known
ROBOTIC_VOICES = {"espeak-ng": 0.85, "flite": 0.6, "festival": 0.7}
_Parameters = dict[str, Any]


def severity(causes: Iterable[Cause], seconds: float, active_dbfs: float = SPEECH_DBFS) -> dict[str, float]:
    """Say how bad a clip is by its causes; of several that hurt the same rating, the worst counts.

    Args:
        seconds: Length of the clip.
        active_dbfs: Level of its speech as it is heard, after all that was done.

    Returns:
        ``AXES`` to 0 (nothing was done) to 1; ``vocoder``, the amount of resynthesis; ``unheard``, the worst of what a
        metric of overall quality at 16 kHz that sets the level itself cannot hear: level, loss, band above 8 kHz.

    Example:
        >>> severity([Cause("packet_loss", {"loss_rate": 0.25, "frame_ms": 20})], 4.0)["discontinuity"]
        0.45
    """
    found = dict.fromkeys((*AXES, "vocoder", "unheard"), 0.0)
    for _, harm in _graded(causes, seconds):
        for axis, value in harm.items():
            found[axis] = max(found[axis], value)
    found["loudness"] = max(found["loudness"], _level(active_dbfs))
    found["unheard"] = max(found["unheard"], found["loudness"], found["discontinuity"])
    return {axis: round(value, 4) for axis, value in found.items()}


def severity_of_each(causes: Iterable[Cause], seconds: float) -> dict[str, float]:
    """Say how bad each kind of cause is, 0 (hardly there) to 1, by whichever rating it hurts most.

    Args:
        seconds: Length of the clip.

    Example:
        >>> severity_of_each([Cause("clipping", {"fraction": 0.04})], 4.0)
        {'clipping': 0.32}
    """
    found: dict[str, float] = {}
    for kind, harm in _graded(causes, seconds):
        found[kind] = round(max(found.get(kind, 0.0), *harm.values(), 0.0), 4)
    return found


def concept_severity(
    causes: Iterable[Cause],
    seconds: float,
    *,
    recordings: Sequence[str] = (),
    edge_hz: float = 20_000.0,
    active_dbfs: float = SPEECH_DBFS,
    voice: str = "",
) -> dict[str, float]:
    """Say how strong each fault is that people have a word for, 0 (not there) to 1.

    Args:
        causes: What was done.
        seconds: Length of the clip.
        recordings: What each recording is that noise may have been taken from, such as ``traffic``; without them nothing is said
            of music and traffic, nor of babble, where one was used.
        edge_hz: Up to where the original goes.
        active_dbfs: Level of the clip as it is heard.
        voice: Engine that speaks; empty if a person does, another one of which nothing is known if not in ``ROBOTIC_VOICES``.

    Returns:
        Key of ``CONCEPTS`` to severity; those of which nothing is known are left out.

    Example:
        >>> found = concept_severity([Cause("noise", {"snr_db": 20.0, "colour": "hum"})], 4.0)
        >>> found["hum"], found["noise"], found["hiss"]
        (0.425, 0.425, 0.0)
    """
    found = dict.fromkeys(CONCEPTS, 0.0)
    unknown = set[str]()
    edge = edge_hz
    for cause in causes:
        name = _concept_of(cause, recordings)
        grade = max(_GRADES[cause.kind](cause, seconds).values(), default=0.0) if cause.kind in _GRADES else 0.0
        grade /= _WORST.get(cause.kind, 1.0)
        for key in ("noise", name) if cause.kind == "noise" else (name,):
            if key in found:
                found[key] = max(found[key], _unit(grade))
        if cause.kind == "noise" and not name:
            unknown |= {"babble", "music", "traffic"}
        if cause.kind == "band_limit":
            found["thin"] = max(
                found["thin"], _unit(math.log2(max(cause.parameters.get("low_hz") or 50, 50) / 80) / 3.5)
            )
        if cause.kind in ("packet_loss", "codec"):
            found["codec"] = max(found["codec"], _unit(_codec(cause, seconds).get("coloration", 0.0)))
        edge = min(edge, _edge(cause))
    found["muffled"] = _unit(math.log2(10_000 / edge) / 2.6)
    found["too_quiet"] = _unit((SPEECH_DBFS - 4 - active_dbfs) / 28)
    found["too_loud"] = _unit((active_dbfs - SPEECH_DBFS - 4) / 18)
    if voice in ROBOTIC_VOICES:
        found["robotic"] = max(found["robotic"], ROBOTIC_VOICES[voice])
    elif voice:
        unknown.add("robotic")
    return {key: round(value, 4) for key, value in found.items() if key not in unknown or value > 0}


def order_figures(found: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Say how well numbers order clips by a severity.

    Args:
        found: (clips,), larger where there is more of it; NaN where there is no answer.
        truth: (clips,), NaN where it is not known.

    Returns:
        The area under the curve between clips that have it (more than ``THERE``) and others, and Spearman's correlation among
        those that have it; NaN if there are fewer than ``LEAST`` of either.

    Example:
        >>> order_figures(np.array([0.1] * 5 + [0.2, 0.3, 0.4, 0.5, 0.6]), np.array([0.0] * 5 + [0.3, 0.4, 0.6, 0.7, 0.8]))
        (1.0, 1.0)
    """
    known = np.isfinite(found) & np.isfinite(truth)
    found, truth = found[known], truth[known]
    there = truth > THERE
    count = int(there.sum())
    if min(count, len(there) - count) < LEAST:
        return float("nan"), float("nan")
    # Of the ranks of those that have it (Mann and Whitney's U)
    above = float(rankdata(found)[there].sum()) - count * (count + 1) / 2
    return above / (count * (len(there) - count)), round(float(spearmanr(found[there], truth[there]).statistic), 6)


def _concept_of(cause: Cause, recordings: Sequence[str]) -> str:
    """The word for a cause, key of ``CONCEPTS``; empty if there is none, or it is not known."""
    if cause.kind != "noise":
        return _WORDS.get(cause.kind, "")
    colour = cause.parameters.get("colour")
    if colour == "recorded":
        number = cause.parameters.get("recording")
        return recordings[number] if number is not None and number < len(recordings) else ""
    return {"white": "hiss", "pink": "hiss", "hum": "hum", "babble": "babble"}.get(str(colour), "other")


def _edge(cause: Cause) -> float:
    """Up to where a cause lets anything through, in Hz."""
    parameters = cause.parameters
    if cause.kind == "band_limit":
        return parameters.get("high_hz") or 20_000.0
    bit_rate = parameters.get("bit_rate")
    codec = "opus" if parameters.get("concealment") == "opus" else parameters.get("codec", "")
    if codec not in CODECS:
        return 20_000.0
    if codec == "opus":
        own = next((name for most, name in _OPUS_NARROWS if bit_rate and bit_rate < most), "full")
        return float(OPUS_BANDWIDTHS[parameters.get("bandwidth", own)])
    return 0.5 * next(rate for most, rate in CODECS[codec].rates if (bit_rate or 0) <= most)


def _graded(causes: Iterable[Cause], seconds: float) -> Iterator[tuple[str, dict[str, float]]]:
    """The kind of each cause that there is a grade for, and how much it hurts each rating that it does, 0 to 1."""
    for cause in causes:
        if grade := _GRADES.get(cause.kind):
            yield cause.kind, {axis: _unit(value) for axis, value in grade(cause, seconds).items()}


def _unit(value: float) -> float:
    return min(1.0, max(0.0, value))


def _level(dbfs: float) -> float:
    """Speech within 3 dB of what telephony asks for is neither too soft nor too loud."""
    return _unit((SPEECH_DBFS - 3 - dbfs) / 30) if dbfs < SPEECH_DBFS else 0.7 * _unit((dbfs - SPEECH_DBFS - 3) / 20)


def _noise(cause: Cause, _: float) -> dict[str, float]:
    parameters = cause.parameters
    share = NOISE_PATTERNS.get(parameters.get("pattern", ""), 1.0) * (0.85 if parameters.get("colour") == "hum" else 1)
    return {"noisiness": share * _of_snr(parameters["snr_db"])}


def _of_snr(decibels: float) -> float:
    return _unit((45 - decibels) / 50)


def _suppression(cause: Cause, _: float) -> dict[str, float]:
    """What is left of the noise, and how much of the speech went with it."""
    snr, amount = cause.parameters["snr_db"], cause.parameters.get("amount", 0.5)  # of all methods but subtraction
    depth = -cause.parameters.get("floor_db", -10 - 30 * amount)
    removed = 0.6 * min(depth, 5 * cause.parameters.get("over_subtraction", 1 + 7 * amount))
    eaten = 0.9 * _unit((28 - snr) / 30) * _unit(depth / 30)
    return {"noisiness": _of_snr(snr + removed), "coloration": eaten, "discontinuity": 0.4 * eaten}


def _packet_loss(cause: Cause, _: float) -> dict[str, float]:
    parameters = cause.parameters
    gap = parameters.get("frame_ms", 20) * parameters.get("mean_burst", 1.0)  # in ms
    longer = 0.9 + 0.2 * _unit(math.log10(max(gap, 1) / 20))  # 20 ms gaps to 200 ms gaps
    lost = CONCEALED.get(parameters.get("concealment", "zero"), 1.0) * math.sqrt(parameters["loss_rate"])
    return {"discontinuity": longer * lost} | _bit_rate(parameters)


def _bit_rate(parameters: _Parameters) -> dict[str, float]:
    rate = parameters.get("bit_rate")
    return {"coloration": math.log2(128_000 / max(4000, rate)) / 5} if rate else {}


def _codec(cause: Cause, _: float) -> dict[str, float]:
    codec = cause.parameters.get("codec", "")
    known = {"coloration": CODEC_QUALITY[codec]} if codec in CODEC_QUALITY else _bit_rate(cause.parameters)
    return known | {"noisiness": NOISY_CODECS.get(codec, 0.0)}


def _band_limit(cause: Cause, _: float) -> dict[str, float]:
    low, high = cause.parameters.get("low_hz") or 50, cause.parameters.get("high_hz") or 20_000
    upper = math.log2(20_000 / high) / 3.5
    unheard = min(upper, math.log2(20_000 / 8000) / 3.5)
    return {"coloration": max(upper, math.log2(low / 100) / 5), "unheard": unheard}


def _reverberation(cause: Cause, _: float) -> dict[str, float]:
    ratio = cause.parameters.get("drr_db")  # a recorded room has none
    return {"coloration": 0.6 if ratio is None else math.sqrt(_unit((27 - ratio) / 40))}


def _time_clipping(cause: Cause, seconds: float) -> dict[str, float]:
    """Of onsets, ``fraction`` is the share of words that is hit; of stretches anywhere, the share of the time."""
    if cause.parameters.get("place") != "onset":
        return {"discontinuity": 2 * cause.parameters.get("fraction", 0.1)}
    silenced = sum(end - start for start, end in cause.spans) / max(seconds, 0.1)
    return {"discontinuity": 2 * silenced}


def _jitter(cause: Cause, _: float) -> dict[str, float]:
    share = 0.7 if cause.parameters.get("event") == "warp" else 1.0
    return {"discontinuity": share * _unit(0.3 + cause.parameters.get("events_per_second", 1) / 5)}


def _clicks(cause: Cause, _: float) -> dict[str, float]:
    """Single loud clicks interrupt; hundreds of soft ones are noise."""
    rate, level = cause.parameters.get("clicks_per_second", 1), cause.parameters.get("level_db", 0.0)
    heard = _unit((level + 25) / 25)
    return {
        "discontinuity": 0.7 * heard * _unit(0.3 + rate / 10),
        "noisiness": 0.8 * heard * _unit(math.log10(max(rate, 1)) / 2.5),
    }


def _level_change(cause: Cause, _: float) -> dict[str, float]:
    return {"discontinuity": 0.4 * _unit(abs(cause.parameters.get("change_db", 0.0)) / 30)}


def _vocoder(cause: Cause, _: float) -> dict[str, float]:
    amount = cause.parameters.get("amount", 0.5)
    return {"coloration": amount, "vocoder": amount}


def _filter(cause: Cause, _: float) -> dict[str, float]:
    gains = cause.parameters.get("gains_db") or [0.0]
    return {"coloration": min(0.7, (max(gains) - min(gains)) / 60)}


_GRADES: dict[str, Callable[[Cause, float], dict[str, float]]] = {
    "noise": _noise,
    "noise_suppression": _suppression,
    "packet_loss": _packet_loss,
    "codec": _codec,
    "band_limit": _band_limit,
    "reverberation": _reverberation,
    "time_clipping": _time_clipping,
    "jitter": _jitter,
    "clicks": _clicks,
    "level": _level_change,
    "vocoder": _vocoder,
    "filter": _filter,
    "quantisation": lambda cause, _: {
        "coloration": (14 - cause.parameters["bits"]) / 11,
        "noisiness": 0.8 * _unit((11 - cause.parameters["bits"]) / 7),
    },
    "clipping": lambda cause, _: {"coloration": 0.8 * _unit(2 * math.sqrt(cause.parameters["fraction"]))},
    "notch": lambda cause, _: {"coloration": 0.6 * _unit(cause.parameters.get("depth_db", 20) / 40)},
    "echo": lambda cause, _: {"coloration": 0.7 * _unit((32 - cause.parameters.get("attenuation_db", 15)) / 28)},
    "pumping": lambda cause, _: {"discontinuity": 0.4 * cause.parameters.get("strength", 0.5)},
    "speed": lambda cause, _: {"coloration": 0.6 * _unit(abs(math.log2(cause.parameters.get("factor", 1.0))))},
    "wow": lambda cause, _: {"coloration": 0.6 * _unit(math.log10(cause.parameters.get("depth", 0.01) / 0.002) / 1.4)},
}
# Kind of cause to the word for it; kinds of noise have words of their own
_WORDS = {
    "packet_loss": "gaps",
    "time_clipping": "gaps",
    "noise_suppression": "musical_noise",
    "vocoder": "robotic",
    "level": "level_changes",
    "pumping": "level_changes",
} | {
    kind: kind
    for kind in ("reverberation", "echo", "clipping", "clicks", "jitter", "codec", "wow", "speed", "quantisation")
}
# The most that a kind hurts a rating where that is less than 1: as bad as it gets is 1 by itself
_WORST = {"speed": 0.3, "level": 0.4, "pumping": 0.4, "wow": 0.6, "echo": 0.7, "clipping": 0.8}
# What a fault is called whose severity is known, see ``concept_severity``
CONCEPTS = (
    "noise", "hiss", "hum", "babble", "music", "traffic", "reverberation", "echo", "clipping", "clicks", "gaps", "jitter", "muffled",
    "thin", "codec", "robotic", "musical_noise", "level_changes", "too_quiet", "too_loud", "wow", "speed", "quantisation",
)  # fmt: skip
