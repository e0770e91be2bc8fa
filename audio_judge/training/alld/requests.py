"""What ALLD asks about clips, and the preferred text of each request."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from audio_judge.clips import Item, RatedClip, RatedPair, Rating
from audio_judge.data.instructions import Instructor, Manner
from audio_judge.messages import audio_blocks
from audio_judge.tasks import describe

ALLD_TASKS = ("describe", "compare")
# What ``make_requests`` makes; ``audio_judge.Request`` is a clip for a judge
AlldRequest = dict[str, Any]


def make_requests(
    clips: Sequence[RatedClip],
    tasks: Mapping[str, float] | Sequence[str] = ALLD_TASKS,
    *,
    captions: Iterable[Item] | None = None,
    seed: int = 0,
) -> list[AlldRequest]:
    """Make what the judge is asked about clips, what the expert is asked in its place, and the text to be learned.

    Args:
        clips: Rated clips; each needs an overall rating.
        tasks: Weights of ``describe`` and ``compare``, or those of equal weight; not for captions, which are what they
            are.
        captions: What ``read_captions`` or ``read_alld`` gives about these clips, whose texts are learned, one request per
            caption. None for our own writers, one request per clip.
        seed: Of everything that is drawn.

    Returns:
        Dicts with ``task, prompt`` (with audio), ``expert_prompt`` (text alone), ``chosen, seed``, the ``rubrics`` and
        ``verdicts`` of the text to be learned, and ``ratings``, one dict of scores per clip.

    Raises:
        ValueError: If a task is another one, nothing can be asked, or a caption is about a clip that is not given.
    """
    unknown = set(tasks) - set(ALLD_TASKS)
    if unknown:
        raise ValueError(f"task {', '.join(sorted(unknown))}; the expert can read ratings for {', '.join(ALLD_TASKS)}")
    readable = [replace(clip, ratings=_known(clip)) for clip in clips]
    rated = {clip.path: clip for clip in readable}
    requests = [
        _request(example, [rated[block["path"]] for block in audio_blocks(example)])
        for example in (_of_clips(readable, tasks, seed) if captions is None else _of_captions(captions, rated, seed))
    ]
    if not requests:
        raise ValueError(f"{len(clips)} clips make no request; overall ratings (mos) are needed")
    return requests


def _of_clips(
    clips: Sequence[RatedClip], tasks: Mapping[str, float] | Sequence[str], seed: int
) -> Iterator[dict[str, Any]]:
    instructor = Instructor(tasks, seed, Manner(both_orders=False))
    for index, clip in enumerate(clips):
        yield from instructor.examples(clip, index)


def _of_captions(captions: Iterable[Item], rated: Mapping[str, RatedClip], seed: int) -> Iterator[dict[str, Any]]:
    """Examples of the order that a caption speaks of, with the ratings that the captions themselves lack."""
    instructors = {RatedClip: Instructor(["describe"], seed), RatedPair: Instructor(["compare"], seed)}
    for index, caption in enumerate(captions):
        item = _with_ratings(caption, rated)
        for example in instructors[type(item)].examples(item, index):
            # A comparison is asked in both orders; the other one's text has its clips exchanged
            if example["completion"][0]["content"] == caption.extra["caption"]:
                yield example


def _with_ratings(caption: Item, rated: Mapping[str, RatedClip]) -> Item:
    try:
        if isinstance(caption, RatedPair):
            return replace(caption, first=rated[caption.first.path], second=rated[caption.second.path])
        clip = rated[caption.path]
    except KeyError as error:
        raise ValueError(
            f"a caption of {error.args[0]}, which is not among the {len(rated)} rated clips; give the folder and the split "
            "of the corpus that the captions were written for"
        ) from error
    return replace(clip, extra=clip.extra | caption.extra)


def _known(clip: RatedClip) -> dict[str, Rating]:
    """The ratings that the expert can read; nothing else shall be in the texts."""
    return {name: rating for name, rating in clip.ratings.items() if name in describe.META_KEYS}


def _scores(clip: RatedClip) -> dict[str, float]:
    return {name: rating.value for name, rating in clip.ratings.items()}


def _request(example: Mapping[str, Any], clips: list[RatedClip]) -> AlldRequest:
    asked = example["prompt"][0]["content"][-1]["text"].strip()
    ratings, directions = [_scores(clip) for clip in clips], [describe.known_direction(clip.causes) for clip in clips]
    seed = example["seed"]
    if example["task"] == "compare":
        facts = describe.rated_pair_words(ratings, directions, seed)
    else:
        facts = describe.rated_words(ratings[0], directions[0], seed)
    request = {name: example[name] for name in ("task", "prompt", "seed", "rubrics")}
    request |= {"verdicts": example.get("verdicts", {})}
    request |= {"expert_prompt": describe.expert_messages(facts, asked), "ratings": ratings}
    return request | {"chosen": example["completion"][0]["content"]}


def digest_of(facts: Any) -> str:
    """Sum up JSON-able facts in 24 hexadecimal digits that change with them."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]
