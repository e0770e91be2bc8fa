"""The compare task: which of two clips, A or B, is better.

Two forms. ``preference`` is ALLD's: sentences that name one to three aspects, and a last line ``[SpeechA]``,
``[SpeechB]`` or, which ALLD lacks, ``[Tie]``. ``dimensions`` is SQ-LLM's: a thought with a verdict for every dimension
of SpeechEval, and a summary. ``swapped`` gives the target of the other order.
"""

import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from statistics import NormalDist
from typing import Any, Literal, cast, get_args

from audio_judge.languages import (
    LANGUAGES,
    candidates,
    get_language,
    is_denied,
    joined,
    name_pattern,
    simplified,
    wordings,
)
from audio_judge.rubrics.rubric import (
    ALL_RUBRICS,
    RUBRICS,
    SPEECHEVAL_RUBRICS,
    Rubric,
    fields_pattern,
    fill_fields,
    get_rubric,
    in_language,
    pick,
)
from audio_judge.tasks.assess import (
    GENDERS,
    TITLES,
    Distortion,
    dimension_of,
    dimensions,
    read_distortions,
    read_speaker,
    times_of,
    title_names,
    titles,
    write_distortions,
    write_speaker,
)
from audio_judge.tasks.common import Facts, ParseError, Traits
from audio_judge.tasks.own_words import sentences
from audio_judge.tasks.profile import rubrics_by_name
from audio_judge.tasks.thoughts import check_free_text, items, join_thought, split_thought

Verdict = Literal["A", "B", "tie"]
Form = Literal["preference", "dimensions"]
FORMS: tuple[Form, ...] = get_args(Form)

TOKENS: dict[Verdict, str] = {"A": "[SpeechA]", "B": "[SpeechB]", "tie": "[Tie]"}
GAP = 0.5  # points of a scale of five by which an aspect must differ to be named
# Leads smaller than rounding errors are none
NO_LEAD = 1e-6

OPPOSITE: dict[str, Verdict] = {"A": "B", "B": "A", "tie": "tie"}
_TOKEN = re.compile(r"\[\s*(?:speech\s*([ab])|(tie))\s*\]", re.IGNORECASE)


@dataclass(frozen=True)
class ClipDetails:
    """What is noted about one of two clips.

    Args:
        distortions: Types of distortion, with their times.
        gender: One of ``assess.GENDERS``; empty if not said.
        age: Such as ``middle-aged``; empty if not said.
    """

    distortions: tuple[Distortion, ...] = field(default=())
    gender: str = ""
    age: str = ""

    def __post_init__(self) -> None:
        text = write_speaker(self.gender, self.age)
        # What cannot be read back from the line of details, or would be taken for "nothing noted", is refused
        if read_speaker(text) != (self.gender, self.age) or (self.age in GENDERS and self.age):
            raise ValueError(f"speaker {text!r}; the gender is one of {', '.join(GENDERS)}, the age plain words")
        if self.age.casefold() == "none" or "(" in text:
            raise ValueError(f"age {self.age!r}; leave it empty if it is not known")


@dataclass(frozen=True)
class Comparison:
    """Which of two clips is better, in what.

    Args:
        verdicts: Rubric name to ``A``, ``B`` or ``tie``; ``mos`` is the preference overall and never missing.
        details: Of A and of B; only the dimensions form writes them.
        answer: Summary of the dimensions form; empty to have ``write`` make one.

    Raises:
        ValueError: If there is no overall verdict, an unknown one, or a text that could not be read back.
    """

    verdicts: dict[str, Verdict]
    details: tuple[ClipDetails, ClipDetails] = field(default_factory=lambda: (ClipDetails(), ClipDetails()))
    answer: str = ""

    def __post_init__(self) -> None:
        if "mos" not in self.verdicts:
            raise ValueError(f"verdicts on {', '.join(self.verdicts) or 'nothing'}; one on mos, the whole, is needed")
        for name, verdict in self.verdicts.items():
            if verdict not in TOKENS:
                raise ValueError(f"{name}: verdict {verdict!r}; A, B or tie is needed")
        check_free_text("answer", self.answer)

    @property
    def preferred(self) -> Verdict:
        """The overall verdict."""
        return self.verdicts["mos"]


