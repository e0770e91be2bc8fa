"""What the training scripts' command line makes of the machine it runs on; the conftest hides accelerators."""

from pathlib import Path

import datasets
import pytest
import torch
import yaml
from trl import DPOConfig, GRPOConfig, SFTConfig

from audio_judge.training import arguments
from audio_judge.training.arguments import DeviceParser


def parse(settings, *given, folder):
    return DeviceParser([arguments.CorpusArguments, settings]).parse_args_and_config(
        ["--output_dir", str(folder), *given]
    )[1]


class TestDeviceParser:
    @pytest.mark.parametrize("settings", [SFTConfig, GRPOConfig, DPOConfig])
    def test_a_cpu_is_used_without_being_asked_for(self, settings, tmp_path, capsys):
        """TRL's own default, bfloat16 on a GPU, would stop here."""
        parsed = parse(settings, folder=tmp_path)
        assert (parsed.use_cpu, parsed.gradient_checkpointing) == (True, False)
        assert "Computes on the CPU, as there is no accelerator, in " in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("known", "half"), [({"avx512_bf16": True}, True), ({"amx_bf16": True}, True), ({}, False)]
    )
    def test_bfloat16_is_for_processors_that_have_it(self, known, half, tmp_path, monkeypatch):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known)
        assert parse(SFTConfig, folder=tmp_path).bf16 is half

    def test_what_a_recipe_or_the_command_line_says_counts(self, tmp_path, capsys):
        recipe = tmp_path / "recipe.yaml"
        recipe.write_text(yaml.safe_dump({"gradient_checkpointing": True, "bf16": True}))
        parsed = parse(SFTConfig, "--config", str(recipe), "--bf16", "false", folder=tmp_path)
        assert (parsed.gradient_checkpointing, parsed.bf16) == (True, False)
        assert "in float32, with gradient checkpointing" in capsys.readouterr().out

    def test_an_accelerator_is_left_to_trl(self, monkeypatch):
        monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
        monkeypatch.setattr(arguments, "is_torch_bf16_gpu_available", lambda: True)
        assert arguments.device_defaults() == {}
        monkeypatch.setattr(arguments, "is_torch_bf16_gpu_available", lambda: False)
        assert arguments.device_defaults() == {"bf16": False}

    def test_every_script_uses_it(self):
        scripts = [path.read_text() for path in Path(__file__).parents[2].glob("train_*.py")]
        assert all("TrlParser" not in text for text in scripts)
        assert sum("DeviceParser([" in text for text in scripts) == 3


class TestCorpusArguments:
    """What the scripts read by themselves may be a data set, as of the Hub."""

    COLUMNS = 'columns={"path": "audio", "ratings": {"mos": "mos"}}'

    @pytest.fixture
    def saved(self, tmp_path, monkeypatch):
        monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
        rows = [{"audio": {"bytes": b"RIFF%d" % mos, "path": None}, "mos": mos} for mos in (2, 4)]
        one = datasets.Dataset.from_list(rows).cast_column("audio", datasets.Audio())
        datasets.DatasetDict({"train": one, "validation": one.select([1])}).save_to_disk(tmp_path / "saved")
        return str(tmp_path / "saved")

    def read(self, place, split, **given):
        options = arguments.CorpusArguments(corpus="table", data=place, corpus_options=[self.COLUMNS], **given)
        return [clip.ratings["mos"].value for clip in options.read(split)]

    @pytest.mark.parametrize("place", [None, "hf://datasets/me/clips"])
    def test_data_sets(self, saved, place, monkeypatch):
        monkeypatch.setattr(datasets, "load_dataset", lambda *_: datasets.load_from_disk(saved))
        assert self.read(place or saved, "train") == [2.0, 4.0]
        assert self.read(place or saved, "validation") == [4.0]

    def test_rows_that_are_wrong(self, tmp_path):
        rows = {"audio": ["a.wav", "b.wav"], "mos": [0.5, 3.0]}
        splits = dict.fromkeys(("train", "validation"), datasets.Dataset.from_dict(rows))
        datasets.DatasetDict(splits).save_to_disk(tmp_path / "saved")
        with pytest.raises(ValueError, match=r"mos is 0\.5"):
            self.read(str(tmp_path / "saved"), "train")
        assert self.read(str(tmp_path / "saved"), "train", on_error="skip") == [3.0]
