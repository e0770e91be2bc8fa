"""What a reference is worth to a judge: agreement of its scores without one, with the true one, and with a wrong one.

    python benchmarks/references.py CORPUS --split test --split test_held_out --judge mini
    python benchmarks/references.py CORPUS --fit --judge checkpoints/mini     # trained on CORPUS; writes into its config.json

CORPUS is a simulated corpus with references, its truth what ``read_simulated`` gives. *Wrong* is other speech, of the same source
where there is some; *itself* gives each original as its own reference. Clips that differ from their originals in level only are
left out: by rule they are near the top, whatever the original was like. ``--fit`` finds how what is measured between a clip and
its original (``audio_judge.audio.originals``) shifts the judge's scores: terms are chosen one after the other, by ridge
regression of what the judge misses in clips of ``train``, and kept for rubrics whose error on ``validation`` they make less.
"""

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from audio_judge.audio import lay_beside, read_audio
from audio_judge.audio.originals import LEAST_LIKENESS, MEASURES
from audio_judge.clips import RatedClip
from audio_judge.corpora.simulated import read_simulated
from audio_judge.judge.evidence import Evidence
from audio_judge.judge.fitted import SCORE, SQUARED, Fitted
from audio_judge.judge.judge import AudioJudge
from audio_judge.judge.judgement import UNALIKE, Judgement
from audio_judge.judge.learned import Learned
from audio_judge.rubrics.rubric import get_rubric

RUBRICS = ("mos", "noisiness", "coloration", "discontinuity", "loudness", "distortion", "intelligibility")
MOST_TERMS, RIDGE = 8, 10.0
LEAST_GAIN = 0.025  # of the mean absolute error on validation, for shifts to be kept

Said = Sequence[Mapping[str, float]]


def with_references(corpus: Path, split: str, targets: str | None) -> list[RatedClip]:
    """Read the clips of a split that have a reference."""
    return [clip for clip in read_simulated(corpus, split, targets) if clip.reference]


def beside(clip: RatedClip) -> Evidence:
    """A clip beside its original, in time with it."""
    late, early, _, _ = lay_beside(read_audio(clip.path), read_audio(str(clip.reference)))
    return Evidence(late, early)


def wrong_ones(clips: Sequence[RatedClip], seed: int = 0) -> list[str]:
    """Draw for each clip an original with another speaker's, or at least another, speech; of the same source if there is one."""
    rng, found = np.random.default_rng(seed), []
    for clip in clips:
        others = [one for one in clips if one.speaker != clip.speaker]
        near = [one for one in others if one.extra.get("source") == clip.extra.get("source")] or others
        found.append(str(near[rng.integers(len(near))].reference))
    return found


def scores(said: Sequence[Judgement]) -> Said:
    """Rubric name to score per clip."""
    return [{name: one.value for name, one in judgement.scores.items()} for judgement in said]


def agreement(clips: Sequence[RatedClip], found: Said, rubric: str) -> tuple[float, float, int]:
    """Pearson's correlation and mean absolute error of the clips that have a rating, and their number."""
    pairs = [(clip.ratings[rubric].value, one[rubric]) for clip, one in zip(clips, found, strict=True)
             if rubric in clip.ratings and rubric in one]  # fmt: skip
    wanted, got = np.array(pairs).T
    return float(np.corrcoef(wanted, got)[0, 1]), float(np.abs(wanted - got).mean()), len(pairs)


def report(judge: AudioJudge, clips: Sequence[RatedClip], rubrics: Sequence[str]) -> str:
    """Write the table."""
    given = len(clips)
    clips = [clip for clip in clips if not beside(clip).is_identical]
    paths, originals = [clip.path for clip in clips], [str(clip.reference) for clip in clips]
    said = {
        name: judge.score(paths, given, rubric=rubrics)
        for name, given in (("without", None), ("with", originals), ("wrong", wrong_ones(clips)))
    }
    found = {name: scores(some) for name, some in said.items()}
    itself = scores(judge.score(originals, originals, rubric=rubrics))
    lines = ["| rubric | n | without | true | wrong | itself |", "|---|--:|--:|--:|--:|--:|"]
    for rubric in rubrics:
        cells = ["{:.3f}, {:.3f}".format(*agreement(clips, found[name], rubric)[:2]) for name in said]
        mean = np.mean([one[rubric] for one in itself])
        lines.append(f"| {rubric} | {agreement(clips, itself, rubric)[2]} | {' | '.join(cells)} | {mean:.2f} |")
    warned = {name: sum(UNALIKE in one.warnings for one in some) for name, some in said.items()}
    moved = max(abs(a[name] - b[name]) for a, b in zip(found["without"], found["wrong"], strict=True) for name in a)
    lines += [
        "",
        f"{given - len(clips)} of {given} clips differ in level only, and are left out. Warned of: {warned['with']} true, {warned['wrong']} wrong of {len(clips)}; a wrong one moved {moved:.4f} at most.",
    ]
    return "\n".join(lines)


