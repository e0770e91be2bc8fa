"""The head that answers questions in any words, trained on the frozen frames of a judge.

    python train_backbones.py words checkpoints/mini --corpus CORPUS --language MINILM --output runs/mini_words

What a text means is known: ``audio_judge/rubrics/concepts`` says of each wording which faults it asks about and whether it
rises with them, and the splits of concepts of a simulated corpus how strong every fault is in every clip. So each clip of a step
answers each of its texts. What the judge rates itself is a concept, too: its truth is what it decides in the words that it learned.

Texts are read by the first layers of a pretrained sentence encoder (all-MiniLM-L6-v2), with no more tokens than such texts need.
Before anything else these learn to give the vectors that the whole of it gives (Reimers and Gurevych, 2020, do so for other
languages). Wordings and concepts that are held out never train.
"""

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel, PreTrainedTokenizerFast

from audio_judge.audio import read_audio
from audio_judge.corpora.severity import CONCEPTS, THERE, order_figures
from audio_judge.corpora.simulated import read_rows
from audio_judge.modeling_audio_judge import AudioJudgeForCausalLM, WordsHead
from audio_judge.processing_audio_judge import AudioJudgeProcessor, WordsReader
from audio_judge.rubrics.concepts import (
    Concept,
    WordedScale,
    Wording,
    compositions,
    concepts,
    elsewhere,
    ends,
    frames,
    mixtures,
    scales,
    unhearable,
)
from audio_judge.rubrics.rubric import RUBRICS, get_rubric, instructions
from audio_judge.tasks.faults import FAULT_QUESTIONS, SPAN_QUESTIONS

FRAME_SECONDS = 0.04
# Levels that anything may be scored on
USUAL = (("bad", "poor", "fair", "good", "excellent"),)
# Scales that say how far something holds, whatever is asked: of what is free of a fault their top is the least of it
DEGREES = ("not at all", "strongly disagree", "very low", "wrong", "never")
# Questions that begin so are about spoken language, which other parts of a judge were trained on
SPOKEN = (
    "prosod",
    "intonat",
    "rhythm",
    "pronounc",
    "pronunc",
    "mispronounc",
    "accent",
    "hesita",
    "fluen",
    "melod",
    "oral",
    "native",
)
# Names of words for the ends of a scale, lowest first
ENDS = {"worth": ("worst", "best"), "amount": ("least", "most")}
NUMBERS = (
    ("1", "5"), ("1", "10"), ("0", "10"), ("0", "100"), ("1", "7"), ("0", "4"), ("1", "3"), ("0", "1"), ("1", "100"), ("A", "E"), ("5", "1"),
    ("10", "1"), ("6", "1"), ("-3", "3"),
)  # fmt: skip
SAYINGS = (
    "{first} is {low}, {last} is {high}.", "{first} means {low}, {last} means {high}.", "From {first} ({low}) to {last} ({high}).",
    "{last} = {high}, {first} = {low}", "{first} stands for {low} and {last} for {high}.", "{last} is {high}.", "{first} is {low}.",
    "Give {last} if {high} and {first} if {low}.", "Where {first} is {low} and {last} is {high}.", "The {last} end is {high}.",
)  # fmt: skip
# So often the ends of a scale are turned
TURNED = 0.15
DISTILLED = 8000  # texts of each kind whose vectors are learned first


@dataclass
class WordsArguments:
    """What ``train_words`` shall do.

    Args:
        judge: Folder of the judge that hears; it is copied with its new head.
        corpus: Simulated corpus with ``train_concepts`` and ``validation_concepts``.
        language: Folder or Hub id of a BERT that gives vectors of sentences.
        output: Folder of the judge with its head, and of what is remembered of the clips.
        reading: Folder of a judge that has such a head, whose way of reading texts is taken: no text is learned from then.
        clips: At most so many clips to train on; all if not given.
        layers: How many layers of the language model are kept.
        tokens, rank: How many of its tokens are kept, and of how many numbers their vectors are.
        hearing_steps: Of learning what is in clips.
        distil_steps: Of learning the vectors of the whole language model.
        steps: Of learning what texts ask about.
        texts: In a step of the latter.
    """

    judge: str | Path
    corpus: Path
    language: str
    output: Path
    reading: str | Path | None = None
    clips: int | None = None
    layers: int = 2
    tokens: int = 16_000
    rank: int = 96
    hidden_size: int = 192
    hearing_steps: int = 800
    steps: int = 900
    distil_steps: int = 1200
    texts: int = 56
    learning_rate: float = 2e-3
    text_learning_rate: float = 1e-4
    seed: int = 0


