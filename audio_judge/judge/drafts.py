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
from types import MappingProxyType
from typing import Any, NamedTuple

from audio_judge.clips import Cause
from audio_judge.judge import preferences
from audio_judge.judge.judgement import Judgement, Preference
from audio_judge.judge.requests import Reading
from audio_judge.judge.results import values_of, worst_window
from audio_judge.judge.signal_facts import SignalFacts
from audio_judge.judge.spoken import TextQuestion
from audio_judge.languages import get_language
from audio_judge.languages.findings import FINDINGS
from audio_judge.rubrics.rubric import RUBRICS, SPEECHEVAL_RUBRICS, get_rubric
from audio_judge.tasks import (
    Assessment,
    Comparison,
    Description,
    Explanation,
    ParseError,
    Suggestions,
    assess,
    compare,
    contrast,
    describe,
    explain,
    faults,
    findings,
    parts,
    suggest,
)
from audio_judge.tasks.compare import Form, Verdict
from audio_judge.tasks.faults import FAULT_QUESTIONS, TYPE_OF_FAULT, addressed_types, distortions_by_cause
from audio_judge.tasks.findings import Found
from audio_judge.tasks.own_words import SENTENCE_END, sentences
from audio_judge.tasks.thoughts import holds_tag

_DECIMAL = re.compile(r"\d+[.,]\d+")
_ANSWER = "<answer>\n"
# Tables of the names of types of distortion: of lists, and of sentences
_NAMES = ("distortions", "heard")


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
        task: Whose answer it is, where a request can spell out what is asked; else empty.
        language: Of the answer.
        settled: The answer in words made of all that was decided and measured, in a language that has such; None to compose it
            of ``spare``.
    """

    request: str
    head: str
    compose: Callable[[str], Written] = field(repr=False)
    spare: str
    is_one_line: bool = True
    is_optional: bool = False
    task: str = ""
    language: str = "en"
    settled: Written | None = field(default=None, repr=False)

    def finish(self, words: str) -> Written:
        """Put free words in, as ``trimmed`` gives them; those that cannot stand there give way to the spare ones."""
        try:
            return self.compose(words)
        except ValueError:
            return self.by_rule()

    def by_rule(self) -> Written:
        """The answer in words made of what was decided."""
        return self.settled or replace(self.compose(self.spare), is_own=False)


def explanation(
    scores: Mapping[str, float],
    with_reference: bool,
    language: str = "en",
    faults: Sequence[Cause] | None = None,
    part: Mapping[str, float] | None = None,
    facts: SignalFacts | None = None,
    when: tuple[float, float] | None = None,
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
        facts: What was measured in it; no sentence contradicts that.
        when: Its start and end in seconds, which stand before the words.

    Example:
        >>> explanation({"mos": 2.44}, False).finish("It is noisy.").text
        'Overall quality: 2.4\n\nIt is noisy.'
    """
    head = explain.head(_rounded(scores), language=language)
    values = _rounded({**(part or scores), "mos": scores["mos"]})
    target = Explanation(_unopposed_scores(values, facts), tuple(faults or ()))
    silent = values.keys() - target.scores.keys() | explain.said_by_causes(target.causes)
    target = replace(target, causes=tuple(_graded(cause, values) for cause in target.causes))
    is_clean = faults is not None and explain.is_clean(target.scores, target.causes)
    absent = set() if faults is None else FAULT_QUESTIONS.keys() - target.kinds

    def compose(words: str) -> Written:
        words = _without_complaints(words, target.scores, language) if is_clean else _not_called_clean(words, language)
        # Parsed before it is given out: what a judge answers can be read strictly, whatever it wrote
        agreeing, is_own = _held_to(_unopposed(words, facts, language), target, absent, silent, language)
        agreeing = _part(when, language) + agreeing
        explain.parse(head + agreeing, strict=True, language=language)
        return Written(head + agreeing, agreeing, is_own)

    request = explain.ask(RUBRICS, with_reference=with_reference, language=language)
    spare = explain.reasons(target, findings.seed_of(head, sorted(target.kinds)), language=language)
    return Draft(request, head, compose, spare, task="explain", language=language)


