"""Metrics that write labels for training: NISQA v2.0, Distill-MOS, DNSMOS and PLCMOS, in-process, each set up once.

Left out: anything that needs a reference. NISQA's weights are CC BY-NC-SA 4.0, the others' MIT: what is trained on the
labels inherits the stricter licence. Needs the ``simulate`` extra, ``pip install --no-deps distillmos``, and NISQA's weights
at ``NISQA_WEIGHTS``; ``check_installed`` says what of that is missing.
"""

import importlib
import importlib.util
import sys
import types
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import soxr
import torch
from torch import Tensor, nn
from torch.nn import functional

from audio_judge.corpora.simulated import NISQA_AXES
from audio_judge.errors import UsageError

NISQA_RATE = 48_000
NISQA_WEIGHTS = Path("~/.torchmetrics/NISQA/nisqa.tar").expanduser()
NISQA_FRAME_SECONDS = 0.04
DISTILL_MOS_RATE = 16_000
# Distill-MOS always hears 7.68 s: shorter clips are padded with silence, which its pooling sees.
DISTILL_MOS_SAMPLES = 122_880
DNSMOS_RATE = 16_000  # and PLCMOS's
DNSMOS_SAMPLES = 144_160  # 9.01 s, which its network always hears
# What each teacher imports beside what this package needs anyway
NEEDS = {
    "nisqa": ("torchmetrics", "librosa", "requests"),
    "distill_mos": ("distillmos",),
    "dnsmos": ("speechmos", "librosa", "requests", "onnxruntime"),
    "plcmos": ("speechmos", "onnxruntime"),
}
PLCMOS_RATERS = 8  # PLCMOS guesses one rater at a time, each a random vector; the package takes 15


def check_installed(teachers: Iterable[str], others: Iterable[str] = ()) -> None:
    """Make sure, before any work, that some teachers and other packages are there.

    Args:
        teachers: Keys of ``NEEDS``.
        others: Further packages of the ``simulate`` extra, by the names under which they are imported.

    Raises:
        UsageError: If something is missing; says what, and how to get it.
    """
    teachers = list(teachers)
    names = dict.fromkeys([*(name for teacher in teachers for name in NEEDS[teacher]), *others])
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    ways = ["pip install 'audio-judge[simulate]'"] if set(missing) - {"distillmos"} else []
    # Not of the extra: it asks for torchaudio, which nothing here uses and whose usual build is for another device
    ways += ["pip install --no-deps distillmos"] if "distillmos" in missing else []
    if ways:
        verb = "is" if len(missing) == 1 else "are"
        raise UsageError(f"{', '.join(missing)} {verb} not installed: {' && '.join(ways)}")
    if "nisqa" in teachers and not NISQA_WEIGHTS.exists():
        raise UsageError(
            f"{NISQA_WEIGHTS}: no NISQA v2.0 weights; copy weights/nisqa.tar of github.com/gabrielmittag/NISQA there"
        )


def nisqa(samples: np.ndarray) -> tuple[list[dict[str, float]], np.ndarray]:
    """Rate clips of equal length with NISQA v2.0 and return what it heard over time.

    Args:
        samples: Clips of shape (clips, samples) at 48 kHz, -1 to 1; 0.2 s to 52 s.

    Returns:
        One dict per clip of ``NISQA_AXES``, about 1 to 5 but unbounded;
        and the states before pooling, float32 of shape (clips, frames, 64), one frame per 40 ms.

    Raises:
        FileNotFoundError: If the weights are not at ``NISQA_WEIGHTS``.
        ValueError: If ``samples`` is not (clips, samples).

    Example:
        >>> nisqa(np.zeros(48_000))
        Traceback (most recent call last):
        ValueError: samples has shape (48000,); (clips, samples) is needed
    """
    if samples.ndim != 2:
        raise ValueError(f"samples has shape {samples.shape}; (clips, samples) is needed")
    library, model, arguments = _nisqa_model()
    mel = library._get_librosa_melspec(np.asarray(samples, dtype=np.float32), NISQA_RATE, arguments)
    segments, count = library._segment_specs(torch.from_numpy(mel), arguments)  # (clips, windows, …)
    segments = segments[:, : int(count)]  # drop the padding to the 1300 windows of the longest possible clip
    states: list[Tensor] = []
    hook = model.time_dependency.register_forward_hook(lambda _module, _inputs, output: states.append(output[0]))
    try:
        with torch.inference_mode():
            scores = model(segments, count.expand(len(samples)))
    finally:
        hook.remove()
    rows = [dict(zip(NISQA_AXES, row, strict=True)) for row in scores.tolist()]
    return rows, states[0].numpy()


