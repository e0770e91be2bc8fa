"""Scores of spoken language: heads on the first layers of Whisper's encoder, fitted to people's votes.

    python train_backbones.py votes --ratings ratings.csv --whisper openai/whisper-base --output runs/spoken

Speech recognisers hear how something is said, which quality encoders do not, and already their third layer tells fluent from
halting readers. The layers stay as they are; each rubric is a line through the mean and the deviation of their states, of speech
and of all, the share of pauses and the logarithm of the duration, fitted by ridge regression: nothing here is random. What
silence before a clip, or its level, changes in the states is held against a weight, since Whisper's states know where they are in
a clip and people do not care; votes of others are met better for it. Small networks on the same numbers brought less than .01.

Audio is heard at its true length, not padded to 30 s. Left out: tuning Whisper's layers.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import WhisperModel

from audio_judge.audio import read_audio, resample
from audio_judge.clips import RatedClip, Rating
from audio_judge.configuration_audio_judge import AudioJudgeSpokenConfig
from audio_judge.corpora.rated import read_rated
from audio_judge.corpora.simulated import HUMAN, MADE_UP, read_simulated
from audio_judge.modeling_audio_judge import AudioJudgeSpokenEncoder, SpokenScores
from audio_judge.processing_audio_judge import AudioJudgeFeatureExtractor

RUBRICS = ("fluency", "prosody", "accuracy", "completeness", "total", "word_intelligibility")
NATURALNESS = "naturalness"
WHISPER_ATTRIBUTION = "Whisper base, OpenAI, github.com/openai/whisper, MIT license; its first convolutions and layers"
VOTE_ATTRIBUTIONS = (
    "votes and speech of speechocean762 (Zhang et al., Interspeech 2021), CC BY 4.0",
    "votes and speech of the English Consistent Confusion Corpus 1.2 (University of Sheffield), CC BY 4.0",
)
RATE = 48_000
FRAME_SECONDS = 0.04
PENALTIES = (100.0, 300.0, 1000.0, 3000.0, 10_000.0, 30_000.0)
# The duration is one number beside a thousand states, which a ridge would hold down as much as any of them
DURATION_WEIGHT = 3.0
# A frame is speech if it is louder than this part of the way, in dB, from the quietest to the loudest ones
SPEECH_LEVEL = 0.35
# Quieter than this below the loudest, in dB, is silence and not the background
QUIETEST = 54.0
LARGEST_SCORE = 4.0
# Every so manieth clip is heard changed, too, and how dear it is if that moves a score, against being wrong about one
CHANGED = 18
STILLNESS = 30.0


class WhisperStates:
    """The first layers of Whisper's encoder as a judge hears with them, and scores of them that are still to be fitted.

    Args:
        place: Folder or Hub id of a Whisper model.
        scores: Number of rubrics.
        layers: How many of its layers to keep.
    """

    def __init__(self, place: str | Path, scores: int, layers: int = 3) -> None:
        whisper = WhisperModel.from_pretrained(place, dtype=torch.float32).encoder
        config = whisper.config
        self.encoder = AudioJudgeSpokenEncoder(
            AudioJudgeSpokenConfig(
                num_mel_bins=config.num_mel_bins,
                hidden_size=config.d_model,
                num_hidden_layers=layers,
                num_attention_heads=config.encoder_attention_heads,
                intermediate_size=config.encoder_ffn_dim,
                max_positions=config.max_source_positions,
                num_scores=scores,
                license="mit",
                attributions=[WHISPER_ATTRIBUTION, *VOTE_ATTRIBUTIONS],
            )
        ).eval()
        # What comes after the last of the layers is left as it is
        kept = self.encoder.encoder.state_dict()
        self.encoder.encoder.load_state_dict({name: whisper.state_dict()[name] for name in kept})
        self.extractor = AudioJudgeFeatureExtractor(views=["whisper"])

    @torch.inference_mode()
    def __call__(self, samples: np.ndarray) -> torch.Tensor:
        """Mono audio (samples,) at 48 kHz to states (frames, size), one every 40 ms."""
        features = self.extractor(samples, return_tensors="pt")["input_features"]
        return self.encoder.hear(features)[0].clone()


@dataclass
class _Heard:
    """A clip with its states (frames, size), which of them are loud (frames,), and ratings by rubric.

    ``alike`` are its states after changes that must not change a score.
    """

    states: torch.Tensor
    loud: torch.Tensor
    ratings: Mapping[str, float]
    seconds: float
    split: str
    alike: Sequence[torch.Tensor] = ()


def train_votes(
    ratings: Path,
    whisper: str | Path,
    output: Path,
    *,
    corpus: Path | None = None,
    corpus_clips: int = 800,
) -> dict[str, Any]:
    """Fit the heads on the clips of ``train``, choose each rubric's penalty on ``validation``, and tell how ``test`` does.

    Args:
        ratings: Table that ``audio_judge.corpora.rated`` reads.
        whisper: Folder or Hub id of Whisper base.
        output: Folder for the encoder, its feature extractor and ``votes.json``.
        corpus: Simulated corpus, for ``naturalness`` of synthetic voices, vocoders and undisturbed speech; None for none.
        corpus_clips: At most so many clips of it to train on.

    Returns:
        What ``votes.json`` holds: the rubrics in order, of each the mean and deviation that its score is in, the chosen
        penalty, and on ``test`` the Pearson correlation, the partial one beyond log seconds and that of length alone.
    """
    names = list(RUBRICS)
    read = list(read_rated(ratings))
    if corpus is not None:
        read += natural_clips(corpus, corpus_clips)
        names.append(NATURALNESS)
    hear = WhisperStates(whisper, len(names))
    clips = [_heard(clip, hear, changed=index % CHANGED == 0) for index, clip in enumerate(read)]
    found = {"rubrics": names, "report": fit(hear.encoder.scores, clips, names)}
    hear.encoder.save_pretrained(output)
    hear.extractor.save_pretrained(output)
    (output / "votes.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return found


def _heard(clip: RatedClip, hear: WhisperStates, changed: bool) -> _Heard:
    audio = read_audio(clip.path)
    samples = resample(audio.samples, audio.sampling_rate, RATE)
    states = hear(samples)
    ratings = {name: rating.value for name, rating in clip.ratings.items()}
    alike = [hear(other).half() for other in _changed(samples)] if changed and clip.split == "train" else ()
    return _Heard(states.half(), loud_frames(samples, len(states)), ratings, audio.seconds, clip.split, alike)


def _changed(samples: np.ndarray) -> list[np.ndarray]:
    """The same clip later, with silence on both sides, and quieter: Whisper's states tell these apart, and people do not."""
    silence = [np.zeros(round(RATE * seconds), np.float32) for seconds in (0.3, 0.5, 1.2)]
    return [
        np.concatenate([silence[2], samples]),
        np.concatenate([silence[0], samples, silence[1]]),
        0.5 * samples,
    ]


