"""What the commands share that ask a text model: who it is, the file its answers go to, and the replies kept beside it."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from audio_judge.cli.options import positive_float, positive_int
from audio_judge.errors import UsageError

if TYPE_CHECKING:
    from audio_judge.text_models.client import Client


def add_teacher_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say who writes."""
    group = parser.add_argument_group("teacher")
    group.add_argument("--teacher", required=True, metavar="URL", help="address of an OpenAI-compatible server")
    group.add_argument("--model", required=True, metavar="NAME", help="name of the model as the server knows it")
    group.add_argument(
        "--concurrency", type=positive_int, default=8, metavar="N", help="requests at a time (default: 8)"
    )
    group.add_argument(
        "--timeout",
        type=positive_float,
        default=600.0,
        metavar="S",
        help="longest wait for a reply, on a CPU minutes (default: 600)",
    )
    group.add_argument("--cache", metavar="FOLDER", help="replies that arrived (default: FILE.cache)")
    group.add_argument("--api-key-variable", metavar="NAME", help="environment variable that holds the server's key")


def teacher(options: argparse.Namespace, out: Path) -> "Client":
    """The client of the text model that is to write a file; its replies are kept beside the file unless ``--cache`` is given."""
    from audio_judge.text_models.backends import Endpoint, key_in
    from audio_judge.text_models.client import Client

    key = key_in(options.api_key_variable)
    endpoint = Endpoint(options.teacher, options.model, api_key=key, timeout=options.timeout)
    cache = Path(options.cache) if options.cache else cache_beside(out)
    return Client(endpoint, cache=cache, concurrency=options.concurrency)


def rows_file(name: str) -> Path:
    """The file of ``--out``, which can only be JSON lines, since a stopped run goes on in it."""
    out = Path(name)
    if out.suffix.lower() != ".jsonl":
        raise UsageError(f"--out {out}: the name must end in .jsonl")
    return out


def cache_beside(out: Path) -> Path:
    """Where replies are kept while a file is written."""
    return out.with_name(f"{out.name}.cache")
