import io
import json

import numpy as np
import pytest
import soundfile

from audio_judge.audio import audio_info
from audio_judge.batch.find import find_items
from audio_judge.batch.items import Columns, PairColumns
from audio_judge.batch.pairs import find_pairs
from audio_judge.errors import UsageError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names):
    from pathlib import Path

    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def paths(*arguments, **options):
    return [item.path for item in find_items(arguments, **options)]


class TestFiles:
    def test_order_and_spelling_are_kept(self):
        touch("b.wav", "a.wav")
        assert paths("b.wav", "./a.wav", "missing.wav") == ["b.wav", "./a.wav", "missing.wav"]

    def test_row_is_the_path(self):
        assert find_items(["a.wav"])[0].row == {"path": "a.wav"}


class TestDirectories:
    def test_sound_files_below_it_are_sorted(self):
        touch("clips/b.WAV", "clips/deep/er/a.opus", "clips/a.mp3", "clips/c.flac", "clips/d.ogg", "clips/notes.txt")
        assert paths("clips") == [
            "clips/a.mp3",
            "clips/b.WAV",
            "clips/c.flac",
            "clips/d.ogg",
            "clips/deep/er/a.opus",
        ]

    @pytest.mark.parametrize("suffix", ["m4a", "aiff", "au", "caf", "w64", "oga", "sph", "webm", "MP4", "amr"])
    def test_other_kinds_of_sound_are_taken(self, suffix):
        touch(f"clips/a.{suffix}")
        assert paths("clips") == [f"clips/a.{suffix}"]

    def test_what_is_no_sound_is_said(self):
        touch("clips/a.wav", "clips/notes.txt", "clips/deep/cover.png", "clips/.hidden")
        told = []
        assert paths("clips", tell=told.append) == ["clips/a.wav"]
        assert told == ["clips: 2 of its files skipped, which are no sound by their names (deep/cover.png, notes.txt)"]

    def test_metadata_of_an_audio_folder(self, folder):
        touch("clips/test/a.wav", "clips/test/b.wav")
        table = "file_name,system,start\na.wav,x,1.5\ngone.wav,y,\n"
        (folder / "clips/test/metadata.csv").write_text(table)
        a, b, gone = find_items(["clips"])
        assert a.row == {"path": "clips/test/a.wav", "file_name": "a.wav", "system": "x", "start": "1.5"}
        assert (a.start_time, b.row, gone.path) == (1.5, {"path": "clips/test/b.wav"}, "clips/test/gone.wav")

    def test_hidden_files_are_left_out(self):
        touch("clips/a.wav", "clips/._a.wav", "clips/.cache/b.wav")
        assert paths("clips") == ["clips/a.wav"]

    def test_a_hidden_folder_may_be_named(self):
        touch(".cache/b.wav")
        assert paths(".cache") == [".cache/b.wav"]

    def test_empty_one_is_an_error_row(self):
        touch("clips/notes.txt")
        assert "clips: no sound file" in find_items(["clips"])[0].error


class TestGlobs:
    def test_pattern_is_expanded_and_sorted(self):
        touch("x/b.wav", "x/a.wav", "x/y/c.wav")
        assert paths("x/*.wav") == ["x/a.wav", "x/b.wav"]
        assert paths("x/**/*.wav") == ["x/a.wav", "x/b.wav", "x/y/c.wav"]

    def test_file_with_brackets_in_its_name_is_no_pattern(self):
        touch("take[1].wav", "take1.wav")
        assert paths("take[1].wav") == ["take[1].wav"]

    def test_no_match_is_an_error_row(self):
        (item,) = find_items(["x/*.wav"])
        assert (item.row, item.error) == ({"path": "x/*.wav"}, "x/*.wav: no file matches; check the pattern")


