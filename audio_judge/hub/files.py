"""Which files of a judge's folder go to the Hub, and what is wrong with those that must not."""

import json
import re
from importlib.resources import files as package_files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id
from safetensors import SafetensorError, safe_open

from audio_judge.errors import UsageError
from audio_judge.judge.learned import LEARNED_FILE, Learned, of_processor

CODE_FILES = ("configuration_audio_judge.py", "modeling_audio_judge.py", "processing_audio_judge.py")
PROCESSOR_NEEDS = (
    "processor_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "decision.json",
    "decision_template.jinja",
)  # fmt: skip
PROCESSOR_MAY = (
    "preprocessor_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt",
    "vocab.txt", "tokenizer.model", "requests.json", "words.json", "words_tokenizer.json",
)  # fmt: skip
# Of native audio language models: what each must have one of, and what may lie beside
NATIVE_NEEDS = (
    ("processor_config.json", "preprocessor_config.json"), ("tokenizer.json", "tokenizer.model", "vocab.json", "tekken.json"),
)  # fmt: skip
NATIVE_MAY = (
    "tokenizer_config.json", "chat_template.jinja", "chat_template.json", "video_preprocessor_config.json",
    *PROCESSOR_MAY,
)  # fmt: skip
# What goes up as text, and the shapes of tokens and keys: Hugging Face, OpenAI and Anthropic, GitHub, GitLab, AWS, Google, Slack,
# Stripe, npm, PyPI, Replicate, Groq, Weights & Biases, signed web tokens, passwords in addresses
TEXTS = (".json", ".jinja", ".md", ".py", ".txt", ".yaml")
SECRET = re.compile(
    r"\bhf_[A-Za-z0-9]{30,}|\bsk-[A-Za-z0-9_-]{30,}|\bgh[oprsu]_[A-Za-z0-9]{30,}|\bgithub_pat_[A-Za-z0-9_]{30,}"
    r"|\bglpat-[A-Za-z0-9_-]{20,}|\bA(?:KI|SI)A[A-Z0-9]{16}\b|(?i:aws_secret_access_key)\W{1,5}[A-Za-z0-9/+=]{40}"
    r"|\bAIza[A-Za-z0-9_-]{35}|\bya29\.[A-Za-z0-9_-]{40,}|\bx(?:ox[abeprs]|app)-[A-Za-z0-9-]{20,}|\b[rs]k_live_[A-Za-z0-9]{20,}"
    r"|\bnpm_[A-Za-z0-9]{36}|\bpypi-[A-Za-z0-9_-]{50,}|\br8_[A-Za-z0-9]{30,}|\bgsk_[A-Za-z0-9]{40,}"
    r"|(?i:wandb_api_key)\W{1,5}[0-9a-f]{40}|\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"
    r"|://[^\s/:@\"'<>]+:[^\s/:@\"'<>]{3,}@|-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----"
)
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
# What a processor of an earlier version notes of the training, if it does not say
EARLIER: dict[str, Any] = {"trained_languages": None, "trained_faults": False, "answer_form": "decision"}
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def read_json(path: Path) -> Any:
    """Read a JSON file of a judge's folder; one that is missing or broken is a ``UsageError``."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {error}") from error


def is_adapter(folder: str | Path) -> bool:
    """Say whether a folder holds a LoRA alone: its settings, and no ``config.json`` of a judge."""
    return (Path(folder) / ADAPTER_CONFIG).is_file() and not (Path(folder) / "config.json").is_file()


def base_of(folder: str | Path) -> str:
    """Name the judge that a LoRA was trained on: a Hub id, or a folder.

    Raises:
        UsageError: If it does not say.
    """
    base = read_json(Path(folder) / ADAPTER_CONFIG).get("base_model_name_or_path")
    if not base:
        raise UsageError(f"{folder}/{ADAPTER_CONFIG}: no base_model_name_or_path; give --base-model")
    return str(base)


def weight_files(folder: str | Path) -> list[str]:
    """List the weights of a judge or of a LoRA, after a look into each: safetensors, and the index if there are several.

    Raises:
        UsageError: If there are none, one is missing or damaged, or they are pickled.
    """
    folder = Path(folder)
    if is_adapter(folder):
        names = [ADAPTER_WEIGHTS]
    elif (folder / WEIGHTS).is_file() or not (folder / INDEX).is_file():
        names = [WEIGHTS]
    else:
        names = [*sorted(set(read_json(folder / INDEX)["weight_map"].values())), INDEX]
    for name in names:
        if name != INDEX:
            _check_weights(folder, name)
    return names


def _check_weights(folder: Path, name: str) -> None:
    if Path(name).name != name or not name.endswith(".safetensors"):
        raise UsageError(f"{folder}: weights {name!r}; a .safetensors file in the folder itself is needed")
    if not (folder / name).is_file():
        pickled = [file.name for file in sorted(folder.glob("*model*")) if file.suffix in (".bin", ".pt", ".pth")]
        hint = f"{pickled[0]} is pickled and not uploaded; save it again with save_pretrained" if pickled else "save it"
        raise UsageError(f"{folder}: no {name}; {hint}")
    try:
        with safe_open(folder / name, "pt") as weights:
            notes = weights.metadata() or {}
    except SafetensorError as error:
        raise UsageError(f"{folder / name}: {error}; save it again") from error
    _check_text(" ".join(f"{key}={value}" for key, value in notes.items()), f"{folder / name} (its metadata)")


def select_files(folder: str | Path, processor: str | Path | None = None) -> dict[str, Path]:
    """Choose what of a folder goes to the Hub: weights, configurations, processor and code, nothing else.

    Args:
        folder: A judge as ``save_pretrained`` or a training script wrote it, or a LoRA of one.
        processor: Where the processor is; None for the folder itself.

    Returns:
        Name in the repository to file here.

    Raises:
        UsageError: If something is missing, or it is no judge.
    """
    folder, place = Path(folder), Path(processor or folder)
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    chosen = {name: folder / name for name in weight_files(folder)}
    if is_adapter(folder):
        chosen[ADAPTER_CONFIG] = folder / ADAPTER_CONFIG
        chosen |= {LEARNED_FILE: folder / LEARNED_FILE} if (folder / LEARNED_FILE).is_file() else {}
    else:
        names = ("config.json", "generation_config.json")
        chosen |= {name: folder / name for name in names if (folder / name).is_file()}
    chosen |= _native_processor(folder, place) if is_native(folder, place) else _own_processor(folder, place)
    results = sorted((folder / ".eval_results").glob("*.yaml"))
    chosen |= {f".eval_results/{path.name}": path for path in results}
    card = {"README.md": folder / "README.md"} if (folder / "README.md").is_file() else {}
    for name, path in (chosen | card).items():
        _check_inside(name, path, {_root_of(folder), _root_of(place)})
        _check_secrets(path)
    return chosen


def _root_of(folder: Path) -> Path:
    """The folder that links of a judge may not leave: of the Hub's cache, its repository there, which holds the files."""
    real = folder.resolve()
    return real.parent.parent if real.parent.name == "snapshots" else real


