"""Makes the proxy corpora of a Jastin-like training set from clean clips: audio, and a table per proxy with its scores.

``audio_judge.corpora.table`` reads the tables with the columns ``path``, ``score`` and ``reference``.

    write_proxies(["clean/a.wav", "clean/b.wav"], "reverberation", Path("proxies"), seed=0)
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from audio_judge.batch import lines
from audio_judge.clips import RatedClip
from audio_judge.corpora.jastin import JastinTask, get_task, make_proxy_clips
from audio_judge.rubrics.rubric import PROXY_RUBRICS


@dataclass(frozen=True)
class ProxyReport:
    """What became of the clips of one proxy.

    Args:
        table: The table.
        made: Clips made by this run.
        kept: Clips that an earlier run had made.
        failed: Why clean clips could not be used, one message each; the next run tries them again.
    """

    table: Path
    made: int
    kept: int
    failed: tuple[str, ...]


def proxy_task(name: str) -> JastinTask:
    """Look up a proxy.

    Args:
        name: A rubric of ``audio_judge.rubrics.rubric.PROXY_RUBRICS``.

    Raises:
        ValueError: If there is none of that name.

    Example:
        >>> proxy_task("music_distortion").content
        'music'
    """
    if name not in PROXY_RUBRICS:
        raise ValueError(f"no proxy {name!r}; known: {', '.join(PROXY_RUBRICS)}")
    return get_task(f"proxy/{name}")


def write_proxies(
    clean: Sequence[str | Path], name: str, folder: Path, *, seed: int, untreated: float = 0.5
) -> ProxyReport:
    """Make one clip per clean clip, in ``folder/<name>/``, and its row in ``folder/<name>.jsonl``.

    A row has ``path`` (from the folder of the table), ``score`` on the rubric's scale, ``reference`` (the clean clip),
    ``number``, ``seed`` and ``causes``. A run that was stopped goes on where it was; the same arguments make the same
    clips.

    Args:
        clean: Files of what the proxy's ``content`` says (speech, music or any), in an order that stays.
        name: A rubric of ``audio_judge.rubrics.rubric.PROXY_RUBRICS``.
        folder: Made if it is not there.
        seed: Of everything that is drawn.
        untreated: Share of clips that stay as they are, 0 to 1.

    Raises:
        ValueError: If there is no such proxy, or the table was made of other clips or with another seed.
        RuntimeError: If another run is writing the same table.
    """
    task, table = proxy_task(name), folder / f"{name}.jsonl"
    if not 0 <= untreated <= 1:
        raise ValueError(f"untreated {untreated}; 0 to 1 is needed")
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{table}.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise RuntimeError(f"{table}: another run is writing it; wait for it or choose another folder") from error
    try:
        wanted = {number: str(Path(path).absolute()) for number, path in enumerate(clean)}
        settings = {"seed": seed, "untreated": untreated}
        done = _finished(table, wanted, settings)
        left = {number: path for number, path in wanted.items() if number not in done}
        made, failed = _write_rows(left, task, table, settings)
        return ProxyReport(table, made, len(done), tuple(failed))
    finally:
        lock.release()


def _write_rows(left: dict[int, str], task: JastinTask, table: Path, settings: dict[str, Any]) -> tuple[int, list[str]]:
    made, failed = 0, []
    with lines.Appender(table) as rows:
        for number, path in left.items():
            try:
                (clip,) = make_proxy_clips(
                    [RatedClip(path, {}, "train", "clean")], task, table.with_suffix(""), **settings, start=number
                )
            except ValueError as error:  # an AudioError, or a treatment that cannot be used on it
                failed.append(str(error) if path in str(error) else f"{path}: {error}")
                continue
            own = Path(clip.path).relative_to(table.parent).as_posix()
            row = {"path": own, "score": clip.ratings[task.rubric.name].value, "reference": path, "number": number}
            row |= settings | {"causes": [asdict(cause) for cause in clip.causes]}
            rows.write(row)
            made += 1
    return made, failed


def _finished(table: Path, wanted: dict[int, str], settings: dict[str, Any]) -> set[int]:
    """Numbers of the rows that are there."""
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
