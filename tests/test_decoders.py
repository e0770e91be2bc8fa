"""Any decoder as the language model of a judge: its own states, head, positions, chat format and end of turn."""

import pytest
import torch
from tiny import CHATML, LLAMA3, audio, chat_inputs, make_backbones, make_tokenizer
from tokenizers.processors import TemplateProcessing
from transformers import AutoConfig, AutoModelForCausalLM

from audio_judge import AudioJudgeEncoderConfig, AudioJudgeFeatureExtractor, AudioJudgeForCausalLM, AudioJudgeProcessor
from audio_judge.processing_audio_judge import CHAT_TEMPLATE, fill_turns, find_turns

SIZE = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
LLAMA = SIZE | {"intermediate_size": 128, "num_key_value_heads": 2, "max_position_embeddings": 512}
DECODERS = {
    "gpt2": {"n_embd": 64, "n_layer": 2, "n_head": 4},  # its embeddings are `wte`, its positions learned
    "opt": SIZE | {"ffn_dim": 128, "word_embed_proj_dim": 64},  # a decoder inside a model
    "falcon": SIZE,
    "falcon with alibi": SIZE | {"alibi": True},  # positions by themselves
    "bloom": {"hidden_size": 64, "n_layer": 2, "n_head": 4},  # likewise
    "phi": LLAMA,  # a head with a bias
    "gemma2": LLAMA | {"head_dim": 16, "final_logit_softcapping": 1.0},  # capped logits
    "gemma4_text": LLAMA
    | {
        "head_dim": 16,
        "vocab_size_per_layer_input": 420,
        "hidden_size_per_layer_input": 8,
    },  # a second table of embeddings
    "granite": LLAMA | {"logits_scaling": 4.0},  # scaled logits
    "lfm2": LLAMA | {"layer_types": ["conv", "full_attention"]},  # layers that no mask holds for
}
SHAPE = {"adapter_tokens": 4}


def write_decoder(folder, name, special=CHATML):
    """A tiny decoder of a family with its tokenizer; returns it in evaluation mode."""
    tokenizer = make_tokenizer(special=special)
    special_ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    torch.manual_seed(0)
    config = AutoConfig.for_model(name.split()[0], vocab_size=len(tokenizer), **special_ids, **DECODERS[name])
    model = AutoModelForCausalLM.from_config(config).eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model


def ask(model, processor, questions):
    """Probability of yes to each question about a tone, all in one prompt."""
    inputs, _ = processor.decision_inputs([{"state": [audio(0.4, 48_000)], "questions": questions}])
    return torch.stack([answer[0] for answer in model.eval().decide(**inputs)])


