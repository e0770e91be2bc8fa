# ruff: noqa: F811 (fixtures are imported by their names)
import csv
import json

import pytest
from shell import folder, lines, run, table  # noqa: F401
from tiny import make_judge

from audio_judge.judge.judge import AudioJudge


class TestAnswers:
    def test_table_has_a_column_per_question(self, run, folder):
        run("decide", "clips/0.wav", "--ask", "Is there hum?", "--output", "answers.csv")
        (row,) = table(folder / "answers.csv")
        assert 0 < float(row["Is there hum?"]) < 1

    def test_other_questions_are_not_gone_on_with(self, run):
        run("decide", "clips", "--ask", "Is there hum?", "--output", "answers.jsonl")
        code, _, err = run("decide", "clips", "--ask", "Is there wind?", "--output", "answers.jsonl", "--resume")
        assert (code, "was made with questions" in err) == (2, True)


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
        assert sum(good["answers"]["noise"]["probabilities"].values()) == pytest.approx(1, abs=1e-3)
        assert len(str(good["answers"]["Is there hum?"]["noul"])) <= 6
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
