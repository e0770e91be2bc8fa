"""The reader of SpeechJudge-Data, on rows with its published fields."""

import json

import pytest
from datasets import Audio, Dataset

from audio_judge.corpora import CorpusError
from audio_judge.corpora.speechjudge import from_dataset, read_speechjudge


def a_row(**changes):
    row = {
        "index": 7, "subset": "regular", "language_setting": "en2en", "chosen": True, "prompt": "p.wav",
        "prompt_text": "hi", "target_text": "hello there", "audioA": "a.wav", "audioB": "b.wav",
        "rater": ["r1", "r2", "r3"], "audioA_text_accuracy": ["1", "0", "1"],
        "audioB_text_accuracy": ["True", "0.5", "1.0"],
        "naturalness_annotation": ["A+2", "A+1 (slightly better)", "Tie (about the same)"],
        "naturalness_label": "A", "gemini-2.5-flash": "B",
    }  # fmt: skip
    return row | changes


def pair_of(**changes):
    (pair,) = from_dataset([a_row(**changes)], "train")
    return pair


class TestFromDataset:
    def test_pair(self):
        pair = pair_of()
        assert pair.preferences == {"naturalness": "A"}
        assert (pair.first.path, pair.second.path, pair.first.split) == ("a.wav", "b.wav", "train")
        assert pair.first.extra == {"text_accuracy": [1.0, 0.0, 1.0], "text": "hello there"}
        assert pair.second.extra["text_accuracy"] == [1.0, 0.5, 1.0]

    def test_votes(self):
        extra = pair_of().extra
        assert extra["margins"] == [2, 1, 0]
        assert (extra["margin"], extra["margin_std"], extra["votes"]) == (1.0, 1.0, 3)
        assert extra["raters"] == ["r1", "r2", "r3"]
        assert extra["chosen"] is True
        assert extra["gemini-2.5-flash"] == "B"

    @pytest.mark.parametrize("label", ["Tie", "tie"])
    def test_tie(self, label):
        annotations = ["Tie", "Tie (same)", "B+1"]
        assert pair_of(naturalness_label=label, naturalness_annotation=annotations).preferences["naturalness"] == "tie"

    def test_dataset_of_the_hub(self):
        dataset = Dataset.from_list([a_row(), a_row(index=8, naturalness_label="B")])
        pairs = list(from_dataset(dataset, "dev", root="/d"))
        assert pairs[1].first.split == "validation"
        assert pairs[1].extra["prompt"] == "/d/p.wav"

    def test_other_counts_as_training(self):
        (pair,) = from_dataset([a_row()], "other")
        assert pair.first.split == "train"
        assert pair.extra["published_split"] == "other"

    def test_embedded_audio_is_put_into_a_folder(self, tmp_path):
        source = tmp_path / "source.flac"
        source.write_bytes(b"fLaC not decoded")
        row = a_row(audioA=str(source), audioB={"bytes": b"RIFF", "path": None}, prompt=None)
        row["audioA"] = {"bytes": source.read_bytes(), "path": "source.flac"}
        dataset = Dataset.from_list([row]).cast_column("audioA", Audio(decode=False))
        (pair,) = from_dataset(dataset, "train", audio_dir=tmp_path / "out")
        assert pair.first.path == f"{tmp_path}/out/train/7_a.flac"
        assert (tmp_path / "out/train/7_a.flac").read_bytes() == b"fLaC not decoded"
        assert (tmp_path / "out/train/7_b.wav").read_bytes() == b"RIFF"

    def test_raters_without_ratings_are_no_votes(self, caplog):
        extra = pair_of(naturalness_annotation=["A+2", None, ""], audioA_text_accuracy=[None, "1", None]).extra
        assert extra["margins"] == [2]
        assert extra["margin_std"] is None
        assert "1 of 1 rows have a rater without an annotation" in caplog.text
        assert "1 of 1 rows have a rater without a text accuracy of A" in caplog.text

    def test_no_label_takes_the_majority(self, caplog):
        pair = pair_of(naturalness_label=None, naturalness_annotation=["B+1", "B+2", "A+1"])
        assert pair.preferences == {"naturalness": "B"}
        assert "1 of 1 rows have no label; their raters' majority taken" in caplog.text

    def test_no_label_and_no_majority_is_left_out(self, caplog):
        rows = [a_row(naturalness_label="", naturalness_annotation=["B+1", "A+1"])]
        assert list(from_dataset(rows, "train")) == []
        assert "1 of 1 rows left out, no label and no majority" in caplog.text

    def test_label_wins_over_the_raters(self, caplog):
        assert pair_of(naturalness_label="B").preferences == {"naturalness": "B"}
        assert "label that is not their raters' majority" in caplog.text

    def test_only_chosen(self, caplog):
        rows = [a_row(), a_row(chosen=False), a_row(chosen="False")]
        assert len(list(from_dataset(rows, "train", only_chosen=True))) == 1
        assert "2 of 3 rows left out, raters did not agree" in caplog.text

    BAD = (
        ({"naturalness_label": "C"}, "naturalness_label is 'C'"),
        ({"naturalness_annotation": ["A+5"]}, "naturalness_annotation has 'A\\+5'"),
        ({"naturalness_annotation": "A+1"}, "a list with one entry per rater"),
        ({"audioB_text_accuracy": ["lots"]}, "audioB_text_accuracy is 'lots'"),
        ({"audioB": None}, "audioB is empty"),
        ({"chosen": "maybe"}, "chosen is 'maybe'"),
    )

    @pytest.mark.parametrize(("changes", "problem"), BAD)
    def test_bad_row(self, changes, problem):
        with pytest.raises(CorpusError, match=f"SpeechJudge, line 2: .*{problem}"):
            list(from_dataset([a_row(), a_row(**changes)], "train"))

    def test_unknown_split(self):
        with pytest.raises(ValueError, match="val"):
            from_dataset([], "val")


class TestReadSpeechjudge:
    def test_jsonl(self, tmp_path):
        file = tmp_path / "test.jsonl"
        file.write_text(json.dumps(a_row()) + "\n")
        (pair,) = read_speechjudge(file, "test")
        assert pair.second.path == f"{tmp_path}/b.wav"
        assert pair.first.split == "test"

    def test_missing_field(self, tmp_path):
        file = tmp_path / "test.jsonl"
        file.write_text(json.dumps({"index": 1, "audioA": "a.wav"}) + "\n")
        with pytest.raises(CorpusError, match=r"test\.jsonl, line 1: audioB, naturalness_label is missing"):
            list(read_speechjudge(file, "test"))
