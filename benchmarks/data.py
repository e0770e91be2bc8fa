"""How fast training examples are made and written, and that memory does not grow with the corpus; no audio is read.

    python benchmarks/data.py                  # tables of 25,000 and 100,000 rows, one process each

Prints examples per second and the peak memory of the process, with what the process had before its first example.
"""

import argparse
import csv
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COLUMNS = {
    "path": "path",
    "ratings": {name: name for name in ("mos", "noisiness", "coloration", "discontinuity", "loudness")},
}
TASKS = {"decide": 2, "score": 2, "profile": 1, "explain": 1, "describe": 1, "compare": 1, "rate": 1}
AUGMENT = {"scale": 0.25, "invert": 0.1, "binary": 0.1, "paraphrase": 0.25}


def write_corpus(path: Path, rows: int) -> None:
    """A table of rated clips that are nowhere, four of five of them excellent."""
    rng = random.Random(0)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", *COLUMNS["ratings"]])
        for index in range(rows):
            mos = 5.0 if rng.random() < 0.8 else round(rng.uniform(1, 5), 2)
            writer.writerow([f"clips/{index:07d}.wav", mos, *(round(rng.uniform(1, 5), 2) for _ in range(4))])


def peak_megabytes() -> float:
    """Most memory this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(rows: int, suffix: str, shuffle: int, check: bool) -> dict[str, float]:
    """Write the examples of one table, in this process."""
    from audio_judge.data.files import write_examples
    from audio_judge.data.mixtures import iterate, mixture_of
    from audio_judge.data.statistics import Statistics

    with tempfile.TemporaryDirectory() as folder:
        table, other = Path(folder) / "clips.csv", Path(folder) / "others" / "clips.csv"
        write_corpus(table, rows)
        other.parent.mkdir()
        write_corpus(other, 100)
        corpus = {"reader": "table", "path": str(table), "balance": "mos", "options": {"columns": COLUMNS}}
        values = {"corpora": [corpus], "tasks": TASKS, "augment": AUGMENT, "shuffle": shuffle}
        if check:
            values["tested_on"] = [corpus | {"path": str(other)}]
        before, statistics, begin = peak_megabytes(), Statistics(), time.perf_counter()
        out = Path(folder) / f"train{suffix}"
        written = write_examples(iterate(mixture_of(values), statistics), out)
        seconds = time.perf_counter() - begin
        size = out.stat().st_size / 2**20
    return {"written": written, "seconds": seconds, "before": before, "peak": peak_megabytes(), "megabytes": size}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[25_000, 100_000])
    parser.add_argument("--shuffle", type=int, default=1000)
    parser.add_argument("--one", nargs=3, metavar=("ROWS", "SUFFIX", "CHECK"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        rows, suffix, check = options.one
        print(json.dumps(measure(int(rows), suffix, options.shuffle, check == "check")))
        return
    print(
        f"{'rows':>8}  {'file':<9}{'leakage':<9}{'examples/s':>11}{'examples':>10}{'peak MB':>9}{'grew MB':>9}{'file MB':>9}"
    )
    for suffix, check in ((".parquet", ""), (".jsonl", ""), (".parquet", "check")):
        for rows in options.rows:
            command = [sys.executable, __file__, "--shuffle", str(options.shuffle), "--one", str(rows), suffix, check]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            print(
                f"{rows:>8}  {suffix:<9}{'checked' if check else '-':<9}{found['written'] / found['seconds']:>11.0f}"
                f"{found['written']:>10}{found['peak']:>9.0f}{found['peak'] - found['before']:>9.0f}{found['megabytes']:>9.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
