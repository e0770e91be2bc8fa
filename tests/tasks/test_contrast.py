import pytest

from audio_judge.clips import Cause
from audio_judge.tasks import compare
from audio_judge.tasks.contrast import comparison
from audio_judge.tasks.findings import Found

GOOD = {"mos": 4.1, "noisiness": 4.2, "coloration": 3.9, "discontinuity": 4.4, "loudness": 4.0}
POOR = {"mos": 2.2, "noisiness": 1.9, "coloration": 3.2, "discontinuity": 4.5, "loudness": 2.4}


def pair(faults=(), spared=(), **measured):
    names = ("lufs", "snr_db", "high_hz")
    one, other = ({name: measured[name][side] for name in names if name in measured} for side in (0, 1))
    return Found(GOOD, spared, 4.0, measured=one), Found(POOR, faults, 4.0, measured=other)


@pytest.mark.parametrize(
    ("better", "aspects"),
    [
        ("A", {"noisiness": "A", "discontinuity": "B"}),
        ("A", {"coloration": "A", "noisiness": "A", "loudness": "A"}),
        ("B", {"discontinuity": "B"}),
        ("tie", {"noisiness": "A"}),
        ("tie", {}),
    ],
)
@pytest.mark.parametrize("share", [round(0.5 + tenth / 40, 3) for tenth in range(20)])
def test_reads_back(better, aspects, share):
    said = comparison(better, aspects, pair([Cause("noise")]), share)
    read = compare.parse(f"{said}\n{compare.TOKENS[better]}", strict=True)
    assert read.verdicts == {"mos": better, **aspects}


def test_scores_stand_behind_their_aspect():
    assert "noisiness (4.2" in comparison("A", {"noisiness": "A"}, pair(), 0.9).replace(", 4.2", " (4.2")


def test_scores_that_say_otherwise_are_left_out():
    said = comparison("A", {"discontinuity": "A"}, pair(), 0.9)
    assert "4.4" not in said
    assert "4.5" not in said


def test_fault_of_the_worse_clip_decides():
    said = comparison("A", {"noisiness": "A"}, pair([Cause("clicks"), Cause("echo")]), 0.9)
    assert "click" in said or "crackle" in said
    assert "echo" not in said


@pytest.mark.parametrize("aspects", [{"coloration": "A"}, {}])
def test_fault_that_hurts_nothing_of_it_does_not(aspects):
    assert "noise" not in comparison("A", aspects, pair([Cause("noise")]), 0.9)


def test_fault_of_both_does_not():
    assert "background" not in comparison("A", {"noisiness": "A"}, pair([Cause("noise")], [Cause("noise")]), 0.9)


@pytest.mark.parametrize(
    ("aspect", "measured", "expected"),
    [
        ("loudness", {"lufs": (-23.0, -37.5)}, ["-23.0 LUFS", "-37.5 LUFS"]),
        ("loudness", {"lufs": (-23.0, -24.0)}, []),
        ("noisiness", {"snr_db": (45.0, 12.0)}, ["45.0 dB", "12.0 dB"]),
        ("coloration", {"high_hz": (20_000.0, 3400.0)}, ["20.0 kHz", "3.4 kHz"]),
        ("coloration", {"lufs": (-23.0, -37.5)}, []),
    ],
)
def test_measures_that_differ_tell_apart_where_no_fault_does(aspect, measured, expected):
    said = comparison("A", {aspect: "A"}, pair(**measured), 0.9)
    assert all(
        one in said
        or one.replace(" LUFS", "") in said
        or one.replace(" dB", "") in said
        or one.replace(" kHz", "") in said
        for one in expected
    )
    assert bool(expected) == ("LUFS" in said or "dB" in said or "kHz" in said)


def test_equal_pairs_get_equal_words():
    first, again = (comparison("A", {"noisiness": "A"}, pair([Cause("noise")]), 0.8) for _ in range(2))
    assert first == again
