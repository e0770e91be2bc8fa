"""Carries out one of the judge's commands over any number of clips: one row each, written at once, in order.

What is asked is a :class:`Job`; which clips are left after an interruption, on how many processes they are judged, what is
shown meanwhile and what is said at the end is the business of :func:`run`.
"""

import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from audio_judge.batch import shards
from audio_judge.batch.write import (
    ALL_SETTINGS,
    SCORE_KEYS,
    Answer,
    RowWriter,
    check_same_settings,
    complete_size,
    earlier_rows,
    header,
    is_csv,
)
from audio_judge.errors import UsageError

SHOWN_ERRORS = 10


@dataclass(frozen=True)
class Output:
    """Where rows go.

    Args:
        path: ``.jsonl`` or ``.csv`` file; None for none.
        page: ``.html`` file to make of the rows; None for none.
        to_stdout: Whether JSON lines go to standard output.
        resume: Whether to go on with an earlier run.
    """

    path: Path | None = None
    page: Path | None = None
    to_stdout: bool = False
    resume: bool = False

    @property
    def has_rows(self) -> bool:
        """Whether rows are written at all, instead of shown to people."""
        return self.path is not None or self.to_stdout


@dataclass(frozen=True)
class Job:
    """What is asked about every clip.

    Args:
        did: What was done to the clips in the end, such as "scored".
        settings: Of the run, as in ``ALL_SETTINGS``; written into every row.
        columns: What an answer adds to a CSV table, without settings and error.
        answer: Gives the answers to a stream of items, one each and in order.
        identity: What makes two rows the same one.
        keys: What an answer adds to a JSON row, without settings and error.
        show: Says an answer to people; None if nothing is shown.
        unit: What is judged.
        is_one_row: Whether each clip has one row in a CSV table.
    """

    did: str
    settings: Mapping[str, Any]
    columns: Sequence[str]
    answer: Callable[[Iterator[Any]], Iterator[Answer]]
    identity: shards.Identity
    keys: Sequence[str] = SCORE_KEYS
    show: Callable[[Any, Answer], str | None] | None = None
    unit: str = "clip"
    is_one_row: bool = True

    @property
    def all_columns(self) -> tuple[str, ...]:
        """Columns that the run adds to a CSV table."""
        return (*self.columns, *self.settings, "error")

    @property
    def all_keys(self) -> tuple[str, ...]:
        """Keys that the run adds to a JSON row; an input's keys of the same names are renamed."""
        return (*self.keys, *ALL_SETTINGS, "error")


class Tally:
    """Counts what went well, keeps the first errors, and shows the progress bar.

    Args:
        total: Number of clips.
        done: Number of those that were judged earlier.
        unit: What is judged.
        is_quiet: Whether to show no bar; without it there is one if stderr is a terminal.
    """

    def __init__(self, total: int, done: int = 0, unit: str = "clip", is_quiet: bool = False) -> None:
        disable = True if is_quiet else None
        self.bar = tqdm(total=total, initial=done, unit=unit, disable=disable, dynamic_ncols=True)
        self.unit, self.good, self.errors = unit, 0, 0
        self.shown: list[str] = []

    def count(self, error: str | None) -> None:
        """One more clip.

        Args:
            error: Why it could not be judged; None if it could.
        """
        self.bar.update()
        self.good += error is None
        if error is not None:
            self.errors += 1
            self.shown += [error] if len(self.shown) < SHOWN_ERRORS else []

    def close(self, did: str) -> int:
        """Print the summary.

        Args:
            did: What was done to the clips.

        Returns:
            Exit code: 0, or 1 if there was an error.
        """
        self.bar.close()
        clips = f"{self.good} {self.unit}{'s' * (self.good != 1)} {did}"
        errors = f"{self.errors} error{'s' * (self.errors != 1)}"
        more = [f"… and {self.errors - len(self.shown)} more"] if self.errors > len(self.shown) else []
        say(f"{clips}, {errors}" + (":" if self.shown else ""))
        for line in self.shown + more:
            say(f"  {line}")
        return 1 if self.errors else 0


def say(text: str) -> None:
    """Tell people something, on standard error.

    Args:
        text: What.
    """
    print(text, file=sys.stderr, flush=True)


def run(job: Job, items: Sequence[Any], output: Output, *, no_progress: bool = False) -> int:
    """Judge the items that are left, and write a row for each.

    Args:
        job: What is asked about them.
        items: With ``row`` and ``error``; those with an error get their row without being judged.
        output: Where rows go.
        no_progress: Whether to show no progress bar.

    Returns:
        Exit code: 0, 1 if a clip could not be judged, 130 if interrupted.

    Raises:
        UsageError: If the output cannot be written or gone on with, or memory is too small.
    """
    from torch import OutOfMemoryError

    is_in_pieces = output.resume or shards.this_shard().count > 1
    if is_in_pieces and output.path is not None and is_csv(output.path) and not job.is_one_row:
        raise UsageError("a table has several rows per clip here; --resume and several processes need .jsonl")
    try:
        return _run(job, items, output, no_progress)
    except KeyboardInterrupt:
        say(f"\nstopped{_how_to_go_on(output)}")
        return 130
    except OutOfMemoryError as error:
        raise UsageError(f"out of memory; give a smaller --batch-size{_how_to_go_on(output)}") from error
    except BrokenPipeError:
        raise
    except OSError as error:  # of the output; what is wrong with a clip is in its answer
        where = output.path or "stdout"
        raise UsageError(f"{where}: cannot be written ({error.strerror}){_how_to_go_on(output)}") from error


