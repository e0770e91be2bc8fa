"""Judgements as rows and for people: what the commands share whose answers are scores, alone or with words beside them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from audio_judge.batch.items import Item
from audio_judge.batch.run import Job
from audio_judge.batch.write import PEER_SCORES, SCORE_KEYS, WORDS, Answer, peer_column
from audio_judge.cli.beside import Beside, with_others
from audio_judge.cli.common import Asked, finish, for_people, in_chunks, request_of
from audio_judge.cli.score_table import ScoreTable

if TYPE_CHECKING:
    from audio_judge.judge.judgement import Judgement

# Which words stand in a CSV table
TABLE_WORDS = {
    "explain": ("reasons", "causes", "worst_start", "worst_end"),
    "assess": ("reasons", "worst_start", "worst_end"),
    "suggest": ("areas", "suggestions", "worst_start", "worst_end"),
    "describe": ("description",),
}


def write_scores(asked: Asked, task: str, others: Sequence[Beside] = ()) -> int:
    """Score clips and write a row for each, with the scores of others beside those of the judge.

    Returns:
        Exit code: 0, 1 if a clip could not be judged, 130 if interrupted.
    """
    return _finish(score_job(asked, task, others), asked, others)


def score_job(asked: Asked, task: str, others: Sequence[Beside] = ()) -> Job:
    """Make the job of scoring clips in a stream, so that windows of several clips share a batch.

    Raises:
        UsageError: If one of the others scores none of the rubrics.
    """
    names = asked.names
    how: dict[str, Any] = {"batch_size": asked.batch_size, "listener": asked.listener, "language": asked.language}

    def answer(some: Iterator[Item]) -> Iterator[Answer]:
        for said in asked.judge.iter_scores(map(request_of, some), asked.rubrics, scale=asked.scale, **how):
            yield _scored(said, names)

    settings, columns = asked.settings(task, has_scale=True), score_columns(names)
    job = Job("scored", settings, columns, answer, asked.columns.identity)
    if not others:
        return job
    own = [peer_column(other.name, name) for other in others for name in other.of(names)]
    return replace(
        job,
        settings=asked.settings(task, has_scale=True, peer_judges=[other.name for other in others]),
        columns=(*columns, *own),
        answer=partial(with_others, others, asked.rubrics, asked.scale, asked.batch_size, answer),
    )


def write_words(asked: Asked, task: str, did: str, show: Callable[[Any], str] = str) -> int:
    """Have a judge write about clips; scores stand beside the words.

    Args:
        asked: Of whom, about which clips.
        task: What is asked; the name of the judge's method.
        did: What was done to the clips in the end, such as "explained".
        show: Writes a judgement for people.

    Returns:
        Exit code: 0, 1 if a clip could not be judged, 130 if interrupted.
    """
    names = asked.names

    def ask(some: list[Item]) -> Iterable["Judgement"]:
        how = {"batch_size": asked.batch_size, "listener": asked.listener, "language": asked.language, **asked.length}
        return getattr(asked.judge, task)([request_of(item) for item in some], **how)

    job = Job(
        did,
        asked.settings(task, has_scale=True),
        score_columns(names, TABLE_WORDS[task]),
        partial(in_chunks, asked.batch_size, ask, partial(_scored, names=names)),
        asked.columns.identity,
        (*SCORE_KEYS, *WORDS),
        for_people(asked.output, show),
    )
    return _finish(job, asked)


def _finish(job: Job, asked: Asked, others: Sequence[Beside] = ()) -> int:
    """Carries it out, with the table for people around it if one is asked for."""
    if not asked.is_table:
        return finish(job, asked)
    shown = [_shown_name(item, asked.columns) for item in asked.items]
    beside = [(other.name, name) for other in others for name in other.of(asked.names)]
    table = ScoreTable(shown, asked.rubrics, asked.scale, beside)

    def show(item: Item, answer: Answer) -> str:
        name = _shown_name(item, asked.columns)
        if answer.error is not None:
            return table.error(name, answer.error)
        line = table.line(name, answer.said, answer.row.get(PEER_SCORES, {}))
        return "\n".join([line, *(f"  warning: {text}" for text in answer.row.get("warnings") or ())])

    print(table.header())
    code = finish(replace(job, show=show), asked)
    if code < 2:
        print(f"\n{table.legend()}")
    return code


def _shown_name(item: Item, columns: Any) -> str:
    name = str(columns.path_of(item.row) or "?")
    if item.start_time is None and item.end_time is None:
        return name
    end = "" if item.end_time is None else f"{item.end_time:g}"
    return f"{name} [{item.start_time or 0:g}-{end} s]"


def _scored(judgement: "Judgement", names: Sequence[str]) -> Answer:
    if judgement.error is not None:  # what was said is kept, if that is what cannot be read
        return Answer({} if judgement.text is None else {"text": judgement.text}, error=judgement.error)
    return Answer(result_row(judgement, names), judgement)


def result_row(judgement: "Judgement", rubrics: Sequence[str]) -> dict[str, Any]:
    """Write a judgement as the part of a row that is added to the input row.

    Args:
        judgement: What was said about the clip; not an error.
        rubrics: Names of the rubrics; scores on others are left out.

    Returns:
        JSON-able row: ``scores, std, level, shares`` by rubric, ``seconds`` and how many of them were heard, the windows of a
        long clip in ``timeline``, and what there is of ``WORDS``, ``warnings`` and ``coverage``.

    Example:
        >>> from audio_judge.judge.judgement import Judgement, Score
        >>> said = Judgement("a.wav", 2.0, {"mos": Score("mos", 3.5, 0.5, "good", {"bad": 0.25, "good": 0.75})})
        >>> result_row(said, ["mos"])["scores"]
        {'mos': 3.5}
    """
    details = judgement.to_dict()
    scores = {name: details["scores"][name] for name in rubrics if name in details["scores"]}
    row: dict[str, Any] = {
        "scores": {name: score["value"] for name, score in scores.items()},
        **{key: {name: score[key] for name, score in scores.items()} for key in ("std", "level", "shares")},
        "seconds": details["seconds"],
    }
    if judgement.timeline:
        windows = details["timeline"]
        row["timeline"] = [
            w | {"scores": {name: w["scores"][name] for name in scores if name in w["scores"]}} for w in windows
        ]
    return row | {name: details[name] for name in (*WORDS, "heard_seconds", "warnings", "coverage") if name in details}


def score_columns(rubrics: Sequence[str], words: Sequence[str] = ()) -> tuple[str, ...]:
    """Columns that a judgement adds to a CSV table: no shares and no timeline, which do not fit into one.

    Example:
        >>> score_columns(["mos"], ["reasons"])
        ('mos', 'mos_std', 'mos_level', 'seconds', 'heard_seconds', 'warnings', 'reasons')
    """
    scores = [column for name in rubrics for column in (name, f"{name}_std", f"{name}_level")]
    return (*scores, "seconds", "heard_seconds", "warnings", *words)
