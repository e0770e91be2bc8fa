import json
import os
import signal
import sys
import zlib
from pathlib import Path

import pytest
import torch
import yaml
from forked import Forked, forked_together, run_script
from safetensors.torch import load_file
from stub import serving
from tiny import DATA_SET_COLUMNS, audio, chat_inputs, check_same_logits, make_judge, write_data_set, write_simulated
from trl import GRPOConfig, TrlParser

from audio_judge import AudioJudgeForCausalLM, AudioJudgeProcessor
from audio_judge.text_models.evaluator import EvaluatorDownError
from audio_judge.training.example import example_arguments
from audio_judge.training.trial import PoorEvaluatorError
from audio_judge.training.tuning import last_checkpoint

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
import train_grpo  # noqa: E402

RECIPES = ROOT / "recipes" / "grpo"
# What makes the mini recipe small; everything else is as in the file
SMALL = {
    "max_steps": 2, "per_device_train_batch_size": 4, "num_generations": 2, "max_completion_length": 6,
    "max_eval_prompts": 2, "disable_tqdm": "true", "save_steps": 1, "warmup_steps": 0, "logging_steps": 1,
    "log_completions": "false", "learning_rate": 1e-3,
}  # fmt: skip


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Six training and three validation clips in the layout of `audio_judge.corpora.simulated`."""
    return write_simulated(tmp_path_factory.mktemp("simulated"), {"train": 6, "validation": 3})


@pytest.fixture(scope="module")
def start(tmp_path_factory, backbones):
    """A folder with an untrained judge."""
    folder = tmp_path_factory.mktemp("start")
    for part in make_judge(backbones, tie=False):
        part.save_pretrained(folder)
    return folder


def arguments(recipe, output, start, corpus, **options):
    given = SMALL | {"model": start, "data": corpus, "corpus": "simulated", "output_dir": output} | options
    pairs = {name: value if isinstance(value, list) else [value] for name, value in given.items()}
    return [
        "--config",
        str(RECIPES / f"{recipe}.yaml"),
        *(str(p) for name, value in pairs.items() for p in (f"--{name}", *value)),
    ]


def parse(*given):
    return TrlParser([train_grpo.GRPOArguments, GRPOConfig]).parse_args_and_config(list(given))


def train(*given, **options):
    return train_grpo.main(*parse(*arguments(*given, **options)))


def grade(request, _):
    """A grade that differs between answers, as an untrained judge earns nothing else."""
    return str(zlib.crc32(json.dumps(request).encode()) % 11)


@pytest.fixture
def graded():
    """Options that reward by a running evaluator."""
    with serving(grade) as server:
        how = {"evaluator_form": "chat", "evaluator_model": "m", "evaluator_trial": 0}
        yield {"rewards": ["evaluator=1"], "evaluator": server.url} | how


def weights(folder):
    return load_file(folder / "model.safetensors")


class TestRecipes:
    def test_mini_leaves_a_whole_judge_and_its_results(self, tmp_path, start, simulated):
        trainer = train("mini", tmp_path, start, simulated, log_completions="true")
        assert trainer.state.global_step == 2
        assert trainer.reward_func_names == ["agreement_reward", "causes_reward", "format_reward"]
        results = json.loads((tmp_path / "results.json").read_text())
        assert set(results) == {"before", "after"}
        assert {"eval_coverage", "eval_agreement"} <= set(results["before"])
        assert len(list((tmp_path / "completions").glob("*.parquet"))) >= 2
        saved = AudioJudgeForCausalLM.from_pretrained(tmp_path)
        inputs = chat_inputs(trainer.processing_class, [audio(0.5, 48_000), {"type": "text", "text": "rate"}])
        check_same_logits(trainer, saved, inputs)
        assert AudioJudgeProcessor.from_pretrained(tmp_path).decision_config.chat_template
        before, after = weights(start), weights(tmp_path)
        assert set(before) == set(after)

    def test_sq_llm_with_an_evaluator(self, tmp_path, start, simulated, monkeypatch):
        """The recipe's own rewards and sampling on the tiny judge; the 7B model is not at hand."""
        options = {"use_cpu": "true", "bf16": "false", "dtype": "float32", "evaluator_cache": tmp_path / "replies"}
        options |= {
            "tasks": ["explain"],
            "gradient_checkpointing": "false",
            "evaluator_model": "m",
            "evaluator_trial": 0,
        }
        options |= {"gradient_accumulation_steps": 1, "eval_steps": 1, "evaluator_extra": json.dumps({"top_k": 7})}
        monkeypatch.setenv("JUDGE_KEY", "mine")
        options |= {"evaluator_api_key_variable": "JUDGE_KEY"}
        options |= {
            "lora_target": r".*language_model\.layers\.\d+\.(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)"
        }
        with serving(grade) as server:
            trainer = train("sq_llm", tmp_path, start, simulated, evaluator=server.url, **options)
        assert trainer.reward_func_names == [
            "evaluator_reward",
            "detection_reward",
            "preference_reward",
            "format_reward",
        ]
        assert (trainer.temperature, trainer.top_p, trainer.top_k) == (1.0, 0.99, 50)
        for request in server.requests:
            assert request["chat_template_kwargs"] == {"enable_thinking": False}
            assert (request["max_tokens"], request["top_k"]) == (16, 7)
        assert {headers["authorization"] for headers in server.headers} == {"Bearer mine"}
        for name in ("evaluator/failed", "evaluator/cut_off", "kl"):
            assert any(name in row for row in trainer.state.log_history)
        validated = [row for row in trainer.state.log_history if "eval_reward" in row]
        assert {row["step"] for row in validated} == {1, 2}
        assert all(0 < row["eval_rewards/evaluator_reward"] < 1 for row in validated)
        assert (tmp_path / "lora" / "adapter_model.safetensors").exists()
        inputs = chat_inputs(trainer.processing_class, [audio(0.5, 48_000), {"type": "text", "text": "rate"}])
        check_same_logits(trainer, AudioJudgeForCausalLM.from_pretrained(tmp_path), inputs)
        before, after = weights(start), weights(tmp_path)
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        assert changed
        assert all("language_model" in name for name in changed)

    def test_mini_score_leaves_the_encoder_alone(self, tmp_path, start, simulated):
        trainer = train("mini_score", tmp_path, start, simulated)
        assert trainer.reward_func_names == ["agreement_reward", "format_reward"]
        before, after = weights(start), weights(tmp_path)
        assert not [name for name in before if "audio_tower" in name and not torch.equal(before[name], after[name])]

    def test_sq_llm_says_what_was_published(self):
        recipe = yaml.safe_load((RECIPES / "sq_llm.yaml").read_text())
        published = {
            "model": "Qwen/Qwen2.5-Omni-7B", "lora_r": 8, "lora_alpha": 32, "learning_rate": 1e-6, "warmup_steps": 0.05,
            "beta": 0.04, "num_generations": 4, "temperature": 1.0, "top_p": 0.99, "top_k": 50, "max_steps": 8000,
            "max_completion_length": 2048, "per_device_train_batch_size": 1, "eval_steps": 100, "logging_steps": 5,
            "evaluator_weights": ["helpfulness=1", "relevance=1", "accuracy=2", "detail=0.5"],
            "evaluator_max_tokens": 16, "evaluator_thinking": False,
        }  # fmt: skip
        assert {name: recipe[name] for name in published} == published
        assert recipe["rewards"][:2] == ["evaluator=4.5", "detection=4.5"]
        assert "audio_tower" not in recipe["lora_target"]

    def test_every_recipe_is_tested(self):
        assert {path.stem for path in RECIPES.glob("*.yaml")} == {"example", "mini", "mini_score", "sq_llm"}


