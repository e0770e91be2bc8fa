"""``audio-judge alld``: metrics of two recordings, and what a text model makes of them, in the files of ALLD's own generator."""

import argparse
import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio_judge.batch.run import say
from audio_judge.cli.common import load_judge
from audio_judge.cli.options import INPUTS, JUDGE, OUTPUT, add_judge_name, whole_number
from audio_judge.cli.teacher import add_teacher_options, teacher
from audio_judge.clips import RatedClip, RatedPair, Rating
from audio_judge.errors import UsageError
from audio_judge.rubrics.rubric import NISQA_RUBRICS

if TYPE_CHECKING:
    from audio_judge.data.captions import CaptionReport
    from audio_judge.text_models.client import Client

EXAMPLES = """examples:
  audio-judge alld a.wav b.wav --teacher http://localhost:8000/v1 --model Qwen3-8B --output results
  audio-judge alld a.wav b.wav --judge open --skip-ab-test --teacher http://localhost:8000/v1 --model Qwen3-8B --output results

The folder gets audio1_metrics.json, audio1_mos.txt, audio1_mos_diverse.txt, the same of audio2, ab_test.txt and ab_test_summary.txt,
which is [SpeechA] or [SpeechB]. The judge rates, the teacher writes from the ratings, and what contradicts them is written again, then
left out. A run that was stopped goes on with the same command. Exit code: 0, 1 if a text could not be had (see captions.jsonl.failed.jsonl),
2 if the request was unusable, 130 if interrupted."""

ROWS = "captions.jsonl"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``alld``."""
    inputs = parser.add_argument_group(INPUTS)
    inputs.add_argument("first", metavar="A", help="recording of speech")
    inputs.add_argument("second", metavar="B", help="another one")
    add_judge_name(parser.add_argument_group(JUDGE))
    add_teacher_options(parser)
    output = parser.add_argument_group(OUTPUT)
    output.add_argument("--output", "--out", required=True, metavar="FOLDER", help="where the files go")
    output.add_argument("--skip-ab-test", action="store_true", help="do not compare the two")
    output.add_argument(
        "--seed", type=whole_number, default=0, metavar="N", help="of wordings and replies (default: 0)"
    )


def alld(options: argparse.Namespace) -> int:
    """Rate two recordings, and have a text model describe and compare them."""
    from audio_judge.data.captions import TeacherUnavailableError

    paths = [options.first, options.second]
    if Path(options.first).resolve() == Path(options.second).resolve():
        raise UsageError(f"{options.first} twice; two recordings are needed")
    folder = Path(options.output)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--output {folder} is a file; a folder is needed")
    clips = _rated(options, paths)
    folder.mkdir(parents=True, exist_ok=True)
    for number, clip in enumerate(clips, start=1):
        _write_metrics(folder / f"audio{number}_metrics.json", clip)
    items: list[RatedClip | RatedPair] = [*clips]
    lead = clips[0].ratings["mos"].value - clips[1].ratings["mos"].value
    if not options.skip_ab_test and lead:
        items.append(RatedPair(clips[0], clips[1], {"mos": "A" if lead > 0 else "B"}))
    try:
        report = asyncio.run(_write(teacher(options, folder / ROWS), items, folder / ROWS, options.seed))
    except TeacherUnavailableError as error:
        raise UsageError(f"{options.teacher}: {error}; the same command goes on where it stopped") from error
    except (ValueError, RuntimeError) as error:
        raise UsageError(str(error)) from error
    missing = _write_texts(folder, paths, has_pair=len(items) == 3)
    say(f"{folder}: {report.written} texts written, {report.kept} kept of an earlier run, {report.failed} failed")
    if not lead and not options.skip_ab_test:
        say("  both have the same overall rating, so neither is better: no ab_test.txt")
    for name in missing:
        say(f"  no {name}: see {folder / ROWS}.failed.jsonl")
    return 1 if missing else 0


def _rated(options: argparse.Namespace, paths: list[str]) -> list[RatedClip]:
    judge = load_judge(options.judge, device=options.device, revision=options.revision)
    judged = judge.score(paths, rubric=list(NISQA_RUBRICS))
    for one in judged:
        if one.error is not None:
            raise UsageError(str(one.error))
    # Two decimals are what is written and what a caption may say
    return [
        RatedClip(path, {name: Rating(round(score.value, 2)) for name, score in one.scores.items()}, "test", "alld")
        for path, one in zip(paths, judged, strict=True)
    ]


def _write_metrics(path: Path, clip: RatedClip) -> None:
    from audio_judge.tasks.describe import META_KEYS

    metrics = {key: clip.ratings[rubric].value for rubric, key in META_KEYS.items() if rubric in clip.ratings}
    path.write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")


async def _write(client: "Client", items: list[RatedClip | RatedPair], out: Path, seed: int) -> "CaptionReport":
    from audio_judge.data.captions import write_captions

    async with client:
        return await write_captions(client, items, out, diverse=1, seed=seed, two_step=True)


def _write_texts(folder: Path, paths: list[str], *, has_pair: bool) -> list[str]:
    """Write the texts of the newest rows under the names of ALLD's generator; give the names of those that there are not."""
    from audio_judge.batch.lines import rows_by_id

    found: dict[tuple[str, tuple[str, ...], int], Any] = {}
    for row in rows_by_id(folder / ROWS).values():
        found[row["task"], tuple(row["audio"]), row["variant"]] = row["text"]
    texts = {}
    for number, path in enumerate(paths, start=1):
        texts[f"audio{number}_mos.txt"] = found.get(("describe", (path,), 0))
        texts[f"audio{number}_mos_diverse.txt"] = found.get(("describe", (path,), 1))
    if has_pair:
        compared = found.get(("compare", tuple(paths), 0))
        reasons, _, verdict = (compared or "").rpartition("\n")
        texts |= {"ab_test.txt": reasons or None, "ab_test_summary.txt": verdict or None}
    for name, text in texts.items():
        if text is None:
            (folder / name).unlink(missing_ok=True)  # of an earlier run, with other ratings
        else:
            (folder / name).write_text(f"{text}\n", encoding="utf-8")
    return [name for name, text in texts.items() if text is None]
