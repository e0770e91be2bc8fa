import json
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from tiny import make_backbones, make_judge, write_simulated
from trl import GRPOConfig, SFTConfig

import train_backbones
import train_grpo
import train_sft
from audio_judge.cli.main import main as audio_judge_main
from audio_judge.data.mixtures import mixture_of
from audio_judge.errors import UsageError
from audio_judge.eval.benchmarks import load as load_benchmark
from audio_judge.eval.cli import main as eval_main

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import ablations
from ablations import Step, load, make_parser, parse, plan, table, with_backbones


def options(tmp_path, *words):
    """Those of a run on places that are there."""
    for name in ("corpus", "rated", "speech", "music"):
        (tmp_path / name).mkdir(exist_ok=True)
    data = [word for name in ("rated", "speech", "music") for word in ("--data", f"{name}={tmp_path / name}")]
    where = ["--corpus", str(tmp_path / "corpus"), "--output", str(tmp_path / "out")]
    return make_parser().parse_args(["any", *where, *data, *words])


@pytest.mark.parametrize("name", ablations.names())
class TestFiles:
    def test_every_variant_has_a_plan_that_the_scripts_take(self, name, tmp_path):
        ablation = load(name)
        steps = plan(ablation, options(tmp_path, "--variants", ",".join(ablation.variants)))
        files = {
            path.name: content for several in steps.values() for one in several for path, content in one.files.items()
        }
        assert files.keys() >= {"data.yaml", "sft.yaml"}
        for step in (one for several in steps.values() for one in several):
            for path, content in step.files.items():
                kinds = {
                    "sft.yaml": (train_sft.JudgeArguments, SFTConfig),
                    "grpo.yaml": (train_grpo.GRPOArguments, GRPOConfig),
                }
                if path.name == "data.yaml":
                    mixture_of(content)
                    continue
                ours, trainers = ({one.name for one in fields(kind)} for kind in kinds[path.name])
                assert content.keys() <= ours | trainers
                kinds[path.name][0](**{key: value for key, value in content.items() if key in ours})

    def test_variants_differ_in_what_they_say_and_in_nothing_else(self, name, tmp_path):
        ablation = load(name)
        steps = plan(ablation, options(tmp_path, "--variants", ",".join(ablation.variants)))
        for key, variant in ablation.variants.items():
            if variant.goes_on_from:
                continue
            first = next(iter(ablation.variants))
            told = {*ablation.variants[first].sft, *variant.sft, "train_file", "output_dir"}
            mine, its = (recipes(steps[one])["sft.yaml"] for one in (key, first))
            assert {k: v for k, v in mine.items() if k not in told} == {k: v for k, v in its.items() if k not in told}

    def test_figures_are_of_benchmarks_that_measure_them(self, name):
        ablation = load(name)
        for figure in ablation.figures:
            benchmark, _, thing = figure.partition(" ")
            about, _, kind = thing.partition("/")
            known = load_benchmark(benchmark)
            rubrics = {one.name for one in known.rubrics} | {"addressed", "areas", "detect", "answer", "mos"}
            assert about in rubrics
            assert kind in {*known.metrics, "LScore", "MAE", "PCC"}


def recipes(steps):
    return {path.name: content for one in steps for path, content in one.files.items()}


class TestPublished:
    @pytest.mark.parametrize(
        ("name", "row", "variant", "expected"),
        [
            ("cot", "suggestion, LScore", "neither", 6.733),
            ("sources", "SpeechEval overall, PCC", "human", 0.684),
            ("descriptions", "AudioMOS M-overall, SRCC", "step_2", -0.699),
            ("backbones", "AES speech PQ, PCC", "base_llama3b", 0.707),
            ("backbones", "SpeechEval distortion, SRCC", "wavlm_llama3b", 0.709),
            ("encoder", "with the original, PCC of MOS", "tuned", 0.855),
        ],
    )
    def test_numbers_are_those_of_the_papers(self, name, row, variant, expected):
        said = load(name).published
        assert said["figures"][row][list(said["of"]).index(variant)] == expected


