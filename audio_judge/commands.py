"""The commands of ``audio-judge`` that ask other things than scores: questions, pairs, real or fake, windows, facts.

audio-judge compare old.wav new.wav
audio-judge decide clip.wav --ask "Is there hum?"
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from audio_judge.analyze import Analysis
from audio_judge.analyze import analyze as measure
from audio_judge.asking import (
    columns_of,
    finish,
    for_people,
    in_chunks,
    items_of,
    load,
    own_digest,
    request_of,
    rubrics_of,
    settings_of,
)
from audio_judge.audio import AudioError
from audio_judge.inputs import Item, UsageError
from audio_judge.judge import Request
from audio_judge.judgement import Authenticity, Preference, Window
from audio_judge.outputs import Answer
from audio_judge.pairs import PairColumns, PairItem, find_pairs
from audio_judge.rubrics import RUBRICS, get_rubric
from audio_judge.runs import Job, output_of


def decide(options: argparse.Namespace) -> int:
    """Answer closed questions about clips.

    Args:
        options: Parsed options of the command.

    Returns:
        Exit code: 0, 1 if a clip could not be judged, 130 if interrupted.

    Raises:
        UsageError: If the request cannot be carried out.
    """
    questions = _questions(options)
    output = output_of(options, for_people=False)
    items = items_of(options)
    judge = load(options)
    try:
        judge.parse_questions(questions)
    except ValueError as error:
        raise UsageError(str(error)) from error

    def ask(some: list[Item]) -> Iterable[dict[str, Any]]:
        return judge.decide([request_of(item) for item in some], questions, batch_size=options.batch_size)

    digest = hashlib.sha256(json.dumps(questions).encode()).hexdigest()[:12]
    settings = settings_of("decide", judge, questions=digest)
    answer = partial(in_chunks, options.batch_size, ask, _decided)
    job = Job("decided", settings, tuple(questions), answer, columns_of(options).identity, ("answers",))
    return finish(job, items, output, options)


def _decided(answers: dict[str, Any]) -> Answer:
    if list(answers) == ["error"] and isinstance(answers["error"], str):
        return Answer(error=answers["error"])
    # Of each kind of question, the answer stands under its name; when has several
    cells = {name: one["spans" if one["type"] == "span" else one["type"]] for name, one in answers.items()}
    return Answer({"answers": answers}, answers, cells=(cells,))


def _questions(options: argparse.Namespace) -> dict[str, Any]:
    """Questions of the file and those that are asked in words, which are named by their words."""
    questions: dict[str, Any] = {}
    if options.questions is not None:
        try:
            questions = json.loads(Path(options.questions).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"--questions {options.questions}: cannot be read as JSON ({error})") from error
        if not isinstance(questions, dict):
            raise UsageError(f"--questions {options.questions}: one object, name to question, is needed")
    questions |= {text: {"type": "noul", "instructions": text} for text in options.ask}
    if not questions:
        raise UsageError("no question; give --ask TEXT or --questions FILE")
    return questions


def detect(options: argparse.Namespace) -> int:
    """Say how likely the speech of clips is real.

    Args:
        options: Parsed options of the command.

    Returns:
        Exit code: 0, 1 if a clip could not be judged, 130 if interrupted.

    Raises:
        UsageError: If the request cannot be carried out.
    """
    output = output_of(options, for_people=True)
    items = items_of(options)
    judge = load(options)

    def ask(some: list[Item]) -> Iterable[Authenticity]:
        requests = [request_of(item) for item in some]
        return judge.detect(requests, batch_size=options.batch_size, profile=options.profile)

    columns = ("label", "real", "seconds")
    job = Job(
        "listened to",
        settings_of("detect", judge, profile=options.profile),
        columns,
        partial(in_chunks, options.batch_size, ask, partial(_result, without=("clip", "model", "revision"))),
        columns_of(options).identity,
        (*columns, "timeline"),
        for_people(output),
    )
    return finish(job, items, output, options)


def _result(said: Authenticity | Preference, without: Sequence[str]) -> Answer:
    """A result as it writes itself, but for what stands in the row anyway."""
    if said.error is not None:
        return Answer(error=said.error)
    row = {name: value for name, value in said.to_dict().items() if name not in without}
    return Answer(row, said, cells=(said.to_row(),))


def compare(options: argparse.Namespace) -> int:
    """Say which clip of each pair is better.

    Args:
        options: Parsed options of the command.

    Returns:
        Exit code: 0, 1 if a pair could not be judged, 130 if interrupted.

    Raises:
        UsageError: If the request cannot be carried out.
    """
    output = output_of(options, for_people=True)
    rubrics = rubrics_of(options) or [get_rubric("mos")]
    columns = PairColumns(options.first_column, options.second_column)
    pairs = find_pairs(options.clips, columns, stdin=sys.stdin)[: options.limit]
    if not pairs:
        raise UsageError(f"nothing to compare: {', '.join(options.clips)} has no rows")
    judge = load(options)
    how: dict[str, Any] = {"explain": not options.no_reasons, "form": options.form, "profile": options.profile}
    limit = {} if options.max_new_tokens is None else {"max_new_tokens": options.max_new_tokens}

    def ask(some: list[PairItem]) -> list[Preference]:
        first, second = [Request(pair.first) for pair in some], [Request(pair.second) for pair in some]
        return judge.compare(first, second, rubric=rubrics, batch_size=options.batch_size, **how, **limit)

    names = [one.name for one in rubrics]
    task = "compare" + "-briefly" * options.no_reasons + "-by-dimensions" * (options.form == "dimensions")
    job = Job(
        "compared",
        settings_of(task, judge, rubrics=names, profile=options.profile, own_rubrics=own_digest(rubrics)),
        ("better", "p_a", "p_b", "p_tie", *(f"{name}_lead" for name in names), "reasons"),
        partial(in_chunks, options.batch_size, ask, partial(_compared, names=names)),
        columns.identity,
        ("better", "probabilities", "by_rubric", "reasons", "text", "has_own_words"),
        for_people(output),
        unit="pair",
    )
    return finish(job, pairs, output, options)


def _compared(said: Preference, names: Sequence[str]) -> Answer:
    answer = _result(said, ("first", "second", "model", "revision", "error"))
    # In all rows, rubrics are the names of those that were asked for
    row = {("by_rubric" if name == "rubrics" else name): value for name, value in answer.row.items()}
    return Answer(row, said, answer.error, answer.cells)


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


def analyze(options: argparse.Namespace) -> int:
    """Measure clips, without a judge.

    Args:
        options: Parsed options of the command.

    Returns:
        Exit code: 0, 1 if a clip could not be measured, 130 if interrupted.

    Raises:
        UsageError: If the request cannot be carried out.
    """
    output = output_of(options, for_people=True)
    items = items_of(options)
    names = [one.name for one in fields(Analysis) if one.name != "clip"]
    job = Job(
        "measured",
        settings_of("analyze", None),
        (*names, "dropout_seconds"),
        lambda some: map(_measured, some),
        columns_of(options).identity,
        names,
        for_people(output),
    )
    return finish(job, items, output, options)


def _measured(item: Item) -> Answer:
    request = request_of(item)
    try:
        facts = measure(request.clip, start_time=request.start_time, end_time=request.end_time)
    except AudioError as error:
        reason = str(error)
        return Answer(error=reason if reason.startswith(item.path) else f"{item.path}: {reason}")
    row: Mapping[str, Any] = {name: value for name, value in facts.to_dict().items() if name != "clip"}
    return Answer(row, facts, cells=(facts.to_row(),))
