"""``audio-judge data``: training examples of a corpus or a mixture, and what there is to make them of."""

import argparse
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio_judge.batch.run import say
from audio_judge.batch.write import is_same_file
from audio_judge.cli import paraphrase, proxies, show
from audio_judge.cli.ls import Rows, corpus_rows, print_table, rubric_rows, task_rows
from audio_judge.cli.options import INPUTS, MADE, OUTPUT, fraction, positive_int, whole_number
from audio_judge.corpora import CORPORA
from audio_judge.data.weights import named_weights
from audio_judge.errors import UsageError

if TYPE_CHECKING:
    from audio_judge.data.mixtures import Mixture

EXAMPLES = """examples:
  audio-judge data nisqa /data/NISQA_Corpus --tasks score,profile,explain --augment scale,invert,binary,paraphrase --out train.parquet
  audio-judge data nisqa /data/NISQA_Corpus --tasks decide=3,describe,compare --balance mos --out train.jsonl
  audio-judge data speecheval /data/SpeechEval --tasks assess,compare,suggest,detect --out train.parquet
  audio-judge data mixture recipes/data/speechqualityllm.yaml --out train.parquet
  audio-judge data paraphrase --teacher http://localhost:8000/v1 --model Qwen3-8B --out wordings.jsonl
  audio-judge data jastin-proxies clean_speech --music music --out /data/proxies
  audio-judge data ls
  audio-judge data show train.parquet

`audio-judge data nisqa --help` shows the options of a corpus; they are the same for all."""

CORPUS_EXAMPLES = """examples:
  audio-judge data nisqa /data/NISQA_Corpus --tasks score=2,explain --out train.parquet
  audio-judge data bvcc train_mos_list.txt --split train --option root=wav --tasks score --out train.jsonl
  audio-judge data table my.csv --tasks rate --out train.jsonl --option 'columns={"path": "file", "ratings": {"mos": "score"}}'
  audio-judge data speechjudge hf://datasets/OWNER/NAME --tasks compare --out train.parquet

A number after = is a weight (tasks) or a chance (augmentation, 0.25 if none is given). Clips that lack what a task needs
are counted on stderr, with examples per task, corpus and scale and the levels of the ratings. No sound is decoded."""


