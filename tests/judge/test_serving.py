"""A native audio language model behind transformers' server: what replaces its parts."""

import asyncio
import base64
import io
import threading
from functools import partial
from types import SimpleNamespace

import pytest
import soundfile
import torch
from native_models import qwen2_audio
from tiny import tone

from audio_judge import AudioJudge
from audio_judge.judge import serving
from audio_judge.judge.learned import Learned, Lesson
from audio_judge.tasks import detect

QUESTIONS = {"hum": {"type": "noul", "instructions": "Is there hum?"}}


@pytest.fixture(scope="module")
def pipeline():
    torch.manual_seed(0)
    model, processor = qwen2_audio()
    return SimpleNamespace(model=model, processor=processor)


def sound(frequency=440.0, seconds=0.6):
    file = io.BytesIO()
    soundfile.write(file, tone(seconds, frequency, 16_000), 16_000, format="WAV", subtype="FLOAT")
    return {"type": "audio", "data_base64": base64.b64encode(file.getvalue()).decode()}


def asked(state, **more):
    return {"state": state, "questions": QUESTIONS, **more}


def answer(pipeline, request):
    """As the server does: what is asked is heard first."""
    return serving.answer_native(pipeline, request | {"state": serving.hear(request, serving.Limits())}, lambda: None)


class TestHear:
    def test_shapes_of_openai_are_heard(self):
        data = sound()["data_base64"]
        shapes = [
            {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}},
            {"type": "audio_url", "audio_url": {"url": f"data:audio/wav;base64,{data}"}},
        ]
        (own,) = serving.hear(asked(sound()), serving.Limits())
        for block in shapes:
            (heard,) = serving.hear(asked([block]), serving.Limits())
            assert heard["sampling_rate"] == 16_000
            assert (heard["audio"] == own["audio"]).all()

    @pytest.mark.parametrize(
        ("state", "said"),
        [
            ("A clip with hum.", "nothing to hear"),
            ([{"text": "A clip"}, "with hum"], "nothing to hear"),
            ([], "nothing to hear"),
            ([{"type": "image", "data_base64": "aGk="}], "'image'"),
            ([sound(), {"type": "document", "document": {}}], "'document'"),
            ([sound(), {"type": "video_url", "video_url": {"url": "data:"}}], "'video_url'"),
            ([{"role": "user", "content": [sound()]}], "within another block"),
            ([sound(), {"clip": {"data_base64": "aGk="}}], "within another block"),
            ([{"type": "audio_url", "audio_url": {"url": "http://a/b.wav"}}], "paths and URLs are not read"),
            ([{"type": "audio", "path": "/etc/passwd"}], "paths and URLs are not read"),
            ([{"type": "audio", "data_base64": "no!"}], "is not base64"),
            ([sound(), "x" * 30_000], "--max-characters"),
            ([sound(seconds=6.0), sound(seconds=6.0)], "more than 10 s of audio"),
        ],
    )
    def test_what_would_not_be_heard_is_refused(self, state, said):
        with pytest.raises(ValueError, match=said):
            serving.hear(asked(state), serving.Limits(seconds=10.0))

    def test_pictures_beside_it_are_refused(self):
        with pytest.raises(ValueError, match="pictures"):
            serving.hear(asked(sound(), assets={"a": {}}), serving.Limits())


class TestOnlyJudge:
    def test_no_other_model_is_loaded_for_whoever_asks(self):
        fastapi = pytest.importorskip("fastapi")

        class Manager:
            force_model = "me/judge"

            @staticmethod
            def process_model_name(name):
                return f"{name}@main"

            @staticmethod
            def load_model_streaming(model):
                return [model]

        load = serving.only_judge(Manager)
        assert load("me/judge@main") == ["me/judge@main"]
        with pytest.raises(fastapi.HTTPException, match="loads nothing else"):
            load("other/model@main")
        with pytest.raises(fastapi.HTTPException, match="loads nothing else"):
            load("me/judge@main", gguf_file="x.gguf")


class TestDoorman:
    @pytest.mark.parametrize("announced", [[(b"content-length", b"200")], []])
    def test_long_body_is_refused_before_it_is_read(self, announced):
        read, sent = [], []

        async def app(scope, receive, send):
            raise AssertionError("let in")

        async def receive():
            read.append(60)
            return {"type": "http.request", "body": b"x" * 60, "more_body": True}

        async def send(message):
            sent.append(message)

        asyncio.run(serving.Doorman(app, 100)({"type": "http", "headers": announced}, receive, send))
        assert sent[0]["status"] == 413
        assert sum(read) <= 120

    def test_client_that_leaves_is_noticed(self):
        messages = iter([{"type": "http.request", "body": b"hi"}, {"type": "http.disconnect"}])
        found = []

        async def app(scope, receive, send):
            found.append(await receive())
            gone = serving._GONE.get()
            found.append(await receive())
            found.append(gone.is_set())

        async def receive():
            return next(messages)

        asyncio.run(serving.Doorman(app, 100)({"type": "http", "headers": []}, receive, None))
        assert [found[0]["body"], found[1]["type"], found[2]] == [b"hi", "http.disconnect", True]


