"""Augmentation of requests, for training only: other and turned scales, thresholds, numbers as levels, other words.

``augment`` changes a rubric and its rating together, so that question and answer always agree, and writes down what it
did. Wordings of a language model come from ``audio_judge.data.paraphrases``.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from audio_judge.clips import Rating
from audio_judge.data.definitions import ENDS, described, descriptions_of
from audio_judge.data.paraphrases import OWN_PARAPHRASES, Paraphrase
from audio_judge.rubrics.rubric import FIVE, HUNDRED, NISQA_RUBRICS, TEN, Rubric, Scale, convert

Kind = Literal["scale", "invert", "binary", "numbers", "paraphrase", "describe"]
Rule = Literal["affine", "proportional"]
KINDS: tuple[Kind, ...] = ("scale", "invert", "binary", "numbers", "paraphrase", "describe")
SCALES = (FIVE, TEN, HUNDRED)
# How many evenly spaced numbers a scale may be asked for in, by its ends; others in five
NUMBER_COUNTS = {(1.0, 5.0): (5, 9), (1.0, 10.0): (4, 10), (0.0, 100.0): (5, 11)}
# Where a threshold may lie, as shares of the range: 2 to 4 on a 1-5 scale
THRESHOLD_SHARES = (0.25, 0.375, 0.5, 0.625, 0.75)

# NISQA's rubrics asked the other way round: what is measured is the fault, so the highest score is the bad end.
INVERTED: dict[str, Rubric] = {
    "mos": Rubric(
        "mos_inverted",
        "How bad the speech sounds on the whole: the highest score means bad, the lowest excellent.",
        higher_is_better=False,
        levels=("excellent", "good", "fair", "poor", "bad"),
        label="overall impairment",
        questions=("How bad does the speech sound overall?", "How impaired is this clip as a whole?"),
    ),
    "noisiness": Rubric(
        "noisiness_inverted",
        "How much noise the speech has: the highest score means very noisy, the lowest not noisy.",
        higher_is_better=False,
        levels=("not noisy", "slightly noisy", "somewhat noisy", "noisy", "very noisy"),
        label="amount of noise",
        questions=("How strong is the noise in the speech?", "How badly does noise disturb the speech?"),
    ),
    "coloration": Rubric(
        "coloration_inverted",
        "How far the timbre is from a natural voice: the highest score means very coloured, the lowest not coloured.",
        higher_is_better=False,
        levels=("not coloured", "slightly coloured", "somewhat coloured", "coloured", "very coloured"),
        label="amount of coloration",
        questions=("How unnatural is the timbre of the voice?", "How strongly is the voice coloured?"),
    ),
    "discontinuity": Rubric(
        "discontinuity_inverted",
        "How broken up the speech is: the highest score means very interrupted, the lowest not interrupted.",
        higher_is_better=False,
        levels=(
            "not interrupted",
            "slightly interrupted",
            "somewhat interrupted",
            "interrupted",
            "very interrupted",
        ),
        label="amount of interruption",
        questions=("How broken up is the speech?", "How badly is the speech interrupted?"),
    ),
    "loudness": Rubric(
        "loudness_inverted",
        "How far the loudness is from what suits a listener: the highest score means very unsuitable, be it far too "
        "quiet or far too loud, the lowest just right.",
        higher_is_better=False,
        levels=("just right", "slightly unsuitable", "somewhat unsuitable", "unsuitable", "very unsuitable"),
        label="loudness problem",
        questions=("How unsuitable is the loudness of the speech?", "How wrong is the loudness?"),
    ),
}

_INVERTED_NAME, _INVERTED_LABEL = "_inverted", "reversed "

YES_NO = ("no", "yes")
_THRESHOLD_QUESTIONS = (
    "Does the {label} reach {threshold} on a scale from {low} to {high}?",
    "Is the {label} at least {threshold}, given a scale from {low} to {high}?",
    "On a scale from {low} to {high} where {good_end} is best, is the {label} {threshold} or more?",
    "{definition} The scale goes from {low} to {high}: is the score {threshold} or higher?",
    "The limit for the {label} is {threshold} ({low} to {high}). Does the clip get there?",
    "Would listeners give the {label} {threshold} or more out of the range from {low} to {high}?",
)
_NUMBER_QUESTIONS = (
    "Which number from {low} to {high} fits the {label}? {good_end} is best.",
    "Rate the {label} in numbers: {low} to {high}, {good_end} being the best.",
    "Put a number on the {label} ({low} to {high}; {good_end} is the good end).",
    "{definition} Answer in numbers, {low} to {high}; {good_end} is best.",
    "On a scale of {low} to {high}, {good_end} being best, how do you rate the {label}?",
    "The {label} as a number between {low} and {high}. Best is {good_end}.",
)


def invert(rubric: Rubric) -> Rubric:
    """Ask for a rubric the other way round, so that ``low + high - score`` is the score.

    Name, label, definition, level names and the good end are turned with it. NISQA's five have wordings of their own
    (``INVERTED``); any other rubric is turned by its definition, which must end like ours do.

    Args:
        rubric: What to turn; its own questions are dropped unless it is one of NISQA's. But for them turning twice gives
            it back.

    Raises:
        ValueError: If the definition does not say what both ends mean in the form that can be turned.

    Example:
        >>> invert(Rubric("hiss", "How much it hisses: the highest score means a lot, the lowest none.")).definition
        'How much it hisses, with the scale turned round: the highest score means none, the lowest a lot.'
    """
    for name, turned in INVERTED.items():
        for source, target in ((NISQA_RUBRICS[name], turned), (turned, NISQA_RUBRICS[name])):
            if rubric.on(source.scale) == source:
                return target.on(rubric.scale)
    # A rubric that was turned before is turned back, name and label, too
    turned_back = rubric.name.endswith(_INVERTED_NAME)
    return replace(
        rubric,
        name=rubric.name.removesuffix(_INVERTED_NAME) if turned_back else rubric.name + _INVERTED_NAME,
        label=rubric.label.removeprefix(_INVERTED_LABEL) if turned_back else _INVERTED_LABEL + rubric.label,
        definition=_turn_definition(rubric),
        levels=rubric.levels[::-1],
        higher_is_better=not rubric.higher_is_better,
        questions=(),
    )


def _turn_definition(rubric: Rubric) -> str:
    match = ENDS.fullmatch(rubric.definition)
    if match is None:
        raise ValueError(
            f"rubric {rubric.name!r}: its definition cannot be turned round; "
            "write it as '...: the highest score means A, the lowest B.'"
        )
    turned = "" if match["turned"] else ", with the scale turned round"
    return (
        f"{match['what']}{turned}: the highest score means {match['low']}, the lowest {match['high']}"
        f"{match['middle'] or ''}."
    )


@dataclass(frozen=True)
class Augmented:
    """A rubric and its rating after augmentation.

    Args:
        rubric: What is asked now, on the scale it is asked on.
        rating: Its rating on that scale.
        provenance: What was done, in order, as JSON-able dicts; empty for nothing.
        question: Own wording with the fields of ``Rubric.fill``; None leaves the wording to the task.
    """

    rubric: Rubric
    rating: Rating
    provenance: tuple[dict[str, Any], ...] = ()
    question: str | None = None

    @property
    def value(self) -> float:
        """The score on the scale that is asked for: the rating's."""
        return self.rating.value

    def request(self, task: str) -> str | None:
        """Write the wording that ``decide``, ``score``, ``categorize`` or ``rate`` is to use; None if it may take its own."""
        return None if self.question is None else with_answer_form(self.question, task, self.rubric)


