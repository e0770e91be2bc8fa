import sys
from pathlib import Path

import pytest

import train_backbones
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
