"""The categorize task: one rubric, one of its level names."""

import re
from dataclasses import dataclass

from audio_judge.rubrics import Rubric, get_rubric, pick
from audio_judge.tasks.common import ParseError, with_reference_note

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


def ask(rubric: str | Rubric, *, phrasing: int | str = 0, held_out: bool = False, with_reference: bool = False) -> str:
    """Write the user's request for a level; the caller places the audio.

    Args:
        rubric: Rubric or its name.
        phrasing: Number of one of ``PHRASINGS``, or an own text with the fields of ``Rubric.fill``.
        held_out: Number ``HELD_OUT_PHRASINGS`` instead.
        with_reference: Whether a clean reference is given beside the degraded clip.

    Raises:
        IndexError: If there is no phrasing of that number.

    Example:
        >>> ask("mos")
        'Which level of overall quality fits this clip: bad, poor, fair, good, excellent?'
    """
    text = get_rubric(rubric).fill(pick(PHRASINGS, HELD_OUT_PHRASINGS, phrasing, held_out))
    return with_reference_note(text, phrasing, held_out) if with_reference else text


def write(target: CategoryTarget) -> str:
    """Write a level name.

    Args:
        target: What to write.

    Example:
        >>> write(CategoryTarget(get_rubric("mos"), "fair"))
        'fair'
    """
    return target.level


def grammar(rubric: str | Rubric) -> list[str]:
    """List all answers the task can write, lowest level first.

    Args:
        rubric: Rubric or its name.

    Example:
        >>> grammar("mos")
        ['bad', 'poor', 'fair', 'good', 'excellent']
    """
    return list(get_rubric(rubric).levels)


def parse(text: str, rubric: str | Rubric, *, strict: bool = False) -> CategoryTarget:
    """Read a level from an answer.

    Args:
        text: The answer.
        rubric: Rubric or its name that was asked for.
        strict: Whether only a level name as written counts. Otherwise case and a sentence around it do not matter;
            the longest name wins ("very noisy" is not "noisy").

    Raises:
        ParseError: If there is no level, several, or a denied one ("not bad").

    Example:
        >>> parse("I find it very noisy.", "noisiness").level
        'very noisy'
    """
    chosen = get_rubric(rubric)
    if strict:
        if text not in chosen.levels:
            raise ParseError(f"{chosen.name}: {text!r} is none of {', '.join(chosen.levels)}")
        return CategoryTarget(chosen, text)
    by_name = {level.casefold(): level for level in chosen.levels}
    plain = " ".join(re.sub(r"[*_`~]", "", text).casefold().split())
    longest_first = "|".join(map(re.escape, sorted(by_name, key=len, reverse=True)))
    matches = list(re.finditer(rf"(?<!\w)(?:{longest_first})(?!\w)", plain))
    found = {by_name[match[0]] for match in matches}
    if len(found) != 1:
        raise ParseError(f"{chosen.name}: {len(found)} levels in {text!r}; one of {', '.join(chosen.levels)} expected")
    clauses = (re.split(r"[.;:,!?]", plain[: match.start()])[-1] for match in matches)
    if any(_NEGATION.search(clause) for clause in clauses):
        raise ParseError(f"{chosen.name}: {text!r} denies a level; one of {', '.join(chosen.levels)} expected")
    return CategoryTarget(chosen, found.pop())
