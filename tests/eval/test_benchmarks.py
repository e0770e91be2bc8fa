import re
from dataclasses import replace

import datasets
import pytest
from eval_data import nisqa_corpus, own_table, small_benchmark, speecheval_folder, write_clip

from audio_judge.clips import RatedClip, Rating
from audio_judge.errors import UsageError
from audio_judge.eval import benchmarks
from audio_judge.eval.benchmarks import Places, items, load, names, paired, parse
from audio_judge.eval.user_tables import table_benchmark


class TestLoad:
    @pytest.mark.parametrize("name", names())
    def test_every_file_is_sound_and_says_where_to_get_its_data(self, name):
        benchmark = load(name)
        assert benchmark.title
        assert benchmark.place
        assert len(benchmark.where) > 10
        assert benchmark.version >= 1

    def test_published_figures_name_their_source(self):
        references = [one for name in names() for one in load(name).references]
        assert len(references) > 50
        assert all(one.source and one.figures for one in references)

    def test_published_figures_are_those_of_the_papers(self):
        jastin = next(one for one in load("qualispeech").references if one.judge == "Jastin")
        assert jastin.figures["naturalness/PCC"] == 0.604  # Table I
        detection = next(one for one in load("speecheval_detect").references if one.judge == "SQ-LLM")
        assert detection.figures == {"detect/EER": 0.06249, "detect/minDCF": 0.142, "detect/ACC": 0.89358}  # Table 6

    def test_has_what_was_asked_for(self):
        wanted = {"nisqa_test", "nisqa_test_reference", "speecheval_assess", "speecheval_compare", "speecheval_suggest"}
        wanted |= {
            "speecheval_detect",
            "qualispeech",
            "aes_speech",
            "aes_sound",
            "aes_music",
            "audiomos2025",
            "asmr_ood",
        }
        wanted |= {"alld", "alld_ab", "speechjudge", "deepfake", "simulated", "simulated_held_out", "simulated_wild"}
        wanted |= {
            f"speechqualityllm_{f}" for f in ("mos_numeric", "dim_numeric", "dim_categ", "multi_dim", "explanatory")
        }
        assert wanted | {"sanity", "robustness", "bias"} <= set(names())

    def test_figures_of_others_are_not_inherited(self):
        assert load("speechqualityllm_multi_dim_reference").references != load("speechqualityllm_multi_dim").references

    def test_neither_is_the_version(self, tmp_path, monkeypatch):
        monkeypatch.setattr(benchmarks, "FOLDER", tmp_path)
        (tmp_path / "base.yaml").write_text("title: Base\ntask: score\nversion: 3\n")
        (tmp_path / "other.yaml").write_text("extends: base\ntitle: Other\nversion: 1\n")
        assert (load("base").version, load("other").version) == (3, 1)
        (tmp_path / "other.yaml").write_text("extends: base\ntitle: Other\n")
        assert load("other").version is None

    def test_unknown_name(self):
        with pytest.raises(UsageError, match="nisqa_test"):
            load("nisqa_tset")


class TestParse:
    def test_own_rubric(self):
        rubric = {"name": "warmth", "definition": "How warm it is: the highest score means warm, the lowest cold."}
        assert parse({"title": "t", "task": "score", "rubrics": [rubric]}, "x").rubrics[0].name == "warmth"

    def test_unknown_task(self):
        with pytest.raises(ValueError, match="sing"):
            parse({"title": "t", "task": "sing"}, "x")


