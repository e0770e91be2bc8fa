"""Answers of models that never learned our forms, in whatever words: what can be read for certain is, all else is refused.

The tasks read numbers, levels, labels and lines themselves. Here is what stands beside those: which clip a sentence prefers, a level
in place of a number, and that somebody heard nothing at all. English only; what is unsure is a ``ParseError``, never a guess.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import cast

from audio_judge.languages import simplified
from audio_judge.rubrics.rubric import Rubric, get_rubric
from audio_judge.tasks import categorize, compare
from audio_judge.tasks.assess import title_names
from audio_judge.tasks.common import Facts, ParseError
from audio_judge.tasks.compare import OPPOSITE, Verdict
from audio_judge.tasks.facts import read_facts
from audio_judge.tasks.thoughts import items, without_thought

_UNHEARD = re.compile(
    r"\bI(?:'m| am)?\b[^.!?\n]{0,60}?(?:can(?:no|')t|cannot|unable to|not able to|do(?: no|n')t have (?:the ability|access))"
    r"[^.!?\n]{0,20}?\b(?:(?:hear|listen|access|process|play|open)\b[^.!?\n]{0,20}?\b(?:audio|clips?|recordings?|sounds?|files?|speech)"
    r"|rate|judge|assess|evaluate|score|determine|tell|compare)\b",
    re.IGNORECASE,
)
_THING = (
    r"(?:speech|clip|sample|audio|recording|track|version|option|file|utterance|segment|voice)(?:\s+clip|\s+sample)?"
)
_NAMED = {
    "A": re.compile(
        rf"\b{_THING}[\s_-]*(?:a|1|one)\b(?!')|\bthe (?:first|former)(?: (?:{_THING}|one))?\b", re.IGNORECASE
    ),
    "B": re.compile(
        rf"\b{_THING}[\s_-]*(?:b|2|two)\b(?!')|\bthe (?:second|latter)(?: (?:{_THING}|one))?\b", re.IGNORECASE
    ),
}
# A letter alone is a clip, but for the article
_LETTER = re.compile(
    r"(?<![\w<])(?:B|A(?=\s+(?:is|was|has|sounds?|seems?|wins?|beats|outperforms|and|or|over|than|because|by|in)\b|\W*\Z|[,.;:)*]))(?![\w>'-])"
    r"|(?<=prefer )A\b|(?<=choose )A\b"
)
_CLIP, _FEW = r"<([AB])>", r"(?:[\w'-]+ ){0,4}?"
_BETTER = r"(?:better|best|superior|preferable|preferred|(?:the )?winner)"
_WORSE = r"(?:worse|worst|inferior|poorer)"
_QUALITY = r"(?:overall |sound |audio |speech |perceived )*quality"
_VERB = r"(?:is|was|sounds?|seems?|appears?|feels?|comes across as)"
_WINS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_CLIP} {_VERB} {_FEW}{_BETTER}\b",
        rf"{_CLIP} {_VERB} {_FEW}of {_FEW}(?:better|higher|superior) {_QUALITY}",
        rf"{_CLIP} (?:has|offers|delivers|provides) {_FEW}(?:better|higher|superior) {_QUALITY}",
        rf"{_CLIP} (?:{_FEW})(?:wins|beats|outperforms|surpasses)\b",
        rf"\b(?:prefer|choose|pick|select|favou?r|go with|vote for) {_FEW}{_CLIP}",
        rf"\b(?:{_BETTER}|choice|answer|preference|verdict|winner|quality)(?: [\w'-]+){{0,3}}?(?:\s*:| is| goes to) {_FEW}{_CLIP}(?=\W*\Z|\s?[.,;(]| because| since| over| than)",
        rf"\A\W*{_CLIP},? (?:because|since|due to)\b",
    )
)
# A line that says no more than a name
_BARE = re.compile(rf"\W*(?:(?:overall|answer|final answer)\W+)?{_CLIP}\W*", re.IGNORECASE)
_LOSES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_CLIP} {_VERB} {_FEW}{_WORSE}\b",
        rf"{_CLIP} (?:has|is of) {_FEW}(?:worse|lower|poorer|inferior) {_QUALITY}",
    )
)
_ALIKE = r"(?:equal(?:ly)?|the same|similar(?:ly)?|alike|identical|indistinguishable|comparable|equivalent|tied|on par)"
_TIES = re.compile(
    rf"(?:\b(?:both|they|two|clips|samples|recordings)|<A> and <B>|<B> and <A>)(?: [\w'-]+){{0,5}}? {_ALIKE}\b"
    r"|\bno (?:[\w-]+ ){0,2}(?:difference|preference)\b|\bneither (?:[\w<>]+ ){0,3}?(?:better|wins)\b|\b(?:it is|it's) a (?:tie|draw)\b"
    rf"|\A\W*(?:(?:answer|overall|preference|verdict|winner|choice)\W+)?(?:about |roughly |almost |nearly )?(?:a )?(?:tie|draw|{_ALIKE})\W*\Z",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"\b(?:not|never|hardly|nor|cannot|unsure|hard to|difficult to|could|might|may|by no means|in no way|no (?:better|worse))\b|n't\b|\?",
    re.IGNORECASE,
)
_SUPPOSED = re.compile(r"\b(?:if|unless|whether)\b", re.IGNORECASE)
_IN_ALL = re.compile(
    r"\b(?:overall|all in all|in total|on the whole|in conclusion|final(?:ly)?|therefore|answer|verdict)\b",
    re.IGNORECASE,
)
_BREAK = re.compile(r"\b(?:but|however|while|whereas|although|though)\b|,\s+(?=<)|,\s+and\s+(?=<)")
# What a clip is better in, before reasons follow; the whole is no aspect
_ASPECT = re.compile(
    r"(?:\A|\s)(?:in(?: terms of)?|with (?:regard|respect) to|regarding|concerning|for)\s+(.+)", re.IGNORECASE
)
_REASONS = re.compile(r"\b(?:because|since|as|due to|with (?!re[gs]))|[,:(]")
_WHOLE = re.compile(
    r"\A(?:(?:the|my|this|its|terms of) )*(?:opinion|comparison|case|pair|overall|general|total|every|all|(?:sound |audio |speech )?quality)\b",
    re.IGNORECASE,
)


def read_free(task: str, text: str, rubrics: Sequence[Rubric] = ()) -> Facts:
    """Read what an answer in free words states.

    Args:
        rubrics: What was asked for; of a comparison ``mos`` for the whole.

    Raises:
        ParseError: If it cannot be read for certain.

    Example:
        >>> read_free("compare", "Clip A is better because it has less noise.").verdicts
        {'mos': 'A'}
        >>> read_free("score", "The overall quality is good.", [get_rubric("mos")]).scores
        {'mos': 4.0}
    """
    if _UNHEARD.search(text):
        raise ParseError(f"{text!r} says that nothing could be heard or judged")
    if task == "compare":
        return _read_pair(text, rubrics)
    try:
        found = read_facts(task, text, rubrics)
        # Without a thought, the summary is what stands beside the lines of dimensions
        return replace(found, words=_beside_lines(text)) if task == "assess" and not found.words else found
    except ParseError as error:
        if task not in ("score", "rate") or "no number" not in str(error):
            raise
        rubric = rubrics[0]
        level = categorize.parse(text, rubric).level
        return Facts({rubric.name: float(rubric.level_values[rubric.levels.index(level)])})


def _read_pair(text: str, rubrics: Sequence[Rubric]) -> Facts:
    asked = rubrics or (get_rubric("mos"),)
    answer = without_thought(text)
    try:
        if any(name in title_names() for name, _ in items(simplified(text))):
            found = compare.facts(compare.parse(text, asked))
            return found if found.words else replace(found, words=_beside_lines(text) or None)
        # A token within a sentence may be denied there; on a line of its own it is the verdict
        if not re.search(r"\w", re.sub(r"\[[^\]]*\]", "", _last_line(answer))):
            return compare.facts(compare.parse(answer, asked))
    except ParseError:
        pass
    return Facts(verdicts={"mos": preferred(answer, rubrics[0] if len(rubrics) == 1 else None)})


def _beside_lines(text: str) -> str:
    """The words beside the lines that begin with the name of a dimension."""
    kept = [line for line in text.splitlines() if not any(name in title_names() for name, _ in items(simplified(line)))]
    return "\n".join(kept).strip()


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1] if text.strip() else ""


def preferred(text: str, rubric: Rubric | None = None) -> Verdict:
    """Read which of two clips is called better, or that neither is.

    Args:
        rubric: What they were compared in; None, or ``mos``, for the whole.

    Raises:
        ParseError: If there is no verdict, several, a denied one, or one on something else.

    Example:
        >>> preferred("Both are about equal."), preferred("The second sample is worse.")
        ('tie', 'A')
    """
    found: dict[bool, set[Verdict]] = {True: set(), False: set()}  # by whether it is about the whole in so many words
    for clause in _clauses(text):
        for verdict in _verdicts(clause, text, rubric):
            found[bool(_IN_ALL.search(clause))].add(verdict)
    verdicts = found[True] or found[False]
    if len(verdicts) != 1:
        raise ParseError(f"{len(verdicts)} preferences in {text!r}; one for A, for B or for neither expected")
    return verdicts.pop()


def _clauses(text: str) -> Iterator[str]:
    """Parts of sentences that make one statement each, with the clips as ``<A>`` and ``<B>``; suppositions are left out."""
    for line in re.sub(r"[*`~\[\]]", "", text).splitlines():
        for name, pattern in _NAMED.items():
            line = pattern.sub(f"<{name}>", line)
        line = _LETTER.sub(lambda match: f"<{match[0]}>", line)
        if bare := _BARE.fullmatch(line):
            line = f"Answer: <{bare[1].upper()}>"
        for sentence in re.split(r"(?<=[.!?;])\s+", line):
            if not _SUPPOSED.search(sentence):
                yield from map(str.strip, _BREAK.split(sentence))


def _verdicts(clause: str, text: str, rubric: Rubric | None) -> Iterator[Verdict]:
    if match := _TIES.search(clause):
        if _DENIED.search(clause[: match.end()]):
            raise ParseError(f"{text!r} denies or doubts that the clips are alike")
        yield "tie"
        return
    for patterns, is_won in ((_LOSES, False), (_WINS, True)):
        for match in (one for pattern in patterns if (one := pattern.search(clause))):
            if _DENIED.search(clause[: match.end()]) or "?" in clause[match.end() :]:
                raise ParseError(f"{text!r} denies or doubts a preference")
            if _is_about(clause[match.end() :], rubric):
                name = cast(Verdict, match[1].upper())
                yield name if is_won else OPPOSITE[name]


def _is_about(rest: str, rubric: Rubric | None) -> bool:
    """Whether what follows a verdict limits it to nothing, or to what was asked for."""
    aspect = _ASPECT.search(_REASONS.split(rest)[0])
    if aspect is None or _WHOLE.match(aspect[1]):
        return True
    return rubric is not None and get_rubric(rubric).label.casefold() in aspect[1].casefold()
