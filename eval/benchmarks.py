"""Benchmarks: one YAML file each says which data, which task, which rubrics, which figures and what others published.

``load`` reads the file, ``items`` the data. A benchmark whose data are not there says what it needs and where to get them.
Keys of a file are the fields of ``Benchmark``; ``extends`` names another one whose keys hold unless they are given anew.

The truth of an item, by task:

* score, profile, rate: ``scores`` (rubric to rating), ``std``, ``votes`` and ``single`` (what each rater gave) where known;
* categorize: the same and ``levels`` (rubric to name of a level);
* explain: the same and, where they are known, ``causes`` (list of ``kind`` and ``spans``);
* assess: ``scores``, ``speech_rate``, ``distortions`` (list of ``kind`` and ``spans``), ``speaker`` (``emotion``, ``gender`` and
  ``age``, where they are known), ``answer``;
* describe: ``scores`` of mos, ``answer``;
* suggest: ``areas``, ``answer`` and, where causes are known, ``addressed`` (types of distortion);
* compare: ``preferences`` (rubric to A, B or tie), ``answer``; detect: ``is_real``.
"""

import logging
import os
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from audio_judge.batch.data_sets import data_set_place, sounds_folder
from audio_judge.clips import RatedClip, RatedPair
from audio_judge.corpora.rows import OnError, Row, home_of, name_of, read_items, read_rows
from audio_judge.errors import UsageError
from audio_judge.rubrics.rubric import Rubric, get_rubric
from audio_judge.tasks import TASKS, Facts, states
from audio_judge.tasks.common import LackingError, Spans
from audio_judge.tasks.faults import ADVISED_TYPE_OF_FAULT, distortions_by_cause

logger = logging.getLogger(__name__)

FOLDER = Path(__file__).parent / "benchmarks"
CONTROLS = "controls"
DATA_VARIABLE = "AUDIO_JUDGE_DATA"


@dataclass(frozen=True)
class Question:
    """One item as it is put to a judge, without the truth.

    Args:
        task: One of ``audio_judge.tasks.TASKS``.
        clips: Paths of the clips: one, or A and B.
        reference: Undegraded original of the clip, if there is one.
        with_reference: Whether a judge is to hear it; measures that need it always do.
    """

    id: str
    task: str
    clips: tuple[str, ...]
    rubrics: tuple[Rubric, ...] = ()
    reference: str | None = None
    with_reference: bool = False

    @property
    def heard_reference(self) -> str | None:
        """The reference, if a judge is to hear it."""
        return self.reference if self.with_reference else None


@dataclass(frozen=True)
class Item:
    """A question with its truth.

    Args:
        truth: See the module.
        groups: ``condition``, ``system`` and ``speaker``, as far as they are known.
    """

    question: Question
    truth: dict[str, Any]
    groups: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Reference:
    """Figures that somebody published for a benchmark.

    Args:
        figures: Figure to value, with the keys of our metrics, such as ``mos/PCC``.
        note: What is different from our run.
    """

    judge: str
    source: str
    figures: dict[str, float]
    note: str = ""


