"""The text-only expert of ALLD: the reference policy that sees the ratings instead of the audio."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from filelock import FileLock
from peft import LoraConfig
from torch import nn
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
)
from trl import SFTConfig, SFTTrainer
from trl.trainer.utils import selective_log_softmax

from audio_judge.batch.lines import Appender, rows_by_id
from audio_judge.judge.native import end_of_turn
from audio_judge.training.alld.requests import AlldRequest, digest_of
from audio_judge.training.alld.samples import Collator


def model_identity(name: str, revision: str | None = None, gguf_file: str | None = None) -> str:
    """Tell one version of a model from another: the commit of a Hub repo, or a digest of the weights in a folder.

    Args:
        name: Repo or folder.
        revision: Branch, tag or commit of a repo.
        gguf_file: Name of the file whose weights are read, if not the safetensors.

    Raises:
        FileNotFoundError: If a folder holds no weights.
    """
    if not Path(name).is_dir():
        config = AutoConfig.from_pretrained(name, revision=revision, gguf_file=gguf_file)
        return f"{name}@{vars(config).get('_commit_hash') or revision}{f' {gguf_file}' if gguf_file else ''}"
    weights = gguf_file or "*.safetensors"
    files = sorted(Path(name).glob(weights))
    if not files:
        raise FileNotFoundError(f"{name}: no weights ({weights}) in this folder")
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()[:24]


def check_shared_tokenizer(processor: Any, expert: Any, texts: Iterable[str] = ()) -> None:
    """Make sure that judge and expert cut texts into the same tokens and end an answer with the same one.

    Args:
        processor: That of the judge, or of the native audio language model; its own special tokens need not be the
            expert's.
        expert: Its tokenizer.
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
    moved = [token for token in sorted(ordinary) if other.get(token) != own[token]]  # sorted: always the same example
    if moved:
        raise ValueError(
            f"{expert.name_or_path}: {len(moved)} of the judge's {len(ordinary)} tokens have another id for the "
            f"expert, such as {moved[0]!r}: {own[moved[0]]} and {other.get(moved[0])}; {fix}"
        )
    end = end_of_turn(processor)
    shown = expert.apply_chat_template([turn("user", "?"), turn("assistant", "yes")], tokenize=False)
    if f"yes{end}" not in shown:
        raise ValueError(
            f"{expert.name_or_path}: the expert does not end an answer with {end!r} as the judge does; {fix}"
        )
    for text in [end, *texts]:
        ids = [one(text, add_special_tokens=False)["input_ids"] for one in (judge, expert)]
        if ids[0] != ids[1]:
            raise ValueError(f"{expert.name_or_path}: the expert cuts {text!r} into other tokens than the judge; {fix}")


def turn(role: str, text: str) -> dict[str, str]:
    """A chat message of text alone."""
    return {"role": role, "content": text}


def expert_prompt_ids(expert: Any, request: Mapping[str, Any]) -> list[int]:
    """Write what the expert, by its tokenizer, reads in place of the audio, up to where its answer begins."""
    return expert.apply_chat_template(request["expert_prompt"], add_generation_prompt=True, return_dict=True)[
        "input_ids"
    ]


@torch.no_grad()
def answer_log_probabilities(
    model: Any, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]
) -> list[float]:
    """Sum the log-probabilities that a language model gives to the tokens of each answer after its prompt, in one batch."""
    rows = [torch.tensor([*prompt, *answer]) for prompt, answer in zip(prompts, answers, strict=True)]
    ids = pad_sequence(rows, True, 0).to(model.device)  # (answers, length)
    mask = pad_sequence([torch.ones_like(row) for row in rows], True, 0).to(model.device)  # (answers, length)
    first = min(len(prompt) for prompt in prompts)  # no answer begins before this column
    logits = model(input_ids=ids, attention_mask=mask, logits_to_keep=ids.shape[1] - first + 1, use_cache=False).logits
    tokens = selective_log_softmax(logits[:, :-1].float(), ids[:, first:])  # (answers, length - first)
    spans = [(len(prompt) - first, len(row) - first) for prompt, row in zip(prompts, rows, strict=True)]
    return [tokens[row, start:end].sum().item() for row, (start, end) in enumerate(spans)]


def reference_log_probabilities(
    model: Any,
    tokenizer: Any,
    collator: Collator,
    answered: Sequence[tuple[AlldRequest, str]],
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
    path = cache / f"{digest_of(identity)}.jsonl"
    read = [
        (expert_prompt_ids(tokenizer, request), collator.answer_tokens(request["prompt"], text))
        for request, text in answered
    ]
    keys = [digest_of(sequence) for sequence in read]
    with FileLock(f"{path}.lock"):  # of several processes one computes, the others find the values there
        known = {key: row["log_probability"] for key, row in rows_by_id(path).items()}
        # Of like length together, so that little is padding
        waiting = dict(sorted(zip(keys, read, strict=True), key=lambda pair: -sum(map(len, pair[1]))))
        waiting = {key: sequence for key, sequence in waiting.items() if key not in known}
        expert = model() if waiting and not isinstance(model, nn.Module) else model
        with Appender(path) as rows:
            for start in tqdm(range(0, len(waiting), batch_size), desc="reference", disable=None):
                batch = list(waiting)[start : start + batch_size]
                values = answer_log_probabilities(expert, *zip(*(waiting[key] for key in batch), strict=True))
                for key, value in zip(batch, values, strict=True):
                    known[key] = value
                    rows.write({"id": key, "log_probability": value})
    return [known[key] for key in keys]


def language_model_of(judge: Any) -> Any:
    """Copy the language model out of a judge that is not quantized, with its head, as a causal language model of its own."""
    causal = AutoModelForCausalLM.from_config(deepcopy(judge.config.text_config))
    causal.get_decoder().load_state_dict(judge.model.language_model.state_dict())
    causal.get_output_embeddings().load_state_dict(judge.lm_head.state_dict())
    return causal


def train_expert(
    judge: Any, processor: Any, requests: Sequence[AlldRequest], args: SFTConfig, lora: LoraConfig | None = None
) -> None:
    """Make an expert where none with the judge's tokenizer exists: its language model learns to put ratings into words.

    The chosen texts of the requests are learned; the judge stays as it is, and ``output_dir`` of ``args`` gets the expert.

    Args:
        lora: What is trained instead of all weights, and merged into them at the end.
    """
    tokenizer = deepcopy(processor.tokenizer)
    tokenizer.chat_template = processor.chat_template
    rows = [{"messages": [*request["expert_prompt"], turn("assistant", request["chosen"])]} for request in requests]
    args.assistant_only_loss, args.max_length = True, None
    data = Dataset.from_list(rows)
    model = language_model_of(judge)
    trainer = SFTTrainer(model=model, args=args, train_dataset=data, processing_class=tokenizer, peft_config=lora)
    trainer.train()
    trained: Any = trainer.model
    if lora is not None:
        trained = trained.merge_and_unload()
    trained.save_pretrained(args.output_dir)
    tokenizer.save_pretrained(args.output_dir)
