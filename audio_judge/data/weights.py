"""Names with weights, as people write them in recipes and at the shell: ``score explain=2``."""

import math
from collections.abc import Collection, Iterable

from audio_judge.errors import UsageError


def named_weights(
    texts: Iterable[str], default: float | None = 1.0, known: Collection[str] | None = None, option: str = ""
) -> dict[str, float]:
    """Map names to weights, 0 or more, from texts ``name`` or ``name=weight``.

    Args:
        default: Weight of a name alone; None if each needs its own.
        known: Names there are; None to take any.
        option: Where the texts were given, such as ``--tasks``, for the message.

    Raises:
        UsageError: If a name is missing, unknown or there twice, or a weight is no number, negative or infinite.

    Example:
        >>> named_weights(["decide=9", "explain"])
        {'decide': 9.0, 'explain': 1.0}
    """
    weights: dict[str, float] = {}
    for text in texts:
        name, _, number = (part.strip() for part in text.partition("="))
        try:
            if known is not None and name and name not in known:
                raise ValueError(f"no {name!r}; known are {', '.join(known)}")
            if name in weights:
                raise ValueError(f"{name!r} is there twice; give it once")
            weights[name] = _weight(name, number or default)
        except ValueError as error:
            raise UsageError(f"{option} {text.strip()!r}: {error}".lstrip()) from None
    return weights


def _weight(name: str, number: str | float | None) -> float:
    try:
        weight = float(number if name and number is not None else "")
    except ValueError:
        raise ValueError("a name with its weight is needed, such as score=2") from None
    if not 0 <= weight < math.inf:
        raise ValueError(f"the weight is {number}; a finite number, 0 or more, is needed")
    return weight
