"""``audio-judge describe``: clips in running text."""

import argparse
from typing import TYPE_CHECKING

from audio_judge.cli.common import prepare
from audio_judge.cli.judgements import write_words
from audio_judge.cli.options import EXIT_CODES, add_word_options

if TYPE_CHECKING:
    from audio_judge.judge.judgement import Judgement

EXAMPLES = f"""examples:
  audio-judge describe clip.wav
  audio-judge describe clips/ --output descriptions.jsonl

{EXIT_CODES}"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``describe``."""
    add_word_options(parser)


def describe(options: argparse.Namespace) -> int:
    """Describe clips in running text."""
    return write_words(
        prepare(options, rubrics=lambda judge: judge.rubrics_of("describe")), "describe", "described", _description
    )


def _description(judgement: "Judgement") -> str:
    return f"{judgement.clip} ({judgement.seconds:.1f} s)\n  {judgement.description}"
