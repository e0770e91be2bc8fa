# ruff: noqa: F401, F811 (fixtures are imported by their names)
import csv
import json
import subprocess
import sys
import warnings

import pytest
import soundfile
from shell import folder, judge_folder, lines, loaded, run
from tiny import tone

from audio_judge import Rubric
from audio_judge.judge.judge import AudioJudge
from audio_judge.rubrics.rubric import ALL_RUBRICS, RUBRICS, SPEECHEVAL_RUBRICS

SHORT = ("--max-new-tokens", "4")


def table(path):
    return list(csv.DictReader(path.open(newline="")))


class TestWords:
    @pytest.mark.parametrize(
        ("command", "rubrics", "key", "did"),
        [
            ("explain", RUBRICS, "reasons", "explained"),
            ("assess", SPEECHEVAL_RUBRICS, "assessment", "assessed"),
            ("suggest", SPEECHEVAL_RUBRICS, "suggestions", "advised on"),
            ("describe", RUBRICS, "description", "described"),
        ],
    )
    def test_rows_have_scores_and_words(self, run, command, rubrics, key, did):
        code, out, err = run(command, "clips/0.wav", "missing.wav", *SHORT, "--output", "-")
        good, bad = lines(out)
        assert code == 1
        assert (good["task"], good["rubrics"], list(good["scores"])) == (command, list(rubrics), list(rubrics))
        assert good[key]
        assert good["text"]
        assert bad["error"].startswith("missing.wav: no such file")
        assert f"1 clip {did}, 1 error" in err

    def test_without_an_output_they_are_for_people(self, run):
        code, out, err = run("describe", "clips/0.wav", "missing.wav", *SHORT)
        assert code == 1
        assert out.startswith("clips/0.wav (0.5 s)\n  ")
        assert "missing.wav" not in out
        assert "missing.wav: no such file" in err

    def test_table_has_the_words(self, run, folder):
        run("suggest", "clips/0.wav", *SHORT, "--output", "words.csv")
        (row,) = table(folder / "words.csv")
        assert row["suggestions"]
        assert row["rubrics"].split() == list(SPEECHEVAL_RUBRICS)

    def test_explaining_scores_and_explaining_is_the_same(self, run, folder):
        run("score", "clips/0.wav", "--explain", *SHORT, "--output", "a.jsonl")
        run("explain", "clips/0.wav", *SHORT, "--output", "b.jsonl")
        assert (folder / "a.jsonl").read_text() == (folder / "b.jsonl").read_text()

    def test_listener_changes_the_scores_and_is_kept(self, run):
        plain = lines(run("score", "clips/0.wav")[1])[0]
        heard = lines(run("score", "clips/0.wav", "--listener", "elderly listener")[1])[0]
        assert (heard["listener"], "listener" in plain) == ("elderly listener", False)
        assert heard["scores"] != plain["scores"]

    def test_old_name_of_the_listener_still_works_and_says_so(self, run):
        out = run("score", "clips/0.wav", "--listener", "elderly listener")[1]
        code, same, err = run("score", "clips/0.wav", "--profile", "elderly listener")
        assert (code, same) == (0, out)
        assert err.splitlines()[0].startswith("audio-judge score: --profile is called --listener now")


class TestWarnings:
    def test_own_ones_are_told_without_their_place_in_the_code(self, run, loaded, monkeypatch):
        monkeypatch.setattr(loaded.processor, "trained_languages", ["en"])
        monkeypatch.setattr(loaded.identity, "_warned", set())
        monkeypatch.setattr(warnings, "showwarning", lambda *told: sys.stderr.write(warnings.formatwarning(*told[:4])))
        err = run("describe", "clips/0.wav", "--language", "fr", *SHORT)[2]
        assert "audio-judge: " in err
        assert "was not trained in 'fr'" in err
        assert "judge.py" not in err


