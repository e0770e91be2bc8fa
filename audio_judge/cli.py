"""The command ``audio-judge``: score, explain and decide from a shell, over any number of clips.

    audio-judge score clips/ --output scores.jsonl

Exit codes: 0 all went well, 1 some clips could not be judged (each has its row with the reason), 2 the request was unusable,
130 interrupted. What is heavy is imported by the command that needs it.
"""

import argparse
import json
import os
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from audio_judge.inputs import PATH_COLUMNS, Columns, Item, UsageError, find_items

if TYPE_CHECKING:
    from audio_judge.judge import AudioJudge, Request
    from audio_judge.judgement import Judgement
    from audio_judge.outputs import RowWriter
    from audio_judge.rubrics import Scale

SCALES = ("1-5", "1-10", "0-100")
SHOWN_ERRORS = 10

Answer = TypeVar("Answer")

DESCRIPTION = "Judge audio in words and numbers."
EXAMPLES = """examples:
  audio-judge score clip.wav --table
  audio-judge score clips/ --output scores.jsonl
  audio-judge explain clip.wav
  audio-judge decide clip.wav --ask "Is there hum?"
  audio-judge ls rubrics

`audio-judge COMMAND --help` shows the options and examples of a command."""

SCORE_EXAMPLES = """examples:
  audio-judge score clip.wav other.mp3 clips/ --output scores.jsonl
  audio-judge score "takes/**/*.flac" --table
  audio-judge score degraded.wav --reference clean.wav --rubric mos
  audio-judge score rows.jsonl --output scores.csv --resume
  audio-judge score corpus.csv --path-column filename --scale 0-100 > scores.jsonl
  find . -name "*.wav" | audio-judge score - --output scores.jsonl

A row of a .jsonl or .csv list has `path` and may have `start_time`, `end_time` (in seconds) and `reference`; paths are
relative to the list. All its other keys are kept in the output; one that the judgement needs becomes input_<key>.
CSV output has no shares per level and no timeline. Exit code: 0, 1 if some clips could not be judged (their rows say
why), 2 if the request was unusable, 130 if interrupted."""

EXPLAIN_EXAMPLES = """examples:
  audio-judge explain clip.wav
  audio-judge explain degraded.wav --reference clean.wav

For words in a file, use `audio-judge score clips/ --explain --output scores.jsonl`."""

DECIDE_EXAMPLES = """examples:
  audio-judge decide clip.wav --ask "Is there hum?" --ask "Does the speaker sound tired?"
  audio-judge decide clips/ --questions questions.json > answers.jsonl

questions.json:
  {"hum": {"type": "noul", "instructions": "Is there hum?"},
   "kind": {"type": "choice", "instructions": "What is heard?", "criteria": {"speech": null, "music": "songs too"}},
   "noise": {"type": "score", "instructions": "How noisy is it?", "criteria": ["very", "somewhat", "not"]}}

The answers are probabilities; no question changes the answer to another."""

LS_EXAMPLES = """examples:
  audio-judge ls rubrics
  audio-judge ls tasks"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: Words of the command line after ``audio-judge``; None for those of this process.

    Returns:
        Exit code: 0, 1 if some clips could not be judged, 2 for an unusable request, 130 after Ctrl-C.

    Raises:
        SystemExit: After ``--help`` and ``--version``, and with code 2 for an unknown option.
    """
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except UsageError as error:
        _say(f"audio-judge {options.command}: {error}")
        return 2
    except KeyboardInterrupt:
        _say("stopped")
        return 130
    except BrokenPipeError:
        # The reader (head, less) has left; without this, Python complains once more when it closes stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    shape: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
    parser = argparse.ArgumentParser("audio-judge", description=DESCRIPTION, epilog=EXAMPLES, **shape)
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, run, add, summary, examples in (
        ("score", _score, _add_score_options, "Score clips on rubrics.", SCORE_EXAMPLES),
        ("explain", _explain, _add_clip_options, "Score clips and say in words why.", EXPLAIN_EXAMPLES),
        ("decide", _decide, _add_decide_options, "Answer closed questions about clips.", DECIDE_EXAMPLES),
        ("ls", _ls, _add_ls_options, "List the rubrics or the tasks.", LS_EXAMPLES),
    ):
        command = commands.add_parser(name, help=summary, description=summary, epilog=examples, **shape)
        command.set_defaults(run=run)
        add(command)
    return parser


