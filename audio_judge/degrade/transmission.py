"""Faults of the network: lost packets, jitter, and speech cut off by a voice activity detector."""

from typing import Any

import numpy as np

from audio_judge.clips import Cause
from audio_judge.degrade.measures import (
    FRAME_SECONDS,
    active_frames,
    marked_runs,
    prevent_overload,
    require_between,
    require_one_of,
    spans_of,
    to_spans,
)
from audio_judge.degrade.opus import lose_opus_packets

CONCEALMENTS = ("zero", "repeat", "noise", "waveform", "opus")
FADE_PER_FRAME = 0.7
JITTER_EVENTS = ("insert", "drop", "warp")


def draw_losses(count: int, loss_rate: float, mean_burst: float, rng: np.random.Generator) -> np.ndarray:
    """Choose which packets get lost, in bursts of geometric length (Gilbert's model) and at exactly the given rate.

    Args:
        loss_rate: Share of them that is lost, 0 to 1.
        mean_burst: Mean number of packets lost in a row, at least 1.

    Returns:
        Booleans, shape ``(packets,)``.

    Examples:
        >>> int(draw_losses(100, 0.1, 2.0, np.random.default_rng(0)).sum())
        10
    """
    wanted = round(loss_rate * count)
    bursts: list[int] = []
    while sum(bursts) < wanted:  # the last burst is cut, so that the rate is exact
        bursts.append(min(int(rng.geometric(1 / mean_burst)), wanted - sum(bursts)))
    good = count - wanted
    # Where each burst goes, as the number of good packets before it; drawn without repeats while there is room.
    places = np.sort(rng.choice(good + 1, len(bursts), replace=len(bursts) > good + 1))
    lost = np.zeros(count, dtype=bool)
    for place, before, burst in zip(places, np.cumsum([0, *bursts]), bursts, strict=False):
        lost[place + before : place + before + burst] = True
    return lost


