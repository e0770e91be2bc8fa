"""The explain task: the scores as a profile, then reasons in words, which name the known causes and end in a verdict.

The words are put together from short parts on purpose: a very small model has to learn to write them, and the parts
that name causes are the ones ``parse`` looks for. When things happen (a cause's spans) is not said.
"""

import random
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from audio_judge.clips import Cause, RatedClip
from audio_judge.languages import Language, candidates, get_language, is_denied, simplified, whole_words, wordings
from audio_judge.rubrics.rubric import RUBRICS, Rubric, fill_fields, in_language, sentence_case
from audio_judge.tasks import profile
from audio_judge.tasks.common import Facts, ParseError, Traits, read_in

SLIGHT, CLEAR, STRONG = 0, 1, 2  # places in CauseWords.phrases

# The dimension that each kind of cause hurts
_HURTS = {
    "noise": "noisiness",
    "packet_loss": "discontinuity",
    "jitter": "discontinuity",
    "time_clipping": "discontinuity",
    "band_limit": "coloration",
    "filter": "coloration",
    "notch": "coloration",
    "codec": "coloration",
    "clipping": "coloration",
    "quantisation": "coloration",
    "noise_suppression": "coloration",
    "vocoder": "coloration",
    "reverberation": "coloration",
    "echo": "coloration",
    "channel": "coloration",
    "clicks": "noisiness",
    "level": "loudness",
    "pumping": "loudness",
    "speed": "coloration",
    "wow": "coloration",
}
KINDS = tuple(_HURTS)
# Kinds that are the low scores of a dimension by another name: one sentence speaks of both
_NAMESAKES = {"noise": "noisiness", "level": "loudness"}

# Where a parameter makes a cause slight (this value or beyond) and strong (likewise); between them it is clear. Of several
# parameters of one cause the first in this table counts.
_SEVERITY: dict[tuple[str, str], tuple[float, float]] = {
    ("noise", "snr_db"): (25, 12),
    ("packet_loss", "loss_rate"): (0.03, 0.12),
    ("jitter", "events_per_second"): (0.8, 4),
    ("time_clipping", "loss_rate"): (0.03, 0.12),
    ("time_clipping", "fraction"): (0.05, 0.3),
    ("band_limit", "high_hz"): (7000, 3800),
    ("filter", "gains_db"): (10, 30),  # largest less smallest
    ("notch", "depth_db"): (12, 30),
    ("codec", "bitrate_kbps"): (24, 8),
    ("codec", "bit_rate"): (24_000, 8000),
    ("noise_suppression", "over_subtraction"): (2.5, 5.5),
    ("noise_suppression", "amount"): (0.3, 0.7),
    ("vocoder", "amount"): (0.3, 0.7),
    ("clipping", "fraction"): (0.01, 0.08),
    ("clipping", "threshold_full_scale"): (0.5, 0.15),
    ("reverberation", "rt60_s"): (0.4, 1.0),
    ("quantisation", "bits"): (10, 6),
    ("echo", "attenuation_db"): (20, 8),
    ("clicks", "clicks_per_second"): (2, 15),
    ("pumping", "strength"): (0.3, 0.7),
    ("level", "change_db"): (8, 20),  # before gain_db, which is 0 where only places change
    ("level", "gain_db"): (6, 20),
    ("speed", "factor"): (0.05, 0.2),
    ("wow", "depth"): (0.005, 0.02),
}
# From where a ``severity``, 0 to 1, is clear, and strong
_LEAST_SEVERITY = (0.3, 0.6)
# The parameter whose side of a neutral value says in which direction a cause goes
_DIRECTIONS = {"level": ("gain_db", 0.0), "speed": ("factor", 1.0)}

# A line of the head: a name, a separator, and a number with no word after it; a sentence with a colon is none
_WORDY = r"A-Za-z\u3040-\u30ff\u3400-\u9fff:="
_HEAD_LINE = re.compile(rf"[^:=]+[:=][^{_WORDY}]*[0-9][^{_WORDY}]*")


