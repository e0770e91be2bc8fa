import csv
import json
import shutil
import sys
from pathlib import Path

import pytest
import soundfile
import torch
import yaml
from evaluators import TEMPLATE
from native_models import qwen2_audio
from safetensors.torch import load_file
from tiny import (
    DATA_SET_COLUMNS,
    audio,
    chat_inputs,
    check_same_logits,
    make_judge,
    make_tokenizer,
    text_config,
    tone,
    write_data_set,
    write_simulated,
)
from transformers import AutoModelForCausalLM
from trl import DPOConfig, SFTConfig, TrlParser

from audio_judge import AudioJudgeForCausalLM
from audio_judge.batch.lines import rows_by_id
from audio_judge.data.mixtures import read_mixture
from audio_judge.judge.native import load_audio_model
from audio_judge.messages import audio_blocks
from audio_judge.training.alld.trainers import AudioDistillTrainer

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
import train_alld  # noqa: E402
import train_sft  # noqa: E402

RECIPES = ROOT / "recipes" / "alld"
# What makes a real recipe small; everything else is as in the file
SMALL = {
    "max_steps": 2, "warmup_steps": 0, "per_device_train_batch_size": 2, "per_device_eval_batch_size": 4,
    "use_cpu": "true", "bf16": "false", "expert_dtype": "float32", "gradient_checkpointing": "false", "eval_steps": 1,
    "save_steps": 1, "logging_steps": 1, "max_eval_clips": 2, "dataloader_num_workers": 0, "disable_tqdm": "true",
    "sample_tokens": 5, "learning_rate": 1e-3, "expert_steps": 2, "expert_batch_size": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Five training and three validation clips in the layout of `audio_judge.corpora.simulated`."""
    return write_simulated(tmp_path_factory.mktemp("simulated"), {"train": 5, "validation": 3}, causes=False)


@pytest.fixture(scope="module")
def nisqa(tmp_path_factory):
    """Three training and two validation clips in the layout of the NISQA Corpus, and captions of training clips."""
    root = tmp_path_factory.mktemp("nisqa")
    with (root / "NISQA_corpus_file.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["db", "filepath_deg", "filepath_ref", "con_description", "mos", "noi", "col", "dis", "loud"])
        for i, split in enumerate(["TRAIN"] * 3 + ["VAL"] * 2):
            soundfile.write(root / f"{i}.wav", tone(0.6, 300 + 200 * i, 16_000), 16_000)
            writer.writerow([f"NISQA_{split}_SIM", f"{i}.wav", f"{i}.wav", "white noise", *[1.2 + 0.4 * i] * 5])
    rows = [
        {"task": "describe", "audio": [str(root / "0.wav")], "text": "It hisses. The MOS is 1.2.", "truth": 1.2},
        {"task": "compare", "audio": [str(root / "0.wav"), str(root / "2.wav")], "truth": {"mos": "B", "noisiness":
         "B"}, "text": "SpeechB beats SpeechA in noisiness.\n[SpeechB]"},
    ]  # fmt: skip
    text = "".join(json.dumps(row | {"id": str(i)}) + "\n" for i, row in enumerate(rows))
    (root / "captions.jsonl").write_text(text)
    return root


@pytest.fixture(scope="module")
def judge_folder(backbones, tmp_path_factory):
    folder = tmp_path_factory.mktemp("judge")
    for part in make_judge(backbones):
        part.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def expert_folder(judge_folder, simulated, tmp_path_factory):
    """What `--stage expert` makes."""
    folder = tmp_path_factory.mktemp("experts") / "expert"
    run("mini", folder.parent / "unused", judge_folder, folder, data=simulated, stage="expert")
    return folder


@pytest.fixture
def places(judge_folder, expert_folder):
    return judge_folder, expert_folder


def parse(recipe, output, judge, expert, **options):
    given = SMALL | {"model": judge, "expert": expert, "output_dir": output} | options
    parts = [str(part) for name, value in given.items() for part in (f"--{name}", value)]
    parser = TrlParser([train_alld.AlldArguments, DPOConfig])
    return parser.parse_args_and_config(["--config", str(RECIPES / f"{recipe}.yaml"), *parts])


def run(*given, **options):
    return train_alld.main(*parse(*given, **options))


def weights(folder):
    return load_file(folder / "model.safetensors")


class TestRecipes:
    def test_mini_takes_two_steps_and_leaves_a_whole_judge(self, tmp_path, places, simulated):
        trainer = run("mini", tmp_path, *places, data=simulated)
        assert trainer.state.global_step == 2
        before, after = weights(places[0]), weights(tmp_path)
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        assert any("language_model.layers" in name for name in changed)
        assert any("adapter" in name for name in changed)
        assert not any("audio_tower" in name for name in changed)
        saved = AudioJudgeForCausalLM.from_pretrained(tmp_path)
        inputs = chat_inputs(trainer.processing_class, [audio(0.5, 48_000), {"type": "text", "text": "rate"}])
        check_same_logits(trainer, saved, inputs)
        found = json.loads((tmp_path / "descriptions.json").read_text())
        assert set(found) == {"before", "after"}
        assert len((tmp_path / "descriptions_after.jsonl").read_text().splitlines()) == 2
        logged = {name for row in trainer.state.log_history for name in row}
        assert {"before_mos_coverage", "after_mos_coverage", "eval_loss", "rewards/margins"} <= logged
        assert len(list(tmp_path.glob("checkpoint-*"))) == 2

    def test_nisqa_learns_from_captions_in_full(self, tmp_path, places, nisqa):
        trainer = run("nisqa", tmp_path, *places, data=nisqa, captions=nisqa / "captions.jsonl")
        chosen = [json.loads(row["example"])["chosen"] for row in trainer.train_dataset]
        assert chosen == ["It hisses. The MOS is 1.2.", "SpeechB beats SpeechA in noisiness.\n[SpeechB]"]
        assert (trainer.loss_types, trainer.beta) == (["sigmoid"], 0.1)
        before, after = weights(places[0]), weights(tmp_path)
        assert any("audio_tower" in name for name in before if not torch.equal(before[name], after[name]))

    def test_distillation_needs_no_samples(self, tmp_path, places, simulated):
        trainer = run("mini", tmp_path, *places, data=simulated, loss="distill", temperature=2.0)
        assert isinstance(trainer, AudioDistillTrainer)
        assert (trainer.temperature, trainer.sft_weight) == (2.0, 1.0)
        assert any("eval_divergence" in row for row in trainer.state.log_history)
        assert not (tmp_path / "samples.jsonl").exists()

    def test_old_checkpoints_are_removed(self, tmp_path, places, simulated):
        run("mini", tmp_path, *places, data=simulated, max_steps=4, eval_strategy="no")
        assert sorted(path.name for path in tmp_path.glob("checkpoint-*")) == ["checkpoint-3", "checkpoint-4"]

    def test_every_recipe_is_tested_and_has_known_keys(self, tmp_path):
        assert {path.stem for path in RECIPES.glob("*.yaml")} == {"mini", "nisqa"}
        for recipe in ("mini", "nisqa"):
            args, training_args = parse(recipe, tmp_path, "judge", "expert", data="corpus")
            assert recipe == "mini" or yaml.safe_load((RECIPES / "nisqa.yaml").read_text())["learning_rate"] == 1e-5
            assert (args.loss, training_args.beta, training_args.save_total_limit) == ("dpo", 0.1, 2)


class TestReal:
    """The recipes for real backbones on a CPU, whose expert is the judge's own language model."""

    def test_an_expert_of_a_lora_and_a_judge_aligned_with_it(self, tmp_path, judge_folder, simulated):
        path = str(simulated / "train" / "0.wav")
        caption = {"id": "0", "task": "describe", "audio": [path], "text": "It hisses. The MOS is 1.2.", "truth": 1.2}
        (tmp_path / "captions.jsonl").write_text(json.dumps(caption))
        given = {"data": simulated, "captions": tmp_path / "captions.jsonl", "dtype": "float32", "disable_tqdm": "true"}
        places = (tmp_path / "judge", judge_folder, tmp_path / "expert")
        run("../real/alld", *places, **given, stage="expert")
        old, new = (weights(folder) for folder in (judge_folder, tmp_path / "expert"))
        assert not any("lora" in name for name in new)
        layer = "layers.0.mlp.up_proj.weight"
        assert not torch.equal(old[f"model.language_model.{layer}"], new[f"model.{layer}"])
        trainer = run("../real/alld", *places, **given)
        assert trainer.state.global_step == 2
        assert [json.loads(row["example"])["chosen"] for row in trainer.train_dataset] == [caption["text"]]
        assert "lora" not in " ".join(weights(tmp_path / "judge"))

    def test_captions_are_mixed_with_the_corpus_that_they_are_about(self):
        values = yaml.safe_load((ROOT / "recipes" / "real" / "alld_captions.yaml").read_text())
        parser = TrlParser([train_sft.JudgeArguments, SFTConfig])
        args, _ = parser.parse_args_and_config(
            ["--config", str(ROOT / "recipes" / "real" / "alld_captions.yaml"), "--bf16", "false", "--output_dir", "x"]
        )
        assert args.mixture == values["mixture"]
        mixture = read_mixture(ROOT / args.mixture)
        assert [corpus.reader for corpus in mixture.corpora] == ["captions", "simulated"]
        assert {"describe", "compare"} <= set(mixture.tasks)


@pytest.fixture(scope="module")
def native(tmp_path_factory):
    """Folders of a tiny Qwen2-Audio and of an expert with its tokenizer."""
    folder = tmp_path_factory.mktemp("native")
    torch.manual_seed(0)
    model, processor = qwen2_audio(hidden_size=64, intermediate_size=128)
    for part in (model, processor):
        part.save_pretrained(folder / "model")
    tokenizer = processor.tokenizer
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder / "expert")
    AutoModelForCausalLM.from_config(text_config(len(tokenizer))).save_pretrained(folder / "expert")
    return folder / "model", folder / "expert"


