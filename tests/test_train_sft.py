import csv
import json
import re
import shutil
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import soundfile
import torch
import yaml
from forked import forked_together, run_script
from native_models import omni, qwen2_audio
from safetensors.torch import load_file
from tiny import (
    DATA_SET_COLUMNS,
    check_same_logits,
    make_backbones,
    make_judge,
    tone,
    write_corpora,
    write_data_set,
)
from trl import SFTConfig, TrlParser

from audio_judge import AudioJudge, AudioJudgeConfig, AudioJudgeForCausalLM, AudioJudgeProcessor
from audio_judge.cli import main
from audio_judge.data.files import load_examples, read_example, write_examples
from audio_judge.eval.benchmarks import Question
from audio_judge.eval.judges import load_judge as load_evaluated
from audio_judge.judge.native import load_audio_model
from audio_judge.messages import audio_blocks, clip_state, text_messages
from audio_judge.rubrics.rubric import PROXY_RUBRICS, RUBRICS, get_rubric
from audio_judge.tasks import Assessment, assess
from audio_judge.training.collate import JudgeCollator, NativeCollator
from audio_judge.training.example import example_arguments
from audio_judge.training.sft import MODEL_INPUTS

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
import train_sft  # noqa: E402

RECIPES = ROOT / "recipes" / "sft"
ENCODER_OF = {
    "mini": "audio_judge_encoder",
    "open": "audio_judge_joined",
    "speechqualityllm_single_ast_tuned": "audio-spectrogram-transformer",
    "speechqualityllm_single_ast_frozen": "audio-spectrogram-transformer",
    "speechqualityllm_double_ast_tuned": "audio-spectrogram-transformer",
    "speechqualityllm_double_ast_frozen": "audio-spectrogram-transformer",
    "speechqualityllm_single_whisper": "whisper",
    "speechqualityllm_double_whisper": "whisper",
    "jastin": "pe_audio_encoder",
}
# Recipes that start from a whole model
WHOLE = {"mini_refine", "open_refine", "sq_llm", "example", "alld_captions", "alld_ab"}
# As another one with one or two clips, or with a tuned encoder: what that changes has tests of its own
ALIKE = {
    "speechqualityllm_single_ast_frozen",
    "speechqualityllm_double_ast_tuned",
    "speechqualityllm_double_whisper",
}
# Mixtures with no rated validation split
UNEVALUATED = {"jastin", "sq_llm"}
# What makes a real recipe small; everything else is as in the file
SMALL = {
    "adapter_tokens": 8, "max_steps": 2, "warmup_steps": 0, "per_device_train_batch_size": 2, "use_cpu": "true",
    "eval_steps": 2, "save_steps": 2, "logging_steps": 1, "per_device_eval_batch_size": 8, "max_eval_clips": 2,
    "dataloader_num_workers": 0, "dataloader_persistent_workers": "false", "disable_tqdm": "true",
}  # fmt: skip


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    return write_corpora(tmp_path_factory.mktemp("simulated"))


