import asyncio
import contextlib
import copy
import gzip
import json
import multiprocessing
from types import SimpleNamespace

import pytest
import torch
from stub import GZIP, MISBEHAVIOUR, serving
from tiny import make_tokenizer
from transformers import LlamaConfig, LlamaForCausalLM, pipeline

from audio_judge.text_models.backends import Endpoint, LocalModel
from audio_judge.text_models.client import LONGEST_WAIT, Client, in_order, waiting_time
from audio_judge.text_models.replies import GREEDY, CallError, Completion, Failure, Reply, Sampling


def says(text):
    return [{"role": "user", "content": text}]


def ask(url, cache=None, *texts, sampling=GREEDY, allow_cut_off=False, timeout=10.0, **options):
    """Ask all texts at once with a fresh client; returns the outcomes and the counts."""

    async def run():
        backend = Endpoint(url, "tiny", timeout=timeout)
        async with Client(backend, cache=cache, first_wait=0.0, **options) as client:
            calls = [client.ask(says(text), sampling, allow_cut_off=allow_cut_off) for text in texts or ("hello",)]
            return await asyncio.gather(*calls), client.counts

    return asyncio.run(run())


def echo(request, _times):
    return f"you said {request['messages'][-1]['content']}"


def after(failures, *, then="fine"):
    """Misbehave in turn, then answer."""
    return lambda _request, times: failures[times - 1] if times <= len(failures) else then


class TestSampling:
    @pytest.mark.parametrize(
        "wrong",
        [{"temperature": -0.1}, {"temperature": float("nan")}, {"top_p": 0.0}, {"top_p": 1.1}, {"max_tokens": 0}],
    )
    def test_refuses_what_no_server_takes(self, wrong):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Sampling(**wrong)


class TestEndpoint:
    def test_sends_the_request_in_full(self):
        with serving(echo) as stub:
            (reply,), _ = ask(stub.url, sampling=Sampling(0.9, 0.85, 33, 5))
        assert reply == Reply("you said hello")
        expected = {"model": "tiny", "messages": says("hello"), "temperature": 0.9, "top_p": 0.85}
        assert expected.items() <= stub.requests[0].items()
        assert (stub.requests[0]["max_tokens"], stub.requests[0]["seed"]) == (33, 5)

    def test_works_while_the_hub_is_offline(self, monkeypatch):
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        with serving(echo) as stub:
            assert ask(stub.url)[0] == [Reply("you said hello")]

    def test_never_sends_the_token_of_the_hub(self, monkeypatch):
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        with serving(echo) as stub:
            ask(stub.url)
        assert "hf_secret" not in str(stub.headers)
        assert "authorization" not in stub.headers[0]

    def test_sends_the_key_it_is_given_and_the_extra_fields(self):
        async def run(url):
            backend = Endpoint(url, "tiny", api_key="mine", extra={"chat_template_kwargs": {"enable_thinking": False}})
            async with Client(backend, cache=None) as client:
                await client.ask(says("hello"))

        with serving(echo) as stub:
            asyncio.run(run(stub.url))
        assert stub.headers[0]["authorization"] == "Bearer mine"
        assert stub.requests[0]["chat_template_kwargs"] == {"enable_thinking": False}

    @pytest.mark.parametrize(("url", "model"), [("localhost:8000", "m"), ("http://localhost", "")])
    def test_refuses_an_unusable_address(self, url, model):
        with pytest.raises(ValueError, match="endpoint"):
            Endpoint(url, model)


