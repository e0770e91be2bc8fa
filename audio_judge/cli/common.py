"""What the commands that ask a judge share: which clips, which judge, which rubrics, and how answers are shown.

The commands themselves are in ``audio_judge.score_commands`` and ``audio_judge.commands``; finding clips is the business of
``audio_judge.inputs``, judging and writing them one by one that of ``audio_judge.runs``.
"""

import argparse
import hashlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from transformers.utils import logging

from audio_judge.batch import shards
from audio_judge.batch.find import find_items
from audio_judge.batch.items import Columns, Item
from audio_judge.batch.run import Job, Output, run
from audio_judge.batch.write import Answer
from audio_judge.errors import UsageError
from audio_judge.judge.judge import AudioJudge
from audio_judge.judge.judgement import Authenticity, Preference
from audio_judge.judge.requests import Request
from audio_judge.reports import answers
from audio_judge.rubrics.files import SUFFIXES, read_rubrics
from audio_judge.rubrics.rubric import FIVE, Rubric, Scale, get_rubric

OWN_SCALE = "own"

Many = Callable[[list[Any]], Iterable[Any]]


def load_judge(
    name: str | None,
    *,
    device: str = "auto",
    dtype: str = "auto",
    revision: str | None = None,
    longest_hours: float = 2.0,
) -> AudioJudge:
    """Load a judge, without the chatter of the libraries.

    Args:
        name: Hub id or folder; None for the one shipped.
        device: As in ``AudioJudge.from_pretrained``; ``auto`` gives each process of several its own accelerator.
        dtype: Of the weights.
        revision: Branch, tag or commit of a Hub repo.
        longest_hours: Longer clips are refused.

    Raises:
        UsageError: If it cannot be loaded.
    """
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if name and name.startswith(("/", ".")) and not Path(name).is_dir():
        raise UsageError(f"--judge {name}: no such folder")
    place = shards.this_shard().device(device)
    try:
        judge = AudioJudge.from_pretrained(name, device=place, dtype=dtype, revision=revision)
    except (OSError, ValueError, ImportError, RuntimeError, AssertionError, SafetensorError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise UsageError(f"{name or 'the shipped judge'} cannot be loaded on {place}: {reason}") from error
    judge.longest_seconds = longest_hours * 3600
    return judge


def load(options: argparse.Namespace) -> AudioJudge:
    """Load the judge that is asked for.

    Args:
        options: Parsed options of a command.

    Raises:
        UsageError: If it cannot be loaded.
    """
    return load_judge(
        options.judge,
        device=options.device,
        dtype=options.dtype,
        revision=options.revision,
        longest_hours=options.max_hours,
    )


def columns_of(options: argparse.Namespace) -> Columns:
    """Say which columns of a list hold what.

    Args:
        options: Parsed options of a command.
    """
    return Columns(options.path_column, options.reference_column)


def items_of(options: argparse.Namespace) -> list[Item]:
    """Find the clips that are asked for.

    Args:
        options: Parsed options of a command.

    Raises:
        UsageError: If there are none, or a list cannot be read.
    """
    items = find_items(options.clips, columns_of(options), reference=options.reference, stdin=sys.stdin)
    if not items:
        raise UsageError(f"nothing to judge: {', '.join(options.clips)} has no rows")
    return items[: options.limit]


def request_of(item: Item) -> Request:
    """Say what a judge is asked about an item; a row of a data set is read here.

    Args:
        item: That can be judged.
    """
    clip = item.path if item.read is None else item.read()
    reference = item.reference if item.read_reference is None else item.read_reference()
    return Request(clip, reference, item.start_time, item.end_time)


def _chunks(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while chunk := list(islice(items, size)):
        yield chunk


def in_chunks(size: int, ask: Many, answer: Callable[[Any], Answer], items: Iterator[Any]) -> Iterator[Answer]:
    """Ask what takes a list at a time.

    Args:
        size: Items at a time.
        ask: Gives one result for each item of a list.
        answer: Makes an answer of a result.
        items: To be judged.

    Yields:
        Answers, in the order of the items.
    """
    for chunk in _chunks(items, size):
        yield from map(answer, ask(chunk))


def settings_of(task: str, judge: AudioJudge | None, **more: Any) -> dict[str, Any]:
    """Settings of a run; what is not said is left out.

    Args:
        task: What is asked.
        judge: Who is asked; None for nobody.
        more: Others of ``outputs.ALL_SETTINGS``; None for what does not apply.
    """
    who = {} if judge is None else {"model": judge.name, "revision": judge.revision}
    return {"task": task, **who, **{name: value for name, value in more.items() if value is not None}}


def finish(job: Job, items: Sequence[Any], output: Output, options: argparse.Namespace) -> int:
    """Judge the items; make the page of the rows if one is asked for.

    Args:
        job: What is asked about them.
        items: To be judged.
        output: Where rows go.
        options: Parsed options of the command.

    Returns:
        Exit code, as of ``runs.run``.

    Raises:
        UsageError: If the request cannot be carried out.
    """
    answers.check(output.page)
    code = run(job, items, output, no_progress=options.no_progress)
    if output.page is not None and output.path is not None and code < 2 and shards.this_shard().is_main:
        answers.write(output.page, output.path, job)
    return code


def shown_name(item: Item, options: argparse.Namespace) -> str:
    """Say what to call an item in a table.

    Args:
        item: Of any kind.
        options: Parsed options of the command.
    """
    name = str(columns_of(options).path_of(item.row) or "?")
    if item.start_time is None and item.end_time is None:
        return name
    end = "" if item.end_time is None else f"{item.end_time:g}"
    return f"{name} [{item.start_time or 0:g}-{end} s]"


def for_people(output: Output, write: Callable[[Any], str] = str) -> Callable[[Any, Answer], str | None] | None:
    """Show the judge's own result, unless rows are asked for; errors are shown at the end.

    Args:
        output: Where rows go.
        write: Writes a result for people.

    Returns:
        For ``Job.show``.
    """
    if output.has_rows:
        return None
    return lambda item, answer: None if answer.error is not None else f"{write(answer.said)}\n"


# Rubrics and scales


def rubrics_of(options: argparse.Namespace) -> list[Rubric] | None:
    """Find the rubrics that are named, this package's and those of files.

    Args:
        options: Parsed options of a command.

    Returns:
        The rubrics; None if none are named.

    Raises:
        UsageError: If there is no such rubric or file.
    """
    if not options.rubric:
        return None
    found: dict[str, Rubric] = {}
    for name in options.rubric:
        own = read_rubrics(Path(name)) if Path(name).suffix.lower() in SUFFIXES else []
        try:
            found |= {one.name: one for one in own or [get_rubric(name)]}
        except ValueError as error:
            raise UsageError(f"--rubric: {error}") from error
    return list(found.values())


def own_digest(rubrics: Sequence[Rubric]) -> str | None:
    """Sum up the rubrics that people brought, so that no run goes on with others of the same names.

    Args:
        rubrics: Of a run.

    Returns:
        Twelve digits; None if all are this package's.
    """
    own = [repr(one) for one in rubrics if not is_ours(one)]
    return hashlib.sha256("\n".join(own).encode()).hexdigest()[:12] if own else None


def is_ours(rubric: Rubric) -> bool:
    """Whether a rubric is one of this package's, unchanged.

    Args:
        rubric: Any.
    """
    try:
        return get_rubric(rubric.name) == rubric
    except ValueError:
        return False


def scale_of(text: str | None, rubrics: Sequence[Rubric]) -> tuple[Scale | None, str]:
    """Find the scale of all scores.

    Args:
        text: Such as ``0-100``, or ``own``; None for 1-5 if all rubrics are on it, else their own.
        rubrics: To be scored on.

    Returns:
        The scale, None for that of each rubric, and its name.

    Raises:
        UsageError: If it is no scale.
    """
    if text is None:
        text = FIVE.name if all(one.scale == FIVE for one in rubrics) else OWN_SCALE
    if text == OWN_SCALE:
        return None, OWN_SCALE
    match = re.fullmatch(r"(-?\d+(?:\.\d+)?)-(-?\d+(?:\.\d+)?)", text)
    try:
        if match is None:
            raise ValueError(f"{text!r} is no scale")
        return Scale(float(match[1]), float(match[2]), text), text
    except ValueError as error:
        raise UsageError(f"--scale {text}: {error}; such as 1-5, 0-100 or own is needed") from error


def result_of(said: Authenticity | Preference, without: Sequence[str]) -> Answer:
    """A result as it writes itself, but for what stands in the row anyway."""
    if said.error is not None:
        return Answer(error=said.error)
    row = {name: value for name, value in said.to_dict().items() if name not in without}
    return Answer(row, said, cells=(said.to_row(),))
