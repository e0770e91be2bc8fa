# ruff: noqa: F401, F811 (fixtures are imported by their names)
"""Several processes at the shell; what they do to files is tested in tests/batch/test_shards.py."""

import os
import socket
import subprocess
import sys

import pytest
from shell import folder, judge_folder, loaded, run

CLIPS = ["clips", "missing.wav", "clips/1.wav"]  # one of them twice, one of them bad


def test_torchrun_goes_on_with_what_killed_processes_left(run, folder, judge_folder):
    options = ["--rubric", "mos", "--batch-size", "1", "--output"]
    run("score", *CLIPS, *options, "alone.html")
    whole = (folder / "alone.html.jsonl").read_text()
    rows = whole.splitlines(keepends=True)
    (folder / "both.html.part-1-of-3.jsonl").write_text(rows[0] + rows[2][:30])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    words = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", port]
    words += ["-m", "audio_judge", "score", *CLIPS, *options, "both.html", "--resume", "--judge", str(judge_folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, done.stderr  # of the file that is missing
    assert done.stdout == ""
    assert "4 clips scored, 1 error" in done.stderr
    assert (folder / "both.html.jsonl").read_text() == whole
    # The page is made by the process that merged
    assert sorted(path.name for path in folder.glob("*both*")) == ["both.html", "both.html.jsonl"]


class TestUsage:
    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            (["clips"], "need an --output file"),
            (["-", "--output", "s.jsonl"], "cannot share standard input"),
        ],
    )
    def test_what_cannot_be_shared(self, run, monkeypatch, arguments, reason):
        for name, value in {"RANK": "0", "WORLD_SIZE": "2"}.items():
            monkeypatch.setenv(name, value)
        code, _, err = run("score", *arguments)
        assert (code, reason in err) == (2, True)
