"""Requests to models that never learned our tasks: what is judged, the scale with its ends, and the form of the answer, all in the request.

Models behind servers are asked so, and native audio language models that note no training. One that learned our tasks is asked
as it was trained, by ``ask`` of the task. Answers are read by ``free_words``. Requests are in English; typed questions, whose
answers the model's decision prompt lists, in any of our languages.
"""

from collections.abc import Callable, Sequence
from typing import Any

from audio_judge.languages import joined
from audio_judge.rubrics.rubric import RUBRICS, SPEECHEVAL_RUBRICS, Rubric, get_rubric, in_language, sentence_case
from audio_judge.tasks import assess, compare, detect, suggest
from audio_judge.tasks.compare import TOKENS, Form
from audio_judge.tasks.facts import ask_for
from audio_judge.tasks.rate import ends

_BESIDE = "The degraded clip is to be judged; the reference clip is its undegraded original."
_FAKE = "Real speech is a recording of a person. Fake speech was made or altered by a machine: text-to-speech, voice conversion, a vocoder."
_BETTER = "The first clip is A, the second is B."


def criterion(rubric: Rubric) -> str:
    """Say what a rubric is about, by its definition, and what its scale means.

    Example:
        >>> print(criterion(get_rubric("noisiness")))
        Noisiness: How free the speech is of noise: the highest score means not noisy, the lowest very noisy.
        Scale from 1 to 5: 1 = very noisy, 2 = noisy, 3 = somewhat noisy, 4 = slightly noisy, 5 = not noisy; 5 is best.
    """
    return f"{sentence_case(rubric.label)}: {rubric.definition}\n{scale(rubric)}"


def scale(rubric: Rubric) -> str:
    """Name the ends of a rubric's scale, every level if each has a whole number, and its good place.

    Example:
        >>> from audio_judge.rubrics.rubric import HUNDRED
        >>> scale(get_rubric("mos").on(HUNDRED))
        'Scale from 0 to 100: 0 means bad and 100 means excellent; 100 is best.'
    """
    values = rubric.level_values.tolist()
    if all(level.replace(".", "").isdigit() for level in rubric.levels):
        meaning = ""  # numbers in place of names: the definition says what the ends mean
    elif all(value.is_integer() for value in values) and rubric.high - rubric.low == len(values) - 1:
        meaning = ": " + ", ".join(f"{value:g} = {level}" for value, level in zip(values, rubric.levels, strict=True))
    else:
        meaning = f": {ends(rubric).removesuffix(f', {rubric.best_score:g} being best')}"
    return f"Scale from {rubric.low:g} to {rubric.high:g}{meaning}; {rubric.best_score:g} is best."


def ask(
    task: str, rubrics: Sequence[Rubric | str] = (), *, with_reference: bool = False, form: Form = "preference"
) -> str:
    """Write the whole request; the caller places the audio before it.

    Args:
        task: One of ``TASKS``; one that is none of ours is asked for in its own words.
        rubrics: What is asked for. A rubric's own question is asked, too.
        form: Of ``compare``.

    Example:
        >>> print(ask("score", ["mos"]))
        Judge the clip by this criterion alone.
        Overall quality: How good the speech sounds on the whole: the highest score means excellent, the lowest bad.
        Scale from 1 to 5: 1 = bad, 2 = poor, 3 = fair, 4 = good, 5 = excellent; 5 is best.
        How good does the speech sound overall?
        Answer with one number from 1 to 5, with decimals if you like, and nothing else.
    """
    chosen = [get_rubric(rubric) for rubric in rubrics]
    if task == "compare":
        return _compare(chosen, form)
    if task not in _WRITERS:
        return ask_for(task, chosen)
    request = _WRITERS[task](chosen)
    return f"{_BESIDE}\n{request}" if with_reference else request


def _one(chosen: Sequence[Rubric]) -> str:
    (rubric,) = chosen
    question = rubric.question()["instructions"]
    return f"Judge the clip by this criterion alone.\n{criterion(rubric)}\n{question}"


def _score(chosen: Sequence[Rubric]) -> str:
    numbers = f"{chosen[0].low:g} to {chosen[0].high:g}"
    return f"{_one(chosen)}\nAnswer with one number from {numbers}, with decimals if you like, and nothing else."


def _categorize(chosen: Sequence[Rubric]) -> str:
    return f"{_one(chosen)}\nAnswer with one of these levels and nothing else: {', '.join(chosen[0].levels)}."


def _lines(chosen: Sequence[Rubric]) -> str:
    criteria = "\n".join(map(criterion, chosen))
    lines = "\n".join(f"{sentence_case(rubric.label)}: NUMBER" for rubric in chosen)
    return f"Judge the clip by {len(chosen)} criteria, each by itself.\n{criteria}\nAnswer in these lines, with a number from the scale in each:\n{lines}"


def _profile(chosen: Sequence[Rubric]) -> str:
    return f"{_lines(chosen)}\nWrite nothing else."


