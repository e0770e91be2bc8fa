"""The assess task: SpeechEval's eight dimensions in a thought, one line each with short notes, then a summary in words.

The lines are those SQ-LLM writes (``Distortion: 2/5 (artifacts; jitter)``), and the times of a distortion are added to
its type (``artifacts 0.0-3.5 s``). The summary is free text, written from the facts unless one is given.
"""

import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import product

from audio_judge.languages import LANGUAGES, check_language, get_language, joined, rubric_labels, simplified, wordings
from audio_judge.rubrics.rubric import SPEECHEVAL_RUBRICS, fields_pattern, fill_fields, in_language, pick
from audio_judge.tasks.common import Facts, ParseError, Spans, Traits, with_reference_note
from audio_judge.tasks.own_words import sentences
from audio_judge.tasks.score import read_number
from audio_judge.tasks.thoughts import check_free_text, item_spans, items, join_thought, split_thought

# Rubric to its line in an assessment, in the order of the lines; speech_rate, said by a word, is one of them
TITLES = get_language("en").names["titles"]
DISTORTION_TYPES = ("artifacts", "jitter", "timbre & quality", "background noise", "drop / missing")
GENDERS = ("male", "female", "unclear")
RATES = SPEECHEVAL_RUBRICS["speech_rate"].levels

# Other ways to write a dimension, a type of distortion or a speech rate: read, but never written
_NAMES = {title.casefold(): name for name, title in TITLES.items()} | {name: name for name in TITLES}
_NAMES |= {name.replace("_", " "): name for name in TITLES}
_TYPE_SPELLINGS = {"timbre and quality": "timbre & quality", "timbre&quality": "timbre & quality"}
_TYPE_SPELLINGS |= {"artefacts": "artifacts", "drop/missing": "drop / missing", "noise": "background noise"}
_RATE_SPELLINGS = {rate: rate for rate in RATES}
_RATE_SPELLINGS |= dict.fromkeys(("suitable", "normal", "moderate", "medium", "just right", "adequate"), "appropriate")
_RATE_SPELLINGS |= {"very slow": "slow", "too slow": "slow", "very fast": "fast", "too fast": "fast"}
_RATE_SPELLINGS |= {"a little slow": "slightly slow", "somewhat slow": "slightly slow", "a bit slow": "slightly slow"}
_RATE_SPELLINGS |= {"a little fast": "slightly fast", "somewhat fast": "slightly fast", "a bit fast": "slightly fast"}
_KIND = r"[a-z](?:[a-z &/'-]*[a-z])?"
# A name that stands in the brackets of a line: it begins with a letter, so that no time or score is taken for one
NOTE = r"[^\W\d](?:[\w &/'-]*\w)?"
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*s?\s*(?:-|–|to)\s*(\d+(?:\.\d+)?)\s*s?(?![\w.])", re.IGNORECASE)


@dataclass(frozen=True)
class Distortion:
    """One type of distortion and when it is heard.

    Args:
        kind: One of ``DISTORTION_TYPES`` or an own name: lower-case letters, and spaces and & / ' - inside.
        spans: (start, end) in seconds, written with one decimal; empty means not said.

    Raises:
        ValueError: If the name could not be read back, or a span does not run forward.
    """

    kind: str
    spans: Spans = ()

    def __post_init__(self) -> None:
        # "none" stands for no distortion, and a digit would be read as a time.
        if not re.fullmatch(_KIND, self.kind) or self.kind in ("none", *_TYPE_SPELLINGS):
            raise ValueError(f"distortion {self.kind!r}; use lower-case words such as {', '.join(DISTORTION_TYPES)}")
        for start, end in self.spans:
            if not 0 <= start < end:
                raise ValueError(f"distortion {self.kind!r}: span {start} to {end} s; 0 <= start < end is needed")


