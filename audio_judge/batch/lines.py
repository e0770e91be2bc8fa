"""Rows on disk, JSON lines and CSV: read with the line they stand in, written one at a time, healed after a kill."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO


def read_samples(path: Path) -> dict[str, dict[str, Any]]:
    """Read a file of JSON lines with an ``id``; a last line that a kill cut is left out.

    Args:
        path: What ``sample_rejected`` wrote; may be absent.

    Returns:
        Id to row.
    """
    if not finished_ids(path):
        return {}
    rows = [json.loads(line) for line in path.read_bytes().splitlines()]
    return {row["id"]: row for row in rows}


def append_line(file: TextIO, row: Mapping[str, Any]) -> None:
    """Write one line and hand it to the system, so that a kill loses at most the line it cuts."""
    file.write(json.dumps(row, ensure_ascii=False) + "\n")
    file.flush()


def finished_ids(out: Path) -> set[str]:
    """Read which rows a file of captions holds, and cut off a last line that a kill left unfinished.

    Args:
        out: File of JSON lines; may be absent.

    Raises:
        ValueError: If a line is no caption; the message names file and line.
    """
    if not out.exists():
        return set()
    content = out.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with out.open("r+b") as file:
            file.truncate(whole)
    found = set()
    for number, line in enumerate(content[:whole].splitlines(), start=1):
        try:
            found.add(json.loads(line)["id"])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{out}, line {number}: not a caption; write to another file") from error
    return found
