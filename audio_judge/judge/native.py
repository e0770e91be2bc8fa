"""Any audio language model as a judge: our own, and those of transformers.

What ``AutoModelForMultimodalLM`` and ``AutoProcessor`` load is taken (Qwen-Omni's thinkers, Qwen2-Audio, Audio Flamingo 3,
Voxtral, Granite Speech, Gemma 3n, Phi-4 …), if it hears and can be asked in words. ``encode_prompt`` is what generation
and reinforcement learning feed a model with, ``NativeCollator`` makes batches for TRL's ``SFTTrainer``. Left out: typed
decisions, which need the marks of our own judge.
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
# Where the class of ``AutoModelForMultimodalLM`` is not the one that is asked about sound, or there is none
_CLASSES = {
    "qwen2_5_omni": "Qwen2_5OmniThinkerForConditionalGeneration",
    "qwen3_omni_moe": "Qwen3OmniMoeThinkerForConditionalGeneration",
    "audioflamingo3": "AudioFlamingo3ForConditionalGeneration",
    "musicflamingo": "MusicFlamingoForConditionalGeneration",
}
# Put before a chat template that takes text only, such as Granite Speech's: placeholders go into the text
_BLOCKS_TO_TEXT = """
{%- set flat = namespace(messages=[]) -%}
{%- for message in messages -%}
    {%- set words = namespace(text='') -%}
    {%- for block in message['content'] -%}
        {%- set words.text = words.text ~ ('PLACEHOLDER' if block['type'] == 'audio' else block['text']) -%}
    {%- endfor -%}
    {%- set flat.messages = flat.messages + [{'role': message['role'], 'content': words.text}] -%}
{%- endfor -%}
{%- set messages = flat.messages -%}
"""
# Per token and not per clip, or of no use to the model
_NOT_AUDIO = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids", "assistant_masks")


class EncodedPrompt(NamedTuple):
    """A conversation that waits for its answer.

    Args:
        ids: Audio placeholders expanded.
        audio: The model's audio inputs, each (clips or windows of the prompt, ...).
    """

    ids: list[int]
    audio: dict[str, torch.Tensor]


def load_audio_model(name: str, **options: Any) -> tuple[Any, Any]:
    """Load a judge or a native audio language model, and its processor.

    Args:
        name: Folder or Hub id. Of Qwen-Omni only the thinker is loaded, which is the part that listens and writes.
        options: Of ``from_pretrained``, such as ``dtype``, ``quantization_config`` and ``revision``.

    Raises:
        ValueError: If the model does not listen, or cannot be asked in words.
    """
    from transformers import AutoConfig, AutoProcessor, PreTrainedConfig

    from audio_judge.modeling_audio_judge import AudioJudgeForCausalLM
    from audio_judge.processing_audio_judge import AudioJudgeProcessor

    hub = {option: options[option] for option in ("revision", "trust_remote_code") if option in options}
    # Read as a dictionary: no registration of our classes is needed, and no code of the repo runs
    if PreTrainedConfig.get_config_dict(name, **hub)[0].get("model_type") == "audio_judge":
        return AudioJudgeForCausalLM.from_pretrained(name, **options), AudioJudgeProcessor.from_pretrained(name, **hub)
    model_class = _model_class(AutoConfig.from_pretrained(name, **hub), name)
    processor = AutoProcessor.from_pretrained(name, **hub)
    if processor.chat_template is None and not _is_mistral(processor):
        raise ValueError(f"{name}: its {type(processor).__name__} has no chat template, so it cannot be asked in words")
    return model_class.from_pretrained(name, **options), processor


def _model_class(config: Any, name: str) -> Any:
    import transformers

    if config.model_type in _CLASSES:
        return getattr(transformers, _CLASSES[config.model_type])
    known: Mapping[type, Any] = transformers.MODEL_FOR_MULTIMODAL_LM_MAPPING
    is_remote = "AutoModelForMultimodalLM" in (getattr(config, "auto_map", None) or {})
    if not is_remote and (type(config) not in known or "audio" not in known[type(config)].input_modalities):
        raise ValueError(
            f"{name}: a model of type {config.model_type!r} does not take audio; one that transformers' "
            "AutoModelForMultimodalLM loads and that hears is needed, such as a judge, Qwen2-Audio, Voxtral or Granite Speech"
        )
    return transformers.AutoModelForMultimodalLM


def template_options(processor: Any) -> dict[str, str]:
    """What ``apply_chat_template`` needs to write messages of blocks: nothing, or a template in place of a text-only one."""
    from jinja2 import TemplateError

    if _is_mistral(processor):
        return {}
    try:
        written = processor.apply_chat_template([{"role": "user", "content": [{"type": "audio"}]}], tokenize=False)
    except (TypeError, TemplateError):  # a list where a text is needed
        written = ""
    if processor.audio_token in written:
        return {}
    return {"chat_template": _BLOCKS_TO_TEXT.replace("PLACEHOLDER", processor.audio_token) + processor.chat_template}


def hearing_part(processor: Any) -> Any:
    """The part of a processor that hears: its ``feature_extractor``, or ``audio_processor`` as a few models call it."""
    return vars(processor).get("feature_extractor") or processor.audio_processor


def encode_prompt(processor: Any, prompt: Messages, max_seconds: float | None = None) -> EncodedPrompt:
    """Read the clips of a prompt, cut off at ``max_seconds``, and make the inputs of a model from it, on the CPU.

    The audio blocks have a ``path``, may have ``start_time`` and ``end_time`` in seconds, and have a ``role`` where a
    reference is to be aligned.

    Raises:
        AudioError: If a clip cannot be read.
    """
    rate = hearing_part(processor).sampling_rate
    clips = [clip.samples for clip in read_clips(audio_blocks({"prompt": prompt}), rate, max_seconds)]
    encoded = processor.apply_chat_template(
        [_with_clips(prompt, clips, processor)],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        **template_options(processor),
    )
    audio = {name: torch.as_tensor(value) for name, value in encoded.items() if name not in _NOT_AUDIO}
    if "audio_input_features" in audio:  # Phi-4 gives a single clip no mask, but beside longer ones it needs one
        audio.setdefault("audio_attention_mask", torch.ones(audio["audio_input_features"].shape[:2], dtype=torch.bool))
    return EncodedPrompt(torch.as_tensor(encoded["input_ids"])[0].tolist(), audio)


def join_audio(prompts: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Join the audio inputs of several prompts, each (clips of the prompt, ...), padded with zeros at their ends.

    Returns:
        Name to tensor (clips of all prompts in order, ...); nothing if no prompt has a clip.

    Example:
        >>> join_audio([{"x": torch.ones(1, 2)}, {"x": torch.ones(2, 3)}])["x"].shape
        torch.Size([3, 3])
    """
    names = list(dict.fromkeys(name for audio in prompts for name in audio))
    return {name: _stacked([audio[name] for audio in prompts if name in audio]) for name in names}


