"""The ablations that the papers report, each on the parts of a small judge: variants trained alike, the papers' figures beside ours.

    python benchmarks/ablations.py --list
    python benchmarks/ablations.py cot --corpus CORPUS --output runs/ablations --steps 100 --limit 60
    python benchmarks/ablations.py sources --corpus CORPUS --data rated=RATED --data speech=SPEECH --output runs/ablations
    python benchmarks/ablations.py backbones --corpus CORPUS --backbone encoder=openai/whisper-base,cut_window=true
    python benchmarks/ablations.py cot --corpus CORPUS --dry-run          # the commands, to be run by hand

An ablation is a YAML file in ``benchmarks/ablations``: data as in ``recipes/data``, options of ``train_sft.py`` and
``train_grpo.py``, benchmarks, the published figures, and variants, each of which says what it has otherwise. All variants begin
with the same encoder and language model, those of ``--judge``, and a new adapter between them, and have the same seed and steps.
Everything is made by the commands of this repository, whose output is in ``OUTPUT/NAME/VARIANT/*.log``; what is done is not done
again. The corpus is one of ``audio_judge.corpora.simulated`` with the splits ``train`` and ``test``.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

from audio_judge.errors import UsageError, exit_code
from audio_judge.eval.finished import read_folder
from audio_judge.eval.tables import cell, grid
from audio_judge.judge.shipped import place_of

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(__file__).with_suffix("")
# What is the same for all variants, whatever an ablation is about, and how a small judge is taught unless a file says otherwise
HOW = {"logging_steps": 10, "report_to": "none", "save_strategy": "no"}
SFT = {
    "scale_tokens": True,
    "trainable": ["adapter", "language_model"],
    "answer_form": "decimal",
    "max_seconds": 10,
    "learning_rate": 1e-3,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 10,
    "weight_decay": 0.01,
    "per_device_train_batch_size": 16,
}
BATCH = "per_device_train_batch_size"
# What the option --backbone calls a part, to the field of train_sft.py
PARTS = {"encoder": "audio_backbone", "llm": "text_backbone"}
# Made of --judge when a file names them
MADE = ("encoder", "language_model", "proxies")


@dataclass(frozen=True)
class Variant:
    """What one column of the table has otherwise than its neighbours.

    Args:
        corpora: Names of the ablation's corpora that it learns from; all of them if empty.
        data: Fields of the mixture that it has otherwise.
        sft: Options of ``train_sft.py`` that it has otherwise.
        grpo: Options of ``train_grpo.py``; nothing for no such stage.
        goes_on_from: Another variant, whose judge it starts from in place of training one.
        is_large: Whether its models are too large to be trained on a whim: it is run only if ``--variants`` names it.
    """

    title: str
    corpora: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    sft: Mapping[str, Any] = field(default_factory=dict)
    grpo: Mapping[str, Any] = field(default_factory=dict)
    goes_on_from: str = ""
    is_large: bool = False


@dataclass(frozen=True)
class Ablation:
    """What a file says.

    Args:
        source: Paper, number and table.
        note: What is other than there, or what the table does not say.
        corpora: Name to an entry of a mixture.
        data: The other fields of the mixture.
        sft: Options of ``train_sft.py``, beside ``SFT``.
        tasks: Benchmarks.
        figures: ``BENCHMARK FIGURE`` to what the row is called.
        published: ``of``, the variants, and ``figures``, a row's name to the number of each; empty if nothing was published.
    """

    name: str
    title: str
    source: str
    corpora: Mapping[str, Mapping[str, Any]]
    data: Mapping[str, Any]
    sft: Mapping[str, Any]
    tasks: tuple[str, ...]
    figures: Mapping[str, str]
    variants: Mapping[str, Variant]
    published: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Step:
    """One command.

    Args:
        name: ``data``, ``sft``, ``grpo``, ``eval`` or what is made before them.
        folder: Where its files, its log and the note that it is done lie.
        command: Words behind the interpreter.
        files: Files that it reads, and their content.
        passing: Exit codes that are no failure.
    """

    name: str
    folder: Path
    command: tuple[str, ...]
    files: Mapping[Path, Any] = field(default_factory=dict)
    passing: tuple[int, ...] = (0,)

    @property
    def is_done(self) -> bool:
        """Whether it was done before, with the same words and files.

        Raises:
            UsageError: If it was done with others.
        """
        if not self._note.is_file():
            return False
        known = json.loads(self._note.read_text(encoding="utf-8"))
        if known != self._said:
            other = [name for name in self._said if known.get(name) != self._said[name]]
            raise UsageError(
                f"{self.folder}: {self.name} was done with other {' and '.join(other)}; give another --output, or delete it"
            )
        return True

    def run(self) -> None:
        """Do it, and note that it is done."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for path, content in self.files.items():
            path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
        log = self.folder / f"{self.name}.log"
        code = call(self.command, log)
        if code not in self.passing:
            said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise UsageError(f"{self.name} failed ({code}); {log} ends in:\n" + "\n".join(said[-5:]))
        self._note.write_text(json.dumps(self._said, indent=2) + "\n", encoding="utf-8")

    @property
    def _note(self) -> Path:
        return self.folder / f"{self.name}.done.json"

    @property
    def _said(self) -> dict[str, Any]:
        return {"command": list(self.command), "files": {str(path): content for path, content in self.files.items()}}

    def __str__(self) -> str:
        return " ".join(["python", *self.command])


