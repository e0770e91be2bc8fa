"""Answers that are read, not written: `decide` and `candidate_log_probabilities`."""

import pytest
import torch
from tiny import ENCODERS, audio, chat_inputs, make_judge
from transformers import pipeline
from transformers.decision import DecisionConfig

from audio_judge import AudioJudgeForCausalLM
from audio_judge.modeling_audio_judge import AudioJudgeModel

each_encoder = pytest.mark.parametrize("kind", ENCODERS)
TOLERANCE = 1e-5  # of probabilities

QUESTIONS = {
    "noise": {"type": "score", "instructions": "How noisy?", "criteria": ["bad", "poor", "fair", "good", "excellent"]},
    "clear": {"type": "noul", "instructions": "Is it clear?"},
    "kind": {
        "type": "choice",
        "instructions": "Which?",
        "criteria": {"speech": None, "music": "with a tune", "x": "none"},
    },
}


def a_request(processor, *seconds, names=tuple(QUESTIONS), text="rate"):
    """A decision request about one tone per length."""
    clips = [audio(s, processor.sampling_rate, 300.0 + 400 * s) for s in seconds]
    return {"state": [*clips, {"type": "text", "text": text}], "questions": {name: QUESTIONS[name] for name in names}}


def answers_to(model, processor, *requests, **changes):
    """The probabilities of each question of each request, by name, from one batch."""
    batch, questions = processor.decision_inputs(list(requests))
    found = iter(model.decide(**batch | changes))
    return [{question.name: next(found) for question in asked} for asked in questions]


def assert_same(answers, expected, atol=TOLERANCE):
    assert answers.keys() <= expected.keys()
    for name, probabilities in answers.items():
        torch.testing.assert_close(probabilities, expected[name], atol=atol, rtol=0)


