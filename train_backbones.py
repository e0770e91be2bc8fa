# /// script
# requires-python = ">=3.11"
# dependencies = ["audio-judge[train]"]
# ///
"""Makes the backbones of the shipped judges: encoders that know quality, and a small untrained language model.

    python -m audio_judge.corpora.simulate --data DATA --out CORPUS --split train --clips 12000     # and the other splits
    python train_backbones.py nisqa --output runs/nisqa                              # NISQA's network, from its own weights
    python train_backbones.py distill_mos --output runs/distill_mos                  # Distill-MOS's likewise
    python train_backbones.py encoder --corpus CORPUS --start runs/nisqa --output runs/nisqa_tuned
    python train_backbones.py encoder --corpus CORPUS --output runs/mel              # one of our own, from nothing
    python train_backbones.py encoder --corpus CORPUS --live DATA --workers 8 --start runs/nisqa --output runs/live --resume
    python train_backbones.py join runs/nisqa_tuned runs/mel --output runs/encoder   # side by side
    python train_backbones.py language_model --output runs/language_model
    python train_sft.py --config recipes/sft/mini.yaml                               # joins and trains them
    python train_backbones.py words runs/mini --corpus CORPUS --language MINILM --output runs/mini_words
    python train_backbones.py parts checkpoints/mini --output runs/parts             # a judge taken apart again
    python train_backbones.py vocabulary google/gemma-3-270m --output runs/gemma     # a language model without tokens nobody needs

How encoders are trained is in ``audio_judge/training/encoders.py``.
"""