class TestRetry:
    @pytest.mark.parametrize(("answer", "kind"), MISBEHAVIOUR)
    def test_a_call_that_never_succeeds_is_a_failure_of_its_kind(self, answer, kind, tmp_path):
        with serving(after([answer] * 9)) as stub:
            (failure,), counts = ask(stub.url, tmp_path, attempts=2)
        assert isinstance(failure, Failure)
        assert (failure.kind, failure.attempts, counts.failed, len(stub.requests)) == (kind, 2, 1, 2)

    def test_a_slow_reply_is_a_failure_of_its_kind(self, tmp_path):
        with serving(lambda *_: {"delay": 0.5}) as stub:
            (failure,), _ = ask(stub.url, tmp_path, attempts=2, timeout=0.1)
        assert (failure.kind, failure.attempts) == ("timeout", 2)

    def test_tries_again_until_there_is_a_reply(self, tmp_path):
        wrong = [{"status": 429, "headers": {"Retry-After": "0"}}, {"status": 500}, {"body": b"{"}]
        with serving(after(wrong)) as stub:
            (reply,), counts = ask(stub.url, tmp_path)
        assert reply == Reply("fine")
        assert (counts.asked, counts.sent, counts.failed) == (1, 4, 0)

    def test_redirections_without_end_are_refused(self):
        with serving(lambda *_: {"status": 307, "headers": {"Location": "/v1/chat/completions"}}) as stub:
            (failure,), _ = ask(stub.url)
        assert (failure.kind, failure.attempts, len(stub.requests)) == ("refused", 1, 6)

    def test_one_redirection_is_followed(self):
        moved = {"status": 307, "headers": {"Location": "/v1/chat/completions"}}
        with serving(after([moved], then="fine")) as stub:
            assert ask(stub.url)[0] == [Reply("fine")]

    def test_packed_reply_is_unpacked(self):
        body = gzip.compress(b'{"choices": [{"message": {"content": "fine"}}]}')
        with serving(lambda *_: {"body": body, "headers": GZIP}) as stub:
            assert ask(stub.url)[0] == [Reply("fine")]

    def test_half_a_surrogate_pair_is_kept_and_sent_as_a_question_mark(self, tmp_path):
        with serving(lambda *_: {"body": b'{"choices": [{"message": {"content": "a \\ud83d"}}]}'}) as stub:
            assert ask(stub.url, tmp_path, "b \ude00")[0] == [Reply("a ?")]
        assert stub.requests[0]["messages"][0]["content"] == "b ?"

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 501])
    def test_a_refusal_is_final(self, status):
        with serving(after([{"status": status, "body": b"no such model"}] * 9)) as stub:
            (failure,), _ = ask(stub.url)
        assert (failure.kind, failure.attempts) == ("refused", 1)
        assert "no such model" in failure.message

    def test_nobody_listening_is_a_failure_of_the_connection(self):
        with serving(echo) as stub:
            gone = stub.url
        (failure,), _ = ask(gone, attempts=2)
        assert (failure.kind, failure.attempts) == ("connection", 2)

    def test_a_reply_that_was_cut_off_gets_more_tokens(self):
        def reply(request, _times):
            return {"text": "the end", "finish": "stop" if request["max_tokens"] >= 40 else "length"}

        with serving(reply) as stub:
            (answer,), _ = ask(stub.url, sampling=Sampling(max_tokens=10))
        assert answer == Reply("the end")
        assert [request["max_tokens"] for request in stub.requests] == [10, 20, 40]

    def test_four_times_the_tokens_is_the_end(self):
        with serving(lambda *_: {"text": "and", "finish": "length"}) as stub:
            (failure,), _ = ask(stub.url, sampling=Sampling(max_tokens=10), attempts=9)
        assert (failure.kind, len(stub.requests)) == ("reply_cut_off", 3)

    @pytest.mark.parametrize("thought", ["marked", "kept apart", "kept apart by vLLM"])
    def test_a_thought_that_was_cut_off_gets_room_to_end(self, thought):
        """Kept apart, there is no content at all: a thought that did not end, not a reply that cannot be read."""

        def reply(request, _times):
            if request["max_tokens"] >= 4000:
                return "8"
            if thought == "marked":
                return {"text": "<think>\nThe answer says", "finish": "length"}
            key = "reasoning" if "vLLM" in thought else "reasoning_content"
            message = {"role": "assistant", "content": None, key: "The answer says"}
            body = {"choices": [{"index": 0, "message": message, "finish_reason": "length"}]}
            return {"body": json.dumps(body).encode()}

        with serving(reply) as stub:
            (answer,), _ = ask(stub.url, sampling=Sampling(max_tokens=64))
        assert answer == Reply("8")
        assert [request["max_tokens"] for request in stub.requests] == [64, 2048, 8192]

    def test_a_thought_without_an_end_is_said_to_be_one(self):
        with serving(lambda *_: {"text": "<think>\nWait, let me", "finish": "length"}) as stub:
            (failure,), _ = ask(stub.url, sampling=Sampling(max_tokens=3000))
        assert failure.kind == "reply_cut_off"
        assert failure.message.startswith("no end of the thought within 12000 tokens")
        assert len(stub.requests) == 3

    def test_a_reply_without_content_that_ended_is_malformed(self):
        body = {"choices": [{"message": {"content": None, "reasoning": "Hm."}, "finish_reason": "stop"}]}
        with serving(lambda *_: {"body": json.dumps(body).encode()}) as stub:
            (failure,), _ = ask(stub.url, attempts=1)
        assert failure.kind == "malformed_reply"

    def test_a_reply_that_was_cut_off_counts_where_that_is_allowed(self, tmp_path):
        with serving(lambda *_: {"text": "7 and", "finish": "length"}) as stub:
            first, _ = ask(stub.url, tmp_path, allow_cut_off=True)
            again, _ = ask(stub.url, tmp_path, allow_cut_off=True)
            strict, _ = ask(stub.url, tmp_path)
        assert (first, again) == ([Reply("7 and", cut_off=True)], [Reply("7 and", cut_off=True, cached=True)])
        assert isinstance(strict[0], Failure)

    def test_a_failure_is_asked_again_later(self, tmp_path):
        with serving(after([{"status": 500}])) as stub:
            (first,), _ = ask(stub.url, tmp_path, attempts=1)
            (second,), _ = ask(stub.url, tmp_path, attempts=1)
        assert isinstance(first, Failure)
        assert second == Reply("fine")