class TestNative:
    """The paper's own: Qwen2-Audio, aligned with the text model of its family."""

    @pytest.mark.parametrize("loss", ["dpo", "distill"])
    def test_nisqa_in_full(self, tmp_path, native, nisqa, loss):
        run("nisqa", tmp_path, *native, data=nisqa, captions=nisqa / "captions.jsonl", loss=loss)
        before, after = weights(native[0]), weights(tmp_path)
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        for part in ("audio_tower", "multi_modal_projector", "language_model"):
            assert any(part in name for name in changed)
        assert set(json.loads((tmp_path / "descriptions.json").read_text())) == {"before", "after"}

    @pytest.mark.parametrize("quantized", [False, True])
    def test_lora_is_merged(self, tmp_path, native, nisqa, quantized):
        target = r".*language_model\.layers\.\d+\.self_attn\.(q|v)_proj"
        options = {"lora_target": target, "load_in_4bit": quantized, "learning_rate": 1e-2}
        run("nisqa", tmp_path, *native, data=nisqa, captions=nisqa / "captions.jsonl", **options)
        before, after = weights(native[0]), weights(tmp_path)
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        assert {name.rpartition("layers.0.")[2] for name in changed} == {
            "self_attn.q_proj.weight",
            "self_attn.v_proj.weight",
        }
        assert not (tmp_path / "lora" / "ref").exists()
        assert load_audio_model(str(tmp_path))[0].config.model_type == "qwen2_audio"

    def test_expert_is_not_made_of_it(self, tmp_path, native, nisqa):
        with pytest.raises(ValueError, match="the text model of its family, such as Qwen/Qwen2-7B-Instruct"):
            run("nisqa", tmp_path, native[0], tmp_path / "expert", data=nisqa, stage="expert")

    def test_published_captions(self, tmp_path, native, nisqa):
        row = {"query": "?", "response": "It hums. The MOS is 1.2.", "audios": ["/theirs/NISQA_Corpus/0.wav"]}
        (tmp_path / "theirs.json").write_text(json.dumps([row | {"audios": [str(nisqa / "0.wav")]}]))
        options = {"captions": tmp_path / "theirs.json", "captions_reader": "alld"}
        args, _ = parse("nisqa", tmp_path / "out", *native, data=nisqa, **options)
        (request,) = train_alld.load_requests(args, "train", 0)
        assert request["chosen"] == "It hums. The MOS is 1.2."
        assert request["ratings"][0]["noisiness"] == 1.2


