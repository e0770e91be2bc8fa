"""``audio-judge demo``: serves the page of ``audio_judge.demo``, the judge in the browser."""

import argparse

from audio_judge.cli.options import JUDGE, add_judge_name, port, positive_float
from audio_judge.errors import UsageError

EXAMPLES = """examples:
  audio-judge demo
  audio-judge demo --judge me/my-judge --port 8080
  audio-judge demo --share

The page is for this machine only unless --host (0.0.0.0 for the local network) or --share says otherwise. Stop it with
Ctrl-C. Needs Gradio: pip install 'audio-judge[demo]'."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``demo``."""
    judge = parser.add_argument_group(JUDGE)
    add_judge_name(judge)
    judge.add_argument(
        "--max-minutes", type=positive_float, default=10.0, metavar="M", help="refuse longer clips (default: 10)"
    )
    page = parser.add_argument_group("page")
    page.add_argument("--host", metavar="NAME", help="address to listen on (default: this machine only)")
    page.add_argument("--port", type=port, metavar="N", help="port (default: the first free from 7860)")
    page.add_argument("--share", action="store_true", help="make a public link through Gradio's servers")


def demo(options: argparse.Namespace) -> int:
    """Serve the page until interrupted."""
    from audio_judge.cli.common import load_judge

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
