import json
import shutil
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pandas
import pytest
import soundfile
import torch
from accelerate import PartialState
from forked import forked_together
from tiny import make_judge, tone
from trl import GRPOConfig

from audio_judge.audio import AudioError
from audio_judge.clips import Cause, RatedClip, RatedPair, Rating
from audio_judge.data.instructions import Manner, make_instructions
from audio_judge.judge.generation import generate_answers
from audio_judge.judge.native import encode_prompt, join_audio, placeholder_id
from audio_judge.languages import LANGUAGES
from audio_judge.text_models.criteria import CRITERIA
from audio_judge.training.collate import JudgeCollator
from audio_judge.training.grpo import AcrossProcesses, AudioGRPOTrainer, GroupSampler, group_rows, judge_metrics
from audio_judge.training.reward_rows import make_row, make_rows, to_dataset
from audio_judge.training.rewards import EvaluatorReward, format_reward, preference_reward
from audio_judge.training.tuning import CheckpointError, add_lora, last_checkpoint, nf4_config, select_trainable


@pytest.fixture(scope="module")
def rated(tmp_path_factory):
    """Six clips of different lengths, rated on three rubrics."""
    folder = tmp_path_factory.mktemp("rated")
    clips = []
    for i in range(6):
        path = str(folder / f"{i}.wav")
        soundfile.write(path, tone(0.3 + 0.1 * i, 300 + 200 * i), 48_000)
        ratings = {name: Rating(1.2 + 0.6 * i) for name in ("mos", "noisiness", "loudness")}
        causes = (Cause("noise", {"snr_db": 5.0}),) if i % 2 else ()
        clips.append(RatedClip(path, ratings, "train", "tones", causes=causes, extra={"label": "real"}))
    return clips


@pytest.fixture(scope="module")
def rows(rated):
    """Four prompts with one clip and two with two clips."""
    single = list(make_instructions(rated[:4], ["explain"], seed=0))
    pair = RatedPair(rated[0], rated[5], {"mos": "B", "noisiness": "tie"})
    return make_rows([*single, *make_instructions([pair], ["compare"], seed=0)])


def columns(rows):
    """What a trainer passes on beside prompts and completions."""
    return {name: [row[name] for row in rows] for name in rows[0] if name != "prompt"}


def length_reward(completions, **_):
    """Differs between answers, so that there is something to learn."""
    return [len(set(one[0]["content"])) / 10 for one in completions]


def config(folder, **options):
    given = {
        "output_dir": str(folder), "use_cpu": True, "bf16": False, "gradient_checkpointing": False, "report_to": "none",
        "per_device_train_batch_size": 4, "num_generations": 2, "max_completion_length": 6, "max_steps": 2,
        "learning_rate": 1e-3, "logging_steps": 1, "save_strategy": "no", "disable_tqdm": True, "seed": 0, "beta": 0.0,
        "temperature": 1.0, "lr_scheduler_type": "constant",
    }  # fmt: skip
    return GRPOConfig(**given | options)


def make_trainer(folder, judge, rows, reward=length_reward, **options):
    model, processor = judge
    return AudioGRPOTrainer(
        model=model, processing_class=processor, args=config(folder, **options), reward_funcs=[reward],
        train_dataset=to_dataset(rows),
    )  # fmt: skip


@pytest.fixture
def judge(backbones):
    return make_judge(backbones)


