"""What ``audio-judge data`` and ``audio-judge caption`` do, from parsed options to an exit code.

Examples are written in a stream, to a file beside the wanted one that takes its name when it is whole.
"""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio_judge.batch.items import AUDIO_SUFFIXES
from audio_judge.cli import paraphrase
from audio_judge.cli.ls import Rows, corpus_rows, print_table, rubric_rows, task_rows
from audio_judge.cli.options import INPUTS, OUTPUT, fraction, positive_int, whole_number
from audio_judge.corpora import CORPORA
from audio_judge.data.weights import named_weights
from audio_judge.errors import UsageError
from audio_judge.rubrics.rubric import PROXY_RUBRICS

if TYPE_CHECKING:
    from audio_judge.data.examples import Example
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

PROXY_EXAMPLES = """examples:
  audio-judge data jastin-proxies clean_speech --music music --out /data/proxies
  audio-judge data jastin-proxies clean_speech --proxies child_voice,reverberation --limit 1000 --out /data/proxies

Each clean clip makes one clip per proxy: FOLDER/child_voice/*.wav, with scores in FOLDER/child_voice.jsonl, as
recipes/data/jastin.yaml reads them. A run that was stopped goes on with the same command. Exit code: 0, 1 if some clips
could not be used, 2 if the request was unusable."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``data`` and of what it makes."""
    shape: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
    parser.set_defaults(path=None)
    _add_mixture_options(parser)
    parser.add_argument("--mixture", metavar="FILE", help="YAML of corpora, tasks and weights; same as `mixture FILE`")
    what = parser.add_subparsers(dest="what", metavar="CORPUS | mixture | paraphrase | jastin-proxies | ls | show")
    what.add_parser("ls", help="list corpora, tasks, rubrics with their scales and directions, listeners", **shape)
    show = what.add_parser("show", help="show examples as the model will see them", **shape)
    show.add_argument("path", metavar="FILE", help=".parquet or .jsonl of examples")
    show.add_argument("--number", type=positive_int, default=3, metavar="N", help="how many (default: 3)")
    show.add_argument("--judge", metavar="NAME", help="whose templates (default: the judge that is shipped)")
    mixture = what.add_parser("mixture", help="several corpora, mixed as a YAML file says", **shape)
    mixture.add_argument("path", metavar="FILE", help="YAML, as in recipes/data")
    _add_mixture_options(mixture)
    about = "have a language model reword our requests, for --paraphrases"
    wordings = what.add_parser("paraphrase", help=about, description=about, epilog=paraphrase.EXAMPLES, **shape)
    paraphrase.add_options(wordings)
    about = "make the clips and scores of Jastin's five proxies from clean clips"
    _add_proxy_options(what.add_parser("jastin-proxies", help=about, description=about, epilog=PROXY_EXAMPLES, **shape))
    for name, known in CORPORA.items():
        corpus = what.add_parser(name, help=known.about, description=known.about, epilog=CORPUS_EXAMPLES, **shape)
        _add_corpus_options(corpus)
        _add_mixture_options(corpus)


MADE = "what is made"


def _add_proxy_options(parser: argparse.ArgumentParser) -> None:
    inputs = parser.add_argument_group(INPUTS)
    inputs.add_argument("path", metavar="FOLDER", help="clean speech, searched for sound files")
    inputs.add_argument("--music", metavar="FOLDER", help="clean music, for music_distortion and sudden_silence")
    inputs.add_argument("--limit", type=positive_int, metavar="N", help="only the first N clips of each folder")
    made = parser.add_argument_group(MADE)
    made.add_argument("--proxies", metavar="NAMES", help="such as child_voice,reverberation (default: all there is)")
    made.add_argument(
        "--untreated", type=fraction, default=0.5, metavar="P", help="share of clips left as they are (default: 0.5)"
    )
    made.add_argument("--seed", type=whole_number, default=0, metavar="N", help="of everything drawn (default: 0)")
    output = parser.add_argument_group(OUTPUT)
    output.add_argument("--out", required=True, metavar="FOLDER", help="where clips and tables are written")


