"""The commands of ``audio-judge`` whose answers are scores: on rubrics, alone or with words beside them.

audio-judge score clips/ --output scores.jsonl
audio-judge explain clip.wav
"""

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from audio_judge.asking import (
    OWN_SCALE,
    columns_of,
    finish,
    for_people,
    in_chunks,
    is_ours,
    items_of,
    load,
    own_digest,
    request_of,
    rubrics_of,
    scale_of,
    settings_of,
    shown_name,
)
from audio_judge.inputs import Item, UsageError
from audio_judge.judge import AudioJudge
from audio_judge.judgement import Judgement
from audio_judge.outputs import SCORE_KEYS, WORDS, Answer, Table, result_row, score_columns
from audio_judge.rubrics import FIVE, RUBRICS, Rubric, Scale, get_rubric
from audio_judge.runs import Job, Output, output_of

# Which words stand in a CSV table
TABLE_WORDS = {
    "explain": ("reasons", "causes"),
    "assess": ("reasons",),
    "suggest": ("areas", "suggestions"),
    "describe": ("description",),
}


def score(options: argparse.Namespace) -> int:
    """Score clips and write a row for each.

    Args:
        options: Parsed options of the command.

    Returns:
        Exit code: 0, 1 if a clip could not be judged, 130 if interrupted.

    Raises:
        UsageError: If the request cannot be carried out.
    """
    output = output_of(options, for_people=options.table)
    rubrics = rubrics_of(options) or list(RUBRICS.values())
    if options.explain:
        _check_explained(options, rubrics)
    scale = scale_of(options.scale, rubrics)
    items = items_of(options)
    judge = load(options)
    if not options.explain:
        return _score(options, "score", judge, items, output, rubrics, scale)
    names = [one.name for one in rubrics]
    table = _table(options, items, rubrics, None)
    return _write_words(options, "explain", AudioJudge.explain, names, "scored", items, output, judge, table)


def profile(options: argparse.Namespace) -> int:
    """Score clips on all the rubrics that the judge was trained on.

    Args:
        options: Parsed options of the command.

    Returns:
        Exit code: 0, 1 if a clip could not be judged, 130 if interrupted.

    Raises:
        UsageError: If the request cannot be carried out.
    """
    output = output_of(options, for_people=options.table)
    items = items_of(options)
    judge = load(options)
    rubrics = [get_rubric(name) for name in judge.rubrics] or list(RUBRICS.values())
    scale = scale_of(options.scale or OWN_SCALE, rubrics)
    return _score(options, "profile", judge, items, output, rubrics, scale)


def _check_explained(options: argparse.Namespace, rubrics: Sequence[Rubric]) -> None:
    if options.scale not in (None, FIVE.name):
        raise UsageError(f"--explain speaks of the scale 1-5; leave out --scale {options.scale} or --explain")
    unexplained = [one.name for one in rubrics if one.name not in RUBRICS or not is_ours(one)]
    if unexplained:
        raise UsageError(f"--explain speaks of {', '.join(RUBRICS)}; leave out --rubric {unexplained[0]} or --explain")


def _score(
    options: argparse.Namespace,
    task: str,
    judge: AudioJudge,
    items: list[Item],
    output: Output,
    rubrics: Sequence[Rubric],
    scale: tuple[Scale | None, str],
) -> int:
    """Scores in a stream, so that windows of several clips share a batch."""
    names = [one.name for one in rubrics]
    listener = {"batch_size": options.batch_size, "profile": options.profile, "language": options.language}

    def answer(some: Iterator[Item]) -> Iterator[Answer]:
        for said in judge.iter_scores(map(request_of, some), rubrics, scale=scale[0], **listener):
            yield _scored(said, names)

    settings = settings_of(
        task,
        judge,
        rubrics=names,
        scale=scale[1],
        profile=options.profile,
        own_rubrics=own_digest(rubrics),
        answer_language=_not_english(options),
    )
    table = _table(options, items, rubrics, scale[0])
    job = Job(
        "scored", settings, score_columns(names), answer, columns_of(options).identity, show=_rows_of(table, options)
    )
    return _finish_table(job, items, output, options, table)


def _not_english(options: argparse.Namespace) -> str | None:
    """The language of the answers, for rows; English is not said."""
    return None if options.language == "en" else options.language


def _scored(judgement: Judgement, names: Sequence[str]) -> Answer:
    if judgement.error is not None:
        return Answer(error=judgement.error)
    return Answer(result_row(judgement, names), judgement)


