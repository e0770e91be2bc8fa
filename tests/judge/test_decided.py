import numpy as np
import pytest

from audio_judge.judge.decided import Decided, Decision
from audio_judge.judge.learned import Learned

DECIDED = Decided({"clicks": Decision(0.5, 1.0, -0.2, 0.4)}, {"dropouts": 0.3})


class TestDecided:
    def test_note_and_back(self):
        learned = Learned(has_faults=True, decided=DECIDED)
        assert Learned.from_note(learned.note()).decided == DECIDED

    def test_without_a_detector_the_judge_decides(self):
        assert DECIDED.together({"clicks": 0.7}, {}) == {"clicks": 0.7}

    def test_both_are_heard(self):
        low, high = (DECIDED.together({"clicks": 0.5}, {"clicks": p})["clicks"] for p in (0.1, 0.9))
        assert low < 0.2 < 0.8 < high

    def test_threshold_of_a_curve_becomes_one_half(self):
        assert DECIDED.curve("dropouts", np.array([0.1, 0.3, 0.8])) == pytest.approx([0.206, 0.5, 0.903], abs=1e-3)

    def test_threshold_that_is_no_probability(self):
        with pytest.raises(ValueError, match=r"threshold of 1\.5"):
            Decided.from_note({"faults": {"clicks": [1, 0, 0, 1.5]}})
