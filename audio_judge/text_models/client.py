"""One async client for text language models: the teachers that write training text, and the evaluators that grade.

``Client`` asks an ``Endpoint`` (any OpenAI-compatible server) or a ``LocalModel``, at most so many requests at a time,
with retries, and keeps every reply on disk under a hash of what was asked: a killed run asks nothing again that was
answered, and two processes may share one cache. A call that fails is a ``Failure`` that says why, never a default.
Typed decisions go the same way: ``decision_request`` writes them as a message, and a ``DecisionEndpoint`` or a
``LocalDecisionModel`` answers with JSON.

Left out: streaming, tools, and audio or images in messages.

    async with Client(Endpoint("http://localhost:8000/v1", "Qwen/Qwen3-8B"), cache=Path("replies")) as client:
        outcome = await client.ask([{"role": "user", "content": "Hello"}])
"""

import asyncio
import hashlib
import json
import random
import sqlite3
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from filelock import FileLock, Timeout

from audio_judge.text_models.replies import GREEDY, Backend, CallError, Failure, Message, Reply, Sampling, usable

# A server that asks for a longer pause than this is better asked again by a later run.
LONGEST_WAIT = 120.0
# Room for a thought that was cut off, at the second and at the third try, in tokens.
THOUGHT_TOKENS = (2048, 8192)
# How often a request looks whether another process has answered the same one, in seconds.
POLL_INTERVAL = 0.05

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass
class Counts:
    """What a client has done so far.

    Args:
        asked: Calls of ``Client.ask``.
        cached: Calls answered from the cache.
        sent: Attempts that went to the model, retries included.
        failed: Calls that ended as a ``Failure``.
    """

    asked: int = 0
    cached: int = 0
    sent: int = 0
    failed: int = 0


class _ReplyCache:
    """Replies in one SQLite file, and a lock per request that the system frees when its process dies."""

    def __init__(self, folder: Path) -> None:
        (folder / "locks").mkdir(parents=True, exist_ok=True)
        self._locks = folder / "locks"
        # SQLite's default journal, unlike its write-ahead log, also works on the network drives of clusters.
        self._database = sqlite3.connect(folder / "replies.sqlite", timeout=60, isolation_level=None)
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, request TEXT, text TEXT, cut_off INTEGER)"
        )

    def get(self, key: str) -> Reply | None:
        with closing(self._database.execute("SELECT text, cut_off FROM replies WHERE key = ?", (key,))) as rows:
            row = rows.fetchone()
        return None if row is None else Reply(row[0], bool(row[1]), cached=True)

    def put(self, key: str, request: str, reply: Reply) -> None:
        row = (key, request, reply.text, reply.cut_off)
        self._database.execute("INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?)", row).close()

    @asynccontextmanager
    async def alone(self, key: str) -> AsyncIterator[None]:
        """Wait until no other task or process is asking the same."""
        lock = FileLock(self._locks / f"{key}.lock", blocking=False)
        while True:
            try:
                lock.acquire()
                break
            except Timeout:
                await asyncio.sleep(POLL_INTERVAL)
        try:
            yield
        finally:
            lock.release()

    def close(self) -> None:
        self._database.close()


