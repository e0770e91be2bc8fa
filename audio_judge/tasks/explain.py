"""The explain task: the scores as a profile, then the reasons in words, which name the known causes and end in a verdict.

The words are put together from short parts on purpose: a very small model has to learn to write them, and the parts that
name causes are the ones ``parse`` looks for. When things happen (a cause's spans) is not said.
"""

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from audio_judge.clips import Cause
from audio_judge.languages import Language, candidates, get_language, is_denied, simplified, whole_words, wordings
from audio_judge.rubrics.rubric import RUBRICS, Rubric, fill_fields, in_language, sentence_case
from audio_judge.tasks import profile
from audio_judge.tasks.common import Facts, ParseError, Traits, read_in

PHRASINGS = (
    "Explain the quality of this clip: {labels}, each {low} to {high}, then the reasons.",
    "What is wrong with this recording? Give {labels} from {low} to {high} and say why.",
    "Score {labels} from {low} to {high} and explain the scores.",
    "Why does this clip sound the way it does? Start with {labels} ({low} to {high}).",
    "Rate {labels} between {low} and {high}, then give the causes and a verdict.",
    "Please describe the speech quality: first {labels}, {low} to {high}, then words.",
    "Tell me what I hear here and why. Begin with scores for {labels}, {low} to {high}.",
    "Write a short report on this audio with {labels} ({low} to {high}, {direction}) and reasons.",
    "Find the faults in this clip. Scores first: {labels}, {low} to {high}.",
    "How good is this, and why? Use {labels} on a {low} to {high} scale.",
    "Diagnose the recording. Scores of {labels} from {low} to {high}, then the causes.",
    "Give {labels} from {low} to {high} with an explanation.",
    "Act as an audio engineer: rate {labels} ({low} to {high}) and name what went wrong.",
    "I need an explanation of the quality. {labels}, {low} to {high}, followed by the reasons.",
    "Judge this sample on {labels}, {low} to {high}; {direction}. Justify the judgement.",
    "Listen closely, rate {labels} from {low} to {high}, and explain what you noticed.",
    "Comment on the quality of the speech. Put scores for {labels} ({low} to {high}) at the top.",
    "A user complains about this call. Rate {labels}, {low} to {high}, and explain the trouble.",
    "Explain in a few sentences; {labels} from {low} to {high} come first.",
    "What degraded this speech? Scores: {labels}, {low} to {high}. Then the causes.",
    "Quick diagnosis, please, with {labels} from {low} to {high}.",
    "Assess the clip on {labels} ({low} to {high}) and support every low score with a reason.",
)
HELD_OUT_PHRASINGS = (
    "Provide scores for {labels} between {low} and {high} and the grounds for them.",
    "Account for the quality of this recording: {labels} from {low} to {high}, then what caused it.",
    "Review this audio. I want {labels}, {low} to {high}, and what listeners would complain about.",
    "Can you say why this clip sounds good or bad? Scores for {labels} ({low} to {high}) first.",
    "Analyse the speech sample with {labels} on the {low} to {high} scale and write down the problems.",
    "State {labels} ({low} to {high}, {direction}) and back them up in words.",
)

SLIGHT, CLEAR, STRONG = 0, 1, 2
_MASS = (("slight", "a little", "faint"), ("clear", "noticeable", "some"), ("strong", "heavy", "severe"))
_SINGULAR = (("a slight", "a faint"), ("a clear", "a noticeable"), ("a strong", "a severe"))
_PLURAL = (("a few",), ("several", "some"), ("many", "frequent"))
_DEGREE = (("slightly", "a little"), ("clearly", "noticeably"), ("far", "much"))


@dataclass(frozen=True)
class _Words:
    """How a kind of cause is spoken of: dimension it hurts, (degrees, noun) pairs, what it does, what parse looks for."""

    dimension: str
    nouns: tuple[tuple[tuple[tuple[str, ...], ...], str], ...]
    effects: tuple[str, ...]
    pattern: str


