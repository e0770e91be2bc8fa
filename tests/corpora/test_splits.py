"""Leakage is refused, and published sizes and shares are checked."""

from dataclasses import replace

import pytest

from audio_judge.clips import RatedClip, RatedPair
from audio_judge.corpora.splits import (
    SplitError,
    check_disjoint,
    content_hash,
)


def a_clip(path="a.wav", split="train", **changes):
    return RatedClip(path, {}, split, **({"corpus": "own"} | changes))


class TestCheckDisjoint:
    def test_disjoint(self):
        assert check_disjoint([a_clip(), a_clip("b.wav", "test"), a_clip()]) == 3

    def test_same_path(self):
        with pytest.raises(SplitError, match=r"1 path in more than one split: a\.wav \(test, train\)"):
            check_disjoint([a_clip(), a_clip("./a.wav", "test")])

    def test_tasks_of_different_splits(self):
        # The same clip may be assessed and improved in training, but not be a test of another task.
        assess, suggest = (a_clip(extra={"task": task}) for task in ("SingleEval", "Suggest"))
        assert check_disjoint([assess, suggest]) == 2
        with pytest.raises(SplitError, match=r"a\.wav"):
            check_disjoint([assess, replace(suggest, split="test")])

    def test_clip_of_a_pair(self):
        pair = RatedPair(a_clip("b.wav", "test"), a_clip("a.wav", "test"), {})
        with pytest.raises(SplitError, match=r"a\.wav"):
            check_disjoint([a_clip(), pair])

    @pytest.mark.parametrize("name", ["speaker", "system", "condition"])
    def test_shared_attribute(self, name):
        clips = [a_clip(**{name: "x"}), a_clip("b.wav", "test", **{name: "x"})]
        with pytest.raises(SplitError, match=rf"1 {name} in more than one split: x \(test: b\.wav, train: a\.wav\)"):
            check_disjoint(clips, ["path", name])

    def test_warning_in_place_of_an_error(self, caplog):
        clips = [a_clip(system="x"), a_clip("b.wav", "test", system="x")]
        assert check_disjoint(clips, warned=["system", "path"]) == 2
        assert "1 system in more than one split: x (test: b.wav, train: a.wav)" in caplog.text

    def test_what_a_corpus_shares_on_purpose(self):
        facts = {"system": "x", "speaker": "y", "shared": ("speaker", "system")}
        assert check_disjoint([a_clip(**facts), a_clip("b.wav", "test", **facts)], ["speaker", "system"]) == 2
        with pytest.raises(SplitError, match="1 path"):
            check_disjoint([a_clip(**facts), a_clip(split="test", **facts)], ["path", "speaker"])

    def test_unknown_speakers_are_not_shared(self):
        assert check_disjoint([a_clip(), a_clip("b.wav", "test")], ["speaker"]) == 2

    def test_same_content(self, tmp_path):
        for name in ("a.wav", "b.wav"):
            (tmp_path / name).write_bytes(b"same")
        clips = [a_clip(f"{tmp_path}/a.wav"), a_clip(f"{tmp_path}/b.wav", "test")]
        assert check_disjoint(clips) == 2
        with pytest.raises(SplitError, match=r"1 content in more than one split.*b\.wav"):
            check_disjoint(clips, ["content"])

    def test_missing_file(self, tmp_path):
        with pytest.raises(SplitError, match="no such file"):
            content_hash(tmp_path / "a.wav")

    def test_names_three_and_counts_all(self):
        clips = [a_clip(f"{i}.wav", split) for split in ("train", "test") for i in range(9)]
        with pytest.raises(SplitError, match="9 path") as error:
            check_disjoint(clips)
        assert str(error.value).count(".wav") == 3

    def test_unknown_field(self):
        with pytest.raises(ValueError, match="known: path"):
            check_disjoint([], ["name"])
