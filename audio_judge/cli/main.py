"""The command ``audio-judge``: judge, train, evaluate and serve from a shell, over any number of clips.

    audio-judge score clips/ --output scores.jsonl

Exit codes: 0 all went well, 1 some clips could not be judged (each has its row with the reason), 2 the request was unusable,
130 interrupted. This module is the shell's side; each command's own module is imported only when it runs, so that ``--help``
does not wait for torch.
"""

import argparse
import importlib
import io
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import audio_judge
from audio_judge.cli.analyze import ANALYZE_EXAMPLES, add_analyze_options
from audio_judge.cli.caption import CAPTION_EXAMPLES, add_caption_options
from audio_judge.cli.compare import COMPARE_EXAMPLES, add_compare_options
from audio_judge.cli.completion import COMPLETION_EXAMPLES, add_completion_options, completion
from audio_judge.cli.data import DATA_EXAMPLES, add_data_options
from audio_judge.cli.decide import DECIDE_EXAMPLES, add_decide_options
from audio_judge.cli.demo import DEMO_EXAMPLES, add_demo_options
from audio_judge.cli.detect import DETECT_EXAMPLES, add_detect_options
from audio_judge.cli.grade import GRADE_EXAMPLES, add_grade_options
from audio_judge.cli.ls import LS_EXAMPLES, add_ls_options
from audio_judge.cli.options import Adder
from audio_judge.cli.push import PUSH_EXAMPLES, add_push_options
from audio_judge.cli.report import REPORT_EXAMPLES, add_report_options
from audio_judge.cli.score import (
    ASSESS_EXAMPLES,
    DESCRIBE_EXAMPLES,
    EXPLAIN_EXAMPLES,
    PROFILE_EXAMPLES,
    SCORE_EXAMPLES,
    SUGGEST_EXAMPLES,
    add_profile_options,
    add_score_options,
    add_word_options,
)
from audio_judge.cli.serve import SERVE_EXAMPLES, add_serve_options
from audio_judge.cli.timeline import TIMELINE_EXAMPLES, add_timeline_options
from audio_judge.errors import UsageError

# Where the function of each command is, if not in the module of its own name; it has the name of the command
MODULES = dict.fromkeys(("profile", "explain", "assess", "suggest", "describe"), "score")
# They need none of the library
LIGHT = ("ls",)

DESCRIPTION = "Judge audio in words and numbers."
EXAMPLES = """examples:
  audio-judge score clip.wav --table
  audio-judge score clips/ --output scores.jsonl
  audio-judge explain clip.wav
  audio-judge compare old.wav new.wav
  audio-judge decide clip.wav --ask "Is there hum?"
  audio-judge data nisqa /data/NISQA_Corpus --tasks score,explain --out train.parquet
  audio-judge ls rubrics

`audio-judge COMMAND --help` shows the options and examples of a command. Exit code: 0, 1 if some clips could not be
judged (their rows say why), 2 if the request was unusable, 130 if interrupted."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: Words of the command line after ``audio-judge``; None for those of this process.

    Returns:
        Exit code: 0, 1 if some clips could not be judged, 2 for an unusable request, 130 after Ctrl-C.

    Raises:
        SystemExit: After ``--help`` and ``--version``, and with code 2 for an unknown option.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["eval"]:
        audio_judge.load()
        from audio_judge.eval.cli import main as evaluate

        return evaluate(words[1:], "audio-judge eval")
    parser = _parser()
    options = parser.parse_args(words)
    _accept_any_file_name()
    usual = warnings.formatwarning
    warnings.formatwarning = partial(_own_plainly, usual)
    try:
        if options.command == "completion":
            return completion(options, parser)
        if options.command not in LIGHT:
            audio_judge.load()
        module = importlib.import_module(f"audio_judge.cli.{MODULES.get(options.command, options.command)}")
        return int(vars(module)[options.command](options))
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
    finally:
        warnings.formatwarning = usual


def _own_plainly(usual: Callable[..., str], message: Warning | str, category: type[Warning], *place: Any) -> str:
    """Our own warnings are for the person at the shell, who does not know our lines."""
    if category.__module__.startswith("audio_judge."):
        return f"audio-judge: {message}\n"
    return usual(message, category, *place)


def _accept_any_file_name() -> None:
    """File names may be no valid text: they come in as surrogates and go out as escapes."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _parser() -> argparse.ArgumentParser:
    shape: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
    parser = argparse.ArgumentParser("audio-judge", description=DESCRIPTION, epilog=EXAMPLES, **shape)
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, add, summary, examples in (
        *JUDGE_COMMANDS,
        ("data", add_data_options, "Turn rated corpora into training examples.", DATA_EXAMPLES),
        ("caption", add_caption_options, "Have a language model write captions from ratings.", CAPTION_EXAMPLES),
        ("grade", add_grade_options, "Have a language model grade finished judgements.", GRADE_EXAMPLES),
        ("report", add_report_options, "Write scores as a page for people.", REPORT_EXAMPLES),
        ("demo", add_demo_options, "Judge clips in the browser.", DEMO_EXAMPLES),
        ("push", add_push_options, "Put a judge on the Hub.", PUSH_EXAMPLES),
        ("serve", add_serve_options, "Serve a judge with transformers.", SERVE_EXAMPLES),
        ("ls", add_ls_options, "List the corpora, the rubrics or the tasks.", LS_EXAMPLES),
        ("completion", add_completion_options, "Complete the command in a shell.", COMPLETION_EXAMPLES),
    ):
        command = commands.add_parser(name, help=summary, description=summary, epilog=examples, **shape)
        add(command)
    # main hands its words on; it is here to be listed
    commands.add_parser("eval", help="Evaluate judges on benchmarks, side by side.", add_help=False)
    return parser


class _Version(argparse.Action):
    """Prints the version."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        print(f"audio-judge {audio_judge.__version__}")
        parser.exit()


if __name__ == "__main__":
    sys.exit(main())


# Name, options, summary and examples of each command
JUDGE_COMMANDS: tuple[tuple[str, Adder, str, str], ...] = (
    ("score", add_score_options, "Score clips on rubrics.", SCORE_EXAMPLES),
    ("profile", add_profile_options, "Score clips on every rubric the judge knows.", PROFILE_EXAMPLES),
    ("explain", add_word_options, "Score clips and say in words why.", EXPLAIN_EXAMPLES),
    ("assess", add_word_options, "Assess clips dimension by dimension, with a summary.", ASSESS_EXAMPLES),
    ("suggest", add_word_options, "Say what to improve in clips.", SUGGEST_EXAMPLES),
    ("describe", add_word_options, "Describe clips in running text.", DESCRIBE_EXAMPLES),
    ("compare", add_compare_options, "Say which of two clips is better.", COMPARE_EXAMPLES),
    ("detect", add_detect_options, "Say how likely speech is real.", DETECT_EXAMPLES),
    ("timeline", add_timeline_options, "Score recordings window by window.", TIMELINE_EXAMPLES),
    ("decide", add_decide_options, "Answer closed questions about clips.", DECIDE_EXAMPLES),
    ("analyze", add_analyze_options, "Measure clips, without a judge.", ANALYZE_EXAMPLES),
)
