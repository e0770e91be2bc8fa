"""Targets better than any one teacher: their scores blended with what their states say and with what was done to a clip.

    python -m audio_judge.corpora.blends CORPUS --kind listeners --default
    python -m audio_judge.corpora.blends CORPUS --kind open --label train=600 validation=150

Fits on ``train`` and writes ``CORPUS/SPLIT/targets_KIND.jsonl`` for every split that is there, what was fitted beside
them (``CORPUS/blend_KIND.json`` and ``.safetensors``), and what had to be measured in ``CORPUS/extra``. It can be run
again while the corpus grows. Kinds: ``listeners`` (NISQA, Distill-MOS, known causes: what agreed best with listeners;
NISQA's non-commercial licence goes with it) and ``open`` (nothing from NISQA: Distill-MOS, DNSMOS, known causes). Left
out: clips without speech, which have fixed ratings.
"""

import argparse
import json
import sys
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from safetensors.numpy import load_file, save_file

from audio_judge.batch import lines
from audio_judge.clips import Cause, Rating
from audio_judge.corpora.severity import severity
from audio_judge.corpora.simulated import KNOWN_RATINGS, MADE_UP, NISQA_AXES, SPLITS, STATES, complete, read_rows
from audio_judge.degrade.measures import active_level
from audio_judge.errors import exit_code

RATE = 48_000  # of simulated clips
FOLDS = 5
ALPHAS = (30.0, 100.0, 300.0, 1000.0, 3000.0)
# Of what known causes say, that which a clip's states must say where no cause is known, as in real recordings
UNKNOWN_ELSEWHERE = ("noisiness", "discontinuity", "coloration", "unheard")
# Where an undegraded clip in the middle, and one clip in fifty at the low end, come to lie on scales of our own
ANCHORS = (4.4, 1.3)
VOCODER_SPREAD = 0.35  # instead of a standard deviation, which is tiny where few clips are resynthesised
Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class Head:
    """What a ridge regression on pooled states predicts.

    Args:
        inputs: Of ``nisqa`` (128: mean and deviation of its 64 states over time), ``distill_mos`` (400) and ``known``.
        target: Columns that it predicts the standardised sum of, each standardised before.
    """

    inputs: tuple[str, ...]
    target: tuple[str, ...]


@dataclass(frozen=True)
class Recipe:
    """How the ratings of one kind are made.

    Args:
        terms: Rating to its terms, column to weight; each is standardised over the training clips before it is summed.
        made_up: The same for voices that a machine made: where NISQA knows nothing.
        like: Prefix of the columns whose mean and deviation the blends get; None for the anchors.
        needs: Columns that every row has to have.
    """

    heads: Mapping[str, Head]
    terms: Mapping[str, Mapping[str, float]]
    made_up: Mapping[str, Mapping[str, float]]
    like: str | None
    needs: tuple[str, ...]


def _heard(*inputs: str) -> dict[str, Head]:
    return {f"heard_{axis}": Head(inputs, (f"known_{axis}",)) for axis in UNKNOWN_ELSEWHERE}


