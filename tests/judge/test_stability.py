"""What must not move a score, of any judge that ships: silence around a clip, its container, its batch, its place in a list."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio_judge.audio import read_audio
from audio_judge.judge.judge import AudioJudge
from audio_judge.judge.shipped import SHIPPED_JUDGES

EXAMPLES = Path(__file__).parents[2] / "examples" / "clips"
CLIPS = ("clean_anna", "clipped", "lossy", "noisy")
NO_MORE = 0.02


@pytest.fixture(scope="module", params=[name for name, one in SHIPPED_JUDGES.items() if one.is_there])
def judge(request):
    return AudioJudge.from_pretrained(request.param, device="cpu")


@pytest.fixture(scope="module")
def clips():
    """On the grid of 16 bits, which every container holds."""
    read = (read_audio(EXAMPLES / f"{name}.ogg") for name in CLIPS)
    return [(np.round(one.samples * 32767) / 32768, one.sampling_rate) for one in read]


@pytest.fixture(scope="module")
def plain(judge, clips):
    return [values(judge.score(clip)) for clip in clips]


def values(judgement):
    return {name: score.value for name, score in judgement.scores.items()}


def assert_unmoved(judgements, expected):
    for said, scores in zip(judgements, expected, strict=True):
        assert values(said) == pytest.approx(scores, abs=NO_MORE)


@pytest.mark.parametrize(("before", "after"), [(0.5, 0), (0, 0.5), (1, 0), (0, 1), (1, 1)])
def test_digital_silence(judge, clips, plain, before, after):
    padded = [(np.pad(sound, (round(before * rate), round(after * rate))), rate) for sound, rate in clips]
    assert_unmoved(judge.score(padded), plain)


@pytest.mark.parametrize("batch_size", [2, 4])
def test_batch(judge, clips, plain, batch_size):
    assert_unmoved(judge.score(clips, batch_size=batch_size), plain)


def test_order(judge, clips, plain):
    assert_unmoved(judge.score(clips[::-1])[::-1], plain)


@pytest.mark.parametrize(
    ("container", "subtype"),
    [
        ("WAV", "PCM_16"),
        ("WAV", "PCM_24"),
        ("WAV", "FLOAT"),
        ("FLAC", "PCM_16"),
        ("FLAC", "PCM_24"),
        ("AIFF", "PCM_16"),
    ],
)
def test_container(judge, clips, plain, tmp_path, container, subtype):
    paths = [tmp_path / f"{index}.{container.lower()}" for index in range(2)]
    for path, (sound, rate) in zip(paths, clips, strict=False):
        soundfile.write(path, sound, rate, format=container, subtype=subtype)
    assert_unmoved(judge.score(paths), plain[:2])


def test_channels(judge, clips, plain):
    assert_unmoved(judge.score([(np.stack([sound, sound]), rate) for sound, rate in clips[:2]]), plain[:2])
