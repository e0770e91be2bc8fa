"""``audio-judge compare``: which clip of each pair is better."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

from audio_judge.batch.items import PairColumns, PairItem
from audio_judge.batch.pairs import find_pairs
from audio_judge.batch.run import Job, output_of
from audio_judge.batch.write import Answer
from audio_judge.cli.common import (
    finish,
    for_people,
    in_chunks,
    load,
    own_digest,
    result_of,
    rubrics_of,
    settings_of,
)
from audio_judge.cli.options import EXIT_CODES, add_judge, add_length, add_rubric, add_run
from audio_judge.errors import UsageError
from audio_judge.judge.judgement import Preference
from audio_judge.judge.requests import Request
from audio_judge.rubrics.rubric import get_rubric


def compare(options: argparse.Namespace) -> int:
    """Say which clip of each pair is better.

    Args:
        options: Parsed options of the command.

    Returns:
        Exit code: 0, 1 if a pair could not be judged, 130 if interrupted.

    Raises:
        UsageError: If the request cannot be carried out.
    """
    output = output_of(options, for_people=True)
    rubrics = rubrics_of(options) or [get_rubric("mos")]
    columns = PairColumns(options.first_column, options.second_column)
    pairs = find_pairs(options.clips, columns, stdin=sys.stdin)[: options.limit]
    if not pairs:
        raise UsageError(f"nothing to compare: {', '.join(options.clips)} has no rows")
    judge = load(options)
    how: dict[str, Any] = {"explain": not options.no_reasons, "form": options.form, "profile": options.profile}
    limit = {} if options.max_new_tokens is None else {"max_new_tokens": options.max_new_tokens}

    def ask(some: list[PairItem]) -> list[Preference]:
        first, second = [Request(pair.first) for pair in some], [Request(pair.second) for pair in some]
        return judge.compare(first, second, rubric=rubrics, batch_size=options.batch_size, **how, **limit)

    names = [one.name for one in rubrics]
    task = "compare" + "-briefly" * options.no_reasons + "-by-dimensions" * (options.form == "dimensions")
    job = Job(
        "compared",
        settings_of(task, judge, rubrics=names, profile=options.profile, own_rubrics=own_digest(rubrics)),
        ("better", "p_a", "p_b", "p_tie", *(f"{name}_lead" for name in names), "reasons"),
        partial(in_chunks, options.batch_size, ask, partial(_compared, names=names)),
        columns.identity,
        ("better", "probabilities", "by_rubric", "reasons", "text", "has_own_words"),
        for_people(output),
        unit="pair",
    )
    return finish(job, pairs, output, options)


def _compared(said: Preference, names: Sequence[str]) -> Answer:
    answer = result_of(said, ("first", "second", "model", "revision", "error"))
    # In all rows, rubrics are the names of those that were asked for
    row = {("by_rubric" if name == "rubrics" else name): value for name, value in answer.row.items()}
    return Answer(row, said, answer.error, answer.cells)


COMPARE_EXAMPLES = f"""examples:
  audio-judge compare old.wav new.wav
  audio-judge compare old/ new/ --rubric noisiness --output compared.csv
  audio-judge compare pairs.csv --output compared.jsonl
  audio-judge compare systems.csv --first-column ours --second-column theirs --no-reasons > compared.txt

Clips of two folders are paired by their names, without the endings; rows of a list have the paths `a` and `b`. The order of
a pair cannot change what is said about it. {EXIT_CODES}"""


def add_compare_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``compare``.

    Args:
        parser: Of the command.
    """
    parser.add_argument(
        "clips", nargs="+", metavar="PATH", help="two files, two directories, .jsonl or .csv lists of pairs, or -"
    )
    parser.add_argument("--first-column", default="a", metavar="NAME", help="column of clip A in a list (default: a)")
    parser.add_argument("--second-column", default="b", metavar="NAME", help="column of clip B in a list (default: b)")
    add_rubric(parser, "mos; the first one decides")
    parser.add_argument("--no-reasons", action="store_true", help="only probabilities, no words (faster)")
    parser.add_argument(
        "--form", choices=("preference", "dimensions"), default="preference", help="of the words (default: preference)"
    )
    add_length(parser)
    add_judge(parser)
    add_run(parser)
