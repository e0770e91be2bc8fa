"""``audio-judge analyze``: what can be measured in clips, without a judge."""

import argparse
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import audio_judge
from audio_judge.batch.items import Item
from audio_judge.batch.run import Job
from audio_judge.batch.write import Answer
from audio_judge.cli.common import finish, for_people, prepare_clips, request_of
from audio_judge.cli.options import EXIT_CODES, add_inputs, add_output

EXAMPLES = f"""examples:
  audio-judge analyze clip.wav
  audio-judge analyze clips/ --output facts.csv

Measured, not judged: level, peaks, clipping, noise, bandwidth, dropouts, silence. {EXIT_CODES}"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``analyze``."""
    add_inputs(parser)
    add_output(parser)


def analyze(options: argparse.Namespace) -> int:
    """Measure clips, without a judge."""
    asked = prepare_clips(options)
    names = [one.name for one in fields(audio_judge.Analysis) if one.name != "clip"]
    job = Job(
        "measured",
        {"task": "analyze", "audio_judge": audio_judge.__version__},
        (*names, "dropout_seconds"),
        lambda some: map(_measured, some),
        asked.columns.identity,
        names,
        for_people(asked.output),
    )
    return finish(job, asked)


def _measured(item: Item) -> Answer:
    from audio_judge.audio import AudioError

    request = request_of(item)
    try:
        facts = audio_judge.analyze(
            request.clip, start_time=request.start_time, end_time=request.end_time, channel=request.channel
        )
    except (AudioError, OSError) as error:
        reason = str(error)
        return Answer(error=reason if reason.startswith(item.path) else f"{item.path}: {reason}")
    row: Mapping[str, Any] = {name: value for name, value in facts.to_dict().items() if name != "clip"}
    return Answer(row, facts, cells=(facts.to_row(),))
