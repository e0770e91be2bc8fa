"""The house stands: who may import whom, read from the imports themselves, those inside functions included."""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "audio_judge"
HUB_FILES = ("configuration_audio_judge", "modeling_audio_judge", "processing_audio_judge")
# From the ground up: a room takes from the floors below it, and from its own folder, never from its neighbours or from above.
FLOORS = (
    {"errors", "version", "configuration_audio_judge"},
    {"processing_audio_judge", "languages"},
    {"modeling_audio_judge", "audio", "rubrics"},
    {"clips", "analysis"},
    {"degrade", "messages", "batch"},
    {"tasks"},
    {"corpora", "reports", "text_models"},
    {"data", "judge"},
    {"autoclasses", "demo", "training"},
    {"__init__", "eval"},
    {"hub"},
    {"cli"},
    {"__main__"},
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def modules() -> dict[str, Path]:
    """Dotted names and files of the package; ``eval`` is linked into it, templates and the judge's own code are data."""
    files = {path: path.relative_to(ROOT) for path in PACKAGE.rglob("*.py") if "templates" not in path.parts}
    files |= {path: "audio_judge" / path.relative_to(ROOT) for path in (ROOT / "eval").rglob("*.py")}
    names = {".".join(place.with_suffix("").parts): path for path, place in files.items()}
    return {name.removesuffix(".__init__"): path for name, path in names.items()}


MODULES = modules()


def imports(name: str) -> Iterator[str]:
    """Modules of ours that a module imports, anywhere in it."""
    path = MODULES[name]
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            place = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{place}.{alias.name}"
                yield whole if whole in MODULES else place
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@cache
def graph() -> dict[str, set[str]]:
    return {name: {other for other in imports(name) if other in MODULES} - {name} for name in MODULES}


def room(name: str) -> str:
    return name.split(".")[1] if "." in name else "__init__"


def test_there_is_no_circle():
    TopologicalSorter(graph()).prepare()  # a CycleError names the files


@pytest.mark.parametrize("name", sorted(MODULES))
def test_rooms_take_from_below(name):
    here = room(name)
    upwards = [other for other in graph()[name] if room(other) != here and FLOOR[room(other)] >= FLOOR[here]]
    assert upwards == []


def test_at_most_ten_modules_lie_loose():
    loose = [path.name for path in PACKAGE.glob("*.py") if path.stem not in HUB_FILES]
    assert len(loose) <= 10, loose


def test_every_room_has_a_floor():
    assert {room(name) for name in MODULES} == FLOOR.keys()


def test_an_import_inside_a_function_is_seen():
    assert "audio_judge.eval.cli" in graph()["audio_judge.cli.main"]
