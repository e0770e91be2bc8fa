# ruff: noqa: F811 (fixtures are imported by their names)
import json
import re
from dataclasses import asdict

import numpy as np
import pytest

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")


from pages import HOSTILE, Page, assert_needs_nothing_else, browser, look, quick_plots, rendered, write_tone  # noqa: F401

from audio_judge.errors import UsageError
from audio_judge.eval.benchmarks import CONTROLS, Benchmark
from audio_judge.eval.cli import main
from audio_judge.eval.controls.check import check, not_applicable
from audio_judge.eval.finished import read_folder
from audio_judge.eval.predictions import FILE, Row
from audio_judge.eval.report import write_report
from audio_judge.eval.runner import measure, write_json
from audio_judge.rubrics.rubric import get_rubric
from audio_judge.rubrics.shares import level_shares

pytestmark = pytest.mark.usefixtures("quick_plots")

MOS = get_rubric("mos")
SCORES = Benchmark(
    "my_scores", "Scores of my own", "score", rubrics=(MOS,), group_by=("condition",), note="a note of the benchmark"
)
PAIRS = Benchmark("my_pairs", "Pairs of my own", "compare", rubrics=(MOS,))
REAL = Benchmark("my_fakes", "Fakes of my own", "detect")
CHECKS = Benchmark("sanity", "Sanity controls", CONTROLS, suite="sanity")


def score_rows(folder, judge, error, words=()):
    """Clip k of condition k % 3 is rated from 1.5 to 4.5; the judge is off by so much, but by 1 on clip 4."""
    for k in range(12):
        clip = write_tone(folder / "clips" / f"{k}.wav")
        truth = 1.5 + 3 * k / 11
        given = truth + error + (k == 4)
        shares = dict(zip(MOS.levels, level_shares(float(np.clip(given, 1, 5)), 0.6).tolist(), strict=True))
        said = {"scores": {"mos": given}, "shares": {"mos": shares}}
        known = {"scores": {"mos": truth}, "std": {"mos": 0.6}}
        groups = {"condition": f"condition {k % 3}"}
        named = (f"{k}.wav", SCORES.name, judge, "score", (str(clip),), known, ("mos",))
        yield Row(*named, said, words, groups=groups, seconds=0.3, took=0.01)


def other_rows(folder, judge):
    clips = [str(write_tone(folder / "clips" / f"{name}.wav")) for name in "ab"]
    for k, given in enumerate(("A", "B", "A")):
        said = {"preferences": {"mos": given}, "probabilities": {"mos": {given: 0.9}}}
        yield Row(f"p{k}", PAIRS.name, judge, "compare", tuple(clips), {"preferences": {"mos": "A"}}, ("mos",), said)
    # so many that every resample has both kinds
    for k in range(24):
        real, truth = (0.2 if k == 3 else 0.9 - 0.02 * k), {"is_real": k < 12}
        yield Row(f"r{k}", REAL.name, judge, "detect", (clips[0],), truth, (), {"real": real, "is_real": real > 0.5})
    checks = [
        check("sanity/silence", 1.4, "silence", "highest of 3 clips"),
        check("sanity/reversal", 0.4, "reversal", "mean of 3 clips", interval=(0.3, 0.5)),
        not_applicable("sanity/profile", "profile", "the judge takes no profile"),
    ]
    yield Row("sanity", "sanity", judge, CONTROLS, prediction={"checks": [one.to_dict() for one in checks]})


