import sys
from pathlib import Path

import numpy as np
import pytest
from evaluators import decided
from stub import serving

from audio_judge.clips import Cause, RatedClip, Rating
from audio_judge.rubrics.rubric import RUBRICS

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import answer_ranking


def clip(number, value, *causes):
    ratings = {name: Rating(value) for name in RUBRICS}
    return RatedClip(f"{number}.wav", ratings, "test", "simulated", causes=tuple(map(Cause, causes)))


CLIPS = [clip(0, 1.2, "noise"), clip(1, 1.5, "echo"), clip(2, 3.1), clip(3, 4.7), clip(4, 4.9)]


class TestMakeAnswers:
    @pytest.mark.parametrize("task", ["describe", "explain", "profile"])
    def test_the_flipped_answer_says_the_opposite_of_the_true_one(self, task):
        for one in answer_ranking.make_answers(CLIPS, task, 4):
            stated = {
                kind: answer_ranking.TASKS[task]
                .facts(answer_ranking.TASKS[task].parse(one.candidates[kind]))
                .scores["mos"]
                for kind in ("true", "flipped")
            }
            assert sum(stated.values()) == pytest.approx(6, abs=0.11)
            assert abs(stated["true"] - 3) > 1

    def test_the_true_answer_is_worded_otherwise_than_the_reference(self):
        answers = answer_ranking.make_answers(CLIPS, "describe", 4)
        assert sum(one.candidates["true"] != one.reference for one in answers) >= 3
        for one in answers:
            assert one.truth.endswith(f"reference answer: {one.reference}")
            assert "overall quality: " in one.truth

    def test_clips_in_the_middle_are_left_out(self):
        with pytest.raises(ValueError, match="4 of 5 clips are rated off the middle; 5 are needed"):
            answer_ranking.make_answers(CLIPS, "describe", 5)

    def test_faults_change_sides_with_the_polarity(self):
        rng = answer_ranking.random.Random(0)
        assert answer_ranking.flipped(CLIPS[0], CLIPS, rng).causes == ()
        assert answer_ranking.flipped(CLIPS[4], CLIPS, rng).causes != ()


class Encoder:
    """Texts by how often each letter is in them."""

    def encode(self, texts, normalize_embeddings):
        counts = np.array([[text.count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts], float)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


class TestCommand:
    def test_prints_a_table_for_each_metric(self, monkeypatch, capsys):
        monkeypatch.setattr(answer_ranking.Corpus, "read", lambda _: iter(CLIPS))
        monkeypatch.setattr(answer_ranking, "load_encoder", lambda _: Encoder())
        monkeypatch.setattr(answer_ranking, "make_evaluator", stub_evaluator)
        with serving(lambda request, _: decided([9 if "noisy" in request["state"] else 2] * 4)) as stub:
            words = ["x", "corpus", "--rows", "2", "--encoder", "folder", "--evaluator", stub.url]
            monkeypatch.setattr(sys, "argv", words)
            answer_ranking.main()
        titles = [line.split()[0] for line in capsys.readouterr().out.splitlines() if "mean" in line]
        assert titles == ["SBERT", "LScore", "helpfulness", "relevance", "accuracy", "detail"]

    def test_counts_how_often_the_true_answer_is_above(self):
        values = {"true": [0.9, 0.5], "another clip's": [0.8, 0.5], "flipped": [0.95, None], "gibberish": [0.1, 0.1]}
        answers = answer_ranking.make_answers(CLIPS, "describe", 2)
        lines = answer_ranking.table("SBERT", answers, values.get)
        assert [line.split() for line in lines[1:]] == [
            ["true", "0.700"],
            ["another", "clip's", "0.650", "50%", "1", "0", "0"],
            ["flipped", "0.950", "0%", "0", "1", "1"],
            ["gibberish", "0.100", "100%", "0", "0", "0"],
        ]


def stub_evaluator(url, **how):
    from audio_judge.text_models.evaluator import make_evaluator

    return make_evaluator(url, model="tiny", **how)
