# ruff: noqa: F811 (fixtures are imported by their names)

import pytest
from shell import folder, lines, run, table  # noqa: F401


class TestDetect:
    def test_rows_and_table_say_the_same(self, run, folder, loaded):
        assert run("detect", "clips/0.wav", "missing.wav", "--output", "d.jsonl")[0] == 1
        run("detect", "clips/0.wav", "missing.wav", "--output", "d.csv")
        row, bad = lines((folder / "d.jsonl").read_text())
        cells, bad_cells = table(folder / "d.csv")
        expected = loaded.detect("clips/0.wav")
        assert (row["real"], row["label"]) == (round(expected.real, 4), expected.label)
        assert (cells["label"], float(cells["real"])) == (row["label"], pytest.approx(row["real"], abs=1e-4))
        assert "no such file" in bad["error"]
        assert bad_cells["error"] == bad["error"]

    def test_is_shown_to_people(self, run):
        assert "clips/0.wav: " in run("detect", "clips/0.wav")[1]
