"""Audio language models of transformers: loaded, checked that they hear, and asked in words.

What ``AutoModelForMultimodalLM`` and ``AutoProcessor`` load is taken (Qwen-Omni's thinkers, Qwen2-Audio, Audio Flamingo 3,
Voxtral, Granite Speech, Gemma 3n, Phi-4 …), if it hears and can be asked in words: configuration and processor say so, no list of
models does. ``encode_prompt`` is what generation and reinforcement learning feed a model with, ``answer_ids`` what it learns to
write after that. ``audio_judge.judge.native_model`` makes a judge of such a model.
"""

import base64
import inspect
import io
import json
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from audio_judge.judge.learned import LEARNED_FILE
from audio_judge.messages import audio_blocks, read_clips

logger = logging.getLogger(__name__)

Messages = Sequence[Mapping[str, Any]]
# What a family of models needs of its own, here and nowhere else:
# the entry of a configuration that holds the part that listens and writes, of models that speak, too,
LISTENING_PARTS = ("thinker_config",)
# processors that leave prompts to Mistral's own tokenizer, which has no template and takes files,
WITHOUT_TEMPLATE = ("VoxtralProcessor",)
# and masks that a processor leaves out for a single clip, which the model needs beside longer ones: to the features
LACKING_MASKS = {"audio_attention_mask": "audio_input_features"}  # Phi-4
# In seconds, of models that nobody trained as judges
USUAL_WINDOW = 30.0
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
    """Load a judge or a native audio language model, or a LoRA of one, and its processor.

    Args:
        name: Folder or Hub id. Of Qwen-Omni only the thinker is loaded, which is the part that listens and writes.
        options: Of ``from_pretrained``, such as ``dtype``, ``quantization_config`` and ``revision``.

    Raises:
        OSError: If it has no weights that are safetensors: others are unpickled, which may run code.
        ValueError: If the model does not listen, cannot be asked in words, or lacks some of its weights.
    """
    from transformers import AutoConfig, AutoProcessor

    from audio_judge.modeling_audio_judge import AudioJudgeForCausalLM
    from audio_judge.processing_audio_judge import AudioJudgeProcessor

    hub: dict[str, Any] = {key: options[key] for key in ("revision", "trust_remote_code") if key in options}
    whole, spoken = _places(name, hub)
    if not is_native(whole, **hub):
        judge = _with_all_weights(AudioJudgeForCausalLM, name, options)
        return _with_note(judge, name, whole, hub), AudioJudgeProcessor.from_pretrained(spoken, **hub)
    model_class = audio_model_class(AutoConfig.from_pretrained(whole, **hub), name)
    processor = AutoProcessor.from_pretrained(spoken, **hub)
    model = _with_all_weights(model_class, name, options)
    check_hears(model, processor, name)
    return _with_note(model, name, whole, hub), processor


def _with_all_weights(model_class: Any, name: str, options: Mapping[str, Any]) -> Any:
    """Load a model of which transformers need not make up anything."""
    model, found = model_class.from_pretrained(name, use_safetensors=True, output_loading_info=True, **options)
    weights = dict(model.named_parameters(remove_duplicate=False))
    there = {id(weight) for name, weight in weights.items() if name not in found["missing_keys"]}
    # A LoRA's part of tied embeddings is missing under its second name
    if missing := sorted(key for key in found["missing_keys"] if id(weights.get(key)) not in there):
        shown = ", ".join(missing[:3]) + " …" * (len(missing) > 3)
        raise ValueError(f"{name}: {len(missing)} of its weights are missing ({shown}); save or fetch it again")
    return model


def is_native(name: str, **hub: Any) -> bool:
    """Say whether a folder or Hub id is that of a model of transformers rather than of a judge of our own."""
    from transformers import PreTrainedConfig

    # Read as a dictionary: no registration of our classes is needed, and no code of the repo runs
    return bool(PreTrainedConfig.get_config_dict(name, **hub)[0].get("model_type") != "audio_judge")


def _places(name: str, hub: Mapping[str, Any]) -> tuple[str, str]:
    """Where the configuration of the whole model is, and where its processor; a LoRA may have left either with its model."""
    from transformers.utils.peft_utils import find_adapter_config_file

    if (Path(name) / "config.json").is_file():
        return name, name
    revision = {"revision": hub["revision"]} if "revision" in hub else {}
    found = find_adapter_config_file(name, **revision)
    if found is None:
        return name, name
    base = json.loads(Path(found).read_text(encoding="utf-8"))["base_model_name_or_path"]
    return base, name if (Path(found).parent / "processor_config.json").is_file() else base


