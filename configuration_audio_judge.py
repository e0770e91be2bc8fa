"""Configuration of Audio Judge: an audio encoder, an adapter and a language model, wired into one judge.

Also `AUDIO_ENCODERS`, the one table of what the processor and the model must know of each kind of encoder. A new kind is a
new entry there and nothing else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any, TypeVar

import torch
from torch import nn
from transformers import AutoConfig
from transformers.configuration_utils import PreTrainedConfig, SubConfigSpec
from transformers.modeling_outputs import BaseModelOutput

ADAPTERS = ("pooled_linear", "bottleneck")

Length = TypeVar("Length", int, torch.Tensor)


class AudioJudgeViewConfig(PreTrainedConfig):
    r"""
    What the configurations of our encoders share, each of which hears one view of a clip.

    Args:
        license (`str`, *optional*): Id of the licence that the weights carry, as on the Hub.
        attributions (`list[str]`, *optional*): Whom to name.
    """

    view = "mel"

    num_mel_bins: int = 64
    hidden_size: int = 160
    num_scores: int = 0
    initializer_range: float = 0.02
    license: str | None = None
    attributions: list[str] | tuple[str, ...] = ()

    @property
    def feature_size(self) -> int:
        """Width of its view."""
        return self.num_mel_bins

    @property
    def state_size(self) -> int:
        """Width of a frame without score channels."""
        return self.hidden_size

    @property
    def frame_size(self) -> int:
        """Width of a frame with them."""
        return self.state_size + self.num_scores


class AudioJudgeEncoderConfig(AudioJudgeViewConfig):
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
        num_scores (`int`, *optional*, defaults to 0): Scores of the whole clip, pooled by attention and appended to every
            frame, so that a language model needs only read them.
    """

    model_type = "audio_judge_encoder"
    view = "mel"

    num_mel_bins: int = 64
    conv_channels: list[int] | tuple[int, ...] = (16, 32, 48, 64, 96)
    conv_time_strides: list[int] | tuple[int, ...] = (1, 2, 1, 2, 1)
    hidden_size: int = 160
    num_hidden_layers: int = 3
    num_attention_heads: int = 4
    intermediate_size: int = 480
    conv_kernel_size: int = 7
    num_scores: int = 0


class AudioJudgeNisqaConfig(AudioJudgeViewConfig):
    r"""
    Configuration of NISQA v2.0's network as an encoder (Mittag et al., 2021, arXiv:2104.09494), for its own weights.

    Args:
        form (`str`, *optional*, defaults to `"frames"`): `frames` runs the convolutions once over the whole clip, fast and to
            be trained; `segments` cuts the overlapping segments of the original, whose scores it gives exactly.
        num_mel_bins (`int`, *optional*, defaults to 48): Mel bands of the input.
        conv_channels (`list[int]`, *optional*): Output channels of the six convolutions.
        hidden_size (`int`, *optional*, defaults to 64): Width of the attention layers, one head each.
        num_hidden_layers (`int`, *optional*, defaults to 2): Number of attention layers.
        pool_size (`int`, *optional*, defaults to 128): Width inside the attention pooling of a score.
        num_scores (`int`, *optional*, defaults to 5): Scores of the whole clip, appended to every frame: mos, noisiness,
            discontinuity, coloration, loudness.
        branch_size (`int`, *optional*, defaults to 0): Width of a second stack of layers on the same convolutions, which
            learns from other teachers; its states stand beside those of the first. 0 for none, as in the original.
        branch_layers (`int`, *optional*, defaults to 3): Number of its layers.
        branch_scores (`int`, *optional*, defaults to 2): Scores that it appends after the others.
    """

    model_type = "audio_judge_nisqa"
    view = "nisqa"

    form: str = "frames"
    num_mel_bins: int = 48
    conv_channels: list[int] | tuple[int, ...] = (16, 32, 64, 64, 64, 64)
    hidden_size: int = 64
    num_hidden_layers: int = 2
    pool_size: int = 128
    num_scores: int = 5
    branch_size: int = 0
    branch_layers: int = 3
    branch_scores: int = 2

    def __post_init__(self, **kwargs):
        if self.form not in ("frames", "segments"):
            raise ValueError(f"`form` must be frames or segments, got {self.form!r}.")
        super().__post_init__(**kwargs)

    @property
    def state_size(self) -> int:
        """Width of a frame without score channels."""
        return self.hidden_size + self.branch_size

    @property
    def frame_size(self) -> int:
        """Width of a frame with them."""
        return self.state_size + self.num_scores + (self.branch_scores if self.branch_size else 0)


