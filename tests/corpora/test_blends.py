import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from audio_judge.corpora import blends, simulated
from audio_judge.corpora.blends import RECIPES, Blend, Clips, Regression

RATE = 48_000
SPLITS = {"train": 40, "validation": 6, "wild_test": 3}


def a_row(index: int, split: str) -> tuple[dict, np.ndarray]:
    """A clip whose packet loss, NISQA's and Distill-MOS's scores and the latter's states all follow one number."""
    rng = np.random.default_rng([index, len(split)])
    rate = round(float(rng.uniform(0.01, 0.4)), 3)
    content = "wild" if split.startswith("wild") else "silence" if index % 10 == 9 else "speech"
    causes = [{"kind": "packet_loss", "parameters": {"loss_rate": rate}, "spans": []}] if content == "speech" else []
    name = f"{index:06d}"
    row = {"index": index, "content": content, "source": "tones", "speaker": f"speaker {index % 7}", "seconds": 0.5}
    row |= {"causes": causes, "reference": None, "estoi": None, "path": f"{split}/clips/{name}.wav"}
    row |= {field: f"{split}/{field}/{name}.npy" for field in ("states", "distill_states")}
    row |= {f"nisqa_{axis}": 4.5 - 5 * rate + rng.normal(0, 0.3) for axis in simulated.NISQA_AXES}
    row |= {"distill_mos": 4.3 - 4 * rate + rng.normal(0, 0.3)}
    return row, rng.normal(-rate, 0.02, (12, 3))


