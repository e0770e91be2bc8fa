"""ALLD with a native audio language model: a tiny Qwen2-Audio, the paper's, and an expert with its tokenizer."""

from copy import deepcopy

import pytest
import soundfile
import torch
from evaluators import TEMPLATE
from native_models import qwen2_audio
from tiny import text_config, tone
from transformers import AutoModelForCausalLM

from audio_judge.clips import RatedClip, Rating
from audio_judge.judge.generation import generate_answers
from audio_judge.judge.native import end_of_turn, placeholder_id
from audio_judge.text_models.replies import Sampling
from audio_judge.training.alld.expert import check_shared_tokenizer, expert_prompt_ids, reference_log_probabilities
from audio_judge.training.alld.requests import make_requests
from audio_judge.training.alld.samples import write_answers
from audio_judge.training.alld.trainers import (
    AudioDistillTrainer,
    AudioDPOTrainer,
    NativeDistillationCollator,
    NativePreferenceCollator,
    distillation_dataset,
    preference_dataset,
)
from audio_judge.training.collate import NativeCollator
from audio_judge.training.tuning import add_lora

REJECTED, REFERENCES = ["noisy", "bad"], [(-3.0, -2.0), (-1.0, -4.0)]
LORA = r".*language_model\.layers\.\d+\.self_attn\.(q|v)_proj"


@pytest.fixture(scope="module")
def native():
    """A model in evaluation mode and the collator that reads its clips: do not change them."""
    torch.manual_seed(0)
    model, processor = qwen2_audio()
    return model.eval(), NativeCollator(processor)


@pytest.fixture(scope="module")
def requests(tmp_path_factory):
    """A description of one clip and a comparison of two."""
    folder = tmp_path_factory.mktemp("clips")
    clips = []
    for i in range(1, 4):
        soundfile.write(folder / f"{i}.wav", tone(0.3 + 0.1 * i, 200 * i, 16_000), 16_000)
        ratings = {name: Rating(float(i)) for name in ("mos", "noisiness")}
        clips.append(RatedClip(str(folder / f"{i}.wav"), ratings, "train", "tones"))
    return [*make_requests(clips[:1], ["describe"]), *make_requests(clips, ["compare"])[-1:]]


@pytest.fixture(scope="module")
def expert(native):
    torch.manual_seed(1)
    tokenizer = deepcopy(native[1].processor.tokenizer)
    tokenizer.chat_template = TEMPLATE
    return AutoModelForCausalLM.from_config(text_config(len(tokenizer))).eval(), tokenizer


def dpo(model, processor, requests, config):
    data = preference_dataset(requests, REJECTED, REFERENCES)
    collator = NativePreferenceCollator(processor)
    trainer = AudioDPOTrainer(
        model=model, args=config, train_dataset=data, processing_class=processor, data_collator=collator
    )
    return trainer, collator(list(data))


def answer_logits(native, request, text):
    """Logits of an answer's tokens and the tokens, by a forward pass of its own."""
    batch = native[1]([request | {"completion": [{"role": "assistant", "content": text}]}])
    labels = batch.pop("labels")[0, 1:]
    del batch["loss_weights"]
    logits = native[0](**batch).logits[0, :-1]
    return logits[labels != -100], labels[labels != -100]


def log_probability(native, request, text):
    logits, ids = answer_logits(native, request, text)
    return logits.log_softmax(1).gather(1, ids[:, None]).sum().item()


class TestWriteAnswers:
    def test_greedy_is_what_is_answered_one_by_one(self, native, requests):
        model, collator = native
        end = collator.processor.tokenizer.convert_tokens_to_ids("<|im_end|>")
        written = write_answers(model, collator, requests, Sampling(max_tokens=6))
        prompts = [request["prompt"] for request in requests]
        expected = generate_answers(
            model, collator.processor, prompts, max_new_tokens=6, eos_token_id=end, batch_size=1
        )
        assert [text for text, _ in written] == [text.strip() for text in expected]

    def test_no_placeholder_is_drawn(self, native, requests):
        model, collator = deepcopy(native[0]), native[1]
        with torch.no_grad():
            model.get_output_embeddings().weight[placeholder_id(model)] *= 1000
        (text, _), _ = write_answers(model, collator, requests, Sampling(1.0, 1.0, 8))
        assert "AUDIO" not in collator.processor.tokenizer.decode(collator.processor.tokenizer(text)["input_ids"])


