"""What CONTRIBUTING says of a new task is all it takes."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from audio_judge.clips import RatedClip, Rating
from audio_judge.data import instructions
from audio_judge.data.files import read_examples, write_examples
from audio_judge.data.instructions import Manner, make_instructions
from audio_judge.data.statistics import Statistics
from audio_judge.eval.benchmarks import Question
from audio_judge.eval.prompts import conversations, read
from audio_judge.languages import LANGUAGES, get_language
from audio_judge.tasks import TASKS, read_facts
from audio_judge.training.reward_rows import make_rows
from audio_judge.training.rewards import agreement_reward, format_reward

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def stars(monkeypatch):
    """The task of CONTRIBUTING: its file, its words, its line."""
    text = (ROOT / "CONTRIBUTING.md").read_text().partition("## A new task")[2].partition("\n## ")[0]
    code, words = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    spoken = {}
    exec(compile(words, "CONTRIBUTING.md", "exec"), spoken)
    for language in LANGUAGES:
        for kind, texts in spoken[language].items():
            monkeypatch.setitem(getattr(get_language(language), kind), "stars", texts)
    module = ModuleType("audio_judge.tasks.stars")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(code, "CONTRIBUTING.md", "exec"), vars(module))
    monkeypatch.setitem(TASKS, "stars", module)
    # Made of TASKS when the module is imported
    monkeypatch.setattr(instructions, "ALL_TASKS", (*instructions.ALL_TASKS, "stars"))
    return module


@pytest.fixture(params=LANGUAGES)
def examples(request):
    """One example per clip, rated 1 to 4."""
    clips = [RatedClip(f"{k}.wav", {"mos": Rating(k + 1.0)}, "train", "x") for k in range(4)]
    return list(make_instructions(clips, ["stars"], seed=0, manner=Manner(languages={request.param: 1.0})))


def test_it_asks_and_writes(examples):
    language = examples[0].get("language", "en")
    request = examples[0]["prompt"][0]["content"][-1]["text"].strip()
    assert request == get_language(language).phrasings["stars"][0]
    assert read_facts("stars", examples[2]["completion"][0]["content"], language=language).scores == {"mos": 3.0}


def test_it_is_counted_and_kept(examples, tmp_path):
    found = Statistics()
    for example in examples:
        found.count(example)
    assert found.tasks == {"stars": 4}
    assert write_examples(examples, tmp_path / "examples.jsonl") == 4
    assert list(read_examples(tmp_path / "examples.jsonl")) == examples


def test_it_is_rewarded(examples):
    rows = make_rows(examples)
    columns = {name: [row[name] for row in rows] for name in rows[0] if name != "prompt"}
    assert columns["scores"] == [{"mos": k + 1.0} for k in range(4)]
    assert agreement_reward(columns["reference"], **columns) == [1.0] * 4
    assert format_reward(columns["reference"], prompts=["?"] * 4, **columns) == [1.0] * 4
    assert format_reward(["3 stars!"] * 4, prompts=["?"] * 4, **columns) == [0.5] * 4


def test_it_is_evaluated():
    question = Question("a", "stars", ("a.wav",))
    ((*_, request),) = conversations(question)
    assert request["text"].strip() == "How many stars does this clip deserve?"
    assert read(question, ["4 stars."]) == ({"scores": {"mos": 4.0}}, None)
