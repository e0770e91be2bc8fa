"""Mixtures of corpora: which clips, how often, for which tasks, in a stream that needs no more memory for a longer corpus.

    seed: 0
    tasks: {decide: 3, score: 1, explain: 1}
    augment: {scale: 0.3, invert: 0.1, binary: 0.1, paraphrase: 0.3}
    corpora:
      - {reader: nisqa, path: /data/NISQA_Corpus, split: train, weight: 1, balance: mos}
    tested_on:
      - {reader: nisqa, path: /data/NISQA_Corpus, split: validation}

Every corpus is read twice: once to count its clips, their classes and what would leak, and once to make examples. Only
tables are read; audio stays a path.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from audio_judge.augment import load_paraphrases
from audio_judge.clips import RatedClip, RatedPair
from audio_judge.corpora.aes import read_aes
from audio_judge.corpora.bvcc import read_bvcc
from audio_judge.corpora.nisqa import read_nisqa
from audio_judge.corpora.qualispeech import read_qualispeech
from audio_judge.corpora.simulated import read_simulated
from audio_judge.corpora.speecheval import read_preferences, read_speecheval
from audio_judge.corpora.speechjudge import read_speechjudge
from audio_judge.corpora.splits import check_disjoint
from audio_judge.corpora.table import Columns, PairColumns, read_pairs, read_table
from audio_judge.corpora.vcc2020 import VoteColumns, read_votes
from audio_judge.examples import ReferenceUse, read_example
from audio_judge.instruct import COMPARE_QUESTION, Example, Instructor, Item, Manner, check_weights, read_captions
from audio_judge.rubrics import ALL_RUBRICS, Scale, convert, get_rubric

READERS: dict[str, Callable[..., Iterator[Any]]] = {
    "nisqa": read_nisqa,
    "speecheval": read_speecheval,
    "qualispeech": read_qualispeech,
    "aes": read_aes,
    "bvcc": read_bvcc,
    "speechjudge": read_speechjudge,
    "vcc2020": read_votes,
    "table": read_table,
    "pairs": read_pairs,
    "captions": read_captions,
    "simulated": read_simulated,
}
# These know their splits themselves, so what they hold can be checked for leakage between splits.
WITH_SPLITS = ("nisqa", "speecheval", "qualispeech")
_COLUMNS: dict[str, Callable[..., Any]] = {"table": Columns, "pairs": PairColumns, "vcc2020": VoteColumns}
_SPEECHJUDGE_SPLITS = {"validation": "dev"}


@dataclass(frozen=True)
class Corpus:
    """One corpus of a mixture.

    Args:
        reader: Key of ``READERS``.
        path: Folder or file.
        split: ``train``, ``validation`` or ``test``; None for all splits of a reader that knows them.
        weight: How often each clip is used on average: 2 is twice, 0.5 is every other clip.
        tasks: Task to weight, if not those of the mixture.
        balance: What is to be equally frequent: a rubric (its levels), ``label`` (real, fake) or ``preference`` (A, B,
            tie); empty for nothing. Clips that lack it are used by weight alone.
        most: How often balance may use one clip at most.
        with_reference: Whether references are heard too: ``never``, ``sometimes`` or ``always``.
        options: More arguments of the reader, such as ``columns`` of ``table``.

    Raises:
        ValueError: If the reader or the balance is unknown, or a number is out of range.
    """

    reader: str
    path: str
    split: str | None = "train"
    weight: float = 1.0
    tasks: Mapping[str, float] = field(default_factory=dict)
    balance: str = ""
    most: int = 10
    with_reference: ReferenceUse | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.reader not in READERS:
            raise ValueError(f"no corpus {self.reader!r}; known: {', '.join(READERS)}")
        if not self.weight > 0 or self.most < 1:
            raise ValueError(f"{self.reader}: weight {self.weight}, most {self.most}; above 0 and 1 or more are needed")
        if self.balance not in ("", "label", "preference", *ALL_RUBRICS):
            raise ValueError(f"{self.reader}: balance {self.balance!r}; a rubric, label or preference is needed")

    def read(self) -> Iterator[Item]:
        """Read its clips and pairs; a table's ratings are brought to the scales of our rubrics.

        Raises:
            ValueError: If an option is unknown or unusable.
            CorpusError: If the corpus is not there or cannot be trusted.
        """
        options = dict(self.options)
        if self.reader in _COLUMNS and "columns" in options:
            options["columns"] = _columns(self.reader, options["columns"])
        if self.reader == "vcc2020" and "scale" in options:
            options["scale"] = _scale(options["scale"])
        if self.reader == "speecheval" and isinstance(options.get("preferences"), str):
            options["preferences"] = read_preferences(options["preferences"])
        split: Any = (
            _SPEECHJUDGE_SPLITS.get(str(self.split), self.split) if self.reader == "speechjudge" else self.split
        )
        if split is None and self.reader not in WITH_SPLITS:
            raise ValueError(f"{self.reader}: which split? This corpus does not say; give train, validation or test")
        try:
            items = READERS[self.reader](self.path, split=split, **options)
        except TypeError as error:
            raise ValueError(f"{self.reader}: {error}; see the options of its reader") from error
        if self.reader == "table":
            return (_on_rubric_scales(clip, options["columns"]) for clip in items)
        return items


def _columns(reader: str, columns: Any) -> Any:
    if not isinstance(columns, Mapping):
        return columns
    known = dict(columns)
    if "scales" in known:
        known["scales"] = {rubric: _scale(scale) for rubric, scale in known["scales"].items()}
    try:
        return _COLUMNS[reader](**known)
    except TypeError as error:
        raise ValueError(f"{reader}: columns: {error}") from error


def _scale(ends: Any) -> Scale:
    """A scale from ``[low, high]``."""
    if isinstance(ends, Scale):
        return ends
    low, high = ends
    return Scale(float(low), float(high), f"{low:g}-{high:g}")


def _on_rubric_scales(clip: RatedClip, columns: Columns) -> RatedClip:
    ratings = {}
    for name, rating in clip.ratings.items():
        source = columns.scale(name)
        if name in ALL_RUBRICS and (source.low, source.high) != (get_rubric(name).low, get_rubric(name).high):
            target = get_rubric(name).scale
            factor = (target.high - target.low) / (source.high - source.low)
            std = None if rating.std is None else rating.std * factor
            rating = replace(rating, value=convert(rating.value, source, target), std=std)
        ratings[name] = rating
    return replace(clip, ratings=ratings)


@dataclass(frozen=True)
class Mixture:
    """Corpora, tasks and how examples are made.

    Args:
        corpora: What is learned from.
        tasks: Task to weight; a name of ``audio_judge.instruct.ALL_TASKS``.
        tested_on: What will be tested on; nothing of it may be among the corpora.
        leakage: What may not be shared: fields of ``audio_judge.corpora.splits.check_disjoint``; empty for no check.
        manner: How items are made into examples.
        variants: Examples per use of a clip.
        shuffle: Examples among which the next one is drawn; 1 keeps the order.
        limit: Most examples; None for all.
        seed: Of everything that is drawn.

    Raises:
        ValueError: If there is no corpus, a task is unknown, or a number is out of range.
    """

    corpora: tuple[Corpus, ...]
    tasks: Mapping[str, float]
    tested_on: tuple[Corpus, ...] = ()
    leakage: tuple[str, ...] = ("path",)
    manner: Manner = field(default_factory=Manner)
    variants: int = 1
    shuffle: int = 10_000
    limit: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.corpora:
            raise ValueError("no corpora; give at least one with its reader and path")
        for corpus in self.corpora:
            check_weights(corpus.tasks or self.tasks)
            replace(self.manner, with_reference=corpus.with_reference or self.manner.with_reference)
        if self.variants < 1 or self.shuffle < 1 or (self.limit is not None and self.limit < 1):
            raise ValueError(
                f"variants {self.variants}, shuffle {self.shuffle}, limit {self.limit}; 1 or more is needed"
            )


@dataclass
class Statistics:
    """What a mixture gave.

    Args:
        examples: Number of examples.
        tasks: Examples per task.
        corpora: Examples per corpus.
        scales: Answers per scale that was asked for, such as ``0-100``.
        scores: Rubric to examples per level of the clip's rating.
        classes: Examples per label or preference, for detection and comparison.
        augmentations: Questions per kind of augmentation.
        listeners: Examples per listener that was named.
        lacking: What items lacked for a task, to how many.
        left_out: Items that could serve no task.
        not_drawn: Items that weight or balance passed over.
    """

    examples: int = 0
    tasks: Counter[str] = field(default_factory=Counter)
    corpora: Counter[str] = field(default_factory=Counter)
    scales: Counter[str] = field(default_factory=Counter)
    scores: dict[str, Counter[str]] = field(default_factory=dict)
    classes: Counter[str] = field(default_factory=Counter)
    augmentations: Counter[str] = field(default_factory=Counter)
    listeners: Counter[str] = field(default_factory=Counter)
    lacking: Counter[str] = field(default_factory=Counter)
    left_out: int = 0
    not_drawn: int = 0

    def count(self, example: Mapping[str, Any]) -> None:
        """Count one example.

        Args:
            example: As ``audio_judge.instruct`` makes them.
        """
        self.examples += 1
        self.tasks[example["task"]] += 1
        self.corpora[example["corpus"]] += 1
        for name, value in example["scores"].items():
            if name in ALL_RUBRICS:
                self.scores.setdefault(name, Counter())[get_rubric(name).level_of(value)] += 1
        for rubric, steps in _asked(example).items():
            self.scales[_scale_asked(rubric, steps)] += 1
            self.augmentations.update(step["kind"] for step in steps)
        if "verdicts" in example:
            self.classes[f"preferred: {example['verdicts']['mos']}"] += 1
        if example["task"] == COMPARE_QUESTION:
            preferred = "A", "B", "tie"
            shares = example["targets"]["mos"]
            self.classes[f"preferred: {preferred[shares.index(max(shares))]}"] += 1
        if example["task"] == "detect_question":
            self.classes["fake" if example["targets"]["fake"][0] else "real"] += 1
        elif example["task"] == "detect":
            self.classes["fake" if "fake" in example["completion"][0]["content"] else "real"] += 1
        self.listeners.update([example["listener"]] if "listener" in example else [])

    def as_dict(self) -> dict[str, Any]:
        """Give plain dicts, for JSON."""
        return {name: dict(value) if isinstance(value, Counter) else value for name, value in vars(self).items()} | {
            "scores": {name: dict(counts) for name, counts in self.scores.items()}
        }

    def __str__(self) -> str:
        lines = [f"{self.examples} examples"]
        for title, counts in (
            ("tasks", self.tasks),
            ("corpora", self.corpora),
            ("scales", self.scales),
            ("classes", self.classes),
            ("augmentations", self.augmentations),
            ("listeners", self.listeners),
        ):
            lines += [f"{title}:", *_shares(counts, counts.most_common())] if counts else []
        for name, counts in self.scores.items():
            lines += [f"{name}:", *_shares(counts, [(level, counts[level]) for level in get_rubric(name).levels])]
        lines += [f"could not serve {reason}: {count}" for reason, count in self.lacking.most_common()]
        lines += [f"left out, could serve no task: {self.left_out}"] if self.left_out else []
        lines += [f"passed over by weight or balance: {self.not_drawn}"] if self.not_drawn else []
        return "\n".join(lines)


def _shares(counts: Counter[str], rows: Iterable[tuple[str, int]]) -> list[str]:
    return [f"  {name:<24}{count:>9}  {count / counts.total():6.1%}" for name, count in rows]


def _asked(example: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Rubric that is asked for to what augmentation did to it; nothing for tasks without rubrics."""
    done = example.get("provenance", [])
    if "questions" in example:
        scored = [name for name, question in example["questions"].items() if question["type"] == "score"]
        return {name: done.get(name, []) if isinstance(done, Mapping) else [] for name in scored}
    if example["task"] in ("profile", "explain"):
        return {name: [] for name in example["scores"]}
    if example["task"] in ("score", "categorize", "rate"):
        return {example["target"]["rubric"] if "target" in example else next(iter(example["scores"])): list(done)}
    return {}


