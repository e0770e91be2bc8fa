"""Measures of others behind one small interface: each hears a clip (and its original) and gives one score per rubric.

    python -m eval run --judge peer:nisqa --judge peer:dnsmos --data ratings.csv --out runs/peers

Scores are as the measure gives them, on its own scale: correlations compare with everybody, errors only where the scale is
that of the rubric (``python -m eval ls peers``). Nothing is imported before a peer is asked for.

Left out: training, and whatever a measure reports beside scores.
"""

import importlib
import importlib.util
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from audio_judge.audio import Audio, AudioError, align, iter_windows, read_audio, resample
from audio_judge.corpora import teachers
from audio_judge.data.files import read_examples
from audio_judge.errors import UsageError
from audio_judge.rubrics.rubric import AES_DATA_SCALE, FIVE, NISQA_RUBRICS, SPOKEN_RUBRICS, Scale

# (samples of the clip, samples of the original or None) at the peer's rate, to rubric and score
Measure = Callable[[np.ndarray, np.ndarray | None], dict[str, float]]
UTMOS_REVISION = "v1.2.0"
PREFIX = "peer:"  # of the name of a peer where judges are named


@dataclass(frozen=True)
class Peer:
    """A measure of others.

    Args:
        sampling_rate: Rate that it hears at, in Hz; clips are resampled.
        load: Makes the measure; called once, with the part of the name behind a slash, if there is one.
        scale: Scale of its scores.
        needs_reference: Whether it compares with the undegraded original, to which clips are aligned in time.
        longest: Longest clip that it takes, in seconds; longer ones are cut into windows whose scores are averaged by length.
        shortest: Shortest clip that it takes, in seconds.
    """

    about: str
    rubrics: tuple[str, ...]
    sampling_rate: int
    install: str
    load: Callable[[str], Measure]
    scale: Scale = FIVE
    needs_reference: bool = False
    longest: float = 3600.0
    shortest: float = 0.1


@dataclass
class LoadedPeer:
    """A peer that is ready to measure."""

    name: str
    peer: Peer
    measure: Measure = field(repr=False)

    def score(self, clip: str | Path | Audio, reference: str | Path | Audio | None = None) -> dict[str, float]:
        """Score a clip.

        Args:
            reference: Its undegraded original; only for peers that need one, others do not look at it.

        Returns:
            Rubric name to score, on the peer's own scale.

        Raises:
            AudioError: If a clip cannot be read or measured, or the original is missing.
        """
        if not self.peer.needs_reference:
            return self._score_windows(clip)
        if reference is None:
            name = clip.name if isinstance(clip, Audio) else clip
            raise AudioError(f"{name}: {self.name} compares with the undegraded original, and there is none")
        # Aligned to the sample at the higher of both rates, before either is brought to the peer's
        degraded, original, _ = align(read_audio(clip), read_audio(reference))
        return self._measured(self._heard(degraded), self._heard(original), degraded.name)

    def _score_windows(self, clip: str | Path | Audio) -> dict[str, float]:
        rows: list[dict[str, float]] = []
        lengths: list[float] = []
        for start, end, window in iter_windows(clip, self.peer.longest):
            rows.append(self._measured(self._heard(window), None, window.name))
            lengths.append(end - start)
        return {name: float(np.average([row[name] for row in rows], weights=lengths)) for name in rows[0]}

    def _heard(self, audio: Audio) -> np.ndarray:
        if audio.seconds < self.peer.shortest:
            raise AudioError(f"{audio.name}: {audio.seconds:.2f} s; {self.name} needs {self.peer.shortest:g} s")
        return resample(audio.samples, audio.sampling_rate, self.peer.sampling_rate)

    def _measured(self, samples: np.ndarray, original: np.ndarray | None, name: str) -> dict[str, float]:
        scores = self.measure(samples, original)
        # Some give NaN, as for silence, which must not pass as a score
        broken = [rubric for rubric, value in scores.items() if not np.isfinite(value)]
        if broken:
            raise AudioError(f"{name}: {self.name} gives no number for {', '.join(broken)}")
        return scores


