"""Examples of all tasks from all rated items: clips and pairs, whatever each of them has.

``audio_judge.data.examples`` writes those about the rubrics of one clip. This module adds the other tasks (describe,
compare, assess, suggest, detect, rate), listener profiles, and the choice among the tasks that an item can serve. What
an item lacks for a task is counted in ``Instructor.lacking``; nothing is dropped in silence.

Each example also has its ``corpus``, the ``scores`` of its clip (the ratings before augmentation), what its answer
states (see ``audio_judge.data.examples``), and where they apply ``language``, ``listener``, ``form`` and ``provenance``.
"""

import random
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, get_args

from audio_judge.audio.originals import LEAST_CUT_SECONDS
from audio_judge.clips import Item, RatedClip, RatedPair, Rating
from audio_judge.data.augment import SCALES, Augmented, Kind, augment_with_chances
from audio_judge.data.examples import (
    DECIDE,
    Change,
    Example,
    FaultQuestions,
    RubricQuestions,
    decision_example,
    stated,
    text_examples,
    written,
)
from audio_judge.data.paraphrases import Paraphrase
from audio_judge.data.targets import (
    check_rated,
    comparison_of,
    listener_of,
    overall_of,
    preference_shares,
    target_of,
)
from audio_judge.languages import check_language, wordings
from audio_judge.messages import ReferenceUse, clip_state, pair_state, text_messages
from audio_judge.rubrics.rubric import ALL_RUBRICS, get_rubric
from audio_judge.tasks import (
    RUBRIC_TASKS,
    TASKS,
    Comparison,
    Facts,
    ScoreTarget,
    assess,
    compare,
    detect,
    listeners,
    rate,
)
from audio_judge.tasks.common import LackingError
from audio_judge.tasks.compare import FORMS, Form
from audio_judge.tasks.thoughts import holds_tag, without_thought

DETECT_QUESTION = "detect_question"
COMPARE_QUESTION = "compare_question"
COMPARING = ("compare", COMPARE_QUESTION)
# Whose answers begin with a thought; that of detect is empty
THINKING = ("assess", "compare", "suggest")
UNFIT = "verdicts that the form of comparison cannot hold"
ALL_TASKS = (DECIDE, *TASKS, DETECT_QUESTION, COMPARE_QUESTION)
# Those that ask about the ratings one by one, or about none
BY_RUBRIC = (DECIDE, "score", "categorize", "rate", "detect", DETECT_QUESTION)
# Those that name levels, in whose place numbers may stand
WITH_LEVELS = frozenset((DECIDE, "score", "categorize"))


