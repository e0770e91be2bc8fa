"""What all tests share: no network, no GPU, one thread, and tiny judges that are built once."""

import gc
import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ["TOKENIZERS_PARALLELISM"] = "false"

from collections.abc import Callable
from functools import cache
from pathlib import Path

import hypothesis
import pytest
import torch
from transformers.utils import logging

# A busy machine is no failure
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")
torch.set_num_threads(1)
logging.disable_progress_bar()


# Folder of pretrained backbones, for the tests that are marked `real`
REAL = "AUDIO_JUDGE_REAL_MODELS"


def lacking(item: pytest.Item) -> list[str]:
    """What a test that is marked `real` needs and is not there."""
    needed = [name for mark in item.iter_markers("real") for name in mark.args]
    folder = os.environ.get(REAL)
    return [name for name in needed if folder is None or not (Path(folder) / name).exists()]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out tests whose pretrained backbones are not there: no skip that looks like a pass."""
    left_out = [item for item in items if lacking(item)]
    items[:] = [item for item in items if not lacking(item)]
    config.hook.pytest_deselected(items=left_out)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line whether pretrained backbones were tested."""
    folder = os.environ.get(REAL)
    if folder is None:
        terminalreporter.write_line(f"tests marked real were NOT run: {REAL} names no folder of pretrained backbones")
        return
    names = ("whisper-base", "gemma-3-270m", "gemma-3-270m.gguf", "qwen-1.5b", "minilm")
    absent = [name for name in names if not (Path(folder) / name).exists()]
    said = f", those of {', '.join(absent)} NOT run" if absent else ""
    terminalreporter.write_line(f"tests marked real: with the backbones in {folder}{said}")


def pytest_collection_finish() -> None:
    """What is imported by now stays: a trainer, which collects garbage when it begins, need not look through it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def backbones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder the tiny backbones are written to, once per session."""
    return tmp_path_factory.mktemp("backbones")


@pytest.fixture(scope="session")
def judge(backbones: Path) -> Callable:
    """`judge(kind, adapter)`: a tiny judge and its processor, the same objects each time: do not change them."""
    from tiny import make_judge

    return cache(lambda *shape: make_judge(backbones, *shape))
