"""The score task: one rubric, one number with one decimal on the rubric's own scale."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from audio_judge.clips import RatedClip
from audio_judge.languages import check_language, name_pattern, readable_numbers, rubric_labels, simplified, wordings
from audio_judge.rubrics.rubric import ALL_RUBRICS, Rubric, get_rubric, pick
from audio_judge.tasks.common import Facts, ParseError, Traits, with_reference_note
from audio_judge.tasks.thoughts import without_thought

_NUMBER = r"[0-9]+(?:[.,][0-9]+)?"
# A number stands alone: no part of a word (MP3, 16kHz), of a version (1.2.3) or of a fraction of another kind.
_VALUE = re.compile(rf"(?<![\w.,])-?{_NUMBER}(?![\w]|[.,][0-9])")
# What may follow it: "/5", "out of 5 points". It must name the end of the scale, else the number is of another scale.
_UNIT = r"(?:\s*(?:points?|stars?))?"
_OUT_OF = re.compile(
    rf"{_UNIT}(?:\s*/\s*|\s+out\s+of\s+(?:a\s+possible\s+)?|\s+of\s+)(-?{_NUMBER})(?![\w]|[.,][0-9]){_UNIT}",
    re.IGNORECASE,
)
# What was measured is no score: "10 seconds", "16 kHz"
_MEASURED = re.compile(
    rf"(?<![\w.,])-?{_NUMBER}\s*(?:k?hz|db|ms|s|sec(?:ond)?s?|min(?:ute)?s?|kbps|kbit/s)(?![\w])", re.IGNORECASE
)
# Numbers in words count where they can be nothing else: as the whole answer, or as the end of a scale
_COUNT = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_WORDS = {word: str(number) for number, word in enumerate(_COUNT)}
_WORDS |= {"hundred": "100", "one hundred": "100", "a hundred": "100"}
_WORD = "|".join(sorted(_WORDS, key=len, reverse=True))
_IN_WORDS = re.compile(
    rf"\W*(?:(?:my |the )?(?:score|rating|answer)\s*(?:is|:)\s*)?({_WORD})(?:\s+(?:out\s+)?of\s+({_WORD}|[0-9]+))?\W*"
)
_END_IN_WORDS = re.compile(rf"(?<=of )({_WORD})\b|\b({_WORD})(?=[ -]point)")
# Between the name of what is scored and its number
_STATES = r"(?:\s+(?:quality|score|rating|level))?(?:\s*[:=]|\s+(?:is|of|at|gets|as))?\s+(?:an?\s+|about\s+|around\s+)?(?=[0-9])"
# Who may be said to be a number, where the whole clip or the rubric is meant
_SUBJECT = re.compile(
    r"\b(?:the|its|my)\s+(?:[\w-]+\s+){0,2}?([\w-]+)\s+(?:is|gets|deserves|has)\s+(?:an?\s+|about\s+|around\s+)?(?=[0-9])"
)
_WHOLE = (
    *(
        "score",
        "rating",
        "quality",
        "overall",
        "mos",
        "answer",
        "value",
        "grade",
        "mark",
        "result",
        "verdict",
        "number",
    ),
    *("clip", "recording", "audio", "speech", "sample", "sound", "file"),
)
# Where, within its clause, a number is denied, only a bound, or would be right under other conditions
_CLAUSE = re.compile(r"[.;:!?\n](?![0-9])|,(?![0-9])|\bbut\b")
_NOT_BEFORE = re.compile(
    r"(?:(?:\b(?:not|never|cannot|neither|nor|rather than|instead of)|n't)\b(?:\s+[\w']+){0,4}"
    r"|\b(?:less|more|fewer|lower|higher|better|worse|greater) than(?:\s+an?)?"
    r"|\bat (?:least|most)(?:\s+an?)?|\b(?:below|above|under|over|beyond|up to|short of)(?:\s+an?)?|[<>≤≥])\W*\Z"
)
_NOT_AFTER = re.compile(
    r"\A(?:\s*[+?]|\s*(?:or|and)\s+(?:more|less|higher|lower|above|below|better|worse|up)\b|\s*at (?:best|most|least)\b)"
)
_SENTENCE = re.compile(r"[.;!?\n](?![0-9])")
_SUPPOSED = re.compile(
    r"\bif\b(?! (?:i|one) ha(?:d|ve) to| asked| forced)|\b(?:would|could|might)\b.*\b(?:without|unless|were|had)\b"
)


@dataclass(frozen=True)
class ScoreTarget:
    """A score of one rubric, within its range; a ValueError if it is not."""

    rubric: Rubric
    value: float

    def __post_init__(self) -> None:
        self.rubric.check(self.value)


TRAITS = Traits("one", ("scores",))


def facts(target: ScoreTarget) -> Facts:
    """What a score states: the rubric's name to the value."""
    return Facts({target.rubric.name: target.value})


