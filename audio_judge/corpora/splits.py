"""Refuse leakage between splits or tasks, and check a corpus against its published sizes and shares.

Both read an iterator of clips and pairs once and keep only short hashes, so that large corpora fit into memory. No audio is decoded; the
check of contents reads the files' bytes.
"""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from audio_judge.clips import RatedClip, RatedPair

SPEECHEVAL_SIZES: dict[str, dict[str, int]] = {
    "SingleEval": {"train": 23_769, "validation": 5_392, "test": 5_505},
    "CompareEval": {"train": 19_260, "validation": 4_069, "test": 4_297},
    "Suggest": {"train": 23_494, "validation": 5_316, "test": 5_445},
    "FakeDetection": {"train": 6_600, "validation": 5_724, "test": 19_883},
}
"""Records per task and split: SpeechLLM-as-Judges (arXiv 2510.14664), the table of SpeechEval's splits."""
SPEECHEVAL_REAL_SHARES: dict[str, float] = {"train": 0.331, "validation": 0.227, "test": 0.203}
"""Share of real speech in deepfake detection, per split: the same paper."""
AUDIOMOS_2025_SIZES: dict[str, dict[str, int]] = {"": {"train": 2_700, "validation": 250}}
"""Clips of track 2 per split, as its organisers announced them; it has no tasks, which is the empty name."""

_EXAMPLES = 3


class SplitError(ValueError):
    """Splits that leak into each other, or that are not the published ones."""


@dataclass
class _Seen:
    """Where a value was met first, and one name per place."""

    name: str
    places: dict[str, str] = field(default_factory=dict)


def clips_of(item: RatedClip | RatedPair) -> tuple[RatedClip, ...]:
    """Give the clip, or the two clips of a pair.

    Args:
        item: A clip or a pair.
    """
    return (item.first, item.second) if isinstance(item, RatedPair) else (item,)


