"""Questions about when something is heard: from the data through training to the answer, over the files that carry them."""

import numpy as np
import pytest
import soundfile
import torch
from tiny import ENCODERS, audio, make_judge, tone
from transformers.decision import DecisionConfig, parse_questions

from audio_judge import AudioJudge, AudioJudgeForCausalLM
from audio_judge.judge.requests import Heard, Request
from audio_judge.messages import clip_state, pair_state
from audio_judge.processing_audio_judge import SpanQuestion
from audio_judge.training.collate import JudgeCollator
from audio_judge.training.sft import supervised_losses

CLICKS = {"type": "span", "instructions": "clicks"}
HUM = {"type": "noul", "instructions": "Is there hum?"}


@pytest.fixture(scope="module", params=ENCODERS)
def heard(request, tmp_path_factory):
    return make_judge(tmp_path_factory.mktemp("backbones"), request.param, span_size=16)


@pytest.fixture(scope="module")
def spanned(tmp_path_factory):
    return make_judge(tmp_path_factory.mktemp("backbones"), span_size=16)


@pytest.fixture(scope="module")
def wav(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "clip.wav"
    soundfile.write(path, tone(2.0), 48_000, subtype="FLOAT")
    return path


def example(clip, spans, **times):
    block = clip_state(clip)[0] | times
    return {"task": "decide", "state": [block], "questions": {"when": CLICKS}, "targets": {"when": spans}, "seed": 3}


def heard_seconds(collator, row):
    """Start and end of what is to be heard, in seconds of what is fed to the encoder."""
    (frames,) = collator([row])["span_targets"].tolist()
    step = len(collator.read_clips(row)[0]) / 48_000 / len(frames)
    marked = [index for index, one in enumerate(frames) if one]
    return (marked[0] * step, (marked[-1] + 1) * step) if marked else None


class TestDecide:
    def test_one_probability_per_frame_of_the_clip(self, heard):
        model, processor = heard
        rate = processor.sampling_rate
        requests = [{"state": [audio(s, rate)], "questions": {"when": CLICKS, "hum": HUM}} for s in (0.5, 1.0)]
        batch, asked = processor.decision_inputs(requests)
        probabilities = model.decide(**batch)
        lengths = model.model.encode_audio(batch["input_features"], batch.get("input_features_mask"))[1].tolist()
        assert [len(probabilities[0]), len(probabilities[2])] == lengths
        assert all(0 <= p <= 1 for p in probabilities[0].tolist())
        assert [type(question) is SpanQuestion for question in asked[0]] == [True, False]

    def test_other_questions_do_not_change(self, spanned):
        model, processor = spanned
        state = [audio(0.7, 48_000)]
        together, _ = processor.decision_inputs([{"state": state, "questions": {"when": CLICKS, "hum": HUM}}])
        alone, _ = processor.decision_inputs([{"state": state, "questions": {"hum": HUM}}])
        torch.testing.assert_close(model.decide(**together)[1], model.decide(**alone)[0], atol=2e-5, rtol=0)

    def test_batch_gives_what_single_requests_give(self, spanned):
        model, processor = spanned
        requests = [{"state": [audio(s, 48_000)], "questions": {"when": CLICKS}} for s in (0.5, 0.9)]
        together = model.decide(**processor.decision_inputs(requests)[0])
        for request, expected in zip(requests, together, strict=True):
            torch.testing.assert_close(
                model.decide(**processor.decision_inputs([request])[0])[0], expected, atol=2e-5, rtol=0
            )

    def test_is_about_the_first_clip_of_its_own_state(self, spanned):
        _, processor = spanned
        pair = pair_state(tone(0.5, 300), tone(0.8, 500))
        single = {"state": [audio(0.6, 48_000, 700)], "questions": {"when": CLICKS}}
        batch, _ = processor.decision_inputs([{"state": pair, "questions": {"when": CLICKS}}, single])
        assert batch["span_clips"] == [0, 2]

    def test_judge_without_the_head_says_so(self, judge):
        model, processor = judge()
        batch, _ = processor.decision_inputs([{"state": [audio(0.5, 48_000)], "questions": {"when": CLICKS}}])
        with pytest.raises(ValueError, match="span_size"):
            model.decide(**batch)

    def test_state_without_a_clip_is_refused(self, spanned):
        with pytest.raises(ValueError, match="holds none"):
            spanned[1].decision_inputs([{"state": "words", "questions": {"when": CLICKS}}])

    def test_criteria_are_refused(self, spanned):
        asked = {"when": CLICKS | {"criteria": {"a": None}}}
        with pytest.raises(ValueError, match=r"'when'.*looks like"):
            spanned[1].decision_inputs([{"state": [audio(0.5, 48_000)], "questions": asked}])

    def test_survives_saving(self, spanned, tmp_path):
        model, processor = spanned
        batch, _ = processor.decision_inputs([{"state": [audio(0.5, 48_000)], "questions": {"when": CLICKS}}])
        model.save_pretrained(tmp_path)
        again = AudioJudgeForCausalLM.from_pretrained(tmp_path)
        # Not to the last bit, which depends on where the weights lie in memory
        torch.testing.assert_close(again.decide(**batch)[0], model.decide(**batch)[0], atol=1e-6, rtol=0)


class TestAnswer:
    def test_runs_of_likely_frames_are_spans(self):
        question = SpanQuestion("when", "noul", "clicks", ["true", "false"], ["Yes", "No"], [None, None], seconds=2.0)
        answer = question.answer([0.1, 0.6, 0.9, 0.2, 0.5])
        spans = [tuple(span.values()) for span in answer["spans"]]
        assert spans == [pytest.approx((0.4, 1.2, 0.9)), pytest.approx((1.6, 2.0, 0.5))]
        assert answer["frame_seconds"] == pytest.approx(0.4)

    def test_nothing_heard_is_no_span(self):
        question = SpanQuestion("when", "noul", "clicks", ["true", "false"], ["Yes", "No"], [None, None], seconds=1.0)
        assert question.answer([0.1, 0.2])["spans"] == []


class TestCollator:
    def test_frames_that_a_span_reaches_into(self, spanned, wav):
        start, end = heard_seconds(JudgeCollator(spanned[1]), example(wav, [[0.5, 0.9]]))
        assert (start, end) == pytest.approx((0.5, 0.9), abs=0.041)

    def test_nothing_to_hear(self, spanned, wav):
        assert heard_seconds(JudgeCollator(spanned[1]), example(wav, [])) is None

    def test_spans_move_with_an_excerpt(self, spanned, wav):
        row = example(wav, [[1.0, 1.2]], start_time=0.8, end_time=1.6)
        assert heard_seconds(JudgeCollator(spanned[1]), row) == pytest.approx((0.2, 0.4), abs=0.041)

    def test_spans_move_with_a_crop(self, spanned, wav):
        collator = JudgeCollator(spanned[1], max_seconds=1.2, random_crop=True)
        row = example(wav, [[0.9, 1.1]])
        whole, _ = soundfile.read(wav, dtype="float32")
        (clip,) = collator.read_clips(row)
        left_out = int(np.argmin([np.abs(whole[i : i + 999] - clip[:999]).sum() for i in range(len(whole) - 57_600)]))
        assert left_out > 0
        assert heard_seconds(collator, row)[0] == pytest.approx(0.9 - left_out / 48_000, abs=0.041)

    def test_mixes_with_other_questions_and_text(self, spanned, wav):
        text = {
            "prompt": [{"role": "user", "content": clip_state(wav)}],
            "completion": [{"role": "assistant", "content": "3.4"}],
        }
        other = example(wav, [])
        other |= {"questions": {"hum": HUM, "when": CLICKS}, "targets": {"hum": [1.0, 0.0], "when": [[0.0, 0.1]]}}
        batch = JudgeCollator(spanned[1])([text, other, example(wav, [])])
        assert batch["span_marks"][:, 0].tolist() == [1, 2]
        assert batch["span_marks"][:, 2].tolist() == [1, 2]
        assert len(batch["marks"]) == 1


class TestExcerpts:
    def test_only_the_rated_part_is_heard(self, spanned, wav):
        (clip,) = JudgeCollator(spanned[1]).read_clips(example(wav, [], start_time=0.25, end_time=1.0))
        whole, _ = soundfile.read(wav, dtype="float32")
        np.testing.assert_array_equal(clip, whole[12_000:48_000])


class TestTraining:
    def test_loss_is_cross_entropy_over_the_real_frames(self, spanned, wav):
        model, processor = spanned
        batch = JudgeCollator(processor)([example(wav, [[0.5, 0.9]])])
        (expected,) = model.decide(
            **processor.decision_inputs([{"state": [audio(2.0, 48_000)], "questions": {"when": CLICKS}}])[0]
        )
        targets = batch["span_targets"][0]
        by_hand = -(targets * expected.log() + (1 - targets) * (1 - expected).log()).mean()
        torch.testing.assert_close(supervised_losses(model, batch).span[0].detach(), by_hand, atol=1e-4, rtol=0)

    def test_padding_of_a_shorter_clip_does_not_count(self, spanned, wav):
        model, processor = spanned
        rows = [example(wav, [[0.1, 0.3]], end_time=0.7), example(wav, [[0.1, 0.3]])]
        together = supervised_losses(model, JudgeCollator(processor)(rows)).span
        alone = supervised_losses(model, JudgeCollator(processor)(rows[:1])).span
        torch.testing.assert_close(together[0], alone[0], atol=2e-5, rtol=0)

    def test_learns_where_a_tone_is(self, tmp_path):
        torch.manual_seed(0)
        model, processor = make_judge(tmp_path / "backbones", span_size=16)
        rows = []
        for index, start in enumerate((0.2, 0.5, 0.8, 1.1)):
            samples = 0.003 * np.random.default_rng(index).standard_normal(72_000).astype(np.float32)
            samples[int(start * 48_000) : int((start + 0.3) * 48_000)] += tone(0.3, 2000)
            soundfile.write(tmp_path / f"{index}.wav", samples, 48_000, subtype="FLOAT")
            rows.append(example(tmp_path / f"{index}.wav", [[start, start + 0.3]]))
        batch = JudgeCollator(processor)(rows)
        optimizer = torch.optim.Adam(model.parameters(), 3e-3)
        losses = []
        for _ in range(40):
            loss = supervised_losses(model, batch).span.mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 0.3 * losses[0]


class TestJudge:
    def test_spans_of_a_long_clip_are_in_seconds_of_the_whole(self, spanned):
        model, processor = spanned
        processor.window_seconds = 1.0
        answer = AudioJudge(model, processor).decide((tone(2.5), 48_000), {"when": CLICKS, "hum": HUM})["when"]
        assert len(answer["probabilities"]) * answer["frame_seconds"] == pytest.approx(2.5, abs=0.1)
        assert all(0 <= span["start"] < span["end"] <= 2.51 for span in answer["spans"])

    def test_spans_of_a_part_are_in_seconds_of_the_whole(self, spanned, monkeypatch):
        judge = AudioJudge(*spanned)
        monkeypatch.setattr(
            judge.reader, "decide", lambda states, _: [Heard({"when": np.array([0.0, 1.0])}) for _ in states]
        )
        part = Request((tone(3.0), 48_000), start_time=1.0, end_time=2.0)
        assert judge.decide(part, {"when": CLICKS})["when"]["spans"] == [
            {"start": pytest.approx(1.5), "end": pytest.approx(2.0), "probability": 1.0}
        ]


class TestElsewhere:
    def test_transformers_own_reading_of_questions_takes_no_span(self):
        # What docs/serving.md says of the pipeline and the server, which read questions by this before they ask a model
        with pytest.raises(ValueError, match="`type` must be one of noul, choice, score, got 'span'"):
            parse_questions({"gaps": {"type": "span", "instructions": "dropout"}}, DecisionConfig())
