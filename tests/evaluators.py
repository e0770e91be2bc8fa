"""Evaluators of the tests: servers that decide or chat, and a tiny model on disk."""

import json

import pytest
import torch
from tiny import make_tokenizer, text_config
from transformers import AutoModelForCausalLM

from audio_judge.text_models.criteria import (
    CRITERIA,
)


def decided(scores, **changes):
    """The body of /v1/systemone with an expected level per criterion."""
    answers = {
        name: {"type": "score", "score": score, "legend": {"0": "long"}, "confidence": 0.5, "probabilities": {"0": 0.2}}
        for name, score in zip(CRITERIA, scores, strict=True)
    }
    return {"body": json.dumps({"model": "tiny", "answers": answers | changes}).encode()}


def decides(*scores):
    """A server of typed decisions."""
    return lambda request, _times: decided(scores) if "questions" in request else {"status": 404}


def chats(*replies):
    """A server of chat only, with a reply per criterion."""

    def reply(request, _times):
        if "questions" in request:
            return {"status": 404, "body": b'{"detail": "Not Found"}'}
        return replies[criterion_of(request)] if len(replies) > 1 else replies[0]

    return reply


def criterion_of(request):
    text = request["messages"][0]["content"]
    return next(index for index, name in enumerate(CRITERIA) if f"Grade the {name} of" in text)


TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n"
)


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory):
    """The folder of a tiny random chat model."""
    folder = tmp_path_factory.mktemp("evaluator")
    tokenizer = make_tokenizer()
    tokenizer.chat_template = TEMPLATE
    config = text_config(len(tokenizer))
    config.max_position_embeddings = 8192
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)
