"""Results for the Hub from ``metrics.json``: ``.eval_results/*.yaml`` for leaderboards, and the older model-index of a card.

The first form has one value per benchmark that is registered on the Hub; the benchmark's ``hub`` names the data set, the task
and the figure. The second has every figure, and is what model pages show in the side bar.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from huggingface_hub import EvalResult, EvalResultEntry, eval_result_entries_to_yaml
from huggingface_hub.repocard_data import eval_results_to_model_index

from audio_judge.errors import UsageError

from .benchmarks import Benchmark

TASK_TYPE = "audio-text-to-text"


def eval_results(
    found: Mapping[str, Any],
    judge: str,
    benchmarks: Sequence[Benchmark],
    *,
    date: str | None = None,
    source_url: str | None = None,
) -> dict[str, str]:
    """Write the files of ``.eval_results``.

    Args:
        benchmarks: Its benchmarks; those that the Hub does not know are left out.
        date: Of the run, ISO 8601; None for that of the commit on the Hub.

    Returns:
        File name, such as ``.eval_results/qualispeech.yaml``, to its text.

    Raises:
        UsageError: If there is no such judge.
    """
    own, files = _own(found, judge), {}
    revision = found.get("revisions", {}).get(judge)
    at_revision = "" if revision is None else f", revision {revision}"
    for benchmark in benchmarks:
        figure = own.get(benchmark.name, {}).get("figures", {}).get(benchmark.hub.get("figure", ""))
        if figure is None or figure["value"] is None:
            continue
        entry = EvalResultEntry(
            dataset_id=benchmark.hub["dataset_id"],
            task_id=benchmark.hub["task_id"],
            value=figure["value"],
            date=date,
            source_url=source_url,
            notes=f"{benchmark.hub['figure']}, coverage {figure['coverage']:.4f}{at_revision}",
        )
        text = yaml.safe_dump(eval_result_entries_to_yaml([entry]), sort_keys=False, allow_unicode=True)
        files[f".eval_results/{benchmark.name}.yaml"] = text
    return files


def model_index(
    found: Mapping[str, Any], judge: str, benchmarks: Sequence[Benchmark], *, model_name: str
) -> list[dict[str, Any]]:
    """Make the ``model-index`` of a model card.

    Returns:
        What the card's front matter holds under ``model-index``; empty if there are no figures.
    """
    results = [
        EvalResult(
            task_type=TASK_TYPE,
            task_name=f"Audio judging: {benchmark.task}",
            dataset_type=benchmark.hub.get("dataset_id", benchmark.place or benchmark.name),
            dataset_name=benchmark.title,
            dataset_config=benchmark.name,
            dataset_split=benchmark.split,
            metric_type=name.rpartition("/")[2].partition("@")[0].lower(),
            metric_name=name,
            metric_value=figure["value"],
        )
        for benchmark in benchmarks
        for name, figure in _own(found, judge).get(benchmark.name, {}).get("figures", {}).items()
        if figure["value"] is not None
    ]
    return eval_results_to_model_index(model_name, results) if results else []


def _own(found: Mapping[str, Any], judge: str) -> Mapping[str, Any]:
    if judge not in found["judges"]:
        raise UsageError(f"no judge {judge!r} in the metrics; there are {', '.join(found['judges'])}")
    return found["judges"][judge]
