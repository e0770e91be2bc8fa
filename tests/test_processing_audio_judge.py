"""The processor: every shape a clip can come in, what it refuses, and the text around it."""

import base64
import copy
import io
from collections.abc import Sequence

import numpy as np
import pytest
import soundfile
import torch
from tiny import ENCODERS, audio, chat_inputs, make_backbones, make_judge, make_tokenizer, tone
from transformers import WhisperFeatureExtractor, pipeline
from transformers.decision import prepare_inputs

from audio_judge import AudioJudgeFeatureExtractor, AudioJudgeProcessor
from audio_judge.processing_audio_judge import (
    Activity,
    as_mono,
    cut_state,
    energy_of_windows,
    loud_edges,
    resample,
    sounding,
    without_spans,
    yes_and_no,
)

each_encoder = pytest.mark.parametrize("kind", ENCODERS)
QUESTIONS: dict = {"clear": {"type": "noul", "instructions": "Is it clear?"}}


def features_of(processor, block):
    return chat_inputs(processor, [block, {"type": "text", "text": "rate"}])["input_features"]


def decision_features(processor, block):
    return processor.decision_inputs([{"state": [block], "questions": QUESTIONS}])[0]["input_features"]


def as_wav(samples, rate, subtype="FLOAT"):
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="WAV", subtype=subtype)
    return base64.b64encode(buffer.getvalue()).decode()


def pipeline_features(processor, block):
    request = {"state": [block], "questions": QUESTIONS}
    return prepare_inputs(processor.decision_config, request, processor)[0][0]["input_features"]


@pytest.fixture(params=[features_of, decision_features, pipeline_features], ids=["chat", "batch", "pipeline"])
def features(request):
    """The ways of a clip into the model: a message of a chat, and requests answered in batches or by the pipeline."""
    return request.param


class TestClip:
    @each_encoder
    def test_int16(self, judge, features, kind):
        _, processor = judge(kind)
        clip = (tone(0.6, 440, processor.sampling_rate) * 32768).astype(np.int16)
        expected = features(processor, {"type": "audio", "audio": clip.astype(np.float32) / 32768})
        assert torch.equal(features(processor, {"type": "audio", "audio": clip}), expected)

    @pytest.mark.parametrize("axis", [0, 1])
    def test_stereo_is_mixed_down(self, judge, features, axis):
        _, processor = judge()
        left, right = tone(0.6), tone(0.6, 900)
        expected = features(processor, {"type": "audio", "audio": (left + right) / 2})
        both = np.stack([left, right], axis=axis)
        torch.testing.assert_close(features(processor, {"type": "audio", "audio": both}), expected, atol=1e-5, rtol=0)

    def test_tensor_and_float64_and_list(self, judge, features):
        _, processor = judge()
        clip = tone(0.6)
        expected = features(processor, {"type": "audio", "audio": clip})
        for same in (torch.from_numpy(clip), clip.astype(np.float64), clip.tolist()):
            assert torch.equal(features(processor, {"type": "audio", "audio": same}), expected)

    @pytest.mark.parametrize("form", ["keys", "dictionary"])
    def test_own_rate(self, judge, features, form):
        _, processor = judge()
        clip = tone(0.6, 440, 16_000)
        parts = {"audio": clip, "sampling_rate": 16_000}
        block = {"type": "audio", **(parts if form == "keys" else {"audio": {"array": clip, "sampling_rate": 16_000}})}
        expected = features(processor, {"type": "audio", "audio": resample(clip, 16_000, 48_000)})
        assert torch.equal(features(processor, block), expected)
        assert len(resample(clip, 16_000, 48_000)) == 3 * len(clip)

    def test_callers_messages_are_left_alone(self, judge):
        _, processor = judge()
        block = {"type": "audio", "audio": tone(0.6, 440, 16_000), "sampling_rate": 16_000}
        conversation = [{"role": "user", "content": [block]}]
        for _ in range(2):
            inputs = processor.apply_chat_template(conversation, tokenize=True, return_dict=True)
        assert conversation == [{"role": "user", "content": [block]}]
        assert set(block) == {"type", "audio", "sampling_rate"}
        assert inputs["input_features"].shape[1] == 61

    def test_empty_keys_of_data_sets(self, judge, features):
        _, processor = judge()
        block = audio(0.6, 48_000)
        empty = block | {"text": None, "path": None, "url": None}
        assert torch.equal(features(processor, empty), features(processor, block))

    def test_file_in_a_message(self, judge, tmp_path):
        _, processor = judge()
        clip = tone(0.6)
        soundfile.write(tmp_path / "clip.wav", clip, 48_000, subtype="FLOAT")
        expected = features_of(processor, {"type": "audio", "audio": clip})
        for key in ("path", "audio"):
            assert torch.equal(features_of(processor, {"type": "audio", key: str(tmp_path / "clip.wav")}), expected)

    def test_file_in_base64(self, judge):
        _, processor = judge()
        clip = tone(0.6)
        block = {"type": "audio", "data_base64": as_wav(clip, 48_000)}
        assert torch.equal(
            decision_features(processor, block), decision_features(processor, {"type": "audio", "audio": clip})
        )

    def test_level_stays_audible(self, judge):
        _, processor = judge()
        loud, quiet = (features_of(processor, {"type": "audio", "audio": gain * tone(0.6)}) for gain in (1.0, 0.1))
        torch.testing.assert_close((loud - quiet).median(), torch.tensor(20 / 25))


