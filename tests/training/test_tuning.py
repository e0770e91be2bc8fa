import pytest
import torch
from tiny import audio_config, make_judge, text_config
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from audio_judge.training import tuning
from audio_judge.training.tuning import add_lora, hear_copies_once, hear_once

LLAMA = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 128,
}


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

    def test_an_encoder_of_others_is_refused(self):
        tower = AutoModel.from_config(audio_config("wavlm")).requires_grad_(False)
        with pytest.raises(ValueError, match="encoders of our own, and this is 'wavlm'"):
            hear_once(tower)


class TestHearCopiesOnce:
    @pytest.fixture
    def model(self, backbones):
        return make_judge(backbones)[0].model

    @pytest.fixture
    def clips(self, model):
        """Three clips of which the first comes thrice, and how much of each is real."""
        torch.manual_seed(0)
        features = torch.randn(3, 80, 64)[[0, 1, 0, 2, 0]]
        return features, (torch.arange(80) < torch.tensor([[80], [60], [80], [40], [80]])).long()

    def test_each_gets_its_own_frames(self, model, clips):
        wanted = model.encode_audio(*clips)
        hear_copies_once(model)
        for found, expected in zip(model.encode_audio(*clips), wanted, strict=True):
            torch.testing.assert_close(found, expected)

    def test_copies_are_not_encoded_again(self, model, clips):
        heard = []
        model.audio_tower.register_forward_pre_hook(
            lambda _, given, named: heard.append(len(given[0] if given else next(iter(named.values())))),
            with_kwargs=True,
        )
        hear_copies_once(model)
        model.encode_audio(*clips)
        assert heard == [3]

    def test_clips_that_differ_in_their_length_only_are_no_copies(self, model, clips):
        hear_copies_once(model)
        features, mask = clips[0][:1].repeat(2, 1, 1), torch.tensor([[1] * 80, [1] * 40 + [0] * 40])
        assert model.encode_audio(features, mask)[1].unique().numel() == 2

    def test_the_encoder_learns_from_every_copy(self, model, clips):
        def gradient():
            model.zero_grad()
            model.encode_audio(*clips)[0].square().sum().backward()
            return next(parameter.grad for parameter in model.audio_tower.parameters() if parameter.grad is not None)

        wanted = gradient().clone()
        hear_copies_once(model)
        torch.testing.assert_close(gradient(), wanted, rtol=1e-3, atol=1e-4)


class TestTrainedRows:
    """Rows of an embedding beside a LoRA, as PEFT trains them but without copies and gradients of the whole weight."""

    IDS = torch.tensor([[5, 7, 9, 7, 11]])

    def trained(self, tie, kind="llama"):
        """Logits, and gradients by name."""
        torch.manual_seed(0)
        config = text_config(40, tie)
        if kind == "gemma3_text":  # it scales what it looks up
            config = AutoConfig.for_model(kind, **{**LLAMA, "vocab_size": 40, "head_dim": 16})
        model = AutoModelForCausalLM.from_config(config)
        torch.manual_seed(0)
        wrapped = add_lora(model, r".*\.q_proj", tokens=[7, 11], dropout=0.0)
        logits = wrapped(self.IDS).logits
        logits[0, :-1].log_softmax(-1).gather(1, self.IDS[0, 1:, None]).sum().backward()
        return logits, {name: one.grad for name, one in wrapped.named_parameters() if one.grad is not None}

    @pytest.mark.parametrize(("tie", "kind"), [(True, "llama"), (False, "llama"), (True, "gemma3_text")])
    def test_say_and_learn_what_pefts_do(self, tie, kind, monkeypatch):
        logits, gradients = self.trained(tie, kind)
        monkeypatch.setattr(tuning, "train_rows_alone", lambda model: None)
        usual, wanted = self.trained(tie, kind)
        torch.testing.assert_close(logits, usual)
        assert gradients.keys() == wanted.keys()
        assert any("trainable_tokens" in name for name in gradients)
        for name, one in gradients.items():
            torch.testing.assert_close(one, wanted[name])
