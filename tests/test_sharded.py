"""Two steps on two CPU processes of what the documents show with `accelerate launch`; what does not go together is refused."""

import re
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
import soundfile
import torch
import yaml
from accelerate import state
from accelerate.commands import launch
from accelerate.utils import DistributedType
from accelerate.utils.launch import prepare_deepspeed_cmd_env, prepare_multi_gpu_env
from forked import forked_together, run_script
from native_models import qwen2_audio
from safetensors.torch import load_file
from test_train_sft import SMALL, changed_weights, command, proxy_mixture, whole_arguments
from tiny import make_backbones, make_judge, tone, write_simulated
from transformers import AutoModelForCausalLM
from transformers.integrations import deepspeed
from trl import DPOConfig, TrlParser

from audio_judge import AudioJudgeForCausalLM
from audio_judge.data.files import write_examples
from audio_judge.training.arguments import check_sharding, settle_precision, sharding
from audio_judge.training.checks import CheckedTrainer
from audio_judge.training.tuning import last_checkpoint, whole_weights

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
import train_alld  # noqa: E402

CONFIGURATIONS = ROOT / "recipes" / "accelerate"


def environment(name):
    """What `accelerate launch` tells the processes that it starts with a configuration of ours."""
    path = CONFIGURATIONS / f"{name}.yaml"
    given = ["--config_file", str(path), "--num_processes", "2", "train.py"]
    args, _, _ = launch._validate_launch_command(launch.launch_command_parser().parse_args(given))
    if not args.use_deepspeed:
        return prepare_multi_gpu_env(args)
    args.deepspeed_fields_from_accelerate_config = ",".join(yaml.safe_load(path.read_text())["deepspeed_config"])
    return prepare_deepspeed_cmd_env(args)[1]


def shard_on_cpu(monkeypatch):
    """Let accelerate use FSDP without an accelerator, which it does not of itself."""
    first = state.AcceleratorState.__init__

    def begin(self, *args, fsdp_plugin=None, **kwargs):
        is_new = not self.initialized
        first(self, *args, fsdp_plugin=fsdp_plugin, **kwargs)
        if is_new and fsdp_plugin is not None:
            self.distributed_type, self.fsdp_plugin = DistributedType.FSDP, fsdp_plugin
            fsdp_plugin.set_mixed_precision(self.mixed_precision)

    monkeypatch.setattr(state.AcceleratorState, "__init__", begin)


def with_deepspeed(name):
    reason = "pip install deepspeed, which the `train` extra leaves out and which compiles a part of itself on a CPU"
    return pytest.param(name, marks=pytest.mark.skipif(find_spec("deepspeed") is None, reason=reason))


def together(script, name, given, folder, monkeypatch):
    """Run a script in two processes that were started with a configuration of ours."""
    for key, value in (environment(name) | {"DS_ACCELERATOR": "cpu"}).items():
        monkeypatch.setenv(key, value)
    shard_on_cpu(monkeypatch)
    forked_together(lambda: run_script(ROOT / f"{script}.py", given), folder)