@dataclass(frozen=True)
class Explanation:
    """Scores and what is known to be wrong.

    Args:
        causes: Known causes; parsed ones have a kind and no parameters.
    """

    scores: dict[str, float]
    causes: tuple[Cause, ...] = field(default=())

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of the causes: all that survives being written and parsed."""
        return frozenset(cause.kind for cause in self.causes)


TRAITS = Traits("several", ("scores", "causes", "words"), is_varied=True)


def facts(target: Explanation) -> Facts:
    """What an explanation states: kinds of causes in the order of ``KINDS``, and not when they are heard."""
    return Facts(dict(target.scores), causes={kind: () for kind in KINDS if kind in target.kinds})


def target_of(clip: RatedClip, rubrics: Iterable[str], *_: Any) -> Explanation:
    """The ratings of a clip on the rubrics that are asked for, and its known causes."""
    return Explanation(profile.target_of(clip, rubrics), clip.causes)


def ask(
    rubrics: Iterable[str | Rubric] = tuple(RUBRICS),
    *,
    phrasing: int | str = 0,
    held_out: bool = False,
    with_reference: bool = False,
    language: str = "en",
) -> str:
    """Write the user's request for an explanation; the caller places the audio.

    Args:
        rubrics: All on one scale.
        phrasing: Number of a phrasing, or an own text with ``{labels}, {low}, {high}, {direction}``.

    Raises:
        ValueError: If there is no rubric, or they differ in scale or share a name.

    Example:
        >>> ask(["mos"])
        'Explain the quality of this clip: overall quality, each 1 to 5, then the reasons.'
    """
    how: dict[str, Any] = {"phrasing": phrasing, "held_out": held_out, "with_reference": with_reference}
    return profile.ask_with(wordings("explain", language), rubrics, language=language, **how)


def head(scores: dict[str, float], rubrics: Iterable[str | Rubric] = tuple(RUBRICS), language: str = "en") -> str:
    r"""Write the fixed beginning of an explanation, to be forced before the reasons are generated.

    Raises:
        ValueError: If there is no score, one of an unknown rubric, or one out of range.

    Example:
        >>> head({"mos": 2.4})
        'Overall quality: 2.4\n\n'
    """
    return profile.write(scores, rubrics, language) + "\n\n"


def write(
    target: Explanation,
    seed: int | random.Random = 0,
    rubrics: Iterable[str | Rubric] = tuple(RUBRICS),
    language: str = "en",
) -> str:
    """Write an explanation: head, then reasons; give each clip its own seed, so that explanations differ.

    Args:
        rubrics: At least those of the scores.

    Raises:
        ValueError: If a score cannot be written or a kind of cause has no words.

    Example:
        >>> print(write(Explanation({"mos": 2.4, "noisiness": 1.8}, (Cause("noise", {"snr_db": 10}),)), seed=1))
        Overall quality: 2.4
        Noisiness: 1.8
        <BLANKLINE>
        Severe background noise can be heard. Overall the quality is poor.
    """
    chosen = tuple(rubrics)
    return head(target.scores, chosen, language) + reasons(target, seed, chosen, language)


def reasons(
    target: Explanation,
    seed: int | random.Random = 0,
    rubrics: Iterable[str | Rubric] = tuple(RUBRICS),
    language: str = "en",
) -> str:
    """Write the reasons: dimensions worth a word, each with its causes, then the other causes and the verdict.

    Raises:
        ValueError: If a kind of cause has no words.
    """
    spoken = get_language(language)
    rng = seed if isinstance(seed, random.Random) else random.Random(seed)
    known = profile.rubrics_by_name(rubrics)
    causes = strongest_of_each_kind(target.causes)
    sentences = []
    if is_clean(target.scores, causes, known):
        sentences.append(rng.choice(spoken.texts["clean"]))
    for name in [] if sentences else _worth_a_word(target.scores, known):
        if name not in said_by_causes(causes):
            sentences += dimension_sentence(known[name], target.scores[name], rng, language)
        hurting = [cause for cause in causes if _HURTS[cause.kind] == name]
        sentences += [text for cause in hurting for text in _say(cause, rng, spoken)]
        causes = [cause for cause in causes if _HURTS[cause.kind] != name]
    sentences += [text for cause in causes for text in _say(cause, rng, spoken)]
    if "mos" in target.scores:
        level = in_language(known["mos"], language).level_of(target.scores["mos"])
        sentences.append(rng.choice(spoken.texts["verdicts"]).format(level=level))
    return spoken.marks["space"].join(sentences)


def parse(
    text: str, rubrics: Iterable[str | Rubric] = tuple(RUBRICS), *, strict: bool = False, language: str = "en"
) -> Explanation:
    r"""Read the scores and the kinds of causes from an explanation.

    Strict, the head must be as ``head`` writes it, followed by one paragraph in any words.

    Returns:
        Scores by rubric name, and causes without parameters in the order of ``KINDS``.

    Raises:
        ParseError: If there are no scores by name, or no reasons in words.

    Example:
        >>> parse("Noisiness: 1.8\n\nThe clip has strong background noise, but no echo.").kinds
        frozenset({'noise'})
    """
    chosen = tuple(rubrics)
    if strict:
        top, _, words = text.partition("\n\n")
        scores = profile.parse(top, chosen, strict=True, language=language)
    else:
        lines = simplified(text).splitlines()
        words = "\n".join(line for line in lines if not _HEAD_LINE.fullmatch(line))
        # Without lines of scores, they may stand in the sentences
        head = "\n".join(line for line in lines if _HEAD_LINE.fullmatch(line))
        scores = profile.parse(head or text, chosen)
    if not re.search(r"[^\W\d]{2}", words) or (strict and "\n" in words):
        raise ParseError(f"no reasons in words, in one paragraph after the scores, in {text!r}")
    kinds = read_in(words, language, strict, lambda spoken: _named(words, spoken))
    return Explanation(scores, tuple(Cause(kind) for kind in kinds))


def named_causes(text: str, language: str = "en") -> tuple[str, ...]:
    """Find the kinds of causes that a text names and does not deny, in the order of ``KINDS``.

    Example:
        >>> named_causes("I hear slight clipping. Without echo, at least.")
        ('clipping',)
    """
    return _named(text, candidates(text, language)[0])


def _named(text: str, language: str) -> tuple[str, ...]:
    plain = simplified(text)
    found = {kind: pattern.finditer(plain) for kind, pattern in _cause_patterns(language).items()}
    return tuple(kind for kind in KINDS if any(not is_denied(plain, *match.span(), language) for match in found[kind]))


@cache
def _cause_patterns(language: str) -> dict[str, re.Pattern[str]]:
    causes = get_language(language).causes
    return {kind: re.compile(whole_words(words.pattern), re.IGNORECASE) for kind, words in causes.items()}


def level_side(text: str, language: str = "en") -> int:
    """Say what a text claims of the level: -1 too quiet, 1 too loud, 0 neither or both.

    Example:
        >>> level_side("The voice is far too quiet."), level_side("It is not too loud."), level_side("The loudness is right.")
        (-1, 0, 0)
    """
    spoken, plain = get_language(language), simplified(text)
    found = {
        side
        for side, name in ((-1, "too_quiet"), (1, "too_loud"))
        for match in re.finditer(whole_words(spoken.patterns[name]), plain, re.IGNORECASE)
        if not is_denied(plain, *match.span(), language)
    }
    return found.pop() if len(found) == 1 else 0


def mentioned_causes(text: str, language: str = "en") -> tuple[str, ...]:
    """Find the kinds of causes that a text speaks of, be it to deny them, in the order of ``KINDS``.

    Example:
        >>> mentioned_causes("I hear slight clipping. Without echo, at least.")
        ('clipping', 'echo')
    """
    plain, patterns = simplified(text), _cause_patterns(candidates(text, language)[0])
    return tuple(kind for kind in KINDS if patterns[kind].search(plain))


def severity(cause: Cause) -> int:
    """Grade a cause by its parameters: 0 slight, 1 clear, 2 strong; clear if no known parameter is given.

    A ``severity`` from 0 to 1 among them is what counts.

    Example:
        >>> severity(Cause("noise", {"snr_db": 30.0})), severity(Cause("echo", {"severity": 0.8}))
        (0, 2)
    """
    if "severity" in cause.parameters:
        return sum(cause.parameters["severity"] >= least for least in _LEAST_SEVERITY)
    for (kind, parameter), (slight, strong) in _SEVERITY.items():
        if cause.kind == kind and parameter in cause.parameters:
            amount = _amount(parameter, cause.parameters[parameter])
            sign = 1 if strong > slight else -1  # of some parameters, such as snr_db, the low values are the bad ones
            return STRONG if sign * amount >= sign * strong else SLIGHT if sign * amount <= sign * slight else CLEAR
    return CLEAR


def _amount(parameter: str, value: float | list[float]) -> float:
    # How far from neutral: gains of bands by their span, a speed from 1, a level in either direction
    if isinstance(value, list):
        return max(value) - min(value)
    return abs(value - 1) if parameter == "factor" else abs(value) if parameter in ("gain_db", "change_db") else value


def is_graded(cause: Cause) -> bool:
    """Whether a cause says by a parameter how strong it is."""
    known = {parameter for kind, parameter in _SEVERITY if kind == cause.kind}
    return bool(cause.parameters.keys() & {"severity", *known})


def hurts(kind: str) -> str:
    """The dimension that a kind of cause hurts.

    Example:
        >>> hurts("jitter")
        'discontinuity'
    """
    return _HURTS[kind]


def strongest_of_each_kind(causes: Iterable[Cause]) -> list[Cause]:
    """The strongest cause of each kind, in the order of the first of each.

    Raises:
        ValueError: If a kind has no words.
    """
    strongest: dict[str, Cause] = {}
    for cause in causes:
        if cause.kind not in _HURTS:
            raise ValueError(f"no words for cause {cause.kind!r}; known: {', '.join(KINDS)}")
        if cause.kind not in strongest or severity(cause) > severity(strongest[cause.kind]):
            strongest[cause.kind] = cause
    return list(strongest.values())


def _worth_a_word(scores: dict[str, float], known: dict[str, Rubric]) -> list[str]:
    """Dimensions below the fourth fifth, worst first; if there are none, the two that stand out least and most."""
    ranked = sorted((name for name in scores if name != "mos"), key=lambda name: _goodness(known[name], scores[name]))
    weak = [name for name in ranked if fifth(known[name], scores[name]) < 3]
    return weak or list(dict.fromkeys([*ranked[:1], *ranked[-1:]]))


def is_clean(scores: Mapping[str, float], causes: Collection[Cause], known: Mapping[str, Rubric] = RUBRICS) -> bool:
    """Whether a clip is without fault: no cause is known, and all scores, with that of the whole, are in the upper two fifths."""
    return "mos" in scores and not causes and all(fifth(known[name], value) >= 3 for name, value in scores.items())


def said_by_causes(causes: Iterable[Cause]) -> set[str]:
    """Dimensions of which a sentence about a cause says all there is to say: a wrong level, and noise."""
    return {_NAMESAKES[cause.kind] for cause in causes if cause.kind in _NAMESAKES}


def _goodness(rubric: Rubric, value: float) -> float:
    # Unlike Rubric.goodness it takes a score off the scale, and the fast end of a speech rate for the good one
    share = (value - rubric.low) / (rubric.high - rubric.low)
    return share if rubric.higher_is_better else 1 - share


def fifth(rubric: Rubric, value: float) -> int:
    """Place a score in one of five groups, 0 worst to 4 best; halfway goes up, as in ``Rubric.level_of``."""
    return int(4 * _goodness(rubric, value) + 0.5)


def dimension_sentence(rubric: Rubric, value: float, rng: random.Random, language: str = "en") -> list[str]:
    """Say how a clip does on one rubric, in one sentence, or in none if it would be read back as a cause."""
    texts = get_language(language)
    if rubric.name in texts.dimensions:
        return [rng.choice(texts.dimensions[rubric.name][fifth(rubric, value)])]
    spoken = in_language(rubric, language)
    sentence = fill_fields(texts.texts["rated"][0], {"label": spoken.label, "level": spoken.level_of(value)})
    # A user's rubric may be called like a cause, such as "echo"
    return [] if _named(sentence, language) else [sentence]


def fitting_sentences(scores: dict[str, float], language: str = "en") -> dict[str, tuple[str, str]]:
    """Map every sentence that ``reasons`` may write about NISQA's rubrics to its rubric and what would fit the score.

    A sentence that fits is mapped to itself.

    Example:
        >>> fitting_sentences({"mos": 2.4})["The overall impression is good."]
        ('mos', 'The overall impression is poor.')
    """
    spoken = get_language(language)
    found: dict[str, tuple[str, str]] = {}
    for name, groups in spoken.dimensions.items():
        if name in scores:
            fitting = groups[fifth(RUBRICS[name], scores[name])]
            for group in groups:
                said = zip(group, fitting, strict=True)
                found |= {sentence: (name, sentence if group is fitting else fit) for sentence, fit in said}
    if "mos" in scores:
        overall = in_language(RUBRICS["mos"], language)
        decided = overall.level_of(scores["mos"])
        for frame in spoken.texts["verdicts"]:
            found |= {frame.format(level=level): ("mos", frame.format(level=decided)) for level in overall.levels}
    return found


@cache
def places_of_sentences(language: str = "en") -> dict[str, tuple[str, int]]:
    """Map every sentence of ours about NISQA's rubrics, but for the whole, to its rubric and the fifth of the scale that it is said of."""
    spoken = get_language(language)
    tables = (*spoken.dimensions.items(), *spoken.descriptions.items())
    return {said: (name, place) for name, groups in tables for place, group in enumerate(groups) for said in group}


