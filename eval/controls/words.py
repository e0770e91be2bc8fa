"""Rubrics in words: does a judge hear what it is asked for, in words that it never met?

The faults of each clip are those of a simulation, so how strong each is is known. Wordings and concepts are those of
``audio_judge.rubrics.concepts`` that never train a judge of ours; others may know them.
"""

from collections.abc import Sequence

import numpy as np

from audio_judge.corpora.severity import order_figures
from audio_judge.judge.judge import AudioJudge
from audio_judge.rubrics.concepts import Concept, Wording, concepts, unhearable
from audio_judge.rubrics.rubric import Rubric

from .bench import Bench
from .check import Check, check, not_applicable

WORDINGS = 8  # of a concept, of each kind
TOGETHER = 60  # rubrics that are asked for at once
STRENGTH = ("none", "slight", "moderate", "strong", "extreme")
QUALITY = ("bad", "poor", "fair", "good", "excellent")
KINDS = {
    "seen": "wordings that train",
    "wordings": "wordings that never train",
    "concepts": "concepts that never train",
}


def asked(concept: Concept, kind: str) -> list[Rubric]:
    """Some wordings of a concept as rubrics: how strong it is, or how free of it a clip is.

    Args:
        kind: Key of ``KINDS``.
    """
    if (kind == "concepts") == concept.seen:
        return []
    wordings = [
        one for one in concept.wordings if one.asks in ("strength", "freedom") and one.held_out == (kind != "seen")
    ]
    step = max(1, len(wordings) // WORDINGS)
    return [_rubric(f"{concept.name} {kind} {number}", one) for number, one in enumerate(wordings[::step][:WORDINGS])]


def _rubric(name: str, wording: Wording) -> Rubric:
    is_fault = wording.asks == "strength"
    levels = STRENGTH if is_fault else QUALITY
    return Rubric(name, wording.text, higher_is_better=not is_fault, levels=levels, questions=(wording.text,))


def severities(bench: Bench, concept: Concept) -> np.ndarray:
    """How strong a concept is in each clip (clips,): the worst of its causes; NaN where one is not known."""
    known = [clip.extra.get("concepts", {}) for clip in bench.clips]
    return np.array([max(one.get(cause, np.nan) for cause in concept.causes) if one else np.nan for one in known])


def rubrics(bench: Bench) -> list[Check]:
    """Clips are in the order of the fault that is asked for."""
    if not bench.takes_wordings:
        why = "the judge cannot be asked in other words"
        marks = [
            mark for kind in KINDS for mark in ((f"words/{kind}", _mark(kind)), (f"words/{kind}/rank", "words_rank"))
        ]
        return [not_applicable(name, mark, why) for name, mark in marks]
    wanted = {(one.name, kind): asked(one, kind) for one in concepts().values() if one.causes for kind in KINDS}
    wanted = {key: some for key, some in wanted.items() if some}
    points = dict[str, np.ndarray]()
    every = [rubric for own in wanted.values() for rubric in own]
    for start in range(0, len(every), TOGETHER):
        points |= bench.points(bench.paths, every[start : start + TOGETHER])
    figures = {
        (name, kind): _median(
            [order_figures(-points[rubric.name], severities(bench, concepts()[name])) for rubric in own]
        )
        for (name, kind), own in wanted.items()
    }
    checks = []
    for kind, title in KINDS.items():
        own = {name: pair for (name, other), pair in figures.items() if other == kind}
        auc, rank = _median(list(own.values()))
        each = ", ".join(f"{name} {pair[0]:.2f}" for name, pair in own.items())
        checks.append(check(f"words/{kind}", auc, _mark(kind), f"median over {len(own)} concepts, {title}: {each}"))
        each = ", ".join(f"{name} {pair[1]:.2f}" for name, pair in own.items())
        checks.append(check(f"words/{kind}/rank", rank, "words_rank", f"among clips that have it, {title}: {each}"))
    return checks


def _mark(kind: str) -> str:
    return "words_auc_concepts" if kind == "concepts" else "words_auc"


def _median(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Of each of two figures the median of those that are known; NaN if none is."""
    columns = [[value for value in column if np.isfinite(value)] for column in zip(*pairs, strict=True)]
    auc, rank = (float(np.median(column)) if column else float("nan") for column in columns)
    return auc, rank


def limits(bench: Bench) -> list[Check]:
    """What cannot be heard is said to be so, and what can be heard is not."""
    names = ("words/unhearable", "words/hearable")
    if not isinstance(bench.judge, AudioJudge) or not bench.takes_wordings:
        return [not_applicable(name, "words_limits", "the judge gives no warnings") for name in names]
    deaf = [one.text for one in unhearable() if one.held_out]
    heard = [w.text for one in concepts().values() for w in one.wordings if w.held_out and w.asks == "presence"]
    checks = []
    for name, texts, is_warned in zip(names, (deaf, heard), (True, False), strict=True):
        warned = [_is_warned(bench, text) == is_warned for text in texts]
        checks.append(
            check(name, float(np.mean(warned)), "words_limits", f"share of {len(texts)} questions told right")
        )
    return checks


def _is_warned(bench: Bench, text: str) -> bool:
    return "warning" in bench.judge.decide(bench.paths[0], {"q": {"type": "noul", "instructions": text}})["q"]


CONTROLS: Sequence = (rubrics, limits)


def run_words(bench: Bench) -> list[Check]:
    """Run all checks of rubrics in words."""
    return [outcome for control in CONTROLS for outcome in control(bench)]