class TestExample:
    def test_tells_of_validation_before_and_after(self, tmp_path, start, capsys):
        """The example that the script runs without arguments, with a tiny judge in place of the mini."""
        few = {
            name: SMALL[name] for name in ("per_device_train_batch_size", "num_generations", "max_completion_length")
        }
        given = few | {"model": start, "output_dir": tmp_path, "max_steps": 1, "disable_tqdm": "true"}
        train_grpo.main(
            *parse(
                *example_arguments(ROOT / "train_grpo.py"), *(str(p) for k, v in given.items() for p in (f"--{k}", v))
            )
        )
        table = capsys.readouterr().out.rpartition("validation")[2].splitlines()
        assert table[0].split() == ["before", "after"]
        assert {"coverage", "agreement", "format"} <= {line.split()[0] for line in table[1:]}


class TestArguments:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"model": ""}, "`model` is missing"),
            ({"train_file": "x.jsonl"}, "either `data`"),
            ({"rewards": ["fame=1"]}, "no .fame.; known are agreement"),
            ({"rewards": ["evaluator=1"]}, "given together"),
            ({"evaluator": "http://localhost:1/v1"}, "given together"),
            (
                {"evaluator_thinking": "false", "evaluator_max_tokens": 9},
                "`evaluator_thinking`, `evaluator_max_tokens`: cannot act, since `evaluator` is not given",
            ),
            ({"eval_file": "x.jsonl"}, "`eval_file`: cannot act, since `data` has a validation split"),
            ({"lora_r": 4}, "`lora_r`: cannot act"),
            ({"evaluator_trial": 3}, "`evaluator_trial`: cannot act"),
            (
                {"rewards": ["evaluator=1"], "evaluator": "x", "evaluator_least_right": 60},
                "evaluator_trial 8, evaluator_least_right 60.0; 0 or more and 0 to 1",
            ),
        ],
    )
    def test_contradictions_are_errors(self, tmp_path, options, message):
        with pytest.raises(ValueError, match=message):
            parse(*arguments("mini", tmp_path, "judge", "corpus", **options))

    def test_unknown_key_is_an_error(self, tmp_path):
        (tmp_path / "recipe.yaml").write_text("reward: [format]\n")
        with pytest.raises(ValueError, match="reward"):
            parse("--config", str(tmp_path / "recipe.yaml"), "--model", "x", "--data", "y", "--corpus", "table")


