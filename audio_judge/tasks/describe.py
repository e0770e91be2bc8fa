"""The describe task: what a clip sounds like in running text that ends in its overall score, as in ALLD.

For audio the request is ``ask``. A text-only expert, which writes such descriptions and serves as the reference policy
of ALLD, gets the ratings instead of the audio: ``rated_words`` in ``expert_messages``. In words, not as ALLD's numbers: a
small expert takes "noisiness 4.2" for much noise, though it is told that higher is better.
"""

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audio_judge.clips import Cause
from audio_judge.languages import get_language, wordings
from audio_judge.rubrics.rubric import (
    ALL_RUBRICS,
    RUBRICS,
    Rubric,
    fields_pattern,
    fill_fields,
    get_rubric,
    in_language,
    pick,
)
from audio_judge.tasks import explain
from audio_judge.tasks.claims import Direction
from audio_judge.tasks.common import Facts, ParseError, Traits, with_reference_note
from audio_judge.tasks.score import ScoreTarget, read_number
from audio_judge.tasks.score import write as write_score
from audio_judge.tasks.thoughts import check_free_text

# NISQA's rubrics by the short names of its tables
META_KEYS = {"mos": "mos", "noisiness": "noi", "coloration": "col", "discontinuity": "dis", "loudness": "loud"}
# What is rated and the last sentence follow behind, so that a server need not read the beginning of a prompt again
EXPERT_REQUESTS = (
    "Describe a recording of speech as if you had heard it, in two or three flowing sentences of your own words. Say each of "
    "the findings below as strongly as it is said there, and add none. The last sentence is the one given below.",
    "Write what an attentive listener would say about a recording of speech, in one short paragraph: all of the findings below "
    "in other words, each as strong as it is, and nothing else. No numbers but in the last sentence, which is given below.",
    "Turn the findings below into a natural description of how a recording of speech sounds: worst first, how that affects "
    "listening, then the overall impression, in two or three sentences. Use your own words, but make nothing better or worse "
    "than it is. End with the last sentence that is given below.",
    "In plain words, tell how a recording of speech sounds and which aspects lower or raise its quality, in two or three "
    "sentences. Keep to the findings below. No lists. Finish with the last sentence given below and write nothing after it.",
)


@dataclass(frozen=True)
class Description:
    """Running text and the overall score it ends in.

    Args:
        text: Whole sentences, without the one that gives the score.
        mos: Overall score, 1 to 5; written with one decimal.

    Raises:
        ValueError: If the text is empty, is no whole sentence, or the score is out of range.
    """

    text: str
    mos: float

    def __post_init__(self) -> None:
        get_rubric("mos").check(self.mos)
        check_free_text("description", self.text)
        if not re.search(r"[^\W\d].*[.!?。！？]\Z", self.text, re.DOTALL):
            raise ValueError(f"description {self.text!r}; whole sentences with a full stop are needed")


TRAITS = Traits("none", ("scores", "words"), is_varied=True)


def facts(target: Description) -> Facts:
    """What a description states by number: the overall score."""
    return Facts({"mos": target.mos})


def ask(*, phrasing: int | str = 0, held_out: bool = False, with_reference: bool = False, language: str = "en") -> str:
    """Write the user's request for a description; the caller places the audio.

    Example:
        >>> ask()
        'Describe the quality of this speech and end with its MOS.'
    """
    text = pick(*wordings("describe", language), phrasing, held_out)
    return with_reference_note(text, phrasing, held_out, language) if with_reference else text


def known_direction(causes: Iterable[Cause]) -> Direction:
    """Say what is wrong with the loudness, if what was done to a clip tells: a change of its level throughout.

    Returns:
        ``low`` for too quiet, ``high`` for too loud; empty if that is not known, as from a score alone.

    Example:
        >>> known_direction([Cause("level", {"gain_db": -24.0})])
        'low'
    """
    changes = [one for one in causes if one.kind == "level" and explain.severity(one) != explain.SLIGHT]
    sides = {0 if one.spans else explain.side_of(one) for one in changes}
    return {-1: "low", 1: "high"}.get(sides.pop(), "") if len(sides) == 1 else ""  # type: ignore[return-value]


