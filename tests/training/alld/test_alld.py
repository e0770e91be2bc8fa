import json
import re
from copy import deepcopy
from dataclasses import replace

import pytest
import soundfile
import torch
from tiny import LLAMA3, SPREAD, make_tokenizer, tone
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig

from audio_judge.batch.lines import rows_by_id
from audio_judge.clips import RatedClip, Rating
from audio_judge.corpora.captions import read_captions
from audio_judge.text_models.replies import Sampling
from audio_judge.training.alld.expert import (
    answer_log_probabilities,
    check_shared_tokenizer,
    expert_prompt_ids,
    language_model_of,
    model_identity,
    reference_log_probabilities,
    train_expert,
)
from audio_judge.training.alld.requests import make_requests
from audio_judge.training.alld.samples import sample_rejected, write_answers
from audio_judge.training.alld.trainers import (
    AudioDistillTrainer,
    AudioDPOTrainer,
    DistillationCollator,
    PreferenceCollator,
    answer_divergence,
    distillation_dataset,
    preference_dataset,
)
from audio_judge.training.collate import JudgeCollator
from audio_judge.training.sft import MODEL_INPUTS

DRAWN = Sampling(1.0, 1.0, 6)


def scores(value):
    return {name: Rating(value) for name in ("mos", "noisiness", "coloration", "discontinuity", "loudness")}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Four clips, one as good as its number."""
    folder = tmp_path_factory.mktemp("clips")
    for i in range(1, 5):
        soundfile.write(folder / f"{i}.wav", tone(0.3 + 0.1 * i, 200 * i), 48_000)
    return [RatedClip(str(folder / f"{i}.wav"), scores(float(i)), "train", "tones") for i in range(1, 5)]


@pytest.fixture(scope="module")
def requests(clips):
    """Three descriptions and a comparison."""
    return [*make_requests(clips[:3], ["describe"]), *make_requests(clips, ["compare"])[-1:]]


@pytest.fixture(scope="module")
def tiny(judge):
    """A judge in evaluation mode and the collator that reads its clips: do not change them."""
    model, processor = judge("audio_judge_encoder", "pooled_linear")
    return model, JudgeCollator(processor)


@pytest.fixture(scope="module")
def expert(tiny, tmp_path_factory):
    """Folder of an expert with the judge's tokenizer, some tokens fewer and other weights."""
    folder = tmp_path_factory.mktemp("expert")
    model, collator = tiny
    torch.manual_seed(1)
    config = deepcopy(model.config.text_config)
    config.initializer_range = SPREAD
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer = deepcopy(collator.processor.tokenizer)
    tokenizer.chat_template = collator.processor.chat_template
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def loaded(expert):
    return AutoModelForCausalLM.from_pretrained(expert).eval(), AutoTokenizer.from_pretrained(expert)


