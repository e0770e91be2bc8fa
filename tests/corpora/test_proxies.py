"""Proxy corpora, made of synthetic clips."""

import json

import numpy as np
import pytest
import soundfile

from audio_judge.corpora import proxies
from audio_judge.corpora.corpus import Corpus
from audio_judge.corpora.proxies import write_proxies
from audio_judge.rubrics.rubric import PROXY_RUBRICS

RATE = 16_000


@pytest.fixture
def clean(tmp_path):
    """Eight modulated tones of half a second."""
    (tmp_path / "clean").mkdir()
    time = np.arange(RATE // 2) / RATE
    paths = [tmp_path / "clean" / f"{k}.wav" for k in range(8)]
    for k, path in enumerate(paths):
        soundfile.write(path, np.sin(time * 2 * np.pi * (150 + 50 * k)) * np.sin(20 * time) / 4, RATE)
    return paths


def rows(table):
    return [json.loads(line) for line in table.read_text().splitlines()]


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.suffix in (".wav", ".jsonl")
    }


class TestWriteProxies:
    @pytest.mark.parametrize("name", PROXY_RUBRICS)
    def test_readers_take_the_table(self, name, clean, tmp_path):
        report = write_proxies(clean, name, tmp_path / "out", seed=1)
        assert (report.made, report.kept, report.failed) == (8, 0, ())
        columns = {"path": "path", "ratings": {name: "score"}, "reference": "reference"}
        clips = list(Corpus("table", str(report.table), options={"columns": columns}).read())
        assert [clip.reference for clip in clips] == [str(path) for path in clean]
        assert all(len(soundfile.read(clip.path)[0]) == RATE // 2 for clip in clips)
        scores = [clip.ratings[name].value for clip in clips]
        assert min(scores) == PROXY_RUBRICS[name].low < max(scores)
        assert [score > min(scores) for score in scores] == [bool(row["causes"]) for row in rows(report.table)]

    @pytest.mark.parametrize("untreated", [0.0, 1.0])
    def test_share_of_untreated_clips(self, untreated, clean, tmp_path):
        report = write_proxies(clean, "reverberation", tmp_path / "out", seed=0, untreated=untreated)
        assert all((row["score"] == 1) == (untreated == 1) for row in rows(report.table))

    def test_a_stopped_run_goes_on_to_the_same_files(self, clean, tmp_path, monkeypatch):
        whole = write_proxies(clean, "reverberation", tmp_path / "whole", seed=2)
        make, made = proxies.make_proxy_clips, []

        def stopped(clips, *arguments, **options):
            if len(made) == 3:
                raise KeyboardInterrupt
            made.append(1)
            return make(clips, *arguments, **options)

        monkeypatch.setattr(proxies, "make_proxy_clips", stopped)
        with pytest.raises(KeyboardInterrupt):
            write_proxies(clean, "reverberation", tmp_path / "parts", seed=2)
        monkeypatch.undo()
        table = tmp_path / "parts" / "reverberation.jsonl"
        table.write_bytes(table.read_bytes()[:-9])  # as if killed while writing the third row
        report = write_proxies(clean, "reverberation", tmp_path / "parts", seed=2)
        assert (report.made, report.kept) == (6, 2)
        assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
        assert write_proxies(clean, "reverberation", whole.table.parent, seed=2).made == 0

    def test_another_seed_makes_other_clips(self, clean, tmp_path):
        scores = [
            [row["score"] for row in rows(write_proxies(clean, "reverberation", tmp_path / str(seed), seed=seed).table)]
            for seed in (0, 100)
        ]
        assert scores[0] != scores[1]

    def test_clips_that_cannot_be_used_are_reported_and_tried_again(self, clean, tmp_path):
        good = clean[2].read_bytes()
        clean[2].write_bytes(b"no sound")
        report = write_proxies(clean, "whispering", tmp_path / "out", seed=0)
        assert (report.made, len(report.failed)) == (7, 1)
        assert str(clean[2]) in report.failed[0]
        clean[2].write_bytes(good)
        assert write_proxies(clean, "whispering", tmp_path / "out", seed=0).made == 1

    @pytest.mark.parametrize("change", [{"seed": 9}, {"untreated": 0.1}, {"clean": slice(1, None)}])
    def test_refuses_to_go_on_with_other_settings(self, change, clean, tmp_path):
        write_proxies(clean, "whispering", tmp_path, seed=0)
        others = clean[change.pop("clean", slice(None))]
        with pytest.raises(ValueError, match=r"whispering.jsonl, line 1: made of other clips"):
            write_proxies(others, "whispering", tmp_path, **{"seed": 0} | change)

    @pytest.mark.parametrize("line", ["{}", "[1]", "no json"])
    def test_refuses_a_table_that_is_not_ours(self, line, clean, tmp_path):
        (tmp_path / "whispering.jsonl").write_text(line + "\n")
        with pytest.raises(ValueError, match="line 1: not a row"):
            write_proxies(clean, "whispering", tmp_path, seed=0)

    @pytest.mark.parametrize("wrong", [{"name": "charm"}, {"untreated": 1.5}])
    def test_unusable_requests(self, wrong, clean, tmp_path):
        with pytest.raises(ValueError, match=str(next(iter(wrong.values())))):
            write_proxies(clean, **{"name": "whispering", "folder": tmp_path, "seed": 0} | wrong)

    def test_refuses_a_table_another_run_is_writing(self, clean, tmp_path):
        with (
            proxies.FileLock(f"{tmp_path / 'whispering.jsonl'}.lock"),
            pytest.raises(RuntimeError, match="another run"),
        ):
            write_proxies(clean, "whispering", tmp_path, seed=0)
