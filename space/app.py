"""The Space: loads the judge and serves the page of ``audio_judge.demo``.

    python space/app.py

The variable ``JUDGE`` names another judge, ``open``, a Hub id or a folder; without it the mini judge of the package is used.
"""

import os
from pathlib import Path

from audio_judge import AudioJudge
from audio_judge.demo import EXAMPLE_CLIPS, build, launch

# Beside this file in a Space, in examples/ of a checkout
CLIPS = Path(__file__).parent / "clips"

demo = build(
    AudioJudge.from_pretrained(os.environ.get("JUDGE") or None), clips=CLIPS if CLIPS.is_dir() else EXAMPLE_CLIPS
)

if __name__ == "__main__":
    launch(demo)
