import pytest

from audio_judge.data.weights import named_weights
from audio_judge.errors import UsageError


class TestNamedWeights:
    def test_name_alone_has_the_default(self):
        assert named_weights([" score ", "explain = 2", "rate=0"], 0.25) == {"score": 0.25, "explain": 2.0, "rate": 0.0}

    @pytest.mark.parametrize(
        ("texts", "problem"),
        [
            (["score=-1"], "the weight is -1"),
            (["score=nan"], "the weight is nan"),
            (["score=inf"], "the weight is inf"),
            (["score=much"], "score=2"),
            (["=2"], "a name"),
            ([""], "a name"),
            (["score", "score=2"], "twice"),
            (["sing"], "known are score, explain"),
        ],
    )
    def test_what_is_wrong_is_said_with_the_option(self, texts, problem):
        with pytest.raises(UsageError, match=problem) as told:
            named_weights(texts, known=("score", "explain"), option="--tasks")
        assert str(told.value).startswith("--tasks '")

    def test_without_a_default_each_needs_its_own(self):
        with pytest.raises(UsageError, match="a name with its weight"):
            named_weights(["score"], None)
