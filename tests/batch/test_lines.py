import json

import pytest

from audio_judge.batch.lines import Appender, LineError, columns_of, read, rows_by_id, scan, write


def rows(path, **options):
    return [row for _, row in read(path, **options)]


@pytest.fixture
def file(tmp_path):
    """`file("a.jsonl", content)`: a file with text or bytes."""

    def make(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


class TestRead:
    @pytest.mark.parametrize(
        ("name", "content", "lines"),
        [
            ("a.jsonl", '{"path": "ä", "mos": "4"}\n\n{"path": "b", "mos": ""}\n', [1, 3]),
            ("a.json", '\ufeff{"path": "ä", "mos": "4"}\r\n \r\n{"path": "b", "mos": ""}', [1, 3]),
            ("a.csv", 'path,mos\n"ä",4\n\nb\n', [2, 4]),
            ("a.tsv", "\ufeffpath\tmos\r\nä\t4\r\n\r\nb\t", [2, 4]),
            ("a.CSV", "path,mos\rä,4\r\rb,\r", [2, 4]),
        ],
    )
    def test_same_rows_however_they_are_written(self, file, name, content, lines):
        found = list(read(file(name, content)))
        assert found == list(zip(lines, [{"path": "ä", "mos": "4"}, {"path": "b", "mos": ""}], strict=True))

    def test_other_line_breaks_belong_to_the_text(self, file):
        assert rows(file("a.jsonl", '{"text": "one\u2028two\x85"}\n')) == [{"text": "one\u2028two\x85"}]

    def test_a_row_is_where_it_ends(self, file):
        assert list(read(file("a.csv", 'text\n"one\n\ntwo"\nx\n'))) == [(4, {"text": "one\n\ntwo"}), (5, {"text": "x"})]

    def test_numbers_that_json_does_not_know_are_none_or_text(self, file):
        assert rows(file("a.jsonl", '{"a": NaN, "b": -Infinity, "c": 1e999, "d": 1.5}\n')) == [
            {"a": None, "b": "-Infinity", "c": "1e999", "d": 1.5}
        ]

    @pytest.mark.parametrize("depth", [70, 900, 200_000])
    def test_deep_nesting_is_a_problem_of_its_row(self, file, depth):
        deep = "[" * depth + "]" * depth
        found = list(scan(file("a.jsonl", f'{{"a": {deep}}}\n{{"a": 1}}\n')))
        assert "nested deeper than 64" in found[0].problem
        assert found[1].row == {"a": 1}

    def test_long_cell_reads_back(self, tmp_path):
        with Appender(tmp_path / "a.csv", ["text"]) as table:
            table.write({"text": "x, " * 100_000})
        assert rows(tmp_path / "a.csv") == [{"text": "x, " * 100_000}]

    def test_name_that_is_no_text_reads_back(self, tmp_path):
        name = b"\xe9.wav".decode("utf-8", "surrogateescape")
        write(tmp_path / "a.jsonl", [{"path": name}])
        assert rows(tmp_path / "a.jsonl") == [{"path": name}]

    def test_kind_that_the_name_does_not_say(self, file):
        assert rows(file("scores.txt", '{"a": 1}\n'), kind="json") == [{"a": 1}]

    def test_table_without_header_line(self, file):
        assert rows(file("a.csv", "a.wav, 4\n"), header=["path", "mos"], trims=True) == [{"path": "a.wav", "mos": "4"}]

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("a.jsonl", '{"a": 1}\n{"a": \n', r"a\.jsonl:2: no JSON \(Expecting value: line 1 column 7 \(char 6\)\)"),
            ("a.jsonl", '{"a": 1}\n{"a": ', r"a\.jsonl:2: no JSON"),
            ("a.jsonl", "[" * 100_000, r"a\.jsonl:1: nested deeper"),
            ("a.jsonl", "\n[1]\n", r"a\.jsonl:2: no JSON object \('\[1\]'\); one per line is needed"),
            ("a.jsonl", b'{"a": 1}\n{"a": "\xe9"}\n', r"a\.jsonl:2: cannot be read as UTF-8 text"),
            ("a.csv", b"a\nx\n\xe9\n", r"a\.csv:3: cannot be read as UTF-8 text"),
            ("a.csv", "a,b\n1,2\n1,2,3\n", r"a\.csv:3: 3 fields for 2 columns"),
        ],
    )
    def test_what_is_wrong_is_named_with_its_line(self, file, name, content, message):
        with pytest.raises(LineError, match=message):
            rows(file(name, content))

    @pytest.mark.parametrize("reader", [columns_of, rows])
    def test_files_that_cannot_be_read(self, tmp_path, reader):
        with pytest.raises(LineError, match=r"gone\.csv: no such file"):
            reader(tmp_path / "gone.csv")
        (tmp_path / "folder.csv").mkdir()
        with pytest.raises(LineError, match="cannot be read"):
            reader(tmp_path / "folder.csv")

    def test_short_rows_may_be_a_problem(self, file):
        with pytest.raises(LineError, match="1 fields for 2 columns"):
            rows(file("a.csv", "a,b\n1\n"), fill=None)


class TestScan:
    def test_goes_on_after_an_unusable_row(self, file):
        found = list(scan(file("a.jsonl", '[]\n{"a": 1}\n')))
        assert [(line.row, line.problem is None) for line in found] == [({}, False), ({"a": 1}, True)]

    @pytest.mark.parametrize(
        ("name", "content"), [("a.jsonl", '{"t": "ü"}\n\n{"t": "x"}\n'), ("a.csv", 'ü,t\n\n"a\nb",ü\n\nc,d\n')]
    )
    def test_spans_are_the_bytes_of_the_rows(self, file, name, content):
        path = file(name, content)
        pieces = [path.read_bytes()[start : start + size].decode() for *_, (start, size) in scan(path)]
        assert pieces == (['{"t": "ü"}\n', '{"t": "x"}\n'] if name == "a.jsonl" else ['"a\nb",ü\n', "c,d\n"])


