import asyncio
import itertools
import json
import multiprocessing
import os
import random
import re
import signal
import sqlite3
from dataclasses import replace

import pytest
import torch
from filelock import FileLock
from served import transformers_serve
from stub import serving
from tiny import make_tokenizer, text_config
from transformers import AutoModelForCausalLM

from audio_judge.clips import Cause, RatedClip, RatedPair, Rating
from audio_judge.data import captions
from audio_judge.data.captions import (
    CaptionError,
    TeacherUnavailableError,
    Truth,
    read_caption,
    samplings,
    write_captions,
)
from audio_judge.languages import get_language
from audio_judge.tasks import compare, describe
from audio_judge.tasks.compare import Comparison
from audio_judge.text_models.backends import Endpoint, LocalModel
from audio_judge.text_models.client import Client
from audio_judge.text_models.replies import Reply, Sampling


def clip(path="a.wav", mos=3.4, noisiness=2.0):
    return RatedClip(path, {"mos": Rating(mos), "noisiness": Rating(noisiness)}, "train", "own")


def pair(preference="A"):
    return RatedPair(clip("a.wav", 4.0, 4.0), clip("b.wav", 2.0, 2.0), {"mos": preference})


CLIPS = [clip(f"{index}.wav", 1 + index / 10) for index in range(12)]


def expert(request, times=1):
    """A teacher that does as it is told, each time with another word."""
    text = request["messages"][-1]["content"]
    if token := re.search(r"\[\w+\]", text):
        return f"SpeechA is better than SpeechB in noisiness.\n{token[0]}"
    mos = re.search(r"\(MOS ([\d.]+)\)", text)[1]
    drawn = f"{request['temperature']}/{request['top_p']}".replace(".", "-")
    word = f"{mos}{drawn}{request['seed']}".translate(str.maketrans("0123456789", "abcdefghij", ".-/"))
    return f"The speech is noisy as {word} (drawn at {drawn}). The MOS is {mos}."


def of_clip(mos=3.4, noisiness=2.0, direction=""):
    """What a description is held against."""
    scores = {"mos": mos, "noisiness": noisiness, "coloration": 4.0, "discontinuity": 4.6, "loudness": 1.4}
    return Truth((scores,), (direction,))


def write(url, folder, items, concurrency=2, attempts=1, **options):
    async def run():
        backend = Endpoint(url, "tiny")
        async with Client(
            backend, cache=folder / "cache", concurrency=concurrency, attempts=attempts, first_wait=0
        ) as client:
            return await write_captions(client, items, folder / "captions.jsonl", **options)

    return asyncio.run(run())


def rows(folder, name="captions.jsonl"):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


class TestSamplings:
    def test_four_diverse_captions_are_the_grid_after_a_greedy_one(self):
        found = [(one.temperature, one.top_p) for one in samplings(4)]
        assert found == [(0.0, 1.0), (0.9, 0.85), (0.9, 0.95), (1.1, 0.85), (1.1, 0.95)]

    def test_a_single_one_is_drawn_as_the_readme_says(self):
        assert [(one.temperature, one.top_p) for one in samplings(1)] == [(0.0, 1.0), (1.1, 0.9)]

    def test_no_two_are_alike_beyond_the_grid(self):
        assert len(set(samplings(11))) == 12

    def test_refuses_a_negative_number(self):
        with pytest.raises(ValueError, match="-1"):
            samplings(-1)


