"""What judges reach on speakers and degradations they never heard, beside measures of others, and whether they keep their heads.

    python benchmarks/agreement.py --corpus CORPUS --judge mini --judge open
    python benchmarks/agreement.py --fill                 # writes the figures of before into README and cards again

CORPUS is a simulated corpus with the splits ``test`` (other speakers), ``test_held_out`` (other speakers, kinds of
degradation never trained on), ``wild_validation`` and ``wild_test`` (real processed speech, which trains nothing); those that
have not been written are left out. The truth is what ``read_simulated`` gives, teachers' labels or blends of them, not
listeners: agreement with people has to be measured on rated corpora. Figures go to ``results.json`` in each judge's folder,
and the tables into the pages between comments such as ``<!-- agreement -->`` and ``<!-- /agreement -->``.
"""

import argparse
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from scipy.stats import bootstrap, pearsonr, spearmanr

from audio_judge.audio import read_audio
from audio_judge.clips import RatedClip
from audio_judge.corpora.simulated import KNOWN_RATINGS, SPLITS, read_simulated
from audio_judge.degrade import degrade, draw_cause
from audio_judge.eval.metrics import span_overlap
from audio_judge.eval.peers import LoadedPeer, load_peer
from audio_judge.judge.judge import AudioJudge
from audio_judge.judge.judgement import Judgement
from audio_judge.judge.requests import Request
from audio_judge.judge.shipped import SHIPPED_JUDGES, place_of
from audio_judge.languages import wordings
from audio_judge.rubrics.rubric import RUBRICS
from audio_judge.tasks.faults import SPAN_QUESTIONS, known_spans, span_question

ROOT = Path(__file__).parents[1]
MEASURED = tuple(split for split in SPLITS if split not in ("train", "validation"))
# Peers whose scores a corpus holds, rubric to the clip's field; DNSMOS is asked
KNOWN_PEERS = {"NISQA v2.0": {name: f"nisqa_{name}" for name in RUBRICS}, "Distill-MOS": {"mos": "distill_mos"}}
# The rubric that a growing fault must lower, and how it grows
LADDERS = {"noise": "noisiness", "packet_loss": "discontinuity", "band_limit": "coloration"}
SEVERITIES = (0.1, 0.3, 0.5, 0.7, 0.9)
# Sources of the test split at 48 kHz: of others the first steps of a low-pass would take away nothing
FULL_BAND = ("nathalie",)
# Seconds per frame of the shipped judges' encoders
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
    speech = np.array([clip.extra["content"] not in KNOWN_RATINGS for clip in chosen])
    for name in RUBRICS:  # where other measures can be asked, too
        known = speech & np.isfinite(scores[name]) & np.array([name in clip.ratings for clip in chosen])
        wanted = [clip.ratings[name].value for clip, is_known in zip(chosen, known, strict=True) if is_known]
        table[name]["pcc_speech"] = round(float(pearsonr(wanted, scores[name][known]).statistic), 3)
    table["coverage"] = round(float(np.isfinite(scores["mos"]).mean()), 4)
    return table


def agreement_of_peers(clips: list[RatedClip], dnsmos: LoadedPeer | None) -> dict[str, dict[str, dict]]:
    """Agreement of measures of others with the same truth: peer to rubric to figures.

    A rubric whose truth is the peer's own score is left out; of clips without speech no peer knows anything.
    """
    speech = [clip for clip in clips if clip.extra["content"] not in KNOWN_RATINGS]
    said: dict[str, dict[str, np.ndarray]] = {
        peer: {name: np.array([clip.extra.get(key, np.nan) for clip in speech]) for name, key in fields.items()}
        for peer, fields in KNOWN_PEERS.items()
    }
    if dnsmos is not None:
        rows = [dnsmos.score(clip.path) for clip in speech]
        said["DNSMOS"] = {name: np.array([row[name] for row in rows]) for name in RUBRICS if name in rows[0]}
    found: dict[str, dict[str, dict]] = {}
    for peer, scores in said.items():
        for name, values in scores.items():
            wanted = np.array([clip.ratings[name].value if name in clip.ratings else np.nan for clip in speech])
            known = np.isfinite(wanted) & np.isfinite(values)
            # Labels keep within the scale, which the teacher's own number need not
            if known.sum() > 2 and not np.allclose(wanted[known], values[known].clip(1, 5), atol=1e-3):
                found.setdefault(peer, {})[name] = compared(wanted[known], values[known])
    return found


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


def measured(judge: AudioJudge, clips: Mapping[str, list[RatedClip]], peers: Mapping[str, dict]) -> dict:
    """All figures of a judge; ``clips`` and ``peers`` by split."""
    results: dict = {"agreement": {split: agreement(judge, some) for split, some in clips.items()}}
    if "test" in clips:
        results["agreement"]["test, reference heard"] = agreement(judge, clips["test"], with_reference=True)
        results["agreement"]["test, wordings held out"] = agreement(judge, clips["test"], held_out=True)
        results["ladders"] = ladders(judge, clips["test"])
        results["highest mos without speech"] = without_speech(judge, clips["test"])
        results["when"] = heard_when(judge, clips["test"])
    return results | {"peers": dict(peers)}


