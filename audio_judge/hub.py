"""A judge as a repository on the Hub: only what is needed to load, run and understand it, and a card made from facts.

    files = write_folder("runs/mini", "upload", repo="me/my-judge", facts=read_facts("card.yaml"))
    upload("upload", "me/my-judge")

A folder that comes out of training also holds optimizer states, pickled arguments and logs. Files go up by name, never
because they are there; weights are safetensors only. A LoRA goes up as it is, or merged into its judge first.
"""

import json
import math
import pprint
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, ModelCard, ModelCardData
from huggingface_hub.errors import HFValidationError, LocalTokenNotFoundError, OfflineModeIsEnabled
from huggingface_hub.utils import validate_repo_id
from safetensors import SafetensorError, safe_open
from yaml import YAMLError, safe_load

from audio_judge.inputs import UsageError
from audio_judge.rubrics import ALL_RUBRICS, RUBRICS
from audio_judge.tasks import score

CODE_FILES = ("configuration_audio_judge.py", "modeling_audio_judge.py", "processing_audio_judge.py")
PROCESSOR_NEEDS = (
    "processor_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "decision.json",
    "decision_template.jinja",
)  # fmt: skip
PROCESSOR_MAY = (
    "preprocessor_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt",
    "vocab.txt", "tokenizer.model",
)  # fmt: skip
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
# What an earlier push of other weights may have left: a LoRA beside merged weights would be applied twice
REPLACED = ("model*.safetensors", INDEX, ADAPTER_WEIGHTS, ADAPTER_CONFIG, "config.json", "generation_config.json")
REQUIREMENTS = ("transformers>=5.23,<6", "safetensors>=0.8", "soundfile>=0.14", "soxr>=1")
ADAPTER_REQUIREMENTS = ("peft>=0.21",)

LIBRARY, PIPELINE_TAG = "transformers", "audio-text-to-text"
TAGS = ("audio", "audio-judge", "decision", "custom_code")
# Ids of metrics on the Hub
METRIC_IDS = {"pcc": "pearsonr", "srcc": "spearmanr", "mae": "mae", "accuracy": "accuracy", "f1": "f1"}


@dataclass(frozen=True)
class Facts:
    """What a card says that cannot be read from the weights; nothing is claimed for what is left out.

    Args:
        license: Id of the licence on the Hub, such as ``apache-2.0``.
        title: Name of the judge; that of the repository if empty.
        summary: What it judges, in a sentence or two.
        making: How it was made, Markdown.
        training_data: What it was trained on, in words.
        recipe: Text of the recipe.
        reaches: How good it is and how that was measured, Markdown; figures of an evaluation are added.
        limits: Where it must not be used, one sentence each.
        base_model: Hub ids of what it was trained from.
        datasets: Hub ids of data sets.
        metrics: Hub ids of metrics; those of the evaluation if empty.
        language: ISO 639-1 codes of the speech it was trained on.
        tags: More tags.
        license_name: Name of a licence that the Hub does not know.
        license_link: Where that licence stands.
    """

    license: str
    title: str = ""
    summary: str = ""
    making: str = ""
    training_data: str = ""
    recipe: str = ""
    reaches: str = ""
    limits: tuple[str, ...] = ()
    base_model: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    language: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    license_name: str = ""
    license_link: str = ""


@dataclass(frozen=True)
class Results:
    """An evaluation that ``audio-judge eval`` made.

    Args:
        found: Content of its ``metrics.json``.
        judge: Name of the judge in it.
        benchmarks: Its benchmarks, ``audio_judge.eval.benchmarks.Benchmark``.
    """

    found: Mapping[str, Any]
    judge: str
    benchmarks: Sequence[Any]


def read_facts(path: str | Path) -> Facts:
    """Read the facts of a card.

    Args:
        path: YAML file whose keys are fields of ``Facts``; a list may be a single text.

    Raises:
        UsageError: If it cannot be read, a key is unknown or ill-typed, or there is no licence.
    """
    try:
        given = safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise UsageError(f"{path}: {error}") from error
    lists = {field.name for field in fields(Facts) if field.default == ()}
    known = [field.name for field in fields(Facts)]
    if not isinstance(given, dict) or (unknown := sorted(map(str, set(given) - set(known)))):
        raise UsageError(
            f"{path}: {', '.join(unknown) if isinstance(given, dict) else given}; keys are {', '.join(known)}"
        )
    for name, value in given.items():
        texts = value if name in lists and isinstance(value, list) else [value]
        if not all(isinstance(text, str) for text in texts):
            raise UsageError(
                f"{path}: {name} is {value!r}; {'a list of texts' if name in lists else 'a text'} is needed"
            )
        given[name] = tuple(texts) if name in lists else value.strip()
    if not given.get("license"):
        raise UsageError(f"{path}: no license; say which, such as `license: apache-2.0`")
    return Facts(**given)


