"""Causes in words, for explanations."""

from typing import Any

from audio_judge.clips import Cause
from audio_judge.degrade.codecs import CODECS

CONCEALED = {
    "zero": "concealed with silence",
    "repeat": "concealed by repeating the last packet",
    "noise": "concealed with noise",
    "waveform": "concealed by repeating the last pitch period",
    "opus": "concealed by the Opus decoder",
}
COLOURED = {
    "white": "white noise",
    "pink": "pink noise",
    "brown": "rumbling noise",
    "hum": "mains hum",
    "babble": "babble of other voices",
    "speech_modulated": "noise that follows the speech",
    "recorded": "background noise",
}
VOCODED = {
    "phase": "smeared phases",
    "robot": "a robotic buzz",
    "mel": "a blurred spectrum",
    "pitch": "a shifted pitch",
    "formant": "shifted formants",
    "griffin_lim": "phases guessed anew",
    "lpc": "pulses and noise instead of a voice",
}
JITTERED = {"insert": "repeated pieces", "drop": "skipped pieces", "warp": "stretched and squeezed pieces"}


def _number(value: float) -> str:
    return f"{value:.2g}" if abs(value) < 10 else f"{value:.0f}"


def _hertz(value: float) -> str:
    return f"{value / 1000:.1f} kHz".replace(".0 ", " ") if value >= 1000 else f"{value:.0f} Hz"


def _band(p: dict[str, Any]) -> str:
    if "low_hz" in p and "high_hz" in p:
        return f"band-limited to {_hertz(p['low_hz'])}–{_hertz(p['high_hz'])}"
    return f"band-limited to {_hertz(p['high_hz'])}" if "high_hz" in p else f"nothing below {_hertz(p['low_hz'])}"


def _codec(p: dict[str, Any]) -> str:
    rate = f" at {p['bit_rate'] / 1000:g} kb/s" if "bit_rate" in p else ""
    return f"{CODECS[p['codec']].name}{rate}" + (
        f" in {p['bandwidth'].replace('_', '-')}band" if "bandwidth" in p else ""
    )


def _noise(p: dict[str, Any]) -> str:
    pattern = {"bursts": " in bursts", "fluctuating": " of changing level"}.get(p.get("pattern", ""), "")
    return f"{COLOURED[p.get('colour', 'white')]}{pattern} at {_number(p['snr_db'])} dB SNR"


def _loss(p: dict[str, Any]) -> str:
    bursts = " in bursts" if p.get("mean_burst", 1) >= 2 else ""
    return f"{_number(100 * p['loss_rate'])} % packet loss{bursts} {CONCEALED[p.get('concealment', 'zero')]}"


def _level(p: dict[str, Any]) -> str:
    if p.get("changes"):
        return f"level jumping by {_number(abs(p['change_db']))} dB"
    return f"level {_number(abs(p['gain_db']))} dB too {'high' if p['gain_db'] > 0 else 'low'}"


def _reverberation(p: dict[str, Any]) -> str:
    return "reverberation of a real room" if "rt60_s" not in p else f"reverberation of {_number(p['rt60_s'])} s"


def _filter(p: dict[str, Any]) -> str:
    return f"uneven frequency response within {_number(max(p['gains_db']) - min(p['gains_db']))} dB"


def _suppression(p: dict[str, Any]) -> str:
    what = "removal of another voice" if p.get("method") == "mask" else "suppression of noise"
    return f"over-eager {what} at {_number(p['snr_db'])} dB SNR"


def _time_clipping(p: dict[str, Any]) -> str:
    what = "word onsets cut" if p.get("place", "onset") == "onset" else "the speech muted"
    return f"{_number(100 * p['fraction'])} % of {what} for {_number(p.get('clip_ms', 60))} ms at a time"


WORDS = {
    "noise": _noise,
    "packet_loss": _loss,
    "band_limit": _band,
    "codec": _codec,
    "level": _level,
    "reverberation": _reverberation,
    "filter": _filter,
    "time_clipping": _time_clipping,
    "jitter": lambda p: f"{JITTERED[p.get('event', 'warp')]} {_number(p['events_per_second'])} times a second",
    "clipping": lambda p: f"{_number(100 * p['fraction'])} % of samples clipped",
    "pumping": lambda p: f"level pumping at {_number(100 * p['strength'])} % strength",
    "quantisation": lambda p: f"quantisation to {p['bits']} bits",
    "echo": lambda p: f"echo after {_number(p['delay_ms'])} ms",
    "noise_suppression": _suppression,
    "notch": lambda p: f"gaps in the spectrum every {_hertz(p['spacing_hz'])}",
    "vocoder": lambda p: f"vocoder artefacts: {VOCODED[p['mode']]} at {_number(100 * p['amount'])} %",
    "clicks": lambda p: f"{_number(p['clicks_per_second'])} clicks a second",
    "speed": lambda p: f"played at {p['factor']:.2f} times the speed",
    "wow": lambda p: f"pitch wavering by {_number(100 * p['depth'])} % {_number(p['rate_hz'])} times a second",
}


def describe(cause: Cause) -> str:
    """Say in a few words, with its number and without full stop, what is wrong.

    Raises:
        ValueError: If the kind is none of ``KINDS``.

    Examples:
        >>> describe(Cause("packet_loss", {"loss_rate": 0.1, "concealment": "zero"}))
        '10 % packet loss concealed with silence'
        >>> describe(Cause("codec", {"codec": "opus", "bit_rate": 6000}))
        'Opus at 6 kb/s'
    """
    if cause.kind not in WORDS:
        raise ValueError(f"cause.kind is {cause.kind!r}; choose one of {', '.join(WORDS)}")
    return WORDS[cause.kind](cause.parameters)
