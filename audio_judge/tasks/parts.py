"""Which part of a long clip words are about: a few words before them, in every language."""

import math
import re

from audio_judge.languages import LANGUAGES, get_language, simplified
from audio_judge.rubrics.rubric import fill_fields

_TIME = r"(?:([0-9]+):)?([0-9]{1,2}):([0-9]{2})"


def write_part(start: float, end: float, language: str = "en") -> str:
    """Write from when to when, in whole seconds, such that nothing of the part is left out.

    Args:
        start: In seconds, like ``end``.

    Example:
        >>> write_part(840, 899.2), write_part(6, 12, "fr")
        ('From 14:00 to 15:00: ', 'De 0:06 à 0:12 : ')
    """
    times = {"start": clock(math.floor(start)), "end": clock(math.ceil(end))}
    return fill_fields(get_language(language).texts["part"][0], times)


def clock(seconds: float) -> str:
    """Write a time as minutes and whole seconds, with hours where there are any.

    Example:
        >>> clock(75.4), clock(3661)
        ('1:15', '1:01:01')
    """
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


def read_part(text: str) -> tuple[tuple[float, float] | None, str]:
    """Read which part a text is about, written in any language, and the words behind it; None where it does not say.

    Example:
        >>> read_part("De 0:06 à 0:12 : On entend de la gigue.")
        ((6.0, 12.0), 'On entend de la gigue.')
    """
    for language in LANGUAGES:
        frame = re.escape(simplified(get_language(language).texts["part"][0]))
        pattern = frame.replace(r"\{start\}", _TIME).replace(r"\{end\}", _TIME)
        if match := re.match(pattern, simplified(text)):  # as long as what it stands for, sign by sign
            times = [60 * (60 * int(h or 0) + int(m)) + int(s) for h, m, s in (match.groups()[:3], match.groups()[3:])]
            return (float(times[0]), float(times[1])), text[match.end() :]
    return None, text
