"""Why one of two clips is better, in sentences made of what was decided and measured of each.

The aspects that decide stand with their scores, then the fault behind them, then the verdict. Draws are made as in ``findings``.
"""

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass

from audio_judge.clips import Cause
from audio_judge.languages.findings import FINDINGS, Findings
from audio_judge.rubrics.rubric import RUBRICS, fill_fields, in_language, sentence_case
from audio_judge.tasks import explain
from audio_judge.tasks.compare import OPPOSITE, Verdict
from audio_judge.tasks.findings import FIELD, Found, Writer, expand, listed, seed_of

# What is measured, the rubric that hears it, and by how much two clips must differ in it to be told apart
MEASURES = (("lufs", "loudness", 3.0), ("snr_db", "noisiness", 6.0), ("high_hz", "coloration", 2000.0))
# Of more listeners than these it is not said how many agree
MOST_SHARE = 0.99


def comparison(
    better: Verdict, aspects: Mapping[str, Verdict], pair: tuple[Found, Found], share: float, language: str = "en"
) -> str:
    """Write why one of two clips, A or B, is better, or that neither is.

    A score is left out where it does not agree with the verdict on its aspect.

    Args:
        aspects: Rubric to the clip that is better in it, the clearest first.
        pair: What is known of A and of B.
        share: Of the listeners who would choose the better one, 0 to 1.

    Example:
        >>> pair = Found({"mos": 4.0, "noisiness": 4.2}, []), Found({"mos": 2.0, "noisiness": 1.9}, [Cause("noise")])
        >>> comparison("A", {"noisiness": "A"}, pair, 0.9).partition(". ")[0]
        'SpeechA outperforms SpeechB in noisiness (4.2 against 1.9)'
    """
    shown = [{name: f"{value:.1f}" for name, value in one.scores.items()} for one in pair]
    found = dict(zip(("A", "B"), pair, strict=True))
    contrast = _Contrast(FINDINGS[language], found, aspects, language, seed_of(better, sorted(aspects.items()), shown))
    # The advantages of the winner decide, so they come last
    order = ("B", "A") if better == "A" else ("A", "B")
    sentences = [text for clip in order for text in contrast.wins(clip)]
    sentences += (contrast.fault(better) if better != "tie" else []) or contrast.measures()
    sentences.append(contrast.tie() if better == "tie" else contrast.choice(better, share))
    return " ".join(map(sentence_case, sentences))


@dataclass(frozen=True)
class _Contrast:
    words: Findings
    found: Mapping[str, Found]
    aspects: Mapping[str, Verdict]
    language: str
    rng: random.Random

    def _draw(self, templates: tuple[str, ...], fields: dict[str, str]) -> str:
        usable = [one for one in templates if set(FIELD.findall(one)) <= fields.keys()]
        return fill_fields(expand(self.rng.choice(usable), self.rng), fields)

    def _scores(self, name: str, clip: str) -> dict[str, str]:
        """The scores of the better and of the other clip, if they say the same."""
        x, y = (self.found[one].scores.get(name) for one in (clip, OPPOSITE[clip]))
        if x is None or y is None or f"{x:.1f}" == f"{y:.1f}" or RUBRICS[name].goodness(x) < RUBRICS[name].goodness(y):
            return {}
        return {"x": f"{x:.1f}", "y": f"{y:.1f}"}

    def wins(self, clip: str) -> list[str]:
        """What a clip is better in."""
        said = []
        for name in [name for name, winner in self.aspects.items() if winner == clip]:
            scores = self._scores(name, clip)
            against = fill_fields(expand(self.words.against, self.rng), scores) if scores else ""
            said.append(in_language(RUBRICS[name], self.language).label + against)
        if not said:
            return []
        fields = {"winner": f"Speech{clip}", "loser": f"Speech{OPPOSITE[clip]}", "aspects": listed(said)}
        # A comma that closes what is put in ends with the sentence, or with another comma
        return [re.sub(r",(?=[.,])", "", self._draw(self.words.wins, fields))]

    def fault(self, better: str) -> list[str]:
        """The fault of the other clip alone that hurts what it loses in most clearly."""
        loser = self.found[OPPOSITE[better]]
        lost = [name for name, winner in self.aspects.items() if winner == better]
        spared = {one.kind for one in self.found[better].faults or ()}
        own = [one for one in explain.strongest_of_each_kind(loser.faults or ()) if one.kind not in spared]
        own = [one for one in own if explain.hurts(one.kind) in lost]
        if not own:
            return []
        worst: Cause = min(own, key=lambda one: lost.index(explain.hurts(one.kind)))
        phrase = Writer(self.words, loser, self.language).phrase(worst)
        return [self._draw(self.words.decides, {"loser": f"Speech{OPPOSITE[better]}", "cause": phrase})]

    def measures(self) -> list[str]:
        """The first measure of the two that differs, of the aspects in which they do."""
        for name, rubric, least in MEASURES:
            a, b = (self.found[clip].measured.get(name) for clip in "AB")
            if rubric in self.aspects and a is not None and b is not None and abs(a - b) >= least:
                scale = 1000 if name == "high_hz" else 1
                fields = {"a": f"{a / scale:.1f}", "b": f"{b / scale:.1f}"}
                return [fill_fields(expand(self.words.differs[name], self.rng), fields)]
        return []

    def choice(self, better: str, share: float) -> str:
        """The verdict, with the scores of the whole or the share of listeners who would choose so."""
        known = {"share": f"{100 * share:.0f}"} if share <= MOST_SHARE else {}
        return self._draw(self.words.choices, {"winner": f"Speech{better}"} | known | self._scores("mos", better))

    def tie(self) -> str:
        """That neither is better, with both scores of the whole."""
        scores = {name: f"{self.found[clip].scores['mos']:.1f}" for name, clip in (("x", "A"), ("y", "B"))}
        return self._draw(self.words.ties, scores)
