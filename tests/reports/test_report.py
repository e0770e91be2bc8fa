# ruff: noqa: F811 (fixtures are imported by their names)
import base64
import csv
import json
import re
from io import BytesIO

import numpy as np
import pytest
import soundfile

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

from pages import HOSTILE, Page, assert_needs_nothing_else, browser, look, quick_plots, rendered, write_tone  # noqa: F401

from audio_judge.cli.main import main
from audio_judge.errors import UsageError
from audio_judge.reports.parts import (
    Cell,
    Player,
    Players,
    Plots,
    Table,
    render,
    without_folders,
)
from audio_judge.reports.scores import NO_SYSTEM, read_scores
from audio_judge.reports.timelines import badness

pytestmark = pytest.mark.usefixtures("quick_plots")


def score_row(path, mos=3.0, **more):
    row = {"path": str(path), "scores": {"mos": mos, "noisiness": 4.0}, "std": {"mos": 0.6, "noisiness": 0.6}}
    row |= {"level": {"mos": "fair", "noisiness": "slightly noisy"}, "seconds": 0.3, "model": "mini", "revision": "1"}
    return row | {"rubrics": ["mos", "noisiness"], "scale": "1-5"} | more


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def scores(tmp_path):
    """Two systems with two clips each, and a clip that could not be judged."""
    rows = [
        score_row(write_tone(tmp_path / folder / f"{k}.wav"), mos, reasons=f"because {k}", causes=["codec"])
        for k, (folder, mos) in enumerate((("good", 4.5), ("good", 4.1), ("bad", 1.2), ("bad", 1.6)))
    ]
    settings = {"model": "mini", "revision": "1", "rubrics": ["mos", "noisiness"], "scale": "1-5"}
    rows.append({"path": "gone.wav", **settings, "error": "gone.wav: no such file"})
    return write_rows(tmp_path / "scores.jsonl", rows)


def report(path, *options):
    page = path.with_name("page.html")
    assert main(["report", str(path), "--html", str(page), *options]) == 0
    return page.read_text()


class TestRender:
    def test_escapes(self):
        table = Table((HOSTILE,), ((HOSTILE,), (Cell(HOSTILE, HOSTILE),)), HOSTILE)
        values = {"facts": {HOSTILE: HOSTILE}, "distributions": [], "systems": table, "same_system": HOSTILE}
        values |= {"ranking": None, "worst": [], "has_reasons": False, "errors": table, "notes": [HOSTILE]}
        text = render("scores.html", title=HOSTILE, version="1", lead=HOSTILE, **values)
        assert "<script" not in text
        assert "<img" not in text
        # title twice, lead, both of a fact, five of each table, the rest once
        assert text.count("&lt;script&gt;") == 2 + 1 + 2 + 2 * 5 + 2

    def test_needs_all_values(self):
        with pytest.raises(Exception, match="title"):
            render("scores.html")


class TestPlots:
    def test_are_pngs_in_two_styles(self, tmp_path, rendered):
        plot = Plots(tmp_path / "plots").draw("mos: a/b", (2, 1), lambda figure: figure.subplots().plot([1, 2]))
        light, dark = (base64.b64decode(one.removeprefix("data:image/png;base64,")) for one in (plot.light, plot.dark))
        assert light != dark
        assert light.startswith(b"\x89PNG")
        assert (tmp_path / "plots" / "mos-a-b.png").read_bytes() == light

    def test_dollars_are_no_formula(self, rendered):
        Plots().draw("t", (2, 1), lambda figure: figure.subplots().set_title(HOSTILE))


