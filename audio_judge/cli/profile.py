"""``audio-judge profile``: scores of clips on all rubrics that the judge was trained on."""

import argparse

from audio_judge.cli.common import OWN_SCALE, prepare
from audio_judge.cli.judgements import write_scores
from audio_judge.cli.options import (
    ASKED,
    EXIT_CODES,
    add_inputs,
    add_judge,
    add_language,
    add_listener,
    add_output,
    add_scale,
)
from audio_judge.rubrics.rubric import RUBRICS

EXAMPLES = f"""examples:
  audio-judge profile clip.wav --table
  audio-judge profile clips/ --output profiles.csv

Every rubric that the judge was trained on, each on its own scale. {EXIT_CODES}"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``profile``."""
    add_inputs(parser)
    add_judge(parser)
    asked = parser.add_argument_group(ASKED)
    add_scale(asked)
    add_listener(asked)
    add_language(asked)
    add_output(parser, with_table=True)


def profile(options: argparse.Namespace) -> int:
    """Score clips on all the rubrics that the judge was trained on, each on its own scale."""
    asked = prepare(options, for_people=options.table, rubrics=lambda judge: judge.rubrics or RUBRICS, scale=OWN_SCALE)
    return write_scores(asked, "profile")