# "too quiet", "too loud", "too slow" and "too fast" are put in by the sign of the fault; see _directed.
_CAUSES: dict[str, _Words] = {
    "noise": _Words(
        "noisiness",
        ((_MASS, "background noise"), (_MASS, "noise in the background")),
        ("This covers the soft sounds.", "This lies under the voice."),
        r"background noise|noise in the background",
    ),
    "packet_loss": _Words(
        "discontinuity",
        ((_PLURAL, "lost packets"), (_MASS, "packet loss")),
        ("This leaves holes in the words.", "Parts of words are missing."),
        r"lost packets|packet loss",
    ),
    "jitter": _Words(
        "discontinuity",
        ((_MASS, "jitter"), (_PLURAL, "late packets")),
        ("This makes the speech stumble.", "The rhythm of the words is uneven."),
        r"jitter|late packets",
    ),
    "time_clipping": _Words(
        "discontinuity",
        ((_PLURAL, "muted gaps"), (_PLURAL, "cut-off words")),
        ("Short pieces fall silent.", "Sounds stop all of a sudden."),
        r"muted gaps|cut-off words|time[ -]clipping",
    ),
    "band_limit": _Words(
        "coloration",
        ((_MASS, "band limiting"), (_SINGULAR, "limit on the bandwidth")),
        ("A part of the spectrum is gone.", "The voice loses its fullness."),
        r"band[ -]limit(?:ing|ed)?|limit(?:ed|ing|s)?(?: on the)? bandwidth",
    ),
    "filter": _Words(
        "coloration",
        ((_MASS, "filtering"), (_SINGULAR, "tilt of the spectrum")),
        ("This shifts the balance of the voice.", "Some tones stand out and others fade."),
        r"filter(?:ing|ed)?|tilt of the spectrum",
    ),
    "notch": _Words(
        "coloration",
        ((_SINGULAR, "notch in the spectrum"), (_SINGULAR, "hole in the spectrum")),
        ("One range of tones is missing.", "The voice sounds hollow."),
        r"notch|hole in the spectrum",
    ),
    "codec": _Words(
        "coloration",
        ((_MASS, "coding artefacts"), (_MASS, "codec distortion")),
        ("The voice was squeezed into too few bits.", "This makes the voice rough."),
        r"coding arte?i?facts|codec",
    ),
    "clipping": _Words(
        "coloration",
        ((_MASS, "clipping"), (_PLURAL, "overloaded peaks")),
        ("The voice sounds harsh.", "The peaks of the wave are flat."),
        r"(?<!time )(?<!time-)clipping|overloaded peaks",
    ),
    "quantisation": _Words(
        "coloration",
        ((_MASS, "quantisation distortion"), (_MASS, "rounding distortion")),
        ("The steps of the signal are coarse.", "The voice sounds grainy."),
        r"quanti[sz]ation|rounding distortion",
    ),
    "noise_suppression": _Words(
        "coloration",
        ((_MASS, "noise suppression"), (_MASS, "noise reduction")),
        ("Parts of the voice were taken away, too.", "The voice sounds thin and watery."),
        r"noise[ -](?:suppression|reduction)",
    ),
    "vocoder": _Words(
        "coloration",
        ((_SINGULAR, "vocoder sound"), (_SINGULAR, "machine sound")),
        ("The voice buzzes.", "The voice was built anew by a program."),
        r"vocoder|machine sound",
    ),
    "reverberation": _Words(
        "coloration",
        ((_MASS, "reverberation"), (_MASS, "room sound")),
        ("The voice seems far away.", "The sounds run into each other."),
        r"reverb(?:eration)?|room sound",
    ),
    "echo": _Words(
        "coloration",
        ((_SINGULAR, "echo"), (_SINGULAR, "repeat of the voice")),
        ("Words come back a moment later.", "The voice is heard twice."),
        r"echo(?:es)?|repeat of the voice",
    ),
    "channel": _Words(
        "coloration",
        ((_SINGULAR, "phone sound"), (_SINGULAR, "call sound")),
        ("The speech came through a network.", "The voice sounds like a call."),
        r"phone sound|call sound",
    ),
    "clicks": _Words(
        "noisiness",
        ((_PLURAL, "clicks"), (_MASS, "crackle")),
        ("Short sharp sounds cut in.", "This distracts from the words."),
        r"clicks?|crackl(?:e|es|ing)",
    ),
    "level": _Words(
        "loudness",
        ((_DEGREE, "speech that is {degree} {direction}"), (_DEGREE, "a voice that is {degree} {direction}")),
        ("Listeners will reach for the volume.", "This makes listening hard work."),
        r"too (?:quiet|loud)|off the right level",
    ),
    "pumping": _Words(
        "loudness",
        ((_MASS, "pumping"), (_MASS, "unsteady gain")),
        ("The voice swells and sinks.", "The volume never rests."),
        r"pumping|unsteady gain",
    ),
    "speed": _Words(
        "coloration",
        ((_DEGREE, "speech that is {degree} {direction}"), (_DEGREE, "playback that is {degree} {direction}")),
        ("The pitch is not the speaker's own.", "The pace is unnatural."),
        r"too (?:fast|slow)|off the right pace",
    ),
}
KINDS = tuple(_CAUSES)

