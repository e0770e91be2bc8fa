"""transformers' own server, as ``audio-judge serve`` becomes it: within limits, and typed questions about what was heard.

    python -c "from audio_judge.judge.serving import main; main()" serve runs/mini --device cpu

That server answers a request to ``/v1/systemone`` of which it hears nothing, of any size, for a client that has left or while it is
told to stop, makes all windows of a long clip before it asks about the first, and runs the code of a judge's folder; here the
classes of this package are registered. Of a native audio language model it would load the
speaking half, too, and write the sound of a request into the prompt as text. Chat (``/v1/chat/completions`` with
``input_audio``) stays as transformers has it.
"""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from audio_judge.audio import audio_info, iter_windows
from audio_judge.batch.lines import DEEPEST, is_deeper
from audio_judge.judge import asking
from audio_judge.judge.judge import AudioJudge
from audio_judge.judge.native import load_audio_model
from audio_judge.judge.wordings import understood_by
from audio_judge.messages import text_messages
from audio_judge.processing_audio_judge import cut_state, read_base64, without_spans

SOUNDS = ("audio", "input_audio", "audio_url")
NOT_HEARD = ("image", "image_url", "input_image", "video", "video_url", "input_video", "file", "input_file", "document")

# Whether the client of the request that is being answered has left, and whether the server was told to stop
_GONE: ContextVar[threading.Event] = ContextVar("gone")
_STOPS = threading.Event()
# Requests whose sound is in memory at a time: the next one is read while one is answered
PLACES = 2
_PIECE_SECONDS = 30.0  # read at a time, before it is asked again whether somebody waits

Answering = Callable[[Any, dict[str, Any], Callable[[], None]], tuple[dict[str, Any], int]]


@dataclass(frozen=True)
class Limits:
    """What one request may ask for.

    Args:
        megabytes: Of its body.
        seconds: Of its clips together.
        characters: Of its text, questions included.
    """

    megabytes: float = 32.0
    seconds: float = 600.0
    characters: int = 20_000


class UnwantedError(Exception):
    """Nobody waits for the answer any more, or there will be nobody to give it."""


def main(limits: Limits | None = None, *, is_native: bool = False) -> None:
    """Become ``transformers``, whose ``serve`` answers typed questions about what was heard; the arguments are those of ``install``."""
    from transformers.cli.transformers import main as transformers_main

    install(limits, is_native=is_native)
    transformers_main()


def install(limits: Limits | None = None, *, is_native: bool = False) -> None:
    """Put our parts in place of those of transformers' server, of this process.

    Args:
        limits: Of a request; None for the usual ones.
        is_native: Whether it serves a native audio language model.
    """
    from transformers.cli.serving import server
    from transformers.cli.serving.model_manager import ModelManager
    from transformers.cli.serving.systemone import SystemOneHandler

    known, build = limits or Limits(), server.build_server
    if is_native:
        ModelManager._load_model = load_model  # type: ignore[assignment,method-assign]
    else:
        ModelManager.get_model_modality = refuse_chat  # type: ignore[assignment,method-assign]
    SystemOneHandler.handle_request = _handler(answer_native if is_native else answer, known)  # type: ignore[method-assign,assignment]
    notice_stops()

    def build_server(manager: Any, *parts: Any, **options: Any) -> Any:
        # What lies in the cache of the Hub, as transformers would list, is not served here; without a cache that fails
        manager.get_gen_models = lambda: listed(manager.force_model)
        manager.load_model_streaming = only_judge(manager)
        app = build(manager, *parts, **options)
        app.add_middleware(Doorman, longest=int(known.megabytes * 1e6))
        return app

    server.build_server = build_server  # type: ignore[assignment]


def listed(judge: str | None) -> list[dict[str, Any]]:
    """What ``/v1/models`` says is served: the judge, by the id that a request's ``model`` may give."""
    owner, slash, _ = (judge or "").rpartition("/")
    known = {"object": "model", "created": 0, "owned_by": owner if slash and not Path(str(judge)).is_dir() else ""}
    return [] if judge is None else [{"id": judge, **known}]


