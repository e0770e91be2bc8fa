"""Reading a user's own tables, and the rows that the other readers build on."""

import json
import logging
from pathlib import Path

import pytest
from datasets import Dataset

from audio_judge.clips import RatedClip, Rating
from audio_judge.corpora import CorpusError
from audio_judge.corpora.rows import Row, is_blank, rating_from_votes, read_rows, split_name, time_spans
from audio_judge.corpora.table import Columns, PairColumns, read_pairs, read_table
from audio_judge.rubrics.rubric import HUNDRED, Scale

MOS = Columns(path="file", ratings={"mos": "score"})


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def write_jsonl(path, *rows):
    return write(path, "".join(json.dumps(row) + "\n" for row in rows))


class TestReadTable:
    def test_csv(self, tmp_path):
        table = write(tmp_path / "mine.csv", "file,score,note\na.wav,3.5,hum\n")
        (clip,) = read_table(table, MOS)
        assert clip == RatedClip(f"{tmp_path}/a.wav", {"mos": Rating(3.5)}, "train", "mine", extra={"note": "hum"})

    def test_tsv(self, tmp_path):
        table = write(tmp_path / "mine.tsv", "file\tscore\na, b.wav\t3.5\n")
        assert next(read_table(table, MOS)).path.endswith("/a, b.wav")

    def test_jsonl_with_single_ratings(self, tmp_path):
        table = write_jsonl(tmp_path / "t.jsonl", {"file": "a.wav", "score": [3, 4, None, 5]})
        assert next(read_table(table, MOS)).ratings["mos"] == Rating(4.0, 1.0, 3, (3, 4, 5))

    def test_all_columns(self, tmp_path):
        columns = Columns("file", {"mos": "s"}, {"mos": "sd"}, {"mos": "n"}, {}, "set", "ref", "con", "sys", "who")
        table = write(tmp_path / "t.csv", "file,s,sd,n,set,ref,con,sys,who\na.wav,2,0.5,7.0,dev,r.wav,c1,tts,anna\n")
        (clip,) = read_table(table, columns, root="/data", corpus="own")
        assert clip == RatedClip(
            "/data/a.wav", {"mos": Rating(2.0, 0.5, 7)}, "validation", "own", "/data/r.wav", (), "c1", "tts", "anna"
        )

    def test_own_scale(self, tmp_path):
        table = write(tmp_path / "t.csv", "file,score\na.wav,87\n")
        columns = Columns("file", {"mos": "score"}, scales={"mos": HUNDRED})
        assert next(read_table(table, columns)).ratings["mos"].value == 87

    def test_rubric_of_the_user_needs_a_scale(self, tmp_path):
        with pytest.raises(ValueError, match="warmth"):
            read_table(tmp_path / "t.csv", Columns("file", {"warmth": "score"}))

    def test_rubric_of_the_user_with_a_scale(self, tmp_path):
        table = write(tmp_path / "t.csv", "file,score\na.wav,-2\n")
        columns = Columns("file", {"warmth": "score"}, scales={"warmth": Scale(-3, 3)})
        assert next(read_table(table, columns)).ratings == {"warmth": Rating(-2.0)}

    @pytest.mark.parametrize("score", ["7", "0.9", "good", "inf"])
    def test_bad_score_names_file_and_line(self, tmp_path, score):
        table = write(tmp_path / "t.csv", f"file,score\na.wav,3\nb.wav,{score}\n")
        with pytest.raises(CorpusError, match=rf"t\.csv, line 3: score is '{score}'; a number.* expected"):
            list(read_table(table, MOS))

    def test_true_is_no_number(self, tmp_path):
        table = write_jsonl(tmp_path / "t.jsonl", {"file": "a.wav", "score": True})
        with pytest.raises(CorpusError, match="True"):
            list(read_table(table, MOS))

    def test_missing_column(self, tmp_path):
        table = write(tmp_path / "t.csv", "path,score\na.wav,3\n")
        with pytest.raises(CorpusError, match="line 1: column file is missing; found path, score"):
            list(read_table(table, MOS))

    def test_missing_key_in_a_later_object(self, tmp_path):
        table = write_jsonl(tmp_path / "t.jsonl", {"file": "a.wav", "score": 3}, {"file": "b.wav"})
        with pytest.raises(CorpusError, match="line 2: score is missing"):
            list(read_table(table, MOS))

    def test_surplus_cell(self, tmp_path):
        table = write(tmp_path / "t.csv", "file,score\na,b.wav,3\n")
        with pytest.raises(CorpusError, match="line 2: 3 fields for 2 columns"):
            list(read_table(table, MOS))

    def test_broken_json(self, tmp_path):
        table = write(tmp_path / "t.jsonl", '{"file": "a.wav", "score": 3}\n\n{"file": "b.w\n')
        with pytest.raises(CorpusError, match="line 3: no JSON"):
            list(read_table(table, MOS))

    def test_json_array(self, tmp_path):
        table = write(tmp_path / "t.json", '[{"file": "a.wav"}]\n')
        with pytest.raises(CorpusError, match="no JSON object"):
            list(read_table(table, MOS))

    def test_not_utf8(self, tmp_path):
        (tmp_path / "t.csv").write_bytes(b"file,score\n\xff.wav,3\n")
        with pytest.raises(CorpusError, match="UTF-8"):
            list(read_table(tmp_path / "t.csv", MOS))

    def test_missing_file(self, tmp_path):
        with pytest.raises(CorpusError, match="no such file"):
            list(read_table(tmp_path / "t.csv", MOS))

    def test_empty_file(self, tmp_path):
        with pytest.raises(CorpusError, match="no rows"):
            list(read_table(write(tmp_path / "t.jsonl", ""), MOS))

    def test_path_out_of_the_folder(self, tmp_path):
        table = write(tmp_path / "t.csv", "file,score\n../a.wav,3\n")
        with pytest.raises(CorpusError, match=r"line 2: file is '\.\./a\.wav'"):
            list(read_table(table, MOS))

    def test_empty_path(self, tmp_path):
        table = write(tmp_path / "t.csv", "file,score\n,3\n")
        with pytest.raises(CorpusError, match="file is empty"):
            list(read_table(table, MOS))

    def test_unknown_split_in_a_row(self, tmp_path):
        table = write(tmp_path / "t.csv", "file,score,set\na.wav,3,holdout\n")
        with pytest.raises(CorpusError, match="line 2: set: split is 'holdout'"):
            list(read_table(table, Columns("file", {"mos": "score"}, split="set")))

    def test_unrated_rows_are_counted(self, tmp_path, caplog):
        table = write(tmp_path / "mine.csv", "file,score\na.wav,3\nb.wav,\nc.wav,NaN\n")
        with caplog.at_level(logging.WARNING):
            assert len(list(read_table(table, MOS))) == 1
        assert "mine: 2 of 3 rows left out, nobody rated them" in caplog.text

    def test_rows_are_read_one_by_one(self, tmp_path):
        table = write(tmp_path / "t.csv", "file,score\na.wav,3\nb.wav,nonsense\n")
        assert next(read_table(table, MOS)).ratings["mos"].value == 3

    def test_no_rating_columns(self, tmp_path):
        with pytest.raises(ValueError, match="ratings is empty"):
            read_table(tmp_path / "t.csv", Columns("file", {}))

    def test_unknown_split(self, tmp_path):
        with pytest.raises(ValueError, match="dev"):
            read_table(tmp_path / "t.csv", MOS, split="dev")


