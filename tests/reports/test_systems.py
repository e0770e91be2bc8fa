"""Contrasts against values worked out by hand, and the page of a comparison."""

import json
import re
from pathlib import Path

import pytest

from audio_judge.cli.main import main
from audio_judge.errors import UsageError
from audio_judge.reports.scores import PlacedRow, scores_of
from audio_judge.reports.systems import compare_scores, compare_verdicts, in_text, is_of_systems, notes, summary_rows

SETTINGS = {"model": "mini", "revision": "1", "rubrics": ["mos", "noisiness"], "scale": "1-5"}
LEVELS = {1: "bad", 2: "poor", 3: "fair", 4: "good", 5: "excellent"}


def score_row(system, take, mos, noisiness=4.0, **more):
    row = {
        "system": system,
        "clip": take,
        "path": f"{system}/{take}.wav",
        "scores": {"mos": mos, "noisiness": noisiness},
    }
    level = {"mos": LEVELS[round(mos)], "noisiness": f"noise {round(noisiness)}"}
    return row | {"level": level, "seconds": 1.0, "task": "compare-systems"} | SETTINGS | more


def placed(rows):
    return [PlacedRow(f"row {number}", Path(), row) for number, row in enumerate(rows, 1)]


def compared(*rows, **options):
    return compare_scores(scores_of(placed(rows)), **options)


def pair_row(better, a, b, path="x.wav", **more):
    shares = {"A": a, "B": b, "tie": round(1 - a - b, 4)}
    row = {"a": f"old/{path}", "b": f"new/{path}", "better": better, "by_rubric": {"mos": shares}, "task": "compare"}
    return row | SETTINGS | {"rubrics": ["mos"], "reasons": f"because of {path}"} | more


TWO = [
    *(score_row("old", take, mos) for take, mos in zip("pqrstu", (1.0, 2.0, 3.0, 3.0, 4.0, 2.0), strict=True)),
    *(score_row("new", take, mos) for take, mos in zip("pqrstu", (1.5, 3.0, 2.0, 3.05, 4.7, 2.2), strict=True)),
]


class TestCompareScores:
    def test_pairs_by_hand(self):
        # new less old: .5, 1, -1, .05, .7, .2
        found = compared(*TWO).contrasts["old", "new", "mos"]
        assert (found.wins, found.ties, found.losses, found.is_paired) == (1, 1, 4, True)
        assert found.difference == pytest.approx(-1.45 / 6, abs=1e-6)
        assert found.low < found.difference < found.high

    @pytest.mark.parametrize(("takes", "is_told"), [("pqrst", True), ("pqrstu", False)])
    def test_too_few_pairs_for_a_test_are_told(self, takes, is_told):
        found = compared(*(score_row(name, take, mos) for name, mos in (("old", 4.0), ("new", 2.0)) for take in takes))
        assert (found.contrasts["old", "new", "mos"].p > 0.05) == is_told
        assert any("fewer than 6 pairs p is never below 0.05" in note for note in notes(found)) == is_told

    def test_a_tie_is_what_is_asked(self):
        found = compared(*TWO, tie=0.6).contrasts["old", "new", "mos"]
        assert (found.wins, found.ties, found.losses) == (1, 3, 2)

    def test_a_tie_is_as_wide_as_the_scale(self):
        rows = [score_row(name, take, 3.0, scale="0-100") for name in ("old", "new") for take in "pq"]
        assert compared(*rows).margins["mos"] == pytest.approx(2.5)

    def test_the_good_end_wins(self):
        rows = [score_row(name, take, 3.0, value) for name, value in (("old", 2.0), ("new", 3.0)) for take in "pq"]
        for row in rows:
            row |= {"rubrics": ["speed"], "scores": {"speed": row["scores"]["noisiness"]}, "level": {"speed": "right"}}
        assert compared(*rows).contrasts["old", "new", "speed"].losses == 2  # the middle is best

    def test_a_clip_without_partner_does_not_count(self):
        comparison = compared(*TWO, score_row("new", "alone", 5.0))
        assert comparison.contrasts["old", "new", "mos"].counts == (6, 6)
        assert any(note.startswith("1 clip has no partner") for note in notes(comparison))
        assert {row["clips"] for row in summary_rows(comparison) if "place" in row} == {6}

    def test_an_error_takes_its_partner_along(self):
        failed = {"system": "new", "clip": "v", "path": "new/v.wav", "error": "empty", "task": "compare-systems"}
        comparison = compared(*TWO, score_row("old", "v", 5.0), failed | SETTINGS)
        assert comparison.contrasts["old", "new", "mos"].counts == (6, 6)

    def test_without_pairs_the_groups_are_compared_and_it_says_so(self):
        rows = [score_row("old", take, mos) for take, mos in (("p", 3.0), ("q", 4.0), ("r", 5.0))]
        rows += [score_row("new", take, mos) for take, mos in (("s", 1.0), ("t", 2.0))]
        comparison = compared(*rows)
        found = comparison.contrasts["old", "new", "mos"]
        assert (found.is_paired, found.counts, found.difference, found.wins) == (False, (3, 2), 2.5, None)
        assert found.p == pytest.approx(0.2)
        assert "unpaired" in in_text(comparison)
        assert "Mann-Whitney" in in_text(comparison)

    def test_three_systems_are_ranked_and_their_tests_corrected(self):
        takes = "pqrstu"
        third = [score_row("best", take, 5.0 - number / 10) for number, take in enumerate(takes)]
        comparison = compared(*TWO, *third)
        assert [key[:2] for key in comparison.contrasts if key[2] == "mos"] == [
            ("old", "new"),
            ("old", "best"),
            ("new", "best"),
        ]
        # All six of one sign give 2 / 64 each; of three tests the smallest counts threefold
        assert comparison.contrasts["old", "best", "mos"].p == pytest.approx(3 * 2 / 64)
        ranking = [row for row in summary_rows(comparison) if "place" in row]
        assert [row["system"] for row in ranking] == ["best", "new", "old"]
        assert ranking[2]["means"]["mos"] == 2.5

    def test_words_name_what_decides(self):
        rows = [score_row("old", "p", 3.0, 2.0), score_row("new", "p", 3.4, 4.5)]
        assert compared(*rows).pairs[0].words == (
            "new is better in noisiness: noise 4 (4.50) against noise 2 (2.00).\n"
            "new is better in mos: fair both, 3.40 against 3.00."
        )

    def test_words_are_silent_on_what_does_not_count(self):
        rows = [score_row("old", "p", 3.0), score_row("new", "p", 3.05)]
        assert compared(*rows).pairs[0].words == "Nothing that counts tells them apart."

    def test_the_rubric_that_ranks_is_there(self):
        with pytest.raises(UsageError, match="--by hum: not among the rubrics"):
            compared(*TWO, by="hum")


