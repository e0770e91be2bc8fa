"""The command ``audio-judge``: score, explain and decide from a shell, over any number of clips.

    audio-judge score clips/ --output scores.jsonl

Exit codes: 0 all went well, 1 some clips could not be judged (each has its row with the reason), 2 the request was unusable,
130 interrupted. This module is the shell's side, ``audio_judge.commands`` does the work.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

from audio_judge.inputs import PATH_COLUMNS, UsageError

SCALES = ("1-5", "1-10", "0-100")

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
    from audio_judge import commands  # heavy, and not needed for --help

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # file names may be no valid text
    runs = {"score": commands.score, "explain": commands.explain, "decide": commands.decide, "ls": commands.ls}
    try:
        return runs[options.command](options)
    except UsageError as error:
        print(f"audio-judge {options.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (head, less) has left; without this, Python complains once more when it closes stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parser() -> argparse.ArgumentParser:
    shape: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
    parser = argparse.ArgumentParser("audio-judge", description=DESCRIPTION, epilog=EXAMPLES, **shape)
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, add, summary, examples in (
        ("score", _add_score_options, "Score clips on rubrics.", SCORE_EXAMPLES),
        ("explain", _add_clip_options, "Score clips and say in words why.", EXPLAIN_EXAMPLES),
        ("decide", _add_decide_options, "Answer closed questions about clips.", DECIDE_EXAMPLES),
        ("ls", _add_ls_options, "List the rubrics or the tasks.", LS_EXAMPLES),
    ):
        command = commands.add_parser(name, help=summary, description=summary, epilog=examples, **shape)
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
        "--rubric",
        action="append",
        metavar="NAME",
        help="one of `ls rubrics`; repeatable (default: mos and its four dimensions)",
    )
    parser.add_argument("--scale", choices=SCALES, default="1-5", help="scale of all scores (default: 1-5)")
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


if __name__ == "__main__":
    sys.exit(main())
