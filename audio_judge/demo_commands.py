"""The command ``audio-judge demo``: the judge in the browser.

    audio-judge demo --port 7860

The options are those of ``audio_judge.cli``, the page is made by ``audio_judge.demo``.
"""

import argparse

from audio_judge.asking import load_judge
from audio_judge.inputs import UsageError


def demo(options: argparse.Namespace) -> int:
    """Serve the page until interrupted.

    Args:
        options: Parsed options of the command.

    Returns:
        Exit code: 0.

    Raises:
        UsageError: If Gradio is not installed, there is no such judge, or the port is taken.
    """
    try:
        from audio_judge.demo import build, launch
    except ModuleNotFoundError as error:
        raise UsageError(f"{error.name} is not installed; pip install 'audio-judge[demo]'") from error
    judge = load_judge(
        options.judge, device=options.device, revision=options.revision, longest_hours=options.max_minutes / 60
    )
    page = build(judge, longest_minutes=options.max_minutes)
    try:
        launch(page, host=options.host, port=options.port, share=options.share)
    except OSError as error:
        place = options.host or "this machine"
        raise UsageError(f"the page cannot be served on {place}, port {options.port or 'any'}: {error}") from error
    return 0
