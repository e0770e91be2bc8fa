"""Rounds of attacks: each in a fork of its own that is watched for its time, its memory and what it leaves behind."""

import json
import os
import random
import re
import shutil
import signal
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

from forked import Forked

from audio_judge.batch import lines

# What makes a hang, and when it is ended, in seconds without a sign of life; what is too much memory, in bytes
HANG, PATIENCE = 10.0, 60.0
HEAVY = 2 * 2**30
# What is counted, and what the table calls it
COUNTS = {
    "tried": "tried",
    "tracebacks": "tracebacks",
    "hangs": "hangs > 10 s",
    "heavy": "memory > 2 GB",
    "rows": "rows lost or doubled",
    "wrong": "wrong",
}
MOST_SAID = 20


@dataclass
class Found:
    """What a round of attacks found; zeros but for ``tried`` are the bar.

    Args:
        tried: Attacks.
        tracebacks: Errors that nobody put in a sentence, and processes that crashed.
        hangs: Times without a sign of life.
        heavy: Processes that took too much memory.
        rows: Rows lost or doubled.
        wrong: Answers, grades, rewards or weights that are not the right ones, and damage that is not told.
        said: What was found, in words.
    """

    tried: int = 0
    tracebacks: int = 0
    hangs: int = 0
    heavy: int = 0
    rows: int = 0
    wrong: int = 0
    said: list[str] = field(default_factory=list)

    def note(self, what: str, words: str, times: int = 1) -> None:
        """Count something, and keep the first words about it."""
        setattr(self, what, getattr(self, what) + times)
        if len(self.said) < MOST_SAID:
            self.said.append(f"{COUNTS[what]}: {words}"[:500])

    def add(self, other: "Found") -> None:
        """Count what another round found, too."""
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.said += other.said

    @property
    def is_clean(self) -> bool:
        """Whether nothing went wrong."""
        return not any(getattr(self, name) for name in COUNTS if name != "tried")


class Family(Protocol):
    """Attacks of one kind.

    Attributes:
        name: In the table.
        size: Attacks in a round.
    """

    name: str
    size: int

    def prepare(self, folder: Path) -> None:
        """Make, once and in this process, what all rounds share."""

    def attack(self, folder: Path, rng: random.Random, found: Found) -> None:
        """Attack in a process and a folder of its own; what it prints, and files that grow there, are signs of life."""


def run_round(family: Family, seed: int, number: int, work: Path) -> Found:
    """Attack once; what broke something stays in a folder of ``work``, with the log.

    Args:
        seed: With the number, decides what is attacked.
    """
    folder = work / f"{family.name.replace(' ', '-').replace(',', '')}-{seed}-{number}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)

    def attack() -> None:
        os.setpgid(0, 0)
        os.chdir(folder)
        found = Found()
        family.attack(folder, random.Random(f"{seed} {family.name} {number}"), found)
        (folder / "found.json").write_text(json.dumps(asdict(found)))

    log = folder / "log.txt"
    child = Forked(attack, log)
    status, bytes_used, hangs = _watch(child.pid, folder)
    found = Found(tried=family.size)
    if (folder / "found.json").exists():
        found = Found(**json.loads((folder / "found.json").read_text()))
    said = log.read_text(errors="replace")
    for words in hangs:
        found.note("hangs", words)
    if bytes_used > HEAVY:
        found.note("heavy", f"{bytes_used / 2**30:.1f} GB")
    traces = said.count("Traceback (most recent call last)")
    if traces:
        found.note("tracebacks", said[said.index("Traceback (most recent") :][-400:].strip(), traces)
    elif status and not hangs:
        found.note("tracebacks", f"ended with {status}")
    if found.is_clean:
        shutil.rmtree(folder)
    return found


def _watch(process: int, folder: Path) -> tuple[int, int, list[str]]:
    """Wait for a fork: its exit code (a signal is negative), most bytes of memory that it added, and what it hung at."""
    seen, since, hangs = -1, 0.0, list[str]()
    # A fork begins with all that this process holds, but for files that are mapped
    shared = int(re.search(r"RssAnon:\s*(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024
    while True:
        done, status, usage = os.wait4(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024 - shared, hangs
        size = sum(entry.stat(follow_symlinks=False).st_size for entry in os.scandir(folder))
        now = time.monotonic() - waited_for_cores(process)
        quiet = now - since
        if size != seen:
            seen, since = size, now
        elif quiet > HANG and not hangs:
            last = (folder / "log.txt").read_text(errors="replace").strip().rpartition("\n")[2]
            hangs.append(f"after {last!r}")
        elif quiet > PATIENCE:
            os.killpg(process, signal.SIGKILL)
        time.sleep(0.05)


def waited_for_cores(process: int) -> float:
    """Seconds in which a process wanted to run and others did; a busy machine is no hang."""
    try:
        return int(Path(f"/proc/{process}/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


class Campaign:
    """Rounds whose results are kept in a file of JSON lines, so that a campaign goes on where it was stopped.

    Args:
        results: The file.
        work: Where rounds have their folders.
    """

    def __init__(self, results: Path, work: Path) -> None:
        self.results, self.work = results, work
        self.known: dict[tuple[str, int, int], Found] = {}
        if results.exists():
            for line in lines.scan(results, "json", is_growing=True):
                row = dict(line.row)
                key = (row.pop("family"), row.pop("seed"), row.pop("round"))
                self.known[key] = Found(**row)

    def run(self, family: Family, attacks: int, seed: int) -> Found:
        """Carry out so many attacks of a family, but for those that were; gives what all of them found."""
        total = Found()
        rounds = [(family.name, seed, number) for number in range(-(-attacks // family.size))]
        if any(one not in self.known for one in rounds):
            family.prepare(self.work / "shared" / family.name.replace(" ", "-"))
        with lines.Appender(self.results) as rows:
            for one in rounds:
                if one not in self.known:
                    self.known[one] = run_round(family, seed, one[2], self.work)
                    rows.write(dict(zip(("family", "seed", "round"), one, strict=True)) | asdict(self.known[one]))
                total.add(self.known[one])
        return total


def table(found: Iterable[tuple[str, Found]]) -> str:
    """Write the table, in Markdown."""
    heads = ["", *COUNTS.values()]
    rows = [[name, *(f"{getattr(one, count):,}" for count in COUNTS)] for name, one in found]
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]

    def line(cells: Iterable[str]) -> str:
        padded = (
            f"{cell:{'<' if not at else '>'}{width}}"
            for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return f"| {' | '.join(padded)} |"

    rule = f"|{'|'.join('-' * (width + 2) if not at else '-' * (width + 1) + ':' for at, width in enumerate(widths))}|"
    return "\n".join([line(heads), rule, *map(line, rows)])
