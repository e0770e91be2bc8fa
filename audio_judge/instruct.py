"""Examples of all tasks from all rated items: clips and pairs, whatever each of them has.

``audio_judge.examples`` makes the examples of the tasks about rubrics that a caller names. This module adds the others
(describe, compare, assess, suggest, detect, rate), listener profiles, and the choice among the tasks that an item can
serve. What an item lacks for a task is counted in ``Instructor.lacking``; nothing is dropped in silence.

Each example also has the facts ``corpus`` and ``scores`` (the ratings before augmentation), and where they apply
``listener``, ``form`` and ``provenance``.
"""

import random
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

from audio_judge.augment import Augmented, Kind, Paraphrase, augment_with_chances
from audio_judge.clips import RatedClip, RatedPair, Rating
from audio_judge.corpora import CorpusError
from audio_judge.corpora.table import Split, read_rows
from audio_judge.examples import DECIDE, Change, ReferenceUse, clip_examples, clip_state, pair_state, text_messages
from audio_judge.faults import distortions_by_cause
from audio_judge.languages import check_language, wordings
from audio_judge.rubrics import ALL_RUBRICS, get_rubric
from audio_judge.tasks import (
    RUBRIC_TASKS,
    TASKS,
    Assessment,
    ClipDetails,
    Comparison,
    Description,
    Detection,
    Distortion,
    ParseError,
    ScoreTarget,
    Suggestions,
    assess,
    compare,
    describe,
    detect,
    listeners,
    rate,
    suggest,
)
from audio_judge.tasks.compare import Form, Verdict
from audio_judge.tasks.thoughts import join_thought

DETECT_QUESTION = "detect_question"
COMPARE_QUESTION = "compare_question"
COMPARING = ("compare", COMPARE_QUESTION)
ALL_TASKS = (DECIDE, *TASKS, DETECT_QUESTION, COMPARE_QUESTION)
# A request for one of these is about a single rubric; the others are about the clip or the pair.
_NO_REFERENCE = (*COMPARING, "suggest", "detect", DETECT_QUESTION, "rate")

Item = RatedClip | RatedPair
Example = dict[str, Any]


class LackingError(ValueError):
    """An item has not what a task needs; the message says what, so that equal ones can be counted."""


