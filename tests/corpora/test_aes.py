"""The reader of AES and AudioMOS-2025, on tiny files in their published layout."""

import json

import pytest
from datasets import Dataset

from audio_judge.clips import Rating
from audio_judge.corpora import CorpusError
from audio_judge.corpora.aes import read_aes, read_audiomos
from audio_judge.rubrics.rubric import get_rubric

AXES = ("Production_Quality", "Production_Complexity", "Content_Enjoyment", "Content_Usefulness")


def a_row(path="a.wav", **changes):
    return {"data_path": path} | {axis: [7.5, 8.0, 0.0, 10, 6, 7, 8, 9, 5.5, 4] for axis in AXES} | changes


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


class TestJsonl:
    def test_ten_ratings_from_zero_to_ten(self, tmp_path):
        (clip,) = read_aes(write(tmp_path / "AES_natural_speech.jsonl", a_row()))
        assert set(clip.ratings) == {
            "production_quality", "production_complexity", "content_enjoyment", "content_usefulness"
        }  # fmt: skip
        assert clip.ratings["production_quality"].value == pytest.approx(6.5)
        assert clip.ratings["production_quality"].std == pytest.approx((74 / 9) ** 0.5)
        assert clip.ratings["production_quality"].votes == 10
        assert (clip.split, clip.corpus, clip.extra) == ("test", "AES", {"set": "AES_natural_speech"})

    def test_mean_below_one_is_lifted_and_counted(self, tmp_path, caplog):
        (clip,) = read_aes(write(tmp_path / "a.jsonl", a_row(Content_Enjoyment=[0.0] * 10)))
        assert clip.ratings["content_enjoyment"] == Rating(1.0, 0.0, 10, (0.0,) * 10)
        assert clip.extra["published"] == {"content_enjoyment": 0.0}
        assert "1 of 1 rows have a mean below 1, lifted to 1" in caplog.text

    def test_mean_below_one_as_published(self, tmp_path):
        (clip,) = read_aes(write(tmp_path / "a.jsonl", a_row(Content_Enjoyment=[0.0] * 10)), lift=False)
        assert clip.ratings["content_enjoyment"] == Rating(0.0, 0.0, 10, (0.0,) * 10)
        assert "published" not in clip.extra

    def test_folder(self, tmp_path):
        for name in ("AES_natural_music", "AES_PAM"):
            write(tmp_path / f"{name}.jsonl", a_row())
        write(tmp_path / "other.jsonl", {"nothing": 1})
        assert [clip.extra["set"] for clip in read_aes(tmp_path)] == ["AES_PAM", "AES_natural_music"]

    def test_folder_without_files(self, tmp_path):
        with pytest.raises(CorpusError, match="AES_"):
            read_aes(tmp_path)

    @pytest.mark.parametrize("vote", [-0.5, 10.5, "loud"])
    def test_bad_vote(self, tmp_path, vote):
        file = write(tmp_path / "a.jsonl", a_row(), a_row(Production_Quality=[5, vote]))
        with pytest.raises(CorpusError, match=r"a\.jsonl, line 2: Production_Quality is .*expected"):
            list(read_aes(file))

    def test_rater_without_a_rating_is_no_vote_and_counted(self, tmp_path, caplog):
        (clip,) = read_aes(write(tmp_path / "a.jsonl", a_row(Production_Quality=[5, None, 7])))
        assert clip.ratings["production_quality"].votes == 2
        assert "1 of 1 rows have a rater without a rating" in caplog.text

    def test_missing_axis_is_counted(self, tmp_path, caplog):
        (clip,) = read_aes(write(tmp_path / "a.jsonl", a_row(Content_Usefulness=None)))
        assert "content_usefulness" not in clip.ratings
        assert "1 of 1 rows lack an axis" in caplog.text

    def test_row_without_any_axis(self, tmp_path):
        with pytest.raises(CorpusError, match="line 1: none of Production_Quality"):
            list(read_aes(write(tmp_path / "a.jsonl", {"data_path": "a.wav"})))

    def test_row_without_a_path(self, tmp_path):
        with pytest.raises(CorpusError, match="line 1: data_path is empty"):
            list(read_aes(write(tmp_path / "a.jsonl", a_row(path=""))))

    def test_excerpt(self, tmp_path):
        row = {"path": "a.wav", "start_time": 1, "end_time": 2.5, "CE": 5.1, "CU": 6, "PC": 2, "PQ": 7}
        (clip,) = read_aes(write(tmp_path / "a.jsonl", row))
        assert (clip.start_time, clip.end_time) == (1.0, 2.5)
        assert clip.ratings["production_complexity"] == Rating(2.0)

    def test_the_root_takes_the_place_of_the_placeholder(self, tmp_path):
        file = write(tmp_path / "a.jsonl", a_row("/your_path/LibriTTS/train-clean-100/1363/a.wav"), a_row("/abs/b.wav"))
        assert [clip.path for clip in read_aes(file, root="/d")] == [
            "/d/LibriTTS/train-clean-100/1363/a.wav", "/abs/b.wav"
        ]  # fmt: skip
        assert next(read_aes(file)).path == f"{tmp_path}/LibriTTS/train-clean-100/1363/a.wav"

    def test_models_are_the_folders_of_pam(self, tmp_path):
        paths = ("/your_path/PAM/human_eval/audio/audiogen_m/generated_audio_index_530.wav", "/your_path/EARS/a.wav")
        file = write(tmp_path / "AES_PAM.jsonl", *map(a_row, paths))
        assert [clip.system for clip in read_aes(file)] == ["audiogen_m", None]