@dataclass
class HeardClips:
    """Clips as a judge hears them.

    Args:
        frames: (frames of all clips, channels), float16.
        lengths: (clips,).
        truth: (clips, faults and rubrics) 0 to 1, NaN where it is not known.
        moments: (frames of all clips, faults) 0 or 1 whether each is there just then; NaN where it is not known.
    """

    frames: Tensor
    lengths: Tensor
    truth: Tensor
    moments: Tensor

    def batch(self, numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Frames (clips, frames, channels), their lengths (clips,) and moments (clips, frames, faults) of some clips."""
        ends = self.lengths.cumsum(0)
        parts = [slice(int(ends[n] - self.lengths[n]), int(ends[n])) for n in numbers]
        pad = nn.utils.rnn.pad_sequence
        frames = pad([self.frames[part].float() for part in parts], batch_first=True)
        moments = pad([self.moments[part].float() for part in parts], batch_first=True, padding_value=torch.nan)
        return frames, self.lengths[numbers], moments


THINGS = (*CONCEPTS, *RUBRICS)
# Faults whose times are known, by the key and the kinds of causes that have them
TIMED = {
    "gaps": ("packet_loss", "time_clipping"),
    "clicks": ("clicks",),
    "noise": ("noise",),
    "level_changes": ("level",),
}


@torch.inference_mode()
def hear(model: Any, processor: Any, corpus: Path, split: str, channels: int, most: int | None = None) -> HeardClips:
    """Run a judge over a split of concepts, over its first clips if there are to be at most so many."""
    frames, lengths, truth, moments = [], [], [], []
    questions = {name: get_rubric(name).question() for name in RUBRICS}
    for row in tqdm(read_rows(corpus / split)[:most], desc=split, unit="clip"):
        audio = read_audio(corpus / row["path"])
        block = {"type": "audio", "audio": audio.samples, "sampling_rate": audio.sampling_rate}
        inputs, _ = processor.decision_inputs([{"state": [block], "questions": questions}])
        kept = {
            name: inputs[name]
            for name in ("input_ids", "attention_mask", "marks", "input_features", "input_features_mask")
        }
        outputs = model.model(**kept, use_cache=False)
        own = outputs.audio_frames[0, : int(outputs.audio_frame_lengths[0]), :channels]
        logits = model.read(outputs.last_hidden_state, torch.tensor(inputs["option_ids"])).float()
        grades = (logits.softmax(-1) * torch.linspace(0, 1, logits.shape[1])).sum(1)  # (rubrics,), 1 is best
        known = [row["concepts"].get(key, torch.nan) for key in CONCEPTS]
        frames.append(own.half())
        lengths.append(len(own))
        truth.append(torch.cat([torch.tensor(known), 1 - grades]))
        moments.append(moments_of(row, len(own)))
    return HeardClips(torch.cat(frames), torch.tensor(lengths), torch.stack(truth), torch.cat(moments))


def moments_of(row: Mapping[str, Any], count: int) -> Tensor:
    """Which faults are there in each frame (frames, faults): NaN of a fault that is somewhere, but nobody knows when.

    A frame counts where at least a quarter of it is in a span. What is moved by a later change of time is not known.
    """
    found = torch.zeros(count, len(CONCEPTS))
    moved = any(cause["kind"] in ("speed", "jitter", "wow") for cause in row["causes"][1:])
    for place, key in enumerate(CONCEPTS):
        kinds = TIMED.get(key, ())
        if not row["concepts"].get(key, 1.0):
            continue
        own = [cause for cause in row["causes"] if cause["kind"] in kinds]
        if not own or moved or any(not cause["spans"] for cause in own):
            found[:, place] = torch.nan
            continue
        for start, end in (span for cause in own for span in cause["spans"]):
            first, last = start / FRAME_SECONDS, end / FRAME_SECONDS
            for frame in range(int(first), min(count, int(last) + 1)):
                found[frame, place] = max(
                    float(found[frame, place]), float(min(last, frame + 1) - max(first, frame) > 0.25)
                )
    return found.half()


def heard_channels(model: Any, processor: Any) -> int:
    """How many of the first channels of a judge's frames it always has: not those of encoders that some questions alone need."""
    config = model.config.audio_config
    optional = getattr(processor.feature_extractor, "optional_words", None) or {}
    encoders = getattr(config, "encoders", [config])
    return sum(one.frame_size for one in encoders[: len(encoders) - len(optional)])


def remembered(
    arguments: WordsArguments, model: Any, processor: Any, split: str, most: int | None = None
) -> HeardClips:
    """What a judge hears in a split, from a file in the output folder if it was heard before."""
    file = arguments.output / f"heard_{split}.safetensors"
    if file.exists():
        return HeardClips(**load_file(file))
    heard = hear(model, processor, arguments.corpus, split, heard_channels(model, processor), most)
    arguments.output.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in vars(heard).items()}, file)
    return heard


