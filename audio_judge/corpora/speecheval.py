"""Read SpeechEval: synthesised speech in en, zh, ja and fr, assessed, compared, advised on, or told from real speech.

On disk: ``data_split/split_data_*/{train,val,test}/multitask.jsonl``, in the records of the ms-swift trainer (``key``,
``task``, ``messages`` with ``<audio>`` placeholders, ``audios``). Labels come from the record's ``context`` (lines such
as ``Overall Quality: 2``, one text or a list) and from the assistant's ``<think>`` lines; the context wins where they
differ, which is counted and reported. All ratings are 1 to 5; higher is better, but for speech rate, whose middle, 3,
is best.

Decided where the paper and the data contradict each other: speech rate is a rating (1 slow, 2 slightly slow, 3
appropriate, 4 slightly fast, 5 fast) whether a number or a word is published, and "suitable" means appropriate; the
eight dimensions are those of the released model, a ninth (tone balance) is a fact; ``real``/``fake`` in any case; a
missing ``key`` is made from the audio names, as the published ones are; a missing ``task`` is told from folder, audios
and answer (counted and reported); comparisons without a preference, as on the Hub, need the side table of
``read_preferences``, else they are left out, counted and reported. Outputs of a model are refused as labels.

``extra`` of clips and pairs, each where published: ``key, task, question, language, think, answer`` (reference texts
without their tags), ``label`` (``real`` or ``fake``), ``other_labels`` (lines nobody knows), and of a clip:
``description`` (the answer of an assessment), ``distortion_types`` (list), ``distortion_duration`` (text),
``distortion_spans`` ([start, end] in seconds), ``distortion_degree``, ``distortion_perception``, ``speech_rate_word``
(one of ``SPEECH_RATES``), ``speech_rate_text`` (as published), ``emotion``, ``speaker_gender``, ``speaker_age``,
``tone``, ``tone_balance``, ``improvement_areas`` (list), ``suggestions`` (list), and of a pair: ``description``,
``distortion_details``, ``subjective_details``.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from audio_judge.batch.data_sets import data_set_place
from audio_judge.clips import Cause, RatedClip, RatedPair, Rating
from audio_judge.corpora import CorpusError
from audio_judge.corpora.rows import (
    Row,
    Split,
    home_of,
    is_blank,
    preference_name,
    read_rows,
    report,
    split_name,
    time_spans,
)

CORPUS = "SpeechEval"
RECORD_TASKS = ("SingleEval", "CompareEval", "Suggest", "FakeDetection")
# Dimension, in lower case, to rubric; all 1 to 5
RUBRIC_OF = {
    "overall quality": "mos",
    "intelligibility": "intelligibility",
    "distortion": "distortion",
    "speech rate": "speech_rate",
    "dynamic range": "dynamic_range",
    "emotional impact": "emotional_impact",
    "artistic expression": "artistic_expression",
    "subjective experience": "subjective_experience",
}
# The five words of the paper for 1 to 5
SPEECH_RATES = ("slow", "slightly slow", "appropriate", "slightly fast", "fast")

_FACTS = {
    "distortion type": "distortion_types",
    "distortion duration": "distortion_duration",
    "distortion degree": "distortion_degree",
    "distortion perception": "distortion_perception",
    "emotional impact type": "emotion",
    "subjective speaker gender": "speaker_gender",
    "subjective speaker age": "speaker_age",
    "tone description": "tone",
    "tone balance": "tone_balance",
    "improvement suggestions": "improvement_areas",
    "key improvement areas": "improvement_areas",
}
_PAIR_FACTS = {"distortion details": "distortion_details", "subjective experience details": "subjective_details"}
_LISTS = {"distortion_types", "improvement_areas"}
_RATE_WORDS = {word: value for value, word in enumerate(SPEECH_RATES, start=1)} | {"suitable": 3, "normal": 3}
_PREFERENCES = {
    "a and b are similar": "tie",
    "a and b are similar in this aspect": "tie",
    "a is better than b": "A",
    "b is better than a": "B",
}
_FOLDERS = {"single": "SingleEval", "dual": "CompareEval", "compar": "CompareEval", "fake": "FakeDetection"}
_FOLDERS |= {"sugg": "Suggest", "improv": "Suggest"}
_WHERE_TO_GET_IT = "get Hui519/SpeechEval from the Hub and give the folder that holds data_split/, or one jsonl file"


@dataclass(frozen=True)
class _Options:
    tasks: Collection[str]
    preferences: Mapping[str, str]
    root: str | Path | None
    keep_unlabelled: bool


@dataclass
class _Labels:
    """What the lines of one record say, of the clip (or of A and B) and of both together."""

    values: dict[str, Any] = field(default_factory=dict)  # rubric to number, or to A, B, tie
    facts: dict[str, dict[str, Any]] = field(default_factory=lambda: {"A": {}, "B": {}, "": {}})
    unknown: dict[str, str] = field(default_factory=dict)


def read_speecheval(
    path: str | Path,
    split: Split | None = None,
    *,
    tasks: Collection[str] = RECORD_TASKS,
    preferences: Mapping[str, str] | str | Path | None = None,
    audio_root: str | Path | None = None,
    keep_unlabelled: bool = False,
) -> Iterator[RatedClip | RatedPair]:
    """Read SpeechEval from its folder, from one jsonl file, or from a data set (``task, key, path, path_B`` …).

    Args:
        path: Folder that holds ``data_split``, or a file or data set, whose split must then be given.
        split: None means all three of a folder.
        tasks: Only these of ``RECORD_TASKS``.
        preferences: Key of a pair to ``A``, ``B`` or ``tie``, or the file of ``read_preferences``; used where the
            record has no preference overall, as the rows of the Hub.
        audio_root: Folder that relative audio paths start from, and where absolute ones of the authors' machine are
            looked up by name; the folder of the corpus, or of the file, if None; None leaves the paths of a data set.
        keep_unlabelled: Also give records without labels, to be judged.

    Returns:
        Pairs for CompareEval, clips for the others. Preferences and ratings are under the names of ``RUBRIC_OF``.

    Raises:
        ValueError: On the call, if a task is unknown, or a file comes without a split.
        CorpusError: On the call, if the corpus is not there; while reading, on a record that is wrong.
    """
    _check_tasks(tasks)
    home: Path | None = Path(path)
    if data_set_place(str(path)) is not None or Path(path).is_file():
        if split is None:
            raise ValueError(f"{path}: does not say which split it is; give split=")
        files: list[tuple[str | Path, Split]] = [(path, split)]
        home = home_of(path)
    else:
        files = [(file, own) for file, own in _split_files(Path(path)) if split in (None, own)]
    known = read_preferences(preferences) if isinstance(preferences, str | Path) else preferences or {}
    return _files(files, _Options(tasks, known, home if audio_root is None else audio_root, keep_unlabelled))


def read_preferences(path: str | Path) -> dict[str, str]:
    """Read a side table of preferences (``key``, ``preference``), such as ``vvwangvv/SpeechEval-Preference``.

    Returns:
        Key of a pair to ``A``, ``B`` or ``tie``.

    Raises:
        CorpusError: If a preference is unknown or a key has two different ones.
    """
    preferences: dict[str, str] = {}
    for row in read_rows(path, ["key", "preference"]):
        key, preference = row.required("key"), preference_name(row, "preference")
        if preferences.setdefault(key, preference) != preference:
            raise row.error(f"preference of {key!r} is {preference}, but {preferences[key]} in a line before")
    return preferences


def _check_tasks(tasks: Collection[str]) -> None:
    if isinstance(tasks, str) or not set(tasks) <= set(RECORD_TASKS):
        raise ValueError(f"tasks is {tasks!r}; a collection of {', '.join(RECORD_TASKS)} expected")


def _split_files(root: Path) -> list[tuple[Path, Split]]:
    found = sorted(root.glob("data_split/split_data_*/*/multitask.jsonl"))
    found = found or sorted(root.glob("split_data_*/*/multitask.jsonl"))
    if not found:
        raise CorpusError(root, None, f"no SpeechEval here; {_WHERE_TO_GET_IT}")
    try:
        return [(file, split_name(file.parent.name)) for file in found]
    except ValueError as error:
        raise CorpusError(root, None, f"a folder below split_data_* is no split: {error}") from None


def _files(files: list[tuple[str | Path, Split]], options: _Options) -> Iterator[RatedClip | RatedPair]:
    for file, split in files:
        folder = Path(file).parent.parent.name.lower()
        hint = next(
            (task for part, task in _FOLDERS.items() if folder.startswith("split_data") and part in folder), None
        )
        yield from _items(read_rows(file), split, hint, options)


def _items(rows: Iterable[Row], split: Split, hint: str | None, options: _Options) -> Iterator[RatedClip | RatedPair]:
    counts: Counter[str] = Counter()
    total = 0
    for row in rows:
        total += 1
        if "response" in row.values:
            raise row.error("has a response, so it is the output of a model and no corpus")
        paths, question, target = _audio_paths(row), _message(row, "user"), _target(row)
        think, answer = _think_answer(row, target)
        task = _task(row, hint, paths, think, answer, counts)
        if task not in options.tasks:
            continue
        _check_placeholders(row, task, paths, question)
        facts = {"key": row.text("key") or _name_key(paths), "task": task, "question": question}
        facts |= {"language": _language(paths[0]), "think": think, "answer": answer}
        facts = {name: value for name, value in facts.items() if value}
        paths = [_find(row, path, options.root) for path in paths]
        item = (_pair if task == "CompareEval" else _clip)(row, paths, facts, split, options, counts)
        if item is not None:
            yield item
    report(f"{CORPUS} {split}", total, counts)


def _audio_paths(row: Row) -> list[str]:
    if row.has("audios"):
        audios = row.values["audios"]
        if not (isinstance(audios, list) and 1 <= len(audios) <= 2 and all(isinstance(a, str) and a for a in audios)):
            raise row.error(f"audios is {audios!r}; a list of one or two paths expected")
        return audios
    return [row.audio(column, None) for column in ("path", "path_B") if column == "path" or row.has(column)]


def _message(row: Row, role: str) -> str | None:
    """The last message of a role."""
    messages = row.values.get("messages")
    if messages is None:
        return None
    if not (isinstance(messages, list) and all(isinstance(m, Mapping) and "role" in m for m in messages)):
        raise row.error(f"messages is {str(messages)[:60]!r}; a list of objects with role and content expected")
    found = [message.get("content") for message in messages if message["role"] == role]
    if found and not isinstance(found[-1], str):
        raise row.error(f"content of the {role} is {str(found[-1])[:60]!r}; text expected")
    return found[-1] if found else None


def _target(row: Row) -> str | None:
    """The reference text: the assistant's message, or reinforcement learning's ``solution`` without its task tag."""
    target = _message(row, "assistant") or row.text("solution")
    return None if target is None else re.sub(r"<task>.*?</task>", "", target, flags=re.DOTALL).strip()


def _think_answer(row: Row, target: str | None) -> tuple[str, str]:
    if target is None:
        return "", ""
    parts = {}
    for tag in ("think", "answer"):
        if target.count(f"<{tag}>") != target.count(f"</{tag}>") or target.count(f"<{tag}>") > 1:
            raise row.error(f"the assistant's <{tag}> is not opened and closed once: {target[:60]!r}")
        match = re.search(rf"<{tag}>(.*?)</{tag}>", target, re.DOTALL)
        parts[tag] = match[1].strip() if match else None
    rest = re.sub(r"<think>.*?</think>", "", target, flags=re.DOTALL).strip()
    return parts["think"] or "", rest if parts["answer"] is None else parts["answer"]


def _task(row: Row, hint: str | None, paths: list[str], think: str, answer: str, counts: Counter[str]) -> str:
    given = row.text("task")
    if given is not None:
        if given not in RECORD_TASKS:
            raise row.error(f"task is {given!r}; one of {', '.join(RECORD_TASKS)} expected")
        return given
    counts["have no task, which was told from folder, audios and answer"] += 1
    if hint is not None or len(paths) == 2:
        return hint or "CompareEval"
    if answer.lower().rstrip(".") in {"real", "fake"}:
        return "FakeDetection"
    if "improvement areas" in think.lower():
        return "Suggest"
    if "overall quality" in think.lower() or row.has("context"):
        return "SingleEval"
    raise row.error(
        f"task is missing and cannot be told from the answer {answer[:40]!r}; one of {', '.join(RECORD_TASKS)}"
    )


def _check_placeholders(row: Row, task: str, paths: list[str], question: str | None) -> None:
    if len(paths) != (2 if task == "CompareEval" else 1):
        raise row.error(f"{task} with {len(paths)} audios; {2 if task == 'CompareEval' else 1} expected")
    if question is not None and question.count("<audio>") != len(paths):
        raise row.error(f"{question.count('<audio>')} placeholders <audio> for {len(paths)} audios")


def _find(row: Row, path: str, root: str | Path | None) -> str:
    """Join a path to the root; an absolute one of the authors' machine is looked up by its name."""
    clean = path.replace("\\", "/")
    if root is None or not clean.startswith("/") or Path(clean).exists():
        return row.resolve("audio", path, root)
    local = Path(root) / PurePosixPath(clean).name
    if not local.exists():
        raise row.error(
            f"audio is {path!r}, which is not here, nor is {local}; give audio_root, the folder of the clips"
        )
    return local.as_posix()