def _with_note(model: Any, name: str, whole: str, hub: Mapping[str, Any]) -> Any:
    """A model with the note of what a LoRA learned, which lies beside it and not in the configuration of the whole."""
    from transformers.utils import cached_file

    if name == whole:
        return model
    revision = {"revision": hub["revision"]} if "revision" in hub else {}
    found = cached_file(name, LEARNED_FILE, _raise_exceptions_for_missing_entries=False, **revision)
    if found is not None:
        model.config.learned = json.loads(Path(found).read_text(encoding="utf-8"))
    return model


def audio_model_class(config: Any, name: str) -> Any:
    """Find the class of transformers that listens and writes, by a configuration; ``name`` is said in errors.

    Raises:
        ValueError: If there is none.
    """
    import transformers
    from transformers.models.auto.modeling_auto import MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING

    if "AutoModelForMultimodalLM" in (getattr(config, "auto_map", None) or {}):
        return transformers.AutoModelForMultimodalLM
    part = next((getattr(config, key) for key in LISTENING_PARTS if hasattr(config, key)), config)
    # A few models that are asked in words are found under the second only, such as Audio Flamingo 3
    mappings: tuple[Any, ...] = (transformers.MODEL_FOR_MULTIMODAL_LM_MAPPING, MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING)
    for known in (mapping[type(part)] for mapping in mappings if type(part) in mapping):
        if {"audio", "text"} <= set(known.input_modalities) and not part.is_encoder_decoder:
            return known
    raise ValueError(
        f"{name}: a model of type {config.model_type!r} does not take audio; one that transformers' "
        "AutoModelForMultimodalLM loads and that hears is needed, such as a judge, Qwen2-Audio, Voxtral or Granite Speech"
    )


def check_hears(model: Any, processor: Any, name: str) -> None:
    """Make sure that a clip in a prompt reaches a native model: as tokens, and as features that it takes.

    Where either is missing, transformers answers without a word from what is left of the prompt.

    Raises:
        ValueError: If a clip gets lost on the way, or the model cannot be asked in words.
    """
    kind = type(processor).__name__
    try:
        rate = hearing_part(processor).sampling_rate
    except AttributeError:
        raise ValueError(f"{name}: its {kind} has no part that hears") from None
    if processor.chat_template is None and not _is_mistral(processor):
        raise ValueError(f"{name}: its {kind} has no chat template, so it cannot be asked in words")
    prompt = [{"role": "user", "content": [{"type": "audio"}, {"type": "text", "text": "What is heard?"}]}]
    hiss = np.random.default_rng(0).normal(0, 0.1, rate).astype(np.float32)  # (samples,) of one second
    try:
        encoded = encode(processor, prompt, [hiss])
    except Exception as error:  # whatever the code of others makes of it
        raise ValueError(f"{name}: its {kind} cannot put a clip into a prompt: {error}") from error
    if not (tokens := encoded.ids.count(placeholder_id(model))):
        raise ValueError(
            f"{name}: a prompt with a clip holds no audio token; the chat template of its {kind} drops clips"
        )
    features = [key for key, value in encoded.audio.items() if value.is_floating_point()]
    taken = inspect.signature(model.forward).parameters
    if not features or not set(features) <= set(taken):
        raise ValueError(
            f"{name}: a prompt with a clip holds {tokens} audio tokens but the features {', '.join(features) or 'none'}; "
            f"{type(model).__name__} takes {', '.join(taken)}, so it would not hear the clip"
        )


def template_options(processor: Any) -> dict[str, Any]:
    """What ``apply_chat_template`` needs to write messages of blocks: a template in place of a text-only one, and no thought.

    A thought would stand where an answer is read or learned.
    """
    from jinja2 import TemplateError

    if _is_mistral(processor):
        return {}
    thinking = {"enable_thinking": False} if "enable_thinking" in str(processor.chat_template) else {}
    message = [{"role": "user", "content": [{"type": "audio"}]}]
    try:
        written = processor.apply_chat_template(message, tokenize=False, **thinking)
    except (TypeError, TemplateError):  # a list where a text is needed
        written = ""
    if processor.audio_token in written:
        return thinking
    return thinking | {
        "chat_template": _BLOCKS_TO_TEXT.replace("PLACEHOLDER", processor.audio_token) + processor.chat_template
    }


def hearing_part(processor: Any) -> Any:
    """The part of a processor that hears: its ``feature_extractor``, or ``audio_processor`` as a few models call it."""
    return vars(processor).get("feature_extractor") or processor.audio_processor


