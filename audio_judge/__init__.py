"""Audio Judge: a model that listens to audio and judges it in words and numbers, the way the person asking wants it judged."""

import importlib
import logging
from typing import TYPE_CHECKING, Any

from audio_judge.autoclasses import register_with_transformers
from audio_judge.version import __version__ as __version__

if TYPE_CHECKING:
    from audio_judge.analysis import Analysis as Analysis
    from audio_judge.analysis import analyze as analyze
    from audio_judge.configuration_audio_judge import AudioJudgeConfig as AudioJudgeConfig
    from audio_judge.configuration_audio_judge import AudioJudgeDistillMosConfig as AudioJudgeDistillMosConfig
    from audio_judge.configuration_audio_judge import AudioJudgeEncoderConfig as AudioJudgeEncoderConfig
    from audio_judge.configuration_audio_judge import AudioJudgeJoinedConfig as AudioJudgeJoinedConfig
    from audio_judge.configuration_audio_judge import AudioJudgeLevelsConfig as AudioJudgeLevelsConfig
    from audio_judge.configuration_audio_judge import AudioJudgeNisqaConfig as AudioJudgeNisqaConfig
    from audio_judge.configuration_audio_judge import AudioJudgeSpokenConfig as AudioJudgeSpokenConfig
    from audio_judge.judge.identity import UntrainedQuestionWarning as UntrainedQuestionWarning
    from audio_judge.judge.identity import UntrainedRubricWarning as UntrainedRubricWarning
    from audio_judge.judge.identity import UntrainedTaskError as UntrainedTaskError
    from audio_judge.judge.identity import UntrainedTaskWarning as UntrainedTaskWarning
    from audio_judge.judge.judge import AudioJudge as AudioJudge
    from audio_judge.judge.judgement import Authenticity as Authenticity
    from audio_judge.judge.judgement import Judgement as Judgement
    from audio_judge.judge.judgement import Preference as Preference
    from audio_judge.judge.judgement import Score as Score
    from audio_judge.judge.judgement import Window as Window
    from audio_judge.judge.requests import AnswerError as AnswerError
    from audio_judge.judge.requests import Request as Request
    from audio_judge.modeling_audio_judge import AudioJudgeDistillMosEncoder as AudioJudgeDistillMosEncoder
    from audio_judge.modeling_audio_judge import AudioJudgeEncoder as AudioJudgeEncoder
    from audio_judge.modeling_audio_judge import AudioJudgeForCausalLM as AudioJudgeForCausalLM
    from audio_judge.modeling_audio_judge import AudioJudgeJoinedEncoder as AudioJudgeJoinedEncoder
    from audio_judge.modeling_audio_judge import AudioJudgeLevelsEncoder as AudioJudgeLevelsEncoder
    from audio_judge.modeling_audio_judge import AudioJudgeModel as AudioJudgeModel
    from audio_judge.modeling_audio_judge import AudioJudgeNisqaEncoder as AudioJudgeNisqaEncoder
    from audio_judge.modeling_audio_judge import AudioJudgeSpokenEncoder as AudioJudgeSpokenEncoder
    from audio_judge.processing_audio_judge import AudioJudgeFeatureExtractor as AudioJudgeFeatureExtractor
    from audio_judge.processing_audio_judge import AudioJudgeProcessor as AudioJudgeProcessor
    from audio_judge.rubrics.calibration import CalibratedRubric as CalibratedRubric
    from audio_judge.rubrics.rubric import Rubric as Rubric
    from audio_judge.rubrics.rubric import Scale as Scale

# What the package gives, and where it is imported from when it is first asked for; type checkers read the imports above
_HOMES = {
    "Analysis": "analysis",
    "AnswerError": "judge.requests",
    "AudioJudge": "judge.judge",
    "AudioJudgeConfig": "configuration_audio_judge",
    "AudioJudgeEncoder": "modeling_audio_judge",
    "AudioJudgeEncoderConfig": "configuration_audio_judge",
    "AudioJudgeDistillMosConfig": "configuration_audio_judge",
    "AudioJudgeDistillMosEncoder": "modeling_audio_judge",
    "AudioJudgeJoinedConfig": "configuration_audio_judge",
    "AudioJudgeJoinedEncoder": "modeling_audio_judge",
    "AudioJudgeNisqaConfig": "configuration_audio_judge",
    "AudioJudgeNisqaEncoder": "modeling_audio_judge",
    "AudioJudgeFeatureExtractor": "processing_audio_judge",
    "AudioJudgeForCausalLM": "modeling_audio_judge",
    "AudioJudgeLevelsConfig": "configuration_audio_judge",
    "AudioJudgeLevelsEncoder": "modeling_audio_judge",
    "AudioJudgeModel": "modeling_audio_judge",
    "AudioJudgeProcessor": "processing_audio_judge",
    "AudioJudgeSpokenConfig": "configuration_audio_judge",
    "AudioJudgeSpokenEncoder": "modeling_audio_judge",
    "Authenticity": "judge.judgement",
    "CalibratedRubric": "rubrics.calibration",
    "Judgement": "judge.judgement",
    "Preference": "judge.judgement",
    "Request": "judge.requests",
    "Rubric": "rubrics.rubric",
    "Scale": "rubrics.rubric",
    "Score": "judge.judgement",
    "UntrainedQuestionWarning": "judge.identity",
    "UntrainedRubricWarning": "judge.identity",
    "UntrainedTaskError": "judge.identity",
    "UntrainedTaskWarning": "judge.identity",
    "Window": "judge.judgement",
    "analyze": "analysis",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """Import the module of a name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'audio_judge' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"audio_judge.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


register_with_transformers()
# bitsandbytes, which peft imports, looks on some CPUs for a kernel that needs a package nobody has to have, and complains
logging.getLogger("bitsandbytes.backends.cpu.ops").addFilter(lambda record: "kernels" not in record.getMessage())
