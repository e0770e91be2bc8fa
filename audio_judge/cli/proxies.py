"""``audio-judge data jastin-proxies``: clips and scores of Jastin's five proxies, made from clean clips."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from audio_judge.batch.items import AUDIO_SUFFIXES
from audio_judge.batch.run import say, say_some
from audio_judge.cli.options import INPUTS, MADE, OUTPUT, fraction, positive_int, whole_number
from audio_judge.errors import UsageError
from audio_judge.rubrics.rubric import PROXY_RUBRICS

EXAMPLES = """examples:
  audio-judge data jastin-proxies clean_speech --music music --out /data/proxies
  audio-judge data jastin-proxies clean_speech --proxies child_voice,reverberation --limit 1000 --out /data/proxies

Each clean clip makes one clip per proxy: FOLDER/child_voice/*.wav, with scores in FOLDER/child_voice.jsonl, as
recipes/data/jastin.yaml reads them. A run that was stopped goes on with the same command. Exit code: 0, 1 if some clips
could not be used, 2 if the request was unusable."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``data jastin-proxies``."""
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


def write_proxies(options: argparse.Namespace) -> int:
    """Make what is there of each proxy's clips, from as much clean sound as was given."""
    from audio_judge.corpora import proxies

    speech = _sound_files(options.path, options.limit)
    music = _sound_files(options.music, options.limit) if options.music else []
    out = Path(options.out)
    failed = 0
    for name in _wanted(options.proxies, has_music=bool(music)):
        clean = {"speech": speech, "music": music, "any": [*speech, *music]}[proxies.PROXIES[name].content]
        try:
            report = proxies.write_proxies(clean, name, out, seed=options.seed, untreated=options.untreated)
        except (ValueError, RuntimeError) as error:
            raise UsageError(str(error)) from error
        except OSError as error:
            raise UsageError(f"{error.filename or out}: {error.strerror}") from error
        failed += len(report.failed)
        say_some(report.failed)
        say(f"{report.table}: {report.made} made, {report.kept} kept of an earlier run, {len(report.failed)} failed")
    return 1 if failed else 0


def _wanted(names: str | None, *, has_music: bool) -> Sequence[str]:
    """Names of the proxies that are wanted and have their kind of clips."""
    from audio_judge.corpora.proxies import PROXIES

    wanted = names.split(",") if names else list(PROXY_RUBRICS)
    unknown = [name for name in wanted if name not in PROXY_RUBRICS]
    if unknown:
        raise UsageError(f"--proxies {','.join(unknown)}: known are {', '.join(PROXY_RUBRICS)}")
    needs_music = [] if has_music else [name for name in wanted if PROXIES[name].content == "music"]
    if needs_music and names:
        raise UsageError(f"{needs_music[0]} is made of music: give --music FOLDER")
    for name in needs_music:
        say(f"{name} is made of music and left out; give --music FOLDER to have it")
    return [name for name in wanted if name not in needs_music]


def _sound_files(folder: str, limit: int | None) -> list[Path]:
    found = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
    if not found:
        raise UsageError(f"{folder}: no folder with sound files; {', '.join(AUDIO_SUFFIXES)} are looked for")
    return found[:limit]