@cache
def _nisqa_model() -> tuple[types.ModuleType, Any, dict[str, Any]]:
    """Load torchmetrics' NISQA once; its own loader would download the weights when they are absent."""
    if not NISQA_WEIGHTS.exists():
        raise FileNotFoundError(f"{NISQA_WEIGHTS}: no NISQA v2.0 weights; copy nisqa.tar there")
    library = importlib.import_module("torchmetrics.functional.audio.nisqa")
    model, arguments = library._load_nisqa_model()
    return library, model.eval(), arguments


def dnsmos(clip: np.ndarray, rate: int = NISQA_RATE) -> dict[str, float]:
    """Rate the first 9.01 s of a clip with DNSMOS P.835; a shorter one is repeated, as Microsoft's package does it.

    The package goes on in steps of a second while the repetition lasts, up to eight times the work for 0.01 of a point.

    Args:
        clip: Mono, shape (samples,), -1 to 1.
        rate: Its sampling rate in Hz; it is resampled to 16 kHz.

    Returns:
        ``sig, bak, ovrl``: speech, background noise and overall, about 1 to 5, clean speech at about 3.3 overall.

    Raises:
        ValueError: If the clip is not one-dimensional or empty.
    """
    library, session = _dnsmos_model()
    samples = _at_16khz("DNSMOS", clip, rate)
    sig, bak, ovrl = session.run(None, {"input_1": np.resize(samples, (1, DNSMOS_SAMPLES))})[0][0]
    fitted = library.DNSMOS.get_polyfit_val(None, sig, bak, ovrl, False)
    return dict(zip(("sig", "bak", "ovrl"), map(float, fitted), strict=True))


@cache
def _dnsmos_model() -> tuple[Any, Any]:
    library: Any = importlib.import_module("speechmos.dnsmos")
    return library, onnx(Path(library.__file__).parent / "dnsmos_models" / "sig_bak_ovr.onnx")


def plcmos(clip: np.ndarray, rate: int = NISQA_RATE) -> float:
    """Rate concealed packet loss with PLCMOS v2, the mean over the same ``PLCMOS_RATERS`` raters each time.

    Args:
        clip: Mono, shape (samples,), -1 to 1.
        rate: Its sampling rate in Hz; it is resampled to 16 kHz.

    Returns:
        Mean opinion score, about 1 to 5.

    Raises:
        ValueError: If the clip is not one-dimensional or empty.
    """
    model, raters = _plcmos_model()
    spectra = model.stft_transform(_at_16khz("PLCMOS", clip, rate).astype(np.float64))
    inputs = {"degraded_audio": spectra.astype(np.float32)[None, None]}
    scores = [model.session.run(None, inputs | {"rater_embed": rater[None]})[0] for rater in raters]
    return float(np.mean(scores))


@cache
def _plcmos_model() -> tuple[Any, np.ndarray]:
    model = importlib.import_module("speechmos.plcmos").PLCMOS()
    model.session = onnx(Path(model.model_path))
    return model, np.random.default_rng(0).standard_normal((PLCMOS_RATERS, 64)).astype(np.float32)


