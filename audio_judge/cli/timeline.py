"""``audio-judge timeline``: recordings window by window."""

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

from audio_judge.audio import AudioError
from audio_judge.batch.items import Item
from audio_judge.batch.run import Job, output_of
from audio_judge.batch.write import Answer
from audio_judge.cli.common import (
    columns_of,
    finish,
    for_people,
    items_of,
    load,
    own_digest,
    request_of,
    rubrics_of,
    settings_of,
)
from audio_judge.cli.options import EXIT_CODES, add_inputs, add_judge, add_rubric, add_run, positive_float
from audio_judge.errors import UsageError
from audio_judge.judge.judgement import Window
from audio_judge.rubrics.rubric import RUBRICS


def timeline(options: argparse.Namespace) -> int:
    """Score recordings window by window.

    Args:
        options: Parsed options of the command.

    Returns:
        Exit code: 0, 1 if a clip could not be judged, 130 if interrupted.

    Raises:
        UsageError: If the request cannot be carried out.
    """
    output = output_of(options, for_people=True)
    rubrics = rubrics_of(options) or list(RUBRICS.values())
    items = items_of(options)
    judge = load(options)
    names = [one.name for one in rubrics]
    how: dict[str, Any] = {"window_seconds": options.window_seconds, "hop_seconds": options.hop_seconds}
    how |= {"rubrics": rubrics, "batch_size": options.batch_size, "profile": options.profile}

    def answer(some: Iterator[Item]) -> Iterator[Answer]:
        for item in some:
            try:
                yield _windows(list(judge.timeline(request_of(item), **how)), names, item.path)
            except AudioError as error:
                yield Answer(error=str(error))
            except ValueError as error:
                raise UsageError(f"--hop-seconds: {error}") from error

    job = Job(
        "judged",
        settings_of("timeline", judge, rubrics=names, profile=options.profile, own_rubrics=own_digest(rubrics)),
        ("window_start", "window_end", *names),
        answer,
        columns_of(options).identity,
        ("timeline", "seconds"),
        for_people(output),
        is_one_row=False,
    )
    return finish(job, items, output, options)


def _windows(windows: Sequence[Window], names: Sequence[str], clip: str) -> Answer:
    rows = [window.to_dict() for window in windows]
    cells = tuple({"window_start": row["start"], "window_end": row["end"], **row["scores"]} for row in rows)
    head = "  ".join([f"{'seconds':>15}", *(f"{name:>5}" for name in names)])
    lines = [
        f"{row['start']:7.1f}-{row['end']:7.1f}"
        + "".join(f"  {row['scores'][name]:>{max(5, len(name))}.2f}" for name in names)
        for row in rows
    ]
    seconds = round(windows[-1].end - windows[0].start, 3)
    return Answer({"timeline": rows, "seconds": seconds}, "\n".join([clip, head, *lines]), cells=cells)


TIMELINE_EXAMPLES = f"""examples:
  audio-judge timeline podcast.mp3
  audio-judge timeline podcast.mp3 --rubric mos --window-seconds 5 --hop-seconds 1 --output podcast.csv

A .csv file has a row per window, a .jsonl file a row per recording. {EXIT_CODES}"""


def add_timeline_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``timeline``.

    Args:
        parser: Of the command.
    """
    add_inputs(parser)
    add_rubric(parser)
    parser.add_argument(
        "--window-seconds", type=positive_float, metavar="S", help="length of a window (default: the judge's)"
    )
    parser.add_argument(
        "--hop-seconds", type=positive_float, metavar="S", help="from window to window (default: side by side)"
    )
    add_judge(parser)
    add_run(parser)