@pytest.fixture(scope="module")
def nisqa(tmp_path_factory):
    """Four training and three validation clips in the layout of the NISQA Corpus."""
    root = tmp_path_factory.mktemp("nisqa")
    columns = ["db", "filepath_deg", "filepath_ref", "con_description", "mos", "noi", "col", "dis", "loud"]
    with (root / "NISQA_corpus_file.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for i, split in enumerate(["TRAIN"] * 4 + ["VAL"] * 3):
            soundfile.write(root / f"{i}.wav", tone(0.6, 300 + 200 * i, 16_000), 16_000)
            writer.writerow([f"NISQA_{split}_SIM", f"{i}.wav", f"{i}.wav", "white noise", *[1.2 + 0.4 * i] * 5])
    return root


def source(recipe, output, data):
    """What a recipe is trained on, as it says; None takes back what it says."""
    said = yaml.safe_load((RECIPES / f"{recipe}.yaml").read_text())
    mixture = said.get("mixture")
    if data is None:
        return {name: "" for name in ("mixture", "corpus", "tasks") if name in said}
    if not mixture:
        return {"data": data}
    path = output / "mixture.yaml"
    path.parent.mkdir(exist_ok=True)
    text = (ROOT / mixture).read_text().replace("/data/simulated", str(data)).replace("/data/rated", f"{data}/votes")
    path.write_text(text)
    return {"mixture": path}


def arguments(recipe, output, backbones, data, **options):
    """A recipe with tiny backbones, as it would be given on the command line."""
    audio, text = make_backbones(backbones, ENCODER_OF[recipe], tie=recipe in ("mini", "open", "jastin"))
    paths = {"audio_backbone": audio, "text_backbone": text, "output_dir": output} | source(recipe, output, data)
    given = SMALL | paths | options
    if recipe == "jastin":
        del given["adapter_tokens"]  # its adapter makes a token of every frame
    return command(recipe, given)


def command(recipe, given):
    parts = [str(part) for name, value in given.items() for part in (f"--{name}", value)]
    return ["--config", str(RECIPES / f"{recipe}.yaml"), *parts]


def whole_arguments(recipe, output, **options):
    """A recipe that starts from a whole model, as it would be given on the command line."""
    given = SMALL | {"output_dir": output} | options
    del given["adapter_tokens"]
    return command(recipe, given)


def run(given):
    return train_sft.main(*TrlParser([train_sft.JudgeArguments, SFTConfig]).parse_args_and_config(given))


def parse(*given, **options):
    parser = TrlParser([train_sft.JudgeArguments, SFTConfig])
    return parser.parse_args_and_config(arguments(*given, **options))


def train(*given, **options):
    return train_sft.main(*parse(*given, **options))


def inputs_of(collator, trainer):
    """What a model takes of a batch of one training example."""
    batch = collator([trainer.train_dataset[0]])
    names = MODEL_INPUTS if isinstance(collator, JudgeCollator) else set(batch) - {"labels", "loss_weights"}
    return {name: batch[name] for name in names if name in batch}


class TestCheckSpans:
    @pytest.mark.parametrize("kind", ["span", "noul"])
    def test_questions_about_when_need_a_head(self, kind):
        row = {"example": json.dumps({"state": [], "questions": {"a": {"type": kind, "instructions": "clicks"}}})}
        judges = {size: SimpleNamespace(config=SimpleNamespace(span_size=size)) for size in (0, 8)}
        train_sft.check_spans(judges[8], [row])
        if kind == "span":
            with pytest.raises(ValueError, match="--span_size 64"):
                train_sft.check_spans(judges[0], [row])
        else:
            train_sft.check_spans(judges[0], [row])


class TestRecipes:
    @pytest.mark.parametrize("recipe", sorted(set(ENCODER_OF) - UNEVALUATED - ALIKE))
    def test_two_steps_leave_a_whole_judge(self, recipe, tmp_path, backbones, simulated, nisqa):
        data = simulated if recipe in ("mini", "open") else nisqa
        trainer = train(recipe, tmp_path, backbones, data, load_in_4bit="false")
        assert trainer.state.global_step == 2
        assert all(-1 <= row["eval_pcc"] <= 1 for row in trainer.state.log_history if "eval_pcc" in row)
        assert sum("eval_pcc" in row for row in trainer.state.log_history) == 1
        model = AudioJudgeForCausalLM.from_pretrained(tmp_path)
        processor = AudioJudgeProcessor.from_pretrained(tmp_path)
        assert processor.decision_config.chat_template
        asked = "decide" if recipe in ("mini", "open") else "score"
        assert model.config.learned["tasks"][asked]["form"] == ("decision" if asked == "decide" else "text")
        assert "quantization_config" not in model.config.to_dict()
        check_same_logits(trainer, model, inputs_of(JudgeCollator(processor), trainer))

    @pytest.mark.parametrize(
        ("recipe", "tuned"),
        [("speechqualityllm_single_ast_tuned", True), ("speechqualityllm_single_ast_frozen", False)],
    )
    def test_encoder_changes_only_where_it_is_tuned(self, recipe, tuned, tmp_path, backbones, nisqa):
        train(recipe, tmp_path, backbones, nisqa, learning_rate=1e-2, eval_strategy="no", load_best_model_at_end=False)
        audio, text = make_backbones(backbones, ENCODER_OF[recipe], tie=False)
        trained = AudioJudgeForCausalLM.from_pretrained(tmp_path).state_dict()
        before = AudioJudgeForCausalLM.from_backbones(audio, text, adapter_tokens=8, dtype=torch.bfloat16).state_dict()
        changed = {name for name in before if not torch.equal(trained[name], before[name])}
        queries = {name for name in changed if "audio_tower" in name}
        assert bool(queries) == tuned
        assert all(".q_proj." in name for name in queries)
        language = {name for name in changed if "language_model.layers" in name}  # new tokens start at random
        assert language
        assert all(".q_proj." in name or ".k_proj." in name for name in language)

    def test_trained_weights_move_beside_4_bits(self, tmp_path, backbones, nisqa, capsys, caplog):
        """The recipe's own learning rate is too small for weights in bfloat16: the adapter's norm stayed as it was."""
        options = {"eval_strategy": "no", "load_best_model_at_end": False, "warmup_steps": 0}
        trainer = train("speechqualityllm_single_ast_tuned", tmp_path, backbones, nisqa, **options)
        share = float(re.search(r"step 2 changed (\S+)% of the trained weights", capsys.readouterr().out)[1])
        assert share > 99
        assert "whole tensors as they were" not in caplog.text
        kinds = {parameter.dtype for parameter in trainer.model.parameters() if parameter.requires_grad}
        assert kinds == {torch.float32}
        assert trainer.model.model.lm_head.weight.dtype == torch.bfloat16

    @pytest.mark.parametrize("quantized", [False, True])
    def test_computes_in_float32_if_bf16_is_off(self, quantized, tmp_path, backbones, nisqa):
        options = {"bf16": "false", "load_in_4bit": quantized} | UNTESTED
        trainer = train("speechqualityllm_single_ast_tuned", tmp_path, backbones, nisqa, **options)
        assert trainer.state.global_step == 2
        assert trainer.model.model.lm_head.weight.dtype == torch.float32

    def test_every_recipe_is_tested(self):
        assert {path.stem for path in RECIPES.glob("*.yaml")} == set(ENCODER_OF) | WHOLE

    @pytest.mark.parametrize("kind", ["ast_tuned", "ast_frozen", "whisper"])
    def test_double_ended_recipe_hears_two_clips(self, kind, tmp_path, backbones, nisqa):
        dataset, _ = train_sft.load_datasets(*parse(f"speechqualityllm_double_{kind}", tmp_path, backbones, nisqa))
        assert all(row["example"].count('"type": "audio"') == 2 for row in dataset)

    @pytest.mark.parametrize(
        "path", sorted((ROOT / "recipes" / "accelerate").glob("*.yaml")), ids=lambda path: path.stem
    )
    def test_accelerate_knows_every_key(self, path):
        from accelerate.commands.config.config_args import ClusterConfig

        assert ClusterConfig.from_yaml_file(path).num_processes == 8


class TestExample:
    def test_tells_of_validation_before_and_after(self, tmp_path, backbones, capsys):
        """The example that a script runs without arguments, with a tiny judge in place of the mini."""
        for part in make_judge(backbones, tie=False, span_size=4):
            part.save_pretrained(tmp_path / "start")
        given = {"model": tmp_path / "start", "output_dir": tmp_path / "run", "max_steps": 2, "disable_tqdm": "true"}
        given |= {"per_device_train_batch_size": 4, "max_eval_clips": 8}
        run([*example_arguments(ROOT / "train_sft.py"), *(str(p) for k, v in given.items() for p in (f"--{k}", v))])
        table = capsys.readouterr().out.rpartition("validation")[2].splitlines()
        assert table[0].split() == ["before", "after"]
        assert {"pcc", "mae", "pcc_mos"} <= {line.split()[0] for line in table[1:]}
        AudioJudgeForCausalLM.from_pretrained(tmp_path / "run")


NEW = {"model": None, "audio_backbone": "a", "text_backbone": "t"}


class TestArguments:
    def parse(self, tmp_path, *given, **recipe):
        recipe = {
            "model": "judge",
            "data": "folder",
            "corpus": "nisqa",
            "output_dir": str(tmp_path),
            "use_cpu": True,
            "bf16": False,
        } | recipe
        (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
        parser = TrlParser([train_sft.JudgeArguments, SFTConfig])
        return parser.parse_args_and_config(["--config", str(tmp_path / "recipe.yaml"), *given])

    def test_unknown_key_is_an_error(self, tmp_path):
        with pytest.raises(ValueError, match="adaptor_tokens"):
            self.parse(tmp_path, adaptor_tokens=64)

    def test_command_line_wins_over_the_recipe(self, tmp_path):
        args, training_args = self.parse(tmp_path, "--variants", "3", "--seed", "7", variants=2, learning_rate="1e-3")
        assert (args.variants, training_args.seed, training_args.learning_rate) == (3, 7, 1e-3)

    def test_tasks_have_weights(self, tmp_path):
        args, _ = self.parse(tmp_path, tasks=["decide=9", "explain"])
        assert args.task_weights == {"decide": 9.0, "explain": 1.0}
        assert self.parse(tmp_path, "--answer_form", "decimal")[0].task_weights == {"score": 1.0}

    def test_weights_of_dimensions_are_a_mapping_or_names_with_weights(self, tmp_path):
        args, _ = self.parse(tmp_path, dimension_weights={"overall": 2, "speech_rate": 0.5})
        assert args.weights_of_dimensions == {"mos": 2.0, "speech_rate": 0.5}
        args, _ = self.parse(tmp_path, "--dimension_weights", "overall=3", "distortion=1")
        assert args.weights_of_dimensions == {"mos": 3.0, "distortion": 1.0}

    @pytest.mark.parametrize(
        ("recipe", "message"),
        [
            ({"dimension_weights": {"hiss": 2}}, "no 'hiss'; known are overall, intelligibility"),
            ({"model": None}, "exactly one of `model`, `native`"),
            ({"audio_backbone": "a", "text_backbone": "t"}, "exactly one of `model`, `native`"),
            ({"native": "n"}, "exactly one of `model`, `native`"),
            ({"model": None, "audio_backbone": "a"}, "and both `audio_backbone`"),
            ({"model": None, "native": "n"}, "give `answer_form: decimal`"),
            ({"model": None, "native": "n", "answer_form": "decimal", "span_size": 8}, "span_size: only judges"),
            ({"data": None}, "exactly one of .*; given: none"),
            ({"train_file": ["x.parquet"]}, "exactly one of .*; given: data, train_file"),
            ({"mixture": "x.yaml"}, "exactly one of .*; given: data, mixture"),
            ({"eval_file": ["x.parquet"]}, "leave `eval_file` out"),
            ({"streaming": True}, "`streaming` is for `train_file`"),
            ({"answer_form": "decimal", "tasks": ["decide"]}, "needs 'score' among the tasks"),
            (NEW | {"lora_target": ".*"}, "put `adapter` among"),
            (NEW | {"lora_target": ".*", "trainable": ["adapter"], "span_size": 8}, "put `span_head` among"),
            ({"corpus": None}, "`corpus` is missing, the reader of folder"),
            ({"adapter": "bottleneck"}, "`adapter`: cannot act, since they shape a new judge"),
            ({"lora_r": 4}, "`lora_r`: cannot act, since `lora_target` is not given"),
        ],
    )
    def test_contradictions_are_errors(self, tmp_path, recipe, message):
        with pytest.raises(ValueError, match=message):
            self.parse(tmp_path, **recipe)

    @pytest.mark.parametrize("source", [{"train_file": ["x.parquet"]}, {"mixture": "x.yaml"}])
    @pytest.mark.parametrize("option", [{"tasks": ["score"]}, {"with_reference": "always"}, {"variants": 2}])
    def test_what_says_how_data_is_asked_cannot_act_elsewhere(self, tmp_path, source, option):
        with pytest.raises(ValueError, match=f"`{next(iter(option))}`: cannot act, since examples are made of `data`"):
            self.parse(tmp_path, **{"data": None, "corpus": None, **source, **option})

    def test_learning_rate_of_a_frozen_encoder_is_an_error(self, tmp_path, backbones, simulated):
        with pytest.raises(ValueError, match="`encoder_learning_rate`: cannot act"):
            train("mini", tmp_path, backbones, simulated, encoder_learning_rate=1e-4)

    def test_early_stopping_without_evaluations(self, tmp_path, backbones, simulated):
        options = {"early_stopping_patience": 2, "eval_strategy": "no", "load_best_model_at_end": "false"}
        with pytest.raises(ValueError, match="`early_stopping_patience`: cannot act, since `eval_strategy` is no"):
            train("mini", tmp_path, backbones, simulated, **options)

    def test_an_empty_text_takes_back_what_a_recipe_says(self, tmp_path):
        said = {"data": None, "train_file": ["x.parquet"], "tasks": ["score"], "corpus": "nisqa"}
        args, _ = self.parse(tmp_path, "--tasks", "", "--corpus", "", **said)
        assert (args.tasks, args.corpus) == (None, None)

    def test_the_way_back_is_named(self, tmp_path):
        said = {"data": None, "train_file": ["x.parquet"], "tasks": ["score"], "with_reference": "always"}
        with pytest.raises(ValueError, match="give --corpus '' --tasks '' --with_reference never"):
            self.parse(tmp_path, **said)


class TestTraining:
    def test_resumed_run_ends_like_an_uninterrupted_one(self, tmp_path, backbones, simulated):
        options = {"max_steps": 4, "save_steps": 2, "eval_steps": 2, "load_best_model_at_end": "false"}
        options |= {"max_seconds": 0.3, "early_stopping_patience": 9, "save_total_limit": 9}
        train("mini", tmp_path / "whole", backbones, simulated, **options)
        # What a run leaves that was killed while it wrote its second checkpoint
        shutil.copytree(tmp_path / "whole" / "checkpoint-2", tmp_path / "parts" / "checkpoint-2")
        (tmp_path / "parts" / "checkpoint-3").mkdir()
        (tmp_path / "parts" / "checkpoint-3" / "model.safetensors").write_bytes(b"half")
        trainer = train("mini", tmp_path / "parts", backbones, simulated, **options, resume_from_checkpoint="last")
        assert trainer.state.global_step == 4
        whole, parts = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "parts"))
        assert all(torch.equal(whole[name], parts[name]) for name in whole)

    def test_resumed_lora_has_its_adapter_and_queries(self, tmp_path, backbones, nisqa):
        recipe = "speechqualityllm_single_ast_tuned"
        options = {"max_steps": 4, "save_steps": 2, "save_total_limit": 9}
        # Without evaluation: it makes bitsandbytes repack 4-bit weights on some CPUs, which moves their last digits
        options |= {"eval_strategy": "no", "load_best_model_at_end": "false", "lora_dropout": 0.0}
        train(recipe, tmp_path / "whole", backbones, nisqa, **options)
        shutil.copytree(tmp_path / "whole" / "checkpoint-2", tmp_path / "parts" / "checkpoint-2")
        train(recipe, tmp_path / "parts", backbones, nisqa, **options, resume_from_checkpoint="last")
        whole, parts = (
            load_file(tmp_path / name / "lora" / "adapter_model.safetensors") for name in ("whole", "parts")
        )
        assert all(torch.equal(whole[name], parts[name]) for name in whole)
        assert any("audio_tower" in name for name in whole)

    def test_stops_early_and_keeps_the_best_by_correlation(self, tmp_path, backbones, simulated):
        options = {
            "max_steps": 12,
            "early_stopping_patience": 2,
            "learning_rate": 1e-12,
            "eval_steps": 1,
            "save_steps": 1,
        }
        trainer = train("mini", tmp_path, backbones, simulated, **options)
        assert trainer.state.global_step == 3  # nothing can get better, so two evaluations after the first are enough
        scores = [row["eval_pcc"] for row in trainer.state.log_history if "eval_pcc" in row]
        assert trainer.state.best_metric == max(scores)
        best = load_file(Path(trainer.state.best_model_checkpoint) / "model.safetensors")
        saved = load_file(tmp_path / "model.safetensors")
        assert all(torch.equal(best[name], saved[name]) for name in best)

    def test_goes_on_from_a_judge(self, tmp_path, backbones, simulated):
        train("mini", tmp_path / "first", backbones, simulated, max_steps=1, **UNTESTED)
        output = tmp_path / "second"
        mixture = source("mini_refine", output, simulated)
        trainer = run(whole_arguments("mini_refine", output, model=tmp_path / "first", trainable="adapter", **mixture))
        first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("first", "second"))
        changed = {name for name in first if not torch.equal(first[name], second[name])}
        assert changed == {name for name in first if ".adapter." in name}
        processor = AudioJudgeProcessor.from_pretrained(output)
        saved = AudioJudgeForCausalLM.from_pretrained(output)
        check_same_logits(trainer, saved, inputs_of(JudgeCollator(processor), trainer))

    def test_two_processes_take_the_step_of_one(self, tmp_path, backbones, simulated):
        """Two processes with half the batch each, whose items differ in number, end with the weights of one process."""
        options = {"max_steps": 1, "optim": "sgd", "learning_rate": 0.1}
        # What is remembered is in bfloat16, whose last digits depend on the batch
        options |= {"eval_steps": 1, "lr_scheduler_type": "constant", "decision_weight": 1.0, "hear_once": "false"}
        train("mini", tmp_path / "one", backbones, simulated, **options | {"per_device_train_batch_size": 4})
        given = arguments("mini", tmp_path / "two", backbones, simulated, **options)
        forked_together(lambda: run_script(ROOT / "train_sft.py", given), tmp_path)
        one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
        assert max(float((one[name] - two[name]).abs().max()) for name in one) < 1e-5
        metrics = json.loads((tmp_path / "two" / "checkpoint-1" / "trainer_state.json").read_text())["log_history"]
        assert any("eval_pcc" in row for row in metrics)