def onnx(path: Path, threads: int = 1) -> Any:
    """A session of so many threads; one, where labels are written by several processes."""
    runtime = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    return runtime.InferenceSession(str(path), options)


def _at_16khz(teacher: str, clip: np.ndarray, rate: int) -> np.ndarray:
    if clip.ndim != 1 or not len(clip):
        raise ValueError(f"a clip for {teacher} has shape {clip.shape}; (samples,), not empty, is needed")
    return np.clip(soxr.resample(np.asarray(clip, dtype=np.float32), rate, DNSMOS_RATE), -1, 1)


def distill_mos(
    clips: list[np.ndarray], rate: int = NISQA_RATE, bfloat16: bool = False
) -> tuple[list[float], list[np.ndarray]]:
    """Rate the overall quality of clips of any length with Distill-MOS, in one batch, and say what it heard over time.

    Args:
        clips: Mono clips, each of shape (samples,), -1 to 1; what exceeds 7.68 s is not heard.
        rate: Their sampling rate in Hz; they are resampled to 16 kHz.
        bfloat16: Run the network in bfloat16, faster where the processor has it; scores move by about 0.01.

    Returns:
        One mean opinion score per clip, 1 to 5; and per clip the states before pooling, float32 of shape (frames, 200),
        one frame per 40 ms (the mean of two of the network's own).

    Raises:
        ValueError: If a clip is not one-dimensional.
    """
    model, silence = _distill_mos_model()
    features, lengths = [], []
    heard: list[Tensor] = []
    hook = model.transformer_pool_attn.pool.register_forward_pre_hook(lambda _module, inputs: heard.append(inputs[0]))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        for clip in clips:
            if clip.ndim != 1:
                raise ValueError(f"a clip has shape {clip.shape}; (samples,) is needed")
            resampled = soxr.resample(np.asarray(clip, dtype=np.float32), rate, DISTILL_MOS_RATE)
            features.append(_distill_mos_features(model, silence, torch.from_numpy(resampled)))
            lengths.append(max(1, min(len(resampled), DISTILL_MOS_SAMPLES) // 640))  # in frames of 40 ms
        quality = model.transformer_pool_attn(torch.cat(features).transpose(1, 2))
    hook.remove()
    states = heard[0].unflatten(1, (-1, 2)).mean(2).numpy()  # (clips, frames, 200)
    return (1 + 4 * quality).squeeze(-1).tolist(), [clip[:length] for clip, length in zip(states, lengths, strict=True)]


def _distill_mos_features(model: Any, silence: Tensor, clip: Tensor) -> Tensor:
    """Convolve a clip (samples,) at 16 kHz into (1, channels, 384) without convolving the padding.

    A column covers 320 samples and sees three columns to each side, so all later ones are those of ``silence``.
    """
    clip = clip[:DISTILL_MOS_SAMPLES]
    columns = min(len(clip) // 320 + 10, DISTILL_MOS_SAMPLES // 320)
    padded = functional.pad(clip / (clip.abs().max() + 1e-8), (0, 320 * columns - len(clip)))
    heard = model.cnn(padded[None])  # (1, channels, columns)
    if columns == DISTILL_MOS_SAMPLES // 320:
        return heard
    return torch.cat([heard[..., : columns - 4], silence[..., columns - 4 :].to(heard.dtype)], dim=-1)


@cache
def _distill_mos_model() -> tuple[Any, Tensor]:
    """Load Distill-MOS once, straight from its checkpoint, with its convolution features of 7.68 s of silence."""
    with _distill_mos_imports():
        library = importlib.import_module("distillmos.sqa")
    model = library.ConvTransformerSQAModel(load_weights=False, segmenting_in_forward=False)
    checkpoint = torch.load(library.DEFAULT_WEIGHTS_CHKPT, map_location="cpu", weights_only=True)
    model.load_state_dict(checkpoint["model"])
    with torch.inference_mode():
        return model.eval(), model.cnn(torch.zeros(1, DISTILL_MOS_SAMPLES))


def segmented_distill_mos() -> nn.Module:
    """Distill-MOS as its users get it, (clips, samples) at 16 kHz to (clips, 1): the mean over segments of 7.68 s."""
    model, _ = _distill_mos_model()
    segmented = copy(model)  # the weights stay shared
    segmented.segmenting_in_forward = True
    return segmented


@contextmanager
def _distill_mos_imports() -> Iterator[None]:
    """Stand in for what distillmos imports: torchaudio (only its command line) and xls-r-sqa (the network's head)."""
    configuration = types.ModuleType("xls_r_sqa.config")
    vars(configuration).update(Config=_configuration, FEAT_SEQ_LEN=384)
    head = types.ModuleType("xls_r_sqa.sqa_model")
    vars(head).update(SingleLayerModel=_Head)
    stand_ins = {
        "torchaudio": types.ModuleType("torchaudio"),
        "xls_r_sqa": types.ModuleType("xls_r_sqa"),
        "xls_r_sqa.config": configuration,
        "xls_r_sqa.sqa_model": head,
    }
    with mock.patch.dict(sys.modules, stand_ins):
        yield


def _configuration(_name: str, _input: None, **options: Any) -> types.SimpleNamespace:
    return types.SimpleNamespace(**options)


class _PositionEncoding(nn.Module):
    """Add the stored positions; the table itself is part of the checkpoint."""

    pe: Tensor

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        self.register_buffer("pe", torch.zeros(1, length, width))

    def forward(self, features: Tensor) -> Tensor:
        return features + self.pe


class _Transformer(nn.Module):
    """Project to the transformer's width and encode; submodule names are the checkpoint's."""

    def __init__(self, options: types.SimpleNamespace) -> None:
        super().__init__()
        width = options.dim_transformer
        self.norm = nn.BatchNorm1d(options.dim_input)
        self.position_encoding = _PositionEncoding(options.feat_seq_len, width)
        self.linear_proj = nn.Linear(options.dim_input, width)
        layer = nn.TransformerEncoderLayer(width, options.nhead_transformer, 2 * width, batch_first=True)
        self.transformer_encoder = nn.TransformerEncoder(layer, options.nlayers_transformer)

    def forward(self, features: Tensor) -> Tensor:
        projected = self.linear_proj(_channelwise(self.norm, features))
        return self.transformer_encoder(self.position_encoding(projected))


class _AttentionPooling(nn.Module):
    """Weigh frames by attention and map their mean to one number."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(width, 2 * width)
        self.linear2 = nn.Linear(2 * width, 1)
        self.linear3 = nn.Linear(width, 1)

    def forward(self, features: Tensor) -> Tensor:
        weights = self.linear2(functional.relu(self.linear1(features))).softmax(dim=1)  # (clips, frames, 1)
        return self.linear3((weights * features).sum(dim=1))  # (clips, 1)


class _Head(nn.Module):
    """Distill-MOS's transformer and pooling: features (clips, frames, channels) to quality (clips, 1), 0 to 1."""

    def __init__(self, options: types.SimpleNamespace) -> None:
        super().__init__()
        self.norm_input = nn.BatchNorm1d(options.dim_input)
        self.transformer = _Transformer(options)
        self.norm_trans = nn.BatchNorm1d(options.dim_transformer)
        self.pool = _AttentionPooling(options.dim_transformer)

    def forward(self, features: Tensor) -> Tensor:
        encoded = self.transformer(_channelwise(self.norm_input, features))
        with torch.autocast("cpu", enabled=False):  # bfloat16 would round the result to steps of 0.03
            return self.pool(_channelwise(self.norm_trans, encoded.float())).sigmoid()


def _channelwise(norm: nn.BatchNorm1d, features: Tensor) -> Tensor:
    """Apply a batch norm, which wants channels second, to (clips, frames, channels)."""
    return norm(features.transpose(1, 2)).transpose(1, 2)
