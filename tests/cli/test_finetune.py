# ruff: noqa: F811 (fixtures are imported by their names)
import json
from pathlib import Path

import pytest
import soundfile
from safetensors.torch import load_file
from shell import shell  # noqa: F401
from tiny import make_judge, tone

from audio_judge.eval.gain import Gain
from audio_judge.judge.judge import AudioJudge
from audio_judge.judge.learned import Learned, Lesson


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """A tiny judge that learned typed questions about two rubrics."""
    folder = tmp_path_factory.mktemp("start")
    model, processor = make_judge(folder / "backbones")
    model.config.learned = Learned({"decide": Lesson("decision", ("mos", "noisiness"))}).note()
    for part in (model, processor):
        part.save_pretrained(folder / "judge")
    return folder / "judge"


@pytest.fixture
def rated(tmp_path, monkeypatch):
    """`rated(count, **columns)`: a table of so many tones of four speakers, with a rating each."""
    monkeypatch.chdir(tmp_path)

    def write(count, name="ratings.csv", **columns):
        head = ["path", "speaker", "mos", *columns]
        rows = []
        for k in range(count):
            soundfile.write(f"{k}.wav", tone(0.3, 200 + 20 * k, 16_000), 16_000)
            rows.append([f"{k}.wav", f"s{k % 5}", 1 + k % 9 / 2, *(column(k) for column in columns.values())])
        text = "\n".join(",".join(map(str, row)) for row in [head, *rows])
        (tmp_path / name).write_text(text + "\n")
        return name

    return write


@pytest.fixture
def tune(shell, start):
    def call(*words):
        return shell("finetune", *words, "--judge", start, "--output", "own", "--epochs", 1, "--device", "cpu")

    return call


class TestFinetune:
    def test_what_shows_no_gain_leaves_the_judge_as_it_was(self, rated, tune, start):
        code, out, err = tune(rated(30))
        assert (code, "own: holds" in err, "as it was" in err) == (1, True, True), err
        assert "18 clips to learn from, 6 to stop by, 6 held out; no speaker is in two of them" in err
        assert "| mos | 6 | PCC |" in out
        old, new = (AudioJudge.from_pretrained(place, device="cpu") for place in (start, "own"))
        assert new.score("0.wav")["mos"].value == old.score("0.wav")["mos"].value
        assert new.revision == old.revision
        card = Path("own/README.md").read_text()
        assert "**the weights are those of before**" in card
        assert "| mos | 6 | PCC |" in card
        note = json.loads(Path("own/finetune.json").read_text())
        assert {split: len(paths) for split, paths in note["splits"].items()} == {
            "train": 18, "validation": 6, "test": 6,
        }  # fmt: skip

    def test_a_gain_is_kept_with_what_was_known_before(self, rated, tune, start, monkeypatch):
        monkeypatch.setattr(Gain, "is_better", True)
        code, _, err = tune(rated(30))
        assert (code, "agrees better with the listeners of 6 held-out clips" in err) == (0, True), err
        old, new = (load_file(f"{place}/model.safetensors") for place in (start, "own"))
        assert {name for name in old if not old[name].equal(new[name])}
        assert all(old[name].equal(new[name]) for name in old if "audio_tower" in name)
        judge = AudioJudge.from_pretrained("own", device="cpu")
        assert judge.rubrics == ("mos", "noisiness")

    def test_splits_of_the_table_are_heeded(self, rated, tune):
        split = lambda k: ("train", "dev", "test")[0 if k < 20 else 1 + k % 2]  # noqa: E731
        _, _, err = tune(rated(30, split=split, mos_std=lambda k: 0.8, mos_votes=lambda k: 5))
        assert "20 clips to learn from, 5 to stop by, 5 held out" in err
        assert "5 speaker in more than one split" in err  # which is warned about
        note = json.loads(Path("own/finetune.json").read_text())
        assert note["splits"]["validation"] == [f"{k}.wav" for k in range(20, 30, 2)]
        assert note["figures"]["rubrics"]["mos"]["ceiling"] > 0.9

    def test_ratings_on_another_scale(self, rated, tune, tmp_path):
        rated(30)
        text = (tmp_path / "ratings.csv").read_text().replace(",mos\n", ",score\n")
        (tmp_path / "ratings.csv").write_text(text)
        assert tune("ratings.csv", "--columns", "path=path,mos=score", "--scale", "0-5")[0] == 1

    def test_clips_that_cannot_be_read_are_left_out_and_said(self, rated, tune, tmp_path):
        rated(30)
        with open("ratings.csv", "a") as file:
            file.write("missing.wav,s1,3\n")
        code, _, err = tune("ratings.csv")
        assert (code, "missing.wav: no such file" in err) == (1, True), err

    @pytest.mark.parametrize(
        ("count", "column", "words", "said"),
        [
            (5, "mos", (), "5 rated clips that can be read; at least 20 are needed"),
            (30, "warmth", ("--columns", "path=path,warmth=warmth"), "warmth: no rubric of ours"),
            (30, "mos", ("--scale", "big"), "--scale big"),
        ],
    )
    def test_what_cannot_be_done_is_refused(self, rated, tune, tmp_path, count, column, words, said):
        rated(count)
        text = (tmp_path / "ratings.csv").read_text().replace(",mos\n", f",{column}\n")
        (tmp_path / "ratings.csv").write_text(text)
        code, _, err = tune("ratings.csv", *words)
        assert (code, said in err) == (2, True), err
        assert not (tmp_path / "own").exists()

    def test_finished_work_is_not_replaced(self, rated, tune, tmp_path):
        (tmp_path / "own").mkdir()
        (tmp_path / "own" / "model.safetensors").write_bytes(b"")
        code, _, err = tune(rated(30))
        assert (code, "--overwrite" in err) == (2, True)
        code, _, err = tune("ratings.csv", "--overwrite")  # no judge of ours lies there
        assert (code, "none that `finetune` has written" in err) == (2, True)
        assert (tmp_path / "own" / "model.safetensors").is_file()

    def test_the_judge_that_is_begun_with_is_not_replaced(self, rated, shell, start):
        code, _, err = shell("finetune", rated(30), "--judge", start, "--output", start, "--overwrite")
        assert (code, "is the judge that is begun with" in err) == (2, True)

    def test_a_split_that_holds_a_clip_of_another_is_refused(self, rated, tune, tmp_path):
        rated(30, split=lambda k: ("train", "dev", "test")[k % 3])
        with open("ratings.csv", "a") as file:
            file.write("0.wav,s1,3,test\n")
        code, _, err = tune("ratings.csv")
        assert (code, "1 path in more than one split" in err) == (2, True), err
