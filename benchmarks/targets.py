"""What each term of a blend brings: the ablation behind ``audio_judge.corpora.blends``.

    python benchmarks/targets.py CORPUS --kind listeners
    python benchmarks/targets.py CORPUS --kind open

CORPUS has targets and labels of DNSMOS and PLCMOS (``python -m audio_judge.corpora.blends CORPUS --label …``). A target
is judged by what a student makes of it that hears what the checkpoint's encoders hear: a ridge regression on their states,
fitted on ``train``. *Order*: within clips with a fault of one kind, Spearman's correlation of the student with how bad it
is, mean over kinds, weighted by clips (``seen``: kinds of ``train``, in ``test`` and ``validation``; ``new``: kinds never
trained on, alone in their clips, in ``test_held_out``). *Left out*: on real processed speech that nothing is fitted to (``wild_validation``), Pearson's
correlation of the student with a teacher that is not in the target (where it is, through ``head_bak`` or ``head_plcmos``, the
figure flatters). *With* NISQA and Distill-MOS: Pearson's correlation of the target itself on ``validation``.
"""

import argparse
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from audio_judge.corpora.blends import RECIPES, Blend, Clips, Head, Recipe, Regression, read_clips, speaker_folds
from audio_judge.corpora.severity import AXES

STATES = {"listeners": ("nisqa", "distill_mos"), "open": ("distill_mos",)}
SPLITS = ("train", "validation", "test", "test_held_out", "wild_validation")
# Ratings to the faults that they must follow
FAULTS = {
    "mos": (),  # all of them
    "noisiness": ("noise", "noise_suppression", "quantisation"),
    "discontinuity": ("packet_loss", "time_clipping", "jitter", "pumping"),
    "coloration": ("band_limit", "codec", "vocoder", "reverberation", "filter", "echo", "notch", "clipping"),
    "loudness": ("level",),
}
# Who did not say what the target says, in ``wild_validation``
LEFT_OUT = {
    "listeners": {
        "mos": "dnsmos_ovrl",
        "noisiness": "dnsmos_bak",
        "discontinuity": "plcmos",
        "coloration": "dnsmos_sig",
    },
    "open": {axis: f"nisqa_{axis}" for axis in FAULTS},
}
# Heads that no recipe has, but that might have been in one
LABELS = {name: Head(("distill_mos", "known"), (label,)) for name, label in
          (("head_ovrl", "dnsmos_ovrl"), ("head_bak", "dnsmos_bak"), ("head_plcmos", "plcmos"))}  # fmt: skip
LABELS["head_noisiness"] = Head(("distill_mos",), ("nisqa_noisiness",))
# Rating to the targets that are compared; the last is not always the best
CANDIDATES: dict[str, dict[str, list[dict[str, float]]]] = {
    "listeners": {
        "mos": [
            {"nisqa_mos": 1}, {"distill_mos": 1}, {"nisqa_mos": 1, "distill_mos": 1},
            {"nisqa_mos": 1, "distill_mos": 1, "head_mos": 1}, {"nisqa_mos": 1, "distill_mos": 1, "head_mos": 1, "known_unheard": 0.5},
            {"nisqa_mos": 1, "distill_mos": 1, "head_mos": 1, "head_ovrl": 0.5},
        ],
        "noisiness": [
            {"nisqa_noisiness": 1}, {"nisqa_noisiness": 1, "head_noisiness": 1}, {"nisqa_noisiness": 2, "known_noisiness": 1},
            {"nisqa_noisiness": 3, "head_bak": 1},
        ],
        "discontinuity": [
            {"nisqa_discontinuity": 1}, {"known_discontinuity": 1}, {"nisqa_discontinuity": 2, "known_discontinuity": 1},
            {"nisqa_discontinuity": 2, "known_discontinuity": 1, "head_plcmos": 1},
        ],
        "coloration": [{"nisqa_coloration": 1}, {"known_coloration": 1}, {"nisqa_coloration": 1, "known_coloration": 1}],
        "loudness": [
            {"nisqa_loudness": 1}, {"nisqa_loudness": 1, "head_loudness": 1}, {"nisqa_loudness": 1, "known_loudness": 1},
            {"nisqa_loudness": 2, "head_loudness": 1, "known_loudness": 0.5},
        ],
    },
    "open": {
        "mos": [
            {"distill_mos": 1}, {"distill_mos": 2, "head_ovrl": 1}, {"distill_mos": 2, "known_unheard": 1},
            {"distill_mos": 2, "head_ovrl": 1, "known_unheard": 1},
        ],
        "noisiness": [{"known_noisiness": 1}, {"head_bak": 1}, {"known_noisiness": 1, "head_bak": 1}],
        "discontinuity": [
            {"known_discontinuity": 1}, {"heard_discontinuity": 1}, {"known_discontinuity": 1, "heard_discontinuity": 1},
            {"known_discontinuity": 1, "heard_discontinuity": 1, "head_plcmos": 1},
            {"known_discontinuity": 1, "heard_discontinuity": 1, "distill_mos": 1},
            {"known_discontinuity": 1, "heard_discontinuity": 1, "head_plcmos": 1, "distill_mos": 0.5},
            {"known_discontinuity": 2, "head_plcmos": 1, "distill_mos": 1},
        ],
        "coloration": [
            {"known_coloration": 1}, {"heard_coloration": 1}, {"known_coloration": 1, "heard_coloration": 1},
            {"known_coloration": 1, "heard_coloration": 1, "distill_mos": 1},
            {"known_coloration": 2, "distill_mos": 1},
            {"known_coloration": 1, "distill_mos": 1},
        ],
        "loudness": [{"known_loudness": 1}, {"known_loudness": 2, "distill_mos": 1}, {"known_loudness": 1, "distill_mos": 1}],
    },
}  # fmt: skip