@pytest.fixture(scope="module")
def files(tmp_path_factory, nisqa, simulated):
    """What `audio-judge data` writes: decisions and answers in words, about one clip and about two, and a mixture."""
    folder = tmp_path_factory.mktemp("files")
    write = {
        "decide.parquet": ["nisqa", nisqa, "--tasks", "decide"],
        "words.jsonl": ["simulated", simulated, "--tasks", "compare,explain,score", "--variants", "2"],
        "evaluation.parquet": ["nisqa", nisqa, "--tasks", "decide", "--split", "validation", "--all-rubrics"],
    }
    for name, given in write.items():
        assert main.main(["data", *map(str, given), "--out", str(folder / name)]) == 0
    corpora = [
        {"reader": "nisqa", "path": str(nisqa), "balance": "mos"},
        {"reader": "simulated", "path": str(simulated), "tasks": {"compare": 1}},
    ]
    mixture = {"tasks": ["decide", "score"], "variants": 2, "corpora": corpora}
    tested_on = {"reader": "nisqa", "path": str(nisqa), "split": "validation"}
    (folder / "mixture.yaml").write_text(yaml.safe_dump(mixture | {"tested_on": [tested_on]}))
    (folder / "untested.yaml").write_text(yaml.safe_dump(mixture))
    return folder


