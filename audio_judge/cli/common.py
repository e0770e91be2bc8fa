"""What the commands that ask a judge share: what is asked of whom about which clips, and how the answers are shown.

:func:`prepare` reads the options into :class:`Asked`; the commands work on that. Finding clips, judging and writing them one by
one is the business of ``audio_judge.batch``.
"""

import argparse
import glob
import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import audio_judge
from audio_judge.batch import shards
from audio_judge.batch.find import find_items, on_channel
from audio_judge.batch.items import Columns, Item, PairColumns, PairItem
from audio_judge.batch.pairs import find_pairs
from audio_judge.batch.run import Job, Output, run, say
from audio_judge.batch.systems import find_systems, names_systems
from audio_judge.batch.write import ALL_SETTINGS, SYSTEM, Answer, check_replaceable, is_same_file
from audio_judge.errors import UsageError
from audio_judge.judge.shipped import DEFAULT_JUDGE, place_of
from audio_judge.reports import answers
from audio_judge.rubrics.rubric import FIVE, Rubric, Scale, get_rubric, read_scale
from audio_judge.version import __version__

if TYPE_CHECKING:
    from audio_judge.judge.judge import AudioJudge
    from audio_judge.judge.judgement import Authenticity, Preference
    from audio_judge.judge.requests import Request

OWN_SCALE = "own"

Many = Callable[[list[Any]], Iterable[Any]]
Check = Callable[[Sequence[Rubric], str | None], None]


@dataclass(frozen=True)
class Clips:
    """Clips, or pairs of them, which columns of their rows say what, and where what is said about them goes."""

    items: Sequence[Any]
    columns: Columns | PairColumns
    output: Output
    no_progress: bool


@dataclass(frozen=True)
class Asked(Clips):
    """What is asked of a judge about clips.

    Args:
        scale: Of all scores; None if each rubric has its own.
        listener: On whose behalf to listen.
        batch_size: Windows per forward pass, and clips at a time.
        max_new_tokens: Longest free text of an answer; None for the judge's own limit.
        is_table: Whether a table for people is shown.
    """

    judge: "AudioJudge"
    rubrics: Sequence[Rubric]
    scale: Scale | None
    listener: str | None
    language: str
    batch_size: int
    max_new_tokens: int | None
    is_table: bool

    @property
    def names(self) -> list[str]:
        """Names of the rubrics, in their order."""
        return [one.name for one in self.rubrics]

    @property
    def length(self) -> dict[str, int]:
        """The longest free text, as the methods of a judge take it."""
        return {} if self.max_new_tokens is None else {"max_new_tokens": self.max_new_tokens}

    def settings(
        self,
        task: str,
        *,
        has_scale: bool = False,
        questions: str | None = None,
        peer_judges: Sequence[str] | None = None,
    ) -> dict[str, Any]:
        """Settings of the run, for its rows; what does not apply is left out, and so is English.

        Args:
            task: What is asked.
            has_scale: Whether the answers are scores on ``scale``.
            questions: Digest of the questions that are asked.
            peer_judges: Who scores beside the judge.
        """
        said = {
            "rubrics": self.names or None,
            "scale": (self.scale.name if self.scale else OWN_SCALE) if has_scale else None,
            "listener": self.listener,
            "questions": questions,
            "own_rubrics": _own_digest(self.rubrics),
            "answer_language": None if self.language == "en" else self.language,
            "peer_judges": peer_judges,
            "audio_judge": __version__,
        }
        all_said = {"task": task, "model": self.judge.name, "revision": self.judge.revision, **said}
        return {name: all_said[name] for name in ALL_SETTINGS if all_said[name] is not None}


def prepare(
    options: argparse.Namespace,
    *,
    for_people: bool = True,
    rubrics: Iterable[str] | Callable[["AudioJudge"], Iterable[str]] = (),
    scale: str | None = None,
    check: Check | None = None,
    load: Callable[..., Any] | None = None,
) -> Asked:
    """Read what is asked; what can be refused without clips and a judge is refused before they are read and loaded.

    Args:
        options: Of a command, which works on what is returned and passes them no further.
        for_people: Whether standard output gets text for people unless JSON lines are asked for.
        rubrics: Names of what is judged if no ``--rubric`` is given, also by what the judge knows.
        scale: Of all scores if no ``--scale`` is given; None for 1-5 if all rubrics are on it, else their own.
        check: Refuses rubrics and the text of ``--scale``.
        load: Loads the judge; None for ``load_judge``.

    Raises:
        UsageError: If the request cannot be carried out.
    """
    given = vars(options)
    output = _output(options, for_people)
    named = _rubrics(given.get("rubric") or ())
    asked = named or ([] if callable(rubrics) else [get_rubric(name) for name in rubrics])
    if check is not None:
        check(asked, given.get("scale"))
    on = scale_of(given.get("scale") or scale, asked)
    items, columns = _items(options)
    judge = (load or load_judge)(
        options.judge,
        device=options.device,
        dtype=options.dtype,
        revision=options.revision,
        longest_hours=options.max_hours,
    )
    # Only the judge knows what it was trained on, and it is loaded last
    if callable(rubrics) and not named:
        asked = [get_rubric(name) for name in rubrics(judge)]
        on = scale_of(given.get("scale") or scale, asked)
    return Asked(
        items,
        columns,
        output,
        options.no_progress,
        judge=judge,
        rubrics=asked,
        scale=on,
        listener=given.get("listener"),
        language=given.get("language", "en"),
        batch_size=options.batch_size,
        max_new_tokens=given.get("max_new_tokens"),
        is_table=given.get("table", False),
    )


