import json
import types
import warnings

import numpy as np
import pytest
import soundfile
import torch
from tiny import make_judge, tone
from transformers import pipeline

from audio_judge.audio import AudioError
from audio_judge.judge.identity import UntrainedRubricWarning
from audio_judge.judge.judge import AudioJudge, _gains_from_half
from audio_judge.judge.reader import _shared_out
from audio_judge.judge.requests import Request
from audio_judge.messages import clip_state, text_messages
from audio_judge.rubrics.rubric import HUNDRED, RUBRICS, Rubric
from audio_judge.tasks import score

QUESTIONS = {
    "noisy": {"type": "score", "instructions": "How noisy is it?", "criteria": ["very", "somewhat", "not"]},
    "hum": {"type": "noul", "instructions": "Is there hum?"},
    "kind": {"type": "choice", "instructions": "What is it?", "criteria": {"speech": None, "music": "a song"}},
}


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    return AudioJudge(*make_judge(tmp_path_factory.mktemp("judge")), name="tiny", revision="r1")


@pytest.fixture(scope="module")
def decimal_judge(tmp_path_factory):
    model, processor = make_judge(tmp_path_factory.mktemp("decimal"))
    processor.answer_form = "decimal"
    return AudioJudge(model, processor)


@pytest.fixture
def wav(tmp_path):
    path = tmp_path / "clip.wav"
    soundfile.write(path, tone(1.3), 48_000)
    return path