UNTESTED = {"eval_strategy": "no", "load_best_model_at_end": "false", "early_stopping_patience": 0}


def tasks_of(dataset):
    return Counter(read_example(row)["task"] for row in dataset)


class TestFiles:
    """Training on examples that were written before."""

    @pytest.fixture(autouse=True)
    def no_rest_for_threads(self, monkeypatch):
        """`datasets` waits 5 s after each pass over a stream, for threads of Arrow that read from far away."""
        monkeypatch.setattr("datasets.config.SLEEP_TIME_ON_THREADS_SHUTDOWN", 0)

    @pytest.mark.parametrize("streaming", [False, True])
    def test_decisions_and_answers_about_two_clips(self, streaming, tmp_path, backbones, files):
        both = [str(files / name) for name in ("decide.parquet", "words.jsonl")]
        options = {"per_device_train_batch_size": 8, "streaming": streaming, "eval_file": files / "evaluation.parquet"}
        trainer = run([*arguments("mini", tmp_path, backbones, None, **options), "--train_file", *both])
        assert trainer.state.global_step == 2
        counts = tasks_of(trainer.train_dataset)
        assert counts["decide"] == 4
        assert counts["compare"] > 0
        assert counts.total() >= 16
        logged = {name for row in trainer.state.log_history for name in row}
        assert {"decision_loss", "token_loss", "eval_pcc", "eval_pcc_loudness"} <= logged
        learned = AudioJudgeConfig.from_pretrained(tmp_path).learned["tasks"]
        assert {name: lesson["form"] for name, lesson in learned.items()} == {
            name: "decision" if name == "decide" else "text" for name in counts
        }

    def test_no_example_twice_in_an_epoch_of_a_stream(self, files):
        both = [files / name for name in ("decide.parquet", "words.jsonl")]
        rows = [row["example"] for row in load_examples(both, streaming=True).shuffle(0)]
        assert sorted(rows) == sorted(load_examples(both)["example"])

    def test_lora_learns_the_token_of_questions_if_there_are_any(self, tmp_path, backbones, files):
        for name, asks in (("decide.parquet", True), ("words.jsonl", False)):
            given = {"train_file": files / name, **UNTESTED}
            parsed = parse("speechqualityllm_single_ast_tuned", tmp_path, backbones, None, **given)
            assert train_sft.asks_decisions(parsed[0], train_sft.load_datasets(*parsed)[0]) == asks

    @pytest.mark.parametrize("tie", [True, False])
    def test_lora_is_saved_as_it_was_trained(self, tie, tmp_path, backbones, files):
        """With its adapter and the token of questions, into backbones that are joined anew."""
        _, text = make_backbones(backbones, tie=tie)
        options = {"text_backbone": text, "answer_form": "decision", "load_in_4bit": "false", "dtype": "float32"}
        options |= {"train_file": files / "decide.parquet"} | UNTESTED
        trainer = train("speechqualityllm_single_ast_tuned", tmp_path, backbones, None, **options)
        lora = load_file(tmp_path / "lora" / "adapter_model.safetensors")
        assert any("trainable_tokens_delta" in name for name in lora)
        processor = AudioJudgeProcessor.from_pretrained(tmp_path)
        saved = AudioJudgeForCausalLM.from_pretrained(tmp_path)
        check_same_logits(trainer, saved, inputs_of(JudgeCollator(processor), trainer))

    def test_chooses_as_many_as_are_wanted(self, tmp_path, backbones, files):
        options = {"train_file": files / "words.jsonl", "eval_file": files / "evaluation.parquet", "max_train_clips": 5}
        parsed = parse("mini", tmp_path, backbones, None, **options)
        assert [len(dataset) for dataset in train_sft.load_datasets(*parsed)] == [5, SMALL["max_eval_clips"]]

    def test_nothing_to_evaluate_on(self, tmp_path, backbones, files):
        with pytest.raises(ValueError, match="give `eval_file`"):
            train("mini", tmp_path, backbones, None, train_file=files / "decide.parquet")


