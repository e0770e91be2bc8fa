# ruff: noqa: F811 (fixtures are imported by their names)
import json
import re
import shutil
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from shell import shell  # noqa: F401

"""`audio-judge push` and `audio-judge serve`, and the headers that let the training scripts run as jobs on the Hub."""


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
    def test_dry_run_uploads_nothing(self, shell, uploads, place, tmp_path):
        words = ("push", "me/a", "--judge", place / "judge", "--license", "mit", "--dry-run", tmp_path / "new")
        code, out, _ = shell(*words)
        assert (code, uploads) == (0, {})
        assert "model.safetensors" in out
        assert re.search(r"stays here +optimizer.pt", out)
        assert "nothing was uploaded; me/a would get the 15 files" in out
        assert len(list((tmp_path / "new").iterdir())) == 15

    def test_uploads_what_it_lists(self, shell, uploads, place):
        words = ("--private", "--revision", "trial", "--create-pr", "--message", "Better")
        code, out, _ = shell("push", "me/a", "--judge", place / "judge", "--license", "mit", *words)
        assert code == 0
        assert out.splitlines()[-1] == "https://hub/me/a/commit/1"
        asked = uploads["me/a"]
        assert set(asked["files"]) == asked["there"]
        assert (asked["private"], asked["create_pr"]) == (True, True)
        assert (asked["revision"], asked["message"]) == ("trial", "Better")

    def test_shipped_judge(self, shell, uploads, tmp_path):
        assert shell("push", "me/mini", "--dry-run", tmp_path / "new")[0] == 0
        assert not any(path.is_symlink() for path in (tmp_path / "new").iterdir())
        assert ModelCard.load(tmp_path / "new" / "README.md").data.license == "cc-by-nc-sa-4.0"

    def test_licence_of_its_parts(self, shell, uploads, place, tmp_path):
        shutil.copytree(place / "judge", tmp_path / "judge")
        config = json.loads((tmp_path / "judge" / "config.json").read_text())
        config["audio_config"]["license"] = "cc-by-nc-sa-4.0"
        (tmp_path / "judge" / "config.json").write_text(json.dumps(config))
        words = ("push", "me/a", "--judge", tmp_path / "judge", "--dry-run", tmp_path / "new", "--license")
        code, _, err = shell(*words, "apache-2.0")
        assert (code, uploads, (tmp_path / "new").exists()) == (2, {}, False)
        assert "license apache-2.0: its weights are under cc-by-nc-sa-4.0" in err
        code, _, err = shell(*words, "cc-by-nc-sa-4.0")
        assert code == 0
        assert "cc-by-nc-sa-4.0: not for commercial use" in err

    def test_card_from_facts(self, shell, uploads, place, tmp_path):
        (tmp_path / "card.yaml").write_text("license: mit\nsummary: Judges doors.\n")
        words = ("push", "me/a", "--judge", place / "judge", "--card", tmp_path / "card.yaml")
        assert shell(*words, "--dry-run", tmp_path / "new")[0] == 0
        assert "Judges doors." in (tmp_path / "new" / "README.md").read_text()

    def test_lora_alone(self, shell, uploads, place):
        code, _, _ = shell("push", "me/l", "--judge", place / "lora", "--base-model", "me/a", "--license", "mit")
        assert code == 0
        assert {"adapter_model.safetensors", "handler.py"} <= uploads["me/l"]["there"]
        assert "model.safetensors" not in uploads["me/l"]["there"]

    def test_lora_merged(self, shell, uploads, place):
        assert shell("push", "me/m", "--judge", place / "lora", "--merge", "--license", "mit")[0] == 0
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
            (
                ("me/a", "--judge", "JUDGE", "--license", "mit", "--dry-run", "JUDGE/config.json/x"),
                "nothing was uploaded",
            ),
            (("me/a", "--judge", "JUDGE", "--license", "mit", "--results", "nowhere"), "no metrics.json"),
        ],
    )
    def test_what_cannot_be_done(self, shell, uploads, place, words, message):
        words = [word.replace("JUDGE", str(place / "judge")).replace("LORA", str(place / "lora")) for word in words]
        code, _, err = shell("push", *words)
        assert (code, uploads) == (2, {})
        assert message in err

    def test_no_network(self, shell, place):
        code, _, err = shell("push", "me/a", "--judge", place / "judge", "--license", "mit")
        assert code == 2
        assert "me/a: not uploaded" in err
