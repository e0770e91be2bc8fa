"""A table of ten rated clips in a folder of its own, and `audio-judge data` over it."""

import csv

import pytest

from audio_judge.cli.main import main

OPTION = 'columns={"path": "path", "ratings": {"mos": "mos", "noisiness": "noi"}}'


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open("clips.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "mos", "noi"])
        writer.writerows([f"c{k}.wav", 1 + k % 5, 3] for k in range(10))
    return tmp_path


def run(capsys, *arguments):
    code = main(arguments)
    output = capsys.readouterr()
    return code, output.out, output.err


def data(capsys, *arguments):
    return run(capsys, "data", "table", "clips.csv", "--option", OPTION, *arguments)