class TestProfile:
    def test_every_rubric_the_judge_was_trained_on_on_its_own_scale(self, run, loaded, monkeypatch):
        names = ("mos", "production_quality")
        monkeypatch.setattr(AudioJudge, "rubrics", property(lambda self: names))
        (row,) = lines(run("profile", "clips/0.wav")[1])
        assert (tuple(row["scores"]), row["scale"], row["task"]) == (names, "own", "profile")
        assert ALL_RUBRICS["production_quality"].high == 10
        assert row["scores"]["production_quality"] == round(
            loaded.profile("clips/0.wav")["production_quality"].value, 4
        )


class TestOwnRubrics:
    WARMTH = "warmth:\n  definition: How warm the voice is.\n  low: 1\n  high: 10\n  levels: [cold, cool, warm]\n"

    def test_of_a_file_stand_beside_ours(self, run, folder, loaded):
        (folder / "warmth.yaml").write_text(self.WARMTH)
        (row,) = lines(run("score", "clips/0.wav", "--rubric", "mos", "--rubric", "warmth.yaml")[1])
        own = Rubric("warmth", "How warm the voice is.", 1, 10, levels=("cold", "cool", "warm"))
        assert row["scores"]["warmth"] == round(loaded.score("clips/0.wav", rubric=own)["warmth"].value, 4)
        assert (row["rubrics"], row["scale"]) == (["mos", "warmth"], "own")

    def test_json_and_calibrated_ones_are_read(self, run, folder, loaded):
        rated = [(f"clips/{index}.wav", value) for index, value in enumerate((2.0, 3.0, 4.0))]
        order = sorted(rated, key=lambda one: loaded.score(one[0])["mos"].value)
        rated = [(clip, value) for (clip, _), value in zip(order, (2.0, 3.0, 4.0), strict=True)]
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


class TestDetect:
    def test_rows_and_table_say_the_same(self, run, folder, loaded):
        assert run("detect", "clips/0.wav", "missing.wav", "--output", "d.jsonl")[0] == 1
        run("detect", "clips/0.wav", "missing.wav", "--output", "d.csv")
        row, bad = lines((folder / "d.jsonl").read_text())
        cells, bad_cells = table(folder / "d.csv")
        expected = loaded.detect("clips/0.wav")
        assert (row["real"], row["label"]) == (round(expected.real, 4), expected.label)
        assert (cells["label"], float(cells["real"])) == (row["label"], pytest.approx(row["real"], abs=1e-4))
        assert "no such file" in bad["error"]
        assert bad_cells["error"] == bad["error"]

    def test_is_shown_to_people(self, run):
        assert "clips/0.wav: " in run("detect", "clips/0.wav")[1]


class TestCompare:
    def test_order_does_not_matter(self, run):
        one = lines(run("compare", "clips/0.wav", "clips/1.wav", "--no-reasons", "--output", "-")[1])[0]
        other = lines(run("compare", "clips/1.wav", "clips/0.wav", "--no-reasons", "--output", "-")[1])[0]
        assert (one["a"], one["b"]) == ("clips/0.wav", "clips/1.wav")
        assert one["probabilities"]["A"] == pytest.approx(other["probabilities"]["B"], abs=1e-3)

    def test_list_of_pairs_and_its_columns(self, run, folder):
        (folder / "pairs.csv").write_text(
            "a,b,id\nclips/0.wav,clips/1.wav,7\nclips/0.wav,missing.wav,8\nclips/0.wav,,9\n"
        )
        arguments = ("compare", "pairs.csv", "--rubric", "noisiness", "--no-reasons", "--output", "compared.csv")
        code, _, err = run(*arguments)
        good, bad, empty = table(folder / "compared.csv")
        assert code == 1
        assert (good["id"], good["better"] in ("A", "B", "tie"), good["rubrics"]) == ("7", True, "noisiness")
        assert float(good["noisiness_lead"]) == pytest.approx(float(good["p_a"]) - float(good["p_b"]), abs=1e-6)
        assert "missing.wav: no such file" in bad["error"]
        assert empty["error"] == "pairs.csv:4: no path (None); every row needs the path of a clip"
        assert "1 pair compared, 2 errors" in err
        before = (folder / "compared.csv").read_bytes()
        assert run(*arguments, "--resume")[0] == 1
        assert (folder / "compared.csv").read_bytes() == before

    def test_reasons_are_written(self, run):
        code, out, _ = run("compare", "clips/0.wav", "clips/1.wav", *SHORT)
        assert code == 0
        assert len(out.strip().splitlines()) > 1


