"""Any corpus by its name: what a mixture or a recipe says about one, and its clips."""

import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any, get_args

from audio_judge.batch.data_sets import data_set_place, split_names
from audio_judge.clips import Item, RatedPair
from audio_judge.corpora import CORPORA
from audio_judge.corpora.raters import by_strictness
from audio_judge.corpora.rows import OnError, split_name
from audio_judge.messages import ReferenceUse
from audio_judge.rubrics.rubric import ALL_RUBRICS


@dataclass(frozen=True)
class Corpus:
    """One corpus of a mixture.

    Args:
        reader: Key of ``audio_judge.corpora.CORPORA``.
        path: Folder or file, or a data set: ``hf://datasets/OWNER/NAME``, with ``/CONFIG`` and ``:SPLIT`` behind it if
            wanted, or the folder of one.
        split: ``train``, ``validation`` or ``test``; None for all splits of a corpus that tells them apart. Of a data
            set, the split of that name is read, or the one that its path names.
        weight: How often each clip is used on average: 2 is twice, 0.5 is every other clip.
        tasks: Task to weight, if not those of the mixture.
        balance: What is to be equally frequent: a rubric (its levels), ``label`` (real, fake) or ``preference`` (A, B,
            tie); empty for nothing. Clips that lack it are used by weight alone.
        most: How often balance may use one clip at most.
        with_reference: Whether references are heard too: ``never``, ``sometimes`` or ``always``.
        by_rater: Whether each clip is also given as its strict and as its lenient raters rated it, where votes say who gave
            them; see ``audio_judge.corpora.raters``.
        on_error: ``skip`` leaves out rows that are wrong, counted by what is wrong with them; ``stop`` ends with the first.
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
    by_rater: bool = False
    on_error: OnError = "stop"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.reader not in CORPORA:
            raise ValueError(f"no corpus {self.reader!r}; known: {', '.join(CORPORA)}")
        if not self.weight > 0 or self.most < 1:
            raise ValueError(f"{self.reader}: weight {self.weight}, most {self.most}; above 0 and 1 or more are needed")
        if self.balance not in ("", "label", "preference", *ALL_RUBRICS):
            raise ValueError(f"{self.reader}: balance {self.balance!r}; a rubric, label or preference is needed")
        if self.on_error not in get_args(OnError):
            raise ValueError(f"{self.reader}: on_error {self.on_error!r}; stop or skip is needed")

    @property
    def tells_splits(self) -> bool:
        """Whether its splits can be read one by one: not those of a file without a column of them, nor a split that the path names."""
        place = data_set_place(self.path)
        if self._has_split_column:
            return True
        if place is None:
            return CORPORA[self.reader].tells_splits and not Path(self.path).is_file()
        return place[1] is None and bool(split_names(place[0]))

    @property
    def _has_split_column(self) -> bool:
        """Whether it is one table whose rows say their split."""
        columns = self.options.get("columns")
        return self.reader == "rated" or bool(isinstance(columns, Mapping) and columns.get("split"))

    def read(self) -> Iterator[Item]:
        """Read its clips and pairs; a table's ratings are brought to the scales of our rubrics.

        Raises:
            ValueError: If an option is unknown or unusable, or a data set has no such split.
            CorpusError: If the corpus is not there or cannot be trusted.
        """
        known = CORPORA[self.reader]
        if data_set_place(self.path) is not None and not known.takes_data_sets:
            raise ValueError(f"{self.reader}: {self.path}: it is read from its own folder and not from a data set")
        if self.split is None and not self.tells_splits:
            raise ValueError(f"{self.reader}: which split? This corpus does not say; give train, validation or test")
        module, _, name = known.reader.partition(".")
        read: Callable[..., Iterator[Item]] = getattr(import_module(f"audio_judge.corpora.{module}"), name)
        form = inspect.signature(read)
        given = dict(self.options)
        if self.on_error != "stop":
            given["on_error"] = self.on_error
        try:
            form.bind(self.path, split=self.split, **given)
        except TypeError as error:
            options = ", ".join(name for name in list(form.parameters)[1:] if name not in ("split", "on_error"))
            raise ValueError(f"{self.reader}: {error}; its options are {options or 'none'}") from error
        # In a list, so that every part refuses what it cannot read now, and not when the others have been read
        parts = _parts(self.path, self.split)
        named = [(path, {} if split is None else {"split": split}) for path, split in parts]
        items: Iterator[Item] = chain.from_iterable([read(path, **split, **given) for path, split in named])
        if self._has_split_column and self.split is not None:
            items = (item for item in items if _split_of(item) == self.split)
        return by_strictness(items) if self.by_rater else items


def _split_of(item: Item) -> str:
    return item.first.split if isinstance(item, RatedPair) else item.split


def _parts(path: str, split: str | None) -> Sequence[tuple[str, str | None]]:
    """The splits of a data set that are wanted, each with our name for it; of anything else, its path."""
    place = data_set_place(path)
    if place is None or place[1] is not None:
        return [(path, split)]
    names = {name: _our_name(name) for name in split_names(place[0])}
    if not names:
        return [(path, split)]
    parts = [(f"{path}:{name}", ours) for name, ours in names.items() if ours is not None and split in (None, ours)]
    if not parts:
        shown = ", ".join(names)
        raise ValueError(
            f"{path} has no split {split or 'we know'}; it has {shown}: name one, {path}:{next(iter(names))}"
        )
    return parts


def _our_name(split: str) -> str | None:
    try:
        return split_name(split)
    except ValueError:
        return None


def read_options(given: Iterable[str]) -> dict[str, Any]:
    """Read a reader's arguments, ``NAME=VALUE`` each; a value that is JSON counts as such, any other as text.

    Raises:
        ValueError: If one is not of that form.

    Example:
        >>> read_options(["root=/data/wav", "lift=false"])
        {'root': '/data/wav', 'lift': False}
    """
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise ValueError(f"option {text!r}; NAME=VALUE is needed, such as root=/data/wav")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found