def window_seconds(heard_at_once: float | None, trained: float | None = None) -> float:
    """Length that longer recordings are cut to: as in training, else a usual one, but no more than a model hears at once.

    Whisper's features end there (``chunk_length``), without a word about what is cut off.

    Example:
        >>> window_seconds(300.0), window_seconds(300.0, trained=60.0), window_seconds(8.0)
        (30.0, 60.0, 8.0)
    """
    return float(min(trained or USUAL_WINDOW, heard_at_once or math.inf))


def encode_prompt(processor: Any, prompt: Messages, max_seconds: float | None = None) -> EncodedPrompt:
    """Read the clips of a prompt, cut off at ``max_seconds``, and make the inputs of a model from it, on the CPU.

    The audio blocks have a ``path``, may have ``start_time`` and ``end_time`` in seconds, and have a ``role`` where a
    reference is to be aligned.

    Raises:
        AudioError: If a clip cannot be read.
    """
    rate = hearing_part(processor).sampling_rate
    heard = read_clips(audio_blocks({"prompt": prompt}), rate, max_seconds)
    return encode(processor, prompt, [clip.samples for clip in heard])


def encode(processor: Any, prompt: Messages, clips: Sequence[np.ndarray]) -> EncodedPrompt:
    """Make the inputs of a model, on the CPU, from a prompt and its clips, (samples,) each at the model's rate.

    A trainer that generates does so under autocast, in which Whisper's extractor fails, and others' features lose precision.
    """
    with torch.autocast("cpu", enabled=False):
        encoded = processor.apply_chat_template(
            [_with_clips(prompt, list(clips), processor)],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            **({} if _is_mistral(processor) else {"sanitize_control_tokens": True}),
            **template_options(processor),
        )
    audio = {name: torch.as_tensor(value) for name, value in encoded.items() if name not in _NOT_AUDIO}
    for mask, features in LACKING_MASKS.items():
        if features in audio:
            audio.setdefault(mask, torch.ones(audio[features].shape[:2], dtype=torch.bool))
    return EncodedPrompt(torch.as_tensor(encoded["input_ids"])[0].tolist(), audio)


def answer_ids(processor: Any, prompt: Messages, completion: Messages) -> list[int]:
    """Tokenize what the chat template writes for an answer: its text and its end of turn.

    Args:
        processor: Of a judge or of a native audio language model.
        prompt: Messages before the answer.
        completion: The answer, one message.

    Raises:
        ValueError: If the template writes the prompt in another way once it is answered.
    """
    tokenizer = processor.tokenizer
    if processor.chat_template is None:  # Mistral's tokenizers have their format in code, and end a turn with eos
        return tokenizer(completion[0]["content"], add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
    return tokenizer(written_answer(processor, prompt, completion), add_special_tokens=False)["input_ids"]


def written_answer(processor: Any, prompt: Messages, completion: Messages) -> str:
    """Write an answer as the chat template does, with its end of turn; arguments and errors are those of ``answer_ids``."""
    shown = [without_payload(message) for message in prompt]
    answer = [{**message, "content": [{"type": "text", "text": message["content"]}]} for message in completion]
    options = template_options(processor)
    before = processor.apply_chat_template(shown, add_generation_prompt=True, tokenize=False, **options)
    whole = processor.apply_chat_template([*shown, *answer], tokenize=False, **options)
    if not whole.startswith(before):
        raise ValueError(f"the chat template rewrites the prompt once it is answered: {before[-60:]!r} is gone")
    # What stands after the end of turn is no part of the answer, and nobody waits for it when a model writes
    return whole[len(before) :].rstrip("\n")


def end_of_turn(processor: Any) -> str:
    """Tell what ends an answer, by the chat template of a judge or of a native audio language model."""
    if hasattr(processor, "end_of_turn"):
        return str(processor.end_of_turn)
    if processor.chat_template is None:
        return str(processor.tokenizer.eos_token)
    asked, said = ([{"role": role, "content": text}] for role, text in (("user", "?"), ("assistant", "yes")))
    return written_answer(processor, asked, said).rpartition("yes")[2]


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
    parts = (config, getattr(config, "audio_config", None))
    found = [getattr(part, key, None) for part in parts for key in ("audio_token_id", "audio_token_index")]
    return int(next(number for number in found if number is not None))


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
    """Whether a processor leaves prompts to Mistral's own tokenizer."""
    return type(processor).__name__ in WITHOUT_TEMPLATE


def _wav(samples: np.ndarray, sampling_rate: int) -> str:
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, samples, sampling_rate, format="WAV", subtype="FLOAT")
    return base64.b64encode(file.getvalue()).decode()