class TestPlayers:
    def sound(self, player):
        return soundfile.read(BytesIO(base64.b64decode(player.source.removeprefix("data:audio/mpeg;base64,"))))

    def test_holds_the_clip(self, tmp_path):
        player = Players(tmp_path / "page.html").player(write_tone(tmp_path / "a.wav", 0.5))
        samples, rate = self.sound(player)
        assert (player.name, player.note, rate) == ("a.wav", "", 16000)
        assert abs(len(samples) / rate - 0.5) < 0.1
        assert abs(np.abs(samples).max() - 0.1) < 0.02

    def test_is_the_same_each_time(self, tmp_path):
        clip, players = write_tone(tmp_path / "a.wav"), Players(tmp_path / "page.html")
        assert players.player(clip) == players.player(clip)

    def test_cuts_long_clips(self, tmp_path):
        player = Players(tmp_path / "page.html", seconds=0.5).player(write_tone(tmp_path / "a.wav", 2))
        assert player.note == "the first 0.5 of 2 s"
        assert abs(len(self.sound(player)[0]) / 16000 - 0.5) < 0.1

    def test_plays_the_part_that_was_judged(self, tmp_path):
        samples = np.concatenate([np.zeros(16000), 0.5 * np.sin(np.arange(16000) / 8)])
        soundfile.write(tmp_path / "a.wav", samples, 16000)
        player = Players(tmp_path / "page.html").player(tmp_path / "a.wav", start=1.2, end=1.8)
        played, rate = self.sound(player)
        assert abs(len(played) / rate - 0.6) < 0.1
        assert np.sqrt(np.mean(played**2)) > 0.3

    def test_converts_unusual_rates(self, tmp_path):
        player = Players(tmp_path / "page.html").player(write_tone(tmp_path / "a.wav", rate=96000))
        assert self.sound(player)[1] == 48000

    def test_links_what_does_not_fit(self, tmp_path):
        clip = write_tone(tmp_path / "clips" / "java script:%41 #1.wav")
        player = Players(tmp_path / "page.html", megabytes=0.001).player(clip)
        assert player.source is None
        assert player.link == "clips/java%20script%3A%2541%20%231.wav"

    def test_a_long_recording_is_whole_and_begins_at_its_worst(self, tmp_path):
        player = Players(tmp_path / "page.html").player(write_tone(tmp_path / "a.wav", 30), worst=(20.0, 25.0))
        source, _, time = player.source.partition("#")
        assert (time, player.link) == ("t=20.0", None)
        samples, rate = self.sound(Player("", source))
        assert rate == 16000
        assert abs(len(samples) / rate - 30) < 0.2
        assert len(source) < 30 * 6000

    def test_the_times_of_a_part_are_those_of_its_copy(self, tmp_path):
        clip = write_tone(tmp_path / "a.wav", 30)
        player = Players(tmp_path / "page.html").player(clip, start=10.0, end=28.0, worst=(20.0, 25.0))
        assert player.source.endswith("#t=10.0")

    def test_what_is_too_long_is_linked_at_its_worst_which_is_there(self, tmp_path):
        clip = write_tone(tmp_path / "a.wav", 30)
        player = Players(tmp_path / "page.html", seconds=2.0, megabytes=0.05).player(clip, worst=(20.0, 25.0))
        assert (player.link, player.note) == ("a.wav#t=20.0", "0:20 to 0:25 of 0:30, its worst")
        assert abs(len(self.sound(player)[0]) / 16000 - 2.0) < 0.1

    def test_says_what_is_missing(self, tmp_path):
        player = Players(tmp_path / "page.html").player(tmp_path / "gone.wav")
        assert player == Player("gone.wav", note=player.note)
        assert "gone.wav" in player.note
        assert str(tmp_path) not in player.note


class TestWithoutFolders:
    def test_keeps_relative_paths_and_words(self):
        assert without_folders("/a/b/c.wav: x and/or y in d/e.wav") == "…/c.wav: x and/or y in d/e.wav"


class TestBadness:
    @pytest.mark.parametrize(
        ("rubric", "best", "worst"),
        [
            ("mos", 5, 1),  # high is good
            ("my own", 5, 1),  # unknown
            ("speed", 3, 1),  # the middle is good
        ],
    )
    def test_knows_the_good_end(self, rubric, best, worst):
        assert badness(rubric, best, 1, 5) == 0 < badness(rubric, worst, 1, 5)


