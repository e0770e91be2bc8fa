"""The suggest task: which dimensions to improve, in a thought, and one suggestion per line in the answer."""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from audio_judge.languages import LANGUAGES, get_language, simplified, wordings
from audio_judge.rubrics.rubric import RUBRICS, SPEECHEVAL_RUBRICS, in_language, pick
from audio_judge.tasks.assess import Assessment
from audio_judge.tasks.common import Facts, ParseError, Traits
from audio_judge.tasks.thoughts import check_free_text, items, join_thought, split_thought

# An area must survive being listed with commas and "and"
_AREA = re.compile(r"(?!.*\band\b)\w(?:[\w &/'-]*\w)?")
# What may need work: SpeechEval's dimensions, and NISQA's, which say more exactly what is distorted
_ASPECTS = tuple(name for name in RUBRICS if name != "mos")
_RUBRICS = {**SPEECHEVAL_RUBRICS, **{name: RUBRICS[name] for name in _ASPECTS}}
AREAS = tuple(rubric.label for rubric in _RUBRICS.values())
# From where an overall score is nearer to good than to fair
GOOD = 0.625
_BULLET = r"\s*(?:[-*•–]\s+|\(?\d{1,2}[.):]\s+)"


@dataclass(frozen=True)
class Suggestions:
    """What to work on.

    Args:
        areas: What needs to be improved, in lower case; empty if nothing does.
        suggestions: One or more, each a line that begins with no bullet.

    Raises:
        ValueError: If there is no suggestion, or one or an area could not be read back.
    """

    areas: tuple[str, ...]
    suggestions: tuple[str, ...]

    def __post_init__(self) -> None:
        for area in self.areas:
            if not _AREA.fullmatch(area) or area != _plain(area) or area == get_language("en").texts["none"][0]:
                raise ValueError(f"area {area!r}; lower-case words with & / ' - inside, without 'and', are needed")
        if len(set(self.areas)) < len(self.areas):
            raise ValueError(f"areas {', '.join(self.areas)}; each may be named once")
        if not self.suggestions:
            raise ValueError(
                "no suggestion; say so in words if nothing needs to be improved, such as 'Keep it as it is.'"
            )
        for line in self.suggestions:
            check_free_text("suggestion", line)
            if len(line.splitlines()) != 1 or line != re.sub(rf"^{_BULLET}", "", line):
                raise ValueError(f"suggestion {line!r}; one line of text that begins with no bullet is needed")


TRAITS = Traits("none", ("areas", "words"), hears_reference=False)


def facts(target: Suggestions) -> Facts:
    """What suggestions state: the areas, and the suggestions as words."""
    return Facts(areas=target.areas, words="\n".join(target.suggestions))


def ask(*, phrasing: int | str = 0, held_out: bool = False, language: str = "en") -> str:
    """Write the user's request for suggestions; the caller places the audio.

    Example:
        >>> ask(phrasing=3)
        'How can this recording be improved? List suggestions.'
    """
    return pick(*wordings("suggest", language), phrasing, held_out)


def suggest_for(
    assessment: Assessment,
    seed: int | random.Random = 0,
    most: int = 4,
    language: str = "en",
    aspects: Mapping[str, float] = MappingProxyType({}),
) -> Suggestions:
    """Make suggestions from an assessment: for the worst dimensions, and for each distortion.

    Args:
        most: How many dimensions to name at most; those in the better half of their scale are never named,
            but for the whole where it is less than good.
        language: Of the suggestions; areas are named in English, and ``write`` translates them.
        aspects: Scores on NISQA's dimensions, which say what is distorted: they are areas in place of ``distortion``.

    Example:
        >>> suggest_for(Assessment({"mos": 3, "intelligibility": 1}, "fast")).areas
        ('speech rate', 'intelligibility')
    """
    rng = seed if isinstance(seed, random.Random) else random.Random(seed)
    rate = SPEECHEVAL_RUBRICS["speech_rate"]
    scores = dict(assessment.scores)
    if assessment.speech_rate:
        scores["speech_rate"] = float(rate.level_values[rate.levels.index(assessment.speech_rate)])
    worst = areas_for(scores, aspects, most, is_known=bool(assessment.distortions))
    spoken = get_language(language)
    advised = dict.fromkeys("distortion" if name in _ASPECTS else name for name in worst)
    lines = [rng.choice(spoken.advice[name]) for name in advised if name != "distortion" or not assessment.distortions]
    known = [distortion.kind for distortion in assessment.distortions if distortion.kind in spoken.distortion_advice]
    lines += [rng.choice(spoken.distortion_advice[kind]) for kind in dict.fromkeys(known)]
    areas = tuple(_RUBRICS[name].label for name in worst)
    return Suggestions(areas, tuple(lines) or (rng.choice(spoken.texts["no_advice"]),))