def _how_to_go_on(output: Output) -> str:
    if output.path is None:
        return ""
    return f"; {output.path} has what was judged so far: the same command with --resume goes on"


def _run(job: Job, items: Sequence[Any], output: Output, no_progress: bool) -> int:
    shard = shards.this_shard()
    earlier, done_errors = _not_done(job, items, output.path, output.resume, inputs_of(items))
    share = list(shard.of(earlier))
    part = None if output.path is None else shard.part(output.path)
    if output.path is not None and output.resume:
        shards.check_parts(output.path, shard)
    resume_part = output.resume and shard.count > 1
    left, part_errors = _not_done(job, share, part, resume_part, inputs_of(items))
    goes_on = output.resume and part is not None and part.exists()
    is_shown = sys.stdout.isatty() and job.show is not None
    total, done = (len(items), len(items) - len(left)) if shard.count == 1 else (len(share), len(share) - len(left))
    with shards.joined(shard) as wait:
        start = complete_size(part) if goes_on and part is not None else 0
        writer = RowWriter(part, inputs_of(items), job.all_columns, job.all_keys, start)
        wait()  # nobody merges rows of an earlier run that another process is about to write anew
        tally = Tally(total, done, job.unit, no_progress or is_shown or not shard.is_main)
        tally.errors += done_errors + part_errors
        tally.good += done - done_errors - part_errors
        with writer:
            _judge(job, left, writer if output.has_rows else None, tally)
        if output.path is None or shard.count == 1:
            return tally.close(job.did)
        return _merge(job, items, earlier, output.path, wait, tally)


def inputs_of(items: Sequence[Any]) -> list[str]:
    """Columns of the input rows.

    Args:
        items: With ``row``.
    """
    return list(dict.fromkeys(key for item in items for key in item.row))


def _not_done(
    job: Job, items: Sequence[Any], path: Path | None, resume: bool, inputs: Sequence[str]
) -> tuple[Sequence[Any], int]:
    """The items that a file does not have yet, and how many of its rows are errors."""
    if path is None or not resume or not path.exists():
        return items, 0
    errors = 0
    done: Counter[tuple[str, ...]] = Counter()
    for row, _ in earlier_rows(path, header(inputs, job.all_columns)):
        check_same_settings(path, row, job.settings)
        done[job.identity(row)] += 1
        errors += bool(row.get("error"))
    left = []
    for item in items:
        identity = job.identity(item.row)
        if done[identity] > 0:
            done[identity] -= 1
        else:
            left.append(item)
    return left, errors


def _judge(job: Job, items: Sequence[Any], writer: RowWriter | None, tally: Tally) -> None:
    """Judges the items and writes or shows what is said about them, one by one."""
    for item, answer in in_order(items, job.answer):
        if writer is not None:
            writer.write(item.row, answer, job.settings)
        text = None if job.show is None else job.show(item, answer)
        if text is not None:
            print(text, flush=True)
        tally.count(answer.error)


def in_order(items: Iterable[Any], answer: Callable[[Iterator[Any]], Iterator[Answer]]) -> Iterator[tuple[Any, Answer]]:
    """Give items with their answers, in their order and as they come.

    Args:
        items: With ``error``; those that have one are not judged.
        answer: Gives the answers to a stream of items, one each and in order.

    Yields:
        Items and answers.
    """
    pending: deque[Any] = deque()

    def usable() -> Iterator[Any]:
        for item in items:
            pending.append(item)
            if item.error is None:
                yield item

    for said in answer(usable()):
        while pending[0].error is not None:
            item = pending.popleft()
            yield item, Answer(error=item.error)
        yield pending.popleft(), said
    for item in pending:
        yield item, Answer(error=item.error)


def _merge(
    job: Job, items: Sequence[Any], left: Sequence[Any], path: Path, wait: Callable[[], None], tally: Tally
) -> int:
    """Waits for the other processes; the first one merges their rows and answers for all."""
    shard = shards.this_shard()
    tally.bar.close()
    wait()
    if shard.is_main:
        columns = header(inputs_of(items), job.all_columns)
        shares = [shards.Shard(index, shard.count).of(left) for index in range(shard.count)]
        shards.merge(path, shares, items, job.identity, columns)
    wait()  # a process that ends with an error ends the others, too
    if not shard.is_main:
        return 0
    whole = Tally(len(items), unit=job.unit, is_quiet=True)
    for row, _ in earlier_rows(path, columns):
        whole.count(row.get("error") or None)
    return whole.close(job.did)
