# ruff: noqa: F811 (fixtures are imported by their names)

import pytest
from rated_table import data, folder  # noqa: F401

from audio_judge.data.files import read_examples, write_examples
from audio_judge.errors import UsageError


class TestWriteExamples:
    @pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
    def test_can_be_read_back(self, folder, suffix):
        examples = [{"task": "score", "n": k} for k in range(2500)]
        assert write_examples(iter(examples), folder / f"out{suffix}") == 2500
        assert list(read_examples(folder / f"out{suffix}")) == examples

    def test_what_was_there_stays_if_it_fails(self, folder):
        out = folder / "out.jsonl"
        out.write_text("old")

        def broken():
            yield {}
            raise ValueError("broken")

        with pytest.raises(ValueError, match="broken"):
            write_examples(broken(), out)
        assert out.read_text() == "old"
        assert not (folder / "out.jsonl.part").exists()


class TestReadExamples:
    @pytest.mark.parametrize("name", ["x.jsonl", "x.parquet"])
    def test_other_files(self, folder, name):
        (folder / name).write_text("no examples")
        with pytest.raises(UsageError, match=name):
            list(read_examples(folder / name))
