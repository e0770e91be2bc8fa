"""``audio-judge serve``: transformers' own server over a judge."""

import argparse
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from audio_judge.cli.options import JUDGE, JUDGE_HELP, port
from audio_judge.errors import UsageError

EXAMPLES = """examples:
  audio-judge serve
  audio-judge serve --judge open
  audio-judge serve --judge runs/mini --port 8080 --device cuda:0
  audio-judge serve --judge me/my-judge --trust-remote-code
  audio-judge serve --judge Qwen/Qwen2-Audio-7B-Instruct --device cuda
  audio-judge serve -- --model-timeout 60 --enable-cors

Becomes `transformers serve`: typed questions at /v1/systemone, and of a native audio language model chat at
/v1/chat/completions. Options after -- are its own."""

# Several questions in one prompt need it
ATTENTION = ("--attn-implementation", "sdpa")
SERVER = ("-c", "from transformers.cli.transformers import main; main()", "serve")
NATIVE_SERVER = ("-c", "from audio_judge.judge.serving import main; main()", "serve")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``serve``."""
    judge = parser.add_argument_group(JUDGE)
    judge.add_argument("--judge", metavar="NAME", help=JUDGE_HELP)
    judge.add_argument(
        "--trust-remote-code", action="store_true", help="run the code of a judge on the Hub; needed for those of ours"
    )
    judge.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, cuda:1, mps (default: auto)")
    judge.add_argument("--dtype", default="auto", metavar="NAME", help="auto, float32, bfloat16 … (default: auto)")
    server = parser.add_argument_group("server")
    server.add_argument("--host", default="localhost", metavar="NAME", help="address to listen at (default: localhost)")
    server.add_argument("--port", type=port, default=8000, metavar="N", help="port to listen at (default: 8000)")
    server.add_argument("server_options", nargs="*", metavar="-- OPTION", help="options of `transformers serve`")


def serve(options: argparse.Namespace) -> int:
    """Become the server of transformers."""
    missing = [name for name in ("fastapi", "uvicorn") if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"the server needs {' and '.join(missing)}: pip install 'audio-judge[serve]'")
    command = server_command(options)
    if os.name == "nt":  # where a process that is replaced returns to its shell while the new one runs on
        return subprocess.run(command, check=False).returncode
    sys.stdout.flush()
    return os.execv(command[0], command)


def server_command(options: argparse.Namespace) -> list[str]:
    """Write the command line of the server, as words; the first is the path of Python.

    Raises:
        UsageError: If there is no such judge, or the code of a repository is not trusted.
    """
    from audio_judge.hub.files import is_local, learned_of
    from audio_judge.judge.shipped import place_of

    try:
        judge = place_of(options.judge)
    except OSError as error:
        raise UsageError(f"--judge {error}") from error
    if is_local(judge):
        judge = str(Path(judge).expanduser().resolve())
        if not Path(judge, "config.json").is_file():
            raise UsageError(f"--judge {judge}: no config.json; name the folder of a judge")
        learned = learned_of(judge)
        if learned is not None and not learned.decides and not _is_native(judge):  # which chat
            raise UsageError(
                f"--judge {judge}: it never learned typed questions, which the server answers; it learned {learned}: "
                "`audio-judge` and `AudioJudge` ask it so, and `handler.py` of its repository does"
            )
    native = _is_native(judge)
    if not native and not is_local(judge) and not options.trust_remote_code:
        raise UsageError(
            f"--judge {judge}: serving runs code of this repository; look at it, then add --trust-remote-code"
        )
    # Of a native model the code is that of transformers, which knows how each pays attention
    flags = ["--trust-remote-code"] * (not native or options.trust_remote_code) + ([] if native else [*ATTENTION])
    flags += ["--device", options.device, "--dtype", options.dtype]
    flags += ["--host", options.host, "--port", str(options.port)]
    return [sys.executable, *(NATIVE_SERVER if native else SERVER), judge, *flags, *options.server_options]


def _is_native(judge: str) -> bool:
    from audio_judge.judge.native import is_native

    try:
        return is_native(judge)
    except OSError:  # nothing is known of it yet; who loads it says why
        return False