@dataclass(frozen=True)
class Manner:
    """How items are made into examples.

    Args:
        with_reference: Whether the reference is heard too; ``sometimes`` is every other time, where there is one.
        all_rubrics: Whether every rated rubric is asked for, as evaluation wants it; else a random choice.
        held_out: Whether to use the phrasings that are kept out of training.
        augment: Chance of each kind of ``audio_judge.augment.KINDS``; only for training. ``rate`` takes scale and invert.
        paraphrases: Wordings that ``augment`` may use besides our own.
        listener: Chance that a request in text names the listener: ``extra["listener"]`` if that is one of
            ``tasks.listeners``, else the standard of the corpus, if there is one.
        both_orders: Whether a pair makes two examples, A before B and B before A; else one, in a random order.
        partners: How many earlier clips of the same corpus and split are kept to compare a clip with.
        tie_within: Overall ratings that differ by no more than this are a tie.
        fault_questions: Whether a ``decide`` example asks about ``some`` of the known faults, there or not with the same
            chance, or about ``all``, which gives probabilities of faults as frequent as in the corpus.
        languages: Chance of each of ``audio_judge.languages.LANGUAGES`` as weights; None for English. Augmented rubrics,
            published texts (captions, descriptions, suggestions) and the listener's profile stay in English, or as they are.
    """

    with_reference: ReferenceUse = "never"
    all_rubrics: bool = False
    held_out: bool = False
    augment: Mapping[Kind, float] = field(default_factory=dict)
    paraphrases: Sequence[Paraphrase] = ()
    listener: float = 0.0
    both_orders: bool = True
    partners: int = 256
    tie_within: float = 0.0
    fault_questions: Literal["some", "all"] = "some"
    languages: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        if self.with_reference not in ("never", "sometimes", "always"):
            raise ValueError(f"with_reference {self.with_reference!r}; never, sometimes or always is needed")
        if self.augment and self.held_out:
            raise ValueError("augment changes what is asked and is for training; leave it out where held_out is set")
        if self.fault_questions not in ("some", "all"):
            raise ValueError(f"fault_questions {self.fault_questions!r}; some or all is needed")
        if not 0 <= self.listener <= 1 or self.partners < 1:
            raise ValueError(f"listener {self.listener}, partners {self.partners}; 0 to 1 and 1 or more are needed")
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
        seed: Of everything that is drawn.
        manner: How.

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
        self._change: Change | None = (
            partial(augment_with_chances, chances=augment, paraphrases=self.manner.paraphrases) if augment else None
        )

    def examples(self, item: Item, index: int, variants: int = 1) -> Iterator[Example]:
        """Make the examples of one item; the task of each variant is drawn among those the item can serve.

        Args:
            item: A clip or a pair.
            index: Its place in its corpus, which seeds it.
            variants: How many times to draw.

        Yields:
            One example per variant; more with ``all_rubrics``, and two for a pair in both orders.
        """
        usable = self._usable(item)
        for variant in range(variants if usable else 0):
            rng = random.Random(f"{self.seed} {index} {variant}")
            task = rng.choices(list(usable), list(usable.values()))[0]
            self._language = self._draw_language(f"{self.seed} {index} {variant} language")
            spoken = {} if self._language == "en" else {"language": self._language}
            for example in self._make(item, task, rng):
                yield example | spoken | {"corpus": _clips(item)[0].corpus, "scores": _scores_of(item)}
        if isinstance(item, RatedClip) and any(task in self.weights for task in COMPARING):
            self._partners(item).append(item)

    def _draw_language(self, seed: str) -> str:
        """Draws apart from everything else, so that examples in English are the same with other languages as without."""
        chances = self.manner.languages
        return random.Random(seed).choices(list(chances), list(chances.values()))[0] if chances else "en"

    def _usable(self, item: Item) -> dict[str, float]:
        """Weights of the tasks that the item has everything for."""
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
        """What the item lacks for a task; nothing if it lacks nothing."""
        if isinstance(item, RatedPair):
            if task not in COMPARING:
                return "a pair, which is for compare and compare_question only"
            return "" if _overall(item) else "a pair without a preference overall or for naturalness"
        if self.manner.with_reference == "always" and task not in _NO_REFERENCE and item.reference is None:
            return "no reference"
        if task in COMPARING:
            if "mos" not in item.ratings:
                return "no overall rating (mos) to compare by"
            known = self._partners(item)
            return (
                "" if any(one.path != item.path for one in known) else "no earlier clip of its corpus to compare with"
            )
        return _reason(_CHECKS[task], item)

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
        if task == DECIDE or task in RUBRIC_TASKS:
            heard = self.manner.all_rubrics, self.manner.held_out, self._change
            has_reference = self._reference(item, rng) is not None
            all_faults = self.manner.fault_questions == "all"
            for example in clip_examples(item, task, rng, has_reference, *heard, self._language, all_faults=all_faults):
                yield self._with_listener(example, item, rng)
        elif task == "rate":
            yield from self._ratings(item, rng)
        elif task == DETECT_QUESTION:
            yield self._detection_question(item, rng)
        else:
            yield self._whole_clip(item, task, rng)

    def _reference(self, clip: RatedClip, rng: random.Random) -> str | None:
        use = self.manner.with_reference
        return clip.reference if use == "always" or (use == "sometimes" and rng.random() < 0.5) else None

    def _phrasing(
        self, kind: str, training: tuple[str, ...], held_out: tuple[str, ...], rng: random.Random
    ) -> dict[str, Any]:
        """The choice of a wording, as the ``ask`` of every task takes it; kind is a key of ``Language.phrasings``."""
        own = wordings(kind, self._language, (training, held_out))[self.manner.held_out]
        return {"phrasing": rng.randrange(len(own)), "held_out": self.manner.held_out, "language": self._language}

    def _text_example(
        self, task: str, state: list[dict[str, Any]], request: str, answer: str, rng: random.Random, **facts: Any
    ) -> Example:
        completion = [{"role": "assistant", "content": answer}]
        prompt = text_messages(state, request)
        return {"task": task, "prompt": prompt, "completion": completion, "seed": rng.randrange(2**31)} | facts

    def _whole_clip(self, clip: RatedClip, task: str, rng: random.Random) -> Example:
        """Describe, assess, suggest or detect."""
        module = TASKS[task]
        how = self._phrasing(task, module.PHRASINGS, module.HELD_OUT_PHRASINGS, rng)
        reference = None if task in _NO_REFERENCE else self._reference(clip, rng)
        if reference is not None:
            how["with_reference"] = True
        answer = _WRITERS[task](clip, rng, self._language)
        example = self._text_example(task, clip_state(clip, reference), module.ask(**how), answer, rng)
        return self._with_listener(example, clip, rng)

    def _detection_question(self, clip: RatedClip, rng: random.Random) -> Example:
        question = detect.question(
            **self._phrasing("detect_question", detect.QUESTIONS, detect.HELD_OUT_QUESTIONS, rng)
        )
        is_fake = detection_of(clip).is_fake
        targets = {"fake": [float(is_fake), float(not is_fake)]}
        seed = rng.randrange(2**31)
        state = clip_state(clip)
        return {
            "task": DETECT_QUESTION,
            "state": state,
            "questions": {"fake": question},
            "targets": targets,
            "seed": seed,
        }

    def _ratings(self, clip: RatedClip, rng: random.Random) -> Iterator[Example]:
        """The rate task on one rated rubric, or on all of them."""
        names = list(clip.ratings)
        chances: dict[Kind, float] = {
            kind: chance for kind, chance in self.manner.augment.items() if kind in ("scale", "invert")
        }
        for name in names if self.manner.all_rubrics else [rng.choice(names)]:
            asked = Augmented(get_rubric(name), clip.ratings[name])
            if chances:
                asked = augment_with_chances(asked.rubric, asked.rating, chances, rng)
            cues = wordings("rate_cues", self._language, (rate.CUES, rate.HELD_OUT_CUES))[self.manner.held_out]
            places: tuple[rate.Place, ...] = ("start", "middle", "end")
            how = self._phrasing("rate", rate.PHRASINGS, rate.HELD_OUT_PHRASINGS, rng)
            request = rate.ask(asked.rubric, cue=rng.randrange(len(cues)), place=rng.choice(places), **how)
            request, facts = self._name_listener(request, clip, rng)
            content = rate.content(request, *clip_state(clip))
            # No table has an augmented rubric, so evaluation is given a target for the others only.
            facts |= {"provenance": list(asked.provenance)} if asked.provenance else {}
            facts |= {} if asked.provenance else {"target": {"rubric": name, "value": asked.value}}
            answer = rate.write(ScoreTarget(asked.rubric, asked.value))
            example = self._text_example("rate", [], "", answer, rng, **facts)
            yield example | {"prompt": [{"role": "user", "content": content}]}

    def _with_listener(self, example: Example, clip: RatedClip, rng: random.Random) -> Example:
        """Name the listener in the request, which is the last block of the prompt; typed questions name none."""
        if "prompt" not in example:
            return example
        *blocks, last = example["prompt"][0]["content"]
        request, facts = self._name_listener(last["text"].removeprefix("\n"), clip, rng)
        content = [*blocks, {"type": "text", "text": f"\n{request}"}]
        return example | {"prompt": [{"role": "user", "content": content}]} | facts

    def _name_listener(self, request: str, clip: RatedClip, rng: random.Random) -> tuple[str, dict[str, Any]]:
        name = listener_of(clip)
        if name is None or rng.random() >= self.manner.listener:
            return request, {}
        profile = listeners.get_listener(name)
        views = profile.held_out_views if self.manner.held_out else profile.views
        places: tuple[listeners.Place, ...] = ("before", "after")
        texts = listeners.HELD_OUT_PHRASINGS if self.manner.held_out else listeners.PHRASINGS
        how: dict[str, Any] = {"phrasing": rng.randrange(len(texts)), "held_out": self.manner.held_out}
        how |= {"wording": rng.randrange(len(views)), "place": rng.choice(places)}
        return listeners.ask(request, profile, **how), {"listener": name}

    # Comparisons

    def _pair_up(self, clip: RatedClip, rng: random.Random) -> RatedPair:
        """Compare a clip with an earlier one of its corpus, by their ratings."""
        other = rng.choice([one for one in self._partners(clip) if one.path != clip.path])
        scores = [{name: rating.value for name, rating in one.ratings.items()} for one in (other, clip)]
        clear = compare.from_scores(scores[0], scores[1], tie_within=self.manner.tie_within).verdicts
        # The dimensions form has a line for every dimension; the other form passes over ties.
        alike = {name: "tie" for name in assess.TITLES if name in scores[0] and name in scores[1]}
        return RatedPair(other, clip, alike | dict(clear))

    def _comparisons(self, pair: RatedPair, rng: random.Random) -> Iterator[Example]:
        """One example, or both orders; the form is drawn where the verdicts fit both."""
        target = comparison_of(pair)
        form: Form = rng.choice(_forms(target))
        orders = [False, True] if self.manner.both_orders else [rng.random() < 0.5]
        for is_swapped in orders:
            first, second = (pair.second, pair.first) if is_swapped else (pair.first, pair.second)
            own = compare.swapped(target) if is_swapped else target
            example = self._comparison(pair, own, form, is_swapped, pair_state(first, second), rng)
            yield self._with_listener(example, first, rng)

    def _comparison_questions(self, pair: RatedPair, rng: random.Random) -> Iterator[Example]:
        """Typed questions about one to three rubrics, the whole among them, in one order drawn or in both."""
        shares = _preference_shares(pair)
        others = [name for name in shares if name != "mos"]
        names = ["mos", *rng.sample(others, rng.randint(0, min(2, len(others))))]
        if self.manner.all_rubrics:
            names = list(shares)
        english = compare.QUESTIONS, compare.HELD_OUT_QUESTIONS
        asked = {name: compare.question(name, **self._phrasing("compare_question", *english, rng)) for name in names}
        orders = [False, True] if self.manner.both_orders else [rng.random() < 0.5]
        for is_swapped in orders:
            first, second = (pair.second, pair.first) if is_swapped else (pair.first, pair.second)
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
            how = self._phrasing(
                "compare_dimensions", compare.DIMENSION_PHRASINGS, compare.HELD_OUT_DIMENSION_PHRASINGS, rng
            )
            request = compare.ask(form=form, **how)
        else:
            how = self._phrasing("compare", compare.PHRASINGS, compare.HELD_OUT_PHRASINGS, rng)
            request = compare.ask(_asked_aspects(pair), **how)
        answer = compare.write(target, rng, form=form, language=self._language)
        if "caption" in pair.extra and not is_swapped:  # a caption names A and B, so it fits one order only
            answer, form = pair.extra["caption"], "preference"
        return self._text_example("compare", state, request, answer, rng, form=form, verdicts=dict(target.verdicts))


