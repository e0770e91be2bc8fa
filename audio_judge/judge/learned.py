"""What a judge has learned, as its configuration notes it under ``learned``, and so how it is to be asked.

    "learned": {"tasks": {"decide": {"form": "decision", "rubrics": ["mos"], "languages": ["en"]},
                          "assess": {"form": "text", "rubrics": ["mos", "distortion"], "languages": ["en"]}},
                "faults": false,
                "decided": {"faults": {"clicks": [0.7, 1.2, 0.5, 0.4]}, "spans": {"clicks": 0.5}},
                "questions": ["Is it warm?"],
                "reference": {"measures": {"waveform_snr": [20.0, 10.0]}, "rubrics": {"mos": {"waveform_snr": 0.5}}}}

Tasks have the names that training gives them. One of form ``decision`` is a typed question, answered by a probability per
allowed answer; one of form ``text`` is answered in the judge's own words, which the task of that name writes and reads:
``score`` in a number with one decimal, ``rate`` in one with two, ``categorize`` in the name of a level. ``questions`` are typed
ones that are none of ours, ``decided`` how known faults are decided (``decided``), and ``reference`` how what is measured beside
an original shifts scores (``fitted``), both fitted to a judge. The training scripts
write the note, for judges of ours and for native audio language models; a judge without one is taken for one that was
trained on decisions.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from audio_judge.judge.decided import Decided
from audio_judge.judge.fitted import Fitted
from audio_judge.rubrics.rubric import ALL_RUBRICS
from audio_judge.tasks.own_words import WORDED

Form = Literal["decision", "text"]

# Beside a LoRA, which has no configuration of a judge, the note is in a file of its own
LEARNED_FILE = "learned.json"
DECIDE, DETECT_QUESTION, COMPARE_QUESTION = "decide", "detect_question", "compare_question"
# Texts of which each allowed one has a probability, so that a score is an expectation over them
LABELLED = ("score", "categorize")
MOST_QUESTIONS = 256  # whoever learned more wordings may take others, and the note must stay readable
# What a note says of free words that are all ours
OUR_WORDS = "ours"
# Texts that are written and then read: what they give is a number without a spread
SAID = ("profile", "rate", "assess", "explain", "describe")


@dataclass(frozen=True)
class Lesson:
    """One task that a judge learned.

    Args:
        form: How it answers.
        rubrics: Names of the rubrics that its answers were about; none of tasks that are about none, such as ``detect``.
        languages: Codes of the languages of requests and answers.
        layouts: Of ``compare`` in text: ``preference``, ``dimensions``, or both.
        listeners: Names of those on whose behalf it was asked, beside nobody in particular.
        thinks: Whether its answers begin with the thought that the task has, if it has one; noted where they do not.
    """

    form: Form
    rubrics: tuple[str, ...] = ()
    languages: tuple[str, ...] = ("en",)
    layouts: tuple[str, ...] = ()
    listeners: tuple[str, ...] = ()
    thinks: bool = True

    def __post_init__(self) -> None:
        if self.form not in ("decision", "text"):
            raise ValueError(f"form {self.form!r}; decision or text is needed")

    def merged(self, other: "Lesson") -> "Lesson":
        """One lesson of two in the same task; whether it thinks is as in the later one."""
        return Lesson(
            self.form,
            in_order([*self.rubrics, *other.rubrics]),
            tuple(sorted({*self.languages, *other.languages})),
            tuple(sorted({*self.layouts, *other.layouts})),
            tuple(sorted({*self.listeners, *other.listeners})),
            other.thinks,
        )


@dataclass(frozen=True)
class Learned:
    """All that a judge learned.

    Args:
        tasks: Name to lesson.
        has_faults: Whether it was asked whether known faults are there.
        reference: How what is measured beside an original shifts its scores; None if that was not fitted to it.
        questions: Typed questions that are none of ours, in the words in which it learned them.
        words: ``ours`` if its free words were all written by our own writers, so that others are slips; else empty.
        decided: How known faults are decided; None if that was not fitted to it: one that is more likely than not is named.
    """

    tasks: Mapping[str, Lesson] = field(default_factory=dict)
    has_faults: bool = False
    reference: Fitted | None = None
    questions: tuple[str, ...] = ()
    words: str = ""
    decided: Decided | None = None

    @classmethod
    def of(cls, config: Any) -> "Learned | None":
        """Read the note of a model's configuration; None if it has none.

        Raises:
            ValueError: If the note is not well formed.
        """
        note = getattr(config, "learned", None)
        return None if note is None else cls.from_note(note)

    @classmethod
    def from_note(cls, note: Any) -> "Learned":
        """Read a note.

        Raises:
            ValueError: If it is not well formed.

        Example:
            >>> Learned.from_note({"tasks": {"score": {"form": "text", "rubrics": ["mos"]}}}).way_to_score("mos")
            'score'
        """
        try:
            tasks = {
                str(name): Lesson(
                    lesson["form"],
                    thinks=lesson.get("thinks", True) is True,
                    **{key: tuple(value) for key, value in lesson.items() if key not in ("form", "thinks")},
                )
                for name, lesson in note["tasks"].items()
            }
            fitted = Fitted.from_note(note["reference"]) if note.get("reference") else None
            questions = tuple(map(str, note.get("questions", ())))
            decided = Decided.from_note(note["decided"]) if note.get("decided") else None
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"`learned` of the configuration is {note!r}, no note of a training: {error}") from error
        return cls(tasks, bool(note.get("faults")), fitted, questions, str(note.get("words", "")), decided)

    def note(self) -> dict[str, Any]:
        """The note, JSON-able; what is empty is left out."""
        tasks = dict[str, dict[str, Any]]()
        for name, lesson in self.tasks.items():
            lists = {"rubrics": lesson.rubrics, "languages": lesson.languages, "layouts": lesson.layouts}
            lists["listeners"] = lesson.listeners
            tasks[name] = {"form": lesson.form} | {key: list(value) for key, value in lists.items() if value}
            tasks[name] |= {} if lesson.thinks else {"thinks": False}
        more: dict[str, Any] = {"questions": list(self.questions)} if self.questions else {}
        more |= {"words": self.words} if self.words else {}
        more |= {} if self.decided is None else {"decided": self.decided.note()}
        more |= {} if self.reference is None else {"reference": self.reference.note()}
        return {"tasks": tasks, "faults": self.has_faults} | more

    def merged(self, other: "Learned | None") -> "Learned":
        """What a judge knows that learned one and then the other; what was fitted to its scores is no longer true."""
        if other is None:
            return self
        tasks = dict(self.tasks)
        for name, lesson in other.tasks.items():
            tasks[name] = tasks[name].merged(lesson) if name in tasks else lesson
        questions = tuple(dict.fromkeys([*self.questions, *other.questions]))[:MOST_QUESTIONS]
        taught = {one.words for one in (self, other) if one.has_words}
        words = taught.pop() if len(taught) == 1 else ""
        return Learned(tasks, self.has_faults or other.has_faults, questions=questions, words=words)

    def after(self, other: "Learned") -> "Learned":
        """What is left of it once all weights were taught something else: typed questions that were not practised beside texts are gone.

        A judge of decisions that learned to score in text, and was asked for decisions again, was off by twice as much as when it was asked
        for texts (docs/training/real.md).
        """
        if other.decides or not other.tasks:
            return self
        kept = {name: lesson for name, lesson in self.tasks.items() if lesson.form != "decision"}
        return Learned(kept, words=self.words)

    @property
    def has_words(self) -> bool:
        """Whether it learned a task in whose answers words are free."""
        return any(task in WORDED for task in self.tasks)

    @property
    def rubrics(self) -> tuple[str, ...]:
        """Names of all rubrics, in the order of our table, others behind them."""
        return in_order(name for lesson in self.tasks.values() for name in lesson.rubrics)

    @property
    def scored(self) -> tuple[str, ...]:
        """Names of those of them that it learned to score, and not only to compare clips in."""
        return tuple(name for name in self.rubrics if self.way_to_score(name))

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of all languages."""
        return tuple(sorted({code for lesson in self.tasks.values() for code in lesson.languages}))

    @property
    def listeners(self) -> tuple[str, ...]:
        """Names of all listeners on whose behalf it was asked."""
        return tuple(sorted({name for lesson in self.tasks.values() for name in lesson.listeners}))

    @property
    def decides(self) -> bool:
        """Whether it learned typed questions."""
        return any(lesson.form == "decision" for lesson in self.tasks.values())

    def way_to_score(self, rubric: str, among: Sequence[str] = (DECIDE, *LABELLED, *SAID)) -> str | None:
        """The task by which it learned to score a rubric, the one that tells most; None if it did not.

        Example:
            >>> learned = Learned({"detect": Lesson("text"), "assess": Lesson("text", ("mos", "distortion"))})
            >>> learned.way_to_score("distortion"), learned.way_to_score("loudness")
            ('assess', None)
        """
        return next((task for task in among if task in self.tasks and rubric in self.tasks[task].rubrics), None)

    def __str__(self) -> str:
        said = []
        for name, lesson in self.tasks.items():
            about = f" of {', '.join(lesson.rubrics)}" if lesson.rubrics else ""
            said.append(f"{name}{about}" + (" in text" if lesson.form == "text" else ""))
        return "; ".join(said) or "nothing"


def of_processor(processor: Any) -> Learned | None:
    """What the processor of a judge of an earlier version notes; None if it notes nothing."""
    rubrics = getattr(processor, "trained_rubrics", None)
    if not rubrics:
        return None
    languages = tuple(processor.trained_languages or ("en",))
    is_decimal = processor.answer_form == "decimal"
    lesson = Lesson("text" if is_decimal else "decision", tuple(rubrics), languages)
    return Learned({"score" if is_decimal else DECIDE: lesson}, bool(processor.trained_faults))


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Names of rubrics, each once, in the order of our table; others behind them.

    Example:
        >>> in_order(["warmth", "noisiness", "mos", "noisiness"])
        ('mos', 'noisiness', 'warmth')
    """
    given = list(dict.fromkeys(names))
    return (*(name for name in ALL_RUBRICS if name in given), *(name for name in given if name not in ALL_RUBRICS))
