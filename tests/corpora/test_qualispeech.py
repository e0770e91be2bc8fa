"""The reader of QualiSpeech, on tiny tables with its published header."""

import csv

import pytest
from datasets import Dataset

from audio_judge.clips import Cause, Rating
from audio_judge.corpora import CorpusError
from audio_judge.corpora.qualispeech import RUBRIC_OF, read_qualispeech
from audio_judge.rubrics.rubric import get_rubric

HEADER = [
    "id",
    "Speed",
    "Naturalness",
    "Background noise",
    "Distortion",
    "Listening effort",
    "Continuity",
    "Overall quality",
    "Feeling of voice",
    "Noise Description",
    "Distortion description",
    "Unnatural pause",
    "Natural language description",
]


def a_row(**changes):
    row = dict.fromkeys(HEADER, "") | {"id": "sys01tts-0000000.wav", "Feeling of voice": "bright, a bit hoarse"}
    row |= {"Speed": "2", "Naturalness": "4", "Background noise": "5", "Distortion": "3", "Listening effort": "4"}
    row |= {"Continuity": "5", "Overall quality": "4", "Natural language description": "Clear, slightly slow."}
    return row | {name.replace("_", " "): value for name, value in changes.items()}


def write(tmp_path, *rows, name="test.csv"):
    with (tmp_path / name).open("w", newline="") as file:
        writer = csv.DictWriter(file, HEADER)
        writer.writeheader()
        writer.writerows(rows)
    return tmp_path


def one(tmp_path, **changes):
    (clip,) = read_qualispeech(write(tmp_path, a_row(**changes)), "test")
    return clip


class TestReadQualispeech:
    def test_seven_scores(self, tmp_path):
        clip = one(tmp_path)
        assert {rubric: rating.value for rubric, rating in clip.ratings.items()} == {
            "speed": 2, "naturalness": 4, "background_noise": 5, "distortion_level": 3, "listening_effort": 4,
            "continuity": 5, "mos": 4,
        }  # fmt: skip
        assert clip.path == f"{tmp_path}/wav/test/sys01tts-0000000.wav"
        assert (clip.system, clip.split, clip.causes) == ("sys01tts", "test", ())

    def test_rubrics_are_known(self, tmp_path):
        for name, rating in one(tmp_path).ratings.items():
            get_rubric(name).check(rating.value)

    def test_texts(self, tmp_path):
        noise, distortion = "Hum, 0s - 2.5s", "Metallic voice"
        clip = one(tmp_path, Noise_Description=noise, Distortion_description=distortion, Unnatural_pause="1 s to 1.4 s")
        assert clip.extra == {
            "id": "sys01tts-0000000.wav",
            "noise_description": noise,
            "noise_spans": [[0.0, 2.5]],
            "distortion_description": distortion,
            "pause_description": "1 s to 1.4 s",
            "pause_spans": [[1.0, 1.4]],
            "feeling_of_voice": "bright, a bit hoarse",
            "description": "Clear, slightly slow.",
        }
        assert clip.causes == (Cause("noise", {"description": noise}, ((0.0, 2.5),)),)

    @pytest.mark.parametrize("nothing", ["", "None", "No noise.", "no"])
    def test_no_noise(self, tmp_path, nothing):
        clip = one(tmp_path, Noise_Description=nothing)
        assert clip.causes == ()
        assert "noise_description" not in clip.extra

    def test_feeling_as_a_number_is_a_rating(self, tmp_path):
        clip = one(tmp_path, Feeling_of_voice="5")
        assert clip.ratings["feeling_of_voice"] == Rating(5.0)
        assert "feeling_of_voice" not in clip.extra

    def test_all_splits(self, tmp_path):
        for name in ("train", "val", "test"):
            write(tmp_path, a_row(), name=f"{name}.csv")
        clips = list(read_qualispeech(tmp_path))
        assert [clip.split for clip in clips] == ["train", "validation", "test"]
        assert clips[1].path.endswith("wav/val/sys01tts-0000000.wav")

    def test_missing_file(self, tmp_path):
        with pytest.raises(CorpusError, match=r"val\.csv is missing"):
            read_qualispeech(write(tmp_path, a_row()), "validation")

    def test_unknown_split(self, tmp_path):
        with pytest.raises(ValueError, match="dev"):
            read_qualispeech(tmp_path, "dev")

    def test_missing_column(self, tmp_path):
        (tmp_path / "test.csv").write_text("id,Speed\na.wav,3\n")
        with pytest.raises(CorpusError, match="column Naturalness, Background noise"):
            list(read_qualispeech(tmp_path, "test"))

    @pytest.mark.parametrize("score", ["6", "0", "fine"])
    def test_bad_score(self, tmp_path, score):
        write(tmp_path, a_row(), a_row(Continuity=score))
        with pytest.raises(CorpusError, match=rf"test\.csv, line 3: Continuity is '{score}'"):
            list(read_qualispeech(tmp_path, "test"))

    def test_clip_without_overall_quality(self, tmp_path):
        with pytest.raises(CorpusError, match="line 2: Overall quality is ''"):
            one(tmp_path, Overall_quality="")

    def test_missing_score_is_counted(self, tmp_path, caplog):
        assert set(one(tmp_path, Speed="").ratings) == set(RUBRIC_OF.values()) - {"speed"}
        assert "QualiSpeech test: 1 of 1 rows lack one of the seven scores" in caplog.text

    def test_name_without_an_ending(self, tmp_path):
        clip = one(tmp_path, id="1234")
        assert clip.path.endswith("/wav/test/1234.wav")
        assert clip.system is None


class TestDataSet:
    def test_shape_of_the_csv(self, tmp_path):
        Dataset.from_list([a_row()]).save_to_disk(tmp_path / "set")
        (clip,) = read_qualispeech(tmp_path / "set", "validation", root="/d")
        assert clip.path == "/d/wav/val/sys01tts-0000000.wav"
        assert clip.ratings["mos"] == Rating(4.0)

    def test_shape_of_the_card(self, tmp_path):
        scores = {"noise": 5, "distortion": 3, "speed": 3, "continuity": 4, "effort": 4, "naturalness": 2, "overall": 3}
        row = {"audio_path": "x/a.wav", "scores": scores, "descriptions": {"noise": "hiss 0 s - 1 s"}}
        Dataset.from_list([row]).save_to_disk(tmp_path / "set")
        (clip,) = read_qualispeech(tmp_path / "set", "train")
        assert set(clip.ratings) == set(RUBRIC_OF.values())
        assert clip.path == "x/a.wav"
        assert clip.extra["noise_spans"] == [[0.0, 1.0]]