class TestDecide:
    @each_encoder
    @pytest.mark.parametrize("adapter", ["pooled_linear", "bottleneck"])
    def test_a_question_is_answered_as_if_asked_alone(self, judge, kind, adapter):
        model, processor = judge(kind, adapter)
        [together] = answers_to(model, processor, a_request(processor, 0.6))
        for name in QUESTIONS:
            [alone] = answers_to(model, processor, a_request(processor, 0.6, names=[name]))
            assert_same(alone, together)

    def test_order_of_the_questions(self, judge):
        model, processor = judge()
        [there] = answers_to(model, processor, a_request(processor, 0.6))
        [back] = answers_to(model, processor, a_request(processor, 0.6, names=list(QUESTIONS)[::-1]))
        assert_same(back, there)

    def test_questions_matter(self, judge):
        """Else all of the above would hold of a model that does not listen."""
        model, processor = judge()
        request = a_request(processor, 0.6, names=["clear"])
        other = request | {"questions": {"clear": {"type": "noul", "instructions": "Is it loud?"}}}
        clip = a_request(processor, 0.9, names=["clear"])
        [one], [two], [three] = (answers_to(model, processor, each) for each in (request, other, clip))
        assert (one["clear"] - two["clear"]).abs().max() > 1e-3
        assert (one["clear"] - three["clear"]).abs().max() > 1e-3

    @each_encoder
    @pytest.mark.parametrize("adapter", ["pooled_linear", "bottleneck"])
    def test_batch_equals_each_request_alone(self, judge, kind, adapter):
        model, processor = judge(kind, adapter)
        requests = [
            a_request(processor, 0.6),
            a_request(processor, 1.1, 0.4, names=["clear"], text="rate this audio"),
            a_request(processor, names=["kind", "noise"], text="no clip at all"),
        ]
        together = answers_to(model, processor, *requests)
        for request, answers in zip(requests, together, strict=True):
            assert_same(answers, answers_to(model, processor, request)[0])

    @pytest.mark.parametrize("attention", ["sdpa", "eager"])
    def test_padding_on_the_left(self, backbones, attention):
        model, processor = make_judge(backbones)
        model.set_attn_implementation(attention)
        requests = [a_request(processor, 0.6), a_request(processor, 1.1, 0.4, names=["clear"], text="rate this")]
        batch, _ = processor.decision_inputs(requests)
        expected = model.decide(**batch)
        shifts = (batch["attention_mask"] == 0).sum(1)
        left = {}
        for name in ("input_ids", "attention_mask"):
            rows = zip(batch[name], shifts.tolist(), strict=True)
            left[name] = torch.stack([row.roll(shift) for row, shift in rows])
        left["marks"] = batch["marks"].clone()
        left["marks"][:, 1] += shifts[batch["marks"][:, 0]]
        assert shifts.max() > 5
        for found, probabilities in zip(model.decide(**batch | left), expected, strict=True):
            torch.testing.assert_close(found, probabilities, atol=TOLERANCE, rtol=0)

    def test_one_probability_per_option_which_sum_to_one(self, judge):
        model, processor = judge()
        [answers] = answers_to(model, processor, a_request(processor, 0.6))
        assert {name: len(row) for name, row in answers.items()} == {"noise": 5, "clear": 2, "kind": 3}
        for row in answers.values():
            assert row.sum().item() == pytest.approx(1.0, abs=1e-6)
            assert row.min() > 0

    def test_equals_the_logits_of_an_ordinary_prompt(self, judge):
        """One question, positions and mask written out by hand: nothing of the separation is left to see."""
        model, processor = judge()
        batch, _ = processor.decision_inputs([a_request(processor, 0.6, names=["noise"])])
        plain = {name: batch[name] for name in ("input_ids", "input_features", "input_features_mask")}
        mask = torch.full((1, 1, *[batch["input_ids"].shape[1]] * 2), torch.finfo(torch.float32).min).triu(1)
        embeddings = model.get_input_embeddings()(plain.pop("input_ids"))
        placeholder = batch["input_ids"] == processor.audio_token_id
        with torch.no_grad():
            embeddings[placeholder] = model.get_audio_features(**plain).pooler_output
            logits = model(inputs_embeds=embeddings, attention_mask=mask).logits[0, batch["marks"][0, 1]]
        expected = logits[batch["option_ids"][0]].softmax(-1)
        torch.testing.assert_close(model.decide(**batch)[0], expected, atol=TOLERANCE, rtol=0)

    def test_temperature_flattens(self, judge):
        model, processor = judge()
        request = a_request(processor, 0.6, names=["noise"])
        [sharp], [flat] = (answers_to(model, processor, request, temperatures=[t]) for t in (1.0, 3.0))
        torch.testing.assert_close(flat["noise"], (sharp["noise"].log() / 3).softmax(-1))

    def test_temperature_of_the_decision_config(self, backbones):
        model, processor = make_judge(backbones)
        request = a_request(processor, 0.6)
        [before] = answers_to(model, processor, request)
        processor.decision_config.temperature["noul"] = 4.0
        [after] = answers_to(model, processor, request)
        torch.testing.assert_close(after["clear"], (before["clear"].log() / 4).softmax(-1))
        assert torch.equal(after["noise"], before["noise"])

    def test_other_decision_config(self, backbones):
        model, processor = make_judge(backbones)
        request = a_request(processor, 0.6, names=["clear"])
        [before] = answers_to(model, processor, request)
        template = processor.decision_config.chat_template
        processor.decision_config = DecisionConfig(labels={"noul": ["B", "A"]}, chat_template=template)
        [after] = answers_to(model, processor, request)
        assert (after["clear"] - before["clear"]).abs().max() > 1e-3

    def test_no_temperatures_means_one(self, judge):
        model, processor = judge()
        batch, _ = processor.decision_inputs([a_request(processor, 0.6)])
        expected = model.decide(**batch)
        del batch["temperatures"]
        assert all(torch.equal(a, b) for a, b in zip(model.decide(**batch), expected, strict=True))

    def test_flash_attention_is_refused(self, backbones):
        model, processor = make_judge(backbones)
        model.model.language_model.config._attn_implementation = "flash_attention_2"
        with pytest.raises(ValueError, match="attn_implementation='sdpa'"):
            answers_to(model, processor, a_request(processor, 0.6))

    def test_marks_in_any_order(self, judge):
        """Prompts of a batch hold unlike numbers of questions; states are read where the marks say."""
        model, processor = judge()
        batch, _ = processor.decision_inputs([a_request(processor, 0.6), a_request(processor, 0.9, names=["clear"])])
        expected, back = model.decide(**batch), torch.arange(len(batch["marks"])).flip(0)
        batch |= {"marks": batch["marks"][back], "option_ids": batch["option_ids"][::-1]}
        for found, probabilities in zip(model.decide(**batch), expected[::-1], strict=True):
            torch.testing.assert_close(found, probabilities, atol=TOLERANCE, rtol=0)

    def test_gradients_of_separated_questions(self, judge):
        """The forward of training goes through the same separation, and through all of the last layer."""
        model, processor = judge()
        batch, _ = processor.decision_inputs([a_request(processor, 0.6)])
        names = ("input_ids", "attention_mask", "input_features", "input_features_mask")
        logits = model(**{name: batch[name] for name in names}).logits[0, batch["marks"][:, 1]]
        for row, ids, expected in zip(logits, batch["option_ids"], model.decide(**batch), strict=True):
            torch.testing.assert_close(row[ids].softmax(-1), expected, atol=TOLERANCE, rtol=0)

    @pytest.mark.parametrize("attention", ["sdpa", "eager"])
    def test_last_layer_at_the_marks_equals_the_whole(self, backbones, attention, monkeypatch):
        """What is left out for a Llama is what nobody reads; other decoders run whole."""
        model, processor = make_judge(backbones)
        model.set_attn_implementation(attention)
        batch, _ = processor.decision_inputs(
            [a_request(processor, 0.6), a_request(processor, 1.1, 0.4, names=["clear"])]
        )
        found = model.decide(**batch)
        monkeypatch.setattr(AudioJudgeModel, "_skips_unread_tokens", lambda *_: False)
        for row, expected in zip(found, model.decide(**batch), strict=True):
            torch.testing.assert_close(row, expected, atol=TOLERANCE, rtol=0)


