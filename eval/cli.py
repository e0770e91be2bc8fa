"""The commands ``run``, ``score``, ``label``, ``listeners``, ``report``, ``hub`` and ``ls`` of ``python -m eval`` and ``audio-judge eval``.

Exit codes: 0 all went well, 1 some items could not be judged (their rows say why), 2 the request was unusable, 130 interrupted.
"""

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from audio_judge.batch import lines
from audio_judge.batch.shards import this_shard
from audio_judge.errors import UsageError, exit_code
from audio_judge.text_models.criteria import ASKING

EXAMPLES = """examples:
  python -m eval run --judge checkpoints/mini --tasks nisqa_test,sanity --data-root /data --out runs/mini
  python -m eval score predictions.jsonl --task nisqa_test
  python -m eval report runs/* --html report.html
  python -m eval ls

`python -m eval COMMAND --help` shows the options and examples of a command."""

RUN_EXAMPLES = """examples:
  python -m eval run --judge checkpoints/mini --tasks nisqa_test,speecheval_assess,qualispeech --data-root /data --out runs/mini
  python -m eval run --judge peer:nisqa --judge peer:dnsmos --judge checkpoints/mini --data my_ratings.csv --out runs/own
  python -m eval run --judge Qwen/Qwen2-Audio-7B-Instruct --tasks qualispeech --data qualispeech=/data/QualiSpeech --out runs/qwen
  python -m eval run --judge "http://localhost:8000/v1#Qwen2.5-Omni-7B" --tasks speecheval_compare --data-root /data --out runs/omni
  accelerate launch --num_processes 4 -m eval run --judge org/judge --tasks nisqa_test --data-root /data --out runs/org

A run that was stopped goes on with the same command, also with more judges or tasks. `python -m eval ls` says which data a
task needs and where to get them."""

SCORE_EXAMPLES = """examples:
  python -m eval score runs/mini/predictions.jsonl --task nisqa_test
  python -m eval score mine.csv --task nisqa_test --data-root /data --columns id=file,mos=prediction
  python -m eval score mine.csv --task score --columns id=file,mos=prediction,truth.mos=mos,system=system
  python -m eval score Reference/predictions_mos_numeric.csv --task nisqa_test
  python -m eval score answers.csv --task detect --columns id=file,real=probability,truth.label=label

The answers that SpeechQualityLLM committed are read as they are (question, generated, dim, y_true, y_pred).
Columns of predictions, by these names unless --columns says otherwise: id (item or file name), rubrics, preference, real (probability), text (raw answer); of the truth, unless
the data of the benchmark are there: truth.RUBRIC, truth.preference, truth.label, truth.text; and condition, system, speaker."""

LABEL_EXAMPLES = """examples:
  python -m eval label /data/unrated --judge peer:audiobox-aesthetics --out pseudo.jsonl
  python -m eval label /data/unrated --judge mini --rubric mos,noisiness --out mini.jsonl

Rows have the path, who labels (`source`) and, on the scales of our rubrics, the scores: for the reader `table`, with
`corpus: source` among its columns and a weight of its own in a mixture (recipes/data/jastin.yaml). A run that was stopped goes on
with the same command."""

LISTENERS_EXAMPLES = """examples:
  python -m eval listeners --judge mini --corpus bvcc --data BVCC/DEVSET --option root=BVCC/wav --split validation
  python -m eval listeners --judge mini --corpus rated --data RATED --split test --option 'panels={"speechocean762": 5}'
  python -m eval listeners --judge mini --corpus vcc2020 --data somos.csv --split test \\
      --option 'columns={"clip": "utteranceId", "listener": "listenerId", "score": "choice"}'

How far apart strict and lenient raters are, and how far the judge is when it is asked on behalf of either; and its distance from
their means if it is told who rates, and if not. A judge that does not heed listeners has a spread near 0."""

REPORT_EXAMPLES = """examples:
  python -m eval report runs/mini
  python -m eval report runs/* --html report.html --markdown report.md"""

HUB_EXAMPLES = """examples:
  python -m eval hub runs/mini --judge checkpoints/mini --model org/audio-judge --out checkpoints/mini

Writes .eval_results/*.yaml for benchmarks that the Hub knows, and model_index.yaml for the card's front matter."""

LS_EXAMPLES = """examples:
  python -m eval ls
  python -m eval ls nisqa_test
  python -m eval ls peers"""