def only_judge(manager: Any) -> Callable[..., Any]:
    """Keep ``/load_model`` to the judge that is served: transformers would load any other, unlooked-at, for whoever asks."""
    usual = manager.load_model_streaming

    def load(model: str, gguf_file: str | None = None) -> Any:
        from fastapi import HTTPException

        if gguf_file is not None or model != manager.process_model_name(str(manager.force_model)):
            raise HTTPException(400, detail=f"{model}: this server has {manager.force_model}, and loads nothing else")
        return usual(model)

    return load


def refuse_chat(manager: Any, model: Any, processor: Any = None) -> Any:
    """In place of the kind of chat that a judge of ours is for: it is for none.

    Raises:
        HTTPException: 400, with where its answers are.
    """
    from fastapi import HTTPException

    raise HTTPException(
        400,
        "this judge does not chat: POST typed questions to /v1/systemone, and have its words from audio_judge.AudioJudge or "
        "`audio-judge explain`",
    )


def notice_stops() -> None:
    """Note when uvicorn is told to stop, which waits for the requests that are being answered."""
    import uvicorn

    handle_exit = uvicorn.Server.handle_exit

    def stop(self: Any, sig: int, frame: Any) -> None:
        _STOPS.set()
        handle_exit(self, sig, frame)

    uvicorn.Server.handle_exit = stop  # type: ignore[method-assign]


class Doorman:
    """ASGI middleware: refuses bodies that are too long before they are read, and notes when a client leaves."""

    def __init__(self, app: Any, longest: int) -> None:
        self.app, self.longest = app, longest

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Let a request in."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        body, is_whole = bytearray(), False
        is_too_long = announced.isdigit() and (len(announced) > 15 or int(announced) > self.longest)
        while not (is_whole or is_too_long):
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            is_whole, is_too_long = not message.get("more_body", False), len(body) > self.longest
        if is_too_long:
            await self._refuse(send)
        else:
            await self._answer(scope, bytes(body), receive, send)

    async def _answer(self, scope: Any, body: bytes, receive: Any, send: Any) -> None:
        gone, left = threading.Event(), asyncio.Event()
        _GONE.set(gone)

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            gone.set()
            left.set()

        messages = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def replay() -> Any:
            for message in messages:
                return message
            await left.wait()
            return {"type": "http.disconnect"}

        watcher = asyncio.create_task(watch())
        try:
            await self.app(scope, replay, send)
        finally:
            watcher.cancel()

    async def _refuse(self, send: Any) -> None:
        said = json.dumps({"detail": f"a body of more than {self.longest / 1e6:g} MB; --max-body-mb of the server"})
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 413, "headers": headers})
        await send({"type": "http.response.body", "body": said.encode()})


def _handler(answering: Answering, limits: Limits) -> Any:
    """Make what stands in place of ``SystemOneHandler.handle_request``."""
    places = asyncio.Semaphore(PLACES)

    async def handle(self: Any, body: dict[str, Any], request_id: str) -> Any:
        from fastapi import HTTPException
        from fastapi.responses import JSONResponse

        check = partial(check_wanted, _GONE.get(threading.Event()))
        try:
            json.dumps(body, ensure_ascii=False).encode()  # halves of characters can be neither read nor sent back
            without_spans(body.get("questions"))  # which checks what transformers takes for granted
            request = self._validate_request(body).model_dump(include={"state", "questions", "assets"})
            async with places:
                request["state"] = await asyncio.to_thread(hear, request, limits, check)
                model_id, model, processor = self._resolve_model(body)
                manager = self.generation_state.get_manager(model_id, use_cb=False)
                pipe = self._pipeline(model_id, model, processor)
                understood = understood_by(model, processor, request["questions"], body["model"])
                request["questions"] = understood.asked
                found, tokens = await manager.async_submit(while_wanted, answering, pipe, request, check)
            answers = understood.answers(found)
        except ValueError as error:
            raise HTTPException(status_code=400, detail=str(error)) from error
        except UnwantedError as error:
            raise HTTPException(status_code=503 if _STOPS.is_set() else 499, detail=str(error)) from error
        usage = {"input_tokens": tokens, "output_tokens": 0}
        return JSONResponse({"model": body["model"], "answers": answers, "usage": usage})

    return handle