class TestCompareVerdicts:
    def test_verdicts_by_hand(self):
        rows = [pair_row("A", 0.8, 0.1), pair_row("tie", 0.3, 0.3, "y.wav"), pair_row("B", 0.2, 0.7, "z.wav")]
        comparison = compare_verdicts(placed(rows))
        found = comparison.contrasts["old", "new", "mos"]
        assert (found.wins, found.ties, found.losses) == (1, 1, 1)
        assert found.difference == pytest.approx(0.2 / 3, abs=1e-6)
        assert (comparison.pairs[0].take, comparison.pairs[0].words) == ("x", "because of x.wav")

    def test_a_table_has_leads(self):
        row = {"a": "p.wav", "b": "q.wav", "better": "A", "mos_lead": "0.5", "task": "compare-briefly", "error": ""}
        found = compare_verdicts(placed([row | SETTINGS | {"rubrics": "mos"}])).contrasts["a", "b", "mos"]
        assert (found.wins, found.difference) == (1, 0.5)

    def test_other_columns_are_named(self):
        with pytest.raises(UsageError, match="row 1: no column 'a' of paths; name it with --first-column"):
            compare_verdicts(placed([{"ours": "p.wav", "theirs": "q.wav", "better": "A"} | SETTINGS]))


class TestIsOfSystems:
    @pytest.mark.parametrize(
        ("tasks", "is_so"),
        [
            (["compare-systems"], True),
            (["compare"], False),
            (["compare-briefly"], False),
            (["score"], None),
            (["compare", "compare-systems"], None),
        ],
    )
    def test_task_says_so(self, tasks, is_so):
        assert is_of_systems(placed({"task": task} for task in tasks)) is is_so


class TestPage:
    @pytest.fixture
    def report(self, tmp_path, monkeypatch):
        pytest.importorskip("jinja2")
        pytest.importorskip("matplotlib")
        from pages import write_tone

        monkeypatch.chdir(tmp_path)
        for name in ("old", "new"):
            for take in "pqxy":
                write_tone(tmp_path / name / f"{take}.wav")

        def call(rows, *options):
            (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
            assert main(["report", "rows.jsonl", *options]) == 0
            return (tmp_path / "rows.html").read_text()

        return call

    def test_shows_the_widest_differences_first_with_players_side_by_side(self, report):
        text = report(TWO, "--worst", "3")
        assert re.findall(r"<h4>(.*)</h4>", text) == ["q", "r", "t"]
        assert re.findall(r"<h5>(.*)</h5>", text) == ["old", "new"] * 3
        assert text.count("<audio") == 2  # of the files that are there
        assert "new is better in mos: fair (3.00) against poor (2.00)." in text

    def test_shows_verdicts_with_players_and_reasons(self, report):
        text = report([pair_row("A", 0.5, 0.4), pair_row("B", 0.1, 0.8, "y.wav")])
        assert re.findall(r"<h4>(.*)</h4>", text) == ["y", "x"]
        assert text.count("<audio") == 4
        assert "because of y.wav" in text
        assert "new is ahead by 0.70 in mos" in text

    def test_players_of_long_clips_begin_where_they_differ_most(self, report, tmp_path):
        from pages import write_tone

        rows = []
        for name, middle in (("old", 3.0), ("new", 4.5)):
            write_tone(tmp_path / name / "p.wav", 30)
            scores = (2.0, middle, 2.1)
            timeline = [{"start": 10 * k, "end": 10 * (k + 1), "scores": {"mos": s}} for k, s in enumerate(scores)]
            rows.append(score_row(name, "p", sum(scores) / 3, timeline=timeline))
        text = report(rows)
        assert text.count("#t=10.0") == 2
        assert "begins at 0:10, where they differ most" in text

    def test_hostile_text_stays_text(self, report):
        from pages import HOSTILE, assert_needs_nothing_else

        rows = [score_row(name, HOSTILE, 3.0 + value) for value, name in enumerate((HOSTILE, "new"))]
        assert_needs_nothing_else(report(rows))
