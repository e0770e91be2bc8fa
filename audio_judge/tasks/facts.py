"""The one table of the tasks: what each asks, which facts its answers state, and how they are read.

A task module declares it itself, in ``TRAITS`` and ``facts``; what looks at answers (rewards, statistics, evaluation)
asks here and knows no task by name. A new task is a line in ``TASKS``.
"""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from audio_judge.rubrics.rubric import Rubric
from audio_judge.tasks import (
    assess,
    categorize,
    compare,
    describe,
    detect,
    explain,
    profile,
    rate,
    score,
    suggest,
)
from audio_judge.tasks.common import Facts

# Those about rubrics the caller names: ask(rubrics), parse(text, rubrics). The mini judge's tokenizer is made of their
# texts, so a task more in this table changes its vocabulary.
RUBRIC_TASKS: dict[str, ModuleType] = {
    "score": score,
    "categorize": categorize,
    "profile": profile,
    "explain": explain,
}
TASKS: dict[str, ModuleType] = RUBRIC_TASKS | {
    "describe": describe,
    "compare": compare,
    "assess": assess,
    "suggest": suggest,
    "detect": detect,
    "rate": rate,
}


def states(task: str, *facts: str) -> bool:
    """Say whether the answers of a task state any of some facts.

    Any name may be given; one that is no task in text, such as ``decide``, states nothing.

    Example:
        >>> states("explain", "causes"), states("score", "causes"), states("decide", "scores")
        (True, False, False)
    """
    return task in TASKS and any(fact in TASKS[task].TRAITS.states for fact in facts)


def is_of_numbers(task: str) -> bool:
    """Say whether the answers of a task are scores or levels and nothing else.

    Example:
        >>> is_of_numbers("categorize"), is_of_numbers("explain")
        (True, False)
    """
    return task in TASKS and set(TASKS[task].TRAITS.states) <= {"scores", "levels"}


def ask_for(task: str, rubrics: Sequence[str | Rubric] = (), **how: Any) -> str:
    """Write the request of a task, by its ``ask``: about the first rubric, about all, or about none, as it asks for.

    Args:
        **how: Of its ``ask``.

    Example:
        >>> ask_for("suggest") == suggest.ask(), ask_for("score", ["mos", "noisiness"]) == score.ask("mos")
        (True, True)
    """
    return str(TASKS[task].ask(*_about(task, rubrics), **how))


def _about(task: str, rubrics: Sequence[str | Rubric]) -> tuple[Any, ...]:
    """What the ``ask`` and the ``parse`` of a task take of rubrics."""
    asked: dict[str, tuple[Any, ...]] = {
        "one": tuple(rubrics[:1]),
        "several": (rubrics,) if rubrics else (),
        "none": (),
    }
    return asked[TASKS[task].TRAITS.asks]


def read_facts(
    task: str, text: str, rubrics: Sequence[str | Rubric] = (), *, strict: bool = False, language: str = "en"
) -> Facts:
    """Read what an answer states, by the ``parse`` of its task.

    Args:
        rubrics: What was asked for, of the tasks that are asked for some.

    Raises:
        ParseError: If the answer cannot be read.
        ValueError: If the task is unknown or not answered in text.

    Example:
        >>> read_facts("score", "3.4", ["mos"]).scores
        {'mos': 3.4}
        >>> read_facts("detect", "C'est un deepfake.", language="fr").label
        'fake'
    """
    if task not in TASKS:
        raise ValueError(f"no answer of task {task!r} can be read; known: {', '.join(TASKS)}")
    module = TASKS[task]
    return module.facts(module.parse(text, *_about(task, rubrics), strict=strict, language=language))
