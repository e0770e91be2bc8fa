# ruff: noqa: F811 (fixtures are imported by their names)
"""Several processes at the shell; what they do to files is tested in tests/batch/test_shards.py."""

import pytest
from forked import Forked
from shell import folder, run  # noqa: F401


def test_two_go_on_with_what_three_have_left(run, folder, monkeypatch):
    words = ["score", "clips", "missing.wav", "clips/1.wav", "--rubric", "mos", "--batch-size", "1", "--output"]
    run(*words, "alone.jsonl")
    rows = (folder / "alone.jsonl").read_text().splitlines(keepends=True)
    (folder / "both.html.part-1-of-3.jsonl").write_text(rows[0] + rows[2][:30])
    words += ["both.html", "--resume"]
    other = Forked(lambda: run(*words)[0], folder / "log.txt", {"RANK": 1, "WORLD_SIZE": 2})
    monkeypatch.setenv("WORLD_SIZE", "2")
    code, out, _ = run(*words)
    # The one that merges answers for the file that is missing, and makes the page
    assert sorted([code, other.wait()]) == [0, 1]
    assert out == ""
    assert (folder / "both.html.jsonl").read_text() == "".join(rows)
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
