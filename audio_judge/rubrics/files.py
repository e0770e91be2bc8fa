"""Reads rubrics of one's own from YAML or JSON files.

    warmth:
      definition: How warm the voice is; the highest score is warm.
      low: 1
      high: 10
      levels: [cold, cool, neutral, warm, glowing]

A file holds such rubrics by name, one rubric with its ``name``, or a list of those. What
``judge.calibrate(...).to_dict()`` gives is one, too.
"""

from dataclasses import fields
from pathlib import Path
from typing import Any

from audio_judge.errors import UsageError
from audio_judge.rubrics.calibration import CalibratedRubric
from audio_judge.rubrics.rubric import Rubric

SUFFIXES = (".yaml", ".yml", ".json")


def read_rubrics(path: Path) -> list[Rubric]:
    """Read the rubrics of a ``.yaml``, ``.yml`` or ``.json`` file, in its order.

    Raises:
        UsageError: If the file cannot be read, or a rubric is not well formed; the message says which.
    """
    import yaml

    try:
        # JSON is YAML, so one reader serves both
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(f"--rubric {path}: cannot be read as YAML or JSON ({reason})") from error
    # Without a definition of its own the dict is no rubric but a table of rubrics by name
    if isinstance(content, dict) and "definition" not in content:
        content = [{"name": name, **(one if isinstance(one, dict) else {})} for name, one in content.items()]
    entries = [content] if isinstance(content, dict) else content
    if not isinstance(entries, list) or not entries:
        raise UsageError(f"--rubric {path}: a rubric needs a name and a definition")
    return [_rubric(path, entry) for entry in entries]


def _rubric(path: Path, entry: Any) -> Rubric:
    if not isinstance(entry, dict) or not {"name", "definition"} <= entry.keys():
        raise UsageError(f"--rubric {path}: {str(entry)[:60]!r} has no name and definition; both are needed")
    kind = CalibratedRubric if "mapping" in entry else Rubric
    known = [one.name for one in fields(kind)]
    unknown = sorted(set(entry) - set(known))
    if unknown:
        raise UsageError(f"--rubric {path}: {entry['name']!r} has {unknown[0]!r}; known are {', '.join(known)}")
    # YAML reads levels such as 1 or no as a number or a truth value
    tuples = {name: tuple(map(str, entry[name])) for name in ("levels", "questions") if name in entry}
    try:
        return kind(**{**entry, **tuples})
    except (TypeError, ValueError) as error:
        raise UsageError(f"--rubric {path}: {error}") from error
