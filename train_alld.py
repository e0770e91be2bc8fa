# /// script
# requires-python = ">=3.11"
# dependencies = ["audio-judge[train]"]
# ///
"""Align a judge, or a native audio language model, with a text-only expert that reads the ratings of the clips (ALLD), by a recipe.

Qwen2-Audio on NISQA's clips and captions that a language model wrote, first on one GPU, then on several; the mini judge on
a CPU, whose expert is trained on the spot; on from the last checkpoint; only measure descriptions:

    python train_alld.py --config recipes/alld/nisqa.yaml --data NISQA_Corpus --captions captions.jsonl --stage sample
    python train_alld.py --config recipes/alld/nisqa.yaml --data ... --captions ... --stage reference
    accelerate launch --config_file recipes/accelerate/zero3.yaml train_alld.py --config recipes/alld/nisqa.yaml ...

    python train_alld.py --config recipes/alld/mini.yaml --data CORPUS --stage expert
    python train_alld.py --config recipes/alld/mini.yaml --data CORPUS
    python train_alld.py --config recipes/alld/mini.yaml --data CORPUS --resume_from_checkpoint last
    python train_alld.py --config recipes/alld/mini.yaml --data CORPUS --stage evaluate

One process samples and asks the expert by itself where that has not been done; each stage but `expert` goes on where it was
killed.
Keys of a recipe are fields of `AlldArguments` and of TRL's `DPOConfig`; the command line wins over the recipe. The
output folder gets the model (a LoRA is merged into it), `descriptions.json` (measured before and after) and the texts that
were measured.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import audio_judge  # noqa: F401  # isort: skip  (before peft, which it keeps quiet)

import torch
from peft import LoraConfig
from transformers import AutoTokenizer, TrainerCallback, set_seed
from trl import DPOConfig, SFTConfig

from audio_judge import AudioJudgeProcessor
from audio_judge.batch.lines import rows_by_id
from audio_judge.clips import RatedClip
from audio_judge.corpora.corpus import Corpus, read_options
from audio_judge.data.weights import named_weights
from audio_judge.judge.native import load_audio_model
from audio_judge.modeling_audio_judge import load_language_model
from audio_judge.text_models.replies import Sampling
from audio_judge.training.alld.expert import (
    check_shared_tokenizer,
    model_identity,
    reference_log_probabilities,
    train_expert,
)
from audio_judge.training.alld.metrics import evaluate_answers
from audio_judge.training.alld.requests import ALLD_TASKS, AlldRequest, make_requests
from audio_judge.training.alld.samples import Collator, sample_id, sample_rejected
from audio_judge.training.alld.trainers import (
    AudioDistillTrainer,
    AudioDPOTrainer,
    DistillationCollator,
    NativeDistillationCollator,
    NativePreferenceCollator,
    PreferenceCollator,
    distillation_dataset,
    preference_dataset,
)
from audio_judge.training.arguments import (
    DeviceParser,
    TuningArguments,
    at_most,
    check_sharding,
    choose_trained,
    option,
    quantization,
    refuse_idle,
    save_whole,
    settle_precision,
    watch_weights,
)
from audio_judge.training.collate import JudgeCollator, NativeCollator
from audio_judge.training.notes import learned_from, note
from audio_judge.training.tuning import checkpoint_of, whole_weights

Split = Literal["train", "validation"]


@dataclass
class AlldArguments(TuningArguments):
    """What is aligned, with whom, and on what."""

    model: str = option("", "judge or native audio language model to train: folder or Hub id")
    expert: str = option("", "text-only language model with its tokenizer: folder or Hub id")
    expert_revision: str | None = option(None, "branch, tag or commit of the expert")
    expert_gguf_file: str | None = option(None, "GGUF file of the expert, unpacked as it is loaded")
    stage: Literal["train", "expert", "sample", "reference", "evaluate"] = option("train", "what to do")
    loss: Literal["dpo", "distill"] = option("dpo", "preferences between whole texts, or divergence at every token")
    temperature: float = option(1.0, "of both distributions, for distill")
    sft_weight: float = option(0.0, "weight of the cross-entropy of the chosen texts beside either loss")
    expert_dtype: Literal["float32", "bfloat16"] = option("float32", "of the expert's weights")
    captions: str | None = option(None, "the expert's texts about training clips; our own writers' if not given")
    captions_reader: Literal["captions", "alld"] = option(
        "captions", "who wrote them: `audio-judge caption`, or the paper"
    )
    captions_options: list[str] | None = option(None, "arguments of their reader, such as root=FOLDER")  # noqa: RUF009
    max_train_clips: int | None = option(None, "random choice of so many training clips; not for captions")
    max_eval_clips: int | None = option(None, "random choice of so many validation clips")
    samples: str | None = option(None, "file of the judge's samples; samples.jsonl in the output folder if not given")
    sample_temperature: float = option(1.0, "of the judge's samples")
    sample_top_p: float = option(1.0, "of the judge's samples")
    sample_tokens: int = option(192, "longest sample, and longest answer when measured")
    sample_batch_size: int = option(8, "requests at a time")
    reference_cache: str | None = option(None, "folder of the expert's log-probabilities; in the output folder")
    reference_batch_size: int = option(4, "texts at a time")
    expert_steps: int = option(1500, "steps of an expert that is trained on the spot")
    expert_batch_size: int = option(16, "texts per step")
    expert_learning_rate: float = option(1e-3, "at its height")
    expert_lora_r: int = option(
        0, "rank of a LoRA on all layers of such an expert, merged at its end; 0 trains it in full"
    )

    def __post_init__(self) -> None:
        """Check what every stage needs."""
        needed = {"model": self.model, "data": self.data}
        if self.stage not in ("sample", "evaluate"):
            needed["expert"] = self.expert
        for name, value in needed.items():
            if not value:
                raise ValueError(f"`{name}` is missing: give it in the recipe or as --{name}")
        super().__post_init__()
        if self.loss == "dpo":
            refuse_idle(self, ("temperature",), "it is of `loss: distill`")
        if self.captions is not None:
            refuse_idle(self, ("max_train_clips",), "all of `captions` are learned from")
        else:
            refuse_idle(self, ("captions_reader", "captions_options"), "`captions` is not given")
        refuse_idle(self, ("with_reference",), "the expert reads ratings of single clips")

    @property
    def task_weights(self) -> dict[str, float]:
        """Weight per task."""
        return named_weights(self.tasks or ALLD_TASKS)

    @property
    def sampling(self) -> Sampling:
        """As the rejected texts are drawn; measuring is greedy."""
        return Sampling(self.sample_temperature, self.sample_top_p, self.sample_tokens)


@whole_weights()
def load_judge(args: AlldArguments, quantized: Any = None) -> tuple[Any, Collator]:
    """The model, and what reads clips for it; clips are cropped at the same place when sampled and when learned."""
    options: dict[str, Any] = {"dtype": getattr(torch, args.dtype)}
    options |= {} if quantized is None else {"quantization_config": quantized}
    judge, processor = load_audio_model(args.model, **options)
    if is_native(processor):
        return judge, NativeCollator(processor, args.max_seconds)
    return judge, JudgeCollator(processor, **hearing(args, processor))


def is_native(processor: Any) -> bool:
    """Whether a processor is that of a native audio language model."""
    return not isinstance(processor, AudioJudgeProcessor)


def hearing(args: AlldArguments, processor: Any) -> dict[str, Any]:
    """How a collator reads clips; of a native audio language model it keeps their beginning."""
    return {"max_seconds": args.max_seconds} | ({} if is_native(processor) else {"random_crop": True})


def load_requests(args: AlldArguments, split: Split, seed: int) -> list[AlldRequest]:
    """Requests about a split; captions are about training clips, so validation is held against our own writers."""
    clips = [clip for clip in args.read(split) if isinstance(clip, RatedClip) and "mos" in clip.ratings]
    if split == "train" and args.captions is not None:
        captions = Corpus(args.captions_reader, args.captions, options=read_options(args.captions_options or []))
        return make_requests(clips, captions=captions.read(), seed=seed)
    limit = args.max_train_clips if split == "train" else args.max_eval_clips
    return make_requests(at_most(clips, limit, seed), args.task_weights, seed=seed)


def make_expert(args: AlldArguments, training_args: DPOConfig) -> None:
    """Make an expert of the judge's own language model; only for judges whose tokenizer nobody else has."""
    if Path(args.expert).exists():
        raise ValueError(f"{args.expert}: exists already; remove it or give another place for the expert")
    judge, collator = load_judge(args)
    if isinstance(collator, NativeCollator):
        raise ValueError(
            f"{args.model}: the expert of a native audio language model is the text model of its family, such as "
            "Qwen/Qwen2-7B-Instruct for Qwen2-Audio; name it as `expert`"
        )
    config = SFTConfig(
        output_dir=args.expert,
        max_steps=args.expert_steps,
        per_device_train_batch_size=args.expert_batch_size,
        learning_rate=args.expert_learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=0.05,
        save_strategy="no",
        report_to="none",
        logging_steps=max(1, args.expert_steps // 10),
        gradient_checkpointing=False,
        bf16=training_args.bf16,
        disable_tqdm=training_args.disable_tqdm,
        use_cpu=training_args.use_cpu,
        seed=training_args.seed,
    )
    lora = LoraConfig(r=args.expert_lora_r, target_modules="all-linear") if args.expert_lora_r else None
    train_expert(judge, collator.processor, load_requests(args, "train", training_args.seed), config, lora)


def load_samples(
    args: AlldArguments, requests: list[AlldRequest], judge: Any, collator: Collator, training_args: DPOConfig
) -> list[str]:
    """The judge's own answer to each request, drawn now where that has not been done."""
    path = Path(args.samples or Path(str(training_args.output_dir)) / "samples.jsonl")
    identity = model_identity(args.model)
    # A sample of another judge, or drawn in another way, has another key and is drawn anew
    keys = [sample_id(request, args.sampling, identity) for request in requests]
    missing = len(set(keys) - set(rows_by_id(path)))
    if missing:
        _alone(training_args, f"{path}: {missing} of {len(requests)} samples are missing", "sample")
        drawn: dict[str, Any] = {"sampling": args.sampling, "identity": identity, "batch_size": args.sample_batch_size}
        sample_rejected(judge.to(training_args.device).eval(), collator, requests, path, **drawn)
    rows = rows_by_id(path)
    cut_off = sum(not rows[key]["complete"] for key in keys)
    print(
        f"{len(keys)} samples in {path}, {missing} of them new; {cut_off} were cut off at {args.sample_tokens} tokens"
    )
    return [rows[key]["rejected"] for key in keys]


@whole_weights()
def load_expert(args: AlldArguments) -> Any:
    """The expert in evaluation mode, as it is never trained, in a precision of its own."""
    dtype = getattr(torch, args.expert_dtype)
    source = {"revision": args.expert_revision, "gguf_file": args.expert_gguf_file}
    return load_language_model(args.expert, quantization_config=None, dtype=dtype, **source).eval()


def load_expert_tokenizer(args: AlldArguments) -> Any:
    """The expert's tokenizer, which must be the judge's."""
    return AutoTokenizer.from_pretrained(args.expert, revision=args.expert_revision, gguf_file=args.expert_gguf_file)


def _alone(training_args: DPOConfig, message: str, stage: str) -> None:
    if training_args.world_size > 1:
        raise ValueError(f"{message}; run `python train_alld.py --stage {stage}` with the same options first")


def preferences(
    args: AlldArguments, split: Split, judge: Any, collator: Collator, expert: Any, training_args: DPOConfig
) -> Any:
    """Pairs of a split with the expert's log-probabilities, which are computed now where they are not known."""
    requests = load_requests(args, split, training_args.seed)
    rejected = load_samples(args, requests, judge, collator, training_args)
    chosen = [request["chosen"] for request in requests]
    check_shared_tokenizer(collator.processor, expert, [*chosen[:500], *rejected[:500]])
    cache = Path(args.reference_cache or Path(str(training_args.output_dir)) / "reference")

    def load() -> Any:  # only called if a value is not in the cache: an expert may be large
        _alone(training_args, f"{cache}: log-probabilities of the expert are missing", "reference")
        return load_expert(args).to(training_args.device)

    values = reference_log_probabilities(
        load,
        expert,
        collator,
        [*zip(requests, chosen, strict=True), *zip(requests, rejected, strict=True)],
        cache,
        identity=f"{model_identity(args.expert, args.expert_revision, args.expert_gguf_file)} {args.expert_dtype}",
        batch_size=args.reference_batch_size,
    )
    pairs = list(zip(values[: len(requests)], values[len(requests) :], strict=True))
    return preference_dataset(requests, rejected, pairs)


def make_trainer(args: AlldArguments, training_args: DPOConfig, judge: Any, collator: Collator) -> Any:
    """The trainer of either loss with its data, after a check that judge and expert share their tokenizer."""
    processor = collator.processor
    reading = hearing(args, processor)
    expert = load_expert_tokenizer(args)
    splits: tuple[Split, ...] = ("train", "validation")
    trained = choose_trained(args, judge)
    common: dict[str, Any] = {"model": trained, "args": training_args, "processing_class": processor}
    common |= {"callbacks": [watch_weights(args)]}
    if args.loss == "distill":
        requests = [load_requests(args, split, training_args.seed) for split in splits]
        check_shared_tokenizer(processor, expert, [request["chosen"] for request in requests[0][:1000]])
        data = [distillation_dataset(some) for some in requests]
        own: Any = {"expert": load_expert(args), "temperature": args.temperature, "sft_weight": args.sft_weight}
        beside = NativeDistillationCollator if is_native(processor) else DistillationCollator
        own |= {"data_collator": beside(processor, expert, **reading)}
        return AudioDistillTrainer(train_dataset=data[0], eval_dataset=data[1], **common, **own)
    if args.sft_weight:  # TRL's own mixture; for distill the trainer adds it
        training_args.loss_type, training_args.loss_weights = ["sigmoid", "sft"], [1.0, args.sft_weight]
    data = [preferences(args, split, judge, collator, expert, training_args) for split in splits]
    made = (NativePreferenceCollator if is_native(processor) else PreferenceCollator)(processor, **reading)
    return AudioDPOTrainer(train_dataset=data[0], eval_dataset=data[1], data_collator=made, **common)


def measure(args: AlldArguments, training_args: DPOConfig, judge: Any, collator: Collator, when: str) -> dict:
    """Greedy answers about validation clips, held against the ratings; texts and numbers go to the output folder."""
    requests = load_requests(args, "validation", training_args.seed)
    output = Path(str(training_args.output_dir))
    output.mkdir(parents=True, exist_ok=True)
    out = output / f"descriptions_{when}.jsonl"
    length = {"max_tokens": args.sample_tokens, "batch_size": args.sample_batch_size}
    metrics = evaluate_answers(judge.to(training_args.device), collator, requests, **length, out=out)
    numbers = output / "descriptions.json"
    known = json.loads(numbers.read_text()) if numbers.exists() else {}
    numbers.write_text(json.dumps(known | {when: metrics}, indent=2) + "\n")
    print(json.dumps({when: metrics}))
    return metrics


class MeasureBefore(TrainerCallback):
    """Measures once training has begun (a log before that is lost), unless it goes on from a checkpoint."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self.log = log

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Measure unless steps were taken before."""
        if state.global_step == 0:
            self.log("before")


def train(args: AlldArguments, training_args: DPOConfig, judge: Any, collator: Collator) -> Any:
    """Train and save; a single process measures before and after, several leave it to the stage `evaluate`."""
    note(judge, collator.processor, learned_from(load_requests(args, "train", training_args.seed)))
    trainer = make_trainer(args, training_args, judge, collator)

    def log(when: str) -> None:
        with trainer.accelerator.autocast():
            found = measure(args, training_args, judge, collator, when)
        trainer.log({f"{when}_{name}": value for name, value in found.items() if value is not None})

    is_alone = training_args.world_size == 1
    if is_alone:
        trainer.add_callback(MeasureBefore(log))
    trainer.train(resume_from_checkpoint=checkpoint_of(trainer))
    reload = None if args.lora_target is None else lambda: load_judge(args)[0]
    save_whole(trainer, Path(str(training_args.output_dir)), reload)
    if is_alone:
        log("after")
    return trainer


def main(args: AlldArguments, training_args: DPOConfig) -> Any:
    """Run one stage; only `train` changes the judge."""
    # Our collators do the work of TRL's preparation, and the reference is the expert
    training_args.remove_unused_columns, training_args.max_length = False, None
    training_args.precompute_ref_log_probs = True
    set_seed(training_args.seed)
    if args.stage == "expert":
        return make_expert(args, training_args)
    if args.stage == "train":
        check_sharding(args, training_args, needs_whole="the expert of distill" if args.loss == "distill" else "")
        settle_precision(args, training_args)
    judge, collator = load_judge(args, quantization(args, training_args, whole_judge=True))
    if args.stage == "evaluate":
        return measure(args, training_args, judge, collator, "evaluated")
    if args.stage == "sample":
        for split in ("train", "validation"):
            load_samples(args, load_requests(args, split, training_args.seed), judge, collator, training_args)
        return None
    if args.stage == "reference":
        expert = load_expert_tokenizer(args)
        return [preferences(args, split, judge, collator, expert, training_args) for split in ("train", "validation")]
    return train(args, training_args, judge, collator)


if __name__ == "__main__":
    main(*DeviceParser([AlldArguments, DPOConfig]).parse_args_and_config())