class TestTrainer:
    def test_steps(self, tmp_path, judge, rows):
        trainer = make_trainer(tmp_path, judge, rows)
        trainer.train()
        assert trainer.state.global_step == 2

    def test_prompts_are_read_in_full_precision_under_autocast(self, backbones, rows):
        """TRL reads them where it generates; Whisper's extractor failed there with bf16."""
        _, processor = make_judge(backbones, "whisper")
        wanted = encode_prompt(processor, rows[0]["prompt"]).audio
        with torch.autocast("cpu", torch.bfloat16):
            found = encode_prompt(processor, rows[0]["prompt"]).audio
        assert torch.equal(found["input_features"], wanted["input_features"])

    def test_a_clip_is_encoded_once_for_all_answers_to_its_prompt(self, tmp_path, judge, rows):
        trainer = make_trainer(tmp_path, judge, rows, max_steps=1)
        heard = []
        judge[0].model.audio_tower.register_forward_pre_hook(
            lambda _, given, named: heard.append(len((*given, *named.values())[0])), with_kwargs=True
        )
        trainer.train()
        clips = [len(rows_of["prompt"][-1]["content"]) for rows_of in rows]
        assert max(heard) <= max(2, max(clips))  # two prompts of two answers each, with one or two clips

    def test_log_probabilities_are_those_of_a_manual_forward(self, tmp_path, judge, rows):
        trainer = make_trainer(tmp_path, judge, rows, temperature=0.7, per_device_train_batch_size=12, top_k=0)
        model, processor = judge
        model.eval()
        given = [row for row in rows for _ in range(2)]
        out = trainer._generate_and_score_completions(given)
        trainer._audio = out["audio"]
        ids = torch.cat([out["prompt_ids"], out["completion_ids"]], 1)
        mask = torch.cat([out["prompt_mask"], out["completion_mask"]], 1)
        length = out["completion_ids"].shape[1]
        with torch.no_grad():
            found, _, _ = trainer._get_per_token_logps_and_entropies(model, ids, mask, length, batch_size=5)
        differences = []
        for number, row in enumerate(given):
            prompt = encode_prompt(processor, row["prompt"])
            answer = out["completion_ids"][number][out["completion_mask"][number].bool()]
            alone = torch.cat([torch.tensor(prompt.ids), answer])[None]
            with torch.no_grad():
                logits = model(alone, **prompt.audio).logits[0, len(prompt.ids) - 1 : -1] / 0.7
            wanted = logits.log_softmax(-1).gather(1, answer[:, None])[:, 0]
            differences.append(float((found[number, : len(answer)] - wanted).abs().max()))
        print("largest difference of log-probabilities", max(differences))
        assert max(differences) < 1e-5

    def test_answers_depend_on_what_is_heard(self, tmp_path, judge, rows):
        """Scored with another prompt's clip, the same answer has another probability."""
        trainer = make_trainer(tmp_path, judge, rows)
        model, _ = judge
        model.eval()
        out = trainer._generate_and_score_completions([rows[0], rows[0], rows[1], rows[1]])
        given = [torch.cat([out[f"prompt_{n}"], out[f"completion_{n}"]], 1) for n in ("ids", "mask")]
        scored = []
        for audio in (out["audio"], out["audio"][2:] + out["audio"][:2]):
            trainer._audio = audio
            with torch.no_grad():
                scored.append(
                    trainer._get_per_token_logps_and_entropies(model, *given, out["completion_ids"].shape[1])[0]
                )
        assert (scored[0] - scored[1]).abs().max() > 1e-3

    def test_gradient_reaches_adapter_and_tuned_encoder(self, tmp_path, judge, rows):
        model, _ = judge
        select_trainable(model, [r"audio_tower.*\.qkv_proj", r"\.adapter\."])
        before = {name: value.clone() for name, value in model.state_dict().items()}
        make_trainer(tmp_path, judge, rows).train()
        changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
        assert any(".adapter." in name for name in changed)
        assert any("audio_tower" in name and ".qkv_proj." in name for name in changed)
        assert all(".adapter." in name or ".qkv_proj." in name for name in changed)

    def test_features_are_made_once_per_prompt(self, tmp_path, judge, rows, monkeypatch):
        trainer = make_trainer(tmp_path, judge, rows, per_device_train_batch_size=8, num_generations=4)
        made = []
        _, processor = judge
        real = processor.extract_features
        monkeypatch.setattr(
            processor, "extract_features", lambda clips, views: made.append(len(clips)) or real(clips, views)
        )
        out = trainer._generate_and_score_completions([rows[0]] * 4 + [rows[4]] * 4)
        assert made == [1, 2]
        assert len({id(audio) for audio in out["audio"]}) == 2

    def test_accumulated_micro_batches_take_the_step_of_one_batch(self, tmp_path, backbones, rows):
        trained = []
        for size, accumulation in ((8, 1), (2, 4)):
            model, processor = make_judge(backbones)
            options = {"per_device_train_batch_size": size, "gradient_accumulation_steps": accumulation, "max_steps": 1}
            options |= {"optim": "sgd", "learning_rate": 0.1, "steps_per_generation": accumulation}
            torch.manual_seed(0)
            make_trainer(tmp_path, (model, processor), rows, **options).train()
            trained.append(model.state_dict())
        assert max(float((trained[0][name] - trained[1][name]).abs().max()) for name in trained[0]) < 1e-5
        untrained = make_judge(backbones)[0].state_dict()
        assert max(float((trained[0][name] - untrained[name]).abs().max()) for name in untrained) > 1e-4

    def test_answers_are_used_twice(self, tmp_path, judge, rows):
        seen = []
        options = {"num_iterations": 2, "max_steps": 4, "epsilon": 1e-6, "learning_rate": 1e-2}
        make_trainer(
            tmp_path, judge, rows, lambda completions, **_: seen.append(1) or [*range(len(completions))], **options
        ).train()
        assert len(seen) == 2

    def test_reference_model_holds_the_judge_back(self, tmp_path, backbones, rows):
        model, processor = make_judge(backbones)
        model.save_pretrained(tmp_path / "start")
        model = type(model).from_pretrained(tmp_path / "start")
        trainer = make_trainer(tmp_path, (model, processor), rows, beta=0.1, max_steps=3, learning_rate=1e-2)
        trainer.train()
        kl = [row["kl"] for row in trainer.state.log_history if "kl" in row]
        assert kl[0] < 1e-6
        assert kl[-1] > 1e-6

    @pytest.mark.parametrize("beta", [0.0, 0.1])
    def test_lora_on_4_bits(self, tmp_path, backbones, rows, beta):
        model, processor = make_judge(backbones, tie=False, quantization_config=nf4_config(whole_judge=False))
        model = add_lora(
            model, r".*language_model\.layers\.\d+\.self_attn\.(q_proj|k_proj)", ["adapter"], rank=4, dropout=0.0
        )
        before = {name: value.clone() for name, value in model.named_parameters() if value.requires_grad}
        trainer = make_trainer(tmp_path, (model, processor), rows, beta=beta, max_steps=2, learning_rate=1e-2)
        trainer.train()
        after = dict(model.named_parameters())
        changed = {name for name in before if not torch.equal(before[name].float(), after[name].float())}
        assert any("lora_" in name for name in changed)
        assert any("adapter" in name and "modules_to_save" in name for name in changed)
        assert all(np.isfinite(row["loss"]) for row in trainer.state.log_history if "loss" in row)

    def test_completions_are_logged_with_their_rewards(self, tmp_path, judge, rows, capsys):
        make_trainer(tmp_path, judge, rows, log_completions=True, max_steps=1).train()
        [file] = (tmp_path / "completions").glob("*.parquet")
        table = pandas.read_parquet(file)
        assert {"prompt", "completion", "length_reward", "advantage"} <= set(table.columns)
        assert len(table) == 4
        assert "length_reward" in capsys.readouterr().out

    def test_checkpoint_inside_a_batch_of_answers_is_refused(self, tmp_path, judge, rows):
        with pytest.raises(ValueError, match="a multiple of 2 is needed"):
            make_trainer(tmp_path, judge, rows, num_iterations=2, save_strategy="steps", save_steps=3)

    def test_placeholders_are_never_generated(self, tmp_path, judge, rows):
        model, processor = judge
        with torch.no_grad():
            model.lm_head.weight[placeholder_id(model)] *= 100
        trainer = make_trainer(tmp_path, judge, rows)
        out = trainer._generate_and_score_completions([rows[0]] * 4)
        assert not (out["completion_ids"] == processor.audio_token_id).any()

    def test_evaluation_is_greedy_and_logged(self, tmp_path, judge, rows):
        model, processor = judge
        trainer = AudioGRPOTrainer(
            model=model, processing_class=processor, args=config(tmp_path), reward_funcs=[length_reward],
            train_dataset=to_dataset(rows), eval_dataset=to_dataset(rows),
        )  # fmt: skip
        first, second = trainer.evaluate(), trainer.evaluate()
        assert first == second
        assert {"eval_coverage", "eval_agreement", "eval_format"} <= set(first)
        assert first["eval_reward"] == first["eval_rewards/length_reward"] > 0
        assert any("eval_agreement" in row for row in trainer.state.log_history)

    def test_validation_is_rewarded_as_training_is(self, tmp_path, judge, rows):
        """The weighted sum of what applies; what got no reward at all is left out, not zero."""
        model, processor = judge

        def told(completions, log_metric, clip, **_):
            log_metric("evaluator/failed", 0.25)
            return [None if one == rows[0]["clip"] else 0.5 for one in clip]

        def single(completions, task, **_):
            return [1.0 if name == "explain" else None for name in task]

        only_last = [rows[index] for index in (0, 1, 5)]
        trainer = AudioGRPOTrainer(
            model=model, processing_class=processor, args=config(tmp_path, reward_weights=[2.0, 3.0]),
            reward_funcs=[told, single], train_dataset=to_dataset(rows), eval_dataset=to_dataset(only_last),
        )  # fmt: skip
        found = trainer.evaluate()
        assert found["eval_rewards/told"] == 0.5
        assert found["eval_rewards/single"] == 1.0
        assert found["eval_reward"] == pytest.approx((3.0 + (2 * 0.5 + 3.0) + 2 * 0.5) / 3)
        assert found["eval_evaluator/failed"] == 0.25

    def test_answer_whose_grade_failed_is_left_out(self, tmp_path, judge, rows):
        """Not compared as if the grade were zero: the answers beside it are compared with each other alone."""
        grades = [None, 0.2, 0.6, 0.7]

        def graded(completions, **_):
            return grades

        def form(completions, **_):
            return [1.0, 0.5, 0.5, 0.5]

        model, processor = judge
        options = {"num_generations": 4, "per_device_train_batch_size": 4, "reward_weights": [4.5, 0.5]}
        trainer = AudioGRPOTrainer(
            model=model, processing_class=processor, args=config(tmp_path, **options), reward_funcs=[graded, form],
            train_dataset=to_dataset(rows),
        )  # fmt: skip
        advantages = trainer._generate_and_score_completions([rows[0]] * 4)["advantages"]
        totals = torch.tensor([4.5 * grade + 0.25 for grade in grades[1:]])
        assert advantages[0] == 0
        assert torch.allclose(advantages[1:], (totals - totals.mean()) / (totals.std() + 1e-4), atol=1e-4)
        assert trainer._metrics["train"]["rewards/left_out"] == [0.25]
        # What applies to none of the answers to a prompt is another thing
        grades[:] = [None] * 4
        advantages = trainer._generate_and_score_completions([rows[0]] * 4)["advantages"]
        assert advantages[0] > 0 > advantages[1]

    def test_evaluator_that_refuses_one_answer_in_twelve(self, tmp_path, judge, rows):
        """Its advantage is zero, whether its siblings have grades or none has; the form alone moves nobody."""
        refused = [index == 4 for index in range(12)]

        def grade(cases):
            shares = [index / 12 for index in range(12)]
            return [None if no else dict.fromkeys(CRITERIA, share) for no, share in zip(refused, shares, strict=True)]

        def form(completions, **_):
            return [index % 2 for index in range(12)]

        model, processor = judge
        options = {"num_generations": 12, "per_device_train_batch_size": 12, "reward_weights": [4.5, 0.5]}
        trainer = AudioGRPOTrainer(
            model=model, processing_class=processor, args=config(tmp_path, **options), train_dataset=to_dataset(rows),
            reward_funcs=[EvaluatorReward(SimpleNamespace(grade=grade, cut_off=0)), form],
        )  # fmt: skip
        advantages = trainer._generate_and_score_completions([rows[0]] * 12)["advantages"]
        assert (advantages == 0).tolist() == refused
        assert advantages.mean() == pytest.approx(0, abs=1e-4)
        assert advantages[:4].max() < 0 < advantages[7:].min()
        refused[:] = [True] * 12
        assert not trainer._generate_and_score_completions([rows[0]] * 12)["advantages"].any()
        assert trainer._metrics["train"]["rewards/left_out"] == [pytest.approx(1 / 12), 1.0]

    def test_validation_answer_whose_grade_failed_does_not_count(self, tmp_path, judge, rows):
        class Graded:
            __name__ = "graded"

            def applies_to(self, task):
                return task == "explain"

            def __call__(self, completions, task, **_):
                return [None if name == "compare" or not number else 0.5 for number, name in enumerate(task)]

        model, processor = judge
        trainer = AudioGRPOTrainer(
            model=model, processing_class=processor, args=config(tmp_path),
            reward_funcs=[Graded(), lambda completions, **_: [1.0] * len(completions)],
            train_dataset=to_dataset(rows), eval_dataset=to_dataset(rows),
        )  # fmt: skip
        # Of four explanations one has no grade; of two comparisons none is to have one
        assert trainer.evaluate()["eval_reward"] == pytest.approx((3 * 1.5 + 2 * 1.0) / 5)

    def test_reward_is_validated_during_training(self, tmp_path, judge, rows):
        model, processor = judge
        options = {"eval_strategy": "steps", "eval_steps": 1, "per_device_eval_batch_size": 4}
        trainer = AudioGRPOTrainer(
            model=model, processing_class=processor, args=config(tmp_path, **options), reward_funcs=[length_reward],
            train_dataset=to_dataset(rows), eval_dataset=to_dataset(rows),
        )  # fmt: skip
        trainer.train()
        assert [row["step"] for row in trainer.state.log_history if "eval_reward" in row] == [1, 2]


