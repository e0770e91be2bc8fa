"""Heads on Whisper's states: what they hear, and that they learn from votes."""

import json

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

from audio_judge.training.votes import RUBRICS, VoteHeads, WhisperStates, loud_frames, train_votes

RATE = 16_000


@pytest.fixture
def heads():
    torch.manual_seed(0)
    made = VoteHeads(4, 3)
    with torch.no_grad():
        made.speech.weight.copy_(torch.tensor([[1.0, 0, 0, 0]]))  # the first state says whether it is speech
        made.speech.bias.zero_()
    return made


def spoken(frames, seed=0):
    states = torch.randn(1, frames, 4, generator=torch.Generator().manual_seed(seed))
    states[..., 0] = 1
    return states


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    """A tiny Whisper with a folder of its own."""
    folder = tmp_path_factory.mktemp("whisper")
    torch.manual_seed(0)
    config = WhisperConfig(
        vocab_size=16,
        d_model=16,
        encoder_layers=4,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        num_mel_bins=80,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    WhisperModel(config).save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=80).save_pretrained(folder)
    return folder


class TestVoteHeads:
    def test_a_score_per_rubric(self, heads):
        assert heads(spoken(20), torch.ones(1, 20)).shape == (1, 3)

    def test_the_batch_changes_nothing(self, heads):
        short, long = spoken(20), spoken(33, seed=1)
        states = torch.cat([torch.nn.functional.pad(short, (0, 0, 0, 13), value=7.0), long])
        mask = torch.ones(2, 33)
        mask[0, 20:] = 0
        together = heads(states, mask)
        assert torch.allclose(together[0], heads(short, torch.ones(1, 20))[0], atol=1e-5)

    def test_silence_around_the_speech_is_not_heard(self, heads):
        silence = torch.zeros(1, 10, 4)
        silence[..., 0] = -1
        padded = torch.cat([silence, spoken(20), silence], dim=1)
        assert torch.allclose(heads(padded, torch.ones(1, 40)), heads(spoken(20), torch.ones(1, 20)), atol=1e-5)

    def test_a_pause_is_heard(self, heads):
        paused = spoken(40)
        paused[:, 15:25, 0] = -1
        speech, stretch = heads.find_speech(paused, torch.ones(1, 40))
        assert (int(speech.sum()), int(stretch.sum())) == (30, 40)

    def test_a_clip_without_speech_has_scores(self, heads):
        states = -spoken(5)
        assert heads(states, torch.ones(1, 5)).isfinite().all()


class TestWhisperStates:
    def test_as_many_frames_as_the_clip_is_long(self, whisper):
        assert WhisperStates(whisper)(np.zeros(RATE, np.float32)).shape == (25, 16)

    def test_states_of_a_full_window_are_those_of_transformers(self, whisper):
        samples = np.random.default_rng(0).normal(size=30 * RATE).astype(np.float32)
        model = WhisperModel.from_pretrained(whisper).eval()
        features = WhisperFeatureExtractor(feature_size=80)(samples, sampling_rate=RATE, return_tensors="pt")
        with torch.no_grad():
            wanted = model.encoder(features.input_features, output_hidden_states=True).hidden_states[3]
        found = WhisperStates(whisper)(samples)
        assert torch.allclose(found, wanted[0].unflatten(0, (-1, 2)).mean(1), atol=1e-4)


def test_loud_frames():
    rng = np.random.default_rng(0)
    samples = 0.001 * rng.normal(size=RATE)
    samples[RATE // 2 :] *= 100
    assert loud_frames(samples, 25).tolist() == [False] * 12 + [True] * 13


class TestTrainVotes:
    @pytest.fixture(scope="class")
    def trained(self, whisper, tmp_path_factory):
        folder = tmp_path_factory.mktemp("rated")
        rng = np.random.default_rng(0)
        rows = ["path,split,rubric,scale_low,scale_high,votes"]
        for index in range(30):
            # Who reads higher reads better
            vote = 1 + index % 9
            tone = np.sin(np.arange(RATE // 2) * 0.05 * vote) * 0.3 + rng.normal(size=RATE // 2) * 0.01
            soundfile.write(folder / f"{index}.wav", np.concatenate([tone, tone[: 400 * (index % 4)]]), RATE)
            split = ("train", "train", "validation", "train", "test")[index % 5]
            rows += [f"{index}.wav,{split},{told},0,{high},{vote * high / 10}" for told, high in TABLE.items()]
        (folder / "ratings.csv").write_text("\n".join(rows) + "\n")
        out = folder / "out"
        return out, train_votes(folder / "ratings.csv", whisper, out), folder

    def test_learns(self, trained):
        _, found, _ = trained
        assert found["report"]["fluency"]["test"] > 0.8

    def test_writes_layers_and_heads(self, trained):
        out, found, _ = trained
        weights = load_file(out / "model.safetensors")
        assert weights["heads.scores.weight"].shape == (len(RUBRICS), 4 * 16 + 2)
        assert weights["encoder.layers.2.fc1.weight"].dtype == torch.float16
        assert not any("layers.3" in name for name in weights)
        assert json.loads((out / "config.json").read_text())["rubrics"] == list(RUBRICS) == found["rubrics"]

    def test_is_the_same_again(self, trained, whisper):
        out, _, folder = trained
        train_votes(folder / "ratings.csv", whisper, folder / "again")
        again, once = (load_file(place / "model.safetensors") for place in (folder / "again", out))
        assert all(torch.equal(again[name], value) for name, value in once.items())


# Rubrics as a table calls them, to the high end of their scales
TABLE = {"fluency": 10, "prosodic": 10, "accuracy": 10, "completeness": 1, "total": 10, "intelligibility": 1}
