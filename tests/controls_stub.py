"""Judges for the tests of the controls: one that judges by what it hears alone, and the means to make it biased."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from audio_judge.clips import RatedClip, Rating
from audio_judge.judge.judgement import Judgement, Score
from audio_judge.rubrics.rubric import RUBRICS, Rubric

RATE = 16_000
Hear = Callable[[str], float]


def make_clips(folder: Path, count: int = 8, content: str = "speech") -> list[RatedClip]:
    """Two tones in changing proportion, and ratings that say so: the less of the high one, the better."""
    clips = []
    time = np.arange(int(1.6 * RATE)) / RATE
    for index, share in enumerate(np.linspace(0.15, 0.85, count)):
        samples = np.sqrt(1 - share) * np.sin(2 * np.pi * 400 * time) + np.sqrt(share) * np.sin(2 * np.pi * 3000 * time)
        path = folder / f"{content}{index}.wav"
        soundfile.write(path, (0.05 * samples * (1.2 + np.sin(2 * np.pi * 1.5 * time))).astype(np.float32), RATE)
        ratings = {name: Rating(good_share(str(path))) for name in RUBRICS}
        clips.append(RatedClip(str(path), ratings, "test", "tones", extra={"content": content}))
    return clips


def good_share(path: str) -> float:
    """1 to 5 by the proportion of high to low tones, whatever the level, the length and the direction of time."""
    samples, rate = soundfile.read(path)
    power = np.abs(np.fft.rfft(samples)) ** 2
    hertz = np.fft.rfftfreq(len(samples), 1 / rate)
    low, high = (power[(hertz > bottom) & (hertz < top)].sum() for bottom, top in ((200, 800), (2000, 5000)))
    share = high / (low + high) if low + high > 1e-9 else 1.0
    return 1 + 4 * (0.9 - share) / 0.8 if 0.1 <= share <= 0.9 else 1.0


def read_samples(path: str) -> np.ndarray:
    return soundfile.read(path)[0]


class StubPeer:
    """Scores ``mos``, in points, and nothing else."""

    def __init__(self, hear: Hear = good_share) -> None:
        self.hear = hear

    def score(self, clips: list[str]) -> list[dict[str, float]]:
        return [{"mos": self.hear(clip)} for clip in clips]


class StubJudge:
    """Takes any rubric and minds its scale and its direction; ``read`` adds points for what the request says."""

    def __init__(self, hear: Hear = good_share, read: Callable[[Rubric], float] = lambda rubric: 0.0) -> None:
        self.hear, self.read = hear, read

    def score(self, clips: list[str], rubric: list[Rubric], listener: str = "") -> list[Judgement]:
        drop = 0.5 if "hearing" in listener else 0.0
        return [self._judge(clip, self.hear(clip) - drop, rubric) for clip in clips]

    def _judge(self, clip: str, points: float, rubrics: list[Rubric]) -> Judgement:
        return Judgement(clip, 1.0, {rubric.name: self._score(points, rubric) for rubric in rubrics})

    def _score(self, points: float, rubric: Rubric) -> Score:
        share = (points + self.read(rubric) - 1) / 4
        share = share if rubric.higher_is_better else 1 - share
        value = rubric.low + share * (rubric.high - rubric.low)
        return Score(rubric.name, value, 0.0, rubric.levels[0], {}, rubric.low, rubric.high)

    def decide(self, clips: object, questions: object) -> object:
        raise NotImplementedError("no control asks this way")


class Verdict:
    def __init__(self, lead: float) -> None:
        self.better = "tie" if abs(lead) < 0.2 else "A" if lead > 0 else "B"
        self.probabilities = {"A": 0.5 + np.clip(lead, -1, 1) / 2, "B": 0.5 - np.clip(lead, -1, 1) / 2, "tie": 0.0}


class StubComparer(StubJudge):
    """Compares by its own scores, and leans to the first place as far as it is told."""

    def __init__(self, hear: Hear = good_share, lean: float = 0.0) -> None:
        super().__init__(hear)
        self.lean = lean

    def compare(self, first: str, second: str) -> Verdict:
        return Verdict(self.hear(first) - self.hear(second) + self.lean)
