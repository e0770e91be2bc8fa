"""ALLD's data step: a text-only expert writes descriptions of clips, and comparisons of two, from their ratings.

The expert gets the ratings in words that say in which direction they go, as small ones turn numbers around. Every reply is
checked by rule against the ratings it was written from: how it ends, what it says of each aspect (``tasks.claims``), numbers
of its own, and whether another caption has the same words. One that fails is asked for again with another seed, then dropped
and reported in a file of its own, so that the captions hold valid rows only; the reasons are counted. Comparisons may be
written in two steps, as the paper's are. A run that was killed goes on where it stopped: finished rows are kept, and replies
that had arrived come from the client's cache.

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
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from audio_judge.batch.lines import Appender, rows_by_id
from audio_judge.batch.shards import alone
from audio_judge.clips import RatedClip, RatedPair
from audio_judge.languages import candidates
from audio_judge.rubrics.rubric import RUBRICS, get_rubric
from audio_judge.tasks import ParseError, compare, describe
from audio_judge.tasks.claims import DISTORTING, Claim, Direction, contradiction, read_claims
from audio_judge.tasks.compare import Comparison, Verdict
from audio_judge.tasks.thoughts import split_thought
from audio_judge.text_models.client import Client, in_order
from audio_judge.text_models.replies import Failure, Sampling

# Temperature and top-p of the one caption that follows the greedy one, and of several, as in ALLD's README and files
SECOND = (1.1, 0.9)
GRID = ((0.9, 0.85), (0.9, 0.95), (1.1, 0.85), (1.1, 0.95))
# So many calls in a row without an answer mean that the server is gone, not that a request is odd
GIVE_UP_AFTER = 20
COMPARISON_REQUESTS = (
    "In two or three sentences, compare two recordings of speech, SpeechA and SpeechB, as if you had heard both. Explain the "
    "verdict by the findings below, say who is better in each, and add no other aspect. No numbers. End with the last "
    "line given below.",
    "Write what an attentive listener would say about the difference between two recordings, SpeechA and SpeechB, and which "
    "one was preferred. Speak about the findings below only, each as it is said there, in your own words. Use no numbers. "
    "Close with the last line given below.",
    "Explain to a colleague how two recordings, SpeechA and SpeechB, differ and how that leads to the verdict. Keep to the "
    "findings below, in two or three sentences. End with the last line given below.",
)
# In two steps, as ALLD does it: reasons first, from which a second call tells the winner
REASONING_REQUESTS = (
    "Compare the two clips as if you had heard both: the one with the higher MOS is better. Pick one to three aspects in which "
    "they clearly differ, say how, and finish with your preference and why. Do not quote numbers.",
    "Run an A/B test of SpeechA and SpeechB. The one with the higher MOS wins. Argue with up to three aspects whose difference "
    "is plain, in words and without numbers, and say in the end which one you prefer and for what reason.",
    "Write a listener's comparison of the two clips: one to three aspects with an obvious difference, what that does to the "
    "listening, and then the preference that the overall quality (MOS) calls for. No numbers.",
)
SUMMARY_REQUEST = (
    "{comparison}\n\nThat was a comparison of SpeechA and SpeechB. Which of them does it find better? Reply with {a} or {b} "
    "and nothing else."
)
_REASONS = {"A": "SpeechA was preferred", "B": "SpeechB was preferred", "tie": "Neither was preferred"}


class TeacherUnavailableError(RuntimeError):
    """The language model answered none of many requests in a row; what was written before is kept."""


class CaptionError(ParseError):
    """A caption that is not used.

    Args:
        reason: Why, in a few words that can be counted.
        message: The same with the words that it is about.
    """

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


@dataclass(frozen=True)
class Truth:
    """What a caption is held against.

    Args:
        scores: Ratings of the clip, or of A and B, on ``describe.META_KEYS``.
        directions: What is known to be wrong with the loudness of each, as ``describe.known_direction`` says.
        comparison: Verdicts on a pair; None for a description.
    """

    scores: tuple[Mapping[str, float], ...]
    directions: tuple[Direction, ...] = ("", "")
    comparison: Comparison | None = None

    @property
    def row(self) -> Any:
        """What a caption's row says of it: the overall rating, or the verdicts."""
        return self.scores[0]["mos"] if self.comparison is None else self.comparison.verdicts


