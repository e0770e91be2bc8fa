"""A run: judges by benchmarks, side by side, in one folder that a killed run can be continued in.

    config.json        versions, seed, commit, judges and benchmarks
    predictions.jsonl  every row, with the raw answers
    metrics.json       figures with intervals and coverage, tests between judges, controls
    cost.json          speed and memory per judge

Started by ``accelerate launch`` (or with ``RANK`` and ``WORLD_SIZE`` set), every process takes its share of the items and
writes a part of its own, see ``audio_judge.batch.shards``: the one that finds all items answered merges the parts and
computes the figures, so processes may also run one after the other, and one that died only has to be started again.
"""

import gc
import importlib.metadata
import itertools
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from audio_judge.audio import AudioError, audio_info
from audio_judge.batch import shards
from audio_judge.batch.lines import Appender
from audio_judge.batch.shards import Shard
from audio_judge.errors import UsageError

from . import metrics, summary
from .benchmarks import CONTROLS, Benchmark, Item, Places, clips, items
from .extraction import Extractor
from .judges import Answer, Judge, load_judge
from .peers import PREFIX
from .predictions import FILE, UNABLE, Key, Row, merge, read_run

PACKAGES: tuple[str, ...] = (
    *("audio-judge", "torch", "transformers", "numpy", "scipy", "scikit-learn", "soxr", "torchmetrics", "speechmos"),
    *("distillmos", "pesq", "pystoi", "audiobox_aesthetics", "sacrebleu", "sentence-transformers"),
)
Loader = Callable[[str], Judge]


@dataclass(frozen=True)
class Run:
    """What to run.

    Args:
        judges: As they are named, see ``eval.judges``.
        limit: Only the first so many items of each benchmark.
        batch_size: Windows or clips per forward pass; requests at a time.
        seed: Of the bootstrap and of the controls.
        shard: Which of the processes that share the run this is.
        extract: Address of a text model that reads what our parsers cannot, see ``eval.extraction``; None for none.
    """

    judges: tuple[str, ...]
    benchmarks: tuple[Benchmark, ...]
    out: Path
    places: Places = field(default_factory=Places)
    limit: int | None = None
    batch_size: int = 8
    device: str = "auto"
    seed: int = 0
    resamples: int = 1000
    controls_count: int = 24
    show_progress: bool = False
    shard: Shard = field(default_factory=Shard)
    extract: str | None = None

    @cached_property
    def extractor(self) -> Extractor | None:
        """Reads answers in free words, with a cache of its own in the folder of the run."""
        if self.extract is None:
            return None
        return Extractor(self.extract, cache=self.out / "extraction", concurrency=self.batch_size)


def run(what: Run, *, tools: summary.Tools | None = None, loader: Loader | None = None) -> dict[str, Any] | None:
    """Run what is not done yet, and compute the figures if everything is.

    Args:
        loader: Makes a judge of its name; None for ``load_judge``.

    Returns:
        The content of ``metrics.json``; None if another process measures, the last one that has items to answer.

    Raises:
        UsageError: If data are missing, a judge cannot be loaded, or the folder holds another run.
    """
    # Read and asked before the folder is made, so that a run without its data leaves nothing behind
    _ = what.extractor
    data = {one.name: _read(one, what) for one in what.benchmarks}
    what.out.mkdir(parents=True, exist_ok=True)
    _write_config(what, {})
    path = what.out / FILE
    with shards.locked(path):  # nobody merges without this part
        done, writer = read_run(what.out), Appender(what.shard.part(path))
    load = loader or (lambda spec: load_judge(spec, device=what.device, batch_size=what.batch_size))
    with writer:
        for spec in what.judges:
            _run_judge(spec, what, data, done, writer, load)
    return _finish(what, data, tools)


def _read(benchmark: Benchmark, what: Run) -> list[Item]:
    """The items of a benchmark; controls are one item, as their clips are made on the spot."""
    if benchmark.task != CONTROLS:
        return items(benchmark, what.places, what.limit)
    clips(benchmark, what.places, what.limit)  # data that are not there are found out before anything runs
    return []


