# ruff: noqa: F811 (fixtures are imported by their names)
"""What CONTRIBUTING says of a new command is all it takes."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from shell import folder, lines, run  # noqa: F401

from audio_judge.cli.main import COMMANDS, main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def doubt(monkeypatch):
    text = (ROOT / "CONTRIBUTING.md").read_text().partition("## A new command")[2].partition("\n## ")[0]
    code, line = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    module = ModuleType("audio_judge.cli.doubt")
    exec(compile(code, "CONTRIBUTING.md", "exec"), vars(module))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for name, summary in eval(f"{{{line}}}").items():
        monkeypatch.setitem(COMMANDS, name, summary)


class TestContributing:
    def test_it_writes_a_row_for_each_clip(self, doubt, run, loaded):
        code, out, _ = run("doubt", "clips/0.wav", "missing.wav", "--rubric", "noisiness")
        good, bad = lines(out)
        assert code == 1
        assert good["doubt"] == round(loaded.score("clips/0.wav", rubric="noisiness")["noisiness"].std, 4)
        assert (good["task"], good["rubrics"]) == ("doubt", ["noisiness"])
        assert bad["error"].startswith("missing.wav: no such file")

    def test_it_is_listed_and_completed(self, doubt, capsys):
        with pytest.raises(SystemExit):
            main(["--help"])
        assert "how much listeners would disagree" in capsys.readouterr().out
        main(["completion", "bash"])
        assert "doubt" in capsys.readouterr().out