# Texts


@dataclass(frozen=True)
class Asked:
    """A text of a step, and what it means.

    Args:
        keys: Of ``THINGS``; the truth is the worst of them. None for what cannot be heard.
        rises: Whether its answer, or a yes, rises with that.
    """

    text: str
    keys: tuple[str, ...]
    rises: bool


@dataclass(frozen=True)
class Directed:
    """A question and the ends of its scale (the same text twice of one without), and whether the scale rises with the fault."""

    parts: tuple[str, str, str]
    rises: bool


def keys_of(concept: Concept) -> tuple[str, ...]:
    """The keys of the truth of a concept."""
    return concept.causes or (concept.rubric,)


def rises(wording: Wording, scale: WordedScale) -> bool | None:
    """Whether the place on a scale rises with a fault that a wording asks about; None if nobody could tell."""
    if scale.asks == "freedom":
        return False
    if wording.asks == "strength":
        return True
    return False if scale.levels[0] in DEGREES else None


def draw_scaled(wording: Wording, scale: WordedScale, rng: random.Random) -> Directed | None:
    """A wording with a scale, and whether that rises; None if the two do not go together."""
    up = rises(wording, scale)
    if up is None:
        return None
    text, levels = wording.text, list(scale.levels)
    is_number = re.fullmatch(r"\d+|[A-E]", levels[0]) is not None
    if scale.sentences and (is_number or rng.random() < 0.7):
        text = f"{text} {rng.choice(scale.sentences)}"
    if not is_number and rng.random() < TURNED:
        levels, up = levels[::-1], not up
    return Directed((text, levels[0], levels[-1]), up)


