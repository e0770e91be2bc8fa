"""ALLD: a judge that hears a clip learns from a text-only expert that reads its ratings instead.

Preference optimisation whose reference policy is the expert: the text chosen for a clip is an expert's description (or
one of our own writers'), the text rejected is the judge's own sample. Both are also given to the expert behind the
ratings as text; these log-probabilities are computed once, kept on disk, and take the place of the reference model's in
TRL's ``DPOTrainer``. ``AudioDistillTrainer`` is the token-level variant.

Judge and expert must share their tokenizer for both losses: per token there is nothing else to compare, and per
sequence the sums would run over texts cut into pieces of different length. ``train_alld.py`` runs everything, and
``audio_judge.answer_metrics`` measures what comes of it.

Left out: LoRA, sampling on several devices at once, and sharding of the expert (so no ZeRO-3 for the token-level
variant).
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from filelock import FileLock
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    LogitsProcessor,
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)
from trl import DPOTrainer, SFTConfig, SFTTrainer
from trl.trainer.utils import selective_log_softmax

from audio_judge.captions import finished_ids
from audio_judge.clips import RatedClip, RatedPair, Rating
from audio_judge.collate import IGNORED, JudgeCollator
from audio_judge.endpoint import GREEDY, Sampling
from audio_judge.examples import audio_blocks
from audio_judge.instruct import Instructor, Item, Manner, read_captions
from audio_judge.tasks import describe
from audio_judge.trainers import MODEL_INPUTS

TASKS = ("describe", "compare")
Request = dict[str, Any]


# What is asked


def make_requests(
    clips: Sequence[RatedClip],
    tasks: Mapping[str, float] | Sequence[str] = TASKS,
    *,
    captions: str | Path | None = None,
    seed: int = 0,
) -> list[Request]:
    """Make what the judge is asked about clips, what the expert is asked in its place, and the text to be learned.

    Args:
        clips: Rated clips; each needs an overall rating.
        tasks: Weights of ``describe`` and ``compare``, or those of equal weight; not for captions, which are what they
            are.
        captions: File of ``audio-judge caption`` about these clips, whose texts are learned, one request per caption.
            None for our own writers, one request per clip.
        seed: Of everything that is drawn.

    Returns:
        Dicts with ``task, prompt`` (with audio), ``expert_prompt`` (text alone), ``chosen, seed`` and ``ratings``, one
        dict of scores per clip.

    Raises:
        ValueError: If a task is another one, nothing can be asked, or a caption is about a clip that is not given.
    """
    unknown = set(tasks) - set(TASKS)
    if unknown:
        raise ValueError(f"task {', '.join(sorted(unknown))}; the expert can read ratings for {', '.join(TASKS)}")
    readable = [replace(clip, ratings=_known(clip)) for clip in clips]
    rated = {clip.path: clip for clip in readable}
    requests = [
        _request(example, [_scores(rated[block["path"]]) for block in audio_blocks(example)])
        for example in (_of_captions(captions, rated, seed) if captions else _of_clips(readable, tasks, seed))
    ]
    if not requests:
        raise ValueError(f"{len(clips)} clips make no request; overall ratings (mos) are needed")
    return requests


def _of_clips(
    clips: Sequence[RatedClip], tasks: Mapping[str, float] | Sequence[str], seed: int
) -> Iterator[dict[str, Any]]:
    instructor = Instructor(tasks, seed, Manner(both_orders=False))
    for index, clip in enumerate(clips):
        yield from instructor.examples(clip, index)


def _of_captions(path: str | Path, rated: Mapping[str, RatedClip], seed: int) -> Iterator[dict[str, Any]]:
    """Examples of the order that a caption speaks of, with the ratings that the captions themselves lack."""
    instructors = {RatedClip: Instructor(["describe"], seed), RatedPair: Instructor(["compare"], seed)}
    for index, caption in enumerate(read_captions(path)):
        item = _with_ratings(caption, rated, path)
        for example in instructors[type(item)].examples(item, index):
            if example["completion"][0]["content"] == caption.extra["caption"]:
                yield example


def _with_ratings(caption: Item, rated: Mapping[str, RatedClip], path: str | Path) -> Item:
    try:
        if isinstance(caption, RatedPair):
            return replace(caption, first=rated[caption.first.path], second=rated[caption.second.path])
        clip = rated[caption.path]
    except KeyError as error:
        raise ValueError(
            f"{path}: a caption of {error.args[0]}, which is not among the {len(rated)} rated clips; "
            "give the folder and the split of the corpus that the captions were written for"
        ) from error
    return replace(clip, extra=clip.extra | caption.extra)


def _known(clip: RatedClip) -> dict[str, Rating]:
    """The ratings that the expert can read; nothing else shall be in the texts."""
    return {name: rating for name, rating in clip.ratings.items() if name in describe.META_KEYS}


def _scores(clip: RatedClip) -> dict[str, float]:
    return {name: rating.value for name, rating in clip.ratings.items()}


def _request(example: Mapping[str, Any], ratings: list[dict[str, float]]) -> Request:
    asked = example["prompt"][0]["content"][-1]["text"].strip()
    facts = [describe.meta_tuple(scores) for scores in ratings]
    if example["task"] == "compare":
        facts = [f"SpeechA: {facts[0]}\nSpeechB: {facts[1]}"]
    request = {name: example[name] for name in ("task", "prompt", "seed")}
    request |= {"expert_prompt": describe.expert_messages(facts[0], asked), "ratings": ratings}
    return request | {"chosen": example["completion"][0]["content"]}


# The judge's own samples


class SeededNoise(LogitsProcessor):
    """Adds Gumbel noise from one generator per row, so that the best token is a draw that no other row can change.

    Args:
        seeds: One per row.
        device: Where the scores are.
    """

    def __init__(self, seeds: Sequence[int], device: torch.device) -> None:
        self.generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """Scores (rows, vocabulary) with noise."""
        draws = [torch.empty_like(scores[0]).exponential_(generator=generator) for generator in self.generators]
        return scores - torch.stack(draws).log()  # type: ignore[return-value]


def write_answers(
    model: Any, collator: JudgeCollator, requests: Sequence[Request], sampling: Sampling = GREEDY
) -> list[tuple[str, bool]]:
    """Have a judge answer one batch of requests.

    Args:
        model: An ``AudioJudgeForCausalLM``.
        collator: Reads the clips, as it does in training.
        requests: As ``make_requests`` makes them; their ``seed`` and that of ``sampling`` seed each row on its own.
        sampling: Temperature 0 is greedy.

    Returns:
        Text, and whether it was ended by the model rather than by ``sampling.max_tokens``.
    """
    processor = collator.processor
    clips = [clip for request in requests for clip in collator.read_clips(request | {"completion": []})]
    texts = [processor.apply_chat_template(request["prompt"], add_generation_prompt=True) for request in requests]
    text_options = {"padding": True, "padding_side": "left", "return_tensors": "pt", "add_special_tokens": False}
    audio_options = {"sampling_rate": processor.sampling_rate}
    inputs = processor(text=texts, audio=clips, text_kwargs=text_options, audio_kwargs=audio_options)
    inputs = {name: value.to(model.device) for name, value in inputs.items() if torch.is_tensor(value)}
    end = processor.tokenizer.convert_tokens_to_ids(processor.end_of_turn)
    with torch.no_grad():
        tokens = model.generate(
            **inputs,
            logits_processor=_drawing(sampling, [request["seed"] for request in requests], model.device),
            max_new_tokens=sampling.max_tokens,
            do_sample=False,
            eos_token_id=end,
            pad_token_id=processor.tokenizer.pad_token_id,
        )
    written = tokens[:, inputs["input_ids"].shape[1] :]
    decoded = processor.tokenizer.batch_decode(written, skip_special_tokens=True)
    return [(text.strip(), end in row.tolist()) for text, row in zip(decoded, written, strict=True)]


def _drawing(sampling: Sampling, seeds: list[int], device: torch.device) -> LogitsProcessorList:
    if sampling.temperature == 0:
        return LogitsProcessorList()
    noise = SeededNoise([(seed + sampling.seed) % 2**63 for seed in seeds], device)
    shape = [TemperatureLogitsWarper(float(sampling.temperature)), TopPLogitsWarper(float(sampling.top_p))]
    return LogitsProcessorList([*shape, noise])


def sample_rejected(
    model: Any,
    collator: JudgeCollator,
    requests: Sequence[Request],
    out: Path,
    *,
    sampling: Sampling,
    identity: str,
    batch_size: int = 8,
) -> int:
    """Write the judge's own answers, one JSON line per request, going on where a killed run stopped.

    Args:
        model: An ``AudioJudgeForCausalLM`` in evaluation mode.
        collator: Reads the clips.
        requests: As ``make_requests`` makes them.
        out: File that is continued if it exists. A row holds ``id, task, audio, chosen, rejected, complete``.
        sampling: How answers are drawn.
        identity: Of the judge, as ``model_identity`` gives it; samples of another judge are not taken for its own.
        batch_size: Requests at a time.

    Returns:
        Number of rows written.

    Raises:
        ValueError: If ``out`` is not ours.
        filelock.Timeout: If another run is writing the same file.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{out}.lock", timeout=0):
        done = finished_ids(out)
        waiting = {sample_id(request, sampling, identity): request for request in requests}
        waiting = {key: request for key, request in waiting.items() if key not in done}
        keys = list(waiting)
        with out.open("a", encoding="utf-8") as file:
            for start in tqdm(range(0, len(keys), batch_size), desc="sampling", disable=None):
                batch = keys[start : start + batch_size]
                answers = write_answers(model, collator, [waiting[key] for key in batch], sampling)
                for key, (text, complete) in zip(batch, answers, strict=True):
                    _append(file, _sample_row(key, waiting[key], text, complete))
    return len(keys)