def call(command: Sequence[str], log: Path) -> int:
    """Run a command of this checkout in a process of its own; what it says goes to a file."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    with log.open("w", encoding="utf-8") as out:
        done = subprocess.run(
            [sys.executable, *command],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": path},
            stdout=out,
            stderr=out,
            check=False,
        )
    return done.returncode


# What a file says


def names() -> list[str]:
    """Names of all ablations."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str) -> Ablation:
    """Read an ablation.

    Raises:
        UsageError: If there is none of this name, or its file cannot be used.
    """
    path = FOLDER / f"{name}.yaml"
    if not path.is_file():
        raise UsageError(f"no ablation {name!r}; known: {', '.join(names())}")
    try:
        return parse(yaml.safe_load(path.read_text(encoding="utf-8")), name)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{path}: {error}") from error


def parse(values: Mapping[str, Any], name: str) -> Ablation:
    """Make an ablation of the keys of a file; a ValueError or TypeError names what is wrong with them."""
    read = {key: _read(Variant, one, f"variant {key}") for key, one in values["variants"].items()}
    found = _read(Ablation, {**values, "variants": read, "name": name}, "the file")
    for key, one in read.items():
        strange = [corpus for corpus in one.corpora if corpus not in found.corpora]
        strange += [other for other in [one.goes_on_from] if other and other not in read]
        if strange:
            raise ValueError(f"variant {key}: {', '.join(strange)} is nowhere in the file")
    of = found.published.get("of", [])
    rows = found.published.get("figures", {})
    wrong = [one for one in of if one not in read] + [row for row, said in rows.items() if len(said) != len(of)]
    if wrong:
        raise ValueError(f"published: {', '.join(wrong)}: variants of the file, and a figure of each, are needed")
    strange = [figure for figure in found.figures if figure.partition(" ")[0] not in found.tasks]
    if strange:
        raise ValueError(
            f"figures: {', '.join(strange)}: BENCHMARK FIGURE of one of {', '.join(found.tasks)} is needed"
        )
    return found


def _read(kind: Any, values: Mapping[str, Any], where: str) -> Any:
    known = {one.name for one in fields(kind)}
    if strange := [key for key in values if key not in known]:
        raise ValueError(f"{where}: unknown {', '.join(strange)}; known: {', '.join(sorted(known))}")
    return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})