def measured(clips: Sequence[RatedClip]) -> list[dict[str, float] | None]:
    """Measure clips beside their originals; None of those that have no likeness to them."""
    found = []
    for clip in clips:
        one = beside(clip).measured
        found.append(one if one and one["likeness"] > LEAST_LIKENESS else None)
    return found


class Half:
    """Clips with a judge's scores and what is measured beside their originals."""

    def __init__(self, judge: AudioJudge, clips: Sequence[RatedClip]) -> None:
        self.clips, self.measured = clips, measured(clips)
        self.scores = scores(judge.score([clip.path for clip in clips], rubric=RUBRICS, progress=True))

    def of(self, rubric: str) -> tuple[np.ndarray, np.ndarray, list[dict[str, float]]]:
        """Ratings, scores and measures of the clips that have all."""
        rows = [(clip.ratings[rubric].value, one[rubric], found)
                for clip, one, found in zip(self.clips, self.scores, self.measured, strict=True)
                if found and rubric in clip.ratings and rubric in one]  # fmt: skip
        return np.array([row[0] for row in rows]), np.array([row[1] for row in rows]), [row[2] for row in rows]


def fit(train: Half, validation: Half) -> Fitted:
    """Choose and weigh terms, and print what they are worth on the clips that did not choose them."""
    table = np.array([[one[name] for name in MEASURES] for one in train.measured if one])
    measures = {name: (round(float(column.mean()), 4), round(float(column.std()), 4))
                for name, column in zip(MEASURES, table.T, strict=True)}  # fmt: skip
    scale, kept = Fitted(measures, {}), {}
    names = [name + power for power in ("", SQUARED) for name in (*MEASURES, SCORE)]
    for rubric in RUBRICS:
        middle = np.mean([get_rubric(rubric).low, get_rubric(rubric).high])
        wanted, said, found = train.of(rubric)
        terms = [scale.terms(one, score - middle) for one, score in zip(found, said, strict=True)]
        columns = np.array([[one[name] for name in names] for one in terms])
        weights = _chosen(columns, wanted - said, names)
        alone = Fitted(measures, {rubric: weights})
        wanted, said, found = validation.of(rubric)
        one = get_rubric(rubric)
        shifted = np.clip(
            [score + alone.shift(one, score, row) for score, row in zip(said, found, strict=True)], one.low, one.high
        )
        before, after = (float(np.abs(wanted - some).mean()) for some in (said, shifted))
        is_kept = after < (1 - LEAST_GAIN) * before
        print(f"{rubric:<16} MAE on validation {before:.3f} -> {after:.3f}, {'kept' if is_kept else 'left out'}")
        kept |= {rubric: weights} if is_kept else {}
    used = {term.removesuffix(SQUARED) for weights in kept.values() for term in weights}
    return Fitted({name: pair for name, pair in measures.items() if name in used}, kept)


def _chosen(columns: np.ndarray, missed: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    chosen: list[int] = []
    for _ in range(MOST_TERMS):
        rest = [index for index in range(columns.shape[1]) if index not in chosen]
        chosen.append(min(rest, key=lambda index: _ridge(columns[:, [*chosen, index]], missed)[1]))
    weights, _ = _ridge(columns[:, chosen], missed)
    return {"": round(weights[0], 4)} | {
        names[index]: round(weight, 4) for index, weight in zip(chosen, weights[1:], strict=True)
    }


def _ridge(columns: np.ndarray, missed: np.ndarray) -> tuple[list[float], float]:
    """Weights, that of the constant first, and the error that they leave."""
    centred = columns - columns.mean(0)
    weights = np.linalg.solve(
        centred.T @ centred + RIDGE * np.eye(centred.shape[1]), centred.T @ (missed - missed.mean())
    )
    start = float(missed.mean() - columns.mean(0) @ weights)
    return [start, *map(float, weights)], float(np.square(missed - start - columns @ weights).mean())


def main() -> None:
    """Parse the command line; print the table, or write the fit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--judge", default="mini", help="name or folder; with --fit the folder")
    parser.add_argument("--split", action="append", help="default: test; repeatable")
    parser.add_argument("--targets", default="listeners")
    parser.add_argument(
        "--fit", action="store_true", help="fit to train and validation, and write into the judge's config.json"
    )
    parser.add_argument("--most", type=int, default=1800, help="clips of train that are measured for --fit")
    options = parser.parse_args()
    judge = AudioJudge.from_pretrained(options.judge)
    if not options.fit:
        splits = options.split or ["test"]
        clips = [clip for split in splits for clip in with_references(options.corpus, split, options.targets)]
        known = [name for name in RUBRICS if name in judge.rubrics and any(name in clip.ratings for clip in clips)]
        print(report(judge, clips, known))
        return
    train, validation = (with_references(options.corpus, split, options.targets) for split in ("train", "validation"))
    every = max(1, math.ceil(len(train) / options.most))
    fitted = fit(Half(judge, train[::every]), Half(judge, validation))
    path = Path(options.judge) / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    learned = Learned.from_note(config["learned"]).note() | {"reference": fitted.note()}
    path.write_text(json.dumps(config | {"learned": learned}, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