def _name_key(paths: list[str]) -> str:
    """The key as published: the names of the files, joined."""
    return "_".join(PurePosixPath(path.replace("\\", "/")).name for path in paths)


def _language(path: str) -> str | None:
    prefix = PurePosixPath(path.replace("\\", "/")).name.split("_")[0]
    return prefix if prefix in {"en", "zh", "ja", "fr"} else None


def _read_labels(row: Row, facts: Mapping[str, Any], pair: bool, counts: Counter[str]) -> _Labels:
    """Read the context's lines and the thought's; what the context said stays."""
    context = row.values.get("context")
    lines = context if isinstance(context, list) else str("" if context is None else context).splitlines()
    labels, thought = _Labels(), _Labels()
    for source, target in ((lines, labels), (str(facts.get("think", "")).splitlines(), thought)):
        for line in source:
            name, colon, value = str(line).partition(":")
            if colon and not is_blank(value):
                (_pair_line if pair else _clip_line)(row, name.strip(), value.strip(), target)
    differ = any(labels.values.get(name, value) != value for name, value in thought.values.items())
    counts["have a <think> that differs from the context; the context is kept"] += differ
    # The right side of | wins, and that is the context
    labels.values = thought.values | labels.values
    labels.facts = {side: thought.facts[side] | labels.facts[side] for side in labels.facts}
    labels.unknown = thought.unknown | labels.unknown
    counts["have lines nobody knows, kept as other_labels"] += bool(labels.unknown)
    return labels


