"""Encoders from the weights of peers: the exact forms say what the originals say."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torchmetrics.functional.audio import nisqa as library
from transformers import AutoFeatureExtractor, AutoModel

from audio_judge import AudioJudgeFeatureExtractor
from audio_judge.corpora import teachers
from audio_judge.training.peers import convert, read_distill_mos, read_nisqa

RATE = 48_000
NISQA_ARGUMENTS = {
    "ms_fmax": 20_000, "ms_n_fft": 4096, "ms_hop_length": 0.01, "ms_win_length": 0.02, "ms_n_mels": 48, "ms_seg_length": 15,
    "ms_seg_hop_length": 4, "ms_max_segments": 1300, "cnn_c_out_1": 16, "cnn_c_out_2": 32, "cnn_c_out_3": 64,
    "cnn_kernel_size": (3, 3), "cnn_dropout": 0.2, "cnn_pool_1": [24, 7], "cnn_pool_2": [12, 5], "cnn_pool_3": [6, 3],
    "td_sa_d_model": 64, "td_sa_nhead": 1, "td_sa_num_layers": 2, "td_sa_h": 64, "td_sa_dropout": 0.1, "pool_att_h": 128,
    "pool_att_dropout": 0,
}  # fmt: skip


def with_random_weights(model: nn.Module, seed: int) -> nn.Module:
    """A network whose batch norms have statistics of their own, as after training."""
    torch.manual_seed(seed)
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
    return model.eval()


def noise(seconds: float) -> np.ndarray:
    """Noise that fades out, float32 (samples,)."""
    rng = np.random.default_rng(0)
    count = int(seconds * RATE)
    return (rng.standard_normal(count) * np.linspace(0.2, 0.001, count)).astype(np.float32)


@pytest.fixture
def nisqa(tmp_path: Path) -> tuple[Path, nn.Module]:
    """A file like `nisqa.tar`, and torchmetrics' network with its weights."""
    network = with_random_weights(library._NISQADIM(NISQA_ARGUMENTS), 0)
    file = tmp_path / "nisqa.tar"
    torch.save({"model_state_dict": network.state_dict(), "args": NISQA_ARGUMENTS}, file)
    return file, network


def plain_scores(encoder: nn.Module, features: torch.Tensor) -> torch.Tensor:
    """Scores (1, scores) of a clip (1, feature frames, mel bins) by the layers that the parameters of an encoder are named after."""
    states = features.transpose(1, 2)[:, None]
    for conv, stride in zip(encoder.convs, (2, 1, None, 2, None, None), strict=True):
        states = functional.relu(conv(states))
        if stride is not None:
            states = functional.pad(states, (1, 1) if stride == 1 else (0, 2))
            states = functional.max_pool2d(states, (2, 3), (2, stride))
    states = encoder.norm(encoder.input_proj(states.permute(0, 3, 1, 2).flatten(2)))
    for layer in encoder.layers:
        states = layer(states, None)
    pool = encoder.scores
    weights = pool.attention(functional.relu(pool.up_proj(states)).transpose(1, 2)).softmax(-1)
    return (weights * pool.values(states).transpose(1, 2)).sum(-1)