def with_candidates(kind: str) -> Recipe:
    """The recipe of a kind with each candidate as a rating of its own, such as ``mos.0``, and all heads that they need."""
    recipe = RECIPES[kind]
    candidates = {
        f"{rating}.{number}": terms for rating, each in CANDIDATES[kind].items() for number, terms in enumerate(each)
    }
    used = {name for terms in candidates.values() for name in terms}
    heads = {name: head for name, head in (recipe.heads | LABELS).items() if name in used or name.startswith("heard_")}
    return replace(recipe, heads=heads, terms={**recipe.terms, **candidates})


def pearson(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation where both are there."""
    both = np.isfinite(one) & np.isfinite(other)
    return float(np.corrcoef(one[both], other[both])[0, 1]) if both.sum() > 2 else float("nan")


def order(clips: list[Clips], student: list[np.ndarray], rating: str) -> float:
    """Spearman's correlation with how bad a fault is, mean over kinds that are in 20 clips or more."""
    groups: dict[str, list[tuple[float, float]]] = defaultdict(list)  # what the student says, and what is known
    for part, said in zip(clips, student, strict=True):
        graded = {axis: part.columns[f"known_{axis}"] for axis in AXES}
        graded["mos"] = np.sum(list(graded.values()), axis=0)
        for number in np.flatnonzero(part.speaks):
            for kind in {cause["kind"] for cause in part.rows[number]["causes"]}:
                if not FAULTS[rating] or kind in FAULTS[rating]:
                    groups[kind].append((said[number], graded[rating][number]))
    found = [(len(group), spearmanr(np.array(group)).statistic) for group in groups.values() if len(group) >= 20]
    return sum(n * r for n, r in found) / sum(n for n, _ in found) if found else float("nan")


def main() -> None:
    """Print one table in Markdown."""
    parser = argparse.ArgumentParser(description="Compare what targets teach.")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--kind", choices=RECIPES, default="listeners")
    options = parser.parse_args()
    kind = options.kind
    needs = (*RECIPES["listeners"].needs,)  # NISQA's scores are compared with in both kinds and trained on in one
    splits = {name: read_clips(options.corpus, name, needs, ("nisqa", "distill_mos"))[0] for name in SPLITS}
    train, wild = splits["train"], splits["wild_validation"]
    heard = {
        name: np.concatenate([clips.inputs[one] for one in STATES[kind]], axis=1) for name, clips in splits.items()
    }
    use = train.speaks
    blend, targets = Blend.fit(with_candidates(kind), train)
    regression = Regression(heard["train"][use], speaker_folds(train)[use])
    speaks = splits["validation"].speaks
    own = blend.rate(splits["validation"])
    print("| rating | target | order, seen | order, new | left out, wild | with NISQA | with Distill-MOS |")
    print("|---|---|--:|--:|--:|--:|--:|")
    for rating, candidates in CANDIDATES[kind].items():
        for number, terms in enumerate(candidates):
            name = f"{rating}.{number}"
            student, _ = regression.fit(targets[name][use])
            said = {split: student.predict(states) for split, states in heard.items()}
            seen, new = (
                order([splits[split] for split in chosen], [said[split] for split in chosen], rating)
                for chosen in (("validation", "test"), ("test_held_out",))
            )
            teacher = LEFT_OUT[kind].get(rating)
            left_out = pearson(said["wild_validation"], wild.columns[teacher]) if teacher else float("nan")
            others = [
                pearson(own[name][speaks], splits["validation"].columns[column][speaks])
                for column in (f"nisqa_{rating}", "distill_mos")
            ]
            shown = " + ".join(f"{f'{weight:g} ' if weight != 1 else ''}{term}" for term, weight in terms.items())
            is_used = "**" if RECIPES[kind].terms[rating] == terms else ""
            values = (seen, new, left_out, *others)
            cells = ["–" if np.isnan(value) else f"{value:.3f}".replace("0.", ".") for value in values]
            print(f"| {rating} | {is_used}{shown}{is_used} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
