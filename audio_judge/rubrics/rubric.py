"""Rubrics (what can be judged) and their scales.

A rubric is data: NISQA's five are in ``RUBRICS``, those of all corpora in ``ALL_RUBRICS``, a user's own is one
``Rubric(...)``. The words of ours stand in ``audio_judge.languages``, English like the others. Answers in text are the
business of ``audio_judge.tasks``; this module only knows numbers, names and the typed question of a decision model.
"""

import difflib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from audio_judge.languages import get_language, wordings

if TYPE_CHECKING:
    import numpy as np


def _check_ends(owner: str, low: float, high: float) -> None:
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"{owner}: low {low} and high {high}; low must be smaller than high")
    # Answers are written with one decimal, and the ends must be among them
    if round(low, 1) != low or round(high, 1) != high:
        raise ValueError(f"{owner}: low {low} and high {high}; at most one decimal can be written")


@dataclass(frozen=True)
class Scale:
    """The range a score is asked on.

    Args:
        low: Lowest score, with at most one decimal, as ``high``.
        name: How people call the scale, such as ``1-5``.

    Raises:
        ValueError: If the ends are not finite, have more than one decimal, or are in the wrong order.
    """

    low: float
    high: float
    name: str = ""

    def __post_init__(self) -> None:
        _check_ends(f"scale {self.name!r}", self.low, self.high)

    def numbers(self, count: int) -> tuple[str, ...]:
        """Write evenly spaced numbers of the scale, lowest first, which may stand in place of level names.

        Args:
            count: How many, 2 or more.

        Example:
            >>> Scale(0, 100).numbers(5)
            ('0', '25', '50', '75', '100')
        """
        import numpy as np  # only here and in level_values: commands that just print their help go without

        return tuple(f"{value:g}" for value in np.linspace(self.low, self.high, count))


FIVE = Scale(1.0, 5.0, "1-5")
TEN = Scale(1.0, 10.0, "1-10")
HUNDRED = Scale(0.0, 100.0, "0-100")
BINARY = Scale(0.0, 1.0, "0-1")


def read_scale(text: str) -> Scale:
    """Read a scale as people write it, lowest and highest score.

    Raises:
        ValueError: If it is none.

    Example:
        >>> read_scale("0-100") == HUNDRED
        True
    """
    match = re.fullmatch(r"(-?\d+(?:\.\d+)?)-(-?\d+(?:\.\d+)?)", text)
    if match is None:
        raise ValueError(f"{text!r} is no scale")
    return Scale(float(match[1]), float(match[2]), text)


def convert(value: float, source: Scale, target: Scale) -> float:
    """Move a score from one scale to another, ends to ends; one outside its scale stays outside.

    Example:
        >>> convert(3.0, FIVE, HUNDRED)
        50.0
    """
    return target.low + (value - source.low) / (source.high - source.low) * (target.high - target.low)


def _check_words(rubric: "Rubric") -> None:
    levels = [level.casefold() for level in rubric.levels]
    if len(levels) < 2 or len(set(levels)) < len(levels):
        raise ValueError(f"rubric {rubric.name!r}: levels {rubric.levels}; two or more different names are needed")
    for level in rubric.levels:
        if not level or level != " ".join(level.split()):
            raise ValueError(f"rubric {rubric.name!r}: level {level!r}; a name without extra spaces is needed")
    for word in (rubric.name, rubric.label):
        # Other characters, such as the colon, separate names from scores in a profile
        if not re.fullmatch(r"\w(?:[\w &/'-]*\w)?", word):
            raise ValueError(f"rubric {word!r}: letters, digits, spaces, and & / ' - inside are allowed in a name")