class TestPipeline:
    @each_encoder
    @pytest.mark.parametrize("adapter", ["pooled_linear", "bottleneck"])
    def test_stock_pipeline_gives_the_same_answers(self, judge, kind, adapter):
        model, processor = judge(kind, adapter)
        parts = {"model": model, "processor": processor, "tokenizer": processor.tokenizer}
        decide = pipeline("decision", **parts, decision_config=processor.decision_config)
        request = a_request(processor, 0.6, 0.9)
        self.assert_equal(decide(request), model, processor, request)

    @each_encoder
    @pytest.mark.parametrize("adapter", ["pooled_linear", "bottleneck"])
    def test_long_clips_are_heard_in_windows(self, judge, monkeypatch, kind, adapter):
        """Also by the encoders of others, with two clips in a prompt, the rest of a window, and more than one pass."""
        model, processor = judge(kind, adapter)
        monkeypatch.setattr(processor, "window_seconds", 0.5)
        decide = pipeline(
            "decision", model=model, processor=processor, tokenizer=processor.tokenizer,
            decision_config=processor.decision_config,
        )  # fmt: skip
        request = a_request(processor, 4.8, 1.0)
        assert len(processor.windows(request["state"])) == 9
        self.assert_equal(decide(request), model, processor, request)
        parts = processor.windows(request["state"])
        assert decide(request)["noise"]["score"] != pytest.approx(
            decide({**request, "state": parts[0]})["noise"]["score"], abs=1e-4
        )

    def test_of_a_loaded_judge(self, judge, tmp_path):
        model, processor = judge()
        model.save_pretrained(tmp_path)
        processor.save_pretrained(tmp_path)
        loaded = AudioJudgeForCausalLM.from_pretrained(tmp_path)
        decide = pipeline("decision", model=loaded, processor=processor, tokenizer=processor.tokenizer)
        request = a_request(processor, 0.6)
        self.assert_equal(decide(request), model, processor, request)

    @staticmethod
    def assert_equal(answers, model, processor, request):
        batch, questions = processor.decision_inputs([request])
        [expected] = processor.answers(questions, model.decide(**batch))
        assert answers.keys() == expected.keys() == QUESTIONS.keys()
        assert answers["clear"]["noul"] == pytest.approx(expected["clear"]["noul"], abs=TOLERANCE)
        for name in ("noise", "kind"):
            assert answers[name]["probabilities"] == pytest.approx(expected[name]["probabilities"], abs=TOLERANCE)

    def test_answers_have_the_system_one_shape(self, judge):
        model, processor = judge()
        batch, questions = processor.decision_inputs([a_request(processor, 0.6)])
        [answers] = processor.answers(questions, model.decide(**batch))
        levels = answers["noise"]["probabilities"]
        assert answers["noise"]["score"] == pytest.approx(sum(int(level) * p for level, p in levels.items()))
        assert answers["noise"]["legend"]["4"] == "excellent"
        assert answers["kind"]["choice"] in QUESTIONS["kind"]["criteria"]
        assert set(answers["clear"]) == {"type", "noul"}


