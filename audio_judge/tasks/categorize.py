"""The categorize task: one rubric, one of its level names."""

import re
from dataclasses import dataclass

from audio_judge.languages import is_denied, name_pattern, simplified, wordings
from audio_judge.rubrics.rubric import Rubric, get_rubric, in_language, pick
from audio_judge.tasks.common import Facts, ParseError, Traits, read_in, with_reference_note

PHRASINGS = (
    "Which level of {label} fits this clip: {levels}?",
    "Describe the {label} with one of these: {levels}.",
    "Pick one for the {label}: {levels}.",
    "{definition} Choose the fitting level of {label}: {levels}.",
    "How is the {label}? Answer with one of: {levels}.",
    "Classify the {label} of the recording. Classes: {levels}.",
    "What category does the {label} fall into? Options: {levels}.",
    "In one term, how is the {label} of the speech? Use {levels}.",
    "Would you call the {label} of this clip {levels}?",
    "Label this sample for {label}. Allowed labels: {levels}.",
    "Please choose the level of {label} from this list: {levels}.",
    "Sort this clip by {label} into one of these groups: {levels}.",
    "{label}: {levels}?",
    "Listen and tell me which of these suits the {label}: {levels}.",
    "Assign a verbal rating of {label}. Levels, lowest first: {levels}.",
    "Rate the {label} in words. The words to use are {levels}.",
    "What would most listeners tick for {label}? The boxes say {levels}.",
    "No number, please: name the {label} as one of {levels}.",
    "Judge the {label}. {definition} Say one of {levels}.",
    "Choose a category for {label} from: {levels}.",
    "I want to know the {label} of this file. It is one of {levels}.",
    "Quick one: {label}? Say {levels}.",
)
HELD_OUT_PHRASINGS = (
    "Which of the following best sums up the {label}: {levels}?",
    "Name the class of {label} this recording belongs to ({levels}).",
    "Give a word for the {label}; the choices are {levels}.",
    "If you had to tick one box for {label}, which would it be: {levels}?",
    "State the {label} as a category, using only {levels}.",
    "Select from {levels} to describe the {label} of this audio.",
)

_NEGATION = re.compile(r"\b(?:not|never|neither|nor|hardly|no|isn['’]t|wouldn['’]t|cannot|can['’]t|don['’]t)\b", re.I)


@dataclass(frozen=True)
class CategoryTarget:
    """A level of one rubric.

    Args:
        rubric: What is categorised.
        level: One of the rubric's level names.

    Raises:
        ValueError: If the rubric has no such level.
    """

    rubric: Rubric
    level: str

    def __post_init__(self) -> None:
        if self.level not in self.rubric.levels:
            raise ValueError(f"{self.rubric.name}: no level {self.level!r}; levels: {', '.join(self.rubric.levels)}")


TRAITS = Traits("one", ("levels",))


def facts(target: CategoryTarget) -> Facts:
    """What a level states."""
    return Facts(levels={target.rubric.name: target.level})


def ask(
    rubric: str | Rubric,
    *,
    phrasing: int | str = 0,
    held_out: bool = False,
    with_reference: bool = False,
    language: str = "en",
) -> str:
    """Write the user's request for a level; the caller places the audio.

    Args:
        rubric: Rubric or its name.
        phrasing: Number of one of ``PHRASINGS``, or an own text with the fields of ``Rubric.fill``.
        held_out: Number ``HELD_OUT_PHRASINGS`` instead.
        with_reference: Whether a clean reference is given beside the degraded clip.
        language: Of the request; one of ``audio_judge.languages.LANGUAGES``.

    Raises:
        IndexError: If there is no phrasing of that number.

    Example:
        >>> ask("mos")
        'Which level of overall quality fits this clip: bad, poor, fair, good, excellent?'
    """
    phrasings = wordings("categorize", language, (PHRASINGS, HELD_OUT_PHRASINGS))
    text = get_rubric(rubric).fill(pick(*phrasings, phrasing, held_out), language)
    return with_reference_note(text, phrasing, held_out, language) if with_reference else text


def write(target: CategoryTarget, language: str = "en") -> str:
    """Write a level name.

    Args:
        target: What to write.
        language: Of the answer.

    Example:
        >>> write(CategoryTarget(get_rubric("mos"), "fair"))
        'fair'
    """
    return in_language(target.rubric, language).levels[target.rubric.levels.index(target.level)]


def grammar(rubric: str | Rubric, language: str = "en") -> list[str]:
    """List all answers the task can write, lowest level first.

    Args:
        rubric: Rubric or its name.
        language: Of the answers.

    Example:
        >>> grammar("mos")
        ['bad', 'poor', 'fair', 'good', 'excellent']
    """
    return list(in_language(get_rubric(rubric), language).levels)


def parse(text: str, rubric: str | Rubric, *, strict: bool = False, language: str = "en") -> CategoryTarget:
    """Read a level from an answer.

    Args:
        text: The answer.
        rubric: Rubric or its name that was asked for.
        strict: Whether only a level name as written counts. Otherwise case and a sentence around it do not matter;
            the longest name wins ("very noisy" is not "noisy").
        language: Of the answer; unless strict, its words may show another.

    Raises:
        ParseError: If there is no level, several, or a denied one ("not bad").

    Example:
        >>> parse("I find it very noisy.", "noisiness").level
        'very noisy'
    """
    chosen = get_rubric(rubric)

    def read(spoken: str) -> CategoryTarget:
        words = in_language(chosen, spoken)
        level = _read_strict(text, words) if strict else _read(text, words, spoken)
        return CategoryTarget(chosen, chosen.levels[words.levels.index(level)])

    return read_in(text, language, strict, read)


def _read_strict(text: str, rubric: Rubric) -> str:
    if text not in rubric.levels:
        raise ParseError(f"{rubric.name}: {text!r} is none of {', '.join(rubric.levels)}")
    return text


def _read(text: str, chosen: Rubric, language: str) -> str:
    """Find the one level that a text names and does not deny."""
    by_name = {level.casefold(): level for level in chosen.levels}
    plain = " ".join(re.sub(r"[*_`~]", "", text).casefold().split())
    plain = plain if language == "en" else simplified(plain)
    longest_first = "|".join(map(re.escape, sorted(by_name, key=len, reverse=True)))
    pattern = rf"(?<!\w)(?:{longest_first})(?!\w)" if language == "en" else name_pattern(list(by_name))
    matches = list(re.finditer(pattern, plain))
    found = {by_name[match[0]] for match in matches}
    if len(found) != 1:
        raise ParseError(f"{chosen.name}: {len(found)} levels in {text!r}; one of {', '.join(chosen.levels)} expected")
    clauses = (re.split(r"[.;:,!?]", plain[: match.start()])[-1] for match in matches)
    if language == "en":
        denied = any(_NEGATION.search(clause) for clause in clauses)
    else:
        denied = any(is_denied(plain, *match.span(), language) for match in matches)
    if denied:
        raise ParseError(f"{chosen.name}: {text!r} denies a level; one of {', '.join(chosen.levels)} expected")
    return found.pop()
