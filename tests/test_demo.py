"""The page, driven in a real browser where there is one, and what it is made of."""

import argparse
import importlib.util
import re
import shutil
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from native_models import qwen2_audio
from served import free_port
from tiny import make_judge, tone

from audio_judge.cli import demo as demo_command
from audio_judge.cli.main import main
from audio_judge.errors import UsageError
from audio_judge.judge.judge import AudioJudge
from audio_judge.judge.judgement import Preference, Score
from audio_judge.judge.learned import Learned, Lesson
from audio_judge.rubrics.rubric import RUBRICS, Rubric, get_rubric

gr = pytest.importorskip("gradio", reason="the demo needs gradio: pip install 'audio-judge[demo]'")
demo = importlib.import_module("audio_judge.demo")

ROOT = Path(__file__).parents[1]
NOISY, CLEAN = (str(demo.EXAMPLE_CLIPS / f"{name}.ogg") for name in ("noisy", "clean_anna"))
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,1400")
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return AudioJudge(*make_judge(tmp_path_factory.mktemp("demo")), name="tiny", revision="r1")


@pytest.fixture(scope="module")
def mini():
    return AudioJudge.from_pretrained(device="cpu")


@pytest.fixture
def clip(tmp_path):
    soundfile.write(tmp_path / "clip.wav", tone(0.6), 48_000)
    return str(tmp_path / "clip.wav")


@pytest.fixture
def long_clip(tmp_path, tiny):
    soundfile.write(tmp_path / "long.wav", tone(2 * tiny.processor.window_seconds + 2), 48_000)
    return str(tmp_path / "long.wav")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("chromium and chromedriver are needed to drive the page: apt-get install chromium chromium-driver")
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is needed to drive the page")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, *QUIET, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def address(mini):
    page = demo.build(mini, longest_minutes=0.5)
    yield demo.launch(page, host="127.0.0.1", port=free_port(), block=False, quiet=True)
    page.close()


@pytest.fixture
def page(browser, address):
    browser.get(address)
    find(browser, "#clip input[type=file]")
    return browser


