"""A language model with only that part of its vocabulary that is in use: most of a small model may be vectors of tokens nobody needs.

    python train_backbones.py vocabulary LANGUAGE_MODEL --output runs/language_model

What a text's tokens were, they are afterwards, in the same order of ids, if all of them are kept; any other text is written in
shorter ones, in the end in bytes. For byte-pair encodings (Llama, Qwen, Gemma, GPT-2 …) and unigram models (T5's kin).
"""

import json
import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from audio_judge.errors import UsageError

_BYTE = re.compile("<0x[0-9A-F]{2}>")


def cut_language_model(
    source: str, output: str | Path, texts: Iterable[str], *, first: int = 0, gguf_file: str | None = None
) -> tuple[int, int]:
    """Write a language model and its tokenizer, in the precision of their files, with the tokens of some texts.

    Args:
        source: Folder or Hub id.
        output: Folder.
        texts: Whatever the model shall read and write as it would have.
        first: Keep so many tokens of the lowest ids, too, which are the most frequent ones in most vocabularies.
        gguf_file: Name of a GGUF file in ``source``.

    Returns:
        Number of tokens before and after.

    Raises:
        UsageError: If the model or its tokenizer is of a kind that cannot be cut.
    """
    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=gguf_file)
    unpacked: dict[str, Any] = {} if gguf_file is None else {"quantization_config": GgufConfig(dequantize=True)}
    model: Any = AutoModelForCausalLM.from_pretrained(source, dtype="auto", gguf_file=gguf_file, **unpacked)
    config = model.config.get_text_config()
    if getattr(config, "hidden_size_per_layer_input", 0):
        raise UsageError(f"{source}: a {config.model_type} has a second table of embeddings, which is not cut")
    read = {text: tokenizer(text, add_special_tokens=False).input_ids for text in texts}
    ids = kept_ids(tokenizer, {*range(min(first, len(tokenizer))), *(one for found in read.values() for one in found)})
    tokenizer.save_pretrained(output)
    cut = cut_tokenizer(Path(output), ids)
    new = {old: place for place, old in enumerate(ids)}
    for text, found in read.items():
        if cut(text, add_special_tokens=False).input_ids != [new[one] for one in found]:
            raise UsageError(f"{source}: its tokenizer cannot be cut; it would read {text[:80]!r} in another way")
    before = len(model.get_input_embeddings().weight)
    cut_embeddings(model, ids)
    model.save_pretrained(output)
    return before, len(ids)


def kept_ids(tokenizer: Any, used: Iterable[int]) -> list[int]:
    """Add to some tokens those that they are made of, all bytes, and all added and special tokens.

    Args:
        tokenizer: Of transformers, with a ``backend_tokenizer``.
        used: Ids of tokens.

    Returns:
        Ids in their order.

    Raises:
        UsageError: If the tokenizer is neither a byte-pair encoding nor a unigram model.
    """
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    known = _vocabulary(model)
    names = {number: token for token, number in known.items()}
    # A single character is a byte, or stands for itself where there are none to fall back to
    bytes_alone = bool(model.get("byte_fallback"))
    kept = {i for token, i in known.items() if _BYTE.fullmatch(token) or (len(token) == 1 and not bytes_alone)}
    kept |= {*tokenizer.added_tokens_decoder, *tokenizer.all_special_ids, *used}
    if model.get("unk_token") is not None:
        kept.add(known[model["unk_token"]])
    if model.get("unk_id") is not None:
        kept.add(model["unk_id"])
    if model["type"] == "BPE":
        ranks = {pair: rank for rank, pair in enumerate(_merges(model))}
        kept |= {known[part] for one in list(kept) if one in names for part in merged_from(names[one], ranks, known)}
    return sorted(kept)


def _vocabulary(model: Mapping[str, Any]) -> dict[str, int]:
    """Token to id of the model in a ``tokenizer.json``."""
    if model["type"] == "BPE" and not (model.get("continuing_subword_prefix") or model.get("end_of_word_suffix")):
        return dict(model["vocab"])
    if model["type"] == "Unigram":
        return {token: number for number, (token, _) in enumerate(model["vocab"])}
    raise UsageError(
        f"a tokenizer of the type {model['type']} cannot be cut; a byte-pair encoding or unigram model can"
    )


def _merges(model: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(left, right) for left, right in (m.split(" ") if isinstance(m, str) else m for m in model["merges"])]


