"""What is known about clips in plain words, for text models that hear nothing: the evaluator, and the expert of ALLD.

A number alone has no direction ("noisiness 1.9" is a noisy clip), and a small model takes it for the other one. So each
stands behind its level, and with what the ends of its scale mean.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from audio_judge.languages import get_language
from audio_judge.rubrics.rubric import ALL_RUBRICS, Rubric, get_rubric
from audio_judge.tasks.common import Facts

_VERDICTS = {"A": "verdict_a", "B": "verdict_b", "tie": "verdict_tie"}


def score_in_words(rubric: str | Rubric, value: float) -> str:
    """Write a score behind its level, with the ends of its scale.

    Raises:
        ValueError: If the score is off the scale.

    Example:
        >>> score_in_words("noisiness", 1.94)
        'noisiness: noisy (1.9; 1 is very noisy, 5 is not noisy)'
    """
    known = get_rubric(rubric)
    ends = f"{known.low:g} is {known.levels[0]}, {known.high:g} is {known.levels[-1]}"
    return f"{known.label}: {known.level_of(value)} ({round(value, 1):g}; {ends})"


def in_words(facts: Facts) -> str:
    """Write facts in plain English, one line each; what is not known has no line.

    Example:
        >>> print(in_words(Facts({"mos": 2.4}, causes={"noise": (), "echo": ()})))
        overall quality: poor (2.4; 1 is bad, 5 is excellent)
        faults: noise, echo
        >>> in_words(Facts(verdicts={"loudness": "B"}))
        'loudness: B is better than A'
    """
    lines = [score_in_words(name, value) for name, value in facts.scores.items()]
    levels = {name: level for name, level in facts.levels.items() if name not in facts.scores}
    lines += [f"{get_rubric(name).label}: {level}" for name, level in levels.items()]
    texts = get_language("en").texts
    lines += [f"{get_rubric(name).label}: {texts[_VERDICTS[said]][0]}" for name, said in facts.verdicts.items()]
    if facts.causes is not None:
        lines.append(f"faults: {_listed(facts.causes)}")
    if facts.distortions:
        lines.append(f"distortions: {_listed(facts.distortions)}")
    if facts.areas:
        lines.append(f"to be improved: {', '.join(facts.areas)}")
    return "\n".join([*lines, *([f"the voice is {facts.label}"] if facts.label else [])])


def _listed(found: Mapping[str, Iterable[tuple[float, float]]]) -> str:
    return ", ".join(map(_with_times, found, found.values())) or "none"


def _with_times(kind: str, spans: Iterable[tuple[float, float]]) -> str:
    times = " and ".join(f"{start:.1f} to {end:.1f} s" for start, end in spans)
    return kind.replace("_", " ") + (f" ({times})" if times else "")


def truth_in_words(truth: Any) -> str:
    r"""Write the truth of a row in plain English, whatever shape it has.

    Args:
        truth: A text, which stays as it is; or an object with rubrics and their ratings, or with keys of the truth of
            examples and benchmarks (``scores``, ``levels``, ``causes``, ``distortions``, ``verdicts`` or ``preferences``,
            ``areas``, ``label`` or ``is_real``, ``answer``). How far raters agreed (``std``, ``votes``, ``single``) is not
            told; what else there is stays JSON.

    Example:
        >>> print(truth_in_words({"noisiness": 1.9, "codec": "opus"}))
        noisiness: noisy (1.9; 1 is very noisy, 5 is not noisy)
        codec: "opus"
        >>> truth_in_words({"scores": {"mos": 4.6}, "causes": [{"kind": "noise", "spans": [[0.5, 2]]}]}).splitlines()[-1]
        'faults: noise (0.5 to 2.0 s)'
    """
    if isinstance(truth, str):
        return truth
    if not isinstance(truth, Mapping):
        return json.dumps(truth, ensure_ascii=False)
    left = {name: value for name, value in truth.items() if name not in _NOT_TOLD and value is not None}
    scores = _taken(left, _is_score) | _inner(left, "scores", _is_score)
    known = Facts(
        scores,
        _inner(left, "levels", lambda name, level: name in ALL_RUBRICS and isinstance(level, str)),
        _spans(left, "causes"),
        _label(left),
        _taken(left, _is_verdict) | _inner(left, "verdicts", _is_verdict) | _inner(left, "preferences", _is_verdict),
        _spans(left, "distortions") or {},
        tuple(left.pop("areas")) if _are_texts(left.get("areas")) else (),
    )
    answer = [f"reference answer: {left.pop('answer')}"] if isinstance(left.get("answer"), str) else []
    others = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in left.items()]
    return "\n".join(filter(None, [in_words(known), *others, *answer]))


_NOT_TOLD = ("rubrics", "std", "votes", "single")


def _is_score(name: str, value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and name in ALL_RUBRICS and ALL_RUBRICS[name].low <= value <= ALL_RUBRICS[name].high


def _is_verdict(name: str, value: Any) -> bool:
    return name in ALL_RUBRICS and isinstance(value, str) and value in _VERDICTS


def _taken(left: dict[str, Any], fits: Callable[[str, Any], bool]) -> dict[str, Any]:
    """Take what fits out of an object."""
    return {name: left.pop(name) for name in [name for name, value in left.items() if fits(name, value)]}


def _inner(left: dict[str, Any], key: str, fits: Callable[[str, Any], bool]) -> dict[str, Any]:
    """Take an object out of an object, if all of it fits."""
    inner = left.get(key)
    if not isinstance(inner, Mapping) or not all(fits(name, value) for name, value in inner.items()):
        return {}
    return dict(left.pop(key))


def _spans(left: dict[str, Any], key: str) -> dict[str, Any] | None:
    """Take kinds, with or without their times, out of an object: a list of names or of objects, or names to times."""
    value = left.get(key)
    if isinstance(value, Mapping):
        found = dict(value)
    elif _are_texts(value):
        found = dict.fromkeys(value or (), ())
    elif isinstance(value, list) and all(
        isinstance(one, Mapping) and isinstance(one.get("kind"), str) for one in value
    ):
        found = {one["kind"]: one.get("spans") or () for one in value}
    else:
        return None
    left.pop(key)
    return found


def _label(left: dict[str, Any]) -> str:
    if isinstance(left.get("is_real"), bool):
        return "real" if left.pop("is_real") else "fake"
    return left.pop("label") if left.get("label") in ("real", "fake", "") else ""


def _are_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
