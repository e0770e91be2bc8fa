"""Notes in a model's configuration what it is trained on, from the examples themselves; ``audio_judge.judge.learned`` reads it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from audio_judge.data.examples import with_facts
from audio_judge.data.files import read_example
from audio_judge.judge.learned import LEARNED_FILE, MOST_QUESTIONS, OUR_WORDS, Learned, Lesson, of_processor
from audio_judge.judge.wordings import is_ours
from audio_judge.languages import wordings
from audio_judge.rubrics.rubric import ALL_RUBRICS
from audio_judge.tasks import TASKS
from audio_judge.tasks.faults import FAULT_QUESTIONS
from audio_judge.tasks.own_words import WORDED, has_own_only


def learned_from(examples: Iterable[Mapping[str, Any]]) -> Learned:
    """Tell what examples teach, each a row of ``audio_judge.data.files``, the example itself, or a row to be rewarded.

    Rubrics are those that are asked for, whatever else of a clip is rated; one on a scale of its own counts as the rubric that
    it was made of, or not at all where it was turned round or cut in two.

    Example:
        >>> asked = {"mos": {"type": "score", "instructions": "How good?", "criteria": ["bad", "good"]}}
        >>> print(learned_from([{"task": "decide", "questions": asked}]))
        decide of mos
    """
    lessons: dict[str, dict[str, dict[str, None]]] = {}
    has_faults, words = False, OUR_WORDS
    own: dict[str, None] = {}
    for row in examples:
        example = read_example(row)
        questions = example.get("questions")
        lesson = lessons.setdefault(
            example["task"], {"form": {}, "rubrics": {}, "languages": {}, "layouts": {}, "listeners": {}, "thinks": {}}
        )
        lesson["form"]["text" if questions is None else "decision"] = None
        lesson["languages"][example.get("language", "en")] = None
        lesson["listeners"] |= {example["listener"]: None} if example.get("listener") else {}
        lesson["rubrics"] |= dict.fromkeys(_asked_in_text(example) if questions is None else _asked(example))
        if questions is None and example["task"] == "compare":
            lesson["layouts"][_layout(example)] = None
        lesson["thinks"] |= {"": None} if example.get("thinks", True) else {}
        has_faults = has_faults or any(
            name in FAULT_QUESTIONS and question["type"] == "noul" for name, question in (questions or {}).items()
        )
        words = words if _has_our_words(example) else ""
        own |= dict.fromkeys(_own_questions(questions or {}) if len(own) < MOST_QUESTIONS else ())
    empty = Lesson("text", languages=())
    tasks = {}
    for task, lesson in lessons.items():
        form, *others = lesson["form"]
        if others:
            raise ValueError(f"task {task}: some examples are typed questions and others are answered in text")
        found = Lesson(form, *(tuple(lesson[key]) for key in ("rubrics", "languages", "layouts", "listeners")))  # type: ignore[arg-type]
        # In order; a task of which some answers think has to be read as one that does
        tasks[task] = replace(found.merged(empty), thinks=bool(lesson["thinks"]))
    words = words if any(task in WORDED for task in tasks) else ""
    return Learned(tasks, has_faults, questions=tuple(own)[:MOST_QUESTIONS], words=words)


def _has_our_words(example: Mapping[str, Any]) -> bool:
    """Whether the free words of an example are ours; those of a row to be rewarded are nobody's yet."""
    if example["task"] not in WORDED:
        return True
    said = example.get("completion", ())
    return bool(said) and has_own_only(said[0]["content"], example["task"], example.get("language", "en"))


def _own_questions(questions: Mapping[str, Any]) -> list[str]:
    """The words of those that are none of ours."""
    return [str(one["instructions"]) for one in questions.values() if not is_ours(one)]


def _asked(example: Mapping[str, Any]) -> list[str]:
    made = example.get("provenance", {})
    if example["task"] == "compare_question":
        return list(example["questions"])
    scored = [name for name, question in example["questions"].items() if question["type"] == "score"]
    return [name for name in scored if name in ALL_RUBRICS or name not in made]


def _asked_in_text(example: Mapping[str, Any]) -> list[str]:
    if example["task"] not in TASKS:
        return []
    facts = dict(example) if "rubrics" in example else with_facts(example)
    return [*facts["rubrics"], *facts.get("verdicts", ())]


def _layout(example: Mapping[str, Any]) -> str:
    """That of a comparison; examples of an earlier version do not say it."""
    thinks = example.get("reference", "").startswith("<think>")
    return str(example.get("form") or ("dimensions" if thinks else "preference"))


def note(
    model: Any,
    processor: Any,
    learned: Learned | None,
    max_seconds: float | None = None,
    *,
    is_supervised: bool = False,
) -> None:
    """Write into a model's configuration what it learns, besides what it is known to have learned before.

    Args:
        model: A judge or a native audio language model, wrapped by PEFT or not.
        processor: That of the model; judges of earlier versions noted there what they were trained on.
        learned: None leaves the note as it is.
        max_seconds: What clips are cut to, so that longer ones are judged in windows of that length.
        is_supervised: Whether it is taught by examples, and so forgets what is not among them, and not by rewards near what it is.
    """
    known = Learned.of(model.config) or of_processor(processor)
    if learned is not None:
        before = known.after(learned) if known is not None and is_supervised else known
        known = learned if before is None else before.merged(learned)
    model.config.learned = None if known is None else known.note()
    if max_seconds and not hasattr(processor, "window_seconds"):  # that of a native model has no place for it
        model.config.window_seconds = max_seconds
    if hasattr(processor, "requests"):
        processor.requests = requests_of(known)
    if hasattr(processor, "trained_rubrics"):  # the configuration is the one place
        processor.answer_form, processor.trained_faults = "decision", False
        processor.trained_rubrics = processor.trained_languages = None


def requests_of(learned: Learned | None) -> dict[str, list[str]] | None:
    """Task to the requests, with ``{…}`` where they differ, that a judge of our own words alone answers in words; None for any.

    Example:
        >>> from audio_judge.judge.learned import Lesson
        >>> requests_of(Learned({"suggest": Lesson("text")}, words="ours"))["suggest"][0]
        'What should be improved in this speech? One suggestion per line.'
    """
    if learned is None or learned.words != OUR_WORDS:
        return None
    tasks = [(name, one.languages) for name, one in learned.tasks.items() if name in TASKS and one.form == "text"]
    return {name: [text for code in codes for text in wordings(name, code)[0]] for name, codes in tasks}


def write_note(folder: Path, learned: Learned) -> None:
    """Write a note beside a LoRA, which has no configuration of a judge."""
    (folder / LEARNED_FILE).write_text(json.dumps(learned.note(), indent=2) + "\n", encoding="utf-8")
