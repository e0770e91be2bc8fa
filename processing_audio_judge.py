"""Processor of Audio Judge: clips and text to model inputs, and typed questions to prompts and back to answers.

Long clips are cut into windows here, and the answers to their windows joined, whoever asks: `AudioJudgeProcessor.windows`,
`Activity`, `over_windows`. Reading files of any kind, a window at a time, is the package's work (`audio_judge.audio`); of the
requests that come in here, the sound is in them.
"""

import base64
import binascii
import difflib
import functools
import io
import itertools
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import torch
from transformers import AddedToken, AutoConfig, AutoFeatureExtractor, AutoTokenizer, PreTrainedTokenizerFast
from transformers.audio_utils import mel_filter_bank
from transformers.decision import DecisionConfig, Question, label_token_ids, parse_questions, prepare_inputs
from transformers.feature_extraction_sequence_utils import SequenceFeatureExtractor
from transformers.feature_extraction_utils import BatchFeature
from transformers.processing_utils import ProcessorMixin
from transformers.utils import cached_file, is_soundfile_available, is_soxr_available

from .configuration_audio_judge import (
    AudioJudgeEncoderConfig,
    audio_frame_steps,
    count_frames,
    encoder_config,
    encoder_of_extractor,
)

if is_soundfile_available():
    import soundfile
if is_soxr_available():
    import soxr


AUDIO, QUESTION, MARK, SPLIT = "<|audio|>", "<|question|>", "<|mark|>", "<|split|>"
# The file of the requests that a judge learned to answer in words
REQUESTS_FILE = "requests.json"
# Those of the tokens, and of the limits, of what answers questions in other words than those
WORDS_TOKENIZER_FILE, WORDS_FILE = "words_tokenizer.json", "words.json"
MOST_WORDS_TOKENS = 64
# Kinds of questions that it answers
ASKED_SCORE, ASKED_NOUL, ASKED_SPAN = range(3)
ASKED = {"score": ASKED_SCORE, "noul": ASKED_NOUL, "span": ASKED_SPAN}
# What a `span` question looks like in the prompt; transformers knows the other three types only
SPAN_INSTRUCTIONS = "When is this heard: {}?"

# Windows that are asked about in one pass: more take more memory, and no less time
WINDOWS_PER_PASS = 8
# What is heard of a clip: at least so much, and in windows of at least so much if there is so much
MIN_SECONDS, LEAST_SECONDS = 0.1, 1.0
# The last bit of 16, -90.3 dBFS: what never gets louder is digital silence, dithered or not
SILENCE_PEAK = 2.0**-15
# Below the level of the clip: room noise of a clean recording is silence, the noise of a noisy one is not
QUIET_DB = -40.0
QUIET_DBFS = -80.0
LONGEST_PAUSE_SECONDS = 2.0  # a longer one is no part of speech
# Levels are of 10 ms, one for each millisecond: where sound begins must not hang on where the file begins
HOP_SECONDS = 0.001
HOPS = 10


def named_turns(begin: str, start: str, middle: str, end: str, after: str) -> dict[str, str]:
    """
    How a conversation is written whose turns name their role: what stands before all, before each role, between a system
    message and a request (`RULED`), after a request (`CLOSE`), and after an answer, the end that is learned and the rest.
    """
    opening = {role.upper(): f"{start}{role}{middle}" for role in ("system", "user", "assistant")}
    between = {"RULED": end + after + opening["USER"], "CLOSE": end + after}
    return opening | between | {"BEGIN": begin, "END": end, "AFTER": after}


# Turns whose tokens tell them
TURNS = {
    "llama3": named_turns("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>\n\n", "<|eot_id|>", ""),
    "chatml": named_turns("", "<|im_start|>", "\n", "<|im_end|>", "\n"),
}

CHAT_TEMPLATE = """
{%- macro content(message) -%}
    {%- if message['content'] is string -%}{{ message['content'] }}
    {%- else -%}
        {%- for block in message['content'] -%}
            {%- if block['type'] == 'audio' -%}{{ '<|audio|>' }}
            {%- elif block['type'] == 'text' -%}{{ block['text'] }}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro -%}
{{- BEGIN -}}
{%- for message in messages -%}
    {%- if message['role'] == 'assistant' -%}
        {{- ASSISTANT -}}
        {%- generation -%}{{- content(message) ~ END -}}{%- endgeneration -%}
        {{- AFTER -}}
    {%- elif message['role'] == 'system' -%}
        {{- SYSTEM ~ content(message) ~ RULED -}}
    {%- else -%}
        {%- if loop.first or loop.previtem['role'] != 'system' -%}{{- USER -}}{%- endif -%}
        {{- content(message) ~ CLOSE -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- ASSISTANT -}}{%- endif -%}
"""

# One prompt for all questions: the clips first, then each question with the place where its answer is read. Of scales BRIEF
# questions show the ends alone
DECISION_TEMPLATE = """
{%- macro text(x) -%}{{ "" if x is none else x if x is string else x|tojson }}{%- endmacro -%}
{{- BEGIN ~ USER -}}
{%- if state is string or state is mapping -%}{{ text(state) }}
{%- else -%}
    {%- for block in state -%}
        {%- if block is mapping and block.type == 'audio' -%}{{ '<|audio|>' }}
        {%- elif block is mapping and block.type == 'text' -%}{{ block.text }}
        {%- else -%}{{ text(block) }}
        {%- endif -%}
    {%- endfor -%}
{%- endif -%}
{%- for question in questions -%}
    {{- '<|question|>' ~ text(question.instructions) -}}
    {%- for option in question.options -%}
        {%- set label, description = question.labels[loop.index0], text(question.descriptions[loop.index0]) -%}
        {%- if question.type == 'choice' -%}
            {%- set description = option ~ ': ' ~ description if description else option -%}
        {%- endif -%}
        {%- set is_shown = not BRIEF or question.type != 'score' or loop.first or loop.last -%}
        {%- if is_shown and (question.type != 'noul' or description) -%}
            {{- '\n' ~ label ~ ' ' ~ description -}}
        {%- endif -%}
    {%- endfor -%}
    {{- ('\n' if BRIEF else CLOSE ~ ASSISTANT) ~ '<|mark|>' -}}
{%- endfor -%}
"""


def fill_turns(template: str, turns: dict[str, Any]) -> str:
    """The template with the texts of some turns, and what else goes by a name in capitals."""
    # Names in capitals, which the templates have for these only; a string in JSON is one in Jinja
    names = re.compile(rf"\b({'|'.join(turns)})\b")
    return names.sub(lambda name: json.dumps(turns[name[0]], ensure_ascii=False), template)


UNKNOWN_TURNS = "The turns of this language model are not known:"


def find_turns(tokenizer: Any) -> dict[str, str]:
    """
    The turns that a language model knows: those of its chat template; without one, those that its special tokens are of; else
    plain words, each turn ended by its end of text.

    Raises:
        ValueError: If there is none of these: tokens that are new to it would say nothing.
    """
    if tokenizer.chat_template is not None:
        return own_turns(tokenizer)
    vocabulary = tokenizer.get_vocab()
    for turns in TURNS.values():
        if all(token in vocabulary for token in turn_tokens(turns)):
            return turns
    if tokenizer.eos_token is None:
        raise ValueError(
            f"{UNKNOWN_TURNS} its tokenizer has neither a chat template nor a token that ends a text. Save it with the `eos_token` "
            "or the `chat_template` that the model was trained with."
        )
    first = tokenizer("a").input_ids[:1]
    begin = tokenizer.bos_token if tokenizer.bos_token and first == [tokenizer.bos_token_id] else ""
    return named_turns(begin, "", ":\n", tokenizer.eos_token, "\n")


def turn_tokens(turns: dict[str, str]) -> list[str]:
    """Special tokens of some turns of `TURNS`, the one that begins a turn first."""
    return list(dict.fromkeys(re.findall(r"<\|\w+\|>", turns["USER"] + turns["BEGIN"] + turns["END"])))


def own_turns(tokenizer: Any) -> dict[str, str]:
    """
    The turns of a tokenizer's chat template, from what it writes around messages; a default system message is left out, like
    the date that some models have in it.
    """

    def write(*messages: str, **options: Any) -> str:
        roles = ("user", "assistant", "user") if messages[0] == "@1@" else ("system", "user")
        turns = [{"role": role, "content": text} for role, text in zip(roles, messages)]
        return tokenizer.apply_chat_template(turns, tokenize=False, **options)

    try:
        whole = write("@1@", "@2@", "@3@")
    except Exception as error:  # of Jinja's, or what a template in want of other messages stumbles over
        raise ValueError(f"{UNKNOWN_TURNS} its chat template does not write a plain conversation: {error}") from error
    if not re.search("@1@.*@2@.*@3@", whole, re.DOTALL):
        raise ValueError(f"{UNKNOWN_TURNS} its chat template leaves parts of a conversation out: {whole!r}")
    before, rest = whole.split("@1@", 1)
    answering, rest = rest.split("@2@", 1)
    between = rest.split("@3@", 1)[0]  # from an answer to the next request
    begin = tokenizer.bos_token or ""
    if begin in between or not before.startswith(begin):  # it may be what begins each turn
        begin = ""
    for turns in TURNS.values():
        known = turns["USER"] + "@1@" + turns["CLOSE"] + turns["ASSISTANT"] + "@2@" + turns["END"] + turns["AFTER"]
        if known + turns["USER"] + "@3@" in whole:
            return turns | {"BEGIN": begin or turns["BEGIN"] * (turns["BEGIN"] in before)}
    # The end of an answer is its first special token; where there is none, the end of text is learned in its place
    special = [token.content for token in tokenizer.added_tokens_decoder.values() if token.content in between]
    end = min((between[: between.index(token) + len(token)] for token in special), key=len, default=None)
    if end is None:
        end, after = tokenizer.eos_token or "", between
    else:
        after = between.removeprefix(end)
    user = common_end(before.removeprefix(begin), after)
    if before.removeprefix(begin) != user:  # a default system message, after which a turn begins as after an answer
        user = user.lstrip("\n")
    close = write("@1@").split("@1@", 1)[1]
    close = close if answering.startswith(close) else ""
    turns = {"BEGIN": begin, "USER": user, "CLOSE": close, "ASSISTANT": answering.removeprefix(close), "END": end}
    turns["AFTER"] = after.removesuffix(user)
    try:
        system, rest = write("@0@", "@1@").split("@0@", 1)
        turns["SYSTEM"], turns["RULED"] = system.removeprefix(begin), rest.split("@1@", 1)[0]
    except Exception:  # refused in an error of Jinja's, or left out in silence: it then begins the request
        turns["SYSTEM"], turns["RULED"] = user, "\n\n"
    return turns