def main(arguments: Sequence[str] | None = None, program: str = "python -m eval") -> int:
    """Run a command and return its exit code.

    Args:
        arguments: Words of the command line behind the program; None for those of this process.

    Raises:
        SystemExit: After ``--help``, and with code 2 for an unknown option.
    """
    options = _parser(program).parse_args(arguments)
    commands = {
        "run": run,
        "score": score,
        "label": label,
        "listeners": listeners,
        "report": report,
        "hub": hub,
        "ls": ls,
    }
    stopped = "stopped; the same command goes on from here"
    return exit_code(f"{program} {options.command}", lambda: commands[options.command](options), stopped)


def _parser(program: str) -> argparse.ArgumentParser:
    shape: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
    about = "Does a judge agree with people, and how does it compare?"
    parser = argparse.ArgumentParser(program, description=about, epilog=EXAMPLES, **shape)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, add, summary, examples in (
        ("run", _add_run_options, "Judge benchmarks and compute the figures.", RUN_EXAMPLES),
        ("score", _add_score_options, "Compute the figures of predictions that are there.", SCORE_EXAMPLES),
        (
            "label",
            _add_label_options,
            "Have a judge or a peer score clips that nobody rated, to train on.",
            LABEL_EXAMPLES,
        ),
        ("listeners", _add_listeners_options, "Does a judge heed who listens, as raters differ?", LISTENERS_EXAMPLES),
        ("report", _add_report_options, "Write the figures of runs for people.", REPORT_EXAMPLES),
        ("hub", _add_hub_options, "Write the figures of a run for the Hub.", HUB_EXAMPLES),
        ("ls", _add_ls_options, "List benchmarks, or peers, with what they need.", LS_EXAMPLES),
    ):
        command = commands.add_parser(name, help=summary, description=summary, epilog=examples, **shape)
        add(command)
    return parser


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--judge", action="append", required=True, metavar="JUDGE", help=(
        "mini, open, a folder or a Hub id; http(s)://HOST/v1#MODEL, predictions:FILE, peer:NAME; repeatable"
    ))  # fmt: skip
    parser.add_argument("--tasks", metavar="NAMES", help="benchmarks, separated by commas; see `ls`")
    _add_data_options(parser)
    parser.add_argument("--out", required=True, metavar="FOLDER", help="folder of the run; continued if it is there")
    parser.add_argument("--limit", type=_positive, metavar="N", help="only the first N items of each benchmark")
    parser.add_argument("--batch-size", type=_positive, default=8, metavar="N", help="clips at a time (default: 8)")
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda:1 … (default: auto)")
    parser.add_argument("--extract", metavar="ADDRESS", help=(
        "text model, http(s)://HOST/v1#MODEL, that reads answers in words that could not be read directly; they are marked and counted apart"
    ))  # fmt: skip
    parser.add_argument(
        "--controls-count", type=_positive, default=24, metavar="N", help="clips per control (default: 24)"
    )
    _add_measure_options(parser)
    parser.add_argument("--no-progress", action="store_true", help="no progress bar (there is none without a terminal)")


def _add_data_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data-root", type=Path, metavar="FOLDER", help="holds a folder per corpus (or AUDIO_JUDGE_DATA)"
    )
    parser.add_argument("--data", action="append", default=[], metavar="FILE | NAME=PATH", help=(
        "own table of rated clips, or where the corpus NAME is; either may be a data set; repeatable"
    ))  # fmt: skip
    parser.add_argument(
        "--on-error", choices=("stop", "skip"), default="stop",
        help="at a row of the data that is wrong, stop, or go on without it and count it by its reason (default: stop)",
    )  # fmt: skip
    parser.add_argument("--columns", metavar="MAPPING", help="columns of own tables, such as path=file,mos=score")
    parser.add_argument(
        "--rubric", action="append", default=[], metavar="FILE",
        help=".yaml or .json file that defines rubrics of your own, which columns are called like; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--by",
        metavar="COLUMNS",
        help="figures of each language, system or source alone, such as language,system,corpus",
    )


def _add_measure_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of bootstrap and controls (default: 0)")
    parser.add_argument(
        "--resamples", type=int, default=1000, metavar="N", help="of the bootstrap, 0 for none (default: 1000)"
    )
    parser.add_argument("--encoder", metavar="NAME", help="sentence encoder for SBERT and FENSE, folder or Hub id")
    parser.add_argument("--error-detector", metavar="NAME", help="classifier of broken sentences for FENSE")
    parser.add_argument(
        "--evaluator", metavar="PLACE", help="language model that grades words: address, folder or Hub id"
    )
    parser.add_argument("--evaluator-model", metavar="NAME", help="its name, if the server has several")
    parser.add_argument(
        "--evaluator-form",
        choices=ASKING,
        default="auto",
        help="how it is asked (default: the first that it answers)",
    )


