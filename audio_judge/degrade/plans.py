"""Random plans: which faults a clip gets, in the order a call meets them, from barely audible to unusable."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from audio_judge.clips import Cause
from audio_judge.degrade.codecs import CODECS

# Never drawn for training: ``test_held_out`` asks whether a judge knows faults it has not met
HELD_OUT = ("g726", "vorbis", "echo", "pumping", "notch", "repeat_loss")
# From the room to the listener; a plan is sorted by it
STAGES = (
    "reverberation", "noise", "echo", "clicks", "clipping", "filter", "notch", "pumping", "noise_suppression", "quantisation",
    "band_limit", "vocoder", "speed", "wow", "codec", "packet_loss", "jitter", "time_clipping", "level",
)  # fmt: skip
WEIGHTS = {
    "noise": 5.0, "packet_loss": 4.0, "codec": 4.0, "band_limit": 3.0, "reverberation": 2.5, "clipping": 2.0, "level": 2.0,
    "filter": 2.0, "noise_suppression": 1.5, "time_clipping": 1.5, "vocoder": 1.2, "jitter": 1.0, "clicks": 0.8,
    "quantisation": 0.8, "speed": 0.3,
}  # fmt: skip
# Not in the corpora that judges were trained on: drawn only if asked for by name
ASKED_FOR = ("wow",)
CALLS = 0.12  # share of the plans that are a whole call instead of single faults
Parameters = dict[str, Any]
# Severity that a codec with one bit rate stands for
CODEC_QUALITY = {
    "g722": 0.25,
    "msbc": 0.35,
    "mu_law": 0.45,
    "a_law": 0.45,
    "adpcm_ms": 0.35,
    "adpcm_ima": 0.55,
    "gsm": 0.7,
    "g723_1": 0.75,
    "real_144": 0.8,
}


def _between(mild: float, severe: float, severity: float, digits: int = 1) -> float:
    return round(float(mild + (severe - mild) * severity), digits)


def _logarithmic(mild: float, severe: float, severity: float, digits: int = 0) -> float:
    return round(float(mild * (severe / mild) ** severity), digits)


def _pick(rng: np.random.Generator, choices: dict[Any, float]) -> Any:
    weights = np.array(list(choices.values()))
    return list(choices)[rng.choice(len(choices), p=weights / weights.sum())]


def _noise(rng: np.random.Generator, severity: float, recordings: bool) -> Parameters:
    colours = {"white": 1.0, "pink": 1.0, "brown": 0.7, "hum": 0.7, "babble": 1.0, "speech_modulated": 1.2}
    colour = _pick(rng, colours | ({"recorded": 6.0} if recordings else {}))
    steady = colour in ("hum", "speech_modulated")
    pattern = "stationary" if steady else _pick(rng, {"stationary": 0.7, "fluctuating": 0.15, "bursts": 0.15})
    parameters = {"snr_db": _between(50, -5, severity), "colour": colour, "pattern": pattern}
    return parameters | ({"hum_hz": float(rng.choice([50, 60, 100, 120]))} if colour == "hum" else {})


def _opus_bandwidth(rng: np.random.Generator, bit_rate: int) -> Parameters:
    # Bit rates below which Opus goes narrower by itself
    lowest = {"narrow": 8000, "wide": 12_000, "super_wide": 16_000}
    bandwidths = [name for name, rate in lowest.items() if bit_rate >= rate]
    return {"bandwidth": str(rng.choice(bandwidths))} if bandwidths and rng.random() < 0.3 else {}


def _packet_loss(rng: np.random.Generator, severity: float, recordings: bool) -> Parameters:
    concealment = _pick(rng, {"zero": 1.0, "repeat": 0.8, "noise": 0.4, "waveform": 1.0, "opus": 1.6})
    frame_ms = int(rng.choice([10, 20, 20, 20, 40, 60]))
    longest = 1.5 if concealment == "repeat" else 8.0  # long repeated bursts are held out
    burst = 1.0 if rng.random() < 0.5 else round(float(rng.uniform(1, longest)), 1)
    parameters = {
        "loss_rate": _logarithmic(0.005, 0.4, severity, 4),
        "concealment": concealment,
        "frame_ms": frame_ms,
        "mean_burst": burst,
    }
    if rng.random() < 0.25:
        parameters["within"] = round(float(rng.uniform(0.2, 0.8)), 2)
    if concealment == "opus":
        bit_rate = int(rng.choice([6000, 8000, 12_000, 16_000, 24_000, 32_000, 48_000, 64_000]))
        parameters |= {"bit_rate": bit_rate} | _opus_bandwidth(rng, bit_rate)
    return parameters


def _repeat_loss(rng: np.random.Generator, severity: float, recordings: bool) -> Parameters:
    return {
        "loss_rate": _logarithmic(0.03, 0.4, severity, 4),
        "concealment": "repeat",
        "frame_ms": int(rng.choice([20, 40])),
        "mean_burst": round(float(rng.uniform(4, 10)), 1),
    }


def _codec(rng: np.random.Generator, severity: float, recordings: bool) -> Parameters:
    fixed = [name for name in CODECS if len(CODECS[name].bit_rates) < 2 and name not in HELD_OUT]
    if rng.random() < 0.3:
        codec = str(min(fixed, key=lambda name: abs(CODEC_QUALITY[name] - severity) + 0.3 * rng.random()))
    else:
        codec = _pick(rng, {"opus": 3.0, "mp3": 1.5, "aac": 1.5, "amr_nb": 1.5, "sbc": 0.7, "mp2": 0.5})
    return _codec_parameters(codec, rng, severity)


def _codec_parameters(codec: str, rng: np.random.Generator, severity: float) -> Parameters:
    bit_rates = CODECS[codec].bit_rates
    parameters: Parameters = {"codec": codec}
    if bit_rates:
        parameters["bit_rate"] = bit_rates[min(len(bit_rates) - 1, int((1 - severity) * len(bit_rates)))]
    return parameters | (_opus_bandwidth(rng, parameters["bit_rate"]) if codec == "opus" else {})


def _band_limit(rng: np.random.Generator, severity: float, recordings: bool) -> Parameters:
    order = int(rng.choice([2, 4, 6, 8, 10]))
    shape = _pick(rng, {"lowpass": 5.0, "highpass": 1.5, "bandpass": 1.5, "telephone": 1.0, "wide": 0.7, "any": 1.5})
    low, high = _logarithmic(80, 900, severity), _logarithmic(16_000, 1500, severity)
    edges = {
        "lowpass": {"high_hz": high},
        "highpass": {"low_hz": low},
        "bandpass": {"low_hz": low, "high_hz": max(high, 2500.0)},
        "telephone": {"low_hz": 300.0, "high_hz": 3400.0},
        "wide": {"low_hz": float(rng.choice([50, 100, 200])), "high_hz": 7000.0},
        "any": {
            "low_hz": float(rng.choice([50, 80, 120, 200, 300, 400])),
            "high_hz": _logarithmic(15_000, 2600, severity),
        },
    }
    return edges[shape] | {"order": order}


def _filter(rng: np.random.Generator, severity: float, recordings: bool) -> Parameters:
    if rng.random() < 0.4:  # a tilt
        slope = rng.choice([-1, 1]) * _between(1, 9, severity)  # dB per octave
        corners = [125.0, 8000.0]
        return {"frequencies_hz": corners, "gains_db": [round(float(-slope * 3), 1), round(float(slope * 3), 1)]}
    count = int(rng.integers(3, 9))
    frequencies = np.sort(2 ** rng.uniform(np.log2(100), np.log2(12_000), count)).round()
    gains = rng.uniform(-1, 1, count) * _between(3, 30, severity)
    return {"frequencies_hz": frequencies.tolist(), "gains_db": gains.round(1).tolist()}


def _reverberation(rng: np.random.Generator, severity: float, recordings: bool) -> Parameters:
    if recordings and rng.random() < 0.25:
        return {}  # a measured room
    return {"rt60_s": _logarithmic(0.15, 2.5, severity, 2), "drr_db": _between(26, -12, severity + rng.normal(0, 0.1))}


def _level(rng: np.random.Generator, severity: float, recordings: bool) -> Parameters:
    gain = _between(-3, -45, severity) if rng.random() < 0.7 else _between(2, 24, severity)
    if rng.random() < 0.7:
        return {"gain_db": gain}
    return {"gain_db": 0.0, "change_db": _between(-4, -35, severity), "changes": int(rng.integers(1, 6))}


def _suppression(rng: np.random.Generator, severity: float, recordings: bool) -> Parameters:
    methods = {
        "subtraction": 1.5,
        "afftdn": 1.0,
        "anlmdn": 0.6,
        "afwtdn": 0.6,
        "webrtc": 1.2,
        "rnnoise": 1.0,
        "mask": 1.5,
    }
    method = _pick(rng, methods)
    colour = _pick(rng, {"pink": 1.0, "white": 1.0} | ({"recorded": 3.0} if recordings else {}))
    floor = round(float(rng.uniform(-40, -10)), 1)
    if method == "mask":
        amount = _between(0.05, 1, severity, 2)
        return {"snr_db": _between(20, -8, severity), "method": method, "amount": amount, "floor_db": floor}
    if method == "subtraction":
        strength = {"over_subtraction": _between(1, 8, severity), "floor_db": floor}
    else:
        amount = min(1.0, max(0.05, round(severity + rng.normal(0, 0.15), 2)))
        strength = {"amount": float(amount), "passes": _pick(rng, {1: 0.75, 2: 0.25})}
    return {"snr_db": _between(30, -2, severity), "method": method, "colour": colour} | strength


def _vocoder(rng: np.random.Generator, severity: float, recordings: bool) -> Parameters:
    mode = _pick(
        rng, {"phase": 1.0, "robot": 1.0, "mel": 1.0, "pitch": 0.7, "formant": 0.7, "griffin_lim": 1.0, "lpc": 1.0}
    )
    return {"mode": mode, "amount": _between(0.05, 1, severity, 2)}


def _clicks(rng: np.random.Generator, severity: float, recordings: bool) -> Parameters:
    if rng.random() < 0.5:
        rate, level = _logarithmic(0.5, 20, severity, 1), _between(0, 20, severity)
    else:
        rate, level = _logarithmic(20, 300, severity), _between(-20, 8, severity)
    return {"clicks_per_second": rate, "level_db": level, "length_ms": round(float(rng.uniform(0.1, 4)), 2)}


def _time_clipping(rng: np.random.Generator, severity: float, recordings: bool) -> Parameters:
    place = str(rng.choice(["onset", "anywhere"]))
    share = _between(0.3, 1, severity, 2) if place == "onset" else _logarithmic(0.02, 0.5, severity, 3)
    return {"fraction": share, "clip_ms": _logarithmic(20, 300, severity), "place": place}


def _jitter(rng: np.random.Generator, severity: float, recordings: bool) -> Parameters:
    return {
        "events_per_second": _logarithmic(0.3, 10, severity, 2),
        "frame_ms": float(rng.choice([10, 20, 40, 60])),
        "event": str(rng.choice(["insert", "drop", "warp"])),
    }


def _echo(rng: np.random.Generator, severity: float, recordings: bool) -> Parameters:
    delay = round(float(rng.uniform(50, 400)))
    return {"delay_ms": float(delay), "attenuation_db": _between(30, 4, severity), "repeats": int(rng.integers(1, 4))}


def _clipping(rng: np.random.Generator, severity: float, recordings: bool) -> Parameters:
    return {"fraction": _logarithmic(0.0005, 0.5, severity, 4), "shape": _pick(rng, {"hard": 0.75, "soft": 0.25})}


def _speed(rng: np.random.Generator, severity: float, recordings: bool) -> Parameters:
    return {"factor": round(float(2 ** (rng.choice([-1, 1]) * _between(0.04, 0.5, severity, 3))), 3)}


def _wow(rng: np.random.Generator, severity: float, recordings: bool) -> Parameters:
    return {"rate_hz": round(float(2 ** rng.uniform(-1.7, 2.5)), 2), "depth": _logarithmic(0.002, 0.05, severity, 4)}


def _notch(rng: np.random.Generator, severity: float, recordings: bool) -> Parameters:
    spacing = round(float(2 ** rng.uniform(np.log2(200), np.log2(3000))))
    return {"spacing_hz": float(spacing), "depth_db": _between(6, 40, severity), "count": int(rng.choice([0, 0, 2, 4]))}


DRAWS: dict[str, Callable[[np.random.Generator, float, bool], Parameters]] = {
    "noise": _noise, "packet_loss": _packet_loss, "codec": _codec, "band_limit": _band_limit, "filter": _filter,
    "reverberation": _reverberation, "clipping": _clipping, "level": _level, "noise_suppression": _suppression,
    "time_clipping": _time_clipping, "vocoder": _vocoder, "jitter": _jitter, "clicks": _clicks, "speed": _speed, "echo": _echo,
    "notch": _notch, "wow": _wow,
    "pumping": lambda rng, severity, _: {
        "strength": _between(0.2, 1, severity, 2), "release_ms": float(rng.choice([30, 100, 300, 1000]))},
    "quantisation": lambda rng, severity, _: {"bits": round(_between(11, 4, severity))},
}  # fmt: skip


def draw_cause(rng: np.random.Generator, kind: str, severity: float, *, recordings: bool = True) -> Cause:
    """Draw the parameters of one fault; the cause has no spans yet.

    Args:
        kind: Key of ``KINDS``, or one of ``HELD_OUT``.
        severity: 0 (barely audible) to 1 (as bad as it gets); what makes a fault worse follows it, the rest is drawn.
        recordings: Whether noise recordings and impulse responses will be given to ``degrade``.

    Raises:
        ValueError: If the kind is unknown or the severity out of range.

    Examples:
        >>> draw_cause(np.random.default_rng(0), "quantisation", 1.0).parameters
        {'bits': 4}
    """
    if not 0 <= severity <= 1:
        raise ValueError(f"severity is {severity}; give a number from 0 to 1")
    if kind in ("g726", "vorbis"):
        return Cause("codec", _codec_parameters(kind, rng, severity))
    if kind == "repeat_loss":
        return Cause("packet_loss", _repeat_loss(rng, severity, recordings))
    if kind not in DRAWS:
        raise ValueError(f"kind is {kind!r}; choose one of {', '.join(DRAWS)}")
    return Cause(kind, DRAWS[kind](rng, severity, recordings))


def _kind(kind: str, **parameters: Any) -> Callable[[np.random.Generator, float], Cause]:
    """A drawer of causes of a kind; what is given replaces what ``DRAWS`` draws, None takes it away."""

    def draw(rng: np.random.Generator, severity: float) -> Cause:
        drawn = DRAWS[kind](rng, severity, False) | parameters
        return Cause(kind, {name: value for name, value in drawn.items() if value is not None})

    return draw


def _noise_of(*colours: str, recording: int | None = None) -> Callable[[np.random.Generator, float], Cause]:
    def draw(rng: np.random.Generator, severity: float) -> Cause:
        colour = str(rng.choice(colours))
        pattern = (
            _pick(rng, {"stationary": 0.7, "fluctuating": 0.2, "bursts": 0.1}) if colour != "hum" else "stationary"
        )
        parameters: Parameters = {"snr_db": _between(48, -2, severity), "colour": colour, "pattern": pattern}
        if colour == "hum":
            parameters["hum_hz"] = float(rng.choice([50, 60, 100, 120]))
        return Cause("noise", parameters | ({"recording": recording} if colour == "recorded" else {}))

    return draw


def _gap(rng: np.random.Generator, severity: float) -> Cause:
    if rng.random() < 0.35:
        return Cause("time_clipping", _time_clipping(rng, severity, False))
    concealment = _pick(rng, {"zero": 3.0, "noise": 0.5, "waveform": 1.0, "opus": 1.0})
    lost = _packet_loss(rng, severity, False) | {"concealment": concealment}
    return Cause(
        "packet_loss", lost if concealment == "opus" else {k: v for k, v in lost.items() if k[:3] not in ("bit", "ban")}
    )


def _level_of(mild: float, severe: float) -> Callable[[np.random.Generator, float], Cause]:
    return lambda rng, severity: Cause("level", {"gain_db": _between(mild, severe, severity)})


# What recordings of noise are taken from, for faults that people call by what is heard, in this order
RECORDINGS = ("babble", "music", "traffic", "other")
CONCEPT_DRAWS: dict[str, Callable[[np.random.Generator, float], Cause]] = {
    "noise": _noise_of("recorded", recording=3),
    "hiss": _noise_of("white", "pink"),
    "hum": _noise_of("hum"),
    "babble": _noise_of("babble", "recorded", recording=0),
    "music": _noise_of("recorded", recording=1),
    "traffic": _noise_of("recorded", recording=2),
    "gaps": _gap,
    "muffled": lambda rng, severity: Cause("band_limit", {"high_hz": _logarithmic(9000, 1200, severity), "order": int(rng.choice([2, 4, 8]))}),
    "thin": lambda rng, severity: Cause("band_limit", {"low_hz": _logarithmic(100, 900, severity), "order": int(rng.choice([2, 4, 8]))}),
    "robotic": _kind("vocoder"),
    "musical_noise": _kind("noise_suppression"),
    "level_changes": lambda rng, severity: Cause(
        "level", {"gain_db": 0.0, "change_db": _between(-4, -35, severity), "changes": int(rng.integers(1, 6))}),
    "too_quiet": _level_of(-6, -34),
    "too_loud": _level_of(5, 22),
    "wow": lambda rng, severity: Cause(
        "wow", {"rate_hz": round(float(rng.uniform(0.4, 5)), 2), "depth": round(0.002 * 22**severity, 4)}),
} | {kind: _kind(kind) for kind in (
    "reverberation", "echo", "clipping", "clicks", "jitter", "codec", "speed", "quantisation")}  # fmt: skip


def sample_concepts(rng: np.random.Generator) -> list[Cause]:
    """Draw up to three faults, each that people have a word for as often as any other; they need ``RECORDINGS``.

    Examples:
        >>> [cause.kind for cause in sample_concepts(np.random.default_rng(1))]
        ['clipping']
    """
    count = _pick(rng, {0: 0.1, 1: 0.5, 2: 0.28, 3: 0.12})
    names = rng.choice(list(CONCEPT_DRAWS), count, replace=False).tolist()
    causes = [CONCEPT_DRAWS[name](rng, float(rng.beta(0.8, 0.7))) for name in names]
    return sorted(causes, key=lambda cause: STAGES.index(cause.kind))


def _draw_call(rng: np.random.Generator, severity: float, recordings: bool) -> list[Cause]:
    """Draw a telephone call or a conference: what happens from the room to the listener, each fault milder than alone."""

    def draw(kind: str) -> Cause:
        return draw_cause(rng, kind, severity * rng.uniform(0.3, 0.9), recordings=recordings)

    def loss(concealment: str, **parameters: Any) -> Cause:
        rate, burst = _logarithmic(0.005, 0.25, severity * rng.random(), 4), round(float(rng.uniform(1, 6)), 1)
        lost = {"loss_rate": rate, "concealment": concealment, "frame_ms": 20, "mean_burst": burst}
        # Networks have bad moments: most of the time losses come together
        stretch = {"within": round(float(rng.uniform(0.2, 0.8)), 2)} if rng.random() < 0.6 else {}
        return Cause("packet_loss", lost | stretch | parameters)

    room = [draw(str(rng.choice(["noise", "reverberation"])))] if rng.random() < 0.4 else []
    level = {"gain_db": round(float(rng.uniform(-35, 15)), 1)}
    listener = [Cause("level", level)] if rng.random() < 0.3 else []
    if rng.random() < 0.5:  # a telephone, often through two networks
        codecs = rng.choice(["amr_nb", "gsm", "mu_law", "a_law", "g723_1", "adpcm_ima", "real_144"], 2)
        first, second = (
            Cause("codec", _codec_parameters(str(codec), rng, severity * rng.random())) for codec in codecs
        )
        edges = {"low_hz": float(rng.choice([200, 250, 300, 350])), "high_hz": float(rng.choice([3000, 3400, 3600]))}
        line = [Cause("band_limit", edges | {"order": int(rng.choice([2, 4, 8]))}), first]
        line += [loss(_pick(rng, {"zero": 1.0, "waveform": 2.0, "noise": 0.5}))] if rng.random() < 0.7 else []
        return room + line + ([second] if rng.random() < 0.5 else []) + listener
    suppressed = [draw("noise_suppression")] if rng.random() < 0.5 else []
    bit_rate = int(rng.choice([6000, 8000, 12_000, 16_000, 24_000, 32_000]))
    network = [loss("opus", bit_rate=bit_rate, **_opus_bandwidth(rng, bit_rate))]
    recorder = [
        Cause("codec", _codec_parameters(str(rng.choice(["aac", "mp3", "opus"])), rng, severity * rng.random()))
    ]
    return room + suppressed + network + (recorder if rng.random() < 0.4 else []) + listener


def sample_plan(
    rng: np.random.Generator,
    *,
    kinds: Iterable[str] | None = None,
    severity: float | None = None,
    held_out: bool = False,
    recordings: bool = True,
) -> list[Cause]:
    """Draw a random plan for ``degrade``: mostly one or two faults, sometimes none, good and very bad ones more often.

    One in eight is a whole call, by telephone or in a conference, unless ``kinds`` are given.

    Args:
        kinds: Kinds to draw from; every kind that is neither held out nor ``ASKED_FOR`` if left out.
        severity: 0 to 1, about the same for all faults of the plan; drawn for each, extremes more often, if left out.
        held_out: Draw exactly one fault of ``HELD_OUT``, now and then with a level change, instead.
        recordings: Whether noise recordings and impulse responses will be given to ``degrade``.

    Returns:
        Causes without spans, from the room to the listener; empty for an undegraded clip (never with ``severity``).

    Raises:
        ValueError: If a kind is unknown or the severity out of range.

    Examples:
        >>> [cause.kind for cause in sample_plan(np.random.default_rng(3), kinds=["noise"], severity=0.5)]
        ['noise']
    """

    def draw_severity() -> float:
        drawn = rng.beta(0.7, 0.7) if severity is None else severity + rng.normal(0, 0.07)
        return float(np.clip(drawn, 0, 1))

    if held_out:
        chosen = [str(rng.choice(HELD_OUT))] + (["level"] if rng.random() < 0.2 else [])
        return [draw_cause(rng, kind, draw_severity(), recordings=recordings) for kind in chosen]
    if kinds is None and rng.random() < CALLS:
        return _draw_call(rng, draw_severity(), recordings)
    weights = WEIGHTS if kinds is None else {kind: WEIGHTS.get(kind, 1.0) for kind in kinds}
    unknown = [kind for kind in weights if kind not in STAGES]
    if unknown:
        raise ValueError(f"kinds has {unknown[0]!r}; choose from {', '.join(STAGES)}")
    count = _pick(rng, {0: 0.08, 1: 0.5, 2: 0.27, 3: 0.15} if severity is None else {1: 0.65, 2: 0.35})
    shares = np.array(list(weights.values())) / sum(weights.values())
    names = rng.choice(list(weights), min(count, len(weights)), replace=False, p=shares).tolist()
    names += ["codec"] if "codec" in names and rng.random() < 0.12 else []  # tandem
    names += ["band_limit"] if "band_limit" in names and rng.random() < 0.12 else []
    return [draw_cause(rng, kind, draw_severity(), recordings=recordings) for kind in sorted(names, key=STAGES.index)]