def _table(
    options: argparse.Namespace, items: Sequence[Item], rubrics: Sequence[Rubric], scale: Scale | None
) -> Table | None:
    return Table([shown_name(item, options) for item in items], rubrics, scale) if options.table else None


def _rows_of(table: Table | None, options: argparse.Namespace) -> Callable[[Item, Answer], str] | None:
    if table is None:
        return None

    def show(item: Item, answer: Answer) -> str:
        name = shown_name(item, options)
        return table.line(name, answer.said) if answer.error is None else table.error(name, answer.error)

    return show


def _finish_table(
    job: Job, items: Sequence[Item], output: Output, options: argparse.Namespace, table: Table | None
) -> int:
    if table is not None:
        print(table.header())
    code = finish(job, items, output, options)
    if table is not None and code < 2:
        print(f"\n{table.legend()}")
    return code


def explain(options: argparse.Namespace) -> int:
    """Say the scores of clips and the reasons in words.

    Args:
        options: Parsed options of the command.

    Returns:
        Exit code: 0, 1 if a clip could not be judged, 130 if interrupted.

    Raises:
        UsageError: If the request cannot be carried out.
    """
    return _in_words(options, "explain", AudioJudge.explain, list(RUBRICS), "explained")


def assess(options: argparse.Namespace) -> int:
    """Assess clips dimension by dimension, and sum it up in words.

    Args:
        options: Parsed options of the command.

    Returns:
        Exit code: 0, 1 if a clip could not be judged, 130 if interrupted.

    Raises:
        UsageError: If the request cannot be carried out.
    """
    return _in_words(options, "assess", AudioJudge.assess, None, "assessed")


def suggest(options: argparse.Namespace) -> int:
    """Say what to improve in clips.

    Args:
        options: Parsed options of the command.

    Returns:
        Exit code: 0, 1 if a clip could not be judged, 130 if interrupted.

    Raises:
        UsageError: If the request cannot be carried out.
    """
    return _in_words(options, "suggest", AudioJudge.suggest, None, "advised on")


def describe(options: argparse.Namespace) -> int:
    """Describe clips in running text.

    Args:
        options: Parsed options of the command.

    Returns:
        Exit code: 0, 1 if a clip could not be judged, 130 if interrupted.

    Raises:
        UsageError: If the request cannot be carried out.
    """
    return _in_words(options, "describe", AudioJudge.describe, list(RUBRICS), "described", _description)


def _description(judgement: Judgement) -> str:
    return f"{judgement.clip} ({judgement.seconds:.1f} s)\n  {judgement.description}"


def _in_words(
    options: argparse.Namespace,
    task: str,
    method: Callable[..., Any],
    names: list[str] | None,
    did: str,
    write: Callable[[Any], str] = str,
) -> int:
    """Without names, the scores are those on the dimensions that the judge can assess."""
    output = output_of(options, for_people=True)
    items = items_of(options)
    judge = load(options)
    asked = list(judge.dimensions) if names is None else names
    return _write_words(options, task, method, asked, did, items, output, judge, None, write)


def _write_words(
    options: argparse.Namespace,
    task: str,
    method: Callable[..., Any],
    names: list[str],
    did: str,
    items: list[Item],
    output: Output,
    judge: AudioJudge,
    table: Table | None,
    write: Callable[[Any], str] = str,
) -> int:
    """Has a judge write about the clips; scores on the names stand beside the words."""
    limit = {} if options.max_new_tokens is None else {"max_new_tokens": options.max_new_tokens}

    def ask(some: list[Item]) -> Iterable[Judgement]:
        how = {"batch_size": options.batch_size, "profile": options.profile, "language": options.language, **limit}
        return method(judge, [request_of(item) for item in some], **how)

    scale = scale_of(None, [get_rubric(name) for name in names])[1]
    settings = settings_of(
        task, judge, rubrics=names, scale=scale, profile=options.profile, answer_language=_not_english(options)
    )
    answer = partial(in_chunks, options.batch_size, ask, partial(_scored, names=names))
    columns = score_columns(names, TABLE_WORDS[task])
    show = for_people(output, write) if table is None else _rows_of(table, options)
    keys = (*SCORE_KEYS, *WORDS)
    job = Job(did, settings, columns, answer, columns_of(options).identity, keys, show)
    return _finish_table(job, items, output, options, table)
