"""``audio-judge compare``: which clip of each pair is better, or which of several systems, with a test."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import audio_judge
from audio_judge.batch.items import LIST_SUFFIXES, Item, PairItem
from audio_judge.batch.run import Job, say
from audio_judge.batch.write import Answer, check_replaceable, is_same_file, json_row
from audio_judge.cli.common import (
    Asked,
    compares_systems,
    finish,
    for_people,
    in_chunks,
    prepare,
    result_of,
)
from audio_judge.cli.judgements import score_job
from audio_judge.cli.options import (
    ASKED,
    EXIT_CODES,
    INPUTS,
    OUTPUT,
    add_judge,
    add_length,
    add_limit,
    add_listener,
    add_output,
    add_rubric,
    add_tie,
)
from audio_judge.errors import UsageError
from audio_judge.reports import answers

if TYPE_CHECKING:
    from audio_judge.judge.judgement import Preference
    from audio_judge.reports.scores import PlacedRow
    from audio_judge.reports.systems import Comparison

EXAMPLES = f"""examples:
  audio-judge compare old.wav new.wav
  audio-judge compare old/ new/ --output compared.jsonl
  audio-judge compare ours/ theirs/ baseline/ --rubric mos --rubric noisiness --html compared.html
  audio-judge compare clips.csv --system-column model --pair-column sentence
  audio-judge compare old/ new/ --pairs --rubric noisiness --output compared.csv
  audio-judge compare pairs.csv --output compared.jsonl
  audio-judge compare systems.csv --first-column ours --second-column theirs --no-reasons > compared.txt

Folders, and lists with a column `system`, are systems: each clip is scored once, as by `score`, and what is printed are ranking,
wins, ties and losses, mean differences with 95 % bootstrap intervals and a test: Wilcoxon's signed-rank test over clips of the
same name (in a list: of the same `clip`, else file name), Mann-Whitney's if there are none. The figures are also written beside
--output, as NAME.summary.jsonl.

Two files, the rows of a list with the paths `a` and `b`, those of a data set with two sounds, and two folders with --pairs are
pairs: the judge hears both clips and says which is better. The order of a pair cannot change what is said about it. {EXIT_CODES}"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``compare``."""
    inputs = parser.add_argument_group(INPUTS)
    inputs.add_argument(
        "clips",
        nargs="+",
        metavar="PATH",
        help="two or more folders, a .jsonl or .csv list with a column `system`; or, as pairs, two files, lists of pairs, "
        "hf://datasets/OWNER/NAME:SPLIT, or -",
    )
    inputs.add_argument("--pairs", action="store_true", help="have the judge hear both clips of two folders")
    inputs.add_argument("--first-column", default="a", metavar="NAME", help="column of clip A in a list (default: a)")
    inputs.add_argument("--second-column", default="b", metavar="NAME", help="column of clip B in a list (default: b)")
    inputs.add_argument(
        "--system-column", metavar="NAME", help="column of what made a clip, in a list of clips (default: system)"
    )
    inputs.add_argument(
        "--pair-column", default="clip", metavar="NAME", help="column that pairs the clips of systems (default: clip)"
    )
    add_limit(inputs)
    add_judge(parser)
    asked = parser.add_argument_group(ASKED)
    add_rubric(asked, "mos and its four dimensions of systems, mos of pairs; the first one decides")
    add_listener(asked)
    add_tie(asked)
    asked.add_argument("--no-reasons", action="store_true", help="of pairs, only probabilities, no words (faster)")
    asked.add_argument(
        "--form", choices=("preference", "dimensions"), default="preference", help="of the words (default: preference)"
    )
    add_length(asked)
    add_output(parser)
    page = parser.add_argument_group(f"{OUTPUT}: page")
    page.add_argument("--html", metavar="FILE", help="page with players side by side, the widest differences first")


def compare(options: argparse.Namespace) -> int:
    """Say which clip of each pair, or which system, is better."""
    are_systems = compares_systems(options)
    if options.system_column is not None and not are_systems:
        raise UsageError("--system-column is about lists of clips, not about --pairs; leave one out")
    if options.tie is not None and not are_systems:
        raise UsageError("--tie is about scores of systems; what is a tie of a pair is said by the judge")
    page, summary = _places(options, are_systems)
    asked = prepare(options, rubrics=(lambda judge: judge.usual_rubrics) if are_systems else ["mos"])
    job = score_job(asked, "compare-systems") if are_systems else _pair_job(options, asked)
    noted: list[dict[str, Any]] = []

    def note(item: Item | PairItem, answer: Answer) -> None:
        noted.append(json_row(item.row, answer, job.settings, job.all_keys))

    def conclude() -> None:
        rows = _rows(options, asked, noted)
        if not are_systems and len(rows) < 2 and page is None:
            return  # the answer itself has been shown
        comparison = _compared_rows(options, rows, are_systems)
        _say(comparison, page, summary, asked)

    return finish(replace(job, note=note), asked, conclude)


