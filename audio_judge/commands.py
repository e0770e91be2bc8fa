"""What the commands of ``audio-judge`` do, from parsed options to an exit code.

Rows are judged in a stream and written as they come, in the order of the inputs. The options are those of
``audio_judge.cli``; finding clips is the business of ``audio_judge.inputs``, writing rows that of ``audio_judge.outputs``.
"""

import argparse
import json
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from tqdm import tqdm
from transformers.decision import parse_questions
from transformers.utils import logging

from audio_judge.cli import BEST, CORPORA
from audio_judge.inputs import Columns, Item, UsageError, find_items
from audio_judge.judge import AudioJudge, Request
from audio_judge.judgement import Judgement
from audio_judge.outputs import (
    RowWriter,
    Table,
    check_same_settings,
    complete_size,
    csv_columns,
    earlier_rows,
    header,
    keep,
    result_row,
)
from audio_judge.rubrics import ALL_RUBRICS, FIVE, HUNDRED, RUBRICS, TEN, Scale, get_rubric
from audio_judge.tasks import TASKS

SHOWN_ERRORS = 10

Answer = TypeVar("Answer")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _columns(options: argparse.Namespace) -> Columns:
    return Columns(options.path_column, options.reference_column)


def _items(options: argparse.Namespace) -> list[Item]:
    """The clips that are asked for."""
    items = find_items(options.clips, _columns(options), reference=options.reference, stdin=sys.stdin)
    if not items:
        raise UsageError(f"nothing to judge: {', '.join(options.clips)} has no rows")
    return items[: options.limit]