def _stacked(tensors: list[torch.Tensor]) -> torch.Tensor:
    shape = [max(sizes) for sizes in zip(*(tensor.shape[1:] for tensor in tensors), strict=True)]  # all axes but clips
    padded = []
    for tensor in tensors:
        missing = [(0, wanted - size) for wanted, size in zip(shape, tensor.shape[1:], strict=True)]
        # `pad` takes the last axis first
        padded.append(torch.nn.functional.pad(tensor, [amount for pair in reversed(missing) for amount in pair]))
    return torch.cat(padded)  # (clips of all tensors, ...)


def placeholder_id(model: Any) -> int:
    """Look up the token that stands for audio in a prompt, which an answer must not hold; of a model wrapped by PEFT, too."""
    config = model.config
    return int(config.audio_token_id if hasattr(config, "audio_token_id") else config.audio_config.audio_token_id)


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
    rate = hearing_part(processor).sampling_rate
    messages = []
    for message in map(without_payload, prompt):
        blocks = []
        for block in message["content"]:
            if block["type"] == "audio":
                clip = next(remaining)
                block = (
                    {"type": "audio", "base64": _wav(clip, rate)} if _is_mistral(processor) else block | {"audio": clip}
                )
            blocks.append(block)
        messages.append(message | {"content": blocks})
    return messages


def _is_mistral(processor: Any) -> bool:
    """Whether a processor leaves prompts to Mistral's own tokenizer, which has no template and takes files."""
    return type(processor).__name__ == "VoxtralProcessor"


def _wav(samples: np.ndarray, sampling_rate: int) -> str:
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, samples, sampling_rate, format="WAV", subtype="FLOAT")
    return base64.b64encode(file.getvalue()).decode()
