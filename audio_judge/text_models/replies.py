"""What is sent to a text model and what comes back: messages, sampling, completions, failures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Message = Mapping[str, str]
FailureKind = Literal[
    "rate_limited", "server_error", "timeout", "connection", "malformed_reply", "reply_cut_off", "refused"
]


@dataclass(frozen=True)
class Sampling:
    """How the words of a reply are drawn.

    Args:
        temperature: 0 (greedy) or more.
        top_p: Share of the probability that is drawn from, above 0 up to 1.
        max_tokens: Longest reply in tokens.
        seed: Of the draw; with another seed the same request is asked anew.

    Raises:
        ValueError: If a value is out of range.

    Example:
        >>> Sampling(temperature=0.9, top_p=1.5)
        Traceback (most recent call last):
        ValueError: top_p 1.5; above 0 up to 1 is needed
    """

    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 512
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < float("inf"):
            raise ValueError(f"temperature {self.temperature}; 0 or more is needed")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p {self.top_p}; above 0 up to 1 is needed")
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens {self.max_tokens}; 1 or more is needed")


GREEDY = Sampling()


@dataclass(frozen=True)
class Completion:
    """What a language model wrote.

    Args:
        text: The reply; may be empty.
        cut_off: Whether it ended because the budget of tokens did.
    """

    text: str
    cut_off: bool = False


def usable(value: Any) -> Any:
    r"""Replace halves of surrogate pairs, which JSON may hold and which can be neither sent nor kept.

    Args:
        value: A text, or lists and objects that hold texts, as the content of a message with audio does.

    Example:
        >>> usable("noisy \ud83d")
        'noisy ?'
    """
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {usable(name): usable(one) for name, one in value.items()}
    return [usable(one) for one in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class Reply(Completion):
    """A completion as ``Client.ask`` returns it, from the cache or not."""

    cached: bool = False


@dataclass(frozen=True)
class Failure:
    """A call that was not answered.

    Args:
        kind: What went wrong the last time.
        message: The same for people.
        attempts: How often it was tried.
    """

    kind: FailureKind
    message: str
    attempts: int


class CallError(Exception):
    """One attempt to reach a language model failed; a backend raises it and ``Client`` decides whether to try again.

    Args:
        kind: What went wrong.
        message: The same for people.
        wait: Pause that the server asked for, in seconds; None if it did not.
    """

    def __init__(self, kind: FailureKind, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.kind: FailureKind = kind
        self.wait = wait


class Backend(Protocol):
    """What answers requests: ``Endpoint``, ``LocalModel``, or an own class with these members."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """JSON-able facts that decide the answer together with the request; part of the cache key."""

    async def generate(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        """Answer one request once, or raise a ``CallError``."""

    async def close(self) -> None:
        """Release connections."""