def make_instructions(
    items: Iterable[Item],
    tasks: Mapping[str, float] | Sequence[str],
    *,
    seed: int,
    variants: int = 1,
    manner: Manner | None = None,
    lacking: Counter[tuple[str, str]] | None = None,
) -> Iterator[Example]:
    """Make examples of any tasks in a stream; the same arguments make the same ones.

    Args:
        items: Clips and pairs.
        tasks: Task to weight, or tasks of equal weight; names of ``ALL_TASKS``.
        seed: Of everything that is drawn.
        variants: Examples per item.
        manner: How; see ``Manner``.
        lacking: Filled with (task, reason) to number of items that cannot serve it.

    Yields:
        Examples, those of an item one after the other.

    Raises:
        ValueError: If a task is unknown, or none has a positive weight.

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
    """Read the weights of a mixture of any tasks.

    Args:
        tasks: Task to weight, or tasks of equal weight.

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


def listener_of(clip: RatedClip) -> str | None:
    """Name the listener profile that a clip's ratings belong to; None if there is none.

    Args:
        clip: Its ``extra["listener"]`` counts if it is a profile, else the name of its corpus.

    Example:
        >>> listener_of(RatedClip("a.wav", {}, "train", "NISQA"))
        'nisqa'
    """
    for name in (str(clip.extra.get("listener", "")), clip.corpus.lower()):
        if name in listeners.LISTENERS:
            return name
    return None


