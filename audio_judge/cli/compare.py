"""``audio-judge compare``: which clip of each pair is better."""

import argparse
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import audio_judge
from audio_judge.batch.items import PairItem
from audio_judge.batch.run import Job
from audio_judge.batch.write import Answer
from audio_judge.cli.common import finish, for_people, in_chunks, prepare, result_of
from audio_judge.cli.options import (
    ASKED,
    EXIT_CODES,
    INPUTS,
    add_judge,
    add_length,
    add_limit,
    add_listener,
    add_output,
    add_rubric,
)

if TYPE_CHECKING:
    from audio_judge.judge.judgement import Preference

EXAMPLES = f"""examples:
  audio-judge compare old.wav new.wav
  audio-judge compare old/ new/ --rubric noisiness --output compared.csv
  audio-judge compare pairs.csv --output compared.jsonl
  audio-judge compare systems.csv --first-column ours --second-column theirs --no-reasons > compared.txt

Clips of two folders are paired by their names, without the endings; rows of a list have the paths `a` and `b`, those of a data
set two sounds. The order of
a pair cannot change what is said about it. {EXIT_CODES}"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``compare``."""
    inputs = parser.add_argument_group(INPUTS)
    inputs.add_argument(
        "clips",
        nargs="+",
        metavar="PATH",
        help="two files, two directories, .jsonl or .csv lists of pairs, hf://datasets/OWNER/NAME:SPLIT, or -",
    )
    inputs.add_argument("--first-column", default="a", metavar="NAME", help="column of clip A in a list (default: a)")
    inputs.add_argument("--second-column", default="b", metavar="NAME", help="column of clip B in a list (default: b)")
    add_limit(inputs)
    add_judge(parser)
    asked = parser.add_argument_group(ASKED)
    add_rubric(asked, "mos; the first one decides")
    add_listener(asked)
    asked.add_argument("--no-reasons", action="store_true", help="only probabilities, no words (faster)")
    asked.add_argument(
        "--form", choices=("preference", "dimensions"), default="preference", help="of the words (default: preference)"
    )
    add_length(asked)
    add_output(parser)


def compare(options: argparse.Namespace) -> int:
    """Say which clip of each pair is better."""
    asked = prepare(options, rubrics=["mos"])
    explain, form, names = not options.no_reasons, options.form, asked.names

    def ask(some: list[PairItem]) -> list["Preference"]:
        first = [audio_judge.Request(pair.first if pair.read_first is None else pair.read_first()) for pair in some]
        second = [audio_judge.Request(pair.second if pair.read_second is None else pair.read_second()) for pair in some]
        how = {"explain": explain, "form": form, "listener": asked.listener, **asked.length}
        return asked.judge.compare(first, second, rubric=asked.rubrics, batch_size=asked.batch_size, **how)

    # The task is in every row, so that --resume does not mix pairs with and without words
    task = "compare" + "-briefly" * (not explain) + "-by-dimensions" * (form == "dimensions")
    job = Job(
        "compared",
        asked.settings(task),
        ("better", "p_a", "p_b", "p_tie", *(f"{name}_lead" for name in names), "reasons", "warnings"),
        partial(in_chunks, asked.batch_size, ask, partial(_compared, names=names)),
        asked.columns.identity,
        ("better", "probabilities", "by_rubric", "reasons", "text", "has_own_words", "coverage", "warnings"),
        for_people(asked.output),
        unit="pair",
    )
    return finish(job, asked)


def _compared(said: "Preference", names: Sequence[str]) -> Answer:
    answer = result_of(said, ("first", "second", "model", "revision", "error"))
    # In all rows, rubrics are the names of those that were asked for
    row = {("by_rubric" if name == "rubrics" else name): value for name, value in answer.row.items()}
    return Answer(row, said, answer.error, answer.cells)
