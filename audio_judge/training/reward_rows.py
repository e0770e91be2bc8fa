"""Rows of reinforcement learning: a prompt and the facts that its answer is held against."""

import json
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from audio_judge.data.examples import facts_of, with_facts
from audio_judge.messages import audio_blocks
from audio_judge.tasks import TASKS, states
from audio_judge.tasks.wording import in_words

logger = logging.getLogger(__name__)

RewardRow = dict[str, Any]


def make_rows(examples: Iterable[Mapping[str, Any]]) -> list[RewardRow]:
    """Make rows to learn from rewards; examples that no reward can read are left out, and logged with their number.

    Returns:
        Rows with the keys ``prompt, task, language, rubrics, scores, causes, label, verdicts, spans, clip, pair,
        is_swapped, form, thinks, reference, truth``.

    Raises:
        ValueError: If no example is left.
    """
    rows, left_out = [], Counter[str]()
    for example in examples:
        try:
            rows.append(make_row(example))
        except ValueError as error:  # a ParseError is one, too
            left_out[str(error).partition(";")[0][:80]] += 1  # what follows differs with the example
    for reason, number in left_out.most_common(5):
        logger.warning("%d examples left out: %s", number, reason)
    if not rows:
        raise ValueError(f"none of {left_out.total()} examples can be learned from rewards: {dict(left_out)}")
    return rows


def make_row(example: Mapping[str, Any]) -> RewardRow:
    r"""Make a row from an example that is answered in text.

    Raises:
        ValueError: If it is a typed question or asks on a scale of its own, or is of an earlier version and cannot be read.

    Example:
        >>> blocks = [{"type": "audio", "path": "a.wav"}, {"type": "text", "text": "Is it fake?"}]
        >>> prompt = [{"role": "user", "content": blocks}]
        >>> answer = [{"role": "assistant", "content": "<think>\n</think>\n\n<answer>\nfake\n</answer>"}]
        >>> make_row({"task": "detect", "prompt": prompt, "completion": answer})["label"]
        'fake'
    """
    task = example["task"]
    if task not in TASKS or "prompt" not in example:
        raise ValueError(f"{task} is not answered in text")
    if example.get("provenance"):
        raise ValueError(f"{task} on an augmented scale, which no reward knows")
    example = with_facts(example)
    text, facts = example["completion"][0]["content"], facts_of(example)
    scores = {name: facts.values[name] for name in example["rubrics"]}
    clips = [_name(block) for block in audio_blocks(example)]
    return {
        "prompt": [dict(message) for message in example["prompt"]],
        "task": task,
        "language": example.get("language", "en"),
        "rubrics": list(scores),
        "scores": scores,
        "causes": None if facts.causes is None else list(facts.causes),
        "label": facts.label,
        "verdicts": facts.verdicts,
        "spans": facts.spans,
        "clip": " | ".join(clips),
        "pair": " | ".join(sorted(clips)) if states(task, "verdicts") else "",
        "is_swapped": clips != sorted(clips),
        "form": example.get("form", ""),
        "thinks": example.get("thinks", True),
        "reference": text,
        "truth": f"{in_words(replace(facts, scores=scores))}\nreference answer: {text}",  # for the evaluator
    }


def _name(block: Mapping[str, Any]) -> str:
    """Path of a clip, with its times where only a part is heard."""
    times = [f"{block[key]:g}" for key in ("start_time", "end_time") if block.get(key) is not None]
    return " ".join([block["path"], *times])


def to_dataset(rows: Sequence[RewardRow]) -> Any:
    """Pack rows as a ``datasets.Dataset`` that gives them back as they were.

    Arrow would join the keys of all rows and fill what is missing with None, so it holds each row as JSON.
    """
    from datasets import Dataset

    return Dataset.from_dict({"row": [json.dumps(row, ensure_ascii=False) for row in rows]}).with_transform(_unpack)


def _unpack(batch: dict[str, list[str]]) -> dict[str, list[Any]]:
    rows = [json.loads(text) for text in batch["row"]]
    return {name: [row[name] for row in rows] for name in rows[0]}