def _sample_row(key: str, request: Request, text: str, complete: bool) -> dict[str, Any]:
    audio = [block["path"] for block in audio_blocks(request | {"completion": []})]
    row = {"id": key, "task": request["task"], "audio": audio, "chosen": request["chosen"]}
    return row | {"rejected": text, "complete": complete}


def _append(file: Any, row: Mapping[str, Any]) -> None:
    """One line, handed to the system, so that a kill loses at most the line it cuts."""
    file.write(json.dumps(row, ensure_ascii=False) + "\n")
    file.flush()


def sample_id(request: Request, sampling: Sampling, identity: str) -> str:
    """Name the sample of a request: what was asked, how it was drawn, and by whom.

    Args:
        request: As ``make_requests`` makes it.
        sampling: How it is drawn.
        identity: Of the judge.
    """
    return _digest([request, asdict(sampling), identity])


def _digest(facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]


def read_samples(path: Path) -> dict[str, dict[str, Any]]:
    """Read a file of JSON lines with an ``id``; a last line that a kill cut is left out.

    Args:
        path: What ``sample_rejected`` wrote; may be absent.

    Returns:
        Id to row.
    """
    if not finished_ids(path):
        return {}
    rows = [json.loads(line) for line in path.read_bytes().splitlines()]
    return {row["id"]: row for row in rows}


