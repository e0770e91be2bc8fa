"""Tiny backbones made on the spot: what the tests use where a user has pretrained ones."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    ASTFeatureExtractor,
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    PreTrainedTokenizerFast,
    Wav2Vec2FeatureExtractor,
    WhisperFeatureExtractor,
)

from audio_judge import (
    AudioJudgeDistillMosConfig,
    AudioJudgeEncoderConfig,
    AudioJudgeFeatureExtractor,
    AudioJudgeForCausalLM,
    AudioJudgeJoinedConfig,
    AudioJudgeLevelsConfig,
    AudioJudgeNisqaConfig,
    AudioJudgeProcessor,
    AudioJudgeSpokenConfig,
)
from audio_judge.configuration_audio_judge import frame_size
from audio_judge.modeling_audio_judge import WordsHead
from audio_judge.processing_audio_judge import WordsReader
from audio_judge.rubrics.rubric import RUBRICS

ENCODERS = (
    "audio_judge_encoder",
    "audio_judge_joined",
    "audio-spectrogram-transformer",
    "whisper",
    "wavlm",
    "pe_audio_encoder",
)
# The views of the joined encoder; the last is made for questions about fluency only
VIEWS = ("nisqa", "distill_mos", "mel", "whisper")
SPOKEN_WORD = "fluen"

# Wide enough that a tiny random model hears one clip differently from another
SPREAD = 0.15

WORDS = "user assistant system rate this audio score bad poor fair good excellent noisy clear A B C D E Yes No 1 2 3 4 5 . 0"


CHATML = ("<|pad|>", "<|im_start|>", "<|im_end|>")
LLAMA3 = ("<|pad|>", "<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>")


def make_tokenizer(merge_digits: bool = False, special: tuple[str, ...] = CHATML) -> PreTrainedTokenizerFast:
    """A byte-level BPE of a few hundred tokens; with `merge_digits`, "3.4" and its like are single tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not merge_digits)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [WORDS] * 5 + ([f"{value / 10:.1f}" for value in range(10, 51)] * 9 if merge_digits else [])
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=special[2], pad_token=special[0], padding_side="left"
    )


def audio_config(kind: str) -> Any:
    """The smallest configuration of each encoder that has all its parts."""
    size: dict[str, Any] = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
    }
    size |= {"initializer_range": SPREAD}
    if kind == "audio_judge_encoder":
        return AudioJudgeEncoderConfig(**size, num_mel_bins=64, conv_channels=[4, 4, 8, 8, 8])
    if kind == "audio_judge_joined":
        return joined_config()
    if kind == "audio-spectrogram-transformer":
        return AutoConfig.for_model(kind, **size, num_mel_bins=32, max_length=128, hidden_dropout_prob=0.0)
    if kind == "whisper":
        layers = {"encoder_layers": 2, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
        special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
        widths = {"d_model": 32, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "num_mel_bins": 16, "init_std": SPREAD}
        return AutoConfig.for_model(kind, **layers, **special, **widths, max_source_positions=100, vocab_size=100)
    if kind == "wavlm":
        convs = {"conv_dim": [16, 16], "conv_kernel": [10, 8], "conv_stride": [20, 16], "num_feat_extract_layers": 2}
        return AutoConfig.for_model(
            kind, **size, **convs, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2, layerdrop=0.0,
            apply_spec_augment=False, hidden_dropout=0.0, attention_dropout=0.0, feat_proj_dropout=0.0,
            activation_dropout=0.0,
        )  # fmt: skip
    dac: dict[str, Any] = {
        "encoder_hidden_size": 4,
        "hidden_size": 16,
        "codebook_dim": 4,
        "n_codebooks": 1,
        "codebook_size": 8,
    }
    dac |= {"downsampling_ratios": [2, 8, 10, 12], "model_type": "dac", "decoder_hidden_size": 16}
    return AutoConfig.for_model(kind, **size, head_dim=16, dac_config=dac)


def joined_config() -> AudioJudgeJoinedConfig:
    """One of each of our encoders that has a view of its own."""
    spread: dict[str, Any] = {"initializer_range": SPREAD, "num_hidden_layers": 1}
    channels = [4, 4, 8, 8, 8, 8]
    return AudioJudgeJoinedConfig(
        encoders=[
            AudioJudgeNisqaConfig(**spread, conv_channels=channels, hidden_size=16, pool_size=8, branch_size=16),
            AudioJudgeDistillMosConfig(
                **spread,
                conv_channels=channels,
                hidden_size=16,
                num_attention_heads=2,
                intermediate_size=32,
                pool_size=8,
            ),
            AudioJudgeLevelsConfig(),
            AudioJudgeSpokenConfig(
                **spread, hidden_size=16, num_attention_heads=2, intermediate_size=32, max_positions=200, num_scores=3
            ),
        ],
        initializer_range=SPREAD,
    )


def make_feature_extractor(kind: str) -> Any:
    """The feature extractor to match `audio_config(kind)`."""
    from transformers import PeAudioFeatureExtractor

    return {
        "audio_judge_encoder": lambda: AudioJudgeFeatureExtractor(),
        "audio_judge_joined": lambda: AudioJudgeFeatureExtractor(
            views=VIEWS, optional_words={"whisper": [SPOKEN_WORD]}
        ),
        "audio-spectrogram-transformer": lambda: ASTFeatureExtractor(num_mel_bins=32, max_length=128),
        "whisper": lambda: WhisperFeatureExtractor(feature_size=16, chunk_length=2),
        "wavlm": lambda: Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True),
        "pe_audio_encoder": lambda: PeAudioFeatureExtractor(),
    }[kind]()


