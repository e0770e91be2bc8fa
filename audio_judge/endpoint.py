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
import ssl
import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self, TypeVar, cast

import httpx2
import torch
from filelock import FileLock, Timeout
from huggingface_hub import AsyncInferenceClient, get_async_session
from huggingface_hub.errors import HfHubHTTPError
from transformers import DecisionPipeline, TextGenerationPipeline, pipeline

Message = Mapping[str, str]
FailureKind = Literal[
    "rate_limited", "server_error", "timeout", "connection", "malformed_reply", "reply_cut_off", "refused"
]

# A server that asks for a longer pause than this is better asked again by a later run.
LONGEST_WAIT = 120.0
# How often a request looks whether another process has answered the same one, in seconds.
POLL_INTERVAL = 0.05

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Sampling:
    """How the words of a reply are drawn.

    Args:
        temperature: 0 (greedy) or more.
        top_p: Share of the probability that is drawn from, above 0 up to 1.
        max_tokens: Longest reply in tokens.
        seed: Of the draw; with another seed the same request is asked anew.

    Raises:
        ValueError: If a value is out of range.

    Example:
        >>> Sampling(temperature=0.9, top_p=1.5)
        Traceback (most recent call last):
        ValueError: top_p 1.5; above 0 up to 1 is needed
    """

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 512
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < float("inf"):
            raise ValueError(f"temperature {self.temperature}; 0 or more is needed")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p {self.top_p}; above 0 up to 1 is needed")
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens {self.max_tokens}; 1 or more is needed")


GREEDY = Sampling()


@dataclass(frozen=True)
class Completion:
    """What a language model wrote.

    Args:
        text: The reply; may be empty.
        cut_off: Whether it ended because the budget of tokens did.
    """

    text: str
    cut_off: bool = False


@dataclass(frozen=True)
class Reply(Completion):
    """A completion as ``Client.ask`` returns it.

    Args:
        cached: Whether it came from the cache.
    """

    cached: bool = False


@dataclass(frozen=True)
class Failure:
    """A call that was not answered.

    Args:
        kind: What went wrong the last time.
        message: The same for people.
        attempts: How often it was tried.
    """

    kind: FailureKind
    message: str
    attempts: int


