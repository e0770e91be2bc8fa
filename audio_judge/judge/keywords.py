"""What the methods of ``AudioJudge`` take: clips in any form, and keywords as a type checker should see them."""

import inspect
import warnings
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypedDict, TypeVar

from audio_judge.audio import AudioSource
from audio_judge.judge.requests import Request
from audio_judge.rubrics.rubric import Rubric, Scale
from audio_judge.tasks.compare import Form
from audio_judge.tasks.listeners import Listener

Clip = AudioSource | Request
# A list is many clips; a tuple is one, samples and their rate
Many = list[Any]
Clips = Clip | Many
References = AudioSource | Many | None
Rubrics = str | Rubric | Sequence[str | Rubric]
Questions = dict[str, dict[str, Any]]

Judge = TypeVar("Judge", bound=type)


class Batching(TypedDict, total=False):
    """Keywords of ``decide``, which is about no rubric and in no language."""

    batch_size: int


class Listening(Batching, total=False):
    """Keywords of ``detect``."""

    listener: str | Listener | None
    language: str


class Scoring(Listening, total=False):
    """Keywords of ``score``."""

    rubric: Rubrics | None
    scale: Scale | None
    progress: bool


class Profiling(Listening, total=False):
    """Keywords of ``profile``."""

    rubrics: Rubrics | None
    scale: Scale | None
    progress: bool


class Writing(Listening, total=False):
    """Keywords of the tasks that are answered in words."""

    max_new_tokens: int


class Comparing(Writing, total=False):
    """Keywords of ``compare``."""

    rubric: Rubrics
    explain: bool
    form: Form


def profile_means_listener(judge: Judge) -> Judge:
    """Let each method of a class that takes ``listener`` take it as ``profile``, too, with a warning, until 0.2."""
    for name, method in list(vars(judge).items()):
        if inspect.isfunction(method) and "listener" in inspect.signature(method).parameters and name[0] != "_":
            setattr(judge, name, _with_profile(method))
    return judge


def _with_profile(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def renamed(*args: Any, **keywords: Any) -> Any:
        if "profile" not in keywords:
            return method(*args, **keywords)
        if "listener" in keywords:
            raise TypeError(f"{method.__name__}() has listener= and its old name, profile=; leave out profile=")
        message = f"{method.__name__}(profile=…) is called listener= now; the old name goes with 0.2"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        return method(*args, listener=keywords.pop("profile"), **keywords)

    return renamed
