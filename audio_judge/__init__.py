"""Audio Judge: a model that listens to audio and judges it in words and numbers, the way the person asking wants it judged."""

import importlib
import sys
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audio_judge.version import __version__ as __version__

if TYPE_CHECKING:
    from audio_judge.analyze import Analysis, analyze
    from audio_judge.configuration_audio_judge import AudioJudgeConfig, AudioJudgeEncoderConfig
    from audio_judge.judge.identity import UntrainedRubricWarning
    from audio_judge.judge.judge import AudioJudge
    from audio_judge.judge.judgement import Authenticity, Judgement, Preference, Score, Window
    from audio_judge.judge.requests import Request
    from audio_judge.modeling_audio_judge import AudioJudgeEncoder, AudioJudgeForCausalLM, AudioJudgeModel
    from audio_judge.processing_audio_judge import AudioJudgeFeatureExtractor, AudioJudgeProcessor
    from audio_judge.rubrics.calibration import CalibratedRubric
    from audio_judge.rubrics.rubric import Rubric, Scale

__all__ = [
    "Analysis",
    "AudioJudge",
    "AudioJudgeConfig",
    "AudioJudgeEncoder",
    "AudioJudgeEncoderConfig",
    "AudioJudgeFeatureExtractor",
    "AudioJudgeForCausalLM",
    "AudioJudgeModel",
    "AudioJudgeProcessor",
    "Authenticity",
    "CalibratedRubric",
    "Judgement",
    "Preference",
    "Request",
    "Rubric",
    "Scale",
    "Score",
    "UntrainedRubricWarning",
    "Window",
    "analyze",
]


def load() -> None:
    """Import all of the library, and register its classes for transformers' ``Auto`` classes.

    ``import audio_judge`` does this at once, so that a bare import is enough for ``AutoModel.from_pretrained`` to know a
    judge. Only a process that runs the command ``audio-judge`` waits until it needs to: its ``--help`` comes without torch.
    """
    library = importlib.import_module("audio_judge.autoclasses")
    globals().update({name: vars(library)[name] for name in __all__})


def __getattr__(name: str) -> Any:
    """Load the library for the first name of it that is asked for."""
    if name not in __all__:
        raise AttributeError(f"module 'audio_judge' has no attribute {name!r}")
    load()
    return globals()[name]


def _is_command(words: Sequence[str]) -> bool:
    """Whether the process runs ``audio-judge`` or ``python -m audio_judge``, by its command line."""
    options = list(takewhile(lambda word: word.startswith("-"), words[1:]))
    program = words[1 + len(options) :][:1]
    return list(program) == ["audio_judge"] if options[-1:] == ["-m"] else Path(*program).name == "audio-judge"


if not _is_command(sys.orig_argv):
    load()
