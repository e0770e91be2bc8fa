"""Proxies: rubrics that need no raters, because a clean clip is treated and the score follows from the treatment.

Jastin trains on five of them, beside corpora with ratings (``recipes/data/jastin.yaml``). Raised pitch and formants
stand for a child, a voice without its voiced sound for a whisper. Real children and real styles (as in corpora with
such labels) are worth more; the rubrics are the same.

    write_proxies(["clean/a.wav", "clean/b.wav"], "reverberation", Path("proxies"), seed=0)

``audio_judge.corpora.table`` reads the tables with the columns ``path``, ``score`` and ``reference``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from audio_judge.audio import read_audio
from audio_judge.batch import lines
from audio_judge.batch.shards import alone
from audio_judge.clips import Cause
from audio_judge.degrade import degrade
from audio_judge.rubrics.rubric import PROXY_RUBRICS, Rubric

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
        """The cause of a strength from 0 (mild) to 1 (severe).

        Example:
            >>> Treatment("reverberation", "rt60_s", 0.4, 2.0).cause(0.5).parameters
            {'rt60_s': 1.2}
        """
        value = round(self.mild + strength * (self.severe - self.mild), 4)
        return Cause(self.kind, {self.parameter: value} | dict(self.fixed))

    def strength(self, cause: Cause) -> float | None:
        """Strength of a cause, 0 (mild, or milder) to 1 (severe, or more so); None if it is no such treatment."""
        same = cause.kind == self.kind and all(cause.parameters.get(key) == value for key, value in self.fixed.items())
        if not same or self.parameter not in cause.parameters:
            return None
        share = (cause.parameters[self.parameter] - self.mild) / (self.severe - self.mild)
        return min(max(float(share), 0.0), 1.0)


@dataclass(frozen=True)
class Proxy:
    """One rubric that a treatment stands for.

    Args:
        treatments: Ways to make a clip score high; one is drawn for each clip.
        content: What the clips hold: ``speech``, ``music`` or ``any``.
    """

    rubric: Rubric
    treatments: tuple[Treatment, ...]
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
PROXIES = {
    name: Proxy(rubric, _TREATMENTS[name], _CONTENT.get(name, "speech")) for name, rubric in PROXY_RUBRICS.items()
}


def get_proxy(name: str) -> Proxy:
    """Look up a proxy by its rubric.

    Raises:
        ValueError: If it is not in ``PROXIES``.

    Example:
        >>> get_proxy("music_distortion").content
        'music'
    """
    if name not in PROXIES:
        raise ValueError(f"no proxy {name!r}; known: {', '.join(PROXIES)}")
    return PROXIES[name]


def proxy_score(name: str, causes: Iterable[Cause]) -> float:
    """Score a clip on a proxy by what was done to it; causes that do not belong to the proxy do not count.

    Returns:
        The rubric's lowest score for an untreated clip, the highest for the strongest treatment; a rubric of two levels
        has nothing in between.

    Example:
        >>> proxy_score("reverberation", [Cause("reverberation", {"rt60_s": 2.0, "drr_db": -3.0})])
        5.0
    """
    chosen = get_proxy(name)
    strengths = [way.strength(cause) for cause in causes for way in chosen.treatments]
    found = [strength for strength in strengths if strength is not None]
    rubric = chosen.rubric
    if not found:
        return rubric.low
    share = 1.0 if len(rubric.levels) == 2 else LEAST_SHARE + (1 - LEAST_SHARE) * max(found)
    return round(rubric.low + share * (rubric.high - rubric.low), 2)


def make_proxy(
    samples: np.ndarray, sampling_rate: int, name: str, *, seed: int, untreated: float = 0.5
) -> tuple[np.ndarray, float, tuple[Cause, ...]]:
    """Make one clip of a proxy: treat it or leave it, and score it.

    Args:
        samples: Clean mono audio, shape (samples,), ±1, at least 0.1 s, of what the proxy's ``content`` says.
        sampling_rate: In Hz, 8000 or more.
        seed: Of the choice, the strength and everything random in the treatment.
        untreated: Share of clips that are left as they are.

    Returns:
        Audio of the same length, its score on the proxy's rubric, and what was done.

    Raises:
        ValueError: If there is no such proxy, or the audio cannot be used.

    Example:
        >>> tone = np.sin(np.arange(16000) / 4).astype(np.float32) / 4
        >>> make_proxy(tone, 16000, "child_voice", seed=0, untreated=1.0)[1]
        0.0
    """
    ways = get_proxy(name).treatments
    # The name is in the seed, so that a clip is not treated or left for all proxies alike
    rng = np.random.default_rng([seed, *f"proxy/{name}".encode()])
    way = ways[rng.integers(len(ways))]
    plan = [] if rng.random() < untreated else [way.cause(float(rng.random()))]
    result = degrade(samples, sampling_rate, plan, seed=seed)
    # Scored by what was asked for: some causes come back with what was found, such as the recording that was drawn.
    return result.samples, proxy_score(name, plan), result.causes


@dataclass(frozen=True)
class ProxyReport:
    """What became of the clips of one proxy.

    Args:
        made: Clips made by this run.
        kept: Clips that an earlier run had made.
        failed: Why clean clips could not be used, one message each; the next run tries them again.
    """

    table: Path
    made: int
    kept: int
    failed: tuple[str, ...]


def write_proxies(
    clean: Sequence[str | Path], name: str, folder: Path, *, seed: int, untreated: float = 0.5
) -> ProxyReport:
    """Make one clip per clean clip, in ``folder/<name>/``, and its row in ``folder/<name>.jsonl``.

    A row has ``path`` (from the folder of the table), ``score`` on the rubric's scale, ``reference`` (the clean clip),
    ``number``, ``seed`` and ``causes``. A run that was stopped goes on where it was; the same arguments make the same
    clips.

    Args:
        clean: Files of what the proxy's ``content`` says (speech, music or any), in an order that stays.
        seed: Of everything that is drawn.
        untreated: Share of clips that stay as they are, 0 to 1.

    Raises:
        ValueError: If there is no such proxy, or the table was made of other clips or with another seed.
        RuntimeError: If another run is writing the same table.
    """
    get_proxy(name)
    table = folder / f"{name}.jsonl"
    if not 0 <= untreated <= 1:
        raise ValueError(f"untreated {untreated}; 0 to 1 is needed")
    folder.mkdir(parents=True, exist_ok=True)
    with alone(table, "folder"):
        wanted = {number: str(Path(path).absolute()) for number, path in enumerate(clean)}
        settings = {"seed": seed, "untreated": untreated}
        done = _finished(table, wanted, settings)
        left = {number: path for number, path in wanted.items() if number not in done}
        made, failed = _write_rows(left, name, table, settings)
        return ProxyReport(table, made, len(done), tuple(failed))


def _write_rows(left: dict[int, str], name: str, table: Path, settings: dict[str, Any]) -> tuple[int, list[str]]:
    made, failed = 0, []
    folder = table.with_suffix("")
    folder.mkdir(exist_ok=True)
    with lines.Appender(table) as rows:
        for number, path in left.items():
            own = folder / f"{name}_{number:06d}.wav"
            try:
                audio = read_audio(path)
                # A clip depends on the seed and its place in the list only
                drawn = settings | {"seed": settings["seed"] + number}
                samples, score, causes = make_proxy(audio.samples, audio.sampling_rate, name, **drawn)
            except ValueError as error:  # an AudioError, or a treatment that cannot be used on it
                failed.append(str(error) if path in str(error) else f"{path}: {error}")
                continue
            soundfile.write(own, samples, audio.sampling_rate, subtype="PCM_16")
            place = own.relative_to(table.parent).as_posix()
            row = {"path": place, "score": score, "reference": path, "number": number}
            rows.write(row | settings | {"causes": [asdict(cause) for cause in causes]})
            made += 1
    return made, failed


def _finished(table: Path, wanted: dict[int, str], settings: dict[str, Any]) -> set[int]:
    found = set()
    for line in lines.scan(table, is_growing=True) if table.exists() else ():
        row, place = line.row, f"{table}, line {line.number}"
        try:
            is_same = wanted.get(row["number"]) == row["reference"] and settings == {key: row[key] for key in settings}
        except (KeyError, TypeError) as error:
            raise ValueError(f"{place}: not a row of proxies; choose another folder") from error
        if not is_same:
            raise ValueError(f"{place}: made of other clips or with another seed or share; choose another folder")
        found.add(row["number"])
    return found