class TestCheckpoints:
    def test_save_that_fails_leaves_the_one_before(self, tmp_path, judge, rows, monkeypatch):
        trainer = make_trainer(tmp_path, judge, rows, save_strategy="steps", save_steps=1, max_steps=3)
        real = trainer._save_rng_state

        def full(folder):
            if folder.endswith("checkpoint-2"):
                raise OSError(28, "No space left on device")
            real(folder)

        monkeypatch.setattr(trainer, "_save_rng_state", full)
        with pytest.raises(CheckpointError, match=r"No space left .* make room"):
            trainer.train()
        assert [path.name for path in tmp_path.glob("checkpoint-*")] == ["checkpoint-1"]
        assert last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-1")

    def test_half_written_one_is_passed_over(self, tmp_path, judge, rows):
        make_trainer(tmp_path, judge, rows, save_strategy="steps", save_steps=1).train()
        (tmp_path / "checkpoint-2" / "trainer_state.json").write_text('{"epoch": 1')
        assert last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-1")
        assert not (tmp_path / "checkpoint-2").exists()

    def test_none_is_an_error(self, tmp_path):
        with pytest.raises(ValueError, match="no whole checkpoint"):
            last_checkpoint(tmp_path)

    def test_old_ones_are_taken_away(self, tmp_path, judge, rows):
        make_trainer(
            tmp_path, judge, rows, save_strategy="steps", save_steps=1, max_steps=4, save_total_limit=2
        ).train()
        assert {path.name for path in tmp_path.glob("checkpoint-*")} == {"checkpoint-3", "checkpoint-4"}

    STEPS: ClassVar[dict] = {
        "save_strategy": "steps",
        "save_steps": 1,
        "max_steps": 5,
        "gradient_accumulation_steps": 1,
    }

    @pytest.fixture(scope="class")
    def whole(self, tmp_path_factory, backbones, rows):
        """A judge that was trained without a break, and the folder with a checkpoint of each of its steps."""
        folder, judge = tmp_path_factory.mktemp("whole"), make_judge(backbones)
        make_trainer(folder, judge, rows, **self.STEPS).train()
        return judge[0], folder

    @pytest.mark.parametrize("stop", [2, 3, 4])
    def test_resumed_run_ends_like_an_uninterrupted_one(self, tmp_path, backbones, rows, whole, stop):
        """Within an epoch of three steps, after two of them, at its end, and within the next one."""
        model, folder = whole
        shutil.copytree(folder / f"checkpoint-{stop}", tmp_path / f"checkpoint-{stop}")
        parts = make_judge(backbones)
        torch.manual_seed(99)
        resumed = make_trainer(tmp_path, parts, rows, **self.STEPS)
        resumed.train(resume_from_checkpoint=last_checkpoint(tmp_path))
        ours, theirs = model.state_dict(), parts[0].state_dict()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