class TestDataSet:
    @pytest.fixture
    def saved(self, tmp_path, monkeypatch):
        monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
        return write_data_set(tmp_path / "set", {"train": 4, "validation": 3})

    def arguments(self, output, backbones, saved):
        own = ["--data", str(saved), "--corpus", "table", "--corpus_options", DATA_SET_COLUMNS]
        return arguments("mini", output, backbones, None) + own

    def test_its_sounds_are_heard(self, tmp_path, backbones, saved):
        trainer = run(self.arguments(tmp_path / "run", backbones, saved))
        assert (len(trainer.train_dataset), len(trainer.eval_dataset)) == (4, 2)
        assert any("eval_pcc_noisiness" in row for row in trainer.state.log_history)

    def test_what_tells_no_splits_apart_is_refused(self, tmp_path, backbones, saved):
        with pytest.raises(ValueError, match="does not tell its splits apart"):
            run(self.arguments(tmp_path / "run", backbones, f"{saved}:train"))


class TestMixture:
    def test_two_steps(self, tmp_path, backbones, files, capsys):
        trainer = train("mini", tmp_path, backbones, None, mixture=files / "mixture.yaml")
        assert trainer.state.global_step == 2
        assert set(tasks_of(trainer.train_dataset)) == {"decide", "score", "compare"}
        assert f"{len(trainer.train_dataset)} examples\ntasks:" in capsys.readouterr().out
        assert any("eval_pcc_noisiness" in row for row in trainer.state.log_history)

    def test_evaluates_on_its_validation_split(self, tmp_path, backbones, files, nisqa):
        parsed = parse("mini", tmp_path, backbones, None, mixture=files / "mixture.yaml", max_eval_clips=99)
        evaluation = [read_example(row) for row in train_sft.load_datasets(*parsed)[1]]
        assert [block["path"] for example in evaluation for block in audio_blocks(example)] == [
            f"{nisqa}/{i}.wav" for i in (4, 5, 6)
        ]
        assert all(set(example["questions"]) == set(RUBRICS) for example in evaluation)

    def test_nothing_to_evaluate_on(self, tmp_path, backbones, files):
        with pytest.raises(ValueError, match="`tested_on` a rated validation split"):
            train("mini", tmp_path, backbones, None, mixture=files / "untested.yaml")

    def test_levels_are_balanced_as_the_mixture_says(self, tmp_path, backbones, nisqa):
        """Clips of 1.2 to 2.4: one is bad, three are poor, and both levels come up about as often."""
        corpus = {"reader": "nisqa", "path": str(nisqa), "balance": "mos"}
        shares = {}
        for balance in ("mos", ""):
            mixture = {"tasks": ["score"], "variants": 20, "corpora": [corpus | {"balance": balance}]}
            (tmp_path / "mixture.yaml").write_text(yaml.safe_dump(mixture))
            parsed = parse("mini", tmp_path, backbones, None, mixture=tmp_path / "mixture.yaml", **UNTESTED)
            levels = Counter(
                get_rubric("mos").level_of(read_example(row)["scores"]["mos"])
                for row in train_sft.load_datasets(*parsed)[0]
            )
            shares[balance] = levels["bad"] / levels.total()
        assert shares[""] == 0.25
        assert shares["mos"] == pytest.approx(0.5, abs=0.17)


