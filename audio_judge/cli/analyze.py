"""``audio-judge analyze``: what can be measured in clips, without a judge."""

import argparse
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from audio_judge.analyze import Analysis
from audio_judge.analyze import analyze as measure
from audio_judge.audio import AudioError
from audio_judge.batch.items import Item
from audio_judge.batch.run import Job, output_of
from audio_judge.batch.write import Answer
from audio_judge.cli.common import (
    columns_of,
    finish,
    for_people,
    items_of,
    request_of,
    settings_of,
)
from audio_judge.cli.options import EXIT_CODES, add_inputs, add_run


def analyze(options: argparse.Namespace) -> int:
    """Measure clips, without a judge.

    Args:
        options: Parsed options of the command.

    Returns:
        Exit code: 0, 1 if a clip could not be measured, 130 if interrupted.

    Raises:
        UsageError: If the request cannot be carried out.
    """
    output = output_of(options, for_people=True)
    items = items_of(options)
    names = [one.name for one in fields(Analysis) if one.name != "clip"]
    job = Job(
        "measured",
        settings_of("analyze", None),
        (*names, "dropout_seconds"),
        lambda some: map(_measured, some),
        columns_of(options).identity,
        names,
        for_people(output),
    )
    return finish(job, items, output, options)


def _measured(item: Item) -> Answer:
    request = request_of(item)
    try:
        facts = measure(request.clip, start_time=request.start_time, end_time=request.end_time)
    except AudioError as error:
        reason = str(error)
        return Answer(error=reason if reason.startswith(item.path) else f"{item.path}: {reason}")
    row: Mapping[str, Any] = {name: value for name, value in facts.to_dict().items() if name != "clip"}
    return Answer(row, facts, cells=(facts.to_row(),))


ANALYZE_EXAMPLES = f"""examples:
  audio-judge analyze clip.wav
  audio-judge analyze clips/ --output facts.csv

Measured, not judged: level, peaks, clipping, noise, bandwidth, dropouts, silence. {EXIT_CODES}"""


def add_analyze_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``analyze``.

    Args:
        parser: Of the command.
    """
    add_inputs(parser)
    add_run(parser)
