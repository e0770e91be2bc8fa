# ruff: noqa: F811 (fixtures are imported by their names)

from shell import folder, lines, run  # noqa: F401

from audio_judge.judge.judge import AudioJudge
from audio_judge.rubrics.rubric import ALL_RUBRICS


class TestProfile:
    def test_every_rubric_the_judge_was_trained_on_on_its_own_scale(self, run, loaded, monkeypatch):
        names = ("mos", "production_quality")
        monkeypatch.setattr(AudioJudge, "rubrics", property(lambda self: names))
        (row,) = lines(run("profile", "clips/0.wav")[1])
        assert (tuple(row["scores"]), row["scale"], row["task"]) == (names, "own", "profile")
        assert ALL_RUBRICS["production_quality"].high == 10
        assert row["scores"]["production_quality"] == round(
            loaded.profile("clips/0.wav")["production_quality"].value, 4
        )