def prepare_clips(options: argparse.Namespace) -> Clips:
    """Read what a command that needs no judge is asked; standard output gets text for people.

    Raises:
        UsageError: If the request cannot be carried out.
    """
    output = _output(options, for_people=True)
    items, columns = _items(options)
    return Clips(items, columns, output, options.no_progress)


def _output(options: argparse.Namespace, for_people: bool) -> Output:
    """Where rows go; what would lose data or cannot work is refused."""
    processes = shards.this_shard().count
    if options.output in (None, "-"):
        if options.resume:
            raise UsageError("--resume needs the --output file of the earlier run")
        if options.output and for_people and vars(options).get("table"):
            raise UsageError("--table and --output - both write to stdout; name a file")
        if processes > 1:
            raise UsageError("several processes need an --output file to merge their rows in")
        return Output(to_stdout=options.output == "-" or not for_people)
    path = Path(options.output)
    suffix = path.suffix.lower()
    if suffix not in (".jsonl", ".csv", ".html"):
        raise UsageError(f"--output {path}: the name must end in .jsonl or .csv or .html")
    rows = path.with_name(f"{path.name}.jsonl") if suffix == ".html" else path
    # A page is made of rows in a file beside it, which must be no input either
    if any(is_same_file(one, place) for one in _inputs(options) for place in (path, rows)):
        raise UsageError(f"--output {path} is also an input; choose another name")
    if processes > 1 and "-" in options.clips:
        raise UsageError("several processes cannot share standard input; give files, folders or lists")
    page = path if suffix == ".html" else None
    answers.check(page)
    for place in {rows, path} if processes == 1 else ():  # several processes ask when none of them may have begun
        if place == page or not options.resume:
            check_replaceable(place, options.overwrite or options.resume)
    return Output(rows, page, resume=options.resume, overwrite=options.overwrite)


def _inputs(options: argparse.Namespace) -> Iterator[str]:
    """Every file that a command reads, by name, but for those that lists name."""
    given = vars(options)
    yield from (given[name] for name in ("reference", "questions") if given.get(name))
    yield from given.get("rubric") or ()
    for clip in options.clips:
        yield clip
        if glob.has_magic(clip):
            yield from glob.iglob(clip, recursive=True)


def _items(options: argparse.Namespace) -> tuple[list[Item], Columns] | tuple[list[PairItem], PairColumns]:
    if "first_column" in options and compares_systems(options):
        columns = Columns()
        how = {"system_column": options.system_column or SYSTEM, "take_column": options.pair_column}
        return find_systems(options.clips, columns, limit=options.limit, stdin=sys.stdin, **how), columns
    if "first_column" in options:
        sides = PairColumns(options.first_column, options.second_column)
        pairs = find_pairs(options.clips, sides, stdin=sys.stdin)[: options.limit]
        if not pairs:
            raise UsageError(f"nothing to compare: {', '.join(options.clips)} has no rows")
        return pairs, sides
    columns = Columns(options.path_column, options.reference_column)
    items = find_items(options.clips, columns, reference=options.reference, stdin=sys.stdin, tell=say)
    if options.channel != "mix":
        items = list(on_channel(items, options.channel, _channels_of))
    if not items:
        raise UsageError(f"nothing to judge: {', '.join(options.clips)} has no rows")
    return items[: options.limit], columns


def compares_systems(options: argparse.Namespace) -> bool:
    """Say whether ``compare`` is asked about systems, whose clips are scored, and not about pairs."""
    if options.pairs:
        return False
    sides = PairColumns(options.first_column, options.second_column)
    return options.system_column is not None or names_systems(options.clips, sides)


def load_judge(
    name: str | None,
    *,
    device: str = "auto",
    dtype: str = "auto",
    revision: str | None = None,
    longest_hours: float = 2.0,
) -> "AudioJudge":
    """Load a judge, without the chatter of the libraries.

    Args:
        name: A shipped judge, a folder or a Hub id; None for the first that ships.
        device: As in ``AudioJudge.from_pretrained``; ``auto`` gives each process of several its own accelerator.
        dtype: Of the weights.
        revision: Branch, tag or commit of a Hub repo.
        longest_hours: Longer clips are refused.

    Raises:
        UsageError: If it cannot be loaded.
    """
    quiet_transformers()
    if name and name.startswith(("/", ".")) and not Path(name).is_dir():
        raise UsageError(f"--judge {name}: no such folder")
    try:
        place_of(name)
    except OSError as error:
        raise UsageError(f"--judge {error}") from error
    place = shards.this_shard().device(device)
    try:
        judge = audio_judge.AudioJudge.from_pretrained(name, device=place, dtype=dtype, revision=revision)
    except (
        Exception
    ) as error:  # a folder can be wrong in any way: pickled weights, another's configuration, a damaged file
        reason = str(error).strip().partition("\n")[0]
        if not isinstance(error, OSError | ValueError | ImportError | RuntimeError):
            reason = f"{type(error).__name__}: {reason}"
        raise UsageError(f"{name or DEFAULT_JUDGE} cannot be loaded on {place}: {reason}") from error
    judge.longest_seconds = longest_hours * 3600
    return judge


