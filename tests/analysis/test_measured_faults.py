"""Faults that are measured: found where they were made, with their numbers, and nowhere else."""

from pathlib import Path

import numpy as np
import pytest

from audio_judge.analysis import coarse_bits
from audio_judge.analysis.detector import FRAME_SECONDS, detect
from audio_judge.analysis.echoes import echo, repeats
from audio_judge.analysis.hum import mains_hum
from audio_judge.analysis.notches import notches
from audio_judge.analysis.wavering import wow
from audio_judge.audio import read_audio
from audio_judge.clips import Cause
from audio_judge.degrade import degrade

CLIPS = Path(__file__).parents[2] / "examples" / "clips"
SPEAKERS = ("clean_anna", "clean_tom")


def spoken(speaker: str, *plan: Cause) -> tuple[np.ndarray, int]:
    audio = read_audio(CLIPS / f"{speaker}.ogg")
    made = degrade(audio.samples, audio.sampling_rate, list(plan), seed=1)
    return made.samples.astype(np.float64), audio.sampling_rate


@pytest.mark.parametrize("speaker", SPEAKERS)
class TestMeasures:
    def test_hum_and_how_loud(self, speaker):
        found = mains_hum(*spoken(speaker, Cause("noise", {"snr_db": 12.0, "colour": "hum", "hum_hz": 60.0})))
        assert found.hum_hz == 60
        assert found.snr_db == pytest.approx(12, abs=4)

    @pytest.mark.parametrize(("delay", "attenuation"), [(80.0, 8.0), (240.0, 12.0), (390.0, 15.0)])
    def test_delay_and_attenuation_of_an_echo(self, speaker, delay, attenuation):
        found = echo(*spoken(speaker, Cause("echo", {"delay_ms": delay, "attenuation_db": attenuation})))
        assert found.delay_ms == pytest.approx(delay, abs=0.5)
        assert found.attenuation_db == pytest.approx(attenuation, abs=2)

    def test_spacing_of_notches(self, speaker):
        found = notches(*spoken(speaker, Cause("notch", {"spacing_hz": 900.0, "depth_db": 30.0})))
        assert found.spacing_hz == pytest.approx(900, rel=0.02)

    @pytest.mark.parametrize(("rate", "depth"), [(1.0, 0.02), (3.0, 0.03), (5.0, 0.04)])
    def test_rate_and_depth_of_wow(self, speaker, rate, depth):
        found = wow(*spoken(speaker, Cause("wow", {"rate_hz": rate, "depth": depth})))
        assert found.rate_hz == pytest.approx(rate, rel=0.1)
        assert found.depth == pytest.approx(depth, rel=0.25)

    def test_packets_that_are_played_again(self, speaker):
        samples, rate = spoken(
            speaker, Cause("packet_loss", {"loss_rate": 0.1, "concealment": "repeat", "mean_burst": 4.0})
        )
        assert 0.03 < sum(end - start for start, end in repeats(samples, rate)) * rate / len(samples) < 0.2

    @pytest.mark.parametrize("bits", [5, 8])
    def test_bits(self, speaker, bits):
        assert coarse_bits(spoken(speaker, Cause("quantisation", {"bits": bits}))[0]) == bits

    @pytest.mark.parametrize(
        "plan",
        [
            (),
            (Cause("noise", {"snr_db": 15.0, "colour": "pink"}),),
            (Cause("noise", {"snr_db": 15.0, "colour": "babble"}),),
            (Cause("reverberation", {"rt60_s": 0.8, "drr_db": 0.0}),),
            (Cause("band_limit", {"low_hz": 300.0, "high_hz": 3400.0}),),
            (Cause("filter", {"frequencies_hz": [200.0, 1000.0, 4000.0], "gains_db": [8.0, -8.0, 8.0]}),),
            (Cause("clipping", {"fraction": 0.1}),),
        ],
        ids=lambda plan: plan[0].kind if plan else "clean",
    )
    def test_nothing_where_nothing_was_made(self, speaker, plan):
        samples, rate = spoken(speaker, *plan)
        assert [measure(samples, rate) for measure in (mains_hum, echo, notches, wow)] == [None] * 4
        assert repeats(samples, rate) == ()
        assert coarse_bits(samples) is None


@pytest.mark.parametrize("frequency", [300, 1200])
def test_a_tone_is_no_repeat(frequency):
    assert repeats(np.sin(2 * np.pi * frequency / 48_000 * np.arange(96_000)), 48_000) == ()


class TestDetector:
    @pytest.mark.parametrize("speaker", SPEAKERS)
    def test_clicks_when_they_are_heard(self, speaker):
        assert detect(*spoken(speaker)).curves["clicks"].max() < 0.2
        audio = read_audio(CLIPS / f"{speaker}.ogg")
        plan = [Cause("clicks", {"clicks_per_second": 1.0, "level_db": 10.0})]
        made = degrade(audio.samples, audio.sampling_rate, plan, seed=1)
        curve = detect(made.samples.astype(np.float64), audio.sampling_rate).curves["clicks"]
        places = [round(start / FRAME_SECONDS) for start, _ in made.causes[0].spans]
        assert [curve[place - 2 : place + 2].max() for place in places] == pytest.approx([1.0] * len(places), abs=0.1)

    def test_level_that_jumps(self):
        samples, rate = spoken("clean_anna", Cause("noise", {"snr_db": 35.0}))
        before = detect(samples, rate).curves["level_changes"].max()
        samples[round(1.2 * rate) : round(2.0 * rate)] *= 0.05
        curve = detect(samples, rate).curves["level_changes"]
        inside = curve[round(1.3 / FRAME_SECONDS) : round(1.9 / FRAME_SECONDS)]
        assert inside.mean() > 2 * max(before, curve[: round(1.0 / FRAME_SECONDS)].mean())

    def test_same_clip_same_answer_whatever_was_heard_before(self):
        samples, rate = spoken("clean_tom")
        first = detect(samples, rate)
        detect(samples[::-1].copy(), rate)
        assert detect(samples, rate).kinds == first.kinds

    def test_too_short_is_none(self):
        assert detect(np.ones(100), 16_000) is None
