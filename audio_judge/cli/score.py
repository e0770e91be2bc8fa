"""The commands of ``audio-judge`` whose answers are scores: on rubrics, alone or with words beside them.

audio-judge score clips/ --output scores.jsonl
audio-judge explain clip.wav
"""

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from audio_judge.batch.items import Item
from audio_judge.batch.run import Job, Output, output_of
from audio_judge.batch.write import SCORE_KEYS, WORDS, Answer
from audio_judge.cli.common import (
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
from audio_judge.cli.options import (
    EXIT_CODES,
    add_inputs,
    add_judge,
    add_language,
    add_length,
    add_rubric,
    add_run,
    add_scale,
)
from audio_judge.cli.score_table import Table
from audio_judge.errors import UsageError
from audio_judge.judge.judge import AudioJudge
from audio_judge.judge.judgement import Judgement
from audio_judge.rubrics.rubric import FIVE, RUBRICS, Rubric, Scale, get_rubric

SCORE_EXAMPLES = f"""examples:
  audio-judge score clip.wav other.mp3 clips/ --output scores.jsonl
  audio-judge score "takes/**/*.flac" --table
  audio-judge score degraded.wav --reference clean.wav --rubric mos
  audio-judge score clips/ --rubric mos --rubric warmth.yaml --profile "elderly listener" --output scores.html
  audio-judge score rows.jsonl --output scores.csv --resume
  audio-judge score corpus.csv --path-column filename --scale 0-100 > scores.jsonl
  audio-judge score hf://datasets/OWNER/NAME:test --output scores.jsonl
  find . -name "*.wav" | audio-judge score - --output scores.jsonl
  accelerate launch --num_processes 4 -m audio_judge score clips/ --output scores.jsonl

A row of a .jsonl or .csv list has `path` and may have `start_time`, `end_time` (in seconds) and `reference`; paths are
relative to the list. All its other keys are kept in the output; one that the answer needs becomes input_<key>.
CSV output has no shares per level and no timeline. x.html is a page for people; its rows are in x.html.jsonl beside it.
With several processes each writes a part beside the output; they are merged in the order of the clips at the end.
{EXIT_CODES}"""

PROFILE_EXAMPLES = f"""examples:
  audio-judge profile clip.wav --table
  audio-judge profile clips/ --output profiles.csv

Every rubric that the judge was trained on, each on its own scale. {EXIT_CODES}"""

EXPLAIN_EXAMPLES = f"""examples:
  audio-judge explain clip.wav
  audio-judge explain degraded.wav --reference clean.wav
  audio-judge explain clips/ --output explained.html

Without --output, text for people; `--output -` gives JSON lines. {EXIT_CODES}"""

ASSESS_EXAMPLES = f"""examples:
  audio-judge assess clip.wav
  audio-judge assess clips/ --profile "call centre customer" --output assessed.jsonl

The `text` of a row is the whole answer: a thought with a line per dimension, and the summary. {EXIT_CODES}"""

SUGGEST_EXAMPLES = f"""examples:
  audio-judge suggest clip.wav
  audio-judge suggest clips/ --output suggestions.csv

{EXIT_CODES}"""

DESCRIBE_EXAMPLES = f"""examples:
  audio-judge describe clip.wav
  audio-judge describe clips/ --output descriptions.jsonl

{EXIT_CODES}"""


def add_score_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``score``.

    Args:
        parser: Of the command.
    """
    add_inputs(parser)
    add_rubric(parser)
    add_scale(parser)
    parser.add_argument("--explain", action="store_true", help="add reasons in words (slower)")
    add_length(parser)
    add_language(parser)
    add_judge(parser)
    add_run(parser)


def add_profile_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``profile``.

    Args:
        parser: Of the command.
    """
    add_inputs(parser)
    add_scale(parser)
    add_language(parser)
    add_judge(parser)
    add_run(parser)


def add_word_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``explain``, ``assess``, ``suggest`` and ``describe``.

    Args:
        parser: Of the command.
    """
    add_inputs(parser)
    add_length(parser)
    add_language(parser)
    add_judge(parser)
    add_run(parser)


def result_row(judgement: Judgement, rubrics: Sequence[str]) -> dict[str, Any]:
    """Write a judgement as the part of a row that is added to the input row.

    Args:
        judgement: What was said about the clip; not an error.
        rubrics: Names of the rubrics; scores on others are left out.

    Returns:
        JSON-able row: ``scores, std, level, shares`` by rubric, ``seconds``, the windows of a long clip in ``timeline``, and
        what there is of ``WORDS``.

    Example:
        >>> from audio_judge.judge.judgement import Score
        >>> said = Judgement("a.wav", 2.0, {"mos": Score("mos", 3.5, 0.5, "good", {"bad": 0.25, "good": 0.75})})
        >>> result_row(said, ["mos"])["scores"]
        {'mos': 3.5}
    """
    details = judgement.to_dict()
    scores = {name: details["scores"][name] for name in rubrics}
    row: dict[str, Any] = {
        "scores": {name: score["value"] for name, score in scores.items()},
        **{key: {name: score[key] for name, score in scores.items()} for key in ("std", "level", "shares")},
        "seconds": details["seconds"],
    }
    if judgement.timeline:
        windows = details["timeline"]
        row["timeline"] = [w | {"scores": {name: w["scores"][name] for name in rubrics}} for w in windows]
    return row | {name: details[name] for name in WORDS if name in details}


def score_columns(rubrics: Sequence[str], words: Sequence[str] = ()) -> tuple[str, ...]:
    """Columns that a judgement adds to a CSV table: no shares and no timeline, which do not fit into one.

    Args:
        rubrics: Names of the rubrics.
        words: Which of ``WORDS`` the judge writes.

    Example:
        >>> score_columns(["mos"], ["reasons"])
        ('mos', 'mos_std', 'mos_level', 'seconds', 'reasons')
    """
    scores = [column for name in rubrics for column in (name, f"{name}_std", f"{name}_level")]
    return (*scores, "seconds", *words)


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
