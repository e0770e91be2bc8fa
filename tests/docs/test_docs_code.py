"""Every code block of docs/ is tried; an HTML comment right above it says how, and one without a comment is an error.

``<!-- test: run -->``: python is executed, commands of a shell too, in one folder per page (see ``workplace``).
``<!-- test: parse -->``: every command of a shell block is read by the parser that it has, and its files must be there.
``<!-- test: file NAME -->``: the block is a file of that name for the blocks below, well formed for its suffix.
``<!-- test: output -->``: what the block above printed.
"""

import argparse
import csv
import importlib
import json
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
import typing
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from tiny import make_backbones, make_judge, tone

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
BLOCK = re.compile(r"(?:^[ ]*<!-- test: ([^\n]*?) -->\n)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SCRIPTS = {"train_sft": "JudgeArguments", "train_alld": "AlldArguments", "train_grpo": "GRPOArguments"}


@dataclass(frozen=True)
class Block:
    """A code block and what is to be done with it."""

    rule: str
    language: str
    text: str
    line: int


def blocks_of(text):
    found = []
    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start(3)) + 1
        found.append(Block(match[1] or "", match[2], match[3], line))
    return found


def commands_of(text):
    """The commands of a shell block as lists of words; comments and joined lines are understood."""
    lines = text.replace("\\\n", " ").splitlines()
    return [words for words in (shlex.split(line, comments=True) for line in lines) if words]


# The folder that a page's blocks run in


def write_tone(path, seconds=1.0, frequency=440.0, rate=16_000):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone(seconds, frequency, rate), rate)


