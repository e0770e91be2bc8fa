"""Small helpers the degradations share: argument checks, active speech level, length and overload handling."""

import math
from typing import Any

import numpy as np

FRAME_SECONDS = 0.02
ACTIVE_RANGE_DB = 30.0  # a frame counts as speech when it is at most this far below the loud frames


def require_between(name: str, value: float, low: float, high: float) -> float:
    """Return a number from ``low`` to ``high``, both included; any other is a ``ValueError`` that names it.

    Examples:
        >>> require_between("snr_db", 12.0, -30, 100)
        12.0
    """
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{name} is {value}; give a number from {low} to {high}")
    return value


def require_one_of(name: str, value: Any, choices: tuple[Any, ...]) -> Any:
    """Return a value that is one of the choices; any other is a ``ValueError`` that names it.

    Examples:
        >>> require_one_of("colour", "pink", ("white", "pink"))
        'pink'
    """
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; choose one of {', '.join(map(str, choices))}")
    return value


def active_frames(samples: np.ndarray, sampling_rate: int) -> np.ndarray:
    """Mark the 20 ms frames that hold speech, by energy relative to the loudest tenth of the clip.

    Returns:
        Booleans, shape ``(whole frames,)``; at least one frame is true unless the clip is silent.

    Examples:
        >>> active_frames(np.concatenate([np.zeros(800), np.ones(800)]), 8000).tolist()[3:7]
        [False, False, True, True]
    """
    hop = max(1, round(FRAME_SECONDS * sampling_rate))
    count = max(1, len(samples) // hop)
    frames = samples[: count * hop].reshape(count, -1)  # (frames, hop); a clip under one frame is one, and shorter
    energy = np.mean(np.square(frames, dtype=np.float64), axis=1)
    loud = np.sort(energy)[-max(1, count // 10) :].mean()
    return (energy >= loud * 10 ** (-ACTIVE_RANGE_DB / 10)) & (energy > 0)


def active_level(samples: np.ndarray, sampling_rate: int) -> float:
    """Root mean square of the speech, pauses left out, so that pauses do not change a signal-to-noise ratio.

    Returns:
        Linear level, 1.0 for a full-scale square wave; 1e-6 for digital silence, so that ratios stay finite.

    Examples:
        >>> round(active_level(np.concatenate([np.zeros(8000), np.full(8000, 0.5)]), 8000), 3)
        0.5
    """
    hop = max(1, round(FRAME_SECONDS * sampling_rate))
    active = active_frames(samples, sampling_rate)
    frames = samples[: len(active) * hop].reshape(len(active), -1)[active]
    return max(1e-6, float(np.sqrt(np.mean(np.square(frames, dtype=np.float64))))) if active.any() else 1e-6


def fit_length(samples: np.ndarray, length: int) -> np.ndarray:
    """Cut or zero-pad at the end to ``length`` samples of float32.

    Examples:
        >>> fit_length(np.ones(2), 3).tolist()
        [1.0, 1.0, 0.0]
    """
    cut = samples[:length].astype(np.float32)
    return cut if len(cut) == length else np.pad(cut, (0, length - len(cut)))


def prevent_overload(samples: np.ndarray) -> np.ndarray:
    """Turn a clip that exceeds ±1 down to ±0.99, for faults that are not about clipping; float32.

    Examples:
        >>> prevent_overload(np.array([2.0, -1.0])).round(3).tolist()
        [0.9900000095367432, -0.4950000047683716]
    """
    peak = float(np.max(np.abs(samples), initial=0.0))
    return (samples * (0.99 / peak) if peak > 1 else samples).astype(np.float32)


def marked_runs(mask: np.ndarray) -> np.ndarray:
    """First index, and the one after the last, of each run of marked frames (frames,), in order: (runs, 2).

    Examples:
        >>> marked_runs(np.array([False, True, True, False])).tolist()
        [[1, 3]]
    """
    # Padded with 0, so that a run at either end has its edge, and edges come in pairs
    return np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))).reshape(-1, 2)


def spans_of(starts: np.ndarray, ends: np.ndarray, sampling_rate: int) -> tuple[tuple[float, float], ...]:
    """Turn sample numbers into (start, end) in seconds, to 0.1 ms."""
    times = ((starts / sampling_rate).round(4).tolist(), (ends / sampling_rate).round(4).tolist())
    return tuple(zip(*times, strict=True))


def to_spans(mask: np.ndarray, step_seconds: float) -> tuple[tuple[float, float], ...]:
    """Turn marked frames, of so many seconds each, into (start, end) in seconds of each run.

    Examples:
        >>> to_spans(np.array([False, True, True, False]), 0.02)
        ((0.02, 0.06),)
    """
    return tuple(
        (round(float(start * step_seconds), 4), round(float(end * step_seconds), 4)) for start, end in marked_runs(mask)
    )