@dataclass(frozen=True)
class Manner:
    """How items are made into examples.

    Args:
        with_reference: Whether the reference is heard too; ``sometimes`` is every other time, where there is one.
        all_rubrics: Whether every rated rubric is asked for, as evaluation wants it; else a random choice.
        augment: Chance of each kind of ``audio_judge.data.augment.KINDS``; only for training. ``rate`` takes all but
            numbers.
        paraphrases: Wordings that ``augment`` may use besides our own.
        listener: Chance that a request in text names the listener: ``extra["listener"]`` if that is one of
            ``tasks.listeners``, else the standard of the corpus, if there is one. A clip that is rated by some listeners
            alone (``RatedClip.listener``) always names them, in typed questions, too.
        comparison_form: Form in which ``compare`` is answered: ``preference``, a text that ends in a token, or
            ``dimensions``, SQ-LLM's verdict for each of its dimensions; ``any``: both, where the verdicts fit both.
        thoughts: Whether answers of ``THINKING`` begin with their thought; else they are the answer alone.
        both_orders: Whether a pair makes two examples, A before B and B before A; else one, in a random order.
        partners: How many earlier clips of the same corpus and split are kept to compare a clip with.
        tie_within: Overall ratings that differ by no more than this are a tie.
        nearly_same: Chance that a clip is compared with itself, begun up to ``LEAST_CUT_SECONDS`` later, which nobody hears: a tie.
        rubric_questions: Whether a ``decide`` example asks for ``some`` of the rated rubrics or for ``all``: no question changes
            what another one is answered, so all at once teach more for the same clip.
        fault_questions: Whether a ``decide`` example asks about ``none`` or ``some`` of the known faults, there or not with the
            same chance, or about ``all``, which gives probabilities of faults as frequent as in the corpus.
        unseen_rubrics: Rubrics that nothing is asked about, so that what a judge says of them later is not remembered. For tasks
            of ``BY_RUBRIC`` only: the others speak of all that is rated.
        unseen_scales: Names of ``augment.SCALES`` that nothing is asked on, such as ``1-10``.
        languages: Chance of each of ``audio_judge.languages.LANGUAGES`` as weights; None for English. Augmented
            rubrics, published texts (captions, descriptions, suggestions) and the listener's profile stay in English,
            or as they are.
    """

    with_reference: ReferenceUse = "never"
    all_rubrics: bool = False
    held_out: bool = False
    augment: Mapping[Kind, float] = field(default_factory=dict)
    paraphrases: Sequence[Paraphrase] = ()
    listener: float = 0.0
    comparison_form: Literal["any", "preference", "dimensions"] = "any"
    thoughts: bool = True
    both_orders: bool = True
    partners: int = 256
    tie_within: float = 0.0
    nearly_same: float = 0.0
    rubric_questions: RubricQuestions = "some"
    fault_questions: FaultQuestions = "some"
    unseen_rubrics: Sequence[str] = ()
    unseen_scales: Sequence[str] = ()
    languages: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        if self.with_reference not in ("never", "sometimes", "always"):
            raise ValueError(f"with_reference {self.with_reference!r}; never, sometimes or always is needed")
        if self.augment and self.held_out:
            raise ValueError("augment changes what is asked and is for training; leave it out where held_out is set")
        if self.rubric_questions not in get_args(RubricQuestions):
            raise ValueError(f"rubric_questions {self.rubric_questions!r}; some or all is needed")
        if self.fault_questions not in get_args(FaultQuestions):
            raise ValueError(
                f"fault_questions {self.fault_questions!r}; {', '.join(get_args(FaultQuestions))} are known"
            )
        if self.comparison_form not in ("any", *FORMS):
            raise ValueError(f"comparison_form {self.comparison_form!r}; any, {' or '.join(FORMS)} is needed")
        if not 0 <= self.listener <= 1 or not 0 <= self.nearly_same <= 1 or self.partners < 1:
            chances = f"listener {self.listener}, nearly_same {self.nearly_same}"
            raise ValueError(f"{chances}, partners {self.partners}; 0 to 1, 0 to 1 and 1 or more are needed")
        for name in self.unseen_rubrics:
            get_rubric(name)
        unknown = set(self.unseen_scales) - {scale.name for scale in SCALES}
        if unknown:
            known = ", ".join(scale.name for scale in SCALES)
            raise ValueError(f"unseen_scales {', '.join(sorted(unknown))}; known: {known}")
        for code, weight in (self.languages or {}).items():
            if not weight >= 0:
                raise ValueError(f"language {check_language(code)!r}: weight {weight}; 0 or more is needed")
            check_language(code)
        if self.languages is not None and not sum(self.languages.values()) > 0:
            raise ValueError("no language with a positive weight; give at least one, such as en")
        # An unknown kind or chance is found now and not at the first clip that draws it
        augment_with_chances(get_rubric("mos"), Rating(3.0), self.augment, random.Random(0))