def _scale_asked(rubric: str, steps: list[dict[str, Any]]) -> str:
    scales = [step["to"] for step in steps if step["kind"] == "scale"]
    if any(step["kind"] == "binary" for step in steps):
        scales = [[0, 1]]
    if scales:
        return f"{scales[-1][0]:g}-{scales[-1][1]:g}"
    return get_rubric(rubric).scale.name if rubric in ALL_RUBRICS else "1-5"


def read_mixture(path: str | Path) -> Mixture:
    """Read a mixture from YAML; relative paths start from the folder of the file.

    Args:
        path: YAML with the fields of ``Mixture``; those of ``Manner`` stand beside them, and ``paraphrases`` is a file
            of ``audio_judge.augment.save_paraphrases``.

    Raises:
        ValueError: If the file is no such YAML; the message names the file and the field.
    """
    import yaml

    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: cannot be read as YAML ({error})") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path}: fields such as corpora and tasks are needed, as in recipes/data")
    try:
        return mixture_of(values, Path(path).parent)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def mixture_of(values: Mapping[str, Any], folder: Path = Path()) -> Mixture:
    """Make a mixture of plain values.

    Args:
        values: As in YAML.
        folder: Where relative paths start.

    Raises:
        ValueError: If a field is unknown or missing, or a value unusable.

    Example:
        >>> mixture_of({"corpora": [{"reader": "nisqa", "path": "/data"}], "tasks": ["score"]}).corpora[0].weight
        1.0
    """
    known = {*Mixture.__dataclass_fields__, *Manner.__dataclass_fields__} - {"manner"}
    unknown = [name for name in values if name not in known]
    if unknown or not {"corpora", "tasks"} <= set(values):
        raise ValueError(
            f"unknown {unknown}; corpora and tasks are needed, and there may be {', '.join(sorted(known))}"
        )
    ours = {name: value for name, value in values.items() if name in Mixture.__dataclass_fields__}
    manner = {name: value for name, value in values.items() if name in Manner.__dataclass_fields__}
    if isinstance(manner.get("paraphrases"), str):
        manner["paraphrases"] = load_paraphrases(folder / manner["paraphrases"])
    for name in ("corpora", "tested_on"):
        ours[name] = tuple(_corpus_of(entry, folder) for entry in ours.get(name) or ())
    ours["tasks"] = check_weights(ours["tasks"])
    if "leakage" in ours:
        ours["leakage"] = tuple(ours["leakage"] or ())
    return Mixture(**ours, manner=Manner(**manner))


