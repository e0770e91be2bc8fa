# ruff: noqa: F811 (fixtures are imported by their names)
import json

from shell import folder, run  # noqa: F401

from audio_judge.cli.calibrate import _output
from audio_judge.cli.main import make_parser
from audio_judge.rubrics.files import read_rubrics


def table(folder, loaded, rating=lambda value: 1 + value / 2, extra=()):
    clips = [f"clips/{index}.wav" for index in range(3)]
    rows = [f"{clip},{rating(loaded.score(clip)['mos'].value)}" for clip in clips]
    (folder / "ratings.csv").write_text("\n".join(["path,mos", *rows, *extra]) + "\n")


class TestCalibrate:
    def test_scores_become_those_of_the_listeners(self, run, folder, loaded):
        table(folder, loaded)
        code, _, err = run("calibrate", "ratings.csv", "--output", "calibration.json")
        assert (code, "mos: RMSE" in err) == (0, True), err
        (fitted,) = read_rubrics(folder / "calibration.json")
        assert fitted.clips == 3
        assert fitted.judge == loaded.identity.signature
        (row,) = [
            json.loads(line) for line in run("score", "clips/0.wav", "--rubric", "calibration.json")[1].splitlines()
        ]
        assert row["scores"]["mos"] == round(1 + loaded.score("clips/0.wav")["mos"].value / 2, 4)

    def test_ratings_on_another_scale_are_converted(self, run, folder, loaded):
        table(folder, loaded)
        run("calibrate", "ratings.csv", "--output", "five.json")
        table(folder, loaded, lambda value: 25 * value / 2)
        assert run("calibrate", "ratings.csv", "--scale", "0-100", "--output", "hundred.json")[0] == 0
        five, hundred = ((read_rubrics(folder / f"{name}.json"))[0] for name in ("five", "hundred"))
        assert [round(x, 6) for pair in hundred.mapping for x in pair] == [
            round(x, 6) for pair in five.mapping for x in pair
        ]

    def test_bad_rows_are_left_out_and_said(self, run, folder, loaded):
        table(folder, loaded, extra=["clips/0.wav,7", "clips/1.wav,good", "missing.wav,3", "clips/2.wav,"])
        code, _, err = run("calibrate", "ratings.csv", "--output", "calibration.json")
        assert (code, "3 ratings left out" in err) == (1, True), err
        assert "clips/0.wav: mos 7 is outside 1 to 5" in err
        assert "clips/1.wav: mos is 'good'; a number, or an empty cell, is needed" in err
        assert read_rubrics(folder / "calibration.json")[0].clips == 3

    def test_no_gain_writes_nothing(self, run, folder, loaded):
        table(folder, loaded, lambda value: value)
        code, _, err = run("calibrate", "ratings.csv", "--output", "calibration.json")
        assert (code, "gains nothing (RMSE 0.00 as read" in err) == (2, True), err
        assert not (folder / "calibration.json").exists()

    def test_finished_work_is_not_replaced(self, run, folder, loaded):
        table(folder, loaded)
        (folder / "calibration.json").write_text("{}")
        code, _, err = run("calibrate", "ratings.csv", "--output", "calibration.json")
        assert (code, "--overwrite" in err) == (2, True)

    def test_judge_in_a_folder_keeps_it(self, run, folder, loaded, tmp_path):
        table(folder, loaded)
        (folder / "own").mkdir()
        options = make_parser(["calibrate"]).parse_args(["calibrate", "ratings.csv", "--judge", "own"])
        assert str(_output(options)) == "own/calibration.json"
