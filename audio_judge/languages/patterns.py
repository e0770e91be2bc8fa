"""Regular expressions that the data files are made of, and that read their words."""

import re
from collections.abc import Sequence

CJK = r"\u3005\u3040-\u30ff\u3400-\u9fff"
CLIP = r"(?P<clip>speech\s*[ab])"
NEVER = "(?!)"  # matches nothing
CLAUSE_END = r"[.;:,!?。；：，！？\n]"


def whole_words(pattern: str) -> str:
    """Let a regular expression match whole words only, where the script has word ends.

    Example:
        >>> re.findall(whole_words("vraie?|真实"), "vraiment vrai, 很真实的")
        ['vrai', '真实']
    """
    # Case apart, since a class of that many characters takes long to compile with it
    before, after = rf"(?-i:(?<![^\W{CJK}])|(?=[{CJK}]))", rf"(?-i:(?![^\W{CJK}])|(?<=[{CJK}]))"
    return f"{before}(?:{pattern}){after}"


def name_pattern(names: Sequence[str]) -> str:
    """Match any of some names as whole words, the longest first; scripts without spaces have no word ends.

    Example:
        >>> re.findall(name_pattern(["noisy", "very noisy", "嘈杂"]), "very noisy, 很嘈杂的")
        ['very noisy', '嘈杂']
    """
    return whole_words("|".join(map(re.escape, sorted(names, key=len, reverse=True))))


def judged_anywhere(better: str, worse: str) -> str:
    """Match a sentence that names a clip and somewhere says worse or, if it does not, better.

    Worse counts first, since "less good" holds "good".

    Example:
        >>> re.search(judged_anywhere("优于|好", "不如"), "要说好，SpeechA不如SpeechB", re.IGNORECASE).groupdict()
        {'clip': 'SpeechA', 'worse': '不如', 'better': None}
    """
    clip = rf"(?=.*?(?<![A-Za-z]){CLIP}(?![A-Za-z0-9]))"
    return rf"^{clip}(?:.*?(?P<worse>{whole_words(worse)})|.*?(?P<better>{whole_words(better)}))"