class TestScore:
    def test_single_clip_has_the_five_rubrics(self, judge, wav):
        judgement = judge.score(wav)
        assert list(judgement.scores) == list(RUBRICS)
        assert (judgement.clip, judgement.model, judgement.revision) == (str(wav), "tiny", "r1")
        assert judgement.seconds == pytest.approx(1.3)
        assert judgement.timeline == ()

    def test_value_and_std_are_those_of_the_shares(self, judge, wav):
        overall = judge.score(wav)["mos"]
        shares = np.array(list(overall.shares.values()))
        assert shares.sum() == pytest.approx(1)
        assert overall.value == pytest.approx(shares @ np.arange(1, 6))
        assert overall.std == pytest.approx(np.sqrt(shares @ (np.arange(1, 6) - overall.value) ** 2))
        assert overall.level == max(overall.shares, key=overall.shares.get)

    @pytest.mark.parametrize(
        "form",
        ["path", "pair", "row", "int16", "other rate", "bytes", "tensor", "channels", "data set", "data set bytes"],
    )
    def test_every_form_of_a_clip_gets_the_same_score(self, judge, wav, form):
        samples, rate = soundfile.read(wav, dtype="float32")
        integers, _ = soundfile.read(wav, dtype="int16")
        clip = {
            "path": str(wav),
            "pair": (samples, rate),
            "row": {"array": samples, "sampling_rate": rate},
            "int16": (integers, rate),
            "other rate": (tone(1.3, sampling_rate=44_100), 44_100),
            "bytes": wav.read_bytes(),
            "tensor": (torch.from_numpy(samples), rate),
            "channels": (torch.from_numpy(np.stack([samples, samples])), rate),
            "data set": {"id": 7, "audio": {"path": None, "array": samples, "sampling_rate": rate}},
            "data set bytes": {"audio": {"path": "clip.wav", "bytes": wav.read_bytes()}, "mos": 3.0},
        }[form]
        tolerance = 0.05 if form == "other rate" else 1e-5  # the encoder hears a little of the resampler
        assert judge.score(clip)["mos"].value == pytest.approx(judge.score(wav)["mos"].value, abs=tolerance)

    def test_list_keeps_order_and_equals_one_by_one(self, judge, wav):
        clips = [wav, (tone(0.7, 300), 48_000), (tone(2.0, 900), 48_000)]
        together = judge.score(clips, batch_size=2)
        alone = [judge.score(clip) for clip in clips]
        for batched, single in zip(together, alone, strict=True):
            assert batched["noisiness"].value == pytest.approx(single["noisiness"].value, abs=1e-5)

    def test_bad_clip_is_one_error_among_the_others(self, judge, wav, tmp_path):
        (tmp_path / "text.wav").write_text("this is no audio")
        judgements = judge.score([wav, tmp_path / "text.wav", tmp_path / "missing.wav", wav])
        assert [judgement.error is None for judgement in judgements] == [True, False, False, True]
        assert "text.wav" in judgements[1].error
        assert "missing.wav" in judgements[2].error

    @pytest.mark.parametrize("batch_size", [1, 3, 8])
    @pytest.mark.parametrize("ask", ["score", "decide", "assess"])
    def test_clip_that_fails_a_batch_is_one_error_among_the_others(self, judge, wav, monkeypatch, ask, batch_size):
        decide = judge.reader.decide

        def failing(states, asked):
            if any(block["audio"].max() > 0.85 for state in states for block in state if block["type"] == "audio"):
                raise RuntimeError("a tensor is too small\nin detail")
            return decide(states, asked)

        clips = [wav, (0.9 * np.sign(tone(1.0)), 48_000), wav, wav]
        monkeypatch.setattr(judge.reader, "decide", failing)
        what = (clips, QUESTIONS) if ask == "decide" else (clips,)
        said = getattr(judge, ask)(*what, batch_size=batch_size)
        errors = [one.get("error") if isinstance(one, dict) else one.error for one in said]
        assert errors == [None, "array: cannot be judged (RuntimeError: a tensor is too small)", None, None]

    def test_words_that_fail_a_batch_are_one_error_among_the_others(self, judge, wav, monkeypatch):
        write = judge.reader._write

        def failing(begun, *rest):
            if len(begun) > 1 or max(block["audio"].max() for block in begun[0][0]() if "audio" in block) > 0.85:
                raise IndexError("out of range")
            return write(begun, *rest)

        monkeypatch.setattr(judge.reader, "_write", failing)
        said = judge.explain([wav, (0.9 * np.sign(tone(1.0)), 48_000), wav])
        assert [one.error for one in said] == [None, "array: cannot be judged (IndexError: out of range)", None]

    def test_too_little_memory_is_no_fault_of_a_clip(self, judge, wav, monkeypatch):
        def failing(**_):
            raise torch.OutOfMemoryError

        monkeypatch.setattr(judge.model, "decide", failing)
        with pytest.raises(torch.OutOfMemoryError):
            judge.score([wav, wav])

    def test_single_bad_clip_raises(self, judge, tmp_path):
        with pytest.raises(AudioError, match=r"missing\.wav"):
            judge.score(tmp_path / "missing.wav")

    def test_long_clip_is_the_length_weighted_mean_of_its_windows(self, judge):
        samples = np.concatenate([tone(10, 300), tone(10, 3000), tone(3, 900)])
        judgement = judge.score((samples, 48_000))
        parts = [judge.score((part, 48_000)) for part in np.split(samples, [480_000, 960_000])]
        expected = np.average([part["mos"].value for part in parts], weights=[10, 10, 3])
        assert judgement["mos"].value == pytest.approx(expected, abs=1e-5)
        assert [(window.start, window.end) for window in judgement.timeline] == [(0, 10), (10, 20), (20, 23)]
        assert judgement.timeline[1].scores["mos"] == pytest.approx(parts[1]["mos"].value, abs=1e-5)

    def test_reference_is_heard(self, judge, wav):
        louder = tone(1.3) + 0.1 * tone(1.3, 2000)
        alone = judge.score(wav, rubric="mos")
        beside = judge.score(wav, reference=(louder, 48_000), rubric="mos")
        assert not beside.warnings
        assert alone["mos"].value != beside["mos"].value

    def test_other_scale_is_the_same_reading(self, judge, wav):
        five, hundred = judge.score(wav)["mos"], judge.score(wav, scale=HUNDRED)["mos"]
        assert hundred.value == pytest.approx((five.value - 1) * 25)
        assert hundred.std == pytest.approx(five.std * 25)

    def test_a_scale_in_words_is_refused(self, judge, wav):
        with pytest.raises(TypeError, match=r"scale='0-100': a Scale is needed, such as read_scale"):
            judge.score(wav, scale="0-100")

    def test_own_rubric(self, judge, wav):
        warmth = Rubric("warmth", "How warm the voice is.", low=1, high=10, levels=("cold", "warm"))
        judged = judge.score(wav, rubric=warmth)["warmth"]
        assert judged.value == pytest.approx(1 + 9 * judged.shares["warm"])

    def test_part_of_a_clip(self, judge, wav):
        samples, rate = soundfile.read(wav, dtype="float32")
        part = judge.score(Request(wav, start_time=0.5, end_time=1.0))
        assert part["mos"].value == pytest.approx(judge.score((samples[24_000:48_000], rate))["mos"].value)

    def test_part_is_cut_from_the_reference_too(self, judge):
        clip, clean = tone(6.0, 300), tone(6.0, 700)
        part = Request((clip, 48_000), (clean, 48_000), start_time=3.0, end_time=5.0)
        cut = judge.score((clip[144_000:240_000], 48_000), reference=(clean[144_000:240_000], 48_000))
        assert judge.score(part)["mos"].value == pytest.approx(cut["mos"].value)

    def test_rubric_alone_equals_rubric_among_five(self, judge, wav):
        alone, among = judge.score(wav, rubric="loudness"), judge.score(wav)
        assert alone["loudness"].value == pytest.approx(among["loudness"].value, abs=1e-5)

    @pytest.mark.parametrize("listener", ["elderly", "opera singer"])
    def test_listener_is_part_of_the_request(self, judge, wav, listener):
        heard = judge.score(wav, rubric="mos", listener=listener)
        assert heard["mos"].value != judge.score(wav, rubric="mos")["mos"].value

    def test_name_of_a_listener_and_its_words_are_the_same_request(self, judge, wav):
        heard = [judge.score(wav, rubric="mos", listener=listener) for listener in ("elderly", "elderly listener")]
        assert heard[0] == heard[1]

    def test_empty_listener_is_refused(self, judge, wav):
        with pytest.raises(ValueError, match="empty listener profile"):
            judge.score(wav, listener=" ")

    def test_same_call_gives_the_same_answer(self, judge, wav):
        assert judge.score(wav) == judge.score(wav)

    def test_half_precision_is_close(self, tmp_path_factory, wav, judge):
        model, processor = make_judge(tmp_path_factory.mktemp("half"))
        half = AudioJudge(model.to(torch.bfloat16), processor).score(wav)
        assert half["mos"].value == pytest.approx(judge.score(wav)["mos"].value, abs=0.05)

    def test_too_few_references_are_refused(self, judge, wav):
        with pytest.raises(ValueError, match="2 clips but 1 references"):
            judge.score([wav, wav], reference=[wav])


