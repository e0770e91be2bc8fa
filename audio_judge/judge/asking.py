"""How a judge is asked, by what it learned: typed questions where it learned these, the words of its training where not."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from audio_judge.judge.identity import Identity
from audio_judge.judge.learned import LABELLED, SAID, Learned
from audio_judge.judge.requests import LONGEST_TEXT, Questionnaire, heard_by
from audio_judge.judge.spoken import TextQuestion
from audio_judge.judge.wordings import rubric_of
from audio_judge.languages import wordings
from audio_judge.rubrics.rubric import ALL_RUBRICS, RUBRICS, Reworded, Rubric, get_rubric, in_language, reworded
from audio_judge.tasks import TASKS, zero_shot
from audio_judge.tasks import compare as compare_task
from audio_judge.tasks import detect as detect_task
from audio_judge.tasks.compare import Form
from audio_judge.tasks.listeners import Listener

Questions = Mapping[str, dict[str, Any]]


def usual_rubrics(identity: Identity) -> list[Rubric]:
    """What is scored if nothing is named: NISQA's five, or what the judge learned of them, or in their place."""
    if identity.learned is None:
        return list(RUBRICS.values())
    known = [name for name in identity.learned.scored if name in ALL_RUBRICS]
    return [get_rubric(name) for name in [name for name in RUBRICS if name in known] or known or RUBRICS]


def scores(
    identity: Identity,
    rubrics: Iterable[Rubric],
    listener: Listener | None,
    language: str,
    *,
    about_faults: Questions | None = None,
    task: str | None = None,
) -> Questionnaire:
    """Ask for scores, each in the form that the judge learned, alone or for the words of a task.

    Known faults are asked about in the same pass, as in training, whoever listens.
    """
    known, asked_in = identity.trained(rubrics), identity.asked_in(language)
    labels, texts = dict[str, TextQuestion](), dict[str, TextQuestion]()
    for rubric in known:
        way = identity.way_to_score(rubric.name)
        if way in LABELLED:
            labels[rubric.name] = TextQuestion(way, (in_language(rubric, asked_in),), asked_in, listener)
        elif way == "rate":
            texts[rubric.name] = TextQuestion(way, (rubric,), asked_in, listener)
        elif way in SAID:  # one text speaks of all its rubrics on one scale
            about, thinks = _alike(text_rubrics(identity, way, rubric), rubric), _thinks(identity, way)
            texts[f"{way} {rubric.scale.name}"] = TextQuestion(way, about, asked_in, listener, thinks=thinks)
    return Questionnaire(
        known,
        about_faults or {},
        labels,
        tuple(texts.values()),
        listener=listener,
        language=asked_in,
        answer_language=language,
        is_written=task is None or identity.writes(task),
        is_measured=task is not None,
        is_zero_shot=identity.is_untaught,
    )


def text(identity: Identity, task: str, listener: Listener | None, language: str, max_new_tokens: int) -> Questionnaire:
    """Ask for the whole text of a task that the judge learned; ``max_new_tokens`` are for its free words."""
    asked_in = identity.asked_in(language, says=True)
    about, thinks = text_rubrics(identity, task), _thinks(identity, task)
    question = TextQuestion(task, about, asked_in, listener, thinks=thinks)
    return Questionnaire(
        question.rubrics, texts=(question,), max_new_tokens=LONGEST_TEXT + max_new_tokens, language=asked_in
    )


def _thinks(identity: Identity, task: str) -> bool:
    return cast(Learned, identity.learned).tasks[task].thinks


def text_rubrics(identity: Identity, task: str, rubric: Rubric | None = None) -> tuple[Rubric, ...]:
    """What a text of a task speaks of, as the judge learned it; those that it is asked for share the scale of ``rubric``.

    None stands for the first one that it learned.
    """
    names = cast(Learned, identity.learned).tasks[task].rubrics
    known = [get_rubric(name) for name in names if name in ALL_RUBRICS]
    if TASKS[task].TRAITS.asks != "several" or not known:
        return tuple(known)
    scale = known[0].scale if rubric is None else rubric.scale
    return tuple(one for one in known if one.scale == scale)


def _alike(rubrics: Iterable[Rubric], asked: Rubric) -> tuple[Rubric, ...]:
    """The rubrics of a text in the wording of the one that is asked for."""
    return tuple(reworded(one, asked.request) if isinstance(asked, Reworded) else one for one in rubrics)


def decisions(identity: Identity, questions: Questions) -> Questionnaire:
    """Ask typed questions as they are, or of a judge that learned none in the words that it learned in their place.

    Raises:
        UntrainedTaskError: If it learned no words for one of them either.
    """
    if identity.learned is None or identity.learned.decides:
        return Questionnaire(more=questions)
    return Questionnaire(labels={name: _label_for(identity, name, asked) for name, asked in questions.items()})


def _label_for(identity: Identity, name: str, question: Mapping[str, Any]) -> TextQuestion:
    """What was learned in words in place of a typed question: about a rubric of ours, or whether speech is fake."""
    learned, language = cast(Learned, identity.learned), identity.asked_in("en")
    rubric = rubric_of(question)
    way = None if rubric is None else learned.way_to_score(rubric.name, LABELLED)
    if rubric is not None and way is not None:
        return TextQuestion(way, (rubric,), language)
    known = [one for some in wordings("detect_question", language) for one in some]
    if question.get("instructions") in known and "detect" in learned.tasks:
        return TextQuestion("detect", (), language)
    raise identity.unlearned(f"to answer typed questions such as {name!r}")


def detection(identity: Identity, listener: Listener | None, language: str) -> Questionnaire:
    """Ask whether speech is fake, under that name."""
    asked_in = identity.asked_in(language)
    if identity.way_to_detect() == "detect":
        return Questionnaire(labels={"fake": TextQuestion("detect", (), asked_in, listener)})
    typed = (zero_shot.detect_question if identity.is_untaught else detect_task.question)(language=asked_in)
    return Questionnaire(more=heard_by(listener, {"fake": typed}))


def comparison(
    identity: Identity,
    rubrics: Iterable[Rubric],
    listener: Listener | None,
    language: str,
    answer_language: str,
    *,
    explain: bool,
) -> Questionnaire:
    """Ask which of two clips is better in each of some rubrics, in typed questions, for words if ``explain``."""
    write = zero_shot.compare_question if identity.is_untaught else compare_task.question
    typed = {one.name: write(one, language=language) for one in rubrics}
    return Questionnaire(
        more=heard_by(listener, typed),
        listener=listener,
        language=language,
        answer_language=answer_language,
        is_written=explain and identity.writes("compare"),
    )


def spoken_comparison(
    identity: Identity,
    rubrics: list[Rubric],
    form: Form,
    listener: Listener | None,
    language: str,
    max_new_tokens: int,
) -> Questionnaire:
    """Ask for a comparison in words, in the layout that the judge learned: ``form`` if it learned both."""
    lesson, asked_in = cast(Learned, identity.learned).tasks["compare"], identity.asked_in(language, says=True)
    layout = cast(Form, form if form in lesson.layouts or not lesson.layouts else lesson.layouts[0])
    # The reasons of a preference speak of what is asked for, or of whatever they learned to
    aspects = [name for name in lesson.rubrics if name in ALL_RUBRICS]
    named = rubrics if any(one.name != "mos" for one in rubrics) else [get_rubric(name) for name in aspects]
    about = tuple(named or rubrics)
    question = TextQuestion("compare", about, asked_in, listener, layout, lesson.thinks)
    return Questionnaire(texts=(question,), max_new_tokens=LONGEST_TEXT + max_new_tokens, language=asked_in)