def quiet_transformers() -> None:
    """Keep what transformers reports while it loads off the screen of people who asked for something else."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()


# Asking and answering


def request_of(item: Item) -> "Request":
    """Say what a judge is asked about an item; a row of a data set is read here."""
    clip = item.path if item.read is None else item.read()
    reference = item.reference if item.read_reference is None else item.read_reference()
    return audio_judge.Request(clip, reference, item.start_time, item.end_time, item.channel)


def _channels_of(item: Item) -> int:
    """Of a clip; one that cannot be opened counts as having one, and its row will say why."""
    from audio_judge.audio import AudioError, audio_info

    try:
        return audio_info(item.path if item.read is None else item.read()).channels
    except (AudioError, OSError):
        return 1


def in_chunks(size: int, ask: Many, answer: Callable[[Any], Answer], items: Iterator[Any]) -> Iterator[Answer]:
    """Ask what takes a list at a time, and make an answer of each of its results.

    ``ask`` gives one result for each item of a list, in their order.
    """
    while chunk := list(islice(items, size)):
        yield from map(answer, ask(chunk))


def finish(job: Job, asked: Clips, conclude: Callable[[], None] | None = None) -> int:
    """Judge the items; make the page of the rows if one is asked for.

    Args:
        job: What is asked.
        asked: About which clips.
        conclude: Called in place of that, once all rows are there.

    Returns:
        Exit code, as of ``batch.run.run``; 0 if other processes still have items.

    Raises:
        UsageError: If the request cannot be carried out.
    """
    output = asked.output
    code = run(job, asked.items, output, no_progress=asked.no_progress)
    if conclude is not None and code in (0, 1):
        conclude()
    elif output.page is not None and output.path is not None and code in (0, 1):
        answers.write(output.page, output.path, job)
    return code or 0


def for_people(output: Output, write: Callable[[Any], str] = str) -> Callable[[Any, Answer], str | None] | None:
    """Make ``Job.show`` of what writes the judge's own result; None if rows are asked for. Errors are shown at the end."""
    if output.has_rows:
        return None
    return lambda item, answer: None if answer.error is not None else f"{write(answer.said)}\n"


def result_of(said: "Authenticity | Preference", without: Sequence[str]) -> Answer:
    """A result as it writes itself, but for what stands in the row anyway."""
    if said.error is not None:  # what was said is kept, if that is what cannot be read
        return Answer({} if said.text is None else {"text": said.text}, error=said.error)
    row = {name: value for name, value in said.to_dict().items() if name not in without}
    return Answer(row, said, cells=(said.to_row(),))


# Rubrics and scales


def _rubrics(names: Sequence[str]) -> list[Rubric]:
    from audio_judge.rubrics.files import SUFFIXES, read_rubrics

    found: dict[str, Rubric] = {}
    for name in names:
        own = read_rubrics(Path(name)) if Path(name).suffix.lower() in SUFFIXES else []
        try:
            found |= {one.name: one for one in own or [get_rubric(name)]}
        except ValueError as error:
            raise UsageError(f"--rubric: {error}") from error
    return list(found.values())


def _own_digest(rubrics: Sequence[Rubric]) -> str | None:
    """Of the rubrics that people brought, so that no run goes on with others of the same names."""
    own = [repr(one) for one in rubrics if not is_ours(one)]
    return digest("\n".join(own)) if own else None


def digest(text: str) -> str:
    """Twelve hexadecimal digits that tell settings apart which are too long for a row."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def is_ours(rubric: Rubric) -> bool:
    """Whether a rubric is one of this package's, unchanged: a user's own may have the same name."""
    try:
        return get_rubric(rubric.name) == rubric
    except ValueError:
        return False


def scale_of(text: str | None, rubrics: Sequence[Rubric]) -> Scale | None:
    """Find the scale of all scores; None for that of each rubric.

    Args:
        text: Such as ``0-100``, or ``own``; None for 1-5 if all rubrics are on it, else their own.
        rubrics: To be scored on.

    Raises:
        UsageError: If it is no scale.
    """
    if text is None:
        text = FIVE.name if all(one.scale == FIVE for one in rubrics) else OWN_SCALE
    if text == OWN_SCALE:
        return None
    try:
        return read_scale(text)
    except ValueError as error:
        raise UsageError(f"--scale {text}: {error}; such as 1-5, 0-100 or own is needed") from error