def decided_assessment(judgement: Judgement, types: Mapping[str, str] = TYPE_OF_FAULT) -> Assessment:
    """Note decided scores on SpeechEval's rubrics and faults as an assessment without a summary.

    The speech rate becomes a word; faults become the ``types`` of distortion that they are, if distortion is scored.
    """
    dimensions = {name: judgement.scores[name] for name in SPEECHEVAL_RUBRICS if name in judgement.scores}
    scores = {name: score.value for name, score in dimensions.items() if name != "speech_rate"}
    rate = judgement.scores.get("speech_rate")  # a judge need not have learned it
    found = distortions_by_cause(judgement.faults or (), types) if "distortion" in scores else ()
    return Assessment(_rounded(scores), "" if rate is None else assess.read_rate(rate.level), found)


def assessment(
    target: Assessment,
    with_reference: bool,
    language: str = "en",
    *,
    faults: Sequence[Cause] | None = None,
    facts: SignalFacts | None = None,
    when: tuple[float, float] | None = None,
) -> Draft:
    """Draft an assessment of decided scores; no sentence contradicts what was measured, ``facts``.

    ``when`` is from when to when, in seconds, the words are about; None for all of the clip.

    If ``faults`` were decided, a sentence that names other faults or distortions, or other times, is left out.
    """
    kinds = None if faults is None else {fault.kind for fault in faults}

    def compose(words: str) -> Written:
        agreeing = words if assess.is_clean(target) else _not_called_clean(words, language)
        agreeing = _unopposed(agreeing, facts, language, kinds)
        agreeing = agreeing if kinds is None else _without_other_distortions(agreeing, target, language)
        agreeing = _said_once(agreeing, language)
        text = assess.write(replace(target, answer=_part(when, language) + _some(agreeing)), language=language)
        return Written(text, assess.parse(text, strict=True, language=language).answer)

    spare = assess.summarise(target, language=language)
    head = _before_answer(assess.write(replace(target, answer=spare), language=language))
    request = assess.ask(with_reference=with_reference, language=language)
    return Draft(request, head, compose, spare, is_one_line=False, task="assess", language=language)


def suggestions(
    target: Assessment,
    language: str = "en",
    *,
    knows_faults: bool = False,
    facts: SignalFacts | None = None,
    when: tuple[float, float] | None = None,
    aspects: Mapping[str, float] = MappingProxyType({}),
) -> Draft:
    """Draft suggestions for what was decided, whose worst dimensions are the areas; none contradicts what was measured, ``facts``.

    ``aspects`` are decided scores on NISQA's dimensions, which say more exactly than ``distortion`` what needs work.

    With ``knows_faults`` the distortions were decided, too; advice against others, or for other areas, is then left out, and
    advice against those that the judge says nothing about is added.
    """
    advice = suggest.suggest_for(target, language=language, aspects=aspects)

    def compose(words: str) -> Written:
        lines = suggest.parse(_some(_unopposed(words, facts, language))).suggestions
        added: tuple[str, ...] = ()
        if knows_faults:
            lines = tuple(line for line in lines if _suits(line, target, advice.areas, language))
            _some("".join(lines))  # nothing fitting was said: all of it by rule, not only what is lacking
            addressed = {kind for line in lines for kind in addressed_types(line, language)}
            lacking = {distortion.kind for distortion in target.distortions} - addressed
            added = tuple(line for line in advice.suggestions if addressed_types(line, language) & lacking)
        first, *others = (*lines, *added)
        said = (_part(when, language) + first, *others)
        text = suggest.write(Suggestions(advice.areas, said), language)
        suggest.parse(text, strict=True, language=language)
        return Written(text, "\n".join(said), is_own=not added)

    head = _before_answer(suggest.write(advice, language))
    request, spare = suggest.ask(language=language), "\n".join(advice.suggestions)
    return Draft(request, head, compose, spare, is_one_line=False, task="suggest", language=language)


def description(
    scores: Mapping[str, float], with_reference: bool, language: str = "en", facts: SignalFacts | None = None
) -> Draft:
    """Draft a description that ends in the decided overall score, ``mos`` among NISQA's rubrics.

    No sentence contradicts what was measured, ``facts``.

    Example:
        >>> description({"mos": 2.44}, False).finish("It is noisy. The MOS is 4.0.").text
        'It is noisy. Overall the MOS is 2.4.'
    """
    values = _rounded(scores)
    spoken_of = _unopposed_scores(values, facts)
    flawless = explain.is_clean(values, ())
    fitting = describe.fitting_sentences(values, language)

    def compose(words: str) -> Written:
        free: dict[str, str] = {}  # by rubric, or by itself: nothing is said twice
        for sentence in sentences(_unopposed(words, facts, language)):
            if "MOS" in sentence:  # the judge comes to its own last sentence; the decided one is put in its place
                break
            subject, fit = fitting.get(sentence, (sentence, sentence))
            is_complaint = (
                flawless
                and subject in values
                and subject != "mos"
                and explain.fifth(RUBRICS[subject], values[subject]) < 4
            )
            is_false = not flawless and sentence in get_language(language).texts["clean"]
            if (subject not in values or subject in spoken_of) and not is_complaint and not is_false:
                free.setdefault(subject, fit)
        space = get_language(language).marks["space"]
        text = describe.write(Description(space.join(free.values()), values["mos"]), language=language)
        own = set(free.values()) <= set(sentences(words))
        return Written(text, describe.parse(text, strict=True, language=language).text, own)

    spare = describe.describe_scores(spoken_of, language=language).text
    request = describe.ask(with_reference=with_reference, language=language)
    return Draft(request, "", compose, spare, task="describe", language=language)


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