def load_peer(name: str) -> LoadedPeer:
    """Load a peer.

    Args:
        name: One of ``PEERS``; behind a slash what it asks for, such as ``versa/utmos``.

    Raises:
        UsageError: If there is no such peer, or it is not installed; the message says how to get it.
    """
    key, _, detail = name.partition("/")
    if key not in PEERS:
        raise UsageError(f"no peer {name!r}; known: {', '.join(PEERS)}")
    try:
        return LoadedPeer(name, PEERS[key], PEERS[key].load(detail))
    except (ImportError, FileNotFoundError) as error:
        raise UsageError(f"{PREFIX}{name}: {error}. Get it: {PEERS[key].install}") from error


def _nisqa(_: str) -> Measure:
    # Weights and packages are looked for now and not at the first clip.
    importlib.import_module("torchmetrics")
    importlib.import_module("librosa")
    if not teachers.NISQA_WEIGHTS.exists():
        raise FileNotFoundError(f"{teachers.NISQA_WEIGHTS}: no NISQA v2.0 weights")

    def measure(samples: np.ndarray, _: np.ndarray | None) -> dict[str, float]:
        rows, _states = teachers.nisqa(samples[None])
        return rows[0]

    return measure


def _distill_mos(_: str) -> Measure:
    if importlib.util.find_spec("distillmos") is None:
        raise ImportError("No module named 'distillmos'")
    return lambda samples, _: {"mos": teachers.distill_mos([samples], teachers.DISTILL_MOS_RATE)[0][0]}


def _dnsmos(_: str) -> Measure:
    dnsmos: Any = importlib.import_module("speechmos.dnsmos")
    places = [Path(dnsmos.__file__).parent / "dnsmos_models" / name for name in ("sig_bak_ovr.onnx", "model_v8.onnx")]
    model = dnsmos.dnsmos = dnsmos.DNSMOS(*map(str, places))
    # It would take every core, whatever the others are given
    model.onnx_sess, model.p808_onnx_sess = (teachers.onnx(place, torch.get_num_threads()) for place in places)

    def measure(samples: np.ndarray, _: np.ndarray | None) -> dict[str, float]:
        # Its input must lie within -1 to 1, which resampling may exceed by a hair.
        found = dnsmos.run(np.clip(samples, -1, 1), 16_000)
        return {
            "mos": float(found["ovrl_mos"]),
            "noisiness": float(found["bak_mos"]),
            "background_noise": float(found["bak_mos"]),
            "distortion_level": float(found["sig_mos"]),
        }

    return measure


def _pesq(_: str) -> Measure:
    pesq = importlib.import_module("pesq")

    def measure(samples: np.ndarray, original: np.ndarray | None) -> dict[str, float]:
        try:
            return {"mos": float(pesq.pesq(16_000, original, samples, "wb"))}
        except pesq.PesqError as error:
            raise AudioError(f"PESQ: {type(error).__name__} {error}") from error

    return measure


def _stoi(_: str) -> Measure:
    stoi = importlib.import_module("pystoi").stoi

    def measure(samples: np.ndarray, original: np.ndarray | None) -> dict[str, float]:
        value = float(stoi(original, samples, 10_000))
        return {"mos": value, "intelligibility": value}

    return measure


def _utmos(_: str) -> Measure:
    try:
        predictor: Any = torch.hub.load(f"tarepan/SpeechMOS:{UTMOS_REVISION}", "utmos22_strong", trust_repo=True)
    except (OSError, RuntimeError) as error:  # no network and not in torch's hub cache, or a broken download
        raise ImportError(f"tarepan/SpeechMOS could not be loaded ({error})") from error
    predictor.eval()

    def measure(samples: np.ndarray, _: np.ndarray | None) -> dict[str, float]:
        with torch.inference_mode():
            value = float(predictor(torch.from_numpy(samples)[None], 16_000)[0])
        return {"mos": value, "naturalness": value}

    return measure


