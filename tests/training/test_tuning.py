import pytest
import torch
from tiny import audio_config
from transformers import AutoModel

from audio_judge.training.tuning import hear_once


class TestHearOnce:
    @pytest.fixture
    def tower(self):
        torch.manual_seed(0)
        return AutoModel.from_config(audio_config("audio_judge_encoder")).requires_grad_(False).eval()

    def test_frames_are_those_of_the_encoder(self, tower):
        features, mask = torch.randn(2, 80, 64), torch.ones(2, 80, dtype=torch.long)
        wanted = tower(features, attention_mask=mask).last_hidden_state
        hear_once(tower)
        torch.testing.assert_close(tower(features, attention_mask=mask).last_hidden_state, wanted, atol=0.1, rtol=0.05)

    def test_a_clip_is_not_heard_again(self, tower):
        hear_once(tower)
        features, mask = torch.randn(1, 80, 64), torch.ones(1, 80, dtype=torch.long)
        first = tower(features, attention_mask=mask).last_hidden_state
        with torch.no_grad():
            tower.input_proj.weight.zero_()
        assert torch.equal(tower(features, attention_mask=mask).last_hidden_state, first)

    def test_padding_does_not_make_another_clip(self, tower):
        hear_once(tower)
        clip = torch.randn(1, 60, 64)
        first = tower(clip, attention_mask=torch.ones(1, 60, dtype=torch.long)).last_hidden_state
        padded, mask = torch.cat([clip, torch.zeros(1, 20, 64)], 1), torch.tensor([[1] * 60 + [0] * 20])
        assert torch.equal(tower(padded, attention_mask=mask).last_hidden_state[:, : first.shape[1]], first)

    def test_an_encoder_that_is_trained_has_to_be_heard(self, tower):
        with pytest.raises(ValueError, match="trainable"):
            hear_once(tower.requires_grad_(True))