class TestTrainedRubrics:
    @pytest.fixture
    def taught(self, judge):
        judge.processor.trained_rubrics = ["mos", "naturalness"]
        yield AudioJudge(judge.model, judge.processor, name="tiny")
        judge.processor.trained_rubrics = None

    def test_judge_names_them(self, taught):
        assert taught.rubrics == ("mos", "naturalness")

    def test_profile_scores_them_all(self, taught, wav):
        assert list(taught.profile(wav).scores) == ["mos", "naturalness"]

    def test_profile_of_a_judge_that_does_not_say(self, judge, wav):
        assert judge.rubrics == ()
        assert list(judge.profile(wav).scores) == list(RUBRICS)

    def test_untrained_rubric_is_warned_about_once(self, taught, wav):
        with pytest.warns(UntrainedRubricWarning, match="not trained on 'loudness'.*mos, naturalness") as said:
            taught.score(wav, rubric="loudness")
        assert said[0].filename == __file__  # and no line of the package, or of a progress bar between
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            taught.score(wav, rubric=["loudness", "mos"])

    def test_nothing_is_said_where_nothing_is_known(self, judge, wav):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            judge.score(wav, rubric="production_quality")

    def test_they_are_saved(self, taught, tmp_path):
        taught.processor.save_pretrained(tmp_path)
        assert type(taught.processor).from_pretrained(tmp_path).trained_rubrics == ["mos", "naturalness"]

    def test_config_without_them_loads(self, judge, tmp_path):
        judge.processor.save_pretrained(tmp_path)
        config = tmp_path / "processor_config.json"
        values = json.loads(config.read_text())
        values.pop("trained_rubrics")
        values.pop("trained_faults")
        config.write_text(json.dumps(values))
        loaded = type(judge.processor).from_pretrained(tmp_path)
        assert (loaded.trained_rubrics, loaded.trained_faults) == (None, False)