class TestRefusedClip:
    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_not_finite(self, judge, features, value):
        _, processor = judge()
        clip = tone(0.6)
        clip[100] = value
        with pytest.raises(ValueError, match="NaN or infinite"):
            features(processor, {"type": "audio", "audio": clip})

    @each_encoder
    @pytest.mark.parametrize("samples", [0, 1, 400])
    def test_too_short(self, judge, features, kind, samples):
        _, processor = judge(kind)
        with pytest.raises(ValueError, match=r"0\.0\d+ s is too short; at least 0\.1 s"):
            features(processor, {"type": "audio", "audio": np.zeros(samples, np.float32)})

    def test_shorter_than_one_frame(self, judge, features):
        _, processor = judge("audio-spectrogram-transformer", "bottleneck")
        with pytest.raises(ValueError, match=r"0\.150 s gives this encoder not a single frame"):
            features(processor, audio(0.15, 16_000))

    @each_encoder
    def test_shortest(self, judge, features, kind):
        _, processor = judge(kind, "bottleneck")
        seconds = 0.2 if kind == "audio-spectrogram-transformer" else 0.1
        assert len(features(processor, audio(seconds, processor.sampling_rate))) == 1

    @pytest.mark.parametrize(("kind", "longest"), [("audio-spectrogram-transformer", 1.28), ("whisper", 2.0)])
    def test_longer_than_the_window(self, judge, features, kind, longest):
        _, processor = judge(kind)
        assert len(features(processor, audio(longest, 16_000))) == 1
        with pytest.raises(ValueError, match=f"longer than the {longest:.1f} s this encoder hears"):
            features(processor, audio(longest + 0.1, 16_000))

    @pytest.mark.parametrize("rate", [0, -1, "fast", 1e9])
    def test_impossible_rate(self, judge, features, rate):
        _, processor = judge()
        with pytest.raises(ValueError, match="4000 to 384000 Hz"):
            features(processor, audio(0.6, 48_000) | {"sampling_rate": rate})

    @pytest.mark.parametrize("clip", [5, [["a"]], np.zeros((1, 2, 4800)), {"path": "x.wav"}])
    def test_not_a_clip(self, judge, features, clip):
        _, processor = judge()
        with pytest.raises(ValueError, match=r"has the shape|not an array of numbers|has the keys"):
            features(processor, {"type": "audio", "audio": clip})

    def test_rate_of_a_direct_call(self, judge):
        _, processor = judge()
        with pytest.raises(ValueError, match="48000 Hz, got 16000 Hz"):
            processor(text="<|audio|>", audio=tone(0.6), sampling_rate=16_000)


class TestStateOfARequest:
    @pytest.mark.parametrize(
        "keys",
        [
            lambda file: {"path": file},  # the file of a message
            lambda file: {"audio": file},  # also read as a path by the base class
            lambda file: {"audio": [file]},
            lambda file: {"audio": {"path": file}},
            lambda file: {"audio": {"array": file, "sampling_rate": 48_000}},
            lambda file: {"audio": file.encode()},
            lambda file: {"audio": tone(0.6), "path": file},
            lambda file: {"data_base64": file},
            lambda file: {"url": "http://127.0.0.1:9/clip.wav"},
            lambda file: {"audio": "http://127.0.0.1:9/clip.wav"},
            lambda file: {"data_base64": "http://127.0.0.1:9/clip.wav"},
            lambda file: {"data_base64": "aGVsbG8gaGVsbG8="},  # base64, but of no audio file
            lambda file: {"data_base64": ""},
            lambda file: {"data_base64": 5},
            lambda file: {},
        ],
    )
    @pytest.mark.parametrize("way", [decision_features, pipeline_features], ids=["batch", "pipeline"])
    def test_what_brings_no_sound_is_refused_unread(self, judge, tmp_path, monkeypatch, keys, way):
        _, processor = judge()
        soundfile.write(tmp_path / "clip.wav", tone(0.6), 48_000)  # would give features, were it read
        connected = []
        monkeypatch.setattr("socket.socket.connect", lambda *address: connected.append(address))
        with pytest.raises(ValueError, match=r"audio block|audio of a block"):
            way(processor, {"type": "audio", **keys(str(tmp_path / "clip.wav"))})
        assert not connected

    def test_clips_of_text_and_dictionaries_are_text(self, judge):
        _, processor = judge()
        for state in ("words", {"clip": {"type": "audio", "path": "x.wav"}}, ["words", {"a": 1}]):
            inputs, _ = processor.decision_inputs([{"state": state, "questions": QUESTIONS}])
            assert "input_features" not in inputs

    def test_one_block_without_a_list(self, judge):
        _, processor = judge()
        block = audio(0.6, 48_000)
        one, _ = processor.decision_inputs([{"state": block, "questions": QUESTIONS}])
        many, _ = processor.decision_inputs([{"state": [block], "questions": QUESTIONS}])
        assert torch.equal(one["input_ids"], many["input_ids"])

    def test_prompt_can_be_read(self, judge):
        _, processor = judge()
        text = processor.apply_chat_template(
            [{"role": "user", "content": ""}], chat_template=processor.decision_config.chat_template,
            state=[audio(0.6, 48_000), {"type": "text", "text": "?"}], questions=[],
        )  # fmt: skip
        assert text == "<|im_start|>user\n<|audio|>?"


