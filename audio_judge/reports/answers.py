"""What a command has written, as a page for people: ``--output scores.html``. Needs the extra ``report``.

Scores get the page of ``audio-judge report``, recordings window by window a plot and a player, and the answers to other questions a
table.
"""

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio_judge.batch.run import Job, say
from audio_judge.batch.write import earlier_rows
from audio_judge.errors import UsageError

if TYPE_CHECKING:
    from audio_judge.reports.parts import Cell


MOST_WORDS = 300


def check(page: Path | None) -> None:
    """Refuse before anything is judged what cannot be written afterwards.

    Raises:
        UsageError: If a page is wanted and the extra is not installed.
    """
    missing = [name for name in ("jinja2", "matplotlib") if importlib.util.find_spec(name) is None]
    if page is not None and missing:
        raise UsageError(f"{page} needs {' and '.join(missing)}: pip install 'audio-judge[report]'")


def write(page: Path, rows: Path, job: Job) -> None:
    """Write the page of a run.

    Args:
        page: The ``.html`` file.
        rows: The ``.jsonl`` file of its rows.
        job: What was asked.

    Raises:
        UsageError: If it cannot be written.
    """
    title = f"{job.did.capitalize()}: {page.stem}"
    if "scores" in job.keys:
        text = _scores(page, rows, title)
    elif job.settings.get("task") == "timeline":
        text = _timelines(page, rows, title)
    else:
        text = _answers(rows, job, title)
    put(page, text, rows)


def put(page: Path, text: str, rows: Path | None) -> None:
    """Write a page, and say where it is; ``rows`` is the file it was made of, None if there is none.

    Raises:
        UsageError: If it cannot be written.
    """
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageError(f"{page}: cannot be written ({error.strerror}); choose another name") from error
    say(f"{page}: {len(text) / 1e6:.1f} MB" + (f"; its rows are in {rows}" if rows is not None else ""))


def _scores(page: Path, rows: Path, title: str) -> str:
    from audio_judge.reports.scores import read_scores, score_page

    return score_page(read_scores([rows]), page, title=title)


def _timelines(page: Path, rows: Path, title: str) -> str:
    from audio_judge.reports.scores import read_rows, recordings_of
    from audio_judge.reports.timelines import timeline_page

    recordings, facts = recordings_of(read_rows(rows))
    return timeline_page(recordings, page, title=title, facts=facts)


def _answers(rows: Path, job: Job, title: str) -> str:
    from audio_judge.reports.parts import Table, render
    from audio_judge.version import __version__

    found = [row for row, _ in earlier_rows(rows, ())]
    inputs = dict.fromkeys(name for row in found for name in row if name not in job.all_keys)
    head = [*inputs, *(name for name in (*job.keys, "error") if any(row.get(name) is not None for row in found))]
    cells = tuple(tuple(_cell(row.get(name)) for name in head) for row in found)
    settings = {name: _plain(value) for name, value in job.settings.items()}
    return render("answers.html", title=title, version=__version__, facts=settings, answers=Table(tuple(head), cells))


def _cell(value: Any) -> "str | Cell":
    from audio_judge.reports.parts import Cell, number

    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return Cell(number(value, 0 if isinstance(value, int) else 3)) if is_number else _plain(value)


def _plain(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MOST_WORDS else f"{text[:MOST_WORDS]} …"
