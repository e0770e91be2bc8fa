"""Further judges and measures of others whose scores stand beside those of the judge: the second ``--judge`` of ``score``, and so on."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from audio_judge.batch.items import Item
from audio_judge.batch.write import PEER_SCORES, Answer
from audio_judge.cli.common import load_judge, request_of
from audio_judge.errors import UsageError
from audio_judge.judge.shipped import DEFAULT_JUDGE
from audio_judge.rubrics.rubric import Rubric, Scale

Ask = Callable[[Item, Sequence[Rubric], Scale | None], dict[str, float]]


@dataclass(frozen=True)
class Beside:
    """One that scores beside the judge.

    Args:
        name: As it was asked for.
        ask: Gives its scores of a clip by rubric.
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
    """Take the judge out of several, which is the first that is no measure of others; None for the default.

    Raises:
        UsageError: If one is named twice, or there are only measures of others.

    Example:
        >>> split(["peer:nisqa", "open", "peer:pesq"])
        ('open', ['peer:nisqa', 'peer:pesq'])
    """
    if not names:
        return None, []
    from audio_judge.eval.peers import PREFIX

    twice = [name for number, name in enumerate(names) if name in names[:number]]
    if twice:
        raise UsageError(f"--judge {twice[0]} is there twice; leave one out")
    judge = next((name for name in names if not name.startswith(PREFIX)), None)
    if judge is None:
        raise UsageError(
            f"{', '.join(names)}: no judge among them; add --judge {DEFAULT_JUDGE}, beside which they stand"
        )
    return judge, [name for name in names if name != judge]


def load(names: Sequence[str], **how: Any) -> list[Beside]:
    """Load those that score beside the judge.

    Args:
        names: ``peer:NAME``, or judges.
        **how: Of ``load_judge``.

    Raises:
        UsageError: If one cannot be loaded; the message says how to get it.
    """
    from audio_judge.eval.peers import PREFIX

    return [_peer(name) if name.startswith(PREFIX) else _judge(name, how) for name in names]


def _peer(name: str) -> Beside:
    from audio_judge.audio import read_audio
    from audio_judge.eval.peers import PREFIX, load_peer

    peer = load_peer(name.removeprefix(PREFIX))

    def ask(item: Item, *_: Any) -> dict[str, float]:
        request = request_of(item)
        part: dict[str, Any] = {
            "start_time": request.start_time,
            "end_time": request.end_time,
            "channel": request.channel,
        }
        reference = None if request.reference is None else read_audio(request.reference, **part)
        return peer.score(read_audio(request.clip, **part), reference)

    return Beside(name, ask, peer.peer.rubrics)


def _judge(name: str, how: dict[str, Any]) -> Beside:
    from audio_judge.audio import AudioError

    judge = load_judge(name, **how)

    def ask(item: Item, rubrics: Sequence[Rubric], scale: Scale | None) -> dict[str, float]:
        said = judge.score([request_of(item)], rubric=rubrics, scale=scale)[0]
        if said.error is not None:
            raise AudioError(said.error)
        return {one: score.value for one, score in said.scores.items()}

    return Beside(name, ask)


def with_others(
    others: Sequence[Beside],
    rubrics: Sequence[Rubric],
    scale: Scale | None,
    answer: Callable[[Iterator[Item]], Iterator[Answer]],
    items: Iterator[Item],
) -> Iterator[Answer]:
    """Put what others say beside the answers of the judge; what one cannot score is null, and a warning says why."""
    taken: deque[Item] = deque()

    def noted() -> Iterator[Item]:
        for item in items:
            taken.append(item)
            yield item

    for said in answer(noted()):
        item = taken.popleft()
        yield said if said.error is not None else _beside(said, item, others, rubrics, scale)


def _beside(
    said: Answer, item: Item, others: Sequence[Beside], rubrics: Sequence[Rubric], scale: Scale | None
) -> Answer:
    from audio_judge.audio import AudioError

    scores: dict[str, dict[str, float | None]] = {}
    warnings = list(said.row.get("warnings") or ())
    for other in others:
        names = other.of([one.name for one in rubrics])
        try:
            found = other.ask(item, [one for one in rubrics if one.name in names], scale)
            scores[other.name] = {name: round(found[name], 4) for name in names if name in found}
        except (AudioError, OSError) as error:
            scores[other.name] = dict.fromkeys(names)
            warnings.append(f"{other.name}: {error}")
    row = {**said.row, PEER_SCORES: scores}
    return replace(said, row=row | {"warnings": warnings} if warnings else row)