class TestMakeRequests:
    def test_expert_reads_ratings_in_place_of_the_audio(self, clips):
        request = make_requests(clips[1:2], ["describe"])[0]
        asked = request["prompt"][0]["content"]
        assert [block["type"] for block in asked] == ["audio", "text"]
        assert "The overall quality is poor (MOS 2.0)." in request["expert_prompt"][0]["content"]
        assert "The loudness " in request["expert_prompt"][0]["content"]
        assert request["expert_prompt"][0]["content"].startswith(asked[1]["text"].strip())
        assert clips[1].path not in json.dumps(request["expert_prompt"])
        assert request["ratings"] == [
            dict.fromkeys(("mos", "noisiness", "coloration", "discontinuity", "loudness"), 2.0)
        ]

    def test_comparison_names_both_clips_in_order(self, requests):
        request = requests[-1]
        first, second = (block["path"] for block in request["prompt"][0]["content"] if block["type"] == "audio")
        values = [float(path[-5]) for path in (first, second)]
        assert [rating["mos"] for rating in request["ratings"]] == values
        text = request["expert_prompt"][0]["content"]
        assert re.search(rf"SpeechA: .*\(MOS {values[0]}\)\.\nSpeechB: .*\(MOS {values[1]}\)", text)

    def test_what_the_expert_cannot_read_is_in_no_text(self, clips):
        more = replace(clips[0], ratings=clips[0].ratings | {"distortion": Rating(1.0)})
        request = make_requests([more], ["describe"])[0]
        assert "istortion" not in json.dumps(request["expert_prompt"] + [request["chosen"], request["ratings"]])

    def test_same_seed_same_requests(self, clips):
        assert make_requests(clips, seed=3) == make_requests(clips, seed=3)
        assert make_requests(clips, seed=3) != make_requests(clips, seed=4)

    def test_task_without_ratings_for_the_expert_is_an_error(self, clips):
        with pytest.raises(ValueError, match="task detect; the expert can read ratings for describe, compare"):
            make_requests(clips, ["describe", "detect"])

    def test_clips_without_overall_rating_are_an_error(self, clips):
        with pytest.raises(ValueError, match="1 clips make no request"):
            make_requests([replace(clips[0], ratings={"noisiness": Rating(2.0)})], ["describe"])

    def write(self, path, *rows):
        path.write_text("".join(json.dumps({"id": str(i)} | row) + "\n" for i, row in enumerate(rows)))
        return path

    def test_captions_are_learned_with_all_ratings_of_their_clips(self, clips, tmp_path):
        describe = {"task": "describe", "audio": [clips[0].path], "text": "It hisses. The MOS is 1.0.", "truth": 1.0}
        verdicts = {"mos": "B", "noisiness": "B"}
        compare = {"task": "compare", "audio": [clips[0].path, clips[2].path], "truth": verdicts}
        compare["text"] = "SpeechB is better in noisiness.\n[SpeechB]"
        made = make_requests(clips, captions=read_captions(self.write(tmp_path / "captions.jsonl", describe, compare)))
        assert [request["chosen"] for request in made] == [describe["text"], compare["text"]]
        assert made[0]["ratings"][0]["loudness"] == 1.0
        assert [rating["mos"] for rating in made[1]["ratings"]] == [1.0, 3.0]
        assert "loudness" in made[1]["prompt"][0]["content"][-1]["text"]

    def test_caption_of_an_unknown_clip_is_an_error(self, clips, tmp_path):
        row = {"task": "describe", "audio": ["other.wav"], "text": "It hisses. The MOS is 1.0.", "truth": 1.0}
        with pytest.raises(ValueError, match=r"a caption of other.wav, which is not among the 4 rated"):
            make_requests(clips, captions=read_captions(self.write(tmp_path / "captions.jsonl", row)))


class TestSampleRejected:
    def sample(self, tiny, requests, path, batch_size=4, identity="judge", sampling=DRAWN):
        return sample_rejected(*tiny, requests, path, sampling=sampling, identity=identity, batch_size=batch_size)

    def test_one_row_per_request(self, tiny, requests, tmp_path):
        assert self.sample(tiny, requests, tmp_path / "s.jsonl") == 4
        rows = list(rows_by_id(tmp_path / "s.jsonl").values())
        assert [row["chosen"] for row in rows] == [request["chosen"] for request in requests]
        assert len({row["rejected"] for row in rows}) == 4
        assert [len(row["audio"]) for row in rows] == [1, 1, 1, 2]

    def test_killed_run_goes_on_and_ends_as_an_uninterrupted_one(self, tiny, requests, tmp_path, monkeypatch):
        self.sample(tiny, requests, tmp_path / "whole.jsonl")
        whole = (tmp_path / "whole.jsonl").read_text()
        lines = whole.splitlines(keepends=True)
        (tmp_path / "parts.jsonl").write_text("".join(lines[:2]) + lines[2][:20])
        asked = []
        answer = write_answers
        monkeypatch.setattr(
            "audio_judge.training.alld.samples.write_answers",
            lambda m, c, some, s: (asked.extend(some), answer(m, c, some, s))[1],
        )
        assert self.sample(tiny, requests, tmp_path / "parts.jsonl", batch_size=1) == 2
        assert (tmp_path / "parts.jsonl").read_text() == whole
        assert asked == requests[2:]

    def test_finished_file_is_left_alone(self, tiny, requests, tmp_path):
        self.sample(tiny, requests, tmp_path / "s.jsonl")
        assert self.sample(tiny, requests, tmp_path / "s.jsonl") == 0

    def test_samples_of_another_judge_do_not_count(self, tiny, requests, tmp_path):
        self.sample(tiny, requests[:1], tmp_path / "s.jsonl")
        assert self.sample(tiny, requests[:1], tmp_path / "s.jsonl", identity="other judge") == 1
        assert self.sample(tiny, requests[:1], tmp_path / "s.jsonl", sampling=replace(DRAWN, seed=1)) == 1

    def test_foreign_file_is_refused(self, tiny, requests, tmp_path):
        (tmp_path / "s.jsonl").write_text("no json\n")
        with pytest.raises(ValueError, match=r"s.jsonl, line 1"):
            self.sample(tiny, requests, tmp_path / "s.jsonl")