class TestReadCaption:
    @pytest.mark.parametrize(
        "reply",
        [
            "The speech is noisy. The MOS is 3.4.",
            "<think>mos 3.4</think>\nSome hiss. MOS: 3.4/5",
            "Noise all over. **MOS 3.5**",  # within the tolerance
            "The noise is strong, which makes a MOS of 3.4. The MOS is 3.4.",
        ],
    )
    def test_a_description_that_ends_in_the_rating(self, reply):
        assert "<think>" not in read_caption(reply, of_clip())

    @pytest.mark.parametrize(
        ("reply", "reason"),
        [
            ("The speech is noisy. The MOS is 3.6.", "ending: another score"),
            ("The MOS is 3.4.", "ending: none that can be read"),  # no words
            ("The MOS is 3.4. The speech is noisy.", "ending: none that can be read"),
            ("The speech is noisy.", "ending: none that can be read"),
            ("", "ending: none that can be read"),
            ("<think>The MOS is 3.4.", "ending: none that can be read"),
            ("The speech is clean. The MOS is 3.4.", "noisiness: against the rating"),
            ("Noise disturbs, and the speech is interrupted. The MOS is 3.4.", "discontinuity: against the rating"),
            ("The speech is noisy and far too loud. The MOS is 3.4.", "loudness: no known direction"),
            ("The speech is noisy. The quality is excellent, with a MOS of 3.4.", "mos: against the rating"),
            ("Of noise it has 1.8. The MOS is 3.4.", "number: none that was given"),
            ("A person speaks about birds. The MOS is 3.4.", "words: of no aspect"),
            ("语音很嘈杂。 MOS 3.4", "language: not English"),
        ],
    )
    def test_refuses_other_descriptions(self, reply, reason):
        with pytest.raises(CaptionError) as caught:
            read_caption(reply, of_clip())
        assert caught.value.reason == reason

    def test_what_was_done_to_a_clip_tells_a_loudness_that_a_rating_does_not(self):
        said = "The speech is far too quiet. The MOS is 3.4."
        assert read_caption(said, of_clip(direction="low")) == said
        with pytest.raises(CaptionError, match="the other direction"):
            read_caption(said, of_clip(direction="high"))

    def test_an_aspect_without_a_rating_is_invented(self):
        with pytest.raises(CaptionError, match="coloration: not rated"):
            read_caption("The voice sounds natural. The MOS is 3.4.", Truth(({"mos": 3.4, "noisiness": 2.0},)))

    TRUTH = Truth(
        ({"mos": 4.0, "noisiness": 4.4, "coloration": 3.0}, {"mos": 2.0, "noisiness": 1.9, "coloration": 2.8}),
        comparison=Comparison({"mos": "A", "noisiness": "A"}),
    )

    @pytest.mark.parametrize(
        "reply",
        [
            "A is cleaner. [SpeechA]",
            "SpeechA beats SpeechB in noisiness.\n**[SpeechA]**",
            "SpeechB is quite noisy, while SpeechA has hardly any noise. [SpeechA]",
            "The voices of both are somewhat coloured, but SpeechA has less noise than SpeechB. [SpeechA]",
        ],
    )
    def test_a_comparison_that_ends_in_the_preference(self, reply):
        assert read_caption(reply, self.TRUTH) == reply

    @pytest.mark.parametrize(
        ("reply", "reason"),
        [
            ("B is cleaner. [SpeechB]", "ending: another verdict"),
            ("[SpeechA]", "ending: another verdict"),  # no words
            ("[SpeechA] because it is cleaner.", "ending: another verdict"),
            ("Not [SpeechB]. [SpeechA]", "ending: none that can be read"),
            ("A is cleaner.", "ending: none that can be read"),
            ("SpeechB beats SpeechA in noisiness. [SpeechA]", "noisiness: the other clip"),
            ("SpeechA beats SpeechB in loudness. [SpeechA]", "loudness: no clear difference"),
            ("SpeechA has more noise than SpeechB. [SpeechA]", "noisiness: the other clip"),
            ("SpeechA has a more natural coloration. [SpeechA]", "coloration: no clear difference"),
            ("SpeechA sounds more natural. [SpeechA]", "coloration: no clear difference"),
            ("SpeechA is noisy. [SpeechA]", "noisiness: against the rating"),
            ("SpeechB is better on the whole. [SpeechA]", "mos: the other clip"),
            ("SpeechA has less noise (4.4 to 1.9). [SpeechA]", "number: none that was given"),
        ],
    )
    def test_refuses_other_comparisons(self, reply, reason):
        with pytest.raises(CaptionError) as caught:
            read_caption(reply, self.TRUTH)
        assert caught.value.reason == reason


