"""Native audio language models of transformers, tiny and random."""

import base64
import io

import soundfile
import torch
from tiny import make_tokenizer
from transformers import (
    AudioFlamingo3Config,
    AudioFlamingo3ForConditionalGeneration,
    AudioFlamingo3Processor,
    Gemma4AudioFeatureExtractor,
    Gemma4Config,
    Gemma4ForConditionalGeneration,
    Gemma4Processor,
    GlmAsrConfig,
    GlmAsrForConditionalGeneration,
    GlmAsrProcessor,
    GraniteSpeechConfig,
    GraniteSpeechFeatureExtractor,
    GraniteSpeechForConditionalGeneration,
    GraniteSpeechProcessor,
    MusicFlamingoConfig,
    MusicFlamingoForConditionalGeneration,
    MusicFlamingoProcessor,
    Phi4MultimodalConfig,
    Phi4MultimodalFeatureExtractor,
    Phi4MultimodalForCausalLM,
    Phi4MultimodalProcessor,
    PreTrainedTokenizerFast,
    Qwen2_5OmniProcessor,
    Qwen2_5OmniThinkerConfig,
    Qwen2_5OmniThinkerForConditionalGeneration,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
    Qwen3ASRConfig,
    Qwen3ASRFeatureExtractor,
    Qwen3ASRForConditionalGeneration,
    Qwen3ASRProcessor,
    Qwen3OmniMoeProcessor,
    Qwen3OmniMoeThinkerConfig,
    Qwen3OmniMoeThinkerForConditionalGeneration,
    VoxtralConfig,
    VoxtralForConditionalGeneration,
    VoxtralProcessor,
    WhisperFeatureExtractor,
)
from transformers.feature_extraction_sequence_utils import SequenceFeatureExtractor
from transformers.feature_extraction_utils import BatchFeature
from transformers.image_processing_base import ImageProcessingMixin

QWEN = {
    "audio_token": "<|AUDIO|>", "audio_bos_token": "<|audio_bos|>", "audio_eos_token": "<|audio_eos|>",
    "image_token": "<|IMAGE|>", "video_token": "<|VIDEO|>",
    "vision_bos_token": "<|vision_bos|>", "vision_eos_token": "<|vision_eos|>",
}  # fmt: skip


TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{% for block in message.content %}"
    "{% if block.type == 'audio' %}PLACEHOLDER{% else %}{{ block.text }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


TEXT = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 2048, "pad_token_id": 0, "eos_token_id": 2, "bos_token_id": None,
}  # fmt: skip


def tokenizer_with(*tokens, **named):
    tokenizer = make_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": [*tokens, *named.values()]})
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer._tokenizer, eos_token="<|im_end|>", pad_token="<|pad|>", padding_side="left",
        extra_special_tokens=named,
    )  # fmt: skip
    return wrapped


def feature_extractor():
    return WhisperFeatureExtractor(feature_size=16, chunk_length=2)


class VoxtralTokenizer(PreTrainedTokenizerFast):
    """What VoxtralProcessor wants of Mistral's tokenizer; 375 placeholders per 30 s."""

    def apply_chat_template(self, conversations, **_):
        rows, clips = [], []
        for conversation in conversations:
            ids = []
            for block in conversation[-1]["content"]:
                if block["type"] == "audio":
                    samples, _ = soundfile.read(io.BytesIO(base64.b64decode(block["base64"])), dtype="float32")
                    clips.append(samples)
                    ids += [self.convert_tokens_to_ids("[AUDIO]")] * 375
                else:
                    ids += self(block["text"], add_special_tokens=False)["input_ids"]
            rows.append([*ids, 1])
        return {"input_ids": rows, "attention_mask": [[1] * len(row) for row in rows], "audio": clips}


class WithoutImages:
    """Leaves out the image and video parts of a processor, which need torchvision and are not used."""

    def check_argument_for_proper_class(self, argument_name, argument):
        if argument_name not in ("image_processor", "video_processor"):
            super().check_argument_for_proper_class(argument_name, argument)


class OmniProcessor(WithoutImages, Qwen2_5OmniProcessor):
    """Of Qwen2.5-Omni."""


class OmniMoeProcessor(WithoutImages, Qwen3OmniMoeProcessor):
    """Of Qwen3-Omni."""


class PhiProcessor(WithoutImages, Phi4MultimodalProcessor):
    """Of Phi-4 multimodal."""