class TestNisqa:
    def test_the_segments_say_what_the_original_says(self, nisqa):
        file, network = nisqa
        encoder = read_nisqa(file, form="segments")
        extractor = AudioJudgeFeatureExtractor(
            views=["nisqa"], fft_length=4096, pad_mode="reflect", remove_offset=False
        )
        clip = noise(1.3)
        mel = library._get_librosa_melspec(clip[None], RATE, NISQA_ARGUMENTS)
        segments, count = library._segment_specs(torch.from_numpy(mel), NISQA_ARGUMENTS)
        with torch.inference_mode():
            wanted = network(segments[:, : int(count)], count[None])
            heard = encoder(extractor(clip, return_tensors="pt")["input_features"]).scores
        torch.testing.assert_close(heard, wanted, atol=1e-3, rtol=0)

    @pytest.mark.skipif(not teachers.NISQA_WEIGHTS.exists(), reason="needs NISQA v2.0's weights, see `NISQA_WEIGHTS`")
    def test_so_do_they_with_the_weights_of_nisqa(self):
        encoder = read_nisqa(form="segments")
        extractor = AudioJudgeFeatureExtractor(
            views=["nisqa"], fft_length=4096, pad_mode="reflect", remove_offset=False
        )
        clip = noise(2.0)
        (wanted,), _ = teachers.nisqa(clip[None])
        with torch.inference_mode():
            heard = encoder(extractor(clip, return_tensors="pt")["input_features"]).scores[0].tolist()
        assert heard == pytest.approx(list(wanted.values()), abs=1e-3)

    @pytest.mark.parametrize("form", ["frames", "segments"])
    def test_a_batch_says_what_each_clip_says(self, nisqa, form):
        encoder, extractor = read_nisqa(nisqa[0], form=form), AudioJudgeFeatureExtractor(views=["nisqa"])
        clips = [noise(1.3), noise(0.7)]
        inputs = extractor(clips, return_tensors="pt")
        with torch.inference_mode():
            together = encoder(inputs["input_features"], inputs["attention_mask"]).scores
            alone = [encoder(extractor(clip, return_tensors="pt")["input_features"]).scores[0] for clip in clips]
        torch.testing.assert_close(together, torch.stack(alone), atol=1e-5, rtol=1e-5)

    def test_the_frames_are_those_of_plain_layers_in_training_too(self, nisqa):
        """The convolutions, pools and weights of frames as their names say, and how each is learned from them."""
        encoder = read_nisqa(nisqa[0], form="frames").train()
        features, mask = torch.randn(2, 61, 48), torch.ones(2, 61, dtype=torch.long)
        mask[1, 40:] = 0
        scores = encoder(features, mask).scores
        plain = torch.cat([plain_scores(encoder, features[:1]), plain_scores(encoder, features[1:, :40])])
        torch.testing.assert_close(scores, plain, atol=1e-5, rtol=1e-5)
        weight = encoder.convs[0].weight
        learned = [torch.autograd.grad(some.square().sum(), weight, retain_graph=True)[0] for some in (scores, plain)]
        torch.testing.assert_close(*learned, atol=1e-3, rtol=1e-3)

    def test_without_weights_it_says_where_to_get_them(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"github\.com/gabrielmittag/NISQA"):
            read_nisqa(tmp_path / "nisqa.tar")

    def test_the_converted_folder_carries_its_licence(self, nisqa, tmp_path):
        convert("nisqa", tmp_path / "encoder", nisqa[0])
        config = json.loads((tmp_path / "encoder" / "config.json").read_text())
        assert config["license"] == "cc-by-nc-sa-4.0"
        assert "Mittag" in config["attributions"][0]

    def test_the_converted_folder_is_loaded_by_transformers(self, nisqa, tmp_path):
        convert("nisqa", tmp_path / "encoder", nisqa[0])
        encoder = AutoModel.from_pretrained(tmp_path / "encoder")
        inputs = AutoFeatureExtractor.from_pretrained(tmp_path / "encoder")(noise(1.0), return_tensors="pt")
        assert encoder(**inputs).last_hidden_state.shape == (1, 26, 69)


class OriginalDistillMos(nn.Module):
    """Distill-MOS from its complex spectrum on, in plain torch, with the names of its checkpoint."""

    def __init__(self) -> None:
        super().__init__()
        channels = (2, 64, 64, 128, 256, 256, 256)
        layers: list[nn.Module] = []
        for index in range(6):
            stride = (1 if index == 0 else 2, 2 if index == 5 else 1)
            layers += [nn.Conv2d(channels[index], channels[index + 1], 3, stride, (0, 1)), nn.LeakyReLU(0.1)]
        self.cnn = nn.ModuleDict({"cnn": nn.Sequential(*layers)})
        options = teachers._configuration(
            "", None, dim_input=1024, dim_transformer=200, feat_seq_len=384, nhead_transformer=8, nlayers_transformer=7
        )
        self.transformer_pool_attn = teachers._Head(options)

    def forward(self, spectrum: torch.Tensor) -> torch.Tensor:
        """(clips, frames, 322) to (clips, 1), 1 to 5."""
        heard = self.cnn["cnn"](spectrum.unflatten(2, (2, 161)).permute(0, 2, 3, 1)).flatten(1, 2)
        return 1 + 4 * self.transformer_pool_attn(heard.transpose(1, 2))