def write_run(folder, rows, benchmarks):
    folder.mkdir(exist_ok=True)
    rows = list(rows)
    (folder / FILE).write_text("".join(f"{json.dumps(vars(row))}\n" for row in rows))
    write_json(folder / "metrics.json", measure(rows, benchmarks, resamples=20))
    defined = json.loads(json.dumps({one.name: asdict(one) for one in benchmarks}))
    config = {"seed": 7, "limit": None, "command": ["/home/me/eval", "--data", "/home/me/clips"]}
    write_json(folder / "config.json", config | {"judges": {}, "versions": {"torch": "9"}, "benchmarks": defined})
    spent = {"x": {"items": 12, "audio_seconds": 30.0, "judge_seconds": 2.0}}
    machine = {"machine": {"processor": "x86", "threads": 1}}
    costs = {row.judge: {"loading_seconds": 1.5, "peak_memory_mib": 700.0, "benchmarks": spent} for row in rows}
    write_json(folder / "cost.json", machine | costs)
    return folder


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    rows = [*score_rows(folder, "close", 0.1), *score_rows(folder, "far", 0.6), *other_rows(folder, "close")]
    return write_run(folder / "run", rows, [SCORES, PAIRS, REAL, CHECKS])


@pytest.fixture(scope="module")
def page(run_folder):
    """The page of the run, made once, with its plots beside it."""
    write_report([run_folder], run_folder.parent / "page.html", worst=1, plots=run_folder.parent / "plots")
    return run_folder.parent / "page.html"


def report(folders, page, **options):
    write_report(folders, page, **options)
    return page.read_text()