def rated_words(
    scores: Mapping[str, float], direction: Direction = "", seed: int | random.Random = 0, *, with_number: bool = True
) -> str:
    """Write ratings of NISQA's rubrics in words that say in which direction they go, as a text-only expert reads them.

    Args:
        direction: What is wrong with the loudness, as ``known_direction`` says; where that is not known, only how wrong it is.
        seed: Of the choice between words that mean the same.
        with_number: Whether the overall rating is given as a number, too.

    Raises:
        ValueError: If there is no score, one of another rubric, or one out of range.

    Example:
        >>> rated_words({"mos": 2.44, "noisiness": 1.8})
        'The noise is strong. The overall quality is poor (MOS 2.4).'
    """
    if not scores or not set(scores) <= set(META_KEYS):
        raise ValueError(f"ratings of {', '.join(scores) or 'nothing'}; known: {', '.join(META_KEYS)}")
    rng = seed if isinstance(seed, random.Random) else random.Random(seed)
    worst_first = sorted(
        (name for name in scores if name != "mos"), key=lambda name: RUBRICS[name].goodness(scores[name])
    )
    sentences = [aspect_words(name, scores[name], direction, rng) for name in worst_first]
    if "mos" in scores:
        number = f" (MOS {round(scores['mos'], 1)})" if with_number else ""
        sentences.append(f"The overall quality is {RUBRICS['mos'].level_of(scores['mos'])}{number}.")
    return " ".join(sentences)


def rated_pair_words(
    scores: Sequence[Mapping[str, float]], directions: Sequence[Direction] = ("", ""), seed: int = 0
) -> str:
    """Write the ratings of two clips as a text-only expert reads them, each by the name of its clip.

    Example:
        >>> print(rated_pair_words([{"mos": 3.0}, {"mos": 4.2}]))
        SpeechA: The overall quality is fair (MOS 3.0).
        SpeechB: The overall quality is good (MOS 4.2).
    """
    rated = zip("AB", scores, directions, strict=True)
    return "\n".join(f"Speech{clip}: {rated_words(own, direction, seed)}" for clip, own, direction in rated)


def aspect_words(name: str, value: float, direction: Direction = "", seed: int | random.Random = 0) -> str:
    """Write one rating, other than the overall one, as ``rated_words`` does.

    Example:
        >>> aspect_words("loudness", 1.3, "low")
        'The loudness is very unsuitable: the speech is too quiet.'
    """
    rubric = RUBRICS[name]
    level = rubric.level_of(value)
    if name != "loudness" or not direction or level == rubric.levels[-1]:
        rng = seed if isinstance(seed, random.Random) else random.Random(seed)
        return " ".join(explain.dimension_sentence(rubric, value, rng))
    quiet, loud, _ = get_language("en").directions["level"]
    return f"The loudness is {level}: the speech is {quiet if direction == 'low' else loud}."


def expert_messages(facts: str, request: str) -> list[dict[str, Any]]:
    """Write the one user message to a text-only expert: the request, and the facts in place of the audio.

    Args:
        facts: ``rated_words`` of one clip, or of two with the names of their clips.
        request: One of ``EXPERT_REQUESTS`` to have a description written, or what the audio judge itself is asked.
    """
    return [{"role": "user", "content": f"{request}\n\nFindings of listeners:\n{facts}"}]


def ending(mos: float, seed: int | random.Random = 0, language: str = "en") -> str:
    """Write the last sentence of a description, which gives the overall score.

    Example:
        >>> ending(4.5)
        'Overall the MOS is 4.5.'
    """
    rng = seed if isinstance(seed, random.Random) else random.Random(seed)
    spoken = get_language(language)
    number = write_score(ScoreTarget(get_rubric("mos"), mos)).replace(".", spoken.marks["decimal"])
    return fill_fields(rng.choice(spoken.texts["endings"]), {"mos": number})


def describe_scores(scores: Mapping[str, float], seed: int | random.Random = 0, language: str = "en") -> Description:
    """Write a plain description without a teacher: worst aspects first, then the whole; give each clip its own seed.

    Raises:
        ValueError: If there is no score of ``mos``.

    Example:
        >>> describe_scores({"mos": 2.4, "noisiness": 1.2}, seed=1)
        Description(text='The speech is very noisy. The general impression is poor.', mos=2.4)
    """
    if "mos" not in scores:
        raise ValueError(f"scores of {', '.join(scores) or 'nothing'}; a description ends in mos, which is missing")
    rng = seed if isinstance(seed, random.Random) else random.Random(seed)
    spoken = get_language(language)
    rubrics = {name: get_rubric(name) for name in scores if name != "mos"}
    worst_first = sorted(rubrics, key=lambda name: rubrics[name].goodness(scores[name]))
    is_clean = explain.is_clean(scores, (), ALL_RUBRICS)
    # Of a clean clip there is nothing slight to complain of
    said = [name for name in worst_first if not is_clean or explain.fifth(rubrics[name], scores[name]) == 4]
    sentences = [sentence for name in said for sentence in _say(rubrics[name], scores[name], rng, language)]
    sentences = sentences or [rng.choice(spoken.texts["clean"])] * bool(worst_first)
    level = in_language(RUBRICS["mos"], language).level_of(scores["mos"])
    sentences.append(fill_fields(rng.choice(spoken.texts["described_overall"]), {"level": level}))
    return Description(spoken.marks["space"].join(sentences), round(scores["mos"], 1))


