"""Runs that are ended by kill -9 and begun again: what they leave must be what an undisturbed run leaves."""

import contextlib
import csv
import importlib
import json
import math
import os
import random
import re
import shutil
import signal
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from evaluators import decided
from forked import Forked, run_script
from safetensors.numpy import load_file
from stub import serving
from tiny import make_backbones, make_judge, write_simulated

from attacks import judged
from attacks.rounds import HANG, Found, waited_for_cores
from audio_judge.batch import lines
from audio_judge.cli.main import main
from audio_judge.text_models.criteria import CRITERIA

ROOT = Path(__file__).parents[2]
CLIPS = 24
# A run is given this many times the time of an undisturbed one, and what makes a hang
PATIENCE = 5.0
# Nothing of a run is left so long after it was killed
GONE = 5.0
Left = list[tuple[Any, Any]]


@dataclass(frozen=True)
class Run:
    """What is killed.

    Args:
        name: Of the family, in the table.
        ready: Writes what a run needs into a folder.
        begin: Begins in the current folder, or goes on there; is given that folder of what it needs, the address of a server
            and whether it goes on.
        left: Reads what a run has left in a folder, as pairs of a name and a value.
        processes: That share the work.
    """

    name: str
    ready: Callable[[Path], None]
    begin: Callable[[Path, str, bool], Any]
    left: Callable[[Path], Left]
    processes: int = 1


class Kills:
    """Runs of one kind; each is killed twice, the second time while it goes on where the first was stopped."""

    size = 2

    def __init__(self, run: Run) -> None:
        self.run, self.name = run, run.name

    def prepare(self, folder: Path) -> None:
        """Carry out an undisturbed run, as the measure of all others."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.run.ready(folder)
        whole = folder / "whole"
        shutil.rmtree(whole, ignore_errors=True)
        whole.mkdir()
        with serving(_reply) as stub:
            self.seconds = max(_wait(one) for one in self._begin(whole, stub.url, Counter(), goes_on=False))
        self.expected = self.run.left(whole)

    def attack(self, folder: Path, rng: random.Random, found: Found) -> None:
        """Kill, go on, kill, go on, and look at what is left."""
        turns, goes_on = Counter[str](), False
        with serving(_reply) as stub:
            for share in (0.9, 0.6):
                victims = self._begin(folder, stub.url, turns, goes_on)
                moments = [rng.uniform(0.0, share * self.seconds) for _ in victims]
                struck = [self._strike(*one, found) for one in zip(victims, moments, strict=True)]
                found.tried += any(struck)
                goes_on = True
            for one in self._begin(folder, stub.url, turns, goes_on):
                _wait(one, found, most=PATIENCE * self.seconds + HANG)
        self._compare(folder, found)
        for log in sorted(folder.glob("run*.txt")):  # the runner looks there for tracebacks
            print(log.read_text(errors="replace"))

    def _begin(self, folder: Path, url: str, turns: Counter[str], goes_on: bool) -> list[Forked]:
        turns["run"] += 1
        begun = []
        for rank in range(self.run.processes):
            shares = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": self.run.processes}

            def work() -> Any:
                os.setpgid(0, 0)
                os.chdir(folder)
                return self.run.begin(self.folder, url, goes_on)

            log = folder / f"run{turns['run']}-{rank}.txt"
            begun.append(Forked(work, log, shares if self.run.processes > 1 else None))
        return begun

    def _strike(self, victim: Forked, moment: float, found: Found) -> bool:
        """Kill a run once it has worked for so many seconds; False if it was done before."""
        while _worked(victim.pid) < moment:
            if not victim.is_running():
                return False
            print(".", end="", flush=True)
            time.sleep(0.01)
        victim.kill()
        deadline = time.monotonic() + GONE
        while _has_members(victim.pid):
            if time.monotonic() > deadline:
                found.note("hangs", f"processes of {self.name} outlived it")
                os.killpg(victim.pid, signal.SIGKILL)
                break
            time.sleep(0.05)
        return True

    def _compare(self, folder: Path, found: Found) -> None:
        left = self.run.left(folder)
        expected, names = dict(self.expected), Counter(name for name, _ in left)
        for name in {*expected, *names}:
            if names[name] != 1 or name not in expected:
                found.note("rows", f"{name}: {names[name]} times", abs(names[name] - 1) or 1)
        for name, value in left:
            if name in expected and not _is_same(value, expected[name]):
                found.note("wrong", f"{name}: {value} in place of {expected[name]}")


def _reply(request: dict[str, Any], _times: int) -> Any:
    """The server of those runs that need one: a teacher that writes captions, or an evaluator that decides or chats."""
    if "questions" in request:
        number = int(re.search(r"answer (\d+)", json.dumps(request["state"]))[1])  # type: ignore[index]
        return decided([number % 10] * len(CRITERIA)) | {"delay": 0.02}
    text = request["messages"][-1]["content"]
    if mos := re.search(r"\(MOS ([\d.]+)\)", text):
        word = mos[1].translate(str.maketrans("0123456789", "abcdefghij", "."))  # a text is taken once
        return {"text": f"The speech is noisy as {word}. The MOS is {mos[1]}.", "delay": 0.02}
    return str(zlib.crc32(text.encode()) % 11)


def _worked(process: int) -> float:
    """Seconds that a process has had a core, as wall time says little on a busy machine; inf once it is gone."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return math.inf
    return math.inf if fields[0] == "Z" else (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _wait(run: Forked, found: Found | None = None, most: float = math.inf) -> float:
    """Wait for a run that nobody kills; gives the seconds for which it had a core."""
    begun, worked = time.monotonic(), 0.0
    while True:
        done, status, usage = os.wait4(run.pid, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            if code and found is None:
                raise RuntimeError(f"an undisturbed run ended with {code}: {run.log.read_text()[-2000:]}")
            if code and found is not None:
                found.note("tracebacks", f"went on and ended with {code}: {run.log.read_text()[-300:]}")
            return max(worked, usage.ru_utime + usage.ru_stime)
        if time.monotonic() - begun - waited_for_cores(run.pid) > most and found is not None:
            found.note("hangs", f"after {run.log.read_text()[-200:]!r}")
            os.killpg(run.pid, signal.SIGKILL)
            most = math.inf
        if found is not None:
            print(".", end="", flush=True)  # a sign of life
        time.sleep(0.02)


def _has_members(group: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, 0)
        return True
    return False


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):  # where they lie in memory decides how sums are rounded
        return one.shape == other.shape and bool(np.allclose(one, other, rtol=0, atol=1e-5))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, abs_tol=2e-3)  # a batch of other clips moves the last digits
    return bool(one == other)