# Where a parameter makes a cause slight (this value or beyond) and strong (likewise); between them it is clear.
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
}
_DIRECTIONS = {
    "level": ("gain_db", 0.0, "too quiet", "too loud", "off the right level"),
    "speed": ("factor", 1.0, "too slow", "too fast", "off the right pace"),
}

_FRAMES = (
    "I hear {cause}.",
    "The clip has {cause}.",
    "You can hear {cause}.",
    "The recording suffers from {cause}.",
    "One reason is {cause}.",
    "Listeners will notice {cause}.",
    "{cause} can be heard.",
)
_VERDICTS = (
    "Overall the quality is {level}.",
    "All in all, the quality is {level}.",
    "The overall impression is {level}.",
    "So the quality as a whole is {level}.",
    "I call the overall quality {level}.",
)
# Per dimension five groups, from the lowest fifth of the scale to the highest.
_DIMENSIONS: dict[str, tuple[tuple[str, ...], ...]] = {
    "noisiness": (
        ("The voice drowns in noise.", "Noise covers most of the speech.", "The noise is very strong."),
        ("The speech is noisy.", "The noise is strong.", "Noise disturbs the voice."),
        ("There is some noise.", "The noise is easy to hear.", "The voice stays in front of the noise."),
        ("There is only a little noise.", "The noise is low.", "A trace of noise remains."),
        ("The speech is clean.", "There is no noise to hear.", "The voice is free of noise."),
    ),
    "coloration": (
        ("The voice sounds very unnatural.", "The timbre is very distorted.", "The sound of the voice is ruined."),
        ("The voice sounds unnatural.", "The timbre is distorted.", "The sound of the voice is changed a lot."),
        ("The voice is somewhat coloured.", "The timbre is changed.", "The voice is not quite natural."),
        ("The voice is almost natural.", "The timbre is changed a little.", "The voice is slightly coloured."),
        ("The voice sounds natural.", "The timbre is natural.", "The voice is not coloured."),
    ),
    "discontinuity": (
        ("The speech is broken into pieces.", "The speech is interrupted all the time.", "Many words are lost."),
        ("The speech is often interrupted.", "There are many breaks.", "Words are broken again and again."),
        ("The speech is interrupted at times.", "There are some breaks.", "Some words are broken."),
        ("There are very few breaks.", "The speech is almost unbroken.", "The speech is slightly interrupted."),
        ("The speech runs without breaks.", "Nothing interrupts the speech.", "The speech is unbroken."),
    ),
    "loudness": (
        ("The loudness is very unsuitable.", "The loudness is very wrong.", "The loudness does not suit at all."),
        ("The loudness is unsuitable.", "The loudness is wrong.", "The loudness does not suit."),
        ("The loudness is not quite right.", "The loudness is somewhat off.", "The loudness could suit more."),
        ("The loudness is almost right.", "The loudness is slightly off.", "The loudness suits most listeners."),
        ("The loudness is right.", "The loudness suits.", "The loudness is as it should be."),
    ),
}
_PATTERNS = {kind: re.compile(rf"\b(?:{words.pattern})\b", re.IGNORECASE) for kind, words in _CAUSES.items()}
_DENIED = re.compile(r"\b(?:no|not|without|never|free (?:of|from))\s+(?:[\w-]+\s+){0,3}$", re.IGNORECASE)
_WORDY = r"A-Za-z\u3040-\u30ff\u3400-\u9fff:="
_HEAD_LINE = re.compile(rf"[^:=]+[:=][^{_WORDY}]*[0-9][^{_WORDY}]*")