@dataclass(frozen=True)
class Assessment:
    """What was found in one clip; everything but one score may be absent.

    Args:
        scores: One of SpeechEval's rubrics but ``speech_rate`` to score, 1 to 5, written with up to one decimal.
        speech_rate: One of ``RATES``; empty if not said.
        distortions: Types of distortion; need a score of ``distortion`` to be written beside.
        emotion: Such as ``neutral``; needs a score of ``emotional_impact``.
        gender: One of ``GENDERS``; empty if not said; needs a score of ``subjective_experience``, as the age does.
        age: Such as ``middle-aged``; empty if not said.
        answer: Summary in words; empty to have ``write`` make one.

    Raises:
        ValueError: If a value is out of range or could not be read back.
    """

    scores: dict[str, float]
    speech_rate: str = ""
    distortions: tuple[Distortion, ...] = field(default=())
    emotion: str = ""
    gender: str = ""
    age: str = ""
    answer: str = ""

    def __post_init__(self) -> None:
        if not self.scores or not set(self.scores) < set(TITLES) or "speech_rate" in self.scores:
            raise ValueError(f"scores of {', '.join(self.scores) or 'nothing'}; known: {', '.join(TITLES)}")
        for name, value in self.scores.items():
            SPEECHEVAL_RUBRICS[name].check(value)
        if self.speech_rate not in ("", *RATES):
            raise ValueError(f"speech rate {self.speech_rate!r}; use one of {', '.join(RATES)}")
        if self.gender not in ("", *GENDERS) or self.age in GENDERS:
            raise ValueError(f"gender {self.gender!r} and age {self.age!r}; the gender is one of {', '.join(GENDERS)}")
        for word in (self.emotion, self.age):
            if word and not re.fullmatch(NOTE, word):
                raise ValueError(f"note {word!r}; a name of letters, digits, spaces and & / ' - inside is needed")
        self._check_places()
        check_free_text("answer", self.answer)

    def _check_places(self) -> None:
        # A note is written beside a score, so without that score it would be lost
        notes = {"distortion": self.distortions, "emotional_impact": self.emotion}
        notes["subjective_experience"] = self.gender or self.age
        for name, note in notes.items():
            if note and name not in self.scores:
                raise ValueError(f"{note!r} is noted beside the score of {name}, and there is none")


TRAITS = Traits("none", ("scores", "levels", "distortions", "speaker", "words"), is_varied=True)


def facts(target: Assessment) -> Facts:
    """What an assessment states, in the order of its lines; the speech rate is a level."""
    scores = {name: target.scores[name] for name in TITLES if name in target.scores}
    levels = {"speech_rate": target.speech_rate} if target.speech_rate else {}
    said = {"emotion": target.emotion, "gender": target.gender, "age": target.age}
    speaker = {name: word for name, word in said.items() if word}
    return Facts(scores, levels, distortions=times_of(target.distortions), speaker=speaker, words=target.answer)


def times_of(distortions: Iterable[Distortion]) -> dict[str, Spans]:
    """Map each type of distortion to its times, those of a type that is there twice one after the other."""
    found: dict[str, Spans] = {}
    for one in distortions:
        found[one.kind] = found.get(one.kind, ()) + one.spans
    return found


def ask(*, phrasing: int | str = 0, held_out: bool = False, with_reference: bool = False, language: str = "en") -> str:
    """Write the user's request for an assessment; the caller places the audio.

    An own text may hold ``{dimensions}``.

    Example:
        >>> ask(phrasing="Assess {dimensions}.")[:41]
        'Assess overall quality, intelligibility, '
    """
    fields = {"dimensions": dimensions(language)}
    text = fill_fields(pick(*wordings("assess", language), phrasing, held_out), fields)
    return with_reference_note(text, phrasing, held_out, language) if with_reference else text


def titles(language: str) -> Mapping[str, str]:
    """Name the dimensions as the lines of an assessment do.

    Example:
        >>> titles("fr")["speech_rate"]
        'Débit de parole'
    """
    return get_language(language).names["titles"]


def dimensions(language: str) -> str:
    """List the dimensions in running text.

    Example:
        >>> dimensions("zh")
        '总体质量、可懂度、失真、语速、动态范围、情感感染力、艺术表现力和听感'
    """
    return joined([title.lower() for title in titles(language).values()], language)


@cache
def title_names() -> dict[str, str]:
    """Map what the dimensions are called in any language, in lower case, to their names."""
    return {label.casefold(): name for name in TITLES for label in rubric_labels(name)} | _NAMES


def dimension_of(title: str) -> str | None:
    """Say which dimension a line is about, by its title in any language, with or without "(A vs B)" behind it.

    Example:
        >>> dimension_of("Distortion (A vs B)"), dimension_of("Noise")
        ('distortion', None)
    """
    return title_names().get(re.sub(r"\s*\(a vs\.? b\)", "", title.casefold()))


def dimension_spans(text: str) -> dict[str, tuple[int, int]]:
    r"""Find what the thought of an assessment or a comparison says about each dimension.

    Returns:
        Dimension to where its line stands in the text, without the title: first character, and first one after it.

    Example:
        >>> dimension_spans("<think>\nDistortion: 2/5 (jitter)\n</think>\n\n<answer>\nBad.\n</answer>")
        {'distortion': (19, 32)}
    """
    return {name: (start, end) for title, start, end in item_spans(text) if (name := dimension_of(title))}


