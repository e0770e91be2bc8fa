"""The recipes for pretrained models of a laptop's size, each for two steps on tiny random ones."""

import sys
from pathlib import Path

import pytest
import yaml
from tiny import check_same_logits, make_backbones, write_corpora
from trl import GRPOConfig, SFTConfig, TrlParser

from audio_judge import AudioJudgeForCausalLM, AudioJudgeProcessor
from audio_judge.training.collate import JudgeCollator
from audio_judge.training.sft import MODEL_INPUTS

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
import train_grpo  # noqa: E402
import train_sft  # noqa: E402

RECIPES = ROOT / "recipes" / "real"
NEW = ("decisions", "jastin")  # of two backbones
ON_DECISIONS = ("speechqualityllm", "sq_llm")  # from the judge that the first one makes
REWARDED = ("grpo", "grpo_rules")
ELSEWHERE = ("alld", "alld_captions")  # in test_train_alld.py
SMALL = {
    "max_steps": 2, "warmup_steps": 0, "per_device_train_batch_size": 2, "save_steps": 1, "logging_steps": 1,
    "dataloader_num_workers": 0, "dataloader_persistent_workers": "false", "disable_tqdm": "true",
}  # fmt: skip
SMALL_GRPO = {
    "max_steps": 1, "per_device_train_batch_size": 8, "max_completion_length": 6, "max_eval_prompts": 2,
    "disable_tqdm": "true", "save_steps": 1, "logging_steps": 1, "log_completions": "false",
}  # fmt: skip


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    return write_corpora(tmp_path_factory.mktemp("simulated"))


@pytest.fixture(scope="module")
def train(backbones, corpora, tmp_path_factory):
    """Trains by a recipe, with its own mixture on the tiny corpora."""

    def run(recipe, **options):
        output = tmp_path_factory.mktemp(recipe)
        mixture = (ROOT / yaml.safe_load((RECIPES / f"{recipe}.yaml").read_text())["mixture"]).read_text()
        mixture = mixture.replace("/data/simulated", str(corpora)).replace("/data/rated", f"{corpora}/votes")
        (output / "mixture.yaml").write_text(mixture)
        audio, text = make_backbones(backbones, "whisper")
        parts = {"audio_backbone": audio, "text_backbone": text} if recipe in NEW else {}
        given = SMALL | parts | {"mixture": output / "mixture.yaml", "output_dir": output} | options
        command = ["--config", str(RECIPES / f"{recipe}.yaml")]
        command += [str(part) for name, value in given.items() for part in (f"--{name}", value)]
        return train_sft.main(*TrlParser([train_sft.JudgeArguments, SFTConfig]).parse_args_and_config(command))

    return run


@pytest.fixture(scope="module")
def decisions(train):
    return train("decisions", adapter_tokens=8)


def saved(trainer):
    """The judge that a run left, which is the trained one."""
    folder = trainer.args.output_dir
    model, processor = AudioJudgeForCausalLM.from_pretrained(folder), AudioJudgeProcessor.from_pretrained(folder)
    batch = JudgeCollator(processor)([trainer.train_dataset[0]])
    check_same_logits(trainer, model, {name: batch[name] for name in MODEL_INPUTS})
    return model.config


def test_every_recipe_is_tested():
    trained = {path.stem for path in RECIPES.glob("*.yaml") if not path.stem.endswith("_data")}
    assert trained == {*NEW, *ON_DECISIONS, *REWARDED, *ELSEWHERE}


class TestDecisions:
    def test_leaves_a_judge_of_typed_questions(self, decisions):
        config = saved(decisions)
        assert config.learned["tasks"]["decide"]["form"] == "decision"
        assert (config.layer_weights, config.cut_window, config.pooled_spread) == (True, True, True)
        assert config.adapter_scale > 0

    @pytest.mark.parametrize("recipe", ON_DECISIONS)
    def test_others_start_from_it(self, train, decisions, recipe):
        config = saved(train(recipe, model=decisions.args.output_dir))
        known = config.learned["tasks"]
        assert "decide" not in known  # what these examples do not practise is forgotten
        assert known["explain" if recipe == "speechqualityllm" else "assess"]["form"] == "text"
        assert config.layer_weights


class TestJastin:
    def test_learns_nothing_of_what_is_kept_out(self, train):
        trainer = train("jastin")
        config = saved(trainer)
        learned = config.learned["tasks"]["rate"]
        assert learned["form"] == "text"
        assert not {"coloration", "prosody"} & set(learned["rubrics"])
        assert config.adapter == "bottleneck"


class TestGRPO:
    def parse(self, recipe, **given):
        command = ["--config", str(RECIPES / f"{recipe}.yaml")]
        command += [str(part) for name, value in given.items() for part in (f"--{name}", value)]
        return TrlParser([train_grpo.GRPOArguments, GRPOConfig]).parse_args_and_config(command)

    def test_rules_go_on_from_a_judge_of_the_four_tasks(self, decisions, corpora, tmp_path):
        places = {"model": decisions.args.output_dir, "data": corpora, "output_dir": tmp_path}
        trainer = train_grpo.main(*self.parse("grpo_rules", **places, **SMALL_GRPO))
        assert trainer.state.global_step == 1
        assert len(trainer.reward_func_names) == 5
        assert AudioJudgeForCausalLM.from_pretrained(tmp_path).config.layer_weights

    def test_the_evaluator_grades_as_published(self, tmp_path):
        args, _ = self.parse("grpo", evaluator="http://localhost:1/v1", data=tmp_path, output_dir=tmp_path)
        assert args.rewards[0] == "evaluator=4.5"

    def test_rules_differ_from_it_in_what_is_rewarded_alone(self, tmp_path):
        given = {"data": tmp_path, "output_dir": tmp_path}
        graded, rules = (
            self.parse("grpo", evaluator="http://localhost:1/v1", **given),
            self.parse("grpo_rules", **given),
        )
        ours, theirs = (vars(args) | training.to_dict() for args, training in (graded, rules))
        differ = {name for name in ours if ours[name] != theirs[name]}
        assert {name for name in differ if not name.startswith("evaluator")} == {"rewards"}
