"""Quality encoders from the weights of published peers: NISQA v2.0 and Distill-MOS, read from their own files.

    python train_backbones.py nisqa --output runs/nisqa                    # from ~/.torchmetrics/NISQA/nisqa.tar
    python train_backbones.py distill_mos --output runs/distill_mos        # from the package distillmos

Batch norms are folded into the layers beside them. Only tensors are read (``weights_only``), nothing of the peers is run.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from audio_judge.configuration_audio_judge import AudioJudgeDistillMosConfig, AudioJudgeNisqaConfig
from audio_judge.corpora.teachers import NISQA_WEIGHTS
from audio_judge.modeling_audio_judge import (
    AttentionLayer,
    AudioJudgeDistillMosEncoder,
    AudioJudgeNisqaEncoder,
    AudioJudgePreTrainedModel,
)
from audio_judge.processing_audio_judge import AudioJudgeFeatureExtractor

NISQA_ATTRIBUTION = (
    "NISQA v2.0, Gabriel Mittag et al., github.com/gabrielmittag/NISQA, weights under CC BY-NC-SA 4.0; its batch norms were "
    "folded into its convolutions"
)
DISTILL_MOS_ATTRIBUTION = (
    "Distill-MOS, Benjamin Stahl and Hannes Gamper, Microsoft, github.com/microsoft/Distill-MOS, under the MIT license; its "
    "batch norms were folded into the layers beside them"
)
Weights = dict[str, Tensor]


def read_nisqa(path: Path | None = None, form: str = "frames", num_scores: int = 5) -> AudioJudgeNisqaEncoder:
    """NISQA v2.0 as an encoder; of more scores than its five, the others start as its first.

    Args:
        path: ``nisqa.tar`` of github.com/gabrielmittag/NISQA (``weights/``); where torchmetrics keeps it if not given.
        form: ``frames``, to be trained, or ``segments``, whose scores are those of the original.

    Raises:
        FileNotFoundError: If there are no weights.
    """
    path = path or NISQA_WEIGHTS
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: no NISQA v2.0 weights; take weights/nisqa.tar from github.com/gabrielmittag/NISQA, or let torchmetrics "
            "fetch it (torchmetrics.functional.audio.non_intrusive_speech_quality_assessment)"
        )
    weights = torch.load(path, map_location="cpu", weights_only=True)["model_state_dict"]
    config = AudioJudgeNisqaConfig(
        form=form, num_scores=num_scores, license="cc-by-nc-sa-4.0", attributions=[NISQA_ATTRIBUTION]
    )
    encoder = AudioJudgeNisqaEncoder(config).eval()
    for number, conv in enumerate(encoder.convs, 1):
        scale, shift = batch_norm(weights, f"cnn.model.bn{number}")
        kernel, bias = weights[f"cnn.model.conv{number}.weight"], weights[f"cnn.model.conv{number}.bias"]
        copy(conv, kernel * scale[:, None, None, None], bias * scale + shift)
    copy_named(encoder.input_proj, weights, "time_dependency.model.linear")
    copy_named(encoder.norm, weights, "time_dependency.model.norm1")
    for number, layer in enumerate(encoder.layers):
        copy_attention(layer, weights, f"time_dependency.model.layers.{number}")
    pools = [f"pool_layers.{number if number < 5 else 0}.model" for number in range(num_scores)]
    copy_scores(encoder.scores, weights, pools)
    return encoder


def read_distill_mos(
    path: Path | None = None, form: str = "frames", num_scores: int = 1
) -> AudioJudgeDistillMosEncoder:
    """Distill-MOS as an encoder; of more scores than one, the others start as the first.

    Args:
        path: ``distill_mos_v7.pt`` of github.com/microsoft/Distill-MOS; that of the installed package if not given.
        form: ``frames``, to be trained, or ``segments``, whose score is that of the original.

    Raises:
        FileNotFoundError: If there are no weights.
    """
    path = path or installed_distill_mos()
    if not path.exists():
        raise FileNotFoundError(f"{path}: no Distill-MOS weights; pip install --no-deps distillmos")
    weights = torch.load(path, map_location="cpu", weights_only=True)["model"]
    config = AudioJudgeDistillMosConfig(
        form=form, num_scores=num_scores, license="mit", attributions=[DISTILL_MOS_ATTRIBUTION]
    )
    encoder = AudioJudgeDistillMosEncoder(config).eval()
    for number, conv in enumerate(encoder.convs):
        copy_named(conv, weights, f"cnn.cnn.{2 * number}")
    head = "transformer_pool_attn"
    # Two batch norms in a row, then a linear layer
    scale, shift = batch_norm(weights, f"{head}.norm_input")
    second, offset = batch_norm(weights, f"{head}.transformer.norm")
    scale, shift = scale * second, shift * second + offset
    linear = weights[f"{head}.transformer.linear_proj.weight"]
    copy(encoder.input_proj, linear * scale, weights[f"{head}.transformer.linear_proj.bias"] + linear @ shift)
    with torch.no_grad():
        encoder.positions.weight.copy_(weights[f"{head}.transformer.position_encoding.pe"][0])
    for number, layer in enumerate(encoder.layers):
        copy_attention(layer, weights, f"{head}.transformer.transformer_encoder.layers.{number}")
    # The batch norm before the pooling follows the last layer norm
    scale, shift = batch_norm(weights, f"{head}.norm_trans")
    last = encoder.layers[-1].mlp_norm
    copy(last, last.weight * scale, last.bias * scale + shift)
    copy_scores(encoder.scores, weights, [f"{head}.pool"] * num_scores)
    return encoder


def installed_distill_mos() -> Path:
    """Where the package keeps its weights, without importing it, which needs torchaudio."""
    found = importlib.util.find_spec("distillmos")
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError("distillmos is not installed; pip install --no-deps distillmos")
    return Path(found.submodule_search_locations[0]) / "weights" / "distill_mos_v7.pt"


def batch_norm(weights: Weights, name: str) -> tuple[Tensor, Tensor]:
    """What a batch norm does to each channel once it is trained: scale and shift (channels,)."""
    scale = weights[f"{name}.weight"] * (weights[f"{name}.running_var"] + 1e-5).rsqrt()
    return scale, weights[f"{name}.bias"] - weights[f"{name}.running_mean"] * scale


@torch.no_grad()
def copy(module: nn.Module, weight: Tensor, bias: Tensor) -> None:
    """Fill a module."""
    module.load_state_dict({"weight": weight, "bias": bias})


def copy_named(module: nn.Module, weights: Weights, name: str) -> None:
    """Fill a module with the tensors of a name."""
    copy(module, weights[f"{name}.weight"], weights[f"{name}.bias"])


def copy_attention(layer: AttentionLayer, weights: Weights, name: str) -> None:
    """Fill a layer from one of torch's ``TransformerEncoderLayer``."""
    copy(layer.qkv_proj, weights[f"{name}.self_attn.in_proj_weight"], weights[f"{name}.self_attn.in_proj_bias"])
    names = {"o_proj": "self_attn.out_proj", "attention_norm": "norm1", "up_proj": "linear1", "down_proj": "linear2"}
    for ours, theirs in (names | {"mlp_norm": "norm2"}).items():
        copy_named(getattr(layer, ours), weights, f"{name}.{theirs}")