def with_backbones(ablation: Ablation, given: Iterable[str]) -> Ablation:
    """Add a variant for each ``encoder=PLACE`` and ``llm=PLACE``, with that part in place of the first variant's.

    Options of ``train_sft.py`` that such a part needs may follow: ``encoder=openai/whisper-base,cut_window=true``.

    Raises:
        UsageError: If that is not how one is written.
    """
    (first, *_) = ablation.variants.values()
    added = {}
    for one in given:
        (part, place), *more = ((key, value) for key, _, value in (word.partition("=") for word in one.split(",")))
        if part not in PARTS or not place or not all(value for _, value in more):
            raise UsageError(
                f"--backbone {one}: encoder=PLACE or llm=PLACE is needed, a folder or Hub id, and OPTION=VALUE behind it"
            )
        place = str(Path(place).resolve()) if Path(place).exists() else place
        title = f"{part} {Path(place).name}"
        # Only encoders of ours can be remembered
        sft = {**first.sft, **({"hear_once": False} if part == "encoder" else {}), PARTS[part]: place}
        sft |= {key: yaml.safe_load(value) for key, value in more}
        added[title.replace(" ", "_")] = replace(first, title=title, sft=sft)
    return replace(ablation, variants={**ablation.variants, **added})


# What is to be done


def plan(ablation: Ablation, options: argparse.Namespace) -> dict[str, list[Step]]:
    """Say what is to be done: under an empty name what all variants need, then each variant's own.

    Raises:
        UsageError: If a variant is unknown, or something that is needed is not given.
    """
    chosen = chosen_variants(ablation, options.variants)
    output = Path(options.output).resolve()
    places = {"simulated": str(Path(options.corpus).resolve()), **given_places(options.data)}
    places |= {name: str(output / "parts" / name) for name in MADE if name != "proxies"}
    places |= {"proxies": str(output / "proxies")}
    texts = {one: json.dumps([_mixture(ablation, one, {}), _sft(ablation, one, {})]) for one in chosen}
    used = {name for name in places if any(f'"{{{name}' in text for text in texts.values())}
    steps = {"": list(_shared_steps(used, output, places, options))}
    for name in chosen:
        steps[name] = list(_steps(ablation, name, output / ablation.name, places, options))
    return steps


def chosen_variants(ablation: Ablation, wanted: str | None) -> list[str]:
    """Names of the variants that are run, those that others go on from among them, in the order of the file."""
    given = (
        [name for name, one in ablation.variants.items() if not one.is_large] if wanted is None else wanted.split(",")
    )
    unknown = [name for name in given if name not in ablation.variants]
    if unknown:
        raise UsageError(f"no variant {', '.join(unknown)}; {ablation.name} has {', '.join(ablation.variants)}")
    needed = {*given, *(ablation.variants[name].goes_on_from for name in given)}
    return [name for name in ablation.variants if name in needed]


def given_places(given: Iterable[str]) -> dict[str, str]:
    """Name to path of what ``--data NAME=PATH`` says."""
    found = {}
    for one in given:
        name, _, path = one.partition("=")
        if not path or not Path(path).exists():
            raise UsageError(f"--data {one}: NAME=PATH of something that is there is needed")
        found[name] = str(Path(path).resolve())
    return found


