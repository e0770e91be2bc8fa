"""The one generate loop: what a judge, or any audio language model, writes after a batch of prompts.

Greedy, or drawn with a seed per row; either way the same prompt gets the same words, whatever stands beside it in a batch.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import LogitsProcessor, LogitsProcessorList, TemperatureLogitsWarper, TopPLogitsWarper

from audio_judge.judge.native import EncodedPrompt, Messages, encode_prompt, join_audio, placeholder_id
from audio_judge.text_models.replies import Completion, Sampling


@torch.no_grad()
def generate(
    model: Any,
    processor: Any,
    inputs: Mapping[str, Any],
    sampling: Sampling,
    *,
    stops: int | Sequence[int] | None = None,
    seeds: Sequence[int] = (),
    **options: Any,
) -> list[Completion]:
    """Have a model write; during training it is put into evaluation mode for that, and back.

    Args:
        model: A judge or a native audio language model, wrapped by PEFT or not.
        processor: That of the model.
        inputs: A batch padded on the left, as ``judge_inputs`` and ``left_padded`` make it.
        sampling: Temperature 0 is greedy.
        stops: Ids of the tokens that end an answer; None for the model's own.
        seeds: One per row, to which that of ``sampling`` is added; needed if words are drawn.
        options: Of the model's own ``generate``, such as ``min_new_tokens``.

    Returns:
        One per row, cut off if no stop came.
    """
    ends = model.generation_config.eos_token_id if stops is None else stops
    ends = [ends] if isinstance(ends, int) else list(ends or ())
    was_training = model.training
    model.eval()
    tokens = model.generate(
        **{name: value.to(model.device) for name, value in inputs.items() if torch.is_tensor(value)},
        logits_processor=_drawing(sampling, seeds, model.device),
        max_new_tokens=sampling.max_tokens,
        # Draws are made by the noise; transformers' own would take one generator for all rows
        do_sample=False,
        num_beams=1,
        temperature=None,
        top_p=None,
        top_k=None,
        eos_token_id=ends or None,
        pad_token_id=processor.tokenizer.pad_token_id,
        **options,
    )
    model.train(was_training)
    written = tokens[:, inputs["input_ids"].shape[1] :].cpu()  # (rows, new tokens), padded after the stop
    is_stopped = torch.isin(written, torch.tensor(ends, dtype=torch.long)).any(1).tolist()
    texts = processor.tokenizer.batch_decode(written, skip_special_tokens=True)
    return [Completion(text, not stopped) for text, stopped in zip(texts, is_stopped, strict=True)]


def generate_answers(
    model: Any,
    processor: Any,
    prompts: Sequence[Messages],
    *,
    max_new_tokens: int,
    eos_token_id: int | Sequence[int],
    max_seconds: float | None = None,
    batch_size: int = 8,
) -> list[str]:
    """Answer prompts greedily, clips longer than ``max_seconds`` cut off there.

    Returns:
        One answer per prompt.
    """
    sampling, silent = Sampling(max_tokens=max_new_tokens), [placeholder_id(model)]
    answers: list[str] = []
    for start in range(0, len(prompts), batch_size):
        batch = [encode_prompt(processor, prompt, max_seconds) for prompt in prompts[start : start + batch_size]]
        inputs = left_padded(processor, batch)
        written = generate(model, processor, inputs, sampling, stops=eos_token_id, suppress_tokens=silent)
        answers += [one.text for one in written]
    return answers


def judge_inputs(processor: Any, texts: Sequence[str], clips: Sequence[Any]) -> dict[str, Any]:
    """Make one batch, padded on the left, of what a judge shall continue.

    Args:
        processor: The judge's.
        texts: As its chat template writes them, one placeholder per clip.
        clips: Arrays (samples,) at the judge's rate, of all texts in order.
    """
    text_options = {"padding": True, "padding_side": "left", "return_tensors": "pt", "add_special_tokens": False}
    audio_options = {"sampling_rate": processor.sampling_rate}
    return dict(processor(text=list(texts), audio=list(clips), text_kwargs=text_options, audio_kwargs=audio_options))


def left_padded(
    processor: Any, prompts: Sequence[EncodedPrompt], dtype: torch.dtype | None = None
) -> dict[str, torch.Tensor]:
    """Make one batch, padded on the left, of prompts that are encoded one by one.

    The audio inputs become ``dtype``, for models that do not convert them; None leaves them as they are.

    Returns:
        ``input_ids`` and ``attention_mask`` (batch, length), and the audio inputs (clips of all prompts, ...).
    """
    length, pad = max(len(prompt.ids) for prompt in prompts), processor.tokenizer.pad_token_id
    missing = [length - len(prompt.ids) for prompt in prompts]
    audio = join_audio([prompt.audio for prompt in prompts])
    return {
        "input_ids": torch.tensor([[pad] * n + prompt.ids for n, prompt in zip(missing, prompts, strict=True)]),
        "attention_mask": torch.tensor([[0] * n + [1] * (length - n) for n in missing]),
        **{
            name: value.to(dtype or value.dtype) if value.is_floating_point() else value
            for name, value in audio.items()
        },
    }  # ids and mask (batch, length), audio (clips of all prompts, ...)


def stop_tokens(processor: Any) -> tuple[list[int], list[int]]:
    """List the tokens that end free words: those that hold a ``<``, and those that hold a line break.

    Returns:
        Ids of the first kind, with every control token and the end of the turn, and ids of the second kind.
    """
    tokenizer = processor.tokenizer
    texts = tokenizer.batch_decode([[index] for index in range(len(tokenizer))])
    tags = {index for index, text in enumerate(texts) if "<" in text} | set(tokenizer.all_special_ids)
    # Not every tokenizer calls it special, and not every template has one
    tags |= set(tokenizer(processor.end_of_turn, add_special_tokens=False)["input_ids"][:1])
    return sorted(tags), [index for index, text in enumerate(texts) if "\n" in text]


class SeededNoise(LogitsProcessor):
    """Adds Gumbel noise from one generator per row, so that the best token is a draw that no other row can change."""

    def __init__(self, seeds: Sequence[int], device: torch.device) -> None:
        self.generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """Scores (rows, vocabulary) with noise."""
        # (vocabulary,) each; less the logarithm of an exponential draw is plus a Gumbel draw
        draws = [torch.empty_like(scores[0]).exponential_(generator=generator) for generator in self.generators]
        return scores - torch.stack(draws).log()  # type: ignore[return-value]


def _drawing(sampling: Sampling, seeds: Sequence[int], device: torch.device) -> LogitsProcessorList:
    if sampling.temperature == 0:
        return LogitsProcessorList()
    noise = SeededNoise([(seed + sampling.seed) % 2**63 for seed in seeds], device)
    shape = [TemperatureLogitsWarper(float(sampling.temperature)), TopPLogitsWarper(float(sampling.top_p))]
    # The noise comes last: it draws from what temperature and top-p have left
    return LogitsProcessorList([*shape, noise])
