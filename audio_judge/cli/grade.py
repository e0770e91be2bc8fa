"""``audio-judge grade``: what an evaluator thinks of finished judgements, and LScore over all of them.

A row of predictions becomes the same row with ``grades``, ``lscore`` and the ``evaluator``, or with an ``error``. Rows are
written as they come, in their order. The same command goes on where a run stopped, and asks again only for what failed;
replies are kept beside the output, too. ``--try`` grades nothing that a judge wrote: it says how often the evaluator ranks
the true answers of examples above others.
"""

import argparse
import json
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from audio_judge.batch import lines
from audio_judge.batch.run import say, say_some
from audio_judge.batch.write import is_same_file, keep
from audio_judge.cli.options import ASKED, INPUTS, OUTPUT, fraction, positive_float, positive_int
from audio_judge.cli.teacher import cache_beside, rows_file
from audio_judge.data.weights import named_weights
from audio_judge.errors import UsageError
from audio_judge.text_models.criteria import (
    ASKING,
    CRITERIA,
    FORMS,
    RUBRIC_VERSION,
    WEIGHTS,
    Form,
    check_weights,
    weighted,
)

if TYPE_CHECKING:
    from audio_judge.text_models.evaluator import Case, Evaluator, Outcome

EXAMPLES = """examples:
  audio-judge grade predictions.jsonl --evaluator http://localhost:8000/v1 --out graded.jsonl
  audio-judge grade predictions.jsonl --evaluator Qwen/Qwen3-8B --column output=answer --column truth=meta.ratings
  audio-judge grade predictions.jsonl --evaluator https://api.example.org/v1 --model NAME --api-key-variable API_KEY
  audio-judge grade examples.jsonl --evaluator http://localhost:8000/v1 --try 20

A row has a request (request, prompt, question or messages), what the judge wrote (text, output, response or completion),
the truth (truth, labels, reference or ground_truth), and a task (score, compare, suggest …) or a form (assessment,
comparison, suggestion). It is kept, with grades from 0 to 1, their weighted mean lscore, or an error. A run that was
stopped goes on with the same command. With --try, FILE has examples of `audio-judge data`. Exit code: 0, 1 if some rows got no grade (they say why), 2 if the request was
unusable or the evaluator does not answer, 130 if interrupted."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``grade``."""
    inputs = parser.add_argument_group(INPUTS)
    inputs.add_argument("predictions", metavar="FILE", help=".jsonl file of judgements with their truth")
    inputs.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="ROLE=NAME",
        help="column of the request, output or truth; repeatable",
    )
    inputs.add_argument(
        "--task-form",
        choices=("assessment", "comparison", "suggestion"),
        help="of rows that name neither a task nor a form",
    )
    inputs.add_argument(
        "--try",
        dest="trial",
        type=positive_int,
        metavar="N",
        help="only say how often it ranks true answers right, of N of FILE's examples",
    )
    inputs.add_argument("--limit", type=positive_int, metavar="N", help="only the first N rows")
    evaluator = parser.add_argument_group("evaluator")
    evaluator.add_argument(
        "--evaluator", required=True, metavar="PLACE", help="address of a server, or folder or Hub id of a model"
    )
    evaluator.add_argument(
        "--model", metavar="NAME", help="name of the model as the server knows it (default: its only one)"
    )
    evaluator.add_argument(
        "--concurrency", type=positive_int, default=8, metavar="N", help="requests at a time (default: 8)"
    )
    evaluator.add_argument(
        "--timeout", type=positive_float, default=120.0, metavar="S", help="longest wait for a reply (default: 120)"
    )
    evaluator.add_argument(
        "--thinking",
        action=argparse.BooleanOptionalAction,
        help="whether it thinks before it grades, in chat (default: its own habit)",
    )
    evaluator.add_argument(
        "--max-tokens", type=positive_int, metavar="N", help="longest reply in chat (default: 64; 2048 with --thinking)"
    )
    evaluator.add_argument("--extra", metavar="JSON", help="more fields of a chat request, as an object")
    evaluator.add_argument("--cache", metavar="FOLDER", help="replies that arrived (default: FILE.cache of --out)")
    evaluator.add_argument(
        "--api-key-variable", metavar="NAME", help="environment variable that holds the server's key"
    )
    asked = parser.add_argument_group(ASKED)
    asked.add_argument(
        "--form",
        choices=ASKING,
        default="auto",
        help="how to ask (default: the first of decision, expected and chat that it answers)",
    )
    asked.add_argument("--weights", metavar="NAMES", help="such as accuracy=2,detail=0.5 (default: 1, 1, 2, 0.5)")
    output = parser.add_argument_group(OUTPUT)
    output.add_argument("--out", metavar="FILE", help=".jsonl file (default: JSON lines on stdout)")
    output.add_argument(
        "--max-failure-rate", type=fraction, default=0.1, metavar="P", help="stop if more cases fail (default: 0.1)"
    )
    output.add_argument("--no-progress", action="store_true", help="no progress bar (there is none without a terminal)")


