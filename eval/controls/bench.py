"""What every control works with: a judge, the chosen clips, and sounds made from them on the spot.

All scores are given as points: the 1-5 scale on which 5 is the good end, whatever the scale and the direction of the rubric,
so that "better" means the same everywhere. Sounds are written as float wav files, so that every judge that reads files can
serve, nothing clips, and nothing is rounded.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import soundfile

from audio_judge.audio import AudioError, read_audio
from audio_judge.clips import RatedClip
from audio_judge.data.augment import with_answer_form
from audio_judge.judge.identity import UntrainedTaskError
from audio_judge.judge.judge import AudioJudge
from audio_judge.judge.judgement import Judgement, Score
from audio_judge.judge.learned import DECIDE, LABELLED
from audio_judge.languages import wordings
from audio_judge.rubrics.rubric import ALL_RUBRICS, RUBRICS, Rubric, get_rubric, reworded

from ..peers import LoadedPeer

# (samples,) and their rate in Hz to any number of samples
Change = Callable[[np.ndarray, int], np.ndarray]
Said = Judgement | Mapping[str, float]
NOT_SPEECH = ("noise", "music", "silence")


@runtime_checkable
class Comparing(Protocol):
    """A judge that can say which of two clips is better."""

    def compare(self, first: Any, second: Any) -> Any:
        """Return an object with ``better`` (``A``, ``B``, ``tie``) and ``probabilities`` by those names."""


@runtime_checkable
class Deciding(Protocol):
    """A judge that answers typed questions in the asker's words, and takes the question of a rubric from it."""

    def decide(self, clips: Any, questions: Any) -> Any:
        """Return a probability per allowed answer."""


@runtime_checkable
class TakingWordings(Protocol):
    """A judge that is asked a rubric's own question, in whatever words."""

    takes_wordings: bool


