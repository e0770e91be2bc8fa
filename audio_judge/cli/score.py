"""``audio-judge score``: scores of clips on rubrics, alone or with the reasons in words."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from audio_judge.cli import beside
from audio_judge.cli.common import is_ours, prepare
from audio_judge.cli.judgements import write_scores, write_words
from audio_judge.cli.measures import Measure
from audio_judge.cli.options import (
    ASKED,
    EXIT_CODES,
    add_inputs,
    add_judge,
    add_language,
    add_length,
    add_listener,
    add_output,
    add_rubric,
    add_scale,
)
from audio_judge.errors import UsageError
from audio_judge.rubrics.rubric import FIVE, RUBRICS, Rubric

EXAMPLES = f"""examples:
  audio-judge score clip.wav other.mp3 clips/ --output scores.jsonl
  audio-judge score "takes/**/*.flac" --table
  audio-judge score degraded.wav --reference clean.wav --rubric mos
  audio-judge score clips/ --rubric mos --rubric warmth.yaml --listener "elderly listener" --output scores.html
  audio-judge score rows.jsonl --output scores.csv --resume
  audio-judge score clips/ --judge mini --judge peer:nisqa --judge peer:dnsmos --output scores.csv
  audio-judge score clips/ --judge peer:nisqa --table
  audio-judge score corpus.csv --path-column filename --scale 0-100 > scores.jsonl
  audio-judge score hf://datasets/OWNER/NAME:test --output scores.jsonl
  find . -name "*.wav" | audio-judge score - --output scores.jsonl
  accelerate launch --num_processes 4 -m audio_judge score clips/ --output scores.jsonl

A row of a .jsonl or .csv list has `path` and may have `start_time`, `end_time` (in seconds) and `reference`; paths are
relative to the list. All its other keys are kept in the output; one that the answer needs becomes input_<key>.
CSV output has no shares per level and no timeline. x.html is a page for people; its rows are in x.html.jsonl beside it.
With several processes each writes a part beside the output; they are merged in the order of the clips at the end.
{EXIT_CODES}"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``score``."""
    add_inputs(parser)
    add_judge(parser, has_peers=True)
    asked = parser.add_argument_group(ASKED)
    add_rubric(asked)
    add_scale(asked)
    add_listener(asked)
    asked.add_argument("--explain", action="store_true", help="add reasons in words (slower)")
    add_length(asked)
    add_language(asked)
    add_output(parser, with_table=True)


def score(options: argparse.Namespace) -> int:
    """Score clips and write a row for each."""
    check = _check_explained if options.explain else None
    judge, others = beside.split(options.judge)
    if others and options.explain:
        raise UsageError(f"--explain with --judge {others[0]}: words are those of one judge; leave one out")
    if others and options.revision is not None:
        raise UsageError("--revision with several --judge: it does not say of which; give folders of the revisions")
    # Who cannot be loaded is refused before the judge is
    how = {"device": options.device, "dtype": options.dtype, "longest_hours": options.max_hours}
    loaded = beside.load(others, batch_size=options.batch_size, **how)
    if beside.is_measure(judge):
        _check_measured(options, str(judge))
    one = argparse.Namespace(**{**vars(options), "judge": judge})
    asking: dict[str, Any] = {"for_people": options.table, "check": check, "load": beside.load_first}
    asked = prepare(one, rubrics=lambda judge: judge.usual_rubrics, **asking)
    if isinstance(asked.judge, Measure):
        asked = replace(asked, scale=asked.judge.scale)
    return write_words(asked, "explain", "scored") if options.explain else write_scores(asked, "score", loaded)


def _check_measured(options: argparse.Namespace, name: str) -> None:
    """Refuse what means nothing to a measure of others."""
    given = {"explain": options.explain, "scale": options.scale, "listener": options.listener}
    given["language"] = options.language != "en"
    for option, value in given.items():
        if value:
            raise UsageError(f"--{option} with --judge {name}: a measure gives scores on its own scale, and no more")


def _check_explained(rubrics: Sequence[Rubric], scale: str | None) -> None:
    if scale not in (None, FIVE.name):
        raise UsageError(f"--explain speaks of the scale 1-5; leave out --scale {scale} or --explain")
    unexplained = [one.name for one in rubrics if one.name not in RUBRICS or not is_ours(one)]
    if unexplained:
        raise UsageError(f"--explain speaks of {', '.join(RUBRICS)}; leave out --rubric {unexplained[0]} or --explain")
