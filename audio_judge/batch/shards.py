"""Shares the clips of a command among processes, on one machine or several, and merges what they have written.

    accelerate launch --num_processes 4 -m audio_judge score clips/ --output scores.jsonl

Each process judges every n-th clip and writes a part next to the output, ``scores.part-1-of-4.jsonl`` …; when all are done,
the first one puts the rows in the order of the clips into the output, each once. Killed runs leave their parts, and go on with
``--resume`` on as many processes. Processes on several machines need a folder that all of them see.
"""

import os
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from audio_judge.batch.write import earlier_rows, is_csv, whole_records
from audio_judge.errors import UsageError

# A process that is done waits for the slowest, which may have hours of sound
LONGEST_WAIT = timedelta(days=30)

Identity = Callable[[Mapping[str, Any]], tuple[str, ...]]


@dataclass(frozen=True)
class Shard:
    """One of the processes of a run.

    Args:
        index: Which one, from 0.
        count: How many there are.
        local: Which one on its machine.
    """

    index: int = 0
    count: int = 1
    local: int = 0

    @property
    def is_main(self) -> bool:
        """Whether it is the one that speaks and merges."""
        return self.index == 0

    def of(self, items: Sequence[Any]) -> Sequence[Any]:
        """The share of this process.

        Args:
            items: Of the whole run.

        Example:
            >>> Shard(1, 3).of("abcdefg")
            'be'
        """
        return items[self.index :: self.count]

    def part(self, path: Path) -> Path:
        """Where this process writes.

        Args:
            path: Where the whole run writes.

        Example:
            >>> Shard(1, 3).part(Path("scores.jsonl")).name
            'scores.part-2-of-3.jsonl'
        """
        if self.count == 1:
            return path
        return path.with_name(f"{path.stem}.part-{self.index + 1}-of-{self.count}{path.suffix}")

    def device(self, name: str) -> str:
        """The accelerator of this process, if it is free to choose.

        Args:
            name: What was asked for; ``auto`` leaves the choice.
        """
        import torch

        if name != "auto" or self.count == 1 or not torch.cuda.is_available():
            return name
        return f"cuda:{self.local % torch.cuda.device_count()}"


def this_shard() -> Shard:
    """Say which process this is, as ``accelerate launch`` and ``torchrun`` tell it."""
    told = os.environ
    if not {"RANK", "WORLD_SIZE", "MASTER_ADDR"} <= told.keys():
        return Shard()
    return Shard(int(told["RANK"]), int(told["WORLD_SIZE"]), int(told.get("LOCAL_RANK", 0)))


@contextmanager
def joined(shard: Shard) -> Iterator[Callable[[], None]]:
    """Meet the other processes.

    Args:
        shard: This process.

    Yields:
        What waits until all processes have called it.
    """
    if shard.count == 1:
        yield lambda: None
        return
    from torch import distributed

    # gloo needs no accelerator; only waiting goes through it
    distributed.init_process_group("gloo", rank=shard.index, world_size=shard.count, timeout=LONGEST_WAIT)
    try:
        yield lambda: distributed.barrier()
    finally:
        distributed.destroy_process_group()


def check_parts(path: Path, shard: Shard) -> None:
    """Refuse to go on with a run that had another number of processes.

    Args:
        path: Where the whole run writes.
        shard: This process.

    Raises:
        UsageError: If there are parts of such a run.
    """
    for other in sorted(path.parent.glob(f"{path.stem}.part-*-of-*{path.suffix}")):
        count = other.stem.rpartition("-of-")[2]
        if count.isdecimal() and (int(count) != shard.count or shard.count == 1):
            raise UsageError(f"{other}: of a run on {count} processes; go on with as many, or delete its parts")


def merge(
    path: Path, shares: Sequence[Sequence[Any]], items: Sequence[Any], identity: Identity, columns: Sequence[str]
) -> None:
    """Put the rows of all parts, and those of an earlier output, in the order of the clips, each once.

    Args:
        path: The output; written anew, and only when it is whole.
        shares: The items of each process.
        items: All items of the run, also those that the output has already.
        identity: What makes two rows the same one.
        columns: Columns of a CSV table.

    Raises:
        UsageError: If a row is missing.
    """
    parts = [Shard(index, len(shares)).part(path) for index in range(len(shares))]
    # By the object: equal clips that are named twice are two
    owners = {id(item): part for part, share in zip(parts, shares, strict=True) for item in share}
    needed = dict.fromkeys(owners.get(id(item), path) for item in items)
    merged = path.with_name(f"{path.name}.merging")
    with ExitStack() as stack, merged.open("wb") as out:
        pools = {part: _pool(part, identity, columns) for part in needed if part.exists()}
        files = {part: stack.enter_context(part.open("rb")) for part in pools}
        if is_csv(path):
            out.write(next(whole_records(next(iter(files)))))
        for item in items:
            part, key = owners.get(id(item), path), identity(item.row)
            if part not in pools or not pools[part][key]:
                raise UsageError(f"{part}: no row for {' '.join(key).strip()}; the same command with --resume goes on")
            start, size = pools[part][key].popleft()
            files[part].seek(start)
            out.write(files[part].read(size))
    os.replace(merged, path)
    for part in parts:
        part.unlink(missing_ok=True)


def _pool(path: Path, identity: Identity, columns: Sequence[str]) -> dict[tuple[str, ...], deque[tuple[int, int]]]:
    """Where the rows stand in a file, by what makes them the same one."""
    pool: dict[tuple[str, ...], deque[tuple[int, int]]] = defaultdict(deque)
    for row, span in earlier_rows(path, columns):
        pool[identity(row)].append(span)
    return pool
