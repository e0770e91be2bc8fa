"""Leakage is refused, and published sizes and shares are checked."""

from dataclasses import replace

import pytest

from audio_judge.clips import RatedClip, RatedPair
from audio_judge.corpora.splits import (
    SplitError,
    check_disjoint,
    content_hash,
    deal,
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


class TestDeal:
    def splits(self, clips, **shares):
        dealt, together = deal(clips, **shares)
        return [clip.split for clip in dealt], together

    def test_three_to_one_to_one(self):
        splits, together = self.splits([a_clip(f"{k}.wav", "") for k in range(50)])
        assert [splits.count(name) for name in ("train", "validation", "test")] == [30, 10, 10]
        assert together == ()

    def test_no_speaker_and_no_original_is_in_two_splits(self):
        clips = [a_clip(f"{k}.wav", "", speaker=f"s{k % 10}", reference=f"{k % 20}.wav") for k in range(100)]
        dealt, together = deal(clips)
        assert together == ("speaker", "reference")
        assert check_disjoint(dealt, ("path", "speaker", "reference")) == 100

    def test_what_one_system_made_cannot_be_kept_together(self):
        clips = [a_clip(f"{k}.wav", "", system="one", speaker=f"s{k % 10}") for k in range(50)]
        splits, together = self.splits(clips)
        assert (set(splits), together) == ({"train", "validation", "test"}, ("speaker",))

    def test_a_clip_that_is_there_twice_is_in_one_split(self, tmp_path):
        for k in range(20):
            (tmp_path / f"{k}.wav").write_bytes(bytes([k // 2]))
        splits, _ = self.splits([a_clip(str(tmp_path / f"{k}.wav"), "") for k in range(20)])
        assert splits[::2] == splits[1::2]

    def test_clips_linked_by_a_third_one_stay_together(self):
        clips = [a_clip(f"{k}.wav", "", speaker=f"s{k // 2}", reference=f"{(k + 1) // 4}.wav") for k in range(60)]
        dealt, together = deal(clips)
        assert check_disjoint(dealt, together) == 60
