# ruff: noqa: F811 (fixtures are imported by their names)
import sys
import warnings

import pytest
from shell import folder, lines, run, table  # noqa: F401

from audio_judge.batch.write import flatten
from audio_judge.cli.judgements import result_row
from audio_judge.clips import Cause
from audio_judge.judge.judge import AudioJudge
from audio_judge.judge.judgement import Judgement, Score
from audio_judge.rubrics.rubric import RUBRICS, SPEECHEVAL_RUBRICS

SHORT = ("--max-new-tokens", "4")


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


class TestExplain:
    def test_prints_scores_and_words(self, run, monkeypatch):
        original = AudioJudge.explain
        monkeypatch.setattr(AudioJudge, "explain", lambda *a, **o: original(*a, **o, max_new_tokens=4))
        code, out, err = run("explain", "clips/0.wav", "missing.wav")
        assert code == 1
        assert out.startswith("clips/0.wav (0.5 s)\n  mos ")
        assert "1 clip explained, 1 error:\n  missing.wav: no such file" in err


class TestResultRow:
    def test_only_the_rubrics_that_were_asked_for(self):
        said = Judgement(
            "a.wav",
            2.0,
            {name: Score(name, 3.5, 0.5, "good", {"bad": 0.25, "good": 0.75}) for name in ("mos", "loudness")},
            text="raw",
            reasons="Because.",
            causes=("noise", "hum"),
        )
        row = result_row(said, ["mos"])
        assert row["scores"] == {"mos": 3.5}
        assert (row["reasons"], row["text"], row["causes"]) == ("Because.", "raw", ["noise", "hum"])
        assert "suggestions" not in row

    def test_which_window_words_are_about(self):
        said = Judgement("a.wav", 60.0, text="raw", worst=(20.0, 30.0), faults=(Cause("noise", {}, ((21.0, 24.5),)),))
        row = result_row(said, [])
        assert (row["worst_start"], row["worst_end"]) == (20.0, 30.0)
        assert row["faults"] == [{"kind": "noise", "spans": [[21.0, 24.5]]}]
        assert flatten(row)["worst_end"] == 30.0
