"""What the mini judge reaches on speakers and degradations it never heard, and whether it keeps its head.

    python benchmarks/agreement.py --corpus CORPUS --output checkpoints/mini/results.json

CORPUS is a simulated corpus with the splits ``test`` (other speakers), ``test_held_out`` (other speakers, kinds of
degradation never trained on) and ``wild_test`` (real processed speech from sources never trained on). The truth is what
the teachers say (``audio_judge.corpora.simulated.targets``), not listeners: agreement with people has to be measured on
rated corpora.
"""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from scipy.stats import bootstrap, pearsonr, spearmanr

from audio_judge.audio import read_audio
from audio_judge.clips import RatedClip
from audio_judge.corpora.simulated import read_simulated
from audio_judge.degrade import degrade, draw_cause
from audio_judge.eval.metrics import span_overlap
from audio_judge.judge.judge import AudioJudge
from audio_judge.judge.judgement import Judgement
from audio_judge.judge.requests import Request
from audio_judge.languages import wordings
from audio_judge.rubrics.rubric import RUBRICS
from audio_judge.tasks.faults import SPAN_QUESTIONS, known_spans, span_question

SPLITS = ("test", "test_held_out", "wild_test")
# The rubric that a growing fault must lower, and how it grows
LADDERS = {"noise": "noisiness", "packet_loss": "discontinuity", "band_limit": "coloration"}
SEVERITIES = (0.1, 0.3, 0.5, 0.7, 0.9)
# Sources of the test split at 48 kHz: of others the first steps of a low-pass would take away nothing
FULL_BAND = ("nathalie",)
# Seconds per frame of the mini judge's encoder
FRAME = 0.04


def compared(wanted: np.ndarray, got: np.ndarray) -> dict[str, float | list[float]]:
    """Agreement of two series (clips,): PCC with a bootstrap interval, SRCC, MAE."""
    interval = bootstrap(
        (wanted, got), lambda x, y: pearsonr(x, y).statistic, paired=True, vectorized=False, n_resamples=1000, rng=0,
        method="percentile",
    ).confidence_interval  # fmt: skip
    return {
        "pcc": round(float(pearsonr(wanted, got).statistic), 3),
        "pcc_95": [round(float(interval.low), 3), round(float(interval.high), 3)],
        "srcc": round(float(spearmanr(wanted, got).statistic), 3),
        "mae": round(float(np.abs(wanted - got).mean()), 3),
        "n": len(wanted),
    }


def agreement(judge: AudioJudge, clips: list[RatedClip], with_reference: bool = False, held_out: bool = False) -> dict:
    """Agreement per rubric over the clips that have a rating, and the share of clips that got a score."""
    chosen = [clip for clip in clips if clip.reference or not with_reference]
    requests = [Request(clip.path, clip.reference if with_reference else None) for clip in chosen]
    if held_out:
        scores = held_out_scores(judge, chosen)
    else:
        judgements = list(judge.iter_scores(requests, batch_size=16))
        scores = {name: np.array([_value(judgement, name) for judgement in judgements]) for name in RUBRICS}
    table: dict = {}
    for name in RUBRICS:
        wanted = np.array([clip.ratings[name].value if name in clip.ratings else np.nan for clip in chosen])
        known = np.isfinite(wanted) & np.isfinite(scores[name])
        table[name] = compared(wanted[known], scores[name][known])
    table["coverage"] = round(float(np.isfinite(scores["mos"]).mean()), 4)
    return table


def _value(judgement: Judgement, name: str) -> float:
    return judgement[name].value if judgement.error is None else np.nan


def held_out_scores(judge: AudioJudge, clips: list[RatedClip]) -> dict[str, np.ndarray]:
    """Scores (clips,) per rubric, asked in the wordings that were kept out of training, each clip in another one."""
    scores: dict[str, list[float]] = {name: [] for name in RUBRICS}
    for index, clip in enumerate(clips):
        phrasing = index % len(wordings("decide")[1])
        questions = {name: rubric.question(phrasing, held_out=True) for name, rubric in RUBRICS.items()}
        for name, answer in judge.decide(clip.path, questions).items():
            scores[name].append(1 + answer["score"])
    return {name: np.array(values) for name, values in scores.items()}