@dataclass(frozen=True)
class Benchmark:
    """What a benchmark file says.

    Args:
        name: Its name, that of its file.
        title: What it is, in a line.
        task: One of ``audio_judge.tasks.TASKS``, or ``controls``.
        version: Of the file, raised when figures of before and after no longer compare; None for a user's own data.
        corpus: Reader of the data: a key of ``audio_judge.corpora.CORPORA``, or ``labels`` (table of real and fake clips).
        place: Name of the corpus' folder below ``--data-root``; also its name in ``--data NAME=PATH``.
        file: File or folder in it to read; the folder itself if empty.
        where: Where to get the data.
        with_reference: Whether the judge hears the reference too; clips without one are left out.
        options: More arguments of the reader.
        rubrics: What is asked for: names, or whole rubrics.
        metrics: Figures to compute; see ``eval.summary``.
        group_by: Of ``condition``, ``system`` and ``speaker``: over which figures are computed, too.
        split_by: Groups, also ``language`` and ``corpus``, of each of which figures are computed alone; real clips that belong to
            none are beside the fakes of each.
        expected: Number of items that the publication has; another number is reported, not refused.
        pairing: How pairs are made of rated clips for ``compare``: ``pairs``, ``seed``, ``min_gap``.
        suite: Of ``controls``: sanity, robustness or bias.
        hub: ``dataset_id`` and ``task_id`` of the benchmark on the Hub, if it has one.
    """

    name: str
    title: str
    task: str
    version: int | None = None
    corpus: str = ""
    place: str = ""
    file: str = ""
    where: str = ""
    split: str = "test"
    with_reference: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    rubrics: tuple[Rubric, ...] = ()
    metrics: tuple[str, ...] = ()
    group_by: tuple[str, ...] = ()
    split_by: tuple[str, ...] = ()
    expected: int | None = None
    pairing: dict[str, Any] = field(default_factory=dict)
    suite: str = ""
    references: tuple[Reference, ...] = ()
    note: str = ""
    hub: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.task not in (*TASKS, CONTROLS):
            raise ValueError(
                f"benchmark {self.name}: task {self.task!r}; one of {', '.join(TASKS)}, {CONTROLS} is needed"
            )
        if self.task == CONTROLS and not self.suite:
            raise ValueError(f"benchmark {self.name}: controls need a suite")

    @property
    def variable(self) -> str:
        """Environment variable that may hold the place of the data."""
        return f"{DATA_VARIABLE}_{self.place.upper().replace('-', '_')}"


@dataclass(frozen=True)
class Places:
    """Where corpora are.

    Args:
        root: Folder that holds a folder per corpus; None for that in ``AUDIO_JUDGE_DATA``, if it is set.
        given: Name of a corpus' folder to where it is instead.
        examples: Clips that controls are made of if no corpus is there; None for the project's own example clips.
        tables: Name in ``given`` to the benchmark that reads its rated clips, of users' own tables.
        on_error: What becomes of a row of the data that is wrong: ``stop``, or ``skip``, counted by reason.
    """

    root: Path | None = None
    given: Mapping[str, str | Path] = field(default_factory=dict)
    examples: Path | None = None
    tables: Mapping[str, "Benchmark"] = field(default_factory=dict)
    on_error: OnError = "stop"

    def names(self, benchmark: Benchmark) -> bool:
        """Say whether the place of a benchmark's own data was named, be they there or not."""
        return benchmark.place in self.given or bool(os.environ.get(benchmark.variable))

    def find(self, benchmark: Benchmark) -> str | Path:
        """Find the data of a benchmark: a file, a folder or a data set.

        Raises:
            UsageError: If they are nowhere; the message says where to get them and how to name their place.
        """
        # The nearest word counts: what the command says of this corpus, its own variable, the folder of all
        said = self.given.get(benchmark.place) or os.environ.get(benchmark.variable)
        if said and data_set_place(str(said)):
            return str(said)
        if said:
            looked = [Path(said)]
        else:
            roots = [str(self.root)] if self.root else []
            roots += [os.environ[DATA_VARIABLE]] if os.environ.get(DATA_VARIABLE) else []
            looked = [Path(root) / benchmark.place for root in roots]
        # A place may also be the file itself, such as a user's own table.
        for place in looked:
            inside = place / benchmark.file if benchmark.file and place.is_dir() else place
            if inside.exists():
                return inside
        raise UsageError(self._complaint(benchmark, looked))

    def _complaint(self, benchmark: Benchmark, looked: Sequence[Path]) -> str:
        wanted = f"{benchmark.place}/{benchmark.file}".rstrip("/")
        places = f" (looked for {benchmark.file or 'it'} in {', '.join(map(str, looked))})" if looked else ""
        return (
            f"{benchmark.name}: the data are not there{places}. Get them: {benchmark.where} Then name the folder that holds "
            f"{wanted} with --data-root or {DATA_VARIABLE}, or the place itself with --data {benchmark.place}=PATH "
            f"or {benchmark.variable}."
        )