def content_hash(path: str | Path) -> str:
    """Hash the bytes of a file.

    Args:
        path: An audio file, which is not decoded.

    Returns:
        32 hexadecimal digits.

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


def check_disjoint(
    items: Iterable[RatedClip | RatedPair], fields: Sequence[str] = ("path",), *, across: str = "split"
) -> int:
    """Refuse items that share something between splits, or between tasks or corpora.

    A clip may serve several tasks of one split; it is the same split that counts, whatever the task. Give all corpora that go into a training and
    into its tests together.

    Args:
        items: Clips and pairs; both clips of a pair count.
        fields: What may not be shared: ``path``, ``content`` (hash of the file's bytes), ``speaker``, ``system``, ``reference``, ``condition``.
        across: ``split``, ``task`` (``extra["task"]``) or ``corpus``.

    Returns:
        Number of clips looked at.

    Raises:
        ValueError: If a field or ``across`` is unknown.
        SplitError: If something is shared; the message names examples and how many there are.

    >>> one, two = RatedClip("a.wav", {}, "train", "x"), RatedClip("./a.wav", {}, "test", "x")
    >>> check_disjoint([one, two])
    Traceback (most recent call last):
    audio_judge.corpora.splits.SplitError: 1 path in more than one split: a.wav (test, train); leave them out of one
    """
    unknown = [name for name in fields if name not in _FIELDS]
    if unknown or across not in {"split", "task", "corpus"}:
        raise ValueError(f"fields {unknown}, across {across!r}; known: {', '.join(_FIELDS)}; split, task, corpus")
    seen: dict[str, dict[bytes, _Seen]] = {name: {} for name in fields}
    leaks: dict[str, dict[bytes, _Seen]] = {name: {} for name in fields}
    count = 0
    for clip, place in _places(items, across):
        count += 1
        for name in fields:
            value = _FIELDS[name](clip)
            if value is not None:
                _meet(seen[name], leaks[name], value, clip, place)
    problems = [_describe(name, across, found) for name, found in leaks.items() if found]
    if problems:
        raise SplitError("; ".join(problems) + "; leave them out of one")
    return count


def _places(items: Iterable[RatedClip | RatedPair], across: str) -> Iterator[tuple[RatedClip, str]]:
    for item in items:
        for clip in clips_of(item):
            if across == "task":
                yield clip, str(item.extra.get("task", ""))
            else:
                yield clip, clip.split if across == "split" else clip.corpus


def _meet(seen: dict[bytes, _Seen], leaks: dict[bytes, _Seen], value: str, clip: RatedClip, place: str) -> None:
    # A digest in place of the path keeps a million clips within some hundred megabytes.
    digest = hashlib.blake2b(value.encode(), digest_size=12).digest()
    entry = seen.setdefault(digest, _Seen(value))
    entry.places.setdefault(place, clip.path)
    if len(entry.places) > 1:
        leaks[digest] = entry


def _describe(name: str, across: str, found: Mapping[bytes, _Seen]) -> str:
    examples = []
    for entry in list(found.values())[:_EXAMPLES]:
        where = ", ".join(
            place if name == "path" else f"{place}: {path}" for place, path in sorted(entry.places.items())
        )
        examples.append(f"{entry.name} ({where})")
    return f"{len(found)} {name} in more than one {across}: {', '.join(examples)}"


def check_shares(
    items: Iterable[RatedClip | RatedPair],
    sizes: Mapping[str, Mapping[str, int]],
    real_shares: Mapping[str, float] | None = None,
    *,
    tolerance: float = 0.01,
    whole: bool = True,
) -> dict[str, dict[str, int]]:
    """Compare a corpus with its published sizes and shares.

    Args:
        items: All clips and pairs of the corpus, once; ``extra["task"]`` is the task, ``extra["label"]`` is ``real`` or ``fake``.
        sizes: Task to split to number of records, such as ``SPEECHEVAL_SIZES``.
        real_shares: Split to share of real among the items with a label, such as ``SPEECHEVAL_REAL_SHARES``.
        tolerance: How far a share may be off (absolute), and a size (relative).
        whole: Whether the sizes must agree too; for a sample of the corpus, only the shares of the splits within each task do.

    Returns:
        Task to split to number of records found.

    Raises:
        SplitError: If anything is off; the message lists all of it.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    for item in items:
        split = clips_of(item)[0].split
        counts[str(item.extra.get("task", ""))][split] += 1
        if "label" in item.extra:
            labels[split][item.extra["label"]] += 1
    problems = [f"task {task!r} is not published" for task in counts if task not in sizes]
    for task, published in sizes.items():
        problems += _size_problems(task, published, counts[task], tolerance, whole)
    for split, share in (real_shares or {}).items():
        problems += _share_problems(split, share, labels[split], tolerance)
    if problems:
        raise SplitError("not as published: " + "; ".join(problems))
    return {task: dict(found) for task, found in counts.items() if found}


def _size_problems(
    task: str, published: Mapping[str, int], found: Counter[str], tolerance: float, whole: bool
) -> list[str]:
    problems = []
    for split in {*published, *found}:
        size, own = published.get(split, 0), found[split]
        wanted, share = size / sum(published.values()), own / max(found.total(), 1)
        name = f"{task} {split}".strip()
        if whole and abs(own - size) > tolerance * size:
            problems.append(f"{name} has {own} records, {size} published")
        elif abs(share - wanted) > tolerance and (whole or found):
            problems.append(f"{name} is {share:.1%} of its task, {wanted:.1%} published")
    return sorted(problems)


def _share_problems(split: str, share: float, found: Counter[str], tolerance: float) -> list[str]:
    if not found:
        return [f"{split} has no real and fake labels, {share:.1%} real published"]
    own = found["real"] / found.total()
    return [] if abs(own - share) <= tolerance else [f"{split} is {own:.1%} real, {share:.1%} published"]
