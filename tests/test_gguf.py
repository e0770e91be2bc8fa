"""Language models of GGUF files, unpacked as they are loaded."""

import json
import re
import sys
from pathlib import Path

import gguf
import pytest
import torch
from tiny import audio, chat_inputs, make_backbones, make_tokenizer
from transformers import AutoConfig, AutoModelForCausalLM

from audio_judge import AudioJudgeForCausalLM, AudioJudgeProcessor
from audio_judge.training.alld.expert import model_identity

sys.path.insert(0, str(Path(__file__).parents[1]))
from train_alld import AlldArguments, load_expert, load_expert_tokenizer

FILE = "tiny.gguf"
# Names of tensors in a GGUF file, and in transformers
NAMES = {
    "token_embd": r"model\.embed_tokens", "output_norm": r"model\.norm", "output": "lm_head",
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": r"self_attn\.q_proj",
    "attn_k": r"self_attn\.k_proj", "attn_v": r"self_attn\.v_proj", "attn_output": r"self_attn\.o_proj",
    "ffn_gate": r"mlp\.gate_proj", "ffn_up": r"mlp\.up_proj", "ffn_down": r"mlp\.down_proj",
}  # fmt: skip


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    """A folder with a tiny Qwen 2 in a GGUF file, and that model."""
    folder, tokenizer = tmp_path_factory.mktemp("gguf"), make_tokenizer()
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        "qwen2", hidden_size=64, intermediate_size=128, num_hidden_layers=1, num_attention_heads=4,
        num_key_value_heads=2, vocab_size=len(tokenizer), max_position_embeddings=512, initializer_range=0.15,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(config).eval()
    writer = gguf.GGUFWriter(folder / FILE, "qwen2")
    writer.add_block_count(1)
    writer.add_context_length(512)
    writer.add_embedding_length(64)
    writer.add_feed_forward_length(128)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10_000.0)
    vocabulary = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    merges = tokenizer.backend_tokenizer.to_str()
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(vocabulary)
    writer.add_token_types(
        [
            gguf.TokenType.CONTROL if token in tokenizer.all_special_tokens else gguf.TokenType.NORMAL
            for token in vocabulary
        ]
    )
    writer.add_token_merges([" ".join(pair) for pair in json.loads(merges)["model"]["merges"]])
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    for name, weight in model.state_dict().items():
        for short, long in NAMES.items():
            if found := re.fullmatch(rf"(?:model\.layers\.(\d+)\.)?{long}\.(weight|bias)", name):
                block = f"blk.{found[1]}." if found[1] else ""
                writer.add_tensor(f"{block}{short}.{found[2]}", weight.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return str(folder), model


def test_a_judge_of_one_has_its_weights_and_is_saved_whole(decoder, backbones, tmp_path):
    (folder, model), shape = decoder, {"gguf_file": FILE, "adapter_tokens": 4}
    tower, _ = make_backbones(backbones)
    judge = AudioJudgeForCausalLM.from_backbones(tower, folder, **shape, dtype=torch.float32)
    processor = AudioJudgeProcessor.from_backbones(tower, folder, **shape)
    known = model.config.vocab_size
    ids = torch.tensor([[11, 12, 13]])
    torch.testing.assert_close(judge(ids).logits[..., :known], model(ids).logits, atol=1e-5, rtol=1e-4)
    judge.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    loaded = AudioJudgeForCausalLM.from_pretrained(tmp_path)
    assert "quantization_config" not in loaded.config.to_dict()
    inputs = chat_inputs(AudioJudgeProcessor.from_pretrained(tmp_path), [audio(0.4, 48_000)])
    torch.testing.assert_close(loaded(**inputs).logits, judge(**inputs).logits)


def test_packing_it_again_is_refused(decoder, backbones):
    tower, _ = make_backbones(backbones)
    with pytest.raises(ValueError, match=r"tiny\.gguf is unpacked as it is loaded"):
        AudioJudgeForCausalLM.from_backbones(tower, decoder[0], gguf_file=FILE, quantization_config=object())


class TestExpert:
    """Of a judge that is aligned with a text-only one."""

    def test_it_is_the_model_in_the_file(self, decoder):
        folder, model = decoder
        args = AlldArguments(model="judge", data=["corpus"], corpus="simulated", expert=folder, expert_gguf_file=FILE)
        ids = torch.tensor([[11, 12, 13]])
        torch.testing.assert_close(load_expert(args)(ids).logits, model(ids).logits, atol=1e-5, rtol=1e-4)
        assert load_expert_tokenizer(args).eos_token == make_tokenizer().eos_token

    def test_it_is_known_by_its_file(self, decoder, tmp_path):
        assert model_identity(decoder[0], gguf_file=FILE) == model_identity(decoder[0], gguf_file=FILE)
        with pytest.raises(FileNotFoundError, match=r"no weights \(other\.gguf\)"):
            model_identity(decoder[0], gguf_file="other.gguf")