class TestWriteAnswers:
    def test_greedy_is_what_generate_gives_one_by_one(self, tiny, requests):
        model, collator = tiny
        together = write_answers(model, collator, requests, Sampling(max_tokens=5))
        assert together == [write_answers(model, collator, [one], Sampling(max_tokens=5))[0] for one in requests]

    def test_cut_off_answers_are_known(self, tiny, requests):
        assert not write_answers(*tiny, requests[:1], Sampling(max_tokens=1))[0][1]


class TestModelIdentity:
    def test_weights_tell_folders_apart(self, expert, tmp_path):
        (tmp_path / "model.safetensors").write_bytes(b"other")
        assert model_identity(str(expert)) == model_identity(str(expert))
        assert model_identity(str(expert)) != model_identity(str(tmp_path))

    def test_folder_without_weights_is_an_error(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="no weights"):
            model_identity(str(tmp_path))


class TestCheckSharedTokenizer:
    def test_same_tokenizer_passes(self, tiny, loaded, requests):
        check_shared_tokenizer(tiny[1].processor, loaded[1], [request["chosen"] for request in requests])

    def test_other_ids_are_an_error(self, tiny):
        other = make_tokenizer(merge_digits=True)
        other.chat_template = tiny[1].processor.chat_template
        with pytest.raises(ValueError, match=r"of the judge's \d+ tokens have another id for the expert, such as"):
            check_shared_tokenizer(tiny[1].processor, other)

    def test_no_chat_template_is_an_error(self, tiny):
        with pytest.raises(ValueError, match="the expert has no chat template"):
            check_shared_tokenizer(tiny[1].processor, make_tokenizer())

    def test_other_end_of_turn_is_an_error(self, tiny, loaded):
        other = deepcopy(loaded[1])
        other.chat_template = other.chat_template.replace("<|im_end|>", LLAMA3[2])
        with pytest.raises(ValueError, match=r"does not end an answer with '<\|im_end\|>'"):
            check_shared_tokenizer(tiny[1].processor, other)

    def test_other_cuts_are_an_error(self, tiny, loaded):
        other = deepcopy(loaded[1])
        other.add_tokens(["hiss"])
        with pytest.raises(ValueError, match="cuts 'a hiss' into other tokens"):
            check_shared_tokenizer(tiny[1].processor, other, ["a hiss"])


class TestAnswerLogProbabilities:
    def test_equals_each_text_by_itself(self, loaded):
        prompts, answers = [[5, 6, 7], [8]], [[9, 10], [11, 12, 13]]
        found = answer_log_probabilities(loaded[0], prompts, answers)
        for prompt, answer, value in zip(prompts, answers, found, strict=True):
            logits = loaded[0](torch.tensor([prompt + answer])).logits[0].log_softmax(1)
            wanted = sum(logits[len(prompt) - 1 + place, token] for place, token in enumerate(answer))
            assert value == pytest.approx(wanted.item(), abs=1e-4)


