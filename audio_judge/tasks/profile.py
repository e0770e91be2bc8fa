"""The profile task: several rubrics at once, by name, one line each ("Noisiness: 2.1")."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from audio_judge.clips import RatedClip
from audio_judge.languages import get_language, joined, rubric_labels, simplified, wordings
from audio_judge.languages.words import Texts
from audio_judge.rubrics.rubric import RUBRICS, Rubric, fill_fields, get_rubric, in_language, pick, sentence_case
from audio_judge.tasks.common import Facts, ParseError, Traits, with_reference_note
from audio_judge.tasks.score import ScoreTarget, read_number
from audio_judge.tasks.score import parse as parse_score
from audio_judge.tasks.score import write as write_score

# A name, a separator, the rest; a dash or "is" must stand between spaces, for names have hyphens
_ITEM = re.compile(r"[^\w(]*([^:=]+?)\s*(?:[:=]|\s(?:is|at|-|–)\s)\s*(.*)", re.DOTALL)
# What stands between a name and its score within a sentence: "loudness quality (≈4.4)", "overall MOS of 4.2"
_BETWEEN = r"(?:\s+(?:quality|score|rating))?(?:\s*[:=(≈~]|\s+(?:is|of|at|as|about|around)\s)[\s(≈~=]*"
_SCORE = r"(-?[0-9]+(?:[.,][0-9]+)?(?:\s*/\s*[0-9]+|\s+out\s+of\s+[0-9]+)?)(?!\w|[.,][0-9])"


TRAITS = Traits("several", ("scores",))


def facts(target: Mapping[str, float]) -> Facts:
    """What a profile states: its scores."""
    return Facts(dict(target))


def target_of(clip: RatedClip, rubrics: Iterable[str], *_: Any) -> dict[str, float]:
    """The ratings of a clip on the rubrics that are asked for."""
    return {name: clip.ratings[name].value for name in rubrics}


def ask(
    rubrics: Iterable[str | Rubric] = tuple(RUBRICS),
    *,
    phrasing: int | str = 0,
    held_out: bool = False,
    with_reference: bool = False,
    language: str = "en",
) -> str:
    """Write the user's request for a profile; the caller places the audio.

    Args:
        rubrics: Rubrics or their names, all on one scale (use ``Rubric.on`` to bring them there).
        phrasing: Number of a phrasing, or an own text with ``{labels}, {low}, {high}, {direction}``.

    Raises:
        ValueError: If there is no rubric, or they differ in scale or share a name.

    Example:
        >>> ask(["mos", "loudness"])
        'Rate overall quality and loudness from 1 to 5, one per line.'
    """
    how: dict[str, Any] = {"phrasing": phrasing, "held_out": held_out, "with_reference": with_reference}
    return ask_with(wordings("profile", language), rubrics, language=language, **how)


def ask_with(
    phrasings: tuple[Texts, Texts],
    rubrics: Iterable[str | Rubric],
    *,
    phrasing: int | str,
    held_out: bool,
    with_reference: bool,
    language: str = "en",
) -> str:
    """Do as ``ask`` with another task's phrasings: those to train with, and those kept out."""
    chosen = list(rubrics_by_name(rubrics).values())
    if len({(rubric.low, rubric.high) for rubric in chosen}) != 1:
        names = ", ".join(f"{rubric.name} {rubric.low:g} to {rubric.high:g}" for rubric in chosen)
        raise ValueError(f"a profile needs rubrics on one scale; use rubric.on(scale). Given: {names or 'none'}")
    spoken = [in_language(rubric, language) for rubric in chosen]
    worse = [rubric.label for rubric in spoken if not rubric.higher_is_better]
    fields = {
        "labels": joined([rubric.label for rubric in spoken], language),
        "low": f"{chosen[0].low:g}",
        "high": f"{chosen[0].high:g}",
        "direction": _direction(worse, language),
    }
    text = sentence_case(fill_fields(pick(*phrasings, phrasing, held_out), fields))
    return with_reference_note(text, phrasing, held_out, language) if with_reference else text


def _direction(worse: list[str], language: str) -> str:
    texts = get_language(language).texts
    exception = fill_fields(texts["except_for"][0], {"labels": joined(worse, language)}) if worse else ""
    return texts["higher_is_better"][0] + exception


def write(scores: Mapping[str, float], rubrics: Iterable[str | Rubric] = tuple(RUBRICS), language: str = "en") -> str:
    """Write the scores, one line each, in the order of the rubrics.

    Args:
        scores: Rubric name to score; a rubric without one gets no line.
        rubrics: At least those of the scores.

    Raises:
        ValueError: If there is no score, one of an unknown rubric, or one out of range.

    Example:
        >>> print(write({"mos": 2.44, "noisiness": 2.1}))
        Overall quality: 2.4
        Noisiness: 2.1
    """
    known = rubrics_by_name(rubrics)
    unknown = [name for name in scores if name not in known]
    if unknown or not scores:
        raise ValueError(f"scores of {', '.join(unknown) or 'nothing'}; rubrics given: {', '.join(known)}")
    colon = get_language(language).marks["colon"]
    lines = (
        f"{sentence_case(in_language(rubric, language).label)}{colon}{write_score(ScoreTarget(rubric, scores[name]))}"
        for name, rubric in known.items()
        if name in scores
    )
    return "\n".join(lines)