def _clips(folder: Path) -> None:
    judged.judge_folder(folder)
    (folder / "clips").mkdir(exist_ok=True)
    for number in range(CLIPS):
        (folder / "clips" / f"{number}.wav").write_bytes(judged.clip(0.2 + 0.02 * number))


def _score(ending: str) -> Callable[[Path, str, bool], int]:
    def begin(folder: Path, _: str, goes_on: bool) -> int:
        words = ["--rubric", "mos", "--output", f"scores.{ending}", "--batch-size", 2, *["--resume"] * goes_on]
        return judged.judge_by_command("score", folder / "clips", *words)

    return begin


def _scores(ending: str) -> Callable[[Path], Left]:
    def left(folder: Path) -> Left:
        rows = lines.scan(folder / f"scores.{ending}", {"jsonl": "json"}.get(ending, ending))
        found = [(Path(line.row["path"]).name, line.row) for line in rows]
        return [(name, float(row["scores"]["mos"] if ending == "jsonl" else row["mos"])) for name, row in found]

    return left


def _rated(folder: Path) -> None:
    with (folder / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["path", "mos", "noisiness"], *([f"{n}.wav", round(1 + n / 10, 1), 1.5] for n in range(CLIPS))]
        )


def _caption(folder: Path, url: str, _: bool) -> int:
    return main(["caption", str(folder / "clips.csv"), "--teacher", url, "--model", "m", "--out", "captions.jsonl"])


def _captions(folder: Path) -> Left:
    return [(str(row["audio"]), row["text"]) for _, row in lines.read(folder / "captions.jsonl")]


