# ruff: noqa: F811 (fixtures are imported by their names)

import subprocess
import sys

import pytest
from shell import folder, lines, table  # noqa: F401

from audio_judge.judge.judge import AudioJudge
from audio_judge.version import __version__


class TestAnalyze:
    @pytest.fixture
    def measure(self, capsys):
        from audio_judge.cli.main import main

        def call(*arguments):
            code = main(["analyze", *arguments])
            output = capsys.readouterr()
            return code, output.out, output.err

        return call

    def test_needs_no_judge(self, measure, folder, monkeypatch):
        monkeypatch.setattr(AudioJudge, "from_pretrained", None)
        code, _, err = measure("clips/0.wav", "missing.wav", "--output", "facts.csv")
        good, bad = table(folder / "facts.csv")
        assert code == 1
        assert (good["sampling_rate"], good["dropouts"], good["task"]) == ("16000", "0", "analyze")
        assert bad["error"].startswith("missing.wav: no such file")
        assert "1 clip measured, 1 error" in err

    def test_imports_nothing_that_a_judge_is_made_of(self, folder):
        code = """
import sys
from audio_judge.cli.main import main
main(["analyze", "clips/0.wav", "--output", "facts.csv"])
print(sorted({"torch", "transformers", "pandas", "datasets"} & set(sys.modules)))
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder)
        assert done.stdout == "[]\n", done.stderr

    def test_row_and_text(self, measure):
        (row,) = lines(measure("clips/0.wav", "--output", "-")[1])
        assert (row["seconds"], row["channels"], row["dropouts"]) == (0.5, 1, [])
        assert row["audio_judge"] == __version__
        assert "16000 Hz" in measure("clips/0.wav")[1]

    def test_goes_on(self, measure, folder):
        measure("clips/0.wav", "--output", "facts.jsonl")
        assert measure("clips", "--output", "facts.jsonl", "--resume")[0] == 0
        assert [row["path"] for row in lines((folder / "facts.jsonl").read_text())] == [
            f"clips/{k}.wav" for k in range(3)
        ]
