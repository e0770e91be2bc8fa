"""Rewards of what a judge writes: plain functions ``(completions, **columns) -> list[float | None]``, each from 0 to 1.

The columns are those of ``audio_judge.training.reward_rows.make_rows``, one entry per completion: its ``task``, the names of
the ``rubrics`` that were asked for, its ``language`` (English without the column), and what is true. None means that a reward
does not apply (another task, nothing known, a grade that failed); an answer that cannot be read is 0 where the reward
applies. Answers are read by the ``parse`` of their task, and a reward applies to every task whose answers state what it looks
at (``audio_judge.tasks.facts``).

Within a group of answers to one prompt a constant does not matter, so no reward subtracts a baseline. What keeps a
judge from saying "3" to everything is that ``agreement_reward`` also looks across the prompts of a batch.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from audio_judge.clips import shared_time
from audio_judge.data.weights import named_weights
from audio_judge.rubrics.rubric import get_rubric
from audio_judge.tasks import Facts, ParseError, compare, read_facts, states
from audio_judge.tasks.thoughts import split_thought
from audio_judge.text_models.criteria import CRITERIA, WEIGHTS, weighted
from audio_judge.text_models.evaluator import Case, Evaluator, form_of

Completion = str | Sequence[Mapping[str, Any]]
Reward = Callable[..., list[float | None]]

# Truths closer than this share of the scale say nothing about which clip is the better one
LEAST_DIFFERENCE = 0.1
# A longer answer than this times its reference loses its format reward, all of it at twice as much
LENGTH_FACTOR, LEAST_WORDS = 2.0, 40


def text_of(completion: Completion) -> str:
    """Take the text out of a completion: itself, or the last of its messages.

    Example:
        >>> text_of([{"role": "assistant", "content": "3.4"}])
        '3.4'
    """
    return completion if isinstance(completion, str) else str(completion[-1]["content"])


def _facts(
    completions: Sequence[Completion],
    task: Sequence[str],
    rubrics: Sequence[Sequence[str]],
    language: Sequence[str] | None,
    *wanted: str,
) -> list[Facts | None]:
    """What each completion states; None if it cannot be read, or is of a task that does not state what is wanted."""
    found: list[Facts | None] = []
    spoken = _spoken(language, completions)
    for completion, name, asked, code in zip(completions, task, rubrics, spoken, strict=True):
        try:
            is_wanted = states(name, *wanted)
            found.append(read_facts(name, text_of(completion), asked, language=code) if is_wanted else None)
        except ParseError:
            found.append(None)
    return found


def _spoken(language: Sequence[str] | None, completions: Sequence[Completion]) -> Sequence[str]:
    return ["en"] * len(completions) if language is None else language


# Agreement with listeners


def agreement_reward(
    completions: Sequence[Completion],
    *,
    task: Sequence[str],
    rubrics: Sequence[Sequence[str]],
    scores: Sequence[Mapping[str, float]],
    clip: Sequence[str],
    language: Sequence[str] | None = None,
    **_: Any,
) -> list[float | None]:
    """Reward scores that are close to those of listeners and set clips apart as listeners do.

    The mean of two parts, each the mean over the rubrics asked for, where a missing score counts 0. *Closeness* is 1
    less the error as a share of the scale. *Order* compares with the mean answer to every other clip of the batch that
    listeners rated clearly otherwise: 1 if the whole difference (or more) is shown, 0.5 if none, 0 if it is turned
    round. "3" to everything is never far off, but shows no difference at all. Where no other clip can be compared with,
    closeness alone counts. Answers with the same ``clip`` are about the same clip, whose ``scores`` listeners gave.

    Example:
        >>> agreement_reward(["3.0"], task=["score"], rubrics=[["mos"]], scores=[{"mos": 4.0}], clip=["a.wav"])
        [0.75]
    """
    found = _facts(completions, task, rubrics, language, "scores", "levels")
    said = [{} if one is None else one.values for one in found]
    means = _means(said, scores, clip)
    rewards: list[float | None] = []
    for own, truth, name, here in zip(said, scores, task, clip, strict=True):
        known = {rubric: value for rubric, value in truth.items() if states(name, "scores", "levels")}
        parts = [_agreement(rubric, own.get(rubric), value, here, means[rubric]) for rubric, value in known.items()]
        rewards.append(sum(parts) / len(parts) if parts else None)
    return rewards


def _means(
    said: Sequence[Mapping[str, float]], scores: Sequence[Mapping[str, float]], clip: Sequence[str]
) -> dict[str, dict[str, tuple[float, float]]]:
    """Per rubric and clip, the mean answer and the truth."""
    answers: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    truths: dict[tuple[str, str], float] = {}
    for own, truth, here in zip(said, scores, clip, strict=True):
        for rubric in own.keys() & truth.keys():
            answers[rubric][here].append(own[rubric])
            truths[rubric, here] = truth[rubric]
    means: dict[str, dict[str, tuple[float, float]]] = defaultdict(dict)
    for rubric, clips in answers.items():
        means[rubric] = {here: (sum(v) / len(v), truths[rubric, here]) for here, v in clips.items()}
    return means


def _agreement(
    rubric: str, value: float | None, truth: float, here: str, means: Mapping[str, tuple[float, float]]
) -> float:
    """Closeness and order of one score."""
    if value is None:
        return 0.0
    span = get_rubric(rubric).high - get_rubric(rubric).low
    closeness = max(0.0, 1 - abs(value - truth) / span)
    # -1 to 1; to show more than the whole difference is no better, or exaggeration would pay
    shown = [
        min(1.0, max(-1.0, (value - mean) / (truth - other)))
        for clip, (mean, other) in means.items()
        if clip != here and abs(truth - other) >= LEAST_DIFFERENCE * span
    ]
    return closeness if not shown else closeness / 2 + (0.5 + sum(shown) / len(shown) / 2) / 2


# Other things that are right or wrong


def causes_reward(
    completions: Sequence[Completion],
    *,
    task: Sequence[str],
    rubrics: Sequence[Sequence[str]],
    causes: Sequence[Sequence[str] | None],
    language: Sequence[str] | None = None,
    **_: Any,
) -> list[float | None]:
    r"""Reward naming the known causes and no others: the F1 of the kinds, 1 where there are none and none is named.

    ``causes`` are the kinds that are known; None where nothing is known, and then the reward does not apply.

    Example:
        >>> text = "Overall quality: 2.0\n\nI hear strong background noise and a slight echo."
        >>> round(causes_reward([text], task=["explain"], rubrics=[["mos"]], causes=[["noise"]])[0], 3)
        0.667
    """
    rewards: list[float | None] = []
    read = _facts(completions, task, rubrics, language, "causes")
    for found, name, known in zip(read, task, causes, strict=True):
        if not states(name, "causes") or known is None:
            rewards.append(None)
        elif found is None:
            rewards.append(0.0)
        else:
            rewards.append(_f1(set(found.causes or ()), set(known)))
    return rewards


def _f1(named: set[str], known: set[str]) -> float:
    return 2 * len(named & known) / (len(named) + len(known)) if named or known else 1.0


def detection_reward(
    completions: Sequence[Completion],
    *,
    task: Sequence[str],
    rubrics: Sequence[Sequence[str]],
    label: Sequence[str],
    language: Sequence[str] | None = None,
    **_: Any,
) -> list[float | None]:
    """Reward, 0 or 1, calling real speech real and fake speech fake, in any case and any usual word.

    ``label`` is ``real`` or ``fake``; empty where unknown, and then the reward does not apply.

    Example:
        >>> detection_reward(["Fake", "real"], task=["detect"] * 2, rubrics=[[], []], label=["fake", "fake"])
        [1.0, 0.0]
    """
    found = _facts(completions, task, rubrics, language, "label")
    return [
        float(one is not None and one.label == known) if states(name, "label") and known else None
        for one, name, known in zip(found, task, label, strict=True)
    ]


def preference_reward(
    completions: Sequence[Completion],
    *,
    task: Sequence[str],
    rubrics: Sequence[Sequence[str]],
    verdicts: Sequence[Mapping[str, str]],
    pair: Sequence[str],
    is_swapped: Sequence[bool],
    language: Sequence[str] | None = None,
    **_: Any,
) -> list[float | None]:
    """Reward the right preference, as far as the answers to the other order of the clips agree with it.

    ``verdicts`` are what listeners prefer, in the order in which the clips were heard, ``mos`` on the whole; ``pair`` is
    the same for both orders, and ``is_swapped`` says which of them it is.

    Returns:
        Share of the answers to the other order that give the same clip, if the preference is right; else 0. None for
        other tasks and where the other order is not in the batch.

    Example:
        >>> said, truth = ["[SpeechA]", "[SpeechA]"], [{"mos": "A"}, {"mos": "B"}]
        >>> both = {"pair": ["p", "p"], "is_swapped": [False, True], "rubrics": [[], []], "verdicts": truth}
        >>> preference_reward(said, task=["compare"] * 2, **both)
        [0.0, 0.0]
    """
    found = _facts(completions, task, rubrics, language, "verdicts")
    preferred = [None if one is None else one.verdicts["mos"] for one in found]
    rewards: list[float | None] = []
    for own, name, truth, here, swapped in zip(preferred, task, verdicts, pair, is_swapped, strict=True):
        others = [
            verdict
            for verdict, other, order, kind in zip(preferred, pair, is_swapped, task, strict=True)
            if states(kind, "verdicts") and other == here and order != swapped
        ]
        if not states(name, "verdicts") or "mos" not in truth or not others:
            rewards.append(None)
        elif own is None or own != truth["mos"]:
            rewards.append(0.0)
        else:
            agreeing = [other is not None and compare.OPPOSITE[other] == own for other in others]
            rewards.append(sum(agreeing) / len(agreeing))
    return rewards


def overlap_reward(
    completions: Sequence[Completion],
    *,
    task: Sequence[str],
    rubrics: Sequence[Sequence[str]],
    spans: Sequence[Mapping[str, Sequence[Sequence[float]]]],
    language: Sequence[str] | None = None,
    **_: Any,
) -> list[float | None]:
    r"""Reward saying when each artifact is heard: time in both over time in either, the mean over all kinds.

    ``spans`` are kind of artifact to (start, end) in seconds; empty where unknown, and then the reward does not apply. A kind
    that is only named, or only known, counts 0.

    Example:
        >>> text = "<think>\nDistortion: 2/5 (jitter 0.0-2.0 s)\n</think>\nIt stumbles."
        >>> overlap_reward([text], task=["assess"], rubrics=[[]], spans=[{"jitter": [[1.0, 2.0]]}])
        [0.5]
    """
    found = _facts(completions, task, rubrics, language, "distortions")
    rewards: list[float | None] = []
    for one, name, known in zip(found, task, spans, strict=True):
        if not states(name, "distortions") or not known:
            rewards.append(None)
        elif one is None:
            rewards.append(0.0)
        else:
            kinds = one.spans.keys() | known.keys()
            rewards.append(sum(shared_time(one.spans.get(k, ()), known.get(k, ())) or 0.0 for k in kinds) / len(kinds))
    return rewards


# Form


def format_reward(
    completions: Sequence[Completion],
    *,
    prompts: Sequence[Completion],
    task: Sequence[str],
    rubrics: Sequence[Sequence[str]],
    reference: Sequence[str],
    language: Sequence[str] | None = None,
    **_: Any,
) -> list[float | None]:
    """Reward answers in the grammar of their task, without repetition, not copied from the request, and not too long.

    An answer without one of the rubrics asked for is not in the grammar; its length is measured by a good ``reference``.

    Returns:
        1 for what the task's ``write`` writes, 0.5 for what can be read all the same, else 0; times how little too long
        it is.

    Example:
        >>> known = {"task": ["score"] * 2, "rubrics": [["mos"]] * 2, "reference": ["3.0"] * 2}
        >>> format_reward(["3.4", "I say 3.4."], prompts=["Rate it."] * 2, **known)
        [1.0, 0.5]
    """
    columns = zip(completions, prompts, task, rubrics, reference, _spoken(language, completions), strict=True)
    return [
        0.0
        if repeats(text_of(completion)) or copies(text_of(completion), request_of(prompt))
        else _grammar(name, text_of(completion), asked, code) * _brevity(text_of(completion), good)
        for completion, prompt, name, asked, good, code in columns
    ]


def _grammar(task: str, text: str, rubrics: Sequence[str], language: str) -> float:
    for strict, worth in ((True, 1.0), (False, 0.5)):
        try:
            found = read_facts(task, text, rubrics, strict=strict, language=language)
        except ParseError:
            continue
        if set(rubrics) <= set(found.values) or not states(task, "scores", "levels"):
            return worth
    return 0.0


def _brevity(text: str, reference: str) -> float:
    # A reference of one number would allow two words; no answer of a few words is too long
    limit = max(LEAST_WORDS, LENGTH_FACTOR * len(reference.split()))
    return min(1.0, max(0.0, 2 - len(text.split()) / limit))


def repeats(text: str) -> bool:
    """Say whether a text says the same thing again: a sentence or line twice, or five words three times.

    In a thought, lines of the same words about several dimensions are no repetition.

    Example:
        >>> repeats("The voice is clear. It is loud. The voice is clear.")
        True
    """
    sentences = [" ".join(part.casefold().split()) for part in re.split(r"(?<=[.!?])\s+|\n+", text)]
    said = [part for part in sentences if len(part.split()) >= 3]
    try:
        answer = split_thought(text)[1]
    except ParseError:
        answer = text
    words = re.findall(r"\w+", answer.casefold())
    runs = [tuple(words[start : start + 5]) for start in range(len(words) - 4)]
    return len(set(said)) < len(said) or any(runs.count(run) >= 3 for run in set(runs))


def copies(text: str, request: str) -> bool:
    """Say whether a text holds eight words in a row of the request, or all of a shorter one.

    Example:
        >>> copies("Is this speech real or fake? Real.", "Is this speech real or fake?")
        True
    """
    words, said = (re.findall(r"[^\W_]+", part.casefold()) for part in (request, text))
    length = min(8, len(words))
    # A request of fewer than four words is found in many an honest answer, and copies nothing
    there = {tuple(said[start : start + length]) for start in range(len(said) - length + 1)}
    return length >= 4 and any(tuple(words[at : at + length]) in there for at in range(len(words) - length + 1))


def request_of(prompt: Completion) -> str:
    """Take the words of a request out of a prompt: itself, or the texts of its last message.

    Example:
        >>> request_of([{"role": "user", "content": [{"type": "audio"}, {"type": "text", "text": "Rate it."}]}])
        ' Rate it.'
    """
    if isinstance(prompt, str):
        return prompt
    content = prompt[-1]["content"]
    return content if isinstance(content, str) else " ".join(block.get("text") or "" for block in content)


# The evaluator


class EvaluatorReward:
    """Reward by the weighted grades of a language model; what states a label (``detect``) is left to ``detection_reward``."""

    __name__ = "evaluator_reward"

    def __init__(self, evaluator: Evaluator, weights: Mapping[str, float] = WEIGHTS) -> None:
        self.evaluator, self.weights = evaluator, dict(weights)

    def applies_to(self, task: str) -> bool:
        """Whether answers of a task are graded, so that one without a grade is one whose grade failed."""
        return form_of(task) is not None

    def __call__(
        self,
        completions: Sequence[Completion],
        *,
        prompts: Sequence[Completion],
        task: Sequence[str],
        truth: Sequence[str],
        log_extra: Callable[[str, list[Any]], None] | None = None,
        log_metric: Callable[[str, float], None] | None = None,
        **_: Any,
    ) -> list[float | None]:
        """Grade answers by what is known about their clips in words, ``truth``.

        Args:
            log_extra: Takes the grades by criterion, as columns of the table of completions.
            log_metric: Takes the mean grade by criterion, and the shares of answers that got no grade, and whose evaluator
                came to no end.

        Returns:
            Weighted mean of the grades, 0 to 1; None where a label is stated and where the evaluator gave no grade.

        Raises:
            EvaluatorDownError: If too many grades fail.
        """
        forms = {index: form for index, name in enumerate(task) if (form := form_of(name))}
        graded, cut_off_before = list(forms), self.evaluator.cut_off
        cases = [Case(forms[i], request_of(prompts[i]), text_of(completions[i]), truth[i]) for i in graded]
        grades: dict[int, dict[str, float] | None] = dict(zip(graded, self.evaluator.grade(cases), strict=True))
        rows = [grades.get(index) for index in range(len(completions))]
        if log_extra is not None:
            for criterion in CRITERIA:
                log_extra(f"evaluator/{criterion}", [None if row is None else row[criterion] for row in rows])
        if log_metric is not None and graded:
            given = [row for row in rows if row is not None]
            for criterion in CRITERIA if given else ():
                log_metric(f"evaluator/{criterion}", sum(row[criterion] for row in given) / len(given))
            log_metric("evaluator/failed", sum(rows[index] is None for index in graded) / len(graded))
            log_metric("evaluator/cut_off", (self.evaluator.cut_off - cut_off_before) / len(graded))
        return [None if row is None else weighted(row, self.weights) for row in rows]


# By recipe

REWARDS: dict[str, Reward] = {
    "agreement": agreement_reward,
    "causes": causes_reward,
    "detection": detection_reward,
    "format": format_reward,
    "overlap": overlap_reward,
    "preference": preference_reward,
}
# Those that compare the answers of a batch with each other
COMPARING: tuple[Reward, ...] = (agreement_reward, preference_reward)
EVALUATOR = "evaluator"


def read_weights(texts: Sequence[str]) -> dict[str, float]:
    """Read the rewards of a recipe, such as ``agreement=1`` or ``format``, which has weight 1.

    Raises:
        ValueError: If a name is unknown or comes twice, or a weight is no positive number.

    Example:
        >>> read_weights(["agreement=2", "format"])
        {'agreement': 2.0, 'format': 1.0}
    """
    weights = named_weights(texts, known=(*REWARDS, EVALUATOR), option="reward")
    # Elsewhere 0 takes a name out; a reward that counts nothing is a slip
    for name, weight in weights.items():
        if weight == 0:
            raise ValueError(f"reward {name!r}; a weight above 0 is needed")
    if not weights:
        raise ValueError("no reward; give at least one, such as agreement=1")
    return weights


def make_rewards(
    texts: Sequence[str], evaluator: Evaluator | None = None, criteria: Mapping[str, float] = WEIGHTS
) -> tuple[list[Reward], list[float]]:
    """Put together the rewards of a recipe, as ``read_weights`` takes them, and their weights.

    Raises:
        ValueError: If there is no evaluator for a reward that needs one, or one that none needs.

    Example:
        >>> make_rewards(["format=0.5"])[1]
        [0.5]
    """
    weights = read_weights(texts)
    if (EVALUATOR in weights) != (evaluator is not None):
        raise ValueError(
            f"rewards {', '.join(weights)}: {EVALUATOR!r} and an evaluator are given together or not at all"
        )
    known = REWARDS if evaluator is None else REWARDS | {EVALUATOR: EvaluatorReward(evaluator, criteria)}
    return [known[name] for name in weights], list(weights.values())