class AudioJudgeDistillMosConfig(AudioJudgeViewConfig):
    r"""
    Configuration of Distill-MOS's network as an encoder (Stahl & Gamper, 2025, arXiv:2502.05356), for its own weights.

    Args:
        form (`str`, *optional*, defaults to `"frames"`): `frames` lets a clip attend to itself only; `segments` fills it up
            with silence to 7.68 s, which the original attends to, and gives its score exactly.
        num_frequency_bins (`int`, *optional*, defaults to 161): Bins of the complex spectrum, real parts first.
        conv_channels (`list[int]`, *optional*): Output channels of the convolutions; the last one halves the frame rate.
        hidden_size (`int`, *optional*, defaults to 200): Width of the transformer.
        num_hidden_layers (`int`, *optional*, defaults to 7): Number of transformer layers.
        num_attention_heads (`int`, *optional*, defaults to 8): Attention heads per layer.
        intermediate_size (`int`, *optional*, defaults to 400): Width inside the feed-forward part of a layer.
        max_positions (`int`, *optional*, defaults to 384): Frames of 20 ms with a position of their own; a longer clip is
            cut into equal parts.
        pool_size (`int`, *optional*, defaults to 400): Width inside the attention pooling of a score.
        num_scores (`int`, *optional*, defaults to 1): Scores of the whole clip, 1 to 5, appended to every frame; the
            original's is the first.
    """

    model_type = "audio_judge_distill_mos"
    view = "distill_mos"

    form: str = "frames"
    num_frequency_bins: int = 161
    conv_channels: list[int] | tuple[int, ...] = (64, 64, 128, 256, 256, 256)
    hidden_size: int = 200
    num_hidden_layers: int = 7
    num_attention_heads: int = 8
    intermediate_size: int = 400
    max_positions: int = 384
    pool_size: int = 400
    num_scores: int = 1

    @property
    def feature_size(self) -> int:
        """Width of its view."""
        return 2 * self.num_frequency_bins


class AudioJudgeLevelsConfig(AudioJudgeViewConfig):
    r"""
    Configuration of the levels of a clip in wide bands, for encoders that set the level of a clip themselves.

    Args:
        num_mel_bins (`int`, *optional*, defaults to 64): Mel bands of the input.
        hidden_size (`int`, *optional*, defaults to 16): Wide bands, each the mean of as many mel bands.
        num_scores (`int`, *optional*, defaults to 2): Levels of the whole clip: of the loudest half of its frames, and of
            the quietest tenth.
    """

    model_type = "audio_judge_levels"
    view = "mel"

    num_mel_bins: int = 64
    hidden_size: int = 16
    num_scores: int = 2


class AudioJudgeSpokenConfig(AudioJudgeViewConfig):
    r"""
    Configuration of scores of how something is said, by the first layers of Whisper's encoder; `train_backbones.py votes`
    makes its weights.

    Args:
        num_mel_bins (`int`, *optional*, defaults to 80): Mel bands of the input.
        hidden_size (`int`, *optional*, defaults to 512): Width of the layers.
        num_hidden_layers (`int`, *optional*, defaults to 3): Number of layers.
        num_attention_heads (`int`, *optional*, defaults to 8): Attention heads per layer.
        intermediate_size (`int`, *optional*, defaults to 2048): Width inside the feed-forward part of a layer.
        max_positions (`int`, *optional*, defaults to 1500): Frames of 20 ms that have a position.
        smoothing (`int`, *optional*, defaults to 5): Frames of 40 ms, an odd number, over which speech is detected.
        num_scores (`int`, *optional*, defaults to 7): Scores of the whole clip, which are all that a frame holds: 0 is the
            average of the clips that people rated, 1 a standard deviation better.
    """

    model_type = "audio_judge_spoken"
    view = "whisper"

    num_mel_bins: int = 80
    hidden_size: int = 512
    num_hidden_layers: int = 3
    num_attention_heads: int = 8
    intermediate_size: int = 2048
    max_positions: int = 1500
    smoothing: int = 5
    num_scores: int = 7

    @property
    def frame_size(self) -> int:
        """Width of a frame, which is that of its scores."""
        return self.num_scores