class TestDataSet:
    def test_paths_as_text(self, tmp_path):
        Dataset.from_list([{"file": "a.wav", "score": 3.0, "who": None}]).save_to_disk(tmp_path / "hub")
        (clip,) = read_table(tmp_path / "hub", MOS, root="/d", split="test")
        assert clip == RatedClip("/d/a.wav", {"mos": Rating(3.0)}, "test", "hub")

    def test_sounds_in_their_own_files(self, tmp_path):
        file = str(tmp_path / "a.wav")
        Path(file).write_bytes(b"RIFF")
        rows = Dataset.from_list([{"file": {"path": file, "bytes": None}, "score": 3.0}])
        rows.save_to_disk(tmp_path / "set")
        assert next(read_table(tmp_path / "set", MOS)).path == file

    def test_missing_column(self, tmp_path):
        Dataset.from_list([{"file": "a.wav", "rating": 3.0}]).save_to_disk(tmp_path / "set")
        with pytest.raises(CorpusError, match="set: column score is missing; found file, rating"):
            list(read_table(tmp_path / "set", MOS))

    def test_what_is_no_path(self, tmp_path):
        Dataset.from_list([{"file": [0.0], "score": 3.0}]).save_to_disk(tmp_path / "set")
        with pytest.raises(CorpusError, match=r"set, line 1: file is \[0\.0\]; a path expected"):
            list(read_table(tmp_path / "set", MOS))