TRAITS = Traits("several", ("verdicts", "distortions", "words"), hears_reference=False, is_varied=True)


def facts(target: Comparison) -> Facts:
    """What a comparison states; the types of distortion of a clip have ``A`` or ``B`` before them."""
    notes = zip("AB", target.details, strict=True)
    heard = {f"{clip} {kind}": spans for clip, note in notes for kind, spans in times_of(note.distortions).items()}
    return Facts(verdicts=dict(target.verdicts), distortions=heard, words=target.answer or None)


def swapped(target: Comparison) -> Comparison:
    """Give the target for the clips in the other order; a summary in words is left out, as it names A and B.

    Example:
        >>> swapped(Comparison({"mos": "A", "loudness": "tie"})).verdicts
        {'mos': 'B', 'loudness': 'tie'}
    """
    verdicts = {name: OPPOSITE[verdict] for name, verdict in target.verdicts.items()}
    return Comparison(verdicts, (target.details[1], target.details[0]))


def from_scores(
    first: Mapping[str, float], second: Mapping[str, float], *, gap: float = GAP, most: int = 3, tie_within: float = 0.0
) -> Comparison:
    """Compare two clips by their ratings.

    Args:
        first: Ratings of A as ``second`` those of B: a name of ``ALL_RUBRICS`` to score, ``mos`` among them.
        gap: An aspect is named if its scores differ by more than this, in points of a scale of five.
        most: How many aspects to name at most, those that differ most.
        tie_within: Overall scores that differ by no more than this are a tie.

    Raises:
        ValueError: If one of the clips has no overall score, or a rubric is unknown.

    Example:
        >>> from_scores({"mos": 3.0, "noisiness": 4.0}, {"mos": 2.0, "noisiness": 2.5}).verdicts
        {'mos': 'A', 'noisiness': 'A'}
    """
    if "mos" not in first or "mos" not in second:
        raise ValueError("both clips need a score of mos to be compared")
    for name in [*first, *second]:
        get_rubric(name)
    # In the order of the table, so that equal gaps do not hang on the order of the ratings
    rubrics = {name: rubric for name, rubric in ALL_RUBRICS.items() if name in first and name in second}
    leads = {
        # Goodness runs from 0 to 1 in whichever direction is good: four times that are the points of a scale of five.
        # Rounded, because a gap of just 0.5 must not depend on the last bit.
        name: round(4 * (rubric.goodness(first[name]) - rubric.goodness(second[name])), 6)
        for name, rubric in rubrics.items()
    }
    overall = leads.pop("mos")
    clear = sorted((name for name in leads if abs(leads[name]) > gap), key=lambda name: -abs(leads[name]))[:most]
    verdicts: dict[str, Verdict] = {"mos": "tie" if abs(overall) <= tie_within else _leader(overall)}
    return Comparison(verdicts | {name: _leader(leads[name]) for name in clear})


def verdict(shares: dict[str, float]) -> Verdict:
    """Choose the likeliest of ``A``, ``B`` and ``tie``; without a lead of either clip it is a tie.

    Example:
        >>> verdict({"A": 0.4, "B": 0.4, "tie": 0.2})
        'tie'
    """
    if abs(shares["A"] - shares["B"]) < NO_LEAD:
        return "tie"
    return cast(Verdict, max(shares, key=lambda name: shares[name]))


def _leader(lead: float) -> Verdict:
    return "A" if lead > 0 else "B"


