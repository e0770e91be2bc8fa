"""What ``import audio_judge`` gives, and the registration of its classes for transformers' ``Auto`` classes."""

# ruff: noqa: F401 - what is imported here is what `audio_judge` gives; its names are in `audio_judge.__all__`

from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForDecision,
    AutoModelForMultimodalLM,
    AutoProcessor,
)

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

AutoConfig.register("audio_judge", AudioJudgeConfig)
AutoConfig.register("audio_judge_encoder", AudioJudgeEncoderConfig)
AutoModel.register(AudioJudgeEncoderConfig, AudioJudgeEncoder)
for auto_class in (AutoModel, AutoModelForCausalLM, AutoModelForDecision, AutoModelForMultimodalLM):
    auto_class.register(AudioJudgeConfig, AudioJudgeForCausalLM)
AutoFeatureExtractor.register(AudioJudgeConfig, AudioJudgeFeatureExtractor)
AutoFeatureExtractor.register(AudioJudgeEncoderConfig, AudioJudgeFeatureExtractor)
AutoProcessor.register(AudioJudgeConfig, AudioJudgeProcessor)
