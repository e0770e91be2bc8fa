"""What goes to the Hub, and what a stranger who has nothing but that makes of it. Nothing is really uploaded."""

import ast
import base64
import filecmp
import importlib.util
import io
import json
import os
import re
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from fresh import Fresh
from huggingface_hub import ModelCard
from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError
from peft import PeftModel
from safetensors.torch import load_file, save_file
from tiny import make_judge, tone
from transformers import AutoModelForCausalLM

from audio_judge import AudioJudge
from audio_judge.errors import UsageError
from audio_judge.eval.benchmarks import load
from audio_judge.hub.card import CardFacts, Results, read_card_facts, read_results, write_card
from audio_judge.hub.files import CODE_FILES, check_repo, select_files
from audio_judge.hub.folder import merge, upload, write_folder, write_halved
from audio_judge.judge.learned import LEARNED_FILE, Learned, Lesson
from audio_judge.judge.origin import revision_of
from audio_judge.rubrics.rubric import RUBRICS, Rubric
from audio_judge.training.tuning import add_lora

ROOT = Path(__file__).parents[2]
TARGET = r".*language_model\.layers\.\d+\.self_attn\.(q_proj|k_proj)"
JUDGE_FILES = {
    *CODE_FILES, "chat_template.jinja", "config.json", "decision.json", "decision_template.jinja",
    "generation_config.json", "model.safetensors", "processor_config.json", "tokenizer.json", "tokenizer_config.json",
    "README.md", "handler.py", "requirements.txt",
}  # fmt: skip
LORA_FILES = JUDGE_FILES - {"config.json", "generation_config.json", "model.safetensors"} | {
    "adapter_config.json", "adapter_model.safetensors",
}  # fmt: skip
LEFTOVERS = ("optimizer.pt", "training_args.bin", "trainer_state.json", "pytorch_model.bin", "notes.txt", ".env")
FACTS = CardFacts(
    "cc-by-4.0",
    title="Tiny judge",
    summary="Judges nothing well.",
    making="Drawn at random.",
    limits=("Not for anything.",),
    base_model=("me/encoder", "me/words"),
    datasets=("me/clips",),
    language=("en",),
    tags=("tiny",),
)
QUESTIONS = {
    "noise": {"type": "score", "instructions": "How noisy?", "criteria": ["bad", "poor", "fair", "good", "excellent"]},
    "clear": {"type": "noul", "instructions": "Is it clear?"},
    "kind": {"type": "choice", "instructions": "Which?", "criteria": {"speech": None, "music": "with a tune"}},
}
CLIP = tone(0.6)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """`base`: a judge among what training leaves behind; `lora`: a LoRA of it, with the adapter trained in full."""
    place = tmp_path_factory.mktemp("hub")
    model, processor = make_judge(place / "backbones")
    processor.trained_rubrics = ["mos", "noisiness"]
    processor.window_seconds = 2.0
    for part in (model, processor):
        part.save_pretrained(place / "base")
    for name in LEFTOVERS:
        (place / "base" / name).write_bytes(b"not for the Hub")
    (place / "base" / "checkpoint-1").mkdir()
    shutil.copy(place / "base" / "model.safetensors", place / "base" / "checkpoint-1")
    fresh = AutoModelForCausalLM.from_pretrained(place / "base")
    trained = add_lora(fresh, TARGET, ["adapter"], tokens=[processor.question_token_id])
    torch.manual_seed(0)
    for parameter in trained.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.3)
    trained.save_pretrained(place / "lora")
    processor.save_pretrained(place / "lora")
    return place


@pytest.fixture
def copy(place, tmp_path):
    """A copy of the judge to spoil."""
    return Path(shutil.copytree(place / "base", tmp_path / "copy"))


@pytest.fixture(scope="module")
def pushed(place):
    """What three pushes would upload: a judge, a LoRA of it, and the two merged."""
    folders = {name: place / "pushed" / name for name in ("judge", "lora", "merged")}
    write_folder(place / "base", folders["judge"], repo="me/judge", facts=FACTS)
    write_folder(place / "lora", folders["lora"], repo="me/lora", facts=FACTS, base_model="me/judge")
    merge(place / "lora", place / "merged")
    write_folder(place / "merged", folders["merged"], repo="me/merged", facts=FACTS)
    return folders