def names() -> list[str]:
    """List the names of all benchmarks."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str) -> Benchmark:
    """Read a benchmark's file.

    Args:
        name: One of ``names()``.

    Raises:
        UsageError: If there is no such benchmark.

    Example:
        >>> load("nisqa_test").expected
        712
    """
    if not (FOLDER / f"{name}.yaml").is_file():
        raise UsageError(f"no benchmark {name!r}; known: {', '.join(names())}")
    return parse(_values(name), name)


def _values(name: str) -> dict[str, Any]:
    values = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    base = values.pop("extends", None)
    # What others published, and which version this is, belong to the one benchmark whose file says it.
    own = ("references", "note", "version")
    inherited = {} if base is None else {k: v for k, v in _values(base).items() if k not in own}
    return inherited | values


def parse(values: Mapping[str, Any], name: str) -> Benchmark:
    """Make a benchmark of the keys of a file.

    Raises:
        ValueError: If a key is unknown or missing, or a value is unusable.

    Example:
        >>> parse({"title": "My clips", "task": "score", "colour": 1}, "my")
        Traceback (most recent call last):
        ValueError: benchmark my: unknown key colour
    """
    unknown = set(values) - {f.name for f in fields(Benchmark)} | ({"name"} & set(values))
    if unknown:
        raise ValueError(f"benchmark {name}: unknown key {', '.join(sorted(unknown))}")
    try:
        made: dict[str, Any] = dict(values)
        made["rubrics"] = tuple(_rubric(one) for one in values.get("rubrics", ()))
        made |= {key: tuple(values.get(key, ())) for key in ("metrics", "group_by", "split_by")}
        made["references"] = tuple(Reference(**one) for one in values.get("references", ()))
        return Benchmark(name=name, **made)
    except TypeError as error:
        raise ValueError(f"benchmark {name}: {error}") from error


def _rubric(said: str | Mapping[str, Any]) -> Rubric:
    if isinstance(said, str):
        return get_rubric(said)
    lists = {key: tuple(said[key]) for key in ("levels", "questions") if key in said}
    return Rubric(**{**said, **lists})


def items(benchmark: Benchmark, places: Places, limit: int | None = None) -> list[Item]:
    """Read a benchmark's data.

    Returns:
        Items in the order of the data; those that lack what the task needs are left out, and a warning counts them.

    Raises:
        UsageError: If the data are not there, cannot be read, or hold no item for the task.
    """
    path, found, lacking = places.find(benchmark), [], dict[str, int]()
    seen: dict[str, int] = {}
    for one in _rated(benchmark, path, places.on_error):
        if benchmark.with_reference and isinstance(one, RatedClip) and one.reference is None:
            continue
        try:
            truth = _truth(benchmark.task, one, benchmark.rubrics)
        except LackingError as error:
            lacking[str(error)] = lacking.get(str(error), 0) + 1
            continue
        found.append(_item(one, truth, benchmark, path, seen))
        if len(found) == limit:  # items that can be used, so that a limit gives as many
            break
    for reason, count in lacking.items():
        logger.warning("%s: %d items left out: %s", benchmark.name, count, reason)
    if limit is None and benchmark.expected not in (None, len(found)):
        logger.warning("%s: %d items; the publication has %d", benchmark.name, len(found), benchmark.expected)
    if not found:
        reasons = "; ".join(f"{count}: {reason}" for reason, count in lacking.items())
        raise UsageError(
            f"{benchmark.name}: {path} has no item for the task {benchmark.task} ({reasons or 'it is empty'})"
        )
    return found


def clips(benchmark: Benchmark, places: Places, limit: int | None = None) -> list[RatedClip]:
    """Read the clips that controls are made of.

    Args:
        places: Where corpora are. Data that were named are taken, whatever their name; else the benchmark's own in the root of all
            corpora; else the example clips.

    Raises:
        UsageError: If there are none, or what was named cannot be read.
    """
    # What was named is what people want to be heard: no root, and no example, stands in for it, and an error in it is theirs to mend
    if benchmark.place in places.tables or (places.given and not places.names(benchmark)):
        found = [clip for name, path in places.given.items() for clip in _clips_at(name, path, places)]
    elif places.names(benchmark) or _path_in_root(benchmark, places) is not None:
        path = places.find(benchmark)
        found = [one for one in _rated(benchmark, path, places.on_error) if isinstance(one, RatedClip)]
    else:
        found = _examples(benchmark, places)
    if benchmark.suite == "words":  # about faults that are there already
        return found[:limit]
    # Controls are about what is done to a clip, which should be undisturbed speech to begin with.
    clean = [one for one in found if not one.causes and one.extra.get("content", "speech") == "speech"]
    return (clean or found)[:limit]


def _path_in_root(benchmark: Benchmark, places: Places) -> str | Path | None:
    """Where a benchmark's data lie in the root of all corpora; None if it has none.

    Raises:
        UsageError: If there is no such root.
    """
    if places.root is not None and not places.root.is_dir():
        raise UsageError(f"--data-root {places.root}: no such folder")
    try:
        return places.find(benchmark)
    except UsageError:
        return None


def _examples(benchmark: Benchmark, places: Places) -> list[RatedClip]:
    folder = places.examples or Path(__file__).resolve().parent.parent / "examples" / "clips"
    paths = sorted(folder.glob("clean_*")) if folder.is_dir() else []
    if not paths:
        places.find(benchmark)  # which raises
    logger.warning("%s: made of the example clips in %s, as no data are named", benchmark.name, folder)
    return [RatedClip(str(path), {}, "test", "examples") for path in paths]


def _clips_at(name: str, path: str | Path, places: Places) -> list[RatedClip]:
    """The clips of data that were named: those of a table of ratings with these, else of lists, tables and folders."""
    if name in places.tables:
        return [one for one in _rated(places.tables[name], path, places.on_error) if isinstance(one, RatedClip)]
    from audio_judge.batch.find import find_items

    found = find_items([str(path)])
    wrong = next((item.error or "a data set; its sounds must be files" for item in found if not item.path), None)
    if wrong is not None or not found:
        raise UsageError(f"{path}: no clips for controls ({wrong or 'no rows'})")
    return [RatedClip(item.path, {}, "test", "given") for item in found]


def _rated(benchmark: Benchmark, path: str | Path, on_error: OnError) -> Iterator[RatedClip | RatedPair]:
    """The clips and pairs of a benchmark's data; rated clips are paired if the benchmark says how."""
    from audio_judge.corpora.corpus import Corpus

    options = dict(benchmark.options)
    if benchmark.corpus == "labels":
        read: Iterable[RatedClip | RatedPair] = _labelled(path, on_error, benchmark.split, **options)
    else:
        read = Corpus(benchmark.corpus, str(path), benchmark.split, on_error=on_error, options=options).read()
    try:
        if benchmark.pairing:
            rated = [one for one in read if isinstance(one, RatedClip)]
            yield from paired(rated, **benchmark.pairing)
        else:
            yield from read
    except (ValueError, OSError) as error:
        raise UsageError(f"{benchmark.name}: {error}") from error


