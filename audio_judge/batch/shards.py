"""Shares rows among processes, on one machine or several, and merges what they have written.

    accelerate launch --num_processes 4 -m audio_judge score clips/ --output scores.jsonl

Each process takes its share and writes a part next to the output, ``scores.part-1-of-4.jsonl`` …. Nobody waits: the process
that finds every row written puts them in order into the output, each once. So processes may also be started by hand, with
``RANK`` and ``WORLD_SIZE`` set, at once or one after the other, and of a run that was killed only the rows that are missing
are made again, on any number of processes. Those on several machines need a folder that all of them see.
"""

import os
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from audio_judge.errors import UsageError

Identity = Callable[[Mapping[str, Any]], Hashable]
Span = tuple[int, int]


@dataclass(frozen=True)
class Shard:
    """One of the processes of a run.

    Args:
        index: From 0.
        count: How many there are.
        local: Which one on its machine, from 0.
    """

    index: int = 0
    count: int = 1
    local: int = 0

    def of(self, items: Iterable[Any], key: Callable[[Any], Hashable] | None = None) -> list[Any]:
        """The share of this process, cut from all items: processes that start at other times see other files.

        Args:
            items: Of the whole run.
            key: What makes two items the same one, which then have one process; None if all differ.

        Example:
            >>> Shard(1, 3).of("abcdefg"), Shard(1, 3).of("abba", str)
            (['b', 'e'], ['b', 'b'])
        """
        if key is None:
            return list(items)[self.index :: self.count]
        order: dict[Hashable, int] = {}
        return [item for item in items if order.setdefault(key(item), len(order)) % self.count == self.index]

    def part(self, path: Path) -> Path:
        """Where this process writes of what the whole run writes to a path.

        Example:
            >>> Shard(1, 3).part(Path("scores.jsonl")).name
            'scores.part-2-of-3.jsonl'
        """
        if self.count == 1:
            return path
        return path.with_name(f"{path.stem}.part-{self.index + 1}-of-{self.count}{path.suffix}")

    def device(self, name: str) -> str:
        """The device of this process: what was asked for, or for ``auto`` its own accelerator, or the CPU if there is none.

        Example:
            >>> Shard(1, 3).device("cpu")
            'cpu'
        """
        import torch

        if name != "auto":
            return name
        if not torch.accelerator.is_available():
            return "cpu"
        # Processes of one machine go round its accelerators, as there may be more of them
        return f"{torch.accelerator.current_accelerator()}:{self.local % torch.accelerator.device_count()}"


def this_shard() -> Shard:
    """Say which process this is, as ``accelerate launch``, ``torchrun`` and scripts of SLURM tell it.

    Raises:
        UsageError: If what they tell does not fit.
    """
    told = [
        os.environ.get(name, default) for name, default in (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))
    ]
    rank, size, local = (int(value) if value.isdecimal() else -1 for value in told)
    if not 0 <= rank < size or local < 0:
        raise UsageError(f"RANK {told[0]} of WORLD_SIZE {told[1]}; 0 to {max(size, 1) - 1} is needed")
    return Shard(rank, size, local)


def files(path: Path) -> list[Path]:
    """List where a run has rows: its output and the parts of any number of processes, as far as they are there."""
    return [path, *_parts(path)] if path.exists() else _parts(path)


def _parts(path: Path) -> list[Path]:
    found = (part for part in path.parent.glob("*.part-*-of-*") if part.suffix == path.suffix)
    return sorted(part for part in found if part.name.startswith(f"{path.stem}.part-"))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep the other processes that write an output from beginning or merging meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f".{path.name}.lock")
    with FileLock(lock):
        yield
        if not _parts(path):
            with suppress(OSError):  # Windows keeps it while another process waits for it
                lock.unlink()


@contextmanager
def alone(path: Path, other: str) -> Iterator[None]:
    """Write a file that no other run writes meanwhile.

    Args:
        other: What another run shall choose instead, such as ``file``.

    Raises:
        RuntimeError: At once, if another run is writing it.
    """
    lock = FileLock(f"{path}.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise RuntimeError(f"{path}: another run is writing it; wait for it or choose another {other}") from error
    try:
        yield
    finally:
        lock.release()


def start_anew(path: Path, shard: Shard) -> None:
    """Remove the output of an earlier run; its parts are refused, except those that the other processes of this run may write.

    Raises:
        UsageError: If there are parts of an earlier run.
    """
    others = {Shard(index, shard.count).part(path) for index in range(shard.count) if index != shard.index}
    for part in _parts(path):
        if part not in others:
            raise UsageError(f"{part}: of a run that was stopped; --resume goes on with it, or delete its parts")
    # A single process writes it anew itself; several write parts, and an old output would be merged with them
    if shard.count > 1:
        path.unlink(missing_ok=True)


def merge(
    path: Path,
    order: Iterable[Hashable],
    keys_in: Callable[[Path], Iterable[tuple[Hashable, Span]]],
    *,
    head: str = "",
    keeps_others: bool = False,
) -> bool:
    """Put the rows of the output and of all parts into the output, unless one is missing; says whether it is done.

    Args:
        path: The output; written anew, and only when it is whole. The parts are removed.
        order: Keys of its rows, in their order; of several with one key, the first ones that are found count.
        keys_in: Gives the keys of the rows of a file, and where they are in it, in bytes.
        head: What stands above the rows.
        keeps_others: Whether rows that are not named follow, one of each key; else they are left out.
    """
    found = files(path)
    pools: dict[Hashable, deque[tuple[Path, Span]]] = defaultdict(deque)
    for file in found:
        for key, span in keys_in(file):
            pools[key].append((file, span))
    keys = list(dict.fromkeys([*order, *pools])) if keeps_others else list(order)
    chosen = [pools[key].popleft() for key in keys if pools[key]]
    if len(chosen) < len(keys):
        return False
    draft = path.with_name(f"{path.name}.merging")
    with ExitStack() as stack, draft.open("wb") as out:
        opened = {file: stack.enter_context(file.open("rb")) for file in found}
        out.write(head.encode("utf-8", "backslashreplace"))
        for file, (start, size) in chosen:
            opened[file].seek(start)
            out.write(_with_line_end(opened[file].read(size)))
        # The parts go next, so what replaces them must be on the disk, not on its way there
        out.flush()
        os.fsync(out.fileno())
    os.replace(draft, path)
    for part in found:
        if part != path:
            part.unlink()
    return True


def _with_line_end(row: bytes) -> bytes:
    return row if row.endswith(b"\n") else row + b"\n"
