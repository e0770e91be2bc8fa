import json

import pytest
import torch
from safetensors.torch import load_file
from sources import label_cheaply, write_corpus, write_sources
from transformers import AutoModel

from audio_judge import AudioJudgeFeatureExtractor, AudioJudgeNisqaConfig, AudioJudgeNisqaEncoder
from audio_judge.training import encoders
from audio_judge.training.encoder_data import TEACHERS, Batch
from audio_judge.training.encoders import STATE, EncoderArguments, train_encoder

SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
SMALL |= {"conv_channels": (4, 4, 4, 4, 4), "conv_time_strides": (2, 2, 1, 1, 1)}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_sources(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def corpus(data, tmp_path_factory):
    return write_corpus(data, tmp_path_factory.mktemp("corpus"))


@pytest.fixture
def start(data, corpus, monkeypatch):
    """`start(output, **changes)`: five steps of two clips, saved at every second."""
    label_cheaply(monkeypatch, data)
    monkeypatch.setattr(encoders, "OWN", SMALL)

    def run(output, **changes):
        options = {"steps": 5, "batch_size": 2, "report_steps": 2, "decay": 0.5} | changes
        train_encoder(EncoderArguments(corpus=[corpus], output=output, **options))

    return run


@pytest.fixture
def stop(monkeypatch):
    """`stop(step)`: have the next run end in the middle of the step after."""

    def at(step):
        learn = encoders.Run.learn

        def interrupted(run, *arguments):
            if run.step == step:
                monkeypatch.setattr(encoders.Run, "learn", learn)
                raise KeyboardInterrupt
            return learn(run, *arguments)

        monkeypatch.setattr(encoders.Run, "learn", interrupted)

    return at


class TestRelevelled:
    def test_a_changed_clip_keeps_what_a_level_does_not_change(self):
        names = [*encoders.AXES, *encoders.score_names(TEACHERS)]
        real = torch.ones(2, 4, dtype=torch.bool)
        states = {name: (torch.zeros(2, 4, teacher.size), real) for name, teacher in TEACHERS.items()}
        features = torch.tensor([-79.0, 0.0]).repeat(2, 4, 1)
        batch = Batch(features, torch.ones(2, 4), states, torch.full((2, len(names)), 3.0))
        changed = encoders.relevelled(batch, torch.tensor([0.0, -6.0]))
        assert changed.features[0].tolist() == features[0].tolist()
        assert changed.features[1].unique().tolist() == [-80, -6]
        assert changed.ratings[0].isfinite().all()
        unknown = {name for name, value in zip(names, changed.ratings[1], strict=True) if value.isnan()}
        assert unknown == {"mos", "loudness", "nisqa_mos", "level"}
        assert changed.states["nisqa"][1].any(1).tolist() == [True, False]
        assert changed.states["causes"][1].all()


class TestTrainEncoder:
    @pytest.mark.parametrize("is_live", [False, True], ids=["disk", "live"])
    def test_a_resumed_run_ends_like_one_that_ran_through(self, start, stop, data, tmp_path, is_live):
        changes = {"live": [data]} if is_live else {}
        start(tmp_path / "through", **changes)
        stop(3)
        with pytest.raises(KeyboardInterrupt):
            start(tmp_path / "stopped", **changes)
        start(tmp_path / "stopped", resume=True, **changes)
        for name in ("model.safetensors", STATE):
            through, resumed = (load_file(tmp_path / folder / name) for folder in ("through", "stopped"))
            assert through.keys() == resumed.keys()
            assert all((through[key] == resumed[key]).all() for key in through), name

    def test_another_run_is_not_gone_on_with(self, start, tmp_path):
        start(tmp_path, steps=1)
        with pytest.raises(ValueError, match=r"a run with seed 0, not 1; give what it had"):
            start(tmp_path, steps=1, seed=1, resume=True)

    def test_without_a_state_it_begins(self, start, tmp_path):
        start(tmp_path, steps=1, resume=True)
        assert (tmp_path / STATE).exists()

    def test_a_stopped_save_leaves_the_one_of_before(self, start, tmp_path, monkeypatch):
        start(tmp_path, steps=1)
        before = (tmp_path / STATE).read_bytes()

        def cut(_, path, **__):
            path.write_bytes(b"half")
            raise KeyboardInterrupt

        monkeypatch.setattr(encoders, "save_file", cut)
        with pytest.raises(KeyboardInterrupt):
            start(tmp_path, steps=1)
        assert (tmp_path / STATE).read_bytes() == before

    def test_a_branch_begins_anew_for_other_teachers(self, start, tmp_path):
        nisqa = tmp_path / "nisqa"
        AudioJudgeNisqaEncoder(AudioJudgeNisqaConfig()).save_pretrained(nisqa)
        AudioJudgeFeatureExtractor(views=["nisqa"]).save_pretrained(nisqa)
        start(tmp_path / "one", start=str(nisqa), branch_size=32, steps=1)
        start(tmp_path / "two", start=str(tmp_path / "one"), branch_size=32, steps=1, teachers=[*TEACHERS])
        report = json.loads((tmp_path / "two" / "distillation.json").read_text())
        assert "vocoder" in report
        assert AutoModel.from_pretrained(tmp_path / "two").config.branch_scores == 2 + len(TEACHERS["causes"].scores)
