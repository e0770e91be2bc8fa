import logging
from types import SimpleNamespace

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from tiny import audio_config
from torch import nn
from transformers import AutoConfig, AutoModel, TrainerControl, TrainerState, TrainingArguments

from audio_judge.training.checks import CheckedTrainer, TrainedWeights, check_fit, float32_kept, in_float32


class TestFloat32:
    def test_what_is_trained_is_widened_and_the_rest_stays(self):
        model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)).to(torch.bfloat16)
        model[0].requires_grad_(False)
        in_float32(model)
        assert [part.weight.dtype for part in model] == [torch.bfloat16, torch.float32]

    def test_what_a_library_narrows_comes_back_to_the_last_digit(self):
        model = nn.Linear(64, 64)
        before = model.weight.detach().clone()
        with float32_kept(model):
            model.to(torch.bfloat16)
        assert torch.equal(model.weight, before)


class Two(nn.Module):
    """Two layers, of which one may be left out."""

    def __init__(self):
        super().__init__()
        self.used, self.unused = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        return self.used(x).square().sum()


def run(callback, model, tmp_path, rates=(0.1,)):
    """What a trainer calls in the steps of a run, one per learning rate."""
    args = TrainingArguments(output_dir=str(tmp_path), use_cpu=True, max_steps=len(rates))
    state, control = TrainerState(max_steps=len(rates), is_world_process_zero=True), TrainerControl()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad])
    callback.on_train_begin(args, state, control, model=model)
    for rate in rates:
        callback.on_step_begin(args, state, control, model=model)
        optimizer.param_groups[0]["lr"] = rate
        model(torch.ones(3, 4)).backward()
        callback.on_pre_optimizer_step(args, state, control, model=model)
        optimizer.step()
        state.global_step += 1
        callback.on_step_end(args, state, control, model=model)


class TestTrainedWeights:
    def test_chosen_weights_without_a_gradient_are_refused_by_name(self, tmp_path):
        with pytest.raises(ValueError, match=r"2 of 4 .* no gradient: unused.weight, unused.bias"):
            run(TrainedWeights(chosen=True), Two(), tmp_path)

    def test_they_are_named_if_nobody_chose(self, tmp_path, capsys):
        run(TrainedWeights(chosen=False), Two(), tmp_path)
        out = capsys.readouterr().out
        assert "2 tensors get no gradient and stay as they are: unused.weight, unused.bias" in out

    def test_share_that_a_step_changed(self, tmp_path, capsys, caplog):
        model = Two()
        model.unused.requires_grad_(False)
        with torch.no_grad():  # a bias that is too large for a small step
            model.used.bias.fill_(2.0**30)
            model.used.weight.zero_()
        # Its gradient is as large, so the step of the weight is
        run(TrainedWeights(chosen=True), model, tmp_path, rates=(1e-9,))
        assert "step 1 changed 80.0% of the trained weights" in capsys.readouterr().out
        assert "step 1 left 1 whole tensors as they were: used.bias" in caplog.text

    def test_first_step_that_changes_anything(self, tmp_path, capsys, caplog):
        model = Two()
        model.unused.requires_grad_(False)
        run(TrainedWeights(chosen=True), model, tmp_path, rates=(0.1, 0.0, 0.0, 0.1, 0.1))
        assert capsys.readouterr().out == "step 4 changed 100.0% of the trained weights\n"
        assert not caplog.text

    def test_no_warning_if_all_of_it_moves(self, tmp_path, capsys, caplog):
        model = Two()
        model.unused.requires_grad_(False)
        with caplog.at_level(logging.WARNING):
            run(TrainedWeights(chosen=True), model, tmp_path)
        assert "step 1 changed 100.0% of the trained weights" in capsys.readouterr().out
        assert not caplog.text

    def test_lora_that_its_model_walks_round_is_refused(self, tmp_path):
        """WavLM takes the weights of its projections itself."""
        tower = AutoModel.from_config(audio_config("wavlm"))
        tower = get_peft_model(tower, LoraConfig(r=2, target_modules=r".*\.q_proj"))

        class Judge(nn.Module):
            def __init__(self):
                super().__init__()
                self.tower = tower

            def forward(self, _):
                return self.tower(torch.randn(1, 8000)).last_hidden_state.sum()

        with pytest.raises(ValueError, match=r"4 of 4 tensors .*q_proj\.lora_A\.weight"):
            run(TrainedWeights(chosen=True), Judge(), tmp_path)


class TestCheckFit:
    def test_names_what_was_not_used(self):
        check_fit("checkpoint-1", {"missing": [], "unexpected": set()})
        with pytest.raises(ValueError, match=r"checkpoint-1: .* does not fit the model: unexpected a\.b, c"):
            check_fit("checkpoint-1", {"missing": [], "unexpected": {"c", "a.b"}})


ARGS = SimpleNamespace(should_save=True)


class Base:
    """The part of a trainer that saves and loads."""

    is_deepspeed_enabled = is_fsdp_enabled = False

    def __init__(self, model, args):
        self.model, self.args = model, args

    def _save(self, output_dir=None, state_dict=None):
        self.model.save_pretrained(output_dir)


class Trainer(CheckedTrainer, Base):
    pass


class TestCheckedTrainer:
    @pytest.fixture(params=["audio-spectrogram-transformer", "qwen2_moe"])
    def saved(self, request, tmp_path):
        torch.manual_seed(0)
        if request.param == "qwen2_moe":
            sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1}
            sizes |= {"num_experts": 2, "moe_intermediate_size": 8, "shared_expert_intermediate_size": 8}
            config = AutoConfig.for_model("qwen2_moe", vocab_size=64, num_experts_per_tok=1, **sizes)
        else:
            config = audio_config(request.param)
        trainer = Trainer(model=AutoModel.from_config(config), args=ARGS)
        trainer._save(str(tmp_path / "checkpoint-1"))
        return trainer, tmp_path / "checkpoint-1"

    def test_names_of_older_versions_are_understood(self, saved):
        """The file calls the layers of an AST as the first transformers did, and has an expert's weights one by one."""
        trainer, folder = saved
        assert set(load_file(folder / "model.safetensors")) != set(trainer.model.state_dict())
        before = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
        with torch.no_grad():
            for parameter in trainer.model.parameters():
                parameter.zero_()
        trainer.state = SimpleNamespace(best_model_checkpoint=str(folder))
        trainer._load_best_model()
        assert all(torch.equal(before[name], tensor) for name, tensor in trainer.model.state_dict().items())

    def test_what_does_not_fit_is_refused(self, saved):
        trainer, folder = saved
        file = folder / "model.safetensors"
        save_file(load_file(file) | {"surplus.weight": torch.zeros(1)}, file, {"format": "pt"})
        with pytest.raises(ValueError, match=r"unexpected surplus\.weight"):
            trainer._load_from_checkpoint(str(folder))

    def test_what_was_trained_in_float32_is_loaded_in_it(self, tmp_path):
        model = AutoModel.from_config(audio_config("audio-spectrogram-transformer")).to(torch.bfloat16)
        model.requires_grad_(False)
        model.layernorm.requires_grad_(True)
        in_float32(model)
        Trainer(model=model, args=ARGS)._save(str(tmp_path))
        assert AutoModel.from_pretrained(tmp_path).layernorm.weight.dtype == torch.float32
