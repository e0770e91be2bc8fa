"""Tables of a run."""

from audio_judge.eval.tables import cost_table


def test_speed_stands_beside_the_length_of_the_clips():
    each = {
        "a": {"items": 1, "audio_seconds": 9.0, "judge_seconds": 0.5},
        "b": {"items": 3, "audio_seconds": 3.0, "judge_seconds": 1.5},
    }
    table = cost_table({"machine": {}, "mini": {"benchmarks": each, "peak_memory_mib": 500.0}})
    assert table.splitlines()[-1] == "| mini | 6.0 | 3.0 | 500 | – | – |"
