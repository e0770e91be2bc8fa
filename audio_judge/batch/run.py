"""Carries out one of the judge's commands over any number of clips: one row each, written at once, in order.

What is asked is a :class:`Job`; which clips are left after an interruption, on how many processes they are judged, what is
shown meanwhile and what is said at the end is the business of :func:`run`.
"""

import sys
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from audio_judge.batch import lines, shards
from audio_judge.batch.write import (
    ALL_SETTINGS,
    OLD_NAMES,
    SCORE_KEYS,
    Answer,
    RowWriter,
    check_replaceable,
    check_same_settings,
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
        overwrite: Whether the rows of an earlier run may go.
    """

    path: Path | None = None
    page: Path | None = None
    to_stdout: bool = False
    resume: bool = False
    overwrite: bool = False

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
        note: Told of each item and its answer; None to tell nobody.
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
    note: Callable[[Any, Answer], None] | None = None
    unit: str = "clip"
    is_one_row: bool = True

    @property
    def all_columns(self) -> tuple[str, ...]:
        """Columns that the run adds to a CSV table."""
        return (*self.columns, *self.settings, "error")

    @property
    def all_keys(self) -> tuple[str, ...]:
        """Keys that the run adds to a JSON row; an input's keys of the same names are renamed."""
        return (*self.keys, *ALL_SETTINGS, *OLD_NAMES, "error")


class Tally:
    """Counts what went well, keeps the first errors, and shows the progress bar, if stderr is a terminal and unless ``is_quiet``.

    Args:
        total: Number of clips.
        done: Number of those that were judged earlier.
        unit: What is judged.
    """

    def __init__(self, total: int, done: int = 0, unit: str = "clip", is_quiet: bool = False) -> None:
        disable = True if is_quiet else None
        self.bar = tqdm(total=total, initial=done, unit=unit, disable=disable, dynamic_ncols=True)
        self.unit, self.good, self.errors, self.warned = unit, 0, 0, 0
        self.shown: list[str] = []

    def count(self, error: str | None, warnings: Sequence[str] = ()) -> None:
        """One more clip, why it could not be judged (None if it could), and what to know about it."""
        self.bar.update()
        self.warned += bool(warnings)
        self.good += error is None
        if error is not None:
            self.errors += 1
            self.shown += [error] if len(self.shown) < SHOWN_ERRORS else []

    def close(self, did: str) -> int:
        """Print the summary; gives the exit code: 0, or 1 if there was an error."""
        self.bar.close()
        clips = f"{self.good} {self.unit}{'s' * (self.good != 1)} {did}"
        errors = f"{self.errors} error{'s' * (self.errors != 1)}"
        if self.warned:
            errors = f"{self.warned} with warnings (their rows say which), {errors}"
        say(f"{clips}, {errors}" + (":" if self.shown else ""))
        say_some(self.shown, self.errors)
        return 1 if self.errors else 0


def say(text: str) -> None:
    """Tell people something, on standard error, at once."""
    print(text, file=sys.stderr, flush=True)


def say_some(problems: Sequence[str], total: int | None = None) -> None:
    """Tell people the first of many problems, a line each, and how many more there are.

    Args:
        total: How many there are; None for as many as are given.
    """
    shown = problems[:SHOWN_ERRORS]
    more = (len(problems) if total is None else total) - len(shown)
    for line in (*shown, *([f"… and {more} more"] if more else [])):
        say(f"  {line}")


def run(job: Job, items: Sequence[Any], output: Output, *, no_progress: bool = False) -> int | None:
    """Judge the items that are left, and write a row for each.

    Args:
        job: What is asked about them.
        items: With ``row`` and ``error``; those with an error get their row without being judged.
        output: Where rows go.
        no_progress: Whether to show no progress bar.

    Returns:
        Exit code: 0, 1 if a clip could not be judged, 130 if interrupted; None if other processes still have clips, the
        last of which answers for all.

    Raises:
        UsageError: If the output cannot be written or gone on with, or memory is too small.
    """
    is_in_pieces = output.resume or shards.this_shard().count > 1
    if is_in_pieces and output.path is not None and is_csv(output.path) and not job.is_one_row:
        raise UsageError("a table has several rows per clip here; --resume and several processes need .jsonl")
    try:
        return _run(job, items, output, no_progress)
    except KeyboardInterrupt:
        say(f"\nstopped{_how_to_go_on(output)}")
        return 130
    except RuntimeError as error:
        # torch's own error, but for nothing is torch imported here: `analyze` needs none
        if "torch" not in sys.modules or not isinstance(error, sys.modules["torch"].OutOfMemoryError):
            raise
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


def _run(job: Job, items: Sequence[Any], output: Output, no_progress: bool) -> int | None:
    shard = shards.this_shard()
    share: Sequence[Any] = items if shard.count == 1 else shard.of(items, lambda item: job.identity(item.row))
    is_alone = output.path is None or (shard.count == 1 and set(shards.files(output.path)) <= {output.path})
    with nullcontext() if output.path is None or is_alone else shards.locked(output.path):
        left, errors = _not_done(job, share, output, inputs_of(items))
        # A process without a share may begin when the others have already written all
        if output.path is not None and not output.resume and (share or shard.count == 1):
            check_replaceable(output.path, output.overwrite)
            shards.start_anew(output.path, shard)
        writer = _writer(job, items, output, shard)
    done = len(share) - len(left)
    is_shown = sys.stdout.isatty() and job.show is not None
    tally = Tally(len(share), done, job.unit, no_progress or is_shown or shard.index > 0)
    tally.errors += errors
    tally.good += done - errors
    with writer:
        _judge(job, left, writer if output.has_rows else None, tally)
    if output.path is None or is_alone:
        return tally.close(job.did)
    return _merge(job, items, output.path, shard, tally)


def _writer(job: Job, items: Sequence[Any], output: Output, shard: shards.Shard) -> RowWriter:
    # Made under the lock, before any row is judged: else another process may merge meanwhile, without this part
    part = None if output.path is None else shard.part(output.path)
    return RowWriter(part, inputs_of(items), job.all_columns, job.all_keys, goes_on=output.resume)


def inputs_of(items: Sequence[Any]) -> list[str]:
    """All columns of the input rows, in the order in which rows bring them."""
    return list(dict.fromkeys(key for item in items for key in item.row))


def _not_done(job: Job, items: Sequence[Any], output: Output, inputs: Sequence[str]) -> tuple[Sequence[Any], int]:
    """The items that an earlier run has not done, and how many of its rows are errors."""
    if output.path is None or not output.resume:
        return items, 0
    errors = 0
    done: Counter[Hashable] = Counter()  # a list may name the same clip more than once
    for path in shards.files(output.path):
        for row, _ in earlier_rows(path, header(inputs, job.all_columns), inputs):
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
    for item, answer in in_order(items, job.answer):
        if writer is not None:
            writer.write(item.row, answer, job.settings)
        if job.note is not None:
            job.note(item, answer)
        text = None if job.show is None else job.show(item, answer)
        if text is not None:
            print(text, flush=True)
        tally.count(answer.error, answer.row.get("warnings") or ())


def in_order(items: Iterable[Any], answer: Callable[[Iterator[Any]], Iterator[Answer]]) -> Iterator[tuple[Any, Answer]]:
    """Give items with their answers, in their order and as they come; those with an error are not judged."""
    # Judges read some items ahead, to fill a batch: those they have taken wait here for their answers
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


def _merge(job: Job, items: Sequence[Any], path: Path, shard: shards.Shard, tally: Tally) -> int | None:
    """Puts the rows of all processes together and answers for them, if none is missing."""
    tally.bar.close()
    columns = header(inputs_of(items), job.all_columns)
    order = [job.identity(item.row) for item in items]
    head = lines.table_text([columns]) if is_csv(path) else ""
    with shards.locked(path):
        # Without its part, another process has found all rows and answered
        is_merged = shard.part(path).exists() and shards.merge(path, order, partial(_keys_in, job, columns), head=head)
    if not is_merged:
        say(f"process {shard.index}: done; the last of the {shard.count} writes {path}")
        return None
    whole = Tally(len(items), unit=job.unit, is_quiet=True)
    for row, _ in earlier_rows(path, columns):
        whole.count(row.get("error") or None)
    return whole.close(job.did)


def _keys_in(job: Job, columns: Sequence[str], path: Path) -> Iterator[tuple[Hashable, shards.Span]]:
    for row, span in earlier_rows(path, columns):
        yield job.identity(row), span