class Instructor:
    """Makes examples of items one by one, and counts what they lack.

    Args:
        tasks: Task to weight, or tasks of equal weight; names of ``ALL_TASKS``.

    Attributes:
        lacking: (task, reason) to number of items that cannot serve it.
        left_out: Number of items that can serve no task.

    Raises:
        ValueError: If a task is unknown, or none has a positive weight.
    """

    def __init__(self, tasks: Mapping[str, float] | Sequence[str], seed: int, manner: Manner | None = None) -> None:
        self.weights = check_weights(tasks)
        self.seed, self.manner = seed, manner or Manner()
        self.lacking: Counter[tuple[str, str]] = Counter()
        self.left_out = 0
        self._language = "en"
        self._earlier: dict[tuple[str, str], deque[RatedClip]] = {}
        augment = self.manner.augment
        self._options: dict[str, Any] = {
            "paraphrases": self.manner.paraphrases,
            "scales": [scale for scale in SCALES if scale.name not in self.manner.unseen_scales],
        }
        self._change: Change | None = (
            partial(augment_with_chances, chances=augment, **self._options) if augment else None
        )

    def examples(self, item: Item, index: int, variants: int = 1) -> Iterator[Example]:
        """Make the examples of one item; the task of each variant is drawn among those the item can serve.

        Args:
            index: Its place in its corpus, which seeds its draws.

        Yields:
            One example per variant; more with ``all_rubrics``, and two for a pair in both orders.
        """
        if isinstance(item, RatedClip) and self.manner.unseen_rubrics:
            seen = {name: one for name, one in item.ratings.items() if name not in self.manner.unseen_rubrics}
            item = replace(item, ratings=seen)
        usable = self._usable(item)
        # Every variant has an rng of its own: what one item draws does not change the examples of the next
        for variant in range(variants if usable else 0):
            rng = random.Random(f"{self.seed} {index} {variant}")
            task = rng.choices(list(usable), list(usable.values()))[0]
            self._language = self._draw_language(f"{self.seed} {index} {variant} language")
            spoken = {} if self._language == "en" else {"language": self._language}
            for example in self._make(item, task, rng):
                yield example | spoken | {"corpus": _clips(item)[0].corpus, "scores": _scores_of(item)}
        # Only now, so that no clip is compared with itself or with a later one
        if any(task in self.weights for task in COMPARING) and isinstance(item, RatedClip) and not _incomparable(item):
            self._partners(item).append(item)

    def _draw_language(self, seed: str) -> str:
        # Apart from all other draws, so that examples in English are the same with other languages as without
        chances = self.manner.languages
        return random.Random(seed).choices(list(chances), list(chances.values()))[0] if chances else "en"

    def _usable(self, item: Item) -> dict[str, float]:
        usable = {}
        for task, weight in self.weights.items():
            reason = "" if weight == 0 else self._lacks(item, task)
            if reason:
                self.lacking[task, reason] += 1
            elif weight:
                usable[task] = weight
        self.left_out += not usable
        return usable

    def _lacks(self, item: Item, task: str) -> str:
        if isinstance(item, RatedPair):
            if task not in COMPARING:
                return "a pair, which is for compare and compare_question only"
            if not overall_of(item):
                return "a pair without a preference overall or for naturalness"
            return "" if task != "compare" or self._forms(self._verdicts(item)) else UNFIT
        if self.manner.with_reference == "always" and _hears_reference(task) and item.reference is None:
            return "no reference"
        if task in COMPARING:
            alone = not any(one.path != item.path for one in self._partners(item))
            return _incomparable(item) or ("no earlier clip of its corpus to compare with" if alone else "")
        return _reason("detect" if task == DETECT_QUESTION else task, item)

    def _partners(self, clip: RatedClip) -> deque[RatedClip]:
        key = (clip.corpus, clip.split)
        if key not in self._earlier:
            self._earlier[key] = deque(maxlen=self.manner.partners)
        return self._earlier[key]

    def _make(self, item: Item, task: str, rng: random.Random) -> Iterator[Example]:
        if task in COMPARING:
            pair = item if isinstance(item, RatedPair) else self._pair_up(item, rng)
            yield from self._comparisons(pair, rng) if task == "compare" else self._comparison_questions(pair, rng)
            return
        assert isinstance(item, RatedClip)
        if task == DECIDE:
            faults, ratings = self.manner.fault_questions, self.manner.rubric_questions
            example = decision_example(item, rng, faults=faults, ratings=ratings, **self._how(item, rng))
            yield self._asked_for(item, example, rng)
        elif task in RUBRIC_TASKS:
            for example in text_examples(item, task, rng, **self._how(item, rng)):
                yield self._with_listener(example, item, rng)
        elif task == "rate":
            yield from self._ratings(item, rng)
        elif task == DETECT_QUESTION:
            yield self._detection_question(item, rng)
        else:
            yield self._whole_clip(item, task, rng)

    def _how(self, clip: RatedClip, rng: random.Random) -> dict[str, Any]:
        """What questions and texts about a clip have in common."""
        return {
            "use_reference": self._reference(clip, rng) is not None,
            "all_rubrics": self.manner.all_rubrics,
            "held_out": self.manner.held_out,
            "change": self._change,
            "language": self._language,
        }

    def _reference(self, clip: RatedClip, rng: random.Random) -> str | None:
        use = self.manner.with_reference
        return clip.reference if use == "always" or (use == "sometimes" and rng.random() < 0.5) else None

    def _phrasing(self, kind: str, rng: random.Random) -> dict[str, Any]:
        # As the ``ask`` of every task takes it; kind is a key of ``Language.phrasings``
        own = wordings(kind, self._language)[self.manner.held_out]
        return {"phrasing": rng.randrange(len(own)), "held_out": self.manner.held_out, "language": self._language}

    def _text_example(
        self, task: str, state: list[dict[str, Any]], request: str, answer: str, rng: random.Random, **facts: Any
    ) -> Example:
        completion = [{"role": "assistant", "content": answer}]
        prompt = text_messages(state, request)
        return {"task": task, "prompt": prompt, "completion": completion, "seed": rng.randrange(2**31)} | facts

    def _whole_clip(self, clip: RatedClip, task: str, rng: random.Random) -> Example:
        how = self._phrasing(task, rng)
        reference = self._reference(clip, rng) if _hears_reference(task) else None
        if reference is not None:
            how["with_reference"] = True
        answer, facts = _written(clip, task, rng, self._language)
        said = stated(task, facts, clip)
        answer, how_said = self._thought(task, answer)
        said |= how_said
        example = self._text_example(task, clip_state(clip, reference), TASKS[task].ask(**how), answer, rng, **said)
        return self._with_listener(example, clip, rng)

    def _detection_question(self, clip: RatedClip, rng: random.Random) -> Example:
        question = detect.question(**self._phrasing("detect_question", rng))
        is_fake = detect.target_of(clip).is_fake
        return {
            "task": DETECT_QUESTION,
            "state": clip_state(clip),
            "questions": {"fake": question},
            "targets": {"fake": [float(is_fake), float(not is_fake)]},  # yes, no
            "seed": rng.randrange(2**31),
        }

    def _ratings(self, clip: RatedClip, rng: random.Random) -> Iterator[Example]:
        names = list(clip.ratings)
        # Numbers stand for levels, which the rate task does not name
        chances: dict[Kind, float] = {kind: p for kind, p in self.manner.augment.items() if kind != "numbers"}
        for name in names if self.manner.all_rubrics else [rng.choice(names)]:
            asked = Augmented(get_rubric(name), clip.ratings[name])
            if chances:
                asked = augment_with_chances(asked.rubric, asked.rating, chances, rng, **self._options)
            cues = wordings("rate_cues", self._language)[self.manner.held_out]
            places: tuple[rate.Place, ...] = ("start", "middle", "end")
            own = asked.request("rate")
            how = self._phrasing("rate", rng) | ({} if own is None else {"phrasing": own, "language": "en"})
            request = rate.ask(asked.rubric, cue=rng.randrange(len(cues)), place=rng.choice(places), **how)
            request, named = self._name_listener(request, clip, rng)
            content = rate.content(request, *clip_state(clip))
            target = ScoreTarget(asked.rubric, asked.value)
            # No table has an augmented rubric, so evaluation is given a target for the others only
            said = named | stated("rate", rate.facts(target), clip)
            said |= {"provenance": list(asked.provenance), "rubrics": [name]} if asked.provenance else {}
            said |= {} if asked.provenance else {"target": {"rubric": name, "value": asked.value}}
            # The clip stands amid the text, so the prompt is not laid out like those of the other tasks
            example = self._text_example("rate", [], "", rate.write(target), rng, **said)
            yield example | {"prompt": [{"role": "user", "content": content}]}

    def _with_listener(self, example: Example, clip: RatedClip, rng: random.Random) -> Example:
        """Name the listener in the request, which is the last block of the prompt."""
        *blocks, last = example["prompt"][0]["content"]
        request, facts = self._name_listener(last["text"].removeprefix("\n"), clip, rng)
        content = [*blocks, {"type": "text", "text": f"\n{request}"}]
        return example | {"prompt": [{"role": "user", "content": content}]} | facts

    def _asked_for(self, clip: RatedClip, example: Example, rng: random.Random) -> Example:
        """Name the listener in each typed question about ratings that are those of some raters alone."""
        if clip.listener is None:
            return example
        questions = {
            name: question | {"instructions": self._name_listener(question["instructions"], clip, rng)[0]}
            if question["type"] == "score"
            else question
            for name, question in example["questions"].items()
        }
        return example | {"questions": questions, "listener": clip.listener}

    def _name_listener(self, request: str, clip: RatedClip, rng: random.Random) -> tuple[str, dict[str, Any]]:
        name = listener_of(clip)
        if name is None or (clip.listener is None and rng.random() >= self.manner.listener):
            return request, {}
        profile = listeners.get_listener(name)
        views = profile.held_out_views if self.manner.held_out else profile.views
        places: tuple[listeners.Side, ...] = ("before", "after")
        texts = listeners.HELD_OUT_PHRASINGS if self.manner.held_out else listeners.PHRASINGS
        how: dict[str, Any] = {"phrasing": rng.randrange(len(texts)), "held_out": self.manner.held_out}
        how |= {"wording": rng.randrange(len(views)), "place": rng.choice(places)}
        return listeners.ask(request, profile, **how), {"listener": name}

    def _pair_up(self, clip: RatedClip, rng: random.Random) -> RatedPair:
        """Compare a clip with an earlier one of its corpus, by their ratings, or with itself."""
        if self.manner.nearly_same and rng.random() < self.manner.nearly_same:
            # Without ratings, by which a panel would prefer one or the other of two that are the same now and then
            same, begun = replace(clip, ratings={}), clip.start_time or 0.0
            later = replace(same, start_time=begun + round(rng.uniform(0.005, LEAST_CUT_SECONDS), 4))
            return RatedPair(later, same, {"mos": "tie"} | dict.fromkeys(clip.ratings, "tie"))
        other = rng.choice([one for one in self._partners(clip) if one.path != clip.path])
        scores = [{name: rating.value for name, rating in one.ratings.items()} for one in (other, clip)]
        clear = compare.from_scores(scores[0], scores[1], tie_within=self.manner.tie_within).verdicts
        # The dimensions form has a line for every dimension; the other form passes over ties.
        alike = {name: "tie" for name in assess.TITLES if name in scores[0] and name in scores[1]}
        return RatedPair(other, clip, alike | dict(clear))

    def _comparisons(self, pair: RatedPair, rng: random.Random) -> Iterator[Example]:
        """One example, or both orders; the form is drawn where the verdicts fit both."""
        target = self._verdicts(pair)
        forms = self._forms(target)
        if not forms:
            self.lacking["compare", UNFIT] += 1
            return
        form = rng.choice(forms)
        orders = [False, True] if self.manner.both_orders else [rng.random() < 0.5]
        for is_swapped in orders:
            first, second = (pair.second, pair.first) if is_swapped else (pair.first, pair.second)
            own = compare.swapped(target) if is_swapped else target
            example = self._comparison(pair, own, form, is_swapped, pair_state(first, second), rng)
            yield self._with_listener(example, first, rng)

    def _verdicts(self, pair: RatedPair) -> Comparison:
        """The verdicts on a pair; where SpeechEval's dimensions are all that is wanted, those on them."""
        target = comparison_of(pair)
        if self.manner.comparison_form != "dimensions":
            return target
        return replace(target, verdicts={name: one for name, one in target.verdicts.items() if name in assess.TITLES})

    def _forms(self, target: Comparison) -> list[Form]:
        """The forms that are wanted and that the verdicts fit."""
        wanted = FORMS if self.manner.comparison_form == "any" else (self.manner.comparison_form,)
        return [form for form in wanted if form in _forms(target)]

    def _comparison_questions(self, pair: RatedPair, rng: random.Random) -> Iterator[Example]:
        shares = preference_shares(pair)
        others = [name for name in shares if name != "mos"]
        names = ["mos", *rng.sample(others, rng.randint(0, min(2, len(others))))]  # drawn even if all are asked for
        if self.manner.all_rubrics:
            names = list(shares)
        asked = {name: compare.question(name, **self._phrasing("compare_question", rng)) for name in names}
        orders = [False, True] if self.manner.both_orders else [rng.random() < 0.5]
        for is_swapped in orders:
            first, second = (pair.second, pair.first) if is_swapped else (pair.first, pair.second)
            # (A, B, tie): the clips change places, the tie stays
            targets = {name: [shares[name][i] for i in ((1, 0, 2) if is_swapped else (0, 1, 2))] for name in names}
            state = pair_state(first, second)
            seed = rng.randrange(2**31)
            yield {"task": COMPARE_QUESTION, "state": state, "questions": asked, "targets": targets, "seed": seed}

    def _comparison(
        self,
        pair: RatedPair,
        target: Comparison,
        form: Form,
        is_swapped: bool,
        state: list[dict[str, Any]],
        rng: random.Random,
    ) -> Example:
        if form == "dimensions":
            request = compare.ask(form=form, **self._phrasing("compare_dimensions", rng))
        else:
            request = compare.ask(_asked_aspects(pair), **self._phrasing("compare", rng))
        answer = compare.write(target, rng, form=form, language=self._language)
        if "caption" in pair.extra and not is_swapped:  # a caption names A and B, so it fits one order only
            answer, form = pair.extra["caption"], "preference"
        said = stated("compare", compare.facts(target))
        answer, how_said = self._thought("compare", answer)
        return self._text_example("compare", state, request, answer, rng, form=form, **said, **how_said)

    def _thought(self, task: str, answer: str) -> tuple[str, dict[str, Any]]:
        """An answer with its thought, or without; the example says so, since the judge is read accordingly."""
        if self.manner.thoughts or task not in THINKING or not holds_tag(answer):
            return answer, {}
        return without_thought(answer), {"thinks": False}


