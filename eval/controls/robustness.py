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
from audio_judge.languages import get_language
from audio_judge.rubrics.rubric import FIVE, HUNDRED, NISQA_RUBRICS, RUBRICS, TEN, Rubric, Scale

from ..metrics.agreement import pearson_correlation
from .bench import Bench
from .check import Check, check, not_applicable
from .sanity import NO_WORDING

WORDING_SETS = ("short", "restructured", "long", "detailed", "inverted", "held_out")
SCALES = {"1-5": (FIVE, 5), "1-10": (TEN, 10), "0-100": (HUNDRED, 11)}
NO_RUBRICS = "the judge takes no rubrics"
MIN_CLIPS, MIN_RATED = 3, 8

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


def wordings(name: str, group: str) -> list[Rubric]:
    """List a rubric with each wording of a set as its question; turned rubrics in the inverted set.

    Args:
        name: One of NISQA's rubrics.
        group: One of ``WORDING_SETS``.

    Example:
        >>> [rubric.questions[0] for rubric in wordings("noisiness", "short")]
        ['Noisy?', 'Any noise?']
    """
    if group == "held_out":
        return [replace(RUBRICS[name], questions=(text,)) for text in get_language("en").held_out["decide"]]
    asked = [one for one in robustness_questions(name) if one.provenance[-1]["set"] == group]
    return [replace(one.rubric, questions=(str(one.question),)) for one in asked]


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
        >>> on_scale(RUBRICS["mos"], HUNDRED, 11).levels[:3]
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
        if not bench.takes_wordings:
            checks += _all_not_applicable(f"robustness/wording_{group}", NO_WORDING)
            continue
        by_rubric = {name: wordings(name, group) for name in RUBRICS}
        rounds = [[asked[k] for asked in by_rubric.values()] for k in range(len(by_rubric["mos"]))]
        checks += _survival(bench, f"robustness/wording_{group}", rounds)
    return checks


def scales(bench: Bench) -> list[Check]:
    """Other scales, numbers in place of names, and the turned scale leave the order of the clips as it is."""
    changes: dict[str, Callable[[Rubric], Rubric]] = {"scale_inverted": invert}
    for title, (scale, levels) in SCALES.items():
        changes[f"scale_{title}_named"] = partial(_in_range, scale=scale)
        changes[f"scale_{title}_numbers"] = partial(on_scale, scale=scale, levels=levels)
    checks = []
    for title, change in changes.items():
        if not bench.takes_rubrics:
            checks += _all_not_applicable(f"robustness/{title}", NO_RUBRICS)
            continue
        checks += _survival(bench, f"robustness/{title}", [[change(rubric) for rubric in RUBRICS.values()]])
    return checks


def _all_not_applicable(name: str, why: str) -> list[Check]:
    return [
        not_applicable(name, "wording", why),
        not_applicable(f"{name}/shift", "wording_shift", why),
        not_applicable(f"{name}/agreement", "agreement_loss", why),
    ]


def _survival(bench: Bench, name: str, rounds: list[list[Rubric]]) -> list[Check]:
    """Correlation with the scores in the usual words, change of the scores, loss of agreement with listeners."""
    if len(bench.paths) < MIN_CLIPS:
        return _all_not_applicable(name, f"{len(bench.paths)} clips; a correlation needs at least {MIN_CLIPS}")
    base = bench.points(bench.paths, list(RUBRICS.values()))
    # A turned rubric has a name of its own, so the answers are taken in the order of the rubrics.
    asked = [dict(zip(RUBRICS, _in_order(bench.points(bench.paths, one), one), strict=True)) for one in rounds]
    correlations = {rubric: np.mean([correlation(base[rubric], one[rubric]) for one in asked]) for rubric in RUBRICS}
    # A clip that is not scored in some wording has no shift; a correlation is over those that are
    shifts = [np.nanmean(np.abs(one[rubric] - base[rubric])) for one in asked for rubric in RUBRICS]
    each = ", ".join(f"{rubric} {value:.2f}" for rubric, value in correlations.items())
    count = f"{len(rounds)} wordings, {len(bench.paths)} clips"
    return [
        check(
            name,
            float(np.mean(list(correlations.values()))),
            "wording",
            f"mean correlation with the usual words: {each}; {count}",
        ),
        check(f"{name}/shift", float(np.mean(shifts)), "wording_shift", f"mean absolute change; {count}"),
        _agreement(bench, f"{name}/agreement", base, asked),
    ]


def _in_order(points: dict[str, np.ndarray], asked: Sequence[Rubric]) -> list[np.ndarray]:
    return [points[rubric.name] for rubric in asked]


def _agreement(bench: Bench, name: str, base: dict[str, np.ndarray], asked: list[dict[str, np.ndarray]]) -> Check:
    before, after = [], []
    for rubric in RUBRICS:
        rated = np.array([clip.ratings[rubric].value if rubric in clip.ratings else np.nan for clip in bench.clips])
        if np.isfinite(rated).sum() >= MIN_RATED:  # of fewer, a correlation says nothing
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
        if not bench.takes_rubrics or len(bench.paths) < MIN_CLIPS:
            why = NO_RUBRICS if not bench.takes_rubrics else f"at least {MIN_CLIPS} clips are needed"
            checks.append(not_applicable(name, "unseen", why))
            continue
        base = bench.points(bench.paths, list(RUBRICS.values()))
        points = bench.points(bench.paths, [rubric])[rubric.name]
        found = {other: correlation(points, values) for other, values in base.items()}
        each = ", ".join(f"{other} {value:.2f}" for other, value in found.items())
        checks.append(check(name, found[known], "unseen", f"correlation with {known}; all: {each}"))
    return checks


CONTROLS: Sequence[Callable[[Bench], list[Check]]] = (paraphrases, scales, unseen_rubrics)


def run_robustness(bench: Bench) -> list[Check]:
    """Run all checks of robustness."""
    return [outcome for control in CONTROLS for outcome in control(bench)]
