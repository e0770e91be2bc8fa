"""Who answers a text model's request: servers with OpenAI's or System One's interface, and models on this machine."""

import asyncio
import json
import math
import os
import re
import ssl
import threading
import zlib
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit, urlunsplit

import httpx2
import torch
from jinja2 import TemplateError
from transformers import DecisionPipeline, JevConfig, PreTrainedConfig, TextGenerationPipeline, pipeline
from transformers.utils import cached_file

from audio_judge.batch.lines import DEEPEST, is_deeper
from audio_judge.errors import UsageError
from audio_judge.text_models.replies import CallError, Completion, Message, Sampling

# What chat templates call it, Qwen3's first
THINKING = "enable_thinking"
# Tokens that might have stood in place of one that was written: as many as vLLM and OpenAI tell of
ALTERNATIVES = 20
# Bounds of one reply: its bytes, unpacked; how often it may point elsewhere
LONGEST_REPLY = 4 * 2**20
MOST_REDIRECTIONS = 5

_Result = TypeVar("_Result")


class _Server:
    """One server that is asked with JSON: its address, its secret, its connections, and what can go wrong.

    It is no client of the Hub: HF_HUB_OFFLINE must not cut off a server on one's own machine, and no token of the Hub
    that is logged in goes to other addresses.
    """

    def __init__(self, url: str, model: str, api_key: str | None, timeout: float) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"endpoint {url!r}; an address such as http://localhost:8000/v1 is needed")
        if not model:
            raise ValueError(f"endpoint {url}: no model; give the name the server knows it by")
        self.url, self.model, self.timeout = url, model, timeout
        # One deadline for the whole reply, below, instead of one for each part of it
        bearer = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._connections = httpx2.AsyncClient(
            timeout=None, headers={"Accept-Encoding": "gzip", **bearer}, verify=_certificates()
        )

    async def post(self, name: str, body: Mapping[str, Any]) -> Any:
        """Post JSON to ``/v1/NAME`` once and return the JSON that came back.

        Raises:
            CallError: If none did; its kind says whether asking again may help.
        """
        request = self._connections.build_request("POST", _path(self.url, name), json={"model": self.model, **body})
        return await self._fetch(request)

    async def get(self, name: str) -> Any:
        """Get the JSON at ``/v1/NAME``, as ``post`` does."""
        return await self._fetch(self._connections.build_request("GET", _path(self.url, name)))

    async def _fetch(self, request: httpx2.Request) -> Any:
        """Turn whatever comes back, if anything does, into JSON or a ``CallError``; time, size and depth are bounded."""
        try:
            async with asyncio.timeout(self.timeout):
                response, body = await self._exchange(request)
        except TimeoutError as error:
            raise CallError("timeout", f"{self.url}: no reply within {self.timeout:g} s") from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise CallError("connection", f"{self.url}: {type(error).__name__} {error}") from error
        said = body[:200].decode("utf-8", "replace").strip()
        if not response.is_success:
            raise _status_error(self.url, response, said)
        try:
            return _read_json(body)
        except ValueError as error:
            raise CallError("malformed_reply", f"{self.url}: no JSON ({error}) in {said!r}") from error

    async def _exchange(self, request: httpx2.Request) -> tuple[httpx2.Response, bytes]:
        """Send a request to where it is wanted, and read no more than the bounds allow."""
        for _ in range(MOST_REDIRECTIONS + 1):
            # The client's own following would read bodies of redirections, of any size
            response = await self._connections.send(request, stream=True, follow_redirects=False)
            try:
                if response.next_request is None:
                    return response, await self._read(response)
                request = response.next_request
            finally:
                await response.aclose()
        raise CallError(
            "refused", f"{self.url}: more than {MOST_REDIRECTIONS} redirections, the latest to {request.url}"
        )

    async def _read(self, response: httpx2.Response) -> bytes:
        packed = bytearray()
        async for part in response.aiter_raw():
            packed += part
            if len(packed) > LONGEST_REPLY:
                break
        body = bytes(packed)
        coding = response.headers.get("content-encoding", "identity").strip().lower()
        try:
            if coding == "gzip":  # unpacked here, as a client's decoder has no bound
                body = zlib.decompressobj(zlib.MAX_WBITS + 16).decompress(body, LONGEST_REPLY + 1)
            elif coding not in ("", "identity"):
                raise CallError(
                    "malformed_reply", f"{self.url}: packed as {coding[:40]!r}; gzip or nothing was asked for"
                )
        except zlib.error as error:
            raise CallError("malformed_reply", f"{self.url}: not the gzip that it says it is ({error})") from error
        if len(body) > LONGEST_REPLY:
            raise CallError("malformed_reply", f"{self.url}: longer than {LONGEST_REPLY} bytes, {body[:80]!r} …")
        return body

    async def close(self) -> None:
        await self._connections.aclose()


