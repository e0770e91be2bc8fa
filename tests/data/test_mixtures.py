import csv
import json
from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from tiny import write_simulated, write_targets, write_votes

from audio_judge.clips import RatedClip, Rating
from audio_judge.corpora import CorpusError
from audio_judge.corpora.corpus import Corpus
from audio_judge.corpora.splits import SplitError
from audio_judge.data.instructions import Manner, make_instructions
from audio_judge.data.mixtures import Mixture, check_leakage, iterate, mixture_of, read_mixture
from audio_judge.data.statistics import Statistics
from audio_judge.languages import LANGUAGES
from audio_judge.messages import audio_blocks
from audio_judge.rubrics.rubric import PROXY_RUBRICS

RECIPES = Path(__file__).parents[2] / "recipes" / "data"
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


class TestCorpus:
    @pytest.mark.parametrize("wrong", [{"reader": "nasqi"}, {"weight": 0.0}, {"most": 0}, {"balance": "colour"}])
    def test_refuses(self, wrong):
        with pytest.raises(ValueError, match=str(next(iter(wrong.values())))):
            Corpus(**{"reader": "nisqa", "path": "x"} | wrong)

    def test_unknown_option_of_the_reader(self, corpus):
        with pytest.raises(ValueError, match=r"table: .*'colour'"):
            Corpus("table", str(corpus), options={"columns": COLUMNS, "colour": 1}).read()

    def test_missing_option_of_the_reader(self, corpus):
        message = r"table: missing a required argument: 'columns'; its options are columns, root, corpus$"
        with pytest.raises(ValueError, match=message):
            Corpus("table", str(corpus)).read()

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

    def test_audiomos_learns_from_clips_of_aes(self, tmp_path):
        axes = ("Production_Quality", "Production_Complexity", "Content_Enjoyment", "Content_Usefulness")
        row = {"data_path": "/your_path/EARS/p001/emo.wav"} | dict.fromkeys(axes, 5)
        for name in ("AudioMOS/audiomos2025-track2-train_list.csv", "AES/AES_natural_speech.jsonl"):
            path = tmp_path / name
            lines(path, row) if path.suffix == ".jsonl" else csv_file(path, [row])
        root = {"root": "/data/audio"}
        learned = Corpus("audiomos", str(tmp_path / "AudioMOS"), options=root)
        tested = Corpus("aes", str(tmp_path / "AES"), "test", options=root)
        with pytest.raises(SplitError, match=r"1 path in more than one split: /data/audio/EARS/p001/emo\.wav"):
            check_leakage(Mixture((learned,), {"rate": 1}, tested_on=(tested,)))

    def test_what_publications_promise_is_warned_about(self, tmp_path, caplog):
        for split in ("train", "test"):
            folder = tmp_path / f"data_split/split_data_single_eval/{split}"
            record = {
                "task": "SingleEval",
                "audios": [f"{split}/en_CosyVoice_1-2-3.wav"],
                "context": "Overall Quality: 2",
            }
            lines(folder / "multitask.jsonl", record)
        learned, tested = (Corpus("speecheval", str(tmp_path), split) for split in ("train", "test"))
        assert check_leakage(Mixture((learned,), {"score": 1}, tested_on=(tested,))) == 2
        assert "1 speaker in more than one split: 1 (" in caplog.text
        assert "1 system in more than one split: CosyVoice (" in caplog.text
        with pytest.raises(SplitError, match="1 system"):
            check_leakage(Mixture((learned,), {"score": 1}, tested_on=(tested,), leakage=("system",)))


class TestAugment:
    def test_numbers_need_a_task_that_names_levels(self, corpus):
        with pytest.raises(ValueError, match="augment: numbers cannot act, since none of categorize, decide, score is"):
            Mixture((table(corpus),), {"rate": 1}, manner=Manner(augment={"numbers": 1.0}))
        Mixture((table(corpus),), {"rate": 1, "score": 1}, manner=Manner(augment={"numbers": 1.0}))


