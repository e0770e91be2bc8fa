"""The describe task: what a clip sounds like in running text that ends in its overall score, as in ALLD.

For audio the request is ``ask``. A text-only expert, which writes such descriptions and serves as the reference policy
of ALLD, gets the ratings instead of the audio: ``meta_tuple`` in ``expert_messages``.
"""

import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audio_judge.languages import get_language, wordings
from audio_judge.rubrics.rubric import RUBRICS, Rubric, fill_fields, get_rubric, in_language, pick
from audio_judge.tasks import explain
from audio_judge.tasks.common import Facts, ParseError, Traits, with_reference_note
from audio_judge.tasks.score import ScoreTarget, read_number
from audio_judge.tasks.score import write as write_score
from audio_judge.tasks.thoughts import check_free_text

# NISQA's rubrics by the short names of its tables
META_KEYS = {"mos": "mos", "noisiness": "noi", "coloration": "col", "discontinuity": "dis", "loudness": "loud"}
EXPERT_REQUESTS = (
    "Describe this clip as if you had heard it, in three to six flowing sentences. Do not list the ratings and do not "
    "mention that you were given any. The last sentence states the overall score as 'MOS' with one decimal.",
    "Write what an attentive listener would say about this clip, in one paragraph without numbers, except that the last "
    "sentence gives the overall score, as 'MOS' with one decimal.",
    "Turn the ratings into a natural description of the sound: worst aspects first, how they affect listening, then the "
    "overall impression. Use your own words. End with a sentence that gives the MOS with one decimal.",
    "In plain words, tell how the speech sounds and which aspects lower or raise its quality. No lists. Finish with the "
    "MOS, one decimal, and write nothing after it.",
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


def meta_tuple(scores: Mapping[str, float]) -> str:
    """Write ratings of NISQA's rubrics, with one decimal, as the JSON a text-only expert reads instead of audio.

    Raises:
        ValueError: If there is no score, one of another rubric, or one out of range.

    Example:
        >>> meta_tuple({"mos": 2.44, "noisiness": 1.8})
        '{"mos": 2.4, "noi": 1.8}'
    """
    if not scores or not set(scores) <= set(META_KEYS):
        raise ValueError(f"ratings of {', '.join(scores) or 'nothing'}; known: {', '.join(META_KEYS)}")
    for name, value in scores.items():
        RUBRICS[name].check(value)
    return json.dumps({key: round(scores[name], 1) for name, key in META_KEYS.items() if name in scores})


def expert_messages(facts: str, request: str) -> list[dict[str, Any]]:
    """Write the one user message to a text-only expert: the facts in place of the audio, what they mean, the request.

    Args:
        facts: One ``meta_tuple``, or two with the names of their clips.
        request: One of ``EXPERT_REQUESTS`` to have a description written, or what the audio judge itself is asked.
    """
    keys = [
        f"{key} ({RUBRICS[name].label}: 1 {RUBRICS[name].levels[0]} to 5 {RUBRICS[name].levels[-1]})"
        for name, key in META_KEYS.items()
    ]
    text = (
        "Listeners rated recorded speech from 1 to 5, higher is better for each rating: "
        f"{'; '.join(keys)}.\nMean ratings: {facts}\n\n{request}"
    )
    return [{"role": "user", "content": text}]


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
    sentences = [sentence for name in worst_first for sentence in _say(rubrics[name], scores[name], rng, language)]
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


def write(target: Description, seed: int | random.Random = 0, language: str = "en") -> str:
    """Write a description; only its last sentence, with the overall score, is in the language and chosen by the seed.

    Example:
        >>> write(Description("The speech is clean.", 4.5))
        'The speech is clean. Overall the MOS is 4.5.'
    """
    rng = seed if isinstance(seed, random.Random) else random.Random(seed)
    mos = write_score(ScoreTarget(get_rubric("mos"), target.mos))
    spoken = get_language(language)
    ending = fill_fields(rng.choice(spoken.texts["endings"]), {"mos": mos.replace(".", spoken.marks["decimal"])})
    return f"{target.text}{spoken.marks['space']}{ending}"


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
    return re.compile("|".join(re.escape(one).replace(r"\{mos\}", number) for one in spoken.texts["endings"]))


def _whole_sentences(text: str) -> str:
    stripped = text.strip()
    # A list or a heading lacks the full stop that a description needs
    return stripped if not stripped or stripped[-1] in ".!?。！？" else f"{stripped}."
