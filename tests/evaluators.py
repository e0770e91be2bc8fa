"""Evaluators of the tests: servers that decide or chat, and a tiny model on disk."""

import json
import math

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


def told(*tokens, text=None):
    """The body of a chat reply that tells its tokens: for each the probabilities, first that of the written one."""
    content = [
        {"token": next(iter(one)), "logprob": math.log(next(iter(one.values()))), "bytes": [0]}
        | {"top_logprobs": [{"token": name, "logprob": math.log(p), "bytes": [0]} for name, p in one.items()]}
        for one in tokens
    ]
    message = {"role": "assistant", "content": text or "".join(next(iter(one)) for one in tokens)}
    choice = {"index": 0, "message": message, "logprobs": {"content": content}, "finish_reason": "stop"}
    return {"body": json.dumps({"choices": [choice]}).encode()}


def tells(**shares):
    """A server of chat as llama.cpp's: it says that it decides nothing, and tells tokens if it is asked for them."""

    def reply(request, _times):
        if "questions" in request:
            return {"status": 501, "body": b'{"error": {"code": 501, "message": "This model is not a decision model"}}'}
        return told({name.removeprefix("g"): p for name, p in shares.items()}) if request.get("logprobs") else "6"

    return reply


def criterion_of(request):
    text = request["messages"][0]["content"]
    return next(index for index, name in enumerate(CRITERIA) if f"\n\n{name}: " in text)


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
