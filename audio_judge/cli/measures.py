"""A measure of others in place of a judge, or beside one: ``score --judge peer:nisqa``."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from audio_judge.errors import UsageError
from audio_judge.rubrics.rubric import RUBRICS, Rubric, Scale, convert

if TYPE_CHECKING:
    from audio_judge.eval.peers import LoadedPeer
    from audio_judge.judge.judgement import Judgement
    from audio_judge.judge.requests import Request


class Measure:
    """What ``score`` needs of a judge, from a measure of others: scores on its own scale, with the level that is nearest.

    Args:
        name: ``peer:NAME``.
        longest_seconds: Longer clips are refused.

    Raises:
        UsageError: If it cannot be loaded; the message says how to get it.
    """

    revision = "unknown"

    def __init__(self, name: str, longest_seconds: float) -> None:
        from audio_judge.eval.peers import PREFIX, load_peer

        self.name, self.longest_seconds = name, longest_seconds
        self.loaded: LoadedPeer = load_peer(name.removeprefix(PREFIX))

    @property
    def scale(self) -> Scale:
        """That of its scores."""
        return self.loaded.peer.scale

    @property
    def rubrics(self) -> tuple[str, ...]:
        """What it scores."""
        return self.loaded.peer.rubrics

    @property
    def usual_rubrics(self) -> tuple[str, ...]:
        """What it scores of NISQA's five, or else all that it does."""
        return tuple(name for name in RUBRICS if name in self.rubrics) or self.rubrics

    def of(self, request: "Request") -> tuple[dict[str, float], float]:
        """Its scores of a clip by rubric, and the seconds of it.

        Raises:
            AudioError: If the clip, or the original that it needs, cannot be read or measured.
        """
        from audio_judge.audio import read_audio
        from audio_judge.judge.requests import seconds_of

        seconds_of(request, self.longest_seconds)
        part: dict[str, Any] = {"start_time": request.start_time, "end_time": request.end_time}
        part["channel"] = request.channel
        clip = read_audio(request.clip, **part)
        reference = None if request.reference is None else read_audio(request.reference, **part)
        return self.loaded.score(clip, reference), clip.seconds

    def iter_scores(self, requests: "Iterable[Request]", rubrics: Sequence[Rubric], **_: Any) -> "Iterator[Judgement]":
        """As ``AudioJudge.iter_scores``; how it is asked means nothing to a measure."""
        from audio_judge.audio import AudioError
        from audio_judge.judge.judgement import Judgement

        names = [one.name for one in rubrics]
        if unknown := [name for name in names if name not in self.rubrics]:
            raise UsageError(f"--judge {self.name} scores {', '.join(self.rubrics)}; leave out --rubric {unknown[0]}")
        for request in requests:
            try:
                found, seconds = self.of(request)
                scores = {one.name: self._score(one, found[one.name]) for one in rubrics if one.name in found}
                yield Judgement("", seconds, scores, model=self.name, revision=self.revision)
            except (AudioError, OSError) as error:
                yield Judgement("", None, {}, error=str(error))

    def _score(self, rubric: Rubric, value: float) -> Any:
        from audio_judge.judge.judgement import Score

        meant = min(max(convert(value, self.scale, rubric.scale), rubric.low), rubric.high)
        return Score(rubric.name, value, None, rubric.level_of(meant), {}, self.scale.low, self.scale.high)
