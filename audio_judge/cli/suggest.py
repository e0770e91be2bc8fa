"""``audio-judge suggest``: what to improve in clips."""

import argparse

from audio_judge.cli.common import prepare
from audio_judge.cli.judgements import write_words
from audio_judge.cli.options import EXIT_CODES, add_word_options

EXAMPLES = f"""examples:
  audio-judge suggest clip.wav
  audio-judge suggest clips/ --output suggestions.csv

{EXIT_CODES}"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``suggest``."""
    add_word_options(parser)


def suggest(options: argparse.Namespace) -> int:
    """Say what to improve in clips."""
    return write_words(prepare(options, rubrics=lambda judge: judge.rubrics_of("suggest")), "suggest", "advised on")
