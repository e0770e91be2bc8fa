"""The options of the commands of ``audio-judge`` that ask a judge, and the examples that their ``--help`` shows.

Nothing heavy is imported here; what the commands do is in ``audio_judge.commands``.
"""

import argparse
from collections.abc import Callable

from audio_judge.batch.items import PATH_COLUMNS
from audio_judge.languages import LANGUAGES


def whole_number(text: str) -> int:
    """Read a whole number, for argparse."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}; a whole number is needed")
    return int(text)


def fraction(text: str) -> float:
    """Read a number from 0 to 1, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r}; a number from 0 to 1 is needed")
    return value


Adder = Callable[[argparse.ArgumentParser], None]

EXIT_CODES = """Exit code: 0, 1 if some clips could not be judged (their rows say why), 2 if the request was unusable, 130 if
interrupted."""


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """Add which clips to judge, and how the rows of lists name them."""
    parser.add_argument(
        "clips",
        nargs="+",
        metavar="PATH",
        help="file, glob, directory, .jsonl or .csv list, hf://datasets/OWNER/NAME:SPLIT, or - for stdin",
    )
    parser.add_argument("--reference", metavar="FILE", help="undegraded original of all clips whose row names none")
    parser.add_argument(
        "--path-column", metavar="NAME", help=f"column of the clips in a list (default: {', '.join(PATH_COLUMNS)})"
    )
    parser.add_argument(
        "--reference-column", default="reference", metavar="NAME", help="column of the originals (default: reference)"
    )


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add how many clips, where rows go, and whether to go on."""
    parser.add_argument("--limit", type=positive_int, metavar="N", help="only the first N clips")
    parser.add_argument(
        "--output", "--out", metavar="FILE", help=".jsonl, .csv or .html file, or - for JSON lines on stdout"
    )
    parser.add_argument("--resume", action="store_true", help="skip the rows, errors too, that the output has already")
    parser.add_argument("--no-progress", action="store_true", help="no progress bar (there is none without a terminal)")


def add_judge(parser: argparse.ArgumentParser, *, with_profile: bool = True) -> None:
    """Add who judges, and how."""
    parser.add_argument("--judge", metavar="NAME", help="Hub id or folder of a judge (default: the one shipped)")
    parser.add_argument("--revision", metavar="NAME", help="branch, tag or commit of a judge on the Hub")
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, cuda:1, mps (default: auto)")
    parser.add_argument(
        "--dtype",
        choices=("auto", "float32", "bfloat16", "float16"),
        default="auto",
        help="of the weights (default: the checkpoint's, or bfloat16 where it helps)",
    )
    parser.add_argument(
        "--batch-size", type=positive_int, default=8, metavar="N", help="windows per forward pass (default: 8)"
    )
    parser.add_argument(
        "--max-hours", type=positive_float, default=2.0, metavar="H", help="refuse longer clips (default: 2)"
    )
    if with_profile:
        parser.add_argument(
            "--profile", metavar="WORDS", help='on whose behalf to listen, such as "elderly" or "sound engineer"'
        )


def add_rubric(parser: argparse.ArgumentParser, default: str = "mos and its four dimensions") -> None:
    """Add the rubrics."""
    parser.add_argument(
        "--rubric",
        action="append",
        metavar="NAME",
        help=f"one of `ls rubrics`, or a .yaml or .json file of your own; repeatable (default: {default})",
    )


def add_scale(parser: argparse.ArgumentParser) -> None:
    """Add the scale of all scores."""
    parser.add_argument(
        "--scale", metavar="SCALE", help="of all scores: 1-5, 1-10, 0-100 …, or `own` for that of each rubric"
    )
    parser.add_argument("--table", action="store_true", help="show a table for people on stdout")


def add_language(parser: argparse.ArgumentParser) -> None:
    """Add the language of answers."""
    parser.add_argument(
        "--language", choices=LANGUAGES, default="en", help="of the level names and the words (default: en)"
    )


def add_length(parser: argparse.ArgumentParser) -> None:
    """Add the longest free text."""
    parser.add_argument("--max-new-tokens", type=positive_int, metavar="N", help="longest free text of an answer")


def positive_int(text: str) -> int:
    """Read a whole number above 0.

    Args:
        text: Of the option.

    Raises:
        argparse.ArgumentTypeError: If it is none.
    """
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r}; a whole number above 0 is needed")
    return int(text)


def positive_float(text: str) -> float:
    """Read a number above 0.

    Args:
        text: Of the option.

    Raises:
        argparse.ArgumentTypeError: If it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text!r}; a number above 0 is needed")
    return value
