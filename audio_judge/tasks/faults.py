"""Closed questions that are no ratings: is a fault there (``noul``), when (``span``), what is heard (``choice``).

Their answers come from what was done to a clip, not from listeners, so only corpora with known causes can teach them.
"""

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from audio_judge.clips import Cause, RatedClip
from audio_judge.languages import get_language, wordings
from audio_judge.tasks import Distortion, detect
from audio_judge.tasks.explain import named_causes, severity

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
    "filter": ("Is the timbre changed by a filter?", "Does the voice sound dull, thin or boomy?"),
    "quantisation": ("Is the signal coarsely quantised?", "Do you hear quantisation noise?"),
    "jitter": ("Is the timing of the speech uneven?", "Does the speech stutter or stumble in time?"),
    "speed": ("Is the speed of the speech wrong?", "Is the speech played too fast or too slow?"),
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
# What may be asked about in other words (``Language.asked``), to the kinds of faults and the number of the wording that ask for it;
# of several one is enough
SAME_QUESTIONS: dict[str, tuple[tuple[str, int], ...]] = {kind: ((kind, 0),) for kind in FAULT_QUESTIONS}
SAME_QUESTIONS |= {"dropouts": (("time_clipping", 1), ("packet_loss", 1))}
CONTENT_QUESTION = {
    "type": "choice",
    "instructions": "What is heard?",
    "criteria": {"speech": None, "noise": None, "music": None, "silence": None},
}
# SpeechEval's name for each kind of fault; level and speed are no distortions there
TYPE_OF_FAULT = {"noise": "background noise", "jitter": "jitter"}
TYPE_OF_FAULT |= dict.fromkeys(("packet_loss", "time_clipping"), "drop / missing")
TYPE_OF_FAULT |= dict.fromkeys(("band_limit", "filter", "reverberation", "echo", "notch"), "timbre & quality")
TYPE_OF_FAULT |= dict.fromkeys(
    ("codec", "clipping", "quantisation", "noise_suppression", "vocoder", "clicks"), "artifacts"
)
# What there is advice for: a wrong level can be set right, too, and some faults have remedies of their own
ADVISED_TYPE_OF_FAULT = TYPE_OF_FAULT | {
    kind: kind.replace("_", " ")
    for kind in ("level", "clipping", "codec", "noise_suppression", "reverberation", "echo", "clicks", "band_limit")
}
# How sure a listener would be of a fault that is slight, clear or strong; and of one that is not there
_SHARE_BY_SEVERITY = (0.6, 0.9, 0.98)
_SHARE_IF_ABSENT = 0.02


def fault_question(kind: str, wording: int = 0) -> dict[str, Any]:
    """The typed question about one key of ``FAULT_QUESTIONS``.

    Example:
        >>> fault_question("clicks")
        {'type': 'noul', 'instructions': 'Are there clicks?'}
    """
    return {"type": "noul", "instructions": FAULT_QUESTIONS[kind][wording]}


def span_question(name: str, wording: int = 0) -> dict[str, Any]:
    """The typed question about when one key of ``SPAN_QUESTIONS`` is heard.

    Example:
        >>> span_question("dropouts")
        {'type': 'span', 'instructions': 'dropout'}
    """
    return {"type": "span", "instructions": SPAN_QUESTIONS[name][0][wording]}


def all_questions(*, with_spans: bool) -> dict[str, dict[str, Any]]:
    """All typed questions about faults, by the names that training gives them.

    With spans, those that come and go are asked about twice: whether they are there, and when.

    Example:
        >>> list(all_questions(with_spans=True))[-2:]
        ['when_clicks', 'when_level_changes']
    """
    asked = {kind: fault_question(kind) for kind in FAULT_QUESTIONS}
    return asked | ({f"when_{name}": span_question(name) for name in SPAN_QUESTIONS} if with_spans else {})


