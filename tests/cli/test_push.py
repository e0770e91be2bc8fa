"""`audio-judge push` and `audio-judge serve`, and the headers that let the training scripts run as jobs on the Hub."""

import ast
import importlib.util
import json
import os
import re
import sys
import time
import tomllib
import urllib.request
from pathlib import Path

import pytest
from forked import Forked
from huggingface_hub import ModelCard
from served import free_port
from tiny import make_judge
from transformers import AutoModelForCausalLM

from audio_judge.cli import main, serve
from audio_judge.errors import UsageError
from audio_judge.judge.judge import SHIPPED_JUDGE
from audio_judge.training.tuning import add_lora

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """`judge`, and `lora`, a LoRA of it."""
    place = tmp_path_factory.mktemp("commands")
    model, processor = make_judge(place / "backbones")
    for part in (model, processor):
        part.save_pretrained(place / "judge")
    (place / "judge" / "optimizer.pt").write_bytes(b"moments")
    trained = add_lora(AutoModelForCausalLM.from_pretrained(place / "judge"), r".*language_model.*q_proj")
    trained.save_pretrained(place / "lora")
    return place


@pytest.fixture
def run(capsys):
    """Exit code, stdout and stderr of a command."""

    def call(*words):
        code = main.main([str(word) for word in words])
        output = capsys.readouterr()
        return code, output.out, output.err

    return call


@pytest.fixture
def uploads(monkeypatch):
    """What would go to the Hub: name of the repository to the names of its files and the options."""
    calls = {}

    def upload(folder, repo, **options):
        there = {path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file()}
        calls[repo] = options | {"there": there}
        return f"https://hub/{repo}/commit/1"

    monkeypatch.setattr("audio_judge.hub.folder.upload", upload)
    return calls


class TestPush:
    def test_dry_run_uploads_nothing(self, run, uploads, place, tmp_path):
        words = ("push", "me/a", "--judge", place / "judge", "--license", "mit", "--dry-run", tmp_path / "new")
        code, out, _ = run(*words)
        assert (code, uploads) == (0, {})
        assert "model.safetensors" in out
        assert re.search(r"stays here +optimizer.pt", out)
        assert "nothing was uploaded; me/a would get the 15 files" in out
        assert len(list((tmp_path / "new").iterdir())) == 15

    def test_uploads_what_it_lists(self, run, uploads, place):
        words = ("--private", "--revision", "trial", "--create-pr", "--message", "Better")
        code, out, _ = run("push", "me/a", "--judge", place / "judge", "--license", "mit", *words)
        assert code == 0
        assert out.splitlines()[-1] == "https://hub/me/a/commit/1"
        asked = uploads["me/a"]
        assert set(asked["files"]) == asked["there"]
        assert (asked["private"], asked["create_pr"]) == (True, True)
        assert (asked["revision"], asked["message"]) == ("trial", "Better")

    def test_shipped_judge(self, run, uploads, tmp_path):
        assert run("push", "me/mini", "--dry-run", tmp_path / "new")[0] == 0
        assert not any(path.is_symlink() for path in (tmp_path / "new").iterdir())
        assert ModelCard.load(tmp_path / "new" / "README.md").data.license == "cc-by-nc-sa-4.0"

    def test_card_from_facts(self, run, uploads, place, tmp_path):
        (tmp_path / "card.yaml").write_text("license: mit\nsummary: Judges doors.\n")
        words = ("push", "me/a", "--judge", place / "judge", "--card", tmp_path / "card.yaml")
        assert run(*words, "--dry-run", tmp_path / "new")[0] == 0
        assert "Judges doors." in (tmp_path / "new" / "README.md").read_text()

    def test_lora_alone(self, run, uploads, place):
        code, _, _ = run("push", "me/l", "--judge", place / "lora", "--base-model", "me/a", "--license", "mit")
        assert code == 0
        assert {"adapter_model.safetensors", "handler.py"} <= uploads["me/l"]["there"]
        assert "model.safetensors" not in uploads["me/l"]["there"]

    def test_lora_merged(self, run, uploads, place):
        assert run("push", "me/m", "--judge", place / "lora", "--merge", "--license", "mit")[0] == 0
        assert {"model.safetensors", "config.json"} <= uploads["me/m"]["there"]
        assert not [name for name in uploads["me/m"]["there"] if name.startswith("adapter")]

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (("judge-without-owner",), "owner/name"),
            (("me/a", "--judge", "nowhere"), "nowhere: no such folder"),
            (("me/a", "--judge", "JUDGE"), "--license"),
            (("me/a", "--judge", "JUDGE", "--merge"), "is no LoRA"),
            (("me/a", "--judge", "JUDGE", "--base-model", "me/b"), "is no LoRA"),
            (("me/a", "--judge", "LORA", "--merge"), "--license"),
            (("me/a", "--judge", "LORA", "--license", "mit"), "--base-model"),
            (("me/a", "--judge", "JUDGE", "--card", "nowhere.yaml"), "nowhere.yaml"),
            (("me/a", "--judge", "JUDGE", "--license", "mit", "--results", "nowhere"), "no metrics.json"),
        ],
    )
    def test_what_cannot_be_done(self, run, uploads, place, words, message):
        words = [word.replace("JUDGE", str(place / "judge")).replace("LORA", str(place / "lora")) for word in words]
        code, _, err = run("push", *words)
        assert (code, uploads) == (2, {})
        assert message in err

    def test_no_network(self, run, place):
        code, _, err = run("push", "me/a", "--judge", place / "judge", "--license", "mit")
        assert code == 2
        assert "me/a: not uploaded" in err