class _Version(argparse.Action):
    """Prints the version; looks it up only when asked."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from audio_judge import __version__

        print(f"audio-judge {__version__}")
        parser.exit()


def _add_clip_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "clips", nargs="+", metavar="PATH", help="file, glob, directory, .jsonl or .csv list, or - for stdin"
    )
    parser.add_argument("--judge", metavar="NAME", help="Hub id or folder of a judge (default: the one shipped)")
    parser.add_argument("--revision", metavar="NAME", help="branch, tag or commit of a judge on the Hub")
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, cuda:1, mps (default: auto)")
    parser.add_argument(
        "--batch-size", type=_positive_int, default=8, metavar="N", help="windows per forward pass (default: 8)"
    )
    parser.add_argument("--reference", metavar="FILE", help="undegraded original of all clips whose row names none")
    parser.add_argument(
        "--path-column", metavar="NAME", help=f"column of the paths in a list (default: {', '.join(PATH_COLUMNS)})"
    )
    parser.add_argument(
        "--reference-column", default="reference", metavar="NAME", help="column of the originals (default: reference)"
    )
    parser.add_argument("--limit", type=_positive_int, metavar="N", help="judge only the first N clips")
    parser.add_argument(
        "--max-hours", type=_positive_float, default=2.0, metavar="H", help="refuse longer clips (default: 2)"
    )
    parser.add_argument("--no-progress", action="store_true", help="no progress bar (there is none without a terminal)")


def _add_score_options(parser: argparse.ArgumentParser) -> None:
    _add_clip_options(parser)
    parser.add_argument(
        "--rubric", action="append", metavar="NAME", help="may be given several times (default: all of `ls rubrics`)"
    )
    parser.add_argument("--scale", choices=SCALES, default="1-5", help="scale of the scores (default: 1-5)")
    parser.add_argument("--explain", action="store_true", help="add reasons in words (slower)")
    parser.add_argument("--output", metavar="FILE", help=".jsonl or .csv file, - for JSON lines on stdout (default)")
    parser.add_argument("--table", action="store_true", help="show a table for people on stdout")
    parser.add_argument("--resume", action="store_true", help="skip the rows, errors too, that the output has already")


def _add_decide_options(parser: argparse.ArgumentParser) -> None:
    _add_clip_options(parser)
    parser.add_argument("--questions", metavar="FILE", help="JSON file: name to question")
    parser.add_argument("--ask", action="append", default=[], metavar="TEXT", help="a yes-or-no question; repeatable")


def _add_ls_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("rubrics", "tasks"), help="what to list")


def _positive_int(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r}; a whole number above 0 is needed")
    return int(text)


def _positive_float(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text!r}; a number above 0 is needed")
    return value


def _columns(options: argparse.Namespace) -> Columns:
    return Columns(options.path_column, options.reference_column)


def _items(options: argparse.Namespace) -> list[Item]:
    """The clips that are asked for."""
    items = find_items(options.clips, _columns(options), reference=options.reference, stdin=sys.stdin)
    if not items:
        raise UsageError(f"nothing to judge: {', '.join(options.clips)} has no rows")
    return items[: options.limit]


def _load(options: argparse.Namespace) -> "AudioJudge":
    """The judge that is asked for, without the chatter of the libraries."""
    from safetensors import SafetensorError
    from transformers.utils import logging

    from audio_judge.judge import AudioJudge

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        judge = AudioJudge.from_pretrained(options.judge, device=options.device, revision=options.revision)
    except (OSError, ValueError, ImportError, RuntimeError, AssertionError, SafetensorError) as error:
        reason = str(error).strip().partition("\n")[0]
        name = options.judge or "the shipped judge"
        raise UsageError(f"{name} cannot be loaded on {options.device}: {reason}") from error
    judge.longest_seconds = options.max_hours * 3600
    return judge


def _request(item: Item) -> "Request":
    from audio_judge.judge import Request

    return Request(item.path, item.reference, item.start_time, item.end_time)


def _in_order(
    items: Iterable[Item], answer: Callable[[Iterator["Request"]], Iterator[Answer]]
) -> Iterator[tuple[Item, Answer | None]]:
    """Items with their answers, None for those whose row is unusable, in their order and as they come."""
    pending: deque[Item] = deque()

    def requests() -> Iterator["Request"]:
        for item in items:
            pending.append(item)
            if item.error is None:
                yield _request(item)

    for result in answer(requests()):
        while pending[0].error is not None:
            yield pending.popleft(), None
        yield pending.popleft(), result
    for item in pending:
        yield item, None


def _chunks(requests: Iterator["Request"], size: int) -> Iterator[list["Request"]]:
    while chunk := list(islice(requests, size)):
        yield chunk


def _judgements(
    judge: "AudioJudge", items: Sequence[Item], options: argparse.Namespace, scale: "Scale | None" = None
) -> Iterator[tuple[Item, "Judgement"]]:
    """A judgement for every item, with words if ``options.explain``; unusable rows get one with an error."""
    from audio_judge.judgement import Judgement
    from audio_judge.rubrics import get_rubric

    size = options.batch_size

    def answer(requests: Iterator["Request"]) -> Iterator["Judgement"]:
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
        from tqdm import tqdm

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


def _score(options: argparse.Namespace) -> int:
    from audio_judge.outputs import Table
    from audio_judge.rubrics import FIVE, HUNDRED, TEN

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
        where = "" if path is None else f"; {path} has what was judged so far: the same command with --resume goes on"
        _say(f"\nstopped{where}")
        return 130


def _score_items(
    judge: "AudioJudge",
    items: list[Item],
    options: argparse.Namespace,
    settings: dict[str, Any],
    path: Path | None,
    scale: "Scale",
    table: Any,
) -> int:
    """Judges the items that are left and writes them one by one."""
    from audio_judge.outputs import result_row

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
) -> tuple[list[Item], int, "RowWriter"]:
    """The items that the output does not have yet, how many errors it has, and what writes the rest."""
    from audio_judge.outputs import RowWriter, check_same_settings, complete_size, csv_columns, earlier_rows, header

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
    from audio_judge.rubrics import RUBRICS, get_rubric

    try:
        return [get_rubric(name).name for name in dict.fromkeys(options.rubric or RUBRICS)]
    except ValueError as error:
        raise UsageError(f"--rubric: {error}") from error


def _shown(item: Item, options: argparse.Namespace) -> str:
    """What to call an item in a table."""
    name = str(_columns(options).path_of(item.row) or "?")
    if item.start_time is None and item.end_time is None:
        return name
    end = "" if item.end_time is None else f"{item.end_time:g}"
    return f"{name} [{item.start_time or 0:g}-{end} s]"


def _explain(options: argparse.Namespace) -> int:
    items = _items(options)
    judge = _load(options)
    tally = _Tally(len(items), options, to_terminal=sys.stdout.isatty())
    options.explain = True
    for _, judgement in _judgements(judge, items, options):
        if judgement.error is None:
            print(f"{judgement}\n", flush=True)
        tally.count(judgement.error)
    return tally.close("explained")


def _decide(options: argparse.Namespace) -> int:
    from audio_judge.outputs import keep

    questions = _questions(options)
    items = _items(options)
    judge = _load(options)
    _check_questions(judge, questions)
    said = {"model": judge.name, "revision": judge.revision}
    tally = _Tally(len(items), options, to_terminal=sys.stdout.isatty())

    def answer(requests: Iterator["Request"]) -> Iterator[dict[str, Any]]:
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


def _check_questions(judge: "AudioJudge", questions: dict[str, Any]) -> None:
    from transformers.decision import parse_questions

    try:
        parse_questions(questions, judge.processor.decision_config)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _ls(options: argparse.Namespace) -> int:
    from audio_judge.rubrics import RUBRICS
    from audio_judge.tasks import TASKS

    if options.what == "rubrics":
        rows = [(r.name, r.scale.name, f"{r.levels[0]} … {r.levels[-1]}", r.definition) for r in RUBRICS.values()]
        titles: tuple[str, ...] = ("rubric", "scale", "levels", "what is judged")
    else:
        titles = ("task", "what it does")
        rows = [(name, (task.__doc__ or "").partition("\n")[0].partition(": ")[2]) for name, task in TASKS.items()]
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    for row in (titles, *rows):
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
