import json

import pytest

from audio_judge.batch.items import PairColumns
from audio_judge.batch.systems import find_systems, names_systems
from audio_judge.errors import UsageError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Two systems with two clips of the same names, and one of its own."""
    monkeypatch.chdir(tmp_path)
    for name in ("old/x.wav", "old/y.wav", "new/x.flac", "new/y.wav", "new/z.wav", "one/q.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def named(items):
    return [(item.row["system"], item.row["clip"], item.path) for item in items]


class TestNamesSystems:
    @pytest.mark.parametrize(
        ("arguments", "is_so"),
        [(("old", "new"), True), (("old",), True), (("old/x.wav", "old/y.wav"), False), (("old", "old/x.wav"), False)],
    )
    def test_folders_are(self, arguments, is_so):
        assert names_systems(arguments) == is_so

    @pytest.mark.parametrize(
        ("header", "is_so"), [("path,system", True), ("path,maker", False), ("a,b,system", False), ("a,b", False)]
    )
    def test_lists_are_by_their_columns(self, folder, header, is_so):
        (folder / "list.csv").write_text(f"{header}\n")
        assert names_systems(["list.csv"]) == is_so

    def test_pairs_of_other_columns_are_none(self, folder):
        (folder / "list.jsonl").write_text(json.dumps({"ours": "x.wav", "theirs": "y.wav", "system": "tts"}) + "\n")
        assert not names_systems(["list.jsonl"], PairColumns("ours", "theirs"))

    def test_standard_input_is_none(self):
        assert not names_systems(["-"])


class TestFindSystems:
    def test_folders_are_systems(self):
        assert named(find_systems(["new", "old"])) == [
            ("new", "x", "new/x.flac"),
            ("new", "y", "new/y.wav"),
            ("new", "z", "new/z.wav"),
            ("old", "x", "old/x.wav"),
            ("old", "y", "old/y.wav"),
        ]

    def test_folders_of_one_name_are_told_apart(self, folder):
        for name in ("a", "b"):
            (folder / name / "out").mkdir(parents=True)
            (folder / name / "out" / "x.wav").touch()
        assert {item.row["system"] for item in find_systems(["a/out", "b/out"])} == {"a/out", "b/out"}

    def test_a_list_pairs_by_name(self, folder):
        (folder / "list.csv").write_text("path,system,mine\nold/x.wav,1,p\nnew/x.flac,2,q\n")
        items = find_systems(["list.csv"])
        assert named(items) == [("1", "x", "old/x.wav"), ("2", "x", "new/x.flac")]
        assert items[0].row["mine"] == "p"

    def test_a_list_pairs_by_as_much_of_the_path_as_it_takes(self, folder):
        paths = ["1/p/x.wav", "1/q/x.wav", "2/p/x.wav"]
        (folder / "list.csv").write_text("path,system\n" + "".join(f"{path},{path[0]}\n" for path in paths))
        assert [take for _, take, _ in named(find_systems(["list.csv"]))] == ["p/x", "q/x", "p/x"]

    def test_a_list_pairs_by_parts(self, folder):
        rows = [f"{name},{name},{start},{start + 1}" for name in "12" for start in (0, 1)]
        (folder / "list.csv").write_text("\n".join(["path,system,start,end", *rows]) + "\n")
        assert [take for _, take, _ in named(find_systems(["list.csv"]))][:2] == ["1 [0-1 s]", "1 [1-2 s]"]

    def test_a_list_pairs_by_its_column(self, folder):
        (folder / "list.csv").write_text("path,maker,line\nold/x.wav,1,7\nnew/z.wav,2,7\n")
        found = find_systems(["list.csv"], system_column="maker", take_column="line")
        assert named(found) == [("1", "7", "old/x.wav"), ("2", "7", "new/z.wav")]

    def test_a_row_without_a_system_is_an_error(self, folder):
        (folder / "list.csv").write_text("path,system\nold/x.wav,1\nnew/x.flac,2\nnew/z.wav,\n")
        assert find_systems(["list.csv"])[2].error == "new/z.wav: no 'system'; every row needs what made its clip"

    def test_limit_is_of_each_system(self):
        assert [take for _, take, _ in named(find_systems(["old", "new"], limit=1))] == ["x", "x"]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["old"], "old: one system, 'old'; two or more are needed"),
            (["old", "./old"], "the same folder twice is one system"),
            (["old", "one"], "old and one: no clips in common and fewer than two each"),
            (["old", "twice"], "have the same name"),
            (["old", "empty"], "empty: no sound file in it"),
            (["list.csv"], "are both 'x' of 1; a list with a column 'clip' can tell them apart"),
        ],
    )
    def test_refuses_what_cannot_be_compared(self, folder, arguments, message):
        (folder / "list.csv").write_text("path,system\nold/x.wav,1\nold/x.wav,1\n")
        (folder / "empty").mkdir()
        (folder / "twice").mkdir()
        for name in ("x.wav", "x.ogg"):
            (folder / "twice" / name).touch()
        with pytest.raises(UsageError, match=message):
            find_systems(arguments)
