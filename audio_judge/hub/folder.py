"""A judge as a repository on the Hub: only what is needed to load, run and understand it, and a card made from facts.

    files = write_folder("runs/mini", "upload", repo="me/my-judge", facts=read_card_facts("card.yaml"))
    upload("upload", "me/my-judge")

A folder that comes out of training also holds optimizer states, pickled arguments and logs. Files go up by name, never
because they are there; weights are safetensors only. A LoRA goes up as it is, or merged into its judge first.
"""

import pprint
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi
from huggingface_hub.errors import LocalTokenNotFoundError, OfflineModeIsEnabled
from safetensors.torch import load_file, save_file

from audio_judge.errors import UsageError
from audio_judge.hub import usage
from audio_judge.hub.card import CardFacts, Results, complete_card, write_card
from audio_judge.hub.files import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    INDEX,
    PROCESSOR_NEEDS,
    base_of,
    check_base,
    check_repo,
    is_adapter,
    is_native,
    learned_of,
    processor_folder,
    read_json,
    select_files,
    template_text,
    without_local_names,
    write_json,
)
from audio_judge.judge.learned import LEARNED_FILE

# What an earlier push of other weights may have left: a LoRA beside merged weights would be applied twice
REPLACED = (
    "model*.safetensors",
    INDEX,
    ADAPTER_WEIGHTS,
    ADAPTER_CONFIG,
    LEARNED_FILE,
    "config.json",
    "generation_config.json",
)
REQUIREMENTS = ("transformers>=5.23,<5.25", "safetensors>=0.8", "soundfile>=0.14", "soxr>=1")
ADAPTER_REQUIREMENTS = ("peft>=0.21",)


def write_folder(
    source: str | Path,
    target: str | Path,
    *,
    repo: str,
    facts: CardFacts | None = None,
    results: Results | None = None,
    base_model: str | None = None,
) -> list[str]:
    """Write a folder that holds just what a repository on the Hub shall hold, and name its files, sorted.

    Args:
        source: A judge as ``save_pretrained`` or a training script wrote it, or a LoRA of one.
        target: New or empty folder.
        repo: Id of the repository, ``me/my-judge``; the card speaks of it.
        facts: For a new card; None to keep the folder's own, which must name a licence, with metadata added.
        results: An evaluation, for the card and ``.eval_results``.
        base_model: Hub id of the judge that a LoRA belongs to; None for what the LoRA says.

    Raises:
        UsageError: If something is missing or unusable; the message says what, and the target is as it was.
    """
    source, target = Path(source), Path(target)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target}: exists and is not an empty folder; name a new one")
    base = check_base(base_model or base_of(source)) if source.is_dir() and is_adapter(source) else base_model
    chosen = select_files(source, processor_folder(source) if source.is_dir() else None)
    was_there = target.exists()
    try:
        _write_all(source, target, chosen, repo, facts, results, base)
    except (UsageError, OSError):
        shutil.rmtree(target, ignore_errors=True)
        if was_there:
            target.mkdir()
        raise
    return sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file())


def _write_all(
    source: Path,
    target: Path,
    chosen: Mapping[str, Path],
    repo: str,
    facts: CardFacts | None,
    results: Results | None,
    base: str | None,
) -> None:
    for name, path in chosen.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if name in ("config.json", "tokenizer_config.json", ADAPTER_CONFIG):
            write_json(target / name, without_local_names(read_json(path), base))
        else:
            shutil.copyfile(path, target / name)
    # From here on the target is read: handler and card describe what is uploaded, not where it came from
    if not is_native(target):  # endpoints know the models of transformers
        (target / "handler.py").write_text(handler_text(target), encoding="utf-8")
        required = REQUIREMENTS + (ADAPTER_REQUIREMENTS if is_adapter(target) else ())
        (target / "requirements.txt").write_text("".join(f"{line}\n" for line in required), encoding="utf-8")
    if results is not None:
        _write_results(target, results)
    if facts is None:
        complete_card(source, target, repo, results, base)
    else:
        write_card(target, facts, repo=repo, results=results, base_model=base)