class TestControlTokens:
    @pytest.mark.parametrize(
        "token", ["<|audio|>", "<|question|>", "<|mark|>", "<|split|>", "<|im_end|>", "<|im_start|>"]
    )
    @pytest.mark.parametrize("place", ["state", "instructions", "criteria"])
    def test_written_by_a_user_is_text(self, judge, token, place):
        _, processor = judge()

        def inputs_with(word):
            said = {name: word if name == place else "x" for name in ("state", "instructions", "criteria")}
            state = [audio(0.6, 48_000), {"type": "text", "text": said["state"]}]
            question = {"type": "score", "instructions": said["instructions"], "criteria": ["bad", said["criteria"]]}
            return processor.decision_inputs([{"state": state, "questions": {"q": question, **QUESTIONS}}])[0]

        plain, hostile = inputs_with("x"), inputs_with(f"a{token}b")
        special = [*processor.tokenizer.all_special_ids, processor.audio_token_id, processor.question_token_id]
        for name in special:
            assert (hostile["input_ids"] == name).sum() == (plain["input_ids"] == name).sum()
        assert token in processor.tokenizer.decode(hostile["input_ids"][0])  # it is still there, as text
        assert len(hostile["marks"]) == 2

    @pytest.mark.parametrize("token", ["<|audio|>", "<|question|>", "<|mark|>", "<|im_end|>"])
    @pytest.mark.parametrize(
        "change",
        [
            lambda key: {"state": {key: 1}},
            lambda key: {"state": ["x", {"deep": [{key: 1}]}]},
            lambda key: {"state": [{"type": "text", "text": {key: 1}}]},
            lambda key: {"questions": {"q": {"type": "noul", "instructions": {key: 1}}}},
            lambda key: {"questions": {"q": {"type": "score", "criteria": ["bad", {key: 1}]}}},
        ],
    )
    @pytest.mark.parametrize("way", ["batch", "single"])
    def test_in_a_dictionary_key_is_refused(self, judge, token, change, way):
        _, processor = judge()
        request = {"state": "x", "questions": QUESTIONS} | change(f"a{token}")
        asked = {
            "batch": lambda: processor.decision_inputs([request]),
            "single": lambda: prepare_inputs(processor.decision_config, request, processor),
        }
        with pytest.raises(ValueError, match="holds a control token"):
            asked[way]()

    def test_sentinels_do_not_reach_the_model(self, judge):
        _, processor = judge()
        inputs, _ = processor.decision_inputs([{"state": [audio(0.6, 48_000)], "questions": QUESTIONS}])
        sentinels = processor.tokenizer.convert_tokens_to_ids(["<|mark|>", "<|split|>"])
        assert not torch.isin(inputs["input_ids"], torch.tensor(sentinels)).any()


class TestJointPrompt:
    STATE = [{"type": "audio"}, {"type": "text", "text": "A call."}]

    def test_equals_what_the_pipeline_writes(self, judge):
        _, processor = judge()
        [(expected, asked)] = prepare_inputs(
            processor.decision_config, {"state": self.STATE, "questions": QUESTIONS}, processor.tokenizer
        )
        inputs, parsed = processor.joint_prompt(self.STATE, QUESTIONS)
        assert torch.equal(inputs["input_ids"], expected["input_ids"])
        assert torch.equal(inputs["marks"], expected["marks"])
        assert parsed == asked

    def test_does_not_list_the_whole_vocabulary(self, judge, monkeypatch):
        """Which takes half a second for the 262 k tokens of some, with every request."""
        _, processor = judge()
        monkeypatch.setattr(type(processor.tokenizer), "get_vocab", lambda self: pytest.fail("listed"))
        assert len(processor.joint_prompt(self.STATE, QUESTIONS)[1]) == len(QUESTIONS)

    def test_template_of_several_prompts_is_refused(self, judge):
        _, processor = judge()
        processor = copy.deepcopy(processor)
        processor.decision_config.chat_template = "{{ state }}{{ question.instructions }}<|mark|>"
        with pytest.raises(ValueError, match="must put all `questions` into one prompt"):
            processor.joint_prompt(
                "x", {"a": {"type": "noul", "instructions": "A?"}, "b": {"type": "noul", "instructions": "B?"}}
            )

    def test_brief_questions_show_the_ends_of_a_scale_and_every_choice(self, backbones):
        processor = AudioJudgeProcessor.from_backbones(*make_backbones(backbones), brief_questions=True)
        questions = {
            "noise": {"type": "score", "instructions": "How noisy?", "criteria": ["very", "somewhat", "not"]},
            "what": {"type": "choice", "instructions": "What?", "criteria": {"a": "speech", "b": "music", "c": "else"}},
            "clear": {"type": "noul", "instructions": "Clear?"},
        }
        inputs, parsed = processor.joint_prompt("x", questions)
        noise, what, clear = processor.tokenizer.decode(inputs["input_ids"][0]).split("<|question|>")[1:]
        assert noise == "How noisy?\nA very\nC not\n"
        assert all(choice in what for choice in ("a: speech", "b: music", "c: else"))
        assert clear == "Clear?\n"
        assert [len(question.labels) for question in parsed] == [3, 3, 2]