def _add_score_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("predictions", type=Path, metavar="FILE", help="predictions.jsonl, or any csv, tsv or jsonl")
    parser.add_argument("--task", required=True, metavar="NAME", help="benchmark, or a plain task such as score")
    parser.add_argument(
        "--judge", default="predictions", metavar="NAME", help="what to call the judge, if the file does not say"
    )
    _add_data_options(parser)
    _add_measure_options(parser)
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="write predictions.jsonl and metrics.json there, too"
    )


def _add_label_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("clips", nargs="+", metavar="CLIPS", help="files, folders, globs or lists")
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--judge", metavar="JUDGE", help="as of `run`; a peer that needs no original is peer:NAME")
    who.add_argument("--peer", metavar="NAME", help="the same as --judge peer:NAME; see `ls peers`")
    parser.add_argument("--rubric", metavar="NAMES", help="(default: all of a peer's, mos of others)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help=".jsonl file; continued if it is there")


def _add_listeners_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--judge", required=True, metavar="JUDGE", help="mini, open, a folder or a Hub id")
    parser.add_argument("--corpus", required=True, metavar="READER", help="one whose votes say who gave them")
    parser.add_argument("--data", required=True, metavar="PATH", help="what it reads")
    parser.add_argument("--split", choices=("train", "validation", "test"), default="test", help="(default: test)")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="argument of the reader")
    parser.add_argument("--limit", type=_positive, metavar="N", help="only the first N clips")
    parser.add_argument("--batch-size", type=_positive, default=8, metavar="N", help="clips at a time (default: 8)")
    parser.add_argument("--out", type=Path, metavar="FILE", help=".jsonl or .csv file with a row for each rubric")


def _add_report_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders of runs")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with tables, plots and players")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write tables (default: to standard output)")
    parser.add_argument("--title", default="Evaluation of judges", metavar="TEXT", help="title of the page")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="write the plots as PNG files, too")
    parser.add_argument(
        "--worst",
        type=int,
        default=6,
        metavar="N",
        help="clips to show per judge and benchmark; 0 for a page without sounds",
    )


def _add_hub_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of the run")
    parser.add_argument("--judge", required=True, metavar="NAME", help="the judge, as it was named in the run")
    parser.add_argument("--model", required=True, metavar="NAME", help="name of the model on the Hub")
    parser.add_argument("--date", metavar="DATE", help="of the run, ISO 8601")
    parser.add_argument("--source-url", metavar="URL", help="where the whole run can be seen")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder of the model's files")


def _add_ls_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", nargs="?", metavar="NAME", help="a benchmark to show in full, or peers")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}; 1 or more is needed")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Judge what is not judged yet and print the tables; 1 if items failed, which those that a judge cannot do do not."""
    from . import benchmarks, user_tables
    from .predictions import read_run
    from .runner import Run
    from .runner import run as run_benchmarks
    from .tables import markdown

    places, tables = _places(options)
    columns = user_tables.parse_columns(options.columns)
    chosen = [benchmarks.load(name) for name in filter(None, (options.tasks or "").split(","))]
    own = _own_rubrics(options)
    if _only_for_controls(chosen):
        places = replace(places, tables=_rated_tables(tables, columns, own))
    else:
        chosen += [user_tables.table_benchmark(path, columns, own) for path in tables]
    chosen = [replace(one, rubrics=tuple(own.values())) if one.task == "controls" else one for one in chosen]
    if not chosen:
        raise UsageError("nothing to judge; give --tasks, --data FILE or both")
    chosen = [_split(one, options) for one in chosen]
    _check_data(chosen, places)
    shard = this_shard()
    what = Run(
        judges=tuple(dict.fromkeys(options.judge)),
        benchmarks=tuple(chosen),
        out=Path(options.out),
        places=places,
        limit=options.limit,
        batch_size=options.batch_size,
        device=options.device,
        seed=options.seed,
        resamples=options.resamples,
        controls_count=options.controls_count,
        show_progress=not options.no_progress and sys.stderr.isatty(),
        shard=shard,
        extract=options.extract,
    )
    found = run_benchmarks(what, tools=_tools(options))
    if found is None:
        print(f"process {shard.index}: done; the last of the {shard.count} computes the figures", file=sys.stderr)
        return 0
    print(markdown(found, chosen, json.loads((what.out / "cost.json").read_text(encoding="utf-8"))), end="")
    rows = [row for row in read_run(what.out).values() if row.judge in what.judges]
    failed = [row for row in rows if row.prediction is None and row.unable is None]
    return 1 if failed else 0


def _own_rubrics(options: argparse.Namespace) -> dict[str, Any]:
    from audio_judge.rubrics.files import read_rubrics

    return {one.name: one for name in options.rubric for one in read_rubrics(Path(name))}


def _split(benchmark: Any, options: argparse.Namespace) -> Any:
    """The benchmark, with figures of each group of the kinds that its file names or ``--by`` does."""
    asked = filter(None, (options.by or "").split(","))
    return replace(benchmark, split_by=tuple(dict.fromkeys([*benchmark.split_by, *asked])))


def _only_for_controls(chosen: Sequence[Any]) -> bool:
    """Whether a user's table is there for controls to use and not to be judged itself."""
    return bool(chosen) and all(one.task == "controls" for one in chosen)


