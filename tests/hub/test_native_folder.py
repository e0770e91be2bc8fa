"""A native audio language model as a repository on the Hub."""

import json

import pytest
import torch
from huggingface_hub import ModelCard
from native_models import qwen2_audio
from tiny import tone

from audio_judge import AudioJudge
from audio_judge.cli import main
from audio_judge.errors import UsageError
from audio_judge.hub.card import CardFacts
from audio_judge.hub.files import select_files
from audio_judge.hub.folder import merge, write_folder
from audio_judge.judge.learned import LEARNED_FILE, Learned, Lesson
from audio_judge.training.notes import write_note
from audio_judge.training.tuning import add_lora

LEARNED = Learned({"score": Lesson("text", ("mos",)), "detect": Lesson("text")})
FILES = {
    "README.md", "chat_template.jinja", "config.json", "generation_config.json", "model.safetensors",
    "processor_config.json", "tokenizer.json", "tokenizer_config.json",
}  # fmt: skip
TARGET = r".*language_model\.layers\.\d+\.self_attn\.q_proj"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """`native`: a native model that was trained as a judge; `lora`: a LoRA of it."""
    place = tmp_path_factory.mktemp("native")
    torch.manual_seed(0)
    model, processor = qwen2_audio()
    model.config.learned = LEARNED.note()
    for part in (model, processor):
        part.save_pretrained(place / "native")
    (place / "native" / "training_args.bin").write_bytes(b"not for the Hub")
    trained = add_lora(type(model).from_pretrained(place / "native"), TARGET)
    with torch.no_grad():
        for name, weight in trained.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.5)
    trained.save_pretrained(place / "lora")
    processor.save_pretrained(place / "lora")
    write_note(place / "lora", LEARNED)
    return place


@pytest.fixture(scope="module")
def pushed(place):
    files = write_folder(place / "native", place / "pushed", repo="me/native", facts=CardFacts("apache-2.0"))
    return place / "pushed", files


def heard(judge):
    return judge.score((tone(0.5), 48_000), rubric="mos")["mos"].value


class TestWriteFolder:
    def test_what_is_needed_and_nothing_else(self, pushed):
        assert set(pushed[1]) == FILES

    def test_is_the_judge_that_was_pushed_and_knows_what_it_learned(self, place, pushed):
        before, after = (AudioJudge.from_pretrained(one, device="cpu") for one in (place / "native", pushed[0]))
        assert after.identity.learned == LEARNED
        assert heard(after) == heard(before)

    def test_card_shows_what_it_learned_and_needs_no_code(self, place, pushed):
        card = (pushed[0] / "README.md").read_text()
        assert 'AudioJudge.from_pretrained("me/native")' in card
        assert 'judge.score("clip.wav")' in card
        assert "`score`: a number in digits; on mos" in card
        assert "qwen2_audio" in card
        for absent in ("trust_remote_code", "handler.py", "code files", "judge.compare", str(place)):
            assert absent not in card
        assert "custom_code" not in ModelCard(card).data.tags

    def test_lora(self, place):
        facts = {"facts": CardFacts("apache-2.0"), "base_model": "me/native"}
        files = write_folder(place / "lora", place / "pushed-lora", repo="me/lora", **facts)
        lora = {"adapter_config.json", "adapter_model.safetensors", LEARNED_FILE}
        assert set(files) == FILES - {"config.json", "generation_config.json", "model.safetensors"} | lora
        card = (place / "pushed-lora" / "README.md").read_text()
        assert "a LoRA for the judge [me/native]" in card
        assert "trust_remote_code" not in card

    def test_lora_is_merged(self, place):
        merged = merge(place / "lora", place / "merged", str(place / "native"))
        whole, lora = (AudioJudge.from_pretrained(one, device="cpu") for one in (merged, place / "lora"))
        assert heard(whole) == pytest.approx(heard(lora), abs=1e-4)
        assert whole.identity.learned == LEARNED

    def test_at_the_shell(self, place, capsys):
        folder, target = str(place / "native"), str(place / "shell")
        words = ["push", "me/native", "--judge", folder, "--license", "mit", "--dry-run", target]
        assert main.main(words) == 0
        said = capsys.readouterr().out
        assert "training_args.bin" in said
        assert "would get the 8 files" in said


class TestSelectFiles:
    @pytest.mark.parametrize("kind", ["llama", "whisper"])
    def test_what_does_not_hear_or_write_is_refused(self, kind, tmp_path, pushed):
        for name in FILES - {"README.md"}:
            (tmp_path / name).write_bytes((pushed[0] / name).read_bytes())
        (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
        with pytest.raises(UsageError, match=f"type '{kind}' does not take audio"):
            select_files(tmp_path)

    def test_own_code_is_refused(self, tmp_path, pushed):
        for name in FILES - {"README.md"}:
            (tmp_path / name).write_bytes((pushed[0] / name).read_bytes())
        config = json.loads((tmp_path / "config.json").read_text()) | {"auto_map": {"AutoConfig": "mine.Mine"}}
        (tmp_path / "config.json").write_text(json.dumps(config))
        with pytest.raises(UsageError, match="needs code of its own"):
            select_files(tmp_path)

    def test_processor_must_be_there(self, tmp_path, pushed):
        for name in ("config.json", "model.safetensors", "tokenizer.json"):
            (tmp_path / name).write_bytes((pushed[0] / name).read_bytes())
        with pytest.raises(UsageError, match=r"no processor_config.json or preprocessor_config.json"):
            select_files(tmp_path)
