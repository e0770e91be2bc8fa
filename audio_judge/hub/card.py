"""The model card: facts and results in, README.md with its metadata out."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData
from safetensors import safe_open
from yaml import YAMLError, safe_load

from audio_judge.errors import UsageError
from audio_judge.hub import usage
from audio_judge.hub.files import INDEX, is_adapter, is_native, learned_of, read_json, template_text, weight_files
from audio_judge.hub.licences import allows_commerce, parts_of, strictest, strictness
from audio_judge.judge.learned import DECIDE
from audio_judge.judge.native import window_seconds
from audio_judge.judge.origin import revision_of

LIBRARY, PIPELINE_TAG = "transformers", "audio-text-to-text"
TAGS = ("audio", "audio-judge", "decision")
# Ids of metrics on the Hub
_READ_AS = {DECIDE: "a probability per level", "score": "a number in digits", "categorize": "the name of a level"}
METRIC_IDS = {"pcc": "pearsonr", "srcc": "spearmanr", "mae": "mae", "accuracy": "accuracy", "f1": "f1"}


@dataclass(frozen=True)
class CardFacts:
    """What a card says that cannot be read from the weights; nothing is claimed for what is left out.

    Args:
        license: Id of the licence on the Hub, such as ``apache-2.0``; the card says a stricter one if a part has it.
        title: Name of the judge; that of the repository if empty.
        summary: What it judges, in a sentence or two.
        making: How it was made, Markdown.
        training_data: What it was trained on, in words.
        recipe: Text of the recipe.
        reaches: How good it is and how that was measured, Markdown; figures of an evaluation are added.
        limits: Where it must not be used, one sentence each.
        base_model: Hub ids of what it was trained from.
        datasets: Hub ids.
        metrics: Hub ids; those of the evaluation if empty.
        language: ISO 639-1 codes of the speech it was trained on.
        tags: Besides those of every judge.
        license_name: Of a licence that the Hub does not know.
        license_link: Where that licence stands.
        data_license: Ids of the licences of what it was trained on.
        language_model_license: Id of the licence of the language model that it was made from.
        attributions: Whom to name, besides those that its configuration names.
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
    data_license: tuple[str, ...] = ()
    language_model_license: str = ""
    attributions: tuple[str, ...] = ()


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


def read_card_facts(path: str | Path) -> CardFacts:
    """Read the facts of a card from YAML, whose keys are fields of ``CardFacts``; a list may be a single text.

    Raises:
        UsageError: If it cannot be read, a key is unknown or ill-typed, or there is no licence.
    """
    try:
        given = safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise UsageError(f"{path}: cannot be read as YAML ({error})") from error
    lists = {field.name for field in fields(CardFacts) if field.default == ()}
    known = [field.name for field in fields(CardFacts)]
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
    return CardFacts(**given)


def read_results(folder: str | Path, judge: str | None = None) -> Results:
    """Read the figures of a judge from the folder of an evaluation; its name may be left out if it is the only one.

    Raises:
        UsageError: If there are no figures, or none of that judge.
    """
    from audio_judge.eval.benchmarks import parse

    if not (Path(folder) / "metrics.json").is_file():
        raise UsageError(f"{folder}: no metrics.json; finish the run of `audio-judge eval run` first")
    found = read_json(Path(folder) / "metrics.json")
    defined = read_json(Path(folder) / "config.json")["benchmarks"]
    shown = [parse({key: one[key] for key in one if key != "name"}, name) for name, one in defined.items()]
    judges = list(found["judges"])
    if judge is None and len(judges) == 1:
        judge = judges[0]
    if judge is None or judge not in judges:
        raise UsageError(f"{folder}: judge {judge!r}; name one of {', '.join(judges)}")
    return Results(found, judge, shown)


