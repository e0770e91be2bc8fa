"""Which known faults a judge names and when it hears them, and how that is decided.

    python benchmarks/faults.py CORPUS --judge mini --split test --split test_held_out
    python benchmarks/faults.py CORPUS --judge checkpoints/mini --fit      # on validation; writes into its config.json

CORPUS is a simulated corpus, whose faults are known for certain. Printed are the average precision of each fault, precision and recall
of those that are named, over all and of each, and of those that come and go how far the times overlap and how many clean clips have
any. ``--fit`` weighs the judge's probability and that of the detector (``audio_judge.analysis.detector``) by logistic regression, one per
fault, and takes the threshold of the best F1 among those of which at least ``--precision`` of what is named is right; of times the
threshold with the best overlap at which at most one clean clip in twenty has any.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from audio_judge.analysis.detector import FRAME_SECONDS, Detected
from audio_judge.audio import read_audio
from audio_judge.clips import RatedClip
from audio_judge.corpora.simulated import KNOWN_RATINGS, read_simulated
from audio_judge.eval.metrics import span_overlap
from audio_judge.judge.decided import Decided, Decision
from audio_judge.judge.evidence import Alone
from audio_judge.judge.judge import AudioJudge
from audio_judge.judge.learned import Learned
from audio_judge.judge.signal_facts import SignalFacts
from audio_judge.tasks.faults import FAULT_QUESTIONS, SPAN_QUESTIONS, all_questions, known_spans

# Room on both sides of a lost packet of 10 ms, as the frames of a judge need it
MARGIN = 0.02
LEAST_PRECISION, MOST_CLEAN = 0.6, 0.05
GRID = np.arange(0.05, 0.96, 0.05)


@dataclass(frozen=True)
class Heard:
    """A clip, what the judge and the detector hold likely, and what is measured."""

    clip: RatedClip
    guessed: Mapping[str, float]
    detected: Detected | None
    facts: SignalFacts

    @property
    def kinds(self) -> set[str]:
        """Kinds of the faults that are there."""
        return {cause.kind for cause in self.clip.causes}

    @property
    def is_clean(self) -> bool:
        """Whether it is speech without a fault."""
        return not self.clip.causes and self.clip.extra["content"] not in KNOWN_RATINGS

    def likely(self, decided: Decided | None) -> dict[str, float]:
        """Kind of fault to its probability by all that is known."""
        found = dict(self.guessed)
        if decided is not None and self.detected is not None:
            found = decided.together(found, self.detected.kinds)
        return found | self.facts.probabilities(found)

    def named(self, decided: Decided | None) -> set[str]:
        """Kinds of the faults that are named."""
        least = {} if decided is None else decided.thresholds
        kinds = {kind for kind, p in self.likely(decided).items() if p >= least.get(kind, 0.5)}
        return kinds | {cause.kind for cause in self.facts.beside}


def listen(judge: AudioJudge, clips: Sequence[RatedClip]) -> list[Heard]:
    """Ask a judge about all faults, and measure; of long clips their first window counts."""
    answers = judge.decide([clip.path for clip in clips], all_questions(with_spans=False), batch_size=16)
    found = []
    for clip, answer in zip(clips, answers, strict=True):
        if "error" in answer:
            continue
        window = Alone(read_audio(clip.path))
        guessed = {kind: float(answer[kind]["noul"]) for kind in FAULT_QUESTIONS}
        found.append(Heard(clip, guessed, window.detected, window.facts))
    return found


# Fitting


def fit(heard: Sequence[Heard], precision: float) -> Decided:
    """Find how faults are decided, and from where spans are."""
    weights = {kind: _weights(heard, kind) for kind in FAULT_QUESTIONS}
    first = Decided({kind: Decision(*three, 0.5) for kind, three in weights.items()}, {})
    likely = [one.likely(first) for one in heard]
    faults = {}
    for kind, decision in first.faults.items():
        truth = np.array([kind in one.kinds for one in heard])
        least = _least(truth, np.array([one[kind] for one in likely]), precision)
        faults[kind] = Decision(*(round(number, 3) for number in decision[:3]), round(least, 3))
    return Decided(faults, {name: _span_threshold(heard, name) for name in SPAN_QUESTIONS})


def _weights(heard: Sequence[Heard], kind: str) -> tuple[float, float, float]:
    """Weights of the judge and the detector, and what is added; none of a weight that would be negative."""
    known = [one for one in heard if one.detected is not None]
    truth = [kind in one.kinds for one in known]
    both = np.array([[one.guessed[kind], one.detected.kinds[kind]] for one in known if one.detected is not None])
    logits = np.log(both.clip(1e-4, 1 - 1e-4) / (1 - both.clip(1e-4, 1 - 1e-4)))
    for columns in ((0, 1), (0,), (1,)):
        model = LogisticRegression(max_iter=500).fit(logits[:, columns], truth)
        if (model.coef_ >= 0).all():
            found = dict(zip(columns, model.coef_[0].tolist(), strict=True))
            return found.get(0, 0.0), found.get(1, 0.0), float(model.intercept_[0])
    return 1.0, 0.0, 0.0


def _least(truth: np.ndarray, likely: np.ndarray, precision: float) -> float:
    """Threshold of the best F1 among those that are precise enough; near 1, which names next to nothing, if there is none."""
    order = np.argsort(-likely, kind="stable")
    hits, named = np.cumsum(truth[order]), np.arange(1, len(truth) + 1)
    f1 = 2 * hits / (named + truth.sum())
    is_edge = np.append(likely[order][1:] < likely[order][:-1], True)
    f1[(hits < precision * named) | ~is_edge] = 0
    best = int(np.argmax(f1))
    below = likely[order][best + 1] if best + 1 < len(truth) else 0.0
    return float((likely[order][best] + below) / 2) if f1[best] > 0 else 0.99


def _span_threshold(heard: Sequence[Heard], name: str) -> float:
    figures = {least: when(heard, name, least) for least in GRID.round(2).tolist()}
    allowed = {least: one["IoU"] for least, one in figures.items() if one["clean"] <= MOST_CLEAN}
    return max(allowed, key=lambda least: allowed[least]) if allowed else 0.95


def when(heard: Sequence[Heard], name: str, least: float) -> dict[str, float]:
    """Overlap of the detector's times with the known ones, over clips that have some, and the share of clean clips with any."""
    some = [(one, known_spans(name, one.clip.causes)) for one in heard]
    there = [(one, spans) for one, spans in some if spans]
    truth = [[(max(0.0, start - MARGIN), end + MARGIN) for start, end in spans] for _, spans in there]
    clean = [bool(_spans(one, name, least)) for one in heard if one.is_clean]
    overlap = span_overlap([_spans(one, name, least) for one, _ in there], truth)["IoU"] if there else float("nan")
    return {"IoU": overlap, "n": len(there), "clean": float(np.mean(clean)) if clean else 0.0}


