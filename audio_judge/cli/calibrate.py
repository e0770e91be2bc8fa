"""``audio-judge calibrate``: fit the scales of a judge's rubrics to what listeners said of some clips."""

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audio_judge.batch import lines
from audio_judge.batch.items import Item
from audio_judge.batch.run import say, say_some
from audio_judge.cli.common import Asked, prepare, request_of
from audio_judge.cli.options import (
    ASKED,
    OUTPUT,
    add_inputs,
    add_judge,
    add_listener,
    add_rubric,
    add_scale,
)
from audio_judge.errors import UsageError
from audio_judge.rubrics.rubric import ALL_RUBRICS, Rubric, Scale, convert, get_rubric

if TYPE_CHECKING:
    from audio_judge.judge.judgement import Judgement
    from audio_judge.rubrics.calibration import CalibratedRubric

FILE = "calibration.json"

EXAMPLES = f"""examples:
  audio-judge calibrate ratings.csv --judge runs/own
  audio-judge calibrate ratings.csv --scale 0-100 --rubric mos --rubric warmth.yaml --output ours.json
  audio-judge score clips/ --judge runs/own --rubric runs/own/{FILE} --output scores.jsonl

A list needs a column of clips, and a column called like each rubric with its mean rating; an empty cell is no rating. What a map
gains is measured on clips that were left out of its fit, and printed; a rubric for which it gains nothing, or whose ratings could
be as they are by chance, is left out. Exit code: 0, 1 if some clips or rubrics were left out, 2 if nothing could be calibrated."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``calibrate``."""
    add_inputs(parser)
    add_judge(parser)
    asked = parser.add_argument_group(ASKED)
    add_rubric(asked, default="every column that is called like one of `ls rubrics`")
    add_scale(asked, of="the ratings")
    add_listener(asked)
    group = parser.add_argument_group(OUTPUT)
    group.add_argument(
        "--output",
        "--out",
        metavar="FILE",
        help=f".json file, for --rubric (default: {FILE} in the folder of the judge; of a judge that ships or is on the Hub, "
        "beside the ratings)",
    )
    group.add_argument("--overwrite", action="store_true", help="replace the output of an earlier run")
    parser.set_defaults(resume=False, no_progress=False)


def calibrate(options: argparse.Namespace) -> int:
    """Fit each rubric to its ratings, and write those that gain by it."""
    out = _output(options)
    options.output = None
    asked = prepare(options, rubrics=lambda judge: (), scale="own")
    rubrics = list(asked.rubrics) or _named_by_columns(asked.items)
    rated, problems = _rated(asked.items, rubrics, asked.scale)
    if not rated:
        reason = problems[0] if problems else f"no column called {' or '.join(one.name for one in rubrics)}"
        raise UsageError(f"{' '.join(options.clips)}: no ratings ({reason})")
    judged = asked.judge.score(
        [request_of(item) for item, _ in rated],
        rubric=rubrics,
        batch_size=asked.batch_size,
        listener=asked.listener,
        progress=True,
    )
    problems += [str(one.error) for one in judged if one.error is not None]
    fitted = _fitted(asked, rubrics, [(one, ratings) for one, (_, ratings) in zip(judged, rated, strict=True)])
    say_some(problems)
    if problems:
        say(f"{len(problems)} ratings left out")
    if not fitted:
        raise UsageError("no rubric could be calibrated, and nothing was written")
    out.write_text(json.dumps({one.name: one.to_dict() for one in fitted}, ensure_ascii=False, indent=1) + "\n")
    say(f"{out}: {', '.join(one.name for one in fitted)}; use them with --rubric {out}")
    return 1 if problems or len(fitted) < len(rubrics) else 0


def _output(options: argparse.Namespace) -> Path:
    folder = Path(options.judge) if options.judge and Path(options.judge).is_dir() else Path(options.clips[0]).parent
    out = Path(options.output) if options.output else folder / FILE
    if out.suffix.lower() != ".json":
        raise UsageError(f"--output {out}: the name must end in .json")
    if out.exists() and not options.overwrite:
        raise UsageError(f"{out} is there already; give --overwrite, or another --output")
    if not out.parent.is_dir():
        raise UsageError(f"--output {out}: no folder {out.parent}")
    return out


def _named_by_columns(items: Sequence[Item]) -> list[Rubric]:
    names = list(dict.fromkeys(name for item in items for name in item.row if name in ALL_RUBRICS))
    if not names:
        raise UsageError("no column is called like a rubric (see `ls rubrics`); name yours with --rubric")
    return [get_rubric(name) for name in names]


def _rated(
    items: Sequence[Item], rubrics: Sequence[Rubric], scale: Scale | None
) -> tuple[list[tuple[Item, dict[str, float]]], list[str]]:
    """Items with their ratings on the scales of the rubrics, and what is wrong with others."""
    rated, problems = [], []
    for item in items:
        if item.error is not None:
            problems.append(item.error)
            continue
        found = {}
        for rubric in rubrics:
            said = item.row.get(rubric.name)
            if said is None or str(said).strip() == "":
                continue
            try:
                found[rubric.name] = _rating(said, rubric, scale)
            except ValueError as error:
                problems.append(f"{item.path}: {error}")
        if found:
            rated.append((item, found))
    return rated, problems


def _rating(said: object, rubric: Rubric, scale: Scale | None) -> float:
    value = lines.as_number(said)
    if value is None:
        raise ValueError(f"{rubric.name} is {said!r}; a number, or an empty cell, is needed")
    ends = scale or rubric.scale
    if not (math.isfinite(value) and ends.low <= value <= ends.high):
        raise ValueError(
            f"{rubric.name} {value:g} is outside {ends.low:g} to {ends.high:g}; say the scale with --scale"
        )
    return convert(value, ends, rubric.scale)


def _fitted(
    asked: Asked, rubrics: Sequence[Rubric], heard: Sequence[tuple["Judgement", dict[str, float]]]
) -> list["CalibratedRubric"]:
    from audio_judge.rubrics import calibration

    found = []
    for rubric in rubrics:
        pairs = [
            (judgement[rubric.name].value, ratings[rubric.name])
            for judgement, ratings in heard
            if rubric.name in judgement.scores and rubric.name in ratings
        ]
        readings, ratings = [one for one, _ in pairs], [one for _, one in pairs]
        plain = calibration.uncalibrated(rubric)
        try:
            fitted = calibration.calibrate(plain, readings, ratings, asked.judge.identity.signature)
        except ValueError as error:
            say(f"{error}")
        else:
            found.append(fitted)
            say(f"{rubric.name}: {fitted.gain}")
    return found