@dataclass(frozen=True)
class CaptionReport:
    """What became of the captions that were wanted.

    Args:
        written: Rows written by this run.
        kept: Rows an earlier run had written.
        failed: Rows in the file of failures: the call failed, or no reply was valid.
        requests: Requests sent to the language model by this run, retries included.
        rewritten: Of those written, how many not at the first try.
        dropped: Of those failed, how many because no reply was valid.
        rejected: Why replies were not used, and how many.
    """

    written: int
    kept: int
    failed: int
    requests: int
    rewritten: int = 0
    dropped: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Job:
    """One caption that is wanted: its row without the text, what to ask, what the reply is held against, in how many calls."""

    row: dict[str, Any]
    messages: list[dict[str, Any]]
    sampling: Sampling
    truth: Truth
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
        rows, sent = rows_by_id(out), client.counts.sent
        kept: Counter[str] = Counter()
        jobs = _jobs(items, samplings(diverse, seed), seed, client.backend.identity, two_step)
        waiting = _unfinished(jobs, set(rows), kept)
        said = {_words_of(row["task"], row["text"]) for row in rows.values()}
        tally = await _write_rows(client, waiting, out, partial(_caption, client, tries, tolerance, said))
        rejected = {key: count for key, count in tally.items() if key not in _TALLIED}
        written, failed, rewritten, dropped = (tally[key] for key in _TALLIED)
        sent = client.counts.sent - sent
        return CaptionReport(written, kept.total(), failed, sent, rewritten, dropped, rejected)


# What is counted of rows, beside the reasons why replies were not used
_TALLIED = ("written", "failed", "rewritten", "dropped")


async def _write_rows(client: Client, jobs: Iterable[_Job], out: Path, write: Any) -> Counter[str]:
    tally: Counter[str] = Counter()
    unanswered = 0
    rows = in_order(write, jobs, 4 * client.concurrency)
    with Appender(out) as captions, Appender(Path(f"{out}.failed.jsonl"), is_new=True) as failures:
        async with aclosing(rows):
            async for row in rows:
                tally.update(row["rejected"])
                if "reason" not in row:
                    captions.write(row)
                    tally.update(["written", "rewritten"] if row["rejected"] else ["written"])
                    unanswered = 0
                    continue
                failures.write(row)
                is_invalid = row["reason"] == "invalid"
                tally.update(["failed", "dropped"] if is_invalid else ["failed"])
                unanswered = 0 if is_invalid else unanswered + 1
                if unanswered == GIVE_UP_AFTER:
                    raise TeacherUnavailableError(f"{unanswered} captions in a row without an answer: {row['message']}")
    return tally


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


def _request(item: RatedClip | RatedPair, wording: int, two_step: bool) -> tuple[str, list[dict[str, Any]], Truth]:
    # Gives the task, what the expert is asked, and what its reply is held against
    if isinstance(item, RatedClip):
        if "mos" not in item.ratings:
            raise ValueError(f"{item.path}: no overall rating (mos), which a description ends in")
        scores, direction = _scores(item), describe.known_direction(item.causes)
        request = describe.EXPERT_REQUESTS[wording % len(describe.EXPERT_REQUESTS)]
        facts = describe.rated_words(scores, direction, wording)
        facts += f"\nLast sentence: {describe.ending(scores['mos'], wording)}"
        return "describe", describe.expert_messages(facts, request), Truth((scores,), (direction,))
    target = _comparison(item)
    truth = Truth(
        (_scores(item.first), _scores(item.second)),
        (describe.known_direction(item.first.causes), describe.known_direction(item.second.causes)),
        target,
    )
    if two_step:
        if target.preferred == "tie":
            raise ValueError(
                f"{item.first.path}, {item.second.path}: a tie; compared in two steps, one of the clips wins"
            )
        request = REASONING_REQUESTS[wording % len(REASONING_REQUESTS)]
        facts = describe.rated_pair_words(truth.scores, truth.directions, wording)
        return "compare", describe.expert_messages(facts, request), truth
    request = COMPARISON_REQUESTS[wording % len(COMPARISON_REQUESTS)]
    return "compare", describe.expert_messages(_differences(truth, wording), request), truth