def _run_judge(
    spec: str,
    what: Run,
    data: Mapping[str, Sequence[Item]],
    done: Mapping[Key, Row],
    writer: Appender,
    load: Loader,
) -> None:
    """Everything that is left to this process of one judge, which is not loaded for nothing."""
    pending = {one.name: _pending(spec, one, data[one.name], what, done) for one in what.benchmarks}
    controls = [one for one in what.benchmarks if _controls_pending(spec, one, what, done)]
    if not controls and not any(pending.values()):
        return
    _forget_peak()
    begun = time.perf_counter()
    try:
        judge = load(spec)
    except UsageError as error:
        # Others of the run need not wait for what one of them lacks; a judge of one's own that is not there stops it
        if not spec.startswith(PREFIX) or len(what.judges) == 1:
            raise
        for row in _unable_rows(spec, str(error), pending, controls, what):
            writer.write(vars(row))
        return
    loading = time.perf_counter() - begun
    _write_config(what, {spec: judge.facts})
    for benchmark in what.benchmarks:
        if benchmark in controls:
            writer.write(vars(_controlled(spec, judge, benchmark, what)))
        elif pending[benchmark.name]:
            for row in _answered(spec, judge, benchmark, pending[benchmark.name], what):
                writer.write(vars(row))
    _write_memory(what, spec, loading)
    # The next judge may need all of the memory
    del judge
    gc.collect()


def _unable_rows(
    spec: str, reason: str, pending: Mapping[str, Sequence[Item]], controls: Sequence[Benchmark], what: Run
) -> Iterator[Row]:
    """A row for each item that says why a judge is not there, which makes no figures."""
    for one in what.benchmarks:
        if one in controls:
            yield Row(one.suite, one.name, spec, CONTROLS, error=f"{UNABLE}{reason}")
        for item in pending[one.name]:
            yield _row(spec, one, item, Answer(error=f"{UNABLE}{reason}"), (), None)


def _pending(spec: str, benchmark: Benchmark, own: Sequence[Item], what: Run, done: Mapping[Key, Row]) -> list[Item]:
    return [item for item in what.shard.of(own) if (spec, benchmark.name, item.question.id) not in done]


def _controls_pending(spec: str, benchmark: Benchmark, what: Run, done: Mapping[Key, Row]) -> bool:
    """Whether a suite of controls is left, which the first process does."""
    is_suite = benchmark.task == CONTROLS and what.shard.index == 0
    return is_suite and (spec, benchmark.name, benchmark.suite) not in done


def _answered(spec: str, judge: Judge, benchmark: Benchmark, pending: Sequence[Item], what: Run) -> Iterator[Row]:
    """Rows of items, batch by batch; a judge that cannot do the task says so once per item, which makes no figures."""
    can = judge.rubrics_for(benchmark.task, benchmark.rubrics)
    bar = tqdm(total=len(pending), desc=f"{spec} {benchmark.name}", unit="item", disable=not what.show_progress)
    with bar:
        for batch in _batches(pending, what.batch_size):
            begun = time.perf_counter()
            if isinstance(can, str):
                answers = [Answer(error=f"{UNABLE}{can}")] * len(batch)
            else:
                answers = judge.answer([_narrowed(item, can).question for item in batch])
            took = None if isinstance(can, str) else (time.perf_counter() - begun) / len(batch)
            if what.extractor is not None and not isinstance(can, str):
                answers = what.extractor.complete([_narrowed(item, can).question for item in batch], answers)
            for item, answer in zip(batch, answers, strict=True):
                rubrics = () if isinstance(can, str) else _names(_narrowed(item, can))
                yield _row(spec, benchmark, item, answer, rubrics, took)
            bar.update(len(batch))


def _batches(pending: Sequence[Item], size: int) -> Iterator[list[Item]]:
    # A batch has one list of rubrics; only neighbours are put together, as rows keep the order of the data
    for _, alike in itertools.groupby(pending, _names):
        left = list(alike)
        yield from (left[start : start + size] for start in range(0, len(left), size))


def _names(item: Item) -> tuple[str, ...]:
    return tuple(rubric.name for rubric in item.question.rubrics)


def _narrowed(item: Item, can: tuple[Any, ...]) -> Item:
    known = {rubric.name for rubric in can}
    question = item.question
    kept = tuple(rubric for rubric in question.rubrics if rubric.name in known)
    return replace(item, question=replace(question, rubrics=kept))


def _row(
    spec: str, benchmark: Benchmark, item: Item, answer: Answer, rubrics: tuple[str, ...], took: float | None
) -> Row:
    question = item.question
    return Row(
        id=question.id,
        benchmark=benchmark.name,
        judge=spec,
        task=benchmark.task,
        clips=question.clips,
        truth=item.truth,
        rubrics=rubrics,
        prediction=answer.prediction,
        text=answer.text,
        error=answer.error,
        groups=item.groups,
        seconds=_seconds(question.clips),
        took=None if took is None else round(took, 6),
        extracted=dict(answer.extracted),
    )


def _seconds(paths: Sequence[str]) -> float | None:
    try:
        return round(sum(audio_info(path).seconds for path in paths), 3)
    except (AudioError, OSError):
        return None  # the judge's own answer says what is wrong with the clip