def _read_json(body: bytes) -> Any:
    """Read JSON of bounded depth.

    Raises:
        ValueError: If it is none, or deeper.
    """
    try:
        answer = json.loads(body)
    except RecursionError:
        raise ValueError(f"nested deeper than {DEEPEST}") from None
    if is_deeper(answer, DEEPEST):
        raise ValueError(f"nested deeper than {DEEPEST}")
    return answer


def _status_error(url: str, response: httpx2.Response, said: str) -> CallError:
    """Sort a status: 429 and a server's own faults may pass; other refusals, and what is not implemented (501), will not."""
    status = response.status_code
    message = f"{url}: status {status} {said!r}"
    if status == 429:
        return CallError("rate_limited", message, _seconds(response.headers.get("retry-after")))
    if status == 408 or (status >= 500 and status != 501):
        return CallError("server_error", message, _seconds(response.headers.get("retry-after")))
    return CallError("refused", message)


def _seconds(retry_after: str | None) -> float | None:
    """Read a Retry-After in seconds; one that is a date is left to the back-off."""
    return float(retry_after) if retry_after is not None and retry_after.strip().isdecimal() else None


def _path(url: str, name: str) -> str:
    """The address of one thing a server does; the server's may end in ``/v1``, or in that thing, and have a query."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    if path.endswith(f"/{name}"):
        return url
    return urlunsplit(parts._replace(path=f"{path.removesuffix('/v1')}/v1/{name}"))


@cache
def _certificates() -> ssl.SSLContext:
    """Read the certificates once; they take longer than a short request."""
    return httpx2.create_ssl_context()


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
        self._server, self.extra = _Server(url, model, api_key, timeout), dict(extra or {})

    @property
    def identity(self) -> Mapping[str, Any]:
        """Name of the model and the extra fields."""
        return {"model": self._server.model, "extra": self.extra}

    async def generate(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        """Answer one request once.

        Raises:
            CallError: If there is no usable reply.
        """
        answer = await self._answer(messages, sampling)
        match answer:
            # All tokens went into a thought, which servers keep apart: `reasoning` in vLLM, `reasoning_content` elsewhere
            case {"choices": [{"finish_reason": "length", "message": {"content": None | "", **message}}, *_]}:
                return Completion(f"<think>{message.get('reasoning_content') or message.get('reasoning') or ''}", True)
            case {"choices": [{"message": {"content": str(text)}, **choice}, *_]}:
                return Completion(text, cut_off=choice.get("finish_reason") == "length")
        raise CallError("malformed_reply", f"{self._server.url}: no text in {json.dumps(answer)[:200]}")

    async def _answer(self, messages: Sequence[Message], sampling: Sampling, **more: Any) -> Any:
        request = {"messages": [dict(message) for message in messages], **asdict(sampling), **self.extra, **more}
        return await self._server.post("chat/completions", request)

    async def close(self) -> None:
        """Close the connections."""
        await self._server.close()


class TokenEndpoint(Endpoint):
    """A model behind an OpenAI-compatible server that tells the log-probabilities of a reply's tokens: vLLM, llama.cpp.

    Its completions are JSON: the ``text`` of the reply and, for each of its ``tokens``, pairs of a token and its
    log-probability, first the one that was written, then those that might have stood in its place. The arguments are
    those of ``Endpoint``.
    """

    @property
    def identity(self) -> Mapping[str, Any]:
        """That of the endpoint, and that tokens are told."""
        return {**super().identity, "alternatives": ALTERNATIVES}

    async def generate(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        """Answer one request once.

        Raises:
            CallError: If there is no usable reply, or one without its tokens, which is final.
        """
        answer = await self._answer(messages, sampling, logprobs=True, top_logprobs=ALTERNATIVES)
        match answer:
            case {"choices": [{"logprobs": {"content": list(tokens)}, "message": message, **choice}, *_]} if tokens:
                try:
                    found = [[_told(one) for one in _candidates(token)] for token in tokens]
                    text = message.get("content") or ""
                    if not isinstance(text, str):
                        raise TypeError("the reply is no text")
                except (KeyError, TypeError, ValueError, AttributeError) as error:
                    raise CallError("malformed_reply", f"{self._server.url}: no tokens in {tokens!r:.200}") from error
                return _told_tokens(text, found, choice.get("finish_reason") == "length")
        raise CallError("refused", f"{self._server.url}: no log-probabilities in {json.dumps(answer)[:200]}")


def _candidates(token: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A token that was written, then the others; servers list it among them again if it was likely enough."""
    return [token, *(one for one in token.get("top_logprobs") or () if one["token"] != token["token"])]


