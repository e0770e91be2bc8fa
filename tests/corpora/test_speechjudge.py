"""The reader of SpeechJudge-Data, on rows with its published fields."""

import json
from pathlib import Path

import pytest
from datasets import Audio, Dataset, DatasetDict

from audio_judge.corpora import CorpusError
from audio_judge.corpora.speechjudge import read_speechjudge


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


def read(folder, *rows, split="train", **options):
    file = folder / f"{split}.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return list(read_speechjudge(file, split, **options))


@pytest.fixture
def pair_of(tmp_path):
    """The pair of a row with some changes."""
    return lambda **changes: read(tmp_path, a_row(**changes))[0]


class TestReadSpeechjudge:
    def test_pair(self, pair_of, tmp_path):
        pair = pair_of()
        assert pair.preferences == {"naturalness": "A"}
        assert (pair.first.path, pair.second.path) == (f"{tmp_path}/a.wav", f"{tmp_path}/b.wav")
        assert pair.first.split == "train"
        assert pair.first.extra == {"text_accuracy": [1.0, 0.0, 1.0], "text": "hello there"}
        assert pair.second.extra["text_accuracy"] == [1.0, 0.5, 1.0]

    def test_votes(self, pair_of):
        extra = pair_of().extra
        assert extra["margins"] == [2, 1, 0]
        assert (extra["margin"], extra["margin_std"], extra["votes"]) == (1.0, 1.0, 3)
        assert extra["raters"] == ["r1", "r2", "r3"]
        assert extra["chosen"] is True
        assert extra["gemini-2.5-flash"] == "B"

    @pytest.mark.parametrize("label", ["Tie", "tie"])
    def test_tie(self, pair_of, label):
        annotations = ["Tie", "Tie (same)", "B+1"]
        assert pair_of(naturalness_label=label, naturalness_annotation=annotations).preferences["naturalness"] == "tie"

    @pytest.mark.parametrize("split", ["dev", "validation"])
    def test_dev_is_our_validation(self, split, tmp_path):
        (pair,) = read(tmp_path, a_row(), split=split, root="/d")
        assert (pair.first.split, pair.extra["published_split"]) == ("validation", "dev")
        assert pair.extra["prompt"] == "/d/p.wav"

    def test_other_counts_as_training(self, tmp_path):
        (pair,) = read(tmp_path, a_row(), split="other")
        assert pair.first.split == "train"
        assert pair.extra["published_split"] == "other"

    def test_raters_without_ratings_are_no_votes(self, pair_of, caplog):
        extra = pair_of(naturalness_annotation=["A+2", None, ""], audioA_text_accuracy=[None, "1", None]).extra
        assert extra["margins"] == [2]
        assert extra["margin_std"] is None
        assert "1 of 1 rows have a rater without an annotation" in caplog.text
        assert "1 of 1 rows have a rater without a text accuracy of A" in caplog.text

    def test_no_label_takes_the_majority(self, pair_of, caplog):
        pair = pair_of(naturalness_label=None, naturalness_annotation=["B+1", "B+2", "A+1"])
        assert pair.preferences == {"naturalness": "B"}
        assert "1 of 1 rows have no label; their raters' majority taken" in caplog.text

    def test_no_label_and_no_majority_is_left_out(self, caplog, tmp_path):
        assert read(tmp_path, a_row(naturalness_label="", naturalness_annotation=["B+1", "A+1"])) == []
        assert "1 of 1 rows left out, no label and no majority" in caplog.text

    def test_label_wins_over_the_raters(self, pair_of, caplog):
        assert pair_of(naturalness_label="B").preferences == {"naturalness": "B"}
        assert "label that is not their raters' majority" in caplog.text

    def test_only_chosen(self, caplog, tmp_path):
        rows = [a_row(), a_row(chosen=False), a_row(chosen="False")]
        assert len(read(tmp_path, *rows, only_chosen=True)) == 1
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
    def test_bad_row(self, changes, problem, tmp_path):
        with pytest.raises(CorpusError, match=rf"train\.jsonl, line 2: .*{problem}"):
            read(tmp_path, a_row(), a_row(**changes))

    def test_unknown_split(self, tmp_path):
        with pytest.raises(ValueError, match="val"):
            read(tmp_path, a_row(), split="val")

    def test_missing_field(self, tmp_path):
        with pytest.raises(CorpusError, match=r"train\.jsonl, line 1: audioB, naturalness_label is missing"):
            read(tmp_path, {"index": 1, "audioA": "a.wav"})


class TestDataSet:
    def test_sounds_inside_become_files_named_by_their_content(self, tmp_path, monkeypatch):
        monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
        sounds = {"audioA": {"bytes": b"fLaC", "path": "a.flac"}, "audioB": {"bytes": b"RIFF", "path": None}}
        rows = Dataset.from_list([a_row(prompt=sounds["audioB"], **sounds)]).cast_column("audioA", Audio())
        DatasetDict({"dev": rows, "other": rows}).save_to_disk(tmp_path / "set")
        (pair,) = read_speechjudge(f"{tmp_path}/set:dev", "dev")
        assert pair.first.path.endswith(".flac")
        assert Path(pair.first.path).read_bytes() == b"fLaC"
        assert pair.second.path == pair.extra["prompt"]
        assert len([path for path in (tmp_path / "cache").rglob("*") if path.is_file()]) == 2
        (again,) = read_speechjudge(f"{tmp_path}/set:other", "other")
        assert again.first.path == pair.first.path
