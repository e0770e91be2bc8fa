"""The judge's own answers, drawn for ALLD as the rejected texts."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock
from tqdm import tqdm

from audio_judge.batch.lines import Appender, rows_by_id
from audio_judge.judge.generation import generate
from audio_judge.judge.native import end_of_turn, placeholder_id
from audio_judge.messages import audio_blocks
from audio_judge.text_models.replies import GREEDY, Sampling
from audio_judge.training.alld.requests import AlldRequest, digest_of
from audio_judge.training.collate import JudgeCollator, NativeCollator

Collator = JudgeCollator | NativeCollator


def write_answers(
    model: Any, collator: Collator, requests: Sequence[AlldRequest], sampling: Sampling = GREEDY
) -> list[tuple[str, bool]]:
    """Have a judge, or a native model, answer one batch of requests; the collator reads the clips as it does in training.

    The ``seed`` of a request and that of ``sampling`` seed each row on its own. No placeholder of audio is drawn.

    Returns:
        Text, and whether it was ended by the model rather than by ``sampling.max_tokens``.
    """
    processor = collator.processor
    ends = processor.tokenizer(end_of_turn(processor), add_special_tokens=False)["input_ids"]
    inputs, seeds = collator.prompts(requests), [request["seed"] for request in requests]
    if isinstance(collator, NativeCollator):  # not every native model brings its audio to its own precision
        inputs = {name: value.to(model.dtype) if value.is_floating_point() else value for name, value in inputs.items()}
    silent = [placeholder_id(model)]
    answers = generate(model, processor, inputs, sampling, stops=ends[:1], seeds=seeds, suppress_tokens=silent)
    return [(answer.text.strip(), not answer.cut_off) for answer in answers]


def sample_rejected(
    model: Any,
    collator: Collator,
    requests: Sequence[AlldRequest],
    out: Path,
    *,
    sampling: Sampling,
    identity: str,
    batch_size: int = 8,
) -> int:
    """Write the judge's own answers, one JSON line per request, going on where a killed run stopped.

    Args:
        model: A judge or a native audio language model, in evaluation mode.
        collator: Of that model; reads the clips.
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
    with FileLock(f"{out}.lock", timeout=0):  # at once: two runs would draw the same samples
        done = set(rows_by_id(out))
        waiting = {sample_id(request, sampling, identity): request for request in requests}
        waiting = {key: request for key, request in waiting.items() if key not in done}
        keys = list(waiting)
        with Appender(out) as rows:
            for start in tqdm(range(0, len(keys), batch_size), desc="sampling", disable=None):
                batch = keys[start : start + batch_size]
                answers = write_answers(model, collator, [waiting[key] for key in batch], sampling)
                for key, (text, complete) in zip(batch, answers, strict=True):
                    rows.write(_sample_row(key, waiting[key], text, complete))
    return len(keys)


def _sample_row(key: str, request: AlldRequest, text: str, complete: bool) -> dict[str, Any]:
    audio = [block["path"] for block in audio_blocks(request)]
    row = {"id": key, "task": request["task"], "audio": audio, "chosen": request["chosen"]}
    return row | {"rejected": text, "complete": complete}


def sample_id(request: AlldRequest, sampling: Sampling, identity: str) -> str:
    """Name the sample of a request: what was asked, how it was drawn, and by whom, as ``model_identity`` names the judge."""
    return digest_of([request, asdict(sampling), identity])