def _told(one: Mapping[str, Any]) -> tuple[str, float]:
    token, logprob = one["token"], one["logprob"]
    # Of a token that cannot stand there, servers tell -Infinity or -9999
    if not isinstance(token, str) or not _is_number(logprob) or not logprob <= 1e-3:
        raise ValueError(f"{one!r:.200}: a token and its log-probability are needed")
    return token, float(max(logprob, -1e6))


def _told_tokens(text: str, tokens: Sequence[Sequence[tuple[str, float]]], cut_off: bool) -> Completion:
    return Completion(json.dumps({"text": text, "tokens": tokens}, ensure_ascii=False), cut_off)


def label_shares(tokens: Sequence[Sequence[tuple[str, float]]], labels: Sequence[str]) -> dict[str, float] | None:
    """Share of each of some labels where one of them was written, by the log-probabilities of the tokens that begin them.

    Args:
        tokens: As a ``TokenEndpoint`` tells them.
        labels: Words in lower case that begin with different letters.

    Returns:
        Shares that sum to 1, of what lies on the labels; None if none of them was written, or more than one.

    Example:
        >>> round(label_shares([[("Re", -0.2877), (" fake", -1.3863)], [("al", 0.0)]], ("real", "fake"))["real"], 3)
        0.75
    """
    text, starts = "", []
    for one in tokens:
        starts.append(len(text))
        text += one[0][0]
    found = [match for label in labels for match in re.finditer(rf"(?<![^\W_]){label}(?![^\W_])", text, re.IGNORECASE)]
    if len(found) != 1:
        return None
    place = max(number for number, start in enumerate(starts) if start <= found[0].start())
    masses = dict.fromkeys(labels, 0.0)
    for token, log_probability in tokens[place]:
        begun = re.sub(r"^[\W_Ġ▁]+", "", token).casefold()
        for label in labels:
            if begun and (label.startswith(begun) or re.match(rf"{label}(?![^\W_])", begun)):
                masses[label] += math.exp(log_probability)
    total = sum(masses.values())
    return {label: round(mass / total, 6) for label, mass in masses.items()} if total else None


