"""What a set of examples holds: tasks, corpora, scales, levels, answers."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from audio_judge.data.instructions import COMPARE_QUESTION, DETECT_QUESTION
from audio_judge.rubrics.rubric import ALL_RUBRICS, get_rubric
from audio_judge.tasks import TASKS


@dataclass
class Statistics:
    """What a mixture gave.

    Args:
        tasks: Examples per task; ``corpora`` per corpus, ``listeners`` per listener that was named.
        scales: Answers per scale that was asked for, such as ``0-100``.
        scores: Rubric to examples per level of the clip's rating.
        classes: Examples per label or preference, for detection and comparison.
        augmentations: Questions per kind of augmentation.
        lacking: What items lacked for a task, to how many.
        left_out: Items that could serve no task.
        not_drawn: Items that weight or balance passed over.
    """

    examples: int = 0
    tasks: Counter[str] = field(default_factory=Counter)
    corpora: Counter[str] = field(default_factory=Counter)
    scales: Counter[str] = field(default_factory=Counter)
    scores: dict[str, Counter[str]] = field(default_factory=dict)
    classes: Counter[str] = field(default_factory=Counter)
    augmentations: Counter[str] = field(default_factory=Counter)
    listeners: Counter[str] = field(default_factory=Counter)
    lacking: Counter[str] = field(default_factory=Counter)
    left_out: int = 0
    not_drawn: int = 0

    def count(self, example: Mapping[str, Any]) -> None:
        """Count one example of ``audio_judge.data.instructions``."""
        self.examples += 1
        self.tasks[example["task"]] += 1
        self.corpora[example["corpus"]] += 1
        for name, value in example["scores"].items():
            if name in ALL_RUBRICS:
                self.scores.setdefault(name, Counter())[get_rubric(name).level_of(value)] += 1
        for rubric, steps in _asked(example).items():
            self.scales[_scale_asked(rubric, steps)] += 1
            self.augmentations.update(step["kind"] for step in steps)
        self.classes.update(_classes(example))
        self.listeners.update([example["listener"]] if "listener" in example else [])

    def as_dict(self) -> dict[str, Any]:
        """Give all counts as plain dicts, for JSON."""
        return {name: dict(value) if isinstance(value, Counter) else value for name, value in vars(self).items()} | {
            "scores": {name: dict(counts) for name, counts in self.scores.items()}
        }

    def __str__(self) -> str:
        lines = [f"{self.examples} examples"]
        for title, counts in (
            ("tasks", self.tasks),
            ("corpora", self.corpora),
            ("scales", self.scales),
            ("classes", self.classes),
            ("augmentations", self.augmentations),
            ("listeners", self.listeners),
        ):
            lines += [f"{title}:", *_shares(counts, counts.most_common())] if counts else []
        for name, counts in self.scores.items():
            lines += [f"{name}:", *_shares(counts, [(level, counts[level]) for level in get_rubric(name).levels])]
        lines += [f"could not serve {reason}: {count}" for reason, count in self.lacking.most_common()]
        lines += [f"left out, could serve no task: {self.left_out}"] if self.left_out else []
        lines += [f"passed over by weight or balance: {self.not_drawn}"] if self.not_drawn else []
        return "\n".join(lines)


def _shares(counts: Counter[str], rows: Iterable[tuple[str, int]]) -> list[str]:
    return [f"  {name:<24}{count:>9}  {count / counts.total():6.1%}" for name, count in rows]


def _classes(example: Mapping[str, Any]) -> list[str]:
    if example["task"] == COMPARE_QUESTION:
        shares = example["targets"]["mos"]
        return [f"preferred: {('A', 'B', 'tie')[shares.index(max(shares))]}"]
    if example["task"] == DETECT_QUESTION:
        return ["fake" if example["targets"]["fake"][0] else "real"]
    preferred = [f"preferred: {example['verdicts']['mos']}"] if "verdicts" in example else []
    return [*preferred, *([example["label"]] if "label" in example else [])]


def _asked(example: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    # Rubric that is asked for to what augmentation did to it
    done = example.get("provenance", [])
    if "questions" in example:
        scored = [name for name, question in example["questions"].items() if question["type"] == "score"]
        return {name: done.get(name, []) if isinstance(done, Mapping) else [] for name in scored}
    names_rubrics = TASKS[example["task"]].TRAITS.asks != "none"
    return {name: list(done) for name in example["rubrics"]} if names_rubrics else {}


def _scale_asked(rubric: str, steps: list[dict[str, Any]]) -> str:
    scales = [step["to"] for step in steps if step["kind"] == "scale"]
    if any(step["kind"] == "binary" for step in steps):
        scales = [[0, 1]]
    if scales:
        return f"{scales[-1][0]:g}-{scales[-1][1]:g}"
    return get_rubric(rubric).scale.name if rubric in ALL_RUBRICS else "1-5"