class TestLengths:
    @pytest.mark.parametrize("kind", ["audio_judge_encoder", "wavlm"])
    def test_prompt_as_long_as_the_features(self, judge, kind):
        """Whatever the number of prompt tokens, the features stay whole."""
        _, processor = judge(kind)
        block = audio(0.6, processor.sampling_rate) if kind == "audio_judge_encoder" else audio(0.1, 16_000)
        expected = features_of(processor, block)
        lengths = set()
        for words in range(0, 60):
            state = [block, {"type": "text", "text": "z" * words}]
            request = {"state": state, "questions": QUESTIONS}
            [(inputs, _)] = prepare_inputs(processor.decision_config, request, processor)
            assert torch.equal(inputs["input_features"], expected)
            assert inputs["input_features_mask"].shape[1] == inputs["input_features_mask"].sum()
            batch, _ = processor.decision_inputs([request])
            assert torch.equal(batch["input_ids"], inputs["input_ids"])
            assert torch.equal(batch["marks"][:, 1] + 1, inputs["marks"])
            lengths.add(inputs["input_ids"].shape[1] + 1)  # with its mark
        if kind == "audio_judge_encoder":
            assert {61, 64} <= lengths  # the number of frames, and of mel bands

    @each_encoder
    def test_batch_of_requests_pads_as_one_call_does(self, judge, kind):
        _, processor = judge(kind)
        blocks = [audio(0.6, processor.sampling_rate), audio(1.1, processor.sampling_rate)]
        batch, _ = processor.decision_inputs([{"state": [block], "questions": QUESTIONS} for block in blocks])
        together = chat_inputs(processor, *([block] for block in blocks))
        assert torch.equal(batch["input_features_mask"], together["input_features_mask"])
        assert torch.equal(batch["input_features"], together["input_features"])

    def test_requests_with_and_without_clips(self, judge):
        _, processor = judge()
        requests = [{"state": state, "questions": QUESTIONS} for state in ("words", [audio(0.6, 48_000)])]
        batch, questions = processor.decision_inputs(requests)
        assert batch["marks"][:, 0].tolist() == [0, 1]
        assert len(batch["input_features"]) == 1
        assert len(questions) == 2

    def test_direct_call_checks_the_count(self, judge):
        _, processor = judge()
        with pytest.raises(ValueError, match="audio"):
            processor(text="<|audio|><|audio|>", audio=[tone(0.6)])


class TestChatTemplate:
    CONVERSATION = [
        {"role": "user", "content": [{"type": "text", "text": "rate "}, {"type": "audio", "audio": tone(0.6)}]},
        {"role": "assistant", "content": [{"type": "text", "text": "good"}]},
        {"role": "user", "content": [{"type": "audio", "audio": tone(1.1)}, {"type": "text", "text": "this"}]},
        {"role": "assistant", "content": "bad."},
    ]

    @pytest.mark.parametrize("adapter", ["pooled_linear", "bottleneck"])
    def test_assistant_mask_covers_answers_and_their_end(self, judge, adapter):
        _, processor = judge("audio_judge_encoder", adapter)
        inputs = processor.apply_chat_template(
            self.CONVERSATION, tokenize=True, return_dict=True, return_tensors="pt", return_assistant_tokens_mask=True
        )
        learnt = inputs["input_ids"][inputs["assistant_masks"].bool()]
        assert processor.tokenizer.decode(learnt) == "good<|im_end|>bad.<|im_end|>"

    def test_text(self, judge):
        _, processor = judge()
        assert processor.apply_chat_template(self.CONVERSATION[:2], add_generation_prompt=True) == (
            "<|im_start|>user\nrate <|audio|><|im_end|>\n<|im_start|>assistant\ngood<|im_end|>\n<|im_start|>assistant\n"
        )

    @pytest.mark.parametrize(("adapter", "count"), [("pooled_linear", 8), ("bottleneck", 16)])
    def test_placeholder_expands(self, judge, adapter, count):
        _, processor = judge("audio_judge_encoder", adapter)
        inputs = chat_inputs(processor, [audio(0.6, 48_000)])
        assert (inputs["input_ids"] == processor.audio_token_id).sum() == count

    def test_unpadded_lists_by_default(self, judge):
        _, processor = judge()
        inputs = processor.apply_chat_template(
            [self.CONVERSATION[:1], self.CONVERSATION], tokenize=True, return_dict=True
        )
        assert isinstance(inputs["input_ids"], list)
        assert len({len(row) for row in inputs["input_ids"]}) == 2


