"""``audio-judge detect``: how likely the speech of clips is real."""

import argparse
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from audio_judge.batch.items import Item
from audio_judge.batch.run import Job
from audio_judge.cli.common import finish, for_people, in_chunks, prepare, request_of, result_of
from audio_judge.cli.options import ASKED, EXIT_CODES, add_inputs, add_judge, add_listener, add_output

if TYPE_CHECKING:
    from audio_judge.judge.judgement import Authenticity

EXAMPLES = f"""examples:
  audio-judge detect clip.wav
  audio-judge detect clips/ --output detected.csv

`real` is the probability that the speech is real, not made or altered by a machine. {EXIT_CODES}"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``detect``."""
    add_inputs(parser)
    add_judge(parser)
    add_listener(parser.add_argument_group(ASKED))
    add_output(parser)


def detect(options: argparse.Namespace) -> int:
    """Say how likely the speech of clips is real."""
    asked = prepare(options)

    def ask(some: list[Item]) -> Iterable["Authenticity"]:
        requests = [request_of(item) for item in some]
        return asked.judge.detect(requests, batch_size=asked.batch_size, listener=asked.listener)

    columns = ("label", "real", "seconds", "warnings")
    job = Job(
        "listened to",
        asked.settings("detect"),
        columns,
        partial(in_chunks, asked.batch_size, ask, partial(result_of, without=("clip", "model", "revision"))),
        asked.columns.identity,
        (*columns, "timeline", "coverage"),
        for_people(asked.output),
    )
    return finish(job, asked)