def model_identity(name: str, revision: str | None = None) -> str:
    """Tell one version of a model from another: the commit of a Hub repo, or a digest of the weights in a folder.

    Args:
        name: Folder or Hub id.
        revision: Branch, tag or commit of a Hub repo.

    Raises:
        FileNotFoundError: If a folder holds no weights.
    """
    if not Path(name).is_dir():
        config = AutoConfig.from_pretrained(name, revision=revision)
        return f"{name}@{vars(config).get('_commit_hash') or revision}"
    files = sorted(Path(name).glob("*.safetensors"))
    if not files:
        raise FileNotFoundError(f"{name}: no weights (*.safetensors) in this folder")
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()[:24]


# The expert


def check_shared_tokenizer(processor: Any, expert: Any, texts: Iterable[str] = ()) -> None:
    """Make sure that judge and expert cut texts into the same tokens and end an answer with the same one.

    Args:
        processor: The judge's ``AudioJudgeProcessor``; its own special tokens need not be the expert's.
        expert: Tokenizer of the expert.
        texts: Answers to try.

    Raises:
        ValueError: If they do not; the message names a token or a text.
    """
    judge = processor.tokenizer
    fix = "take an expert of the family of the judge's language model, or train one with `--stage expert`"
    if not expert.chat_template:
        raise ValueError(f"{expert.name_or_path}: the expert has no chat template; {fix}")
    own, other = judge.get_vocab(), expert.get_vocab()
    ordinary = set(own) - set(judge.all_special_tokens) - set(judge.get_added_vocab())
    moved = [token for token in sorted(ordinary) if other.get(token) != own[token]]
    if moved:
        raise ValueError(
            f"{expert.name_or_path}: {len(moved)} of the judge's {len(ordinary)} tokens have another id for the "
            f"expert, such as {moved[0]!r}: {own[moved[0]]} and {other.get(moved[0])}; {fix}"
        )
    end = processor.end_of_turn
    shown = expert.apply_chat_template([_turn("user", "?"), _turn("assistant", "yes")], tokenize=False)
    if f"yes{end}" not in shown:
        raise ValueError(
            f"{expert.name_or_path}: the expert does not end an answer with {end!r} as the judge does; {fix}"
        )
    for text in [end, *texts]:
        ids = [one(text, add_special_tokens=False)["input_ids"] for one in (judge, expert)]
        if ids[0] != ids[1]:
            raise ValueError(f"{expert.name_or_path}: the expert cuts {text!r} into other tokens than the judge; {fix}")


