"""ALLD's data step: a text-only expert writes descriptions of clips, and comparisons of two, from their ratings.

Every reply is checked against the ratings it was written from; one that fails is asked for again with another seed, and
then reported in a file of its own, so that the captions hold valid rows only. Comparisons may be written in two steps, as
the paper's are. A run that was killed goes on where it
stopped: finished rows are kept, and replies that had arrived come from the client's cache.

    async with Client(Endpoint("http://localhost:8000/v1", "Qwen/Qwen3-8B"), cache=Path("replies")) as client:
        report = await write_captions(client, clips, Path("captions.jsonl"), diverse=4)
"""

import hashlib
import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from audio_judge.batch.lines import Appender, rows_by_id
from audio_judge.batch.shards import alone
from audio_judge.clips import RatedClip, RatedPair
from audio_judge.rubrics.rubric import get_rubric
from audio_judge.tasks import ParseError, compare, describe
from audio_judge.tasks.compare import Comparison
from audio_judge.tasks.thoughts import split_thought
from audio_judge.text_models.client import Client, in_order
from audio_judge.text_models.replies import Failure, Sampling

# Temperature and top-p of the one caption that follows the greedy one, and of several, as in ALLD's README and files
SECOND = (1.1, 0.9)
GRID = ((0.9, 0.85), (0.9, 0.95), (1.1, 0.85), (1.1, 0.95))
# So many calls in a row without an answer mean that the server is gone, not that a request is odd
GIVE_UP_AFTER = 20
COMPARISON_REQUESTS = (
    "In two to four sentences, compare the two clips as if you had heard both. {reason}; explain why. Aspects that "
    "clearly differ: {aspects}. Do not quote ratings. End with {token} and nothing after it.",
    "Write what an attentive listener would say about the difference between SpeechA and SpeechB; {reason}. Speak about "
    "these aspects only: {aspects}. Use no numbers. Close with the verdict {token}.",
    "Explain to a colleague how the two clips differ and how that leads to the verdict: {reason}. What differs clearly: "
    "{aspects}. No ratings in the text, please. The last thing you write is {token}.",
)
# In two steps, as ALLD does it: reasons first, from which a second call tells the winner
REASONING_REQUESTS = (
    "Compare the two clips as if you had heard both: which one is better follows from mos. Pick one to three of the other "
    "aspects, those that differ clearly (by more than half a point), say how the clips differ in them, and finish with "
    "your preference and why. Do not quote ratings.",
    "Run an A/B test of SpeechA and SpeechB. The one with the higher mos wins. Argue with up to three aspects whose gap "
    "is plain, more than half a point, in words and without numbers, and say in the end which one you prefer and for what "
    "reason.",
    "Write a listener's comparison of the two clips: one to three aspects with an obvious difference (half a point or "
    "more), what that does to the listening, and then the preference that the overall ratings (mos) call for. No numbers.",
)
SUMMARY_REQUEST = (
    "{comparison}\n\nThat was a comparison of SpeechA and SpeechB. Which of them does it find better? Reply with {a} or {b} "
    "and nothing else."
)
_REASONS = {"A": "SpeechA was preferred", "B": "SpeechB was preferred", "tie": "neither was preferred"}


class TeacherUnavailableError(RuntimeError):
    """The language model answered none of many requests in a row; what was written before is kept."""


@dataclass(frozen=True)
class CaptionReport:
    """What became of the captions that were wanted.

    Args:
        written: Rows written by this run.
        kept: Rows an earlier run had written.
        failed: Rows in the file of failures: the call failed, or no reply was valid.
        requests: Requests sent to the language model by this run, retries included.
    """

    written: int
    kept: int
    failed: int
    requests: int


@dataclass(frozen=True)
class _Job:
    """One caption that is wanted: its row without the text, what to ask, what the reply must end in, in how many calls."""

    row: dict[str, Any]
    messages: list[dict[str, Any]]
    sampling: Sampling
    truth: float | Comparison
    is_two_step: bool = False


