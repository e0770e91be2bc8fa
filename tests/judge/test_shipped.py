"""Judges by the names they ship under; folders that stand in for those of the package."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
from shell import shell  # noqa: F401
from tiny import make_judge, tone

from audio_judge.cli import main
from audio_judge.cli.serve import server_command
from audio_judge.errors import UsageError
from audio_judge.eval.judges import load_judge
from audio_judge.judge.judge import AudioJudge
from audio_judge.judge.origin import revision_of
from audio_judge.judge.shipped import DEFAULT_JUDGE, SHIPPED_JUDGES, place_of
from audio_judge.version import __version__

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny judge that stands in for a shipped one."""
    folder = tmp_path_factory.mktemp("shipped")
    for part in make_judge(folder / "backbones"):
        part.save_pretrained(folder / "open")
    (folder / "open" / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Open\n")
    return folder / "open"


@pytest.fixture
def opened(folder, monkeypatch):
    """The package holds the stand-in as `open`."""
    monkeypatch.setitem(SHIPPED_JUDGES, "open", replace(SHIPPED_JUDGES["open"], folder=folder))
    return folder


@pytest.fixture
def lacking(tmp_path, monkeypatch):
    """The package does not hold `open`."""
    monkeypatch.setitem(SHIPPED_JUDGES, "open", replace(SHIPPED_JUDGES["open"], folder=tmp_path / "nowhere"))


class TestPlaceOf:
    def test_mini_is_taken_if_none_is_named(self):
        assert DEFAULT_JUDGE == "mini"
        assert place_of() == place_of("") == place_of("mini") == str(SHIPPED_JUDGES["mini"].folder)

    def test_shipped_judge_before_a_folder_of_its_name(self, opened, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "open").mkdir()
        assert place_of("open") == str(opened)
        assert place_of("./open") == "./open"
        assert place_of(Path("open")) == "open"

    def test_other_folders_by_their_names(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "mine").mkdir()
        assert place_of("mine") == "mine"

    def test_ids_on_the_hub(self):
        assert place_of("me/open") == "me/open"

    def test_unknown_name(self):
        with pytest.raises(OSError, match=r"opne: no such folder, and no judge that ships \(mini, open\)"):
            place_of("opne")

    def test_judge_that_this_copy_lacks(self, lacking):
        with pytest.raises(OSError, match="open: this copy of the package lacks that judge; it has mini"):
            place_of("open")


class TestByName:
    def test_python(self, opened):
        judge = AudioJudge.from_pretrained("open", device="cpu")
        assert (judge.name, judge.revision) == ("open", __version__)
        said, same = (one.score((tone(), 48_000)) for one in (judge, AudioJudge.from_pretrained(opened, device="cpu")))
        assert said.scores == same.scores
        assert (same.model, same.revision) == (str(opened), revision_of(Path(opened)))

    def test_commands(self, opened, shell, tmp_path):  # noqa: F811
        soundfile.write(tmp_path / "clip.wav", tone(), 48_000)
        code, out, _ = shell("score", tmp_path / "clip.wav", "--judge", "open", "--device", "cpu")
        assert (code, '"model": "open"' in out) == (0, True)

    @pytest.mark.parametrize("command", [("score", "a.wav"), ("push", "me/a"), ("serve",)])
    def test_commands_say_which_there_are(self, shell, tmp_path, command):  # noqa: F811
        soundfile.write(tmp_path / "a.wav", tone(), 48_000)
        code, _, err = shell(*command, "--judge", "opne")
        assert code == 2
        assert "--judge opne: no such folder, and no judge that ships (mini, open)" in err

    def test_push(self, opened, shell, tmp_path):  # noqa: F811
        assert shell("push", "me/open", "--judge", "open", "--dry-run", tmp_path / "new")[0] == 0
        assert "license: apache-2.0" in (tmp_path / "new" / "README.md").read_text()

    def test_serve(self, opened):
        command = server_command(main.make_parser().parse_args(["serve", "--judge", "open"]))
        assert command[command.index("serve") + 1] == str(opened.resolve())

    def test_evaluation(self, opened):
        assert load_judge("open", device="cpu").facts["model"] == "open"
        with pytest.raises(UsageError, match=r"judge opne: .*\(mini, open\)"):
            load_judge("opne", device="cpu")

    def test_listed(self, lacking, shell):  # noqa: F811
        code, out, _ = shell("ls", "judges")
        mini, opened = out.splitlines()[1:]
        assert (code, mini.split()[:2], opened.split()[:2]) == (0, ["mini", "cc-by-nc-sa-4.0"], ["open", "apache-2.0"])
        assert "(not in this copy)" in opened


class TestWheel:
    # What setuptools puts beside the modules; a build would write into the checkout
    FILES = """
from setuptools import Distribution
made = Distribution()
made.parse_config_files(["pyproject.toml"])
command = made.get_command_obj("build_py")
command.ensure_finalized()
print(*(f"{folder}/{name}" for _, folder, _, names in command.get_data_files_without_manifest() for name in names))
"""

    def test_holds_every_shipped_judge(self, tmp_path):
        (tmp_path / "audio_judge").mkdir()
        for name in ("pyproject.toml", "README.md", "LICENSE", "audio_judge/version.py"):
            shutil.copy(ROOT / name, tmp_path / name)
        wanted = set()
        for judge in SHIPPED_JUDGES.values():
            (tmp_path / "audio_judge" / judge.folder.name).mkdir()
            for file in ("config.json", "model.safetensors"):
                wanted.add(f"audio_judge/{judge.folder.name}/{file}")
                (tmp_path / "audio_judge" / judge.folder.name / file).touch()
        command = [sys.executable, "-c", self.FILES]
        made = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
        assert wanted <= set(made.stdout.split())
