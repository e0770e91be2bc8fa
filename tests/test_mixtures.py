import csv
import json
from itertools import islice
from pathlib import Path

import pytest

from audio_judge.cli import CORPORA
from audio_judge.corpora import CorpusError
from audio_judge.corpora.splits import SplitError
from audio_judge.mixtures import (
    READERS,
    Corpus,
    Mixture,
    Statistics,
    check_leakage,
    iterate,
    mixture_of,
    read_mixture,
)

COLUMNS = {"path": "file", "ratings": {"mos": "mos", "noisiness": "noi"}}


def write_table(path, scores, prefix="c"):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "mos", "noi"])
        writer.writerows([f"{prefix}{k}.wav", score, 3] for k, score in enumerate(scores))
    return path


def table(path, **fields):
    return Corpus("table", str(path), options={"columns": COLUMNS}, **fields)


def paths(examples):
    return [example["prompt"][0]["content"][0]["path"].rpartition("/")[2] for example in examples]


@pytest.fixture
def corpus(tmp_path):
    """A hundred clips, nine of ten excellent."""
    return write_table(tmp_path / "clips.csv", [1 + k // 10 % 5 if k % 10 == 0 else 5 for k in range(100)])


class TestReaders:
    def test_command_line_names_the_same(self):
        assert list(CORPORA) == list(READERS)


class TestCorpus:
    @pytest.mark.parametrize("wrong", [{"reader": "nasqi"}, {"weight": 0.0}, {"most": 0}, {"balance": "colour"}])
    def test_refuses(self, wrong):
        with pytest.raises(ValueError, match=str(next(iter(wrong.values())))):
            Corpus(**{"reader": "nisqa", "path": "x"} | wrong)

    def test_unknown_option_of_the_reader(self, corpus):
        with pytest.raises(ValueError, match=r"table: .*'colour'"):
            Corpus("table", str(corpus), options={"columns": COLUMNS, "colour": 1}).read()

    def test_unknown_column_of_the_options(self, corpus):
        with pytest.raises(ValueError, match=r"columns: .*'colour'"):
            Corpus("table", str(corpus), options={"columns": {**COLUMNS, "colour": 1}}).read()

    def test_ratings_come_on_the_scale_of_the_rubric(self, tmp_path):
        path = write_table(tmp_path / "hundred.csv", [0, 75])
        columns = COLUMNS | {"scales": {"mos": [0, 100]}}
        clips = list(Corpus("table", str(path), options={"columns": columns}).read())
        assert [clip.ratings["mos"].value for clip in clips] == [1.0, 4.0]

    def test_all_splits_only_of_corpora_that_know_them(self, corpus):
        with pytest.raises(ValueError, match="which split"):
            table(corpus, split=None).read()

    def test_validation_of_speechjudge_is_its_dev(self, tmp_path):
        row = {"audioA": "a.wav", "audioB": "b.wav", "naturalness_label": "A", "index": 1}
        (tmp_path / "dev.jsonl").write_text(json.dumps(row) + "\n")
        (pair,) = Corpus("speechjudge", str(tmp_path / "dev.jsonl"), "validation").read()
        assert pair.first.split == "validation"


class TestIterate:
    def test_every_clip_once(self, corpus):
        examples = list(iterate(Mixture((table(corpus),), {"score": 1})))
        assert sorted(paths(examples)) == sorted(f"c{k}.wav" for k in range(100))

    def test_same_seed_same_examples(self, corpus):
        mixture = Mixture((table(corpus),), {"score": 1, "describe": 1}, seed=3)
        assert list(iterate(mixture)) == list(iterate(mixture))

    def test_another_seed_another_order(self, corpus):
        orders = [paths(iterate(Mixture((table(corpus),), {"score": 1}, seed=seed))) for seed in (0, 1)]
        assert orders[0] != orders[1]

    def test_shuffle_of_one_keeps_the_order(self, corpus):
        assert paths(iterate(Mixture((table(corpus),), {"score": 1}, shuffle=1)))[:3] == ["c0.wav", "c1.wav", "c2.wav"]

    def test_shuffle_buffer_hands_out_before_the_end(self, corpus, tmp_path):
        with corpus.open("a") as file:
            file.write("bad.wav,seven,3\n")
        with pytest.raises(CorpusError, match="line 102"):
            list(iterate(Mixture((table(corpus),), {"score": 1}, shuffle=4)))

    def test_limit(self, corpus):
        assert len(list(iterate(Mixture((table(corpus),), {"score": 1}, limit=7)))) == 7

    def test_variants(self, corpus):
        assert len(list(iterate(Mixture((table(corpus),), {"score": 1}, variants=3)))) == 300

    @pytest.mark.parametrize(("weight", "least", "most"), [(2.0, 200, 200), (0.5, 35, 65), (1.5, 135, 165)])
    def test_weight_is_how_often_a_clip_is_used(self, corpus, weight, least, most):
        assert least <= len(list(iterate(Mixture((table(corpus, weight=weight),), {"score": 1})))) <= most

    def test_balance_makes_levels_alike(self, corpus):
        found = Statistics()
        list(iterate(Mixture((table(corpus, balance="mos"),), {"score": 1}), found))
        # 2 of 100 clips are bad, and 10 uses each are the most; 90 are excellent.
        assert found.scores["mos"]["bad"] == 20
        assert 10 <= found.scores["mos"]["excellent"] <= 32

    def test_balance_of_labels(self, tmp_path):
        labels = ["fake"] * 30 + ["real"] * 10
        rows = [{"task": "FakeDetection", "audios": [f"{k}.wav"], "messages": turns(x)} for k, x in enumerate(labels)]
        path = tmp_path / "multitask.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        found = Statistics()
        corpus = Corpus("speecheval", str(path), balance="label")
        list(iterate(Mixture((corpus,), {"detect_question": 1}), found))
        assert found.classes["real"] == 20
        assert 12 <= found.classes["fake"] <= 28

    def test_corpora_are_interleaved(self, tmp_path):
        corpora = [table(write_table(tmp_path / f"{n}.csv", [3] * 50, n)) for n in "xy"]
        first = paths(islice(iterate(Mixture(tuple(corpora), {"score": 1}, shuffle=1)), 50))
        assert 10 <= sum(name.startswith("x") for name in first) <= 40

    def test_a_corpus_may_have_tasks_of_its_own(self, corpus):
        (task,) = {example["task"] for example in iterate(Mixture((table(corpus, tasks={"rate": 1}),), {"score": 1}))}
        assert task == "rate"

    def test_what_is_lacking_is_reported(self, corpus):
        found = Statistics()
        assert list(iterate(Mixture((table(corpus),), {"detect": 1}), found)) == []
        assert found.left_out == 100
        assert found.lacking == {"detect, no label real or fake": 100}


def turns(answer):
    return [{"role": "user", "content": "<audio> real?"}, {"role": "assistant", "content": answer}]


class TestCheckLeakage:
    def test_refuses_what_is_tested_on(self, corpus):
        mixture = Mixture((table(corpus),), {"score": 1}, tested_on=(table(corpus),))
        with pytest.raises(SplitError, match=r"c0\.wav"):
            next(iterate(mixture))

    def test_other_clips_are_no_leak(self, corpus, tmp_path):
        other = table(write_table(tmp_path / "other.csv", [3], "other"))
        assert check_leakage(Mixture((table(corpus),), {"score": 1}, tested_on=(other,))) == 101

    def test_no_check_is_wanted(self, corpus):
        mixture = Mixture((table(corpus),), {"score": 1}, tested_on=(table(corpus),), leakage=())
        assert check_leakage(mixture) == 0


class TestStatistics:
    def test_counts_scales_and_augmentations(self, corpus):
        found = Statistics()
        values = {"corpora": [{"reader": "table", "path": corpus, "options": {"columns": COLUMNS}}]}
        list(iterate(mixture_of(values | {"tasks": ["score", "decide"], "augment": {"scale": 1.0}}), found))
        assert set(found.scales) == {"0-100", "1-10"}
        assert found.augmentations["scale"] == sum(found.scales.values())
        assert found.corpora == {"clips": 100}

    def test_can_be_read_by_people_and_programs(self, corpus):
        found = Statistics()
        list(iterate(Mixture((table(corpus),), {"score": 1}), found))
        assert "score                         100  100.0%" in str(found)
        assert json.loads(json.dumps(found.as_dict()))["scores"]["mos"]["excellent"] == 92

    def test_compare_and_listeners(self, corpus):
        found = Statistics()
        values = {"corpora": [{"reader": "table", "path": corpus, "options": {"columns": COLUMNS, "corpus": "bvcc"}}]}
        list(iterate(mixture_of(values | {"tasks": ["compare"], "listener": 1.0}), found))
        assert found.listeners == {"bvcc": 198}
        assert found.classes["preferred: A"] == found.classes["preferred: B"]


class TestReadMixture:
    def write(self, tmp_path, text):
        path = tmp_path / "mixture.yaml"
        path.write_text(text)
        return path

    def test_paths_start_from_its_folder(self, tmp_path, corpus):
        path = self.write(tmp_path, "tasks: [score]\ncorpora: [{reader: bvcc, path: clips.csv}]\n")
        assert read_mixture(path).corpora[0].path == str(corpus)

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("tasks: [score", "YAML"),
            ("- score", "fields such as corpora"),
            ("tasks: [score]", "corpora and tasks"),
            ("tasks: [score]\ncorpora: []", "no corpora"),
            ("tasks: [sing]\ncorpora: [{reader: nisqa, path: x}]", "no task 'sing'"),
            ("tasks: [score]\ncorpora: [{reader: nisqa}]", "reader and path"),
            ("tasks: [score]\ncorpora: [{reader: nisqa, path: x, wieght: 1}]", "wieght"),
            ("tasks: [score]\nsead: 1\ncorpora: [{reader: nisqa, path: x}]", "sead"),
            ("tasks: [score]\naugment: {louder: 1}\ncorpora: [{reader: nisqa, path: x}]", "louder"),
        ],
    )
    def test_names_file_and_problem(self, tmp_path, text, problem):
        path = self.write(tmp_path, text)
        with pytest.raises(ValueError, match=f"mixture.yaml: .*{problem}"):
            read_mixture(path)


@pytest.mark.parametrize("recipe", sorted(Path(__file__).parents[1].glob("recipes/data/*.yaml")), ids=lambda p: p.stem)
def test_recipes_can_be_read(recipe):
    assert read_mixture(recipe).corpora
