"""Native audio language models of transformers, tiny and random, through the code paths of SFT and GRPO.

Voxtral's own tokenizer needs the package mistral-common, which is not among ours; a stand-in with the same interface
(ids and decoded clips from a conversation) takes its place, so its prompt format is not tested here. Granite Speech's
features need torchaudio; others of their shape take their place. Not tested are Gemma 3n, whose model needs timm, and
Voxtral Realtime, whose processor takes Mistral's own tokenizer only.
"""

import json

import pytest
import soundfile
import torch
from native_models import ASKED, NATIVE, ONE_CLIP, glm, phi, qwen2_audio
from safetensors.torch import load_file, save_file
from tiny import make_judge, tone
from transformers import AutoProcessor
from trl import GRPOConfig, SFTConfig

from audio_judge.data.files import read_example
from audio_judge.data.files import to_dataset as examples_dataset
from audio_judge.judge.generation import generate_answers
from audio_judge.judge.native import answer_ids, encode_prompt, join_audio, load_audio_model, placeholder_id
from audio_judge.training.collate import NativeCollator, text_examples
from audio_judge.training.grpo import AudioGRPOTrainer
from audio_judge.training.reward_rows import make_rows, to_dataset
from audio_judge.training.sft import NativeSFTTrainer
from audio_judge.training.tuning import nf4_config


@pytest.fixture(scope="module", params=NATIVE)
def native(request):
    torch.manual_seed(0)
    return request.param, *NATIVE[request.param]()


@pytest.fixture(scope="module", params=ASKED)
def asked(request):
    torch.manual_seed(0)
    return request.param, *ASKED[request.param]()


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    for i, seconds in enumerate([0.5, 0.7, 0.9, 1.1, 0.5]):
        soundfile.write(folder / f"{i}.wav", tone(seconds, 300 + 200 * i, 16_000), 16_000)
    return [str(folder / f"{i}.wav") for i in range(5)]


def example(path, answer="3.0"):
    content = [{"type": "audio", "path": path}, {"type": "text", "text": "Rate this."}]
    return {
        "task": "score", "prompt": [{"role": "user", "content": content}], "target": {"rubric": "mos", "value": 3.0},
        "completion": [{"role": "assistant", "content": answer}], "seed": 0, "scores": {"mos": 3.0},
    }  # fmt: skip


def parameters(model):
    return {name: value.clone() for name, value in model.named_parameters()}


class TestEncodePrompt:
    def test_model_hears_the_clip(self, asked, clips):
        """The same ids with another clip of the same length give other logits."""
        _, model, processor = asked
        first, second = (encode_prompt(processor, example(path)["prompt"]) for path in (clips[0], clips[4]))
        assert first.ids == second.ids
        ids = torch.tensor([first.ids])
        with torch.no_grad():
            logits = [
                model(input_ids=ids, attention_mask=torch.ones_like(ids), **one.audio).logits for one in (first, second)
            ]
        assert (logits[0][0, -1] - logits[1][0, -1]).abs().max() > 1e-6

    def test_two_clips(self, asked, clips):
        name, model, processor = asked
        prompt = example(clips[0])["prompt"]
        prompt[0]["content"] += [{"type": "audio", "path": clips[1]}]
        if name in ONE_CLIP:
            with pytest.raises(ValueError, match=r"must match 1:1|must match number of audios"):
                encode_prompt(processor, prompt)
            return
        ids, audio = encode_prompt(processor, prompt)
        assert {len(value) for value in audio.values()} == {2}
        model(input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)), **audio)

    def test_placeholders_are_those_of_the_model(self, asked, clips):
        _, model, processor = asked
        short, long = (encode_prompt(processor, example(path)["prompt"]).ids for path in (clips[0], clips[3]))
        placeholder = placeholder_id(model)
        assert 1 < short.count(placeholder) <= long.count(placeholder)
        assert [one for one in short if one != placeholder] == [one for one in long if one != placeholder]

    def test_answers_of_a_batch_are_those_of_each_prompt_alone(self, asked, clips):
        _, model, processor = asked
        prompts = [example(path)["prompt"] for path in (clips[0], clips[3])]
        options = {"max_new_tokens": 4, "eos_token_id": processor.tokenizer.eos_token_id}
        together = generate_answers(model, processor, prompts, **options)
        assert together == [generate_answers(model, processor, [prompt], **options)[0] for prompt in prompts]

    @pytest.mark.parametrize("content", ["message.content", "'' ~ message.content"], ids=["raises", "prints the list"])
    def test_template_for_text_only_gets_the_placeholder_in_the_text(self, clips, content):
        _, processor = phi()
        given = example(clips[0])
        expected = (
            encode_prompt(processor, given["prompt"]).ids,
            answer_ids(processor, given["prompt"], given["completion"]),
        )
        processor.chat_template = (
            "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + CONTENT + '<|im_end|>\n' }}"
            "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
        ).replace("CONTENT", content)
        ids = encode_prompt(processor, given["prompt"]).ids
        assert (ids, answer_ids(processor, given["prompt"], given["completion"])) == expected

    def test_clips_of_one_batch_bring_their_masks(self, clips):
        """Phi-4's own processor gives a clip that is alone no mask, though its encoder would hear what it is padded with."""
        _, processor = phi()
        prompts = [encode_prompt(processor, example(path)["prompt"]).audio for path in (clips[0], clips[3])]
        joined = join_audio(prompts)
        assert joined["audio_attention_mask"].sum(1).tolist() == [
            one["audio_input_features"].shape[1] for one in prompts
        ]