# The first column that is there counts; a dotted name is a key within an object.
COLUMNS: dict[str, tuple[str, ...]] = {
    "request": ("request", "prompt", "question", "messages"),
    "output": ("text", "output", "response", "completion"),
    "truth": ("truth", "labels", "reference", "ground_truth"),
}
RESULTS = ("grades", "lscore", "evaluator", "error")
# SpeechEval's names of tasks
SPEECHEVAL_FORMS: dict[str, Form] = {"singleeval": "assessment", "compareeval": "comparison"}


@dataclass
class Summary:
    """What all rows together come to: how many there are, how many got no grade, and the sum of grades per criterion."""

    weights: Mapping[str, float]
    rows: int = 0
    errors: int = 0
    sums: dict[str, float] = field(default_factory=lambda: dict.fromkeys(CRITERIA, 0.0))

    def add(self, grades: Mapping[str, float] | None) -> None:
        """Count one more row, with its grade per criterion, 0 to 1; None for a row without."""
        self.rows += 1
        self.errors += grades is None
        for name, grade in (grades or {}).items():
            self.sums[name] += grade

    def lines(self) -> list[str]:
        """Write the means, 0 to 1, with the share of rows they are of.

        Example:
            >>> summary = Summary({"accuracy": 1.0})
            >>> summary.add(dict.fromkeys(CRITERIA, 0.5))
            >>> summary.add(None)
            >>> summary.lines()[-1]
            'LScore       0.500  coverage 50.0% (1 of 2 rows)'
        """
        graded = self.rows - self.errors
        coverage = f"coverage {graded / max(self.rows, 1):.1%} ({graded} of {self.rows} rows)"
        if not graded:
            return [f"LScore       none   {coverage}"]
        means = {name: total / graded for name, total in self.sums.items()}
        shown = [f"{name:<11}  {mean:.3f}  weight {self.weights.get(name, 0.0):g}" for name, mean in means.items()]
        return [*shown, f"LScore       {weighted(means, self.weights):.3f}  {coverage}"]


@dataclass(frozen=True)
class _Asked:
    """Which rows are graded, by whom, and where the grades go.

    Args:
        place: Name of the file of the rows, for messages.
        rows: A text is what is wrong with a line.
        columns: What ``parse_columns`` gives.
        form: Of rows that name neither a form nor a task.
        weights: Of the criteria.
        out: None for standard output.
    """

    place: str
    rows: Sequence[dict[str, Any] | str]
    columns: Mapping[str, Sequence[str]]
    form: Form | None
    evaluator: "Evaluator"
    weights: Mapping[str, float]
    out: Path | None
    no_progress: bool

    @property
    def settings(self) -> dict[str, Any]:
        """What is written into every row: who grades, how, and by which texts."""
        return {"model": self.evaluator.name, "form": self.evaluator.asking, "rubrics": RUBRIC_VERSION}


def grade(options: argparse.Namespace) -> int:
    """Grade finished judgements and print LScore."""
    from audio_judge.text_models.evaluator import EvaluatorDownError

    out = None if options.out is None else rows_file(options.out)
    weights = parse_weights(options.weights)
    try:
        if options.trial is not None:
            return _try(options, out, weights)
        asked = _prepare(options, out, weights)
        summary, reasons = _grade_rows(asked, _earlier(asked))
    except EvaluatorDownError as error:
        raise UsageError(f"{error}{_how_to_go_on(out)}") from error
    except KeyboardInterrupt:
        say(f"\nstopped{_how_to_go_on(out)}")
        return 130
    for line in summary.lines():
        print(line, file=sys.stderr if out is None else sys.stdout)
    _report(reasons)
    return 1 if reasons else 0