class TestStatistics:
    def test_counts_scales_and_augmentations(self, corpus):
        found = Statistics()
        values = {"corpora": [{"reader": "table", "path": corpus, "options": {"columns": COLUMNS}}]}
        list(iterate(mixture_of(values | {"tasks": ["score", "decide"], "augment": {"scale": 1.0}}), found))
        assert set(found.scales) == {"0-100", "1-10", "2-10", "20-100"}
        assert found.augmentations["scale"] == sum(found.scales.values())
        assert found.corpora == {"clips": 100}

    def test_can_be_read_by_people_and_programs(self, corpus):
        found = Statistics()
        list(iterate(Mixture((table(corpus),), {"score": 1}), found))
        assert "score                         100  100.0%" in str(found)
        assert json.loads(json.dumps(found.as_dict()))["scores"]["mos"]["excellent"] == 92

    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("task", ["detect", "detect_question"])
    def test_counts_real_and_fake_in_every_language(self, language, task):
        clips = [RatedClip(f"{k}.wav", {}, "train", "x", extra={"label": ("real", "fake")[k < 40]}) for k in range(60)]
        found = Statistics()
        for example in make_instructions(clips, [task], seed=0, manner=Manner(languages={language: 1.0})):
            found.count(example)
        assert found.classes == {"fake": 40, "real": 20}

    def test_counts_the_scale_of_the_rubric_that_is_asked_for(self):
        ratings = {"mos": Rating(3.0), "production_quality": Rating(6.0)}
        found = Statistics()
        for seed in range(20):
            for example in make_instructions([RatedClip("a.wav", ratings, "train", "x")], ["categorize"], seed=seed):
                found.count(example)
        assert found.scales.keys() == {"1-5", "1-10"}

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