class TestParse:
    VALUES = yaml.safe_load((ablations.FOLDER / "cot.yaml").read_text(encoding="utf-8"))

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"colour": 1}, "the file: unknown colour"),
            ({"variants": {"a": {"title": "A", "corpora": ["none"]}}}, "variant a: none is nowhere"),
            ({"published": {"of": ["cot"], "figures": {"x": [1, 2]}}}, "published: x"),
            ({"figures": {"simulated mos/PCC": "x"}}, "figures: simulated mos/PCC"),
        ],
    )
    def test_says_what_is_wrong(self, change, said):
        with pytest.raises(ValueError, match=said):
            parse(self.VALUES | change, "cot")


class TestPlan:
    def test_large_variants_are_run_when_they_are_named(self, tmp_path):
        assert list(plan(load("encoder"), options(tmp_path))) == ["", "tuned", "frozen"]
        assert "whisper" in plan(load("encoder"), options(tmp_path, "--variants", "whisper"))

    def test_what_a_variant_goes_on_from_comes_first(self, tmp_path):
        steps = plan(load("cot"), options(tmp_path, "--variants", "cot_grpo"))
        assert [one.name for name in ("cot", "cot_grpo") for one in steps[name]] == [
            "data",
            "sft",
            "eval",
            "data",
            "grpo",
            "eval",
        ]
        assert recipes(steps["cot_grpo"])["grpo.yaml"]["model"] == recipes(steps["cot"])["sft.yaml"]["output_dir"]

    def test_a_place_that_is_missing_is_named(self, tmp_path):
        with pytest.raises(UsageError, match="give --data rated=PATH"):
            plan(
                load("sources"), make_parser().parse_args(["sources", "--corpus", str(tmp_path), "--variants", "human"])
            )

    def test_proxies_are_made_where_they_are_learned_from(self, tmp_path):
        for variants, made in (("pseudo", ["parts"]), ("all", ["parts", "proxies"])):
            assert [one.name for one in plan(load("sources"), options(tmp_path, "--variants", variants))[""]] == made

    def test_a_backbone_is_one_more_variant(self, tmp_path):
        added = with_backbones(load("backbones"), ["encoder=openai/whisper-base,cut_window=true", f"llm={tmp_path}"])
        steps = plan(added, options(tmp_path))
        parts = {name: recipes(several)["sft.yaml"] for name, several in steps.items() if name}
        assert list(parts) == ["own", "encoder_whisper-base", f"llm_{tmp_path.name}"]
        assert parts["encoder_whisper-base"]["audio_backbone"] == "openai/whisper-base"
        assert parts["encoder_whisper-base"]["cut_window"] is True
        assert parts["encoder_whisper-base"]["text_backbone"] == parts["own"]["text_backbone"]
        assert parts[f"llm_{tmp_path.name}"]["text_backbone"] == str(tmp_path)

    def test_benchmarks_find_their_data(self, tmp_path):
        *_, step = plan(load("sources"), options(tmp_path, "--variants", "human"))["human"]
        named = [after for word, after in zip(step.command, step.command[1:], strict=False) if word == "--data"]
        assert named == [f"rated={tmp_path / 'rated'}", f"simulated={tmp_path / 'corpus'}"]

    def test_a_backbone_is_written_with_its_part(self):
        with pytest.raises(UsageError, match="encoder=PLACE or llm=PLACE"):
            with_backbones(load("backbones"), ["openai/whisper-base"])


class TestStep:
    def test_what_is_done_is_known_and_other_settings_are_refused(self, tmp_path, monkeypatch):
        monkeypatch.setattr(ablations, "call", lambda command, log: 0)
        step = Step("sft", tmp_path, ("train_sft.py",), {tmp_path / "sft.yaml": {"seed": 0}})
        assert not step.is_done
        step.run()
        assert step.is_done
        with pytest.raises(UsageError, match="sft was done with other files; give another --output"):
            _ = Step("sft", tmp_path, step.command, {tmp_path / "sft.yaml": {"seed": 1}}).is_done

    def test_a_failure_shows_the_end_of_the_log_and_is_not_done(self, tmp_path):
        step = Step("sft", tmp_path, ("-c", "raise SystemExit('no such thing')"))
        with pytest.raises(UsageError, match=r"(?s)sft failed .1.*no such thing"):
            step.run()
        assert not step.is_done