def _differences(truth: Truth, wording: int) -> str:
    """The aspects in which two clips differ clearly, each with its winner, and the verdict: all that a comparison may say."""
    assert truth.comparison is not None
    lines = []
    for name, winner in truth.comparison.verdicts.items():
        if name != "mos":
            heard = " ".join(
                f"Speech{clip}: {describe.aspect_words(name, scores[name], direction, wording)}"
                for clip, scores, direction in zip("AB", truth.scores, truth.directions, strict=True)
            )
            lines.append(f"- {get_rubric(name).label}: {heard} Speech{winner} is better.")
    preferred = truth.comparison.preferred
    lines = lines or ["- No single aspect differs clearly."]
    return "\n".join([*lines, f"- {_REASONS[preferred]}.", f"Last line: {compare.TOKENS[preferred]}"])


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


async def _caption(client: Client, tries: int, tolerance: float, said: set[str], job: _Job) -> dict[str, Any]:
    rejected: list[str] = []
    message = ""
    for attempt in range(tries):
        sampling = _other_draw(job.sampling, attempt)
        outcome = await client.ask(job.messages, sampling)
        reply = outcome if isinstance(outcome, Failure) else outcome.text
        if job.is_two_step and isinstance(reply, str):
            reply = await _with_winner(client, reply)
        elif job.truth.comparison is not None and isinstance(reply, str):
            reply = _with_verdict(reply, compare.TOKENS[job.truth.comparison.preferred])
        if isinstance(reply, Failure):
            return job.row | {"reason": reply.kind, "message": reply.message, "rejected": rejected}
        try:
            text = read_caption(reply, job.truth, tolerance)
            words = _words_of(job.row["task"], text)
            if words in said:
                raise CaptionError("text: written before", f"{text!r} was written before")
        except CaptionError as error:
            message = str(error)
            rejected.append(error.reason)
        else:
            said.add(words)
            found = {"sampling": asdict(sampling), "truth": job.truth.row, "text": text, "rejected": rejected}
            return job.row | found
    message = f"{tries} replies, the last one: {message}"
    return job.row | {"reason": "invalid", "message": message, "rejected": rejected}


def _words_of(task: str, text: str) -> str:
    """What two captions must not share: the words of a text before its last sentence or its verdict, in one spelling."""
    body = describe.parse(text).text if task == "describe" else text.rpartition("[")[0]
    return " ".join(re.findall(r"[^\W\d_]+", body.casefold()))


def _with_verdict(reply: str, token: str) -> str:
    """A comparison whose last line was forgotten, with the one that its writer was told; words about no clip get none."""
    said = _without_thought(reply)
    if any(one in said for one in compare.TOKENS.values()) or not any(claim.clip for claim in read_claims(said)):
        return reply
    return f"{said}\n{token}"


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


def _other_draw(sampling: Sampling, attempt: int) -> Sampling:
    if attempt == 0:
        return sampling
    # Far from the seeds that further rounds of the grid use
    later = replace(sampling, seed=sampling.seed + 1000 * attempt)
    # A greedy reply would come out the same, so its later tries are drawn
    return later if sampling.temperature else replace(later, temperature=GRID[0][0], top_p=GRID[0][1])