def target_of(clip: RatedClip, rubrics: Sequence[str], *_: Any) -> ScoreTarget:
    """The rating of a clip on the one rubric that is asked for."""
    return ScoreTarget(get_rubric(rubrics[0]), clip.ratings[rubrics[0]].value)


def ask(
    rubric: str | Rubric,
    *,
    phrasing: int | str = 0,
    held_out: bool = False,
    with_reference: bool = False,
    language: str = "en",
) -> str:
    """Write the user's request for a score; the caller places the audio.

    Args:
        phrasing: Number of a phrasing, or an own text with the fields of ``Rubric.fill``.

    Example:
        >>> ask("noisiness")
        'Rate the noisiness of this clip from 1 to 5.'
    """
    phrasings = wordings("score", language)
    text = get_rubric(rubric).fill(pick(*phrasings, phrasing, held_out), language)
    return with_reference_note(text, phrasing, held_out, language) if with_reference else text


def write(target: ScoreTarget, language: str = "en") -> str:
    """Write a score with one decimal; a number that stands alone is the same in each language.

    Example:
        >>> write(ScoreTarget(get_rubric("mos"), 3.42))
        '3.4'
    """
    check_language(language)
    return f"{round(target.value, 1) + 0.0:.1f}"  # + 0.0 turns -0.0 into 0.0


def grammar(rubric: str | Rubric) -> list[str]:
    """List all answers the task can write, lowest first.

    Example:
        >>> answers = grammar("mos")
        >>> answers[0], answers[-1], len(answers)
        ('1.0', '5.0', 41)
    """
    import numpy as np  # only here: `ls tasks` and `data --help` go without

    chosen = get_rubric(rubric)
    count = round((chosen.high - chosen.low) * 10) + 1
    return [write(ScoreTarget(chosen, round(value, 1))) for value in np.linspace(chosen.low, chosen.high, count)]


def parse(text: str, rubric: str | Rubric, *, strict: bool = False, language: str = "en") -> ScoreTarget:
    """Read a score from an answer.

    Args:
        strict: Otherwise a name, markup, a decimal comma, "out of 5" and a sentence around the number, in any of our
            languages, are understood.

    Raises:
        ParseError: If there is no score, one out of range, several different ones, or one of another rubric.

    Example:
        >>> parse("I would rate it **3,4**/5.", "mos").value
        3.4
    """
    chosen = get_rubric(rubric)
    check_language(language)
    if not strict:
        text = without_thought(text)
        _refuse_other_rubric(text, chosen)
        return ScoreTarget(chosen, read_number(text, chosen))
    if not re.fullmatch(r"-?[0-9]+\.[0-9]", text):
        raise ParseError(f"{chosen.name}: {text!r} is not a number with one decimal, such as {chosen.low:.1f}")
    target = ScoreTarget(chosen, _in_range(float(text), text, chosen))
    if write(target) != text:
        raise ParseError(f"{chosen.name}: {text!r} should be written {write(target)!r}")
    return target