class TestReward:
    def test_is_the_goodness_of_the_score(self, judge, wav):
        samples, rate = soundfile.read(wav, dtype="float32")
        expected = (judge.score(wav, rubric="mos")["mos"].value - 1) / 4
        assert judge.reward([samples, torch.from_numpy(samples)], rate) == pytest.approx([expected] * 2)

    def test_rubric_with_a_bad_high_end_is_turned_round(self, judge):
        batch = torch.from_numpy(np.stack([tone(1.0), tone(1.0, 900)]))
        value = judge.score((tone(1.0), 48_000), rubric="reverberation")["reverberation"].value
        assert judge.reward(batch, 48_000, rubric="reverberation")[0] == pytest.approx((5 - value) / 4)

    def test_several_rubrics_count_alike(self, judge):
        alone = [judge.reward([tone(1.0)], 48_000, rubric=name)[0] for name in ("mos", "loudness")]
        assert judge.reward([tone(1.0)], 48_000, rubric=["mos", "loudness"])[0] == pytest.approx(np.mean(alone))

    def test_audio_that_cannot_be_judged_gets_nothing(self, judge):
        broken = [np.full(48_000, np.nan), np.zeros(10), np.zeros(0), 100 * tone(1.0), tone(1.0)]
        rewards = judge.reward(broken, 48_000)
        assert rewards[:4] == [0.0] * 4
        assert 0 < rewards[4] <= 1

    def test_single_clip_is_refused(self, judge):
        with pytest.raises(ValueError, match=r"shape \(48000,\)"):
            judge.reward(torch.zeros(48_000), 48_000)


class TestCalibrate:
    def test_scores_become_those_of_the_listeners(self, judge):
        clips = [(tone(1.0, frequency), 48_000) for frequency in (200, 700, 1500, 4000)]
        readings = [judgement["mos"].value for judgement in judge.score(clips, rubric="mos")]
        ratings = [float(rating) for rating in np.interp(readings, [min(readings), max(readings)], [1.5, 4.5])]
        rubric = judge.calibrate("mos", list(zip(clips, ratings, strict=True)))
        judged = [judgement["mos"] for judgement in judge.score(clips, rubric=rubric)]
        assert [score.value for score in judged] == pytest.approx(ratings, abs=1e-3)
        assert all(score.level == max(score.shares, key=score.shares.get) for score in judged)

    def test_scale_and_shares_follow(self, judge):
        clips = [(tone(1.0, frequency), 48_000) for frequency in (200, 700, 1500)]
        readings = [judgement["mos"] for judgement in judge.score(clips, rubric="mos")]
        ratings = [float(r) for r in 3 + 2 * (np.array([r.value for r in readings]) - readings[0].value)]
        rubric = judge.calibrate("mos", list(zip(clips, ratings, strict=True)))
        score = judge.score(clips[0], rubric=rubric, scale=HUNDRED)["mos"]
        assert score.value == pytest.approx(50, abs=0.01)
        shares = np.array(list(score.shares.values()))
        levels = np.linspace(0, 100, 5)
        assert score.value == pytest.approx(shares @ levels)
        assert score.std == pytest.approx(np.sqrt(shares @ (levels - score.value) ** 2))

    def test_calibrated_rubric_of_another_judge_is_warned_about(self, judge, wav):
        clips = [(tone(1.0, frequency), 48_000) for frequency in (200, 700, 1500)]
        values = [1 + judgement["mos"].value / 2 for judgement in judge.score(clips, rubric="mos")]
        rubric = judge.calibrate("mos", list(zip(clips, values, strict=True)))
        with pytest.warns(UntrainedRubricWarning, match="calibrated with 'tiny r1'"):
            AudioJudge(judge.model, judge.processor, name="other").score(wav, rubric=rubric)


class TestDamagedWeights:
    def test_answers_that_are_no_numbers_are_no_scores(self, tmp_path, wav):
        model, processor = make_judge(tmp_path)
        judge = AudioJudge(model, processor, name="tiny")
        with torch.no_grad():
            model.get_input_embeddings().weight[:] = float("nan")
        (said,) = judge.score([wav])
        assert "the judge's answer to 'mos' is not finite" in said.error


