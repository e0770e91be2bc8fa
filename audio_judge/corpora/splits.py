"""Refuse leakage between splits, and deal clips to splits that share nothing.

The check reads an iterator of clips and pairs once and keeps only short hashes, so that large corpora fit into memory. No
audio is decoded; the check of contents reads the files' bytes.
"""

import hashlib
import logging
import os
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from audio_judge.clips import Item, RatedClip, RatedPair

logger = logging.getLogger(__name__)

_EXAMPLES = 3


class SplitError(ValueError):
    """Splits that leak into each other."""


@dataclass
class _Seen:
    """Where a value was met first, and one name per place."""

    name: str
    places: dict[str, str] = field(default_factory=dict)


def _clips_of(item: Item) -> tuple[RatedClip, ...]:
    return (item.first, item.second) if isinstance(item, RatedPair) else (item,)


def content_hash(path: str | Path) -> str:
    """Hash the bytes of a file, which is not decoded, to 32 hexadecimal digits.

    Raises:
        SplitError: If the file is missing.
    """
    if not Path(path).is_file():
        raise SplitError(f"{path}: no such file; its content cannot be compared")
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


_FIELDS: dict[str, Callable[[RatedClip], str | None]] = {
    "path": lambda clip: os.path.normpath(clip.path),
    "content": lambda clip: content_hash(clip.path),
    "speaker": lambda clip: clip.speaker,
    "system": lambda clip: clip.system,
    "reference": lambda clip: None if clip.reference is None else os.path.normpath(clip.reference),
    "condition": lambda clip: clip.condition,
    "corpus": lambda clip: clip.corpus,
}
# What no two splits may share, and what they do not where the clips allow it, that which leaks most first
SAME_CLIP = ("path", "content")
KEPT_TOGETHER = ("speaker", "reference", "system", "corpus")
SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}
# Of its share, what a split must get at least for what is kept together to be kept so
_LEAST_SHARE = 0.5


def check_disjoint(items: Iterable[Item], fields: Sequence[str] = ("path",), warned: Sequence[str] = ()) -> int:
    """Refuse items that share something between splits.

    A clip may serve several tasks of one split; it is the same split that counts, whatever the task. Give all corpora
    that go into a training and into its tests together.

    Args:
        items: Clips and pairs; both clips of a pair count.
        fields: What may not be shared: ``path``, ``content`` (hash of the file's bytes), ``speaker``, ``system``,
            ``reference``, ``condition``, ``corpus``. What a clip's corpus shares on purpose (``RatedClip.shared``) does not count.
        warned: The same, of what is only warned about.

    Returns:
        Number of clips looked at.

    Raises:
        ValueError: If a field is unknown.
        SplitError: If something is shared; the message names examples and how many there are.

    >>> one, two = RatedClip("a.wav", {}, "train", "x"), RatedClip("./a.wav", {}, "test", "x")
    >>> check_disjoint([one, two])
    Traceback (most recent call last):
    audio_judge.corpora.splits.SplitError: 1 path in more than one split: a.wav (test, train); leave them out of one
    """
    both = tuple(dict.fromkeys((*fields, *warned)))
    unknown = [name for name in both if name not in _FIELDS]
    if unknown:
        raise ValueError(f"fields {unknown}; known: {', '.join(_FIELDS)}")
    seen: dict[str, dict[bytes, _Seen]] = {name: {} for name in both}
    leaks: dict[str, dict[bytes, _Seen]] = {name: {} for name in both}
    count = 0
    for clip in chain.from_iterable(map(_clips_of, items)):
        count += 1
        for name in both:
            value = None if name in clip.shared else _FIELDS[name](clip)
            if value is not None:
                _meet(seen[name], leaks[name], value, clip)
    for name in both:
        if name not in fields and leaks[name]:
            logger.warning("%s; figures of the test may be too good", _describe(name, leaks[name]))
    problems = [_describe(name, leaks[name]) for name in fields if leaks[name]]
    if problems:
        raise SplitError("; ".join(problems) + "; leave them out of one")
    return count


