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