class TestNativeCollator:
    def test_answer_and_end_of_turn_are_learned(self, native, clips):
        _, _, processor = native
        batch = NativeCollator(processor)([example(clips[0]), example(clips[1], "2.5 or so")])
        learned = [row[row != -100].tolist() for row in batch["labels"]]
        texts = [processor.tokenizer.decode(ids) for ids in learned]
        assert [text.replace("<|im_end|>", "") for text in texts] == ["3.0", "2.5 or so"]
        assert all(ids[-1] == processor.tokenizer.eos_token_id for ids in learned)

    def test_typed_decisions_are_refused(self, native):
        with pytest.raises(ValueError, match="leave decide out"):
            NativeCollator(native[2])([{"task": "decide", "state": [], "questions": {}}])

    def test_template_that_rewrites_the_prompt_is_an_error(self, clips):
        _, processor = qwen2_audio()
        processor.chat_template = "{{ messages | length }}"
        with pytest.raises(ValueError, match="rewrites the prompt"):
            answer_ids(processor, example(clips[0])["prompt"], example(clips[0])["completion"])


TYPED = {"task": "decide", "state": [], "questions": {}}


class TestTextExamples:
    def test_typed_questions_are_dropped_with_a_count(self, caplog):
        kept = text_examples(examples_dataset([example("a.wav"), TYPED, example("b.wav")]))
        assert [read_example(row)["task"] for row in kept] == ["score", "score"]
        assert "1 of 3 examples are typed questions" in caplog.text

    def test_nothing_is_told_of_what_is_all_text(self, caplog):
        assert len(text_examples(examples_dataset([example("a.wav")]))) == 1
        assert not caplog.text

    def test_nothing_left_is_an_error(self):
        with pytest.raises(ValueError, match="all 2 examples are typed questions"):
            text_examples(examples_dataset([TYPED, TYPED]))

    def test_streams_are_not_counted(self, caplog):
        kept = text_examples(examples_dataset([TYPED, example("a.wav")]).to_iterable_dataset())
        assert [read_example(row)["task"] for row in kept] == ["score"]
        assert "typed questions are left out" in caplog.text


class TestTraining:
    def test_two_steps_of_sft(self, native, clips, tmp_path):
        _, model, processor = native
        before = parameters(model)
        args = SFTConfig(
            str(tmp_path), use_cpu=True, bf16=False, gradient_checkpointing=False, max_steps=2, report_to="none",
            per_device_train_batch_size=2, learning_rate=1e-3, remove_unused_columns=False, max_length=None,
            dataset_kwargs={"skip_prepare_dataset": True}, save_strategy="no", disable_tqdm=True, logging_steps=1,
        )  # fmt: skip
        trainer = NativeSFTTrainer(
            model=model, args=args, processing_class=processor, data_collator=NativeCollator(processor),
            train_dataset=examples_dataset([example(path) for path in clips[:4]]),
        )  # fmt: skip
        trainer.train()
        assert trainer.state.global_step == 2
        changed = {name for name, value in model.named_parameters() if not torch.equal(value, before[name])}
        assert any("audio_tower" in name for name in changed)
        assert any("language_model" in name for name in changed)

    def test_two_steps_of_grpo(self, native, clips, tmp_path):
        _, model, processor = native
        before = parameters(model)
        args = GRPOConfig(
            output_dir=str(tmp_path), use_cpu=True, bf16=False, gradient_checkpointing=False, max_steps=2,
            report_to="none", per_device_train_batch_size=4, num_generations=2, max_completion_length=4, seed=0,
            learning_rate=1e-3, save_strategy="no", disable_tqdm=True, logging_steps=1,
        )  # fmt: skip
        rows = to_dataset(make_rows(example(path) for path in clips[:4]))
        trainer = AudioGRPOTrainer(
            model=model, args=args, processing_class=processor, train_dataset=rows, eval_dataset=rows,
            reward_funcs=[lambda completions, **_: [float(index % 2) for index in range(len(completions))]],
        )  # fmt: skip
        trainer.train()
        assert trainer.state.global_step == 2
        changed = {name for name, value in model.named_parameters() if not torch.equal(value, before[name])}
        assert any("audio_tower" in name for name in changed)
        assert any("language_model" in name for name in changed)
        assert 0 <= trainer.evaluate()["eval_coverage"] <= 1

    def test_log_probabilities_are_those_of_a_manual_forward(self, native, clips, tmp_path):
        _, model, processor = native
        args = GRPOConfig(
            output_dir=str(tmp_path), use_cpu=True, bf16=False, gradient_checkpointing=False, report_to="none",
            per_device_train_batch_size=4, num_generations=2, max_completion_length=4,
        )  # fmt: skip
        rows = make_rows(example(path) for path in clips[:4])
        trainer = AudioGRPOTrainer(
            model=model, args=args, processing_class=processor, train_dataset=to_dataset(rows),
            reward_funcs=[lambda completions, **_: [0.0] * len(completions)],
        )  # fmt: skip
        model.eval()
        given = [rows[0], rows[0], rows[3], rows[3]]
        out = trainer._generate_and_score_completions(given)
        whole = [torch.cat([out[f"prompt_{n}"], out[f"completion_{n}"]], 1) for n in ("ids", "mask")]
        with torch.no_grad():
            found = trainer._get_per_token_logps_and_entropies(model, *whole, out["completion_ids"].shape[1])[0]
        for number, row in enumerate(given):
            prompt = encode_prompt(processor, row["prompt"])
            answer = out["completion_ids"][number][out["completion_mask"][number].bool()]
            ids = torch.cat([torch.tensor(prompt.ids), answer])[None]
            with torch.no_grad():
                logits = model(input_ids=ids, attention_mask=torch.ones_like(ids), **prompt.audio).logits
            wanted = logits[0, len(prompt.ids) - 1 : -1].log_softmax(-1).gather(1, answer[:, None])[:, 0]
            assert torch.allclose(found[number, : len(answer)], wanted, atol=1e-5)