def heard_faults(
    answers: Mapping[str, Mapping[str, Any]], thresholds: Mapping[str, float] = MappingProxyType({})
) -> tuple[Cause, ...]:
    """The faults that are there by the answers to ``all_questions``, the surest first.

    Args:
        thresholds: Kind of fault to the probability from which it is there; more likely than not, 0.5, where none is given.

    Returns:
        Causes with their ``probability`` as the parameter, and the times at which they are heard in seconds.

    Example:
        >>> heard_faults({"noise": {"type": "noul", "noul": 0.75}, "clicks": {"type": "noul", "noul": 0.2}})
        (Cause(kind='noise', parameters={'probability': 0.75}, spans=()),)
    """
    likely = {kind: float(answers[kind]["noul"]) for kind in FAULT_QUESTIONS if kind in answers}
    over = {kind: p / thresholds.get(kind, 0.5) for kind, p in likely.items() if p >= thresholds.get(kind, 0.5)}
    ranked = sorted(over, key=lambda kind: -over[kind])
    return tuple(Cause(kind, {"probability": likely[kind]}, _heard_spans(kind, answers)) for kind in ranked)


def by_severity(causes: Iterable[Cause]) -> tuple[Cause, ...]:
    """Faults, the most severe first; of those that are as severe, those that say by their parameters how severe before others.

    Example:
        >>> [cause.kind for cause in by_severity([Cause("clicks"), Cause("noise", {"snr_db": 40}), Cause("echo", {"attenuation_db": 6})])]
        ['echo', 'clicks', 'noise']
    """
    return tuple(sorted(causes, key=lambda cause: (-severity(cause), not cause.parameters.keys() - {"probability"})))


def _heard_spans(kind: str, answers: Mapping[str, Mapping[str, Any]]) -> tuple[tuple[float, float], ...]:
    names = [f"when_{name}" for name, (_, kinds) in SPAN_QUESTIONS.items() if kind in kinds]
    found = [span for name in names if name in answers for span in answers[name]["spans"]]
    return tuple((span["start"], span["end"]) for span in found)


def distortions_by_cause(causes: Sequence[Cause], types: Mapping[str, str] = TYPE_OF_FAULT) -> tuple[Distortion, ...]:
    """Name known faults as SpeechEval's types of distortion; one that is hard to hear is left out.

    Args:
        causes: Of one clip. Spans nearer than 0.3 s are joined, so that lost packets become passages; of more than
            three passages none is named.
        types: Kind of fault to type; other kinds are left out.

    Example:
        >>> distortions_by_cause([Cause("packet_loss", {"loss_rate": 0.2}, ((1.0, 1.02), (1.2, 1.4)))])
        (Distortion(kind='drop / missing', spans=((1.0, 1.4),)),)
    """
    found: dict[str, list[tuple[float, float]] | None] = {}
    for cause in causes:
        kind = types.get(cause.kind)
        if kind is None or severity(cause) == 0:
            continue
        # A cause without times is heard throughout: then the times of others of its type say nothing
        before = found.get(kind, [])
        found[kind] = None if before is None or not cause.spans else [*before, *cause.spans]
    return tuple(Distortion(kind, _passages(spans or [])) for kind, spans in found.items())


def addressed_types(line: str, language: str = "en") -> set[str]:
    """Name the types of distortion that a suggestion is against: by our tables, else by the causes that it names.

    Args:
        line: One suggestion.

    Returns:
        Values of ``ADVISED_TYPE_OF_FAULT``; none for advice on something else.

    Example:
        >>> addressed_types("Turn off the noise suppression.")
        {'noise suppression'}
    """
    spoken = get_language(language)
    if written := {kind for kind, lines in spoken.distortion_advice.items() if line in lines}:
        return written
    if any(line in lines for name, lines in spoken.advice.items() if name != "distortion"):
        return set()
    # What is wrong stands before the colon, if there is one; a remedy may name another fault, such as a jitter buffer
    causes = named_causes(line.partition(":")[0], language) or named_causes(line, language)
    return {ADVISED_TYPE_OF_FAULT[cause] for cause in causes if cause in ADVISED_TYPE_OF_FAULT}


