"""What a run left in its folder, for what shows it: tables, the page and the files for the Hub."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from audio_judge.errors import UsageError

from . import benchmarks, user_tables
from .benchmarks import Benchmark
from .predictions import Row, read_run


@dataclass(frozen=True)
class FinishedRun:
    """One folder of a run that has its figures.

    Args:
        found: Content of ``metrics.json``.
        config: Content of ``config.json``; empty for predictions that were only measured.
        costs: Content of ``cost.json``; empty likewise.
    """

    folder: Path
    found: dict[str, Any]
    config: dict[str, Any]
    costs: dict[str, Any]

    @property
    def name(self) -> str:
        """That of the folder, also if it was given as ``.``."""
        return self.folder.resolve().name

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """Of ``predictions.jsonl``, read when they are first asked for: tables do without."""
        return tuple(read_run(self.folder).values())

    @property
    def defined(self) -> dict[str, Any]:
        """Benchmarks as they were when the run began, by name."""
        return self.config.get("benchmarks", {})

    def benchmark(self, name: str) -> Benchmark:
        """The benchmark as it was when the run began; of one that was only measured, as it is now, or as the rows tell."""
        if name in self.defined:
            return benchmarks.parse({key: value for key, value in self.defined[name].items() if key != "name"}, name)
        if name in benchmarks.names():
            return benchmarks.load(name)
        rubrics = [rubric for row in self.rows if row.benchmark == name for rubric in row.rubrics]
        return user_tables.benchmark_of_columns(name, dict.fromkeys(rubrics, ""))

    @property
    def measured(self) -> list[str]:
        """Names of the benchmarks that some judge has figures on."""
        return list(dict.fromkeys(name for by_name in self.found["judges"].values() for name in by_name))

    @property
    def shown(self) -> list[Benchmark]:
        """The run's benchmarks, then those of figures without a run, as of answers that were only measured."""
        return [self.benchmark(name) for name in dict.fromkeys([*self.defined, *self.measured])]


def read_folder(folder: Path) -> FinishedRun:
    """Read what a run has written.

    Raises:
        UsageError: If it has no figures yet.
    """
    if not (folder / "metrics.json").is_file():
        raise UsageError(f"{folder}: no metrics.json; finish the run first, with the same command")
    return FinishedRun(folder, *(_json(folder / name) for name in ("metrics.json", "config.json", "cost.json")))


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