class TestOwnWriters:
    """What our tasks write from ratings, and what the expert reads of them, is true to the rules that its replies are held to."""

    ASPECTS = ("mos", "noisiness", "coloration", "discontinuity", "loudness")

    @pytest.mark.parametrize("seed", range(30))
    def test_descriptions_and_comparisons_are_not_refused(self, seed):
        draw = random.Random(seed)
        first, second = ({name: round(draw.uniform(1, 5), 2) for name in self.ASPECTS} for _ in "AB")
        findings = f"{describe.rated_words(first, '', seed, with_number=False)} {describe.ending(first['mos'], seed)}"
        for text in (describe.write(describe.describe_scores(first, seed), seed), findings):
            assert read_caption(text, Truth((first,))) == text
        verdicts = compare.from_scores(first, second)
        text = compare.write(verdicts, seed)
        assert read_caption(text, Truth((first, second), comparison=verdicts)) == text


class TestWriteCaptions:
    def test_writes_a_row_per_caption_in_the_order_of_the_clips(self, tmp_path):
        with serving(expert) as stub:
            report = write(stub.url, tmp_path, CLIPS[:3], diverse=4)
        found = rows(tmp_path)
        assert (report.written, report.failed, report.requests) == (15, 0, 15)
        assert [(row["audio"], row["variant"]) for row in found] == [([c.path], v) for c in CLIPS[:3] for v in range(5)]
        assert found[3]["text"] == "The speech is noisy as babbaifa (drawn at 1-1/0-85). The MOS is 1.0."
        assert found[3]["sampling"]["temperature"] == 1.1

    @pytest.mark.parametrize("preference", ["A", "B", "tie"])
    def test_pairs_end_in_their_preference(self, preference, tmp_path):
        with serving(expert) as stub:
            write(stub.url, tmp_path, [pair(preference)])
        (row,) = rows(tmp_path)
        assert (row["task"], row["audio"]) == ("compare", ["a.wav", "b.wav"])
        assert row["text"].endswith({"A": "[SpeechA]", "B": "[SpeechB]", "tie": "[Tie]"}[preference])

    @pytest.mark.parametrize(
        ("said", "texts"),
        [
            ("SpeechA has less noise than SpeechB.", ["SpeechA has less noise than SpeechB.\n[SpeechA]"]),
            ("SpeechB has less noise than SpeechA.", []),
            ("I'm sorry, but it is not clear what you ask.", []),
        ],
    )
    def test_a_verdict_that_was_told_and_forgotten_is_added_to_a_true_comparison(self, said, texts, tmp_path):
        with serving(lambda *_: said) as stub:
            write(stub.url, tmp_path, [pair()], tries=1)
        assert [row["text"] for row in rows(tmp_path)] == texts

    def test_the_expert_reads_how_the_clips_differ(self, tmp_path):
        with serving(expert) as stub:
            write(stub.url, tmp_path, [pair()])
        text = stub.requests[0]["messages"][-1]["content"]
        found = re.search(
            r"- noisiness: SpeechA: (.*\.) SpeechB: (.*\.) SpeechA is better.\n(?s:.*)Last line: \[SpeechA\]", text
        )
        assert found[1] in get_language("en").dimensions["noisiness"][3]
        assert found[2] in get_language("en").dimensions["noisiness"][1]
        assert not re.search(r"\d", text)

    def test_the_expert_reads_in_which_direction_the_loudness_is_off(self, tmp_path):
        loudness = {"loudness": Rating(1.4)}
        quiet = replace(clip(), causes=(Cause("level", {"gain_db": -30.0}),), ratings=clip().ratings | loudness)
        with serving(expert) as stub:
            write(stub.url, tmp_path, [quiet])
        assert "the speech is too quiet" in stub.requests[0]["messages"][-1]["content"]

    def test_two_steps_reason_first_and_then_name_the_winner(self, tmp_path):
        """The first call is told the ratings and no winner, the second one sees the comparison alone."""

        def reply(request, _times):
            if "Findings of listeners" in request["messages"][0]["content"]:
                return f"<think>4 beats 2.</think>SpeechA is cleaner, so I prefer it{' so' * (request['temperature'] > 0)}."
            return "[SpeechA]."

        with serving(reply) as stub:
            report = write(stub.url, tmp_path, [pair(), clip()], two_step=True, diverse=1)
        texts = [row["text"] for row in rows(tmp_path) if row["task"] == "compare"]
        assert texts == [f"SpeechA is cleaner, so I prefer it{end}.\n[SpeechA]" for end in ("", " so")]
        reasoning, summary = (
            [r for r in stub.requests if key in r["messages"][0]["content"]] for key in ("MOS", "does it find")
        )
        assert not any("[Speech" in request["messages"][0]["content"] for request in reasoning)
        assert {(r["temperature"], r["top_p"]) for r in reasoning} >= {(0.0, 1.0), (1.1, 0.9)}
        asked = min((request["messages"][0]["content"] for request in summary), key=len)
        assert asked.startswith("SpeechA is cleaner, so I prefer it.\n\n")
        assert "MOS" not in asked
        assert {request["temperature"] for request in summary} == {0.0}
        assert report.failed == 2  # the descriptions, to which this teacher has no answer

    @pytest.mark.parametrize("said", ["[SpeechB]", "SpeechA", "I think [SpeechA] is", "", "[SpeechA] or [SpeechB]"])
    def test_second_step_that_names_another_or_none_is_invalid(self, said, tmp_path):
        def reply(request, _times):
            return (
                "SpeechA is cleaner.\n[SpeechA]"
                if "Findings of listeners" in request["messages"][0]["content"]
                else said
            )

        with serving(reply) as stub:
            report = write(stub.url, tmp_path, [pair()], two_step=True, tries=2)
        assert (report.written, report.failed) == (0, 1)

    def test_no_tie_in_two_steps(self, tmp_path):
        with pytest.raises(ValueError, match="a tie; compared in two steps"):
            write("http://localhost:1", tmp_path, [pair("tie")], two_step=True)

    def test_an_invalid_reply_is_asked_for_with_another_seed(self, tmp_path):
        def reply(request, times):
            return "I will not." if request["seed"] == 0 else expert(request)

        with serving(reply) as stub:
            report = write(stub.url, tmp_path, [clip()])
        assert (report.written, report.requests) == (1, 2)
        assert stub.requests[0]["temperature"] == 0.0
        assert stub.requests[1]["temperature"] > 0  # a greedy reply would be the same again
        assert rows(tmp_path)[0]["sampling"]["seed"] == stub.requests[1]["seed"]

    def test_what_stays_invalid_is_reported(self, tmp_path):
        with serving(lambda *_: "The MOS is great.") as stub:
            report = write(stub.url, tmp_path, [clip()], tries=3)
        (row,) = rows(tmp_path, "captions.jsonl.failed.jsonl")
        assert (report.written, report.failed, len(stub.requests)) == (0, 1, 3)
        assert row["reason"] == "invalid"
        assert "The MOS is great" in row["message"]

    def test_rejected_replies_are_counted_by_reason(self, tmp_path):
        """One is true at the third try, the other one never."""

        def reply(request, times):
            if "MOS 3.4" in request["messages"][0]["content"] and request["seed"] == 2000:
                return expert(request)
            return f"The speech is {'clean' if request['seed'] else 'noisy'}. The MOS is {1 if request['seed'] == 0 else 3.4}."

        with serving(reply) as stub:
            report = write(stub.url, tmp_path, [clip("a.wav", 3.4), clip("b.wav", 2.4)], concurrency=1)
        assert (report.written, report.rewritten, report.failed, report.dropped) == (1, 1, 1, 1)
        assert report.rejected == {"noisiness: against the rating": 1, "ending: another score": 4}
        assert rows(tmp_path)[0]["rejected"] == ["ending: another score", "noisiness: against the rating"]
        assert rows(tmp_path, "captions.jsonl.failed.jsonl")[0]["rejected"] == ["ending: another score"] * 3

    @pytest.mark.parametrize("is_one_run", [True, False])
    def test_words_of_another_caption_are_rejected(self, is_one_run, tmp_path):
        """In one run or in two, whatever the score, the case and the marks."""

        def reply(request, _times):
            mos = re.search(r"\(MOS ([\d.]+)\)", request["messages"][0]["content"])[1]
            return f"{'The speech is noisy' if mos == '2.0' else 'The Speech is noisy!'}. The MOS is {mos}."

        clips = [clip("a.wav", 2.0), clip("b.wav", 2.2)]
        with serving(reply) as stub:
            reports = [write(stub.url, tmp_path, some) for some in ([clips] if is_one_run else [clips[:1], clips[1:]])]
        assert reports[-1].rejected == {"text: written before": 3}
        assert len(rows(tmp_path)) == 1  # of whichever came first

    def test_a_failed_call_is_reported_and_tried_by_the_next_run(self, tmp_path):
        with serving(lambda request, times: {"status": 500} if times == 1 else expert(request)) as stub:
            first = write(stub.url, tmp_path, [clip()])
            reason = rows(tmp_path, "captions.jsonl.failed.jsonl")[0]["reason"]
            second = write(stub.url, tmp_path, [clip()])
        assert (first.failed, reason, second.written, second.failed) == (1, "server_error", 1, 0)
        assert rows(tmp_path, "captions.jsonl.failed.jsonl") == []

    def test_a_server_that_is_gone_stops_the_run(self, tmp_path, monkeypatch):
        monkeypatch.setattr(captions, "GIVE_UP_AFTER", 3)
        with serving(lambda *_: {"status": 502}) as stub, pytest.raises(TeacherUnavailableError, match="502"):
            write(stub.url, tmp_path, CLIPS, concurrency=1)
        assert len(stub.requests) < len(CLIPS)

    def test_a_finished_file_asks_nothing(self, tmp_path):
        with serving(expert) as stub:
            write(stub.url, tmp_path, CLIPS)
            before = (tmp_path / "captions.jsonl").read_bytes()
            report = write(stub.url, tmp_path, CLIPS)
        assert (report.kept, report.written, report.requests) == (12, 0, 0)
        assert (tmp_path / "captions.jsonl").read_bytes() == before

    def test_a_changed_rating_is_a_new_caption(self, tmp_path):
        with serving(expert) as stub:
            write(stub.url, tmp_path, [clip(mos=3.4)])
            report = write(stub.url, tmp_path, [clip(mos=2.4)])
        assert (report.kept, report.written) == (0, 1)

    def test_the_same_clip_twice_is_written_once(self, tmp_path):
        with serving(expert) as stub:
            assert write(stub.url, tmp_path, [clip(), clip()]).written == 1

    @pytest.mark.parametrize(
        ("item", "message"),
        [
            (RatedClip("x.wav", {"noisiness": Rating(2)}, "train", "own"), "x.wav: no overall rating"),
            (pair("C"), "a.wav, b.wav: overall preference 'C'"),
        ],
    )
    def test_refuses_items_it_could_not_check(self, item, message, tmp_path):
        with pytest.raises(ValueError, match=message):
            write("http://localhost:1", tmp_path, [item])

    def test_refuses_a_file_another_run_is_writing(self, tmp_path):
        lock = FileLock(f"{tmp_path / 'captions.jsonl'}.lock")
        with lock, pytest.raises(RuntimeError, match="another run"):
            write("http://localhost:1", tmp_path, [clip()])


