"""Processes of their own, since what is imported when is asked."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from fresh import Fresh

import audio_judge

ROOT = Path(__file__).parents[1]
LIGHT = """
import sys, audio_judge, audio_judge.cli.main
audio_judge.cli.main.make_parser()
audio_judge.Rubric, audio_judge.Scale, audio_judge.Judgement
print({"torch", "transformers"} & set(sys.modules))
"""
LATER = """
import importlib.util, audio_judge
from importlib.machinery import SourceFileLoader
assert importlib.util.find_spec("transformers") is not None
from transformers import AutoConfig
import transformers
loader = transformers.__spec__.loader
print(type(AutoConfig.for_model("audio_judge")).__name__, type(loader) is SourceFileLoader, "exec_module" in vars(loader))
"""
EARLIER = """
import pickle, transformers, audio_judge
from transformers import AutoConfig, AutoModel, AutoProcessor
kind = type(AutoConfig.for_model("audio_judge"))
print(kind.__name__, kind in AutoModel._model_mapping, pickle.loads(pickle.dumps(kind)) is audio_judge.AudioJudgeConfig)
"""
HUB_FILE_FIRST = """
from audio_judge.modeling_audio_judge import AudioJudgeForCausalLM
from transformers import AutoModel
print(AutoModel._model_mapping[AudioJudgeForCausalLM.config_class] is AudioJudgeForCausalLM)
"""


@pytest.fixture
def run(tmp_path):
    """`run(program, name)`: what a program prints, as a script of that name."""

    def call(program, name="script.py"):
        (tmp_path / name).write_text(program)
        return Fresh(tmp_path / name, folder=tmp_path, path=[ROOT]).succeed().strip()

    return call


class TestRegistration:
    def test_import_is_light(self):
        done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True)
        assert (done.stdout, done.stderr) == ("set()\n", "")

    def test_transformers_that_comes_later_knows_the_judge(self, run):
        assert run(LATER) == "AudioJudgeConfig True False"

    def test_transformers_that_was_there_knows_the_judge(self, run):
        assert run(EARLIER) == "AudioJudgeConfig True True"

    def test_file_of_the_hub_imported_first(self, run):
        assert run(HUB_FILE_FIRST) == "True"

    def test_script_with_the_name_of_the_command(self, run):
        program = EARLIER.replace("transformers, audio_judge", "audio_judge", 1)
        assert run(program, "audio-judge") == "AudioJudgeConfig True True"


class TestNames:
    def test_type_checkers_see_those_that_are_given(self):
        tree = ast.parse(Path(audio_judge.__file__).read_text(encoding="utf-8"))
        (block,) = [node for node in tree.body if isinstance(node, ast.If)]
        seen = {one.asname: line.module for line in block.body for one in line.names}
        assert seen == {name: f"audio_judge.{home}" for name, home in audio_judge._HOMES.items()}

    def test_each_is_there(self):
        assert all(getattr(audio_judge, name).__name__ == name for name in audio_judge.__all__)
        assert set(audio_judge.__all__) <= set(dir(audio_judge))

    def test_function_is_not_hidden_by_a_module(self):
        import audio_judge.analysis

        assert callable(audio_judge.analyze)