def samplings(diverse: int, seed: int = 0) -> list[Sampling]:
    """List how the captions of one clip are drawn: one greedy, then one as in ALLD's README or several as in its files.

    Args:
        diverse: Captions besides the greedy one. A single one is drawn at temperature 1.1 and top-p 0.9; several go
            through the grid of both, above four once more with the next seed.

    Raises:
        ValueError: If ``diverse`` is negative.

    Example:
        >>> [(one.temperature, one.top_p) for one in samplings(1)]
        [(0.0, 1.0), (1.1, 0.9)]
        >>> [(one.temperature, one.top_p) for one in samplings(2)]
        [(0.0, 1.0), (0.9, 0.85), (0.9, 0.95)]
    """
    if diverse < 0:
        raise ValueError(f"diverse {diverse}; 0 or more is needed")
    grid = (SECOND,) if diverse == 1 else GRID
    drawn = [Sampling(*grid[index % len(grid)], seed=seed + index // len(grid)) for index in range(diverse)]
    return [Sampling(seed=seed), *drawn]


async def write_captions(
    client: Client,
    items: Iterable[RatedClip | RatedPair],
    out: Path,
    *,
    diverse: int = 0,
    seed: int = 0,
    tries: int = 3,
    tolerance: float = 0.1,
    two_step: bool = False,
) -> CaptionReport:
    """Have a language model describe clips and compare pairs, one JSON line per caption, in the order of the items.

    Failures go to ``<out>.failed.jsonl``, which every run writes anew; the next run tries them again.

    Args:
        client: Whom to ask; give it a cache, or a killed run asks again for replies that were not yet written.
        items: Clips with an overall rating, or pairs with an overall preference.
        out: File that is continued if it exists.
        diverse: Captions of each besides the greedy one.
        tries: How many replies are asked for before a caption is given up.
        tolerance: How far the score in a description may be from the rating.
        two_step: Whether pairs are compared in two calls, as in ALLD: one finds the winner in the ratings and argues, a
            second one is shown nothing but that text and answers ``[SpeechA]`` or ``[SpeechB]``, which becomes its last
            line. Without it, one call is told who won.

    Raises:
        ValueError: If an item lacks what the reply is checked against, is a tie that is to be compared in two steps, or
            ``out`` is not ours.
        RuntimeError: If another run is writing the same file.
        TeacherUnavailableError: If the language model answers nothing any more.
    """
    with alone(out, "file"):
        done, sent = set(rows_by_id(out)), client.counts.sent
        kept: Counter[str] = Counter()
        jobs = _jobs(items, samplings(diverse, seed), seed, client.backend.identity, two_step)
        waiting = _unfinished(jobs, done, kept)
        written, failed = await _write_rows(client, waiting, out, tries, tolerance)
        return CaptionReport(written, kept.total(), failed, client.counts.sent - sent)


async def _write_rows(client: Client, jobs: Iterable[_Job], out: Path, tries: int, tolerance: float) -> tuple[int, int]:
    # Gives how many rows were written and how many failed
    written = failed = unanswered = 0
    rows = in_order(partial(_caption, client, tries, tolerance), jobs, 4 * client.concurrency)
    with Appender(out) as captions, Appender(Path(f"{out}.failed.jsonl"), is_new=True) as failures:
        async with aclosing(rows):
            async for row in rows:
                if "reason" not in row:
                    captions.write(row)
                    written, unanswered = written + 1, 0
                    continue
                failures.write(row)
                failed, unanswered = failed + 1, 0 if row["reason"] == "invalid" else unanswered + 1
                if unanswered == GIVE_UP_AFTER:
                    raise TeacherUnavailableError(f"{unanswered} captions in a row without an answer: {row['message']}")
    return written, failed


def _unfinished(jobs: Iterable[_Job], done: set[str], kept: Counter[str]) -> Iterator[_Job]:
    begun: set[str] = set()
    for job in jobs:
        key = job.row["id"]
        if key in done:
            kept[key] = 1
        elif key not in begun:
            begun.add(key)
            yield job


def _jobs(
    items: Iterable[RatedClip | RatedPair],
    settings: list[Sampling],
    seed: int,
    identity: Mapping[str, Any],
    two_step: bool,
) -> Iterator[_Job]:
    """All captions that are wanted; the request of a clip is worded differently from variant to variant."""
    for item in items:
        clips = [item] if isinstance(item, RatedClip) else [item.first, item.second]
        paths = [clip.path for clip in clips]
        wording = random.Random(f"{seed} {paths}").randrange(1000)
        for variant, sampling in enumerate(settings):
            task, messages, truth = _request(item, wording + variant, two_step)
            in_two = two_step and task == "compare"
            # The id of a row is made of all that its text depends on, so that a changed request is asked anew
            facts = [task, paths, messages, asdict(sampling), dict(identity), *([SUMMARY_REQUEST] if in_two else [])]
            key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
            row = {"id": key, "task": task, "audio": paths, "variant": variant}
            yield _Job(row | {"model": dict(identity)}, messages, sampling, truth, in_two)


def _request(
    item: RatedClip | RatedPair, wording: int, two_step: bool
) -> tuple[str, list[dict[str, Any]], float | Comparison]:
    # Gives the task, what the expert is asked, and what its reply must end in
    if isinstance(item, RatedClip):
        if "mos" not in item.ratings:
            raise ValueError(f"{item.path}: no overall rating (mos), which a description ends in")
        request = describe.EXPERT_REQUESTS[wording % len(describe.EXPERT_REQUESTS)]
        return "describe", describe.expert_messages(_facts(item), request), item.ratings["mos"].value
    target = _comparison(item)
    facts = f"SpeechA: {_facts(item.first)}\nSpeechB: {_facts(item.second)}"
    if two_step:
        if target.preferred == "tie":
            raise ValueError(
                f"{item.first.path}, {item.second.path}: a tie; compared in two steps, one of the clips wins"
            )
        request = REASONING_REQUESTS[wording % len(REASONING_REQUESTS)]
        return "compare", describe.expert_messages(facts, request), target
    aspects = [get_rubric(name).label for name in target.verdicts if name != "mos"]
    request = COMPARISON_REQUESTS[wording % len(COMPARISON_REQUESTS)].format(
        aspects=", ".join(aspects) or "none",
        token=compare.TOKENS[target.preferred],
        reason=_REASONS[target.preferred],
    )
    return "compare", describe.expert_messages(facts, request), target


def _comparison(pair: RatedPair) -> Comparison:
    preference, paths = pair.preferences.get("mos"), f"{pair.first.path}, {pair.second.path}"
    if preference not in compare.TOKENS:
        raise ValueError(f"{paths}: overall preference {preference!r}; A, B or tie is needed")
    try:
        gaps = compare.from_scores(_scores(pair.first), _scores(pair.second)).verdicts
    except ValueError as error:
        raise ValueError(f"{paths}: {error}") from error
    # What was preferred counts, even where the ratings say otherwise
    return Comparison(gaps | {"mos": preference})


def _scores(clip: RatedClip) -> dict[str, float]:
    return {name: rating.value for name, rating in clip.ratings.items() if name in describe.META_KEYS}


def _facts(clip: RatedClip) -> str:
    return describe.meta_tuple(_scores(clip))


async def _caption(client: Client, tries: int, tolerance: float, job: _Job) -> dict[str, Any]:
    message = ""
    for attempt in range(tries):
        sampling = _other_draw(job.sampling, attempt)
        outcome = await client.ask(job.messages, sampling)
        reply = outcome if isinstance(outcome, Failure) else outcome.text
        if job.is_two_step and isinstance(reply, str):
            reply = await _with_winner(client, reply)
        if isinstance(reply, Failure):
            return job.row | {"reason": reply.kind, "message": reply.message}
        try:
            text = read_caption(reply, job.truth, tolerance)
        except ParseError as error:
            message = str(error)
        else:
            return job.row | {"sampling": asdict(sampling), "truth": _truth(job.truth), "text": text}
    return job.row | {"reason": "invalid", "message": f"{tries} replies, the last one: {message}"}


async def _with_winner(client: Client, reply: str) -> str | Failure:
    """ALLD's second step: the comparison, with a last line of what a call that sees nothing else says of it."""
    try:
        comparison = split_thought(reply)[1].strip()
    except ParseError:
        return reply  # which nobody can read, as will be said
    asked = SUMMARY_REQUEST.format(comparison=comparison, a=compare.TOKENS["A"], b=compare.TOKENS["B"])
    outcome = await client.ask([{"role": "user", "content": asked}])
    if isinstance(outcome, Failure):
        return outcome
    # As it stands: what is no single token is found out by the check of the whole, also where the comparison names one
    return f"{comparison}\n{_without_thought(outcome.text).strip(' .*') or 'no answer'}"


def _without_thought(reply: str) -> str:
    try:
        return split_thought(reply)[1].strip()
    except ParseError:
        return ""


def _truth(truth: float | Comparison) -> Any:
    return truth.verdicts if isinstance(truth, Comparison) else truth


def _other_draw(sampling: Sampling, attempt: int) -> Sampling:
    if attempt == 0:
        return sampling
    # Far from the seeds that further rounds of the grid use
    later = replace(sampling, seed=sampling.seed + 1000 * attempt)
    # A greedy reply would come out the same, so its later tries are drawn
    return later if sampling.temperature else replace(later, temperature=GRID[0][0], top_p=GRID[0][1])


def read_caption(reply: str, truth: float | Comparison, tolerance: float = 0.1) -> str:
    """Check a reply against what it was written from.

    Args:
        truth: The overall rating that a description must end in, or the verdicts that a comparison must agree with.
        tolerance: How far the score may be from the rating.

    Returns:
        The text, without a leading ``<think>`` part and with nothing around it.

    Raises:
        ParseError: If the reply has no words, or ends in another score or verdict or in none.

    Example:
        >>> read_caption("The voice is clear. The MOS is 4.1.", 4.08)
        'The voice is clear. The MOS is 4.1.'
    """
    text = split_thought(reply)[1].strip()
    if isinstance(truth, Comparison):
        _check_comparison(text, truth)
        return text
    mos = describe.parse(text).mos
    if round(abs(mos - truth), 6) > tolerance:  # rounded, so that 4.1 is within 0.1 of 4.0
        raise ParseError(f"the text ends in {mos:g}, the rating is {truth:g}")
    return text


def _check_comparison(text: str, truth: Comparison) -> None:
    token = compare.TOKENS[truth.preferred]
    found = compare.parse(text).verdicts
    words, _, rest = text.rpartition(token)
    if found["mos"] != truth.preferred or rest.strip(" .*") or not re.search(r"\w", words):
        raise ParseError(f"{text[-80:]!r} is not a comparison that ends in {token}")
    for name, winner in found.items():
        if truth.verdicts.get(name) != winner:
            raise ParseError(
                f"{text!r} gives {name} to {winner}; by the ratings it is {truth.verdicts.get(name, 'close')}"
            )
