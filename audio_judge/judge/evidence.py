"""What is measured in a clip, and between it and its original, as evidence on what a judge heard.

What is measured outranks what is guessed: level, clipping, gaps and the edges of the band decide the faults of these names
(``audio_judge.judge.signal_facts``) where words are wanted; scores, and questions of a user's own, stay what the judge heard.

A judge that hears an original beside a clip must have learned to; most did not, and are led astray by it. So the difference
is measured (``audio_judge.audio.originals``), and how much it says beside what the judge heard is fitted to rated clips
(``benchmarks/references.py``), as a few numbers in the note of what the judge learned. Whatever the judge, a clip that is its
original has no fault.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from audio_judge.audio import Audio
from audio_judge.audio.originals import IDENTICAL_DB, measure, rest_db
from audio_judge.judge.decided import Decided
from audio_judge.judge.fitted import Fitted
from audio_judge.judge.requests import Heard, Questionnaire
from audio_judge.judge.signal_facts import ABSENT, SignalFacts
from audio_judge.judge.wordings import fault_of, span_of
from audio_judge.rubrics.rubric import Rubric
from audio_judge.rubrics.shares import level_shares, tilted_to

# What is wrong with a clip, and nothing of what it was before
DEGRADATIONS = (
    "mos", "noisiness", "coloration", "discontinuity", "loudness", "intelligibility", "distortion", "background_noise",
    "distortion_level", "listening_effort", "continuity", "reverberation", "music_distortion", "sudden_silence",
)  # fmt: skip
# These hear the level, which may differ
OF_LEVEL, SAME_LEVEL_DB = ("mos", "loudness"), 3.0
# Of a clip that is its original: near the top, as some listeners never give the best
IDENTICAL_GOODNESS = 0.95
# Probability of a tie between two clips that are the same
TIE = 1 - ABSENT
# How far below the strongest frequency the low edge of a voice is looked for, in dB: what lies deeper is hum and rumble
LOW_EDGE_DB = -30.0
# Of a signal whose smallest step is a greater part of its sound, silence is what was rounded away, and no gap
COARSE_STEP = 0.005

# Distance of the moments of which is said when a fault is heard: that of the detector's
GRID_SECONDS = 0.02

if TYPE_CHECKING:  # scores do without
    from audio_judge.analysis.detector import Detected


class SameClips:
    """What is known of a pair of clips that nobody could tell from each other: it is a tie, whatever a judge would say."""

    def revised(self, heard: Heard, asked: Questionnaire, *_: object) -> Heard:
        """What was heard, with every verdict (of A, B and a tie) a tie."""
        rest = (1 - TIE) / 2
        verdicts = dict.fromkeys(heard.probabilities, np.array([rest, rest, TIE]))
        return replace(heard, probabilities=verdicts)


@dataclass(frozen=True, eq=False)
class Alone:
    """A window without an original; what is measured is measured when it is asked for."""

    window: Audio

    @cached_property
    def facts(self) -> SignalFacts:
        """The facts."""
        # Here, as it takes scipy and pyloudnorm, which scores do without
        from audio_judge import analysis
        from audio_judge.analysis.echoes import echo, repeats
        from audio_judge.analysis.hum import mains_hum
        from audio_judge.analysis.notches import notches
        from audio_judge.analysis.wavering import wow

        samples, rate = self.window.samples.astype(np.float64), self.window.sampling_rate
        low, high = analysis.band(samples, rate, LOW_EDGE_DB)
        gaps = () if _is_coarse(samples) else analysis.dropouts(samples, rate)
        return SignalFacts(
            self.window.seconds,
            analysis.loudness(samples, rate),
            analysis.clipping_share(samples),
            gaps,
            low,
            high,
            snr_db=analysis.signal_to_noise(samples, rate, gaps),
            hum=mains_hum(samples, rate),
            echo=echo(samples, rate, high),
            notches=notches(samples, rate),
            wow=wow(samples, rate),
            repeats=repeats(samples, rate),
            bits=analysis.coarse_bits(samples),
        )

    @cached_property
    def detected(self) -> "Detected | None":
        """What the detector holds likely; None of what is too short or silent."""
        from audio_judge.analysis.detector import detect

        return detect(self.window.samples.astype(np.float64), self.window.sampling_rate)

    def revised(
        self, heard: Heard, asked: Questionnaire, fitted: Fitted | None = None, decided: Decided | None = None
    ) -> Heard:
        """What was heard in the window, with what is measured in it in place of guesses where words are wanted.

        When a fault is heard is the detector's to say, whoever asks. Of scores alone nothing is measured.

        Args:
            fitted: Not used: there is no original.
            decided: How judge and detector decide together; None leaves it to the judge.
        """
        if decided is not None:
            heard = replace(heard, probabilities={**heard.probabilities, **self._when(heard, asked, decided)})
        if not asked.is_measured:
            return heard
        names = {
            kind: name
            for name in asked.about_faults
            if (kind := fault_of(asked.more[name])) and name in heard.probabilities
        }
        guessed = {kind: float(heard.probabilities[name][0]) for kind, name in names.items()}
        if decided is not None and self.detected is not None:
            guessed = decided.together(guessed, self.detected.kinds)
        found = guessed | self.facts.probabilities(guessed)
        shares = {names[kind]: np.array([p, 1 - p]) for kind, p in found.items()}
        return replace(heard, probabilities={**heard.probabilities, **shares}, facts=self.facts)

    def _when(self, heard: Heard, asked: Questionnaire, decided: Decided) -> dict[str, np.ndarray]:
        """Question about when to the detector's curve (frames,); of what it cannot hear, as the judge heard it, on the same grid."""
        found = {}
        for name in asked.about_when:
            about = span_of(asked.more[name])
            if about is not None and about in decided.spans and name in heard.probabilities:
                curve = heard.probabilities[name]
                if self.detected is not None:
                    curve = decided.curve(about, self.detected.curves[about])
                grid = np.arange(max(1, round(self.window.seconds / GRID_SECONDS))) * len(curve) * GRID_SECONDS
                places = (grid / self.window.seconds).astype(int).clip(0, len(curve) - 1)
                found[name] = np.asarray(curve, dtype=np.float32)[places]
        return found