def _corpus_of(entry: Any, folder: Path) -> Corpus:
    if not isinstance(entry, Mapping) or not {"reader", "path"} <= set(entry):
        raise ValueError(f"corpus {entry!r}; fields reader and path are needed")
    unknown = [name for name in entry if name not in Corpus.__dataclass_fields__]
    if unknown:
        raise ValueError(
            f"corpus {entry['reader']}: unknown {unknown}; known: {', '.join(Corpus.__dataclass_fields__)}"
        )
    tasks = {"tasks": check_weights(entry["tasks"])} if entry.get("tasks") else {}
    return Corpus(**{**entry, **tasks, "path": str(folder / str(entry["path"]))})


@dataclass
class _Stream:
    """One corpus while it is read for the second time."""

    corpus: Corpus
    instructor: Instructor
    factors: dict[str, float]  # class to how often its clips are used
    expected: float  # uses that are still to come
    items: Iterator[tuple[int, Item]]


def iterate(mixture: Mixture, statistics: Statistics | None = None) -> Iterator[Example]:
    """Make the examples of a mixture in a stream; the same mixture makes the same ones.

    Args:
        mixture: What to mix.
        statistics: Filled on the way.

    Yields:
        Examples, shuffled within a buffer of ``mixture.shuffle``.

    Raises:
        CorpusError: If a corpus is not there or cannot be trusted.
        SplitError: If something is learned from that will be tested on, before the first example.
    """
    found = Statistics() if statistics is None else statistics
    check_leakage(mixture)
    streams = [_open(corpus, mixture, number) for number, corpus in enumerate(mixture.corpora)]
    rng = random.Random(f"{mixture.seed} order")
    examples = _shuffled(_interleaved(streams, mixture, rng, found), mixture.shuffle, rng)
    for given, example in enumerate(examples, start=1):
        found.count(example)
        yield example
        if given == mixture.limit:
            break
    for stream in streams:
        found.left_out += stream.instructor.left_out
        for (task, reason), count in stream.instructor.lacking.items():
            found.lacking[f"{task}, {reason}"] += count


