"""Any corpus by its name: the table of readers, and data sets in place of folders."""

import inspect
import json
import re
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import datasets
import pytest

from audio_judge import corpora
from audio_judge.cli.main import main
from audio_judge.corpora import CORPORA
from audio_judge.corpora.corpus import Corpus, read_options

ROOT = Path(__file__).parents[2]
COLUMNS = {"path": "audio", "ratings": {"mos": "score"}}


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Data sets with sounds inside: ``splits`` (saved), ``plain`` (saved, without splits), ``tables`` (parquet)."""
    place = tmp_path_factory.mktemp("sets")

    def some(count, first=0):
        rows = [
            {"audio": {"bytes": b"RIFF%d" % i, "path": f"{i}.wav"}, "score": 1.0 + i}
            for i in range(first, first + count)
        ]
        return datasets.Dataset.from_list(rows).cast_column("audio", datasets.Audio())

    both = datasets.DatasetDict({"train": some(3), "dev": some(2, 3), "extra": some(1)})
    both.save_to_disk(place / "splits")
    both["train"].save_to_disk(place / "plain")
    (place / "tables").mkdir()
    both["dev"].to_parquet(place / "tables" / "validation.parquet")
    return place


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


def scores(path, split="train", reader="table"):
    corpus = Corpus(reader, str(path), split, options={"columns": COLUMNS})
    return [(clip.split, clip.ratings["mos"].value) for clip in corpus.read()]


class TestTable:
    @pytest.mark.parametrize("name", CORPORA)
    def test_every_reader_takes_a_split(self, name):
        module, _, function = CORPORA[name].reader.partition(".")
        parameters = inspect.signature(getattr(import_module(f"audio_judge.corpora.{module}"), function)).parameters
        assert "split" in parameters or "options" in parameters

    def test_imports_nothing_that_help_would_wait_for(self):
        lines = inspect.getsource(corpora).splitlines()
        imported = {line.split()[1] for line in lines if line.startswith(("import ", "from "))}
        assert imported <= sys.stdlib_module_names


class TestDataSets:
    def test_the_split_of_that_name(self, sets):
        assert scores(sets / "splits") == [("train", 1.0), ("train", 2.0), ("train", 3.0)]
        assert scores(sets / "splits", "validation") == [("validation", 4.0), ("validation", 5.0)]

    def test_the_split_that_the_path_names(self, sets):
        assert scores(f"{sets}/splits:extra", "test") == [("test", 1.0)]

    def test_all_splits_that_we_know(self, sets):
        assert [split for split, _ in scores(sets / "splits", None)] == ["train"] * 3 + ["validation"] * 2

    def test_tables_with_sound_inside(self, sets):
        assert scores(sets / "tables", "validation") == [("validation", 4.0), ("validation", 5.0)]

    def test_without_splits_it_is_the_one_asked_for(self, sets):
        assert scores(sets / "plain", "test") == [("test", 1.0), ("test", 2.0), ("test", 3.0)]

    def test_of_the_hub(self, sets, monkeypatch):
        asked = []

        def load_dataset(*names):
            asked.append(names)
            return datasets.load_from_disk(str(sets / "splits"))

        monkeypatch.setattr(datasets, "load_dataset", load_dataset)
        corpus = Corpus("table", "hf://datasets/me/clips/small", "validation", options={"columns": COLUMNS})
        (first, _) = corpus.read()
        assert set(asked) == {("me/clips", "small")}
        assert first.corpus == "small"
        with open(first.path, "rb") as file:
            assert file.read() == b"RIFF3"

    def test_missing_split(self, sets):
        with pytest.raises(ValueError, match="no split test; it has train, dev, extra"):
            scores(sets / "splits", "test")

    @pytest.mark.parametrize(("name", "tells"), [("splits", True), ("splits:train", False), ("plain", False)])
    def test_tells_splits(self, sets, name, tells):
        assert Corpus("table", f"{sets}/{name}").tells_splits is tells

    def test_a_column_of_a_table_tells_its_splits(self, tmp_path):
        (tmp_path / "own.csv").write_text("path,mos,part\na.wav,3,train\nb.wav,4,dev\nc.wav,2,train\n")
        columns = {"path": "path", "ratings": {"mos": "mos"}, "split": "part"}
        corpora = [
            Corpus("table", str(tmp_path / "own.csv"), split, options={"columns": columns})
            for split in ("train", "validation", None)
        ]
        assert all(one.tells_splits for one in corpora)
        assert [len(list(one.read())) for one in corpora] == [2, 1, 3]

    def test_all_splits_of_what_has_none(self, sets):
        with pytest.raises(ValueError, match="which split"):
            scores(sets / "plain", None)

    def test_readers_of_their_own_folders(self, sets):
        with pytest.raises(ValueError, match=r"nisqa: .*not from a data set"):
            scores(sets / "splits", reader="nisqa")


QUALISPEECH = ("Speed", "Naturalness", "Background noise", "Distortion", "Listening effort", "Continuity")
NISQA = ("db", "filepath_deg", "mos", "noi", "col", "dis", "loud")
# Reader to: file, one right row, one wrong one, options of the reader, and the reason that is counted
WRONG = {
    "nisqa": (
        "NISQA_corpus_file.csv",
        dict.fromkeys(NISQA, 3) | {"db": "NISQA_TRAIN_SIM", "filepath_deg": "a.wav"},
        {"mos": 0.5},
        {},
        "mos: a number from 1 to 5 expected",
    ),
    "qualispeech": (
        "train.csv",
        dict.fromkeys(QUALISPEECH, 3) | {"id": "a.wav", "Overall quality": 3},
        {"Continuity": 0},
        {},
        "Continuity: a number from 1 to 5 expected",
    ),
    "speecheval": (
        "data_split/split_data_single_eval/train/multitask.jsonl",
        {"key": "a", "task": "SingleEval", "audios": ["a.wav"], "context": "Overall Quality: 2"},
        {"context": "Overall Quality: moderate"},
        {},
        "overall quality: a number expected",
    ),
    "aes": ("x.jsonl", {"path": "a.wav", "PQ": 5}, {"PQ": 11}, {}, "PQ: a number from 0 to 10 expected"),
    "audiomos": (
        "audiomos2025-track2-train_list.csv",
        {"sample_id": "a", "data_path": "a.wav", "PQ": 5},
        {"PQ": "x"},
        {},
        "PQ: a number expected",
    ),
    "urgentmos": (
        "x.jsonl",
        {"audio_path": "a.wav", "sample_id": "a", "system_id": "s", "metrics": {"mos": 3}},
        {"metrics": {"mos": 0.5}},
        {},
        "mos: a number from 1 to 5 expected",
    ),
    "bvcc": (
        "x.csv",
        {"wav_path": "a.wav", "avg_score": 3},
        {"avg_score": 0.5},
        {},
        "avg_score: a number from 1 to 5 expected",
    ),
    "speechjudge": (
        "x.jsonl",
        {"audioA": "a.wav", "audioB": "b.wav", "naturalness_label": "A"},
        {"naturalness_label": "C"},
        {},
        "naturalness_label: one of a, b, tie expected",
    ),
    "vcc2020": (
        "x.csv",
        {"sample_id": "a", "score": 3, "listener_name": "l"},
        {"score": "moderate"},
        {},
        "score: a number expected",
    ),
    "rated": (
        "ratings.csv",
        {"path": "a.wav", "split": "train", "rubric": "mos", "scale_low": 1, "scale_high": 5, "votes": "3 4"},
        {"path": "b.wav", "votes": "3 x"},
        {},
        "votes: a number expected",
    ),
    "table": ("x.csv", {"audio": "a.wav", "score": 3}, {"score": 0.5}, {"columns": COLUMNS}, "score: a number from 1"),
    "pairs": (
        "x.csv",
        {"a": "a.wav", "b": "b.wav", "won": "A"},
        {"won": "?"},
        {"columns": {"first": "a", "second": "b", "preferences": {"mos": "won"}}},
        "won: one of a, b, tie expected",
    ),
    "captions": (
        "x.jsonl",
        {"task": "describe", "audio": ["a.wav"], "text": "Fine.", "truth": 3},
        {"audio": []},
        {},
        "no caption of one clip",
    ),
    "alld": (
        "x.jsonl",
        {"response": "It hisses a lot. The MOS is 1.9.", "audios": ["a.wav"]},
        {"audios": []},
        {},
        "the paths of one or",
    ),
}


class TestOnError:
    """A row that is wrong ends the reading of its corpus, or is left out and counted."""

    def corpus(self, tmp_path, reader, rows, **given):
        name, right, wrong, options, reason = WRONG[reader]
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [right | (wrong if row == "wrong" else {}) for row in rows]
        if path.suffix == ".csv":
            text = [",".join(right), *(",".join(str(line[column]) for column in right) for line in lines)]
        else:
            text = [json.dumps(line) for line in lines]
        path.write_text("\n".join(text) + "\n")
        place = path if name.startswith("x.") else tmp_path
        return Corpus(reader, str(place), options=options, **given), reason

    def test_of_every_reader_of_published_rows(self):
        assert set(WRONG) == set(CORPORA) - {"simulated"}

    @pytest.mark.parametrize("reader", WRONG)
    def test_skipped_rows_are_counted_by_reason(self, tmp_path, reader, caplog):
        corpus, reason = self.corpus(tmp_path, reader, ["wrong", "right", "wrong"], on_error="skip")
        assert len(list(corpus.read())) == 1
        first = 1 if WRONG[reader][0].endswith("jsonl") else 2
        assert "2 of 3 rows left out, " in caplog.text
        assert reason in caplog.text
        assert f"(first in line {first})" in caplog.text

    @pytest.mark.parametrize("reader", WRONG)
    def test_else_the_first_one_stops(self, tmp_path, reader):
        corpus, _ = self.corpus(tmp_path, reader, ["right", "wrong"])
        with pytest.raises(corpora.CorpusError, match=r"line [23]: "):
            list(corpus.read())

    def test_nothing_but_wrong_rows_is_an_error(self, tmp_path):
        corpus, _ = self.corpus(tmp_path, "bvcc", ["wrong", "wrong"], on_error="skip")
        with pytest.raises(corpora.CorpusError, match=r"all 2 rows are wrong; the first, line 2: avg_score is '0.5'"):
            list(corpus.read())

    def test_malformed_lines_are_rows_that_are_wrong(self, tmp_path, caplog):
        (tmp_path / "a.jsonl").write_text('{"audio": "a.wav", "score": 3}\n{"audio": \n{"score": 3}\n')
        corpus = Corpus("table", str(tmp_path / "a.jsonl"), on_error="skip", options={"columns": COLUMNS})
        assert [clip.path for clip in corpus.read()] == [f"{tmp_path}/a.wav"]
        assert "1 of 3 rows left out, no JSON; one object per line is needed" in caplog.text
        assert "1 of 3 rows left out, audio is missing" in caplog.text

    def test_a_reader_that_has_no_rows_of_others(self, tmp_path):
        with pytest.raises(ValueError, match="on_error"):
            Corpus("simulated", str(tmp_path), on_error="skip").read()

    def test_neither_stop_nor_skip(self, tmp_path):
        with pytest.raises(ValueError, match="stop or skip is needed"):
            Corpus("bvcc", str(tmp_path), on_error="ignore")

    def test_examples_are_made_of_the_others(self, tmp_path, capsys):
        self.corpus(tmp_path, "qualispeech", ["right", "wrong", "right"])
        given = ["data", "qualispeech", str(tmp_path), "--tasks", "score", "--out", str(tmp_path / "x.jsonl")]
        assert main([*given, "--no-split-check"]) == 2
        assert "Continuity is '0'" in capsys.readouterr().err
        assert main([*given, "--no-split-check", "--on-error", "skip"]) == 0
        assert "1 of 3 rows left out, Continuity" in capsys.readouterr().err
        assert len((tmp_path / "x.jsonl").read_text().splitlines()) == 2


class TestContributing:
    """What CONTRIBUTING says of a new corpus is all it takes."""

    @pytest.fixture
    def voip(self, monkeypatch):
        text = (ROOT / "CONTRIBUTING.md").read_text().partition("## A new corpus")[2].partition("\n## ")[0]
        module, line = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        made = ModuleType("audio_judge.corpora.voip")
        exec(compile(module, "CONTRIBUTING.md", "exec"), vars(made))
        monkeypatch.setitem(sys.modules, made.__name__, made)
        (name, known), *_ = eval(f"{{{line}}}", {"Known": corpora.Known}).items()
        monkeypatch.setitem(CORPORA, name, known)

    def test_it_is_read_by_its_name(self, voip, tmp_path):
        (tmp_path / "train.csv").write_text("file,mos,loss_percent\na.wav,2.5,10\nb.wav,4.5,0\n")
        bad, good = Corpus("voip", str(tmp_path / "train.csv")).read()
        assert (bad.path, bad.ratings["mos"].value) == (f"{tmp_path}/a.wav", 2.5)
        assert bad.causes[0].parameters == {"loss_rate": 0.1}
        assert good.causes == ()

    def test_it_is_listed_and_made_into_examples(self, voip, tmp_path, capsys):
        (tmp_path / "train.csv").write_text("file,mos,loss_percent\na.wav,2.5,10\n")
        assert main(["ls", "corpora"]) == 0
        assert "internet calls" in capsys.readouterr().out
        given = ["--tasks", "score", "--out", str(tmp_path / "x.jsonl")]
        assert main(["data", "voip", str(tmp_path / "train.csv"), *given]) == 0


class TestReadOptions:
    def test_json_or_text(self):
        assert read_options(["root=/data", "lift=false", 'columns={"path": "p"}']) == {
            "root": "/data",
            "lift": False,
            "columns": {"path": "p"},
        }

    def test_refuses_what_has_no_value(self):
        with pytest.raises(ValueError, match="NAME=VALUE"):
            read_options(["root"])
