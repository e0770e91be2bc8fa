"""A native audio language model behind transformers' server: what replaces its parts."""

import base64
import io
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


class TestAnswer:
    def test_hears_as_the_judge_does(self, pipeline):
        answers, tokens = serving.answer(pipeline, {"state": [sound()], "questions": QUESTIONS})
        judge = AudioJudge(pipeline.model, pipeline.processor)
        expected = judge.decide((tone(0.6, 440.0, 16_000), 16_000), QUESTIONS)
        assert answers["hum"]["noul"] == pytest.approx(expected["hum"]["noul"], abs=1e-4)
        assert tokens > 20
        other, _ = serving.answer(pipeline, {"state": sound(900.0), "questions": QUESTIONS})
        assert other["hum"]["noul"] != answers["hum"]["noul"]

    def test_a_judge_of_words_is_asked_in_its_words(self, pipeline):
        learned = Learned({"detect": Lesson("text")})
        pipeline.model.config.learned = learned.note()
        try:
            asked = {"fake": detect.question()}
            answers, _ = serving.answer(pipeline, {"state": [sound()], "questions": asked})
            real = AudioJudge(pipeline.model, pipeline.processor).detect((tone(0.6, 440.0, 16_000), 16_000)).real
            assert answers["fake"]["noul"] == pytest.approx(1 - real, abs=1e-4)
            with pytest.raises(ValueError, match="never learned to answer typed questions such as 'hum'"):
                serving.answer(pipeline, {"state": [sound()], "questions": QUESTIONS})
        finally:
            del pipeline.model.config.learned

    def test_other_blocks_are_text(self, pipeline):
        state = ["Made by", {"model": "v2"}, {"type": "text", "text": " today: "}, sound()]
        answers, _ = serving.answer(pipeline, {"state": state, "questions": QUESTIONS})
        assert 0 < answers["hum"]["noul"] < 1

    @pytest.mark.parametrize(
        ("block", "said"),
        [
            ({"type": "audio", "path": "/etc/passwd"}, "paths and URLs are not read"),
            ({"type": "audio", "data_base64": "no!"}, "is not base64"),
            (sound(seconds=3.0), "this model hears 2 s at once"),
        ],
    )
    def test_what_cannot_be_heard_is_refused(self, pipeline, block, said):
        with pytest.raises(ValueError, match=said):
            serving.answer(pipeline, {"state": [block], "questions": QUESTIONS})


class TestLoadModel:
    def test_loads_what_listens(self, pipeline, tmp_path):
        for part in (pipeline.model, pipeline.processor):
            part.save_pretrained(tmp_path)
        nothing = SimpleNamespace(
            attn_implementation=None, dtype="auto", device=None, get_quantization_config=lambda: None
        )
        assert type(serving.load_model(nothing, f"{tmp_path}@main")) is type(pipeline.model)
