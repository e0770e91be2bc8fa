"""The model: what transformers' own tests ask of an audio language model, for each encoder, on tiny random weights."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny import (
    ENCODERS,
    LLAMA3,
    audio,
    audio_config,
    chat_inputs,
    make_backbones,
    make_feature_extractor,
    make_judge,
    make_tokenizer,
    text_config,
    tone,
)
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, BitsAndBytesConfig
from transformers.models.pe_audio import PeAudioConfig, PeAudioModel

from audio_judge import (
    AudioJudgeConfig,
    AudioJudgeEncoder,
    AudioJudgeFeatureExtractor,
    AudioJudgeForCausalLM,
    AudioJudgeJoinedConfig,
    AudioJudgeLevelsConfig,
    AudioJudgeLevelsEncoder,
    AudioJudgeNisqaConfig,
    AudioJudgeProcessor,
)
from audio_judge import configuration_audio_judge as configuration
from audio_judge.configuration_audio_judge import audio_encoder

ROOT = Path(__file__).parents[1]
ADAPTERS = ("pooled_linear", "bottleneck")
each_encoder = pytest.mark.parametrize("kind", ENCODERS)
each_adapter = pytest.mark.parametrize("adapter", ADAPTERS)
TOLERANCE = 2e-5  # of logits whose standard deviation is about 1


def a_prompt(processor, *seconds, text="rate this audio"):
    """The blocks of a prompt: one tone per length, each of another pitch, then the text."""
    rate = processor.sampling_rate
    return [*(audio(s, rate, 300.0 + 400 * s) for s in seconds), {"type": "text", "text": text}]


def inputs_of(processor, *seconds):
    return chat_inputs(processor, a_prompt(processor, *seconds))


@torch.no_grad()
def logits_of(model, inputs):
    return model(**inputs).logits


def greedily(model, inputs, steps):
    """Greedy decoding written out, without a cache."""
    inputs = dict(inputs)
    start = inputs["input_ids"].shape[1]
    for _ in range(steps):
        following = logits_of(model, inputs)[:, -1].argmax(-1, keepdim=True)
        inputs["input_ids"] = torch.cat([inputs["input_ids"], following], dim=1)
        inputs["attention_mask"] = torch.cat([inputs["attention_mask"], torch.ones_like(following)], dim=1)
    return inputs["input_ids"][:, start:]


def written(model, inputs, **options):
    options = {"max_new_tokens": 4, "do_sample": False, "eos_token_id": None, "pad_token_id": 0} | options
    return model.generate(**inputs, **options)[:, inputs["input_ids"].shape[1] :]


class TestForward:
    @each_encoder
    def test_hears_the_clip(self, judge, kind):
        model, processor = judge(kind)
        rate = processor.sampling_rate
        low, high = (chat_inputs(processor, [audio(0.6, rate, hertz)]) for hertz in (300.0, 3000.0))
        assert (logits_of(model, low) - logits_of(model, high))[:, -1].abs().max() > 1e-2

    @each_encoder
    @each_adapter
    @pytest.mark.parametrize("side", ["left", "right"])
    def test_batch_equals_each_prompt_alone(self, judge, kind, adapter, side):
        model, processor = judge(kind, adapter)
        prompts = [
            a_prompt(processor, 0.6, text="rate"),
            a_prompt(processor, 1.1, 0.4),
            [{"type": "text", "text": "A"}],
        ]
        together = chat_inputs(processor, *prompts, side=side)
        logits = logits_of(model, together)
        for prompt, row, mask in zip(prompts, logits, together["attention_mask"].bool(), strict=True):
            alone = logits_of(model, chat_inputs(processor, prompt))[0]
            torch.testing.assert_close(row[mask], alone, atol=TOLERANCE, rtol=0)

    @each_encoder
    @each_adapter
    @torch.no_grad()
    def test_what_lies_in_the_padding_changes_nothing(self, judge, kind, adapter):
        model, processor = judge(kind, adapter)
        inputs = chat_inputs(processor, a_prompt(processor, 0.6), a_prompt(processor, 1.1))
        before = logits_of(model, inputs)
        features = inputs["input_features"].clone()
        if kind in ("whisper", "audio-spectrogram-transformer"):
            # A fixed window, where the silence after the clip is part of what the encoder hears, but is not handed on
            frames, lengths = model.model.encode_audio(features, inputs["input_features_mask"])
            spoiled = frames.clone()
            for row, length in zip(spoiled, lengths, strict=True):
                row[length:] = 1e3
            torch.testing.assert_close(model.model.adapter(spoiled, lengths), model.model.adapter(frames, lengths))
            return
        for row, length in zip(features, inputs["input_features_mask"].sum(1).tolist(), strict=True):
            time_last = row.shape[-1] == inputs["input_features_mask"].shape[1]
            (row[..., length:] if time_last else row[length:]).normal_()
        assert not torch.equal(features, inputs["input_features"])
        torch.testing.assert_close(
            logits_of(model, inputs | {"input_features": features}), before, atol=TOLERANCE, rtol=0
        )

    @each_encoder
    def test_number_of_tokens_is_what_the_processor_wrote(self, judge, kind):
        model, processor = judge(kind, "bottleneck")
        for seconds in (0.2, 0.333, 0.5, 0.61, 1.0):
            inputs = inputs_of(processor, seconds)
            tokens = model.get_audio_features(inputs["input_features"], inputs["input_features_mask"]).pooler_output
            assert (inputs["input_ids"] == processor.audio_token_id).sum() == len(tokens)

    @each_encoder
    def test_mask_may_be_left_out_when_there_is_no_padding(self, judge, kind):
        model, processor = judge(kind)
        seconds = 2.0 if kind == "whisper" else 1.2 if kind == "audio-spectrogram-transformer" else 0.6
        inputs = inputs_of(processor, seconds)
        if not inputs["input_features_mask"].all():
            inputs["input_features_mask"] = torch.ones_like(inputs["input_features_mask"])
        without = {name: value for name, value in inputs.items() if name != "input_features_mask"}
        torch.testing.assert_close(logits_of(model, without), logits_of(model, inputs), atol=1e-6, rtol=0)

    def test_two_clips_are_not_interchangeable(self, judge):
        model, processor = judge()
        there, back = inputs_of(processor, 0.6, 0.9), inputs_of(processor, 0.9, 0.6)
        assert (logits_of(model, there)[:, -1] - logits_of(model, back)[:, -1]).abs().max() > 1e-2

    @each_encoder
    def test_sdpa_equals_eager(self, judge, backbones, kind):
        model, processor = judge(kind)
        inputs = chat_inputs(processor, a_prompt(processor, 0.6), a_prompt(processor, 1.1))
        eager, _ = make_judge(backbones, kind)
        eager.set_attn_implementation("eager")
        assert eager.model.language_model.config._attn_implementation == "eager"
        real = inputs["attention_mask"].bool()
        torch.testing.assert_close(
            logits_of(eager, inputs)[real], logits_of(model, inputs)[real], atol=TOLERANCE, rtol=0
        )

    def test_embeddings_in_place_of_ids(self, judge):
        model, processor = judge()
        inputs = inputs_of(processor, 0.6)
        embedded = {name: value for name, value in inputs.items() if name != "input_ids"}
        embedded["inputs_embeds"] = model.get_input_embeddings()(inputs["input_ids"])
        torch.testing.assert_close(logits_of(model, embedded), logits_of(model, inputs))

    def test_loss_is_the_cross_entropy_of_the_labels(self, judge):
        model, processor = judge()
        inputs = inputs_of(processor, 0.6)
        labels = torch.full_like(inputs["input_ids"], -100)
        labels[:, -3:] = inputs["input_ids"][:, -3:]
        expected = torch.nn.functional.cross_entropy(logits_of(model, inputs)[0, -4:-1], labels[0, -3:])
        torch.testing.assert_close(model(**inputs, labels=labels).loss, expected)

    @each_adapter
    def test_placeholder_without_audio(self, judge, adapter):
        model, processor = judge("audio_judge_encoder", adapter)
        inputs = inputs_of(processor, 0.6)
        del inputs["input_features"]
        with pytest.raises(ValueError, match="no `input_features` came with them"):
            model(**inputs)

    def test_audio_without_placeholder(self, judge):
        model, processor = judge()
        inputs = inputs_of(processor, 0.6)
        text = chat_inputs(processor, [{"type": "text", "text": "rate"}])
        with pytest.raises(ValueError, match="0 audio placeholders but the clips make 8 audio tokens"):
            model(**inputs | text)

    def test_a_clip_too_many(self, judge):
        model, processor = judge()
        one, two = inputs_of(processor, 0.6), inputs_of(processor, 0.6, 0.6)
        with pytest.raises(ValueError, match="8 audio placeholders but the clips make 16"):
            model(**two | {name: one[name] for name in ("input_ids", "attention_mask")})

    @each_encoder
    @each_adapter
    def test_bfloat16(self, backbones, judge, kind, adapter):
        model, processor = judge(kind, adapter)
        inputs = inputs_of(processor, 0.6)
        half, _ = make_judge(backbones, kind, adapter)
        half.to(torch.bfloat16)
        # On CPUs with AMX, oneDNN's convolutions of 16 channels in bfloat16 are wrong at some lengths; no real encoder has so few
        with torch.backends.mkldnn.flags(enabled=False):
            logits = logits_of(half, inputs)
        expected = logits_of(model, inputs)
        assert logits.dtype == torch.bfloat16
        agreement = torch.nn.functional.cosine_similarity(logits.float(), expected, dim=-1).min()
        assert agreement > 0.98

    def test_parts_of_different_types(self, backbones):
        model, processor = make_judge(backbones)
        model.model.audio_tower.to(torch.bfloat16)
        model.model.language_model.to(torch.float16)
        model.lm_head.to(torch.float16)
        assert logits_of(model, inputs_of(processor, 0.6)).isfinite().all()


class TestGenerate:
    @each_encoder
    @each_adapter
    def test_greedy_is_argmax_after_argmax(self, judge, kind, adapter):
        model, processor = judge(kind, adapter)
        inputs = chat_inputs(processor, a_prompt(processor, 0.6, text="rate"), a_prompt(processor, 1.1, 0.4))
        assert written(model, inputs).tolist() == greedily(model, inputs, 4).tolist()

    @each_adapter
    def test_left_padded_batch_equals_each_alone(self, judge, adapter):
        model, processor = judge("audio_judge_encoder", adapter)
        prompts = [a_prompt(processor, 0.6, text="rate"), a_prompt(processor, 1.1, 0.4)]
        together = written(model, chat_inputs(processor, *prompts), max_new_tokens=6)
        alone = [written(model, chat_inputs(processor, prompt), max_new_tokens=6)[0].tolist() for prompt in prompts]
        assert together.tolist() == alone

    def test_static_cache_equals_dynamic_cache(self, judge):
        model, processor = judge()
        inputs = chat_inputs(processor, a_prompt(processor, 0.6, text="rate"), a_prompt(processor, 1.1))
        static = written(model, inputs, cache_implementation="static", disable_compile=True)
        assert static.tolist() == written(model, inputs).tolist()

    def test_without_a_cache(self, judge):
        model, processor = judge()
        inputs = inputs_of(processor, 0.6)
        assert written(model, inputs, use_cache=False).tolist() == written(model, inputs).tolist()

    @each_adapter
    def test_beams_keep_the_clips_of_their_prompt(self, judge, adapter):
        model, processor = judge("audio_judge_encoder", adapter)
        # As many clips in each, so that clips in the wrong order would pass the count
        prompts = [a_prompt(processor, 0.6, 1.1), a_prompt(processor, 0.9, 0.4)]
        together = written(model, chat_inputs(processor, *prompts), num_beams=3)
        alone = [written(model, chat_inputs(processor, prompt), num_beams=3)[0].tolist() for prompt in prompts]
        assert together.tolist() == alone

    def test_one_beam_sequence_scores_as_forward_does(self, judge):
        model, processor = judge()
        inputs = inputs_of(processor, 0.6, 1.1)
        options = {"num_beams": 2, "return_dict_in_generate": True, "output_scores": True, "length_penalty": 0.0}
        options |= {"max_new_tokens": 3, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
        found = model.generate(**inputs, **options)
        answer = found.sequences[:, inputs["input_ids"].shape[1] :]
        expected = model.candidate_log_probabilities(candidates=answer.tolist(), **inputs)[0]
        torch.testing.assert_close(found.sequences_scores, expected, atol=1e-4, rtol=0)

    @each_adapter
    def test_samples_of_several_prompts_keep_their_clips(self, judge, adapter):
        model, processor = judge("audio_judge_encoder", adapter)
        inputs = chat_inputs(processor, a_prompt(processor, 0.6, 1.1), a_prompt(processor, 0.9, 0.4))
        # One candidate to draw from: every sample must be the greedy answer to its own prompt
        samples = written(model, inputs, do_sample=True, top_k=1, num_return_sequences=3)
        assert samples.tolist() == [row for row in written(model, inputs).tolist() for _ in range(3)]

    def test_samples_differ(self, judge):
        model, processor = judge()
        torch.manual_seed(0)
        samples = written(model, inputs_of(processor, 0.6), do_sample=True, num_return_sequences=4, max_new_tokens=6)
        assert len({tuple(row) for row in samples.tolist()}) > 1

    @each_adapter
    def test_expansion_repeats_the_clips_of_a_prompt_as_a_group(self, judge, adapter):
        model, processor = judge("audio_judge_encoder", adapter)
        text = [{"type": "text", "text": "A"}]
        inputs = chat_inputs(processor, a_prompt(processor, 0.6, 1.1), text, a_prompt(processor, 0.9))
        _, expanded = model._expand_inputs_for_generation(2, **inputs)
        order = [0, 1, 0, 1, 2, 2]
        for name in ("input_features", "input_features_mask"):
            torch.testing.assert_close(expanded[name], inputs[name][order])

    def test_samples_of_bare_features(self, judge):
        model, processor = judge("audio_judge_encoder", "bottleneck")
        inputs = inputs_of(processor, 0.6, 0.6)
        del inputs["input_features_mask"]
        assert len(written(model, inputs, do_sample=True, num_return_sequences=2)) == 2


class TestSaveAndLoad:
    @each_encoder
    @each_adapter
    def test_same_weights_and_logits(self, judge, tmp_path, kind, adapter):
        model, processor = judge(kind, adapter)
        model.save_pretrained(tmp_path)
        loaded = AudioJudgeForCausalLM.from_pretrained(tmp_path)
        tensors = dict(loaded.named_parameters()) | dict(loaded.named_buffers())
        expected = dict(model.named_parameters()) | dict(model.named_buffers())
        assert tensors.keys() == expected.keys()
        for name, tensor in expected.items():  # non-persistent buffers too, which no file holds
            torch.testing.assert_close(
                tensors[name], tensor, atol=0, rtol=0, msg=lambda text, name=name: f"{name}: {text}"
            )
        inputs = inputs_of(processor, 0.6)
        assert torch.equal(logits_of(loaded, inputs), logits_of(model, inputs))

    @pytest.mark.parametrize("tie", [True, False])
    def test_head_is_tied_as_in_the_language_model(self, judge, tmp_path, tie):
        model, _ = judge("audio_judge_encoder", "pooled_linear", tie)
        model.save_pretrained(tmp_path)
        assert ("lm_head.weight" in load_file(tmp_path / "model.safetensors")) is not tie
        loaded = AudioJudgeForCausalLM.from_pretrained(tmp_path)
        assert (loaded.lm_head.weight is loaded.get_input_embeddings().weight) is tie
        assert torch.equal(loaded.lm_head.weight, model.lm_head.weight)

    def test_as_bfloat16(self, judge, tmp_path):
        model, _ = judge()
        model.save_pretrained(tmp_path)
        loaded = AudioJudgeForCausalLM.from_pretrained(tmp_path, dtype=torch.bfloat16)
        assert {weight.dtype for weight in loaded.parameters()} == {torch.bfloat16}

    def test_encoder_alone(self, judge, tmp_path):
        model, _ = judge()
        model.model.audio_tower.save_pretrained(tmp_path)
        loaded = AutoModel.from_pretrained(tmp_path)
        assert isinstance(loaded, AudioJudgeEncoder)
        features = torch.randn(1, 50, 64)
        expected = model.model.audio_tower(features).last_hidden_state
        assert torch.equal(loaded(features).last_hidden_state, expected)

    @pytest.mark.parametrize("tie", [True, False])
    def test_resized_embeddings(self, backbones, tmp_path, tie):
        model, processor = make_judge(backbones, tie=tie)
        before = model.get_input_embeddings().weight.detach().clone()
        inputs = inputs_of(processor, 0.6)
        expected = logits_of(model, inputs)
        model.resize_token_embeddings(len(before) + 5)
        assert (model.lm_head.out_features, model.config.text_config.vocab_size) == (len(before) + 5, len(before) + 5)
        torch.testing.assert_close(logits_of(model, inputs)[..., : len(before)], expected)
        model.save_pretrained(tmp_path)
        assert AudioJudgeForCausalLM.from_pretrained(tmp_path).lm_head.out_features == len(before) + 5


class TestEncodeAudio:
    @pytest.mark.parametrize("kind", ["audio_judge_encoder", "audio_judge_joined"])
    def test_one_by_one_equals_a_batch(self, judge, kind):
        """On a CPU, clips are encoded alone unless something is learned."""
        model, processor = judge(kind)
        features, mask = processor.extract_features([tone(0.6), tone(1.3, 700.0), tone(0.9, 300.0)])
        together, lengths = model.model.encode_audio(features, mask)
        with torch.no_grad():
            alone, same = model.model.encode_audio(features, mask)
        assert lengths.tolist() == same.tolist()
        for one, other, length in zip(together, alone, lengths, strict=True):
            torch.testing.assert_close(other[:length], one[:length].detach(), atol=2e-4, rtol=2e-4)


class TestTraining:
    @each_encoder
    @each_adapter
    def test_checkpointing_gives_the_same_gradients(self, backbones, kind, adapter):
        model, processor = make_judge(backbones, kind, adapter)
        inputs = chat_inputs(processor, a_prompt(processor, 0.6), a_prompt(processor, 1.1))
        model.train()

        def gradients():
            model.zero_grad()
            model(**inputs, labels=inputs["input_ids"]).loss.backward()
            return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}

        plain = gradients()
        model.gradient_checkpointing_enable()
        layers = [module for module in model.modules() if getattr(module, "gradient_checkpointing", False)]
        assert any(layer in set(model.model.audio_tower.modules()) for layer in layers)
        again = gradients()
        assert plain.keys() == again.keys()
        for name in plain:
            torch.testing.assert_close(again[name], plain[name], atol=1e-5, rtol=1e-4)
        reached = {name for name, gradient in plain.items() if gradient.abs().max() > 0}
        for part in ("audio_tower", "adapter", "language_model.layers"):
            assert any(name.startswith(f"model.{part}.") for name in reached), part

    def test_frozen_backbones_with_checkpointing_still_train_the_adapter(self, backbones):
        model, processor = make_judge(backbones)
        model.train()
        model.model.audio_tower.requires_grad_(False)
        model.model.language_model.requires_grad_(False)
        model.gradient_checkpointing_enable()
        inputs = inputs_of(processor, 0.6)
        model(**inputs, labels=inputs["input_ids"]).loss.backward()
        assert model.model.adapter.linear.weight.grad.abs().max() > 0


class TestShape:
    """What a new judge may be given beside its adapter."""

    HEARS_ALL_LAYERS = ("audio-spectrogram-transformer", "whisper", "wavlm", "pe_audio_encoder")

    @pytest.mark.parametrize("kind", HEARS_ALL_LAYERS)
    @torch.no_grad()
    def test_layer_weights_start_as_the_mean_of_all_layers(self, tmp_path, kind):
        model, processor = make_judge(tmp_path, kind, layer_weights=True)
        inputs = inputs_of(processor, 0.6)
        audio_inputs = inputs["input_features"], inputs["input_features_mask"]
        states = audio_encoder(model.config.audio_config).encode(
            model.model.audio_tower, *audio_inputs, output_hidden_states=True
        )
        assert len(states.hidden_states) == 3  # of two layers, and what goes into the first
        mean = sum(torch.nn.functional.layer_norm(state, state.shape[-1:]) for state in states.hidden_states) / 3
        torch.testing.assert_close(model.model.encode_audio(*audio_inputs)[0], mean)

    @pytest.mark.parametrize("kind", HEARS_ALL_LAYERS)
    def test_layer_weights_of_a_batch_equal_each_clip_alone(self, tmp_path, kind):
        model, processor = make_judge(tmp_path, kind, layer_weights=True)
        together = chat_inputs(processor, a_prompt(processor, 0.6), a_prompt(processor, 1.1))
        alone = logits_of(model, chat_inputs(processor, a_prompt(processor, 0.6)))[0]
        rows = together["attention_mask"][0].bool()
        torch.testing.assert_close(logits_of(model, together)[0, rows], alone, atol=TOLERANCE, rtol=0)

    def test_layer_weights_are_learned(self, tmp_path):
        model, processor = make_judge(tmp_path, "whisper", layer_weights=True)
        model(**inputs_of(processor, 0.6)).logits.square().mean().backward()
        assert model.model.adapter.layers.weight.grad.abs().min() > 0

    def test_cut_window_hears_a_full_window_as_the_encoder_does(self, tmp_path):
        whole, processor = make_judge(tmp_path, "whisper")
        cut, _ = make_judge(tmp_path, "whisper", cut_window=True)
        seconds = processor.max_seconds
        inputs = inputs_of(processor, seconds)
        torch.testing.assert_close(logits_of(cut, inputs), logits_of(whole, inputs), atol=TOLERANCE, rtol=0)
        shorter = inputs_of(processor, seconds / 2)
        assert not torch.allclose(logits_of(cut, shorter), logits_of(whole, shorter), atol=1e-3)

    def test_cut_window_of_a_batch_equals_each_clip_alone(self, tmp_path):
        model, processor = make_judge(tmp_path, "whisper", cut_window=True)
        inputs = chat_inputs(processor, a_prompt(processor, 0.6), a_prompt(processor, 1.1))
        alone = logits_of(model, chat_inputs(processor, a_prompt(processor, 0.6)))[0]
        rows = inputs["attention_mask"][0].bool()
        torch.testing.assert_close(logits_of(model, inputs)[0, rows], alone, atol=TOLERANCE, rtol=0)

    @torch.no_grad()
    def test_spread_tells_a_steady_sound_from_an_unsteady_one_of_the_same_mean(self, tmp_path):
        adapter = make_judge(tmp_path, pooled_spread=True)[0].model.adapter
        steady = torch.zeros(1, 40, adapter.linear.in_features // 2)
        unsteady = steady.clone()
        unsteady[:, ::2], unsteady[:, 1::2] = 1.0, -1.0
        pooled = adapter.pool(unsteady.transpose(1, 2))  # (1, twice the width, tokens of 5 frames)
        mean, spread = pooled.chunk(2, dim=1)
        torch.testing.assert_close(mean**2 + spread**2, torch.ones_like(mean))
        assert not torch.allclose(*(adapter(frames, torch.tensor([40])) for frames in (steady, unsteady)))

    def test_spread_of_single_frames_has_a_gradient(self, tmp_path):
        adapter = make_judge(tmp_path, pooled_spread=True)[0].model.adapter
        frames = torch.ones(1, 4, adapter.linear.in_features // 2, requires_grad=True)  # fewer than tokens
        adapter(frames, torch.tensor([4])).square().sum().backward()
        assert frames.grad.isfinite().all()

    @each_adapter
    @torch.no_grad()
    def test_audio_tokens_have_the_deviation_of_the_language_models_own(self, tmp_path, adapter):
        model, processor = make_judge(tmp_path, adapter=adapter, scale_tokens=True)
        words = model.get_input_embeddings().weight
        inputs = inputs_of(processor, 0.6)
        tokens = model.get_audio_features(inputs["input_features"], inputs["input_features_mask"]).pooler_output
        assert float(tokens.std()) == pytest.approx(float(words.std()), rel=0.1)

    def test_all_of_it_is_saved(self, tmp_path):
        options = {"pooled_spread": True, "layer_weights": True, "cut_window": True, "scale_tokens": True}
        model, processor = make_judge(tmp_path, "whisper", **options)
        with torch.no_grad():
            model.model.adapter.layers.weight.copy_(torch.tensor([0.0, 2.0, 1.0]))
        model.save_pretrained(tmp_path / "saved")
        loaded = AudioJudgeForCausalLM.from_pretrained(tmp_path / "saved", dtype=torch.float32)
        inputs = inputs_of(processor, 0.6)
        torch.testing.assert_close(logits_of(loaded, inputs), logits_of(model, inputs), atol=TOLERANCE, rtol=0)

    def test_processor_takes_the_same_arguments(self, backbones):
        shape = {"adapter_tokens": 4, "pooled_spread": True, "scale_tokens": True}
        processor = AudioJudgeProcessor.from_backbones(*make_backbones(backbones), **shape)
        assert processor.audio_seq_length == 4


class TestFromBackbones:
    @each_encoder
    def test_weights_are_kept(self, backbones, judge, kind):
        model, _ = judge(kind)
        audio_folder, text_folder = make_backbones(backbones, kind)
        tower = AutoModel.from_pretrained(audio_folder)
        tower = tower.encoder if tower.config.is_encoder_decoder else tower
        causal = AutoModelForCausalLM.from_pretrained(text_folder)
        pairs = [(model.model.audio_tower, tower), (model.model.language_model.layers, causal.model.layers)]
        for ours, theirs in pairs:
            for (name, weight), (_, expected) in zip(
                ours.state_dict().items(), theirs.state_dict().items(), strict=True
            ):
                assert torch.equal(weight, expected), name
        old = causal.get_input_embeddings().weight
        assert torch.equal(model.get_input_embeddings().weight[: len(old)], old)

    @pytest.mark.parametrize("tie", [True, False])
    def test_new_tokens_have_embeddings(self, judge, tie):
        model, processor = judge("audio_judge_encoder", "pooled_linear", tie)
        assert model.get_input_embeddings().num_embeddings == len(processor.tokenizer) == model.lm_head.out_features
        assert model.config.text_config.vocab_size == len(processor.tokenizer)
        row = model.get_input_embeddings().weight[processor.question_token_id]
        assert row.isfinite().all()
        assert row.abs().max() > 0

    def test_nothing_is_left_on_the_meta_device(self, judge):
        for kind in ENCODERS:
            model, _ = judge(kind)
            tensors = itertools.chain(model.parameters(), model.buffers())
            assert {tensor.device.type for tensor in tensors} == {"cpu"}

    def test_adapters(self, judge):
        pooled, bottleneck = (
            judge("audio_judge_encoder", "pooled_linear")[0],
            judge("audio_judge_encoder", "bottleneck")[0],
        )
        assert set(dict(pooled.model.adapter.named_children())) == {"norm", "linear"}
        assert set(dict(bottleneck.model.adapter.named_children())) == {"linear", "down", "up", "norm"}

    def test_audio_half_of_an_audio_and_text_model(self, backbones, tmp_path):
        parts = {"audio_config": audio_config("pe_audio_encoder").to_dict()}
        parts["text_config"] = {
            "model_type": "modernbert", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
            "intermediate_size": 16, "vocab_size": 50, "pad_token_id": 0,
        }  # fmt: skip
        whole = PeAudioModel(PeAudioConfig(**parts))
        whole.save_pretrained(tmp_path)
        audio_folder, text_folder = make_backbones(backbones, "pe_audio_encoder")
        AudioJudgeProcessor.from_backbones(audio_folder, text_folder).feature_extractor.save_pretrained(tmp_path)
        processor = AudioJudgeProcessor.from_backbones(str(tmp_path), text_folder, adapter_tokens=4)
        model = AudioJudgeForCausalLM.from_backbones(str(tmp_path), text_folder, adapter_tokens=4)
        weight = whole.audio_encoder.norm.weight
        assert torch.equal(model.model.audio_tower.norm.weight, weight)
        assert logits_of(model, inputs_of(processor, 0.6)).isfinite().all()

    def test_new_encoder_is_the_entry_that_contributing_shows(self, backbones, tmp_path, monkeypatch):
        text = (ROOT / "CONTRIBUTING.md").read_text().partition("## A new encoder")[2].partition("\n## ")[0]
        entry = text.partition("```python")[2].partition("```")[0]
        code = compile(f"AUDIO_ENCODERS.update({{{entry}}})", "CONTRIBUTING.md", "exec")
        monkeypatch.setattr(configuration, "AUDIO_ENCODERS", dict(configuration.AUDIO_ENCODERS))
        exec(code, vars(configuration))
        known = audio_config("wavlm")
        sizes = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "conv_dim")
        same = {
            name: getattr(known, name) for name in (*sizes, "conv_kernel", "conv_stride", "num_feat_extract_layers")
        }
        config = AutoConfig.for_model("data2vec-audio", **same, num_conv_pos_embedding_groups=2, conv_pos_kernel_size=3)
        AutoModel.from_config(config).save_pretrained(tmp_path)
        make_feature_extractor("wavlm").save_pretrained(tmp_path)
        _, text = make_backbones(backbones)
        processor = AudioJudgeProcessor.from_backbones(str(tmp_path), text, adapter="bottleneck")
        model = AudioJudgeForCausalLM.from_backbones(str(tmp_path), text, adapter="bottleneck")
        short, long = (a_prompt(processor, seconds) for seconds in (0.6, 1.1))
        together = logits_of(model, chat_inputs(processor, short, long))
        for row, prompt in zip(together, (short, long), strict=True):
            alone = logits_of(model, chat_inputs(processor, prompt))[0]
            torch.testing.assert_close(row[-1], alone[-1], atol=TOLERANCE, rtol=0)

    def test_llama3_style(self, backbones, tmp_path):
        tokenizer = make_tokenizer(special=LLAMA3)
        AutoModelForCausalLM.from_config(text_config(len(tokenizer))).save_pretrained(tmp_path)
        tokenizer.save_pretrained(tmp_path)
        audio_folder, _ = make_backbones(backbones)
        processor = AudioJudgeProcessor.from_backbones(audio_folder, str(tmp_path), adapter_tokens=4)
        model = AudioJudgeForCausalLM.from_backbones(audio_folder, str(tmp_path), adapter_tokens=4)
        conversation = [{"role": "user", "content": "rate"}, {"role": "assistant", "content": "good"}]
        assert processor.apply_chat_template(conversation) == (
            "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nrate<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\ngood<|eot_id|>"
        )
        assert processor.end_of_turn == "<|eot_id|>"
        assert "<|im_start|>" not in processor.tokenizer.get_vocab()
        assert processor.decision_config.chat_template.count("<|start_header_id|>") == 2
        inputs = inputs_of(processor, 0.6)
        assert inputs["input_ids"][0].tolist().count(tokenizer.convert_tokens_to_ids("<|begin_of_text|>")) == 1
        assert logits_of(model, inputs).isfinite().all()


class TestFourBit:
    """nf4 for the language model only, on the CPU."""

    QUANTIZATION = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32
    )

    @pytest.fixture
    def quantized(self, backbones):
        pytest.importorskip("bitsandbytes")
        return make_judge(backbones, quantization_config=self.QUANTIZATION)

    @staticmethod
    def quantized_names(model):
        return {name for name, module in model.named_modules() if type(module).__name__ == "Linear4bit"}

    def test_only_the_language_model(self, quantized):
        model, _ = quantized
        names = self.quantized_names(model)
        assert len(names) == 2 * 7
        assert all(name.startswith("model.language_model.layers.") for name in names)

    def test_save_and_load(self, quantized, tmp_path):
        model, processor = quantized
        model.save_pretrained(tmp_path)
        loaded = AudioJudgeForCausalLM.from_pretrained(tmp_path)
        assert self.quantized_names(loaded) == self.quantized_names(model)
        assert loaded.model.adapter.linear.weight.dtype == torch.float32
        inputs = inputs_of(processor, 0.6)
        # Kernels of some processors repack the weights on first use
        torch.testing.assert_close(logits_of(loaded, inputs), logits_of(model, inputs), atol=5e-2, rtol=0)

    def test_step_of_lora_on_the_language_model(self, quantized):
        peft = pytest.importorskip("peft")
        model, processor = quantized
        target = r".*language_model\.layers\.\d+\.self_attn\.(q_proj|v_proj)"
        config = peft.LoraConfig(r=2, target_modules=target, modules_to_save=["adapter"], task_type="CAUSAL_LM")
        model = peft.prepare_model_for_kbit_training(model, gradient_checkpointing_kwargs={"use_reentrant": False})
        tuned = peft.get_peft_model(model, config).train()
        trained = [name for name, weight in tuned.named_parameters() if weight.requires_grad]
        assert all("lora_" in name or "adapter.modules_to_save" in name for name in trained)
        assert not any("audio_tower" in name for name in trained)
        optimizer = torch.optim.SGD([weight for weight in tuned.parameters() if weight.requires_grad], lr=0.1)
        inputs = inputs_of(processor, 0.6)
        losses = []
        for _ in range(2):
            loss = tuned(**inputs, labels=inputs["input_ids"]).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[1] < losses[0]


class TestEncoder:
    def test_default_configuration_runs(self):
        model = AudioJudgeEncoder(AudioJudgeConfig().audio_config).eval()
        with torch.no_grad():
            assert model(torch.randn(2, 101, 64)).last_hidden_state.shape == (2, 26, 160)

    def test_default_judge_can_be_made_from_its_configuration(self):
        config = AudioJudgeConfig(
            audio_config=audio_config("audio_judge_encoder"),
            text_config=text_config(100),
            adapter_tokens=3,
            audio_token_id=9,
        )
        model = AudioJudgeForCausalLM(config).eval()
        ids = torch.tensor([[4, 9, 9, 9, 5]])
        with torch.no_grad():
            assert model(ids, input_features=torch.randn(1, 40, 64)).logits.shape == (1, 5, 100)


class TestJoinedEncoder:
    @pytest.fixture(scope="class")
    def encoder(self):
        torch.manual_seed(0)
        return AutoModel.from_config(audio_config("audio_judge_joined")).eval()

    def features(self, *views):
        extractor = make_feature_extractor("audio_judge_joined")
        clips = [tone(0.8), tone(0.5, 700.0)][: len(views)]
        return extractor(clips, optional_views=[set(own) for own in views], return_tensors="pt")

    def test_frames_of_all_encoders_lie_side_by_side(self, encoder):
        frames = encoder(**self.features(["whisper"])).last_hidden_state
        assert frames.shape == (1, 21, sum(one.frame_size for one in encoder.config.encoders))

    def test_a_view_that_is_missing_gives_zeros(self, encoder):
        frames = encoder(**self.features([])).last_hidden_state
        assert not frames[..., -3:].any()

    def test_a_clip_hears_its_own_optional_views_only(self, encoder):
        both = encoder(**self.features(["whisper"], [])).last_hidden_state
        assert both[0, :, -3:].any()
        assert not both[1, :, -3:].any()

    def test_the_other_frames_do_not_depend_on_an_optional_view(self, encoder):
        with_it, without = (encoder(**self.features(own)).last_hidden_state[..., :-3] for own in (["whisper"], []))
        torch.testing.assert_close(with_it, without)

    def test_a_batch_hears_what_each_clip_hears(self, encoder):
        together = encoder(**self.features([], [])).last_hidden_state
        alone = encoder(**make_feature_extractor("audio_judge_joined")(tone(0.5, 700.0), return_tensors="pt"))
        length = alone.last_hidden_state.shape[1]
        torch.testing.assert_close(together[1, :length], alone.last_hidden_state[0], atol=2e-4, rtol=2e-4)

    def test_hears_silence(self, encoder):
        silence = make_feature_extractor("audio_judge_joined")(np.zeros(24_000, np.float32), return_tensors="pt")
        assert encoder(**silence).last_hidden_state.isfinite().all()

    def test_saves_and_loads(self, encoder, tmp_path):
        encoder.save_pretrained(tmp_path)
        again = AutoModel.from_pretrained(tmp_path)
        features = self.features([])
        torch.testing.assert_close(again(**features).last_hidden_state, encoder(**features).last_hidden_state)

    def test_an_exact_form_cannot_be_joined(self):
        with pytest.raises(ValueError, match="frames"):
            AudioJudgeJoinedConfig(encoders=[AudioJudgeNisqaConfig(form="segments")])


class TestLevelsEncoder:
    def levels(self, samples):
        encoder = AudioJudgeLevelsEncoder(AudioJudgeLevelsConfig()).measure()
        return encoder(**AudioJudgeFeatureExtractor()(samples, return_tensors="pt")).scores[0]

    def test_level_is_heard_in_decibels(self):
        loud, soft = self.levels(tone(1.0)), self.levels(tone(1.0) * 0.1)
        assert float(loud[0] - soft[0]) == pytest.approx(20 / 25, abs=0.01)

    def test_the_quietest_tenth_has_a_level_of_its_own(self):
        paused = tone(1.0)
        paused[:9600] = 0
        assert float(self.levels(paused)[1]) < float(self.levels(paused)[0]) - 2