def write_halved(source: str | Path, target: str | Path, halved: str) -> list[str]:
    """Copy what loads and runs a judge, with some of its weights in half precision.

    They are brought to the precision of the others when the judge is loaded: only the file is smaller.

    Args:
        source: A judge as ``save_pretrained`` or a training script wrote it, its weights in one file.
        target: Folder; what is there under the same names is replaced, links excepted.
        halved: Regular expression that is found in the names of these weights.

    Returns:
        The names that were halved.

    Raises:
        ValueError: If no name matches.
    """
    files = select_files(source)
    weights = load_file(files["model.safetensors"])
    names = sorted(name for name, value in weights.items() if re.search(halved, name) and value.is_floating_point())
    if not names:
        raise ValueError(f"{source}: no weight's name has {halved!r} in it")
    Path(target).mkdir(parents=True, exist_ok=True)
    for name, path in files.items():
        place = Path(target) / name
        if name == "config.json":
            write_json(place, without_local_names(read_json(path), None))
        elif name != "model.safetensors" and not place.is_symlink():
            shutil.copyfile(path, place)
    shrunk = {name: value.half() if name in set(names) else value for name, value in weights.items()}
    save_file(shrunk, Path(target) / "model.safetensors", metadata={"format": "pt"})
    return names


def _write_results(folder: Path, results: Results) -> None:
    from audio_judge.eval.hub_results import eval_results

    for name, text in eval_results(results.found, results.judge, results.benchmarks).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def handler_text(folder: str | Path) -> str:
    """Write the ``handler.py`` of a judge, which knows by name the rubrics, or the tasks in words, that the judge was trained on.

    They are read from what the folder notes: an inference endpoint does not have this package.
    """
    learned = learned_of(folder) or usage.UNKNOWN
    rubrics = usage.rubrics(learned)
    text = _filled(template_text("handler.py"), "RUBRICS: dict[str, dict[str, Any]] = ", rubrics)
    in_words = {} if learned.decides else usage.requests(learned)
    return _filled(text, "REQUESTS: dict[str, str] = ", in_words)


def _filled(text: str, line: str, content: Any) -> str:
    return text.replace(f"{line}{{}}", line + pprint.pformat(content, indent=1, width=118, sort_dicts=False))


def merge(adapter: str | Path, target: str | Path, base: str | None = None) -> Path:
    """Fold a LoRA into its judge, save both as one whole judge, and give the folder.

    Args:
        adapter: Folder of the LoRA.
        target: Where to save.
        base: Hub id or folder of the judge; None for what the LoRA says.

    Raises:
        UsageError: If the judge cannot be loaded, or training's packages are not there.
    """
    from audio_judge.judge.native import load_audio_model

    adapter, target = Path(adapter), Path(target)
    name = base or base_of(adapter)
    try:
        from audio_judge.training.tuning import merge_lora

        model, processor = load_audio_model(name)
        merged = merge_lora(model, str(adapter))
        if (adapter / PROCESSOR_NEEDS[0]).is_file():
            processor = type(processor).from_pretrained(adapter)
    except ImportError as error:
        raise UsageError(f"{error}; merging needs: pip install 'audio-judge[train]'") from error
    except (OSError, ValueError, RuntimeError) as error:
        raise UsageError(f"{adapter}: cannot be merged into {name}: {error}") from error
    learned = learned_of(adapter)
    if learned is not None:
        merged.config.learned = learned.note()
    merged.save_pretrained(target)
    processor.save_pretrained(target)
    return target


def upload(
    folder: str | Path,
    repo: str,
    *,
    files: Sequence[str],
    private: bool = False,
    revision: str | None = None,
    create_pr: bool = False,
    message: str | None = None,
) -> str:
    """Create the repository if there is none, put the files of a folder there, and give the address of the commit or pull request.

    Args:
        folder: As ``write_folder`` wrote it.
        repo: Id of the repository.
        files: Names of the files that go up; weights and configurations of an earlier push that are not among them go away.
        private: Whether a new repository is private.
        revision: Branch, made if it is new; None for the main one.
        create_pr: Whether to open a pull request instead of committing.
        message: Of the commit.

    Raises:
        UsageError: If the Hub refuses, or is not reached.
    """
    from httpx2 import HTTPError

    check_repo(repo)
    api = HfApi(library_name="audio-judge")
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        # A pull request is such a ref, and cannot be made like a branch
        if revision is not None and not revision.startswith("refs/"):
            api.create_branch(repo, branch=revision, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo,
            folder_path=folder,
            allow_patterns=list(files),
            delete_patterns=list(REPLACED),
            revision=revision,
            create_pr=create_pr,
            commit_message=message or "Upload judge",
        )
    except LocalTokenNotFoundError as error:
        raise UsageError(f"{repo}: not logged in; run `hf auth login`, or set HF_TOKEN") from error
    except (HTTPError, OfflineModeIsEnabled, OSError, ValueError) as error:
        raise UsageError(f"{repo}: not uploaded: {str(error).strip().partition(chr(10))[0]}") from error
    return str(commit.pr_url if create_pr else commit.commit_url)