import argparse
from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import nn
from transformers import (
    AutoFeatureExtractor,
    AutoModel,
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from audio_judge import (
    AudioJudgeEncoderConfig,
    AudioJudgeFeatureExtractor,
    AudioJudgeForCausalLM,
    AudioJudgeJoinedConfig,
    AudioJudgeJoinedEncoder,
    AudioJudgeLevelsConfig,
    AudioJudgeLevelsEncoder,
    AudioJudgeProcessor,
)
from audio_judge.clips import RatedClip, Rating
from audio_judge.data.files import read_examples
from audio_judge.data.instructions import ALL_TASKS, Manner, make_instructions
from audio_judge.degrade import sample_plan
from audio_judge.hub.folder import write_halved
from audio_judge.judge.shipped import place_of
from audio_judge.languages import LANGUAGES
from audio_judge.rubrics.rubric import RUBRICS
from audio_judge.training import peers
from audio_judge.training.collate import JudgeCollator
from audio_judge.training.encoder_data import TEACHERS
from audio_judge.training.encoders import EncoderArguments, train_encoder
from audio_judge.training.vocabulary import cut_language_model
from audio_judge.training.votes import train_votes
from audio_judge.training.words import WordsArguments, train_words

OPTIONAL = "run the last encoder only for questions that hold a word that begins like one of these"
FRAME = 1920  # samples of a frame of the encoders, 40 ms at 48 kHz
# Texts of so many made-up clips are enough for the tokenizer's vocabulary
PAPER_CLIPS = 20_000
# And so many in each language for the tokens that one which was trained elsewhere makes of them
PAPER_CLIPS_READ = 1000


def join_encoders(folders: Sequence[Path], output: Path, words: Sequence[str] = ()) -> None:
    """Write encoders side by side as one; with ``words``, the last is run only for questions that hold one of them."""
    encoders = [AutoModel.from_pretrained(folder) for folder in folders]
    views = [view for folder in folders for view in AutoFeatureExtractor.from_pretrained(folder).views]
    config = AudioJudgeJoinedConfig(encoders=[one.config for one in encoders])
    with torch.device("meta"):  # its parts are replaced by the loaded ones at once
        joined = AudioJudgeJoinedEncoder(config)
    joined.encoders = nn.ModuleList(encoders)
    joined.save_pretrained(output)
    optional = {views[-1]: list(words)} if words else None
    AudioJudgeFeatureExtractor(views=views, optional_words=optional, grid_length=FRAME).save_pretrained(output)


def write_parts(judge: str, output: Path) -> None:
    """Write the encoder and the language model of a judge as backbones, in ``encoder`` and ``language_model``; its adapter is left out."""
    model, processor = AudioJudgeForCausalLM.from_pretrained(judge), AudioJudgeProcessor.from_pretrained(judge)
    tower = model.model.audio_tower
    encoder: Any = tower
    if tower.config.is_encoder_decoder:  # Whisper's files have both halves
        encoder = AutoModel.from_config(tower.config)
        encoder.encoder = tower
    decoder = model.model.language_model
    causal = AutoModelForCausalLM.from_config(model.config.text_config)
    inner = next(part for part in causal.modules() if type(part) is type(decoder))
    inner.load_state_dict(decoder.state_dict())
    causal.get_output_embeddings().load_state_dict(model.lm_head.state_dict())
    causal.generation_config = model.generation_config
    for part, name in ((encoder, "encoder"), (processor.feature_extractor, "encoder"), (causal, "language_model")):
        part.save_pretrained(output / name)
    processor.tokenizer.save_pretrained(output / "language_model")


def tokenizer_texts(seed: int) -> Iterator[str]:
    """What the small language model will ever read or write: requests, questions and answers of all tasks, of made-up clips."""
    manner = Manner(augment={"scale": 0.2, "invert": 0.1, "binary": 0.1}, partners=8)
    for example in make_instructions(made_up_clips(seed, PAPER_CLIPS), ALL_TASKS, seed=seed, manner=manner):
        if "questions" in example:
            yield from (question["instructions"] for question in example["questions"].values())
            yield from ("\n".join(question.get("criteria") or ()) for question in example["questions"].values())
        else:
            yield from (block["text"] for block in example["prompt"][0]["content"] if block["type"] == "text")
            yield example["completion"][0]["content"]
        yield from ("user", "assistant", "Yes", "No", "Degraded clip: ", "Reference clip: ", "Clip A: ", "Clip B: ")
        yield from ascii_uppercase


def read_texts(tokenizer: Any, files: Sequence[Path], seed: int) -> Iterator[str]:
    """What a pretrained language model will read and write: made-up examples in all our languages, and those of files.

    Args:
        tokenizer: Its own; it gains the judge's tokens, at which the texts are cut.
        files: Of examples that ``audio-judge data`` wrote.
        seed: Of the made-up ones.
    """
    known = len(tokenizer)
    config, views = AudioJudgeEncoderConfig(), AudioJudgeFeatureExtractor()
    collator = JudgeCollator(AudioJudgeProcessor.from_parts(views, tokenizer, config, audio_seq_length=1))
    manner = Manner(
        augment={"scale": 0.2, "invert": 0.1, "binary": 0.1}, partners=8, languages=dict.fromkeys(LANGUAGES, 1.0)
    )
    clips = made_up_clips(seed, PAPER_CLIPS_READ * len(LANGUAGES))
    made = make_instructions(clips, ALL_TASKS, seed=seed, manner=manner)
    for example in chain(made, *map(read_examples, files)):
        for is_own, run in groupby(collator.token_ids(example), lambda token: token >= known):
            if not is_own:
                yield tokenizer.decode(list(run))


def made_up_clips(seed: int, count: int) -> Iterator[RatedClip]:
    """Clips that exist on paper only, with drawn ratings and faults."""
    rng = np.random.default_rng(seed)
    for index in range(count):
        ratings = {
            name: Rating(round(float(rng.uniform(1, 5)), 1)) for name in (*RUBRICS, "distortion", "intelligibility")
        }
        facts = {"content": "speech", "label": ("real", "fake")[index % 2]}
        causes = tuple(sample_plan(rng))
        yield RatedClip(f"{index}.wav", ratings, "train", "simulated", f"{index}-clean.wav", causes, extra=facts)


def make_language_model(output: Path, vocabulary: int, size: int, layers: int, seed: int) -> None:
    """Write an untrained Llama and a byte-level BPE tokenizer trained on our own texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|pad|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(tokenizer_texts(seed), trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|pad|>", padding_side="left"
    )
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=size,
        intermediate_size=size * 8 // 3 // 32 * 32,
        num_hidden_layers=layers,
        num_attention_heads=size // 32,
        max_position_embeddings=4096,
        bos_token_id=None,
        eos_token_id=fast.eos_token_id,
        pad_token_id=fast.pad_token_id,
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config)
    model.save_pretrained(output)
    fast.save_pretrained(output)
    print(f"{output}: {model.num_parameters():,} parameters, {len(fast)} tokens")


def add_encoder_options(commands: Any) -> None:
    """Those of the command ``encoder``; what is not given is as ``EncoderArguments`` has it."""
    encoder = commands.add_parser(
        "encoder", help="teach an encoder what its teachers say", argument_default=argparse.SUPPRESS
    )
    encoder.add_argument("--corpus", type=Path, nargs="+", required=True, help="folders of simulated corpora")
    encoder.add_argument("--output", type=Path, required=True)
    encoder.add_argument(
        "--live", type=Path, nargs="+", metavar="DATA",
        help="folders with manifest.csv: make and label training clips on the fly; the corpus then only validates",
    )  # fmt: skip
    encoder.add_argument("--workers", type=int, help="processes that make clips on the fly; 0 for none beside this one")
    encoder.add_argument(
        "--blend", type=Path, help="folder with blend_KIND.json for them; the first corpus if not given"
    )
    encoder.add_argument(
        "--resume", action="store_true", help="go on from the last report in --output, if there is one"
    )
    encoder.add_argument("--start", help="folder of a converted peer; an encoder of our own from nothing if not given")
    encoder.add_argument("--branch-size", type=int, help="of nisqa: give it a second stack of layers of this width")
    encoder.add_argument(
        "--freeze-convolutions", action="store_true", help="of distill_mos: run them once for each clip"
    )
    encoder.add_argument("--teachers", nargs="*", choices=tuple(TEACHERS), help="whose states are learned")
    encoder.add_argument("--targets", help="kind of targets, as written by audio_judge.corpora.blends")
    encoder.add_argument("--state-weight", type=float, help="of the states' error beside that of the ratings")
    encoder.add_argument(
        "--level-db", type=float, help="of nisqa: change the level of every other clip by up to so many decibels"
    )
    encoder.add_argument("--steps", type=int)
    encoder.add_argument("--batch-size", type=int)
    encoder.add_argument("--learning-rate", type=float)
    encoder.add_argument("--weight-decay", type=float)
    encoder.add_argument("--decay", type=float, help="of the mean of the last weights")
    encoder.add_argument("--report-steps", type=int, help="so often it is validated and saved")
    encoder.add_argument("--seed", type=int)


def add_words_options(commands: Any) -> None:
    """Those of the command ``words``; what is not given is as ``WordsArguments`` has it."""
    words = commands.add_parser(
        "words", help="give a judge a head that answers questions in any words", argument_default=argparse.SUPPRESS
    )
    words.add_argument("judge", help="mini, open, a folder or Hub id")
    words.add_argument(
        "--corpus", type=Path, required=True, help="simulated corpus with train_concepts and validation_concepts"
    )
    words.add_argument("--language", required=True, help="folder or Hub id of all-MiniLM-L6-v2, or another such BERT")
    words.add_argument("--output", type=Path, required=True)
    words.add_argument(
        "--reading", help="take what reads texts from this judge: mini, open, a folder or Hub id; none is trained then"
    )
    words.add_argument("--clips", type=int, help="train on so many clips at most")
    words.add_argument("--layers", type=int, help="of the language model that are kept")
    words.add_argument("--tokens", type=int, help="of its tokens that are kept")
    words.add_argument("--steps", type=int)
    words.add_argument("--seed", type=int)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in peers.PEERS:
        convert = commands.add_parser(name, help=f"write {name}'s network as an encoder, from its own weights")
        convert.add_argument("--weights", type=Path, help="file; where its own package keeps it if not given")
        convert.add_argument(
            "--form", choices=("frames", "segments"), default="frames", help="segments: the exact original"
        )
        convert.add_argument(
            "--scores", type=int, help="scores of a clip, the peer's own if not given; others start as its first"
        )
        convert.add_argument("--output", type=Path, required=True)
    add_encoder_options(commands)
    votes = commands.add_parser(
        "votes", help="scores of spoken language from Whisper's first layers and people's votes"
    )
    votes.add_argument(
        "--ratings", type=Path, required=True, help="table of single votes, see audio_judge.corpora.rated"
    )
    votes.add_argument("--whisper", required=True, help="folder or Hub id of Whisper base")
    votes.add_argument("--corpus", type=Path, help="simulated corpus, for naturalness")
    votes.add_argument("--output", type=Path, required=True)
    add_words_options(commands)
    levels = commands.add_parser("levels", help="write an encoder of levels in wide bands, as they are measured")
    levels.add_argument("--output", type=Path, required=True)
    join = commands.add_parser("join", help="put encoders side by side")
    join.add_argument("--optional", nargs="+", default=[], metavar="WORD", help=OPTIONAL)
    join.add_argument("encoders", type=Path, nargs="+")
    join.add_argument("--output", type=Path, required=True)
    halve = commands.add_parser("halve", help="copy a judge with some of its weights in half precision, as it ships")
    halve.add_argument("judge", type=Path)
    halve.add_argument("--weights", required=True, help="regex that is found in the names of these weights")
    halve.add_argument("--output", type=Path, required=True)
    parts = commands.add_parser("parts", help="write a judge's encoder and language model as backbones of new judges")
    parts.add_argument("judge", help="mini, open, a folder or Hub id")
    parts.add_argument("--output", type=Path, required=True)
    language = commands.add_parser("language_model", help="write the untrained language model and its tokenizer")
    language.add_argument("--output", type=Path, required=True)
    language.add_argument("--vocabulary", type=int, default=2048)
    language.add_argument("--size", type=int, default=192)
    language.add_argument("--layers", type=int, default=3)
    language.add_argument("--seed", type=int, default=0)
    cut = commands.add_parser("vocabulary", help="write a language model with only those tokens that judges need")
    cut.add_argument("model", help="folder or Hub id")
    cut.add_argument("--gguf-file", help="name of a GGUF file in that folder, which is unpacked")
    cut.add_argument(
        "--examples",
        type=Path,
        nargs="+",
        default=[],
        help="files of `audio-judge data` that it shall read as before, too",
    )
    cut.add_argument(
        "--first",
        type=int,
        default=16_384,
        help="keep so many of the lowest ids, too: the most frequent tokens, usually",
    )
    cut.add_argument("--output", type=Path, required=True)
    cut.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.command in peers.PEERS:
        peers.convert(options.command, options.output, options.weights, options.form, options.scores)
    elif options.command == "encoder":
        train_encoder(EncoderArguments(**{name: value for name, value in vars(options).items() if name != "command"}))
    elif options.command == "votes":
        train_votes(options.ratings, options.whisper, options.output, corpus=options.corpus)
    elif options.command == "words":
        for name in {"judge", "reading"} & set(vars(options)):
            setattr(options, name, place_of(getattr(options, name)))
        train_words(WordsArguments(**{name: value for name, value in vars(options).items() if name != "command"}))
    elif options.command == "levels":
        AudioJudgeLevelsEncoder(AudioJudgeLevelsConfig()).measure().save_pretrained(options.output)
        AudioJudgeFeatureExtractor().save_pretrained(options.output)
    elif options.command == "parts":
        write_parts(place_of(options.judge), options.output)
    elif options.command == "halve":
        write_halved(options.judge, options.output, options.weights)
    elif options.command == "vocabulary":
        texts = read_texts(
            AutoTokenizer.from_pretrained(options.model, gguf_file=options.gguf_file), options.examples, options.seed
        )
        shape = {"first": options.first, "gguf_file": options.gguf_file}
        before, after = cut_language_model(options.model, options.output, texts, **shape)
        print(f"{options.output}: {after:,} of {before:,} tokens")
    elif options.command == "join":
        join_encoders(options.encoders, options.output, options.optional)
    else:
        make_language_model(options.output, options.vocabulary, options.size, options.layers, options.seed)


if __name__ == "__main__":
    main()