class TestWaitingTime:
    def test_doubles_with_jitter_up_to_the_limit(self):
        for attempt, longest in [(1, 2.0), (2, 4.0), (5, 32.0), (30, LONGEST_WAIT)]:
            assert longest / 2 <= waiting_time(attempt, 2.0) <= longest

    def test_keeps_to_what_the_server_asked_for(self):
        assert waiting_time(1, 1.0, asked_for=9.0) == 9.0
        assert waiting_time(1, 1.0, asked_for=9e9) == LONGEST_WAIT

    def test_retry_after_reaches_the_client(self):
        async def run(url):
            backend = Endpoint(url, "tiny")
            try:
                await backend.generate(says("hello"), GREEDY)
            finally:
                await backend.close()

        busy = {"status": 429, "headers": {"Retry-After": "17"}}
        with serving(lambda *_: busy) as stub, pytest.raises(CallError) as caught:
            asyncio.run(run(stub.url))
        assert caught.value.wait == 17.0


class TestConcurrency:
    def test_the_server_never_sees_more_than_the_limit(self):
        with serving(lambda *_: {"text": "ok", "delay": 0.02}) as stub:
            ask(stub.url, None, *[f"text {index}" for index in range(24)], concurrency=3)
        assert (len(stub.requests), stub.most_at_once) == (24, 3)

    @pytest.mark.parametrize("wrong", [{"concurrency": 0}, {"attempts": 0}, {"first_wait": -1.0}])
    def test_refuses_numbers_out_of_range(self, wrong):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Client(Endpoint("http://localhost", "m"), cache=None, **wrong)


def ask_in_child(url, cache):
    ask(url, cache, *[f"text {index}" for index in range(8)], concurrency=4)