@dataclass(frozen=True)
class Explanation:
    """Scores and what is known to be wrong.

    Args:
        scores: Rubric name to score, at least one.
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
        rubrics: Rubrics or their names, all on one scale.
        phrasing: Number of one of ``PHRASINGS``, or an own text with ``{labels}, {low}, {high}, {direction}``.
        held_out: Number ``HELD_OUT_PHRASINGS`` instead.
        with_reference: Whether a clean reference is given beside the degraded clip.
        language: Of the request; one of ``audio_judge.languages.LANGUAGES``.

    Raises:
        IndexError: If there is no phrasing of that number.
        ValueError: If there is no rubric, or they differ in scale or share a name.

    Example:
        >>> ask(["mos"])
        'Explain the quality of this clip: overall quality, each 1 to 5, then the reasons.'
    """
    phrasings = wordings("explain", language, (PHRASINGS, HELD_OUT_PHRASINGS))
    how: dict[str, Any] = {"phrasing": phrasing, "held_out": held_out, "with_reference": with_reference}
    return profile.ask_with(phrasings, rubrics, language=language, **how)


def head(scores: dict[str, float], rubrics: Iterable[str | Rubric] = tuple(RUBRICS), language: str = "en") -> str:
    r"""Write the fixed beginning of an explanation, to be forced before the reasons are generated.

    Args:
        scores: Rubric name to score.
        rubrics: Rubrics or their names, at least those of the scores.
        language: Of the names.

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
    """Write an explanation: head, then reasons.

    Args:
        target: Scores and causes.
        seed: Chooses the wordings; give each clip its own, so that explanations differ.
        rubrics: Rubrics or their names, at least those of the scores.
        language: Of the answer.

    Raises:
        ValueError: If a score cannot be written or a kind of cause has no words.

    Example:
        >>> print(write(Explanation({"mos": 2.4, "noisiness": 1.8}, (Cause("noise", {"snr_db": 10}),)), seed=1))
        Overall quality: 2.4
        Noisiness: 1.8
        <BLANKLINE>
        The speech is noisy. I hear heavy background noise. This lies under the voice. So the quality as a whole is poor.
    """
    chosen = tuple(rubrics)
    return head(target.scores, chosen, language) + reasons(target, seed, chosen, language)


def reasons(
    target: Explanation,
    seed: int | random.Random = 0,
    rubrics: Iterable[str | Rubric] = tuple(RUBRICS),
    language: str = "en",
) -> str:
    """Write the reasons: dimensions worth a word, each with its causes, then the verdict.

    Args:
        target: Scores and causes.
        seed: Chooses the wordings.
        rubrics: Rubrics or their names, at least those of the scores.
        language: Of the answer.

    Raises:
        ValueError: If a kind of cause has no words.
    """
    spoken = get_language(language)
    rng = seed if isinstance(seed, random.Random) else random.Random(seed)
    known = profile.rubrics_by_name(rubrics)
    causes = _strongest_of_each_kind(target.causes)
    sentences = []
    for name in _worth_a_word(target.scores, known):
        sentences += dimension_sentence(known[name], target.scores[name], rng, language)
        hurting = [cause for cause in causes if _CAUSES[cause.kind].dimension == name]
        sentences += [text for cause in hurting for text in _say(cause, rng, spoken)]
        causes = [cause for cause in causes if _CAUSES[cause.kind].dimension != name]
    sentences += [text for cause in causes for text in _say(cause, rng, spoken)]
    if "mos" in target.scores:
        level = in_language(known["mos"], language).level_of(target.scores["mos"])
        sentences.append(rng.choice(spoken.texts["verdicts"]).format(level=level))
    return spoken.marks["space"].join(sentences)


def parse(
    text: str, rubrics: Iterable[str | Rubric] = tuple(RUBRICS), *, strict: bool = False, language: str = "en"
) -> Explanation:
    r"""Read the scores and the kinds of causes from an explanation.

    Args:
        text: Head and reasons.
        rubrics: Rubrics or their names that were asked for.
        strict: Whether the head must be as ``head`` writes it, followed by one paragraph.
        language: Of the answer; unless strict, its words may show another.

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
        scores = profile.parse("\n".join(line for line in lines if _HEAD_LINE.fullmatch(line)), chosen)
    if not re.search(r"[^\W\d]{2}", words) or (strict and "\n" in words):
        raise ParseError(f"no reasons in words, in one paragraph after the scores, in {text!r}")
    kinds = read_in(words, language, strict, lambda spoken: _named(words, spoken))
    return Explanation(scores, tuple(Cause(kind) for kind in kinds))


