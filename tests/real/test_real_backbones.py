"""Pretrained backbones from end to end, where `AUDIO_JUDGE_REAL_MODELS` names the folder that they lie in.

Each test names the folders it needs in its mark; those whose folders are not there do not run, which the last lines of a run say.
"""

import os
import sys
from pathlib import Path

import pytest
import torch
from tiny import audio, chat_inputs, tone, write_simulated
from transformers import AutoModelForCausalLM, AutoTokenizer, WhisperModel
from trl import SFTConfig

from audio_judge import AudioJudge, AudioJudgeForCausalLM, AudioJudgeProcessor
from audio_judge.eval.metrics import load_encoder, sentence_similarity
from audio_judge.text_models.evaluator import Case, make_evaluator
from audio_judge.training.arguments import DeviceParser
from audio_judge.training.vocabulary import cut_language_model

sys.path.insert(0, str(Path(__file__).parents[2]))
import train_sft

MODELS = Path(os.environ.get("AUDIO_JUDGE_REAL_MODELS", ""))
WHISPER, GEMMA, QWEN, MINILM = (MODELS / name for name in ("whisper-base", "gemma-3-270m", "qwen-1.5b", "minilm"))
SHAPE = {"adapter_tokens": 16, "cut_window": True, "scale_tokens": True}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a judge that a LoRA was trained in for two steps, decisions and digits, and its trainer."""
    root = tmp_path_factory.mktemp("real")
    data = write_simulated(root / "data", {"train": 6, "validation": 2})
    options = SHAPE | {
        "audio_backbone": WHISPER, "text_backbone": GEMMA, "data": data, "corpus": "simulated", "tasks": "decide score",
        "span_size": 16, "trainable": "adapter span_head", "lora_target": r".*language_model\.layers\.\d+\.self_attn\.(q_proj|k_proj)", "bf16": "false",
        "learning_rate": 1e-3, "max_steps": 2, "per_device_train_batch_size": 3, "save_strategy": "no", "report_to": "none",
        "output_dir": root / "judge", "disable_tqdm": "true",
    }  # fmt: skip
    given = [part for name, value in options.items() for part in (f"--{name}", *str(value).split(" "))]
    return root / "judge", train_sft.main(
        *DeviceParser([train_sft.JudgeArguments, SFTConfig]).parse_args_and_config(given)
    )


@pytest.mark.real("whisper-base", "gemma-3-270m")
class TestJudge:
    def test_it_answers_as_before_it_was_saved(self, trained):
        folder, trainer = trained
        processor = AudioJudgeProcessor.from_pretrained(folder)
        inputs = chat_inputs(processor, [audio(0.6, 16_000), {"type": "text", "text": "Rate the quality."}])
        with torch.no_grad():
            before, after = (
                m.eval()(**inputs).logits for m in (trainer.model, AudioJudgeForCausalLM.from_pretrained(folder))
            )
        torch.testing.assert_close(after, before, atol=1e-3, rtol=1e-4)

    def test_decides_and_writes(self, trained):
        judge, clip = AudioJudge.from_pretrained(trained[0]), tone(1.0, sampling_rate=16_000)
        found = judge.decide((clip, 16_000), {"noisy": {"type": "noul", "instructions": "Is there noise?"}})
        assert 0 <= found["noisy"]["noul"] <= 1
        assert 1 <= judge.score((clip, 16_000), rubric="mos")["mos"].value <= 5
        inputs = chat_inputs(judge.processor, [audio(0.6, 16_000), {"type": "text", "text": "Describe the clip."}])
        assert judge.model.generate(**inputs, max_new_tokens=4, do_sample=False).shape[1] > inputs["input_ids"].shape[1]

    def test_what_is_saved_was_trained(self, trained):
        """Every tensor, the rows of added tokens and the head tied to them included; merging, so the last one."""
        folder, trainer = trained
        saved = AudioJudgeForCausalLM.from_pretrained(folder).state_dict()
        own = trainer.model.merge_and_unload().state_dict()
        assert saved.keys() == own.keys()
        for name, weight in saved.items():
            torch.testing.assert_close(weight, own[name].to(weight), atol=1e-6, rtol=0, msg=name)


@pytest.mark.real("whisper-base", "gemma-3-270m")
def test_whisper_is_heard_as_transformers_hears_it():
    model = AudioJudgeForCausalLM.from_backbones(WHISPER, GEMMA, adapter_tokens=16, dtype=torch.float32)
    processor = AudioJudgeProcessor.from_backbones(WHISPER, GEMMA, adapter_tokens=16)
    features, mask = processor.extract_features([tone(2.0, sampling_rate=16_000)])
    with torch.no_grad():
        own, lengths = model.model.encode_audio(features, mask)
        wanted = WhisperModel.from_pretrained(WHISPER, dtype=torch.float32).encoder(features).last_hidden_state
    assert lengths.tolist() == [100]
    torch.testing.assert_close(own, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.real("whisper-base", "gemma-3-270m")
class TestBaseModel:
    """Gemma has no chat template; chatml's tokens, new to it, cost 17.8 nats, and without `<bos>` words cost twice as many."""

    QUESTION = ({"role": "user", "content": "What is the capital of France?"},)
    ANSWER = "The capital of France is Paris."

    def test_words_and_its_own_end_of_text_mean_something_to_it(self):
        processor = AudioJudgeProcessor.from_backbones(WHISPER, GEMMA)
        model = AutoModelForCausalLM.from_pretrained(GEMMA, dtype=torch.float32)
        prompt = processor.apply_chat_template(list(self.QUESTION), add_generation_prompt=True)
        assert prompt.startswith("<bos>user:\n")
        nats = self.nats(model, processor.tokenizer, prompt, self.ANSWER + processor.end_of_turn)
        assert nats.mean() < 2.5
        assert nats[-1] < 8
        without = self.nats(
            model, processor.tokenizer, prompt.removeprefix("<bos>"), self.ANSWER + processor.end_of_turn
        )
        assert nats.mean() < without.mean() / 2

    @staticmethod
    @torch.no_grad()
    def nats(model, tokenizer, prompt, answer):
        """Of each token of an answer."""
        before, said = (tokenizer(text, add_special_tokens=False).input_ids for text in (prompt, answer))
        following = model(torch.tensor([before + said])).logits[0, len(before) - 1 : -1].log_softmax(-1)
        return -following[range(len(said)), said]


