"""Judges on disk that the tests of all commands share: do not change them."""

import pytest
from tiny import make_judge
from transformers import AutoModelForCausalLM

from audio_judge.judge.judge import AudioJudge
from audio_judge.training.tuning import add_lora


@pytest.fixture(scope="session")
def judge_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("judge")
    model, processor = make_judge(folder / "backbones")
    model.save_pretrained(folder / "tiny")
    processor.save_pretrained(folder / "tiny")
    return folder / "tiny"


@pytest.fixture(scope="session")
def loaded(judge_folder):
    return AudioJudge.from_pretrained(judge_folder, device="cpu")


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """`judge`, and `lora`, a LoRA of it."""
    place = tmp_path_factory.mktemp("commands")
    model, processor = make_judge(place / "backbones")
    for part in (model, processor):
        part.save_pretrained(place / "judge")
    (place / "judge" / "optimizer.pt").write_bytes(b"moments")
    trained = add_lora(AutoModelForCausalLM.from_pretrained(place / "judge"), r".*language_model.*q_proj")
    trained.save_pretrained(place / "lora")
    return place
