import json

import pytest

from audio_judge.judge.origin import WHOLE_BYTES, check_untrusted, revision_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class TestRevisionOf:
    def test_content_decides(self, tmp_path):
        (tmp_path / "config.json").write_text("{}")
        before = revision_of(tmp_path)
        (tmp_path / "README.md").write_text("hello")
        assert revision_of(tmp_path) == before
        (tmp_path / "config.json").write_text('{"a": 1}')
        assert revision_of(tmp_path) != before
        assert before.startswith("sha256:")

    @pytest.mark.parametrize("size", [100, WHOLE_BYTES + 100])
    def test_weights_decide(self, tmp_path, size):
        weights = tmp_path / "model.safetensors"
        weights.write_bytes(bytes(size))
        before = revision_of(tmp_path)
        weights.write_bytes(bytes(size - 1) + b"x")
        assert revision_of(tmp_path) != before

    def test_snapshot_of_the_hub_is_its_commit(self, tmp_path):
        assert revision_of(tmp_path / "models--me--judge" / "snapshots" / COMMIT) == COMMIT


class TestCheckUntrusted:
    @pytest.mark.parametrize(
        "config",
        [
            {"_attn_implementation": "me/kernels"},
            {"text_config": {"attn_implementation": "me/kernels@v1:run"}},
            {"attn_implementation": {"text_config": "me/kernels"}},
            {"_attn_implementation_internal": {"": "paged|me/kernels"}},
        ],
    )
    def test_code_of_another_repository(self, tmp_path, config):
        (tmp_path / "config.json").write_text(json.dumps(config))
        with pytest.raises(ValueError, match=r"config\.json: \w+ '.*me/kernels.*trust_remote_code=True"):
            check_untrusted(tmp_path)

    def test_usual_configuration(self, tmp_path):
        (tmp_path / "config.json").write_text('{"_attn_implementation": "sdpa", "auto_map": {"AutoModel": "a.B"}}')
        check_untrusted(tmp_path)

    @pytest.mark.parametrize("name", ["chat_template.jinja", "tokenizer_config.json", "additional/b.jinja"])
    def test_templates_wherever_they_are(self, tmp_path, name):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        text = "{{ 'a'*10000000000 }}"
        (tmp_path / name).write_text(json.dumps({"chat_template": text}) if name.endswith("json") else text)
        with pytest.raises(ValueError, match="multiplies"):
            check_untrusted(tmp_path)