def cause_sentences(cause: Cause, seed: int | random.Random = 0, language: str = "en") -> list[str]:
    """Write a sentence that names a cause, and half of the time one that says what it does.

    Raises:
        ValueError: If its kind has no words.

    Example:
        >>> cause_sentences(Cause("clicks"), seed=1)
        ['You can hear several clicks.', 'This distracts from the words.']
    """
    (known,) = strongest_of_each_kind([cause])
    return _say(known, seed if isinstance(seed, random.Random) else random.Random(seed), get_language(language))


def _say(cause: Cause, rng: random.Random, language: Language) -> list[str]:
    words = language.causes[cause.kind]
    phrase = rng.choice(words.phrases[severity(cause)])
    if not isinstance(phrase, str):  # a group of wordings
        phrase = rng.choice(phrase)
    if "{direction}" in phrase:
        phrase = phrase.replace("{direction}", _direction(cause, language.directions[cause.kind]))
    is_sentence = phrase.endswith((".", "。"))
    sentence = phrase if is_sentence else fill_fields(rng.choice(language.texts["frames"]), {"cause": phrase})
    sentences = [sentence_case(sentence)]
    return [*sentences, rng.choice(words.effects)] if rng.random() < 0.5 else sentences


def sentences_naming(cause: Cause, language: str = "en") -> frozenset[str]:
    """All sentences of ours that name a cause, as strong and in the direction that its parameters say.

    Example:
        >>> "I hear some clipping." in sentences_naming(Cause("clipping", {"fraction": 0.05}))
        True
    """
    spoken = get_language(language)
    directions = [_direction(cause, spoken.directions[cause.kind])] if cause.kind in spoken.directions else [""]
    return _naming(cause.kind, language, (severity(cause),), tuple(directions))