def make_instructions(
    items: Iterable[Item],
    tasks: Mapping[str, float] | Sequence[str],
    *,
    seed: int,
    variants: int = 1,
    manner: Manner | None = None,
    lacking: Counter[tuple[str, str]] | None = None,
) -> Iterator[Example]:
    """Make examples of any tasks in a stream, item by item; the same arguments make the same ones.

    Args:
        tasks: As of ``Instructor``.
        variants: Examples per item.
        lacking: Filled with (task, reason) to number of items that cannot serve it.

    Example:
        >>> clip = RatedClip("a.wav", {"mos": Rating(3.4)}, "train", "NISQA")
        >>> next(make_instructions([clip], ["rate"], seed=0))["completion"][0]["content"]
        '3.40'
    """
    instructor = Instructor(tasks, seed, manner)
    if lacking is not None:
        instructor.lacking = lacking
    for index, item in enumerate(items):
        yield from instructor.examples(item, index, variants)


def check_weights(tasks: Mapping[str, float] | Sequence[str]) -> dict[str, float]:
    """Check tasks with their weights, or tasks of equal weight, and give them as a dict.

    Raises:
        ValueError: If there is no task, an unknown one, a negative weight, or no positive one.

    Example:
        >>> check_weights(["describe", "detect_question"])
        {'describe': 1.0, 'detect_question': 1.0}
    """
    weights = dict(tasks) if isinstance(tasks, Mapping) else dict.fromkeys(tasks, 1.0)
    for name, weight in weights.items():
        if name not in ALL_TASKS:
            raise ValueError(f"no task {name!r}; known: {', '.join(ALL_TASKS)}")
        if not weight >= 0:
            raise ValueError(f"task {name!r}: weight {weight}; 0 or more is needed")
    if not sum(weights.values()) > 0:
        raise ValueError("no task with a positive weight; give at least one, such as score")
    return weights