class TestDecimalForm:
    def test_listener_is_part_of_the_request(self, decimal_judge, wav):
        heard = decimal_judge.score(wav, rubric="mos", listener="elderly")
        assert heard["mos"].value != decimal_judge.score(wav, rubric="mos")["mos"].value

    @torch.no_grad()
    def test_score_is_the_expectation_over_all_numbers(self, decimal_judge, wav):
        model, processor = decimal_judge.model, decimal_judge.processor
        inputs = decimal_judge.reader.chat([text_messages(clip_state(tone(1.0)), score.ask("mos"))])
        log_likelihoods = []
        for text in score.grammar("mos"):
            answer = processor.tokenizer(text + "<|im_end|>", add_special_tokens=False, return_tensors="pt").input_ids
            ids = torch.cat([inputs["input_ids"], answer], 1)
            logits = model(**inputs | {"input_ids": ids, "attention_mask": torch.ones_like(ids)}).logits.log_softmax(-1)
            steps = logits[0, -answer.shape[1] - 1 : -1].gather(1, answer[0][:, None])
            log_likelihoods.append(steps.sum())
        shares = torch.stack(log_likelihoods).softmax(-1).numpy()
        expected = shares @ np.array([float(text) for text in score.grammar("mos")])
        assert decimal_judge.score((tone(1.0), 48_000), rubric="mos")["mos"].value == pytest.approx(expected, abs=1e-4)

    def test_values_are_shared_out_between_neighbouring_levels(self):
        shares = _shared_out(np.array([1.0, 3.4, 5.0]), np.array([0.2, 0.5, 0.3]), np.arange(1.0, 6.0))
        assert shares == pytest.approx([0.2, 0.0, 0.3, 0.2, 0.3])


class TestDecide:
    def test_same_numbers_as_the_stock_pipeline(self, judge, wav):
        pipe = pipeline("decision", model=judge.model, processor=judge.processor, tokenizer=judge.processor.tokenizer)
        pipe.decision_config = judge.processor.decision_config
        samples, _ = soundfile.read(wav, dtype="float32")
        expected = pipe({"state": [{"type": "audio", "audio": samples}], "questions": QUESTIONS})
        answers = judge.decide(wav, QUESTIONS)
        assert answers["noisy"]["probabilities"] == pytest.approx(expected["noisy"]["probabilities"], abs=1e-5)
        assert answers["hum"]["noul"] == pytest.approx(expected["hum"]["noul"], abs=1e-5)
        assert answers["kind"]["choice"] == expected["kind"]["choice"]

    def test_other_questions_do_not_matter(self, judge, wav):
        together = judge.decide(wav, QUESTIONS)
        backwards = judge.decide(wav, dict(reversed(QUESTIONS.items())))
        alone = judge.decide(wav, {"hum": QUESTIONS["hum"]})
        assert together["hum"]["noul"] == pytest.approx(alone["hum"]["noul"], abs=1e-5)
        assert backwards["hum"]["noul"] == pytest.approx(alone["hum"]["noul"], abs=1e-5)

    def test_bad_clip_in_a_list(self, judge, wav, tmp_path):
        answers = judge.decide([tmp_path / "missing.wav", wav], {"hum": QUESTIONS["hum"]})
        assert "missing.wav" in answers[0]["error"]
        assert 0 < answers[1]["hum"]["noul"] < 1

    def test_malformed_question_is_named(self, judge, wav):
        with pytest.raises(ValueError, match=r"'colour'.*needs `criteria`"):
            judge.decide(wav, {"colour": {"type": "score", "instructions": "Which?", "criteria": []}})


class TestExplain:
    def test_text_begins_with_the_decided_numbers(self, judge, wav):
        judgement = judge.explain(wav, max_new_tokens=8)
        assert judgement.text.startswith(f"Overall quality: {judgement['mos'].value:.1f}\nNoisiness: ")

    def test_bad_clip_keeps_its_error(self, judge, wav, tmp_path):
        judgements = judge.explain([wav, tmp_path / "missing.wav"], max_new_tokens=4)
        assert judgements[0].text is not None
        assert judgements[1].text is None
        assert "missing.wav" in judgements[1].error


class TestFromPretrained:
    def test_loads_what_was_saved(self, judge, wav, tmp_path):
        judge.model.save_pretrained(tmp_path / "saved")
        judge.processor.save_pretrained(tmp_path / "saved")
        loaded = AudioJudge.from_pretrained(tmp_path / "saved", device="cpu")
        assert loaded.score(wav)["mos"] == judge.score(wav)["mos"]

    @pytest.mark.parametrize(
        ("weights", "device", "expected"),
        [(2e8, "cuda", True), (2e6, "cuda", False), (2e8, "cpu", False), (2e8, "mps", False)],
    )
    def test_half_precision_where_it_helps(self, monkeypatch, weights, device, expected):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
        model = types.SimpleNamespace(dtype=torch.float32, num_parameters=lambda: weights)
        assert _gains_from_half(model, torch.device(device)) is expected

    def test_missing_judge_is_named(self, tmp_path):
        with pytest.raises(OSError, match="nothing-here"):
            AudioJudge.from_pretrained(tmp_path / "nothing-here")