def _rated_tables(tables: Sequence[str | Path], columns: dict[str, str], own: dict[str, Any]) -> dict[str, Any]:
    """Benchmarks that read the rated clips of tables; one without ratings gives its clips all the same."""
    from . import user_tables

    found = {}
    for path in tables:
        try:
            made = user_tables.table_benchmark(path, columns, own)
        except UsageError:
            if columns:
                raise
            continue
        found[made.place] = made
    return found


def _places(options: argparse.Namespace) -> tuple[Any, list[str | Path]]:
    from audio_judge.batch.data_sets import data_set_place
    from audio_judge.corpora.rows import name_of

    from .benchmarks import Places

    given: dict[str, str | Path] = {}
    tables: list[str | Path] = []
    for said in options.data:
        if data_set_place(said) is not None:  # a folder of one, too, which may have a = in its name
            tables.append(said)
            given[name_of(said)] = said
            continue
        name, equals, path = said.partition("=")
        if equals and not Path(said).exists():  # the name of a table may have a = in it
            given[name] = path
        else:
            tables.append(Path(said))
            given[Path(said).stem] = Path(said)  # the place of the benchmark that is made of it
    return Places(options.data_root, given, on_error=options.on_error), tables


def _check_data(chosen: Sequence[Any], places: Any) -> None:
    """Name everything that is missing at once."""
    missing = []
    for benchmark in chosen:
        if benchmark.task != "controls":
            try:
                places.find(benchmark)
            except UsageError as error:
                missing.append(str(error))
    if missing:
        raise UsageError("\n".join(missing))


def _tools(options: argparse.Namespace) -> Any:
    from .grading import grader
    from .metrics import load_encoder, load_error_detector
    from .summary import Tools

    try:
        return Tools(
            None if options.encoder is None else load_encoder(options.encoder),
            None if options.error_detector is None else load_error_detector(options.error_detector),
            None
            if options.evaluator is None
            else grader(options.evaluator, options.evaluator_model, options.evaluator_form),
        )
    except (ImportError, OSError, ValueError) as error:
        raise UsageError(f"{error}; check the names, and pip install 'audio-judge[eval]'") from error


def score(options: argparse.Namespace) -> int:
    """Measure predictions that are there; those without an answer cost what ``metrics.RULE`` says, and no exit code."""
    from . import benchmarks, published_answers, user_tables
    from .predictions import FILE
    from .runner import measure, write_json
    from .tables import markdown

    columns = user_tables.parse_columns(options.columns)
    places, _ = _places(options)
    is_plain = options.task in benchmarks.TASKS
    is_ours = user_tables.is_ours(options.predictions)
    is_published = (
        not columns and not is_ours and published_answers.is_published(user_tables.header(options.predictions))
    )
    if is_published:
        columns = {f"truth.{name}": "y_true" for name in published_answers.rubrics_of(options.predictions)}
    elif not is_ours:
        columns = user_tables.prediction_columns(options.predictions, columns, with_truth=is_plain)
    own = _own_rubrics(options)
    benchmark = (
        user_tables.benchmark_of_columns(options.task, columns, own) if is_plain else benchmarks.load(options.task)
    )
    benchmark = _split(benchmark, options)
    # The data of the benchmark are read only if the file does not bring the truth along
    has_truth = is_plain or is_ours or any(name.startswith("truth.") for name in columns)
    known = [] if has_truth else benchmarks.items(benchmark, places)
    if is_published:
        rows = published_answers.read_published(options.predictions, benchmark, options.judge)
    else:
        rows = user_tables.read_predictions(options.predictions, benchmark, columns, known, options.judge)
    if is_plain and is_ours:
        # Rows of ours say what they were asked; a plain task takes the rubrics from them.
        benchmark = user_tables.benchmark_of_columns(options.task, dict.fromkeys(rows[0].rubrics, ""), own)
        benchmark = _split(benchmark, options)
        rows = [replace(row, benchmark=benchmark.name) for row in rows]
    found = measure(rows, [benchmark], tools=_tools(options), resamples=options.resamples, seed=options.seed)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        write_json(options.out / "metrics.json", found)
        lines.write(options.out / FILE, map(vars, rows))
    print(markdown(found, [benchmark]), end="")
    return 0


