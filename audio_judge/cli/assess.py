"""``audio-judge assess``: clips dimension by dimension, and summed up in words."""

import argparse

from audio_judge.cli.common import prepare
from audio_judge.cli.judgements import write_words
from audio_judge.cli.options import EXIT_CODES, add_word_options

EXAMPLES = f"""examples:
  audio-judge assess clip.wav
  audio-judge assess clips/ --listener "call centre customer" --output assessed.jsonl

The `text` of a row is the whole answer: a thought with a line per dimension, and the summary. {EXIT_CODES}"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``assess``."""
    add_word_options(parser)


def assess(options: argparse.Namespace) -> int:
    """Assess clips dimension by dimension, and sum it up in words."""
    return write_words(prepare(options, rubrics=lambda judge: judge.rubrics_of("assess")), "assess", "assessed")
