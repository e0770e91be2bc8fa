# ruff: noqa: F811 (fixtures are imported by their names)

import pytest
import soundfile
from shell import folder, lines, run, table  # noqa: F401
from tiny import tone


class TestTimeline:
    @pytest.fixture
    def long_clip(self):
        soundfile.write("long.wav", tone(13, 300, 16_000), 16_000)

    def test_row_has_the_windows(self, run, long_clip):
        code, out, _ = run("timeline", "long.wav", "missing.wav", "--rubric", "mos", "--output", "-")
        good, bad = lines(out)
        assert code == 1
        assert [(window["start"], window["end"]) for window in good["timeline"]] == [(0.0, 10.0), (10.0, 13.0)]
        assert (good["seconds"], "missing.wav" in bad["error"]) == (13.0, True)

    def test_table_has_a_row_per_window(self, run, folder, long_clip):
        run("timeline", "long.wav", "--rubric", "mos", "--window-seconds", "6", "--output", "t.csv")
        rows = table(folder / "t.csv")
        assert [row["window_start"] for row in rows] == ["0.0", "6.0", "12.0"]
        assert all(row["path"] == "long.wav" and 1 <= float(row["mos"]) <= 5 for row in rows)
        code, _, err = run("timeline", "long.wav", "--output", "t.csv", "--resume")
        assert (code, "need .jsonl" in err) == (2, True)

    def test_is_shown_to_people(self, run, long_clip):
        out = run("timeline", "long.wav", "--rubric", "mos")[1]
        assert "   10.0-   13.0" in out

    def test_hop_that_leaves_gaps_is_refused(self, run, long_clip):
        code, _, err = run("timeline", "long.wav", "--window-seconds", "2", "--hop-seconds", "3")
        assert (code, "--hop-seconds" in err) == (2, True)
