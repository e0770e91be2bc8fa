"""Votes per listener become mean, standard deviation and number of votes."""

import pytest
from datasets import Dataset

from audio_judge.clips import Rating
from audio_judge.corpora import CorpusError
from audio_judge.corpora.vcc2020 import VoteColumns, read_votes
from audio_judge.rubrics.rubric import Scale


def write(tmp_path, *lines, header="sample_id,listener_name,score"):
    file = tmp_path / "votes.csv"
    file.write_text("\n".join([header, *lines]) + "\n")
    return file


class TestReadVotes:
    def test_mean_std_votes(self, tmp_path):
        # The votes of a clip need not be next to each other.
        file = write(tmp_path, "B01-1,x,3", "B01-2,x,5", "B01-1,y,4", "B01-1,z,5")
        first, second = read_votes(file)
        assert first.path == f"{tmp_path}/B01-1.wav"
        assert first.ratings == {"mos": Rating(4.0, 1.0, 3, (3.0, 4.0, 5.0))}
        assert first.extra == {"raters": {"x": 3.0, "y": 4.0, "z": 5.0}}
        assert second.ratings == {"mos": Rating(5.0, None, 1, (5.0,))}

    def test_other_columns_of_a_clip(self, tmp_path):
        header = "sample_id,listener_name,score,system,task,date"
        file = write(tmp_path, "a.wav,x,3,T10,intra,mon", "a.wav,y,4,T10,intra,tue", header=header)
        (clip,) = read_votes(file, VoteColumns(system="system"))
        assert clip.system == "T10"
        assert clip.path.endswith("/a.wav")
        assert clip.extra["task"] == "intra"
        assert "date" not in clip.extra

    def test_own_rubric_and_scale(self, tmp_path):
        file = write(tmp_path, "a,x,4")
        (clip,) = read_votes(file, rubric="similarity", scale=Scale(1, 4))
        assert clip.ratings == {"similarity": Rating(4.0, None, 1, (4.0,))}

    @pytest.mark.parametrize("score", ["5", "0", "same"])
    def test_score_off_the_scale(self, tmp_path, score):
        file = write(tmp_path, "a,x,4", f"a,y,{score}")
        with pytest.raises(CorpusError, match=rf"votes\.csv, line 3: score is '{score}'"):
            list(read_votes(file, scale=Scale(1, 4)))

    def test_listener_who_voted_twice_counts_once(self, tmp_path, caplog):
        (clip,) = read_votes(write(tmp_path, "a,x,2", "a,x,4", "a,y,5"))
        assert clip.ratings["mos"].value == 4.0
        assert clip.ratings["mos"].votes == 2
        assert "1 of 3 rows are further votes of a listener" in caplog.text

    def test_votes_without_listeners(self, tmp_path):
        file = write(tmp_path, "a,3", "a,4", header="sample_id,score")
        (clip,) = read_votes(file, VoteColumns(listener=None))
        assert clip.ratings["mos"].votes == 2
        assert clip.extra == {}

    def test_blank_score_is_counted(self, tmp_path, caplog):
        (clip,) = read_votes(write(tmp_path, "a,x,3", "a,y,"))
        assert clip.ratings["mos"].votes == 1
        assert "1 of 2 rows left out, no score" in caplog.text

    def test_two_systems_for_one_clip(self, tmp_path):
        file = write(tmp_path, "a,x,3,T1", "a,y,3,T2", header="sample_id,listener_name,score,system")
        with pytest.raises(CorpusError, match="line 3: system is 'T2', but 'T1' in line 2"):
            list(read_votes(file, VoteColumns(system="system")))

    def test_missing_column(self, tmp_path):
        with pytest.raises(CorpusError, match="column listener_name is missing"):
            list(read_votes(write(tmp_path, "a,x,3", header="sample_id,judge,score")))


class TestDataSet:
    def test_rows(self, tmp_path):
        rows = [{"sample_id": "a", "listener_name": str(i), "score": i + 1} for i in range(5)]
        Dataset.from_list(rows).save_to_disk(tmp_path / "set")
        (clip,) = read_votes(tmp_path / "set", root="/d")
        assert clip.path == "/d/a.wav"
        assert clip.ratings["mos"].votes == 5