class TestSaveAndLoad:
    @each_encoder
    @pytest.mark.parametrize("adapter", ["pooled_linear", "bottleneck"])
    def test_same_inputs(self, judge, tmp_path, kind, adapter):
        _, processor = judge(kind, adapter)
        processor.save_pretrained(tmp_path)
        loaded = AudioJudgeProcessor.from_pretrained(tmp_path)
        request = {"state": [audio(0.6, processor.sampling_rate)], "questions": QUESTIONS}
        ours, theirs = (one.decision_inputs([request])[0] for one in (processor, loaded))
        assert ours.keys() == theirs.keys()
        for name, value in ours.items():
            assert torch.equal(theirs[name], value) if isinstance(value, torch.Tensor) else theirs[name] == value
        assert loaded.decision_config == processor.decision_config
        assert (loaded.max_seconds, loaded.audio_seq_length) == (processor.max_seconds, processor.audio_seq_length)

    def test_temperature_is_kept(self, backbones, judge, tmp_path):
        _, processor = judge()
        processor.save_pretrained(tmp_path)
        loaded = AudioJudgeProcessor.from_pretrained(tmp_path)
        loaded.decision_config.temperature["score"] = 2.5
        loaded.save_pretrained(tmp_path / "again")
        assert AudioJudgeProcessor.from_pretrained(tmp_path / "again").decision_config.temperature == {"score": 2.5}


class TestRequests:
    """What a judge of our own words alone answers when it is asked in a chat."""

    @pytest.fixture
    def processor(self, tmp_path):
        processor = make_judge(tmp_path)[1]
        processor.requests = {
            "suggest": ["What should be improved?"],
            "score": ["Rate the {label} from {low} to {high}."],
        }
        return processor

    @pytest.mark.parametrize("text", ["What should be improved?", "\nRate the hum from 0 to 100."])
    def test_what_was_learned_is_asked(self, processor, text):
        assert (
            chat_inputs(processor, [audio(0.5, processor.sampling_rate), {"type": "text", "text": text}])[
                "input_ids"
            ].shape[0]
            == 1
        )

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("Tell me a joke.", "It learned 'What should be improved\\?' "),
            ("Rate the label from low to high!", "It learned 'Rate the {label} from"),
        ],
    )
    def test_what_was_not_is_refused(self, processor, text, said):
        with pytest.raises(ValueError, match=said):
            chat_inputs(processor, [audio(0.5, processor.sampling_rate), {"type": "text", "text": text}])

    def test_are_kept_beside_the_judge(self, processor, tmp_path):
        processor.save_pretrained(tmp_path / "saved")
        assert "requests" not in (tmp_path / "saved" / "processor_config.json").read_text()
        assert AudioJudgeProcessor.from_pretrained(tmp_path / "saved").requests == processor.requests

    def test_none_may_be_anything(self, processor):
        processor.requests = None
        assert "input_ids" in chat_inputs(
            processor, [audio(0.5, processor.sampling_rate), {"type": "text", "text": "Tell me a joke."}]
        )


class TestWithoutSpans:
    @pytest.mark.parametrize("question", [{}, {"instructions": None}, {"instructions": " "}, {"criteria": {}}])
    def test_yes_or_no_to_nothing_is_refused(self, question):
        with pytest.raises(ValueError, match="'q': says nothing; a noul question looks like"):
            without_spans({"q": {"type": "noul", **question}})

    def test_yes_and_no_may_say_what_is_asked(self):
        questions = {"q": {"type": "noul", "criteria": {"true": "there is noise", "false": "there is none"}}}
        assert without_spans(questions) == questions


class TestFeatureExtractor:
    def test_full_scale_sine_and_silence(self):
        extractor = AudioJudgeFeatureExtractor()
        time = np.arange(48_000) / 48_000
        sine = extractor(np.sin(2 * np.pi * 1000 * time), return_tensors="pt")["input_features"]
        silence = extractor(np.zeros(48_000), return_tensors="pt")["input_features"]
        assert sine[0, 50].max() == pytest.approx(1.0, abs=0.1)
        assert torch.equal(silence, torch.full_like(silence, -3.0))

    def test_bandwidth_is_audible(self):
        extractor = AudioJudgeFeatureExtractor()
        noise = np.random.default_rng(0).standard_normal(48_000).astype(np.float32) * 0.1
        narrow = resample(resample(noise, 48_000, 8_000), 8_000, 48_000)
        full, limited = (
            extractor(clip, return_tensors="pt")["input_features"][0, 50, -10:].mean() for clip in (noise, narrow)
        )
        assert full - limited > 0.5

    def test_other_rate(self):
        with pytest.raises(ValueError, match="hears 48000 Hz, got 16000 Hz"):
            AudioJudgeFeatureExtractor()(tone(), sampling_rate=16_000)

    def test_mask_marks_the_padding(self):
        outputs = AudioJudgeFeatureExtractor()([tone(0.1), tone(0.2)])
        assert outputs["attention_mask"].sum(1).tolist() == [11, 21]


