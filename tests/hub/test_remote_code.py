"""A saved folder as a user without this package meets it: remote code, the stock pipelines, and the stock server."""

import base64
import filecmp
import io
import json
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from fresh import Fresh
from served import free_port
from tiny import chat_inputs, tone

ROOT = Path(__file__).parents[2]
CODE = ("configuration_audio_judge.py", "modeling_audio_judge.py", "processing_audio_judge.py")
QUESTIONS = {
    "noise": {"type": "score", "instructions": "How noisy?", "criteria": ["bad", "poor", "fair", "good", "excellent"]},
    "clear": {"type": "noul", "instructions": "Is it clear?"},
    "kind": {"type": "choice", "instructions": "Which?", "criteria": {"speech": None, "music": "with a tune"}},
}
SHAPES = {"folder": ("audio_judge_encoder", "pooled_linear"), "whisper": ("whisper", "bottleneck")}
CLIP = tone(0.6)
MESSAGES = [{"role": "user", "content": [{"type": "audio", "audio": CLIP}, {"type": "text", "text": "rate this"}]}]

# Runs in a process of its own, in a folder without this package; prints what it finds as JSON, then serves the first folder
STRANGER = """
import json, sys
import numpy as np, torch, transformers
from transformers import AutoConfig, AutoProcessor, pipeline

torch.set_num_threads(1)
clip = np.load("clip.npy")
questions = json.load(open("questions.json"))
messages = [{"role": "user", "content": [{"type": "audio", "audio": clip}, {"type": "text", "text": "rate this"}]}]
found = {}
for folder in json.loads(sys.argv[1]):
    remote = {"trust_remote_code": True}
    processor = AutoProcessor.from_pretrained(folder, **remote)
    rate = processor.sampling_rate
    clip_block = {"type": "audio", "audio": clip, "sampling_rate": 48000}
    request = {"state": [clip_block], "questions": questions}
    inputs = processor.apply_chat_template(
        [{"role": "user", "content": [clip_block, {"type": "text", "text": "rate this"}]}],
        tokenize=True, return_dict=True, return_tensors="pt", add_generation_prompt=True,
    )
    names = ["AutoModel", "AutoModelForCausalLM", "AutoModelForMultimodalLM", "AutoModelForDecision"]
    here = found[folder] = {"config": type(AutoConfig.from_pretrained(folder, **remote)).__name__, "models": {}}
    for name in names:
        model = getattr(transformers, name).from_pretrained(folder, **remote)
        with torch.no_grad():
            logits = model(**inputs).logits[0, -1].tolist()
        batch, _ = processor.decision_inputs([request])
        here["models"][name] = {
            "class": type(model).__name__,
            "module": type(model).__module__,
            "logits": logits,
            "written": model.generate(**inputs, max_new_tokens=4, do_sample=False)[0].tolist(),
            "decided": [row.tolist() for row in model.decide(**batch)],
        }
    here["decision"] = pipeline("decision", folder, trust_remote_code=True)(request)
    if rate == 48000:
        speak = pipeline("any-to-any", folder, trust_remote_code=True)
        options = {"max_new_tokens": 4, "do_sample": False}
        here["text"] = speak(text=messages, generate_kwargs=options, return_full_text=False)[0]["generated_text"]
    model.save_pretrained(folder + "-again")
    processor.save_pretrained(folder + "-again")
found["package"] = "audio_judge" in sys.modules
try:
    AutoConfig.from_pretrained(folder, trust_remote_code=False)
except ValueError as error:
    found["refused"] = str(error)
print("FOUND " + json.dumps(found), flush=True)
from transformers.cli.transformers import main
sys.argv = ["transformers", *json.loads(sys.argv[2])]
main()
"""


