"""Refuse leakage between splits.

Reads an iterator of clips and pairs once and keeps only short hashes, so that large corpora fit into memory. No audio
is decoded; the check of contents reads the files' bytes.
"""

import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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
}


def check_disjoint(items: Iterable[Item], fields: Sequence[str] = ("path",), warned: Sequence[str] = ()) -> int:
    """Refuse items that share something between splits.

    A clip may serve several tasks of one split; it is the same split that counts, whatever the task. Give all corpora
    that go into a training and into its tests together.

    Args:
        items: Clips and pairs; both clips of a pair count.
        fields: What may not be shared: ``path``, ``content`` (hash of the file's bytes), ``speaker``, ``system``,
            ``reference``, ``condition``. What a clip's corpus shares on purpose (``RatedClip.shared``) does not count.
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