def loud_frames(samples: np.ndarray, frames: int) -> torch.Tensor:
    """Which frames of 40 ms are loud enough to be speech, (frames,), from the level of the mono audio alone."""
    size = round(RATE * FRAME_SECONDS)
    padded = np.pad(samples[: frames * size], (0, max(0, frames * size - len(samples))))
    levels = 10 * np.log10((padded.reshape(frames, size) ** 2).mean(1) + 1e-9)  # dBFS
    quiet, loud = np.quantile(levels, [0.05, 0.95])
    quiet = max(quiet, loud - QUIETEST)
    return torch.from_numpy(levels > quiet + SPEECH_LEVEL * (loud - quiet))


def natural_clips(corpus: Path, most: int) -> Iterator[RatedClip]:
    """Clips of a simulated corpus that tell about ``naturalness``: machines' voices, vocoders, and people undisturbed.

    The rating is Distill-MOS's, which alone follows listeners on synthetic voices; of a vocoder it is the mean with its known
    severity (5 for an amount of 0, 1 for 1).
    """
    counts = dict.fromkeys(("train", "validation", "test"), 0)
    for clip in read_simulated(corpus, None):
        content, vocoders = clip.extra["content"], [cause for cause in clip.causes if cause.kind == "vocoder"]
        speaks = content in MADE_UP or (content in HUMAN and (vocoders or not clip.causes))
        if not speaks or counts[clip.split] == most:
            continue
        counts[clip.split] += 1
        known = [5 - 4 * float(cause.parameters["amount"]) for cause in vocoders]
        value = (min(max(clip.extra["distill_mos"], 1), 5) + sum(known)) / (1 + len(known))
        yield replace(clip, ratings={NATURALNESS: Rating(value)})