class TestWriteReport:
    def test_figures_are_those_of_the_run(self, run_folder, page):
        text = page.read_text()
        found = json.loads((run_folder / "metrics.json").read_text())["judges"]
        for judge in ("close", "far"):
            figure = found[judge]["my_scores"]["figures"]["mos/MAE"]
            cell = f"{figure['value']:.3f}<small>{figure['low']:.3f} to {figure['high']:.3f}"
            assert cell in text

    def test_marks_the_best(self, page):
        text = page.read_text()
        # 0.1, and 1.1 on one of 12 clips; smaller is better
        assert re.search(r'class="number best">0\.183<', text)
        assert not re.search(r'class="number best">0\.683<', text)

    def test_marks_none_as_the_best_over_three_conditions(self, run_folder, page):
        found = json.loads((run_folder / "metrics.json").read_text())["judges"]
        over = {judge: one["my_scores"]["figures"]["mos/PCC@condition"] for judge, one in found.items()}
        assert over["close"]["low"] is None
        assert f">{over['close']['value']:.3f}<" in page.read_text()
        assert f'class="number best">{over["close"]["value"]:.3f}<' not in page.read_text()

    def test_says_what_was_not_answered(self, tmp_path):
        rows = list(score_rows(tmp_path, "close", 0.1))
        rows[0] = Row(**{**vars(rows[0]), "prediction": None, "error": "/home/me/0.wav: empty"})
        text = report([write_run(tmp_path / "run", rows, [SCORES])], tmp_path / "page.html")
        assert "91.7 % answered" in text
        assert "close, 1 times: …/0.wav: empty" in text

    def test_worst_clip_is_first(self, page):
        text = page.read_text()
        cards = re.findall(r"<h4>(.*?)</h4>\s*<p class=\"figures\"><strong>(.*?)</strong>", text)
        assert cards[:2] == [("4.wav", "mos 3.69, truth 2.59 (+1.10)"), ("4.wav", "mos 4.19, truth 2.59 (+1.60)")]
        assert cards[2:] == [("A a.wav, B b.wav", "mos: B, truth A"), ("a.wav", "P(real) 0.20, it is real")]

    def test_plots(self, page):
        assert sorted(path.name for path in (page.parent / "plots").iterdir()) == [
            "my_fakes-reliability-of-real-or-fake.png",
            "my_scores-mos-close.png",
            "my_scores-mos-far.png",
            "my_scores-mos-per-condition.png",
            "my_scores-reliability-of-mos.png",
        ]

    def test_controls_with_pass_marks(self, page):
        text = page.read_text()
        assert '<td class="number passed">✓ 1.400</td>' in text
        assert '<td class="number failed">✗ 0.400<small>0.300 to 0.500</small></td>' in text
        assert "1 of 2<small>1 not applicable</small>" in text

    def test_speed_and_configuration(self, page):
        text = page.read_text()
        assert '<td class="number ">15.0</td>' in text
        assert "<dt>seed</dt><dd>7</dd>" in text
        assert "a note of the benchmark" in text

    def test_folders_are_left_out(self, page):
        text = page.read_text()
        assert "/home/me" not in text
        assert str(page.parent) not in text

    def test_runs_stand_side_by_side(self, tmp_path):
        folders = [
            write_run(tmp_path / name, score_rows(tmp_path, "close", error), [SCORES])
            for name, error in (("old", 0.5), ("new", 0.1))
        ]
        text = report(folders, tmp_path / "page.html")
        assert "close (old)" in text
        assert "close (new)" in text
        assert len(re.findall(r"<h2>Scores of my own</h2>", text)) == 1

    def test_refuses_benchmarks_that_differ(self, tmp_path):
        other = Benchmark("my_scores", "Others", "score", rubrics=(MOS,))
        folders = [
            write_run(tmp_path / name, score_rows(tmp_path, "close", 0.1), [one])
            for name, one in (("old", SCORES), ("new", other))
        ]
        with pytest.raises(UsageError, match="new: has another my_scores"):
            write_report(folders, tmp_path / "page.html")

    def test_measured_predictions_without_configuration(self, tmp_path):
        rows = [Row(**{**vars(row), "benchmark": "score"}) for row in score_rows(tmp_path, "close", 0.1)]
        folder = write_run(tmp_path / "own", rows, [Benchmark("score", "score", "score", rubrics=(MOS,))])
        for name in ("config.json", "cost.json"):
            (folder / name).unlink()
        assert "0.183" in report([folder], tmp_path / "page.html")

    def test_hostile_text_stays_text(self, tmp_path, rendered):
        rows = [
            Row(**{**vars(row), "groups": {"condition": f"{k % 2}{HOSTILE}"}, "clips": (f"{HOSTILE}.wav",)})
            for k, row in enumerate(score_rows(tmp_path, HOSTILE, 0.1, (HOSTILE,)))
        ]
        rows[0] = Row(**{**vars(rows[0]), "prediction": None, "error": HOSTILE})
        named = Benchmark(HOSTILE, HOSTILE, "score", rubrics=(MOS,), group_by=("condition",), note=HOSTILE)
        rows = [Row(**{**vars(row), "benchmark": HOSTILE}) for row in rows]
        text = report([write_run(tmp_path / "run", rows, [named])], tmp_path / "page.html", title=HOSTILE)
        assert_needs_nothing_else(text)
        images = Page(text).all("img")
        assert images
        assert all(image["src"].startswith("data:image/png") for image in images)

    def test_is_the_same_each_time(self, run_folder, page, tmp_path, rendered):
        assert report([run_folder], tmp_path / "page.html", worst=1) == page.read_text()

    def test_in_a_browser(self, page, browser):
        assert_needs_nothing_else(page.read_text())
        seen = look(browser, page)
        assert browser.title == "Evaluation of judges"
        assert min(seen["tables"]) > 1
        assert len(seen["images"]) == 5
        assert all(seen["images"])
        # one of each judge's scores, both of the pair that is wrong, one of real or fake
        assert len(seen["sounds"]) == 5
        assert all(abs(seconds - 0.3) < 0.1 for seconds in seen["sounds"])
        assert (seen["log"], seen["wide"]) == ([], False)


class TestReadFolder:
    def test_unfinished_run(self, tmp_path):
        with pytest.raises(UsageError, match="finish the run first"):
            read_folder(tmp_path)


class TestCommand:
    def test_html_and_markdown(self, run_folder, tmp_path):
        page, text = tmp_path / "page.html", tmp_path / "page.md"
        assert main(["report", str(run_folder), "--html", str(page), "--markdown", str(text)]) == 0
        assert "<!DOCTYPE html>" in page.read_text()
        assert "0.183" in text.read_text()
