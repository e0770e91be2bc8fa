"""More processes in a moment: forks of this one, which has imported already what takes seconds."""

import os
import runpy
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState, GradientState
from served import free_port


class Forked:
    """A fork that does its work and is gone; what it prints goes to `log`."""

    def __init__(self, work: Callable[[], Any], log: Path, environment: Mapping[str, Any] | None = None) -> None:
        if torch.cuda.is_available():
            pytest.skip("autograd does not survive a fork beside a GPU; hide it with CUDA_VISIBLE_DEVICES=")
        self.log = log
        self.pid = os.fork()
        if self.pid == 0:
            os._exit(self._run(work, environment or {}))  # nothing of pytest's own end

    def _run(self, work: Callable[[], Any], environment: Mapping[str, Any]) -> int:
        with self.log.open("w") as file:
            for stream in (1, 2):
                os.dup2(file.fileno(), stream)
            sys.stdout = sys.stderr = file
            # What accelerate and transformers found out about processes belongs to the parent
            AcceleratorState._reset_state(reset_partial_state=True)
            GradientState._reset_state()
            os.environ |= {name: str(value) for name, value in environment.items()}
            try:
                code = work()
            except SystemExit as end:
                code = end.code
            except BaseException:
                traceback.print_exc(file=file)
                code = 1
            return code if isinstance(code, int) else 0

    def wait(self, timeout: float = 120.0) -> int:
        """Its exit code, as of `subprocess`: a signal is negative."""
        deadline = time.monotonic() + timeout
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(0.01)

    def is_running(self) -> bool:
        return os.waitpid(self.pid, os.WNOHANG) == (0, 0)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def succeed(self) -> None:
        """Wait, and say what it said if it failed."""
        code = self.wait()
        assert code == 0, f"{code}: {self.log.read_text()[-3000:]}"


def forked_together(work: Callable[[], Any], folder: Path, processes: int = 2) -> None:
    """Forks that find each other as those of `torchrun` and `accelerate launch` do; all of them must succeed."""
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "WORLD_SIZE": processes}
    ranks = [meeting | {"RANK": rank, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": processes} for rank in range(processes)]
    forks = [Forked(work, folder / f"process{rank}.txt", rank_) for rank, rank_ in enumerate(ranks)]
    for fork in forks:
        fork.succeed()


def run_script(path: Path, words: Sequence[str]) -> None:
    """Run a file as the shell does: `python PATH WORD …`."""
    sys.argv = [str(path), *words]
    runpy.run_path(str(path), run_name="__main__")