def change_config(folder, **values):
    """Change values of a judge's configuration on disk."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def names_in(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def results_of(value=0.7):
    """An evaluation on a benchmark that the Hub knows, beside a peer."""
    figure = {
        "value": value,
        "low": 0.6,
        "high": 0.8,
        "n": 5,
        "coverage": 1.0,
        "answered": 1.0,
        "higher_is_better": True,
    }
    one = {"task": "score", "n": 5, "coverage": 1.0, "errors": {}, "left_out": {}, "figures": {"mos/PCC": figure}}
    peer = one | {"figures": {"mos/PCC": figure | {"value": 0.25}}}
    found = {"rule": "A rule.", "judges": {"mine": {"qualispeech": one}, "peer:x": {"qualispeech": peer}}, "pairs": {}}
    return Results(found, "mine", [load("qualispeech")])


class TestSelectFiles:
    def test_nothing_but_what_is_named(self, place):
        chosen = select_files(place / "base")
        assert set(chosen) == JUDGE_FILES - {"README.md", "handler.py", "requirements.txt"}

    def test_evaluation_results_go_up(self, copy):
        (copy / ".eval_results").mkdir()
        (copy / ".eval_results" / "a.yaml").write_text("- {}")
        (copy / ".eval_results" / "a.pkl").write_text("")
        assert {name for name in select_files(copy) if "eval" in name} == {".eval_results/a.yaml"}

    def test_pickled_weights_are_refused(self, copy):
        (copy / "model.safetensors").unlink()
        with pytest.raises(UsageError, match=r"no model.safetensors; pytorch_model.bin is pickled"):
            select_files(copy)

    def test_damaged_weights_are_refused(self, copy):
        (copy / "model.safetensors").write_bytes(b"\x08" + b"\0" * 20)
        with pytest.raises(UsageError, match=r"model.safetensors: .*save it again"):
            select_files(copy)

    def test_weights_in_several_files(self, copy):
        os.rename(copy / "model.safetensors", copy / "model-00001-of-00001.safetensors")
        index = {"weight_map": {"a": "model-00001-of-00001.safetensors"}}
        (copy / "model.safetensors.index.json").write_text(json.dumps(index))
        names = {name for name in select_files(copy) if name.startswith("model.") or name.startswith("model-")}
        assert names == {"model-00001-of-00001.safetensors", "model.safetensors.index.json"}

    @pytest.mark.parametrize("name", ["../secret.safetensors", "optimizer.pt", "missing.safetensors"])
    def test_index_that_names_something_else_is_refused(self, copy, name):
        (copy / "model.safetensors").unlink()
        (copy / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
        with pytest.raises(UsageError, match=Path(name).name):
            select_files(copy)

    def test_processor_must_be_there(self, copy):
        (copy / "decision.json").unlink()
        with pytest.raises(UsageError, match=r"no decision.json; save the processor"):
            select_files(copy)

    def test_other_models_are_refused(self, copy):
        (copy / "config.json").write_text('{"model_type": "bert"}')
        with pytest.raises(UsageError, match="'bert'"):
            select_files(copy)

    def test_code_comes_from_the_package_if_the_folder_has_not_all_of_it(self, copy):
        (copy / "modeling_audio_judge.py").write_text("old")
        assert select_files(copy)["modeling_audio_judge.py"].read_text() == "old"
        (copy / "processing_audio_judge.py").unlink()
        chosen = select_files(copy)
        assert all(filecmp.cmp(chosen[name], ROOT / name, shallow=False) for name in CODE_FILES)

    @pytest.mark.parametrize("name", ["generation_config.json", "tokenizer.json", "README.md"])
    def test_links_that_leave_the_folder_are_refused(self, copy, tmp_path, name):
        elsewhere = tmp_path / "elsewhere.json"
        elsewhere.write_text("{}")
        (copy / name).unlink(missing_ok=True)
        (copy / name).symlink_to(elsewhere)
        with pytest.raises(UsageError, match=rf"{name}: is a link to .*elsewhere\.json, outside of the folder"):
            select_files(copy)

    def test_links_of_the_hubs_cache_are_followed(self, copy, tmp_path):
        snapshot = tmp_path / "models--me--judge" / "snapshots" / "abc"
        shutil.copytree(copy, snapshot)
        blob = tmp_path / "models--me--judge" / "blobs" / "123"
        blob.parent.mkdir()
        (snapshot / "tokenizer.json").rename(blob)
        (snapshot / "tokenizer.json").symlink_to(blob)
        assert "tokenizer.json" in select_files(snapshot)

    @pytest.mark.parametrize(
        "secret",
        [
            f"hf_{'a' * 34}",
            f"sk-{'b' * 40}",
            f"ASIA{'C' * 16}",
            f"aws_secret_access_key = {'d' * 40}",
            f"xapp-1-{'e' * 30}",
            f"sk_live_{'f' * 24}",
            f"npm_{'g' * 36}",
            f"pypi-{'h' * 60}",
            f"gsk_{'i' * 52}",
            f"eyJ{'j' * 20}.eyJ{'k' * 20}.{'l' * 20}",
            "https://me:pass-word@example.org/x",
            "-----BEGIN PRIVATE KEY-----",
            "-----BEGIN PGP PRIVATE KEY BLOCK-----",
        ],
    )
    def test_secrets_are_refused(self, copy, secret):
        with (copy / "chat_template.jinja").open("a") as file:
            file.write(f"\n{{# {secret} #}}")
        with pytest.raises(UsageError, match=r"chat_template\.jinja:\d+: .* looks like a secret") as caught:
            select_files(copy)
        assert secret not in str(caught.value)

    def test_secrets_beside_the_weights_are_refused(self, copy):
        weights = load_file(copy / "model.safetensors")
        (copy / "model.safetensors").unlink()
        save_file(weights, copy / "model.safetensors", metadata={"format": "pt", "token": f"hf_{'a' * 34}"})
        with pytest.raises(UsageError, match=r"its metadata.* looks like a secret"):
            select_files(copy)

    def test_no_folder(self, tmp_path):
        with pytest.raises(UsageError, match="no such folder"):
            select_files(tmp_path / "nowhere")


class TestReadFacts:
    def read(self, tmp_path, text):
        (tmp_path / "card.yaml").write_text(text)
        return read_card_facts(tmp_path / "card.yaml")

    def test_lists_and_texts(self, tmp_path):
        facts = self.read(tmp_path, "license: mit\nlimits: [Not this., Not that.]\nlanguage: en\nsummary: |\n  A.\n")
        assert facts == CardFacts("mit", limits=("Not this.", "Not that."), language=("en",), summary="A.")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("licence: mit", "licence; keys are license"),
            ("summary: a", "no license"),
            ("license: ''", "no license"),
            ("license: [mit]", "a text is needed"),
            ("license: mit\nlimits: [1]", "a list of texts"),
            ("just words", "just words"),
            ("a: [", "card.yaml"),
        ],
    )
    def test_what_cannot_be_used(self, tmp_path, text, message):
        with pytest.raises(UsageError, match=message):
            self.read(tmp_path, text)


class TestReadResults:
    @pytest.fixture
    def run(self, tmp_path):
        defined = dict(yaml.safe_load((ROOT / "eval" / "benchmarks" / "qualispeech.yaml").read_text()))
        (tmp_path / "metrics.json").write_text(json.dumps(results_of().found))
        (tmp_path / "config.json").write_text(json.dumps({"benchmarks": {"qualispeech": defined}}))
        return tmp_path

    def test_of_one_judge(self, run):
        results = read_results(run, "mine")
        assert (results.judge, [one.name for one in results.benchmarks]) == ("mine", ["qualispeech"])

    @pytest.mark.parametrize("judge", [None, "nobody"])
    def test_judge_must_be_one_of_them(self, run, judge):
        with pytest.raises(UsageError, match="name one of mine, peer:x"):
            read_results(run, judge)

    def test_only_judge_needs_no_name(self, run):
        found = results_of().found
        found["judges"].pop("peer:x")
        (run / "metrics.json").write_text(json.dumps(found))
        assert read_results(run).judge == "mine"

    def test_unfinished_run(self, tmp_path):
        with pytest.raises(UsageError, match=r"no metrics.json"):
            read_results(tmp_path)


class TestWriteCard:
    def card(self, folder, facts=FACTS, **options):
        return ModelCard.load(write_card(folder, facts, repo="me/judge", **options))

    def test_metadata(self, copy):
        data = self.card(copy).data.to_dict()
        assert data["license"] == "cc-by-4.0"
        assert (data["library_name"], data["pipeline_tag"]) == ("transformers", "audio-text-to-text")
        assert (data["base_model"], data["datasets"]) == (["me/encoder", "me/words"], ["me/clips"])
        assert {"audio-judge", "custom_code", "tiny"} <= set(data["tags"])
        assert "model-index" not in data

    def test_says_the_facts(self, copy):
        text = self.card(copy).text
        for words in ("# Tiny judge", "Judges nothing well.", "Drawn at random.", "* Not for anything.", "me/clips"):
            assert words in text

    def test_claims_nothing_without_facts(self, copy):
        text = self.card(copy, CardFacts("mit")).text
        for words in ("# judge", "Not measured.", "The training data are not stated.", "Not stated: check it"):
            assert words in text

    def test_names_its_content_and_what_was_measured(self, copy):
        results = results_of()
        found = {**results.found, "revisions": {"mine": "sha256:0123456789ab"}}
        text = self.card(copy, results=replace(results, found=found)).text
        assert f"| revision | `{revision_of(copy)}` |" in text
        assert "Measured at revision `sha256:0123456789ab`." in text

    def test_counts_the_parameters(self, copy):
        count = sum(tensor.numel() for tensor in load_file(copy / "model.safetensors").values())
        assert f"| parameters | {count:,} |" in self.card(copy).text

    def test_names_the_rubrics_it_was_trained_on(self, copy):
        assert "`decide`: a probability for each allowed answer; on mos, noisiness" in self.card(copy).text

    @pytest.mark.parametrize(
        ("tasks", "shown", "hidden"),
        [
            (
                {"score": ["mos", "loudness"]},
                ['judge.score("clip.wav")', "Rate the overall quality", "| scores are read as | a number in digits |"],
                ["questions =", "pipeline", "decision_inputs"],
            ),
            (
                {"assess": ["mos", "distortion"], "detect": []},
                [
                    'judge.assess("clip.wav")',
                    'judge.detect("clip.wav")',
                    "`assess`: in its own words; on mos, distortion",
                ],
                ["questions =", "pipeline", "decision_inputs", "judge.explain"],
            ),
            (
                {"compare": ["mos"]},
                ['judge.compare("a.wav", "b.wav")', "Clip B: "],
                ["judge.score", "scores are read as"],
            ),
        ],
    )
    def test_shows_what_was_learned_in_words_and_nothing_else(self, copy, tasks, shown, hidden):
        learned = {"tasks": {task: {"form": "text", "rubrics": names} for task, names in tasks.items()}}
        change_config(copy, learned=learned)
        assert "decision" not in self.card(copy).data.tags
        card = self.card(copy).text
        ast.parse("\n".join(re.findall(r"```python\n(.*?)```", card, re.DOTALL)))
        assert [text for text in shown if text not in card] == []
        assert [text for text in hidden if text in card] == []

    def test_holds_no_place_of_this_machine(self, copy):
        recipe = f"data: {copy}/NISQA_Corpus\nmodel: me/judge\nmixture: recipes/data/mini.yaml\n"
        text = write_card(copy, replace(FACTS, recipe=recipe), repo="me/a").read_text()
        assert str(copy.parent) not in text
        assert "data: NISQA_Corpus\nmodel: me/judge\nmixture: recipes/data/mini.yaml" in text

    def test_figures_of_an_evaluation_beside_its_peers(self, copy):
        card = self.card(copy, results=results_of())
        (one,) = card.data.eval_results
        assert (one.metric_value, one.metric_name, one.dataset_type) == (0.7, "mos/PCC", "tsinghua-ee/QualiSpeech")
        assert card.data.metrics == ["pearsonr"]
        assert "| mos | mine | 0.700" in card.text
        assert "| mos | peer:x | 0.250" in card.text
        assert "\n### " in card.text

    def test_python_in_it_is_python(self, copy):
        for block in self.card(copy).text.split("```python\n")[1:]:
            compile(block.partition("```")[0], "card", "exec")

    def spoilt(self, copy, **audio):
        """The judge with an encoder that says where its weights come from."""
        config = json.loads((copy / "config.json").read_text())
        config["audio_config"] |= audio
        (copy / "config.json").write_text(json.dumps(config))
        return copy

    def test_strictest_licence_of_its_parts(self, copy):
        nisqa = {"license": "cc-by-nc-sa-4.0", "attributions": ["NISQA v2.0, Gabriel Mittag and others"]}
        mos = {"license": "mit", "attributions": ["Distill-MOS, Microsoft", "Whisper, OpenAI"]}
        card = self.card(self.spoilt(copy, encoders=[nisqa, mos]), CardFacts("cc-by-nc-sa-4.0"))
        licence = card.text.partition("## Licence")[2]
        assert card.data.license == "cc-by-nc-sa-4.0"
        assert "**Commercial use is not allowed.**" in licence
        for name in (*nisqa["attributions"], *mos["attributions"]):
            assert f"\n* {name}\n" in licence

    def test_names_whom_a_free_judge_owes(self, copy):
        facts = CardFacts("apache-2.0", data_license=("cc-by-4.0",), attributions=("Votes, their makers",))
        card = self.card(self.spoilt(copy, license="mit", attributions=["Distill-MOS, Microsoft"]), facts)
        assert card.data.license == "apache-2.0"
        assert "\n* Distill-MOS, Microsoft\n* Votes, their makers\n" in card.text
        assert "trained on data under cc-by-4.0" in card.text
        assert "Commercial" not in card.text

    @pytest.mark.parametrize("facts", [{"data_license": ("cc-by-nc-4.0",)}, {"language_model_license": "cc-by-nc-4.0"}])
    def test_data_and_language_model_bind_too(self, copy, facts):
        with pytest.raises(UsageError, match=r"license mit: their .* under cc-by-nc-4\.0, which binds"):
            self.card(copy, CardFacts("mit", **facts))
        assert self.card(copy, CardFacts("cc-by-nc-4.0", **facts)).data.license == "cc-by-nc-4.0"

    def test_parts_that_say_nothing_change_nothing(self, copy):
        def card(folder):
            return write_card(folder, FACTS, repo="me/judge").read_text().replace(revision_of(folder), "this one")

        plain = card(copy)
        assert card(self.spoilt(copy, license=None, attributions=[])) == plain
        assert plain.endswith("## Licence\n\ncc-by-4.0. The three code files and `handler.py` are under Apache-2.0.\n")

    def test_card_of_a_lora_names_its_judge(self, place, tmp_path):
        lora = Path(shutil.copytree(place / "lora", tmp_path / "lora"))
        card = self.card(lora, base_model="me/base")
        data = card.data.to_dict()
        assert (data["base_model"], data["base_model_relation"]) == (["me/base"], "adapter")
        assert data["library_name"] == "peft"
        assert "LoRA for the judge [me/base](https://huggingface.co/me/base)" in card.text


class TestWriteFolder:
    def test_of_a_judge(self, pushed):
        assert names_in(pushed["judge"]) == JUDGE_FILES

    def test_of_a_lora(self, pushed):
        assert names_in(pushed["lora"]) == LORA_FILES
        config = json.loads((pushed["lora"] / "adapter_config.json").read_text())
        assert config["base_model_name_or_path"] == "me/judge"

    def test_of_merged_weights(self, pushed):
        assert names_in(pushed["merged"]) == JUDGE_FILES

    @pytest.mark.parametrize("name", ["judge", "lora", "merged"])
    def test_does_not_tell_where_things_lay_here(self, pushed, place, name):
        for path in pushed[name].rglob("*"):
            assert path.suffix == ".safetensors" or str(place) not in path.read_text(), path

    def test_results_of_an_evaluation(self, place, tmp_path):
        names = write_folder(place / "base", tmp_path / "new", repo="me/a", facts=FACTS, results=results_of())
        assert ".eval_results/qualispeech.yaml" in names
        (entry,) = yaml.safe_load((tmp_path / "new" / ".eval_results" / "qualispeech.yaml").read_text())
        assert (entry["value"], entry["dataset"]["id"]) == (0.7, "tsinghua-ee/QualiSpeech")

    def test_own_card_is_kept_and_completed(self, copy, tmp_path):
        (copy / "README.md").write_text("---\nlicense: mit\ntags: [own]\npipeline_tag: other\n---\n# Mine\n")
        write_folder(copy, tmp_path / "new", repo="me/a", results=results_of())
        card = ModelCard.load(tmp_path / "new" / "README.md")
        assert (card.data.license, card.data.pipeline_tag, card.data.library_name) == ("mit", "other", "transformers")
        assert {"own", "audio-judge"} <= set(card.data.tags)
        assert card.data.eval_results[0].metric_value == 0.7
        assert card.text.strip() == "# Mine"

    @pytest.mark.parametrize("card", [None, "---\ntags: [trl]\nlicence: license\n---\n# Model Card for X\n"])
    def test_there_must_be_a_licence(self, copy, tmp_path, card):
        if card:
            (copy / "README.md").write_text(card)
        with pytest.raises(UsageError, match="--license"):
            write_folder(copy, tmp_path / "new", repo="me/a")

    def test_own_card_must_not_promise_more_than_its_parts(self, copy, tmp_path):
        config = json.loads((copy / "config.json").read_text())
        config["audio_config"]["license"] = "cc-by-nc-sa-4.0"
        (copy / "config.json").write_text(json.dumps(config))
        (copy / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Mine\n")
        with pytest.raises(UsageError, match=r"license apache-2.0, but it holds weights under cc-by-nc-sa-4.0"):
            write_folder(copy, tmp_path / "new", repo="me/a")

    def test_own_card_must_be_readable(self, copy, tmp_path):
        (copy / "README.md").write_text("---\nlicense: [\n---\n# Mine\n")
        with pytest.raises(UsageError, match=r"README.md"):
            write_folder(copy, tmp_path / "new", repo="me/a")

    def test_own_card_of_a_lora_does_not_tell_where_its_judge_lay(self, place, tmp_path):
        lora = Path(shutil.copytree(place / "lora", tmp_path / "lora"))
        card = (lora / "README.md").read_text()
        assert str(place) in card
        (lora / "README.md").write_text(card.replace("---\n", "---\nlicense: mit\n", 1))
        write_folder(lora, tmp_path / "new", repo="me/a", base_model="me/judge")
        written = ModelCard.load(tmp_path / "new" / "README.md")
        assert written.data.base_model == ["me/judge"]
        assert str(place) not in str(written.data)

    def test_target_must_be_empty(self, place, tmp_path):
        (tmp_path / "file").write_text("mine")
        with pytest.raises(UsageError, match="not an empty folder"):
            write_folder(place / "base", tmp_path, repo="me/a", facts=FACTS)

    def test_judge_of_a_lora_must_be_on_the_hub(self, place, tmp_path):
        with pytest.raises(UsageError, match="--base-model"):
            write_folder(place / "lora", tmp_path / "new", repo="me/a", facts=FACTS)

    def test_what_a_lora_learned_stands_beside_it_and_is_merged(self, place, tmp_path):
        lora = Path(shutil.copytree(place / "lora", tmp_path / "lora"))
        learned = Learned({"detect": Lesson("text")})
        (lora / LEARNED_FILE).write_text(json.dumps(learned.note()))
        assert LEARNED_FILE in write_folder(lora, tmp_path / "new", repo="me/a", facts=FACTS, base_model="me/judge")
        assert "`detect`: in its own words" in (tmp_path / "new" / "README.md").read_text()
        assert AudioJudge.from_pretrained(lora, device="cpu").identity.learned == learned
        assert AudioJudge.from_pretrained(merge(lora, tmp_path / "merged"), device="cpu").identity.learned == learned

    def test_processor_of_a_lora_may_lie_with_its_judge(self, place, tmp_path):
        lora = tmp_path / "lora"
        lora.mkdir()
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            shutil.copy(place / "lora" / name, lora)
        write_folder(lora, tmp_path / "new", repo="me/a", facts=FACTS, base_model="me/judge")
        assert names_in(tmp_path / "new") == LORA_FILES

    def test_requirements_are_those_of_the_package(self, pushed):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        known = {*project["dependencies"], *project["optional-dependencies"]["train"]}
        assert set((pushed["lora"] / "requirements.txt").read_text().split()) <= known
        assert "peft" not in (pushed["judge"] / "requirements.txt").read_text()


class TestWriteHalved:
    def test_halves_what_is_named_and_loads_whole(self, tmp_path):
        model, processor = make_judge(tmp_path)
        for part in (model, processor):
            part.save_pretrained(tmp_path / "judge")
        names = write_halved(tmp_path / "judge", tmp_path / "small", r"audio_tower\.layers")
        weights = load_file(tmp_path / "small" / "model.safetensors")
        assert {name for name, value in weights.items() if value.dtype == torch.float16} == set(names)
        again = AudioJudge.from_pretrained(tmp_path / "small").model
        assert {parameter.dtype for parameter in again.parameters()} == {torch.float32}

    def test_a_name_that_is_nowhere(self, tmp_path):
        model, processor = make_judge(tmp_path)
        for part in (model, processor):
            part.save_pretrained(tmp_path / "judge")
        with pytest.raises(ValueError, match="whisper"):
            write_halved(tmp_path / "judge", tmp_path / "small", "whisper")


class TestCheckRepo:
    @pytest.mark.parametrize("name", ["judge", "me/my/judge", "me/my judge", "", "me/../judge"])
    def test_refuses(self, name):
        with pytest.raises(UsageError):
            check_repo(name)


class TestMerge:
    def test_is_the_judge_with_its_lora(self, place, pushed):
        base = AutoModelForCausalLM.from_pretrained(place / "base")
        wrapped = PeftModel.from_pretrained(base, str(place / "lora")).eval()
        merged = AudioJudge.from_pretrained(pushed["merged"], device="cpu")
        block = {"type": "audio", "audio": CLIP, "sampling_rate": 48_000}
        batch, _ = merged.processor.decision_inputs([{"state": [block], "questions": QUESTIONS}])
        plain = AudioJudge.from_pretrained(place / "base", device="cpu").model.decide(**batch)
        expected = wrapped.decide(**batch)
        assert not torch.allclose(plain[1], expected[1], atol=1e-2)
        for one, other in zip(merged.model.decide(**batch), expected, strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=0)

    def test_judge_that_is_not_there(self, place, tmp_path):
        with pytest.raises(UsageError, match="cannot be merged into"):
            merge(place / "lora", tmp_path / "new", str(tmp_path / "nowhere"))


class Api:
    """Stands in for the Hub: notes what it is asked, and the files as they are then."""

    def __init__(self, error=None):
        self.calls, self.error = {}, error

    def __call__(self, **_):
        return self

    def create_repo(self, repo, **options):
        if self.error:
            raise self.error
        self.calls["create_repo"] = {"repo": repo, **options}

    def create_branch(self, repo, **options):
        self.calls["create_branch"] = {"repo": repo, **options}

    def upload_folder(self, **options):
        self.calls["upload_folder"] = options
        urls = {"commit_url": "https://hub/commit/1", "pr_url": "https://hub/discussions/1"}
        return type("CommitInfo", (), urls)


class TestUpload:
    @pytest.fixture
    def api(self, monkeypatch):
        api = Api()
        monkeypatch.setattr("audio_judge.hub.folder.HfApi", api)
        return api

    def test_uploads_only_what_is_named(self, api, tmp_path):
        options = {"files": ["config.json"], "private": True, "message": "First"}
        assert upload(tmp_path, "me/judge", **options) == "https://hub/commit/1"
        assert api.calls["create_repo"] == {"repo": "me/judge", "private": True, "exist_ok": True}
        asked = api.calls["upload_folder"]
        assert (asked["repo_id"], asked["folder_path"], asked["allow_patterns"]) == (
            "me/judge",
            tmp_path,
            ["config.json"],
        )
        assert (asked["commit_message"], asked["create_pr"], asked["revision"]) == ("First", False, None)
        assert "create_branch" not in api.calls

    def test_earlier_weights_of_another_form_go_away(self, api, tmp_path):
        upload(tmp_path, "me/judge", files=["config.json"])
        assert {"adapter_config.json", "model*.safetensors"} <= set(api.calls["upload_folder"]["delete_patterns"])

    def test_branch(self, api, tmp_path):
        upload(tmp_path, "me/judge", files=[], revision="trial")
        assert api.calls["create_branch"] == {"repo": "me/judge", "branch": "trial", "exist_ok": True}
        assert api.calls["upload_folder"]["revision"] == "trial"

    def test_pull_request(self, api, tmp_path):
        assert upload(tmp_path, "me/judge", files=[], create_pr=True) == "https://hub/discussions/1"

    @pytest.mark.parametrize(
        ("error", "message"),
        [
            (LocalTokenNotFoundError("Token is required"), "hf auth login"),
            (ConnectionError("no network\ndetails"), "me/judge: not uploaded: no network$"),
        ],
    )
    def test_errors_are_said_in_a_line(self, monkeypatch, tmp_path, error, message):
        monkeypatch.setattr("audio_judge.hub.folder.HfApi", Api(error))
        with pytest.raises(UsageError, match=message):
            upload(tmp_path, "me/judge", files=[])

    def test_error_of_the_hub(self, monkeypatch, tmp_path):
        from httpx2 import Request, Response

        answer = Response(403, request=Request("POST", "https://hub/api/repos/create"))
        monkeypatch.setattr("audio_judge.hub.folder.HfApi", Api(HfHubHTTPError("403 Forbidden", response=answer)))
        with pytest.raises(UsageError, match="403 Forbidden"):
            upload(tmp_path, "me/judge", files=[])

    def test_without_a_network(self, tmp_path):
        with pytest.raises(UsageError, match=r"not uploaded: .*offline"):
            upload(tmp_path, "me/judge", files=[])


# Runs in a process that cannot import this package; prints what it finds as JSON
STRANGER = """
import importlib.util, json, sys
sys.modules["audio_judge"] = None
import numpy as np, torch, transformers
from transformers import AutoModelForCausalLM, AutoProcessor, pipeline