@torch.no_grad()
def fit(heads: SpokenScores, clips: Sequence[_Heard], names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Fill in the heads' weights; gives what ``train_votes`` reports, by rubric."""
    train = [clip for clip in clips if clip.split == "train"]
    _fit_speech(heads, [clip for clip in train if "fluency" in clip.ratings])
    pooled = np.concatenate([_pooled(heads, clip.states) for clip in clips])  # (clips, 4 * size + 2)
    moved = np.concatenate(
        [_pooled(heads, other) - row for clip, row in zip(clips, pooled, strict=True) for other in clip.alike]
        or [np.zeros_like(pooled[:1])]
    )
    report = {}
    for place, name in enumerate(names):
        known = [index for index, clip in enumerate(clips) if name in clip.ratings]
        splits = np.array([clips[index].split for index in known])
        truth = np.array([clips[index].ratings[name] for index in known])
        length = np.log([clips[index].seconds for index in known])
        weight, bias, report[name] = _fit_rubric(pooled[known], moved, truth, splits)
        heads.scores.weight[place] = torch.from_numpy(weight).float()
        heads.scores.bias[place] = bias
        test = splits == "test"
        found = np.clip(pooled[known] @ weight + bias, -LARGEST_SCORE, LARGEST_SCORE)[test]
        report[name] |= {"test_clips": int(test.sum())} | _agreement(found, truth[test], length[test])
    return report


def _fit_speech(heads: SpokenScores, clips: Sequence[_Heard]) -> None:
    # Every fourth frame: neighbours are alike
    states = torch.cat([clip.states[::4] for clip in clips]).double()
    loud = torch.cat([clip.loud[::4] for clip in clips]).double() * 2 - 1  # (frames,), -1 or 1
    mean, scale = states.mean(0), states.std(0) + 1e-6
    states = (states - mean) / scale
    gram = states.T @ states + 0.01 * len(states) * torch.eye(states.shape[1], dtype=torch.float64)
    weight = torch.linalg.solve(gram, states.T @ (loud - loud.mean())) / scale
    heads.speech.weight[0] = weight.float()
    heads.speech.bias[0] = float(loud.mean() - mean @ weight)


def _pooled(heads: SpokenScores, states: torch.Tensor) -> np.ndarray:
    states = states[None].float()
    return heads.pool(states).double().numpy()


def _fit_rubric(
    pooled: np.ndarray, moved: np.ndarray, truth: np.ndarray, splits: np.ndarray
) -> tuple[np.ndarray, float, dict[str, float]]:
    """Ridge regression on ``train`` with the penalty that does best on ``validation``: weight, bias, and what was chosen."""
    train, validation = splits == "train", splits == "validation"
    mean, scale = pooled[train].mean(0), pooled[train].std(0) + 1e-6
    scale[-1] /= DURATION_WEIGHT
    inputs = (pooled - mean) / scale
    middle, spread = float(truth[train].mean()), float(truth[train].std())
    steps = moved / scale
    # Directions in which a score must not go cost more than others
    held = STILLNESS * train.sum() / len(steps) * steps.T @ steps
    gram, moments = inputs[train].T @ inputs[train], inputs[train].T @ ((truth[train] - middle) / spread)
    found = {}
    for penalty in PENALTIES:
        weight = np.linalg.solve(gram + held + penalty * np.eye(len(gram)), moments)
        found[penalty] = pearson_correlation(inputs[validation] @ weight, truth[validation]), weight
    penalty = max(found, key=lambda one: found[one][0])
    weight = found[penalty][1] / scale
    chosen = {"mean": middle, "deviation": spread, "penalty": penalty, "validation": round(found[penalty][0], 3)}
    return weight, -float(mean @ weight), chosen


def _agreement(found: np.ndarray, truth: np.ndarray, length: np.ndarray) -> dict[str, float]:
    by_length = np.polyfit(length, found, 1), np.polyfit(length, truth, 1)
    left = [values - np.polyval(line, length) for values, line in zip((found, truth), by_length, strict=True)]
    figures = {
        "test": pearson_correlation(found, truth),
        "test_beyond_length": pearson_correlation(*left),
        "test_length_alone": pearson_correlation(-length, truth),
    }
    return {name: round(value, 3) for name, value in figures.items()}


def pearson_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's correlation of two arrays (items,)."""
    return float(np.corrcoef(first, second)[0, 1])
