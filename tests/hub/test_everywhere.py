"""The same answers in all five ways of asking a judge, about clips of any length; and a server that stops."""

import base64
import http.client
import importlib.util
import json
import os
import signal
import sys
import time
import urllib.request
from contextlib import suppress

import numpy as np
import pytest
import soundfile
from forked import Forked
from served import free_port
from tiny import add_words_head, make_judge, tone
from transformers import pipeline

from audio_judge import AudioJudge
from audio_judge.cli import main
from audio_judge.hub.folder import handler_text
from audio_judge.judge import serving
from audio_judge.modeling_audio_judge import AudioJudgeForCausalLM

RATE = 16_000
QUESTIONS = {
    "noise": {"type": "score", "instructions": "How noisy?", "criteria": ["bad", "poor", "fair", "good", "excellent"]},
    "clear": {"type": "noul", "instructions": "Is it clear?"},
    "known": {"type": "noul", "instructions": "Known?"},
    "kind": {"type": "choice", "instructions": "Which?", "criteria": {"speech": None, "music": "with a tune"}},
}


def silence(seconds):
    return np.zeros(round(seconds * RATE), np.float32)


def varied(seconds, *, rate=RATE):
    """Another tone in each second (samples,)."""
    tones = [tone(min(1.0, seconds - at), 200 * 1.3 ** (at % 11), rate) for at in range(int(np.ceil(seconds)))]
    return np.concatenate(tones)


# Of a judge whose windows are one second long; 30 minutes, most of them pauses, in two passes of 8 windows
CLIPS = {
    "a short one": varied(0.6),
    "one window": varied(1.0),
    "two windows": varied(2.0),
    "a rest": varied(3.4),
    "ten windows": varied(10.0),
    "pauses": np.concatenate([silence(1.1), varied(1.7), silence(2.6), varied(2.2), silence(4.0)]),
    "nothing": silence(2.5),
    "30 minutes": np.concatenate([silence(300.05), varied(6.3), silence(900.0), varied(5.5), silence(588.15)]),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a judge, its handler, the questions and all clips as files."""
    place = tmp_path_factory.mktemp("everywhere")
    model, processor = make_judge(place / "backbones", adapter="bottleneck")  # whose prompts are as long as a window
    processor.window_seconds = 1.0
    add_words_head(model, processor, known=("Known?",))  # which answers two of the questions
    for part in (model, processor):
        part.save_pretrained(place / "judge")
    (place / "handler.py").write_text(handler_text(place / "judge"))
    (place / "questions.json").write_text(json.dumps(QUESTIONS))
    for name, samples in CLIPS.items():
        soundfile.write(place / f"{name}.flac", samples, RATE)
    return place


@pytest.fixture(scope="module")
def judge(place):
    return AudioJudge.from_pretrained(place / "judge", device="cpu")


@pytest.fixture(scope="module")
def expected(place, judge):
    return dict(zip(CLIPS, judge.decide([place / f"{name}.flac" for name in CLIPS], QUESTIONS), strict=True))


def assert_same(answers, expected):
    assert answers.keys() == expected.keys()
    for name, answer in answers.items():
        shares, wanted = (one.get("probabilities", {"true": one.get("noul")}) for one in (answer, expected[name]))
        assert shares == pytest.approx(wanted, abs=1e-4), name


def serve(place, port):
    """The program that ``audio-judge serve`` becomes, in a fork; ``waits`` in its folder has it wait after its first pass."""
    decide, check, gone = AudioJudgeForCausalLM.decide, serving.check_wanted, []

    def become(python, command):
        sys.argv = ["-c", *command[3:]]
        exec(command[2], {})

    def slow(self, *args, **inputs):
        found, left = decide(self, *args, **inputs), gone[-1]
        (place / "passes").open("a").write(".")
        while (place / "waits").exists() and not (serving._STOPS.is_set() or left.is_set()):
            time.sleep(0.01)
        return found

    os.execv, AudioJudgeForCausalLM.decide = become, slow
    serving.check_wanted = lambda event: (gone.append(event), check(event))
    words = ["serve", "--judge", place / "judge", "--host", "127.0.0.1", "--port", port, "--device", "cpu"]
    return main.main([str(word) for word in [*words, "--max-seconds", "3600"]])


@pytest.fixture
def server(place):
    """A server in a fork, and its address."""
    pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")
    port = free_port()
    (place / "passes").write_text("")
    server = Forked(lambda: serve(place, port), place / "server.log")
    try:
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            except OSError:
                assert server.is_running(), server.log.read_text()[-3000:]
                time.sleep(0.05)
        yield server, port
    finally:
        (place / "waits").unlink(missing_ok=True)
        with suppress(ProcessLookupError):
            server.kill()


def ask(port, file):
    """A connection on which a request was sent."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/v1/systemone", body_of(file), {"Content-Type": "application/json"})
    return connection


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def body_of(file):
    sound = base64.b64encode(file.read_bytes()).decode()
    return json.dumps({"state": [{"type": "audio", "data_base64": sound}], "questions": QUESTIONS}).encode()


