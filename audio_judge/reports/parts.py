"""Parts of a page for people: tables, plots and players, in one HTML file that needs nothing else, not even a network.

Templates are in ``audio_judge/templates``; all text that comes from files is escaped there, and the page may run no scripts.
What stands on a page is the business of ``reports.scores``, ``reports.answers`` and ``eval.report``. Needs the extra ``report``.
"""

import base64
import io
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import matplotlib
import numpy as np
import soundfile
from cycler import cycler
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from audio_judge.audio import AudioError, audio_info, iter_windows, read_audio, resample
from audio_judge.errors import UsageError
from audio_judge.tasks.parts import clock

Mark = Literal["", "best", "passed", "failed"]

DOTS_PER_INCH = 144
LONGEST_NAME = 36
# Rates that MP3 knows; others are converted to the highest
MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
# A long recording as a whole: at this rate, about 20 kbit/s of speech, and what is reckoned for it before it is made
WHOLE_RATE, WHOLE_COMPRESSION, WHOLE_BYTES_PER_SECOND = 16_000, 0.99, 4000
_BASE_STYLE: dict[Any, Any] = {
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.labelsize": 9,
    "font.size": 9,
    "legend.frameon": False,
    "text.parse_math": False,  # a $ in a name is a $
}


def _style(paper: str, ink: str, line: str, colours: Sequence[str]) -> dict[Any, Any]:
    inks = ("text.color", "axes.labelcolor", "axes.titlecolor", "xtick.color", "ytick.color")
    return _BASE_STYLE | {
        **dict.fromkeys(inks, ink),
        **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), paper),
        **dict.fromkeys(("grid.color", "axes.edgecolor"), line),
        "axes.prop_cycle": cycler(color=colours),
    }


# The same colours of paper, ink and lines as in base.html; those of data can be told apart by the colour-blind
LIGHT = _style("#ffffff", "#3b4351", "#dde1e8", ("#2563b8", "#c2570c", "#0f8a70", "#8a3fa0", "#8c6d00", "#c2316b"))
DARK = _style("#1a1f27", "#c3cad6", "#363e4b", ("#6ea8f5", "#f0955a", "#4ec9ae", "#c68bdb", "#d9b84a", "#f07ba8"))


@dataclass(frozen=True)
class Cell:
    """A cell with a number.

    Args:
        text: What is shown.
        extra: A second, smaller line, such as an interval.
        mark: ``best`` of its column, ``passed`` or ``failed``.
    """

    text: str
    extra: str = ""
    mark: Mark = ""


@dataclass(frozen=True)
class Table:
    """A table; cells that are text stand left, those that are :class:`Cell` right.

    Args:
        head: Names of the columns.
        rows: Cells, as many per row as there are columns.
        caption: A sentence below it.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str | Cell, ...], ...]
    caption: str = ""


@dataclass(frozen=True)
class Plot:
    """A plot as a PNG in a data URI, drawn for light and for dark pages.

    Args:
        title: What it shows, also for those who cannot see it.
        light: For light pages.
        dark: For dark ones.
        width: In pixels of the page.
        height: In pixels of the page.
    """

    title: str
    light: str = field(repr=False)
    dark: str = field(repr=False)
    width: int
    height: int


@dataclass(frozen=True)
class Player:
    """A clip to listen to.

    Args:
        name: What it is called.
        source: Its sound as a data URI, with where to begin behind ``#t=``; None if it is not part of the page.
        link: Where its file is, relative to the page, if it is not part of the page as a whole.
        note: What is to know: that it was cut, or why it is not there.
    """

    name: str
    source: str | None = field(default=None, repr=False)
    link: str | None = None
    note: str = ""


def number(value: float | None, digits: int = 2) -> str:
    """Write a number with so many digits behind the point, and a minus that is one; what is not there is a dash.

    Example:
        >>> number(-0.5), number(None)
        ('−0.50', '–')
    """
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")


def interval(low: float | None, high: float | None, digits: int = 2) -> str:
    """Write an interval; nothing if an end is missing.

    Example:
        >>> interval(1.0, 2.345)
        '1.00 to 2.35'
    """
    return "" if low is None or high is None else f"{number(low, digits)} to {number(high, digits)}"


def shorten(name: str) -> str:
    """Cut a name that would leave no room for its plot.

    Example:
        >>> shorten("a name of three dozen letters and more")
        'a name of three dozen letters and m…'
    """
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def without_folders(text: str) -> str:
    """Leave the folders of absolute paths out of a text, as a page may be shown to others.

    Example:
        >>> without_folders("--data nisqa=/home/me/NISQA of 3 m/s")
        '--data nisqa=…/NISQA of 3 m/s'
    """
    return re.sub(r"(?<![\w./:-])/(?:[^/\s\"']+/)+", "…/", text)


@dataclass
class Plots:
    """Draws plots, and writes them as PNG files to a folder, too, if there is one."""

    folder: Path | None = None

    def draw(self, title: str, size: tuple[float, float], draw: Callable[[Figure], None]) -> Plot:
        """Draw one plot, for light and for dark pages.

        Args:
            title: What it shows; the name of its file is made of it.
            size: Width and height, in inches.
            draw: Draws on an empty figure; called once per kind of page.
        """
        light, dark = _drawn(LIGHT, size, draw), _drawn(DARK, size, draw)
        if self.folder is not None:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                (self.folder / f"{file_name(title)}.png").write_bytes(light)
            except OSError as error:
                raise UsageError(f"{error.filename}: no plot can be written ({error.strerror})") from error
        width, height = (round(96 * inches) for inches in size)
        return Plot(title, data_uri(light, "image/png"), data_uri(dark, "image/png"), width, height)


def _drawn(style: dict[Any, Any], size: tuple[float, float], draw: Callable[[Figure], None]) -> bytes:
    with matplotlib.rc_context(style):
        # Not of pyplot, which would keep it
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return buffer.getvalue()


def file_name(title: str) -> str:
    """Make a name for a file of a title.

    Example:
        >>> file_name("mos: mini / own clips")
        'mos-mini-own-clips'
    """
    return re.sub(r"[^\w.]+", "-", title).strip("-.")[:120] or "plot"


def data_uri(content: bytes, kind: str) -> str:
    """Write bytes as an address that holds them; the kind is their MIME type.

    Example:
        >>> data_uri(b"hum", "audio/mpeg")
        'data:audio/mpeg;base64,aHVt'
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


