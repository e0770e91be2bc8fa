"""Answers that SpeechQualityLLM committed, on small files of the same columns."""

import csv
import json

import pytest

from audio_judge.errors import UsageError
from audio_judge.eval import cli
from audio_judge.eval.benchmarks import load
from audio_judge.eval.published_answers import read_published

HEADER = ["task", "dim_from_meta", "question", "gt_answer_template", "generated", "dim", "y_true", "y_pred", "status"]
FIVE = {"mos": 4.2, "noi": 3.6, "col": 4.0, "dis": 4.3, "loud": 3.9}
PROFILE = "Overall MOS: 4.2. Noisiness: 3.6. Coloration: 4.0. Discontinuity: 4.3. Loudness quality: 3.9."
SENTENCE = "My scores (1–5): overall MOS = 4.2, noisiness = 3.6, coloration = 4.0, discontinuity = 4.3, loudness = 3.9."
REASONS = (
    " It suffers from white noise. Considering noisiness (≈3.6), coloration (≈4.0), discontinuity (≈4.3), and loudness "
    "quality (≈3.9), I would give an overall MOS of 4.2."
)


def write(path, *rows, task="mos_numeric"):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, HEADER, restval="")
        writer.writeheader()
        for generated, dim, truth, theirs in rows:
            facts = {"question": "How good?", "generated": generated, "dim": dim, "y_true": truth, "y_pred": theirs}
            writer.writerow({"task": task} | facts)
    return path


def scores(rows):
    return [next(iter(row.prediction["scores"].values())) if row.prediction else None for row in rows]


class TestReading:
    @pytest.mark.parametrize("text", [PROFILE, SENTENCE, REASONS])
    def test_five_dimensions_in_one_answer(self, tmp_path, text, capsys):
        file = write(tmp_path / "a.csv", *((text, dim, 3, value) for dim, value in FIVE.items()))
        assert scores(read_published(file, load("nisqa_test"), "theirs")) == list(FIVE.values())
        assert "0 of 5 answers are read otherwise than in y_pred" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            (" 2.4", 2.4),
            ("Overall MOS ≈ 3.3.", 3.3),
            ("overall MOS = 4.2", 4.2),
            ("I would rate the overall MOS as 2.7 out of 5.", 2.7),
            ("", None),
            ("I cannot tell.", None),
        ],
    )
    def test_one_score(self, tmp_path, text, value):
        (row,) = read_published(write(tmp_path / "a.csv", (text, "mos", 3.3333, value)), load("nisqa_test"), "theirs")
        assert scores([row]) == [value]
        assert (row.id, row.truth, row.rubrics) == ("2", {"scores": {"mos": 3.3333}}, ("mos",))

    def test_a_missing_dimension_moves_no_other(self, tmp_path, capsys):
        text = PROFILE.replace(" Noisiness: 3.6.", "")
        # As their authors read it: the numbers by their places
        theirs = {"mos": 4.2, "noi": 4.0, "col": 4.3, "dis": 3.9, "loud": ""}
        file = write(tmp_path / "a.csv", *((text, dim, 3, value) for dim, value in theirs.items()))
        assert scores(read_published(file, load("nisqa_test"), "theirs")) == [4.2, None, 4.0, 4.3, 3.9]
        assert "4 of 5 answers are read otherwise" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("text", "level"),
        [
            (" The noisiness is fair, around 3.1 on the scale.", "somewhat noisy"),
            (" Good (≈3.8/5)", "slightly noisy"),
            ("Noisiness, very bad, 1.2", "very noisy"),
            ("fair, good, 3.5/5", None),
            ("good, but not excellent", None),
        ],
    )
    def test_levels(self, tmp_path, text, level):
        benchmark = load("speechqualityllm_dim_categ")
        (row,) = read_published(write(tmp_path / "a.csv", (text, "noi", 2.49, 3)), benchmark, "theirs")
        assert row.truth["levels"] == {"noisiness": "noisy"}
        assert row.prediction == (level and {"levels": {"noisiness": level}})

    def test_reasons(self, tmp_path):
        (row,) = read_published(
            write(tmp_path / "a.csv", (REASONS, "mos", 3, 4.2)), load("speechqualityllm_explanatory"), "theirs"
        )
        assert row.prediction["scores"] == {"mos": 4.2}
        assert [cause["kind"] for cause in row.prediction["causes"]] == ["noise"]

    def test_a_number_is_a_score_without_reasons(self, tmp_path):
        (row,) = read_published(
            write(tmp_path / "a.csv", ("3.4", "mos", 3, 3.4)), load("speechqualityllm_explanatory"), "theirs"
        )
        assert row.prediction == {"scores": {"mos": 3.4}}
        assert row.error

    @pytest.mark.parametrize(
        ("row", "problem"),
        [
            (("3", "mos", "", 3), r"a\.csv:2: y_true is empty"),
            (("3", "mos", "high", 3), r"a\.csv:2: y_true is 'high'"),
            (("3", "mos", "inf", 3), r"a\.csv:2: y_true is 'inf'"),
            (("3", "warmth", 3, 3), r"a\.csv:2: dim is 'warmth'; one of mos, noi"),
            (("3", "noi", 3, 3), r"no row about mos; it has noisiness"),
        ],
    )
    def test_what_cannot_be_used(self, tmp_path, row, problem):
        with pytest.raises(UsageError, match=problem):
            read_published(write(tmp_path / "a.csv", row), load("speechqualityllm_mos_numeric"), "theirs")


class TestScore:
    def test_without_options_both_figures_are_shown(self, tmp_path, capsys):
        rows = [("3.0", "mos", 3.5, 3.0), (" 2.0", "mos", 2.0, 2.0), ("", "mos", 4.5, ""), ("5", "mos", 4.0, 5)]
        file = write(tmp_path / "predictions_mos_numeric.csv", *rows)
        words = ["score", str(file), "--task", "nisqa_test", "--resamples", "0", "--out", str(tmp_path)]
        assert cli.main(words) == 0
        # A missing answer costs the farther end of the scale: |1 - 4.5|
        assert "| mos | predictions | 1.250 (75.0 %, 0.500 of those answered) |" in capsys.readouterr().out
        found = json.loads((tmp_path / "metrics.json").read_text())["judges"]["predictions"]["nisqa_test"]["figures"]
        figure = found["mos/MAE"]
        assert (figure["value"], figure["answered"], figure["coverage"]) == (1.25, 0.5, 0.75)

    def test_of_a_plain_task(self, tmp_path, capsys):
        file = write(tmp_path / "a.csv", ("3.0", "noi", 3.5, 3.0), ("4.0", "noi", 4.5, 4.0), ("2", "noi", 1.5, 2))
        assert cli.main(["score", str(file), "--task", "score", "--resamples", "0"]) == 0
        assert "| noisiness | predictions | 0.500 |" in capsys.readouterr().out