def _turn(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


def expert_prompt_ids(expert: Any, request: Mapping[str, Any]) -> list[int]:
    """Write what the expert reads in place of the audio, up to where its answer begins.

    Args:
        expert: Tokenizer of the expert.
        request: As ``make_requests`` makes it.
    """
    return expert.apply_chat_template(request["expert_prompt"], add_generation_prompt=True, return_dict=True)[
        "input_ids"
    ]


def answer_ids(collator: JudgeCollator, request: Mapping[str, Any], answer: str) -> list[int]:
    """Cut an answer and its end of turn into the tokens that the judge is trained on.

    Args:
        collator: Of the judge.
        request: As ``make_requests`` makes it.
        answer: A text.
    """
    prompt = collator._text_prompt({"prompt": request["prompt"], "completion": [_turn("assistant", answer)]})
    return prompt.ids[prompt.weights > 0].tolist()


@torch.no_grad()
def answer_log_probabilities(
    model: Any, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]
) -> list[float]:
    """Sum the log-probabilities that a language model gives to the tokens of answers, in one batch.

    Args:
        model: Any causal language model.
        prompts: Token ids before each answer.
        answers: Token ids of each answer.
    """
    rows = [torch.tensor([*prompt, *answer]) for prompt, answer in zip(prompts, answers, strict=True)]
    ids = pad_sequence(rows, True, 0).to(model.device)
    mask = pad_sequence([torch.ones_like(row) for row in rows], True, 0).to(model.device)
    first = min(len(prompt) for prompt in prompts)  # no answer begins before this column
    logits = model(input_ids=ids, attention_mask=mask, logits_to_keep=ids.shape[1] - first + 1, use_cache=False).logits
    tokens = selective_log_softmax(logits[:, :-1].float(), ids[:, first:])
    spans = [(len(prompt) - first, len(row) - first) for prompt, row in zip(prompts, rows, strict=True)]
    return [tokens[row, start:end].sum().item() for row, (start, end) in enumerate(spans)]


def reference_log_probabilities(
    model: Any,
    tokenizer: Any,
    collator: JudgeCollator,
    answered: Sequence[tuple[Request, str]],
    cache: Path,
    *,
    identity: str,
    batch_size: int = 4,
) -> list[float]:
    """Sum the log-probabilities of answers under an expert that reads the ratings; each is computed once and kept.

    Args:
        model: The expert in evaluation mode; a function that loads it, called only if something is not yet known.
        tokenizer: Of the expert.
        collator: Of the judge.
        answered: Requests and an answer to each.
        cache: Folder of the known values, one file per version of the expert; a key holds every token that was read.
        identity: Of the expert, as ``model_identity`` gives it.
        batch_size: Answers at a time.

    Returns:
        One log-probability per answer, end of turn included.
    """
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / f"{_digest(identity)}.jsonl"
    read = [(expert_prompt_ids(tokenizer, request), answer_ids(collator, request, text)) for request, text in answered]
    keys = [_digest(sequence) for sequence in read]
    with FileLock(f"{path}.lock"):
        known = {key: row["log_probability"] for key, row in read_samples(path).items()}
        # Of like length together, so that little is padding
        waiting = dict(sorted(zip(keys, read, strict=True), key=lambda pair: -sum(map(len, pair[1]))))
        waiting = {key: sequence for key, sequence in waiting.items() if key not in known}
        expert = model() if waiting and not isinstance(model, nn.Module) else model
        with path.open("a", encoding="utf-8") as file:
            for start in tqdm(range(0, len(waiting), batch_size), desc="reference", disable=None):
                batch = list(waiting)[start : start + batch_size]
                values = answer_log_probabilities(expert, *zip(*(waiting[key] for key in batch), strict=True))
                for key, value in zip(batch, values, strict=True):
                    known[key] = value
                    _append(file, {"id": key, "log_probability": value})
    return [known[key] for key in keys]


def language_model_of(judge: Any) -> Any:
    """Copy the language model out of a judge, with its head, as a causal language model of its own.

    Args:
        judge: An ``AudioJudgeForCausalLM``, not quantized.
    """
    causal = AutoModelForCausalLM.from_config(deepcopy(judge.config.text_config))
    causal.get_decoder().load_state_dict(judge.model.language_model.state_dict())
    causal.get_output_embeddings().load_state_dict(judge.lm_head.state_dict())
    return causal