@pytest.fixture(scope="module")
def native(tmp_path_factory):
    """The folder of a tiny Qwen2-Audio, wide enough for 4-bit kernels."""
    folder = tmp_path_factory.mktemp("native")
    torch.manual_seed(0)
    for part in qwen2_audio(hidden_size=64, intermediate_size=128):
        part.save_pretrained(folder)
    return folder


def changed_weights(before, after, dtype=torch.float32):
    """Names of the weights that differ between two folders of a native audio language model."""
    old, new = (load_audio_model(str(folder), dtype=dtype)[0].state_dict() for folder in (before, after))
    assert set(old) == set(new)
    return {name for name in old if not torch.equal(old[name], new[name])}


LORA = {"lora_target": r".*language_model\.layers\.\d+\.self_attn\.(q|v)_proj", "learning_rate": 1e-2}


def learned_score(judge):
    """The score of a tone on a rubric that the judge learned to score in digits."""
    name = judge.identity.learned.tasks["score"].rubrics[0]
    assert judge.identity.way_to_score(name) == "score"
    return judge.score((tone(0.5), 48_000), rubric=name)[name]


class TestInItsOwnWords:
    """A judge that learned to say 5/5 in text says so, whoever asks; its decisions, never learned, would say 2.6."""

    ANSWER = assess.write(Assessment({"mos": 5.0}, answer="Fine."))

    @pytest.fixture(scope="class")
    def clips(self, tmp_path_factory):
        folder = tmp_path_factory.mktemp("words")
        for index in range(2):
            soundfile.write(folder / f"{index}.wav", tone(0.3, 300 + 300 * index), 48_000)
        return [str(folder / f"{index}.wav") for index in range(2)]

    @pytest.fixture(scope="class")
    def trained(self, clips, backbones, tmp_path_factory):
        output = tmp_path_factory.mktemp("trained")
        completion = [{"role": "assistant", "content": self.ANSWER}]
        facts = {"task": "assess", "rubrics": ["mos"], "scores": {"mos": 5.0}, "seed": 1, "completion": completion}
        rows = [facts | {"prompt": text_messages(clip_state(clip), assess.ask())} for clip in clips]
        write_examples(rows, output / "words.jsonl")
        audio, text = make_backbones(backbones)
        given = SMALL | {"audio_backbone": audio, "text_backbone": text, "train_file": output / "words.jsonl"}
        given |= {"output_dir": output, "answer_form": "decimal", "max_steps": 32, "learning_rate": 1e-2}
        given |= {"eval_strategy": "no", "save_strategy": "no", "bf16": "false", "report_to": "none"}
        given |= {"gradient_checkpointing": "false"}
        run([str(part) for name, value in given.items() for part in (f"--{name}", value)])
        return output

    def test_notes_what_it_learned(self, trained):
        expected = {"assess": {"form": "text", "rubrics": ["mos"], "languages": ["en"]}}
        assert AudioJudgeConfig.from_pretrained(trained).learned["tasks"] == expected

    def test_is_read_as_it_was_trained_by_the_api_and_by_evaluation(self, trained, clips):
        said = AudioJudge.from_pretrained(trained, device="cpu").assess(clips[0])
        assert (said["mos"].value, said.text, said.coverage) == (5.0, self.ANSWER, 1.0)
        judge = load_evaluated(str(trained), device="cpu")
        for task in ("assess", "score"):
            (answer,) = judge.answer([Question("a", task, (clips[0],), (get_rubric("mos"),))])
            assert answer.prediction["scores"] == {"mos": 5.0}