class TestAutocast:
    @pytest.mark.parametrize("kind", ["audio-spectrogram-transformer", "whisper", "audio_judge_encoder"])
    def test_of_training_leaves_what_is_heard_as_it_is(self, judge, kind):
        """Whisper's extractor stopped, having no numpy array of bfloat16, where answers were measured in training."""
        _, processor = judge(kind)
        block = audio(0.5, processor.sampling_rate)
        with torch.autocast("cpu", torch.bfloat16):
            heard = features_of(processor, block)
        assert torch.equal(heard, features_of(processor, block))


class TestAsMono:
    @pytest.mark.parametrize(
        ("clip", "expected"),
        [
            ([0.5, -0.5], [0.5, -0.5]),
            (np.array([-32768, 16384], np.int16), [-1.0, 0.5]),
            (np.array([[0.0, 1.0, 1.0], [1.0, 1.0, 0.0]]), [0.5, 1.0, 0.5]),  # (channels, samples)
            (np.array([[0.0, 1.0], [1.0, 1.0], [1.0, 0.0]]), [0.5, 1.0, 0.5]),  # (samples, channels)
            (np.array([[16384, 0, 0], [0, 16384, 0]], np.int16), [0.25, 0.25, 0.0]),
            (np.array([0, 128, 192], np.uint8), [-1.0, 0.0, 0.5]),  # unsigned bytes rest at 128
            (torch.tensor([-128, 64], dtype=torch.int8), [-1.0, 0.5]),
            (torch.tensor([0.5, -0.5], requires_grad=True), [0.5, -0.5]),  # as a model makes them
            (np.array([-(2**31), 2**30], np.int32), [-1.0, 0.5]),
        ],
    )
    def test_values(self, clip, expected):
        assert as_mono(clip).numpy().tolist() == expected
        assert as_mono(clip).dtype == torch.float32

    @pytest.mark.parametrize("kind", ["int64", "uint16", "bool"])
    def test_integers_that_no_sound_file_has(self, kind):
        with pytest.raises(ValueError, match=f"{kind} samples have no known full scale"):
            as_mono(np.zeros(100, kind))


class TestYesAndNo:
    def test_single_tokens(self):
        tokenizer = make_tokenizer()
        labels = yes_and_no(tokenizer)
        assert all(len(ids) == 1 for ids in tokenizer(labels, add_special_tokens=False).input_ids)


def bursts(
    bursts: Sequence[tuple[float, float]] = ((0.2, 0.4), (0.43, 0.5), (0.77, 0.3)), width: float = 0.04
) -> np.ndarray:
    """A second of noise that swells and fades at places in seconds, to levels (48,000,)."""
    time = np.arange(48_000) / 48_000
    swell = sum(level * np.exp(-(((time - at) / width) ** 2)) for at, level in bursts)
    return (0.3 * swell * np.random.default_rng(0).standard_normal(48_000)).astype(np.float32)


class TestActivity:
    def test_edges_of_hops(self):
        hops = torch.tensor(
            [[0.1, 0.2, 0.3], [0.0, 0.1, 0.0], [1e-5, 0.0, -1e-5], [0.0, 0.0, -0.1], [-0.1, 0.0, 0.0], [0.1, 0.0, 0.1]]
        )
        assert loud_edges(hops).tolist() == [[0, 1, -1, 2, 0, 0], [2, 1, -1, 2, 0, 2]]

    @pytest.mark.parametrize("size", [1, 47, 4801])
    def test_blocks_of_any_size_sound_alike(self, size):
        samples = np.concatenate([np.zeros(5000, np.float32), bursts()[9000:12_000], np.zeros(3001, np.float32)])
        activity = Activity(8000)
        for first in range(0, len(samples), size):
            activity.add(samples[first : first + size])
        assert activity.spans() == sounding(samples, 8000) != []

    def test_what_is_listened_to_stays_as_it_is(self):
        samples = torch.from_numpy(bursts()).double()
        before = samples.clone()
        sounding(samples, 48_000)
        assert torch.equal(samples, before)


