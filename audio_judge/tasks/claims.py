"""What running text claims about each aspect of a clip, read by rule: how good or bad, and for loudness in which direction.

For texts that others wrote, such as a language model from ratings; what our own tasks write is read by their ``parse``. A
claim is a part of the scale, since words are no numbers: "slightly noisy" fits 4 and 3.5, and not 1. The reader knows an
aspect's words, their degrees and denials; it does not understand sentences, so what it cannot place claims nothing.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, NamedTuple

from audio_judge.languages import get_language, simplified, whole_words
from audio_judge.languages.words import Claims
from audio_judge.rubrics.rubric import get_rubric

Direction = Literal["", "low", "high"]
DIRECTIONS: tuple[Direction, Direction] = ("low", "high")
# What is said to be distorted may be any of these
DISTORTING = ("noisiness", "coloration", "discontinuity")
# How far a score may lie outside of what is claimed, as a share of the scale: three quarters of the way to the next level
SLACK = 0.1875

# What is claimed, from 0 (worst) to 1 (best), by what is named and how. Of a fault, such as "noisy"
_FAULT = {
    "": (0, 0.375),
    "strong": (0, 0.19),
    "some": (0.31, 0.625),
    "slight": (0.56, 0.75),
    "hardly": (0.69, 1),
    "mention": (0, 0.81),
    "denied": (0.875, 1),
    "denied degree": (0.56, 1),
}
# Of a virtue, such as "clean"
_VIRTUE = {
    "": (0.875, 1),
    "fully": (0.94, 1),
    "mostly": (0.75, 0.94),
    "some": (0.31, 0.69),
    "denied": (0, 0.44),
    "denied degree": (0.31, 0.69),
}
# The whole is spoken of more loosely: a voice may be clear although something disturbs it
_FAULT_OF_ALL = _FAULT | {"": (0, 0.5), "strong": (0, 0.375), "slight": (0.25, 0.81), "denied": (0.5, 1)}
_VIRTUE_OF_ALL = _VIRTUE | {"": (0.625, 1), "fully": (0.75, 1), "mostly": (0.5, 1), "denied": (0, 0.625)}
_SAID = {
    "excellent": (0.875, 1),
    "good": (0.75, 1),
    "fair": (0.375, 0.625),
    "poor": (0, 0.31),
    "terrible": (0, 0.125),
    "not good": (0, 0.44),
    "not poor": (0.375, 1),
    "quite good": (0.5, 0.875),
    "rather poor": (0.19, 0.56),
}
_DIRECTED = {"": (0, 0.69), "greatly": (0, 0.25), "slightly": (0.5, 0.8)}


@dataclass(frozen=True)
class Claim:
    """One thing that a text says.

    Args:
        aspect: Name of the rubric; ``distortion`` is the worst of ``DISTORTING``.
        low: Lowest of the scores that it would be true of, as ``Rubric.goodness`` from 0 (worst) to 1 (best).
        high: Highest of them.
        words: Part of the sentence that says so.
        direction: What is wrong with the loudness: ``low`` for too quiet, ``high`` for too loud.
        clip: ``A`` or ``B``, if it is about one of two clips.
        is_better: Whether that clip is said to be better than the other one, or worse; None for no comparison, and
            without one ``low`` and ``high`` count.
    """

    aspect: str
    low: float
    high: float
    words: str
    direction: Direction = ""
    clip: str = ""
    is_better: bool | None = None


class _Found(NamedTuple):
    # A word of an aspect, and the part of the sentence that it stands in
    aspect: str
    kind: str
    start: int
    end: int


@dataclass(frozen=True)
class _Around:
    # Lower-case text around a word: all since the clause began, a few words before it, and what is said of it behind it
    reach: str
    near: str
    said: str
    after: str
    part: str


def read_claims(text: str, language: str = "en") -> list[Claim]:
    """Read what a text claims about NISQA's aspects and the whole.

    Args:
        text: Running text about one clip, or about SpeechA and SpeechB.

    Returns:
        In the order of the text.

    Raises:
        ValueError: If free text of the language cannot be read.

    Example:
        >>> [(one.aspect, one.low, one.high) for one in read_claims("It is quite noisy, but the voice sounds natural.")]
        [('noisiness', 0, 0.375), ('coloration', 0.875, 1)]
    """
    spoken = get_language(language).claims
    if spoken is None:
        raise ValueError(f"language {language!r}: what free text claims can be read in English only")
    found, clip = [], ""
    for sentence in re.split(r"(?<=[.!?])\s+|[;\n]+", simplified(text)):
        claims, clip = _of_sentence(sentence, spoken, clip)
        found += claims
    return found


def contradiction(claim: Claim, scores: Mapping[str, float], direction: Direction = "") -> str:
    """Say what is wrong with a claim about one clip, in a few words that can be counted; empty if nothing is.

    Args:
        claim: No comparison.
        scores: Name of a rubric to its score.
        direction: What is known to be wrong with the loudness; empty for not known.

    Example:
        >>> (claim,) = read_claims("The speech is quite noisy.")
        >>> contradiction(claim, {"noisiness": 4.2}), contradiction(claim, {"noisiness": 2.0})
        ('noisiness: against the rating', '')
    """
    if claim.direction and claim.direction != direction:
        return f"{claim.aspect}: {'the other' if direction else 'no known'} direction"
    goodness = _goodness(claim.aspect, scores)
    if goodness is None:
        return f"{claim.aspect}: not rated"
    is_true = claim.low - SLACK <= goodness <= claim.high + SLACK
    return "" if is_true else f"{claim.aspect}: against the rating"


def _goodness(aspect: str, scores: Mapping[str, float]) -> float | None:
    names = DISTORTING if aspect == "distortion" else (aspect,)
    known = [get_rubric(name).goodness(scores[name]) for name in names if name in scores]
    return min(known, default=None)


def _of_sentence(sentence: str, spoken: Claims, clip: str) -> tuple[list[Claim], str]:
    """Claims of a sentence, and the clip of two that was named last; ``clip`` is that of the last one."""
    plain, named = sentence.casefold(), list(_compiled(spoken.clip).finditer(sentence))
    claims = []
    for word in _words(plain, spoken):
        around = _around(plain, word, spoken)
        if re.search(spoken.supposed, around.part):
            continue
        claim = _compared(word, around, spoken) if named or clip else None
        claim = claim or _absolute(word, around, spoken)
        if claim is not None:
            claims.append(replace(claim, clip=_clip_of(word, plain, named, spoken) or clip))
    subjects = [match for match in named if not _is_standard(plain[: match.start()], spoken)]
    return claims, _letter(subjects[-1]) if subjects else clip


def _words(plain: str, spoken: Claims) -> list[_Found]:
    """All words of aspects in a sentence, the longest where they overlap, in their order."""
    found = [
        _Found(aspect, kind, match.start(), match.end())
        for aspect, kind, pattern in _patterns(spoken)
        for match in pattern.finditer(plain)
    ]
    kept: list[_Found] = []
    for one in sorted(found, key=lambda one: (one.start - one.end, one.start)):
        if all(one.end <= other.start or one.start >= other.end for other in kept):
            kept.append(one)
    return sorted(kept, key=lambda one: one.start)


def _patterns(spoken: Claims) -> Iterator[tuple[str, str, re.Pattern[str]]]:
    for side in DIRECTIONS:
        yield "loudness", side, _compiled(whole_words(getattr(spoken, side)))
    for aspect, words in spoken.aspects.items():
        for kind in ("worse", "better", "faults", "virtues", "subjects"):
            yield aspect, kind, _compiled(whole_words(getattr(words, kind)))
    for kind in ("inferior", "preferred"):
        yield "mos", kind, _compiled(whole_words(getattr(spoken, kind)))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def _around(plain: str, word: _Found, spoken: Claims) -> _Around:
    before, after = plain[: word.start], plain[word.end :]
    reach = _compiled(spoken.breaks).split(before)[-1]
    part = re.split(r",", reach)[-1]
    ending = re.split(r",(?!\s*\w+\s*,)", _compiled(spoken.breaks).split(after)[0])[0]
    linked = re.match(spoken.links, ending)
    said = " ".join(ending[linked.end() :].split()[:4]) if linked else ""
    near = " ".join(part.split()[-4:])
    if (
        word.kind == "virtues" or word.aspect == "loudness"
    ):  # whose patterns may hold a degree: "the loudness is almost right"
        near = f"{near} {plain[word.start : word.end]}"
    return _Around(reach, near, said, ending, f"{part}{plain[word.start : word.end]}{ending}")


def _degree(text: str, spoken: Claims, *kinds: str) -> str:
    return next((kind for kind in kinds if re.search(whole_words(spoken.degrees[kind]), text)), "")


def _absolute(word: _Found, around: _Around, spoken: Claims) -> Claim | None:
    """What is said of a clip by itself."""
    is_denied = bool(re.search(spoken.denied, around.reach))
    if word.kind in DIRECTIONS:
        return _directed(word, around, spoken, is_denied)
    if word.kind == "faults":
        table, how = (_FAULT_OF_ALL if word.aspect == "mos" else _FAULT), _of_fault(around, spoken, is_denied)
    elif word.kind == "virtues":
        table, how = (_VIRTUE_OF_ALL if word.aspect == "mos" else _VIRTUE), _of_virtue(around, spoken, is_denied)
    elif word.kind == "subjects":
        table, how = _SAID, _of_subject(around, spoken, is_denied)
        if not how:
            return None
    else:
        return None
    return Claim(word.aspect, *table[how], words=around.part.strip())


def _directed(word: _Found, around: _Around, spoken: Claims, is_denied: bool) -> Claim:
    if is_denied:  # "neither too loud nor too quiet"
        return Claim("loudness", *_FAULT["denied degree"], words=around.part.strip())
    how = _degree(around.part, spoken, "slightly", "greatly")
    direction: Direction = "low" if word.kind == "low" else "high"
    return Claim("loudness", *_DIRECTED[how], words=around.part.strip(), direction=direction)


def _of_fault(around: _Around, spoken: Claims, is_denied: bool) -> str:
    is_denied = is_denied or bool(re.search(spoken.absent, around.said) or re.search(spoken.absent, around.near))
    trailing = re.match(spoken.trailing, around.after)
    said = f"{around.near} | {around.said} | {trailing[0] if trailing else ''}"
    how = _degree(said, spoken, "hardly", "slight", "some", "strong")
    if is_denied:
        return "denied degree" if how else "denied"
    return how or ("mention" if re.search(spoken.mentions, around.near) else "")


def _of_virtue(around: _Around, spoken: Claims, is_denied: bool) -> str:
    how = _degree(around.near, spoken, "hardly", "mostly", "some", "fully")
    if is_denied or how == "hardly":
        return "denied degree" if how in ("fully", "mostly") else "denied"
    return how


def _of_subject(around: _Around, spoken: Claims, is_denied: bool) -> str:
    text = around.said or " ".join(around.near.split()[-3:])
    said = _degree(text, spoken, "excellent", "terrible", "good", "poor", "fair")
    if not said:
        return ""
    is_denied = is_denied or bool(re.search(spoken.denied, f"{around.said.partition(said)[0]} "))
    is_denied = is_denied or bool(re.search(r"\b(?:not|never|n't)\b", around.said))
    is_good = said in ("excellent", "good")
    if is_denied:
        return "not good" if is_good else "fair" if said == "fair" else "not poor"
    if _degree(text, spoken, "slight", "some", "mostly"):
        return "quite good" if said == "good" else "rather poor" if said == "poor" else said
    return said


def _compared(word: _Found, around: _Around, spoken: Claims) -> Claim | None:
    """What is said of a clip in comparison with the other one."""
    if re.search(spoken.denied, around.reach):
        return None  # "not better" leaves open whether it is worse
    is_whole = word.kind in ("preferred", "inferior")
    if is_whole and re.match(rf"[^,]*\b{spoken.regarding}", around.after):
        return None  # in an aspect, which is named behind it
    text = f"{around.near} | {around.said}"
    # By what is named, the words beside it that make it better than elsewhere, and those that make it worse
    beside = {
        "faults": (spoken.less, spoken.more),
        "virtues": (spoken.more, spoken.less),
        "subjects": (spoken.preferred, spoken.inferior),
    }
    is_better = {"better": True, "preferred": True, "worse": False, "inferior": False}.get(word.kind)
    for value, pattern in zip((True, False), beside.get(word.kind, ()), strict=False):
        if is_better is None and re.search(whole_words(pattern), text):
            is_better = value
    # "SpeechA beats SpeechB in noisiness": better or worse stands before the aspect
    for value, pattern in ((True, spoken.preferred), (False, spoken.inferior)):
        if word.kind in beside and re.search(rf"{whole_words(pattern)}[^,]*\b{spoken.regarding}[^.]*\Z", around.reach):
            is_better = value
    return None if is_better is None else Claim(word.aspect, 0, 1, around.part.strip(), is_better=is_better)


def _clip_of(word: _Found, plain: str, named: list[re.Match[str]], spoken: Claims) -> str:
    """The clip that a word is about: "in SpeechA" right behind it, else the last one before it, else the first one behind."""
    behind = re.match(rf"(?:\s+\w+){{0,1}}\s+(?:in|of|from|for)\s+{spoken.clip}", plain[word.end :], re.IGNORECASE)
    if behind and word.kind not in ("preferred", "inferior"):
        return _letter(behind)
    subjects = [match for match in named if not _is_standard(plain[: match.start()], spoken)]
    before = [match for match in subjects if match.start() < word.start]
    return _letter(before[-1]) if before else _letter(subjects[0]) if subjects else ""


def _is_standard(before: str, spoken: Claims) -> bool:
    return bool(re.search(spoken.standard, before))


def _letter(match: re.Match[str]) -> str:
    return next(group for group in match.groups() if group).upper()
