"""The one layout of a prompt: clips and words as chat messages, or as the state of typed decisions; and its one reader."""

import os
import random
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from audio_judge.audio import Audio, AudioError, align, read_audio, resample
from audio_judge.clips import RatedClip

ReferenceUse = Literal["never", "sometimes", "always"]
Payload = str | os.PathLike[str] | Audio | np.ndarray | RatedClip


def clip_state(degraded: Payload, reference: Payload | None = None) -> list[dict[str, Any]]:
    """Lay out one or two clips, each with its role, as the state of a decision or the beginning of a message.

    A clip is a path, an ``Audio``, an array (samples,) at the judge's rate, or a ``RatedClip``, whose rated part is heard.

    Returns:
        Blocks of type ``text`` and ``audio``; an audio block has a ``role``.

    Example:
        >>> [block["type"] for block in clip_state("degraded.wav", "clean.wav")]
        ['text', 'audio', 'text', 'audio']
    """
    if reference is None:
        return [_audio_block(degraded, "degraded")]
    return [
        {"type": "text", "text": "Degraded clip: "},
        _audio_block(degraded, "degraded"),
        {"type": "text", "text": "\nReference clip: "},
        _audio_block(reference, "reference"),
    ]


def pair_state(first: Payload, second: Payload) -> list[dict[str, Any]]:
    """Lay out two clips that are compared, A before B, each in any form that ``clip_state`` takes.

    Example:
        >>> [block.get("role") for block in pair_state("a.wav", "b.wav")]
        [None, 'A', None, 'B']
    """
    return [
        {"type": "text", "text": "Clip A: "},
        _audio_block(first, "A"),
        {"type": "text", "text": "\nClip B: "},
        _audio_block(second, "B"),
    ]


def _audio_block(payload: Payload, role: str) -> dict[str, Any]:
    if isinstance(payload, Audio):
        return {"type": "audio", "audio": payload.samples, "sampling_rate": payload.sampling_rate, "role": role}
    if isinstance(payload, np.ndarray):
        return {"type": "audio", "audio": payload, "role": role}
    if isinstance(payload, RatedClip):
        times = {"start_time": payload.start_time, "end_time": payload.end_time}
        return {"type": "audio", "path": payload.path, "role": role} | {k: v for k, v in times.items() if v is not None}
    return {"type": "audio", "path": os.fspath(payload), "role": role}


def text_messages(state: Sequence[Mapping[str, Any]], request: str) -> list[dict[str, Any]]:
    r"""Put a request in words, as the ``ask`` of a task writes it, after the clips: one user message.

    Example:
        >>> text_messages(clip_state("a.wav"), "How noisy is it?")[0]["content"][-1]
        {'type': 'text', 'text': '\nHow noisy is it?'}
    """
    return [{"role": "user", "content": [*state, {"type": "text", "text": f"\n{request}"}]}]


def audio_blocks(example: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the audio blocks of an example of either form in the order of their placeholders.

    One that is answered in text may still wait for its ``completion``.

    Example:
        >>> audio_blocks({"state": clip_state("a.wav")})
        [{'type': 'audio', 'path': 'a.wav', 'role': 'degraded'}]
    """
    if "state" in example:
        blocks = example["state"]
    else:
        messages = [*example["prompt"], *example.get("completion", [])]
        blocks = [block for message in messages if isinstance(message["content"], list) for block in message["content"]]
    return [block for block in blocks if block["type"] == "audio"]


class HeardClip(NamedTuple):
    """Samples, mono float32 (samples,), and at how many seconds of their file they start."""

    samples: np.ndarray
    start: float


def read_clips(
    blocks: Sequence[Mapping[str, Any]],
    sampling_rate: int,
    max_seconds: float | None = None,
    crop_seed: int | None = None,
) -> list[HeardClip]:
    """Read the clips of one prompt, a reference aligned to its degraded clip.

    Args:
        blocks: As ``audio_blocks`` lists them, each with a ``path``; a ``start_time`` and an ``end_time`` are in seconds.
        sampling_rate: Rate wanted, in hertz.
        max_seconds: Longer clips are cut to this length; None for no limit.
        crop_seed: Draws where they are cut, all of them at one place; None for their beginning.

    Raises:
        AudioError: If a clip cannot be read, or a block has no path.
    """
    clips = [_read(block) for block in blocks]
    starts = [block.get("start_time") or 0.0 for block in blocks]
    roles = [block.get("role") for block in blocks]
    if "degraded" in roles and "reference" in roles:
        degraded, reference = roles.index("degraded"), roles.index("reference")
        clips[degraded], clips[reference], shift = align(clips[degraded], clips[reference])
        starts[degraded] += max(shift, 0.0)
        starts[reference] += max(-shift, 0.0)
    samples = [resample(clip.samples, clip.sampling_rate, sampling_rate) for clip in clips]  # (samples,) each
    limit = max(map(len, samples), default=0) if max_seconds is None else int(max_seconds * sampling_rate)
    spare = [max(0, len(one) - limit) for one in samples]
    # Drawn from the example's own seed, so that neither workers nor a resumed run change what is heard
    drawn = 0 if crop_seed is None else random.Random(crop_seed).randint(0, max(spare, default=0))
    # One place for all, as far as a shorter clip has it: what was aligned is heard side by side
    firsts = [min(drawn, most) for most in spare]
    return [
        HeardClip(one[first : first + limit], start + first / sampling_rate)
        for one, first, start in zip(samples, firsts, starts, strict=True)
    ]


def _read(block: Mapping[str, Any]) -> Audio:
    """Only paths: data columns of other kinds would have to be decoded by someone else's code."""
    if not isinstance(block.get("path"), str):
        raise AudioError(f"audio block {sorted(block)}: a prompt gives its clip as a `path`")
    return read_audio(block["path"], start_time=block.get("start_time"), end_time=block.get("end_time"))