def write(target: Assessment, seed: int | random.Random = 0, language: str = "en") -> str:
    """Write an assessment: thought, then summary, which ``summarise`` makes if the target has none.

    Free words (emotion, age, an own summary) stay as they are in every language.

    Example:
        >>> print(write(Assessment({"mos": 2, "distortion": 1}, answer="Poor.", distortions=(Distortion("jitter"),))))
        <think>
        One line for each dimension, with notes:
        Overall Quality: 2/5
        Distortion: 1/5 (jitter)
        </think>
        <BLANKLINE>
        <answer>
        Poor.
        </answer>
    """
    spoken = get_language(language)
    marks = spoken.marks
    lines = [spoken.texts["assess_header"][0]]
    notes = {
        "distortion": write_distortions(target.distortions, language),
        "emotional_impact": target.emotion,
        "subjective_experience": write_speaker(target.gender, target.age, language),
    }
    for name, title in titles(language).items():
        if name == "speech_rate" and target.speech_rate:
            lines.append(f"{title}{marks['colon']}{_rates(language)[target.speech_rate]}")
        elif name in target.scores:
            note = f"{marks['open']}{notes[name]}{marks['close']}" if notes.get(name) else ""
            lines.append(f"{title}{marks['colon']}{round(target.scores[name], 1):g}/5{note}")
    return join_thought("\n".join(lines), target.answer or summarise(target, seed, language))


@cache
def _rates(language: str) -> dict[str, str]:
    # English word to the word of the language
    return dict(zip(RATES, in_language(SPEECHEVAL_RUBRICS["speech_rate"], language).levels, strict=True))


def parse(text: str, *, strict: bool = False, language: str = "en") -> Assessment:
    r"""Read an assessment.

    Unless strict, headers, order, case, markup and missing dimensions do not matter, the speech rate may be a number or
    "suitable", and the tags may be absent; a line without a score that can be read counts as missing. An answer without a
    thought is read by the sentences of ``summarise``, each of which names a level.

    Raises:
        ParseError: If no score can be read, a dimension comes twice, or (strict) the text is not as written.

    Example:
        >>> parse("<think>\nOverall Quality: 1/5\nSpeech Rate: suitable\n</think>\nIt is bad.").speech_rate
        'appropriate'
    """
    think, answer = split_thought(text, strict=strict)
    found: dict[str, str] = {}
    names = title_names()
    for title, value in items(simplified(think or answer)):
        if (name := names.get(title)) in found:
            raise ParseError(f"{title} comes twice in {text!r}")
        if name:
            found[name] = value
    try:
        # Titles and words of every language are known, so the language matters to a strict reading only
        check_language(language)
        is_summary = not think and not found
        target = read_summary(answer) if is_summary else _assessment(found, answer if think else "")
    except ValueError as error:
        raise ParseError(f"{error}; in {text!r}") from error
    if strict and write(target, language=language) != text:
        raise ParseError(f"{text!r} should be written {write(target, language=language)!r}")
    return target


def _assessment(found: dict[str, str], answer: str) -> Assessment:
    values = {name: re.sub(r"\(.*", "", value).strip() for name, value in found.items()}
    # A note runs to the last bracket of its line.
    notes = {name: match[1] for name, value in found.items() if (match := re.search(r"\((.*)\)", value))}
    scores = {name: score for name in values if name != "speech_rate" and (score := _score(name, values[name]))}
    gender, age = read_speaker(notes.get("subjective_experience", "") if "subjective_experience" in scores else "")
    emotion = " ".join(notes.get("emotional_impact", "").split()) if "emotional_impact" in scores else ""
    distortions = read_distortions(notes.get("distortion", "") if "distortion" in scores else "")
    rate = read_rate(values["speech_rate"]) if "speech_rate" in values else ""
    return Assessment(scores, rate, distortions, emotion if re.fullmatch(NOTE, emotion) else "", gender, age, answer)


def _score(name: str, value: str) -> float | None:
    try:
        return round(read_number(value, SPEECHEVAL_RUBRICS[name]), 1)
    except ParseError:
        return None  # unreadable is missing, which the caller sees; the other lines still count