def with_answer_form(question: str, task: str, rubric: Rubric) -> str:
    """Add to a plain question how it is to be answered, unless it says so itself.

    Args:
        question: Text with the fields of ``Rubric.fill``.
        task: ``decide``, ``score``, ``categorize`` or ``rate``; a ValueError if it is another one.

    Example:
        >>> with_answer_form("Any noise?", "score", INVERTED["noisiness"])
        'Any noise? Answer with one number from {low} to {high}; {good_end} is best.'
    """
    forms = {
        "decide": "",
        "score": "Answer with one number from {low} to {high}; {good_end} is best.",
        "categorize": "Answer with one of these: {levels}.",
        "rate": "The scale goes from {low} to {high}: {ends}.",
    }
    if task not in forms:
        raise ValueError(f"task {task!r} has no augmented request; known: {', '.join(forms)}")
    if rubric.levels == YES_NO:
        forms["score"] = forms["rate"] = "Answer {high} for yes and {low} for no."
    says_so = {"score": "{high}", "categorize": "{levels}", "rate": "{high}"}.get(task, "")
    return question if says_so and says_so in question else f"{question} {forms[task]}".strip()


def change_scale(rubric: Rubric, rating: Rating, scale: Scale, rule: Rule = "affine") -> Augmented:
    """Ask for a rubric on another scale.

    Args:
        rule: ``affine`` moves ends to ends; ``proportional`` multiplies (4.2 on 1-5 is 8.4 on 2-10 and 84 on 20-100), so the
            scale that is asked for begins where it does: under the words "from 0 to 100" a score has one meaning.

    Raises:
        ValueError: If a proportional score would fall off the new scale.

    Example:
        >>> from audio_judge.rubrics.rubric import RUBRICS
        >>> change_scale(RUBRICS["mos"], Rating(4.0), HUNDRED).value
        75.0
        >>> change_scale(RUBRICS["mos"], Rating(4.0), HUNDRED, "proportional").rubric.low
        20.0
    """
    source = rubric.scale
    if rule == "proportional":
        if not _is_proportional(source, scale):
            raise ValueError(f"{rubric.name}: {source.name} in proportion falls off {scale.name}; use the affine rule")
        low = source.low * scale.high / source.high
        scale = Scale(low, scale.high, f"{low:g}-{scale.high:g}")

    def moved(score: float) -> float:
        # The last bits of a product must not put a score outside its scale.
        return min(max(round(convert(score, source, scale), 9), scale.low), scale.high)

    step = {"kind": "scale", "rule": rule, "from": [source.low, source.high], "to": [scale.low, scale.high]}
    std = None if rating.std is None else rating.std * (scale.high - scale.low) / (source.high - source.low)
    single = tuple(moved(vote) for vote in rating.single)
    return Augmented(rubric.on(scale), Rating(moved(rating.value), std, rating.votes, single), (step,))


