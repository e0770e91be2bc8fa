"""Controls that stand beside the measures of others."""

import pytest

from audio_judge.data.files import write_examples
from audio_judge.errors import UsageError
from audio_judge.eval.peers import load_peer


class TestMean:
    def test_it_is_that_of_the_training_whatever_is_heard(self, tmp_path):
        rows = [{"mos": 2.0, "noisiness": 1.0, "fluency": 9.0}, {"mos": 4.5}, {"mos": 4.0, "noisiness": 2.0}]
        write_examples(({"task": "score", "scores": row} for row in rows), tmp_path / "train.jsonl")
        measure = load_peer(f"mean/{tmp_path}/train.jsonl").measure
        assert measure(None, None) == {"mos": 3.5, "noisiness": 1.5}

    def test_without_a_training_it_says_what_is_missing(self):
        with pytest.raises(UsageError, match="mean/FILE is needed"):
            load_peer("mean")