@dataclass(frozen=True)
class Rubric:
    """One thing that can be judged.

    Args:
        name: Key in tables and files, such as ``noisiness``.
        definition: One sentence that says what is judged and what its two ends mean.
        low: Lowest score, with at most one decimal, as ``high``.
        levels: Level names from the lowest score to the highest, two or more.
        label: How running text names it; the name with spaces if empty.
        questions: Own short questions, tried before the general ones.
        middle_is_best: Whether the middle is the good place, as for speed; ``higher_is_better`` does not count then.

    Raises:
        ValueError: If the ends, the level names or the names are unusable; the message says which.

    Example:
        >>> Rubric("warmth", "How warm the voice is: the highest score is warm.", levels=("cold", "warm")).level_of(4.2)
        'warm'
    """

    name: str
    definition: str
    low: float = 1.0
    high: float = 5.0
    higher_is_better: bool = True
    levels: tuple[str, ...] = ("very low", "low", "medium", "high", "very high")
    label: str = ""
    questions: tuple[str, ...] = ()
    middle_is_best: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", tuple(self.levels))
        object.__setattr__(self, "label", self.label or self.name.replace("_", " "))
        _check_ends(f"rubric {self.name!r}", self.low, self.high)
        _check_words(self)

    @property
    def scale(self) -> Scale:
        """The scale its scores are on, named by its ends."""
        return Scale(self.low, self.high, f"{self.low:g}-{self.high:g}")

    @property
    def best(self) -> Literal["high", "low", "middle"]:
        """Where on its scale the good scores are; a best middle goes before the direction."""
        return "middle" if self.middle_is_best else "high" if self.higher_is_better else "low"

    @property
    def best_score(self) -> float:
        """The score that is best."""
        return {"low": self.low, "middle": (self.low + self.high) / 2, "high": self.high}[self.best]

    @property
    def best_level(self) -> str:
        """The level that is best; of an even number of levels with a best middle, the upper one of two."""
        return self.levels[{"low": 0, "middle": len(self.levels) // 2, "high": -1}[self.best]]

    def goodness(self, value: float) -> float:
        """Say how good a score is, from 0 (worst) to 1 (best) whatever the direction of the scale.

        Raises:
            ValueError: If the score is out of range.

        Example:
            >>> get_rubric("speech_rate").goodness(4.0)
            0.5
        """
        self.check(value)
        share = (value - self.low) / (self.high - self.low)
        if self.middle_is_best:
            return 1 - abs(2 * share - 1)  # 1 in the middle, 0 at both ends
        return share if self.higher_is_better else 1 - share

    @property
    def level_values(self) -> "np.ndarray":
        """Scores of the levels, evenly spaced from low to high, of shape (levels,).

        Example:
            >>> get_rubric("mos").level_values.tolist()
            [1.0, 2.0, 3.0, 4.0, 5.0]
        """
        import numpy as np

        return np.linspace(self.low, self.high, len(self.levels))

    def on(self, scale: Scale) -> "Rubric":
        """Return the same rubric asked on another scale; ``convert`` brings its scores there.

        Example:
            >>> get_rubric("noisiness").on(TEN).high
            10.0
        """
        return replace(self, low=scale.low, high=scale.high)

    def level_of(self, value: float) -> str:
        """Name the level nearest to a score; halfway goes up, as in 2.5 is fair.

        Raises:
            ValueError: If the score is out of range.

        Example:
            >>> get_rubric("mos").level_of(2.5)
            'fair'
        """
        self.check(value)
        position = (value - self.low) / (self.high - self.low) * (len(self.levels) - 1)
        return self.levels[math.floor(position + 0.5)]

    def check(self, value: float) -> None:
        """Raise a ValueError that names the rubric if a score is out of its range or not a number."""
        if not self.low <= value <= self.high:
            raise ValueError(f"{self.name}: {value} is outside {self.low:g} to {self.high:g}; clip or convert it")

    def fill(self, template: str, language: str = "en") -> str:
        """Fill ``{label}, {definition}, {levels}, {low}, {high}, {good_end}``; other braces stay as they are.

        Example:
            >>> get_rubric("mos").fill("Rate the {label} from {low} to {high} ({good_end} is best).")
            'Rate the overall quality from 1 to 5 (5 is best).'
        """
        spoken = in_language(self, language)
        fields = {
            "label": spoken.label,
            "definition": spoken.definition,
            "levels": get_language(language).marks["comma"].join(spoken.levels),
            "low": f"{self.low:g}",
            "high": f"{self.high:g}",
            "good_end": f"{self.best_score:g}",
        }
        return sentence_case(fill_fields(template, fields))

    def question(self, phrasing: int | str = 0, *, held_out: bool = False, language: str = "en") -> dict[str, Any]:
        """Write the typed question of a decision model; its ``criteria`` are the level names, lowest first.

        Example:
            >>> get_rubric("mos").question()["criteria"]
            ['bad', 'poor', 'fair', 'good', 'excellent']
        """
        text = instructions(self, phrasing, held_out=held_out, language=language)
        return {"type": "score", "instructions": text, "criteria": list(in_language(self, language).levels)}


@dataclass(frozen=True)
class Reworded(Rubric):
    """A rubric that a judge which answers in text is asked for in words other than those that it learned; it goes wherever a rubric does.

    Args:
        request: Own wording of the task's request, with the fields of ``fill``.
    """

    request: str = ""


def reworded(rubric: Rubric, request: str) -> Reworded:
    """Ask for a rubric, of a judge that answers in text, in an own wording of the request.

    Example:
        >>> reworded(get_rubric("mos"), "{label}, {low} to {high}?").fill("{label}")
        'Overall quality'
    """
    return Reworded(**{field.name: getattr(rubric, field.name) for field in fields(Rubric)}, request=request)


def in_language(rubric: Rubric, language: str) -> Rubric:
    """Put one of our rubrics, on any scale, into a language: label, level names, definition and questions.

    One that is not ours, or has own words, stays as it is, as ours do in English.

    Example:
        >>> in_language(RUBRICS["mos"], "fr").levels
        ('mauvaise', 'médiocre', 'passable', 'bonne', 'excellente')
    """
    words, ours = get_language(language).rubrics.get(rubric.name), ALL_RUBRICS.get(rubric.name)
    if words is None or ours is None or (rubric.definition, rubric.levels) != (ours.definition, ours.levels):
        return rubric
    if words.definition == ours.definition:  # English: a label or questions of its own are kept
        return rubric
    return replace(
        rubric, label=words.label, levels=words.levels, definition=words.definition, questions=words.questions
    )


def instructions(rubric: Rubric, phrasing: int | str = 0, *, held_out: bool = False, language: str = "en") -> str:
    """Write the short instructions of a typed question about one rubric.

    Args:
        phrasing: Number of a phrasing (the rubric's own questions come first), or an own text with fields.

    Example:
        >>> instructions(get_rubric("noisiness"))
        'How noisy is the speech?'
    """
    training, held_out_texts = wordings("decide", language)
    own = in_language(rubric, language).questions
    return rubric.fill(pick(own + training, held_out_texts, phrasing, held_out), language)


def pick(training: Sequence[str], held_out_texts: Sequence[str], phrasing: int | str, held_out: bool) -> str:
    """Choose a phrasing by its number, which counts in ``held_out_texts`` if ``held_out``, or take an own text.

    Raises:
        IndexError: If there is no phrasing of that number.

    Example:
        >>> pick(("a", "b"), ("c",), 1, False)
        'b'
    """
    if isinstance(phrasing, str):
        return phrasing
    texts = held_out_texts if held_out else training
    if not 0 <= phrasing < len(texts):
        raise IndexError(f"phrasing {phrasing} does not exist; use 0 to {len(texts) - 1} or an own text")
    return texts[phrasing]


def fill_fields(template: str, fields: dict[str, str]) -> str:
    """Replace ``{name}`` for the given names only, in one pass, so that text in braces of a user survives.

    Example:
        >>> fill_fields("{low} {other}", {"low": "1"})
        '1 {other}'
    """
    return re.sub(r"\{(\w+)\}", lambda match: fields.get(match[1], match[0]), template)


def fields_pattern(template: str, patterns: dict[str, str]) -> str:
    """Write the regular expression of what ``fill_fields`` writes, with a pattern for each of the given names.

    Example:
        >>> re.fullmatch(fields_pattern("{clip} hums.", {"clip": "(?P<clip>[AB])"}), "B hums.")["clip"]
        'B'
    """
    return re.sub(r"\\\{(\w+)\\\}", lambda match: patterns.get(match[1], match[0]), re.escape(template))


def sentence_case(text: str) -> str:
    """Write the first character as a capital and leave the rest alone.

    Example:
        >>> sentence_case("overall MOS")
        'Overall MOS'
    """
    return text[:1].upper() + text[1:]


def _ours(*names: str, **facts: Any) -> dict[str, Rubric]:
    # The English words stand with those of the other languages, so that no table has them twice
    words = {name: get_language("en").rubrics[name] for name in names}
    return {
        name: Rubric(name, one.definition, levels=one.levels, label=one.label, questions=one.questions, **facts)
        for name, one in words.items()
    }


RUBRICS: dict[str, Rubric] = _ours("mos", "noisiness", "coloration", "discontinuity", "loudness")
NISQA_RUBRICS = RUBRICS
SPEECHEVAL_RUBRICS: dict[str, Rubric] = {
    "mos": RUBRICS["mos"],
    **_ours("intelligibility", "distortion"),
    **_ours("speech_rate", middle_is_best=True),
    **_ours("dynamic_range", "emotional_impact", "artistic_expression", "subjective_experience"),
}
# QualiSpeech calls two of its seven like others here do; those have names of their own.
QUALISPEECH_RUBRICS: dict[str, Rubric] = {
    **_ours("speed", middle_is_best=True),
    **_ours("naturalness", "background_noise", "distortion_level", "listening_effort", "continuity"),
    "mos": RUBRICS["mos"],
}
# Listeners were asked on 1 to 10, but the published ratings also hold lower values, down to 0; see AES_DATA_SCALE.
AES_DATA_SCALE = Scale(0.0, 10.0, "0-10")
AES_RUBRICS: dict[str, Rubric] = _ours(
    "production_quality", "production_complexity", "content_enjoyment", "content_usefulness", high=10.0
)
# What a judge can learn to hear from data that is cheap to make; see audio_judge.corpora.proxies.
PROXY_RUBRICS: dict[str, Rubric] = {
    **_ours("child_voice", "whispering", low=0.0, high=1.0),
    **_ours("reverberation", "music_distortion", "sudden_silence", higher_is_better=False),
}
# What experts and listeners say of spoken language, whatever the sound; see audio_judge.corpora.rated.
SPOKEN_RUBRICS: dict[str, Rubric] = {
    **_ours("fluency", "prosody", "accuracy", "total", low=0.0, high=10.0),
    **_ours("completeness", "word_intelligibility", low=0.0, high=1.0),
}
ALL_RUBRICS: dict[str, Rubric] = (
    NISQA_RUBRICS | SPEECHEVAL_RUBRICS | QUALISPEECH_RUBRICS | AES_RUBRICS | PROXY_RUBRICS | SPOKEN_RUBRICS
)


def get_rubric(name_or_rubric: str | Rubric) -> Rubric:
    """Look up one of our rubrics by name; a rubric passes through.

    Raises:
        ValueError: If it is neither, or there is no rubric of that name; the message lists the names and the closest one.

    Example:
        >>> get_rubric("noisness")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ValueError: no rubric 'noisness'; did you mean 'noisiness'? Known: mos, noisiness, coloration, ...
    """
    if isinstance(name_or_rubric, Rubric):
        return name_or_rubric
    if not isinstance(name_or_rubric, str):
        raise ValueError(f"rubric {name_or_rubric!r}: a name or a Rubric is needed")
    if name_or_rubric in ALL_RUBRICS:
        return ALL_RUBRICS[name_or_rubric]
    close = difflib.get_close_matches(name_or_rubric.lower(), ALL_RUBRICS, n=1)
    hint = f"did you mean {close[0]!r}? " if close else "write your own with Rubric(...). "
    raise ValueError(f"no rubric {name_or_rubric!r}; {hint}Known: {', '.join(ALL_RUBRICS)}")