def named_causes(text: str, language: str = "en") -> tuple[str, ...]:
    """Find the kinds of causes that a text names and does not deny, in the order of ``KINDS``.

    Args:
        text: Reasons in words.
        language: What they are taken for if they do not show their language.

    Example:
        >>> named_causes("I hear slight clipping. Without echo, at least.")
        ('clipping',)
    """
    return _named(text, candidates(text, language)[0])


def _named(text: str, language: str) -> tuple[str, ...]:
    if language == "en":
        return tuple(
            kind
            for kind, pattern in _PATTERNS.items()
            if any(not _DENIED.search(text[: match.start()]) for match in pattern.finditer(text))
        )
    plain, causes = simplified(text), get_language(language).causes
    found = {kind: re.finditer(whole_words(words.pattern), plain, re.IGNORECASE) for kind, words in causes.items()}
    return tuple(kind for kind in KINDS if any(not is_denied(plain, *match.span(), language) for match in found[kind]))


def mentioned_causes(text: str, language: str = "en") -> tuple[str, ...]:
    """Find the kinds of causes that a text speaks of, be it to deny them, in the order of ``KINDS``.

    Args:
        text: Reasons in words.
        language: What they are taken for if they do not show their language.

    Example:
        >>> mentioned_causes("I hear slight clipping. Without echo, at least.")
        ('clipping', 'echo')
    """
    plain, causes = simplified(text), get_language(candidates(text, language)[0]).causes
    return tuple(kind for kind in KINDS if re.search(whole_words(causes[kind].pattern), plain, re.IGNORECASE))


def severity(cause: Cause) -> int:
    """Grade a cause by its parameters: 0 slight, 1 clear, 2 strong; clear if no known parameter is given.

    Args:
        cause: What is wrong.

    Example:
        >>> severity(Cause("noise", {"snr_db": 30.0}))
        0
    """
    for (kind, parameter), (slight, strong) in _SEVERITY.items():
        if cause.kind == kind and parameter in cause.parameters:
            amount = _amount(parameter, cause.parameters[parameter])
            sign = 1 if strong > slight else -1
            return STRONG if sign * amount >= sign * strong else SLIGHT if sign * amount <= sign * slight else CLEAR
    return CLEAR


def _amount(parameter: str, value: float | list[float]) -> float:
    """Bring a parameter to a number that says how bad it is."""
    if isinstance(value, list):
        return max(value) - min(value)
    return abs(value - 1) if parameter == "factor" else abs(value) if parameter in ("gain_db", "change_db") else value


def _strongest_of_each_kind(causes: Iterable[Cause]) -> list[Cause]:
    strongest: dict[str, Cause] = {}
    for cause in causes:
        if cause.kind not in _CAUSES:
            raise ValueError(f"no words for cause {cause.kind!r}; known: {', '.join(KINDS)}")
        if cause.kind not in strongest or severity(cause) > severity(strongest[cause.kind]):
            strongest[cause.kind] = cause
    return list(strongest.values())


def _worth_a_word(scores: dict[str, float], known: dict[str, Rubric]) -> list[str]:
    """Dimensions below the fourth fifth, worst first; if there are none, the two that stand out least and most."""
    ranked = sorted((name for name in scores if name != "mos"), key=lambda name: _goodness(known[name], scores[name]))
    weak = [name for name in ranked if _fifth(known[name], scores[name]) < 3]
    return weak or list(dict.fromkeys([*ranked[:1], *ranked[-1:]]))


def _goodness(rubric: Rubric, value: float) -> float:
    share = (value - rubric.low) / (rubric.high - rubric.low)
    return share if rubric.higher_is_better else 1 - share


def _fifth(rubric: Rubric, value: float) -> int:
    """Place a score in one of five groups, 0 worst to 4 best, halfway up as in ``Rubric.level_of``."""
    return int(4 * _goodness(rubric, value) + 0.5)