def text_config(vocabulary: int, tie: bool = True, size: int = 64) -> Any:
    """A Llama of two layers; every Linear is a multiple of what 4-bit kernels need."""
    return AutoConfig.for_model(
        "llama", hidden_size=size, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, vocab_size=vocabulary, max_position_embeddings=2048, bos_token_id=None, eos_token_id=2,
        pad_token_id=0, tie_word_embeddings=tie, initializer_range=SPREAD,
    )  # fmt: skip


def make_backbones(
    folder: Path, kind: str = "audio_judge_encoder", tie: bool = True, size: int = 64, merge_digits: bool = False
) -> tuple[str, str]:
    """Writes an encoder and a language model as two pretrained folders, once; returns their paths."""
    audio, text = folder / f"audio-{kind}", folder / f"text-{tie}-{size}-{merge_digits}"
    if not audio.exists():
        torch.manual_seed(0)
        model = AutoModel.from_config(audio_config(kind))
        for name, weight in model.named_parameters():
            if "dac_encoder" in name and weight.ndim == 3:  # else its signal dies out on the way
                torch.nn.init.kaiming_normal_(weight)
        model.save_pretrained(audio)
        make_feature_extractor(kind).save_pretrained(audio)
    if not text.exists():
        tokenizer = make_tokenizer(merge_digits)
        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(text_config(len(tokenizer), tie, size)).save_pretrained(text)
        tokenizer.save_pretrained(text)
    return str(audio), str(text)


def make_judge(
    folder: Path,
    kind: str = "audio_judge_encoder",
    adapter: str = "pooled_linear",
    tie: bool = True,
    merge_digits: bool = False,
    **options: Any,
) -> tuple[AudioJudgeForCausalLM, AudioJudgeProcessor]:
    """A tiny judge and its processor, through `from_backbones`."""
    audio, text = make_backbones(folder, kind, tie, merge_digits=merge_digits)
    shape: dict[str, Any] = {"adapter": adapter, "adapter_tokens": 8}
    torch.manual_seed(0)
    model = AudioJudgeForCausalLM.from_backbones(audio, text, **shape, dtype=torch.float32, **options)
    return model.eval(), AudioJudgeProcessor.from_backbones(audio, text, **shape)


