"""Answers in words: what is decided stands fixed, the judge writes only what may be free, and the whole always parses.

A ``Draft`` is such an answer before its free words: the request, the beginning that is forced (scores, headers, tags), how
the free words are put in, and words made of the decided facts for a judge that writes none that can stand there. The free
words end where a tag would begin, at a line break if only one line is wanted, or at the last whole sentence if the limit
of tokens is reached.
"""

import math
import random
import re
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, NamedTuple

from audio_judge.clips import Cause
from audio_judge.judge import preferences
from audio_judge.judge.judgement import Judgement, Preference
from audio_judge.judge.requests import Reading
from audio_judge.judge.results import values_of, worst_window
from audio_judge.judge.spoken import TextQuestion
from audio_judge.languages import get_language
from audio_judge.rubrics.rubric import RUBRICS, SPEECHEVAL_RUBRICS
from audio_judge.tasks import (
    Assessment,
    Comparison,
    Description,
    Explanation,
    ParseError,
    Suggestions,
    assess,
    compare,
    describe,
    explain,
    faults,
    suggest,
)
from audio_judge.tasks.compare import Form, Verdict
from audio_judge.tasks.faults import FAULT_QUESTIONS, TYPE_OF_FAULT, addressed_types, distortions_by_cause

_SENTENCE_END = re.compile(r"[。！？]|[.!?](?=\s|$)")
_DECIMAL = re.compile(r"\d+[.,]\d+")
_ANSWER = "<answer>\n"


@dataclass(frozen=True)
class Written:
    """A finished answer.

    Args:
        text: The whole answer; parses strictly.
        words: Its free part.
        is_own: Whether the judge wrote all of the free part; else some of it was made of the decided facts.
    """

    text: str
    words: str
    is_own: bool = True


@dataclass(frozen=True)
class Draft:
    """An answer that lacks its free words, and spare ones of decided facts, which can always stand there.

    Args:
        request: What the judge is asked.
        head: Beginning of the answer, forced before the judge writes.
        compose: Makes the whole answer of free words; raises a ``ValueError`` if they cannot stand there.
        is_one_line: Whether a line break ends the free words.
        is_optional: Whether the judge may write nothing.
    """

    request: str
    head: str
    compose: Callable[[str], Written] = field(repr=False)
    spare: str
    is_one_line: bool = True
    is_optional: bool = False

    def finish(self, words: str) -> Written:
        """Put free words in, as ``trimmed`` gives them; those that cannot stand there give way to the spare ones."""
        try:
            return self.compose(words)
        except ValueError:
            return replace(self.compose(self.spare), is_own=False)


def explanation(
    scores: Mapping[str, float],
    with_reference: bool,
    language: str = "en",
    faults: Sequence[Cause] | None = None,
    part: Mapping[str, float] | None = None,
) -> Draft:
    r"""Draft an explanation of decided scores on NISQA's rubrics.

    Sentences that ``explain.reasons`` would write of other scores are put right; those of the judge's own are not understood.

    Args:
        scores: With ``mos``, which is the verdict.
        with_reference: Whether the judge hears the original too.
        language: Of request and answer.
        faults: That were decided to be there; a sentence about another known fault is then left out, and faults that the
            judge says nothing about are added. None if they were not decided.
        part: Scores of the part of the clip that the words are about, but for the verdict; None for the whole.

    Example:
        >>> explanation({"mos": 2.44}, False).finish("It is noisy.").text
        'Overall quality: 2.4\n\nIt is noisy.'
    """
    head = explain.head(_rounded(scores), language=language)
    heard = tuple(Cause(fault.kind) for fault in faults or ())
    target = Explanation(_rounded({**(part or scores), "mos": scores["mos"]}), heard)
    absent = set() if faults is None else FAULT_QUESTIONS.keys() - target.kinds

    def compose(words: str) -> Written:
        # Parsed before it is given out: what a judge answers can be read strictly, whatever it wrote
        agreeing, is_own = _held_to(words, target, absent, language)
        explain.parse(head + agreeing, strict=True, language=language)
        return Written(head + agreeing, agreeing, is_own)

    request = explain.ask(RUBRICS, with_reference=with_reference, language=language)
    return Draft(request, head, compose, explain.reasons(target, language=language))