@pytest.fixture
def corpus(tmp_path):
    for split, number in SPLITS.items():
        for folder in ("clips", "states", "distill_states"):
            (tmp_path / split / folder).mkdir(parents=True)
        rows = []
        for index in range(number):
            row, states = a_row(index, split)
            np.save(tmp_path / row["states"], states)
            np.save(tmp_path / row["distill_states"], states)
            sound = 0.07 * np.sin(np.arange(RATE // 2) / 30)
            soundfile.write(tmp_path / row["path"], sound, RATE, subtype="PCM_16")
            rows.append(json.dumps(row))
        (tmp_path / split / "rows.jsonl").write_text("\n".join(rows) + "\n")
    (tmp_path / "extra").mkdir()
    labels = [
        {"index": i, "dnsmos_bak": 3 + i % 3 / 2, "dnsmos_ovrl": 2 + i % 2, "plcmos": 4 - i % 4 / 2} for i in range(30)
    ]
    (tmp_path / "extra" / "train_mos.jsonl").write_text("".join(json.dumps(label) + "\n" for label in labels))
    return tmp_path


def train(corpus) -> Clips:
    return blends.read_clips(corpus, "train", (), ("nisqa", "distill_mos"))[0]


class TestRegression:
    def test_finds_a_line_and_predicts_each_speaker_from_the_others(self):
        rng = np.random.default_rng(0)
        features = rng.normal(size=(200, 5))
        target = features @ np.arange(5) + 2
        ridge, guesses = Regression(features, np.arange(200) % 4).fit(target)
        assert np.corrcoef(ridge.predict(features), target)[0, 1] > 0.99
        assert np.corrcoef(guesses, target)[0, 1] > 0.99
        assert not np.allclose(guesses, ridge.predict(features), atol=1e-3)

    def test_equals_the_textbook(self):
        rng = np.random.default_rng(1)
        features, target = rng.normal(size=(50, 4)), rng.normal(size=50)
        ridge, _ = Regression(features, np.arange(50) % 5).fit(target)
        scaled = (features - features.mean(0)) / (features.std(0) + 1e-6)
        expected = np.linalg.solve(scaled.T @ scaled + ridge.alpha * np.eye(4), scaled.T @ (target - target.mean()))
        np.testing.assert_allclose(ridge.weights, expected, atol=1e-9)

    def test_a_single_speaker_is_predicted_from_itself(self):
        features = np.random.default_rng(2).normal(size=(30, 2))
        ridge, guesses = Regression(features, np.zeros(30)).fit(features[:, 0])
        np.testing.assert_allclose(guesses, ridge.predict(features))


class TestBlend:
    def test_has_nisqas_mean_and_deviation(self, corpus):
        clips = train(corpus)
        _, found = Blend.fit(RECIPES["listeners"], clips)
        speech = clips.speaks
        for axis in ("discontinuity", "coloration"):
            wanted = clips.columns[f"nisqa_{axis}"][speech]
            assert found[axis][speech].mean() == pytest.approx(wanted.mean(), abs=0.05)
            assert found[axis][speech].std() == pytest.approx(wanted.std(), rel=0.05)

    def test_open_does_not_look_at_nisqa(self, corpus):
        clips = train(corpus)
        blind = replace(
            clips,
            columns={name: values for name, values in clips.columns.items() if not name.startswith("nisqa")},
            inputs={name: values for name, values in clips.inputs.items() if name != "nisqa"},
        )
        _, found = Blend.fit(RECIPES["open"], blind)
        _, same = Blend.fit(RECIPES["open"], clips)
        assert all(np.array_equal(found[axis], same[axis]) for axis in found)

    def test_known_loss_moves_discontinuity_where_teachers_agree(self, corpus):
        clips = train(corpus)
        blend, _ = Blend.fit(RECIPES["listeners"], clips)
        worse = replace(
            clips, columns=clips.columns | {"known_discontinuity": clips.columns["known_discontinuity"] - 0.2}
        )
        assert (blend.rate(worse)["discontinuity"] < blend.rate(clips)["discontinuity"])[clips.speaks].all()
        np.testing.assert_array_equal(blend.rate(worse)["noisiness"], blend.rate(clips)["noisiness"])

    def test_where_nothing_is_known_the_states_say_it(self, corpus):
        blend, _ = Blend.fit(RECIPES["listeners"], train(corpus))
        wild, _ = blends.read_clips(corpus, "wild_test", (), ("nisqa", "distill_mos"))
        nothing = replace(wild, rows=[row | {"content": "speech"} for row in wild.rows])
        assert (blend.rate(wild)["discontinuity"] < blend.rate(nothing)["discontinuity"]).all()

    def test_voices_made_by_machines_follow_distill_mos(self, corpus):
        clips = train(corpus)
        blend, _ = Blend.fit(RECIPES["listeners"], clips)
        synthetic = replace(clips, rows=[row | {"content": "synthetic"} for row in clips.rows])
        praised = replace(synthetic, columns=synthetic.columns | {"nisqa_mos": synthetic.columns["nisqa_mos"] + 1})
        np.testing.assert_array_equal(blend.rate(synthetic)["mos"], blend.rate(praised)["mos"])

    def test_is_the_same_after_saving(self, corpus, tmp_path):
        clips = train(corpus)
        blend, _ = Blend.fit(RECIPES["open"], clips)
        blend.save(tmp_path / "blend")
        again = Blend.load(tmp_path / "blend").rate(clips)
        for axis, values in blend.rate(clips).items():
            np.testing.assert_allclose(again[axis], values, atol=1e-4)

    def test_a_missing_label_is_named(self, corpus):
        (corpus / "extra" / "train_mos.jsonl").unlink()
        with pytest.raises(ValueError, match=r"no clip has dnsmos_ovrl.*--label"):
            Blend.fit(RECIPES["open"], train(corpus))

    @pytest.mark.parametrize(("level", "most"), [(-70.0, 1.0), (-55.0, 2.6)])
    def test_speech_that_is_hardly_there_is_not_loud(self, corpus, level, most):
        clips = train(corpus)
        blend, _ = Blend.fit(RECIPES["listeners"], clips)
        soft = replace(clips, levels=np.full(len(clips.rows), level))
        assert blend.rate(soft)["loudness"].max() <= most + 1e-6


class TestWriteTargets:
    @pytest.mark.parametrize("kind", RECIPES)
    def test_every_split_is_read_with_them(self, corpus, kind):
        counts = blends.write_targets(corpus, kind)
        assert counts == {split: (number, 0) for split, number in SPLITS.items()}
        clips = list(simulated.read_simulated(corpus, "validation", targets=kind))
        assert set(clips[0].ratings) == {*simulated.NISQA_AXES, "distortion"}

    def test_clips_without_speech_keep_what_is_known(self, corpus):
        blends.write_targets(corpus, "listeners")
        clips = list(simulated.read_simulated(corpus, "train", targets="listeners"))
        assert {name: rating.value for name, rating in clips[9].ratings.items()} == simulated.KNOWN_RATINGS["silence"]

    def test_the_corpus_names_the_kind_that_is_used(self, corpus):
        before = next(simulated.read_simulated(corpus, "train"))
        blends.write_targets(corpus, "open", is_default=True)
        after = next(simulated.read_simulated(corpus, "train"))
        named = next(simulated.read_simulated(corpus, "train", targets="open"))
        teachers = next(simulated.read_simulated(corpus, "train", targets="teachers"))
        assert after == named != before == teachers

    def test_rows_that_came_later_are_left_out_and_counted(self, corpus, caplog):
        blends.write_targets(corpus, "listeners")
        row = json.loads((corpus / "train" / "rows.jsonl").read_text().splitlines()[0])
        with (corpus / "train" / "rows.jsonl").open("a") as file:
            file.write(json.dumps(row | {"index": 1000}) + "\n")
        assert len(list(simulated.read_simulated(corpus, "train", targets="listeners"))) == SPLITS["train"]
        assert "1 of 41 clips left out" in caplog.text

    def test_rows_without_states_are_left_out(self, corpus):
        with (corpus / "validation" / "rows.jsonl").open("a") as file:
            file.write(json.dumps({"index": 7, "content": "speech"}) + "\n")
        assert blends.write_targets(corpus, "listeners")["validation"] == (6, 1)

    def test_targets_that_were_not_written_are_named(self, corpus):
        with pytest.raises(FileNotFoundError, match="--kind open"):
            next(simulated.read_simulated(corpus, "train", targets="open"))

    def test_nothing_to_fit_on(self, tmp_path):
        with pytest.raises(ValueError, match="no split train"):
            blends.write_targets(tmp_path, "open")
