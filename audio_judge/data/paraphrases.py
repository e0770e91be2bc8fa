"""Other wordings of requests, and of what rubrics are, written by a text model, checked and kept in a file."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from audio_judge.batch import lines
from audio_judge.tasks import ParseError
from audio_judge.text_models.client import Client, in_order
from audio_judge.text_models.replies import Failure, Sampling

STYLES: dict[str, str] = {
    "shorten": "Say the same in as few words as possible.",
    "expand": "Say the same at greater length: two or three sentences with a natural beginning.",
    "restructure": "Say the same with its parts in another order and another kind of sentence.",
    "casual": "Say the same the way one writes to a friend in a chat.",
    "technical": "Say the same in the language of a laboratory that runs listening tests.",
}


@dataclass(frozen=True)
class Paraphrase:
    """One rewording of a template.

    Args:
        text: The new template, with the same fields.
        source: The template it was made from; empty for one of our own.
        model: Who wrote it: JSON-able facts about the language model; empty for ourselves.
        seed: Seed of the language model's draw.
        rubric: What it describes, of a description (``audio_judge.data.definitions``); empty for a request about any rubric.
    """

    text: str
    style: str
    source: str = ""
    model: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    rubric: str = ""


OWN_PARAPHRASES: tuple[Paraphrase, ...] = tuple(
    Paraphrase(text, style)
    for style, texts in {
        "shorten": (
            "{label}?",
            "Your verdict: {label}.",
            "{label}, please.",
            "Now the {label}.",
        ),
        "expand": (
            "You are about to hear a short recording. Take your time with it, and then decide on its {label}.",
            "Here is a recording that somebody has asked us about. They would like to know about the {label}.",
            "Please listen to the whole clip first. When it is over, think about the {label} and settle on a rating.",
            "There is a clip attached to this message. What matters today is the {label}. {definition}",
        ),
        "restructure": (
            "Of everything one could say about this clip, what counts here is the {label}: rate it.",
            "For the {label}, which rating does this clip earn?",
            "{definition} With that in mind, where do you place the clip?",
            "This clip, judged by its {label} alone, deserves which rating?",
        ),
        "casual": (
            "So, what's the {label} like on this one?",
            "Give this a listen and tell me about the {label}, would you?",
            "Okay, {label} on this clip, what do you say?",
            "Just tell me honestly how this does on {label}.",
        ),
        "technical": (
            "Provide a rating of the stimulus for the attribute {label}.",
            "Attribute under test: {label}. {definition} Rate the stimulus.",
            "Report the expected panel rating of the test signal on the dimension {label}.",
            "Perform an absolute category rating of the sample with respect to {label}.",
        ),
    }.items()
    for text in texts
)

_FIELD = re.compile(r"\{\w+\}")
_PARAPHRASE_RULES = (
    "You reword requests that people send to a listener who rates recordings. Keep the meaning. Words in braces, such as "
    "{label}, stand for text that is filled in later: use each of them that the request has, exactly as it is spelled, "
    "and no others. Do not answer the request, and add no numbers. Reply with the new request alone, on one line."
)


def read_paraphrase(reply: str, source: str) -> str:
    """Check a language model's rewording of a template; a leading thought and quotes around it are taken off.

    Raises:
        ParseError: If fields are missing or new, the text is unchanged, has several lines or numbers of its own, is
            far too long, or is one of the wordings kept for testing.

    Example:
        >>> read_paraphrase('"How is the {label}?"', "Rate the {label}.")
        'How is the {label}?'
    """
    text = reply.rpartition("</think>")[2].strip().strip("\"'“”").strip()
    fields, wanted = set(_FIELD.findall(text)), set(_FIELD.findall(source))
    # A brace that opens no whole field would fail, or reach into what is filled in, when it is
    if fields != wanted or re.search(r"[{}]", _FIELD.sub("", text)):
        raise ParseError(f"{text!r} has the fields {sorted(fields)}; {sorted(wanted)} expected")
    if not text or "\n" in text or "<think>" in text or len(text) > 4 * len(source) + 200:
        raise ParseError(f"{text[:200]!r} is not one line of fitting length")
    if set(re.findall(r"\d+", text)) - set(re.findall(r"\d+", source)):
        raise ParseError(f"{text!r} has numbers that {source!r} has not")
    if _plain(text) == _plain(source) or _plain(text) in _KEPT_FOR_TESTING:
        raise ParseError(f"{text!r} is the source itself or kept for testing")
    return text


@dataclass(frozen=True)
class Source:
    """What is to be reworded.

    Args:
        check: Takes a reply and gives the rewording, or raises a ``ParseError``.
        rubric: What it describes; empty for a request about any rubric.
        rule: What else to mind, for the language model.
    """

    text: str
    check: Callable[[str], str]
    rubric: str = ""
    rule: str = ""

    @classmethod
    def of(cls, request: "str | Source") -> "Source":
        """A request as what is to be reworded."""
        return request if isinstance(request, Source) else cls(request, lambda reply: read_paraphrase(reply, request))


async def paraphrase(
    client: Client,
    templates: Sequence[str | Source],
    *,
    styles: Sequence[str] = tuple(STYLES),
    seed: int = 0,
    tries: int = 3,
) -> tuple[list[Paraphrase], list[dict[str, Any]]]:
    """Let a language model reword templates in several styles; the client's cache keeps every reply.

    Args:
        templates: Texts with fields, such as ``wordings("decide")[0]``, or sources with a check of their own.
        seed: Of the first try; each later one adds 1.
        tries: How many rewordings of one template in one style are asked for before it is given up.

    Returns:
        The valid paraphrases in the order templates x styles without repeats, and a row for each that failed.

    Raises:
        ValueError: If a style is unknown.
    """
    for style in styles:
        if style not in STYLES:
            raise ValueError(f"no style {style!r}; known: {', '.join(STYLES)}")
    jobs = [(Source.of(template), style) for template in templates for style in styles]
    found: dict[tuple[str, str], Paraphrase] = {}
    failed = []
    async for outcome in in_order(partial(_reword, client, seed, tries), jobs, 4 * client.concurrency):
        if isinstance(outcome, Paraphrase):
            found.setdefault(_key(outcome), outcome)
        else:
            failed.append(outcome)
    return list(found.values()), failed


async def _reword(client: Client, seed: int, tries: int, job: tuple[Source, str]) -> Paraphrase | dict[str, Any]:
    asked, style = job
    source = asked.text
    messages = [
        {"role": "system", "content": f"{_PARAPHRASE_RULES} {asked.rule}".strip()},
        {"role": "user", "content": f"{STYLES[style]}\n\nRequest: {source}"},
    ]
    reason = ""
    for attempt in range(tries):
        sampling = Sampling(0.9, 0.95, seed=seed + attempt)
        outcome = await client.ask(messages, sampling)
        if isinstance(outcome, Failure):
            return {"source": source, "style": style, "reason": outcome.kind, "message": outcome.message}
        try:
            text = asked.check(outcome.text)
        except ParseError as error:
            reason = str(error)
        else:
            return Paraphrase(text, style, source, dict(client.backend.identity), sampling.seed, asked.rubric)
    return {"source": source, "style": style, "reason": "invalid", "message": reason}


@dataclass(frozen=True)
class ParaphraseReport:
    """What became of the paraphrases that were wanted.

    Args:
        written: Paraphrases that are new.
        kept: Those that the file held already.
        failed: Template and style for which the call failed or no reply was valid.
    """

    written: int
    kept: int
    failed: int


async def write_paraphrases(
    client: Client,
    templates: Sequence[str | Source],
    out: Path,
    *,
    styles: Sequence[str] = tuple(STYLES),
    seed: int = 0,
) -> ParaphraseReport:
    """Add rewordings of templates to a file; what another model or seed wrote into it stays.

    Failures go to ``<out>.failed.jsonl``, which every run writes anew; the next run tries them again.

    Args:
        client: Whom to ask; give it a cache, or a killed run asks again for replies that were not yet written.
        out: File of JSON lines, continued if it exists.

    Raises:
        ValueError: If a style is unknown, or ``out`` is not ours.
    """
    kept = load_paraphrases(out) if out.exists() else []
    known = set(map(_key, kept))
    found, failed = await paraphrase(client, templates, styles=styles, seed=seed)
    new = [one for one in found if _key(one) not in known]
    save_paraphrases([*kept, *new], out)
    lines.write(out.with_name(f"{out.name}.failed.jsonl"), failed)
    return ParaphraseReport(len(new), len(kept), len(failed))


def save_paraphrases(paraphrases: Iterable[Paraphrase], path: Path) -> None:
    """Write paraphrases as JSON lines; a file that is there is replaced once all is written."""
    lines.write(path, map(asdict, paraphrases))


def load_paraphrases(path: Path) -> list[Paraphrase]:
    """Read paraphrases as ``audio-judge data paraphrase`` writes them.

    Raises:
        ValueError: If a line is none; the message names file and line.
    """
    found = []
    for line in lines.scan(path, "json"):
        try:
            found.append(Paraphrase(**line.row))
        except TypeError as error:
            raise ValueError(f"{path}, line {line.number}: not a paraphrase ({line.problem or error})") from error
    return found


# Wordings for testing only: kind of wording to rubric to its questions; no paraphrase may be one of them
ROBUSTNESS: dict[str, dict[str, tuple[str, ...]]] = {
    "short": {
        "mos": ("Good overall?", "Quality?"),
        "noisiness": ("Noisy?", "Any noise?"),
        "coloration": ("Natural timbre?", "Voice coloured?"),
        "discontinuity": ("Dropouts?", "Unbroken?"),
        "loudness": ("Loudness okay?", "Right volume?"),
    },
    "restructured": {
        "mos": (
            "Taking everything together, the speech in this clip is of what quality?",
            "If you had to sum up how it sounds, where would the quality of this clip lie?",
        ),
        "noisiness": (
            "Between very noisy and not noisy, where does this recording fall?",
            "Behind the voice, is it quiet, or is there noise, and how much?",
        ),
        "coloration": (
            "The voice here: coloured or natural, and to what degree?",
            "Set beside a voice in the same room, how does the timbre of this one hold up?",
        ),
        "discontinuity": (
            "From start to end, does the talker come through in one piece or in pieces, and how badly?",
            "Gaps, skips, missing bits: how free of them is this speech?",
        ),
        "loudness": (
            "As for the level at which the talker comes across, how well does it suit you?",
            "Without touching the volume, how comfortable is this clip to hear?",
        ),
    },
    "long": {
        "mos": (
            "We have collected recordings from many telephone and internet calls, some very good and some hardly "
            "usable, and played them to ordinary listeners who had no special training. After each clip they said how "
            "good the speech sounded to them on the whole. Think about how such a listener would feel about this clip.",
        ),
        "noisiness": (
            "Calls are made from kitchens, cars, streets and offices, and much of what happens there can end up in the "
            "recording; sometimes the equipment adds a hiss of its own. Leave aside everything else that may be wrong "
            "with this clip and think only about how noisy or how clean it sounds to somebody who hears it once.",
        ),
        "coloration": (
            "A voice that has gone through a cheap microphone, a narrow line or a low bit rate can come out muffled, "
            "thin, tinny or metallic, even if no word is lost. Whatever else this clip may suffer from, think only of "
            "the sound of the voice, and of how close it is to hearing the talker in person.",
        ),
        "discontinuity": (
            "When packets are lost on the way, parts of words can vanish, stutter or be covered up by artificial sounds, "
            "and the listener has to guess what was said. It does not matter here whether the clip is noisy or dull: "
            "think only about how smoothly the speech runs through from the first word to the last.",
        ),
        "loudness": (
            "Imagine that you pick up the phone and that the volume is set the way you always have it. Some callers "
            "would then be so faint that you strain to follow, others so loud that you hold the phone away from your "
            "ear. Think about how well the level of this talker would suit you in that situation.",
        ),
    },
    "detailed": {
        "mos": (
            "Judge the total impression of the speech. Count every fault that you hear, be it noise, a strange timbre, "
            "breaks or a wrong level, as much as it would bother you. {definition} The levels, lowest first, are: "
            "{levels}.",
        ),
        "noisiness": (
            "Judge background noise, hiss, hum and crackle, whether steady or changing, during the words and between "
            "them; not dull sound, not breaks. {definition} The levels, lowest first, are: {levels}.",
        ),
        "coloration": (
            "Judge the balance of low and high frequencies in the voice: a muffled, thin, hollow or metallic sound "
            "counts, noise and breaks do not. {definition} The levels, lowest first, are: {levels}.",
        ),
        "discontinuity": (
            "Judge interruptions in time: cut syllables, stutter, sudden silence, chirps from concealment. Natural "
            "pauses of the talker do not count. {definition} The levels, lowest first, are: {levels}.",
        ),
        "loudness": (
            "Judge only the level at which the talker is heard, compared with what you would choose yourself. "
            "{definition} The levels, lowest first, are: {levels}.",
        ),
    },
    # Asked of the turned rubrics
    "inverted": {
        "mos": ("How poor is the sound of this speech, all in all?", "How far is this clip from perfect?"),
        "noisiness": ("How much does noise get in the way here?", "How far is this from a noise-free recording?"),
        "coloration": ("How distorted is the timbre of the talker?", "How far from lifelike is the voice?"),
        "discontinuity": ("How choppy is this speech?", "How much of the speech is chopped up or lost?"),
        "loudness": ("How far off is the volume?", "How annoying is the level of the talker?"),
    },
}


def _key(one: Paraphrase) -> tuple[str, str]:
    # Two rubrics may be described by the same words
    return one.rubric, _plain(one.text)


def _plain(text: str) -> str:
    # Letters and fields only: wordings that differ in case and punctuation are the same
    return " ".join(re.findall(r"[\w{}]+", text.casefold()))


_KEPT_FOR_TESTING = {_plain(text) for texts in ROBUSTNESS.values() for group in texts.values() for text in group}