def _unopposed_scores(scores: Mapping[str, float], facts: SignalFacts | None) -> dict[str, float]:
    """Scores on NISQA's rubrics without those whose words would contradict what was measured."""
    return {
        name: value
        for name, value in scores.items()
        if facts is None or name not in RUBRICS or not facts.opposes(name, explain.fifth(RUBRICS[name], value))
    }


def _unopposed(words: str, facts: SignalFacts | None, language: str, kinds: Set[str] | None = None) -> str:
    """Free words without the sentences that contradict what was measured, or name a known fault that is none of ``kinds``."""
    absent = frozenset() if kinds is None else FAULT_QUESTIONS.keys() - kinds

    def agrees(sentence: str) -> bool:
        named = explain.named_causes(sentence, language)
        return not absent & set(named) and (facts is None or _fits_facts(sentence, named, facts, language))

    lines = ([part for part in sentences(line) if agrees(part)] for line in words.split("\n"))
    return "\n".join(get_language(language).marks["space"].join(parts) for parts in lines if parts)


def _fits_facts(sentence: str, named: Sequence[str], facts: SignalFacts, language: str) -> bool:
    """Whether a sentence gives the level no other side, a measured fault no other degree, and a dimension no other state than measured."""
    rubric, place = explain.places_of_sentences(language).get(sentence, ("", 0))
    if rubric and facts.opposes(rubric, place):
        return False
    if facts.loudness_lufs is not None:
        said = explain.level_side(sentence, language)
        if said not in (0, facts.side) or (facts.side == 0 and "level" in named):
            return False
    return all(_says_what_is_measured(sentence, facts.noted(Cause(kind)), language) for kind in named)


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


def _held_to(words: str, target: Explanation, absent: Set[str], silent: Set[str], language: str) -> tuple[str, bool]:
    """Free reasons held to decided scores, faults and absent faults, and whether all of them are the judge's own.

    Of the rubrics in ``silent`` nothing is said: what was measured opposes their scores.

    Raises:
        ValueError: If nothing of them can stay.
    """
    fitting = explain.fitting_sentences({**target.scores, **dict.fromkeys(silent, 3.0)}, language)
    said = sentences(words)
    kept: dict[str, str] = {}  # by rubric, or by itself: nothing is said twice
    spoken_of: set[str] = set()  # kinds of causes
    for sentence in said:
        subject, fit = fitting.get(sentence, (sentence, sentence))
        named = set(explain.named_causes(sentence, language))
        # One sentence a fault: two might say two degrees of it
        if (
            subject in silent
            or _contradicts(sentence, target.kinds, absent, language)
            or (named and named <= spoken_of)
        ):
            continue
        if not all(_says_what_is_measured(sentence, cause, language) for cause in target.causes if cause.kind in named):
            continue
        kept.setdefault(subject, fit)
        spoken_of |= named
    _some("".join(kept.values()))
    # What is added goes before the verdict, which is the last sentence of our own explanations
    verdict = [kept.pop("mos")] if "mos" in kept else []
    lacking = [cause for cause in target.causes if cause.kind not in spoken_of]
    rng = random.Random(words)  # the same words get the same additions
    added = [text for cause in lacking for text in explain.cause_sentences(cause, rng, language)]
    parts = [*kept.values(), *added, *verdict]
    return get_language(language).marks["space"].join(parts), set(parts) <= set(said)


def _graded(cause: Cause, scores: Mapping[str, float]) -> Cause:
    """Noise as strong as the score says, where nothing else is known of it."""
    if cause.kind != "noise" or cause.parameters.keys() - {"probability"} or "noisiness" not in scores:
        return cause
    snr_db = (0.0, 10.0, 18.0, 30.0, 30.0)[explain.fifth(RUBRICS["noisiness"], scores["noisiness"])]
    return replace(cause, parameters={**cause.parameters, "snr_db": snr_db})


