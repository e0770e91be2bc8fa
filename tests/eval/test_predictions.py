import json

import pytest

from audio_judge.batch.lines import Appender
from audio_judge.batch.shards import Shard
from audio_judge.errors import UsageError
from audio_judge.eval.predictions import FILE, Row, merge, read_rows, read_run


def row(name="a", **values):
    return Row(name, "bench", "judge", "score", **values)


class TestRow:
    def test_reads_back_what_it_wrote(self, tmp_path):
        full = row(
            clips=("a.wav", "b.wav"), truth={"preferences": {"mos": "A"}}, rubrics=("mos",), text=("ä\n", ""),
            prediction={"scores": {"mos": 3.5}}, error="half", groups={"system": "s"}, seconds=1.5, took=0.1,
        )  # fmt: skip
        (tmp_path / "p.jsonl").write_text(json.dumps(vars(full), ensure_ascii=False) + "\n", encoding="utf-8")
        assert list(read_rows(tmp_path / "p.jsonl")) == [full]


class TestReadRows:
    def test_passes_over_a_torn_last_line(self, tmp_path):
        path = tmp_path / "p.jsonl"
        path.write_text(json.dumps(vars(row("a"))) + "\n" + json.dumps(vars(row("b")))[:30])
        assert [one.id for one in read_rows(path)] == ["a"]

    def test_names_a_broken_line_in_the_middle(self, tmp_path):
        path = tmp_path / "p.jsonl"
        path.write_text(json.dumps(vars(row("a")))[:30] + "\n" + json.dumps(vars(row("b"))) + "\n")
        with pytest.raises(UsageError, match=r"p\.jsonl:1"):
            list(read_rows(path))


class TestMerge:
    def test_first_row_of_a_key_counts_and_others_are_kept(self, tmp_path):
        for process, names in ((0, "cax"), (1, "bcx")):
            with Appender(Shard(process, 2).part(tmp_path / FILE)) as out:
                for name in names:
                    out.write(vars(row(name, error=str(process))))
        assert merge(tmp_path, [("judge", "bench", name) for name in "abcd"]) is None
        merged = merge(tmp_path, [("judge", "bench", name) for name in "abc"])
        assert [(one.id, one.error) for one in merged] == [("a", "0"), ("b", "1"), ("c", "0"), ("x", "0")]
        assert [path.name for path in tmp_path.iterdir()] == [FILE]
        assert len(read_run(tmp_path)) == 4