def filled(value: Any, places: Mapping[str, str]) -> Any:
    """Put places into strings such as ``{rated}`` and ``{proxies}/whispering.jsonl``, at any depth; without any, leave them."""
    if isinstance(value, Mapping):
        return {key: filled(one, places) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [filled(one, places) for one in value]
    if not isinstance(value, str) or not value.startswith("{") or not places:
        return value
    name, _, rest = value[1:].partition("}")
    if name not in places:
        raise UsageError(f"{name} is needed: give --data {name}=PATH")
    return places[name] + rest


def _mixture(ablation: Ablation, name: str, places: Mapping[str, str]) -> dict[str, Any]:
    variant = ablation.variants[name]
    corpora = [ablation.corpora[one] for one in variant.corpora or ablation.corpora]
    tested_on = [{"reader": "simulated", "path": "{simulated}", "split": "test"}]
    return filled({"corpora": corpora, "tested_on": tested_on, **ablation.data, **variant.data}, places)


def _sft(ablation: Ablation, name: str, places: Mapping[str, str]) -> dict[str, Any]:
    backbones = {"audio_backbone": "{encoder}", "text_backbone": "{language_model}"}
    return filled({**backbones, **SFT, **ablation.sft, **ablation.variants[name].sft}, places)


def _shared_steps(
    used: set[str], output: Path, places: Mapping[str, str], options: argparse.Namespace
) -> Iterator[Step]:
    if used & {"encoder", "language_model"}:
        try:
            judge = place_of(options.judge)
        except OSError as error:
            raise UsageError(str(error)) from error
        judge = str(Path(judge).resolve()) if Path(judge).exists() else judge
        yield Step("parts", output / "parts", ("train_backbones.py", "parts", judge, "--output", str(output / "parts")))
    if "proxies" in used:
        speech, music = filled(["{speech}", "{music}"], places)
        how = ["--limit", str(options.proxies), "--seed", str(options.seed), "--out", places["proxies"]]
        command = ("-m", "audio_judge", "data", "jastin-proxies", speech, "--music", music, *how)
        yield Step("proxies", output, command)


def _steps(
    ablation: Ablation, name: str, home: Path, places: Mapping[str, str], options: argparse.Namespace
) -> Iterator[Step]:
    """The steps of a variant: its data, its stages and its evaluation."""
    variant, folder, seed = ablation.variants[name], home / name, str(options.seed)
    examples = str(folder / "train.parquet")
    sft = _sft(ablation, name, places) | HOW | {"max_steps": options.steps, "seed": options.seed, "eval_strategy": "no"}
    mixture = folder / "data.yaml"
    limit = ["--limit", str(options.examples or options.steps * int(sft[BATCH])), "--seed", seed]
    data = ("-m", "audio_judge", "data", "mixture", str(mixture), "--out", examples, *limit)
    yield Step("data", folder, data, {mixture: _mixture(ablation, name, places)})
    judge = home / variant.goes_on_from / "sft"
    if not variant.goes_on_from:
        judge, recipe = folder / "sft", folder / "sft.yaml"
        sft |= {"train_file": [examples], "output_dir": str(judge)}
        yield Step("sft", folder, ("train_sft.py", "--config", str(recipe)), {recipe: sft})
    if variant.grpo:
        start, judge, recipe = judge, folder / "grpo", folder / "grpo.yaml"
        grpo = filled(variant.grpo, places) | HOW | {"max_steps": options.grpo_steps, "seed": options.seed}
        grpo |= {"model": str(start), "train_file": examples, "output_dir": str(judge)}
        yield Step("grpo", folder, ("train_grpo.py", "--config", str(recipe)), {recipe: grpo})
    yield Step("eval", folder, _evaluation(ablation, judge, folder, places, options), passing=(0, 1))


def _evaluation(
    ablation: Ablation, judge: Path, folder: Path, places: Mapping[str, str], options: argparse.Namespace
) -> tuple[str, ...]:
    words = ["-m", "eval", "run", "--judge", str(judge), "--tasks", ",".join(ablation.tasks), "--no-progress"]
    words += ["--out", str(folder / "eval"), "--seed", str(options.seed), "--batch-size", str(options.batch_size)]
    # In order: the words of a command tell whether it was done
    for place in sorted({one.get("reader", "") for one in ablation.corpora.values()} | {"simulated"}):
        words += ["--data", f"{place}={places[place]}"] if place in places else []
    words += ["--limit", str(options.limit)] if options.limit else []
    for name in ("encoder", "evaluator"):
        words += [f"--{name}", vars(options)[name]] if vars(options)[name] else []
    return tuple(words)


# What was found


def table(ablation: Ablation, output: Path) -> str:
    """Write the table: a column for each variant, our figures with n and 95 % interval, and the published ones in italics."""
    variants = ablation.variants
    found = {name: read_folder(output / ablation.name / name / "eval").found for name in variants
             if (output / ablation.name / name / "eval" / "metrics.json").is_file()}  # fmt: skip
    rows = []
    for wanted, label in ablation.figures.items():
        benchmark, _, figure = wanted.partition(" ")
        by_variant = {name: next(iter(one["judges"].values())).get(benchmark, {}) for name, one in found.items()}
        counts = sorted({one["n"] for one in by_variant.values() if "n" in one})
        cells = [cell(by_variant.get(name, {}).get("figures", {}).get(figure)) for name in variants]
        if set(cells) != {"–"}:
            rows.append([f"{label}; n = {'–'.join(map(str, counts))}", *cells])
    of = list(ablation.published.get("of", []))
    for label, said in ablation.published.get("figures", {}).items():
        by_name = dict(zip(of, said, strict=True))
        rows.append(
            [f"*{label}*", *("–" if by_name.get(name) is None else f"*{by_name[name]:g}*" for name in variants)]
        )
    return grid(["", *(one.title for one in variants.values())], rows)


def page(ablation: Ablation, output: Path, options: argparse.Namespace) -> str:
    """Write the table with what it is and how it was made."""
    published = (
        f"In italics: {ablation.source}, on its own data with its own models."
        if ablation.published
        else ablation.source
    )
    measured = f"the first {options.limit}" if options.limit else "all"
    how = (
        f"Ours: {options.judge}'s encoder and language model with a new adapter, {options.steps} steps of SFT on {options.examples or 'ever new'} examples, {options.grpo_steps} of "
        f"GRPO where there is one, seed {options.seed}, {measured} items of each benchmark; in brackets the 95 % interval, then "
        "coverage where it is below 100 %."
    )
    parts = [f"# {ablation.title}", table(ablation, output), how, published, ablation.note.strip()]
    return "\n\n".join(filter(None, parts)) + "\n"


# The command


def make_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", help="which one; see --list")
    parser.add_argument("--list", action="store_true", help="say what there is")
    parser.add_argument("--corpus", metavar="DIR", help="simulated corpus with the splits train and test")
    parser.add_argument(
        "--data", action="append", default=[], metavar="NAME=PATH", help="what else a file names, such as rated or speech; repeatable"
    )  # fmt: skip
    parser.add_argument("--output", default="runs/ablations", metavar="DIR", help="(default: runs/ablations)")
    parser.add_argument(
        "--judge", default="mini", help="whose encoder and language model all begin with (default: mini)"
    )
    parser.add_argument(
        "--backbone", action="append", default=[], metavar="PART=PLACE", help="one more variant: encoder=… or llm=…, a folder or Hub id, and options of train_sft.py that it needs behind commas"
    )  # fmt: skip
    parser.add_argument("--variants", metavar="NAMES", help="only these (default: all but the large ones)")
    parser.add_argument("--steps", type=int, default=200, metavar="N", help="of SFT (default: 200)")
    parser.add_argument(
        "--examples", type=int, metavar="N", help="to learn from (default: so many that none comes twice)"
    )
    parser.add_argument("--grpo-steps", type=int, default=20, metavar="N", help="of GRPO (default: 20)")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N items of each benchmark")
    parser.add_argument(
        "--proxies", type=int, default=100, metavar="N", help="clips that proxies are made of (default: 100)"
    )
    parser.add_argument("--batch-size", type=int, default=8, metavar="N", help="of the evaluation (default: 8)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--encoder", help="sentence encoder of the evaluation, for SBERT")
    parser.add_argument("--evaluator", help="language model of the evaluation, for LScore")
    parser.add_argument("--dry-run", action="store_true", help="write the commands and run none")
    return parser


def run(options: argparse.Namespace) -> int:
    """Carry out an ablation and print its table."""
    if options.list or not options.name:
        print(
            "\n".join(
                f"{name}\n  {one.title}\n  {one.source}" for name, one in ((name, load(name)) for name in names())
            )
        )
        return 0
    if not options.corpus:
        raise UsageError("--corpus is missing: a simulated corpus with the splits train and test")
    ablation = with_backbones(load(options.name), options.backbone)
    steps = plan(ablation, options)
    if options.dry_run:
        print(
            "\n".join(
                f"# {name or 'all'}\n" + "\n".join(map(str, several)) for name, several in steps.items() if several
            )
        )
        return 0
    for name, step in ((name, step) for name, several in steps.items() for step in several):
        if not step.is_done:
            begin = time.perf_counter()
            step.run()
            print(f"{name or 'all'}: {step.name} in {time.perf_counter() - begin:.0f} s", file=sys.stderr, flush=True)
    text = page(ablation, Path(options.output).resolve(), options)
    (Path(options.output) / ablation.name / "table.md").write_text(text, encoding="utf-8")
    print(text, end="")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and run."""
    options = make_parser().parse_args(arguments)
    return exit_code("ablations", lambda: run(options), "stopped; the same command goes on from here")


if __name__ == "__main__":
    sys.exit(main())
