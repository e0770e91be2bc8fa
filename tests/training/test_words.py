"""The head for questions in any words: what trains it, and that a judge with it is saved and answers."""

import json
import random
import shutil
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from audio_judge import AudioJudge
from audio_judge.judge.shipped import place_of
from audio_judge.rubrics.concepts import WordedScale, Wording, concepts
from audio_judge.training.words import (
    SPOKEN,
    THINGS,
    Texts,
    WordsArguments,
    cut_tokenizer,
    draw_scaled,
    known_questions,
    moments_of,
    own_texts,
    train_words,
)

CLIPS = sorted((Path(__file__).parents[2] / "examples" / "clips").glob("*_*"))[:4]
WORDS = [
    "how",
    "strong",
    "is",
    "the",
    "hum",
    "hiss",
    "clip",
    "noise",
    "a",
    "of",
    "what",
    "you",
    "hear",
    "rate",
    "free",
    "from",
    "to",
    "in",
    "it",
    "there",
    "any",
    "no",
    "?",
    ".",
    ",",
    ":",
    "age",
    "old",
]


@pytest.fixture(scope="module")
def language(tmp_path_factory):
    """A tiny untrained BERT with a few words."""
    folder = tmp_path_factory.mktemp("language")
    letters = [f"{before}{letter}" for before in ("", "##") for letter in "abcdefghijklmnopqrstuvwxyz0123456789"]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys([*WORDS, *letters])]
    BertTokenizerFast(vocab={token: number for number, token in enumerate(tokens)}).save_pretrained(folder)
    shape = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = BertConfig(vocab_size=len(tokens), max_position_embeddings=80, **shape)
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Two splits of a few clips, every other with a hum."""
    root = tmp_path_factory.mktemp("corpus")
    for split in ("train_concepts", "validation_concepts"):
        (root / split / "clips").mkdir(parents=True)
        rows = []
        for index, clip in enumerate(CLIPS):
            shutil.copy(clip, root / split / "clips" / f"{index}.wav")
            severity = 0.7 * (index % 2)
            cause = {"kind": "noise", "parameters": {"snr_db": 10.0, "colour": "hum"}, "spans": []}
            row = {
                "index": index,
                "split": split,
                "path": f"{split}/clips/{index}.wav",
                "content": "speech",
                "source": "x",
            }
            row |= {"speaker": "", "reference": None, "causes": [cause] if severity else []}
            rows.append(row | {"concepts": dict.fromkeys(THINGS[:23], 0.0) | {"hum": severity, "noise": severity}})
        (root / split / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


@pytest.fixture(scope="module")
def trained(language, corpus, tmp_path_factory):
    """The folder of mini with a head that saw a few steps."""
    output = tmp_path_factory.mktemp("trained") / "judge"
    steps = {"hearing_steps": 2, "steps": 2, "distil_steps": 2, "texts": 8}
    shape = {"layers": 1, "tokens": 200, "rank": 8, "hidden_size": 16}
    train_words(WordsArguments(str(place_of("mini")), corpus, str(language), output, **shape, **steps))
    return output


class TestTrainWords:
    def test_the_judge_answers_a_rubric_in_words_with_shares(self, trained):
        judge = AudioJudge.from_pretrained(trained)
        answer = judge.decide(
            str(CLIPS[0]),
            {"q": {"type": "score", "instructions": "How much does it drone?", "criteria": ["a", "b", "c"]}},
        )["q"]
        assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)

    def test_other_answers_stay_as_they_were(self, trained):
        before, after = AudioJudge.from_pretrained("mini"), AudioJudge.from_pretrained(trained)
        scores = [judge.score(str(CLIPS[0])).scores["mos"].value for judge in (before, after)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-5)

    def test_what_was_heard_is_remembered(self, trained):
        assert (trained / "heard_train_concepts.safetensors").exists()


class TestTexts:
    def test_nothing_that_is_held_out_is_drawn(self):
        held_out = {w.text.casefold() for one in concepts().values() for w in one.wordings if w.held_out}
        asked, _ = Texts(0).draw(600)
        assert not held_out & {one.text.casefold() for one in asked}

    def test_a_composition_asks_about_both(self):
        asked, _ = Texts(0).draw(400)
        assert any(len(one.keys) == 2 for one in asked)

    def test_the_same_seed_draws_the_same(self):
        assert Texts(3).draw(20) == Texts(3).draw(20)


@pytest.mark.parametrize(
    ("asks", "levels", "scale_asks", "up"),
    [
        ("strength", ("none", "extreme"), "strength", True),
        ("strength", ("bad", "excellent"), "freedom", False),
        ("freedom", ("bad", "excellent"), "freedom", False),
        ("freedom", ("not at all", "very much"), "strength", False),
        ("freedom", ("none", "extreme"), "strength", None),
    ],
)
def test_a_scale_rises_with_what_it_names(asks, levels, scale_asks, up):
    rng = random.Random(1)  # draws no turned scale at first
    drawn = draw_scaled(Wording("hum", asks, "word"), WordedScale(levels, scale_asks), rng)
    turned = drawn is not None and drawn.parts[1] == levels[1]
    assert (None if drawn is None else drawn.rises != turned) == up


def test_own_texts_hold_nothing_that_is_held_out():
    held_out = {w.text for one in concepts().values() for w in one.wordings if w.held_out}
    assert not held_out & set(own_texts())


def test_a_cut_tokenizer_reads_as_before_what_it_keeps(language):
    whole = BertTokenizerFast.from_pretrained(language)
    cut, ids = cut_tokenizer(whole, ["how strong is the hum"], 90)
    kept = [ids[token] for token in cut("how strong is the hum")["input_ids"]]
    assert kept == whole("how strong is the hum")["input_ids"]


def test_known_questions_are_those_of_our_rubrics_and_faults():
    known = known_questions()
    assert "How noisy is the speech?" in known["questions"]["score"]
    assert "Are there clicks?" in known["questions"]["noul"]
    assert known["left"] == list(SPOKEN)


CLICKED = {"kind": "clicks", "parameters": {}, "spans": [[0.08, 0.12]]}


class TestMomentsOf:
    def test_frames_within_a_span_count(self):
        found = moments_of({"causes": [CLICKED], "concepts": {"clicks": 0.5, "gaps": 0.0}}, 5)[
            :, THINGS.index("clicks")
        ]
        assert found.tolist() == [0, 0, 1, 0, 0]

    def test_a_fault_that_is_there_at_unknown_times_is_not_known(self):
        row = {"causes": [{"kind": "clicks", "parameters": {}, "spans": []}], "concepts": {"clicks": 0.5}}
        assert bool(torch.isnan(moments_of(row, 3)[:, THINGS.index("clicks")]).all())
