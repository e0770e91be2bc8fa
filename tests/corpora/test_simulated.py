import sys

import numpy as np
import pytest
import soundfile
from sources import SPEAKERS, write_sources

from audio_judge.clips import Rating
from audio_judge.corpora import simulate, simulated

HEARD = np.ones((7, 200), dtype=np.float32)
SCORES = {"mos": 3.0, "noisiness": 2.0, "discontinuity": 4.0, "coloration": 6.0, "loudness": 0.5}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_sources(tmp_path_factory.mktemp("data"))


@pytest.fixture
def sources(data, monkeypatch):
    monkeypatch.setattr(simulate, "PROMPTS", data / "none")
    monkeypatch.setattr(simulate, "CONTENT", {"speech": 0.9, "noise": 0.05, "silence": 0.05})
    return simulate.list_sources([data], data / "none")


@pytest.fixture
def fake_teachers(sources, monkeypatch):
    """Teachers that cost nothing, and threads instead of processes, so that they are the ones called."""
    monkeypatch.setattr(simulate, "nisqa", lambda clips: ([dict(SCORES)] * len(clips), np.ones((len(clips), 7, 64))))
    monkeypatch.setattr(simulate, "distill_mos", lambda clips, *_, **__: ([2.5] * len(clips), [HEARD] * len(clips)))
    monkeypatch.setattr(simulate, "in_processes", lambda work, jobs, _: (work(*job) for job in jobs))
    monkeypatch.setattr(simulate, "_sources", lambda _: sources)
    monkeypatch.setattr(simulate, "list_sources", lambda _: sources)


def a_row(**changes):
    scores = {f"nisqa_{axis}": value for axis, value in SCORES.items()}
    return {"content": "speech", "distill_mos": 2.5, "causes": [], "estoi": None} | scores | changes


class TestListSources:
    def test_reads_the_manifest(self, data, sources):
        assert len(sources) == 20
        assert sources[0] == simulate.Source(str(data / "anna-0.wav"), "speech", "train", "tones", "anna")

    def test_impulse_responses_are_split_by_file(self, sources):
        splits = [source.split for source in sources if source.kind == "rir"]
        assert splits == ["train", "train", "validation", "test"]

    def test_prompts_of_the_russian_voice_are_for_validation(self, data, tmp_path):
        for voice in ("en_US_f_Allison", "ru_RU_f_IvrvoiceRU"):
            (tmp_path / "sounds" / voice).mkdir(parents=True)
            (tmp_path / "sounds" / voice / "hello.g722").write_bytes(bytes(9_000))
        prompts = [s for s in simulate.list_sources([data], tmp_path / "sounds") if s.kind == "prompt"]
        assert {(p.speaker, p.split) for p in prompts} == {
            ("en_US_f_Allison", "train"),
            ("ru_RU_f_IvrvoiceRU", "validation"),
        }

    @pytest.mark.parametrize(
        ("name", "size"),
        [
            ("hello.g722", 4_000),  # half a second
            ("beep.g722", 9_000),
            ("ascending-2tone.g722", 9_000),
        ],
    )
    def test_what_is_not_a_sentence_is_left_out(self, data, tmp_path, name, size):
        (tmp_path / "sounds" / "en").mkdir(parents=True)
        (tmp_path / "sounds" / "en" / name).write_bytes(bytes(size))
        assert not [s for s in simulate.list_sources([data], tmp_path / "sounds") if s.kind == "prompt"]

    def test_folders_are_listed_one_after_the_other(self, data, tmp_path):
        (tmp_path / "manifest.csv").write_text("path,kind,split,source,speaker\n0.flac,synthetic,train,piper,joe\n")
        both = simulate.list_sources([data, tmp_path], data / "none")
        assert both[:-1] == simulate.list_sources([data], data / "none")
        assert both[-1] == simulate.Source(str(tmp_path / "0.flac"), "synthetic", "train", "piper", "joe")

    def test_no_manifest_is_named(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"manifest\.csv: no manifest"):
            simulate.list_sources([tmp_path])


