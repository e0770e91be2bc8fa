"""Heads on Whisper's states: what they hear, and that they learn from votes."""

import json

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file
from transformers import AutoModel, WhisperConfig, WhisperFeatureExtractor, WhisperModel

from audio_judge import AudioJudgeSpokenConfig
from audio_judge.modeling_audio_judge import SpokenScores
from audio_judge.training.votes import RUBRICS, WhisperStates, loud_frames, train_votes

RATE = 48_000


@pytest.fixture
def heads():
    torch.manual_seed(0)
    made = SpokenScores(AudioJudgeSpokenConfig(hidden_size=4, num_scores=3))
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


class TestSpokenScores:
    def test_a_score_per_rubric(self, heads):
        assert heads(spoken(20)).shape == (1, 3)

    def test_silence_around_the_speech_is_not_heard(self, heads):
        silence = torch.zeros(1, 10, 4)
        silence[..., 0] = -1
        padded = torch.cat([silence, spoken(20), silence], dim=1)
        assert torch.allclose(heads(padded), heads(spoken(20)), atol=1e-5)

    def test_a_pause_is_heard(self, heads):
        paused = spoken(40)
        paused[:, 15:25, 0] = -1
        speech, stretch = heads.find_speech(paused)
        assert (int(speech.sum()), int(stretch.sum())) == (30, 40)

    def test_a_clip_without_speech_has_scores(self, heads):
        states = -spoken(5)
        assert heads(states).isfinite().all()


class TestWhisperStates:
    def test_as_many_frames_as_the_clip_is_long(self, whisper):
        assert WhisperStates(whisper, 1)(np.zeros(RATE, np.float32)).shape == (25, 16)

    def test_states_of_a_full_window_are_those_of_transformers(self, whisper):
        narrow = np.random.default_rng(0).normal(size=30 * 16_000).astype(np.float32)
        model, hear = WhisperModel.from_pretrained(whisper).eval(), WhisperStates(whisper, 1)
        features = WhisperFeatureExtractor(feature_size=80)(narrow, sampling_rate=16_000, return_tensors="pt")
        with torch.no_grad():
            wanted = model.encoder(features.input_features, output_hidden_states=True).hidden_states[3]
            mel = hear.extractor.whisper_mel(torch.from_numpy(narrow))
            # Ours has a last frame that begins where the clip ends
            found = hear.encoder.hear(torch.nn.functional.pad(mel, (0, 0, 0, 1))[None])
        assert torch.allclose(found[0], wanted[0].unflatten(0, (-1, 2)).mean(1), atol=1e-3)


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
            tone = np.sin(np.arange(8000) * 0.05 * vote) * 0.3 + rng.normal(size=8000) * 0.01
            soundfile.write(folder / f"{index}.wav", np.concatenate([tone, tone[: 400 * (index % 4)]]), 16_000)
            split = ("train", "train", "validation", "train", "test")[index % 5]
            rows += [f"{index}.wav,{split},{told},0,{high},{vote * high / 10}" for told, high in TABLE.items()]
        (folder / "ratings.csv").write_text("\n".join(rows) + "\n")
        out = folder / "out"
        return out, train_votes(folder / "ratings.csv", whisper, out), folder

    def test_learns(self, trained):
        _, found, _ = trained
        assert found["report"]["fluency"]["test"] > 0.8

    def test_writes_an_encoder_that_says_what_it_learned_from(self, trained):
        out, found, _ = trained
        encoder = AutoModel.from_pretrained(out)
        assert encoder(torch.randn(1, 101, 80)).scores.shape == (1, len(RUBRICS))
        assert any("speechocean762" in source for source in encoder.config.attributions)
        assert json.loads((out / "votes.json").read_text())["rubrics"] == list(RUBRICS) == found["rubrics"]

    def test_is_the_same_again(self, trained, whisper):
        out, _, folder = trained
        train_votes(folder / "ratings.csv", whisper, folder / "again")
        again, once = (load_file(place / "model.safetensors") for place in (folder / "again", out))
        assert all(torch.equal(again[name], value) for name, value in once.items())


# Rubrics as a table calls them, to the high end of their scales
TABLE = {"fluency": 10, "prosodic": 10, "accuracy": 10, "completeness": 1, "total": 10, "intelligibility": 1}