class TestStages:
    def test_sample_and_reference_leave_nothing_to_do(self, tmp_path, places, simulated, monkeypatch):
        run("mini", tmp_path, *places, data=simulated, stage="sample")
        assert len(rows_by_id(tmp_path / "samples.jsonl")) == 5 + 2
        run("mini", tmp_path, *places, data=simulated, stage="reference")
        monkeypatch.setattr(train_alld, "sample_rejected", lambda *_, **__: pytest.fail("sampled again"))
        monkeypatch.setattr(train_alld, "load_expert", lambda _: pytest.fail("the expert was asked again"))
        assert run("mini", tmp_path, *places, data=simulated).state.global_step == 2

    def test_several_processes_say_what_to_run_first(self, tmp_path, places, simulated, monkeypatch):
        monkeypatch.setattr(DPOConfig, "world_size", 2)
        with pytest.raises(ValueError, match=r"5 of 5 samples are missing; run `python train_alld.py --stage sample`"):
            run("mini", tmp_path, *places, data=simulated)

    def test_evaluate_only_measures(self, tmp_path, judge_folder, simulated):
        found = run("mini", tmp_path, judge_folder, "", data=simulated, stage="evaluate")
        assert json.loads((tmp_path / "descriptions.json").read_text()) == {"evaluated": found}
        assert 0 <= found["mos_coverage"] <= 1

    def test_expert_is_not_overwritten(self, tmp_path, places, simulated):
        with pytest.raises(ValueError, match="exists already"):
            run("mini", tmp_path, *places, data=simulated, stage="expert")

    @pytest.mark.parametrize("loss", ["dpo", "distill"])
    def test_expert_with_another_tokenizer_is_refused(self, loss, tmp_path, places, simulated):
        tokenizer = make_tokenizer(merge_digits=True)
        tokenizer.chat_template = "{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}"
        tokenizer.save_pretrained(tmp_path / "expert")
        AutoModelForCausalLM.from_pretrained(places[1]).save_pretrained(tmp_path / "expert")
        with pytest.raises(ValueError, match="tokens have another id for the expert"):
            run("mini", tmp_path, places[0], tmp_path / "expert", data=simulated, loss=loss)