torch.set_num_threads(1)
clip, questions = np.load("clip.npy"), json.load(open("questions.json"))
sound = json.load(open("sound.json"))
block = {"type": "audio", "audio": clip, "sampling_rate": 48000}
request = {"state": [block], "questions": questions}
messages = [{"role": "user", "content": [{"type": "audio", "audio": clip}, {"type": "text", "text": "rate this"}]}]
found = {}
for name, folder in json.loads(sys.argv[1]).items():
    model = AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True)
    processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
    batch, asked = processor.decision_inputs([request])
    here = found[name] = {"decided": processor.answers(asked, model.decide(**batch))[0]}
    spec = importlib.util.spec_from_file_location("handler", folder + "/handler.py")
    handler = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(handler)
    endpoint = handler.EndpointHandler(folder)
    here["handler"] = endpoint({"inputs": sound, "parameters": {"questions": questions}})["answers"]
    here["rubrics"] = list(endpoint({"inputs": sound})["answers"])
    here["modules"] = type(model).__module__.partition(".")[0]
    if name != "lora":
        here["pipeline"] = pipeline("decision", folder, trust_remote_code=True)(request)
        speak = pipeline("any-to-any", folder, trust_remote_code=True)
        options = {"max_new_tokens": 4, "do_sample": False}
        here["text"] = speak(text=messages, generate_kwargs=options, return_full_text=False)[0]["generated_text"]
