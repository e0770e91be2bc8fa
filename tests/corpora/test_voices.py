import csv
import sys

import numpy as np
import pytest
import soundfile

from audio_judge.corpora import voices

RATE = 8_000


def tone(split: str, sentence: str, rng: np.random.Generator) -> voices.Spoken:
    """A voice that hums: one second a word, at a pitch of its own."""
    time = np.arange(len(sentence.split()) * RATE) / RATE
    return voices.Spoken(np.sin(rng.uniform(500, 900) * time).astype(np.float32), RATE, f"piper {split}-voice")


ENGINES = {"piper": ({"train": ["ann"], "test": ["bob"]}, tone)}


class TestMakeSentence:
    def test_is_one_or_two_sentences_without_gaps(self):
        for seed in range(300):
            sentence = voices.make_sentence(np.random.default_rng(seed))
            assert sentence[0].isupper()
            assert sentence[-1] in ".?"
            assert not set("{}|") & set(sentence)

    def test_hardly_ever_repeats(self):
        rng = np.random.default_rng(0)
        assert len({voices.make_sentence(rng) for _ in range(500)}) > 490


class TestMakeVoice:
    def test_same_seed_and_index_same_clip(self):
        (split, first), (again, second) = (voices.make_voice(ENGINES, 0, 3) for _ in range(2))
        assert (split, first.speaker) == (again, second.speaker)
        np.testing.assert_array_equal(first.samples, second.samples)

    def test_lasts_six_seconds_at_most(self):
        assert len(voices.make_voice(ENGINES, 0, 0)[1].samples) == voices.LONGEST_SECONDS * RATE

    def test_only_splits_that_have_a_voice_are_drawn(self):
        assert {voices.make_voice(ENGINES, 0, index)[0] for index in range(30)} == {"train", "test"}


class TestShareOut:
    def test_no_voice_is_in_two_splits(self):
        splits = voices.share_out([f"voice{index}" for index in range(7)])
        assert [len(splits[name]) for name in ("train", "validation", "test")] == [5, 1, 1]
        assert len({voice for own in splits.values() for voice in own}) == 7


class TestClassical:
    def test_no_voice_is_in_two_splits(self):
        for splits in voices.CLASSICAL.values():
            named = [voice for own in splits.values() for voice in own]
            assert len(named) == len(set(named))

    def test_espeak_speaks(self):
        if not voices.shutil.which("espeak-ng"):
            pytest.skip("espeak-ng is not installed")
        spoken = voices.speak_classical("espeak-ng", "en-us+m1", "Good evening.", np.random.default_rng(0))
        assert spoken.speaker == "espeak-ng en-us+m1"
        assert np.abs(spoken.samples).max() > 0.05


class TestWriteVoices:
    @pytest.fixture(autouse=True)
    def humming(self, monkeypatch):
        monkeypatch.setattr(voices, "open_engines", lambda *_: ENGINES)

    def test_writes_clips_and_their_manifest(self, tmp_path):
        assert voices.write_voices(tmp_path, 3) == 3
        rows = list(csv.DictReader((tmp_path / "manifest.csv").open()))
        assert [row["path"] for row in rows] == ["00000.flac", "00001.flac", "00002.flac"]
        for row in rows:
            assert (row["kind"], row["source"], row["speaker"]) == ("synthetic", "piper", f"{row['split']}-voice")
            assert soundfile.info(tmp_path / row["path"]).duration == pytest.approx(float(row["seconds"]))

    def test_goes_on_where_it_stopped(self, tmp_path):
        voices.write_voices(tmp_path, 2)
        assert voices.write_voices(tmp_path, 5) == 3
        assert len(list(csv.DictReader((tmp_path / "manifest.csv").open()))) == 5


class TestAbsent:
    def test_piper_says_what_to_install(self, monkeypatch, tmp_path):
        monkeypatch.setitem(sys.modules, "piper", None)
        with pytest.raises(ImportError, match="pip install piper-tts"):
            voices.piper_voices(tmp_path)

    def test_kokoro_says_what_to_install(self, monkeypatch, tmp_path):
        monkeypatch.setitem(sys.modules, "kokoro_onnx", None)
        with pytest.raises(ImportError, match="pip install kokoro-onnx"):
            voices.kokoro_voices(tmp_path)

    def test_a_folder_without_a_voice_is_named(self, tmp_path):
        pytest.importorskip("piper")
        with pytest.raises(FileNotFoundError, match="no voice of Piper"):
            voices.piper_voices(tmp_path)

    def test_no_voice_at_all_is_said(self, monkeypatch):
        monkeypatch.setattr(voices.shutil, "which", lambda _: None)
        with pytest.raises(FileNotFoundError, match="no voice at all"):
            voices.open_engines(None, None)