class TestDataSet:
    def test_rows_of_both_splits(self, tmp_path, start, monkeypatch):
        monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
        saved = write_data_set(tmp_path / "set", {"train": 4, "validation": 3})
        own = ["--corpus", "table", "--corpus_options", DATA_SET_COLUMNS]
        given = arguments("mini", tmp_path / "run", start, saved, tasks=["score"], max_eval_prompts=99)
        args, _ = parse(*given, *own)
        rows = {split: train_grpo.load_rows(args, split, 0) for split in ("train", "validation")}
        assert {split: len(found) for split, found in rows.items()} == {"train": 4, "validation": 6}
        assert all(Path(row["clip"]).is_file() for found in rows.values() for row in found)


def knows_the_truth(request, _):
    """A grade by whether the answer is the reference answer."""
    fields = request["messages"][0]["content"].partition("{")[2].partition("\n}")[0]
    fields = json.loads("{" + fields + "}")
    return "9" if fields["answer"] in fields["ground_truth"] else "2"


class TestTrial:
    def run(self, tmp_path, start, simulated, reply, **options):
        with serving(reply) as server:
            how = {"evaluator": server.url, "evaluator_form": "chat", "evaluator_model": "m", "evaluator_trial": 2}
            return train("mini", tmp_path, start, simulated, rewards=["evaluator=1"], max_steps=1, **how | options)

    def test_is_told_and_kept(self, tmp_path, start, simulated, capsys):
        self.run(tmp_path, start, simulated, knows_the_truth)
        assert "evaluator (chat), a true answer against" in capsys.readouterr().out
        results = json.loads((tmp_path / "results.json").read_text())
        assert set(results) == {"evaluator", "before", "after"}
        assert results["evaluator"]["contradicting"] == {"right": 2, "tie": 0, "wrong": 0, "failed": 0}
        # What is trained on is measured, too, with its parts
        parts = {"eval_reward", "eval_rewards/evaluator_reward", "eval_evaluator/accuracy", "eval_evaluator/failed"}
        assert parts <= set(results["before"]) & set(results["after"])

    def test_one_that_cannot_tell_stops_before_anything_is_trained(self, tmp_path, start, simulated):
        with pytest.raises(PoorEvaluatorError, match=r"ranks 0% of true answers right.*--evaluator_least_right 0"):
            self.run(tmp_path, start, simulated, lambda *_: "8")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["results.json"]

    def test_unless_told_otherwise(self, tmp_path, start, simulated):
        assert self.run(tmp_path, start, simulated, lambda *_: "8", evaluator_least_right=0).state.global_step == 1