class TestCache:
    def test_the_same_request_is_answered_from_disk(self, tmp_path):
        with serving(echo) as stub:
            ask(stub.url, tmp_path)
            (reply,), counts = ask(stub.url, tmp_path)
        assert reply == Reply("you said hello", cached=True)
        assert (len(stub.requests), counts.cached, counts.sent) == (1, 1, 0)

    def test_another_address_of_the_same_model_is_not_asked(self, tmp_path):
        with serving(echo) as stub:
            ask(stub.url, tmp_path)
        with serving(echo) as moved:
            ask(moved.url, tmp_path)
        assert moved.requests == []

    @pytest.mark.parametrize("other", [{"seed": 1}, {"temperature": 0.5}, {"top_p": 0.5}, {"max_tokens": 9}])
    def test_another_sampling_is_another_request(self, other, tmp_path):
        with serving(echo) as stub:
            ask(stub.url, tmp_path)
            ask(stub.url, tmp_path, sampling=Sampling(**other))
        assert len(stub.requests) == 2

    def test_tasks_that_ask_the_same_at_once_send_one_request(self, tmp_path):
        with serving(lambda *_: {"text": "ok", "delay": 0.05}) as stub:
            replies, counts = ask(stub.url, tmp_path, *["same"] * 6)
        assert [reply.text for reply in replies] == ["ok"] * 6
        assert (len(stub.requests), counts.cached) == (1, 5)

    def test_two_processes_ask_nothing_twice(self, tmp_path):
        with serving(lambda *_: {"text": "ok", "delay": 0.05}) as stub:
            context = multiprocessing.get_context("fork")
            children = [context.Process(target=ask_in_child, args=(stub.url, tmp_path)) for _ in range(2)]
            for child in children:
                child.start()
            for child in children:
                child.join()
        assert [child.exitcode for child in children] == [0, 0]
        assert sorted(stub.times.values()) == [1] * 8

    def test_leaves_no_lock_that_stops_a_later_run(self, tmp_path):
        async def run(url):
            async with Client(Endpoint(url, "tiny"), cache=tmp_path) as client:
                call = asyncio.ensure_future(client.ask(says("hello")))
                while not stub.requests:
                    await asyncio.sleep(0.01)
                call.cancel()
                await asyncio.gather(call, return_exceptions=True)
                return await client.ask(says("hello"))

        with serving(lambda *_: {"text": "ok", "delay": 0.1}) as stub:
            assert asyncio.run(run(stub.url)) == Reply("ok")


