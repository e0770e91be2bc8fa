"""The detect task: is the speech real, or made or altered by a machine ("fake")?

In text the answer is SQ-LLM's: an empty thought and one of two words. ``question`` asks the same of a decision model,
whose probability gives an error rate at any threshold.
"""

import re
from dataclasses import dataclass
from typing import Any

from audio_judge.languages import get_language, is_denied, whole_words, wordings
from audio_judge.rubrics.rubric import pick
from audio_judge.tasks.common import Facts, ParseError, Traits, read_in
from audio_judge.tasks.thoughts import join_thought, split_thought

PHRASINGS = (
    "Is this speech real or fake?",
    "Decide whether a person or a machine speaks: real or fake.",
    "Was this voice recorded or generated? Say real or fake.",
    "Real or fake?",
    "Tell genuine speech from synthetic speech here; answer real or fake.",
    "Check this clip for signs of synthesis. Is it real or fake?",
    "Could this be a deepfake? Answer with real or fake.",
    "Please classify the voice as real or fake.",
    "A caller claims to be a person. Is the voice real or fake?",
    "Label this recording: real, if a human spoke it, or fake.",
    "Listen for traces of a vocoder and say real or fake.",
    "Judge the authenticity of the speech. The answer is real or fake.",
    "Does a living person speak here? Say real for yes and fake for no.",
    "One word, please: is the speech real or fake?",
    "I suspect voice cloning. Is this real or fake?",
    "Determine the origin of this voice: real (human) or fake (machine).",
    "Would you trust this voice? Say whether it is real or fake.",
    "Find out if the speech was synthesised: real or fake?",
    "As a forensic listener, call this clip real or fake.",
    "Human speech is real, generated speech is fake. Which one is this?",
    "Quick test of authenticity: real or fake?",
    "We screen audio for spoofing. Mark this one real or fake.",
)
HELD_OUT_PHRASINGS = (
    "Which is it, real speech or a fake?",
    "State whether the utterance is real or a fake made by software.",
    "Authentic recording or imitation by a computer? Reply real or fake.",
    "For a security check, sort this voice under real or fake.",
    "Has artificial intelligence produced this voice? If so say fake, else real.",
    "Give your verdict on the genuineness of the clip: real or fake.",
)
QUESTIONS = (
    "Is this speech fake?",
    "Was this voice made by a machine?",
    "Is the speech synthetic?",
    "Is this a deepfake?",
    "Did software generate this voice?",
    "Is this speech spoofed?",
)
HELD_OUT_QUESTIONS = ("Is the voice artificial?", "Has this speech been generated?")

_FAKE = r"fake|spoof(?:ed)?|deep[- ]?fake|synthetic|synthesi[sz]ed|generated|artificial"
_REAL = r"real|bona[- ]?fide|genuine|authentic|human"
_WORD = re.compile(rf"(?<!\w)(?:(?P<fake>{_FAKE})|(?P<real>{_REAL}))(?!\w)", re.IGNORECASE)
_NEGATION = re.compile(r"\b(?:not|never|neither|nor|hardly|no|cannot|unsure|whether)\b|n['’]t\b", re.IGNORECASE)


@dataclass(frozen=True)
class Detection:
    """Where the speech comes from.

    Args:
        is_fake: Whether a machine made it or altered it.
    """

    is_fake: bool


TRAITS = Traits("none", ("label",), hears_reference=False)


def facts(target: Detection) -> Facts:
    """What a verdict states."""
    return Facts(label="fake" if target.is_fake else "real")


def ask(*, phrasing: int | str = 0, held_out: bool = False, language: str = "en") -> str:
    """Write the user's request for a verdict; the caller places the audio.

    Args:
        phrasing: Number of one of ``PHRASINGS``, or an own text.
        held_out: Number ``HELD_OUT_PHRASINGS`` instead.
        language: Of the request; one of ``audio_judge.languages.LANGUAGES``.

    Raises:
        IndexError: If there is no phrasing of that number.

    Example:
        >>> ask()
        'Is this speech real or fake?'
    """
    return pick(*wordings("detect", language, (PHRASINGS, HELD_OUT_PHRASINGS)), phrasing, held_out)


def question(phrasing: int | str = 0, *, held_out: bool = False, language: str = "en") -> dict[str, Any]:
    """Write the typed question of a decision model; its answer is the probability of fake.

    Args:
        phrasing: Number of one of ``QUESTIONS``, or an own yes-or-no question about being fake.
        held_out: Number ``HELD_OUT_QUESTIONS`` instead.
        language: Of the question.

    Raises:
        IndexError: If there is no phrasing of that number.

    Example:
        >>> question()
        {'type': 'noul', 'instructions': 'Is this speech fake?'}
    """
    texts = wordings("detect_question", language, (QUESTIONS, HELD_OUT_QUESTIONS))
    return {"type": "noul", "instructions": pick(*texts, phrasing, held_out)}


def write(target: Detection, language: str = "en") -> str:
    r"""Write a verdict after an empty thought.

    Args:
        target: What to write.
        language: Of the answer.

    Example:
        >>> write(Detection(is_fake=True))
        '<think>\n</think>\n\n<answer>\nfake\n</answer>'
    """
    word = "fake" if target.is_fake else "real"
    return join_thought("", word if language == "en" else get_language(language).texts[word][0])


def grammar(language: str = "en") -> list[str]:
    """List all answers the task can write, real first."""
    return [write(Detection(is_fake), language) for is_fake in (False, True)]


def parse(text: str, *, strict: bool = False, language: str = "en") -> Detection:
    """Read a verdict; what stands in the thought does not count.

    Args:
        text: The answer.
        strict: Whether only what ``write`` writes counts. Otherwise case, tags, other usual words (spoofed, bona fide)
            and a sentence around the word do not matter.
        language: Of the answer; unless strict, its words may show another.

    Raises:
        ParseError: If there is no verdict, both, or a denied one ("not real").

    Example:
        >>> parse("The speech is Fake.")
        Detection(is_fake=True)
    """
    if not strict:
        answer = split_thought(text)[1]
        return read_in(answer, language, False, lambda spoken: _read(answer, spoken))
    real, fake = grammar(language)
    if text not in (real, fake):
        raise ParseError(f"{text!r} is neither {real!r} nor {fake!r}")
    return Detection(text == fake)


def _read(answer: str, language: str) -> Detection:
    if language != "en":
        return _read_other(answer, language)
    matches = list(_WORD.finditer(answer))
    verdicts = {match.lastgroup for match in matches}
    if len(verdicts) != 1:
        raise ParseError(f"{len(verdicts)} verdicts in the answer {answer!r}; real or fake expected")
    clauses = (re.split(r"[.;:,!?\n]", answer[: match.start()])[-1] for match in matches)
    if any(_NEGATION.search(clause) for clause in clauses):
        raise ParseError(f"{answer!r} denies or doubts a verdict; real or fake expected")
    return Detection(verdicts == {"fake"})


def _read_other(answer: str, language: str) -> Detection:
    """Find the verdict that an answer in another language names and does not deny."""
    patterns = get_language(language).patterns
    words = whole_words(f"(?P<fake>{patterns['fake']})|(?P<real>{patterns['real']})")
    matches = list(re.finditer(words, answer, re.IGNORECASE))
    verdicts = {match.lastgroup for match in matches}
    if len(verdicts) != 1 or any(is_denied(answer, *match.span(), language) for match in matches):
        raise ParseError(f"no verdict, two, or a denied one in {answer!r}; real or fake expected")
    return Detection(verdicts == {"fake"})
