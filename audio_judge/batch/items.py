"""What is judged in a batch: a clip, or a pair of clips, with the row it came with, and which columns say what."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audio_judge.batch import lines

# The last three are those of NeMo's manifests, of audio folders of `datasets`, and of Coqui's lists
PATH_COLUMNS = ("path", "wav_path", "filepath_deg", "audio_filepath", "file_name", "audio_file")
# Says in a row which channel of its clip is heard
CHANNEL_COLUMN = "heard_channel"
START_COLUMNS, END_COLUMNS = ("start_time", "start", "offset"), ("end_time", "end")
LIST_SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".txt", ".scp")
# What folders are searched for: sound files, and films, whose sound is heard
AUDIO_SUFFIXES = (
    ".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aac", ".aif", ".aiff", ".aifc", ".amr", ".ape", ".au", ".avi", ".awb",
    ".bwf", ".caf", ".gsm", ".m4b", ".m4v", ".mka", ".mkv", ".mov", ".mp2", ".mp4", ".mpga", ".nist", ".oga", ".ogv", ".rf64",
    ".snd", ".sph", ".spx", ".tta", ".voc", ".w64", ".wave", ".weba", ".webm", ".wma", ".wv", ".3gp", ".ac3",
)  # fmt: skip


@dataclass(frozen=True)
class Columns:
    """Which columns, or JSON keys, say what.

    Args:
        path: Column of the clip's path; None for the first of ``PATH_COLUMNS`` that is filled.
        reference: Column of the path of the undegraded original.
    """

    path: str | None = None
    reference: str = "reference"

    def path_of(self, row: Mapping[str, Any]) -> Any:
        """The path in a row, None if it has none.

        Example:
            >>> Columns().path_of({"path": "", "wav_path": "a.wav"})
            'a.wav'
        """
        names = PATH_COLUMNS if self.path is None else (self.path, *PATH_COLUMNS)
        return _first(row, names)[1]

    def identity(self, row: Mapping[str, Any]) -> tuple[str, str, str, str]:
        """What makes two rows the same one: path (and channel), start, end, reference, as they are written in it.

        Input and output rows give the same, as the latter keep the former; numbers may have become text.

        Example:
            >>> Columns().identity({"path": "a.wav", "start_time": "1"})
            ('a.wav', '1.0', '', '')
        """
        start, end = (_time_text(_first(row, names)[1]) for names in (START_COLUMNS, (*END_COLUMNS, "duration")))
        channel = row.get(CHANNEL_COLUMN)
        path = _text(self.path_of(row)) + (f" [channel {channel}]" if channel not in (None, "") else "")
        return path, start, end, _text(row.get(self.reference))


@dataclass(frozen=True)
class Item:
    """One clip to judge.

    Args:
        row: The row it came with, kept in the output.
        path: Empty if the row is unusable.
        start_time: In seconds; None for the beginning.
        end_time: In seconds; None for the end.
        reference: Where its undegraded original is; None if it has none.
        error: What is wrong with the row; None if it can be judged.
        channel: Which channel is heard, as of ``audio_judge.audio.read_audio``.
        read: Gives the clip of a row of a data set, which has no path of its own; None for files.
        read_reference: Gives the original of such a row; None if it has none.
    """

    row: dict[str, Any]
    path: str = ""
    start_time: float | None = None
    end_time: float | None = None
    reference: str | None = None
    error: str | None = None
    channel: str | int = "mix"
    read: Callable[[], Any] | None = None
    read_reference: Callable[[], Any] | None = None


def times_of(row: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Read where the part of a clip that a row means begins and ends, in seconds; None for the beginning and the end.

    They are called ``start_time``, ``start`` or ``offset``, and ``end_time`` or ``end``; a ``duration`` counts beside a start,
    and in NeMo's manifests. Alone it is what many lists say of the whole clip.

    Raises:
        ValueError: If one is no number, or below 0.

    Example:
        >>> times_of({"path": "a.wav", "start_time": "1.5"})
        (1.5, None)
    """
    start, end = _time(*_first(row, START_COLUMNS)), _time(*_first(row, END_COLUMNS))
    if end is None and (start is not None or "audio_filepath" in row):
        duration = _time(*_first(row, ("duration",)))
        end = None if duration is None else (start or 0.0) + duration
    return start, end


def _first(row: Mapping[str, Any], names: Sequence[str]) -> tuple[str, Any]:
    """The first of several columns that is filled, and what is in it."""
    return next(((name, row[name]) for name in names if row.get(name) not in (None, "")), (names[0], None))


def _time(name: str, value: Any) -> float | None:
    if value is None:
        return None
    seconds = lines.as_number(value)
    if seconds is None or not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError(f"{name} is {value!r}; seconds in the clip, 0 or more, are needed (else rename it)")
    return seconds


def _text(value: Any) -> str:
    # What is no valid text in a file name stands in a table as an escape
    return "" if value is None else str(value).encode("utf-8", "backslashreplace").decode()


def _time_text(value: Any) -> str:
    """One spelling for the 1, 1.0 and "1" of the same time."""
    seconds = lines.as_number(value)
    return _text(value) if seconds is None or not math.isfinite(seconds) else str(seconds)


@dataclass(frozen=True)
class PairColumns:
    """Which columns, or JSON keys, hold the paths of clip A and clip B."""

    first: str = "a"
    second: str = "b"

    def identity(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        """What makes two rows the same one: both paths, as they are written in it.

        Example:
            >>> PairColumns().identity({"a": "old.wav", "b": "new.wav", "better": "B"})[:1]
            ('old.wav',)
        """
        return tuple(Columns(name).identity({name: row.get(name)})[0] for name in (self.first, self.second))


@dataclass(frozen=True)
class PairItem:
    """Two clips to compare, A and B.

    Args:
        row: The row they came with, kept in the output.
        first: Where clip A is; empty if the row is unusable.
        second: Where clip B is.
        error: What is wrong with the row; None if it can be judged.
        read_first: Gives clip A of a row of a data set, which has no path of its own; None for files.
        read_second: The same of clip B.
    """

    row: dict[str, Any]
    first: str = ""
    second: str = ""
    error: str | None = None
    read_first: Callable[[], Any] | None = None
    read_second: Callable[[], Any] | None = None
