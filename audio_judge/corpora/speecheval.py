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
``read_preferences``, else they are left out, counted and reported. A speech rate in other words is no rating; its text is
kept, and counted. Outputs of a model are refused as labels.

Clips are called ``LANGUAGE_CORPUS_SYSTEM_UTTERANCE.wav``, without the system where a person speaks: ``system`` and
``speaker`` are read from there, as far as they say (``zh_Aishell3_tacotron2_SSB03390029.wav``: tacotron2, SSB0339), or from
fields of these names. The paper says that test speakers and systems are unseen, but for detection, whose sources are in
several splits on purpose: ``audio_judge.corpora.splits`` checks it.

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
from audio_judge.corpora.bvcc import system_of
from audio_judge.corpora.rows import (
    Found,
    OnError,
    Row,
    Split,
    home_of,
    is_blank,
    preference_name,
    read_items,
    read_rows,
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
_RATE_WORDS = {word: value for value, word in enumerate(SPEECH_RATES, start=1)} | dict.fromkeys(
    ("suitable", "normal", "moderate"), 3
)
_PREFERENCES = {
    "a and b are similar": "tie",
    "a and b are similar in this aspect": "tie",
    "a is better than b": "A",
    "b is better than a": "B",
}
_LANGUAGES = ("en", "zh", "ja", "fr")
_FOLDERS = {"single": "SingleEval", "dual": "CompareEval", "compar": "CompareEval", "fake": "FakeDetection"}
_FOLDERS |= {"sugg": "Suggest", "improv": "Suggest"}
# Parts of clips' names that are the corpora their speakers come from; of some, everything is of one speaker
_SPEAKER_OF_CORPUS = {"csmsc": "csmsc", "bznsyp": "csmsc", "jsut": "jsut", "siwis": "siwis"}
_CORPORA = {"aishell3", "bvcc", "commonvoice", "librispeech", "jvs", "vcc2018", *_SPEAKER_OF_CORPUS}
_SPEAKER = re.compile(r"(SSB\d{4})\d*|(VCC2[ST][FM]\d)|(jvs\d{3})|(\d+)-\d+-\d+", re.IGNORECASE)
_WHERE_TO_GET_IT = "get Hui519/SpeechEval from the Hub and give the folder that holds data_split/, or one jsonl file"


@dataclass(frozen=True)
class _Options:
    tasks: Collection[str]
    preferences: Mapping[str, str]
    root: str | Path | None
    keep_unlabelled: bool
    on_error: OnError


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
    on_error: OnError = "stop",
) -> Iterator[RatedClip | RatedPair]:
    """Read SpeechEval from its folder, from one jsonl file, or from a data set (``task, key, path, path_B`` …).

    Args:
        path: Folder that holds ``data_split``, or a file or data set, whose split must then be given.
        split: None means all three of a folder.
        tasks: Only these of ``RECORD_TASKS``.
        preferences: Key of a pair to ``A``, ``B`` or ``tie``, or the file of ``read_preferences``; used where the
            record has no preference overall, as the rows of the Hub.
        audio_root: Folder that relative audio paths start from, and below which clips that are not there, and those of the
            authors' machine, are looked for by the end of their path and by name; the folder of the corpus, or of the
            file, if None; None leaves the paths of a data set.
        keep_unlabelled: Also give records without labels, to be judged.
        on_error: What becomes of a record that is wrong; see ``read_items``.

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
        there = _split_files(Path(path))
        files = [(file, own) for file, own in there if split in (None, own)]
        if not files:
            found = ", ".join(str(file.parent.relative_to(path)) for file, _ in there)
            raise CorpusError(path, None, f"no {split} split here, but {found}; {_WHERE_TO_GET_IT}")
    known = read_preferences(preferences) if isinstance(preferences, str | Path) else preferences or {}
    root = home if audio_root is None else audio_root
    return _files(files, _Options(tasks, known, root, keep_unlabelled, on_error))


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
    below = Found(options.root)
    for file, split in files:
        folder = Path(file).parent.parent.name.lower()
        hint = next(
            (task for part, task in _FOLDERS.items() if folder.startswith("split_data") and part in folder), None
        )
        yield from _items(read_rows(file), split, hint, below, options)


def _items(
    rows: Iterable[Row], split: Split, hint: str | None, below: Found, options: _Options
) -> Iterator[RatedClip | RatedPair]:
    counts: Counter[str] = Counter()

    def item(row: Row) -> RatedClip | RatedPair | None:
        if "response" in row.values:
            raise row.error("has a response, so it is the output of a model and no corpus")
        paths, question, target = _audio_paths(row), _message(row, "user"), _target(row)
        think, answer = _think_answer(row, target)
        task = _task(row, hint, paths, think, answer, counts)
        if task not in options.tasks:
            return None
        _check_placeholders(row, task, paths, question)
        facts = {"key": row.text("key") or _name_key(paths), "task": task, "question": question}
        facts |= {"language": _language(paths[0]), "think": think, "answer": answer}
        facts = {name: value for name, value in facts.items() if value}
        paths = [_find(row, path, below, counts) for path in paths]
        return (_pair if task == "CompareEval" else _clip)(row, paths, facts, split, options, counts)

    return read_items(rows, item, f"{CORPUS} {split}", counts, options.on_error)


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


def _find(row: Row, path: str, below: Found, counts: Counter[str]) -> str:
    """Where a clip is below the root: where its path says, or elsewhere by the end of its path or by its name."""
    joined = row.resolve("audio", path, below.root)
    found = below.find(row, "audio", joined)
    if found is None and below.root is not None and joined.startswith("/") and not _is_below(joined, below.root):
        raise row.error(
            f"audio is {path!r}, which is not here, nor anywhere below {below.root}; give audio_root, the folder of the clips"
        )
    counts["have their clip in another place below the folder than they say"] += found not in (None, joined)
    return found or joined


def _is_below(path: str, root: Path) -> bool:
    return path.startswith(root.as_posix().rstrip("/") + "/")


def _name_key(paths: list[str]) -> str:
    """The key as published: the names of the files, joined."""
    return "_".join(PurePosixPath(path.replace("\\", "/")).name for path in paths)


def _language(path: str) -> str | None:
    prefix = PurePosixPath(path.replace("\\", "/")).name.split("_")[0]
    return prefix if prefix in _LANGUAGES else None


def _source(row: Row, path: str, side: str = "") -> tuple[str | None, str | None]:
    """System and speaker of a clip, from the record or from its name: ``zh_Aishell3_tacotron2_SSB03390029.wav``."""
    stem = PurePosixPath(path).stem
    language, *parts = stem.split("_")
    speaker = _SPEAKER.search(stem)
    known = next((_SPEAKER_OF_CORPUS[part] for part in map(str.lower, parts) if part in _SPEAKER_OF_CORPUS), None)
    # What is neither the language, a corpus, a speaker nor the utterance, which is last
    others = [part for part in parts[:-1] if part.lower() not in _CORPORA and not _SPEAKER.fullmatch(part)]
    system = "_".join(others) or (parts and "bvcc" in map(str.lower, parts[:-1]) and system_of(parts[-1])) or None
    told = (system, next(filter(None, speaker.groups()), None) if speaker else known)
    if language not in _LANGUAGES:
        told = (None, None)
    return row.text(f"system{side}") or told[0], row.text(f"speaker{side}") or told[1]


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
    own = labels.facts["A"]
    counts["have a speech rate in other words, which is no rating"] += (
        "speech_rate_text" in own and "speech_rate_word" not in own
    )
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
        rate = _speech_rate(row, text)
        if rate is None:
            return
        score = rate
        facts["speech_rate_word"] = SPEECH_RATES[int(score + 0.5) - 1]  # round() would take halves to the even side
    else:
        score = row.as_number(name, text, 1, 5)
    labels.values[RUBRIC_OF[name]] = score
    if notes and not is_blank(notes):
        _add_notes(name, notes, facts)


def _speech_rate(row: Row, text: str) -> float | None:
    """A number, or one of the words for 1 to 5; None for any other word."""
    word = text.lower().rstrip(".")
    if word in _RATE_WORDS:
        return float(_RATE_WORDS[word])
    return row.as_number("speech rate", text, 1, 5) if re.match(r"[-+.\d]", text) else None


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
    system, speaker = _source(row, paths[0])
    # Of detection, most sources are in two or three splits
    shared = ("speaker", "system") if task == "FakeDetection" else ()
    return RatedClip(
        paths[0], ratings, split, CORPUS,
        causes=_causes(own), system=system, speaker=speaker, extra=extra, shared=shared,
    )  # fmt: skip


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
        system, speaker = _source(row, path, f"_{side}")
        clips.append(
            RatedClip(path, {}, split, CORPUS, causes=_causes(own), system=system, speaker=speaker, extra=extra)
        )
    about = facts | labels.facts[""] | ({"other_labels": labels.unknown} if labels.unknown else {})
    if "answer" in facts:
        about["description"] = facts["answer"]
    return RatedPair(clips[0], clips[1], preferences, about)
