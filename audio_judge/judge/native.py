"""Any audio language model as a judge: our own, and those of transformers.

Qwen2.5-Omni's thinker, Qwen2-Audio, Audio Flamingo 3 and Voxtral take a conversation with audio through the chat
template of their processor, as ours does. ``encode_prompt`` is what generation and reinforcement learning feed a model
with, ``NativeCollator`` makes batches for TRL's ``SFTTrainer``. Left out: typed decisions, which need the marks of our
own judge.
"""

import base64
import io
import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from audio_judge.messages import audio_blocks, read_clips

logger = logging.getLogger(__name__)

Messages = Sequence[Mapping[str, Any]]
# Per token and not per clip, or of no use to the model
_NOT_AUDIO = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids", "assistant_masks")


class EncodedPrompt(NamedTuple):
    """A conversation that waits for its answer.

    Args:
        ids: Token ids, audio placeholders expanded.
        audio: The model's audio inputs, each (clips or windows of the prompt, ...).
    """

    ids: list[int]
    audio: dict[str, torch.Tensor]


def load_audio_model(name: str, **options: Any) -> tuple[Any, Any]:
    """Load a judge or a native audio language model, and its processor.

    Args:
        name: Folder or Hub id. Of Qwen2.5-Omni only the thinker is loaded, which is the part that listens and writes.
        options: Of ``from_pretrained``, such as ``dtype``, ``quantization_config`` and ``revision``.

    Returns:
        Model and processor.

    Raises:
        ValueError: If the model does not listen.
    """
    from transformers import AutoConfig, AutoProcessor

    hub = {option: options[option] for option in ("revision", "trust_remote_code") if option in options}
    model_type = AutoConfig.from_pretrained(name, **hub).model_type
    model = _model_class(model_type, name).from_pretrained(name, **options)
    if model_type == "audio_judge":
        from audio_judge import AudioJudgeProcessor

        return model, AudioJudgeProcessor.from_pretrained(name, **hub)
    return model, AutoProcessor.from_pretrained(name, **hub)


def _model_class(model_type: str, name: str) -> Any:
    import transformers

    from audio_judge import AudioJudgeForCausalLM

    known: dict[str, Any] = {
        "audio_judge": AudioJudgeForCausalLM,
        "qwen2_5_omni": transformers.Qwen2_5OmniThinkerForConditionalGeneration,
        "qwen2_5_omni_thinker": transformers.Qwen2_5OmniThinkerForConditionalGeneration,
        "qwen2_audio": transformers.Qwen2AudioForConditionalGeneration,
        "audioflamingo3": transformers.AudioFlamingo3ForConditionalGeneration,
        "voxtral": transformers.VoxtralForConditionalGeneration,
    }
    if model_type not in known:
        raise ValueError(f"{name}: a model of type {model_type!r}; one of {', '.join(known)} is needed")
    return known[model_type]


def encode_prompt(processor: Any, prompt: Messages, max_seconds: float | None = None) -> EncodedPrompt:
    """Read the clips of a prompt and make the inputs of a model from it.

    Args:
        processor: Of a judge or of a native audio language model.
        prompt: Messages; the audio blocks have a ``path``, may have ``start_time`` and ``end_time`` in seconds, and
            have a ``role`` where a reference is to be aligned.
        max_seconds: Longer clips are cut off there; None for no limit.

    Returns:
        Ids, and the audio inputs on the CPU.

    Raises:
        AudioError: If a clip cannot be read.
    """
    rate = processor.feature_extractor.sampling_rate
    clips = [clip.samples for clip in read_clips(audio_blocks({"prompt": prompt}), rate, max_seconds)]
    encoded = processor.apply_chat_template(
        [_with_clips(prompt, clips, processor)],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    audio = {name: torch.as_tensor(value) for name, value in encoded.items() if name not in _NOT_AUDIO}
    return EncodedPrompt(torch.as_tensor(encoded["input_ids"])[0].tolist(), audio)


def join_audio(prompts: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Join the audio inputs of several prompts, padded with zeros at their ends.

    Args:
        prompts: Audio inputs as in ``EncodedPrompt``, each (clips of the prompt, ...).

    Returns:
        Name to tensor (clips of all prompts in order, ...); nothing if no prompt has a clip.

    Example:
        >>> join_audio([{"x": torch.ones(1, 2)}, {"x": torch.ones(2, 3)}])["x"].shape
        torch.Size([3, 3])
    """
    names = list(dict.fromkeys(name for audio in prompts for name in audio))
    return {name: _stacked([audio[name] for audio in prompts if name in audio]) for name in names}


def _stacked(tensors: list[torch.Tensor]) -> torch.Tensor:
    shape = [max(sizes) for sizes in zip(*(tensor.shape[1:] for tensor in tensors), strict=True)]
    padded = []
    for tensor in tensors:
        missing = [(0, wanted - size) for wanted, size in zip(shape, tensor.shape[1:], strict=True)]
        padded.append(torch.nn.functional.pad(tensor, [amount for pair in reversed(missing) for amount in pair]))
    return torch.cat(padded)


def placeholder_id(model: Any) -> int:
    """Look up the token that stands for audio in a prompt, which an answer must not hold.

    Args:
        model: A judge or a native audio language model, wrapped by PEFT or not.
    """
    return int(model.config.audio_token_id)


def without_payload(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message with blocks only, audio as a bare placeholder."""
    content = message["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return {
        "role": message["role"],
        "content": [{"type": "audio"} if b["type"] == "audio" else {"type": "text", "text": b["text"]} for b in blocks],
    }


def _with_clips(prompt: Messages, clips: list[np.ndarray], processor: Any) -> list[dict[str, Any]]:
    """The messages with their clips in them, in the form that the processor takes."""
    remaining = iter(clips)
    is_mistral = type(processor).__name__ == "VoxtralProcessor"
    rate = processor.feature_extractor.sampling_rate
    messages = []
    for message in map(without_payload, prompt):
        blocks = []
        for block in message["content"]:
            if block["type"] == "audio":
                clip = next(remaining)
                block = {"type": "audio", "base64": _wav(clip, rate)} if is_mistral else block | {"audio": clip}
            blocks.append(block)
        messages.append(message | {"content": blocks})
    return messages


def _wav(samples: np.ndarray, sampling_rate: int) -> str:
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, samples, sampling_rate, format="WAV", subtype="FLOAT")
    return base64.b64encode(file.getvalue()).decode()