def _part(when: tuple[float, float] | None, language: str) -> str:
    return "" if when is None else parts.write_part(*when, language)


def _without_complaints(words: str, scores: Mapping[str, float], language: str) -> str:
    """Free words about a clean clip without sentences of ours that find something to complain of."""
    fitting = explain.fitting_sentences(dict(scores), language)
    flawless = {name for name, value in scores.items() if name == "mos" or explain.fifth(RUBRICS[name], value) == 4}
    kept = [one for one in sentences(words) if one not in fitting or fitting[one][0] in flawless]
    is_verdict_only = all(fitting.get(one, ("", ""))[0] == "mos" for one in kept)
    return "" if is_verdict_only else get_language(language).marks["space"].join(kept)


def _not_called_clean(words: str, language: str) -> str:
    spoken = get_language(language)
    return spoken.marks["space"].join(one for one in sentences(words) if one not in spoken.texts["clean"])


def _says_what_is_measured(sentence: str, cause: Cause, language: str) -> bool:
    """Whether a sentence of ours gives a cause no other degree or direction than was measured; nothing is known of others."""
    if not cause.parameters.keys() - {"probability"}:
        return True
    ours = sentence in explain.all_naming(cause.kind, language)
    return not ours or sentence in explain.sentences_naming(cause, language)


def _contradicts(sentence: str, heard: Set[str], absent: Set[str], language: str) -> bool:
    """Whether a sentence denies a heard cause, names an absent one, or says what only absent ones do."""
    named = set(explain.named_causes(sentence, language))
    denied = set(explain.mentioned_causes(sentence, language)) - named
    owners = {kind for kind, words in get_language(language).causes.items() if sentence in words.effects}
    return bool(denied & heard or named & absent) or (bool(owners) and owners <= absent)


def _without_other_distortions(words: str, target: Assessment, language: str) -> str:
    """Free words without the sentences that name a type of distortion, or times of one, which were not decided."""
    names = get_language(language).names
    heard = {distortion.kind for distortion in target.distortions}
    times = {f"{time:.1f}" for distortion in target.distortions for span in distortion.spans for time in span}

    def agrees(sentence: str) -> bool:
        named = {kind for kind in names["heard"] for table in _NAMES if names[table][kind] in sentence.casefold()}
        return named <= heard and (not named or set(_times_in(sentence)) <= times)

    parts = sentences(words)
    agreeing = [part for part in parts if agrees(part)]
    return words if agreeing == parts else get_language(language).marks["space"].join(agreeing)


def _said_once(words: str, language: str) -> str:
    """Free words without the sentences that were said before."""
    parts = sentences(words)
    once = list(dict.fromkeys(parts))
    return words if once == parts else get_language(language).marks["space"].join(once)


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
    ends = [match.end() for match in SENTENCE_END.finditer(words)]
    if ends:
        return words[: ends[-1]]
    return f"{words.rpartition(' ')[0] or words}." if words else ""


def explained(judgement: Judgement, written: Written, language: str) -> Judgement:
    """Add reasons, and the causes that they name, to a judgement."""
    causes = explain.named_causes(written.words, language)
    return _with(judgement, written, reasons=written.words, causes=causes)


def assessed(judgement: Judgement, written: Written, language: str) -> Judgement:
    """Add an assessment, read back from the text that was written, to a judgement."""
    target = assess.parse(written.text, strict=holds_tag(written.text), language=language)
    return _with(judgement, written, reasons=written.words, assessment=target)


def suggested(judgement: Judgement, written: Written, language: str) -> Judgement:
    """Add advice and its areas, read back from the text that was written, to a judgement."""
    target = suggest.parse(written.text, strict=holds_tag(written.text), language=language)
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
    return [one.by_rule() for one in drafts]


def _with(judgement: Judgement, written: Written, **facts: Any) -> Judgement:
    return replace(judgement, text=written.text, has_own_words=written.is_own, **facts)


def draft_explanation(judgement: Judgement, with_reference: bool, language: str) -> Draft:
    """The explanation of a judgement; of a long clip, its words are about the worst window."""
    scores, part = values_of(judgement), worst_window(judgement).scores if judgement.timeline else None
    draft = explanation(scores, with_reference, language, judgement.faults, part, judgement.facts, judgement.worst)
    if language not in FINDINGS:
        return draft
    words = _part(judgement.worst, language) + findings.explanation(_found(judgement, part or scores), language)
    explain.parse(draft.head + words, strict=True, language=language)
    return replace(draft, settled=Written(draft.head + words, words, is_own=False))


