"""``audio-judge serve``: transformers' own server over a judge."""

import argparse
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from audio_judge.cli.options import JUDGE, JUDGE_HELP, port, positive_float, positive_int
from audio_judge.errors import UsageError

EXAMPLES = """examples:
  audio-judge serve
  audio-judge serve --judge open
  audio-judge serve --judge runs/mini --port 8080 --device cuda:0
  audio-judge serve --judge me/my-judge --max-seconds 60 --max-body-mb 8
  audio-judge serve --judge Qwen/Qwen2-Audio-7B-Instruct --device cuda
  audio-judge serve -- --model-timeout 60 --enable-cors

Becomes `transformers serve`: typed questions at /v1/systemone, and of a native audio language model chat at
/v1/chat/completions. Long clips are heard in windows, as everywhere; for half an hour raise --max-seconds and, for files that are
not compressed, --max-body-mb. Work ends when the client has left or the server is told to stop. Options after -- are its own."""

# Several questions in one prompt need it
ATTENTION = ("--attn-implementation", "sdpa")
SERVER = "from audio_judge.judge.serving import Limits, main; main(Limits({}, {}, {}), is_native={})"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``serve``."""
    judge = parser.add_argument_group(JUDGE)
    judge.add_argument("--judge", metavar="NAME", help=JUDGE_HELP)
    judge.add_argument(
        "--trust-remote-code", action="store_true", help="run code that a judge brings; those of ours need none"
    )
    judge.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda, cuda:1, mps (default: auto)")
    judge.add_argument("--dtype", default="auto", metavar="NAME", help="auto, float32, bfloat16 … (default: auto)")
    server = parser.add_argument_group("server")
    server.add_argument("--host", default="localhost", metavar="NAME", help="address to listen at (default: localhost)")
    server.add_argument("--port", type=port, default=8000, metavar="N", help="port to listen at (default: 8000)")
    server.add_argument(
        "--max-body-mb", type=positive_float, default=32.0, metavar="MB", help="longest request (default: 32)"
    )
    server.add_argument(
        "--max-seconds",
        type=positive_float,
        default=600.0,
        metavar="S",
        help="most audio in a request of typed questions (default: 600)",
    )
    server.add_argument(
        "--max-characters", type=positive_int, default=20_000, metavar="N", help="most text in one (default: 20000)"
    )
    server.add_argument("server_options", nargs="*", metavar="-- OPTION", help="options of `transformers serve`")


def serve(options: argparse.Namespace) -> int:
    """Become the server of transformers."""
    missing = [name for name in ("fastapi", "uvicorn") if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"the server needs {' and '.join(missing)}: pip install 'audio-judge[serve]'")
    command = server_command(options)
    # oneDNN keeps memory for each length of sound that it has met, of a thousand by default
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16")
    if os.name == "nt":  # where a process that is replaced returns to its shell while the new one runs on
        return subprocess.run(command, check=False).returncode
    sys.stdout.flush()
    return os.execv(command[0], command)


def server_command(options: argparse.Namespace) -> list[str]:
    """Write the command line of the server, as words; the first is the path of Python.

    Raises:
        UsageError: If there is no such judge, or it needs code of its own that is not trusted.
    """
    from audio_judge.hub.files import is_local, learned_of, weight_files
    from audio_judge.judge.origin import check_untrusted
    from audio_judge.judge.shipped import place_of

    try:
        judge = place_of(options.judge)
    except OSError as error:
        raise UsageError(f"--judge {error}") from error
    if is_local(judge):
        judge = str(Path(judge).expanduser().resolve())
        if not Path(judge, "config.json").is_file():
            raise UsageError(f"--judge {judge}: no config.json; name the folder of a judge")
        if not options.trust_remote_code and _brings_code(judge):
            raise UsageError(
                f"--judge {judge}: it is no judge of ours, and brings code of its own; look at it, then add --trust-remote-code"
            )
        if not options.trust_remote_code:
            try:
                check_untrusted(Path(judge))
            except ValueError as error:
                raise UsageError(f"--judge {error}") from error
        learned = learned_of(judge)
        if learned is not None and not learned.decides and not _is_native(judge):  # which chat
            raise UsageError(
                f"--judge {judge}: it never learned typed questions, which the server answers; it learned {learned}: "
                "`audio-judge` and `AudioJudge` ask it so, and `handler.py` of its repository does"
            )
        if not options.trust_remote_code and not _is_native(judge):  # those this package loads, which looks itself
            weight_files(judge)  # refuses what is pickled, damaged or not there
    native = _is_native(judge)
    # Judges of ours are served by this package's code, as everywhere; transformers knows how a native model pays attention
    flags = ["--trust-remote-code"] * options.trust_remote_code + ([] if native else [*ATTENTION])
    flags += ["--device", options.device, "--dtype", options.dtype]
    flags += ["--host", options.host, "--port", str(options.port)]
    code = SERVER.format(options.max_body_mb, options.max_seconds, options.max_characters, native)
    return [sys.executable, "-c", code, "serve", judge, *flags, *options.server_options]


def _brings_code(folder: str) -> bool:
    from audio_judge.hub.files import read_json

    config = read_json(Path(folder, "config.json"))
    return bool(config.get("auto_map")) and config.get("model_type") != "audio_judge"


def _is_native(judge: str) -> bool:
    from audio_judge.judge.native import is_native

    try:
        return is_native(judge)
    except OSError:  # nothing is known of it yet; who loads it says why
        return False