@pytest.mark.real("gemma-3-270m")
class TestVocabulary:
    def test_a_tenth_of_it_says_the_same(self, tmp_path):
        texts = ["What is the capital of France?", "Der Ton ist verrauscht.", "音質はどうですか。"]
        before, after = cut_language_model(str(GEMMA), tmp_path, texts, first=16_384)
        assert after < before / 10
        (old, tokenizer), (new, cut) = (
            (AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32), AutoTokenizer.from_pretrained(place))
            for place in (GEMMA, tmp_path)
        )
        kept = tokenizer.convert_tokens_to_ids(cut.convert_ids_to_tokens(list(range(after))))
        for text in texts:
            ids, known = (one(text, return_tensors="pt").input_ids for one in (tokenizer, cut))
            assert cut.convert_ids_to_tokens(known[0]) == tokenizer.convert_ids_to_tokens(ids[0])
            with torch.no_grad():
                torch.testing.assert_close(new(known).logits, old(ids).logits[..., kept], atol=1e-3, rtol=1e-4)


@pytest.mark.real("whisper-base", "gemma-3-270m", "gemma-3-270m.gguf")
def test_a_gguf_file_is_the_folder_made_of_it():
    shape = {"adapter_tokens": 16, "dtype": torch.bfloat16}
    packed = AudioJudgeForCausalLM.from_backbones(WHISPER, MODELS, gguf_file="gemma-3-270m.gguf", **shape)
    folder = AudioJudgeForCausalLM.from_backbones(WHISPER, GEMMA, **shape)
    for (name, own), other in zip(
        packed.model.language_model.named_parameters(), folder.model.language_model.parameters(), strict=True
    ):
        assert torch.equal(own, other), name


@pytest.mark.real("qwen-1.5b")
def test_qwen_grades_a_true_answer_above_gibberish():
    evaluator = make_evaluator(str(QWEN), form="decision", dtype=torch.bfloat16)
    request, truth = "Describe the quality of the recording.", "The speech is very noisy, and hard to understand."
    answers = ("The recording is full of noise, which makes the words hard to understand.", "Blue seven if mat of the.")
    true, gibberish = evaluator.grade([Case("assessment", request, answer, truth) for answer in answers])
    assert sum(true.values()) > sum(gibberish.values())


@pytest.mark.real("minilm")
def test_minilm_finds_what_means_the_same():
    encoder = load_encoder(MINILM)
    alike, other = (
        sentence_similarity([said], ["The speech is noisy."], encoder)["SBERT"]
        for said in ("There is a lot of noise behind the voice.", "The train leaves at nine.")
    )
    assert alike > other + 0.2
