# ruff: noqa: F811 (fixtures are imported by their names)
import json
import re

import pytest
import soundfile
from native_models import qwen2_audio
from rated_table import OPTION, data, folder, run  # noqa: F401
from tiny import tone

from audio_judge.corpora import CORPORA
from audio_judge.data.files import read_examples
from audio_judge.data.instructions import ALL_TASKS
from audio_judge.messages import audio_blocks
from audio_judge.rubrics.rubric import ALL_RUBRICS, PROXY_RUBRICS


class TestData:
    def test_writes_and_reports(self, capsys, folder):
        code, _, errors = data(capsys, "--tasks", "score,rate=2", "--augment", "scale=1", "--out", "train.parquet")
        assert code == 0
        assert "10 examples in train.parquet" in errors
        assert all(example["provenance"] for example in read_examples(folder / "train.parquet"))

    def test_statistics_file(self, capsys, folder):
        data(capsys, "--tasks", "score", "--out", "train.jsonl", "--statistics", "s.json", "--limit", "4")
        assert json.loads((folder / "s.json").read_text())["examples"] == 4

    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            (["--tasks", "sing", "--out", "x.jsonl"], "--tasks 'sing': no 'sing'; known are"),
            (["--tasks", "score=two", "--out", "x.jsonl"], "score=2"),
            (["--tasks", "score"], "--out FILE"),
            (["--tasks", "score", "--out", "x.csv"], r"\.parquet or \.jsonl"),
            (["--tasks", "score", "--out", "no/x.jsonl"], "no folder"),
            (["--tasks", "score", "--out", "x.jsonl", "--option", "root"], "NAME=VALUE"),
            (["--tasks", "score", "--out", "x.jsonl", "--augment", "louder"], "louder"),
            (["--tasks", "detect", "--out", "x.jsonl"], "no examples"),
            (
                ["--tasks", "score", "--out", "x.jsonl", "--statistics", "no/s.json"],
                "--statistics no/s.json: cannot be",
            ),
        ],
    )
    def test_unusable_requests(self, capsys, arguments, problem):
        code, _, errors = data(capsys, *arguments)
        assert code == 2
        assert re.search(problem, errors)

    def test_missing_corpus(self, capsys):
        code, _, errors = run(capsys, "data", "nisqa", "nowhere", "--tasks", "score", "--out", "x.jsonl")
        assert code == 2
        assert "nowhere" in errors

    def test_what_stands_before_the_corpus_counts(self, capsys, folder):
        run(
            capsys,
            "data",
            "--limit",
            "1",
            "--out",
            "x.jsonl",
            "table",
            "clips.csv",
            "--tasks",
            "score",
            "--option",
            OPTION,
        )
        assert len((folder / "x.jsonl").read_text().splitlines()) == 1

    def test_a_mixture_beside_a_corpus_is_an_error(self, capsys, folder):
        given = (
            "--mixture",
            "m.yaml",
            "table",
            "clips.csv",
            "--tasks",
            "score",
            "--out",
            "x.jsonl",
            "--option",
            OPTION,
        )
        code, _, errors = run(capsys, "data", *given)
        assert code == 2
        assert "--mixture m.yaml: cannot act beside `table`" in errors

    @pytest.mark.parametrize("way", [["mixture", "m.yaml"], ["--mixture", "m.yaml"]])
    def test_mixture(self, capsys, folder, way):
        corpus = {"reader": "table", "path": "clips.csv", "options": {"columns": json.loads(OPTION[8:])}}
        (folder / "m.yaml").write_text(json.dumps({"tasks": ["score"], "corpora": [corpus]}))
        options = ["--out", "x.jsonl", "--limit", "3"]
        code, _, errors = run(capsys, "data", *(way + options if way[0] == "mixture" else options + way))
        assert code == 0, errors
        assert len(list(read_examples(folder / "x.jsonl"))) == 3

    def test_nothing_is_asked(self, capsys):
        assert run(capsys, "data", "--out", "x.jsonl")[0] == 2

    def test_ls_names_directions(self, capsys):
        code, output, _ = run(capsys, "data", "ls")
        assert code == 0
        assert "reverberation          1-5    lower" in output
        assert "speechjudge" in output

    def test_ls_names_everything(self, capsys):
        listed = {line.split()[0] for line in run(capsys, "data", "ls")[1].splitlines() if line}
        assert {*CORPORA, *ALL_TASKS, *ALL_RUBRICS} <= listed

    def test_show_rows_that_are_no_examples(self, capsys, folder):
        (folder / "x.jsonl").write_text('{"path": "a.wav"}\n')
        code, _, errors = run(capsys, "data", "show", "x.jsonl")
        assert (code, "x.jsonl: example 1 has no task" in errors) == (2, True)

    def test_show(self, capsys):
        data(capsys, "--tasks", "decide", "--out", "x.jsonl")
        code, output, _ = run(capsys, "data", "show", "x.jsonl", "--number", "2")
        assert code == 0
        assert output.count("===") == 2
        assert '"targets"' in output

    def test_show_in_the_template_of_a_native_model(self, capsys, folder):
        for part in qwen2_audio():
            part.save_pretrained(folder / "native")
        data(capsys, "--tasks", "score", "--out", "x.jsonl")
        code, output, errors = run(capsys, "data", "show", "x.jsonl", "--number", "1", "--judge", "native")
        assert code == 0, errors
        assert "<|im_start|>user\n<|audio_bos|><|AUDIO|><|audio_eos|>\n" in output
        assert re.search(r"<\|im_start\|>assistant\n\d\.\d<\|im_end\|>", output)