def _explain(chosen: Sequence[Rubric]) -> str:
    return f"{_lines(chosen)}\nThen leave a line empty and give the reasons in one paragraph: what is heard, and what it does to the speech."


def _describe(chosen: Sequence[Rubric]) -> str:
    return (
        "Describe in two to four sentences how the speech sounds: noise, timbre, breaks, loudness.\n"
        f"{criterion(RUBRICS['mos'])}\n"
        "The last sentence is 'The MOS is NUMBER.', with the number of the overall quality on that scale; it has no other number."
    )


def _dimensions(lines: str) -> str:
    """SpeechEval's dimensions as criteria, and a line for each."""
    return f"{chr(10).join(map(criterion, SPEECHEVAL_RUBRICS.values()))}\nAnswer in these lines:\n{lines}"


def _assess(chosen: Sequence[Rubric]) -> str:
    notes = {
        "distortion": f"NUMBER/5 (types of distortion, of: {', '.join(assess.DISTORTION_TYPES)}, each with its times such as 0.5-1.2 s; none if there is none)",
        "speech_rate": f"one of {', '.join(assess.RATES)}",
        "emotional_impact": "NUMBER/5 (the emotion in a word)",
        "subjective_experience": f"NUMBER/5 (the speaker: one of {', '.join(assess.GENDERS)}, and the age in a word)",
    }
    lines = "\n".join(f"{title}: {notes.get(name, 'NUMBER/5')}" for name, title in assess.TITLES.items())
    return f"Assess the clip by {len(assess.TITLES)} criteria.\n{_dimensions(lines)}\nThen leave a line empty and sum the assessment up in one paragraph."


def _suggest(chosen: Sequence[Rubric]) -> str:
    areas = joined(suggest.AREAS, "en")
    return (
        f"Say what should be improved in this speech, of {areas}.\n"
        "The first line is 'Key improvement areas: ' and the names of those that need work, separated by commas, or 'none'.\n"
        "Then write one suggestion per line."
    )


def _detect(chosen: Sequence[Rubric]) -> str:
    return f"Is this speech real or fake? {_FAKE}\nAnswer with one word, real or fake, and nothing else."


def _compare(chosen: Sequence[Rubric], form: Form) -> str:
    if form == "dimensions":
        lines = "\n".join(f"{title}: VERDICT" for title in assess.TITLES.values())
        verdicts = "In place of VERDICT write 'A is better than B', 'B is better than A' or 'A and B are similar'."
        return f"{_BETTER} Compare them by {len(assess.TITLES)} criteria.\n{_dimensions(lines)}\n{verdicts}\nThen leave a line empty and sum the comparison up in one paragraph."
    # One rubric is what the clips are compared in; several are what reasons speak of, and the verdict is on the whole
    whole = chosen[0] if len(chosen) == 1 else RUBRICS["mos"]
    others = [rubric.label for rubric in chosen if rubric.name != whole.name]
    reasons = f" Speak of {joined(others, 'en')}, too." if others else ""
    return (
        f"{_BETTER} Which is better in {whole.label}?\n{sentence_case(whole.label)}: {whole.definition} {_good(whole)}\n"
        f"Give the reasons in one or two sentences.{reasons} The last line is {TOKENS['A']} if A is better, {TOKENS['B']} if B is better, "
        f"and {TOKENS['tie']} if neither is."
    )


def _good(rubric: Rubric) -> str:
    return f"Better means nearer to {rubric.best_level!r}."


_WRITERS: dict[str, Callable[[Sequence[Rubric]], str]] = {
    "score": _score,
    "rate": _score,
    "categorize": _categorize,
    "profile": _profile,
    "explain": _explain,
    "describe": _describe,
    "assess": _assess,
    "suggest": _suggest,
    "detect": _detect,
}


# Typed questions: the prompt in which they are asked lists the answers, and says how to answer


def question(rubric: Rubric, language: str = "en") -> dict[str, Any]:
    """Write the typed question about a rubric with its definition, which says what its ends mean.

    Example:
        >>> question(get_rubric("mos"))["instructions"].splitlines()[1]
        'How good the speech sounds on the whole: the highest score means excellent, the lowest bad.'
    """
    typed = rubric.question(language=language)
    return typed | {"instructions": f"{typed['instructions']}\n{in_language(rubric, language).definition}"}


def detect_question(language: str = "en") -> dict[str, Any]:
    """Write the typed question whether speech is fake, in English with what that means."""
    typed = detect.question(language=language)
    return typed | {"instructions": f"{typed['instructions']}\n{_FAKE}"} if language == "en" else typed


def compare_question(rubric: Rubric, language: str = "en") -> dict[str, Any]:
    """Write the typed question which of two clips is better, with the rubric's definition."""
    typed, spoken = compare.question(rubric, language=language), in_language(rubric, language)
    good = f" {_good(spoken)} {_BETTER}" if language == "en" else ""
    return typed | {"instructions": f"{typed['instructions']}\n{spoken.definition}{good}"}