@dataclass
class Players:
    """Makes players of clips, as long as there is room on the page.

    Args:
        page: The page that will hold them; links are relative to it.
        seconds: Longest sound of a player.
        megabytes: Room for all of them together, in MB of the page; what does not fit becomes a link.
        used: Bytes taken so far.
    """

    page: Path
    seconds: float = 12.0
    megabytes: float = 16.0
    used: int = 0

    def player(
        self,
        path: str | Path,
        *,
        name: str | None = None,
        start: float | None = None,
        end: float | None = None,
        worst: tuple[float, float] | None = None,
        why: str = "its worst",
    ) -> Player:
        """Make a player of a clip; of a file that cannot be read, one that says why.

        Args:
            path: The clip's file.
            name: What it is called; None for the name of the file.
            start: In seconds; None for the beginning.
            end: In seconds; None for the end.
            worst: Of a long recording, from when to when it is worst, in seconds of the file: the player begins there. It holds
                the whole, compressed, if there is room, else that part, with a link to the file.
            why: What is said of the place where it begins.
        """
        shown = Path(path).name if name is None else name
        try:
            if worst is not None:
                return self._of_long(Path(path), shown, start, end, worst, why)
            sound, note = self._sound(Path(path), start, end)
        except AudioError as error:
            return Player(shown, note=without_folders(str(error)))
        source = self._kept(sound)
        if source is None:
            return Player(shown, link=self._link(path), note="not part of this page, which would grow too large")
        return Player(shown, source, note=note)

    def _of_long(
        self, path: Path, shown: str, start: float | None, end: float | None, worst: tuple[float, float], why: str
    ) -> Player:
        first, last = worst
        whole = audio_info(path).seconds if end is None else end
        # Base64 takes four bytes for three
        room = self.megabytes * 1e6 - self.used
        if 4 / 3 * WHOLE_BYTES_PER_SECOND * (whole - (start or 0.0)) < room:
            source = self._kept(_compressed(path, start, end))
            if source is not None:
                begins = first - (start or 0.0)
                note = f"the whole, compressed; begins at {clock(begins)}, {why}"
                return Player(shown, f"{source}#t={begins:.1f}", note=note)
        sound, _ = self._sound(path, first, min(last, first + self.seconds))
        link = f"{self._link(path)}#t={first:.1f}"
        note = f"{clock(first)} to {clock(last)} of {clock(whole)}, {why}"
        return Player(shown, self._kept(sound), link, note)

    def _kept(self, sound: bytes) -> str | None:
        """The sound as part of the page; None if there is no room."""
        source = data_uri(sound, "audio/mpeg")
        if self.used + len(source) > self.megabytes * 1e6:
            return None
        self.used += len(source)
        return source

    def _link(self, path: str | Path) -> str:
        return quote(os.path.relpath(Path(path).resolve(), self.page.resolve().parent))

    def _sound(self, path: Path, start: float | None, end: float | None) -> tuple[bytes, str]:
        """An MP3 of the clip, and a note if it was cut: every browser plays it, and the same clip gives the same bytes."""
        whole = (audio_info(path).seconds if end is None else end) - (start or 0.0)
        is_cut = whole > self.seconds + 0.05
        until = (start or 0.0) + self.seconds if is_cut else end
        audio = read_audio(path, start_time=start, end_time=until)
        rate = audio.sampling_rate if audio.sampling_rate in MP3_RATES else MP3_RATES[-1]
        samples = np.clip(resample(audio.samples, audio.sampling_rate, rate), -1, 1)
        buffer = io.BytesIO()
        soundfile.write(buffer, samples, rate, format="MP3", subtype="MPEG_LAYER_III", compression_level=0.4)
        return buffer.getvalue(), f"the first {self.seconds:g} of {whole:.0f} s" if is_cut else ""


def _compressed(path: Path, start: float | None, end: float | None) -> bytes:
    """A small MP3 of all of a recording, of which no more than a minute is in memory."""
    buffer = io.BytesIO()
    how: dict[str, Any] = {"format": "MP3", "subtype": "MPEG_LAYER_III", "compression_level": WHOLE_COMPRESSION}
    with soundfile.SoundFile(buffer, "w", WHOLE_RATE, 1, **how) as file:
        for _, _, audio in iter_windows(path, 60.0, start_time=start, end_time=end):
            file.write(np.clip(resample(audio.samples, audio.sampling_rate, WHOLE_RATE), -1, 1))
    return buffer.getvalue()


def render(template: str, **values: Any) -> str:
    """Fill in a template of ``audio_judge/templates``; all text is escaped, and a name that is missing is an error."""
    environment = Environment(
        loader=PackageLoader("audio_judge"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["number_cell"] = lambda cell: isinstance(cell, Cell)
    environment.filters["without_folders"] = without_folders
    return environment.get_template(template).render(**values)