class TestAudioMos:
    HEADER = ",".join(("sample_id", "data_path", *AXES))
    NAME = "LibriTTS_train-other-500_6009_57639_6009_57639_000037_000004"
    PLACE = "/your_path/LibriTTS/train-other-500/6009/57639/6009_57639_000037_000004.wav"

    def lists(self, folder):
        for split in ("train", "dev"):
            row = f"audiomos2025-track2-speech-{self.NAME},{self.PLACE.replace('6009_', split)},6.5,1.6,6.5,6.7"
            (folder / f"audiomos2025-track2-{split}_list.csv").write_text(f"{self.HEADER}\n{row}\n")
        return folder

    def test_a_list_per_split(self, tmp_path):
        train, dev = sorted(read_audiomos(self.lists(tmp_path)), key=lambda clip: clip.split)
        assert (train.split, dev.split) == ("train", "validation")
        assert dev.path == f"{tmp_path}/LibriTTS/train-other-500/6009/57639/dev57639_000037_000004.wav"
        assert (dev.corpus, dev.ratings["content_usefulness"]) == ("AudioMOS-2025", Rating(6.7))
        assert dev.extra["sample_id"] == f"audiomos2025-track2-speech-{self.NAME}"
        assert [clip.split for clip in read_audiomos(tmp_path, "train")] == ["train"]

    def test_ratings_of_the_test_without_paths(self, tmp_path):
        for name in ("eval_01", "eval_02.wav"):
            (tmp_path / "DATA" / "wav").mkdir(parents=True, exist_ok=True)
            (tmp_path / "DATA" / "wav" / name).with_suffix(".wav").touch()
        rows = "eval_01,s1,6,2,5,4\neval_02.wav,s2,7,2,5,4\neval_03,s2,7,2,5,4\n"
        header = ",".join(("sample_id", "system_id", *AXES))
        (tmp_path / "audiomos2025-track2-eval_list.csv").write_text(f"{header}\n{rows}")
        clips = list(read_audiomos(tmp_path, "test"))
        assert [(clip.path, clip.system, clip.split) for clip in clips] == [
            (f"{tmp_path}/DATA/wav/eval_01.wav", "s1", "test"),
            (f"{tmp_path}/DATA/wav/eval_02.wav", "s2", "test"),
            (f"{tmp_path}/eval_03.wav", "s2", "test"),
        ]

    def test_a_list_that_is_not_there(self, tmp_path):
        with pytest.raises(CorpusError, match=r"no audiomos2025-track2-eval_list.csv here \(found .*dev_list\.csv"):
            read_audiomos(self.lists(tmp_path), "test")

    def test_a_file_does_not_say_its_split(self, tmp_path):
        with pytest.raises(ValueError, match="give split="):
            read_audiomos(self.lists(tmp_path) / "audiomos2025-track2-dev_list.csv")

    def test_bad_mean(self, tmp_path):
        file = tmp_path / "train.csv"
        file.write_text(f"{self.HEADER}\nutt1,utt1.wav,7.1,2.2,6.3,54\n")
        with pytest.raises(CorpusError, match=r"train\.csv, line 2: Content_Usefulness is '54'"):
            list(read_audiomos(file, "train"))


class TestDataSet:
    def test_same_as_the_file(self, tmp_path):
        Dataset.from_list([a_row()]).save_to_disk(tmp_path / "set")
        (clip,) = read_aes(tmp_path / "set", "validation", root="/d")
        assert (clip.path, clip.split, clip.ratings["content_enjoyment"].votes) == ("/d/a.wav", "validation", 10)

    def test_error_names_the_row(self, tmp_path):
        Dataset.from_list([a_row(), a_row(Production_Quality=[11.0])]).save_to_disk(tmp_path / "set")
        with pytest.raises(CorpusError, match="set, line 2"):
            list(read_aes(tmp_path / "set", "test"))


class TestRubrics:
    def test_ratings_are_on_the_scale_of_the_rubrics(self, tmp_path):
        (clip,) = read_aes(write(tmp_path / "a.jsonl", a_row(**{axis: [0, 0.5] for axis in AXES})))
        for name, rating in clip.ratings.items():
            get_rubric(name).check(rating.value)
