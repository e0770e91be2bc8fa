"""What ``audio-judge data`` and ``audio-judge caption`` do, from parsed options to an exit code.

Examples are written in a stream, to a file beside the wanted one that takes its name when it is whole.
"""

import argparse
import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from audio_judge.augment import KINDS
from audio_judge.captions import TeacherUnavailableError, write_captions
from audio_judge.cli import CORPORA
from audio_judge.clips import RatedClip, RatedPair
from audio_judge.corpora.splits import check_disjoint
from audio_judge.endpoint import Client, Endpoint
from audio_judge.examples import DECIDE, audio_blocks, read_example
from audio_judge.inputs import AUDIO_SUFFIXES, PATH_COLUMNS, UsageError
from audio_judge.instruct import COMPARE_QUESTION, DETECT_QUESTION, Example
from audio_judge.listing import Rows, print_table, rubric_rows, task_rows
from audio_judge.mixtures import WITH_SPLITS, Corpus, Mixture, Statistics, iterate, mixture_of, read_mixture
from audio_judge.rubrics import PROXY_RUBRICS
from audio_judge.tasks.listeners import LISTENERS

DEFAULT_CHANCE = 0.25
_ROWS_AT_ONCE = 1000
_SHOWN_FAILURES = 20
_OWN_TASKS = {
    DECIDE: "rubrics as typed questions, answered by shares of listeners over the levels",
    DETECT_QUESTION: "real or fake as a typed yes-or-no question",
    COMPARE_QUESTION: "which of two clips is better on some rubrics, as typed questions",
}


def data(options: argparse.Namespace) -> int:
    """Write training examples of a corpus or a mixture, list what there is, or show what was written.

    Args:
        options: Parsed options of the command.

    Returns:
        Exit code: 0, 1 if some clips could not be used.

    Raises:
        UsageError: If the request cannot be carried out.
    """
    if options.what == "ls":
        return _ls()
    if options.what == "show":
        return _show(options)
    if options.what == "jastin-proxies":
        return _write_proxies(options)
    return _write(options)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# data CORPUS


def _write(options: argparse.Namespace) -> int:
    if not options.out:
        raise UsageError("--out FILE is missing; a name that ends in .parquet or .jsonl")
    out = Path(options.out)
    if out.suffix.lower() not in (".parquet", ".jsonl"):
        raise UsageError(f"--out {out}: the name must end in .parquet or .jsonl")
    if not out.parent.is_dir():
        raise UsageError(f"--out {out}: there is no folder {out.parent}")
    statistics = Statistics()
    with _warnings_once():
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
    _say(f"{statistics}\n{written} examples in {out}")
    if not written:
        raise UsageError(f"{out} has no examples: no clip could serve any of the tasks, see above")
    return 0


def _mixture(options: argparse.Namespace) -> Mixture:
    """The mixture of the file, or one of a single corpus."""
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
        "options": _reader_options(options.option),
    }
    values = {
        "corpora": [corpus],
        "tasks": _weights(options.tasks, 1.0),
        "augment": _weights(options.augment, DEFAULT_CHANCE) if options.augment else {},
        "with_reference": options.with_reference,
        "all_rubrics": options.all_rubrics,
        "listener": options.listener,
        "variants": options.variants,
        "seed": options.seed or 0,
        "limit": options.limit,
        "shuffle": options.shuffle,
    }
    # What a corpus holds besides the wanted split is what will be tested on.
    if corpus["split"] and options.check_splits and options.what in WITH_SPLITS and Path(options.path).is_dir():
        check_disjoint(Corpus(options.what, options.path, None, options=corpus["options"]).read())
    if options.paraphrases:
        values["paraphrases"] = options.paraphrases
    return mixture_of(values)


def _weights(text: str, default: float) -> dict[str, float]:
    """Read ``score,explain=2``."""
    weights = {}
    for part in text.split(","):
        name, _, number = part.strip().partition("=")
        try:
            weights[name] = float(number) if number else default
        except ValueError:
            raise UsageError(f"{part.strip()!r}; a name or name=number is needed, such as score=2") from None
    return weights


def _reader_options(given: Sequence[str]) -> dict[str, Any]:
    """Read ``name=value``; a value that is JSON counts as such, any other as text."""
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise UsageError(f"--option {text!r}; NAME=VALUE is needed, such as root=/data/wav")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


@contextmanager
def _warnings_once() -> Iterator[None]:
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


