import subprocess
import sys

import pytest
from shell import folder, run  # noqa: F401

from audio_judge import __version__
from audio_judge.cli.main import COMMANDS, main


class TestHelp:
    @pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
    def test_shows_examples(self, capsys, command):
        with pytest.raises(SystemExit) as exit_:
            main([*command, "--help"])
        out = capsys.readouterr().out
        assert exit_.value.code == 0
        assert " ".join(["examples:\n  audio-judge", *command]) in out

    def test_the_options_of_all_commands_need_nothing_heavy(self):
        code = """
import sys
from audio_judge.cli.main import make_parser
make_parser()
print(sorted({"numpy", "torch", "transformers", "scipy", "soundfile"} & set(sys.modules)))
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert (done.stdout, done.stderr) == ("[]\n", "")

    def test_version(self, capsys):
        with pytest.raises(SystemExit):
            main(["--version"])
        assert capsys.readouterr().out == f"audio-judge {__version__}\n"

    def test_runs_as_a_module(self):
        done = subprocess.run([sys.executable, "-m", "audio_judge", "ls", "rubrics"], capture_output=True, text=True)
        assert done.returncode == 0
        assert "noisiness" in done.stdout