def omni():
    tokenizer = tokenizer_with(**QWEN)
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in QWEN.items()}
    config = Qwen2_5OmniThinkerConfig(
        audio_config={"num_mel_bins": 16, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 32,
                      "d_model": 16, "max_source_positions": 100, "n_window": 50, "output_dim": 32},
        vision_config={"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 32,
                       "fullatt_block_indexes": [0]},
        text_config=TEXT | {"vocab_size": len(tokenizer), "rope_parameters": {
            "rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]}},
        audio_token_index=ids["audio_token"], image_token_index=ids["image_token"],
        video_token_index=ids["video_token"], audio_start_token_id=ids["audio_bos_token"],
        audio_end_token_id=ids["audio_eos_token"], user_token_id=5, vision_start_token_id=ids["vision_bos_token"],
        vision_end_token_id=ids["vision_eos_token"],
    )  # fmt: skip
    processor = OmniProcessor(
        ImageProcessingMixin(), None, feature_extractor(), tokenizer,
        chat_template=TEMPLATE.replace("PLACEHOLDER", "<|audio_bos|><|AUDIO|><|audio_eos|>"),
    )  # fmt: skip
    return Qwen2_5OmniThinkerForConditionalGeneration(config), processor


def qwen2_audio(**text):
    tokenizer = tokenizer_with(**QWEN)
    audio = {"num_mel_bins": 16, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 32,
             "d_model": 16, "max_source_positions": 100, "model_type": "qwen2_audio_encoder"}  # fmt: skip
    config = Qwen2AudioConfig(
        audio_config=audio, text_config=TEXT | {"vocab_size": len(tokenizer), "model_type": "qwen2"} | text,
        audio_token_index=tokenizer.convert_tokens_to_ids("<|AUDIO|>"),
    )  # fmt: skip
    processor = Qwen2AudioProcessor(
        feature_extractor(),
        tokenizer,
        chat_template=TEMPLATE.replace("PLACEHOLDER", "<|audio_bos|><|AUDIO|><|audio_eos|>"),
    )
    return Qwen2AudioForConditionalGeneration(config), processor


def flamingo():
    tokenizer = tokenizer_with("<sound>")
    audio = {"num_mel_bins": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
             "hidden_size": 16, "max_source_positions": 100, "model_type": "audioflamingo3_encoder"}  # fmt: skip
    config = AudioFlamingo3Config(
        audio_config=audio, text_config=TEXT | {"vocab_size": len(tokenizer), "model_type": "qwen2"},
        audio_token_id=tokenizer.convert_tokens_to_ids("<sound>"),
    )  # fmt: skip
    template = TEMPLATE.replace("PLACEHOLDER", "<sound>")
    processor = AudioFlamingo3Processor(feature_extractor(), tokenizer, chat_template=template)
    return AudioFlamingo3ForConditionalGeneration(config), processor


def voxtral():
    tokenizer = VoxtralTokenizer(
        tokenizer_object=make_tokenizer()._tokenizer, eos_token="<|im_end|>", pad_token="<|pad|>",
        additional_special_tokens=["[AUDIO]"],
    )  # fmt: skip
    audio = {"num_mel_bins": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64,
             "hidden_size": 16, "max_source_positions": 1500, "vocab_size": 10}  # fmt: skip
    config = VoxtralConfig(
        audio_config=audio, text_config=TEXT | {"vocab_size": len(tokenizer), "model_type": "llama"},
        audio_token_id=tokenizer.convert_tokens_to_ids("[AUDIO]"),
    )  # fmt: skip
    return VoxtralForConditionalGeneration(config), VoxtralProcessor(feature_extractor(), tokenizer)


def omni_moe():
    tokenizer = tokenizer_with(**QWEN)
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in QWEN.items()}
    config = Qwen3OmniMoeThinkerConfig(
        audio_config={"num_mel_bins": 16, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 32,
                      "d_model": 16, "max_source_positions": 100, "n_window": 50, "n_window_infer": 100, "output_dim": 32,
                      "downsample_hidden_size": 8, "initializer_range": 0.3},
        vision_config={"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 32,
                       "deepstack_visual_indexes": [0], "num_position_embeddings": 16},
        text_config=TEXT | {"vocab_size": len(tokenizer), "num_experts": 2, "num_experts_per_tok": 1, "head_dim": 8,
                            "moe_intermediate_size": 16, "rope_parameters": {
            "rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]}},
        audio_token_id=ids["audio_token"], image_token_id=ids["image_token"], video_token_id=ids["video_token"],
        audio_start_token_id=ids["audio_bos_token"], user_token_id=5, vision_start_token_id=ids["vision_bos_token"],
    )  # fmt: skip
    processor = OmniMoeProcessor(
        ImageProcessingMixin(), None, feature_extractor(), tokenizer,
        chat_template=TEMPLATE.replace("PLACEHOLDER", "<|audio_bos|><|AUDIO|><|audio_eos|>"),
    )  # fmt: skip
    return Qwen3OmniMoeThinkerForConditionalGeneration(config), processor


def glm():
    tokenizer = tokenizer_with("<|sound|>")
    audio = {"num_mel_bins": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64,
             "hidden_size": 16, "max_position_embeddings": 100, "model_type": "glmasr_encoder"}  # fmt: skip
    config = GlmAsrConfig(
        audio_config=audio, text_config=TEXT | {"vocab_size": len(tokenizer), "model_type": "llama"},
        audio_token_id=tokenizer.convert_tokens_to_ids("<|sound|>"),
    )  # fmt: skip
    template = TEMPLATE.replace("PLACEHOLDER", "<|sound|>")
    processor = GlmAsrProcessor(feature_extractor(), tokenizer, chat_template=template, audio_token="<|sound|>")
    return GlmAsrForConditionalGeneration(config), processor


def phi():
    named = {"image_token": "<|image|>", "audio_token": "<|audio|>"}
    tokenizer = tokenizer_with(**named)
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in named.items()}
    audio = {"num_blocks": 1, "hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2,
             "ext_pw_out_channel": 16, "depthwise_separable_out_channel": 16, "nemo_conv_channels": 8, "input_size": 80,
             "audio_token_id": ids["audio_token"], "feature_layer": -1}  # fmt: skip
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
              "image_size": 28, "crop_size": 28, "image_token_id": ids["image_token"]}  # fmt: skip
    config = Phi4MultimodalConfig(audio_config=audio, vision_config=vision, **TEXT, vocab_size=len(tokenizer))
    template = TEMPLATE.replace("PLACEHOLDER", "<|audio|>")
    processor = PhiProcessor(
        ImageProcessingMixin(), Phi4MultimodalFeatureExtractor(), tokenizer, chat_template=template
    )
    return Phi4MultimodalForCausalLM(config), processor


class Gemma4WithoutImages(WithoutImages, Gemma4Processor):
    """Of Gemma 4."""


def gemma():
    named = {f"{name}_token": f"<|{name}|>" for name in ("image", "boi", "eoi", "audio", "boa", "eoa", "video")}
    tokenizer = tokenizer_with(**named)
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in named.items()}
    audio = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "output_proj_dims": 16,
             "subsampling_conv_channels": [128, 4]}  # fmt: skip
    text = {"vocab_size": len(tokenizer), "vocab_size_per_layer_input": len(tokenizer), "hidden_size_per_layer_input": 4,
            "head_dim": 8, "global_head_dim": 8, "num_kv_shared_layers": 0, "layer_types": ["full_attention"]}  # fmt: skip
    config = Gemma4Config(
        text_config=TEXT | text, audio_config=audio, vision_config=None, audio_token_id=ids["audio_token"],
        image_token_id=ids["image_token"], boa_token_id=ids["boa_token"], boi_token_id=ids["boi_token"],
    )  # fmt: skip
    processor = Gemma4WithoutImages(
        Gemma4AudioFeatureExtractor(), ImageProcessingMixin(), tokenizer, None,
        chat_template=TEMPLATE.replace("PLACEHOLDER", "<|audio|>"),
    )  # fmt: skip
    return Gemma4ForConditionalGeneration(config), processor