@dataclass(frozen=True, eq=False)
class Evidence:
    """A window and the same part of its original; what is measured is measured when it is asked for."""

    clip: Audio
    original: Audio

    @cached_property
    def measured(self) -> dict[str, float] | None:
        """The measures; None where the original has too little speech."""
        return measure(self.clip, self.original)

    @cached_property
    def is_identical(self) -> bool:
        """Whether the clip is its original, at whatever gain, but for what nobody hears."""
        samples = [one.samples.astype(np.float64) for one in (self.clip, self.original)]
        return rest_db(*(one - one.mean() for one in samples)) >= IDENTICAL_DB

    def revised(
        self, heard: Heard, asked: Questionnaire, fitted: Fitted | None = None, decided: Decided | None = None
    ) -> Heard:
        """What was heard in the window, in the light of its original.

        Args:
            asked: What was heard about.
            fitted: How measures shift scores; None shifts none.
            decided: How judge and detector decide on faults together.
        """
        heard = Alone(self.clip).revised(heard, asked, None, decided)
        shares = dict(heard.probabilities)
        values = dict(heard.values)
        for name, rubric in asked.scored.items():
            if name in shares:
                shares[name] = self._shares(shares[name], rubric, fitted)
            if name in values:
                values[name] = self._value(values[name], rubric, fitted)
        if self.is_identical:
            shares |= {name: np.array([ABSENT, 1 - ABSENT]) for name in asked.about_faults if name in shares}
            shares |= {name: np.minimum(shares[name], ABSENT) for name in asked.about_when if name in shares}
        return replace(heard, probabilities=shares, values=values)

    def _shares(self, shares: np.ndarray, rubric: Rubric, fitted: Fitted | None) -> np.ndarray:
        if self._is_flawless(rubric):
            return level_shares(self._flawless(rubric), None, rubric.low, rubric.high, len(rubric.levels))
        score = float(shares @ rubric.level_values)
        moved = self._moved(score, rubric, fitted)
        return shares if moved == score else tilted_to(shares, rubric, moved)

    def _value(self, score: float, rubric: Rubric, fitted: Fitted | None) -> float:
        return self._flawless(rubric) if self._is_flawless(rubric) else self._moved(score, rubric, fitted)

    def _moved(self, score: float, rubric: Rubric, fitted: Fitted | None) -> float:
        if fitted is None or rubric.name not in fitted.rubrics or self.measured is None:
            return score
        return float(np.clip(score + fitted.shift(rubric, score, self.measured), rubric.low, rubric.high))

    def _is_flawless(self, rubric: Rubric) -> bool:
        if rubric.name not in DEGRADATIONS or not self.is_identical:
            return False
        return rubric.name not in OF_LEVEL or abs(self._gain_db) <= SAME_LEVEL_DB

    @cached_property
    def _gain_db(self) -> float:
        power = [float(np.square(one.samples, dtype=np.float64).sum()) + 1e-20 for one in (self.clip, self.original)]
        return float(10 * np.log10(power[0] / power[1]))

    @staticmethod
    def _flawless(rubric: Rubric) -> float:
        worst = rubric.low if rubric.best == "high" else rubric.high
        return worst + IDENTICAL_GOODNESS * (rubric.best_score - worst)


def _is_coarse(samples: np.ndarray) -> bool:
    sounding = np.abs(samples[samples != 0])
    return len(sounding) == 0 or sounding.min() > COARSE_STEP * np.sqrt(np.square(samples).mean())