class TestWhileWanted:
    def test_work_stops_before_the_next_layer(self):
        gone, called = threading.Event(), []

        class Leaving(torch.nn.Module):
            def forward(self, x):
                called.append(x)
                gone.set()
                return x

        class Stack(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = torch.nn.ModuleList([torch.nn.Identity(), Leaving(), Leaving()])

            def forward(self, x):
                for layer in self.layers:
                    x = layer(x)
                return x

        model, check = Stack(), partial(serving.check_wanted, gone)
        work = lambda pipeline, request, _: pipeline.model(request)  # noqa: E731
        with pytest.raises(serving.UnwantedError, match="the client has left"):
            serving.while_wanted(work, SimpleNamespace(model=model), 1, check)
        assert called == [1]
        with pytest.raises(serving.UnwantedError):
            serving.while_wanted(work, SimpleNamespace(model=model), 1, check)
        assert called == [1]
        gone.clear()
        assert model(2) == 2  # nothing is left on the model

    @pytest.mark.parametrize(("event", "said"), [("gone", "the client has left"), ("stops", "the server stops")])
    def test_work_stops_between_batches_of_windows(self, judge, monkeypatch, event, said):
        model, processor = judge()
        events, passes = {"gone": threading.Event(), "stops": threading.Event()}, []
        monkeypatch.setattr(serving, "_STOPS", events["stops"])
        decide = type(model).decide

        def once(self, *args, **inputs):
            passes.append(len(inputs["input_ids"]))
            events[event].set()
            return decide(self, *args, **inputs)

        monkeypatch.setattr(type(model), "decide", once)
        monkeypatch.setattr(processor, "window_seconds", 0.2)
        request = asked(sound(seconds=3.0))  # of 15 windows
        check = partial(serving.check_wanted, events["gone"])
        heard = request | {"state": serving.hear(request, serving.Limits(), check)}
        with pytest.raises(serving.UnwantedError, match=said):
            serving.answer(SimpleNamespace(model=model, processor=processor), heard, check)
        assert passes == [8]
        with pytest.raises(serving.UnwantedError, match=said):  # nor is more sound read
            serving.hear(request, serving.Limits(), check)

    def test_a_server_that_is_told_to_stop_says_so(self, monkeypatch):
        uvicorn = pytest.importorskip("uvicorn")
        monkeypatch.setattr(serving, "_STOPS", threading.Event())
        told = []
        monkeypatch.setattr(uvicorn.Server, "handle_exit", lambda *stop: told.append(stop))
        serving.notice_stops()
        uvicorn.Server.handle_exit("server", 15, None)
        assert (told, serving._STOPS.is_set()) == ([("server", 15, None)], True)


class TestAnswer:
    def test_hears_as_the_judge_does(self, pipeline):
        answers, tokens = answer(pipeline, {"state": [sound()], "questions": QUESTIONS})
        judge = AudioJudge(pipeline.model, pipeline.processor)
        expected = judge.decide((tone(0.6, 440.0, 16_000), 16_000), QUESTIONS)
        assert answers["hum"]["noul"] == pytest.approx(expected["hum"]["noul"], abs=1e-4)
        assert tokens > 20
        other, _ = answer(pipeline, {"state": sound(900.0), "questions": QUESTIONS})
        assert other["hum"]["noul"] != answers["hum"]["noul"]

    def test_a_judge_of_words_is_asked_in_its_words(self, pipeline):
        learned = Learned({"detect": Lesson("text")})
        pipeline.model.config.learned = learned.note()
        try:
            typed = {"fake": detect.question()}
            answers, _ = answer(pipeline, {"state": [sound()], "questions": typed})
            real = AudioJudge(pipeline.model, pipeline.processor).detect((tone(0.6, 440.0, 16_000), 16_000)).real
            assert answers["fake"]["noul"] == pytest.approx(1 - real, abs=1e-4)
            with pytest.raises(ValueError, match="never learned to answer typed questions such as 'hum'"):
                answer(pipeline, {"state": [sound()], "questions": QUESTIONS})
        finally:
            del pipeline.model.config.learned

    def test_other_blocks_are_text(self, pipeline):
        state = ["Made by", {"model": "v2"}, {"type": "text", "text": " today: "}, sound()]
        answers, _ = answer(pipeline, {"state": state, "questions": QUESTIONS})
        assert 0 < answers["hum"]["noul"] < 1

    def test_a_long_clip_is_heard_in_windows(self, pipeline):
        answers, tokens = answer(pipeline, {"state": [sound(seconds=3.5)], "questions": QUESTIONS})
        expected = AudioJudge(pipeline.model, pipeline.processor).decide((tone(3.5, 440.0, 16_000), 16_000), QUESTIONS)
        assert answers["hum"]["noul"] == pytest.approx(expected["hum"]["noul"], abs=1e-4)
        assert tokens > 40  # of windows of 2 s


class TestLoadModel:
    def test_loads_what_listens(self, pipeline, tmp_path):
        for part in (pipeline.model, pipeline.processor):
            part.save_pretrained(tmp_path)
        nothing = SimpleNamespace(
            attn_implementation=None, dtype="auto", device=None, get_quantization_config=lambda: None
        )
        assert type(serving.load_model(nothing, f"{tmp_path}@main")) is type(pipeline.model)