def find(browser, selector, seconds=120):
    """The element, as soon as it is there."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    found = WebDriverWait(browser, seconds).until(lambda shown: shown.find_elements(By.CSS_SELECTOR, selector))
    return found[0]


def upload(browser, place, path):
    find(browser, f"#{place} input[type=file]").send_keys(str(path))
    # The player's button to clear the clip: the file has arrived
    find(browser, f"#{place} button[aria-label=Clear]")


def press(browser, selector):
    browser.execute_script("arguments[0].click()", find(browser, selector))


class TestInBrowser:
    def test_judges_an_uploaded_clip(self, page, mini):
        upload(page, "clip", NOISY)
        press(page, "#judge")
        shown = find(page, "#result [data-rubric=noisiness] .aj-value").text
        expected = mini.score(NOISY, rubric="noisiness")["noisiness"]
        assert shown == f"{expected.value:.2f} ± {expected.std:.2f}"
        assert find(page, "#result [data-name=reasons]").text.endswith(".")
        assert find(page, "#result [data-name=noise] .aj-value").text.endswith("%")
        assert "19.6 kHz" in find(page, "#result .aj-facts").text

    def test_judges_on_a_rubric_in_own_words(self, page, mini):
        upload(page, "clip", CLEAN)
        press(page, "#own button")
        find(page, "#own-name textarea, #own-name input").send_keys("warmth")
        find(page, "#own-question textarea, #own-question input").send_keys("How warm does the voice sound?")
        press(page, "#judge")
        row = find(page, "#result [data-rubric=warmth]").text
        own = Rubric("warmth", "How warm?", 1, 10, questions=("How warm does the voice sound?",))
        assert f"{mini.score(CLEAN, rubric=own)['warmth'].value:.2f}" in row
        assert "1–10, not trained" in row

    def test_compares_two_uploaded_clips(self, page, mini):
        press(page, "button[role=tab]:nth-of-type(2)")
        upload(page, "first", NOISY)
        upload(page, "second", CLEAN)
        press(page, "#compare")
        verdict = find(page, "#preference [data-name=verdict]").text
        expected = mini.compare(NOISY, CLEAN, explain=False)
        assert verdict == {"A": "A is better", "B": "B is better", "tie": "A tie"}[expected.better]
        shown = find(page, "#preference [data-a]").get_attribute("title")
        assert shown == f"A {expected.probabilities['A']:.0%}"

    def test_draws_a_long_clip_over_time(self, page, mini, tmp_path):
        samples, rate = soundfile.read(NOISY)
        soundfile.write(tmp_path / "long.wav", np.tile(samples, 5), rate)
        upload(page, "clip", tmp_path / "long.wav")
        press(page, "#judge")
        assert "overall quality" in find(page, "#timeline svg").text

    def test_says_what_is_wrong_with_a_file(self, page, tmp_path):
        (tmp_path / "bad.wav").write_bytes(b"no sound at all" * 40)
        upload(page, "clip", tmp_path / "bad.wav")
        press(page, "#judge")
        from selenium.webdriver.support.ui import WebDriverWait

        # Its text fades in
        message = WebDriverWait(page, 60).until(lambda driver: driver.find_element("css selector", ".toast-body").text)
        assert "bad.wav: cannot be opened" in message
        assert "Traceback" not in message + find(page, "#result").text

    def test_loads_nothing_from_elsewhere(self, page):
        names = page.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
        origin = page.execute_script("return location.origin")
        assert len(names) > 5
        assert [name for name in names if not name.startswith((origin, "data:", "blob:"))] == []


class TestBuild:
    def test_asks_for_everything_once(self, tiny):
        config = demo.build(tiny, clips=None).get_config_file()
        ids = [part["props"].get("elem_id") for part in config["components"]]
        assert [ids.count(one) for one in ("clip", "judge", "result", "first", "second", "compare")] == [1] * 6
        assert config["analytics_enabled"] is False

    def test_has_no_examples_without_a_folder(self, tiny, tmp_path):
        shutil.copy(NOISY, tmp_path)
        for clips, count in ((tmp_path / "none", 0), (tmp_path, 1)):
            kinds = [part["type"] for part in demo.build(tiny, clips=clips).get_config_file()["components"]]
            assert kinds.count("dataset") == count

    def test_says_what_the_judge_was_trained_on(self, tiny, monkeypatch):
        monkeypatch.setattr(tiny.processor, "trained_rubrics", ["mos", "speech_rate"])
        config = str(demo.build(tiny, clips=None).get_config_file())
        assert "trained on 2 rubrics: mos, speech rate" in config
        assert "noisiness (not trained)" in config
        assert "overall quality (not trained)" not in config

    def test_refuses_a_limit_of_nothing(self, tiny):
        with pytest.raises(ValueError, match="longest_minutes 0"):
            demo.build(tiny, longest_minutes=0)


class TestChosenRubrics:
    def test_keeps_the_order_and_adds_the_own_one(self):
        chosen = demo.chosen_rubrics(["noisiness", "mos", "mos"], "warmth", " How warm\nis it? ", 0, 100)
        assert [one.name for one in chosen] == ["noisiness", "mos", "warmth"]
        assert chosen[-1].question()["instructions"] == "How warm is it?"
        assert (chosen[-1].low, chosen[-1].high) == (0, 100)

    def test_empty_fields_are_no_rubric(self):
        assert demo.chosen_rubrics(["mos"], None, None) == [get_rubric("mos")]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (([],), "0 rubrics; choose 1 to"),
            ((["mos"], "warmth", ""), "'warmth' has no question"),
            ((["mos"], "mos", "How?"), "there is a rubric 'mos' already"),
            ((["mos"], "warmth", "How?", 5, 1), "low must be smaller than high"),
            ((["mos"], "warmth", "How?", None, 5), "a lowest and a highest score"),
            ((["mos"], "w", "x" * 301), "301 characters"),
            ((["mos"], "<b>", "How?"), "letters, digits"),
        ],
    )
    def test_refuses(self, arguments, message):
        with pytest.raises(ValueError, match=re.escape(message)):
            demo.chosen_rubrics(*arguments)


def rows(plot):
    """The table of a plot."""
    return [dict(zip(plot.value["columns"], row, strict=True)) for row in plot.value["data"]]


class TestJudgeClip:
    def test_shows_what_the_judge_says(self, tiny, clip):
        html, plot = demo.judge_clip(tiny, clip, list(RUBRICS.values()))
        assert f"<b>{tiny.score(clip, rubric='mos')['mos'].value:.2f}</b>" in html
        assert f"{tiny.detect(clip).real:.0%}" in html
        assert "0.6 s, 48 kHz, mono" in html
        assert plot.visible is False

    @pytest.mark.filterwarnings("ignore:.*(was not trained on|never learned)")
    def test_shows_what_a_native_model_learned_and_nothing_else(self, clip):
        torch.manual_seed(0)
        model, processor = qwen2_audio()
        model.config.learned = Learned({"score": Lesson("text", ("mos",)), "detect": Lesson("text")}).note()
        native = AudioJudge(model, processor)
        html, _ = demo.judge_clip(native, clip, [get_rubric("mos")])
        assert f"<b>{native.score(clip, rubric='mos')['mos'].value:.2f}</b>" in html
        assert f"{native.detect(clip).real:.0%}" in html
        assert "0.6 s, 48 kHz, mono" in html

    def test_plots_the_windows_of_a_long_clip(self, tiny, long_clip):
        _, plot = demo.judge_clip(tiny, long_clip, [get_rubric("mos")])
        shown = [[row[name] for name in ("seconds", "score")] for row in rows(plot)]
        windows = tiny.score(long_clip, rubric="mos").timeline
        assert len(windows) == 3
        assert shown == [[(one.start + one.end) / 2, pytest.approx(one.scores["mos"], abs=6e-4)] for one in windows]
        assert plot.y_lim == [1, 5]
        assert plot.visible

    def test_rubrics_on_different_scales_share_an_axis(self, tiny, long_clip):
        own = Rubric("warmth", "How warm?", 0, 10)
        _, plot = demo.judge_clip(tiny, long_clip, [get_rubric("mos"), own])
        assert (plot.y_lim, plot.y_title) == ([0, 100], "share of the scale, %")

    def test_names_are_text_not_markup(self, tiny, clip):
        html, _ = demo.judge_clip(tiny, clip, [Rubric("warmth", "x", levels=("<i>cold</i>", "<i>warm</i>"))])
        assert "<i>cold" not in html
        assert "<i>warm" not in html


class TestMessages:
    def run(self, path, minutes=1.0):
        with demo._told_plainly(path):
            demo._checked(path, minutes)

    def test_no_clip(self):
        with pytest.raises(gr.Error, match="no clip yet"):
            self.run(None)

    def test_too_long_without_the_path_of_the_server(self, clip):
        with pytest.raises(gr.Error) as told:
            self.run(clip, minutes=0.001)
        assert told.value.message == "clip.wav: 0.01 min; at most 0.001 min are judged here: cut it"

    def test_stays_until_it_is_closed_and_logs_no_traceback(self, tmp_path):
        with pytest.raises(gr.Error) as told:
            self.run(str(tmp_path / "gone.wav"))
        assert (told.value.duration, told.value.print_exception) == (None, False)

    def test_hides_no_mistake_of_the_program(self):
        with pytest.raises(KeyError), demo._told_plainly("a.wav"):
            raise KeyError("mos")


class TestScoreRow:
    def test_bar_and_band_lie_on_the_scale(self):
        row = demo._score_row(get_rubric("mos"), Score("mos", 3.0, 0.5, "fair", {}), is_untrained=False)
        assert "width:50.0%" in row
        assert "left:37.5%;width:25.0%" in row
        assert "not trained" not in row

    def test_band_ends_with_the_scale(self):
        row = demo._score_row(get_rubric("mos"), Score("mos", 4.8, 0.6, "excellent", {}), is_untrained=False)
        assert "left:80.0%;width:20.0%" in row

    def test_says_which_end_is_best(self):
        score = Score("reverberation", 3.0, 0.5, "dry", {})
        assert "low is best" in demo._score_row(get_rubric("reverberation"), score, is_untrained=False)


class TestPreference:
    def test_shows_all_three_shares_even_where_there_is_no_room(self):
        shares = {"A": 0.02, "B": 0.9, "tie": 0.08}
        html = demo._preference(Preference("a", "b", "B", shares, {"mos": shares}, reasons="<less> noise"))
        assert "B is better" in html
        assert re.findall(r'title="(.*?)"', html) == ["A 2%", "tie 8%", "B 90%"]
        assert "&lt;less&gt; noise" in html


class TestCommand:
    @pytest.fixture(autouse=True)
    def no_examples(self, monkeypatch):
        build = demo.build
        monkeypatch.setattr(demo, "build", lambda judge, **limits: build(judge, clips=None, **limits))

    def options(self, **changed):
        plain = {"judge": None, "revision": None, "device": "cpu", "host": "127.0.0.1", "port": None, "share": False}
        return argparse.Namespace(**plain | {"max_minutes": 3.0} | changed)

    def test_serves_the_judge_that_is_named(self, monkeypatch):
        served = {}
        monkeypatch.setattr(demo, "launch", lambda page, **where: served.update(where, page=page))
        assert demo_command.demo(self.options(port=7999)) == 0
        assert (served["port"], served["host"], served["share"]) == (7999, "127.0.0.1", False)
        assert "up to 3 min" in str(served["page"].get_config_file())

    def test_a_port_that_is_taken(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            with pytest.raises(UsageError, match=f"cannot be served on 127.0.0.1, port {port}"):
                demo_command.demo(self.options(port=port))

    def test_a_port_that_is_none(self, capsys):
        with pytest.raises(SystemExit):
            main(["demo", "--port", "70000"])
        assert "a port from 1 to 65535" in capsys.readouterr().err

    def test_without_gradio(self, monkeypatch):
        monkeypatch.delitem(sys.modules, "audio_judge.demo")
        monkeypatch.setitem(sys.modules, "gradio", None)
        with pytest.raises(UsageError, match=re.escape("pip install 'audio-judge[demo]'")):
            demo_command.demo(self.options())

    def test_a_judge_that_is_not_there(self, capsys):
        assert main(["demo", "--judge", "./no-such-judge"]) == 2
        assert "no such folder" in capsys.readouterr().err


class TestSpace:
    def test_loads_the_judge_and_builds_the_page(self, monkeypatch):
        monkeypatch.delenv("JUDGE", raising=False)
        spec = importlib.util.spec_from_file_location("space_app", ROOT / "space" / "app.py")
        app = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(app)
        assert "mini" in str(app.demo.get_config_file())

    def test_names_the_file_and_the_version_of_gradio_it_was_tried_with(self):
        text = (ROOT / "space" / "README.md").read_text(encoding="utf-8")
        head = dict(re.findall(r"^(\w+): (.+)$", text.split("---")[1], re.MULTILINE))
        assert (head["sdk"], head["app_file"]) == ("gradio", "app.py")
        assert re.fullmatch(r"6\.\d+\.\d+", head["sdk_version"])