def decided_assessment(judgement: Judgement, types: Mapping[str, str] = TYPE_OF_FAULT) -> Assessment:
    """Note decided scores on SpeechEval's rubrics and faults as an assessment without a summary.

    The speech rate becomes a word; faults become the ``types`` of distortion that they are, if distortion is scored.
    """
    scores = {name: score.value for name, score in judgement.scores.items() if name != "speech_rate"}
    rate = judgement.scores.get("speech_rate")  # a judge need not have learned it
    found = distortions_by_cause(judgement.faults or (), types) if "distortion" in scores else ()
    return Assessment(_rounded(scores), "" if rate is None else assess.read_rate(rate.level), found)


def assessment(target: Assessment, with_reference: bool, language: str = "en", *, knows_faults: bool = False) -> Draft:
    """Draft an assessment of decided scores.

    With ``knows_faults`` the distortions were decided, too; a sentence that names others, or other times, is then left out.
    """

    def compose(words: str) -> Written:
        agreeing = _without_other_distortions(words, target, language) if knows_faults else words
        text = assess.write(replace(target, answer=_some(agreeing)), language=language)
        return Written(text, assess.parse(text, strict=True, language=language).answer)

    spare = assess.summarise(target, language=language)
    head = _before_answer(assess.write(replace(target, answer=spare), language=language))
    return Draft(assess.ask(with_reference=with_reference, language=language), head, compose, spare, is_one_line=False)


def suggestions(target: Assessment, language: str = "en", *, knows_faults: bool = False) -> Draft:
    """Draft suggestions for what was decided, whose worst dimensions are the areas.

    With ``knows_faults`` the distortions were decided, too; advice against others, or for other areas, is then left out, and
    advice against those that the judge says nothing about is added.
    """
    advice = suggest.suggest_for(target, language=language)

    def compose(words: str) -> Written:
        lines = suggest.parse(_some(words)).suggestions
        added: tuple[str, ...] = ()
        if knows_faults:
            lines = tuple(line for line in lines if _suits(line, target, advice.areas, language))
            _some("".join(lines))  # nothing fitting was said: all of it by rule, not only what is lacking
            addressed = {kind for line in lines for kind in addressed_types(line, language)}
            lacking = {distortion.kind for distortion in target.distortions} - addressed
            added = tuple(line for line in advice.suggestions if addressed_types(line, language) & lacking)
        text = suggest.write(Suggestions(advice.areas, (*lines, *added)), language)
        suggest.parse(text, strict=True, language=language)
        return Written(text, "\n".join((*lines, *added)), is_own=not added)

    head = _before_answer(suggest.write(advice, language))
    return Draft(suggest.ask(language=language), head, compose, "\n".join(advice.suggestions), is_one_line=False)


def description(scores: Mapping[str, float], with_reference: bool, language: str = "en") -> Draft:
    """Draft a description that ends in the decided overall score, ``mos`` among NISQA's rubrics.

    Example:
        >>> description({"mos": 2.44}, False).finish("It is noisy. The MOS is 4.0.").text
        'It is noisy. Overall the MOS is 2.4.'
    """
    values = _rounded(scores)

    def compose(words: str) -> Written:
        free = []
        for sentence in sentences(words):
            if "MOS" in sentence:  # the judge comes to its own last sentence; the decided one is put in its place
                break
            free.append(sentence)
        space = get_language(language).marks["space"]
        text = describe.write(Description(space.join(free), values["mos"]), language=language)
        return Written(text, describe.parse(text, strict=True, language=language).text)

    spare = describe.describe_scores(values, language=language).text
    return Draft(describe.ask(with_reference=with_reference, language=language), "", compose, spare)


