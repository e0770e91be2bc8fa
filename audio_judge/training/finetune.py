"""Teach a judge that works already what one's own listeners said of some clips, and have it keep what it knew.

Each clip teaches its listeners' ratings, and beside them what the judge itself says of a few other rubrics, which would drift
otherwise. The encoder stays as it is and hears each clip once. It is the trainer of ``train_sft.py``; what that has besides
(recipes, mixtures, answers in text, LoRA, new judges) is left out.
"""

import random
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from transformers import EarlyStoppingCallback, PrinterCallback, TrainerCallback, set_seed
from trl import SFTConfig

from audio_judge.clips import RatedClip, Rating
from audio_judge.data.examples import DECIDE
from audio_judge.data.files import to_dataset
from audio_judge.data.instructions import Manner, make_instructions
from audio_judge.judge.judge import AudioJudge
from audio_judge.training.arguments import device_defaults
from audio_judge.training.checks import TrainedWeights
from audio_judge.training.collate import JudgeCollator
from audio_judge.training.notes import learned_from, note
from audio_judge.training.sft import AudioSFTTrainer, score_metrics
from audio_judge.training.tuning import hear_once, select_trainable

TRAINED = ("adapter", "language_model")
# Rubrics of the judge's own beside those of listeners, at least; as many as of listeners where these are more
REHEARSED = 2


@dataclass(frozen=True)
class Schedule:
    """How long and how fast.

    Args:
        epochs: At most.
        learning_rate: After the warm-up, which falls to 0 by the last epoch.
        batch_size: Clips per step.
        patience: Evaluations without a better PCC after which it stops.
    """

    epochs: int = 12
    learning_rate: float = 2e-4
    batch_size: int = 8
    patience: int = 4
    seed: int = 0


class TellEpochs(TrainerCallback):
    """Says after each epoch how well the judge agrees with the listeners of the validation."""

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Print a line."""
        metrics: Mapping[str, float] = kwargs["metrics"]
        print(
            f"epoch {state.epoch:.0f}: PCC {metrics['eval_pcc']:.3f}, MAE {metrics['eval_mae']:.3f} levels", flush=True
        )


def with_rehearsal(judge: AudioJudge, clips: Sequence[RatedClip], *, seed: int, batch_size: int) -> list[RatedClip]:
    """Add to the ratings of each clip what the judge says of a few rubrics that nobody rated there; readable clips only."""
    learned, rng = judge.identity.learned, random.Random(seed)
    rated = {name for clip in clips for name in clip.ratings}
    known = [] if learned is None else [name for name in learned.scored if learned.way_to_score(name) == DECIDE]
    others = [name for name in known if name not in rated]
    if not others:
        return list(clips)
    judged = judge.score([clip.path for clip in clips], rubric=others, batch_size=batch_size, progress=True)
    found = []
    for clip, said in zip(clips, judged, strict=True):
        if said.error is None:
            names = rng.sample(others, min(len(others), max(REHEARSED, len(clip.ratings))))
            own = {name: Rating(said[name].value, said[name].std) for name in names}
            found.append(replace(clip, ratings=clip.ratings | own))
    return found


def finetune(
    judge: AudioJudge, train: Sequence[RatedClip], validation: Sequence[RatedClip], schedule: Schedule | None = None
) -> dict[str, Any]:
    """Train a judge in place; the weights of the best evaluation stay.

    Args:
        judge: One of ours that learned typed questions, in float32. Its note says afterwards what it learned besides.
        train: With ratings of rubrics of ours, on their scales.
        validation: Clips whose mean PCC over rubrics says when to stop.

    Returns:
        ``steps``, ``best_step``, and ``pcc`` of the validation at that step.
    """
    plan = schedule or Schedule()
    set_seed(plan.seed)
    model, processor = judge.model, judge.processor
    manner = Manner(rubric_questions="all")  # originals are measured, and not heard
    data = to_dataset(make_instructions(train, [DECIDE], seed=plan.seed, manner=manner))
    wanted = to_dataset(
        make_instructions(validation, [DECIDE], seed=plan.seed, manner=replace(manner, all_rubrics=True))
    )
    rubrics = tuple(dict.fromkeys(name for clip in validation for name in clip.ratings))
    collator = JudgeCollator(processor, max_seconds=processor.window_seconds, random_crop=True, rubrics=rubrics)
    select_trainable(model, TRAINED)
    if model.config.audio_config.model_type.startswith("audio_judge"):
        hear_once(model.model.audio_tower)
    with tempfile.TemporaryDirectory() as scratch:
        trainer = AudioSFTTrainer(
            model=model,
            args=_settings(plan, scratch),
            train_dataset=data,
            eval_dataset=wanted,
            data_collator=collator,
            processing_class=processor,
            compute_metrics=score_metrics(rubrics),
            callbacks=[TrainedWeights(chosen=True), EarlyStoppingCallback(plan.patience), TellEpochs()],
            level_weight=2.0,
        )
        trainer.remove_callback(PrinterCallback)
        note(trainer.model, processor, learned_from(data), is_supervised=True)
        trainer.train()
        state = trainer.state
    judge.model = trainer.model.eval()
    return {"steps": state.global_step, "best_step": state.best_global_step, "pcc": state.best_metric}


def _settings(plan: Schedule, scratch: str) -> SFTConfig:
    of_this_machine: dict[str, Any] = device_defaults()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of names that both of our versions of transformers know
        return SFTConfig(
            output_dir=scratch,
            num_train_epochs=plan.epochs,
            learning_rate=plan.learning_rate,
            weight_decay=0.01,
            warmup_steps=10,
            lr_scheduler_type="cosine",
            per_device_train_batch_size=plan.batch_size,
            per_device_eval_batch_size=16,
            eval_strategy="epoch",
            save_strategy="epoch",
            save_total_limit=1,
            save_only_model=True,
            load_best_model_at_end=True,
            metric_for_best_model="pcc",
            greater_is_better=True,
            logging_strategy="no",
            disable_tqdm=True,
            seed=plan.seed,
            report_to="none",
            remove_unused_columns=False,
            max_length=None,
            dataset_kwargs={"skip_prepare_dataset": True},
            **of_this_machine,
        )