MADE_UP_TERMS = {"mos": {"distill_mos": 2.0, "known_vocoder": 1.0}}
# What each term brings, and what was tried beside: docs/training/mini.md; benchmarks/targets.py measures it
RECIPES = {
    "listeners": Recipe(
        heads={
            "head_mos": Head(("distill_mos",), ("nisqa_mos", "distill_mos")),
            "head_bak": Head(("distill_mos", "known"), ("dnsmos_bak",)),
            "head_loudness": Head(("distill_mos",), ("nisqa_loudness",)),
        }
        | _heard("nisqa", "distill_mos"),
        terms={
            # Distill-MOS, which makes up two thirds, does not hear the level
            "mos": {"nisqa_mos": 1.0, "distill_mos": 1.0, "head_mos": 1.0, "known_unheard": 0.5},
            "noisiness": {"nisqa_noisiness": 3.0, "head_bak": 1.0},
            "discontinuity": {"nisqa_discontinuity": 2.0, "known_discontinuity": 1.0},
            "coloration": {"nisqa_coloration": 1.0, "known_coloration": 1.0},
            "loudness": {"nisqa_loudness": 2.0, "head_loudness": 1.0, "known_loudness": 0.5},
        },
        made_up=MADE_UP_TERMS,
        like="nisqa_",
        needs=(*(f"nisqa_{axis}" for axis in NISQA_AXES), "distill_mos"),
    ),
    "open": Recipe(
        heads={
            "head_ovrl": Head(("distill_mos", "known"), ("dnsmos_ovrl",)),
            "head_bak": Head(("distill_mos", "known"), ("dnsmos_bak",)),
            "head_plcmos": Head(("distill_mos", "known"), ("plcmos",)),
        }
        | _heard("distill_mos"),
        terms={
            "mos": {"distill_mos": 2.0, "head_ovrl": 1.0, "known_unheard": 1.0},
            "noisiness": {"known_noisiness": 1.0, "head_bak": 1.0},
            # Known causes alone do not carry over to real recordings: a clip that sounds bad has something of each
            "discontinuity": {
                "known_discontinuity": 1.0,
                "heard_discontinuity": 1.0,
                "head_plcmos": 1.0,
                "distill_mos": 0.5,
            },
            "coloration": {"known_coloration": 2.0, "distill_mos": 1.0},
            "loudness": {"known_loudness": 1.0, "distill_mos": 1.0},
        },
        made_up=MADE_UP_TERMS,
        like=None,
        needs=("distill_mos",),
    ),
}


@dataclass
class Clips:
    """Clips as a blend sees them.

    Args:
        rows: As ``audio_judge.corpora.simulate`` writes them.
        columns: Name to values, shape (clips,): the teachers' scores, NaN where a clip has none, and ``known_`` plus
            each key of ``severity``, negative, so that more is better.
        inputs: What heads see, name to (clips, features).
    """

    rows: list[dict[str, Any]]
    columns: Columns
    inputs: dict[str, np.ndarray]
    levels: np.ndarray

    @classmethod
    def of(
        cls,
        rows: list[dict[str, Any]],
        states: Mapping[str, Sequence[np.ndarray]],
        levels: Sequence[float],
        more: Mapping[int, Mapping[str, float]] | None = None,
    ) -> "Clips":
        """Gather what is known of clips.

        Args:
            states: ``nisqa`` and ``distill_mos`` to the teacher's states of each clip, (frames, 64) and (frames, 200).
            levels: Active level of each clip as it is heard, in dBFS.
            more: Index of a clip to further labels, such as ``dnsmos_bak``.
        """
        graded = [_severity(row, level) for row, level in zip(rows, levels, strict=True)]
        known = {f"known_{axis}": -np.array([one[axis] for one in graded]) for axis in graded[0]} if rows else {}
        names = {key for row in rows for key in row if key.startswith("nisqa_") or key == "distill_mos"}
        columns = known | {name: np.array([row.get(name, np.nan) for row in rows], float) for name in names}
        labels = [(more or {}).get(row["index"], {}) for row in rows]
        for name in ("dnsmos_sig", "dnsmos_bak", "dnsmos_ovrl", "plcmos"):
            columns[name] = np.array([found.get(name, np.nan) for found in labels], float)
        inputs = {name: np.stack([_pooled(one) for one in found]) for name, found in states.items() if len(found)}
        if known:
            inputs["known"] = np.stack(list(known.values()), axis=1)
        return cls(rows, columns, inputs, np.asarray(levels, float))

    @property
    def speaks(self) -> np.ndarray:
        """Which hold speech, shape (clips,)."""
        return np.array([row["content"] not in KNOWN_RATINGS for row in self.rows], bool)

    @property
    def real(self) -> np.ndarray:
        """Which are recordings of which no cause is known, shape (clips,)."""
        return np.array([row["content"] == "wild" for row in self.rows], bool)

    @property
    def made_up(self) -> np.ndarray:
        """Which hold a voice that a machine made, or made anew, shape (clips,)."""
        return np.array(
            [
                row["content"] in MADE_UP or any(cause["kind"] == "vocoder" for cause in row["causes"])
                for row in self.rows
            ],
            bool,
        )