def _meet(seen: dict[bytes, _Seen], leaks: dict[bytes, _Seen], value: str, clip: RatedClip) -> None:
    # A digest in place of the path keeps a million clips within some hundred megabytes.
    digest = hashlib.blake2b(value.encode(), digest_size=12).digest()
    entry = seen.setdefault(digest, _Seen(value))
    entry.places.setdefault(clip.split, clip.path)
    if len(entry.places) > 1:
        leaks[digest] = entry


def _describe(name: str, found: Mapping[bytes, _Seen]) -> str:
    examples = []
    for entry in list(found.values())[:_EXAMPLES]:
        where = ", ".join(
            place if name == "path" else f"{place}: {path}" for place, path in sorted(entry.places.items())
        )
        examples.append(f"{entry.name} ({where})")
    return f"{len(found)} {name} in more than one split: {', '.join(examples)}"


def deal(
    clips: Sequence[RatedClip], shares: Mapping[str, float] = SHARES, seed: int = 0
) -> tuple[list[RatedClip], tuple[str, ...]]:
    """Deal clips to splits so that no clip, and as far as there are enough of them no speaker, reference, system and corpus, is in two.

    Args:
        shares: Split to the share of the clips that it gets, about.
        seed: Of which split gets what.

    Returns:
        The clips in their order, each in its split, and which of ``KEPT_TOGETHER`` no two splits share: of what all clips have the
        same, or so few that a split would be left with less than half of its share, that cannot be said.

    Example:
        >>> clips = [RatedClip(f"{k}.wav", {}, "", "own", speaker=f"s{k % 5}") for k in range(50)]
        >>> dealt, together = deal(clips, {"train": 0.8, "test": 0.2})
        >>> [clip.split for clip in dealt].count("test"), together
        (10, ('speaker',))
    """
    known = [name for name in KEPT_TOGETHER if any(_FIELDS[name](clip) is not None for clip in clips)]
    fields = [name for name in SAME_CLIP if name != "content" or all(Path(clip.path).is_file() for clip in clips)]
    splits, together = _dealt(_alike(clips, fields), shares, seed), []
    for name in known:
        found = _dealt(_alike(clips, [*fields, name]), shares, seed)
        if all(found.count(split) >= _LEAST_SHARE * share * len(clips) for split, share in shares.items()):
            splits, fields = found, [*fields, name]
            together.append(name)
    return [replace(clip, split=split) for clip, split in zip(clips, splits, strict=True)], tuple(together)


def _alike(clips: Sequence[RatedClip], fields: Sequence[str]) -> list[int]:
    """A number for each clip, the same for those that share a field with each other or with a third one."""
    number, first = list(range(len(clips))), dict[tuple[str, str], int]()

    def find(one: int) -> int:
        while number[one] != one:
            number[one] = one = number[number[one]]
        return one

    for place, clip in enumerate(clips):
        for name in fields:
            value = _FIELDS[name](clip)
            if value is not None:
                number[find(place)] = find(first.setdefault((name, value), place))
    return [find(place) for place in range(len(clips))]


def _dealt(groups: Sequence[int], shares: Mapping[str, float], seed: int) -> list[str]:
    """The split of each clip: whole groups, the largest first, each to the split that lacks most of its share."""
    members: dict[int, int] = {}
    for group in groups:
        members[group] = members.get(group, 0) + 1
    order = list(members)
    random.Random(seed).shuffle(order)
    lacks, given = {split: share * len(groups) for split, share in shares.items()}, {}
    for group in sorted(order, key=lambda one: -members[one]):
        split = max(lacks, key=lambda one: lacks[one] / shares[one])
        lacks[split] -= members[group]
        given[group] = split
    return [given[group] for group in groups]