def write_examples(examples: Iterable[Mapping[str, Any]], path: Path) -> int:
    """Write examples in a stream: one JSON object per line, or parquet with one column of JSON text, ``example``.

    ``datasets.load_dataset`` reads both, and ``audio_judge.examples.read_example`` a row of either.

    Args:
        examples: As ``audio_judge.mixtures.iterate`` makes them.
        path: Name that ends in ``.jsonl`` or ``.parquet``; replaced when all is written.

    Returns:
        Number of examples.
    """
    part = path.with_name(f"{path.name}.part")
    texts = (json.dumps(example, ensure_ascii=False) for example in examples)
    try:
        written = (_write_parquet if path.suffix.lower() == ".parquet" else _write_lines)(texts, part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return written


def _write_lines(texts: Iterator[str], path: Path) -> int:
    written = 0
    with path.open("w", encoding="utf-8") as file:
        for text in texts:
            file.write(text + "\n")
            written += 1
    return written


def _write_parquet(texts: Iterator[str], path: Path) -> int:
    import pyarrow
    import pyarrow.parquet

    schema = pyarrow.schema([("example", pyarrow.string())])
    written = 0
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        while rows := list(islice(texts, _ROWS_AT_ONCE)):
            writer.write_table(pyarrow.table({"example": rows}, schema))
            written += len(rows)
    return written


def read_examples(path: Path) -> Iterator[Example]:
    """Read a file of ``write_examples`` in a stream.

    Args:
        path: ``.jsonl`` or ``.parquet``.

    Raises:
        UsageError: If it is no such file.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    try:
        if path.suffix.lower() == ".parquet":
            import pyarrow.parquet

            for batch in pyarrow.parquet.ParquetFile(path).iter_batches(_ROWS_AT_ONCE, columns=["example"]):
                yield from (read_example(row) for row in batch.to_pylist())
            return
        with path.open(encoding="utf-8") as file:
            for line in file:
                yield read_example(json.loads(line))
    except (ValueError, TypeError, OSError) as error:  # pyarrow's errors are ValueErrors and OSErrors
        raise UsageError(f"{path}: not examples as `audio-judge data` writes them ({error})") from error


# data jastin-proxies


def _write_proxies(options: argparse.Namespace) -> int:
    from audio_judge.corpora.proxies import proxy_task, write_proxies

    speech = _sound_files(options.path, options.limit)
    music = _sound_files(options.music, options.limit) if options.music else []
    failed = 0
    for name in _proxies(options):
        clean = {"speech": speech, "music": music, "any": [*speech, *music]}[proxy_task(name).content]
        try:
            report = write_proxies(clean, name, Path(options.out), seed=options.seed, untreated=options.untreated)
        except (ValueError, RuntimeError) as error:
            raise UsageError(str(error)) from error
        except OSError as error:
            raise UsageError(f"{error.filename or options.out}: {error.strerror}") from error
        failed += len(report.failed)
        for message in report.failed[:_SHOWN_FAILURES]:
            _say(f"  {message}")
        _say(f"{report.table}: {report.made} made, {report.kept} kept of an earlier run, {len(report.failed)} failed")
    return 1 if failed else 0


def _proxies(options: argparse.Namespace) -> list[str]:
    """Names of the proxies that are wanted and have their kind of clips."""
    from audio_judge.corpora.proxies import proxy_task

    wanted = options.proxies.split(",") if options.proxies else list(PROXY_RUBRICS)
    unknown = [name for name in wanted if name not in PROXY_RUBRICS]
    if unknown:
        raise UsageError(f"--proxies {','.join(unknown)}: known are {', '.join(PROXY_RUBRICS)}")
    needs_music = [name for name in wanted if proxy_task(name).content == "music"] if not options.music else []
    if needs_music and options.proxies:
        raise UsageError(f"{needs_music[0]} is made of music: give --music FOLDER")
    for name in needs_music:
        _say(f"{name} is made of music and left out; give --music FOLDER to have it")
    return [name for name in wanted if name not in needs_music]


def _sound_files(folder: str, limit: int | None) -> list[Path]:
    found = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
    if not found:
        raise UsageError(f"{folder}: no folder with sound files; {', '.join(AUDIO_SUFFIXES)} are looked for")
    return found[:limit]


# data ls


def _ls() -> int:
    tables: tuple[tuple[tuple[str, ...], Rows], ...] = (
        (("corpus", "what it is"), list(CORPORA.items())),
        (("task", "what it does"), [*_OWN_TASKS.items(), *task_rows()]),
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
    render = _renderer(options.judge)
    shown = 0
    for shown, example in enumerate(islice(read_examples(Path(options.path)), options.number), start=1):
        paths = ", ".join(f"{block['role']}: {block['path']}" for block in audio_blocks(example))
        corpus = example.get("corpus", "")
        print(f"=== {shown}  {example['task']}  {corpus}\n{paths}\n---\n{render(example)}\n---\n{_answer(example)}\n")
    if not shown:
        raise UsageError(f"{options.path} has no examples")
    return 0


def _renderer(judge: str | None) -> Callable[[Example], str]:
    """The templates of a judge, or plain text if none is named and none is shipped."""
    from audio_judge.judge import SHIPPED_JUDGE  # heavy

    if judge is None and not (SHIPPED_JUDGE / "config.json").is_file():
        _say("no judge is shipped with this copy; shown without its template")
        return _plain
    from transformers import AutoProcessor

    from audio_judge.collate import JudgeCollator

    try:
        processor = AutoProcessor.from_pretrained(judge or SHIPPED_JUDGE)
        collator = JudgeCollator(processor)
    except (OSError, ValueError, AttributeError) as error:
        raise UsageError(f"--judge {judge or SHIPPED_JUDGE} cannot be loaded: {error}") from error

    def render(example: Example) -> str:
        if "questions" in example:
            return str(processor.tokenizer.decode(collator._prompt(example).ids))
        messages, template = [*example["prompt"], *example["completion"]], processor.chat_template
        return str(processor.tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False))

    return render


def _plain(example: Example) -> str:
    if "questions" in example:
        asked = [
            f"{name}: {json.dumps(question, ensure_ascii=False)}" for name, question in example["questions"].items()
        ]
        return "\n".join([_plain_blocks(example["state"]), *asked])
    return _plain_blocks(example["prompt"][0]["content"])


def _plain_blocks(blocks: Iterable[Mapping[str, Any]]) -> str:
    return "".join("<audio>" if block["type"] == "audio" else block["text"] for block in blocks)


def _answer(example: Example) -> str:
    facts = {name: example[name] for name in ("provenance", "listener", "form") if name in example}
    if "questions" in example:
        return json.dumps({"targets": example["targets"], **facts}, ensure_ascii=False)
    answer = example["completion"][0]["content"]
    return f"{answer}\n{json.dumps(facts, ensure_ascii=False)}" if facts else answer


# caption


def caption(options: argparse.Namespace) -> int:
    """Have a language model write descriptions and A/B tests from ratings, resumable.

    Args:
        options: Parsed options of the command.

    Returns:
        Exit code: 0, 1 if some captions failed, 130 if interrupted.

    Raises:
        UsageError: If the request cannot be carried out.
    """
    out = Path(options.out)
    if out.suffix.lower() != ".jsonl":
        raise UsageError(f"--out {out}: the name must end in .jsonl")
    with _warnings_once():
        try:
            report = asyncio.run(_caption(_caption_items(options), out, options))
        except TeacherUnavailableError as error:
            raise UsageError(f"{options.teacher}: {error}; the same command goes on where it stopped") from error
        except (ValueError, RuntimeError, FileNotFoundError) as error:
            raise UsageError(str(error)) from error
        except KeyboardInterrupt:
            _say(f"\nstopped; {out} has what was written so far: the same command goes on")
            return 130
    kept = f", {report.kept} kept of an earlier run" if report.kept else ""
    _say(f"{report.written} captions written to {out}{kept}, {report.failed} failed, {report.requests} requests")
    if report.failed:
        _say(f"  why they failed is in {out}.failed.jsonl; the same command tries them again")
    return 1 if report.failed else 0


async def _caption(items: Iterable[RatedClip | RatedPair], out: Path, options: argparse.Namespace) -> Any:
    key = os.environ.get(options.api_key_variable) if options.api_key_variable else None
    endpoint = Endpoint(options.teacher, options.model, api_key=key)
    cache = Path(options.cache) if options.cache else out.with_name(f"{out.name}.cache")
    async with Client(endpoint, cache=cache, concurrency=options.concurrency) as client:
        return await write_captions(client, items, out, diverse=options.diverse, seed=options.seed)


def _caption_items(options: argparse.Namespace) -> Iterator[RatedClip | RatedPair]:
    """Clips of the corpus, and pairs of neighbours that differ."""
    given = _reader_options(options.option)
    if options.corpus == "table" and "columns" not in given:
        given["columns"] = _caption_columns(Path(options.clips))
    corpus = Corpus(options.corpus, options.clips, options.split, options=given)
    earlier: RatedClip | None = None
    pairs = 0
    for item in islice(corpus.read(), options.limit):
        yield item
        if not isinstance(item, RatedClip) or pairs >= options.pairs:
            continue
        if earlier is not None and earlier.path != item.path and "mos" in earlier.ratings and "mos" in item.ratings:
            yield _pair(earlier, item)
            pairs += 1
        earlier = item


def _pair(first: RatedClip, second: RatedClip) -> RatedPair:
    lead = first.ratings["mos"].value - second.ratings["mos"].value
    return RatedPair(first, second, {"mos": "tie" if lead == 0 else "A" if lead > 0 else "B"})


def _caption_columns(path: Path) -> dict[str, Any]:
    """Columns of a plain table: a path, and NISQA's rubrics under their names or the corpus's short ones."""
    from audio_judge.corpora.table import read_rows
    from audio_judge.tasks.describe import META_KEYS

    names = list(next(iter(read_rows(path))).values)
    paths = [name for name in PATH_COLUMNS if name in names]
    ratings = {rubric: name for rubric, key in META_KEYS.items() for name in (key, rubric) if name in names}
    if not paths or "mos" not in ratings:
        raise UsageError(
            f"{path}: columns {', '.join(names)}; a path ({', '.join(PATH_COLUMNS)}) and mos are needed, "
            "or give --option columns=JSON"
        )
    return {"path": paths[0], "ratings": ratings}
