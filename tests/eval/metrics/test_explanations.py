"""Explanations: faithful, diverse, in keeping with the number, at the right time; and what a parrot gets."""

import math
import random

import pytest
from sklearn.metrics import f1_score
from sklearn.preprocessing import MultiLabelBinarizer

from audio_judge.clips import Cause
from audio_judge.tasks import explain
from eval.metrics import (
    cause_faithfulness,
    diversity,
    named_level,
    span_overlap,
    words_match_number,
)

KINDS = ("noise", "echo", "clipping", "packet_loss")


@pytest.fixture
def known():
    """Causes of 200 clips, none to two each."""
    rng = random.Random(0)
    return [rng.sample(KINDS, rng.randint(0, 2)) for _ in range(200)]


class TestCauseFaithfulness:
    def test_the_truth(self, known):
        found = cause_faithfulness(known, known)
        assert (found["F1_micro"], found["F1_macro"], found["exact"]) == (1, 1, 1)
        assert found["F1_random"] < 0.5

    def test_a_parrot_is_no_better_than_chance(self, known):
        found = cause_faithfulness([["noise"]] * 200, known)
        assert found["F1_micro"] == pytest.approx(found["F1_random"])
        assert found["top_causes_share"] == 1

    def test_chance_is_what_shuffling_gives(self, known):
        rng = random.Random(1)
        guesses = [rng.sample(KINDS, 1) for _ in known]
        shuffled = [cause_faithfulness(rng.sample(guesses, 200), known)["F1_micro"] for _ in range(40)]
        assert cause_faithfulness(guesses, known)["F1_random"] == pytest.approx(sum(shuffled) / 40, abs=0.02)

    def test_by_kind(self):
        found = cause_faithfulness([["noise", "echo"], ["noise"], []], [["noise"], ["echo"], ["noise"]])
        assert found["kinds"] == {
            "echo": {"precision": 0.0, "recall": 0.0, "F1": 0.0, "known": 1, "named": 1},
            "noise": {"precision": 0.5, "recall": 0.5, "F1": 0.5, "known": 2, "named": 2},
        }

    def test_invented_kind_lowers_the_macro_mean(self):
        assert cause_faithfulness([["noise", "echo"]], [["noise"]])["F1_macro"] == 0.5

    def test_silence_is_not_the_same_as_naming_nothing(self):
        found = cause_faithfulness([None, [], ["echo"]], [[], [], ["echo"]])
        assert found["exact"] == pytest.approx(2 / 3)
        assert found["coverage"] == pytest.approx(2 / 3)

    def test_nothing_to_name(self):
        with pytest.raises(ValueError, match="no cause is named or known in 2 clips"):
            cause_faithfulness([[], None], [[], []])

    def test_one_kind_only(self):
        found = cause_faithfulness([["noise"], [], []], [["noise"], ["noise"], []])
        assert (found["precision_micro"], found["recall_micro"]) == (1, 0.5)
        assert found["kinds"]["noise"]["F1"] == pytest.approx(2 / 3)

    def test_figures_are_those_of_sklearn_on_many_kinds(self, known):
        rng = random.Random(2)
        guesses = [rng.sample(KINDS, rng.randint(0, 3)) for _ in known]
        true, given = (MultiLabelBinarizer(classes=KINDS).fit_transform(rows) for rows in (known, guesses))
        found = cause_faithfulness(guesses, known)
        assert found["F1_micro"] == pytest.approx(f1_score(true, given, average="micro"))
        assert found["F1_macro"] == pytest.approx(f1_score(true, given, average="macro"))