class TestNative:
    """A native audio language model of transformers in place of a judge."""

    def arguments(self, output, native, files, **options):
        given = SMALL | {"native": native, "answer_form": "decimal", "output_dir": output, "bf16": "false"}
        given |= {"eval_strategy": "steps", "report_to": "none", "eval_file": files / "words.jsonl"} | options
        del given["adapter_tokens"]
        parts = [str(part) for name, value in given.items() for part in (f"--{name}", value)]
        return [*parts, "--train_file", str(files / "decide.parquet"), str(files / "words.jsonl")]

    def test_two_steps_in_full_on_what_is_answered_in_text(self, tmp_path, native, files, caplog):
        trainer = run(self.arguments(tmp_path, native, files, learning_rate=1e-3, max_seconds=1.5))
        assert trainer.state.global_step == 2
        count = len(trainer.train_dataset)
        assert f"4 of {count + 4} examples are typed questions" in caplog.text
        assert "decide" not in tasks_of(trainer.train_dataset)
        assert sum("eval_loss" in row for row in trainer.state.log_history) == 1
        changed = changed_weights(native, tmp_path)
        for part in ("audio_tower", "multi_modal_projector", "language_model"):
            assert any(part in name for name in changed)
        model, processor = load_audio_model(str(tmp_path))
        batch = NativeCollator(processor)([trainer.train_dataset[0]])
        del batch["loss_weights"]
        assert model(**batch).loss.isfinite()
        judge = AudioJudge.from_pretrained(tmp_path, device="cpu")
        assert learned_score(judge).shares  # in numbers, as it learned, and not in typed questions
        assert (judge.processor.window_seconds, judge.languages) == (1.5, ("en",))

    @pytest.mark.parametrize("quantized", [False, True])
    def test_lora_is_merged_into_a_whole_model(self, quantized, tmp_path, native, files):
        trainer = run(self.arguments(tmp_path, native, files, **LORA, load_in_4bit=quantized))
        kinds = {type(module).__name__ for name, module in trainer.model.named_modules() if "audio_tower" in name}
        assert "Linear4bit" not in kinds
        assert any(type(module).__name__ == "Linear4bit" for module in trainer.model.modules()) == quantized
        changed = changed_weights(native, tmp_path)
        assert {re.sub(r".*layers", "layers", name) for name in changed} == {
            "layers.0.self_attn.q_proj.weight",
            "layers.0.self_attn.v_proj.weight",
        }
        saved, processor = load_audio_model(str(tmp_path))
        assert "quantization_config" not in saved.config.to_dict()
        if not quantized:
            check_same_logits(trainer, saved, inputs_of(NativeCollator(processor), trainer))
        whole, lora = (AudioJudge.from_pretrained(place, device="cpu") for place in (tmp_path, tmp_path / "lora"))
        assert whole.identity.learned == lora.identity.learned
        if not quantized:  # that one was trained on packed weights and merged into whole ones
            assert learned_score(whole).value == pytest.approx(learned_score(lora).value, abs=1e-3)

    def test_judge_of_our_own_is_an_error(self, tmp_path, judge, files):
        for part in judge("audio_judge_encoder", "pooled_linear"):
            part.save_pretrained(tmp_path / "judge")
        with pytest.raises(ValueError, match="a judge of our own; give it as `model`"):
            run(self.arguments(tmp_path, tmp_path / "judge", files))


def part_of_mixture(name, root, wanted):
    """The corpora of a mixture that `wanted` holds for, below `root`."""
    mixture = yaml.safe_load((ROOT / "recipes" / "data" / f"{name}.yaml").read_text().replace("/data/", f"{root}/"))
    mixture["corpora"] = [corpus for corpus in mixture["corpora"] if wanted(corpus)]
    assert mixture["corpora"]
    del mixture["tested_on"]
    mixture.pop("paraphrases", None)  # a file that a language model writes
    if not any("compare" in corpus.get("tasks", {}) for corpus in mixture["corpora"]):
        mixture.pop("comparison_form", None)
    path = root / f"{name}.yaml"
    path.write_text(yaml.safe_dump(mixture))
    return path


