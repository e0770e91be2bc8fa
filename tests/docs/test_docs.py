import json
import re
import runpy
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from audio_judge import AudioJudge
from audio_judge.hub.card import CardFacts, write_card
from audio_judge.judge.shipped import SHIPPED_JUDGES
from audio_judge.rubrics.rubric import RUBRICS

ROOT = Path(__file__).parents[2]
SHIPPED = [name for name, one in SHIPPED_JUDGES.items() if one.is_there]
# CONTRIBUTING shows parts of files, which tests of their own put together
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *(ROOT.glob("checkpoints/*/README.md"))]
# Safetensors, in millions of bytes; the branch for spoken language included
LARGEST = 50


def card_of(name):
    return ROOT / "checkpoints" / name / "README.md"


class TestNumbers:
    @pytest.fixture(scope="class")
    def pages(self):
        return runpy.run_path(str(ROOT / "benchmarks" / "agreement.py"))["pages"]()

    @pytest.mark.parametrize("page", [ROOT / "README.md", *map(card_of, SHIPPED)], ids=["readme", *SHIPPED])
    def test_agreement_is_what_the_benchmark_wrote(self, pages, page):
        assert "<!-- which judge -->" in page.read_text() or "<!-- agreement -->" in page.read_text()
        assert pages[page] == page.read_text(), "python benchmarks/agreement.py --fill"

    @pytest.mark.parametrize("page", [ROOT / "README.md", card_of("mini")], ids=["readme", "card"])
    def test_tasks_are_those_of_the_published_run(self, page):
        run = json.loads((ROOT / "docs" / "evaluation" / "metrics.json").read_text())["judges"]["checkpoints/mini"]
        markdown = runpy.run_path(str(ROOT / "benchmarks" / "by_task.py"))["markdown"]
        assert markdown(run) in page.read_text()

    @pytest.mark.parametrize("name", SHIPPED)
    def test_card_tells_the_size_of_the_weights(self, name):
        size = (SHIPPED_JUDGES[name].folder / "model.safetensors").stat().st_size / 1e6
        assert f"{size:.0f} MB" in card_of(name).read_text()
        assert size <= LARGEST

    @pytest.mark.parametrize("name", SHIPPED)
    def test_card_names_the_licence_of_the_table(self, name):
        assert ModelCard.load(card_of(name)).data.license == SHIPPED_JUDGES[name].license


class TestFilled:
    def test_tables_stand_between_their_comments(self):
        filled = runpy.run_path(str(ROOT / "benchmarks" / "agreement.py"))["filled"]
        page = "a\n<!-- one -->\nold\n<!-- /one -->\nb <!-- other -->\n"
        assert (
            filled(page, {"one": "new", "two": "unseen"})
            == "a\n<!-- one -->\n\nnew\n\n<!-- /one -->\nb <!-- other -->\n"
        )


class TestSideBySide:
    def test_judges_and_measures_of_others(self, monkeypatch, tmp_path):
        for name in ("mini", "open"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "model.safetensors").write_bytes(bytes(11_600_000))
            monkeypatch.setitem(SHIPPED_JUDGES, name, replace(SHIPPED_JUDGES[name], folder=tmp_path / name))
        benchmark = runpy.run_path(str(ROOT / "benchmarks" / "agreement.py"))
        figures = {name: {"pcc": 0.9} for name in RUBRICS}
        peers = {"test": {"DNSMOS": {"mos": {"pcc": 0.5}}}}
        mini = {"agreement": {"test": figures, "wild_test": figures}, "peers": peers}
        other = {"agreement": {"test": figures | {"mos": {"pcc": 0.7, "pcc_speech": 0.6}}, "wild_test": figures}}
        table = benchmark["side_by_side"]({"mini": mini, "open": other})
        assert "| `open` | nothing from NISQA in it; a company may use it | apache-2.0 | 12 MB |" in table
        assert "| PCC: test / wild_test | `mini` | `open` | DNSMOS |" in table
        assert "| mos | 0.90 / 0.90 | 0.60 / 0.90 | 0.50 / – |" in table
        assert "| noisiness | 0.90 / 0.90 | 0.90 / 0.90 | – |" in table


class TestReadme:
    def test_first_screen_shows_the_two_commands(self):
        first = (ROOT / "README.md").read_text().splitlines()[:12]
        assert any(line.startswith("make demo") for line in first)
        assert any(line.startswith("make test") for line in first)

    def test_files_it_names_exist(self):
        text = (ROOT / "README.md").read_text() + (ROOT / "CONTRIBUTING.md").read_text()
        named = re.findall(r"(?:recipes|examples|benchmarks|checkpoints)/[\w./-]+\w", text)
        assert named
        lacking = {f"checkpoints/{name}" for name in SHIPPED_JUDGES} - {f"checkpoints/{name}" for name in SHIPPED}
        assert [name for name in named if name not in lacking and not (ROOT / name).exists()] == []

    def test_no_marker_is_left(self):
        assert re.findall(r"\b(?:RESULTS|DEMO_OUTPUT|PARAMETERS|TIMES)\b", (ROOT / "README.md").read_text()) == []


class TestNames:
    """Whoever pastes the blocks of a page one after the other knows every name in them."""

    @staticmethod
    def undefined(text):
        blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        command = [
            sys.executable,
            "-m",
            "ruff",
            "check",
            "--isolated",
            "--select",
            "F821",
            "--output-format",
            "concise",
            "-",
        ]
        done = subprocess.run(command, input="\n".join(blocks), capture_output=True, text=True)
        return [line for line in done.stdout.splitlines() if line.startswith("-:")]

    @pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
    def test_are_defined_on_the_page(self, page):
        assert self.undefined(page.read_text()) == []

    def test_of_a_card_that_is_written_are_defined(self, tmp_path):
        shutil.copytree(SHIPPED_JUDGES[SHIPPED[0]].folder, tmp_path / "judge")
        card = write_card(tmp_path / "judge", CardFacts(SHIPPED_JUDGES[SHIPPED[0]].license))
        assert self.undefined(card.read_text()) == []

    @pytest.mark.parametrize("block", ["print(array)\n", "def f(:\n"])
    def test_a_wrong_block_is_found(self, block):
        assert self.undefined(f"```python\n{block}```\n\n```python\narray = 1\n```\n")


@pytest.mark.parametrize("name", SHIPPED)
class TestShippedJudge:
    def test_code_files_are_those_of_the_repository(self, name):
        for part in ("configuration", "modeling", "processing"):
            file = f"{part}_audio_judge.py"
            assert (ROOT / "checkpoints" / name / file).read_text() == (ROOT / file).read_text(), (
                f"link it: ln -s ../../{file} checkpoints/{name}"
            )

    def test_scores_an_example_clip_on_all_rubrics(self, name):
        judge = AudioJudge.from_pretrained(name, device="cpu")
        clean, noisy = judge.score([ROOT / "examples/clips/clean_anna.ogg", ROOT / "examples/clips/noisy.ogg"])
        assert set(clean.scores) == set(RUBRICS)
        assert noisy["noisiness"].value < clean["noisiness"].value