def _passages(spans: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    joined: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if joined and start - joined[-1][1] < 0.3:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    # Outwards, since answers are written in tenths of a second and no span may become empty
    tenths = [(math.floor(start * 10) / 10, math.ceil(end * 10) / 10) for start, end in joined]
    return tuple(tenths) if len(tenths) <= 3 else ()


def known_spans(name: str, causes: tuple[Cause, ...]) -> list[list[float]] | None:
    """When a key of ``SPAN_QUESTIONS`` is heard, by all the causes of a clip in the order of its making.

    Returns:
        (start, end) in seconds, sorted; None if such a fault is there throughout or at unknown times, or if something
        else moved what was known.

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


def draw_questions(
    clip: RatedClip, rng: random.Random, *, ask_all: bool = False
) -> dict[str, tuple[dict[str, Any], list[float]]]:
    """Draw questions about a clip whose causes are known.

    Args:
        clip: From a simulated corpus; ``extra["content"]`` says what it contains, ``extra["label"]`` whether it is fake.
        ask_all: Whether to ask about every fault and, where it is known, whether the speech is fake: then answers are
            as frequent as in the corpus, and probabilities mean that; and when each fault that comes and goes is heard,
            and one that is not there. Else about one fault that is there and one that is not, each every other time.

    Returns:
        Name to question and shares of its answers, in the order of the answers (true, false; or the criteria); for a
        ``span`` question its (start, end) in seconds. Nothing for a clip whose faults are not known.
    """
    # The draws and their order are the data: another order makes other examples of the same seed
    content = clip.extra.get("content")
    if content is None or content == "wild":
        return {}
    drawn = {}
    heard = content if content in ("noise", "music", "silence") else "speech"
    if heard != "speech" or rng.random() < 0.1:
        drawn["content"] = (CONTENT_QUESTION, [float(heard == option) for option in CONTENT_QUESTION["criteria"]])
    if heard != "speech":
        return drawn
    shares = {kind: _share(kind, clip.causes) for kind in FAULT_QUESTIONS}
    if ask_all:
        kinds = list(FAULT_QUESTIONS)
    else:
        present = [kind for kind, share in shares.items() if share > 0.5]
        absent = [kind for kind, share in shares.items() if share < 0.5]
        kinds = [rng.choice(kinds) for kinds in (present, absent) if kinds and rng.random() < 0.5]
    for kind in kinds:
        wording = rng.randrange(len(FAULT_QUESTIONS[kind]))
        drawn[kind] = (fault_question(kind, wording), _both(shares[kind]))
    if ask_all and "label" in clip.extra:
        asked = detect.question(rng.randrange(len(wordings("detect_question")[0])))
        drawn["fake"] = (asked, _both(float(clip.extra["label"] == "fake")))
    return drawn | _draw_spans(clip, rng, ask_all)


def _draw_spans(clip: RatedClip, rng: random.Random, ask_all: bool) -> dict[str, tuple[dict[str, Any], Any]]:
    spans = {name: known_spans(name, clip.causes) for name in SPAN_QUESTIONS}
    there = [name for name, found in spans.items() if found]
    absent = [name for name, found in spans.items() if found == []]  # None is unknown, which is not asked about
    if ask_all:
        chosen = [*there, *rng.sample(absent, min(1, len(absent)))]
    elif not (there or absent) or rng.random() < 0.2:
        chosen = []
    else:
        name = rng.choice(there if there and rng.random() < 0.75 else [*there, *absent])
        chosen = [] if name not in there and rng.random() < 0.6 else [name]
    numbers = {name: rng.randrange(len(SPAN_QUESTIONS[name][0])) for name in chosen}
    return {f"when_{name}": (span_question(name, number), spans[name]) for name, number in numbers.items()}


def _both(share: float) -> list[float]:
    # Of the answers yes and no
    return [share, round(1 - share, 6)]


def _share(kind: str, causes: tuple[Cause, ...]) -> float:
    return max(
        (_SHARE_BY_SEVERITY[severity(cause)] for cause in causes if cause.kind == kind), default=_SHARE_IF_ABSENT
    )