def common_end(one: str, other: str) -> str:
    """The longest text that both end with."""
    return next(one[start:] for start in range(len(one) + 1) if other.endswith(one[start:]))


class AudioJudgeFeatureExtractor(SequenceFeatureExtractor):
    r"""
    Frames of 10 ms for our encoders, side by side for each that hears the clip: its `views`.

    `mel` is in absolute dB, nothing normalised per clip, so that the level stays audible. The other views are those of
    the networks they are named after, whose own code they follow: `nisqa` is cut 80 dB below the clip's loudest band,
    `distill_mos` and `whisper` hear 16 kHz and normalise the level away.

    Args:
        feature_size (`int`, *optional*, defaults to 64): Bands of `mel`, from 0 Hz to `max_frequency`.
        sampling_rate (`int`, *optional*, defaults to 48000): In hertz.
        fft_length (`int`, *optional*, defaults to 1024): Samples of the Fourier transform of `mel` and `nisqa`; NISQA's own
            is 4096, which costs four times as much and hardly changes its coarse bands.
        window_length (`int`, *optional*, defaults to 960): Samples of the Hann window (20 ms).
        hop_length (`int`, *optional*, defaults to 480): Samples from one frame to the next (10 ms).
        max_frequency (`float`, *optional*, defaults to 22000.0): Upper edge of the highest band of `mel`, in hertz.
        views (`list[str]`, *optional*): Which of `VIEWS`, in the order in which they lie side by side.
        pad_mode (`str`, *optional*, defaults to `"constant"`): What is heard before and after a clip by `mel` and `nisqa`:
            `constant` silence, or `reflect` its mirror image, as NISQA does.
        remove_offset (`bool`, *optional*, defaults to `True`): Take the mean off a clip, which nobody hears.
        grid_length (`int`, *optional*, defaults to 0): Samples of a frame of the encoder, 1,920 for 40 ms: the frames are
            laid so that one begins 10 ms before the clip is loudest, and where the recording happens to begin hardly moves
            what is heard. With 0 the first frame begins with the clip.
        optional_words (`dict[str, list[str]]`, *optional*): Views, the last ones, that are made only for what is asked about
            them, to the beginnings of words by which such questions are known.
    """

    model_input_names = ["input_features"]

    def __init__(
        self,
        feature_size: int = 64,
        sampling_rate: int = 48_000,
        padding_value: float = 0.0,
        fft_length: int = 1024,
        window_length: int = 960,
        hop_length: int = 480,
        max_frequency: float = 22_000.0,
        views: list[str] | tuple[str, ...] = ("mel",),
        pad_mode: str = "constant",
        remove_offset: bool = True,
        grid_length: int = 0,
        optional_words: dict[str, list[str]] | None = None,
        **kwargs,
    ):
        super().__init__(feature_size, sampling_rate, padding_value, **kwargs)
        unknown = [view for view in views if view not in VIEWS]
        if unknown:
            raise ValueError(f"`views` holds {unknown[0]!r}; known are {', '.join(VIEWS)}.")
        self.fft_length, self.window_length, self.hop_length = fft_length, window_length, hop_length
        self.max_frequency, self.views, self.pad_mode = max_frequency, list(views), pad_mode
        self.remove_offset, self.grid_length = remove_offset, grid_length
        self.optional_words = dict(optional_words or {})
        self._constants: dict[str, torch.Tensor] = {}

    def to_dict(self) -> dict[str, Any]:
        output = super().to_dict()
        output.pop("_constants", None)  # tensors, which JSON does not hold
        return output

    def constant(self, name: str) -> torch.Tensor:
        """A window (samples,), mel filters (frequency bins, bands), or the low-pass of the resampler (taps,), made once."""
        if name not in self._constants:
            bins, rate = self.fft_length // 2 + 1, self.sampling_rate
            made = {
                "window": lambda: torch.hann_window(self.window_length),
                "mel": lambda: mel_filters(bins, self.feature_size, self.max_frequency, rate, None),
                # NISQA sums magnitudes over the bins of its own transform, four times as many
                "nisqa": lambda: mel_filters(bins, 48, 20_000.0, rate, "slaney") * (4096 / self.fft_length),
                "whisper": lambda: mel_filters(201, 80, 8000.0, 16_000, "slaney"),
                "low_pass": low_pass_third,
            }
            self._constants[name] = made[name]()
        return self._constants[name]

    def mel_bands(self, samples: torch.Tensor, views: set[str]) -> dict[str, torch.Tensor]:
        """(samples,) to what lies in the bands of `mel` and `nisqa` (frames, bands), power and magnitude, from one spectrum."""
        half, outside = self.fft_length // 2, (self.fft_length - self.window_length) // 2
        padded = torch.nn.functional.pad(samples[None, None], (half, half), self.pad_mode)[0, 0]
        frames = padded.unfold(0, self.fft_length, self.hop_length)[:, outside : outside + self.window_length]
        bands: dict[str, list[torch.Tensor]] = {view: [] for view in views}
        # Some at a time: copies of all frames, which fit into no cache, take twice as long
        for block in frames.split(64):
            spectrum = torch.fft.rfft(block * self.constant("window"), self.fft_length)  # (some frames, bins)
            power = spectrum.real.square() + spectrum.imag.square()
            for view, parts in bands.items():
                parts.append((power if view == "mel" else power.sqrt()) @ self.constant(view))
        return {view: torch.cat(parts) for view, parts in bands.items()}

    def log_mel(self, power: torch.Tensor) -> torch.Tensor:
        """
        Power in the bands (frames, bands) in decibels, a full-scale sine near +1 and digital silence at -3 after the fixed
        scaling `dB / 25 + 1`.
        """
        # A sine reaches half the sum of the window: scaled so that one of full scale has power 1
        scale = 4 / self.constant("window").sum() ** 2
        return 10 / 25 * torch.log10((power * scale).clamp(min=1e-10)) + 1

    def nisqa_mel(self, magnitude: torch.Tensor) -> torch.Tensor:
        """Magnitude in NISQA's 48 bands (frames, 48) in decibels, at most 80 below the loudest."""
        decibels = 20 * torch.log10(magnitude.clamp(min=1e-4))
        return decibels.clamp(min=decibels.max() - 80)

    def compressed_spectrum(self, samples: torch.Tensor) -> torch.Tensor:
        """
        (samples,) at 16 kHz to Distill-MOS's complex spectrum (frames, 322): real parts of 161 bins, then imaginary ones, of
        the clip with its peak at 1, magnitudes raised to 0.3.
        """
        samples = samples / (samples.abs().max() + 1e-8)
        padded = torch.cat(
            [samples[1:81].flip(0), samples, samples.new_zeros(240)]
        )  # silence follows, as in the original
        spectrum = torch.stft(padded, 320, 160, window=torch.hann_window(320), center=False, return_complex=True)
        spectrum = spectrum * spectrum.abs().clamp(min=1e-12) ** -0.7  # (161, frames)
        return torch.cat([spectrum.real, spectrum.imag]).T

    def whisper_mel(self, samples: torch.Tensor) -> torch.Tensor:
        """(samples,) at 16 kHz to Whisper's 80 bands (frames, 80), of the clip alone without silence up to 30 s."""
        spectrum = torch.stft(samples, 400, 160, window=torch.hann_window(400), return_complex=True)
        power = spectrum.abs().square()[:, :-1].T @ self.constant("whisper")  # (frames, 80)
        decades = torch.log10(power.clamp(min=1e-10))
        return (decades.clamp(min=decades.max() - 8) + 4) / 4

    def at_16_khz(self, samples: torch.Tensor) -> torch.Tensor:
        """(samples,) at 48 kHz to every third of them, low-passed."""
        low_pass = self.constant("low_pass")
        padded = torch.nn.functional.pad(samples, (len(low_pass) // 2,) * 2)
        return torch.nn.functional.conv1d(padded[None, None], low_pass[None, None], stride=3)[0, 0]

    def optional_views(self, text: str) -> set[str]:
        """The optional views that a text asks about."""
        words = [word for word in re.split(r"\W+", text.lower()) if word]
        return {
            view for view, stems in self.optional_words.items() if any(word.startswith(tuple(stems)) for word in words)
        }

    def on_grid(self, samples: torch.Tensor) -> torch.Tensor:
        """
        (samples,) after less than a frame of its own beginning, mirrored and faded in, so that a frame begins a hop before
        the clip is loudest: before the phase of the energy, to the fourth power, in one turn a frame. All of the clip is heard.
        """
        # Every quarter of a millisecond: coarser, it moves with the clip's beginning, and where peaks nearly cancel each
        # other the phase with it
        step, width = self.sampling_rate // 4000, self.sampling_rate // 100  # samples
        if not self.grid_length or len(samples) < max(self.grid_length, 2 * width):
            return samples
        energy = energy_of_windows(samples, torch.hann_window(width // step * step).view(-1, step))  # (count,)
        loudest = energy.max()
        if loudest == 0:
            return samples
        # After so many steps the phase is the same again
        period = self.grid_length // math.gcd(self.grid_length, step)
        loud = (energy / loudest).double().square().square()
        loud = torch.nn.functional.pad(loud, (0, -len(loud) % period)).view(-1, period).sum(0)  # (period,)
        centres = (torch.arange(period, dtype=torch.float64) * step + width / 2) / self.grid_length  # in frames
        turns = torch.polar(loud, 2 * torch.pi * centres).sum().angle() / (2 * torch.pi)
        lead = (self.hop_length - round(float(turns) * self.grid_length)) % self.grid_length
        # (lead,): what begins with a word must not begin with a sound that is nowhere in the clip
        fade = torch.hann_window(2 * lead, dtype=samples.dtype)[:lead]
        return torch.cat([samples[1 : lead + 1].flip(0) * fade, samples])

    def features(self, samples: torch.Tensor, views: list[str], left_out: set[str]) -> torch.Tensor:
        """(samples,) in [-1, 1] to the views of one clip side by side (frames, sum of their widths), zeros if left out."""
        samples = self.on_grid(samples - samples.mean() if self.remove_offset else samples)
        frames, parts, made = 1 + len(samples) // self.hop_length, [], set(views) - left_out
        bands = self.mel_bands(samples, {"mel", "nisqa"} & made)
        narrow = self.at_16_khz(samples) if {"distill_mos", "whisper"} & made else None
        for view in views:
            if view in left_out:
                parts.append(samples.new_zeros(frames, self.width(view)))
                continue
            method, _ = VIEWS[view]
            part = getattr(self, method)(bands.get(view, narrow))  # (frames or one less, width)
            parts.append(torch.nn.functional.pad(part, (0, 0, 0, frames - len(part))))
        return torch.cat(parts, dim=1)

    def width(self, view: str) -> int:
        """How many numbers a frame of a view has."""
        return VIEWS[view][1] or self.feature_size

    def __call__(
        self,
        raw_speech: Any,
        sampling_rate: int | None = None,
        return_tensors: str | None = None,
        optional_views: list[set[str]] | None = None,
        **kwargs,
    ) -> BatchFeature:
        """
        Args:
            raw_speech: One mono clip (samples,) or a list of them, float in [-1, 1].
            sampling_rate: Of the clips; an error if it is not the extractor's own.
            optional_views: For each clip, those of the optional views that are wanted; none if not given.

        Returns:
            `input_features` (clips, frames, sum of the widths of the views) and `attention_mask` (clips, frames).
        """
        if sampling_rate is not None and sampling_rate != self.sampling_rate:
            raise ValueError(
                f"This feature extractor hears {self.sampling_rate} Hz, got {sampling_rate} Hz: resample first."
            )
        clips = raw_speech if isinstance(raw_speech, (list, tuple)) else [raw_speech]
        optional = set(self.optional_words)
        wanted = optional_views or [set[str]()] * len(clips)
        views = [view for view in self.views if view not in optional or any(view in own for own in wanted)]
        # (frames, widths) each
        features = [
            self.features(torch.as_tensor(clip, dtype=torch.float32), views, optional - own)
            for clip, own in zip(clips, wanted)
        ]
        masks = [torch.ones(len(clip), dtype=torch.long) for clip in features]  # (frames,) each
        data = {
            "input_features": torch.nn.utils.rnn.pad_sequence(features, batch_first=True),
            "attention_mask": torch.nn.utils.rnn.pad_sequence(masks, batch_first=True),
        }
        return BatchFeature(data, tensor_type=return_tensors)


# View of a clip to the method that makes it and its width
VIEWS = {
    "mel": ("log_mel", None),  # as many as the extractor's `feature_size`
    "nisqa": ("nisqa_mel", 48),
    "distill_mos": ("compressed_spectrum", 322),
    "whisper": ("whisper_mel", 80),
}


def mel_filters(bins: int, bands: int, max_frequency: float, rate: int, norm: str | None) -> torch.Tensor:
    """Triangular filters (frequency bins, bands) from 0 Hz."""
    filters = mel_filter_bank(
        num_frequency_bins=bins,
        num_mel_filters=bands,
        min_frequency=0.0,
        max_frequency=max_frequency,
        sampling_rate=rate,
        norm=norm,
        mel_scale="slaney",
    )
    return torch.tensor(filters, dtype=torch.float32)


def energy_of_windows(samples: torch.Tensor, window: torch.Tensor) -> torch.Tensor:
    """Energy (count,) of samples (samples,) in a window (blocks, samples of a block) that begins with each of their blocks."""
    size, step = window.shape
    blocks = samples[: len(samples) // step * step].view(-1, step)
    parts = []
    # As a convolution, at a quarter of its cost; some at a time, for the sake of caches
    for first in range(0, len(blocks) - size + 1, 2000):
        weighted = blocks[first : first + 2000 + size - 1].square() @ window.T  # (some blocks, blocks of a window)
        # To the first block of a window the second of the next row is added, and so on
        parts.append(weighted.as_strided((len(weighted) - size + 1, size), (size, size + 1)).sum(1))
    return torch.cat(parts)


def low_pass_third() -> torch.Tensor:
    """Windowed sinc (taps,) that keeps what is below a third of half the sampling rate: -6 dB at 7.65 of 24 kHz."""
    taps = torch.arange(-192, 193)
    cutoff = 7.65 / 24
    return cutoff * torch.sinc(cutoff * taps) * torch.kaiser_window(len(taps), periodic=False, beta=9.0)


@dataclass
class SpanQuestion(Question):
    """
    A question about when something is heard, answered by a probability per frame of the first clip.

    Args:
        seconds (`float`): Length of that clip.
    """

    seconds: float = 0.0

    def answer(self, probabilities: list[float]) -> dict[str, Any]:
        """
        The frames more likely than not, as `spans` of `start` and `end` in seconds with their largest `probability`; and the
        `probabilities` of all frames, `frame_seconds` apart.
        """
        step = self.seconds / max(1, len(probabilities))  # seconds of a frame
        # Silence on both sides, so that edges come in pairs
        heard = [0.0, *(float(p >= 0.5) for p in probabilities), 0.0]
        edges = [index for index in range(len(heard) - 1) if heard[index] != heard[index + 1]]
        spans = [
            {"start": first * step, "end": last * step, "probability": max(probabilities[first:last])}
            for first, last in zip(edges[::2], edges[1::2])
        ]
        return {"type": "span", "spans": spans, "probabilities": probabilities, "frame_seconds": step}


@dataclass
class ClipWindows:
    """
    The windows that a clip was cut into.

    Args:
        spans (`list[tuple[float, float]]`): Start and end of each, in seconds of the clip.
        seconds (`float`): Length of the clip.
    """

    spans: list[tuple[float, float]]
    seconds: float

    def __len__(self) -> int:
        return len(self.spans)

    def answer(self, answers: Sequence[Any], is_span: bool = False) -> torch.Tensor:
        """The answer to a question about the clip, (options,) or of a `span` question (frames,), from those about its windows."""
        if is_span:
            return frames_over_windows(answers, self.spans, self.seconds)
        return over_windows(answers, [end - start for start, end in self.spans])


@dataclass
class StateWindows(ClipWindows):
    """
    The windows that the clips of a state were cut into; spans and length are those of the first clip.

    Args:
        blocks (`list`): The state.
        sounds (`list[tuple[Any, int]]`): Of each clip, its samples (samples,) and their rate.
        frames (`list[list[tuple[int, int]]]`): Of each window, the first sample of each clip and the one after its last.
        rate (`int`): That of the judge.
    """

    blocks: list[Any]
    sounds: list[tuple[Any, int]]
    frames: list[list[tuple[int, int]]]
    rate: int

    def passes(self) -> Iterator[range]:
        """Numbers of the windows that are asked about in one pass, pass by pass."""
        for first in range(0, len(self), WINDOWS_PER_PASS):
            yield range(first, min(first + WINDOWS_PER_PASS, len(self)))

    def __getitem__(self, place: int) -> list[Any]:
        """The state of a window, with its sound as `audio`: arrays (samples,) at the judge's rate."""
        parts = zip(self.sounds, self.frames[place])
        arrays = iter([resample(samples[first:last], rate, self.rate) for (samples, rate), (first, last) in parts])
        return [{"type": "audio", "audio": next(arrays)} if is_audio(block) else block for block in self.blocks]


class WordsReader:
    """
    Which questions are answered in words that no other part of a judge learned, and their tokens.

    Args:
        tokenizer (`PreTrainedTokenizerFast`): Of what reads the words.
        known (`dict`): `questions`, type of a question to the instructions that the judge learned otherwise; `levels`, the lists
            of levels that it learned `score` questions with; `usual`, those of them that say nothing of what is scored; `labels`, what it calls
            that which it scores; `left`, beginnings of words that mark questions about what this head
            was not trained on and another part was.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast, known: dict[str, Any]):
        self.tokenizer, self.known = tokenizer, known
        self._questions = {kind: set(texts) for kind, texts in known["questions"].items()}
        self._levels = {tuple(levels) for levels in known["levels"]}
        self._usual = {tuple(levels) for levels in known["usual"]}
        self._labels = re.compile(
            "|".join(rf"\b{re.escape(label)}\b" for label in known["labels"]) or r"(?!)", re.IGNORECASE
        )
        self._left = re.compile("|".join(rf"\b{re.escape(word)}" for word in known["left"]) or r"(?!)", re.IGNORECASE)

    @classmethod
    def from_files(cls, tokenizer_file: str, known_file: str) -> "WordsReader":
        """From what `save` has written."""
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=tokenizer_file, pad_token="[PAD]", unk_token="[UNK]")
        return cls(tokenizer, json.loads(Path(known_file).read_text(encoding="utf-8")))

    def save(self, folder: str | Path):
        """Writes `words_tokenizer.json` and `words.json`."""
        self.tokenizer.backend_tokenizer.save(str(Path(folder) / WORDS_TOKENIZER_FILE))
        text = json.dumps(self.known, ensure_ascii=False, indent=1)
        (Path(folder) / WORDS_FILE).write_text(text + "\n", encoding="utf-8")

    def texts(self, question: Any) -> tuple[int, str, str, str] | None:
        """
        The kind of a question (`ASKED_SCORE` …), what it asks about, and the ends of its scale, lowest first (itself of one without);
        `None` for a question that is left to the other parts.
        """
        if not isinstance(question, dict):
            return None
        kind, text = question.get("type"), question.get("instructions")
        levels = question.get("criteria", question.get("descriptions"))  # the latter as templates get them
        if kind not in ASKED or not isinstance(text, str) or not text.strip() or self._left.search(text):
            return None
        is_known = text in self._questions.get(kind, ())
        if kind == "score":
            if not isinstance(levels, (list, tuple)) or len(levels) < 2:
                return None
            named = tuple(str(level) for level in levels)
            # Other words about what it learned to score are known by its levels, or by its name: what learned that knows it better
            if named in self._levels and (is_known or named not in self._usual or self._labels.search(text)):
                return None
            return ASKED[kind], text, named[0], named[-1]
        return None if is_known or (levels and any(levels)) else (ASKED[kind], text, text, text)

    def tokens(self, texts: Sequence[str]) -> torch.Tensor:
        """(texts, length), padded with 0."""
        ids = self.tokenizer(list(texts), truncation=True, max_length=MOST_WORDS_TOKENS)["input_ids"]
        return torch.nn.utils.rnn.pad_sequence(list(map(torch.tensor, ids)), batch_first=True)


@dataclass
class DecisionPrompt:
    """
    What all requests with the same texts and questions share, whatever is heard in their clips.

    Args:
        ids (`torch.LongTensor` of shape `(length,)`): Token ids, one placeholder per clip.
        columns (`torch.LongTensor` of shape `(questions,)`): Where each question is read.
        questions (`list[Question]`): The questions, in the order of the prompt.
        option_ids (`list[list[int]]`): Token id of each allowed answer, per question.
    """

    ids: torch.Tensor
    columns: torch.Tensor
    questions: list[Question]
    option_ids: list[list[int]]


class AudioJudgeProcessor(ProcessorMixin):
    r"""
    Args:
        feature_extractor: The encoder's own feature extractor; its sampling rate is the judge's.
        tokenizer: The language model's, with the tokens of the judge added.
        chat_template (`str`, *optional*): Jinja template of a conversation.
        frame_steps (`list[list[int]]`, *optional*): `[kernel, stride, padding]` steps from features to encoder frames.
        audio_seq_length (`int`, *optional*): Audio tokens per clip; `None` means one per encoder frame.
        max_seconds (`float`, *optional*): Longest clip the encoder hears; `None` means any.
        window_seconds (`float`, *optional*, defaults to 10.0): Length of the windows that longer clips are cut into; about what
            the judge was trained on.
        answer_form (`str`, *optional*, defaults to `"decision"`): How scores are read: `decision` (levels at a mark) or
            `decimal` (the papers' printed number, read as an expectation).
        audio_token (`str`, *optional*): The audio placeholder.
        question_token (`str`, *optional*): Opens each question of a decision prompt.
        trained_rubrics (`list[str]`, *optional*): Names of the rubrics the judge was trained on; `None` if nobody noted them.
        trained_languages (`list[str]`, *optional*): Codes of the languages likewise, such as `["en", "fr"]`.
        trained_faults (`bool`, *optional*, defaults to `False`): Whether the judge was trained on questions about known faults.
    """

    # No padding or tensors by default for the text: trainers pass on unpadded lists. Files are always read by soundfile:
    # the other backend mixes stereo down with another gain.
    audio_kwargs = {"load_audio_backend": "soundfile"}

    def __init__(
        self,
        feature_extractor=None,
        tokenizer=None,
        chat_template=None,
        frame_steps=None,
        audio_seq_length=None,
        max_seconds=None,
        window_seconds=10.0,
        answer_form="decision",
        audio_token=AUDIO,
        question_token=QUESTION,
        trained_rubrics=None,
        trained_languages=None,
        trained_faults=False,
    ):
        self.frame_steps, self.audio_seq_length, self.max_seconds = frame_steps, audio_seq_length, max_seconds
        self.window_seconds, self.answer_form = window_seconds, answer_form
        self.audio_token, self.question_token = audio_token, question_token
        self.trained_rubrics = trained_rubrics
        self.trained_languages = trained_languages
        self.trained_faults = trained_faults
        self.audio_token_id = tokenizer.convert_tokens_to_ids(audio_token)
        self.question_token_id = tokenizer.convert_tokens_to_ids(question_token)
        super().__init__(feature_extractor, tokenizer, chat_template=chat_template)
        self.decision_config = DecisionConfig()  # until `from_parts` or `from_pretrained` brings the judge's own
        self._decision_prompts: dict[str, DecisionPrompt] = {}  # those of earlier requests, see `_decision_prompt`
        # Task to the requests that may be answered in words, with `{…}` where they differ; None for any: see `check_requests`
        self.requests: dict[str, list[str]] | None = None
        self.words: WordsReader | None = None

    @classmethod
    def from_backbones(
        cls,
        audio: str,
        text: str,
        *,
        adapter: str = "pooled_linear",
        adapter_tokens: int = 128,
        brief_questions: bool = False,
        gguf_file: str | None = None,
        trust_remote_code: bool = False,
        **of_the_model: Any,
    ) -> "AudioJudgeProcessor":
        """The processor to match `AudioJudgeForCausalLM.from_backbones` with the same arguments, some of which it ignores."""
        remote = {"trust_remote_code": trust_remote_code}
        return cls.from_parts(
            AutoFeatureExtractor.from_pretrained(audio, **remote),
            AutoTokenizer.from_pretrained(text, gguf_file=gguf_file, **remote),
            encoder_config(AutoConfig.from_pretrained(audio, **remote)),
            audio_seq_length=adapter_tokens if adapter == "pooled_linear" else None,
            brief_questions=brief_questions,
        )

    @classmethod
    def from_parts(
        cls,
        feature_extractor: Any,
        tokenizer: Any,
        audio_config: Any,
        *,
        audio_seq_length: int | None,
        brief_questions: bool = False,
    ) -> "AudioJudgeProcessor":
        """
        Joins a feature extractor and a tokenizer, which gains the judge's tokens and the templates of its chat style.

        Args:
            brief_questions: Whether decision prompts show of a scale its ends alone, and have no turn around each question:
                60 % of the tokens, and of the time that a large language model takes for them.
        """
        vocabulary, turns = tokenizer.get_vocab(), find_turns(tokenizer)
        added = [AUDIO, QUESTION, MARK, SPLIT]
        # Special: where a request holds one of them, transformers makes it mere text
        tokenizer.add_tokens(
            [AddedToken(token, special=True, normalized=False) for token in added if token not in vocabulary]
        )
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token or SPLIT  # which no prompt that is read holds
        processor = cls(
            feature_extractor,
            tokenizer,
            chat_template=fill_turns(CHAT_TEMPLATE, turns),
            frame_steps=audio_frame_steps(audio_config),
            audio_seq_length=audio_seq_length,
            max_seconds=encoder_of_extractor(feature_extractor).longest_clip(feature_extractor),
        )
        processor.decision_config = DecisionConfig(
            labels={"noul": yes_and_no(tokenizer)},
            chat_template=fill_turns(DECISION_TEMPLATE, turns | {"BRIEF": brief_questions}),
        )
        return processor

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, **kwargs) -> "AudioJudgeProcessor":
        """Also reads `decision.json`, `decision_template.jinja`, `requests.json`, `words_tokenizer.json` and `words.json`."""
        processor = super().from_pretrained(pretrained_model_name_or_path, **kwargs)
        hub = {name: kwargs[name] for name in ("cache_dir", "local_files_only", "revision", "token") if name in kwargs}
        processor.decision_config = DecisionConfig.from_pretrained(pretrained_model_name_or_path, **hub)
        hub["_raise_exceptions_for_missing_entries"] = False
        if (file := cached_file(pretrained_model_name_or_path, REQUESTS_FILE, **hub)) is not None:
            processor.requests = json.loads(Path(file).read_text(encoding="utf-8"))
        words = [cached_file(pretrained_model_name_or_path, name, **hub) for name in (WORDS_TOKENIZER_FILE, WORDS_FILE)]
        if all(words):
            processor.words = WordsReader.from_files(*words)
        return processor

    def save_pretrained(self, save_directory, push_to_hub: bool = False, **kwargs) -> list[str]:
        """Also writes `decision.json`, `decision_template.jinja`, `requests.json`, `words_tokenizer.json` and `words.json`."""
        self.decision_config.save_pretrained(save_directory)
        if self.requests is not None:
            text = json.dumps(self.requests, ensure_ascii=False, indent=1)
            (Path(save_directory) / REQUESTS_FILE).write_text(text + "\n", encoding="utf-8")
        if self.words is not None:
            self.words.save(save_directory)
        return super().save_pretrained(save_directory, push_to_hub=push_to_hub, **kwargs)

    def to_dict(self) -> dict[str, Any]:
        output = super().to_dict()
        files_of_their_own = ("decision_config", "_decision_prompts", "requests", "words")
        return {key: value for key, value in output.items() if key not in files_of_their_own}

    @property
    def sampling_rate(self) -> int:
        """The rate the encoder hears, in hertz."""
        return self.feature_extractor.sampling_rate

    @property
    def end_of_turn(self) -> str:
        """The token that ends an answer."""
        end = re.search(r"content\(message\) ~ (['\"])(.+?)\1 -?}}{%-? endgeneration", self.chat_template or "")
        if end is None:
            raise ValueError(
                "The chat template of this judge does not say how an answer ends: it is none of `from_parts`."
            )
        return json.loads(f'"{end[2]}"').strip()

    @property
    def unused_input_names(self) -> list[str]:
        return ["num_audio_tokens"]

    @property
    def model_input_names(self) -> list[str]:
        return ["input_ids", "attention_mask", "input_features", "input_features_mask"]

    def replace_audio_token(self, audio_inputs: dict, audio_idx: int, **kwargs) -> str:
        return self.audio_token * int(audio_inputs["num_audio_tokens"][audio_idx])

    def __call__(self, images=None, text=None, videos=None, audio=None, **kwargs):
        """As the base class; the views of a clip that only some questions need are made if its text asks one of them."""
        texts = [text] if isinstance(text, str) else text or []
        for one in texts:
            check_characters(one)
        if audio is not None and texts and getattr(self.feature_extractor, "optional_words", None):
            views = [self.optional_views(one) for one in texts for _ in range(one.count(self.audio_token))]
            kwargs["audio_kwargs"] = {"optional_views": views} | kwargs.get("audio_kwargs", {})
        return super().__call__(images=images, text=text, videos=videos, audio=audio, **kwargs)

    def optional_views(self, asked: Any) -> set[str]:
        """The views beyond the usual ones that a text, or typed questions, ask about."""
        if not getattr(self.feature_extractor, "optional_words", None):  # an extractor of our own may have such
            return set()
        return self.feature_extractor.optional_views(asked if isinstance(asked, str) else json.dumps(asked))

    def views_asked(self, questions: Any) -> set[str]:
        """The views beyond the usual ones that typed questions need: of those that the head for words answers, none."""
        if self.words is None:
            return self.optional_views(questions)
        listed = list(questions.values()) if isinstance(questions, dict) else questions
        return self.optional_views([one for one in listed if self.words.texts(one) is None])

    def _process_audio(self, audio, optional_views: list[set[str]] | None = None, **kwargs):
        """
        Features of all clips, under the same two names whatever the encoder; `optional_views` of each clip, see
        [`AudioJudgeFeatureExtractor`].
        """
        rate = kwargs.get("sampling_rate")
        if rate is not None and rate != self.sampling_rate:
            raise ValueError(f"This judge hears {self.sampling_rate} Hz, got {rate} Hz: resample first.")
        clips = [self._as_mono(clip) for clip in audio]  # (samples,) each
        # (clips, ...), (clips, time of the features)
        features, mask = self.extract_features(clips, optional_views)
        tokens = count_frames(mask.sum(1), self.frame_steps)  # (clips,), one audio token per frame
        if (tokens < 1).any():
            shortest = min(len(clip) for clip in clips) / self.sampling_rate
            raise ValueError(
                f"A clip of {shortest:.3f} s gives this encoder not a single frame; 0.2 s is enough for it."
            )
        if self.audio_seq_length is not None:
            tokens = torch.full_like(tokens, self.audio_seq_length)  # `pooled_linear`: as many for any clip
        inputs = {"input_features": features, "input_features_mask": mask, "num_audio_tokens": tokens.tolist()}
        return inputs, [self.replace_audio_token(inputs, index) for index in range(len(clips))]

    def _as_mono(self, clip: Any) -> Any:
        """(samples,) float32 in [-1, 1], from integers or several channels too; raises on what the encoder cannot hear."""
        samples = as_mono(clip)
        check_length(samples, self.sampling_rate)
        lowest, highest = check_finite(samples)
        if self.max_seconds is not None and len(samples) > math.ceil(self.max_seconds * self.sampling_rate):
            seconds = len(samples) / self.sampling_rate
            raise ValueError(
                f"A clip of {seconds:.1f} s is longer than the {self.max_seconds:.1f} s this encoder hears: "
                "cut it into windows (audio_judge.AudioJudge does)."
            )
        # What lies beyond full scale is clipped, as when it is played
        return (samples.clamp(-1, 1) if lowest < -1 or highest > 1 else samples).numpy()

    def extract_features(
        self, clips: list[Any], optional_views: list[set[str]] | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Args:
            clips: Mono clips (samples,) at `sampling_rate`.
            optional_views: Of each clip, if an extractor of our own has such.

        Returns:
            Features (clips, ...) and their mask (clips, time of the features), 1 where a frame or sample is real.
        """
        options = {"optional_views": optional_views} if optional_views and any(optional_views) else {}
        # Where answers are written in the middle of training, its autocast would make spectrograms of bfloat16
        with torch.autocast("cpu", enabled=False):
            return encoder_of_extractor(self.feature_extractor).extract(self.feature_extractor, clips, **options)

    def _multimodal_inputs_from_conversations(self, conversations, audio_loading_params, *args, **kwargs):
        """Also takes audio blocks that bring their rate: `{"audio": array, "sampling_rate": 16000}` or `{"audio": {"array", …}}`."""
        conversations = [
            [message | {"content": self._at_own_rate(message.get("content"))} for message in conversation]
            for conversation in conversations
        ]
        return super()._multimodal_inputs_from_conversations(conversations, audio_loading_params, *args, **kwargs)

    def _at_own_rate(self, content: Any) -> Any:
        """The content of a message with every array at the judge's rate, and without the empty keys that data sets add."""
        if not isinstance(content, list):
            return content
        blocks = [{key: value for key, value in block.items() if value is not None} for block in content]
        return [
            {"type": "audio", "audio": self._clip_at_own_rate(block["audio"], block.get("sampling_rate"))}
            if is_audio(block) and not isinstance(block.get("audio"), (str, type(None)))
            else block
            for block in blocks
        ]

    def _clip_at_own_rate(self, audio: Any, rate: Any) -> Any:
        """(samples,) float32 at `sampling_rate`, from an array at `rate` (None: its own) or from `{"array", "sampling_rate"}`."""
        return resample(*sound_of(audio, self.sampling_rate if rate is None else rate), self.sampling_rate)

    def apply_chat_template(self, conversation, *args, state=None, **kwargs):
        """
        As the base class; a decision template also gets `state`, whose audio blocks are the clips.

        An audio block of a state holds an array (`audio`, with its `sampling_rate` if it is another one than the judge's)
        or an encoded file (`data_base64`). Paths and URLs are refused, because a server passes requests on to here.

        Of clips of several windows (see [`~AudioJudgeProcessor.windows`]), the prompt is that of the first one, and the features
        are those of all: `AudioJudgeForCausalLM.forward` asks the `questions` about each, and answers for all of them.

        A chat that is made into tokens to be answered is checked by `check_requests`.
        """
        if state is None:
            if kwargs.get("tokenize") and kwargs.get("add_generation_prompt"):
                self.check_requests(conversation)
            return super().apply_chat_template(conversation, *args, **kwargs)
        kwargs.pop("enable_thinking", None)  # the pipeline sends it whether or not the template knows it
        questions = kwargs.get("questions") or []
        blocks = state if isinstance(state, list) else [state]
        shown = [{"type": "audio"} if is_audio(block) else block for block in blocks]
        self._check_keys([shown, questions])
        cut = self.windows(blocks)
        clips = [[block for block in cut[place] if is_audio(block)] for place in range(len(cut))]
        views = [self.views_asked(questions)] * sum(map(len, clips))
        if clips[0]:
            audio_kwargs = {"optional_views": views[: len(clips[0])]}
            kwargs["processor_kwargs"] = {**(kwargs.get("processor_kwargs") or {}), "audio_kwargs": audio_kwargs}
        inputs = super().apply_chat_template([{"role": "user", "content": clips[0]}], *args, state=shown, **kwargs)
        if not isinstance(inputs, BatchFeature):
            return inputs
        words = self.words_of([(n, 0, question) for n, question in enumerate(questions)] if clips[0] else [])
        inputs.update(words)
        if len(cut) > 1 or words:
            audio, _ = self._process_audio([block["audio"] for window in clips for block in window], views)
            inputs.update({name: audio[name] for name in ("input_features", "input_features_mask")})
            ids = [label_token_ids(self.tokenizer, tuple(question["labels"])) for question in questions]
            temperatures = [self.decision_config.temperature.get(question["type"], 1.0) for question in questions]
            inputs["window_seconds"] = torch.tensor([end - start for start, end in cut.spans])  # (windows,)
            inputs["option_ids"] = padded_options(ids)  # (questions, most options)
            inputs["temperatures"] = torch.tensor(temperatures, dtype=torch.float32)  # (questions,)
        return self._with_a_length_of_its_own(inputs)

    def check_requests(self, conversation: Any) -> None:
        """
        Refuses a chat whose last request is none that this judge learned to answer in words: a small judge would write noise.

        Set `requests` to None to have any request answered, in training on others, say.
        """
        if self.requests is None or not conversation:
            return
        learned = [text for texts in self.requests.values() for text in texts]
        known = "|".join(re.sub(r"\\{\w+\\}", ".+", re.escape(text)) for text in learned)
        for chat in [conversation] if isinstance(conversation[0], dict) else conversation:
            asked = [message for message in chat if message["role"] == "user"][-1:]
            text = " ".join(_text_of(message["content"]) for message in asked).strip()
            if not re.search(known, text, re.DOTALL):
                whole = [texts[0] for texts in self.requests.values() if "{" not in texts[0]]
                near = difflib.get_close_matches(text, learned, n=1) or (whole or learned)[:3]
                raise ValueError(
                    f"This judge never learned to answer {text[:200]!r} in words, and would write noise. It learned "
                    f"{', '.join(map(repr, near))} (the rest is in `requests`). Questions with closed answers go to `decide`, "
                    "and audio_judge.AudioJudge holds words to what was decided."
                )

    def windows(self, state: Any) -> StateWindows:
        """The windows of what sounds in the clips of a state, `window_seconds` long, see `cut_state`."""
        return cut_state(state, self.sampling_rate, self.window_seconds)

    def sound(self, block: dict[str, Any]) -> tuple[Any, int]:
        """(samples,) float32 in [-1, 1] and their rate, of an audio block of a request."""
        return sound_of_request(block, self.sampling_rate)

    def decide(
        self,
        model: Any,
        windows: StateWindows,
        questions: dict[str, Any],
        before_pass: Callable[[], None] = lambda: None,
    ) -> tuple[dict[str, dict[str, Any]], int]:
        """
        Asks a model about clips of any length: a batch of windows is made, asked about and forgotten before the next one.

        Args:
            model: The `AudioJudgeForCausalLM`.
            windows: As `windows` gives them.
            questions: As of a request.
            before_pass: Is called before each batch; what it raises ends the work.

        Returns:
            Answers by name, in the System One format, and how many tokens were read.
        """
        rows: dict[str, list[torch.Tensor]] = {}
        named, count = dict[str, Question](), 0
        for places in windows.passes():
            before_pass()
            requests = [{"state": windows[place], "questions": questions} for place in places]
            inputs, asked = self.decision_inputs(requests, is_cut=True)
            count += int(inputs["attention_mask"].sum())
            inputs = {key: value.to(model.device) if torch.is_tensor(value) else value for key, value in inputs.items()}
            decided = iter(model.decide(**inputs))
            for question in itertools.chain.from_iterable(asked):
                named.setdefault(question.name, question)
                rows.setdefault(question.name, []).append(next(decided))
        answers = {}
        for name, question in named.items():
            is_about_when = isinstance(question, SpanQuestion)
            if isinstance(question, SpanQuestion):
                question.seconds = windows.seconds
            answers[name] = question.answer(windows.answer(rows[name], is_about_when).tolist())
        return answers, count

    def _check_keys(self, value: Any) -> None:
        """Raises if a dictionary key holds a control token: transformers makes them text in values only."""
        if isinstance(value, list):
            for item in value:
                self._check_keys(item)
        elif isinstance(value, dict):
            special = [token.content for token in self.tokenizer.added_tokens_decoder.values() if token.special]
            for key, item in value.items():
                if any(token in str(key) for token in special):
                    raise ValueError(f"The key {key!r} of a decision request holds a control token of this model.")
                self._check_keys(item)

    def _with_a_length_of_its_own(self, inputs: BatchFeature) -> BatchFeature:
        """`transformers.decision` drops its sentinels from every tensor as long as the prompt: no other may be that long."""
        # Last axes of the features and of their mask
        others = {value.shape[-1] for name, value in inputs.items() if name not in ("input_ids", "attention_mask")}
        split = self.tokenizer.convert_tokens_to_ids(SPLIT)
        while inputs["input_ids"].shape[-1] in others:
            ids = inputs["input_ids"]
            inputs["input_ids"] = torch.cat([ids, ids.new_full((1, 1), split)], dim=1)  # (1, length + 1)
        return inputs

    def decision_inputs(
        self, requests: list[dict[str, Any]], *, is_cut: bool = False
    ) -> tuple[dict[str, Any], list[list[Question]]]:
        """
        One padded batch from decision requests (`{"state": …, "questions": {name: question}}`), a prompt for each window of each.

        Args:
            is_cut: Whether every state is a window already, with arrays at `sampling_rate`, to be heard as it is.

        Returns:
            The arguments of `AudioJudgeForCausalLM.decide` and the questions of each request, for `answers`.
        """
        blocks = [state if isinstance(state := request["state"], list) else [state] for request in requests]
        windows = None if is_cut else [self.windows(state) for state in blocks]
        states = [[state] for state in blocks] if windows is None else windows
        # Of each window: what it is of, and its state
        rows = [(request, own[place]) for request, own in zip(requests, states) for place in range(len(own))]
        clips = [block["audio"] for _, state in rows for block in state if is_audio(block)]
        views = [self.views_asked(request["questions"]) for request, state in rows for _ in filter(is_audio, state)]
        # Features of all windows, in order
        audio, _ = self._process_audio(clips, views) if clips else ({"num_audio_tokens": []}, [])
        tokens, first_clip = audio.pop("num_audio_tokens"), 0
        # Of each window `prompts` and `asked`, of each question of them all the others
        prompts, marks, asked, option_ids, temperatures, span_clips = [], [], [], [], [], []
        question_rows, mark_questions, in_words = (
            [],
            [],
            [],
        )  # the last: numbers of the question and its clip, and the question
        for row, (request, state) in enumerate(rows):
            shown = [{"type": "audio"} if is_audio(block) else block for block in state]
            count = sum(map(is_audio, state))
            # What the head for words answers is left out of the prompt, but for one question if there is no other
            read = self.questions_read(request["questions"]) if count else request["questions"]
            prompt = self._decision_prompt(json.dumps([shown, without_spans(read)], ensure_ascii=False))
            others = {name: one for name, one in request["questions"].items() if name not in read}
            questions = [*prompt.questions, *(self.parse_questions(others) if others else [])]
            spans = [is_span(request["questions"][question.name]) for question in questions]
            if any(spans) and not count:
                raise ValueError("A `span` question asks when something is heard in a clip, but the state holds none.")
            asked.append([SpanQuestion(**vars(q)) if span else q for q, span in zip(questions, spans)])
            for question, span in zip(asked[-1], spans):
                if span:
                    question.seconds = len(clips[first_clip]) / self.sampling_rate
            # A cached prompt holds one placeholder per clip; here each becomes as many as its clip has tokens
            ids, columns = with_audio_tokens(
                prompt.ids, prompt.columns, tokens[first_clip : first_clip + count], self.audio_token_id
            )
            first = len(option_ids)
            if self.words is not None and count:
                whole = [request["questions"][question.name] for question in questions]
                in_words += [(first + n, first_clip, question) for n, question in enumerate(whole)]
            span_clips += [first_clip if span else None for span in spans]
            first_clip += count
            prompts.append(ids)  # (length with all audio tokens,)
            marks += [[row, column] for column in columns.tolist()]
            mark_questions += range(first, first + len(columns))
            question_rows += [row] * len(questions)
            option_ids += prompt.option_ids
            option_ids += [label_token_ids(self.tokenizer, tuple(q.labels)) for q in questions[len(columns) :]]
            temperatures += [self.decision_config.temperature.get(question.type, 1.0) for question in questions]
        pad = torch.nn.utils.rnn.pad_sequence
        batch = {
            # (windows, longest prompt)
            "input_ids": pad(prompts, batch_first=True, padding_value=self.tokenizer.pad_token_id),
            "attention_mask": pad([torch.ones_like(ids) for ids in prompts], batch_first=True),
            "marks": torch.tensor(marks),  # (questions of all windows that are read at a mark, 2)
            "option_ids": option_ids,
            "temperatures": temperatures,
            "span_clips": span_clips,
        }
        if len(marks) < len(option_ids):
            batch |= {"mark_questions": mark_questions, "question_rows": question_rows}
        if windows is not None:
            batch["windows"] = [ClipWindows(own.spans, own.seconds) for own in windows]
            firsts = itertools.accumulate(map(len, windows[:-1]), initial=0)
            asked = [asked[first] for first, _ in zip(firsts, windows)]
            for questions, own in zip(asked, windows):
                for question in questions:
                    if isinstance(question, SpanQuestion):
                        question.seconds = own.seconds
        return batch | audio | self.words_of(in_words), asked

    def questions_read(self, questions: dict[str, Any]) -> dict[str, Any]:
        """The questions of a request that are read at a mark of its prompt: at least one."""
        if self.words is None or not isinstance(questions, dict):
            return questions
        read = {name: one for name, one in questions.items() if self.words.texts(one) is None}
        return read or dict(itertools.islice(questions.items(), 1))

    def words_of(self, questions: Sequence[tuple[int, int, Any]]) -> dict[str, torch.Tensor]:
        """
        What the head for questions in words is asked of some questions, each with its number and that of its clip: of several
        clips of a prompt the first, beside which others are references.

        Returns:
            `words_ids` (texts, length), tokens padded with 0, and `words_asked` (questions, 6): numbers of the question, of its clip,
            of the text that says what it asks about, of those at the ends of its scale, and its kind; nothing if there is no such
            question, or no such head.
        """
        if self.words is None:
            return {}
        numbers: dict[str, int] = {}
        rows = []
        for number, clip, question in questions:
            if (found := self.words.texts(question)) is not None:
                kind, *texts = found
                places = [numbers.setdefault(one, len(numbers)) for one in texts]
                rows.append([number, clip, *places, kind])
        if not rows:
            return {}
        return {"words_asked": torch.tensor(rows), "words_ids": self.words.tokens(list(numbers))}

    def _decision_prompt(self, request: str) -> DecisionPrompt:
        """The prompt of a state without its sound and of its questions, both in JSON; remembered."""
        key = json.dumps(asdict(self.decision_config)) + request
        if key not in self._decision_prompts:
            check_characters(request)
            state, questions = json.loads(request)
            self._check_keys([state, questions])
            inputs, parsed = self.joint_prompt(state, questions)
            if len(self._decision_prompts) > 1000:
                self._decision_prompts.clear()  # requests with texts of their own would fill the memory
            option_ids = [label_token_ids(self.tokenizer, tuple(question.labels)) for question in parsed]
            # The mark itself is gone: an answer is read at the token before it
            self._decision_prompts[key] = DecisionPrompt(
                inputs["input_ids"][0], inputs["marks"] - 1, parsed, option_ids
            )
        return self._decision_prompts[key]

    def joint_prompt(self, state: Any, questions: dict[str, Any]) -> tuple[dict[str, Any], list[Question]]:
        """
        Tokenizes a decision request of one prompt.

        Args:
            state: As of a request, a clip being a block `{"type": "audio"}` only.
            questions: As of a request, `span` questions by `without_spans`.

        Returns:
            `input_ids` (1, length) and `marks` (questions,), and the parsed questions.

        Raises:
            ValueError: If a question is wrong, or the judge's own template makes several prompts of them.
        """
        request = {"state": state, "questions": questions}
        prompts = prepare_inputs(self.decision_config, request, OnlyAddedTokens(self.tokenizer))
        if len(prompts) > 1:
            raise ValueError("The decision template of this judge must put all `questions` into one prompt.")
        return prompts[0]

    def parse_questions(self, questions: dict[str, Any]) -> list[Question]:
        """The questions of a decision request, `span` among the types; raises a `ValueError` that says what is wrong."""
        parsed = parse_questions(without_spans(questions), self.decision_config)
        return [SpanQuestion(**vars(q)) if is_span(questions[q.name]) else q for q in parsed]

    @staticmethod
    def answers(questions: list[list[Question]], probabilities: list[torch.Tensor]) -> list[dict[str, dict[str, Any]]]:
        """The answers of each request by question name, in the System One format."""
        remaining = iter(probabilities)  # one (options,) or (frames,) per question, in order
        return [{q.name: q.answer(next(remaining).tolist()) for q in asked} for asked in questions]


class OnlyAddedTokens:
    """
    A tokenizer that shows its added tokens as if they were its vocabulary: `prepare_inputs` looks for one of them there with
    every request, and to list 262 k tokens takes half a second.
    """

    def __init__(self, tokenizer: Any):
        self._tokenizer = tokenizer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def get_vocab(self) -> dict[str, int]:
        return self._tokenizer.get_added_vocab()


# Prompts and questions


def is_audio(block: Any) -> bool:
    """Whether a block of a message or of a state is a clip."""
    return isinstance(block, dict) and block.get("type") == "audio"


def is_span(question: Any) -> bool:
    """Whether a question of a decision request asks when something is heard."""
    return isinstance(question, dict) and question.get("type") == "span"


def _text_of(content: Any) -> str:
    """The words of a message, without its clips."""
    if isinstance(content, str):
        return content
    return " ".join(block["text"] for block in content if block.get("type") == "text")


def without_spans(questions: Any) -> Any:
    """The questions of a decision request with its `span` questions in a shape that transformers can write."""
    if not isinstance(questions, dict):
        return questions  # transformers says what is wrong with it
    for name, question in questions.items():
        kind = question.get("type") if isinstance(question, dict) else None
        if not isinstance(kind, str | None):  # transformers would look a list up among its types
            raise ValueError(f"Question {name!r}: `type` must be a word such as noul, got {kind!r}.")
        if kind == "noul" and not any(_says(question.get(key)) for key in ("instructions", "criteria")):
            raise ValueError(
                f"Question {name!r}: says nothing; a noul question looks like "
                "{'type': 'noul', 'instructions': 'Is there background noise?'}."
            )
        if is_span(question) and set(question) != {"type", "instructions"}:
            raise ValueError(
                f"Question {name!r}: a span question looks like {{'type': 'span', 'instructions': 'clicks'}}."
            )
    return {
        name: {"type": "noul", "instructions": SPAN_INSTRUCTIONS.format(question["instructions"])}
        if is_span(question)
        else question
        for name, question in questions.items()
    }


def _says(text: Any) -> bool:
    """Whether a part of a question is more than nothing, or spaces."""
    return bool(text.strip() if isinstance(text, str) else text)


def check_characters(text: Any) -> None:
    """Raises a `ValueError` if a text holds half a surrogate pair, as JSON may, which no tokenizer can read."""
    if isinstance(text, str) and (half := re.search("[\ud800-\udfff]", text)):
        around = ascii(text[max(0, half.start() - 20) : half.end() + 20])
        raise ValueError(f"Half a character (a lone surrogate) cannot be read: {around}.")


def with_audio_tokens(
    ids: torch.Tensor, columns: torch.Tensor, counts: Sequence[int], audio_token_id: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    A prompt (length,) with one placeholder per clip, each repeated as often as its clip has audio tokens (`counts`), and where
    some `columns` of it are then.
    """
    remaining = iter(counts)
    times = torch.tensor([next(remaining) if token == audio_token_id else 1 for token in ids.tolist()])
    # A column moves on by the audio tokens before it
    return ids.repeat_interleave(times), times.cumsum(0)[columns] - 1


def padded_options(option_ids: list[list[int]]) -> torch.Tensor:
    """(questions, most options): the tokens of the allowed answers of each question, -1 past the last."""
    return torch.nn.utils.rnn.pad_sequence(list(map(torch.tensor, option_ids)), batch_first=True, padding_value=-1)


def yes_and_no(tokenizer: Any) -> list[str]:
    """Labels of the two answers of a `noul` question that are single tokens for this tokenizer."""
    pairs = (["Yes", "No"], ["yes", "no"], ["A", "B"])
    for pair in pairs:
        if all(len(ids) == 1 for ids in tokenizer(pair, add_special_tokens=False).input_ids):
            return pair
    raise ValueError(
        f"None of {', '.join(map('/'.join, pairs))} are single tokens of this tokenizer, as two answers must be."
    )


# Sound


def sound_of_request(block: dict[str, Any], rate: int) -> tuple[Any, int]:
    """(samples,) float32 and their rate, of an audio block of a request, which is `rate` if it does not say."""
    if isinstance(data := block.get("data_base64"), str):
        samples, rate = decode_base64(data)
    else:
        audio = block.get("audio")
        if audio is None or isinstance(audio, (str, bytes)) or block.get("path") or block.get("url"):
            raise ValueError(
                "An audio block of a decision request brings its sound along, as `data_base64` (an encoded file) or as an "
                "array; paths and URLs are not read."
            )
        own = block.get("sampling_rate")
        samples, rate = sound_of(audio, rate if own is None else own)
    check_length(samples, rate)
    return samples, rate


def sound_of(audio: Any, rate: Any) -> tuple[Any, int]:
    """(samples,) float32 in [-1, 1] and their rate, from an array or from `{"array", "sampling_rate"}`."""
    if isinstance(audio, dict):
        if not {"array", "sampling_rate"} <= audio.keys():
            raise ValueError(
                f"The audio of a block has the keys {sorted(audio)}; `array` and `sampling_rate` are needed."
            )
        audio, rate = audio["array"], audio["sampling_rate"]
    check_rate(rate)
    return as_mono(audio, is_played=True).numpy(), rate


def decode_base64(data: str) -> tuple[Any, int]:
    """(samples,) float32 and the rate of an encoded file in base64; of several channels their mean."""
    file = read_base64(data)
    if not is_soundfile_available():
        raise ImportError("Files in requests are read by soundfile: pip install soundfile")
    try:
        samples, rate = soundfile.read(io.BytesIO(file), dtype="float32", always_2d=True)  # (samples, channels)
    except RuntimeError as error:  # of soundfile
        raise ValueError(f"`data_base64` of an audio block is not an audio file in base64: {error}") from error
    check_rate(rate)
    return as_mono(samples if len(samples) > samples.shape[1] else samples.T, is_played=True).numpy(), rate


def read_base64(data: str) -> bytes:
    """The file of an audio block that brings it in base64."""
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise ValueError(f"`data_base64` of an audio block is not base64: {error}.") from error


def check_length(samples: Any, rate: int):
    """Raises a `ValueError` if a clip (samples,) is too short to be judged."""
    if len(samples) < int(MIN_SECONDS * rate):
        raise ValueError(f"A clip of {len(samples) / rate:.3f} s is too short; at least {MIN_SECONDS} s is needed.")


def check_finite(samples: torch.Tensor) -> tuple[float, float]:
    """The lowest and the highest sample; raises a `ValueError` if one is no number."""
    # The two are NaN if a sample is; to ask each one takes 15 times as long
    lowest, highest = (float(sample) for sample in samples.aminmax())
    if not math.isfinite(lowest) or not math.isfinite(highest):
        raise ValueError("A clip holds NaN or infinite samples.")
    return lowest, highest


def check_rate(rate: Any):
    """Raises a `ValueError` if a sampling rate is none that a clip can have."""
    if not isinstance(rate, Real) or not 4_000 <= rate <= 384_000:
        raise ValueError(f"The sampling rate of a clip is {rate!r}; 4000 to 384000 Hz is possible.")


def as_mono(audio: Any, *, is_played: bool = False) -> torch.Tensor:
    """(samples,) float32 in [-1, 1], from integers or several channels too; what is played is clipped before channels are mixed."""
    try:
        samples = torch.as_tensor(audio).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"The audio of a block is not an array of numbers: {error}") from error
    if samples.ndim not in (1, 2):
        raise ValueError(f"A clip has the shape {tuple(samples.shape)}; (samples,) or (channels, samples) is needed.")
    if not samples.is_floating_point():
        samples = integers_as_floats(samples)
    if is_played and samples.numel():
        lowest, highest = check_finite(samples)
        if lowest < -1 or highest > 1:  # else no copy of what may be hours
            samples = samples.clamp(-1, 1)
    if samples.ndim == 2:  # the shorter axis holds the channels
        samples = samples.mean(0 if samples.shape[0] <= samples.shape[1] else 1)  # (samples,)
    return samples.float()


def integers_as_floats(samples: torch.Tensor) -> torch.Tensor:
    """
    Float32 in [-1, 1] of integer samples of any shape, divided by their full scale as wav files have it: unsigned bytes rest
    at 128, all others at 0. Raises a `ValueError` for kinds that no sound file has.
    """
    if samples.dtype not in (torch.uint8, torch.int8, torch.int16, torch.int32):
        kind = str(samples.dtype).removeprefix("torch.")
        raise ValueError(f"{kind} samples have no known full scale; give float in [-1, 1] or int16")
    centred = samples.float() - 128 if samples.dtype == torch.uint8 else samples.float()
    return centred / 2 ** (torch.iinfo(samples.dtype).bits - 1)


def resample(samples: Any, from_rate: int, to_rate: int) -> Any:
    """(samples,) float32 at another rate, by soxr."""
    check_rate(from_rate)
    if from_rate == to_rate:
        return samples
    if not is_soxr_available():
        raise ImportError(f"Audio at {from_rate} Hz must be resampled to {to_rate} Hz: pip install soxr")
    return soxr.resample(samples, from_rate, to_rate, quality="HQ")


# Where it sounds


def is_silent(samples: Any) -> bool:
    """Whether a signal (samples,) is digital silence: nowhere above -90 dBFS."""
    samples = torch.as_tensor(samples)
    return not len(samples) or max(abs(float(peak)) for peak in samples.aminmax()) <= SILENCE_PEAK


def loud_edges(hops: torch.Tensor) -> torch.Tensor:
    """First and last sample (2, hops) of each hop (hops, samples) that is more than digital silence; -1 if there is none."""
    size = hops.abs()
    silent = size.amax(1) <= SILENCE_PEAK  # NaN is no silence: who reads it will say so
    edges = torch.tensor([[0], [hops.shape[1] - 1]], dtype=torch.int16).repeat(1, len(hops)).masked_fill_(silent, -1)
    # Most hops are loud from their first sample to their last
    some = ((torch.minimum(size[:, 0], size[:, -1]) <= SILENCE_PEAK) & ~silent).nonzero()[:, 0]
    inner = (size[some] > SILENCE_PEAK).byte()  # (some hops, samples)
    edges[0, some] = inner.argmax(1).short()
    edges[1, some] -= inner.flip(1).argmax(1).short()
    return edges


class Activity:
    """
    Collects the level of a signal, to find where it sounds: of 10 ms, up to each millisecond.

    Sound is what is less than 40 dB below the level of the clip, and above digital silence; pauses of up to two seconds are
    part of it. A mean that does not move (an offset) is none. Signals come block by block: hours need no memory.
    """

    def __init__(self, rate: int):
        self.rate, self.size = rate, max(1, round(HOP_SECONDS * rate))
        self.rest, self.count = torch.empty(0), 0
        # Of the last hops, whose powers are not yet known: how many samples, their sum, and the sum of their squares (3, hops)
        self.sums = [torch.zeros((3, HOPS - 1), dtype=torch.float64)]
        self.powers: list[torch.Tensor] = []
        self.power_sum = self.square_sum = 0.0  # of all powers, and of their squares
        # First and last sample of each hop that is more than digital silence; -1 if there is none
        self.edges: list[torch.Tensor] = []

    def add(self, samples: Any):
        """The next samples (samples,)."""
        samples = torch.as_tensor(samples)
        self.count += len(samples)
        samples = torch.cat([self.rest, samples]) if len(self.rest) else samples
        whole = len(samples) // self.size * self.size
        # No more than three seconds at a time, of which there are copies that fit into a cache
        for block in samples[:whole].split(3000 * self.size):
            self._measure(block.view(-1, self.size))
        self.rest = samples[whole:].clone()

    def _measure(self, hops: torch.Tensor):
        """The next hops (hops, samples)."""
        self.edges.append(loud_edges(hops))
        exact = hops.to(torch.float64, copy=True)
        total, squares = exact.sum(1), exact.square_().sum(1)
        self.sums.append(torch.stack([torch.full_like(total, hops.shape[1]), total, squares]))
        if len(self.sums) > 20:  # of many at once, at less cost than of each
            self._add_powers()

    def _add_powers(self):
        sums = torch.cat(self.sums, dim=1)
        self.sums = [sums[:, sums.shape[1] - HOPS + 1 :].clone()]
        known = sums[2].isfinite()
        sums[1].masked_fill_(~known, 0.0)
        sums[2].masked_fill_(~known, math.inf)
        count, total, squares = sums.unfold(1, HOPS, 1).sum(-1)  # (hops,) each
        power = (squares - total.square() / count).clamp(min=0) / count
        finite = power[power.isfinite()]
        self.power_sum += float(finite.sum())
        self.square_sum += float(finite.square().sum())
        self.powers.append(power.float())

    def spans(self) -> list[tuple[float, float]]:
        """Start and end in seconds of each part that sounds, 0.1 s at least; nothing must be added any more."""
        return [at_least(first, last, self.count, self.rate) for first, last in self._places()]

    def _places(self) -> Iterator[tuple[int, int]]:
        """First sample and the one after the last of each part that sounds."""
        if len(self.rest):
            self._measure(self.rest[None])
            self.rest = self.rest[:0]
        if not self.edges:
            return
        nothing = torch.zeros(HOPS - 1, dtype=torch.bool)
        self.sums.append(self.sums[0].new_zeros((3, HOPS - 1)))  # so that the last hops have their power too
        self._add_powers()
        power, (first, last) = torch.cat(self.powers), torch.cat(self.edges, dim=1)
        sounding = first >= 0
        # Weighted by itself, so that pauses say nothing about the level of what is between them
        level = self.square_sum / self.power_sum if self.power_sum else 0.0
        active = power >= min(level, max(level * 10 ** (QUIET_DB / 10), 10 ** (QUIET_DBFS / 10)))
        before = torch.nn.functional.pad(sounding.cumsum(0), (HOPS, 0))
        before = torch.cat([before, before[-1:].expand(HOPS - 1)])  # how many hops have sounded, up to each
        active &= before[HOPS:] > before[:-HOPS]
        changes = torch.cat([nothing[:1], active, nothing[:1]]).byte().diff().nonzero()[:, 0]
        # A part begins with the hop that makes 10 ms sound, and ends with the first of the last 10 ms
        begins, ends = changes[::2], changes[1::2] - HOPS + 1
        if not len(begins):
            return
        new = begins[1:] - ends[:-1] > round(LONGEST_PAUSE_SECONDS / HOP_SECONDS)
        end = torch.ones(1, dtype=torch.bool)
        sounds = sounding.nonzero()[:, 0]
        # Nothing of the quiet around it: how much of it there is would count as how the speech sounds
        starts = sounds[torch.searchsorted(sounds, begins[torch.cat([end, new])])]
        stops = sounds[torch.searchsorted(sounds, ends[torch.cat([new, end])]) - 1]
        for start, stop in zip(starts.tolist(), stops.tolist()):
            yield start * self.size + int(first[start]), stop * self.size + int(last[stop]) + 1


def sounding(samples: Any, rate: int) -> list[tuple[float, float]]:
    """Where a clip (samples,) sounds: start and end in seconds of each part, see [`Activity`]."""
    activity = Activity(rate)
    activity.add(samples)
    return activity.spans()


def at_least(first: int, last: int, frames: int, rate: int) -> tuple[float, float]:
    """Two of the `frames` of a clip as seconds, after both were moved outwards if less lies between them than can be judged."""
    missing = max(0, round(MIN_SECONDS * rate) - (last - first))
    last = min(frames, last + missing)
    first = max(0, min(first, last - round(MIN_SECONDS * rate)))
    return first / rate, last / rate


def joined_spans(
    first: Sequence[tuple[float, float]], second: Sequence[tuple[float, float]]
) -> tuple[tuple[float, float], ...]:
    """
    Time spans, (start, end) in order, that lie in either of two sets.

    Example:
        >>> joined_spans([(0, 2)], [(1, 3), (5, 6)])
        ((0, 3), (5, 6))
    """
    joined: list[tuple[float, float]] = []
    for start, end in sorted([*first, *second]):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


# Windows


def windows(seconds: float, window: float = 10.0, minimum: float = LEAST_SECONDS) -> list[tuple[float, float]]:
    """
    Cuts a length into windows that cover it without overlap.

    If the rest is shorter than `minimum`, the last border moves forward until it is not; where that would leave the window
    before it too short, the two become one, the only case of a window longer than `window`. Only a clip that is itself shorter
    than `minimum` gives a shorter window.

    Args:
        minimum: Shortest window, in seconds; at most `window`.

    Returns:
        (start, end) in seconds, in order; the first start is 0 and the last end is `seconds`.

    Raises:
        ValueError: If a length is out of range.

    Example:
        >>> windows(20.5)
        [(0.0, 10.0), (10.0, 19.5), (19.5, 20.5)]
    """
    if not 0 < seconds < math.inf:
        raise ValueError(f"seconds must be above 0 and finite; got {seconds}")
    if not 0 <= minimum <= window < math.inf or window == 0:
        raise ValueError(f"0 <= minimum <= window and window > 0 are needed; got minimum={minimum}, window={window}")
    count = max(1, math.ceil(seconds / window - 1e-9))  # rounding must not make a window of a nanosecond
    borders = [index * window for index in range(count)] + [seconds]
    if count > 1 and seconds - borders[-2] < minimum:
        border = seconds - minimum
        borders[-2:-1] = [border] if border - borders[-3] >= minimum else []
    return [(float(start), float(end)) for start, end in itertools.pairwise(borders)]


def window_frames(
    spans: Sequence[tuple[float, float]], rate: int, window: float, minimum: float
) -> Iterator[tuple[float, float, int, int]]:
    """
    Windows of several parts of a clip, (start, end) in seconds: start and end of each in seconds of the clip, its first frame
    and the one after its last.
    """
    for span in spans:
        begin, stop = (round(time * rate) for time in span)
        for start, end in windows((stop - begin) / rate, window, minimum):
            # Rounded borders, so that windows do not drift from the times they say
            yield begin / rate + start, begin / rate + end, begin + round(start * rate), begin + round(end * rate)


def cut_state(state: Any, rate: int, window_seconds: float) -> StateWindows:
    """
    Cuts the clips of a state into windows of what sounds; all of a clip in which nothing does.

    Several clips of one length are cut at the same times, where any of them sounds. Of others each is cut from its first sound
    to its last, and windows are paired by their place; those of a clip with fewer of them come several times.

    Args:
        state: As of a request: a block or a list of them.
        rate: That of the judge, which windows are brought to.
        window_seconds: Length of the windows.
    """
    blocks = state if isinstance(state, list) else [state]
    sounds = [sound_of_request(block, rate) for block in blocks if is_audio(block)]  # (samples,) and rate each
    if not sounds:
        return StateWindows([(0.0, 1.0)], 0.0, blocks, [], [[]], rate)
    spans = [sounding(*sound) for sound in sounds]
    cut = cut_together(sounds, spans, window_seconds)
    most = max(map(len, cut))
    pairs = [[own[place * len(own) // most] for own in cut] for place in range(most)]
    if any(spans):
        pairs = [
            pair
            for pair in pairs
            if not all(is_silent(samples[first:last]) for (samples, _), (*_, first, last) in zip(sounds, pair))
        ]
    frames = [[(first, last) for *_, first, last in pair] for pair in pairs]
    seconds = len(sounds[0][0]) / sounds[0][1]
    return StateWindows([pair[0][:2] for pair in pairs], seconds, blocks, sounds, frames, rate)


def cut_together(
    sounds: list[tuple[Any, int]], spans: list[list[tuple[float, float]]], window_seconds: float
) -> list[list[tuple[float, float, int, int]]]:
    """
    The windows of each clip, (samples,) and its rate, which sounds in some `spans` of seconds: start and end of each in
    seconds, its first sample and the one after its last.
    """
    lengths = [len(samples) / rate for samples, rate in sounds]
    if max(lengths) - min(lengths) < MIN_SECONDS:
        common = functools.reduce(joined_spans, spans, ())
        spans = [
            [at_least(round(start * rate), min(round(end * rate), len(clip)), len(clip), rate) for start, end in common]
            for clip, rate in sounds
        ]
    else:
        spans = [[(own[0][0], own[-1][1])] if own else [] for own in spans]
    least = min(LEAST_SECONDS, window_seconds)
    return [
        list(window_frames(own or [(0.0, length)], rate, window_seconds, least))
        for own, length, (_, rate) in zip(spans, lengths, sounds)
    ]


def over_windows(answers: Sequence[Any], weights: Sequence[float]) -> torch.Tensor:
    """
    The answer (options,) to a question about a clip: the mean of the `answers` (options,) about its windows, each of which
    counts for its weight, which is its length in seconds.
    """
    shares = torch.stack([torch.as_tensor(one).double().cpu() for one in answers])  # (windows, options)
    weight = torch.tensor(weights, dtype=torch.float64)
    return weight @ shares / weight.sum()


def frames_over_windows(answers: Sequence[Any], spans: Sequence[tuple[float, float]], seconds: float) -> torch.Tensor:
    """
    The answer (frames,) to a question when something is heard in a clip of so many `seconds`: the `answers` (frames,) about its
    windows, (start, end) in seconds each, in a row; 0 where silence was left out.
    """
    rows = [torch.as_tensor(one).cpu() for one in answers]
    step = sum(end - start for start, end in spans) / sum(map(len, rows))  # seconds of a frame
    parts, heard = [], 0.0  # until where the parts reach
    for (start, end), row in zip(spans, rows):
        parts += [row.new_zeros(max(0, round((start - heard) / step))), row]
        heard = end
    return torch.cat([*parts, rows[0].new_zeros(max(0, round((seconds - heard) / step)))])


AudioJudgeFeatureExtractor.register_for_auto_class("AutoFeatureExtractor")
AudioJudgeProcessor.register_for_auto_class("AutoProcessor")

__all__ = ["AudioJudgeEncoderConfig", "AudioJudgeFeatureExtractor", "AudioJudgeProcessor"]