def _places(options: argparse.Namespace, are_systems: bool) -> tuple[Path | None, Path | None]:
    """Where page and summary go; what would lose data is refused before anything is judged."""
    output = None if options.output in (None, "-") else Path(options.output)
    is_page = output is not None and output.suffix.lower() == ".html"
    if options.html is not None and is_page:
        raise UsageError(f"--html {options.html}, and --output {output} is a page, too; leave one out")
    page = Path(options.html) if options.html is not None else output if is_page else None
    if options.html is not None and page is not None:
        if page.suffix.lower() != ".html":
            raise UsageError(f"--html {page}: the name must end in .html")
        answers.check(page)
        if any(is_same_file(clip, page) for clip in options.clips):
            raise UsageError(f"--html {page} is also an input; choose another name")
        check_replaceable(page, options.overwrite or options.resume)
    summary = output.with_name(f"{output.stem if not is_page else output.name}.summary.jsonl") if output else None
    if summary is None or not are_systems:
        return page, None
    if any(is_same_file(clip, summary) for clip in options.clips):
        raise UsageError(f"{summary}, where the figures go, is also an input; choose another --output")
    check_replaceable(summary, options.overwrite or options.resume)
    return page, summary


def _rows(options: argparse.Namespace, asked: Asked, noted: Sequence[dict[str, Any]]) -> list["PlacedRow"]:
    """All rows, also those of an earlier run; their paths start where those of the input do."""
    from audio_judge.reports.scores import PlacedRow, read_rows

    first = Path(options.clips[0])
    home = first.parent if first.suffix.lower() in LIST_SUFFIXES else Path()
    if asked.output.path is None:
        return [PlacedRow(f"row {number}", home, row) for number, row in enumerate(noted, 1)]
    return [one._replace(folder=home) for one in read_rows(asked.output.path)]


def _compared_rows(options: argparse.Namespace, rows: Sequence["PlacedRow"], are_systems: bool) -> "Comparison":
    from audio_judge.batch.items import PairColumns
    from audio_judge.reports.scores import scores_of
    from audio_judge.reports.systems import compare_scores, compare_verdicts

    if are_systems:
        return compare_scores(scores_of(rows), tie=options.tie)
    return compare_verdicts(rows, PairColumns(options.first_column, options.second_column))


def _say(comparison: "Comparison", page: Path | None, summary: Path | None, asked: Asked) -> None:
    from audio_judge.batch import lines
    from audio_judge.reports.systems import comparison_page, in_text, summary_rows

    text = in_text(comparison)
    # Standard output belongs to the rows if they go there
    if asked.output.to_stdout:
        say(text)
    else:
        print(text)
    if summary is not None:
        try:
            lines.write(summary, summary_rows(comparison))
        except OSError as error:
            raise UsageError(f"{summary}: cannot be written ({error.strerror})") from error
    if page is not None:
        title = f"Compared: {', '.join(comparison.systems)}"
        answers.put(page, comparison_page(comparison, page, title=title), asked.output.path)


def _pair_job(options: argparse.Namespace, asked: Asked) -> Job:
    explain, form, names = not options.no_reasons, options.form, asked.names

    def ask(some: list[PairItem]) -> list["Preference"]:
        first = [audio_judge.Request(pair.first if pair.read_first is None else pair.read_first()) for pair in some]
        second = [audio_judge.Request(pair.second if pair.read_second is None else pair.read_second()) for pair in some]
        how = {"explain": explain, "form": form, "listener": asked.listener, **asked.length}
        return asked.judge.compare(first, second, rubric=asked.rubrics, batch_size=asked.batch_size, **how)

    # The task is in every row, so that --resume does not mix pairs with and without words
    task = "compare" + "-briefly" * (not explain) + "-by-dimensions" * (form == "dimensions")
    return Job(
        "compared",
        asked.settings(task),
        ("better", "p_a", "p_b", "p_tie", *(f"{name}_lead" for name in names), "reasons", "warnings"),
        partial(in_chunks, asked.batch_size, ask, partial(_compared, names=names)),
        asked.columns.identity,
        ("better", "probabilities", "by_rubric", "reasons", "text", "has_own_words", "coverage", "warnings"),
        for_people(asked.output),
        unit="pair",
    )


def _compared(said: "Preference", names: Sequence[str]) -> Answer:
    answer = result_of(said, ("first", "second", "model", "revision", "error"))
    # In all rows, rubrics are the names of those that were asked for
    row = {("by_rubric" if name == "rubrics" else name): value for name, value in answer.row.items()}
    return Answer(row, said, answer.error, answer.cells)
