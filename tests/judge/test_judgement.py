import json

import pandas
import pytest

from audio_judge.judge.judgement import Authenticity, Judgement, Preference, Score, Window
from audio_judge.tasks import Assessment

MOS = Score("mos", 3.456789, 0.5, "fair", {"bad": 0.4, "fair": 0.6})
JUDGEMENT = Judgement("a.wav", 2.0, {"mos": MOS}, model="tiny", revision="r1")
SHARES = {"A": 0.6, "B": 0.3, "tie": 0.1}


class TestJudgement:
    def test_dict_is_json_and_leaves_out_what_was_not_asked(self):
        row = json.loads(json.dumps(JUDGEMENT.to_dict()))
        assert row["scores"]["mos"]["value"] == 3.4568
        assert not {"text", "suggestions", "assessment", "description", "timeline", "has_own_words"} & set(row)

    def test_dict_has_what_was_asked(self):
        assessment = Assessment({"mos": 3.0}, "fast")
        said = Judgement("a.wav", 2.0, text="…", areas=("noise",), suggestions=("Move.",), assessment=assessment)
        row = json.loads(json.dumps(said.to_dict()))
        assert (row["areas"], row["suggestions"]) == (["noise"], ["Move."])
        assert row["assessment"]["speech_rate"] == "fast"

    def test_words_that_are_not_the_judges_are_marked(self):
        assert Judgement("a.wav", 2.0, text="…", has_own_words=False).to_dict()["has_own_words"] is False

    def test_rows_make_a_table(self):
        table = pandas.DataFrame([JUDGEMENT.to_row(), Judgement("b.wav", error="b.wav: empty").to_row()])
        assert table["mos"][0] == pytest.approx(3.456789)
        assert table["mos_level"][0] == "fair"
        assert table["error"].isna().tolist() == [True, False]

    def test_str_lists_suggestions(self):
        assert str(Judgement("a.wav", 2.0, suggestions=("Move.", "Wait."))) == "a.wav (2.0 s)\n  - Move.\n  - Wait."


class TestPreference:
    SAID = Preference("a.wav", "b.wav", "A", SHARES, {"mos": SHARES}, "Less noise.", "Less noise.\n[SpeechA]")

    def test_dict_is_json(self):
        row = json.loads(json.dumps(self.SAID.to_dict()))
        assert row["better"] == "A"
        assert row["rubrics"]["mos"] == SHARES

    def test_row_is_flat(self):
        row = self.SAID.to_row()
        assert (row["p_a"], row["p_b"], row["p_tie"]) == (0.6, 0.3, 0.1)
        assert row["mos_lead"] == pytest.approx(0.3)

    def test_str_names_the_winner(self):
        assert str(self.SAID) == "A (a.wav) is better: A 60%, B 30%, tie 10%\n  Less noise."

    def test_error_is_shown(self):
        said = Preference("a.wav", "b.wav", error="b.wav: empty")
        assert said.to_dict()["error"] == "b.wav: empty"
        assert str(said) == "a.wav / b.wav: b.wav: empty"


class TestAuthenticity:
    @pytest.mark.parametrize(("real", "label"), [(0.9, "real"), (0.5, "real"), (0.2, "fake"), (None, None)])
    def test_label_is_the_likelier(self, real, label):
        assert Authenticity("a.wav", real).label == label

    def test_dict_is_json(self):
        said = Authenticity("a.wav", 0.25, 20.0, timeline=(Window(0.0, 10.0, {"real": 0.25}),))
        row = json.loads(json.dumps(said.to_dict()))
        assert (row["label"], row["real"], row["timeline"][0]["scores"]) == ("fake", 0.25, {"real": 0.25})

    def test_row_and_str_of_an_error(self):
        said = Authenticity("a.wav", error="a.wav: empty")
        assert said.to_row()["error"] == "a.wav: empty"
        assert str(said) == "a.wav: a.wav: empty"