def read_results(folder: str | Path, judge: str | None = None) -> Results:
    """Read the figures of an evaluation.

    Args:
        folder: Where ``audio-judge eval run`` wrote ``metrics.json``.
        judge: Name of the judge in it; None if there is only one.

    Raises:
        UsageError: If there are no figures, or none of that judge.
    """
    from audio_judge.eval.benchmarks import parse

    if not (Path(folder) / "metrics.json").is_file():
        raise UsageError(f"{folder}: no metrics.json; finish the run of `audio-judge eval run` first")
    found = _read_json(Path(folder) / "metrics.json")
    defined = _read_json(Path(folder) / "config.json")["benchmarks"]
    shown = [parse({key: one[key] for key in one if key != "name"}, name) for name, one in defined.items()]
    judges = list(found["judges"])
    if judge is None and len(judges) == 1:
        judge = judges[0]
    if judge is None or judge not in judges:
        raise UsageError(f"{folder}: judge {judge!r}; name one of {', '.join(judges)}")
    return Results(found, judge, shown)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {error}") from error


def is_adapter(folder: str | Path) -> bool:
    """Say whether a folder holds a LoRA rather than a whole judge.

    Args:
        folder: Where a model was saved.
    """
    return (Path(folder) / ADAPTER_CONFIG).is_file() and not (Path(folder) / "config.json").is_file()


def base_of(folder: str | Path) -> str:
    """Name the judge that a LoRA was trained on.

    Args:
        folder: Folder of the LoRA.

    Returns:
        Hub id, or folder.

    Raises:
        UsageError: If it does not say.
    """
    base = _read_json(Path(folder) / ADAPTER_CONFIG).get("base_model_name_or_path")
    if not base:
        raise UsageError(f"{folder}/{ADAPTER_CONFIG}: no base_model_name_or_path; give --base-model")
    return str(base)


def weight_files(folder: str | Path) -> list[str]:
    """List the weights of a judge or of a LoRA, after a look into each.

    Args:
        folder: Where the model was saved.

    Returns:
        Names of the files, all of them safetensors but for the index of several.

    Raises:
        UsageError: If there are none, one is missing or damaged, or they are pickled.
    """
    folder = Path(folder)
    if is_adapter(folder):
        names = [ADAPTER_WEIGHTS]
    elif (folder / WEIGHTS).is_file() or not (folder / INDEX).is_file():
        names = [WEIGHTS]
    else:
        names = [*sorted(set(_read_json(folder / INDEX)["weight_map"].values())), INDEX]
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
        with safe_open(folder / name, "pt"):
            pass
    except SafetensorError as error:
        raise UsageError(f"{folder / name}: {error}; save it again") from error


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
    else:
        kind = _read_json(folder / "config.json").get("model_type")
        if kind != "audio_judge":
            raise UsageError(f"{folder}: model_type {kind!r}; push judges here, others with their own push_to_hub")
        names = ("config.json", "generation_config.json")
        chosen |= {name: folder / name for name in names if (folder / name).is_file()}
    if missing := [name for name in PROCESSOR_NEEDS if not (place / name).is_file()]:
        raise UsageError(f"{place}: no {', '.join(missing)}; save the processor there, too (processor.save_pretrained)")
    chosen |= {name: place / name for name in PROCESSOR_NEEDS + PROCESSOR_MAY if (place / name).is_file()}
    has_code = all((folder / name).is_file() for name in CODE_FILES)
    source = folder if has_code else Path(__file__).parent
    chosen |= {name: source / name for name in CODE_FILES}
    results = sorted((folder / ".eval_results").glob("*.yaml"))
    return chosen | {f".eval_results/{path.name}": path for path in results}