class Texts:
    """Draws texts to train on."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.concepts = [one for one in concepts().values() if one.seen]
        self.wordings = {one.name: [w for w in one.wordings if not w.held_out] for one in self.concepts}
        self.unhearable = [one for one in unhearable() if not one.held_out]
        self.frames = [one for one in frames() if not one.held_out]
        self.mixtures = mixtures()
        self.compositions = [one for one in compositions() if not one.held_out]
        self.scales = [one for one in scales() if not one.held_out]
        self.ends, self.elsewhere = ends(), elsewhere()

    def draw(self, count: int) -> tuple[list[Asked], list[Directed]]:
        """Texts that say what is asked about, and most of them with scales, or as they are, which say what rises."""
        asked, directed = list[Asked](), list[Directed]()
        while len(asked) < count:
            one, wording = self._one()
            asked.append(one)
            if not one.keys:
                continue
            if wording.asks in ("presence", "absence") or self.rng.random() < 0.15:
                directed.append(Directed((one.text,) * 3, wording.asks in ("presence", "strength")))
            elif self.rng.random() < 0.5:
                scaled = draw_scaled(replace(wording, text=one.text), self.rng.choice(self.scales), self.rng)
                directed += [] if scaled is None else [scaled]
            else:
                directed.append(self._between_ends(replace(wording, text=one.text)))
        return asked, directed

    def _between_ends(self, wording: Wording) -> Directed:
        """A wording with any words for the ends of its scale, good or bad, or little or much, either first; often beside numbers."""
        rng = self.rng
        kind = rng.choice(("worth", "amount"))
        low, high = (rng.choice(self.ends[name]) for name in ENDS[kind])
        up = wording.asks == "strength" if kind == "amount" else False
        is_numbered = rng.random() < 0.5
        if rng.random() < (0.4 if is_numbered else TURNED):
            low, high, up = high, low, not up
        if not is_numbered:
            return Directed((wording.text, low, high), up)
        first, last = rng.choice(NUMBERS)
        said = rng.choice(SAYINGS).format(first=first, last=last, low=low, high=high)
        return Directed((f"{wording.text} {said}", first, last), up)

    def _one(self) -> tuple[Asked, Wording]:
        rng = self.rng
        draw = rng.random()
        if draw < 0.12:
            wording = rng.choice(self.unhearable)
            text = wording.text if rng.random() < 0.3 else self._elsewhere()
            return Asked(self._altered(text), (), True), wording
        if draw < 0.24:
            first, second = rng.sample([one for one in self.concepts if one.causes], 2)
            wording = rng.choice(self.compositions)
            names = rng.choice(first.training_names), rng.choice(second.training_names)
            text = wording.text.format(a=names[0], b=names[1])
            return Asked(
                self._altered(text), keys_of(first) + keys_of(second), wording.asks in ("strength", "presence")
            ), wording
        if draw < 0.42:
            mixture = rng.choice(self.mixtures)
            wording = rng.choice(mixture.wordings)
            return Asked(self._altered(wording.text), mixture.causes, wording.asks in ("strength", "presence")), wording
        concept = rng.choice(self.concepts)
        if draw < 0.62:
            wording = rng.choice(self.frames)
            wording = replace(wording, text=wording.text.format(a=rng.choice(concept.training_names)))
        else:
            wording = rng.choice(self.wordings[concept.name])
        return Asked(self._altered(wording.text), keys_of(concept), wording.asks in ("strength", "presence")), wording

    def _elsewhere(self) -> str:
        words = {name: self.rng.choice(self.elsewhere[f"{name}s"]) for name in ("noun", "adjective")}
        return self.rng.choice(self.elsewhere["templates"]).format(**words)

    def _altered(self, text: str) -> str:
        """What changes no meaning: a mark that is missing, an opening, a place."""
        rng = self.rng
        if rng.random() < 0.25:
            text = text.rstrip("?.!")
        if rng.random() < 0.12:
            text = f"{rng.choice(OPENINGS)} {text[:1].lower()}{text[1:]}"
        if rng.random() < 0.08:
            text = f"{text} {rng.choice(CLOSINGS)}"
        return text


OPENINGS = (
    "Please say:",
    "Listen to the clip.",
    "In your opinion,",
    "As a listener,",
    "In this recording,",
    "Tell me:",
    "Judge this clip:",
)
CLOSINGS = ("Think of the whole clip.", "Ignore what is said.", "Be strict.", "One answer only.", "Listen closely.")


# The language model


FRAMES = (
    "{a}", "{a} {b}", "{a} {b} {c}", "How {a} is it?", "How {a} is the {b}?", "Is there {a}?", "the {a} of the {b}", "Rate the {a}.", "no {a}",
    "Is the {a} {b}?", "How much {a} do you hear?", "It sounds like {a}.", "{a} and {b}", "free of {a}", "a {a} {b} in the {c}", "too {a}",
    "Does it {a}?", "How {a} does the {b} {c}?", "without {a}", "The {a} is {b} by {c}.",
)  # fmt: skip


def made_up_phrases(words: Sequence[str], count: int, rng: random.Random) -> list[str]:
    """Questions and phrases of words in no relation to each other, so that each word keeps its meaning."""
    drawn = (dict(zip("abc", rng.choices(words, k=3), strict=True)) for _ in range(count))
    return [rng.choice(FRAMES).format(**one) for one in drawn]


def own_texts() -> list[str]:
    """All texts that may train, without scales."""
    named = [
        wording.text for one in concepts().values() if one.seen for wording in one.wordings if not wording.held_out
    ]
    mixed = [wording.text for one in mixtures() for wording in one.wordings]
    return named + mixed + [one.text for one in unhearable() if not one.held_out]


def cut_tokenizer(whole: Any, texts: Sequence[str], most: int) -> tuple[PreTrainedTokenizerFast, list[int]]:
    """A WordPiece tokenizer with the most frequent of its tokens, all single characters among them, and their ids in the whole."""
    state = json.loads(whole.backend_tokenizer.to_str())
    vocabulary: dict[str, int] = state["model"]["vocab"]
    special = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    counts = dict.fromkeys(vocabulary, 0)
    for ids in whole(list(texts), add_special_tokens=False)["input_ids"]:
        for token in whole.convert_ids_to_tokens(ids):
            counts[token] += 1
    single = [token for token in vocabulary if token.isascii() and len(token.removeprefix("##")) == 1]
    # Of tokens as frequent as each other the earlier one, which is the more frequent in what the whole was trained on
    ranked = sorted(vocabulary, key=lambda token: (-counts[token], vocabulary[token]))
    ranked = [token for token in ranked if token.isascii() and not token.startswith("[unused")]
    kept = list(dict.fromkeys([*special, *single, *ranked]))[:most]
    state["model"]["vocab"] = {token: number for number, token in enumerate(kept)}
    for added in state["added_tokens"]:
        added["id"] = kept.index(added["content"])
    for name, token in state["post_processor"].get("special_tokens", {}).items():
        token["ids"] = [kept.index(name)]
    for name in ("sep", "cls"):
        if name in state["post_processor"]:
            state["post_processor"][name] = [
                state["post_processor"][name][0],
                kept.index(state["post_processor"][name][0]),
            ]
    state["padding"] = state["truncation"] = None
    cut = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(state)), pad_token="[PAD]", unk_token="[UNK]"
    )
    return cut, [vocabulary[token] for token in kept]


def sentence_vectors(model: nn.Module, tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> Tensor:
    """Vectors (texts, size) of length 1, the mean over the tokens of each."""
    ids = [torch.tensor(one) for one in tokenizer(list(texts), truncation=True, max_length=64)["input_ids"]]
    padded = nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=0)
    mask = nn.utils.rnn.pad_sequence([torch.ones_like(one) for one in ids], batch_first=True)
    states = model(input_ids=padded, attention_mask=mask).last_hidden_state
    weights = mask[..., None].to(states)
    return functional.normalize((states * weights).sum(1) / weights.sum(1), dim=-1)


def small_language_model(arguments: WordsArguments) -> tuple[BertModel, PreTrainedTokenizerFast]:
    """The first layers of the language model with some of its tokens, taught to give the vectors of the whole."""
    whole = AutoModel.from_pretrained(arguments.language).eval()
    tokenizer = AutoTokenizer.from_pretrained(arguments.language)
    cut, ids = cut_tokenizer(tokenizer, own_texts(), arguments.tokens)
    config = BertConfig(
        **{
            name: getattr(whole.config, name)
            for name in ("hidden_size", "num_attention_heads", "intermediate_size", "layer_norm_eps", "type_vocab_size")
        },
        vocab_size=len(ids),
        num_hidden_layers=arguments.layers,
        max_position_embeddings=64,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=0,
    )
    vectors = whole.get_input_embeddings().weight.detach()[ids]
    left, scale, right = torch.linalg.svd(vectors, full_matrices=False)
    small = BertModel(config, add_pooling_layer=False)
    known = whole.state_dict()
    step = whole.config.num_hidden_layers / arguments.layers
    with torch.no_grad():
        for name, value in small.state_dict().items():
            # Layers spread over the whole, the last one among them
            source = re.sub(r"layer\\.(\\d+)\\.", lambda match: f"layer.{round((int(match[1]) + 1) * step) - 1}.", name)
            if source not in known:
                continue
            if "word_embeddings" not in name:
                value.copy_(known[source][: len(value)])  # there are fewer positions
    rank = arguments.rank
    tokens = nn.Embedding(len(ids), rank)
    tokens.weight = nn.Parameter(left[:, :rank] * scale[:rank])
    wide = nn.Linear(rank, config.hidden_size, bias=False)
    wide.weight = nn.Parameter(right[:rank].T.contiguous())
    small.embeddings.word_embeddings = nn.Sequential(tokens, wide)  # type: ignore[assignment]
    distil(small, cut, whole, tokenizer, arguments)
    return small, cut


def distil(small: nn.Module, cut: Any, whole: nn.Module, tokenizer: Any, arguments: WordsArguments) -> None:
    """Teach a small language model the vectors that the whole one gives of words, made-up phrases, and texts that train."""
    rng = random.Random(arguments.seed)
    words = [word for word in cut.get_vocab() if word.isalpha() and word.isascii() and len(word) > 2]
    words = sorted(words, key=cut.get_vocab().__getitem__)[:DISTILLED]
    own, directed = Texts(arguments.seed).draw(DISTILLED)
    texts = [*words, *made_up_phrases(words, DISTILLED, rng), *(one.text for one in own)]
    texts += [part for one in directed[: DISTILLED // 2] for part in one.parts]
    # Of like length together, which leaves little padding
    texts = sorted(set(texts), key=lambda text: (len(text), text))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        parts = [texts[start : start + 64] for start in range(0, len(texts), 64)]
        wanted = torch.cat([sentence_vectors(whole, tokenizer, part).float() for part in tqdm(parts, desc="vectors")])
    optimizer = torch.optim.AdamW(small.parameters(), lr=6e-4, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-4, total_steps=arguments.distil_steps)
    small.train()
    for step in range(arguments.distil_steps):
        start = rng.randrange(len(texts) - 192)
        numbers = rng.sample(range(start, start + 192), 64)
        with torch.autocast("cpu", torch.bfloat16):
            found = sentence_vectors(small, cut, [texts[n] for n in numbers]).float()
        goal = wanted[numbers]
        loss = (1 - (found * goal).sum(1)).mean() + (found @ found.T - goal @ goal.T).square().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(small.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 200 == 0 or step == arguments.distil_steps - 1:
            cosine = float((found.detach() * goal).sum(1).mean())
            print(f"vectors, step {step}: cosine {cosine:.3f}", flush=True)
    small.eval()


# Training


def truth_of(keys: Sequence[str], truth: Tensor) -> Tensor:
    """(clips,): how much there is of the worst of some things; NaN where it is not known."""
    return truth[:, [THINGS.index(key) for key in keys]].amax(1)


def masked_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Cross-entropy where the truth is known."""
    known = ~wanted.isnan()
    losses = functional.binary_cross_entropy_with_logits(logits, wanted.nan_to_num(), reduction="none")
    return (losses * known).sum() / known.sum().clamp(min=1)