def _check_inside(name: str, path: Path, roots: set[Path]) -> None:
    real = path.resolve()
    is_ours = name in CODE_FILES and real == (Path(__file__).parents[1] / name).resolve()
    if not is_ours and not any(real.is_relative_to(root) for root in roots):
        raise UsageError(f"{path}: is a link to {real}, outside of the folder; put a copy there if it is to go up")


def _check_secrets(path: Path) -> None:
    """Refuse a text that holds what looks like a token or a private key, of which the message shows the beginning."""
    if path.suffix not in TEXTS:
        return
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        _check_text(line, f"{path}:{number}")


def _check_text(text: str, place: str) -> None:
    if found := SECRET.search(text):
        raise UsageError(
            f"{place}: {found[0][:8]}… looks like a secret; take it out, and make it void if it was ever shown"
        )


def is_native(folder: str | Path, processor: str | Path | None = None) -> bool:
    """Say whether a folder holds a native audio language model, or a LoRA of one, rather than a judge of our own.

    Args:
        folder: Of the weights.
        processor: Where the processor is; None for the folder itself.
    """
    if not is_adapter(folder):
        return bool(read_json(Path(folder) / "config.json").get("model_type") != "audio_judge")
    place = Path(processor or folder)
    return not any((place / name).is_file() for name in ("decision_template.jinja", *CODE_FILES))


def _own_processor(folder: Path, place: Path) -> dict[str, Path]:
    if missing := [name for name in PROCESSOR_NEEDS if not (place / name).is_file()]:
        raise UsageError(f"{place}: no {', '.join(missing)}; save the processor there, too (processor.save_pretrained)")
    chosen = {name: place / name for name in PROCESSOR_NEEDS + PROCESSOR_MAY if (place / name).is_file()}
    # Its own code only if it is complete: files of two versions need not fit each other
    has_code = all((folder / name).is_file() for name in CODE_FILES)
    source = folder if has_code else Path(__file__).parents[1]
    return chosen | {name: source / name for name in CODE_FILES}


