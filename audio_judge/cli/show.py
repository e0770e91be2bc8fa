"""``audio-judge data show``: examples as the model will see them."""

import argparse
import json
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio_judge.batch.run import say
from audio_judge.cli.options import positive_int
from audio_judge.errors import UsageError
from audio_judge.judge.shipped import DEFAULT_JUDGE, SHIPPED_JUDGES, place_of

if TYPE_CHECKING:
    from audio_judge.data.examples import Example


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``data show``."""
    parser.add_argument("path", metavar="FILE", help=".parquet or .jsonl of examples")
    parser.add_argument("--number", type=positive_int, default=3, metavar="N", help="how many (default: 3)")
    parser.add_argument("--judge", metavar="NAME", help="whose templates (default: the first judge that ships)")


def show(options: argparse.Namespace) -> int:
    """Print examples with the clips they are about and the answers to learn."""
    from audio_judge.data.files import read_examples
    from audio_judge.messages import audio_blocks

    render = _renderer(options.judge)
    shown = 0
    for shown, example in enumerate(islice(read_examples(Path(options.path)), options.number), start=1):
        needed = ("task", "state", "targets") if "questions" in example else ("task", "prompt", "completion")
        missing = [name for name in needed if name not in example]
        if missing:
            raise UsageError(f"{options.path}: example {shown} has no {missing[0]}; give what `audio-judge data` wrote")
        paths = ", ".join(f"{block['role']}: {block['path']}" for block in audio_blocks(example))
        corpus = example.get("corpus", "")
        print(f"=== {shown}  {example['task']}  {corpus}\n{paths}\n---\n{render(example)}\n---\n{_answer(example)}\n")
    if not shown:
        raise UsageError(f"{options.path} has no examples")
    return 0


def _renderer(judge: str | None) -> Callable[["Example"], str]:
    """The templates of a judge, or plain text if none is named and none is shipped."""
    if judge is None and not SHIPPED_JUDGES[DEFAULT_JUDGE].is_there:
        say("no judge is shipped with this copy; shown without its template")
        return _plain
    from transformers import AutoProcessor

    from audio_judge.judge.native import is_native
    from audio_judge.training.collate import JudgeCollator

    try:
        place = place_of(judge)
        processor = AutoProcessor.from_pretrained(place)
        if is_native(place):
            return _native_renderer(processor)
        collator = JudgeCollator(processor)
    except (OSError, ValueError, AttributeError) as error:
        raise UsageError(f"--judge {judge or DEFAULT_JUDGE} cannot be loaded: {error}") from error

    def render(example: "Example") -> str:
        if "questions" in example:
            return str(processor.tokenizer.decode(collator._prompt(example).ids))
        messages, template = [*example["prompt"], *example["completion"]], processor.chat_template
        return str(processor.tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False))

    return render


def _native_renderer(processor: Any) -> Callable[["Example"], str]:
    """The template of a native audio language model, which learns no typed questions; of Mistral's there is none."""
    from audio_judge.judge.native import template_options, without_payload, written_answer

    def render(example: "Example") -> str:
        if "questions" in example or processor.chat_template is None:
            return _plain(example)
        shown, options = [without_payload(one) for one in example["prompt"]], template_options(processor)
        before = processor.apply_chat_template(shown, add_generation_prompt=True, tokenize=False, **options)
        return before + written_answer(processor, example["prompt"], example["completion"])

    return render


def _plain(example: "Example") -> str:
    if "questions" in example:
        asked = [
            f"{name}: {json.dumps(question, ensure_ascii=False)}" for name, question in example["questions"].items()
        ]
        return "\n".join([_plain_blocks(example["state"]), *asked])
    return _plain_blocks(example["prompt"][0]["content"])


def _plain_blocks(blocks: Iterable[Mapping[str, Any]]) -> str:
    return "".join("<audio>" if block["type"] == "audio" else block["text"] for block in blocks)


def _answer(example: "Example") -> str:
    facts = {name: example[name] for name in ("provenance", "listener", "form") if name in example}
    if "questions" in example:
        return json.dumps({"targets": example["targets"], **facts}, ensure_ascii=False)
    answer = example["completion"][0]["content"]
    return f"{answer}\n{json.dumps(facts, ensure_ascii=False)}" if facts else answer