# What a clip says, as the targets of the tasks. Each raises LackingError if the clip lacks what is needed.


def description_of(clip: RatedClip, seed: int | random.Random = 0, language: str = "en") -> Description:
    """Describe a clip: with the words of its listeners if they are whole sentences, else from its ratings.

    Args:
        clip: A clip with an overall rating.
        seed: Chooses the wordings.
        language: Of the text; published words are taken for English and serve no other language.

    Raises:
        LackingError: If there is no overall rating.
    """
    if "mos" not in clip.ratings:
        raise LackingError("no overall rating (mos)")
    _check_rated(clip)
    scores = {name: rating.value for name, rating in clip.ratings.items()}
    written = clip.extra.get("description")
    if isinstance(written, str) and language == "en":
        try:
            return Description(written.strip(), round(scores["mos"], 1))
        except ValueError:
            pass  # headings or tags, not sentences; the ratings speak instead
    return describe.describe_scores(scores, seed, language)


def assessment_of(clip: RatedClip) -> Assessment:
    """Assess a clip on SpeechEval's dimensions; notes that a line of the task cannot hold are left out.

    Args:
        clip: With ratings of SpeechEval's dimensions, and the ``extra`` of ``audio_judge.corpora.speecheval``.

    Raises:
        LackingError: If no dimension but the whole and the speech rate is rated.
    """
    if clip.ratings:
        _check_rated(clip)
    scores = {name: rating.value for name, rating in clip.ratings.items() if name in assess.TITLES}
    rate_value = scores.pop("speech_rate", None)
    if not set(scores) - {"mos"}:
        raise LackingError("no ratings of SpeechEval's dimensions")
    speech_rate = clip.extra.get("speech_rate_word") or (
        "" if rate_value is None else get_rubric("speech_rate").level_of(rate_value)
    )
    gender, age = assess.read_speaker(f"{clip.extra.get('speaker_gender', '')}, {clip.extra.get('speaker_age', '')}")
    heard = "subjective_experience" in scores
    emotion = " ".join(str(clip.extra.get("emotion", "")).split())
    notes: dict[str, Any] = {"gender": gender if heard else "", "age": age if heard else ""}
    if "emotional_impact" in scores and re.fullmatch(r"[^\W\d](?:[\w &/'-]*\w)?", emotion):
        notes["emotion"] = emotion
    if "distortion" in scores:
        notes["distortions"] = distortions_of(clip)
    return Assessment(scores, speech_rate, **notes, answer=_free_text(clip.extra.get("description")))


