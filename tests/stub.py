"""A real HTTP server that speaks as much of the OpenAI protocol as the tests need, and misbehaves on request."""

import contextlib
import gzip
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

GZIP = {"Content-Encoding": "gzip"}
# What a chat server may send in place of a reply, and which failure that is
MISBEHAVIOUR = [
    ({"status": 429}, "rate_limited"),
    ({"status": 500}, "server_error"),
    ({"status": 503, "body": b"<html>starting"}, "server_error"),
    ({"body": b'{"choices": [{"message": {"content": "he'}, "malformed_reply"),  # JSON cut off
    ({"body": b'{"choices": [', "missing": 50}, "connection"),  # the connection breaks in the middle
    ({"body": b"not json"}, "malformed_reply"),
    ({"body": b'{"choices": []}'}, "malformed_reply"),
    ({"body": b'{"error": "loading"}'}, "malformed_reply"),
    ({"body": b'{"choices": "none"}'}, "malformed_reply"),
    ({"body": b'{"choices": [{"message": "hi"}]}'}, "malformed_reply"),
    ({"body": b'{"choices": [{"message": {"content": null}}]}'}, "malformed_reply"),
    ({"body": b'{"choices": [{"message": {"content": 7}}]}'}, "malformed_reply"),
    ({"body": b"\xff\xfe"}, "malformed_reply"),
    ({"body": b"[]"}, "malformed_reply"),
    ({"text": "and then", "finish": "length"}, "reply_cut_off"),
    ({"body": b"no gzip", "headers": GZIP}, "malformed_reply"),
    ({"body": gzip.compress(bytes(64 * 2**20)), "headers": GZIP}, "malformed_reply"),  # 64 kB of 64 MB
    ({"body": b"{}", "headers": {"Content-Encoding": "br"}}, "malformed_reply"),
    ({"body": b" " * 2**23}, "malformed_reply"),
    ({"body": b"[" * 200_000 + b"]" * 200_000}, "malformed_reply"),
    ({"body": b"[" * 100 + b"]" * 100}, "malformed_reply"),
    ({"body": b'{"choices": ' + b"9" * 5000 + b"}"}, "malformed_reply"),
    ({"body": b'{"choices": [{"message": {"content": {"a": ' + b"9" * 400 + b"}}}]}"}, "malformed_reply"),
    ({"status": 307, "headers": {"Location": "http://[/"}}, "connection"),
]


class Stub:
    """Answers with `reply(request, how_often_asked)`: a text, or a dict of `status`, `body`, `headers`, `delay`, `drip` (seconds a byte), `finish`."""

    def __init__(self, reply: Callable[[dict[str, Any], int], str | dict[str, Any]]) -> None:
        self.reply, self.lock = reply, threading.Lock()
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.times: Counter[str] = Counter()
        self.running = self.most_at_once = 0
        self.url = ""

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            key = json.dumps(request, sort_keys=True)
            self.requests.append(request)
            self.times[key] += 1
            self.running += 1
            self.most_at_once = max(self.most_at_once, self.running)
            said = self.reply(request, self.times[key])
        answer = {"text": said} if isinstance(said, str) else said
        time.sleep(answer.get("delay", 0.0))
        with self.lock:
            self.running -= 1
        return answer


def body_of(answer: dict[str, Any]) -> bytes:
    if "body" in answer:
        return answer["body"]
    message = {"role": "assistant", "content": answer.get("text", "")}
    choice = {"index": 0, "message": message, "finish_reason": answer.get("finish", "stop")}
    return json.dumps(
        {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
    ).encode()


@contextmanager
def serving(reply: Callable[[dict[str, Any], int], str | dict[str, Any]]) -> Iterator[Stub]:
    """Serve on a free port of this machine."""
    stub = Stub(reply)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            stub.headers.append({name.lower(): value for name, value in self.headers.items()})
            answer = stub.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            content = body_of(answer)
            self.send_response(answer.get("status", 200))
            for name, value in answer.get("headers", {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content) + answer.get("missing", 0)))
            self.end_headers()
            for byte in content if "drip" in answer else ():
                self.wfile.write(bytes([byte]))
                time.sleep(answer["drip"])
            self.wfile.write(b"" if "drip" in answer else content)
            self.close_connection = bool(answer.get("missing"))

        def log_message(self, *_: Any) -> None:
            pass

        def handle(self) -> None:
            with contextlib.suppress(OSError, json.JSONDecodeError):  # a client that was killed or lost its patience
                super().handle()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        stub.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield stub
        server.shutdown()
