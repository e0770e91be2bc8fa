# ruff: noqa: F401, F811 (fixtures are imported by their names)
import csv
import io
import json
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from shell import folder, judge_folder, lines, loaded, run
from tiny import make_judge, tone

from audio_judge import __version__
from audio_judge.batch.write import JSON_KEYS, keep
from audio_judge.cli.main import COMMANDS, main
from audio_judge.cli.score_table import Table
from audio_judge.corpora import CORPORA
from audio_judge.judge.judge import AudioJudge
from audio_judge.judge.reader import Reader
from audio_judge.rubrics.rubric import ALL_RUBRICS, RUBRICS, get_rubric


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
        assert (row["seconds"], row["model"], row["revision"]) == (0.5, str(judge_folder), "local")
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
        beside = lines(run("score", "clips/0.wav", "--reference", "clips/2.wav")[1])[0]
        assert beside["reference"] == "clips/2.wav"
        assert beside["scores"]["mos"] != alone["scores"]["mos"]

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
        table = Table([], [get_rubric("mos"), get_rubric("reverberation")])
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
            *("wav_path", "input_mos", "text", "mos", "mos_std", "mos_level", "seconds"),
            *("task", "model", "revision", "rubrics", "scale", "error"),
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
        monkeypatch.setattr(Reader, "windows", lambda self, r: asked.append(r.clip) or original(self, r))
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
        run("score", "clips/0.wav", "clips/1.wav", "--listener", "elderly", *options)
        earlier = name.read_text().replace("listener", "profile")
        name.write_text(earlier)
        assert run("score", "clips", "--listener", "sound engineer", *options, "--resume")[0] == 2
        assert run("score", "clips", *options, "--resume")[0] == 2
        assert run("score", "clips", "--listener", "elderly", *options, "--resume")[0] == 0
        assert name.read_text() == earlier + whole.splitlines(keepends=True)[-1]
        assert main(["report", f"scores.{suffix}"]) == 0

    def test_other_judge_is_refused(self, run, folder):
        run("score", "clips/0.wav", "--output", "scores.jsonl")
        row = lines((folder / "scores.jsonl").read_text())[0] | {"revision": "abc"}
        (folder / "scores.jsonl").write_text(json.dumps(row) + "\n")
        code, _, err = run("score", "clips", "--output", "scores.jsonl", "--resume")
        assert (code, "was made with revision 'abc', not 'local'" in err) == (2, True)

    def test_foreign_file_is_left_alone(self, run, folder):
        (folder / "mine.jsonl").write_text('{"mine": 1}\nhalf a line')
        code, _, err = run("score", "clips", "--output", "mine.jsonl", "--resume")
        assert (code, "mine.jsonl:1: not written by" in err) == (2, True)
        assert (folder / "mine.jsonl").read_text() == '{"mine": 1}\nhalf a line'

    def test_without_it_the_file_is_written_anew(self, run, folder):
        run("score", "clips", "--output", "scores.jsonl")
        run("score", "clips/2.wav", "--output", "scores.jsonl")
        assert len(lines((folder / "scores.jsonl").read_text())) == 1


class TestKeep:
    def test_renamed_keys_do_not_collide(self):
        row = {"model": 1, "input_model": 2, "path": 3}
        assert keep(row, JSON_KEYS) == {"input_input_model": 1, "input_model": 2, "path": 3}


class TestJudgeOption:
    def test_folder_is_loaded(self, judge_folder, capsys, loaded):
        assert main(["score", "clips/0.wav", "--judge", str(judge_folder), "--device", "cpu"]) == 0
        (row,) = lines(capsys.readouterr().out)
        assert row["scores"]["mos"] == round(loaded.score("clips/0.wav")["mos"].value, 4)


class TestUsageErrors:
    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            (["clips", "--rubric", "noisness"], "did you mean 'noisiness'"),
            (["clips", "--output", "scores.txt"], "must end in .jsonl or .csv or .html"),
            (["clips", "--scale", "five"], "'five' is no scale"),
            (["clips", "--scale", "5-1"], "low must be smaller than high"),
            (["clips", "--resume"], "--resume needs the --output"),
            (["clips", "--table", "--output", "-"], "both write to stdout"),
            (["clips", "--explain", "--scale", "1-10"], "leave out --scale 1-10"),
            (["clips", "--explain", "--rubric", "reverberation"], "leave out --rubric reverberation"),
            (["rows.jsonl"], "rows.jsonl: no such file"),
            (["empty.csv", "--output", "empty.csv"], "is also an input"),
            (["empty.csv"], "nothing to judge: empty.csv has no rows"),
            (["-"], "nothing to judge"),
            (["clips", "--output", "clips/0.wav/scores.csv"], "cannot be written"),
        ],
    )
    def test_exit_code_and_reason(self, run, folder, arguments, reason):
        (folder / "empty.csv").write_text("path,text\n")
        code, out, err = run("score", *arguments)
        assert (code, out) == (2, "")
        assert reason in err
        assert "Traceback" not in err

    @pytest.mark.parametrize(
        ("judge", "device", "reason"),
        [
            ("./nowhere", "cpu", "./nowhere: no such folder"),
            ("./clips", "cpu", "./clips cannot be loaded"),
            (None, "toaster", "cannot be loaded on toaster"),
        ],
    )
    def test_judge_that_cannot_be_loaded(self, judge_folder, capsys, judge, device, reason):
        assert main(["score", "clips", "--judge", judge or str(judge_folder), "--device", device]) == 2
        assert reason in capsys.readouterr().err

    @pytest.mark.parametrize(
        "arguments",
        [["score", "clips", "--colour"], ["score"], ["sing"], [], ["score", "clips", "--batch-size", "0"], ["ls", "x"]],
    )
    def test_unknown_options_and_values(self, arguments, capsys):
        with pytest.raises(SystemExit) as exit_:
            main(arguments)
        assert exit_.value.code == 2
        assert "error: " in capsys.readouterr().err


