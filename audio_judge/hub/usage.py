"""How a judge is used, by what it learned: what its card shows and what its ``handler.py`` takes."""

import json
from typing import Any

from audio_judge.judge.learned import COMPARE_QUESTION, DECIDE, DETECT_QUESTION, Learned, Lesson
from audio_judge.judge.spoken import TextQuestion
from audio_judge.messages import clip_state, pair_state
from audio_judge.rubrics.rubric import ALL_RUBRICS, RUBRICS, get_rubric
from audio_judge.tasks import TASKS, detect, score

# Of a judge that does not say: good for an example, not as a claim
UNKNOWN = Learned({DECIDE: Lesson("decision", tuple(RUBRICS))})
# Method to the tasks that teach it, in the order in which a card shows them
METHODS = {
    "explain": ("explain",),
    "assess": ("assess",),
    "suggest": ("suggest",),
    "describe": ("describe",),
    "detect": (DETECT_QUESTION, "detect"),
    "compare": (COMPARE_QUESTION, "compare"),
}
# What shows best what a judge says in its own words
_TELLING = ("assess", "explain", "profile", "describe", "score", "rate", "categorize", "detect", "suggest", "compare")


def calls(learned: Learned) -> list[str]:
    """Write calls of what was learned, in Python, of a ``judge``.

    Example:
        >>> calls(Learned({"detect": Lesson("text")}))
        ['judge.detect("clip.wav")']
    """
    known = [method for method, tasks in METHODS.items() if any(task in learned.tasks for task in tasks)]
    names = ["score"] * any(name in ALL_RUBRICS for name in learned.scored) + known
    clips = {"compare": '"a.wav", "b.wav"'}
    return [f"judge.{name}({clips.get(name, chr(34) + 'clip.wav' + chr(34))})" for name in names]


def typed_questions(learned: Learned) -> dict[str, Any]:
    """One typed question about a clip that was learned; none if none was."""
    decided = learned.tasks.get(DECIDE, Lesson("decision")).rubrics
    known = {name: ALL_RUBRICS[name].question() for name in decided if name in ALL_RUBRICS}
    if DETECT_QUESTION in learned.tasks:
        known["fake"] = detect.question()
    return dict(list(known.items())[:1])


def requests(learned: Learned) -> dict[str, str]:
    """Task to what the judge is asked about a clip in words, of those that it learned to answer in text."""
    found = {}
    for task in _TELLING:
        if (
            task in learned.tasks and task in TASKS and task not in ("compare", "rate")
        ):  # two clips; a clip amid the words
            *_, last = _question(learned, task).messages(clip_state("clip"))[0]["content"]
            found[task] = last["text"].removeprefix("\n")
    return found


def conversation(learned: Learned) -> str:
    """Write messages of what was learned in words, in Python, about a ``clip``, or ``clip`` and ``other``; empty if nothing was."""
    task = next((task for task in _TELLING if task in learned.tasks and task in TASKS), None)
    if task is None:
        return ""
    state = pair_state("clip", "other") if task == "compare" else clip_state("clip")
    blocks = _question(learned, task).messages(state)[0]["content"]
    written = [block["path"] if block["type"] == "audio" else json.dumps(block, ensure_ascii=False) for block in blocks]
    return f'[{{"role": "user", "content": [{", ".join(written)}]}}]'


def _question(learned: Learned, task: str) -> TextQuestion:
    lesson = learned.tasks[task]
    rubrics = [get_rubric(name) for name in lesson.rubrics if name in ALL_RUBRICS]
    alike = tuple(one for one in rubrics if one.scale == rubrics[0].scale) or (get_rubric("mos"),)
    layout: Any = (*lesson.layouts, "preference")[0]
    return TextQuestion(
        task, alike, "en" if "en" in lesson.languages else lesson.languages[0], None, layout, lesson.thinks
    )


def answers(learned: Learned) -> list[str]:
    """Say of each task in what form and about what it is answered, in Markdown."""
    forms = {"decision": "a probability for each allowed answer", "text": "in its own words"}
    forms |= dict.fromkeys(("score", "rate"), "a number in digits") | {"categorize": "the name of a level"}
    lines = []
    for task, lesson in learned.tasks.items():
        line = f"`{task}`: {forms.get(task, forms[lesson.form])}"
        line += f"; on {', '.join(lesson.rubrics)}" if lesson.rubrics else ""
        line += f"; in {', '.join(lesson.languages)}" if lesson.languages != ("en",) else ""
        lines.append(line)
    return lines


def rubrics(learned: Learned) -> dict[str, dict[str, Any]]:
    """What ``handler.py`` must know of each rubric that it can be asked for by name: how, its levels and ends."""
    known: dict[str, dict[str, Any]] = {}
    for name in learned.scored:
        way = learned.way_to_score(name, (DECIDE, "score"))
        if way is not None and name in ALL_RUBRICS:
            rubric = ALL_RUBRICS[name]
            question = rubric.question()
            one = {"instructions": question["instructions"], "levels": question["criteria"]}
            one |= {"low": rubric.low, "high": rubric.high}
            known[name] = one | ({"request": score.ask(rubric)} if way == "score" else {})
    return known
