import copy

import numpy as np
import pytest
import soundfile
import torch
from native_models import qwen2_audio
from tiny import make_judge, tone
from torch import nn
from transformers import EvalPrediction
from trl import SFTConfig

from audio_judge.clips import RatedClip, Rating
from audio_judge.data.files import to_dataset
from audio_judge.data.instructions import Manner, make_instructions
from audio_judge.messages import clip_state, text_messages
from audio_judge.rubrics.rubric import RUBRICS
from audio_judge.tasks import score
from audio_judge.tasks.faults import fault_question
from audio_judge.training.collate import JudgeCollator, NativeCollator
from audio_judge.training.sft import AudioSFTTrainer, NativeSFTTrainer, score_metrics, supervised_losses
from audio_judge.training.tuning import add_lora, merge_lora, nf4_config, select_trainable

QUERIES = r"audio_tower.*\.q_proj"
LORA = r".*language_model\.layers\.\d+\.self_attn\.(q_proj|k_proj)"
ARGUMENTS = {
    "use_cpu": True, "bf16": False, "gradient_checkpointing": False, "report_to": "none", "max_length": None,
    "remove_unused_columns": False, "dataset_kwargs": {"skip_prepare_dataset": True}, "disable_tqdm": True,
    "logging_strategy": "no", "save_strategy": "no", "lr_scheduler_type": "constant", "max_grad_norm": 0.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Eight rated clips of different lengths."""
    folder = tmp_path_factory.mktemp("clips")
    made = []
    for i in range(8):
        path = str(folder / f"{i}.wav")
        soundfile.write(path, tone(0.3 + 0.05 * i, 200 + 150 * i), 48_000)
        ratings = {"mos": Rating(1.2 + 0.4 * i, 0.6), "noisiness": Rating(4.5 - 0.3 * i)}
        made.append(RatedClip(path, ratings, "train", "test", reference=path))
    return made


def mixed(clips, number=8, tasks=("decide", "score", "explain")):
    return list(make_instructions(clips[:number], tasks, seed=1, manner=Manner("sometimes")))


def fresh(judge, *shape):
    """A copy of a tiny judge that may be changed, with all parameters trained."""
    model, processor = judge(*shape)
    return copy.deepcopy(model).requires_grad_(True), processor


def trainer_for(model, processor, examples, tmp_path, *, evaluation=None, collator=None, **options):
    config = {name: options.pop(name) for name in list(options) if name in SFTConfig.__dataclass_fields__}
    collator = collator or JudgeCollator(processor)
    return AudioSFTTrainer(
        model=model,
        args=SFTConfig(output_dir=str(tmp_path), **ARGUMENTS | config),
        data_collator=collator,
        train_dataset=to_dataset(examples),
        eval_dataset=None if evaluation is None else to_dataset(evaluation),
        processing_class=processor,
        compute_metrics=score_metrics(collator.rubrics),
        **options,
    )


class TestSupervisedLosses:
    def test_soft_labels_at_the_marks(self, judge, clips):
        """By hand: minus the shares times the log softmax over the label tokens, at each mark."""
        model, processor = judge()
        batch = JudgeCollator(processor)(mixed(clips, 3, ["decide"]))
        inputs = {k: batch[k] for k in ("input_ids", "attention_mask", "input_features", "input_features_mask")}
        logits = model(**inputs).logits.detach()
        expected = []
        for (row, column), ids, shares in zip(batch["marks"], batch["option_ids"], batch["shares"], strict=True):
            log_probabilities = logits[row, column, ids].log_softmax(0)
            expected.append(-sum(float(s) * float(p) for s, p in zip(shares, log_probabilities, strict=True)))
        assert supervised_losses(model, batch).decision.tolist() == pytest.approx(expected, abs=1e-4)

    def test_padded_options_do_not_count(self, judge, clips):
        model, processor = judge()
        questions = {
            "hiss": {"type": "score", "instructions": "Hiss?", "criteria": ["yes", "some", "no"]},
            "mos": RUBRICS["mos"].question(),
        }
        targets = {"hiss": [0.2, 0.3, 0.5], "mos": [0.0, 0.5, 0.5, 0.0, 0.0]}
        both = {"state": clip_state(clips[0].path), "questions": questions, "targets": targets}
        alone = both | {"questions": {"hiss": questions["hiss"]}}
        losses = [supervised_losses(model, JudgeCollator(processor)([example])) for example in (both, alone)]
        assert losses[0].decision[0].item() == pytest.approx(losses[1].decision[0].item(), abs=1e-4)
        assert losses[0].levels[0].item() == pytest.approx(losses[1].levels[0].item(), abs=1e-4)

    def test_distance_of_a_rubrics_level_only(self, judge, clips):
        model, processor = judge()
        questions = {"mos": RUBRICS["mos"].question(), "noise": fault_question("noise")}
        targets = {"mos": [0.0, 0.5, 0.5, 0.0, 0.0], "noise": [0.0, 1.0]}
        example = {"state": clip_state(clips[0].path), "questions": questions, "targets": targets}
        losses = supervised_losses(model, JudgeCollator(processor)([example]))
        assert losses.distance.tolist() == pytest.approx([(losses.levels[0].item() - 1.5) ** 2, 0], abs=1e-5)

    def test_tokens_as_the_models_own_loss(self, judge, clips):
        model, processor = judge()
        batch = JudgeCollator(processor)(mixed(clips, 4, ["score", "explain"]))
        names = ("input_ids", "attention_mask", "input_features", "input_features_mask", "labels")
        own = model(**{name: batch[name] for name in names}).loss
        assert supervised_losses(model, batch).token.mean().item() == pytest.approx(own.item(), abs=1e-5)

    @pytest.mark.parametrize(
        "shape", [(), ("audio_judge_encoder", "bottleneck"), ("wavlm", "bottleneck"), ("whisper",)], ids=str
    )
    def test_padded_mixed_batch_is_the_sum_of_its_examples(self, judge, clips, shape):
        model, processor = judge(*shape)
        collator = JudgeCollator(processor)
        examples = mixed(clips, 6)
        assert len({example["task"] for example in examples}) > 1
        together = supervised_losses(model, collator(examples))
        alone = [supervised_losses(model, collator([example])) for example in examples]
        for name in ("token", "decision", "levels"):
            expected = torch.cat([getattr(losses, name) for losses in alone])
            assert torch.allclose(getattr(together, name), expected, atol=2e-4), name


THOUGHT = "<think>\nOverall Quality: 2/5\nDistortion: 1/5 (jitter)\n</think>\n\n<answer>\nBad.\n</answer>"


class TestDimensionWeights:
    """The loss is the weighted mean: the gradient of a dimension's tokens goes with its weight, all else stays."""

    def gradient(self, trainer, weight, examples):
        """Of the sum over the tokens, of all weights of the model, as in a step of training."""
        trainer.data_collator.dimension_weights = {"distortion": weight}
        batches, items = trainer.get_batch_samples(iter([trainer.data_collator(examples)]), 1, torch.device("cpu"))
        trainer.model.zero_grad()
        (trainer.compute_loss(trainer.model, batches[0], num_items_in_batch=items) * items).backward()
        return torch.cat([p.grad.flatten() for p in trainer.model.parameters() if p.grad is not None])

    @pytest.mark.parametrize("kind", ["judge", "native"])
    def test_gradient_scales_with_the_weight(self, kind, judge, clips, tmp_path):
        prompt = text_messages(clip_state(clips[0].path), "Assess it.")
        examples = [{"prompt": prompt, "completion": [{"role": "assistant", "content": THOUGHT}]}]
        if kind == "judge":
            trainer = trainer_for(*fresh(judge), examples, tmp_path)
        else:
            model, processor = qwen2_audio()
            trainer = NativeSFTTrainer(
                model=model, args=SFTConfig(output_dir=str(tmp_path), **ARGUMENTS), processing_class=processor,
                data_collator=NativeCollator(processor), train_dataset=to_dataset(examples),
            )  # fmt: skip
        trainer.model.eval()
        without, once, thrice = (self.gradient(trainer, weight, examples) for weight in (0.0, 1.0, 3.0))
        own = once - without
        assert own.abs().max() > 1e-3
        assert torch.allclose(thrice - without, 3 * own, rtol=1e-3, atol=1e-3)

    def test_mean_of_a_native_model_without_a_step_is_weighted_too(self, clips, tmp_path):
        """In evaluation nobody counts the items; the loss is still the weighted mean."""
        model, processor = qwen2_audio()
        prompt = text_messages(clip_state(clips[0].path), "Assess it.")
        example = {"prompt": prompt, "completion": [{"role": "assistant", "content": THOUGHT}]}
        collator = NativeCollator(processor, dimension_weights={"mos": 5.0})
        trainer = NativeSFTTrainer(
            model=model, args=SFTConfig(output_dir=str(tmp_path), **ARGUMENTS), processing_class=processor,
            data_collator=collator, train_dataset=to_dataset([example]),
        )  # fmt: skip
        batch = collator([example])
        weights, labels = batch["loss_weights"][0, 1:], batch["labels"][0, 1:]
        with torch.no_grad():
            inputs = {name: value for name, value in batch.items() if name not in ("labels", "loss_weights")}
            logits = model.eval()(**inputs).logits[0, :-1]
            losses = nn.functional.cross_entropy(logits, labels, reduction="none")  # 0 where nothing is learned
            loss = trainer.compute_loss(trainer.model, batch)
        assert loss.item() == pytest.approx(((losses * weights).sum() / weights.sum()).item(), abs=1e-5)


class TestComputeLoss:
    def test_mean_over_supervised_items(self, judge, clips, tmp_path):
        model, processor = fresh(judge)
        examples = mixed(clips)
        trainer = trainer_for(model, processor, examples, tmp_path, decision_weight=3.0)
        batch = trainer.data_collator(examples)
        losses = supervised_losses(model, batch)
        items = len(losses.token) + 3.0 * len(losses.decision)
        expected = (losses.token.sum() + 3.0 * losses.decision.sum()) / items
        assert trainer.compute_loss(model, batch).item() == pytest.approx(expected.item(), abs=1e-5)

    def test_distances_count_level_weight(self, judge, clips, tmp_path):
        model, processor = fresh(judge)
        examples = mixed(clips, 3, ["decide"])
        losses = supervised_losses(model, JudgeCollator(processor)(examples))
        trainer = trainer_for(model, processor, examples, tmp_path, level_weight=2.0)
        expected = losses.decision.mean() + 2 * losses.distance.mean()
        assert losses.distance.sum() > 0
        assert trainer.compute_loss(model, trainer.data_collator(examples)).item() == pytest.approx(expected.item())

    @pytest.mark.parametrize("lora", [False, True])
    def test_accumulated_gradient_is_that_of_one_big_batch(self, judge, clips, tmp_path, lora):
        """One SGD step on 8 examples, whole or in four micro-batches of very different sizes."""
        results = []
        for size in (8, 2):
            model, processor = fresh(judge)
            if lora:
                torch.manual_seed(0)
                model = add_lora(model, LORA, ["adapter"], dropout=0.0)
            steps = {"per_device_train_batch_size": size, "gradient_accumulation_steps": 8 // size, "max_steps": 1}
            options = {"optim": "sgd", "learning_rate": 0.1, "decision_weight": 5.0}
            trainer_for(model, processor, mixed(clips), tmp_path, **steps, **options).train()
            results.append({n: p.detach() for n, p in model.named_parameters() if p.requires_grad})
        assert results[0].keys() == results[1].keys()
        for name, parameter in results[0].items():
            assert torch.allclose(parameter, results[1][name], atol=1e-5), name

    def test_training_lowers_both_losses(self, judge, clips, tmp_path):
        model, processor = fresh(judge)
        examples = mixed(clips, tasks=["decide", "score"])
        trainer = trainer_for(
            model, processor, examples, tmp_path, max_steps=25, per_device_train_batch_size=8, learning_rate=3e-3
        )
        batch = trainer.data_collator(examples)
        before = supervised_losses(model, batch)
        trainer.train()
        after = supervised_losses(model.eval(), batch)
        assert after.token.mean() < 0.5 * before.token.mean()
        assert after.decision.mean() < before.decision.mean() - 0.1

    def test_both_losses_are_logged(self, judge, clips, tmp_path):
        model, processor = fresh(judge)
        steps = {"max_steps": 1, "per_device_train_batch_size": 8, "logging_strategy": "steps", "logging_steps": 1}
        trainer = trainer_for(model, processor, mixed(clips), tmp_path, **steps)
        trainer.train()
        assert {"token_loss", "decision_loss", "loss"} <= set(trainer.state.log_history[0])


class TestPrediction:
    def test_decisions_are_those_of_the_model(self, judge, clips, tmp_path):
        model, processor = fresh(judge)
        examples = mixed(clips, 3, ["decide"])
        trainer = trainer_for(model, processor, examples, tmp_path)
        batch = trainer.data_collator(examples)
        _, levels, targets = trainer.prediction_step(model.eval(), batch, False)
        samples = [soundfile.read(clip.path, dtype="float32")[0] for clip in clips[:3]]
        for row, example in enumerate(examples):
            state = clip_state(*[samples[row]] * len([b for b in example["state"] if b["type"] == "audio"]))
            inputs, asked = processor.decision_inputs([{"state": state, "questions": example["questions"]}])
            answers = processor.answers(asked, model.decide(**inputs))[0]
            for column, name in enumerate(trainer.data_collator.rubrics):
                if name in answers:
                    assert levels[row, column].item() == pytest.approx(answers[name]["score"], abs=1e-4)
                else:
                    assert levels[row, column].isnan()
        assert torch.equal(levels.isnan(), targets.isnan())

    def test_decimals_are_an_expectation_over_the_grammar(self, judge, clips, tmp_path):
        """Rows of one and of two clips, among decisions, as the same prompt gives alone."""
        model, processor = fresh(judge)
        examples = [
            *make_instructions(clips[:2], ["score"], seed=0, manner=Manner("always")),
            *make_instructions(clips[2:4], ["decide"], seed=0),
            *make_instructions(clips[4:6], ["score"], seed=0),
        ]
        trainer = trainer_for(model, processor, examples, tmp_path)
        _, levels, targets = trainer.prediction_step(model.eval(), trainer.data_collator(examples), False)
        grammar = score.grammar("mos")
        ids = processor.tokenizer([text + "<|im_end|>" for text in grammar], add_special_tokens=False)["input_ids"]
        for row in (0, 1, 4, 5):
            content = [
                {"type": "audio", "audio": soundfile.read(block["path"], dtype="float32")[0]}
                if "path" in block
                else block
                for block in examples[row]["prompt"][0]["content"]
            ]
            inputs = processor.apply_chat_template(
                [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=True, return_dict=True,
                return_tensors="pt",
            )  # fmt: skip
            shares = model.candidate_log_probabilities(candidates=ids, **inputs).softmax(1)[0]
            expected = sum(float(share) * (float(text) - 1) for share, text in zip(shares, grammar, strict=True))
            column = trainer.data_collator.rubrics.index(examples[row]["target"]["rubric"])
            assert levels[row, column].item() == pytest.approx(expected, abs=1e-3)
            assert targets[row, column].item() == pytest.approx(examples[row]["target"]["value"] - 1, abs=1e-4)

    def test_evaluation_reports_a_correlation_per_rubric(self, judge, clips, tmp_path):
        model, processor = fresh(judge)
        evaluation = list(make_instructions(clips, ["decide"], seed=0, manner=Manner(all_rubrics=True)))
        options = {"evaluation": evaluation, "per_device_eval_batch_size": 3}
        metrics = trainer_for(model, processor, mixed(clips), tmp_path, **options).evaluate()
        assert {"eval_pcc", "eval_pcc_mos", "eval_pcc_noisiness", "eval_mae_mos", "eval_loss"} <= set(metrics)
        assert "eval_pcc_loudness" not in metrics
        assert metrics["eval_pcc"] == pytest.approx((metrics["eval_pcc_mos"] + metrics["eval_pcc_noisiness"]) / 2)

    def test_own_rubrics_are_trained_but_not_evaluated(self, judge, clips, tmp_path):
        model, processor = fresh(judge)
        question = {"type": "score", "instructions": "Warm?", "criteria": ["cold", "warm"]}
        example = {
            "state": clip_state(clips[0].path),
            "questions": {"warmth": question},
            "targets": {"warmth": [0.1, 0.9]},
        }
        trainer = trainer_for(model, processor, [example], tmp_path)
        loss, levels, _ = trainer.prediction_step(model, trainer.data_collator([example]), False)
        assert loss.isfinite()
        assert levels.isnan().all()


class TestScoreMetrics:
    def test_unknown_values_do_not_count(self):
        predicted = np.array([[0.0, 1.0], [1.0, np.nan], [2.0, 3.0]])
        wanted = np.array([[2.0, 1.0], [1.0, 1.0], [0.0, 3.0]])
        metrics = score_metrics(["mos", "loudness"])(EvalPrediction(predicted, wanted))
        assert metrics["pcc_mos"] == -1.0
        assert metrics["pcc_loudness"] == 1.0
        assert metrics["pcc"] == 0.0
        assert metrics["mae_mos"] == pytest.approx(4 / 3, abs=1e-5)

    def test_constant_answers_have_no_correlation(self):
        metrics = score_metrics(["mos"])(EvalPrediction(np.full((3, 1), 2.0), np.array([[1.0], [2.0], [3.0]])))
        assert metrics["pcc"] == 0.0


class TestSelectTrainable:
    def test_encoder_queries_only(self, judge):
        model, _ = fresh(judge, "wavlm")
        names = select_trainable(model, [QUERIES])
        assert names
        assert all("audio_tower" in name and ".q_proj." in name for name in names)
        assert [name for name, p in model.named_parameters() if p.requires_grad] == names

    @pytest.mark.parametrize("kind", ["audio-spectrogram-transformer", "whisper", "wavlm"])
    def test_gradient_reaches_the_adapter_and_the_queries_and_nothing_else(self, judge, clips, kind):
        model, processor = fresh(judge, kind)
        select_trainable(model, ["adapter", QUERIES])
        losses = supervised_losses(model.train(), JudgeCollator(processor)(mixed(clips, 4)))
        (losses.token.sum() + losses.decision.sum()).backward()
        reached = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
        assert any(".q_proj.weight" in name for name in reached)
        assert "model.adapter.linear.weight" in reached
        assert all(".adapter." in name or ("audio_tower" in name and "q_proj" in name) for name in reached)

    def test_no_match_is_an_error_with_the_closest_names(self, judge):
        model, _ = judge("wavlm")
        with pytest.raises(ValueError, match=r"'audio_tower.*attention.query' matches no parameter.*q_proj"):
            select_trainable(model, ["adapter", r"audio_tower.*attention.query"])

    def test_everything(self, judge):
        model, _ = fresh(judge)
        model.requires_grad_(False)
        assert len(select_trainable(model, ["."])) == len(list(model.parameters()))

    def test_quantized_parameters_cannot_be_trained(self):
        model = nn.Linear(2, 2)
        model.weight = nn.Parameter(torch.zeros(2, 2, dtype=torch.uint8), requires_grad=False)
        with pytest.raises(ValueError, match=r"weight is quantized.*lora_target"):
            select_trainable(model, ["weight"])


class TestLora:
    def test_only_the_named_layers_of_the_language_model(self, judge):
        """The encoder has layers of the same names."""
        model, _ = fresh(judge, "wavlm")
        names = [n for n, p in add_lora(model, LORA, ["adapter"]).named_parameters() if p.requires_grad]
        assert sum("lora_A" in name for name in names) == 4
        assert not any("audio_tower" in name for name in names)
        assert all("lora_" in name or "adapter" in name for name in names)

    def test_no_match_is_an_error(self, judge):
        model, _ = judge()
        with pytest.raises(ValueError, match=r"lora_target 'q_proj' matches no layer in full; the closest are model"):
            add_lora(model, "q_proj")

    @pytest.mark.parametrize("tie", [True, False])
    def test_merged_judge_equals_the_trained_one(self, judge, clips, tmp_path, tie):
        """Queries of the encoder, adapter and the question token are saved with the LoRA."""
        (model, processor), (base, _) = (fresh(judge, "wavlm", "pooled_linear", tie) for _ in range(2))
        wrapped = add_lora(model, LORA, ["adapter", QUERIES], tokens=[processor.question_token_id]).eval()
        with torch.no_grad():
            for parameter in wrapped.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.1 * torch.randn_like(parameter))
        wrapped.save_pretrained(tmp_path)
        merged = merge_lora(base, str(tmp_path)).eval()
        batch = JudgeCollator(processor)(mixed(clips, 3))
        for one, other in zip(supervised_losses(wrapped, batch), supervised_losses(merged, batch), strict=True):
            assert torch.allclose(one, other, atol=1e-4)

    def test_four_bits_leave_encoder_adapter_and_head_alone(self, tmp_path):
        model, _ = make_judge(tmp_path, tie=False, quantization_config=nf4_config(whole_judge=False))
        quantized = {name for name, p in model.named_parameters() if not p.is_floating_point()}
        assert quantized
        assert all(".language_model.layers." in name for name in quantized)


class TestCreateOptimizer:
    def test_encoder_has_its_own_rate(self, judge, clips, tmp_path):
        model, processor = fresh(judge)
        trainer = trainer_for(
            model, processor, mixed(clips), tmp_path, learning_rate=1e-3, encoder_learning_rate=1e-4, weight_decay=0.1
        )
        groups = trainer.create_optimizer().param_groups
        names = {id(p): name for name, p in model.named_parameters()}
        for group in groups:
            in_encoder = {"audio_tower" in names[id(p)] for p in group["params"]}
            assert in_encoder == {group["lr"] == 1e-4}
        assert {group["weight_decay"] for group in groups if group["lr"] == 1e-4} == {0.0, 0.1}
        assert sum(len(group["params"]) for group in groups) == len(names)

    def test_encoder_and_adapter_each_have_their_own(self, judge, clips, tmp_path):
        model, processor = fresh(judge)
        rates = {"learning_rate": 1e-3, "encoder_learning_rate": 1e-4, "adapter_learning_rate": 2e-3}
        trainer = trainer_for(model, processor, mixed(clips), tmp_path, **rates)
        names = {id(p): name for name, p in model.named_parameters()}
        expected = {"audio_tower": 1e-4, "adapter": 2e-3, "language_model": 1e-3}
        found = {
            (part, group["lr"])
            for group in trainer.create_optimizer().param_groups
            for p in group["params"]
            for part in expected
            if f"model.{part}." in names[id(p)]
        }
        assert found == set(expected.items())

    def test_schedule_keeps_the_ratio(self, judge, clips, tmp_path):
        model, processor = fresh(judge)
        schedule = {
            "learning_rate": 1e-3,
            "lr_scheduler_type": "linear",
            "max_steps": 4,
            "per_device_train_batch_size": 2,
        }
        trainer = trainer_for(model, processor, mixed(clips), tmp_path, encoder_learning_rate=1e-4, **schedule)
        trainer.create_optimizer_and_scheduler(4)
        trainer.optimizer.step()
        trainer.lr_scheduler.step()
        assert sorted({round(group["lr"], 8) for group in trainer.optimizer.param_groups}) == [0.75e-4, 0.75e-3]


def test_request_in_words_is_what_the_judge_asks():
    """Training and use share the layout of a prompt."""
    assert text_messages(clip_state("a.wav"), "x")[0]["content"][0]["role"] == "degraded"