def _native_processor(folder: Path, place: Path) -> dict[str, Path]:
    if not is_adapter(folder):
        _check_native(folder)
    lacking = [names for names in NATIVE_NEEDS if not any((place / name).is_file() for name in names)]
    if lacking:
        missing = ", ".join(" or ".join(names) for names in lacking)
        raise UsageError(f"{place}: no {missing}; save the processor there, too (processor.save_pretrained)")
    names = dict.fromkeys([*(name for names in NATIVE_NEEDS for name in names), *NATIVE_MAY])
    return {name: place / name for name in names if (place / name).is_file()}


def _check_native(folder: Path) -> None:
    """Make sure that a folder holds a model that hears, and needs no code but that of transformers."""
    from transformers import AutoConfig

    from audio_judge.judge.native import audio_model_class

    if "auto_map" in read_json(folder / "config.json"):
        raise UsageError(f"{folder}: it needs code of its own, which is not pushed; use its own push_to_hub")
    try:
        audio_model_class(AutoConfig.from_pretrained(folder), str(folder))
    except (OSError, ValueError) as error:
        raise UsageError(f"{error}; judges and audio language models are pushed, others with push_to_hub") from error


def processor_folder(source: Path) -> Path:
    """Where the processor of a judge is: a LoRA may have left it with its judge."""
    if is_adapter(source) and not (source / PROCESSOR_NEEDS[0]).is_file() and Path(base_of(source)).is_dir():
        return Path(base_of(source))
    return source


def check_base(base: str) -> str:
    """Make sure that others can find the judge a LoRA belongs to, and give its name.

    Raises:
        UsageError: If it is a folder, or no Hub id.
    """
    if is_local(base):
        raise UsageError(
            f"the LoRA's judge is the folder {base}; push that first, and name it with --base-model me/judge"
        )
    return check_repo(base)


def check_repo(repo: str) -> str:
    """Make sure that a name can be a repository, and give it back.

    Raises:
        UsageError: If it is not of the form ``owner/name``.
    """
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise UsageError(f"{repo}: {error}") from error
    if repo.count("/") != 1:
        raise UsageError(f"{repo}: a name of the form owner/name is needed, such as me/my-judge")
    return repo


def is_local(name: str) -> bool:
    """Say whether a name is that of a folder here rather than of a repository.

    Example:
        >>> is_local("/data/judge"), is_local("me/a-judge-that-is-nowhere")
        (True, False)
    """
    return name.startswith((".", "~")) or Path(name).is_absolute() or Path(name).is_dir()


def without_local_names(config: Any, base: str | None) -> Any:
    """A configuration that does not tell where its parts lay on this machine, and names a LoRA's judge on the Hub."""
    if isinstance(config, list):
        return [without_local_names(one, base) for one in config]
    if not isinstance(config, dict):
        return config
    if config.get("base_model_name_or_path") is not None:
        config = config | {"base_model_name_or_path": base}
    names = ("_name_or_path", "name_or_path")
    hidden = [key for key in names if isinstance(config.get(key), str) and is_local(config[key])]
    return {key: without_local_names(value, base) for key, value in config.items() if key not in hidden}


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file of a judge's folder, with letters beyond ASCII as they are."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def template_text(name: str) -> str:
    """Read a file of ``audio_judge/templates``, also from an installed package."""
    return package_files("audio_judge").joinpath("templates", name).read_text(encoding="utf-8")


def learned_of(folder: str | Path) -> Learned | None:
    """Read what the judge of a folder, or a LoRA of one, learned; None if it does not say.

    Raises:
        UsageError: If a file is missing, or a note is not well formed.
    """
    folder = Path(folder)
    notes = [(folder / LEARNED_FILE, None), (folder / "config.json", "learned")]
    try:
        for path, key in notes:
            if path.is_file() and (note := read_json(path) if key is None else read_json(path).get(key)) is not None:
                return Learned.from_note(note)
    except ValueError as error:
        raise UsageError(f"{folder}: {error}") from error
    path = folder / "processor_config.json"
    # Judges of earlier versions noted it there
    return of_processor(SimpleNamespace(**EARLIER | read_json(path))) if path.is_file() else None