class TestLocalModel:
    @pytest.fixture(scope="class")
    def model(self):
        tokenizer = make_tokenizer()
        tokenizer.chat_template = (
            "{% for m in messages %}<|im_start|>{{ m['role'] }} {{ m['content'] }}<|im_end|>{% endfor %}<|im_start|>"
        )
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2
        )
        config.eos_token_id, config.pad_token_id = tokenizer.eos_token_id, tokenizer.pad_token_id
        return LocalModel(pipeline("text-generation", LlamaForCausalLM(config), tokenizer=tokenizer), name="tiny")

    def generate(self, model, *samplings):
        async def run():
            return await asyncio.gather(*[model.generate(says("hello"), sampling) for sampling in samplings])

        return asyncio.run(run())

    def test_the_seed_decides_what_is_drawn(self, model):
        settings = [Sampling(2.0, 1.0, 12, seed) for seed in (1, 1, 2)]
        first, again, other = self.generate(model, *settings)
        assert first == again
        assert first != other

    def test_greedy_does_not_depend_on_the_seed(self, model):
        first, other = self.generate(model, Sampling(max_tokens=8, seed=1), Sampling(max_tokens=8, seed=2))
        assert first == other

    def test_says_that_the_reply_was_cut_off(self, model):
        assert self.generate(model, Sampling(max_tokens=2))[0].cut_off

    def test_leaves_the_random_numbers_of_the_process_alone(self, model):
        torch.manual_seed(3)
        expected = torch.rand(2)
        torch.manual_seed(3)
        self.generate(model, Sampling(1.0, 1.0, 4, 5))
        assert torch.equal(torch.rand(2), expected)

    @pytest.mark.parametrize("fault", ["template", "type", "memory", "index"])
    def test_what_fails_while_it_writes_is_a_counted_failure(self, model, fault):
        pipe = copy.copy(model._pipeline)
        pipe.tokenizer = copy.deepcopy(pipe.tokenizer)

        def fail(**_):
            raise {"memory": torch.OutOfMemoryError, "index": IndexError}[fault]("a reason\nin detail")

        if fault in ("template", "type"):
            pipe.tokenizer.chat_template = {
                "template": "{{ raise_exception('a reason') }}",
                "type": "{{ messages + 1 }}",
            }[fault]
        else:
            pipe.model = SimpleNamespace(device="cpu", config=pipe.model.config, generate=fail)

        async def run():
            async with Client(LocalModel(pipe, name="tiny"), cache=None) as client:
                return await client.ask(says("hello")), client.counts.failed

        outcome, failed = asyncio.run(run())
        assert (outcome.kind, outcome.attempts, failed) == ("refused", 1, 1)
        assert outcome.message.startswith("tiny: ")
        assert ("a reason" in outcome.message) == (fault != "type")
        assert "\n" not in outcome.message

    @pytest.mark.parametrize("thinking", [None, True, False])
    def test_thinking_reaches_the_chat_template(self, model, thinking):
        """A template as Qwen3's: an empty thought in the prompt where none is wanted."""
        pipe = copy.copy(model._pipeline)
        pipe.tokenizer = copy.deepcopy(pipe.tokenizer)
        pipe.tokenizer.chat_template += "{% if enable_thinking is defined and not enable_thinking %}good{% endif %}"
        seen = []
        pipe.model = SimpleNamespace(
            device="cpu", config=pipe.model.config, generation_config=pipe.model.generation_config,
            generate=lambda **given: seen.append(given["input_ids"]) or SimpleNamespace(sequences=given["input_ids"], logits=None),
        )  # fmt: skip
        with contextlib.suppress(IndexError):  # nothing is written
            LocalModel(pipe, name="tiny", thinking=thinking)._generate(says("hello"), Sampling())
        assert pipe.tokenizer.decode(seen[0][0]).endswith("good") == (thinking is False)

    def test_thinking_is_part_of_what_a_reply_hangs_on(self, model):
        pipe = copy.copy(model._pipeline)
        pipe.tokenizer = copy.deepcopy(pipe.tokenizer)
        pipe.tokenizer.chat_template += "{{ '' if enable_thinking else '' }}"
        identities = [LocalModel(pipe, name="tiny", thinking=value).identity for value in (None, True, False)]
        assert len({json.dumps(one) for one in identities}) == 3

    def test_template_without_thinking_cannot_be_told(self, model):
        with pytest.raises(ValueError, match="tiny: its chat template knows no `enable_thinking`"):
            LocalModel(model._pipeline, name="tiny", thinking=False)

    def test_is_cached_like_an_endpoint(self, model, tmp_path):
        async def run():
            async with Client(model, cache=tmp_path) as client:
                sampling = Sampling(max_tokens=4)
                replies = [await client.ask(says("hello"), sampling, allow_cut_off=True) for _ in range(2)]
                return replies, client.counts

        replies, counts = asyncio.run(run())
        assert [reply.cached for reply in replies] == [False, True]
        assert counts.sent == 1


class TestOwnBackend:
    def test_anything_with_three_members_will_do(self):
        class Parrot:
            identity = {"model": "parrot"}  # noqa: RUF012

            async def generate(self, messages, sampling):
                return Completion(messages[-1]["content"])

            async def close(self):
                pass

        async def run():
            async with Client(Parrot(), cache=None) as client:
                return await client.ask(says("hello"))

        assert asyncio.run(run()) == Reply("hello")


class TestInOrder:
    def results(self, items, window, work):
        async def run():
            return [result async for result in in_order(work, items, window)]

        return asyncio.run(run())

    def test_keeps_the_order_of_the_items(self):
        async def work(item):
            await asyncio.sleep(0.01 * (item % 3))
            return item

        assert self.results(range(9), 4, work) == list(range(9))

    def test_reads_no_further_than_the_window(self):
        read = []

        def items():
            for index in range(100):
                read.append(index)
                yield index

        async def work(item):
            return item

        async def run():
            results = in_order(work, items(), 5)
            await anext(results)
            await results.aclose()

        asyncio.run(run())
        assert len(read) == 5

    def test_an_error_reaches_the_caller(self):
        async def work(item):
            return 1 / item

        with pytest.raises(ZeroDivisionError):
            self.results([1, 0, 2], 2, work)