class TestReference:
    def test_end_of_turn_is_that_of_the_template(self, native):
        assert end_of_turn(native[1].processor) == "<|im_end|>"

    def test_expert_shares_the_tokenizer(self, native, expert, requests):
        check_shared_tokenizer(native[1].processor, expert[1], [request["chosen"] for request in requests])

    def test_expert_reads_the_tokens_that_are_learned(self, native, expert, requests, tmp_path):
        answered = [(request, request["chosen"]) for request in requests]
        found = reference_log_probabilities(*expert, native[1], answered, tmp_path, identity="expert")
        for (request, text), value in zip(answered, found, strict=True):
            answer = native[1].answer_tokens(request["prompt"], text)
            assert expert[1].decode(answer) == f"{text}<|im_end|>"
            ids = torch.tensor([expert_prompt_ids(expert[1], request) + answer])
            logits = expert[0](ids).logits[0, -len(answer) - 1 : -1].log_softmax(1)
            assert value == pytest.approx(logits.gather(1, torch.tensor(answer)[:, None]).sum().item(), abs=1e-3)


class TestDPO:
    def test_loss_is_that_of_the_formula(self, native, requests, config):
        trainer, batch = dpo(deepcopy(native[0]), native[1].processor, requests, config(beta=0.05))
        losses = []
        for request, rejected, (good, bad) in zip(requests, REJECTED, REFERENCES, strict=True):
            won, lost = (log_probability(native, request, text) for text in (request["chosen"], rejected))
            margin = 0.05 * ((won - good) - (lost - bad))
            losses.append(-torch.nn.functional.logsigmoid(torch.tensor(margin)).item())
        assert trainer.compute_loss(trainer.model.eval(), batch).item() == pytest.approx(sum(losses) / 2, rel=1e-4)

    def test_audio_is_heard(self, native, requests, config):
        trainer, batch = dpo(deepcopy(native[0]), native[1].processor, requests, config())
        trainer.compute_loss(trainer.model, batch).backward()
        heard = [p.grad for name, p in trainer.model.named_parameters() if "audio_tower" in name and p.grad is not None]
        assert max(grad.abs().max() for grad in heard) > 1e-8

    def test_lora_has_no_copy_as_its_reference(self, native, requests, config):
        """The reference is the expert; TRL's copy of the LoRA would be saved beside it."""
        model = add_lora(deepcopy(native[0]), LORA, rank=2)
        options = {"max_steps": 2, "learning_rate": 1e-2, "save_strategy": "no", "lr_scheduler_type": "constant"}
        trainer, _ = dpo(model, native[1].processor, requests, config(**options))
        assert set(trainer.model.peft_config) == {"default"}
        trainer.train()
        changed = [p for name, p in trainer.model.named_parameters() if "lora_B" in name]
        assert changed
        assert all(p.abs().max() > 0 for p in changed)


class TestDistillation:
    def test_loss_is_the_mean_divergence_of_the_answers(self, native, expert, requests, config):
        collator = NativeDistillationCollator(native[1].processor, expert[1])
        data = distillation_dataset(requests)
        trainer = AudioDistillTrainer(
            model=deepcopy(native[0]), args=config(), train_dataset=data, processing_class=collator.processor,
            data_collator=collator, expert=expert[0],
        )  # fmt: skip
        total, count = 0.0, 0
        for request in requests:
            own, ids = answer_logits(native, request, request["chosen"])
            read = torch.tensor([expert_prompt_ids(expert[1], request) + ids.tolist()])
            p = expert[0](read).logits[0, -len(ids) - 1 : -1].softmax(1)
            total += (p * (p.log() - own.log_softmax(1))).sum().item()
            count += len(ids)
        loss = trainer.compute_loss(trainer.model.eval(), collator(list(data)))
        assert loss.item() == pytest.approx(total / count, rel=1e-4)
