"""What a rated clip says, as the target of each task."""

import random
import re
from collections.abc import Callable, Sequence
from typing import Any, cast

from audio_judge.clips import RatedClip, RatedPair
from audio_judge.rubrics.rubric import ALL_RUBRICS, RUBRICS, get_rubric
from audio_judge.tasks import (
    TASKS,
    Assessment,
    ClipDetails,
    Comparison,
    Description,
    Distortion,
    ParseError,
    Suggestions,
    assess,
    compare,
    describe,
    listeners,
    suggest,
)
from audio_judge.tasks.common import LackingError
from audio_judge.tasks.compare import Verdict
from audio_judge.tasks.faults import distortions_by_cause
from audio_judge.tasks.thoughts import holds_tag, join_thought


def listener_of(clip: RatedClip) -> str | None:
    """Name the listener that a clip's ratings belong to: its own, ``extra["listener"]`` or the corpus; else None.

    Example:
        >>> listener_of(RatedClip("a.wav", {}, "train", "NISQA"))
        'nisqa'
    """
    for name in (clip.listener, str(clip.extra.get("listener", "")), clip.corpus.lower()):
        if name in listeners.LISTENERS:
            return name
    return None


def description_of(clip: RatedClip, seed: int | random.Random = 0, language: str = "en") -> Description:
    """Describe a clip: with the words of its listeners if they are whole sentences, else from its ratings.

    Published words are taken for English and serve no other language.

    Raises:
        LackingError: If there is no overall rating.
    """
    if "mos" not in clip.ratings:
        raise LackingError("no overall rating (mos)")
    check_rated(clip)
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

    The notes are the ``extra`` of ``audio_judge.corpora.speecheval``.

    Raises:
        LackingError: If no dimension but the whole and the speech rate is rated.
    """
    if clip.ratings:
        check_rated(clip)
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
    if "emotional_impact" in scores and re.fullmatch(assess.NOTE, emotion):
        notes["emotion"] = emotion
    if "distortion" in scores:
        notes["distortions"] = distortions_of(clip)
    return Assessment(scores, speech_rate, **notes, answer=_free_text(clip.extra.get("description")))


def distortions_of(clip: RatedClip) -> tuple[Distortion, ...]:
    """Read ``distortion_types`` and ``distortion_spans`` of a clip's ``extra``; without the former its causes count."""
    if clip.causes and "distortion_types" not in clip.extra:
        return distortions_by_cause(clip.causes)
    kinds = assess.read_distortions(";".join(clip.extra.get("distortion_types", ())))
    # The spans are of the clip, not of a type: only where there is one type it is clear whose they are
    spans = tuple((start, end) for start, end in clip.extra.get("distortion_spans", ()) if 0 <= start < end)
    return (Distortion(kinds[0].kind, spans),) if len(kinds) == 1 and spans else kinds


def suggestions_of(clip: RatedClip, seed: int | random.Random = 0, language: str = "en") -> Suggestions:
    """Make suggestions for a clip: those that were published, else from its assessment.

    Args:
        clip: ``extra`` has ``suggestions`` and ``improvement_areas``, or there are ratings of SpeechEval's dimensions.
        language: Published suggestions are taken for English and serve no other language.

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
        aspects = {name: clip.ratings[name].value for name in RUBRICS if name != "mos" and name in clip.ratings}
        return suggest.suggest_for(assessment_of(clip), seed, language=language, aspects=aspects)
    except LackingError as error:
        raise LackingError(f"no suggestions, and {error}") from error


def comparison_of(pair: RatedPair) -> Comparison:
    """Compare the clips of a pair by its preferences; one for naturalness alone is the preference overall.

    Args:
        pair: ``extra["description"]`` may have the summary; the clips' ``extra`` distortions and speakers.

    Raises:
        LackingError: If there is no preference overall or for naturalness.
    """
    overall = overall_of(pair)
    if overall is None:
        raise LackingError("a pair without a preference overall or for naturalness")
    verdicts = {name: cast(Verdict, verdict) for name, verdict in pair.preferences.items() if name in ALL_RUBRICS}
    # The summary names A and B; compare.swapped leaves it out of the other order
    summary = _free_text(pair.extra.get("description"))
    return Comparison({"mos": overall} | verdicts, (_details(pair.first), _details(pair.second)), summary)


def preference_shares(pair: RatedPair) -> dict[str, list[float]]:
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


def overall_of(pair: RatedPair) -> Verdict | None:
    """The preference overall or, if there is none, for naturalness; None if that is no verdict either."""
    found = pair.preferences.get("mos", pair.preferences.get("naturalness"))
    return cast(Verdict, found) if found in compare.TOKENS else None


def _details(clip: RatedClip) -> ClipDetails:
    gender, age = assess.read_speaker(f"{clip.extra.get('speaker_gender', '')}, {clip.extra.get('speaker_age', '')}")
    return ClipDetails(distortions_of(clip), gender, "" if age.casefold() == "none" else age)


def _free_text(text: Any) -> str:
    # A published text with a tag in it could not stand in the tags of an answer
    plain = text.strip() if isinstance(text, str) else ""
    return "" if holds_tag(plain) else plain


def check_rated(clip: RatedClip) -> None:
    """Raise a LackingError unless there are ratings, of rubrics we know and on their scales."""
    if not clip.ratings:
        raise LackingError("no ratings")
    for name, rating in clip.ratings.items():
        if name not in ALL_RUBRICS:
            raise LackingError(f"rated on {name!r}, which is none of our rubrics")
        if not get_rubric(name).low <= rating.value <= get_rubric(name).high:
            raise LackingError(f"a rating of {name} off the scale {get_rubric(name).scale.name}")


# Of the tasks whose target takes what corpora note beside the ratings; the others say it themselves
_TARGETS: dict[str, Callable[[RatedClip, random.Random, str], Any]] = {
    "describe": description_of,
    "assess": lambda clip, *_: assessment_of(clip),
    "suggest": suggestions_of,
}


def target_of(
    task: str,
    clip: RatedClip,
    rubrics: Sequence[str] = (),
    seed: int | random.Random = 0,
    language: str = "en",
) -> Any:
    """Say what a rated clip is as the target of a task about one clip.

    Args:
        rubrics: Names of the rubrics that are asked for, all of them rated, if the task asks for some.

    Raises:
        LackingError: If the clip lacks what the task needs.

    Example:
        >>> target_of("detect", RatedClip("a.wav", {}, "train", "x", extra={"label": "fake"}))
        Detection(is_fake=True)
    """
    rng = seed if isinstance(seed, random.Random) else random.Random(seed)
    if task in _TARGETS:
        return _TARGETS[task](clip, rng, language)
    return TASKS[task].target_of(clip, rubrics, rng, language)
