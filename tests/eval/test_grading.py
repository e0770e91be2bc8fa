from evaluators import decided, tells
from stub import serving

from audio_judge.eval.grading import grader
from audio_judge.eval.predictions import Row

ROWS = [
    Row(name, "bench", "judge", "explain", ("a.wav",), {"scores": {"noisiness": 1.9}}, ("noisiness",), prediction=said)
    for name, said in (("a", {"answer": "It is noisy."}), ("b", None), ("c", {"answer": "It is clean."}))
]


class TestGrader:
    def test_tells_the_truth_in_words(self):
        with serving(lambda *_: decided([8, 8, 8, 8])) as stub:
            found = grader(stub.url, "m", "decision")(ROWS, "assessment")
        assert [one and one["accuracy"] for one in found] == [0.8, None, 0.8]
        truth = "noisiness: noisy (1.9; 1 is very noisy, 5 is not noisy)"
        assert all(truth in one["state"] for one in stub.requests)

    def test_is_asked_in_the_form_that_is_named(self):
        with serving(tells(g9=1.0)) as stub:
            assert grader(stub.url, "m", "chat")(ROWS[:1], "assessment")[0]["accuracy"] == 0.6
            assert grader(stub.url, "m", "expected")(ROWS[:1], "assessment")[0]["accuracy"] == 1.0
