"""Robustness: other words, other scales, rubrics never seen; the verdict must stay.

Wordings are those kept for testing (``audio_judge.data.paraphrases.ROBUSTNESS``, ``Language.held_out``); nothing here trains.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from audio_judge.clips import Rating
from audio_judge.data.augment import Augmented, invert, turn
from audio_judge.data.paraphrases import ROBUSTNESS
from audio_judge.rubrics.rubric import FIVE, HUNDRED, NISQA_RUBRICS, TEN, Rubric, Scale

from ..metrics.agreement import pearson_correlation
from .bench import Bench, point
from .check import Check, check, not_applicable
from .sanity import NO_WORDING

WORDING_SETS = ("short", "restructured", "long", "detailed", "inverted", "held_out")
SCALES = {"1-5": (FIVE, 5), "1-10": (TEN, 10), "0-100": (HUNDRED, 11)}
NO_RUBRICS = "the judge takes no rubrics"
ONE_TEXT = "the judge scores in one text with rubrics and scale of its own, which has no such other words"
SAME = "the judge always answers in numbers, or always hears what the ends mean, or is always asked on this scale"
Change = Callable[[Rubric], Rubric | None]
MIN_CLIPS, MIN_RATED = 3, 8

# Wordings of any rubric beside NISQA's, of which none is learned
ANY_RUBRIC: dict[str, tuple[str, ...]] = {
    "short": ("{label} here?", "Verdict on {label}?"),
    "restructured": (
        "As far as the {label} goes, where does this clip lie?",
        "Between the best and the worst {label} that you can think of, where does this recording fall?",
    ),
    "long": (
        "Many people have sent us recordings, some very good and some hardly usable, and ordinary listeners without any training heard each of "
        "them once. Leave aside everything else that you may notice in this clip, and think only about its {label}, as such a listener would.",
    ),
    "detailed": (
        "Judge only the {label}, whatever else may be wrong. {definition} The levels, lowest first, are: {levels}.",
    ),
    "inverted": (
        "{definition} Where does this clip stand?",
        "With the scale as it is here, what about the {label}? {definition}",
    ),
}
# In words of their own, close to a known rubric: name of the known one to the new one.
UNSEEN: dict[str, Rubric] = {
    "noisiness": Rubric(
        "hiss",
        "How much hiss and hum lies behind the words: the highest score means a great deal, the lowest none.",
        higher_is_better=False,
        levels=("none", "a trace", "some", "much", "a great deal"),
        questions=("How much hiss and hum lies behind the words?",),
    ),
    "coloration": Rubric(
        "muffledness",
        "How muffled, thin or tinny the voice is: the highest score means extremely, the lowest not at all.",
        higher_is_better=False,
        levels=("not at all", "a little", "moderately", "strongly", "extremely"),
        questions=("How muffled, thin or tinny is the voice?",),
    ),
    "discontinuity": Rubric(
        "smooth_flow",
        "How smoothly the words run on: the highest score means without a break, the lowest in shreds.",
        levels=("in shreds", "choppy", "with gaps", "nearly smooth", "without a break"),
        questions=("How smoothly do the words run on?",),
    ),
    "loudness": Rubric(
        "level_comfort",
        "How comfortable the level of the talker is: the highest score means comfortable, the lowest unbearable.",
        levels=("unbearable", "uncomfortable", "acceptable", "quite comfortable", "comfortable"),
        questions=("How comfortable is the level of the talker?",),
    ),
    "mos": Rubric(
        "call_pleasure",
        "How gladly one would take a call that sounds like this: the highest score means gladly, the lowest never.",
        levels=("never", "reluctantly", "if need be", "readily", "gladly"),
        questions=("Would you take a call that sounds like this?",),
    ),
}


def wordings(bench: Bench, rubric: Rubric, group: str) -> list[Rubric]:
    """List a rubric with each wording of a set as its question; turned rubrics in the inverted set.

    Args:
        group: One of ``WORDING_SETS``.

    Returns:
        As many as there are for NISQA's rubrics; none if the judge cannot be asked so.
    """
    if group == "held_out":
        return bench.kept_out(rubric)
    if NISQA_RUBRICS.get(rubric.name) == rubric:
        asked = [one for one in robustness_questions(rubric.name) if one.provenance[-1]["set"] == group]
        found = [bench.in_words(one.rubric, str(one.question)) for one in asked]
    else:
        turned = _turned(rubric) if group == "inverted" else rubric
        found = [turned and bench.in_words(turned, text) for text in ANY_RUBRIC[group]]
    return [one for one in found if one is not None]


def _turned(rubric: Rubric) -> Rubric | None:
    try:
        return invert(rubric)
    except ValueError:  # a definition that does not say what both ends mean
        return None


def robustness_questions(name: str) -> list[Augmented]:
    """List the wordings kept for testing of one of NISQA's rubrics, to be asked of clips with any rating.

    Args:
        name: Key of ``audio_judge.rubrics.rubric.NISQA_RUBRICS``.

    Returns:
        One per wording; ``provenance`` names its set, and with the inverted set the rubric is the turned one. The
        rating is a stand-in at the low end: a benchmark turns its own.

    Raises:
        ValueError: If there are none for that rubric.

    Example:
        >>> [asked.provenance[-1]["set"] for asked in robustness_questions("mos")][:3]
        ['short', 'short', 'restructured']
    """
    if name not in NISQA_RUBRICS:
        raise ValueError(f"no wordings of {name!r} are kept for testing; known: {', '.join(NISQA_RUBRICS)}")
    found = []
    for group, texts in ROBUSTNESS.items():
        rubric = NISQA_RUBRICS[name]
        asked = turn(rubric, Rating(rubric.low)) if group == "inverted" else Augmented(rubric, Rating(rubric.low))
        for text in texts[name]:
            step = {"kind": "held_out", "set": group}
            found.append(replace(asked, question=text, provenance=(*asked.provenance, step)))
    return found


def on_scale(rubric: Rubric, scale: Scale, levels: int) -> Rubric:
    """Ask for a rubric as a number on a scale: the range in the question, numbers as levels.

    Example:
        >>> on_scale(NISQA_RUBRICS["mos"], HUNDRED, 11).levels[:3]
        ('0', '10', '20')
    """
    return replace(_in_range(rubric, scale), levels=scale.numbers(levels))


def _in_range(rubric: Rubric, scale: Scale) -> Rubric:
    """The rubric with its level names, and the range in the question."""
    question = rubric.question()["instructions"].rstrip("?.")
    return replace(rubric.on(scale), questions=(question + ", from {low} to {high}, where {good_end} is best?",))


def paraphrases(bench: Bench) -> list[Check]:
    """Other wordings of the same question leave the scores as they are."""
    checks = []
    for group in WORDING_SETS:
        name = f"robustness/wording_{group}"
        by_rubric = {rubric.name: wordings(bench, rubric, group) for rubric in bench.usual.values()}
        by_rubric = {rubric: asked for rubric, asked in by_rubric.items() if asked} if bench.takes_rubrics else {}
        if not by_rubric:
            checks += _all_not_applicable(name, ONE_TEXT if bench.takes_rubrics and bench.has_own_words else NO_WORDING)
            continue
        count = min(map(len, by_rubric.values()))
        checks += _survival(
            bench, name, [{rubric: asked[k] for rubric, asked in by_rubric.items()} for k in range(count)]
        )
    return checks


def scales(bench: Bench) -> list[Check]:
    """Other scales, numbers in place of names, and the turned scale leave the order of the clips as it is."""
    changes: dict[str, Change] = {"scale_inverted": _turned}
    for title, (scale, levels) in SCALES.items():
        changes[f"scale_{title}_named"] = partial(_on_named, bench, scale=scale)
        changes[f"scale_{title}_numbers"] = partial(_on_numbers, bench, scale=scale, levels=levels)
    checks = []
    for title, change in changes.items():
        changed = {name: change(rubric) for name, rubric in bench.usual.items() if not bench.has_own_words_for(rubric)}
        asked = {name: rubric for name, rubric in changed.items() if rubric is not None}
        if not bench.takes_rubrics or not asked:
            why = NO_RUBRICS if not bench.takes_rubrics else ONE_TEXT if bench.has_own_words else SAME
            checks += _all_not_applicable(f"robustness/{title}", why)
            continue
        checks += _survival(bench, f"robustness/{title}", [asked])
    return checks


def _on_named(bench: Bench, rubric: Rubric, scale: Scale) -> Rubric | None:
    """A rubric on a scale with its level names; None where the judge answers in numbers alone, or is asked so already."""
    way = bench.asked_by(rubric)
    return None if way == "score" or (way == "rate" and _is_on(rubric, scale)) else _in_range(rubric, scale)


def _on_numbers(bench: Bench, rubric: Rubric, scale: Scale, levels: int) -> Rubric | None:
    """A rubric on a scale with numbers for levels; None where the ends always have names, or the judge is asked so already."""
    way = bench.asked_by(rubric)
    return None if way == "rate" or (way == "score" and _is_on(rubric, scale)) else on_scale(rubric, scale, levels)


def _is_on(rubric: Rubric, scale: Scale) -> bool:
    return (rubric.low, rubric.high) == (scale.low, scale.high)


def _all_not_applicable(name: str, why: str) -> list[Check]:
    return [
        not_applicable(name, "wording", why),
        not_applicable(f"{name}/shift", "wording_shift", why),
        not_applicable(f"{name}/agreement", "agreement_loss", why),
    ]


def _survival(bench: Bench, name: str, rounds: list[dict[str, Rubric]]) -> list[Check]:
    """Correlation with the scores in the usual words, change of the scores, loss of agreement with listeners."""
    if len(bench.paths) < MIN_CLIPS:
        return _all_not_applicable(name, f"{len(bench.paths)} clips; a correlation needs at least {MIN_CLIPS}")
    base = bench.points(bench.paths, list(bench.usual.values()))
    asked = []
    for one in rounds:
        points = bench.points(bench.paths, list(one.values()))
        # A turned rubric has a name of its own
        asked.append({name: points[rubric.name] for name, rubric in one.items()})
    rubrics = list(rounds[0])
    correlations = {rubric: np.mean([correlation(base[rubric], one[rubric]) for one in asked]) for rubric in rubrics}
    # A clip that is not scored in some wording has no shift; a correlation is over those that are
    changes = [np.abs(one[rubric] - base[rubric]) for one in asked for rubric in rubrics]
    shifts = [np.nanmean(change) for change in changes if np.isfinite(change).any()]
    each = ", ".join(f"{rubric} {value:.2f}" for rubric, value in correlations.items())
    count = f"{len(rounds)} wordings, {len(bench.paths)} clips"
    scored = np.mean([np.isfinite(one[rubric]).mean() for one in asked for rubric in rubrics])
    count += "" if scored == 1 else f", {scored:.0%} of the answers read"
    return [
        check(
            name,
            float(np.mean(list(correlations.values()))),
            "wording",
            f"mean correlation with the usual words: {each}; {count}",
        ),
        check(
            f"{name}/shift",
            float(np.mean(shifts)) if shifts else np.nan,
            "wording_shift",
            f"mean absolute change; {count}",
        ),
        _agreement(bench, f"{name}/agreement", base, asked),
    ]


def _agreement(bench: Bench, name: str, base: dict[str, np.ndarray], asked: list[dict[str, np.ndarray]]) -> Check:
    before, after = [], []
    for rubric in asked[0]:
        rated = np.array([clip.ratings[rubric].value if rubric in clip.ratings else np.nan for clip in bench.clips])
        if np.isfinite(rated).sum() >= MIN_RATED:  # of fewer, a correlation says nothing
            # In points, as the scores are: of a turned rubric, or where the middle is best, too
            rated = np.array([np.nan if np.isnan(value) else point(value, bench.usual[rubric]) for value in rated])
            before.append(correlation(rated, base[rubric]))
            after.append(np.mean([correlation(rated, one[rubric]) for one in asked]))
    if not before:
        return not_applicable(name, "agreement_loss", f"no rubric has {MIN_RATED} rated clips")
    detail = f"correlation with the ratings {np.mean(before):.3f} in the usual words, {np.mean(after):.3f} in these"
    return check(name, float(np.mean(before) - np.mean(after)), "agreement_loss", detail)


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson correlation over the pairs that have both numbers; 0 if one side does not vary at all.

    Example:
        >>> round(correlation(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 2.0])), 3)
        0.866
    """
    is_pair = np.isfinite(first) & np.isfinite(second)
    return pearson_correlation(first[is_pair], second[is_pair]) if is_pair.sum() > 1 else 0.0


