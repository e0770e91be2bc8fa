"""``audio-judge report``: rows of `score`, `compare` or `timeline` as a page for people."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio_judge.batch.items import PairColumns
from audio_judge.batch.write import check_replaceable, is_same_file
from audio_judge.cli.options import ASKED, INPUTS, OUTPUT, add_tie, positive_float, positive_int, whole_number
from audio_judge.errors import UsageError

if TYPE_CHECKING:
    from audio_judge.reports.scores import PlacedRow

EXAMPLES = """examples:
  audio-judge report scores.jsonl
  audio-judge report scores.jsonl --html report.html --plots plots
  audio-judge report scores.jsonl --system-regex "samples/([^/]+)/" --by noisiness
  audio-judge report compared.jsonl --by noisiness --html compared.html
  audio-judge report shard1.jsonl shard2.jsonl --clips-root /data --html report.html

The page holds plots and sounds itself, and opens without a network. What made a clip is said by the column `system` of the
scores, by --system-regex, or else by the clip's folder. Exit code: 0, or 2 if the request was unusable."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``report``."""
    inputs = parser.add_argument_group(INPUTS)
    inputs.add_argument(
        "scores",
        nargs="+",
        metavar="FILE",
        help=".jsonl or .csv file that `score` or `compare` has written, or .jsonl of `timeline`",
    )
    inputs.add_argument("--path-column", metavar="NAME", help="column of the paths, as for `score`")
    inputs.add_argument(
        "--clips-root", metavar="FOLDER", help="where relative paths start (default: here, or at the scores)"
    )
    inputs.add_argument(
        "--system-column", default="system", metavar="NAME", help="column of what made a clip (default: system)"
    )
    inputs.add_argument("--system-regex", metavar="REGEX", help="finds the system in a path, as its first group")
    inputs.add_argument("--first-column", default="a", metavar="NAME", help="of pairs, column of clip A (default: a)")
    inputs.add_argument("--second-column", default="b", metavar="NAME", help="of pairs, column of clip B (default: b)")
    asked = parser.add_argument_group(ASKED)
    asked.add_argument("--by", metavar="RUBRIC", help="what ranks systems and clips (default: the first rubric)")
    asked.add_argument(
        "--worst",
        type=whole_number,
        default=9,
        metavar="N",
        help="how many of the worst clips, or of the widest differences (default: 9)",
    )
    add_tie(asked)
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
    from audio_judge.reports.answers import put
    from audio_judge.reports.scores import read_rows

    files = [Path(name) for name in options.scores]
    page = Path(options.html) if options.html else files[0].with_suffix(".html")
    if any(is_same_file(page, file) for file in files):
        raise UsageError(f"--html {page}: would overwrite the scores; choose another name")
    check_replaceable(page, is_wanted=True)
    rows = [row for file in files for row in read_rows(file)]
    if not rows:
        raise UsageError(f"{files[0]}: no rows; give what `audio-judge score` has written")
    put(page, _page(options, rows, page, f"in {', '.join(file.name for file in files)}"), None)
    return 0


def _page(options: argparse.Namespace, rows: Sequence["PlacedRow"], page: Path, where: str) -> str:
    """The page of scores, or that of a comparison for rows of `compare`."""
    from audio_judge.reports.scores import recordings_of, score_page, scores_of
    from audio_judge.reports.systems import compare_scores, compare_verdicts, comparison_page, is_of_systems
    from audio_judge.reports.timelines import timeline_page

    root = None if options.clips_root is None else Path(options.clips_root)
    sizes: dict[str, Any] = {
        "clip_seconds": options.clip_seconds,
        "megabytes": options.embed_mb,
        "plots": None if options.plots is None else Path(options.plots),
    }
    how: dict[str, Any] = {"by": options.by, "resamples": options.resamples, "seed": options.seed}
    if all(one.row.get("task") == "timeline" for one in rows):
        recordings, facts = recordings_of(rows, root=root, path_column=options.path_column)
        title = options.title or f"Timelines {where}"
        return timeline_page(recordings, page, title=title, facts=facts, by=options.by, **sizes)
    are_systems = is_of_systems(rows)
    if options.tie is not None and not are_systems:
        raise UsageError("--tie is about rows of `compare` with scores of systems; leave it out")
    if are_systems is False:
        sides = PairColumns(options.first_column, options.second_column)
        comparison = compare_verdicts(rows, sides, root=root, **how)
    else:
        scores = scores_of(
            rows,
            root=root,
            path_column=options.path_column,
            system_column=options.system_column,
            system_regex=options.system_regex,
        )
        if not are_systems:
            return score_page(
                scores, page, title=options.title or f"Scores {where}", worst=options.worst, **how, **sizes
            )
        comparison = compare_scores(scores, tie=options.tie, **how)
    return comparison_page(
        comparison, page, title=options.title or f"Comparison {where}", widest=options.worst, **sizes
    )
