"""Mixtures of corpora: which clips, how often, for which tasks, in a stream.

    seed: 0
    tasks: {decide: 3, score: 1, explain: 1}
    augment: {scale: 0.3, invert: 0.1, binary: 0.1, paraphrase: 0.3}
    corpora:
      - {reader: nisqa, path: /data/NISQA_Corpus, split: train, weight: 1, balance: mos}
    tested_on:
      - {reader: nisqa, path: /data/NISQA_Corpus, split: validation}

Every corpus is read twice: once to count its clips, their classes and what would leak, and once to make examples, so a
longer corpus needs no more memory. Only tables are read; audio stays a path.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from audio_judge.batch.data_sets import HUB
from audio_judge.clips import Item, RatedPair
from audio_judge.corpora import CORPORA
from audio_judge.corpora.corpus import Corpus
from audio_judge.corpora.splits import check_disjoint
from audio_judge.data.examples import DECIDE, Example
from audio_judge.data.instructions import BY_RUBRIC, COMPARING, THINKING, WITH_LEVELS, Instructor, Manner, check_weights
from audio_judge.data.paraphrases import load_paraphrases
from audio_judge.data.statistics import Statistics
from audio_judge.rubrics.rubric import get_rubric
from audio_judge.tasks import TASKS


@dataclass(frozen=True)
class Mixture:
    """Corpora, tasks and how examples are made.

    Args:
        corpora: What is learned from.
        tasks: Task to weight; a name of ``audio_judge.data.instructions.ALL_TASKS``.
        tested_on: What will be tested on; nothing of it may be among the corpora.
        leakage: What may not be shared: fields of ``audio_judge.corpora.splits.check_disjoint``; empty for no check.
        variants: Examples per use of a clip.
        shuffle: Examples among which the next one is drawn; 1 keeps the order.
        limit: Most examples; None for all.

    Raises:
        ValueError: If there is no corpus, a task is unknown, a number is out of range, or none of the tasks can make use of
            what ``manner`` asks for.
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
        self._refuse_idle()

    def _refuse_idle(self) -> None:
        """Refuse what none of the tasks can make use of."""
        tasks = {name for corpus in self.corpora for name, weight in (corpus.tasks or self.tasks).items() if weight}
        manner = self.manner
        needs: dict[str, tuple[bool, set[str]]] = {
            "augment": (any(manner.augment.values()), {DECIDE, "rate", "score", "categorize"}),
            "listener": (manner.listener > 0, set(TASKS)),
            "rubric_questions": (manner.rubric_questions != "some", {DECIDE}),
            "fault_questions": (manner.fault_questions != "some", {DECIDE}),
            "thoughts": (not manner.thoughts, set(THINKING)),
            "comparison_form": (manner.comparison_form != "any", {"compare"}),
            "tie_within": (manner.tie_within > 0, set(COMPARING)),
            "nearly_same": (manner.nearly_same > 0, set(COMPARING)),
        }
        for name, (is_given, able) in needs.items():
            if is_given and not tasks & able:
                raise ValueError(f"{name}: cannot act, since none of {', '.join(sorted(able))} is among the tasks")
        if manner.augment.get("numbers") and not tasks & WITH_LEVELS:
            # In place of level names, which the others do not say
            shown = ", ".join(sorted(WITH_LEVELS))
            raise ValueError(f"augment: numbers cannot act, since none of {shown} is among the tasks")
        if manner.unseen_scales and not manner.augment.get("scale"):
            raise ValueError("unseen_scales: cannot act, since augment does not name scale")
        telling = sorted(tasks - set(BY_RUBRIC))
        if manner.unseen_rubrics and telling:
            raise ValueError(f"unseen_rubrics: cannot act, since {', '.join(telling)} speaks of all that is rated")
        if manner.paraphrases and not {"paraphrase", "describe"} & {kind for kind, p in manner.augment.items() if p}:
            raise ValueError("paraphrases: cannot act, since augment names neither paraphrase nor describe")


