"""The reader of UrgentMOS, on tiny lists in the layout of the challenge's scripts."""

import json

import pytest
from datasets import Dataset

from audio_judge.clips import Rating
from audio_judge.corpora import CorpusError
from audio_judge.corpora.urgentmos import read_urgentmos

ROW = {
    "audio_path": "/raid/bvcc/sys1/a.wav",
    "system_id": "bvcc_sys1",
    "sample_id": "bvcc_sys1_a",
    "duration": 3.2,
    "metrics": {"mos": 3.25, "utmos": 2.9},
}


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_what_people_said_is_the_rating(tmp_path):
    (clip,) = read_urgentmos(write(tmp_path / "bvcc.jsonl", ROW), "validation")
    assert (clip.path, clip.system, clip.split, clip.corpus) == (ROW["audio_path"], "bvcc_sys1", "validation", "bvcc")
    assert clip.ratings == {"mos": Rating(3.25)}
    assert clip.extra == {"sample_id": "bvcc_sys1_a", "duration": 3.2, "metrics": {"utmos": 2.9}}


def test_clips_are_found_below_the_root(tmp_path):
    (tmp_path / "audio/sys1").mkdir(parents=True)
    (tmp_path / "audio/sys1/a.wav").touch()
    (clip,) = read_urgentmos(write(tmp_path / "x.jsonl", ROW), root=tmp_path / "audio")
    assert clip.path == f"{tmp_path}/audio/sys1/a.wav"


def test_metrics_that_are_named(tmp_path, caplog):
    rows = (ROW, ROW | {"metrics": {"noi": 4.0}}, ROW | {"metrics": {}})
    clips = list(read_urgentmos(write(tmp_path / "x.jsonl", *rows), ratings={"mos": "mos", "noi": "noisiness"}))
    assert [set(clip.ratings) for clip in clips] == [{"mos"}, {"noisiness"}]
    assert "1 of 3 rows left out, no mos nor noi" in caplog.text


def test_out_of_the_scale(tmp_path):
    with pytest.raises(CorpusError, match=r"x\.jsonl, line 1: mos is 7; a number from 1 to 5"):
        list(read_urgentmos(write(tmp_path / "x.jsonl", ROW | {"metrics": {"mos": 7}})))


def test_metrics_of_another_kind(tmp_path):
    with pytest.raises(CorpusError, match="metrics is 'mos'"):
        list(read_urgentmos(write(tmp_path / "x.jsonl", ROW | {"metrics": "mos"})))


def test_a_data_set_has_columns(tmp_path):
    Dataset.from_list([{"audio": "a.wav", "sample_id": "s", "system_id": "t", "mos": 2.0}]).save_to_disk(
        tmp_path / "set"
    )
    (clip,) = read_urgentmos(tmp_path / "set", root="/d")
    assert (clip.path, clip.ratings["mos"].value, clip.system, clip.extra) == ("/d/a.wav", 2.0, "t", {"sample_id": "s"})
