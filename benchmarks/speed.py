"""How fast the shipped judges are, beside NISQA, DNSMOS and Distill-MOS on the same clips in the same run, on one CPU core.

    make benchmark                                     # or: python benchmarks/speed.py --judge FOLDER --rounds 5

Every figure is a median over rounds in which the competitors take turns, so that a machine that changes its speed slows
all of them. Ratios travel between machines, seconds do not. Peak memory is measured in a process of its own each. NISQA and DNSMOS
run as ``python -m eval`` runs them. DNSMOS' package repeats what is shorter than 9 s and hears it up to nine times: ``--seconds``.
NISQA needs its weights at ~/.torchmetrics/NISQA/nisqa.tar, Distill-MOS ``pip install --no-deps distillmos``; a peer that
cannot run is named and left out.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import soxr
import torch

from audio_judge.audio import Audio, read_audio
from audio_judge.corpora import teachers
from audio_judge.errors import UsageError
from audio_judge.eval.peers import load_peer
from audio_judge.judge.judge import AudioJudge
from audio_judge.messages import clip_state, text_messages
from audio_judge.rubrics.rubric import RUBRICS
from audio_judge.tasks import score

ROOT = Path(__file__).parents[1]
CLIPS = ROOT / "examples" / "clips"
SHIPPED = ("mini", "open")
RATE = 48_000

Run = Callable[[list[np.ndarray]], object]


def clips_of(seconds: float, count: int) -> list[np.ndarray]:
    """The example clips repeated to so many seconds each, float32 (samples,) at 48 kHz."""
    files = sorted(path for path in CLIPS.iterdir() if path.suffix in (".wav", ".flac", ".ogg", ".opus"))
    clips = []
    for index in range(count):
        audio = read_audio(files[index % len(files)])
        samples = soxr.resample(audio.samples, audio.sampling_rate, RATE)
        clips.append(np.resize(samples, round(seconds * RATE)).astype(np.float32))
    return clips


def judge_run(judge: AudioJudge, batch_size: int, rubrics: int = 5) -> Run:
    """Scoring with the judge."""
    names = list(RUBRICS)[:rubrics]
    return lambda clips: judge.score([(clip, RATE) for clip in clips], rubric=names, batch_size=batch_size)


def generated_run(judge: AudioJudge) -> Run:
    """The same five scores written out as text, one answer per rubric, as the papers do."""

    def run(clips: list[np.ndarray]) -> None:
        for clip in clips:
            for rubric in RUBRICS:
                inputs = judge.reader.chat([text_messages(clip_state(clip), score.ask(rubric))])
                judge.model.generate(**inputs, max_new_tokens=4, min_new_tokens=4, do_sample=False)

    return run


def peer_run(name: str) -> Run:
    """A measure of others as ``python -m eval`` runs it, from samples in memory; resampling is counted, as the judge's is."""
    peer = load_peer(name)
    return lambda clips: [peer.score(Audio(clip, RATE, "clip")) for clip in clips]


def distill_mos_run() -> Run:
    """Distill-MOS as its users get it: a clip is cut into segments of 7.68 s that begin a second apart at most."""
    segmented = teachers.segmented_distill_mos()

    def run(clips: list[np.ndarray]) -> None:
        with torch.inference_mode():
            for clip in clips:
                segmented(torch.from_numpy(soxr.resample(clip, RATE, teachers.DISTILL_MOS_RATE))[None])

    return run


PEERS: dict[str, Callable[[], Run]] = {
    "NISQA v2.0": partial(peer_run, "nisqa"),
    "DNSMOS": partial(peer_run, "dnsmos"),
    "Distill-MOS": distill_mos_run,
}


def judges(folder: str | None) -> dict[str, str]:
    """Name to folder of the judge that was asked for, or of all that ship and are here."""
    if folder is not None:
        return {"judge": folder}
    shipped = {name: ROOT / "checkpoints" / name for name in SHIPPED}
    return {name: str(path) for name, path in shipped.items() if path.is_dir()}