class TestSqLLM:
    """SQ-LLM's first stage with a tiny Qwen2-Audio in place of Qwen2.5-Omni, whose processor needs torchvision."""

    def write(self, root):
        """Assessments and fake detection in the layout of SpeechEval."""
        thought = "<think>\nOverall Quality: {}/5\nDistortion: 2/5\n</think>\n\n<answer>\nIt is fine.\n</answer>"
        answers = {
            "SingleEval": [thought.format(k) for k in (2, 3, 4)],
            "FakeDetection": ["real", "fake"] * 5,
        }
        for (task, texts), folder in zip(answers.items(), ("single", "fakedetection"), strict=True):
            rows = []
            for k, text in enumerate(texts):
                soundfile.write(root / f"{task}{k}.wav", tone(0.5, 300 + 100 * k, 16_000), 16_000)
                asked = {"role": "user", "content": "<audio> What do you hear?"}
                turns = [asked, {"role": "assistant", "content": text}]
                audio = {"key": f"en_{task}{k}", "audios": [f"{task}{k}.wav"]}
                rows.append(json.dumps(audio | {"task": task, "messages": turns}) + "\n")
            file = root / "data_split" / f"split_data_{folder}" / "train" / "multitask.jsonl"
            file.parent.mkdir(parents=True)
            file.write_text("".join(rows))

    def test_two_steps_change_the_language_model_alone(self, tmp_path, native):
        (tmp_path / "SpeechEval").mkdir()
        self.write(tmp_path / "SpeechEval")
        tasks = (["SingleEval"], ["FakeDetection"])
        mixture = part_of_mixture("sq_llm", tmp_path, lambda corpus: corpus.get("options", {}).get("tasks") in tasks)
        output = tmp_path / "out"
        weights = ["--dimension_weights", "overall=2", "distortion=0.5"]
        arguments = whole_arguments("sq_llm", output, native=native, mixture=mixture, learning_rate=1e-2)
        trainer = run([*arguments, *weights])
        assert trainer.state.global_step == 2
        assert trainer.data_collator.dimension_weights == {"mos": 2.0, "distortion": 0.5}
        assert set(tasks_of(trainer.train_dataset)) == {"assess", "detect"}
        changed = changed_weights(native, output, torch.bfloat16)
        assert changed
        assert all("language_model.layers" in name for name in changed)
        lora = load_file(output / "lora" / "adapter_model.safetensors")
        assert all("language_model.layers" in name for name in lora)
        layers = {re.search(r"(\w+)\.lora_A", name)[1] for name in lora if "lora_A" in name}
        assert layers == {f"{name}_proj" for name in ("q", "k", "v", "o", "gate", "up", "down")}

    def test_weight_of_a_dimension_that_no_thought_speaks_of_is_an_error(self, tmp_path, native):
        (tmp_path / "SpeechEval").mkdir()
        self.write(tmp_path / "SpeechEval")
        mixture = part_of_mixture("sq_llm", tmp_path, lambda corpus: "SingleEval" in str(corpus.get("options")))
        arguments = whole_arguments("sq_llm", tmp_path / "out", native=native, mixture=mixture)
        with pytest.raises(ValueError, match="no thought of the 3 training examples speaks of speech_rate;"):
            run([*arguments, "--dimension_weights", "overall=2", "speech_rate=2"])

    def test_lora_covers_all_layers_of_the_thinkers_language_model(self):
        target = yaml.safe_load((RECIPES / "sq_llm.yaml").read_text())["lora_target"]
        layers = [name for name, module in omni()[0].named_modules() if isinstance(module, torch.nn.Linear)]
        assert [name for name in layers if re.fullmatch(target, name)] == [
            name for name in layers if "language_model.layers" in name
        ]


class TestAlld:
    """ALLD's supervised stages with a tiny Qwen2-Audio."""

    @pytest.mark.parametrize(("recipe", "task"), [("alld_captions", "describe"), ("alld_ab", "compare")])
    def test_two_steps_train_all_weights(self, recipe, task, tmp_path, native):
        for name in "ab":
            soundfile.write(tmp_path / f"{name}.wav", tone(0.5, 400, 16_000), 16_000)
        a, b = (str(tmp_path / f"{name}.wav") for name in "ab")
        rows = [
            {"task": "describe", "audio": [a], "text": "Clear. The MOS is 3.4.", "truth": 3.4},
            {"task": "compare", "audio": [a, b], "text": "A is cleaner.\n[SpeechA]", "truth": {"mos": "A"}},
        ]
        (tmp_path / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        mixture = part_of_mixture(recipe, tmp_path, lambda _: True)
        output = tmp_path / "out"
        options = {"native": native, "mixture": mixture, "learning_rate": 1e-3, "bf16": "false"}
        trainer = run(whole_arguments(recipe, output, **options))
        assert set(tasks_of(trainer.train_dataset)) == {task}
        changed = changed_weights(native, output)
        for part in ("audio_tower", "multi_modal_projector", "language_model", "lm_head"):
            assert any(part in name for name in changed)

    @pytest.mark.parametrize("recipe", ["alld_captions", "alld_ab"])
    def test_values_are_the_published_ones(self, recipe):
        published = {
            "native": "Qwen/Qwen2-Audio-7B", "num_train_epochs": 2, "learning_rate": 1e-5,
            "per_device_train_batch_size": 4, "logging_steps": 5,
        }  # fmt: skip
        given = yaml.safe_load((RECIPES / f"{recipe}.yaml").read_text())
        assert {name: given[name] for name in published} == published
        assert not {"lora_target", "trainable"} & set(given)


def proxy_mixture(root):
    """Jastin's mixture of the proxies alone, of which two tones each are written below `root`."""
    (root / "proxies").mkdir()
    for name, rubric in PROXY_RUBRICS.items():
        rows = []
        for score, frequency in ((rubric.low, 300), (rubric.high, 700)):
            path = root / f"{name}{frequency}.wav"
            soundfile.write(path, tone(0.5, frequency), 48_000)
            rows.append(json.dumps({"path": str(path), "score": score, "reference": str(path)}) + "\n")
        (root / "proxies" / f"{name}.jsonl").write_text("".join(rows))
    return part_of_mixture("jastin", root, lambda corpus: "proxies" in corpus["path"])


class TestJastin:
    def test_two_steps_leave_the_encoder_alone(self, tmp_path, backbones):
        mixture = proxy_mixture(tmp_path)
        output = tmp_path / "out"
        trainer = train("jastin", output, backbones, None, mixture=mixture, learning_rate=1e-3)
        assert trainer.state.global_step == 2
        assert set(tasks_of(trainer.train_dataset)) == {"rate"}
        assert set(AudioJudgeConfig.from_pretrained(output).learned["tasks"]) == {"rate"}
        audio, text = make_backbones(backbones, "pe_audio_encoder")
        before = AudioJudgeForCausalLM.from_backbones(audio, text, adapter="bottleneck", dtype=torch.float32)
        saved = AudioJudgeForCausalLM.from_pretrained(output)
        old, new = before.state_dict(), saved.state_dict()
        changed = {name for name in old if not torch.equal(old[name], new[name])}
        assert not any("audio_tower" in name for name in changed)
        processor = AudioJudgeProcessor.from_pretrained(output)
        check_same_logits(trainer, saved, inputs_of(JudgeCollator(processor), trainer))
        assert any("language_model.layers" in name for name in changed)
        assert any("adapter" in name for name in changed)
