import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import soxr
import torch

from audio_judge.corpora import simulate, teachers
from audio_judge.errors import UsageError

RATE = 48_000


def tone(seconds: float = 1.0, frequency: float = 440.0) -> np.ndarray:
    time = np.arange(int(seconds * RATE)) / RATE
    return (0.1 * np.sin(2 * np.pi * frequency * time) * (1 + np.sin(2 * np.pi * 3 * time))).astype(np.float32)


def noise(seconds: float = 1.0, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(int(seconds * RATE))).astype(np.float32)


@pytest.fixture(scope="module")
def library():
    if not teachers.NISQA_WEIGHTS.exists():
        pytest.skip("no NISQA weights")
    return pytest.importorskip("torchmetrics.functional.audio.nisqa", exc_type=ImportError)


@pytest.fixture(scope="module")
def distillmos():
    try:
        return teachers._distill_mos_model()
    except ModuleNotFoundError:
        pytest.skip("distillmos is not installed")


class TestNisqa:
    def test_equals_the_library(self, library):
        clip = tone() + noise()
        expected = library.non_intrusive_speech_quality_assessment(torch.from_numpy(clip), RATE)
        scores, _ = teachers.nisqa(clip[None])
        assert list(scores[0].values()) == pytest.approx(expected.tolist(), abs=1e-5)

    def test_axes_are_named_in_the_networks_order(self, library):
        scores, _ = teachers.nisqa(tone()[None])
        assert list(scores[0]) == ["mos", "noisiness", "discontinuity", "coloration", "loudness"]

    def test_a_batch_is_rated_like_its_clips(self, library):
        scores, states = teachers.nisqa(np.stack([tone(), noise()]))
        (alone,), alone_states = teachers.nisqa(noise()[None])
        assert scores[1] == pytest.approx(alone, abs=1e-4)
        np.testing.assert_allclose(states[1], alone_states[0], atol=1e-3)

    def test_states_come_every_40_ms(self, library):
        _, short = teachers.nisqa(tone(1.0)[None])
        _, long = teachers.nisqa(tone(2.0)[None])
        assert short.shape[::2] == (1, 64)
        assert long.shape[1] - short.shape[1] == 1 / teachers.NISQA_FRAME_SECONDS

    def test_states_are_what_the_network_pools(self, library):
        scores, states = teachers.nisqa(tone()[None])
        _, model, _ = teachers._nisqa_model()
        with torch.inference_mode():
            pooled = model.pool_layers[0](torch.from_numpy(states), torch.tensor([states.shape[1]]))
        assert float(pooled) == pytest.approx(scores[0]["mos"], abs=1e-5)

    def test_leaves_no_hook_behind(self, library):
        teachers.nisqa(tone()[None])
        assert not teachers._nisqa_model()[1].time_dependency._forward_hooks

    def test_one_dimension_is_refused(self):
        with pytest.raises(ValueError, match=r"\(48000,\); \(clips, samples\) is needed"):
            teachers.nisqa(tone())

    def test_absent_weights_are_named(self, monkeypatch, tmp_path):
        monkeypatch.setattr(teachers, "NISQA_WEIGHTS", tmp_path / "nisqa.tar")
        with pytest.raises(FileNotFoundError, match=r"nisqa\.tar: no NISQA v2\.0 weights"):
            teachers._nisqa_model.__wrapped__()


