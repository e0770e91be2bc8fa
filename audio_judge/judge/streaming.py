"""Sound that is long or does not end: overlapping windows of a recording, and pieces of a live call."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from audio_judge.audio import MIN_SECONDS, MIX, Audio, AudioSource, Channel, iter_windows, read_audio
from audio_judge.processing_audio_judge import LEAST_SECONDS, as_mono


def sliding_windows(
    source: AudioSource,
    window_seconds: float,
    hop_seconds: float | None = None,
    *,
    start_time: float | None = None,
    end_time: float | None = None,
    channel: Channel = MIX,
) -> Iterator[tuple[float, float, Audio]]:
    """Read a clip in windows that may overlap; of a file no more than two windows are in memory.

    Yields:
        Start and end in seconds of the clip, and the sound between them, from ``start_time`` to ``end_time``, where the last
        window ends. Without a hop the windows lie side by side.

    Raises:
        ValueError: If the hop is shorter than 0.1 s or longer than the window.

    Example:
        >>> [(start, end) for start, end, _ in sliding_windows((np.zeros(20000), 8000), 1.0, 0.5)]
        [(0.0, 1.0), (0.5, 1.5), (1.0, 2.0), (1.5, 2.5)]
    """
    if hop_seconds is None or hop_seconds == window_seconds:
        least = min(LEAST_SECONDS, window_seconds)
        yield from iter_windows(
            source, window_seconds, minimum=least, start_time=start_time, end_time=end_time, channel=channel
        )
        return
    if not MIN_SECONDS <= hop_seconds <= window_seconds:
        raise ValueError(f"hop_seconds {hop_seconds}; {MIN_SECONDS} s to the window's {window_seconds} s is needed")
    # Samples not yet left behind (of up to two windows), and the hop that was left behind last
    start, kept, before = 0, np.empty(0, np.float32), np.empty(0, np.float32)
    piece: Audio | None = None
    size = hop = 0
    offset = start_time or 0.0
    times: dict[str, Any] = {"start_time": start_time, "end_time": end_time, "channel": channel}
    for _, _, piece in iter_windows(source, hop_seconds, minimum=MIN_SECONDS, **times):
        size, hop = round(window_seconds * piece.sampling_rate), round(hop_seconds * piece.sampling_rate)
        kept = np.concatenate([kept, piece.samples])
        while len(kept) >= size:
            begin, stop = (offset + one / piece.sampling_rate for one in (start, start + size))
            yield begin, stop, replace(piece, samples=kept[:size])
            start, before, kept = start + hop, kept[:hop], kept[hop:]
    # What is left was heard in the last window already, but for its end
    if piece is not None and (start == 0 or len(kept) > size - hop):
        last = np.concatenate([before, kept])[-size:]
        end = start + len(kept)
        begin, stop = (offset + one / piece.sampling_rate for one in (end - len(last), end))
        yield begin, stop, replace(piece, samples=last)


@dataclass(frozen=True)
class Piece:
    """What has been heard of the current window of a call.

    Args:
        start: Where the window begins, in seconds since the beginning of the call.
        end: Until where it has been heard.
        audio: Its sound, with a little of what came before it if it is short.
        is_whole: Whether the window ends here.
        is_due: Whether it is time for a verdict, and the window has not just ended between two.
    """

    start: float
    end: float
    audio: Audio
    is_whole: bool
    is_due: bool = True


def pieces(chunks: Iterable[Any], sampling_rate: int, every_seconds: float, window_seconds: float) -> Iterator[Piece]:
    """Gather the chunks of a call into pieces; no more than a window is in memory.

    Args:
        chunks: Arrays or tensors of any length, (samples,) or (channels, samples), integers or floats in [-1, 1].
        sampling_rate: In Hz.
        every_seconds: Time from one piece to the next, 0.2 s or more.
        window_seconds: A piece is what has been heard of a window of this length.

    Yields:
        A piece whenever it is time, a window ends, or the call does.

    Raises:
        ValueError: If ``every_seconds`` is too short.
        AudioError: If a chunk is not finite or reaches 16 times full scale.
    """
    if not every_seconds >= 2 * MIN_SECONDS:
        raise ValueError(f"every_seconds {every_seconds}; {2 * MIN_SECONDS:g} s or more is needed")
    every, size = round(every_seconds * sampling_rate), round(window_seconds * sampling_rate)
    least = round(LEAST_SECONDS * sampling_rate)
    # In samples of the call: heard so far, start of the window, when the next piece is due, end of the last one
    kept, heard, start, due, said = np.empty(0, np.float32), 0, 0, every, 0

    def piece(is_due: bool) -> Piece:
        audio = read_audio((kept[-max(heard - start, least) :], sampling_rate), name="stream")
        return Piece(start / sampling_rate, heard / sampling_rate, audio, heard == start + size, is_due)

    for chunk in chunks:
        rest = as_mono(chunk).numpy()
        while len(rest):
            stop = min(due, start + size)  # a chunk may reach over several pieces: no further than the next one
            taken, rest = rest[: stop - heard], rest[stop - heard :]
            # The window, and before it what makes up for a short one
            kept, heard = np.concatenate([kept, taken])[-(size + least) :], heard + len(taken)
            if heard == stop:
                yield piece(heard == due)
                said = heard
                start = heard if heard == start + size else start
                due += every if heard == due else 0
    if heard > said:
        yield piece(is_due=True)