def check_wanted(gone: threading.Event) -> None:
    """Make sure that work on a request is worth while.

    Raises:
        UnwantedError: If its client has left, or the server was told to stop.
    """
    if _STOPS.is_set():
        raise UnwantedError("the server stops")
    if gone.is_set():
        raise UnwantedError("the client has left")


def while_wanted(
    answering: Answering, pipeline: Any, request: dict[str, Any], check: Callable[[], None]
) -> tuple[dict[str, Any], int]:
    """Answer a request as long as it is worth while: ``check`` is asked before each batch of windows and each layer.

    Raises:
        UnwantedError: By ``check``.
    """

    def before(*_: Any) -> None:
        check()

    check()
    stacks = [module for module in pipeline.model.modules() if isinstance(module, torch.nn.ModuleList)]
    hooks = [layer.register_forward_pre_hook(before) for stack in stacks for layer in stack]
    try:
        return answering(pipeline, request, check)
    finally:
        for hook in hooks:
            hook.remove()


def hear(request: dict[str, Any], limits: Limits, check: Callable[[], None] = lambda: None) -> list[Any]:
    """Read the clips of a request, in this package's shape (``data_base64``) or in OpenAI's.

    Args:
        request: ``state``, ``questions`` and ``assets``.
        check: Is called before each 30 s are read; what it raises ends the work.

    Returns:
        The blocks of the state, each clip as an array with its ``sampling_rate``.

    Raises:
        ValueError: If there is nothing to hear, something else that would not be, or more than the limits allow.
    """
    if request.get("assets"):
        raise ValueError("`assets` are pictures, which a judge of audio does not see")
    if is_deeper([request["state"], request["questions"]], DEEPEST):
        raise ValueError(f"a request nested deeper than {DEEPEST} levels")
    blocks = _blocks(request["state"])
    sounds = [_data_of(block) for block in blocks]
    if not any(sounds):
        raise ValueError(
            'nothing to hear: the state needs a block {"type": "audio", "data_base64": …}, or OpenAI\'s `input_audio`'
        )
    text = [block for block, sound in zip(blocks, sounds, strict=True) if sound is None]
    length = len(json.dumps([text, request["questions"]], ensure_ascii=False))
    if length > limits.characters:
        raise ValueError(f"{length} characters of text; --max-characters of the server is {limits.characters}")
    left = limits.seconds
    heard: list[Any] = []
    for block, sound in zip(blocks, sounds, strict=True):
        if sound is None:
            heard.append(block)
            continue
        clip = _decode(sound, left, limits.seconds, check)
        left -= len(clip["audio"]) / clip["sampling_rate"]
        heard.append(clip)
    return heard


def _data_of(block: Any) -> str | None:
    """The base64 of a block that is a clip; None of text."""
    if isinstance(block, dict) and block.get("type") in NOT_HEARD:
        raise ValueError(f"a block of type {block['type']!r}: a judge of audio does not see it; leave it out")
    for part in _inside(block):
        if part.get("type") in (*SOUNDS, *NOT_HEARD) or "data_base64" in part:
            raise ValueError("a clip within another block would not be heard: make it a block of the state")
    match block:
        case {"type": "audio", "data_base64": str(data)} | {"type": "input_audio", "input_audio": {"data": str(data)}}:
            return data
        case {"type": "audio_url", "audio_url": {"url": str(url)}} if (
            url.startswith("data:") and ";base64," in url[:200]
        ):
            return url.partition(",")[2]
        case {"type": "audio" | "input_audio" | "audio_url"}:
            raise ValueError(
                "an audio block of a request brings its sound as `data_base64`; paths and URLs are not read"
            )
    return None