def _pitch_period(history: np.ndarray, sampling_rate: int) -> int:
    step = max(1, sampling_rate // 8000)  # a coarse search is enough to keep the waveform in phase
    coarse = history[::-1][::step][::-1]
    shortest, longest = int(0.004 * sampling_rate / step), min(int(0.016 * sampling_rate / step), len(coarse) // 2)
    if longest <= shortest:
        return max(1, len(history))
    window = coarse[-longest:]
    scores = [float(window @ coarse[-longest - lag : -lag]) for lag in range(shortest, longest)]
    return (shortest + int(np.argmax(scores))) * step


def _conceal(
    heard: np.ndarray, sampling_rate: int, length: int, frame: int, concealment: str, rng: np.random.Generator
) -> np.ndarray:
    """What is played for ``length`` samples after ``heard``."""
    if concealment == "zero" or len(heard) < frame:
        return np.zeros(length)
    last = heard[-frame:]
    if concealment == "noise":
        return rng.standard_normal(length) * 0.3 * float(np.sqrt(np.mean(last**2)))
    fade = FADE_PER_FRAME ** (np.arange(length) / frame)  # a long burst dies away instead of buzzing
    if concealment == "repeat":
        return np.resize(last, length) * fade
    history = heard[-int(0.04 * sampling_rate) :]
    return np.resize(history[-_pitch_period(history, sampling_rate) :], length) * fade


def _conceal_losses(
    samples: np.ndarray, sampling_rate: int, lost: np.ndarray, frame: int, concealment: str, rng: np.random.Generator
) -> np.ndarray:
    output = samples.astype(np.float32).copy()
    overlap = round(0.004 * sampling_rate) if concealment == "waveform" else 0  # as in G.711 Appendix I
    for start, end in marked_runs(lost) * frame:
        # From what was played, not from what was sent: a receiver conceals with what it has
        made = _conceal(output[:start], sampling_rate, end + overlap - start, frame, concealment, rng)
        made = made[: len(output) - start]
        output[start:end] = made[: end - start]
        tail = made[end - start :]  # fades into what was received next
        share = np.linspace(1, 0, len(tail))
        output[end : end + len(tail)] = share * tail + (1 - share) * output[end : end + len(tail)]
    return output


def lose_packets(
    samples: np.ndarray,
    sampling_rate: int,
    *,
    loss_rate: float,
    concealment: str = "zero",
    frame_ms: int = 20,
    mean_burst: float = 1.0,
    within: float = 1.0,
    bit_rate: int = 24_000,
    bandwidth: str | None = None,
    rng: np.random.Generator,
) -> tuple[np.ndarray, Cause]:
    """Lose packets of the transmission and conceal them.

    Args:
        loss_rate: Share of the packets that is lost, 0 to 0.9.
        concealment: ``zero`` (silence), ``repeat`` (the last packet, fading), ``noise``, ``waveform`` (the last pitch
            period, fading) or ``opus`` (what libopus does; the clip also goes through Opus; needs PyAV and libopus).
        frame_ms: Duration of a packet, 10, 20, 40 or 60 ms.
        mean_burst: Mean number of packets lost in a row, 1 to 50.
        within: Share of the clip, one stretch of it, that the losses fall into, 0.1 to 1: a bad minute of the network;
            at least so much that a packet in ten of it arrives.
        bit_rate: Opus only, in bit/s, as in ``transcode``.
        bandwidth: Opus only, as in ``transcode``.

    Returns:
        Audio, and the cause, whose spans are the lost packets.

    Raises:
        ImportError: If ``opus`` is asked for without libopus.

    Examples:
        >>> heard, cause = lose_packets(np.ones(8000), 8000, loss_rate=0.3, rng=np.random.default_rng(0))
        >>> float((heard == 0).mean())
        0.3
    """
    require_between("loss_rate", loss_rate, 0, 0.9)
    require_one_of("concealment", concealment, CONCEALMENTS)
    require_one_of("frame_ms", frame_ms, (10, 20, 40, 60))
    require_between("mean_burst", mean_burst, 1, 50)
    frame = round(frame_ms * sampling_rate / 1000)
    require_between("within", within, 0.1, 1)
    count = -(-len(samples) // frame)
    lost = np.zeros(count, dtype=bool)
    stretch = min(count, max(1, round(count * max(within, loss_rate / 0.9))))
    start = int(rng.integers(count - stretch + 1)) if stretch < count else 0
    lost[start : start + stretch] = draw_losses(stretch, loss_rate * count / stretch, mean_burst, rng)
    parameters: dict[str, Any] = {
        "loss_rate": loss_rate,
        "concealment": concealment,
        "frame_ms": frame_ms,
        "mean_burst": mean_burst,
    } | ({} if within == 1 else {"within": within})
    if concealment == "opus":
        parameters |= {"bit_rate": bit_rate} | ({} if bandwidth is None else {"bandwidth": bandwidth})
        heard = lose_opus_packets(samples, sampling_rate, frame_ms, lost, bit_rate, bandwidth)
    else:
        heard = _conceal_losses(samples, sampling_rate, lost, frame, concealment, rng)
    spans = to_spans(lost, frame_ms / 1000)
    seconds = round(len(samples) / sampling_rate, 4)
    return prevent_overload(heard), Cause("packet_loss", parameters, tuple((a, min(b, seconds)) for a, b in spans))


def add_jitter(
    samples: np.ndarray,
    sampling_rate: int,
    *,
    events_per_second: float,
    frame_ms: float = 20.0,
    event: str = "warp",
    rng: np.random.Generator,
) -> tuple[np.ndarray, Cause]:
    """Let the playout buffer stumble: pieces are played twice, skipped, or stretched and squeezed.

    Args:
        events_per_second: On average, 0.1 to 20.
        frame_ms: Duration of a piece, 5 to 120 ms.
        event: ``insert`` (played twice), ``drop`` (skipped) or ``warp`` (played at 0.6 to 1.6 times the speed).

    Returns:
        Audio that may run ahead or behind, and the cause with its spans.

    Examples:
        >>> ramp = np.arange(8000) / 8000
        >>> heard, _ = add_jitter(ramp, 8000, events_per_second=1, event="drop", rng=np.random.default_rng(0))
        >>> round(float(np.diff(heard[:7000]).max()), 4)
        0.0201
    """
    require_between("events_per_second", events_per_second, 0.1, 20)
    require_one_of("event", event, JITTER_EVENTS)
    length = max(2, round(require_between("frame_ms", frame_ms, 5, 120) * sampling_rate / 1000))
    steps = np.ones(len(samples))  # how far the playout moves in the recording with each sample played
    count = max(1, round(events_per_second * len(samples) / sampling_rate))
    starts = np.sort(rng.integers(0, max(1, len(samples) - 2 * length), count))
    for start in starts:
        if event == "warp":
            steps[start : start + 2 * length] = rng.choice([0.6, 0.75, 1.3, 1.6])
        else:
            steps[start] += -length if event == "insert" else length
    positions = np.cumsum(steps) - 1
    heard = np.interp(positions, np.arange(len(samples)), samples, right=0.0)
    ends = np.minimum(starts + length * (2 if event == "warp" else 1), len(samples))
    spans = spans_of(starts, ends, sampling_rate)
    parameters = {"events_per_second": events_per_second, "frame_ms": frame_ms, "event": event}
    return heard.astype(np.float32), Cause("jitter", parameters, spans)


def clip_time(
    samples: np.ndarray,
    sampling_rate: int,
    *,
    fraction: float,
    clip_ms: float = 60.0,
    place: str = "onset",
    rng: np.random.Generator,
) -> tuple[np.ndarray, Cause]:
    """Silence the starts of words, as a slow voice activity detector does, or stretches anywhere in the speech.

    Args:
        fraction: Share of the onsets that is cut, or of the speech that is muted, 0.01 to 1.
        clip_ms: Duration of each cut, 10 to 1000 ms.
        place: ``onset`` or ``anywhere``.

    Returns:
        Audio, and the cause, whose spans are what was silenced.

    Examples:
        >>> word = np.concatenate([np.zeros(800), np.ones(800)])
        >>> clip_time(word, 8000, fraction=1.0, clip_ms=40, rng=np.random.default_rng(0))[1].spans
        ((0.1, 0.14),)
    """
    require_between("fraction", fraction, 0.01, 1)
    require_between("clip_ms", clip_ms, 10, 1000)
    require_one_of("place", place, ("onset", "anywhere"))
    active = active_frames(samples, sampling_rate)
    if place == "onset":
        candidates = np.flatnonzero(np.diff(np.concatenate([[0], active.astype(np.int8)])) == 1) * FRAME_SECONDS
        count = max(1, round(fraction * len(candidates)))
    else:
        candidates = np.flatnonzero(active) * FRAME_SECONDS
        count = min(len(candidates), max(1, round(fraction * len(candidates) * 20 / clip_ms)))
    # Digital silence has no speech to cut.
    starts = np.sort(rng.choice(candidates, count, replace=False)) if len(candidates) else np.empty(0)
    silenced = np.zeros(len(samples), dtype=bool)
    for start in starts:
        begin = round(start * sampling_rate)
        silenced[begin : begin + round(clip_ms * sampling_rate / 1000)] = True
    parameters = {"fraction": fraction, "clip_ms": clip_ms, "place": place}
    heard = np.where(silenced, 0, samples).astype(np.float32)
    return heard, Cause("time_clipping", parameters, to_spans(silenced, 1 / sampling_rate))