def add_words_head(model: Any, processor: Any, left: tuple[str, ...] = (), known: tuple[str, ...] = ()) -> None:
    """Give a tiny judge an untrained head for questions in any words, but for some that it knows or leaves to the rest."""
    torch.manual_seed(0)
    tokens = {
        token: number
        for number, token in enumerate(["[PAD]", "[UNK]", "is", "it", "how", "noisy", "clear", "bad", "good"])
    }
    backend = Tokenizer(models.WordLevel(tokens, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]")
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    model.config.words = {
        "text": shape | {"vocab_size": len(tokens)},
        "rank": 4,
        "things": ["hum", "echo", "clicks"],
        "channels": frame_size(model.config.audio_config),
        "hidden_size": 8,
        "spread": 0.2,
    }
    model.words_head = WordsHead(model.config.words).eval()
    with torch.no_grad():  # so that one clip differs from another, and texts ask about something
        for part in (
            model.words_head.normal,
            model.words_head.clip[3],
            model.words_head.direction[0],
            model.words_head.about[2],
        ):
            part.weight *= 30
        model.words_head.about[2].bias[-1] = -20
        model.words_head.presence.weight.fill_(3.0)
    questions = {"score": list(known), "noul": list(known), "span": list(known)}
    processor.words = WordsReader(
        tokenizer, {"questions": questions, "levels": [], "usual": [], "labels": [], "left": list(left)}
    )


def tone(seconds: float = 1.0, frequency: float = 440.0, sampling_rate: int = 48_000) -> np.ndarray:
    """A quiet sine with a little noise (samples,)."""
    time = np.arange(int(seconds * sampling_rate)) / sampling_rate
    noise = np.random.default_rng(int(frequency)).standard_normal(len(time))
    return (0.3 * np.sin(2 * np.pi * frequency * time) + 0.01 * noise).astype(np.float32)


def audio(seconds: float, sampling_rate: int, frequency: float = 440.0) -> dict[str, Any]:
    """The block of a message or of a state that holds a tone."""
    return {"type": "audio", "audio": tone(seconds, frequency, sampling_rate)}


def write_votes(root: Path) -> Path:
    """Write tones that three people marked, in the layout of `audio_judge.corpora.rated`."""
    root.mkdir(parents=True, exist_ok=True)
    rows = ["path,split,rubric,scale_low,scale_high,votes"]
    for index, split in enumerate(("train", "train", "train", "validation")):
        soundfile.write(root / f"{index}.wav", tone(0.6, 300.0 + 100 * index, 16_000), 16_000)
        rows += [f"{index}.wav,{split},{name},0,10,{4 + index} 5 6" for name in ("fluency", "prosodic")]
    (root / "ratings.csv").write_text("\n".join(rows) + "\n")
    return root


def write_targets(root: Path, kind: str) -> None:
    """Write targets of a kind for all clips of a simulated corpus."""
    for rows in root.glob("*/rows.jsonl"):
        indexes = [json.loads(line)["index"] for line in rows.read_text().splitlines()]
        targets = [{"index": index, "ratings": {"mos": 2.0 + index % 3, "noisiness": 3.0}} for index in indexes]
        text = "".join(json.dumps(row) + "\n" for row in targets)
        (rows.parent / f"targets_{kind}.jsonl").write_text(text)


def write_simulated(
    root: Path, clips: dict[str, int], causes: bool = True, references: bool = False, estoi: float | None = None
) -> Path:
    """Write tones, split to number, in the layout of `audio_judge.corpora.simulated`; with references, every other has one."""
    for split, number in clips.items():
        (root / split).mkdir(parents=True)
        rows = []
        for i in range(number):
            path = f"{split}/{i}.wav"
            soundfile.write(root / path, tone(0.4 + 0.1 * i, 300 + 200 * i), 48_000)
            row = {"index": i, "content": "speech", "source": "tones", "speaker": "", "states": "", "path": path}
            row |= {f"nisqa_{rubric}": 1.5 + 0.5 * i for rubric in RUBRICS}
            row |= {"distill_mos": 1.5 + 0.5 * i, "estoi": estoi, "reference": path if references and i % 2 else None}
            row["causes"] = [{"kind": "noise", "parameters": {"snr_db": 5.0}, "spans": []}] if causes else []
            rows.append(json.dumps(row))
        (root / split / "rows.jsonl").write_text("\n".join(rows) + "\n")
    return root


def write_corpora(folder: Path) -> Path:
    """Six training and three validation clips in the layout of `audio_judge.corpora.simulated`, with votes in `votes`."""
    root = write_simulated(folder, {"train": 6, "validation": 3}, references=True)
    write_targets(root, "open")
    write_votes(root / "votes")
    return root


def write_data_set(folder: Path, clips: dict[str, int]) -> Path:
    """Save tones, split to number, as a data set with the sounds inside; columns ``audio``, ``mos``, ``noisiness``."""
    from datasets import Dataset, DatasetDict

    splits = {}
    for place, (split, number) in enumerate(clips.items()):
        rows = []
        for i in range(number):
            file = io.BytesIO()
            soundfile.write(file, tone(0.4 + 0.1 * i, 300 + 200 * i + 50 * place), 48_000, format="WAV")
            audio = {"bytes": file.getvalue(), "path": f"{i}.wav"}
            rows.append({"audio": audio, "mos": 1.5 + 0.5 * i, "noisiness": 4.5 - 0.5 * i})
        splits[split] = Dataset.from_list(rows)
    DatasetDict(splits).save_to_disk(folder)
    return folder


# How a reader of tables reads them
DATA_SET_COLUMNS = 'columns={"path": "audio", "ratings": {"mos": "mos", "noisiness": "noisiness"}}'


def chat_inputs(processor: AudioJudgeProcessor, *prompts: list[dict[str, Any]], side: str = "left") -> dict[str, Any]:
    """A padded batch of one user turn per prompt, ready to be answered; a prompt is a list of blocks."""
    return dict(
        processor.apply_chat_template(
            [[{"role": "user", "content": blocks}] for blocks in prompts],
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            add_generation_prompt=True,
            processor_kwargs={"text_kwargs": {"padding": True, "padding_side": side}},
        )
    )


def check_same_logits(trainer: Any, saved: Any, inputs: dict[str, torch.Tensor]) -> None:
    """What was saved says what is in memory, to the precision of float32."""
    trained = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)  # without autocast
    for module in trained.modules():
        module.__dict__.pop("forward", None)  # an encoder that remembers what it heard does so in half precision
    with torch.no_grad():
        own, loaded = (model.float().eval()(**inputs).logits for model in (trained, saved))
    torch.testing.assert_close(loaded, own, atol=1e-4, rtol=1e-4)