def ask(
    rubrics: Iterable[str | Rubric] = tuple(RUBRICS),
    *,
    phrasing: int | str = 0,
    held_out: bool = False,
    form: Form = "preference",
    language: str = "en",
) -> str:
    """Write the user's request for a comparison; the caller places the audio of A, then of B.

    Args:
        rubrics: Aspects of the preference form; the overall quality is not one of them. The other form has its own.
        phrasing: Number of a phrasing of that form, or an own text with ``{aspects}`` or ``{dimensions}``.

    Example:
        >>> ask(["mos", "noisiness", "loudness"], phrasing=1)
        'Compare the two speech clips in noisiness and loudness and choose one.'
    """
    if form == "dimensions":
        texts = wordings("compare_dimensions", language)
        return fill_fields(pick(*texts, phrasing, held_out), {"dimensions": dimensions(language)})
    labels = [in_language(rubric, language).label for name, rubric in rubrics_by_name(rubrics).items() if name != "mos"]
    aspects = {"aspects": joined(labels or [get_language(language).texts["anything"][0]], language)}
    return fill_fields(pick(*wordings("compare", language), phrasing, held_out), aspects)


def question(
    rubric: str | Rubric = "mos", phrasing: int | str = 0, *, held_out: bool = False, language: str = "en"
) -> dict[str, Any]:
    """Write the typed question of a decision model, answered by probabilities of ``A``, ``B`` and ``tie``.

    Args:
        phrasing: Number of a question, or an own text with the fields of ``Rubric.fill``.

    Example:
        >>> question("noisiness")["instructions"], list(question()["criteria"])
        ('Which clip is better in noisiness, A or B?', ['A', 'B', 'tie'])
    """
    # Better is nearer to the good end, whatever the direction
    text = get_rubric(rubric).fill(pick(*wordings("compare_question", language), phrasing, held_out), language)
    return {"type": "choice", "instructions": text, "criteria": {"A": None, "B": None, "tie": None}}


def shares(first: float, second: float, rubric: str | Rubric = "mos") -> list[float]:
    """Estimate what share of listeners would prefer A, prefer B, or hear no difference, from two mean ratings.

    Thurstone's model with a threshold: a listener's difference is normal around that of the means, with a standard
    deviation of an eighth of the scale's range; within a sixteenth of the range it is a tie.

    Returns:
        Shares of A, B and tie, which sum to 1.

    Example:
        >>> shares(4.0, 3.5), shares(2.0, 2.0)
        ([0.6915, 0.0668, 0.2417], [0.3085, 0.3085, 0.383])
    """
    asked = get_rubric(rubric)
    better = asked.goodness(first) - asked.goodness(second)
    listener = NormalDist(better, 1 / 8)
    prefer_a, prefer_b = round(1 - listener.cdf(1 / 16), 4), round(listener.cdf(-1 / 16), 4)
    # The rest is the tie, so that the three sum to 1 although each is rounded
    return [prefer_a, prefer_b, round(1 - prefer_a - prefer_b, 4)]


def write(
    target: Comparison,
    seed: int | random.Random = 0,
    *,
    form: Form = "preference",
    paper_spelling: bool = False,
    language: str = "en",
) -> str:
    r"""Write a comparison.

    Args:
        target: What to write. The preference form writes verdicts other than a tie as aspects, and no details.
        form: ``preference`` or ``dimensions``; the latter writes verdicts on SpeechEval's rubrics only.
        paper_spelling: Whether to leave out "in this aspect", as the paper does and the released model does not; it is
            said in English only.

    Raises:
        ValueError: If the dimensions form is wanted of a verdict on a rubric that is not SpeechEval's.

    Example:
        >>> write(Comparison({"mos": "A", "noisiness": "A"}), seed=1)
        'SpeechA beats SpeechB in noisiness. Overall SpeechA sounds better.\n[SpeechA]'
    """
    rng = seed if isinstance(seed, random.Random) else random.Random(seed)
    if form == "preference":
        return f"{_argue(target, rng, language)}\n{TOKENS[target.preferred]}"
    strange = [name for name in target.verdicts if name not in TITLES]
    if strange:
        raise ValueError(f"verdict on {', '.join(strange)}; the dimensions form has {', '.join(TITLES)}")
    spoken = get_language(language)
    lines = [spoken.texts["compare_header"][0]]
    for name, title in titles(language).items():
        if name in target.verdicts:
            verdict = target.verdicts[name]
            ending = spoken.texts["tie_ending"][0] if verdict == "tie" and not paper_spelling else ""
            words = spoken.texts[f"verdict_{verdict.lower()}"][0]
            lines.append(f"{title}{spoken.marks['colon']}{words}{ending}")
    lines += _detail_lines(target, language)
    return join_thought("\n".join(lines), target.answer or summarise(target, rng, language))