class TestDiversity:
    def test_a_parrot(self):
        found = diversity(["The cause is simulated."] * 480)
        assert found["self_BLEU"] == pytest.approx(100)
        assert found["top_text_share"] == found["top_sentence_share"] == 1
        assert found["distinct_1"] == pytest.approx(4 / (4 * 480))

    def test_one_sentence_in_all_texts_is_seen(self):
        texts = [f"Word{number} thing{number}. It is simulated." for number in range(20)]
        found = diversity(texts)
        assert found["top_sentence"] == "it is simulated"
        assert found["top_sentence_share"] == 1
        assert found["top_text_share"] == 1 / 20

    def test_all_different(self):
        texts = [" ".join(f"w{number}{letter}" for letter in "abcdef") for number in range(10)]
        found = diversity(texts)
        assert found["distinct_1"] == found["distinct_3"] == 1
        assert found["self_BLEU"] < 10

    def test_what_explain_writes_lies_between(self):
        target = explain.Explanation({"mos": 2.0, "noisiness": 1.5}, (Cause("noise", {"snr_db": 5.0}),))
        found = diversity([explain.reasons(target, seed=seed) for seed in range(40)])
        assert 0 < found["top_text_share"] < 0.5
        assert found["self_BLEU"] < 99

    def test_self_bleu_of_a_draw(self):
        texts = [f"a b c d e{number % 7}" for number in range(50)]
        assert diversity(texts, most=10, seed=1) == diversity(texts, most=10, seed=1)

    def test_missing_texts_are_left_out_and_counted(self):
        found = diversity([None, "It hums."])
        assert found["coverage"] == 0.5
        assert found["top_text_share"] == 1
        assert math.isnan(found["self_BLEU"])
        assert math.isnan(diversity([None])["distinct_1"])


class TestWordsMatchNumber:
    def test_what_explain_writes_matches(self):
        scores = [1.0 + 0.2 * step for step in range(21)]
        texts = [explain.reasons(explain.Explanation({"mos": score}), seed=n) for n, score in enumerate(scores)]
        found = words_match_number(texts, scores, "mos")
        assert (found["word_match"], found["sign_match"], found["coverage"]) == (1, 1, 1)

    def test_one_level_off(self):
        found = words_match_number(["The quality is good."], [3.0], "mos")
        assert (found["word_match"], found["word_match_within_one"], found["sign_match"]) == (0, 1, 1)

    def test_praise_beside_a_low_number(self):
        assert words_match_number(["The quality is excellent."], [1.2], "mos")["sign_match"] == 0

    def test_text_without_a_level_does_not_match(self):
        found = words_match_number(["It hums.", None, "The quality is fair."], [3.0, 3.0, 3.0], "mos")
        assert found["word_match"] == pytest.approx(1 / 3)
        assert found["word_match_answered"] == 1
        assert found["coverage"] == pytest.approx(1 / 3)

    def test_number_off_the_scale(self):
        with pytest.raises(ValueError, match=r"mos: 7\.0 is outside 1 to 5"):
            words_match_number(["The quality is fair."], [7.0], "mos")


class TestNamedLevel:
    @pytest.mark.parametrize(
        ("text", "level"),
        [
            ("The noise is bad. Overall the quality is good.", "good"),  # the last one
            ("The quality is poor. Good or bad, who knows.", "poor"),  # two in one sentence tell nothing
            ("The quality is not bad.", None),  # denied
            ("A score of 3.4 is fair.", "fair"),  # the dot of a number ends no sentence
            ("It hums.", None),
        ],
    )
    def test_level(self, text, level):
        assert named_level(text, "mos") == level


class TestSpanOverlap:
    @pytest.mark.parametrize(
        ("given", "truth", "share"),
        [
            ([(0, 1)], [(0, 1)], 1),
            ([(0, 1)], [(2, 3)], 0),
            ([(0, 4)], [(1, 2), (3, 4)], 0.5),  # both true spans inside one
            ([(0, 1), (0.5, 2)], [(0, 2)], 1),  # given spans that overlap count once
            ([], [], 1),  # nothing happens, and it was said
            ([(0, 1)], [], 0),  # invented
            ([], [(0, 1)], 0),  # overlooked
        ],
    )
    def test_share_of_time(self, given, truth, share):
        assert span_overlap([given], [truth])["IoU"] == pytest.approx(share)

    def test_onsets_are_paired_by_overlap(self):
        found = span_overlap([[(5.5, 6.0), (1.0, 2.0)]], [[(0.5, 2.0), (5.0, 6.0), (8.0, 9.0)]])
        assert found["onset_error"] == pytest.approx(0.5)
        assert found["span_recall"] == pytest.approx(2 / 3)

    def test_silence(self):
        found = span_overlap([None, [(0, 1)]], [[], [(0, 1)]])
        assert found["IoU"] == 0.5
        assert found["IoU_answered"] == 1

    def test_backward_span(self):
        with pytest.raises(ValueError, match="item 0: span 2 to 1 s"):
            span_overlap([[(2, 1)]], [[(0, 1)]])