class TestRows:
    def test_truth_is_what_the_example_states(self, rated):
        [row] = make_rows(make_instructions([rated[1]], ["explain"], seed=0))
        assert row["scores"] == {name: rated[1].ratings[name].value for name in ("mos", "noisiness", "loudness")}
        assert row["rubrics"] == ["mos", "noisiness", "loudness"]
        assert row["causes"] == ["noise"]
        assert "faults: noise" in row["truth"]

    def test_both_orders_share_a_pair(self, rows):
        first, second = [row for row in rows if row["task"] == "compare"]
        assert first["pair"] == second["pair"]
        assert first["is_swapped"] != second["is_swapped"]
        assert (first["verdicts"]["mos"], second["verdicts"]["mos"]) in (("B", "A"), ("A", "B"))

    @pytest.mark.parametrize("task", ["score", "rate", "categorize", "profile", "describe", "detect"])
    def test_every_task_in_text(self, rated, task):
        [row] = make_rows(make_instructions([rated[2]], [task], seed=0))
        assert row["task"] == task
        assert row["label"] == ("real" if task == "detect" else "")
        assert all(row["scores"][name] == rated[2].ratings[name].value for name in row["scores"])

    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("task", ["categorize", "profile", "explain"])
    def test_every_language_is_kept(self, rated, language, task):
        manner = Manner(languages={language: 1.0})
        examples = list(make_instructions(rated[:4] * 10, [task], seed=0, manner=manner))
        rows = make_rows(examples)
        assert len(rows) == len(examples) == 40
        assert {row["language"] for row in rows} == {language}
        assert format_reward([row["reference"] for row in rows], prompts=["?"] * 40, **columns(rows)) == [1.0] * 40

    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize(
        "task", ["score", "rate", "categorize", "profile", "explain", "describe", "detect", "compare"]
    )
    def test_examples_of_an_earlier_version_are_read(self, rated, language, task):
        """They say nothing of what they state; only what a language does not write is lost."""
        manner = Manner(languages={language: 1.0})
        for example in make_instructions(rated, [task], seed=0, manner=manner):
            kept = (
                "task",
                "prompt",
                "completion",
                "seed",
                "target",
                "scores",
                "corpus",
                "language",
                "form",
                "verdicts",
            )
            earlier = {name: value for name, value in example.items() if name in kept}
            assert make_row(earlier) == make_row(example)

    def test_nothing_is_read_back_from_an_answer(self, rated):
        [example] = make_instructions([rated[1]], ["explain"], seed=0)
        completion = [{"role": "assistant", "content": "What nobody can read"}]
        kept = make_row(example | {"completion": completion})
        assert {name: kept[name] for name in ("scores", "causes")} == {
            name: make_row(example)[name] for name in ("scores", "causes")
        }

    def test_typed_questions_are_left_out(self, rated, caplog):
        examples = [*make_instructions(rated[:2], ["decide"], seed=0), *make_instructions(rated[:1], ["score"], seed=0)]
        assert len(make_rows(examples)) == 1
        assert "2 examples left out: decide is not answered in text" in caplog.text

    def test_nothing_left_is_an_error(self, rated):
        with pytest.raises(ValueError, match="none of 2 examples"):
            make_rows(make_instructions(rated[:2], ["decide"], seed=0))

    def test_augmented_scales_are_left_out(self, rated):
        [example] = make_instructions(rated[:1], ["score"], seed=0)
        with pytest.raises(ValueError, match="augmented scale"):
            make_row(example | {"provenance": [{"kind": "scale"}]})

    def test_dataset_gives_rows_back(self, rows):
        dataset = to_dataset(rows)
        assert dataset[4] == json.loads(json.dumps(rows[4]))