def read_rate(value: str) -> str:
    """Read one of ``RATES`` from its word, another word for it, or a number from 1 (slow) to 5 (fast); else nothing.

    Example:
        >>> read_rate("4/5"), read_rate("Suitable."), read_rate("not slow")
        ('slightly fast', 'appropriate', '')
    """
    word = " ".join(value.casefold().strip(" .!。").split())
    if word in _RATE_SPELLINGS:
        return _RATE_SPELLINGS[word]
    for language in LANGUAGES:
        if word in (by_word := {written.casefold(): rate for rate, written in _rates(language).items()}):
            return by_word[word]
    try:
        return SPEECHEVAL_RUBRICS["speech_rate"].level_of(read_number(value, SPEECHEVAL_RUBRICS["speech_rate"]))
    except ParseError:
        return ""


def write_distortions(distortions: Iterable[Distortion], language: str = "en") -> str:
    """Write types of distortion with their times, in tenths of a second; an own name of a type is not translated.

    Example:
        >>> write_distortions([Distortion("jitter"), Distortion("artifacts", ((0, 1.5), (2, 3)))])
        'jitter; artifacts 0.0-1.5 s, 2.0-3.0 s'
    """
    spoken, texts = get_language(language), []
    for distortion in distortions:
        times = ", ".join(f"{start:.1f}-{end:.1f} s" for start, end in distortion.spans)
        kind = spoken.names["distortions"].get(distortion.kind, distortion.kind)
        texts.append(f"{kind} {times}".strip())
    return spoken.marks["semicolon"].join(texts)


def read_distortions(text: str) -> tuple[Distortion, ...]:
    """Read types of distortion with their times, in our spelling or that of SpeechEval's labels; the rest is left out.

    Example:
        >>> read_distortions("artefacts appeared between 0 s - 3.5 s")
        (Distortion(kind='artifacts', spans=((0.0, 3.5),)),)
    """
    found = []
    for part in simplified(text).casefold().split(";"):
        spans = tuple((float(start), float(end)) for start, end in _SPAN.findall(part) if float(start) < float(end))
        # What precedes the first time, without the words that introduce it, is the type
        name = re.sub(r"(?:\s*\b(?:appeared|appears)?\s*\b(?:between|from|at))?\s*\d.*", "", part).strip(" ,:.")
        name = " ".join(name.split())
        name = _TYPE_SPELLINGS.get(name, _english("distortions", name))
        if name != "none" and re.fullmatch(_KIND, name):
            found.append(Distortion(name, spans))
    return tuple(found)


def _english(kind: str, word: str) -> str:
    """The English word for one in any language; another word stays as it is."""
    for language in LANGUAGES:
        for english, written in get_language(language).names[kind].items():
            if word.casefold() == written.casefold():
                return english
    return word


def write_speaker(gender: str, age: str, language: str = "en") -> str:
    """Write who speaks, as far as it is said; the age is not translated.

    Example:
        >>> write_speaker("male", "middle-aged")
        'male, middle-aged'
    """
    return get_language(language).marks["comma"].join(_speaker_words(gender, age, language))


def _speaker_words(gender: str, age: str, language: str) -> list[str]:
    return [word for word in (get_language(language).names["genders"].get(gender, ""), age) if word]


def read_speaker(text: str) -> tuple[str, str]:
    """Read gender and age; what is not said is empty.

    Example:
        >>> read_speaker("Female, young")
        ('female', 'young')
    """
    words = [_english("genders", " ".join(word.split())) for word in re.split("[,、]", simplified(text))]
    gender = next((word.casefold() for word in words if word.casefold() in GENDERS), "")
    ages = [word for word in words if word.casefold() not in GENDERS and re.fullmatch(NOTE, word)]
    return gender, ages[0] if ages else ""


def summarise(target: Assessment, seed: int | random.Random = 0, language: str = "en") -> str:
    """Write the facts of an assessment as a short paragraph; give each clip its own seed.

    Example:
        >>> summarise(Assessment({"mos": 2.0}, "fast"), seed=3)
        'The overall quality is poor. The pace is fast.'
    """
    rng = seed if isinstance(seed, random.Random) else random.Random(seed)
    spoken = get_language(language)
    texts, said = spoken.texts, list[str]()
    frames = {"mos": "assessed_overall", "speech_rate": "assessed_rate"}
    without_fault = is_clean(target)
    for name, rubric in SPEECHEVAL_RUBRICS.items():
        words = in_language(rubric, language)
        level = _rates(language).get(target.speech_rate, "") if name == "speech_rate" else ""
        if name in target.scores:
            level = words.level_of(target.scores[name])
        if name == "distortion" and without_fault:
            said.append(rng.choice(texts["clean"]))
        # What is distorted in a way that is named is not called free of it
        elif level and not (name == "distortion" and target.distortions and level == words.levels[-1]):
            fields = {"label": words.label, "level": level}
            said.append(fill_fields(rng.choice(texts[frames.get(name, f"assessed_{name}")]), fields))
        if name == "distortion":
            said += [_say_distortion(distortion, rng, language) for distortion in target.distortions]
    if target.emotion:
        said.append(fill_fields(rng.choice(texts["emotions"]), {"emotion": target.emotion}))
    if target.gender or target.age:
        speaker = spoken.marks["series"].join(_speaker_words(target.gender, target.age, language))
        said.append(fill_fields(rng.choice(texts["speakers"]), {"speaker": speaker}))
    return spoken.marks["space"].join(said)


