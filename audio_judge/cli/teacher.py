"""The options of commands that have a text model write, and the client they ask it with."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from audio_judge.cli.options import positive_int

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
    group.add_argument("--cache", metavar="FOLDER", help="replies that arrived (default: FILE.cache)")
    group.add_argument("--api-key-variable", metavar="NAME", help="environment variable that holds the server's key")


def teacher(options: argparse.Namespace, out: Path) -> "Client":
    """The client of the text model that is to write a file.

    Args:
        options: Parsed options of the command.
        out: The file; its cache lies beside it.
    """
    from audio_judge.text_models.backends import Endpoint
    from audio_judge.text_models.client import Client

    key = os.environ.get(options.api_key_variable) if options.api_key_variable else None
    cache = Path(options.cache) if options.cache else out.with_name(f"{out.name}.cache")
    endpoint = Endpoint(options.teacher, options.model, api_key=key)
    return Client(endpoint, cache=cache, concurrency=options.concurrency)