def _found(judgement: Judgement, scores: Mapping[str, float]) -> Found:
    """What is known of a judgement's clip, or of the part with these scores."""
    facts, mos = judgement.facts, judgement.scores["mos"]
    unopposed = _unopposed_scores(scores, facts)
    return Found(
        {**unopposed, "mos": mos.value},
        judgement.faults,
        judgement.seconds if facts is None else facts.seconds,
        mos.std,
        {name: score.shares for name, score in judgement.scores.items() if name == "mos" or not judgement.timeline},
        {} if facts is None else facts.measured(),
        judgement.worst,
    )


def draft_assessment(judgement: Judgement, with_reference: bool, language: str) -> Draft:
    """The assessment of a judgement, with the faults that were decided."""
    target = decided_assessment(judgement)
    return assessment(
        target, with_reference, language, faults=judgement.faults, facts=judgement.facts, when=judgement.worst
    )


def draft_suggestions(judgement: Judgement, with_reference: bool, language: str) -> Draft:
    """The suggestions of a judgement, with advice against the faults that were decided."""
    target = decided_assessment(judgement, faults.ADVISED_TYPE_OF_FAULT)
    knows_faults, values = judgement.faults is not None, values_of(judgement)
    unopposed = _unopposed_scores(_rounded(values), judgement.facts)
    aspects = {name: unopposed[name] for name in RUBRICS if name != "mos" and name in unopposed}
    draft = suggestions(
        target, language, knows_faults=knows_faults, facts=judgement.facts, when=judgement.worst, aspects=aspects
    )
    if language not in FINDINGS or not knows_faults or "mos" not in values:
        return draft
    areas = suggest.areas_for(target.scores, aspects, is_known=bool(target.distortions))
    part = worst_window(judgement).scores if judgement.timeline else values
    lines = list(findings.advice(_found(judgement, {**values, **part}), areas, language))
    lines[0] = _part(judgement.worst, language) + lines[0]
    text = suggest.write(Suggestions(tuple(get_rubric(name).label for name in areas), tuple(lines)), language)
    suggest.parse(text, strict=True, language=language)
    return replace(draft, settled=Written(text, "\n".join(lines), is_own=False))


def draft_description(judgement: Judgement, with_reference: bool, language: str) -> Draft:
    """The description of a judgement, of its scores alone."""
    draft = description(values_of(judgement), with_reference, language, judgement.facts)
    if language not in FINDINGS:
        return draft
    found = replace(_found(judgement, values_of(judgement)), faults=None)
    if len(found.scores) < 2:  # of the whole alone there is nothing to describe
        return draft
    body, mos = findings.description(found, language), round(judgement.scores["mos"].value, 1)
    text = describe.write(Description(body, mos), findings.seed_of(body), language)
    return replace(
        draft, settled=Written(text, describe.parse(text, strict=True, language=language).text, is_own=False)
    )


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


def draft_comparison(
    said: Preference,
    aspects: Sequence[str],
    form: Form,
    language: str,
    each: tuple[Judgement, Judgement] | None = None,
) -> Draft:
    """The reasons of a preference; the dimensions form has its verdict on the whole among its lines.

    ``each`` is what was decided of either clip by itself, for reasons with numbers.
    """
    shares = {name: one for name, one in said.rubrics.items() if name in aspects and name != "mos"}
    overall = compare.verdict(said.rubrics["mos"] if form == "dimensions" else said.probabilities)
    verdicts = preferences.clearest(shares)
    if form == "dimensions":
        verdicts = {name: compare.verdict(one) for name, one in shares.items()}
    draft = comparison(Comparison({"mos": overall} | verdicts), aspects, form, language)
    if each is None or language not in FINDINGS or form == "dimensions" or any(one.error for one in each):
        return draft
    won = {name: verdict for name, verdict in verdicts.items() if verdict != "tie"}
    first, second = (_found(one, values_of(one)) for one in each)
    share = said.probabilities.get(overall, 0.0)
    words = contrast.comparison(overall, won, (first, second), share, language)
    text = f"{words}\n{compare.TOKENS[overall]}"
    read = compare.parse(text, aspects, strict=True, language=language).verdicts
    if read != {"mos": overall, **won}:  # never yet
        return draft
    return replace(draft, settled=Written(text, words, is_own=False))