def write_card(
    folder: str | Path,
    facts: CardFacts,
    *,
    repo: str = "",
    results: Results | None = None,
    base_model: str | None = None,
) -> Path:
    """Write the model card of a judge from facts, and give the path of ``README.md``.

    Args:
        folder: A judge, or a LoRA of one; its size, rubrics and form are read from it.
        facts: What cannot be read from it.
        repo: Id of its repository; the folder's name if empty.
        results: An evaluation, shown side by side with the other judges of the same run.
        base_model: Hub id of the judge that a LoRA belongs to.

    Raises:
        UsageError: If the folder holds no judge.
    """
    folder = Path(folder)
    repo = repo or folder.resolve().name
    adapter = is_adapter(folder)
    facts, is_bound = _licensed(folder, replace(facts, title=facts.title or repo.rpartition("/")[2]))
    rate, window = _heard(folder)
    noted = learned_of(folder)
    learned = noted or usage.UNKNOWN
    metadata = _metadata(facts, repo, results, base_model if adapter else None, has_code=not is_native(folder))
    metadata["tags"] = [tag for tag in metadata["tags"] if tag != "decision" or learned.decides]
    card = ModelCard.from_template(
        ModelCardData(**metadata),
        template_str=template_text("model_card.md"),
        facts=replace(facts, recipe=_without_places(facts.recipe)),
        is_bound=is_bound,
        repo=repo,
        adapter=adapter,
        base=base_model,
        shape=judge_shape(folder),
        native=_kind(folder) if is_native(folder) else "",
        window=f"{window:g}",
        rate=f"{rate or 48_000:_}",
        calls=usage.calls(learned),
        example=json.dumps(usage.typed_questions(learned)) if learned.decides else "",
        conversation="" if learned.decides else usage.conversation(learned),
        answers=usage.answers(learned) if noted else [],
        figures="" if results is None else _figures(results),
    )
    path = folder / "README.md"
    path.write_text(str(card).rstrip() + "\n", encoding="utf-8")
    return path


def _licensed(folder: Path, facts: CardFacts) -> tuple[CardFacts, bool]:
    """Facts with everyone to name; and whether a known part forbids commercial use.

    Raises:
        UsageError: If a part is under a stricter licence than the whole is to have.
    """
    licenses, attributions = _parts(folder)
    parts = {"its weights": licenses, "their data": facts.data_license}
    parts["their language model"] = [facts.language_model_license] if facts.language_model_license else []
    for what, known in parts.items():
        if known and strictness(binding := strictest(known)) > strictness(facts.license):
            raise UsageError(
                f"license {facts.license}: {what} are under {binding}, which binds what is made of them; say {binding}"
            )
    named = tuple(dict.fromkeys([*attributions, *facts.attributions]))
    others = [one for known in parts.values() for one in known]
    return replace(facts, attributions=named), not all(map(allows_commerce, others))


def _parts(folder: Path) -> tuple[list[str], list[str]]:
    """Licences and attributions of a judge's weights; a LoRA does not say whose it changes."""
    return ([], []) if is_adapter(folder) else parts_of(read_json(folder / "config.json"))


def _figures(results: Results) -> str:
    """Tables of an evaluation, one level below the headings of a card."""
    from audio_judge.eval.tables import markdown

    # The first heading has no line before it
    tables = markdown(results.found, _shown(results)).strip().replace("\n## ", "\n### ").replace("## ", "### ", 1)
    revision = results.found.get("revisions", {}).get(results.judge)
    return tables if revision is None else f"Measured at revision `{revision}`.\n\n{tables}"


def _shown(results: Results) -> list[Any]:
    """The benchmarks that the judge was run on."""
    return [benchmark for benchmark in results.benchmarks if benchmark.name in results.found["judges"][results.judge]]


def _metadata(
    facts: CardFacts, repo: str, results: Results | None, base: str | None, *, has_code: bool = True
) -> dict[str, Any]:
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
        "tags": list(
            dict.fromkeys([*TAGS, *["custom_code"] * has_code, *(["lora", "peft"] if base else []), *facts.tags])
        ),
        "model-index": index,
    }
    return {key: value for key, value in data.items() if value}


def _model_index(results: Results | None, repo: str) -> list[dict[str, Any]]:
    if results is None:
        return []
    from audio_judge.eval.hub_results import model_index

    return model_index(results.found, results.judge, _shown(results), model_name=repo.rpartition("/")[2])


