"""Single votes, one row per clip and rubric, become clips with ratings on our scales."""

import pytest

from audio_judge.clips import Rating
from audio_judge.corpora import CorpusError
from audio_judge.corpora.corpus import Corpus
from audio_judge.corpora.rated import read_rated

HEADER = "path,source,split,speaker_or_system,rubric,scale_low,scale_high,votes,licence"


def write(folder, *rows):
    (folder / "ratings.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    return folder


class TestReadRated:
    def test_rows_of_a_clip_become_one(self, tmp_path):
        rows = ("a.ogg,l2,train,anna,fluency,0,10,4 8,CC-BY-4.0", "a.ogg,l2,train,anna,prosodic,0,10,5,CC-BY-4.0")
        (clip,) = read_rated(write(tmp_path, *rows))
        assert clip.ratings["fluency"] == Rating(6.0, 8**0.5, 2, (4.0, 8.0))
        assert clip.ratings["prosody"] == Rating(5.0, None, 1, (5.0,))
        assert (clip.corpus, clip.split, clip.speaker, clip.extra) == ("l2", "train", "anna", {"licence": "CC-BY-4.0"})

    def test_votes_come_to_our_scale(self, tmp_path):
        (clip,) = read_rated(write(tmp_path, "a.ogg,,train,,fluency,1,5,2 5,"))
        assert clip.ratings["fluency"].single == (2.5, 10.0)

    def test_words_heard_in_noise_are_not_intelligibility(self, tmp_path):
        (clip,) = read_rated(write(tmp_path, "a.ogg,,train,,intelligibility,0,1,0 1 1 0,"))
        assert set(clip.ratings) == {"word_intelligibility"}

    def test_rubrics_of_others_are_left_out(self, tmp_path, caplog):
        rows = ("a.ogg,,train,,taste,1,5,3,", "b.ogg,,train,,total,0,10,3,")
        assert [clip.path.rpartition("/")[2] for clip in read_rated(write(tmp_path, *rows))] == ["b.ogg"]
        assert "1 of 2 rows left out" in caplog.text

    def test_who_voted_is_kept_where_it_is_told(self, tmp_path):
        table = f"{HEADER},raters\na.ogg,l2,train,,fluency,0,10,4 8,,ann bob\na.ogg,l2,train,,total,0,10,5,,\n"
        (tmp_path / "ratings.csv").write_text(table)
        (clip,) = read_rated(tmp_path)
        assert clip.extra["raters"] == {"fluency": {"ann": 4.0, "bob": 8.0}}

    def test_a_panel_votes_in_its_order(self, tmp_path):
        rows = ("a.ogg,l2,train,,total,0,10,4 8,", "b.ogg,l2,train,,total,0,10,5,", "c.ogg,own,train,,total,0,10,1 2,")
        first, second, third = read_rated(write(tmp_path, *rows), panels={"l2": 2})
        assert first.extra["raters"] == {"total": {"rater 1": 4.0, "rater 2": 8.0}}
        assert "raters" not in second.extra  # one is missing, and nobody knows who
        assert "raters" not in third.extra

    def test_as_many_raters_as_votes(self, tmp_path):
        (tmp_path / "ratings.csv").write_text(f"{HEADER},raters\na.ogg,l2,train,,fluency,0,10,4 8,,ann\n")
        with pytest.raises(CorpusError, match="2 votes and raters ann"):
            list(read_rated(tmp_path))

    def test_splits_are_told_apart(self, tmp_path):
        rows = ("a.ogg,,train,,total,0,10,3,", "b.ogg,,test,,total,0,10,3,")
        place = str(write(tmp_path, *rows))
        assert len(list(read_rated(place))) == 2
        assert [clip.split for clip in Corpus("rated", place, "test").read()] == ["test"]

    def test_paths_start_where_the_clips_are(self, tmp_path):
        inner = tmp_path / "data" / "rated"
        inner.mkdir(parents=True)
        (tmp_path / "data" / "a.ogg").touch()
        (clip,) = read_rated(write(inner, "data/a.ogg,,train,,total,0,10,3,"))
        assert clip.path == (tmp_path / "data" / "a.ogg").as_posix()

    @pytest.mark.parametrize(
        ("row", "problem"),
        [
            ("a.ogg,,train,,total,0,10,3 11,", "votes is '11'"),
            ("a.ogg,,train,,total,10,0,3,", "the lower one first"),
            ("a.ogg,,test,,fluency,0,10,3,", "a clip has one split"),
            ("b.ogg,,some,,total,0,10,3,", "split"),
        ],
    )
    def test_a_wrong_row_is_named(self, tmp_path, row, problem):
        with pytest.raises(CorpusError, match=f"line 3: .*{problem}"):
            list(read_rated(write(tmp_path, "a.ogg,,train,,total,0,10,3,", row)))

    def test_a_table_without_our_rubrics_is_refused(self, tmp_path):
        with pytest.raises(CorpusError, match="none of 1 rows"):
            list(read_rated(write(tmp_path, "a.ogg,,train,,taste,1,5,3,")))
