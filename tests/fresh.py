"""Interpreters that know neither transformers nor this package, in a moment: forks of one that has imported what both wait for."""

import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

TESTS = Path(__file__).resolve().parent
CHECKOUT = (TESTS, TESTS.parent)  # whatever led to it is forgotten
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["torch", "torch._dynamo", "scipy.signal", "scipy.stats"])


class Fresh:
    """`python FILE WORD …` in a folder; what it prints goes to `output`, beside the file.

    Args:
        path: Where it finds modules, beside those that are installed.
    """

    def __init__(
        self,
        file: Path,
        words: Sequence[str] = (),
        *,
        folder: Path,
        environment: Mapping[str, str] = os.environ,
        path: Sequence[Path] = (),
    ) -> None:
        self.output = file.with_name(f"{file.name}.txt")
        self.output.touch()
        given = (str(file), list(words), folder, dict(environment), [str(one) for one in path], self.output)
        self.process = CONTEXT.Process(target=_run, args=given)
        self.process.start()

    def said(self) -> str:
        return self.output.read_text()

    def is_running(self) -> bool:
        return self.process.is_alive()

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def succeed(self, timeout: float = 300.0) -> str:
        """What it said; fails if it failed."""
        self.process.join(timeout)
        if self.is_running():
            self.kill()
        assert self.process.exitcode == 0, f"{self.process.exitcode}: {self.said()[-3000:]}"
        return self.said()


def _run(file: str, words: list[str], folder: Path, environment: dict[str, str], path: list[str], output: Path) -> None:
    assert not {"transformers", "audio_judge", "huggingface_hub"} & set(sys.modules)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:] = [str(Path(file).parent), *path, *(one for one in sys.path if Path(one).resolve() not in CHECKOUT)]
    sys.argv = [file, *words]
    with output.open("w") as stream:
        for number in (1, 2):
            os.dup2(stream.fileno(), number)
    runpy.run_path(file, run_name="__main__")