class TestLoading:
    @pytest.mark.parametrize("name", ["qwen2_audio", "audioflamingo3", "glmasr"])
    def test_from_a_folder(self, name, tmp_path):
        model, processor = ASKED[name]()
        for part in (model, processor):
            part.save_pretrained(tmp_path)
        assert [type(part) for part in load_audio_model(str(tmp_path))] == [type(model), type(processor)]

    @pytest.mark.parametrize("name", ASKED)
    def test_four_bits_are_for_the_language_model_only(self, name, tmp_path):
        model, _ = ASKED[name]()
        model.save_pretrained(tmp_path)
        model = type(model).from_pretrained(tmp_path, quantization_config=nf4_config(whole_judge=True))
        quantized = {name for name, weight in model.named_parameters() if not weight.is_floating_point()}
        assert quantized
        assert not any(
            part in name for name in quantized for part in ("audio", "visual", "image", "projector", "lm_head")
        )

    def test_weights_that_are_missing_are_not_made_up(self, backbones, tmp_path):
        for part in make_judge(backbones):
            part.save_pretrained(tmp_path)
        weights = load_file(tmp_path / "model.safetensors")
        lost = sorted(name for name in weights if "language_model.layers" in name)[:4]
        kept = {name: weights[name] for name in weights if name not in lost}
        save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(ValueError, match=rf"4 of its weights are missing \({lost[0]}, .* …\)"):
            load_audio_model(str(tmp_path))

    def test_weights_are_never_unpickled(self, backbones, tmp_path):
        model, processor = make_judge(backbones)
        for part in (model, processor):
            part.save_pretrained(tmp_path)
        (tmp_path / "model.safetensors").unlink()
        torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
        with pytest.raises(OSError, match=r"model\.safetensors"):
            load_audio_model(str(tmp_path))

    def test_judge(self, backbones, tmp_path):
        for part in make_judge(backbones):
            part.save_pretrained(tmp_path)
        model, processor = load_audio_model(str(tmp_path))
        assert type(model).__name__ == "AudioJudgeForCausalLM"
        assert processor.decision_config.chat_template

    @pytest.mark.parametrize("name", ["qwen2_5_omni", "qwen3_omni_moe"])
    def test_thinker_is_taken_from_the_whole_omni_model(self, name, tmp_path, monkeypatch):
        thinker, processor = ASKED[name]()
        thinker.save_pretrained(tmp_path)
        weights = load_file(tmp_path / "model.safetensors")
        save_file({f"thinker.{key}": value for key, value in weights.items()}, tmp_path / "model.safetensors")
        config = {"model_type": name, "thinker_config": thinker.config.to_dict()}
        (tmp_path / "config.json").write_text(json.dumps(config))
        monkeypatch.setattr(AutoProcessor, "from_pretrained", lambda *_, **__: processor)  # its images need torchvision
        loaded, _ = load_audio_model(str(tmp_path), dtype=torch.float32)
        assert type(loaded) is type(thinker)
        assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in thinker.state_dict().items())

    @pytest.mark.parametrize("kind", ["llama", "llava", "wavlm"])
    def test_model_that_does_not_listen_or_write_is_an_error(self, kind, tmp_path):
        (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
        with pytest.raises(ValueError, match=f"a model of type '{kind}' does not take audio"):
            load_audio_model(str(tmp_path))

    def test_model_that_cannot_be_asked_in_words_is_an_error(self, tmp_path):
        model, processor = glm()
        processor.chat_template = processor.tokenizer.chat_template = None
        model.save_pretrained(tmp_path)
        processor.save_pretrained(tmp_path)
        with pytest.raises(ValueError, match="GlmAsrProcessor has no chat template"):
            load_audio_model(str(tmp_path))
