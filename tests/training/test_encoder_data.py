import math
import pickle

import numpy as np
import pytest
import soundfile
import torch
from sources import label_cheaply, write_corpus, write_sources

from audio_judge import AudioJudgeFeatureExtractor
from audio_judge.batch import lines
from audio_judge.clips import Cause
from audio_judge.corpora import blends, simulate, simulated
from audio_judge.training import encoder_data
from audio_judge.training.encoder_data import AXES, STREAM, DistillationSet, LiveSet

BOTH = ["nisqa", "distill_mos"]
ALL = [*BOTH, "causes"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_sources(tmp_path_factory.mktemp("data"))


@pytest.fixture(autouse=True)
def cheap(monkeypatch, data):
    label_cheaply(monkeypatch, data)


@pytest.fixture(scope="module")
def corpus(data, tmp_path_factory):
    """Six training and three validation clips on disk, of seed 0, with a blend of each kind."""
    folder = write_corpus(data, tmp_path_factory.mktemp("corpus"))
    labels = [{"index": i, "dnsmos_bak": 2 + i / 4, "dnsmos_ovrl": 2 + i / 5, "plcmos": 4 - i / 6} for i in range(6)]
    (folder / "extra").mkdir()
    lines.write(folder / "extra" / "train_mos.jsonl", labels)
    for kind in blends.RECIPES:
        blends.write_targets(folder, kind)
    return folder


def live(data, corpus, kind="teachers", teachers=BOTH, **options):
    return LiveSet([data], AudioJudgeFeatureExtractor(), teachers, kind, corpus, **options)


def same(one, other):
    assert torch.equal(one.features, other.features)
    assert one.states.keys() == other.states.keys()
    assert all(torch.equal(one.states[name], other.states[name]) for name in one.states)
    torch.testing.assert_close(one.ratings, other.ratings, rtol=0, atol=0, equal_nan=True)


class TestLiveSet:
    def test_clips_are_those_that_a_corpus_of_the_seed_has(self, data, corpus):
        stored = DistillationSet([corpus], "train", AudioJudgeFeatureExtractor(), ALL, "teachers")
        made = live(data, corpus, teachers=ALL)
        assert stored.clips == 6
        for row, item in zip(simulated.read_rows(corpus / "train"), stored.items, strict=True):
            same(made[row["index"]], item)

    def test_another_seed_makes_others(self, data, corpus):
        assert not torch.equal(live(data, corpus)[0].ratings, live(data, corpus, seed=1)[0].ratings)

    def test_batches_go_on_from_any(self, data, corpus):
        steady = live(data, corpus).batches(2)
        next(steady)
        wanted, later = next(steady), next(live(data, corpus).batches(2, first=1))
        assert torch.equal(later.features, wanted.features)
        assert torch.equal(later.ratings, wanted.ratings)

    def test_travels_to_workers(self, data, corpus):
        made = live(data, corpus, "listeners")
        same(pickle.loads(pickle.dumps(made))[1], made[1])

    def test_teachers_that_are_not_needed_are_not_asked(self, data, corpus, monkeypatch):
        def refuse(_):
            raise AssertionError("NISQA was asked")

        monkeypatch.setattr(simulate, "nisqa", refuse)
        item = live(data, corpus, "open", ["distill_mos"])[0]
        assert item.states.keys() == {"distill_mos"}
        assert item.ratings[: len(AXES)].isfinite().all()

    def test_an_impossible_clip_is_replaced_and_counted(self, data, corpus, monkeypatch):
        made = live(data, corpus)
        expected = made.make(1 + STREAM)
        hear = encoder_data.hear_clip

        def fail(sources, split, seed, number):
            if number == 1:
                raise ValueError("snr_db is nan")
            return hear(sources, split, seed, number)

        monkeypatch.setattr(encoder_data, "hear_clip", fail)
        same(made[1], expected)
        assert next(made.batches(2)).replaced == 1

    def test_a_stream_without_clips_says_why(self, data, corpus, monkeypatch):
        def fail(*_):
            raise ValueError("snr_db is nan")

        monkeypatch.setattr(encoder_data, "hear_clip", fail)
        with pytest.raises(RuntimeError, match="clip 3 and 9 in its place cannot be made: snr_db is nan"):
            live(data, corpus)[3]


class TestRatingFunction:
    def test_rates_as_targets_were_written(self, corpus):
        rate, teachers = encoder_data.rating_function("listeners", corpus)
        clips = simulated.read_simulated(corpus, "validation", "listeners")
        rows = simulated.read_rows(corpus / "validation")
        assert teachers == set(BOTH)
        for row, clip in zip(rows, clips, strict=True):
            integers, _ = soundfile.read(clip.path, dtype="int16")
            states = {name: np.load(clip.extra[simulated.STATES[name]]) for name in BOTH}
            found = {name: rating.value for name, rating in rate(row, states, integers).items()}
            assert found == pytest.approx({name: one.value for name, one in clip.ratings.items()}, abs=2e-4)

    def test_without_a_fit_it_says_what_to_do(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"blend_open\.json: no such blend; fit it .* --kind open"):
            encoder_data.rating_function("open", tmp_path)


class TestDistillationSet:
    def test_batches_go_on_from_any(self, corpus):
        stored = DistillationSet([corpus], "train", AudioJudgeFeatureExtractor(), BOTH, "teachers", seed=3)
        whole, rest = list(stored.batches(2, epoch=1)), list(stored.batches(2, epoch=1, first=1))
        assert len(whole) == 3
        assert all(torch.equal(a.ratings, b.ratings) for a, b in zip(whole[1:], rest, strict=True))


class TestCauses:
    """What was done to a clip, as one of its teachers."""

    def test_scores_say_how_bad_each_is(self):
        worst = Cause("clipping", {"fraction": 0.5})
        scores = encoder_data.cause_scores([worst, Cause("echo", {})], 48_000, "real")
        assert scores.pop("clipping") == pytest.approx(1.5)  # 0.8 of the way from 3.5 to 1
        assert set(scores.values()) == {5.0}  # what is unknown to training says nothing

    def test_without_a_label_nothing_is_said_about_fakes(self):
        assert math.isnan(encoder_data.cause_scores([], 48_000, None)["fake"])
        assert encoder_data.cause_scores([], 48_000, "fake")["fake"] == 1

    def test_states_say_when(self):
        lost = Cause("packet_loss", {"loss_rate": 0.2}, ((0.1, 0.2),))
        noisy = Cause("noise", {"snr_db": 10.0})
        heard = encoder_data.states_of({}, [lost, noisy], 24_000, ["causes"])["causes"]
        packet_loss, noise = (heard[:, encoder_data.CAUSES.index(kind)].tolist() for kind in ("packet_loss", "noise"))
        assert packet_loss == [0, 0, 1, 1, 1, *[0] * 7]
        assert noise == [1] * 12
        assert heard.sum() == 15