def merged_from(token: str, ranks: Mapping[tuple[str, str], int], known: Mapping[str, int]) -> set[str]:
    """List what byte-pair encoding merges on the way to a token, its characters and itself included.

    The pairs that make a token of a text are those that make it of its characters alone, so with these tokens and the merges
    among them a text is read as before.

    Args:
        token: As the vocabulary has it.
        ranks: Left and right part of each merge to its place in their order.
        known: Token to id.

    Returns:
        Nothing but itself if it is not made by merges, as an added token is.

    Example:
        >>> sorted(merged_from("abc", {("a", "b"): 0, ("ab", "c"): 1}, {"a": 0, "b": 1, "c": 2, "ab": 3, "abc": 4}))
        ['a', 'ab', 'abc', 'b', 'c']
    """
    parts, found = list(token), set(token)
    while len(parts) > 1:
        pairs = list(pairwise(parts))
        place = min(range(len(pairs)), key=lambda i: ranks.get(pairs[i], len(ranks)))
        if pairs[place] not in ranks:
            break
        parts[place : place + 2] = ["".join(pairs[place])]
        found.add(parts[place])
    return found if len(parts) == 1 and found <= known.keys() else {token}


def cut_tokenizer(folder: Path, ids: list[int]) -> Any:
    """Cut the tokenizer in a folder down to some tokens, which get new ids in the same order, and load it."""
    file, new = folder / "tokenizer.json", {old: place for place, old in enumerate(ids)}
    whole = json.loads(file.read_text(encoding="utf-8"))
    model = whole["model"]
    if model["type"] == "BPE":
        model["vocab"] = {token: new[i] for token, i in model["vocab"].items() if i in new}
        made = model["vocab"].keys()
        model["merges"] = [[a, b] for a, b in _merges(model) if a in made and b in made and a + b in made]
    else:
        model["vocab"] = [one for number, one in enumerate(model["vocab"]) if number in new]
        model["unk_id"] = new.get(model["unk_id"])
    for token in whole["added_tokens"]:
        token["id"] = new[token["id"]]
    if whole.get("padding"):
        whole["padding"]["pad_id"] = new[whole["padding"]["pad_id"]]
    whole["post_processor"] = _renumbered(whole["post_processor"], new)
    file.write_text(json.dumps(whole, ensure_ascii=False), encoding="utf-8")
    settings = folder / "tokenizer_config.json"
    content = json.loads(settings.read_text(encoding="utf-8"))
    content.pop("added_tokens_decoder", None)  # by their old ids; the file above has them
    settings.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return AutoTokenizer.from_pretrained(folder)


def _renumbered(part: Any, new: Mapping[int, int]) -> Any:
    """A post-processor of a ``tokenizer.json`` with new ids: lists under ``ids``, and pairs of a token and its id."""
    if isinstance(part, dict):
        return {
            key: [new[one] for one in value] if key == "ids" else _renumbered(value, new) for key, value in part.items()
        }
    if isinstance(part, list):
        if len(part) == 2 and isinstance(part[0], str) and type(part[1]) is int:
            return [part[0], new[part[1]]]
        return [_renumbered(one, new) for one in part]
    return part


@torch.no_grad()
def cut_embeddings(model: Any, ids: list[int]) -> None:
    """Cut the embeddings and the head of a language model, tied or not, down to some tokens, in their order.

    Args:
        model: A causal language model; ids of tokens in its configurations become the new ones.
        ids: Of the tokens that are kept, ascending.
    """
    new = {old: place for place, old in enumerate(ids)}
    index = torch.tensor(ids)
    embeddings, head = model.get_input_embeddings(), model.get_output_embeddings()
    weights = {id(one): one for one in (embeddings.weight, head.weight, head.bias) if one is not None}
    for weight in weights.values():  # once where head and embeddings are one
        weight[: len(ids)] = weight[index.to(weight.device)].clone()
    model.resize_token_embeddings(len(ids), mean_resizing=False)
    if embeddings.padding_idx is not None:
        embeddings.padding_idx = new.get(embeddings.padding_idx)
    for config in {
        id(one): one for one in (model.config, model.config.get_text_config(), model.generation_config)
    }.values():
        for name, value in vars(config).items():
            if name.endswith("_token_id") and value is not None:
                several = [new[one] for one in (value if isinstance(value, list) else [value]) if one in new]
                setattr(config, name, (several or None) if isinstance(value, list) else next(iter(several), None))