class TestJsonl:
    def test_row_is_kept_and_paths_are_relative_to_the_list(self, folder):
        row = {"path": "a.wav", "start_time": 1, "end_time": 2.5, "reference": "ref/a.wav", "system": {"id": 3}}
        touch("lists/x")
        (folder / "lists/rows.jsonl").write_text(json.dumps(row) + "\n\n")
        (item,) = find_items(["lists/rows.jsonl"])
        assert item.row == row
        assert (item.path, item.reference) == ("lists/a.wav", "lists/ref/a.wav")
        assert (item.start_time, item.end_time) == (1.0, 2.5)

    def test_absolute_path_stays(self, folder):
        (folder / "rows.jsonl").write_text('{"path": "/data/a.wav"}')
        assert paths("rows.jsonl") == ["/data/a.wav"]

    def test_line_separators_in_a_string_do_not_cut_the_row(self, folder):
        (folder / "rows.jsonl").write_text('{"path": "a.wav", "text": "one\u2028two"}', encoding="utf-8")
        assert find_items(["rows.jsonl"])[0].row["text"] == "one\u2028two"

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ('{"path": "a.wav"', "rows.jsonl:2: no JSON"),
            ('["a.wav"]', "no JSON object"),
            ('{"file": "a.wav"}', "rows.jsonl:2: no path"),
            ('{"path": 3}', r"no path \(3\)"),
            ('{"path": "a.wav", "start_time": "soon"}', "start_time is 'soon'"),
            ('{"path": "a.wav", "end_time": -1}', "end_time is -1"),
            ('{"path": "a.wav", "end_time": true}', "end_time is True"),
            ('{"path": "a.wav", "reference": 1}', "reference is 1"),
        ],
    )
    def test_bad_row_is_an_error_row_among_the_others(self, folder, line, reason):
        (folder / "rows.jsonl").write_text(f'{{"path": "0.wav"}}\n{line}\n{{"path": "2.wav"}}\n')
        before, bad, after = find_items(["rows.jsonl"])
        assert (before.path, after.path) == ("0.wav", "2.wav")
        with pytest.raises(AssertionError, match=reason):
            raise AssertionError(bad.error)

    def test_missing_list_is_a_usage_error(self):
        with pytest.raises(UsageError, match=r"rows\.jsonl: no such file"):
            find_items(["rows.jsonl"])

    def test_list_that_is_no_text_is_a_usage_error(self, folder):
        (folder / "rows.jsonl").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(UsageError, match="UTF-8"):
            find_items(["rows.jsonl"])


class TestTimes:
    @pytest.mark.parametrize(
        ("row", "times"),
        [
            ({"audio_filepath": "a.wav", "offset": 6.5, "duration": 4.0}, (6.5, 10.5)),
            ({"audio_filepath": "a.wav", "duration": 4.0}, (None, 4.0)),
            ({"path": "a.wav", "duration": 4.0}, (None, None)),  # the length of the whole clip, in many lists
            ({"path": "a.wav", "start": "1", "end": "2.5"}, (1.0, 2.5)),
            ({"path": "a.wav", "start": 1, "duration": 2}, (1.0, 3.0)),
            ({"path": "a.wav", "start_time": 2, "start": 1}, (2.0, None)),
        ],
    )
    def test_of_manifests_are_applied(self, folder, row, times):
        (folder / "rows.jsonl").write_text(json.dumps(row))
        (item,) = find_items(["rows.jsonl"])
        assert ((item.start_time, item.end_time), item.error) == (times, None)

    def test_parts_of_one_file_are_not_the_same(self):
        rows = [{"audio_filepath": "a.wav", "offset": at, "duration": 4.0} for at in (0.0, 6.5)]
        assert len({Columns().identity(row) for row in rows}) == 2