def fit_hearing(head: WordsHead, train: HeardClips, arguments: WordsArguments) -> None:
    """Learn how much of each thing is in a clip, whether it is there, and when."""
    parts = (head.frames, head.attention, head.clip, head.moment, head.presence)
    learned = [value for part in parts for value in part.parameters()]
    optimizer = torch.optim.AdamW(learned, lr=2e-3, weight_decay=0.03)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=arguments.hearing_steps, pct_start=0.1)
    generator = torch.Generator().manual_seed(arguments.seed)
    head.train()
    for step in range(1, arguments.hearing_steps + 1):
        numbers = torch.randint(len(train.lengths), (96,), generator=generator)
        frames, lengths, moments = train.batch(numbers)
        truth = train.truth[numbers]
        of_clips, of_moments = head.hear(frames, lengths)
        there = head.presence(of_clips[..., None])[..., 0]
        losses = (
            masked_loss(of_clips, truth),
            masked_loss(there, (truth > THERE).float() + 0 * truth),
            masked_loss(of_moments[..., : len(CONCEPTS)], moments),
        )
        optimizer.zero_grad()
        sum(losses).backward()  # type: ignore[union-attr]
        nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
        schedule.step()
        if step % 200 == 0:
            print(f"hearing, step {step}: {', '.join(f'{float(loss.detach()):.3f}' for loss in losses)}", flush=True)
    head.eval()


