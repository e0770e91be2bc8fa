import json

import pytest

from audio_judge.batch.write import Answer, RowWriter, check_same_settings, earlier_rows, flatten, keep
from audio_judge.errors import UsageError


class TestFlatten:
    def test_words_and_sentences_are_joined_differently(self):
        flat = flatten({"causes": ["noise", "hum"], "suggestions": ["Move closer.", "Turn off the fan."]})
        assert flat == {"causes": "noise hum", "suggestions": "Move closer.; Turn off the fan."}


class TestRowWriter:
    def test_extra_cells_do_not_hide_input_columns(self, tmp_path):
        with RowWriter(tmp_path / "a.csv", ["path", "clip"], ["real", "error"]) as writer:
            writer.write({"path": "a", "clip": "mine"}, Answer(cells=({"real": 0.5, "clip": "theirs"},)), {})
        assert (tmp_path / "a.csv").read_text() == "path,clip,real,error\na,mine,0.5,\n"

    def test_error_takes_the_place_of_the_answer(self, tmp_path):
        with RowWriter(tmp_path / "a.jsonl") as writer:
            writer.write({"path": "a"}, Answer({"scores": {}}, error="a: broken"), {"task": "score"})
        assert json.loads((tmp_path / "a.jsonl").read_text()) == {"path": "a", "task": "score", "error": "a: broken"}


class TestEarlierRows:
    @pytest.mark.parametrize("suffix", ["csv", "jsonl"])
    def test_places_are_those_in_the_file(self, tmp_path, suffix):
        path = tmp_path / f"a.{suffix}"
        with RowWriter(path, ["path", "note"], ["task", "error"]) as writer:
            for name in ("a", "ü"):
                writer.write({"path": name, "note": "one\ntwo"}, Answer(), {"task": "score"})
        rows = list(earlier_rows(path, ["path", "note", "task", "error"]))
        assert [row["path"] for row, _ in rows] == ["a", "ü"]
        assert rows[1][0]["note"] == "one\ntwo"
        start, size = rows[1][1]
        content = path.read_bytes()
        assert start + size == len(content)
        assert "ü".encode() in content[start:]
        assert b"a" not in content[start : start + 3]

    def test_other_columns_are_refused(self, tmp_path):
        (tmp_path / "a.csv").write_text("path,x\na,1\n")
        with pytest.raises(UsageError, match="other rubrics or input columns"):
            list(earlier_rows(tmp_path / "a.csv", ["path", "mos"]))


class TestCheckSameSettings:
    def test_setting_that_is_new_or_gone(self, tmp_path):
        with pytest.raises(UsageError, match="listener 'elderly', not None"):
            check_same_settings(tmp_path / "a.jsonl", {"task": "score", "listener": "elderly"}, {"task": "score"})

    def test_input_column_of_a_table_is_no_setting(self, tmp_path):
        check_same_settings(tmp_path / "a.csv", {"task": "score", "listener": "mine"}, {"task": "score"})


class TestKeep:
    def test_renamed_keys_do_not_collide(self):
        row = {"model": 1, "input_model": 2, "path": 3}
        assert keep(row, ["scores", "model"]) == {"input_input_model": 1, "input_model": 2, "path": 3}