class TestPlainLists:
    def test_kaldi(self, folder):
        touch("data/a.wav")
        (folder / "data/wav.scp").write_text("u1 a.wav\nu2 my clip.wav\nu3 sox a.wav -t wav - |\n")
        first, second, command = find_items(["data/wav.scp"])
        assert (first.path, first.row) == ("data/a.wav", {"id": "u1", "path": "a.wav"})
        assert second.path == "data/my clip.wav"
        assert "wav.scp:3: a command, which is not run" in command.error

    def test_text(self, folder):
        touch("wavs/c.wav")
        (folder / "lists").mkdir()
        (folder / "lists/train.txt").write_text("# clips\na.wav\n\nb.wav|what is said\nwavs/c.wav\n")
        # As filelists of speech synthesis, which begin where the recipe runs
        assert paths("lists/train.txt") == ["lists/a.wav", "lists/b.wav", "wavs/c.wav"]

    def test_tabs(self, folder):
        (folder / "test.tsv").write_text("client_id\tpath\n1\ta, b.wav\n")
        assert paths("test.tsv") == ["a, b.wav"]


class TestCsv:
    def test_semicolons(self, folder):
        (folder / "rows.csv").write_text('path;mos\na.wav;3,5\n"b;c.wav";4\n')
        first, second = find_items(["rows.csv"])
        assert (first.row, second.path) == ({"path": "a.wav", "mos": "3,5"}, "b;c.wav")

    def test_table_without_a_header_loses_no_row(self, folder):
        (folder / "rows.tsv").write_text("a.wav\t3\nb.wav\t4\n")
        with pytest.raises(UsageError, match=r"no column path or .* name it with --path-column; it has a\.wav, 3"):
            find_items(["rows.tsv"])

    def test_row_without_a_path_leads_to_its_column(self, folder):
        (folder / "rows.jsonl").write_text('{"wav": "a.wav", "mos": 3}\n')
        (item,) = find_items(["rows.jsonl"])
        assert "name its column with --path-column: the row has wav, mos" in item.error

    @pytest.mark.parametrize("column", ["path", "wav_path", "filepath_deg"])
    def test_usual_columns_are_known(self, folder, column):
        (folder / "rows.csv").write_text(f"db,{column}\nx,a.wav\n")
        (item,) = find_items(["rows.csv"])
        assert (item.path, item.row) == ("a.wav", {"db": "x", column: "a.wav"})

    def test_named_column_comes_first(self, folder):
        (folder / "rows.csv").write_text("path,file\nno.wav,yes.wav\n")
        assert paths("rows.csv", columns=Columns("file")) == ["yes.wav"]

    def test_empty_cells_are_not_there(self, folder):
        (folder / "rows.csv").write_text("path,start_time,end_time,reference\na.wav,,1.5,\n")
        (item,) = find_items(["rows.csv"])
        assert (item.start_time, item.end_time, item.reference) == (None, 1.5, None)

    def test_reference_column(self, folder):
        (folder / "rows.csv").write_text("path,filepath_ref\na.wav,r.wav\n")
        assert find_items(["rows.csv"], Columns(None, "filepath_ref"))[0].reference == "r.wav"

    def test_byte_order_mark_and_windows_lines(self, folder):
        (folder / "rows.csv").write_bytes("\ufeffpath,x\r\na.wav,1\r\n".encode())
        assert find_items(["rows.csv"])[0].row == {"path": "a.wav", "x": "1"}

    def test_cell_with_comma_and_line_break(self, folder):
        (folder / "rows.csv").write_text('path,text\na.wav,"one,\ntwo"\nb.wav,x\n')
        first, second = find_items(["rows.csv"])
        assert (first.row["text"], second.path) == ("one,\ntwo", "b.wav")

    def test_row_with_too_many_cells_is_an_error_row(self, folder):
        (folder / "rows.csv").write_text("path,x\na.wav,1,2\nb.wav,1\n")
        first, second = find_items(["rows.csv"])
        assert "rows.csv:2: 3 fields for 2 columns" in first.error
        assert second.error is None

    @pytest.mark.parametrize(
        ("text", "columns", "reason"),
        [
            ("file,x\na.wav,1\n", Columns(), "no column path or wav_path or filepath_deg.*it has file, x"),
            ("path,x\na.wav,1\n", Columns("clip"), "no column 'clip'; it has path, x"),
            ("path,x,x\na.wav,1,2\n", Columns(), "'x' is there twice"),
        ],
    )
    def test_unusable_header_is_a_usage_error(self, folder, text, columns, reason):
        (folder / "rows.csv").write_text(text)
        with pytest.raises(UsageError, match=reason):
            find_items(["rows.csv"], columns)