def _controlled(spec: str, judge: Judge, benchmark: Benchmark, what: Run) -> Row:
    """A suite of controls as one row; its checks are the prediction."""
    from .controls import run_controls

    begun = time.perf_counter()
    named: dict[str, Any] = {"id": benchmark.suite, "benchmark": benchmark.name, "judge": spec, "task": CONTROLS}
    try:
        benched = judge.controlled()
    except UsageError as error:
        return Row(**named, error=f"{UNABLE}{error}")
    chosen = clips(benchmark, what.places, what.limit)
    how: dict[str, Any] = {"seed": what.seed, "count": what.controls_count, "rubrics": benchmark.rubrics}
    checks = run_controls(benched, chosen, benchmark.suite, **how)
    return Row(
        **named,
        clips=tuple(clip.path for clip in chosen),
        prediction={"checks": [check.to_dict() for check in checks]},
        took=round(time.perf_counter() - begun, 6),
    )


# Finishing


def _finish(what: Run, data: Mapping[str, Sequence[Item]], tools: summary.Tools | None) -> dict[str, Any] | None:
    """Merge and measure if nobody has anything left; under a lock, as several processes may come last."""
    order = list(_keys(what, data))
    target = what.out / "metrics.json"
    with shards.locked(what.out / FILE):
        # Without its part, another process has found all rows and measured
        merged = merge(what.out, order) if what.shard.part(what.out / FILE).exists() else None
        if merged is None:
            return None
        found = measure(merged, what.benchmarks, tools=tools, resamples=what.resamples, seed=what.seed, out=what.out)
        config = json.loads((what.out / "config.json").read_text(encoding="utf-8"))
        known = {spec: facts["revision"] for spec, facts in config["judges"].items() if facts.get("revision")}
        found["revisions"] = {spec: known[spec] for spec in found["judges"] if spec in known}
        write_json(what.out / "cost.json", _costs(what, merged))
        write_json(target, found)
        return found


def _keys(what: Run, data: Mapping[str, Sequence[Item]]) -> Iterator[Key]:
    for spec in what.judges:
        for benchmark in what.benchmarks:
            if benchmark.task == CONTROLS:
                yield spec, benchmark.name, benchmark.suite
            else:
                yield from ((spec, benchmark.name, item.question.id) for item in data[benchmark.name])


def measure(
    rows: Sequence[Row],
    benchmarks: Sequence[Benchmark],
    *,
    tools: summary.Tools | None = None,
    resamples: int = 1000,
    seed: int = 0,
    out: Path | None = None,
) -> dict[str, Any]:
    """Compute the content of ``metrics.json``.

    Args:
        benchmarks: Their benchmarks; rows of others keep the figures that ``out`` has of them.
        out: Folder with the ``metrics.json`` of an earlier run, which judged other benchmarks.

    Returns:
        ``rule`` (what a missing answer costs), ``versions`` of the benchmarks, ``judges``: judge to benchmark to what
        ``summary.summarise`` gives, or ``unable`` with the reason, or ``checks``; ``pairs``: benchmark to what
        ``summary.compare`` gives. A run adds ``revisions``: judge to the commit, content or version that was judged.
    """
    versions, judges, pairs = _earlier(out)
    for benchmark in benchmarks:
        versions[benchmark.name] = benchmark.version
        by_judge: dict[str, list[Row]] = {}
        for row in rows:
            if row.benchmark == benchmark.name:
                by_judge.setdefault(row.judge, []).append(row)
        able = {}
        for judge, own in by_judge.items():
            found = judges.setdefault(judge, {})
            if all(row.unable is not None for row in own):
                found[benchmark.name] = {"unable": own[0].unable}
            elif benchmark.task == CONTROLS:
                found[benchmark.name] = {"checks": (own[0].prediction or {})["checks"]}
            else:
                able[judge] = own
                found[benchmark.name] = summary.summarise(own, benchmark, tools=tools, resamples=resamples, seed=seed)
        if len(able) > 1 and resamples:
            pairs[benchmark.name] = summary.compare(able, benchmark, resamples=resamples, seed=seed)
    return {"rule": metrics.RULE, "versions": versions, "judges": judges, "pairs": pairs}


def _earlier(out: Path | None) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    path = None if out is None else out / "metrics.json"
    if path is None or not path.exists():
        return {}, {}, {}
    found = json.loads(path.read_text(encoding="utf-8"))
    return found.get("versions", {}), found["judges"], found["pairs"]


# Costs


