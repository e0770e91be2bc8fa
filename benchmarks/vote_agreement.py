"""How well people agree whose votes a table holds: the ceiling of a judge that is measured on them.

    python benchmarks/vote_agreement.py ratings.csv --split test

For each rubric: ``half``, Pearson's correlation between the mean votes of two random halves of each clip's panel, mean of 200
halvings; ``panel``, the same for whole panels (Spearman-Brown); ``ceiling``, its root, better than which no judge can be
expected to correlate with the panels' means; ``one``, a single vote with the mean of the others, over all votes.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from audio_judge.corpora.rated import read_rated


def agreement(panels: Sequence[Sequence[float]], *, halvings: int = 200, seed: int = 0) -> dict[str, float]:
    """Measure how panels agree; those of a single vote say nothing and are left out.

    Args:
        panels: The votes for each clip.

    Example:
        >>> agreement([(1, 1), (3, 3), (2, 2)])["half"]
        1.0
    """
    rng = np.random.default_rng(seed)
    kept = [np.array(votes, dtype=float) for votes in panels if len(votes) > 1]
    halves = []
    for _ in range(halvings):
        shuffled = [rng.permutation(votes) for votes in kept]
        means = [(votes[: len(votes) // 2].mean(), votes[len(votes) // 2 :].mean()) for votes in shuffled]
        halves.append(np.corrcoef(np.array(means).T)[0, 1])
    half = float(np.mean(halves))
    panel = 2 * half / (1 + half)
    pairs = [(vote, (votes.sum() - vote) / (len(votes) - 1)) for votes in kept for vote in votes]
    one = float(np.corrcoef(np.array(pairs).T)[0, 1])
    found = {"half": half, "panel": panel, "ceiling": max(panel, 0) ** 0.5, "one": one}
    return {"clips": len(kept)} | {name: round(value, 3) for name, value in found.items()}


def main() -> None:
    """Print a line per rubric."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ratings")
    parser.add_argument("--split", choices=("train", "validation", "test"))
    options = parser.parse_args()
    panels = defaultdict(list)
    for clip in read_rated(options.ratings, options.split):
        for name, rating in clip.ratings.items():
            panels[name].append(rating.single)
    print(f"{'rubric':<22}{'clips':>6}{'half':>7}{'panel':>7}{'ceiling':>9}{'one':>7}")
    for name, votes in panels.items():
        found = agreement(votes)
        print(
            f"{name:<22}{found['clips']:>6}{found['half']:>7}{found['panel']:>7}{found['ceiling']:>9}{found['one']:>7}"
        )


if __name__ == "__main__":
    main()
