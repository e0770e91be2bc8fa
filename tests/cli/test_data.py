import csv
import json
import re

import pytest
import soundfile
from stub import serving
from tiny import tone

from audio_judge.cli.main import main
from audio_judge.corpora import CORPORA
from audio_judge.data.files import read_examples, write_examples
from audio_judge.data.instructions import ALL_TASKS
from audio_judge.data.paraphrases import STYLES
from audio_judge.errors import UsageError
from audio_judge.languages import wordings
from audio_judge.messages import audio_blocks
from audio_judge.rubrics.rubric import ALL_RUBRICS, PROXY_RUBRICS

INSTRUCTIONS = wordings("decide")[0]


def expert(request, _times=1):
    """A teacher that does as it is told, and names no aspect."""
    text = request["messages"][-1]["content"]
    if token := re.search(r"\[\w+\]", text):
        return f"They differ a little.\n{token[0]}"
    mos = re.search(r'"mos": ([0-9.]+)', text)[1]
    return f"The voice is clear. The MOS is {mos}."


OPTION = 'columns={"path": "path", "ratings": {"mos": "mos", "noisiness": "noi"}}'


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open("clips.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "mos", "noi"])
        writer.writerows([f"c{k}.wav", 1 + k % 5, 3] for k in range(10))
    return tmp_path


def run(capsys, *arguments):
    code = main(arguments)
    output = capsys.readouterr()
    return code, output.out, output.err


def data(capsys, *arguments):
    return run(capsys, "data", "table", "clips.csv", "--option", OPTION, *arguments)


class TestWriteExamples:
    @pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
    def test_can_be_read_back(self, folder, suffix):
        examples = [{"task": "score", "n": k} for k in range(2500)]
        assert write_examples(iter(examples), folder / f"out{suffix}") == 2500
        assert list(read_examples(folder / f"out{suffix}")) == examples

    def test_what_was_there_stays_if_it_fails(self, folder):
        out = folder / "out.jsonl"
        out.write_text("old")

        def broken():
            yield {}
            raise ValueError("broken")

        with pytest.raises(ValueError, match="broken"):
            write_examples(broken(), out)
        assert out.read_text() == "old"
        assert not (folder / "out.jsonl.part").exists()


class TestReadExamples:
    @pytest.mark.parametrize("name", ["x.jsonl", "x.parquet"])
    def test_other_files(self, folder, name):
        (folder / name).write_text("no examples")
        with pytest.raises(UsageError, match=name):
            list(read_examples(folder / name))


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

    def test_show(self, capsys):
        data(capsys, "--tasks", "decide", "--out", "x.jsonl")
        code, output, _ = run(capsys, "data", "show", "x.jsonl", "--number", "2")
        assert code == 0
        assert output.count("===") == 2
        assert '"targets"' in output


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


class TestCaption:
    def ask(self, capsys, url, *more):
        given = ["--teacher", url, "--model", "m", "--out", "captions.jsonl"]
        return run(capsys, "caption", "clips.csv", *given, *more)

    def test_writes_goes_on_and_can_be_learned(self, capsys, folder):
        with serving(expert) as stub:
            code, _, errors = self.ask(capsys, stub.url, "--limit", "3", "--diverse", "1", "--pairs", "1")
            assert code == 0, errors
            asked = len(stub.requests)
            self.ask(capsys, stub.url, "--limit", "3", "--diverse", "1", "--pairs", "1")
            assert len(stub.requests) == asked == 8
        code = run(capsys, "data", "captions", "captions.jsonl", "--tasks", "describe,compare", "--out", "x.jsonl")[0]
        assert code == 0
        assert {example["task"] for example in read_examples(folder / "x.jsonl")} == {"describe", "compare"}

    def test_table_without_ratings(self, capsys, folder):
        (folder / "clips.csv").write_text("path,other\na.wav,1\n")
        code, _, errors = self.ask(capsys, "http://localhost:9")
        assert code == 2
        assert "mos are needed" in errors


def reworder(request, _times=1):
    """A model that puts the style's first words before the request, but has no casual wording of one template."""
    style, _, source = request["messages"][-1]["content"].partition("\n\nRequest: ")
    if source == INSTRUCTIONS[0] and style == STYLES["casual"]:
        return "Sure, here you go!"
    return f"{list(STYLES.values()).index(style) * 'really '}{source} Thanks."


class TestParaphrase:
    def ask(self, capsys, url, *more):
        return run(capsys, "data", "paraphrase", "--teacher", url, "--model", "m", "--out", "w.jsonl", *more)

    def test_one_bad_reply_is_one_failed_row(self, capsys, folder):
        with serving(reworder) as stub:
            code, _, errors = self.ask(capsys, stub.url)
        assert code == 1
        assert f"{5 * len(INSTRUCTIONS) - 1} wordings added in w.jsonl, 1 failed" in errors
        (failed,) = map(json.loads, (folder / "w.jsonl.failed.jsonl").read_text().splitlines())
        assert (failed["source"], failed["style"], failed["reason"]) == (INSTRUCTIONS[0], "casual", "invalid")

    def test_another_run_asks_for_nothing_again(self, capsys, folder):
        with serving(reworder) as stub:
            assert self.ask(capsys, stub.url, "--styles", "technical")[0] == 0
            before, asked = (folder / "w.jsonl").read_text(), len(stub.requests)
            assert (
                f"0 wordings added to {len(INSTRUCTIONS)} of an earlier run"
                in self.ask(capsys, stub.url, "--styles", "technical")[2]
            )
            assert (len(stub.requests), (folder / "w.jsonl").read_text()) == (asked, before)

    def test_data_uses_the_file(self, capsys, folder):
        with serving(reworder) as stub:
            self.ask(capsys, stub.url)
        given = ["--tasks", "score", "--augment", "paraphrase=1", "--paraphrases", "w.jsonl", "--variants", "9"]
        assert data(capsys, *given, "--out", "x.jsonl")[0] == 0
        steps = [example["provenance"][0] for example in read_examples(folder / "x.jsonl")]
        assert {step["model"].get("model") for step in steps} == {"m", None}

    @pytest.mark.parametrize(
        ("given", "problem"),
        [(["--styles", "rude"], "no style 'rude'"), (["--out", "w.txt"], "must end in .jsonl")],
    )
    def test_unusable_requests(self, capsys, given, problem):
        code, _, errors = self.ask(capsys, "http://localhost:9", *given)
        assert (code, problem in errors) == (2, True)
