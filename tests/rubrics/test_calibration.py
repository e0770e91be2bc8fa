import json

import numpy as np
import pytest

from audio_judge.rubrics.calibration import CalibratedRubric, calibrate, uncalibrated
from audio_judge.rubrics.rubric import HUNDRED, Rubric, get_rubric
from audio_judge.rubrics.shares import shares_to_score

WARMTH = Rubric("warmth", "How warm the voice is.", low=1, high=10, levels=("cold", "mild", "warm"))


class TestCalibrate:
    def test_line_through_few_clips(self):
        rubric = calibrate(WARMTH, [4.0, 5.0, 6.0], [2.0, 5.0, 8.0])
        assert [rubric.calibrated(value) for value in (4.0, 4.5, 6.0)] == pytest.approx([2.0, 3.5, 8.0])

    def test_stays_on_the_scale(self):
        rubric = calibrate(WARMTH, [4.0, 5.0, 6.0], [2.0, 5.0, 8.0])
        assert (rubric.calibrated(1.0), rubric.calibrated(10.0)) == pytest.approx((1.0, 10.0))

    def test_never_falls(self):
        generator = np.random.default_rng(0)
        readings = generator.uniform(3, 8, 60)
        ratings = np.clip(10 / (1 + np.exp(6 - readings)) + generator.normal(size=60), 1, 10)
        rubric = calibrate(WARMTH, readings.tolist(), ratings.tolist())
        curve = [rubric.calibrated(value) for value in np.linspace(1, 10, 200)]
        assert (np.diff(curve) >= 0).all()
        assert len(rubric.mapping) > 2

    def test_many_clips_tell_a_curve(self):
        readings = np.linspace(2, 9, 60)
        rubric = calibrate(WARMTH, readings.tolist(), (1 + (readings - 1) ** 2 / 9).tolist())
        assert rubric.calibrated(4.0) == pytest.approx(2.0, abs=0.05)

    def test_order_of_the_clips_does_not_matter(self):
        one = calibrate(WARMTH, [4.0, 5.0, 6.0], [2.0, 5.1, 8.0])
        assert one.mapping == pytest.approx(np.array(calibrate(WARMTH, [6.0, 4.0, 5.0], [8.0, 2.0, 5.1]).mapping))

    @pytest.mark.parametrize("ratings", [[8.0, 5.0, 2.0], [5.0, 5.0, 5.0]])
    def test_readings_that_do_not_rise_with_the_ratings_are_refused(self, ratings):
        with pytest.raises(ValueError, match="does not rise with the ratings"):
            calibrate(WARMTH, [4.0, 5.0, 6.0], ratings)

    @pytest.mark.parametrize("count", [12, 60])
    def test_shuffled_ratings_are_refused(self, count):
        generator = np.random.default_rng(0)
        readings = generator.uniform(3, 8, count).tolist()
        refused = 0
        for _ in range(40):
            try:
                calibrate(WARMTH, readings, generator.permutation(readings).tolist())
            except ValueError:
                refused += 1
        assert refused >= 36

    def test_few_clips_that_rise_by_chance_are_refused_with_the_figure(self):
        with pytest.raises(ValueError, match=r"no more than by chance \(PCC 0\.94, p = 0\.11\)"):
            calibrate(WARMTH, [4.0, 5.0, 6.0], [2.0, 6.0, 7.0])

    def test_no_gain_is_refused_with_the_figure(self):
        readings = [2.0, 3.0, 5.0, 6.0, 8.0]
        ratings = [2.2, 2.7, 5.3, 5.7, 8.2]
        with pytest.raises(ValueError, match=r"gains nothing \(RMSE 0\.26 as read, 0\.43 calibrated, over 5 clips"):
            calibrate(WARMTH, readings, ratings)

    def test_gain_is_that_of_clips_left_out(self):
        rubric = calibrate(WARMTH, [4.0, 4.5, 5.0, 6.0], [2.0, 3.6, 5.0, 8.1])
        # numpy.polyfit through the three others, for each of the four; as read sqrt(mean(2^2, .9^2, 0^2, 2.1^2))
        assert rubric.errors == pytest.approx((0.16869, 0.00799), abs=1e-5)

    def test_too_few_clips_are_refused(self):
        with pytest.raises(ValueError, match="2 rated clips; at least 3"):
            calibrate(WARMTH, [4.0, 5.0], [4.0, 5.0])

    def test_rating_off_the_scale_is_refused(self):
        with pytest.raises(ValueError, match=r"warmth: 11\.0 is outside 1 to 10"):
            calibrate(WARMTH, [4.0, 5.0, 6.0], [4.0, 5.0, 11.0])


class TestCalibratedRubric:
    RUBRIC = calibrate(WARMTH, [4.0, 5.0, 6.0], [2.0, 5.0, 8.0], judge="mini 0.1")

    def test_is_a_rubric(self):
        assert get_rubric(self.RUBRIC) is self.RUBRIC
        assert self.RUBRIC.question() == WARMTH.question()

    def test_shares_value_and_spread_go_together(self):
        rubric = CalibratedRubric("mos", "Quality.", mapping=((0.4, 0.0), (0.6, 1.0)))  # five times as steep
        shares = np.array([0.3, 0.0, 0.1, 0.0, 0.6])  # 3.6 with listeners as far apart as can be
        moved = rubric.calibrated_shares(shares)
        value, std = shares_to_score(moved, rubric)
        assert value == pytest.approx(rubric.calibrated(3.6)) == pytest.approx(5.0)
        assert std <= np.sqrt((value - 1) * (5 - value)) + 1e-6  # no spread on 1 to 5 is wider

    def test_survives_being_written_as_json(self):
        values = json.loads(json.dumps(self.RUBRIC.to_dict()))
        assert CalibratedRubric.from_dict(values) == self.RUBRIC

    def test_unknown_key_is_refused(self):
        with pytest.raises(ValueError, match="has no temperature"):
            CalibratedRubric.from_dict(self.RUBRIC.to_dict() | {"temperature": 1})

    def test_map_is_kept_on_another_scale(self):
        assert self.RUBRIC.on(HUNDRED).calibrated(100 * 3.5 / 9) == pytest.approx(100 * 2.5 / 9)

    def test_map_comes_off(self):
        assert uncalibrated(self.RUBRIC) == WARMTH
        assert uncalibrated(WARMTH) is WARMTH

    @pytest.mark.parametrize("mapping", [(), ((0.5, 0.5),), ((0.5, 0.2), (0.4, 0.3)), ((0.1, 0.9), (0.4, 0.3))])
    def test_map_that_does_not_rise_is_refused(self, mapping):
        with pytest.raises(ValueError, match="rising pairs"):
            CalibratedRubric("warmth", "How warm the voice is.", mapping=mapping)
