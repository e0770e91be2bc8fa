"""``audio-judge data paraphrase``: a text model rewords our requests, for ``--paraphrases`` and mixtures."""

import argparse
import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from audio_judge.batch.run import say
from audio_judge.cli.options import ASKED, OUTPUT, whole_number
from audio_judge.cli.teacher import add_teacher_options, rows_file, teacher
from audio_judge.errors import UsageError

if TYPE_CHECKING:
    from audio_judge.data.paraphrases import ParaphraseReport, Source
    from audio_judge.text_models.client import Client

EXAMPLES = """examples:
  audio-judge data paraphrase --teacher http://localhost:8000/v1 --model Qwen3-8B --out wordings.jsonl
  audio-judge data paraphrase --styles casual,technical --teacher http://localhost:8000/v1 --model Qwen3-8B --out wordings.jsonl
  audio-judge data paraphrase --definitions all --teacher http://localhost:8000/v1 --model Qwen3-8B --out wordings.jsonl
  audio-judge data nisqa /data/NISQA_Corpus --tasks score --augment paraphrase=0.5 --paraphrases wordings.jsonl --out train.parquet

Each request, or with --definitions the definition of each rubric, is reworded in five styles; a rewording that changes what is
asked (its fields, which end of the scale is which, what it is about) is asked for again. More wordings come from
another model or --seed: the file is added to. A run that was stopped goes on with the same command. Exit code: 0, 1 if some
wordings failed (see FILE.failed.jsonl), 2 if the request was unusable, 130 if interrupted."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``data paraphrase``."""
    add_teacher_options(parser)
    asked = parser.add_argument_group(ASKED)
    asked.add_argument(
        "--definitions",
        metavar="NAMES",
        help="reword what these rubrics are, such as mos,noisiness, or all; else requests",
    )
    asked.add_argument("--styles", metavar="NAMES", help="such as casual,technical (default: all five)")
    asked.add_argument("--seed", type=whole_number, default=0, metavar="N", help="of the replies (default: 0)")
    output = parser.add_argument_group(OUTPUT)
    output.add_argument("--out", required=True, metavar="FILE", help=".jsonl file; added to if it exists")


def paraphrase(options: argparse.Namespace) -> int:
    """Have a language model reword the requests about rubrics, or what the rubrics are."""
    from audio_judge.data.paraphrases import STYLES

    out = rows_file(options.out)
    styles = options.styles.split(",") if options.styles else list(STYLES)
    try:
        sources = _sources(options.definitions)
        report = asyncio.run(_write(teacher(options, out), out, sources, styles, options.seed))
    except ValueError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(f"{error.filename or out}: {error.strerror}") from error
    kept = f" to {report.kept} of an earlier run" if report.kept else ""
    say(f"{report.written} wordings added{kept} in {out}, {report.failed} failed")
    if report.failed:
        say(f"  why they failed is in {out}.failed.jsonl; the same command, or another --seed, tries again")
    return 1 if report.failed else 0


def _sources(definitions: str | None) -> "list[Source]":
    from audio_judge.data.definitions import WHATS, source_of
    from audio_judge.data.paraphrases import Source
    from audio_judge.languages import wordings
    from audio_judge.rubrics.rubric import get_rubric

    if definitions is None:
        return [Source.of(request) for request in wordings("decide")[0]]
    names = list(WHATS) if definitions == "all" else definitions.split(",")
    return [source_of(get_rubric(name)) for name in names]


async def _write(
    client: "Client", out: Path, sources: "list[Source]", styles: list[str], seed: int
) -> "ParaphraseReport":
    from audio_judge.data.paraphrases import write_paraphrases

    async with client:
        return await write_paraphrases(client, sources, out, styles=styles, seed=seed)
