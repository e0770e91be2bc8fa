"""Audio Judge: a model that listens to audio and judges it in words and numbers, the way the person asking wants it judged."""

from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMultimodalLM,
    AutoProcessor,
)

from audio_judge.configuration_audio_judge import AudioJudgeConfig, AudioJudgeEncoderConfig
from audio_judge.modeling_audio_judge import AudioJudgeEncoder, AudioJudgeForCausalLM, AudioJudgeModel
from audio_judge.processing_audio_judge import AudioJudgeFeatureExtractor, AudioJudgeProcessor

AutoConfig.register("audio_judge", AudioJudgeConfig)
AutoConfig.register("audio_judge_encoder", AudioJudgeEncoderConfig)
AutoModel.register(AudioJudgeEncoderConfig, AudioJudgeEncoder)
for auto_class in (AutoModel, AutoModelForCausalLM, AutoModelForMultimodalLM):
    auto_class.register(AudioJudgeConfig, AudioJudgeForCausalLM)
AutoFeatureExtractor.register(AudioJudgeConfig, AudioJudgeFeatureExtractor)
AutoProcessor.register(AudioJudgeConfig, AudioJudgeProcessor)

__version__ = "0.1.0"

__all__ = [
    "AudioJudgeConfig",
    "AudioJudgeEncoder",
    "AudioJudgeEncoderConfig",
    "AudioJudgeFeatureExtractor",
    "AudioJudgeForCausalLM",
    "AudioJudgeModel",
    "AudioJudgeProcessor",
]