class GraniteFeatures(GraniteSpeechFeatureExtractor):
    """Granite Speech's own need torchaudio: the same shapes, of logarithms of plain magnitudes."""

    def __init__(self):
        SequenceFeatureExtractor.__init__(self, feature_size=80, sampling_rate=16_000, padding_value=0.0)
        self.melspec_kwargs = {"hop_length": 160}
        self.projector_window_size, self.projector_downsample_rate = 15, 5

    def __call__(self, audios, device="cpu"):
        audio, lengths = self._get_audios_and_audio_lengths(audios)
        spectrum = torch.stft(audio.float(), 158, 160, window=torch.hann_window(158), return_complex=True)
        bands = spectrum.abs().clamp(min=1e-5).log10().transpose(1, 2)  # (clips, frames, 80)
        bands = bands[:, : bands.shape[1] // 2 * 2]
        sizes = self._get_num_audio_features(lengths)
        mask = torch.arange(max(sizes))[None] < torch.tensor(sizes)[:, None]
        features = {"input_features": bands.reshape(len(bands), -1, 160), "input_features_mask": mask}
        return BatchFeature(features | {"audio_embed_sizes": sizes})


def granite():
    """Its template takes text only, as that of the real one, and its features are called otherwise."""
    tokenizer = tokenizer_with("<|audio|>")
    encoder = {"input_dim": 160, "num_layers": 2, "hidden_dim": 16, "feedforward_mult": 2, "num_heads": 2, "dim_head": 8,
               "output_dim": 8, "context_size": 20, "max_pos_emb": 32, "model_type": "granite_speech_encoder"}  # fmt: skip
    projector = {"model_type": "blip_2_qformer", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
                 "intermediate_size": 32, "encoder_hidden_size": 16, "cross_attention_frequency": 1,
                 "vocab_size": 8}  # fmt: skip
    config = GraniteSpeechConfig(
        text_config=TEXT | {"vocab_size": len(tokenizer), "model_type": "granite"}, encoder_config=encoder,
        projector_config=projector, audio_token_index=tokenizer.convert_tokens_to_ids("<|audio|>"),
        has_lora_adapter=False,
    )  # fmt: skip
    template = (
        "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}"
        "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    processor = GraniteSpeechProcessor(GraniteFeatures(), tokenizer, chat_template=template)
    return GraniteSpeechForConditionalGeneration(config), processor


def music_flamingo():
    named = {"audio_token_id": "<sound>", "audio_bos_token_id": "<|sound_bos|>", "audio_eos_token_id": "<|sound_eos|>"}
    tokenizer = tokenizer_with(*named.values())
    audio = {"num_mel_bins": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
             "hidden_size": 16, "max_source_positions": 100, "model_type": "audioflamingo3_encoder"}  # fmt: skip
    config = MusicFlamingoConfig(
        audio_config=audio, text_config=TEXT | {"vocab_size": len(tokenizer), "model_type": "qwen2"},
        **{name: tokenizer.convert_tokens_to_ids(token) for name, token in named.items()},
    )  # fmt: skip
    template = TEMPLATE.replace("PLACEHOLDER", "<sound>")
    processor = MusicFlamingoProcessor(feature_extractor(), tokenizer, chat_template=template)
    return MusicFlamingoForConditionalGeneration(config), processor


def qwen3_asr():
    named = {"audio_token": "<|audio_pad|>", "audio_bos_token": "<|audio_start|>", "audio_eos_token": "<|audio_end|>"}
    tokenizer = tokenizer_with(**named)
    audio = {"num_mel_bins": 16, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 32, "d_model": 16,
             "max_source_positions": 100, "n_window": 50, "n_window_infer": 100, "output_dim": 32,
             "downsample_hidden_size": 8, "initializer_range": 0.3}  # fmt: skip
    config = Qwen3ASRConfig(
        audio_config=audio, text_config=TEXT | {"vocab_size": len(tokenizer), "head_dim": 8, "model_type": "qwen3"},
        audio_token_id=tokenizer.convert_tokens_to_ids("<|audio_pad|>"),
    )  # fmt: skip
    template = TEMPLATE.replace("PLACEHOLDER", "<|audio_start|><|audio_pad|><|audio_end|>")
    processor = Qwen3ASRProcessor(Qwen3ASRFeatureExtractor(feature_size=16), tokenizer, chat_template=template)
    return Qwen3ASRForConditionalGeneration(config), processor


# Those that are trained in the tests, and those that are asked only
NATIVE = {"qwen2_5_omni": omni, "qwen2_audio": qwen2_audio, "audioflamingo3": flamingo, "voxtral": voxtral}
ASKED = NATIVE | {
    "qwen3_omni_moe": omni_moe, "glmasr": glm, "phi4_multimodal": phi, "gemma4": gemma, "granite_speech": granite,
    "musicflamingo": music_flamingo, "qwen3_asr": qwen3_asr,
}  # fmt: skip
# A prompt of these holds one clip
ONE_CLIP = ("audioflamingo3", "musicflamingo", "glmasr", "qwen3_asr")