def train_expert(judge: Any, processor: Any, requests: Sequence[Request], args: SFTConfig) -> None:
    """Make an expert where none with the judge's tokenizer exists: its language model learns to put ratings into words.

    Args:
        judge: An ``AudioJudgeForCausalLM``; it stays as it is.
        processor: Its processor.
        requests: As ``make_requests`` makes them; the chosen texts are learned.
        args: How; ``output_dir`` gets the expert.
    """
    tokenizer = deepcopy(processor.tokenizer)
    tokenizer.chat_template = processor.chat_template
    rows = [{"messages": [*request["expert_prompt"], _turn("assistant", request["chosen"])]} for request in requests]
    args.assistant_only_loss, args.max_length = True, None
    model = language_model_of(judge)
    trainer = SFTTrainer(model=model, args=args, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)
    trainer.train()
    trainer.save_model()


# Training


def preference_dataset(
    requests: Sequence[Request], rejected: Sequence[str], references: Sequence[tuple[float, float]]
) -> Dataset:
    """Pack what ``AudioDPOTrainer`` learns from; pairs whose two texts are the same are left out.

    Args:
        requests: As ``make_requests`` makes them.
        rejected: The judge's own sample for each.
        references: The expert's log-probabilities of the chosen and the rejected text of each.

    Raises:
        ValueError: If no pair differs.
    """
    rows = [
        {"example": json.dumps(request | {"rejected": text}), "ref_chosen_logps": good, "ref_rejected_logps": bad}
        for request, text, (good, bad) in zip(requests, rejected, references, strict=True)
        if text != request["chosen"]
    ]
    if not rows:
        raise ValueError(f"all {len(requests)} samples equal their chosen texts; there is nothing to learn")
    return Dataset.from_list(rows)


class PreferenceCollator(JudgeCollator):
    """Makes batches for ``AudioDPOTrainer``: all rows with the chosen text, then all with the rejected one."""

    _already_read: dict[str, Any]

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """Make one batch of rows of ``preference_dataset``.

        Returns:
            The model's inputs and ``completion_mask``, (2 pairs, length); ``ref_chosen_logps, ref_rejected_logps``
            (pairs,).
        """
        self._already_read = {}
        examples = [json.loads(row["example"]) for row in rows]
        sides = [example | _completion(example[side]) for side in ("chosen", "rejected") for example in examples]
        made = super().__call__(sides)
        batch = {name: made[name] for name in MODEL_INPUTS} | {"completion_mask": (made["labels"] != IGNORED).long()}
        return batch | {
            name: torch.tensor([row[name] for row in rows]) for name in ("ref_chosen_logps", "ref_rejected_logps")
        }

    def _read_clips(self, example: Mapping[str, Any]) -> Any:
        """As the base class, but the clips that both texts of a pair are about are read once."""
        key = json.dumps([example["prompt"], example["seed"]])
        if key not in self._already_read:
            self._already_read[key] = super()._read_clips(example)
        return self._already_read[key]


def _completion(text: str) -> dict[str, Any]:
    return {"completion": [_turn("assistant", text)]}


