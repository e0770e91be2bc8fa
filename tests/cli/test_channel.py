# ruff: noqa: F811 (fixtures are imported by their names)
"""``--channel``, and what the summary says of warnings and of files that are no sound."""

import csv

import numpy as np
import pytest
import soundfile
from shell import folder, lines, run  # noqa: F401
from tiny import tone

from audio_judge.cli.main import main


def stereo(path, left, right, rate=16_000):
    soundfile.write(path, np.stack([left, right], axis=1), rate)


class TestChannel:
    def test_each_gives_a_row_per_channel(self, run, folder):
        stereo("call.wav", tone(1, 300, 16_000), tone(1, 900, 16_000))
        soundfile.write("mono.wav", tone(1, 300, 16_000), 16_000)
        code, out, _ = run("score", "call.wav", "mono.wav", "gone.wav", "--channel", "each", "--rubric", "mos")
        rows = lines(out)
        assert code == 1
        assert [(row["path"], row["heard_channel"]) for row in rows] == [
            ("call.wav", 1),
            ("call.wav", 2),
            ("mono.wav", 1),
            ("gone.wav", 1),
        ]
        assert rows[0]["scores"] == rows[2]["scores"]
        assert rows[0]["scores"] != rows[1]["scores"]

    def test_resume_knows_them_apart(self, run, folder):
        stereo("call.wav", tone(1, 300, 16_000), tone(1, 900, 16_000))
        command = ("score", "call.wav", "--channel", "each", "--rubric", "mos", "--output", "x.csv")
        run(*command)
        whole = (folder / "x.csv").read_text()
        (folder / "x.csv").write_text("".join(whole.splitlines(keepends=True)[:2]))
        run(*command, "--resume")
        assert (folder / "x.csv").read_text() == whole
        assert [row["heard_channel"] for row in csv.DictReader((folder / "x.csv").open())] == ["1", "2"]

    def test_row_of_a_list_names_one(self, run, folder):
        stereo("call.wav", tone(1, 300, 16_000), tone(1, 900, 16_000))
        (folder / "list.csv").write_text("path,heard_channel\ncall.wav,right\n")
        (named,) = lines(run("score", "list.csv", "--rubric", "mos")[1])
        (asked,) = lines(run("score", "call.wav", "--channel", "2", "--rubric", "mos")[1])
        assert named["scores"] == asked["scores"]

    def test_one_that_is_not_there_is_an_error_row(self, run):
        code, out, _ = run("score", "clips/0.wav", "--channel", "3")
        assert code == 1
        assert "channel 3 of 1 channel;" in lines(out)[0]["error"]

    def test_other_words_are_refused(self, run):
        with pytest.raises(SystemExit):
            run("score", "clips/0.wav", "--channel", "centre")

    def test_measured_too(self, folder, capsys):
        stereo("call.wav", tone(1, 300, 16_000), 0 * tone(1, 300, 16_000))
        for channel in ("left", "right"):
            assert main(["analyze", "call.wav", "--output", "-", "--channel", channel]) == 0
        assert [row["peak_dbfs"] is None for row in lines(capsys.readouterr().out)] == [False, True]


class TestSummary:
    def test_warnings_are_counted(self, run, folder):
        stereo("antiphase.wav", tone(1, 300, 16_000), -tone(1, 300, 16_000))
        _, out, err = run("score", "antiphase.wav", "clips/0.wav")
        warned, fine = lines(out)
        assert "dB quieter than channel" in warned["warnings"][0]
        assert "warnings" not in fine
        assert "2 clips scored, 1 with warnings (their rows say which), 0 errors" in err

    def test_a_table_has_them_below_the_clip(self, run, folder):
        stereo("antiphase.wav", tone(1, 300, 16_000), -tone(1, 300, 16_000))
        _, clip, *warnings, fine = (
            run("score", "antiphase.wav", "clips/0.wav", "--table")[1].split("\n\n")[0].splitlines()
        )
        assert (clip.split()[0], fine.split()[0]) == ("antiphase.wav", "clips/0.wav")
        assert any("dB quieter than channel" in text for text in warnings)
        assert all(text.startswith("  warning: ") for text in warnings)

    def test_skipped_files_are_named(self, run, folder):
        (folder / "clips/notes.txt").touch()
        assert "notes.txt" in run("score", "clips")[2]