def check_leakage(mixture: Mixture) -> int:
    """Refuse a mixture that learns from what it is tested on, or whose corpora have several splits that share something.

    Args:
        mixture: What to check; reads the tables of all its corpora, and keeps a short hash of every clip.

    Returns:
        Number of clips looked at; 0 if there is nothing to check.

    Raises:
        SplitError: If something is shared; the message names examples.
    """
    if not mixture.leakage or not (mixture.tested_on or any(corpus.split is None for corpus in mixture.corpora)):
        return 0
    items = chain.from_iterable(_as_split(corpus, "") for corpus in mixture.corpora)
    tested_on = chain.from_iterable(_as_split(corpus, "tested on") for corpus in mixture.tested_on)
    return check_disjoint(chain(items, tested_on), mixture.leakage)


def _as_split(corpus: Corpus, name: str) -> Iterator[Item]:
    """The items of a corpus; with a name, all of them as of one split, for a corpus may be tested on whatever its split."""
    for item in corpus.read():
        if not name:
            yield item
        elif isinstance(item, RatedPair):
            yield replace(item, first=replace(item.first, split=name), second=replace(item.second, split=name))
        else:
            yield replace(item, split=name)


def _open(corpus: Corpus, mixture: Mixture, number: int) -> _Stream:
    """Count a corpus and its classes, and get ready to read it again."""
    counts = Counter(_class(item, corpus.balance) for item in corpus.read())
    total = counts.total()
    classes = {name: count for name, count in counts.items() if name}
    factors = {"": corpus.weight}
    for name, count in classes.items():
        even = sum(classes.values()) / len(classes) / count
        factors[name] = min(corpus.weight * even, float(corpus.most)) if corpus.balance else corpus.weight
    manner = replace(mixture.manner, with_reference=corpus.with_reference or mixture.manner.with_reference)
    # Two corpora of one mixture must not draw the same
    instructor = Instructor(
        corpus.tasks or mixture.tasks, random.Random(f"{mixture.seed} {number}").randrange(2**31), manner
    )
    expected = sum(factors[name] * count for name, count in counts.items()) if total else 0.0
    return _Stream(corpus, instructor, factors, expected, enumerate(corpus.read()))


