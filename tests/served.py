"""`transformers serve`, in a thread of this process."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def transformers_serve(model: str | Path) -> Iterator[str]:
    """Serve a model on a free port of this machine; gives the address."""
    from transformers.cli.serve import Serve

    port = free_port()
    server = Serve(force_model=str(model), device="cpu", host="127.0.0.1", port=port, non_blocking=True)
    try:
        while not server.server.started:  # it starts in its thread, and refuses connections until then
            assert server._thread.is_alive()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.kill_server()
