"""Attacks on everything that takes input, or that may be killed; what broke is counted in one table.

    python benchmarks/attack.py                                # a quarter of an hour or so on a free core
    python benchmarks/attack.py --files 10000 --kills 20       # the whole campaign
    python benchmarks/attack.py --only files --seed 7

Zeros in all columns but the first are the bar, and the exit code says whether they are. Each round runs in a process of its own,
which is watched; its result is kept in ``--output``, and the same command goes on where it was stopped. The folder of a round that
broke something stays, with its log. Tiny judges stand for trained ones: what is attacked is everything around them.
It uses what the tests use, so a checkout is needed, with ``pip install -e .[dev]``.
"""

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "benchmarks")]
os.environ |= {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "TOKENIZERS_PARALLELISM": "false"}

import torch  # noqa: E402
from attacks.faults import Faults  # noqa: E402
from attacks.kills import RUNS, Kills  # noqa: E402
from attacks.lists import Lists  # noqa: E402
from attacks.prompts import Prompts  # noqa: E402
from attacks.requests import Requests  # noqa: E402
from attacks.rounds import Campaign, Family, Found, table  # noqa: E402
from attacks.sounds import Sounds  # noqa: E402


def families(options: argparse.Namespace) -> list[tuple[Family, int]]:
    """What is attacked, and how often."""
    chosen: list[tuple[Family, int]] = [
        (Sounds(), options.files),
        (Prompts(), options.prompts),
        (Lists(), options.rows),
        (Requests(), options.requests),
        (Faults(), options.faults),
        *((Kills(run), options.kills) for run in RUNS),
    ]
    return [(one, count) for one, count in chosen if count and (not options.only or one.name in options.only)]


def run(options: argparse.Namespace) -> list[tuple[str, Found]]:
    """Attack, and say meanwhile what was found."""
    campaign, found = Campaign(options.output, options.work), []
    for family, count in families(options):
        one = campaign.run(family, count, options.seed)
        found.append((family.name, one))
        print("\n".join([f"{family.name}: {one.tried} tried", *(f"  {words}" for words in one.said)]), file=sys.stderr)
    return found


def make_parser() -> argparse.ArgumentParser:
    """The options, which say how often what is attacked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2000, help="mutated sound files (default: 2000)")
    parser.add_argument("--prompts", type=int, default=1000, help="questions from Python (default: 1000)")
    parser.add_argument("--rows", type=int, default=1000, help="rows of lists (default: 1000)")
    parser.add_argument("--requests", type=int, default=1000, help="requests to the server (default: 1000)")
    parser.add_argument("--faults", type=int, default=400, help="answers to an evaluator that fails (default: 400)")
    parser.add_argument("--kills", type=int, default=4, help="kill -9 of each kind of run (default: 4)")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn (default: 0)")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="a row of the table; repeatable")
    parser.add_argument(
        "--output", type=Path, default=Path("build/attack.jsonl"), help="results, gone on with if there"
    )
    parser.add_argument("--work", type=Path, default=Path("build/attack"), help="folders of the rounds")
    return parser


def main() -> int:
    """Attack and print the table."""
    options = make_parser().parse_args()
    torch.set_num_threads(1)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.work.mkdir(parents=True, exist_ok=True)
    options.output, options.work = options.output.resolve(), options.work.resolve()
    found = run(options)
    print(table(found))
    return 0 if all(one.is_clean for _, one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
