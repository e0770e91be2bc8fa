"""Vocabularies cut down to the tokens in use: byte-level and byte-fallback byte-pair encodings, unigram models."""

import json

import pytest
import torch
from tiny import make_backbones, make_judge, make_tokenizer, text_config
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

import train_backbones
from audio_judge import AudioJudgeForCausalLM, AudioJudgeProcessor
from audio_judge.errors import UsageError
from audio_judge.training.vocabulary import cut_language_model

TEXTS = ("rate this audio", "noisy score 3.5", "bad poor fair")
OTHER = "clear excellent Yes naïve 音"
BYTES = [f"<0x{number:02X}>" for number in range(256)]
SPECIAL = ["<pad>", "<bos>", "<eos>", "<unk>", "<turn>"]
WORDS = [f"{text} good clear excellent quite the" for text in TEXTS] * 20


def pieces(kind):
    """A tokenizer in the manner of Gemma (`bpe`) or of T5 (`unigram`), which fall back to bytes, with a beginning token."""
    if kind == "bpe":
        trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=SPECIAL + BYTES, show_progress=False)
        made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    else:
        trainer = trainers.UnigramTrainer(
            vocab_size=400, special_tokens=SPECIAL + BYTES, unk_token="<unk>", show_progress=False
        )
        made = Tokenizer(models.Unigram(byte_fallback=True))
    made.normalizer = normalizers.Replace(" ", "▁")
    made.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    made.train_from_iterator(WORDS, trainer)
    if kind == "unigram":  # training forgets it
        content = json.loads(made.to_str())
        content["model"]["byte_fallback"] = True
        made = Tokenizer.from_str(json.dumps(content))
    special = [("<bos>", made.token_to_id("<bos>"))]
    made.post_processor = processors.TemplateProcessing("<bos> $A", "<bos> $A <bos> $B", special)
    names = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=made, **names)


def write(folder, kind, tie):
    tokenizer = make_tokenizer() if kind == "byte-level bpe" else pieces(kind)
    torch.manual_seed(0)
    # More rows than tokens, as many models have
    config = text_config(len(tokenizer) + 3, tie)
    config.bos_token_id, config.eos_token_id, config.pad_token_id = (
        tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(config).eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model, tokenizer


@pytest.mark.parametrize("kind", ["byte-level bpe", "bpe", "unigram"])
class TestCut:
    @pytest.mark.parametrize("tie", [True, False])
    def test_texts_have_their_tokens_and_logits(self, kind, tie, tmp_path):
        model, tokenizer = write(tmp_path / "whole", kind, tie)
        before, after = cut_language_model(str(tmp_path / "whole"), tmp_path / "cut", TEXTS)
        cut, small = (
            AutoTokenizer.from_pretrained(tmp_path / "cut"),
            AutoModelForCausalLM.from_pretrained(tmp_path / "cut"),
        )
        assert (before, after) == (len(tokenizer) + 3, len(cut))
        assert after < len(tokenizer)
        assert len(small.get_input_embeddings().weight) == len(small.lm_head.weight) == small.config.vocab_size == after
        kept = tokenizer.convert_tokens_to_ids(cut.convert_ids_to_tokens(list(range(after))))
        assert kept == sorted(kept)
        for text in TEXTS:
            old, new = tokenizer(text, return_tensors="pt").input_ids, cut(text, return_tensors="pt").input_ids
            assert cut.convert_ids_to_tokens(new[0]) == tokenizer.convert_ids_to_tokens(old[0])
            torch.testing.assert_close(small(new).logits, model(old).logits[..., kept])
        assert cut.convert_ids_to_tokens(small.config.eos_token_id) == tokenizer.eos_token

    def test_any_other_text_is_written_in_pieces(self, kind, tmp_path):
        _, tokenizer = write(tmp_path / "whole", kind, True)
        cut_language_model(str(tmp_path / "whole"), tmp_path / "cut", TEXTS)
        cut = AutoTokenizer.from_pretrained(tmp_path / "cut")
        ids = cut(OTHER, add_special_tokens=False).input_ids
        assert cut.decode(ids) == OTHER
        assert len(ids) > len(tokenizer(OTHER, add_special_tokens=False).input_ids)

    def test_the_lowest_ids_may_stay(self, kind, tmp_path):
        _, tokenizer = write(tmp_path / "whole", kind, True)
        _, after = cut_language_model(str(tmp_path / "whole"), tmp_path / "cut", (), first=len(tokenizer) - 5)
        assert after >= len(tokenizer) - 5


class TestCommand:
    def test_a_judge_of_it_answers_as_one_of_the_whole(self, tmp_path, backbones, monkeypatch):
        """Its prompts are those that the command keeps the tokens of."""
        audio, text = make_backbones(backbones)
        monkeypatch.setattr(train_backbones, "PAPER_CLIPS_READ", 6)
        monkeypatch.setattr("sys.argv", ["_", "vocabulary", text, "--first", "0", "--output", str(tmp_path / "cut")])
        train_backbones.main()
        shape = {"adapter_tokens": 8}
        torch.manual_seed(0)
        model = AudioJudgeForCausalLM.from_backbones(audio, str(tmp_path / "cut"), **shape, dtype=torch.float32).eval()
        processor = AudioJudgeProcessor.from_backbones(audio, str(tmp_path / "cut"), **shape)
        whole, known = make_judge(backbones)
        assert len(processor.tokenizer) < len(known.tokenizer)
        model.save_pretrained(tmp_path / "judge")
        loaded = AudioJudgeForCausalLM.from_pretrained(tmp_path / "judge")
        text = "What is this?<|im_end|>"
        old, new = (one.tokenizer(text, return_tensors="pt").input_ids for one in (known, processor))
        kept = known.tokenizer.convert_tokens_to_ids(
            processor.tokenizer.convert_ids_to_tokens(range(len(processor.tokenizer)))
        )
        torch.testing.assert_close(loaded(new).logits[..., :-4], whole(old).logits[..., kept[:-4]])

    def test_other_kinds_of_tokenizers_are_refused(self, tmp_path):
        write(tmp_path, "byte-level bpe", True)
        words = Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="a"))
        PreTrainedTokenizerFast(tokenizer_object=words, pad_token="a").save_pretrained(tmp_path)
        with pytest.raises(UsageError, match="type WordLevel cannot be cut"):
            cut_language_model(str(tmp_path), tmp_path / "cut", ["a"])