def _detail_lines(target: Comparison, language: str) -> list[str]:
    texts, marks = get_language(language).texts, get_language(language).marks
    notes = {
        "distortion_details": [write_distortions(details.distortions, language) for details in target.details],
        "speaker_details": [write_speaker(details.gender, details.age, language) for details in target.details],
    }
    lines = []
    for key, both in notes.items():
        first, second = (
            f"{clip}{marks['open']}{note or texts['none'][0]}{marks['close']}"
            for clip, note in zip("AB", both, strict=True)
        )
        if any(both):
            lines.append(f"{texts[key][0]}{marks['colon']}{first}{marks['semicolon']}{second}")
    return lines


def _argue(target: Comparison, rng: random.Random, language: str) -> str:
    texts = get_language(language).texts
    said = []
    for winner in ("A", "B"):
        names = [name for name, verdict in target.verdicts.items() if verdict == winner and name != "mos"]
        if names:
            aspects = joined([in_language(get_rubric(name), language).label for name in names], language)
            fields = {"winner": f"Speech{winner}", "loser": f"Speech{OPPOSITE[winner]}", "aspects": aspects}
            said.append(fill_fields(rng.choice(texts["wins"]), fields))
    # The winner's advantages are what decides, so they come last.
    said = (said[::-1] if target.preferred == "A" else said) or [rng.choice(texts["same"])]
    choices = texts["ties"] if target.preferred == "tie" else texts["choices"]
    said.append(fill_fields(rng.choice(choices), {"winner": f"Speech{target.preferred}"}))
    return get_language(language).marks["space"].join(said)


def summarise(target: Comparison, seed: int | random.Random = 0, language: str = "en") -> str:
    """Write the verdicts on dimensions as a short paragraph.

    Example:
        >>> summarise(Comparison({"mos": "A", "distortion": "A", "speech_rate": "tie"}), seed=2)
        'On the whole A is better. A leads in distortion. They are alike in speech rate.'
    """
    rng = seed if isinstance(seed, random.Random) else random.Random(seed)
    spoken = get_language(language)
    said = [rng.choice(spoken.texts[f"summary_{target.preferred.lower()}"])]
    for verdict, key in (("A", "leads"), ("B", "leads"), ("tie", "alike")):
        names = [name for name in target.verdicts if target.verdicts[name] == verdict and name != "mos"]
        if names:
            aspects = joined([in_language(SPEECHEVAL_RUBRICS[name], language).label for name in names], language)
            said.append(fill_fields(spoken.texts[key][0], {"winner": verdict, "aspects": aspects}))
    for clip, details in zip("AB", target.details, strict=True):
        if details.distortions:
            heard = dict.fromkeys(distortion.kind for distortion in details.distortions)
            kinds = joined([spoken.names["heard"].get(kind, kind) for kind in heard], language)
            said.append(fill_fields(spoken.texts["hears"][0], {"clip": clip, "kinds": kinds}))
    return spoken.marks["space"].join(said)