class TestDecide:
    def test_answers_of_file_and_words(self, run, folder):
        noise = {"type": "score", "instructions": "How noisy?", "criteria": ["very", "somewhat", "not"]}
        (folder / "questions.json").write_text(json.dumps({"noise": noise}))
        code, out, err = run(
            *("decide", "clips/0.wav", "missing.wav", "--questions", "questions.json", "--ask", "Is there hum?")
        )
        good, bad = lines(out)
        assert code == 1
        assert 0 < good["answers"]["Is there hum?"]["noul"] < 1
        assert sum(good["answers"]["noise"]["probabilities"].values()) == pytest.approx(1)
        assert "no such file" in bad["error"]
        assert "1 clip decided, 1 error" in err

    def test_when_something_is_heard(self, run, folder, tmp_path_factory, monkeypatch):
        judge = AudioJudge(*make_judge(tmp_path_factory.mktemp("backbones"), span_size=16))
        monkeypatch.setattr(AudioJudge, "from_pretrained", lambda *_, **__: judge)
        (folder / "questions.json").write_text(json.dumps({"where": {"type": "span", "instructions": "clicks"}}))
        run("decide", "clips/0.wav", "--questions", "questions.json", "--output", "answers.jsonl")
        run("decide", "clips/0.wav", "--questions", "questions.json", "--output", "answers.csv")
        (row,) = lines((folder / "answers.jsonl").read_text())
        (cells,) = csv.DictReader((folder / "answers.csv").open(newline=""))
        assert row["answers"]["where"]["type"] == "span"
        assert json.loads(cells["where"]) == row["answers"]["where"]["spans"]

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("{", "cannot be read as JSON"),
            ("[]", "one object"),
            ('{"hum": {"type": "guess"}}', "'hum'"),
            ('{"where": {"type": "span", "instructions": "clicks"}}', "'where': "),
            (None, "--ask"),
        ],
    )
    def test_unusable_questions(self, run, folder, text, reason):
        (folder / "questions.json").write_text(text or "")
        code, out, err = run("decide", "clips", *([] if text is None else ["--questions", "questions.json"]))
        assert (code, out, reason in err) == (2, "", True)


class TestExplain:
    def test_prints_scores_and_words(self, run, monkeypatch):
        original = AudioJudge.explain
        monkeypatch.setattr(AudioJudge, "explain", lambda *a, **o: original(*a, **o, max_new_tokens=4))
        code, out, err = run("explain", "clips/0.wav", "missing.wav")
        assert code == 1
        assert out.startswith("clips/0.wav (0.5 s)\n  mos ")
        assert "1 clip explained, 1 error:\n  missing.wav: no such file" in err


class TestLs:
    LISTS = (("rubrics", ALL_RUBRICS), ("tasks", ["score", "profile", "explain"]), ("corpora", CORPORA))

    @pytest.mark.parametrize(("what", "names"), LISTS)
    def test_one_line_each(self, capsys, what, names):
        assert main(["ls", what]) == 0
        listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]]
        assert set(names) <= set(listed)

    def test_rubrics_have_their_directions(self, capsys):
        main(["ls", "rubrics"])
        found = {line.split()[0]: line.split()[2] for line in capsys.readouterr().out.splitlines()}
        assert (found["mos"], found["speech_rate"], found["reverberation"]) == ("higher", "middle", "lower")


class TestHelp:
    @pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
    def test_shows_examples(self, capsys, command):
        with pytest.raises(SystemExit) as exit_:
            main([*command, "--help"])
        out = capsys.readouterr().out
        assert exit_.value.code == 0
        assert " ".join(["examples:\n  audio-judge", *command]) in out

    def test_the_options_of_all_commands_need_nothing_heavy(self):
        code = """
import sys
from audio_judge.cli.main import make_parser
make_parser()
print(sorted({"numpy", "torch", "transformers", "scipy", "soundfile"} & set(sys.modules)))
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert (done.stdout, done.stderr) == ("[]\n", "")

    def test_version(self, capsys):
        with pytest.raises(SystemExit):
            main(["--version"])
        assert capsys.readouterr().out == f"audio-judge {__version__}\n"

    def test_runs_as_a_module(self):
        done = subprocess.run([sys.executable, "-m", "audio_judge", "ls", "rubrics"], capture_output=True, text=True)
        assert done.returncode == 0
        assert "noisiness" in done.stdout