def comparison(target: Comparison, aspects: Sequence[str], form: Form, language: str = "en") -> Draft:
    """Draft the reasons of a preference, or a comparison by dimensions.

    ``aspects`` are the rubrics that may be named. Decided ties are not written, but words that contradict them are left out.
    """
    if form == "dimensions":
        return _dimensions(target, language)
    argument, _, token = compare.write(target, language=language).rpartition("\n")

    def compose(words: str) -> Written:
        agreeing = [sentence for sentence in sentences(words) if _agrees(sentence, target, token, aspects, language)]
        reasons = get_language(language).marks["space"].join([argument, *agreeing])
        compare.parse(f"{reasons}\n{token}", aspects, strict=True, language=language)
        return Written(f"{reasons}\n{token}", reasons)

    return Draft(compare.ask(aspects, language=language), argument, compose, "", is_optional=True)


def _dimensions(target: Comparison, language: str) -> Draft:
    def compose(words: str) -> Written:
        text = compare.write(replace(target, answer=_some(words)), form="dimensions", language=language)
        return Written(text, compare.parse(text, strict=True, language=language).answer)

    spare = compare.summarise(target, language=language)
    head = _before_answer(compare.write(replace(target, answer=spare), form="dimensions", language=language))
    return Draft(compare.ask(form="dimensions", language=language), head, compose, spare, is_one_line=False)


def _agrees(sentence: str, target: Comparison, token: str, aspects: Sequence[str], language: str) -> bool:
    """Whether a sentence can be read and gives no aspect to another clip than was decided."""
    try:
        said = compare.parse(f"{sentence}\n{token}", aspects, strict=True, language=language).verdicts
    except ParseError:
        return False
    return all(target.verdicts.get(name, verdict) == verdict for name, verdict in said.items())


def _held_to(words: str, target: Explanation, absent: Set[str], language: str) -> tuple[str, bool]:
    """Free reasons held to decided scores, faults and absent faults, and whether all of them are the judge's own.

    Raises:
        ValueError: If nothing of them can stay.
    """
    fitting = explain.fitting_sentences(target.scores, language)
    said = sentences(words)
    kept: dict[str, str] = {}  # by rubric, or by itself: nothing is said twice
    for sentence in said:
        subject, fit = fitting.get(sentence, (sentence, sentence))
        if not _contradicts(sentence, target.kinds, absent, language):
            kept.setdefault(subject, fit)
    _some("".join(kept.values()))
    # What is added goes before the verdict, which is the last sentence of our own explanations
    verdict = [kept.pop("mos")] if "mos" in kept else []
    named = explain.named_causes(" ".join(kept.values()), language)
    lacking = [cause for cause in target.causes if cause.kind not in named]
    rng = random.Random(words)  # the same words get the same additions
    added = [text for cause in lacking for text in explain.cause_sentences(cause, rng, language)]
    parts = [*kept.values(), *added, *verdict]
    return get_language(language).marks["space"].join(parts), set(parts) <= set(said)


def _contradicts(sentence: str, heard: Set[str], absent: Set[str], language: str) -> bool:
    """Whether a sentence denies a heard cause, names an absent one, or says what only absent ones do."""
    named = set(explain.named_causes(sentence, language))
    denied = set(explain.mentioned_causes(sentence, language)) - named
    owners = {kind for kind, words in get_language(language).causes.items() if sentence in words.effects}
    return bool(denied & heard or named & absent) or (bool(owners) and owners <= absent)


def _without_other_distortions(words: str, target: Assessment, language: str) -> str:
    """Free words without the sentences that name a type of distortion, or times of one, which were not decided."""
    names = get_language(language).names["distortions"]
    heard = {distortion.kind for distortion in target.distortions}
    times = {f"{time:.1f}" for distortion in target.distortions for span in distortion.spans for time in span}

    def agrees(sentence: str) -> bool:
        named = {kind for kind, name in names.items() if name in sentence.casefold()}
        return named <= heard and (not named or set(_times_in(sentence)) <= times)

    parts = sentences(words)
    agreeing = [part for part in parts if agrees(part)]
    return words if agreeing == parts else get_language(language).marks["space"].join(agreeing)


def _times_in(sentence: str) -> list[str]:
    return [time.replace(",", ".") for time in _DECIMAL.findall(sentence)]


