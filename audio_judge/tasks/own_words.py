"""The sentences that our own writers can write, of the tasks with free words.

A judge that learned nothing but these writes nothing else on purpose: another sentence of it is a slip of the pen.
"""

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

from audio_judge.languages import get_language
from audio_judge.rubrics.rubric import (
    ALL_RUBRICS,
    RUBRICS,
    SPEECHEVAL_RUBRICS,
    Rubric,
    fields_pattern,
    fill_fields,
    in_language,
)
from audio_judge.tasks.explain import KINDS, all_naming

# Those in whose answers words are free
WORDED = ("explain", "describe", "assess", "suggest")
# Where a sentence ends
SENTENCE_END = re.compile(r"[。！？]|[.!?](?=\s|$)")
_ANSWER = re.compile(r"<answer>\n(.*)\n</answer>", re.DOTALL)
_NUMBER = r"[0-9]+[.,][0-9]+"


def is_own(sentence: str, task: str, language: str = "en") -> bool:
    """Whether our writers can write a sentence as part of an answer to a task.

    Example:
        >>> is_own("No improvement is needed.", "suggest"), is_own("Keep it is needed.", "suggest")
        (True, False)
    """
    written, pattern = _sentences(task, language)
    return sentence in written or pattern.fullmatch(sentence) is not None


def sentences(text: str) -> list[str]:
    """Split a text after its sentence ends.

    Example:
        >>> sentences("It is 3.2 s long. Noise! And")
        ['It is 3.2 s long.', 'Noise!', 'And']
    """
    ends = [0, *(match.end() for match in SENTENCE_END.finditer(text)), len(text)]
    parts = (text[start:end].strip() for start, end in pairwise(ends))
    return [part for part in parts if part]


def has_own_only(text: str, task: str, language: str = "en") -> bool:
    r"""Whether all free words of a whole answer to a task can be those of our writers.

    Example:
        >>> has_own_only("Overall quality: 2.4\n\nThe speech is noisy.", "explain"), has_own_only("It hums. The MOS is 2.", "describe")
        (True, False)
    """
    if task == "explain":
        free = text.partition("\n\n")[2]
    else:
        answer = _ANSWER.search(text)
        free = answer[1] if answer else text
    said = sentences(free)
    return all(is_own(one, task, language) for one in (said[:-1] if task == "describe" else said))


@cache
def _sentences(task: str, language: str) -> tuple[frozenset[str], re.Pattern[str]]:
    """What can be written, and a pattern of what has times or names in it."""
    return frozenset(_WRITERS[task](language)), re.compile("|".join(_open(language)) if task == "assess" else "(?!)")


def _levels(frames: tuple[str, ...], rubric: Rubric, language: str) -> Iterator[str]:
    words = in_language(rubric, language)
    for frame in frames:
        for level in words.levels:
            yield fill_fields(frame, {"label": words.label, "level": level})


def _rated(frames: tuple[str, ...], language: str) -> Iterator[str]:
    for rubric in ALL_RUBRICS.values():
        yield from _levels(frames, rubric, language)


def _of_explain(language: str) -> Iterator[str]:
    spoken = get_language(language)
    for groups in spoken.dimensions.values():
        for group in groups:
            yield from group
    for kind in KINDS:
        yield from all_naming(kind, language)
        yield from spoken.causes[kind].effects
    yield from _levels(spoken.texts["verdicts"], RUBRICS["mos"], language)
    yield from (*spoken.texts["clean"], *_rated(spoken.texts["rated"], language))


def _of_describe(language: str) -> Iterator[str]:
    spoken = get_language(language)
    for groups in spoken.descriptions.values():
        for group in groups:
            yield from group
    yield from _levels(spoken.texts["described_overall"], RUBRICS["mos"], language)
    frames = spoken.texts["described"] or spoken.texts["rated"]
    yield from (*spoken.texts["clean"], *_rated(frames, language))


def _of_assess(language: str) -> Iterator[str]:
    texts = get_language(language).texts
    frames = {"mos": texts["assessed_overall"], "speech_rate": texts["assessed_rate"]}
    for name, rubric in SPEECHEVAL_RUBRICS.items():
        yield from _levels(frames.get(name) or texts[f"assessed_{name}"], rubric, language)
    yield from texts["clean"]


def _of_suggest(language: str) -> Iterator[str]:
    spoken = get_language(language)
    for lines in (*spoken.advice.values(), *spoken.distortion_advice.values()):
        yield from lines
    yield from spoken.texts["no_advice"]


def _open(language: str) -> Iterator[str]:
    spoken = get_language(language)
    when = fields_pattern(spoken.texts["when"][0], {"start": _NUMBER, "end": _NUMBER})
    kinds = "|".join(map(re.escape, spoken.names["heard"].values()))
    fields = {
        "kind": f"(?:{kinds})",
        "when": f"(?:{when}|.*{_NUMBER}.*)?",
        "emotion": r"[\w' -]+",
        "speaker": r"[\w' -]+.*",
    }
    for key in ("distortion_sentences", "emotions", "speakers"):
        for frame in spoken.texts[key]:
            yield fields_pattern(frame, fields)


_WRITERS = {"explain": _of_explain, "describe": _of_describe, "assess": _of_assess, "suggest": _of_suggest}
