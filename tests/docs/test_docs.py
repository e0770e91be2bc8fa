import json
import re
import runpy
from pathlib import Path

import pytest

from audio_judge.rubrics.rubric import RUBRICS

ROOT = Path(__file__).parents[2]
MINI = ROOT / "checkpoints" / "mini"


@pytest.fixture(scope="module")
def table():
    markdown = runpy.run_path(str(ROOT / "benchmarks" / "agreement.py"))["markdown"]
    return markdown(json.loads((MINI / "results.json").read_text()))


class TestNumbers:
    @pytest.mark.parametrize("page", [ROOT / "README.md", MINI / "README.md"], ids=["readme", "card"])
    def test_agreement_is_what_the_benchmark_wrote(self, page, table):
        assert table in page.read_text()

    @pytest.mark.parametrize("page", [ROOT / "README.md", MINI / "README.md"], ids=["readme", "card"])
    def test_tasks_are_those_of_the_published_run(self, page):
        run = json.loads((ROOT / "docs" / "evaluation" / "metrics.json").read_text())["judges"]["checkpoints/mini"]
        markdown = runpy.run_path(str(ROOT / "benchmarks" / "by_task.py"))["markdown"]
        assert markdown(run) in page.read_text()

    def test_card_tells_the_size_of_the_weights(self):
        size = (MINI / "model.safetensors").stat().st_size / 1e6
        assert f"{size:.0f} MB" in (MINI / "README.md").read_text()
        assert size <= 25


class TestReadme:
    def test_first_screen_shows_the_two_commands(self):
        first = (ROOT / "README.md").read_text().splitlines()[:12]
        assert any(line.startswith("make demo") for line in first)
        assert any(line.startswith("make test") for line in first)

    def test_files_it_names_exist(self):
        text = (ROOT / "README.md").read_text() + (ROOT / "CONTRIBUTING.md").read_text()
        named = re.findall(r"(?:recipes|examples|benchmarks|checkpoints)/[\w./-]+\w", text)
        assert named
        assert [name for name in named if not (ROOT / name).exists()] == []

    def test_no_marker_is_left(self):
        assert re.findall(r"\b(?:RESULTS|DEMO_OUTPUT|PARAMETERS|TIMES)\b", (ROOT / "README.md").read_text()) == []


class TestShippedJudge:
    def test_code_files_are_those_of_the_repository(self):
        for name in ("configuration", "modeling", "processing"):
            file = f"{name}_audio_judge.py"
            assert (MINI / file).read_text() == (ROOT / file).read_text(), (
                f"link it: ln -s ../../{file} checkpoints/mini"
            )

    def test_scores_an_example_clip_on_all_rubrics(self):
        from audio_judge import AudioJudge

        judge = AudioJudge.from_pretrained(device="cpu")
        clean, noisy = judge.score([ROOT / "examples/clips/clean_anna.ogg", ROOT / "examples/clips/noisy.ogg"])
        assert set(clean.scores) == set(RUBRICS)
        assert noisy["noisiness"].value < clean["noisiness"].value