def complete_card(source: Path, target: Path, repo: str, results: Results | None, base: str | None) -> None:
    """Copy a judge's own card and add what the Hub wants to know; what it says already stays."""
    path = source / "README.md"
    try:
        card = ModelCard(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (ValueError, YAMLError) as error:
        raise UsageError(f"{path}: {error}") from error
    own = {} if card is None else card.data.to_dict()
    if card is None or not own.get("license"):
        raise UsageError(f"{path}: no card that names a license; give --card FACTS.yaml, or at least --license NAME")
    licenses, _ = _parts(target)
    if licenses and strictness(own["license"]) < strictness(strictest(licenses)):
        raise UsageError(
            f"{path}: license {own['license']}, but it holds weights under {strictest(licenses)}; say that"
        )
    # PEFT puts the place of the judge on this machine into its cards
    tags = tuple(tag for tag in own.get("tags") or () if not tag.startswith("base_model:"))
    facts, base = CardFacts(own["license"], tags=tags), base if is_adapter(target) else None
    data = _metadata(facts, repo, results, base, has_code=not is_native(target))
    replaced = {"tags", "model-index", *({"base_model"} if base else ())} & set(data)
    card.data = ModelCardData(**(data | {key: value for key, value in own.items() if key not in replaced}))
    card.save(target / "README.md")


def judge_shape(folder: str | Path) -> dict[str, str]:
    """Describe a judge, or a LoRA of one, by what its files say: rows of a table, name to value."""
    folder = Path(folder)
    names = [name for name in weight_files(folder) if name != INDEX]
    megabytes = sum((folder / name).stat().st_size for name in names) / 1e6
    rows: dict[str, str] = {}
    config: dict[str, Any] = {} if is_adapter(folder) else read_json(folder / "config.json")
    if is_native(folder):
        rows["audio language model"] = _kind(folder)
    elif config:
        rows["audio encoder"] = config["audio_config"]["model_type"]
        rows["adapter"] = config["adapter"]
        rows["language model"] = config["text_config"]["model_type"]
    if "quantization_config" not in config:  # packed weights cannot be counted
        rows["parameters"] = f"{sum(_counts(folder, names)):,}"
    rows["weights"] = f"{megabytes:,.1f} MB"
    rows["revision"] = f"`{revision_of(folder)}`"
    rate, window = _heard(folder)
    rows |= {"sampling rate": f"{rate:,} Hz"} if rate else {}
    rows["window"] = f"{window:g} s; longer clips are cut into windows"
    learned = learned_of(folder) or usage.UNKNOWN
    ways = dict.fromkeys(_READ_AS.get(str(learned.way_to_score(name)), "its own text") for name in learned.scored)
    return rows | ({"scores are read as": "; ".join(ways)} if ways else {})


def _kind(folder: Path) -> str:
    """The type of a native model; of a LoRA alone that is not known."""
    return "model" if is_adapter(folder) else str(read_json(folder / "config.json")["model_type"])


def _heard(folder: Path) -> tuple[int | None, float]:
    """Sampling rate in Hz, if its files say it, and longest window in seconds of a judge."""
    found = [folder / name for name in ("processor_config.json", "preprocessor_config.json")]
    processor: dict[str, Any] = next((read_json(path) for path in found if path.is_file()), {})
    hearing = processor.get("feature_extractor") or processor.get("audio_processor") or processor
    if not is_native(folder):
        return hearing.get("sampling_rate"), float(processor.get("window_seconds", 10.0))
    trained = None if is_adapter(folder) else read_json(folder / "config.json").get("window_seconds")
    return hearing.get("sampling_rate"), window_seconds(hearing.get("chunk_length"), trained)


def _without_places(recipe: str) -> str:
    """A recipe that does not tell where files lay on this machine: their names stay.

    Example:
        >>> _without_places("data: /home/me/NISQA_Corpus, model: me/judge")
        'data: NISQA_Corpus, model: me/judge'
    """
    return re.sub(r"(?<![^\s\"'=\[,])(?:~|\.{1,2})?/[^\s\"',\]]*?([^/\s\"',\]]+)/?(?=[\s\"',\]]|$)", r"\1", recipe)


def _counts(folder: Path, names: Sequence[str]) -> Iterator[int]:
    for name in names:
        with safe_open(folder / name, "pt") as tensors:
            for key in tensors.keys():  # noqa: SIM118 - it is no dict
                yield math.prod(tensors.get_slice(key).get_shape())