@pytest.fixture
def distill_mos(tmp_path: Path) -> tuple[Path, nn.Module]:
    """A file like that of the package, and a network with its weights."""
    network = with_random_weights(OriginalDistillMos(), 1)
    nn.init.normal_(network.transformer_pool_attn.transformer.position_encoding.pe)
    file = tmp_path / "distill_mos_v7.pt"
    torch.save({"model": network.state_dict()}, file)
    return file, network


class TestDistillMos:
    def test_the_segments_say_what_the_original_says(self, distill_mos):
        file, network = distill_mos
        spectrum = AudioJudgeFeatureExtractor(views=["distill_mos"])(noise(1.5), return_tensors="pt")["input_features"]
        with torch.inference_mode():
            wanted = network(functional.pad(spectrum, (0, 0, 0, 768 - spectrum.shape[1])))
            heard = read_distill_mos(file, form="segments")(spectrum).scores
        torch.testing.assert_close(heard, wanted, atol=1e-3, rtol=0)

    @pytest.mark.skipif(importlib.util.find_spec("distillmos") is None, reason="needs the package distillmos")
    def test_so_do_they_with_the_weights_of_distill_mos(self):
        clip = noise(3.0)[::3]  # a third of the rate, so that nobody resamples
        (wanted,), _ = teachers.distill_mos([clip], rate=16_000)
        spectrum = AudioJudgeFeatureExtractor().compressed_spectrum(torch.from_numpy(clip))
        with torch.inference_mode():
            heard = read_distill_mos(form="segments")(spectrum[None]).scores
        assert float(heard) == pytest.approx(wanted, abs=1e-2)

    def test_a_batch_says_what_each_clip_says(self, distill_mos):
        encoder, extractor = read_distill_mos(distill_mos[0]), AudioJudgeFeatureExtractor(views=["distill_mos"])
        clips = [noise(1.3), noise(0.7)]
        inputs = extractor(clips, return_tensors="pt")
        with torch.inference_mode():
            together = encoder(inputs["input_features"], inputs["attention_mask"]).scores
            alone = [encoder(extractor(clip, return_tensors="pt")["input_features"]).scores[0] for clip in clips]
        torch.testing.assert_close(together, torch.stack(alone), atol=1e-4, rtol=1e-4)

    def test_a_clip_longer_than_its_positions_is_heard_in_parts(self, distill_mos):
        encoder = read_distill_mos(distill_mos[0])
        output = encoder(torch.randn(1, 1001, 322))
        assert output.last_hidden_state.shape == (1, 251, 201)

    def test_parts_of_a_clip_are_the_same_beside_a_longer_one(self, distill_mos):
        encoder = read_distill_mos(distill_mos[0])
        features = torch.randn(3, 1001, 322)
        mask = (torch.arange(1001) < torch.tensor([[1001], [620], [790]])).long()
        with torch.inference_mode():
            together = encoder(features, mask).last_hidden_state
            for row, length in enumerate(mask.sum(1).tolist()):
                alone = encoder(features[row : row + 1, :length]).last_hidden_state[0]
                torch.testing.assert_close(together[row, : len(alone)], alone, atol=1e-4, rtol=1e-4)

    def test_more_scores_start_as_its_own(self, distill_mos):
        scores = read_distill_mos(distill_mos[0], num_scores=3)(torch.randn(1, 100, 322)).scores
        torch.testing.assert_close(scores, scores[:, :1].expand(-1, 3))
