# ruff: noqa: F811 (fixtures are imported by their names)
import subprocess
import sys

import pytest
from shell import folder, run  # noqa: F401


class TestCompletion:
    @pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
    def test_knows_the_commands(self, capsys, shell):
        from audio_judge.cli.main import main

        assert main(["completion", shell]) == 0
        script = capsys.readouterr().out
        assert "compare" in script
        assert "timeline" in script

    def test_bash_completes_with_it(self, folder):
        script = subprocess.run(
            [sys.executable, "-m", "audio_judge", "completion", "bash"], capture_output=True, text=True, check=True
        )
        (folder / "script").write_text(script.stdout)
        words = "COMP_WORDS=(audio-judge tim); COMP_CWORD=1; _shtab_audio_judge audio-judge tim audio-judge"
        ask = f"source ./script; {words}; echo ${{COMPREPLY[@]}}"
        done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["timeline"]
