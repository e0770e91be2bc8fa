"""Closed questions about a clip that are no ratings: is a fault there (``noul``), when (``span``), what is heard (``choice``).

Their answers come from what was done to a clip, not from listeners, so only corpora with known causes can teach them.
"""

import random
from typing import Any

from audio_judge.clips import Cause, RatedClip
from audio_judge.tasks.explain import severity

# Several wordings each; the first is the one that documentation and tools use
FAULT_QUESTIONS: dict[str, tuple[str, ...]] = {
    "noise": ("Is there background noise?", "Do you hear noise behind the voice?"),
    "packet_loss": ("Is speech missing or replaced because packets were lost?", "Is there packet loss?"),
    "band_limit": ("Is the bandwidth limited?", "Are high or low frequencies cut off?"),
    "codec": ("Is there audible coding distortion?", "Does it sound like a low-bitrate codec?"),
    "clipping": ("Is the signal clipped?", "Do you hear clipping?"),
    "level": ("Is the level wrong?", "Is the clip too quiet or too loud?"),
    "reverberation": ("Is the voice reverberant?", "Is there much room sound?"),
    "time_clipping": ("Are parts of words cut off?", "Is speech cut out in places?"),
    "noise_suppression": ("Are there traces of noise suppression?", "Has noise reduction damaged the voice?"),
    "vocoder": ("Does the voice sound synthetic or metallic?", "Are there vocoder artefacts?"),
    "clicks": ("Are there clicks?", "Do you hear crackling?"),
}
# Faults that come and go: what they are called, and the kinds of causes whose times are the answer
SPAN_QUESTIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "dropouts": (
        ("dropout", "missing speech", "an interruption of the voice", "packet loss", "a gap in the speech"),
        ("packet_loss", "time_clipping", "jitter"),
    ),
    "noise_bursts": (("a burst of noise", "noise that comes and goes", "a sudden noise"), ("noise",)),
    "clicks": (("clicks", "a click", "crackling"), ("clicks",)),
    "level_changes": (
        ("a change of level", "a passage that is too quiet or too loud", "a jump in loudness"),
        ("level",),
    ),
}
CONTENT_QUESTION = {
    "type": "choice",
    "instructions": "What is heard?",
    "criteria": {"speech": None, "noise": None, "music": None, "silence": None},
}
# How sure a listener would be of a fault that is slight, clear or strong; and of one that is not there
_SHARE_BY_SEVERITY = (0.6, 0.9, 0.98)
_SHARE_IF_ABSENT = 0.02


def fault_question(kind: str, wording: int = 0) -> dict[str, Any]:
    """The typed question about one kind of fault.

    Args:
        kind: Key of ``FAULT_QUESTIONS``.
        wording: Number of the wording.

    Example:
        >>> fault_question("clicks")
        {'type': 'noul', 'instructions': 'Are there clicks?'}
    """
    return {"type": "noul", "instructions": FAULT_QUESTIONS[kind][wording]}


def span_question(name: str, wording: int = 0) -> dict[str, Any]:
    """The typed question about when a fault is heard.

    Args:
        name: Key of ``SPAN_QUESTIONS``.
        wording: Number of the wording.

    Example:
        >>> span_question("dropouts")
        {'type': 'span', 'instructions': 'dropout'}
    """
    return {"type": "span", "instructions": SPAN_QUESTIONS[name][0][wording]}


def known_spans(name: str, causes: tuple[Cause, ...]) -> list[list[float]] | None:
    """When a fault is heard, by the causes of a clip.

    Args:
        name: Key of ``SPAN_QUESTIONS``.
        causes: All causes of the clip, known from its making.

    Returns:
        (start, end) in seconds, sorted; None if such a fault is there throughout or at unknown times, or if something else
        moved what was known.

    Example:
        >>> known_spans("clicks", (Cause("clicks", {}, ((1.0, 1.1), (0.2, 0.3))),))
        [[0.2, 0.3], [1.0, 1.1]]
    """
    kinds = SPAN_QUESTIONS[name][1]
    # A change of speed, and pieces put in or left out, move everything that was there before
    if any(cause.kind in ("speed", "jitter") for cause in causes[1:]) or any(c.kind == "speed" for c in causes):
        return None
    own = [cause for cause in causes if cause.kind in kinds]
    if any(not cause.spans for cause in own):
        return None
    return sorted([start, end] for cause in own for start, end in cause.spans)


def draw_questions(clip: RatedClip, rng: random.Random) -> dict[str, tuple[dict[str, Any], list[float]]]:
    """Draw questions about a clip whose causes are known.

    Args:
        clip: From a simulated corpus; ``extra["content"]`` says what it contains.
        rng: Source of randomness.

    Returns:
        Name to question and shares of its answers, in the order of the answers (true, false; or the criteria); for a
        ``span`` question its (start, end) in seconds. Nothing for a clip whose faults are not known.
    """
    content = clip.extra.get("content")
    if content is None or content == "wild":
        return {}
    drawn = {}
    heard = content if content in ("noise", "music", "silence") else "speech"
    if heard != "speech" or rng.random() < 0.1:
        drawn["content"] = (CONTENT_QUESTION, [float(heard == option) for option in CONTENT_QUESTION["criteria"]])
    if heard == "speech":
        shares = {kind: _share(kind, clip.causes) for kind in FAULT_QUESTIONS}
        present = [kind for kind, share in shares.items() if share > 0.5]
        absent = [kind for kind, share in shares.items() if share < 0.5]
        for kind in [rng.choice(kinds) for kinds in (present, absent) if kinds and rng.random() < 0.5]:
            wording = rng.randrange(len(FAULT_QUESTIONS[kind]))
            drawn[kind] = (fault_question(kind, wording), [shares[kind], round(1 - shares[kind], 6)])
        drawn |= _draw_span(clip, rng)
    return drawn


def _draw_span(clip: RatedClip, rng: random.Random) -> dict[str, tuple[dict[str, Any], Any]]:
    """Mostly about a fault that is there; every fourth time about any."""
    spans = {name: known_spans(name, clip.causes) for name in SPAN_QUESTIONS}
    askable = [name for name, found in spans.items() if found is not None]
    there = [name for name in askable if spans[name]]
    if not askable or rng.random() < 0.2:
        return {}
    name = rng.choice(there if there and rng.random() < 0.75 else askable)
    if name not in there and rng.random() < 0.6:
        return {}
    return {f"when_{name}": (span_question(name, rng.randrange(len(SPAN_QUESTIONS[name][0]))), spans[name])}


def _share(kind: str, causes: tuple[Cause, ...]) -> float:
    """Share of listeners expected to hear a fault."""
    return max(
        (_SHARE_BY_SEVERITY[severity(cause)] for cause in causes if cause.kind == kind), default=_SHARE_IF_ABSENT
    )
