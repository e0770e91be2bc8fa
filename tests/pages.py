"""Pages in the tests: their elements, and a real browser that looks at them."""

import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile

HOSTILE = """<script>window.injected=1</script><img src=x onerror="window.injected=1">"'&$\\frac{$"""


CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


def write_tone(path, seconds=0.3, rate=16000):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.1 * np.sin(np.arange(int(seconds * rate)) / 8), rate)
    return path


class Page(HTMLParser):
    """The elements of a page, to see what a browser would make of it."""

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def assert_needs_nothing_else(text):
    """No address that a browser would fetch, and nothing that it would run."""
    page = Page(text)
    for tag, attributes in page.elements:
        assert tag not in ("script", "iframe", "object", "embed", "base")
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "srcset"):
            assert not re.match(r"\s*(https?:|//|javascript:)", attributes.get(name) or "", re.IGNORECASE)
    assert "url(" not in text
    assert "@import" not in text


@pytest.fixture
def rendered():
    """For tests that look at plots."""


@pytest.fixture
def quick_plots(request, monkeypatch):
    """Plots are drawn, but neither laid out nor rendered, which takes most of the time of a page; not of `rendered` ones."""
    if "rendered" in request.fixturenames:
        return
    from matplotlib.figure import Figure

    from audio_judge.reports import parts

    def drawn(style, size, draw):
        draw(Figure(figsize=size))
        return b"\x89PNG"

    monkeypatch.setattr(parts, "_drawn", drawn)


@pytest.fixture
def browser(tmp_path):
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("no chromium and chromedriver on this machine, so no page can be opened")
    webdriver = pytest.importorskip("selenium.webdriver")
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    flags = ("headless", "no-sandbox", "disable-gpu", "disable-background-networking", "disable-component-update")
    for flag in (*flags, "disable-sync", "disable-dev-shm-usage", f"user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


def look(browser, page):
    """Open a page and say what is on it, once its sounds have been decoded."""
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(page.resolve().as_uri())
    loaded = "return [...document.querySelectorAll('audio')].every(a => a.readyState > 0 || a.error)"
    WebDriverWait(browser, 30).until(lambda driver: driver.execute_script(loaded))
    return browser.execute_script("""return {
        tables: [...document.querySelectorAll('table')].map(t => t.rows.length),
        images: [...document.images].map(i => i.complete && i.naturalWidth),
        sounds: [...document.querySelectorAll('audio')].map(a => a.error ? null : a.duration),
        wide: document.documentElement.scrollWidth > window.innerWidth,
        injected: window.injected === undefined ? null : window.injected,
    }""") | {"log": browser.get_log("browser")}