class AudioJudgeJoinedConfig(PreTrainedConfig):
    r"""
    Configuration of several encoders that hear one clip side by side: each has its view among the features, and their
    frames of 40 ms are joined on the last axis.

    Args:
        encoders (`list[dict]` or `list[PreTrainedConfig]`): The encoders' configurations, in the order of their frames.
    """

    model_type = "audio_judge_joined"

    encoders: list[dict | PreTrainedConfig] | tuple = ()
    initializer_range: float = 0.02

    def __post_init__(self, **kwargs):
        self.encoders = [own_encoder_config(encoder) for encoder in self.encoders]
        if any(getattr(encoder, "form", "frames") != "frames" for encoder in self.encoders):
            raise ValueError("Only encoders of the form `frames` can be joined: the others have frames of their own.")
        super().__post_init__(**kwargs)

    def to_dict(self) -> dict[str, Any]:
        output = super().to_dict()
        output["encoders"] = [encoder.to_dict() for encoder in self.encoders]
        return output

    @property
    def hidden_size(self) -> int:
        """Width of a joined frame."""
        return sum(encoder.frame_size for encoder in self.encoders)


# Encoders whose classes are in these files, which remote code cannot find by a registration; `OWN_ENCODER_MODELS` has the
# same order
OWN_ENCODERS = {
    config.model_type: config
    for config in (
        AudioJudgeEncoderConfig,
        AudioJudgeNisqaConfig,
        AudioJudgeDistillMosConfig,
        AudioJudgeLevelsConfig,
        AudioJudgeSpokenConfig,
        AudioJudgeJoinedConfig,
    )
}


def own_encoder_config(config: Any) -> Any:
    """A configuration of one of `OWN_ENCODERS` from its dictionary; anything else as it is."""
    if isinstance(config, dict) and config.get("model_type") in OWN_ENCODERS:
        return OWN_ENCODERS[config["model_type"]](**config)
    return config


