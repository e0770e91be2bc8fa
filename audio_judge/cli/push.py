"""``audio-judge push``: a judge as a repository on the Hub.

The repository's folder is written first, all of it; with ``--dry-run`` it stays, and nothing is uploaded.
"""

import argparse
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from audio_judge.batch.run import say
from audio_judge.errors import UsageError

if TYPE_CHECKING:
    from audio_judge.hub.card import CardFacts

EXAMPLES = """examples:
  audio-judge push me/my-judge --judge runs/mini --license cc-by-nc-sa-4.0 --dry-run upload
  audio-judge push me/my-judge --judge runs/mini --card card.yaml --results runs/eval --result-judge runs/mini
  audio-judge push me/my-judge --judge runs/mini --create-pr --message "Retrained with music"
  audio-judge push me/my-lora --judge runs/mini/lora --base-model me/my-judge --license apache-2.0
  audio-judge push me/my-judge --judge runs/mini/lora --merge --private --license cc-by-nc-sa-4.0

card.yaml says what the weights do not; all keys but license may be left out:
  license: cc-by-4.0
  summary: Judges how warm a voice sounds.
  datasets: [me/warm-voices]
  limits: [Not for decisions about people.]
Others: title, making, training_data, recipe, reaches, base_model, metrics, language, tags, license_name, license_link,
data_license, language_model_license, attributions. A licence that is laxer than that of a part is
refused.

Uploaded are weights (safetensors), configurations, processor, templates, the judge's three code files, card, evaluation
results, handler.py and requirements.txt, of a native audio language model neither code nor handler; other files of the folder
stay here. Exit code: 0, 2 if the request was unusable or
the Hub refused."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``push``."""
    what = parser.add_argument_group("what is pushed")
    what.add_argument(
        "--judge", metavar="NAME", help="a shipped judge, or the folder of a judge or of its LoRA (default: mini)"
    )
    what.add_argument("--merge", action="store_true", help="merge the LoRA into its judge and push the whole")
    what.add_argument("--base-model", metavar="NAME", help="judge of the LoRA on the Hub; with --merge, also a folder")
    what.add_argument("--card", metavar="FILE", help="YAML of facts for a new model card (default: the folder's own)")
    what.add_argument("--license", metavar="NAME", help="licence of the weights, such as apache-2.0, for a new card")
    what.add_argument("--results", metavar="FOLDER", help="run of `audio-judge eval`, for the card and .eval_results")
    what.add_argument("--result-judge", metavar="NAME", help="which judge of that run it is (default: the only one)")
    where = parser.add_argument_group("where to")
    where.add_argument("repo", metavar="REPO", help="id of the repository on the Hub, such as me/my-judge")
    where.add_argument("--private", action="store_true", help="make a new repository private")
    where.add_argument("--revision", metavar="NAME", help="branch to push to, made if it is new")
    where.add_argument("--create-pr", action="store_true", help="open a pull request instead of committing")
    where.add_argument("--message", metavar="TEXT", help="message of the commit")
    where.add_argument("--dry-run", metavar="FOLDER", help="write everything to this new folder and upload nothing")


def push(options: argparse.Namespace) -> int:
    """Write the folder of a repository, and upload it unless it is a dry run."""
    from audio_judge.hub.card import read_results
    from audio_judge.hub.files import check_repo
    from audio_judge.hub.folder import upload, write_folder

    check_repo(options.repo)
    facts = _facts(options.card, options.license)
    results = None if options.results is None else read_results(options.results, options.result_judge)
    with tempfile.TemporaryDirectory() as scratch:
        merged = Path(scratch) / "merged" if options.merge else None
        source, base = _source(options.judge, options.base_model, merged, has_new_card=facts is not None)
        target = Path(options.dry_run or Path(scratch) / "upload")
        try:
            files = write_folder(source, target, repo=options.repo, facts=facts, results=results, base_model=base)
        except OSError as error:
            raise UsageError(f"{error.filename or target}: {error.strerror}; nothing was uploaded") from error
        _say_licence(target)
        for name in files:
            link = f" (a link to {os.readlink(source / name)})" if (source / name).is_symlink() else ""
            print(f"{(target / name).stat().st_size:>13,}  {name}{link}")
        for name in _left_out(source, files):
            print(f"{'stays here':>13}  {name}")
        if options.dry_run is not None:
            print(f"nothing was uploaded; {options.repo} would get the {len(files)} files in {target}")
            return 0
        say(f"uploading {len(files)} files to {options.repo}")
        shape = {"private": options.private, "create_pr": options.create_pr}
        place = upload(target, options.repo, files=files, revision=options.revision, message=options.message, **shape)
        print(place)
    return 0


def _say_licence(folder: Path) -> None:
    """Say on stderr what the card says that whoever pushes may not expect."""
    from huggingface_hub import ModelCard

    from audio_judge.hub.licences import allows_commerce

    stated = str(ModelCard.load(folder / "README.md").data.license)
    if not allows_commerce(stated):
        say(f"{stated}: not for commercial use")


def _facts(card: str | None, license_id: str | None) -> "CardFacts | None":
    """CardFacts of a new card; None to keep the folder's own."""
    from audio_judge.hub.card import CardFacts, read_card_facts

    if card is not None:
        facts = read_card_facts(card)
        return replace(facts, license=license_id) if license_id else facts
    return CardFacts(license_id) if license_id else None


def _source(judge: str | None, base: str | None, merged: Path | None, *, has_new_card: bool) -> tuple[Path, str | None]:
    """Folder of what is pushed, after merging if there is a place for that, and the judge it is a LoRA of."""
    from audio_judge.hub.files import is_adapter
    from audio_judge.hub.folder import merge
    from audio_judge.judge.shipped import place_of

    try:
        source = Path(place_of(judge))
    except OSError as error:
        raise UsageError(f"--judge {error}") from error
    if not source.is_dir():
        raise UsageError(f"--judge {source}: no such folder; only a judge on this machine can be pushed")
    if merged is not None:
        if not is_adapter(source):
            raise UsageError(f"--merge: {source} is no LoRA (adapter_config.json alone); leave --merge out")
        if not has_new_card:
            raise UsageError(
                "--merge: the card of a LoRA is not that of a judge; give --card FACTS.yaml or --license NAME"
            )
        return merge(source, merged, base), None
    if base is not None and not is_adapter(source):
        raise UsageError(f"--base-model: {source} is no LoRA; say in --card what it was trained from (base_model)")
    return source, base


def _left_out(source: Path, files: Sequence[str]) -> list[str]:
    return sorted(path.name for path in source.iterdir() if path.name not in {*files, ".eval_results"})