def _labelled(
    path: str | Path,
    on_error: OnError,
    wanted: str = "test",
    audio: str = "path",
    label: str = "label",
    system: str = "system",
    split: str = "",
) -> Iterator[RatedClip]:
    """Clips of a table whose label is ``real`` (also ``bonafide``) or ``fake`` (also ``spoof``).

    Args:
        wanted: The split to read, where ``split`` names the column that has it.
    """
    spellings = {"real": "real", "bonafide": "real", "bona-fide": "real", "fake": "fake", "spoof": "fake"}
    folder, corpus = home_of(path), name_of(path)

    def clip(row: Row) -> RatedClip | None:
        if split and row.required(split) != wanted:
            return None
        said = row.required(label).lower()
        if said not in spellings:
            raise row.error(f"{label} is {said!r}; one of {', '.join(spellings)} expected")
        extra = {"label": spellings[said]}
        return RatedClip(row.audio(audio, folder), {}, "test", corpus, system=row.text(system), extra=extra)

    return read_items(read_rows(path, [audio, label, *filter(None, [split])]), clip, corpus, on_error=on_error)


def paired(rated: Sequence[RatedClip], *, pairs: int, seed: int = 0, min_gap: float = 0.0) -> Iterator[RatedPair]:
    """Pair rated clips at random; the one with the higher overall rating is preferred.

    Args:
        rated: Clips, of which those without ``mos`` are passed over.
        pairs: How many pairs to make at most.
        min_gap: Smallest difference of the overall ratings; equal ones are never paired.

    Yields:
        Pairs with the preference overall (``mos``), and of every other rubric that both are rated on and that differs.

    Example:
        >>> from audio_judge.clips import Rating
        >>> two = [RatedClip(name, {"mos": Rating(mos)}, "test", "my") for name, mos in (("a", 2.0), ("b", 4.0))]
        >>> [pair.preferences["mos"] for pair in paired(two, pairs=1, seed=1)]
        ['B']
    """
    from audio_judge.tasks.compare import from_scores

    usable = [clip for clip in rated if "mos" in clip.ratings]
    rng, made, drawn = random.Random(seed), 0, set[tuple[int, int]]()
    # A bound, as there may not be as many pairs; either clip may come first
    for _ in range(100 * pairs if len(usable) > 1 else 0):
        first, second = sorted(rng.sample(range(len(usable)), 2), key=lambda _: rng.random())
        ratings = [{n: r.value for n, r in usable[i].ratings.items()} for i in (first, second)]
        gap = abs(ratings[0]["mos"] - ratings[1]["mos"])
        if gap == 0 or gap < min_gap or tuple(sorted((first, second))) in drawn:
            continue
        drawn.add((min(first, second), max(first, second)))
        yield RatedPair(usable[first], usable[second], dict(from_scores(*ratings, gap=0.0, most=99).verdicts))
        made += 1
        if made == pairs:
            return


