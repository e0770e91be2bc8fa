"""Any corpus by its name: the table of readers, and data sets in place of folders."""

import inspect
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

    def test_all_splits_of_what_has_none(self, sets):
        with pytest.raises(ValueError, match="which split"):
            scores(sets / "plain", None)

    def test_readers_of_their_own_folders(self, sets):
        with pytest.raises(ValueError, match=r"nisqa: .*not from a data set"):
            scores(sets / "splits", reader="nisqa")


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
