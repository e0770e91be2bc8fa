"""The shipped judge on clips with one fault each: it names that one first, and nothing that is not there."""

import json
from pathlib import Path

import pytest

from audio_judge.audio import read_audio
from audio_judge.clips import Cause
from audio_judge.degrade import degrade
from audio_judge.judge.judge import AudioJudge

ROOT = Path(__file__).parents[2]
# What is done, mildly and strongly, and by which kind, and which parameters, it is named
FAULTS = {
    "hum": [Cause("noise", {"snr_db": snr, "colour": "hum", "hum_hz": hz}) for snr, hz in ((20.0, 50.0), (10.0, 60.0))],
    "low-pass": [Cause("band_limit", {"high_hz": edge, "order": 8}) for edge in (3400.0, 2200.0)],
    "echo": [Cause("echo", {"delay_ms": 220.0, "attenuation_db": loss}) for loss in (14.0, 8.0)],
    "clicks": [Cause("clicks", {"clicks_per_second": rate, "level_db": 10.0}) for rate in (3.0, 8.0)],
    "clipping": [Cause("clipping", {"fraction": share}) for share in (0.05, 0.2)],
    "gaps": [Cause("time_clipping", {"fraction": share, "clip_ms": 90.0, "place": "anywhere"}) for share in (0.12, 0.3)],
    "low bit rate": [Cause("codec", {"codec": "opus", "bit_rate": 6000}), Cause("codec", {"codec": "mp3", "bit_rate": 8000})],
    "hiss": [Cause("noise", {"snr_db": snr, "colour": "white"}) for snr in (20.0, 8.0)],
    "too quiet": [Cause("level", {"gain_db": gain}) for gain in (-28.0, -40.0)],
    "wow": [Cause("wow", {"rate_hz": rate, "depth": depth}) for rate, depth in ((3.0, 0.02), (1.5, 0.04))],
}  # fmt: skip


@pytest.fixture(scope="module")
def judge():
    return AudioJudge.from_pretrained(ROOT / "checkpoints" / "mini")


@pytest.mark.parametrize("degree", [0, 1], ids=["clear", "strong"])
@pytest.mark.parametrize("speaker", ["clean_anna", "clean_tom"])
def test_eight_of_ten_are_named_first_and_eight_name_nothing_else(judge, speaker, degree):
    audio = read_audio(ROOT / "examples" / "clips" / f"{speaker}.ogg")
    made = [degrade(audio.samples, audio.sampling_rate, [some[degree]], seed=3).samples for some in FAULTS.values()]
    said = judge.explain([(samples, audio.sampling_rate) for samples in made])
    named = {name: [fault.kind for fault in one.faults] for name, one in zip(FAULTS, said, strict=True)}
    true = {name: some[degree].kind for name, some in FAULTS.items()}
    assert sum(kinds[:1] == [true[name]] for name, kinds in named.items()) >= 8, named
    assert sum(set(kinds) <= {true[name]} for name, kinds in named.items()) >= 8, named
    assert json.dumps([one.to_dict() for one in said])  # of parameters in words, too
    hum = next((fault for fault in said[0].faults if fault.kind == "noise"), None)
    assert hum is None or hum.parameters.get("colour") == "hum"
