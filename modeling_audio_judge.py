"""Audio Judge: `audio encoder -> adapter -> language model`, in the shape of transformers' audioflamingo3.

Beside the usual `forward` and `generate` a judge has two ways to read an answer without writing it:
[`~AudioJudgeForCausalLM.decide`] (a probability per allowed answer of every question, one pass) and
[`~AudioJudgeForCausalLM.candidate_log_probabilities`] (the papers' decimals, read as an expectation).
"""

from dataclasses import dataclass, fields, replace
from inspect import signature
from itertools import accumulate, pairwise
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, BertConfig, BertModel, GgufConfig, WhisperConfig
from transformers import initialization as init
from transformers.cache_utils import Cache
from transformers.generation import GenerationMixin
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import (
    BaseModelOutput,
    BaseModelOutputWithPast,
    BaseModelOutputWithPooling,
    CausalLMOutputWithPast,
)
from transformers.modeling_utils import PreTrainedModel, slice_logits_to_keep
from transformers.models.llama.modeling_llama import LlamaModel, apply_rotary_pos_emb
from transformers.models.whisper.modeling_whisper import WhisperEncoder
from transformers.utils import can_return_tuple, logging

from .configuration_audio_judge import (
    OWN_ENCODERS,
    AudioJudgeConfig,
    AudioJudgeDistillMosConfig,
    AudioJudgeEncoderConfig,
    AudioJudgeJoinedConfig,
    AudioJudgeLevelsConfig,
    AudioJudgeNisqaConfig,
    AudioJudgeSpokenConfig,
    audio_encoder,
    audio_frame_steps,
    count_frames,
    encoder_part,
    frame_size,
)
from .processing_audio_judge import (
    ASKED_NOUL,
    ASKED_SPAN,
    WINDOWS_PER_PASS,
    AudioJudgeProcessor,
    ClipWindows,
    padded_options,
    with_audio_tokens,
)

logger = logging.get_logger(__name__)

POOLS = 4  # weighted means over the time of a clip that questions in words are answered from

# What language models and outputs call the keys and values of earlier tokens: transformers 5.24 gave them another name
CACHE = "cache" if "cache" in {field.name for field in fields(BaseModelOutputWithPast)} else "past_key_values"


@dataclass
class AudioJudgeModelOutputWithPast(BaseModelOutputWithPast):
    """
    Args:
        audio_hidden_states (`torch.FloatTensor` of shape `(audio tokens, hidden size)`): The audio tokens of all clips, in order.
        audio_frames (`torch.FloatTensor` of shape `(clips, frames, audio hidden size)`): The encoder's frames.
        audio_frame_lengths (`torch.LongTensor` of shape `(clips,)`): How many of the frames of each clip are real.
    """

    audio_hidden_states: torch.FloatTensor | None = None
    audio_frames: torch.FloatTensor | None = None
    audio_frame_lengths: torch.LongTensor | None = None


@dataclass
class AudioJudgeAudioOutput(BaseModelOutputWithPooling):
    """
    Args:
        frame_lengths (`torch.LongTensor` of shape `(clips,)`): How many of the frames of each clip are real.
    """

    frame_lengths: torch.LongTensor | None = None


@dataclass
class AudioJudgeCausalLMOutputWithPast(CausalLMOutputWithPast):
    """
    Args:
        option_logits (`torch.FloatTensor` of shape `(questions, options)`): Logits of the allowed answers of each question.
        span_logits (`torch.FloatTensor` of shape `(span questions, frames)`): Log-odds that what a question asks for is heard
            in a frame; minus infinity past the end of the clip.
    """

    option_logits: torch.FloatTensor | None = None
    span_logits: torch.FloatTensor | None = None


@dataclass
class AudioJudgeEncoderOutput(BaseModelOutput):
    """
    Args:
        scores (`torch.FloatTensor` of shape `(clips, scores)`): The scores of whole clips that an encoder gives, about 1 to 5.
    """

    scores: torch.FloatTensor | None = None


class AudioJudgePreTrainedModel(PreTrainedModel):
    config: AudioJudgeConfig
    base_model_prefix = "model"
    input_modalities = ("audio", "text")
    supports_gradient_checkpointing = True
    _no_split_modules = [
        "AudioJudgeEncoderLayer",
        "AttentionLayer",
    ]  # those of the two backbones are merged in by `post_init`
    _skip_keys_device_placement = [CACHE]  # it may lie on several devices
    _supports_flash_attn = True  # without these three, transformers dispatches no attention of the backbones but eager
    _supports_sdpa = True
    _supports_attention_backend = True

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, ChannelNorm):
            init.ones_(module.weight)
        elif isinstance(module, nn.Conv2d):  # five convolutions in a row keep the variance of their input
            init.kaiming_normal_(module.weight, nonlinearity="relu")


class ChannelNorm(nn.Module):
    """RMS norm over the channels of each time-frequency point, so that neither padding nor other frames matter."""

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))  # a bare parameter: `_init_weights` must know it

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        scale = hidden_states.square().mean(1, keepdim=True).add(1e-5).rsqrt()  # (clips, 1, bands, frames)
        return hidden_states * scale * self.weight


