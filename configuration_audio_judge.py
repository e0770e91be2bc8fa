"""Configuration of Audio Judge: an audio encoder, an adapter and a language model, wired into one judge.

Also the one rule both the processor and the model must share: how many frames an encoder makes of a clip.
"""

from math import prod
from typing import TypeVar

import torch
from transformers import AutoConfig
from transformers.configuration_utils import PreTrainedConfig, SubConfigSpec

ADAPTERS = ("pooled_linear", "bottleneck")

Length = TypeVar("Length", int, torch.Tensor)


class AudioJudgeEncoderConfig(PreTrainedConfig):
    r"""
    Configuration of the small 48 kHz encoder of the mini judge.

    No encoder of transformers fits there: AST and Whisper hear 16 kHz through a fixed window and normalise the level
    away, WavLM is 16 kHz and normalises each utterance, PE-A-Frame hears 48 kHz but starts at 450 M parameters. A quality
    judge has to hear level, bandwidth and gaps, in clips of any length, on one CPU core.

    Args:
        num_mel_bins (`int`, *optional*, defaults to 64): Mel bands of the input.
        conv_channels (`list[int]`, *optional*): Output channels of the 3x3 convolutions; each halves the frequency axis.
        conv_time_strides (`list[int]`, *optional*): Stride of each convolution along time; their product is the hop of a
            frame in feature frames (4, that is 40 ms).
        hidden_size (`int`, *optional*, defaults to 160): Width of the transformer blocks.
        num_hidden_layers (`int`, *optional*, defaults to 3): Number of transformer blocks.
        num_attention_heads (`int`, *optional*, defaults to 4): Attention heads per block.
        intermediate_size (`int`, *optional*, defaults to 480): Width inside the feed-forward part of a block.
        conv_kernel_size (`int`, *optional*, defaults to 7): Frames seen by the depthwise convolution of a block, which is
            also what tells a block the order of the frames.
    """

    model_type = "audio_judge_encoder"

    num_mel_bins: int = 64
    conv_channels: list[int] | tuple[int, ...] = (16, 32, 48, 64, 96)
    conv_time_strides: list[int] | tuple[int, ...] = (1, 2, 1, 2, 1)
    hidden_size: int = 160
    num_hidden_layers: int = 3
    num_attention_heads: int = 4
    intermediate_size: int = 480
    conv_kernel_size: int = 7
    initializer_range: float = 0.02


class AudioJudgeConfig(PreTrainedConfig):
    r"""
    Configuration of an [`AudioJudgeForCausalLM`].

    Args:
        audio_config (`PreTrainedConfig` or `dict`, *optional*): The audio encoder: `audio_judge_encoder` (default),
            `audio-spectrogram-transformer`, `whisper` (its encoder), `wavlm`, `pe_audio_encoder`, or another type with
            the same front end.
        text_config (`PreTrainedConfig` or `dict`, *optional*): The language model, any decoder.
        adapter (`str`, *optional*, defaults to `"pooled_linear"`): `pooled_linear` (a fixed number of tokens per clip)
            or `bottleneck` (one token per encoder frame).
        adapter_tokens (`int`, *optional*, defaults to 128): Tokens per clip of `pooled_linear`.
        adapter_bottleneck_ratio (`int`, *optional*, defaults to 4): Width reduction inside `bottleneck`.
        audio_token_id (`int`, *optional*, defaults to 0): Id of the audio placeholder.
        question_token_id (`int`, *optional*, defaults to 1): Id of the token that opens a question of a decision prompt.
        span_size (`int`, *optional*, defaults to 0): Width of the head that answers `span` questions (when is it heard?);
            0 for a judge without one.
        tie_word_embeddings (`bool`, *optional*, defaults to `False`): Taken from `text_config` if that ties.
    """

    model_type = "audio_judge"
    sub_configs_defaults = {
        "audio_config": SubConfigSpec(config_class=AutoConfig, model_type="audio-spectrogram-transformer"),
        "text_config": SubConfigSpec(config_class=AutoConfig, model_type="llama"),
    }
    # TRL reads `image_token_id` of every model that comes with a processor
    attribute_map = {"image_token_id": "audio_token_id"}

    audio_config: dict | PreTrainedConfig | None = None
    text_config: dict | PreTrainedConfig | None = None
    adapter: str = "pooled_linear"
    adapter_tokens: int = 128
    adapter_bottleneck_ratio: int = 4
    audio_token_id: int = 0
    question_token_id: int = 1
    span_size: int = 0
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs):
        if self.adapter not in ADAPTERS:
            raise ValueError(f"`adapter` must be one of {', '.join(ADAPTERS)}, got {self.adapter!r}.")
        # Remote code can't rely on a registration: the encoder's own config class is picked here
        if self.audio_config is None:
            self.audio_config = AudioJudgeEncoderConfig()
        elif isinstance(self.audio_config, dict) and self.audio_config.get("model_type") == "audio_judge_encoder":
            self.audio_config = AudioJudgeEncoderConfig(**self.audio_config)
        super().__post_init__(**kwargs)
        # Tying is read on the config that owns the head, which is this one
        if self.text_config.tie_word_embeddings:
            self.tie_word_embeddings = True
        model = "modeling_audio_judge.AudioJudgeForCausalLM"
        self.auto_map = {
            "AutoConfig": "configuration_audio_judge.AudioJudgeConfig",
            "AutoModel": model,
            "AutoModelForCausalLM": model,
            "AutoModelForMultimodalLM": model,
            "AutoModelForDecision": model,
        }


def audio_frame_steps(audio_config: PreTrainedConfig) -> list[list[int]]:
    """
    The `[kernel, stride, padding]` of each step from the length of an encoder's input to its number of frames.

    Raises:
        ValueError: For an encoder type whose frame count is not known here.
    """
    kind = audio_config.model_type
    if kind == "audio_judge_encoder":
        return [[3, stride, 1] for stride in audio_config.conv_time_strides]
    if kind == "audio-spectrogram-transformer":
        return [[audio_config.patch_size, audio_config.time_stride, 0]]
    if kind == "whisper":
        return [[3, 1, 1], [3, 2, 1]]
    if kind == "pe_audio_encoder":
        hop = prod(audio_config.dac_config.downsampling_ratios)
        return [[hop, hop, 0]]
    if kind in ("wavlm", "wav2vec2", "hubert"):
        return [[kernel, stride, 0] for kernel, stride in zip(audio_config.conv_kernel, audio_config.conv_stride)]
    raise ValueError(
        f"The number of frames of a {kind!r} encoder is not known: add its steps to `audio_frame_steps` "
        "(audio_judge_encoder, audio-spectrogram-transformer, whisper, wavlm, wav2vec2, hubert and pe_audio_encoder are)."
    )


def count_frames(length: Length, steps: list[list[int]]) -> Length:
    """Number of encoder frames of an input of `length` (an int, or a tensor of any shape)."""
    for kernel, stride, padding in steps:
        length = (length + 2 * padding - kernel) // stride + 1
    return length


AudioJudgeConfig.register_for_auto_class()

__all__ = ["ADAPTERS", "AudioJudgeConfig", "AudioJudgeEncoderConfig", "audio_frame_steps", "count_frames"]