def _clip_line(row: Row, name: str, value: str, labels: _Labels) -> None:
    lower = name.lower()
    if lower in RUBRIC_OF:
        _score_line(row, lower, value, labels)
    elif lower in _FACTS:
        _add_fact(_FACTS[lower], value, labels.facts["A"])
    else:
        labels.unknown[name] = value


def _score_line(row: Row, name: str, value: str, labels: _Labels) -> None:
    """Read ``2``, ``2/5 (jitter;artifacts)`` or, for the speech rate, a word."""
    facts = labels.facts["A"]
    match = re.fullmatch(r"([^()/]+?)\s*(?:/\s*(\d+))?\s*(?:\((.*)\))?", value)
    text, out_of, notes = match.groups() if match else (value, None, None)
    if out_of not in (None, "5"):
        raise row.error(f"{name} is {value!r}; a score out of 5 expected")
    if name == "speech rate":
        facts["speech_rate_text"] = value
        word = text.lower().rstrip(".")
        score = float(_RATE_WORDS[word]) if word in _RATE_WORDS else _rate_number(row, text)
        facts["speech_rate_word"] = SPEECH_RATES[int(score + 0.5) - 1]  # round() would take halves to the even side
    else:
        score = row.as_number(name, text, 1, 5)
    labels.values[RUBRIC_OF[name]] = score
    if notes and not is_blank(notes):
        _add_notes(name, notes, facts)