def dimension_sentence(rubric: Rubric, value: float, rng: random.Random, language: str = "en") -> list[str]:
    """Say how a clip does on one rubric.

    Args:
        rubric: The rubric.
        value: Its score.
        rng: Chooses the wording.
        language: Of the sentence.

    Returns:
        One sentence, or none if it would name a cause of that kind.
    """
    texts = get_language(language)
    if rubric.name in texts.dimensions:
        return [rng.choice(texts.dimensions[rubric.name][_fifth(rubric, value)])]
    spoken = in_language(rubric, language)
    sentence = fill_fields(texts.texts["rated"][0], {"label": spoken.label, "level": spoken.level_of(value)})
    # A user's rubric may be called like a cause, such as "echo": its sentence would be read back as that cause.
    return [] if _named(sentence, language) else [sentence]


def fitting_sentences(scores: dict[str, float], language: str = "en") -> dict[str, tuple[str, str]]:
    """Say of every sentence that ``reasons`` may write about a score of NISQA's rubrics what would fit the given score.

    Args:
        scores: Rubric name to score.
        language: Of the sentences.

    Returns:
        Sentence to rubric name and the sentence in its place; that is itself if it fits.

    Example:
        >>> fitting_sentences({"mos": 2.4})["The overall impression is good."]
        ('mos', 'The overall impression is poor.')
    """
    spoken = get_language(language)
    found: dict[str, tuple[str, str]] = {}
    for name, groups in spoken.dimensions.items():
        if name in scores:
            fitting = groups[_fifth(RUBRICS[name], scores[name])]
            for group in groups:
                said = zip(group, fitting, strict=True)
                found |= {sentence: (name, sentence if group is fitting else fit) for sentence, fit in said}
    if "mos" in scores:
        overall = in_language(RUBRICS["mos"], language)
        decided = overall.level_of(scores["mos"])
        for frame in spoken.texts["verdicts"]:
            found |= {frame.format(level=level): ("mos", frame.format(level=decided)) for level in overall.levels}
    return found


def cause_sentences(cause: Cause, seed: int | random.Random = 0, language: str = "en") -> list[str]:
    """Say in words that a cause is there.

    Args:
        cause: What is wrong.
        seed: Chooses the wording.
        language: Of the sentences.

    Returns:
        A sentence that names it, and perhaps one that says what it does.

    Raises:
        ValueError: If its kind has no words.

    Example:
        >>> cause_sentences(Cause("clicks"), seed=1)
        ['You can hear several clicks.', 'This distracts from the words.']
    """
    (known,) = _strongest_of_each_kind([cause])
    return _say(known, seed if isinstance(seed, random.Random) else random.Random(seed), get_language(language))


def _say(cause: Cause, rng: random.Random, language: Language) -> list[str]:
    """Name a cause, and half of the time say what it does."""
    if language.code != "en":
        return _say_in(cause, rng, language)
    words = _CAUSES[cause.kind]
    degrees, noun = rng.choice(words.nouns)
    degree = rng.choice(degrees[severity(cause)])
    phrase = noun.format(degree=degree, direction=_direction(cause)) if "{" in noun else f"{degree} {noun}"
    sentence = sentence_case(rng.choice(_FRAMES).format(cause=phrase))
    return [sentence, rng.choice(words.effects)] if rng.random() < 0.5 else [sentence]


def _say_in(cause: Cause, rng: random.Random, language: Language) -> list[str]:
    words = language.causes[cause.kind]
    phrase = rng.choice(words.phrases[severity(cause)])
    if "{direction}" in phrase:
        phrase = phrase.replace("{direction}", _direction(cause, language.directions[cause.kind]))
    is_sentence = phrase.endswith((".", "。"))
    sentence = phrase if is_sentence else fill_fields(rng.choice(language.texts["frames"]), {"cause": phrase})
    return [sentence, rng.choice(words.effects)] if rng.random() < 0.5 else [sentence]


def _direction(cause: Cause, words: tuple[str, str, str] | None = None) -> str:
    parameter, neutral, *english = _DIRECTIONS[cause.kind]
    below, above, unknown = words or english
    value = cause.parameters.get(parameter, neutral)
    return unknown if value == neutral else below if value < neutral else above