def options_of(*words):
    return main.make_parser().parse_args(["serve", *(str(word) for word in words)])


class TestServerCommand:
    def test_shipped_judge(self):
        command = serve.server_command(options_of())
        assert command[0] == sys.executable
        assert command[command.index("serve") + 1] == str(SHIPPED_JUDGE.resolve())
        assert "--trust-remote-code" in command
        assert command[command.index("--attn-implementation") + 1] == "sdpa"

    def test_options_are_passed_on(self, place):
        words = ("--judge", place / "judge", "--port", "81", "--device", "cpu", "--", "--model-timeout", "60")
        command = serve.server_command(options_of(*words))
        assert str(place / "judge") in command
        assert command[command.index("--port") + 1] == "81"
        assert command[-2:] == ["--model-timeout", "60"]

    def test_code_of_a_repository_must_be_trusted(self):
        with pytest.raises(UsageError, match="--trust-remote-code"):
            serve.server_command(options_of("--judge", "me/judge"))
        assert "me/judge" in serve.server_command(options_of("--judge", "me/judge", "--trust-remote-code"))

    def test_folder_must_hold_a_judge(self, tmp_path):
        with pytest.raises(UsageError, match=r"no config.json"):
            serve.server_command(options_of("--judge", tmp_path))

    @pytest.mark.parametrize("port", ["0", "65536", "http"])
    def test_port(self, port, capsys):
        with pytest.raises(SystemExit):
            options_of("--port", port)
        assert "a port from 1 to 65535" in capsys.readouterr().err


class TestServe:
    def test_becomes_a_server(self, place, monkeypatch):
        """In a fork, which runs the program that it would become."""
        pytest.importorskip("fastapi")
        pytest.importorskip("uvicorn")
        port = free_port()
        words = ["serve", "--judge", place / "judge", "--host", "127.0.0.1", "--port", port, "--device", "cpu"]

        def become(python, command):
            assert (python, command[1]) == (sys.executable, "-c")
            sys.argv = ["-c", *command[3:]]
            exec(command[2], {})

        monkeypatch.setattr(os, "execv", become)
        server = Forked(lambda: main.main([str(word) for word in words]), place / "server.log")
        try:
            while True:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as response:
                        assert json.load(response)["status"] == "ok"
                    break
                except OSError:
                    assert server.is_running(), (place / "server.log").read_text()[-3000:]
                    time.sleep(0.05)
        finally:
            server.kill()

    def test_says_what_is_not_installed(self, run, monkeypatch, place):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        code, _, err = run("serve", "--judge", place / "judge")
        assert code == 2
        assert "pip install 'audio-judge[serve]'" in err


# Names under which what the header installs is imported, where they differ; the last two come with transformers
IMPORTED_AS = {"pyyaml": "yaml", "huggingface-hub": "huggingface_hub", "tokenizers": "tokenizers", "jinja2": "jinja2"}


def imported_by(path, seen):
    """Packages that importing a script needs, those that the modules of this package need too; not what functions import."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            file = ROOT / name.replace(".", "/")
            inner = next((one for one in (file.with_suffix(".py"), file / "__init__.py") if one.is_file()), None)
            if name.startswith("audio_judge") and inner is not None and inner not in seen:
                seen.add(inner)
                found |= imported_by(inner, seen)
            elif not name.startswith("audio_judge"):
                found.add(name.partition(".")[0])
    return found


class TestTrainScripts:
    SCRIPTS = tuple(sorted(path.stem for path in ROOT.glob("train_*.py")))

    @pytest.mark.parametrize("name", SCRIPTS)
    def test_has_a_header_for_jobs(self, name):
        # The pattern of PEP 723
        pattern = r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$"
        (found,) = re.finditer(pattern, (ROOT / f"{name}.py").read_text())
        lines = found.group("content").splitlines()
        header = tomllib.loads("\n".join(line.removeprefix("#").removeprefix(" ") for line in lines))
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        assert found.group("type") == "script"
        assert header["dependencies"] == ["audio-judge[train]"]
        assert header["requires-python"] == project["requires-python"]

    @pytest.mark.parametrize("name", SCRIPTS)
    def test_the_header_is_enough(self, name):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        extras = project["optional-dependencies"]
        needed = project["dependencies"] + extras["train"] + extras["degrade"]
        installed = {re.split(r"[\[><=~]", one)[0] for one in needed} | {"tokenizers", "jinja2"}
        known = {IMPORTED_AS.get(one, one) for one in installed} | set(sys.stdlib_module_names)
        assert imported_by(ROOT / f"{name}.py", set()) <= known