class TestArguments:
    @pytest.mark.parametrize("name", ["model", "data", "expert"])
    def test_what_is_missing_is_named(self, name, tmp_path):
        given = {"model": "judge", "data": "corpus", "expert": "expert", "output_dir": str(tmp_path), "use_cpu": True}
        (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(given | {"bf16": False, name: ""}))
        parser = TrlParser([train_alld.AlldArguments, DPOConfig])
        with pytest.raises(ValueError, match=f"`{name}` is missing"):
            parser.parse_args_and_config(["--config", str(tmp_path / "recipe.yaml")])

    def test_tasks_have_weights(self):
        args = train_alld.AlldArguments(
            model="m", data="d", corpus="nisqa", expert="e", tasks=["describe=3", "compare"]
        )
        assert args.task_weights == {"describe": 3.0, "compare": 1.0}


class TestDataSet:
    def test_requests_about_its_clips(self, tmp_path, monkeypatch):
        monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
        saved = write_data_set(tmp_path / "set", {"train": 4, "validation": 3})
        options = {"data": saved, "corpus": "table", "corpus_options": DATA_SET_COLUMNS}
        args, _ = parse("mini", tmp_path / "run", "judge", "expert", **options)
        requests = train_alld.load_requests(args, "validation", 0)
        assert {Path(block["path"]).is_file() for request in requests for block in audio_blocks(request)} == {True}


class TestResume:
    @pytest.mark.parametrize("loss", ["dpo", "distill"])
    def test_resumed_run_ends_like_an_uninterrupted_one(self, loss, tmp_path, places, simulated):
        options = {"data": simulated, "loss": loss, "max_steps": 4, "save_steps": 2, "eval_strategy": "no"}
        options |= {"save_total_limit": 9, "samples": tmp_path / "samples.jsonl"}
        run("mini", tmp_path / "whole", *places, **options)
        # What a run leaves that was killed while it wrote its second checkpoint
        shutil.copytree(tmp_path / "whole" / "checkpoint-2", tmp_path / "parts" / "checkpoint-2")
        (tmp_path / "parts" / "checkpoint-3").mkdir()
        (tmp_path / "parts" / "checkpoint-3" / "model.safetensors").write_bytes(b"half")
        trainer = run("mini", tmp_path / "parts", *places, **options, resume_from_checkpoint="last")
        assert trainer.state.global_step == 4
        whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
        assert all(torch.equal(whole[name], parts[name]) for name in whole)