class TestDecoders:
    @pytest.mark.parametrize("name", DECODERS)
    def test_is_a_judge(self, name, tmp_path, backbones):
        """Text alone gives the decoder's own logits, a question does not move another, and what is saved is the same."""
        decoder, (tower, _) = write_decoder(tmp_path / "text", name), make_backbones(backbones)
        model = AudioJudgeForCausalLM.from_backbones(tower, str(tmp_path / "text"), **SHAPE, dtype=torch.float32)
        processor = AudioJudgeProcessor.from_backbones(tower, str(tmp_path / "text"), **SHAPE)
        ids = torch.tensor([[11, 12, 13, 14]])
        own = decoder(ids).logits
        torch.testing.assert_close(model(ids).logits[..., : own.shape[-1]], own, atol=1e-5, rtol=1e-5)
        questions = {word: {"type": "noul", "instructions": f"{word}? " * 3} for word in ("noisy", "clear")}
        together = ask(model, processor, questions)
        alone = torch.cat([ask(model, processor, {name: questions[name]}) for name in questions])
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
        model.save_pretrained(tmp_path / "judge")
        loaded = AudioJudgeForCausalLM.from_pretrained(tmp_path / "judge")
        torch.testing.assert_close(ask(loaded, processor, questions), together, atol=1e-6, rtol=0)
        inputs = chat_inputs(processor, [audio(0.4, 48_000), {"type": "text", "text": "rate"}])
        assert model.generate(**inputs, max_new_tokens=2, do_sample=False).shape[1] > inputs["input_ids"].shape[1]

    def test_prompts_with_and_without_questions_in_a_batch(self, tmp_path, backbones):
        """Bloom counts positions by itself, so each question becomes a row; a prompt without any stays one."""
        write_decoder(tmp_path, "bloom")
        tower, _ = make_backbones(backbones)
        model = AudioJudgeForCausalLM.from_backbones(tower, str(tmp_path), **SHAPE, dtype=torch.float32)
        asks = model.config.question_token_id
        ids = torch.tensor([[11, 12, asks, 13, asks, 14], [11, 12, 13, 14, 15, 16]])
        states = model.model(ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        first, second = torch.tensor([[11, 12, asks, 13]]), ids[1:]
        torch.testing.assert_close(states[0, :4], model.model.language_model(first).last_hidden_state[0])
        torch.testing.assert_close(states[1], model.model.language_model(second).last_hidden_state[0])

    def test_without_attention_is_refused(self, tmp_path, backbones):
        config = AutoConfig.for_model("mamba", hidden_size=64, num_hidden_layers=1, state_size=8, vocab_size=420)
        AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
        make_tokenizer().save_pretrained(tmp_path)
        with pytest.raises(ValueError, match="a mamba has no attention"):
            AudioJudgeForCausalLM.from_backbones(make_backbones(backbones)[0], str(tmp_path))

    @pytest.mark.parametrize("tie", [True, False])
    def test_new_tokens_are_the_same_each_time(self, tie, backbones):
        """A LoRA is merged into a judge that is made anew."""
        made = []
        for seed in (0, 1):
            torch.manual_seed(seed)
            made.append(AudioJudgeForCausalLM.from_backbones(*make_backbones(backbones, tie=tie)))
        for part in ("get_input_embeddings", "get_output_embeddings"):
            first, second = (getattr(model, part)().weight for model in made)
            assert torch.equal(first, second)
            assert len(first.unique(dim=0)) == len(first)


def turn(role, start, middle, end):
    return (
        f"{{% if message['role'] == '{role}' %}}{{{{ '{start}' + message['content'] + '{middle}' }}}}{{% endif %}}{end}"
    )


def each(*turns, before="", after=""):
    return f"{before}{{% for message in messages %}}{''.join(turns)}{{% endfor %}}{after}"


def opened(text):
    return f"{{% if add_generation_prompt %}}{{{{ '{text}' }}}}{{% endif %}}"


BOS = "{{ bos_token }}"
# A template in the manner of each family, and its special tokens: padding, beginning, end of text, the others
OWN = {
    "gemma": (
        ("<pad>", "<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"),
        each(
            "{% if message['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}",
            turn("user", "<start_of_turn>user\\n", "<end_of_turn>\\n", ""),
            turn("assistant", "<start_of_turn>model\\n", "<end_of_turn>\\n", ""),
            before=BOS,
            after=opened("<start_of_turn>model\\n"),
        ),
        "<end_of_turn>",
    ),
    "mistral": (
        ("<pad>", "<s>", "</s>", "[INST]", "[/INST]"),
        each(turn("user", "[INST] ", " [/INST]", ""), turn("assistant", "", "</s>", ""), before=BOS),
        "</s>",
    ),
    "phi3": (
        ("<pad>", "<s>", "<|endoftext|>", "<|user|>", "<|assistant|>", "<|end|>"),
        each(
            turn("user", "<|user|>\\n", "<|end|>\\n", ""),
            turn("assistant", "<|assistant|>\\n", "<|end|>\\n", ""),
            after=opened("<|assistant|>\\n"),
        ),
        "<|end|>",
    ),
    "phi4": (
        ("<|pad|>", "<|im_start|>", "<|im_end|>", "<|im_sep|>"),
        each(
            "{{ '<|im_start|>' + message['role'] + '<|im_sep|>' + message['content'] + '<|im_end|>' }}",
            after=opened("<|im_start|>assistant<|im_sep|>"),
        ),
        "<|im_end|>",
    ),
    "qwen": (
        CHATML,
        each(
            "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}",
            before="{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nBe kind.<|im_end|>\\n' }}{% endif %}",
            after=opened("<|im_start|>assistant\\n"),
        ),
        "<|im_end|>",
    ),
}


def own_tokenizer(family):
    special, template, end = OWN[family]
    tokenizer = make_tokenizer(special=special)
    tokenizer.bos_token, tokenizer.chat_template = special[1], template
    return tokenizer, end


def conversation(*texts):
    return [
        {"role": role, "content": text}
        for role, text in zip(("user", "assistant", "user", "assistant"), texts, strict=False)
    ]


class TestTurns:
    @pytest.mark.parametrize("family", OWN)
    @pytest.mark.parametrize(
        "texts", [("rate",), ("rate", "good"), ("rate", "good", "why"), ("rate", "good", "why", "noise")]
    )
    def test_are_those_of_the_language_model(self, family, texts):
        tokenizer, _ = own_tokenizer(family)
        ours = fill_turns(CHAT_TEMPLATE, find_turns(tokenizer))
        options = {"tokenize": False, "add_generation_prompt": len(texts) % 2 == 1}
        own = tokenizer.apply_chat_template(conversation(*texts), **options)
        made = tokenizer.apply_chat_template(conversation(*texts), chat_template=ours, **options)
        assert made == own.replace("<|im_start|>system\nBe kind.<|im_end|>\n", "")

    @pytest.mark.parametrize("family", OWN)
    def test_answer_and_its_end_are_learned(self, family):
        tokenizer, end = own_tokenizer(family)
        ours = fill_turns(CHAT_TEMPLATE, find_turns(tokenizer))
        encoded = tokenizer.apply_chat_template(
            conversation("rate", "good"), chat_template=ours, return_dict=True, return_assistant_tokens_mask=True
        )
        learned = [token for token, mask in zip(encoded["input_ids"], encoded["assistant_masks"], strict=True) if mask]
        assert tokenizer.decode(learned) == "good" + end

    def test_system_message_begins_the_request_where_there_is_no_such_turn(self):
        tokenizer, _ = own_tokenizer("gemma")
        messages = [{"role": "system", "content": "Be strict."}, *conversation("rate")]
        made = tokenizer.apply_chat_template(
            messages, chat_template=fill_turns(CHAT_TEMPLATE, find_turns(tokenizer)), tokenize=False
        )
        assert made == "<bos><start_of_turn>user\nBe strict.\n\nrate<end_of_turn>\n"

    def test_no_token_is_new_but_the_judges_own(self, tmp_path, backbones):
        tokenizer, end = own_tokenizer("gemma")
        known = len(tokenizer)
        write_decoder(tmp_path, "gemma2", special=OWN["gemma"][0])
        tokenizer.save_pretrained(tmp_path)
        processor = AudioJudgeProcessor.from_backbones(make_backbones(backbones)[0], str(tmp_path))
        assert len(processor.tokenizer) == known + 4
        assert processor.end_of_turn == end
        assert processor.decision_config.chat_template.count("start_of_turn") == 2

    def test_model_writes_to_the_end_of_its_turn(self, tmp_path, backbones):
        tokenizer, end = own_tokenizer("gemma")
        write_decoder(tmp_path, "gemma2", special=OWN["gemma"][0])
        tokenizer.save_pretrained(tmp_path)
        model = AudioJudgeForCausalLM.from_backbones(make_backbones(backbones)[0], str(tmp_path))
        assert tokenizer.convert_tokens_to_ids(end) in model.generation_config.eos_token_id

    def test_without_a_template_words_and_the_end_of_text(self):
        """GPT-2 knows no turns; tokens that it never saw would say nothing to it."""
        tokenizer = make_tokenizer(special=("<pad>", "<a>", "<|endoftext|>"))
        made = tokenizer.apply_chat_template(
            conversation("rate", "good"), chat_template=fill_turns(CHAT_TEMPLATE, find_turns(tokenizer)), tokenize=False
        )
        assert made == "user:\nrate<|endoftext|>\nassistant:\ngood<|endoftext|>\n"

    def test_a_base_model_gets_its_beginning(self):
        tokenizer = own_tokenizer("gemma")[0]
        tokenizer.chat_template, tokenizer.eos_token = None, "<eos>"
        tokenizer._tokenizer.post_processor = TemplateProcessing(
            "<bos> $A", special_tokens=[("<bos>", tokenizer.bos_token_id)]
        )
        assert find_turns(tokenizer)["BEGIN"] == "<bos>"

    def test_are_refused_where_they_are_not_known(self, backbones):
        tokenizer = make_tokenizer(special=("<pad>", "<a>", "<b>"))
        tokenizer.eos_token = None
        with pytest.raises(ValueError, match="turns of this language model are not known: its tokenizer has neither"):
            find_turns(tokenizer)
        tokenizer.chat_template = "{{ messages[0]['content'] }}"
        with pytest.raises(ValueError, match="not known: its chat template leaves parts of a conversation out: '@1@'"):
            find_turns(tokenizer)
        tokenizer.chat_template = "{{ messages[0]['content'][0]['text'] + 1 }}"
        with pytest.raises(ValueError, match="not known: its chat template does not write a plain conversation"):
            find_turns(tokenizer)

    def test_padding_where_there_is_no_such_token(self, backbones):
        tokenizer, _ = own_tokenizer("mistral")
        tokenizer.pad_token = tokenizer.eos_token = None
        parts = (AudioJudgeFeatureExtractor(), tokenizer, AudioJudgeEncoderConfig())
        assert AudioJudgeProcessor.from_parts(*parts, audio_seq_length=4).tokenizer.pad_token == "<|split|>"

    @pytest.mark.parametrize("special", [CHATML, LLAMA3])
    def test_without_a_template_by_the_tokens(self, special):
        turns = find_turns(make_tokenizer(special=special))
        assert turns["END"] == special[2]
