"""``audio-judge ls``: the judges that ship, the corpora, the rubrics, the tasks and the typed questions, as tables."""

import argparse
from collections.abc import Iterable, Sequence

from audio_judge.corpora import CORPORA
from audio_judge.judge.shipped import SHIPPED_JUDGES
from audio_judge.languages import wordings
from audio_judge.rubrics.rubric import ALL_RUBRICS, RUBRICS, instructions
from audio_judge.tasks import TASKS
from audio_judge.tasks.faults import CONTENT_QUESTION, FAULT_QUESTIONS, SPAN_QUESTIONS

# Which scores of a rubric are good, in a listing
BEST = {"high": "higher", "low": "lower", "middle": "middle"}

EXAMPLES = """examples:
  audio-judge ls judges
  audio-judge ls rubrics
  audio-judge ls tasks
  audio-judge ls questions
  audio-judge ls corpora"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``ls``."""
    parser.add_argument("what", choices=("judges", "corpora", "rubrics", "tasks", "questions"), help="what to list")


Rows = list[tuple[str, ...]]


def ls(options: argparse.Namespace) -> int:
    """Print the judges, the corpora, the rubrics, the tasks or the questions as a table."""
    if options.what == "rubrics":
        rows = [(*row, ALL_RUBRICS[row[0]].definition) for row in rubric_rows()]
        print_table(("rubric", "scale", "best", "levels", "what is judged"), rows)
    elif options.what == "judges":
        print_table(("judge", "licence", "what it is for"), judge_rows())
    elif options.what == "corpora":
        print_table(("corpus", "what it is"), corpus_rows())
    elif options.what == "questions":
        print_table(("about", "type", "question", "also asked as"), question_rows())
    else:
        print_table(("task", "what it does"), task_rows())
    return 0


def judge_rows() -> Rows:
    """Name and licence of each judge that ships, and what it is for."""
    lacking = " (not in this copy)"
    return [(name, one.license, one.about + lacking * (not one.is_there)) for name, one in SHIPPED_JUDGES.items()]


def corpus_rows() -> Rows:
    """Name of each corpus, and what it is."""
    return [(name, known.about) for name, known in CORPORA.items()]


def rubric_rows() -> Rows:
    """Name, scale, good end and ends of the levels of each rubric."""
    return [
        (one.name, one.scale.name, BEST[one.best], f"{one.levels[0]} … {one.levels[-1]}")
        for one in ALL_RUBRICS.values()
    ]


def task_rows() -> Rows:
    """Name of each task, and what it does."""
    return [(name, (task.__doc__ or "").partition("\n")[0].partition(": ")[2]) for name, task in TASKS.items()]


def question_rows() -> Rows:
    """The typed questions that judges learn with a simulated corpus: what about, type, first wording, and another one."""
    rows: Rows = [(kind, "noul", texts[0], " ".join(texts[1:])) for kind, texts in FAULT_QUESTIONS.items()]
    rows.append(("dropouts", "noul", "Are there dropouts?", "(two of the above, of which one is enough)"))
    rows.append(("fake", "noul", *wordings("detect_question")[0][:2]))
    rows.append(("content", "choice", str(CONTENT_QUESTION["instructions"]), ", ".join(CONTENT_QUESTION["criteria"])))
    rows += [(f"when_{name}", "span", texts[0], ", ".join(texts[1:])) for name, (texts, _) in SPAN_QUESTIONS.items()]
    return [
        *rows,
        ("each rubric", "score", instructions(RUBRICS["noisiness"]), "with the levels of `ls rubrics`, all of them"),
    ]


def print_table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table with aligned columns, two spaces apart.

    Example:
        >>> print_table(("a", "b"), [("long", "x")])
        a     b
        long  x
    """
    lines = [titles, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())