class TestTimeline:
    @pytest.fixture
    def long_clip(self):
        soundfile.write("long.wav", tone(13, 300, 16_000), 16_000)

    def test_row_has_the_windows(self, run, long_clip):
        code, out, _ = run("timeline", "long.wav", "missing.wav", "--rubric", "mos", "--output", "-")
        good, bad = lines(out)
        assert code == 1
        assert [(window["start"], window["end"]) for window in good["timeline"]] == [(0.0, 10.0), (10.0, 13.0)]
        assert (good["seconds"], "missing.wav" in bad["error"]) == (13.0, True)

    def test_table_has_a_row_per_window(self, run, folder, long_clip):
        run("timeline", "long.wav", "--rubric", "mos", "--window-seconds", "6", "--output", "t.csv")
        rows = table(folder / "t.csv")
        assert [row["window_start"] for row in rows] == ["0.0", "6.0", "12.0"]
        assert all(row["path"] == "long.wav" and 1 <= float(row["mos"]) <= 5 for row in rows)
        code, _, err = run("timeline", "long.wav", "--output", "t.csv", "--resume")
        assert (code, "need .jsonl" in err) == (2, True)

    def test_is_shown_to_people(self, run, long_clip):
        out = run("timeline", "long.wav", "--rubric", "mos")[1]
        assert "   10.0-   13.0" in out

    def test_hop_that_leaves_gaps_is_refused(self, run, long_clip):
        code, _, err = run("timeline", "long.wav", "--window-seconds", "2", "--hop-seconds", "3")
        assert (code, "--hop-seconds" in err) == (2, True)


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

    def test_row_and_text(self, measure):
        (row,) = lines(measure("clips/0.wav", "--output", "-")[1])
        assert (row["seconds"], row["channels"], row["dropouts"]) == (0.5, 1, [])
        assert "16000 Hz" in measure("clips/0.wav")[1]

    def test_goes_on(self, measure, folder):
        measure("clips/0.wav", "--output", "facts.jsonl")
        assert measure("clips", "--output", "facts.jsonl", "--resume")[0] == 0
        assert [row["path"] for row in lines((folder / "facts.jsonl").read_text())] == [
            f"clips/{k}.wav" for k in range(3)
        ]


class TestDecide:
    def test_table_has_a_column_per_question(self, run, folder):
        run("decide", "clips/0.wav", "--ask", "Is there hum?", "--output", "answers.csv")
        (row,) = table(folder / "answers.csv")
        assert 0 < float(row["Is there hum?"]) < 1

    def test_other_questions_are_not_gone_on_with(self, run):
        run("decide", "clips", "--ask", "Is there hum?", "--output", "answers.jsonl")
        code, _, err = run("decide", "clips", "--ask", "Is there wind?", "--output", "answers.jsonl", "--resume")
        assert (code, "was made with questions" in err) == (2, True)


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


class TestCompletion:
    @pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
    def test_knows_the_commands(self, capsys, shell):
        from audio_judge.cli.main import main

        assert main(["completion", shell]) == 0
        script = capsys.readouterr().out
        assert "compare" in script
        assert "timeline" in script

    def test_bash_completes_with_it(self, folder):
        script = subprocess.run(
            [sys.executable, "-m", "audio_judge", "completion", "bash"], capture_output=True, text=True, check=True
        )
        (folder / "script").write_text(script.stdout)
        words = "COMP_WORDS=(audio-judge tim); COMP_CWORD=1; _shtab_audio_judge audio-judge tim audio-judge"
        ask = f"source ./script; {words}; echo ${{COMPREPLY[@]}}"
        done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["timeline"]
