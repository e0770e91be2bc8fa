"""The command ``audio-judge demo``: the judge in the browser.

    audio-judge demo --port 7860

The options are those of ``audio_judge.cli``, the page is made by ``audio_judge.demo``.
"""

import argparse

from audio_judge.cli.options import positive_float, positive_int
from audio_judge.errors import UsageError

EXAMPLES = """examples:
  audio-judge demo
  audio-judge demo --judge me/my-judge --port 8080
  audio-judge demo --share

The page is for this machine only unless --host (0.0.0.0 for the local network) or --share says otherwise. Stop it with
Ctrl-C. Needs Gradio: pip install 'audio-judge[demo]'."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``demo``."""
    parser.add_argument("--judge", metavar="NAME", help="Hub id or folder of a judge (default: the one shipped)")
    parser.add_argument("--revision", metavar="NAME", help="branch, tag or commit of a judge on the Hub")
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, cuda:1, mps (default: auto)")
    parser.add_argument("--host", metavar="NAME", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=positive_int, metavar="N", help="port (default: the first free from 7860)")
    parser.add_argument("--share", action="store_true", help="make a public link through Gradio's servers")
    parser.add_argument(
        "--max-minutes", type=positive_float, default=10.0, metavar="M", help="refuse longer clips (default: 10)"
    )


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