class TestReadScores:
    def systems(self, *rows, tmp_path, **options):
        return [clip.system for clip in read_scores([write_rows(tmp_path / "s.jsonl", rows)], **options).clips]

    def test_system_is_the_column(self, tmp_path):
        rows = score_row("x/a.wav", system="tts-1"), score_row("x/b.wav")
        assert self.systems(*rows, tmp_path=tmp_path) == ["tts-1", NO_SYSTEM]

    def test_system_is_the_folder(self, tmp_path):
        rows = score_row("x/a.wav"), score_row("b.wav")
        assert self.systems(*rows, tmp_path=tmp_path) == ["x", NO_SYSTEM]

    @pytest.mark.parametrize("regex", ["^([a-z]+)", "(?P<system>[a-z]+)-", "^[a-z]+"])
    def test_system_is_what_the_expression_finds(self, tmp_path, regex):
        rows = score_row("tts-1.wav", system="other"), score_row("9.wav")
        assert self.systems(*rows, tmp_path=tmp_path, system_regex=regex)[0] == "tts"

    def test_csv(self, tmp_path):
        path = tmp_path / "s.csv"
        row = {
            "path": "x/a.wav",
            "scores": "an input's column",
            "level": "another's",
            "mos": 3.5,
            "mos_std": 0.5,
            "mos_level": "fair",
            "seconds": 2.0,
        }
        row |= {"reasons": "two\nlines", "causes": "codec noise"}
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, [*row, "model", "revision", "rubrics", "scale", "error"])
            writer.writeheader()
            writer.writerow(row | {"model": "m", "revision": "1", "rubrics": "mos", "scale": "1-5", "error": ""})
        clip = read_scores([path]).clips[0]
        assert (clip.scores, clip.levels, clip.error) == ({"mos": 3.5}, {"mos": "fair"}, None)
        assert (clip.reasons, clip.causes, clip.seconds) == ("two\nlines", ("codec", "noise"), 2.0)

    def test_finds_clips_beside_the_scores(self, tmp_path):
        clip = write_tone(tmp_path / "clips" / "a.wav")
        found = read_scores([write_rows(tmp_path / "s.jsonl", [score_row("clips/a.wav")])])
        assert found.clips[0].path == clip

    @pytest.mark.parametrize(
        ("scale", "ends"),
        [
            ("1-5", (1, 5)),
            ("0-1", (0, 3)),  # a score beyond the scale widens it
            ("own", (1, 5)),  # that of the rubric
            (None, (1, 5)),  # not said
        ],
    )
    def test_ends_of_the_scale(self, tmp_path, scale, ends):
        path = write_rows(tmp_path / "s.jsonl", [score_row("a.wav", 3.0, scale=scale)])
        assert read_scores([path]).ends["mos"] == ends

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ({"path": "a.wav"}, r"s.jsonl:1: no model"),
            (score_row("a.wav", scores={}), r"s.jsonl:1: no scores"),
            ([], r"s.jsonl:1: no JSON object"),
        ],
    )
    def test_refuses_other_rows(self, tmp_path, row, message):
        with pytest.raises(UsageError, match=message):
            read_scores([write_rows(tmp_path / "s.jsonl", [row])])

    def test_refuses_to_mix_judges(self, tmp_path):
        rows = score_row("a.wav"), score_row("b.wav", model="other")
        with pytest.raises(UsageError, match=r"s.jsonl:2: made with model 'other', not 'mini'"):
            read_scores([write_rows(tmp_path / "s.jsonl", rows)])