class TestMakeClip:
    def test_depends_on_seed_split_and_index_only(self, sources):
        row, samples, _ = simulate.make_clip(sources, "train", 0, 5)
        again, same, _ = simulate.make_clip(sources, "train", 0, 5)
        assert row == again
        np.testing.assert_array_equal(samples, same)

    @pytest.mark.parametrize(("split", "seed", "index"), [("train", 0, 6), ("train", 1, 5), ("validation", 0, 5)])
    def test_differs_for_another(self, sources, split, seed, index):
        _, _, original = simulate.make_clip(sources, "train", 0, 5)
        _, _, other = simulate.make_clip(sources, split, seed, index)
        assert not np.array_equal(original, other)

    @pytest.mark.parametrize("split", ["train", "validation", "test", "test_held_out"])
    def test_speakers_are_those_of_the_split(self, sources, split):
        rows = [simulate.make_clip(sources, split, 0, index)[0] for index in range(12)]
        allowed = {name for name, own in SPEAKERS if own == split.split("_")[0]}
        assert {row["speaker"] for row in rows if row["content"] == "speech"} <= allowed
        assert any(row["content"] == "speech" for row in rows)

    def test_wild_sources_train_and_validate_nothing(self):
        assert "wild" not in simulate.CONTENT

    @pytest.mark.parametrize(("split", "listed"), [("wild_validation", "train"), ("wild_test", "test")])
    def test_wild_splits_are_the_files_as_they_are(self, data, sources, split, listed):
        row, samples, original = simulate.make_clip(sources, split, 0, 0)
        recorded, _ = soundfile.read(data / f"wild-{listed}.wav")
        assert (row["source"], row["causes"], len(samples)) == ("wild", [], 3 * len(recorded))
        assert samples is original

    def test_held_out_clips_are_all_degraded(self, sources):
        rows = [simulate.make_clip(sources, "test_held_out", 0, index)[0] for index in range(8)]
        assert all(row["causes"] for row in rows if row["content"] == "speech")

    def test_some_clips_are_not_degraded(self, sources):
        rows = [simulate.make_clip(sources, "train", 0, index)[0] for index in range(40)]
        clean = [row for row in rows if row["content"] == "speech" and not row["causes"]]
        assert 0 < len(clean) < len(rows) / 2


class TestOriginal:
    def test_most_speech_is_near_26_db_below_full_scale(self, sources):
        own = [source for source in sources if source.split == "train" and source.kind == "speech"]
        rng = np.random.default_rng(0)
        originals = [simulate._original(own, "train", rng) for _ in range(40)]
        levels = [20 * np.log10(simulate.active_level(o.samples, 48_000)) for o in originals if o.kind == "speech"]
        assert np.median(levels) == pytest.approx(-26, abs=1.5)
        assert np.ptp(levels) > 6

    def test_crops_are_two_and_a_half_to_six_seconds(self, sources):
        own = [source for source in sources if source.split == "train" and source.kind == "speech"]
        rng = np.random.default_rng(0)
        lengths = [len(simulate._original(own, "train", rng).samples) / 48_000 for _ in range(20)]
        assert min(lengths) >= 2.5
        assert max(lengths) <= 6.0


class TestWriteSimulated:
    def test_writes_clip_states_and_row(self, data, fake_teachers, tmp_path):
        assert simulate.write_simulated([data], tmp_path, "train", clips=3) == 3
        for row in simulated.read_rows(tmp_path / "train"):
            information = soundfile.info(tmp_path / row["path"])
            assert (information.samplerate, information.subtype) == (48_000, "PCM_16")
            assert information.duration == pytest.approx(row["seconds"], abs=1e-3)
            assert np.load(tmp_path / row["states"]).dtype == np.float16
            assert np.load(tmp_path / row["distill_states"]).shape == HEARD.shape

    def test_some_degraded_clips_keep_their_original(self, data, fake_teachers, tmp_path):
        simulate.write_simulated([data], tmp_path, "train", clips=10)
        kept = [row["reference"] for row in simulated.read_rows(tmp_path / "train") if row["reference"]]
        assert 0 < len(kept) <= 3
        assert all((tmp_path / path).exists() for path in kept)

    def test_goes_on_where_it_stopped(self, data, fake_teachers, tmp_path):
        simulate.write_simulated([data], tmp_path, "train", clips=2)
        assert simulate.write_simulated([data], tmp_path, "train", clips=5) == 3
        assert sorted(row["index"] for row in simulated.read_rows(tmp_path / "train")) == [0, 1, 2, 3, 4]

    @pytest.mark.parametrize("split", ["wild_validation", "wild_test"])
    def test_a_wild_split_ends_with_its_files(self, data, fake_teachers, tmp_path, split):
        assert simulate.write_simulated([data], tmp_path, split, clips=100) == 1

    def test_a_clip_that_cannot_be_made_is_reported_and_left_out(
        self, data, fake_teachers, tmp_path, monkeypatch, capsys
    ):
        def refuse(*_):
            raise ValueError("snr_db is nan")

        monkeypatch.setattr(simulate, "make_clip", refuse)
        assert simulate.write_simulated([data], tmp_path, "train", clips=1) == 0
        assert "train 0: skipped, snr_db is nan" in capsys.readouterr().out

    def test_unknown_split_is_named(self, data, tmp_path):
        with pytest.raises(ValueError, match="split is 'dev'; choose one of train"):
            simulate.write_simulated([data], tmp_path, "dev", clips=1)


