"""Where a judge comes from: the commit or the content that its rows name, and what in its files must not be used unasked."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from audio_judge.batch.lines import DEEPEST, is_deeper
from audio_judge.judge.growth import growth_of

# What decides the answers of a judge, beside its weights
FILES = (
    "config.json", "adapter_config.json", "generation_config.json", "learned.json", "processor_config.json", "decision.json",
    "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.json",
    "chat_template.jinja", "decision_template.jinja", "vocab.json", "merges.txt", "vocab.txt", "tokenizer.model",
)  # fmt: skip
# Weights beyond this are not read whole but in so many places, which any training changes
WHOLE_BYTES, PLACES, PLACE_BYTES = 16 * 2**20, 256, 2**14


def folder_of(place: str, revision: str | None = None) -> Path | None:
    """Find the folder of a judge, for a Hub id that of its snapshot, with what is small fetched; None if there is none.

    Raises:
        OSError: If the Hub has no such repository, or it is closed.
    """
    from transformers.utils import cached_file

    if Path(place).is_dir():
        return Path(place)
    given: dict[str, Any] = {} if revision is None else {"revision": revision}
    given |= {"_raise_exceptions_for_missing_entries": False, "_raise_exceptions_for_connection_errors": False}
    small = [name for name in FILES if name.endswith(("config.json", "template.json", ".jinja"))]
    found = [path for name in small if (path := cached_file(place, name, **given)) is not None]
    return Path(found[0]).parent if found else None


def revision_of(folder: Path) -> str:
    """Name what a folder holds: the commit of a Hub's snapshot, else a hash of weights, configurations, tokenizer and templates.

    Returns:
        Forty hexadecimal digits, or ``sha256:`` and twelve.
    """
    if folder.parent.name == "snapshots" and folder.parent.parent.name.startswith("models--"):
        return folder.name
    known = [folder / name for name in FILES]
    digest = hashlib.sha256()
    for path in sorted([*(path for path in known if path.is_file()), *folder.glob("*.safetensors")]):
        digest.update(f"{path.name} {path.stat().st_size} ".encode())
        for part in _parts(path):
            digest.update(part)
    return f"sha256:{digest.hexdigest()[:12]}"


def _parts(path: Path) -> Iterator[bytes]:
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= WHOLE_BYTES:
            yield file.read()
            return
        for place in range(PLACES):
            file.seek(place * (size - PLACE_BYTES) // (PLACES - 1))
            yield file.read(PLACE_BYTES)


def check_untrusted(folder: Path) -> None:
    """Refuse a judge, or a LoRA of one, that would run code from elsewhere, or whose templates could grow without bound.

    Raises:
        ValueError: If it would; the message names file, value and fix.
    """
    settings = _json(folder / "adapter_config.json")
    base = settings.get("base_model_name_or_path") if isinstance(settings, dict) else None
    has_base = isinstance(base, str) and not (folder / "config.json").is_file()
    for one in (folder, folder_of(str(base)) if has_base else None):
        if one is not None:
            _check_folder(one)


def _check_folder(folder: Path) -> None:
    trusted = "give trust_remote_code=True if you trust it"
    for name in ("config.json", "adapter_config.json"):
        for key, value in _items(_json(folder / name)):
            # One text, or one for each part of the model
            named = [value, *(part for _, part in _items(value))] if "attn_implementation" in key else []
            for text in named:
                if isinstance(text, str) and "/" in text:
                    raise ValueError(
                        f"{folder / name}: {key} {text!r} would run the code of another repository; {trusted}"
                    )
    for name, text in _templates(folder):
        if problem := growth_of(text):
            raise ValueError(f"{folder / name}: its template {problem}; {trusted}")


def _templates(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted([*folder.glob("*.jinja"), *folder.glob("*/*.jinja")]):
        yield str(path.relative_to(folder)), path.read_text(encoding="utf-8", errors="replace")
    for name in ("tokenizer_config.json", "processor_config.json", "chat_template.json"):
        for key, value in _items(_json(folder / name)):
            if key in ("chat_template", "template") and isinstance(value, str):
                yield name, value


def _json(path: Path) -> Any:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None  # who loads it says why
    if is_deeper(found, DEEPEST):
        raise ValueError(f"{path}: nested deeper than {DEEPEST} levels")
    return found


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    """All keys of objects within each other, with their values."""
    if isinstance(value, dict):
        yield from value.items()
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _items(part)