print("FOUND " + json.dumps(found))
"""


def encoded(samples, rate=48_000, subtype="FLOAT"):
    """A wav file in base64."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="WAV", subtype=subtype)
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.fixture(scope="module")
def found(place, pushed):
    """What a process sees that has the pushed folders, and me/judge in its cache of the Hub, but not this package."""
    home = place / "stranger"
    cached = home / "hf" / "hub" / "models--me--judge"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("0" * 40)
    shutil.copytree(pushed["judge"], cached / "snapshots" / ("0" * 40))
    np.save(home / "clip.npy", CLIP)
    (home / "questions.json").write_text(json.dumps(QUESTIONS))
    (home / "sound.json").write_text(json.dumps(encoded(CLIP)))
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTEST_CURRENT_TEST")
    }
    environment |= {"HF_HUB_OFFLINE": "1", "HF_HOME": str(home / "hf"), "OMP_NUM_THREADS": "1"}
    (home / "program.py").write_text(STRANGER)
    folders = json.dumps({name: str(path) for name, path in pushed.items()})
    said = Fresh(home / "program.py", [folders], folder=home, environment=environment).succeed()
    return json.loads(said.rpartition("FOUND ")[2])


def assert_same(answers, expected, atol=1e-5):
    assert answers.keys() == expected.keys()
    assert answers["clear"]["noul"] == pytest.approx(expected["clear"]["noul"], abs=atol)
    for name in ("noise", "kind"):
        assert answers[name]["probabilities"] == pytest.approx(expected[name]["probabilities"], abs=atol)