def _hears_reference(task: str) -> bool:
    return TASKS[task].TRAITS.hears_reference if task in TASKS else task == DECIDE


def _forms(target: Comparison) -> list[Form]:
    # The dimensions form speaks of SpeechEval's dimensions only, and needs more than the verdict overall
    names = set(target.verdicts)
    fits = names <= set(assess.TITLES) and len(names) > 1
    return ["preference", "dimensions"] if fits else ["preference"]


def _asked_aspects(pair: RatedPair) -> list[str]:
    # Rated on both sides or preferred, not only those that differ: a request that named these would tell the answer
    shared = [name for name in pair.first.ratings if name in pair.second.ratings and name in ALL_RUBRICS]
    named = [name for name in pair.preferences if name in ALL_RUBRICS]
    return list(dict.fromkeys([*shared, *named])) or ["mos"]


def _clips(item: Item) -> tuple[RatedClip, ...]:
    return (item.first, item.second) if isinstance(item, RatedPair) else (item,)


def _scores_of(item: Item) -> dict[str, float]:
    return {} if isinstance(item, RatedPair) else {name: rating.value for name, rating in item.ratings.items()}


def _incomparable(clip: RatedClip) -> str:
    """Why the ratings of a clip cannot be held against those of another one; empty if they can."""
    if clip.listener is not None:
        return "the ratings of some of its raters alone, to compare by"
    return _reason("compare", clip) if "mos" in clip.ratings else "no overall rating (mos) to compare by"


def _reason(task: str, clip: RatedClip) -> str:
    try:
        if task in TASKS and TASKS[task].TRAITS.asks == "none":
            target_of(task, clip)
        else:
            check_rated(clip)
    except LackingError as lacking:
        return str(lacking)
    return ""


def _written(clip: RatedClip, task: str, rng: random.Random, language: str) -> tuple[str, Facts]:
    # A caption is a description that somebody wrote, in English, and takes the place of ours
    if task == "describe" and "caption" in clip.extra:
        return clip.extra["caption"], Facts({"mos": clip.ratings["mos"].value})
    return written(task, target_of(task, clip, (), rng, language), (), rng, language)
