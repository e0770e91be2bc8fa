"""Training examples: a rated clip and a task make one request and its answer, as plain JSON-able dicts.

Two forms. ``decide`` is a typed question per rubric, answered by shares of listeners over the levels:
``{"task", "state", "questions", "targets", "seed"}``. The tasks of ``audio_judge.tasks`` are answered in text:
``{"task", "prompt", "completion", "seed"}``, and say what is asked and what the answer states, so that nothing needs to
read it back: ``rubrics`` (names, those that the answer scores), ``scores`` (all ratings of the clip), and of
``levels``, ``causes``, ``label``, ``verdicts`` and ``distortions`` those that the task states; ``facts_of`` gives them.
Audio stays a path in both; ``audio_judge.training.collate`` reads it. Clips and requests are laid out by
``audio_judge.messages``, for training as for use.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from audio_judge.clips import RatedClip
from audio_judge.data.augment import Augmented
from audio_judge.data.targets import target_of
from audio_judge.languages import wordings
from audio_judge.messages import clip_state, text_messages
from audio_judge.rubrics.rubric import RUBRICS, get_rubric, in_language
from audio_judge.tasks import (
    RUBRIC_TASKS,
    TASKS,
    CategoryTarget,
    Facts,
    ParseError,
    ScoreTarget,
    categorize,
    profile,
    read_facts,
    score,
    states,
)
from audio_judge.tasks.common import Spans
from audio_judge.tasks.faults import draw_questions

FaultQuestions = Literal["none", "some", "all"]
RubricQuestions = Literal["some", "all"]
DECIDE = "decide"
Example = dict[str, Any]
# What augments a rubric and its rating, given rng
Change = Callable[..., Augmented]


def decision_example(
    clip: RatedClip,
    rng: random.Random,
    *,
    use_reference: bool,
    all_rubrics: bool,
    held_out: bool,
    change: Change | None,
    language: str,
    faults: FaultQuestions = "some",
    ratings: RubricQuestions = "some",
) -> Example:
    """Make one example of typed questions about a clip, each with the shares of its answers: ratings and, in training, faults.

    Args:
        use_reference: Whether the reference is heard too, where there is one.
        all_rubrics: Whether every rated rubric is asked for.
        language: Of the questions; an augmented rubric and questions about faults stay in English.
        faults: Which known faults are asked about, too: ``none``, ``some`` or ``all``.
        ratings: Which rubrics are asked for: ``some`` or ``all``.
    """
    state = clip_state(clip, clip.reference if use_reference else None)
    # Whatever draws from rng does so in a fixed order: another order makes other data of the same seed
    seed = rng.randrange(2**31)
    names = list(clip.ratings)
    chosen = names if all_rubrics or ratings == "all" else rng.sample(names, rng.randint(1, len(names)))
    questions, targets, provenance = {}, {}, {}
    for name in chosen:
        asked = Augmented(get_rubric(name), clip.ratings[name])
        if change:
            asked = change(asked.rubric, asked.rating, rng=rng)
        rubric, rating = asked.rubric, asked.rating
        spoken = "en" if asked.provenance else language
        training, kept_out = wordings("decide", spoken)
        phrasings = kept_out if held_out else in_language(rubric, spoken).questions + training
        own = asked.request(DECIDE)
        phrasing = rng.randrange(len(phrasings)) if own is None else own
        questions[rubric.name] = rubric.question(phrasing, held_out=held_out, language=spoken)
        targets[rubric.name] = [round(float(share), 6) for share in rating.shares(rubric)]
        if asked.provenance:
            provenance[rubric.name] = list(asked.provenance)
    # Faults are for training: evaluation asks for the ratings, all of them or in held-out wordings
    if not all_rubrics and not held_out and faults != "none":
        for name, (question, fault_shares) in draw_questions(clip, rng, ask_all=faults == "all").items():
            questions[name], targets[name] = question, fault_shares
    found: Example = {"task": DECIDE, "state": state, "seed": seed, "questions": questions, "targets": targets}
    return found | {"provenance": provenance} if provenance else found


def text_examples(
    clip: RatedClip,
    task: str,
    rng: random.Random,
    *,
    use_reference: bool,
    all_rubrics: bool,
    held_out: bool,
    change: Change | None,
    language: str,
) -> Iterator[Example]:
    """Make one example of a task in words, or with ``all_rubrics`` one per rubric if it is about a single one.

    Args:
        task: A name of ``audio_judge.tasks.RUBRIC_TASKS``.
        use_reference: Whether the reference is heard too, where there is one.
        all_rubrics: Whether every rated rubric is asked for.
        language: Of request and answer; an augmented rubric stays in English.
    """
    reference = clip.reference if use_reference else None
    state = clip_state(clip, reference)
    seed = rng.randrange(2**31)  # first, as in `decision_example`
    single = RUBRIC_TASKS[task].TRAITS.asks == "one"
    # A profile or an explanation is about NISQA's rubrics where the clip has two of them or more, else about what it has
    together = [name for name in RUBRICS if name in clip.ratings]
    if single or len(together) < 2:
        together = list(clip.ratings) if single else _on_one_scale(clip.ratings)
    rubrics = together
    if single and not all_rubrics:
        rubrics = [rng.choice(rubrics)]
    for chosen in [[name] for name in rubrics] if single else [rubrics]:
        if single and change:
            asked = change(get_rubric(chosen[0]), clip.ratings[chosen[0]], rng=rng)
            if asked.provenance:
                example = _augmented(asked, task, state, rng, reference is not None)
                yield {"task": task, "seed": seed, "rubrics": chosen} | example
                continue
        answer, said = _answer(clip, task, chosen, rng, language)
        phrasings = wordings(task, language)[held_out]
        how = {"held_out": held_out, "with_reference": reference is not None, "language": language}
        subject: Any = chosen[0] if single else chosen
        request = RUBRIC_TASKS[task].ask(subject, phrasing=rng.randrange(len(phrasings)), **how)
        completion = [{"role": "assistant", "content": answer}]
        yield {"task": task, "prompt": text_messages(state, request), "completion": completion, "seed": seed} | said


def _on_one_scale(names: Iterable[str]) -> list[str]:
    """The rubrics that share the scale that most of them have, the first of equals."""
    by_scale: dict[tuple[float, float], list[str]] = {}
    for name in names:
        rubric = get_rubric(name)
        by_scale.setdefault((rubric.low, rubric.high), []).append(name)
    return max(by_scale.values(), key=len)


def _augmented(
    asked: Augmented, task: str, state: list[dict[str, Any]], rng: random.Random, with_reference: bool
) -> dict[str, Any]:
    """A request about an augmented rubric and its answer; ``target`` is left out, for no table has that rubric."""
    own = asked.request(task)
    phrasing = rng.randrange(len(wordings(task)[0])) if own is None else own
    request = RUBRIC_TASKS[task].ask(asked.rubric, phrasing=phrasing, with_reference=with_reference)
    if task == "score":
        answer = score.write(ScoreTarget(asked.rubric, asked.value))
    else:
        answer = categorize.write(CategoryTarget(asked.rubric, asked.rubric.level_of(asked.value)))
    completion = [{"role": "assistant", "content": answer}]
    return {"prompt": text_messages(state, request), "completion": completion, "provenance": list(asked.provenance)}


def _answer(
    clip: RatedClip, task: str, rubrics: list[str], rng: random.Random, language: str
) -> tuple[str, dict[str, Any]]:
    """The answer of a task in text, and what it states; ``target`` is what a score is trained and measured by."""
    answer, facts = written(task, target_of(task, clip, rubrics, rng, language), rubrics, rng, language)
    ((name, value), *_) = facts.values.items()
    target = {"target": {"rubric": name, "value": value}} if task == "score" else {}
    return answer, target | stated(task, facts, clip)


def written(task: str, target: Any, rubrics: Sequence[str], rng: random.Random, language: str) -> tuple[str, Facts]:
    """Write the answer of a task about one clip, and tell what it states."""
    module, how = TASKS[task], dict[str, Any](language=language)
    how |= {"seed": rng} if module.TRAITS.is_varied else {}
    how |= {"rubrics": rubrics} if module.TRAITS.asks == "several" else {}
    return module.write(target, **how), module.facts(target)


def stated(task: str, facts: Facts, clip: RatedClip | None = None) -> dict[str, Any]:
    """Write down what the answer of an example states, as plain JSON, with all ratings of its clip; None is a pair.

    Example:
        >>> stated("detect", Facts(label="fake"))
        {'rubrics': [], 'scores': {}, 'label': 'fake'}
    """
    rated = {} if clip is None else {name: rating.value for name, rating in clip.ratings.items()}
    said: dict[str, Any] = {"rubrics": list(facts.values), "scores": rated}
    whole = {
        "levels": facts.levels,
        "causes": list(facts.causes or ()),
        "label": facts.label,
        "verdicts": facts.verdicts,
        "distortions": {kind: [list(span) for span in spans] for kind, spans in facts.distortions.items()},
    }
    return said | {name: value for name, value in whole.items() if states(task, name)}


def facts_of(example: Mapping[str, Any]) -> Facts:
    """Tell what an example of ``with_facts`` states: scores are the ratings, where the clip has them."""
    rated, causes = example["scores"], example.get("causes")
    verdicts, distortions = dict(example.get("verdicts", {})), dict(example.get("distortions", {}))
    if example.get("form") == "preference":  # which names the aspects that decide, and nothing else
        verdicts = {name: verdict for name, verdict in verdicts.items() if name == "mos" or verdict != "tie"}
        distortions = {}
    return Facts(
        {name: rated[name] for name in example["rubrics"] if name in rated},
        dict(example.get("levels", {})),
        None if causes is None else dict.fromkeys(causes, ()),
        example.get("label", ""),
        verdicts,
        {kind: _in_tenths(spans) for kind, spans in distortions.items()},
    )


def _in_tenths(spans: Sequence[Sequence[float]]) -> Spans:
    # As answers write times, which lose what is shorter than a tenth of a second
    rounded = ((round(start, 1), round(end, 1)) for start, end in spans)
    return tuple((start, end) for start, end in rounded if start < end)


def with_facts(example: Mapping[str, Any]) -> dict[str, Any]:
    """Give an example what it states; one of an earlier version, which did not say it, is read, in its language.

    Raises:
        ValueError: If the answer cannot be read, or does not tell which rubric was asked for.
    """
    if "rubrics" in example:
        return dict(example)
    task, text, language = example["task"], example["completion"][0]["content"], example.get("language", "en")
    facts = read_facts(task, text, _rubrics_asked(example, text, language), language=language)
    rated = {**facts.values, **(example.get("scores") or {})}
    return {**stated(task, facts), **example, "scores": rated}


def _rubrics_asked(example: Mapping[str, Any], text: str, language: str) -> list[str]:
    task, rated = example["task"], example.get("scores") or {}
    if "target" in example:
        return [example["target"]["rubric"]]
    if task in ("profile", "explain"):
        head = text.partition("\n\n")[0]
        return list(profile.parse(head, list(rated) or list(RUBRICS), strict=True, language=language))
    if TASKS[task].TRAITS.asks != "one":
        return []
    # A level alone names no rubric: the one whose rating has that level was asked for, if there is no other
    fitting = [name for name, value in rated.items() if _is_level(name, value, text, language)]
    if len(fitting) != 1:
        raise ValueError(f"{task}: {text!r} is a level of {', '.join(fitting) or 'nothing that is rated'}")
    return fitting


def _is_level(name: str, value: float, text: str, language: str) -> bool:
    try:
        level = categorize.parse(text, name, strict=True, language=language).level
    except ParseError:
        return False
    return level == get_rubric(name).level_of(value)