class TestStdin:
    def test_paths_and_json_rows(self):
        touch("clips/x.wav")
        items = find_items(["-"], stdin=["a.wav\n", "\n", '{"path": "b.wav", "id": 7}\n', "clips\n"])
        assert [item.path for item in items] == ["a.wav", "b.wav", "clips/x.wav"]
        assert items[1].row == {"path": "b.wav", "id": 7}

    def test_a_sound_in_place_of_lines(self):
        buffer = io.BytesIO()
        soundfile.write(buffer, np.full(800, 0.1), 8000, format="WAV")
        given = io.TextIOWrapper(io.BufferedReader(io.BytesIO(buffer.getvalue())))
        (item,) = find_items(["-"], stdin=given)
        assert (item.row, audio_info(item.read()).seconds) == ({"path": "stdin"}, 0.1)

    def test_lines_over_bytes(self):
        given = io.TextIOWrapper(io.BufferedReader(io.BytesIO(b"a.wav\n")))
        assert paths("-", stdin=given) == ["a.wav"]


class TestReference:
    def test_given_one_fills_only_the_gaps(self, folder):
        (folder / "rows.jsonl").write_text('{"path": "a.wav", "reference": "own.wav"}\n{"path": "b.wav"}\n')
        own, given = find_items(["rows.jsonl"], reference="clean.wav")
        assert (own.reference, given.reference) == ("own.wav", "clean.wav")
        assert given.row == {"path": "b.wav", "reference": "clean.wav"}


class TestIdentity:
    def test_numbers_and_their_text_are_the_same(self):
        written = {"path": "a.wav", "start_time": "1.50", "end_time": "", "reference": "", "mos": "3.1"}
        assert Columns().identity({"path": "a.wav", "start_time": 1.5}) == Columns().identity(written)

    @pytest.mark.parametrize("other", [{"path": "b"}, {"start_time": 1}, {"end_time": 1}, {"reference": "r"}])
    def test_every_part_counts(self, other):
        assert Columns().identity({"path": "a"}) != Columns().identity({"path": "a"} | other)


class TestNames:
    def test_name_that_is_no_text_is_kept(self, folder):
        name = b"\xe9.wav".decode("utf-8", "surrogateescape")
        touch(name)
        assert find_items(["."])[0].error is None
        assert Columns().identity({"path": name}) == Columns().identity({"path": "\\udce9.wav"})


class TestPairs:
    def test_two_files(self):
        (pair,) = find_pairs(["a.wav", "b.wav"])
        assert (pair.first, pair.second, pair.row) == ("a.wav", "b.wav", {"a": "a.wav", "b": "b.wav"})

    def test_folders_by_name(self):
        touch("old/x.wav", "old/deep/y.wav", "old/lonely.wav", "new/x.flac", "new/deep/y.wav")
        deep, lonely, x = find_pairs(["old", "new"])
        assert (x.first, x.second) == ("old/x.wav", "new/x.flac")
        assert (deep.first, deep.second) == ("old/deep/y.wav", "new/deep/y.wav")
        assert lonely.error == "old/lonely.wav: no clip 'lonely' in new to compare it with"

    @pytest.mark.parametrize("suffix", ["csv", "jsonl"])
    def test_lists_with_own_columns(self, folder, suffix):
        rows = {"csv": "ours,theirs,id\na.wav,b.wav,7\n", "jsonl": '{"ours": "a.wav", "theirs": "b.wav", "id": "7"}\n'}
        touch("lists/x")
        (folder / f"lists/p.{suffix}").write_text(rows[suffix])
        (pair,) = find_pairs([f"lists/p.{suffix}"], PairColumns("ours", "theirs"))
        assert (pair.first, pair.second, pair.row["id"]) == ("lists/a.wav", "lists/b.wav", "7")

    def test_stdin(self):
        (pair,) = find_pairs(["-"], stdin=['{"a": "x.wav", "b": "y.wav"}\n', "\n"])
        assert (pair.first, pair.second) == ("x.wav", "y.wav")

    def test_other_usual_columns_are_no_pair(self, folder):
        (folder / "p.jsonl").write_text('{"path": "x.wav", "b": "y.wav"}\n')
        assert "no 'a'" in find_pairs(["p.jsonl"])[0].error

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            (["a.wav"], "no pairs"),
            (["a.wav", "b.wav", "c.wav"], "no pairs"),
            (["clips", "a.wav"], "a.wav: no such folder"),
            (["clips", "clips/x.wav"], "clips/x.wav is no folder"),
            (["clips", "twice"], "have the same name"),
            (["clips", "empty"], "no sound file"),
        ],
    )
    def test_what_is_no_pair(self, arguments, reason):
        touch("clips/x.wav", "twice/x.wav", "twice/x.mp3", "empty/x.txt")
        with pytest.raises(UsageError, match=reason):
            find_pairs(arguments)