def read_summary(text: str) -> dict[str, Verdict]:
    """Read the verdicts that ``summarise`` wrote in any of our languages; nothing if the one on the whole is not there, or denied.

    Example:
        >>> read_summary("Taken together, A wins. A leads in distortion. They are alike in speech rate.")
        {'mos': 'A', 'distortion': 'A', 'speech_rate': 'tie'}
    """
    for code in LANGUAGES:
        texts = get_language(code).texts
        opened = [one for one, heads in _openings(code).items() if text.strip().startswith(heads)]
        if len(opened) != 1:
            continue
        found: dict[str, Verdict] = {"mos": opened[0]}
        names = {in_language(rubric, code).label: name for name, rubric in SPEECHEVAL_RUBRICS.items() if name != "mos"}
        fields = {"winner": "(?P<winner>[AB])", "aspects": "(?P<aspects>.+)"}
        for sentence, key in product(sentences(text), ("leads", "alike")):
            if match := re.fullmatch(fields_pattern(texts[key][0], fields), sentence):
                verdict = cast(Verdict, match["winner"]) if key == "leads" else "tie"
                found |= {names[label]: verdict for label in re.findall(name_pattern(list(names)), match["aspects"])}
        return found
    return {}


def _openings(language: str) -> dict[Verdict, tuple[str, ...]]:
    """Verdict on the whole to the sentences that a summary may open with, each in its place for every verdict."""
    texts = get_language(language).texts
    verdicts: tuple[Verdict, ...] = ("A", "B", "tie")
    return {verdict: texts[f"summary_{verdict.lower()}"] for verdict in verdicts}


def with_verdict(text: str, verdict: Verdict, language: str = "en") -> str:
    """Put another verdict on the whole at the beginning of a summary.

    Example:
        >>> with_verdict("A is the better clip. A leads in distortion.", "tie")
        'Neither clip is better overall. A leads in distortion.'
    """
    openings = _openings(language)
    for heads in openings.values():
        for place, head in enumerate(heads):
            if text.startswith(head):
                return openings[verdict][place] + text.removeprefix(head)
    return text


def parse(
    text: str, rubrics: Iterable[str | Rubric] = tuple(RUBRICS), *, strict: bool = False, language: str = "en"
) -> Comparison:
    r"""Read a comparison of either form.

    Args:
        rubrics: Whose labels count as aspects in the preference form.
        strict: Either spelling counts. Otherwise case, markup, lacking tags, a summary of ours alone and a bare "A", "B" or
            "tie" are understood.

    Returns:
        Verdicts; in the preference form those of the aspects that a sentence gives to one clip.

    Raises:
        ParseError: If there is no overall verdict, two different ones, or (strict) the text is not as written.

    Example:
        >>> parse("SpeechB beats SpeechA in noisiness.\n[speech b]").verdicts
        {'mos': 'B', 'noisiness': 'B'}
    """
    # The form shows in the text: only that of dimensions thinks, or has lines that begin with a dimension's name
    if re.search(r"<\s*think", text, re.IGNORECASE) or any(
        name in title_names() for name, _ in items(simplified(text))
    ):
        return _parse_dimensions(text, strict, language)
    spoken = language if strict else candidates(text, language)[0]
    return _parse_preference(text, rubrics_by_name(rubrics), strict, spoken)


def _parse_preference(text: str, known: Mapping[str, Rubric], strict: bool, language: str) -> Comparison:
    found = {(match[1] or match[2]).lower() for match in _TOKEN.finditer(text)}
    if not found and not strict and (said := read_summary(text)):
        return Comparison(said, answer=" ".join(text.split()))
    bare = re.fullmatch(r"\W*(?:speech\s*)?(a|b|tie)\W*", text, re.IGNORECASE)
    if not found and bare and not strict:
        found = {bare[1].lower()}
    if len(found) != 1:
        raise ParseError(f"{len(found)} preferences in {text!r}; {', '.join(TOKENS.values())} expected once")
    letter = found.pop()
    overall: Verdict = "tie" if letter == "tie" else "A" if letter == "a" else "B"
    words, _, token = text.rpartition("\n")
    if strict and (token != TOKENS[overall] or _TOKEN.search(words) or not words.strip()):
        raise ParseError(f"{text!r} does not end in one line {TOKENS[overall]!r} after the reasons")
    verdicts: dict[str, Verdict] = {"mos": overall}
    for sentence in re.split(r"(?<=[.!?;])\s+|(?<=[。！？；])|\n", re.sub(r"[*`]", "", text)):
        for name, winner in _wins(sentence, known, language):
            if verdicts.setdefault(name, winner) != winner:
                raise ParseError(f"{name} is given to both clips in {text!r}")
    return Comparison(verdicts)