class TestReferenceLogProbabilities:
    def reference(self, tiny, loaded, requests, cache, *, model=None, identity="expert", **options):
        answered = [(request, request["chosen"]) for request in requests]
        given = model or loaded[0]
        return reference_log_probabilities(given, loaded[1], tiny[1], answered, cache, identity=identity, **options)

    def test_scores_the_judges_tokens_behind_the_ratings(self, tiny, loaded, requests, tmp_path):
        found = self.reference(tiny, loaded, requests, tmp_path)
        text = loaded[1].apply_chat_template(
            [*requests[0]["expert_prompt"], {"role": "assistant", "content": requests[0]["chosen"]}], tokenize=False
        )
        ids = loaded[1](text.removesuffix("\n"), return_tensors="pt")["input_ids"]
        count = len(tiny[1].answer_tokens(requests[0]["prompt"], requests[0]["chosen"]))
        logits = loaded[0](ids).logits[0].log_softmax(1)
        wanted = logits[:-1].gather(1, ids[0, 1:, None])[-count:].sum().item()
        assert found[0] == pytest.approx(wanted, abs=1e-3)

    def test_known_values_need_no_expert(self, tiny, loaded, requests, tmp_path):
        first = self.reference(tiny, loaded, requests, tmp_path, batch_size=3)

        def load():
            pytest.fail("the expert was loaded")

        assert self.reference(tiny, loaded, requests, tmp_path, model=load) == first

    def test_only_what_is_missing_is_computed(self, tiny, loaded, requests, tmp_path, monkeypatch):
        self.reference(tiny, loaded, requests[:3], tmp_path)
        file = next(tmp_path.glob("*.jsonl"))
        file.write_text(file.read_text()[:-4])  # a kill cut the last line
        counted = []
        compute = answer_log_probabilities
        monkeypatch.setattr(
            "audio_judge.training.alld.expert.answer_log_probabilities",
            lambda m, p, a: (counted.extend(a), compute(m, p, a))[1],
        )
        self.reference(tiny, loaded, requests, tmp_path)
        assert len(counted) == 2

    def test_another_expert_has_values_of_its_own(self, tiny, loaded, requests, tmp_path):
        self.reference(tiny, loaded, requests, tmp_path)
        other = language_model_of(tiny[0]).eval()
        assert self.reference(tiny, loaded, requests, tmp_path, model=other, identity="other") != self.reference(
            tiny, loaded, requests, tmp_path
        )


class TestLanguageModelOf:
    def test_predicts_as_the_judge_does_without_audio(self, tiny):
        ids = torch.tensor([[5, 6, 7, 8]])
        own = language_model_of(tiny[0]).eval()(ids).logits
        assert torch.allclose(own, tiny[0](ids).logits, atol=1e-5)


class TestTrainExpert:
    def test_leaves_an_expert_that_has_learned(self, tiny, requests, tmp_path):
        before = [p.clone() for p in tiny[0].parameters()]
        args = {"max_steps": 8, "learning_rate": 1e-2, "per_device_train_batch_size": 4, "use_cpu": True, "bf16": False}
        args |= {"report_to": "none", "save_strategy": "no", "logging_steps": 1, "disable_tqdm": True}
        train_expert(*self.parts(tiny), requests, SFTConfig(str(tmp_path / "expert"), **args))
        model = AutoModelForCausalLM.from_pretrained(tmp_path / "expert").eval()
        tokenizer = AutoTokenizer.from_pretrained(tmp_path / "expert")
        check_shared_tokenizer(tiny[1].processor, tokenizer)
        prompt = expert_prompt_ids(tokenizer, requests[0])
        answer = tiny[1].answer_tokens(requests[0]["prompt"], requests[0]["chosen"])
        trained, untrained = (
            answer_log_probabilities(one, [prompt], [answer])[0] for one in (model, language_model_of(tiny[0]).eval())
        )
        assert trained > untrained + 20
        assert all(torch.equal(old, new) for old, new in zip(before, tiny[0].parameters(), strict=True))

    def parts(self, tiny):
        return tiny[0], tiny[1].processor


def dpo(tiny, requests, config, rejected=("noisy", "bad"), references=((-3.0, -2.0), (-1.0, -4.0))):
    """A trainer with one batch of the first requests."""
    data = preference_dataset(requests[: len(rejected)], rejected, references)
    collator = PreferenceCollator(tiny[1].processor)
    trainer = AudioDPOTrainer(
        model=deepcopy(tiny[0]), args=config, train_dataset=data, processing_class=collator.processor,
        data_collator=collator,
    )  # fmt: skip
    return trainer, collator(list(data))


def log_probability(tiny, request, text):
    """Of an answer under the judge that hears the clip, by a forward pass of its own."""
    row = request | {"completion": [{"role": "assistant", "content": text}]}
    batch = tiny[1]([row])
    logits = tiny[0](**{name: batch[name] for name in MODEL_INPUTS}).logits[0, :-1].log_softmax(1)
    learned = batch["labels"][0, 1:] != -100
    return logits.gather(1, batch["input_ids"][0, 1:, None])[learned].sum().item(), int(learned.sum())


class TestPreferenceDataset:
    def test_equal_texts_are_left_out(self, requests):
        data = preference_dataset(requests[:2], [requests[0]["chosen"], "bad"], [(0.0, 0.0), (-1.0, -2.0)])
        assert [row["ref_rejected_logps"] for row in data] == [-2.0]

    def test_nothing_to_learn_is_an_error(self, requests):
        with pytest.raises(ValueError, match="all 1 samples equal"):
            preference_dataset(requests[:1], [requests[0]["chosen"]], [(0.0, 0.0)])