def distortions_of(clip: RatedClip) -> tuple[Distortion, ...]:
    """Read the types of distortion of a clip; time spans count if there is one type, whose they must be.

    Args:
        clip: ``extra`` has ``distortion_types`` and may have ``distortion_spans``; without the former the causes count.
    """
    if clip.causes and "distortion_types" not in clip.extra:
        return distortions_by_cause(clip.causes)
    kinds = assess.read_distortions(";".join(clip.extra.get("distortion_types", ())))
    spans = tuple((start, end) for start, end in clip.extra.get("distortion_spans", ()) if 0 <= start < end)
    return (Distortion(kinds[0].kind, spans),) if len(kinds) == 1 and spans else kinds


def suggestions_of(clip: RatedClip, seed: int | random.Random = 0, language: str = "en") -> Suggestions:
    """Make suggestions for a clip: those that were published, else from its assessment.

    Args:
        clip: ``extra`` has ``suggestions`` and ``improvement_areas``, or there are ratings of SpeechEval's dimensions.
        seed: Chooses the wordings.
        language: Of the suggestions; published ones are taken for English and serve no other language.

    Raises:
        LackingError: If there is neither.
    """
    published = clip.extra.get("suggestions")
    if published and language == "en":
        areas = ", ".join(str(area) for area in clip.extra.get("improvement_areas", ()))
        try:
            return suggest.parse(join_thought(f"Key improvement areas: {areas}", "\n".join(published)))
        except ParseError as error:
            raise LackingError("suggestions that cannot be written one per line") from error
    try:
        return suggest.suggest_for(assessment_of(clip), seed, language=language)
    except LackingError as error:
        raise LackingError(f"no suggestions, and {error}") from error