def unseen_rubrics(bench: Bench) -> list[Check]:
    """A rubric in new words is scored like the known one that it is close to."""
    checks = []
    for known, rubric in UNSEEN.items():
        name = f"robustness/unseen_{rubric.name}"
        why = _why_not_unseen(bench, known)
        if why is not None:
            checks.append(not_applicable(name, "unseen", why))
            continue
        base = bench.points(bench.paths, list(bench.usual.values()))
        points = bench.points(bench.paths, [rubric])[rubric.name]
        found = {other: correlation(points, values) for other, values in base.items()}
        each = ", ".join(f"{other} {value:.2f}" for other, value in found.items())
        checks.append(check(name, found[known], "unseen", f"correlation with {known}; all: {each}"))
    return checks


def _why_not_unseen(bench: Bench, known: str) -> str | None:
    if not bench.takes_rubrics:
        return NO_RUBRICS
    if known not in bench.usual:
        return f"the judge does not score {known}"
    if bench.has_own_words_for(bench.usual[known]):
        return ONE_TEXT
    return f"at least {MIN_CLIPS} clips are needed" if len(bench.paths) < MIN_CLIPS else None


CONTROLS: Sequence[Callable[[Bench], list[Check]]] = (paraphrases, scales, unseen_rubrics)


def run_robustness(bench: Bench) -> list[Check]:
    """Run all checks of robustness."""
    return [outcome for control in CONTROLS for outcome in control(bench)]