def _answers(folder: Path) -> None:
    rows = [{"request": "How good?", "text": f"answer {n}", "truth": "mos 3", "task": "score"} for n in range(CLIPS)]
    (folder / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def _grade(folder: Path, url: str, _: bool) -> int:
    words = ["--evaluator", url, "--model", "m", "--form", "decision", "--out", "graded.jsonl", "--no-progress"]
    return main(["grade", str(folder / "answers.jsonl"), *words])


def _graded(folder: Path) -> Left:
    return [(row["text"], row["lscore"]) for _, row in lines.read(folder / "graded.jsonl")]


# Tiny models in the mini's recipes, with a checkpoint after each step
STEPS = {
    "max_steps": 4, "save_steps": 1, "save_total_limit": 2, "logging_steps": 1, "warmup_steps": 0, "disable_tqdm": "true",
    "output_dir": "run", "corpus": "simulated",
}  # fmt: skip
SFT = {
    "mixture": "", "tasks": "decide", "adapter_tokens": 8, "per_device_train_batch_size": 2, "dataloader_num_workers": 0,
    "dataloader_persistent_workers": "false", "eval_strategy": "no", "load_best_model_at_end": "false",
    "early_stopping_patience": 0,
}  # fmt: skip
GRPO = {
    "per_device_train_batch_size": 4, "num_generations": 2, "max_completion_length": 6, "max_eval_prompts": 2,
    "log_completions": "false", "learning_rate": 1e-3, "rewards": "evaluator=1", "evaluator_form": "chat",
    "evaluator_model": "m", "evaluator_trial": 0,
}  # fmt: skip


def _corpus(folder: Path) -> None:
    sys.path.append(str(ROOT))
    for script in ("train_sft", "train_grpo"):
        importlib.import_module(script)  # with what it imports, which takes seconds; forks need not do it again
    if not (folder / "corpus").exists():
        write_simulated(folder / "corpus", {"train": 6, "validation": 3})
    for part in make_judge(folder / "backbones", tie=False):
        part.save_pretrained(folder / "judge")


def _train_sft(folder: Path, _: str, goes_on: bool) -> None:
    audio, text = make_backbones(folder / "backbones")
    _train("sft", SFT | {"audio_backbone": audio, "text_backbone": text, "data": folder / "corpus"}, goes_on)


def _train_grpo(folder: Path, url: str, goes_on: bool) -> None:
    _train("grpo", GRPO | {"model": folder / "judge", "evaluator": url, "data": folder / "corpus"}, goes_on)


def _train(kind: str, options: Mapping[str, Any], goes_on: bool) -> None:
    words = [str(word) for name, value in (STEPS | options).items() for word in (f"--{name}", value)]
    words = ["--config", str(ROOT / "recipes" / kind / "mini.yaml"), *words]
    script = ROOT / f"train_{kind}.py"
    if not goes_on or not _went_on(script, words):
        run_script(script, words)


def _went_on(script: Path, words: Sequence[str]) -> bool:
    """Go on; False if the run was killed before its first checkpoint, which is said in a sentence."""
    try:
        run_script(script, [*words, "--resume_from_checkpoint", "last"])
    except (SystemExit, ValueError) as error:
        if "no whole checkpoint" not in str(error):
            raise
        return False
    return True


def _weights(folder: Path) -> Left:
    trained = folder / "run" / "model.safetensors"
    if not trained.exists():
        return []
    tensors = load_file(trained)
    return [("weights", np.concatenate([tensors[name].ravel() for name in sorted(tensors)]))]


RUNS = (
    Run("kill -9 of score, jsonl", _clips, _score("jsonl"), _scores("jsonl")),
    Run("kill -9 of score, csv", _clips, _score("csv"), _scores("csv")),
    Run("kill -9 of score, two processes", _clips, _score("jsonl"), _scores("jsonl"), processes=2),
    Run("kill -9 of caption", _rated, _caption, _captions),
    Run("kill -9 of grade", _answers, _grade, _graded),
    Run("kill -9 of train_sft", _corpus, _train_sft, _weights),
    Run("kill -9 of train_grpo", _corpus, _train_grpo, _weights),
)
