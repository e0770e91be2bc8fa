"""``audio-judge report``: scores as a page for people."""

import argparse
import sys
from pathlib import Path

from audio_judge.batch.write import check_replaceable, is_same_file
from audio_judge.cli.options import ASKED, INPUTS, OUTPUT, positive_float, positive_int, whole_number
from audio_judge.errors import UsageError

EXAMPLES = """examples:
  audio-judge report scores.jsonl
  audio-judge report scores.jsonl --html report.html --plots plots
  audio-judge report scores.jsonl --system-regex "samples/([^/]+)/" --by noisiness
  audio-judge report shard1.jsonl shard2.jsonl --clips-root /data --html report.html

The page holds plots and sounds itself, and opens without a network. What made a clip is said by the column `system` of the
scores, by --system-regex, or else by the clip's folder. Exit code: 0, or 2 if the request was unusable."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``report``."""
    inputs = parser.add_argument_group(INPUTS)
    inputs.add_argument("scores", nargs="+", metavar="FILE", help=".jsonl or .csv file that `score` has written")
    inputs.add_argument("--path-column", metavar="NAME", help="column of the paths, as for `score`")
    inputs.add_argument(
        "--clips-root", metavar="FOLDER", help="where relative paths start (default: here, or at the scores)"
    )
    inputs.add_argument(
        "--system-column", default="system", metavar="NAME", help="column of what made a clip (default: system)"
    )
    inputs.add_argument("--system-regex", metavar="REGEX", help="finds the system in a path, as its first group")
    asked = parser.add_argument_group(ASKED)
    asked.add_argument("--by", metavar="RUBRIC", help="what ranks systems and clips (default: the first rubric)")
    asked.add_argument(
        "--worst", type=whole_number, default=9, metavar="N", help="how many of the worst clips (default: 9)"
    )
    asked.add_argument("--resamples", type=positive_int, default=1000, metavar="N", help="of the bootstrap")
    asked.add_argument("--seed", type=whole_number, default=0, metavar="N", help="of the bootstrap (default: 0)")
    output = parser.add_argument_group(OUTPUT)
    output.add_argument("--html", metavar="FILE", help="page to write (default: FILE.html)")
    output.add_argument("--plots", metavar="FOLDER", help="write the plots as PNG files, too")
    output.add_argument("--title", metavar="TEXT", help="title of the page")
    output.add_argument(
        "--clip-seconds", type=positive_float, default=12.0, metavar="S", help="longest sound (default: 12)"
    )
    output.add_argument(
        "--embed-mb", type=positive_float, default=16.0, metavar="MB", help="room for sounds; others are linked"
    )


def report(options: argparse.Namespace) -> int:
    """Write the page."""
    from audio_judge.reports.scores import read_scores, score_page

    files = [Path(name) for name in options.scores]
    page = Path(options.html) if options.html else files[0].with_suffix(".html")
    if any(is_same_file(page, file) for file in files):
        raise UsageError(f"--html {page}: would overwrite the scores; choose another name")
    check_replaceable(page, is_wanted=True)
    scores = read_scores(
        files,
        root=None if options.clips_root is None else Path(options.clips_root),
        path_column=options.path_column,
        system_column=options.system_column,
        system_regex=options.system_regex,
    )
    text = score_page(
        scores,
        page,
        title=options.title or f"Scores in {', '.join(file.name for file in files)}",
        by=options.by,
        worst=options.worst,
        clip_seconds=options.clip_seconds,
        megabytes=options.embed_mb,
        plots=None if options.plots is None else Path(options.plots),
        resamples=options.resamples,
        seed=options.seed,
    )
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageError(f"{page}: cannot be written ({error.strerror}); choose another --html") from error
    print(f"{page}: {len(scores.clips)} clips, {len(text) / 1e6:.1f} MB", file=sys.stderr)
    return 0