def _say(rubric: Rubric, value: float, rng: random.Random, language: str) -> list[str]:
    spoken = get_language(language)
    if rubric.name in spoken.descriptions:
        return [rng.choice(spoken.descriptions[rubric.name][explain.fifth(rubric, value)])]
    # A language without words for the other rubrics speaks of them as an explanation does
    if not spoken.texts["described"]:
        return explain.dimension_sentence(rubric, value, rng, language)
    words = in_language(rubric, language)
    fields = {"label": words.label, "level": words.level_of(value)}
    return [fill_fields(rng.choice(spoken.texts["described"]), fields)]


def fitting_sentences(scores: Mapping[str, float], language: str = "en") -> dict[str, tuple[str, str]]:
    """Map every sentence that ``describe_scores`` may write to its rubric and what would fit the score.

    Example:
        >>> fitting_sentences({"mos": 2.4})["On the whole the clip is good."]
        ('mos', 'On the whole the clip is poor.')
    """
    texts = get_language(language).texts
    found: dict[str, tuple[str, str]] = {}
    for name, value in scores.items():
        words = in_language(RUBRICS[name], language)
        frames = texts["described_overall"] if name == "mos" else texts["described"]
        said = [[fill_fields(one, {"label": words.label, "level": level}) for one in frames] for level in words.levels]
        fitting = said[words.levels.index(words.level_of(value))]
        found |= {one: (name, fit) for some in said for one, fit in zip(some, fitting, strict=True)}
        groups = get_language(language).descriptions.get(name, ())
        place = explain.fifth(RUBRICS[name], value)
        found |= {one: (name, fit) for group in groups for one, fit in zip(group, groups[place], strict=True)}
    return found


def write(target: Description, seed: int | random.Random = 0, language: str = "en") -> str:
    """Write a description; only its last sentence, with the overall score, is in the language and chosen by the seed.

    Example:
        >>> write(Description("The speech is clean.", 4.5))
        'The speech is clean. Overall the MOS is 4.5.'
    """
    return f"{target.text}{get_language(language).marks['space']}{ending(target.mos, seed, language)}"


def parse(text: str, *, strict: bool = False, language: str = "en") -> Description:
    """Read a description and the overall score at its end.

    Strict, the last sentence must be one that ``write`` writes in the language. Otherwise any last sentence counts that
    gives one number on the scale; numbers before it do not matter.

    Raises:
        ParseError: If there are no words before the last sentence, or no score in it.

    Example:
        >>> parse("There is hiss (2.1). So I would say **MOS: 3,2/5**").mos
        3.2
    """
    plain = text if strict else text.strip()
    space = get_language(language).marks["space"]
    # A decimal point is no end of a sentence, for no space follows it; Chinese and Japanese stops need no space
    starts = [match.end() for match in re.finditer(r"[.!?]\s+|[。！？]\s*(?!$)|\n+", plain)]
    body, last = (plain[: starts[-1]], plain[starts[-1] :]) if starts else ("", plain)
    if strict and not (_ending(language).fullmatch(last) and body.endswith(space or "。")):
        raise ParseError(f"{last!r} is not a last sentence such as {get_language(language).texts['endings'][0]!r}")
    try:
        body = body.removesuffix(space) if strict else _whole_sentences(body)
        return Description(body, round(read_number(last, RUBRICS["mos"]), 1))
    except ValueError as error:
        raise ParseError(f"{error}; in {text!r}") from error


def _ending(language: str) -> re.Pattern[str]:
    spoken = get_language(language)
    number = rf"([1-5]{re.escape(spoken.marks['decimal'])}[0-9])"
    return re.compile("|".join(fields_pattern(one, {"mos": number}) for one in spoken.texts["endings"]))


def _whole_sentences(text: str) -> str:
    stripped = text.strip()
    # A list or a heading lacks the full stop that a description needs
    return stripped if not stripped or stripped[-1] in ".!?。！？" else f"{stripped}."