class TestStops:
    def test_evaluator_that_goes_down_leaves_the_last_checkpoint(self, tmp_path, start, simulated, monkeypatch):
        class Failing:
            calls = cut_off = 0

            def grade(self, cases):
                self.calls += 1
                if self.calls > 2:  # validation before, and the first step
                    raise EvaluatorDownError("evaluator x: 20 of the latest 20 cases got no grade")
                return [None for _ in cases]

        monkeypatch.setattr(train_grpo, "make_evaluator", lambda *_, **__: Failing())
        with pytest.raises(EvaluatorDownError, match="got no grade"):
            train(
                "mini",
                tmp_path,
                start,
                simulated,
                rewards=["evaluator=1", "format=1"],
                evaluator="http://x",
                evaluator_trial=0,
                max_steps=3,
            )
        assert last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-1")

    def test_killed_run_goes_on_to_the_same_parameters(self, tmp_path, start, simulated, graded):
        """Killed in its third step of four, when the checkpoint of the second has been written."""
        options = {"max_steps": 4, "save_steps": 2, "num_iterations": 2, "save_total_limit": 1} | graded
        train("mini", tmp_path / "whole", start, simulated, **options)
        real = train_grpo.AudioGRPOTrainer.training_step

        def step(self, *args):
            if self.state.global_step == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(self, *args)

        def killed():
            train_grpo.AudioGRPOTrainer.training_step = step
            train("mini", tmp_path / "parts", start, simulated, **options)

        assert Forked(killed, tmp_path / "log.txt").wait() == -signal.SIGKILL
        # A checkpoint that was being written when the run was killed
        (tmp_path / "parts" / "checkpoint-3").mkdir()
        (tmp_path / "parts" / "checkpoint-3" / "model.safetensors").write_bytes(b"half")
        trainer = train("mini", tmp_path / "parts", start, simulated, **options, resume_from_checkpoint="last")
        assert trainer.state.global_step == 4
        whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
        assert all(torch.equal(whole[name], parts[name]) for name in whole)
        before = weights(start)
        assert any(not torch.equal(before[name], parts[name]) for name in before)
        assert [path.name for path in (tmp_path / "parts").glob("checkpoint-*")] == ["checkpoint-4"]

    def test_error_on_the_command_line_is_one_sentence(self, tmp_path, start, simulated):
        given = arguments("mini", tmp_path, start, simulated, resume_from_checkpoint="last")
        with pytest.raises(ValueError, match="no whole checkpoint to go on from"):
            train_grpo.main(*parse(*given))


class TestProcesses:
    def test_two_processes(self, tmp_path, start, simulated, graded):
        options = {"max_steps": 2, "save_steps": 2, "per_device_train_batch_size": 2} | graded
        given = arguments("mini", tmp_path, start, simulated, **options)
        forked_together(lambda: run_script(ROOT / "train_grpo.py", given), tmp_path)
        results = json.loads((tmp_path / "results.json").read_text())
        assert set(results) == {"before", "after"}
        assert (tmp_path / "checkpoint-2" / "rng_state_1.pth").exists()
        before, after = weights(start), weights(tmp_path)
        assert any(not torch.equal(before[name], after[name]) for name in before)
