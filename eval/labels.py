"""Labels of a judge for clips that nobody rated, to train on: Jastin's pseudo-labels, on the scales of our rubrics."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from audio_judge.batch import lines
from audio_judge.batch.find import find_items
from audio_judge.errors import UsageError
from audio_judge.rubrics.rubric import Rubric, get_rubric

from .benchmarks import Question
from .judges import Judge, load_judge
from .peers import PEERS, PREFIX

# Clips that a judge is given at once
_AT_ONCE = 32


def label_clips(places: list[str], spec: str, out: Path, rubrics: Sequence[str] = ()) -> tuple[int, int]:
    """Write a judge's scores of clips as JSON lines that the reader ``table`` takes; those that are there are kept.

    Rows have ``path``, ``source`` (who says so) and a score per rubric, null where the judge gave none.

    Args:
        places: Files, folders, globs or lists of clips.
        spec: Anything that ``load_judge`` takes; peers must need no reference.
        out: File to write or to go on with.
        rubrics: What is asked for; all that a peer scores, or ``mos`` of others, if empty.

    Returns:
        Number of clips labelled now, and of those that could not be: their rows have an ``error``, and null for scores.

    Raises:
        UsageError: If the judge is not to be had or scores none of the rubrics, there is no such rubric, the file is another's, or a list cannot be read.
    """
    # Whole paths, as a table's own start from its folder
    paths = [str(Path(item.path).resolve()) for item in find_items(places) if item.path]
    known: set[str] = set()
    for line, row in lines.read(out) if out.exists() else ():
        if row.get("source") != spec:
            raise UsageError(f"{out}:{line}: source is {row.get('source')!r}, not {spec!r}; a file each for who labels")
        known.add(row["path"])
    peer = PEERS.get(spec.removeprefix(PREFIX).partition("/")[0]) if spec.startswith(PREFIX) else None
    if peer is not None and peer.needs_reference:
        raise UsageError(f"{spec} compares with the original of a clip, and there is none")
    judge = load_judge(spec)
    try:
        wanted = [get_rubric(name) for name in rubrics or (peer.rubrics if peer else ("mos",))]
    except ValueError as error:
        raise UsageError(str(error)) from error
    asked = judge.rubrics_for("score", wanted)
    if isinstance(asked, str):
        raise UsageError(f"{spec}: {asked}")
    counts = [0, 0]
    with lines.Appender(out) as file:
        for row in _rows([path for path in paths if path not in known], judge, spec, asked):
            file.write(row)
            counts["error" in row] += 1
    return counts[0], counts[1]


def _rows(paths: Sequence[str], judge: Judge, spec: str, rubrics: tuple[Rubric, ...]) -> Iterator[dict[str, Any]]:
    for start in range(0, len(paths), _AT_ONCE):
        some = paths[start : start + _AT_ONCE]
        answers = judge.answer([Question(path, "score", (path,), rubrics) for path in some])
        for path, answer in zip(some, answers, strict=True):
            said = (answer.prediction or {}).get("scores", {})
            scores = {
                rubric.name: round(min(max(said[rubric.name], rubric.low), rubric.high), 4)
                if rubric.name in said
                else None
                for rubric in rubrics
            }
            failed = {} if said else {"error": answer.error or "no answer"}
            yield {"path": path, "source": spec} | scores | failed