class TestStranger:
    """A process without this package."""

    @pytest.mark.parametrize("name", ["judge", "lora", "merged"])
    def test_runs_the_code_of_the_folder(self, found, name):
        assert found[name]["modules"] == "transformers_modules"

    @pytest.mark.parametrize(("name", "own"), [("judge", "judge"), ("lora", "merged"), ("merged", "merged")])
    def test_decides_the_same(self, found, pushed, name, own):
        expected = AudioJudge.from_pretrained(pushed[own], device="cpu").decide((CLIP, 48_000), QUESTIONS)
        assert_same(found[name]["decided"], expected)

    @pytest.mark.parametrize("name", ["judge", "lora", "merged"])
    def test_handler_answers_the_same(self, found, name):
        assert_same(found[name]["handler"], found[name]["decided"])
        assert found[name]["rubrics"] == ["mos", "noisiness"]

    @pytest.mark.parametrize("name", ["judge", "merged"])
    def test_pipelines(self, found, name):
        assert_same(found[name]["pipeline"], found[name]["decided"])
        assert isinstance(found[name]["text"], str)

    def test_lora_changes_the_judge(self, found):
        assert found["judge"]["decided"]["clear"]["noul"] != pytest.approx(
            found["lora"]["decided"]["clear"]["noul"], abs=1e-3
        )


