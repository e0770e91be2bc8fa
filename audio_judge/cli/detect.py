"""``audio-judge detect``: how likely the speech of clips is real."""

import argparse
from collections.abc import Iterable
from functools import partial

from audio_judge.batch.items import Item
from audio_judge.batch.run import Job, output_of
from audio_judge.cli.common import (
    columns_of,
    finish,
    for_people,
    in_chunks,
    items_of,
    load,
    request_of,
    result_of,
    settings_of,
)
from audio_judge.cli.options import EXIT_CODES, add_inputs, add_judge, add_run
from audio_judge.judge.judgement import Authenticity


def detect(options: argparse.Namespace) -> int:
    """Say how likely the speech of clips is real.

    Args:
        options: Parsed options of the command.

    Returns:
        Exit code: 0, 1 if a clip could not be judged, 130 if interrupted.

    Raises:
        UsageError: If the request cannot be carried out.
    """
    output = output_of(options, for_people=True)
    items = items_of(options)
    judge = load(options)

    def ask(some: list[Item]) -> Iterable[Authenticity]:
        requests = [request_of(item) for item in some]
        return judge.detect(requests, batch_size=options.batch_size, listener=options.profile)

    columns = ("label", "real", "seconds")
    job = Job(
        "listened to",
        settings_of("detect", judge, profile=options.profile),
        columns,
        partial(in_chunks, options.batch_size, ask, partial(result_of, without=("clip", "model", "revision"))),
        columns_of(options).identity,
        (*columns, "timeline"),
        for_people(output),
    )
    return finish(job, items, output, options)


DETECT_EXAMPLES = f"""examples:
  audio-judge detect clip.wav
  audio-judge detect clips/ --output detected.csv

`real` is the probability that the speech is real, not made or altered by a machine. {EXIT_CODES}"""


def add_detect_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``detect``.

    Args:
        parser: Of the command.
    """
    add_inputs(parser)
    add_judge(parser)
    add_run(parser)