def write_nisqa(folder):
    """A corpus in the published layout: a table, and a tone for each of its clips."""
    ratings = ("mos", "noi", "col", "dis", "loud")
    rows = []
    for index, part in enumerate(["TRAIN_SIM"] * 6 + ["VAL_SIM"] * 2 + ["TEST_P501"] * 4):
        paths = {f"filepath_{side}": f"NISQA_{part}/{side}/c{index}.wav" for side in ("deg", "ref")}
        for path in paths.values():
            write_tone(folder / path, 0.4, 200 + 30 * index)
        scores = {f"{name}": 1 + (3 * index + place) % 17 / 4 for place, name in enumerate(ratings)}
        row = {"db": f"NISQA_{part}", "con": index % 3, "con_description": "white noise", "votes": 24}
        rows.append(row | paths | scores | {f"{name}_std": 0.7 for name in ratings})
    with (folder / "NISQA_corpus_file.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def tiny_parts(tmp_path_factory):
    """Stand-ins for what is downloaded: two backbones, and a judge made of others."""
    folder = tmp_path_factory.mktemp("parts")
    encoder, _ = make_backbones(folder, "audio-spectrogram-transformer")
    whisper, text = make_backbones(folder, "whisper")
    model, processor = make_judge(folder, span_size=8)
    model.save_pretrained(folder / "judge")
    processor.save_pretrained(folder / "judge")
    return {
        "MIT/ast-finetuned-audioset-10-10-0.4593": encoder,
        "openai/whisper-small": whisper,
        "meta-llama/Llama-3.1-8B-Instruct": text,
        "my-judge": folder / "judge",
    }


@pytest.fixture
def workplace(tmp_path, tiny_parts, monkeypatch):
    """What the pages take for granted: the repository's files, a few clips and a corpus, under the names they have there."""
    for name in ("recipes", "examples", "checkpoints"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name, place in tiny_parts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to(place)
    kinds = {"clip": "noisy", "a": "clean_anna", "b": "noisy", "degraded": "noisy", "clean": "clean_anna"}
    for name, source in kinds.items():
        samples, rate = soundfile.read(ROOT / f"examples/clips/{source}.ogg")
        soundfile.write(tmp_path / f"{name}.wav", samples, rate)
    for index in range(8):
        samples, rate = soundfile.read(ROOT / "examples/clips/clean_tom.ogg", frames=48_000)
        noise = np.random.default_rng(index).standard_normal(len(samples)) * 0.002 * 2**index
        (tmp_path / "clips").mkdir(exist_ok=True)
        soundfile.write(tmp_path / f"clips/{index}.wav", np.clip(samples + noise, -1, 1), rate)
    samples, rate = soundfile.read(ROOT / "examples/clips/clean_tom.ogg")
    soundfile.write(tmp_path / "long.wav", np.tile(samples, 5), rate)
    (tmp_path / "NISQA_Corpus").mkdir()
    write_nisqa(tmp_path / "NISQA_Corpus")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["docs"])
    return tmp_path


# Rules


class Parsed(Exception):  # noqa: N818
    """Raised in place of doing what was asked."""


def assert_understood(function, *arguments):
    """A command built on argparse gets as far as having understood its words; it is stopped there."""
    parse = argparse.ArgumentParser.parse_args

    def parse_and_stop(self, *args, **options):
        raise Parsed(parse(self, *args, **options))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", parse_and_stop)
        with pytest.raises(Parsed):
            function(*arguments)


def program_of(words):
    """The function behind our own commands, and its arguments; None for a command of somebody else."""
    from audio_judge.cli.main import main
    from audio_judge.eval.cli import main as evaluate

    known = {("audio-judge",): main, ("python", "-m", "audio_judge"): main, ("python", "-m", "eval"): evaluate}
    for start, function in known.items():
        if tuple(words[: len(start)]) == start:
            return function, words[len(start) :]
    return None


def run_command(words):
    found = program_of(words)
    assert found is not None, f"{words[0]}: not a command that is run in-process; use the rule parse"
    function, arguments = found
    assert function(arguments) == 0


def parse_training(script, arguments):
    """Read a recipe and options as the script does, without training."""
    from audio_judge.training.arguments import DeviceParser

    sys.path.insert(0, str(ROOT))
    try:
        module = __import__(script)
    finally:
        sys.path.remove(str(ROOT))
    hints = typing.get_type_hints(module.main)
    types = [hints["args"], hints["training_args"]]
    assert types[0].__name__ == SCRIPTS[script]
    DeviceParser(types).parse_args_and_config(args=arguments)


def unwrapped(words):
    """A launched command without its launcher, whose own options are checked."""
    if words[:2] == ["accelerate", "launch"]:
        from accelerate.commands.launch import launch_command_parser

        options = launch_command_parser().parse_args(words[2:])
    elif words[0] == "torchrun":
        from torch.distributed.run import get_args_parser

        options = get_args_parser().parse_args(words[1:])
    else:
        return words
    if getattr(options, "config_file", None):
        assert Path(options.config_file).is_file(), options.config_file
    start = ["python", "-m"] if options.module else ["python"]
    return [*start, options.training_script, *options.training_script_args]


def parse_install(words):
    """Extras that are asked for exist."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for named in re.findall(r"\[([\w,-]+)\]", " ".join(words)):
        assert set(named.split(",")) <= set(extras), f"no extra {named}"


def parse_other(words):
    """A command of somebody else, by its own parser; or a target of our Makefile."""
    if words[0] == "make":
        targets = re.findall(r"^([\w/.-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(words[1:]) <= set(targets)
    elif words[:2] == ["pip", "install"]:
        parse_install(words)
    elif words[:2] == ["transformers", "serve"]:
        from transformers.cli.transformers import app

        app.commands["serve"].make_context("serve", words[2:])
    elif words[0] == "curl":
        assert any(word.startswith("http://localhost") for word in words)
        for word in words:
            assert not word.startswith("@") or Path(word[1:]).is_file(), word
    else:
        pytest.fail(f"{' '.join(words)}: no parser is known for it")


def parse_command(words):
    words = unwrapped(words)
    script = Path(words[1]).stem if words[0] == "python" and words[1].endswith(".py") else ""
    found = program_of(words)
    if script in SCRIPTS:
        parse_training(script, words[2:])
    elif found is not None:
        assert_understood(*found)
    elif words[0] == "python" and (script or words[1] == "-m"):
        place = runpy.run_path(str(ROOT / words[1])) if script else vars(importlib.import_module(words[2]))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", words[1:] if script else words[2:])
            assert_understood(place["main"])
    else:
        parse_other(words)


def check_file(name, text):
    """The text is what its suffix promises."""
    suffix = Path(name).suffix
    if suffix == ".json":
        assert json.loads(text)
    elif suffix == ".jsonl":
        assert [json.loads(line) for line in text.splitlines()]
    elif suffix == ".yaml":
        assert yaml.safe_load(text)
    elif suffix == ".csv":
        rows = list(csv.reader(StringIO(text)))
        assert {len(row) for row in rows} == {len(rows[0])}
    else:
        pytest.fail(f"{name}: a file of an unknown kind")


def run_python(block, page, names):
    """Execute a block with the names of those above it; its lines are numbered as in the page."""
    script = Path(f"{page.stem}.{block.line}.py")
    script.write_text("\n" * (block.line - 1) + block.text)
    return runpy.run_path(str(script), init_globals=names)


def try_block(block, page, names, printed, above):
    """Do with a block what its comment says; returns the names that python blocks know after it."""
    rule, _, name = block.rule.partition(" ")
    if rule == "run" and block.language == "python":
        return run_python(block, page, names)
    if rule in ("run", "parse") and block.language == "bash":
        for words in commands_of(block.text):
            (run_command if rule == "run" else parse_command)(words)
    elif rule == "file":
        assert f"`{name}`" in above, f"{name}: the text above does not name the file"
        check_file(name, block.text)
        Path(name).write_text(block.text)
    elif rule == "output":
        assert block.text.split() == printed.split()
    else:
        pytest.fail(f"no rule for this block: {block.rule!r}, {block.language}")
    return names


def try_page(text, page, capsys):
    """Try all blocks of a page in their order."""
    names, printed = {}, ""
    for block in blocks_of(text):
        try:
            names = try_block(block, page, names, printed, "\n".join(text.splitlines()[: block.line]))
        except (Exception, SystemExit) as error:
            said = capsys.readouterr().err[-2000:]
            raise AssertionError(f"{page.name}:{block.line}: {type(error).__name__}: {error}\n{said}") from error
        printed = capsys.readouterr().out


class TestPages:
    @pytest.mark.filterwarnings("ignore::UserWarning")
    @pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
    def test_every_block_works(self, page, workplace, capsys):
        try_page(page.read_text(), page, capsys)

    @pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
    def test_every_fence_is_a_block(self, page):
        text = page.read_text()
        assert text.count("```") == 2 * len(blocks_of(text))

    @pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
    def test_files_it_names_exist(self, page):
        named = re.findall(
            r"`((?:recipes|examples|benchmarks|checkpoints|audio_judge|eval|space|tests)/[\w./-]+\w|train_\w+\.py)`",
            page.read_text(),
        )
        assert [name for name in named if not (ROOT / name).exists()] == []


class TestRules:
    @pytest.mark.parametrize(
        "text",
        [
            "```python\nx = 1\n```\n",  # no comment
            "<!-- test: run -->\n```python\nnone_of_this_name\n```\n",
            "<!-- test: run -->\n```bash\naudio-judge score missing.wav --no-progress\n```\n",
            "<!-- test: run -->\n```bash\nrm -rf clips\n```\n",
            "<!-- test: parse -->\n```bash\naudio-judge score clip.wav --none-of-this-name\n```\n",
            "<!-- test: parse -->\n```bash\npython train_sft.py --config recipes/sft/mini.yaml --colour red\n```\n",
            "<!-- test: parse -->\n```bash\npip install 'audio-judge[magic]'\n```\n",
            "`a.json`:\n\n<!-- test: file a.json -->\n```json\n{]\n```\n",
            "<!-- test: file a.json -->\n```json\n[1]\n```\n",  # not named above
            "<!-- test: run -->\n```python\nprint(1)\n```\n\n<!-- test: output -->\n```text\n2\n```\n",
        ],
    )
    def test_a_wrong_block_is_found(self, text, workplace, capsys):
        with pytest.raises((AssertionError, pytest.fail.Exception)):
            try_page(text, Path("page.md"), capsys)

    def test_lines_are_those_of_the_page(self, workplace, capsys):
        with pytest.raises(AssertionError, match=r"page\.md:5: NameError"):
            try_page("# Page\n\n<!-- test: run -->\n```python\nmissing\n```\n", Path("page.md"), capsys)


class TestSite:
    def test_builds_without_a_warning(self, tmp_path):
        command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "site" / "index.html").is_file()

    def test_every_page_is_in_the_navigation(self):
        written = (ROOT / "mkdocs.yml").read_text()
        assert [page for page in PAGES if str(page.relative_to(DOCS)) not in written] == []
