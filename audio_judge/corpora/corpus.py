"""Any corpus by its name: the readers, and what a mixture or a recipe says about one."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from audio_judge.clips import Item, RatedClip
from audio_judge.corpora.aes import read_aes
from audio_judge.corpora.bvcc import read_bvcc
from audio_judge.corpora.captions import read_captions
from audio_judge.corpora.nisqa import read_nisqa
from audio_judge.corpora.qualispeech import read_qualispeech
from audio_judge.corpora.simulated import read_simulated
from audio_judge.corpora.speecheval import read_preferences, read_speecheval
from audio_judge.corpora.speechjudge import read_speechjudge
from audio_judge.corpora.table import Columns, PairColumns, read_pairs, read_table
from audio_judge.corpora.vcc2020 import VoteColumns, read_votes
from audio_judge.messages import ReferenceUse
from audio_judge.rubrics.rubric import ALL_RUBRICS, Scale, convert, get_rubric

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