def read_unique(head: WordsHead, reader: Any, texts: Sequence[str]) -> Tensor:
    """Vectors (texts, size), each text being read once."""
    numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    vectors = head.read(reader(list(numbers)))
    return vectors[[numbers[text] for text in texts]]


def fit_reading(head: WordsHead, reader: Any, validation: HeardClips, arguments: WordsArguments) -> None:
    """Learn what texts ask about, and what rises with it; the language model learns slowly beside it."""
    fast = [value for part in (head.about, head.direction) for value in part.parameters()]
    rates = [arguments.text_learning_rate, arguments.learning_rate]
    groups = [{"params": list(head.text.parameters()), "lr": rates[0]}, {"params": fast, "lr": rates[1]}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=arguments.steps, pct_start=0.1)
    texts = Texts(arguments.seed)
    sums = [0.0, 0.0]
    head.train()
    for step in range(1, arguments.steps + 1):
        losses = reading_losses(head, reader, *texts.draw(arguments.texts))
        optimizer.zero_grad()
        sum(losses).backward()  # type: ignore[union-attr]
        nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        sums = [before + float(loss.detach()) for before, loss in zip(sums, losses, strict=True)]
        if step % 250 == 0 or step == arguments.steps:
            print(f"step {step}: about {sums[0] / 250:.3f}, direction {sums[1] / 250:.3f}", flush=True)
            sums = [0.0, 0.0]
        if step % 500 == 0 or step == arguments.steps:
            print(json.dumps(words_figures(head, reader, validation)), flush=True)
            head.train()
    head.eval()


def reading_losses(
    head: WordsHead, reader: Any, asked: Sequence[Asked], directed: Sequence[Directed]
) -> tuple[Tensor, Tensor]:
    """Cross-entropy of what texts ask about, each thing as likely as the others, and of what rises."""
    parts = [one.text for one in asked] + [part for one in directed for part in one.parts]
    vectors = read_unique(head, reader, parts)
    vectors = functional.dropout(vectors, 0.1) * vectors.shape[-1] ** 0.5
    goal = torch.zeros(len(asked), len(THINGS) + 1)
    for row, one in zip(goal, asked, strict=True):
        row[[THINGS.index(key) for key in one.keys] or [len(THINGS)]] = 1
    goal /= goal.sum(1, keepdim=True)
    rises = torch.tensor([float(one.rises) for one in directed])
    told = head.direction(vectors[len(asked) :].unflatten(0, (-1, 3)).flatten(1))[:, 0]
    return (
        functional.cross_entropy(head.about(vectors[: len(asked)]), goal, label_smoothing=0.02),
        functional.binary_cross_entropy_with_logits(told, rises),
    )