class TestColumns:
    @pytest.mark.parametrize(
        ("name", "content", "names"),
        [
            ("a.csv", "\ufeff path ,mos\n", ["path", "mos"]),
            ("a.tsv", "path\tmos\nx\ty\n", ["path", "mos"]),
            ("a.jsonl", '\n{"path": 1, "mos": 2}\n', ["path", "mos"]),
            ("a.csv", "", []),
            ("a.jsonl", "", []),
        ],
    )
    def test_names(self, file, name, content, names):
        assert columns_of(file(name, content), trims=True) == names


# What a kill leaves: the last row is cut at any byte
JSON = ['{"id": "1", "text": "ä\\n"}\n', '{"id": "2", "text": "[{]}"}\n']
TABLE = ["id,text\n", '1,"one, ""\n""two"\n', "2,ü\n"]


class TestKilled:
    @pytest.mark.parametrize("size", range(1, len(JSON[1].encode())))
    def test_json_line_that_was_cut_anywhere(self, file, size):
        path = file("a.jsonl", JSON[0].encode() + JSON[1].encode()[:size])
        is_whole = size == len(JSON[1].encode()) - 1  # only its line break is missing
        assert [line.row["id"] for line in scan(path, is_growing=True)] == ["1", "2"][: 1 + is_whole]
        with Appender(path) as out:
            if not is_whole:
                out.write({"id": "2", "text": "[{]}"})
        assert path.read_text() == "".join(JSON)

    @pytest.mark.parametrize("size", range(len("".join(TABLE).encode())))
    def test_table_that_was_cut_anywhere(self, file, size):
        whole = "".join(TABLE)
        path = file("a.csv", whole.encode()[:size])
        found = [line.row for line in scan(path, is_growing=True)]
        wanted = rows(file("whole.csv", whole))
        assert found == wanted[: len(found)]
        with Appender(path, ["id", "text"]) as out:
            for row in wanted[len(found) :]:
                out.write(row)
        assert path.read_text() == whole

    def test_a_cut_line_before_others_is_no_trace_of_a_kill(self, file):
        with pytest.raises(LineError, match=":1: no JSON"):
            rows(file("a.jsonl", JSON[0][:9] + "\n" + JSON[1]), is_growing=True)

    def test_nothing_is_lost_when_the_writer_dies(self, tmp_path):
        def dies(path):
            with Appender(path) as out:
                out.write({"id": 1})
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            dies(tmp_path / "a.jsonl")
        assert rows(tmp_path / "a.jsonl") == [{"id": 1}]

    def test_each_row_is_there_at_once(self, tmp_path):
        with Appender(tmp_path / "a.jsonl") as out:
            for number in range(3):
                out.write({"id": number})
                assert len(rows(tmp_path / "a.jsonl")) == number + 1


class TestAppender:
    def test_writes_anew(self, file):
        with Appender(file("a.csv", "x\n1\n"), ["y"], is_new=True) as out:
            out.write({"y": 2, "other": 3}, {"y": None}, {"y": {"a": ["ü"]}})
        assert out.path.read_text() == 'y\n2\n""\n"{""a"": [""ü""]}"\n'

    def test_any_cell_of_a_table_reads_back(self, tmp_path):
        cells = ["a\rb", "a\r\nb", 'a "b", c', "\u2028", " x ", ""]
        with Appender(tmp_path / "a.csv", ["a", "b"]) as out:
            out.write(*({"a": cell, "b": "x"} for cell in cells))
        assert [row["a"] for row in rows(out.path, is_growing=True)] == cells

    def test_makes_the_folder(self, tmp_path):
        with Appender(tmp_path / "new" / "a.jsonl") as out:
            out.write({"a": 1})
        assert rows(out.path) == [{"a": 1}]

    def test_standard_output_stays_open(self, capsys):
        with Appender(None) as out:
            out.write({"a": "ü"})
        print("more")
        assert capsys.readouterr().out == '{"a": "ü"}\nmore\n'

    def test_nan_never_gets_into_json(self, tmp_path):
        with Appender(tmp_path / "a.jsonl") as out, pytest.raises(ValueError, match="JSON"):
            out.write({"a": float("nan")})
        assert not (tmp_path / "a.jsonl").read_bytes()


class TestWrite:
    def test_replaces_the_file_when_all_is_written(self, file):
        def dying():
            yield {"a": 1}
            raise RuntimeError

        path = file("a.jsonl", "precious\n")
        with pytest.raises(RuntimeError):
            write(path, dying())
        assert path.read_text() == "precious\n"
        assert write(path, iter([{"a": 1}, {"a": "ü"}])) == 2
        assert path.read_text() == '{"a": 1}\n{"a": "ü"}\n'
        assert [one.name for one in path.parent.iterdir()] == ["a.jsonl"]


class TestRowsById:
    def test_of_a_growing_file(self, file):
        assert list(rows_by_id(file("a.jsonl", "".join(JSON)[:-9]))) == ["1"]
        assert rows_by_id(file("b.jsonl", "").with_name("gone.jsonl")) == {}

    @pytest.mark.parametrize("line", ["{}", "[1]", "3", "no json"])
    def test_refuses_a_file_that_is_not_ours(self, file, line):
        with pytest.raises(ValueError, match=r"a\.jsonl, line 2: no row with an id"):
            rows_by_id(file("a.jsonl", f"{json.dumps({'id': '1'})}\n{line}\n"))