def _item(
    one: RatedClip | RatedPair, truth: dict[str, Any], benchmark: Benchmark, path: str | Path, seen: dict[str, int]
) -> Item:
    heard = (one.first, one.second) if isinstance(one, RatedPair) else (one,)
    # A sound inside a data set is called by its content, wherever the cache of this machine is
    is_set = data_set_place(str(path)) is not None
    folder = sounds_folder() if is_set else Path(path) if Path(path).is_dir() else Path(path).parent
    name = "|".join(_relative(clip.path, folder) for clip in heard)
    # A clip may be rated, or heard in a pair, twice; ids must tell the items apart, and be the same in every process
    seen[name] = seen.get(name, 0) + 1
    unique = name if seen[name] == 1 else f"{name}#{seen[name]}"
    rated = tuple(rubric for rubric in benchmark.rubrics if _is_known(truth, rubric.name))
    question = Question(
        unique, benchmark.task, tuple(clip.path for clip in heard), rated, heard[0].reference, benchmark.with_reference
    )
    facts = {"condition": heard[0].condition, "system": heard[0].system, "speaker": heard[0].speaker}
    # A pair belongs to no condition: its clips may have two
    groups = {} if len(heard) > 1 else {key: value for key, value in facts.items() if value is not None}
    known = heard[0].extra | {"corpus": heard[0].corpus}
    groups |= {key: str(known[key]) for key in benchmark.split_by if key not in facts and known.get(key) is not None}
    return Item(question, truth, groups)


def _is_known(truth: Mapping[str, Any], rubric: str) -> bool:
    """Whether the truth has this rubric; where it has none at all, as for suggestions, everything is asked."""
    judged = [truth[key] for key in ("scores", "preferences") if key in truth]
    return not judged or any(rubric in values for values in judged) or (rubric == "speech_rate" and rubric in truth)


def _relative(path: str, folder: Path) -> str:
    place = Path(path)
    return place.relative_to(folder).as_posix() if place.is_relative_to(folder) else place.as_posix()