def _utmosv2(_: str) -> Measure:
    predictor = importlib.import_module("utmosv2").create_model(pretrained=True)

    def measure(samples: np.ndarray, _: np.ndarray | None) -> dict[str, float]:
        # It hears random parts of a clip: their number and the seed are its own
        value = float(np.ravel(np.asarray(predictor.predict(data=np.asarray(samples, dtype=np.float32))))[0])
        return {"mos": value, "naturalness": value}

    return measure


def _scoreq(domain: str) -> Measure:
    """SCOREQ without a reference, which reads files: ``natural`` or ``synthetic`` speech."""
    soundfile = importlib.import_module("soundfile")
    if domain not in ("", "natural", "synthetic"):
        raise UsageError(f"{PREFIX}scoreq/{domain}: scoreq/natural or scoreq/synthetic is needed")
    predictor = importlib.import_module("scoreq").Scoreq(data_domain=domain or "natural", mode="nr")

    def measure(samples: np.ndarray, _: np.ndarray | None) -> dict[str, float]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "clip.wav"
            soundfile.write(path, samples, 16_000, subtype="FLOAT")
            value = float(predictor.predict(test_path=str(path), ref_path=None))
        return {"mos": value}

    return measure


def _audiobox_aesthetics(_: str) -> Measure:
    predictor = importlib.import_module("audiobox_aesthetics.infer").initialize_predictor()
    axes = {
        "PQ": "production_quality",
        "PC": "production_complexity",
        "CE": "content_enjoyment",
        "CU": "content_usefulness",
    }

    def measure(samples: np.ndarray, _: np.ndarray | None) -> dict[str, float]:
        (row,) = predictor.forward([{"path": torch.from_numpy(samples)[None], "sample_rate": 16_000}])
        # Its releases differ in whether a row is an object or its JSON.
        found = json.loads(row) if isinstance(row, str) else row
        return {rubric: float(found[axis]) for axis, rubric in axes.items()}

    return measure


def _versa(detail: str) -> Measure:
    """One of VERSA's scores, ``METRIC`` or ``METRIC:KEY`` if the metric gives several."""
    shared = importlib.import_module("versa.scorer_shared")
    name, _, key = (detail or "pseudo_mos:utmos").partition(":")
    try:
        suite = shared.VersaScorer().load_metrics([{"name": name}], use_gt=False)
    except AttributeError as error:
        raise ImportError(f"an older VERSA, without VersaScorer ({error})") from error
    if not suite.metrics:  # it logs why, and leaves the metric out
        raise ImportError(
            f"VERSA has no metric {name!r} that needs no original, or lacks what it takes; its log says why"
        )

    def measure(samples: np.ndarray, _: np.ndarray | None) -> dict[str, float]:
        facts = {"key": "clip", "sample_rate": 16_000, "text": None, "general_cache": {"whisper_hyp_text": None}}
        scores = suite.compute_all(predictions=samples, references=None, metadata=facts)[name]
        if scores is None:  # it logs the error and goes on
            raise AudioError(f"versa/{name} could not measure the clip; its log says why")
        found = scores if isinstance(scores, dict) else {name: scores}
        if key not in found and (key or len(found) != 1):
            raise AudioError(f"versa/{name} gives {', '.join(found) or 'nothing'}; choose one with versa/{name}:KEY")
        return {"mos": float(found[key or next(iter(found))])}

    return measure


def _length(_: str) -> Measure:
    # A control and no measure: what hangs on the length alone, which who reads haltingly stretches
    return lambda samples, _: dict.fromkeys(SPOKEN_RUBRICS, -float(np.log(len(samples) / 16_000)))


def _mean(detail: str) -> Measure:
    # A control too: it has the least error that can be had without listening
    if not detail:
        raise FileNotFoundError("mean/FILE is needed, the examples of a training")
    ratings: dict[str, list[float]] = {}
    for example in read_examples(Path(detail)):
        for rubric, value in example["scores"].items():
            ratings.setdefault(rubric, []).append(value)
    means = {rubric: float(np.mean(ratings[rubric])) for rubric in NISQA_RUBRICS if rubric in ratings}
    return lambda *_: dict(means)