def detection_of(clip: RatedClip) -> Detection:
    """Say whether a clip is fake.

    Args:
        clip: ``extra["label"]`` is ``real`` or ``fake``.

    Raises:
        LackingError: If it is neither.
    """
    label = clip.extra.get("label")
    if label not in ("real", "fake"):
        raise LackingError("no label real or fake")
    return Detection(label == "fake")


def comparison_of(pair: RatedPair) -> Comparison:
    """Compare the clips of a pair by its preferences; one for naturalness alone is the preference overall.

    Args:
        pair: ``extra["description"]`` may have the summary; the clips' ``extra`` distortions and speakers.

    Raises:
        LackingError: If there is no preference overall or for naturalness.
    """
    overall = _overall(pair)
    if overall is None:
        raise LackingError("a pair without a preference overall or for naturalness")
    verdicts = {name: cast(Verdict, verdict) for name, verdict in pair.preferences.items() if name in ALL_RUBRICS}
    # The summary names A and B; compare.swapped leaves it out of the other order
    summary = _free_text(pair.extra.get("description"))
    return Comparison({"mos": overall} | verdicts, (_details(pair.first), _details(pair.second)), summary)


def _preference_shares(pair: RatedPair) -> dict[str, list[float]]:
    """Shares of listeners for A, B and tie per rubric: by the ratings where both clips have them, else the verdicts."""
    ratings = [{name: rating.value for name, rating in clip.ratings.items()} for clip in (pair.first, pair.second)]
    rated = {
        name: compare.shares(ratings[0][name], ratings[1][name], name) for name in ratings[0] if name in ratings[1]
    }
    verdicts = comparison_of(pair).verdicts
    told = {
        name: [float(verdict == option) for option in ("A", "B", "tie")]
        for name, verdict in verdicts.items()
        if name not in rated
    }
    return rated | told


def _overall(pair: RatedPair) -> Verdict | None:
    found = pair.preferences.get("mos", pair.preferences.get("naturalness"))
    return cast(Verdict, found) if found in compare.TOKENS else None


def _details(clip: RatedClip) -> ClipDetails:
    gender, age = assess.read_speaker(f"{clip.extra.get('speaker_gender', '')}, {clip.extra.get('speaker_age', '')}")
    return ClipDetails(distortions_of(clip), gender, "" if age.casefold() == "none" else age)


def _forms(target: Comparison) -> list[Form]:
    """The dimensions form speaks of SpeechEval's dimensions only, and needs more than the verdict overall."""
    names = set(target.verdicts)
    fits = names <= set(assess.TITLES) and len(names) > 1
    return ["preference", "dimensions"] if fits else ["preference"]