def read_mixture(path: str | Path) -> Mixture:
    """Read a mixture from YAML; relative paths start from the folder of the file.

    The fields of ``Mixture`` and ``Manner`` stand beside each other; ``paraphrases`` is a file of
    ``audio-judge data paraphrase``.

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
    """Make a mixture of plain values, as ``read_mixture`` finds them; relative paths start from the folder.

    Raises:
        ValueError: If a field is unknown or missing, or a value unusable.

    Example:
        >>> mixture_of({"corpora": [{"reader": "nisqa", "path": "/data"}], "tasks": ["score"]}).corpora[0].weight
        1.0
    """
    known = {*Mixture.__dataclass_fields__, *Manner.__dataclass_fields__} - {"manner"}
    unknown = [name for name in values if name not in known]
    missing = [name for name in ("corpora", "tasks") if name not in values]
    if unknown or missing:
        found = f"unknown {unknown}" if unknown else f"no {' and no '.join(missing)}"
        raise ValueError(f"{found}; corpora and tasks are needed, and there may be {', '.join(sorted(known))}")
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
    path = str(entry["path"])
    return Corpus(**{**entry, **tasks, "path": path if path.startswith(HUB) else str(folder / path)})


@dataclass
class _Stream:
    """One corpus while it is read for the second time."""

    corpus: Corpus
    instructor: Instructor
    factors: dict[str, float]  # class to how often its clips are used
    expected: float  # uses that are still to come
    items: Iterator[tuple[int, Item]]


def iterate(mixture: Mixture, statistics: Statistics | None = None) -> Iterator[Example]:
    """Make the examples of a mixture in a stream, shuffled within its buffer; the same mixture makes the same ones.

    Args:
        statistics: Filled on the way.

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

    Reads the tables of all its corpora, and keeps a short hash of every clip.

    Returns:
        Number of clips looked at; 0 if there is nothing to check.

    Raises:
        SplitError: If something is shared; the message names examples.
    """
    if not mixture.leakage or not (mixture.tested_on or any(corpus.split is None for corpus in mixture.corpora)):
        return 0
    items = chain.from_iterable(_as_split(corpus, "") for corpus in mixture.corpora)
    tested_on = chain.from_iterable(_as_split(corpus, "tested on") for corpus in mixture.tested_on)
    # What only a publication promises is warned about, for the corpora that are their own tests
    promised = [CORPORA[corpus.reader].unshared for corpus in (*mixture.corpora, *mixture.tested_on)]
    warned = set(promised[0]).intersection(*promised[1:])
    return check_disjoint(chain(items, tested_on), mixture.leakage, sorted(warned))


def _as_split(corpus: Corpus, name: str) -> Iterator[Item]:
    # With a name all items count as of one split, since what is tested on may be of any split of its corpus
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
        even = sum(classes.values()) / len(classes) / count  # what would make all classes equally frequent
        factors[name] = min(corpus.weight * even, float(corpus.most)) if corpus.balance else corpus.weight
    manner = replace(mixture.manner, with_reference=corpus.with_reference or mixture.manner.with_reference)
    # Seeded by its number, for two corpora of one mixture must not draw the same
    instructor = Instructor(
        corpus.tasks or mixture.tasks, random.Random(f"{mixture.seed} {number}").randrange(2**31), manner
    )
    expected = sum(factors[name] * count for name, count in counts.items()) if total else 0.0
    return _Stream(corpus, instructor, factors, expected, enumerate(corpus.read()))


def _class(item: Item, balance: str) -> str:
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
        # Never 0: a stream is left when it has ended, not when what was expected of it is used up
        stream = rng.choices(left, [max(one.expected, 1e-6) for one in left])[0]
        entry = next(stream.items, None)
        if entry is None:
            left.remove(stream)
            continue
        index, item = entry
        factor = stream.factors[_class(item, stream.corpus.balance)]
        stream.expected -= factor
        draw = random.Random(f"{mixture.seed} {stream.instructor.seed} {index} uses").random()
        uses = int(factor) + (draw < factor % 1)  # 2.3 is twice, and once more for three clips in ten
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