_WITH_PIP = "pip install 'audio-judge[eval]'"
PEERS: dict[str, Peer] = {
    "nisqa": Peer(
        "NISQA v2.0: overall and four dimensions of speech (weights CC BY-NC-SA 4.0)",
        ("mos", "noisiness", "coloration", "discontinuity", "loudness"),
        48_000,
        f"{_WITH_PIP}, and nisqa.tar of gabrielmittag/NISQA as ~/.torchmetrics/NISQA/nisqa.tar",
        _nisqa,
        longest=50.0,
        shortest=0.2,
    ),
    "dnsmos": Peer(
        "DNSMOS P.835: overall, background and signal of enhanced speech",
        ("mos", "noisiness", "background_noise", "distortion_level"),
        16_000,
        _WITH_PIP,
        _dnsmos,
    ),
    "distill-mos": Peer(
        "Distill-MOS: overall quality of speech, small and fast",
        ("mos",),
        16_000,
        f"{_WITH_PIP} and pip install --no-deps distillmos",
        _distill_mos,
        longest=7.68,
    ),
    "pesq": Peer(
        "PESQ (ITU-T P.862.2, wide band): quality of coded speech against the original; MOS-LQO",
        ("mos",),
        16_000,
        "pip install 'audio-judge[peers]'",
        _pesq,
        scale=Scale(1.0, 4.6, "1-4.6"),
        needs_reference=True,
        shortest=0.25,
    ),
    "stoi": Peer(
        "STOI: intelligibility against the original, 0 to 1",
        ("mos", "intelligibility"),
        10_000,
        "pip install 'audio-judge[peers]'",
        _stoi,
        scale=Scale(0.0, 1.0, "0-1"),
        needs_reference=True,
        shortest=0.5,
    ),
    "utmos": Peer(
        "UTMOS (strong learner, 2022) by way of SpeechMOS: naturalness of synthesised speech",
        ("mos", "naturalness"),
        16_000,
        f"network access to github.com at the first use (torch.hub, tarepan/SpeechMOS {UTMOS_REVISION})",
        _utmos,
    ),
    "utmosv2": Peer(
        "UTMOSv2: naturalness of synthesised speech, the system that won the VoiceMOS Challenge 2024",
        ("mos", "naturalness"),
        16_000,
        "pip install git+https://github.com/sarulab-speech/UTMOSv2.git (it fetches its weights at the first use)",
        _utmosv2,
    ),
    "scoreq": Peer(
        "SCOREQ without reference, in ONNX: overall quality; scoreq/natural (the default) or scoreq/synthetic",
        ("mos",),
        16_000,
        "pip install scoreq (it fetches its weights at the first use)",
        _scoreq,
        longest=15.0,
    ),
    "audiobox-aesthetics": Peer(
        "Audiobox Aesthetics: four axes of speech, music and sound",
        ("production_quality", "production_complexity", "content_enjoyment", "content_usefulness"),
        16_000,
        "pip install 'audio-judge[aesthetics]'",
        _audiobox_aesthetics,
        scale=AES_DATA_SCALE,
    ),
    "length": Peer(
        "Control: the clip's length alone, minus the logarithm of its seconds, for rubrics of spoken language",
        tuple(SPOKEN_RUBRICS),
        16_000,
        "nothing to install",
        _length,
        scale=Scale(-9.0, 3.0, "its own"),
    ),
    "mean": Peer(
        "Control: the mean rating of a training, in its examples (mean/runs/own/examples.parquet), whatever the clip",
        tuple(NISQA_RUBRICS),
        16_000,
        "`audio-judge data` writes examples, and `train_sft.py` keeps them in its output folder",
        _mean,
    ),
    "versa": Peer(
        "One of VERSA's scores without reference as overall quality: versa/METRIC:KEY (default pseudo_mos:utmos)",
        ("mos",),
        16_000,
        "pip install git+https://github.com/wavlab-speech/versa.git, and what the metric needs by its installers",
        _versa,
        scale=Scale(0.0, 100.0, "its own"),
    ),
}
"""Name to peer."""