def _rate_number(row: Row, text: str) -> float:
    if not re.match(r"[-+.\d]", text):
        raise row.error(f"speech rate is {text!r}; 1 to 5 or one of {', '.join(_RATE_WORDS)} expected")
    return row.as_number("speech rate", text, 1, 5)


def _add_notes(name: str, notes: str, facts: dict[str, Any]) -> None:
    if name == "distortion":
        _add_fact("distortion_types", notes, facts)
    elif name == "emotional impact":
        _add_fact("emotion", notes, facts)
    elif name == "subjective experience":
        gender, _, age = notes.partition(",")
        _add_fact("speaker_gender", gender, facts)
        _add_fact("speaker_age", age, facts)


def _add_fact(key: str, value: str, facts: dict[str, Any]) -> None:
    if is_blank(value):
        return
    if key in _LISTS:
        facts[key] = [part.strip() for part in re.split(r"[;,]", value) if part.strip()]
        return
    facts[key] = value.strip()
    if key == "distortion_duration" and time_spans(value):
        facts["distortion_spans"] = [list(span) for span in time_spans(value)]


def _pair_line(row: Row, name: str, value: str, labels: _Labels) -> None:
    lower = re.sub(r"\s*\(a vs b\)$", "", name.lower())
    detail = re.fullmatch(r"(distortion detail|subjective) ([ab]) - (type|gender)", lower)
    emotion = re.fullmatch(r"emotional impact type ([ab])", lower)
    if lower in RUBRIC_OF:
        phrase = value.lower().rstrip(".")
        if phrase not in _PREFERENCES:
            raise row.error(
                f"{name} is {value!r}; 'A is better than B', the reverse, or 'A and B are similar' expected"
            )
        labels.values[RUBRIC_OF[lower]] = _PREFERENCES[phrase]
    elif detail is not None:
        _detail_line(detail[3], value, labels.facts[detail[2].upper()])
    elif emotion is not None:
        _add_fact("emotion", value, labels.facts[emotion[1].upper()])
    elif lower in _PAIR_FACTS:
        labels.facts[""][_PAIR_FACTS[lower]] = value
    else:
        labels.unknown[name] = value