def train_words(arguments: WordsArguments) -> dict[str, Any]:
    """Train the head of a judge and write the judge with it.

    Returns:
        What ``words_report.json`` holds: the figures on ``validation_concepts``, see ``words_figures``.
    """
    torch.manual_seed(arguments.seed)
    model = AudioJudgeForCausalLM.from_pretrained(arguments.judge).float().eval()
    processor = AudioJudgeProcessor.from_pretrained(arguments.judge)
    processor.words = model.words_head = None
    train = remembered(arguments, model, processor, "train_concepts", arguments.clips)
    validation = remembered(arguments, model, processor, "validation_concepts")
    if arguments.reading:
        learned: Any = AudioJudgeForCausalLM.from_pretrained(arguments.reading)
        known: Any = AudioJudgeProcessor.from_pretrained(arguments.reading)
        tokenizer = known.words.tokenizer
        config = learned.config.words | {"channels": train.frames.shape[1]}
    else:
        text, tokenizer = small_language_model(arguments)
        config = {
            "text": small_config(text.config),
            "rank": arguments.rank,
            "channels": train.frames.shape[1],
            "hidden_size": arguments.hidden_size,
            "things": list(THINGS),
            "spread": 0.15,
        }
    head = WordsHead(config)
    prepare(head, train)
    reader = WordsReader(tokenizer, known_questions())
    fit_hearing(head, train, arguments)
    if arguments.reading:
        for name in ("text", "about", "direction"):
            getattr(head, name).load_state_dict(getattr(learned.words_head, name).state_dict())
        head.eval()
    else:
        head.text.load_state_dict(text.state_dict())
        fit_reading(head, reader.tokens, validation, arguments)
    config["spread"] = head.spread = spread_of(head, reader.tokens, validation)
    report = words_figures(head, reader.tokens, validation)
    model.words_head, model.config.words, processor.words = head, config, reader
    model.save_pretrained(arguments.output)
    processor.save_pretrained(arguments.output)
    (arguments.output / "words_report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return report


def small_config(config: BertConfig) -> dict[str, Any]:
    """The arguments of a ``BertConfig`` that differ from its defaults."""
    return {
        name: value
        for name, value in config.to_diff_dict().items()
        if name not in ("transformers_version", "architectures", "dtype")
    }


@torch.no_grad()
def prepare(head: WordsHead, clips: HeardClips) -> None:
    """Start the head: channels of the mean 0 and the deviation 1."""
    some = clips.frames[:: max(1, len(clips.frames) // 100_000)].float()
    scale = 1 / some.std(0).clamp(min=1e-3)
    head.normal.weight.copy_(torch.diag(scale))
    head.normal.bias.copy_(-some.mean(0) * scale)
    head.normal.requires_grad_(False)
    head.presence.weight.fill_(2.0)
    head.presence.bias.fill_(2.0)


def known_questions() -> dict[str, Any]:
    """What the other parts of a shipped judge are asked, see ``WordsReader``."""
    from audio_judge.languages import LANGUAGES, get_language, wordings
    from audio_judge.rubrics.rubric import ALL_RUBRICS

    found: dict[str, dict[str, None]] = {"score": {}, "noul": {}, "span": {}}
    levels: dict[tuple[str, ...], None] = {}
    for rubric in ALL_RUBRICS.values():
        words = get_language("en").rubrics[rubric.name]
        levels[tuple(words.levels)] = None
        trained, kept = wordings("decide", "en")
        numbers = [(number, False) for number in range(len(words.questions) + len(trained))]
        numbers += [
            (number, True) for number in range(len(kept))
        ]  # which differ in words only, and are understood as well
        found["score"] |= dict.fromkeys(instructions(rubric, number, held_out=held) for number, held in numbers)
    found["noul"] |= dict.fromkeys(text for texts in FAULT_QUESTIONS.values() for text in texts)
    found["noul"] |= dict.fromkeys(text for code in LANGUAGES for text in wordings("detect_question", code)[0])
    found["span"] |= dict.fromkeys(text for texts, _ in SPAN_QUESTIONS.values() for text in texts)
    labels = {get_language("en").rubrics[name].label for name in ALL_RUBRICS}
    return {
        "questions": {kind: list(texts) for kind, texts in found.items()},
        "levels": [list(one) for one in levels],
        "usual": [list(one) for one in levels if one in USUAL],
        "labels": sorted(labels | {name.replace("_", " ") for name in ALL_RUBRICS} | {"quality"}),
        "left": list(SPOKEN),
    }


@torch.no_grad()
def heard_in(head: WordsHead, clips: HeardClips) -> Tensor:
    """(clips, things): how much of each thing is in each clip."""
    parts = [clips.batch(numbers)[:2] for numbers in torch.arange(len(clips.lengths)).split(64)]
    return torch.cat([head.hear(*part)[0] for part in parts]).sigmoid()


@torch.no_grad()
def amounts_of(head: WordsHead, reader: Any, heard: Tensor, texts: Sequence[str]) -> Tensor:
    """Clips (clips, things) to (clips, texts): how much of what each text asks about is in each."""
    weights, _ = head.topics(read_unique(head, reader, texts))
    return head.join(weights[None], heard[:, None])


@torch.no_grad()
def words_figures(head: WordsHead, reader: Any, clips: HeardClips) -> dict[str, Any]:
    """How well a head orders clips, and reads what a question means.

    Returns:
        Medians over concepts of the area under the curve between clips with a fault (severity above ``THERE``) and without, and of
        Spearman's correlation with the severity among clips that have it, by ``seen`` wordings, ``wordings`` that are held out, and
        ``concepts`` that are; ``auc`` of each concept by held-out wordings; ``direction``, the share of questions with held-out
        wordings and scales whose direction is right; ``hearable``, the share of held-out texts told right.
    """
    head.eval()
    found: dict[str, Any] = {"auc": {}}
    heard = heard_in(head, clips)
    kinds: dict[str, list[tuple[float, float]]] = {"seen": [], "wordings": [], "concepts": []}
    for concept in concepts().values():
        if not concept.causes:
            continue
        truth = truth_of(concept.causes, clips.truth).numpy()
        for kind in ("seen", "wordings") if concept.seen else ("concepts",):
            texts = [one.text for one in concept.wordings if one.held_out == (kind != "seen")]
            figures = [order_figures(row, truth) for row in amounts_of(head, reader, heard, texts).T.numpy()]
            kinds[kind].append(tuple(np.median(figures, 0)))  # type: ignore[arg-type]
            if kind != "seen":
                found["auc"][concept.name] = [round(float(value), 3) for value in kinds[kind][-1]]
    for kind, values in kinds.items():
        found[kind] = [round(float(value), 3) for value in np.nanmedian(values, 0)]
    rng = random.Random(0)
    kept = [one for one in scales() if one.held_out]
    asked = [w for one in concepts().values() for w in one.wordings if w.held_out and w.asks in ("strength", "freedom")]
    drawn = [draw_scaled(wording, rng.choice(kept), rng) for wording in asked]
    found["direction"] = right_directions(head, reader, [one for one in drawn if one is not None])
    bare = [w for one in concepts().values() for w in one.wordings if w.held_out and w.asks in ("presence", "absence")]
    found["yes_or_no"] = right_directions(head, reader, [Directed((w.text,) * 3, w.asks == "presence") for w in bare])
    deaf = [one.text for one in unhearable() if one.held_out]
    meant = [w.text for one in concepts().values() for w in one.wordings if w.held_out]
    says = [head.topics(read_unique(head, reader, texts))[1] > 0.5 for texts in (deaf, meant)]
    found["hearable"] = [round(float((~says[0]).float().mean()), 3), round(float(says[1].float().mean()), 3)]
    return found


@torch.no_grad()
def right_directions(head: WordsHead, reader: Any, directed: Sequence[Directed]) -> float:
    """The share of questions whose direction is told right."""
    vectors = read_unique(head, reader, [part for one in directed for part in one.parts])
    told = head.rises(vectors.unflatten(0, (-1, 3))) > 0.5
    return round(float((told == torch.tensor([one.rises for one in directed])).float().mean()), 3)


@torch.no_grad()
def spread_of(head: WordsHead, reader: Any, clips: HeardClips) -> float:
    """The deviation of severities from what is answered to trained wordings."""
    errors, heard = [], heard_in(head, clips)
    for concept in concepts().values():
        texts = [one.text for one in concept.wordings if not one.held_out and one.asks == "strength"]
        if texts:
            truth = truth_of(keys_of(concept), clips.truth)[:, None]
            errors.append((amounts_of(head, reader, heard, texts) - truth).flatten())
    joined = torch.cat(errors)
    return round(float(joined[~joined.isnan()].square().mean().sqrt()), 3)