class TestTwoSteps:
    def test_4_bits(self, tmp_path, backbones, monkeypatch):
        """SpeechQualityLLM with a whole copy in each process."""
        audio, text = make_backbones(backbones, "audio-spectrogram-transformer", tie=False)
        data, output = write_simulated(tmp_path / "data", {"train": 6, "validation": 3}), tmp_path / "out"
        given = SMALL | {"audio_backbone": audio, "text_backbone": text, "corpus": "simulated", "data": data}
        given |= {"output_dir": output, "eval_steps": 2, "save_steps": 2}
        recipe = "speechqualityllm_single_ast_tuned"
        together("train_sft", "ddp", command(recipe, given), tmp_path, monkeypatch)
        assert "step 2 changed" in (tmp_path / "process0.txt").read_text()
        assert AudioJudgeForCausalLM.from_pretrained(output).config.learned is not None

    @pytest.mark.parametrize("name", [with_deepspeed("zero2"), with_deepspeed("zero3")])
    def test_lora_of_a_native_model(self, name, tmp_path, monkeypatch):
        """SQ-LLM's first stage; its LoRA is merged into a whole model."""
        torch.manual_seed(0)
        for part in qwen2_audio(hidden_size=64, intermediate_size=128):
            part.save_pretrained(tmp_path / "native")
        soundfile.write(tmp_path / "tone.wav", tone(0.5, 300, 16_000), 16_000)
        blocks = [{"type": "audio", "path": str(tmp_path / "tone.wav")}, {"type": "text", "text": "Rate it."}]
        turns = {"prompt": [{"role": "user", "content": blocks}]}
        turns |= {"completion": [{"role": "assistant", "content": "3.0"}], "task": "score", "rubrics": ["mos"]}
        write_examples((turns | {"seed": seed} for seed in range(4)), tmp_path / "train.parquet")
        given = {"native": tmp_path / "native", "mixture": "", "train_file": tmp_path / "train.parquet"}
        given |= {"gradient_accumulation_steps": 1, "save_steps": 2}
        together("train_sft", name, whole_arguments("sq_llm", tmp_path / "out", **given), tmp_path, monkeypatch)
        lora = load_file(tmp_path / "out" / "lora" / "adapter_model.safetensors")
        # Two steps of 1e-4 at most
        assert max(float(tensor.abs().max()) for key, tensor in lora.items() if "lora_B" in key) == pytest.approx(
            1.5e-4, rel=0.2
        )
        # The recipe has the others in bfloat16
        changed = changed_weights(tmp_path / "native", tmp_path / "out", torch.bfloat16)
        assert all("language_model.layers" in key for key in changed)

    @pytest.mark.parametrize("name", [with_deepspeed("zero3")])
    def test_alld(self, name, tmp_path, backbones, monkeypatch):
        """What one process has sampled and asked the expert, several train on."""
        for part in make_judge(backbones):
            part.save_pretrained(tmp_path / "judge")
        data = write_simulated(tmp_path / "data", {"train": 5, "validation": 3}, causes=False)
        small = {key: SMALL[key] for key in ("max_steps", "warmup_steps", "per_device_train_batch_size", "use_cpu")}
        given = small | {"model": tmp_path / "judge", "expert": tmp_path / "expert", "data": data, "bf16": "true"}
        given |= {"expert_steps": 1, "sample_tokens": 4, "max_eval_clips": 2, "eval_strategy": "no", "save_steps": 2}
        recipe = ["--config", str(ROOT / "recipes" / "alld" / "mini.yaml")]

        def words(**more):
            options = given | {"output_dir": tmp_path / "out"} | more
            return recipe + [str(word) for key, value in options.items() for word in (f"--{key}", value)]

        parser = TrlParser([train_alld.AlldArguments, DPOConfig])
        train_alld.main(*parser.parse_args_and_config(words(stage="expert", output_dir=tmp_path / "expert")))
        for stage in ("sample", "reference"):
            train_alld.main(*parser.parse_args_and_config(words(stage=stage)))
        together("train_alld", name, words(), tmp_path, monkeypatch)
        before, after = (load_file(tmp_path / folder / "model.safetensors") for folder in ("judge", "out"))
        assert set(before) == set(after)
        assert not torch.equal(before["model.adapter.linear.weight"], after["model.adapter.linear.weight"])

    @pytest.mark.parametrize("name", ["fsdp2", with_deepspeed("zero2"), with_deepspeed("zero3")])
    def test_jastin(self, name, tmp_path, backbones, monkeypatch):
        """What is saved is whole, in float32 where it was trained, and the encoder is as it was."""
        audio, text = make_backbones(backbones, "pe_audio_encoder")
        mixture, output = proxy_mixture(tmp_path), tmp_path / "out"
        given = SMALL | {"audio_backbone": audio, "text_backbone": text, "mixture": mixture, "output_dir": output}
        given |= {"gradient_accumulation_steps": 1, "save_steps": 2}
        del given["adapter_tokens"]
        together("train_sft", name, command("jastin", given), tmp_path, monkeypatch)
        share = re.search(r"step 2 changed (\S+)% of the trained weights", (tmp_path / "process0.txt").read_text())
        assert float(share[1]) > 99
        saved, key = AudioJudgeForCausalLM.from_pretrained(output), "model.language_model.layers.0.mlp.up_proj.weight"
        assert saved.dtype == torch.float32
        # Two steps of 1e-5 at most, which bfloat16 would have lost from weights of 0.15
        before = AutoModelForCausalLM.from_pretrained(text).model.layers[0].mlp.up_proj.weight
        if name != "fsdp2":  # DeepSpeed rounds all weights once as it begins
            before = before.bfloat16().float()
        assert 1e-6 < float((saved.get_parameter(key) - before).abs().mean()) < 2e-5
        assert set(load_file(output / "checkpoint-2" / "model.safetensors")) == set(
            load_file(output / "model.safetensors")
        )