def _suits(line: str, target: Assessment, areas: Sequence[str], language: str) -> bool:
    """Whether a suggestion is against nothing but what was decided; of our own ones, whether they would be made here."""
    spoken = get_language(language)
    heard = {distortion.kind for distortion in target.distortions}
    dimensions = [name for name, lines in spoken.advice.items() if line in lines]
    if line in spoken.texts["no_advice"]:
        return not areas and not heard
    if "mos" in dimensions:
        return bool(areas or heard)
    if dimensions and not any(SPEECHEVAL_RUBRICS[name].label in areas for name in dimensions):
        return False
    is_general = "distortion" in dimensions and not heard
    return is_general or addressed_types(line, language) <= heard


def _rounded(scores: Mapping[str, float]) -> dict[str, float]:
    """Scores as they are written; rounding also takes back what sums of shares overshoot an end by."""
    return {name: round(value, 1) for name, value in scores.items()}


def _some(words: str) -> str:
    if not words:
        raise ValueError("no words; at least one is needed")
    return words


def _before_answer(text: str) -> str:
    return text.partition(_ANSWER)[0] + _ANSWER


def sentences(text: str) -> list[str]:
    """Split a text after its sentence ends.

    Example:
        >>> sentences("It is 3.2 s long. Noise! And")
        ['It is 3.2 s long.', 'Noise!', 'And']
    """
    ends = [0, *(match.end() for match in _SENTENCE_END.finditer(text)), len(text)]
    parts = (text[start:end].strip() for start, end in pairwise(ends))
    return [part for part in parts if part]


def trimmed(text: str, *, is_one_line: bool, is_cut: bool) -> str:
    r"""Make free words of what was generated, which may end in the beginning of a tag.

    If the limit of tokens was reached (``is_cut``), the last sentence that is not whole is left out, or closed with a full
    stop if there is no other.

    Example:
        >>> trimmed("It is noisy. There are bre", is_one_line=True, is_cut=True)
        'It is noisy.'
        >>> trimmed("Fine.\n</answer>", is_one_line=False, is_cut=False)
        'Fine.'
    """
    words, tag, _ = text.partition("<")
    # Before the line break is looked for: a judge may begin with one
    words = words.lstrip()
    line_break = ""
    if is_one_line:
        words, line_break, _ = words.partition("\n")
    # Half a character at the cut, or a control character, would stand in JSON and in tables
    plain = "".join(c if c == "\n" or (c.isprintable() and c != "\ufffd") else " " for c in words)
    lines = (" ".join(line.split()) for line in plain.split("\n"))
    words = "\n".join(line for line in lines if line)
    if not is_cut or tag or line_break:
        return words
    ends = [match.end() for match in _SENTENCE_END.finditer(words)]
    if ends:
        return words[: ends[-1]]
    return f"{words.rpartition(' ')[0] or words}." if words else ""


def explained(judgement: Judgement, written: Written, language: str) -> Judgement:
    """Add reasons, and the causes that they name, to a judgement."""
    causes = explain.named_causes(written.words, language)
    return _with(judgement, written, reasons=written.words, causes=causes)


def assessed(judgement: Judgement, written: Written, language: str) -> Judgement:
    """Add an assessment, read back from the text that was written, to a judgement."""
    target = assess.parse(written.text, strict=True, language=language)
    return _with(judgement, written, reasons=written.words, assessment=target)


def suggested(judgement: Judgement, written: Written, language: str) -> Judgement:
    """Add advice and its areas, read back from the text that was written, to a judgement."""
    target = suggest.parse(written.text, strict=True, language=language)
    return _with(judgement, written, areas=target.areas, suggestions=target.suggestions)


def described(judgement: Judgement, written: Written, language: str) -> Judgement:
    """Add a description to a judgement; its language does not matter."""
    return _with(judgement, written, description=written.text)


def compared(said: Preference, written: Written) -> Preference:
    """Add its reasons to a preference."""
    return replace(said, text=written.text, reasons=written.words, has_own_words=written.is_own)