def clean_environment(tmp_path):
    """Neither this checkout on the path nor the modules that another run left in the cache."""
    keep = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTEST_CURRENT_TEST")}
    return keep | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf"), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def place(tmp_path_factory, judge):
    """A folder with two saved judges, and a copy of the first laid out as in the cache of the Hub (links to blobs)."""
    place = tmp_path_factory.mktemp("remote")
    for name, shape in SHAPES.items():
        model, processor = judge(*shape)
        model.save_pretrained(place / name)
        processor.save_pretrained(place / name)
    snapshot, blobs = place / "models--me--judge" / "snapshots" / ("0" * 40), place / "models--me--judge" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for number, file in enumerate(sorted((place / "folder").iterdir())):
        shutil.copy(file, blobs / str(number))
        (snapshot / file.name).symlink_to(Path("..", "..", "blobs", str(number)))
    np.save(place / "clip.npy", CLIP)
    (place / "questions.json").write_text(json.dumps(QUESTIONS))
    return place


@pytest.fixture(scope="module")
def stranger(place):
    """A process that knows only the folders: what it sees, and the port at which it then serves the first of them."""
    folders, port = [*SHAPES, f"models--me--judge/snapshots/{'0' * 40}"], free_port()
    serve = ["serve", str(place / "folder"), "--trust-remote-code", "--device", "cpu", "--dtype", "float32"]
    serve += ["--host", "127.0.0.1", "--port", str(port)]
    words = [json.dumps([str(place / name) for name in folders]), json.dumps(serve)]
    (place / "program.py").write_text(STRANGER)
    process = Fresh(place / "program.py", words, folder=place, environment=clean_environment(place))
    try:
        while (line := re.search("^FOUND (.*)\n", process.said(), re.MULTILINE)) is None:
            assert process.is_running(), process.said()[-3000:]
            time.sleep(0.05)
        report = json.loads(line[1])
        yield report | {name: report[str(place / name)] for name in folders}, port, process
    finally:
        process.kill()


@pytest.fixture(scope="module")
def found(stranger):
    return stranger[0]


def expected_of(judge, shape):
    """The same numbers from this process."""
    model, processor = judge(*shape)
    block = {"type": "audio", "audio": CLIP, "sampling_rate": 48_000}
    inputs = chat_inputs(processor, [block, {"type": "text", "text": "rate this"}])
    batch, questions = processor.decision_inputs([{"state": [block], "questions": QUESTIONS}])
    with torch.no_grad():
        logits = model(**inputs).logits[0, -1].tolist()
    decided = model.decide(**batch)
    written = model.generate(**inputs, max_new_tokens=4, do_sample=False)[0]
    return {
        "logits": logits,
        "written": written.tolist(),
        "decided": [row.tolist() for row in decided],
        "answers": processor.answers(questions, decided)[0],
        "text": processor.tokenizer.decode(written[inputs["input_ids"].shape[1] :], skip_special_tokens=True),
    }


def assert_answers(answers, expected, atol):
    assert answers.keys() == expected.keys()
    assert answers["clear"]["noul"] == pytest.approx(expected["clear"]["noul"], abs=atol)
    for name in ("noise", "kind"):
        assert answers[name]["probabilities"] == pytest.approx(expected[name]["probabilities"], abs=atol)


class TestSavedFolder:
    @pytest.mark.parametrize("name", CODE)
    def test_holds_the_code_of_the_repository(self, place, name):
        assert filecmp.cmp(place / "folder" / name, ROOT / name, shallow=False)

    def test_is_complete(self, place):
        names = {file.name for file in (place / "folder").iterdir()}
        assert names == {
            *CODE, "chat_template.jinja", "config.json", "decision.json", "decision_template.jinja",
            "generation_config.json", "model.safetensors", "processor_config.json", "tokenizer.json",
            "tokenizer_config.json",
        }  # fmt: skip