def areas_for(
    scores: Mapping[str, float], aspects: Mapping[str, float], most: int = 4, *, is_known: bool = False
) -> list[str]:
    """Names of the rubrics that need work, the worst first.

    Args:
        scores: On SpeechEval's dimensions.
        aspects: On NISQA's, which say what is distorted; then ``distortion`` itself is no area.
        most: How many at most; those in the better half of their scale are none.
        is_known: Whether it is known what is distorted, so that the whole is no area either.

    Example:
        >>> areas_for({"mos": 2.0, "distortion": 1.5}, {"noisiness": 1.5, "loudness": 4.0})
        ['noisiness']
    """
    rated = {**scores, **{name: value for name, value in aspects.items() if name in _ASPECTS}}
    goodness = {name: _RUBRICS[name].goodness(value) for name, value in rated.items()}
    asked = [name for name in _RUBRICS if name != "mos" and not (aspects and name == "distortion")]
    names = [name for name in asked if goodness.get(name, 1.0) <= 0.5]
    # What is not good on the whole needs something, though no dimension says what
    if not names and not is_known and goodness.get("mos", 1.0) < GOOD:
        names = ["mos"]
    # Ties keep the order of the table; a wrong pace is as far off as a scale can be, so it comes first.
    return sorted(names, key=lambda name: (goodness[name], name != "speech_rate"))[:most]


def write(target: Suggestions, language: str = "en") -> str:
    """Write suggestions: areas in the thought, one line each in the answer.

    Areas that are labels of rubrics are put into the language; the suggestions stay as they are.

    Example:
        >>> print(write(Suggestions(("speech rate",), ("Speak slower.",))))
        <think>
        The dimensions with the lowest scores need work first.
        Key improvement areas: speech rate
        </think>
        <BLANKLINE>
        <answer>
        Speak slower.
        </answer>
    """
    texts, marks = get_language(language).texts, get_language(language).marks
    areas = [_areas(language).get(area, area) for area in target.areas] or [texts["none"][0]]
    think = f"{texts['suggest_header'][0]}\n{texts['areas'][0]}{marks['colon']}{marks['comma'].join(areas)}"
    return join_thought(think, "\n".join(target.suggestions))


@cache
def _areas(language: str) -> dict[str, str]:
    # English label to the label in the language
    return {rubric.label: in_language(rubric, language).label for rubric in _RUBRICS.values()}


def parse(text: str, *, strict: bool = False, language: str = "en") -> Suggestions:
    r"""Read suggestions.

    Unless strict, bullets, numbers, empty lines, headers and a missing thought do not matter, and the thought may be in
    any of our languages.

    Raises:
        ParseError: If there is no suggestion, or (strict) the text is not as written.

    Example:
        >>> parse("Key improvement areas: Speech rate.\n1. Speak slower.\n2. Pause more.").suggestions
        ('Speak slower.', 'Pause more.')
    """
    think, answer = split_thought(text, strict=strict)
    titles = [get_language(code).texts["areas"][0].casefold() for code in LANGUAGES]
    named = next((value for name, value in items(simplified(think or answer)) if name in titles), "")
    areas = [_english(_plain(area)) for area in re.split(r"[,;、]|\band\b", named)]
    nothing = {_plain(get_language(code).texts["none"][0]) for code in LANGUAGES}
    usable = dict.fromkeys(area for area in areas if _AREA.fullmatch(area) and area not in nothing)
    # No area is left if what was named is "none"; an odd name is passed over rather than the whole answer refused
    try:
        target = Suggestions(tuple(usable), tuple(answer.split("\n")) if strict else _lines(answer))
    except ValueError as error:
        raise ParseError(f"{error}; in {text!r}") from error
    if strict and write(target, language) != text:
        raise ParseError(f"{text!r} should be written {write(target, language)!r}")
    return target


def _english(area: str) -> str:
    for language in LANGUAGES:
        for english, label in _areas(language).items():
            if area == label.casefold():
                return english
    return area


def _lines(answer: str) -> tuple[str, ...]:
    plain = (re.sub(r"[*`]+", "", re.sub(rf"^(?:{_BULLET})+", "", line)).strip() for line in answer.splitlines())
    wordy = (line for line in plain if re.search(r"[^\W\d]{2}", line))
    # The line of areas stands among the suggestions if a model does not think
    titles = tuple(get_language(code).texts["areas"][0].casefold() for code in LANGUAGES)
    return tuple(line for line in wordy if not line.strip(" #-").casefold().startswith(titles))


def _plain(area: str) -> str:
    return " ".join(area.casefold().strip(" .。*`").split())