class TestSameAnswers:
    def test_windows_are_heard(self, place, judge, expected):
        """Else all of the below would hold of a judge that hears the first one alone."""
        first = judge.decide((CLIPS["ten windows"][:RATE], RATE), QUESTIONS)
        assert abs(first["clear"]["noul"] - expected["ten windows"]["clear"]["noul"]) > 1e-3
        heard = judge.score(place / "30 minutes.flac")
        assert len(heard.timeline) == 11

    def test_command(self, place, expected):
        words = ["decide", *(place / f"{name}.flac" for name in CLIPS), "--judge", place / "judge", "--device", "cpu"]
        words += ["--questions", place / "questions.json", "--output", place / "answers.jsonl"]
        assert main.main([str(word) for word in words]) == 0
        rows = [json.loads(line) for line in (place / "answers.jsonl").read_text().splitlines()]
        for row, name in zip(rows, CLIPS, strict=True):
            assert_same(row["answers"], expected[name])

    @pytest.mark.parametrize("name", CLIPS)
    def test_pipeline(self, place, judge, expected, name):
        parts = {"model": judge.model, "processor": judge.processor, "tokenizer": judge.processor.tokenizer}
        decide = pipeline("decision", **parts, decision_config=judge.processor.decision_config)
        samples, rate = soundfile.read(place / f"{name}.flac", dtype="float32")
        block = {"type": "audio", "audio": samples, "sampling_rate": rate}
        assert_same(decide({"state": [block], "questions": QUESTIONS}), expected[name])

    @pytest.mark.parametrize("name", CLIPS)
    def test_plain_server(self, place, judge, expected, name):
        """What ``transformers serve`` does with a request of a client."""
        systemone = pytest.importorskip("transformers.cli.serving.systemone")
        parts = {"model": judge.model, "processor": judge.processor, "tokenizer": judge.processor.tokenizer}
        pipe = pipeline("decision", **parts, decision_config=judge.processor.decision_config)
        answers, _ = systemone.SystemOneHandler._answer(pipe, json.loads(body_of(place / f"{name}.flac")))
        assert_same(answers, expected[name])

    def test_handler(self, place, expected):
        spec = importlib.util.spec_from_file_location("handler", place / "handler.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        handler = module.EndpointHandler(str(place / "judge"))
        for name in CLIPS:
            sound = base64.b64encode((place / f"{name}.flac").read_bytes()).decode()
            found = handler({"inputs": sound, "parameters": {"questions": QUESTIONS}})
            assert_same(found["answers"], expected[name])

    def test_server(self, server, place, expected):
        for name in CLIPS:
            answer = ask(server[1], place / f"{name}.flac").getresponse()
            assert_same(json.load(answer)["answers"], expected[name])


class TestServerStops:
    """Ten windows are two passes, of which there is the first only."""

    def test_for_a_client_that_has_left(self, server, place):
        (place / "waits").touch()
        connection = ask(server[1], place / "ten windows.flac")
        until((place / "passes").read_text)
        connection.close()
        # The next one is answered, in the same thread
        answer = ask(server[1], place / "one window.flac")
        until(lambda: len((place / "passes").read_text()) == 2)
        (place / "waits").unlink()
        assert answer.getresponse().status == 200
        assert (place / "passes").read_text() == ".."

    def test_if_it_is_told_to(self, server, place):
        (place / "waits").touch()
        connection = ask(server[1], place / "ten windows.flac")
        until((place / "passes").read_text)
        os.kill(server[0].pid, signal.SIGTERM)
        answer = connection.getresponse()
        assert (answer.status, json.load(answer)) == (503, {"detail": "the server stops"})
        assert server[0].wait() == -signal.SIGTERM  # as uvicorn ends
        assert (place / "passes").read_text() == "."