def _is_proportional(source: Scale, target: Scale) -> bool:
    return source.low >= 0 and source.low * target.high / source.high >= target.low


def turn(rubric: Rubric, rating: Rating) -> Augmented:
    """Ask for a rubric the other way round, and turn its rating with it.

    Example:
        >>> from audio_judge.rubrics.rubric import RUBRICS
        >>> turned = turn(RUBRICS["noisiness"], Rating(4.5))
        >>> turned.value, turned.rubric.level_of(turned.value)
        (1.5, 'slightly noisy')
    """
    step = {"kind": "invert", "low": rubric.low, "high": rubric.high}

    def turned(score: float) -> float:
        return min(max(round(rubric.low + rubric.high - score, 9), rubric.low), rubric.high)

    single = tuple(turned(vote) for vote in rating.single)
    return Augmented(invert(rubric), replace(rating, value=turned(rating.value), single=single), (step,))


def binarise(rubric: Rubric, rating: Rating, threshold: float, rng: random.Random) -> Augmented:
    """Ask whether a score is at least a threshold, which the question states together with its scale.

    Args:
        threshold: Score above the low end, up to the high end; one that is on it reaches it.

    Raises:
        ValueError: If the threshold is out of range.

    Example:
        >>> from audio_judge.rubrics.rubric import RUBRICS
        >>> binarise(RUBRICS["mos"], Rating(3.4), 3.0, random.Random(0)).value
        1.0
    """
    if not rubric.low < threshold <= rubric.high:
        raise ValueError(f"{rubric.name}: threshold {threshold}; above {rubric.low:g} up to {rubric.high:g} is needed")
    template = rng.choice(_THRESHOLD_QUESTIONS).replace("{threshold}", f"{threshold:g}")
    question = rubric.fill(template)
    asked = Rubric(
        f"{rubric.name}_reached",
        f"Whether the {rubric.label} is at least {threshold:g} on a scale from {rubric.low:g} to {rubric.high:g}: "
        "the highest score means yes, the lowest no.",
        low=0.0,
        high=1.0,
        higher_is_better=rubric.higher_is_better,
        levels=YES_NO,
        label=rubric.label,
        questions=(question,),
    )
    step = {"kind": "binary", "threshold": threshold, "rubric": rubric.name, "from": [rubric.low, rubric.high]}
    return Augmented(asked, Rating(float(rating.value >= threshold), votes=rating.votes), (step,), question)