def _severity(row: Mapping[str, Any], level: float) -> dict[str, float]:
    return severity(_causes(row), row["seconds"], level)


def _causes(row: Mapping[str, Any]) -> list[Cause]:
    return [Cause(c["kind"], c["parameters"], tuple(map(tuple, c["spans"]))) for c in row["causes"]]


def _pooled(states: np.ndarray) -> np.ndarray:
    """Mean and deviation over time: (frames, width) to (2 × width,)."""
    states = states.astype(np.float32)
    return np.concatenate([states.mean(axis=0), states.std(axis=0)])


def speaker_folds(clips: Clips) -> np.ndarray:
    """Fold of each clip, shape (clips,), the same for all clips of one speaker; a clip of nobody is one of its own."""
    names = [row["speaker"] or f"{row['source']} {row['index']}" for row in clips.rows]
    return np.array([zlib.crc32(name.encode()) % FOLDS for name in names])


@dataclass
class Scale:
    """Mean and deviation of a column over the training clips."""

    mean: float
    std: float

    @classmethod
    def over(cls, values: np.ndarray) -> "Scale":
        """Measure it, of the values that are there."""
        return cls(float(np.nanmean(values)), float(np.nanstd(values)) or 1.0)

    def standardise(self, values: np.ndarray) -> np.ndarray:
        """Bring values to mean 0 and deviation 1."""
        return (values - self.mean) / self.std


@dataclass
class Ridge:
    """A linear map of standardised features."""

    mean: np.ndarray
    std: np.ndarray
    weights: np.ndarray
    bias: float
    alpha: float

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Map features (clips, n) to (clips,)."""
        return ((features - self.mean) / self.std) @ self.weights + self.bias


class Regression:
    """Ridge regressions of several targets on the same features: what they share is worked out once.

    Args:
        features: (clips, n).
        fold: Fold of each clip, (clips,), the same for clips of one speaker.
    """

    def __init__(self, features: np.ndarray, fold: np.ndarray) -> None:
        self.mean, self.std = features.mean(axis=0), features.std(axis=0) + 1e-6
        self.scaled = ((features - self.mean) / self.std).astype(np.float64)
        folds = [fold == number for number in np.unique(fold)]
        products = [self.scaled[own].T @ self.scaled[own] for own in folds]  # (n, n) each
        total = np.sum(products, axis=0)
        self.all = _Solver(self.scaled, total)
        self.folds = [
            (own, ~own, _Solver(self.scaled[~own], total - product))
            for own, product in zip(folds, products, strict=True)
            if not own.all()
        ] or [(folds[0], folds[0], self.all)]  # of one speaker nothing can be left out

    def fit(self, target: np.ndarray) -> tuple[Ridge, np.ndarray]:
        """Fit with the penalty that predicts left-out folds best.

        Args:
            target: (clips,).

        Returns:
            The regression on all clips, and what the others' regression predicts for each fold, shape (clips,).
        """
        guesses = np.zeros((len(ALPHAS), len(target)))
        for own, others, solver in self.folds:
            weights, bias = solver.solve(target[others])
            guesses[:, own] = weights @ self.scaled[own].T + bias[:, None]
        best = int(np.argmin(((guesses - target) ** 2).mean(axis=1)))
        weights, bias = self.all.solve(target)
        return Ridge(self.mean, self.std, weights[best], float(bias[best]), ALPHAS[best]), guesses[best]


class _Solver:
    """Solves a ridge regression for all of ``ALPHAS``: features (clips, n) and their products, not centred (n, n)."""

    def __init__(self, features: np.ndarray, products: np.ndarray) -> None:
        self.features, self.centre = features, features.mean(axis=0)
        self.values, self.vectors = np.linalg.eigh(products - len(features) * np.outer(self.centre, self.centre))

    def solve(self, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weights (alphas, n) and biases (alphas,) for a target (clips,)."""
        middle = target.mean()
        along = self.vectors.T @ (self.features.T @ (target - middle))  # as good as centred, since the target is
        shrunk = along / (np.maximum(self.values, 0) + np.array(ALPHAS)[:, None])  # (alphas, n)
        weights = shrunk @ self.vectors.T
        return weights, middle - weights @ self.centre


