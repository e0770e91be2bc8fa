import sys
from pathlib import Path

import pytest
import torch
from tiny import make_judge

import train_backbones
from audio_judge import AudioJudgeForCausalLM, AudioJudgeProcessor
from audio_judge.training.encoders import EncoderArguments


class TestEncoder:
    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ([], {}),
            (["--live", "a", "b", "--workers", "2"], {"live": [Path("a"), Path("b")], "workers": 2}),
            (
                ["--blend", "c", "--targets", "open", "--resume"],
                {"blend": Path("c"), "targets": "open", "resume": True},
            ),
            (["--freeze-convolutions", "--teachers", "nisqa"], {"freeze_convolutions": True, "teachers": ["nisqa"]}),
        ],
    )
    def test_options_are_those_of_the_arguments(self, monkeypatch, options, expected):
        found = []
        monkeypatch.setattr(train_backbones, "train_encoder", found.append)
        command = ["train_backbones.py", "encoder", "--corpus", "d", "--output", "e", *options]
        monkeypatch.setattr(sys, "argv", command)
        train_backbones.main()
        assert found == [EncoderArguments(corpus=[Path("d")], output=Path("e"), **expected)]


class TestParts:
    @pytest.mark.parametrize("kind", ["audio_judge_joined", "whisper"])
    def test_a_judge_taken_apart_is_put_together_again(self, kind, tmp_path):
        shape = {"adapter": "pooled_linear", "adapter_tokens": 8}
        model, processor = make_judge(tmp_path, kind, tie=False)
        for part in (model, processor):
            part.save_pretrained(tmp_path / "judge")
        train_backbones.write_parts(str(tmp_path / "judge"), tmp_path / "parts")
        folders = [str(tmp_path / "parts" / name) for name in ("encoder", "language_model")]
        made = AudioJudgeForCausalLM.from_backbones(*folders, **shape, dtype=torch.float32)
        own = AudioJudgeProcessor.from_backbones(*folders, **shape)
        made.model.adapter.load_state_dict(model.model.adapter.state_dict())
        torch.testing.assert_close(made.state_dict(), model.state_dict(), rtol=0, atol=0)
        assert (own.chat_template, own.decision_config) == (processor.chat_template, processor.decision_config)
        assert own.tokenizer.get_vocab() == processor.tokenizer.get_vocab()