def load_handler(folder):
    spec = importlib.util.spec_from_file_location("handler", folder / "handler.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.EndpointHandler(str(folder))


class TestHandler:
    @pytest.fixture(scope="class")
    def handler(self, pushed):
        return load_handler(pushed["judge"])

    @pytest.fixture(scope="class")
    def judge(self, pushed):
        return AudioJudge.from_pretrained(pushed["judge"], device="cpu")

    def test_rubrics_by_default(self, handler, judge):
        answers = handler({"inputs": encoded(CLIP)})["answers"]
        scores = judge.score((CLIP, 48_000), rubric=["mos", "noisiness"]).scores
        for name, score in scores.items():
            assert (answers[name]["value"], answers[name]["std"]) == pytest.approx((score.value, score.std), abs=1e-4)

    def test_bytes_of_a_file(self, handler):
        sound = encoded(CLIP)
        assert handler({"inputs": base64.b64decode(sound)}) == handler({"inputs": sound})

    def test_one_rubric_by_name(self, handler):
        assert list(handler({"inputs": encoded(CLIP), "parameters": {"rubric": "noisiness"}})["answers"]) == [
            "noisiness"
        ]

    @pytest.mark.filterwarnings("ignore::audio_judge.UntrainedRubricWarning")
    def test_own_rubric(self, handler, judge):
        own = {
            "name": "warmth",
            "instructions": "How warm is it?",
            "levels": ["cold", "neutral", "warm"],
            "low": 1,
            "high": 10,
        }
        answer = handler({"inputs": encoded(CLIP), "parameters": {"rubric": own}})["answers"]["warmth"]
        levels = ("cold", "neutral", "warm")
        rubric = Rubric("warmth", "", low=1, high=10, levels=levels, questions=("How warm is it?",))
        assert answer["value"] == pytest.approx(
            judge.score((CLIP, 48_000), rubric=rubric).scores["warmth"].value, abs=1e-4
        )

    @pytest.mark.parametrize("seconds", [4.5, 5.5, 2.4])  # windows of 2 s, none shorter than 1 s
    def test_long_clips_are_judged_in_windows(self, handler, judge, seconds):
        clip = np.concatenate([tone(seconds / 2, 300), 0.1 * tone(seconds / 2, 3000)])
        answers = handler({"inputs": encoded(clip), "parameters": {"questions": QUESTIONS}})
        assert answers["seconds"] == pytest.approx(seconds)
        assert_same(answers["answers"], judge.decide((clip, 48_000), QUESTIONS))

    def test_reference(self, handler, judge):
        original = tone(0.6, 500)
        sent = {"inputs": {"audio": encoded(CLIP), "reference": encoded(original)}, "parameters": {"rubric": "mos"}}
        block = [{"type": "text", "text": "Degraded clip: "}, {"type": "audio", "audio": CLIP}]
        block += [{"type": "text", "text": "\nReference clip: "}, {"type": "audio", "audio": original}]
        request = {"state": block, "questions": {"mos": RUBRICS["mos"].question()}}
        inputs, asked = judge.processor.decision_inputs([request])
        expected = judge.processor.answers(asked, judge.model.decide(**inputs))[0]["mos"]["probabilities"]
        assert handler(sent)["answers"]["mos"]["probabilities"] == pytest.approx(expected, abs=1e-5)

    def test_several_inputs(self, handler):
        sounds = [encoded(CLIP), encoded(tone(0.3, 900))]
        assert handler({"inputs": sounds}) == [handler({"inputs": sound}) for sound in sounds]

    def test_numbers_in_digits(self, copy, tmp_path):
        config = json.loads((copy / "processor_config.json").read_text())
        (copy / "processor_config.json").write_text(json.dumps(config | {"answer_form": "decimal"}))
        write_folder(copy, tmp_path / "new", repo="me/a", facts=FACTS)
        answers = load_handler(tmp_path / "new")({"inputs": encoded(CLIP)})["answers"]
        judge = AudioJudge.from_pretrained(tmp_path / "new", device="cpu")
        scores = judge.score((CLIP, 48_000), rubric=["mos", "noisiness"]).scores
        assert {name: answer["value"] for name, answer in answers.items()} == pytest.approx(
            {name: score.value for name, score in scores.items()}, abs=1e-4
        )

    def test_texts_of_a_judge_that_learned_them(self, copy, tmp_path):
        change_config(copy, learned={"tasks": {"detect": {"form": "text"}}})
        write_folder(copy, tmp_path / "new", repo="me/a", facts=FACTS)
        handler = load_handler(tmp_path / "new")
        answer = handler({"inputs": encoded(tone(3.5))})["answers"]["detect"]
        assert (answer["type"], len(answer["texts"])) == ("text", 2)  # windows of 2 s
        with pytest.raises(ValueError, match="never learned typed questions; give a task: detect"):
            handler({"inputs": encoded(CLIP), "parameters": {"questions": QUESTIONS}})
        with pytest.raises(ValueError, match="task 'explain'; there are detect"):
            handler({"inputs": encoded(CLIP), "parameters": {"task": "explain"}})

    @pytest.mark.parametrize(
        ("request_", "message"),
        [
            ({"inputs": "CLIP"}, "audio: `data_base64`"),
            ({"inputs": "http://127.0.0.1:9/clip.wav"}, "audio: `data_base64`"),
            ({"inputs": {"path": "CLIP"}}, "keys path of inputs"),
            ({"inputs": {"audio": {"path": "CLIP"}}}, "audio: dict"),
            ({"inputs": None}, "audio: NoneType"),
            ({}, "audio: NoneType"),
            ({"inputs": "SOUND", "parameters": {"rubrik": "mos"}}, "parameters rubrik"),
            ({"inputs": "SOUND", "parameters": {"rubric": "charm"}}, "'charm'; there are mos, noisiness"),
            ({"inputs": "SOUND", "parameters": {"rubric": {"name": "warmth"}}}, "two or more levels"),
            ({"inputs": "SOUND", "parameters": {"rubric": "mos", "questions": {}}}, "leave one out"),
            ({"inputs": "SHORT"}, "audio: A clip of 0.050 s is too short"),
        ],
    )
    def test_what_is_refused(self, handler, tmp_path, request_, message):
        soundfile.write(tmp_path / "clip.wav", CLIP, 48_000)
        text = json.dumps(request_).replace("CLIP", str(tmp_path / "clip.wav"))
        text = text.replace("SOUND", encoded(CLIP)).replace("SHORT", encoded(CLIP[:2400]))
        with pytest.raises(ValueError, match=message):
            handler(json.loads(text))