class TestDistillMos:
    def test_equals_the_network_on_the_padded_clip(self, distillmos):
        model, _ = distillmos
        clip = np.random.default_rng(0).standard_normal(32_000).astype(np.float32)
        padded = torch.zeros(1, teachers.DISTILL_MOS_SAMPLES)
        padded[0, :32_000] = torch.from_numpy(clip)
        with torch.inference_mode():
            expected = float(model(padded))
        assert teachers.distill_mos([clip], 16_000)[0] == pytest.approx([expected], abs=1e-4)

    def test_clips_in_a_batch_do_not_touch(self, distillmos):
        scores, states = teachers.distill_mos([tone(1.0), noise(0.7)])
        (first,), _ = teachers.distill_mos([tone(1.0)])
        (second,), (second_states,) = teachers.distill_mos([noise(0.7)])
        assert scores == pytest.approx([first, second], abs=1e-4)
        np.testing.assert_allclose(states[1], second_states, atol=1e-3)

    def test_states_come_every_40_ms_and_end_with_the_clip(self, distillmos):
        _, states = teachers.distill_mos([tone(1.0), noise(2.0)])
        assert [clip.shape for clip in states] == [(25, 200), (50, 200)]
        assert all(clip.dtype == np.float32 for clip in states)

    def test_leaves_no_hook_behind(self, distillmos):
        teachers.distill_mos([tone(0.5)])
        assert not distillmos[0].transformer_pool_attn.pool._forward_pre_hooks

    def test_bfloat16_stays_close(self, distillmos):
        clips = [tone(0.5), noise(0.5)]
        assert teachers.distill_mos(clips, bfloat16=True)[0] == pytest.approx(teachers.distill_mos(clips)[0], abs=0.05)

    def test_level_is_not_heard(self, distillmos):
        quiet, loud = (teachers.distill_mos([gain * noise()])[0] for gain in (0.1, 1.0))
        assert quiet == pytest.approx(loud, abs=0.01)

    def test_what_follows_7_68_seconds_is_not_heard(self, distillmos):
        long = np.random.default_rng(0).standard_normal(130_000).astype(np.float32)
        scores, _ = teachers.distill_mos([long, long[: teachers.DISTILL_MOS_SAMPLES]], 16_000)
        assert scores[0] == pytest.approx(scores[1], abs=1e-4)

    def test_two_channels_are_refused(self, distillmos):
        with pytest.raises(ValueError, match=r"\(2, 100\); \(samples,\) is needed"):
            teachers.distill_mos([np.zeros((2, 100))])


class TestDistillMosImports:
    def test_stand_ins_are_gone_afterwards(self):
        before = {name: sys.modules.get(name) for name in ("torchaudio", "xls_r_sqa")}
        with teachers._distill_mos_imports():
            assert "xls_r_sqa.sqa_model" in sys.modules
        assert {name: sys.modules.get(name) for name in before} == before


class TestDnsmos:
    def test_equals_the_package_which_means_over_more_repetitions(self):
        package = pytest.importorskip("speechmos.dnsmos")
        clip = tone(1.4) + noise(1.4)  # the package repeats it to 11 s, which holds three windows
        expected = package.run(np.clip(soxr.resample(clip, RATE, 16_000), -1, 1), 16_000)
        found = teachers.dnsmos(clip)
        assert list(found.values()) == pytest.approx(
            [float(expected[f"{n}_mos"]) for n in ("sig", "bak", "ovrl")], abs=0.02
        )

    def test_shape_is_checked(self):
        pytest.importorskip("speechmos.dnsmos")
        with pytest.raises(ValueError, match="DNSMOS has shape"):
            teachers.dnsmos(np.zeros((1, 100)))


class TestPlcmos:
    def test_lost_packets_sound_worse_and_the_raters_stay(self):
        pytest.importorskip("speechmos.plcmos")
        clip = tone(2.0)
        broken = clip * (np.arange(len(clip)) // 960 % 4 > 0)
        assert teachers.plcmos(broken) < teachers.plcmos(clip) == teachers.plcmos(clip)


class TestCheckInstalled:
    @pytest.fixture
    def absent(self, monkeypatch):
        """Packages that are not there, in place of those that happen not to be."""
        gone = set()
        monkeypatch.setattr(teachers.importlib.util, "find_spec", lambda name: None if name in gone else object())
        return gone

    def test_what_is_missing_is_named_with_the_extra(self, absent):
        absent.update(("torchmetrics", "av"))
        with pytest.raises(UsageError) as raised:
            teachers.check_installed(["nisqa"], ["av"])
        assert str(raised.value) == "torchmetrics, av are not installed: pip install 'audio-judge[simulate]'"

    def test_distillmos_comes_without_what_it_asks_for(self, absent):
        absent.add("distillmos")
        with pytest.raises(UsageError, match="distillmos is not installed: pip install --no-deps"):
            teachers.check_installed(["distill_mos"])

    def test_weights_are_asked_for_too(self, absent, monkeypatch, tmp_path):
        monkeypatch.setattr(teachers, "NISQA_WEIGHTS", tmp_path / "nisqa.tar")
        with pytest.raises(UsageError, match="no NISQA"):
            teachers.check_installed(["nisqa"])
        (tmp_path / "nisqa.tar").touch()
        teachers.check_installed(["nisqa"])

    def test_the_extra_brings_all_but_distillmos(self):
        project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
        extras = project["optional-dependencies"]
        listed = project["dependencies"] + extras["simulate"] + extras["degrade"]
        brought = {re.split(r"[\[><=~]", one)[0].replace("-", "_") for one in listed}
        needed = {name for names in teachers.NEEDS.values() for name in names} | set(simulate.FAULTS)
        assert needed - brought == {"distillmos"}
