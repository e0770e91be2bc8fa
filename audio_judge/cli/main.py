"""The command ``audio-judge``: judge, train, evaluate and serve from a shell, over any number of clips.

    audio-judge score clips/ --output scores.jsonl

Exit codes: 0 all went well, 1 some clips could not be judged (each has its row with the reason), 2 the request was unusable,
130 interrupted.

A command is a module of ``audio_judge.cli`` with its name, that has a function of its name, ``add_options`` and ``EXAMPLES``,
and a line in ``COMMANDS``. Its module is imported when its options are asked for, and imports what is heavy when it runs, so that
``--help`` does not wait for torch.
"""

import argparse
import importlib
import io
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from types import ModuleType
from typing import Any

from audio_judge.errors import UsageError, exit_code
from audio_judge.version import __version__

# With what they do, as `audio-judge --help` lists them
COMMANDS = {
    "score": "Score clips on rubrics.",
    "profile": "Score clips on every rubric the judge knows.",
    "explain": "Score clips and say in words why.",
    "assess": "Assess clips dimension by dimension, with a summary.",
    "suggest": "Say what to improve in clips.",
    "describe": "Describe clips in running text.",
    "compare": "Say which of two clips, or of several systems, is better.",
    "detect": "Say how likely speech is real.",
    "timeline": "Score recordings window by window.",
    "decide": "Answer closed questions about clips.",
    "analyze": "Measure clips, without a judge.",
    "calibrate": "Fit a judge's scales to what listeners said.",
    "finetune": "Teach a judge what your listeners said.",
    "data": "Turn rated corpora into training examples.",
    "caption": "Have a language model write captions from ratings.",
    "alld": "Rate, describe and compare two recordings as ALLD's generator does.",
    "grade": "Have a language model grade finished judgements.",
    "report": "Write scores and comparisons as a page for people.",
    "demo": "Judge clips in the browser.",
    "push": "Put a judge on the Hub.",
    "serve": "Serve a judge with transformers.",
    "ls": "List the judges, the corpora, the rubrics, the tasks or the questions.",
    "completion": "Complete the command in a shell.",
}

DESCRIPTION = "Judge audio in words and numbers."
EXAMPLES = """examples:
  audio-judge score clip.wav --table
  audio-judge score clips/ --output scores.jsonl
  audio-judge explain clip.wav
  audio-judge compare old.wav new.wav
  audio-judge compare old/ new/ --html compared.html
  audio-judge decide clip.wav --ask "Is there background noise?"
  audio-judge data nisqa /data/NISQA_Corpus --tasks score,explain --out train.parquet
  audio-judge ls rubrics

`audio-judge COMMAND --help` shows the options and examples of a command. Exit code: 0, 1 if some clips could not be
judged (their rows say why), 2 if the request was unusable, 130 if interrupted."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, by the words after ``audio-judge``; None for those of this process.

    Returns:
        Exit code: 0, 1 if some clips could not be judged, 2 for an unusable request, 130 after Ctrl-C.

    Raises:
        SystemExit: After ``--help`` and ``--version``, and with code 2 for an unknown option.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["eval"]:
        from audio_judge.eval.cli import main as evaluate

        return evaluate(words[1:], "audio-judge eval")
    # Only the command that is named pays for importing its options
    options = make_parser([word for word in words if not word.startswith("-")][:1]).parse_args(words)
    _accept_any_file_name()
    usual = warnings.formatwarning
    warnings.formatwarning = partial(_own_plainly, usual)
    try:
        return exit_code(
            f"audio-judge {options.command}",
            lambda: _run(options),
        )
    finally:
        warnings.formatwarning = usual


def _run(options: argparse.Namespace) -> int:
    # An empty word is a variable of the shell that was not set: the default in its place would be a plausible wrong answer
    if empty := [name for name in ("judge", "reference", "revision", "scale") if _is_empty(vars(options).get(name))]:
        raise UsageError(f"--{empty[0]} is empty; give a value, or leave it out")
    return int(getattr(_module(options.command), options.command)(options))


def _is_empty(value: Any) -> bool:
    return value == "" or (isinstance(value, list) and "" in value)


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


def make_parser(commands: Iterable[str] | None = None) -> argparse.ArgumentParser:
    """Make the parser; if some commands are named, only those are imported for their options, and the others listed."""
    shape: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
    parser = argparse.ArgumentParser("audio-judge", description=DESCRIPTION, epilog=EXAMPLES, **shape)
    parser.add_argument(
        "--version", action="version", version=f"audio-judge {__version__}", help="show the version and exit"
    )
    listed = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = listed.add_parser(name, help=summary, description=summary, **shape)
        if commands is None or name in commands:
            module = _module(name)
            command.epilog = module.EXAMPLES
            module.add_options(command)
    # main hands its words on; it is here to be listed
    listed.add_parser("eval", help="Evaluate judges on benchmarks, side by side.", add_help=False)
    return parser


def _module(command: str) -> ModuleType:
    return importlib.import_module(f"audio_judge.cli.{command}")


if __name__ == "__main__":
    sys.exit(main())
