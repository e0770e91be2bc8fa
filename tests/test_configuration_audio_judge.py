"""The configuration: what it takes, what it writes, and how many frames each encoder makes."""

import json

import pytest
import torch
from tiny import ENCODERS, audio_config, make_feature_extractor, text_config
from transformers import AutoConfig, SeamlessM4TFeatureExtractor, WhisperFeatureExtractor

from audio_judge import AudioJudgeConfig, AudioJudgeEncoderConfig
from audio_judge.configuration_audio_judge import (
    AUDIO_ENCODERS,
    audio_encoder,
    audio_frame_steps,
    count_frames,
    encoder_of_extractor,
)


class TestAudioJudgeConfig:
    def test_defaults_hold_the_small_encoder(self):
        config = AudioJudgeConfig()
        assert isinstance(config.audio_config, AudioJudgeEncoderConfig)
        assert (config.adapter, config.adapter_tokens, config.text_config.model_type) == ("pooled_linear", 128, "llama")

    @pytest.mark.parametrize("kind", ENCODERS)
    @pytest.mark.parametrize("adapter", ["pooled_linear", "bottleneck"])
    def test_round_trip(self, kind, adapter, tmp_path):
        config = AudioJudgeConfig(
            audio_config=audio_config(kind), text_config=text_config(100), adapter=adapter, adapter_tokens=7,
            adapter_bottleneck_ratio=2, audio_token_id=90, question_token_id=91,
        )  # fmt: skip
        config.save_pretrained(tmp_path)
        loaded = AudioJudgeConfig.from_pretrained(tmp_path)
        assert loaded.to_dict() == config.to_dict()
        assert type(loaded.audio_config) is type(config.audio_config)

    def test_saved_file_says_which_encoder_and_which_code(self, tmp_path):
        AudioJudgeConfig().save_pretrained(tmp_path)
        saved = json.loads((tmp_path / "config.json").read_text())
        assert saved["audio_config"]["model_type"] == "audio_judge_encoder"
        assert set(saved["auto_map"]) == {
            "AutoConfig", "AutoModel", "AutoModelForCausalLM", "AutoModelForMultimodalLM", "AutoModelForDecision",
        }  # fmt: skip

    def test_sub_configs_as_dicts(self):
        config = AudioJudgeConfig(
            audio_config=audio_config("wavlm").to_dict(), text_config=text_config(100).to_dict(), adapter="bottleneck"
        )
        assert (config.audio_config.model_type, config.text_config.vocab_size) == ("wavlm", 100)

    @pytest.mark.parametrize("tie", [True, False])
    def test_ties_as_the_language_model_does(self, tie):
        assert AudioJudgeConfig(text_config=text_config(100, tie=tie)).tie_word_embeddings is tie

    def test_unknown_adapter(self):
        with pytest.raises(ValueError, match="pooled_linear, bottleneck, got 'qformer'"):
            AudioJudgeConfig(adapter="qformer")

    @pytest.mark.parametrize(
        ("given", "reason"),
        [
            ({"adapter": "bottleneck", "pooled_spread": True}, "only the adapter `pooled_linear` pools"),
            ({"layer_weights": True}, "our own encoders hand on their last layer only"),
            ({"cut_window": True}, "a 'audio_judge_encoder' encoder has no window that can be cut"),
        ],
    )
    def test_refuses_what_cannot_act(self, given, reason):
        with pytest.raises(ValueError, match=reason):
            AudioJudgeConfig(**given)

    def test_image_token_is_the_audio_token(self):
        assert AudioJudgeConfig(audio_token_id=5).image_token_id == 5

    def test_package_registers_it(self, tmp_path):
        AudioJudgeConfig(audio_token_id=5).save_pretrained(tmp_path)
        assert AutoConfig.from_pretrained(tmp_path).audio_token_id == 5


class TestAudioEncoders:
    @pytest.mark.parametrize("kind", ENCODERS)
    def test_saved_processor_finds_the_entry_of_its_encoder(self, kind):
        assert encoder_of_extractor(make_feature_extractor(kind)) is audio_encoder(audio_config(kind))

    def test_own_class_of_a_known_feature_extractor(self):
        class Louder(WhisperFeatureExtractor):
            pass

        assert encoder_of_extractor(Louder()) is AUDIO_ENCODERS["whisper"]

    def test_unknown_feature_extractor(self):
        with pytest.raises(ValueError, match="A SeamlessM4TFeatureExtractor is not known"):
            encoder_of_extractor(SeamlessM4TFeatureExtractor())


class TestAudioFrameSteps:
    def test_unknown_encoder(self):
        with pytest.raises(ValueError, match="'llama' encoder is not known"):
            audio_frame_steps(text_config(100))

    @pytest.mark.parametrize(
        ("kind", "length", "frames"),
        [
            ("audio_judge_encoder", 101, 26),  # 10 ms frames, two strides of 2
            ("audio-spectrogram-transformer", 128, 12),  # patches of 16 every 10
            ("whisper", 200, 100),  # one stride of 2
            ("wavlm", 16_000, 50),  # strides of 20 and 16
            ("pe_audio_encoder", 48_000, 25),  # 25 Hz at 48 kHz
        ],
    )
    def test_frames_of_each_encoder(self, kind, length, frames):
        assert count_frames(length, audio_frame_steps(audio_config(kind))) == frames


class TestCountFrames:
    def test_tensors_as_ints(self):
        steps = [[10, 5, 0], [3, 2, 1]]
        lengths = torch.arange(20, 60)
        assert count_frames(lengths, steps).tolist() == [count_frames(n, steps) for n in range(20, 60)]

    def test_equals_a_convolution(self):
        steps = [[10, 5, 0], [3, 2, 1]]
        x = torch.zeros(1, 1, 57)
        for kernel, stride, padding in steps:
            x = torch.nn.functional.conv1d(x, torch.ones(1, 1, kernel), stride=stride, padding=padding)
        assert count_frames(57, steps) == x.shape[-1]