def said(reading: Reading, question: TextQuestion) -> Written:
    """What a judge wrote in its own words, all of it: about the window with the lowest overall score, of those that can be read."""
    texts = {
        index: one.text for index, one in enumerate(reading.windows) if one.text is not None and one.problem is None
    }
    return _own_words(texts[min(texts, key=lambda index: reading.windows[index].values.get("mos", math.inf))], question)


def said_of_pair(reading: Reading, question: TextQuestion, better: Verdict, rubric: str) -> Written:
    """What a judge wrote about two clips, as A, B: about the window pair that is surest of the verdict."""
    clearest = preferences.clearest_window(reading, rubric, better)
    return _own_words(str(reading.windows[2 * clearest].text), question)


def _own_words(text: str, question: TextQuestion) -> Written:
    facts, (_, _, rest) = question.read(text), text.partition("\n\n")
    if question.task == "compare":
        return Written(text, facts.words or text.rpartition("\n")[0])
    return Written(text, rest if question.task == "explain" else facts.words or text)


def by_rule(drafts: Sequence[Draft]) -> list[Written]:
    """Finish drafts without the judge, in words made of what was decided."""
    return [replace(one.finish(""), is_own=False) for one in drafts]


def _with(judgement: Judgement, written: Written, **facts: Any) -> Judgement:
    return replace(judgement, text=written.text, has_own_words=written.is_own, **facts)


def draft_explanation(judgement: Judgement, with_reference: bool, language: str) -> Draft:
    """The explanation of a judgement; of a long clip, its words are about the worst window."""
    part = worst_window(judgement).scores if judgement.timeline else None
    return explanation(values_of(judgement), with_reference, language, judgement.faults, part)


def draft_assessment(judgement: Judgement, with_reference: bool, language: str) -> Draft:
    """The assessment of a judgement, with the faults that were decided."""
    target, is_known = decided_assessment(judgement), judgement.faults is not None
    return assessment(target, with_reference, language, knows_faults=is_known)


def draft_suggestions(judgement: Judgement, with_reference: bool, language: str) -> Draft:
    """The suggestions of a judgement, with advice against the faults that were decided."""
    target = decided_assessment(judgement, faults.ADVISED_TYPE_OF_FAULT)
    return suggestions(target, language, knows_faults=judgement.faults is not None)


def draft_description(judgement: Judgement, with_reference: bool, language: str) -> Draft:
    """The description of a judgement, of its scores alone."""
    return description(values_of(judgement), with_reference, language)


class Words(NamedTuple):
    """How a judgement gets words of one kind.

    Args:
        draft: Made of a judgement, whether the judge hears the original too, and the language.
        attach: Adds the finished answer to the judgement.
        place: Where the words stand in the judgement.
    """

    draft: Callable[[Judgement, bool, str], Draft]
    attach: Callable[[Judgement, Written, str], Judgement]
    place: str = "reasons"

    def of_silence(self, judgement: Judgement, language: str) -> Judgement:
        """Say that a clip in which nothing sounds has no speech: any reason for its scores would be made up."""
        sentence = get_language(language).texts["nothing_sounds"][0]
        words: dict[str, Any] = {self.place: (sentence,) if self.place == "suggestions" else sentence}
        faults = None if judgement.faults is None else ()
        return replace(judgement, text=sentence, has_own_words=False, faults=faults, **words)


EXPLANATION = Words(draft_explanation, explained)
ASSESSMENT = Words(draft_assessment, assessed)
SUGGESTIONS = Words(draft_suggestions, suggested, "suggestions")
DESCRIPTION = Words(draft_description, described, "description")


def draft_comparison(said: Preference, aspects: Sequence[str], form: Form, language: str) -> Draft:
    """The reasons of a preference; the dimensions form has its verdict on the whole among its lines."""
    shares = {name: one for name, one in said.rubrics.items() if name in aspects and name != "mos"}
    overall = compare.verdict(said.rubrics["mos"] if form == "dimensions" else said.probabilities)
    verdicts = preferences.clearest(shares)
    if form == "dimensions":
        verdicts = {name: compare.verdict(one) for name, one in shares.items()}
    return comparison(Comparison({"mos": overall} | verdicts), aspects, form, language)