def all_naming(kind: str, language: str = "en") -> frozenset[str]:
    """All sentences of ours that name a kind of cause, in whatever degree and direction."""
    return _naming(kind, language, (SLIGHT, CLEAR, STRONG), get_language(language).directions.get(kind, ("",)))


@cache
def _naming(kind: str, language: str, degrees: tuple[int, ...], directions: tuple[str, ...]) -> frozenset[str]:
    spoken = get_language(language)
    groups = [group for degree in degrees for group in spoken.causes[kind].phrases[degree]]
    phrases = [phrase for group in groups for phrase in ([group] if isinstance(group, str) else group)]
    said = [phrase.replace("{direction}", direction) for phrase in phrases for direction in directions]
    return frozenset(
        sentence_case(fill_fields(frame, {"cause": phrase}))
        for phrase in said
        for frame in (("{cause}",) if phrase.endswith((".", "。")) else spoken.texts["frames"])
    )


def direction(cause: Cause, language: str = "en") -> str:
    """Say in which direction a level or a speed is off.

    Example:
        >>> direction(Cause("level", {"gain_db": -12.0}))
        'too quiet'
    """
    return _direction(cause, get_language(language).directions[cause.kind])


def _direction(cause: Cause, words: tuple[str, str, str]) -> str:
    below, above, unknown = words
    return {-1: below, 0: unknown, 1: above}[side_of(cause)]


def has_side(kind: str) -> bool:
    """Whether a kind of cause goes in one of two directions."""
    return kind in _DIRECTIONS


def side_of(cause: Cause) -> int:
    """Say in which direction a level or a speed is off: -1 too quiet or too slow, 1 too loud or too fast, 0 not known."""
    parameter, neutral = _DIRECTIONS[cause.kind]
    value = cause.parameters.get(parameter, neutral)
    return (value > neutral) - (value < neutral)