class TestPreferenceCollator:
    def test_chosen_rows_come_first_and_only_answers_count(self, tiny, requests, config):
        _, batch = dpo(tiny, requests, config())
        texts = [*(request["chosen"] for request in requests[:2]), "noisy", "bad"]
        for row, text in enumerate(texts):
            ids = batch["input_ids"][row][batch["completion_mask"][row].bool()]
            assert ids.tolist() == tiny[1].answer_tokens(requests[row % 2]["prompt"], text)
            assert tiny[1].processor.tokenizer.decode(ids) == f"{text}<|im_end|>"
        assert batch["ref_chosen_logps"].tolist() == [-3.0, -1.0]
        assert torch.equal(batch["input_features"][:2], batch["input_features"][2:])

    def test_clips_of_a_pair_are_read_once(self, tiny, requests, monkeypatch):
        from audio_judge import messages

        read, paths = messages.read_audio, []
        monkeypatch.setattr(
            messages, "read_audio", lambda path, **options: (paths.append(path), read(path, **options))[1]
        )
        data = preference_dataset(requests[:2], ["a", "b"], [(0.0, 0.0)] * 2)
        PreferenceCollator(tiny[1].processor)(list(data))
        assert len(paths) == 2


class TestAudioDPOTrainer:
    def test_loss_is_that_of_the_formula(self, tiny, requests, config):
        trainer, batch = dpo(tiny, requests, config(beta=0.05))
        losses = []
        for request, rejected, (good, bad) in zip(
            requests, ("noisy", "bad"), ((-3.0, -2.0), (-1.0, -4.0)), strict=False
        ):
            won, lost = (log_probability(tiny, request, text)[0] for text in (request["chosen"], rejected))
            margin = 0.05 * ((won - good) - (lost - bad))
            losses.append(-torch.nn.functional.logsigmoid(torch.tensor(margin)).item())
        assert trainer.compute_loss(trainer.model.eval(), batch).item() == pytest.approx(sum(losses) / 2, rel=1e-4)

    def test_cross_entropy_can_be_added(self, tiny, requests, config):
        plain = dpo(tiny, requests, config(loss_type=["sigmoid"]))
        both = dpo(tiny, requests, config(loss_type=["sigmoid", "sft"], loss_weights=[1.0, 0.5]))
        values = [trainer.compute_loss(trainer.model.eval(), batch).item() for trainer, batch in (plain, both)]
        known = [log_probability(tiny, request, request["chosen"]) for request in requests[:2]]
        entropy = -sum(value for value, _ in known) / sum(count for _, count in known)
        assert values[1] - values[0] == pytest.approx(0.5 * entropy, rel=1e-4)

    def test_audio_is_heard(self, tiny, requests, config):
        trainer, batch = dpo(tiny, requests, config())
        trainer.compute_loss(trainer.model, batch).backward()
        model = trainer.model.model
        assert max(p.grad.abs().max() for p in model.adapter.parameters()) > 1e-6
        assert max(p.grad.abs().max() for p in model.audio_tower.parameters()) > 1e-8

    def test_prefers_the_chosen_text_after_training(self, tiny, requests, config):
        trainer, _ = dpo(tiny, requests, config(max_steps=6, learning_rate=3e-3, save_strategy="no", logging_steps=1))
        trainer.train()
        margins = [row["rewards/margins"] for row in trainer.state.log_history if "rewards/margins" in row]
        assert margins[-1] > margins[0] + 1


def distil(tiny, loaded, requests, config, **options):
    collator = DistillationCollator(tiny[1].processor, loaded[1])
    data = distillation_dataset(requests)
    trainer = AudioDistillTrainer(
        model=deepcopy(tiny[0]), args=config, train_dataset=data, processing_class=collator.processor,
        data_collator=collator, expert=loaded[0], **options,
    )  # fmt: skip
    return trainer, collator(list(data))