def read_number(text: str, rubric: Rubric) -> float:
    """Read the one number a text gives on a rubric's scale; "8/10" on a 1-5 scale is an error, never 8 or 4.

    So is one that is denied ("not a 4"), only a bound ("at least 3", "4+"), or would be right under other conditions.

    Raises:
        ParseError: If there is none, one out of range, or several different ones.

    Example:
        >>> read_number("3.4 out of 5", get_rubric("mos"))
        3.4
    """
    plain = _without_scale(_plain_numbers(text), rubric)
    if rubric.high != 100 and re.search(r"%|[0-9]\s*per\s?cent\b", plain):
        raise ParseError(f"{rubric.name}: {text!r} is in percent; {rubric.low:g} to {rubric.high:g} expected")
    # A set, since a score that is repeated ("3.4. Yes, 3.4/5") is still one
    values, position = set(), 0
    while match := _VALUE.search(plain, position):
        values.add(_float(match[0]))
        position = match.end()
        if out_of := _OUT_OF.match(plain, position):
            if _float(out_of[1]) != rubric.high:
                raise ParseError(f"{rubric.name}: {text!r} is out of {out_of[1]}; the scale ends at {rubric.high:g}")
            position = out_of.end()
        if _is_doubted(plain, match.start(), position):
            raise ParseError(f"{rubric.name}: {text!r} denies, bounds or supposes {match[0]}; one number expected")
    if len(values) != 1:
        found = "no number" if not values else f"{len(values)} different numbers"
        raise ParseError(f"{rubric.name}: {found} in {text!r}; one from {rubric.low:g} to {rubric.high:g} expected")
    return _in_range(values.pop(), text, rubric)


def _plain_numbers(text: str) -> str:
    """A text without markup and measurements, with numbers in digits where they stand in words in place of a score or its scale."""
    plain = readable_numbers(re.sub(r"[*_`~]", "", text).replace("−", "-"))
    if words := _IN_WORDS.fullmatch(plain.casefold()):
        return f"{_WORDS[words[1]]}" + (f"/{_WORDS.get(words[2], words[2])}" if words[2] else "")
    plain = _END_IN_WORDS.sub(lambda match: _WORDS[match[0].casefold()], plain)
    return _MEASURED.sub(" ", plain)


def _is_doubted(text: str, start: int, end: int) -> bool:
    before, after = _CLAUSE.split(text[:start])[-1].casefold(), text[end:].casefold()
    sentence = _SENTENCE.split(text[:start].casefold())[-1] + _SENTENCE.split(after)[0]
    return bool(_NOT_BEFORE.search(before) or _NOT_AFTER.search(after) or _SUPPOSED.search(sentence))


def _without_scale(text: str, rubric: Rubric) -> str:
    """Take out mentions of the scale itself: "on a scale of 1 to 5", "(1-5)", "5-point scale", "1 is bad and 5 is excellent"."""
    low, high = (rf"{re.escape(f'{end:g}')}(?:[.,]0)?" for end in (rubric.low, rubric.high))
    begin, means = r"(?<![\w.,-])", r"\s*(?:is|=|means|being|for)\s+[^0-9.;\n]*"
    text = re.sub(rf"{begin}{low}\s*(?:-|–|to|and)\s*{high}(?![\w]|[.,][0-9])", " ", text)
    text = re.sub(rf"{begin}{low}{means}{begin}{high}{means}", " ", text)
    text = re.sub(rf"{begin}{high}\s+(?:being|is)\s+(?:the )?best\b", " ", text)
    return re.sub(rf"{begin}{high}[ -]point\b", " ", text) if rubric.low <= 1 else text


def _refuse_other_rubric(text: str, rubric: Rubric) -> None:
    # "Loudness: 4" is no answer to a question about noisiness, although it holds a number on the scale
    plain = _MEASURED.sub(" ", simplified(text))
    name = re.match(r"\W*([\w ]+?)\W*[:=]", plain)
    own = {rubric.name, rubric.label, *rubric_labels(rubric.name)}
    others = {
        word
        for other in ALL_RUBRICS.values()
        if other.name != rubric.name
        for word in (other.name, other.label, *rubric_labels(other.name))
    } - own
    said = name[1] if name and name[1].casefold() in others else None
    if said is None and (stated := re.search(rf"{name_pattern(sorted(others))}{_STATES}", plain.casefold())):
        said = stated[0].strip()
    mine = {*_WHOLE, *rubric.label.casefold().split(), *rubric.name.split("_")}
    if said is None and (subject := _SUBJECT.search(plain.casefold())) and subject[1] not in mine:
        said = subject[1]
    if said is not None:
        raise ParseError(f"{rubric.name}: {text!r} answers {said!r}")


def _float(text: str) -> float:
    return float(text.replace(",", "."))


def _in_range(value: float, text: str, rubric: Rubric) -> float:
    if not rubric.low <= value <= rubric.high:
        raise ParseError(f"{rubric.name}: {value:g} in {text!r} is outside {rubric.low:g} to {rubric.high:g}")
    return value