@dataclass
class Blend:
    """A recipe with what was fitted for it.

    Args:
        scales: Column to its scale over the training clips.
        ratings: Rating, and rating of made-up voices, to the line (offset, slope) from the weighted sum of standardised
            terms to 1 to 5.
    """

    recipe: Recipe
    heads: dict[str, Ridge] = field(default_factory=dict)
    scales: dict[str, Scale] = field(default_factory=dict)
    ratings: dict[str, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def fit(cls, recipe: Recipe, clips: Clips) -> tuple["Blend", Columns]:
        """Fit on training clips.

        Returns:
            The blend, and its ratings of these clips, each head's part predicted from other speakers.

        Raises:
            ValueError: If no clip has speech, or a head has no clip with its label.
        """
        blend, use = cls(recipe), clips.speaks & ~clips.real
        if not use.any():
            raise ValueError("no clip of speech to fit on")
        fold = speaker_folds(clips)
        columns = dict(clips.columns)
        for name in sorted(_columns(recipe)):
            if name in clips.columns and np.isfinite(clips.columns[name][use]).any():
                blend.scales[name] = Scale.over(clips.columns[name][use])
        regressions: dict[Any, Regression] = {}
        blend.scales["known_vocoder"] = Scale(0.0, VOCODER_SPREAD)
        for name, head in recipe.heads.items():
            absent = [column for column in head.target if column not in blend.scales]
            if absent:
                raise ValueError(f"no clip has {', '.join(absent)}, which {name} learns from; label some with --label")
            target = blend._sum(clips.columns, dict.fromkeys(head.target, 1.0))
            features = _features(head, clips)
            has = use & np.isfinite(target)
            key = (head.inputs, has.tobytes())
            regressions[key] = regressions.get(key) or Regression(features[has], fold[has])
            blend.heads[name], guesses = regressions[key].fit(target[has])
            columns[name] = blend.heads[name].predict(features)
            columns[name][has] = guesses
            blend.scales[name] = Scale.over(columns[name][use])
        undegraded = np.array([not row["causes"] for row in clips.rows])
        for rating, terms in _all_terms(recipe):
            total = blend._sum(columns, terms)[use]
            if recipe.like is not None:
                wanted = blend.scales[recipe.like + rating.split(".")[0]]
                slope = wanted.std / total.std()
                blend.ratings[rating] = (float(wanted.mean - slope * total.mean()), float(slope))
            else:
                clean = total[undegraded[use]] if undegraded[use].any() else total
                top, bottom = float(np.median(clean)), float(np.quantile(total, 0.02))
                slope = (ANCHORS[0] - ANCHORS[1]) / max(top - bottom, 1e-6)
                blend.ratings[rating] = (ANCHORS[0] - slope * top, slope)
        return blend, blend._rate(clips, columns)

    def rate(self, clips: Clips) -> Columns:
        """Rate clips: rating to values, shape (clips,), 1 to 5; of no meaning where nobody speaks."""
        columns = dict(clips.columns)
        for name, head in self.recipe.heads.items():
            columns[name] = self.heads[name].predict(_features(head, clips))
        for axis in UNKNOWN_ELSEWHERE:
            said = columns[f"heard_{axis}"] * self.scales[f"known_{axis}"].std + self.scales[f"known_{axis}"].mean
            columns[f"known_{axis}"] = np.where(clips.real, said, columns[f"known_{axis}"])
        return self._rate(clips, columns)

    def rate_clip(
        self, row: dict[str, Any], states: Mapping[str, np.ndarray], integers: np.ndarray
    ) -> dict[str, Rating]:
        """Rate a clip that was just made, as ``write_targets`` rates the clips of splits that it was not fitted on.

        Args:
            row: With the scores of ``teachers``.
            states: Their states, (frames, 64) and (frames, 200).
            integers: The clip, int16 (samples,) at 48 kHz.
        """
        clips = Clips.of([row], {name: [heard] for name, heard in states.items()}, [heard_level(integers, RATE)])
        return next(_ratings(clips, self.rate(clips)))

    @property
    def teachers(self) -> set[str]:
        """Those whose scores or states a clip needs before it can be rated."""
        inputs = {name for head in self.recipe.heads.values() for name in head.inputs}
        return {name for name in STATES if name in inputs or any(key.startswith(name) for key in self.recipe.needs)}

    def _sum(self, columns: Columns, terms: Mapping[str, float]) -> np.ndarray:
        return np.sum([weight * self.scales[name].standardise(columns[name]) for name, weight in terms.items()], axis=0)

    def _rate(self, clips: Clips, columns: Columns) -> Columns:
        found = {}
        for rating, terms in _all_terms(self.recipe):
            offset, slope = self.ratings[rating]
            found[rating] = offset + slope * self._sum(columns, terms)
        for rating in self.recipe.made_up:
            found[rating] = np.where(clips.made_up, found.pop(f"{rating}.made_up"), found[rating])
        return {rating: np.clip(values, 1, 5) for rating, values in _corrected(found, clips).items()}

    def save(self, stem: Path) -> None:
        """Write ``STEM.json`` and ``STEM.safetensors``."""
        facts = {
            "recipe": asdict(self.recipe),
            "scales": {name: [scale.mean, scale.std] for name, scale in self.scales.items()},
            "ratings": self.ratings,
            "heads": {name: {"bias": head.bias, "alpha": head.alpha} for name, head in self.heads.items()},
        }
        tensors = {
            f"{name}.{part}": getattr(head, part).astype(np.float32)
            for name, head in self.heads.items()
            for part in ("mean", "std", "weights")
        }
        stem.with_name(stem.name + ".json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        save_file(tensors, stem.with_name(stem.name + ".safetensors"))

    @classmethod
    def load(cls, stem: Path) -> "Blend":
        """Read what ``save`` wrote, to rate clips that are made on the fly."""
        facts = json.loads(stem.with_name(stem.name + ".json").read_text(encoding="utf-8"))
        tensors = load_file(stem.with_name(stem.name + ".safetensors"))
        recipe = facts["recipe"]
        recipe["heads"] = {
            name: Head(tuple(head["inputs"]), tuple(head["target"])) for name, head in recipe["heads"].items()
        }
        heads = {
            name: Ridge(tensors[f"{name}.mean"], tensors[f"{name}.std"], tensors[f"{name}.weights"], **numbers)
            for name, numbers in facts["heads"].items()
        }
        scales = {name: Scale(*values) for name, values in facts["scales"].items()}
        ratings = {name: tuple(values) for name, values in facts["ratings"].items()}
        return cls(Recipe(**recipe), heads, scales, ratings)


def _all_terms(recipe: Recipe) -> list[tuple[str, Mapping[str, float]]]:
    return [*recipe.terms.items(), *((f"{rating}.made_up", terms) for rating, terms in recipe.made_up.items())]


def _columns(recipe: Recipe) -> set[str]:
    """Columns of clips that a recipe standardises."""
    names = {name for _, terms in _all_terms(recipe) for name in terms}
    names |= {column for head in recipe.heads.values() for column in head.target}
    names |= {f"known_{axis}" for axis in UNKNOWN_ELSEWHERE}
    return names | ({recipe.like + rating for rating in recipe.terms} if recipe.like is not None else set())


def _features(head: Head, clips: Clips) -> np.ndarray:
    return np.concatenate([clips.inputs[name] for name in head.inputs], axis=1)


def _corrected(found: Columns, clips: Clips) -> Columns:
    """Keep ratings within what is known where teachers are wrong: slight noise, noise taken for softness, near-silence."""
    fixed = {rating: values.copy() for rating, values in found.items()}
    noise_only = [bool(row["causes"]) and {c["kind"] for c in row["causes"]} <= {"noise"} for row in clips.rows]
    slight = np.array(noise_only, bool) & (clips.columns["known_noisiness"] > -0.4)
    least = 4.0 + 4 * clips.columns["known_noisiness"]  # a whole point below what was done
    fixed["noisiness"] = np.where(slight, np.maximum(fixed["noisiness"], least), fixed["noisiness"])
    spoken_normally = ~clips.real & (np.abs(clips.levels + 26) < 6)
    fixed["loudness"] = np.where(spoken_normally, np.maximum(fixed["loudness"], 2.2), fixed["loudness"])
    most = 1 + 4 * np.clip((clips.levels + 65) / 25, 0, 1)  # hardly audible at -65 dBFS, bearable from -40 on
    fixed["loudness"] = np.minimum(fixed["loudness"], most)
    fixed["mos"] = np.minimum(fixed["mos"], 1 + 4 * np.clip((clips.levels + 70) / 25, 0, 1))
    return fixed


def read_clips(root: Path, split: str, needs: Iterable[str], states: Iterable[str]) -> tuple[Clips, int]:
    """Read what has been written of a split; levels that were not measured yet are, and kept in ``root/extra``.

    Args:
        needs: Columns that a clip must have.
        states: Teachers whose states are wanted: ``nisqa``, ``distill_mos``.

    Returns:
        The clips in the order of their index, and how many rows were left out because something is missing.
    """
    keys = [STATES[name] for name in states]
    rows = sorted(read_rows(root / split), key=lambda row: row["index"])
    whole = [row for row in rows if all(row.get(name) is not None for name in (*needs, *keys))]
    found = {name: [np.load(root / row[STATES[name]]) for row in whole] for name in states}
    extra = _kept(root / "extra" / f"{split}_mos.jsonl")
    return Clips.of(whole, found, _levels(root, split, whole), extra), len(rows) - len(whole)


def _kept(path: Path) -> dict[int, dict[str, Any]]:
    return {row["index"]: row for _, row in lines.read(path, is_growing=True)} if path.exists() else {}


def _levels(root: Path, split: str, rows: list[dict[str, Any]]) -> list[float]:
    path = root / "extra" / f"{split}_level.jsonl"
    kept = _kept(path)
    with lines.Appender(path) as file:
        for row in rows:
            if row["index"] not in kept:
                samples, rate = soundfile.read(root / row["path"], dtype="int16")
                kept[row["index"]] = {"index": row["index"], "active_dbfs": heard_level(samples, rate)}
                file.write(kept[row["index"]])
    return [kept[row["index"]]["active_dbfs"] for row in rows]


def heard_level(integers: np.ndarray, rate: int) -> float:
    """Active level in dBFS of a clip, int16 (samples,), of every fourth sample: as much energy in a quarter of the time."""
    return round(20 * float(np.log10(active_level(integers[::4] / 32_768, rate // 4))), 2)


def label_more(root: Path, split: str, count: int) -> int:
    """Label the first clips of a split with DNSMOS and PLCMOS, about 0.5 s each, and keep that in ``root/extra``.

    Returns:
        Number of clips labelled now.
    """
    from audio_judge.corpora.teachers import dnsmos, plcmos

    path = root / "extra" / f"{split}_mos.jsonl"
    kept, done = _kept(path), 0
    with lines.Appender(path) as file:
        for row in sorted(read_rows(root / split), key=lambda row: row["index"])[:count]:
            if row["index"] not in kept:
                samples, rate = soundfile.read(root / row["path"], dtype="float32")
                scores = {f"dnsmos_{name}": score for name, score in dnsmos(samples, rate).items()}
                scores["plcmos"] = plcmos(samples, rate)
                file.write({"index": row["index"]} | {name: round(score, 4) for name, score in scores.items()})
                done += 1
    return done


def write_targets(root: Path, kind: str, is_default: bool = False) -> dict[str, tuple[int, int]]:
    """Fit a blend on ``train`` and write its targets for every split that is there.

    Args:
        kind: Key of ``RECIPES``.
        is_default: Whether ``read_simulated`` shall use this kind when it is asked for none.

    Returns:
        Split to the number of clips with targets and of those left out.

    Raises:
        ValueError: If the corpus has nothing to fit on.
    """
    recipe = RECIPES[kind]
    states = sorted({name for head in recipe.heads.values() for name in head.inputs if name in STATES})
    counts = {}
    blend: Blend | None = None
    if not (root / "train" / "rows.jsonl").exists():
        raise ValueError(f"{root}: no split train to fit on; make it with audio_judge.corpora.simulate")
    for split in SPLITS:  # train comes first
        if not (root / split / "rows.jsonl").exists():
            continue
        clips, left_out = read_clips(root, split, recipe.needs, states)
        if blend is None:
            blend, found = Blend.fit(recipe, clips)
            blend.save(root / f"blend_{kind}")
        else:
            found = blend.rate(clips) if clips.rows else {}
        lines.write(root / split / f"targets_{kind}.jsonl", _rows(clips, found))
        counts[split] = (len(clips.rows), left_out)
    if is_default:
        (root / "targets.json").write_text(json.dumps({"kind": kind}) + "\n", encoding="utf-8")
    return counts


def _ratings(clips: Clips, found: Columns) -> Iterator[dict[str, Rating]]:
    for number, row in enumerate(clips.rows):
        ratings = complete(row, {rating: float(values[number]) for rating, values in found.items()})
        yield {name: Rating(round(one.value, 4)) for name, one in ratings.items()}


def _rows(clips: Clips, found: Columns) -> Iterator[dict[str, Any]]:
    for row, ratings in zip(clips.rows, _ratings(clips, found), strict=True):
        yield {"index": row["index"], "ratings": {name: one.value for name, one in ratings.items()}}


def main() -> None:
    """Write targets from the command line."""
    parser = argparse.ArgumentParser(description="Blend teachers and known causes into targets.")
    parser.add_argument("corpus", type=Path, help="folder that audio_judge.corpora.simulate wrote")
    parser.add_argument("--kind", choices=RECIPES, default="listeners")
    parser.add_argument("--default", action="store_true", help="have read_simulated use them when it is asked for none")
    parser.add_argument("--label", nargs="*", default=[], metavar="SPLIT=COUNT", help="label with DNSMOS, PLCMOS first")
    options = parser.parse_args()
    sys.exit(exit_code(parser.prog, lambda: _blend(options)))


def _blend(options: argparse.Namespace) -> int:
    if options.label:
        from audio_judge.corpora.teachers import check_installed

        check_installed(("dnsmos", "plcmos"))
    for wanted in options.label:
        split, _, count = wanted.partition("=")
        print(f"{split}: {label_more(options.corpus, split, int(count))} clips labelled by DNSMOS and PLCMOS")
    begun = time.monotonic()
    for split, (written, left_out) in write_targets(options.corpus, options.kind, options.default).items():
        print(f"{split}: {written} clips with targets, {left_out} left out")
    print(f"{time.monotonic() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    main()
