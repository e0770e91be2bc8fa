# ruff: noqa: F811 (fixtures are imported by their names)
import json
import pickle
import shutil

import pytest
from shell import folder, lines, run  # noqa: F401

from audio_judge import Rubric
from audio_judge.cli.main import main


class TestOwnRubrics:
    WARMTH = "warmth:\n  definition: How warm the voice is.\n  low: 1\n  high: 10\n  levels: [cold, cool, warm]\n"

    def test_of_a_file_stand_beside_ours(self, run, folder, loaded):
        (folder / "warmth.yaml").write_text(self.WARMTH)
        (row,) = lines(run("score", "clips/0.wav", "--rubric", "mos", "--rubric", "warmth.yaml")[1])
        own = Rubric("warmth", "How warm the voice is.", 1, 10, levels=("cold", "cool", "warm"))
        assert row["scores"]["warmth"] == round(loaded.score("clips/0.wav", rubric=own)["warmth"].value, 4)
        assert (row["rubrics"], row["scale"]) == (["mos", "warmth"], "own")

    def test_json_and_calibrated_ones_are_read(self, run, folder, loaded):
        clips = [f"clips/{index}.wav" for index in range(3)]
        rated = [(clip, 1 + loaded.score(clip)["mos"].value / 2) for clip in clips]
        fitted = loaded.calibrate("mos", rated)
        (folder / "fitted.json").write_text(json.dumps(fitted.to_dict()))
        (row,) = lines(run("score", "clips/0.wav", "--rubric", "fitted.json")[1])
        assert row["scores"]["mos"] == round(loaded.score("clips/0.wav", rubric=fitted)["mos"].value, 4)

    def test_another_definition_is_not_gone_on_with(self, run, folder):
        (folder / "warmth.yaml").write_text(self.WARMTH)
        arguments = ["score", "clips", "--rubric", "warmth.yaml", "--output", "scores.jsonl"]
        run(*arguments)
        (folder / "warmth.yaml").write_text(self.WARMTH.replace("warm the voice", "soft the voice"))
        code, _, err = run(*arguments, "--resume")
        assert (code, "was made with own_rubrics" in err) == (2, True)

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("warmth: {low: 1}", "no name and definition"),
            ("warmth: {definition: x, colour: red}", "'warmth' has 'colour'; known are name"),
            ("warmth: {definition: x, low: 5, high: 1}", "low must be smaller than high"),
            ("[1", "cannot be read as YAML or JSON"),
            ("", "needs a name and a definition"),
        ],
    )
    def test_unusable_files(self, run, folder, text, reason):
        (folder / "warmth.yaml").write_text(text)
        code, _, err = run("score", "clips", "--rubric", "warmth.yaml")
        assert (code, reason in err) == (2, True)


class TestPages:
    def test_scores_get_the_page_of_the_report(self, run, folder):
        code, _, err = run("score", "clips", "missing.wav", "--output", "scores.html")
        page = (folder / "scores.html").read_text()
        assert code == 1
        assert "Distribution per rubric" in page
        assert "missing.wav" in page
        assert len(lines((folder / "scores.html.jsonl").read_text())) == 4
        assert "scores.html.jsonl" in err

    def test_other_answers_get_a_table(self, run, folder):
        run("detect", "clips", "--output", "detected.html")
        page = (folder / "detected.html").read_text()
        assert page.count("<td>clips/") == 3
        assert "<script" not in page


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
            (["clips", "--judge", ""], "--judge is empty"),
            (["clips", "--reference", ""], "--reference is empty"),
            (["clips", "--scale", ""], "--scale is empty"),
            (["clips", "--output", "scores.txt"], "must end in .jsonl or .csv or .html"),
            (["clips", "--scale", "five"], "'five' is no scale"),
            (["clips", "--scale", "5-1"], "low must be smaller than high"),
            (["clips", "--resume"], "--resume needs the --output"),
            (["clips", "--table", "--output", "-"], "both write to stdout"),
            (["clips", "--explain", "--scale", "1-10"], "leave out --scale 1-10"),
            (["clips", "--explain", "--rubric", "reverberation"], "leave out --rubric reverberation"),
            (["rows.jsonl"], "rows.jsonl: no such file"),
            (["empty.csv", "--output", "empty.csv"], "is also an input"),
            (["*.csv", "--output", "empty.csv", "--resume"], "is also an input"),
            (["clips", "--output", "linked.jsonl"], "is there already, and not written by"),
            (["empty.csv", "--output", "linked.csv"], "is also an input"),
            (["clips", "--reference", "empty.csv", "--output", "linked.csv"], "is also an input"),
            (["clips", "--output", "loop.jsonl"], "cannot be written"),
            (["empty.csv"], "nothing to judge: empty.csv has no rows"),
            (["clips", "--rubric", "x" * 5000 + "/a.yaml"], "name too long"),
            (["-"], "nothing to judge"),
            (["clips", "--output", "clips/0.wav/scores.csv"], "cannot be written"),
        ],
    )
    def test_exit_code_and_reason(self, run, folder, arguments, reason):
        (folder / "empty.csv").write_text("path,text\n")
        (folder / "linked.csv").hardlink_to(folder / "empty.csv")
        (folder / "linked.jsonl").symlink_to(folder / "clips/0.wav")
        (folder / "loop.jsonl").symlink_to(folder / "loop.jsonl")
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

    @pytest.mark.parametrize("name", ["chat_template.jinja", "config.json", "pytorch_model.bin"])
    def test_judge_that_is_spoilt(self, judge_folder, folder, capsys, name):
        spoilt = folder / "spoilt"
        shutil.copytree(judge_folder, spoilt)
        if name == "config.json":
            (spoilt / name).write_text(json.dumps(json.loads((spoilt / name).read_text()) | {"dtype": "float99"}))
        elif name == "pytorch_model.bin":
            (spoilt / "model.safetensors").unlink()
            (spoilt / name).write_bytes(pickle.dumps({"weights": print}, protocol=2))
        else:
            (spoilt / name).write_text("{{ 'a' ")
        assert main(["score", "clips", "--judge", str(spoilt), "--device", "cpu"]) == 2
        err = capsys.readouterr().err
        assert f"{spoilt} cannot be loaded on cpu" in err
        assert "Traceback" not in err

    @pytest.mark.parametrize(
        "arguments",
        [
            ["score", "clips", "--colour"],
            ["score", "clips", "--profile", ""],
            ["score"],
            ["sing"],
            [],
            ["score", "clips", "--batch-size", "0"],
            ["ls", "x"],
        ],
    )
    def test_unknown_options_and_values(self, arguments, capsys):
        with pytest.raises(SystemExit) as exit_:
            main(arguments)
        assert exit_.value.code == 2
        assert "error: " in capsys.readouterr().err
