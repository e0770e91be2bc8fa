import pytest

from audio_judge.errors import UsageError
from audio_judge.eval.predictions import Row, RowWriter, merge, part_path, read_rows, read_run


def row(name="a", **values):
    return Row(name, "bench", "judge", "score", **values)


class TestRow:
    def test_reads_back_what_it_wrote(self, tmp_path):
        full = row(
            clips=("a.wav", "b.wav"), truth={"preferences": {"mos": "A"}}, rubrics=("mos",), text=("ä\n", ""),
            prediction={"scores": {"mos": 3.5}}, error="half", groups={"system": "s"}, seconds=1.5, took=0.1,
        )  # fmt: skip
        (tmp_path / "p.jsonl").write_text(full.to_json() + "\n", encoding="utf-8")
        assert list(read_rows(tmp_path / "p.jsonl")) == [full]

    def test_refuses_what_json_cannot_hold(self):
        with pytest.raises(ValueError, match="JSON"):
            row(prediction={"scores": {"mos": float("nan")}}).to_json()


class TestReadRows:
    def test_passes_over_a_torn_last_line(self, tmp_path):
        path = tmp_path / "p.jsonl"
        path.write_text(row("a").to_json() + "\n" + row("b").to_json()[:30])
        assert [one.id for one in read_rows(path)] == ["a"]

    def test_names_a_broken_line_in_the_middle(self, tmp_path):
        path = tmp_path / "p.jsonl"
        path.write_text(row("a").to_json()[:30] + "\n" + row("b").to_json() + "\n")
        with pytest.raises(UsageError, match=r"p\.jsonl:1"):
            list(read_rows(path))


class TestRowWriter:
    def test_overwrites_a_torn_line(self, tmp_path):
        path = tmp_path / "p.jsonl"
        path.write_text(row("a").to_json() + "\n" + row("b").to_json()[:30])
        with RowWriter(path) as writer:
            writer.write(row("b"))
        assert [one.id for one in read_rows(path)] == ["a", "b"]

    def test_makes_no_file_without_rows(self, tmp_path):
        with RowWriter(tmp_path / "p.jsonl"):
            pass
        assert not (tmp_path / "p.jsonl").exists()


class TestMerge:
    def test_joins_parts_once_each_in_order(self, tmp_path):
        for process, names in ((0, "ca"), (1, "bc")):
            with RowWriter(part_path(tmp_path, process, 2)) as writer:
                for name in names:
                    writer.write(row(name, error=str(process)))
        merged = merge(tmp_path, [("judge", "bench", name) for name in "abc"])
        assert [(one.id, one.error) for one in merged] == [("a", "0"), ("b", "1"), ("c", "0")]
        assert [path.name for path in tmp_path.iterdir()] == ["predictions.jsonl"]
        assert len(read_run(tmp_path)) == 3
