# ruff: noqa: F811 (fixtures are imported by their names)
import json

import pytest

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

from pages import HOSTILE, Page, assert_needs_nothing_else, browser, quick_plots, write_tone  # noqa: F401
from selenium.webdriver.support.ui import WebDriverWait

from audio_judge.cli.main import main
from audio_judge.reports.timelines import Window, windows_of, worst_window

pytestmark = pytest.mark.usefixtures("quick_plots")

ENDS = {"mos": (1.0, 5.0), "voice_pitch": (1.0, 5.0)}


def windows(*scores, rubric="mos"):
    return [{"start": 10.0 * k, "end": 10.0 * (k + 1), "scores": {rubric: one}} for k, one in enumerate(scores)]


def row(path, *scores, **more):
    return {
        "path": str(path),
        "timeline": windows(*scores),
        "task": "timeline",
        "model": "mini",
        "revision": "1",
    } | more


@pytest.fixture
def recorded(tmp_path):
    """Rows of two recordings, one that is worst from 0:20 to 0:30, and one that could not be judged."""
    rows = [row(write_tone(tmp_path / "a.wav", 40), 4.0, 3.5, 1.2, 4.0)]
    rows.append(
        {"path": f"{HOSTILE}.wav", "task": "timeline", "model": "mini", "revision": "1", "error": "no such file"}
    )
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in rows))
    return tmp_path / "rows.jsonl"


class TestWorstWindow:
    def test_is_that_with_the_lowest_score(self):
        found = worst_window(windows_of({"timeline": windows(3.0, 1.5, 1.5, 2.0)}), "mos", ENDS)
        assert (found.start, found.end) == (10.0, 20.0)

    def test_of_a_single_window_there_is_none(self):
        assert worst_window([Window(0, 9, {"mos": 1.0})], "mos", ENDS) is None
        assert worst_window([], "mos", ENDS) is None


class TestPage:
    def test_a_plot_a_player_and_all_windows(self, recorded):
        assert main(["report", str(recorded), "--html", str(recorded.with_suffix(".html"))]) == 0
        text = recorded.with_suffix(".html").read_text()
        assert_needs_nothing_else(text)
        assert "Worst mos: 1.20, from 0:20 to 0:30." in text
        (player,) = Page(text).all("audio")
        assert player["src"].endswith("#t=20.0")
        assert len([one for one in Page(text).all("img") if one["alt"] == "a.wav"]) == 1
        assert text.count("0:10 to 0:20") == 1
        assert "no such file" in text

    def test_a_browser_begins_at_the_worst(self, recorded, browser):
        page = recorded.with_suffix(".html")
        main(["report", str(recorded), "--html", str(page)])
        browser.get(page.as_uri())
        place = "return document.querySelector('audio').currentTime"
        assert WebDriverWait(browser, 20).until(lambda driver: driver.execute_script(place)) == 20

    def test_what_ranks_must_be_there(self, recorded, capsys):
        assert main(["report", str(recorded), "--html", "page.html", "--by", "loudness"]) == 2
        assert "--by loudness: not among the rubrics, mos" in capsys.readouterr().err

    def test_scores_of_long_clips_have_it_too(self, tmp_path):
        clip = write_tone(tmp_path / "a.wav", 40)
        scores = {
            "scores": {"mos": 3.2},
            "std": {"mos": 0.5},
            "level": {"mos": "fair"},
            "rubrics": ["mos"],
            "scale": "1-5",
        }
        rows = tmp_path / "scores.jsonl"
        rows.write_text(json.dumps(row(clip, 4.0, 1.5, 4.0, 3.0, **scores, task="score")) + "\n")
        assert main(["report", str(rows), "--html", str(tmp_path / "page.html")]) == 0
        page = Page((tmp_path / "page.html").read_text())
        assert page.all("audio")[0]["src"].endswith("#t=10.0")
        assert "mos over time, a.wav" in [one["alt"] for one in page.all("img")]
