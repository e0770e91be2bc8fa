"""What one can ask about in words of one's own: concepts with many wordings each, read from ``rubrics/concepts/*.yaml``.

A concept is something that a simulation does to a clip (``causes``, keys of its severities) or one of our rubrics, and
the ways in which people ask about it. A third of the wordings never trains, and some concepts never train at all: what
is measured on those is what a judge makes of words that it was not taught. Four files are no concepts: questions that
no sound answers (``unhearable``), templates that join two concepts (``compositions``), and answers (``scales``).

    hum, = (one for one in concepts().values() if one.name == "hum")
    trained = [wording.text for wording in hum.wordings if not wording.held_out]
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, get_args, get_type_hints

from audio_judge.errors import UsageError

# More means more of the fault; more means less of it; yes means that it is there; yes means that it is not
ASKS = ("strength", "freedom", "presence", "absence")
REGISTERS = ("engineer", "lay", "non_native", "word", "instruction")
OTHERS = ("unhearable", "frames", "compositions", "scales", "ends", "elsewhere", "mixtures")


@dataclass(frozen=True)
class Wording:
    """One way to ask.

    Args:
        asks: One of ``ASKS``; the first two are graded, the others are answered by yes or no.
        register: Who would say it so, one of ``REGISTERS``.
        held_out: Whether it never trains.

    Example:
        >>> Wording("Is the clip without hum?", "absence", "lay").held_out
        False
    """

    text: str
    asks: str
    register: str
    held_out: bool = False

    def __post_init__(self) -> None:
        _check_choice("asks", self.asks, ASKS)
        _check_choice("register", self.register, REGISTERS)
        if self.text != " ".join(self.text.split()) or not self.text:
            raise ValueError(f"text {self.text!r}; words without extra spaces are needed")


@dataclass(frozen=True)
class Concept:
    """One thing to ask about.

    Args:
        causes: Keys of the severities; how strong the concept is, is the worst of them. Empty if ``rubric`` is given.
        rubric: One of our rubrics, which says how good a clip is in place of causes; a wording's strength is how bad.
        seen: Whether any of its words train; without, all its wordings are ``held_out``.
        names: Noun phrases that go into ``frames`` and ``compositions``.
        words: Beginnings of words that only this concept may use, if it is not seen.

    Example:
        >>> concepts()["buzz"].causes, concepts()["buzz"].seen
        (('hum',), False)
    """

    name: str
    names: tuple[str, ...]
    wordings: tuple[Wording, ...]
    causes: tuple[str, ...] = ()
    rubric: str = ""
    seen: bool = True
    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.causes) == bool(self.rubric):
            raise ValueError(f"causes {list(self.causes)} and rubric {self.rubric!r}; give one of the two")
        if bool(self.words) == self.seen:
            raise ValueError(f"words {list(self.words)}; give them if, and only if, seen is false")
        if not self.names or not self.wordings:
            raise ValueError("names and wordings; at least one of each is needed")

    @property
    def training_names(self) -> tuple[str, ...]:
        """Names that train: the first two thirds, or none of a concept that is not seen.

        Example:
            >>> concepts()["hum"].training_names[0]
            'hum'
        """
        return self.names[: len(self.names) * 2 // 3] if self.seen else ()

    @property
    def held_out_names(self) -> tuple[str, ...]:
        """Names that never train."""
        return self.names[len(self.training_names) :]


@dataclass(frozen=True)
class WordedScale:
    """Answers to a graded question.

    Args:
        levels: Two or more, lowest first: the least of what is asked for.
        asks: Whether the highest level is most of the fault (``strength``) or least of it (``freedom``).
        sentences: What may be said after a question so that the direction is clear; any one will do.
        held_out: Whether neither the levels with this direction nor the sentences train.

    Example:
        >>> WordedScale(("1", "2", "3"), "freedom", ("3 is the best.",)).levels[-1]
        '3'
    """

    levels: tuple[str, ...]
    asks: str
    sentences: tuple[str, ...] = ()
    held_out: bool = False

    def __post_init__(self) -> None:
        _check_choice("asks", self.asks, ASKS[:2])
        if len(self.levels) < 2 or len(set(self.levels)) < len(self.levels):
            raise ValueError(f"levels {list(self.levels)}; two or more different ones are needed")


@dataclass(frozen=True)
class _Wordings:
    """A file with nothing but wordings."""

    wordings: tuple[Wording, ...]


@dataclass(frozen=True)
class Mixture:
    """Texts in the words that people have for one fault or several at once.

    Args:
        causes: Keys of the severities; the truth is the worst of them.
        strength, freedom, presence: Texts, by what they ask, as ``Wording`` has it.
    """

    causes: tuple[str, ...]
    strength: tuple[str, ...] = ()
    freedom: tuple[str, ...] = ()
    presence: tuple[str, ...] = ()

    @property
    def wordings(self) -> tuple[Wording, ...]:
        """All texts."""
        kinds = {"strength": self.strength, "freedom": self.freedom, "presence": self.presence}
        return tuple(Wording(text, asks, "lay") for asks, texts in kinds.items() for text in texts)


@dataclass(frozen=True)
class _Mixtures:
    mixtures: tuple[Mixture, ...]


@dataclass(frozen=True)
class _Elsewhere:
    nouns: tuple[str, ...]
    adjectives: tuple[str, ...]
    templates: tuple[str, ...]


@dataclass(frozen=True)
class _Ends:
    worst: tuple[str, ...]
    best: tuple[str, ...]
    least: tuple[str, ...]
    most: tuple[str, ...]


@dataclass(frozen=True)
class _Scales:
    scales: tuple[WordedScale, ...]


@cache
def concepts() -> dict[str, Concept]:
    """Read all concepts, by name.

    Raises:
        UsageError: If a file is not well formed; the message names it, the key and the fix.

    Example:
        >>> concepts()["hum"].wordings[0].text
        'How strong is the hum?'
    """
    found = sorted(_folder().iterdir(), key=lambda file: file.name)
    named = {file.name.removesuffix(".yaml"): file for file in found if file.name.endswith(".yaml")}
    return {name: read_concept(file) for name, file in named.items() if name not in OTHERS}


@cache
def unhearable() -> tuple[Wording, ...]:
    """Read questions that no sound answers; what they ask for is only whether they are graded or answered by yes or no.

    Example:
        >>> unhearable()[0].text
        'How old is the speaker?'
    """
    return _read(_folder() / "unhearable.yaml", _Wordings).wordings


@cache
def frames() -> tuple[Wording, ...]:
    """Read templates whose ``{a}`` is a name of any concept.

    Example:
        >>> frames()[0].text.format(a="hum")
        'How much hum is there?'
    """
    return _read(_folder() / "frames.yaml", _Wordings).wordings


@cache
def mixtures() -> tuple[Mixture, ...]:
    """Read texts that ask about one fault or several at once; all of them train.

    Example:
        >>> mixtures()[0].causes
        ('muffled', 'thin', 'codec')
    """
    return _read(_folder() / "mixtures.yaml", _Mixtures).mixtures


@cache
def elsewhere() -> dict[str, tuple[str, ...]]:
    """Read ``nouns``, ``adjectives`` and ``templates`` with both, of questions that no sound answers, as many as there are pairs.

    Example:
        >>> found = elsewhere()
        >>> found["templates"][0].format(noun=found["nouns"][0], adjective=found["adjectives"][0])
        'How expensive is the tax?'
    """
    return dict(vars(_read(_folder() / "elsewhere.yaml", _Elsewhere)))


@cache
def ends() -> dict[str, tuple[str, ...]]:
    """Read words for the ends of scales: ``worst`` and ``best`` of what is good, ``least`` and ``most`` of what is asked for.

    Example:
        >>> ends()["worst"][0], ends()["most"][0]
        ('bad', 'extreme')
    """
    return dict(vars(_read(_folder() / "ends.yaml", _Ends)))


@cache
def compositions() -> tuple[Wording, ...]:
    """Read templates whose ``{a}`` and ``{b}`` are names of two concepts; the truth is the worse of the two.

    Example:
        >>> compositions()[0].text.format(a="hum", b="clicks")
        'How disturbing are hum and clicks together?'
    """
    return _read(_folder() / "compositions.yaml", _Wordings).wordings


@cache
def scales() -> tuple[WordedScale, ...]:
    """Read the scales that a graded question may be answered on.

    Example:
        >>> scales()[0].levels
        ('none', 'slight', 'moderate', 'strong', 'extreme')
    """
    return _read(_folder() / "scales.yaml", _Scales).scales


def read_concept(file: Traversable) -> Concept:
    """Read one concept, called like its file.

    Args:
        file: A ``Path`` will do.

    Raises:
        UsageError: If it is not well formed; the message names the file, the key and the fix.
    """
    return _read(file, Concept, name=file.name.removesuffix(".yaml"))


def _folder() -> Traversable:
    return files("audio_judge.rubrics") / "concepts"


def _check_choice(key: str, value: Any, known: Sequence[str]) -> None:
    if value not in known:
        raise ValueError(f"{key} {value!r}; use one of {', '.join(known)}")


def _read(file: Traversable, kind: type, **known: Any) -> Any:
    import yaml

    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{file}: cannot be read as YAML ({error})") from error
    try:
        return _build(kind, _kept_out(content), **known)
    except ValueError as error:
        raise UsageError(f"{file}: {error}") from error


def _kept_out(content: Any) -> Any:
    """Hold out all wordings of a concept that is not seen; what is not well formed is left to ``_build``."""
    if (
        not isinstance(content, dict)
        or content.get("seen") is not False
        or not isinstance(content.get("wordings"), list)
    ):
        return content
    wordings = [{**one, "held_out": True} if isinstance(one, dict) else one for one in content["wordings"]]
    return {**content, "wordings": wordings}


def _build(kind: type, content: Any, **known: Any) -> Any:
    """Make a dataclass of what YAML holds, and say which key is wrong if it does not fit."""
    keys = [one.name for one in fields(kind) if one.name not in known]
    if not isinstance(content, dict):
        raise ValueError(f"{str(content)[:60]!r}; a mapping with {', '.join(keys)} is needed")
    unknown = [key for key in content if key not in keys]
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r}; known: {', '.join(keys)}")
    types = get_type_hints(kind)
    values = {key: _value(key, value, types[key]) for key, value in content.items()}
    try:
        return kind(**known, **values)
    except TypeError as error:  # a field that must be there
        missing = [key for key in keys if key not in content and key not in vars(kind)]
        raise ValueError(f"no {missing[0]} in {str(content)[:60]!r}; add it") from error


def _value(key: str, value: Any, wanted: Any) -> Any:
    item, *_ = get_args(wanted) or (None,)
    if item is None:
        if not isinstance(value, wanted):
            # YAML reads a bare no, or 1, as something other than text
            raise ValueError(f"{key} {value!r}; {'text in quotes' if wanted is str else 'true or false'} is needed")
        return value
    if not isinstance(value, list):
        raise ValueError(f"{key} {value!r}; a list is needed")
    if item is str:
        return tuple(_value(key, one, str) for one in value)
    return tuple(_item(f"{key}, number {number}", item, one) for number, one in enumerate(value, 1))


def _item(place: str, kind: type, content: Any) -> Any:
    try:
        return _build(kind, content)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error
