import json
import sys
from pathlib import Path

import pytest

from audio_judge.corpora.simulated import read_simulated
from audio_judge.training.example import command_line, example_arguments, logged_validation, what_next

ROOT = Path(__file__).parents[2]
SCRIPTS = ("train_sft", "train_grpo")


@pytest.mark.parametrize("script", SCRIPTS)
class TestCommandLine:
    def test_nothing_is_the_example(self, script, monkeypatch):
        monkeypatch.setattr(sys, "argv", [f"{script}.py"])
        monkeypatch.chdir(ROOT)
        given = command_line(ROOT / f"{script}.py")
        kind = script.removeprefix("train_")
        expected = [
            "--config",
            f"recipes/{kind}/example.yaml",
            "--model",
            "checkpoints/mini",
            "--data",
            "examples/rated",
        ]
        assert given == expected
        assert all(Path(place).exists() for place in given[1::2])

    def test_it_works_from_elsewhere(self, script, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        assert all(Path(place).exists() for place in example_arguments(ROOT / f"{script}.py")[1::2])

    def test_what_is_given_counts(self, script, monkeypatch):
        monkeypatch.setattr(sys, "argv", [f"{script}.py", "--config", "own.yaml"])
        assert command_line(f"{script}.py") == ["--config", "own.yaml"]
        assert what_next(f"{script}.py", "runs") == ""

    def test_the_example_ends_with_what_to_pass(self, script, monkeypatch):
        monkeypatch.setattr(sys, "argv", [f"{script}.py"])
        said = what_next(f"{script}.py", "runs/example")
        kind = script.removeprefix("train_")
        assert (
            f"accelerate launch {script}.py --config recipes/{kind}/example.yaml --corpus READER --data FOLDER" in said
        )

    def test_the_readme_has_the_line(self, script):
        assert f"\naccelerate launch {script}.py\n" in (ROOT / "README.md").read_text()


def test_validation_is_that_of_the_weights_that_stay():
    rows = [{"step": step, "eval_pcc": value} for step, value in ((0, 0.1), (5, 0.9), (10, 0.8))]
    assert logged_validation(rows, None).split()[-2:] == ["0.10", "0.80"]
    assert logged_validation(rows, 5).split()[-2:] == ["0.10", "0.90"]


def test_without_validation_before_there_is_nothing_to_tell():
    assert logged_validation([{"step": 5, "eval_pcc": 0.9}], None) == ""
    assert logged_validation([], None) == ""


class TestCorpus:
    @pytest.mark.parametrize(("split", "count"), [("train", 72), ("validation", 24)])
    def test_is_read(self, split, count):
        clips = list(read_simulated(ROOT / "examples" / "rated", split))
        assert len(clips) == count
        assert all(Path(clip.path).is_file() for clip in clips)
        assert {"mos", "noisiness", "discontinuity", "coloration", "loudness"} == set(clips[0].ratings)

    def test_no_voice_is_in_two_splits(self):
        speakers = [
            {clip.speaker for clip in read_simulated(ROOT / "examples" / "rated", s)} for s in ("train", "validation")
        ]
        assert not speakers[0] & speakers[1]

    def test_is_small(self):
        files = (ROOT / "examples" / "rated").rglob("*")
        assert sum(file.stat().st_size for file in files if file.is_file()) < 3_000_000

    def test_says_where_its_ratings_are_from(self):
        assert json.loads((ROOT / "examples" / "rated" / "targets.json").read_text()) == {"kind": "known"}