class TestItems:
    def test_nisqa_without_and_with_reference(self, tmp_path):
        places = Places(nisqa_corpus(tmp_path))
        assert len(items(load("nisqa_test"), places)) == 12
        with_reference = items(load("nisqa_test_reference"), places)
        assert len(with_reference) == 11
        assert all(item.question.heard_reference for item in with_reference)

    def test_truth_groups_and_ids(self, tmp_path):
        (first, *_) = items(load("nisqa_test"), Places(nisqa_corpus(tmp_path)))
        assert first.question.id == "NISQA_TEST_P501/deg/c0.wav"
        assert first.truth["scores"]["mos"] == 1.0
        assert first.truth["std"]["mos"] == 0.7
        assert first.groups == {"condition": "NISQA_TEST_P501/0"}

    def test_five_families(self, tmp_path):
        places = Places(nisqa_corpus(tmp_path))
        truth = {
            family: items(load(f"speechqualityllm_{family}"), places)[1].truth
            for family in ("mos_numeric", "dim_numeric", "dim_categ", "multi_dim", "explanatory")
        }
        assert list(truth["mos_numeric"]["scores"]) == ["mos"]
        assert "mos" not in truth["dim_numeric"]["scores"]
        assert truth["dim_categ"]["levels"]["noisiness"] == "noisy"  # 2.0
        assert len(truth["multi_dim"]["scores"]) == 5

    def test_speecheval(self, tmp_path):
        places = Places(speecheval_folder(tmp_path))
        first = items(load("speecheval_assess"), places)[0]
        assert first.truth["scores"]["distortion"] == 2.0
        assert first.truth["speech_rate"] == "appropriate"
        assert first.truth["answer"] == "It is 2."
        labels = [item.truth["is_real"] for item in items(load("speecheval_detect"), places)]
        assert labels == [True, False]

    def test_missing_data_say_where_to_get_them(self, tmp_path, monkeypatch):
        monkeypatch.delenv("AUDIO_JUDGE_DATA", raising=False)
        with pytest.raises(UsageError, match=r"depositonce.*--data-root.*AUDIO_JUDGE_DATA_NISQA_CORPUS"):
            items(load("nisqa_test"), Places(tmp_path))

    def test_place_from_the_environment(self, tmp_path, monkeypatch):
        root = nisqa_corpus(tmp_path)
        monkeypatch.setenv("AUDIO_JUDGE_DATA", str(root))
        assert len(items(load("nisqa_test"), Places())) == 12
        monkeypatch.setenv("AUDIO_JUDGE_DATA_NISQA_CORPUS", str(root / "elsewhere"))
        with pytest.raises(UsageError, match="elsewhere"):
            items(load("nisqa_test"), Places())

    def test_labels(self, tmp_path):
        (tmp_path / "labels.csv").write_text("path,label\na.wav,bonafide\nb.wav,spoof\n")
        found = items(load("deepfake"), Places(given={"Deepfake": tmp_path}))
        assert [item.truth["is_real"] for item in found] == [True, False]

    def test_no_item_for_the_task(self, tmp_path):
        table = own_table(tmp_path / "small.csv", with_audio=False)
        benchmark = small_benchmark(task="compare", options={"columns": {"path": "path", "ratings": {"mos": "mos"}}})
        with pytest.raises(UsageError, match="single clip"):
            items(benchmark, Places(given={"small": table}))

    def test_audiomos_is_its_test(self, tmp_path):
        folder = tmp_path / "AudioMOS2025"
        folder.mkdir()
        row = "sample_id,system,Production_Quality,Production_Complexity,Content_Enjoyment,Content_Usefulness\n{},s1,5,5,5,5\n"
        for split in ("dev", "eval"):
            (folder / f"audiomos2025-track2-{split}_list.csv").write_text(row.format(split))
        (found,) = items(load("audiomos2025"), Places(tmp_path))
        assert (found.question.id, found.groups) == ("eval.wav", {"system": "s1"})

    def test_wrong_rows_are_left_out_on_demand(self, tmp_path, caplog):
        (tmp_path / "labels.csv").write_text("path,label\na.wav,bonafide\nb.wav,?\n")
        places = Places(given={"Deepfake": tmp_path})
        with pytest.raises(UsageError, match=r"labels\.csv, line 3: label is '\?'"):
            items(load("deepfake"), places)
        assert len(items(load("deepfake"), replace(places, on_error="skip"))) == 1
        assert "1 of 2 rows left out, label: one of real" in caplog.text


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """A data set of two splits with sounds in it, saved; and where its sounds become files."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    rows = [{"audio": {"bytes": b"RIFF%d" % mos, "path": None}, "mos": mos, "system": "s"} for mos in (2, 4)]
    one = datasets.Dataset.from_list(rows).cast_column("audio", datasets.Audio())
    datasets.DatasetDict({"train": one, "test": one}).save_to_disk(tmp_path / "saved")
    return tmp_path / "saved"


class TestDataSets:
    def test_a_users_own(self, saved):
        (benchmark,) = [table_benchmark(f"{saved}:test", {})]
        found = items(benchmark, Places(given={"saved": f"{saved}:test"}))
        assert [item.truth["scores"]["mos"] for item in found] == [2.0, 4.0]
        assert found[0].groups == {"system": "s"}
        # Called by their content, wherever the cache of a machine is
        assert re.fullmatch(r"(\w\w)/\1\w{30}\.wav", found[0].question.id)

    def test_the_hubs_in_place_of_a_folder(self, saved, monkeypatch):
        monkeypatch.setattr(datasets, "load_dataset", lambda *_: datasets.load_from_disk(str(saved)))
        columns = {"columns": {"path": "audio", "ratings": {"mos": "mos"}}}
        found = items(small_benchmark(options=columns), Places(given={"small": "hf://datasets/me/clips"}))
        assert len(found) == 2


class TestTableBenchmark:
    def test_finds_columns_by_name(self, tmp_path):
        table = own_table(tmp_path / "mine.csv", with_audio=False)
        benchmark = table_benchmark(table, {})
        found = items(benchmark, Places(given={"mine": table}))
        assert (benchmark.name, benchmark.group_by, len(found)) == ("mine", ("system",), 8)
        assert found[1].groups == {"system": "b"}

    def test_mapped_columns_on_another_scale(self, tmp_path):
        (tmp_path / "t.csv").write_text("clip,score\na.wav,50\n")
        columns = {"path": "clip", "mos": "score", "mos.scale": "0-100"}
        found = items(table_benchmark(tmp_path / "t.csv", columns), Places(given={"t": tmp_path / "t.csv"}))
        assert found[0].truth["scores"] == {"mos": 3.0}

    def test_no_ratings(self, tmp_path):
        (tmp_path / "t.csv").write_text("path,colour\na.wav,red\n")
        with pytest.raises(UsageError, match="colour"):
            table_benchmark(tmp_path / "t.csv", {})


class TestPaired:
    CLIPS = tuple(RatedClip(f"{i}", {"mos": Rating(1.0 + i // 2)}, "test", "c") for i in range(8))

    def test_higher_rating_wins_and_equal_ones_are_not_paired(self):
        for pair in paired(self.CLIPS, pairs=10, seed=3):
            a, b = (clip.ratings["mos"].value for clip in (pair.first, pair.second))
            assert pair.preferences["mos"] == ("A" if a > b else "B")

    def test_same_seed_same_pairs_and_none_twice(self):
        several = [[(p.first.path, p.second.path) for p in paired(self.CLIPS, pairs=24, seed=1)] for _ in range(2)]
        assert several[0] == several[1]
        assert len({frozenset(pair) for pair in several[0]}) == len(several[0])

    def test_both_places_win(self):
        winners = {pair.preferences["mos"] for pair in paired(self.CLIPS, pairs=20, seed=0)}
        assert winners == {"A", "B"}


class TestClips:
    def test_examples_where_no_corpus_is(self, tmp_path, monkeypatch):
        monkeypatch.delenv("AUDIO_JUDGE_DATA", raising=False)
        found = benchmarks.clips(load("sanity"), Places())
        assert found
        assert all("clean" in clip.path for clip in found)

    def test_named_data_are_heard_with_their_ratings(self, tmp_path, monkeypatch):
        monkeypatch.delenv("AUDIO_JUDGE_DATA", raising=False)
        table = own_table(tmp_path / "own.csv", 4)
        places = Places(given={"own": table}, tables={"own": table_benchmark(table, {})})
        found = benchmarks.clips(load("robustness"), places)
        assert [clip.ratings["mos"].value for clip in found] == [1.0, 2.33, 3.67, 5.0]

    def test_named_data_come_before_the_root(self, tmp_path):
        (tmp_path / "root" / "simulated").mkdir(parents=True)
        (tmp_path / "own").mkdir()
        own = write_clip(tmp_path / "own" / "a.wav")
        found = benchmarks.clips(load("sanity"), Places(tmp_path / "root", {"own": tmp_path / "own"}))
        assert [clip.path for clip in found] == [own]

    @pytest.mark.parametrize("how", ["option", "variable", "broken", "root"])
    def test_nothing_stands_in_for_named_data(self, how, tmp_path, monkeypatch):
        monkeypatch.delenv("AUDIO_JUDGE_DATA", raising=False)
        places, nowhere = Places(), tmp_path / "nowhere"
        if how == "option":
            places = Places(given={"simulated": nowhere})
        elif how == "variable":
            monkeypatch.setenv("AUDIO_JUDGE_DATA_SIMULATED", str(nowhere))
        elif how == "broken":  # there, but no corpus
            (tmp_path / "simulated").mkdir()
            (tmp_path / "simulated" / "ratings.csv").write_text("file\n?\n")
            places = Places(given={"simulated": tmp_path / "simulated"})
        else:
            places = Places(nowhere)
        with pytest.raises(UsageError):
            benchmarks.clips(load("sanity"), places)