class CallError(Exception):
    """One attempt to reach a language model failed; a backend raises it and ``Client`` decides whether to try again.

    Args:
        kind: What went wrong.
        message: The same for people.
        wait: Pause that the server asked for, in seconds; None if it did not.
    """

    def __init__(self, kind: FailureKind, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.kind: FailureKind = kind
        self.wait = wait


class Backend(Protocol):
    """What answers requests: ``Endpoint``, ``LocalModel``, or an own class with these members."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """JSON-able facts that decide the answer together with the request; part of the cache key."""

    async def generate(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        """Answer one request once, or raise a ``CallError``."""

    async def close(self) -> None:
        """Release connections."""


class _LocalAddressClient(AsyncInferenceClient):
    """The Hub's client without the Hub's hooks: HF_HUB_OFFLINE must not cut off a server on one's own machine."""

    async def _get_async_client(self) -> httpx2.AsyncClient:
        if self._async_client is None:
            session = get_async_session()
            session.event_hooks = {"request": [], "response": []}
            self._async_client = await self.exit_stack.enter_async_context(session)
        return self._async_client


class Endpoint:
    """A model behind an OpenAI-compatible server: vLLM, SGLang, llama.cpp, ``transformers serve``, a hosted service.

    Replies are cached under the model's name, not the address, so that a restarted server elsewhere is not asked again:
    give different models different names.

    Args:
        url: Address, with or without ``/v1``.
        model: Name of the model as the server knows it.
        api_key: Sent as a bearer token; None sends no secret, not even a token of the Hub that is logged in.
        timeout: Longest wait for one reply, in seconds.
        extra: More fields of the request, such as ``{"chat_template_kwargs": {"enable_thinking": False}}``.

    Raises:
        ValueError: If the address or the name is unusable.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        api_key: str | None = None,
        timeout: float = 120.0,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        _check_address(url, model)
        self.url, self.model, self.timeout, self.extra = url, model, timeout, dict(extra or {})
        # Without a key the Hub's client would send the user's own Hub token to this address.
        self._client = _LocalAddressClient(base_url=url, api_key=api_key or "none")

    @property
    def identity(self) -> Mapping[str, Any]:
        """Name of the model and the extra fields."""
        return {"model": self.model, "extra": self.extra}

    async def generate(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        """Answer one request once.

        Args:
            messages: ``{"role", "content"}`` each.
            sampling: How to draw the reply.

        Raises:
            CallError: If there is no usable reply.
        """
        try:
            async with asyncio.timeout(self.timeout):
                answer = await self._client.chat_completion(
                    [dict(message) for message in messages],
                    model=self.model,
                    extra_body=self.extra,
                    **asdict(sampling),
                )
        except TimeoutError as error:
            raise CallError("timeout", f"{self.url}: no reply within {self.timeout:g} s") from error
        except HfHubHTTPError as error:
            raise _status_error(self.url, error.response) from error
        except httpx2.TransportError as error:
            raise CallError("connection", f"{self.url}: {type(error).__name__} {error}") from error
        except (ValueError, TypeError, AttributeError) as error:  # the Hub's client parsing what is no chat completion
            raise CallError("malformed_reply", f"{self.url}: not a chat completion ({error})") from error
        return _read_completion(self.url, answer)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _check_address(url: str, model: str) -> None:
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"endpoint {url!r}; an address such as http://localhost:8000/v1 is needed")
    if not model:
        raise ValueError(f"endpoint {url}: no model; give the name the server knows it by")


def _status_error(url: str, response: httpx2.Response) -> CallError:
    """Sort a status: 429 and a server's own faults may pass, other refusals will not."""
    status = response.status_code
    message = f"{url}: status {status} {response.text[:200].strip()!r}"
    if status == 429:
        return CallError("rate_limited", message, _seconds(response.headers.get("retry-after")))
    if status == 408 or status >= 500:
        return CallError("server_error", message, _seconds(response.headers.get("retry-after")))
    return CallError("refused", message)


def _seconds(retry_after: str | None) -> float | None:
    """Read a Retry-After in seconds; one that is a date is left to the back-off."""
    return float(retry_after) if retry_after is not None and retry_after.strip().isdecimal() else None


def _read_completion(url: str, answer: Mapping[str, Any]) -> Completion:
    """Take the text out of a chat completion, whose fields the Hub's client leaves unchecked."""
    match answer:
        case {"choices": [{"message": {"content": str(text)}, **choice}, *_]}:
            return Completion(text, cut_off=choice.get("finish_reason") == "length")
    raise CallError("malformed_reply", f"{url}: no text in {json.dumps(answer, default=str)[:200]}")


class LocalModel:
    """A transformers model in this process, one request at a time.

    Args:
        model: Repo or folder of a chat model, or a ready ``pipeline("text-generation")``.
        name: Name in the cache key; the repo or folder if None.
        options: Passed to ``pipeline``: ``revision``, ``dtype``, ``device`` …

    Raises:
        ValueError: If the model has no chat template.
    """

    def __init__(self, model: str | TextGenerationPipeline, *, name: str | None = None, **options: Any) -> None:
        self._pipeline = cast(Any, pipeline("text-generation", model, **options) if isinstance(model, str) else model)
        self.name = name or str(self._pipeline.model.config.name_or_path)
        self._options = {key: str(value) for key, value in options.items() if key in ("revision", "dtype")}
        self._turn = threading.Lock()  # unlike a lock of asyncio it serves the event loops of several runs
        if self._pipeline.tokenizer.chat_template is None:
            raise ValueError(f"{self.name}: no chat template; an instruction-tuned model is needed")

    @property
    def identity(self) -> Mapping[str, Any]:
        """Name of the model and how it was loaded."""
        return {"local": self.name, **self._options}

    async def generate(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        """Answer one request once, in a thread, so that others may wait meanwhile.

        Args:
            messages: ``{"role", "content"}`` each.
            sampling: How to draw the reply.
        """
        return await asyncio.to_thread(self._generate, messages, sampling)

    def _generate(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        tokenizer, model = self._pipeline.tokenizer, self._pipeline.model
        inputs = tokenizer.apply_chat_template(
            [dict(message) for message in messages], add_generation_prompt=True, return_tensors="pt", return_dict=True
        ).to(model.device)
        drawn: dict[str, Any] = {"do_sample": False}
        if sampling.temperature:
            drawn = {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
        # The random numbers of whoever trains in this process stay as they are.
        with self._turn, torch.random.fork_rng(), torch.inference_mode():
            torch.manual_seed(sampling.seed)
            ids = model.generate(**inputs, max_new_tokens=sampling.max_tokens, **drawn)
        written = ids[0, inputs["input_ids"].shape[1] :].tolist()
        ends = model.generation_config.eos_token_id
        ends = set(ends) if isinstance(ends, list) else {ends}
        cut_off = len(written) >= sampling.max_tokens and written[-1] not in ends
        return Completion(tokenizer.decode(written, skip_special_tokens=True), cut_off)

    async def close(self) -> None:
        """Nothing to release."""


def decision_request(state: str, questions: Mapping[str, Mapping[str, Any]]) -> list[Message]:
    """Write typed questions as the one message that ``DecisionEndpoint`` and ``LocalDecisionModel`` answer.

    Args:
        state: What the questions are about.
        questions: Name to question, as ``transformers.decision`` reads them: ``{"type", "instructions", "criteria"}``.

    Example:
        >>> decision_request("a hiss", {"noisy": {"type": "noul"}})[0]["content"]
        '{"state": "a hiss", "questions": {"noisy": {"type": "noul"}}}'
    """
    request = {"state": state, "questions": {name: dict(question) for name, question in questions.items()}}
    return [{"role": "user", "content": json.dumps(request, ensure_ascii=False)}]


class DecisionEndpoint:
    """A model that answers typed questions at ``/v1/systemone``: ``transformers serve``, SGLang.

    Its completions are JSON, question name to answer; every answer is checked to have a value in range.

    Args:
        url: Address, with or without ``/v1``.
        model: Name of the model as the server knows it; the key of cached replies, as of ``Endpoint``.
        api_key: Sent as a bearer token; None sends none.
        timeout: Longest wait for one reply, in seconds.

    Raises:
        ValueError: If the address or the name is unusable.
    """

    def __init__(self, url: str, model: str, *, api_key: str | None = None, timeout: float = 120.0) -> None:
        _check_address(url, model)
        self.url, self.model, self.timeout = url, model, timeout
        self._client = httpx2.AsyncClient(
            timeout=None, headers=_bearer(api_key), follow_redirects=True, verify=_certificates()
        )

    @property
    def identity(self) -> Mapping[str, Any]:
        """Name of the model, and that it decides."""
        return {"model": self.model, "decision": True}

    async def generate(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        """Answer one request once.

        Args:
            messages: What ``decision_request`` writes.
            sampling: Not used; nothing is drawn.

        Raises:
            CallError: If there is no usable reply.
        """
        request = json.loads(messages[-1]["content"])
        try:
            async with asyncio.timeout(self.timeout):
                response = await self._client.post(_path(self.url, "systemone"), json={"model": self.model, **request})
        except TimeoutError as error:
            raise CallError("timeout", f"{self.url}: no reply within {self.timeout:g} s") from error
        except httpx2.RequestError as error:
            raise CallError("connection", f"{self.url}: {type(error).__name__} {error}") from error
        if response.status_code >= 400:
            raise _status_error(self.url, response)
        try:
            return _read_answers(self.url, request["questions"], response.json()["answers"])
        except (ValueError, KeyError, TypeError) as error:
            raise CallError("malformed_reply", f"{self.url}: no answers in {response.text[:200]!r}") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def served_model(url: str, *, api_key: str | None = None, timeout: float = 30.0) -> str:
    """Ask a server which model it serves.

    Args:
        url: Address, with or without ``/v1``.
        api_key: Sent as a bearer token; None sends none.
        timeout: Longest wait in seconds.

    Returns:
        The name of its only model.

    Raises:
        ValueError: If it does not say, or serves none or several.
    """
    try:
        response = httpx2.get(_path(url, "models"), headers=_bearer(api_key), timeout=timeout, follow_redirects=True)
        names = [str(model["id"]) for model in response.raise_for_status().json()["data"]]
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise ValueError(f"{url}: does not say which model it serves ({reason}); name the one to ask") from error
    if len(names) != 1:
        listed = f"{', '.join(names[:5])}{' …' * (len(names) > 5)}" if names else "none"
        raise ValueError(f"{url}: lists {len(names)} models ({listed}); name the one to ask")
    return names[0]


@cache
def _certificates() -> ssl.SSLContext:
    """Read the certificates once; they take longer than a short request."""
    return httpx2.create_ssl_context()


def _path(url: str, name: str) -> str:
    return f"{url.rstrip('/').removesuffix('/v1')}/v1/{name}"


def _bearer(api_key: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {api_key}"} if api_key else {}


def _read_answers(place: str, questions: Mapping[str, Any], answers: Mapping[str, Any]) -> Completion:
    """Check that every question has an answer of its type, and leave out what only repeats the question."""
    kept = {}
    for name, question in questions.items():
        answer = answers[name]
        value = answer[question["type"]]  # score, noul and choice name their values as themselves
        highest = len(question["criteria"]) - 1 if question["type"] == "score" else 1
        # NaN is in no range; the sum over the levels may exceed the highest in its last digits
        if question["type"] != "choice" and not (0 <= float(value) <= highest + 1e-3):
            raise CallError("malformed_reply", f"{place}: {name} is {value!r}; 0 to {highest} is needed")
        kept[name] = {key: part for key, part in answer.items() if key != "legend"}
    return Completion(json.dumps(kept, ensure_ascii=False))


class LocalDecisionModel:
    """A transformers model in this process that answers typed questions, one request at a time.

    Args:
        model: Repo or folder, or a ready ``pipeline("decision")``. A chat model without a decision head will do: it is
            read off its next token.
        name: Name in the cache key; the repo or folder if None.
        options: Passed to ``pipeline``: ``revision``, ``dtype``, ``device`` …
    """

    def __init__(self, model: str | DecisionPipeline, *, name: str | None = None, **options: Any) -> None:
        self.pipeline = cast(Any, pipeline("decision", model, **options) if isinstance(model, str) else model)
        self.name = name or str(self.pipeline.model.config.name_or_path)
        self._options = {key: str(value) for key, value in options.items() if key in ("revision", "dtype")}
        self._turn = threading.Lock()

    @property
    def identity(self) -> Mapping[str, Any]:
        """Name of the model, how it was loaded, and that it decides."""
        return {"local": self.name, "decision": True, **self._options}

    async def generate(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        """Answer one request once, in a thread, so that others may wait meanwhile.

        Args:
            messages: What ``decision_request`` writes.
            sampling: Not used; nothing is drawn.

        Raises:
            CallError: If the model cannot answer such questions.
        """
        return await asyncio.to_thread(self._decide, json.loads(messages[-1]["content"]))

    def _decide(self, request: dict[str, Any]) -> Completion:
        try:
            with self._turn:
                answers = self.pipeline(request)
        except (ValueError, RuntimeError, IndexError) as error:  # no single-token labels, no memory, no such position
            raise CallError("refused", f"{self.name}: {error}") from error
        return _read_answers(self.name, request["questions"], answers)

    async def close(self) -> None:
        """Nothing to release."""


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
        backend: What answers.
        cache: Folder of the replies; None keeps none.
        concurrency: Most requests at a time.
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
        """Ask once; the same request is answered from the cache.

        Args:
            messages: ``{"role", "content"}`` each.
            sampling: How to draw the reply.
            allow_cut_off: Whether a reply that reached ``max_tokens`` counts; otherwise it is asked again with twice
                and then four times the tokens, and fails if that is not enough.

        Returns:
            The reply, or why there is none. A ``Failure`` is not cached.
        """
        asked: dict[str, Any] = {"messages": [dict(message) for message in messages], "sampling": asdict(sampling)}
        asked |= {"backend": dict(self.backend.identity), "allow_cut_off": allow_cut_off}
        request = json.dumps(asked, sort_keys=True, ensure_ascii=False)
        key = hashlib.sha256(request.encode()).hexdigest()
        self.counts.asked += 1
        if self._cache is None:
            async with self._slots:
                return await self._attempt(messages, sampling, allow_cut_off)
        if known := self._known(key):
            return known
        async with self._slots, self._cache.alone(key):
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
        tokens = sampling.max_tokens
        for attempt in range(1, self.attempts + 1):
            self.counts.sent += 1
            try:
                completion = await self.backend.generate(messages, replace(sampling, max_tokens=tokens))
                if allow_cut_off or not completion.cut_off:
                    return Reply(completion.text, completion.cut_off)
                error = CallError("reply_cut_off", f"no end within {tokens} tokens: {completion.text[-80:]!r}", 0.0)
            except CallError as failed:
                error = failed
            final = error.kind == "refused" or (error.kind == "reply_cut_off" and tokens == 4 * sampling.max_tokens)
            if final or attempt == self.attempts:
                break
            tokens *= 2 if error.kind == "reply_cut_off" else 1
            await asyncio.sleep(waiting_time(attempt, self.first_wait, error.wait))
        self.counts.failed += 1
        return Failure(error.kind, str(error), attempt)


def waiting_time(attempt: int, first_wait: float, asked_for: float | None = None) -> float:
    """Draw the pause after a failed attempt: exponential, with jitter so that many clients do not return at once.

    Args:
        attempt: Number of the attempt that failed, from 1.
        first_wait: Longest pause after the first, in seconds.
        asked_for: Pause the server asked for, in seconds; it is kept to, but for ``LONGEST_WAIT``.

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
        work: What to do with an item.
        items: Any number of them; read only as far as needed.
        window: Most items begun and not yet given back, 1 or more.

    Yields:
        One result per item.

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
