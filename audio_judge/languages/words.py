"""What a language needs: the types of a data file such as ``zh.py``. Nothing here knows a rubric or a task."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Texts = tuple[str, ...]
Wordings = tuple[str | Texts, ...]


@dataclass(frozen=True)
class RubricWords:
    """A rubric in a language.

    Args:
        label: How running text names it.
        levels: Level names from the lowest score to the highest, as many in each language.
        definition: One sentence that says what is judged and what its two ends mean.
        questions: Short questions, at least one.
    """

    label: str
    levels: Texts
    definition: str
    questions: Texts


@dataclass(frozen=True)
class CauseWords:
    """A kind of fault in a language.

    Args:
        phrases: What is heard if it is slight, clear and strong; each has one wording or more, or groups of them that
            are as likely as each other. A phrase that ends like a sentence is one, else it is put into a frame.
            ``{direction}`` is such as "too loud".
        effects: Sentences that say what it does.
        pattern: Regular expression that finds it in text; must find every phrase and no phrase of another kind.
    """

    phrases: tuple[Wordings, Wordings, Wordings]
    effects: Texts
    pattern: str


@dataclass(frozen=True)
class SpokenOf:
    """How running text speaks of one aspect: regular expressions of whole words.

    Args:
        faults: Names of what is wrong, as nouns or adjectives.
        virtues: The same of what is right.
        subjects: What it is called, of which text says that it is good or poor.
        worse: Comparatives that give it to the other clip; ``better`` to this one.
    """

    faults: str
    virtues: str
    subjects: str
    worse: str
    better: str


@dataclass(frozen=True)
class Claims:
    """What it takes to read from running text how good or bad each aspect is said to be.

    Args:
        aspects: Rubric to how it is spoken of; ``distortion`` stands for the worst of the others.
        low: Says that it is too quiet, ``high`` that it is too loud.
        degrees: Strength of what is said to the words for it: ``hardly``, ``slight``, ``some``, ``strong``; ``slightly``
            and ``greatly`` of a wrong loudness; ``mostly`` and ``fully`` of virtues; ``excellent``, ``good``, ``fair``, ``poor``, ``terrible`` of subjects.
        more: Words before a fault that make it worse than elsewhere, or before a virtue that make it better; ``less`` the
            opposite. ``preferred`` and ``inferior`` say so of a whole clip.
        denied: What before a word denies it, and how far it reaches; ``absent``: what after it says that it is not there.
        breaks: Where a clause ends.
        links: Between a word and what is said of it behind it.
        clip: Names one of two clips, whose letter is its only group that matched; ``standard``, before a clip: the other one
            is compared with it.
        regarding: Between ``preferred`` and the aspect in which it is.
        trailing: A degree right behind a fault.
        mentions: Before a fault: it is spoken of as known, without saying how strong it is.
        supposed: A clause that says what would be, and claims nothing.
    """

    aspects: Mapping[str, SpokenOf]
    low: str
    high: str
    degrees: Mapping[str, str]
    more: str
    less: str
    preferred: str
    inferior: str
    denied: str
    absent: str
    breaks: str
    links: str
    clip: str
    standard: str
    regarding: str
    trailing: str
    mentions: str
    supposed: str


@dataclass(frozen=True)
class Asked:
    """Yes-or-no questions, and what they ask about: what means the same as a question that judges learn.

    What is asked about is a key of ``tasks.faults.SAME_QUESTIONS`` or, in ``things``, of ``tasks.faults.SPAN_QUESTIONS``.

    Args:
        frames: Questions about a thing, which stands for ``{}``.
        things: What is asked about to its names.
        whole: What is asked about to whole questions.
        beside: Regular expression of what changes no meaning, such as "in this recording", and is left out.
        subjects: Regular expression of what the clip is called, all of which are ``it``.
        it: What stands for them.
    """

    frames: Texts
    things: Mapping[str, Texts]
    whole: Mapping[str, Texts]
    beside: str
    subjects: str
    it: str


@dataclass(frozen=True)
class Language:
    """All words of one language; keys and placeholders are those of ``en.py``.

    Args:
        code: ISO 639-1.
        name: What its speakers call it.
        marks: ``colon``, ``comma`` (of a list), ``and``, ``series`` (between times, and between what is said of a
            speaker, in a sentence), ``semicolon``, ``open`` and ``close`` (brackets), ``space`` (between sentences),
            ``decimal``.
        patterns: Regular expressions. ``clause_end``: what ends the clause that a denial reaches. ``real`` and
            ``fake``. ``judged``: a sentence that calls the clip it names first ``better`` or ``worse``, with groups
            of these names and ``clip``; ``reversed``, beside the clip: it is the standard. ``verdict_a``,
            ``verdict_b`` and ``verdict_tie``: the texts of these names, in lower case, or other words for them. ``too_quiet`` and
            ``too_loud``: what says so of the level.
        denials: What may be denied (``cause``, ``level``, ``verdict``, ``winner``) to regular expressions of the
            words before it and after it that do so.
        numbers: Pairs of a pattern and its replacement that bring ways to write a score into the form "3.4/5".
        rubrics: Name of a rubric to its words.
        phrasings: Name of a kind of request to its wordings.
        held_out: The same, kept out of training.
        texts: Parts of answers.
        names: ``distortions`` and ``genders``: English word to the word in this language; ``heard``: a type of distortion to what a
            sentence says is heard. ``titles``: rubric to its
            line in an assessment.
        directions: Kind of fault to below, above and unknown.
        dimensions: Rubric to sentences of an explanation for each fifth of its scale, worst first.
        descriptions: The same of a description. Other rubrics have ``texts["described"]``; if that is empty, they are
            spoken of as in an explanation.
        causes: Kind of fault to its words.
        advice: Rubric to suggestions.
        distortion_advice: Type of distortion to suggestions.
        asked: Questions about faults in other words than those that judges learn.
        claims: How to read free text about the aspects; None where only our own words are read.
    """

    code: str
    name: str
    marks: Mapping[str, str]
    patterns: Mapping[str, str]
    denials: Mapping[str, tuple[str, str]]
    numbers: tuple[tuple[str, str], ...]
    rubrics: Mapping[str, RubricWords]
    phrasings: Mapping[str, Texts]
    held_out: Mapping[str, Texts]
    texts: Mapping[str, Texts]
    names: Mapping[str, Mapping[str, str]]
    directions: Mapping[str, tuple[str, str, str]]
    dimensions: Mapping[str, tuple[Texts, ...]]
    descriptions: Mapping[str, tuple[Texts, ...]]
    causes: Mapping[str, CauseWords]
    advice: Mapping[str, Texts]
    distortion_advice: Mapping[str, Texts]
    asked: Asked
    claims: Claims | None = field(default=None)
