"""Bias audit: what must not buy a better verdict on rubrics it does not belong to.

Every clip is treated and judged again. A treatment is level, silence around the clip, the clip said twice, half of it, or
another delivery of the same words; its figure is the mean change in points, above zero for better, on the rubric that
gains most; of silence, which is no fault of speech either, the largest change up or down. A second figure is how often the worse clip of a clear pair overtakes the better one once it is treated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d

from audio_judge.audio import resample
from audio_judge.degrade.measures import active_frames, active_level

from .bench import Bench, Change
from .check import Check, check, mean_interval, not_applicable
from .sanity import NO_COMPARISON, NOT_LOUDNESS, first_half, rise

EVERYTHING = ("mos", "noisiness", "coloration", "discontinuity", "loudness")
NOMINAL_DBFS = -26.0  # ITU-T P.56 active speech level of listening tests
CLEAR_GAP = 0.5


@dataclass(frozen=True)
class Treatment:
    """Something that is done to a clip and is no merit.

    Args:
        rubrics: On which it is no merit.
        is_level: Whether it changes the level; it starts from the nominal level then.
        is_no_fault: Whether a worse verdict is as wrong as a better one.
    """

    name: str
    change: Change
    rubrics: tuple[str, ...] = EVERYTHING
    is_level: bool = False
    is_no_fault: bool = False


def at_level(samples: np.ndarray, rate: int, level_dbfs: float = NOMINAL_DBFS) -> np.ndarray:
    """Bring the speech, pauses left out, to a level; nothing clips, for the files are floats.

    Example:
        >>> round(float(at_level(np.ones(8000), 8000, -20.0)[0]), 3)
        0.1
    """
    return samples * (10 ** (level_dbfs / 20) / active_level(samples, rate))


def pad_with_silence(samples: np.ndarray, rate: int, seconds: float = 0.7) -> np.ndarray:
    """Put so many seconds of digital silence on each side of a clip.

    Example:
        >>> len(pad_with_silence(np.ones(8000), 8000, 0.5))
        16000
    """
    return np.pad(samples, round(seconds * rate))


def pad_with_room(samples: np.ndarray, rate: int, seconds: float) -> np.ndarray:
    """Put so many seconds of a quiet room, noise at -75 dBFS, on each side of a clip.

    Example:
        >>> len(pad_with_room(np.ones(8000), 8000, 6.0))
        104000
    """
    before, after = _room(seconds, rate)
    return np.concatenate([before, samples, after])


def pause(samples: np.ndarray, rate: int, seconds: float) -> np.ndarray:
    """Say everything twice, with so many seconds of a quiet room in between.

    Example:
        >>> len(pause(np.ones(8000), 8000, 6.0))
        64000
    """
    return np.concatenate([samples, _room(seconds, rate)[0], samples])


def _room(seconds: float, rate: int) -> np.ndarray:
    """Noise that nobody hears beside speech (2, samples); always the same, so that two clips differ in their speech only."""
    return 10 ** (-75 / 20) * np.random.default_rng(0).standard_normal((2, round(seconds * rate)))


def repeat(samples: np.ndarray, rate: int) -> np.ndarray:
    """Say everything twice, with a breath of silence in between.

    Example:
        >>> len(repeat(np.ones(8000), 8000))
        17600
    """
    return np.concatenate([samples, np.zeros(rate // 5), samples])  # 0.2 s between


def change_energy_contrast(samples: np.ndarray, rate: int, factor: float) -> np.ndarray:
    """Make the words louder and softer than they were, or evener, as moved or flat speech is.

    The slow level contour (0.2 s) of the active frames is stretched around its mean by ``factor``, by 8 dB at most; pauses
    are bridged, so that noise in them is neither gated nor raised, and the level of the speech stays.

    Args:
        factor: Above 1 for livelier, below 1 for flatter.

    Example:
        >>> speech = np.repeat([0.4, 0.2], 8000) * np.sin(np.arange(16_000))
        >>> lively = change_energy_contrast(speech, 8000, 2.0)
        >>> bool(np.std(lively[:6000]) / np.std(lively[-6000:]) > 2.5)
        True
    """
    active = active_frames(samples, rate)
    if active.sum() < 2:  # no contour to stretch
        return samples
    hop = round(0.02 * rate)
    frames = samples[: len(active) * hop].reshape(len(active), hop).astype(np.float64)  # (frames, samples)
    level_db = 10 * np.log10(np.mean(frames**2, axis=1)[active])  # (active frames,)
    centres = (np.arange(len(active)) + 0.5) * hop
    # A Gaussian 0.2 s wide (two standard deviations), in frames of 20 ms: slower than syllables, so that their shape stays
    contour = gaussian_filter1d(np.interp(centres, centres[active], level_db), 0.2 / 0.02 / 2)
    gain_db = np.clip((factor - 1) * (contour - contour[active].mean()), -8, 8)
    louder = samples * 10 ** (np.interp(np.arange(len(samples)), centres, gain_db) / 20)
    return louder * (active_level(samples, rate) / active_level(louder, rate))


def move_pitch(samples: np.ndarray, rate: int, share: float = 0.08, frequency: float = 0.7) -> np.ndarray:
    """Let the pitch rise and fall over the sentence, by running time faster and slower; the length stays.

    Time is warped by a sine and the wave read there from a cubic spline, which leaves no artefacts of a vocoder; tempo and
    formants move along by the same few per cent.

    Args:
        share: Largest change of the pitch, 0.08 for 1.3 semitones either way.
        frequency: Rises per second.

    Example:
        >>> len(move_pitch(np.sin(np.arange(8000)), 8000))
        8000
    """
    # The slope of the warp is 1 + share * cos(...): by so much the wave runs faster or slower
    index = np.arange(len(samples))
    seconds = index / rate
    warped = index + rate * share / (2 * np.pi * frequency) * np.sin(2 * np.pi * frequency * seconds)
    return CubicSpline(index, samples)(np.clip(warped, 0, len(samples) - 1))


def change_voice(samples: np.ndarray, rate: int, factor: float) -> np.ndarray:
    """Make the voice higher and faster, as in excitement, or lower and slower, as in sadness, at the same level.

    The clip is resampled and played at its old rate, so that pitch, formants and tempo move together and no vocoder adds
    artefacts, which would be a reason for a worse verdict and hide what delivery buys.

    Args:
        factor: Above 1 for higher and faster.

    Example:
        >>> len(change_voice(np.sin(np.arange(11_000)), 8000, 1.1))
        10000
    """
    return at_level(resample(samples, round(rate * factor), rate), rate, 20 * np.log10(active_level(samples, rate)))


def excite(samples: np.ndarray, rate: int) -> np.ndarray:
    """Higher and faster speech with more movement in pitch and energy."""
    return change_voice(change_energy_contrast(move_pitch(samples, rate), rate, 1.6), rate, 1.1)


def subdue(samples: np.ndarray, rate: int) -> np.ndarray:
    """Lower and slower speech of even energy."""
    return change_voice(change_energy_contrast(samples, rate, 0.4), rate, 1 / 1.1)


def _gain(gain_db: int) -> Treatment:
    return Treatment(
        f"gain_{gain_db:+d}_db",
        lambda samples, rate: at_level(samples, rate, NOMINAL_DBFS + gain_db),
        NOT_LOUDNESS,
        is_level=True,
    )


TREATMENTS: Sequence[Treatment] = (
    *(_gain(gain_db) for gain_db in (-6, -3, 3, 6)),
    Treatment("silence_padding", pad_with_silence, is_no_fault=True),
    *(
        Treatment(f"silence_padding_{seconds}_s", partial(pad_with_room, seconds=seconds), is_no_fault=True)
        for seconds in (6, 12, 30)
    ),
    Treatment("pause_12_s", partial(pause, seconds=12), is_no_fault=True),
    Treatment("repetition", repeat),
    Treatment("half_length", first_half),
    Treatment("lively_pitch", move_pitch),
    Treatment("lively_energy", partial(change_energy_contrast, factor=1.6)),
    Treatment("flat_energy", partial(change_energy_contrast, factor=0.4)),
    Treatment("excited_delivery", excite),
    Treatment("subdued_delivery", subdue),
)


def audit(bench: Bench, treatment: Treatment) -> list[Check]:
    """Measure what one treatment buys.

    Returns:
        The rise, or change, on rubrics it does not belong to; for a level, that of overall quality, too; the share of clear pairs
        that flip; and, of a judge that compares, how much it prefers the treated clip to the untreated one.
    """
    # Levels are compared with the nominal one, as clips have any to begin with
    before = bench.vary("nominal", at_level) if treatment.is_level else bench.paths
    after = bench.vary(treatment.name, treatment.change)
    old, new = bench.points(before), bench.points(after)
    changes = {name: new[name] - values for name, values in old.items()}
    outcomes = [_largest(f"bias/{treatment.name}", changes, treatment, bench.seed)]
    if treatment.is_level:
        outcomes.append(_overall_rise(f"bias/{treatment.name}/mos", changes, bench.seed))
    outcomes.append(_flips(f"bias/{treatment.name}/flips", old, new))
    outcomes.append(_preference(f"bias/{treatment.name}/pairs", bench, before, after))
    return outcomes


def _largest(name: str, changes: dict[str, np.ndarray], treatment: Treatment, seed: int) -> Check:
    rubrics = treatment.rubrics
    means = {r: float(np.nanmean(changes[r])) for r in rubrics if r in changes and np.isfinite(changes[r]).any()}
    if not means:
        return not_applicable(name, "bias", f"the judge scores none of {', '.join(rubrics)}")
    most = max(means, key=lambda rubric: abs(means[rubric]) if treatment.is_no_fault else means[rubric])
    each = ", ".join(f"{rubric} {mean:+.2f}" for rubric, mean in means.items())
    if not treatment.is_no_fault:
        return rise(name, changes[most], "bias", f"mean signed change, highest of: {each}", seed)
    sign = -1 if means[most] < 0 else 1
    return rise(name, sign * changes[most], "bias", f"largest mean change, up or down, of: {each}", seed)


def _overall_rise(name: str, changes: dict[str, np.ndarray], seed: int) -> Check:
    if "mos" not in changes:
        return not_applicable(name, "bias_level", "the judge does not score mos")
    return rise(name, changes["mos"], "bias_level", "mean signed change of mos", seed)


def _flips(name: str, old: dict[str, np.ndarray], new: dict[str, np.ndarray]) -> Check:
    """How often the worse clip of a clear pair wins once it, and not the other, is treated."""
    if "mos" not in old:
        return not_applicable(name, "flips", "the judge does not score mos")
    is_clear = old["mos"][:, None] - old["mos"][None, :] >= CLEAR_GAP  # (better, worse)
    if not is_clear.any():
        return not_applicable(name, "flips", f"no two clips are {CLEAR_GAP} points of mos apart")
    # Only the worse clip of a pair is treated
    flipped = (new["mos"][None, :] > old["mos"][:, None])[is_clear]
    return check(name, float(flipped.mean()), "flips", f"share of {len(flipped)} pairs {CLEAR_GAP} points of mos apart")


def _preference(name: str, bench: Bench, before: list[str], after: list[str]) -> Check:
    if not bench.compares:
        return not_applicable(name, "bias_pair", NO_COMPARISON)
    first, _ = bench.preferences(after, before)
    second, _ = bench.preferences(before, after)
    # (pairs, 2): the treated clip is A, then B; what a place is worth cancels
    gain = (first[:, 0] - first[:, 1] + second[:, 1] - second[:, 0]) / 2
    return check(
        name, float(gain.mean()), "bias_pair", f"mean P(treated) - P(untreated), both orders of {len(gain)} clips",
        interval=mean_interval(gain, bench.seed),
    )  # fmt: skip


def run_bias(bench: Bench) -> list[Check]:
    """Audit all treatments."""
    return [outcome for treatment in TREATMENTS for outcome in audit(bench, treatment)]