def read_caption(reply: str, truth: Truth, tolerance: float = 0.1) -> str:
    """Check a reply against what it was written from.

    Args:
        tolerance: How far the score may be from the rating.

    Returns:
        The text, without a leading ``<think>`` part and with nothing around it.

    Raises:
        CaptionError: If the reply has no words, is not English, ends in another score or verdict or in none, quotes other
            numbers, or says of an aspect what the ratings do not.

    Example:
        >>> read_caption("The voice is natural. The MOS is 4.1.", Truth(({"mos": 4.08, "coloration": 4.4},)))
        'The voice is natural. The MOS is 4.1.'
    """
    try:
        text = split_thought(reply)[1].strip()
        words = (
            _ending_in(text, truth.scores[0]["mos"], tolerance) if truth.comparison is None else _ending(text, truth)
        )
    except CaptionError:
        raise
    except ParseError as error:
        raise CaptionError("ending: none that can be read", str(error)) from error
    if candidates(words) != ("en",):
        raise CaptionError("language: not English", f"{words!r} is not English")
    _check_numbers(words, truth, tolerance)
    claims = read_claims(words)
    if truth.comparison is None and not claims:
        raise CaptionError("words: of no aspect", f"{words!r} says nothing that could be held against the ratings")
    for claim in claims:
        if reason := _contradiction(claim, truth):
            raise CaptionError(reason, f"{reason}: {claim.words!r} in {text!r}")
    return text


def _ending_in(text: str, rated: float, tolerance: float) -> str:
    found = describe.parse(text)
    if round(abs(found.mos - rated), 6) > tolerance:  # rounded, so that 4.1 is within 0.1 of 4.0
        raise CaptionError("ending: another score", f"the text ends in {found.mos:g}, the rating is {rated:g}")
    return text  # the last sentence, too: "The quality is good, which makes a MOS of 1.4."


def _ending(text: str, truth: Truth) -> str:
    """The words of a comparison that ends in its verdict."""
    assert truth.comparison is not None
    token = compare.TOKENS[truth.comparison.preferred]
    preferred = compare.parse(text).preferred
    words, _, rest = text.rpartition(token)
    if preferred != truth.comparison.preferred or rest.strip(" .*") or not re.search(r"\w", words):
        raise CaptionError("ending: another verdict", f"{text[-80:]!r} is not a comparison that ends in {token}")
    return words


def _check_numbers(words: str, truth: Truth, tolerance: float) -> None:
    for number in re.findall(r"\d+[.,]\d+", words):
        value = float(number.replace(",", "."))
        if truth.comparison is not None or round(abs(value - truth.scores[0]["mos"]), 6) > tolerance:
            raise CaptionError("number: none that was given", f"{number} in {words!r} is no rating that was given")


def _contradiction(claim: Claim, truth: Truth) -> str:
    if claim.is_better is not None and claim.clip:
        winner: Verdict = "A" if (claim.clip == "A") == claim.is_better else "B"
        return _wrong_winner(claim.aspect, winner, truth)
    clips = [*zip("AB", truth.scores, truth.directions, strict=False)]
    # Words about no clip in particular have to fit one of them
    about = [one for one in clips if one[0] == claim.clip] or clips
    reasons = [contradiction(claim, scores, direction) for _, scores, direction in about]
    return "" if "" in reasons else reasons[0]


def _wrong_winner(aspect: str, winner: Verdict, truth: Truth) -> str:
    assert truth.comparison is not None
    if aspect == "mos":
        return "" if truth.comparison.preferred == winner else "mos: the other clip"
    # All clear differences count, also those that are too many to be named
    known = compare.from_scores(*truth.scores, most=len(RUBRICS)).verdicts
    told = {known.get(name) for name in (DISTORTING if aspect == "distortion" else (aspect,))} - {None}
    if not told:
        return f"{aspect}: no clear difference"
    return "" if winner in told else f"{aspect}: the other clip"