def _spans(one: Heard, name: str, least: float) -> list[tuple[float, float]]:
    if one.detected is None:
        return []
    edges = np.diff(np.concatenate([[0], (one.detected.curves[name] >= least).astype(int), [0]]))
    pairs = zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True)
    return [(first * FRAME_SECONDS, last * FRAME_SECONDS) for first, last in pairs]


# Report


def report(heard: Sequence[Heard], decided: Decided | None) -> str:
    """Write the tables."""
    named = [one.named(decided) for one in heard]
    likely = [one.likely(decided) for one in heard]
    lines = ["| fault | there | named | precision | recall | average precision |", "|---|--:|--:|--:|--:|--:|"]
    hits = sum(len(said & one.kinds) for said, one in zip(named, heard, strict=True))
    said_in_all, there_in_all = sum(map(len, named)), sum(len(one.kinds) for one in heard)
    for kind in dict.fromkeys([*FAULT_QUESTIONS, *(kind for one in heard for kind in sorted(one.kinds))]):
        truth = np.array([kind in one.kinds for one in heard])
        said = np.array([kind in one for one in named])
        cells = [f"{truth.sum()}", f"{said.sum()}", _share((truth & said).sum(), said.sum())]
        cells += [_share((truth & said).sum(), truth.sum()), _average_precision(truth, kind, likely)]
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    cells = [f"{there_in_all}", f"{said_in_all}", _share(hits, said_in_all), _share(hits, there_in_all), "–"]
    lines += ["| all | " + " | ".join(cells) + " |", ""]
    clean = [bool(said) for said, one in zip(named, heard, strict=True) if one.is_clean]
    lines += [f"clean clips of which a fault is named: {sum(clean)} of {len(clean)}", ""]
    lines += ["| when | clips | IoU | clean clips with a span |", "|---|--:|--:|--:|"]
    for name in SPAN_QUESTIONS if decided is not None else ():
        found = when(heard, name, decided.spans[name])
        lines.append(f"| {name} | {found['n']:.0f} | {found['IoU']:.2f} | {found['clean']:.2f} |")
    return "\n".join(lines)


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.2f}" if whole else "–"


def _average_precision(truth: np.ndarray, kind: str, likely: Sequence[Mapping[str, float]]) -> str:
    if kind not in FAULT_QUESTIONS or not truth.any():
        return "–"
    return f"{average_precision_score(truth, [one[kind] for one in likely]):.2f}"


def main() -> None:
    """Parse the command line, listen, and write or print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--judge", default="mini", help="shipped judge or folder")
    parser.add_argument("--split", action="append", help="default: test")
    parser.add_argument("--limit", type=int, help="clips of each split")
    parser.add_argument(
        "--fit", action="store_true", help="fit to `validation` and write into config.json of the folder"
    )
    parser.add_argument("--precision", type=float, default=LEAST_PRECISION, help="of each fault, at least, when fitted")
    options = parser.parse_args()
    judge = AudioJudge.from_pretrained(options.judge)
    learned = judge.identity.learned
    decided = None if learned is None else learned.decided
    for split in ["validation"] if options.fit else options.split or ["test"]:
        heard = listen(judge, list(read_simulated(options.corpus, split, "teachers"))[: options.limit])
        if options.fit and learned is not None:
            decided = fit(heard, options.precision)
            _write(Path(options.judge), replace(learned, decided=decided))
        print(f"{split}, {len(heard)} clips\n\n{report(heard, decided)}\n")


def _write(folder: Path, learned: Learned) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(config | {"learned": learned.note()}, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
