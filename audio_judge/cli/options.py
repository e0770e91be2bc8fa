"""The options that commands share, in the groups in which ``--help`` shows them. Nothing heavy is imported here."""

import argparse
import sys
from typing import Any

from audio_judge.batch.items import PATH_COLUMNS
from audio_judge.judge.shipped import DEFAULT_JUDGE, SHIPPED_JUDGES
from audio_judge.languages import LANGUAGES

# Groups of options; a command may have others of its own
INPUTS, JUDGE, ASKED, OUTPUT = "inputs", "judge", "what is asked", "output and run"
MADE = "what is made"
JUDGE_HELP = f"{', '.join(SHIPPED_JUDGES)} (see `ls judges`), a folder or a Hub id, also of an audio language model (default: {DEFAULT_JUDGE})"
# A parser, or one of its groups
Place = argparse._ActionsContainer

EXIT_CODES = """Exit code: 0, 1 if some clips could not be judged (their rows say why), 2 if the request was unusable, 130 if
interrupted."""


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """Add which clips to judge, and how the rows of lists name them."""
    group = parser.add_argument_group(INPUTS)
    group.add_argument(
        "clips",
        nargs="+",
        metavar="PATH",
        help="file, glob, directory, list (.jsonl, .csv, .tsv, .txt, .scp), hf://datasets/OWNER/NAME:SPLIT, data set on disk, "
        "or - for stdin (a list, or a sound)",
    )
    group.add_argument("--reference", metavar="FILE", help="undegraded original of all clips whose row names none")
    group.add_argument(
        "--path-column", metavar="NAME", help=f"column of the clips in a list (default: {', '.join(PATH_COLUMNS)})"
    )
    group.add_argument(
        "--reference-column", default="reference", metavar="NAME", help="column of the originals (default: reference)"
    )
    group.add_argument(
        "--channel",
        type=channel,
        default="mix",
        metavar="NAME",
        help="heard of clips with several: mix (the mean of all), loudest, left, right, a number from 1, or each, a row for "
        "each (default: mix)",
    )
    add_limit(group)


def add_limit(group: Place) -> None:
    """Add how many clips."""
    group.add_argument("--limit", type=positive_int, metavar="N", help="only the first N clips")


def add_output(parser: argparse.ArgumentParser, *, with_table: bool = False) -> None:
    """Add where rows go, and whether to go on."""
    group = parser.add_argument_group(OUTPUT)
    group.add_argument(
        "--output", "--out", metavar="FILE", help=".jsonl, .csv or .html file, or - for JSON lines on stdout"
    )
    if with_table:
        group.add_argument("--table", action="store_true", help="show a table for people on stdout")
    going_on = group.add_mutually_exclusive_group()
    going_on.add_argument(
        "--resume", action="store_true", help="skip the rows, errors too, that the output has already"
    )
    going_on.add_argument(
        "--overwrite", action="store_true", help="begin anew, though the output has rows of an earlier run"
    )
    group.add_argument("--no-progress", action="store_true", help="no progress bar (there is none without a terminal)")


def add_judge(parser: argparse.ArgumentParser, *, has_peers: bool = False) -> None:
    """Add who judges, and how; with others beside the judge if ``has_peers``."""
    group = parser.add_argument_group(JUDGE)
    add_judge_name(group, has_peers=has_peers)
    group.add_argument(
        "--dtype",
        choices=("auto", "float32", "bfloat16", "float16"),
        default="auto",
        help="of the weights (default: the checkpoint's, or bfloat16 where it helps)",
    )
    group.add_argument(
        "--batch-size", type=positive_int, default=8, metavar="N", help="windows per forward pass (default: 8)"
    )
    group.add_argument(
        "--max-hours", type=positive_float, default=2.0, metavar="H", help="refuse longer clips (default: 2)"
    )