class TestMain:
    def test_what_is_missing_is_said_before_work_begins(self, data, tmp_path, monkeypatch, capsys):
        monkeypatch.setattr(sys, "argv", ["simulate", "--data", str(data), "--out", str(tmp_path / "corpus")])
        monkeypatch.setattr(simulate.shutil, "which", lambda _: None)
        monkeypatch.setattr(simulate, "check_installed", lambda *_: None)
        with pytest.raises(SystemExit) as stopped:
            simulate.main()
        assert stopped.value.code == 2
        assert "apt-get install espeak-ng flite" in capsys.readouterr().err
        assert not (tmp_path / "corpus").exists()


class TestTargets:
    def test_average_clip_gets_the_mean_of_the_two_means(self):
        row = a_row(nisqa_mos=simulated.NISQA_SCALE[0], distill_mos=simulated.DISTILL_MOS_SCALE[0])
        expected = (simulated.NISQA_SCALE[0] + simulated.DISTILL_MOS_SCALE[0]) / 2
        assert simulated.targets(row)["mos"] == Rating(pytest.approx(expected))

    def test_both_teachers_count_the_same(self):
        (nisqa_mean, nisqa_std), (distill_mean, distill_std) = simulated.NISQA_SCALE, simulated.DISTILL_MOS_SCALE
        first = a_row(nisqa_mos=nisqa_mean + nisqa_std / 2, distill_mos=distill_mean - distill_std / 2)
        second = a_row(nisqa_mos=nisqa_mean - nisqa_std / 2, distill_mos=distill_mean + distill_std / 2)
        assert simulated.targets(first)["mos"].value == pytest.approx(simulated.targets(second)["mos"].value)

    def test_other_rubrics_are_nisqas_within_the_scale(self):
        values = {rubric: rating.value for rubric, rating in simulated.targets(a_row(content="wild")).items()}
        del values["mos"], values["distortion"]
        assert values == {"noisiness": 2.0, "discontinuity": 4.0, "coloration": 5.0, "loudness": 1.0}

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            ("silence", {"mos": 1.0, "loudness": 1.0}),
            ("noise", {"mos": 1.0, "noisiness": 1.0}),
            ("music", {"mos": 1.5}),
        ],
    )
    def test_what_is_known_replaces_the_teachers(self, content, expected):
        ratings = simulated.targets(a_row(content=content))
        assert {rubric: rating.value for rubric, rating in ratings.items()} == expected

    def test_distortion_is_the_worst_of_three(self):
        assert simulated.targets(a_row())["distortion"].value == SCORES["noisiness"] == 2.0

    def test_intelligibility_follows_extended_stoi_and_undegraded_speech_has_it(self):
        values = [simulated.targets(a_row(estoi=estoi))["intelligibility"].value for estoi in (0.1, 0.4, 0.675, 0.95)]
        assert values == pytest.approx([1, 1, 3, 5])
        assert simulated.targets(a_row())["intelligibility"].value == 5
        assert "intelligibility" not in simulated.targets(a_row(causes=[{"kind": "noise"}]))

    def test_nisqa_has_no_say_about_made_up_voices(self):
        low, high = a_row(content="voice", nisqa_mos=1.0), a_row(content="voice", nisqa_mos=5.0)
        assert simulated.targets(low)["mos"] == simulated.targets(high)["mos"]


class TestReadSimulated:
    def test_yields_what_was_written(self, data, fake_teachers, tmp_path):
        simulate.write_simulated([data], tmp_path, "train", clips=10)
        clips = list(simulated.read_simulated(tmp_path, "train"))
        rows = simulated.read_rows(tmp_path / "train")
        assert [clip.path for clip in clips] == [str(tmp_path / row["path"]) for row in rows]
        assert [len(clip.causes) for clip in clips] == [len(row["causes"]) for row in rows]
        assert {clip.split for clip in clips} == {"train"}
        assert clips[0].extra["distill_mos"] == 2.5
        assert np.load(clips[0].extra["distill_states"]).shape == HEARD.shape

    def test_wild_test_is_test_by_another_name(self, data, fake_teachers, tmp_path):
        simulate.write_simulated([data], tmp_path, "wild_test", clips=1)
        (clip,) = simulated.read_simulated(tmp_path, "wild_test")
        assert (clip.split, clip.corpus) == ("test", "simulated/wild_test")

    def test_an_absent_split_is_named(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="no such split; make it with"):
            next(simulated.read_simulated(tmp_path, "train"))
