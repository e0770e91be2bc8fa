"""The reader of BVCC-style lists, in each published layout."""

import pytest
from datasets import Dataset

from audio_judge.clips import RatedClip, Rating
from audio_judge.corpora import CorpusError
from audio_judge.corpora.bvcc import read_bvcc

HEADER = "wav_path,system_id,sample_id,avg_score"


def write(tmp_path, *lines, name="train.csv"):
    file = tmp_path / name
    file.write_text("\n".join(lines) + "\n")
    return file


class TestReadBvcc:
    def test_list_of_means(self, tmp_path):
        file = write(tmp_path, HEADER, "wav/sys64e2f-utt9c18.wav,sys64e2f,utt9c18,3.625")
        (clip,) = read_bvcc(file, "train")
        assert clip == RatedClip(
            f"{tmp_path}/wav/sys64e2f-utt9c18.wav",
            {"mos": Rating(3.625)},
            "train",
            "BVCC",
            system="sys64e2f",
            extra={"sample_id": "utt9c18"},
        )

    def test_list_of_votes(self, tmp_path):
        header = "wav_path,score,system_id,sample_id,listener_id"
        file = write(tmp_path, header, "a-1.wav,3,a,1,x", "a-1.wav,5,a,1,y")
        (clip,) = read_bvcc(file, "train", root="/wav")
        assert clip.path == "/wav/a-1.wav"
        assert clip.ratings["mos"] == Rating(4.0, 2**0.5, 2, (3.0, 5.0))
        assert (clip.system, clip.extra) == ("a", {"raters": {"x": 3.0, "y": 5.0}, "sample_id": "1"})

    def test_challenge_list_of_means(self, tmp_path):
        file = write(tmp_path, "sys64e2f-utt9c18.wav,3.625", "sysa-uttb.wav,1.0", name="val_mos_list.txt")
        clips = list(read_bvcc(file, "validation"))
        assert [clip.ratings["mos"].value for clip in clips] == [3.625, 1.0]
        assert clips[0].system == "sys64e2f"

    def test_challenge_list_of_votes(self, tmp_path):
        listener = "{}_30-39_%s_Female_Valid_1_No"
        lines = (f"sysa,sysa-uttb.wav,{score},task,{listener % name}" for score, name in ((4, "x"), (2, "y")))
        (clip,) = read_bvcc(write(tmp_path, *lines, name="TRAINSET"), "train")
        assert clip.ratings["mos"].value == 3.0
        assert clip.ratings["mos"].votes == 2
        assert clip.system == "sysa"

    @pytest.mark.parametrize("score", ["5.5", "0", "x"])
    def test_bad_score(self, tmp_path, score):
        file = write(tmp_path, HEADER, "a.wav,s,1,3", f"b.wav,s,2,{score}")
        with pytest.raises(CorpusError, match=rf"train\.csv, line 3: avg_score is '{score}'"):
            list(read_bvcc(file, "train"))

    def test_missing_score_is_counted(self, tmp_path, caplog):
        file = write(tmp_path, HEADER, "a.wav,s,1,3", "b.wav,s,2,")
        assert len(list(read_bvcc(file, "train"))) == 1
        assert "BVCC: 1 of 2 rows left out, no score" in caplog.text

    def test_short_row(self, tmp_path):
        with pytest.raises(CorpusError, match="line 2: 3 fields for 4 columns"):
            list(read_bvcc(write(tmp_path, HEADER, "a.wav,s,1"), "train"))

    def test_other_layout(self, tmp_path):
        with pytest.raises(CorpusError, match="line 1: columns are file, quality; wav_path"):
            read_bvcc(write(tmp_path, "file,quality", "a.wav,3"), "train")

    def test_missing_file(self, tmp_path):
        with pytest.raises(CorpusError, match="VoiceMOS"):
            read_bvcc(tmp_path / "train.csv", "train")

    def test_name_with_more_hyphens_tells_no_system(self, tmp_path):
        (clip,) = read_bvcc(write(tmp_path, "my-file-1.wav,3.0"), "train")
        assert clip.system is None


class TestDataSet:
    def test_means(self, tmp_path):
        rows = [{"wav_path": "a.wav", "system_id": "s", "sample_id": "1", "avg_score": 2.5}]
        Dataset.from_list(rows).save_to_disk(tmp_path / "set")
        (clip,) = read_bvcc(tmp_path / "set", "test")
        assert (clip.path, clip.split, clip.ratings) == ("a.wav", "test", {"mos": Rating(2.5)})

    def test_votes(self, tmp_path):
        rows = [{"wav_path": "a.wav", "listener_id": str(i), "score": i + 1} for i in range(5)]
        Dataset.from_list(rows).save_to_disk(tmp_path / "set")
        (clip,) = read_bvcc(tmp_path / "set", "test")
        assert clip.ratings["mos"].votes == 5