class TestAnswerDivergence:
    def test_is_the_sum_over_the_vocabulary(self):
        torch.manual_seed(0)
        judge, expert = torch.randn(3, 5), torch.randn(3, 5)
        p, q = (expert / 2).softmax(1), (judge / 2).softmax(1)
        wanted = 4 * (p * (p / q).log()).sum(1)
        assert torch.allclose(answer_divergence(judge, expert, 2.0), wanted, atol=1e-6)

    def test_tokens_only_the_judge_has_cost_it(self):
        expert = torch.zeros(1, 2)
        shy, bold = torch.tensor([[0.0, 0.0, -30.0]]), torch.tensor([[0.0, 0.0, 0.0]])
        assert answer_divergence(shy, expert).item() == pytest.approx(0.0, abs=1e-6)
        assert answer_divergence(bold, expert).item() == pytest.approx(0.405465, abs=1e-5)  # log 3/2

    def test_padding_of_the_experts_table_is_nothing(self):
        padded = torch.tensor([[1.0, 2.0, 50.0]])
        assert answer_divergence(torch.tensor([[1.0, 2.0]]), padded).item() == pytest.approx(0.0, abs=1e-6)


class TestDistillationCollator:
    def test_both_have_the_same_answers(self, tiny, loaded, requests, config):
        _, batch = distil(tiny, loaded, requests, config())
        for row, request in enumerate(requests):
            own = batch["labels"][row][batch["labels"][row] != -100]
            read = batch["expert_labels"][row] != -100
            assert torch.equal(own, batch["expert_input_ids"][row][read])
            assert loaded[1].decode(own) == f"{request['chosen']}<|im_end|>"
            assert batch["expert_attention_mask"][row][read].all()


class TestAudioDistillTrainer:
    def by_hand(self, tiny, loaded, request, temperature):
        """Sum of the divergences over the tokens of the chosen text, and their number."""
        row = tiny[1]([request | {"completion": [{"role": "assistant", "content": request["chosen"]}]}])
        answer = tiny[1].answer_tokens(request["prompt"], request["chosen"])
        own = tiny[0](**{name: row[name] for name in MODEL_INPUTS}).logits[0]
        learned = (row["labels"][0] != -100).nonzero()[:, 0]
        read = torch.tensor([expert_prompt_ids(loaded[1], request) + answer])
        p = (loaded[0](read).logits[0, -len(answer) - 1 : -1] / temperature).softmax(1)
        q = (own[learned - 1] / temperature).softmax(1)
        return (temperature**2 * (p * (p.log() - q.log())).sum()).item(), len(answer)

    @pytest.mark.parametrize("temperature", [1.0, 2.0])
    def test_loss_is_the_mean_divergence_of_the_answers(self, temperature, tiny, loaded, requests, config):
        trainer, batch = distil(tiny, loaded, requests, config(), temperature=temperature)
        found = [self.by_hand(tiny, loaded, request, temperature) for request in requests]
        wanted = sum(value for value, _ in found) / sum(count for _, count in found)
        assert trainer.compute_loss(trainer.model.eval(), batch).item() == pytest.approx(wanted, rel=1e-4)

    def test_cross_entropy_can_be_added(self, tiny, loaded, requests, config):
        trainer, batch = distil(tiny, loaded, requests, config())
        plain = trainer.compute_loss(trainer.model.eval(), batch).item()
        trainer.sft_weight = 0.5
        known = [log_probability(tiny, request, request["chosen"]) for request in requests]
        entropy = -sum(value for value, _ in known) / sum(count for _, count in known)
        assert trainer.compute_loss(trainer.model, batch).item() == pytest.approx(plain + 0.5 * entropy, rel=1e-4)

    def test_audio_is_heard_and_the_expert_stays(self, tiny, loaded, requests, config):
        trainer, batch = distil(tiny, loaded, requests, config())
        trainer.compute_loss(trainer.model, batch).backward()
        assert max(p.grad.abs().max() for p in trainer.model.model.adapter.parameters()) > 1e-6
        assert all(p.grad is None for p in loaded[0].parameters())

    def test_comes_closer_to_the_expert(self, tiny, loaded, requests, config):
        options = config(max_steps=6, learning_rate=3e-3, save_strategy="no", logging_steps=1)
        trainer, _ = distil(tiny, loaded, requests, options)
        trainer.train()
        divergences = [row["divergence"] for row in trainer.state.log_history if "divergence" in row]
        assert divergences[-1] < 0.8 * divergences[0]

    def test_temperature_of_zero_is_an_error(self, tiny, loaded, requests, config):
        with pytest.raises(ValueError, match="temperature 0"):
            distil(tiny, loaded, requests, config(), temperature=0.0)