def competitors(folders: dict[str, str]) -> dict[str, Run]:
    """Name to run; what is not installed here is named on stderr."""
    runs: dict[str, Run] = {}
    for name, folder in folders.items():
        judge = AudioJudge.from_pretrained(folder, device="cpu")
        runs[f"{name}, batch 1"] = judge_run(judge, 1)
        runs[f"{name}, batch 16"] = judge_run(judge, 16)
        runs[f"{name}, 1 rubric"] = judge_run(judge, 1, rubrics=1)
        runs[f"{name}, generated"] = generated_run(judge)
    for name, make in PEERS.items():
        try:
            runs[name] = make()
        except (ImportError, UsageError) as error:
            print(f"{name}: left out, {error}", file=sys.stderr)
    return runs


def times(runs: dict[str, Run], clips: list[np.ndarray], rounds: int) -> dict[str, list[float]]:
    """Seconds of each run and round; the first round warms up and is not counted."""
    measured: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run(clips)
            if number:
                measured[name].append(time.perf_counter() - start)
    return measured


def peak_memory(name: str, folders: dict[str, str], seconds: float) -> float:
    """Peak resident memory in MiB of a fresh process that does one run, loading included."""
    judge, _, rest = name.partition(", ")
    command = [sys.executable, __file__, "--alone", rest or name, "--seconds", str(seconds)]
    command += ["--judge", folders[judge]] if rest else []
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def run_alone(name: str, folder: str | None, seconds: float) -> None:
    """One run of one competitor; prints its peak memory, as Linux tells it."""
    if folder is not None:
        run = judge_run(AudioJudge.from_pretrained(folder, device="cpu"), int(name.removeprefix("batch ")))
    else:
        run = PEERS[name]()
    run(clips_of(seconds, 16 if folder is not None else 2))  # peers hear one clip at a time
    # Not getrusage, whose peak is that of the parent if that was larger
    status = Path("/proc/self/status").read_text()
    print(int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) / 1024)  # type: ignore[union-attr]


def ratio(measured: dict[str, list[float]], name: str, base: str) -> str:
    """How many times as fast as ``base`` a run is, median over the rounds; empty if there is no such run."""
    if base not in measured:
        return ""
    pairs = zip(measured[base], measured[name], strict=True)
    return f"{statistics.median(theirs / own for theirs, own in pairs):.2f}"


def report(measured: dict[str, list[float]], clips: int, seconds_each: float, folders: dict[str, str]) -> None:
    """The table, and what each further rubric costs."""
    audio = clips * seconds_each
    print(f"{clips} clips of {seconds_each:g} s, one thread, median of {len(next(iter(measured.values())))} rounds\n")
    print(f"{'':18}{'x real time':>12}" + "".join(f"{'x ' + name:>14}" for name in PEERS) + f"{'peak MiB':>10}")
    for name, seconds in measured.items():
        faster = "".join(f"{ratio(measured, name, peer):>14}" for peer in PEERS)
        memory = "" if name.endswith(("1 rubric", "generated")) else f"{peak_memory(name, folders, seconds_each):.0f}"
        print(f"{name:18}{audio / statistics.median(seconds):12.0f}{faster}{memory:>10}")
    print()
    for name in folders:
        both = zip(measured[f"{name}, batch 1"], measured[f"{name}, 1 rubric"], strict=True)
        each = statistics.median((five - single) / single / 4 for five, single in both)
        print(f"{name}: each further rubric costs {100 * each:.1f} % of the first")
    print(json.dumps({name: [round(second, 4) for second in seconds] for name, seconds in measured.items()}))


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judge", help="folder or Hub id; the shipped judges if not given")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="of each clip; DNSMOS hears short ones several times"
    )
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if sys.platform == "linux":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if options.alone:
        run_alone(options.alone, options.judge, options.seconds)
        return
    folders = judges(options.judge)
    clips = clips_of(options.seconds, options.clips)
    report(times(competitors(folders), clips, options.rounds), options.clips, options.seconds, folders)


if __name__ == "__main__":
    main()