# Tables


def markdown(results: dict) -> str:
    """The table that the card of a judge quotes."""
    lines = ["| | " + " | ".join(RUBRICS) + " | clips |", "|---|" + "--:|" * (len(RUBRICS) + 1)]
    for split, table in results["agreement"].items():
        cells = [f"{table[name]['pcc']:.2f} / {table[name]['srcc']:.2f} / {table[name]['mae']:.2f}" for name in RUBRICS]
        lines.append(f"| {split} | " + " | ".join(cells) + f" | {table['mos']['n']} |")
    return "\n".join(lines)


def side_by_side(results: Mapping[str, dict]) -> str:
    """What each shipped judge is for, its licence and size, then PCC on speech beside measures of others."""
    lines = ["| judge | what it is for | licence of the weights | size |", "|---|---|---|--:|"]
    for name in results:
        shipped = SHIPPED_JUDGES[name]
        size = (shipped.folder / "model.safetensors").stat().st_size / 1e6
        lines.append(f"| `{name}` | {shipped.about} | {shipped.license} | {size:.0f} MB |")
    first = next(iter(results.values()))
    splits = [split for split in MEASURED if all(split in one["agreement"] for one in results.values())]
    peers = list(dict.fromkeys(peer for split in splits for peer in first.get("peers", {}).get(split, {})))
    columns = [*(f"`{name}`" for name in results), *peers]
    lines += ["", f"| PCC: {' / '.join(splits)} | " + " | ".join(columns) + " |", "|---|" + "--:|" * len(columns)]
    for rubric in RUBRICS:
        cells = [_pcc([one["agreement"][split].get(rubric) for split in splits]) for one in results.values()]
        cells += [_pcc([first["peers"].get(split, {}).get(peer, {}).get(rubric) for split in splits]) for peer in peers]
        lines.append(f"| {rubric} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _pcc(figures: list[dict | None]) -> str:
    cells = ["–" if one is None else f"{one.get('pcc_speech', one['pcc']):.2f}" for one in figures]
    return "–" if set(cells) == {"–"} else " / ".join(cells)


def shipped_results() -> dict[str, dict]:
    """Figures of each shipped judge that is there and was measured, by name."""
    files = {name: one.folder / "results.json" for name, one in SHIPPED_JUDGES.items() if one.is_there}
    return {name: json.loads(file.read_text()) for name, file in files.items() if file.is_file()}


def filled(page: str, tables: Mapping[str, str]) -> str:
    """A page with its tables replaced: each stands between ``<!-- NAME -->`` and ``<!-- /NAME -->``, if it is there."""
    for name, table in tables.items():
        block = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        page = block.sub(lambda match, table=table: f"{match[1]}\n{table}\n\n{match[2]}", page)
    return page


def pages() -> dict[Path, str]:
    """README and the cards of the shipped judges, as they are with the figures that were measured last."""
    results = shipped_results()
    tables = {ROOT / "README.md": {"which judge": side_by_side(results)}} | {
        ROOT / "checkpoints" / name / "README.md": {"agreement": markdown(found)} for name, found in results.items()
    }
    return {page: filled(page.read_text(encoding="utf-8"), found) for page, found in tables.items() if page.is_file()}


def main() -> None:
    """Parse the command line, measure, write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, help="without it nothing is measured")
    parser.add_argument(
        "--judge", action="append", metavar="NAME", help="shipped judge or folder (default: all shipped)"
    )
    parser.add_argument(
        "--targets", metavar="KIND", help="what the truth is, see `read_simulated` (default: the corpus')"
    )
    parser.add_argument("--fill", action="store_true", help="write the tables into README and cards")
    options = parser.parse_args()
    names = options.judge or [name for name, one in SHIPPED_JUDGES.items() if one.is_there]
    if options.corpus:
        splits = [split for split in MEASURED if (options.corpus / split / "rows.jsonl").exists()]
        clips = {split: list(read_simulated(options.corpus, split, options.targets)) for split in splits}
        dnsmos = load_peer("dnsmos")
        peers = {split: agreement_of_peers(some, dnsmos) for split, some in clips.items()}
        for name in names:
            results = measured(AudioJudge.from_pretrained(name), clips, peers)
            Path(place_of(name), "results.json").write_text(json.dumps(results, indent=2) + "\n")
            print(f"{name}\n\n{markdown(results)}\n")
            print(json.dumps({key: value for key, value in results.items() if key != "agreement"}, indent=2))
    if options.fill:
        for page, text in pages().items():
            page.write_text(text, encoding="utf-8")
    print(side_by_side(shipped_results()))


if __name__ == "__main__":
    main()
