"""``audio-judge caption``: a text model writes descriptions of rated clips, as training data."""

import argparse
import asyncio
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio_judge.batch.items import PATH_COLUMNS
from audio_judge.batch.run import say
from audio_judge.cli.data import warnings_once
from audio_judge.cli.options import ASKED, INPUTS, OUTPUT, positive_int, whole_number
from audio_judge.cli.teacher import add_teacher_options, rows_file, teacher
from audio_judge.clips import RatedClip, RatedPair
from audio_judge.corpora import CORPORA
from audio_judge.errors import UsageError

if TYPE_CHECKING:
    from audio_judge.corpora.corpus import Corpus
    from audio_judge.data.captions import CaptionReport
    from audio_judge.text_models.client import Client

EXAMPLES = """examples:
  audio-judge caption clips.csv --teacher http://localhost:8000/v1 --model Qwen3-8B --diverse 4 --out captions.jsonl
  audio-judge caption /data/NISQA_Corpus --corpus nisqa --pairs 5000 --teacher http://localhost:8000/v1 --model Qwen3-8B --out captions.jsonl
  audio-judge data captions captions.jsonl --tasks describe,compare --out train.parquet

clips.csv has a path (path, wav_path or filepath_deg), mos and, if known, noisiness, coloration, discontinuity, loudness
(or noi, col, dis, loud), 1 to 5. The teacher reads them in words; a text that contradicts them is written again, then
dropped and counted. A run that was stopped goes on with the same command. Exit code: 0, 1 if some captions were dropped or
failed (see FILE.failed.jsonl), 2 if the request was unusable, 130 if interrupted."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``caption``."""
    inputs = parser.add_argument_group(INPUTS)
    inputs.add_argument("clips", metavar="PATH", help="table of rated clips, or the corpus named by --corpus")
    inputs.add_argument("--corpus", choices=tuple(CORPORA), default="table", help="what PATH is (default: table)")
    splits = ("train", "validation", "test")
    inputs.add_argument("--split", choices=splits, default="train", help="which split to use (default: train)")
    inputs.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help="argument of the reader; repeatable"
    )
    inputs.add_argument("--limit", type=positive_int, metavar="N", help="only the first N clips")
    add_teacher_options(parser)
    asked = parser.add_argument_group(ASKED)
    asked.add_argument("--diverse", type=whole_number, default=0, metavar="N", help="captions besides the greedy one")
    asked.add_argument(
        "--pairs", type=whole_number, default=0, metavar="N", help="comparisons of neighbours, too (default: 0)"
    )
    asked.add_argument(
        "--two-step",
        action="store_true",
        help="comparisons in two calls, as in ALLD: reasons, then which clip is better; without ties",
    )
    asked.add_argument("--seed", type=whole_number, default=0, metavar="N", help="of wordings and replies (default: 0)")
    output = parser.add_argument_group(OUTPUT)
    output.add_argument("--out", required=True, metavar="FILE", help=".jsonl file; continued if it exists")


def caption(options: argparse.Namespace) -> int:
    """Have a language model write descriptions and A/B tests from ratings, resumable."""
    from audio_judge.data.captions import TeacherUnavailableError

    out = rows_file(options.out)
    with warnings_once():
        try:
            corpus = _corpus(options.corpus, options.clips, options.split, options.option)
            items = _items(corpus, options.limit, options.pairs, ties=not options.two_step)
            how: dict[str, Any] = {"diverse": options.diverse, "seed": options.seed, "two_step": options.two_step}
            writing = _write(teacher(options, out), items, out, **how)
            report = asyncio.run(writing)
        except TeacherUnavailableError as error:
            raise UsageError(f"{options.teacher}: {error}; the same command goes on where it stopped") from error
        except (ValueError, RuntimeError, FileNotFoundError) as error:
            raise UsageError(str(error)) from error
        except OSError as error:
            raise UsageError(f"{error.filename or out}: {error.strerror}") from error
        except KeyboardInterrupt:
            say(f"\nstopped; {out} has what was written so far: the same command goes on")
            return 130
    kept = f", {report.kept} kept of an earlier run" if report.kept else ""
    say(f"{report.written} captions written to {out}{kept}, {report.failed} failed, {report.requests} requests")
    if report.rejected:
        say(f"  {report.rewritten} written again until the ratings agreed, {report.dropped} dropped; replies not used:")
        for reason, count in sorted(report.rejected.items(), key=lambda pair: -pair[1]):
            say(f"  {count:6} {reason}")
    if report.failed:
        say(f"  why they failed is in {out}.failed.jsonl; the same command tries those again that were not answered")
    return 1 if report.failed else 0


async def _write(client: "Client", items: Iterator[RatedClip | RatedPair], out: Path, **how: Any) -> "CaptionReport":
    from audio_judge.data.captions import write_captions

    async with client:
        return await write_captions(client, items, out, **how)


def _corpus(name: str, path: str, split: str, given: list[str]) -> "Corpus":
    from audio_judge.corpora.corpus import Corpus, read_options

    options = read_options(given)
    if name == "table" and "columns" not in options:
        options["columns"] = _usual_columns(path)
    return Corpus(name, path, split, options=options)


def _items(corpus: "Corpus", limit: int | None, most_pairs: int, ties: bool) -> Iterator[RatedClip | RatedPair]:
    """Clips of the corpus, each followed by its comparison with the clip before as long as pairs are wanted."""
    earlier: RatedClip | None = None
    pairs = 0
    for item in islice(corpus.read(), limit):
        if isinstance(item, RatedClip) or ties or item.preferences.get("mos") != "tie":
            yield item
        if not isinstance(item, RatedClip) or pairs >= most_pairs:
            continue
        if earlier is not None and earlier.path != item.path and "mos" in earlier.ratings and "mos" in item.ratings:
            pair = _pair(earlier, item)
            if ties or pair.preferences["mos"] != "tie":
                yield pair
                pairs += 1
        earlier = item


def _pair(first: RatedClip, second: RatedClip) -> RatedPair:
    lead = first.ratings["mos"].value - second.ratings["mos"].value
    return RatedPair(first, second, {"mos": "tie" if lead == 0 else "A" if lead > 0 else "B"})


def _usual_columns(path: str) -> dict[str, Any]:
    """Columns of a plain table: a path, and NISQA's rubrics under their names or the corpus's short ones."""
    from audio_judge.corpora.rows import read_rows
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