def write_folder(
    source: str | Path,
    target: str | Path,
    *,
    repo: str,
    facts: Facts | None = None,
    results: Results | None = None,
    base_model: str | None = None,
) -> list[str]:
    """Write a folder that holds just what a repository on the Hub shall hold.

    Args:
        source: A judge as ``save_pretrained`` or a training script wrote it, or a LoRA of one.
        target: New or empty folder.
        repo: Id of the repository, ``me/my-judge``; the card speaks of it.
        facts: For a new card; None to keep the folder's own, which must name a licence, with metadata added.
        results: An evaluation, for the card and ``.eval_results``.
        base_model: Hub id of the judge that a LoRA belongs to; None for what the LoRA says.

    Returns:
        Names of the files, sorted.

    Raises:
        UsageError: If something is missing or unusable; the message says what.
    """
    source, target = Path(source), Path(target)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target}: exists and is not an empty folder; name a new one")
    base = check_base(base_model or base_of(source)) if source.is_dir() and is_adapter(source) else base_model
    chosen = select_files(source, _processor_folder(source) if source.is_dir() else None)
    for name, path in chosen.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if name in ("config.json", "tokenizer_config.json", ADAPTER_CONFIG):
            _write_json(target / name, _without_local_names(_read_json(path), base))
        else:
            shutil.copyfile(path, target / name)
    (target / "handler.py").write_text(handler_text(target), encoding="utf-8")
    required = REQUIREMENTS + (ADAPTER_REQUIREMENTS if is_adapter(target) else ())
    (target / "requirements.txt").write_text("".join(f"{line}\n" for line in required), encoding="utf-8")
    if results is not None:
        _write_results(target, results)
    if facts is None:
        _complete_card(source, target, repo, results, base)
    else:
        write_card(target, facts, repo=repo, results=results, base_model=base)
    return sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file())


def _processor_folder(source: Path) -> Path:
    """Where the processor of a judge is: a LoRA may have left it with its judge."""
    if is_adapter(source) and not (source / PROCESSOR_NEEDS[0]).is_file() and Path(base_of(source)).is_dir():
        return Path(base_of(source))
    return source


def check_base(base: str) -> str:
    """Make sure that others can find the judge a LoRA belongs to.

    Args:
        base: Its name.

    Returns:
        The name.

    Raises:
        UsageError: If it is a folder, or no Hub id.
    """
    if is_local(base):
        raise UsageError(
            f"the LoRA's judge is the folder {base}; push that first, and name it with --base-model me/judge"
        )
    return check_repo(base)


def check_repo(repo: str) -> str:
    """Make sure that a name can be a repository.

    Args:
        repo: The name.

    Returns:
        The name.

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

    Args:
        name: Of a model.

    Example:
        >>> is_local("/data/judge"), is_local("me/a-judge-that-is-nowhere")
        (True, False)
    """
    return name.startswith((".", "~")) or Path(name).is_absolute() or Path(name).is_dir()


def _without_local_names(config: Any, base: str | None) -> Any:
    """A configuration that does not tell where its parts lay on this machine, and names a LoRA's judge on the Hub."""
    if isinstance(config, list):
        return [_without_local_names(one, base) for one in config]
    if not isinstance(config, dict):
        return config
    if config.get("base_model_name_or_path") is not None:
        config = config | {"base_model_name_or_path": base}
    names = ("_name_or_path", "name_or_path")
    hidden = [key for key in names if isinstance(config.get(key), str) and is_local(config[key])]
    return {key: _without_local_names(value, base) for key, value in config.items() if key not in hidden}


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_results(folder: Path, results: Results) -> None:
    from audio_judge.eval.hub_results import eval_results

    for name, text in eval_results(results.found, results.judge, results.benchmarks).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def handler_text(folder: str | Path) -> str:
    """Write the ``handler.py`` of a judge, which knows the rubrics that the judge was trained on by name.

    Args:
        folder: Where its ``processor_config.json`` is.
    """
    text = _template("handler.py")
    config = _read_json(Path(folder) / "processor_config.json")
    known = {}
    for name in trained_rubrics(config):
        rubric = ALL_RUBRICS[name]
        question = rubric.question()
        known[name] = {"instructions": question["instructions"], "levels": question["criteria"]}
        known[name] |= {"low": rubric.low, "high": rubric.high}
        if config.get("answer_form") == "decimal":
            known[name] |= {"request": score.ask(rubric)}
    line = "RUBRICS: dict[str, dict[str, Any]] = "
    return text.replace(f"{line}{{}}", line + pprint.pformat(known, indent=1, width=118, sort_dicts=False))


