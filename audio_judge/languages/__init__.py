"""Languages of requests and answers.

Each is one data file here, with the keys and placeholders of ``en.py``, and one entry in ``_FILES``. Nothing here knows
a rubric or a task. Targets know no language: a level, a cause or a verdict is the English word whatever language it was
written in. Numbers that stand alone have a decimal point in every language.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from itertools import pairwise
from typing import Any

from audio_judge.languages import en, fr, ja, zh
from audio_judge.languages.patterns import CJK, name_pattern, whole_words
from audio_judge.languages.words import CauseWords, Language, RubricWords, Texts

__all__ = [
    "LANGUAGES",
    "CauseWords",
    "Language",
    "RubricWords",
    "candidates",
    "check_language",
    "get_language",
    "is_denied",
    "joined",
    "name_pattern",
    "readable_numbers",
    "rubric_labels",
    "simplified",
    "whole_words",
    "wordings",
]

_FILES: dict[str, Language] = {one.code: one for one in (en.LANGUAGE, zh.LANGUAGE, ja.LANGUAGE, fr.LANGUAGE)}
LANGUAGES: tuple[str, ...] = tuple(_FILES)

# A run of characters without spaces, or a word; digits tell no language
_TOKEN = re.compile(rf"[{CJK}]+|[^\W\d_{CJK}]+")
# What answers in every language have in English: <think>, [Tie], SpeechA
_TAG = re.compile(r"<[^<>]*>|\[[^\[\]]*\]|\bspeech[ab](?![a-z])", re.IGNORECASE)
# Full-width signs stand 0xFEE0 behind their ASCII; then ideographic, no-break and narrow space, and the apostrophe
_WIDE = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)} | {
    0x3000: " ",
    0xA0: " ",
    0x202F: " ",
    0x2019: "'",
}


def check_language(code: str) -> str:
    """Give an ISO 639-1 code back, or raise a ValueError with the known ones if there are no words of its language."""
    if code not in LANGUAGES:
        raise ValueError(f"no language {code!r}; known: {', '.join(LANGUAGES)}")
    return code


def get_language(code: str) -> Language:
    """Look up the words of a language; a ValueError if there are none.

    Example:
        >>> get_language("fr").rubrics["mos"].levels[-1]
        'excellente'
    """
    return _FILES[check_language(code)]


def wordings(kind: str, language: str = "en") -> tuple[Texts, Texts]:
    """List the wordings of a kind of request: those to train with, and those kept out.

    Args:
        kind: Key of ``Language.phrasings``, such as ``score``.

    Example:
        >>> wordings("detect_question", "fr")[0][-1]
        'Est-ce un deepfake ?'
    """
    words = get_language(language)
    return words.phrasings[kind], words.held_out[kind]


def joined(items: Sequence[str], language: str) -> str:
    """List one or more things in running text.

    Example:
        >>> joined(["bruit", "coloration", "niveau"], "fr"), joined(["噪声", "响度"], "zh")
        ('bruit, coloration et niveau', '噪声和响度')
    """
    marks = get_language(language).marks
    return items[0] if len(items) == 1 else f"{marks['comma'].join(items[:-1])}{marks['and']}{items[-1]}"


def simplified(text: str) -> str:
    """Write full-width signs as ASCII, special spaces as spaces and a typographic apostrophe as a plain one.

    Example:
        >>> simplified("噪声：２．１（轻微）")
        '噪声:2.1(轻微)'
    """
    return text.translate(_WIDE)


def readable_numbers(text: str) -> str:
    """Bring the ways in which languages write scores into the form "3.4/5"; English stays as it is.

    Example:
        >>> " ".join(readable_numbers("我打3.4分（满分5分）。").split())
        '我打 3.4/5 。'
    """
    plain = simplified(text)
    for language in _FILES.values():
        for pattern, replacement in language.numbers:
            plain = re.sub(pattern, replacement, plain)
    # A number next to a character would stand in a word, where it does not count
    return re.sub(rf"(?<=[{CJK}])(?=-?[0-9])|(?<=[0-9])(?=[{CJK}])", " ", plain)


def is_denied(text: str, start: int, end: int, language: str, what: str = "cause") -> bool:
    """Say whether what stands at a place in a text is denied, in most languages within its clause.

    Args:
        what: Key of ``Language.denials``: what it is.

    Example:
        >>> is_denied("没有明显的回声。", 5, 7, "zh"), is_denied("没有噪声，但有回声。", 7, 9, "zh")
        (True, False)
    """
    words = get_language(language)
    clause_end = words.patterns["clause_end"]
    before, after = re.split(clause_end, text[:start])[-1], re.split(clause_end, text[end:])[0]
    denied_before, denied_after = words.denials[what]
    return bool(re.search(denied_before, before, re.IGNORECASE) or re.search(denied_after, after, re.IGNORECASE))


def rubric_labels(name: str) -> tuple[str, ...]:
    """List what one of our rubrics is called in the languages besides English; another has no labels.

    Example:
        >>> rubric_labels("loudness")
        ('响度', '音の大きさ', 'niveau sonore')
    """
    others = (_FILES[code].rubrics for code in LANGUAGES[1:])
    return tuple(rubrics[name].label for rubrics in others if name in rubrics)


def candidates(text: str, language: str = "en") -> tuple[str, ...]:
    """Guess the language of an answer by the share of its words that each language's texts have.

    Returns:
        The likeliest language, or several that are equally likely; of those ``language`` wins alone.

    Example:
        >>> candidates("The speech is noisy."), candidates("语音很嘈杂"), candidates("雑音が多い"), candidates("3.4")
        (('en',), ('zh',), ('ja',), ('en',))
    """
    check_language(language)
    tokens = list(_tokens(_TAG.sub(" ", text)))
    shares = {code: sum(token in _vocabulary(code) for token in tokens) for code in LANGUAGES}
    most = max(shares.values())
    if shares[language] == most:
        return (language,)
    return tuple(code for code, share in shares.items() if share == most)


def _tokens(text: str) -> Iterator[str]:
    """Words in lower case; of scripts without spaces every character and every two of them."""
    for match in _TOKEN.finditer(text):
        word = match[0].casefold()
        if re.match(rf"[{CJK}]", word):
            yield from word
            yield from map("".join, pairwise(word))
        else:
            yield word


@cache
def _vocabulary(code: str) -> frozenset[str]:
    # Of its texts; placeholders and regular expressions are none
    texts = (re.sub(r"\{\w+\}", " ", text) for text in _texts(get_language(code)))
    return frozenset(token for text in texts for token in _tokens(text))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif is_dataclass(value):
        for field in fields(value):
            if field.name not in ("patterns", "pattern", "denials", "numbers", "code", "name", "claims", "asked"):
                yield from _texts(vars(value)[field.name])
    else:
        for one in value:
            yield from _texts(one)
