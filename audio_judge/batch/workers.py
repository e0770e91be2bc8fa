"""Jobs on worker processes of this machine, which end when the process that began them does, however it ends."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from audio_judge.errors import UsageError


def in_processes(work: Callable[..., Any], jobs: Iterable[tuple[Any, ...]], count: int) -> Generator[Any, None, None]:
    """Do jobs on so many processes, and give what comes of them in the order in which they end.

    The first job that fails ends all others: what was done by then has been given, and its error is raised at once.

    Args:
        work: What is called with the parts of each job; like them, it goes to other processes.

    Raises:
        UsageError: If a process was killed.
    """
    context = multiprocessing.get_context("spawn")  # forked threads of torch hang
    # Nothing is ever sent: the end of the pipe is the end of this process, also by a kill, or of its patience
    ended, going_on = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(count, context, _end_with, (ended,))
    try:
        left = {pool.submit(work, *job) for job in jobs}
        while left:
            done, left = wait(left, return_when=FIRST_COMPLETED)
            good = [future for future in done if future.exception() is None]
            yield from (future.result() for future in good)
            _raise_first(done)
    except BrokenProcessPool as error:
        raise UsageError(
            "a worker process was killed, perhaps for lack of memory; what was done is kept: go on with fewer workers"
        ) from error
    except BaseException:
        going_on.close()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        going_on.close()
        ended.close()


def _raise_first(done: Iterable[Future[Any]]) -> None:
    for future in done:
        future.result()


def _end_with(parent: Connection) -> None:
    """End this process as soon as the other one has closed its side of a pipe, or is gone."""

    def watch() -> None:
        with suppress(EOFError, OSError):
            parent.recv_bytes()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
