"""``python -m audio_judge`` is ``audio-judge``."""

import sys

from audio_judge.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