class TestTable:
    def test_ours_stand_above_what_was_published(self, tmp_path):
        figure = {"value": 0.5, "low": 0.25, "high": 0.75, "coverage": 1.0}
        found = {"judges": {"x": {"simulated_assess": {"n": 7, "figures": {"mos/PCC": figure}}}}}
        folder = tmp_path / "cot" / "cot" / "eval"
        folder.mkdir(parents=True)
        (folder / "metrics.json").write_text(json.dumps(found))
        lines = table(load("cot"), tmp_path).splitlines()
        assert lines[0] == "|  | neither | CoT | CoT and GRPO |"
        assert lines[2] == "| assess: PCC of MOS; n = 7 | – | 0.500 (0.250 to 0.750) | – |"
        assert lines[3] == "| *assessment, LScore* | *6.657* | *6.804* | *6.833* |"


def in_process(command, log):
    """What ``ablations.call`` does in a process of its own."""
    words = list(command)
    if words[:2] == ["-m", "audio_judge"]:
        return audio_judge_main(words[2:])
    if words[:2] == ["-m", "eval"]:
        return eval_main(words[2:])
    if words[0] == "train_backbones.py":
        train_backbones.write_parts(words[2], Path(words[4]))
    else:
        parser = train_sft.DeviceParser([train_sft.JudgeArguments, SFTConfig])
        train_sft.main(*parser.parse_args_and_config(words[1:]))
    return 0


@pytest.fixture
def tiny_run(tmp_path, monkeypatch):
    """Runs an ablation of a tiny judge in this process; gives its table and the commands that were carried out."""
    for part in make_judge(tmp_path):
        part.save_pretrained(tmp_path / "judge")
    write_simulated(tmp_path / "corpus", {"train": 4, "test": 3})
    asked = []
    monkeypatch.setattr(ablations, "call", lambda command, log: asked.append(command) or in_process(command, log))

    def run(name, *words):
        where = [
            "--corpus",
            str(tmp_path / "corpus"),
            "--judge",
            str(tmp_path / "judge"),
            "--output",
            str(tmp_path / "out"),
        ]
        assert ablations.main([name, *where, "--steps", "1", "--examples", "4", "--limit", "2", *words]) == 0
        return (tmp_path / "out" / name / "table.md").read_text(encoding="utf-8"), asked

    return run


def config_of(tmp_path, place):
    return json.loads((tmp_path / "out" / place / "sft" / "config.json").read_text())


def test_end_to_end_with_a_tiny_judge(tiny_run, tmp_path, capsys):
    tiny_run("tokens", "--variants", "tokens_64")
    said, asked = tiny_run("tokens", "--variants", "tokens_64")
    assert len(asked) == 4  # parts, data, sft and eval, once
    assert said in capsys.readouterr().out
    assert "MAE of MOS; n = 2 |" in said
    assert config_of(tmp_path, "tokens/tokens_64")["adapter_tokens"] == 64


def test_another_encoder_and_another_language_model_are_trained(tiny_run, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "eval_main", lambda words: 0)  # which has untrained models write long texts
    encoder, language_model = make_backbones(tmp_path / "others", "wavlm", size=32)
    swapped = [f"encoder_{Path(encoder).name}", f"llm_{Path(language_model).name}"]
    backbones = ["--backbone", f"encoder={encoder}", "--backbone", f"llm={language_model}"]
    said, _ = tiny_run("backbones", *backbones, "--variants", ",".join(swapped))
    assert all(name.replace("_", " ", 1) in said.splitlines()[2] for name in swapped)
    parts = [config_of(tmp_path, f"backbones/{name}") for name in swapped]
    assert [one["audio_config"]["model_type"] for one in parts] == ["wavlm", "audio_judge_encoder"]
    assert [one["text_config"]["hidden_size"] for one in parts] == [64, 32]


def test_lists_what_there_is(capsys):
    assert ablations.main(["--list"]) == 0
    assert "SQ-LLM, arXiv 2510.14664, table 7" in capsys.readouterr().out
