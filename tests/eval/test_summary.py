from dataclasses import replace

import pytest
from eval_data import small_benchmark

from audio_judge.eval.predictions import Row
from audio_judge.eval.summary import Tools, summarise
from audio_judge.rubrics.rubric import get_rubric


def rows(task, pairs, **values):
    return [
        Row(str(number), "small", "j", task, truth=truth, prediction=prediction, **values)
        for number, (truth, prediction) in enumerate(pairs)
    ]


def figures(task, pairs, tools=None, **values):
    found = summarise(rows(task, pairs), small_benchmark(task=task, **values), tools=tools, resamples=0)
    return {name: one["value"] for name, one in found["figures"].items()} | {"left_out": found["left_out"]}


def scored(truth, given, **facts):
    return {"scores": {"mos": truth}} | facts, given and {"scores": {"mos": given}}


class TestSummarise:
    def test_scores(self):
        found = figures("score", [scored(1.0, 2.0), scored(3.0, 4.0), scored(4.0, 5.0)])
        assert (found["mos/MAE"], found["mos/PCC"]) == (1.0, 1.0)

    def test_shares_against_the_spread_of_listeners(self):
        levels = get_rubric("mos").levels
        truth = {"scores": {"mos": 3.0}, "std": {"mos": 0.0}}
        sure = {"scores": {"mos": 3.0}, "shares": {"mos": dict.fromkeys(levels, 0.0) | {"fair": 1.0}}}
        flat = {"scores": {"mos": 3.0}, "shares": {"mos": dict.fromkeys(levels, 0.2)}}
        assert figures("score", [(truth, sure)] * 2)["mos/Brier"] == pytest.approx(0.0, abs=1e-6)
        assert figures("score", [(truth, flat)] * 2)["mos/Brier"] == pytest.approx(0.8)  # 0.8 ** 2 + 4 * 0.2 ** 2

    def test_shares_against_single_votes(self):
        levels = get_rubric("mos").levels
        truth = {"scores": {"mos": 3.0}, "single": {"mos": [1.0, 5.0]}}
        split = {"scores": {"mos": 3.0}, "shares": {"mos": dict.fromkeys(levels, 0.0) | {"bad": 0.5, "excellent": 0.5}}}
        assert figures("score", [(truth, split)] * 2)["mos/Brier"] == 0

    def test_scores_beyond_the_length_of_the_clips(self):
        made = [
            replace(row, seconds=seconds)
            for row, seconds in zip(
                rows("score", [scored(value, value) for value in (1.0, 3.0, 4.0)]), (2, 5, 3), strict=True
            )
        ]
        wanted = small_benchmark(task="score", metrics=("PCC_beyond_length",))
        assert summarise(made, wanted, resamples=0)["figures"]["mos/PCC_beyond_length"]["value"] == 1.0

    def test_levels(self):
        truth = {"scores": {"mos": 2.0}, "levels": {"mos": "poor"}}
        found = figures("categorize", [(truth, {"levels": {"mos": "poor"}}), (truth, None)])
        assert found["mos/ACC"] == 0.5

    def test_explanations(self):
        truth = {"scores": {"mos": 2.0}, "causes": [{"kind": "noise", "spans": []}]}
        said = {
            "scores": {"mos": 2.0},
            "causes": [{"kind": "noise", "spans": []}],
            "answer": "It is poor.",
            "own_words": True,
        }
        found = figures("explain", [(truth, said), (truth, said | {"own_words": False})])
        assert (found["causes/F1_micro"], found["words/own_words"], found["words/word_match"]) == (1.0, 0.5, 1.0)
        assert found["words/top_sentence_share"] == 1.0

    def test_missing_answers_are_counted_beside_figures_of_groups(self):
        pairs = [scored(1.0, 1.0), scored(2.0, None), scored(4.0, 4.0), scored(4.0, 4.0)]
        made = [replace(row, groups={"system": name}) for row, name in zip(rows("score", pairs), "aabb", strict=True)]
        found = summarise(made, small_benchmark(task="score", group_by=("system",)), resamples=0)["figures"]
        figure = found["mos/MAE@system"]
        # Of system a, the missing 2.0 counts as 5: |3 - 1.5| and |4 - 4|
        assert (figure["value"], figure["coverage"], figure["answered"]) == (0.75, 0.75, 0.0)

    def test_parts_have_figures_and_coverage_of_their_own(self):
        pairs = [scored(1.0, 2.0), scored(2.0, None), scored(4.0, 4.0), scored(3.0, 3.0)]
        made = [replace(row, groups={"language": name}) for row, name in zip(rows("score", pairs), "aabb", strict=True)]
        found = summarise(made, small_benchmark(task="score", split_by=("language", "system")), resamples=0)
        parts = found["parts"]["language"]
        assert {name: (one["n"], one["coverage"]) for name, one in parts.items()} == {"a": (2, 0.5), "b": (2, 1.0)}
        assert parts["a"]["figures"]["mos/MAE"]["answered"] == 1.0
        assert found["left_out"]["system"] == "no row has it"

    def test_real_clips_of_no_system_stand_beside_the_fakes_of_each(self):
        real = [({"is_real": True}, {"real": 0.5 + number / 20}) for number in range(8)]
        fakes = [({"is_real": False}, {"real": number / 20 + 0.45 * (number > 3)}) for number in range(8)]
        made = [
            replace(row, groups={} if name == "-" else {"system": name})
            for row, name in zip(rows("detect", [*real, *fakes]), "--------aaaabbbb", strict=True)
        ]
        found = summarise(made, small_benchmark(task="detect", split_by=("system",)), resamples=50)["parts"]["system"]
        assert {name: one["n"] for name, one in found.items()} == {"a": 12, "b": 12}
        errors = {name: one["figures"]["detect/EER"] for name, one in found.items()}
        assert errors["a"]["value"] == 0
        assert errors["b"]["low"] < errors["b"]["value"] < errors["b"]["high"]

    def test_correlations_are_averaged_over_rubrics(self):
        names = ("mos", "noisiness")
        truth = [{"scores": dict.fromkeys(names, value)} for value in (1.0, 2.0, 3.0)]
        given = [{"scores": {"mos": a, "noisiness": b}} for a, b in ((1.0, 3.0), (2.0, 2.0), (3.0, 1.0))]
        wanted = small_benchmark(task="score", rubrics=list(names))
        found = summarise(rows("score", zip(truth, given, strict=True)), wanted, resamples=0)["figures"]
        assert found["AVG/PCC"]["value"] == pytest.approx(0.0)  # of 1 and -1

    def test_share_of_own_words_lies_in_its_interval(self):
        pairs = [
            ({"causes": []}, {"causes": [], "answer": "words", "own_words": number % 3 > 0}) for number in range(30)
        ]
        found = summarise(rows("explain", pairs), small_benchmark(task="explain"), resamples=50)["figures"]
        figure = found["words/own_words"]
        assert figure["value"] == pytest.approx(2 / 3, abs=1e-6)
        assert 0 < figure["low"] < figure["value"] < figure["high"] < 1

    def test_comparisons(self):
        said = {"preferences": {"mos": "A"}, "swapped": {"mos": "A"}}
        found = figures("compare", [({"preferences": {"mos": "A"}}, said)] * 2)
        assert (found["mos/ACC"], found["mos/order_consistency"], found["mos/first_bias"]) == (1.0, 0.0, 1.0)

    def test_detection(self):
        pairs = [({"is_real": real}, {"real": p, "is_real": p >= 0.5}) for real, p in ((True, 0.9), (False, 0.2))]
        found = figures("detect", pairs)
        assert (found["detect/EER"], found["detect/ACC"]) == (0.0, 1.0)

    def test_assessments(self):
        truth = {
            "scores": {"mos": 2.0},
            "speech_rate": "slow",
            "distortions": [],
            "answer": "The speech is slow and dull.",
        }
        said = {"scores": {"mos": 2.5}, "speech_rate": "suitable", "answer": "The speech is slow and dull."}
        found = figures("assess", [(truth, said)] * 2)
        assert found["speech_rate/ACC"] == 0.0
        assert found["text/BLEU"] == pytest.approx(100)

    def test_what_is_said_of_the_speaker(self):
        truths = [{"scores": {"mos": 2.0}, "speaker": {"emotion": word, "gender": "male"}} for word in ("happy", "sad")]
        said = {"scores": {"mos": 2.5}, "speaker": {"emotion": "Happy"}}
        found = figures("assess", [(truth, said) for truth in truths])
        assert (found["emotion/ACC"], found["gender/ACC"], "age/ACC" in found) == (0.5, 0.0, False)

    def test_grades_of_a_language_model(self):
        truth, said = {"areas": ["noise"], "answer": "Less noise."}, {"areas": ["noise"], "answer": "Less noise."}
        grades = {"helpfulness": 0.5, "relevance": 0.5, "accuracy": 0.5, "detail": 0.5}
        tools = Tools(grader=lambda given, form: [grades if form == "suggestion" else None for _ in given])
        found = figures("suggest", [(truth, said)] * 2, tools=tools, rubrics=[])
        assert (found["text/LScore"], found["areas/F1_micro"]) == (5.0, 1.0)

    def test_advice_against_the_faults_that_are_there(self):
        truth = {"areas": ["distortion"], "addressed": ["background noise", "noise suppression"]}
        said = {"areas": ["distortion"], "answer": "Breathe.\nTurn off the noise suppression.\nMind the lost packets."}
        found = figures("suggest", [(truth, said)] * 2, rubrics=[], metrics=["precision_micro", "recall_micro"])
        assert (found["addressed/precision_micro"], found["addressed/recall_micro"]) == (0.5, 0.5)

    def test_says_what_is_left_out_and_why(self):
        truth = {"areas": ["noise"], "answer": "Less noise."}
        found = figures("suggest", [(truth, truth)] * 2, rubrics=[])
        assert found["left_out"] == {
            "SBERT": "a sentence encoder (--encoder)",
            "FENSE": "a sentence encoder and a detector of broken sentences (--encoder, --error-detector)",
            "LScore": "an evaluator (--evaluator)",
        }