def number_levels(rubric: Rubric, rating: Rating, rng: random.Random) -> Augmented:
    """Ask for a rubric in numbers, evenly spaced, in place of its level names; the question states the scale.

    Example:
        >>> from audio_judge.rubrics.rubric import RUBRICS
        >>> number_levels(RUBRICS["mos"].on(HUNDRED), Rating(40.0), random.Random(1)).rubric.levels
        ('0', '25', '50', '75', '100')
    """
    count = rng.choice(NUMBER_COUNTS.get((rubric.low, rubric.high), (5,)))
    asked = replace(rubric, levels=rubric.scale.numbers(count))
    question = rng.choice(_NUMBER_QUESTIONS)
    return Augmented(asked, rating, ({"kind": "numbers", "levels": list(asked.levels)},), question)


def augment(
    rubric: Rubric,
    rating: Rating,
    kind: Kind,
    rng: random.Random,
    *,
    paraphrases: "Sequence[Paraphrase]" = (),
    scales: Sequence[Scale] = SCALES,
) -> Augmented:
    """Change a rubric and its rating together in one way.

    Args:
        paraphrases: Wordings of a language model, used besides our own.
        scales: Those that another one is drawn from; its own if there is no other.

    Raises:
        ValueError: If the kind is unknown or the rubric cannot be turned.

    Example:
        >>> from audio_judge.rubrics.rubric import RUBRICS
        >>> augment(RUBRICS["mos"], Rating(4.2), "invert", random.Random(0)).value
        1.8
    """
    rubric.check(rating.value)
    if kind == "invert":
        return turn(rubric, rating)
    if kind == "scale":
        others = [scale for scale in scales if (scale.low, scale.high) != (rubric.low, rubric.high)]
        if not others:
            return Augmented(rubric, rating)
        target = rng.choice(others)
        rules: list[Rule] = ["affine", "proportional"] if _is_proportional(rubric.scale, target) else ["affine"]
        return change_scale(rubric, rating, target, rng.choice(rules))
    if kind == "binary":
        threshold = rubric.low + rng.choice(THRESHOLD_SHARES) * (rubric.high - rubric.low)
        return binarise(rubric, rating, threshold, rng)
    if kind == "numbers":
        return number_levels(rubric, rating, rng)
    if kind == "paraphrase":
        wording = rng.choice((*OWN_PARAPHRASES, *(one for one in paraphrases if not one.rubric)))
        step = {"kind": "paraphrase"} | asdict(wording)
        return Augmented(rubric, rating, (step,), wording.text)
    if kind == "describe":
        # A turned rubric keeps its own words, as do rubrics of which there is no other description
        known = descriptions_of(rubric, paraphrases)
        if not known:
            return Augmented(rubric, rating)
        chosen = rng.choice(known)
        asked = replace(rubric, definition=described(rubric, chosen.text))
        return Augmented(asked, rating, ({"kind": "describe"} | asdict(chosen),))
    raise ValueError(f"no augmentation {kind!r}; known: {', '.join(KINDS)}")


def augment_with_chances(
    rubric: Rubric,
    rating: Rating,
    chances: Mapping[Kind, float],
    rng: random.Random,
    *,
    paraphrases: "Sequence[Paraphrase]" = (),
    scales: Sequence[Scale] = SCALES,
) -> Augmented:
    """Apply each kind with its chance, one on top of the other: inversion, scale or threshold, numbers, wording, description.

    A threshold brings its own answers and wording, so nothing follows it; numbers bring their own wording.

    Args:
        chances: Kind to probability, 0 to 1; a kind that is absent is not applied.
        paraphrases: As for ``augment``, as are ``scales``.

    Raises:
        ValueError: If a kind is unknown or a chance is out of range.
    """
    for kind, chance in chances.items():
        if kind not in KINDS or not 0 <= chance <= 1:
            raise ValueError(
                f"augmentation {kind!r} with chance {chance}; one of {', '.join(KINDS)}, 0 to 1, is needed"
            )
    # One draw for each kind, wanted or not: the chance of one does not change what is drawn for the others
    order: tuple[Kind, ...] = ("invert", "binary", "scale", "paraphrase", "numbers", "describe")
    drawn = [kind for kind in order if rng.random() < chances.get(kind, 0.0)]
    if "binary" in drawn:
        drawn = [kind for kind in drawn if kind in ("invert", "binary")]
    elif "numbers" in drawn:
        drawn = [kind for kind in drawn if kind != "paraphrase"]
    result = Augmented(rubric, rating)
    for kind in drawn:
        step = augment(result.rubric, result.rating, kind, rng, paraphrases=paraphrases, scales=scales)
        # A description words no question and leaves the one that there is
        question = step.question if step.question is not None else result.question
        result = replace(step, provenance=result.provenance + step.provenance, question=question)
    return result