def _forget_peak() -> None:
    """Let the highest use of memory be counted anew, so that judges of one run can be compared; Linux only."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    if sys.platform == "linux":
        try:
            Path("/proc/self/clear_refs").write_text("5")  # sets VmHWM back, see proc(5)
        except PermissionError:
            return  # a sandbox; the figure then holds what came before, too


def _peak_memory() -> dict[str, float | None]:
    peak = None
    if sys.platform == "linux":
        lines = Path("/proc/self/status").read_text().splitlines()
        peak = next((round(int(line.split()[1]) / 1024, 1) for line in lines if line.startswith("VmHWM:")), None)
    on_device = round(torch.cuda.max_memory_allocated() / 2**20, 1) if torch.cuda.is_available() else None
    return {"peak_memory_mib": peak, "peak_device_memory_mib": on_device}


def _write_memory(what: Run, spec: str, loading: float) -> None:
    path = what.out / f"cost.{what.shard.index}.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    write_json(path, known | {spec: {"loading_seconds": round(loading, 3), **_peak_memory()}})


def _costs(what: Run, rows: Sequence[Row]) -> dict[str, Any]:
    """Speed from the rows, memory from the processes; the highest of them."""
    memory: dict[str, dict[str, float]] = {}
    for path in sorted(what.out.glob("cost.*.json")):
        for spec, facts in json.loads(path.read_text(encoding="utf-8")).items():
            known = memory.setdefault(spec, {})
            memory[spec] = known | {k: max(v, known.get(k, v)) for k, v in facts.items() if v is not None}
    found: dict[str, Any] = {}
    for row in rows:
        if row.took is not None and row.task != CONTROLS:  # controls judge more sounds than their row names
            own = found.setdefault(row.judge, dict(memory.get(row.judge, {}), benchmarks={}))
            one = own["benchmarks"].setdefault(row.benchmark, {"items": 0, "audio_seconds": 0.0, "judge_seconds": 0.0})
            one["items"] += 1
            one["audio_seconds"] += row.seconds or 0.0
            one["judge_seconds"] += row.took
    for own in found.values():
        for one in own["benchmarks"].values():
            one["times_real_time"] = (
                round(one["audio_seconds"] / one["judge_seconds"], 2) if one["judge_seconds"] else None
            )
            one |= {key: round(one[key], 3) for key in ("audio_seconds", "judge_seconds")}
    return {
        "machine": {"processor": platform.processor() or platform.machine(), "threads": torch.get_num_threads()}
    } | found


# Config


def _write_config(what: Run, facts: Mapping[str, Mapping[str, Any]]) -> None:
    """Write or add to the configuration; a folder goes on only with what it began with."""
    path = what.out / "config.json"
    # All processes of a run write it, each what it knows
    with shards.locked(what.out / FILE):
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        _check_same(known, what)
        for spec, own in facts.items():
            before = known.get("judges", {}).get(spec, {}).get("revision")
            if before is not None and own.get("revision") != before:
                raise UsageError(
                    f"{what.out}: has a run of {spec} at {before}, not {own['revision']}; choose another --out"
                )
        judges = {spec: {**known.get("judges", {}).get(spec, {}), **facts.get(spec, {})} for spec in what.judges}
        config = {
            "seed": what.seed,
            "limit": what.limit,
            "extract": what.extract,
            "resamples": what.resamples,
            "batch_size": what.batch_size,
            "device": what.device,
            "command": sys.argv,
            "commit": _commit(),
            "python": platform.python_version(),
            "versions": _versions(),
            "judges": {**known.get("judges", {}), **judges},
            "benchmarks": {**known.get("benchmarks", {}), **_definitions(what)},
        }
        write_json(path, config)


def _definitions(what: Run) -> dict[str, Any]:
    # Through JSON, which knows no tuples
    return json.loads(json.dumps({one.name: asdict(one) for one in what.benchmarks}))


def _check_same(known: Mapping[str, Any], what: Run) -> None:
    # Rows of another seed or limit are none of this run
    for key in ("seed", "limit", "extract"):
        if known and known.get(key) != vars(what)[key]:
            raise UsageError(
                f"{what.out}: has a run with {key} {known.get(key)}, not {vars(what)[key]}; choose another --out"
            )
    for name, definition in _definitions(what).items():
        # What an older run did not say yet, such as the version, is no difference
        if known and definition | known["benchmarks"].get(name, {}) != definition:
            raise UsageError(f"{what.out}: has a run with another {name}; choose another --out")


@cache
def _commit() -> str | None:
    """The commit of the checkout that this file is in; None outside of one."""
    folder = Path(__file__).resolve().parent
    try:
        said = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return said.stdout.strip()


@cache
def _versions() -> dict[str, str]:
    installed = {dist.metadata["Name"].lower(): dist.version for dist in importlib.metadata.distributions()}
    return {name: installed[name.lower()] for name in PACKAGES if name.lower() in installed}


def write_json(path: Path, content: Any) -> None:
    """Write JSON (no NaN) for people, all at once, so that nobody ever reads half of it."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
    draft.write_text(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    draft.replace(path)
