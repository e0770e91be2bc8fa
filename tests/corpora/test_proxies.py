"""Proxy corpora, made of synthetic clips."""

import json

import numpy as np
import pytest
import soundfile
from filelock import FileLock

from audio_judge.clips import Cause
from audio_judge.corpora import proxies
from audio_judge.corpora.corpus import Corpus
from audio_judge.corpora.proxies import PROXIES, Treatment, make_proxy, proxy_score, write_proxies
from audio_judge.rubrics.rubric import PROXY_RUBRICS

RATE = 16_000


@pytest.fixture
def tone():
    time = np.arange(RATE) / RATE
    return (0.25 * np.sin(2 * np.pi * 220 * time) * (1 + np.sin(2 * np.pi * 3 * time)) / 2).astype(np.float32)


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


class TestProxyScore:
    @pytest.mark.parametrize(("seconds", "score"), [(0.4, 2.0), (1.2, 3.5), (2.0, 5.0), (9.0, 5.0), (0.1, 2.0)])
    def test_is_linear_in_the_parameter(self, seconds, score):
        cause = Cause("reverberation", {"rt60_s": seconds, "drr_db": -3.0})
        assert proxy_score("reverberation", [cause]) == score

    def test_other_causes_do_not_count(self):
        assert proxy_score("reverberation", [Cause("clicks", {"clicks_per_second": 9.0})]) == 1.0

    def test_a_detection_has_two_scores(self):
        weak = Cause("speed", {"factor": 1.3})
        assert (proxy_score("child_voice", []), proxy_score("child_voice", [weak])) == (0.0, 1.0)

    def test_less_signal_over_noise_is_worse(self):
        loud, soft = (Cause("noise", {"snr_db": snr, "colour": "babble"}) for snr in (-5.0, 15.0))
        assert proxy_score("music_distortion", [loud]) > proxy_score("music_distortion", [soft])

    def test_refuses_what_is_no_proxy(self):
        with pytest.raises(ValueError, match="no proxy"):
            proxy_score("production_quality", [])


class TestTreatment:
    @pytest.mark.parametrize("strength", [0.0, 0.25, 1.0])
    def test_strength_reads_back(self, strength):
        for proxy in PROXIES.values():
            for way in proxy.treatments:
                assert way.strength(way.cause(strength)) == pytest.approx(strength, abs=1e-3)

    def test_another_variant_is_not_its_own(self):
        way = Treatment("noise", "snr_db", 20.0, 0.0, {"colour": "hum"})
        assert way.strength(Cause("noise", {"snr_db": 10.0, "colour": "babble"})) is None


class TestMakeProxy:
    @pytest.mark.parametrize("name", PROXIES)
    def test_untreated_is_unchanged_and_lowest(self, name, tone):
        samples, score, causes = make_proxy(tone, RATE, name, seed=0, untreated=1.0)
        np.testing.assert_array_equal(samples, tone)
        assert (score, causes) == (PROXY_RUBRICS[name].low, ())

    @pytest.mark.parametrize("name", PROXIES)
    def test_treated_is_changed_and_scores_higher(self, name, tone):
        for seed in range(4):
            samples, score, causes = make_proxy(tone, RATE, name, seed=seed, untreated=0.0)
            assert len(samples) == len(tone)
            assert np.abs(samples - tone).max() > 0.01
            assert PROXY_RUBRICS[name].low < score <= PROXY_RUBRICS[name].high
            assert len(causes) == 1

    @pytest.mark.parametrize("name", PROXIES)
    def test_score_follows_from_the_causes_that_come_back(self, name, tone):
        for seed in range(4):
            _, score, causes = make_proxy(tone, RATE, name, seed=seed, untreated=0.0)
            assert proxy_score(name, causes) == score

    def test_a_child_has_a_higher_voice(self, tone):
        samples, _, _ = make_proxy(tone, RATE, "child_voice", seed=0, untreated=0.0)
        peak = np.argmax(np.abs(np.fft.rfft(samples))) * RATE / len(samples)
        assert 1.25 * 220 < peak < 1.65 * 220

    def test_same_seed_same_clip(self, tone):
        first, second = (make_proxy(tone, RATE, "music_distortion", seed=3, untreated=0.0) for _ in range(2))
        np.testing.assert_array_equal(first[0], second[0])
        assert first[1:] == second[1:]


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
        make, made = proxies.make_proxy, []

        def stopped(*arguments, **options):
            if len(made) == 3:
                raise KeyboardInterrupt
            made.append(1)
            return make(*arguments, **options)

        monkeypatch.setattr(proxies, "make_proxy", stopped)
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
            FileLock(f"{tmp_path / 'whispering.jsonl'}.lock"),
            pytest.raises(RuntimeError, match="another run"),
        ):
            write_proxies(clean, "whispering", tmp_path, seed=0)