class TestViews:
    def test_views_lie_side_by_side(self):
        both = AudioJudgeFeatureExtractor(views=["nisqa", "mel"])(tone(0.5), return_tensors="pt")["input_features"]
        alone = [
            AudioJudgeFeatureExtractor(views=[view])(tone(0.5), return_tensors="pt")["input_features"]
            for view in ("nisqa", "mel")
        ]
        torch.testing.assert_close(both, torch.cat(alone, dim=-1))

    def test_a_constant_offset_is_not_heard(self):
        extractor = AudioJudgeFeatureExtractor(views=["nisqa", "mel"])
        features = [extractor(clip, return_tensors="pt")["input_features"] for clip in (tone(0.5), tone(0.5) + 0.05)]
        torch.testing.assert_close(features[0], features[1], atol=1e-2, rtol=1e-3)

    @pytest.mark.parametrize("milliseconds", [7.3, 20.0, 40.0, 61.5])
    def test_frames_lie_alike_wherever_the_recording_begins(self, milliseconds):
        extractor, samples = AudioJudgeFeatureExtractor(grid_length=1920), torch.from_numpy(bursts())
        cut = samples[round(48 * milliseconds) :]
        # From the end, where both are the same, to where the first frame begins, in samples
        whole, rest = len(extractor.on_grid(samples)), len(extractor.on_grid(cut))
        assert min((whole - rest) % 1920, (rest - whole) % 1920) <= 10  # 0.2 ms

    @pytest.mark.parametrize("samples", [12, 36, 101])  # 0.25 ms and more
    def test_frames_lie_alike_where_peaks_nearly_cancel_each_other(self, samples):
        extractor = AudioJudgeFeatureExtractor(grid_length=1920)
        clip = torch.from_numpy(
            bursts([(0.2, 1), (0.46, 1), (0.6, 1), (0.82, 1)], 0.006)
        )  # two and two, half a frame apart
        whole, rest = len(extractor.on_grid(clip)), len(extractor.on_grid(clip[samples:]))
        assert min((whole - rest) % 1920, (rest - whole) % 1920) <= 10  # 0.2 ms

    def test_frames_on_the_grid_hear_all_of_the_clip(self):
        extractor = AudioJudgeFeatureExtractor(grid_length=1920)
        samples = torch.from_numpy(bursts())
        on_grid = extractor.on_grid(samples)
        lead = len(on_grid) - len(samples)
        assert 0 < lead < 1920
        assert torch.equal(on_grid[lead:], samples)
        gain = on_grid[:lead] / samples[1 : lead + 1].flip(0)
        assert gain[0] == 0
        assert (gain.diff() > 0).all()
        assert gain[-1] == pytest.approx(1, abs=1e-4)

    @pytest.mark.parametrize("samples", [torch.zeros(48_000), torch.ones(1900)])
    def test_silence_and_less_than_a_frame_stay_as_they_are(self, samples):
        assert torch.equal(AudioJudgeFeatureExtractor(grid_length=1920).on_grid(samples), samples)

    def test_without_a_grid_the_first_frame_begins_with_the_clip(self):
        samples = torch.from_numpy(bursts())
        assert torch.equal(AudioJudgeFeatureExtractor().on_grid(samples), samples)

    def test_bands_are_those_of_one_whole_spectrum(self):
        extractor, samples = AudioJudgeFeatureExtractor(), torch.from_numpy(bursts())
        spectrum = torch.stft(
            samples, 1024, 480, 960, torch.hann_window(960), pad_mode="constant", return_complex=True
        ).T
        bands = extractor.mel_bands(samples, {"mel", "nisqa"})
        torch.testing.assert_close(bands["mel"], spectrum.abs().square() @ extractor.constant("mel"))
        torch.testing.assert_close(bands["nisqa"], spectrum.abs() @ extractor.constant("nisqa"))

    @pytest.mark.parametrize("count", [480, 24_050, 48_000])  # one window; of some and of more than are made at once
    def test_energy_of_windows_is_a_convolution(self, count):
        samples, window = torch.from_numpy(bursts())[:count], torch.hann_window(480)
        wanted = torch.nn.functional.conv1d(samples.square()[None, None], window[None, None], stride=12)[0, 0]
        torch.testing.assert_close(energy_of_windows(samples, window.view(-1, 12)), wanted)

    def test_whisper_hears_what_transformers_hears(self):
        narrow = torch.from_numpy(tone(1.0, sampling_rate=16_000))
        wanted = WhisperFeatureExtractor()(narrow.numpy(), sampling_rate=16_000, padding=False, return_tensors="pt")
        heard = AudioJudgeFeatureExtractor().whisper_mel(narrow)
        torch.testing.assert_close(heard, wanted["input_features"][0].T, atol=1e-3, rtol=1e-3)

    def test_a_third_of_the_rate_keeps_what_is_below_its_half(self):
        wide, narrow = tone(1.0), tone(1.0, sampling_rate=16_000)
        heard = AudioJudgeFeatureExtractor().at_16_khz(torch.from_numpy(wide))
        spectrum = np.abs(np.fft.rfft(heard.numpy()))
        assert len(heard) == len(narrow)
        assert int(spectrum.argmax()) == 440
        assert spectrum[440] == pytest.approx(np.abs(np.fft.rfft(narrow))[440], rel=0.01)

    def test_unknown_view(self):
        with pytest.raises(ValueError, match="colour"):
            AudioJudgeFeatureExtractor(views=["colour"])