# Of an augmentation that is named without one
DEFAULT_CHANCE = 0.25


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``data`` and of what it makes."""
    shape: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
    parser.set_defaults(path=None)
    _add_mixture_options(parser)
    parser.add_argument("--mixture", metavar="FILE", help="YAML of corpora, tasks and weights; same as `mixture FILE`")
    what = parser.add_subparsers(dest="what", metavar="CORPUS | mixture | paraphrase | jastin-proxies | ls | show")
    what.add_parser("ls", help="list corpora, tasks, rubrics with their scales and directions, listeners", **shape)
    show.add_options(what.add_parser("show", help="show examples as the model will see them", **shape))
    mixture = what.add_parser("mixture", help="several corpora, mixed as a YAML file says", **shape)
    mixture.add_argument("path", metavar="FILE", help="YAML, as in recipes/data")
    # What stands before the word `mixture`, or a corpus, holds; a default of the parser behind it would take its place
    _add_mixture_options(mixture, default=argparse.SUPPRESS)
    about = "have a language model reword our requests, for --paraphrases"
    wordings = what.add_parser("paraphrase", help=about, description=about, epilog=paraphrase.EXAMPLES, **shape)
    paraphrase.add_options(wordings)
    about = "make the clips and scores of Jastin's five proxies from clean clips"
    made = what.add_parser("jastin-proxies", help=about, description=about, epilog=proxies.EXAMPLES, **shape)
    proxies.add_options(made)
    for name, known in CORPORA.items():
        corpus = what.add_parser(name, help=known.about, description=known.about, epilog=CORPUS_EXAMPLES, **shape)
        _add_corpus_options(corpus)
        _add_mixture_options(corpus, default=argparse.SUPPRESS)


def _add_mixture_options(parser: argparse.ArgumentParser, default: Any = None) -> None:
    output = parser.add_argument_group(OUTPUT, argument_default=default)
    output.add_argument("--out", metavar="FILE", help=".parquet or .jsonl file to write")
    output.add_argument("--statistics", metavar="FILE", help="write the statistics as JSON, too")
    output.add_argument("--limit", type=positive_int, metavar="N", help="stop after N examples")
    output.add_argument(
        "--seed", type=whole_number, metavar="N", help="of everything that is drawn (default: 0, or the YAML's)"
    )


def _add_corpus_options(parser: argparse.ArgumentParser) -> None:
    inputs = parser.add_argument_group(INPUTS)
    inputs.add_argument(
        "path", metavar="PATH", help="folder or file of the corpus, or a data set: hf://datasets/OWNER/NAME"
    )
    splits = ("train", "validation", "test", "all")
    inputs.add_argument("--split", choices=splits, default="train", help="which split to use (default: train)")
    inputs.add_argument(
        "--no-split-check", dest="check_splits", action="store_false", help="do not look for clips of other splits"
    )
    inputs.add_argument(
        "--leakage", default="path", metavar="NAMES", help=(
            "what no two splits may share: path, content, speaker, system, reference, condition (default: path)"
        )
    )  # fmt: skip
    inputs.add_argument(
        "--on-error", choices=("stop", "skip"), default="stop",
        help="at a row that is wrong, stop, or go on without it and count it by its reason (default: stop)",
    )  # fmt: skip
    inputs.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help="argument of the reader; repeatable"
    )
    made = parser.add_argument_group(MADE)
    made.add_argument("--tasks", required=True, metavar="NAMES", help="such as score,explain=2; see `data ls`")
    made.add_argument(
        "--augment",
        metavar="NAMES",
        help="scale, invert, binary, numbers, paraphrase, describe; such as scale=0.5,invert",
    )
    made.add_argument("--paraphrases", metavar="FILE", help="wordings of `data paraphrase`, used besides our own")
    references = ("never", "sometimes", "always")
    made.add_argument(
        "--with-reference",
        choices=references,
        default="never",
        help="hear the undegraded original too (default: never)",
    )
    made.add_argument(
        "--listener", type=fraction, default=0.0, metavar="P", help="chance to name whose standard counts"
    )
    made.add_argument("--balance", metavar="NAME", help="make the levels of a rubric, label or preference as frequent")
    made.add_argument("--variants", type=positive_int, default=1, metavar="N", help="examples per clip (default: 1)")
    made.add_argument("--all-rubrics", action="store_true", help="ask for every rated rubric, as evaluation wants it")
    made.add_argument("--shuffle", type=positive_int, default=10_000, metavar="N", help="buffer (default: 10000)")


def data(options: argparse.Namespace) -> int:
    """Write training examples of a corpus or a mixture, list what there is, or show what was written."""
    if options.what == "ls":
        return _ls()
    if options.what == "show":
        return show.show(options)
    if options.what == "paraphrase":
        return paraphrase.paraphrase(options)
    if options.what == "jastin-proxies":
        return proxies.write_proxies(options)
    return _write(options)


# data CORPUS


def _write(options: argparse.Namespace) -> int:
    from audio_judge.data.files import write_examples
    from audio_judge.data.mixtures import iterate
    from audio_judge.data.statistics import Statistics

    if options.mixture and options.what is not None:
        raise UsageError(f"--mixture {options.mixture}: cannot act beside `{options.what}`; leave one of them out")
    out = _examples_file(options.out)
    if is_same_file(out, vars(options).get("path") or options.mixture or ""):
        raise UsageError(f"--out {out} is also the input; choose another name")
    statistics = Statistics()
    with warnings_once():
        try:
            mixture = _mixture(options)
            written = write_examples(iterate(mixture, statistics), out)
        except (ValueError, FileNotFoundError) as error:  # corpora, mixtures and splits say what is wrong themselves
            raise UsageError(str(error)) from error
        except OSError as error:
            raise UsageError(f"{error.filename or out}: {error.strerror}") from error
    if options.statistics:
        _write_statistics(Path(options.statistics), statistics.as_dict())
    say(f"{statistics}\n{written} examples in {out}")
    if not written:
        raise UsageError(f"{out} has no examples: no clip could serve any of the tasks, see above")
    return 0


def _write_statistics(path: Path, content: Mapping[str, Any]) -> None:
    try:
        path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--statistics {path}: cannot be written ({error.strerror}); the examples are") from error


def _examples_file(name: str | None) -> Path:
    if not name:
        raise UsageError("--out FILE is missing; a name that ends in .parquet or .jsonl")
    out = Path(name)
    if out.suffix.lower() not in (".parquet", ".jsonl"):
        raise UsageError(f"--out {out}: the name must end in .parquet or .jsonl")
    if not out.parent.is_dir():
        raise UsageError(f"--out {out}: there is no folder {out.parent}")
    return out


def _mixture(options: argparse.Namespace) -> "Mixture":
    """The mixture of the file, or one of a single corpus."""
    from audio_judge.corpora.corpus import read_options
    from audio_judge.data.augment import KINDS
    from audio_judge.data.instructions import ALL_TASKS
    from audio_judge.data.mixtures import mixture_of

    if options.what in ("mixture", None):
        return _mixture_of_file(options.path or options.mixture, seed=options.seed, limit=options.limit)
    corpus: dict[str, Any] = {
        "reader": options.what,
        "path": options.path,
        "split": None if options.split == "all" else options.split,
        "balance": options.balance or "",
        "on_error": options.on_error,
        "options": read_options(options.option),
    }
    augment = options.augment.split(",") if options.augment else []
    values = {
        "corpora": [corpus],
        "tasks": named_weights(options.tasks.split(","), known=ALL_TASKS, option="--tasks"),
        "augment": named_weights(augment, DEFAULT_CHANCE, KINDS, "--augment"),
        "with_reference": options.with_reference,
        "all_rubrics": options.all_rubrics,
        "listener": options.listener,
        "variants": options.variants,
        "seed": options.seed or 0,
        "limit": options.limit,
        "shuffle": options.shuffle,
    }
    if options.paraphrases:
        values["paraphrases"] = options.paraphrases
    if corpus["split"] and options.check_splits:
        _check_splits(corpus, options.leakage)
    return mixture_of(values)


def _mixture_of_file(path: str | None, **given: Any) -> "Mixture":
    """The mixture of a file; what is given counts instead of what it says."""
    from audio_judge.data.mixtures import read_mixture

    if path is None:
        raise UsageError("what? Give a corpus and its path, `mixture FILE`, `ls` or `show FILE`")
    return replace(read_mixture(path), **{name: value for name, value in given.items() if value is not None})


def _check_splits(corpus: Mapping[str, Any], leakage: str) -> None:
    """Refuse clips that are in two splits: what a corpus holds besides the wanted split is what will be tested on."""
    from audio_judge.corpora.corpus import Corpus
    from audio_judge.corpora.splits import check_disjoint

    whole = Corpus(corpus["reader"], corpus["path"], None, on_error=corpus["on_error"], options=corpus["options"])
    if whole.tells_splits:
        check_disjoint(whole.read(), leakage.split(","), CORPORA[whole.reader].unshared)


@contextmanager
def warnings_once() -> Iterator[None]:
    """What readers report is shown on stderr, and once although a corpus is read more than once."""
    seen: set[str] = set()

    def is_new(record: logging.LogRecord) -> bool:
        text = record.getMessage()
        return text not in seen and not seen.add(text)  # type: ignore[func-returns-value]

    handler = logging.StreamHandler()
    handler.addFilter(is_new)
    logger = logging.getLogger("audio_judge")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


# data ls


def _ls() -> int:
    from audio_judge.data.augment import KINDS
    from audio_judge.data.examples import DECIDE
    from audio_judge.data.instructions import COMPARE_QUESTION, DETECT_QUESTION
    from audio_judge.tasks.listeners import LISTENERS

    own_tasks = {
        DECIDE: "rubrics as typed questions, answered by shares of listeners over the levels",
        DETECT_QUESTION: "real or fake as a typed yes-or-no question",
        COMPARE_QUESTION: "which of two clips is better on some rubrics, as typed questions",
    }
    tables: tuple[tuple[tuple[str, ...], Rows], ...] = (
        (("corpus", "what it is"), corpus_rows()),
        (("task", "what it does"), [*own_tasks.items(), *task_rows()]),
        (("rubric", "scale", "best", "levels"), rubric_rows()),
        (("listener", "such as"), [(name, listener.views[0]) for name, listener in LISTENERS.items()]),
    )
    for titles, rows in tables:
        print_table(titles, rows)
        print()
    print(f"augmentation: {', '.join(KINDS)}")
    return 0