def _wins(sentence: str, known: Mapping[str, Rubric], language: str) -> Iterable[tuple[str, Verdict]]:
    """Aspects that a sentence gives to the clip it names first; "worse" gives them to the other."""
    patterns, plain = get_language(language).patterns, simplified(sentence)
    match = re.search(patterns["judged"], plain, re.IGNORECASE)
    if not match or is_denied(plain, *match.span("worse" if match["worse"] else "better"), language, "winner"):
        return
    first: Verdict = "A" if match["clip"][-1].lower() == "a" else "B"
    before, after = plain[: match.start("clip")], plain[match.end("clip") :]
    # "Compared with SpeechA, B is better": a clip that is the standard gets the opposite of what is said
    is_standard = any(re.search(patterns["reversed"], side, re.IGNORECASE) for side in (before, after))
    winner = OPPOSITE[first] if bool(match["worse"]) != is_standard else first
    names = {in_language(rubric, language).label.casefold(): name for name, rubric in known.items()}
    found = {names[label] for label in re.findall(name_pattern(list(names)), plain.casefold())} if names else set()
    yield from ((name, winner) for name in known if name in found and name != "mos")


def _parse_dimensions(text: str, strict: bool, language: str) -> Comparison:
    think, answer = split_thought(text, strict=strict)
    verdicts: dict[str, Verdict] = {}
    details = {"distortion_details": "", "speaker_details": ""}
    keys = {get_language(code).texts[key][0].casefold(): key for code in LANGUAGES for key in details}
    for title, value in items(simplified(think or answer)):
        if title in keys:
            details[keys[title]] = value
        elif (name := dimension_of(title)) and (verdict := _read_verdict(value)):
            if name in verdicts:
                raise ParseError(f"{title} comes twice in {text!r}")
            verdicts[name] = verdict
    try:
        notes = (_read_details(clip, *details.values()) for clip in "AB")
        target = Comparison(verdicts, (next(notes), next(notes)), answer if think else "")
    except ValueError as error:
        raise ParseError(f"{error}; in {text!r}") from error
    if not strict:
        return target
    written = [write(target, form="dimensions", paper_spelling=paper, language=language) for paper in (False, True)]
    if text not in written:
        raise ParseError(f"{text!r} should be written {written[0]!r}")
    return target


def _read_verdict(value: str) -> Verdict | None:
    plain = value.casefold().strip(" .!。")
    for code in LANGUAGES:
        plain = plain.removesuffix(get_language(code).texts["tie_ending"][0])
    verdicts: tuple[Verdict, ...] = ("A", "B", "tie")
    for code, verdict in product(LANGUAGES, verdicts):
        if re.fullmatch(get_language(code).patterns[f"verdict_{verdict.lower()}"], " ".join(plain.split())):
            return verdict
    return None


def _read_details(clip: str, distortions: str, speakers: str) -> ClipDetails:
    noted = []
    nothing = {get_language(code).texts["none"][0].casefold() for code in LANGUAGES}
    for line in (distortions, speakers):
        match = re.search(rf"\b{clip}\s*\(([^)]*)\)", line)
        noted.append("" if not match or match[1].strip().casefold() in nothing else match[1])
    gender, age = read_speaker(noted[1])
    return ClipDetails(read_distortions(noted[0]), gender, age)