def _load(options: argparse.Namespace) -> AudioJudge:
    """The judge that is asked for, without the chatter of the libraries."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if options.judge and options.judge.startswith(("/", ".")) and not Path(options.judge).is_dir():
        raise UsageError(f"--judge {options.judge}: no such folder")
    try:
        judge = AudioJudge.from_pretrained(options.judge, device=options.device, revision=options.revision)
    except (OSError, ValueError, ImportError, RuntimeError, AssertionError, SafetensorError) as error:
        reason = str(error).strip().partition("\n")[0]
        name = options.judge or "the shipped judge"
        raise UsageError(f"{name} cannot be loaded on {options.device}: {reason}") from error
    judge.longest_seconds = options.max_hours * 3600
    return judge


def _in_order(
    items: Iterable[Item], answer: Callable[[Iterator[Request]], Iterator[Answer]]
) -> Iterator[tuple[Item, Answer | None]]:
    """Items with their answers, None for those whose row is unusable, in their order and as they come."""
    pending: deque[Item] = deque()

    def requests() -> Iterator[Request]:
        for item in items:
            pending.append(item)
            if item.error is None:
                yield Request(item.path, item.reference, item.start_time, item.end_time)

    for result in answer(requests()):
        while pending[0].error is not None:
            yield pending.popleft(), None
        yield pending.popleft(), result
    for item in pending:
        yield item, None


def _chunks(requests: Iterator[Request], size: int) -> Iterator[list[Request]]:
    while chunk := list(islice(requests, size)):
        yield chunk


def _judgements(
    judge: AudioJudge, items: Sequence[Item], options: argparse.Namespace, scale: Scale | None = None
) -> Iterator[tuple[Item, Judgement]]:
    """A judgement for every item, with words if ``options.explain``; unusable rows get one with an error."""
    size = options.batch_size

    def answer(requests: Iterator[Request]) -> Iterator[Judgement]:
        if options.explain:
            for chunk in _chunks(requests, size):
                yield from judge.explain(chunk, batch_size=size)
        else:
            rubrics = [get_rubric(name) for name in options.rubric]
            yield from judge.iter_scores(requests, rubrics, scale=scale, batch_size=size)

    for item, judgement in _in_order(items, answer):
        yield item, judgement or Judgement(str(_columns(options).path_of(item.row)), error=item.error)


class _Tally:
    """Counts what went well, keeps the first errors, and shows the progress bar."""

    def __init__(self, total: int, options: argparse.Namespace, done: int = 0, to_terminal: bool = False) -> None:
        # None: only if stderr is a terminal; rows that are shown on the same terminal are progress enough
        disable = True if options.no_progress or to_terminal else None
        self.bar = tqdm(total=total, initial=done, unit="clip", disable=disable, dynamic_ncols=True)
        self.good, self.errors = 0, 0
        self.shown: list[str] = []

    def count(self, error: str | None) -> None:
        """One more clip, with its error if it has one."""
        self.bar.update()
        self.good += error is None
        if error is not None:
            self.errors += 1
            self.shown += [error] if len(self.shown) < SHOWN_ERRORS else []

    def close(self, did: str) -> int:
        """Prints the summary; returns the exit code."""
        self.bar.close()
        clips = f"{self.good} clip{'s' * (self.good != 1)} {did}"
        errors = f"{self.errors} error{'s' * (self.errors != 1)}"
        more = [f"… and {self.errors - len(self.shown)} more"] if self.errors > len(self.shown) else []
        _say(f"{clips}, {errors}" + (":" if self.shown else ""))
        for line in self.shown + more:
            _say(f"  {line}")
        return 1 if self.errors else 0


def score(options: argparse.Namespace) -> int:
    """Score clips and write a row for each.

    Args:
        options: Parsed options of the command.

    Returns:
        Exit code: 0, 1 if a clip could not be judged, 130 if interrupted.

    Raises:
        UsageError: If the request cannot be carried out.
    """
    path = _output_path(options)
    options.rubric = _rubric_names(options)
    scale = {each.name: each for each in (FIVE, TEN, HUNDRED)}[options.scale]
    items = _items(options)
    names = [_shown(item, options) for item in items]
    judge = _load(options)
    settings = {"model": judge.name, "revision": judge.revision, "rubrics": options.rubric, "scale": options.scale}
    table = Table(names, options.rubric, scale.low, scale.high) if options.table else None
    try:
        return _score_items(judge, items, options, settings, path, scale, table)
    except KeyboardInterrupt:
        _say(f"\nstopped{_how_to_go_on(path)}")
        return 130
    except torch.OutOfMemoryError as error:
        advice = f"give a --batch-size below {options.batch_size}{_how_to_go_on(path)}"
        raise UsageError(f"out of memory on {judge.model.device}; {advice}") from error
    except BrokenPipeError:
        raise
    except OSError as error:  # of the output; what is wrong with a clip is in its judgement
        raise UsageError(f"{path or 'stdout'}: cannot be written ({error.strerror}){_how_to_go_on(path)}") from error


def _how_to_go_on(path: Path | None) -> str:
    return "" if path is None else f"; {path} has what was judged so far: the same command with --resume goes on"


def _score_items(
    judge: AudioJudge,
    items: list[Item],
    options: argparse.Namespace,
    settings: dict[str, Any],
    path: Path | None,
    scale: Scale,
    table: Table | None,
) -> int:
    """Judges the items that are left and writes them one by one."""
    left, earlier_errors, writer = _opened(items, options, settings, path)
    to_terminal = sys.stdout.isatty() and (path is None or table is not None)
    tally = _Tally(len(items), options, len(items) - len(left), to_terminal)
    tally.errors += earlier_errors
    tally.good += len(items) - len(left) - earlier_errors
    with writer:
        if table is not None:
            print(table.header())
        for item, judgement in _judgements(judge, left, options, scale):
            if table is None or path is not None:
                writer.write(item.row, result_row(judgement, settings))
            if table is not None:
                print(table.line(_shown(item, options), judgement), flush=True)
            tally.count(judgement.error)
        if table is not None:
            print(f"\n{table.legend()}")
    return tally.close("scored")


def _opened(
    items: list[Item], options: argparse.Namespace, settings: dict[str, Any], path: Path | None
) -> tuple[list[Item], int, RowWriter]:
    """The items that the output does not have yet, how many errors it has, and what writes the rest."""
    inputs = list(dict.fromkeys(key for item in items for key in item.row))
    results = csv_columns(settings["rubrics"], options.explain)
    if path is None or not options.resume or not path.exists():
        return items, 0, RowWriter(path, inputs, results)
    columns, errors = _columns(options), 0
    done: Counter[tuple[str, ...]] = Counter()
    for row in earlier_rows(path, header(inputs, results)):
        check_same_settings(path, row, settings, options.explain)
        done[columns.identity(row)] += 1
        errors += bool(row.get("error"))
    left = []
    for item in items:
        identity = columns.identity(item.row)
        if done[identity] > 0:
            done[identity] -= 1
        else:
            left.append(item)
    return left, errors, RowWriter(path, inputs, results, start=complete_size(path))


def _output_path(options: argparse.Namespace) -> Path | None:
    """The output file, None for stdout; refuses what would lose data or cannot work."""
    if options.explain and options.scale != "1-5":
        raise UsageError(f"--explain speaks of the scale 1-5; leave out --scale {options.scale} or --explain")
    if options.output in (None, "-"):
        if options.resume:
            raise UsageError("--resume needs the --output file of the earlier run")
        if options.output and options.table:
            raise UsageError("--table and --output - both write to stdout; name a file")
        return None
    path = Path(options.output)
    if path.suffix.lower() not in (".jsonl", ".csv"):
        raise UsageError(f"--output {path}: the name must end in .jsonl or .csv")
    if any(clip != "-" and Path(clip).resolve() == path.resolve() for clip in options.clips):
        raise UsageError(f"--output {path} is also an input; choose another name")
    return path


def _rubric_names(options: argparse.Namespace) -> list[str]:
    try:
        names = [get_rubric(name).name for name in dict.fromkeys(options.rubric or RUBRICS)]
    except ValueError as error:
        raise UsageError(f"--rubric: {error}") from error
    unexplained = [name for name in names if name not in RUBRICS]
    if options.explain and unexplained:
        raise UsageError(f"--explain speaks of {', '.join(RUBRICS)}; leave out --rubric {unexplained[0]} or --explain")
    return names


def _shown(item: Item, options: argparse.Namespace) -> str:
    """What to call an item in a table."""
    name = str(_columns(options).path_of(item.row) or "?")
    if item.start_time is None and item.end_time is None:
        return name
    end = "" if item.end_time is None else f"{item.end_time:g}"
    return f"{name} [{item.start_time or 0:g}-{end} s]"


def explain(options: argparse.Namespace) -> int:
    """Print the scores of clips and the reasons in words.

    Args:
        options: Parsed options of the command.

    Returns:
        Exit code: 0, 1 if a clip could not be judged.

    Raises:
        UsageError: If the request cannot be carried out.
    """
    items = _items(options)
    judge = _load(options)
    tally = _Tally(len(items), options, to_terminal=sys.stdout.isatty())
    options.explain = True
    for _, judgement in _judgements(judge, items, options):
        if judgement.error is None:
            print(f"{judgement}\n", flush=True)
        tally.count(judgement.error)
    return tally.close("explained")


def decide(options: argparse.Namespace) -> int:
    """Print the answers to closed questions as one JSON line per clip.

    Args:
        options: Parsed options of the command.

    Returns:
        Exit code: 0, 1 if a clip could not be judged.

    Raises:
        UsageError: If the request cannot be carried out.
    """
    questions = _questions(options)
    items = _items(options)
    judge = _load(options)
    _check_questions(judge, questions)
    said = {"model": judge.name, "revision": judge.revision}
    tally = _Tally(len(items), options, to_terminal=sys.stdout.isatty())

    def answer(requests: Iterator[Request]) -> Iterator[dict[str, Any]]:
        for chunk in _chunks(requests, options.batch_size):
            yield from judge.decide(chunk, questions, batch_size=options.batch_size)

    for item, answers in _in_order(items, answer):
        answers = answers or {"error": item.error}
        error = answers["error"] if list(answers) == ["error"] and isinstance(answers["error"], str) else None
        result = {**said, "error": error} if error else {"answers": answers, **said}
        print(json.dumps({**keep(item.row, ("answers", *said, "error")), **result}, ensure_ascii=False), flush=True)
        tally.count(error)
    return tally.close("decided")


def _questions(options: argparse.Namespace) -> dict[str, Any]:
    """Questions of the file and those that are asked in words, which are named by their words."""
    questions: dict[str, Any] = {}
    if options.questions is not None:
        try:
            questions = json.loads(Path(options.questions).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"--questions {options.questions}: cannot be read as JSON ({error})") from error
        if not isinstance(questions, dict):
            raise UsageError(f"--questions {options.questions}: one object, name to question, is needed")
    questions |= {text: {"type": "noul", "instructions": text} for text in options.ask}
    if not questions:
        raise UsageError("no question; give --ask TEXT or --questions FILE")
    return questions


def _check_questions(judge: AudioJudge, questions: dict[str, Any]) -> None:
    try:
        parse_questions(questions, judge.processor.decision_config)
    except ValueError as error:
        raise UsageError(str(error)) from error


def ls(options: argparse.Namespace) -> int:
    """Print the corpora, the rubrics or the tasks as a table.

    Args:
        options: Parsed options of the command.

    Returns:
        Exit code: 0.
    """
    if options.what == "rubrics":
        rows: list[tuple[str, ...]] = [
            (r.name, r.scale.name, BEST[r.best], f"{r.levels[0]} … {r.levels[-1]}", r.definition)
            for r in ALL_RUBRICS.values()
        ]
        titles: tuple[str, ...] = ("rubric", "scale", "best", "levels", "what is judged")
    elif options.what == "corpora":
        titles, rows = ("corpus", "what it is"), list(CORPORA.items())
    else:
        titles = ("task", "what it does")
        rows = [(name, (task.__doc__ or "").partition("\n")[0].partition(": ")[2]) for name, task in TASKS.items()]
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    for row in (titles, *rows):
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0