def stated(task: str, facts: Facts, text: str = "") -> dict[str, Any]:
    """Write what a task states with the keys that predictions and truths share, as plain JSON.

    Args:
        task: Whose facts they are; what it does not state has no key.
        text: The whole answer, which holds the words that do not stand apart.

    Example:
        >>> stated("detect", Facts(label="fake"))
        {'is_real': False}
    """
    # Of the tasks about the whole clip, a level is that of the speech rate
    levels = {"speech_rate": facts.levels.get("speech_rate", "")}
    written = {
        "scores": {"scores": dict(facts.scores)},
        "levels": {"levels": dict(facts.levels)} if TASKS[task].TRAITS.asks == "one" else levels,
        "causes": {"causes": _with_times(facts.causes or {})},
        "distortions": {"distortions": _with_times(facts.distortions)},
        "speaker": {"speaker": dict(facts.speaker)},
        "label": {"is_real": facts.label == "real"},
        "verdicts": {"preferences": dict(facts.verdicts)},
        "areas": {"areas": list(facts.areas)},
        "words": {"answer": text.strip() if facts.words is None else facts.words},
    }
    return {key: value for name in TASKS[task].TRAITS.states for key, value in written[name].items()}


def _with_times(found: Mapping[str, Spans]) -> list[dict[str, Any]]:
    return [{"kind": kind, "spans": [list(span) for span in spans]} for kind, spans in found.items()]


# The truth of one clip or pair. Each raises LackingError if it lacks what the task needs.


def _truth(task: str, one: RatedClip | RatedPair, rubrics: Sequence[Rubric]) -> dict[str, Any]:
    """What is true, with the keys of the module: what listeners gave, or what the clip says as the task's target."""
    from audio_judge.data.targets import target_of

    if states(task, "verdicts"):
        return _verdicts(one, rubrics)
    # A description is measured by what was rated and written, not by one that we would make of it
    if TASKS[task].TRAITS.asks != "none" or task == "describe":
        return _ratings(task, one, rubrics)
    if isinstance(one, RatedPair):
        raise LackingError("a pair, no single clip")
    truth = stated(task, TASKS[task].facts(target_of(task, one)))
    if not states(task, "areas") or not _knows_causes(one):
        return truth
    return truth | {"addressed": [found.kind for found in distortions_by_cause(one.causes, ADVISED_TYPE_OF_FAULT)]}


def _ratings(task: str, one: RatedClip | RatedPair, rubrics: Sequence[Rubric]) -> dict[str, Any]:
    ratings = {} if isinstance(one, RatedPair) else one.ratings
    chosen = {rubric.name: ratings[rubric.name] for rubric in rubrics if rubric.name in ratings}
    if not chosen:
        raise LackingError(f"no rating of {', '.join(rubric.name for rubric in rubrics)}")
    truth: dict[str, Any] = {"scores": {name: rating.value for name, rating in chosen.items()}}
    for key in ("std", "votes"):
        known = {name: getattr(rating, key) for name, rating in chosen.items() if getattr(rating, key) is not None}
        truth |= {key: known} if known else {}
    single = {name: list(rating.single) for name, rating in chosen.items() if rating.single}
    truth |= {"single": single} if single else {}
    if states(task, "levels"):
        by_name = {rubric.name: rubric for rubric in rubrics}
        truth["levels"] = {name: by_name[name].level_of(value) for name, value in truth["scores"].items()}
    if states(task, "causes") and isinstance(one, RatedClip) and _knows_causes(one):
        truth["causes"] = [{"kind": cause.kind, "spans": [list(span) for span in cause.spans]} for cause in one.causes]
    return truth | (_words(one) if task == "describe" else {})


def _words(one: RatedClip | RatedPair) -> dict[str, Any]:
    words = one.extra.get("caption") or one.extra.get("description")
    return {"answer": words} if isinstance(words, str) and words.strip() else {}


def _knows_causes(clip: RatedClip) -> bool:
    """A simulated corpus knows that an untouched clip has no fault; elsewhere nothing is known where nothing is said."""
    return bool(clip.causes) or clip.corpus.startswith("simulated")


def _verdicts(one: RatedClip | RatedPair, rubrics: Sequence[Rubric]) -> dict[str, Any]:
    from audio_judge.data.targets import comparison_of

    if not isinstance(one, RatedPair):
        raise LackingError("a single clip, no pair")
    # comparison_of counts a preference for naturalness as the one overall; a benchmark asks for what was compared.
    asked = {r.name: one.preferences[r.name] for r in rubrics if r.name in one.preferences}
    return {"preferences": asked or dict(comparison_of(one).verdicts)} | _words(one)
