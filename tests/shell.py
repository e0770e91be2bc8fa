"""The command line in the tests: three clips in a folder, and a tiny judge that is loaded once."""

import csv
import io
import json
import sys

import pytest
import soundfile
from tiny import tone

from audio_judge.cli.main import main
from audio_judge.judge.judge import AudioJudge


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Three good clips in an own folder; where the commands run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clips").mkdir()
    for index in range(3):
        soundfile.write(tmp_path / f"clips/{index}.wav", tone(0.5, 300 + 200 * index, 16_000), 16_000)
    return tmp_path


@pytest.fixture
def run(judge_folder, loaded, capsys, monkeypatch):
    """`run("score", …)`: exit code, stdout and stderr of a command with the tiny judge, which is loaded only once."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    monkeypatch.setattr(AudioJudge, "from_pretrained", lambda *_, **__: loaded)
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    def call(command, *arguments):
        code = main([command, *arguments, "--judge", str(judge_folder), "--device", "cpu"])
        output = capsys.readouterr()
        return code, output.out, output.err

    yield call
    logging.set_verbosity(before)


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def shell(capsys):
    """Exit code, stdout and stderr of a command."""

    def call(*words):
        code = main([str(word) for word in words])
        output = capsys.readouterr()
        return code, output.out, output.err

    return call


def table(path):
    return list(csv.DictReader(path.open(newline="")))
