# ruff: noqa: F811 (fixtures are imported by their names)
import base64
import http.client
import importlib.util
import io
import json
import os
import sys
import time
import urllib.error
import urllib.request

import pytest
import soundfile
from forked import Forked
from served import free_port
from shell import shell  # noqa: F401
from tiny import tone

from audio_judge.cli import main, serve
from audio_judge.errors import UsageError
from audio_judge.judge.shipped import SHIPPED_JUDGES


def options_of(*words):
    return main.make_parser().parse_args(["serve", *(str(word) for word in words)])


def wav():
    file = io.BytesIO()
    soundfile.write(file, tone(0.5, 300, 16_000), 16_000, format="WAV")
    return file.getvalue()


def ask(port, state):
    """Status and reply of a server that is asked whether there is hum."""
    body = {"state": state, "questions": {"hum": {"type": "noul", "instructions": "Is there hum?"}}}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/systemone", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


class TestServerCommand:
    def test_shipped_judge(self):
        command = serve.server_command(options_of())
        assert command[0] == sys.executable
        assert command[command.index("serve") + 1] == str(SHIPPED_JUDGES["mini"].folder.resolve())
        assert "--trust-remote-code" not in command  # the code is that of this package
        assert command[command.index("--attn-implementation") + 1] == "sdpa"

    def test_options_are_passed_on(self, place):
        words = ("--judge", place / "judge", "--port", "81", "--device", "cpu", "--", "--model-timeout", "60")
        command = serve.server_command(options_of(*words))
        assert str(place / "judge") in command
        assert command[command.index("--port") + 1] == "81"
        assert command[-2:] == ["--model-timeout", "60"]

    def test_limits_reach_the_server(self):
        command = serve.server_command(
            options_of("--max-seconds", "60", "--max-body-mb", "8", "--max-characters", "99")
        )
        assert "Limits(8.0, 60.0, 99), is_native=False" in command[2]

    def test_code_of_others_must_be_trusted(self, tmp_path):
        config = {"model_type": "theirs", "auto_map": {"AutoModel": "theirs.Model"}}
        (tmp_path / "config.json").write_text(json.dumps(config))
        with pytest.raises(UsageError, match="--trust-remote-code"):
            serve.server_command(options_of("--judge", tmp_path))
        assert "--trust-remote-code" in serve.server_command(options_of("--judge", tmp_path, "--trust-remote-code"))

    def test_native_model_brings_no_code(self, tmp_path):
        (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2_audio"}))
        command = serve.server_command(options_of("--judge", tmp_path))
        assert "is_native=True" in command[2]
        assert "--trust-remote-code" not in command
        assert "--attn-implementation" not in command

    def test_a_judge_of_words_is_not_served(self, place, tmp_path):
        config = json.loads((place / "judge" / "config.json").read_text())
        config["learned"] = {"tasks": {"detect": {"form": "text"}}}
        (tmp_path / "config.json").write_text(json.dumps(config))
        with pytest.raises(UsageError, match=r"never learned typed questions.*; it learned detect in text"):
            serve.server_command(options_of("--judge", tmp_path))

    def test_folder_must_hold_a_judge(self, tmp_path):
        with pytest.raises(UsageError, match=r"no config.json"):
            serve.server_command(options_of("--judge", tmp_path))

    @pytest.mark.parametrize("port", ["0", "65536", "http"])
    def test_port(self, port, capsys):
        with pytest.raises(SystemExit):
            options_of("--port", port)
        assert "a port from 1 to 65535" in capsys.readouterr().err


class TestServe:
    def test_becomes_a_server(self, place, monkeypatch):
        """In a fork, which runs the program that it would become; it hears, or says why not."""
        pytest.importorskip("fastapi")
        pytest.importorskip("uvicorn")
        port = free_port()
        words = ["serve", "--judge", place / "judge", "--host", "127.0.0.1", "--port", port, "--device", "cpu"]
        words += ["--max-body-mb", "1"]

        def become(python, command):
            assert (python, command[1]) == (sys.executable, "-c")
            assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "16"
            sys.argv = ["-c", *command[3:]]
            exec(command[2], {})

        monkeypatch.setattr(os, "execv", become)
        server = Forked(lambda: main.main([str(word) for word in words]), place / "server.log")
        try:
            while True:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as response:
                        assert json.load(response)["status"] == "ok"
                    break
                except OSError:
                    assert server.is_running(), (place / "server.log").read_text()[-3000:]
                    time.sleep(0.05)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=5) as response:
                (served,) = json.load(response)["data"]
            assert served["id"] == str(place / "judge")
            sound = {"data": base64.b64encode(wav()).decode(), "format": "wav"}
            status, said = ask(port, [{"type": "input_audio", "input_audio": sound}])
            assert (status, 0 < said["answers"]["hum"]["noul"] < 1) == (200, True), said
            chat = json.dumps({"messages": [{"role": "user", "content": "What do you hear?"}]}).encode()
            place_of_chat = f"http://127.0.0.1:{port}/v1/chat/completions"
            post = urllib.request.Request(place_of_chat, chat, {"Content-Type": "application/json"})
            with pytest.raises(urllib.error.HTTPError, match="400"):
                urllib.request.urlopen(post, timeout=30)
            status, said = ask(port, "A clip with hum.")
            assert (status, "nothing to hear" in said["detail"]) == (400, True)
            # Refused by its length, before any of it was sent: a client that sends on meets a closed connection
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("POST", "/v1/systemone", headers={"Content-Length": "1100000"})
            assert connection.getresponse().status == 413
            connection.close()
        finally:
            server.kill()

    def test_says_what_is_not_installed(self, shell, monkeypatch, place):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        code, _, err = shell("serve", "--judge", place / "judge")
        assert code == 2
        assert "pip install 'audio-judge[serve]'" in err
