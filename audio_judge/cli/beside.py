"""Further judges and measures of others whose scores stand beside those of the judge: the second ``--judge`` of ``score``, and so on."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from audio_judge.batch.items import Item
from audio_judge.batch.write import PEER_SCORES, Answer
from audio_judge.cli.common import load_judge, request_of
from audio_judge.cli.measures import Measure
from audio_judge.errors import UsageError
from audio_judge.rubrics.rubric import Rubric, Scale

# Of each clip its scores by rubric, or why there are none
Ask = Callable[[Sequence[Item], Sequence[Rubric], Scale | None], list[dict[str, float] | str]]


@dataclass(frozen=True)
class Beside:
    """One that scores beside the judge.

    Args:
        name: As it was asked for.
        ask: Gives its scores of several clips by rubric.
        rubrics: What it can be asked about; None for everything.
    """

    name: str
    ask: Ask
    rubrics: tuple[str, ...] | None = None

    def of(self, names: Sequence[str]) -> list[str]:
        """Which of the rubrics it scores.

        Raises:
            UsageError: If there is none.
        """
        found = [name for name in names if self.rubrics is None or name in self.rubrics]
        if not found:
            given = ", ".join(self.rubrics or ())
            raise UsageError(
                f"--judge {self.name} scores {given}; none of {', '.join(names)}, which --rubric can change"
            )
        return found


def split(names: Sequence[str]) -> tuple[str | None, list[str]]:
    """Take the judge out of several: the first that is no measure of others, or else the first; None for the default.

    Raises:
        UsageError: If one is named twice.

    Example:
        >>> split(["peer:nisqa", "open", "peer:pesq"])
        ('open', ['peer:nisqa', 'peer:pesq'])
    """
    if not names:
        return None, []
    twice = [name for number, name in enumerate(names) if name in names[:number]]
    if twice:
        raise UsageError(f"--judge {twice[0]} is there twice; leave one out")
    judge = next((name for name in names if not is_measure(name)), names[0])
    return judge, [name for name in names if name != judge]


def is_measure(name: str | None) -> bool:
    """Whether a measure of others is named, and no judge."""
    from audio_judge.eval.peers import PREFIX

    return name is not None and name.startswith(PREFIX)


def load_first(name: str | None, *, longest_hours: float, **how: Any) -> Any:
    """Load the judge that fills the rows, which may be a measure of others.

    Args:
        **how: Of ``load_judge``.

    Raises:
        UsageError: If it cannot be loaded.
    """
    if name is None or not is_measure(name):
        return load_judge(name, longest_hours=longest_hours, **how)
    if how.get("revision") is not None:
        raise UsageError(f"--revision with --judge {name}: a measure has none; leave it out")
    return Measure(name, 3600 * longest_hours)


def load(names: Sequence[str], *, batch_size: int = 8, **how: Any) -> list[Beside]:
    """Load those that score beside the judge.

    Args:
        names: ``peer:NAME``, or judges.
        batch_size: Windows per forward pass of judges.
        **how: Of ``load_judge``.

    Raises:
        UsageError: If one cannot be loaded; the message says how to get it.
    """
    return [_measure(name, how) if is_measure(name) else _judge(name, batch_size, how) for name in names]


def _measure(name: str, how: dict[str, Any]) -> Beside:
    from audio_judge.audio import AudioError

    measure = load_first(name, **how)

    def one(item: Item) -> dict[str, float] | str:
        try:
            return measure.of(request_of(item))[0]
        except (AudioError, OSError) as error:
            return str(error)

    return Beside(name, lambda items, *_: [one(item) for item in items], measure.rubrics)


def _judge(name: str, batch_size: int, how: dict[str, Any]) -> Beside:
    judge = load_judge(name, **how)

    def ask(items: Sequence[Item], rubrics: Sequence[Rubric], scale: Scale | None) -> list[dict[str, float] | str]:
        requests = [request_of(item) for item in items]
        said = judge.score(requests, rubric=rubrics, scale=scale, batch_size=batch_size)
        return [
            str(one.error) if one.error is not None else {name: score.value for name, score in one.scores.items()}
            for one in said
        ]

    return Beside(name, ask)


def with_others(
    others: Sequence[Beside],
    rubrics: Sequence[Rubric],
    scale: Scale | None,
    batch_size: int,
    answer: Callable[[Iterator[Item]], Iterator[Answer]],
    items: Iterator[Item],
) -> Iterator[Answer]:
    """Put what others say beside the answers of the judge; what one cannot score is null, and a warning says why.

    Args:
        batch_size: Clips that the others are asked about at a time.
    """
    taken: deque[Item] = deque()

    def noted() -> Iterator[Item]:
        for item in items:
            taken.append(item)
            yield item

    answers = answer(noted())
    while some := list(islice(answers, batch_size)):
        yield from _beside(some, [taken.popleft() for _ in some], others, rubrics, scale)


def _beside(
    answers: Sequence[Answer],
    items: Sequence[Item],
    others: Sequence[Beside],
    rubrics: Sequence[Rubric],
    scale: Scale | None,
) -> Iterator[Answer]:
    heard = [item for said, item in zip(answers, items, strict=True) if said.error is None]
    asked = {
        other.name: [one for one in rubrics if one.name in other.of([r.name for r in rubrics])] for other in others
    }
    found = {other.name: iter(other.ask(heard, asked[other.name], scale)) for other in others}
    for said in answers:
        yield said if said.error is not None else _joined(said, asked, {name: next(own) for name, own in found.items()})


def _joined(said: Answer, asked: dict[str, list[Rubric]], found: dict[str, dict[str, float] | str]) -> Answer:
    scores: dict[str, dict[str, float | None]] = {}
    warnings = list(said.row.get("warnings") or ())
    for name, own in found.items():
        names = [one.name for one in asked[name]]
        if isinstance(own, str):
            scores[name] = dict.fromkeys(names)
            warnings.append(f"{name}: {own}")
        else:
            scores[name] = {rubric: round(own[rubric], 4) for rubric in names if rubric in own}
    row = {**said.row, PEER_SCORES: scores}
    return replace(said, row=row | {"warnings": warnings} if warnings else row)