class Client:
    """Ask a language model with retries, a limit of requests at a time, and a cache.

    Belongs to one event loop; use it in ``async with``.

    Args:
        cache: Folder of the replies; None keeps none.
        attempts: How often a call is tried; a refusal (status 4xx) is final at once.
        first_wait: Pause before the second attempt, in seconds; it doubles each time, up to two minutes.

    Raises:
        ValueError: If a number is out of range.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        cache: Path | None,
        concurrency: int = 8,
        attempts: int = 5,
        first_wait: float = 1.0,
    ) -> None:
        if concurrency < 1 or attempts < 1 or first_wait < 0:
            raise ValueError(
                f"concurrency {concurrency}, attempts {attempts}, first_wait {first_wait}; 1, 1 and 0 or more are needed"
            )
        self.backend, self.concurrency, self.attempts, self.first_wait = backend, concurrency, attempts, first_wait
        self.counts = Counts()
        self._cache = None if cache is None else _ReplyCache(Path(cache))
        self._slots = asyncio.Semaphore(concurrency)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the backend's connections and the cache."""
        await self.backend.close()
        if self._cache is not None:
            self._cache.close()

    async def ask(
        self, messages: Sequence[Message], sampling: Sampling = GREEDY, *, allow_cut_off: bool = False
    ) -> Reply | Failure:
        """Ask once; the same request is answered from the cache, a ``Failure`` is not cached.

        Args:
            messages: ``{"role", "content"}`` each.
            allow_cut_off: Whether a reply that reached ``max_tokens`` counts; otherwise it is asked again with twice
                and then four times the tokens (of a thought without an end, ``THOUGHT_TOKENS`` if that is more), and
                fails if that is not enough.
        """
        messages = usable(list(messages))
        asked: dict[str, Any] = {"messages": messages, "sampling": asdict(sampling)}
        asked |= {"backend": dict(self.backend.identity), "allow_cut_off": allow_cut_off}
        request = json.dumps(asked, sort_keys=True, ensure_ascii=False)
        key = hashlib.sha256(request.encode()).hexdigest()
        self.counts.asked += 1
        if self._cache is None:
            async with self._slots:
                return await self._attempt(messages, sampling, allow_cut_off)
        if known := self._known(key):  # without a slot: a run that goes on over cached replies need not queue for one
            return known
        async with self._slots, self._cache.alone(key):
            # Whoever held the lock before may have asked the same
            if known := self._known(key):
                return known
            outcome = await self._attempt(messages, sampling, allow_cut_off)
            if isinstance(outcome, Reply):
                self._cache.put(key, request, outcome)
            return outcome

    def _known(self, key: str) -> Reply | None:
        assert self._cache is not None
        reply = self._cache.get(key)
        self.counts.cached += reply is not None
        return reply

    async def _attempt(self, messages: Sequence[Message], sampling: Sampling, allow_cut_off: bool) -> Reply | Failure:
        """Try until there is a reply, a refusal, or no attempt left."""
        tokens, extensions = sampling.max_tokens, 0
        for attempt in range(1, self.attempts + 1):
            self.counts.sent += 1
            try:
                completion = await self.backend.generate(messages, replace(sampling, max_tokens=tokens))
                if allow_cut_off or not completion.cut_off:
                    return Reply(usable(completion.text), completion.cut_off)
                is_thought, said = is_unfinished_thought(completion.text), completion.text[-80:]
                what = "no end of the thought" if is_thought else "no end"
                error = CallError("reply_cut_off", f"{what} within {tokens} tokens: {said!r}", 0.0)
            except CallError as failed:
                error, is_thought = failed, False
            is_final = error.kind == "refused" or (error.kind == "reply_cut_off" and extensions == len(THOUGHT_TOKENS))
            if is_final or attempt == self.attempts:
                break
            if error.kind == "reply_cut_off":
                tokens = max(2 * tokens, THOUGHT_TOKENS[extensions] if is_thought else 0)
                extensions += 1
            await asyncio.sleep(waiting_time(attempt, self.first_wait, error.wait))
        self.counts.failed += 1
        return Failure(error.kind, str(error), attempt)


def is_unfinished_thought(text: str) -> bool:
    """Say whether a reply that was cut off is still thinking.

    Example:
        >>> is_unfinished_thought("<think>The answer says"), is_unfinished_thought("<think>Hm.</think>8 of")
        (True, False)
    """
    return text.lstrip().startswith("<think>") and "</think>" not in text


def waiting_time(attempt: int, first_wait: float, asked_for: float | None = None) -> float:
    """Draw the pause after a failed attempt: exponential, with jitter so that many clients do not return at once.

    Args:
        attempt: Number of the attempt that failed, from 1.
        first_wait: Longest pause after the first, in seconds.
        asked_for: Pause the server asked for, in seconds; kept to without jitter.

    Returns:
        Seconds, at most ``LONGEST_WAIT``.

    Example:
        >>> waiting_time(3, 1.0, asked_for=7.0)
        7.0
    """
    if asked_for is not None:
        return min(asked_for, LONGEST_WAIT)
    return min(first_wait * 2 ** (attempt - 1), LONGEST_WAIT) * random.uniform(0.5, 1.0)


async def in_order(
    work: Callable[[_Item], Awaitable[_Result]], items: Iterable[_Item], window: int
) -> AsyncGenerator[_Result, None]:
    """Work on many items at once and give the results in the order of the items, in memory that does not grow.

    Args:
        items: Any number of them; read only as far as needed.
        window: Most items begun and not yet given back.

    Raises:
        ValueError: If the window is smaller than 1.
    """
    if window < 1:
        raise ValueError(f"window {window}; 1 or more is needed")
    running: deque[asyncio.Future[_Result]] = deque()
    try:
        for item in items:
            running.append(asyncio.ensure_future(work(item)))
            if len(running) == window:
                yield await running.popleft()
        while running:
            yield await running.popleft()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