def launched(fsdp="", stage=None, **options):
    """Arguments of a trainer as a launcher has them read."""
    plugin = None if stage is None else SimpleNamespace(zero_stage=stage)
    return SimpleNamespace(fsdp=fsdp, deepspeed_plugin=plugin, bf16=True, fp16=False, **options)


class TestSharding:
    @pytest.mark.parametrize(
        ("given", "shared"),
        [
            (launched(), "none"),
            (launched(stage=0), "none"),
            (launched(stage=2), "optimizer"),
            (launched(stage=3), "weights"),
            (launched(fsdp=True), "weights"),
        ],
    )
    def test_is_told_from_the_launch(self, given, shared):
        assert sharding(given) == shared

    def test_is_told_from_what_the_launcher_sets(self, monkeypatch):
        monkeypatch.setenv("ACCELERATE_USE_FSDP", environment("fsdp2")["ACCELERATE_USE_FSDP"])
        assert sharding(launched()) == "weights"

    @pytest.mark.parametrize("given", [launched(stage=2), launched(stage=3), launched(fsdp=True)])
    def test_4_bits_are_refused(self, given):
        with pytest.raises(ValueError, match=r"4 bits are not shared out: launch with recipes/accelerate/ddp\.yaml"):
            check_sharding(SimpleNamespace(load_in_4bit=True), given)

    def test_what_needs_whole_weights_is_refused(self):
        args = SimpleNamespace(load_in_4bit=False)
        check_sharding(args, launched(stage=2), needs_whole="writing answers")
        with pytest.raises(ValueError, match="writing answers needs whole weights in every process: launch with"):
            check_sharding(args, launched(stage=3), needs_whole="writing answers")

    @pytest.mark.parametrize(("given", "dtype"), [(launched(stage=3), "bfloat16"), (launched(fsdp=True), "float32")])
    def test_precision_that_can_be_sharded(self, given, dtype, capsys):
        args = SimpleNamespace(dtype="bfloat16")
        settle_precision(args, given)
        assert args.dtype == dtype
        assert ("all weights are loaded in float32" in capsys.readouterr().out) == (dtype == "float32")


class TestWholeWeights:
    def test_nothing_is_shared_out_while_a_model_is_made(self):
        config = type("Config", (), {"is_zero3": lambda self: True})()
        deepspeed.set_hf_deepspeed_config(config)
        try:
            with whole_weights():
                assert deepspeed._hf_deepspeed_config_weak_ref is None
            assert deepspeed._hf_deepspeed_config_weak_ref() is config
        finally:
            deepspeed.unset_hf_deepspeed_config()


class TestSchedule:
    def test_optimizer_of_deepspeed_says_what_the_one_inside_was_made_with(self):
        class Base:
            is_deepspeed_enabled = True

            def create_scheduler(self, num_training_steps, optimizer=None):
                return optimizer.optimizer.defaults["lr"]

        class Trainer(CheckedTrainer, Base):
            def __init__(self):
                pass

        inside = torch.optim.SGD([torch.zeros(1)], lr=0.5)
        assert Trainer().create_scheduler(4, SimpleNamespace(optimizer=SimpleNamespace(optimizer=inside))) == 0.5


class TestLastCheckpoint:
    @pytest.mark.parametrize("optimizer", ["optimizer.pt", "latest", "optimizer.bin", "optimizer_0"])
    def test_whole_ones_of_all_ways_to_share_out(self, optimizer, tmp_path):
        folder = tmp_path / "checkpoint-1"
        folder.mkdir()
        (folder / "trainer_state.json").write_text("{}")
        for name in ("scheduler.pt", optimizer):
            (folder / name).write_bytes(b"")
        assert last_checkpoint(tmp_path) == str(folder)