def _asked_aspects(pair: RatedPair) -> list[str]:
    """Aspects a request may name: those rated on both sides or preferred, not only those that differ, which would tell."""
    shared = [name for name in pair.first.ratings if name in pair.second.ratings and name in ALL_RUBRICS]
    named = [name for name in pair.preferences if name in ALL_RUBRICS]
    return list(dict.fromkeys([*shared, *named])) or ["mos"]


def _free_text(text: Any) -> str:
    """A text that may stand beside the tags of an answer; nothing if it holds some of its own."""
    plain = text.strip() if isinstance(text, str) else ""
    return "" if re.search(r"</?\s*(?:think|answer)\b", plain, re.IGNORECASE) else plain


def _clips(item: Item) -> tuple[RatedClip, ...]:
    return (item.first, item.second) if isinstance(item, RatedPair) else (item,)


def _scores_of(item: Item) -> dict[str, float]:
    return {} if isinstance(item, RatedPair) else {name: rating.value for name, rating in item.ratings.items()}


def _check_rated(clip: RatedClip) -> None:
    """Ratings must be of rubrics we know, on their scales."""
    if not clip.ratings:
        raise LackingError("no ratings")
    for name, rating in clip.ratings.items():
        if name not in ALL_RUBRICS:
            raise LackingError(f"rated on {name!r}, which is none of our rubrics")
        if not get_rubric(name).low <= rating.value <= get_rubric(name).high:
            raise LackingError(f"a rating of {name} off the scale {get_rubric(name).scale.name}")


def _reason(check: Callable[[RatedClip], Any], clip: RatedClip) -> str:
    """Why a check fails; nothing if it does not."""
    try:
        check(clip)
    except LackingError as lacking:
        return str(lacking)
    return ""


def _write_description(clip: RatedClip, rng: random.Random, language: str) -> str:
    if "caption" in clip.extra:
        return clip.extra["caption"]
    return describe.write(description_of(clip, rng, language), rng, language)


_WRITERS: dict[str, Callable[[RatedClip, random.Random, str], str]] = {
    "describe": _write_description,
    "assess": lambda clip, rng, language: assess.write(assessment_of(clip), rng, language),
    "suggest": lambda clip, rng, language: suggest.write(suggestions_of(clip, rng, language), language),
    "detect": lambda clip, _, language: detect.write(detection_of(clip), language),
}
_CHECKS: dict[str, Callable[[RatedClip], Any]] = {
    **dict.fromkeys((DECIDE, *RUBRIC_TASKS, "rate"), _check_rated),
    "describe": description_of,
    "assess": assessment_of,
    "suggest": suggestions_of,
    "detect": detection_of,
    DETECT_QUESTION: detection_of,
}


def read_captions(path: str | Path, split: Split = "train", *, corpus: str = "captions") -> Iterator[Item]:
    """Read what ``audio_judge.captions`` wrote, to be learned with ``describe`` and ``compare``.

    Args:
        path: File of captions.
        split: Split of all of them.
        corpus: Name of the corpus.

    Yields:
        Clips with their overall rating and pairs with their preferences, one per caption, which is ``extra["caption"]``.

    Raises:
        CorpusError: If a row is no caption.
    """
    for row in read_rows(path, ["task", "audio", "text", "truth"]):
        audio, truth = row.values["audio"], row.values["truth"]
        extra = {"caption": row.required("text")}
        if row.values["task"] == "describe" and isinstance(truth, int | float) and len(audio) == 1:
            yield RatedClip(audio[0], {"mos": Rating(float(truth))}, split, corpus, extra=extra)
        elif row.values["task"] == "compare" and isinstance(truth, dict) and len(audio) == 2:
            first, second = (RatedClip(one, {}, split, corpus) for one in audio)
            yield RatedPair(first, second, truth, extra)
        else:
            raise CorpusError(row.path, row.line, "no caption of one clip with its score or of two with their verdicts")