def _template(name: str) -> str:
    return package_files("audio_judge").joinpath("templates", name).read_text(encoding="utf-8")


def trained_rubrics(config: Mapping[str, Any]) -> list[str]:
    """Name the rubrics that a judge can be asked for by name.

    Args:
        config: Content of its ``processor_config.json``.

    Returns:
        Those it was trained on as far as this package knows them; NISQA's five if it does not say.

    Example:
        >>> trained_rubrics({"trained_rubrics": ["mos", "charm of the unknown"]})
        ['mos']
    """
    return [name for name in config.get("trained_rubrics") or RUBRICS if name in ALL_RUBRICS]


def write_card(
    folder: str | Path,
    facts: Facts,
    *,
    repo: str = "",
    results: Results | None = None,
    base_model: str | None = None,
) -> Path:
    """Write the model card of a judge from facts.

    Args:
        folder: A judge, or a LoRA of one; its size, rubrics and form are read from it.
        facts: What cannot be read from it.
        repo: Id of its repository; the folder's name if empty.
        results: An evaluation, shown side by side with the other judges of the same run.
        base_model: Hub id of the judge that a LoRA belongs to.

    Returns:
        Path of ``README.md``.

    Raises:
        UsageError: If the folder holds no judge.
    """
    folder = Path(folder)
    repo = repo or folder.resolve().name
    facts = replace(facts, title=facts.title or repo.rpartition("/")[2])
    adapter = is_adapter(folder)
    processor = _read_json(folder / "processor_config.json")
    rubrics = trained_rubrics(processor)
    card = ModelCard.from_template(
        ModelCardData(**_metadata(facts, repo, results, base_model if adapter else None)),
        template_str=_template("model_card.md"),
        facts=facts,
        repo=repo,
        adapter=adapter,
        base=base_model,
        shape=judge_shape(folder),
        window=f"{processor.get('window_seconds', 10.0):g}",
        rubrics=rubrics if processor.get("trained_rubrics") else [],
        example=json.dumps({name: ALL_RUBRICS[name].question() for name in rubrics[:1]}),
        figures="" if results is None else _figures(results),
    )
    path = folder / "README.md"
    path.write_text(str(card).rstrip() + "\n", encoding="utf-8")
    return path


def _figures(results: Results) -> str:
    """Tables of an evaluation, one level below the headings of a card."""
    from audio_judge.eval.tables import markdown

    return markdown(results.found, _shown(results)).strip().replace("\n## ", "\n### ").replace("## ", "### ", 1)


def _shown(results: Results) -> list[Any]:
    """The benchmarks that the judge was run on."""
    return [benchmark for benchmark in results.benchmarks if benchmark.name in results.found["judges"][results.judge]]


def _metadata(facts: Facts, repo: str, results: Results | None, base: str | None) -> dict[str, Any]:
    """What stands at the head of a card; empty entries are left out."""
    index = _model_index(results, repo)
    found = {metric["type"] for model in index for result in model["results"] for metric in result["metrics"]}
    known = [METRIC_IDS[name] for name in sorted(found) if name in METRIC_IDS]
    data = {
        "license": facts.license,
        "license_name": facts.license_name,
        "license_link": facts.license_link,
        "library_name": "peft" if base else LIBRARY,
        "pipeline_tag": PIPELINE_TAG,
        "base_model": [base] if base else list(facts.base_model),
        "base_model_relation": "adapter" if base else "",
        "datasets": list(facts.datasets),
        "language": list(facts.language),
        "metrics": list(facts.metrics) or known,
        "tags": list(dict.fromkeys([*TAGS, *(["lora", "peft"] if base else []), *facts.tags])),
        "model-index": index,
    }
    return {key: value for key, value in data.items() if value}


def _model_index(results: Results | None, repo: str) -> list[dict[str, Any]]:
    if results is None:
        return []
    from audio_judge.eval.hub_results import model_index

    return model_index(results.found, results.judge, _shown(results), model_name=repo.rpartition("/")[2])


