"""How far the scores of a clip move when it begins a little later, which nobody hears: what two systems must differ by at least.

    python benchmarks/tie.py mini examples/clips examples/rated/train/clips

Behind `audio-judge compare --tie` (docs/tasks.md).
"""

import argparse
from pathlib import Path

import numpy as np

from audio_judge import AudioJudge
from audio_judge.audio import read_audio
from audio_judge.rubrics.rubric import RUBRICS

LATER = 0.03  # seconds


def main() -> None:
    """Print the quantiles of the changes over clips and rubrics, in points."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("judge")
    parser.add_argument("folders", nargs="+")
    options = parser.parse_args()
    judge = AudioJudge.from_pretrained(options.judge, device="cpu")
    paths = sorted(path for folder in options.folders for path in Path(folder).glob("*.ogg"))
    clips = [read_audio(path) for path in paths]
    whole, later = (
        judge.score(
            [(clip.samples[int(cut * clip.sampling_rate) :], clip.sampling_rate) for clip in clips], rubric=[*RUBRICS]
        )
        for cut in (0, LATER)
    )
    moved = [abs(one[name].value - two[name].value) for one, two in zip(whole, later, strict=True) for name in RUBRICS]
    median, ninth = np.quantile(moved, [0.5, 0.9])
    print(f"{len(clips)} clips, {len(RUBRICS)} rubrics: median {median:.3f}, 90 % within {ninth:.3f} points")


if __name__ == "__main__":
    main()