def _detail_line(kind: str, value: str, facts: dict[str, Any]) -> None:
    """Read what follows ``Distortion Detail A - Type:`` or ``Subjective A - Gender:``."""
    first, _, second = value.partition(", Duration:" if kind == "type" else ", Age:")
    _add_fact("distortion_types" if kind == "type" else "speaker_gender", first, facts)
    _add_fact("distortion_duration" if kind == "type" else "speaker_age", second, facts)


def _causes(facts: Mapping[str, Any]) -> tuple[Cause, ...]:
    """Background noise is the one distortion that says what was done to the speech; the others say how it sounds."""
    if "background noise" not in [kind.lower() for kind in facts.get("distortion_types", [])]:
        return ()
    # The spans are those of all distortions together, so they are the noise's only if it is alone.
    spans = facts.get("distortion_spans", []) if len(facts["distortion_types"]) == 1 else []
    return (Cause("noise", {}, tuple((start, end) for start, end in spans)),)


def _clip(
    row: Row, paths: list[str], facts: dict[str, Any], split: Split, options: _Options, counts: Counter[str]
) -> RatedClip | None:
    task, answer = facts["task"], facts.get("answer")
    labels = _Labels() if task == "FakeDetection" else _read_labels(row, facts, False, counts)
    own = dict(labels.facts["A"])
    if task == "FakeDetection" and answer is not None:
        if answer.lower().rstrip(".") not in {"real", "fake"}:
            raise row.error(f"the answer is {answer[:40]!r}; real or fake expected")
        own["label"] = answer.lower().rstrip(".")
    elif task == "Suggest" and answer is not None:
        own["suggestions"] = [line.strip() for line in answer.splitlines() if line.strip()]
    elif answer is not None:
        own["description"] = answer
    if not (labels.values or own or options.keep_unlabelled):
        counts["left out, no labels (keep_unlabelled gives them)"] += 1
        return None
    ratings = {rubric: Rating(score) for rubric, score in labels.values.items()}
    extra = facts | own | ({"other_labels": labels.unknown} if labels.unknown else {})
    return RatedClip(paths[0], ratings, split, CORPUS, causes=_causes(own), extra=extra)


def _pair(
    row: Row, paths: list[str], facts: dict[str, Any], split: Split, options: _Options, counts: Counter[str]
) -> RatedPair | None:
    labels = _read_labels(row, facts, True, counts)
    table = options.preferences.get(facts["key"])
    preferences = ({} if table is None else {"mos": table}) | labels.values
    if table is not None and preferences["mos"] != table:
        counts["have a preference that differs from the side table; the record's own is kept"] += 1
    if not preferences and not options.keep_unlabelled:
        counts["left out, no preference in the record nor in the side table (read_preferences)"] += 1
        return None
    clips = []
    for path, side in zip(paths, "AB", strict=True):
        own = labels.facts[side]
        language = _language(path)
        extra = own | ({"language": language} if language else {})
        clips.append(RatedClip(path, {}, split, CORPUS, causes=_causes(own), extra=extra))
    about = facts | labels.facts[""] | ({"other_labels": labels.unknown} if labels.unknown else {})
    if "answer" in facts:
        about["description"] = facts["answer"]
    return RatedPair(clips[0], clips[1], preferences, about)
