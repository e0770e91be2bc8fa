"""Clips as their strict and as their lenient raters rated them, for corpora whose single votes say who gave them.

A rater's strictness is how far, on average, his votes lie from those of the others for the same clips. The strictest and the
most lenient, a third of the votes each, become the listeners ``strict`` and ``lenient`` of ``audio_judge.tasks.listeners``.
Left out: what else raters have in common, of which corpora say nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from audio_judge.clips import Item, RatedClip
from audio_judge.corpora.rows import rating_from_votes
from audio_judge.rubrics.rubric import get_rubric

# Votes that a rater is taken to have given like everybody else, so that few votes make nobody strict
SHRINKAGE = 5
# Shares of a scale by which strict and lenient raters have to differ at least
LEAST_GAP = 0.05
GROUPS = ("strict", "lenient")
Votes = Mapping[str, Mapping[str, float]]


def votes_of(clip: RatedClip) -> Votes:
    """Tell who voted what: rubric to rater to vote, of ``extra["raters"]``; a clip with one rubric has no names of them.

    Example:
        >>> from audio_judge.clips import Rating
        >>> votes_of(RatedClip("a.wav", {"mos": Rating(3.5)}, "train", "BVCC", extra={"raters": {"r1": 3, "r2": 4}}))
        {'mos': {'r1': 3, 'r2': 4}}
    """
    raters = clip.extra.get("raters") or {}
    if not isinstance(raters, Mapping):  # of a pair's corpus, names alone
        return {}
    if all(isinstance(votes, Mapping) for votes in raters.values()):
        return {rubric: votes for rubric, votes in raters.items() if rubric in clip.ratings}
    return {next(iter(clip.ratings)): raters} if len(clip.ratings) == 1 else {}


def group_raters(clips: Iterable[RatedClip]) -> dict[str, str]:
    """Find the strict and the lenient raters.

    Returns:
        Rater to one of ``GROUPS``; those in the middle are absent, and all of them if nobody is strict or lenient.
    """
    gaps: dict[str, list[float]] = defaultdict(list)  # each vote's distance from the others', as a share of the scale
    for clip in clips:
        for rubric, votes in votes_of(clip).items():
            asked, total = get_rubric(rubric), sum(votes.values())
            span = (asked.high - asked.low) * (1 if asked.higher_is_better else -1)  # strict is who hears the bad end
            for rater, vote in votes.items() if len(votes) > 1 else ():
                others = (total - vote) / (len(votes) - 1)
                gaps[rater].append((vote - others) / span)
    leaning = {rater: sum(some) / (len(some) + SHRINKAGE) for rater, some in gaps.items()}
    number, before, groups = sum(map(len, gaps.values())), 0, dict[str, str]()
    for rater in sorted(leaning, key=leaning.__getitem__):
        middle = (before + len(gaps[rater]) / 2) / number  # where his votes lie among all, strictest first, 0 to 1
        before += len(gaps[rater])
        if middle <= 1 / 3 or middle >= 2 / 3:
            groups[rater] = GROUPS[middle > 0.5]
    ends = [[leaning[rater] for rater, group in groups.items() if group == name] for name in GROUPS]
    return groups if all(ends) and min(ends[1]) - max(ends[0]) >= LEAST_GAP else {}


def heard_by(clip: RatedClip, group: str, groups: Mapping[str, str]) -> RatedClip | None:
    """A clip with the ratings of one group of raters, whose name it bears; None if none of them rated it."""
    own = {
        rubric: [vote for rater, vote in votes.items() if groups.get(rater) == group]
        for rubric, votes in votes_of(clip).items()
    }
    ratings = {rubric: rating_from_votes(votes) for rubric, votes in own.items() if votes}
    return replace(clip, ratings=ratings, listener=group) if ratings else None


def by_strictness(items: Iterable[Item]) -> Iterator[Item]:
    """Give every item, and behind a clip the same as its strict and as its lenient raters rated it.

    All items are held in memory, since who is strict shows at the end.
    """
    held = list(items)
    groups = group_raters(item for item in held if isinstance(item, RatedClip))
    for item in held:
        yield item
        if isinstance(item, RatedClip):
            yield from filter(None, (heard_by(item, group, groups) for group in GROUPS))