def _class(item: Item, balance: str) -> str:
    """What an item counts as for balance; empty for nothing."""
    if balance == "preference":
        return (
            str(item.preferences.get("mos", item.preferences.get("naturalness", "")))
            if isinstance(item, RatedPair)
            else ""
        )
    if balance == "label":
        return str(item.extra.get("label", ""))
    if not balance or isinstance(item, RatedPair) or balance not in item.ratings:
        return ""
    return get_rubric(balance).level_of(item.ratings[balance].value)


def _interleaved(streams: list[_Stream], mixture: Mixture, rng: random.Random, found: Statistics) -> Iterator[Example]:
    """Draw the next corpus by what it still has to give, so that all end at about the same time."""
    left = list(streams)
    while left:
        stream = rng.choices(left, [max(one.expected, 1e-6) for one in left])[0]
        entry = next(stream.items, None)
        if entry is None:
            left.remove(stream)
            continue
        index, item = entry
        factor = stream.factors[_class(item, stream.corpus.balance)]
        stream.expected -= factor
        draw = random.Random(f"{mixture.seed} {stream.instructor.seed} {index} uses").random()
        uses = int(factor) + (draw < factor % 1)
        found.not_drawn += uses == 0
        yield from stream.instructor.examples(item, index, uses * mixture.variants)


def _shuffled(examples: Iterable[Example], size: int, rng: random.Random) -> Iterator[Example]:
    """Shuffle within a buffer: each example that comes takes the place of one drawn at random."""
    buffer: list[Example] = []
    for example in examples:
        if len(buffer) < size:
            buffer.append(example)
            continue
        place = rng.randrange(size)
        yield buffer[place]
        buffer[place] = example
    if size > 1:
        rng.shuffle(buffer)
    yield from buffer


def load_examples(paths: Sequence[str | Path], *, streaming: bool = False) -> Any:
    """Open files of examples as a ``datasets`` dataset that needs no more memory for longer files.

    Args:
        paths: Files that ``audio-judge data`` wrote, ``.parquet`` or ``.jsonl``.
        streaming: Whether rows are read as they are asked for; else a memory-mapped copy is kept in the cache of
            ``datasets``, which has a length and any row at once.

    Returns:
        A ``Dataset``, or with ``streaming`` an ``IterableDataset``, of rows for ``audio_judge.examples.read_example``.

    Raises:
        ValueError: If a file is not there, empty or not one of ours.
    """
    from datasets import concatenate_datasets

    if not paths:
        raise ValueError("no files of examples; give at least one")
    return concatenate_datasets([_load_file(Path(path), streaming) for path in paths])


def _load_file(path: Path, streaming: bool) -> Any:
    from datasets import Features, Value, load_dataset
    from datasets.exceptions import DatasetGenerationError

    # Lines stay text: their objects share no structure that Arrow could hold
    readers = {".parquet": ("parquet", {}), ".jsonl": ("text", {"features": Features({"example": Value("string")})})}
    if path.suffix.lower() not in readers or not path.is_file():
        raise ValueError(f"{path}: a .parquet or .jsonl file that `audio-judge data` wrote is needed")
    reader, options = readers[path.suffix.lower()]
    try:
        rows = load_dataset(reader, data_files=str(path), split="train", streaming=streaming, **options)
        is_ours = "task" in read_example(next(iter(rows)))
    except (ValueError, TypeError, OSError, StopIteration, DatasetGenerationError) as error:
        raise ValueError(f"{path}: holds no examples as `audio-judge data` writes them ({error})") from error
    if not is_ours:
        raise ValueError(f"{path}: holds no examples as `audio-judge data` writes them")
    return rows
