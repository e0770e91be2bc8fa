# ruff: noqa: F811 (fixtures are imported by their names)
import csv
import io
import json
import os
import struct
import sys

import numpy as np
import pytest
import soundfile
from pages import quick_plots  # noqa: F401
from shell import folder, lines, run  # noqa: F401
from tiny import tone

from audio_judge.cli.main import main
from audio_judge.cli.score_table import ScoreTable
from audio_judge.judge.judge import AudioJudge
from audio_judge.judge.reader import Reader
from audio_judge.rubrics.rubric import RUBRICS, get_rubric
from audio_judge.version import __version__


def write_silence(path, seconds, rate=4000):
    """A wav file of 8-bit silence, which takes no room on the disk: all but its header is a hole."""
    size = seconds * rate
    chunks = (b"fmt ", 16, 1, 1, rate, rate, 1, 8, b"data", size)
    path.write_bytes(struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVE", *chunks))
    os.truncate(path, 44 + size)


def interrupt_after(monkeypatch, count):
    """Ctrl-C after so many judgements."""
    original = AudioJudge.iter_scores

    def stopping(self, *arguments, **options):
        for index, judgement in enumerate(original(self, *arguments, **options)):
            if index == count:
                raise KeyboardInterrupt
            yield judgement

    monkeypatch.setattr(AudioJudge, "iter_scores", stopping)


class TestScore:
    def test_row_has_everything(self, run, judge_folder, loaded):
        code, out, err = run("score", "clips/0.wav")
        (row,) = lines(out)
        expected = loaded.score("clips/0.wav")
        assert code == 0
        assert row["path"] == "clips/0.wav"
        assert row["scores"] == {name: round(expected[name].value, 4) for name in RUBRICS}
        assert row["std"]["mos"] == round(expected["mos"].std, 4)
        assert row["level"]["mos"] == expected["mos"].level
        assert sum(row["shares"]["noisiness"].values()) == pytest.approx(1, abs=1e-3)
        assert (row["seconds"], row["model"], row["revision"]) == (0.5, str(judge_folder), loaded.revision)
        assert (row["task"], row["rubrics"], row["scale"]) == ("score", list(RUBRICS), "1-5")
        assert "error" not in row
        assert "1 clip scored, 0 errors" in err

    def test_long_clip_has_a_timeline(self, run):
        soundfile.write("long.wav", tone(13, 300, 16_000), 16_000)
        (row,) = lines(run("score", "long.wav", "--rubric", "mos")[1])
        assert [(window["start"], window["end"]) for window in row["timeline"]] == [(0.0, 10.0), (10.0, 13.0)]
        assert list(row["timeline"][0]["scores"]) == ["mos"]

    def test_several_rubrics_on_another_scale(self, run, loaded):
        out = run("score", "clips/0.wav", "--rubric", "loudness", "--rubric", "mos", "--scale", "0-100")[1]
        (row,) = lines(out)
        assert list(row["scores"]) == row["rubrics"] == ["loudness", "mos"]
        assert row["scale"] == "0-100"
        assert row["scores"]["mos"] == pytest.approx((loaded.score("clips/0.wav")["mos"].value - 1) * 25, abs=1e-3)

    def test_reference_is_heard(self, run):
        alone = lines(run("score", "clips/0.wav")[1])[0]
        beside, unlike = (lines(run("score", "clips/0.wav", "--reference", f"clips/{n}.wav")[1])[0] for n in (0, 2))
        assert (beside["reference"], unlike["reference"]) == ("clips/0.wav", "clips/2.wav")
        assert beside["scores"]["mos"] == pytest.approx(4.8)
        assert unlike["scores"]["mos"] == alone["scores"]["mos"]
        assert "does not sound like the clip" in unlike["warnings"][0]

    def test_stdin(self, run, monkeypatch):
        monkeypatch.setattr(sys, "stdin", io.StringIO('clips/1.wav\n{"path": "clips/0.wav", "id": 7}\n'))
        code, out, _ = run("score", "-")
        assert (code, [row["path"] for row in lines(out)], lines(out)[1]["id"]) == (
            0,
            ["clips/1.wav", "clips/0.wav"],
            7,
        )

    def test_limit(self, run):
        assert [row["path"] for row in lines(run("score", "clips", "--limit", "2")[1])] == [
            "clips/0.wav",
            "clips/1.wav",
        ]

    def test_explain_adds_reasons(self, run, monkeypatch):
        original = AudioJudge.explain
        monkeypatch.setattr(AudioJudge, "explain", lambda *a, **o: original(*a, **o, max_new_tokens=4))
        code, out, _ = run("score", "clips/0.wav", "missing.wav", "--explain", "--rubric", "mos")
        good, bad = lines(out)
        assert code == 1
        assert isinstance(good["reasons"], str)
        assert list(good["scores"]) == ["mos"]
        assert "missing.wav" in bad["error"]

    def test_table_is_aligned_and_explained(self, run):
        code, out, _ = run("score", "clips", "missing.wav", "--table")
        head, *rows = out.splitlines()
        assert code == 1
        assert head.split() == ["clip", "seconds", *RUBRICS, "in", "words"]
        ends = [head.index(name) + len(name) for name in RUBRICS]
        assert all(row[end - 3] == "." for row in rows[:3] for end in ends)
        assert rows[3].startswith("missing.wav  error: missing.wav: no such file")
        assert "5 is best on every rubric" in out

    def test_table_names_the_good_end_where_it_is_the_low_one(self):
        table = ScoreTable([], [get_rubric("mos"), get_rubric("reverberation")])
        assert table.legend().endswith("best are:\nmos 5 = excellent, reverberation 1 = dry.")


class TestBadFiles:
    @pytest.fixture
    def bad_files(self, folder):
        sound = tone(1.0, 300, 16_000)
        (folder / "empty.wav").touch()
        (folder / "text.wav").write_text("this is no sound")
        soundfile.write("whole.wav", sound, 16_000)
        (folder / "cut.wav").write_bytes((folder / "whole.wav").read_bytes()[:9000])
        soundfile.write("nan.wav", np.where(np.arange(16_000) == 99, np.nan, sound), 16_000, subtype="FLOAT")
        soundfile.write("short.wav", sound[:160], 16_000)
        write_silence(folder / "hours.wav", 3 * 3600)
        (folder / "rows.jsonl").write_text('{"path": "clips/0.wav", "start_time": 9}\n{"id": 3}\n')
        return ["missing.wav", "empty.wav", "text.wav", "cut.wav", "nan.wav", "short.wav", "hours.wav", "rows.jsonl"]

    def test_each_is_an_error_row_in_its_place(self, run, bad_files):
        code, out, err = run("score", "clips/0.wav", *bad_files, "clips/1.wav", "--batch-size", "4")
        first, *bad, last = lines(out)
        reasons = [
            "missing.wav: no such file",
            "empty.wav: empty file",
            "text.wav: cannot be opened",
            "cut.wav: truncated",
            "nan.wav: sample 99 is nan",
            "short.wav: 0.01 s; at least 0.1 s needed",
            "hours.wav: 3.00 h; at most 2 h",
            "clips/0.wav: start_time=9",
            "rows.jsonl:2: no path",
        ]
        assert code == 1
        assert [row["error"][: len(reason)] for row, reason in zip(bad, reasons, strict=True)] == reasons
        assert "scores" in first
        assert "scores" in last
        assert all({"model", "revision", "rubrics"} <= set(row) for row in bad)
        assert "2 clips scored, 9 errors:\n" in err
        assert "Traceback" not in err

    def test_limit_of_hours_can_be_moved(self, run, folder):
        write_silence(folder / "minute.wav", 60)
        assert "at most 0.01 h" in lines(run("score", "minute.wav", "--max-hours", "0.01")[1])[0]["error"]

    def test_only_some_errors_are_listed(self, run):
        assert "… and 2 more" in run("score", *(f"{index}.wav" for index in range(12)))[2]


class TestOutputs:
    def test_jsonl_keeps_the_row(self, run, folder):
        row = {"path": "clips/0.wav", "system": {"id": 3}, "note": "grün", "model": "tts-2"}
        (folder / "rows.jsonl").write_text(json.dumps(row))
        assert run("score", "rows.jsonl", "--output", "new/scores.jsonl")[:2] == (0, "")
        text = (folder / "new/scores.jsonl").read_text(encoding="utf-8")
        (written,) = lines(text)
        assert {key: written[key] for key in ("path", "system", "note")} == {
            k: v for k, v in row.items() if k != "model"
        }
        assert written["input_model"] == "tts-2"
        assert "grün" in text

    def test_csv_keeps_the_columns(self, run, folder):
        (folder / "rows.csv").write_text('wav_path,mos,text\nclips/0.wav,4.5,"a,\nb"\nmissing.wav,1,\n')
        assert run("score", "rows.csv", "--output", "scores.csv", "--rubric", "mos")[0] == 1
        good, bad = csv.DictReader((folder / "scores.csv").open(newline=""))
        assert list(good) == [
            *("wav_path", "input_mos", "text", "mos", "mos_std", "mos_level", "seconds", "heard_seconds", "warnings"),
            *("task", "model", "revision", "rubrics", "scale", "audio_judge", "error"),
        ]
        assert (good["wav_path"], good["input_mos"], good["text"]) == ("clips/0.wav", "4.5", "a,\nb")
        assert (good["error"], bad["mos"]) == ("", "")
        assert 1 <= float(good["mos"]) <= 5
        assert "missing.wav: no such file" in bad["error"]

    def test_csv_and_jsonl_say_the_same(self, run, folder):
        run("score", "clips", "--output", "scores.csv")
        run("score", "clips", "--output", "scores.jsonl")
        table = list(csv.DictReader((folder / "scores.csv").open(newline="")))
        rows = lines((folder / "scores.jsonl").read_text())
        for cells, row in zip(table, rows, strict=True):
            assert cells["path"] == row["path"]
            assert {name: float(cells[name]) for name in RUBRICS} == row["scores"]
            assert cells["loudness_level"] == row["level"]["loudness"]

    def test_output_can_be_judged_again(self, run, folder):
        run("score", "clips", "--output", "scores.jsonl")
        (row, *_) = lines(run("score", "scores.jsonl")[1])
        assert row["input_scores"] == row["scores"]

    def test_file_name_that_is_no_text(self, run, folder):
        name = b"clips/\xe9.wav".decode("utf-8", "surrogateescape")
        (folder / "clips/0.wav").rename(folder / name)
        for output in ("scores.jsonl", "scores.csv"):
            assert run("score", "clips", "--output", output)[0] == 0
            assert "3 clips scored" in run("score", "clips", "--output", output, "--resume")[2]
            assert len((folder / output).read_text(encoding="utf-8").splitlines()) == 3 + (output == "scores.csv")
        assert lines((folder / "scores.jsonl").read_text(encoding="utf-8"))[-1]["path"] == name


class TestResume:
    def test_goes_on_after_a_kill(self, run, folder, monkeypatch):
        arguments = ["score", "clips/0.wav", "missing.wav", "clips/1.wav", "clips/2.wav", "clips/0.wav", "--output"]
        run(*arguments, "whole.jsonl")
        with monkeypatch.context() as patch:
            interrupt_after(patch, 2)
            code, _, err = run(*arguments, "part.jsonl", "--batch-size", "1")
        part = folder / "part.jsonl"
        assert code == 130
        assert "part.jsonl has what was judged so far: the same command with --resume goes on" in err
        assert "Traceback" not in err
        rows = part.read_bytes()
        assert rows.count(b"\n") == 2
        part.write_bytes(rows + b'{"path": "clips/1')
        asked = []
        original = Reader.windows
        monkeypatch.setattr(Reader, "windows", lambda self, r, **o: asked.append(r.clip) or original(self, r, **o))
        code, _, err = run(*arguments, "part.jsonl", "--resume")
        assert code == 1  # of the file that is missing
        assert asked == ["clips/1.wav", "clips/2.wav", "clips/0.wav"]  # the last one is named twice, found once
        assert part.read_text() == (folder / "whole.jsonl").read_text()
        assert "4 clips scored, 1 error" in err

    def test_other_part_of_the_same_clip_is_judged(self, run, folder):
        (folder / "rows.csv").write_text("path,start_time\nclips/0.wav,0.2\n")
        run("score", "rows.csv", "--output", "scores.csv")
        (folder / "rows.csv").write_text("path,start_time\nclips/0.wav,0.20\nclips/0.wav,0.3\n")
        run("score", "rows.csv", "--output", "scores.csv", "--resume")
        rows = csv.DictReader((folder / "scores.csv").open(newline=""))
        assert [row["start_time"] for row in rows] == ["0.2", "0.3"]

    @pytest.mark.parametrize("suffix", ["jsonl", "csv"])
    @pytest.mark.parametrize("other", [["--rubric", "mos"], ["--scale", "0-100"], ["--explain"]])
    def test_other_settings_are_refused(self, run, folder, suffix, other):
        run("score", "clips/0.wav", "--output", f"scores.{suffix}")
        before = (folder / f"scores.{suffix}").read_bytes()
        code, _, err = run("score", "clips", "--output", f"scores.{suffix}", "--resume", *other)
        assert code == 2
        assert "was made with" in err
        assert (folder / f"scores.{suffix}").read_bytes() == before

    @pytest.mark.parametrize("suffix", ["jsonl", "csv"])
    def test_rows_that_call_the_listener_a_profile_are_gone_on_with(self, run, folder, suffix):
        name, options = folder / f"scores.{suffix}", ("--rubric", "mos", "--output", f"scores.{suffix}")
        run("score", "clips", "--listener", "elderly", *options)
        whole = name.read_text()
        run("score", "clips/0.wav", "clips/1.wav", "--listener", "elderly", *options, "--overwrite")
        earlier = name.read_text().replace("listener", "profile")
        name.write_text(earlier)
        assert run("score", "clips", "--listener", "sound engineer", *options, "--resume")[0] == 2
        assert run("score", "clips", *options, "--resume")[0] == 2
        assert run("score", "clips", "--listener", "elderly", *options, "--resume")[0] == 0
        assert name.read_text() == earlier + whole.splitlines(keepends=True)[-1]
        assert main(["report", f"scores.{suffix}"]) == 0

    def test_rows_of_before_with_an_own_column_called_listener_are_gone_on_with(self, run, folder):
        rows = [{"path": f"clips/{index}.wav", "listener": "anna"} for index in range(2)]
        (folder / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        words = ("rows.jsonl", "--rubric", "mos", "--output", "scores.jsonl")
        run("score", *words)
        first, second = (folder / "scores.jsonl").read_text().splitlines(keepends=True)
        earlier = first.replace("input_listener", "listener")
        (folder / "scores.jsonl").write_text(earlier)
        assert run("score", *words, "--resume")[0] == 0
        assert (folder / "scores.jsonl").read_text() == earlier + second

    def test_other_judge_is_refused(self, run, folder):
        run("score", "clips/0.wav", "--output", "scores.jsonl")
        row = lines((folder / "scores.jsonl").read_text())[0] | {"revision": "abc"}
        (folder / "scores.jsonl").write_text(json.dumps(row) + "\n")
        code, _, err = run("score", "clips", "--output", "scores.jsonl", "--resume")
        assert (code, "was made with revision 'abc', not 'sha256:" in err) == (2, True)

    def test_other_version_of_the_package_is_refused(self, run, folder):
        run("score", "clips/0.wav", "--output", "scores.jsonl")
        (row,) = lines((folder / "scores.jsonl").read_text())
        assert row["audio_judge"] == __version__
        (folder / "scores.jsonl").write_text(json.dumps(row | {"audio_judge": "0.0.1"}) + "\n")
        code, _, err = run("score", "clips", "--output", "scores.jsonl", "--resume")
        assert (code, "was made with audio_judge '0.0.1', not" in err) == (2, True)
        del row["audio_judge"]  # of before it was noted
        (folder / "scores.jsonl").write_text(json.dumps(row) + "\n")
        assert run("score", "clips", "--output", "scores.jsonl", "--resume")[0] == 0

    def test_foreign_file_is_left_alone(self, run, folder):
        (folder / "mine.jsonl").write_text('{"mine": 1}\nhalf a line')
        code, _, err = run("score", "clips", "--output", "mine.jsonl", "--resume")
        assert (code, "mine.jsonl:1: not written by" in err) == (2, True)
        assert (folder / "mine.jsonl").read_text() == '{"mine": 1}\nhalf a line'

    @pytest.mark.usefixtures("quick_plots")
    @pytest.mark.parametrize("name", ["scores.jsonl", "scores.csv", "scores.html"])
    def test_finished_rows_go_only_if_that_is_wanted(self, run, folder, name):
        rows = folder / f"{name}{'.jsonl' if name == 'scores.html' else ''}"
        run("score", "clips", "--output", name)
        before = rows.read_bytes()
        code, _, err = run("score", "clips/2.wav", "--output", name)
        assert (code, "--resume goes on with its rows, --overwrite begins anew" in err) == (2, True)
        assert rows.read_bytes() == before
        assert run("score", "clips/2.wav", "--output", name, "--overwrite")[0] == 0
        assert len(rows.read_text().splitlines()) == 1 + (name == "scores.csv")

    @pytest.mark.parametrize(
        ("name", "text"), [("a.jsonl", '{"mine": 1}\n'), ("a.csv", "x,y\n"), ("a.html", "<p>hello")]
    )
    def test_what_others_wrote_is_never_replaced(self, run, folder, name, text):
        (folder / name).write_text(text)
        code, _, err = run("score", "clips", "--output", name, "--overwrite")
        assert (code, "not written by `audio-judge`" in err) == (2, True)
        assert (folder / name).read_text() == text


class TestRowsThatCannotBeJudged:
    ROWS = (
        '{"path": "clips/0.wav", "start_time": 1e999}',
        f'{{"path": "clips/0.wav", "start_time": {"9" * 400}}}',
        '{"path": "clips/0.wav", "start_time": "x"}',
        '{"path": "clips/0.wav", "end_time": []}',
        f'{{"path": "clips/0.wav", "note": {"[" * 900}{"]" * 900}}}',
        f'{{"path": "{"x" * 300}.wav"}}',
        f'{{"path": "{"x/" * 2500}a.wav"}}',
        '{"path": "clips/0.wav"}',
    )

    @pytest.mark.parametrize("name", ["scores.jsonl", "scores.csv", "scores.html"])
    def test_each_is_an_error_row(self, run, folder, name):
        (folder / "rows.jsonl").write_text("\n".join(self.ROWS) + "\n")
        words = ("score", "rows.jsonl", "--rubric", "mos", "--output", name)
        for more in ((), ("--resume",)) if name != "scores.html" else ((),):
            code, _, err = run(*words, *more)
            assert (code, "1 clip scored, 7 errors" in err) == (1, True)

    def test_long_cell_is_gone_on_with(self, run, folder):
        (folder / "rows.csv").write_text(f"path,note\nclips/0.wav,{'x' * 200_000}\nclips/1.wav,y\n")
        words = ("score", "rows.csv", "--rubric", "mos", "--output", "scores.csv")
        run(*words, "--limit", "1")
        assert "2 clips scored, 0 errors" in run(*words, "--resume")[2]