def lines(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def csv_file(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def record(task, name, reply, audios=None):
    """A line of SpeechEval."""
    audios = audios or [f"audio/{name}"]
    question = " ".join(["<audio>"] * len(audios)) + " What do you hear?"
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": reply}]
    return {"key": name, "task": task, "messages": turns, "audios": audios}


def thought(*said):
    return f"<think>\n{chr(10).join(said[:-1])}\n</think>\n\n<answer>\n{said[-1]}\n</answer>"


def write_nisqa(root):
    rows = []
    for k, (db, mos) in enumerate(
        [("TRAIN_SIM", 1.5), ("TRAIN_LIVE", 3), ("TRAIN_SIM", 4.5), ("VAL_SIM", 2), ("TEST_FOR", 4)]
    ):
        scores = dict.fromkeys(("noi", "col", "dis", "loud"), 3.0)
        row = {"db": f"NISQA_{db}", "filepath_deg": f"{db}/deg/{k}.wav", "filepath_ref": f"{db}/ref/{k}.wav"}
        rows.append(row | {"con_description": "white noise", "mos": mos} | scores)
    csv_file(root / "NISQA_corpus_file.csv", rows)


def write_speecheval(root):
    """All four tasks in both splits, in the folders of the publication."""
    dimensions = ("Intelligibility", "Distortion", "Dynamic Range", "Emotional Impact", "Artistic Expression")
    for number, split in enumerate(("train", "test")):
        scores = [f"{name}: {2 + k % 2}/5" for k, name in enumerate(dimensions)]
        singles = [
            record("SingleEval", f"en_{split}_{k}.wav", thought(f"Overall Quality: {2 + k}/5", *scores, "It is fine."))
            for k in range(3)
        ]
        names = [f"audio/zh_{split}_{side}.wav" for side in "ab"]
        overall = ["Overall Quality: B is better than A"] * number  # that of train is in the side table
        compared = record(
            "CompareEval", f"zh_{split}", thought(*overall, "Distortion: B is better than A", "So."), names
        )
        advice = thought("Key improvement areas: Distortion", "Remove the background noise.")
        fakes = [record("FakeDetection", f"f_{split}_{label}.wav", label) for label in ("real", "fake")]
        for folder, rows in (
            ("single", singles),
            ("dual", [compared]),
            ("suggest", [record("Suggest", f"s_{split}.wav", advice)]),
            ("fakedetection", fakes),
        ):
            lines(root / f"data_split/split_data_{folder}/{split}/multitask.jsonl", *rows)
    lines(root / "preferences.jsonl", {"key": "zh_train", "preference": "A"})


def write_qualispeech(root):
    scores = [
        "Speed",
        "Naturalness",
        "Background noise",
        "Distortion",
        "Listening effort",
        "Continuity",
        "Overall quality",
    ]
    words = ["Feeling of voice", "Noise Description", "Distortion description", "Unnatural pause"]
    for split in ("train", "test"):
        rows = [
            {"id": f"{split}-{k}.wav"}
            | dict.fromkeys(scores, 2 + k)
            | dict.fromkeys([*words, "Natural language description"], "")
            for k in range(3)
        ]
        csv_file(root / f"{split}.csv", rows)


def write_aes(root):
    axes = ("Production_Quality", "Production_Complexity", "Content_Enjoyment", "Content_Usefulness")
    for path in ("AudioMOS-2025/train.jsonl", "AES/evaluation_data/AES_natural_speech.jsonl"):
        rows = [{"data_path": f"{path}/{k}.wav"} | {axis: [3, 5, 4 + k] for axis in axes} for k in range(3)]
        lines(root / path, *rows)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Tiny corpora in the folders that the recipes name, in their published layouts."""
    root = tmp_path_factory.mktemp("data")
    write_nisqa(root / "NISQA_Corpus")
    write_speecheval(root / "SpeechEval")
    write_qualispeech(root / "QualiSpeech")
    write_aes(root)
    write_targets(write_simulated(root / "simulated", {"train": 6, "validation": 6}, estoi=0.6), "open")
    write_votes(root / "rated")
    pair = {"index": 1, "subset": "regular", "language_setting": "en2en", "target_text": "hello", "audioA": "a.wav"}
    lines(root / "SpeechJudge/train.jsonl", pair | {"audioB": "b.wav", "naturalness_label": "A"})
    described = {"task": "describe", "audio": ["/c/a.wav"], "text": "Clear. The MOS is 3.4.", "truth": 3.4}
    compared = {
        "task": "compare",
        "audio": ["/c/a.wav", "/c/b.wav"],
        "text": "Cleaner. [SpeechA]",
        "truth": {"mos": "A"},
    }
    lines(root / "captions.jsonl", described, compared)
    (root / "BVCC").mkdir()
    (root / "BVCC" / "train_mos_list.txt").write_text("".join(f"sys1-utt{k}.wav,{2 + k}\n" for k in range(3)))
    axes = ("production_quality", "production_complexity", "content_enjoyment", "content_usefulness")
    labelled = [{"path": f"/c/{k}.wav", "source": "peer:aes"} | dict.fromkeys(axes, 3.0 + k) for k in range(3)]
    # As of a clip that could not be scored on all axes
    lines(root / "pseudo.jsonl", *labelled, labelled[0] | {"path": "/c/3.wav", "content_enjoyment": None})
    urgent = {"audio_path": "/c/u.wav", "sample_id": "a", "system_id": "s", "metrics": {"mos": 3.5, "utmos": 3.0}}
    lines(root / "UrgentMOS/train.jsonl", urgent, urgent | {"audio_path": "/c/v.wav", "metrics": {"utmos": 2.0}})
    wording = {"text": "How about the {label}?", "style": "casual", "source": "Rate it.", "model": {}, "seed": 0}
    lines(root / "wordings.jsonl", wording)
    for name, rubric in PROXY_RUBRICS.items():
        scores = (rubric.low, rubric.high, rubric.low)
        rows = [
            {"path": f"{name}/{k}.wav", "score": score, "reference": f"/c/{k}.wav"} for k, score in enumerate(scores)
        ]
        lines(root / f"proxies/{name}.jsonl", *rows)
    return root


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tasks": ["compare"], "augment": {"scale": 0.5}}, "augment: cannot act, since none of categorize, decide"),
        ({"tasks": ["score"], "comparison_form": "dimensions"}, "comparison_form: cannot act, since none of compare "),
        ({"tasks": ["detect"], "thoughts": False}, "thoughts: cannot act, since none of assess, compare, suggest "),
        ({"tasks": ["score"], "fault_questions": "all"}, "fault_questions: cannot act"),
        ({"tasks": ["score"], "tie_within": 0.1}, "tie_within: cannot act"),
        ({"tasks": ["score"], "nearly_same": 0.1}, "nearly_same: cannot act"),
        ({"tasks": ["decide"], "listener": 0.5}, "listener: cannot act"),
        (
            {"tasks": ["score"], "unseen_scales": ["1-10"]},
            "unseen_scales: cannot act, since augment does not name scale",
        ),
        (
            {"tasks": ["score", "explain"], "unseen_rubrics": ["mos"]},
            "unseen_rubrics: cannot act, since explain speaks",
        ),
    ],
)
def test_what_no_task_can_make_use_of_is_an_error(given, message):
    with pytest.raises(ValueError, match=message):
        mixture_of({"corpora": [{"reader": "nisqa", "path": "x"}]} | given)


def test_by_rater_gives_clips_as_each_group_rated_them(tmp_path):
    votes = [
        f"{k}.wav,{rater},{2 + k % 2 + shift}" for k in range(12) for rater, shift in (("a", -1), ("b", 0), ("c", 1))
    ]
    (tmp_path / "votes.csv").write_text("\n".join(["wav_path,listener_id,score", *votes]) + "\n")
    corpus = {"reader": "bvcc", "path": "votes.csv", "by_rater": True}
    examples = list(iterate(mixture_of({"corpora": [corpus], "tasks": ["decide"]}, tmp_path)))
    assert Counter(example.get("listener") for example in examples) == {None: 12, "strict": 12, "lenient": 12}


def test_all_of_speecheval_at_once(published):
    """Unrated clips, of which some are only real or fake, are no partners of comparisons."""
    values = {"corpora": [{"reader": "speecheval", "path": str(published / "SpeechEval")}]}
    tasks = ("assess", "compare", "suggest", "detect")
    made = [e for seed in range(4) for e in iterate(mixture_of(values | {"tasks": tasks, "seed": seed}))]
    assert {example["task"] for example in made} == set(tasks)


# What each recipe makes of the tiny corpora: corpora, tasks of a weight that cannot be missed, rubrics asked for
EXPECTED = {
    "alld_captions": ({"captions"}, {"describe"}, {"mos"}),
    "alld_ab": ({"captions"}, {"compare"}, set()),
    "jastin": (
        {"BVCC", "QualiSpeech", "SpeechEval", "UrgentMOS", "peer:aes", *PROXY_RUBRICS},
        {"rate"},
        {"reverberation"},
    ),
    "mini": ({"simulated/train"}, {"decide"}, {"mos", "noisiness"}),
    "mini_refine": ({"simulated/train"}, {"decide"}, {"mos", "noisiness"}),
    "open": ({"simulated/train"}, {"decide"}, {"mos", "fluency"}),
    "open_refine": ({"simulated/train"}, {"decide"}, {"mos", "fluency"}),
    "speechqualityllm": ({"NISQA"}, {"score", "decide"}, {"mos", "noisiness"}),
    "sq_llm": ({"SpeechEval"}, {"assess", "compare", "suggest", "detect"}, {"mos", "distortion"}),
}


def placed(name, published, tmp_path):
    """A recipe that reads the tiny corpora."""
    path = tmp_path / f"{name}.yaml"
    path.write_text((RECIPES / f"{name}.yaml").read_text().replace("/data/", f"{published}/"))
    return path


class TestRecipes:
    def test_all_are_tested(self):
        assert {path.stem for path in RECIPES.glob("*.yaml")} == set(EXPECTED)

    @pytest.mark.parametrize("name", EXPECTED)
    def test_makes_examples_of_published_layouts(self, name, published, tmp_path):
        mixture = read_mixture(placed(name, published, tmp_path))
        found, corpora, tasks, rubrics = Statistics(), *EXPECTED[name]
        seeds = [replace(mixture, seed=seed) for seed in range(4)]  # so small a corpus does not draw every task at once
        examples = [example for one in seeds for example in iterate(one, found)]
        assert corpora <= set(found.corpora)
        assert tasks <= set(found.tasks) <= {*mixture.tasks, *(task for one in mixture.corpora for task in one.tasks)}
        assert rubrics <= set(found.scores)
        assert all(block["path"].startswith((str(published), "/c/")) for one in examples for block in audio_blocks(one))
        assert f"{len(examples)} examples" in str(found)

    @pytest.mark.parametrize("name", EXPECTED)
    def test_refuses_to_learn_from_what_it_is_tested_on(self, name, published, tmp_path):
        mixture = read_mixture(placed(name, published, tmp_path))
        corpora = mixture.tested_on
        with pytest.raises(SplitError):
            check_leakage(replace(mixture, corpora=tuple(corpora), tested_on=tuple(corpora)))
