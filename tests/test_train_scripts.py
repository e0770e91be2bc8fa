import ast
import logging
import re
import sys
import tomllib
from pathlib import Path

import pytest

import audio_judge  # noqa: F401

ROOT = Path(__file__).parents[1]


# Names under which what the header installs is imported, where they differ; the last two come with transformers
IMPORTED_AS = {"pyyaml": "yaml", "huggingface-hub": "huggingface_hub", "tokenizers": "tokenizers", "jinja2": "jinja2"}


def imported_by(path, seen):
    """Packages that importing a script needs, those that the modules of this package need too; not what functions import."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            file = ROOT / name.replace(".", "/")
            inner = next((one for one in (file.with_suffix(".py"), file / "__init__.py") if one.is_file()), None)
            if name.startswith("audio_judge") and inner is not None and inner not in seen:
                seen.add(inner)
                found |= imported_by(inner, seen)
            elif not name.startswith("audio_judge"):
                found.add(name.partition(".")[0])
    return found


class TestTrainScripts:
    SCRIPTS = tuple(sorted(path.stem for path in ROOT.glob("train_*.py")))

    @pytest.mark.parametrize("name", SCRIPTS)
    def test_has_a_header_for_jobs(self, name):
        # The pattern of PEP 723
        pattern = r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$"
        (found,) = re.finditer(pattern, (ROOT / f"{name}.py").read_text())
        lines = found.group("content").splitlines()
        header = tomllib.loads("\n".join(line.removeprefix("#").removeprefix(" ") for line in lines))
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        assert found.group("type") == "script"
        assert header["dependencies"] == ["audio-judge[train]"]
        assert header["requires-python"] == project["requires-python"]

    @pytest.mark.parametrize("name", SCRIPTS)
    def test_the_header_is_enough(self, name):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        extras = project["optional-dependencies"]
        needed = project["dependencies"] + extras["train"] + extras["degrade"]
        installed = {re.split(r"[\[><=~]", one)[0] for one in needed} | {"tokenizers", "jinja2"}
        known = {IMPORTED_AS.get(one, one) for one in installed} | set(sys.stdlib_module_names)
        assert imported_by(ROOT / f"{name}.py", set()) <= known

    @pytest.mark.parametrize("name", SCRIPTS)
    def test_we_come_before_peft(self, name):
        """On some CPUs bitsandbytes, which peft imports, complains about a package that nobody has to have."""
        body = ast.parse((ROOT / f"{name}.py").read_text()).body
        lines = {
            (node.names[0].name if isinstance(node, ast.Import) else str(node.module)).partition(".")[0]: node.lineno
            for node in reversed(body)
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
        assert all(lines["audio_judge"] < lines[one] for one in ("trl", "peft", "accelerate") if one in lines)

    @pytest.mark.parametrize(("message", "is_kept"), [("from kernels-community: No module", False), ("other", True)])
    def test_only_that_complaint_is_left_out(self, message, is_kept):
        logger = logging.getLogger("bitsandbytes.backends.cpu.ops")
        record = logger.makeRecord(logger.name, logging.WARNING, "ops.py", 1, message, (), None)
        assert bool(logger.filter(record)) == is_kept