class TestDataSets:
    @pytest.fixture(scope="class")
    def saved(self, tmp_path_factory):
        """Two rows with sound inside: `plain` has no splits, `splits` has two, `tables` is a folder of parquet."""
        import datasets

        place = tmp_path_factory.mktemp("sets")
        soundfile.write(place / "x.wav", np.full(800, 0.1), 8000)
        sound = {"bytes": (place / "x.wav").read_bytes(), "path": "x.wav"}
        rows = {"speech": [sound, sound], "mos": [3.5, float("nan")], "path": ["one", "two"], "start_time": [0.0, -1.0]}
        data = datasets.Dataset.from_dict(rows).cast_column("speech", datasets.Audio(decode=False))
        data.save_to_disk(str(place / "plain"))
        datasets.DatasetDict({"train": data, "test": data.select([0])}).save_to_disk(str(place / "splits"))
        (place / "tables").mkdir()
        data.to_parquet(str(place / "tables/test.parquet"))
        return place

    def test_rows_and_their_sounds(self, saved):
        good, bad = find_items([f"{saved}/plain"])
        assert good.row == {"path": f"{saved}/plain#0", "mos": 3.5, "input_path": "one", "start_time": 0.0}
        assert bad.row["mos"] is None
        assert "start_time is -1.0" in bad.error
        assert audio_info(good.read()).sampling_rate == 8000

    def test_split_is_named(self, saved):
        (item,) = find_items([f"{saved}/splits:test"])
        assert item.row["path"] == f"{saved}/splits:test#0"

    def test_nothing_but_sounds(self, saved):
        import datasets

        data = datasets.load_from_disk(str(saved / "plain")).select_columns(["speech"])
        data.to_parquet(str(saved / "sounds.parquet"))
        items = find_items([f"{saved}/sounds.parquet"])
        assert [audio_info(item.read()).seconds for item in items] == [0.1, 0.1]

    def test_tables_with_sound_inside(self, saved):
        items = find_items([f"{saved}/tables"])
        assert [item.row["input_path"] for item in items] == ["one", "two"]
        assert audio_info(items[0].read()).seconds == 0.1

    @pytest.mark.parametrize(
        ("argument", "columns", "reason"),
        [
            ("splits", Columns(), "has the splits train, test; name one"),
            ("splits:dev", Columns(), "no split 'dev'; it has train, test"),
            ("plain:test", Columns(), "has no splits"),
            ("plain", Columns("mos"), "no column of sounds 'mos'; it has speech"),
            ("plain", Columns(None, "speech"), "no column of sounds; one of type Audio"),
        ],
    )
    def test_what_is_not_there(self, saved, argument, columns, reason):
        with pytest.raises(UsageError, match=reason):
            find_items([f"{saved}/{argument}"], columns)

    def test_address_on_the_hub(self):
        with pytest.raises(UsageError, match="OWNER/NAME:SPLIT is needed"):
            find_items(["hf://datasets/name"])