class AudioJudgeConfig(PreTrainedConfig):
    r"""
    Configuration of an [`AudioJudgeForCausalLM`].

    Args:
        audio_config (`PreTrainedConfig` or `dict`, *optional*): The audio encoder: `audio_judge_encoder` (default),
            `audio-spectrogram-transformer`, `whisper` (its encoder), `wavlm`, `pe_audio_encoder`, or another type of
            `AUDIO_ENCODERS`.
        text_config (`PreTrainedConfig` or `dict`, *optional*): The language model, any decoder.
        adapter (`str`, *optional*, defaults to `"pooled_linear"`): `pooled_linear` (a fixed number of tokens per clip)
            or `bottleneck` (one token per encoder frame).
        adapter_tokens (`int`, *optional*, defaults to 128): Tokens per clip of `pooled_linear`.
        adapter_bottleneck_ratio (`int`, *optional*, defaults to 4): Width reduction inside `bottleneck`.
        adapter_scale (`float`, *optional*, defaults to 0.0): Deviation that every audio token is brought to, that of the
            language model's own token vectors, so that it hears them from the first step on; 0 leaves them as they come.
        pooled_spread (`bool`, *optional*, defaults to `False`): Whether `pooled_linear` reads the deviation over the time of
            a token beside its mean.
        layer_weights (`bool`, *optional*, defaults to `False`): Whether frames are a mean over all layers of the encoder with
            learned weights, instead of the last layer.
        cut_window (`bool`, *optional*, defaults to `False`): Whether an encoder with a window (Whisper) hears a clip alone
            instead of the clip and silence up to the end of the window, several times as fast.
        audio_token_id (`int`, *optional*, defaults to 0): Id of the audio placeholder.
        question_token_id (`int`, *optional*, defaults to 1): Id of the token that opens a question of a decision prompt.
        span_size (`int`, *optional*, defaults to 0): Width of the head that answers `span` questions (when is it heard?);
            0 for a judge without one.
        learned (`dict`, *optional*): What the judge was trained on, as the training scripts note it: `tasks`, each with its
            `form` (`decision` for typed questions, `text` for its own words), `rubrics` and `languages`, and whether it was
            asked about known `faults`. By this it is asked and read; `None` for a judge that does not say.
        words (`dict`, *optional*): The head that answers questions in words that no other part learned: `text`, the arguments of
            the `BertConfig` of what reads them, and `rank`, the size of the vectors of its tokens; `things`, what they may ask about; `channels`, how many of the frames' first channels
            it hears; `hidden_size`, the width of what it makes of these; and `spread`, the deviation of its answers on a scale from
            0 to 1. `None` for a judge without one.
        head_bias (`bool`, *optional*, defaults to `False`): Whether the head of the language model has a bias.
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
    adapter_scale: float = 0.0
    pooled_spread: bool = False
    layer_weights: bool = False
    cut_window: bool = False
    audio_token_id: int = 0
    question_token_id: int = 1
    span_size: int = 0
    learned: dict[str, Any] | None = None
    words: dict[str, Any] | None = None
    head_bias: bool = False
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs):
        if self.adapter not in ADAPTERS:
            raise ValueError(f"`adapter` must be one of {', '.join(ADAPTERS)}, got {self.adapter!r}.")
        # Remote code can't rely on a registration: the encoder's own config class is picked here
        self.audio_config = (
            AudioJudgeEncoderConfig() if self.audio_config is None else own_encoder_config(self.audio_config)
        )
        super().__post_init__(**kwargs)
        if self.pooled_spread and self.adapter != "pooled_linear":
            raise ValueError("`pooled_spread`: only the adapter `pooled_linear` pools.")
        if self.layer_weights and self.audio_config.model_type in OWN_ENCODERS:
            raise ValueError("`layer_weights`: our own encoders hand on their last layer only.")
        if self.cut_window and audio_encoder(self.audio_config).encode_cut is None:
            raise ValueError(f"`cut_window`: a {self.audio_config.model_type!r} encoder has no window that can be cut.")
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


def count_frames(length: Length, steps: list[list[int]]) -> Length:
    """Number of encoder frames of an input of `length` (an int, or a tensor of any shape)."""
    for kernel, stride, padding in steps:
        length = (length + 2 * padding - kernel) // stride + 1  # as a convolution does
    return length


def extract_features(
    feature_extractor: Any,
    clips: list[Any],
    *,
    features: str = "input_features",
    mask: str = "attention_mask",
    **options: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """What a feature extractor calls `features`, (clips, ...), and `mask`, (clips, time of the features)."""
    outputs = feature_extractor(clips, sampling_rate=feature_extractor.sampling_rate, return_tensors="pt", **options)
    return outputs[features], outputs[mask].long()  # some give booleans


def extract_spectrograms(feature_extractor: Any, clips: list[Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """AST: padded to its window without a mask; the real frames are those of 25 ms every 10 ms that fit into a clip."""
    rate = feature_extractor.sampling_rate
    outputs = feature_extractor(clips, sampling_rate=rate, return_tensors="pt")
    features = outputs["input_values"]  # (clips, frames, bands)
    lengths = torch.tensor([len(clip) for clip in clips])
    frames = count_frames(lengths, [[rate // 40, rate // 100, 0]])
    return features, (torch.arange(features.shape[1]) < frames[:, None]).long()


def encode_masked(tower: nn.Module, features: torch.Tensor, mask: torch.Tensor, **options: Any) -> Any:
    """An encoder that minds the mask itself."""
    return tower(features, attention_mask=mask, **options)


def encode_window(tower: nn.Module, features: torch.Tensor, mask: torch.Tensor, **options: Any) -> Any:
    """Whisper: the silence that fills its window is heard as such; its frames are not handed on."""
    return tower(features, **options)


def encode_whisper_cut(
    tower: nn.Module, features: torch.Tensor, mask: torch.Tensor, output_hidden_states: bool = False
) -> BaseModelOutput:
    """Whisper without its window, whose `forward` takes no shorter one: a clip ends where its features end."""
    lengths = mask.sum(1)  # (clips,), features of 10 ms
    longest = int(lengths.max())
    real = mask[:, None, :longest].to(features.dtype)  # (clips, 1, features)
    hidden_states = nn.functional.gelu(tower.conv1(features[..., :longest] * real)) * real
    # (clips, frames of 20 ms, hidden size)
    hidden_states = nn.functional.gelu(tower.conv2(hidden_states)).transpose(1, 2)
    frames = hidden_states.shape[1]
    hidden_states = hidden_states + tower.embed_positions.weight[:frames]
    heard = torch.arange(frames, device=mask.device) < count_frames(lengths, audio_frame_steps(tower.config))[:, None]
    # (clips, 1, 1, frames), added to the logits; none where nothing is padded, which attention does faster
    hidden = torch.zeros_like(hidden_states[..., 0]).masked_fill(~heard, torch.finfo(hidden_states.dtype).min)
    padding = None if bool(heard.all()) else hidden[:, None, None]
    states = [hidden_states]
    for layer in tower.layers:
        hidden_states = layer(hidden_states, padding)
        states.append(hidden_states)
    states[-1] = tower.layer_norm(hidden_states)
    return BaseModelOutput(last_hidden_state=states[-1], hidden_states=tuple(states) if output_hidden_states else None)


def encode_patches(tower: nn.Module, features: torch.Tensor, mask: torch.Tensor, **options: Any) -> BaseModelOutput:
    """AST: without the class and the distillation token, the mean over the frequency patches of each moment."""
    bands, moments = tower.embeddings.get_shape(tower.config)  # numbers of patches along frequency and time
    # (clips, 2 + bands x moments, hidden size) to (clips, moments, hidden size)
    return map_states(tower(features, **options), lambda states: states[:, 2:].unflatten(1, (bands, moments)).mean(1))


def encode_waveforms(tower: nn.Module, features: torch.Tensor, mask: torch.Tensor, **options: Any) -> BaseModelOutput:
    """
    WavLM and its kin, and PE-A-Frame: one length at a time, because the first norm of the former runs over time and would
    count the padding, and the convolutions of the latter reach into it.
    """
    lengths = mask.sum(1).tolist()  # samples of each clip
    size = count_frames(features.shape[-1], audio_frame_steps(tower.config))  # frames of the longest clip
    rows_of = {length: [row for row, other in enumerate(lengths) if other == length] for length in sorted(set(lengths))}
    outputs = [
        map_states(
            tower(features[rows][..., : int(length)], **options),
            lambda states: nn.functional.pad(states, (0, 0, 0, size - states.shape[1])),
        )
        for length, rows in rows_of.items()
    ]
    order = torch.tensor([row for rows in rows_of.values() for row in rows]).argsort()
    joined = [torch.cat(states)[order] for states in zip(*map(states_of, outputs), strict=True)]
    return BaseModelOutput(last_hidden_state=joined[0], hidden_states=tuple(joined[1:]) or None)


def states_of(outputs: Any) -> list[torch.Tensor]:
    """The last state of an encoder, then those of all its layers if they were asked for."""
    return [outputs.last_hidden_state, *(outputs.get("hidden_states") or ())]


def map_states(outputs: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> BaseModelOutput:
    """What an encoder says, with a change to each of its states."""
    last, *layers = map(change, states_of(outputs))
    return BaseModelOutput(last_hidden_state=last, hidden_states=tuple(layers) or None)


@dataclass(frozen=True)
class AudioEncoder:
    """
    What a judge must know of a kind of encoder.

    Args:
        feature_extractor (`str`): Class of its feature extractor, by which a saved processor finds this entry.
        frame_steps (`Callable`): Its configuration to the `[kernel, stride, padding]` of each step from the length of its
            input to its number of frames.
        extract (`Callable`): Its feature extractor and clips (samples,) to features (clips, ...) and their mask (clips, time).
        encode (`Callable`): The encoder, features and mask, and `output_hidden_states`, to its output whose states are
            frames (clips, frames, hidden size).
        time_axis (`int`, *optional*, defaults to 1): The axis of the features that is time.
        encode_cut (`Callable`, *optional*): The same without the window that it fills with silence, if it can.
        longest_clip (`Callable`, *optional*): Its feature extractor to the seconds it hears; `None` if any length is heard.
    """

    feature_extractor: str
    frame_steps: Callable[[Any], list[list[int]]]
    extract: Callable[..., tuple[torch.Tensor, torch.Tensor]]
    encode: Callable[..., Any]
    time_axis: int = 1
    encode_cut: Callable[..., Any] | None = None
    longest_clip: Callable[[Any], float | None] = lambda feature_extractor: None


_WAVEFORM = AudioEncoder(  # features (clips, samples)
    feature_extractor="Wav2Vec2FeatureExtractor",
    frame_steps=lambda config: [[kernel, stride, 0] for kernel, stride in zip(config.conv_kernel, config.conv_stride)],
    extract=partial(extract_features, features="input_values", padding=True, return_attention_mask=True),
    encode=encode_waveforms,
)


def own_frame_steps(config: Any) -> list[list[int]]:
    """Steps of one of our encoders from frames of 10 ms: to 40 ms, or (NISQA's exact form) to where a segment of 15 fits."""
    if config.model_type == AudioJudgeEncoderConfig.model_type:
        return [[3, stride, 1] for stride in config.conv_time_strides]
    is_cut = config.model_type == AudioJudgeNisqaConfig.model_type and config.form == "segments"
    return [[15, 4, 0]] if is_cut else [[3, 2, 1], [3, 2, 1]]


_OWN = AudioEncoder(  # features (clips, frames of 10 ms, the widths of all views)
    feature_extractor="AudioJudgeFeatureExtractor",
    frame_steps=own_frame_steps,
    extract=extract_features,
    encode=encode_masked,
)

# Model type of the encoder to what a judge must know of it
AUDIO_ENCODERS = {
    **dict.fromkeys(OWN_ENCODERS, _OWN),
    "audio-spectrogram-transformer": AudioEncoder(  # features (clips, frames of 10 ms, bands)
        feature_extractor="ASTFeatureExtractor",
        frame_steps=lambda config: [[config.patch_size, config.time_stride, 0]],
        extract=extract_spectrograms,
        encode=encode_patches,
        longest_clip=lambda feature_extractor: feature_extractor.max_length / 100,
    ),
    "whisper": AudioEncoder(  # features (clips, bands, frames of 10 ms)
        feature_extractor="WhisperFeatureExtractor",
        frame_steps=lambda config: [[3, 1, 1], [3, 2, 1]],
        extract=partial(extract_features, return_attention_mask=True),
        encode=encode_window,
        encode_cut=encode_whisper_cut,
        time_axis=2,
        longest_clip=lambda feature_extractor: float(feature_extractor.chunk_length),
    ),
    "wavlm": _WAVEFORM,
    "wav2vec2": _WAVEFORM,
    "hubert": _WAVEFORM,
    "pe_audio_encoder": AudioEncoder(  # features (clips, 1, samples)
        feature_extractor="PeAudioFeatureExtractor",
        frame_steps=lambda config: [[prod(config.dac_config.downsampling_ratios)] * 2 + [0]],
        extract=partial(extract_features, features="input_values", mask="padding_mask", padding=True),
        encode=encode_waveforms,
        time_axis=2,
    ),
}

# Model type of what holds an encoder to the attribute of the model, and that of the configuration if it has one of its own
ENCODER_HOLDERS = {"whisper": ("encoder", None), "pe_audio": ("audio_encoder", "audio_config")}


def audio_encoder(audio_config: Any) -> AudioEncoder:
    """
    The entry of an encoder's configuration.

    Raises:
        ValueError: For a type that is not in the table.
    """
    kind = audio_config.model_type
    if kind not in AUDIO_ENCODERS:
        raise ValueError(
            f"A {kind!r} encoder is not known: add it to `AUDIO_ENCODERS` ({', '.join(AUDIO_ENCODERS)} are there)."
        )
    return AUDIO_ENCODERS[kind]


def encoder_of_extractor(feature_extractor: Any) -> AudioEncoder:
    """
    The entry of the encoders that a feature extractor belongs to.

    Raises:
        ValueError: For a class that is not in the table.
    """
    names = [base.__name__ for base in type(feature_extractor).__mro__]  # a class of one's own is what it derives from
    for encoder in AUDIO_ENCODERS.values():
        if encoder.feature_extractor in names:
            return encoder
    raise ValueError(f"A {names[0]} is not known: add its encoder to `AUDIO_ENCODERS`.")


def encoder_part(model: nn.Module) -> nn.Module:
    """The part of a loaded audio model that makes frames, without a decoder or a text tower."""
    name, _ = ENCODER_HOLDERS.get(model.config.model_type, (None, None))  # most models are the encoder
    return getattr(model, name) if name else model


def encoder_config(config: Any) -> Any:
    """The configuration of that part."""
    _, name = ENCODER_HOLDERS.get(config.model_type, (None, None))
    return getattr(config, name) if name else config


def frame_size(audio_config: Any) -> int:
    """Width of an encoder's frames, with the score channels that some of ours append."""
    return getattr(audio_config, "frame_size", audio_config.hidden_size)


def audio_frame_steps(audio_config: Any) -> list[list[int]]:
    """The `[kernel, stride, padding]` of each step from the length of an encoder's input to its number of frames."""
    return audio_encoder(audio_config).frame_steps(audio_config)


AudioJudgeConfig.register_for_auto_class()

__all__ = [
    "ADAPTERS",
    "AUDIO_ENCODERS",
    "AudioEncoder",
    "AudioJudgeConfig",
    "AudioJudgeDistillMosConfig",
    "AudioJudgeEncoderConfig",
    "AudioJudgeJoinedConfig",
    "AudioJudgeLevelsConfig",
    "AudioJudgeNisqaConfig",
    "AudioJudgeSpokenConfig",
    "audio_encoder",
    "audio_frame_steps",
    "count_frames",
    "encoder_config",
    "encoder_of_extractor",
    "encoder_part",
    "frame_size",
]
