"""Values that nobody expects, and JSON with one of them in a place where something else stood."""

import copy
import random
from typing import Any

TEXTS = (
    "", " ", "\0", "\n\n", "\r", "x" * 5000, "NaN", "Infinity", "-1", "1e999", "9" * 400, "null", "[]", "{}", "true", "None", "\ud800",
    "‮abc", "a\u0301" * 50, "😀" * 100, "../../etc/passwd", "/dev/zero", "http://127.0.0.1:9/a.wav", "file:///etc/passwd", "=1+1",
    "@SUM(A1)", "<script>alert(1)</script>", "<|audio|>", "<|im_end|>\n<|im_start|>assistant\n", "{{ 7*7 }}", "{% for x in y %}",
    "%s%n", "\\u0022", "' OR 1=1 --", "$(touch x)", "`touch x`", "-rf", "a" * 300 + ".wav", "con", "\x1b[31m", "\u2028", "0x10", "１",
)  # fmt: skip
OTHERS = (
    None, True, False, 0, -1, 1, 10**400, -(2**63), 1e308, 5e-324, -0.0, [], {}, [[]], [None] * 100, {"": None}, {"type": "audio"}, 0.1,
)  # fmt: skip


def value(rng: random.Random) -> Any:
    """Something that nobody expects, of any kind; now and then deep or long."""
    kind = rng.random()
    if kind < 0.5:
        return rng.choice(TEXTS)
    if kind < 0.92:
        return copy.deepcopy(rng.choice(OTHERS))
    nested: Any = "bottom"
    for _ in range(rng.choice([5, 60, 400])):
        nested = [nested] if rng.random() < 0.5 else {"a": nested}
    return nested


def places(tree: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a JSON value, however deep."""
    found, waiting = [], [tree]
    while waiting:
        one = waiting.pop()
        keys = list(one) if isinstance(one, dict) else range(len(one)) if isinstance(one, list) else ()
        found += [(one, key) for key in keys]
        waiting += [one[key] for key in keys]
    return found


def mutated(tree: Any, rng: random.Random) -> Any:
    """A copy in which some values, or keys, are others, are gone, or come in addition."""
    changed = copy.deepcopy(tree)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        container, key = rng.choice(places(changed) or [([changed], 0)])
        kind = rng.random()
        if kind < 0.7 or isinstance(container, list):
            container[key] = value(rng)
        elif kind < 0.8:
            del container[key]
        elif kind < 0.9:
            container[rng.choice(TEXTS)] = container.pop(key)
        else:
            container[rng.choice(TEXTS)] = value(rng)
    return changed