class Bench:
    """A judge at the test bench.

    Args:
        judge: An ``AudioJudge``; a peer; or what has ``score(paths)``, one judgement, or table of rubric name to score on
            the rubric's scale, per path. The more of ``rubric``, ``listener`` and ``batch_size`` its
            ``score`` takes, the more controls it can serve.
        clips: Rated clips; what is not speech (``extra["content"]``) is kept apart.
        seed: Of the choice of clips and of all noise.
        rubrics: What is scored beside what the judge scores by itself, as far as it can.

    Attributes:
        usual: What it is asked for if nothing else is: of ours its ``usual_rubrics``, of others NISQA's five; and ``rubrics``.
        paths: Them as mono float files.
        rubrics: Names of the rubrics that the judge scores without being told which; of ours NISQA's five.
        music: The clips with music, as such files.

    Raises:
        ValueError: If there is no speech among the clips.
    """

    def __init__(
        self,
        judge: Any,
        clips: Sequence[RatedClip],
        folder: Path,
        *,
        seed: int = 0,
        count: int = 24,
        rubrics: Sequence[Rubric] = (),
    ) -> None:
        self.judge, self.folder, self.seed = judge, folder, seed
        speech = [clip for clip in clips if clip.extra.get("content", "speech") not in NOT_SPEECH]
        if not speech:
            raise ValueError(f"{len(clips)} clips, none of them speech; at least one clip of speech is needed")
        chosen = np.random.default_rng(seed).permutation(len(speech))[:count]
        self.clips = [speech[index] for index in sorted(chosen)]
        self.music = self._copies(
            "music", [clip for clip in clips if clip.extra.get("content") == "music"][:count], None
        )
        # The judge is anything with a score: what it takes says which controls it can serve
        takes = inspect.signature(judge.score).parameters
        self.takes_rubrics, self.takes_listener = "rubric" in takes, "listener" in takes
        self.takes_batch_size = "batch_size" in takes
        names = judge.usual_rubrics if isinstance(judge, AudioJudge) else tuple(RUBRICS)
        beside = {rubric.name: rubric for rubric in rubrics if not isinstance(judge, AudioJudge) or self._way(rubric)}
        self.usual: dict[str, Rubric] = {name: get_rubric(name) for name in names} | beside
        self._usual = list(self.usual.values()) if self.takes_rubrics else []
        self.takes_wordings = self.takes_rubrics and any(map(self.asked_by, self.usual.values()))
        self._points: dict[Any, dict[str, np.ndarray]] = {}
        self.paths = self._copies("original", self.clips, None)
        # Nothing is asked for by name yet: what comes is what it scores by itself
        self.rubrics: tuple[str, ...] = ()
        self.rubrics = tuple(self.points(self.paths))

    def points(
        self, paths: Sequence[str], rubrics: Sequence[Rubric] = (), *, is_fresh: bool = False, **options: Any
    ) -> dict[str, np.ndarray]:
        """Scores in points.

        Args:
            rubrics: What to ask; empty for what the judge scores by itself (of ours: its ``usual_rubrics``).
            is_fresh: Whether to ask again what was asked before.

        Returns:
            Rubric name to points (clips,), 1 to 5, 5 is best; NaN where there is no score.
        """
        key = (tuple(paths), tuple(rubrics), tuple(sorted(options.items())))
        if is_fresh or key not in self._points:
            asked = list(rubrics) or self._usual
            names = [rubric.name for rubric in asked] or self.rubrics
            self._points[key] = _to_points(self._ask(paths, asked, options), asked, names)
        return self._points[key]

    def asked_by(self, rubric: Rubric) -> str | None:
        """The task by which a rubric is asked for in any words: ``decide``, or one of a judge that answers in text.

        None if the judge has words of its own for it, as where one text speaks of all its rubrics, or never learned to score it.
        """
        if isinstance(self.judge, AudioJudge):
            way = self._way(rubric)
            return way if way in (DECIDE, *LABELLED, "rate") else None
        is_asked = isinstance(self.judge, Deciding) or (
            isinstance(self.judge, TakingWordings) and self.judge.takes_wordings
        )
        return DECIDE if is_asked else None

    @property
    def compares(self) -> bool:
        """Whether the judge can say which of two clips is better: of ours, whether it learned that, or any typed questions."""
        if isinstance(self.judge, AudioJudge):
            try:
                self.judge.identity.way_to_compare()
            except UntrainedTaskError:
                return False
        return isinstance(self.judge, Comparing)

    def has_own_words_for(self, rubric: Rubric) -> bool:
        """Whether a judge of ours scores a rubric in a text whose rubrics and scale are those that it learned."""
        return isinstance(self.judge, AudioJudge) and self.asked_by(rubric) is None

    @property
    def has_own_words(self) -> bool:
        """Whether that holds for all that it is asked for."""
        return all(map(self.has_own_words_for, self.usual.values()))

    def _way(self, rubric: Rubric) -> str | None:
        try:
            return str(self.judge.identity.way_to_score(rubric.name))
        except UntrainedTaskError:
            return None

    def in_words(self, rubric: Rubric, question: str) -> Rubric | None:
        """A rubric that is asked for by a question in other words; None if the judge cannot be asked so."""
        way = self.asked_by(rubric)
        if way is None:
            return None
        if way == DECIDE:
            return replace(rubric, questions=(question,))
        return reworded(rubric, with_answer_form(question, way, rubric))

    def kept_out(self, rubric: Rubric) -> list[Rubric]:
        """A rubric in each of the wordings that were kept out of training, of the task by which the judge is asked for it."""
        way = self.asked_by(rubric)
        if way == DECIDE:
            return [replace(rubric, questions=(text,)) for text in wordings(DECIDE)[1]]
        if way is None:  # one text for all rubrics: of a judge of ours its task has other words, too
            way = self._way(rubric) if isinstance(self.judge, AudioJudge) else None
        return [] if way is None else [reworded(rubric, text) for text in wordings(way)[1]]

    def _ask(self, paths: Sequence[str], asked: list[Rubric], options: dict[str, Any]) -> Sequence[Said]:
        if isinstance(self.judge, LoadedPeer):
            return [_ask_peer(self.judge, path) for path in paths]
        return self.judge.score(list(paths), **({"rubric": asked} if asked else {}), **options)

    def vary(self, name: str, change: Change) -> list[str]:
        """Write a changed copy of every chosen clip, once under that name, and list their paths in the order of the clips."""
        return self._copies(name, self.clips, change)

    def _copies(self, name: str, clips: Sequence[RatedClip], change: Change | None) -> list[str]:
        paths = [self.folder / name / f"{index:04d}.wav" for index in range(len(clips))]
        for clip, path in zip(clips, paths, strict=True):
            if not path.exists():  # several controls vary clips in the same way
                audio = read_audio(clip.path, start_time=clip.start_time, end_time=clip.end_time)
                samples = change(audio.samples, audio.sampling_rate) if change else audio.samples
                self.write(f"{name}/{path.name}", samples, audio.sampling_rate)
        return [str(path) for path in paths]

    def write(self, name: str, samples: np.ndarray, rate: int, title: str = "") -> str:
        """Write a sound.

        Args:
            name: Path below the bench's folder.
            title: Title and comment in the head of the file; empty for none.
        """
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with soundfile.SoundFile(path, "w", rate, 1, subtype="FLOAT", format="WAV") as file:
            if title:  # libsndfile refuses an empty one
                file.title = file.comment = title
            file.write(samples.astype(np.float32))
        return str(path)

    def preferences(self, firsts: Sequence[str], seconds: Sequence[str]) -> tuple[np.ndarray, list[str | None]]:
        """Compare clips pair by pair; the judge must be able to, see ``compares``.

        Returns:
            P(A) and P(B) of shape (pairs, 2), and the verdicts ``A``, ``B`` or ``tie``; NaN and None for a pair that could
            not be judged, which fails the control.
        """
        if isinstance(self.judge, AudioJudge):  # in batches, and without the reasons, which take longest
            said = self.judge.compare(list(firsts), list(seconds), explain=False)
        else:
            said = [self.judge.compare(first, second) for first, second in zip(firsts, seconds, strict=True)]
        shares = np.array([[one.probabilities.get("A", np.nan), one.probabilities.get("B", np.nan)] for one in said])
        return shares, [one.better for one in said]


