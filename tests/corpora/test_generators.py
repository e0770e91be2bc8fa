import csv

import numpy as np
import pytest
import soundfile

from audio_judge.corpora import generators, voices
from audio_judge.degrade.measures import active_level
from audio_judge.eval import benchmarks
from audio_judge.eval.benchmarks import Places

SMALL = {"train": 2, "validation": 1, "test": 2}


def buzz(seconds: float, rate: int, level: float = 0.1) -> np.ndarray:
    """A hundred and fifty pulses a second with a silence before and after."""
    sound = np.zeros(int(seconds * rate), np.float32)
    sound[:: rate // 150] = level
    silence = np.zeros(rate // 2, np.float32)
    return np.concatenate([silence, sound, silence])


def say(split: str, sentence: str, rng: np.random.Generator) -> voices.Spoken:
    return voices.Spoken(buzz(4, 22_050), 22_050, f"piper {split}-voice")


@pytest.fixture
def data(tmp_path):
    """A folder of recordings: four of a person in each split, two of a vocoder."""
    rows = []
    for split in ("train", "validation", "test"):
        for kind, source, count in (("speech", "arctic", 8), ("synthetic", "vocoder-world", 2)):
            for number in range(count):
                path = f"{split}-{source}-{number}.wav"
                soundfile.write(tmp_path / path, buzz(1.0 if number == 0 else 3.5, 16_000), 16_000)
                rows.append((path, kind, split, source, f"{split}-speaker", "en", "CC0"))
    with (tmp_path / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "kind", "split", "source", "speaker", "language", "licence"))
        writer.writerows(rows)
    return tmp_path


@pytest.fixture
def corpus(data, monkeypatch):
    monkeypatch.setattr(generators, "open_engines", lambda *_, **__: {"piper": ({"train": ["ann"]}, say)})
    monkeypatch.setattr(generators, "hibari_voices", lambda: ({"test": ["heart"]}, say))
    out = data / "corpus"
    generators.write_generators(data, out, **SMALL)
    return out


def rows_of(corpus):
    return list(csv.DictReader((corpus / "manifest.csv").open()))


class TestThroughChannel:
    def test_rate_level_and_length_do_not_depend_on_the_recording(self):
        quiet, loud = (
            generators.through_channel(buzz(seconds, rate, level), rate, np.random.default_rng(3))
            for seconds, rate, level in ((3.4, 48_000, 0.01), (5.0, 16_000, 0.8))
        )
        assert len(quiet) == pytest.approx(len(loud), rel=0.02)
        levels = [20 * np.log10(active_level(clip, generators.RATE)) for clip in (quiet, loud)]
        assert levels[0] == pytest.approx(levels[1], abs=1.5)

    def test_nothing_lies_above_the_band(self):
        clip = generators.through_channel(buzz(4, 48_000), 48_000, np.random.default_rng(1))
        power = np.square(np.abs(np.fft.rfft(clip)))
        high = power[int(len(power) * 7.6 / 8) :].mean()
        assert 10 * np.log10(high / power.mean()) < -20

    def test_too_little_speech_makes_no_clip(self):
        assert generators.through_channel(buzz(1.5, 16_000), 16_000, np.random.default_rng(0)) is None


class TestWriteGenerators:
    def test_a_generator_that_is_held_out_is_in_test_only(self, corpus):
        assert {row["split"] for row in rows_of(corpus) if row["generator"] in voices.HELD_OUT} == {"test"}

    def test_people_have_no_generator(self, corpus):
        for row in rows_of(corpus):
            assert (row["label"] == "real") == (row["generator"] == "")

    def test_an_only_voice_is_tested_and_said_to_be_heard(self, corpus):
        heard = {row["voice_heard"] for row in rows_of(corpus) if (row["generator"], row["split"]) == ("piper", "test")}
        assert heard == {"yes"}
        assert {row["voice_heard"] for row in rows_of(corpus) if row["speaker"] == "test-speaker"} == {"no"}

    def test_recordings_that_are_too_short_are_passed_over(self, corpus):
        made = [row for row in rows_of(corpus) if row["generator"] == "world"]
        assert len(made) == 3  # one of two in each split
        assert all(soundfile.info(corpus / row["path"]).samplerate == generators.RATE for row in made)

    def test_goes_on_where_it_stopped(self, data, corpus):
        before = rows_of(corpus)
        generators.write_generators(data, corpus, **SMALL | {"test": 3})
        after = rows_of(corpus)
        assert after[: len(before)] == before
        assert (
            sum(row["generator"] == "piper" for row in after) == sum(row["generator"] == "piper" for row in before) + 1
        )

    def test_what_is_missing_is_said(self, data, monkeypatch, capsys):
        monkeypatch.setattr(generators, "open_engines", lambda *_, **__: {})
        monkeypatch.setitem(generators.sys.modules, "hibari", None)
        generators.write_generators(data, data / "corpus", **SMALL)
        said = capsys.readouterr().err
        assert "piper: no --piper" in said
        assert "pip install hibari-tts" in said

    def test_data_without_a_manifest_are_named(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"manifest\.csv"):
            generators.write_generators(tmp_path / "nowhere", tmp_path / "out")


class TestBenchmark:
    def test_reads_the_test_split_with_generators_as_systems(self, corpus):
        found = benchmarks.items(benchmarks.load("generators_detect"), Places(given={"generators": corpus}))
        assert len(found) == sum(row["split"] == "test" for row in rows_of(corpus))
        for item in found:
            assert item.truth["is_real"] == ("system" not in item.groups)
