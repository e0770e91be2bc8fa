"""``audio-judge explain``: scores of clips and the reasons in words."""

import argparse

from audio_judge.cli.common import prepare
from audio_judge.cli.judgements import write_words
from audio_judge.cli.options import EXIT_CODES, add_word_options

EXAMPLES = f"""examples:
  audio-judge explain clip.wav
  audio-judge explain degraded.wav --reference clean.wav
  audio-judge explain clips/ --output explained.html

Without --output, text for people; `--output -` gives JSON lines. {EXIT_CODES}"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``explain``."""
    add_word_options(parser)


def explain(options: argparse.Namespace) -> int:
    """Say the scores of clips and the reasons in words."""
    return write_words(prepare(options, rubrics=lambda judge: judge.rubrics_of("explain")), "explain", "explained")