def label(options: argparse.Namespace) -> int:
    """Write a judge's scores of clips, and say how many could not be scored."""
    from .labels import label_clips
    from .peers import PREFIX

    rubrics = tuple(filter(None, (options.rubric or "").split(",")))
    judge = options.judge or f"{PREFIX}{options.peer}"
    scored, failed = label_clips(options.clips, judge, options.out, rubrics)
    print(f"{options.out}: {scored} clips scored" + (f", {failed} could not be; their rows say why" if failed else ""))
    return 1 if failed else 0


def listeners(options: argparse.Namespace) -> int:
    """Print the spread of a judge over listeners beside the raters' own, per rubric."""
    from audio_judge.clips import RatedClip
    from audio_judge.corpora.corpus import Corpus, read_options
    from audio_judge.judge.judge import AudioJudge

    from .listeners import listener_spread

    try:
        corpus = Corpus(options.corpus, options.data, options.split, options=read_options(options.option))
        clips = [item for item in corpus.read() if isinstance(item, RatedClip)][: options.limit]
    except (ValueError, FileNotFoundError) as error:  # corpora say what is wrong themselves
        raise UsageError(str(error)) from error
    found = listener_spread(AudioJudge.from_pretrained(options.judge), clips, options.batch_size)
    columns = ("clips", "raters_spread", "judge_spread", "mae_named", "mae_unnamed")
    rows = [("rubric", *columns), *((name, *(f"{row[column]:g}" for column in columns)) for name, row in found.items())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    if options.out is not None:
        lines.write(options.out, [{"judge": options.judge, "rubric": name, **row} for name, row in found.items()])
    return 0


def report(options: argparse.Namespace) -> int:
    """Write a page, Markdown, or both; without either, Markdown goes to standard output."""
    from .finished import read_folder
    from .tables import markdown

    runs = [read_folder(folder) for folder in options.runs]
    text = "\n".join(markdown(run.found, run.shown, run.costs or None) for run in runs)
    if options.html is not None:
        try:
            page = importlib.import_module(".report", __package__)
        except ModuleNotFoundError as error:
            raise UsageError(f"--html: {error}; pip install 'audio-judge[eval]'") from error
        look: dict[str, Any] = {"title": options.title, "plots": options.plots, "worst": options.worst}
        page.write_report(options.runs, options.html, **look)
    if options.markdown is not None:
        options.markdown.write_text(text, encoding="utf-8")
    elif options.html is None:
        print(text, end="")
    return 0


def hub(options: argparse.Namespace) -> int:
    """Write the Hub's files of one judge into the model's folder, and print their paths."""
    import yaml

    from .finished import read_folder
    from .hub_results import eval_results, model_index

    run = read_folder(options.run)
    files = eval_results(run.found, options.judge, run.shown, date=options.date, source_url=options.source_url)
    index = model_index(run.found, options.judge, run.shown, model_name=options.model)
    files["model_index.yaml"] = yaml.safe_dump({"model-index": index}, sort_keys=False, allow_unicode=True)
    for name, text in files.items():
        path = options.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path)
    return 0


def ls(options: argparse.Namespace) -> int:
    """Print every benchmark with what it needs, one benchmark's file, or the peers with how to get them."""
    from . import benchmarks

    if options.what == "peers":
        from .peers import PEERS

        for name, peer in PEERS.items():
            needs = ", needs the original" if peer.needs_reference else ""
            print(f"{name}\n  {peer.about}\n  {', '.join(peer.rubrics)}; {peer.scale.low:g} to {peer.scale.high:g}; "
                  f"{peer.sampling_rate} Hz{needs}\n  get it: {peer.install}")  # fmt: skip
    elif options.what:
        print((benchmarks.FOLDER / f"{benchmarks.load(options.what).name}.yaml").read_text(encoding="utf-8"), end="")
    else:
        for name in benchmarks.names():
            one = benchmarks.load(name)
            place = f"{one.place}/{one.file}".rstrip("/") if one.place else "nothing"
            print(
                f"{name} ({one.suite or one.task}, version {one.version})\n  {one.title}\n  needs {place}: {one.where}"
            )
    return 0
