"""The 24 tasks of a Jastin-like training set: which rubric, of which corpus, on which scale.

Seven come from QualiSpeech, eight from SpeechEval, four from AES. Five are proxies, whose data need no raters: ``make_proxy``
treats a clean clip so that the right score follows from the parameters of the treatment. The published list of tasks is not
to be had; this one has its parts and their number. All are asked with ``audio_judge.tasks.rate``.

What the proxies imitate: raised pitch and formants stand for a child, a voice without its voiced sound for a whisper.
Real children and real styles (as in corpora with such labels) are worth more; the rubrics are the same.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from audio_judge.audio import read_audio
from audio_judge.clips import Cause, RatedClip, Rating
from audio_judge.degrade import degrade
from audio_judge.rubrics.rubric import (
    AES_RUBRICS,
    PROXY_RUBRICS,
    QUALISPEECH_RUBRICS,
    SPEECHEVAL_RUBRICS,
    Rubric,
    Scale,
)

# A treated clip scores at least this share of the way up, so that it differs from an untreated one.
LEAST_SHARE = 0.25


@dataclass(frozen=True)
class Treatment:
    """One way to make a clip score high on a proxy, graded by one parameter.

    Args:
        kind: A key of ``audio_judge.degrade.KINDS``.
        parameter: The parameter that grades it.
        mild: Its value at the least treatment.
        severe: Its value at the strongest; the score is linear in between.
        fixed: The other parameters.
    """

    kind: str
    parameter: str
    mild: float
    severe: float
    fixed: Mapping[str, Any] = field(default_factory=dict)

    def cause(self, strength: float) -> Cause:
        """Name the cause of a given strength.

        Args:
            strength: 0 (mild) to 1 (severe).

        Example:
            >>> Treatment("reverberation", "rt60_s", 0.4, 2.0).cause(0.5).parameters
            {'rt60_s': 1.2}
        """
        value = round(self.mild + strength * (self.severe - self.mild), 4)
        return Cause(self.kind, {self.parameter: value} | dict(self.fixed))

    def strength(self, cause: Cause) -> float | None:
        """Say how strong a cause is, or None if it is no such treatment.

        Args:
            cause: What was done to a clip.

        Returns:
            0 (mild, or milder) to 1 (severe, or more so).
        """
        same = cause.kind == self.kind and all(cause.parameters.get(key) == value for key, value in self.fixed.items())
        if not same or self.parameter not in cause.parameters:
            return None
        share = (cause.parameters[self.parameter] - self.mild) / (self.severe - self.mild)
        return min(max(float(share), 0.0), 1.0)


@dataclass(frozen=True)
class JastinTask:
    """One of the 24.

    Args:
        name: ``corpus/rubric``.
        rubric: What is judged, on the scale it is asked on.
        corpus: Where the ratings come from; ``proxy`` if they are made here.
        data_scale: Scale of the ratings on disk.
        treatments: Ways to make data for a proxy; one is drawn for each clip.
        content: What the clips hold: ``speech``, ``music`` or ``any``.
    """

    name: str
    rubric: Rubric
    corpus: str
    data_scale: Scale
    treatments: tuple[Treatment, ...] = ()
    content: str = "speech"


_TREATMENTS: dict[str, tuple[Treatment, ...]] = {
    "child_voice": (Treatment("speed", "factor", 1.3, 1.6),),
    "whispering": (Treatment("vocoder", "amount", 0.7, 1.0, {"mode": "phase"}),),
    "reverberation": (Treatment("reverberation", "rt60_s", 0.4, 2.0, {"drr_db": -3.0}),),
    "music_distortion": (
        Treatment("clicks", "clicks_per_second", 1.0, 12.0, {"level_db": 6.0}),
        Treatment("noise", "snr_db", 15.0, -5.0, {"colour": "babble"}),
        Treatment("noise", "snr_db", 20.0, 0.0, {"colour": "hum"}),
    ),
    "sudden_silence": (Treatment("time_clipping", "fraction", 0.1, 0.7, {"clip_ms": 400.0, "place": "anywhere"}),),
}
_CONTENT = {"music_distortion": "music", "sudden_silence": "any"}


def _tasks(corpus: str, rubrics: Mapping[str, Rubric], data_scale: Scale | None = None) -> list[JastinTask]:
    return [
        JastinTask(
            f"{corpus}/{name}",
            rubric,
            corpus,
            data_scale or rubric.scale,
            _TREATMENTS[name] if corpus == "proxy" else (),
            _CONTENT.get(name, "any" if corpus == "aes" else "speech"),
        )
        for name, rubric in rubrics.items()
    ]


JASTIN_TASKS: dict[str, JastinTask] = {
    task.name: task
    for task in (
        *_tasks("qualispeech", QUALISPEECH_RUBRICS),
        *_tasks("speecheval", SPEECHEVAL_RUBRICS),
        # AES's listeners were asked on 1 to 10, yet lower ratings occur: clip them, do not stretch the scale.
        *_tasks("aes", AES_RUBRICS),
        *_tasks("proxy", PROXY_RUBRICS),
    )
}


def get_task(name_or_task: str | JastinTask) -> JastinTask:
    """Look up one of the 24 by name; a task passes through.

    Args:
        name_or_task: Key of ``JASTIN_TASKS``, or a task.

    Raises:
        ValueError: If there is no task of that name.

    Example:
        >>> get_task("aes/production_quality").rubric.high
        10.0
    """
    if isinstance(name_or_task, JastinTask):
        return name_or_task
    if name_or_task not in JASTIN_TASKS:
        raise ValueError(f"no task {name_or_task!r}; known: {', '.join(JASTIN_TASKS)}")
    return JASTIN_TASKS[name_or_task]


def proxy_score(task: str | JastinTask, causes: Iterable[Cause]) -> float:
    """Score a clip on a proxy by what was done to it.

    Args:
        task: One of the proxies, or its name.
        causes: What was done; causes that do not belong to the proxy do not count.

    Returns:
        The lowest score for an untreated clip, the highest for the strongest treatment; a rubric of two levels has
        nothing in between.

    Raises:
        ValueError: If the task is no proxy.

    Example:
        >>> proxy_score("proxy/reverberation", [Cause("reverberation", {"rt60_s": 2.0, "drr_db": -3.0})])
        5.0
    """
    chosen = _proxy(task)
    strengths = [way.strength(cause) for cause in causes for way in chosen.treatments]
    found = [strength for strength in strengths if strength is not None]
    rubric = chosen.rubric
    if not found:
        return rubric.low
    share = 1.0 if len(rubric.levels) == 2 else LEAST_SHARE + (1 - LEAST_SHARE) * max(found)
    return round(rubric.low + share * (rubric.high - rubric.low), 2)


def make_proxy(
    samples: np.ndarray, sampling_rate: int, task: str | JastinTask, *, seed: int, untreated: float = 0.5
) -> tuple[np.ndarray, float, tuple[Cause, ...]]:
    """Make one clip of a proxy: treat it or leave it, and score it.

    Args:
        samples: Clean mono audio, shape (samples,), ±1, at least 0.1 s, of what the task's ``content`` says.
        sampling_rate: In Hz, 8000 or more.
        task: One of the proxies, or its name.
        seed: Of the choice, the strength and everything random in the treatment.
        untreated: Share of clips that are left as they are.

    Returns:
        Audio of the same length, its score on the task's rubric, and what was done.

    Raises:
        ValueError: If the task is no proxy, or the audio cannot be used.

    Example:
        >>> tone = np.sin(np.arange(16000) / 4).astype(np.float32) / 4
        >>> make_proxy(tone, 16000, "proxy/child_voice", seed=0, untreated=1.0)[1]
        0.0
    """
    chosen = _proxy(task)
    rng = np.random.default_rng([seed, *chosen.name.encode()])
    way = chosen.treatments[rng.integers(len(chosen.treatments))]
    plan = [] if rng.random() < untreated else [way.cause(float(rng.random()))]
    result = degrade(samples, sampling_rate, plan, seed=seed)
    # Scored by what was asked for: some causes come back with what was found, such as the recording that was drawn.
    return result.samples, proxy_score(chosen, plan), result.causes


def make_proxy_clips(
    clips: Iterable[RatedClip],
    task: str | JastinTask,
    folder: str | Path,
    *,
    seed: int,
    untreated: float = 0.5,
    start: int = 0,
) -> Iterator[RatedClip]:
    """Make rated clips of a proxy from clean ones, and write their audio.

    Args:
        clips: Clean clips; their ratings do not count and are left out.
        task: One of the proxies, or its name.
        folder: Where the audio is written, as 16-bit WAV at the clips' own rates; made if it is not there.
        seed: Of everything; a clip depends on the seed and its place in the list only.
        untreated: Share of clips that are left as they are.
        start: Place of the first clip, if the list goes on from an earlier one.

    Yields:
        One clip for each, with a rating of the task's rubric, its causes, and the clean clip as its reference.

    Raises:
        ValueError: If the task is no proxy, or a clip cannot be used.
    """
    chosen = _proxy(task)
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for index, clip in enumerate(clips, start):
        audio = read_audio(clip.path)
        samples, score, causes = make_proxy(
            audio.samples, audio.sampling_rate, chosen, seed=seed + index, untreated=untreated
        )
        path = target / f"{chosen.rubric.name}_{index:06d}.wav"
        soundfile.write(path, samples, audio.sampling_rate, subtype="PCM_16")
        yield replace(
            clip,
            path=str(path),
            ratings={chosen.rubric.name: Rating(score)},
            corpus=chosen.name,
            reference=clip.path,
            causes=clip.causes + causes,
        )


def _proxy(task: str | JastinTask) -> JastinTask:
    chosen = get_task(task)
    if not chosen.treatments:
        raise ValueError(f"{chosen.name} has human ratings and is no proxy; see audio_judge.corpora")
    return chosen