class TestKill:
    def test_a_killed_run_goes_on_and_asks_nothing_again_that_was_answered(self, tmp_path):
        def reply(request, _times):
            return {"text": expert(request), "delay": 0.03}

        with serving(reply) as stub:
            context = multiprocessing.get_context("fork")
            child = context.Process(target=write, args=(stub.url, tmp_path, CLIPS))
            child.start()
            while len(stub.requests) < 6:
                assert child.is_alive()
            os.kill(child.pid, signal.SIGKILL)
            child.join()
            with sqlite3.connect(tmp_path / "cache" / "replies.sqlite") as database:
                stored = database.execute("SELECT COUNT(*) FROM replies").fetchone()[0]
            sent = len(stub.requests)
            report = write(stub.url, tmp_path, CLIPS)
        assert child.exitcode == -signal.SIGKILL
        assert 0 < stored <= sent < len(CLIPS)
        # Only what was under way when it was killed, two requests at most, is sent again.
        assert report.requests == len(CLIPS) - stored
        assert sent - stored <= 2
        assert [row["audio"] for row in rows(tmp_path)] == [[one.path] for one in CLIPS]


TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PIECES = ("The speech is", " noisy.", " The MOS is 3.4.")
SAID = "".join(PIECES)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """Folder of a tiny language model that gives one reply to anything: each token it says follows from the one before."""
    folder = tmp_path_factory.mktemp("teacher") / "model"
    tokenizer = make_tokenizer()
    tokenizer.chat_template = TEMPLATE
    tokenizer.add_tokens(list(PIECES))
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(text_config(len(tokenizer), tie=False))
    newline = tokenizer("\n", add_special_tokens=False)["input_ids"]
    chain = [*newline, *tokenizer.convert_tokens_to_ids(list(PIECES)), tokenizer.eos_token_id]
    with torch.no_grad():
        for layer in model.model.layers:  # a layer that adds nothing leaves the token itself
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        model.lm_head.weight.zero_()
        for token, following in itertools.pairwise(chain):
            model.lm_head.weight[following] = 100 * model.get_input_embeddings().weight[token]
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def address(teacher):
    """Address of `transformers serve` on the teacher."""
    with transformers_serve(teacher) as url:
        yield url


