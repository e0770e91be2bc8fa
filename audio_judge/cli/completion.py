"""``audio-judge completion``: what a shell needs to complete the others. Needs the extra ``completion``."""

import argparse
from collections.abc import Iterator

from audio_judge.errors import UsageError

SHELLS = ("bash", "zsh", "tcsh")
# How options say that they name something on the disk
FILES = ("PATH", "FILE")
FOLDERS = ("FOLDER",)

EXAMPLES = """examples:
  audio-judge completion bash > ~/.local/share/bash-completion/completions/audio-judge
  audio-judge completion zsh > ~/.zfunc/_audio-judge
  audio-judge completion tcsh > ~/.audio-judge.completion.csh

Of zsh, ~/.zfunc must be in $fpath; of tcsh, source the file in ~/.tcshrc. Needs shtab: pip install
'audio-judge[completion]'."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``completion``."""
    parser.add_argument("shell", choices=SHELLS, help="which shell")


def completion(options: argparse.Namespace) -> int:
    """Print the script that completes the whole command in a shell.

    Raises:
        UsageError: If shtab is not installed.
    """
    try:
        import shtab
    except ModuleNotFoundError as error:
        raise UsageError("completion needs shtab: pip install 'audio-judge[completion]'") from error
    from audio_judge.cli.main import make_parser

    parser = make_parser()
    for action in _actions(parser):
        if action.metavar in (*FILES, *FOLDERS):
            action.complete = shtab.FILE if action.metavar in FILES else shtab.DIRECTORY  # type: ignore[attr-defined]
    print(shtab.complete(parser, options.shell))
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