def _try(options: argparse.Namespace, out: Path | None, weights: Mapping[str, float]) -> int:
    """Say how often the evaluator ranks true answers right."""
    from audio_judge.data.files import read_examples
    from audio_judge.training.reward_rows import make_rows
    from audio_judge.training.trial import try_evaluator

    if out is not None:
        raise UsageError("--try writes no rows; leave --out away")
    try:
        rows = make_rows(islice(read_examples(Path(options.predictions)), options.limit))
        print(try_evaluator(_evaluator(options, None), rows, options.trial, weights=weights))
    except (OSError, ValueError) as error:
        raise UsageError(f"{options.predictions}: {error}") from error
    return 0


def _prepare(options: argparse.Namespace, out: Path | None, weights: Mapping[str, float]) -> _Asked:
    predictions = Path(options.predictions)
    if out is not None and is_same_file(out, predictions):
        raise UsageError(f"--out {out} is also the input; choose another name")
    columns = parse_columns(options.column)
    rows = list(islice(_read_rows(predictions), options.limit))
    if not rows:
        raise UsageError(f"{predictions}: has no rows")
    evaluator = _evaluator(options, out)
    return _Asked(predictions.name, rows, columns, options.task_form, evaluator, weights, out, options.no_progress)


def _how_to_go_on(out: Path | None) -> str:
    return "" if out is None else f"; the same command goes on, {out} has what was graded so far"


def _report(reasons: Sequence[str]) -> None:
    if reasons:
        say(f"{len(reasons)} row{'s' * (len(reasons) != 1)} without a grade:")
    say_some(reasons)


def _evaluator(options: argparse.Namespace, out: Path | None) -> "Evaluator":
    from audio_judge.cli.common import quiet_transformers
    from audio_judge.text_models.backends import key_in, read_fields
    from audio_judge.text_models.evaluator import make_evaluator

    quiet_transformers()
    api_key, extra = key_in(options.api_key_variable), read_fields(options.extra, "--extra")
    try:
        return make_evaluator(
            options.evaluator,
            model=options.model,
            form=options.form,
            cache=options.cache or (None if out is None else cache_beside(out)),
            concurrency=options.concurrency,
            timeout=options.timeout,
            max_tokens=options.max_tokens,
            max_failure_rate=options.max_failure_rate,
            api_key=api_key,
            thinking=options.thinking,
            extra=extra,
        )
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise UsageError(f"--evaluator {options.evaluator}: {reason}") from error


def parse_weights(text: str | None) -> dict[str, float]:
    """Read weights of criteria, such as ``accuracy=2,detail=0.5``; those that are not named keep their usual one.

    Raises:
        UsageError: If it is none, or a weight is unusable.

    Example:
        >>> parse_weights("detail=0")
        {'helpfulness': 1.0, 'relevance': 1.0, 'accuracy': 2.0, 'detail': 0.0}
    """
    parts = [part for part in (text or "").split(",") if part]
    weights = {**WEIGHTS, **named_weights(parts, None, CRITERIA, option="--weights")}
    try:
        check_weights(weights)
    except ValueError as error:
        raise UsageError(f"--weights {text}: {error}; such as accuracy=2,detail=0.5 is needed") from error
    return weights


