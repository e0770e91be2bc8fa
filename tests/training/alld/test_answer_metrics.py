import json
from copy import deepcopy

import pytest
import soundfile
from tiny import tone

from audio_judge.clips import RatedClip, Rating
from audio_judge.training.alld.metrics import Answer, answer_metrics, check_answer, evaluate_answers, named_aspects
from audio_judge.training.alld.requests import make_requests
from audio_judge.training.collate import JudgeCollator


@pytest.fixture(scope="module")
def requests(tmp_path_factory):
    """Three descriptions and a comparison of clips, one as good as its number."""
    folder, clips = tmp_path_factory.mktemp("clips"), []
    for i in range(1, 5):
        path = folder / f"{i}.wav"
        soundfile.write(path, tone(0.3 + 0.1 * i, 200 * i), 48_000)
        names = ("mos", "noisiness", "coloration", "discontinuity", "loudness")
        clips.append(RatedClip(str(path), {name: Rating(float(i)) for name in names}, "train", "tones"))
    return [*make_requests(clips[:3], ["describe"]), *make_requests(clips, ["compare"])[-1:]]


class TestNamedAspects:
    @pytest.mark.parametrize(
        ("text", "aspects"),
        [
            ("The speech is very noisy and interrupted.", [("noisiness", False), ("discontinuity", False)]),
            ("It is not noisy; the volume is just right.", [("noisiness", True), ("loudness", True)]),
            ("The speech is somewhat noisy.", []),  # the middle is neither
            ("The voice is slightly coloured. It is very coloured.", [("coloration", True), ("coloration", False)]),
            ("An uninterrupted, unnoisy clip.", [("discontinuity", True)]),
        ],
    )
    def test_finds_what_is_called_good_or_bad(self, text, aspects):
        assert sorted(named_aspects(text)) == sorted(aspects)


class TestCheckAnswer:
    def test_text_without_a_preference_is_unreadable(self):
        request = {"task": "compare", "ratings": [{"mos": 2.0}, {"mos": 3.0}]}
        assert check_answer(request, "Hm.") == Answer("compare", False)


class TestAnswerMetrics:
    def described(self, mos, **others):
        return {"task": "describe", "ratings": [{"mos": mos} | others]}

    def test_stated_scores_against_rated_ones(self):
        requests = [self.described(2.0), self.described(4.0), self.described(3.0)]
        texts = ["It is bad. The MOS is 2.5.", "It is good. The MOS is 3.0.", "It is what it is."]
        metrics = answer_metrics(requests, texts)
        assert metrics["mos_mse"] == pytest.approx((0.25 + 1.0) / 2)
        assert metrics["mos_coverage"] == pytest.approx(2 / 3, abs=1e-6)
        assert metrics["mos_variance"] == pytest.approx(2 / 3, abs=1e-6)
        assert metrics["preference_accuracy"] is None

    def test_aspects_against_ratings(self):
        requests = [self.described(2.0, noisiness=1.2, loudness=4.5)]
        metrics = answer_metrics(
            requests, ["The speech is very noisy. The volume is unsuitable. It is very coloured. The MOS is 2.0."]
        )
        assert metrics["aspect_precision"] == 0.5  # coloration is not rated
        assert metrics["aspects_per_text"] == 2

    def test_comparisons(self):
        ratings = [{"mos": 2.0, "noisiness": 2.0, "loudness": 4.0}, {"mos": 3.0, "noisiness": 3.0, "loudness": 3.9}]
        request = {"task": "compare", "ratings": ratings}
        texts = ["SpeechB is better in noisiness and loudness.\n[SpeechB]", "Both are fine.\n[SpeechA]", "Hm."]
        metrics = answer_metrics([request] * 3, texts)
        assert (metrics["preference_accuracy"], metrics["verdict_precision"]) == (0.5, 0.5)
        assert metrics["preference_coverage"] == pytest.approx(2 / 3, abs=1e-6)
        assert metrics["mos_mse"] is None

    def test_own_writers_are_right(self, requests):
        metrics = answer_metrics(requests, [request["chosen"] for request in requests])
        assert (metrics["mos_mse"], metrics["mos_coverage"], metrics["preference_accuracy"]) == (0, 1, 1)
        assert metrics["aspect_precision"] == 1
        assert metrics["aspects_per_text"] > 0


class TestEvaluateAnswers:
    def test_writes_texts_and_leaves_the_mode(self, judge, requests, tmp_path):
        shared, processor = judge("audio_judge_encoder", "pooled_linear")
        model = deepcopy(shared).train()
        found = evaluate_answers(
            model, JudgeCollator(processor), requests, max_tokens=4, batch_size=3, out=tmp_path / "t.jsonl"
        )
        assert model.training
        rows = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
        assert found == answer_metrics(requests, [row["text"] for row in rows])