def _add_mixture_options(parser: argparse.ArgumentParser) -> None:
    output = parser.add_argument_group(OUTPUT)
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
        "--option", action="append", default=[], metavar="NAME=VALUE", help="argument of the reader; repeatable"
    )
    made = parser.add_argument_group(MADE)
    made.add_argument("--tasks", required=True, metavar="NAMES", help="such as score,explain=2; see `data ls`")
    made.add_argument(
        "--augment", metavar="NAMES", help="scale, invert, binary, numbers, paraphrase; such as scale=0.5,invert"
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


DEFAULT_CHANCE = 0.25
_SHOWN_FAILURES = 20


def data(options: argparse.Namespace) -> int:
    """Write training examples of a corpus or a mixture, list what there is, or show what was written."""
    if options.what == "ls":
        return _ls()
    if options.what == "show":
        return _show(options)
    if options.what == "paraphrase":
        return paraphrase.paraphrase(options)
    if options.what == "jastin-proxies":
        return _write_proxies(options)
    return _write(options)


def say(text: str) -> None:
    """Tell people something, on standard error."""
    print(text, file=sys.stderr, flush=True)


# data CORPUS


def _write(options: argparse.Namespace) -> int:
    from audio_judge.data.files import write_examples
    from audio_judge.data.mixtures import iterate
    from audio_judge.data.statistics import Statistics

    if not options.out:
        raise UsageError("--out FILE is missing; a name that ends in .parquet or .jsonl")
    out = Path(options.out)
    if out.suffix.lower() not in (".parquet", ".jsonl"):
        raise UsageError(f"--out {out}: the name must end in .parquet or .jsonl")
    if not out.parent.is_dir():
        raise UsageError(f"--out {out}: there is no folder {out.parent}")
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
        text = json.dumps(statistics.as_dict(), ensure_ascii=False, indent=2)
        Path(options.statistics).write_text(text + "\n", encoding="utf-8")
    say(f"{statistics}\n{written} examples in {out}")
    if not written:
        raise UsageError(f"{out} has no examples: no clip could serve any of the tasks, see above")
    return 0


def _mixture(options: argparse.Namespace) -> "Mixture":
    """The mixture of the file, or one of a single corpus."""
    from audio_judge.corpora.corpus import Corpus, read_options
    from audio_judge.corpora.splits import check_disjoint
    from audio_judge.data.augment import KINDS
    from audio_judge.data.instructions import ALL_TASKS
    from audio_judge.data.mixtures import mixture_of, read_mixture

    if options.what == "mixture" or options.what is None:
        path = options.path if options.what == "mixture" else options.mixture
        if path is None:
            raise UsageError("what? Give a corpus and its path, `mixture FILE`, `ls` or `show FILE`")
        mixture = read_mixture(path)
        given = {"seed": options.seed, "limit": options.limit}
        return replace(mixture, **{name: value for name, value in given.items() if value is not None})
    corpus: dict[str, Any] = {
        "reader": options.what,
        "path": options.path,
        "split": None if options.split == "all" else options.split,
        "balance": options.balance or "",
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
    # What a corpus holds besides the wanted split is what will be tested on.
    whole = Corpus(options.what, options.path, None, options=corpus["options"])
    if corpus["split"] and options.check_splits and whole.tells_splits:
        check_disjoint(whole.read())
    if options.paraphrases:
        values["paraphrases"] = options.paraphrases
    return mixture_of(values)


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


# data jastin-proxies


def _write_proxies(options: argparse.Namespace) -> int:
    from audio_judge.corpora.proxies import PROXIES, write_proxies

    speech = _sound_files(options.path, options.limit)
    music = _sound_files(options.music, options.limit) if options.music else []
    failed = 0
    for name in _proxies(options):
        clean = {"speech": speech, "music": music, "any": [*speech, *music]}[PROXIES[name].content]
        try:
            report = write_proxies(clean, name, Path(options.out), seed=options.seed, untreated=options.untreated)
        except (ValueError, RuntimeError) as error:
            raise UsageError(str(error)) from error
        except OSError as error:
            raise UsageError(f"{error.filename or options.out}: {error.strerror}") from error
        failed += len(report.failed)
        for message in report.failed[:_SHOWN_FAILURES]:
            say(f"  {message}")
        say(f"{report.table}: {report.made} made, {report.kept} kept of an earlier run, {len(report.failed)} failed")
    return 1 if failed else 0


def _proxies(options: argparse.Namespace) -> list[str]:
    """Names of the proxies that are wanted and have their kind of clips."""
    from audio_judge.corpora.proxies import PROXIES

    wanted = options.proxies.split(",") if options.proxies else list(PROXY_RUBRICS)
    unknown = [name for name in wanted if name not in PROXY_RUBRICS]
    if unknown:
        raise UsageError(f"--proxies {','.join(unknown)}: known are {', '.join(PROXY_RUBRICS)}")
    needs_music = [name for name in wanted if PROXIES[name].content == "music"] if not options.music else []
    if needs_music and options.proxies:
        raise UsageError(f"{needs_music[0]} is made of music: give --music FOLDER")
    for name in needs_music:
        say(f"{name} is made of music and left out; give --music FOLDER to have it")
    return [name for name in wanted if name not in needs_music]


def _sound_files(folder: str, limit: int | None) -> list[Path]:
    found = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
    if not found:
        raise UsageError(f"{folder}: no folder with sound files; {', '.join(AUDIO_SUFFIXES)} are looked for")
    return found[:limit]


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


# data show


def _show(options: argparse.Namespace) -> int:
    from audio_judge.data.files import read_examples
    from audio_judge.messages import audio_blocks

    render = _renderer(options.judge)
    shown = 0
    for shown, example in enumerate(islice(read_examples(Path(options.path)), options.number), start=1):
        paths = ", ".join(f"{block['role']}: {block['path']}" for block in audio_blocks(example))
        corpus = example.get("corpus", "")
        print(f"=== {shown}  {example['task']}  {corpus}\n{paths}\n---\n{render(example)}\n---\n{_answer(example)}\n")
    if not shown:
        raise UsageError(f"{options.path} has no examples")
    return 0


def _renderer(judge: str | None) -> Callable[["Example"], str]:
    """The templates of a judge, or plain text if none is named and none is shipped."""
    from audio_judge.judge.judge import SHIPPED_JUDGE  # heavy

    if judge is None and not (SHIPPED_JUDGE / "config.json").is_file():
        say("no judge is shipped with this copy; shown without its template")
        return _plain
    from transformers import AutoProcessor

    from audio_judge.training.collate import JudgeCollator

    try:
        processor = AutoProcessor.from_pretrained(judge or SHIPPED_JUDGE)
        collator = JudgeCollator(processor)
    except (OSError, ValueError, AttributeError) as error:
        raise UsageError(f"--judge {judge or SHIPPED_JUDGE} cannot be loaded: {error}") from error

    def render(example: "Example") -> str:
        if "questions" in example:
            return str(processor.tokenizer.decode(collator._prompt(example).ids))
        messages, template = [*example["prompt"], *example["completion"]], processor.chat_template
        return str(processor.tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False))

    return render


def _plain(example: "Example") -> str:
    if "questions" in example:
        asked = [
            f"{name}: {json.dumps(question, ensure_ascii=False)}" for name, question in example["questions"].items()
        ]
        return "\n".join([_plain_blocks(example["state"]), *asked])
    return _plain_blocks(example["prompt"][0]["content"])


def _plain_blocks(blocks: Iterable[Mapping[str, Any]]) -> str:
    return "".join("<audio>" if block["type"] == "audio" else block["text"] for block in blocks)


def _answer(example: "Example") -> str:
    facts = {name: example[name] for name in ("provenance", "listener", "form") if name in example}
    if "questions" in example:
        return json.dumps({"targets": example["targets"], **facts}, ensure_ascii=False)
    answer = example["completion"][0]["content"]
    return f"{answer}\n{json.dumps(facts, ensure_ascii=False)}" if facts else answer