def parse_columns(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Read which columns say what, such as ``output=answer``; what is not named is looked for under its usual names.

    Returns:
        ``request``, ``output``, ``truth`` to the names to look for, in their order.

    Raises:
        UsageError: If one is not of this kind.

    Example:
        >>> parse_columns(["truth=meta.ratings"])["truth"]
        ('meta.ratings',)
    """
    columns = dict(COLUMNS)
    for text in texts:
        role, _, name = text.partition("=")
        if role not in COLUMNS or not name:
            raise UsageError(f"--column {text}: one of {', '.join(f'{role}=NAME' for role in COLUMNS)} is needed")
        columns[role] = (name,)
    return columns


def _read_rows(path: Path) -> Iterator[dict[str, Any] | str]:
    """The rows of a file of JSON lines; a line that is none becomes what is wrong with it."""
    for line in lines.scan(path, "json", errors="backslashreplace"):
        yield line.row if line.problem is None else f"{path}:{line.number}: {line.problem}"


def read_case(row: Mapping[str, Any], columns: Mapping[str, Sequence[str]], form: Form | None = None) -> "Case":
    """Make a case of a row.

    Args:
        row: A prediction: a request, what the judge wrote, the truth, and ``form`` or ``task``. Texts may also be
            messages or a list of them, of which those of the user (request) or the assistant (output) count, and the
            truth may be any object, which is told in words.
        columns: What ``parse_columns`` gives.
        form: Form of rows that name neither a form nor a task.

    Raises:
        ValueError: If something is missing; the message says what.

    Example:
        >>> row = {"prompt": "Which is better?", "response": "A", "labels": {"mos": "A"}, "task": "compare"}
        >>> read_case(row, COLUMNS)
        Case(form='comparison', request='Which is better?', output='A', truth='overall quality: A is better than B')
    """
    from audio_judge.tasks.wording import truth_in_words
    from audio_judge.text_models.evaluator import Case

    request = _words("request", _value("request", row, columns), "user")
    output = _words("output", _value("output", row, columns), "assistant")
    truth = _value("truth", row, columns)
    written = truth_in_words(truth)
    if not written.strip():
        raise ValueError(f"truth is {truth!r}; what is known about the clip is needed")
    return Case(_form(row, form), request, output, written)


def _form(row: Mapping[str, Any], default: Form | None) -> Form:
    if row.get("form") in FORMS:
        return row["form"]
    if "task" not in row:
        if default is None:
            raise ValueError(f"no task and no form ({', '.join(FORMS)}); give --task-form")
        return default
    from audio_judge.tasks import TASKS
    from audio_judge.text_models.evaluator import form_of

    task = str(row["task"]).casefold()
    form = SPEECHEVAL_FORMS.get(task) or form_of(task)
    if form is None:
        known = [*filter(form_of, TASKS), *SPEECHEVAL_FORMS]
        raise ValueError(f"task {row['task']!r} is not graded; one of {', '.join(known)} is")
    return form


def _value(role: str, row: Mapping[str, Any], columns: Mapping[str, Sequence[str]]) -> Any:
    """The first column of a role that is there and not null."""
    for name in columns[role]:
        value: Any = row if name not in row else {name: row[name]}
        for key in [name] if name in row else name.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        if value is not None:
            return value
    raise ValueError(f"no {role}; {' or '.join(columns[role])} is needed, or --column {role}=NAME")


def _words(role: str, value: Any, speaker: str) -> str:
    """The text of a string, of a message, or of the last message of a speaker; clips show as their place."""
    if isinstance(value, str):
        return value
    messages = [value] if isinstance(value, Mapping) else value if isinstance(value, list) else []
    said = [message for message in messages if isinstance(message, Mapping) and message.get("role") == speaker]
    content = said[-1].get("content") if said else None
    if isinstance(content, str):
        return content
    if isinstance(content, list) and all(isinstance(block, Mapping) for block in content):
        return "".join(str(block.get("text", f"<{block.get('type')}>")) for block in content)
    raise ValueError(f"{role} is {repr(value)[:60]}; a text or messages of the {speaker} are needed")


def _earlier(asked: _Asked) -> dict[str, list[dict[str, Any]]]:
    """Rows that an earlier run has graded, by what they were made of; it is gone on with as it was asked.

    Raises:
        UsageError: If the file is no output of ours, or was graded otherwise.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for line in lines.scan(asked.out, "json", is_growing=True) if asked.out is not None and asked.out.exists() else ():
        settings = line.row.get("evaluator")
        if not isinstance(settings, dict) or "lscore" not in line.row:
            raise UsageError(f"{asked.out}:{line.number}: not written by `audio-judge grade`; choose another --out")
        if asked.evaluator.asking == "auto" and settings["form"] != "auto":
            asked.evaluator.asking = settings["form"]
        wanted = asked.settings | ({"weights": dict(asked.weights)} if "weights" in settings else {})
        for name, value in wanted.items():
            if settings.get(name) != value and not (name == "form" and "auto" in (value, settings["form"])):
                was = f"was graded with {name} {settings.get(name)!r}, not {value!r}"
                raise UsageError(f"{asked.out}:{line.number}: {was}; choose another --out")
        if line.row["grades"] is not None:
            given = {name: value for name, value in line.row.items() if name not in RESULTS}
            found.setdefault(_key(given), []).append(line.row)
    return found


def _key(given: Mapping[str, Any]) -> str:
    return json.dumps(given, sort_keys=True)


def _grade_rows(asked: _Asked, earlier: dict[str, list[dict[str, Any]]]) -> tuple[Summary, list[str]]:
    """Grade the rows that no earlier run has, and write each as it comes; gives the sum of all, and what is wrong."""
    summary, reasons = Summary(asked.weights), []
    goes_on = asked.out is not None and asked.out.exists()
    rows = [{} if isinstance(row, str) else keep(row, RESULTS) for row in asked.rows]
    done = [earlier[_key(row)].pop(0) if earlier.get(_key(row)) else None for row in rows]
    left = iter([number for number, row in enumerate(done) if row is None])
    writer: lines.Appender | None = None
    hidden = True if asked.out is None and sys.stdout.isatty() else asked.no_progress or None

    def take(outcome: "Outcome") -> None:
        nonlocal writer
        # Opened only now: an evaluator that is down leaves no empty file
        writer = writer or _open(asked.out)
        number = next(left)
        if outcome.reason is not None:
            reasons.append(f"{asked.place} row {number + 1}: {outcome.reason}")
        done[number] = row = {**rows[number], **_result(asked, outcome)}
        _write(writer, asked.out, row)
        bar.update()

    kept = sum(row is not None for row in done)
    try:
        with tqdm(total=len(rows), initial=kept, unit="row", disable=hidden, dynamic_ncols=True) as bar:
            _ask(asked, [asked.rows[number] for number, row in enumerate(done) if row is None], take)
    finally:
        if writer is not None:
            writer.close()
    if asked.out is not None and goes_on:
        # In the order of the input, without the errors that were asked again; rows of other input stay
        others = [row for rows_left in earlier.values() for row in rows_left]
        lines.write(asked.out, [row for row in done if row is not None] + others)
    for row in done:
        summary.add(None if row is None else row["grades"])
    return summary, reasons


def _ask(asked: _Asked, rows: Sequence[dict[str, Any] | str], take: Callable[["Outcome"], None]) -> None:
    """Grade the rows that can be, and hand on what became of each, in their order, as soon as it is known."""
    from audio_judge.text_models.evaluator import Case, Outcome

    found: deque[Case | Outcome] = deque()
    for row in rows:
        try:
            found.append(Outcome(None, row) if isinstance(row, str) else read_case(row, asked.columns, asked.form))
        except ValueError as error:
            found.append(Outcome(None, str(error)))

    def pass_on() -> None:
        while found and isinstance(first := found[0], Outcome):
            found.popleft()
            take(first)

    def each(outcome: Outcome) -> None:
        pass_on()
        found.popleft()
        take(outcome)

    asked.evaluator.outcomes([one for one in found if isinstance(one, Case)], each)
    pass_on()


def _result(asked: _Asked, outcome: "Outcome") -> dict[str, Any]:
    if outcome.grades is None:
        return {"grades": None, "lscore": None, "evaluator": asked.settings, "error": outcome.reason}
    lscore = round(weighted(outcome.grades, asked.weights), 6)
    settings = asked.settings | {"weights": dict(asked.weights)}
    return {"grades": outcome.grades, "lscore": lscore, "evaluator": settings}


def _open(out: Path | None) -> lines.Appender:
    try:
        return lines.Appender(out)
    except OSError as error:
        raise UsageError(f"--out {out}: cannot be written ({error.strerror})") from error


def _write(writer: lines.Appender, out: Path | None, row: Mapping[str, Any]) -> None:
    try:
        writer.write(row)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(f"{out or 'stdout'}: cannot be written ({error.strerror}){_how_to_go_on(out)}") from error
