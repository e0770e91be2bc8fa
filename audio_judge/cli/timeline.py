"""``audio-judge timeline``: recordings window by window."""

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from audio_judge.batch.items import Item
from audio_judge.batch.run import Job
from audio_judge.batch.write import Answer
from audio_judge.cli.common import finish, for_people, prepare, request_of
from audio_judge.cli.options import (
    ASKED,
    EXIT_CODES,
    add_inputs,
    add_judge,
    add_listener,
    add_output,
    add_rubric,
    positive_float,
)
from audio_judge.errors import UsageError

if TYPE_CHECKING:
    from audio_judge.judge.judgement import Window

EXAMPLES = f"""examples:
  audio-judge timeline podcast.mp3
  audio-judge timeline podcast.mp3 --rubric mos --window-seconds 5 --hop-seconds 1 --output podcast.csv

A .csv file has a row per window, a .jsonl file a row per recording. {EXIT_CODES}"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``timeline``."""
    add_inputs(parser)
    add_judge(parser)
    asked = parser.add_argument_group(ASKED)
    add_rubric(asked)
    add_listener(asked)
    asked.add_argument(
        "--window-seconds", type=positive_float, metavar="S", help="length of a window (default: the judge's)"
    )
    asked.add_argument(
        "--hop-seconds", type=positive_float, metavar="S", help="from window to window (default: side by side)"
    )
    add_output(parser)


def timeline(options: argparse.Namespace) -> int:
    """Score recordings window by window."""
    from audio_judge.audio import AudioError

    asked = prepare(options, rubrics=lambda judge: judge.usual_rubrics)
    names = asked.names
    how: dict[str, Any] = {"window_seconds": options.window_seconds, "hop_seconds": options.hop_seconds}
    how |= {"rubrics": asked.rubrics, "batch_size": asked.batch_size, "listener": asked.listener}

    def answer(some: Iterator[Item]) -> Iterator[Answer]:
        for item in some:
            try:
                request = request_of(item)
                windows = list(asked.judge.timeline(request, **how))
                yield _windows(windows, names, item.path, round(asked.judge.reader.seconds(request), 3))
            except AudioError as error:
                yield Answer(error=str(error))
            except ValueError as error:
                raise UsageError(f"--hop-seconds: {error}") from error

    job = Job(
        "judged",
        asked.settings("timeline"),
        ("window_start", "window_end", *names),
        answer,
        asked.columns.identity,
        ("timeline", "seconds"),
        for_people(asked.output),
        is_one_row=False,
    )
    return finish(job, asked)


def _windows(windows: Sequence["Window"], names: Sequence[str], clip: str, seconds: float) -> Answer:
    rows = [window.to_dict() for window in windows]
    cells = tuple({"window_start": row["start"], "window_end": row["end"], **row["scores"]} for row in rows)
    head = "  ".join([f"{'seconds':>15}", *(f"{name:>5}" for name in names)])
    lines = [
        f"{row['start']:7.1f}-{row['end']:7.1f}"
        + "".join(f"  {row['scores'][name]:>{max(5, len(name))}.2f}" for name in names)
        for row in rows
    ]
    return Answer({"timeline": rows, "seconds": seconds}, "\n".join([clip, head, *lines]), cells=cells)