class AudioDPOTrainer(DPOTrainer):
    """TRL's trainer on batches of ``PreferenceCollator``; the reference's log-probabilities come with them."""

    model: Any

    def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        return dataset  # the collator tokenizes, since it must read the clips anyway

    def _precompute_ref_logps(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        return dataset  # the expert's are there already


def distillation_dataset(requests: Sequence[Request]) -> Dataset:
    """Pack what ``AudioDistillTrainer`` learns from.

    Args:
        requests: As ``make_requests`` makes them.
    """
    return Dataset.from_list([{"example": json.dumps(request)} for request in requests])


class DistillationCollator(JudgeCollator):
    """Makes batches for ``AudioDistillTrainer``.

    Args:
        processor: The judge's ``AudioJudgeProcessor``.
        expert: Tokenizer of the expert, which shares the judge's.
        kwargs: Of ``JudgeCollator``.
    """

    def __init__(self, processor: Any, expert: Any, **kwargs: Any) -> None:
        super().__init__(processor, **kwargs)
        self.expert = expert

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """Make one batch of rows of ``distillation_dataset``.

        Returns:
            The judge's inputs and ``labels`` (batch, length); the same answers behind the ratings as
            ``expert_input_ids, expert_attention_mask, expert_labels`` (batch, expert's length).
        """
        requests = [json.loads(row["example"]) for row in rows]
        made = super().__call__([request | _completion(request["chosen"]) for request in requests])
        prompts = [torch.tensor(expert_prompt_ids(self.expert, request)) for request in requests]
        answers = [row[row != IGNORED] for row in made["labels"]]
        ids = [torch.cat(parts) for parts in zip(prompts, answers, strict=True)]
        labels = [
            torch.cat([torch.full_like(prompt, IGNORED), answer])
            for prompt, answer in zip(prompts, answers, strict=True)
        ]
        batch = {name: made[name] for name in (*MODEL_INPUTS, "labels")}
        return batch | {
            "expert_input_ids": pad_sequence(ids, True, 0),
            "expert_attention_mask": pad_sequence([torch.ones_like(row) for row in ids], True, 0),
            "expert_labels": pad_sequence(labels, True, IGNORED),
        }


def answer_divergence(judge: torch.Tensor, expert: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
    """Measure the forward Kullback-Leibler divergence KL(expert || judge) at each token.

    Args:
        judge: Logits (tokens, judge's vocabulary).
        expert: Logits (tokens, expert's vocabulary); ids that only one of them has (padding of the table, the judge's
            audio tokens) are no answer of the expert.
        temperature: Divides both logits; the result is times its square, so that gradients keep their size.

    Returns:
        Nats per token (tokens,), 0 or more.

    Example:
        >>> answer_divergence(torch.tensor([[0.0, 0.0]]), torch.tensor([[9.0, 9.0]])).item()
        0.0
    """
    shared = min(judge.shape[1], expert.shape[1])
    target = (expert[:, :shared].float() / temperature).log_softmax(1)
    # Over the whole vocabulary: what the judge gives to tokens the expert lacks is lost to the others
    own = (judge.float() / temperature).log_softmax(1)[:, :shared]
    return nn.functional.kl_div(own, target, reduction="none", log_target=True).sum(1) * temperature**2


class AudioDistillTrainer(AudioDPOTrainer):
    """Draws the judge that hears a clip to the expert that reads its ratings, at every token of the chosen text.

    The loss is KL(expert || judge), mean over the answer tokens of a batch, plus ``sft_weight`` times their
    cross-entropy. The forward direction on given texts, because the expert cannot go wrong there: it reads the answer.
    Nothing is sampled and nothing is rejected; ``beta`` and the losses of ``DPOConfig`` do not apply.

    Args:
        args: Of ``DPOTrainer``.
        expert: Language model that is never trained; it is held whole on each device.
        temperature: Of both distributions.
        sft_weight: Weight of the cross-entropy.
        kwargs: Of ``DPOTrainer``; ``data_collator`` is a ``DistillationCollator``.
    """

    def __init__(
        self, *args: Any, expert: Any, temperature: float = 1.0, sft_weight: float = 0.0, **kwargs: Any
    ) -> None:
        if not temperature > 0:
            raise ValueError(f"temperature {temperature}; more than 0 is needed")
        super().__init__(*args, **kwargs)
        self.expert = expert.eval().requires_grad_(False).to(self.accelerator.device)
        self.temperature, self.sft_weight = temperature, sft_weight

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """Mean over the answer tokens of this batch; there are no outputs."""
        keep = _predicting(inputs["labels"])
        own = {name: inputs[name] for name in MODEL_INPUTS}
        logits = model(**own, logits_to_keep=keep, use_cache=False).logits.float()
        with torch.no_grad():
            read = {name: inputs[f"expert_{name}"] for name in ("input_ids", "attention_mask")}
            target = self.expert(**read, use_cache=False).logits[_predicting(inputs["expert_labels"])]
        divergence = answer_divergence(logits, target, self.temperature).mean()
        entropy = nn.functional.cross_entropy(logits, inputs["labels"][:, 1:][keep[:, :-1]])
        metrics = self._metrics["train" if self.model.training else "eval"]
        for name, value in (("divergence", divergence), ("token_loss", entropy)):
            metrics[name].append(self.accelerator.gather(value.detach()).mean().item())
        loss = divergence + self.sft_weight * entropy
        return (loss, None) if return_outputs else loss


def _predicting(labels: torch.Tensor) -> torch.Tensor:
    """Which positions (batch, length) predict a token of the answer."""
    predicts = torch.zeros_like(labels, dtype=torch.bool)
    predicts[:, :-1] = labels[:, 1:] != IGNORED
    return predicts