def ladders(judge: AudioJudge, clips: Iterable[RatedClip]) -> dict[str, list[float]]:
    """Mean score of the matching rubric over clean full-band clips made worse in five steps; it must not rise."""
    clean = [clip for clip in clips if not clip.causes and clip.extra["source"] in FULL_BAND][:20]
    result = {}
    for kind, rubric in LADDERS.items():
        means = []
        for severity in SEVERITIES:
            heard: list = []
            for index, clip in enumerate(clean):
                audio = read_audio(clip.path)
                cause = draw_cause(np.random.default_rng(index), kind, severity, recordings=False)
                worse = degrade(audio.samples, audio.sampling_rate, [cause], seed=index).samples
                heard.append((worse, audio.sampling_rate))
            scores = [judgement[rubric].value for judgement in judge.score(heard, rubric=rubric, batch_size=16)]
            means.append(round(float(np.mean(scores)), 2))
        result[f"{kind} -> {rubric}"] = means
    return result


def without_speech(judge: AudioJudge, clips: Iterable[RatedClip]) -> dict[str, float]:
    """Highest overall score of digital silence, synthetic noise at several levels, and the corpus' noise and music clips."""
    rng = np.random.default_rng(0)
    rate = 48_000
    made = {
        "silence": [np.zeros(4 * rate, dtype=np.float32)],
        "white noise": [(level * rng.standard_normal(4 * rate)).astype(np.float32) for level in (0.001, 0.01, 0.1)],
    }
    result = {}
    for name, sounds in made.items():
        scores = judge.score([(sound, rate) for sound in sounds], rubric="mos")
        result[name] = round(max(judgement["mos"].value for judgement in scores), 2)
    for content in ("noise", "music"):
        paths = [clip.path for clip in clips if clip.extra["content"] == content]
        if paths:
            result[f"{content} (corpus)"] = round(max(j["mos"].value for j in judge.score(paths, rubric="mos")), 2)
    return result


def heard_when(judge: AudioJudge, clips: list[RatedClip]) -> dict[str, dict[str, float]]:
    """Questions about when, asked of clips whose fault comes and goes: overlap with the known times, per fault."""
    result = {}
    for name in SPAN_QUESTIONS:
        known = [(clip, known_spans(name, clip.causes)) for clip in clips]
        chosen = [(clip, spans) for clip, spans in known if spans]
        answers = judge.decide([clip.path for clip, _ in chosen], {"when": span_question(name)}, batch_size=16)
        told = [[(span["start"], span["end"]) for span in answer["when"]["spans"]] for answer in answers]
        # A lost packet of 10 ms is a frame of 40 ms to the judge: both sides are compared with that much room
        truth = [[(max(0.0, start - FRAME / 2), end + FRAME / 2) for start, end in spans] for _, spans in chosen]
        found = span_overlap(told, truth)
        result[name] = {key: round(float(found[key]), 3) for key in ("IoU", "span_recall")} | {"n": len(chosen)}
    return result


def markdown(results: dict) -> str:
    """The table that README and the card quote."""
    lines = ["| | " + " | ".join(RUBRICS) + " | clips |", "|---|" + "--:|" * (len(RUBRICS) + 1)]
    for split, table in results["agreement"].items():
        cells = [f"{table[name]['pcc']:.2f} / {table[name]['srcc']:.2f} / {table[name]['mae']:.2f}" for name in RUBRICS]
        lines.append(f"| {split} | " + " | ".join(cells) + f" | {table['mos']['n']} |")
    return "\n".join(lines)


def main() -> None:
    """Parse the command line, measure, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--judge", help="folder or Hub id; the shipped judge if not given")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    judge = AudioJudge.from_pretrained(options.judge)
    clips = {split: list(read_simulated(options.corpus, split)) for split in SPLITS}
    results: dict = {"agreement": {split: agreement(judge, clips[split]) for split in SPLITS}}
    results["agreement"]["test, reference heard"] = agreement(judge, clips["test"], with_reference=True)
    results["agreement"]["test, wordings held out"] = agreement(judge, clips["test"], held_out=True)
    results["ladders"] = ladders(judge, clips["test"])
    results["highest mos without speech"] = without_speech(judge, clips["test"])
    results["when"] = heard_when(judge, clips["test"])
    print(markdown(results))
    print(json.dumps({key: value for key, value in results.items() if key != "agreement"}, indent=2))
    if options.output:
        options.output.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
