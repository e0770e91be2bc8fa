# ruff: noqa: F811 (fixtures are imported by their names)
"""Every command that takes clips takes the rows of a data set, saved here as the Hub has them."""

import pytest
from datasets import Audio, Dataset, DatasetDict
from shell import folder, lines, run  # noqa: F401

SHORT = ("--max-new-tokens", "4")
COMMANDS = {
    "score": (),
    "profile": (),
    "explain": SHORT,
    "assess": SHORT,
    "suggest": SHORT,
    "describe": SHORT,
    "detect": (),
    "decide": ("--ask", "Is there hum?"),
    "timeline": (),
}


@pytest.fixture
def saved(folder):
    """A data set of two splits, whose rows hold two sounds and what is known about them."""
    sounds = [{"bytes": (folder / f"clips/{index}.wav").read_bytes(), "path": None} for index in range(3)]
    rows = {"clip": sounds[:2], "other": [sounds[2], {"bytes": b"no sound", "path": None}], "system": ["x", "y"]}
    one = Dataset.from_dict(rows).cast_column("clip", Audio()).cast_column("other", Audio())
    DatasetDict({"train": one, "test": one}).save_to_disk(folder / "saved")
    return "saved:test"


class TestClips:
    @pytest.mark.parametrize("command", COMMANDS)
    def test_rows_are_judged_like_files(self, run, saved, command):
        code, out, _ = run(command, saved, *COMMANDS[command], "--path-column", "clip", "--output", "-")
        files = run(command, "clips/0.wav", "clips/1.wav", *COMMANDS[command], "--output", "-")[1]
        assert code == 0
        assert [row["path"] for row in lines(out)] == ["saved:test#0", "saved:test#1"]
        expected = [{"system": system} | row for system, row in zip("xy", without_path(files), strict=True)]
        assert without_path(out) == expected

    def test_are_measured_and_what_is_no_sound_is_said(self, capsys, saved):
        from audio_judge.cli.main import main

        assert main(["analyze", saved, "--path-column", "other", "--output", "-"]) == 1
        good, bad = lines(capsys.readouterr().out)
        assert (good["seconds"], good["path"], good["system"]) == (0.5, "saved:test#0", "x")
        assert bad["error"].startswith("saved:test#1: ")

    @pytest.mark.parametrize(("column", "is_top"), [("clip", True), ("other", False)])
    def test_original_is_heard(self, run, saved, column, is_top):
        words = ("score", saved, "--path-column", "clip", "--limit", "1", "--reference-column", column)
        (row,) = lines(run(*words)[1])
        assert (row["scores"]["mos"] == pytest.approx(4.8)) == is_top
        assert any("does not sound like the clip" in one for one in row.get("warnings", ())) != is_top


class TestPairs:
    def test_two_columns_of_sounds_are_compared(self, run, saved, loaded):
        words = ("compare", saved, "--first-column", "clip", "--second-column", "other", "--no-reasons")
        code = run(*words, "--output", "compared.jsonl")[0]
        assert code == 1
        with open("compared.jsonl") as file:
            good, bad = lines(file.read())
        assert (good["clip"], good["other"], good["system"]) == ("saved:test#0 (clip)", "saved:test#0 (other)", "x")
        expected = loaded.compare("clips/0.wav", "clips/2.wav", rubric="mos", explain=False)
        assert good["probabilities"] == expected.to_dict()["probabilities"]
        assert "saved:test#1" in bad["error"]
        assert run(*words, "--output", "compared.jsonl", "--resume")[0] == 1
        with open("compared.jsonl") as file:
            assert lines(file.read()) == [good, bad]

    def test_column_that_is_none_is_named(self, run, saved):
        code, _, err = run("compare", saved, "--first-column", "clip", "--second-column", "b")
        assert (code, "no column of sounds 'b'; it has clip, other" in err) == (2, True)


def without_path(text):
    return [{name: value for name, value in row.items() if name != "path"} for row in lines(text)]