def _ask_peer(peer: LoadedPeer, path: str) -> Judgement:
    try:
        scores = peer.score(path)
    except AudioError as error:
        return Judgement(path, error=str(error))
    low, high = peer.peer.scale.low, peer.peer.scale.high  # its own, not the rubric's
    return Judgement(path, scores={name: Score(name, value, 0.0, "", {}, low, high) for name, value in scores.items()})


def _to_points(said: Sequence[Said], asked: Sequence[Rubric], names: Sequence[str]) -> dict[str, np.ndarray]:
    """Judgements, or plain tables of rubric name to score, as points by rubric; the names are there in any case."""
    known = ALL_RUBRICS | {rubric.name: rubric for rubric in asked}
    rows = [_row(one, known) for one in said]
    found = dict.fromkeys([*names, *(name for row in rows for name in row)])
    return {name: np.array([row.get(name, np.nan) for row in rows]) for name in found}


def _row(said: Said, known: Mapping[str, Rubric]) -> dict[str, float]:
    """The points of one clip; what is none of the rubrics is passed over."""
    if isinstance(said, Judgement):
        scores = {name: score for name, score in said.scores.items() if name in known}
        return {
            name: point(one.value, replace(known[name], low=one.low, high=one.high)) for name, one in scores.items()
        }
    return {name: point(value, known[name]) for name, value in said.items() if name in known}


def point(value: float, rubric: Rubric) -> float:
    """A score from 1 to 5, 5 being best: as ``Rubric.goodness``, but peers leave their scale now and then, and that must show."""
    share = (value - rubric.low) / (rubric.high - rubric.low)  # 0 to 1, or beyond
    if rubric.middle_is_best:
        share = 1 - abs(2 * share - 1)
    elif not rubric.higher_is_better:
        share = 1 - share
    return 1 + 4 * share