class TestGroupSampler:
    def make(self, groups, epoch=0, **options):
        given = {"generations": 2, "batch_size": 4, "repeat_count": 1, "seed": 0} | options
        return GroupSampler(groups, **given, epoch=lambda: epoch)

    def test_pairs_stay_in_one_batch(self):
        groups = [[0], [1, 2], [3], [4, 5], [6, 7], [8], [9, 10], [11]]
        for epoch in range(20):
            order = list(self.make(groups, epoch, generations=1))
            batch_of = {index: place // 4 for place, index in enumerate(order)}
            assert all(batch_of[first] == batch_of[second] for first, second in ([1, 2], [4, 5], [6, 7], [9, 10]))
            assert sorted(order) == list(range(12))

    @pytest.mark.parametrize("processes", [1, 2, 3, 8])
    @pytest.mark.parametrize("singles", [0, 1, 100, 101])
    @pytest.mark.parametrize("size", [1, 2, 8])
    def test_both_orders_meet_on_any_number_of_processes(self, processes, singles, size):
        """193 pairs, four answers to a prompt; with one answer per process and step, 12 to the batch of three."""
        answers = size * processes * (4 if size % 4 else 1)  # of all processes, a multiple of four
        batch = answers // 4
        groups = [[2 * n, 2 * n + 1] for n in range(193)] + [[386 + n] for n in range(singles)]
        sampler = self.make(groups, generations=4, batch_size=batch)
        order = list(sampler)
        assert len(order) == len(sampler)
        assert len(order) % answers == 0
        together = set()
        for start in range(0, len(order), answers):
            heard = set(order[start : start + answers])
            pairs = {index // 2 for index in heard if index < 386}
            if batch > 1:
                assert all({2 * pair, 2 * pair + 1} <= heard for pair in pairs)
            together |= pairs
        # All but what does not fill a last batch
        assert len(together) >= 193 - batch // 2 - 1

    def test_too_few_for_a_batch_is_an_error(self):
        with pytest.raises(ValueError, match="3 prompts do not fill a batch of 4"):
            self.make([[0, 1], [2]])

    def test_batch_of_one_has_no_pairs(self):
        assert sorted(self.make([[0, 1], [2]], batch_size=1, generations=1)) == [0, 1, 2]

    @pytest.mark.parametrize(
        ("groups", "batches"), [([[0, 1], [2, 3]], 2), ([[0, 1], [2], [3]], 1), ([[0], [1], [2]], 1)]
    )
    def test_odd_batches_are_filled_up(self, groups, batches):
        order = list(self.make(groups, generations=1, batch_size=3))
        assert len(order) == 3 * batches
        assert {index for index in order if index < 2} <= {0, 1}

    def test_epochs_differ_and_repeat_themselves(self):
        groups = [[index] for index in range(8)]
        assert list(self.make(groups, 0)) == list(self.make(groups, 0))
        assert list(self.make(groups, 0)) != list(self.make(groups, 1))

    def test_batches_are_repeated(self):
        order = list(self.make([[index] for index in range(4)], repeat_count=3))
        assert len(order) == 24 == len(self.make([[index] for index in range(4)], repeat_count=3))
        assert order[:8] == order[8:16] == order[16:]

    def test_rows_of_a_pair_are_grouped(self):
        assert group_rows(["x", "", "x", "x"]) == [[0, 2], [1], [3]]


BOTH_ORDERS = [
    {"task": "compare", "rubrics": [], "verdicts": {"mos": verdict}, "pair": "p", "is_swapped": swapped}
    for verdict, swapped in (("A", False), ("B", True))
]


class TestAcrossProcesses:
    """Two forks hold one order of a pair each; alone, neither would have a partner."""

    def columns(self, rows):
        return {name: [row[name] for row in rows] for name in BOTH_ORDERS[0]}

    def test_rewards_are_those_of_the_whole_batch(self, tmp_path):
        said = ["[SpeechA]", "[SpeechA]", "[SpeechA]", "[SpeechB]"]
        rows = [BOTH_ORDERS[0], BOTH_ORDERS[0], BOTH_ORDERS[0], BOTH_ORDERS[1]]
        whole = preference_reward(said, **self.columns(rows))
        assert whole == [1.0, 1.0, 1.0, 1.0]

        def work():
            rank = PartialState(cpu=True).process_index
            own = slice(0, 3) if rank == 0 else slice(3, 4)  # shares need not be of one size
            reward = AcrossProcesses(preference_reward)
            found = reward(said[own], trainer_state=None, completion_ids=[[1]], **self.columns(rows[own]))
            assert found == whole[own], found
            assert preference_reward(said[own], **self.columns(rows[own])) == [None] * len(said[own])

        forked_together(work, tmp_path)

    def test_trainer_compares_across_processes(self, tmp_path, judge, rows):
        trainer = make_trainer(tmp_path, judge, rows, preference_reward, per_device_train_batch_size=4)
        assert isinstance(trainer.reward_funcs[0], AcrossProcesses)
        assert trainer.reward_func_names == ["preference_reward"]

    def test_batch_without_room_for_both_orders_is_refused(self, tmp_path, judge, rows):
        with pytest.raises(ValueError, match=r"a batch of 2 answers has one prompt, .* 4 answers or more"):
            make_trainer(tmp_path, judge, rows, preference_reward, per_device_train_batch_size=2, num_generations=2)


class TestPrompts:
    def test_prompt_is_tokenized_as_in_supervised_training(self, judge, rated):
        _, processor = judge
        [example] = make_instructions([rated[0]], ["explain"], seed=0)
        batch = JudgeCollator(processor)([example])
        ids, audio = encode_prompt(processor, example["prompt"])
        assert batch["input_ids"][0, : len(ids)].tolist() == ids
        assert (batch["labels"][0, : len(ids)] == -100).all()
        assert batch["labels"][0, len(ids)] != -100
        assert torch.allclose(batch["input_features"], audio["input_features"])

    def test_joined_prompts_are_padded(self):
        joined = join_audio([{"x": torch.ones(1, 2, 3)}, {"x": torch.ones(2, 4, 1)}])["x"]
        assert joined.shape == (3, 4, 3)
        assert joined.sum() == 6 + 8

    def test_block_without_a_path_is_an_error(self, judge):
        with pytest.raises(AudioError, match="gives its clip as a `path`"):
            encode_prompt(judge[1], [{"role": "user", "content": [{"type": "audio", "audio": tone()}]}])


class TestMetrics:
    def test_unreadable_answers_count_against_the_judge(self, rated):
        rows = make_rows(make_instructions(rated[:4], ["score"], seed=0))
        good = [f"{row['scores'][row['rubrics'][0]]:.1f}" for row in rows]
        whole, half = judge_metrics(good, rows), judge_metrics([*good[:2], "no idea", ""], rows)
        assert whole["coverage"] == 1
        assert half["coverage"] == 0.5
        assert half["agreement"] < 0.6 < whole["agreement"]

    def test_constant_scores_do_not_correlate(self, rated):
        rows = make_rows(make_instructions(rated[:4], ["rate"], seed=0))
        assert judge_metrics(["3.00"] * 4, rows).get("pcc", 0.0) == 0.0

    def test_batches_answer_like_single_prompts(self, judge, rows):
        model, processor = judge
        prompts = [row["prompt"] for row in rows]
        options = {"max_new_tokens": 5, "eos_token_id": processor.tokenizer.eos_token_id}
        alone, together = (generate_answers(model, processor, prompts, batch_size=n, **options) for n in (1, 4))
        assert alone == together