@contextmanager
def _refusal_of(model: str) -> Iterator[None]:
    """What a model of this process fails at is counted as refused, as of a server: no memory, no such position, a bad template."""
    try:
        yield
    # The template is the model's own code, and TemplateError is what it raises of its own accord
    except (ValueError, RuntimeError, LookupError, TypeError, AttributeError, TemplateError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise CallError("refused", f"{model}: {type(error).__name__}: {reason}") from error


class LocalModel:
    """A transformers model in this process, one request at a time.

    Args:
        model: Repo or folder of a chat model, or a ready ``pipeline("text-generation")``.
        name: Name in the cache key; the repo or folder if None.
        thinking: Whether the model is to think first, if its chat template can tell it; None for its own habit.
        options: Passed to ``pipeline``: ``revision``, ``dtype``, ``device`` …

    Raises:
        ValueError: If the model has no chat template, or none that knows of thinking.
    """

    _tells_tokens = False

    def __init__(
        self,
        model: str | TextGenerationPipeline,
        *,
        name: str | None = None,
        thinking: bool | None = None,
        **options: Any,
    ) -> None:
        self._pipeline = cast(Any, pipeline("text-generation", model, **options) if isinstance(model, str) else model)
        self.name = name or str(self._pipeline.model.config.name_or_path)
        self._options = {key: str(value) for key, value in options.items() if key in ("revision", "dtype")}
        self._turn = threading.Lock()  # unlike a lock of asyncio it serves the event loops of several runs
        if self._pipeline.tokenizer.chat_template is None:
            raise ValueError(f"{self.name}: no chat template; an instruction-tuned model is needed")
        if thinking is not None and THINKING not in self._pipeline.tokenizer.chat_template:
            raise ValueError(f"{self.name}: its chat template knows no `{THINKING}`; leave `thinking` out")
        self._thinking = {} if thinking is None else {THINKING: thinking}

    @property
    def identity(self) -> Mapping[str, Any]:
        """Name of the model, how it was loaded, and whether it is told to think."""
        return {"local": self.name, **self._options, **self._thinking}

    async def generate(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        """Answer one request once, in a thread, so that others may wait meanwhile.

        Raises:
            CallError: If the model cannot answer it, or its chat template refuses it.
        """
        return await asyncio.to_thread(_refusal_of(self.name)(self._generate), messages, sampling)

    def _generate(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        tokenizer, model = self._pipeline.tokenizer, self._pipeline.model
        inputs = tokenizer.apply_chat_template(
            [dict(message) for message in messages],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
            **self._thinking,
        ).to(model.device)
        drawn: dict[str, Any] = {"do_sample": False}
        if sampling.temperature:
            # Drawn from the whole vocabulary, as a server does
            drawn = {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
        # The random numbers of whoever trains in this process stay as they are.
        with self._turn, torch.random.fork_rng(), torch.inference_mode():
            torch.manual_seed(sampling.seed)
            told = {"return_dict_in_generate": True, "output_logits": self._tells_tokens}
            out = model.generate(**inputs, max_new_tokens=sampling.max_tokens, **drawn, **told)
        written = out.sequences[0, inputs["input_ids"].shape[1] :].tolist()  # sequences: (1, prompt + reply)
        # A reply may end with its last allowed token of its own accord
        ends = model.generation_config.eos_token_id
        ends = set(ends) if isinstance(ends, list) else {ends}
        cut_off = len(written) >= sampling.max_tokens and written[-1] not in ends
        return self._completion(written, out.logits, cut_off)

    def _completion(self, written: list[int], logits: Sequence[torch.Tensor] | None, cut_off: bool) -> Completion:
        return Completion(self._pipeline.tokenizer.decode(written, skip_special_tokens=True), cut_off)

    async def close(self) -> None:
        """Nothing to release."""


class LocalTokenModel(LocalModel):
    """A transformers model in this process that tells the log-probabilities of a reply's tokens, as ``TokenEndpoint`` does."""

    _tells_tokens = True

    @property
    def identity(self) -> Mapping[str, Any]:
        """That of the model, and that tokens are told."""
        return {**super().identity, "alternatives": ALTERNATIVES}

    def _completion(self, written: list[int], logits: Sequence[torch.Tensor] | None, cut_off: bool) -> Completion:
        assert logits is not None  # for each token (1, vocabulary)
        decode = self._pipeline.tokenizer.decode
        tokens = []
        for own, scores in zip(written, logits, strict=True):
            known = scores[0].float().log_softmax(-1)  # (vocabulary,)
            likely = known.topk(min(ALTERNATIVES, len(known))).indices.tolist()
            ids = [own, *(one for one in likely if one != own)]
            tokens.append([(decode([one]), float(known[one])) for one in ids])
        return _told_tokens(decode(written, skip_special_tokens=True), tokens, cut_off)


def decision_request(state: str, questions: Mapping[str, Mapping[str, Any]]) -> list[Message]:
    """Write typed questions about a state as the one message that ``DecisionEndpoint`` and ``LocalDecisionModel`` answer.

    Args:
        questions: Name to question, as ``transformers.decision`` reads them: ``{"type", "instructions", "criteria"}``.

    Example:
        >>> decision_request("a hiss", {"noisy": {"type": "noul"}})[0]["content"]
        '{"state": "a hiss", "questions": {"noisy": {"type": "noul"}}}'
    """
    request = {"state": state, "questions": {name: dict(question) for name, question in questions.items()}}
    return [{"role": "user", "content": json.dumps(request, ensure_ascii=False)}]


class DecisionEndpoint:
    """A model that answers typed questions at ``/v1/systemone``: ``transformers serve``, SGLang.

    Its completions are JSON, question name to answer; every answer is checked to have a value in range. The arguments
    are those of ``Endpoint``.

    Raises:
        ValueError: If the address or the name is unusable.
    """

    def __init__(self, url: str, model: str, *, api_key: str | None = None, timeout: float = 120.0) -> None:
        self._server = _Server(url, model, api_key, timeout)

    @property
    def identity(self) -> Mapping[str, Any]:
        """Name of the model, and that it decides."""
        return {"model": self._server.model, "decision": True}

    async def generate(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        """Answer once what ``decision_request`` wrote; nothing is drawn, so ``sampling`` has no say.

        Raises:
            CallError: If there is no usable reply.
        """
        request = json.loads(messages[-1]["content"])
        answer = await self._server.post("systemone", request)
        try:
            return _read_answers(self._server.url, request["questions"], answer["answers"])
        except (ValueError, KeyError, TypeError) as error:
            raise CallError(
                "malformed_reply", f"{self._server.url}: no answers in {json.dumps(answer)[:200]}"
            ) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._server.close()


def key_in(variable: str | None) -> str | None:
    """Look up the key of a server; one on the command line would be seen by everybody on the machine.

    Raises:
        UsageError: If the environment has no such variable, or an empty one.
    """
    if variable is None:
        return None
    if not os.environ.get(variable):
        raise UsageError(f"environment variable {variable}: is not set, or empty; it should hold the server's key")
    return os.environ[variable]


def read_fields(given: str | Mapping[str, Any] | None, option: str) -> dict[str, Any]:
    """Read more fields of a chat request, from JSON or as a recipe has them.

    Raises:
        UsageError: If they are no JSON object.

    Example:
        >>> read_fields('{"top_k": 20}', "--extra")
        {'top_k': 20}
    """
    try:
        fields = json.loads(given) if isinstance(given, str) else given
    except ValueError as error:
        raise UsageError(f"{option} {given!r}: no JSON ({error})") from error
    if not isinstance(fields, Mapping | None):
        raise UsageError(f"{option} {given!r}: a JSON object is needed")
    return dict(fields or {})


def with_thinking(extra: Mapping[str, Any], thinking: bool | None) -> dict[str, Any]:
    """Add to the fields of a chat request whether a model is to think first; None leaves that to the server.

    Raises:
        ValueError: If the fields say the opposite already.

    Example:
        >>> with_thinking({"top_k": 20}, thinking=False)
        {'top_k': 20, 'chat_template_kwargs': {'enable_thinking': False}}
    """
    if thinking is None:
        return dict(extra)
    given = dict(extra.get("chat_template_kwargs", {}))
    if given.setdefault(THINKING, thinking) is not thinking:
        raise ValueError(f"thinking is {thinking} and {THINKING} in the extra fields is {given[THINKING]}; give one")
    return {**extra, "chat_template_kwargs": given}


def wait_for(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a coroutine to its end from a plain function, whether or not this thread has a running event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def served_model(url: str, *, api_key: str | None = None) -> str:
    """Ask a server for the name of the only model that it serves.

    Raises:
        ValueError: If it does not say, or serves none or several.
    """
    try:
        names = [str(model["id"]) for model in wait_for(_models(url, api_key))["data"]]
    except (CallError, httpx2.InvalidURL, ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise ValueError(f"{url}: does not say which model it serves ({reason}); name the one to ask") from error
    if len(names) != 1:
        listed = f"{', '.join(names[:5])}{' …' * (len(names) > 5)}" if names else "none"
        raise ValueError(f"{url}: lists {len(names)} models ({listed}); name the one to ask")
    return names[0]


async def _models(url: str, api_key: str | None) -> Any:
    server = _Server(url, "any", api_key, timeout=30.0)
    try:
        return await server.get("models")
    finally:
        await server.close()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _read_answers(place: str, questions: Mapping[str, Any], answers: Mapping[str, Any]) -> Completion:
    """Check that every question has an answer of its type, and leave out what only repeats the question."""
    kept = {}
    for name, question in questions.items():
        answer = answers[name]
        value = answer[question["type"]]  # score, noul and choice name their values as themselves
        highest = len(question["criteria"]) - 1 if question["type"] == "score" else 1
        if question["type"] == "choice":
            fits, needed = isinstance(value, str), "a text"
        else:
            # NaN is in no range; the sum over the levels may exceed the highest in its last digits
            fits, needed = _is_number(value) and 0 <= value <= highest + 1e-3, f"0 to {highest}"
        if not fits:
            raise CallError("malformed_reply", f"{place}: {name} is {repr(value)[:80]}; {needed} is needed")
        kept[name] = {key: part for key, part in answer.items() if key != "legend"}
    return Completion(json.dumps(kept, ensure_ascii=False))


def load_decider(model: str, **options: Any) -> DecisionPipeline:
    """Load ``pipeline("decision")`` of a repo or folder, with ``options`` of ``pipeline``; a chat model as what it is.

    transformers 5.23 and 5.24 take an architecture that some checkpoints with a head for decisions have (Qwen2, Qwen3.5, Gemma 4)
    for such a checkpoint. Where the head is missing, it and the whole language model, of nine billion weights, are drawn at random.
    """
    config, _ = PreTrainedConfig.get_config_dict(model, revision=options.get("revision"))
    parts = [
        cached_file(model, name, revision=options.get("revision"), _raise_exceptions_for_missing_entries=False)
        for name in JevConfig.extra_files
    ]
    if (
        any(parts)
        or config.get("model_type") == JevConfig.model_type
        or "AutoModelForDecision" in config.get("auto_map", {})
    ):
        return pipeline("decision", model, **options)
    chat = pipeline("text-generation", model, **options)
    return pipeline("decision", chat.model, tokenizer=chat.tokenizer)


class LocalDecisionModel:
    """A transformers model in this process that answers typed questions, one request at a time.

    Args:
        model: Repo or folder, or a ready ``pipeline("decision")``. A chat model without a decision head will do: it is
            read off its next token.
        name: Name in the cache key; the repo or folder if None.
        options: Passed to ``pipeline``, as of ``LocalModel``.
    """

    def __init__(self, model: str | DecisionPipeline, *, name: str | None = None, **options: Any) -> None:
        self.pipeline = cast(Any, load_decider(model, **options) if isinstance(model, str) else model)
        self.name = name or str(self.pipeline.model.config.name_or_path)
        self._options = {key: str(value) for key, value in options.items() if key in ("revision", "dtype")}
        self._turn = threading.Lock()

    @property
    def identity(self) -> Mapping[str, Any]:
        """Name of the model, how it was loaded, and that it decides."""
        return {"local": self.name, "decision": True, **self._options}

    async def generate(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        """Answer once what ``decision_request`` wrote, in a thread, so that others may wait meanwhile; nothing is drawn.

        Raises:
            CallError: If the model cannot answer such questions.
        """
        return await asyncio.to_thread(self._decide, json.loads(messages[-1]["content"]))

    def _decide(self, request: dict[str, Any]) -> Completion:
        with self._turn, _refusal_of(self.name):
            answers = self.pipeline(request)
        return _read_answers(self.name, request["questions"], answers)

    async def close(self) -> None:
        """Nothing to release."""