class TestJastinProxies:
    @pytest.fixture(autouse=True)
    def clean(self, folder):
        for kind, number in (("speech", 2), ("music", 1)):
            (folder / kind / "deep").mkdir(parents=True)
            for k in range(number):
                soundfile.write(folder / kind / "deep" / f"{k}.wav", tone(0.3, 200 + 99 * k, 16_000), 16_000)

    def proxies(self, capsys, *more):
        return run(capsys, "data", "jastin-proxies", "speech", "--out", "proxies", *more)

    def test_all_five_from_speech_and_music(self, capsys, folder):
        code, _, errors = self.proxies(capsys, "--music", "music", "--seed", "3")
        assert code == 0, errors
        counts = {path.stem: len(path.read_text().splitlines()) for path in (folder / "proxies").glob("*.jsonl")}
        assert counts == dict.fromkeys(PROXY_RUBRICS, 2) | {"music_distortion": 1, "sudden_silence": 3}
        assert "0 made, 2 kept" in self.proxies(capsys, "--music", "music", "--seed", "3")[2]

    def test_can_be_learned_from(self, capsys, folder):
        self.proxies(capsys, "--proxies", "whispering")
        columns = {"path": "path", "ratings": {"whispering": "score"}}
        given = ["--option", f"columns={json.dumps(columns)}", "--tasks", "rate", "--out", "x.jsonl"]
        assert run(capsys, "data", "table", "proxies/whispering.jsonl", *given)[0] == 0
        found = list(read_examples(folder / "x.jsonl"))
        assert [example["task"] for example in found] == ["rate", "rate"]
        assert all((folder / block["path"]).is_file() for example in found for block in audio_blocks(example))

    def test_without_music(self, capsys, folder):
        code, _, errors = self.proxies(capsys, "--limit", "1")
        assert (code, "music_distortion is made of music and left out" in errors) == (0, True)
        assert not (folder / "proxies" / "music_distortion.jsonl").exists()

    def test_unreadable_clip(self, capsys, folder):
        (folder / "speech" / "bad.wav").write_text("no sound")
        code, _, errors = self.proxies(capsys, "--proxies", "whispering")
        assert code == 1
        assert "bad.wav" in errors
        assert "2 made, 0 kept of an earlier run, 1 failed" in errors

    @pytest.mark.parametrize(
        ("more", "problem"),
        [
            (["--proxies", "charm"], "known are child_voice"),
            (["--proxies", "music_distortion"], "give --music"),
            (["--music", "nowhere"], "nowhere: no folder with sound files"),
            (["--out", "clips.csv"], "clips.csv"),
        ],
    )
    def test_unusable_requests(self, capsys, more, problem):
        code, _, errors = self.proxies(capsys, *more)
        assert code == 2
        assert problem in errors

    def test_another_seed_needs_another_folder(self, capsys):
        self.proxies(capsys, "--proxies", "whispering")
        code, _, errors = self.proxies(capsys, "--proxies", "whispering", "--seed", "1")
        assert (code, "choose another folder" in errors) == (2, True)