class TestReport:
    def test_ranks_systems(self, scores):
        text = report(scores)
        assert text.index("<td>good</td>") < text.index("<td>bad</td>")
        assert "4.30<small>4.10 to 4.50</small>" in text

    def test_lists_errors(self, scores):
        assert "gone.wav: no such file" in report(scores)

    def test_shows_the_worst_first_with_reasons(self, scores):
        text = report(scores, "--worst", "2")
        assert re.findall(r"<h4>(.*)</h4>", text) == ["2.wav", "3.wav"]
        assert "because 2" in text

    def test_ranks_by_the_rubric_that_is_asked(self, tmp_path):
        low, high = ({"mos": 1.0, "noisiness": 5.0}, {"mos": 5.0, "noisiness": 1.0})
        rows = [score_row("a/1.wav", scores=low), score_row("b/2.wav", scores=high)]
        assert re.findall(r"<h4>(.*)</h4>", report(write_rows(tmp_path / "s.jsonl", rows), "--by", "noisiness")) == [
            "2.wav",
            "1.wav",
        ]

    def test_hostile_text_stays_text(self, tmp_path, rendered):
        row = score_row(f"{HOSTILE}/{HOSTILE}.wav", reasons=HOSTILE, causes=[HOSTILE], model=HOSTILE, system=HOSTILE)
        row["level"]["mos"] = HOSTILE
        settings = {key: row[key] for key in ("model", "revision", "rubrics", "scale")}
        failed = {"path": HOSTILE, **settings, "error": HOSTILE}
        text = report(
            write_rows(tmp_path / "s.jsonl", [row, score_row("b.wav", model=HOSTILE), failed]), "--title", HOSTILE
        )
        assert_needs_nothing_else(text)
        images = Page(text).all("img")
        assert images
        assert all(image["src"].startswith("data:image/png") for image in images)

    def test_an_error_row_keeps_a_time_that_is_none(self, tmp_path):
        settings = {"model": "m", "revision": "1", "rubrics": ["mos"], "scale": "1-5"}
        row = {"path": "a.wav", "start_time": "soon", **settings, "error": "l.csv:2: start_time is 'soon'"}
        (clip,) = read_scores([write_rows(tmp_path / "s.jsonl", [row])]).clips
        assert (clip.start, clip.error) == (None, "l.csv:2: start_time is 'soon'")

    def test_nothing_but_errors(self, tmp_path):
        settings = {"model": "mini", "revision": "1", "rubrics": ["mos"], "scale": "1-5"}
        text = report(write_rows(tmp_path / "s.jsonl", [{"path": "a.wav", **settings, "error": "a.wav: empty"}]))
        assert "a.wav: empty" in text
        assert not Page(text).all("img")

    def test_is_the_same_each_time(self, scores, rendered):
        assert report(scores) == report(scores)

    def test_plots_need_a_folder(self, scores, capsys):
        assert main(["report", str(scores), "--plots", str(scores)]) == 2
        assert f"{scores}: no plot can be written" in capsys.readouterr().err

    def test_default_name_and_plots(self, scores):
        assert main(["report", str(scores), "--plots", str(scores.parent / "plots")]) == 0
        assert scores.with_suffix(".html").is_file()
        names = {path.name for path in (scores.parent / "plots").iterdir()}
        assert names == {"Distribution-of-mos.png", "Distribution-of-noisiness.png", "mos-per-system.png"}

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["gone.jsonl"], "gone.jsonl: no such file"),
            (["{scores}", "--by", "hum"], "--by hum: not among the rubrics"),
            (["{scores}", "--system-regex", "("], "a regular expression is needed"),
            (["{scores}", "--html", "{scores}"], "would overwrite"),
        ],
    )
    def test_unusable_requests(self, scores, capsys, options, message):
        assert main(["report", *(option.format(scores=scores) for option in options)]) == 2
        assert message in capsys.readouterr().err

    def test_in_a_browser(self, scores, browser, rendered):
        report(scores)
        seen = look(browser, scores.with_name("page.html"))
        assert seen["tables"] == [3, 4, 2]  # rubrics, systems and that of the missing clip, errors
        assert len(seen["images"]) == 3
        assert all(seen["images"])
        assert len(seen["sounds"]) == 4
        assert all(abs(seconds - 0.3) < 0.1 for seconds in seen["sounds"])
        assert (seen["log"], seen["wide"]) == ([], False)

    def test_hostile_text_in_a_browser(self, tmp_path, browser, rendered):
        row = score_row(f"{HOSTILE}.wav", reasons=HOSTILE, causes=[HOSTILE], model=HOSTILE, system=HOSTILE)
        report(write_rows(tmp_path / "s.jsonl", [row]), "--title", HOSTILE)
        seen = look(browser, tmp_path / "page.html")
        assert (seen["injected"], seen["log"]) == (None, [])
        assert browser.title == HOSTILE