class AudioJudgeEncoderLayer(GradientCheckpointingLayer):
    """Depthwise convolution, self-attention and feed-forward, each normalised first and added to its input."""

    def __init__(self, config: AudioJudgeEncoderConfig):
        super().__init__()
        size, kernel = config.hidden_size, config.conv_kernel_size
        self.num_heads = config.num_attention_heads
        self.conv_norm = nn.LayerNorm(size)
        self.conv = nn.Conv1d(size, size, kernel, padding=kernel // 2, groups=size)
        self.attention_norm = nn.LayerNorm(size)
        self.qkv_proj = nn.Linear(size, 3 * size)
        self.o_proj = nn.Linear(size, size)
        self.mlp_norm = nn.LayerNorm(size)
        self.up_proj = nn.Linear(size, config.intermediate_size)
        self.down_proj = nn.Linear(config.intermediate_size, size)

    def forward(self, hidden_states: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """`hidden_states` (clips, frames, hidden size); `mask` (clips, frames), True where a frame is real, None if all are."""
        local = self.conv_norm(hidden_states)
        local = local if mask is None else local * mask[..., None]  # zeros where a shorter clip has ended
        hidden_states = hidden_states + F.gelu(self.conv(local.transpose(1, 2))).transpose(1, 2)
        clips, frames, size = hidden_states.shape  # (clips, frames, hidden size)
        qkv = self.qkv_proj(self.attention_norm(hidden_states)).view(clips, frames, 3, self.num_heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # (clips, heads, frames, head size) each
        # (clips, heads, frames, head size)
        attended = attend(query, key, value, mask)
        hidden_states = hidden_states + self.o_proj(attended.transpose(1, 2).reshape(clips, frames, size))
        return hidden_states + self.down_proj(F.gelu(self.up_proj(self.mlp_norm(hidden_states))))


class AudioJudgeEncoder(AudioJudgePreTrainedModel):
    """An encoder of our own: log-mel frames of 10 ms in absolute dB, convolutions, transformer blocks, frames of 40 ms."""

    config: AudioJudgeEncoderConfig
    main_input_name = "input_features"

    def __init__(self, config: AudioJudgeEncoderConfig):
        super().__init__(config)
        channels = [1, *config.conv_channels]
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=(2, stride), padding=1)
            for before, after, stride in zip(channels[:-1], channels[1:], config.conv_time_strides, strict=True)
        )
        self.conv_norms = nn.ModuleList(ChannelNorm(size) for size in config.conv_channels)
        # Each convolution halves the bands
        bands = count_frames(config.num_mel_bins, [[3, 2, 1]] * len(config.conv_channels))
        self.input_proj = nn.Linear(bands * channels[-1], config.hidden_size)
        self.layers = nn.ModuleList(AudioJudgeEncoderLayer(config) for _ in range(config.num_hidden_layers))
        self.norm = nn.LayerNorm(config.hidden_size)
        self.scores = ClipScores(config.hidden_size, 64, config.num_scores) if config.num_scores else None
        self.gradient_checkpointing = False
        self.post_init()

    def forward(
        self, input_features: torch.Tensor, attention_mask: torch.Tensor | None = None, **kwargs
    ) -> AudioJudgeEncoderOutput:
        """
        Args:
            input_features: (clips, feature frames, mel bins).
            attention_mask: (clips, feature frames), 1 where a frame is real; all of them if not given.

        Returns:
            `last_hidden_state` (clips, frames, frame size); frames past the end of a clip are not meaningful.
        """
        lengths = real_lengths(input_features, attention_mask)
        hidden_states = input_features.transpose(1, 2)[:, None]  # (clips, 1, mel bins, feature frames)
        for conv, norm in zip(self.convs, self.conv_norms):
            # Zeros after the end, as a clip without padding would see them
            hidden_states = F.gelu(
                norm(conv(without_padding(hidden_states, lengths)))
            )  # (clips, channels, bands, frames)
            lengths = count_frames(lengths, [[3, conv.stride[1], 1]])
        mask = padding_mask(lengths, hidden_states.shape[-1])  # (clips, frames)
        hidden_states = self.input_proj(hidden_states.flatten(1, 2).transpose(1, 2))  # (clips, frames, hidden size)
        for layer in self.layers:
            hidden_states = layer(hidden_states, mask)
        hidden_states = self.norm(hidden_states)
        return with_scores(hidden_states, None if self.scores is None else 3 + self.scores(hidden_states, mask))


class AttentionLayer(GradientCheckpointingLayer):
    """Self-attention and feed-forward, each added to its input and normalised then, as in the first transformers."""

    def __init__(self, size: int, num_heads: int, intermediate_size: int):
        super().__init__()
        self.num_heads = num_heads
        self.qkv_proj = nn.Linear(size, 3 * size)
        self.o_proj = nn.Linear(size, size)
        self.attention_norm = nn.LayerNorm(size)
        self.up_proj = nn.Linear(size, intermediate_size)
        self.down_proj = nn.Linear(intermediate_size, size)
        self.mlp_norm = nn.LayerNorm(size)

    def forward(self, hidden_states: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """`hidden_states` (clips, frames, hidden size); `mask` (clips, frames), True where a frame is real, None if all are."""
        clips, frames, size = hidden_states.shape
        qkv = self.qkv_proj(hidden_states).view(clips, frames, 3, self.num_heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # (clips, heads, frames, head size) each
        attended = attend(query, key, value, mask)
        attended = self.o_proj(attended.transpose(1, 2).reshape(clips, frames, size))
        hidden_states = self.attention_norm(hidden_states + attended)
        return self.mlp_norm(hidden_states + self.down_proj(F.relu(self.up_proj(hidden_states))))


class ClipScores(nn.Module):
    """A number or more per clip, each from frames that its own attention weighs (NISQA's pooling)."""

    def __init__(self, size: int, pool_size: int, num_scores: int):
        super().__init__()
        self.up_proj = nn.Linear(size, num_scores * pool_size)
        self.attention = nn.Conv1d(num_scores * pool_size, num_scores, 1, groups=num_scores)
        self.values = nn.Linear(size, num_scores)

    def forward(self, frames: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """`frames` (clips, frames, hidden size) and `mask` (clips, frames), None if all are real, to (clips, scores)."""
        hidden_states = F.relu(self.up_proj(frames), inplace=True).unflatten(-1, (len(self.attention.weight), -1))
        # As the convolution of groups that it is, which takes half as long again
        weights = torch.einsum("cfsp,sp->csf", hidden_states, self.attention.weight[..., 0])
        weights = weights + self.attention.bias[:, None]  # (clips, scores, frames)
        if mask is not None:
            weights = weights.masked_fill(~mask[:, None], torch.finfo(weights.dtype).min)
        return (weights.softmax(-1) * self.values(frames).transpose(1, 2)).sum(-1)


def with_scores(frames: torch.Tensor, scores: torch.Tensor | None) -> AudioJudgeEncoderOutput:
    """Frames (clips, frames, hidden size), and the clips' scores (clips, scores), about 1 to 5, on each of them from -2 to 2."""
    if scores is None:
        return AudioJudgeEncoderOutput(last_hidden_state=frames)
    channels = (scores - 3)[:, None].expand(-1, frames.shape[1], -1).to(frames.dtype)  # (clips, frames, scores)
    return AudioJudgeEncoderOutput(last_hidden_state=torch.cat([frames, channels], dim=-1), scores=scores)


class AudioJudgeNisqaEncoder(AudioJudgePreTrainedModel):
    """
    NISQA v2.0 as an encoder of frames of 40 ms; `train_backbones.py nisqa` reads its weights.

    The original convolves a segment of 150 ms every 40 ms. They overlap 3.75 times, so here the convolutions run once over
    the clip, and its adaptive pools, which take 3 frames of each segment, become pools over 3 frames of the whole. The
    batch norms, which the original does not run in training mode any more, are folded into the convolutions.
    """

    config: AudioJudgeNisqaConfig
    main_input_name = "input_features"

    def __init__(self, config: AudioJudgeNisqaConfig):
        super().__init__(config)
        channels = [1, *config.conv_channels]
        self.convs = nn.ModuleList(nn.Conv2d(before, after, 3, padding=1) for before, after in pairwise(channels))
        self.input_proj = nn.Linear(config.num_mel_bins // 8 * channels[-1], config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size)
        self.layers = nn.ModuleList(
            AttentionLayer(config.hidden_size, 1, config.hidden_size) for _ in range(config.num_hidden_layers)
        )
        self.scores = ClipScores(config.hidden_size, config.pool_size, config.num_scores)
        self.branch = NisqaBranch(config) if config.branch_size else None
        self.gradient_checkpointing = False
        self.post_init()

    def forward(
        self, input_features: torch.Tensor, attention_mask: torch.Tensor | None = None, **kwargs
    ) -> AudioJudgeEncoderOutput:
        """
        Args:
            input_features: (clips, feature frames, mel bins), in dB.
            attention_mask: (clips, feature frames), 1 where a frame is real; all of them if not given.

        Returns:
            `last_hidden_state` (clips, frames, frame size) and `scores` (clips, scores).
        """
        lengths = real_lengths(input_features, attention_mask)
        convolve = self.convolve_segments if self.config.form == "segments" else self.convolve
        convolved = convolve(input_features, lengths)  # (clips, frames, bands x channels)
        hidden_states = self.norm(self.input_proj(convolved))  # (clips, frames, hidden size)
        mask = padding_mask(count_frames(lengths, audio_frame_steps(self.config)), hidden_states.shape[1])
        for layer in self.layers:
            hidden_states = layer(hidden_states, mask)
        scores = self.scores(hidden_states, mask)
        if self.branch is not None:
            states, further = self.branch(convolved, mask)
            hidden_states, scores = torch.cat([hidden_states, states], -1), torch.cat([scores, further], -1)
        return with_scores(hidden_states, scores)

    def convolve(self, features: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """(clips, feature frames, mel bins) to (clips, frames of 40 ms, bands x channels)."""
        hidden_states = features.transpose(1, 2)[:, None]  # (clips, 1, mel bins, feature frames)
        if features.device.type == "cpu":  # twice as fast there
            hidden_states = hidden_states.contiguous(memory_format=torch.channels_last)
        # Of each convolution: the stride along time of the pool after it, None for no pool
        for conv, stride in zip(self.convs, (2, 1, None, 2, None, None)):
            # Zeros after the end, as a clip without padding would see them
            hidden_states = conv(without_padding(hidden_states, lengths))  # (clips, channels, bands, frames)
            if stride is not None:
                hidden_states = pool(without_padding(hidden_states, lengths), stride)
                lengths = count_frames(lengths, [[3, stride, 1]])
            hidden_states = F.relu(hidden_states)
        return hidden_states.permute(0, 3, 1, 2).flatten(2)

    def convolve_segments(self, features: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """(clips, feature frames, mel bins) to (clips, segments, bands x channels), as the original does it."""
        segments = features.unfold(1, 15, 4)  # (clips, segments, mel bins, 15)
        hidden_states = segments.flatten(0, 1)[:, None]  # (clips x segments, 1, mel bins, 15)
        for conv, pool in zip(self.convs[:-1], ((24, 7), (12, 5), None, (6, 3), None)):
            hidden_states = F.relu(conv(hidden_states))
            if pool is not None:
                hidden_states = F.adaptive_max_pool2d(hidden_states, pool)
        last = self.convs[-1]
        hidden_states = F.relu(F.conv2d(hidden_states, last.weight, last.bias, padding=(1, 0)))[..., 0]
        return hidden_states.unflatten(0, segments.shape[:2]).flatten(2)


def pool(hidden_states: torch.Tensor, stride: int) -> torch.Tensor:
    """
    The largest of two bands and three frames (clips, channels, bands / 2, frames / stride). With a stride of 2 those begin at
    their own frame: a frame of 40 ms lies where a segment's middle is. As `max_pool2d`, which takes several times as long.
    """
    bands = torch.maximum(hidden_states[:, :, ::2], hidden_states[:, :, 1::2])
    padded = F.pad(bands, (1, 1) if stride == 1 else (0, 2), value=-torch.inf)
    last = padded.shape[-1] - 2
    first, second, third = (padded[..., place : place + last : stride] for place in range(3))
    return torch.maximum(torch.maximum(first, second), third)


class NisqaBranch(nn.Module):
    """A second stack of layers on what the convolutions give, with scores of its own."""

    def __init__(self, config: AudioJudgeNisqaConfig):
        super().__init__()
        size = config.branch_size
        layer = AudioJudgeEncoderConfig(hidden_size=size, intermediate_size=3 * size)
        self.input_norm = nn.LayerNorm(config.num_mel_bins // 8 * config.conv_channels[-1])
        self.input_proj = nn.Linear(config.num_mel_bins // 8 * config.conv_channels[-1], size)
        self.layers = nn.ModuleList(AudioJudgeEncoderLayer(layer) for _ in range(config.branch_layers))
        self.norm = nn.LayerNorm(size)
        self.scores = ClipScores(size, 64, config.branch_scores)

    def forward(self, convolved: torch.Tensor, mask: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """(clips, frames, bands x channels) and (clips, frames) to states (clips, frames, size) and scores (clips, scores)."""
        hidden_states = self.input_proj(self.input_norm(convolved))
        for layer in self.layers:
            hidden_states = layer(hidden_states, mask)
        hidden_states = self.norm(hidden_states)
        return hidden_states, 3 + self.scores(hidden_states, mask)


class AudioJudgeDistillMosEncoder(AudioJudgePreTrainedModel):
    """
    Distill-MOS as an encoder of frames of 40 ms, two of its own each; `train_backbones.py distill_mos` reads its weights.

    Its batch norms are folded into the layers beside them.
    """

    config: AudioJudgeDistillMosConfig
    main_input_name = "input_features"

    def __init__(self, config: AudioJudgeDistillMosConfig):
        super().__init__(config)
        channels, last = [2, *config.conv_channels], len(config.conv_channels) - 1
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=(1 if i == 0 else 2, 2 if i == last else 1), padding=(0, 1))
            for i, (before, after) in enumerate(pairwise(channels))
        )
        bands = count_frames(config.num_frequency_bins, [[3, conv.stride[0], 0] for conv in self.convs])
        self.input_proj = nn.Linear(bands * channels[-1], config.hidden_size)
        self.positions = nn.Embedding(config.max_positions, config.hidden_size)
        self.layers = nn.ModuleList(
            AttentionLayer(config.hidden_size, config.num_attention_heads, config.intermediate_size)
            for _ in range(config.num_hidden_layers)
        )
        self.scores = ClipScores(config.hidden_size, config.pool_size, config.num_scores)
        self.gradient_checkpointing = False
        self.post_init()

    def forward(
        self, input_features: torch.Tensor, attention_mask: torch.Tensor | None = None, **kwargs
    ) -> AudioJudgeEncoderOutput:
        """
        Args:
            input_features: (clips, feature frames, 2 x frequency bins).
            attention_mask: (clips, feature frames), 1 where a frame is real; all of them if not given.

        Returns:
            `last_hidden_state` (clips, frames, frame size) and `scores` (clips, scores), 1 to 5.
        """
        wanted = count_frames(input_features.shape[1], audio_frame_steps(self.config))  # frames of 40 ms
        output = self.contextualize(*self.convolve(input_features, attention_mask))
        return replace(output, last_hidden_state=output.last_hidden_state[:, :wanted])

    def convolve(
        self, input_features: torch.Tensor, attention_mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The dear part: to frames of 20 ms (clips, frames, hidden size), and how many of them are real (clips,)."""
        lengths = real_lengths(input_features, attention_mask)
        if self.config.form == "segments":  # silence up to the full length, heard as part of the clip
            whole = 2 * self.config.max_positions
            if input_features.shape[1] > whole + 1:
                raise ValueError(f"The form `segments` hears {whole / 100} s, got {input_features.shape[1] / 100} s.")
            input_features = F.pad(input_features, (0, 0, 0, whole - input_features.shape[1]))
            lengths = torch.full_like(lengths, whole)
        hidden_states = input_features.unflatten(2, (2, -1)).permute(0, 2, 3, 1)  # (clips, 2, bins, feature frames)
        for conv in self.convs:
            hidden_states = F.leaky_relu(
                conv(without_padding(hidden_states, lengths)), 0.1
            )  # (clips, channels, bands, frames)
            lengths = count_frames(lengths, [[3, conv.stride[1], 1]])
        return self.input_proj(hidden_states.permute(0, 3, 1, 2).flatten(2)), lengths

    def contextualize(self, hidden_states: torch.Tensor, lengths: torch.Tensor) -> AudioJudgeEncoderOutput:
        """What `convolve` gives to the frames of 40 ms and the scores."""
        mask = padding_mask(lengths, hidden_states.shape[1])  # (clips, frames)
        hidden_states = self.attend(hidden_states, mask)
        scores = 1 + 4 * self.scores(hidden_states, mask).sigmoid()  # (clips, scores)
        return with_scores(mean_of_two(hidden_states, mask), scores)

    def attend(self, hidden_states: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """(clips, frames, hidden size), each clip in equal parts that have a position each; 0 past its end."""
        clips, frames, _ = hidden_states.shape
        lengths = [frames] * clips if mask is None else mask.sum(1).tolist()
        counts = [-(-length // self.config.max_positions) for length in lengths]
        # Of each clip alone, whatever is beside it in the batch: frames of its parts
        sizes = [-(-length // count) for length, count in zip(lengths, counts)]
        # (frames of a part, hidden size) each
        parts = [part for row, length, size in zip(hidden_states, lengths, sizes) for part in row[:length].split(size)]
        longest = max(sizes)
        ends = torch.tensor([len(part) for part in parts], device=hidden_states.device)
        states = nn.utils.rnn.pad_sequence(parts, batch_first=True) + self.positions.weight[:longest]
        for layer in self.layers:
            states = layer(states, padding_mask(ends, longest))
        real = torch.arange(longest, device=ends.device) < ends[:, None]  # (parts, frames of a part)
        rows = states[real].split(lengths)  # (frames, hidden size) each
        return F.pad(nn.utils.rnn.pad_sequence(rows, batch_first=True), (0, 0, 0, frames - max(lengths)))


def mean_of_two(frames: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """(clips, frames, size) with `mask` (clips, frames) to half as many frames, each the mean of the real ones of two."""
    odd = frames.shape[1] % 2
    if mask is None:
        mask = frames.new_ones(frames.shape[:2], dtype=torch.bool)
    frames = F.pad(frames * mask[..., None], (0, 0, 0, odd)).unflatten(1, (-1, 2)).sum(2)
    real = F.pad(mask, (0, odd)).unflatten(1, (-1, 2)).sum(2, keepdim=True)  # (clips, frames / 2, 1)
    return frames / real.clamp(min=1)


class AudioJudgeLevelsEncoder(AudioJudgePreTrainedModel):
    """Levels in wide bands every 40 ms, as measured: a projection that starts as the mean of neighbouring mel bands."""

    config: AudioJudgeLevelsConfig
    main_input_name = "input_features"

    def __init__(self, config: AudioJudgeLevelsConfig):
        super().__init__(config)
        self.bands = nn.Linear(config.num_mel_bins, config.hidden_size)
        self.post_init()

    @torch.no_grad()
    def measure(self) -> "AudioJudgeLevelsEncoder":
        """Sets the projection to its start."""
        width = self.config.num_mel_bins // self.config.hidden_size
        means = torch.eye(self.config.hidden_size).repeat_interleave(width, 1) / width  # (bands, mel bins)
        self.bands.weight.copy_(means)
        self.bands.bias.zero_()
        return self

    def forward(
        self, input_features: torch.Tensor, attention_mask: torch.Tensor | None = None, **kwargs
    ) -> AudioJudgeEncoderOutput:
        """
        Args:
            input_features: (clips, feature frames, mel bins), the absolute `mel` view.
            attention_mask: (clips, feature frames), 1 where a frame is real; all of them if not given.

        Returns:
            `last_hidden_state` (clips, frames, frame size) and `scores` (clips, 2), a full-scale sine near 4 and digital
            silence at 0.
        """
        if attention_mask is None:
            attention_mask = input_features.new_ones(input_features.shape[:2])
        mask = attention_mask.bool()
        lengths = mask.sum(1)  # (clips,)
        # Level of each frame, whose padding is sorted to its end
        levels = input_features.amax(2).masked_fill(~mask, -torch.inf).sort(1, descending=True).values
        rank = torch.arange(levels.shape[1], device=levels.device)
        # (clips, feature frames)
        loudest = rank < (lengths[:, None] / 2).ceil()
        quietest = (rank >= (lengths[:, None] * 0.9).floor()) & (rank < lengths[:, None])
        levels = levels.masked_fill(levels.isinf(), 0)
        scores = (
            torch.stack([(levels * part).sum(1) / part.sum(1) for part in (loudest, quietest)], 1) + 3
        )  # (clips, 2)
        frames = mean_of_two(mean_of_two(self.bands(input_features), mask), mask[:, ::2])
        return with_scores(frames, scores)


class SpokenScores(nn.Module):
    """
    Scores of clips from states of a speech recogniser every 40 ms.

    Each is a line through the mean and the deviation of the states, of the frames with speech and of all from the first to
    the last of these, the share of pauses between them, and the logarithm of their time. What is silent before and after is
    not heard at all.
    """

    def __init__(self, config: AudioJudgeSpokenConfig):
        super().__init__()
        self.speech = nn.Linear(config.hidden_size, 1)
        self.scores = nn.Linear(4 * config.hidden_size + 2, config.num_scores)
        self.smoothing = config.smoothing

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """(clips, frames, hidden size) to (clips, scores), within -4 and 4."""
        return self.scores(self.pool(states)).clamp(-4, 4)

    def pool(self, states: torch.Tensor) -> torch.Tensor:
        """What the scores are read from (clips, 4 x hidden size + 2)."""
        speech, stretch = self.find_speech(states)
        spoken, whole = speech.sum(1, keepdim=True), stretch.sum(1, keepdim=True)  # (clips, 1)
        parts = [*self.moments(states, speech), *self.moments(states, stretch)]
        return torch.cat([*parts, 1 - spoken / whole, whole.to(states).log()], dim=1)

    def find_speech(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Frames with speech, and all from the first to the last of them, both (clips, frames); all of a clip without any."""
        logits = self.speech(states)[:, None, :, 0]  # (clips, 1, frames)
        speech = F.avg_pool1d(logits, self.smoothing, 1, self.smoothing // 2)[:, 0] > 0
        begun = speech.long().cumsum(1) > 0
        goes_on = speech.long().flip(1).cumsum(1).flip(1) > 0
        some = speech.any(1, keepdim=True)
        return speech | ~some, (begun & goes_on) | ~some

    def moments(self, states: torch.Tensor, kept: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and deviation (clips, hidden size) of the frames that are kept (clips, frames)."""
        weights = kept[..., None].to(states)
        frames = weights.sum(1)  # (clips, 1)
        mean = (states * weights).sum(1) / frames
        variance = ((states - mean[:, None]) * weights).square().sum(1) / frames
        return mean, (variance + 1e-6).sqrt()


class AudioJudgeSpokenEncoder(AudioJudgePreTrainedModel):
    """The first layers of Whisper's encoder (Radford et al., 2022), at the true length of a clip, and scores of what they hear."""

    config: AudioJudgeSpokenConfig
    main_input_name = "input_features"

    def __init__(self, config: AudioJudgeSpokenConfig):
        super().__init__(config)
        self.encoder = WhisperEncoder(
            WhisperConfig(
                num_mel_bins=config.num_mel_bins,
                d_model=config.hidden_size,
                encoder_layers=config.num_hidden_layers,
                encoder_attention_heads=config.num_attention_heads,
                encoder_ffn_dim=config.intermediate_size,
                max_source_positions=config.max_positions,
            )
        )
        self.scores = SpokenScores(config)
        self.post_init()

    def forward(
        self, input_features: torch.Tensor, attention_mask: torch.Tensor | None = None, **kwargs
    ) -> AudioJudgeEncoderOutput:
        """
        Args:
            input_features: (clips, feature frames, mel bins).
            attention_mask: (clips, feature frames), 1 where a frame is real; all of them if not given.

        Returns:
            `last_hidden_state` (clips, frames, scores), the same on all frames of a clip, and `scores` (clips, scores).
        """
        lengths = real_lengths(input_features, attention_mask).tolist()
        frames = count_frames(input_features.shape[1], audio_frame_steps(self.config))
        # One clip at a time: padding would be heard
        scores = [self.scores(self.hear(clip[None, : int(n)])) for clip, n in zip(input_features, lengths)]
        joined = torch.cat(scores) if scores else input_features.new_zeros(0, self.config.num_scores)  # (clips, scores)
        return AudioJudgeEncoderOutput(last_hidden_state=joined[:, None].expand(-1, frames, -1), scores=joined)

    def hear(self, features: torch.Tensor) -> torch.Tensor:
        """(1, feature frames, mel bins) to states of 40 ms (1, frames, hidden size)."""
        # The last frame begins where the clip ends; a whole number of frames, filled up with silence
        features = features[:, :-1][:, : 2 * self.config.max_positions].transpose(1, 2)
        features = F.pad(features, (0, -features.shape[2] % 4), value=float(features.min()))
        encoder = self.encoder
        hidden_states = F.gelu(encoder.conv2(F.gelu(encoder.conv1(features)))).transpose(1, 2)
        hidden_states = hidden_states + encoder.embed_positions.weight[: hidden_states.shape[1]]
        for layer in encoder.layers:
            hidden_states = layer(hidden_states, None)
            hidden_states = hidden_states[0] if isinstance(hidden_states, tuple) else hidden_states
        return hidden_states.unflatten(1, (-1, 2)).mean(2)


class AudioJudgeJoinedEncoder(AudioJudgePreTrainedModel):
    """Several encoders on their views of the same clip, their frames side by side; see `AudioJudgeJoinedConfig`."""

    config: AudioJudgeJoinedConfig
    main_input_name = "input_features"

    def __init__(self, config: AudioJudgeJoinedConfig):
        super().__init__(config)
        self.encoders = nn.ModuleList(build_audio_tower(encoder) for encoder in config.encoders)
        self.gradient_checkpointing = False
        self.post_init()

    def forward(
        self, input_features: torch.Tensor, attention_mask: torch.Tensor | None = None, **kwargs
    ) -> AudioJudgeEncoderOutput:
        """
        Args:
            input_features: (clips, feature frames, widths of the views), in the order of the encoders. The last views may be
                missing, or zeros for some of the clips: then the frames of their encoders are zeros.
            attention_mask: (clips, feature frames), 1 where a frame is real; all of them if not given.

        Returns:
            `last_hidden_state` (clips, frames, sum of the frame sizes).
        """
        if attention_mask is None:
            attention_mask = input_features.new_ones(input_features.shape[:2])
        frames = count_frames(input_features.shape[1], audio_frame_steps(self.config))
        joined, start = [], 0
        for encoder in self.encoders:
            end = start + encoder.config.feature_size
            heard = input_features.new_zeros(len(input_features), frames, encoder.config.frame_size)
            if end <= input_features.shape[-1]:
                view = input_features[..., start:end]
                clips = view.flatten(1).any(1)  # (clips,), True where the view is there
                if clips.any():  # digital silence has no view of some encoders either
                    some = slice(None) if clips.all() else clips  # without a copy where it is all of them
                    heard[some] = encoder(view[some], attention_mask[some]).last_hidden_state.to(heard.dtype)
            joined.append(heard)
            start = end
        return AudioJudgeEncoderOutput(last_hidden_state=torch.cat(joined, dim=-1))


OWN_ENCODER_MODELS = (
    AudioJudgeEncoder,
    AudioJudgeNisqaEncoder,
    AudioJudgeDistillMosEncoder,
    AudioJudgeLevelsEncoder,
    AudioJudgeSpokenEncoder,
    AudioJudgeJoinedEncoder,
)


def length_mask(lengths: torch.Tensor, size: int) -> torch.Tensor:
    """(clips, size), True where the position is below the clip's length."""
    return torch.arange(size, device=lengths.device) < lengths[:, None]


def real_lengths(input_features: torch.Tensor, attention_mask: torch.Tensor | None) -> torch.Tensor:
    """How many feature frames of each clip are real (clips,); all of them without a mask."""
    if attention_mask is None:
        attention_mask = input_features.new_ones(input_features.shape[:2])
    return attention_mask.sum(1).long()


def padding_mask(lengths: torch.Tensor, size: int) -> torch.Tensor | None:
    """`length_mask`, or None if nothing is padded, which attention does faster."""
    return None if bool((lengths >= size).all()) else length_mask(lengths, size)


def without_padding(hidden_states: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """(clips, channels, bands, frames) with zeros after the end of each clip."""
    mask = padding_mask(lengths, hidden_states.shape[-1])
    return hidden_states if mask is None else hidden_states * mask[:, None, None]


def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Attention (clips, heads, frames, head size) to the real frames; `mask` (clips, frames) is one row for all queries."""
    mask = None if mask is None else mask[:, None, None, :]
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)


class PooledLinearAdapter(nn.Module):
    """Averages over time to a fixed number of tokens, then LayerNorm and Linear (SpeechQualityLLM's projector)."""

    def __init__(self, config: AudioJudgeConfig):
        super().__init__()
        self.num_tokens, self.reads_spread = config.adapter_tokens, config.pooled_spread
        size = frame_size(config.audio_config) * (2 if config.pooled_spread else 1)
        self.norm = nn.LayerNorm(size)
        self.linear = nn.Linear(size, config.text_config.hidden_size)

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """(clips, frames, audio hidden size) with `lengths` (clips,) to (clips x tokens, text hidden size)."""
        # (1, audio hidden size, tokens) each, from the real frames of one clip
        pooled = [self.pool(clip[:n].T[None]) for clip, n in zip(frames, lengths.tolist())]
        return self.linear(self.norm(torch.cat(pooled).transpose(1, 2))).flatten(0, 1)

    def pool(self, frames: torch.Tensor) -> torch.Tensor:
        """(1, audio hidden size, frames) to (1, audio hidden size, tokens), or twice as wide with the deviations."""
        mean = F.adaptive_avg_pool1d(frames, self.num_tokens)
        if not self.reads_spread:
            return mean
        variance = F.adaptive_avg_pool1d(frames.square(), self.num_tokens) - mean.square()
        # The root of zero has no gradient: a token of a single frame has no deviation
        return torch.cat([mean, variance.clamp(min=1e-6).sqrt()], dim=1)


class BottleneckAdapter(nn.Module):
    """Linear, residual bottleneck with GELU, norm: one token per frame (Jastin)."""

    def __init__(self, config: AudioJudgeConfig):
        super().__init__()
        size = config.text_config.hidden_size
        self.linear = nn.Linear(frame_size(config.audio_config), size)
        self.down = nn.Linear(size, size // config.adapter_bottleneck_ratio)
        self.up = nn.Linear(size // config.adapter_bottleneck_ratio, size)
        self.norm = nn.LayerNorm(size)

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """(clips, frames, audio hidden size) with `lengths` (clips,) to (all real frames, text hidden size)."""
        # (all real frames, text hidden size)
        hidden_states = self.linear(frames[length_mask(lengths, frames.shape[1])])
        return self.norm(hidden_states + self.up(F.gelu(self.down(hidden_states))))


class SpanHead(nn.Module):
    """Compares what a question asks for with every frame of a clip: when is it heard?"""

    def __init__(self, config: AudioJudgeConfig):
        super().__init__()
        size = frame_size(config.audio_config)
        self.norm = nn.LayerNorm(size)
        self.key = nn.Linear(size, config.span_size)
        self.query = nn.Linear(config.text_config.hidden_size, config.span_size + 1)  # the last one is how rare it is

    def forward(self, hidden_states: torch.Tensor, frames: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """
        `hidden_states` (questions, hidden size) at the marks, `frames` (questions, frames, audio hidden size) and their real
        `lengths` (questions,) to log-odds (questions, frames), minus infinity past the end.
        """
        query = self.query(hidden_states.to(self.query.weight.dtype))  # (questions, span size + 1)
        keys = self.key(self.norm(frames.to(self.key.weight.dtype)))  # (questions, frames, span size)
        logits = (keys @ query[:, :-1, None])[..., 0] * keys.shape[-1] ** -0.5 + query[:, -1:]  # (questions, frames)
        return logits.float().masked_fill(~length_mask(lengths, frames.shape[1]), -torch.inf)


class WordsHead(nn.Module):
    """
    How much of what any text asks about is heard in a clip.

    A clip has an amount of each of some things that it may hold, such as hum or echo, by its frames alone. A text, read by a small
    pretrained BERT, asks about some of them, or about nothing that can be heard, and its words and the ends of its scale tell
    whether the answer rises or falls with these. So a further question about a clip costs next to nothing, and one text is
    read once for all clips.
    """

    def __init__(self, words: dict):
        super().__init__()
        self.channels, self.spread = words["channels"], words["spread"]
        wide, things = words["hidden_size"], len(words["things"])
        self.normal = nn.Linear(self.channels, self.channels)  # brings channels to a mean of 0 and a deviation of 1
        self.frames = nn.Sequential(nn.Linear(self.channels, wide), nn.GELU(), nn.Linear(wide, wide), nn.GELU())
        self.attention = nn.Linear(wide, POOLS)
        self.clip = nn.Sequential(
            nn.LayerNorm((POOLS + 3) * wide), nn.Linear((POOLS + 3) * wide, wide), nn.GELU(), nn.Linear(wide, things)
        )
        self.moment = nn.Linear(wide, things)
        # The log-odds that a thing is there at all, by the log-odds of how much of it is
        self.presence = nn.Linear(1, 1)
        self.text = BertModel(BertConfig(**words["text"]), add_pooling_layer=False)
        read = self.text.config.hidden_size
        # Vectors of tokens in fewer numbers, since there are many tokens
        self.text.embeddings.word_embeddings = nn.Sequential(
            nn.Embedding(self.text.config.vocab_size, words["rank"]), nn.Linear(words["rank"], read, bias=False)
        )
        # The last one is nothing that can be heard
        self.about = nn.Sequential(nn.Linear(read, wide), nn.GELU(), nn.Linear(wide, things + 1))
        # Of a text and the two ends of its scale
        self.direction = nn.Sequential(nn.Linear(3 * read, wide), nn.GELU(), nn.Linear(wide, 1))
        self._known: dict[tuple, torch.Tensor] = {}  # vectors of texts that were read before, see `recall`

    def hear(self, frames: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Frames (clips, frames, audio hidden size) to the log-odds of how much of each thing is in the clips (clips, things), and of
        whether it is there just then (clips, frames, things).
        """
        heard = self.frames(self.normal(frames[..., : self.channels].to(self.moment.weight.dtype)))
        mask = length_mask(lengths, frames.shape[1])[..., None]  # (clips, frames, 1)
        count = lengths.clamp(min=1)[:, None]  # (clips, 1)
        mean = (heard * mask).sum(1) / count
        spread = (((heard - mean[:, None]) * mask).square().sum(1) / count + 1e-4).sqrt()
        most = heard.masked_fill(~mask, -torch.inf).amax(1)
        weights = self.attention(heard).masked_fill(~mask, -torch.inf).softmax(1)  # (clips, frames, pools)
        pooled = torch.einsum("cfp,cfh->cph", weights, heard).flatten(1)
        return self.clip(torch.cat([pooled, mean, spread, most], 1)), self.moment(heard)

    def read(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Texts (texts, length), padded with 0, to their vectors (texts, text hidden size)."""
        mask = (input_ids > 0).long()
        states = self.text(input_ids=input_ids, attention_mask=mask).last_hidden_state
        weights = mask[..., None].to(states)
        return F.normalize((states * weights).sum(1) / weights.sum(1), dim=-1)

    def recall(self, input_ids: torch.Tensor) -> torch.Tensor:
        """As `read`, but texts that were read before, by the same weights, are not read again: the same are asked about each clip."""
        if torch.is_grad_enabled():
            return self.read(input_ids)
        state = tuple((value._version, value.data_ptr()) for value in self.text.parameters())
        keys = [(state, *(token for token in row if token)) for row in input_ids.tolist()]
        new = [place for place, key in enumerate(keys) if key not in self._known]
        if new:
            if len(self._known) > 1000:
                self._known.clear()
            self._known |= zip([keys[place] for place in new], self.read(input_ids[new]))
            if len(new) < len(keys) and not all(key in self._known for key in keys):  # some were forgotten just now
                self._known |= zip(keys, self.read(input_ids))
        return torch.stack([self._known[key] for key in keys])

    def topics(self, vectors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Vectors of texts to the weights of what they ask about (texts, things), the largest 1, and how likely it can be heard (texts,)."""
        shares = self.about(vectors * vectors.shape[-1] ** 0.5).softmax(-1)
        things = shares[:, :-1]
        return (things / things.amax(1, keepdim=True)).square(), 1 - shares[:, -1]

    def join(self, weights: torch.Tensor, amounts: torch.Tensor) -> torch.Tensor:
        """Weights (..., things) and probabilities (..., things) to the probability (...) that any of what is asked for holds."""
        return (1 - (1 - weights * amounts).prod(-1)).clamp(1e-4, 1 - 1e-4)

    def rises(self, vectors: torch.Tensor) -> torch.Tensor:
        """Vectors of texts and the ends of their scales (questions, 3, text hidden size) to how likely answers rise with the things."""
        return self.direction((vectors * vectors.shape[-1] ** 0.5).flatten(1)).sigmoid()[:, 0]

    def answers(
        self, asked: torch.Tensor, texts: torch.Tensor, counts: list[int], frames: torch.Tensor, lengths: torch.Tensor
    ) -> list[torch.Tensor]:
        """
        Args:
            asked: (questions, 6): see `AudioJudgeProcessor.words_of`.
            texts: (texts, length), token ids padded with 0.
            counts: Of each question, the number of its allowed answers.
            frames, lengths: Of all clips, as `encode_audio` gives them.

        Returns:
            Per question the shares (options,) of its answers, or of a `span` question the probabilities (frames,).
        """
        vectors = self.recall(texts)
        weights, hearable = self.topics(vectors)
        rises = self.rises(vectors[asked[:, 2:5]])
        of_clips, of_moments = self.hear(frames, lengths)
        there = self.presence(of_clips[..., None])[..., 0].sigmoid()  # (clips, things)
        found = []
        for (_, clip, text, _, _, kind), up, count in zip(asked.tolist(), rises, counts, strict=True):
            if kind == ASKED_SPAN:
                amounts = self.join(weights[text], of_moments[clip, : int(lengths[clip])].sigmoid())
                found.append((hearable[text] * amounts).float())
                continue
            amount = self.join(weights[text], there[clip] if kind == ASKED_NOUL else of_clips[clip].sigmoid())
            place = up * amount + (1 - up) * (1 - amount)
            if kind == ASKED_NOUL:
                shares = torch.stack([place, 1 - place])
            else:
                places = torch.linspace(0, 1, count, device=place.device)
                shares = (-0.5 * ((places - place) / self.spread).square()).softmax(-1)
            # Of what cannot be heard any answer is as good as another
            found.append((hearable[text] * shares + (1 - hearable[text]) / count).float())
        return found


@torch.no_grad()
def fill_new_rows(weight: torch.Tensor, first: int):
    """
    Starts the rows of new tokens, from `first` on, near the mean of the others, with the same numbers each time: what is
    trained beside them fits the next model made of the same backbones, too.
    """
    known = weight[: first : 1 + first // 8192].float().cpu()  # (some tokens, hidden size)
    noise = torch.randn(len(weight) - first, weight.shape[1], generator=torch.Generator().manual_seed(0))
    weight[first:] = (known.mean(0) + 0.1 * known.std(0) * noise).to(weight)


def add_tokens(causal: PreTrainedModel, size: int) -> int:
    """Makes room for a vocabulary of a `size`, new tokens behind the others; returns how many there were."""
    known = len(causal.get_input_embeddings().weight)
    if size > known:
        causal.resize_token_embeddings(size, mean_resizing=False)
        for part in (causal.get_input_embeddings(), causal.get_output_embeddings()):
            fill_new_rows(part.weight, known)
    return known


class LayerWeights(nn.Module):
    """A mean over the layers of an encoder, each normalised, with learned weights."""

    def __init__(self, config: AudioJudgeConfig):
        super().__init__()
        self.size = frame_size(config.audio_config)
        # One more: what goes into the first layer is a state, too
        self.weight = nn.Parameter(torch.zeros(config.audio_config.num_hidden_layers + 1))

    def forward(self, states: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Its states (clips, frames, audio hidden size) of the input and of each layer to one of the same shape."""
        shares = self.weight.softmax(0)
        return sum(share * F.layer_norm(state, (self.size,)) for share, state in zip(shares, states, strict=True))


class TokenScale(nn.Module):
    """Brings every audio token to the deviation that the language model's own token vectors have."""

    def __init__(self, config: AudioJudgeConfig):
        super().__init__()
        self.scale = config.adapter_scale
        self.norm = nn.LayerNorm(config.text_config.hidden_size)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(audio tokens, text hidden size) to the same shape."""
        return self.norm(tokens) * self.scale


@torch.no_grad()
def token_deviation(embeddings: nn.Module, known: int) -> float:
    """Deviation of the entries of the first `known` token vectors, as a language model gets them (some scale them)."""
    ids = torch.arange(0, known, 1 + known // 8192, device=embeddings.weight.device)  # some tokens
    return float(embeddings(ids).float().std())


def build_adapter(config: AudioJudgeConfig) -> nn.Module:
    """The adapter that `config.adapter` names, with what else the configuration wants of it."""
    adapter = {"pooled_linear": PooledLinearAdapter, "bottleneck": BottleneckAdapter}[config.adapter](config)
    if config.layer_weights:
        adapter.layers = LayerWeights(config)
    if config.adapter_scale:
        adapter.scale = TokenScale(config)
    return adapter


def build_audio_tower(audio_config) -> nn.Module:
    """The encoder of `audio_config`, without the decoder that some checkpoints come with."""
    for encoder in OWN_ENCODER_MODELS:  # remote code can't rely on a registration
        if audio_config.model_type == encoder.config_class.model_type:
            return encoder(audio_config)
    return encoder_part(AutoModel.from_config(audio_config))


class AudioJudgeModel(AudioJudgePreTrainedModel):
    """Encoder, adapter and language model without the head."""

    def __init__(self, config: AudioJudgeConfig):
        super().__init__(config)
        self.audio_tower = build_audio_tower(config.audio_config)
        self.adapter = build_adapter(config)
        self.language_model = AutoModel.from_config(config.text_config)
        self.frame_steps = audio_frame_steps(config.audio_config)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.language_model.get_input_embeddings()  # each decoder has another name for them

    def set_input_embeddings(self, value: nn.Module):
        self.language_model.set_input_embeddings(value)

    def encode_audio(
        self, input_features: torch.Tensor, input_features_mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Runs the encoder.

        Args:
            input_features: (clips, ...) as the encoder's own feature extractor gives them.
            input_features_mask: (clips, time of the features), 1 where a frame or sample is real.

        Returns:
            Frames (clips, frames, audio hidden size) and how many of them are real (clips,).
        """
        features = input_features.to(self.audio_tower.dtype)  # under QLoRA the encoder has another dtype than the rest
        mask = self.full_mask(features) if input_features_mask is None else input_features_mask.to(features.device)
        if len(features) > 1 and self._encodes_one_by_one(features.device):
            # (frames, audio hidden size), (1,) each
            rows = [
                self.encode_audio(clip[None, :length], real[None, :length])
                for clip, real, length in zip(features, mask, mask.sum(1).tolist())
            ]
            frames = nn.utils.rnn.pad_sequence([frames[0] for frames, _ in rows], batch_first=True)
            return frames, torch.cat([lengths for _, lengths in rows])
        encoder = audio_encoder(self.config.audio_config)
        encode = encoder.encode_cut if self.config.cut_window else encoder.encode
        if self.config.layer_weights:
            states = encode(self.audio_tower, features, mask, output_hidden_states=True).hidden_states
            frames = self.adapter.layers(tuple(state.to(self.adapter.layers.weight.dtype) for state in states))
        else:
            frames = encode(self.audio_tower, features, mask).last_hidden_state
        # (clips, frames, audio hidden size), (clips,)
        return frames, count_frames(mask.sum(1).long(), self.frame_steps)

    def _encodes_one_by_one(self, device: torch.device) -> bool:
        """
        Whether clips are encoded one after the other: on a CPU, which a batch of them takes up to twice as long, and much
        memory, as all are padded to the longest. By our encoders, as those of others may need their padding.
        """
        return (
            device.type == "cpu" and not torch.is_grad_enabled() and self.config.audio_config.model_type in OWN_ENCODERS
        )

    def full_mask(self, input_features: torch.Tensor) -> torch.Tensor:
        """(clips, time of the features), all ones: the mask of clips without padding."""
        time_axis = audio_encoder(self.config.audio_config).time_axis
        shape = len(input_features), input_features.shape[time_axis]
        return torch.ones(shape, dtype=torch.long, device=input_features.device)

    def get_audio_features(
        self, input_features: torch.Tensor, input_features_mask: torch.Tensor | None = None, **kwargs
    ) -> AudioJudgeAudioOutput:
        """The encoder's frames, how many are real, and the audio tokens of all clips in a row (`pooler_output`)."""
        frames, lengths = self.encode_audio(input_features, input_features_mask)
        tokens = self.adapter(frames.to(self.adapter.linear.weight.dtype), lengths)  # (audio tokens, text hidden size)
        if self.config.adapter_scale:
            tokens = self.adapter.scale(tokens)
        return AudioJudgeAudioOutput(last_hidden_state=frames, pooler_output=tokens, frame_lengths=lengths)

    def get_placeholder_mask(
        self, input_ids: torch.Tensor | None, inputs_embeds: torch.Tensor, audio_features: torch.Tensor
    ) -> torch.Tensor:
        """(batch, length, hidden size), True where an audio token goes; raises if their numbers differ."""
        if input_ids is None:
            # Embeddings came alone: a placeholder is known by its own
            token = torch.tensor(self.config.audio_token_id, device=inputs_embeds.device)
            mask = (inputs_embeds == self.get_input_embeddings()(token)).all(-1)  # (batch, length)
        else:
            mask = input_ids == self.config.audio_token_id
        if int(mask.sum()) != len(audio_features):
            raise ValueError(
                f"The prompts hold {int(mask.sum())} audio placeholders but the clips make {len(audio_features)} audio tokens: "
                "every clip needs its own `<|audio|>` in the text, expanded by the processor."
            )
        # `masked_scatter` fills it row by row, in the order of the clips
        return mask[..., None].expand_as(inputs_embeds)

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        input_features: torch.Tensor | None = None,
        input_features_mask: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        use_cache: bool | None = None,
        marks: torch.LongTensor | None = None,
        cache: Cache | None = None,
        **kwargs,
    ) -> AudioJudgeModelOutputWithPast:
        r"""
        Args:
            input_features: (clips, ...) of all prompts, in the order of their placeholders; see
                [`~AudioJudgeModel.encode_audio`].
            input_features_mask: (clips, time of the features), 1 where a frame or sample is real.
            marks: (questions, 2), row and column of the only tokens whose final states are wanted: `last_hidden_state` is
                (questions, text hidden size) then. For prompts with questions, without a cache.
            cache: What transformers before 5.24 calls `past_key_values`.
        """
        cache = past_key_values if cache is None else cache
        # Later steps bring neither clips nor questions
        prefill = cache is None or cache.get_seq_length() == 0
        if inputs_embeds is None:
            inputs_embeds = self.get_input_embeddings()(input_ids)  # (batch, length, text hidden size)
        audio = AudioJudgeAudioOutput()
        if input_features is not None:
            audio = self.get_audio_features(input_features, input_features_mask)
            mask = self.get_placeholder_mask(input_ids, inputs_embeds, audio.pooler_output)
            inputs_embeds = inputs_embeds.masked_scatter(
                mask, audio.pooler_output.to(inputs_embeds.device, inputs_embeds.dtype)
            )
        elif input_ids is not None and prefill and (input_ids == self.config.audio_token_id).any():
            # Trainers that don't know audio drop it on the way; that must not pass in silence
            raise ValueError("`input_ids` holds audio placeholders but no `input_features` came with them.")
        is_asked = input_ids is not None and prefill and bool((input_ids == self.config.question_token_id).any())
        lessons = (self.config.learned or {}).get("tasks", {})
        if is_asked and lessons and all(lesson["form"] == "text" for lesson in lessons.values()):
            logger.warning_once(
                f"This judge never learned typed questions, so its answers to them mean nothing; it learned {', '.join(lessons)} "
                "in text: ask it in the words of these tasks, as `audio_judge.AudioJudge` does."
            )
        if input_ids is not None and getattr(self.config.text_config, "hidden_size_per_layer_input", 0):
            # Gemma 3n and 4 have a second table of embeddings, which no new token is in
            known = input_ids < self.config.text_config.vocab_size_per_layer_input
            kwargs["per_layer_inputs"] = self.language_model.get_per_layer_inputs(input_ids.where(known, 0))
        takes_positions = is_asked and self._takes_positions()
        if takes_positions:
            attention_mask, position_ids = self._separate_questions(input_ids, attention_mask, inputs_embeds.dtype)
        if marks is not None and is_asked and self._skips_unread_tokens(inputs_embeds.device):
            states = self._states_at(marks, inputs_embeds, attention_mask, position_ids)  # (questions, hidden size)
            outputs = BaseModelOutputWithPast(last_hidden_state=states)
        elif is_asked and not takes_positions:
            states = self._states_apart(input_ids, inputs_embeds, attention_mask)  # (batch, length, hidden size)
            outputs = BaseModelOutputWithPast(last_hidden_state=states if marks is None else states[*marks[:, :2].T])
        else:
            outputs = self.language_model(
                inputs_embeds=inputs_embeds,
                attention_mask=attention_mask,
                position_ids=position_ids,
                use_cache=use_cache,
                **{CACHE: cache},
                **kwargs,
            )
            if marks is not None:
                outputs.last_hidden_state = outputs.last_hidden_state[marks[:, 0], marks[:, 1]]
        return AudioJudgeModelOutputWithPast(
            last_hidden_state=outputs.last_hidden_state,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            **{CACHE: outputs.get(CACHE)},
            audio_hidden_states=audio.pooler_output,
            audio_frames=audio.last_hidden_state,
            audio_frame_lengths=audio.frame_lengths,
        )

    def _takes_positions(self) -> bool:
        """Whether the language model can be told where each token stands and what it attends to; not if it counts by itself."""
        config = self.config.text_config
        # Layers with a state of their own, such as linear attention, cannot leave out what a mask hides
        kinds = set(getattr(config, "layer_types", None) or ())
        counts = getattr(config, "alibi", False) or kinds - {"full_attention", "sliding_attention", "chunked_attention"}
        return not counts and "position_ids" in signature(self.language_model.forward).parameters

    def _states_apart(
        self, input_ids: torch.Tensor, inputs_embeds: torch.Tensor, attention_mask: torch.Tensor | None
    ) -> torch.Tensor:
        """Final states (batch, length, hidden size) of a prompt whose questions are read one by one, in rows of their own."""
        real = torch.ones_like(input_ids) if attention_mask is None else attention_mask  # (batch, length)
        question = (input_ids == self.config.question_token_id).cumsum(1)  # as in `_separate_questions`
        counts = question.max(1).values.tolist()
        owner = [
            row for row, count in enumerate(counts) for _ in range(max(1, count))
        ]  # a prompt without any is a row, too
        asked = [number for count in counts for number in range(min(1, count), count + 1)]
        # (length of a row,) each, the columns of what is read before a question and of the question
        rows = [
            (((question[row] == 0) | (question[row] == number)) & real[row].bool()).nonzero()[:, 0]
            for row, number in zip(owner, asked)
        ]
        pad = nn.utils.rnn.pad_sequence
        outputs = self.language_model(
            inputs_embeds=pad([inputs_embeds[row, columns] for row, columns in zip(owner, rows)], batch_first=True),
            attention_mask=pad([torch.ones_like(columns) for columns in rows], batch_first=True),
            use_cache=False,
        )
        states = torch.zeros_like(inputs_embeds)
        for row, columns, own in zip(owner, rows, outputs.last_hidden_state):
            states = states.index_put((torch.full_like(columns, row), columns), own[: len(columns)].to(states))
        return states

    def _separate_questions(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None, dtype: torch.dtype
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Lets each question attend to the clips and to itself only, at the positions it would have if asked alone."""
        if self.language_model.config._attn_implementation not in ("sdpa", "eager"):
            raise ValueError(
                "Several questions in one prompt need the sdpa or eager attention of the language model, not "
                f"{self.language_model.config._attn_implementation!r}: load with attn_implementation='sdpa'."
            )
        # (batch, length), as all until `visible`
        real = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        opens = input_ids == self.config.question_token_id  # True at the first token of each question
        question = opens.cumsum(1)  # 0 for what all questions share, then 1, 2, ...
        index = real.cumsum(1) - 1  # position among the real tokens, whichever side is padded
        shared = ((question == 0) & real.bool()).sum(1, keepdim=True)  # (batch, 1), length of what all questions share
        start = torch.where(opens, index, 0).cummax(1).values  # where the question of each token begins
        position_ids = torch.where(question == 0, index, shared + index - start).clamp(min=0)
        order = torch.arange(input_ids.shape[1], device=input_ids.device)  # (length,)
        visible = (question[:, None, :] == 0) | (question[:, None, :] == question[:, :, None])  # (batch, queries, keys)
        visible &= order[:, None] >= order
        visible &= real[:, None, :].bool()
        visible.diagonal(dim1=1, dim2=2).fill_(True)  # no row without a key
        mask = torch.where(visible, 0.0, torch.finfo(dtype).min).to(dtype)
        return mask[:, None], position_ids  # (batch, 1, length, length), (batch, length)

    def _skips_unread_tokens(self, device: torch.device) -> bool:
        """Whether `_states_at` knows the layers of the language model, and all of them lie on the device of its input."""
        if not isinstance(self.language_model, LlamaModel) or self.training:
            return False
        return all(layer.input_layernorm.weight.device == device for layer in self.language_model.layers)

    def _states_at(
        self, marks: torch.Tensor, hidden_states: torch.Tensor, mask: torch.Tensor, position_ids: torch.Tensor
    ) -> torch.Tensor:
        """
        Final states of a Llama at the marks, (questions, hidden size): of all other tokens its last layer makes keys and values
        only, which saves the small judge a quarter of its language model.

        `marks` (questions, 2), `hidden_states` (batch, length, hidden size), `mask` (batch, 1, length, length), `position_ids`
        (batch, length).
        """
        decoder = self.language_model
        rotation = decoder.rotary_emb(hidden_states, position_ids)  # cosines and sines (batch, length, head size)
        for layer in decoder.layers[:-1]:
            hidden_states = layer(hidden_states, attention_mask=mask, position_embeddings=rotation)
        last, attention = decoder.layers[-1], decoder.layers[-1].self_attn
        normed = last.input_layernorm(hidden_states)
        # (batch, heads, length, head size) each
        keys, values = (
            projection(normed).unflatten(-1, (-1, attention.head_dim)).transpose(1, 2)
            for projection in (attention.k_proj, attention.v_proj)
        )
        _, keys = apply_rotary_pos_emb(keys[:, :0], keys, *rotation)
        row, column = marks.unbind(1)  # (questions,) each
        place = (row[:, None] == row).tril(-1).sum(1)  # (questions,), how many marks of the same prompt come before
        at = column.new_zeros(
            len(hidden_states), int(place.max()) + 1
        )  # (batch, marks), the first token where there are fewer
        at[row, place] = column
        batch = torch.arange(len(at), device=at.device)[:, None]  # (batch, 1)
        states = last(
            hidden_states[batch, at],
            attention_mask=mask[batch, 0, at][:, None],  # (batch, 1, marks, length)
            position_embeddings=tuple(part[batch, at] for part in rotation),
            **{CACHE: KnownKeys(keys, values)},
        )
        return decoder.norm(states)[row, place]


def load_language_model(text: str, *, gguf_file: str | None, quantization_config, **options) -> PreTrainedModel:
    """A decoder from its folder or Hub id, a GGUF file of it unpacked; raises a `ValueError` if it is none that a judge can have."""
    if gguf_file and quantization_config is not None:
        raise ValueError(f"{gguf_file} is unpacked as it is loaded: leave out `quantization_config`.")
    packed = GgufConfig(dequantize=True) if gguf_file else quantization_config
    causal = AutoModelForCausalLM.from_pretrained(text, gguf_file=gguf_file, quantization_config=packed, **options)
    if getattr(causal.config.get_text_config(), "num_attention_heads", None) is None:
        raise ValueError(f"{text}: a {causal.config.model_type} has no attention; a judge needs a decoder that has.")
    return causal


class KnownKeys(Cache):
    """Keys and values of all tokens, for a layer that is run at some of them: what it makes of those is among them."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor):
        self.keys, self.values = keys, values  # (batch, heads, length, head size) each

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args, **kwargs) -> tuple[torch.Tensor, ...]:
        return self.keys, self.values


class AudioJudgeForCausalLM(AudioJudgePreTrainedModel, GenerationMixin):
    """The whole judge: `generate` writes words, `decide` reads probabilities."""

    _tp_plan = {"lm_head": "colwise_gather_output"}

    def __init__(self, config: AudioJudgeConfig):
        super().__init__(config)
        self.model = AudioJudgeModel(config)
        self.lm_head = nn.Linear(config.text_config.hidden_size, config.text_config.vocab_size, bias=config.head_bias)
        self.span_head = SpanHead(config) if config.span_size else None
        self.words_head = WordsHead(config.words) if config.words else None
        embeddings = self.get_input_embeddings()
        tied = next(name for name, module in self.named_modules() if module is embeddings)
        self._tied_weights_keys = {"lm_head.weight": f"{tied}.weight"}
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module):
        self.model.set_input_embeddings(value)

    @classmethod
    def from_backbones(
        cls,
        audio: str,
        text: str,
        *,
        adapter: str = "pooled_linear",
        adapter_tokens: int = 128,
        pooled_spread: bool = False,
        layer_weights: bool = False,
        cut_window: bool = False,
        scale_tokens: bool = False,
        span_size: int = 0,
        brief_questions: bool = False,
        quantization_config=None,
        gguf_file: str | None = None,
        dtype: torch.dtype | str = "auto",
        trust_remote_code: bool = False,
    ) -> "AudioJudgeForCausalLM":
        """
        Joins two pretrained models; only the adapter between them (and the embeddings of the new tokens, the same ones each
        time) starts untrained.

        `AudioJudgeProcessor.from_backbones` with the same arguments makes the processor to match.

        Args:
            audio: Hub id or folder of an audio encoder (AST, Whisper, WavLM, PE-A-Frame).
            text: Hub id or folder of a decoder language model.
            adapter: `pooled_linear` or `bottleneck`.
            adapter_tokens: Tokens per clip of `pooled_linear`.
            pooled_spread, layer_weights, cut_window: See [`AudioJudgeConfig`].
            scale_tokens: Whether audio tokens are brought to the deviation of the language model's own token vectors
                (`adapter_scale` of [`AudioJudgeConfig`]), which most adapters are far from when they start.
            span_size: Width of the head for `span` questions, untrained too; 0 for none.
            brief_questions: For the processor, see `AudioJudgeProcessor.from_parts`.
            quantization_config: For the language model only, e.g. a `BitsAndBytesConfig` with nf4.
            gguf_file: Name of a GGUF file in `text`, which is unpacked.
            dtype: Of both backbones; `"auto"` keeps what their files hold.
            trust_remote_code: Passed on to both backbones.
        """
        remote = {"trust_remote_code": trust_remote_code}
        processor = AudioJudgeProcessor.from_backbones(
            audio, text, adapter=adapter, adapter_tokens=adapter_tokens, gguf_file=gguf_file, **remote
        )
        causal = load_language_model(
            text, gguf_file=gguf_file, quantization_config=quantization_config, dtype=dtype, **remote
        )
        known = add_tokens(causal, len(processor.tokenizer))
        tower = encoder_part(AutoModel.from_pretrained(audio, dtype=dtype, **remote))
        config = AudioJudgeConfig(
            audio_config=AutoConfig.from_pretrained(audio, **remote)
            if tower.config.is_encoder_decoder
            else tower.config,
            text_config=causal.config.get_text_config(),
            adapter=adapter,
            adapter_tokens=adapter_tokens,
            adapter_scale=token_deviation(causal.get_input_embeddings(), known) if scale_tokens else 0.0,
            pooled_spread=pooled_spread,
            layer_weights=layer_weights,
            cut_window=cut_window,
            span_size=span_size,
            audio_token_id=processor.audio_token_id,
            question_token_id=processor.question_token_id,
            head_bias=causal.get_output_embeddings().bias is not None,
            dtype=causal.dtype,
        )
        for part in (config.audio_config, config.text_config):
            if Path(part._name_or_path).is_dir():  # where it lay here is nobody else's business
                part._name_or_path = ""
        model = cls._joined(config, tower, causal)
        ends = causal.generation_config.eos_token_id
        ends = {
            processor.tokenizer.convert_tokens_to_ids(processor.end_of_turn),
            *([ends] if isinstance(ends, int) else ends or []),
        }
        model.generation_config.eos_token_id = sorted(ends)
        if quantization_config is not None:
            model._adopt_quantizer(causal)
        return model.eval()

    @classmethod
    def _joined(
        cls, config: AudioJudgeConfig, tower: PreTrainedModel, causal: PreTrainedModel
    ) -> "AudioJudgeForCausalLM":
        """A judge of a loaded encoder and a loaded language model; what is between and beside them is new."""
        with torch.device("meta"):  # its parts are replaced by the loaded ones at once
            model = cls(config)
        decoder = type(model.model.language_model)  # some are inside another module of the causal model
        model.model.audio_tower = tower
        model.model.language_model = next(part for part in causal.modules() if type(part) is decoder)
        model.lm_head = causal.get_output_embeddings()
        model.model.adapter = build_adapter(config).to(tower.device, tower.dtype)
        if config.span_size:
            model.span_head = SpanHead(config).to(tower.device, tower.dtype)
        model.tie_weights()
        model.generation_config = causal.generation_config
        return model

    def _adopt_quantizer(self, causal: PreTrainedModel) -> None:
        """What the trainers and `save_pretrained` ask a quantized model for, from the language model that was quantized."""
        # Matched from the root of the composite
        skipped = [r"(.*\.)?audio_tower", r"(.*\.)?adapter", "lm_head", "span_head"]
        causal.hf_quantizer.quantization_config.llm_int8_skip_modules = skipped
        self.hf_quantizer, self.quantization_method = causal.hf_quantizer, causal.quantization_method
        self.config.quantization_config = causal.hf_quantizer.quantization_config
        self.is_quantized, self.is_loaded_in_4bit = True, causal.is_loaded_in_4bit

    def read(self, states: torch.Tensor, tokens: torch.Tensor | None = None) -> torch.Tensor:
        """
        Logits (..., vocabulary) of final states (..., text hidden size), scaled and capped as the language model does it; with
        `tokens` (..., some tokens) of these only, which is cheap with hundreds of thousands in the vocabulary.
        """
        head, config = self.lm_head, self.config.text_config
        if tokens is None:
            logits = head(states)
        elif type(head) is nn.Linear and type(head.weight) is nn.Parameter and head.weight.numel():
            logits = (head.weight[tokens] @ states[..., None])[..., 0]
            logits = logits if head.bias is None else logits + head.bias[tokens]
        else:  # trained in parts, or shared out among processes: asked as a whole
            logits = head(states).gather(-1, tokens)
        logits = logits * (getattr(config, "logit_scale", None) or 1.0)  # Cohere
        logits = logits / (getattr(config, "logits_scaling", None) or 1.0)  # Granite
        cap = getattr(config, "final_logit_softcapping", None)  # Gemma
        return logits if cap is None else cap * torch.tanh(logits / cap)

    def get_audio_features(self, *args, **kwargs) -> BaseModelOutputWithPooling:
        """See [`~AudioJudgeModel.get_audio_features`]."""
        return self.model.get_audio_features(*args, **kwargs)

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        input_features: torch.Tensor | None = None,
        input_features_mask: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.LongTensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.LongTensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        option_marks: torch.LongTensor | None = None,
        option_ids: torch.LongTensor | None = None,
        span_marks: torch.LongTensor | None = None,
        window_seconds: torch.Tensor | None = None,
        temperatures: torch.Tensor | None = None,
        words_asked: torch.LongTensor | None = None,
        words_ids: torch.LongTensor | None = None,
        cache: Cache | None = None,
        **kwargs,
    ) -> AudioJudgeCausalLMOutputWithPast:
        r"""
        Args:
            labels: (batch, length), token ids to learn, -100 where there is nothing to learn.
            logits_to_keep: Positions whose logits are wanted; 0 means all.
            option_marks: (questions, 2): row and column of the token that each typed question is read at.
            option_ids: (questions, options): tokens of its allowed answers.
            span_marks: (span questions, 3): row and column of the token that each question is read at, and the number of its
                clip among all clips of the batch.
            window_seconds: (windows,), lengths of the windows of a long clip, if `input_features` are those of several: `logits`
                are those that `logits_to_keep` asks for, and give the answers for all windows.
            temperatures: (questions,) of the softmax that reads them then.
            words_asked, words_ids: With `window_seconds`: which of the questions are answered by [`WordsHead`].
            cache: What transformers before 5.24 calls `past_key_values`.
        """
        if window_seconds is not None:
            return AudioJudgeCausalLMOutputWithPast(
                logits=self._logits_of_windows(
                    input_ids,
                    logits_to_keep,
                    window_seconds,
                    option_ids,
                    temperatures,
                    input_features,
                    input_features_mask,
                    words_asked,
                    words_ids,
                )
            )
        outputs = self.model(
            input_ids=input_ids,
            input_features=input_features,
            input_features_mask=input_features_mask,
            attention_mask=attention_mask,
            position_ids=position_ids,
            cache=past_key_values if cache is None else cache,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            **kwargs,
        )
        # (batch, kept, vocabulary)
        logits = self.read(slice_logits_to_keep(outputs.last_hidden_state, logits_to_keep))
        loss = None
        if labels is not None:
            loss = self.loss_function(
                logits=logits, labels=labels, vocab_size=self.config.text_config.vocab_size, **kwargs
            )
        return AudioJudgeCausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            **{CACHE: outputs.get(CACHE)},
            option_logits=None
            if option_marks is None
            else self.read(outputs.last_hidden_state[option_marks[:, 0], option_marks[:, 1]], option_ids),
            span_logits=None
            if span_marks is None
            else self._span_logits(
                outputs.last_hidden_state[span_marks[:, 0], span_marks[:, 1]], outputs, span_marks[:, 2]
            ),
        )

    def _span_logits(
        self, states: torch.Tensor, outputs: AudioJudgeModelOutputWithPast, clips: torch.Tensor
    ) -> torch.Tensor:
        """
        (span questions, frames), see `AudioJudgeCausalLMOutputWithPast`, from the `states` (span questions, text hidden size)
        at the marks and the numbers of the `clips` (span questions,) among those of the batch.
        """
        if self.span_head is None:
            raise ValueError("This judge has no head for `span` questions: its config says `span_size` 0.")
        return self.span_head(states, outputs.audio_frames[clips], outputs.audio_frame_lengths[clips])

    def _expand_inputs_for_generation(self, expand_size: int = 1, input_ids=None, **model_kwargs):
        """Repeats the clips of a prompt as a group: `repeat_interleave` would give A A B B to prompts that want A B A B."""
        names = [name for name in ("input_features", "input_features_mask") if model_kwargs.get(name) is not None]
        if expand_size == 1 or input_ids is None or not names:
            return super()._expand_inputs_for_generation(expand_size, input_ids=input_ids, **model_kwargs)
        audio = {name: model_kwargs.pop(name) for name in names}
        # Numbers of the clips of each prompt
        groups = torch.arange(len(audio["input_features"])).split(self._clips_per_prompt(input_ids, audio))
        rows = torch.cat([group.repeat(expand_size) for group in groups]).to(input_ids.device)  # (clips x expand size,)
        input_ids, model_kwargs = super()._expand_inputs_for_generation(
            expand_size, input_ids=input_ids, **model_kwargs
        )
        return input_ids, model_kwargs | {name: tensor[rows] for name, tensor in audio.items()}

    def _clips_per_prompt(self, input_ids: torch.Tensor, audio: dict[str, torch.Tensor]) -> list[int]:
        """How many clips each row of `input_ids` holds, from its number of placeholders."""
        if self.config.adapter == "pooled_linear":
            return ((input_ids == self.config.audio_token_id).sum(1) // self.config.adapter_tokens).tolist()
        mask = audio.get("input_features_mask", self.model.full_mask(audio["input_features"]))
        # (clips,), audio tokens up to the end of each clip
        tokens = count_frames(mask.sum(1).long(), self.model.frame_steps).cumsum(0)
        # (batch,), placeholders up to the end of each prompt
        ends = (input_ids == self.config.audio_token_id).sum(1).cumsum(0)
        clips = torch.searchsorted(tokens, ends, right=True)  # (batch,), clips up to the end of each prompt
        return clips.diff(prepend=clips.new_zeros(1)).tolist()

    @torch.no_grad()
    def decide(
        self,
        input_ids: torch.LongTensor,
        marks: torch.LongTensor,
        option_ids: list[list[int]],
        temperatures: list[float] | None = None,
        span_clips: list[int | None] | None = None,
        windows: list[ClipWindows] | None = None,
        words_asked: torch.LongTensor | None = None,
        words_ids: torch.LongTensor | None = None,
        mark_questions: list[int] | None = None,
        question_rows: list[int] | None = None,
        **inputs,
    ) -> list[torch.Tensor]:
        """
        Answers every question of every prompt in one forward pass; `AudioJudgeProcessor.decision_inputs` makes the arguments.

        Args:
            input_ids: (batch, length).
            marks: (questions, 2): row and column of the token that each question is read at, but for those that are not.
            option_ids: Token id of each allowed answer, per question.
            temperatures: Softmax temperature per question; 1 if not given.
            span_clips: Per question, the number of the clip (among all of the batch) that a `span` question is about; `None`
                for the other questions.
            windows: Of each request the windows that its prompts are about, in order, each with the same questions: there is one
                answer for all of them, and a pass for every `WINDOWS_PER_PASS` prompts.
            words_asked, words_ids: What is answered by [`WordsHead`] instead, see `AudioJudgeProcessor.words_of`.
            mark_questions: The number of the question of each mark, if not all questions have one.
            question_rows: And then the number of the prompt of each question.
            inputs: The other inputs of `forward` (`attention_mask`, `input_features`, ...).

        Returns:
            Per question, the probabilities (options,) of its allowed answers, which sum to one; for a `span` question, the
            probability (frames,) of hearing it in each frame of its clip.
        """
        if windows is not None:
            words = {"words_asked": words_asked, "words_ids": words_ids}
            rows = marks[:, 0].tolist() if question_rows is None else question_rows
            numbers = list(range(len(marks))) if mark_questions is None else mark_questions
            return self._decide_windows(
                input_ids, marks, option_ids, temperatures, span_clips, windows, words, numbers, rows, inputs
            )
        outputs = self.model(input_ids=input_ids, use_cache=False, marks=marks, **inputs)
        states = outputs.last_hidden_state  # (questions, text hidden size)
        numbers = range(len(marks)) if mark_questions is None else mark_questions  # of the questions that have a mark
        ids = padded_options([option_ids[number] for number in numbers]).to(marks.device)  # (marks, most options)
        logits = self.read(states, ids.clamp(min=0)).float()
        if temperatures:
            logits = logits / logits.new_tensor([temperatures[number] for number in numbers])[:, None]
        shares = logits.masked_fill(ids < 0, -torch.inf).softmax(-1)  # (marks, most options)
        answers: list[torch.Tensor] = [shares[:0]] * len(option_ids)
        for number, row in zip(numbers, shares, strict=True):
            answers[number] = row[: len(option_ids[number])]  # (options,)
        about_when = [
            (mark, span_clips[number])
            for mark, number in enumerate(numbers)
            if span_clips and span_clips[number] is not None
        ]
        if about_when:
            of_marks, clips = marks.new_tensor(about_when).unbind(1)  # (span questions,) each
            # (span questions, frames)
            heard = self._span_logits(states[of_marks], outputs, clips).sigmoid()
            lengths = outputs.audio_frame_lengths[clips].tolist()
            for (mark, _), row, length in zip(about_when, heard, lengths, strict=True):
                answers[numbers[mark]] = row[:length]  # (frames of this clip,)
        if words_asked is not None and len(words_asked):
            questions = words_asked[:, 0].tolist()
            counts = [len(option_ids[question]) for question in questions]
            heard = outputs.audio_frames, outputs.audio_frame_lengths
            found = self.words_head.answers(words_asked, words_ids, counts, *heard)
            for question, answer in zip(questions, found, strict=True):
                answers[question] = answer
        return answers

    @torch.no_grad()
    def hears(self, words_ids: torch.LongTensor) -> torch.Tensor:
        """(texts, length), padded with 0, to how likely each asks about anything that [`WordsHead`] can hear (texts,)."""
        return self.words_head.topics(self.words_head.recall(words_ids.to(self.device)))[1]

    def _decide_windows(
        self,
        input_ids: torch.Tensor,
        marks: torch.Tensor,
        option_ids: list[list[int]],
        temperatures: list[float] | None,
        span_clips: list[int | None] | None,
        windows: list[ClipWindows],
        words: dict[str, torch.Tensor | None],
        mark_questions: list[int],
        question_rows: list[int],
        inputs: dict[str, torch.Tensor],
    ) -> list[torch.Tensor]:
        """As `decide`, some prompts at a time, and the answers joined of what is one request."""
        audio = {name: inputs[name] for name in ("input_features", "input_features_mask") if name in inputs}
        per_prompt = self._clips_per_prompt(input_ids, audio) if audio else [0] * len(input_ids)
        ends = list(accumulate(per_prompt, initial=0))  # number of the first clip of each prompt
        numbers: list[list[int]] = [[] for _ in input_ids]  # of the questions of each prompt
        for number, row in enumerate(question_rows):
            numbers[row].append(number)
        mark_of = {number: mark for mark, number in enumerate(mark_questions)}
        answers: list[list[torch.Tensor]] = []  # of each prompt
        for first in range(0, len(input_ids), WINDOWS_PER_PASS):
            rows = slice(first, first + WINDOWS_PER_PASS)
            asked = [number for own in numbers[rows] for number in own]
            clips = slice(ends[first], ends[min(first + WINDOWS_PER_PASS, len(input_ids))])
            spans = [
                None if span_clips is None or (clip := span_clips[n]) is None else clip - clips.start for n in asked
            ]
            # Numbers of the questions and clips of this pass
            places = {number: place for place, number in enumerate(asked)}
            marked = [number for number in asked if number in mark_of]
            words_asked = words["words_asked"]
            if words_asked is not None:
                own = [
                    [places[number], clip - clips.start, *rest]
                    for number, clip, *rest in words_asked.tolist()
                    if number in places
                ]
                words_asked = words_asked.new_tensor(own).view(-1, words_asked.shape[1])
            found = iter(
                self.decide(
                    input_ids[rows],
                    marks[[mark_of[number] for number in marked]] - marks.new_tensor([first, 0]),
                    [option_ids[number] for number in asked],
                    [temperatures[number] for number in asked] if temperatures else None,
                    spans,
                    words_asked=words_asked,
                    words_ids=words["words_ids"],
                    mark_questions=[places[number] for number in marked],
                    **{name: value[clips if name in audio else rows] for name, value in inputs.items()},
                )
            )
            answers += [[next(found) for _ in own] for own in numbers[rows]]
        joined, place = dict[int, torch.Tensor](), 0  # by number of the question about the first window
        for own in windows:
            for question, rows in zip(numbers[place], zip(*answers[place : place + len(own)], strict=True)):
                is_span = span_clips is not None and span_clips[question] is not None
                joined[question] = rows[0] if len(rows) == 1 and not is_span else own.answer(rows, is_span)
            place += len(own)
        return [joined[question] for question in sorted(joined)]

    def _logits_of_windows(
        self,
        input_ids: torch.Tensor,
        columns: torch.Tensor,
        window_seconds: torch.Tensor,
        option_ids: torch.Tensor,
        temperatures: torch.Tensor,
        input_features: torch.Tensor,
        input_features_mask: torch.Tensor,
        words_asked: torch.Tensor | None = None,
        words_ids: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """
        Logits (1, questions, vocabulary) that, read like those of one prompt, give the answers for all windows of a clip.

        Args:
            input_ids: (1, length): the prompt about the first window.
            columns: (questions,), where its questions are read.
            window_seconds, option_ids, temperatures, words_asked, words_ids: As `AudioJudgeProcessor.apply_chat_template` gives
                them, the last two for the first window.
            input_features, input_features_mask: Those of all windows.
        """
        count = len(window_seconds)
        if self.config.adapter == "pooled_linear":
            tokens = torch.full((len(input_features),), self.config.adapter_tokens)
        else:
            tokens = count_frames(input_features_mask.sum(1).long(), self.model.frame_steps).cpu()
        tokens = tokens.view(count, -1)  # (windows, clips of each)
        # One placeholder per clip again, and then as many as it has tokens in each window
        places = (input_ids[0] == self.config.audio_token_id).nonzero()[:, 0].cpu()
        kept = torch.ones(input_ids.shape[1], dtype=torch.bool)
        kept[places] = False
        kept[places[tokens[0].cumsum(0) - tokens[0]]] = True
        ids, at = input_ids[0].cpu()[kept], kept.cumsum(0)[columns.cpu()] - 1
        prompts = [with_audio_tokens(ids, at, own.tolist(), self.config.audio_token_id) for own in tokens]
        pad = nn.utils.rnn.pad_sequence
        marks = torch.tensor([[row, column] for row, (_, own) in enumerate(prompts) for column in own.tolist()])
        options = [[token for token in own if token >= 0] for own in option_ids.tolist()]
        if words_asked is not None and count > 1:
            step = words_asked.new_tensor([len(options), len(input_features) // count, 0, 0, 0, 0])
            words_asked = torch.cat([words_asked + place * step for place in range(count)])
        device, filler = input_ids.device, float(ids[at[0]])  # any token that stands for no clip and opens no question
        answers = self.decide(
            pad([own for own, _ in prompts], batch_first=True, padding_value=filler).to(device),
            marks.to(device),
            options * count,
            temperatures.tolist() * count,
            windows=[ClipWindows(list(pairwise(accumulate(window_seconds.tolist(), initial=0.0))), 0.0)],
            words_asked=words_asked,
            words_ids=words_ids,
            attention_mask=pad([torch.ones_like(own) for own, _ in prompts], batch_first=True).to(device),
            input_features=input_features,
            input_features_mask=input_features_mask,
        )
        logits = torch.full((1, len(options), self.config.text_config.vocab_size), torch.finfo(torch.float32).min)
        for question, (own, shares, temperature) in enumerate(
            zip(options, answers, temperatures.tolist(), strict=True)
        ):
            logits[0, question, own] = (shares.log() * temperature).float().clamp(min=-1e30)
        return logits.to(device)

    @torch.no_grad()
    def candidate_log_probabilities(
        self,
        input_ids: torch.LongTensor,
        candidates: list[list[int]],
        attention_mask: torch.Tensor | None = None,
        **inputs,
    ) -> torch.Tensor:
        """
        Log-probability of writing each candidate after each prompt: one pass over the prompts, then a short one for each place
        where candidates part, over what those have in common that begin alike.

        Args:
            input_ids: (batch, length), padded on the left.
            candidates: Token ids of each candidate answer, its end of turn included (else "1" also counts "1.0").
            attention_mask: (batch, length).
            inputs: The other inputs of `forward`.

        Returns:
            (batch, candidates), log of the joint probability of the candidate's tokens.
        """
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        positions = (mask.cumsum(1) - 1).clamp(min=0)  # (batch, length), padding not counted
        outputs = self(
            input_ids, attention_mask=mask, position_ids=positions, use_cache=True, logits_to_keep=1, **inputs
        )
        logits = outputs.logits.float()  # (batch, places that something is written after, vocabulary)
        total = logits.new_zeros(len(input_ids), len(candidates))
        # Place among those of `logits`, row of the cache, tokens before, and the candidates that begin so
        begun, rows = [(0, 0, 0, range(len(candidates)))], 1
        while True:
            runs = [
                (row, at, run, own, place)
                for place, row, at, members in begun
                for run, own in common_runs(candidates, members, at)
            ]
            add_written(total, logits, [(place, run[0], own) for _, _, run, own, place in runs])
            fed = runs_to_read(candidates, runs)
            if not fed:
                return total
            outputs, mask = self._read_runs(fed, outputs[CACHE], mask, rows)
            rows, wide = len(fed), outputs.logits.shape[1]
            logits = outputs.logits.float().view(len(input_ids), rows * wide, -1)
            written = [
                (row * wide + step, token, own)
                for row, (_, _, run, own) in enumerate(fed)
                for step, token in enumerate(run[1:])
            ]
            add_written(total, logits, written)
            begun = [(row * wide + len(run) - 1, row, at + len(run), own) for row, (_, at, run, own) in enumerate(fed)]

    def _read_runs(self, fed: list, cache: Cache, mask: torch.Tensor, rows: int):
        """
        What is said after each token of the runs (see `runs_to_read`), each of which goes on from one of the `rows` that the
        cache has per prompt: the outputs of `forward` for (batch x runs, width), and their mask (batch x runs, length).
        """
        batch = len(mask) // rows
        # (batch x runs,), the rows that each goes on from
        parents = torch.tensor([row for row, *_ in fed], device=mask.device)
        parents = (torch.arange(batch, device=mask.device)[:, None] * rows + parents).flatten()
        cache.reorder_cache(parents)
        tokens = [torch.tensor(run) for _, _, run, _ in fed]
        # (batch x runs, width), -1 past the end of a run
        tokens = nn.utils.rnn.pad_sequence(tokens, batch_first=True, padding_value=-1).to(mask.device)
        tokens = tokens.repeat(batch, 1)
        mask = torch.cat([mask[parents], (tokens >= 0).long()], dim=1)
        positions = mask.cumsum(1)[:, -tokens.shape[1] :] - 1
        outputs = self(tokens.clamp(min=0), attention_mask=mask, position_ids=positions, use_cache=True, cache=cache)
        return outputs, mask


def runs_to_read(candidates: list[list[int]], runs: list) -> list:
    """
    What has to be read of runs, (row, tokens before, tokens, candidates, place) each, to know what is written after them: (row,
    tokens before, tokens, candidates) of those after which something is.
    """
    # Where candidates end with a run, nothing is written after its last token
    sizes = [len(run) - all(len(candidates[n]) == at + len(run) for n in own) for _, at, run, own, _ in runs]
    # Runs that are gone on from are equally long: some decoders have a state, which padding would go into
    parting = [size for size, (_, _, run, _, _) in zip(sizes, runs) if size == len(run)]
    width = min(parting) if parting else max(sizes, default=0)
    return [(row, at, run[: min(size, width)], own) for size, (row, at, run, own, _) in zip(sizes, runs) if size]


def common_runs(candidates: list[list[int]], members: list[int], at: int) -> list[tuple[list[int], list[int]]]:
    """
    How some of the candidates (`members`) go on after their first `at` tokens: the tokens that those which begin alike have in
    common, and which those are.
    """
    alike = {}
    for number in members:
        if len(candidates[number]) > at:
            alike.setdefault(candidates[number][at], []).append(number)
    runs = []
    for own in alike.values():
        shortest = min(len(candidates[number]) for number in own)
        parts = (end for end in range(at + 1, shortest) if len({candidates[number][end] for number in own}) > 1)
        runs.append((candidates[own[0]][at : next(parts, shortest)], own))
    return runs


def add_written(total: torch.Tensor, logits: torch.Tensor, written: list[tuple[int, int, list[int]]]):
    """
    Adds log-probabilities of tokens to the `total` (batch, candidates), each from its place among the `logits` (batch, places,
    vocabulary) to the candidates that have it there: (place, token, candidates).
    """
    if not written:
        return
    places, tokens, owners = zip(*written)
    places = list(places)
    found = logits[:, places, list(tokens)] - logits.logsumexp(-1)[:, places]  # (batch, tokens)
    for column, own in enumerate(owners):
        total[:, own] += found[:, column, None]


AudioJudgeForCausalLM.register_for_auto_class("AutoModelForCausalLM")

__all__ = [
    "AudioJudgeDistillMosEncoder",
    "AudioJudgeEncoder",
    "AudioJudgeForCausalLM",
    "AudioJudgeJoinedEncoder",
    "AudioJudgeLevelsEncoder",
    "AudioJudgeModel",
    "AudioJudgeNisqaEncoder",
    "AudioJudgePreTrainedModel",
    "AudioJudgeSpokenEncoder",
]