def copy_scores(scores: nn.Module, weights: Weights, pools: list[str]) -> None:
    """Fill the pooling of all scores from one of each."""
    joined = {
        f"{ours}.{kind}": torch.cat([weights[f"{pool}.{theirs}.{kind}"] for pool in pools])
        for ours, theirs in {"up_proj": "linear1", "attention": "linear2", "values": "linear3"}.items()
        for kind in ("weight", "bias")
    }
    joined["attention.weight"] = joined["attention.weight"][..., None]  # a convolution over one frame
    scores.load_state_dict(joined)


@dataclass(frozen=True)
class Peer:
    """A published encoder: how it is read, and which view it hears."""

    read: Callable[..., AudioJudgePreTrainedModel]
    view: str


PEERS = {"nisqa": Peer(read_nisqa, "nisqa"), "distill_mos": Peer(read_distill_mos, "distill_mos")}


def convert(
    name: str, output: Path, path: Path | None = None, form: str = "frames", num_scores: int | None = None
) -> None:
    """Write a peer as a folder for ``from_backbones``: weights, configuration, feature extractor."""
    peer = PEERS[name]
    options = {} if num_scores is None else {"num_scores": num_scores}
    peer.read(path, form=form, **options).save_pretrained(output)
    extractor = AudioJudgeFeatureExtractor(views=[peer.view])
    if form == "segments" and name == "nisqa":
        extractor = AudioJudgeFeatureExtractor(
            views=[peer.view], fft_length=4096, pad_mode="reflect", remove_offset=False
        )
    extractor.save_pretrained(output)
