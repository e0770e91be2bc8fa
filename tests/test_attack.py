import os
import random
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from attacks import judged, values
from attacks.faults import Faults
from attacks.kills import RUNS, Kills
from attacks.lists import Lists
from attacks.prompts import Prompts
from attacks.requests import Requests
from attacks.rounds import Campaign, Found, run_round, table
from attacks.sounds import Sounds

# Of benchmarks/attack.py, which tries thousands: family and how many attacks
SAMPLE = [(Sounds(), 12), (Prompts(), 20), (Lists(), 40), (Requests(), 6), (Faults(), 6)]
KILLED = {run.name.removeprefix("kill -9 of "): run for run in RUNS}


@pytest.fixture(autouse=True)
def _tiny_judge(tmp_path_factory):
    judged.judge_folder(tmp_path_factory.getbasetemp() / "attacked" / "judge")


class TestSample:
    @pytest.mark.parametrize(("family", "size"), SAMPLE, ids=[family.name for family, _ in SAMPLE])
    def test_nothing_breaks(self, family, size, tmp_path, monkeypatch):
        monkeypatch.setattr(family, "size", size)
        found = Campaign(tmp_path / "found.jsonl", tmp_path).run(family, size, seed=1)
        assert (found.tried, found.said) == (size, [])

    @pytest.mark.parametrize("kind", ["score, jsonl", "grade"])
    def test_what_was_killed_goes_on(self, kind, tmp_path):
        found = Campaign(tmp_path / "found.jsonl", tmp_path).run(Kills(KILLED[kind]), 2, seed=1)
        assert found.said == []
        assert found.tried >= 1


class Breaks:
    """A family whose attacks all do what its function does."""

    name, size = "breaks", 1

    def __init__(self, attack):
        self.attack = lambda folder, rng, found: attack(folder, found)

    def prepare(self, folder):
        pass


class TestRounds:
    def test_a_traceback_is_counted_and_its_folder_stays(self, tmp_path):
        found = run_round(Breaks(lambda *_: [][1]), 0, 0, tmp_path)
        assert (found.tracebacks, found.is_clean) == (1, False)
        assert "IndexError" in found.said[0]
        assert (tmp_path / "breaks-0-0" / "log.txt").exists()

    def test_a_crash_is_counted(self, tmp_path):
        assert run_round(Breaks(lambda *_: os._exit(11)), 0, 0, tmp_path).tracebacks == 1

    def test_a_hang_is_counted_and_ended(self, tmp_path, monkeypatch):
        monkeypatch.setattr("attacks.rounds.HANG", 0.1)
        monkeypatch.setattr("attacks.rounds.PATIENCE", 0.3)
        assert run_round(Breaks(lambda *_: time.sleep(60)), 0, 0, tmp_path).hangs == 1

    @pytest.mark.parametrize(("added", "heavy"), [(0, 0), (2**27, 1)])
    def test_memory_that_it_adds_is_counted(self, added, heavy, tmp_path, monkeypatch):
        """And none of what the tests before it hold, which a fork begins with."""
        monkeypatch.setattr("attacks.rounds.HEAVY", 2**26)
        assert run_round(Breaks(lambda *_: b"x" * added), 0, 0, tmp_path).heavy == heavy

    def test_what_was_found_is_not_sought_again(self, tmp_path):
        def note(_, found):
            found.tried = 1
            found.note("wrong", "a grade of 11")

        first = Campaign(tmp_path / "found.jsonl", tmp_path).run(Breaks(note), 2, seed=0)
        again = Campaign(tmp_path / "found.jsonl", tmp_path).run(Breaks(lambda *_: [][1]), 2, seed=0)
        assert first == again == Found(tried=2, wrong=2, said=["wrong: a grade of 11"] * 2)


class TestFound:
    def test_rows_that_are_lost_or_doubled(self, tmp_path):
        score = '{{"id": "{}", "scores": {{"mos": 3.0}}}}\n'
        (tmp_path / "scores.jsonl").write_text("".join(map(score.format, "aab")))
        found = Found()
        judged.score_rows(tmp_path / "scores.jsonl", ["a", "b", "c"], found)
        assert (found.rows, found.wrong) == (2, 0)

    @pytest.mark.parametrize(
        "row", [{}, {"scores": {"mos": 5.1}}, {"scores": {"mos": float("nan")}}, {"error": ""}, {"error": "a\nb"}]
    )
    def test_rows_that_are_no_answer(self, row):
        assert judged.problem_of(row)

    def test_table(self):
        assert table([("files", Found(tried=1000, wrong=2))]).splitlines()[2].split() == [
            "|", "files", "|", "1,000", "|", "0", "|", "0", "|", "0", "|", "0", "|", "2", "|",
        ]  # fmt: skip


class TestValues:
    def test_mutated_is_a_copy_that_differs(self):
        tree = {"a": [1, {"b": 2}]}
        changed = [values.mutated(tree, random.Random(seed)) for seed in range(20)]
        assert tree == {"a": [1, {"b": 2}]}
        assert sum(one != tree for one in changed) > 15