class TestOptionalViews:
    @pytest.fixture(scope="class")
    def processor(self, tmp_path_factory):
        return make_judge(tmp_path_factory.mktemp("joined"), "audio_judge_joined")[1]

    def request(self, text):
        question = {"type": "noul", "instructions": text}
        return {"state": [audio(0.5, 48_000)], "questions": {"q": question}}

    def test_a_question_about_them_makes_them(self, processor):
        inputs, _ = processor.decision_inputs([self.request("How fluent is it?")])
        assert inputs["input_features"].shape[-1] == 48 + 322 + 64 + 80

    def test_other_questions_do_not(self, processor):
        inputs, _ = processor.decision_inputs([self.request("How noisy is it?")])
        assert inputs["input_features"].shape[-1] == 48 + 322 + 64

    def test_each_clip_of_a_batch_has_its_own(self, processor):
        inputs, _ = processor.decision_inputs([self.request("How noisy is it?"), self.request("How fluent is it?")])
        assert [bool(clip[..., -80:].any()) for clip in inputs["input_features"]] == [False, True]

    def test_chat_makes_them_too(self, processor):
        content = [{"type": "audio", "audio": tone(0.5)}, {"type": "text", "text": "Is the speaker fluent?"}]
        inputs = processor.apply_chat_template([{"role": "user", "content": content}], tokenize=True, return_dict=True)
        assert inputs["input_features"].shape[-1] == 48 + 322 + 64 + 80

    def test_the_beginning_of_a_word_counts_and_not_its_middle(self, processor):
        assert processor.optional_views("fluently") == {"whisper"}
        assert not processor.optional_views("affluent")


class TestHalfACharacter:
    """JSON may hold one half of a surrogate pair."""

    def test_in_a_question(self, judge):
        _, processor = judge()
        question = {"type": "noul", "instructions": "hum \ud83d?"}
        with pytest.raises(ValueError, match=r"lone surrogate\) cannot be read: .*hum .ud83d\?"):
            processor.decision_inputs([{"state": [{"type": "text", "text": "x"}], "questions": {"hum": question}}])

    def test_in_a_text(self, judge):
        _, processor = judge()
        with pytest.raises(ValueError, match="lone surrogate"):
            processor(text="hum \ud83d?")


class TestWindows:
    """Of a second, of clips at 16 kHz."""

    def cut(self, *clips):
        blocks = [{"type": "audio", "audio": clip, "sampling_rate": 16_000} for clip in clips]
        return cut_state([*blocks, {"type": "text", "text": "rate"}], 48_000, 1.0)

    def sounds(self, *parts):
        """Seconds of sound, and of silence if below zero (samples,)."""
        made = [tone(part, 440, 16_000) if part > 0 else np.zeros(round(-part * 16_000), np.float32) for part in parts]
        return np.concatenate(made)

    def test_states_hold_the_sound_of_a_window(self):
        clip = self.sounds(2.5)
        windows = self.cut(clip)
        assert windows.spans == [(0.0, 1.0), (1.0, 2.5)]
        block, text = windows[1]
        assert (len(block["audio"]), text["text"]) == (72_000, "rate")
        assert np.array_equal(block["audio"], resample(clip[16_000:], 16_000, 48_000))

    def test_clips_of_one_length_are_cut_at_the_same_times(self):
        windows = self.cut(self.sounds(-2.5, 2.0, -3.0), self.sounds(-2.5, 1.0, -3.0, 1.0))
        assert np.allclose(windows.spans, [(2.5, 3.5), (3.5, 4.5), (6.5, 7.5)], atol=0.011)
        assert [len(block["audio"]) for block in windows[2][:2]] == pytest.approx([48_000] * 2, abs=1500)

    def test_windows_of_others_are_paired_by_their_place(self):
        windows = self.cut(self.sounds(1.0), self.sounds(-2.2, 3.0))
        assert len(windows) == 3
        first, second = (windows[place] for place in (0, 2))
        assert np.array_equal(first[0]["audio"], second[0]["audio"])
        assert not np.array_equal(first[1]["audio"], second[1]["audio"])

    def test_nothing_that_sounds_is_heard_whole(self):
        assert self.cut(self.sounds(-2.5)).spans == [(0.0, 1.0), (1.0, 2.5)]

    def test_what_is_asked_by_name_is_heard_in_a_pipeline_too(self, judge):
        model, processor = judge("audio_judge_joined")
        parts = {"model": model, "processor": processor, "tokenizer": processor.tokenizer}
        request = {"state": [audio(0.6, 48_000)], "questions": {"fluency": {"type": "noul", "instructions": "Is it?"}}}
        found = pipeline("decision", **parts, decision_config=processor.decision_config)(request)
        inputs, asked = processor.decision_inputs([request])
        assert inputs["input_features"].shape[-1] == 48 + 322 + 64 + 80  # the view of such questions is there
        (expected,) = processor.answers(asked, model.decide(**inputs))
        assert found["fluency"]["noul"] == pytest.approx(expected["fluency"]["noul"], abs=1e-5)