def parse(
    text: str, rubrics: Iterable[str | Rubric] = tuple(RUBRICS), *, strict: bool = False, language: str = "en"
) -> dict[str, float]:
    r"""Read scores by name; a missing one is absent, and no score moves to another name.

    Args:
        rubrics: What was asked for.
        strict: The lines may still come in any order. Otherwise names that nobody asked for are ignored, a score that
            cannot be read is missing, the names may be in any of our languages, and may stand with their scores in sentences.

    Returns:
        Rubric name to score, in the order of the answer.

    Raises:
        ParseError: If no score can be read, a rubric is scored twice, or (strict) a line is not as written.

    Example:
        >>> parse("- **Noisiness**: 2,1/5\n- Charm: 4\n- MOS: 3", ["mos", "noisiness", "loudness"])
        {'noisiness': 2.1, 'mos': 3.0}
        >>> parse("Considering noisiness (≈4.2) and loudness quality (≈4.3), I give an overall MOS of 4.1.")
        {'noisiness': 4.2, 'loudness': 4.3, 'mos': 4.1}
    """
    known = rubrics_by_name(rubrics)
    found = _strict_items(text, known, language) if strict else _tolerant_items(text, known)
    scores: dict[str, float] = {}
    for name, value in found:
        if name in scores:
            raise ParseError(f"{name} is scored twice in {text!r}")
        scores[name] = value
    if not scores:
        raise ParseError(f"no score by name in {text!r}; lines such as 'Noisiness: 2.1' expected")
    return scores


def rubrics_by_name(rubrics: Iterable[str | Rubric]) -> dict[str, Rubric]:
    """Look rubrics up by name and keep their order.

    Raises:
        ValueError: If a rubric is unknown, or two share a name or label and so could not be told apart in text.
    """
    chosen = [get_rubric(rubric) for rubric in rubrics]
    _names(chosen)  # raises if two of them share a name
    return {rubric.name: rubric for rubric in chosen}


def _names(rubrics: Collection[Rubric]) -> dict[str, str]:
    """Map every way a rubric is called in text to its name."""
    names: dict[str, str] = {}
    seen = set()  # of names: the same rubric given twice would be asked for twice and answered once
    for rubric in rubrics:
        for word in {_plain(rubric.name), _plain(rubric.label)}:
            if word in names or rubric.name in seen:
                raise ValueError(f"two rubrics are called {word!r}; give one another name")
            names[word] = rubric.name
        seen.add(rubric.name)
    # What the caller calls a rubric comes first; other languages add what is still free
    others = {_plain(label): rubric.name for rubric in rubrics for label in rubric_labels(rubric.name)}
    return others | names


def _strict_items(text: str, known: Mapping[str, Rubric], language: str) -> Iterable[tuple[str, float]]:
    titles = {sentence_case(in_language(rubric, language).label): rubric for rubric in known.values()}
    colon = get_language(language).marks["colon"]
    for line in text.split("\n"):
        title, separator, value = line.partition(colon)
        if not separator or title not in titles:
            raise ParseError(f"{line!r} is not a line such as '{next(iter(titles))}{colon}2.1'")
        yield titles[title].name, parse_score(value, titles[title], strict=True).value


def _tolerant_items(text: str, known: Mapping[str, Rubric]) -> Iterable[tuple[str, float]]:
    names = _names(known.values())
    found = []
    # Lines, or one line with semicolons or commas; the comma before a digit is a decimal one
    for item in re.split(r"[\n;]|,(?![0-9])", simplified(text)):
        match = _ITEM.fullmatch(item.strip())
        name = names.get(_plain(match[1])) if match else None
        if match and name and not re.search(r"[:=]", match[2]):  # a second name in it: the number is not this one's
            try:
                found.append((name, read_number(match[2], known[name])))
            except ParseError:
                continue  # unreadable is missing, which the caller sees; the other lines still count
    yield from found
    yield from _sentence_items(simplified(text), names, known, {name for name, _ in found})


def _sentence_items(
    text: str, names: Mapping[str, str], known: Mapping[str, Rubric], have: Collection[str]
) -> Iterable[tuple[str, float]]:
    """Scores right behind their names within sentences; a name with two different ones is missing."""
    called = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    found: dict[str, set[float]] = {}
    for match in re.finditer(rf"(?<!\w)({called}){_BETWEEN}{_SCORE}", text, re.IGNORECASE):
        name = names[_plain(match[1])]
        if re.search(rf"(?<!\w)(?:{called})\s*[:=]\s*$", text[: match.start()], re.IGNORECASE):
            continue  # a name right before it: whose the number is, nobody knows
        try:
            found.setdefault(name, set()).add(read_number(match[2], known[name]))
        except ParseError:
            continue
    yield from ((name, values.pop()) for name, values in found.items() if len(values) == 1 and name not in have)


def _plain(name: str) -> str:
    """Strip markup, brackets and case from a name."""
    without = re.sub(r"\(.*?\)", "", name).replace("_", " ")
    return " ".join(re.sub(r"[*`\"'~]", "", without).casefold().split())
