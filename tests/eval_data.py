"""Tiny corpora in the published layouts, and judges that cost nothing, for the tests of eval."""

import csv
import json
from pathlib import Path

import soundfile
from tiny import tone

from audio_judge.eval.benchmarks import Benchmark, Item, Question, parse
from audio_judge.eval.judges import Answer

NISQA_FIELDS = ["db", "con", "file", "con_description", "filename_deg", "filename_ref", "source", "lang", "votes"]
NISQA_FIELDS += [name + end for name in ("mos", "noi", "col", "dis", "loud") for end in ("", "_std")]
NISQA_FIELDS += ["filepath_deg", "filepath_ref"]


def write_clip(path: Path, seconds: float = 0.4, frequency: float = 440.0, rate: int = 16_000) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone(seconds, frequency, rate), rate)
    return str(path)


def nisqa_corpus(folder: Path, clips: int = 12, with_audio: bool = False) -> Path:
    """NISQA_Corpus below a folder: three conditions of P501 with references, and one talk without."""
    root = folder / "NISQA_Corpus"
    root.mkdir(parents=True)
    rows = []
    for index in range(clips):
        is_talk = index == clips - 1
        db = "NISQA_TEST_LIVETALK" if is_talk else "NISQA_TEST_P501"
        row = dict.fromkeys(NISQA_FIELDS, "") | {"db": db, "con": str(index % 3), "file": str(index), "votes": "24"}
        for offset, name in enumerate(("mos", "noi", "col", "dis", "loud")):
            row[name] = f"{1 + (3 * index + offset) % 17 / 4:.2f}"
            row[f"{name}_std"] = "0.7"
        row["filename_deg"], row["filepath_deg"] = f"c{index}.wav", f"{db}/deg/c{index}.wav"
        row["filepath_ref"] = "" if is_talk else f"{db}/ref/c{index}.wav"
        rows.append(row)
        if with_audio:
            write_clip(root / row["filepath_deg"], frequency=200 + 40 * index)
    with (root / "NISQA_corpus_file.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, NISQA_FIELDS)
        writer.writeheader()
        writer.writerows(rows)
    return folder


def own_table(path: Path, clips: int = 8, with_audio: bool = True) -> Path:
    """A csv of a user: path, mos, system."""
    lines = ["path,mos,system"]
    for index in range(clips):
        name = f"clip{index}.wav"
        if with_audio:
            write_clip(path.parent / name, frequency=200 + 50 * index)
        lines.append(f"{name},{1 + index * 4 / (clips - 1):.2f},{'ab'[index % 2]}")
    path.write_text("\n".join(lines) + "\n")
    return path


def speecheval_folder(folder: Path) -> Path:
    """SpeechEval's four tasks, two records each, without audio."""
    think = "Overall Quality: {n}/5\nIntelligibility: {n}/5\nDistortion: {n}/5 (jitter)\nSpeech Rate: suitable\n"
    said = {
        "single_eval": [f"<think>\n{think.format(n=n)}</think>\n\n<answer>\nIt is {n}.\n</answer>" for n in (2, 4)],
        "fakedetection": [f"<think>\n</think>\n\n<answer>\n{label}\n</answer>" for label in ("real", "fake")],
    }
    for task, answers in said.items():
        path = folder / "SpeechEval" / "data_split" / f"split_data_{task}" / "test" / "multitask.jsonl"
        path.parent.mkdir(parents=True)
        name = {"single_eval": "SingleEval", "fakedetection": "FakeDetection"}[task]
        with path.open("w") as file:
            for index, answer in enumerate(answers):
                question = {"role": "user", "content": "<audio> Judge it."}
                messages = [question, {"role": "assistant", "content": answer}]
                audio = [f"{task}{index}.wav"]
                file.write(json.dumps({"key": audio[0], "task": name, "messages": messages, "audios": audio}) + "\n")
    return folder


def small_benchmark(**values) -> Benchmark:
    defaults = {"title": "Small", "task": "score", "rubrics": ["mos"], "corpus": "table", "place": "small"}
    return parse(defaults | values, "small")


def item(name: str, mos: float, **groups: str) -> Item:
    benchmark = small_benchmark()
    return Item(Question(name, "score", (name,), benchmark.rubrics), {"scores": {"mos": mos}}, groups)


class FakeJudge:
    """Scores a clip by its name's digits, as far as it is told how many it may; then it is killed."""

    def __init__(self, lives: int = 10**9, offset: float = 0.3) -> None:
        self.facts = {"kind": "fake"}
        self.lives, self.offset, self.asked = lives, offset, []

    def rubrics_for(self, task, rubrics):
        return tuple(rubrics) if task in ("score", "profile") else "it only scores"

    def answer(self, questions):
        answers = []
        for question in questions:
            if self.lives == 0:
                raise KeyboardInterrupt
            self.lives -= 1
            self.asked.append(question.id)
            number = int("".join(c for c in question.id if c.isdigit()) or 0)
            scores = {rubric.name: 1 + (number * 7 % 13) / 3.25 * 0.9 + self.offset for rubric in question.rubrics}
            answers.append(Answer({"scores": scores}))
        return answers

    def controlled(self):
        raise AssertionError("not used")