def add_judge_name(group: Place, *, has_peers: bool = False) -> None:
    """Add who judges, and where it runs."""
    if has_peers:
        group.add_argument(
            "--judge",
            action="append",
            default=[],
            metavar="NAME",
            help=f"{JUDGE_HELP}; again for another judge, or peer:NAME for a measure of others (`eval ls peers`), whose scores "
            "stand beside, on its own scale",
        )
    else:
        group.add_argument("--judge", metavar="NAME", help=JUDGE_HELP)
    group.add_argument("--revision", metavar="NAME", help="branch, tag or commit of a judge on the Hub")
    group.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, cuda:1, mps (default: auto)")


def add_listener(group: Place) -> None:
    """Add on whose behalf to listen; ``--profile`` was its name."""
    group.add_argument(
        "--listener",
        type=words,
        metavar="WORDS",
        help=(
            'on whose behalf to listen, such as "strict" or "elderly"; mini and open, as they ship, did not learn to heed it'
        ),
    )
    group.add_argument("--profile", dest="listener", type=words, action=_OldName, help=argparse.SUPPRESS)


def add_rubric(group: Place, default: str = "mos and its four dimensions") -> None:
    """Add the rubrics."""
    group.add_argument(
        "--rubric",
        action="append",
        metavar="NAME",
        help=f"one of `ls rubrics`, or a .yaml or .json file of your own; repeatable (default: {default})",
    )


def add_scale(group: Place, of: str = "all scores") -> None:
    """Add the scale of scores, or of ratings."""
    group.add_argument(
        "--scale", metavar="SCALE", help=f"of {of}: 1-5, 1-10, 0-100 …, or `own` for that of each rubric"
    )


def add_tie(group: Place) -> None:
    """Add which differences between systems are none."""
    group.add_argument(
        "--tie",
        type=positive_float,
        metavar="POINTS",
        help="smaller differences of two scores are ties (default: 2.5 %% of the scale, 0.1 of 1-5)",
    )


def add_language(group: Place) -> None:
    """Add the language of answers."""
    group.add_argument(
        "--language", choices=LANGUAGES, default="en", help="of the level names and the words (default: en)"
    )


def add_length(group: Place) -> None:
    """Add the longest free text."""
    group.add_argument("--max-new-tokens", type=positive_int, metavar="N", help="longest free text of an answer")


def add_word_options(parser: argparse.ArgumentParser) -> None:
    """Add all options of a command that has a judge write about clips."""
    add_inputs(parser)
    add_judge(parser)
    asked = parser.add_argument_group(ASKED)
    add_listener(asked)
    add_length(asked)
    add_language(asked)
    add_output(parser)


class _OldName(argparse.Action):
    """An option that has another name by now: it works for one more release, and says so."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, value: Any, name: str | None = None
    ) -> None:
        print(
            f"{parser.prog}: {name} is called --{self.dest} now; the old name works until 0.2",
            file=sys.stderr,
        )
        setattr(namespace, self.dest, value)


# Kinds of values


def words(text: str) -> str:
    """Read words, for argparse."""
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty; say it in words, or leave the option out")
    return text


def whole_number(text: str) -> int:
    """Read a whole number, for argparse."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}; a whole number is needed")
    return int(text)


def positive_int(text: str) -> int:
    """Read a whole number above 0, for argparse."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r}; a whole number above 0 is needed")
    return int(text)


def channel(text: str) -> str:
    """Read which channel is heard, for argparse."""
    if text not in ("mix", "loudest", "left", "right", "each") and not (text.isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r}; mix, loudest, left, right, each or a number from 1 is needed")
    return text


def port(text: str) -> int:
    """Read where a server can listen, for argparse."""
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r}; a port from 1 to 65535 is needed")
    return int(text)


def positive_float(text: str) -> float:
    """Read a number above 0, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text!r}; a number above 0 is needed")
    return value


def fraction(text: str) -> float:
    """Read a number from 0 to 1, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r}; a number from 0 to 1 is needed")
    return value
