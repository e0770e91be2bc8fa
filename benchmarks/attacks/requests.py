"""Requests to the server: JSON that nobody expects, sounds that are mutated, bytes that are no request."""

import base64
import contextlib
import http.client
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from encoded import encoded
from served import transformers_serve

from attacks import judged, sounds, values
from attacks.prompts import QUESTIONS
from attacks.rounds import Found
from audio_judge.judge import serving

LIMITS = serving.Limits(megabytes=1.0, seconds=60.0, characters=20_000)
WAIT = 60.0  # seconds; ten are a hang, which the runner sees


class Requests:
    """Requests to one server, each of which is answered or refused; after all of them it answers as before."""

    name, size = "requests", 100

    def prepare(self, folder: Path) -> None:
        """Write the judge that is served."""
        self.judge = judged.judge_folder(folder)

    def attack(self, folder: Path, rng: random.Random, found: Found) -> None:
        """Serve, and send a hundred requests."""
        serving.install(LIMITS)
        sound = base64.b64encode(encoded("WAV PCM_16", 0.3)).decode()
        good = {"state": [{"type": "audio", "data_base64": sound}], "questions": QUESTIONS}
        with transformers_serve(self.judge) as url:
            address = urlsplit(url).netloc
            expected = _ask(address, json.dumps(good).encode())
            if expected[0] != 200:
                found.note("wrong", f"a good request: {expected}")
            for number, (body, headers) in enumerate(self._bodies(good, rng)):
                print(number, body[:120], headers, flush=True)
                found.tried += 1
                try:
                    status, said = _ask(address, body, headers)
                except (OSError, http.client.HTTPException, ValueError) as error:
                    found.note("tracebacks", f"{body[:120]!r}: no answer ({type(error).__name__} {error})")
                    continue
                if status >= 500:
                    found.note("tracebacks", f"{body[:300]!r}: {status} {str(said)[:200]}")
                elif status == 200 and set(said["answers"]) != set(json.loads(body)["questions"]):
                    found.note("wrong", f"{body[:120]!r}: answers to {list(said['answers'])}")
            if _ask(address, json.dumps(good).encode()) != expected:
                found.note("wrong", "a good request has another answer than before")

    def _bodies(self, good: dict[str, Any], rng: random.Random) -> Iterator[tuple[bytes, dict[str, str]]]:
        for _ in range(self.size):
            kind = rng.random()
            if kind < 0.55:
                yield json.dumps(values.mutated(good, rng)).encode(), {}
            elif kind < 0.8:
                how = rng.choice(list(sounds.PLAIN.values()))[0]
                data = rng.choice(sounds.MUTATIONS)(encoded(how, 0.3), rng)
                block = {"type": "audio", "data_base64": base64.b64encode(data).decode()}
                yield json.dumps(good | {"state": [block]}).encode(), {}
            elif kind < 0.95:
                yield sounds.flip(json.dumps(good).encode(), rng), {}
            else:
                yield rng.choice([
                    (b"", {}), (b"[" * 100_000, {}), (b"x" * 1_100_000, {}), (b"\xff\xfe", {}), (b"{}", {"Content-Length": "-5"}),
                    (b"{}", {"Content-Encoding": "gzip"}), (b'{"a": ' + b"9" * 5000 + b"}", {}), (b"{}", {"Content-Type": "text/plain"}),
                ])  # fmt: skip


def _ask(address: str, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    """Status and JSON of a request; a refusal of the whole connection is one, too."""
    connection = http.client.HTTPConnection(address, timeout=WAIT)
    try:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused before all of it was sent
            connection.request("POST", "/v1/systemone", body, {"Content-Type": "application/json"} | (headers or {}))
        reply = connection.getresponse()
        said = reply.read()
        return reply.status, json.loads(said) if reply.status == 200 else said.decode("utf-8", "replace")
    finally:
        connection.close()