class TestTransformersServe:
    """A real server with a real model; the teacher says always the same, which suits the first clip only."""

    def write(self, address, teacher, folder, **options):
        async def run():
            backend = Endpoint(address, str(teacher))
            async with Client(backend, cache=folder / "cache", first_wait=0) as client:
                return await write_captions(
                    client, [clip("a.wav", 3.4), clip("b.wav", 1.2)], folder / "c.jsonl", **options
                )

        return asyncio.run(run())

    def test_valid_replies_are_kept_and_others_reported(self, address, teacher, tmp_path):
        report = self.write(address, teacher, tmp_path, diverse=1, tries=2)
        assert (report.written, report.failed) == (1, 3)
        assert [(row["audio"], row["text"]) for row in rows(tmp_path, "c.jsonl")] == [(["a.wav"], SAID)]
        failed = rows(tmp_path, "c.jsonl.failed.jsonl")
        assert [(row["audio"], row["reason"]) for row in failed] == [
            (["a.wav"], "invalid"),  # the same words as its first caption
            (["b.wav"], "invalid"),
            (["b.wav"], "invalid"),
        ]
        assert "the text ends in 3.4, the rating is 1.2" in failed[1]["message"]

    def test_nothing_is_asked_twice(self, address, teacher, tmp_path):
        first = self.write(address, teacher, tmp_path, tries=1)
        second = self.write(address, teacher, tmp_path, tries=1)
        assert (first.requests, second.requests, second.kept) == (2, 0, 1)

    def test_same_words_as_the_model_in_this_process(self, address, teacher):
        async def ask(backend, sampling):
            async with Client(backend, cache=None) as client:
                return await client.ask([{"role": "user", "content": "Hello, how noisy is this?"}], sampling)

        for sampling in (Sampling(max_tokens=64), Sampling(0.9, 0.85, 64, seed=3)):
            served = asyncio.run(ask(Endpoint(address, str(teacher)), sampling))
            assert served == asyncio.run(ask(LocalModel(str(teacher), device="cpu"), sampling)) == Reply(SAID)

    def test_a_reply_that_is_cut_off_is_asked_for_with_more_tokens(self, address, teacher):
        async def ask():
            async with Client(Endpoint(address, str(teacher)), cache=None, first_wait=0) as client:
                outcome = await client.ask([{"role": "user", "content": "How?"}], Sampling(max_tokens=2))
                return outcome, client.counts.sent

        outcome, sent = asyncio.run(ask())
        assert (outcome, sent > 1) == (Reply(SAID), True)

    def test_a_model_the_server_does_not_have(self, address):
        async def ask():
            async with Client(Endpoint(address, "no/such-model"), cache=None, attempts=1) as client:
                return await client.ask([{"role": "user", "content": "How?"}])

        assert asyncio.run(ask()).kind in ("refused", "server_error")