class TestRemoteCode:
    FOLDERS = (*SHAPES, f"models--me--judge/snapshots/{'0' * 40}")
    MODELS = ("AutoModel", "AutoModelForCausalLM", "AutoModelForMultimodalLM", "AutoModelForDecision")

    @pytest.mark.parametrize("folder", FOLDERS)
    @pytest.mark.parametrize("name", MODELS)
    def test_every_auto_class_gives_the_same_judge(self, found, judge, folder, name):
        seen = found[folder]["models"][name]
        expected = expected_of(judge, SHAPES.get(folder, SHAPES["folder"]))
        assert seen["class"] == "AudioJudgeForCausalLM"
        assert seen["module"].startswith("transformers_modules.")
        for what in ("logits", "written", "decided"):
            assert seen[what] == expected[what], what  # bit by bit

    def test_package_was_not_used(self, found):
        assert found["package"] is False

    def test_config(self, found):
        assert found["folder"]["config"] == "AudioJudgeConfig"

    def test_code_must_be_trusted(self, found):
        assert "trust_remote_code=True" in found["refused"]

    @pytest.mark.parametrize("folder", FOLDERS)
    def test_decision_pipeline(self, found, judge, folder):
        expected = expected_of(judge, SHAPES.get(folder, SHAPES["folder"]))
        assert_answers(found[folder]["decision"], expected["answers"], 1e-6)

    def test_any_to_any_pipeline(self, found, judge):
        assert found["folder"]["text"] == expected_of(judge, SHAPES["folder"])["text"]

    @pytest.mark.parametrize("name", CODE)
    def test_saving_again_copies_the_code(self, found, place, name):
        assert found["folder"]
        assert filecmp.cmp(place / "folder-again" / name, ROOT / name, shallow=False)


@pytest.fixture(scope="module")
def server(stranger, place):
    """`transformers serve` on the saved folder; gives its address."""
    pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")
    _, port, process = stranger
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
            return f"http://127.0.0.1:{port}"
        except OSError:
            assert process.is_running(), process.said()[-3000:]
            time.sleep(0.05)


def ask(server, place, state):
    """Status and body of the answer to a decision request."""
    body = json.dumps({"model": str(place / "folder"), "state": state, "questions": QUESTIONS}).encode()
    request = urllib.request.Request(f"{server}/v1/systemone", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def as_base64(samples, rate, **options):
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, **options)
    return base64.b64encode(buffer.getvalue()).decode()


class TestServer:
    def test_same_numbers_as_in_process(self, server, place, judge):
        wav = as_base64(CLIP, 48_000, format="WAV", subtype="FLOAT")
        status, body = ask(server, place, [{"type": "audio", "data_base64": wav}])
        assert status == 200, body
        assert_answers(body["answers"], expected_of(judge, SHAPES["folder"])["answers"], 1e-5)

    def test_flac_in_stereo_at_another_rate(self, server, place, judge):
        clip = tone(0.6, 440, 16_000)
        flac = as_base64(np.stack([clip, clip], 1), 16_000, format="FLAC")
        status, body = ask(server, place, [{"type": "audio", "data_base64": flac}, {"type": "text", "text": "rate"}])
        assert status == 200, body
        model, processor = judge(*SHAPES["folder"])
        block = {"type": "audio", "audio": clip, "sampling_rate": 16_000}
        state = [block, {"type": "text", "text": "rate"}]
        batch, questions = processor.decision_inputs([{"state": state, "questions": QUESTIONS}])
        assert_answers(body["answers"], processor.answers(questions, model.decide(**batch))[0], 2e-2)  # 16 bits

    @pytest.mark.parametrize(
        "block",
        [
            {"path": "CLIP"},
            {"audio": "CLIP"},
            {"audio": ["CLIP"]},
            {"audio": {"path": "CLIP"}},
            {"url": "http://127.0.0.1:9/clip.wav"},
            {"audio": "http://127.0.0.1:9/clip.wav"},
            {"data_base64": "CLIP"},
            {"data_base64": "%%%"},
            {"data_base64": "aGVsbG8gaGVsbG8="},
            {"data_base64": 5},
            {"audio": [0.0, 1.0], "sampling_rate": "fast"},
            {"audio": [0.0, 1.0]},
            {},
        ],
    )
    def test_what_brings_no_sound_is_refused(self, server, place, block):
        soundfile.write(place / "clip.wav", CLIP, 48_000)
        block = json.loads(json.dumps(block).replace("CLIP", str(place / "clip.wav")))
        status, body = ask(server, place, [{"type": "audio", **block}])
        assert 400 <= status < 500, body

    def test_control_tokens_in_keys_are_refused(self, server, place):
        status, body = ask(server, place, {"<|mark|>": 1})
        assert (status, "control token" in body) == (400, True)