class TestReadPairs:
    COLUMNS = PairColumns("one", "two", {"mos": "better"})

    @pytest.mark.parametrize(("cell", "preference"), [("A", "A"), ("b", "B"), ("Tie", "tie")])
    def test_preference(self, tmp_path, cell, preference):
        table = write(tmp_path / "t.csv", f"one,two,better,why\na.wav,b.wav,{cell},noise\n")
        (pair,) = read_pairs(table, self.COLUMNS)
        assert pair.preferences == {"mos": preference}
        assert (pair.first.path, pair.second.path) == (f"{tmp_path}/a.wav", f"{tmp_path}/b.wav")
        assert pair.extra == {"why": "noise"}

    def test_names_of_the_user(self, tmp_path):
        table = write(tmp_path / "t.csv", "one,two,better\na.wav,b.wav,2\n")
        columns = PairColumns("one", "two", {"mos": "better"}, {"1": "A", "2": "B", "0": "tie"})
        assert next(read_pairs(table, columns)).preferences == {"mos": "B"}

    def test_unknown_preference(self, tmp_path):
        table = write(tmp_path / "t.csv", "one,two,better\na.wav,b.wav,C\n")
        with pytest.raises(CorpusError, match="line 2: better is 'C'; one of a, b, tie expected"):
            list(read_pairs(table, self.COLUMNS))

    def test_uncompared_rows_are_counted(self, tmp_path, caplog):
        table = write(tmp_path / "t.csv", "one,two,better\na.wav,b.wav,\n")
        assert list(read_pairs(table, self.COLUMNS)) == []
        assert "1 of 1 rows left out, nobody compared them" in caplog.text


class TestRatingFromVotes:
    def test_single_vote_has_no_spread(self):
        assert rating_from_votes([3]) == Rating(3.0, None, 1, (3,))

    def test_no_votes(self):
        with pytest.raises(ValueError, match="no votes"):
            rating_from_votes([])


class TestTimeSpans:
    CASES = (
        ("0 s - 4.9 s (across entire recording)", ((0.0, 4.9),)),
        ("0-3.3 s (throughout)", ((0.0, 3.3),)),
        ("1.2–2.0s and 3 to 4 seconds", ((1.2, 2.0), (3.0, 4.0))),
        ("between 1 s and 2 s", ((1.0, 2.0),)),
        ("hiss from 5 s - 2 s", ()),  # backwards
        ("2-3 clicks", ()),  # no unit
        ("throughout", ()),
    )

    @pytest.mark.parametrize(("text", "spans"), CASES)
    def test_spans(self, text, spans):
        assert time_spans(text) == spans


class TestSmallParts:
    @pytest.mark.parametrize("cell", [None, "", " N/A ", "nan", float("nan"), [], "None"])
    def test_blank(self, cell):
        assert is_blank(cell)

    @pytest.mark.parametrize("cell", [0, False, "0", [None]])
    def test_not_blank(self, cell):
        assert not is_blank(cell)

    @pytest.mark.parametrize(("name", "split"), [("Dev", "validation"), ("val", "validation"), ("test", "test")])
    def test_split_name(self, name, split):
        assert split_name(name) == split

    def test_whole_number(self):
        with pytest.raises(CorpusError, match=r"t, line 2: n is 2\.5; a whole number expected"):
            Row("t", 2, {"n": "2.5"}).whole("n")

    def test_bom_before_the_header(self, tmp_path):
        table = write(tmp_path / "t.csv", "\ufefffile,score\na.wav,3\n")
        assert next(read_rows(table)).values == {"file": "a.wav", "score": "3"}

    def test_spaces_in_the_header(self, tmp_path):
        table = write(tmp_path / "t.csv", "file, score\na.wav, 3\n")
        assert next(read_rows(table)).values == {"file": "a.wav", "score": "3"}