def _complete_card(source: Path, target: Path, repo: str, results: Results | None, base: str | None) -> None:
    """Copies a judge's own card and adds what the Hub wants to know; what it says already stays."""
    path = source / "README.md"
    try:
        card = ModelCard(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (ValueError, YAMLError) as error:
        raise UsageError(f"{path}: {error}") from error
    own = {} if card is None else card.data.to_dict()
    if card is None or not own.get("license"):
        raise UsageError(f"{path}: no card that names a license; give --card FACTS.yaml, or at least --license NAME")
    # PEFT puts the place of the judge on this machine into its cards
    tags = tuple(tag for tag in own.get("tags") or () if not tag.startswith("base_model:"))
    data = _metadata(Facts(own["license"], tags=tags), repo, results, base if is_adapter(target) else None)
    replaced = {"tags", "model-index", *({"base_model"} if base else ())} & set(data)
    card.data = ModelCardData(**(data | {key: value for key, value in own.items() if key not in replaced}))
    card.save(target / "README.md")


def judge_shape(folder: str | Path) -> dict[str, str]:
    """Describe a judge by what its files say.

    Args:
        folder: A judge, or a LoRA of one.

    Returns:
        Rows of a table: name to value.
    """
    folder = Path(folder)
    processor = _read_json(folder / "processor_config.json")
    names = [name for name in weight_files(folder) if name != INDEX]
    megabytes = sum((folder / name).stat().st_size for name in names) / 1e6
    rows: dict[str, str] = {}
    config: dict[str, Any] = {} if is_adapter(folder) else _read_json(folder / "config.json")
    if config:
        rows["audio encoder"] = config["audio_config"]["model_type"]
        rows["adapter"] = config["adapter"]
        rows["language model"] = config["text_config"]["model_type"]
    if "quantization_config" not in config:  # packed weights cannot be counted
        rows["parameters"] = f"{sum(_counts(folder, names)):,}"
    rows["weights"] = f"{megabytes:,.1f} MB"
    rate = processor.get("feature_extractor", {}).get("sampling_rate")
    rows |= {"sampling rate": f"{rate:,} Hz"} if rate else {}
    rows["window"] = f"{processor.get('window_seconds', 10.0):g} s; longer clips are cut into windows"
    form = processor.get("answer_form", "decision")
    rows["scores are read as"] = "a number in digits" if form == "decimal" else "a probability per level"
    return rows


def _counts(folder: Path, names: Sequence[str]) -> Iterator[int]:
    """Number of values in each tensor."""
    for name in names:
        with safe_open(folder / name, "pt") as tensors:
            for key in tensors.keys():  # noqa: SIM118 - it is no dict
                yield math.prod(tensors.get_slice(key).get_shape())


def merge(adapter: str | Path, target: str | Path, base: str | None = None) -> Path:
    """Fold a LoRA into its judge, and save both as one whole judge.

    Args:
        adapter: Folder of the LoRA.
        target: Where to save.
        base: Hub id or folder of the judge; None for what the LoRA says.

    Returns:
        The target.

    Raises:
        UsageError: If the judge cannot be loaded, or training's packages are not there.
    """
    from transformers import AutoModelForCausalLM, AutoProcessor

    adapter, target = Path(adapter), Path(target)
    name = base or base_of(adapter)
    try:
        from audio_judge.trainers import merge_lora

        merged = merge_lora(AutoModelForCausalLM.from_pretrained(name), str(adapter))
        place = str(adapter) if (adapter / PROCESSOR_NEEDS[0]).is_file() else name
        processor = AutoProcessor.from_pretrained(place)
    except ImportError as error:
        raise UsageError(f"{error}; merging needs: pip install 'audio-judge[train]'") from error
    except (OSError, ValueError, RuntimeError) as error:
        raise UsageError(f"{adapter}: cannot be merged into {name}: {error}") from error
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
    """Create the repository if there is none, and put the files of a folder there.

    Args:
        folder: As ``write_folder`` wrote it.
        repo: Id of the repository.
        files: Names of the files that go up; weights and configurations of an earlier push that are not among them go away.
        private: Whether a new repository is private.
        revision: Branch, made if it is new; None for the main one.
        create_pr: Whether to open a pull request instead of committing.
        message: Of the commit.

    Returns:
        Address of the commit or of the pull request.

    Raises:
        UsageError: If the Hub refuses, or is not reached.
    """
    from httpx2 import HTTPError

    check_repo(repo)
    api = HfApi(library_name="audio-judge")
    try:
        api.create_repo(repo, private=private, exist_ok=True)
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