def _inside(block: Any) -> Iterator[dict[str, Any]]:
    """The objects within a block that is none of a known clip."""
    parts = list(block.values()) if isinstance(block, dict) else block if isinstance(block, list) else []
    own = block.get("type") if isinstance(block, dict) else None
    for part in parts:
        if isinstance(part, dict) and own not in SOUNDS:
            yield part
        yield from _inside(part)


def _decode(data: str, left: float, allowed: float, check: Callable[[], None]) -> dict[str, Any]:
    file = read_base64(data)
    check()
    info = audio_info(file)
    # Told by the file before it is decoded: an hour of silence is a few kilobytes
    if info.seconds > left:
        raise ValueError(f"more than {allowed:g} s of audio; --max-seconds of the server")
    # Filled in place: pieces that are joined at the end would be in memory twice
    samples, heard = np.empty(round(info.seconds * info.sampling_rate), np.float32), 0
    for _, _, piece in iter_windows(file, _PIECE_SECONDS):
        check()
        samples[heard : heard + len(piece.samples)] = piece.samples
        heard += len(piece.samples)
    return {"type": "audio", "audio": samples[:heard], "sampling_rate": info.sampling_rate}


def load_model(manager: Any, model_id_and_revision: str, **_: Any) -> Any:
    """Load a model as a judge is loaded, in place of ``ModelManager._load_model``."""
    name, revision = model_id_and_revision.split("@", 1)
    how = {"attn_implementation": manager.attn_implementation, "quantization_config": manager.get_quantization_config()}
    given = {key: value for key, value in how.items() if value is not None}
    return load_audio_model(name, revision=revision, dtype=manager.dtype, device_map=manager.device, **given)[0]


def answer(pipeline: Any, request: dict[str, Any], check: Callable[[], None]) -> tuple[dict[str, Any], int]:
    """Answer the typed questions of a request by a judge of ours, in place of ``SystemOneHandler._answer``.

    Args:
        pipeline: With the ``model`` and its ``processor``.
        request: ``state``, as ``hear`` gives it, and ``questions``.
        check: Is called before each batch of windows; what it raises ends the work.

    Returns:
        The answers by name, and the number of tokens that were read.
    """
    windows = pipeline.processor.windows(request["state"])
    return pipeline.processor.decide(pipeline.model, windows, request["questions"], check)


def answer_native(pipeline: Any, request: dict[str, Any], check: Callable[[], None]) -> tuple[dict[str, Any], int]:
    """As ``answer``, by a native model.

    Returns:
        The answers by name, and about how many tokens were read but for those of the questions.

    Raises:
        ValueError: If a question is not well formed, or the model was trained as a judge but not on such questions, nor on words
            in their place.
    """
    judge = AudioJudge(pipeline.model, pipeline.processor)
    state = [_block(block) for block in request["state"]]
    windows = cut_state(state, judge.processor.sampling_rate, judge.processor.window_seconds)
    questions = judge.parse_questions(request["questions"])
    asked = asking.decisions(judge.identity, request["questions"])
    heard = []
    for places in windows.passes():
        check()
        heard += judge.reader.decide([windows[place] for place in places], asked)
    answers = {}
    for question in questions:
        shares = windows.answer([one.probabilities[question.name] for one in heard])
        answers[question.name] = question.answer(shares.tolist())
    tokens = len(judge.processor.encode(text_messages(windows[0], "")).ids)
    return answers, len(windows) * len(questions) * tokens


def _blocks(state: Any) -> list[Any]:
    return state if isinstance(state, list) else [state]


def _block(block: Any) -> dict[str, Any]:
    """A block of a request as one of a prompt: sound as it is, anything else as text."""
    if not isinstance(block, dict) or block.get("type") not in ("audio", "text"):
        return {"type": "text", "text": block if isinstance(block, str) else json.dumps(block, ensure_ascii=False)}
    return block if block["type"] == "audio" else {"type": "text", "text": str(block.get("text", ""))}