class TestCandidateLogProbabilities:
    DECIMALS = tuple(f"{value / 10:.1f}" for value in range(10, 51))

    @staticmethod
    def ids_of(processor, texts):
        return [processor.tokenizer(text + processor.end_of_turn, add_special_tokens=False).input_ids for text in texts]

    @staticmethod
    @torch.no_grad()
    def brute_force(model, inputs, candidates):
        """Each candidate in a forward pass of its own, without padding or cache."""
        scores = []
        for ids in candidates:
            prompt = inputs["input_ids"]
            whole = torch.cat([prompt, torch.tensor([ids])], dim=1)
            logits = model(**inputs | {"input_ids": whole, "attention_mask": torch.ones_like(whole)}).logits[0]
            steps = logits[prompt.shape[1] - 1 : -1].log_softmax(-1)
            scores.append(steps.gather(1, torch.tensor(ids)[:, None]).sum())
        return torch.stack(scores)

    @pytest.mark.parametrize("merge_digits", [False, True])
    @pytest.mark.parametrize("adapter", ["pooled_linear", "bottleneck"])
    def test_equals_brute_force_in_a_batch(self, judge, adapter, merge_digits):
        model, processor = judge("audio_judge_encoder", adapter, True, merge_digits)
        texts = ("1.0", "3.4", "5.0", "5", "good", "12345.0")
        candidates = self.ids_of(processor, texts)
        assert len(candidates[1]) == (2 if merge_digits else 4)  # with the end of turn
        rate = processor.sampling_rate
        prompts = [
            [audio(0.6, rate), {"type": "text", "text": "rate"}],
            [audio(1.1, rate), audio(0.4, rate), {"type": "text", "text": "rate this audio please"}],
        ]
        inputs = chat_inputs(processor, *prompts)
        assert inputs["attention_mask"][0, 0] == 0
        scores = model.candidate_log_probabilities(candidates=candidates, **inputs)
        for row, prompt in zip(scores, prompts, strict=True):
            expected = self.brute_force(model, chat_inputs(processor, prompt), candidates)
            torch.testing.assert_close(row, expected, atol=1e-4, rtol=0)

    def test_single_token_candidates(self, judge):
        model, processor = judge()
        inputs = chat_inputs(processor, [audio(0.6, 48_000)])
        candidates = [[5], [9], [70]]
        scores = model.candidate_log_probabilities(candidates=candidates, **inputs)
        torch.testing.assert_close(scores[0], self.brute_force(model, inputs, candidates), atol=1e-4, rtol=0)

    def test_what_they_have_in_common_is_read_once(self, judge, monkeypatch):
        model, processor = judge()
        inputs, fed = chat_inputs(processor, [audio(0.6, 48_000)]), []
        forward = type(model).forward
        monkeypatch.setattr(type(model), "forward", lambda self, ids, **kw: fed.append(ids) or forward(self, ids, **kw))
        model.candidate_log_probabilities(candidates=self.ids_of(processor, self.DECIMALS), **inputs)
        # After the prompt "1." to "5.", of two tokens each, then every last digit, whose end is read after it
        assert [tuple(ids.shape) for ids in fed[1:]] == [(5, 2), (41, 1)]

    def test_without_a_mask(self, judge):
        model, processor = judge()
        inputs = chat_inputs(processor, [audio(0.6, 48_000)])
        candidates = self.ids_of(processor, ["1.0", "5"])
        expected = model.candidate_log_probabilities(candidates=candidates, **inputs)
        del inputs["attention_mask"]
        assert torch.equal(model.candidate_log_probabilities(candidates=candidates, **inputs), expected)

    @pytest.mark.parametrize("merge_digits", [False, True])
    def test_expectation_over_the_decimals_is_a_rating(self, judge, merge_digits):
        model, processor = judge("audio_judge_encoder", "pooled_linear", True, merge_digits)
        inputs = chat_inputs(processor, [audio(0.6, 48_000)], [audio(0.9, 48_000)])
        scores = model.candidate_log_probabilities(candidates=self.ids_of(processor, self.DECIMALS), **inputs)
        assert scores.shape == (2, 41)
        assert scores.exp().sum(1).max() <= 1
        ratings = scores.softmax(-1) @ torch.tensor([float(text) for text in self.DECIMALS])
        assert ((ratings > 1) & (ratings < 5)).all()

    def test_probabilities_of_all_tokens_sum_to_one(self, judge):
        model, processor = judge()
        inputs = chat_inputs(processor, [audio(0.6, 48_000)])
        every = [[token] for token in range(len(processor.tokenizer))]
        assert model.candidate_log_probabilities(candidates=every, **inputs).exp().sum().item() == pytest.approx(
            1, abs=1e-5
        )
