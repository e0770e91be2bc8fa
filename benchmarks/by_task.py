"""What a judge reaches on each task: the table that README and the card quote, from the figures of an evaluation.

python benchmarks/by_task.py docs/evaluation/metrics.json --judge checkpoints/mini
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Task, what is measured, figures of `audio_judge.eval`, and how they are written
ROWS: tuple[tuple[str, str, tuple[str, ...], str], ...] = (
    ("compare", "right verdicts on pairs at least 0.5 MOS apart", ("mos/ACC",), "{:.0%}"),
    ("detect", "equal error rate", ("detect/EER",), "{:.0%}"),
    ("detect", "right at P(real) = 0.5, mean over real and synthetic", ("detect/balanced_ACC",), "{:.0%}"),
    ("explain", "named causes that are there", ("causes/precision_micro",), "{:.0%}"),
    ("explain", "causes that are there and named", ("causes/recall_micro",), "{:.0%}"),
    ("explain", "F1 of causes (dealt to random clips)", ("causes/F1_micro", "causes/F1_random"), "{:.2f} ({:.2f})"),
    ("describe", "PCC of the MOS it ends in", ("mos/PCC",), "{:.2f}"),
    ("assess", "PCC of distortion, of intelligibility", ("distortion/PCC", "intelligibility/PCC"), "{:.2f}, {:.2f}"),
    ("assess", "named distortions that are there, and not slight", ("distortions/precision_micro",), "{:.0%}"),
    ("assess", "distortions that are there, not slight, and named", ("distortions/recall_micro",), "{:.0%}"),
    (
        "suggest",
        "F1 of areas to improve (dealt to random clips)",
        ("areas/F1_micro", "areas/F1_random"),
        "{:.2f} ({:.2f})",
    ),
    ("suggest", "advice against distortions that are there, and not slight", ("addressed/precision_micro",), "{:.0%}"),
    ("suggest", "distortions that are there, not slight, with advice", ("addressed/recall_micro",), "{:.0%}"),
)
SETS = ("simulated", "simulated_held_out")


def markdown(judge: Mapping[str, Any]) -> str:
    """Write the table; ``judge`` is what ``metrics.json`` says of one judge, benchmark to what was found."""
    lines = ["| task | | test | test_held_out |", "|---|---|--:|--:|"]
    for task, what, figures, form in ROWS:
        cells = [_cell(judge[f"{name}_{task}"]["figures"], figures, form) for name in SETS]
        lines.append(f"| {task} | {what} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(found: Mapping[str, Any], figures: tuple[str, ...], form: str) -> str:
    if not all(name in found for name in figures):
        return "–"
    return form.format(*(found[name]["value"] for name in figures))


def main() -> None:
    """Parse the command line and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("metrics", type=Path, help="metrics.json of `python -m eval run`")
    parser.add_argument("--judge", required=True, help="as it was named there")
    options = parser.parse_args()
    judges = json.loads(options.metrics.read_text())["judges"]
    if options.judge not in judges:
        parser.error(f"{options.metrics}: no judge {options.judge!r}; it has {', '.join(judges)}")
    print(markdown(judges[options.judge]))


if __name__ == "__main__":
    main()