def read_summary(text: str) -> Assessment:
    """Read what ``summarise`` wrote in any of our languages: a level is a score; other sentences say nothing.

    Raises:
        ValueError: If no sentence says a score.

    Example:
        >>> read_summary("This is speech of poor quality. The pace is fast.").scores
        {'mos': 2.0}
    """
    plain = " ".join(text.split())
    scores, rate, distortions = dict[str, float](), "", list[Distortion]()
    for sentence in sentences(plain):
        name, level = _said_levels().get(sentence.casefold(), ("", 0.0))
        if name == "speech_rate":
            rate = read_rate(f"{level:g}")
        elif name:
            scores.setdefault(name, level)
        for match in filter(None, (pattern.fullmatch(sentence) for pattern in _said_distortions())):
            spans = tuple((float(start), float(end)) for start, end in _SPAN.findall(match["when"]) if start != end)
            distortions.append(Distortion(_kinds_heard()[match["kind"]], spans))
    return Assessment(scores, rate, tuple(distortions) if "distortion" in scores else (), answer=plain)


@cache
def _said_levels() -> dict[str, tuple[str, float]]:
    """Sentence in any language, in lower case, to the rubric and the score that it says; one of two rubrics is left out."""
    said: dict[str, set[tuple[str, float]]] = {}
    frames = {"mos": "assessed_overall", "speech_rate": "assessed_rate"}
    for code, (name, rubric) in product(LANGUAGES, SPEECHEVAL_RUBRICS.items()):
        words = in_language(rubric, code)
        for frame in get_language(code).texts[frames.get(name, f"assessed_{name}")]:
            for level, value in zip(words.levels, rubric.level_values, strict=True):
                sentence = fill_fields(frame, {"label": words.label, "level": level}).casefold()
                said.setdefault(sentence, set()).add((name, float(value)))
    return {sentence: next(iter(found)) for sentence, found in said.items() if len(found) == 1}


@cache
def _kinds_heard() -> dict[str, str]:
    """What a type of distortion is called in a sentence of any language, to the type."""
    return {heard: kind for code in LANGUAGES for kind, heard in get_language(code).names["heard"].items()}


@cache
def _said_distortions() -> list[re.Pattern[str]]:
    kinds = "|".join(map(re.escape, sorted(_kinds_heard(), key=len, reverse=True)))
    fields = {"kind": f"(?P<kind>{kinds})", "when": "(?P<when>.*)"}
    frames = [frame for code in LANGUAGES for frame in get_language(code).texts["distortion_sentences"]]
    return [re.compile(fields_pattern(frame, fields)) for frame in frames]


def is_clean(target: Assessment) -> bool:
    """Whether a clip is without fault: no distortion is named, and the whole and the distortion are in the upper two fifths."""
    upper = 0.625  # from where a score is nearer to the second best level than to the middle
    good = [SPEECHEVAL_RUBRICS[name].goodness(target.scores.get(name, 1.0)) >= upper for name in ("mos", "distortion")]
    return all(good) and not target.distortions


def _say_distortion(distortion: Distortion, rng: random.Random, language: str) -> str:
    spoken = get_language(language)
    mark = spoken.marks["decimal"]
    times = [
        fill_fields(
            spoken.texts["when"][0],
            {"start": f"{start:.1f}".replace(".", mark), "end": f"{end:.1f}".replace(".", mark)},
        )
        for start, end in distortion.spans
    ]
    times = [*times[:1], *(time.lstrip() for time in times[1:])]  # the first may open with a space
    kind = spoken.names["heard"].get(distortion.kind, distortion.kind)
    first, last = times[:-1], times[-1:]
    when = spoken.marks["and"].join([spoken.marks["series"].join(first), *last] if first else last)
    return fill_fields(rng.choice(spoken.texts["distortion_sentences"]), {"kind": kind, "when": when})
